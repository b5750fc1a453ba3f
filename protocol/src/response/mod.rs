//! Replies as a client reads them: where each ends in the bytes that came ([`Scanner`]), and what stands in it ([`Tokens`]).
//!
//! Two steps, because two hands do them. Whoever reads the socket needs ends alone, to give each reply to the caller that waits for
//! it, and should hold nobody up; the caller then reads its own reply in its own time, as what it needs. Nothing is copied by either.
//!
//! **Invariant.** No bytes of a server panic here, and nothing is allocated for what was only declared. A scanner looks at a byte of
//! framing once, but for one line of a reply that is not whole; the bytes of a bulk are never looked at.
//!
//! Deliberately does not know what a reply means, nor what asked for it. Source: the RESP specification (RESP2 and RESP3, streamed
//! types left out, which no server sends).

mod scanner;
#[cfg(test)]
mod tests;
mod token;

pub use scanner::{ReplyBounds, Scanner};
pub use token::{Token, Tokens};

/// Bytes that are no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResponseError {
    /// A reply begins with a byte that stands for no type.
    UnknownType(u8),
    /// A length or number is none, or beyond its bound.
    InvalidNumber,
    /// A line is longer than its bound, or does not end with CR LF.
    InvalidLine,
    /// A bulk is not followed by CR LF.
    UnterminatedBulk,
    /// The reply is longer than its bound.
    TooLong,
    /// Replies lie in one another more deeply than any server sends.
    TooDeep,
    /// The reply ends before all of its elements.
    Truncated,
}

impl std::fmt::Display for ResponseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ResponseError::UnknownType(byte) => {
                write!(f, "a reply begins with the byte {byte:#04x}")
            }
            ResponseError::InvalidNumber => f.write_str("a length or number in a reply is none"),
            ResponseError::InvalidLine => f.write_str("a line of a reply does not end"),
            ResponseError::UnterminatedBulk => f.write_str("a bulk is not followed by CR LF"),
            ResponseError::TooLong => f.write_str("a reply is longer than allowed"),
            ResponseError::TooDeep => f.write_str("a reply is nested too deeply"),
            ResponseError::Truncated => f.write_str("a reply ends too early"),
        }
    }
}

impl std::error::Error for ResponseError {}
