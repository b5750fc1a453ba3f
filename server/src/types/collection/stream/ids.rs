//! Elements by id: a stream's entries, what is pending in a group, and what is of one of its consumers.
//!
//! A tree in the order of ids, whose leaves are [`super::leaf`]'s. Those of entries begin and end where Redis's nodes do ([`super::node`]).

use super::super::block::{Block, MARKED};
use super::super::discard::Discard;
use super::super::stamp::Stamp;
use super::super::tree::{ByIndex, Child, Edge, Leaf, Leaves, Order, Path, Tree};
use super::id::{Place, StreamId};
use super::leaf::{self, At, Fields, Put, Slot, Slots, place};
use super::node::{Head, LeafLimits, Tally};

/// Of what groups keep: small elements, which are looked up one by one.
const SMALL: LeafLimits = LeafLimits { bytes_max: 1024 - 16, count_max: 128 };

/// What an edit may make of leaves.
#[derive(Debug, Clone, Copy)]
enum Shape<'h> {
    /// They are split where they are full, and joined where two fill one.
    Small,
    /// Each is a node of Redis, and stays what it is.
    Node,
    /// One that has had `count` elements is split behind these; what comes next begins with that head, or with its own.
    Next { count: usize, head: Option<Head<'h>> },
    /// One that grew inside, as no node of Redis does, is split where it has become too long.
    Grown(LeafLimits),
}

impl Order for Shape<'_> {
    type Key = Place;
    const FLAGS: u8 = 0;
    const COUNT_MAX: usize = SMALL.count_max;

    fn bytes_max(_: usize) -> usize {
        SMALL.bytes_max
    }

    fn limits(&self, _: usize) -> (usize, usize) {
        match self {
            Shape::Small => (SMALL.bytes_max, SMALL.count_max),
            Shape::Node => (usize::MAX, usize::MAX),
            Shape::Next { count, .. } => (usize::MAX, *count),
            Shape::Grown(limits) => (limits.bytes_max, limits.count_max),
        }
    }

    fn joins(&self) -> bool {
        matches!(self, Shape::Small)
    }

    fn split(&self, block: Block<'_>, _low: &Place, edge: Edge) -> Option<(Leaf, Place, Leaf)> {
        let count = block.count();
        let at = match (self, edge) {
            _ if count < 2 => return None,
            (Shape::Next { .. }, _) | (_, Edge::Back) => count - 1,
            (_, Edge::Front) => 1,
            (_, Edge::Inside) => leaf::middle(block).clamp(1, count - 1),
        };
        let (head, counted) = match self {
            Shape::Next { head, .. } => (*head, true),
            _ => (None, false),
        };
        let left = leaf::first(block, at, counted);
        let rest = || Slots::of(block).skip(at);
        // Where dots do not count, keys with them are as right: nothing of the same id lies to the left.
        let low = rest().next()?.place(true);
        let low = if at > 0 && Slots::of(block).nth(at - 1)?.id == low.id {
            low
        } else {
            Place::first(low.id)
        };
        let right = leaf::body(rest(), head, block.has(MARKED), leaf::tally(block).is_some());
        Some((left, low, Leaf::new(&[&right], count - at, block.flags())))
    }

    fn join(&self, (_, left): (&Place, Block<'_>), (_, right): (&Place, Block<'_>)) -> Leaf {
        let (flags, count) = (left.flags() | right.flags(), left.count() + right.count());
        if count == 0 {
            return Leaf::empty(0);
        }
        let slots = Slots::of(left).chain(Slots::of(right));
        let body = leaf::body(slots, None, flags & MARKED != 0, false);
        Leaf::new(&[&body], count, flags)
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
    /// Whether these are entries, of which those of one id and several dots stand beside each other; else one takes the other's place.
    by_dot: bool,
}

impl Ids {
    pub(super) fn new(by_dot: bool) -> Self {
        Ids { tree: Tree::new::<Shape<'_>>(), top: Place::default(), by_dot }
    }

    pub(super) fn len(&self) -> u64 {
        self.tree.len()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.tree.heap_bytes()
    }

    fn shape(&self) -> Shape<'static> {
        if self.by_dot { Shape::Node } else { Shape::Small }
    }

    /// Whether that place lies behind all that was ever put since nothing was there.
    fn is_behind(&self, at: Place) -> bool {
        self.len() == 0 || at > self.top
    }

    /// Puts an element of a group where it belongs; whether none stood there.
    pub(super) fn put(&mut self, id: StreamId, stamp: Stamp<'_>, fields: Fields<'_>) -> bool {
        let at = place(id, stamp, self.by_dot);
        let to = if self.is_behind(at) { At::Last } else { At::Inside };
        self.put_at(at, (id, stamp), fields, to, Shape::Small)
    }

    /// Puts an entry where it belongs. Behind all others, it begins a leaf where it would begin a node in Redis.
    pub(super) fn put_entry(
        &mut self,
        id: StreamId,
        stamp: Stamp<'_>,
        fields: Fields<'_>,
        limits: LeafLimits,
    ) {
        let at = place(id, stamp, self.by_dot);
        if self.is_behind(at) {
            self.push_entry(id, stamp, fields, None, limits);
        } else {
            self.put_at(at, (id, stamp), fields, At::Inside, Shape::Grown(limits));
        }
    }

    /// Puts an entry behind all others: it begins a leaf if it is given a head, or if the last one is full.
    pub(super) fn push_entry(
        &mut self,
        id: StreamId,
        stamp: Stamp<'_>,
        fields: Fields<'_>,
        head: Option<Head<'_>>,
        limits: LeafLimits,
    ) {
        let at = place(id, stamp, self.by_dot);
        let (_, last) = self.tree.leaf(&mut ToPlace(at));
        let count = last.count();
        let is_full = leaf::tally(last).is_some_and(|tally| tally.is_full(count, fields, limits));
        let to = if head.is_some() || is_full { At::Next(head) } else { At::Last };
        let shape = match to {
            At::Next(head) if count > 0 => Shape::Next { count, head },
            _ => Shape::Node,
        };
        self.put_at(at, (id, stamp), fields, to, shape);
    }

    fn put_at(
        &mut self,
        at: Place,
        element: (StreamId, Stamp<'_>),
        fields: Fields<'_>,
        to: At<'_>,
        shape: Shape<'_>,
    ) -> bool {
        let by_dot = self.by_dot;
        self.top = if self.is_behind(at) { at } else { self.top };
        self.tree.edit(&shape, &mut ToPlace(at), |leaf, _, _| {
            leaf::put(leaf, element, fields, by_dot, to) == Put::New
        })
    }

    /// Sets the tally of the last leaf.
    pub(super) fn set_last_tally(&mut self, tally: Tally) {
        let mut path = ByIndex::of(self.len().saturating_sub(1));
        let (_, last) = self.tree.leaf(&mut path);
        if leaf::tally(last) != Some(tally) {
            let mut path = ByIndex::of(self.len().saturating_sub(1));
            self.tree.edit(&Shape::Node, &mut path, |leaf, _, _| {
                leaf::retally(leaf, |known| *known = tally);
            });
        }
    }

    /// Takes the element out that stands exactly there; whether there was one.
    pub(super) fn take(&mut self, at: Place) -> bool {
        let by_dot = self.by_dot;
        self.find(at).is_some()
            && self
                .tree
                .edit(&self.shape(), &mut ToPlace(at), |leaf, _, _| leaf::take(leaf, at, by_dot))
    }

    /// Takes the elements out from index `from` up to but not with `to`.
    pub(super) fn cut(&mut self, from: u64, to: u64) -> Discard {
        let cut = self.tree.cut(&self.shape(), from, to, &mut |leaf, _, from, to| {
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

    /// The leaves that have elements, from the first on.
    pub(super) fn leaves(&self) -> impl Iterator<Item = LeafView<'_>> {
        let (child, leaves) = self.tree.leaves(&mut ByIndex::of(0));
        let blocks = std::iter::once(child.block()).chain(leaves.map(Child::block));
        blocks.filter_map(|block| Some(LeafView { block, head: leaf::head(block)? }))
    }

    pub(super) fn discard(self) -> Discard {
        Discard::of(self.tree.garbage())
    }
}

/// A leaf that has elements.
#[derive(Debug, Clone, Copy)]
pub(super) struct LeafView<'a> {
    block: Block<'a>,
    pub(super) head: Head<'a>,
}

impl<'a> LeafView<'a> {
    pub(super) fn len(self) -> u64 {
        self.block.count() as u64
    }

    pub(super) fn slots(self) -> impl Iterator<Item = Slot<'a>> {
        Slots::of(self.block)
    }

    /// Of a leaf of entries, what it would be in Redis.
    pub(super) fn tally(self) -> Option<Tally> {
        leaf::tally(self.block)
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
