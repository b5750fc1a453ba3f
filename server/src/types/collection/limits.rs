//! Up to where a collection stays in its small form, and the hash that orders the big one.

/// A 64-bit hash of an element's text, keyed per process. It never leaves the process but in the cursors of HSCAN, SSCAN and ZSCAN.
pub type HashFn = fn(&[u8]) -> u64;

/// What a collection is converted at. A big one never goes back to packed, as in Redis; a list may ([`super::List::shrink`]).
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most elements of a packed value.
    pub entries_max: usize,
    /// Longest element (field, value, member) of a packed value. Lists have none: `usize::MAX`.
    pub element_bytes_max: usize,
    /// Most bytes of a packed value in all. Each write copies them.
    pub bytes_max: usize,
    /// Most elements of a set of integers alone (`set-max-intset-entries`).
    pub integers_max: usize,
    /// Orders the big form of hashes, sets and sorted sets.
    pub hash: HashFn,
}
