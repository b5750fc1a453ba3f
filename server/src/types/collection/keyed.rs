//! Members by hash: the big form of hashes and sets, and one half of that of sorted sets.

use super::block::{Block, Entry};
use super::discard::Discard;
use super::edit;
use super::item::Encoded;
use super::limits::HashFn;
use super::stamp::Stamp;
use super::tops::Tops;
use super::walk::Walk;
use crate::base::version::Version;

/// Members, each with a value or without, found by hash.
#[derive(Debug, Clone)]
pub(super) struct Keyed {
    bytes: Vec<u8>,
    tops: Tops,
}

impl Keyed {
    /// The members of `block`.
    pub(super) fn of_block(block: Block<'_>, _hash: HashFn) -> Self {
        Keyed { bytes: block.bytes().to_vec(), tops: Walk::block(block).tops() }
    }

    pub(super) fn len(&self) -> u64 {
        Block::new(&self.bytes).count() as u64
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn find(&self, key: &[u8]) -> Option<Entry<'_>> {
        Block::new(&self.bytes).find(&Encoded::of(key))
    }

    pub(super) fn nth(&self, index: u64) -> Option<Entry<'_>> {
        Block::new(&self.bytes).nth(index as usize)
    }

    pub(super) fn walk(&self) -> Walk<'_> {
        Walk::block(Block::new(&self.bytes))
    }

    pub(super) fn scan<'a>(
        &'a self,
        _cursor: u64,
        _count: u64,
        visit: impl FnMut(Entry<'a>),
    ) -> u64 {
        self.walk().for_each(visit);
        0
    }

    pub(super) fn tops(&self) -> &Tops {
        &self.tops
    }

    pub(super) fn insert(
        &mut self,
        key: &[u8],
        value: Option<&Encoded<'_>>,
        stamp: Stamp<'_>,
    ) -> Option<Version> {
        self.tops.note(&stamp);
        edit::put(&mut self.bytes, &Encoded::of(key), value, stamp)
    }

    pub(super) fn remove(&mut self, key: &[u8]) -> Option<Version> {
        edit::take(&mut self.bytes, &Encoded::of(key))
    }

    pub(super) fn discard(self) -> Discard {
        Discard::default()
    }
}
