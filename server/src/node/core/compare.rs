//! Anti-entropy: each pair of nodes compares, now and then, what it knows of the slots that both keep.

use super::message::encode_digest;
use super::{Core, Output, every_slot};
use crate::cluster::NodeId;
use crate::cluster::membership::Now;
use crate::replication::vector::Vector;
use std::sync::Arc;
use std::time::Duration;
use torc_protocol::peer::Kind;
use torc_protocol::slot::{SLOT_COUNT, Slot};

/// Each pair of nodes compares what it knows of its slots this often.
const ANTI_ENTROPY: Duration = Duration::from_secs(10);
/// After nodes came or went they do so sooner: what was written before a link stood was not told over it.
pub(super) const COMPARE_SOON: Duration = Duration::from_secs(1);

/// So many synced slots of which two nodes know different things are more than what is on its way between them.
const APART_SLOTS: usize = SLOT_COUNT / 16;

impl Core {
    /// Tells every peer, now and then, what this node knows of the slots that both keep.
    pub(super) fn compare(&mut self, now: Now, out: &mut Vec<Output>) {
        if now.monotonic < self.compare_at {
            return;
        }
        self.compare_at = now.monotonic + ANTI_ENTROPY;
        let view = Arc::clone(&self.view);
        let others = view.members().filter(|(index, member)| *index != view.me() && member.alive);
        others.for_each(|(_, member)| self.compare_with(member.id, out));
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
            if vector_hash(&vector) == hash {
                self.pruner.agrees(slot, &vector, from);
            } else if self.view.is_mine(slot) && self.duties.is_synced(slot) {
                // One that is not synced is pulled anyway, from one node and not from all that compare.
                self.puller.want(slot, from, false);
                apart += 1;
            }
        }
        if apart >= APART_SLOTS {
            self.pace.catch_up(now.monotonic);
        }
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
