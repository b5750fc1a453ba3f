//! Editing collections: a small one by a copy that takes the place of its entry, a large one in place under its lock.
//!
//! An edit is a closure on an [`Edit`], which changes elements one by one and keeps account of what other nodes must be told. A key whose last element goes, goes
//! with it; an absent key begins empty and comes to be with its first element.

mod hash;
mod list;
mod set;
mod stream;
mod zset;

pub(super) use list::position_bytes;
pub use list::{element_id, position_of};

use super::big::{Big, BigValue};
use super::chain::{
    Chains, ElementState, Journal, Link, MixedElement, Op, Replaced, Step, ValueRef,
};
use super::change::{Changes, ElementChange, put_change};
use super::collection::{Collected, Collection};
use super::database::Roots;
use super::entry::{Entry, Kind, Payload, Stamp, WrongType};
use super::hash::KeyHash;
use super::index::{Changed, Hit, word};
use super::keyspace::{Found, Keyspace};
use crate::base::clock::UnixMs;
use crate::base::sync::Backoff;
use crate::base::version::Version;
use crate::types::collection::{self, Item, Limits};

/// A collection under edit. An edit that may fail must fail before it changes anything.
pub struct Edit<'e, T> {
    value: &'e mut T,
    limits: &'e Limits,
    /// Where versions come from, while the node replicates.
    chains: Option<Versions<'e>>,
    /// Keeps counters apart by who counted, while the node replicates.
    journal: Option<&'e mut (dyn Journal + 'static)>,
    told: Told,
    touched: bool,
}

/// Where an edit's version comes from.
#[derive(Debug, Clone, Copy)]
struct Versions<'e> {
    chains: &'e Chains,
    slot: usize,
    now: UnixMs,
    /// That of the step that the edit is part of, if it has one already.
    of_step: Option<Link>,
}

impl Versions<'_> {
    fn take(&self) -> Link {
        self.of_step.unwrap_or_else(|| self.chains.take(self.slot, self.now))
    }
}

/// What other nodes must be told of an edit.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The version of the edit, taken with its first change.
    pub(super) link: Option<Link>,
    /// The changes, as [`Changes`] has them.
    pub(super) changes: Vec<u8>,
    /// The dots of what they took the place of.
    pub(super) dots: Vec<Version>,
    /// The whole states of elements that had several.
    pub(super) fields: Vec<Box<[u8]>>,
}

impl<'e, T> Edit<'e, T> {
    fn new(
        value: &'e mut T,
        limits: &'e Limits,
        chains: Option<Versions<'e>>,
        journal: Option<&'e mut (dyn Journal + 'static)>,
    ) -> Self {
        Edit { value, limits, chains, journal, told: Told::default(), touched: false }
    }

    /// The stamp of what this edit writes.
    fn stamp(&mut self) -> collection::Stamp<'static> {
        self.touched = true;
        let Some(versions) = &self.chains else { return collection::Stamp::NONE };
        let link = *self.told.link.get_or_insert_with(|| versions.take());
        collection::Stamp::of(link.version)
    }

    /// Adds to the number in an element, apart from what other nodes add. `None` where nobody else can, or where it has to be written anew.
    fn count(&mut self, before: Option<&Known>, step: Step) -> Option<MixedElement> {
        self.stamp();
        let (link, origin) = (self.told.link?, self.chains.as_ref()?.chains.origin);
        let before = before.map(|known| {
            let mut state = known.state();
            if state.stamp.dot.is_zero() {
                state.stamp.dot = origin;
            }
            state
        });
        self.journal.as_deref_mut()?.add_to_element(before, link, step)
    }

    fn tell_count(&mut self, id: &[u8], known: Option<Known>, mixed: &MixedElement) {
        if let Some(known) = known {
            self.told.replace(known.state().stamp);
        }
        let (epoch, sum) = (mixed.told.epoch, mixed.told.sum);
        self.tell(&ElementChange::Count { id, epoch, sum });
    }

    /// Whether other nodes are told.
    fn is_told(&self) -> bool {
        self.chains.is_some()
    }

    fn tell(&mut self, change: &ElementChange<'_>) {
        put_change(&mut self.told.changes, change);
    }
}

/// What an element held before it was counted in.
struct Known {
    dot: Version,
    siblings: Vec<u8>,
    value: Vec<u8>,
}

impl Known {
    fn of(stamp: collection::Stamp<'_>, value: Item<'_>) -> Self {
        Known { dot: stamp.dot, siblings: stamp.siblings.to_vec(), value: value.to_vec() }
    }

    fn state(&self) -> ElementState<'_> {
        let stamp = collection::Stamp { dot: self.dot, siblings: &self.siblings };
        ElementState { stamp, value: text(&self.value) }
    }
}

/// What a set's member holds.
const NOTHING: ValueRef<'static> = ValueRef::Bytes { bytes: b"", raw: false };

fn text(bytes: &[u8]) -> ValueRef<'_> {
    ValueRef::Bytes { bytes, raw: false }
}

impl Told {
    /// Notes what a change takes the place of.
    fn replace(&mut self, stamp: collection::Stamp<'_>) {
        match stamp.siblings {
            [] => self.dots.push(stamp.dot),
            siblings => self.fields.push(siblings.into()),
        }
    }
}

/// What an edit found, if not a plain collection or nothing.
enum Before<'g> {
    /// A key whose time was over: it is removed first.
    Over(Entry<'g>),
    /// Several values, from both sides of a partition: what the edit saw of them stays.
    Mixed(Entry<'g>),
}

impl<'g> Keyspace<'_, 'g> {
    /// Edits the collection at `key` in one atomic step; see [`Edit`]. A deadline stays. `edit` may run again, from what is there then.
    ///
    /// # Errors
    /// [`WrongType`] if the key holds another type, and what `edit` returns; the key stays as it was then.
    pub fn edit<T: Collected, R, E: From<WrongType>>(
        &mut self,
        key: &[u8],
        mut edit: impl FnMut(&mut Edit<'_, T>) -> Result<R, E>,
    ) -> Result<R, E> {
        let limits = &self.store.inner.shapes.limits(T::KIND);
        let roots = self.roots_or_create();
        let place = self.place(key);
        let mut backoff = Backoff::default();
        loop {
            let found = self.find(roots, place, key);
            let done = match &found {
                Found::Present { entry, live: true, .. } if entry.kind() != T::KIND => {
                    return Err(WrongType.into());
                }
                Found::Present { hit, entry, live: true } if entry.big().is_some() => {
                    self.edit_large(roots, place, key, (hit, *entry), limits, &mut edit)?
                }
                found => self.edit_small(roots, place, key, found, limits, &mut edit)?,
            };
            match done {
                Some(result) => return Ok(result),
                None => backoff.wait(),
            }
        }
    }

    fn versions(&self, place: KeyHash) -> Option<Versions<'g>> {
        if !self.local.is_replicating() {
            return None;
        }
        let of_step = self.local.owned.as_ref().and_then(|owned| owned.link(place.slot));
        let chains = self.store.chains()?;
        Some(Versions { chains, slot: place.slot, now: self.now, of_step })
    }

    /// Notes the version that an edit took, if it is part of a step: what else the step does in that slot is done under the same.
    fn note_version(&mut self, slot: usize, told: &Told) {
        if let (Some(link), Some(owned)) = (told.link, &mut self.local.owned)
            && owned.link(slot).is_none()
        {
            owned.add_link(slot, link);
        }
    }

    /// `None`: somebody else was first.
    fn edit_small<T: Collected, R, E>(
        &mut self,
        roots: &'g Roots,
        place: KeyHash,
        key: &[u8],
        found: &Found<'g>,
        limits: &Limits,
        edit: &mut impl FnMut(&mut Edit<'_, T>) -> Result<R, E>,
    ) -> Result<Option<R>, E> {
        let live = found.live();
        let mut value =
            live.and_then(|entry| entry.packed()).map_or_else(T::default, T::from_packed);
        let versions = self.versions(place);
        let journal = self.local.journal.as_deref_mut();
        let mut editing = Edit::new(&mut value, limits, versions, journal);
        let result = edit(&mut editing);
        let (told, touched) = (editing.told, editing.touched);
        self.note_version(place.slot, &told);
        let result = match result {
            Ok(result) => result,
            Err(error) => {
                self.abandon(place.slot, &told);
                return Err(error);
            }
        };
        if !touched || value.is_empty() && live.is_none() {
            self.abandon(place.slot, &told);
            if let Some(entry) = live {
                self.mark_used(entry);
            }
            return Ok(Some(result));
        }
        if value.is_empty() {
            self.abandon(place.slot, &told);
            let Found::Present { hit, .. } = found else { return Ok(Some(result)) };
            let removed = self.local.remove_entry(roots, hit, self.db, self.now);
            return Ok(removed.is_ok().then_some(result));
        }
        let written =
            self.install_collection(roots, place, key, found, value.into_collection(), &told);
        if written.is_ok() {
            self.notice_new(key, found);
        }
        Ok(written.is_ok().then_some(result))
    }

    /// Builds the entry of an edited collection and puts it where `found` says, if nothing changed there since.
    fn install_collection(
        &mut self,
        roots: &'g Roots,
        place: KeyHash,
        key: &[u8],
        found: &Found<'g>,
        value: Collection,
        told: &Told,
    ) -> Result<(), Changed> {
        let kind = value.kind();
        let live = found.live();
        let deadline = live.and_then(|entry| entry.deadline());
        // What held several types, or several deadlines, has one of each from now on.
        let mixed = live.filter(|entry| entry.elements().is_some());
        let stamp = match told.link {
            Some(link) if mixed.is_some() => {
                Stamp { value: Some(link.version), deadline: Some(link.version) }
            }
            Some(link) => self.local.stamp(link, live),
            None => Stamp::default(),
        };
        let written = match value.packed() {
            Some(elements) => {
                let payload = Payload::Packed { kind, elements };
                self.install(roots, place, key, found, payload, deadline, stamp)
            }
            None => {
                self.local.account(value.memory_bytes() as i64);
                let payload = Payload::Big(Big::collection(value));
                self.install(roots, place, key, found, payload, deadline, stamp)
            }
        };
        if let Some(link) = told.link {
            let over = found.entry().filter(|_| live.is_none()).map(Before::Over);
            let before = mixed.map(Before::Mixed).or(over);
            match written {
                Ok(()) => self.tell_changes(place.slot, link, before, (key, kind), told),
                Err(Changed) => self.abandon(place.slot, told),
            }
        }
        written
    }

    /// Tells other nodes of an edit, and of what it made of a key that was not a plain collection `before`.
    fn tell_changes(
        &mut self,
        slot: usize,
        link: Link,
        before: Option<Before<'g>>,
        (key, kind): (&[u8], Kind),
        told: &Told,
    ) {
        let Ok(changes) = Changes::new(&told.changes) else { return };
        let elements = Op::Elements { db: self.db, key, kind, changes };
        let mut replaced: Vec<Replaced<'_>> =
            told.dots.iter().map(|&dot| Replaced::Plain(dot)).collect();
        replaced.extend(told.fields.iter().map(|field| Replaced::Field(field)));
        match before {
            Some(Before::Over(over)) => {
                replaced.extend(self.local.replaced(over));
                let delete = Op::Delete { db: self.db, key };
                self.local.record_all(slot, link, &replaced, &[delete, elements]);
            }
            Some(Before::Mixed(mixed)) => {
                replaced.extend(self.local.replaced(mixed));
                let head = Op::Head { db: self.db, key, deadline: mixed.deadline() };
                self.local.record_all(slot, link, &replaced, &[elements, head]);
            }
            None => self.local.record_all(slot, link, &replaced, &[elements]),
        }
    }

    /// A version that was taken is not used.
    fn abandon(&mut self, slot: usize, told: &Told) {
        // A step keeps its version for what else it does.
        if let Some(link) = told.link.filter(|_| self.local.owned.is_none()) {
            self.local.chains().note_abandoned();
            self.local.record_all(slot, link, &[], &[Op::Noop]);
        }
    }

    /// `None`: the key no longer holds this value.
    fn edit_large<T: Collected, R, E>(
        &mut self,
        roots: &'g Roots,
        place: KeyHash,
        key: &[u8],
        (hit, entry): (&Hit<'g>, Entry<'g>),
        limits: &Limits,
        edit: &mut impl FnMut(&mut Edit<'_, T>) -> Result<R, E>,
    ) -> Result<Option<R>, E> {
        let Some(big) = entry.big() else { return Ok(None) };
        let Some(mut held) = big.edit_collection() else { return Ok(None) };
        // Whoever deletes, replaces or holds the key changes its word first; an edit after that would be lost.
        if !hit.is_current(self.local) {
            return self.leave_watched(hit, &held, limits, edit);
        }
        if let Some(owned) = &mut self.local.owned {
            owned.keep_before(big, || BigValue::Collection(held.clone()));
        }
        let before = held.memory_bytes() as i64;
        let Some(value) = T::of(&mut held) else { return Ok(None) };
        let versions = self.versions(place);
        let journal = self.local.journal.as_deref_mut();
        let mut editing = Edit::new(value, limits, versions, journal);
        let result = edit(&mut editing);
        let (told, touched) = (editing.told, editing.touched);
        let is_empty = value.is_empty();
        self.note_version(place.slot, &told);
        self.local.account(held.memory_bytes() as i64 - before);
        let result = match result {
            Ok(result) => result,
            Err(error) => {
                self.abandon(place.slot, &told);
                return Err(error);
            }
        };
        if touched {
            self.mark_used(entry);
            self.local.changed(key);
        }
        if let Some(link) = told.link {
            big.set_version(link.version);
            self.tell_changes(place.slot, link, None, (key, T::KIND), &told);
        }
        let is_gone = is_empty && self.remove_emptied(roots, place.slot, hit, entry);
        drop(held);
        if is_empty && !is_gone {
            self.clear_away(roots, place, key, big);
        }
        Ok(Some(result))
    }

    /// What an edit comes to whose key's word has changed, if that is because somebody watches the key and the edit changes nothing: the watch is for changes.
    #[cold]
    fn leave_watched<T: Collected, R, E>(
        &mut self,
        hit: &Hit<'g>,
        held: &Collection,
        limits: &Limits,
        edit: &mut impl FnMut(&mut Edit<'_, T>) -> Result<R, E>,
    ) -> Result<Option<R>, E> {
        let pointer = word::pointer(hit.word);
        if std::mem::take(&mut self.local.met_watched) != pointer {
            return Ok(None);
        }
        let mut trial = held.clone();
        let Some(value) = T::of(&mut trial) else { return Ok(None) };
        let mut editing = Edit::new(value, limits, None, None);
        let result = edit(&mut editing)?;
        if editing.touched {
            // The next look breaks the watch.
            self.local.met_watched = pointer;
            return Ok(None);
        }
        Ok(Some(result))
    }

    /// Removes the key of a large collection that has no elements left, whose lock the caller holds. `false`: its word was being moved, or held.
    fn remove_emptied(
        &mut self,
        roots: &'g Roots,
        slot: usize,
        hit: &Hit<'g>,
        entry: Entry<'g>,
    ) -> bool {
        let link = self.local.is_replicating().then(|| self.local.take_link(slot, self.now));
        if link.is_some() {
            self.local.chains().note_removal(slot);
        }
        let removed = self.local.take_out(hit);
        if removed.is_ok() {
            self.local.forget(roots, hit.word);
        }
        let Some(link) = link else { return removed.is_ok() };
        let op = Op::Delete { db: self.db, key: entry.key() };
        // Its elements were told of before; what remains is the deadline.
        let deadline = [Replaced::Plain(entry.deadline_version().unwrap_or_default())];
        match removed {
            Ok(()) => self.local.record_all(slot, link, &deadline, &[op]),
            Err(Changed) if self.local.owned.is_some() => {}
            Err(Changed) => {
                self.local.chains().note_abandoned();
                self.local.record_all(slot, link, &[], &[Op::Noop]);
            }
        }
        removed.is_ok()
    }

    /// As [`Keyspace::remove_emptied`], until it is done or the collection is no longer empty or no longer the key's.
    fn clear_away(&mut self, roots: &'g Roots, place: KeyHash, key: &[u8], big: &'g Big) {
        let mut backoff = Backoff::default();
        loop {
            let Found::Present { hit, entry, .. } = self.find(roots, place, key) else { return };
            if !entry.big().is_some_and(|other| std::ptr::eq(other, big)) {
                return;
            }
            let Some(held) = big.edit_collection() else { return };
            if !held.is_empty() || self.remove_emptied(roots, place.slot, &hit, entry) {
                return;
            }
            drop(held);
            backoff.wait();
        }
    }
}

impl BigValue {
    /// Frees it, in the pieces that it consists of.
    pub(super) fn discard(self) {
        match self {
            BigValue::Text(bytes) => drop(bytes),
            BigValue::Collection(collection) => drop(collection.discard()),
        }
    }
}
