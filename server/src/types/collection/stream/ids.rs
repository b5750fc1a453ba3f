//! Elements by id: a stream's entries, what is pending in a group, and what is of one of its consumers.
//!
//! A tree in the order of ids, whose leaves are [`super::leaf`]'s. What is appended fills leaves to the brim.

use super::super::block::{Block, MARKED};
use super::super::discard::Discard;
use super::super::stamp::Stamp;
use super::super::tree::{ByIndex, Child, Edge, Leaf, Leaves, Order, Path, Tree};
use super::id::{Place, StreamId};
use super::leaf::{self, Fields, Put, Slot, Slots, place};

/// Up to where leaves grow.
#[derive(Debug, Clone, Copy)]
pub(super) struct LeafLimits {
    pub(super) bytes_max: usize,
    pub(super) count_max: usize,
}

/// Of what groups keep: small elements, which are looked up one by one.
pub(super) const SMALL_LEAVES: LeafLimits = LeafLimits { bytes_max: 1024 - 16, count_max: 128 };

impl Order for LeafLimits {
    type Key = Place;
    const FLAGS: u8 = 0;
    const COUNT_MAX: usize = SMALL_LEAVES.count_max;

    fn bytes_max(_: usize) -> usize {
        SMALL_LEAVES.bytes_max
    }

    fn limits(&self, _: usize) -> (usize, usize) {
        (self.bytes_max, self.count_max)
    }

    fn split(&self, block: Block<'_>, _low: &Place, edge: Edge) -> Option<(Leaf, Place, Leaf)> {
        let count = block.count();
        let at = match edge {
            _ if count < 2 => return None,
            Edge::Front => 1,
            Edge::Back => count - 1,
            Edge::Inside => leaf::middle(block).clamp(1, count - 1),
        };
        let left = Leaf::new(&[leaf::first(block, at)], at, block.flags());
        let rest = || Slots::of(block).skip(at);
        // Where dots do not count, keys with them are as right: nothing of the same id lies to the left.
        let low = rest().next()?.place(true);
        let low = if at > 0 && Slots::of(block).nth(at - 1)?.id == low.id {
            low
        } else {
            Place::first(low.id)
        };
        let right = leaf::body(rest(), block.has(MARKED));
        Some((left, low, Leaf::new(&[&right], count - at, block.flags())))
    }

    fn join(&self, (_, left): (&Place, Block<'_>), (_, right): (&Place, Block<'_>)) -> Leaf {
        let (flags, count) = (left.flags() | right.flags(), left.count() + right.count());
        if count == 0 {
            return Leaf::empty(0);
        }
        let slots = Slots::of(left).chain(Slots::of(right));
        Leaf::new(&[&leaf::body(slots, flags & MARKED != 0)], count, flags)
    }
}

/// The way to the leaf of a place.
struct ToPlace(Place);

impl Path<Place> for ToPlace {
    fn child(&mut self, children: &[Child<Place>]) -> usize {
        children.partition_point(|child| child.low <= self.0).saturating_sub(1)
    }

    fn settle(&self, low: &mut Place) {
        *low = (*low).min(self.0);
    }
}

/// See the module's description.
#[derive(Debug, Clone)]
pub(super) struct Ids {
    tree: Tree<Place>,
    /// Nothing lies behind it.
    top: Place,
    /// Whether elements of one id and several dots stand beside each other, or one takes the other's place.
    by_dot: bool,
}

impl Ids {
    pub(super) fn new(by_dot: bool) -> Self {
        Ids { tree: Tree::new::<LeafLimits>(), top: Place::default(), by_dot }
    }

    pub(super) fn len(&self) -> u64 {
        self.tree.len()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.tree.heap_bytes()
    }

    /// Puts an element where it belongs; whether none stood there.
    pub(super) fn put(
        &mut self,
        id: StreamId,
        stamp: Stamp<'_>,
        fields: Fields<'_>,
        limits: LeafLimits,
    ) -> bool {
        let (by_dot, at) = (self.by_dot, place(id, stamp, self.by_dot));
        let is_last = self.len() == 0 || at > self.top;
        self.top = if is_last { at } else { self.top };
        self.tree.edit(&limits, &mut ToPlace(at), |leaf, _, _| {
            leaf::put(leaf, (id, stamp), fields, by_dot, is_last) == Put::New
        })
    }

    /// Takes the element out that stands exactly there; whether there was one.
    pub(super) fn take(&mut self, at: Place, limits: LeafLimits) -> bool {
        let by_dot = self.by_dot;
        self.find(at).is_some()
            && self.tree.edit(&limits, &mut ToPlace(at), |leaf, _, _| leaf::take(leaf, at, by_dot))
    }

    /// Takes the elements out from index `from` up to but not with `to`.
    pub(super) fn cut(&mut self, from: u64, to: u64, limits: LeafLimits) -> Discard {
        let cut = self.tree.cut(&limits, from, to, &mut |leaf, _, from, to| {
            leaf::cut(leaf, from, to);
        });
        Discard::of(cut)
    }

    /// The element that stands exactly there.
    pub(super) fn find(&self, at: Place) -> Option<Slot<'_>> {
        let (_, block) = self.tree.leaf(&mut ToPlace(at));
        Slots::of(block).find(|slot| slot.place(self.by_dot) == at)
    }

    /// The elements of ids `from` to `to`, both with it, or the same backwards.
    pub(super) fn range(&self, from: StreamId, to: StreamId, reverse: bool) -> IdsWalk<'_> {
        let start = if reverse { Place::last(to) } else { Place::first(from) };
        let (child, leaves) = self.tree.leaves_toward(&mut ToPlace(start), reverse);
        let leaf = LeafWalk::of(child.block(), reverse);
        IdsWalk { leaves, leaf, from, to, reverse }
    }

    /// The elements from `index` on.
    pub(super) fn nth(&self, index: u64) -> impl Iterator<Item = Slot<'_>> {
        let mut path = ByIndex::of(index);
        let (child, leaves) = self.tree.leaves(&mut path);
        let skipped = Path::<Place>::index(&path);
        let blocks = std::iter::once(child.block()).chain(leaves.map(Child::block));
        blocks.flat_map(Slots::of).skip(skipped)
    }

    /// The elements before `index`, backwards.
    pub(super) fn nth_back(&self, index: u64) -> impl Iterator<Item = Slot<'_>> {
        let index = index.min(self.len());
        let mut path = ByIndex::of(index.saturating_sub(1));
        let (child, leaves) = self.tree.leaves_toward(&mut path, true);
        let kept = if index == 0 { 0 } else { Path::<Place>::index(&path) + 1 };
        let first: Vec<Slot<'_>> = Slots::of(child.block()).take(kept).collect();
        let others = leaves.map(|child| Slots::of(child.block()).collect());
        std::iter::once(first).chain(others).flat_map(|slots: Vec<_>| slots.into_iter().rev())
    }

    /// How many stand before this id.
    pub(super) fn before(&self, id: StreamId) -> u64 {
        let mut path = Counting { at: Place::first(id), before: 0 };
        let (_, block) = self.tree.leaf(&mut path);
        path.before + Slots::of(block).take_while(|slot| slot.id < id).count() as u64
    }

    /// Elements of each leaf, with the id of its last one, from the first on.
    pub(super) fn leaves(&self) -> impl Iterator<Item = (u64, StreamId, StreamId)> {
        let (child, leaves) = self.tree.leaves(&mut ByIndex::of(0));
        let blocks = std::iter::once(child.block()).chain(leaves.map(Child::block));
        blocks.filter_map(|block| {
            let first = Slots::of(block).next()?;
            let last = Slots::of(block).last()?;
            Some((block.count() as u64, first.id, last.id))
        })
    }

    pub(super) fn discard(self) -> Discard {
        Discard::of(self.tree.garbage())
    }
}

/// The way to the leaf of a place, counting what lies to its left.
struct Counting {
    at: Place,
    before: u64,
}

impl Path<Place> for Counting {
    fn child(&mut self, children: &[Child<Place>]) -> usize {
        let index = ToPlace(self.at).child(children);
        self.before += children[..index].iter().map(Child::count).sum::<u64>();
        index
    }
}

/// Elements of one leaf.
#[derive(Debug, Clone)]
enum LeafWalk<'a> {
    Forwards(Slots<'a>),
    Backwards(Vec<Slot<'a>>),
}

impl<'a> LeafWalk<'a> {
    fn of(block: Block<'a>, reverse: bool) -> Self {
        match reverse {
            false => LeafWalk::Forwards(Slots::of(block)),
            true => LeafWalk::Backwards(Slots::of(block).collect()),
        }
    }

    fn next(&mut self) -> Option<Slot<'a>> {
        match self {
            LeafWalk::Forwards(slots) => slots.next(),
            LeafWalk::Backwards(slots) => slots.pop(),
        }
    }
}

/// A stretch of elements, forwards or backwards.
#[derive(Debug, Clone)]
pub(super) struct IdsWalk<'a> {
    leaves: Leaves<'a, Place>,
    leaf: LeafWalk<'a>,
    from: StreamId,
    to: StreamId,
    reverse: bool,
}

impl<'a> Iterator for IdsWalk<'a> {
    type Item = Slot<'a>;

    fn next(&mut self) -> Option<Slot<'a>> {
        loop {
            let Some(slot) = self.leaf.next() else {
                let block = self.leaves.next()?.block();
                self.leaf = LeafWalk::of(block, self.reverse);
                continue;
            };
            let (early, late) = match self.reverse {
                false => (slot.id < self.from, slot.id > self.to),
                true => (slot.id > self.to, slot.id < self.from),
            };
            if late {
                return None;
            }
            if !early {
                return Some(slot);
            }
        }
    }
}
