//! The big form of lists.

use super::block::Block;
use super::discard::Discard;
use super::item::Encoded;
use super::limits::Limits;
use super::list::{Elements, List};
use super::position::Position;
use super::stamp::Mark;
use super::tops::Tops;
use crate::base::version::Version;

/// Elements by index.
#[derive(Debug, Clone)]
pub(super) struct Sequence {
    list: Box<List>,
    tops: Tops,
}

/// Elements one after the other.
pub(super) type SequenceWalk<'a> = Box<Elements<'a>>;

const ALL: Limits = Limits {
    entries_max: usize::MAX,
    element_bytes_max: usize::MAX,
    bytes_max: usize::MAX,
    integers_max: usize::MAX,
    hash: |_| 0,
};

impl Sequence {
    pub(super) fn of_block(block: Block<'_>) -> Self {
        let list = Box::new(List::from_packed(block.bytes()));
        Sequence { tops: list.view().tops(), list }
    }

    pub(super) fn len(&self) -> u64 {
        self.list.view().len()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.list.view().memory_bytes()
    }

    pub(super) fn is_numbered(&self) -> bool {
        self.list.view().is_numbered()
    }

    pub(super) fn tops(&self) -> &Tops {
        &self.tops
    }

    pub(super) fn range(&self, from: u64, to: u64, reverse: bool) -> SequenceWalk<'_> {
        Box::new(self.list.view().range(from, to, reverse))
    }

    pub(super) fn place(&self, position: Position, dot: Version) -> Result<u64, u64> {
        self.list.view().place(position, dot)
    }

    pub(super) fn number(&mut self) {
        self.list.number();
    }

    pub(super) fn insert(&mut self, index: u64, value: &Encoded<'_>, mark: Mark<'_>) {
        self.tops.note(&mark.stamp);
        self.list.insert_at(index, value, mark, &ALL);
    }

    pub(super) fn set(&mut self, index: u64, value: &Encoded<'_>, mark: Mark<'_>) {
        self.tops.note(&mark.stamp);
        self.list.set_at(index, value, mark);
    }

    pub(super) fn remove(&mut self, from: u64, to: u64) -> Discard {
        self.list.remove(from, to)
    }

    pub(super) fn pack(&self, bytes_max: usize) -> Option<Vec<u8>> {
        self.list.packed().filter(|packed| packed.len() <= bytes_max).map(<[u8]>::to_vec)
    }

    pub(super) fn discard(self) -> Discard {
        Discard::default()
    }
}
