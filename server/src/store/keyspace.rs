//! A database as a batch of commands sees it: expired keys are absent, every write is one atomic step on its key.
//!
//! A key that another thread's [`Transaction`](super::Transaction) holds is waited for (microseconds); nothing else waits.

use super::access;
use super::big::{Big, BigValue, Held};
use super::chain::{Link, Mixed, Op, Replaced, ValueRef};
use super::change::Changes;
use super::database::Roots;
use super::entry::{Entry, Expiry, Kind, NewValue, Payload, Shown, Stamp, WrongType, build};
use super::hash::{KeyHash, KeyHint};
use super::index::{self, Changed, Hit, Insert, Probe, word};
use super::local::{Local, add};
use super::notices::NoticeKind;
use super::slab::block_bytes;
use super::{Guard, Store};
use crate::base::clock::UnixMs;
use crate::base::limits::DATABASE_COUNT;
use crate::base::sync::{AtomicU64, Backoff};
use std::ops::{ControlFlow, Range};
use torc_protocol::slot::{SLOT_COUNT, Slot};

/// A string edited to more than this becomes a large value, edited in place from then on.
const INLINE_EDIT_BYTES_MAX: usize = 4096;

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

/// What [`Keyspace::update`]'s closure wants done with the key.
#[derive(Debug)]
pub enum Change<'v> {
    /// Nothing.
    Keep,
    /// Store this value.
    Put(NewValue<'v>, Expiry),
    /// Store the integer `sum`, which is what was there (0 if nothing) and `by` together. The deadline stays. Unlike a `Put`, additions on both sides of a
    /// partition add up.
    Add {
        /// The new value.
        sum: i64,
        /// What was added.
        by: i64,
    },
    /// Change the deadline alone; `Expiry::Keep` does nothing. A time that has passed deletes. Ignored if absent.
    Expire(Expiry),
    /// Remove the key.
    Delete,
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
    #[inline]
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

    /// Removes a key whose time has come, unless somebody else just changed it.
    pub(super) fn expire(&mut self, roots: &'g Roots, hit: &Hit<'g>) {
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

    /// Stores `value`, whatever was there. Returns whether a live key was replaced.
    #[inline]
    pub fn set(&mut self, key: &[u8], value: NewValue<'_>, expiry: Expiry) -> bool {
        let roots = self.roots_or_create();
        let place = self.place(key);
        let mut backoff = Backoff::default();
        loop {
            let found = self.find(roots, place, key);
            match self.write(roots, place, key, &found, Payload::of(value), expiry) {
                Ok(()) => return matches!(found, Found::Present { live: true, .. }),
                Err(Changed) => backoff.wait(),
            }
        }
    }

    /// Removes `key`; whether a live one was there.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        let Some(roots) = self.roots() else { return false };
        let place = self.place(key);
        loop {
            match self.find(roots, place, key) {
                Found::Absent(_) | Found::Reserved(_) => return false,
                Found::Present { hit, live, .. } => {
                    if self.local.remove_entry(roots, &hit, self.db, self.now).is_ok() {
                        if !live {
                            add(&self.local.tally().expired, 1);
                            self.local.notice(NoticeKind::Expired, self.db, key);
                        }
                        return live;
                    }
                }
            }
        }
    }

    /// Reads `key` and changes it in one atomic step. `decide` runs again whenever another writer came first, so it must
    /// only compute. What it returned last comes back, its change done. An error leaves the key as it was.
    pub fn update<'v, R, E>(
        &mut self,
        key: &[u8],
        mut decide: impl FnMut(Option<Entry<'g>>) -> Result<(Change<'v>, R), E>,
    ) -> Result<R, E> {
        let roots = self.roots_or_create();
        let place = self.place(key);
        let mut backoff = Backoff::default();
        loop {
            let found = self.find(roots, place, key);
            let live = found.live();
            // Nobody edits a large value between the decision and the step, or the step would undo an edit it has not seen.
            let _held = live.and_then(|entry| entry.big()).map(|big| big.hold());
            let (change, result) = decide(live)?;
            match self.apply(roots, place, key, &found, change) {
                Ok(()) => return Ok(result),
                Err(Changed) => backoff.wait(),
            }
        }
    }

    /// As [`Keyspace::update`], for a command that answers what it found: counts one hit or miss, errors of `decide` included.
    pub fn read_and_update<'v, R, E>(
        &mut self,
        key: &[u8],
        mut decide: impl FnMut(Option<Entry<'g>>) -> Result<(Change<'v>, R), E>,
    ) -> Result<R, E> {
        let mut hit = false;
        let result = self.update(key, |entry| {
            hit = entry.is_some();
            decide(entry)
        });
        let tally = self.local.tally();
        add(if hit { &tally.hits } else { &tally.misses }, 1);
        if !hit {
            self.local.notice_missed_before(self.db, key);
        }
        result
    }

    fn apply(
        &mut self,
        roots: &'g Roots,
        place: KeyHash,
        key: &[u8],
        found: &Found<'g>,
        change: Change<'_>,
    ) -> Result<(), Changed> {
        match (change, found) {
            (Change::Put(value, expiry), _) => {
                self.write(roots, place, key, found, Payload::of(value), expiry)
            }
            (Change::Add { sum, by }, _) => self.count(roots, place, key, found, sum, by),
            (_, Found::Absent(_) | Found::Reserved(_)) => Ok(()),
            (_, Found::Present { hit, live: false, .. }) => {
                self.expire(roots, hit);
                Ok(())
            }
            (Change::Keep | Change::Expire(Expiry::Keep), Found::Present { entry, .. }) => {
                // Looked at to be written: a use, though nothing came of it.
                self.mark_used(*entry);
                Ok(())
            }
            (Change::Delete, Found::Present { hit, .. }) => {
                self.local.remove_entry(roots, hit, self.db, self.now)
            }
            (Change::Expire(Expiry::At(at)), Found::Present { hit, .. }) if at <= self.now => {
                self.local.remove_entry(roots, hit, self.db, self.now)
            }
            (Change::Expire(expiry), Found::Present { entry, .. }) => {
                self.write_deadline(roots, place, key, found, *entry, expiry)
            }
        }
    }

    /// Builds an entry and puts it where `found` says, if nothing changed there since.
    #[inline]
    fn write(
        &mut self,
        roots: &'g Roots,
        place: KeyHash,
        key: &[u8],
        found: &Found<'g>,
        payload: Payload<'_>,
        expiry: Expiry,
    ) -> Result<(), Changed> {
        self.write_unnoticed(roots, place, key, found, payload, expiry)?;
        self.notice_new(key, found);
        Ok(())
    }

    /// Takes down that a client's write brought a key into being.
    #[inline]
    pub(super) fn notice_new(&mut self, key: &[u8], found: &Found<'g>) {
        if found.live().is_none() {
            if found.entry().is_some() {
                self.local.notice(NoticeKind::Expired, self.db, key);
            }
            self.local.notice(NoticeKind::New, self.db, key);
        }
    }

    #[inline]
    fn write_unnoticed(
        &mut self,
        roots: &'g Roots,
        place: KeyHash,
        key: &[u8],
        found: &Found<'g>,
        payload: Payload<'_>,
        expiry: Expiry,
    ) -> Result<(), Changed> {
        let old = found.live();
        let deadline = match expiry {
            Expiry::Keep => old.and_then(|entry| entry.deadline()),
            Expiry::Never => None,
            Expiry::At(at) => Some(at),
        };
        if !self.local.is_replicating() {
            return self.install(roots, place, key, found, payload, deadline, Stamp::default());
        }
        let _held = found.hold();
        let link = self.local.take_link(place.slot, self.now);
        let kept = if expiry == Expiry::Keep { old } else { None };
        let mut stamp = self.local.stamp(link, kept);
        // One step may set both. What is edited in place says when its deadline was set: its version moves on.
        if deadline.is_none() || !matches!(payload, Payload::Big(_)) {
            stamp.deadline = stamp.deadline.filter(|&deadline| deadline != link.version);
        }
        // A value that is edited in place is another's to edit as soon as it is published.
        let copy;
        let value = match &payload {
            Payload::Big(big) => {
                copy = big.read_text().map(|text| text.clone()).unwrap_or_default();
                ValueRef::Bytes { bytes: &copy, raw: true }
            }
            Payload::Bytes { bytes, raw } => ValueRef::Bytes { bytes, raw: *raw },
            Payload::Integer(value) => ValueRef::Integer(*value),
            Payload::Mixed { .. } | Payload::Packed { .. } | Payload::Absent => {
                unreachable!("written elsewhere, or never")
            }
        };
        let op = Op::Put { db: self.db, key, value, deadline, deadline_version: stamp.deadline };
        let written = match payload {
            Payload::Big(big) => {
                self.install(roots, place, key, found, Payload::Big(big), deadline, stamp)
            }
            Payload::Bytes { bytes, raw } => {
                let payload = Payload::Bytes { bytes, raw };
                self.install(roots, place, key, found, payload, deadline, stamp)
            }
            payload => self.install(roots, place, key, found, payload, deadline, stamp),
        };
        self.local.record(place.slot, link, found.entry(), op, written)
    }

    /// Adds to a number. A node that replicates keeps additions apart by who made them.
    fn count(
        &mut self,
        roots: &'g Roots,
        place: KeyHash,
        key: &[u8],
        found: &Found<'g>,
        sum: i64,
        by: i64,
    ) -> Result<(), Changed> {
        if !self.local.is_replicating() {
            return self.write(roots, place, key, found, Payload::Integer(sum), Expiry::Keep);
        }
        let _held = found.hold();
        let link = self.local.take_link(place.slot, self.now);
        let Some(journal) = &mut self.local.journal else { return Err(Changed) };
        let mixed = match found.live() {
            Some(entry) => entry.with_state(self.store.origin_version(), |before| {
                journal.add(Some(before), link, by, sum)
            }),
            None => journal.add(None, link, by, sum),
        };
        let op = Op::Count { db: self.db, key, mixed: &mixed };
        let written = self.install_mixed(roots, place, key, found, link, &mixed);
        match found.entry().filter(|_| found.live().is_none() && written.is_ok()) {
            // A count leaves what it counts on: other nodes are told that what was over is gone.
            Some(over) => {
                let replaced = self.local.replaced(over);
                let delete = Op::Delete { db: self.db, key };
                self.local.record_all(place.slot, link, &replaced, &[delete, op]);
            }
            None => self.local.record(place.slot, link, found.entry(), op, written)?,
        }
        self.notice_new(key, found);
        Ok(())
    }

    fn install_mixed(
        &mut self,
        roots: &'g Roots,
        place: KeyHash,
        key: &[u8],
        found: &Found<'g>,
        link: Link,
        mixed: &Mixed,
    ) -> Result<(), Changed> {
        let payload = Payload::Mixed {
            shown: Shown::String(ValueRef::Integer(mixed.total)),
            elements: &mixed.elements,
        };
        let stamp = Stamp { value: Some(link.version), deadline: None };
        self.install(roots, place, key, found, payload, mixed.deadline, stamp)
    }

    /// Changes a live key's deadline alone.
    fn write_deadline(
        &mut self,
        roots: &'g Roots,
        place: KeyHash,
        key: &[u8],
        found: &Found<'g>,
        entry: Entry<'g>,
        expiry: Expiry,
    ) -> Result<(), Changed> {
        let deadline = match expiry {
            Expiry::At(at) => Some(at),
            _ => None,
        };
        if !self.local.is_replicating() {
            let payload = entry.payload();
            return self.install(roots, place, key, found, payload, deadline, Stamp::default());
        }
        let base = self.local.dot_of(entry);
        let link = self.local.take_link(place.slot, self.now);
        if entry.kind() != Kind::String {
            let stamp =
                Stamp { value: Some(self.local.version_of(entry)), deadline: Some(link.version) };
            let replaced = match entry.elements() {
                Some(elements) => Replaced::Mixed(elements),
                None => Replaced::Plain(entry.deadline_version().unwrap_or_default()),
            };
            let written = self.install(roots, place, key, found, entry.payload(), deadline, stamp);
            let head = Op::Head { db: self.db, key, deadline };
            // Of what held several types one is left.
            let kind = entry.kind();
            let alone = Op::Elements { db: self.db, key, kind, changes: Changes::none() };
            let ops = match (&written, entry.elements()) {
                (Ok(()), None) => &[head][..],
                (Ok(()), Some(_)) => &[alone, head],
                (Err(Changed), _) => &[Op::Noop],
            };
            self.local.record_all(place.slot, link, &[replaced], ops);
            return written;
        }
        if let Some(elements) = entry.elements() {
            let Some(journal) = &mut self.local.journal else { return Err(Changed) };
            if let Some(mixed) = journal.expire(elements, link, deadline) {
                let written = self.install_mixed(roots, place, key, found, link, &mixed);
                let op = Op::Count { db: self.db, key, mixed: &mixed };
                return self.local.record(place.slot, link, found.entry(), op, written);
            }
            // What is shown becomes one value, with its deadline.
            self.local.record_all(place.slot, link, &[], &[Op::Noop]);
            return self.write(roots, place, key, found, entry.payload(), expiry);
        }
        let value = self.local.version_of(entry);
        let in_place = deadline.is_some() && entry.big().is_some();
        let deadline_version = Some(link.version).filter(|&version| in_place || version != value);
        let stamp = Stamp { value: Some(value), deadline: deadline_version };
        let written = self.install(roots, place, key, found, entry.payload(), deadline, stamp);
        let op = Op::Deadline { db: self.db, key, base, deadline };
        self.local.record(place.slot, link, found.entry(), op, written)
    }

    /// Builds an entry and puts it where `found` says, if nothing changed there since; counts it.
    #[inline]
    #[expect(
        clippy::too_many_arguments,
        reason = "a place, what was there, and the parts of an entry"
    )]
    pub(super) fn install(
        &mut self,
        roots: &'g Roots,
        place: KeyHash,
        key: &[u8],
        found: &Found<'g>,
        payload: Payload<'_>,
        deadline: Option<UnixMs>,
        stamp: Stamp,
    ) -> Result<(), Changed> {
        let access = self.local.replaced_access(found.live(), self.now);
        let new = self.local.build(key, payload, deadline, stamp, access);
        let new_word = word::slot_word(new, place.hash, deadline.is_some());
        match found {
            Found::Present { hit, .. } => {
                // What this thread holds stays held.
                if hit.replace(self.local, new_word | hit.word & word::LATCH).is_err() {
                    // Never published, so nobody saw it.
                    self.local.free_entry(new);
                    return Err(Changed);
                }
                let had_deadline = hit.word & word::TTL != 0;
                roots.count(self.local.thread, 0, deadline.is_some() as i64 - had_deadline as i64);
                self.local.retire_entry(word::pointer(hit.word));
            }
            Found::Absent(vacancy) => {
                if vacancy.insert(self.local, new_word) != Insert::Done {
                    // A reader with an old bitmap may have seen the claim.
                    self.local.discard(new);
                    return Err(Changed);
                }
                roots.count(self.local.thread, 1, deadline.is_some() as i64);
            }
            Found::Reserved(hit) => {
                if !self.fill(hit, new_word) {
                    self.local.free_entry(new);
                    return Err(Changed);
                }
                roots.count(self.local.thread, 1, deadline.is_some() as i64);
            }
        }
        if let Some(deadline) = deadline {
            roots.note_deadline(place.slot, deadline);
        }
        Ok(())
    }

    /// Puts `new` in the place of a placeholder that this thread holds; whether that could be done.
    #[cold]
    fn fill(&mut self, hit: &Hit<'g>, new: u64) -> bool {
        let is_free = self.local.break_watch(hit, self.db).is_ok();
        let done = is_free && hit.replace(self.local, new | word::LATCH).is_ok();
        if done {
            self.local.retire_entry(word::pointer(hit.word));
        }
        done
    }

    /// Edits the bytes of a string in place (large values) or by copy (small ones). An absent key begins empty and is created
    /// if the edit makes it non-empty; a deadline stays. `edit` may run again, from the then current bytes. On `Err` the key
    /// stays as it was: an edit that may fail must fail before it writes.
    pub fn edit_string<R, E: From<WrongType>>(
        &mut self,
        key: &[u8],
        mut edit: impl FnMut(&mut StringEdit<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        let roots = self.roots_or_create();
        let place = self.place(key);
        let mut backoff = Backoff::default();
        loop {
            let found = self.find(roots, place, key);
            if let Found::Present { hit, entry, live: true } = &found
                && let Some(big) = entry.big()
            {
                match self.edit_big(place, key, hit, *entry, big, &mut edit)? {
                    Some(result) => return Ok(result),
                    None => {
                        backoff.wait();
                        continue;
                    }
                }
            }
            if let Some(result) = self.edit_copy(roots, place, key, &found, &mut edit)? {
                return Ok(result);
            }
            backoff.wait();
        }
    }

    /// `None`: the key no longer holds this value.
    fn edit_big<R, E: From<WrongType>>(
        &mut self,
        place: KeyHash,
        key: &[u8],
        hit: &Hit<'g>,
        entry: Entry<'g>,
        big: &Big,
        edit: &mut impl FnMut(&mut StringEdit<'_>) -> Result<R, E>,
    ) -> Result<Option<R>, E> {
        let Some(mut bytes) = big.edit_text() else { return Err(WrongType.into()) };
        // Whoever deletes, replaces or holds the key changes its word first; an edit after that would be lost.
        if !hit.is_current(self.local) || self.separate_deadline(place, key, hit, entry) {
            return Ok(None);
        }
        if let Some(owned) = &mut self.local.owned {
            owned.keep_before(big, || BigValue::Text(bytes.clone()));
        }
        let before = bytes.capacity();
        let mut edited = StringEdit {
            bytes: &mut bytes,
            existed: true,
            raw: true,
            changed: None,
            unchanged: false,
        };
        let result = edit(&mut edited)?;
        let changed = edited.changed.take().filter(|_| !edited.unchanged);
        self.local.account(bytes.capacity() as i64 - before as i64);
        if let Some(changed) = changed
            && self.local.is_replicating()
        {
            let base = self.local.dot_of(entry);
            let replaced = self.local.replaced(entry);
            let link = self.local.take_link(place.slot, self.now);
            big.set_version(link.version);
            let (len, offset) = (bytes.len() as u64, changed.start as u64);
            let bytes = &bytes[changed.start..changed.end.min(bytes.len())];
            let op = Op::Splice { db: self.db, key, base, len, offset, bytes };
            self.local.record_all(place.slot, link, &replaced, &[op]);
        }
        Ok(Some(result))
    }

    /// Lets a value's deadline say itself when it was set, if it came with the value: an edit in place moves the version of the value alone.
    /// Whether it had to, and the key is to be looked up again.
    pub(super) fn separate_deadline(
        &mut self,
        place: KeyHash,
        key: &[u8],
        hit: &Hit<'g>,
        entry: Entry<'g>,
    ) -> bool {
        let came_with_value = entry.deadline().is_some() && entry.deadline_version().is_none();
        if !came_with_value || !self.local.is_replicating() {
            return false;
        }
        let version = Some(self.local.version_of(entry));
        let stamp = Stamp { value: version, deadline: version };
        let roots = self.roots_or_create();
        let found = Found::Present { hit: *hit, entry, live: true };
        // If another was faster, the caller sees what he did.
        let _ = self.install(roots, place, key, &found, entry.payload(), entry.deadline(), stamp);
        true
    }

    fn edit_copy<R, E: From<WrongType>>(
        &mut self,
        roots: &'g Roots,
        place: KeyHash,
        key: &[u8],
        found: &Found<'g>,
        edit: &mut impl FnMut(&mut StringEdit<'_>) -> Result<R, E>,
    ) -> Result<Option<R>, E> {
        let mut bytes = std::mem::take(&mut self.local.scratch);
        bytes.clear();
        let live = found.live();
        if let Some(entry) = live {
            bytes.extend_from_slice(entry.string()?.bytes(&mut itoa::Buffer::new()));
        }
        let existed = live.is_some();
        let raw = live.is_some_and(|entry| entry.encoding() == "raw");
        let mut edited =
            StringEdit { bytes: &mut bytes, existed, raw, changed: None, unchanged: false };
        let result = edit(&mut edited)?;
        let unchanged = edited.unchanged;
        if unchanged || bytes.is_empty() && !existed {
            if let Some(entry) = live {
                self.mark_used(entry);
            }
            self.local.scratch = bytes;
            return Ok(Some(result));
        }
        let written = if bytes.len() > INLINE_EDIT_BYTES_MAX {
            self.local.account(bytes.capacity() as i64);
            let big = Big::text(std::mem::take(&mut bytes));
            self.write(roots, place, key, found, Payload::Big(big), Expiry::Keep)
        } else {
            let payload = Payload::Bytes { bytes: &bytes, raw: true };
            self.write(roots, place, key, found, payload, Expiry::Keep)
        };
        self.local.scratch = bytes;
        Ok(written.is_ok().then_some(result))
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
                    if entry.deadline().is_none_or(|at| at > self.now) {
                        visit(entry);
                    }
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

impl Local {
    pub(super) fn build(
        &mut self,
        key: &[u8],
        payload: Payload<'_>,
        deadline: Option<UnixMs>,
        stamp: Stamp,
        access: u16,
    ) -> u64 {
        let block = build(&mut self.heap, key, payload, deadline, stamp, access);
        let address = block.expose_provenance() as u64;
        // SAFETY: just built, and private.
        let bytes = unsafe { Entry::at(address) }.bytes();
        self.account(block_bytes(bytes) as i64);
        address
    }

    /// Gives up an entry that was claimed but never published.
    pub(super) fn discard(&mut self, address: u64) {
        if cfg!(torc_trap = "free_undone") {
            self.free_entry(address);
        } else {
            self.retire_entry(address);
        }
    }

    /// Counts a removed key out and retires its entry.
    pub(super) fn forget(&mut self, roots: &Roots, removed: u64) {
        roots.count(self.thread, -1, -((removed & word::TTL != 0) as i64));
        self.retire_entry(word::pointer(removed));
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

/// The bytes of a string under edit; see [`Keyspace::edit_string`].
#[derive(Debug)]
pub struct StringEdit<'e> {
    bytes: &'e mut Vec<u8>,
    existed: bool,
    raw: bool,
    /// What other nodes must be told of.
    changed: Option<Range<usize>>,
    unchanged: bool,
}

impl StringEdit<'_> {
    /// Whether the key existed.
    pub fn existed(&self) -> bool {
        self.existed
    }

    /// Whether the value's encoding was `raw`, as it is after every edit.
    pub fn is_raw(&self) -> bool {
        self.raw
    }

    /// Says that the bytes were left as they were, so that no new entry is built for them.
    pub fn keep(&mut self) {
        self.unchanged = true;
    }

    /// The bytes now.
    pub fn bytes(&self) -> &[u8] {
        self.bytes
    }

    /// The bytes, to be changed at will, in number too.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        self.note(0..usize::MAX);
        self.bytes
    }

    /// The bytes, to be changed at will. Where only some change, [`StringEdit::range_mut`] spares the others the way to the replicas.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.note(0..self.bytes.len());
        self.bytes
    }

    /// Some of the bytes, to be changed at will.
    ///
    /// # Panics
    /// If the range is not within them.
    pub fn range_mut(&mut self, range: Range<usize>) -> &mut [u8] {
        self.note(range.clone());
        &mut self.bytes[range]
    }

    /// Grows with zero bytes to at least `len`.
    pub fn grow(&mut self, len: usize) {
        if len > self.bytes.len() {
            // Who receives the new length grows with zeros too.
            self.note(self.bytes.len()..self.bytes.len());
            self.bytes.resize(len, 0);
        }
    }

    /// Appends.
    pub fn append(&mut self, bytes: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.note(start..self.bytes.len());
    }

    /// Puts `bytes` in the place of all that is there.
    pub fn replace(&mut self, bytes: &[u8]) {
        self.bytes.clear();
        self.bytes.extend_from_slice(bytes);
        self.note(0..bytes.len());
    }

    fn note(&mut self, range: Range<usize>) {
        self.changed = Some(match self.changed.take() {
            None => range,
            Some(known) if range.is_empty() => known,
            Some(known) if known.is_empty() => range,
            Some(known) => known.start.min(range.start)..known.end.max(range.end),
        });
    }
}
