//! One command to one node, and its answer.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

/// A node answers such questions at once; more than this is a node that does not.
const PATIENCE: Duration = Duration::from_secs(5);

/// Longest answer: 4,096 nodes with a line each.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    /// No node there.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// An address that cannot be.
    #[error("not an address (host:port)")]
    Address,
    /// The node's own words.
    #[error("{0}")]
    Refused(String),
    /// Something else than a node.
    #[error("the answer is not understood")]
    Malformed,
}

/// Asks the node at `address`.
pub(super) fn ask(address: &str, password: &str, words: &[&str]) -> Result<String, AskError> {
    let target = address.to_socket_addrs().map_err(|_| AskError::Address)?.next();
    let stream = TcpStream::connect_timeout(&target.ok_or(AskError::Address)?, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut stream = BufReader::new(stream);
    if !password.is_empty() {
        call(&mut stream, &["AUTH", password])?;
    }
    call(&mut stream, words)
}

fn call(stream: &mut BufReader<TcpStream>, words: &[&str]) -> Result<String, AskError> {
    let mut request = format!("*{}\r\n", words.len());
    words.iter().for_each(|word| request.push_str(&format!("${}\r\n{word}\r\n", word.len())));
    stream.get_mut().write_all(request.as_bytes())?;
    let mut line = String::new();
    stream.take(ANSWER_BYTES_MAX as u64).read_line(&mut line)?;
    let line = line.trim_end();
    match line.split_at_checked(1) {
        Some(("+", text)) => Ok(text.to_owned()),
        Some(("-", text)) => Err(AskError::Refused(text.to_owned())),
        Some(("$", length)) => {
            let length: usize = length.parse().map_err(|_| AskError::Malformed)?;
            if length > ANSWER_BYTES_MAX {
                return Err(AskError::Malformed);
            }
            let mut bytes = vec![0; length + 2];
            stream.read_exact(&mut bytes)?;
            bytes.truncate(length);
            String::from_utf8(bytes).map_err(|_| AskError::Malformed)
        }
        _ => Err(AskError::Malformed),
    }
}
