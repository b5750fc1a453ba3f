//! The big form of sorted sets.

use super::block::{Block, Entry};
use super::discard::Discard;
use super::keyed::Keyed;
use super::limits::{HashFn, Limits};
use super::score::Score;
use super::stamp::Stamp;
use super::zset::{Known, Ranked, Scored, Zset};

/// Members by hash and by rank.
#[derive(Debug, Clone)]
pub(super) struct Sorted {
    members: Keyed,
    ranks: Box<Zset>,
}

/// Members by rank.
pub(super) type SortedWalk<'a> = Box<Ranked<'a>>;

const ALL: Limits = Limits {
    entries_max: usize::MAX,
    element_bytes_max: usize::MAX,
    bytes_max: usize::MAX,
    integers_max: usize::MAX,
    hash: |_| 0,
};

impl Sorted {
    pub(super) fn of_block(block: Block<'_>, hash: HashFn) -> Self {
        Sorted {
            members: Keyed::of_block(block, hash),
            ranks: Box::new(Zset::from_packed(block.bytes())),
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.members.len()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.members.memory_bytes() + self.ranks.view().memory_bytes()
    }

    pub(super) fn members(&self) -> &Keyed {
        &self.members
    }

    pub(super) fn find(&self, member: &[u8]) -> Option<Entry<'_>> {
        self.members.find(member)
    }

    pub(super) fn rank(&self, member: &[u8]) -> Option<(u64, f64)> {
        self.ranks.view().rank(member)
    }

    pub(super) fn below_score(&self, bound: f64, inclusive: bool) -> u64 {
        self.ranks.view().below_score(bound, inclusive)
    }

    pub(super) fn below_member(&self, bound: &[u8], inclusive: bool) -> u64 {
        self.ranks.view().below_member(bound, inclusive)
    }

    pub(super) fn range(&self, from: u64, to: u64, reverse: bool) -> SortedWalk<'_> {
        Box::new(self.ranks.view().range(from, to, reverse))
    }

    pub(super) fn insert(&mut self, member: &[u8], score: f64, stamp: Stamp<'_>) -> Option<Known> {
        self.members.insert(member, Some(&Score::new(score, true).encoded()), stamp);
        self.ranks.insert(member, score, stamp, &ALL)
    }

    pub(super) fn remove(&mut self, member: &[u8]) -> Option<Known> {
        self.members.remove(member);
        self.ranks.remove(member)
    }

    pub(super) fn remove_ranks(&mut self, from: u64, to: u64) -> u64 {
        let gone: Vec<Vec<u8>> =
            self.range(from, to, false).map(|scored: Scored<'_>| scored.member.to_vec()).collect();
        for member in &gone {
            self.remove(member);
        }
        gone.len() as u64
    }

    pub(super) fn discard(self) -> Discard {
        Discard::default()
    }
}
