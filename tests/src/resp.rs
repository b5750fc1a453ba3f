//! A raw RESP client: sends bytes as they are, returns each reply's bytes as they came.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// No reply of a healthy server takes so long, whatever else the machine does.
pub const TIMEOUT: Duration = Duration::from_secs(20);

pub(crate) trait Stream: Read + Write + Send {
    fn set_timeout(&self, limit: Duration) -> io::Result<()>;
    fn shutdown_write(&self) -> io::Result<()>;
    fn duplicate(&self) -> io::Result<Box<dyn Stream>>;
}

impl Stream for TcpStream {
    fn set_timeout(&self, limit: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(limit))?;
        self.set_write_timeout(Some(limit))
    }
    fn shutdown_write(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
    fn duplicate(&self) -> io::Result<Box<dyn Stream>> {
        Ok(Box::new(self.try_clone()?))
    }
}

impl Stream for UnixStream {
    fn set_timeout(&self, limit: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(limit))?;
        self.set_write_timeout(Some(limit))
    }
    fn shutdown_write(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
    fn duplicate(&self) -> io::Result<Box<dyn Stream>> {
        Ok(Box::new(self.try_clone()?))
    }
}

impl Stream for crate::tls::Stream {
    fn set_timeout(&self, limit: Duration) -> io::Result<()> {
        self.sock.set_timeout(limit)
    }
    fn shutdown_write(&self) -> io::Result<()> {
        Err(ErrorKind::Unsupported.into())
    }
    fn duplicate(&self) -> io::Result<Box<dyn Stream>> {
        Err(ErrorKind::Unsupported.into())
    }
}

/// A connection and what was read ahead of the last reply.
pub struct Connection {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
    start: usize,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Connection({} bytes unread)", self.buffer.len() - self.start)
    }
}

impl Connection {
    /// Connects over TCP.
    pub fn open(address: SocketAddr) -> io::Result<Connection> {
        let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
        stream.set_nodelay(true)?;
        Connection::over(Box::new(stream))
    }

    /// Connects to a Unix socket.
    pub fn open_unix(path: &Path) -> io::Result<Connection> {
        Connection::over(Box::new(UnixStream::connect(path)?))
    }

    pub(crate) fn over(stream: Box<dyn Stream>) -> io::Result<Connection> {
        stream.set_timeout(TIMEOUT)?;
        Ok(Connection { stream, buffer: Vec::new(), start: 0 })
    }

    /// Changes how long reading and writing may take.
    pub fn set_timeout(&mut self, limit: Duration) -> io::Result<()> {
        self.stream.set_timeout(limit)
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// A second handle that can send while this one reads.
    pub fn sender(&self) -> io::Result<impl Write + Send + use<>> {
        self.stream.duplicate().map(Sender)
    }

    /// Tells the server that nothing more comes.
    pub fn finish_sending(&mut self) -> io::Result<()> {
        self.stream.shutdown_write()
    }

    /// The bytes of the next reply, attributes before it included.
    pub fn read_reply(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(len) = frame_bytes(&self.buffer[self.start..])? {
                let reply = self.buffer[self.start..self.start + len].to_vec();
                self.start += len;
                if self.start == self.buffer.len() {
                    self.buffer.clear();
                    self.start = 0;
                }
                return Ok(reply);
            }
            if self.fill()? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Everything that comes until the server closes; a reset counts as a close.
    pub fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        loop {
            match self.fill() {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
                Err(error) => return Err(error),
            }
        }
        Ok(self.buffer.split_off(self.start))
    }

    fn fill(&mut self) -> io::Result<usize> {
        if self.start > 1 << 20 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        let mut chunk = [0u8; 64 * 1024];
        loop {
            match self.stream.read(&mut chunk) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(len) => {
                    self.buffer.extend_from_slice(&chunk[..len]);
                    return Ok(len);
                }
            }
        }
    }

    /// Sends a command and returns the bytes of its reply.
    pub fn call_raw(&mut self, arguments: &[impl AsRef<[u8]>]) -> io::Result<Vec<u8>> {
        self.send(&encode(arguments))?;
        self.read_reply()
    }

    /// Sends a command and returns its reply.
    pub fn call(&mut self, arguments: &[impl AsRef<[u8]>]) -> io::Result<Value> {
        let raw = self.call_raw(arguments)?;
        Value::parse(&raw).ok_or_else(|| ErrorKind::InvalidData.into())
    }

    /// As [`Connection::call`], for commands that a suite depends on: blanks separate the arguments.
    ///
    /// # Panics
    /// If the connection fails.
    #[track_caller]
    pub fn run(&mut self, line: &str) -> Value {
        let arguments: Vec<&str> = line.split_whitespace().collect();
        self.call(&arguments).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    /// Sends every command, then reads every reply; for loading data.
    ///
    /// # Panics
    /// If the connection fails.
    #[track_caller]
    pub fn pipeline(&mut self, requests: &[u8], count: usize) -> Vec<Vec<u8>> {
        let mut sender = self.sender().expect("a socket can be duplicated");
        std::thread::scope(|scope| {
            scope.spawn(move || sender.write_all(requests));
            (0..count)
                .map(|index| {
                    self.read_reply().unwrap_or_else(|error| panic!("reply {index}: {error}"))
                })
                .collect()
        })
    }
}

struct Sender(Box<dyn Stream>);

impl Write for Sender {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A command as an array of bulk strings.
pub fn encode(arguments: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in arguments {
        let argument = argument.as_ref();
        out.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        out.extend_from_slice(argument);
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// Length of the reply that `bytes` begin with; `None` if it is not whole yet.
pub fn frame_bytes(bytes: &[u8]) -> io::Result<Option<usize>> {
    let mut at = 0;
    // Replies still to come at this level and those above it, flattened: nesting needs no stack.
    let mut missing = 1u64;
    while missing > 0 {
        let Some((kind, len, after)) = head(bytes, at)? else { return Ok(None) };
        at = after;
        missing -= 1;
        match kind {
            b'$' | b'=' | b'!' if len >= 0 => {
                at += len as usize + 2;
                if at > bytes.len() {
                    return Ok(None);
                }
            }
            b'*' | b'~' | b'>' if len > 0 => missing += len as u64,
            b'%' => missing += 2 * len as u64,
            // Attributes stand before the reply they belong to.
            b'|' => missing += 2 * len as u64 + 1,
            _ => {}
        }
    }
    Ok(Some(at))
}

/// The first line at `at`: its kind, its number if the kind has a length, and where the next begins.
fn head(bytes: &[u8], at: usize) -> io::Result<Option<(u8, i64, usize)>> {
    let invalid = || io::Error::new(ErrorKind::InvalidData, "this is no RESP reply");
    let Some(&kind) = bytes.get(at) else { return Ok(None) };
    if !b"+-:$*_,#!=(%~>|".contains(&kind) {
        return Err(invalid());
    }
    let Some(end) = bytes[at..].windows(2).position(|pair| pair == b"\r\n") else {
        return Ok(None);
    };
    let line = &bytes[at + 1..at + end];
    let len = if b"$*!=%~>|".contains(&kind) {
        std::str::from_utf8(line).ok().and_then(|t| t.parse().ok()).ok_or_else(invalid)?
    } else {
        0
    };
    Ok(Some((kind, len, at + end + 2)))
}

/// A parsed reply.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// `+`.
    Simple(Vec<u8>),
    /// `-`, code included.
    Error(Vec<u8>),
    /// `:`.
    Integer(i64),
    /// `$`.
    Bulk(Vec<u8>),
    /// `$-1`, `*-1` or `_`; holds the byte that told.
    Null(u8),
    /// `*`, `~` or `>`; holds which.
    Array(u8, Vec<Value>),
    /// `%`.
    Map(Vec<(Value, Value)>),
    /// `,` `#` `(` `=` `!`; holds which, and the text.
    Other(u8, Vec<u8>),
}

impl Value {
    /// The reply that `bytes` are, if they are exactly one.
    pub fn parse(bytes: &[u8]) -> Option<Value> {
        let mut at = 0;
        let value = Value::parse_at(bytes, &mut at)?;
        (at == bytes.len()).then_some(value)
    }

    fn parse_at(bytes: &[u8], at: &mut usize) -> Option<Value> {
        let begin = *at;
        let (kind, len, after) = head(bytes, begin).ok()??;
        *at = after;
        let line = || bytes[begin + 1..after - 2].to_vec();
        Some(match kind {
            b'+' => Value::Simple(line()),
            b'-' => Value::Error(line()),
            b':' => Value::Integer(std::str::from_utf8(&line()).ok()?.parse().ok()?),
            b'_' => Value::Null(b'_'),
            b'$' | b'*' if len < 0 => Value::Null(kind),
            b'$' | b'=' | b'!' => {
                let end = after + len as usize;
                let text = bytes.get(after..end)?.to_vec();
                *at = end + 2;
                if kind == b'$' { Value::Bulk(text) } else { Value::Other(kind, text) }
            }
            b'*' | b'~' | b'>' => {
                let items = (0..len).map(|_| Value::parse_at(bytes, at)).collect::<Option<_>>()?;
                Value::Array(kind, items)
            }
            b'%' => {
                let pair = |at: &mut usize| {
                    Some((Value::parse_at(bytes, at)?, Value::parse_at(bytes, at)?))
                };
                Value::Map((0..len).map(|_| pair(at)).collect::<Option<_>>()?)
            }
            _ => Value::Other(kind, line()),
        })
    }

    /// The number, if it is one.
    pub fn integer(&self) -> Option<i64> {
        if let Value::Integer(value) = self { Some(*value) } else { None }
    }

    /// The text of a string, error or verbatim reply; empty for others.
    pub fn text(&self) -> String {
        match self {
            Value::Simple(text) | Value::Error(text) | Value::Bulk(text) => {
                String::from_utf8_lossy(text).into_owned()
            }
            Value::Other(b'=', text) => {
                String::from_utf8_lossy(text.get(4..).unwrap_or_default()).into_owned()
            }
            Value::Other(_, text) => String::from_utf8_lossy(text).into_owned(),
            _ => String::new(),
        }
    }

    /// The elements of an array, set or push; empty for others.
    pub fn items(&self) -> &[Value] {
        if let Value::Array(_, items) = self { items } else { &[] }
    }

    /// Whether it is an error.
    pub fn is_error(&self) -> bool {
        matches!(self, Value::Error(_))
    }

    /// The byte that tells its type, and for a null which null.
    pub fn kind(&self) -> u8 {
        match self {
            Value::Simple(_) => b'+',
            Value::Error(_) => b'-',
            Value::Integer(_) => b':',
            Value::Bulk(_) => b'$',
            Value::Null(kind) => kind.to_ascii_uppercase() | 0x80,
            Value::Array(kind, _) | Value::Other(kind, _) => *kind,
            Value::Map(_) => b'%',
        }
    }
}

impl std::fmt::Display for Value {
    /// One line, for messages: `(integer 3)` is `3`, strings are escaped, aggregates bracketed.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |f: &mut std::fmt::Formatter<'_>, items: &[Value]| {
            items.iter().enumerate().try_for_each(|(index, item)| {
                write!(f, "{}{item}", if index > 0 { " " } else { "" })
            })
        };
        match self {
            Value::Integer(number) => write!(f, "{number}"),
            Value::Null(_) => f.write_str("null"),
            Value::Array(_, items) => {
                f.write_str("[")?;
                list(f, items)?;
                f.write_str("]")
            }
            Value::Map(pairs) => {
                f.write_str("{")?;
                pairs.iter().try_for_each(|(key, value)| write!(f, "{key}: {value} "))?;
                f.write_str("}")
            }
            Value::Simple(text)
            | Value::Error(text)
            | Value::Bulk(text)
            | Value::Other(_, text) => f.write_str(&crate::text::quote(text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_found_wherever_the_bytes_are_cut() {
        let replies: &[&[u8]] = &[
            b"+OK\r\n",
            b"$-1\r\n",
            b"$5\r\na\r\nbc\r\n",
            b"*2\r\n*1\r\n:1\r\n$0\r\n\r\n",
            b"%1\r\n$1\r\na\r\n~2\r\n#t\r\n_\r\n",
            b"|1\r\n+ttl\r\n:3\r\n*-1\r\n",
            b"=7\r\ntxt:abc\r\n",
            b">1\r\n,1.5\r\n",
        ];
        for reply in replies {
            for cut in 0..reply.len() {
                assert_eq!(frame_bytes(&reply[..cut]).unwrap(), None, "{reply:?} at {cut}");
            }
            let twice = [*reply, *reply].concat();
            assert_eq!(frame_bytes(&twice).unwrap(), Some(reply.len()));
        }
        assert!(frame_bytes(b"garbage\r\n").is_err());
    }
}
