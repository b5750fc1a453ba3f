//! A run of packed elements in one piece of memory: the small form of every collection, and the leaf of every big one.
//!
//! ```text
//! | bytes used, these 8 included 4 | count 3 | flags 1 | element | element | ... | slack of leaves |
//!
//! element: | mark, if the block is marked | item | a second item, if it holds pairs |
//! ```
//!
//! Reading needs no state but the bytes, so a reader takes them from wherever they lie. Walking goes forwards only; what goes backwards
//! gathers the places first.

use super::item::{Encoded, Item, array, read, skip};
use super::stamp::Mark;

/// Elements have marks before them.
pub(super) const MARKED: u8 = 1;
/// Elements are two items: field and value, member and score.
pub(super) const PAIRS: u8 = 2;
/// A set of integers alone, in their order.
pub(super) const INTEGERS: u8 = 4;
/// A list whose elements have positions for good.
pub(super) const NUMBERED: u8 = 8;
/// Integers of fixed width without marks: its binary logarithm, in these bits.
pub(super) const WIDTH_SHIFT: u32 = 4;

/// Bytes before the first element.
pub(super) const HEADER_BYTES: usize = 8;
/// The count has 24 bits.
pub(super) const COUNT_MAX: usize = (1 << 24) - 1;

/// The header of a block.
pub(super) fn header(used: usize, count: usize, flags: u8) -> [u8; HEADER_BYTES] {
    debug_assert!(used <= u32::MAX as usize && count <= COUNT_MAX);
    let mut bytes = [0; HEADER_BYTES];
    bytes[..4].copy_from_slice(&(used as u32).to_le_bytes());
    bytes[4..].copy_from_slice(&((count as u32) | (flags as u32) << 24).to_le_bytes());
    bytes
}

/// Packed elements to read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block<'a> {
    bytes: &'a [u8],
}

impl Block<'static> {
    /// No element.
    pub(super) const EMPTY: Self = Block { bytes: &[HEADER_BYTES as u8, 0, 0, 0, 0, 0, 0, 0] };
}

impl<'a> Block<'a> {
    /// The block that `bytes` begins with, as it was written here.
    #[inline]
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Block { bytes }
    }

    /// Bytes in use, the header's included.
    #[inline]
    pub(super) fn used(self) -> usize {
        u32::from_le_bytes(array(&self.bytes[..4])) as usize
    }

    #[inline]
    fn word(self) -> u32 {
        u32::from_le_bytes(array(&self.bytes[4..8]))
    }

    #[inline]
    pub(super) fn count(self) -> usize {
        self.word() as usize & COUNT_MAX
    }

    #[inline]
    pub(super) fn flags(self) -> u8 {
        (self.word() >> 24) as u8
    }

    #[inline]
    pub(super) fn has(self, flag: u8) -> bool {
        self.flags() & flag != 0
    }

    /// All its bytes in use.
    #[inline]
    pub(super) fn bytes(self) -> &'a [u8] {
        &self.bytes[..self.used()]
    }

    /// The bytes of its elements.
    pub(super) fn body(self) -> &'a [u8] {
        &self.bytes()[HEADER_BYTES..]
    }

    /// Its elements in order.
    #[inline]
    pub(super) fn entries(self) -> Entries<'a> {
        Entries { bytes: self.bytes(), at: HEADER_BYTES, flags: self.flags() }
    }

    /// The element whose first item is `key`.
    // Never, so that the loop is compiled once, with nothing but what it calls: where each caller's unit had a copy, unrelated code changed it by an eighth.
    #[inline(never)]
    pub(super) fn find(self, key: &Encoded<'_>) -> Option<Entry<'a>> {
        self.entries().find(|entry| entry.holds(key))
    }

    /// The element at `index`.
    pub(super) fn nth(self, index: usize) -> Option<Entry<'a>> {
        self.entries().nth(index)
    }

    /// Where the element at `index` begins: the end, if there is none.
    pub(super) fn place(self, index: usize) -> usize {
        self.nth(index).map_or(self.used(), |entry| entry.at)
    }

    /// The element that begins at `at`.
    #[inline]
    pub(super) fn entry(self, at: usize) -> Option<Entry<'a>> {
        Entries { bytes: self.bytes(), at, flags: self.flags() }.next()
    }
}

/// One element, and where it lies in its block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    bytes: &'a [u8],
    /// Where it begins, with its mark.
    pub(super) at: usize,
    /// Where its first item begins.
    pub(super) key: usize,
    /// Where its second item begins, or would.
    pub(super) rest: usize,
    /// Where it ends.
    pub(super) end: usize,
}

impl<'a> Entry<'a> {
    #[inline]
    pub(super) fn key(self) -> Item<'a> {
        read(&self.bytes[self.key..])
    }

    /// Its second item; its first where it has but one.
    #[inline]
    pub(super) fn value(self) -> Item<'a> {
        read(&self.bytes[if self.rest < self.end { self.rest } else { self.key }..])
    }

    #[inline]
    pub(super) fn mark(self) -> Mark<'a> {
        if self.at < self.key { Mark::read(&self.bytes[self.at..]) } else { Mark::default() }
    }

    /// Whether its first item is `key`.
    // Always, here and in `next`: a search calls them for each element, and the compiler's own choice changes with what is built beside it, by a tenth of a SADD.
    #[inline(always)]
    pub(super) fn holds(self, key: &Encoded<'_>) -> bool {
        key.starts(&self.bytes[self.key..])
    }

    /// All its bytes.
    pub(super) fn packed(self) -> &'a [u8] {
        &self.bytes[self.at..self.end]
    }

    /// The bytes of its items.
    pub(super) fn items(self) -> &'a [u8] {
        &self.bytes[self.key..self.end]
    }
}

/// The elements of a block from a place on.
#[derive(Debug, Clone)]
pub(super) struct Entries<'a> {
    bytes: &'a [u8],
    at: usize,
    flags: u8,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    #[inline(always)]
    fn next(&mut self) -> Option<Entry<'a>> {
        let at = self.at;
        if at >= self.bytes.len() {
            return None;
        }
        let mut key = at;
        if self.flags & MARKED != 0 {
            key += Mark::skip(&self.bytes[at..]);
        }
        let rest = key + skip(&self.bytes[key..]);
        let mut end = rest;
        if self.flags & PAIRS != 0 {
            end += skip(&self.bytes[rest..]);
        }
        self.at = end;
        Some(Entry { bytes: self.bytes, at, key, rest, end })
    }
}
