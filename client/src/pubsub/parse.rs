//! Pushes of publish and subscribe.

use super::{Kind, Message};
use crate::bytes::Bytes;
use crate::error::Error;
use crate::reply::Value;

/// What a push says.
#[derive(Debug, PartialEq)]
pub(super) enum Pushed {
    Message(Message),
    Confirmed(Kind, Bytes),
    Ended(Kind, Bytes),
    Refused(Error),
}

/// Reads a push; `None` for those of other kinds.
pub(super) fn parse(frame: bytes::Bytes) -> Option<Pushed> {
    let mut parts = match Value::parse(frame).ok()? {
        Value::Error(error) => return Some(Pushed::Refused(error)),
        // RESP3's, and RESP2's.
        Value::Push(parts) | Value::Array(parts) => parts.into_iter(),
        _ => return None,
    };
    let mut text = || match parts.next()? {
        Value::Bulk(bytes) | Value::Simple(bytes) => Some(bytes),
        _ => None,
    };
    let kind = text()?;
    let published = |channel, pattern, payload| {
        Some(Pushed::Message(Message::Published { channel, pattern, payload }))
    };
    match kind.as_str()? {
        "message" | "smessage" => published(text()?, None, text()?),
        "pmessage" => {
            let pattern = Some(text()?);
            published(text()?, pattern, text()?)
        }
        "subscribe" => Some(Pushed::Confirmed(Kind::Channel, text()?)),
        "psubscribe" => Some(Pushed::Confirmed(Kind::Pattern, text()?)),
        "ssubscribe" => Some(Pushed::Confirmed(Kind::Shard, text()?)),
        "unsubscribe" => Some(Pushed::Ended(Kind::Channel, text()?)),
        "punsubscribe" => Some(Pushed::Ended(Kind::Pattern, text()?)),
        "sunsubscribe" => Some(Pushed::Ended(Kind::Shard, text()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pushes_are_read() {
        let read = |bytes: &'static [u8]| parse(bytes::Bytes::from_static(bytes));
        let bytes = |text: &str| Bytes::from(text);
        assert_eq!(
            read(b">4\r\n$8\r\npmessage\r\n$1\r\np\r\n$1\r\nc\r\n$1\r\nm\r\n"),
            Some(Pushed::Message(Message::Published {
                channel: bytes("c"),
                pattern: Some(bytes("p")),
                payload: bytes("m")
            }))
        );
        assert_eq!(
            read(b">3\r\n$10\r\nssubscribe\r\n$1\r\nc\r\n:1\r\n"),
            Some(Pushed::Confirmed(Kind::Shard, bytes("c")))
        );
        assert_eq!(
            read(b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n"),
            Some(Pushed::Message(Message::Published {
                channel: bytes("c"),
                pattern: None,
                payload: bytes("m")
            }))
        );
        assert_eq!(read(b"*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n"), None);
        assert!(matches!(read(b"-MOVED 1 h:1\r\n"), Some(Pushed::Refused(_))));
        assert_eq!(read(b">2\r\n$10\r\ninvalidate\r\n*0\r\n"), None);
        assert_eq!(read(b">1\r\n$7\r\nmessage\r\n"), None);
    }
}
