//! A set of integers alone: sorted, each as wide as the widest needs to be.
//!
//! The header is a block's, its flags say the width; no integer is marked. A set with stamps is a marked block in the same order
//! instead, and still called `intset`.

use super::block::{Block, HEADER_BYTES, INTEGERS, MARKED, WIDTH_SHIFT, header};
use super::edit;
use super::item::array;

/// The sorted integers of `packed`, if it is such a set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Integers<'a> {
    body: &'a [u8],
    width_log: u32,
}

impl<'a> Integers<'a> {
    /// The set in `block`, if it is one of fixed width.
    #[inline]
    pub(super) fn of(block: Block<'a>) -> Option<Self> {
        let flags = block.flags();
        (flags & (INTEGERS | MARKED) == INTEGERS)
            .then(|| Integers { body: block.body(), width_log: (flags >> WIDTH_SHIFT) as u32 })
    }

    pub(super) fn count(self) -> usize {
        self.body.len() >> self.width_log
    }

    /// The integer at `index`.
    #[inline]
    pub(super) fn get(self, index: usize) -> Option<i64> {
        let at = index << self.width_log;
        let bytes = self.body.get(at..at + (1 << self.width_log))?;
        Some(match self.width_log {
            1 => i16::from_le_bytes(array(bytes)) as i64,
            2 => i32::from_le_bytes(array(bytes)) as i64,
            _ => i64::from_le_bytes(array(bytes)),
        })
    }

    /// Its index, or that at which it would be.
    #[inline]
    pub(super) fn search(self, value: i64) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.count());
        while low < high {
            let middle = (low + high) / 2;
            match self.get(middle).map(|known| known.cmp(&value)) {
                Some(std::cmp::Ordering::Less) => low = middle + 1,
                Some(std::cmp::Ordering::Equal) => return Ok(middle),
                _ => high = middle,
            }
        }
        Err(low)
    }
}

/// An empty set.
pub(super) fn empty() -> Vec<u8> {
    edit::empty(flags(1))
}

fn flags(width_log: u32) -> u8 {
    INTEGERS | (width_log as u8) << WIDTH_SHIFT
}

fn width_log(value: i64) -> u32 {
    match value {
        -0x8000..0x8000 => 1,
        -0x8000_0000..0x8000_0000 => 2,
        _ => 3,
    }
}

/// Adds `value` to the set in `bytes`; whether it was not there.
pub(super) fn insert(bytes: &mut Vec<u8>, value: i64) -> bool {
    let Some(set) = Integers::of(Block::new(bytes)) else { return false };
    let Err(index) = set.search(value) else { return false };
    let (count, width) = (set.count() + 1, width_log(value));
    if width <= set.width_log {
        let (at, width) = (HEADER_BYTES + (index << set.width_log), set.width_log);
        let new = value.to_le_bytes();
        edit::Buffer::splice(bytes, at, at, &[&new[..1 << width]], count, flags(width));
        return true;
    }
    // Wider than all others, so it is the first or the last.
    let mut wider = Vec::with_capacity(HEADER_BYTES + (count << width));
    wider.extend_from_slice(&header(HEADER_BYTES + (count << width), count, flags(width)));
    let before = (0..index).filter_map(|index| set.get(index));
    let after = (index..count).filter_map(|index| set.get(index));
    for value in before.chain([value]).chain(after) {
        wider.extend_from_slice(&value.to_le_bytes()[..1 << width]);
    }
    *bytes = wider;
    true
}

/// Takes `value` out of the set in `bytes`; whether it was there.
pub(super) fn remove(bytes: &mut Vec<u8>, value: i64) -> bool {
    let Some(set) = Integers::of(Block::new(bytes)) else { return false };
    let Ok(index) = set.search(value) else { return false };
    let (count, width) = (set.count() - 1, set.width_log);
    let at = HEADER_BYTES + (index << width);
    edit::Buffer::splice(bytes, at, at + (1 << width), &[], count, flags(width));
    true
}
