//! The small messages of links: acknowledgements of effects, confirmations of what was told, pings, credit.
//!
//! ```text
//!   Ack     version u8 │ entries of 12 bytes: slot u16 │ tag u16 │ version u64
//!   Heard, TracksHeard
//!           version u8 │ change u64
//!   Ping    version u8 │ id u64 │ wall time u64
//!   Pong    version u8 │ the ping's id u64 │ wall time u64
//!   Credit  version u8 │ class u8 │ bytes granted since the link opened u64
//! ```

use super::frame::Class;
use super::wire::{Malformed, Reader, put_u16, put_u64};
use crate::slot::Slot;

/// The version of all of them.
const VERSION: u8 = 1;

/// The highest tag: versions have 12 bits for it.
pub const TAG_MAX: u16 = 4095;

/// Bytes of one acknowledgement.
const ACK_BYTES: usize = 12;

/// That the sender has applied all effects of `tag` in `slot` up to `version`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack {
    /// The slot.
    pub slot: Slot,
    /// Whose effects, at most [`TAG_MAX`].
    pub tag: u16,
    /// Up to which.
    pub version: u64,
}

/// Appends `acks` as a payload.
pub fn encode_acks(acks: impl IntoIterator<Item = Ack>, out: &mut Vec<u8>) {
    out.push(VERSION);
    for ack in acks {
        // A slot's number fits 16 bits.
        put_u16(out, ack.slot.index() as u16);
        put_u16(out, ack.tag);
        put_u64(out, ack.version);
    }
}

/// Reads a payload of acknowledgements. It is checked as a whole first, so that none is taken of a payload that is malformed behind it.
pub fn decode_acks(payload: &[u8]) -> Result<impl Iterator<Item = Ack>, Malformed> {
    let mut reader = Reader::new(payload);
    reader.version(VERSION)?;
    let (entries, rest) = reader.rest().as_chunks::<ACK_BYTES>();
    if !rest.is_empty() {
        return Err(Malformed::Truncated);
    }
    if !entries.iter().all(|entry| read_ack(entry).is_some()) {
        return Err(Malformed::Value("acknowledgement"));
    }
    // All entries were read once: none is left out.
    Ok(entries.iter().filter_map(read_ack))
}

fn read_ack(entry: &[u8; ACK_BYTES]) -> Option<Ack> {
    let &[s0, s1, t0, t1, ref version @ ..] = entry;
    let slot = Slot::new(u16::from_le_bytes([s0, s1]))?;
    let tag = Some(u16::from_le_bytes([t0, t1])).filter(|&tag| tag <= TAG_MAX)?;
    Some(Ack { slot, tag, version: u64::from_le_bytes(*version) })
}

/// Appends a payload that confirms what a peer told up to its change number `change`: of interest or, in another kind of frame, of who tracks.
pub fn encode_heard(change: u64, out: &mut Vec<u8>) {
    out.push(VERSION);
    put_u64(out, change);
}

/// Reads the payload that [`encode_heard`] wrote.
///
/// # Errors
/// See [`Malformed`].
pub fn decode_heard(payload: &[u8]) -> Result<u64, Malformed> {
    let mut reader = Reader::new(payload);
    reader.version(VERSION)?;
    let change = reader.u64()?;
    reader.end()?;
    Ok(change)
}

/// A ping, or the pong that answers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ping {
    /// Pairs a pong with its ping.
    pub id: u64,
    /// The sender's wall clock when it was written, in microseconds since the Unix epoch.
    pub wall_us: u64,
}

impl Ping {
    /// Appends it as a payload.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(VERSION);
        put_u64(out, self.id);
        put_u64(out, self.wall_us);
    }

    /// Reads a payload.
    pub fn decode(payload: &[u8]) -> Result<Ping, Malformed> {
        let mut reader = Reader::new(payload);
        reader.version(VERSION)?;
        let ping = Ping { id: reader.u64()?, wall_us: reader.u64()? };
        reader.end()?;
        Ok(ping)
    }
}

/// That the receiver may have sent so much of a class. A sum rather than a difference: a later one says all that an earlier one did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credit {
    /// Which class.
    pub class: Class,
    /// Bytes of frames of that class, headers included, since the link opened.
    pub granted_bytes: u64,
}

impl Credit {
    /// Appends it as a payload.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(VERSION);
        out.push(self.class as u8);
        put_u64(out, self.granted_bytes);
    }

    /// Reads a payload.
    pub fn decode(payload: &[u8]) -> Result<Credit, Malformed> {
        let mut reader = Reader::new(payload);
        reader.version(VERSION)?;
        let class = Class::from_byte(reader.u8()?).ok_or(Malformed::Value("class"))?;
        let granted_bytes = reader.u64()?;
        reader.end()?;
        Ok(Credit { class, granted_bytes })
    }
}
