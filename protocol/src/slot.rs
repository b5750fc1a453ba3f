//! Hash slots: which of the 16,384 parts of the key space a key belongs to.
//!
//! Source: the Redis Cluster specification, "Key distribution model" and "Hash tags".

/// Number of slots.
#[cfg(not(torc_few_slots))]
pub const SLOT_COUNT: usize = 16_384;

/// Number of slots in simulated rings: what is done for every slot is done sixty-four times less often, so that many more worlds can be tried. No client could use
/// such a node.
#[cfg(torc_few_slots)]
pub const SLOT_COUNT: usize = 256;

/// A slot, always below [`SLOT_COUNT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u16);

impl Slot {
    /// Slot `index`, or `None` beyond the last one.
    pub const fn new(index: u16) -> Option<Slot> {
        if (index as usize) < SLOT_COUNT { Some(Slot(index)) } else { None }
    }

    /// Its number.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The slot of `key`: CRC16 of its hash tag, or of the whole key where it has none.
pub fn slot_of(key: &[u8]) -> Slot {
    Slot(crc16(hash_tag(key)) & (SLOT_COUNT as u16 - 1))
}

/// The part of `key` that is hashed: what stands between the first `{` and the next `}`, if that is not empty.
#[inline]
pub fn hash_tag(key: &[u8]) -> &[u8] {
    if has_open_brace(key) { marked_tag(key) } else { key }
}

/// Bytes that are looked at one by one.
const NEAR: usize = 16;

/// Whether `{` is among the bytes. Most keys are too short for a call of `memchr` to pay.
#[inline]
fn has_open_brace(key: &[u8]) -> bool {
    let Some(last) = key.last_chunk::<8>() else { return key.contains(&b'{') };
    // A byte is zero where the brace was; a zero byte borrows from its highest bit (Knuth, volume 4A, section 7.1.3).
    let zeros = |word: &[u8; 8]| {
        let word = u64::from_le_bytes(*word) ^ 0x7b7b_7b7b_7b7b_7b7b;
        word.wrapping_sub(0x0101_0101_0101_0101) & !word & 0x8080_8080_8080_8080
    };
    let Some((first, rest)) = key.split_first_chunk::<8>() else { return false };
    if rest.len() <= 8 {
        return (zeros(first) | zeros(last)) != 0;
    }
    // The last word overlaps the one before it.
    let (words, _) = key.as_chunks::<8>();
    words.iter().fold(zeros(last), |all, word| all | zeros(word)) != 0
}

#[inline(never)]
fn marked_tag(key: &[u8]) -> &[u8] {
    let Some(open) = find_near(b'{', key) else { return key };
    match find_near(b'}', &key[open + 1..]) {
        None | Some(0) => key,
        Some(len) => &key[open + 1..open + 1 + len],
    }
}

/// Where `byte` stands first. Tags are short and mostly at a key's beginning, so that a call of `memchr` costs more than it saves.
fn find_near(byte: u8, bytes: &[u8]) -> Option<usize> {
    let (near, far) = bytes.split_at(bytes.len().min(NEAR));
    let found = near.iter().position(|&other| other == byte);
    found.or_else(|| Some(NEAR + memchr::memchr(byte, far)?))
}

/// CRC16/XMODEM (polynomial 0x1021, initial value 0), eight bytes a step.
pub fn crc16(bytes: &[u8]) -> u16 {
    let mut crc = 0u16;
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let head = crc ^ u16::from_be_bytes([chunk[0], chunk[1]]);
        crc = TABLES[7][(head >> 8) as usize]
            ^ TABLES[6][(head & 0xff) as usize]
            ^ TABLES[5][chunk[2] as usize]
            ^ TABLES[4][chunk[3] as usize]
            ^ TABLES[3][chunk[4] as usize]
            ^ TABLES[2][chunk[5] as usize]
            ^ TABLES[1][chunk[6] as usize]
            ^ TABLES[0][chunk[7] as usize];
    }
    for &byte in chunks.remainder() {
        crc = (crc << 8) ^ TABLES[0][((crc >> 8) as u8 ^ byte) as usize];
    }
    crc
}

/// `TABLES[k][b]`: the CRC of byte `b` followed by `k` zero bytes (slicing-by-8, Kounavis and Berry 2005).
static TABLES: [[u16; 256]; 8] = tables();

const fn tables() -> [[u16; 256]; 8] {
    let mut tables = [[0u16; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 != 0 { (crc << 1) ^ 0x1021 } else { crc << 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut k = 1;
    while k < 8 {
        let mut byte = 0;
        while byte < 256 {
            let prev = tables[k - 1][byte];
            tables[k][byte] = (prev << 8) ^ tables[0][(prev >> 8) as usize];
            byte += 1;
        }
        k += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc_matches_the_specifications_check_value() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(crc16(b""), 0);
    }

    #[test]
    fn eight_bytes_a_step_equals_one_byte_a_step() {
        let bytes: Vec<u8> = (0..100u32).map(|i| (i * 37 + 11) as u8).collect();
        for len in 0..bytes.len() {
            let slow = bytes[..len]
                .iter()
                .fold(0u16, |crc, &b| (crc << 8) ^ TABLES[0][((crc >> 8) as u8 ^ b) as usize]);
            assert_eq!(crc16(&bytes[..len]), slow, "length {len}");
        }
    }

    #[test]
    fn hash_tags_follow_the_specification() {
        let check = |key: &str, tag: &str| assert_eq!(hash_tag(key.as_bytes()), tag.as_bytes());
        check("{user1000}.following", "user1000");
        check("foo{}{bar}", "foo{}{bar}");
        check("foo{{bar}}zap", "{bar");
        check("foo{bar}{zap}", "bar");
        check("foo{bar", "foo{bar");
        check("foo}bar{", "foo}bar{");
        check("{a tag that is longer than most}.x", "a tag that is longer than most");
        // Wherever the brace lies in a word of eight bytes, in the last one too.
        for (before, behind) in (0..20).flat_map(|before| (0..20).map(move |it| (before, it))) {
            let key = format!("{}{{t}}{}", "k".repeat(before), "|z".repeat(behind / 2));
            check(&key, "t");
            check(&key.replace('{', "["), &key.replace('{', "["));
        }
        assert_eq!(slot_of(b"foo").index(), 12182);
    }
}
