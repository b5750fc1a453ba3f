//! The members of a sorted set by rank: one half of its big form.
//!
//! A tree of (member, score) pairs in the order of (score, member). Members of up to [`INLINE_MAX`] bytes stand here as well as among the members by
//! hash; of a longer one only its beginning and its hash, a *stub*, and the rest is looked up there when an order or a reply needs it:
//!
//! ```text
//! stub, a string of INLINE_MAX + 1 bytes, which no inline member has: | first bytes of the member 25 | its hash 8 |
//! ```
//!
//! So ranges of usual members are read from leaves one after the other, and long members are kept once. The other way round, an index by hash that
//! names a score and finds the member here, could not say which of a million members of one score it means, and SCAN must know.
//!
//! Two members of more than 32 bytes with the same first 25 and the same 64-bit hash would be mistaken for each other. The hash is keyed.

use super::block::{Block, Entry, PAIRS};
use super::edit;
use super::item::{Encoded, Item, array};
use super::keyed::{self, Keyed};
use super::score::{self, Score};
use super::stamp::{Mark, Stamp};
use super::tree::{Child, Counting, Edge, Garbage, Leaf, Order, Path, Tree, TreeWalk};
use super::zset::Scored;
use std::cmp::Ordering;

/// The longest member that is kept here in full.
const INLINE_MAX: usize = 32;
/// What a stub has of its member.
const PREFIX_BYTES: usize = 25;
const STUB_BYTES: usize = INLINE_MAX + 1;

/// Where the elements of a node begin: a score, and a member's text or the part of it that divides it from what comes before.
#[derive(Debug, Clone)]
pub(super) struct Bound {
    score: f64,
    member: Box<[u8]>,
}

impl Default for Bound {
    fn default() -> Self {
        Bound { score: f64::NEG_INFINITY, member: Box::default() }
    }
}

impl Bound {
    #[inline]
    fn compare(&self, score: f64, member: &[u8]) -> Ordering {
        score::compare(self.score, score).then_with(|| (*self.member).cmp(member))
    }
}

/// See the module's description.
#[derive(Debug, Clone)]
pub(super) struct Ranks {
    tree: Tree<Bound>,
}

/// The order of ranks, for which stubs are looked up in `members`.
struct ByRank<'a> {
    members: &'a Keyed,
}

/// The way to the leaf of a score and member.
struct ToMember<'q> {
    score: f64,
    member: &'q [u8],
}

impl Path<Bound> for ToMember<'_> {
    #[inline]
    fn child(&mut self, children: &[Child<Bound>]) -> usize {
        children
            .partition_point(|child| child.low.compare(self.score, self.member).is_le())
            .saturating_sub(1)
    }

    fn settle(&self, low: &mut Bound) {
        if low.compare(self.score, self.member).is_gt() {
            *low = Bound { score: self.score, member: self.member.into() };
        }
    }
}

/// The member that `item` stands for.
#[inline]
fn whole<'a>(item: Item<'a>, members: &'a Keyed) -> Item<'a> {
    match item {
        Item::Bytes(stub) if stub.len() == STUB_BYTES => resolve(stub, members),
        inline => inline,
    }
}

fn resolve<'a>(stub: &'a [u8], members: &'a Keyed) -> Item<'a> {
    let (prefix, hash) = stub.split_at(PREFIX_BYTES);
    let is_it = |item: Item<'_>| matches!(item, Item::Bytes(text) if text.len() > INLINE_MAX && text.starts_with(prefix));
    let found = members.find_hashed(u64::from_le_bytes(array(hash)), is_it);
    debug_assert!(found.is_some(), "a member is put among the members first, and taken out last");
    found.map_or(Item::Bytes(prefix), Entry::key)
}

/// How an element's member compares with `member`.
#[inline]
fn compare_member(item: Item<'_>, member: &[u8], members: &Keyed) -> Ordering {
    match item {
        Item::Bytes(stub) if stub.len() == STUB_BYTES => {
            // Most are decided by their beginnings.
            let known = PREFIX_BYTES.min(member.len());
            match stub[..known].cmp(&member[..known]) {
                Ordering::Equal if member.len() <= PREFIX_BYTES => Ordering::Greater,
                Ordering::Equal => resolve(stub, members).compare(member),
                decided => decided,
            }
        }
        inline => inline.compare(member),
    }
}

fn score_of(entry: Entry<'_>) -> f64 {
    score::read(entry.value())
}

fn compare(entry: Entry<'_>, score: f64, member: &[u8], members: &Keyed) -> Ordering {
    score::compare(score_of(entry), score)
        .then_with(|| compare_member(entry.key(), member, members))
}

impl Order for ByRank<'_> {
    type Key = Bound;
    const FLAGS: u8 = PAIRS;
    const COUNT_MAX: usize = 64;

    fn bytes_max(_average: usize) -> usize {
        1024
    }

    fn split(&self, block: Block<'_>, _low: &Bound, edge: Edge) -> Option<(Leaf, Bound, Leaf)> {
        let (left, right) = halves(block, edge)?;
        let (last, first) = (left.entries().last()?, right.entries().next()?);
        let score = score_of(first);
        let mut member = Box::default();
        if score::compare(score_of(last), score).is_eq() {
            let (mut one, mut other) = (itoa::Buffer::new(), itoa::Buffer::new());
            let one = whole(last.key(), self.members).text(&mut one);
            let other = whole(first.key(), self.members).text(&mut other);
            let shared = one.iter().zip(other).take_while(|(one, other)| one == other).count();
            member = other[..other.len().min(shared + 1)].into();
        }
        let leaf = |half: &Half<'_>| Leaf::new(&[half.body], half.count, block.flags());
        Some((leaf(&left), Bound { score, member }, leaf(&right)))
    }

    fn join(&self, (_, left): (&Bound, Block<'_>), (_, right): (&Bound, Block<'_>)) -> Leaf {
        keyed::join(left, right)
    }
}

/// A part of a block whose elements are in order.
pub(super) struct Half<'a> {
    block: Block<'a>,
    /// Its first element's index.
    pub(super) from: usize,
    pub(super) count: usize,
    /// The bytes of its elements.
    pub(super) body: &'a [u8],
}

impl<'a> Half<'a> {
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry<'a>> {
        self.block.entries().skip(self.from).take(self.count)
    }
}

/// Divides a block whose elements are in order: where half of its bytes lie on either side, or at the tree's edges so that the side that does not
/// grow is left full.
pub(super) fn halves(block: Block<'_>, edge: Edge) -> Option<(Half<'_>, Half<'_>)> {
    let (count, used) = (block.count(), block.used());
    let at = match edge {
        _ if count < 2 => return None,
        Edge::Front => 1,
        Edge::Back => count - 1,
        Edge::Inside => {
            let middle = block.entries().position(|entry| entry.end > used / 2);
            middle.unwrap_or(0).clamp(1, count - 1)
        }
    };
    let place = block.place(at);
    let (left, right) = block.bytes().split_at(place);
    let left = &left[super::block::HEADER_BYTES..];
    Some((
        Half { block, from: 0, count: at, body: left },
        Half { block, from: at, count: count - at, body: right },
    ))
}

impl Ranks {
    pub(super) fn new() -> Self {
        Ranks { tree: Tree::new::<ByRank<'_>>() }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.tree.heap_bytes()
    }

    /// Adds a member that is not here, and is among `members`.
    pub(super) fn insert(&mut self, member: &[u8], score: f64, members: &Keyed) {
        let mut stub = [0; STUB_BYTES];
        let key = match member.len() {
            0..=INLINE_MAX => Encoded::of(member),
            _ => {
                stub[..PREFIX_BYTES].copy_from_slice(&member[..PREFIX_BYTES]);
                stub[PREFIX_BYTES..].copy_from_slice(&members.hash(member).to_le_bytes());
                Encoded::bytes(&stub)
            }
        };
        let stored = Score::new(score, true);
        let mut path = ToMember { score, member };
        self.tree.edit(&ByRank { members }, &mut path, |leaf, _, _| {
            let block = leaf.block();
            let mut entries = block.entries();
            let next = entries.find(|entry| compare(*entry, score, member, members).is_gt());
            let at = next.map_or(block.used(), |entry| entry.at);
            edit::insert(leaf, at, &Mark::default(), &key, Some(&stored.encoded()));
        });
    }

    /// Takes a member out, which is still among `members`.
    pub(super) fn remove(&mut self, member: &[u8], score: f64, members: &Keyed) {
        let mut path = ToMember { score, member };
        self.tree.edit(&ByRank { members }, &mut path, |leaf, _, _| {
            let mut entries = leaf.block().entries();
            let found = entries.find(|entry| compare(*entry, score, member, members).is_eq());
            debug_assert!(found.is_some(), "both halves hold the same members");
            if let Some((from, to)) = found.map(|entry| (entry.at, entry.end)) {
                edit::remove(leaf, from, to, 1);
            }
        });
    }

    /// Takes the ranks `from` up to but not with `to` out.
    pub(super) fn cut(&mut self, from: u64, to: u64, members: &Keyed) -> Garbage<Bound> {
        self.tree.cut(&ByRank { members }, from, to, &mut |leaf, _, from, to| {
            let (start, end) = (leaf.block().place(from), leaf.block().place(to));
            edit::remove(leaf, start, end, to - from);
        })
    }

    /// How many come before the first of which `is_below` does not hold, given a score and how a member compares.
    fn below(
        &self,
        of_bound: impl Fn(&Bound) -> bool,
        of_entry: impl Fn(Entry<'_>) -> bool,
    ) -> u64 {
        let mut path = Counting::of(of_bound);
        let (_, block) = self.tree.leaf(&mut path);
        let above = block.entries().position(|entry| !of_entry(entry));
        path.before() + above.unwrap_or(block.count()) as u64
    }

    /// The rank of a member that has this score.
    pub(super) fn rank(&self, member: &[u8], score: f64, members: &Keyed) -> u64 {
        self.below(
            |bound| bound.compare(score, member).is_le(),
            |entry| compare(entry, score, member, members).is_lt(),
        )
    }

    pub(super) fn below_score(&self, bound: f64, inclusive: bool) -> u64 {
        let is_below =
            |score| score::compare(score, bound).is_lt() || (inclusive && score == bound);
        self.below(|low| is_below(low.score), |entry| is_below(score_of(entry)))
    }

    pub(super) fn below_member(&self, bound: &[u8], inclusive: bool, members: &Keyed) -> u64 {
        let is_below = |order: Ordering| order.is_lt() || (inclusive && order.is_eq());
        self.below(
            |low| is_below((*low.member).cmp(bound)),
            |entry| is_below(compare_member(entry.key(), bound, members)),
        )
    }

    /// The members of ranks `from` up to but not with `to`, or the same backwards.
    pub(super) fn range<'a>(
        &'a self,
        from: u64,
        to: u64,
        reverse: bool,
        members: &'a Keyed,
    ) -> RanksWalk<'a> {
        RanksWalk { walk: self.tree.range(from, to, reverse), members }
    }

    pub(super) fn garbage(self) -> Garbage<Bound> {
        self.tree.garbage()
    }
}

/// Members by rank.
#[derive(Debug, Clone)]
pub(super) struct RanksWalk<'a> {
    walk: TreeWalk<'a, Bound>,
    members: &'a Keyed,
}

impl<'a> Iterator for RanksWalk<'a> {
    type Item = Scored<'a>;

    #[inline]
    fn next(&mut self) -> Option<Scored<'a>> {
        let (entry, ..) = self.walk.step()?;
        let member = whole(entry.key(), self.members);
        Some(Scored { member, score: score_of(entry), stamp: Stamp::NONE })
    }
}
