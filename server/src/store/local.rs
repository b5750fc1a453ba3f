//! What one thread owns of the store: its allocator, what it removed and may not free yet, and its counters.
//!
//! Removed entries wait in batches of 64. A sealed batch goes to the epoch collector as one deferred flag; once the flag
//! is up nobody can read the batch any more, and the thread that removed it frees it. Frees are so local, and never
//! run inside the collector, which is the store's own: a pin elsewhere in the process delays no free here.

use super::access;
use super::chain::Journal;
use super::changes::ChangedKey;
use super::database::Roots;
use super::entry::Entry;
use super::evict::Policy;
use super::hash::Hasher;
use super::index::table::{LINE_BYTES, Memory};
use super::maintain::{Sweep, Walk, follow_growth};
use super::notices::Notice;
use super::owned::Owned;
use super::slab::{Heap, block_bytes};
use super::{Inner, background};
use crate::base::clock::UnixMs;
use crate::base::rng::Rng;
use crossbeam_epoch::{Guard, LocalHandle};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use torc_protocol::slot::SLOT_COUNT;

/// Removed entries that one deferred flag covers. Crossbeam collects eight bags of 64 a time; a flag for each entry would let
/// limbo grow faster than it is collected (642 bytes a key were measured so).
const BATCH_ENTRIES: usize = 64;
/// A batch is sealed early once it holds this much.
const BATCH_BYTES: usize = 64 * 1024;
/// Batches of a backlog that are freed before one pin: some 2,000 entries, which takes 0.2 ms when none of them is cached.
const RECLAIM_BATCHES: usize = 32;
/// Memory changes are made known to other threads in steps of this size.
const PUBLISH_BYTES: i64 = 64 * 1024;

/// Something unreachable that may still be read until the epoch has passed.
pub(super) enum Retired {
    Entry(u64),
    Lines(*mut u8, usize),
    Roots(*mut Roots),
}

/// Retired things and the flag that says when they may go.
pub(super) struct Batch {
    passed: Arc<AtomicBool>,
    things: Vec<Retired>,
    bytes: usize,
}

// SAFETY: retired things are reached by nobody else; whoever holds the batch frees them.
unsafe impl Send for Batch {}

/// Counters of one thread; see `StoreStats`.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Tally {
    pub(super) hits: AtomicU64,
    pub(super) misses: AtomicU64,
    pub(super) expired: AtomicU64,
    pub(super) evicted: AtomicU64,
}

/// Adds to a counter that only this thread writes.
pub(super) fn add(counter: &AtomicU64, by: u64) {
    // Relaxed load and store: one writer, read for statistics only.
    counter.store(counter.load(Ordering::Relaxed) + by, Ordering::Relaxed);
}

/// A thread's part of the store.
pub struct Local {
    pub(super) inner: Arc<Inner>,
    pub(super) thread: usize,
    pub(super) heap: Heap,
    pub(super) rng: Rng,
    pub(super) sweep: Sweep,
    pub(super) tidy_walk: Walk,
    pub(super) growth_walk: Walk,
    pub(super) scratch: Vec<u8>,
    open: Vec<Retired>,
    open_bytes: usize,
    sealed: VecDeque<Batch>,
    /// Batches sealed since `reclaim` last ran.
    sealed_lately: usize,
    unpublished_bytes: i64,
    policy: Policy,
    /// Takes down what this thread writes, while the node replicates.
    pub(super) journal: Option<Box<dyn Journal>>,
    /// What it holds while whole commands run as one step; see `owned`.
    pub(super) owned: Option<Box<Owned>>,
    /// The entry whose watch the last change ran into; 0 if none. See `watch`.
    pub(super) met_watched: u64,
    /// What is to be told to clients.
    pub(super) notices: Vec<Notice>,
    /// Awaited keys that this thread has changed; see `awaited`.
    pub(super) awoken: Vec<(u8, Box<[u8]>)>,
    /// Keys that this thread has changed, if that is taken down; see `changes`.
    pub(super) changes: Vec<ChangedKey>,
    /// Whether it is, as of the last pin.
    pub(super) tells_changes: bool,
    /// Whether there is something in `awoken` or `changes`, or was since that was looked at.
    pub(super) news: bool,
    /// Whether this thread looks at these itself.
    pub(super) serves: bool,
    /// This thread's place in the store's collector.
    collector: LocalHandle,
}

impl std::fmt::Debug for Local {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Local").field("thread", &self.thread).finish_non_exhaustive()
    }
}

impl Local {
    pub(super) fn new(inner: Arc<Inner>, thread: usize, rng: Rng) -> Self {
        let heap = Heap::new(inner.slab.clone());
        let policy = inner.limits.policy();
        let collector = inner.collector.register();
        let first_slot = thread * SLOT_COUNT / inner.tallies.len();
        Local {
            inner,
            thread,
            heap,
            rng,
            sweep: Sweep::default(),
            tidy_walk: Walk::default(),
            growth_walk: Walk::from_slot(first_slot),
            scratch: Vec::new(),
            open: Vec::with_capacity(BATCH_ENTRIES),
            open_bytes: 0,
            sealed: VecDeque::new(),
            sealed_lately: 0,
            unpublished_bytes: 0,
            policy,
            journal: None,
            owned: None,
            met_watched: 0,
            notices: Vec::new(),
            awoken: Vec::new(),
            changes: Vec::new(),
            tells_changes: false,
            news: false,
            serves: false,
            collector,
        }
    }

    /// Frees what may go, and pins the epoch: what is reachable now stays readable until the guard is dropped. Call once a batch of
    /// commands; hold no other guard meanwhile, or memory only grows.
    pub fn pin(&mut self) -> Guard {
        loop {
            if let Some(guard) = self.pin_unless(|| false) {
                return guard;
            }
        }
    }

    /// As [`Local::pin`], but gives up while another thread has the store for itself and `give_up` says so.
    #[inline]
    pub fn pin_unless(&mut self, give_up: impl Fn() -> bool) -> Option<Guard> {
        self.policy = self.inner.limits.policy();
        self.reclaim();
        let mut guard = self.collector.pin();
        // After the pin, which the gate's closing waits for; see `gate`.
        while self.inner.gate.is_closed() && !self.holds_gate() {
            drop(guard);
            if !self.inner.gate.wait_unless(&give_up) {
                return None;
            }
            guard = self.collector.pin();
        }
        self.look_whether_to_tell();
        let pages_made = self.heap.take_pages_made();
        if pages_made > 0 {
            follow_growth(self, &guard, pages_made);
        }
        Some(guard)
    }

    /// Pins the epoch even if another thread has the store for itself: for what does not look into the store.
    #[cold]
    pub fn pin_outside(&mut self) -> Guard {
        self.collector.pin()
    }

    /// The thread's generator.
    pub fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }

    pub(super) fn tally(&self) -> &Tally {
        &self.inner.tallies[self.thread]
    }

    /// Notes that `bytes` more (or fewer) are in use.
    pub(super) fn account(&mut self, bytes: i64) {
        self.unpublished_bytes += bytes;
        if self.unpublished_bytes.abs() >= PUBLISH_BYTES {
            self.publish_bytes();
        }
    }

    pub(super) fn publish_bytes(&mut self) {
        // Relaxed: a sum of statistics that limits are checked against.
        self.inner.totals.used.fetch_add(self.unpublished_bytes, Ordering::Relaxed);
        self.unpublished_bytes = 0;
    }

    /// An entry that was never published, or is unreachable now: others may be reading it.
    pub(super) fn retire_entry(&mut self, address: u64) {
        // SAFETY: retired by the one thread that made it unreachable; not freed before its batch has passed.
        let entry = unsafe { Entry::at(address) };
        let big = entry.big().map_or(0, |big| big.bytes_unless_edited());
        self.retire(Retired::Entry(address), block_bytes(entry.bytes()) + big);
    }

    pub(super) fn retire_roots(&mut self, roots: *mut Roots) {
        self.retire(Retired::Roots(roots), 0);
        self.seal();
    }

    fn retire(&mut self, thing: Retired, bytes: usize) {
        self.open.push(thing);
        self.open_bytes += bytes;
        if self.open.len() >= BATCH_ENTRIES || self.open_bytes >= BATCH_BYTES {
            self.seal();
        }
    }

    /// Hands the open batch to the collector.
    fn seal(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let passed = Arc::new(AtomicBool::new(false));
        let things = std::mem::replace(&mut self.open, Vec::with_capacity(BATCH_ENTRIES));
        let bytes = std::mem::take(&mut self.open_bytes);
        // Relaxed: a statistic.
        self.inner.totals.limbo.fetch_add(bytes as i64, Ordering::Relaxed);
        self.sealed_lately += 1;
        self.sealed.push_back(Batch { passed: passed.clone(), things, bytes });
        let guard = self.collector.pin();
        // Release: pairs with the Acquire in `reclaim`, after which nobody reads the batch.
        guard.defer(move || passed.store(true, Ordering::Release));
        guard.flush();
    }

    /// Frees batches that nobody can read any more: as many as were sealed since the last time, so that limbo does not grow, and a bounded number
    /// beyond. Where a thread was held up while it had the epoch pinned there are thousands, for which no request is to wait.
    fn reclaim(&mut self) {
        for _ in 0..RECLAIM_BATCHES + std::mem::take(&mut self.sealed_lately) {
            if !self.sealed.front().is_some_and(|batch| batch.passed.load(Ordering::Acquire)) {
                return;
            }
            if let Some(batch) = self.sealed.pop_front() {
                self.free(batch);
            }
        }
    }

    /// Seals what is open, asks the collector to go on, and gives unused blocks back; for a periodic tick, with no guard held.
    pub(super) fn settle(&mut self) {
        self.heap.trim(self.inner.limits.maxmemory());
        self.seal();
        if !self.sealed.is_empty() {
            self.collector.pin().flush();
            self.reclaim();
        }
        self.publish_bytes();
    }

    fn free(&mut self, batch: Batch) {
        // Relaxed: a statistic.
        self.inner.totals.limbo.fetch_sub(batch.bytes as i64, Ordering::Relaxed);
        for thing in batch.things {
            match thing {
                Retired::Entry(address) => self.free_entry(address),
                Retired::Lines(address, lines) => self.free_lines(address, lines),
                Retired::Roots(roots) => self.inner.background.drop_roots(roots),
            }
        }
    }

    /// Frees an entry that nobody can reach: it was never published, or its batch has passed.
    pub(super) fn free_entry(&mut self, address: u64) {
        // SAFETY: as this function's description demands of its callers in this module's parents.
        let (bytes, big) = unsafe { Entry::at(address).free(&mut self.heap) };
        self.account(-(bytes as i64));
        if let Some(big) = big {
            self.account(-(big.bytes() as i64));
            self.inner.background.drop_value(big);
        }
    }

    /// The access field of a new key.
    pub(super) fn new_access(&self, now: UnixMs) -> u16 {
        if self.policy.is_lfu() { access::lfu_new(now) } else { access::lru_clock(now) }
    }

    /// The access field of what replaces `old`: a write is a use, and under an LFU policy the new entry inherits how popular the old one is.
    #[inline]
    pub(super) fn replaced_access(&mut self, old: Option<Entry<'_>>, now: UnixMs) -> u16 {
        match old {
            Some(entry) if self.policy.is_lfu() => self.lfu_touched(entry.access(), now),
            _ => self.new_access(now),
        }
    }

    pub(super) fn is_lfu(&self) -> bool {
        self.policy.is_lfu()
    }

    /// Marks an entry as used.
    #[inline]
    pub(super) fn touch(&mut self, entry: Entry<'_>, now: UnixMs) {
        if !self.policy.is_lfu() {
            entry.set_access(access::lru_clock(now));
            return;
        }
        entry.set_access(self.lfu_touched(entry.access(), now));
    }

    /// The access field after one more use, under an LFU policy.
    pub(super) fn lfu_touched(&mut self, access: u16, now: UnixMs) -> u16 {
        let (decay, factor) = self.inner.limits.lfu();
        access::lfu_touched(access, now, decay, factor, &mut self.rng)
    }

    pub(super) fn hasher(&self) -> &Hasher {
        &self.inner.hasher
    }
}

impl Memory for Local {
    fn allocate_lines(&mut self, lines: usize) -> *mut u8 {
        self.account(block_bytes(lines * LINE_BYTES) as i64);
        self.heap.allocate(lines * LINE_BYTES)
    }

    fn free_lines(&mut self, address: *mut u8, lines: usize) {
        self.account(-(block_bytes(lines * LINE_BYTES) as i64));
        // SAFETY: allocated above with this size; the caller (see `Memory`) says that nobody uses it.
        unsafe {
            match lines {
                // Overflow lines come and go too fast to look at their pages.
                1 => self.heap.free(address, LINE_BYTES),
                _ => self.heap.free_stray(address, lines * LINE_BYTES),
            }
        }
    }

    fn retire_lines(&mut self, address: *mut u8, lines: usize) {
        self.retire(Retired::Lines(address, lines), block_bytes(lines * LINE_BYTES));
    }

    fn is_stray(&self, address: *mut u8, lines: usize) -> bool {
        self.heap.is_stray(address, lines * LINE_BYTES)
    }

    fn met_watched(&mut self, pointer: u64) {
        self.met_watched = pointer;
    }

    fn hash_of(&self, pointer: u64) -> u64 {
        // SAFETY: see `Memory::hash_of`: live, or protected by the caller's guard.
        self.inner.hasher.hash(unsafe { Entry::at(pointer) }.key())
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.seal();
        self.publish_bytes();
        // Others may still read these: they go when the store itself goes.
        let mut orphans = self.inner.orphans.lock();
        orphans.extend(self.sealed.drain(..));
    }
}

/// Frees every key and table of contents that no thread can reach.
pub(super) fn free_roots(roots: *mut Roots, heap: &mut Heap) -> background::Freed {
    // SAFETY: from Box::into_raw in `Database`, exchanged out, its epoch passed, freed once.
    let roots = unsafe { Box::from_raw(roots) };
    let mut freed = background::Freed::default();
    for root in &roots.words {
        let mut from = Some(0);
        while let Some(position) = from {
            from = super::index::visit_bucket(root, position, |hit| {
                // SAFETY: exclusive, as above; each word is visited once.
                let entry = unsafe { Entry::at(super::index::word::pointer(hit.word)) };
                // SAFETY: as above.
                freed.add(unsafe { entry.free(heap) });
            });
        }
        // Relaxed: exclusive.
        super::index::for_each_table(root.load(Ordering::Relaxed), &mut |address, lines| {
            freed.bytes += block_bytes(lines * LINE_BYTES);
            // SAFETY: as above.
            unsafe { heap.free(address, lines * LINE_BYTES) };
        });
    }
    freed
}

pub(super) fn free_orphan(batch: Batch, heap: &mut Heap) {
    for thing in batch.things {
        // SAFETY: the last owner of the store runs this: nobody reads anything any more, and each thing is freed once.
        unsafe {
            match thing {
                Retired::Entry(address) => drop(Entry::at(address).free(heap)),
                Retired::Lines(address, lines) => heap.free(address, lines * LINE_BYTES),
                Retired::Roots(roots) => drop(free_roots(roots, heap)),
            }
        }
    }
}
