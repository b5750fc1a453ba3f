//! One database: 16,384 root words, the earliest deadline in each slot, and counts by thread.

use crate::base::clock::UnixMs;
use std::sync::atomic::{AtomicI64, AtomicPtr, AtomicU64, Ordering};
use torc_protocol::slot::SLOT_COUNT;

/// A slot in which nothing has a deadline.
pub(super) const NEVER: UnixMs = UnixMs::MAX;

/// Keys as one thread counted them; only the sum over all threads means something. One cache line each, so that
/// threads do not write to each other's.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Counts {
    pub(super) keys: AtomicI64,
    pub(super) with_deadline: AtomicI64,
}

/// The contents of a database. FLUSHDB exchanges the whole of it.
#[derive(Debug)]
pub(super) struct Roots {
    /// One index root a slot; see `index`.
    pub(super) words: Box<[AtomicU64]>,
    /// No key of the slot expires before this time.
    pub(super) due: Box<[AtomicU64]>,
    counts: Box<[Counts]>,
}

impl Roots {
    pub(super) fn new(threads: usize) -> Self {
        Roots {
            words: (0..SLOT_COUNT).map(|_| AtomicU64::new(0)).collect(),
            due: (0..SLOT_COUNT).map(|_| AtomicU64::new(NEVER)).collect(),
            counts: (0..threads).map(|_| Counts::default()).collect(),
        }
    }

    /// Adds to what `thread` counted; only that thread calls this with its number.
    #[inline]
    pub(super) fn count(&self, thread: usize, keys: i64, with_deadline: i64) {
        let counts = &self.counts[thread];
        // Relaxed load and store: one writer; sums are read for statistics and sampling only.
        if keys != 0 {
            counts.keys.store(counts.keys.load(Ordering::Relaxed) + keys, Ordering::Relaxed);
        }
        if with_deadline != 0 {
            let before = counts.with_deadline.load(Ordering::Relaxed);
            counts.with_deadline.store(before + with_deadline, Ordering::Relaxed);
        }
    }

    pub(super) fn keys(&self) -> u64 {
        // Relaxed: see `count`. A key counted in by one thread and out by another may be seen half: never below 0.
        self.counts.iter().map(|c| c.keys.load(Ordering::Relaxed)).sum::<i64>().max(0) as u64
    }

    pub(super) fn with_deadline(&self) -> u64 {
        let sum: i64 = self.counts.iter().map(|c| c.with_deadline.load(Ordering::Relaxed)).sum();
        sum.max(0) as u64
    }

    /// Notes that a key of `slot` expires at `deadline`. Called after the key was published, so that a sweep which did not
    /// see the key cannot overwrite this.
    #[inline]
    pub(super) fn note_deadline(&self, slot: usize, deadline: UnixMs) {
        let due = &self.due[slot];
        // Relaxed load: a hint that saves the write; AcqRel below pairs with the sweep's swap.
        if due.load(Ordering::Relaxed) > deadline {
            due.fetch_min(deadline, Ordering::AcqRel);
        }
    }
}

/// A database, empty until its first key.
#[derive(Debug, Default)]
pub(super) struct Database {
    roots: AtomicPtr<Roots>,
}

impl Database {
    /// The contents, if there ever were any. Valid for as long as the caller's guard, which keeps a flushed database's contents alive.
    #[inline]
    pub(super) fn roots<'g>(&self, _guard: &'g crossbeam_epoch::Guard) -> Option<&'g Roots> {
        // SAFETY: a non-null pointer comes from Box::into_raw and is freed only an epoch after it was exchanged, and the
        // guard pins the epoch. Acquire pairs with the Release that published it.
        unsafe { self.roots.load(Ordering::Acquire).as_ref() }
    }

    /// The contents, made if need be.
    pub(super) fn roots_or_create<'g>(
        &self,
        guard: &'g crossbeam_epoch::Guard,
        threads: usize,
    ) -> &'g Roots {
        loop {
            if let Some(roots) = self.roots(guard) {
                return roots;
            }
            let new = Box::into_raw(Box::new(Roots::new(threads)));
            let published = self.roots.compare_exchange(
                std::ptr::null_mut(),
                new,
                Ordering::AcqRel,
                Ordering::Acquire,
            );
            if published.is_err() {
                // SAFETY: made above and seen by nobody.
                drop(unsafe { Box::from_raw(new) });
            }
        }
    }

    /// Takes the contents out in one step. Others may still work in them until the epoch has passed.
    pub(super) fn take(&self) -> *mut Roots {
        self.roots.swap(std::ptr::null_mut(), Ordering::AcqRel)
    }

    /// Puts contents in that were taken from another database, and returns what was there.
    pub(super) fn exchange(&self, roots: *mut Roots) -> *mut Roots {
        self.roots.swap(roots, Ordering::AcqRel)
    }
}
