//! The asking side of pulls: which slots are asked of whom, a bounded number at a time, and the answers as they come in.
//!
//! Two kinds of pulls share a link. What clients may wait for, a slot on its way here or one that nobody serves, is *urgent*: it is asked for at once, and the answer is short
//! because a copy was made before. Copies are *bulk*: they are asked for piece by piece, when the node's [`Pace`](super::pace::Pace) allows, and
//! only a few pieces are on their way at any time, so that gossip and batons never wait behind more than those.

use super::message::{Answer, PULL_SLOTS_MAX, Pull, Pulled};
use super::pace::PIECE_BYTES;
use crate::base::clock::UnixMs;
use crate::cluster::NodeId;
use crate::replication::apply::Applier;
use crate::replication::slots::Slots;
use crate::replication::transfer::{ENDING_STEP, Incoming};
use crate::replication::vector::Vector;
use crate::store::Store;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use torc_protocol::peer::Malformed;
use torc_protocol::peer::wire::Reader;
use torc_protocol::slot::Slot;

/// A slot whose answer does not come is asked for again after so long: several times what a peer takes that answers others at its own pace.
const ANSWER_MS_MAX: u64 = 3_000;

/// Answers that do not come are looked for so often.
const LATE_MS: u64 = 100;

/// Pieces that may be on their way at once, from all nodes: each waits for a grace period at its source, five to ten milliseconds.
const PIECES_MAX: usize = 4;

/// What a slot was asked of a node.
#[derive(Debug)]
struct Asked {
    since: UnixMs,
    urgent: bool,
    bytes: usize,
    /// The answer, once it has begun.
    incoming: Option<Incoming>,
    /// The answer, once all of it has come.
    ending: Option<Ending>,
}

/// An answer that has come and is not yet all known.
#[derive(Debug)]
struct Ending {
    incoming: Incoming,
    serves: bool,
}

#[derive(Debug, Default)]
struct Source {
    urgent: BTreeSet<u16>,
    bulk: BTreeSet<u16>,
    asked: BTreeMap<u16, Asked>,
}

impl Source {
    /// Takes a slot back that was asked for in vain.
    fn again(&mut self, number: u16, urgent: bool) {
        match urgent {
            true => self.urgent.insert(number),
            false => self.bulk.insert(number),
        };
    }

    fn is_ending(&self) -> bool {
        self.asked.values().any(|asked| asked.ending.is_some())
    }

    fn asked_count(&self, urgent: bool) -> usize {
        self.asked.values().filter(|asked| asked.urgent == urgent).count()
    }

    /// Takes up to `count` slots as asked for, and makes the message.
    fn ask(
        &mut self,
        urgent: bool,
        count: usize,
        now: UnixMs,
        know: impl Fn(Slot) -> Vector,
    ) -> Vec<u8> {
        let waiting = if urgent { &mut self.urgent } else { &mut self.bulk };
        let mut slots = Vec::with_capacity(count.min(waiting.len()));
        while slots.len() < count
            && let Some(number) = waiting.pop_first()
        {
            if let Some(slot) = Slot::new(number) {
                slots.push((slot, know(slot)));
                self.asked.insert(
                    number,
                    Asked { since: now, urgent, bytes: 0, incoming: None, ending: None },
                );
            }
        }
        let mut payload = Vec::new();
        Pull { urgent, slots }.encode(&mut payload);
        payload
    }
}

/// A pull that is over: everything that the other node knew is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finished {
    /// The slot.
    pub slot: Slot,
    /// Whether the other node serves the slot.
    pub serves: bool,
}

/// See the module's description.
#[derive(Debug, Default)]
pub struct Puller {
    sources: BTreeMap<NodeId, Source>,
    /// Who was asked for a piece last.
    last: Option<NodeId>,
    /// How long an answer has been of late, in bytes.
    slot_bytes: usize,
    looked_ms: UnixMs,
    /// Whether an answer said that its node serves clients.
    busy: bool,
}

impl Puller {
    /// Wants `slot` pulled from `from`, once.
    pub fn want(&mut self, slot: Slot, from: NodeId, urgent: bool) {
        let source = self.sources.entry(from).or_default();
        let number = slot.index() as u16;
        match source.asked.get(&number) {
            // A copy that waits for its turn there is too slow now.
            Some(asked) if urgent && !asked.urgent => drop(source.asked.remove(&number)),
            Some(_) => return,
            None => {}
        }
        if urgent {
            source.bulk.remove(&number);
            source.urgent.insert(number);
        } else if !source.urgent.contains(&number) {
            source.bulk.insert(number);
        }
    }

    /// Whether `slot` is asked or to be asked of anybody: parts of an answer are joined as they come, so that a copy may hold more than its vector says.
    pub fn wants(&self, slot: Slot) -> bool {
        let number = slot.index() as u16;
        self.sources.values().any(|it| {
            it.asked.contains_key(&number)
                || it.urgent.contains(&number)
                || it.bulk.contains(&number)
        })
    }

    /// Forgets what was asked of a node: it is gone. Returns those slots.
    pub fn lose(&mut self, from: NodeId) -> Vec<Slot> {
        let Some(source) = self.sources.remove(&from) else { return Vec::new() };
        let asked = source.asked.into_keys().chain(source.urgent).chain(source.bulk);
        asked.filter_map(Slot::new).collect()
    }

    /// Asks for everything again that was asked of a node: there is a new link to it, and the answers were to come over the old one.
    pub fn again(&mut self, from: NodeId) {
        if let Some(source) = self.sources.get_mut(&from) {
            for (number, asked) in std::mem::take(&mut source.asked) {
                source.again(number, asked.urgent);
            }
        }
    }

    /// The next messages, each a node and the payload of a pull: all that is urgent, and a piece of the rest if that `is_due`.
    pub fn ask(
        &mut self,
        slots: &Slots,
        store: &Store,
        (now, is_due): (UnixMs, bool),
        mut send: impl FnMut(NodeId, Vec<u8>),
    ) {
        if now.saturating_sub(self.looked_ms) >= LATE_MS {
            self.looked_ms = now;
            self.take_late(now);
        }
        let know = |slot: Slot| {
            slots.expect(slot, now + ANSWER_MS_MAX);
            slots.vector(store, slot)
        };
        for (&node, source) in self.sources.iter_mut().filter(|(_, it)| !it.urgent.is_empty()) {
            let room = (2 * PULL_SLOTS_MAX).saturating_sub(source.asked_count(true));
            let count = room.min(PULL_SLOTS_MAX).min(source.urgent.len());
            // Many at once share a grace period at the other end; few are worth it only if there are no more.
            if count > 0 && (count == PULL_SLOTS_MAX || count == source.urgent.len()) {
                send(node, source.ask(true, count, now, know));
            }
        }
        if is_due && let Some((node, count)) = self.next_piece() {
            self.last = Some(node);
            if let Some(source) = self.sources.get_mut(&node) {
                send(node, source.ask(false, count, now, know));
            }
        }
    }

    fn take_late(&mut self, now: UnixMs) {
        for source in self.sources.values_mut() {
            let is_late = |asked: &Asked| now.saturating_sub(asked.since) > ANSWER_MS_MAX;
            let late: Vec<(u16, bool)> = source
                .asked
                .iter()
                .filter(|(_, asked)| is_late(asked))
                .map(|(&number, asked)| (number, asked.urgent))
                .collect();
            for (number, urgent) in late {
                source.asked.remove(&number);
                source.again(number, urgent);
            }
        }
    }

    /// Whom to ask for how many slots next: nodes take turns.
    fn next_piece(&self) -> Option<(NodeId, usize)> {
        let piece = (PIECE_BYTES / self.slot_bytes.max(1)).clamp(1, PULL_SLOTS_MAX);
        let asked: usize = self.sources.values().map(|source| source.asked_count(false)).sum();
        if asked > (PIECES_MAX - 1) * piece {
            return None;
        }
        let after = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let later = self.sources.range((after, Bound::Unbounded));
        let (&node, _) = later.chain(&self.sources).find(|(_, source)| !source.bulk.is_empty())?;
        Some((node, piece))
    }

    /// Whether anything is asked or to be asked.
    pub fn is_idle(&self) -> bool {
        let is_idle =
            |it: &Source| it.urgent.is_empty() && it.bulk.is_empty() && it.asked.is_empty();
        self.sources.values().all(is_idle)
    }

    /// Whether a piece would be asked for if it were due.
    pub fn has_bulk(&self) -> bool {
        self.next_piece().is_some()
    }

    /// Whether an answer has said, since this was asked last, that its node serves clients.
    pub fn take_busy(&mut self) -> bool {
        std::mem::take(&mut self.busy)
    }

    /// The head of an answer came.
    pub fn begin(
        &mut self,
        from: NodeId,
        slot: Slot,
        payload: &[u8],
        now: UnixMs,
    ) -> Result<Option<Finished>, Malformed> {
        let pulled = Pulled::decode(payload)?;
        let Some(source) = self.sources.get_mut(&from) else { return Ok(None) };
        let number = slot.index() as u16;
        let Some(asked) = source.asked.get_mut(&number) else { return Ok(None) };
        self.busy |= pulled.busy;
        match pulled.answer {
            Answer::State => {
                asked.since = now;
                // An answer that begins anew takes the place of the one before.
                asked.ending = None;
                asked.incoming = Some(Incoming::new(slot, pulled.vector));
                Ok(None)
            }
            Answer::Same => {
                source.asked.remove(&number);
                Ok(Some(Finished { slot, serves: pulled.serves }))
            }
        }
    }

    /// A part of an answer came.
    pub fn part(
        &mut self,
        from: NodeId,
        slot: Slot,
        payload: &[u8],
        applier: &mut Applier<'_>,
    ) -> Result<(), Malformed> {
        let source = self.sources.get_mut(&from);
        let asked = source.and_then(|source| source.asked.get_mut(&(slot.index() as u16)));
        let Some(Asked { since, bytes, incoming: Some(incoming), .. }) = asked else {
            return Ok(());
        };
        *since = applier.now;
        *bytes += payload.len();
        applier.slots.expect(slot, applier.now + ANSWER_MS_MAX);
        let mut reader = Reader::new(payload);
        match reader.u8()? {
            1 => incoming.part(reader.rest(), applier),
            version => Err(Malformed::Version(version)),
        }
    }

    /// An answer is complete. Mostly that is all there is to a pull; where much is to be looked at once more, [`Puller::end_more`] goes on.
    pub fn end(
        &mut self,
        from: NodeId,
        slot: Slot,
        serves: bool,
        applier: &mut Applier<'_>,
    ) -> Option<Finished> {
        let asked = self.sources.get_mut(&from)?.asked.get_mut(&(slot.index() as u16))?;
        // The end of an answer that was given up is not the end of the one that was asked for since.
        let incoming = asked.incoming.take()?;
        self.end_step(from, Ending { incoming, serves }, applier)
    }

    /// Goes on with the pull whose ending takes longest to come, if there is one.
    pub fn end_more(&mut self, applier: &mut Applier<'_>) -> Option<(NodeId, Finished)> {
        let (&from, source) = self.sources.iter_mut().find(|(_, it)| it.is_ending())?;
        let ending = source.asked.values_mut().find_map(|asked| asked.ending.take())?;
        Some((from, self.end_step(from, ending, applier)?))
    }

    /// Whether a pull is ending.
    pub fn is_ending(&self) -> bool {
        self.sources.values().any(Source::is_ending)
    }

    fn end_step(
        &mut self,
        from: NodeId,
        mut ending: Ending,
        applier: &mut Applier<'_>,
    ) -> Option<Finished> {
        let (slot, serves) = (ending.incoming.slot(), ending.serves);
        let is_over = ending.incoming.end(ENDING_STEP, applier);
        let asked = &mut self.sources.get_mut(&from)?.asked;
        let number = slot.index() as u16;
        if !is_over {
            let asked = asked.get_mut(&number)?;
            asked.since = applier.now;
            applier.slots.expect(slot, applier.now + ANSWER_MS_MAX);
            asked.ending = Some(ending);
            return None;
        }
        if let Some(done) = asked.remove(&number).filter(|done| !done.urgent) {
            self.slot_bytes = (self.slot_bytes * 7 + done.bytes) / 8;
        }
        Some(Finished { slot, serves })
    }
}
