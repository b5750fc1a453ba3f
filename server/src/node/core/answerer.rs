//! The answering side of pulls.
//!
//! A pull is answered one grace period after it came: the vector is taken first, and after the grace every write that it covers is in the store. A slot that was written
//! to while it was read is read again, so that what was read is what the vector says and nothing later; a slot that is never quiet is answered after
//! [`TRIES_MAX`] rounds as it is. Whoever is asked may answer: what he knows, be it little, is what his vector says.

use super::message::{Answer, Pulled, decode_pull};
use crate::base::clock::UnixMs;
use crate::cluster::NodeId;
use crate::replication::slots::Slots;
use crate::replication::transfer::{Position, read_part};
use crate::replication::vector::Vector;
use crate::store::{Grace, Local, Store};
use std::collections::VecDeque;
use torc_protocol::peer::{Kind, Malformed};
use torc_protocol::slot::Slot;

/// Rounds after which a slot under constant writes is answered.
const TRIES_MAX: u32 = 5;

/// Pulls that may wait; a node that asks for more asks again.
const WAITING_MAX: usize = 256;

#[derive(Debug)]
struct Waiting {
    to: NodeId,
    grace: Grace,
    /// What each asker knows, and what the slot stood at when the grace began.
    slots: Vec<(Slot, Vector, Vector)>,
    tries: u32,
}

/// A frame to be sent.
pub struct Part {
    /// To whom.
    pub to: NodeId,
    /// What it is.
    pub kind: Kind,
    /// The slot.
    pub slot: Slot,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// See the module's description.
#[derive(Debug, Default)]
pub struct Answerer {
    waiting: VecDeque<Waiting>,
}

/// What answering needs of the node.
pub struct Desk<'a> {
    /// The store.
    pub store: &'a Store,
    /// The thread's part of it.
    pub local: &'a mut Local,
    /// What is known of the slots.
    pub slots: &'a Slots,
    /// The time.
    pub now: UnixMs,
    /// Whether a node that wants to serve a slot has to ask this one for the baton.
    pub serves: &'a dyn Fn(Slot, NodeId) -> bool,
}

impl Answerer {
    /// Takes a pull. What can be answered without looking is answered at once.
    pub fn asked(
        &mut self,
        from: NodeId,
        payload: &[u8],
        desk: &mut Desk<'_>,
        out: &mut Vec<Part>,
    ) -> Result<(), Malformed> {
        let mut open = Vec::new();
        for (slot, known) in decode_pull(payload)? {
            let vector = desk.slots.vector(desk.store, slot);
            if known.covers_all(&vector) {
                let serves = (desk.serves)(slot, from);
                out.push(head(from, slot, Pulled { answer: Answer::Same, serves, vector }));
            } else {
                open.push((slot, known, vector));
            }
        }
        if !open.is_empty() && self.waiting.len() < WAITING_MAX {
            let grace = desk.local.grace();
            self.waiting.push_back(Waiting { to: from, grace, slots: open, tries: 0 });
        }
        Ok(())
    }

    /// Whether anything waits for its grace.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Answers what can be answered now.
    pub fn proceed(&mut self, desk: &mut Desk<'_>, out: &mut Vec<Part>) {
        for _ in 0..self.waiting.len() {
            let Some(mut waiting) = self.waiting.pop_front() else { return };
            if !waiting.grace.has_passed() {
                self.waiting.push_back(waiting);
                continue;
            }
            waiting.tries += 1;
            let mut again = Vec::new();
            for (slot, known, before) in waiting.slots.drain(..) {
                if !answer(waiting.to, slot, &known, &before, waiting.tries, desk, out) {
                    let vector = desk.slots.vector(desk.store, slot);
                    again.push((slot, known, vector));
                }
            }
            if !again.is_empty() {
                let grace = desk.local.grace();
                self.waiting.push_back(Waiting { slots: again, grace, ..waiting });
            }
        }
    }
}

fn head(to: NodeId, slot: Slot, pulled: Pulled) -> Part {
    let mut payload = Vec::new();
    pulled.encode(&mut payload);
    Part { to, kind: Kind::SyncBegin, slot, payload }
}

/// Reads a slot out; `false` if it changed meanwhile and should be read again.
fn answer(
    to: NodeId,
    slot: Slot,
    known: &Vector,
    before: &Vector,
    tries: u32,
    desk: &mut Desk<'_>,
    out: &mut Vec<Part>,
) -> bool {
    let begin = out.len();
    let serves = (desk.serves)(slot, to);
    out.push(head(to, slot, Pulled { answer: Answer::State, serves, vector: before.clone() }));
    let mut position = Some(Position::default());
    while let Some(at) = position {
        let mut payload = vec![1];
        let guard = desk.local.pin();
        let mut keyspace = desk.store.keyspace(desk.local, &guard, 0, desk.now);
        position = read_part(&mut keyspace, slot, at, known, &mut payload);
        out.push(Part { to, kind: Kind::SyncChunk, slot, payload });
    }
    let is_quiet = desk.slots.vector(desk.store, slot).is_same_history(before);
    if !is_quiet && tries < TRIES_MAX {
        out.truncate(begin);
        return false;
    }
    out.push(Part { to, kind: Kind::SyncEnd, slot, payload: vec![1] });
    true
}
