//! The store: sixteen databases on a lock-free index.
//!
//! [`Store`] is shared by all threads; each thread that touches it owns a [`Local`]; work happens on a [`Keyspace`],
//! a view of one database for the time of one batch. The store knows time only as the `now` that it is given,
//! and nothing of commands, clients or sockets.

mod access;
mod age;
mod ahead;
mod amend;
mod awaited;
mod background;
mod backing;
mod big;
mod chain;
mod change;
mod changes;
mod collection;
mod database;
mod edit;
mod entry;
mod evict;
mod gate;
mod hash;
mod index;
mod keyspace;
mod local;
mod maintain;
mod notices;
mod owned;
mod pages;
mod record;
mod replica;
mod restamp;
mod shapes;
mod slab;
mod snapshot;
mod spare;
mod transaction;
mod watch;

#[cfg(test)]
mod steps;
#[cfg(test)]
mod stress;
#[cfg(test)]
mod tests;

pub use ahead::Ahead;
pub use amend::Amended;
pub use awaited::AwaitedKey;
pub use chain::{
    ElementState, Journal, Link, Mixed, MixedElement, MixedTold, Op, Replaced, Step, ValueRef,
};
pub use change::{AmountRef, Changes, ElementChange, put_change};
pub use changes::{By, ChangedKey};
pub use collection::{Collected, Collection, CollectionRef, Snapshot};
pub use crossbeam_epoch::Guard;
pub use edit::{Edit, element_id, position_of};
pub use entry::{Entry, Expiry, Kind, NewValue, StringView, WrongType};
pub use evict::{Limits, Policy};
pub use hash::{HashKind, KeyHash, KeyHint};
pub use index::Changed;
pub use keyspace::{Change, Keyspace, StringEdit};
pub use local::Local;
pub use maintain::Share;
pub use notices::{Notice, NoticeKind};
pub use record::REPLICA_PATIENCE_MS;
pub use replica::{Grace, Merged, Seen, Spliced, State, Value};
pub use shapes::Shapes;
pub use transaction::Transaction;
pub use watch::{Stamp, Watch};

use crate::base::clock::UnixMs;
use crate::base::limits::DATABASE_COUNT;
use crate::base::rng::Rng;
use crate::base::version::Version;
use background::Background;
use chain::Chains;
use crossbeam_epoch::Collector;
use database::Database;
use gate::Gate;
use hash::Hasher;
use local::{Batch, Tally, free_orphan, free_roots};
use parking_lot::Mutex;
use slab::{Heap, Slab};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use torc_protocol::slot::Slot;
use watch::Watches;

/// How a store is made.
#[derive(Debug, Clone, Copy)]
pub struct StoreOptions {
    /// The keyed hash.
    pub hash: HashKind,
    /// Seed of the hash and of all sampling.
    pub seed: u64,
    /// Threads that may hold a [`Local`] at once.
    pub threads: usize,
}

impl Default for StoreOptions {
    fn default() -> Self {
        StoreOptions { hash: HashKind::Ahash, seed: 0, threads: 8 }
    }
}

/// The shared part of the store.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

/// Bytes in use, over all threads and up to 64 KiB a thread behind.
#[derive(Debug, Default)]
struct Totals {
    /// Entries, tables and large values, those in limbo included.
    used: AtomicI64,
    /// Removed, but perhaps still being read.
    limbo: AtomicI64,
}

struct Inner {
    databases: [Database; DATABASE_COUNT],
    hasher: Hasher,
    limits: Limits,
    shapes: Shapes,
    totals: Arc<Totals>,
    tallies: Vec<Tally>,
    threads_given: AtomicUsize,
    seed: u64,
    /// What threads that ended left behind; see `Local::drop`.
    orphans: Mutex<Vec<Batch>>,
    slab: Arc<Slab>,
    background: Background,
    /// Made when the node begins to replicate.
    chains: OnceLock<Chains>,
    /// Of this store alone, so that stores in one process do not delay each other's frees.
    collector: Collector,
    gate: Gate,
    watches: Watches,
    changes: changes::Changes,
}

impl Inner {
    /// What entries without a version count as.
    fn origin(&self) -> Version {
        self.chains.get().map_or(Version::ZERO, |chains| chains.origin)
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("totals", &self.totals).finish_non_exhaustive()
    }
}

/// What the store counts, for INFO and metrics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Keys a database, those past their deadline and not yet swept included.
    pub keys: [u64; DATABASE_COUNT],
    /// Of these, keys with a deadline.
    pub expires: [u64; DATABASE_COUNT],
    /// Look-ups of commands that read, which found their key.
    pub hits: u64,
    /// And which did not.
    pub misses: u64,
    /// Keys removed because their time had come.
    pub expired: u64,
    /// Keys removed to make room.
    pub evicted: u64,
    /// Bytes in entries, tables and large values, those in limbo included.
    pub used_bytes: u64,
    /// Bytes removed, but perhaps still being read.
    pub limbo_bytes: u64,
}

impl Store {
    /// An empty store.
    pub fn new(options: StoreOptions) -> Self {
        let slab = Slab::new();
        let totals = Arc::new(Totals::default());
        let threads = options.threads.max(1);
        let inner = Inner {
            databases: Default::default(),
            hasher: Hasher::new(options.hash, options.seed),
            limits: Limits::default(),
            shapes: Shapes::default(),
            tallies: (0..threads).map(|_| Tally::default()).collect(),
            threads_given: AtomicUsize::new(0),
            seed: options.seed,
            orphans: Mutex::new(Vec::new()),
            background: Background::start(slab.clone(), totals.clone()),
            totals,
            slab,
            chains: OnceLock::new(),
            collector: Collector::new(),
            gate: Gate::default(),
            watches: Watches::default(),
            changes: changes::Changes::default(),
        };
        Store { inner: Arc::new(inner) }
    }

    /// The part of the store for one more thread.
    ///
    /// # Panics
    /// If more are asked for than `StoreOptions::threads`.
    pub fn local(&self) -> Local {
        // Relaxed: only the number's uniqueness counts.
        let thread = self.inner.threads_given.fetch_add(1, Ordering::Relaxed);
        assert!(thread < self.inner.tallies.len(), "more threads than StoreOptions::threads");
        let rng =
            Rng::seeded(self.inner.seed ^ (thread as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Local::new(self.inner.clone(), thread, rng)
    }

    /// `maxmemory` and its companions.
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    /// Up to where collections stay packed.
    pub fn shapes(&self) -> &Shapes {
        &self.inner.shapes
    }

    /// A view of database `db` (below 16) at time `now`. `guard` is one of `local`'s.
    pub fn keyspace<'k, 'g>(
        &'g self,
        local: &'k mut Local,
        guard: &'g Guard,
        db: u8,
        now: UnixMs,
    ) -> Keyspace<'k, 'g> {
        self.check_guard(guard);
        Keyspace::new(self, local, guard, db, now)
    }

    /// A guard of another store pins nothing here.
    #[inline]
    fn check_guard(&self, guard: &Guard) {
        assert!(guard.collector() == Some(&self.inner.collector), "a guard of another store");
    }

    /// Where `key` lives, to be handed to the prefetches and, as a [`KeyHint`], to the keyspace.
    #[inline]
    pub fn place(&self, key: &[u8]) -> KeyHash {
        self.inner.hasher.place(key)
    }

    /// As [`Store::place`], of a key whose slot is known.
    #[inline]
    pub fn place_in(&self, slot: Slot, key: &[u8]) -> KeyHash {
        self.inner.hasher.place_in(slot, key)
    }

    /// What is asked of memory ahead of look-ups in database `db`; nothing while that was never written.
    #[inline]
    pub fn ahead<'g>(&self, guard: &'g Guard, db: u8) -> Option<Ahead<'g>> {
        self.inner.databases[db as usize].roots(guard).map(|roots| Ahead { roots })
    }

    /// What the store counts.
    pub fn stats(&self) -> StoreStats {
        // Registering costs a microsecond, which INFO can bear; any thread may ask.
        let guard = self.inner.collector.register().pin();
        let mut stats = StoreStats::default();
        for (db, database) in self.inner.databases.iter().enumerate() {
            if let Some(roots) = database.roots(&guard) {
                stats.keys[db] = roots.keys();
                stats.expires[db] = roots.with_deadline();
            }
        }
        // Relaxed, here and below: statistics.
        for tally in &self.inner.tallies {
            stats.hits += tally.hits.load(Ordering::Relaxed);
            stats.misses += tally.misses.load(Ordering::Relaxed);
            stats.expired += tally.expired.load(Ordering::Relaxed);
            stats.evicted += tally.evicted.load(Ordering::Relaxed);
        }
        stats.used_bytes = self.used_bytes();
        stats.limbo_bytes = self.inner.totals.limbo.load(Ordering::Relaxed).max(0) as u64;
        stats
    }

    /// Bytes in use, as `maxmemory` counts them.
    pub fn used_bytes(&self) -> u64 {
        // Relaxed: a statistic.
        self.inner.totals.used.load(Ordering::Relaxed).max(0) as u64
    }

    /// Starts hits, misses, expired and evicted over (CONFIG RESETSTAT). A thread that counts at the same moment may undo it for
    /// its own share.
    pub fn reset_stats(&self) {
        for tally in &self.inner.tallies {
            for counter in [&tally.hits, &tally.misses, &tally.expired, &tally.evicted] {
                counter.store(0, Ordering::Relaxed);
            }
        }
    }

    /// How often the LFU policies decay, for [`Entry::frequency`].
    pub fn lfu_decay_minutes(&self) -> u32 {
        self.inner.limits.lfu().0
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The last owner: nobody reads anything any more.
        let mut heap = Heap::new(self.slab.clone());
        for database in &self.databases {
            let roots = database.take();
            if !roots.is_null() {
                free_roots(roots, &mut heap);
            }
        }
        for batch in self.orphans.get_mut().drain(..) {
            free_orphan(batch, &mut heap);
        }
    }
}
