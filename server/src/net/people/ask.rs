//! One command to one node, and its answer.

use crate::config::Call;
use crate::security::tls::{Papers, TlsError};
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ClientConnection, StreamOwned};
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
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
    Io(io::Error),
    /// A node that wants to know who asks.
    #[error("the node wants a certificate: name one with --cert, and its key with --key")]
    Unproven,
    /// An address that cannot be.
    #[error("not an address (host:port)")]
    Address,
    /// Certificates and keys that cannot be used.
    #[error("{0}")]
    Papers(#[from] TlsError),
    /// The node's own words.
    #[error("{0}")]
    Refused(String),
    /// Something else than a node.
    #[error("the answer is not understood")]
    Malformed,
}

impl From<io::Error> for AskError {
    fn from(error: io::Error) -> Self {
        let secured = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match secured {
            Some(rustls::Error::AlertReceived(AlertDescription::CertificateRequired)) => {
                AskError::Unproven
            }
            _ => AskError::Io(error),
        }
    }
}

/// A connection, with TLS or without.
trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

/// Asks a node.
pub(super) fn ask(node: &Call, words: &[&str]) -> Result<String, AskError> {
    let target = node.address.to_socket_addrs().map_err(|_| AskError::Address)?.next();
    let stream = TcpStream::connect_timeout(&target.ok_or(AskError::Address)?, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut stream: BufReader<Box<dyn Stream>> = BufReader::new(match &node.papers {
        Some(papers) => Box::new(secured(stream, &node.address, papers)?),
        None => Box::new(stream),
    });
    match (&*node.user, &*node.password) {
        ("", "") => {}
        ("", password) => drop(call(&mut stream, &["AUTH", password])?),
        (user, password) => drop(call(&mut stream, &["AUTH", user, password])?),
    }
    call(&mut stream, words)
}

fn secured(
    stream: TcpStream,
    address: &str,
    papers: &Papers,
) -> Result<StreamOwned<ClientConnection, TcpStream>, AskError> {
    let (host, _) = address.rsplit_once(':').ok_or(AskError::Address)?;
    let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(name).map_err(|_| AskError::Address)?;
    let client = ClientConnection::new(Arc::new(papers.config()?), name).map_err(TlsError::from)?;
    Ok(StreamOwned::new(client, stream))
}

fn call(stream: &mut BufReader<Box<dyn Stream>>, words: &[&str]) -> Result<String, AskError> {
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
