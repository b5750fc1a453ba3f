//! Elements by index: the big form of lists.
//!
//! A tree whose leaves take 4 KiB of the allocator: pushes fill them to the brim, so few bytes are lost, and what a leaf costs besides (about 64 bytes) is less than
//! the byte for each element that Redis's listpack spends on walking backwards. The key of a leaf is the position of its first
//! element, or below. [`Sequence::number`] need only write these keys: as long as a leaf has no marks, its elements stand at its key and the whole steps
//! behind it. The first edit of a leaf gives every element of it a mark.
//!
//! Invariant of a numbered list, as of every tree: a leaf's key is at most its elements' positions and above those of the leaf before it, or equal to them where
//! elements of one position fill more than one leaf.

use super::block::{Block, MARKED};
use super::discard::Discard;
use super::edit::{self, Buffer, Span};
use super::item::Encoded;
use super::list::Element;
use super::position::Position;
use super::ranks::halves;
use super::stamp::Mark;
use super::tops::Tops;
use super::tree::{Child, Counting, Edge, Leaf, Order, Path, Tree, TreeWalk};
use super::walk::Walk;
use crate::base::version::Version;

/// See the module's description.
#[derive(Debug, Clone)]
pub(super) struct Sequence {
    tree: Tree<Position>,
    tops: Tops,
    numbered: bool,
}

/// The order of positions.
struct ByPosition {
    numbered: bool,
}

/// The way to an index, to put something of a position there.
struct ToIndex {
    left: u64,
    /// An element is to come in before that index, rather than to change.
    inserts: bool,
    position: Option<Position>,
}

impl Path<Position> for ToIndex {
    /// What comes in between two leaves goes to the end of the first, which pushes fill up; unless its position is one of the second's, whose key
    /// may lie well below the first element that is left of it.
    fn child(&mut self, children: &[Child<Position>]) -> usize {
        let last = children.len() - 1;
        for (index, child) in children[..last].iter().enumerate() {
            let fits_end = || self.position.is_none_or(|at| at < children[index + 1].low);
            if self.left < child.count()
                || (self.inserts && self.left == child.count() && fits_end())
            {
                return index;
            }
            self.left -= child.count();
        }
        last
    }

    fn index(&self) -> usize {
        self.left as usize
    }

    fn settle(&self, low: &mut Position) {
        if let Some(position) = self.position {
            *low = position.min(*low);
        }
    }
}

impl Order for ByPosition {
    type Key = Position;
    const FLAGS: u8 = 0;
    const COUNT_MAX: usize = 512;

    /// Large elements have larger leaves, or what is left at the end of one would be much of it; many small ones would take long to pass over.
    fn bytes_max(average: usize) -> usize {
        if average >= 85 { 8192 - 16 } else { 4096 - 16 }
    }

    fn split(
        &self,
        block: Block<'_>,
        low: &Position,
        edge: Edge,
    ) -> Option<(Leaf, Position, Leaf)> {
        let (left, right) = halves(block, edge)?;
        let first = right.entries().next()?;
        let key = Element::of(first, low.plus(right.from as i64)).position;
        let leaf = |body, count| Leaf::new(&[body], count, block.flags());
        Some((leaf(left.body, left.count), key, leaf(right.body, right.count)))
    }

    fn join(
        &self,
        (low, left): (&Position, Block<'_>),
        (other_low, right): (&Position, Block<'_>),
    ) -> Leaf {
        let count = left.count() + right.count();
        let is_plain = !left.has(MARKED) && !right.has(MARKED);
        let follows = *other_low == low.plus(left.count() as i64);
        if is_plain && (follows || !self.numbered) {
            return Leaf::new(&[left.body(), right.body()], count, left.flags());
        }
        let marked = |block: Block<'_>, low: &Position| {
            let mut bytes = block.bytes().to_vec();
            edit::make_marked(&mut bytes, self.numbered.then_some(*low));
            bytes
        };
        let (left, right) = (marked(left, low), marked(right, other_low));
        let (left, right) = (Block::new(&left), Block::new(&right));
        Leaf::new(&[left.body(), right.body()], count, left.flags() | right.flags())
    }
}

impl Sequence {
    /// The elements of `block`.
    pub(super) fn of_block(block: Block<'_>) -> Self {
        let numbered = block.has(super::block::NUMBERED);
        let tops = Walk::block(block).tops();
        let mut sequence =
            Sequence { tree: Tree::new::<ByPosition>(), tops: Tops::default(), numbered };
        for (index, entry) in block.entries().enumerate() {
            sequence.insert(index as u64, &Encoded::stored(entry.key()), entry.mark());
        }
        sequence.tops = tops;
        sequence
    }

    pub(super) fn len(&self) -> u64 {
        self.tree.len()
    }

    /// Where its root lies.
    pub(super) fn root(&self) -> *const u8 {
        self.tree.root()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.tree.heap_bytes() + self.tops.heap_bytes()
    }

    pub(super) fn is_numbered(&self) -> bool {
        self.numbered
    }

    pub(super) fn tops(&self) -> &Tops {
        &self.tops
    }

    /// The elements from index `from` up to but not with `to`, or the same backwards.
    pub(super) fn range(&self, from: u64, to: u64, reverse: bool) -> SequenceWalk<'_> {
        let to = to.min(self.len());
        let next = if reverse { to.saturating_sub(1) } else { from };
        let walk = self.tree.range(from, to, reverse);
        SequenceWalk { walk, next, reverse, numbered: self.numbered }
    }

    /// See [`super::ListView::place`].
    pub(super) fn place(&self, position: Position, dot: Version) -> Result<u64, u64> {
        if !self.numbered {
            let mut at = self.range(0, u64::MAX, false).enumerate();
            let found = at.find(|(_, known)| (known.position, known.stamp.dot) >= (position, dot));
            return match found {
                Some((at, known)) if known.position == position && known.stamp.dot == dot => {
                    Ok(at as u64)
                }
                Some((at, _)) => Err(at as u64),
                None => Err(self.len()),
            };
        }
        // Elements of one position may fill several leaves: to the last leaf that begins below it, and on from there.
        let mut path = Counting::of(|low: &Position| *low < position);
        self.tree.leaf(&mut path);
        let mut index = path.before();
        for known in self.range(index, u64::MAX, false) {
            match (known.position, known.stamp.dot).cmp(&(position, dot)) {
                std::cmp::Ordering::Less => index += 1,
                std::cmp::Ordering::Equal => return Ok(index),
                std::cmp::Ordering::Greater => break,
            }
        }
        Err(index)
    }

    /// Gives every element the position for good that it has now.
    pub(super) fn number(&mut self) {
        if !std::mem::replace(&mut self.numbered, true) {
            self.tree.for_each_low(|low, first| *low = Position::new(first as i64, 0));
        }
    }

    /// Edits the leaf of an index, once it can take `mark`; see [`ToIndex`].
    fn edit(
        &mut self,
        (left, inserts): (u64, bool),
        mark: &Mark<'_>,
        edit: impl FnOnce(&mut Leaf, usize),
    ) {
        self.tops.note(&mark.stamp);
        let numbered = self.numbered;
        debug_assert_eq!(numbered, mark.position.is_some(), "see `List::insert`");
        let mut path = ToIndex { left, inserts, position: mark.position };
        self.tree.edit(&ByPosition { numbered }, &mut path, |leaf, low, index| {
            if numbered {
                edit::make_marked(leaf, Some(*low));
            }
            edit(leaf, index);
        });
    }

    pub(super) fn insert(&mut self, index: u64, value: &Encoded<'_>, mark: Mark<'_>) {
        self.edit((index, true), &mark, |leaf, index| {
            let block = leaf.block();
            let at = if index == block.count() { block.used() } else { block.place(index) };
            edit::insert(leaf, at, &mark, value, None);
        });
    }

    pub(super) fn set(&mut self, index: u64, value: &Encoded<'_>, mark: Mark<'_>) {
        self.edit((index, false), &mark, |leaf, index| {
            if let Some(span) = leaf.block().nth(index).map(Span::from) {
                edit::set_key(leaf, span, value);
                edit::set_mark(leaf, span, &mark);
            }
        });
    }

    pub(super) fn remove(&mut self, from: u64, to: u64) -> Discard {
        let numbered = self.numbered;
        let cut = self.tree.cut(&ByPosition { numbered }, from, to, &mut |leaf, low, from, to| {
            if numbered {
                edit::make_marked(leaf, Some(*low));
            }
            let (start, end) = (leaf.block().place(from), leaf.block().place(to));
            edit::remove(leaf, start, end, to - from);
        });
        Discard::of(cut)
    }

    /// All of it in one block of no more than `bytes_max`, if it fits.
    pub(super) fn pack(&self, bytes_max: usize) -> Option<Vec<u8>> {
        // Asked after every removal, so that whether it may fit has to be cheap to say.
        if !self.tree.is_within(bytes_max) {
            return None;
        }
        let mut packed = edit::empty(0);
        if self.numbered {
            edit::make_marked(&mut packed, Some(Position::default()));
        }
        for element in self.range(0, u64::MAX, false) {
            let position = self.numbered.then_some(element.position);
            let mark = Mark { stamp: element.stamp, position };
            let end = packed.bytes().len();
            edit::insert(&mut packed, end, &mark, &Encoded::stored(element.value), None);
            if packed.len() > bytes_max {
                return None;
            }
        }
        Some(packed)
    }

    pub(super) fn discard(self) -> Discard {
        Discard::of(self.tree.garbage())
    }
}

/// Elements one after the other.
#[derive(Debug, Clone)]
pub(super) struct SequenceWalk<'a> {
    walk: TreeWalk<'a, Position>,
    next: u64,
    reverse: bool,
    numbered: bool,
}

impl<'a> Iterator for SequenceWalk<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        let (entry, low, index) = self.walk.step()?;
        let implied = match self.numbered {
            true => low.plus(index as i64),
            false => Position::new(self.next as i64, 0),
        };
        self.next = if self.reverse { self.next.wrapping_sub(1) } else { self.next + 1 };
        Some(Element::of(entry, implied))
    }
}
