//! The big form of sorted sets: members with scores and stamps by hash, and with scores once more by rank.
//!
//! A score is one look-up in the first. A rank, a range or a bound is one in the second. A write changes both; where it leaves the score as it
//! is, only the first.
//!
//! Invariant: both hold the same members with the same scores.

use super::block::{Block, Entry};
use super::discard::Discard;
use super::keyed::Keyed;
use super::limits::HashFn;
use super::ranks::{Ranks, RanksWalk};
use super::score::{self, Score};
use super::stamp::Stamp;
use super::zset::Known;

/// See the module's description.
#[derive(Debug, Clone)]
pub(super) struct Sorted {
    members: Keyed,
    ranks: Ranks,
}

fn known(entry: Entry<'_>) -> Known {
    Known { score: score::read(entry.value()), dot: entry.mark().stamp.dot }
}

impl Sorted {
    pub(super) fn of_block(block: Block<'_>, hash: HashFn) -> Self {
        let mut sorted = Sorted { members: Keyed::of_block(block, hash), ranks: Ranks::new() };
        let mut buffer = itoa::Buffer::new();
        for entry in block.entries() {
            let key = entry.key();
            let score = score::read(entry.value());
            sorted.ranks.insert(key.text(&mut buffer), score, &sorted.members);
        }
        sorted
    }

    pub(super) fn len(&self) -> u64 {
        self.members.len()
    }

    /// Where its root lies.
    pub(super) fn root(&self) -> *const u8 {
        self.members.root()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.members.memory_bytes() + size_of::<Ranks>() + self.ranks.heap_bytes()
    }

    /// The members in the order of their hashes, with their stamps.
    pub(super) fn members(&self) -> &Keyed {
        &self.members
    }

    #[inline]
    pub(super) fn find(&self, member: &[u8]) -> Option<Entry<'_>> {
        self.members.find(member)
    }

    pub(super) fn rank(&self, member: &[u8]) -> Option<(u64, f64)> {
        let score = score::read(self.members.find(member)?.value());
        Some((self.ranks.rank(member, score, &self.members), score))
    }

    pub(super) fn below_score(&self, bound: f64, inclusive: bool) -> u64 {
        self.ranks.below_score(bound, inclusive)
    }

    pub(super) fn below_member(&self, bound: &[u8], inclusive: bool) -> u64 {
        self.ranks.below_member(bound, inclusive, &self.members)
    }

    pub(super) fn range(&self, from: u64, to: u64, reverse: bool) -> RanksWalk<'_> {
        self.ranks.range(from, to, reverse, &self.members)
    }

    pub(super) fn insert(&mut self, member: &[u8], score: f64, stamp: Stamp<'_>) -> Option<Known> {
        let score = if score.is_nan() { 0.0 } else { score };
        let stored = Score::new(score, true);
        let old = self.members.replace(member, Some(&stored.encoded()), stamp, known);
        // By its bits, so that the sign of a zero follows here too.
        if old.is_none_or(|old| old.score.to_bits() != score.to_bits()) {
            if let Some(old) = old {
                self.ranks.remove(member, old.score, &self.members);
            }
            self.ranks.insert(member, score, &self.members);
        }
        old
    }

    pub(super) fn remove(&mut self, member: &[u8]) -> Option<Known> {
        let old = known(self.members.find(member)?);
        self.ranks.remove(member, old.score, &self.members);
        self.members.remove(member);
        Some(old)
    }

    /// O(k log n): each goes from among the members by itself.
    pub(super) fn remove_ranks(&mut self, from: u64, to: u64) -> u64 {
        let gone: Vec<Vec<u8>> =
            self.range(from, to, false).map(|scored| scored.member.to_vec()).collect();
        // The nodes of k elements are few beside k removals.
        drop(self.ranks.cut(from, to, &self.members));
        for member in &gone {
            self.members.remove(member);
        }
        gone.len() as u64
    }

    pub(super) fn discard(self) -> Discard {
        let mut discard = Discard::of(self.ranks.garbage());
        discard.add(self.members.discard());
        discard
    }
}
