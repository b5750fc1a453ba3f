//! Sorted sets: members with scores, in the order of (score, member).
//!
//! Small: a block of pairs in that order. Big: [`Sorted`], which holds every member by hash and once more by rank.
//!
//! All ranges are ranges of ranks: [`ZsetView::below_score`] and [`ZsetView::below_member`] turn bounds of the other kinds into ranks.

use super::block::{Block, Entry, PAIRS};
use super::discard::Discard;
use super::edit::{self, Span};
use super::item::{Encoded, Item};
use super::limits::{HashFn, Limits};
use super::ranks::RanksWalk;
use super::score::{self, Score};
use super::sorted::Sorted;
use super::stamp::{Mark, Stamp};
use super::tops::Tops;
use super::walk::Walk;
use crate::base::version::Version;
use std::cmp::Ordering;

/// A member of a sorted set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored<'a> {
    /// Its text.
    pub member: Item<'a>,
    /// Its score; never NaN.
    pub score: f64,
    /// When it was written.
    pub stamp: Stamp<'a>,
}

impl<'a> Scored<'a> {
    pub(super) fn of(entry: Entry<'a>) -> Self {
        let score = score::read(entry.value());
        Scored { member: entry.key(), score, stamp: entry.mark().stamp }
    }
}

/// What was known of a member before it was written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Known {
    /// Its score.
    pub score: f64,
    /// Its dot, zero if it had none.
    pub dot: Version,
}

/// A sorted set to read.
#[derive(Debug, Clone, Copy)]
pub struct ZsetView<'a>(View<'a>);

#[derive(Debug, Clone, Copy)]
enum View<'a> {
    Packed(Block<'a>),
    Big(&'a Sorted),
}

impl<'a> ZsetView<'a> {
    /// The sorted set in `packed`, which [`Zset::packed`] returned.
    pub fn packed(packed: &'a [u8]) -> Self {
        ZsetView(View::Packed(Block::new(packed)))
    }

    /// Number of members.
    pub fn len(self) -> u64 {
        match self.0 {
            View::Packed(block) => block.count() as u64,
            View::Big(sorted) => sorted.len(),
        }
    }

    /// Whether it has no member.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// What OBJECT ENCODING says.
    pub fn encoding(self) -> &'static str {
        match self.0 {
            View::Packed(_) => "listpack",
            View::Big(_) => "skiplist",
        }
    }

    /// Bytes of memory: of the packed bytes, or of all that a big sorted set allocated.
    pub fn memory_bytes(self) -> usize {
        match self.0 {
            View::Packed(block) => block.used(),
            View::Big(sorted) => sorted.memory_bytes(),
        }
    }

    /// The score of `member`.
    #[inline]
    pub fn score(self, member: &[u8]) -> Option<f64> {
        self.member(member).map(|scored| scored.score)
    }

    /// The whole of `member`.
    #[inline]
    pub fn member(self, member: &[u8]) -> Option<Scored<'a>> {
        match self.0 {
            View::Packed(block) => block.find(&Encoded::of(member)),
            View::Big(sorted) => sorted.find(member),
        }
        .map(Scored::of)
    }

    /// The rank of `member` from the lowest score up, and its score. From the highest down it is `len() - 1 - rank`.
    pub fn rank(self, member: &[u8]) -> Option<(u64, f64)> {
        match self.0 {
            View::Big(sorted) => sorted.rank(member),
            View::Packed(block) => {
                let key = Encoded::of(member);
                let mut found = block.entries().enumerate();
                let (rank, entry) = found.find(|(_, entry)| entry.holds(&key))?;
                Some((rank as u64, score::read(entry.value())))
            }
        }
    }

    /// The member of that rank, without its stamp where the set is big. O(log n).
    pub fn at(self, rank: u64) -> Option<Scored<'a>> {
        self.range(rank, rank.saturating_add(1), false).next()
    }

    /// How many members have a score below `bound`, or no higher than it if `inclusive`: the rank at which those above begin.
    pub fn below_score(self, bound: f64, inclusive: bool) -> u64 {
        let is_below = |score: f64| match score::compare(score, bound) {
            Ordering::Less => true,
            Ordering::Equal => inclusive,
            Ordering::Greater => false,
        };
        match self.0 {
            View::Packed(block) => {
                let mut entries = block.entries();
                let above = entries.position(|entry| !is_below(score::read(entry.value())));
                above.unwrap_or(block.count()) as u64
            }
            View::Big(sorted) => sorted.below_score(bound, inclusive),
        }
    }

    /// How many members come before `bound` byte by byte, or are it if `inclusive`. As in Redis it means something only where all scores are equal.
    pub fn below_member(self, bound: &[u8], inclusive: bool) -> u64 {
        let is_below = |member: Item<'_>| match member.compare(bound) {
            Ordering::Less => true,
            Ordering::Equal => inclusive,
            Ordering::Greater => false,
        };
        match self.0 {
            View::Packed(block) => {
                let mut entries = block.entries();
                let above = entries.position(|entry| !is_below(entry.key()));
                above.unwrap_or(block.count()) as u64
            }
            View::Big(sorted) => sorted.below_member(bound, inclusive),
        }
    }

    /// The members of ranks `from` up to but not with `to`, the lowest first, or the highest of them first if `reverse`. Those of a big set come
    /// without stamps, which [`ZsetView::iter`] and [`ZsetView::member`] give.
    pub fn range(self, from: u64, to: u64, reverse: bool) -> Ranked<'a> {
        let index = |rank| usize::try_from(rank).unwrap_or(usize::MAX);
        Ranked(match self.0 {
            View::Packed(block) => Way::Packed(Walk::range(block, index(from), index(to), reverse)),
            View::Big(sorted) => Way::Sorted(sorted.range(from, to, reverse)),
        })
    }

    /// All members with their stamps: by rank if small, by hash if big.
    pub fn iter(self) -> Ranked<'a> {
        Ranked(Way::Packed(match self.0 {
            View::Packed(block) => Walk::block(block),
            View::Big(sorted) => sorted.members().walk(),
        }))
    }

    /// As [`super::HashView::scan`].
    pub fn scan(self, cursor: u64, count: u64, mut visit: impl FnMut(Scored<'a>)) -> u64 {
        match self.0 {
            View::Packed(_) => {
                self.iter().for_each(visit);
                0
            }
            View::Big(sorted) => {
                sorted.members().scan(cursor, count, |entry| visit(Scored::of(entry)))
            }
        }
    }

    /// Bounds of its dots.
    pub fn tops(self) -> Tops {
        match self.0 {
            View::Packed(block) => Walk::block(block).tops(),
            View::Big(sorted) => sorted.members().tops().clone(),
        }
    }
}

/// Members of a sorted set, one after the other.
#[derive(Debug, Clone)]
pub struct Ranked<'a>(Way<'a>);

#[derive(Debug, Clone)]
enum Way<'a> {
    Packed(Walk<'a>),
    Sorted(RanksWalk<'a>),
}

impl<'a> Iterator for Ranked<'a> {
    type Item = Scored<'a>;

    #[inline]
    fn next(&mut self) -> Option<Scored<'a>> {
        match &mut self.0 {
            Way::Packed(walk) => walk.next().map(Scored::of),
            Way::Sorted(walk) => walk.next(),
        }
    }
}

/// A sorted set to edit. A clone of a big one is a snapshot, as of a [`super::Hash`].
#[derive(Debug, Clone)]
pub struct Zset(Form);

#[derive(Debug, Clone)]
enum Form {
    Packed(Vec<u8>),
    Big(Sorted),
}

impl Default for Zset {
    fn default() -> Self {
        Zset(Form::Packed(edit::empty(PAIRS)))
    }
}

impl Zset {
    /// An empty sorted set.
    pub fn new() -> Self {
        Self::default()
    }

    /// A copy of a packed sorted set.
    pub fn from_packed(packed: &[u8]) -> Self {
        Zset(Form::Packed(edit::copy(packed)))
    }

    /// Its packed bytes, unless it is big.
    pub fn packed(&self) -> Option<&[u8]> {
        match &self.0 {
            Form::Packed(bytes) => Some(bytes),
            Form::Big(_) => None,
        }
    }

    /// To read it.
    pub fn view(&self) -> ZsetView<'_> {
        ZsetView(match &self.0 {
            Form::Packed(bytes) => View::Packed(Block::new(bytes)),
            Form::Big(sorted) => View::Big(sorted),
        })
    }

    /// Sets the score of a member, and turns big where that takes it beyond `limits`. NaN counts as 0. Returns what was known of the member.
    pub fn insert(
        &mut self,
        member: &[u8],
        score: f64,
        stamp: Stamp<'_>,
        limits: &Limits,
    ) -> Option<Known> {
        if let Form::Packed(bytes) = &mut self.0 {
            let known = take(bytes, member);
            let block = Block::new(bytes);
            let is_small = block.count() < limits.entries_max
                && block.used() + member.len() + 9 <= limits.bytes_max
                && member.len() <= limits.element_bytes_max;
            if is_small || known.is_some() {
                put(bytes, member, score, stamp);
                return known;
            }
            self.convert(limits.hash);
        }
        match &mut self.0 {
            Form::Big(sorted) => sorted.insert(member, score, stamp),
            Form::Packed(_) => None,
        }
    }

    /// Removes a member. Returns what was known of it.
    pub fn remove(&mut self, member: &[u8]) -> Option<Known> {
        match &mut self.0 {
            Form::Packed(bytes) => take(bytes, member),
            Form::Big(sorted) => sorted.remove(member),
        }
    }

    /// Removes the members of ranks `from` up to but not with `to`. Returns how many. O(k log n) if big: who removes many does it in pieces.
    pub fn remove_ranks(&mut self, from: u64, to: u64) -> u64 {
        match &mut self.0 {
            Form::Packed(bytes) => {
                let block = Block::new(bytes);
                let count = block.count() as u64;
                let (from, to) = (from.min(count) as usize, to.min(count) as usize);
                if from < to {
                    let (start, end) = (block.place(from), block.place(to));
                    edit::remove(bytes, start, end, to - from);
                }
                to.saturating_sub(from) as u64
            }
            Form::Big(sorted) => sorted.remove_ranks(from, to),
        }
    }

    /// Turns big, if it is not yet.
    pub fn convert(&mut self, hash: HashFn) {
        if let Form::Packed(bytes) = &self.0 {
            self.0 = Form::Big(Sorted::of_block(Block::new(bytes), hash));
        }
    }

    /// The same in its small form, if that is within `limits`. Who makes a sorted set of many scores at once does so in the big form, which keeps the sign of a
    /// negative zero for as long as it is not small.
    #[must_use]
    pub fn packed_if_small(self, limits: &Limits) -> Self {
        if self.view().len() > limits.entries_max as u64 {
            return self;
        }
        let (mut small, mut text) = (Zset::new(), itoa::Buffer::new());
        for known in self.view().iter() {
            small.insert(known.member.text(&mut text), known.score, known.stamp, limits);
        }
        if small.packed().is_some() { small } else { self }
    }

    /// Where the root of a large one lies, which every look-up reads first.
    pub fn root(&self) -> Option<*const u8> {
        match &self.0 {
            Form::Packed(_) => None,
            Form::Big(sorted) => Some(sorted.root()),
        }
    }

    /// What remains to be freed.
    pub fn discard(self) -> Discard {
        match self.0 {
            Form::Packed(_) => Discard::default(),
            Form::Big(sorted) => sorted.discard(),
        }
    }
}

/// Takes a member out of a small sorted set.
fn take(bytes: &mut Vec<u8>, member: &[u8]) -> Option<Known> {
    let entry = Block::new(bytes).find(&Encoded::of(member))?;
    let known = Known { score: score::read(entry.value()), dot: entry.mark().stamp.dot };
    let span = Span::from(entry);
    edit::remove(bytes, span.at, span.end, 1);
    Some(known)
}

/// Puts a member that is not there into its place in a small sorted set.
fn put(bytes: &mut Vec<u8>, member: &[u8], score: f64, stamp: Stamp<'_>) {
    edit::admit(bytes, &stamp);
    let stored = Score::new(score, false);
    let key = Encoded::of(member);
    let block = Block::new(bytes);
    let next = block.entries().find(|entry| {
        let order = score::compare(score::read(entry.value()), score);
        order.then_with(|| entry.key().compare(member)).is_gt()
    });
    let at = next.map_or(block.used(), |entry| entry.at);
    edit::insert(bytes, at, &Mark::of(stamp), &key, Some(&stored.encoded()));
}
