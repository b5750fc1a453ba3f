//! Whole commands as one atomic step: a thread holds keys, and handlers that know nothing of it run on them.
//!
//! ```text
//!   hold: latch the words, in the order that all transactions keep ── commands ── release: what was recorded, then the latches
//! ```
//!
//! Every look-up of a key that this thread holds ([`Keyspace::find`]) gives its word as it is, latched; whatever is stored in it stays latched, and a key
//! that is removed leaves a latched placeholder. So others see nothing of the step before its end, when they find all of it: whoever meets a latch
//! waits. Large values are edited where they are, and somebody may have looked one up before its word was latched; each says so himself ([`Hold`]).
//!
//! What such a step writes in one slot is one effect with several operations: it takes one version ([`Local::take_link`]), and the journal gathers what it is told.
//!
//! **Invariant.** No command of a step comes to a key that the step does not hold, unless the gate is closed ([`super::gate`]): two steps could wait for
//! each other. What keys a command names is its caller's to know.

use super::big::{Big, BigValue};
use super::chain::{Link, Op};
use super::entry::{Entry, Payload, Stamp};
use super::hash::KeyHash;
use super::index::{self, Changed, Hit, Insert, Probe, word};
use super::keyspace::Keyspace;
use super::local::Local;
use super::transaction::order;
use super::{Guard, Store};
use crate::base::clock::UnixMs;
use crate::base::sync::Backoff;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a thread holds.
#[derive(Debug, Default)]
pub(super) struct Owned {
    /// In order.
    keys: Vec<OwnedKey>,
    /// The large values that the keys had when the step began.
    large: Vec<LargeValue>,
    /// The version of the step in each slot that it has written to.
    links: Vec<(usize, Link)>,
    /// Whether the gate is closed for it.
    everything: bool,
}

#[derive(Debug)]
struct OwnedKey {
    db: u8,
    place: KeyHash,
    key: Box<[u8]>,
}

/// A large value of a held key.
#[derive(Debug)]
struct LargeValue {
    /// Where it is, which the guard of the step keeps valid.
    big: *const Big,
    /// What it was, from the step's first edit on.
    before: Option<BigValue>,
}

impl Owned {
    /// Keeps what a large value is before the step edits it: the step may yet take the key away, and who had looked it up before sees it as it was then.
    pub(super) fn keep_before(&mut self, big: &Big, value: impl FnOnce() -> BigValue) {
        let large = self.large.iter_mut().find(|large| std::ptr::eq(large.big, big));
        if let Some(large) = large {
            large.before.get_or_insert_with(value);
        }
    }

    fn has(&self, db: u8, place: KeyHash, key: &[u8]) -> bool {
        let found = self.keys.binary_search_by_key(&order(db, place, key), |owned| {
            order(owned.db, owned.place, &owned.key)
        });
        found.is_ok()
    }

    pub(super) fn link(&self, slot: usize) -> Option<Link> {
        self.links.iter().find(|(other, _)| *other == slot).map(|(_, link)| *link)
    }

    pub(super) fn add_link(&mut self, slot: usize, link: Link) {
        self.links.push((slot, link));
    }
}

/// Of a large value: whether a step holds it, so that no other thread may look at it yet.
#[derive(Debug, Default)]
pub(super) struct Hold(AtomicUsize);

impl Hold {
    /// Whether another thread's step is at work on the value. To be asked under the value's lock.
    #[inline]
    pub(super) fn is_foreign(&self) -> bool {
        // Relaxed: set and read under the value's lock.
        let holder = self.0.load(Ordering::Relaxed);
        holder != 0 && holder != thread_token()
    }

    pub(super) fn set(&self, held: bool) {
        self.0.store(if held { thread_token() } else { 0 }, Ordering::Relaxed);
    }
}

/// A number that is this thread's alone, and not 0.
fn thread_token() -> usize {
    thread_local!(static TOKEN: u8 = const { 0 });
    TOKEN.with(|token| std::ptr::from_ref(token).addr())
}

impl Local {
    /// Whether commands run as one step.
    #[inline]
    pub fn is_owning(&self) -> bool {
        self.owned.is_some()
    }

    /// Whether this thread closed the gate.
    #[cold]
    pub fn holds_gate(&self) -> bool {
        self.owned.as_ref().is_some_and(|owned| owned.everything)
    }

    #[cold]
    pub(super) fn owns(&self, db: u8, place: KeyHash, key: &[u8]) -> bool {
        self.owned.as_ref().is_some_and(|owned| owned.has(db, place, key))
    }

    pub(super) fn begin_owning(&mut self, everything: bool) {
        debug_assert!(self.owned.is_none(), "steps do not nest");
        self.owned = Some(Box::new(Owned { everything, ..Owned::default() }));
        if let Some(journal) = &mut self.journal {
            journal.begin();
        }
    }

    /// Removes a word that was looked up; a key that this thread holds keeps a placeholder.
    #[inline]
    pub(super) fn take_out(&mut self, hit: &Hit<'_>) -> Result<(), Changed> {
        if hit.word & word::LATCH == 0 { hit.remove(self) } else { self.reserve(hit) }
    }

    #[cold]
    fn reserve(&mut self, hit: &Hit<'_>) -> Result<(), Changed> {
        // SAFETY: the caller's guard protects what a published word named.
        let key = unsafe { Entry::at(word::pointer(hit.word)) }.key();
        let address = self.build(key, Payload::Absent, None, Stamp::default(), 0);
        let done = hit.replace(self, word::latched_at(hit.word, address));
        if done.is_err() {
            // Never published, so nobody saw it.
            self.free_entry(address);
        }
        done
    }
}

impl Store {
    /// Keeps every other thread out of the store until [`Store::release`], and begins a step as [`Store::hold`] does, whose commands may come to any key.
    /// `local` has nothing pinned. Waits for the batches that run now.
    pub fn hold_everything(&self, local: &mut Local) {
        self.hold_everything_unless(local, || false);
    }

    /// As [`Store::hold_everything`], but gives up while another thread has the store for itself and `give_up` says so. Whether it is held.
    pub fn hold_everything_unless(&self, local: &mut Local, give_up: impl Fn() -> bool) -> bool {
        if !self.inner.gate.close_unless(give_up) {
            return false;
        }
        local.begin_owning(true);
        let grace = local.grace();
        let mut backoff = Backoff::default();
        while !grace.has_passed() {
            local.push_epoch();
            backoff.wait();
        }
        true
    }

    /// Holds `keys` (database and name, duplicates allowed) until [`Store::release`]: what commands do to them meanwhile is one atomic step. Waits for
    /// others that hold one of them. `local` holds nothing yet.
    pub fn hold<'a>(
        &self,
        local: &mut Local,
        guard: &Guard,
        now: UnixMs,
        keys: impl Iterator<Item = (u8, &'a [u8])>,
    ) {
        let place =
            |(db, key): (u8, &[u8])| OwnedKey { db, place: self.place(key), key: key.into() };
        let mut keys: Vec<OwnedKey> = keys.map(place).collect();
        keys.sort_unstable_by(|a, b| {
            order(a.db, a.place, &a.key).cmp(&order(b.db, b.place, &b.key))
        });
        keys.dedup_by(|a, b| (a.db, &a.key) == (b.db, &b.key));
        let mut large = Vec::new();
        for key in &keys {
            let mut keyspace = self.keyspace(local, guard, key.db, now);
            large.extend(keyspace.latch(key).filter(|entry| entry.big().is_some()));
        }
        // Not before all latches are had: who reads a held value waits, perhaps with the lock of another large one.
        let large = large.iter().filter_map(Entry::big).map(|big| {
            big.begin_step();
            LargeValue { big, before: None }
        });
        let large = large.collect();
        local.begin_owning(false);
        if let Some(owned) = &mut local.owned {
            owned.keys = keys;
            owned.large = large;
        }
    }

    /// Whether `local` holds `key` of database `db`.
    pub fn holds(&self, local: &Local, db: u8, key: &[u8]) -> bool {
        local.holds_gate() || local.owns(db, self.place(key), key)
    }

    /// Holds one more key in a step that [`Store::hold`] began, if that needs no waiting. Whether it is held now.
    ///
    /// Keys are taken in one order by all who wait for them. This one comes out of order, so to wait for whoever holds it, or reads its large value, could be for ever: he may
    /// wait for a key of ours.
    pub fn try_hold(
        &self,
        local: &mut Local,
        guard: &Guard,
        now: UnixMs,
        db: u8,
        key: &[u8],
    ) -> bool {
        if self.holds(local, db, key) {
            return true;
        }
        let key = OwnedKey { db, place: self.place(key), key: key.into() };
        let mut keyspace = self.keyspace(local, guard, db, now);
        let Some(before) = keyspace.try_latch(&key) else { return false };
        let big = before.as_ref().and_then(Entry::big);
        if big.is_some_and(|big| !big.try_begin_step()) {
            keyspace.unlatch(&key, &mut Vec::new());
            return false;
        }
        if let Some(owned) = &mut local.owned {
            let at = owned.keys.partition_point(|other| {
                order(other.db, other.place, &other.key) < order(key.db, key.place, &key.key)
            });
            owned.keys.insert(at, key);
            owned.large.extend(big.map(|big| LargeValue { big, before: None }));
        }
        true
    }

    /// Ends what [`Store::hold`] or [`Store::hold_everything`] began, under the guard that `hold` had: others see all of it from now on.
    pub fn release(&self, local: &mut Local, guard: &Guard, now: UnixMs) {
        let Some(mut owned) = local.owned.take() else { return };
        if let Some(journal) = &mut local.journal {
            // A version that was taken has its effect, if only an empty one: the chain has no hole.
            let links = owned.links.iter();
            links.for_each(|&(slot, link)| journal.record(slot as u16, link, &[], &[Op::Noop]));
            journal.commit();
        }
        for key in &owned.keys {
            self.keyspace(local, guard, key.db, now).unlatch(key, &mut owned.large);
        }
        for gone in owned.large {
            // SAFETY: it was looked up under `guard`, which is pinned still.
            let more = unsafe { &*gone.big }.end_step(gone.before);
            local.account(more);
        }
        if owned.everything {
            self.inner.gate.open();
        }
    }
}

impl<'g> Keyspace<'_, 'g> {
    fn word_of(&self, key: &OwnedKey) -> Probe<'g> {
        // SAFETY: words are read under `guard`, and what they name is freed only an epoch later.
        let matches = |pointer| unsafe { Entry::at(pointer) }.key() == &*key.key;
        index::probe(&self.roots_or_create().words[key.place.slot], key.place.hash, matches)
    }

    /// Latches a key, waiting for another transaction that holds it. Returns the entry, which may be a placeholder.
    fn latch(&mut self, key: &OwnedKey) -> Option<Entry<'g>> {
        let mut backoff = Backoff::default();
        loop {
            if let Some(before) = self.try_latch(key) {
                return before;
            }
            backoff.wait();
        }
    }

    /// Latches a key, unless another transaction holds it. Returns the entry, which may be a placeholder.
    fn try_latch(&mut self, key: &OwnedKey) -> Option<Option<Entry<'g>>> {
        let mut backoff = Backoff::default();
        loop {
            match self.word_of(key) {
                Probe::Hit(hit) if hit.word & word::LATCH != 0 => return None,
                Probe::Hit(hit) => {
                    if hit.replace(self.local, hit.word | word::LATCH).is_ok() {
                        // SAFETY: read under the keyspace's guard.
                        return Some(Some(unsafe { Entry::at(word::pointer(hit.word)) }));
                    }
                }
                Probe::Miss(vacancy) => {
                    let address =
                        self.local.build(&key.key, Payload::Absent, None, Stamp::default(), 0);
                    let latched = word::slot_word(address, key.place.hash, false) | word::LATCH;
                    if vacancy.insert(self.local, latched) == Insert::Done {
                        return Some(None);
                    }
                    self.local.discard(address);
                }
            }
            // To hold a key changes nothing of it.
            self.local.met_watched = 0;
            backoff.wait();
        }
    }

    /// Of the `large` values that the step met, takes out what the key has still.
    fn unlatch(&mut self, key: &OwnedKey, large: &mut Vec<LargeValue>) {
        loop {
            let Probe::Hit(hit) = self.word_of(key) else {
                unreachable!("a latched word is changed by its holder alone")
            };
            // SAFETY: as in `latch`.
            let entry: Entry<'g> = unsafe { Entry::at(word::pointer(hit.word)) };
            // A placeholder stays where somebody watches the absent key.
            let goes = entry.is_absent() && hit.word & word::WATCHED == 0;
            // One that the step itself made large bears no mark.
            let known = |big: &Big| large.iter().position(|large| std::ptr::eq(large.big, big));
            if let Some(big) = entry.big()
                && let Some(index) = known(big)
            {
                large.swap_remove(index);
                big.end_step(None);
            }
            let done = if goes {
                hit.remove(self.local)
            } else {
                hit.replace(self.local, hit.word & !word::LATCH)
            };
            // Only a table's replacement changes a latched word, and that is over once this returns.
            if done.is_ok() {
                if goes {
                    self.local.retire_entry(word::pointer(hit.word));
                }
                return;
            }
        }
    }
}
