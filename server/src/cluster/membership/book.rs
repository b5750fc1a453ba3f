//! The records of all nodes, ourselves included, and the names of those that were forgotten.
//!
//! Invariant: for each node the book holds the record with the highest stamp that ever came, unless a tombstone covers it. Merging two books in any
//! order gives the same book.
//!
//! It does not know who is alive.

use super::wire::Item;
use crate::cluster::node_id::NodeId;
use crate::cluster::record::{NodeRecord, NodeState, Stamp};
use siphasher::sip::SipHasher13;
use std::collections::BTreeMap;
use std::hash::Hasher as _;
use std::sync::Arc;
use std::time::Duration;

/// Parts that books are compared by. A difference costs one part, 16 records of 1,000.
pub(super) const PARTS: usize = 64;

/// Nodes at most, of which records are kept. Ten times the largest simulated cluster; past it strangers are not taken in.
const RECORDS_MAX: usize = 10_000;

/// Forgotten nodes at most, whose names are kept.
const TOMBSTONES_MAX: usize = 1_024;

/// What a record or tombstone did to the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Applied {
    /// The book changed; others may not know yet.
    News,
    /// Nothing new.
    Known,
    /// It is about ourselves and later than what we said: another run, or a copy, of this node spoke.
    Outranks(Stamp),
}

/// A change of the book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    Record(Arc<NodeRecord>),
    Forgotten(NodeId),
    /// Another node uses our tag.
    TagTaken(NodeId),
}

#[derive(Debug, Clone, Copy)]
struct Tombstone {
    stamp: Stamp,
    expires: Duration,
}

/// See the module.
pub(super) struct Book {
    me: NodeId,
    cluster: u64,
    records: BTreeMap<NodeId, Arc<NodeRecord>>,
    tombstones: BTreeMap<NodeId, Tombstone>,
    /// For how long forgotten nodes stay forgotten.
    tombstone_life: Duration,
    /// Time of the step at hand.
    now: Duration,
    changes: Vec<Change>,
    /// A stamp of our own node that we did not give.
    outranked: Option<Stamp>,
}

impl Book {
    /// A book with our own record in it.
    pub fn new(own: NodeRecord, tombstone_life: Duration) -> Self {
        let (me, cluster) = (own.node, own.cluster);
        Book {
            me,
            cluster,
            records: BTreeMap::from([(me, Arc::new(own))]),
            tombstones: BTreeMap::new(),
            tombstone_life,
            now: Duration::ZERO,
            changes: Vec::new(),
            outranked: None,
        }
    }

    /// Starts a step at `now`: expired tombstones go.
    pub fn begin(&mut self, now: Duration) {
        self.now = now;
        self.tombstones.retain(|_, tombstone| tombstone.expires > now);
    }

    pub fn own(&self) -> &Arc<NodeRecord> {
        // It is put there at the start and never taken out.
        &self.records[&self.me]
    }

    /// Replaces our own record.
    pub fn set_own(&mut self, own: NodeRecord) {
        debug_assert_eq!(own.node, self.me);
        self.records.insert(self.me, Arc::new(own));
    }

    pub fn get(&self, node: NodeId) -> Option<&Arc<NodeRecord>> {
        self.records.get(&node)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<NodeRecord>> {
        self.records.values()
    }

    /// Takes an item in.
    pub fn apply(&mut self, item: Item) -> Applied {
        let applied = match item {
            Item::Record { record, .. } => self.apply_record(record),
            Item::Forgotten { node, stamp } => self.apply_tombstone(node, stamp),
        };
        if let Applied::Outranks(stamp) = applied {
            self.outranked = self.outranked.max(Some(stamp));
        }
        applied
    }

    fn apply_record(&mut self, record: NodeRecord) -> Applied {
        let (node, stamp) = (record.node, record.stamp());
        if record.cluster != self.cluster {
            return Applied::Known;
        }
        if node == self.me {
            let later = stamp > self.own().stamp();
            return if later { Applied::Outranks(stamp) } else { Applied::Known };
        }
        if self.tombstones.get(&node).is_some_and(|tombstone| stamp <= tombstone.stamp) {
            return Applied::Known;
        }
        match self.records.get(&node) {
            Some(known) if stamp <= known.stamp() => return Applied::Known,
            None if self.records.len() >= RECORDS_MAX => return Applied::Known,
            _ => {}
        }
        let own = self.own();
        if record.tag == own.tag && record.state != NodeState::Left {
            self.changes.push(Change::TagTaken(node));
        }
        let record = Arc::new(record);
        self.tombstones.remove(&node);
        self.records.insert(node, Arc::clone(&record));
        self.changes.push(Change::Record(record));
        Applied::News
    }

    fn apply_tombstone(&mut self, node: NodeId, stamp: Stamp) -> Applied {
        if node == self.me {
            let forgotten = stamp >= self.own().stamp();
            return if forgotten { Applied::Outranks(stamp) } else { Applied::Known };
        }
        let known = self.tombstones.get(&node).is_some_and(|known| known.stamp >= stamp);
        let later = self.records.get(&node).is_some_and(|record| record.stamp() > stamp);
        if known || later {
            return Applied::Known;
        }
        if self.tombstones.len() >= TOMBSTONES_MAX {
            let oldest = self.tombstones.iter().min_by_key(|(_, tombstone)| tombstone.expires);
            if let Some(node) = oldest.map(|(node, _)| *node) {
                self.tombstones.remove(&node);
            }
        }
        let expires = self.now + self.tombstone_life;
        self.tombstones.insert(node, Tombstone { stamp, expires });
        if self.records.remove(&node).is_some() {
            self.changes.push(Change::Forgotten(node));
        }
        Applied::News
    }

    /// What changed since the last call.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// The highest stamp of our own node that we did not give, since the last call.
    pub fn take_outranked(&mut self) -> Option<Stamp> {
        self.outranked.take()
    }

    /// A hash of each part of the book. Two books with equal sums hold the same records.
    pub fn sums(&self) -> [u64; PARTS] {
        let mut sums = [0; PARTS];
        for record in self.records.values() {
            let mut hasher = SipHasher13::new();
            hasher.write_u64(record.node.0);
            hasher.write_u64(record.incarnation);
            hasher.write_u64(record.version);
            sums[part_of(record.node)] ^= hasher.finish();
        }
        sums
    }

    /// Records and tombstones of the parts whose bits are set in `parts`.
    pub fn items(&self, parts: u64, is_alive: impl Fn(NodeId) -> bool) -> Vec<Item> {
        let wanted = |node: NodeId| parts >> part_of(node) & 1 == 1;
        let records = self.records.values().filter(|record| wanted(record.node)).map(|record| {
            let alive = record.node == self.me || is_alive(record.node);
            Item::Record { record: NodeRecord::clone(record), alive }
        });
        let tombstones = self.tombstones.iter().filter(|(node, _)| wanted(**node));
        let tombstones = tombstones
            .map(|(node, tombstone)| Item::Forgotten { node: *node, stamp: tombstone.stamp });
        records.chain(tombstones).collect()
    }
}

fn part_of(node: NodeId) -> usize {
    // Ids are drawn at random, but tests and operators may give small ones: Fibonacci hashing spreads both.
    (node.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58) as usize
}

#[cfg(test)]
mod tests {
    use super::super::testing::record;
    use super::*;
    use crate::base::rng::Rng;

    const LIFE: Duration = Duration::from_secs(100);

    fn item(node: u64, incarnation: u64, version: u64) -> Item {
        let record = NodeRecord { incarnation, version, tag: node as u16, ..record(node) };
        Item::Record { record, alive: true }
    }

    fn gone(node: u64, incarnation: u64, version: u64) -> Item {
        Item::Forgotten { node: NodeId(node), stamp: Stamp { incarnation, version } }
    }

    #[test]
    fn books_merge_alike_in_any_order() {
        for seed in 0..200 {
            let mut rng = Rng::seeded(seed);
            let items: Vec<Item> = (0..30)
                .map(|_| {
                    let (node, incarnation, version) =
                        (2 + rng.below(4), 1 + rng.below(2), rng.below(4));
                    if rng.below(5) == 0 {
                        gone(node, incarnation, version)
                    } else {
                        item(node, incarnation, version)
                    }
                })
                .collect();
            let mut books: Vec<Book> = (0..2).map(|_| Book::new(record(1), LIFE)).collect();
            for book in &mut books {
                let mut rest = items.clone();
                while !rest.is_empty() {
                    let item = rest.swap_remove(rng.below(rest.len() as u64) as usize);
                    if rng.below(3) == 0 {
                        book.apply(item.clone());
                    }
                    book.apply(item);
                }
            }
            assert_eq!(books[0].sums(), books[1].sums(), "seed {seed}");
            let stamps = |book: &Book| -> Vec<_> {
                book.iter().map(|record| (record.node, record.stamp())).collect()
            };
            assert_eq!(stamps(&books[0]), stamps(&books[1]), "seed {seed}");
        }
    }

    #[test]
    fn the_forgotten_stay_forgotten_until_they_speak_again() {
        let mut book = Book::new(record(1), LIFE);
        assert_eq!(book.apply(item(2, 1, 5)), Applied::News);
        assert_eq!(book.apply(gone(2, 1, 5)), Applied::News);
        assert_eq!(book.take_changes().last(), Some(&Change::Forgotten(NodeId(2))));
        assert_eq!(book.apply(item(2, 1, 5)), Applied::Known);
        assert!(book.get(NodeId(2)).is_none());
        assert_eq!(book.apply(gone(2, 1, 5)), Applied::Known);
        assert_eq!(book.apply(item(2, 2, 0)), Applied::News, "a new start is no ghost");
        assert_eq!(book.apply(gone(2, 1, 9)), Applied::Known, "an old tombstone does not reach it");
        book.apply(gone(3, 1, 1));
        book.begin(LIFE);
        assert_eq!(book.apply(item(3, 1, 1)), Applied::News, "tombstones do not stay for ever");
    }

    #[test]
    fn what_others_say_of_us_never_replaces_our_word() {
        let mut book = Book::new(NodeRecord { incarnation: 5, version: 5, ..record(1) }, LIFE);
        assert_eq!(book.apply(item(1, 5, 5)), Applied::Known);
        assert_eq!(book.apply(item(1, 4, 9)), Applied::Known);
        let later = Stamp { incarnation: 6, version: 0 };
        assert_eq!(book.apply(item(1, 6, 0)), Applied::Outranks(later));
        assert_eq!(book.own().incarnation, 5);
        assert_eq!(book.take_outranked(), Some(later));
        assert!(matches!(book.apply(gone(1, 5, 5)), Applied::Outranks(_)));
    }

    #[test]
    fn a_stolen_tag_and_a_strange_cluster_are_seen() {
        let mut book = Book::new(record(1), LIFE);
        let same_tag = NodeRecord { tag: record(1).tag, ..record(2) };
        book.apply(Item::Record { record: same_tag, alive: true });
        assert!(book.take_changes().contains(&Change::TagTaken(NodeId(2))));
        let stranger = NodeRecord { cluster: 99, ..record(3) };
        assert_eq!(book.apply(Item::Record { record: stranger, alive: true }), Applied::Known);
    }
}
