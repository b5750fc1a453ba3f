//! Writes that come from other nodes, and what a slot is read by for them.
//!
//! These bring their versions along: nothing here takes one, and nothing is told to the journal. What two states of a key make together is the
//! caller's to decide; here it is done in one atomic step.

use super::Store;
use super::chain::Chains;
use super::entry::{Big, Counter, Entry, NewValue, Payload, Stamp, StringView};
use super::index::{self, word};
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
    /// An integer.
    Integer(i64),
    /// Bytes; `raw` as in [`NewValue::Raw`].
    Bytes {
        /// The text.
        bytes: &'v [u8],
        /// Whether OBJECT ENCODING says `raw` even where it is short.
        raw: bool,
    },
    /// An integer that additions made.
    Counter(&'v Counter),
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

/// What becomes of a key; see [`Keyspace::merge`].
#[derive(Debug, Clone, Copy)]
pub enum Merged<'v> {
    /// It stays as it is.
    Keep,
    /// This state takes its place.
    Put(State<'v>),
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
        let _ = self.inner.chains.get_or_init(|| Chains::new(tag, now));
    }

    fn chains(&self) -> Option<&Chains> {
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

    /// Puts what `decide` makes of the key's present state (one past its deadline included) in its place, in one step. `decide` runs again whenever somebody else
    /// came first, so it must only compute.
    pub fn merge<'v, R>(
        &mut self,
        key: &[u8],
        mut decide: impl FnMut(Option<Entry<'g>>) -> (Merged<'v>, R),
    ) -> R {
        let roots = self.roots_or_create();
        let place = self.place(key);
        let mut backoff = Backoff::default();
        loop {
            let found = self.find(roots, place, key);
            let entry = match &found {
                Found::Present { entry, .. } => Some(*entry),
                Found::Absent(_) => None,
            };
            // Nobody edits a large value between the decision and the step.
            let _held = entry.and_then(|entry| entry.big()).map(|big| big.bytes.read_recursive());
            let (merged, result) = decide(entry);
            let done = match (merged, &found) {
                (Merged::Keep, _) | (Merged::Remove, Found::Absent(_)) => return result,
                (Merged::Put(state), _) => {
                    let newest = state.version.max(state.deadline_version.unwrap_or_default());
                    if let Some(chains) = self.store.chains() {
                        chains.see(place.slot, newest);
                    }
                    let stamp =
                        Stamp { value: Some(state.version), deadline: state.deadline_version };
                    let payload = match state.value {
                        Value::Integer(value) => Payload::Integer(value),
                        Value::Bytes { bytes, raw: true } => Payload::of(NewValue::Raw(bytes)),
                        Value::Bytes { bytes, raw: false } => Payload::of(NewValue::Text(bytes)),
                        Value::Counter(counter) => Payload::Counter(counter),
                    };
                    self.install(roots, place, key, &found, payload, state.deadline, stamp)
                }
                (Merged::Remove, Found::Present { hit, .. }) => {
                    hit.remove(self.local).inspect(|()| self.local.forget(roots, hit.word))
                }
            };
            match done {
                Ok(()) => return result,
                Err(_) => backoff.wait(),
            }
        }
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
                let mut text = big.bytes.write();
                if !hit.is_current(self.local) {
                    drop(text);
                    backoff.wait();
                    continue;
                }
                if self.version_of(entry) != base {
                    return Spliced::OtherBase;
                }
                self.store.see_version(slot(place.slot), version);
                let before = text.capacity();
                text.resize(len, 0);
                text[offset..end].copy_from_slice(bytes);
                // Relaxed: written and, where it matters, read under the lock.
                big.version.store(version.get(), Ordering::Relaxed);
                self.local.account(text.capacity() as i64 - before as i64);
                return Spliced::Done;
            }
            if self.version_of(entry) != base {
                return Spliced::OtherBase;
            }
            let Ok(text) = entry.string() else { return Spliced::OtherBase };
            let mut text = text.bytes(&mut itoa::Buffer::new()).to_vec();
            text.resize(len, 0);
            text[offset..end].copy_from_slice(bytes);
            self.store.see_version(slot(place.slot), version);
            self.local.account(text.capacity() as i64);
            let payload = Payload::Big(Big::new(text));
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
            from = index::visit_bucket(&roots.words[slot.index()], position, |_| count += 1);
        }
        count
    }

    /// Removes every key of `slot` that this node is to forget: it holds the slot no more. Nobody is told.
    pub fn forget_slot(&mut self, slot: Slot, position: u64, count: usize) -> Option<u64> {
        let roots = self.roots()?;
        let mut from = position;
        let mut visited = 0;
        loop {
            let local = &mut *self.local;
            let next = index::visit_bucket(&roots.words[slot.index()], from, |hit| {
                visited += 1;
                if hit.word & word::LATCH == 0 && hit.remove(local).is_ok() {
                    local.forget(roots, hit.word);
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
        let counter = self.counter();
        let view = self.string();
        let value = match (&counter, &view) {
            (Some(counter), _) => Value::Counter(counter),
            (_, Ok(StringView::Integer(value))) => Value::Integer(*value),
            (_, Ok(StringView::Bytes(bytes))) => {
                Value::Bytes { bytes, raw: self.encoding() == "raw" }
            }
            (_, Ok(StringView::Locked(bytes))) => Value::Bytes { bytes, raw: true },
            (_, Err(_)) => unreachable!("every value is a string so far"),
        };
        with(State {
            value,
            version: self.version().unwrap_or(origin),
            deadline: self.deadline(),
            deadline_version: self.deadline_version(),
        })
    }
}
