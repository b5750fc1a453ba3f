//! Going through a tree's elements in order.

use super::super::block::Entry;
use super::super::run::Run;
use super::{Child, Node, Path, Tree};

/// Leaves one after the other, forwards or backwards.
#[derive(Debug)]
pub(in super::super) struct Leaves<'a, K> {
    /// Of each level, what is left on the far side of the way.
    levels: Vec<std::slice::Iter<'a, Child<K>>>,
    reverse: bool,
}

impl<K> Clone for Leaves<'_, K> {
    fn clone(&self) -> Self {
        Leaves { levels: self.levels.clone(), reverse: self.reverse }
    }
}

impl<'a, K> Leaves<'a, K> {
    /// The leaf at the end of `path`, and those that follow it.
    pub(super) fn of(
        tree: &'a Tree<K>,
        path: &mut impl Path<K>,
        reverse: bool,
    ) -> (&'a Child<K>, Self) {
        let (mut levels, mut at) = (Vec::with_capacity(4), &tree.root);
        while let Node::Inner(inner) = &at.node {
            let children = &inner.children[..];
            let index = path.child(children);
            levels.push(match reverse {
                false => children[index + 1..].iter(),
                true => children[..index].iter(),
            });
            at = &children[index];
        }
        (at, Leaves { levels, reverse })
    }

    fn step(&mut self, level: usize) -> Option<&'a Child<K>> {
        if self.reverse { self.levels[level].next_back() } else { self.levels[level].next() }
    }
}

impl<'a, K> Iterator for Leaves<'a, K> {
    type Item = &'a Child<K>;

    fn next(&mut self) -> Option<&'a Child<K>> {
        let depth = self.levels.len();
        // Up to the first level that has something left, and down its near side again.
        let (mut level, mut at) =
            (0..depth).rev().find_map(|level| Some((level, self.step(level)?)))?;
        while let Node::Inner(inner) = &at.node {
            level += 1;
            self.levels[level] = inner.children.iter();
            at = self.step(level)?;
        }
        Some(at)
    }
}

/// A stretch of a tree's elements, forwards or backwards, each with its leaf's key and its index in that leaf.
#[derive(Debug)]
pub(in super::super) struct TreeWalk<'a, K> {
    leaves: Leaves<'a, K>,
    run: Run<'a>,
    low: &'a K,
    index: usize,
    left: u64,
}

impl<K> Clone for TreeWalk<'_, K> {
    fn clone(&self) -> Self {
        TreeWalk { leaves: self.leaves.clone(), run: self.run.clone(), ..*self }
    }
}

impl<'a, K> TreeWalk<'a, K> {
    /// The elements from index `from` up to but not with `to`, or the same backwards.
    pub(super) fn of(tree: &'a Tree<K>, from: u64, to: u64, reverse: bool) -> Self {
        let to = to.min(tree.len());
        let left = to.saturating_sub(from);
        let mut path = super::ByIndex::of(if reverse { to.saturating_sub(1) } else { from });
        let (first, leaves) = Leaves::of(tree, &mut path, reverse);
        let index = Path::<K>::index(&path);
        let mut walk = TreeWalk { leaves, run: Run::none(), low: &first.low, index, left };
        let (from, to) = if reverse { (0, index + 1) } else { (index, usize::MAX) };
        walk.run = Run::range(first.block(), from, to, reverse);
        walk
    }

    /// The next element, the key of its leaf, and its index there.
    #[inline]
    pub(in super::super) fn step(&mut self) -> Option<(Entry<'a>, &'a K, usize)> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        let entry = match self.run.next() {
            Some(entry) => entry,
            None => self.turn()?,
        };
        let index = self.index;
        self.index = if self.leaves.reverse { index.wrapping_sub(1) } else { index + 1 };
        Some((entry, self.low, index))
    }

    /// Goes on to the next leaf.
    fn turn(&mut self) -> Option<Entry<'a>> {
        loop {
            let child = self.leaves.next()?;
            let (block, reverse) = (child.block(), self.leaves.reverse);
            self.low = &child.low;
            self.index = if reverse { block.count().wrapping_sub(1) } else { 0 };
            self.run = Run::range(block, 0, usize::MAX, reverse);
            if let Some(entry) = self.run.next() {
                return Some(entry);
            }
        }
    }
}
