//! A mini-table: `2^lg` buckets of one cache line in one allocation, and overflow lines of their own.
//!
//! ```text
//! bucket      | ctrl | link | slot 0 … slot 5 |
//! overflow A  | link | slot 6 … slot 12 |            hangs on the bucket's link
//! overflow B  | slot 13 … slot 20 |                  hangs on A's link
//! ```
//!
//! A table is written privately, published by one CAS of the word that points at it, and replaced whole: freeze every
//! published word and every link, copy, CAS. Nothing in a published table ever moves. Overflow lines come one at a time and are
//! all of one size, so the slots' tables take no more than they need and share no half-empty pages.

use super::word::{BUCKET_WORDS, Ctrl, EMPTY, FROZEN, HOME_WORDS, NEAR_WORDS};
use crate::base::sync::{AtomicU64, Ordering};

/// Words of a line.
const LINE: usize = 8;
/// Bytes of a line.
pub const LINE_BYTES: usize = 64;
/// Largest table: 256 buckets, some 2,500 keys, so that an insert which replaces one takes 0.2 ms at most. A larger slot becomes a
/// branch of 256 tables, whose ten keys each ask for no more of their hashes than the words tell (see `KNOWN_BITS`).
#[cfg(not(torc_loom))]
pub const LG_MAX: u32 = 8;
/// Small enough that a model reaches a branch.
#[cfg(torc_loom)]
pub const LG_MAX: u32 = 1;

/// Where the words of tables come from and go to. Implemented by a thread's part of the store, and by the models.
pub trait Memory {
    /// `lines` lines of 64 bytes, 64-aligned, of any content, that this thread alone knows.
    fn allocate_lines(&mut self, lines: usize) -> *mut u8;
    /// Takes back lines that no other thread can reach.
    fn free_lines(&mut self, address: *mut u8, lines: usize);
    /// Takes back lines that others may still read until the epoch has passed.
    fn retire_lines(&mut self, address: *mut u8, lines: usize);
    /// Whether these lines lie in a page that is nearly empty, so that moving them elsewhere helps to free it. A hint.
    fn is_stray(&self, address: *mut u8, lines: usize) -> bool;
    /// The hash of the key of the entry at `pointer`, which is live or protected by the caller's guard.
    fn hash_of(&self, pointer: u64) -> u64;
    /// A change failed because the key of the entry at `pointer` is watched, and nothing else: the watch is to be broken before the next attempt.
    fn met_watched(&mut self, _pointer: u64) {}
}

/// A cache line of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line(pub *mut u8);

impl Line {
    /// Word `i`.
    #[cfg(not(torc_loom))]
    pub fn word<'t>(self, i: usize) -> &'t AtomicU64 {
        // SAFETY: the line was reached through words read under an epoch pin that still holds, or belongs to the caller alone;
        // `i` is below the number of words of its allocation.
        unsafe { &*self.0.cast::<AtomicU64>().add(i) }
    }

    /// Word `i`; the models allocate vectors of loom's atomics.
    #[cfg(torc_loom)]
    pub fn word<'t>(self, i: usize) -> &'t AtomicU64 {
        // SAFETY: as above.
        unsafe { &(*self.0.cast::<super::models::Lines>()).checked()[i] }
    }

    /// The line that a link names.
    pub fn from_link(link: u64) -> Option<Line> {
        let address = (link & !FROZEN) as usize;
        (address != 0).then(|| Line(std::ptr::with_exposed_provenance_mut(address)))
    }

    /// The link that names it.
    pub fn to_link(self) -> u64 {
        self.0.expose_provenance() as u64
    }
}

/// A table that is readable for as long as its guard or its owner lets it be.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    first: Line,
    lg: u32,
}

/// An overflow line about to be attached: which link it goes to.
pub struct Attach<'t> {
    /// The link.
    pub link: &'t AtomicU64,
    /// Its first words that are not slots.
    pub heading: usize,
}

impl Table {
    /// A private table with every slot word EMPTY and nothing published.
    pub fn allocate(memory: &mut impl Memory, lg: u32) -> Table {
        let first = Line(memory.allocate_lines(1 << lg));
        let table = Table { first, lg };
        // Relaxed, here and in `blank`: private until published by a Release CAS.
        for bucket in 0..1usize << lg {
            for i in 0..LINE {
                let value = if i < 2 { 0 } else { EMPTY };
                table.word(bucket, i).store(value, Ordering::Relaxed);
            }
        }
        table
    }

    /// A private overflow line whose first `heading` words are 0 and whose slots are EMPTY.
    pub fn blank(memory: &mut impl Memory, heading: usize) -> Line {
        let line = Line(memory.allocate_lines(1));
        for i in 0..LINE {
            line.word(i).store(if i < heading { 0 } else { EMPTY }, Ordering::Relaxed);
        }
        line
    }

    /// The table that a root or child word names.
    pub fn from_root(word: u64) -> Table {
        let address =
            std::ptr::with_exposed_provenance_mut((word & 0x0000_ffff_ffff_ffff) as usize);
        Table { first: Line(address), lg: (word >> 56) as u32 & 0x7f }
    }

    /// The root or child word that names this table.
    pub fn to_root(self) -> u64 {
        self.first.to_link() | (self.lg as u64) << 56
    }

    /// Its first bucket's line.
    pub fn first(self) -> Line {
        self.first
    }

    /// Logarithm of the number of buckets.
    pub fn lg(self) -> u32 {
        self.lg
    }

    /// Calls `visit` with every allocation of the table. Its links are frozen, or nobody else uses it.
    pub fn for_each_allocation(self, mut visit: impl FnMut(*mut u8, usize)) {
        for bucket in 0..1usize << self.lg {
            // Acquire: pairs with the attaching CAS.
            if let Some(near) = Line::from_link(self.link(bucket).load(Ordering::Acquire)) {
                if let Some(far) = Line::from_link(near.word(0).load(Ordering::Acquire)) {
                    visit(far.0, 1);
                }
                visit(near.0, 1);
            }
        }
        visit(self.first.0, 1 << self.lg);
    }

    /// The bucket of a hash whose consumed prefix was shifted out.
    pub fn bucket(self, hash: u64) -> usize {
        // Two shifts, since lg may be 0 and a shift by 64 is none.
        (hash >> 1 >> (63 - self.lg)) as usize
    }

    /// The control word of `bucket`.
    pub fn ctrl<'t>(self, bucket: usize) -> &'t AtomicU64 {
        self.word(bucket, 0)
    }

    /// The link of `bucket`.
    pub fn link<'t>(self, bucket: usize) -> &'t AtomicU64 {
        self.word(bucket, 1)
    }

    /// Slot word `i` of `bucket`, if its line is attached; it is if `i` was ever published.
    pub fn slot<'t>(self, bucket: usize, i: usize) -> Option<&'t AtomicU64> {
        debug_assert!(i < BUCKET_WORDS);
        if i < HOME_WORDS {
            return Some(self.word(bucket, 2 + i));
        }
        // Acquire: pairs with the attaching CAS, so that the line's words are seen.
        let near = Line::from_link(self.link(bucket).load(Ordering::Acquire))?;
        if i < NEAR_WORDS {
            return Some(near.word(1 + i - HOME_WORDS));
        }
        let far = Line::from_link(near.word(0).load(Ordering::Acquire))?;
        Some(far.word(i - NEAR_WORDS))
    }

    /// Where the next overflow line of `bucket` goes; `None` if it has both.
    pub fn attach_point<'t>(self, bucket: usize) -> Option<Attach<'t>> {
        let link = self.link(bucket);
        match Line::from_link(link.load(Ordering::Acquire)) {
            None => Some(Attach { link, heading: 1 }),
            Some(near) => {
                let link = near.word(0);
                let free = Line::from_link(link.load(Ordering::Acquire)).is_none();
                free.then_some(Attach { link, heading: 0 })
            }
        }
    }

    /// Freezes the links of `bucket`, so that no line is attached any more.
    pub fn freeze_links(self, bucket: usize) {
        // AcqRel: a line attached before is seen, none is attached after.
        let link = self.link(bucket).fetch_or(FROZEN, Ordering::AcqRel);
        if let Some(near) = Line::from_link(link) {
            near.word(0).fetch_or(FROZEN, Ordering::AcqRel);
        }
    }

    /// Published words in all buckets, roughly.
    pub fn live(self) -> usize {
        (0..1usize << self.lg)
            // Relaxed: an estimate.
            .map(|bucket| {
                Ctrl(self.ctrl(bucket).load(Ordering::Relaxed)).bitmap().count_ones() as usize
            })
            .sum()
    }

    /// Asks the processor for the line of the bucket of `hash`.
    pub fn prefetch(self, hash: u64) {
        prefetch(self.first.0.wrapping_add(self.bucket(hash) * LINE_BYTES));
    }

    /// Asks the processor for the overflow line of the bucket of `hash`.
    pub fn prefetch_overflow(self, hash: u64) {
        // Relaxed: only an address to prefetch.
        if let Some(near) = Line::from_link(self.link(self.bucket(hash)).load(Ordering::Relaxed)) {
            prefetch(near.0);
        }
    }

    fn word<'t>(self, bucket: usize, i: usize) -> &'t AtomicU64 {
        debug_assert!(bucket < 1 << self.lg && i < LINE);
        self.first.word(bucket * LINE + i)
    }
}

/// Asks the processor for so many cache lines from `address` on.
#[inline]
pub fn prefetch_lines(address: *const u8, count: usize) {
    (0..count).for_each(|line| prefetch(address.wrapping_add(line * LINE_BYTES)));
}

/// Asks the processor for the cache lines of so many bytes at `address`, at least one of them.
#[inline]
pub fn prefetch_bytes(address: *const u8, bytes: usize) {
    prefetch_lines(address, (address.addr() % LINE_BYTES + bytes).div_ceil(LINE_BYTES));
}

/// Asks the processor for the cache line at `address`, which need not be valid.
pub fn prefetch(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch never faults and changes no memory.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
