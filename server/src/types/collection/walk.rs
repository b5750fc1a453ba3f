//! Going through elements in order, forwards or backwards, whatever form they lie in.

use super::block::{Block, Entries, Entry};
use super::tops::Tops;

/// Elements one after the other.
#[derive(Debug, Clone)]
pub(super) enum Walk<'a> {
    /// Of one block, up to a number of them.
    Block(std::iter::Take<Entries<'a>>),
    /// Of one block backwards, by the places where they begin.
    Back(Block<'a>, std::vec::IntoIter<u32>),
}

impl<'a> Walk<'a> {
    /// All of `block`.
    pub(super) fn block(block: Block<'a>) -> Self {
        Walk::Block(block.entries().take(block.count()))
    }

    /// Those of `block` from index `from` up to but not with `to`, or the same backwards.
    pub(super) fn range(block: Block<'a>, from: usize, to: usize, reverse: bool) -> Self {
        let count = to.min(block.count()).saturating_sub(from);
        let mut entries = block.entries();
        if from > 0 {
            entries.nth(from - 1);
        }
        if !reverse {
            return Walk::Block(entries.take(count));
        }
        let mut places: Vec<u32> = entries.take(count).map(|entry| entry.at as u32).collect();
        places.reverse();
        Walk::Back(block, places.into_iter())
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
            Walk::Block(entries) => entries.next(),
            Walk::Back(block, places) => block.entry(places.next()? as usize),
        }
    }
}
