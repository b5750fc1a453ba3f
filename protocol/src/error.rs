//! Errors as they go over the wire, byte for byte in Redis's words.
//!
//! Wording lives here alone. Source: replies of Redis 7.0 and the command pages of redis.io.

use crate::slot::Slot;
use std::borrow::Cow;
use std::fmt;

/// An error reply to a command. Its bytes are `-` + [`WireError::line`] + CRLF.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WireError {
    /// The key holds another type than the command works on.
    WrongType,
    /// Options that do not fit together, or an unknown option.
    Syntax,
    /// An argument that must be a 64-bit signed integer is not one.
    NotInteger,
    /// An argument or value that must be a float is not one.
    NotFloat,
    /// The key must exist and does not.
    NoSuchKey,
    /// An index beyond the value.
    IndexOutOfRange,
    /// The source and destination are the same object.
    SameObject,
    /// The increment or decrement would leave the 64-bit range.
    Overflow,
    /// Memory is above `maxmemory` and the policy cannot free any.
    OutOfMemory,
    /// AUTH is needed first.
    NoAuth,
    /// The keys of a command that must be in one slot are in several.
    CrossSlot,
    /// No node serves the slot of the command's keys.
    SlotDown,
    /// Another node serves the slot; the client is to ask there.
    Moved {
        /// The slot of the keys.
        slot: Slot,
        /// The node's host. If empty, the client takes that of this connection.
        host: Box<str>,
        /// The node's port for cluster clients.
        port: u16,
    },
    /// Wrong number of arguments; holds the lowercase full name (`client|id` for subcommands).
    WrongArity(Cow<'static, str>),
    /// The expire time of the named command is out of range.
    InvalidExpire(Cow<'static, str>),
    /// Anything else: the line without the leading `-`, its first word being the code. CR and LF become spaces when written.
    Line(Cow<'static, str>),
    /// As `Line`, for text that quotes a client's bytes, which need not be UTF-8.
    Bytes(Vec<u8>),
}

/// Bytes that are no request. The connection answers with the error and closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// An inline request longer than the limit.
    InlineTooLong,
    /// The line that holds the count of arguments does not end within the limit.
    MultibulkCountTooLong,
    /// The count of arguments is no number or above the limit.
    InvalidMultibulkLength,
    /// More arguments than a client may send before AUTH.
    UnauthenticatedMultibulkLength,
    /// Where a bulk's length belongs stands this byte instead of `$`.
    ExpectedDollar(u8),
    /// The line that holds a bulk's length does not end within the limit.
    BulkCountTooLong,
    /// The length of a bulk is no number, negative or above the limit.
    InvalidBulkLength,
    /// A longer bulk than a client may send before AUTH.
    UnauthenticatedBulkLength,
    /// A quote is not closed, or no blank follows the closing one.
    UnbalancedQuotes,
    /// The request reaches beyond 4 GiB. Redis never answers so: a query buffer's limit closes the client earlier.
    RequestTooLong,
}

impl ProtocolError {
    /// What Redis says behind `Protocol error: `; the byte that [`ProtocolError::ExpectedDollar`] quotes is not part of it.
    fn text(self) -> &'static str {
        match self {
            ProtocolError::InlineTooLong => "too big inline request",
            ProtocolError::MultibulkCountTooLong => "too big mbulk count string",
            ProtocolError::InvalidMultibulkLength => "invalid multibulk length",
            ProtocolError::UnauthenticatedMultibulkLength => "unauthenticated multibulk length",
            ProtocolError::ExpectedDollar(_) => "expected '$', got ",
            ProtocolError::BulkCountTooLong => "too big bulk count string",
            ProtocolError::InvalidBulkLength => "invalid bulk length",
            ProtocolError::UnauthenticatedBulkLength => "unauthenticated bulk length",
            ProtocolError::UnbalancedQuotes => "unbalanced quotes in request",
            ProtocolError::RequestTooLong => "too big request",
        }
    }
}

/// For logs; the wire's form is [`WireError::from`], which keeps a quoted byte as it is.
impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProtocolError::ExpectedDollar(got) => {
                write!(f, "{}'{}'", self.text(), got.escape_ascii())
            }
            _ => f.write_str(self.text()),
        }
    }
}

impl std::error::Error for ProtocolError {}

impl From<ProtocolError> for WireError {
    fn from(error: ProtocolError) -> Self {
        let mut line = format!("ERR Protocol error: {}", error.text()).into_bytes();
        if let ProtocolError::ExpectedDollar(got) = error {
            line.extend_from_slice(&[b'\'', got, b'\'']);
        }
        WireError::Bytes(line)
    }
}

impl WireError {
    /// `ERR` followed by `text`.
    pub fn err(text: &str) -> Self {
        WireError::Line(Cow::Owned(format!("ERR {text}")))
    }

    /// A line fixed at compile time, code included, as in `"ERR no such key"`.
    pub const fn fixed(line: &'static str) -> Self {
        WireError::Line(Cow::Borrowed(line))
    }

    /// The line as it goes out, without `-` and CRLF.
    pub fn line(&self) -> Cow<'_, [u8]> {
        fn text(s: &'static str) -> Cow<'static, [u8]> {
            Cow::Borrowed(s.as_bytes())
        }
        match self {
            WireError::WrongType => {
                text("WRONGTYPE Operation against a key holding the wrong kind of value")
            }
            WireError::Syntax => text("ERR syntax error"),
            WireError::NotInteger => text("ERR value is not an integer or out of range"),
            WireError::NotFloat => text("ERR value is not a valid float"),
            WireError::NoSuchKey => text("ERR no such key"),
            WireError::IndexOutOfRange => text("ERR index out of range"),
            WireError::SameObject => text("ERR source and destination objects are the same"),
            WireError::Overflow => text("ERR increment or decrement would overflow"),
            WireError::OutOfMemory => {
                text("OOM command not allowed when used memory > 'maxmemory'.")
            }
            WireError::NoAuth => text("NOAUTH Authentication required."),
            WireError::CrossSlot => text("CROSSSLOT Keys in request don't hash to the same slot"),
            WireError::SlotDown => text("CLUSTERDOWN Hash slot not served"),
            WireError::Moved { slot, host, port } => {
                Cow::Owned(format!("MOVED {} {host}:{port}", slot.index()).into_bytes())
            }
            WireError::WrongArity(name) => Cow::Owned(
                format!("ERR wrong number of arguments for '{name}' command").into_bytes(),
            ),
            WireError::InvalidExpire(name) => {
                Cow::Owned(format!("ERR invalid expire time in '{name}' command").into_bytes())
            }
            WireError::Line(line) => one_line(line.as_bytes()),
            WireError::Bytes(bytes) => one_line(bytes),
        }
    }
}

/// `text` as one line: line ends behind it are cut, others become spaces, so that no client's bytes can forge a second reply.
fn one_line(text: &[u8]) -> Cow<'_, [u8]> {
    let is_break = |byte: u8| matches!(byte, b'\r' | b'\n');
    let end = text.iter().rposition(|&byte| !is_break(byte)).map_or(0, |last| last + 1);
    let text = &text[..end];
    match memchr::memchr2(b'\r', b'\n', text) {
        None => Cow::Borrowed(text),
        Some(_) => text.iter().map(|&byte| if is_break(byte) { b' ' } else { byte }).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::WireError;

    #[test]
    fn every_error_is_one_line() {
        let check = |error: WireError, line: &str| assert_eq!(&*error.line(), line.as_bytes());
        check(WireError::Syntax, "ERR syntax error");
        check(WireError::err("a\r\nb\n"), "ERR a  b");
        check(WireError::Bytes(b"ERR \r\n+OK\r\n".to_vec()), "ERR   +OK");
        check(
            WireError::WrongArity("client|id".into()),
            "ERR wrong number of arguments for 'client|id' command",
        );
    }
}
