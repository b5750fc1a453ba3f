//! Strings as arrays of bits: single bits, counting, searching and combining.
//!
//! Bit 0 is the most significant bit of byte 0. Everything beyond the end reads as 0, and a caller that wants to write
//! there grows the string first. Source: the pages of SETBIT, GETBIT, BITCOUNT, BITPOS and BITOP on redis.io.

/// How [`combine`] puts several strings together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Bits set in all.
    And,
    /// Bits set in any.
    Or,
    /// Bits set in an odd number of them.
    Xor,
    /// Bits not set in the only one.
    Not,
}

/// Bit `offset` of `bytes`; false beyond the end.
pub fn get(bytes: &[u8], offset: u64) -> bool {
    let byte = usize::try_from(offset / 8).ok().and_then(|index| bytes.get(index));
    byte.is_some_and(|byte| byte & mask(offset) != 0)
}

/// Sets bit `offset` to `bit` and returns what it was. Panics beyond the end: the caller has grown `bytes`.
pub fn put(bytes: &mut [u8], offset: u64, bit: bool) -> bool {
    let byte = &mut bytes[(offset / 8) as usize];
    let before = *byte & mask(offset) != 0;
    if bit {
        *byte |= mask(offset);
    } else {
        *byte &= !mask(offset);
    }
    before
}

fn mask(offset: u64) -> u8 {
    0x80 >> (offset % 8)
}

/// Number of set bits.
pub fn count(bytes: &[u8]) -> u64 {
    // Four independent sums keep the additions from waiting for each other.
    let mut sums = [0u64; 4];
    let mut blocks = bytes.chunks_exact(32);
    for block in &mut blocks {
        for (sum, word) in sums.iter_mut().zip(block.chunks_exact(8)) {
            *sum += u64::from(word_of(word).count_ones());
        }
    }
    let rest: u64 = blocks.remainder().iter().map(|byte| u64::from(byte.count_ones())).sum();
    sums.iter().sum::<u64>() + rest
}

/// Number of set bits from bit `first` to bit `last`, both included and inside `bytes`.
pub fn count_range(bytes: &[u8], first: u64, last: u64) -> u64 {
    let span = Span::new(first, last);
    if span.first == span.last {
        return u64::from((bytes[span.first] & span.head & span.tail).count_ones());
    }
    u64::from((bytes[span.first] & span.head).count_ones())
        + count(&bytes[span.first + 1..span.last])
        + u64::from((bytes[span.last] & span.tail).count_ones())
}

/// The first bit equal to `bit` from bit `first` to bit `last`, both included and inside `bytes`.
pub fn position(bytes: &[u8], bit: bool, first: u64, last: u64) -> Option<u64> {
    // Looking for a clear bit is looking for a set one in the complement.
    let flip = if bit { 0x00 } else { 0xff };
    let hit = |index: usize, mask: u8| {
        let byte = (bytes[index] ^ flip) & mask;
        (byte != 0).then(|| index as u64 * 8 + u64::from(byte.leading_zeros()))
    };
    let span = Span::new(first, last);
    if span.first == span.last {
        return hit(span.first, span.head & span.tail);
    }
    hit(span.first, span.head)
        .or_else(|| {
            let inner = &bytes[span.first + 1..span.last];
            first_other(inner, flip).and_then(|index| hit(span.first + 1 + index, 0xff))
        })
        .or_else(|| hit(span.last, span.tail))
}

/// Index of the first byte that is not `byte`, a word at a time.
fn first_other(bytes: &[u8], byte: u8) -> Option<usize> {
    let word = u64::from_ne_bytes([byte; 8]);
    let skipped = 8 * bytes.chunks_exact(8).take_while(|chunk| word_of(chunk) == word).count();
    bytes[skipped..].iter().position(|&other| other != byte).map(|index| skipped + index)
}

/// The bytes that a range of bits touches, and which bits of its first and last byte belong to it.
struct Span {
    first: usize,
    head: u8,
    last: usize,
    tail: u8,
}

impl Span {
    fn new(first: u64, last: u64) -> Self {
        debug_assert!(first <= last);
        Span {
            first: (first / 8) as usize,
            head: 0xff >> (first % 8),
            last: (last / 8) as usize,
            tail: 0xff << (7 - last % 8),
        }
    }
}

fn word_of(chunk: &[u8]) -> u64 {
    chunk.iter().fold(0, |word, &byte| word << 8 | u64::from(byte))
}

/// The strings of `sources` combined bit by bit; as long as the longest, the shorter ones followed by zeros.
/// `Not` takes the first alone.
pub fn combine(operation: Operation, sources: &[&[u8]]) -> Vec<u8> {
    let len = sources.iter().map(|source| source.len()).max().unwrap_or(0);
    let Some((first, others)) = sources.split_first() else { return Vec::new() };
    let mut result = Vec::with_capacity(len);
    result.extend_from_slice(first);
    if operation == Operation::Not {
        result.iter_mut().for_each(|byte| *byte = !*byte);
        return result;
    }
    result.resize(len, 0);
    // Plain loops over bytes: the compiler turns each into whole vector registers, wider than words of our own would be.
    for source in others {
        let both = result.iter_mut().zip(source.iter());
        match operation {
            Operation::And => {
                both.for_each(|(to, from)| *to &= from);
                result[source.len()..].fill(0);
            }
            Operation::Or => both.for_each(|(to, from)| *to |= from),
            Operation::Xor => both.for_each(|(to, from)| *to ^= from),
            Operation::Not => {}
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    fn random_bytes(rng: &mut Rng, len: usize) -> Vec<u8> {
        // Runs of equal bytes, so that searching has something to skip.
        let mut bytes = Vec::new();
        while bytes.len() < len {
            let byte = [0x00, 0xff, rng.bits() as u8][rng.below(3) as usize];
            bytes.extend(std::iter::repeat_n(byte, 1 + rng.below(20) as usize));
        }
        bytes.truncate(len);
        bytes
    }

    #[test]
    fn single_bits_count_from_the_most_significant() {
        let mut bytes = vec![0u8; 2];
        assert!(!put(&mut bytes, 7, true));
        assert!(put(&mut bytes, 7, true));
        assert!(!put(&mut bytes, 8, true));
        assert_eq!(bytes, [0x01, 0x80]);
        assert!(get(&bytes, 7) && get(&bytes, 8) && !get(&bytes, 9));
        assert!(!get(&bytes, 16) && !get(&bytes, u64::MAX));
        assert!(put(&mut bytes, 8, false));
        assert_eq!(bytes, [0x01, 0x00]);
    }

    #[test]
    fn ranges_agree_with_looking_at_every_bit() {
        let mut rng = Rng::seeded(7);
        for round in 0..2_000 {
            let len = 1 + rng.below(120) as usize;
            let bytes = random_bytes(&mut rng, len);
            let bits = bytes.len() as u64 * 8;
            let (a, b) = (rng.below(bits), rng.below(bits));
            let (first, last) = (a.min(b), a.max(b));
            let ones = (first..=last).filter(|&i| get(&bytes, i)).count() as u64;
            assert_eq!(count_range(&bytes, first, last), ones, "round {round}");
            for bit in [false, true] {
                let slow = (first..=last).find(|&i| get(&bytes, i) == bit);
                assert_eq!(position(&bytes, bit, first, last), slow, "round {round}");
            }
            assert_eq!(count(&bytes), count_range(&bytes, 0, bits - 1), "round {round}");
        }
    }

    #[test]
    fn combining_pads_the_shorter_with_zeros() {
        let check = |operation, sources: &[&[u8]], expected: &[u8]| {
            assert_eq!(combine(operation, sources), expected, "{operation:?} {sources:?}");
        };
        check(Operation::And, &[b"\xff\x0f\xff", b"\xf0"], b"\xf0\x00\x00");
        check(Operation::And, &[b"\xf0", b"\xff\x0f\xff"], b"\xf0\x00\x00");
        check(Operation::Or, &[b"\x01", b"\x10\x02", b""], b"\x11\x02");
        check(Operation::Xor, &[b"\xff\xff", b"\x0f"], b"\xf0\xff");
        check(Operation::Not, &[b"\x00\xa5"], b"\xff\x5a");
        check(Operation::And, &[b"", b""], b"");
        check(Operation::Or, &[b"abc"], b"abc");
    }
}
