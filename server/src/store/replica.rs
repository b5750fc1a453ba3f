//! Writes that come from other nodes, and what a slot is read by for them.
//!
//! These bring their versions along: nothing here takes one, and nothing is told to the journal. What two states of a key make together is the
//! caller's to decide; here it is done in one atomic step.

use super::Store;
use super::big::{Big, Held};
use super::chain::Chains;
use super::chain::ValueRef;
use super::collection::Collection;
use super::database::Roots;
use super::entry::{Entry, Kind, Payload, Shown, Stamp, StringView};
use super::hash::KeyHash;
use super::index::{self, Changed, word};
use super::keyspace::{Found, Keyspace};
use super::local::Local;
use crate::base::clock::UnixMs;
use crate::base::sync::Backoff;
use crate::base::version::{Tag, Version};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use torc_protocol::slot::Slot;

/// A value with everything that its merge needs.
#[derive(Debug, Clone, Copy)]
pub enum Value<'v> {
    /// One value.
    Plain(ValueRef<'v>),
    /// What readers see of the elements that follow, which are replication's.
    Mixed(ValueRef<'v>, &'v [u8]),
    /// A collection.
    Collection(&'v Collection),
    /// What readers see of the elements that follow: packed elements of a collection.
    MixedCollection(Kind, &'v [u8], &'v [u8]),
}

/// The whole state of a key.
#[derive(Debug, Clone, Copy)]
pub struct State<'v> {
    /// Its value.
    pub value: Value<'v>,
    /// When the value was written.
    pub version: Version,
    /// Its deadline.
    pub deadline: Option<UnixMs>,
    /// When the deadline was changed, if after the value.
    pub deadline_version: Option<Version>,
}

/// A key as it was found; see [`Keyspace::see`].
pub struct Seen<'g> {
    roots: &'g Roots,
    place: KeyHash,
    found: Found<'g>,
    #[expect(dead_code, reason = "held for its lock")]
    held: Option<Held<'g>>,
}

impl<'g> Seen<'g> {
    /// What the key holds.
    pub fn entry(&self) -> Option<Entry<'g>> {
        self.found.entry()
    }
}

impl std::fmt::Debug for Seen<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seen").field("entry", &self.entry()).finish_non_exhaustive()
    }
}

/// What becomes of a key; see [`Keyspace::settle`].
#[derive(Debug, Clone, Copy)]
pub enum Merged<'v> {
    /// It stays as it is.
    Keep,
    /// This state takes its place.
    Put(State<'v>),
    /// Of what is there, a collection, the deadline alone becomes another, as of that version.
    Deadline(Option<UnixMs>, Version),
    /// It goes.
    Remove,
}

/// What became of an edit of some bytes; see [`Keyspace::splice`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spliced {
    /// The bytes are as the edit left them.
    Done,
    /// The key does not hold the value that was edited: its state must be fetched.
    OtherBase,
}

/// A moment that has passed once every batch that ran at its beginning has ended: see [`Local::grace`].
#[derive(Debug, Clone)]
pub struct Grace(Arc<AtomicBool>);

impl Grace {
    /// Whether it has passed.
    pub fn has_passed(&self) -> bool {
        // Acquire: pairs with the Release in `Local::grace`: everything that those batches did is seen.
        self.0.load(Ordering::Acquire)
    }
}

impl Store {
    /// From now on versions can be taken: threads may be given journals. `tag` is this incarnation's. Does nothing the second time.
    pub fn replicate(&self, tag: Tag, now: UnixMs) {
        let is_empty = self.stats().keys.iter().all(|&keys| keys == 0);
        let _ = self.inner.chains.get_or_init(|| Chains::new(tag, now, is_empty));
    }

    pub(super) fn chains(&self) -> Option<&Chains> {
        self.inner.chains.get()
    }

    /// The latest version that this node gave out for `slot`; zero before [`Store::replicate`]. All writes up to it are done once a
    /// [`Grace`] that began after this call has passed.
    pub fn last_version(&self, slot: Slot) -> Version {
        self.chains().map_or(Version::ZERO, |chains| chains.last(slot.index()))
    }

    /// What entries without a version of their own count as.
    pub fn origin_version(&self) -> Version {
        self.inner.origin()
    }

    /// Sees to it that every later version of `slot` is higher than `version`, which another node gave out.
    pub fn see_version(&self, slot: Slot, version: Version) {
        if let Some(chains) = self.chains() {
            chains.see(slot.index(), version);
        }
    }

    /// Whether this node evicts keys of `slot` and drops them when they expire. True of all slots at first.
    pub fn set_served(&self, slot: Slot, served: bool) {
        if let Some(chains) = self.chains() {
            chains.set_served(slot.index(), served);
        }
    }

    /// Versions that were taken and not used, because another writer was first.
    pub fn abandoned_versions(&self) -> u64 {
        self.chains().map_or(0, Chains::abandoned)
    }
}

impl Local {
    /// Begins a moment that has passed once every batch that runs now, in any thread, has ended. Needs other calls that pin (`tidy`, or more graces)
    /// to get there.
    pub fn grace(&mut self) -> Grace {
        let passed = Arc::new(AtomicBool::new(false));
        let told = passed.clone();
        let guard = self.pin();
        // Release: pairs with the Acquire in `has_passed`.
        guard.defer(move || told.store(true, Ordering::Release));
        guard.flush();
        Grace(passed)
    }

    /// Helps graces to pass.
    pub fn push_epoch(&mut self) {
        self.pin().flush();
    }
}

impl<'g> Keyspace<'_, 'g> {
    /// The version of an entry, or what it counts as.
    pub fn version_of(&self, entry: Entry<'g>) -> Version {
        entry.version().unwrap_or_else(|| self.store.origin_version())
    }

    /// What an entry without a version of its own counts as.
    pub fn origin_version(&self) -> Version {
        self.store.origin_version()
    }

    /// The later of the versions of a plain entry's value and deadline.
    pub fn dot_of(&self, entry: Entry<'g>) -> Version {
        self.version_of(entry).max(entry.deadline_version().unwrap_or_default())
    }

    /// Looks `key` up, past its deadline or not, to change it by [`Keyspace::settle`]. A large value is not edited for as long as the finding lives.
    pub fn see(&mut self, key: &[u8]) -> Seen<'g> {
        let roots = self.roots_or_create();
        let place = self.place(key);
        let found = self.find(roots, place, key);
        let held = found.hold();
        Seen { roots, place, found, held }
    }

    /// Does to `key` what was decided on the ground of `seen`, in one step.
    ///
    /// # Errors
    /// If the key changed since; nothing was done then. See it again.
    pub fn settle(
        &mut self,
        key: &[u8],
        seen: &Seen<'g>,
        merged: Merged<'_>,
    ) -> Result<(), Changed> {
        match (merged, &seen.found) {
            (Merged::Keep, _) | (Merged::Remove, Found::Absent(_) | Found::Reserved(_)) => Ok(()),
            (Merged::Put(state), found) => {
                let newest = state.version.max(state.deadline_version.unwrap_or_default());
                if let Some(chains) = self.store.chains() {
                    chains.see(seen.place.slot, newest);
                }
                let stamp = Stamp { value: Some(state.version), deadline: state.deadline_version };
                let payload = match state.value {
                    Value::Plain(ValueRef::Integer(value)) => Payload::Integer(value),
                    Value::Plain(ValueRef::Bytes { bytes, raw }) => Payload::Bytes { bytes, raw },
                    Value::Mixed(shown, elements) => {
                        Payload::Mixed { shown: Shown::String(shown), elements }
                    }
                    Value::MixedCollection(kind, packed, elements) => {
                        Payload::Mixed { shown: Shown::Packed(kind, packed), elements }
                    }
                    Value::Collection(collection) => match collection.packed() {
                        Some(elements) => Payload::Packed { kind: collection.kind(), elements },
                        None => {
                            self.local.account(collection.memory_bytes() as i64);
                            Payload::Big(Big::collection(collection.clone()))
                        }
                    },
                };
                self.install(seen.roots, seen.place, key, found, payload, state.deadline, stamp)
            }
            (Merged::Deadline(deadline, version), found) => {
                let Some(entry) = found.entry() else { return Ok(()) };
                if let Some(chains) = self.store.chains() {
                    chains.see(seen.place.slot, version);
                }
                let stamp = Stamp { value: Some(self.version_of(entry)), deadline: Some(version) };
                let payload = entry.payload();
                self.install(seen.roots, seen.place, key, found, payload, deadline, stamp)
            }
            (Merged::Remove, Found::Present { hit, .. }) => {
                if let Some(chains) = self.store.chains() {
                    chains.note_removal(seen.place.slot);
                }
                self.local.take_out(hit)?;
                self.local.forget(seen.roots, hit.word);
                Ok(())
            }
        }
    }

    /// Lets `key`, which lives at `place`, hold plain bytes as of `version`, without a deadline: [`Keyspace::see`] and [`Keyspace::settle`] in one, for what comes most often.
    /// Only over nothing, or over a string that is kept byte by byte and of which `is_overruled` says so, given the later of the versions of its value and deadline. Returns
    /// whether that was done; if not, nothing was.
    #[inline]
    pub fn put_plain(
        &mut self,
        place: KeyHash,
        key: &[u8],
        bytes: &[u8],
        version: Version,
        is_overruled: impl FnOnce(Version) -> bool,
    ) -> bool {
        let roots = self.roots_or_create();
        let found = self.find(roots, place, key);
        if let Some(entry) = found.entry()
            && (entry.plain_string().is_none() || !is_overruled(self.dot_of(entry)))
        {
            return false;
        }
        if let Some(chains) = self.store.chains() {
            chains.see(place.slot, version);
        }
        let payload = Payload::Bytes { bytes, raw: false };
        let stamp = Stamp { value: Some(version), deadline: None };
        self.install(roots, place, key, &found, payload, None, stamp).is_ok()
    }

    /// Changes some bytes of the string that `key` holds as of `base`: it is `len` bytes long afterwards, `bytes` stand at `offset`, and its version is
    /// `version`.
    pub fn splice(
        &mut self,
        key: &[u8],
        base: Version,
        version: Version,
        len: usize,
        (offset, bytes): (usize, &[u8]),
    ) -> Spliced {
        let Some(end) = offset.checked_add(bytes.len()).filter(|&end| end <= len) else {
            return Spliced::OtherBase;
        };
        let roots = self.roots_or_create();
        let place = self.place(key);
        let mut backoff = Backoff::default();
        loop {
            let Found::Present { hit, entry, live } = self.find(roots, place, key) else {
                return Spliced::OtherBase;
            };
            if let Some(big) = entry.big() {
                let Some(mut text) = big.edit_text() else { return Spliced::OtherBase };
                let current = hit.is_current(self.local);
                if !current || self.separate_deadline(place, key, &hit, entry) {
                    drop(text);
                    backoff.wait();
                    continue;
                }
                if self.dot_of(entry) != base {
                    return Spliced::OtherBase;
                }
                self.store.see_version(slot(place.slot), version);
                let before = text.capacity();
                text.resize(len, 0);
                text[offset..end].copy_from_slice(bytes);
                big.set_version(version);
                self.local.account(text.capacity() as i64 - before as i64);
                self.local.changed(key);
                return Spliced::Done;
            }
            if self.dot_of(entry) != base || entry.elements().is_some() {
                return Spliced::OtherBase;
            }
            let Ok(text) = entry.string() else { return Spliced::OtherBase };
            let mut text = text.bytes(&mut itoa::Buffer::new()).to_vec();
            text.resize(len, 0);
            text[offset..end].copy_from_slice(bytes);
            self.store.see_version(slot(place.slot), version);
            self.local.account(text.capacity() as i64);
            let payload = Payload::Big(Big::text(text));
            let deadline_version = entry
                .deadline_version()
                .or_else(|| entry.deadline().map(|_| self.version_of(entry)));
            let stamp = Stamp { value: Some(version), deadline: deadline_version };
            let found = Found::Present { hit, entry, live };
            if self.install(roots, place, key, &found, payload, entry.deadline(), stamp).is_ok() {
                return Spliced::Done;
            }
            backoff.wait();
        }
    }

    /// Walks the keys of `slot`, those past their deadline included, from `position` on (0 begins) until `count` were visited or none are left
    /// (`None`). As [`Keyspace::scan`], it visits each key that is there throughout at least once.
    pub fn visit_slot(
        &mut self,
        slot: Slot,
        position: u64,
        count: usize,
        mut visit: impl FnMut(Entry<'g>),
    ) -> Option<u64> {
        let roots = self.roots()?;
        let mut from = position;
        let mut visited = 0;
        loop {
            let next = index::visit_bucket(&roots.words[slot.index()], from, |hit| {
                // SAFETY: read under `guard`.
                let entry: Entry<'g> = unsafe { Entry::at(word::pointer(hit.word)) };
                if !entry.is_absent() {
                    visited += 1;
                    visit(entry);
                }
            });
            match next {
                Some(position) if visited < count => from = position,
                next => return next,
            }
        }
    }

    /// Number of keys of `slot`, those past their deadline and not yet swept included. Reads the index alone: a cache line for ten keys.
    pub fn count_slot(&self, slot: Slot) -> usize {
        let Some(roots) = self.roots() else { return 0 };
        let (mut count, mut from) = (0, Some(0));
        while let Some(position) = from {
            from = index::visit_bucket(&roots.words[slot.index()], position, |hit| {
                // SAFETY: read under `guard`. Only marked words can be placeholders'.
                let is_absent = |word| unsafe { Entry::at(word::pointer(word)) }.is_absent();
                let marked = hit.word & (word::LATCH | word::WATCHED) != 0;
                count += usize::from(!(marked && is_absent(hit.word)));
            });
        }
        count
    }

    /// Removes every key of `slot` that this node is to forget: it holds the slot no more. Nobody is told.
    pub fn forget_slot(&mut self, slot: Slot, position: u64, count: usize) -> Option<u64> {
        let roots = self.roots()?;
        let mut from = position;
        let mut visited = 0;
        loop {
            let (local, db) = (&mut *self.local, self.db);
            let next = index::visit_bucket(&roots.words[slot.index()], from, |hit| {
                visited += 1;
                let mut hit = hit;
                if local.break_watch(&hit, db).is_err() {
                    hit.word &= !word::WATCHED;
                }
                if hit.word & word::LATCH == 0 && hit.remove(local).is_ok() {
                    local.forget_silently(roots, hit.word);
                }
            });
            match next {
                Some(position) if visited < count => from = position,
                next => return next,
            }
        }
    }
}

fn slot(index: usize) -> Slot {
    Slot::new(index as u16).expect("a place's slot is one of the 16,384")
}

impl Entry<'_> {
    /// Calls `with` with the entry's whole state, its bytes held still meanwhile. `origin` is what it counts as if it has no version.
    pub fn with_state<R>(&self, origin: Version, with: impl FnOnce(State<'_>) -> R) -> R {
        let view = self.string();
        let shown = match &view {
            Ok(StringView::Integer(value)) => ValueRef::Integer(*value),
            Ok(StringView::Bytes(bytes)) => {
                ValueRef::Bytes { bytes, raw: self.encoding() == "raw" }
            }
            Ok(StringView::Locked(bytes)) => ValueRef::Bytes { bytes, raw: true },
            Err(_) => unreachable!("collections are read as such"),
        };
        let value = match self.elements() {
            Some(elements) => Value::Mixed(shown, elements),
            None => Value::Plain(shown),
        };
        with(State {
            value,
            version: self.version().unwrap_or(origin),
            deadline: self.deadline(),
            deadline_version: self.deadline_version(),
        })
    }
}
