//! Bit layouts of the index's words.
//!
//! ```text
//! root, child  | branch 1 | lg 7 (bits 56..63) | 0 (8) | table or branch pointer (48) |     0 = no key
//! ctrl         | version 42 | bitmap 21 | FROZEN 1 |
//! link         | overflow line pointer (bits 6..47) | FROZEN 1 (bit 1) |                      0 = no line
//! slot word    | tag 16 | SPECIAL 1 | entry pointer (bits 3..47) | TTL 1 | FROZEN 1 | LATCH 1 |
//! ```
//!
//! Entries are 8-aligned and user addresses end below 2^47, which leaves three low bits and bit 47 free. Where a word names no entry, SPECIAL says
//! that it was initialised all the same; where it names one, that somebody watches the key.

/// Address bits of a slot word.
const POINTER: u64 = 0x0000_7fff_ffff_fff8;
/// A transaction holds the key: everybody else waits. Travels with the word into a new table.
pub const LATCH: u64 = 1;
/// The word will never change again; its table is being replaced.
pub const FROZEN: u64 = 2;
/// The entry has a deadline, so that sweeping and sampling need not touch the entries that have none.
pub const TTL: u64 = 4;
/// Not an entry, where the pointer is none.
const SPECIAL: u64 = 1 << 47;
/// Somebody wants to be told when the key changes: whoever changes it first takes this off and says so. Travels with the word into a new table.
pub const WATCHED: u64 = SPECIAL;
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
    // EMPTY's pointer is 0 and DEAD's is 8, where no entry lies.
    word & POINTER > 8
}

/// `word` with the entry at `pointer`, which has no deadline, in the place of its own; latched.
pub fn latched_at(word: u64, pointer: u64) -> u64 {
    debug_assert!(pointer & !POINTER == 0, "entries are 8-aligned and below 2^47");
    word_tag(word) << 48 | pointer | LATCH
}

/// The address in a slot word.
pub fn pointer(word: u64) -> u64 {
    word & POINTER
}

/// The control word of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ctrl(pub u64);

/// Slot words in a bucket's own line.
#[cfg(not(torc_loom))]
pub const HOME_WORDS: usize = 6;
/// Few, so that models reach overflow and growth.
#[cfg(torc_loom)]
pub const HOME_WORDS: usize = 2;
/// Slot words in a bucket's own line and its first overflow line.
#[cfg(not(torc_loom))]
pub const NEAR_WORDS: usize = 13;
/// Few, so that models reach overflow and growth.
#[cfg(torc_loom)]
pub const NEAR_WORDS: usize = 3;
/// Slot words of a bucket with both overflow lines.
#[cfg(not(torc_loom))]
pub const BUCKET_WORDS: usize = 21;
/// Few, so that models reach overflow and growth.
#[cfg(torc_loom)]
pub const BUCKET_WORDS: usize = 4;

impl Ctrl {
    const FROZEN: u64 = 1;
    const BITMAP: u64 = ((1 << BUCKET_WORDS) - 1) << 1;
    const VERSION_ONE: u64 = 1 << (BUCKET_WORDS + 1);

    /// A bucket that holds its first `count` words.
    pub fn filled(count: usize) -> Self {
        Ctrl(((1u64 << count) - 1) << 1)
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
        ((self.0 & Self::BITMAP) >> 1) as u32
    }

    /// With word `i` published.
    pub fn publish(self, i: usize) -> Self {
        Ctrl((self.0 | 2 << i).wrapping_add(Self::VERSION_ONE))
    }

    /// With word `i` unpublished.
    pub fn withdraw(self, i: usize) -> Self {
        Ctrl((self.0 & !(2 << i)).wrapping_add(Self::VERSION_ONE))
    }
}
