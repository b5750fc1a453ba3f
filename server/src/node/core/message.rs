//! What control threads say to each other about slots.
//!
//! ```text
//! PULL   (Fence)      | version 1 | urgent 1 | slot 2, vector | …              what I know of these slots; tell me the rest
//! PULLED (SyncBegin)  | version 1 | state 1 | vector |                         slot in the header: what the answer will bring
//! part   (SyncChunk)  | version 1 | entry | …                                  some keys
//! end    (SyncEnd)    | version 1 | serves 1 |
//! BATON  (Baton)      | version 1 | ask 1 | slot 2 | …   or   | version 1 | grant 2 | slot 2, vector | …   or   | version 1 | serves 3 | slot 2 | …
//! DIGEST (Digest)     | version 1 | slot 2, hash 8 | …                         of the vectors of slots that we share
//! ```
//!
//! Everything is idempotent: a message that comes twice, or late, changes nothing that is right.

use crate::replication::vector::Vector;
use torc_protocol::peer::wire::{Malformed, Reader, put_u16, put_u64};
use torc_protocol::slot::Slot;

const VERSION: u8 = 1;
const ASK: u8 = 1;
const GRANT: u8 = 2;
const SERVING: u8 = 3;

/// Slots of one pull at most: what the answerer reads for one grace period.
pub const PULL_SLOTS_MAX: usize = 64;

/// What an answer to a pull is going to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Answer {
    /// The asker knows everything; nothing follows.
    Same = 0,
    /// Keys follow, then an end.
    State = 1,
}

/// Bit of the state byte: the answerer serves the slot.
const SERVES: u8 = 0x80;
/// Bit of the state byte: the answerer serves clients.
const BUSY: u8 = 0x40;

/// The head of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// What follows.
    pub answer: Answer,
    /// Whether the answerer serves the slot. Where keys follow, the end says it once more, and that counts.
    pub serves: bool,
    /// Whether the answerer has clients to serve, so that copying is to leave them room.
    pub busy: bool,
    /// What the answer covers.
    pub vector: Vector,
}

impl Pulled {
    /// Appends the payload.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(VERSION);
        let flags = if self.serves { SERVES } else { 0 } | if self.busy { BUSY } else { 0 };
        out.push(self.answer as u8 | flags);
        self.vector.encode(out);
    }

    /// Reads a payload.
    pub fn decode(payload: &[u8]) -> Result<Pulled, Malformed> {
        let mut reader = versioned(payload)?;
        let state = reader.u8()?;
        let answer = match state & !(SERVES | BUSY) {
            0 => Answer::Same,
            1 => Answer::State,
            _ => return Err(Malformed::Value("answer to a pull")),
        };
        let vector = Vector::decode(&mut reader)?;
        Ok(Pulled { answer, serves: state & SERVES != 0, busy: state & BUSY != 0, vector })
    }
}

/// What is asked of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pull {
    /// Whether clients may wait for it, so that it comes before copies that are made at leisure.
    pub urgent: bool,
    /// Slots, and what the asker knows of each.
    pub slots: Vec<(Slot, Vector)>,
}

impl Pull {
    /// Appends the payload.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[VERSION, u8::from(self.urgent)]);
        put_vectors(self.slots.iter().map(|(slot, vector)| (*slot, vector)), out);
    }

    /// Reads a payload.
    pub fn decode(payload: &[u8]) -> Result<Pull, Malformed> {
        let mut reader = versioned(payload)?;
        let urgent = reader.u8()? != 0;
        Ok(Pull { urgent, slots: vectors(reader)? })
    }
}

/// Appends the payload of an answer's end: whether the answerer serves the slot.
pub fn encode_end(serves: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(&[VERSION, u8::from(serves)]);
}

/// Reads the payload of an answer's end.
pub fn decode_end(payload: &[u8]) -> Result<bool, Malformed> {
    Ok(versioned(payload)?.u8()? != 0)
}

/// A word about batons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Baton {
    /// The sender wants to serve these.
    Ask(Vec<Slot>),
    /// The sender does not serve these any more; the receiver may, once it knows as much.
    Grant(Vec<(Slot, Vector)>),
    /// The sender serves these now, though views name another yet.
    Serving(Vec<Slot>),
}

impl Baton {
    /// Appends the payload.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(VERSION);
        match self {
            Baton::Ask(slots) => {
                out.push(ASK);
                slots.iter().for_each(|slot| put_u16(out, slot.index() as u16));
            }
            Baton::Grant(slots) => {
                out.push(GRANT);
                put_vectors(slots.iter().map(|(slot, vector)| (*slot, vector)), out);
            }
            Baton::Serving(slots) => {
                out.push(SERVING);
                slots.iter().for_each(|slot| put_u16(out, slot.index() as u16));
            }
        }
    }

    /// Reads a payload.
    pub fn decode(payload: &[u8]) -> Result<Baton, Malformed> {
        let mut reader = versioned(payload)?;
        match reader.u8()? {
            kind @ (ASK | SERVING) => {
                let mut slots = Vec::new();
                while !reader.is_empty() {
                    slots.push(slot(&mut reader)?);
                }
                Ok(if kind == ASK { Baton::Ask(slots) } else { Baton::Serving(slots) })
            }
            GRANT => Ok(Baton::Grant(vectors(reader)?)),
            _ => Err(Malformed::Value("baton")),
        }
    }
}

/// Appends the payload of a digest: for each slot a hash of its vector.
pub fn encode_digest(slots: impl Iterator<Item = (Slot, u64)>, out: &mut Vec<u8>) {
    out.push(VERSION);
    for (slot, hash) in slots {
        put_u16(out, slot.index() as u16);
        put_u64(out, hash);
    }
}

/// Reads the payload of a digest.
pub fn decode_digest(payload: &[u8]) -> Result<Vec<(Slot, u64)>, Malformed> {
    let mut reader = versioned(payload)?;
    let mut slots = Vec::new();
    while !reader.is_empty() {
        slots.push((slot(&mut reader)?, reader.u64()?));
    }
    Ok(slots)
}

fn versioned(payload: &[u8]) -> Result<Reader<'_>, Malformed> {
    let mut reader = Reader::new(payload);
    match reader.u8()? {
        VERSION => Ok(reader),
        other => Err(Malformed::Version(other)),
    }
}

fn slot(reader: &mut Reader<'_>) -> Result<Slot, Malformed> {
    Slot::new(reader.u16()?).ok_or(Malformed::Value("slot"))
}

fn put_vectors<'v>(slots: impl Iterator<Item = (Slot, &'v Vector)>, out: &mut Vec<u8>) {
    for (slot, vector) in slots {
        put_u16(out, slot.index() as u16);
        vector.encode(out);
    }
}

fn vectors(mut reader: Reader<'_>) -> Result<Vec<(Slot, Vector)>, Malformed> {
    let mut slots = Vec::new();
    while !reader.is_empty() {
        slots.push((slot(&mut reader)?, Vector::decode(&mut reader)?));
    }
    Ok(slots)
}
