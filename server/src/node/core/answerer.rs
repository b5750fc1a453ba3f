//! The answering side of pulls.
//!
//! A slot is read one grace period after its vector was taken, so that every write that it covers is in the store. It is sent as it is read, in parts. One that was written
//! to meanwhile is named again from the beginning, under a later vector and without the values that were sent already, so that what the asker ends up with is what the
//! vector says and nothing later; a slot that is never quiet is left as it is after [`TRIES_MAX`] rounds. Whoever is asked may answer: what he knows,
//! be it little, is what his vector says.
//!
//! Whether this node serves the slot is said at the end of an answer, in the step in which it ends: see `Duties::holds`.

use super::message::{Answer, Pull, Pulled, encode_end};
use super::pace::PIECE_BYTES;
use crate::base::clock::UnixMs;
use crate::cluster::NodeId;
use crate::replication::slots::Slots;
use crate::replication::transfer::read_part;
use crate::replication::vector::Vector;
use crate::replication::walk::SlotWalk;
use crate::store::{Grace, Local, Store};
use std::collections::{BTreeSet, VecDeque};
use torc_protocol::peer::{Kind, Malformed};
use torc_protocol::slot::Slot;

/// Rounds after which a slot under constant writes is answered.
const TRIES_MAX: u32 = 5;

/// Pulls that may wait; a node that asks for more asks again.
const WAITING_MAX: usize = 256;

/// Bytes of urgent answers that are read in one step. They are short, unless a slot is very large.
const URGENT_BYTES: usize = 8 * PIECE_BYTES;

/// A slot to be answered.
#[derive(Debug)]
struct Open {
    slot: Slot,
    /// What the asker knows, or has been sent.
    known: Vector,
    /// What the slot stood at when the grace began.
    before: Vector,
    tries: u32,
}

#[derive(Debug)]
struct Waiting {
    to: NodeId,
    urgent: bool,
    grace: Grace,
    slots: VecDeque<Open>,
    /// How far the first of them has been read, if that was begun.
    reading: Option<SlotWalk>,
    /// Those that changed while they were read.
    again: VecDeque<Open>,
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
    /// Whose links have no room.
    clogged: BTreeSet<NodeId>,
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
    /// Whether clients are served here.
    pub busy: bool,
    /// Whether a node that wants to serve a slot has to ask this one for the baton.
    pub serves: &'a dyn Fn(Slot, NodeId) -> bool,
}

impl Desk<'_> {
    fn head(&self, to: NodeId, slot: Slot, answer: Answer, vector: &Vector) -> Part {
        let (serves, busy) = ((self.serves)(slot, to), self.busy);
        let mut payload = Vec::new();
        Pulled { answer, serves, busy, vector: vector.clone() }.encode(&mut payload);
        Part { to, kind: Kind::SyncBegin, slot, payload }
    }
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
        let Pull { urgent, slots } = Pull::decode(payload)?;
        self.forget(from, &slots);
        let mut open = VecDeque::new();
        for (slot, known) in slots {
            let before = desk.slots.vector(desk.store, slot);
            if known.covers_all(&before) {
                out.push(desk.head(from, slot, Answer::Same, &before));
            } else {
                open.push_back(Open { slot, known, before, tries: 0 });
            }
        }
        if !open.is_empty() && self.waiting.len() < WAITING_MAX {
            let (grace, again) = (desk.local.grace(), VecDeque::new());
            let waiting = Waiting { to: from, urgent, grace, slots: open, reading: None, again };
            self.waiting.push_back(waiting);
        }
        Ok(())
    }

    /// Drops what was asked before by `from` of the same slots: of two answers that mix, the one would name what the other knows to be removed.
    fn forget(&mut self, from: NodeId, slots: &[(Slot, Vector)]) {
        let asked: BTreeSet<usize> = slots.iter().map(|(slot, _)| slot.index()).collect();
        let is_again = |open: &Open| asked.contains(&open.slot.index());
        for waiting in self.waiting.iter_mut().filter(|waiting| waiting.to == from) {
            if waiting.slots.front().is_some_and(is_again) {
                waiting.reading = None;
            }
            waiting.slots.retain(|open| !is_again(open));
            waiting.again.retain(|open| !is_again(open));
        }
        self.waiting.retain(|waiting| !waiting.is_done());
    }

    /// A node's link has no room for answers, or has some again.
    pub fn set_clogged(&mut self, to: NodeId, clogged: bool) {
        match clogged {
            true => self.clogged.insert(to),
            false => self.clogged.remove(&to),
        };
    }

    /// A node's link is gone, and with it those who wait for answers over it.
    pub fn lose(&mut self, to: NodeId) {
        self.clogged.remove(&to);
        self.waiting.retain(|waiting| waiting.to != to);
    }

    /// Whether anything waits for its grace or its turn.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether a piece of what is not urgent could be read.
    pub fn has_bulk(&self) -> bool {
        self.waiting
            .iter()
            .any(|it| !it.urgent && it.grace.has_passed() && !self.clogged.contains(&it.to))
    }

    /// Answers what can be answered now: what is urgent, and a piece of the rest if that `is_due`. Returns how many bytes it read.
    pub fn proceed(&mut self, is_due: bool, desk: &mut Desk<'_>, out: &mut Vec<Part>) -> usize {
        let (mut urgent, mut bulk) = (URGENT_BYTES, if is_due { PIECE_BYTES } else { 0 });
        for _ in 0..self.waiting.len() {
            let Some(mut waiting) = self.waiting.pop_front() else { break };
            let left = if waiting.urgent { &mut urgent } else { &mut bulk };
            if *left > 0 && !self.clogged.contains(&waiting.to) && waiting.grace.has_passed() {
                waiting.answer(left, desk, out);
            }
            if !waiting.is_done() {
                self.waiting.push_back(waiting);
            }
        }
        (URGENT_BYTES - urgent) + if is_due { PIECE_BYTES - bulk } else { 0 }
    }
}

impl Waiting {
    fn is_done(&self) -> bool {
        self.slots.is_empty() && self.again.is_empty()
    }

    /// Reads on, until about `left` bytes were read. What changed under it comes once more, after another grace.
    fn answer(&mut self, left: &mut usize, desk: &mut Desk<'_>, out: &mut Vec<Part>) {
        while *left > 0
            && let Some(mut open) = self.slots.pop_front()
        {
            let position = self.reading.take().unwrap_or_else(|| {
                out.push(desk.head(self.to, open.slot, Answer::State, &open.before));
                SlotWalk::default()
            });
            self.reading = read(self.to, &open, position, left, desk, out);
            if self.reading.is_some() {
                self.slots.push_front(open);
                break;
            }
            open.tries += 1;
            let vector = desk.slots.vector(desk.store, open.slot);
            if vector.is_same_history(&open.before) || open.tries >= TRIES_MAX {
                let mut payload = Vec::new();
                encode_end((desk.serves)(open.slot, self.to), &mut payload);
                out.push(Part { to: self.to, kind: Kind::SyncEnd, slot: open.slot, payload });
            } else {
                open.known.join(&open.before);
                open.before = vector;
                self.again.push_back(open);
            }
        }
        if self.slots.is_empty() && !self.again.is_empty() {
            self.slots = std::mem::take(&mut self.again);
            self.grace = desk.local.grace();
        }
    }
}

/// Reads parts of a slot until about `left` bytes were read. Returns where to go on.
fn read(
    to: NodeId,
    open: &Open,
    mut position: SlotWalk,
    left: &mut usize,
    desk: &mut Desk<'_>,
    out: &mut Vec<Part>,
) -> Option<SlotWalk> {
    loop {
        let mut payload = vec![1];
        let guard = desk.local.pin();
        let mut keyspace = desk.store.keyspace(desk.local, &guard, 0, desk.now);
        let next = read_part(&mut keyspace, open.slot, position, &open.known, &mut payload);
        *left = left.saturating_sub(payload.len());
        out.push(Part { to, kind: Kind::SyncChunk, slot: open.slot, payload });
        match next {
            Some(next) if *left > 0 => position = next,
            next => return next,
        }
    }
}
