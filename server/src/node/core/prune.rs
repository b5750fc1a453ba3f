//! Tags of incarnations that are gone leave the vectors.
//!
//! Each restart of a node leaves a tag behind in the vector of every slot that it wrote to. Once nobody has had a tag for [`super::Options::tag_retention`], and every node that
//! keeps a slot has been found since to cover what this one covers, its entry becomes part of the vector's floor; see [`crate::replication::vector`].
//!
//! Nothing from before that time can turn up any more that it would hide: a process that starts anew has nothing. Only a node that was cut off for longer, and written to
//! meanwhile, loses what it wrote before the floor and nobody else has seen.

use super::{Core, every_slot};
use crate::base::version::{Tag, Version};
use crate::cluster::NodeId;
use crate::cluster::membership::Now;
use crate::replication::vector::Vector;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use torc_protocol::slot::Slot;

/// Vectors are looked through so many times while a tag is kept: every hour of a day.
const LOOKS: u32 = 24;

/// See the module's description.
#[derive(Debug, Default)]
pub(super) struct Pruner {
    due: Duration,
    /// Tags that no member has, and since when.
    departed: BTreeMap<Tag, Duration>,
    /// Of slots that such a tag wrote to: who has been found to cover the same since it departed.
    agreed: BTreeMap<Slot, BTreeSet<NodeId>>,
}

impl Pruner {
    /// `peer` covers the same of `slot` as this node.
    pub(super) fn agrees(&mut self, slot: Slot, vector: &Vector, peer: NodeId) {
        let is_departed = |entry: &Version| self.departed.contains_key(&entry.tag());
        if vector.entries().iter().any(is_departed) {
            self.agreed.entry(slot).or_default().insert(peer);
        }
    }

    /// `node` has started anew, with nothing.
    pub(super) fn forget(&mut self, node: NodeId) {
        for nodes in self.agreed.values_mut() {
            nodes.remove(&node);
        }
    }
}

impl Core {
    /// Looks through the vectors, if it is time.
    pub(super) fn prune(&mut self, now: Now) {
        if now.monotonic < self.pruner.due {
            return;
        }
        let retention = self.options.tag_retention;
        self.pruner.due = now.monotonic + retention / LOOKS;
        self.note_departed(now.monotonic);
        let departed = |tag: Tag| {
            let since = self.pruner.departed.get(&tag);
            since.is_some_and(|since| now.monotonic >= *since + retention)
        };
        let horizon_ms = now.unix_ms.saturating_sub(retention.as_millis() as u64);
        let horizon = Version::next(horizon_ms, Version::ZERO, Tag::new(0));
        let mut pruned = Vec::new();
        let mut count = 0;
        for (&slot, agreed) in &self.pruner.agreed {
            let all_agree = self.view.list(slot).iter().all(|&index| {
                let member = self.view.member(index);
                index == self.view.me() || member.is_some_and(|it| agreed.contains(&it.id))
            });
            let is_steady = self.view.transition().is_none() && self.view.is_mine(slot);
            if !all_agree || !is_steady || !self.duties.is_synced(slot) {
                continue;
            }
            let mut chain = self.slots.lock(slot);
            chain.settle(horizon);
            let went = chain.prune(departed);
            if went > 0 {
                count += went as u64;
                pruned.push(slot);
            }
        }
        self.pruner.agreed.retain(|slot, _| !pruned.contains(slot));
        self.instance.cluster.figures().tags_pruned.add(count);
    }

    /// Finds out which tags in vectors nobody has.
    fn note_departed(&mut self, now: Duration) {
        let had: BTreeSet<u16> = self.view.members().map(|(_, member)| member.tag).collect();
        let mut seen = BTreeMap::new();
        for slot in every_slot() {
            for entry in self.slots.lock(slot).vector().entries() {
                let tag = entry.tag();
                if !had.contains(&tag.get()) && !seen.contains_key(&tag) {
                    seen.insert(tag, self.pruner.departed.get(&tag).copied().unwrap_or(now));
                }
            }
        }
        self.pruner.departed = seen;
    }
}
