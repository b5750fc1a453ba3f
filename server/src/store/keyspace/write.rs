//! Writes of whole values, counts and deadlines: each one atomic step on its key, told to the journal.

use super::super::chain::{Link, Mixed, Op, Replaced, ValueRef};
use super::super::change::Changes;
use super::super::database::Roots;
use super::super::entry::{Entry, Expiry, Kind, NewValue, Payload, Shown, Stamp, build};
use super::super::hash::KeyHash;
use super::super::index::{Changed, Hit, Insert, word};
use super::super::local::{Local, add};
use super::super::notices::NoticeKind;
use super::super::slab::block_bytes;
use super::{Found, Keyspace};
use crate::base::clock::UnixMs;
use crate::base::sync::Backoff;

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

impl<'g> Keyspace<'_, 'g> {
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

    pub(super) fn apply(
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
    pub(super) fn write(
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
    pub(in crate::store) fn notice_new(&mut self, key: &[u8], found: &Found<'g>) {
        if found.live().is_none() {
            if found.entry().is_some() {
                self.local.notice(NoticeKind::Expired, self.db, key);
            }
            self.local.notice(NoticeKind::New, self.db, key);
        }
    }

    #[inline]
    pub(super) fn write_unnoticed(
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
    pub(super) fn count(
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

    pub(super) fn install_mixed(
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
    pub(super) fn write_deadline(
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
    pub(in crate::store) fn install(
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
    pub(super) fn fill(&mut self, hit: &Hit<'g>, new: u64) -> bool {
        let is_free = self.local.break_watch(hit, self.db).is_ok();
        let done = is_free && hit.replace(self.local, new | word::LATCH).is_ok();
        if done {
            self.local.retire_entry(word::pointer(hit.word));
        }
        done
    }
}

impl Local {
    pub(in crate::store) fn build(
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
        let entry = unsafe { Entry::at(address) };
        self.account(block_bytes(entry.bytes()) as i64);
        self.built(entry);
        address
    }

    /// Gives up an entry that was claimed but never published.
    pub(in crate::store) fn discard(&mut self, address: u64) {
        if cfg!(torc_trap = "free_undone") {
            self.free_entry(address);
        } else {
            self.retire_entry(address);
        }
    }

    /// Counts a removed key out, takes that down, and retires its entry.
    pub(in crate::store) fn forget(&mut self, roots: &Roots, removed: u64) {
        // SAFETY: retired below, and not freed before its batch has passed.
        self.changed(unsafe { Entry::at(word::pointer(removed)) }.key());
        self.forget_silently(roots, removed);
    }

    /// As [`Local::forget`], for a key that is where it was, but not on this node any more.
    pub(in crate::store) fn forget_silently(&mut self, roots: &Roots, removed: u64) {
        roots.count(self.thread, -1, -((removed & word::TTL != 0) as i64));
        self.retire_entry(word::pointer(removed));
    }
}
