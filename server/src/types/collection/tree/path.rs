//! Ways down a tree.

use super::Child;

/// Chooses a child at each level.
pub(in super::super) trait Path<K> {
    /// The index of the child to go to; `children` are not empty.
    fn child(&mut self, children: &[Child<K>]) -> usize;

    /// What is left of an index at the leaf.
    fn index(&self) -> usize {
        0
    }

    /// Lowers the key of a child that has been edited, if what was put there lies below it.
    fn settle(&self, _low: &mut K) {}
}

/// To the element of an index.
pub(in super::super) struct ByIndex {
    left: u64,
}

impl ByIndex {
    /// To the element at `index`.
    pub(in super::super) fn of(index: u64) -> Self {
        ByIndex { left: index }
    }
}

impl<K> Path<K> for ByIndex {
    #[inline]
    fn child(&mut self, children: &[Child<K>]) -> usize {
        let last = children.len() - 1;
        for (index, child) in children[..last].iter().enumerate() {
            if self.left < child.count {
                return index;
            }
            self.left -= child.count;
        }
        last
    }

    fn index(&self) -> usize {
        self.left as usize
    }
}

/// To the last child whose key passes a test; none but the first ones do.
pub(in super::super) struct Below<F> {
    test: F,
}

impl<F> Below<F> {
    pub(in super::super) fn of(test: F) -> Self {
        Below { test }
    }
}

impl<K, F: Fn(&K) -> bool> Path<K> for Below<F> {
    #[inline]
    fn child(&mut self, children: &[Child<K>]) -> usize {
        children.partition_point(|child| (self.test)(&child.low)).saturating_sub(1)
    }
}

/// The same, counting the elements on the left of the way.
pub(in super::super) struct Counting<F> {
    test: F,
    before: u64,
}

impl<F> Counting<F> {
    pub(in super::super) fn of(test: F) -> Self {
        Counting { test, before: 0 }
    }

    /// Elements in the leaves on the left.
    pub(in super::super) fn before(&self) -> u64 {
        self.before
    }
}

impl<K, F: Fn(&K) -> bool> Path<K> for Counting<F> {
    fn child(&mut self, children: &[Child<K>]) -> usize {
        let index = children.partition_point(|child| (self.test)(&child.low)).saturating_sub(1);
        self.before += children[..index].iter().map(|child| child.count).sum::<u64>();
        index
    }
}
