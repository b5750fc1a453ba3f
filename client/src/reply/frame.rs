//! A reply, or several to one request, as its bytes.

use super::Value;
use crate::error::{Error, Result};
use bytes::Bytes;
use torc_protocol::response::{ReplyBounds, Scanner, Token, Tokens};

/// What has passed the connection's bound.
const UNBOUNDED: ReplyBounds = ReplyBounds { reply_bytes_max: usize::MAX };

/// The bytes of one reply, or of all replies to a pipeline, in order. A part holds whole replies only; there is more than one where they did not arrive together.
#[derive(Debug, Clone)]
pub(crate) enum Frame {
    /// `+OK`, which is most of what writes answer and needs no bytes kept.
    Ok,
    /// All of it in one piece.
    One(Bytes),
    /// In several pieces.
    Many(Vec<Bytes>),
    /// Made of other replies, so that there are no bytes of it.
    Value(Box<Value>),
}

impl Frame {
    /// Another piece.
    pub(crate) fn append(self, piece: Bytes) -> Frame {
        match self {
            Frame::Ok => Frame::Many(vec![Bytes::from_static(b"+OK\r\n"), piece]),
            Frame::One(first) => Frame::Many(vec![first, piece]),
            // Only what the socket brings is appended to.
            Frame::Value(_) => Frame::One(piece),
            Frame::Many(mut pieces) => {
                pieces.push(piece);
                Frame::Many(pieces)
            }
        }
    }

    /// The one reply that it is; a server's error is an error.
    #[inline]
    pub(crate) fn into_value(self) -> Result<Value> {
        match self {
            Frame::Ok => Ok(Value::Ok),
            Frame::One(bytes) => Value::parse(bytes)?.into_result(),
            Frame::Value(value) => value.into_result(),
            Frame::Many(_) => match self.into_values(1)?.pop() {
                Some(value) => value.into_result(),
                None => Ok(Value::Null),
            },
        }
    }

    /// All replies, of which there are about `count`; errors of the server stand in place.
    pub(crate) fn into_values(self, count: usize) -> Result<Vec<Value>> {
        let mut values = Vec::with_capacity(count);
        match self {
            Frame::Ok => values.push(Value::Ok),
            Frame::One(bytes) => Value::parse_all(&bytes, &mut values)?,
            Frame::Value(value) => values.push(*value),
            Frame::Many(pieces) => {
                for bytes in pieces {
                    Value::parse_all(&bytes, &mut values)?;
                }
            }
        }
        Ok(values)
    }

    /// Each reply for itself.
    pub(crate) fn split(self) -> Vec<Frame> {
        let pieces = match self {
            Frame::Ok => return vec![Frame::Ok],
            Frame::One(bytes) => vec![bytes],
            Frame::Many(pieces) => pieces,
            Frame::Value(_) => return vec![self],
        };
        let mut frames = Vec::new();
        for mut bytes in pieces {
            // The driver has found these ends before, so they are there.
            while let Ok(Some(end)) = Scanner::new().scan(&bytes, &UNBOUNDED) {
                let one = bytes.split_to(end);
                frames.push(if &one[..] == b"+OK\r\n" { Frame::Ok } else { Frame::One(one) });
                if bytes.is_empty() {
                    break;
                }
            }
        }
        frames
    }

    /// The line of the error that it is.
    #[inline]
    pub(crate) fn error_line(&self) -> Option<&[u8]> {
        match self {
            Frame::One(bytes) if matches!(bytes.first(), Some(b'-' | b'!')) => {
                match Tokens::new(bytes).next_token() {
                    Ok(Token::Error(line)) => Some(line),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// The same as an error.
    pub(crate) fn error(&self) -> Option<Error> {
        self.error_line().map(Error::server)
    }
}
