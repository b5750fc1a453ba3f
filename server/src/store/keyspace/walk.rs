//! What concerns all keys of a database: their number, a random one, walks over them, and emptying it.

use super::super::entry::Entry;
use super::super::index::{self, Hit, word};
use super::Keyspace;
use crate::base::limits::DATABASE_COUNT;
use crate::base::sync::{AtomicU64, Backoff};
use std::ops::ControlFlow;
use torc_protocol::slot::{SLOT_COUNT, Slot};

impl<'g> Keyspace<'_, 'g> {
    /// Number of keys, those past their deadline but not yet swept included (as DBSIZE counts).
    pub fn len(&self) -> usize {
        self.roots().map_or(0, |roots| roots.keys() as usize)
    }

    /// Whether it holds no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A random live key, near uniform; `None` if there is none.
    pub fn random(&mut self) -> Option<Entry<'g>> {
        /// Expired keys that are passed over before one is taken for want of a live one.
        const TRIES_MAX: usize = 128;
        let roots = self.roots()?;
        for _ in 0..TRIES_MAX {
            if self.is_empty() {
                return None;
            }
            let first = self.local.rng.below(SLOT_COUNT as u64) as usize;
            let mut candidates = Vec::new();
            for slot in (first..SLOT_COUNT).chain(0..first) {
                index::visit_bucket(&roots.words[slot], self.local.rng.bits(), |hit| {
                    // SAFETY: read under `guard`.
                    let entry: Entry<'g> = unsafe { Entry::at(word::pointer(hit.word)) };
                    if !entry.is_absent() && entry.deadline().is_none_or(|at| at > self.now) {
                        candidates.push(entry);
                    }
                });
                if !candidates.is_empty() {
                    let pick = self.local.rng.below(candidates.len() as u64) as usize;
                    return Some(candidates[pick]);
                }
            }
        }
        None
    }

    /// One step of an iteration from `cursor` (0 begins): calls `visit` for about `count` entries or more, and returns the next
    /// cursor, 0 at the end. A key present throughout the iteration is visited at least once, whatever grows or shrinks
    /// meanwhile: the order is that of (slot, hash), which neither changes. Any number is a valid cursor. Cursors fit an i64.
    ///
    /// ```text
    /// cursor: | 0 (2) | slot 14 | top 48 bits of the hash |
    /// ```
    pub fn scan(&mut self, cursor: u64, count: usize, mut visit: impl FnMut(Entry<'g>)) -> u64 {
        let now = self.now;
        self.scan_all(cursor, count, |entry| {
            if entry.deadline().is_none_or(|at| at > now) {
                visit(entry);
            }
        })
    }

    /// The same, but also of keys past their deadline that were not yet swept.
    pub fn scan_all(&mut self, cursor: u64, count: usize, mut visit: impl FnMut(Entry<'g>)) -> u64 {
        const HASH_BITS: u32 = 48;
        /// Empty slots passed in one step, so that a step over a nearly empty database stays short.
        const EMPTY_MAX: usize = 4096;
        let Some(roots) = self.roots() else { return 0 };
        let (mut slot, mut from) = ((cursor >> HASH_BITS) as usize, cursor << (64 - HASH_BITS));
        let (mut visited, mut empty) = (0, 0);
        let mut hits = Vec::new();
        while slot < SLOT_COUNT {
            if visited >= count || empty >= EMPTY_MAX {
                // Buckets of more than 2^48 to a slot do not exist, so no bits are lost.
                return (slot as u64) << HASH_BITS | from >> (64 - HASH_BITS);
            }
            let before = visited;
            let next = self.settled_bucket(&roots.words[slot], from, &mut hits);
            for hit in &hits {
                // SAFETY: read under `guard`.
                let entry: Entry<'g> = unsafe { Entry::at(word::pointer(hit.word)) };
                if !entry.is_absent() {
                    visited += 1;
                    visit(entry);
                }
            }
            empty += (visited == before) as usize;
            match next {
                Some(position) => from = position,
                None => {
                    slot += 1;
                    from = 0;
                }
            }
        }
        0
    }

    /// The words of the bucket that holds position `from`, when no other thread holds one of them: a step may have removed a key for a moment only. Returns
    /// where the next bucket begins.
    fn settled_bucket(
        &self,
        root: &'g AtomicU64,
        from: u64,
        hits: &mut Vec<Hit<'g>>,
    ) -> Option<u64> {
        let mut backoff = Backoff::default();
        loop {
            hits.clear();
            let mut is_held = false;
            let next = index::visit_bucket(root, from, |hit| {
                is_held |= hit.word & word::LATCH != 0;
                hits.push(hit);
            });
            if !is_held || self.local.is_owning() {
                return next;
            }
            backoff.wait();
        }
    }

    /// Calls `visit` for the keys of `slot`, until it breaks. A key present throughout is visited once or more often.
    pub fn walk_slot(&mut self, slot: Slot, mut visit: impl FnMut(Entry<'g>) -> ControlFlow<()>) {
        let Some(roots) = self.roots() else { return };
        let (mut from, mut hits) = (Some(0), Vec::new());
        while let Some(position) = from {
            from = self.settled_bucket(&roots.words[slot.index()], position, &mut hits);
            for hit in &hits {
                // SAFETY: read under `guard`.
                let entry: Entry<'g> = unsafe { Entry::at(word::pointer(hit.word)) };
                let is_there =
                    !entry.is_absent() && entry.deadline().is_none_or(|at| at > self.now);
                if is_there && visit(entry).is_break() {
                    return;
                }
            }
        }
    }

    /// Removes every key in one step; memory is freed in the background. Returns how many there were.
    pub fn flush(&mut self) -> usize {
        let count = self.len();
        let watched = self.tell_of_contents(self.db, None);
        let roots = self.store.inner.databases[self.db as usize].take();
        if !roots.is_null() {
            self.local.retire_roots(roots);
        }
        self.watch_again(watched);
        count
    }

    /// Exchanges the contents of databases `a` and `b`. Another thread may see one of the two exchanged before the other.
    pub fn swap(&mut self, a: u8, b: u8) {
        debug_assert!((a as usize) < DATABASE_COUNT && (b as usize) < DATABASE_COUNT);
        if a == b {
            return;
        }
        let mut watched = self.tell_of_contents(a, Some(b));
        watched.extend(self.tell_of_contents(b, Some(a)));
        let databases = &self.store.inner.databases;
        let of_a = databases[a as usize].take();
        let of_b = databases[b as usize].exchange(of_a);
        let made_meanwhile = databases[a as usize].exchange(of_b);
        if !made_meanwhile.is_null() {
            // Written between the steps, to a database that was about to be replaced.
            self.local.retire_roots(made_meanwhile);
        }
        self.watch_again(watched);
    }
}
