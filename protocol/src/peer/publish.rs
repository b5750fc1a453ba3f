//! Messages of channels between nodes, and who wants to have them.
//!
//! ```text
//!   Publish    version u8 │ kind u8: 0 a channel, 2 a shard channel │ channel bytes │ message, the rest
//!   Interest   version u8 │ flags u8: 1 forgets what was told before │ change u64 │ entries: kind u8 (1 a pattern) │ subscribers varint │ name bytes
//! ```
//!
//! What the kinds mean is the server's: here they are bytes.

use super::wire::{Malformed, Reader, put_bytes, put_u64, put_varint};

/// The version of all.
const VERSION: u8 = 1;

/// In an interest's flags: the sender begins anew, and what it told before counts no more.
const ANEW: u8 = 1;

/// Appends a message as a payload.
pub fn encode(kind: u8, channel: &[u8], message: &[u8], out: &mut Vec<u8>) {
    out.reserve(channel.len() + message.len() + 12);
    out.extend_from_slice(&[VERSION, kind]);
    put_bytes(out, channel);
    out.extend_from_slice(message);
}

/// A message of another node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published<'a> {
    /// What the channel is.
    pub kind: u8,
    /// The channel.
    pub channel: &'a [u8],
    /// The message.
    pub message: &'a [u8],
}

/// Reads the payload that [`encode`] wrote.
pub fn decode(payload: &[u8]) -> Result<Published<'_>, Malformed> {
    let mut reader = Reader::new(payload);
    reader.version(VERSION)?;
    let kind = reader.u8()?;
    let channel = reader.bytes(usize::MAX, "channel")?;
    Ok(Published { kind, channel, message: reader.rest() })
}

/// Begins an interest's payload; [`put_interest`] appends entries. With it the sender has told all changes up to number `change`, which the receiver is to
/// confirm ([`super::message::encode_heard`]); 0 where more is to follow.
pub fn begin_interest(anew: bool, change: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(&[VERSION, if anew { ANEW } else { 0 }]);
    put_u64(out, change);
}

/// Appends that the sender has so many subscribers of `name`.
pub fn put_interest(kind: u8, name: &[u8], subscribers: u32, out: &mut Vec<u8>) {
    out.push(kind);
    put_varint(out, u64::from(subscribers));
    put_bytes(out, name);
}

/// One entry of an interest's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// What the name is.
    pub kind: u8,
    /// The channel or pattern.
    pub name: &'a [u8],
    /// The sender's subscribers of it; 0 for none any more.
    pub subscribers: u32,
}

/// What an interest's payload says before its entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InterestHead {
    /// Whether the sender begins anew.
    pub anew: bool,
    /// Up to which change it has told all; 0 where more is to follow.
    pub change: u64,
}

/// Reads an interest's payload. It is checked as a whole first, so that none is taken of a payload that
/// is malformed behind it.
pub fn decode_interest(
    payload: &[u8],
) -> Result<(InterestHead, impl Iterator<Item = Entry<'_>>), Malformed> {
    let mut reader = Reader::new(payload);
    reader.version(VERSION)?;
    let anew = reader.u8()? & ANEW != 0;
    let change = reader.u64()?;
    Ok((InterestHead { anew, change }, reader.all(read_entry)?))
}

fn read_entry<'a>(reader: &mut Reader<'a>) -> Result<Entry<'a>, Malformed> {
    let kind = reader.u8()?;
    let subscribers = reader.varint_max(u64::from(u32::MAX), "subscribers")? as u32;
    let name = reader.bytes(usize::MAX, "name")?;
    Ok(Entry { kind, name, subscribers })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back() {
        let mut bytes = Vec::new();
        encode(2, b"news", b"\r\n\0", &mut bytes);
        let published = Published { kind: 2, channel: b"news", message: b"\r\n\0" };
        assert_eq!(decode(&bytes), Ok(published));
        assert_eq!(decode(&bytes[..4]), Err(Malformed::Truncated));
        bytes[0] = 9;
        assert_eq!(decode(&bytes), Err(Malformed::Version(9)));
    }

    #[test]
    fn interest_comes_back_or_not_at_all() {
        let mut bytes = Vec::new();
        begin_interest(true, 7, &mut bytes);
        put_interest(0, b"a", 300, &mut bytes);
        put_interest(1, b"", 0, &mut bytes);
        let (head, entries) = decode_interest(&bytes).unwrap();
        let entries: Vec<_> = entries.map(|e| (e.kind, e.name.to_vec(), e.subscribers)).collect();
        assert_eq!(head, InterestHead { anew: true, change: 7 });
        assert_eq!(entries, [(0, b"a".to_vec(), 300), (1, Vec::new(), 0)]);
        assert!(decode_interest(&bytes[..bytes.len() - 1]).is_err());
    }
}
