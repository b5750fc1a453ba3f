//! The asking side of pulls: which slots are asked of whom, a bounded number at a time, and the answers as they come in.

use super::message::{Answer, PULL_SLOTS_MAX, Pulled, encode_pull};
use crate::base::clock::UnixMs;
use crate::cluster::NodeId;
use crate::replication::apply::Applier;
use crate::replication::slots::Slots;
use crate::replication::transfer::Incoming;
use crate::replication::vector::Vector;
use crate::store::Store;
use std::collections::{BTreeMap, VecDeque};
use torc_protocol::peer::Malformed;
use torc_protocol::peer::wire::Reader;
use torc_protocol::slot::Slot;

/// A slot whose answer does not come is asked for again after so long.
const ANSWER_MS_MAX: u64 = 2_000;

/// What a slot was asked of a node.
#[derive(Debug)]
struct Asked {
    since: UnixMs,
    serves: bool,
    /// The answer, once it has begun.
    incoming: Option<Incoming>,
}

#[derive(Debug, Default)]
struct Source {
    waiting: VecDeque<Slot>,
    asked: BTreeMap<u16, Asked>,
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
}

impl Puller {
    /// Wants `slot` pulled from `from`, once.
    pub fn want(&mut self, slot: Slot, from: NodeId) {
        let source = self.sources.entry(from).or_default();
        if !source.waiting.contains(&slot) && !source.asked.contains_key(&(slot.index() as u16)) {
            source.waiting.push_back(slot);
        }
    }

    /// Forgets what was asked of a node: it is gone. Returns those slots.
    pub fn lose(&mut self, from: NodeId) -> Vec<Slot> {
        let Some(source) = self.sources.remove(&from) else { return Vec::new() };
        let asked = source.asked.into_keys().filter_map(Slot::new);
        asked.chain(source.waiting).collect()
    }

    /// Asks for everything again that was asked of a node: there is a new link to it, and the answers were to come over the old one.
    pub fn again(&mut self, from: NodeId) {
        if let Some(source) = self.sources.get_mut(&from) {
            let asked = std::mem::take(&mut source.asked);
            source.waiting.extend(asked.into_keys().filter_map(Slot::new));
        }
    }

    /// The next messages: each a node and the payload of a pull.
    pub fn ask(
        &mut self,
        slots: &Slots,
        store: &Store,
        now: UnixMs,
        mut send: impl FnMut(NodeId, Vec<u8>),
    ) {
        for (&node, source) in &mut self.sources {
            let late = |asked: &Asked| now.saturating_sub(asked.since) > ANSWER_MS_MAX;
            let lost: Vec<u16> = source
                .asked
                .iter()
                .filter(|(_, asked)| late(asked))
                .map(|(&slot, _)| slot)
                .collect();
            for number in lost {
                source.asked.remove(&number);
                source.waiting.extend(Slot::new(number));
            }
            let room = (2 * PULL_SLOTS_MAX).saturating_sub(source.asked.len());
            let count = room.min(PULL_SLOTS_MAX).min(source.waiting.len());
            // Many at once share a grace period at the other end; few are worth it only if there are no more.
            if count == 0 || (count < PULL_SLOTS_MAX && count < source.waiting.len()) {
                continue;
            }
            let asked: Vec<(Slot, Vector)> = source
                .waiting
                .drain(..count)
                .map(|slot| (slot, slots.vector(store, slot)))
                .collect();
            for (slot, _) in &asked {
                let entry = Asked { since: now, serves: false, incoming: None };
                source.asked.insert(slot.index() as u16, entry);
            }
            let mut payload = Vec::new();
            encode_pull(asked.iter().map(|(slot, vector)| (*slot, vector)), &mut payload);
            send(node, payload);
        }
    }

    /// Whether anything is asked or to be asked.
    pub fn is_idle(&self) -> bool {
        self.sources.values().all(|it| it.waiting.is_empty() && it.asked.is_empty())
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
        match pulled.answer {
            Answer::State => {
                asked.since = now;
                asked.serves = pulled.serves;
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
        let Some(Asked { since, incoming: Some(incoming), .. }) = asked else { return Ok(()) };
        *since = applier.now;
        let mut reader = Reader::new(payload);
        match reader.u8()? {
            1 => incoming.part(reader.rest(), applier),
            version => Err(Malformed::Version(version)),
        }
    }

    /// An answer is complete.
    pub fn end(&mut self, from: NodeId, slot: Slot, applier: &mut Applier<'_>) -> Option<Finished> {
        let asked = self.sources.get_mut(&from)?.asked.remove(&(slot.index() as u16))?;
        let serves = asked.serves;
        asked.incoming?.end(applier);
        Some(Finished { slot, serves })
    }
}
