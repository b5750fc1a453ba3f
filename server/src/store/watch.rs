//! Watched keys: who wants to know whether a key was changed.
//!
//! A watched key's word bears `WATCHED`; a key that is not there gets a placeholder for it. A writer looks its key up without that bit, so that its CAS
//! fails, which costs the writers of other keys nothing. It then *breaks* the watch: takes the bit off, tells all who watch the key, and tries again. So
//! whoever holds the latch of a key knows that nobody has changed it since he began to watch it, if its word still bears the bit and nobody told him.
//! The bit alone would not do: others may have begun to watch the key after a change.
//!
//! ```text
//!   watch:   enter the list ── set the bit            write:  clear the bit ── tell the list ── change the word
//! ```
//!
//! Who enters the list and finds the bit set already either is on it when the writer tells it, or comes after the writer, who then fails again.
//!
//! What is watched no more keeps its bit until a tick takes it off ([`Store::tidy`]).

use super::awaited::Awoken;
use super::entry::{Entry, Payload, Stamp as Versions};
use super::hash::KeyHash;
use super::index::{self, Changed, Hit, Insert, Probe, word};
use super::keyspace::Keyspace;
use super::local::Local;
use super::{Guard, Inner, Store};
use crate::base::sync::Backoff;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Lists are spread over so many locks.
const SHARDS: usize = 64;
/// Bits that one tick takes off, so that it stays short.
const TIDIED_MAX: usize = 1024;

/// Bytes of a [`Stamp`].
pub const STAMP_BYTES: usize = 11;

/// See [`Keyspace::stamp`].
pub type Stamp = [u8; STAMP_BYTES];

pub(super) type WatchedKey = (u8, Box<[u8]>);

/// Who is to be told that a key was changed.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    /// What says so to each client that watches it.
    broken: Vec<Arc<AtomicBool>>,
    /// Whether somebody waits for a change of it; see [`awaited`](super::awaited).
    pub(super) awaited: bool,
}

impl Watchers {
    fn is_empty(&self) -> bool {
        self.broken.is_empty() && !self.awaited
    }
}

type Shard = HashMap<WatchedKey, Watchers>;

/// Who watches what.
#[derive(Debug)]
pub(super) struct Watches {
    shards: Box<[Mutex<Shard>]>,
    /// Keys that nobody watches any more; they may still bear the bit.
    stale: Mutex<Vec<WatchedKey>>,
    /// Awaited keys that were changed by threads that serve nobody.
    pub(super) awoken: Awoken,
}

impl Default for Watches {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Watches { shards, stale: Mutex::default(), awoken: Awoken::default() }
    }
}

impl Watches {
    pub(super) fn shard(&self, key: &[u8]) -> &Mutex<Shard> {
        &self.shards[torc_protocol::slot::slot_of(key).index() % SHARDS]
    }

    fn enter(&self, key: WatchedKey, who: Arc<AtomicBool>) {
        self.shard(&key.1).lock().entry(key).or_default().broken.push(who);
    }

    fn leave(&self, key: WatchedKey, who: &Arc<AtomicBool>) {
        let mut lists = self.shard(&key.1).lock();
        let Some(list) = lists.get_mut(&key) else { return };
        list.broken.retain(|other| !Arc::ptr_eq(other, who));
        if list.is_empty() {
            lists.remove(&key);
            drop(lists);
            self.stale.lock().push(key);
        }
    }

    /// Nobody waits for a change of the key any more.
    pub(super) fn end_wait(&self, key: WatchedKey) {
        let mut lists = self.shard(&key.1).lock();
        let Some(list) = lists.get_mut(&key) else { return };
        list.awaited = false;
        if list.is_empty() {
            lists.remove(&key);
            drop(lists);
            self.stale.lock().push(key);
        }
    }

    fn is_watched(&self, key: &WatchedKey) -> bool {
        self.shard(&key.1).lock().contains_key(key)
    }

    /// Tells all who watch the key that it changes. Returns whether somebody waits for that.
    fn tell(&self, db: u8, key: &[u8]) -> bool {
        let mut lists = self.shard(key).lock();
        let name = (db, Box::from(key));
        let Some(list) = lists.get_mut(&name) else { return false };
        for broken in std::mem::take(&mut list.broken) {
            // Release: pairs with the Acquire in `Watch::is_broken`.
            broken.store(true, Ordering::Release);
        }
        let awaited = list.awaited;
        if !awaited {
            lists.remove(&name);
        }
        awaited
    }

    fn of_database(&self, db: u8) -> Vec<WatchedKey> {
        let mut keys = Vec::new();
        for shard in &self.shards {
            keys.extend(shard.lock().keys().filter(|key| key.0 == db).cloned());
        }
        keys
    }
}

/// The keys that one client watches; see the module's description. Ends when it is dropped.
#[derive(Debug)]
pub struct Watch {
    inner: Arc<Inner>,
    broken: Arc<AtomicBool>,
    keys: Vec<WatchedKey>,
}

impl Watch {
    /// The keys, with their databases.
    pub fn keys(&self) -> impl Iterator<Item = (u8, &[u8])> {
        self.keys.iter().map(|(db, key)| (*db, &**key))
    }

    /// Whether one of the keys was changed since it was watched. To be sure that none is, ask [`Keyspace::is_unchanged`].
    pub fn is_broken(&self) -> bool {
        // Acquire: pairs with the Release in `tell`.
        self.broken.load(Ordering::Acquire)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        for key in self.keys.drain(..) {
            self.inner.watches.leave(key, &self.broken);
        }
    }
}

impl Store {
    /// A watch of no key yet.
    pub fn watch(&self) -> Watch {
        Watch { inner: self.inner.clone(), broken: Arc::default(), keys: Vec::new() }
    }

    /// Takes the bits off that nobody needs any more, some of them.
    pub(super) fn tidy_watches(&self, local: &mut Local, guard: &Guard) {
        let mut stale = self.inner.watches.stale.lock();
        let first = stale.len().saturating_sub(TIDIED_MAX);
        let some = stale.split_off(first);
        if stale.is_empty() {
            *stale = Vec::new();
        }
        drop(stale);
        for key in some {
            // Deadlines do not matter here.
            self.keyspace(local, guard, key.0, 0).disarm(key);
        }
    }
}

impl Local {
    /// Breaks the watch of a word that is about to be changed without having been looked up by its key.
    ///
    /// # Errors
    /// There was one, so that the word is another now.
    pub(super) fn break_watch(&mut self, hit: &Hit<'_>, db: u8) -> Result<(), Changed> {
        if hit.word & word::WATCHED == 0 {
            return Ok(());
        }
        // SAFETY: the caller's guard protects what a published word named.
        let entry = unsafe { Entry::at(word::pointer(hit.word)) };
        if entry.is_absent() && hit.word & word::LATCH == 0 {
            // It held the place of the watch alone.
            if hit.remove(self).is_ok() {
                self.tell_watchers(db, entry.key());
                self.retire_entry(word::pointer(hit.word));
            }
        } else if hit.replace(self, hit.word & !word::WATCHED).is_ok() {
            self.tell_watchers(db, entry.key());
        }
        Err(Changed)
    }

    fn tell_watchers(&mut self, db: u8, key: &[u8]) {
        if self.inner.watches.tell(db, key) {
            self.awaken(db, key);
        }
    }
}

impl<'g> Keyspace<'_, 'g> {
    /// Watches `key` from now on.
    pub fn watch(&mut self, watch: &mut Watch, key: &[u8]) {
        if watch.keys.iter().any(|(db, known)| *db == self.db && **known == *key) {
            return;
        }
        // A key whose time has come is absent; that it goes is no change.
        self.peek(key);
        let name: WatchedKey = (self.db, Box::from(key));
        self.store.inner.watches.enter(name.clone(), watch.broken.clone());
        watch.keys.push(name);
        self.arm(key);
    }

    /// Sees to it that the key's word bears the bit.
    pub(super) fn arm(&mut self, key: &[u8]) {
        let place = self.place(key);
        let mut backoff = Backoff::default();
        loop {
            match self.probe(place, key) {
                Probe::Hit(hit) if hit.word & word::LATCH != 0 => {}
                Probe::Hit(hit) if hit.word & word::WATCHED != 0 => return,
                Probe::Hit(hit) => {
                    if hit.replace(self.local, hit.word | word::WATCHED).is_ok() {
                        return;
                    }
                }
                Probe::Miss(vacancy) => {
                    let address =
                        self.local.build(key, Payload::Absent, None, Versions::default(), 0);
                    let new = word::slot_word(address, place.hash, false) | word::WATCHED;
                    if vacancy.insert(self.local, new) == Insert::Done {
                        return;
                    }
                    self.local.discard(address);
                }
            }
            // Another's watch of the key is none to be broken.
            self.local.met_watched = 0;
            backoff.wait();
        }
    }

    fn probe(&self, place: KeyHash, key: &[u8]) -> Probe<'g> {
        let roots = self.roots_or_create();
        // SAFETY: words are read under `guard`, and what they name is freed only an epoch later.
        let matches = |pointer| unsafe { Entry::at(pointer) }.key() == key;
        index::probe(&roots.words[place.slot], place.hash, matches)
    }

    /// Whether no key of `watch` was changed, nor is gone because its time has come. The caller holds them all, so that none will be.
    pub fn is_unchanged(&mut self, watch: &Watch) -> bool {
        !watch.is_broken()
            && watch.keys().all(|(db, key)| {
                let keyspace = self.in_database(db);
                match keyspace.probe(keyspace.place(key), key) {
                    Probe::Hit(hit) => {
                        // SAFETY: as in `probe`.
                        let entry = unsafe { Entry::at(word::pointer(hit.word)) };
                        hit.word & word::WATCHED != 0
                            && entry.deadline().is_none_or(|at| at > keyspace.now)
                    }
                    Probe::Miss(_) => false,
                }
            })
    }

    /// Takes the bit off a key that nobody watches.
    fn disarm(&mut self, key: WatchedKey) {
        if self.store.inner.watches.is_watched(&key) {
            // Again, by somebody who needs the bit. Who leaves last says so once more.
            return;
        }
        let place = self.place(&key.1);
        let Probe::Hit(hit) = self.probe(place, &key.1) else { return };
        if hit.word & word::LATCH != 0 {
            // A transaction's, for microseconds.
            return self.store.inner.watches.stale.lock().push(key);
        }
        if hit.word & word::WATCHED == 0 {
            return;
        }
        // SAFETY: as in `probe`.
        let entry = unsafe { Entry::at(word::pointer(hit.word)) };
        let done = if entry.is_absent() {
            hit.remove(self.local).map(|()| self.local.retire_entry(word::pointer(hit.word)))
        } else {
            hit.replace(self.local, hit.word & !word::WATCHED)
        };
        let watches = &self.store.inner.watches;
        match done {
            // Somebody began to watch it and saw the bit: a change may since have gone by unseen.
            Ok(()) if watches.is_watched(&key) => self.local.tell_watchers(key.0, &key.1),
            Ok(()) => {}
            Err(Changed) => watches.stale.lock().push(key),
        }
    }

    /// Tells those who watch keys that are about to go with the contents of database `db`, or to be there with those of `other`. What they watch that is
    /// absent from both stays watched; see [`Keyspace::watch_again`].
    pub(super) fn tell_of_contents(&mut self, db: u8, other: Option<u8>) -> Vec<(u8, Box<[u8]>)> {
        let mut keys = self.store.inner.watches.of_database(db);
        keys.retain(|(_, key)| {
            let mut is_in = |db| self.in_database(db).peek(key).is_some();
            let there = is_in(db) || other.is_some_and(is_in);
            if there {
                self.local.tell_watchers(db, key);
            }
            !there
        });
        keys
    }

    /// Goes on with what was watched before the contents were exchanged.
    pub(super) fn watch_again(&mut self, keys: Vec<(u8, Box<[u8]>)>) {
        for (db, key) in keys {
            let mut keyspace = self.in_database(db);
            // A moment of its own for each: whoever stored it before it is armed finds the client told by `is_unchanged`, or here.
            keyspace.arm(&key);
            if keyspace.peek(&key).is_some() {
                keyspace.local.tell_watchers(db, &key);
            }
        }
    }

    /// What tells a later state of `key` from this one, on a node that replicates: the version of what it holds, or, if it is absent, how many keys of its
    /// slot this incarnation has removed. Nothing on a node on its own, whose values have no versions.
    pub fn stamp(&mut self, key: &[u8]) -> Option<Stamp> {
        let chains = self.store.inner.chains.get()?;
        // The count first: a key that is stored and removed in between is then counted.
        let place = self.place(key);
        let removals = chains.removals(place.slot);
        let mut stamp = [0; STAMP_BYTES];
        match self.peek(key) {
            Some(entry) => {
                stamp[0] = 1;
                stamp[1..9].copy_from_slice(&self.dot_of(entry).get().to_le_bytes());
            }
            None => {
                stamp[1..9].copy_from_slice(&removals.to_le_bytes());
                stamp[9..].copy_from_slice(&chains.tag().get().to_le_bytes());
            }
        }
        Some(stamp)
    }
}
