//! Anti-entropy: each pair of nodes compares, now and then, what it knows of the slots that both keep.
//!
//! It does so in turn, and soon after anything that may have kept writes from being told: a node came or went, a link was down, effects fell off a log. Turns are for what
//! nobody noticed.
//!
//! A slot that is being pulled when a peer tells its hash is compared with that hash once it is synced: it is pulled from one node, which need not know what this peer knows.
//! After a partition that matters, for then every node pulls its slots anew, often from one of its own side, while those of the other side tell their hashes.

use super::message::encode_digest;
use super::{Core, Output, every_slot};
use crate::cluster::NodeId;
use crate::cluster::membership::Now;
use crate::replication::vector::Vector;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use torc_protocol::peer::Kind;
use torc_protocol::slot::{SLOT_COUNT, Slot};

/// Each pair of nodes compares what it knows of its slots this often.
const ANTI_ENTROPY: Duration = Duration::from_secs(10);
/// And so long after nodes came or went or links opened: what was written before was not told to all. Workers' links open several at a time, so this is waited for.
pub(super) const COMPARE_SOON: Duration = Duration::from_secs(1);

/// So many synced slots of which two nodes know different things are more than what is on its way between them.
const APART_SLOTS: usize = SLOT_COUNT / 16;

impl Core {
    /// Tells every peer, now and then, what this node knows of the slots that both keep.
    pub(super) fn compare(&mut self, now: Now, out: &mut Vec<Output>) {
        if now.monotonic < self.compare_at {
            let is_due = |_: &NodeId, at: &mut Duration| *at <= now.monotonic;
            let due: Vec<NodeId> =
                self.compare_soon.extract_if(.., is_due).map(|(peer, _)| peer).collect();
            return due.into_iter().for_each(|peer| self.compare_with(peer, out));
        }
        self.compare_at = now.monotonic + ANTI_ENTROPY;
        self.compare_soon.clear();
        let view = Arc::clone(&self.view);
        let others = view.members().filter(|(index, member)| *index != view.me() && member.alive);
        others.for_each(|(_, member)| self.compare_with(member.id, out));
    }

    /// A worker has not told a peer of everything, for its link has just opened or its log was overrun: the peer is compared with before its turn, over the control link.
    /// It finds such holes by itself only where the same slot is written to again.
    pub(super) fn compare_soon(&mut self, peer: NodeId, now: Now) {
        // What was not told while a comparison is waited for is seen to with it.
        self.compare_soon.entry(peer).or_insert(now.monotonic + COMPARE_SOON);
    }

    pub(super) fn compare_with(&self, peer: NodeId, out: &mut Vec<Output>) {
        let Some(index) = self.index_of(peer) else { return };
        let shared = every_slot().filter(|&slot| {
            self.view.is_mine(slot) && self.view.effect_targets(slot).any(|target| target == index)
        });
        let hashes = shared.filter_map(|slot| {
            let vector = self.slots.vector(&self.instance.store, slot);
            // Of a slot that nobody wrote to there is nothing to say.
            (!vector.is_empty()).then(|| (slot, vector_hash(&vector)))
        });
        let mut payload = Vec::new();
        encode_digest(hashes, &mut payload);
        out.push(Output::Frame { to: peer, kind: Kind::Digest, slot: None, payload });
    }

    /// A peer says what it knows of slots: those of which it knows something else are pulled.
    pub(super) fn compared(&mut self, from: NodeId, hashes: Vec<(Slot, u64)>, now: Now) {
        let mut apart = 0;
        for (slot, hash) in hashes {
            let vector = self.slots.vector(&self.instance.store, slot);
            self.early.remove(&(slot, from));
            if vector_hash(&vector) == hash {
                self.pruner.agrees(slot, &vector, from);
            } else if self.view.is_mine(slot) && self.duties.is_synced(slot) {
                self.puller.want(slot, from, false);
                apart += 1;
            } else if self.view.list(slot).contains(&self.view.me()) {
                // It is being pulled, from one node and not from all that compare. Who joins has nothing yet that others lack, and would ask everybody for everything.
                self.early.insert((slot, from), Some(hash));
            }
        }
        if apart >= APART_SLOTS {
            self.pace.catch_up(now.monotonic);
        }
    }

    /// Compares slots that could not be compared when a peer told its hash of them: those that have been synced since, with peers that are alive.
    pub(super) fn compare_early(&mut self) {
        if self.early.is_empty() {
            return;
        }
        let Core { early, view, duties, puller, slots, instance, .. } = self;
        let alive: BTreeMap<NodeId, bool> =
            view.members().map(|(_, it)| (it.id, it.alive)).collect();
        early.retain(|&(slot, from), hash| {
            let Some(&is_alive) = alive.get(&from).filter(|_| view.is_mine(slot)) else {
                return false;
            };
            if !is_alive || !duties.is_synced(slot) {
                return true;
            }
            let vector = || slots.vector(&instance.store, slot);
            if hash.is_none_or(|hash| vector_hash(&vector()) != hash) {
                puller.want(slot, from, false);
            }
            false
        });
    }

    /// Nothing can be asked of a peer for now. Over a link that is open it tells its hashes once, though it be given up and taken back meanwhile, for it does not know of
    /// that: they are kept, and so is what was to be pulled. Over the next link it tells them anew.
    pub(super) fn put_off(&mut self, peer: NodeId, pulls: &[Slot]) {
        if self.reach.is_up(peer) {
            self.early.extend(pulls.iter().map(|&slot| ((slot, peer), None)));
        } else {
            self.early.retain(|&(_, from), _| from != peer);
        }
    }

    /// Tells all others that keep a slot what this node knows of it.
    pub(super) fn tell_keepers(&self, slot: Slot, out: &mut Vec<Output>) {
        let keepers = self.view.effect_targets(slot).filter_map(|index| self.view.member(index));
        keepers.for_each(|keeper| self.tell_hash(slot, keeper.id, out));
    }

    /// Tells a peer what this node knows of one slot, so that it pulls what it lacks.
    pub(super) fn tell_hash(&self, slot: Slot, peer: NodeId, out: &mut Vec<Output>) {
        let vector = self.slots.vector(&self.instance.store, slot);
        let mut payload = Vec::new();
        encode_digest([(slot, vector_hash(&vector))].into_iter(), &mut payload);
        out.push(Output::Frame { to: peer, kind: Kind::Digest, slot: None, payload });
    }
}

/// A hash of what a vector covers: equal for equal histories, whatever is stored for them. Entries below the floor say nothing more than it does, and one side may have pruned
/// them already.
pub(super) fn vector_hash(vector: &Vector) -> u64 {
    let mut bytes = Vec::new();
    vector.above(vector.floor()).encode(&mut bytes);
    crate::replication::digest::key_hash(0, &bytes)
}
