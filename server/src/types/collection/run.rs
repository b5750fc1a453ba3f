//! Going through the elements of one block, forwards or backwards.

use super::block::{Block, Entries, Entry};

/// Elements one after the other.
#[derive(Debug, Clone)]
pub(super) enum Run<'a> {
    /// Of one block, up to a number of them.
    Block(std::iter::Take<Entries<'a>>),
    /// Of one block backwards, by the places where they begin.
    Back(Block<'a>, std::vec::IntoIter<u32>),
}

impl<'a> Run<'a> {
    /// Nothing.
    pub(super) fn none() -> Self {
        Run::block(Block::EMPTY)
    }

    /// All of `block`.
    pub(super) fn block(block: Block<'a>) -> Self {
        Run::Block(block.entries().take(block.count()))
    }

    /// Those of `block` from index `from` up to but not with `to`, or the same backwards.
    pub(super) fn range(block: Block<'a>, from: usize, to: usize, reverse: bool) -> Self {
        let count = to.min(block.count()).saturating_sub(from);
        let mut entries = block.entries();
        if from > 0 {
            entries.nth(from - 1);
        }
        if !reverse {
            return Run::Block(entries.take(count));
        }
        let mut places: Vec<u32> = entries.take(count).map(|entry| entry.at as u32).collect();
        places.reverse();
        Run::Back(block, places.into_iter())
    }
}

impl<'a> Iterator for Run<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        match self {
            Run::Block(entries) => entries.next(),
            Run::Back(block, places) => block.entry(places.next()? as usize),
        }
    }
}
