//! A leaf: one block in memory of its own, shared by the trees that hold it.
//!
//! ```text
//! | counts of the `Arc` | gap | block | slack |
//! ```
//!
//! What is taken from the front leaves a gap, and what is added there uses it, so that lists whose ends move do not move all that is between.

use super::super::block::{Block, HEADER_BYTES, header};
use super::super::edit::{Buffer, fill};
use std::iter::repeat_n;
use std::sync::Arc;

/// Counts in front of the bytes that an `Arc` adds.
const COUNTS_BYTES: usize = 16;

/// See the module's description. A clone is the same memory.
#[derive(Debug, Clone)]
pub(in super::super) struct Leaf {
    memory: Arc<[u8]>,
    /// Bytes of the gap.
    start: u32,
}

impl Leaf {
    /// A leaf of `count` elements whose packed bytes are `parts`.
    pub(in super::super) fn new(parts: &[&[u8]], count: usize, flags: u8) -> Self {
        let used = HEADER_BYTES + parts.iter().map(|part| part.len()).sum::<usize>();
        let mut bytes = zeroed(used);
        if let Some(bytes) = Arc::get_mut(&mut bytes) {
            bytes[..HEADER_BYTES].copy_from_slice(&header(used, count, flags));
            fill(bytes, HEADER_BYTES, parts);
        }
        Leaf { memory: bytes, start: 0 }
    }

    /// An empty leaf.
    pub(in super::super) fn empty(flags: u8) -> Self {
        Leaf::new(&[], 0, flags)
    }

    #[inline]
    pub(in super::super) fn block(&self) -> Block<'_> {
        Block::new(self.bytes())
    }

    /// Bytes that it takes from the allocator.
    pub(super) fn heap_bytes(&self) -> usize {
        COUNTS_BYTES + self.memory.len()
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
    #[inline]
    fn bytes(&self) -> &[u8] {
        &self.memory[self.start as usize..]
    }

    /// In place, if no snapshot holds it, it has the room, and it does not keep more than a quarter idle; else in new memory.
    fn splice(&mut self, from: usize, to: usize, parts: &[&[u8]], count: usize, flags: u8) {
        let (used, start) = (self.block().used(), self.start as usize);
        let added = parts.iter().map(|part| part.len()).sum::<usize>();
        let after = used - (to - from) + added;
        let capacity = self.memory.len();
        let fits = after <= capacity && size_class(COUNTS_BYTES + after) >= capacity / 4 * 3;
        if fits && let Some(bytes) = Arc::get_mut(&mut self.memory) {
            let is_front = from == HEADER_BYTES;
            let new_start = match (start + to).checked_sub(from + added) {
                // What follows stays where it is.
                Some(new_start) if is_front => new_start,
                // All that is idle becomes the gap, for what is added at the front next.
                _ if is_front && from == to => capacity - after,
                _ if start + after <= capacity => start,
                _ => 0,
            };
            let (old_place, new_place) = (start + to, new_start + from + added);
            // The front first. If it moves, then to lower places, where nothing is of what follows.
            if new_start != start {
                bytes.copy_within(start + HEADER_BYTES..start + from, new_start + HEADER_BYTES);
            }
            if new_place != old_place {
                bytes.copy_within(old_place..start + used, new_place);
            }
            let bytes = &mut bytes[new_start..];
            fill(bytes, from, parts);
            bytes[..HEADER_BYTES].copy_from_slice(&header(after, count, flags));
            self.start = new_start as u32;
            return;
        }
        let mut new = zeroed(after);
        if let Some(bytes) = Arc::get_mut(&mut new) {
            let old = self.bytes();
            bytes[..from].copy_from_slice(&old[..from]);
            fill(bytes, from, parts);
            bytes[from + added..after].copy_from_slice(&old[to..used]);
            bytes[..HEADER_BYTES].copy_from_slice(&header(after, count, flags));
        }
        *self = Leaf { memory: new, start: 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    fn splice(buffer: &mut impl Buffer, from: usize, to: usize, added: &[u8], count: usize) {
        buffer.splice(from, to, &[added], count, 0);
    }

    fn element(of: u8) -> Vec<u8> {
        vec![of; 100]
    }

    #[test]
    fn a_leaf_changes_as_a_vector_does() {
        for seed in 0..40 {
            let mut rng = Rng::seeded(seed);
            let mut model = Leaf::empty(0).block().bytes().to_vec();
            let mut leaf = Leaf::empty(0);
            let mut snapshot = None;
            for step in 0..1_000 {
                let body = (model.len() - HEADER_BYTES) as u64;
                let most = if body > 6_000 { body } else { 200.min(body) };
                let removed = if rng.below(2) == 0 { 0 } else { rng.below(most + 1) };
                let place = [0, body - removed, rng.below(body - removed + 1)];
                let from = HEADER_BYTES + place[rng.below(3) as usize] as usize;
                let to = from + removed as usize;
                let added = vec![step as u8; rng.below(250) as usize];
                if rng.below(8) == 0 {
                    snapshot = Some((leaf.clone(), model.clone()));
                }
                splice(&mut model, from, to, &added, step);
                splice(&mut leaf, from, to, &added, step);
                assert_eq!(leaf.block().bytes(), model, "seed {seed}, step {step}");
                if let Some((leaf, model)) = &snapshot {
                    assert_eq!(leaf.block().bytes(), model, "seed {seed}, step {step}");
                }
                if rng.below(4) == 0 {
                    snapshot = None;
                }
            }
        }
    }

    #[test]
    fn elements_stay_where_they_are_while_an_end_moves() {
        let mut leaf = Leaf::new(&[&vec![1; 8_000]], 80, 0);
        let last = |leaf: &Leaf| leaf.block().bytes().as_ptr_range().end;
        let before = last(&leaf);
        for count in (70..80).rev() {
            splice(&mut leaf, HEADER_BYTES, HEADER_BYTES + 100, &[], count);
            assert_eq!(last(&leaf), before, "taken from the front, {count} left");
        }
        for count in 71..=80 {
            splice(&mut leaf, HEADER_BYTES, HEADER_BYTES, &element(2), count);
            assert_eq!(last(&leaf), before, "added at the front, {count} there");
        }
        let first = leaf.block().bytes().as_ptr();
        for count in (70..80).rev() {
            let used = leaf.block().used();
            splice(&mut leaf, used - 100, used, &[], count);
            assert_eq!(leaf.block().bytes().as_ptr(), first, "taken from the end, {count} left");
        }
        splice(&mut leaf, HEADER_BYTES, HEADER_BYTES, &element(3), 71);
        let (last_moved, capacity) = (last(&leaf), leaf.memory.as_ptr_range().end);
        assert_eq!(last_moved, capacity, "the first at the front makes room for those to come");
        splice(&mut leaf, HEADER_BYTES, HEADER_BYTES, &element(4), 72);
        assert_eq!(last(&leaf), last_moved);
    }
}
