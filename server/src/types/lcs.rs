//! The longest common subsequence of two strings: its length, its bytes, and the ranges in which they match.
//!
//! Several subsequences can be the longest; Redis's is the one that its walk back through the table of lengths meets, and
//! a client sees it. The walk goes from the ends of both strings to their beginnings: equal bytes are taken; otherwise it
//! steps back in `a` where that keeps a longer subsequence than stepping back in `b` would, else in `b`.
//!
//! Lengths grow by 0 or 1 along a row of that table, so a row is one bit a column here (Crochemore and others, "A fast and
//! practical bit-vector algorithm for the longest common subsequence problem", 2001): 64 cells a step, and 1/32 of the memory.
//! Where the bytes differ, `length[i][j] > length[i][j-1]` holds exactly where `length[i-1][j] > length[i][j-1]` does, so the
//! walk needs nothing but these bits.

use std::ops::Range;

/// Why [`lcs`] refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLarge;

/// What [`lcs`] finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lcs {
    /// The subsequence.
    pub bytes: Vec<u8>,
    /// The runs of consecutive bytes in both strings that make it up, the last one first.
    pub matches: Vec<Match>,
}

/// Equal bytes at both places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// Where in the first string.
    pub a: Range<usize>,
    /// Where in the second; as long.
    pub b: Range<usize>,
}

impl Match {
    /// Number of bytes.
    pub fn len(&self) -> usize {
        self.a.len()
    }

    /// Whether it holds no byte; no match that [`lcs`] returns is empty.
    pub fn is_empty(&self) -> bool {
        self.a.is_empty()
    }
}

/// The longest common subsequence of `a` and `b`.
///
/// Refuses what Redis refuses: strings whose table of 32-bit lengths would take more than `table_bytes_max` (its
/// `proto-max-bulk-len`). The memory used is below a quarter of that.
pub fn lcs(a: &[u8], b: &[u8], table_bytes_max: u64) -> Result<Lcs, TooLarge> {
    check_size(a, b, table_bytes_max)?;
    let masks = Masks::new(a, b);
    // Rows are kept to the byte, not to the word: `b` may be one byte long and `a` as long as the bound lets it.
    let row_bytes = b.len().div_ceil(8);
    let mut rows = Vec::with_capacity(a.len() * row_bytes);
    let mut row = vec![u64::MAX; masks.words];
    for &byte in a {
        advance(&mut row, masks.of(byte));
        rows.extend(row.iter().flat_map(|word| word.to_le_bytes()).take(row_bytes));
    }
    let grows = |i: usize, j: usize| {
        let column = j - 1;
        rows[(i - 1) * row_bytes + column / 8] >> (column % 8) & 1 == 0
    };
    Ok(walk_back(a, b, grows))
}

/// The length of the longest common subsequence of `a` and `b`, in memory for one row. Refuses as [`lcs`] does.
pub fn lcs_len(a: &[u8], b: &[u8], table_bytes_max: u64) -> Result<usize, TooLarge> {
    check_size(a, b, table_bytes_max)?;
    let masks = Masks::new(a, b);
    let mut row = vec![u64::MAX; masks.words];
    for &byte in a {
        advance(&mut row, masks.of(byte));
    }
    let grown: u32 = row.iter().map(|word| word.count_zeros()).sum();
    Ok(grown as usize)
}

fn check_size(a: &[u8], b: &[u8], table_bytes_max: u64) -> Result<(), TooLarge> {
    let cells = (a.len() as u128 + 1) * (b.len() as u128 + 1);
    if cells * 4 > u128::from(table_bytes_max) { Err(TooLarge) } else { Ok(()) }
}

/// One row further: a clear bit says that the length grows in that column. Columns beyond the string match nothing and
/// stay set.
fn advance(row: &mut [u64], matches: &[u64]) {
    let mut carry = false;
    for (word, &matching) in row.iter_mut().zip(matches) {
        let taken = *word & matching;
        let (sum, over) = word.overflowing_add(taken);
        let (sum, over_by_carry) = sum.overflowing_add(u64::from(carry));
        carry = over || over_by_carry;
        *word = sum | (*word & !matching);
    }
}

/// For each byte that occurs in `a`, the columns of `b` that hold it. At most as large as the rows.
struct Masks {
    words: usize,
    bits: Vec<u64>,
    start: [u32; 256],
}

impl Masks {
    fn new(a: &[u8], b: &[u8]) -> Masks {
        const ABSENT: u32 = u32::MAX;
        let words = b.len().div_ceil(64);
        let mut start = [ABSENT; 256];
        let mut count = 0;
        for &byte in a {
            if start[usize::from(byte)] == ABSENT {
                start[usize::from(byte)] = count;
                count += 1;
            }
        }
        let mut bits = vec![0u64; count as usize * words];
        for (column, &byte) in b.iter().enumerate() {
            let nth = start[usize::from(byte)];
            if nth != ABSENT {
                bits[nth as usize * words + column / 64] |= 1 << (column % 64);
            }
        }
        Masks { words, bits, start }
    }

    /// The columns that hold `byte`, a byte of `a`.
    fn of(&self, byte: u8) -> &[u64] {
        let first = self.start[usize::from(byte)] as usize * self.words;
        &self.bits[first..first + self.words]
    }
}

/// Collects the subsequence; `grows(i, j)` tells whether the first `i` bytes of `a` have more in common with the first `j`
/// of `b` than with the first `j - 1`.
fn walk_back(a: &[u8], b: &[u8], grows: impl Fn(usize, usize) -> bool) -> Lcs {
    let (mut i, mut j) = (a.len(), b.len());
    let mut bytes = Vec::new();
    let mut matches = Vec::new();
    while i > 0 && j > 0 {
        if a[i - 1] != b[j - 1] {
            if grows(i, j) {
                i -= 1
            } else {
                j -= 1
            }
            continue;
        }
        let (a_end, b_end) = (i, j);
        while i > 0 && j > 0 && a[i - 1] == b[j - 1] {
            bytes.push(a[i - 1]);
            i -= 1;
            j -= 1;
        }
        matches.push(Match { a: i..a_end, b: j..b_end });
    }
    bytes.reverse();
    Lcs { bytes, matches }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    const NO_LIMIT: u64 = 512 << 20;

    /// The plain table of lengths and the walk as the module doc describes it.
    fn by_table(a: &[u8], b: &[u8]) -> Vec<u8> {
        let mut length = vec![vec![0usize; b.len() + 1]; a.len() + 1];
        for i in 1..=a.len() {
            for j in 1..=b.len() {
                length[i][j] = if a[i - 1] == b[j - 1] {
                    length[i - 1][j - 1] + 1
                } else {
                    length[i - 1][j].max(length[i][j - 1])
                };
            }
        }
        let (mut i, mut j, mut bytes) = (a.len(), b.len(), Vec::new());
        while i > 0 && j > 0 {
            if a[i - 1] == b[j - 1] {
                bytes.push(a[i - 1]);
                (i, j) = (i - 1, j - 1);
            } else if length[i - 1][j] > length[i][j - 1] {
                i -= 1;
            } else {
                j -= 1;
            }
        }
        bytes.reverse();
        bytes
    }

    #[test]
    fn rows_of_bits_equal_the_table_of_lengths() {
        let mut rng = Rng::seeded(5);
        for round in 0..600 {
            let letters = 1 + rng.below(6);
            let mut string = || -> Vec<u8> {
                let len = rng.below(150);
                (0..len).map(|_| b'a' + rng.below(letters) as u8).collect()
            };
            let (a, b) = (string(), string());
            let found = lcs(&a, &b, NO_LIMIT).unwrap();
            assert_eq!(found.bytes, by_table(&a, &b), "round {round}");
            assert_eq!(lcs_len(&a, &b, NO_LIMIT), Ok(found.bytes.len()), "round {round}");
            let joined: Vec<u8> =
                found.matches.iter().rev().flat_map(|run| a[run.a.clone()].to_vec()).collect();
            assert_eq!(joined, found.bytes, "round {round}");
            assert!(found.matches.iter().all(|run| a[run.a.clone()] == b[run.b.clone()]));
        }
    }

    #[test]
    fn the_example_of_the_command_page() {
        let found = lcs(b"ohmytext", b"mynewtext", NO_LIMIT).unwrap();
        assert_eq!(found.bytes, b"mytext");
        let runs: Vec<_> =
            found.matches.iter().map(|run| (run.a.clone(), run.b.clone(), run.len())).collect();
        assert_eq!(runs, [(4..8, 5..9, 4), (2..4, 0..2, 2)]);
    }

    #[test]
    fn empty_strings_have_nothing_in_common() {
        for (a, b) in [("", ""), ("a", ""), ("", "a"), ("ab", "cd")] {
            let found = lcs(a.as_bytes(), b.as_bytes(), NO_LIMIT).unwrap();
            assert!(found.bytes.is_empty() && found.matches.is_empty(), "{a} {b}");
            assert_eq!(lcs_len(a.as_bytes(), b.as_bytes(), NO_LIMIT), Ok(0));
        }
    }

    #[test]
    fn the_bound_is_that_of_a_table_of_32_bit_lengths() {
        let (a, b) = (vec![b'a'; 999], vec![b'b'; 499]);
        assert_eq!(lcs_len(&a, &b, 1000 * 500 * 4), Ok(0));
        assert_eq!(lcs_len(&a, &b, 1000 * 500 * 4 - 1), Err(TooLarge));
        assert_eq!(lcs(&a, &b, 1000 * 500 * 4 - 1), Err(TooLarge));
    }
}
