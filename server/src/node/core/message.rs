//! What control threads say to each other about slots.
//!
//! ```text
//! PULL   (Fence)      | version 1 | urgent 1 | slot 2, vector | …              what I know of these slots; tell me the rest
//! PULLED (SyncBegin)  | version 1 | state 1 | vector |                         slot in the header: what the answer will bring
//! part   (SyncChunk)  | version 1 | entry | …                                  some keys
//! end    (SyncEnd)    | version 1 | serves 1 |
//! BATON  (Baton)      | version 1 | ask 1 | slot 2, stamp 8 | …               I claim these
//!                     | version 1 | grant 2 | slot 2, stamp 8, others 8 + 8, vector | …   I served them until now
//!                     | version 1 | yield 3 | as in a grant | …                 I do not serve them
//!                     | version 1 | serves 4 | slot 2 | …                       I serve them, though views name another yet
//! KNOWN  (Digest)     | version 1 | on its way 1 | slot 2, vector | …          what I know of slots that we share
//! AUDIT  (Digest)     | version 2 | as_of 8 | slot 2, hash 8, digest 8 | …     of the keys of slots that I serve
//! ```
//!
//! Everything is idempotent: a message that comes twice, or late, changes nothing that is right.

use crate::base::clock::UnixMs;
use crate::cluster::NodeId;
use crate::replication::vector::Vector;
use torc_protocol::peer::wire::{Malformed, Reader, put_u16, put_u64};
use torc_protocol::slot::Slot;

const VERSION: u8 = 1;
/// Audits share a kind with what nodes know of slots, and are told from it by this.
const AUDIT_VERSION: u8 = 2;
const ASK: u8 = 1;
const GRANT: u8 = 2;
const YIELD: u8 = 3;
const SERVING: u8 = 4;

/// Slots that one word about batons names at most: with vectors, some 40 bytes each.
pub const BATON_SLOTS_MAX: usize = 1_024;

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
        put_flagged(self.urgent, &self.slots, out);
    }

    /// Reads a payload.
    pub fn decode(payload: &[u8]) -> Result<Pull, Malformed> {
        let (urgent, slots) = flagged(payload)?;
        Ok(Pull { urgent, slots })
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

/// An answer to a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The slot.
    pub slot: Slot,
    /// The claim that is answered; 0 for none.
    pub stamp: u64,
    /// Who else may serve the slot: to whom the sender gave its word, and who serves by its view.
    pub others: [Option<NodeId>; 2],
    /// What the sender covers.
    pub vector: Vector,
}

/// A word about batons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Baton {
    /// The sender wants to serve these, by claims of these stamps.
    Ask(Vec<(Slot, u64)>),
    /// The sender does not serve these.
    Word {
        /// Whether it did until now: the receiver has to know as much before it serves.
        served: bool,
        /// Each of them.
        said: Vec<Said>,
    },
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
                for (slot, stamp) in slots {
                    put_u16(out, slot.index() as u16);
                    put_u64(out, *stamp);
                }
            }
            Baton::Word { served, said } => {
                out.push(if *served { GRANT } else { YIELD });
                for it in said {
                    put_u16(out, it.slot.index() as u16);
                    put_u64(out, it.stamp);
                    it.others.iter().for_each(|id| put_u64(out, id.map_or(0, |node| node.0)));
                    it.vector.encode(out);
                }
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
        let reader = &mut reader;
        match reader.u8()? {
            ASK => {
                let mut slots = Vec::new();
                while !reader.is_empty() {
                    slots.push((slot(reader)?, reader.u64()?));
                }
                Ok(Baton::Ask(slots))
            }
            SERVING => {
                let mut slots = Vec::new();
                while !reader.is_empty() {
                    slots.push(slot(reader)?);
                }
                Ok(Baton::Serving(slots))
            }
            kind @ (GRANT | YIELD) => {
                let mut said = Vec::new();
                while !reader.is_empty() {
                    let (slot, stamp) = (slot(reader)?, reader.u64()?);
                    let others = [reader.u64()?, reader.u64()?];
                    let others = others.map(|id| Some(NodeId(id)).filter(|node| node.0 != 0));
                    said.push(Said { slot, stamp, others, vector: Vector::decode(reader)? });
                }
                Ok(Baton::Word { served: kind == GRANT, said })
            }
            _ => Err(Malformed::Value("baton")),
        }
    }
}

/// What a node knows of slots.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Known {
    /// Whether what the receiver lacks may be on its way to it, as effects.
    pub on_its_way: bool,
    /// Slots, and what the sender knows of each.
    pub slots: Vec<(Slot, Vector)>,
}

impl Known {
    /// Appends the payload.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_flagged(self.on_its_way, &self.slots, out);
    }

    /// Reads a payload.
    pub fn decode(payload: &[u8]) -> Result<Known, Malformed> {
        let (on_its_way, slots) = flagged(payload)?;
        Ok(Known { on_its_way, slots })
    }
}

/// What a node found that looked at the slots which it serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// Keys whose deadline lies before it were left out.
    pub as_of: UnixMs,
    /// Of each slot the hash of its vector, and the digest of its keys.
    pub slots: Vec<(Slot, u64, u64)>,
}

impl Audit {
    /// Whether the payload of a digest frame is one.
    pub fn is(payload: &[u8]) -> bool {
        payload.first() == Some(&AUDIT_VERSION)
    }

    /// Appends the payload.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(AUDIT_VERSION);
        put_u64(out, self.as_of);
        for &(slot, hash, digest) in &self.slots {
            put_u16(out, slot.index() as u16);
            put_u64(out, hash);
            put_u64(out, digest);
        }
    }

    /// Reads a payload.
    pub fn decode(payload: &[u8]) -> Result<Audit, Malformed> {
        let mut reader = Reader::new(payload);
        let reader = &mut reader;
        match reader.u8()? {
            AUDIT_VERSION => {}
            other => return Err(Malformed::Version(other)),
        }
        let (as_of, mut slots) = (reader.u64()?, Vec::new());
        while !reader.is_empty() {
            slots.push((slot(reader)?, reader.u64()?, reader.u64()?));
        }
        Ok(Audit { as_of, slots })
    }
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

/// Appends what is said of slots, each with a vector, and one thing that goes for all of them.
fn put_flagged(flag: bool, slots: &[(Slot, Vector)], out: &mut Vec<u8>) {
    out.extend_from_slice(&[VERSION, u8::from(flag)]);
    for (slot, vector) in slots {
        put_u16(out, slot.index() as u16);
        vector.encode(out);
    }
}

/// Reads what [`put_flagged`] wrote.
fn flagged(payload: &[u8]) -> Result<(bool, Vec<(Slot, Vector)>), Malformed> {
    let mut reader = versioned(payload)?;
    let flag = reader.u8()? != 0;
    let mut slots = Vec::new();
    while !reader.is_empty() {
        slots.push((slot(&mut reader)?, Vector::decode(&mut reader)?));
    }
    Ok((flag, slots))
}
