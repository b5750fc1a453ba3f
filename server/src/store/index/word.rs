//! Bit layouts of the index's words.
//!
//! ```text
//! root, child  | branch 1 | lg 7 (bits 56..63) | 0 (8) | table or branch pointer (48) |     0 = no key
//! ctrl         | version 32 | overflow line + 1 : 16 | bitmap 15 | FROZEN 1 |
//! slot word    | tag 16 | SPECIAL 1 | entry pointer (bits 3..47) | TTL 1 | FROZEN 1 | LATCH 1 |
//! ```
//!
//! Entries are 8-aligned and user addresses end below 2^47, which leaves three low bits and bit 47 free.

/// Address bits of a slot word.
const POINTER: u64 = 0x0000_7fff_ffff_fff8;
/// A transaction holds the key: everybody else waits. Travels with the word into a new table.
pub const LATCH: u64 = 1;
/// The word will never change again; its table is being replaced.
pub const FROZEN: u64 = 2;
/// The entry has a deadline, so that sweeping and sampling need not touch the entries that have none.
pub const TTL: u64 = 4;
/// Not an entry.
const SPECIAL: u64 = 1 << 47;
/// Free to be claimed.
pub const EMPTY: u64 = SPECIAL;
/// Deleted, its bit not cleared yet.
pub const DEAD: u64 = SPECIAL | 8;

/// Where a tag lies in a hash: below the top two bits. A table's bucket number is the hash's top bits, so number and
/// tag together give the top 18 bits, and a table grows without reading its entries.
pub const TAG_SHIFT: u32 = 46;
/// How many top bits of a hash bucket and tag give together.
pub const KNOWN_BITS: u32 = 18;

/// The word of an entry at `pointer` whose key hashes to `hash`.
pub fn slot_word(pointer: u64, hash: u64, has_deadline: bool) -> u64 {
    debug_assert!(pointer & !POINTER == 0, "entries are 8-aligned and below 2^47");
    tag(hash) << 48 | pointer | if has_deadline { TTL } else { 0 }
}

/// The tag of a hash.
pub fn tag(hash: u64) -> u64 {
    hash >> TAG_SHIFT & 0xffff
}

/// The tag in a slot word.
pub fn word_tag(word: u64) -> u64 {
    word >> 48
}

/// Whether a word names an entry.
pub fn is_entry(word: u64) -> bool {
    word & SPECIAL == 0 && word & POINTER != 0
}

/// The address in a slot word.
pub fn pointer(word: u64) -> u64 {
    word & POINTER
}

/// The control word of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ctrl(pub u64);

/// Words that a bucket's own line holds.
pub const LINE_WORDS: usize = 7;
/// Words of a bucket with its overflow line.
pub const BUCKET_WORDS: usize = 15;

impl Ctrl {
    const FROZEN: u64 = 1;

    /// A bucket that holds its first `count` words, with overflow line `line`.
    pub fn filled(count: usize, line: Option<usize>) -> Self {
        Ctrl(((1u64 << count) - 1) << 1).with_line(line)
    }

    fn with_line(self, line: Option<usize>) -> Self {
        Ctrl(self.0 & !(0xffff << 16) | line.map_or(0, |line| line as u64 + 1) << 16)
    }

    fn next_version(self) -> Self {
        Ctrl(self.0.wrapping_add(1 << 32))
    }

    /// No insert or delete will ever be published here again.
    pub fn is_frozen(self) -> bool {
        self.0 & Self::FROZEN != 0
    }

    /// The bit that freezes.
    pub fn frozen_bit() -> u64 {
        Self::FROZEN
    }

    /// Whether `self` and `other` publish the same words and nothing was published in between.
    pub fn same(self, other: Ctrl) -> bool {
        (self.0 ^ other.0) & !Self::FROZEN == 0
    }

    /// Which words are published, bit `i` for word `i`.
    pub fn bitmap(self) -> u32 {
        (self.0 >> 1) as u32 & 0x7fff
    }

    /// The bucket's overflow line.
    pub fn line(self) -> Option<usize> {
        ((self.0 >> 16 & 0xffff) as usize).checked_sub(1)
    }

    /// With word `i` published.
    pub fn publish(self, i: usize) -> Self {
        Ctrl(self.0 | 2 << i).next_version()
    }

    /// With word `i` unpublished.
    pub fn withdraw(self, i: usize) -> Self {
        Ctrl(self.0 & !(2 << i)).next_version()
    }

    /// With overflow line `line` attached.
    pub fn attach(self, line: usize) -> Self {
        self.with_line(Some(line)).next_version()
    }
}
