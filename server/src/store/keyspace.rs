//! A database as a batch of commands sees it: expired keys are absent, every write is one atomic step on its key.
//!
//! A key that another thread's [`Transaction`](super::Transaction) holds is waited for (microseconds); nothing else waits.

mod text;
mod walk;
mod write;

pub use text::StringEdit;
pub use write::Change;

use super::access;
use super::big::Held;
use super::database::Roots;
use super::entry::{Entry, Kind};
use super::hash::{KeyHash, KeyHint};
use super::index::{self, Hit, Probe, word};
use super::local::{Local, add};
use super::notices::NoticeKind;
use super::{Guard, Store};
use crate::base::clock::UnixMs;
use crate::base::sync::Backoff;

/// A view of one database; see [`Store::keyspace`].
#[derive(Debug)]
pub struct Keyspace<'k, 'g> {
    pub(super) store: &'g Store,
    pub(super) local: &'k mut Local,
    pub(super) guard: &'g Guard,
    pub(super) db: u8,
    pub(super) now: UnixMs,
    touch: bool,
    /// Whether misses are taken down for those who asked for it.
    tells_misses: bool,
    hint: KeyHint,
}

/// A key as a writer found it.
pub(super) enum Found<'g> {
    /// Its word, unlatched, and whether its time has not come.
    Present {
        hit: Hit<'g>,
        entry: Entry<'g>,
        live: bool,
    },
    Absent(index::Vacancy<'g>),
    /// Absent, but for a placeholder's word: this thread holds the key, or somebody watches it.
    Reserved(Hit<'g>),
}

impl<'k, 'g> Keyspace<'k, 'g> {
    pub(super) fn new(
        store: &'g Store,
        local: &'k mut Local,
        guard: &'g Guard,
        db: u8,
        now: UnixMs,
    ) -> Self {
        Keyspace {
            store,
            local,
            guard,
            db,
            now,
            touch: true,
            tells_misses: true,
            hint: KeyHint::none(),
        }
    }

    /// With a hash that was computed ahead.
    #[must_use]
    pub fn with_hint(mut self, hint: KeyHint) -> Self {
        self.hint = hint;
        self
    }

    /// With or without marking what is read as used (CLIENT NO-TOUCH).
    #[must_use]
    pub fn with_touch(mut self, touch: bool) -> Self {
        self.touch = touch;
        self
    }

    /// Up to where a collection of type `kind` stays packed.
    pub fn limits(&self, kind: Kind) -> crate::types::collection::Limits {
        self.store.shapes().limits(kind)
    }

    /// Without telling anyone what was looked up in vain (OBJECT).
    #[must_use]
    pub fn without_notice(mut self) -> Self {
        self.tells_misses = false;
        self
    }

    /// The same view of another database.
    pub fn in_database(&mut self, db: u8) -> Keyspace<'_, 'g> {
        Keyspace { local: self.local, db, ..*self }
    }

    /// The store.
    pub fn store(&self) -> &Store {
        self.store
    }

    /// The time that this view lives at.
    pub fn now(&self) -> UnixMs {
        self.now
    }

    #[inline]
    pub(super) fn place(&self, key: &[u8]) -> KeyHash {
        match self.hint.get(key) {
            Some(place) => place,
            None => self.local.hasher().place(key),
        }
    }

    pub(super) fn roots(&self) -> Option<&'g Roots> {
        self.store.inner.databases[self.db as usize].roots(self.guard)
    }

    pub(super) fn roots_or_create(&self) -> &'g Roots {
        let threads = self.store.inner.tallies.len();
        self.store.inner.databases[self.db as usize].roots_or_create(self.guard, threads)
    }

    /// Looks `key` up for a command that reads its value: counts a hit or miss and marks it as used.
    #[inline]
    pub fn read(&mut self, key: &[u8]) -> Option<Entry<'g>> {
        let found = self.peek(key);
        self.note_lookup(key, found);
        found
    }

    /// Counts a hit or miss and marks what was found as used.
    #[inline]
    pub(super) fn note_lookup(&mut self, key: &[u8], found: Option<Entry<'g>>) {
        self.count_lookup(key, found.is_some());
        if let Some(entry) = found {
            self.mark_used(entry);
        }
    }

    #[inline]
    fn count_lookup(&mut self, key: &[u8], hit: bool) {
        let tally = self.local.tally();
        add(if hit { &tally.hits } else { &tally.misses }, 1);
        if !hit && self.tells_misses {
            self.local.notice(NoticeKind::Missed, self.db, key);
        }
    }

    #[inline]
    pub(super) fn mark_used(&mut self, entry: Entry<'g>) {
        if self.touch {
            self.local.touch(entry, self.now);
        }
    }

    /// Counts look-ups that were made by other means (SCAN).
    pub fn count_hits(&self, hits: u64) {
        add(&self.local.tally().hits, hits);
    }

    /// Looks `key` up without counting or marking (RENAME, MEMORY USAGE, DEBUG OBJECT).
    #[inline(always)]
    pub fn peek(&mut self, key: &[u8]) -> Option<Entry<'g>> {
        let roots = self.roots()?;
        let place = self.place(key);
        match self.find(roots, place, key) {
            Found::Present { entry, live: true, .. } => Some(entry),
            Found::Present { hit, .. } => {
                self.expire(roots, &hit);
                None
            }
            Found::Absent(_) | Found::Reserved(_) => None,
        }
    }

    /// Finds the key's word, waiting while a transaction of another thread holds it. A watched word comes without that mark, so that changing it fails,
    /// which [`Keyspace::marked`] then sees to; one that this thread holds comes latched, and is to stay so.
    #[inline(always)]
    pub(super) fn find(&mut self, roots: &'g Roots, place: KeyHash, key: &[u8]) -> Found<'g> {
        let mut backoff = Backoff::default();
        loop {
            // SAFETY: words are read under `guard`, and what they name is freed only an epoch later.
            let matches = |pointer| unsafe { Entry::at(pointer) }.key() == key;
            match index::probe(&roots.words[place.slot], place.hash, matches) {
                Probe::Miss(vacancy) => return Found::Absent(vacancy),
                Probe::Hit(hit) if hit.word & (word::LATCH | word::WATCHED) != 0 => {
                    match self.marked(hit, place, key) {
                        Some(found) => return found,
                        None => backoff.wait(),
                    }
                }
                Probe::Hit(hit) => {
                    // SAFETY: as above.
                    let entry = unsafe { Entry::at(word::pointer(hit.word)) };
                    let live = hit.word & word::TTL == 0
                        || entry.deadline().is_none_or(|deadline| deadline > self.now);
                    return Found::Present { hit, entry, live };
                }
            }
        }
    }

    /// A word that is latched, watched or both, as `find` gives it; `None`: look again.
    #[cold]
    fn marked(&mut self, mut hit: Hit<'g>, place: KeyHash, key: &[u8]) -> Option<Found<'g>> {
        if hit.word & word::LATCH != 0 && !self.local.owns(self.db, place, key) {
            debug_assert!(!self.local.is_owning(), "a step comes to no key that it does not hold");
            return None;
        }
        if self.local.met_watched == word::pointer(hit.word) {
            // The last attempt to change it has failed for that reason alone.
            self.local.met_watched = 0;
            self.local.break_watch(&hit, self.db).ok()?;
        }
        // SAFETY: read under `guard`.
        let entry: Entry<'g> = unsafe { Entry::at(word::pointer(hit.word)) };
        if entry.is_absent() {
            return Some(Found::Reserved(hit));
        }
        hit.word &= !word::WATCHED;
        let live = entry.deadline().is_none_or(|deadline| deadline > self.now);
        Some(Found::Present { hit, entry, live })
    }

    /// Removes a key whose time has come, unless somebody else just changed it or what expires is kept.
    #[cold]
    pub(super) fn expire(&mut self, roots: &'g Roots, hit: &Hit<'g>) {
        if self.store.limits().keeps_expired(self.now) {
            return;
        }
        let mut done = self.local.drop_entry(roots, hit, self.db, self.now);
        if done.is_err() && self.local.met_watched == word::pointer(hit.word) {
            self.local.met_watched = 0;
            let mut watched = *hit;
            watched.word |= word::WATCHED;
            // It says that the word is another now, as it is to be.
            let _ = self.local.break_watch(&watched, self.db);
            done = self.local.drop_entry(roots, hit, self.db, self.now);
        }
        if done.is_ok() {
            add(&self.local.tally().expired, 1);
            // SAFETY: read under `guard`.
            let entry: Entry<'g> = unsafe { Entry::at(word::pointer(hit.word)) };
            self.local.notice(NoticeKind::Expired, self.db, entry.key());
        }
    }

    /// Sets how long `key` has not been used (RESTORE IDLETIME).
    pub fn set_idle_seconds(&mut self, key: &[u8], seconds: u64) {
        if let Some(entry) = self.peek(key) {
            entry.set_access(access::lru_of_idle(seconds, self.now));
        }
    }

    /// Sets how often `key` counts as used (RESTORE FREQ).
    pub fn set_frequency(&mut self, key: &[u8], frequency: u8) {
        if let Some(entry) = self.peek(key) {
            entry.set_access(access::lfu_of(frequency, self.now));
        }
    }

    /// How often `key`'s entry counts as used by now.
    pub fn frequency(&self, entry: Entry<'g>) -> u8 {
        entry.frequency(self.now, self.store.lfu_decay_minutes())
    }
}

impl<'g> Found<'g> {
    /// The entry, if its time has not come.
    pub(super) fn live(&self) -> Option<Entry<'g>> {
        match self {
            Found::Present { entry, live: true, .. } => Some(*entry),
            _ => None,
        }
    }

    /// The entry, whether its time has come or not.
    pub(super) fn entry(&self) -> Option<Entry<'g>> {
        match self {
            Found::Present { entry, .. } => Some(*entry),
            Found::Absent(_) | Found::Reserved(_) => None,
        }
    }

    /// Keeps a large value from being edited in place between the version that a writer takes and the CAS of its word, which an edit leaves as it is:
    /// the edit would have the later version and yet be undone.
    pub(super) fn hold(&self) -> Option<Held<'g>> {
        match self {
            Found::Present { entry, .. } => entry.big().map(|big| big.hold()),
            Found::Absent(_) | Found::Reserved(_) => None,
        }
    }
}
