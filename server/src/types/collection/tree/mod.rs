//! A B+tree of blocks that several owners can hold at once.
//!
//! ```text
//! Tree ── root child
//!           │
//!           ▼
//! Inner | low, count, node | low, count, node | …        up to 64 children
//!            │                    │
//!            ▼                    ▼
//! Leaf  | block | slack |     | block | slack |          up to `Order::bytes_max`, or one longer element
//! ```
//!
//! * `low` is at most every key below that child and above every key of the child before it; of a first child it does not matter. Counts make ranks,
//!   indexes and uniform choices O(log n).
//! * Nodes are counted references. [`Tree::clone`] is a snapshot in O(1); an edit changes in place what it alone holds and copies the rest of its path. So
//!   whoever reads long (a reply of all members, a slot's transfer) takes a snapshot under the lock and reads after it.
//! * Leaves split where they are full, at the edge of the tree unevenly: what is appended fills leaves to the brim. They are joined with a neighbour once
//!   they are less than a quarter full and the two fill three quarters at most, so that no edit at a border goes back and forth.
//!
//! What the elements are and how they are ordered is their [`Order`]'s business. Freeing is in pieces ([`Garbage`]).
//!
//! Source: Bayer and McCreight, 1972; counts as in the order-statistic trees of Cormen et al., chapter 14; path copying after Driscoll et al.,
//! "Making data structures persistent", 1989.

mod free;
mod leaf;
mod path;
mod walk;

pub(super) use free::Garbage;
pub(super) use leaf::Leaf;
pub(super) use path::{Below, ByIndex, Counting, Path};
pub(super) use walk::{Leaves, TreeWalk};

use super::block::{Block, HEADER_BYTES};
use std::sync::Arc;

/// Children of an inner node at most: two levels of them hold some 100,000 elements.
const CHILDREN_MAX: usize = 64;
/// Below it a node is joined with its neighbour.
const CHILDREN_MIN: usize = CHILDREN_MAX / 4;
/// What an `Arc` of an inner node takes: the counts and a `Vec`.
const INNER_BYTES: usize = 16 + 24;

/// What the elements of a tree are.
pub(super) trait Order {
    /// What they are ordered by.
    type Key: Clone + Default;
    /// Flags of every block.
    const FLAGS: u8;
    /// A leaf with more elements is split.
    const COUNT_MAX: usize;

    /// A leaf with more bytes is split, if its elements have so many on average.
    fn bytes_max(average: usize) -> usize;

    /// Both, where they are not always the same.
    #[inline]
    fn limits(&self, average: usize) -> (usize, usize) {
        (Self::bytes_max(average), Self::COUNT_MAX)
    }

    /// Whether neighbours are joined where two fill one.
    #[inline]
    fn joins(&self) -> bool {
        true
    }

    /// Divides a block in two, of which the second's keys begin at the one returned; `None` if it cannot be done.
    fn split(
        &self,
        block: Block<'_>,
        low: &Self::Key,
        edge: Edge,
    ) -> Option<(Leaf, Self::Key, Leaf)>;

    /// One block of two neighbours.
    fn join(&self, left: (&Self::Key, Block<'_>), right: (&Self::Key, Block<'_>)) -> Leaf;
}

/// Removes a range of indexes from one leaf, whose key it is told.
type CutLeaf<'c, K> = dyn FnMut(&mut Leaf, &K, usize, usize) + 'c;

/// Where in the tree a leaf lies that has become too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    /// First.
    Front,
    /// Last, or alone.
    Back,
    /// Neither.
    Inside,
}

/// See the module's description.
#[derive(Debug, Clone)]
pub(super) struct Tree<K> {
    root: Child<K>,
    /// Of all nodes, as if nobody shared them.
    bytes: usize,
}

/// A node as its parent knows it.
#[derive(Debug, Clone)]
pub(super) struct Child<K> {
    pub(super) low: K,
    count: u64,
    node: Node<K>,
}

#[derive(Debug)]
enum Node<K> {
    Leaf(Leaf),
    Inner(Arc<Inner<K>>),
}

#[derive(Debug, Clone)]
struct Inner<K> {
    children: Vec<Child<K>>,
}

impl<K> Clone for Node<K> {
    fn clone(&self) -> Self {
        match self {
            Node::Leaf(leaf) => Node::Leaf(leaf.clone()),
            Node::Inner(inner) => Node::Inner(Arc::clone(inner)),
        }
    }
}

impl<K> Child<K> {
    /// Elements below it.
    #[inline]
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    fn leaf(low: K, leaf: Leaf) -> Self {
        Child { low, count: leaf.block().count() as u64, node: Node::Leaf(leaf) }
    }

    /// What is left of `bytes` once its elements are in them; none if they do not fit.
    fn left_of(&self, bytes: usize) -> Option<usize> {
        match &self.node {
            Node::Leaf(leaf) => bytes.checked_sub(leaf.block().used() - HEADER_BYTES),
            Node::Inner(inner) => {
                inner.children.iter().try_fold(bytes, |left, child| child.left_of(left))
            }
        }
    }

    /// Its block, if it is a leaf; an empty one if not.
    #[inline]
    pub(super) fn block(&self) -> Block<'_> {
        match &self.node {
            Node::Leaf(leaf) => leaf.block(),
            Node::Inner(_) => Block::EMPTY,
        }
    }
}

impl<K> Inner<K> {
    fn new(children: Vec<Child<K>>) -> Self {
        Inner { children }
    }

    fn heap_bytes(&self) -> usize {
        INNER_BYTES + self.children.capacity() * size_of::<Child<K>>()
    }

    fn count(&self) -> u64 {
        self.children.iter().map(|child| child.count).sum()
    }
}

impl<K: Clone + Default> Tree<K> {
    /// An empty tree of elements of this order.
    pub(super) fn new<O: Order<Key = K>>() -> Self {
        let leaf = Leaf::empty(O::FLAGS);
        let bytes = leaf.heap_bytes();
        Tree { root: Child::leaf(K::default(), leaf), bytes }
    }

    /// Edits the leaf at the end of `path`. `edit` is told the leaf's key and what the path says of the index in it.
    pub(super) fn edit<O: Order<Key = K>, R>(
        &mut self,
        order: &O,
        path: &mut impl Path<K>,
        edit: impl FnOnce(&mut Leaf, &K, usize) -> R,
    ) -> R {
        let mut edges = (true, true);
        let mut work = Work { order, bytes: self.bytes as isize, each: 0.0 };
        let done = work.edit(&mut self.root, path, edit, &mut edges);
        work.mend_root(&mut self.root, edges);
        self.bytes = work.bytes.max(0) as usize;
        done
    }

    /// Removes the elements from index `from` up to but not with `to`. `edit` removes such a range from one leaf, whose key it is told. Of the
    /// nodes that go as a whole the memory is only estimated, by their share of the elements: to add it up would be to visit them all.
    pub(super) fn cut<O: Order<Key = K>>(
        &mut self,
        order: &O,
        from: u64,
        to: u64,
        edit: &mut CutLeaf<'_, K>,
    ) -> Garbage<K> {
        let mut garbage = Garbage::default();
        let (to, len) = (to.min(self.len()), self.len());
        if from == 0 && to == len {
            return std::mem::replace(self, Tree::new::<O>()).garbage();
        }
        if from < to {
            let each = self.bytes as f64 / len as f64;
            let mut work = Work { order, bytes: self.bytes as isize, each };
            work.cut(&mut self.root, from, to, edit, &mut garbage);
            work.mend_root(&mut self.root, (false, false));
            self.bytes = work.bytes.max(0) as usize;
        }
        garbage
    }

    /// Calls `visit` with the key and the first index of every leaf.
    pub(super) fn for_each_low(&mut self, mut visit: impl FnMut(&mut K, u64)) {
        fn go<K: Clone>(child: &mut Child<K>, before: u64, visit: &mut impl FnMut(&mut K, u64)) {
            visit(&mut child.low, before);
            if let Node::Inner(inner) = &mut child.node {
                let mut before = before;
                for child in &mut Arc::make_mut(inner).children {
                    go(child, before, visit);
                    before += child.count;
                }
            }
        }
        go(&mut self.root, 0, &mut visit);
    }
}

impl<K> Tree<K> {
    /// Number of elements.
    pub(super) fn len(&self) -> u64 {
        self.root.count
    }

    /// Where its root lies.
    pub(super) fn root(&self) -> *const u8 {
        match &self.root.node {
            Node::Leaf(leaf) => leaf.block().bytes().as_ptr(),
            Node::Inner(inner) => Arc::as_ptr(inner).cast(),
        }
    }

    /// Whether its elements would fill a block of no more than `bytes`. Looks at a leaf more than these fill.
    pub(super) fn is_within(&self, bytes: usize) -> bool {
        bytes.checked_sub(HEADER_BYTES).and_then(|left| self.root.left_of(left)).is_some()
    }

    /// Bytes that its nodes take from the allocator.
    pub(super) fn heap_bytes(&self) -> usize {
        self.bytes
    }

    /// The leaf at the end of `path`: its key and its block.
    #[inline]
    pub(super) fn leaf(&self, path: &mut impl Path<K>) -> (&K, Block<'_>) {
        let mut at = &self.root;
        while let Node::Inner(inner) = &at.node {
            at = &inner.children[path.child(&inner.children)];
        }
        (&at.low, at.block())
    }

    /// The leaf at the end of `path`, and those behind it.
    pub(super) fn leaves(&self, path: &mut impl Path<K>) -> (&Child<K>, Leaves<'_, K>) {
        Leaves::of(self, path, false)
    }

    /// The leaf at the end of `path`, and those behind it, or before it if `reverse`.
    pub(super) fn leaves_toward(
        &self,
        path: &mut impl Path<K>,
        reverse: bool,
    ) -> (&Child<K>, Leaves<'_, K>) {
        Leaves::of(self, path, reverse)
    }

    /// The elements from index `from` up to but not with `to`, or the same backwards.
    pub(super) fn range(&self, from: u64, to: u64, reverse: bool) -> TreeWalk<'_, K> {
        TreeWalk::of(self, from, to, reverse)
    }

    /// All its nodes, to be freed.
    pub(super) fn garbage(self) -> Garbage<K> {
        let mut garbage = Garbage::default();
        garbage.push(self.root);
        garbage
    }
}

/// One edit on its way through the nodes.
struct Work<'o, O> {
    order: &'o O,
    bytes: isize,
    /// Memory of an element on average, where nodes go unseen.
    each: f64,
}

impl<O: Order> Work<'_, O> {
    /// The node to edit: itself, or a copy, which has no room to spare, if a snapshot holds it.
    #[inline]
    fn own<'n>(&mut self, inner: &'n mut Arc<Inner<O::Key>>) -> &'n mut Inner<O::Key> {
        let before = inner.heap_bytes();
        let own = Arc::make_mut(inner);
        self.bytes += own.heap_bytes() as isize - before as isize;
        own
    }

    /// `edges` come back false on the sides on which the path left something aside.
    fn edit<R>(
        &mut self,
        child: &mut Child<O::Key>,
        path: &mut impl Path<O::Key>,
        edit: impl FnOnce(&mut Leaf, &O::Key, usize) -> R,
        edges: &mut (bool, bool),
    ) -> R {
        match &mut child.node {
            Node::Leaf(leaf) => {
                let before = leaf.heap_bytes();
                let done = edit(leaf, &child.low, path.index());
                self.bytes += leaf.heap_bytes() as isize - before as isize;
                child.count = leaf.block().count() as u64;
                path.settle(&mut child.low);
                done
            }
            Node::Inner(inner) => {
                let inner = self.own(inner);
                let index = path.child(&inner.children);
                edges.0 &= index == 0;
                edges.1 &= index + 1 == inner.children.len();
                let target = &mut inner.children[index];
                let before = target.count;
                let done = self.edit(target, path, edit, edges);
                child.count = child.count + target.count - before;
                let shrank = target.count < before;
                path.settle(&mut child.low);
                self.mend(inner, index, *edges, shrank);
                done
            }
        }
    }

    fn cut(
        &mut self,
        child: &mut Child<O::Key>,
        from: u64,
        to: u64,
        edit: &mut CutLeaf<'_, O::Key>,
        garbage: &mut Garbage<O::Key>,
    ) {
        match &mut child.node {
            Node::Leaf(leaf) => {
                let before = leaf.heap_bytes();
                edit(leaf, &child.low, from as usize, to as usize);
                self.bytes += leaf.heap_bytes() as isize - before as isize;
                child.count = leaf.block().count() as u64;
            }
            Node::Inner(inner) => {
                let inner = self.own(inner);
                self.cut_inner(inner, from, to, edit, garbage);
                child.count = inner.count();
            }
        }
    }

    fn cut_inner(
        &mut self,
        inner: &mut Inner<O::Key>,
        from: u64,
        to: u64,
        edit: &mut CutLeaf<'_, O::Key>,
        garbage: &mut Garbage<O::Key>,
    ) {
        let (mut start, mut index) = (0, 0);
        // The children cut through, at most two, come to lie beside each other.
        let mut touched = None;
        while index < inner.children.len() && start < to {
            let count = inner.children[index].count;
            let end = start + count;
            if end <= from {
                index += 1;
            } else if from <= start && end <= to {
                let gone = inner.children.remove(index);
                self.bytes -= (gone.count as f64 * self.each) as isize;
                garbage.push(gone);
                touched = touched.or(index.checked_sub(1));
            } else {
                let (from, to) = (from.max(start) - start, to.min(end) - start);
                self.cut(&mut inner.children[index], from, to, edit, garbage);
                touched = touched.or(Some(index));
                index += 1;
            }
            start = end;
        }
        // From the right, so that a join leaves the index of the left one as it is.
        if let Some(index) = touched {
            for index in [index + 1, index] {
                if index < inner.children.len() {
                    self.mend(inner, index, (false, false), true);
                }
            }
        }
    }

    /// Puts the child at `index` right: splits it if it is too long, joins it with a neighbour if it is short.
    fn mend(&mut self, inner: &mut Inner<O::Key>, index: usize, edges: (bool, bool), shrank: bool) {
        if is_long(self.order, &inner.children[index].node) {
            let before = inner.heap_bytes();
            let mut parts = Vec::new();
            let child = inner.children.remove(index);
            self.split(child, edges, &mut parts);
            // In steps of 8: doubling would leave half of the memory idle.
            let room = inner.children.capacity() - inner.children.len();
            if room < parts.len() {
                inner.children.reserve_exact(parts.len().next_multiple_of(8));
            }
            inner.children.splice(index..index, parts);
            self.bytes += inner.heap_bytes() as isize - before as isize;
        } else if shrank && is_short(self.order, &inner.children[index].node) {
            if inner.children[index].count == 0 && inner.children.len() > 1 {
                let gone = inner.children.remove(index);
                self.bytes -= empty_bytes(&gone.node) as isize;
            } else if !(index + 1 < inner.children.len() && self.join(inner, index)) && index > 0 {
                self.join(inner, index - 1);
            }
        }
    }

    /// Makes one child of those at `index` and behind it, if it would not be too full; whether it did.
    fn join(&mut self, inner: &mut Inner<O::Key>, index: usize) -> bool {
        let [left, right] = &mut inner.children[index..index + 2] else { return false };
        match (&mut left.node, &mut right.node) {
            (Node::Leaf(one), Node::Leaf(other)) => {
                let (a, b) = (one.block(), other.block());
                let (bytes, count) = (a.used() + b.used(), a.count() + b.count());
                let (bytes_max, count_max) = self.order.limits(bytes / count.max(1));
                if bytes > bytes_max / 4 * 3 || count > count_max / 4 * 3 {
                    return false;
                }
                let joined = self.order.join((&left.low, a), (&right.low, b));
                let before = one.heap_bytes() + other.heap_bytes();
                self.bytes += joined.heap_bytes() as isize - before as isize;
                *one = joined;
            }
            (Node::Inner(one), Node::Inner(other)) => {
                if one.children.len() + other.children.len() > CHILDREN_MAX / 4 * 3 {
                    return false;
                }
                let one = self.own(one);
                let before = one.heap_bytes() + other.heap_bytes();
                one.children.reserve_exact(other.children.len());
                match Arc::get_mut(other) {
                    Some(other) => one.children.append(&mut other.children),
                    None => one.children.extend(other.children.iter().cloned()),
                }
                self.bytes += one.heap_bytes() as isize - before as isize;
            }
            _ => return false,
        }
        left.count += right.count;
        inner.children.remove(index + 1);
        true
    }

    /// Divides a child until no part is too long.
    fn split(&mut self, child: Child<O::Key>, edges: (bool, bool), parts: &mut Vec<Child<O::Key>>) {
        let edge = match edges {
            (_, true) => Edge::Back,
            (true, false) => Edge::Front,
            (false, false) => Edge::Inside,
        };
        let (left, right) = match &child.node {
            node if !is_long(self.order, node) => return parts.push(child),
            Node::Leaf(leaf) => {
                match self.order.split(leaf.block(), &child.low, edge) {
                    // Whatever is too long and cannot be divided stays.
                    None => return parts.push(child),
                    Some((left, low, right)) => {
                        (Child::leaf(child.low.clone(), left), Child::leaf(low, right))
                    }
                }
            }
            Node::Inner(inner) => {
                let at = match edge {
                    Edge::Front => 2,
                    Edge::Back => inner.children.len() - 2,
                    Edge::Inside => inner.children.len() / 2,
                };
                let (left, right) = inner.children.split_at(at);
                let low = right[0].low.clone();
                (self.inner(child.low.clone(), left), self.inner(low, right))
            }
        };
        let (old, new) =
            (node_bytes(&child.node), node_bytes(&left.node) + node_bytes(&right.node));
        self.bytes += new as isize - old as isize;
        self.split(left, (edges.0, false), parts);
        self.split(right, (false, edges.1), parts);
    }

    fn inner(&self, low: O::Key, children: &[Child<O::Key>]) -> Child<O::Key> {
        let inner = Inner::new(children.to_vec());
        Child { low, count: inner.count(), node: Node::Inner(Arc::new(inner)) }
    }

    /// Puts the root right: it grows a level, or loses those that only lead on.
    fn mend_root(&mut self, root: &mut Child<O::Key>, edges: (bool, bool)) {
        if is_long(self.order, &root.node) {
            let mut parts = Vec::new();
            self.split(root.clone(), edges, &mut parts);
            if let [_] = &parts[..] {
                return;
            }
            let inner = Inner::new(parts);
            self.bytes += inner.heap_bytes() as isize;
            root.count = inner.count();
            root.node = Node::Inner(Arc::new(inner));
        }
        while let Node::Inner(inner) = &root.node
            && let [only] = &inner.children[..]
        {
            self.bytes -= inner.heap_bytes() as isize;
            *root = only.clone();
        }
    }
}

fn is_long<O: Order>(order: &O, node: &Node<O::Key>) -> bool {
    match node {
        Node::Inner(inner) => inner.children.len() > CHILDREN_MAX,
        Node::Leaf(leaf) => {
            let (bytes, count) = (leaf.block().used(), leaf.block().count());
            let (bytes_max, count_max) = order.limits(bytes / count.max(1));
            count > count_max || (count > 1 && bytes > bytes_max)
        }
    }
}

fn is_short<O: Order>(order: &O, node: &Node<O::Key>) -> bool {
    match node {
        Node::Inner(inner) => inner.children.len() < CHILDREN_MIN,
        Node::Leaf(leaf) => {
            let (bytes, count) = (leaf.block().used(), leaf.block().count());
            let (bytes_max, count_max) = order.limits(bytes / count.max(1));
            let is_small = bytes < bytes_max / 4 && count < count_max / 4;
            count == 0 || order.joins() && is_small
        }
    }
}

/// What a node without elements takes, with what is left below it.
fn empty_bytes<K>(node: &Node<K>) -> usize {
    let below = match node {
        Node::Leaf(_) => 0,
        Node::Inner(inner) => {
            inner.children.iter().map(|child| empty_bytes(&child.node)).sum::<usize>()
        }
    };
    node_bytes(node) + below
}

/// What a node takes, without what is below it.
fn node_bytes<K>(node: &Node<K>) -> usize {
    match node {
        Node::Leaf(leaf) => leaf.heap_bytes(),
        Node::Inner(inner) => inner.heap_bytes(),
    }
}
