//! A leaf: one block in memory of its own, shared by the trees that hold it.

use super::super::block::{Block, HEADER_BYTES, header};
use super::super::edit::{Buffer, fill};
use std::iter::repeat_n;
use std::sync::Arc;

/// Counts in front of the bytes that an `Arc` adds.
const COUNTS_BYTES: usize = 16;

/// See the module's description. A clone is the same memory.
#[derive(Debug, Clone)]
pub(in super::super) struct Leaf(Arc<[u8]>);

impl Leaf {
    /// A leaf of `count` elements whose packed bytes are `parts`.
    pub(in super::super) fn new(parts: &[&[u8]], count: usize, flags: u8) -> Self {
        let used = HEADER_BYTES + parts.iter().map(|part| part.len()).sum::<usize>();
        let mut bytes = zeroed(used);
        if let Some(bytes) = Arc::get_mut(&mut bytes) {
            bytes[..HEADER_BYTES].copy_from_slice(&header(used, count, flags));
            fill(bytes, HEADER_BYTES, parts);
        }
        Leaf(bytes)
    }

    /// An empty leaf.
    pub(in super::super) fn empty(flags: u8) -> Self {
        Leaf::new(&[], 0, flags)
    }

    #[inline]
    pub(in super::super) fn block(&self) -> Block<'_> {
        Block::new(&self.0)
    }

    /// Bytes that it takes from the allocator.
    pub(super) fn heap_bytes(&self) -> usize {
        COUNTS_BYTES + self.0.len()
    }
}

/// Memory for `used` bytes, and what the allocator would otherwise waste of it.
fn zeroed(used: usize) -> Arc<[u8]> {
    repeat_n(0, size_class(COUNTS_BYTES + used) - COUNTS_BYTES).collect()
}

/// What jemalloc hands out for `bytes`: multiples of 16 up to 128, then four sizes to each doubling.
fn size_class(bytes: usize) -> usize {
    let spacing = match bytes {
        0..=128 => 16,
        _ => 1 << ((bytes - 1).ilog2() - 2),
    };
    bytes.next_multiple_of(spacing)
}

impl Buffer for Leaf {
    fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// In place, if no snapshot holds it, it has the room, and it does not keep more than a quarter idle; else in new memory.
    fn splice(&mut self, from: usize, to: usize, parts: &[&[u8]], count: usize, flags: u8) {
        let used = self.block().used();
        let added = parts.iter().map(|part| part.len()).sum::<usize>();
        let after = used - (to - from) + added;
        let capacity = self.0.len();
        let fits = after <= capacity && size_class(COUNTS_BYTES + after) >= capacity / 4 * 3;
        if fits && let Some(bytes) = Arc::get_mut(&mut self.0) {
            bytes.copy_within(to..used, from + added);
            fill(bytes, from, parts);
            bytes[..HEADER_BYTES].copy_from_slice(&header(after, count, flags));
            return;
        }
        let mut new = zeroed(after);
        if let Some(bytes) = Arc::get_mut(&mut new) {
            bytes[..from].copy_from_slice(&self.0[..from]);
            fill(bytes, from, parts);
            bytes[from + added..after].copy_from_slice(&self.0[to..used]);
            bytes[..HEADER_BYTES].copy_from_slice(&header(after, count, flags));
        }
        self.0 = new;
    }
}
