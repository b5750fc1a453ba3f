//! Going through elements, whatever form they lie in.

use super::block::{Block, Entry};
use super::run::Run;
use super::tops::Tops;
use super::tree::TreeWalk;

/// Elements one after the other.
#[derive(Debug, Clone)]
pub(super) enum Walk<'a> {
    /// Of one block.
    Run(Run<'a>),
    /// Of a tree in the order of hashes.
    Tree(TreeWalk<'a, u64>),
}

impl<'a> Walk<'a> {
    /// All of `block`.
    pub(super) fn block(block: Block<'a>) -> Self {
        Walk::Run(Run::block(block))
    }

    /// As [`Run::range`].
    pub(super) fn range(block: Block<'a>, from: usize, to: usize, reverse: bool) -> Self {
        Walk::Run(Run::range(block, from, to, reverse))
    }

    /// Bounds of the dots of all that is left.
    pub(super) fn tops(self) -> Tops {
        let mut tops = Tops::default();
        self.for_each(|entry| tops.note(&entry.mark().stamp));
        tops
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        match self {
            Walk::Run(run) => run.next(),
            Walk::Tree(walk) => walk.step().map(|(entry, ..)| entry),
        }
    }
}
