//! A mini-table: one 64-aligned allocation of cache lines.
//!
//! ```text
//! line 0                header: overflow lines handed out, overflow lines there are
//! lines 1 ..= 2^lg      buckets: ctrl + 7 slot words
//! the rest              overflow lines: 8 slot words each
//! ```
//!
//! A table is written privately, published by one CAS of the word that points at it, and replaced whole: freeze every
//! published word, copy, CAS. Nothing in a published table ever moves.

use super::word::{BUCKET_WORDS, Ctrl, EMPTY, LINE_WORDS};
use crate::base::sync::{AtomicU64, Ordering};

/// Words of a line.
const LINE: usize = 8;
/// Bytes of a line.
pub const LINE_BYTES: usize = 64;
/// Largest table: 512 buckets, some 4,000 keys. A larger slot becomes a branch of 256 tables.
#[cfg(not(torc_loom))]
pub const LG_MAX: u32 = 9;
/// Small enough that a model reaches a branch.
#[cfg(torc_loom)]
pub const LG_MAX: u32 = 1;

/// Where the words of tables come from and go to. Implemented by a thread's part of the store, and by the models.
pub trait Memory {
    /// Zeroed or not: `lines` lines of 64 bytes, 64-aligned, that this thread alone knows.
    fn allocate_lines(&mut self, lines: usize) -> *mut u8;
    /// Takes back lines that no other thread ever saw.
    fn free_lines(&mut self, address: *mut u8, lines: usize);
    /// Takes back lines that others may still read until the epoch has passed.
    fn retire_lines(&mut self, address: *mut u8, lines: usize);
    /// The hash of the key of the entry at `pointer`, which is live or protected by the caller's guard.
    fn hash_of(&self, pointer: u64) -> u64;
}

/// A table that is readable for as long as its guard or its owner lets it be.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    address: *mut u8,
    lg: u32,
}

impl Table {
    /// Bytes between a table of `2^lg` buckets with `overflow` lines, as lines.
    pub fn lines(lg: u32, overflow: usize) -> usize {
        1 + (1 << lg) + overflow
    }

    /// A private table with every word EMPTY and nothing published.
    pub fn allocate(memory: &mut impl Memory, lg: u32, overflow: usize) -> Table {
        let lines = Self::lines(lg, overflow);
        let address = memory.allocate_lines(lines);
        let table = Table { address, lg };
        table.initialise(lines);
        // Relaxed: private until published by a Release CAS.
        table.word(0, 0).store(0, Ordering::Relaxed);
        table.word(0, 1).store(overflow as u64, Ordering::Relaxed);
        for bucket in 0..1usize << lg {
            table.ctrl(bucket).store(0, Ordering::Relaxed);
        }
        table
    }

    #[cfg(not(torc_loom))]
    fn initialise(&self, lines: usize) {
        for index in 0..lines * LINE {
            // SAFETY: the allocation has `lines` lines of 8 words and is private to this thread.
            unsafe { self.address.cast::<u64>().add(index).write(EMPTY) };
        }
    }

    #[cfg(torc_loom)]
    fn initialise(&self, lines: usize) {
        for line in 0..lines {
            for i in 0..LINE {
                self.word(line, i).store(EMPTY, Ordering::Relaxed);
            }
        }
    }

    /// The table that a root or child word names.
    pub fn from_root(word: u64) -> Table {
        Table {
            address: std::ptr::with_exposed_provenance_mut((word & 0x0000_ffff_ffff_ffff) as usize),
            lg: (word >> 56) as u32 & 0x7f,
        }
    }

    /// The root or child word that names this table.
    pub fn to_root(self) -> u64 {
        (self.address.expose_provenance() as u64) | (self.lg as u64) << 56
    }

    /// A branch's allocation, seen as a table for its address alone.
    pub fn from_address(address: *mut u8) -> Table {
        Table { address, lg: 0 }
    }

    /// Where it lies.
    pub fn allocation_address(self) -> *mut u8 {
        self.address
    }

    /// Logarithm of the number of buckets.
    pub fn lg(self) -> u32 {
        self.lg
    }

    /// Where it lies and how many lines it has, to give it back.
    pub fn allocation(self) -> (*mut u8, usize) {
        (self.address, Self::lines(self.lg, self.overflow_capacity()))
    }

    /// The bucket of a hash whose consumed prefix was shifted out.
    pub fn bucket(self, hash: u64) -> usize {
        // Two shifts, since lg may be 0 and a shift by 64 is none.
        (hash >> 1 >> (63 - self.lg)) as usize
    }

    /// The control word of `bucket`.
    pub fn ctrl<'t>(self, bucket: usize) -> &'t AtomicU64 {
        self.word(1 + bucket, 0)
    }

    /// Word `i` of `bucket`, whose overflow line is the one in `ctrl`.
    pub fn slot<'t>(self, bucket: usize, ctrl: Ctrl, i: usize) -> &'t AtomicU64 {
        debug_assert!(i < BUCKET_WORDS);
        if i < LINE_WORDS {
            self.word(1 + bucket, 1 + i)
        } else {
            // A bit past the line is published only after a line is attached.
            self.overflow_slot(ctrl.line().unwrap_or(0), i - LINE_WORDS)
        }
    }

    /// Word `i` of overflow line `line`.
    pub fn overflow_slot<'t>(self, line: usize, i: usize) -> &'t AtomicU64 {
        self.word(1 + (1 << self.lg) + line, i)
    }

    fn overflow_capacity(self) -> usize {
        // Relaxed: written before publication and never again.
        self.word(0, 1).load(Ordering::Relaxed) as usize
    }

    /// Hands out an overflow line that nobody has, its words EMPTY; `None` when there is none left.
    pub fn take_overflow_line(self) -> Option<usize> {
        let taken = self.word(0, 0);
        // Relaxed: the counter alone decides whose line it is; its words were written before publication.
        let mut line = taken.load(Ordering::Relaxed);
        while (line as usize) < self.overflow_capacity() {
            match taken.compare_exchange_weak(line, line + 1, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => return Some(line as usize),
                Err(now) => line = now,
            }
        }
        None
    }

    /// Gives back the line handed out last, if it still is that one; a line not given back stays unused until the
    /// table is replaced.
    pub fn return_overflow_line(self, line: usize) {
        let line = line as u64;
        // Relaxed: see `take_overflow_line`.
        let _ =
            self.word(0, 0).compare_exchange(line + 1, line, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Asks the processor for the line of the bucket of `hash`.
    pub fn prefetch(self, hash: u64) {
        prefetch(self.address.wrapping_add((1 + self.bucket(hash)) * LINE_BYTES));
    }

    #[cfg(not(torc_loom))]
    fn word<'t>(self, line: usize, i: usize) -> &'t AtomicU64 {
        debug_assert!(line <= (1 << self.lg) + (1 << 16) && i < LINE);
        // SAFETY: the caller got this table from a root word it read under an epoch pin that still holds, or owns it; lines
        // and words are within the allocation (bucket < 2^lg; overflow lines come from `take_overflow_line` or a ctrl word).
        unsafe { &*self.address.cast::<AtomicU64>().add(line * LINE + i) }
    }

    #[cfg(torc_loom)]
    fn word<'t>(self, line: usize, i: usize) -> &'t AtomicU64 {
        // SAFETY: as above; the models allocate a vector of loom's atomics, which are not plain words.
        unsafe { &(&(*self.address.cast::<super::models::Lines>()).words)[line * LINE + i] }
    }
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
