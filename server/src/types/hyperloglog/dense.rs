//! Dense registers: six bits each, packed from the least significant bit of the first byte on.
//!
//! ```text
//! byte     0        1        2        3
//!      11000000 22221111 33333322 ...      (digits: register numbers, most significant bit left)
//! ```

use super::REGISTER_COUNT;

/// Bytes that all registers take.
pub const BYTES: usize = REGISTER_COUNT * BITS / 8;

const BITS: usize = 6;
const RANK_MAX: u8 = (1 << BITS) - 1;

/// Raises register `index` to `rank`; whether it was lower. `registers` are [`BYTES`] long.
pub fn raise(registers: &mut [u8], index: usize, rank: u8) -> bool {
    // Four registers fill three bytes.
    let group: &mut [u8] = &mut registers[index / 4 * 3..][..3];
    let shift = index % 4 * BITS;
    let mut word = u32::from_le_bytes([group[0], group[1], group[2], 0]);
    if (word >> shift) as u8 & RANK_MAX >= rank {
        return false;
    }
    word = word & !(u32::from(RANK_MAX) << shift) | u32::from(rank) << shift;
    group.copy_from_slice(&word.to_le_bytes()[..3]);
    true
}

/// All registers in order.
pub fn ranks(registers: &[u8]) -> impl Iterator<Item = u8> + '_ {
    registers.chunks_exact(3).flat_map(|group| {
        let word = u32::from_le_bytes([group[0], group[1], group[2], 0]);
        [0, 1, 2, 3].map(|slot| (word >> (slot * BITS)) as u8 & RANK_MAX)
    })
}
