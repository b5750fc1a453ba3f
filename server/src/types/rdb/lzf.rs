//! LZF: the compression of strings in RDB payloads.
//!
//! A compressed string is a series of:
//!
//! ```text
//! 000lllll, bytes                     l + 1 bytes as they are (1..=32)
//! LLLooooo oooooooo                   L + 2 bytes from o + 1 bytes back, L from 1 to 6
//! 111ooooo llllllll oooooooo          l + 9 bytes from o + 1 bytes back
//! ```
//!
//! The format leaves open which matches are taken. [`compress`] makes the choices of liblzf's fast mode, the one that
//! Redis uses, so that a DUMP is the same bytes: candidates come from a table of 65,536 positions, looked up by a hash of
//! three bytes, the newest position winning; after a match only its last two positions are entered. liblzf can be built to
//! leave that table uninitialised; then what an earlier call left there could lead it to a match that this table does not
//! know. Such a payload would differ and decompress to the same string; none of 20,000 compared with Redis 7.0 did.
//!
//! Source: Marc Lehmann's LibLZF, its description of the format and its behaviour.

const HASH_BITS: u32 = 16;
const LITERALS_MAX: usize = 32;
const DISTANCE_MAX: usize = 1 << 13;
const MATCH_MIN: usize = 3;
const MATCH_MAX: usize = MATCH_LONG + 255;
/// A match of this length or more takes a third byte for it.
const MATCH_LONG: usize = 9;
/// Most bytes that one compressed byte can stand for: the longest match takes three.
const RATIO_MAX: usize = MATCH_MAX / 3;

/// `bytes` compressed, or `None` if that takes more than `compressed_max` bytes.
pub fn compress(bytes: &[u8], compressed_max: usize) -> Option<Vec<u8>> {
    // Positions are kept in 32 bits.
    if bytes.is_empty() || compressed_max == 0 || u32::try_from(bytes.len()).is_err() {
        return None;
    }
    compress_with(Table::for_value(bytes.len()), bytes, compressed_max)
}

/// As [`compress`], with the table that a large value gets.
#[cfg(test)]
pub fn compress_with_whole_table(bytes: &[u8], compressed_max: usize) -> Option<Vec<u8>> {
    compress_with(Table::whole(), bytes, compressed_max)
}

fn compress_with(mut table: Table, bytes: &[u8], compressed_max: usize) -> Option<Vec<u8>> {
    let mut writer = Writer::new(compressed_max);
    let mut at = 0;
    while at + 2 < bytes.len() {
        let candidate = std::mem::replace(table.newest(slot(bytes, at)), at as u32) as usize;
        // Position 0 is never a candidate: it is what an empty slot holds.
        let is_match = candidate > 0
            && at - candidate <= DISTANCE_MAX
            && bytes[candidate..candidate + MATCH_MIN] == bytes[at..at + MATCH_MIN];
        if !is_match {
            writer.literal(bytes[at])?;
            at += 1;
            continue;
        }
        let len = match_len(bytes, candidate, at);
        writer.reference(at - candidate, len)?;
        at += len;
        if at + 2 >= bytes.len() {
            break;
        }
        for entered in [at - 2, at - 1] {
            *table.newest(slot(bytes, entered)) = entered as u32;
        }
    }
    writer.finish(&bytes[at..])
}

/// The newest position for each of the 65,536 slots, 0 for none.
///
/// A whole table is 256 KiB, and zeroing that takes longer than compressing a small value. Such a value can use few of the slots, so that a
/// small open-addressed map from slot to position answers the same.
enum Table {
    Whole(Vec<u32>),
    /// `(slot, position)` at the slot's place or, where that is taken, behind it; at most half full.
    Sparse(Vec<(u32, u32)>),
}

/// Marks a free place; no slot has this number.
const FREE: u32 = u32::MAX;

/// From this length on the map would hardly be smaller than the whole table.
pub(super) const SPARSE_BYTES_MAX: usize = 4 * 1024;

impl Table {
    fn for_value(bytes: usize) -> Self {
        if bytes > SPARSE_BYTES_MAX {
            Table::whole()
        } else {
            // Each byte enters one slot at most.
            Table::Sparse(vec![(FREE, 0); (2 * bytes).next_power_of_two()])
        }
    }

    fn whole() -> Self {
        Table::Whole(vec![0; 1 << HASH_BITS])
    }

    /// The position kept for `slot`.
    fn newest(&mut self, slot: usize) -> &mut u32 {
        match self {
            Table::Whole(positions) => &mut positions[slot],
            Table::Sparse(places) => {
                let mask = places.len() - 1;
                // The low bits of LZF's hash are alike for alike bytes; a multiplication spreads them (Knuth, "Sorting and Searching", 6.4).
                let mut at = (slot.wrapping_mul(0x9e37_79b1) >> 12) & mask;
                while places[at].0 != FREE && places[at].0 != slot as u32 {
                    at = (at + 1) & mask;
                }
                places[at].0 = slot as u32;
                &mut places[at].1
            }
        }
    }
}

/// The slot of the three bytes at `at`.
fn slot(bytes: &[u8], at: usize) -> usize {
    let value = u32::from_be_bytes([0, bytes[at], bytes[at + 1], bytes[at + 2]]);
    let hash = (value >> (24 - HASH_BITS)).wrapping_sub(value.wrapping_mul(5));
    (hash & ((1 << HASH_BITS) - 1)) as usize
}

/// How many bytes at `at` equal those at `earlier`, the first three being equal.
///
/// liblzf stops two bytes before the end of `bytes`, but it looks at its bound only after it has compared a first byte, or a first
/// sixteen where the bound is beyond those; so a match that got that far is one byte longer than that.
fn match_len(bytes: &[u8], earlier: usize, at: usize) -> usize {
    let bound = (bytes.len() - at - 2).min(MATCH_MAX);
    let len_max = bound.max(if bound > 16 { 2 + 16 + 1 } else { MATCH_MIN });
    let same = bytes[earlier + MATCH_MIN..]
        .iter()
        .zip(&bytes[at + MATCH_MIN..at + len_max])
        .take_while(|(a, b)| a == b)
        .count();
    MATCH_MIN + same
}

/// Output of bounded size. The byte that counts a run of literals stands before them and is filled in when the run ends.
struct Writer {
    out: Vec<u8>,
    literals: usize,
    bytes_max: usize,
}

impl Writer {
    fn new(bytes_max: usize) -> Self {
        Writer { out: vec![0], literals: 0, bytes_max }
    }

    fn literal(&mut self, byte: u8) -> Option<()> {
        if self.out.len() >= self.bytes_max {
            return None;
        }
        self.push_literal(byte);
        Some(())
    }

    fn push_literal(&mut self, byte: u8) {
        self.out.push(byte);
        self.literals += 1;
        if self.literals == LITERALS_MAX {
            self.end_run();
            self.out.push(0);
        }
    }

    fn reference(&mut self, distance: usize, len: usize) -> Option<()> {
        // Room for the match, the next run's count and one literal, less the count of an empty run.
        let used = self.out.len() - usize::from(self.literals == 0);
        if used + 3 + 1 >= self.bytes_max {
            return None;
        }
        self.end_run();
        let offset = distance - 1;
        let high = (offset >> 8) as u8;
        if len < MATCH_LONG {
            self.out.push(((len - 2) as u8) << 5 | high);
        } else {
            self.out.extend_from_slice(&[7 << 5 | high, (len - MATCH_LONG) as u8]);
        }
        self.out.extend_from_slice(&[offset as u8, 0]);
        Some(())
    }

    /// Writes the count of the run of literals, or takes its place back if there are none.
    fn end_run(&mut self) {
        let count_at = self.out.len() - self.literals - 1;
        if self.literals == 0 {
            self.out.truncate(count_at);
        } else {
            self.out[count_at] = (self.literals - 1) as u8;
        }
        self.literals = 0;
    }

    /// Appends what is left, at most three bytes, as literals.
    fn finish(mut self, rest: &[u8]) -> Option<Vec<u8>> {
        // liblzf asks for room for three however many there are.
        if self.out.len() + 3 > self.bytes_max {
            return None;
        }
        rest.iter().for_each(|&byte| self.push_literal(byte));
        self.end_run();
        Some(self.out)
    }
}

/// What `compressed` stands for, if it is well-formed and has exactly `len` bytes. Allocates no more than `compressed` can stand
/// for, whatever `len` claims.
pub fn decompress(compressed: &[u8], len: usize) -> Option<Vec<u8>> {
    if len > compressed.len().saturating_mul(RATIO_MAX) {
        return None;
    }
    if len == 0 {
        // Any bytes will do: liblzf reports an error as a length of 0, which Redis then finds to be right.
        return Some(Vec::new());
    }
    let mut out = Vec::with_capacity(len);
    let mut rest = compressed;
    while let Some((&control, after)) = rest.split_first() {
        rest = after;
        if control < LITERALS_MAX as u8 {
            let (literals, after) = rest.split_at_checked(usize::from(control) + 1)?;
            out.extend_from_slice(literals);
            rest = after;
        } else {
            let mut count = usize::from(control >> 5) + 2;
            if count == MATCH_LONG {
                let (&more, after) = rest.split_first()?;
                count += usize::from(more);
                rest = after;
            }
            let (&low, after) = rest.split_first()?;
            rest = after;
            let distance = (usize::from(control & 0x1f) << 8 | usize::from(low)) + 1;
            copy_back(&mut out, distance, count)?;
        }
        if out.len() > len {
            return None;
        }
    }
    (out.len() == len).then_some(out)
}

/// Appends `count` bytes from `distance` bytes back. They may overlap what is appended: then they repeat.
fn copy_back(out: &mut Vec<u8>, distance: usize, count: usize) -> Option<()> {
    let from = out.len().checked_sub(distance)?;
    let mut left = count;
    while left > 0 {
        // What stands from `from` on repeats every `distance` bytes, and each round doubles it.
        let step = left.min(out.len() - from);
        out.extend_from_within(from..from + step);
        left -= step;
    }
    Some(())
}
