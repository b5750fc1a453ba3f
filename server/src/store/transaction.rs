//! Several keys as one atomic step.
//!
//! Each key's word is latched, in one global order, so that transactions never wait for each other in a circle; a key that is
//! not there gets a placeholder, latched from its birth. While the latches hold, everybody else who comes to one of the keys
//! waits. Writes are prepared on the side; `commit` swaps each word from latched to new, which releases it. A table that is
//! replaced meanwhile takes the latches along.

use super::big::Big;
use super::chain::{Link, Op, Replaced, ValueRef};
use super::change::Changes;
use super::collection::Collection;
use super::database::Roots;
use super::entry::{Entry, Expiry, NewValue, Payload, Stamp, StringView};
use super::hash::KeyHash;
use super::index::{self, Hit, Insert, Probe, word};
use super::keyspace::Keyspace;
use super::local::add;
use super::notices::NoticeKind;
use super::restamp::restamped;
use crate::base::sync::Backoff;
use crate::base::version::Version;

/// What a transaction will do to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pending {
    Nothing,
    /// Store the entry at this address.
    Put(u64),
    Delete,
}

/// A key that is held.
#[derive(Debug)]
struct Held<'g> {
    db: u8,
    place: KeyHash,
    key: &'g [u8],
    roots: &'g Roots,
    /// Its entry, or its placeholder's.
    address: u64,
    has_deadline: bool,
    /// Whether it is there and its time has not come.
    live: bool,
    /// Whether its time has come, so that it goes when it is released.
    lapsed: bool,
    /// Whether this thread holds it beyond the transaction; see `owned`.
    owned: bool,
    pending: Pending,
}

/// What a write to a held key was.
enum Told<'g> {
    Deleted,
    Put(Entry<'g>, StringView<'g>),
    PutCollection(Entry<'g>),
}

impl<'g> Held<'g> {
    /// Whether releasing it changes it: a placeholder that goes again is no change.
    fn writes(&self) -> bool {
        match self.pending {
            Pending::Put(_) => true,
            // SAFETY: as in `read_in`.
            Pending::Delete => !unsafe { Entry::<'g>::at(self.address) }.is_absent(),
            Pending::Nothing => self.lapsed,
        }
    }

    /// Gives the pending entry its version.
    fn tell(&self, version: Version) -> Told<'g> {
        let Pending::Put(address) = self.pending else { return Told::Deleted };
        // SAFETY: as in `read_in`.
        let entry = unsafe { Entry::<'g>::at(address) };
        // SAFETY: not published before it is released; views of it that the transaction gave out borrow the transaction.
        unsafe { entry.set_version(version) };
        match entry.string() {
            Ok(view) => Told::Put(entry, view),
            Err(_) => Told::PutCollection(entry),
        }
    }
}

/// Keys held for one atomic step; see [`Keyspace::transaction`]. Writes are seen by the transaction's own reads at once, and by others
/// when it is committed, all of them. Dropped without commit, it changes nothing.
///
/// # Panics
/// Every method panics for a key that is not held: which keys are is the caller's own doing.
#[derive(Debug)]
pub struct Transaction<'t, 'k, 'g> {
    keyspace: &'t mut Keyspace<'k, 'g>,
    held: Vec<Held<'g>>,
}

impl<'k, 'g> Keyspace<'k, 'g> {
    /// Holds all of `keys` (duplicates allowed) so that what follows on them is one atomic step.
    pub fn transaction<'t>(&'t mut self, keys: &[&[u8]]) -> Transaction<'t, 'k, 'g> {
        let db = self.db;
        self.transaction_across(keys.iter().map(|&key| (db, key)))
    }

    /// As [`Keyspace::transaction`], for keys of several databases.
    pub fn transaction_across<'t, 'a>(
        &'t mut self,
        keys: impl Iterator<Item = (u8, &'a [u8])>,
    ) -> Transaction<'t, 'k, 'g> {
        let mut wanted: Vec<(u8, KeyHash, &[u8])> =
            keys.map(|(db, key)| (db, self.place(key), key)).collect();
        wanted.sort_unstable_by_key(|&(db, place, key)| order(db, place, key));
        wanted.dedup_by_key(|&mut (db, place, key)| order(db, place, key));
        let mut transaction =
            Transaction { held: Vec::with_capacity(wanted.len()), keyspace: self };
        for (db, place, key) in wanted {
            transaction.hold(db, place, key);
        }
        transaction
    }
}

pub(super) fn order(db: u8, place: KeyHash, key: &[u8]) -> (u8, usize, u64, &[u8]) {
    (db, place.slot, place.hash, key)
}

impl<'g> Transaction<'_, '_, 'g> {
    /// Latches `key`, waiting for another transaction that holds it.
    fn hold(&mut self, db: u8, place: KeyHash, key: &[u8]) {
        let keyspace = self.keyspace.in_database(db);
        let roots = keyspace.roots_or_create();
        let now = keyspace.now;
        let local = keyspace.local;
        let mut backoff = Backoff::default();
        let owned = local.is_owning() && local.owns(db, place, key);
        let (address, has_deadline, live, lapsed) = loop {
            match probe(roots, place, key) {
                Probe::Hit(hit) if hit.word & word::LATCH != 0 && !owned => {}
                Probe::Hit(hit) => {
                    if owned || hit.replace(local, hit.word | word::LATCH).is_ok() {
                        let address = word::pointer(hit.word);
                        // SAFETY: read under the keyspace's guard.
                        let entry: Entry<'g> = unsafe { Entry::at(address) };
                        let live = !entry.is_absent() && entry.deadline().is_none_or(|at| at > now);
                        let lapsed = !live
                            && !entry.is_absent()
                            && !keyspace.store.limits().keeps_expired(now);
                        break (address, hit.word & word::TTL != 0, live, lapsed);
                    }
                }
                Probe::Miss(vacancy) => {
                    let address = local.build(key, Payload::Absent, None, Stamp::default(), 0);
                    let latched = word::slot_word(address, place.hash, false) | word::LATCH;
                    if vacancy.insert(local, latched) == Insert::Done {
                        break (address, false, false, false);
                    }
                    local.discard(address);
                }
            }
            // To hold a key changes nothing of it.
            local.met_watched = 0;
            backoff.wait();
        };
        // The entry's own copy of the key lives as long as the guard, whatever becomes of the caller's.
        // SAFETY: as above.
        let key = unsafe { Entry::<'g>::at(address) }.key();
        let pending = Pending::Nothing;
        self.held.push(Held {
            db,
            place,
            key,
            roots,
            address,
            has_deadline,
            live,
            lapsed,
            owned,
            pending,
        });
    }

    fn index(&self, db: u8, key: &[u8]) -> usize {
        if self.held.len() <= 8 {
            let found = self.held.iter().position(|held| held.db == db && held.key == key);
            return found.expect("the caller holds the key");
        }
        let place = self.keyspace.place(key);
        let found = self.held.binary_search_by_key(&order(db, place, key), |held| {
            order(held.db, held.place, held.key)
        });
        found.expect("the caller holds the key")
    }

    /// The value of a held key, own writes included.
    pub fn read(&mut self, key: &[u8]) -> Option<Entry<'g>> {
        self.read_in(self.keyspace.db, key)
    }

    /// As [`Transaction::read`], for a command that answers from what it finds: counts a hit or miss, as [`Keyspace::read`] does.
    pub fn look_up(&mut self, key: &[u8]) -> Option<Entry<'g>> {
        let found = self.read(key);
        self.keyspace.note_lookup(key, found);
        found
    }

    /// As [`Transaction::read`], in another database.
    pub fn read_in(&mut self, db: u8, key: &[u8]) -> Option<Entry<'g>> {
        let held = &self.held[self.index(db, key)];
        let address = match held.pending {
            Pending::Put(address) => address,
            Pending::Nothing if held.live => held.address,
            _ => return None,
        };
        // SAFETY: held or built by this transaction; neither is freed before an epoch has passed.
        Some(unsafe { Entry::at(address) })
    }

    /// Stores a value. `Expiry::Keep` keeps the deadline that the key has.
    pub fn put(&mut self, key: &[u8], value: NewValue<'_>, expiry: Expiry) {
        let index = self.index(self.keyspace.db, key);
        let before = self.read(key);
        self.put_payload(index, Payload::of(value), expiry, before);
    }

    /// Stores a collection, whose elements count as written by this transaction. An empty one removes the key.
    pub fn put_collection(&mut self, key: &[u8], value: Collection, expiry: Expiry) {
        if value.is_empty() {
            self.delete(key);
            return;
        }
        let index = self.index(self.keyspace.db, key);
        let before = self.read(key);
        match value.packed() {
            Some(elements) => {
                let payload = Payload::Packed { kind: value.kind(), elements };
                self.put_payload(index, payload, expiry, before);
            }
            None => {
                self.keyspace.local.account(value.memory_bytes() as i64);
                self.put_payload(index, Payload::Big(Big::collection(value)), expiry, before);
            }
        }
    }

    /// Stores a copy of what `entry` holds, of any type, under another held key (RENAME, COPY).
    pub fn put_entry(&mut self, key: &[u8], entry: Entry<'g>, expiry: Expiry) {
        self.put_entry_in(self.keyspace.db, key, entry, expiry);
    }

    /// As [`Transaction::put_entry`], in another database (MOVE, COPY DB).
    pub fn put_entry_in(&mut self, db: u8, key: &[u8], entry: Entry<'g>, expiry: Expiry) {
        let index = self.index(db, key);
        let payload = match entry.big() {
            // Two keys never share a value that is edited in place.
            Some(big) => {
                let copy = big.copy();
                self.keyspace.local.account(copy.bytes() as i64);
                Payload::Big(copy)
            }
            None => entry.payload(),
        };
        self.put_payload(index, payload, expiry, Some(entry));
    }

    /// Under an LFU policy the new entry inherits how popular `like` is.
    fn put_payload(
        &mut self,
        index: usize,
        payload: Payload<'_>,
        expiry: Expiry,
        like: Option<Entry<'g>>,
    ) {
        let held = &mut self.held[index];
        let before = match held.pending {
            // SAFETY: as in `read_in`.
            Pending::Put(address) => Some(unsafe { Entry::<'g>::at(address) }),
            // SAFETY: as in `read_in`.
            Pending::Nothing if held.live => Some(unsafe { Entry::at(held.address) }),
            _ => None,
        };
        let kept = before.filter(|_| expiry == Expiry::Keep);
        let deadline = match expiry {
            Expiry::Never => None,
            Expiry::At(at) => Some(at),
            Expiry::Keep => kept.and_then(|entry| entry.deadline()),
        };
        let local = &mut *self.keyspace.local;
        let stamp = if local.is_replicating() {
            // The version is known when everything is; see `commit`.
            local.stamp(Link { previous: Version::ZERO, version: Version::ZERO }, kept)
        } else {
            Stamp::default()
        };
        let access = local.replaced_access(like, self.keyspace.now);
        let address = local.build(held.key, payload, deadline, stamp, access);
        if let Pending::Put(before) = std::mem::replace(&mut held.pending, Pending::Put(address)) {
            // The caller may still be reading it.
            local.retire_entry(before);
        }
    }

    /// Removes a held key; whether it was there.
    pub fn delete(&mut self, key: &[u8]) -> bool {
        self.delete_in(self.keyspace.db, key)
    }

    /// As [`Transaction::delete`], in another database.
    pub fn delete_in(&mut self, db: u8, key: &[u8]) -> bool {
        let was_there = self.read_in(db, key).is_some();
        let index = self.index(db, key);
        let before = std::mem::replace(&mut self.held[index].pending, Pending::Delete);
        if let Pending::Put(address) = before {
            self.keyspace.local.retire_entry(address);
        }
        if was_there {
            self.keyspace.local.changed(key);
        }
        was_there
    }

    /// Makes every write visible and releases the keys.
    pub fn commit(mut self) {
        if self.keyspace.local.is_replicating() {
            self.commit_recorded();
        } else {
            for index in 0..self.held.len() {
                self.release(index);
            }
        }
        self.held.clear();
    }

    /// As `commit`, with one effect a slot. Nobody else writes to a held key, so that versions taken now come after all that happened to it.
    fn commit_recorded(&mut self) {
        let mut order: Vec<(usize, usize)> =
            self.held.iter().enumerate().map(|(index, held)| (held.place.slot, index)).collect();
        order.sort_unstable();
        for same in order.chunk_by(|a, b| a.0 == b.0) {
            let slot = same[0].0;
            let indices = same.iter().map(|&(_, index)| index);
            let writes: Vec<usize> =
                indices.clone().filter(|&index| self.held[index].writes()).collect();
            if writes.is_empty() {
                indices.for_each(|index| self.release(index));
                continue;
            }
            for &index in &writes {
                // An edit in place that began before the latch ends first, and none begins after it.
                // SAFETY: as in `read_in`.
                let held: Entry<'g> = unsafe { Entry::at(self.held[index].address) };
                drop(held.big().map(Big::hold));
            }
            let link = self.keyspace.local.take_link(slot, self.keyspace.now);
            if writes.iter().any(|&index| !matches!(self.held[index].pending, Pending::Put(_))) {
                self.keyspace.local.chains().note_removal(slot);
            }
            let elements: Vec<Vec<u8>> =
                writes.iter().map(|&index| self.restamp(index, link.version)).collect();
            // A large value may be edited as soon as it is released; its lock keeps it as it is until it has been told.
            let told: Vec<Told<'g>> =
                writes.iter().map(|&index| self.held[index].tell(link.version)).collect();
            let mut ops: Vec<Op<'_>> = Vec::new();
            for ((&index, told), elements) in writes.iter().zip(&told).zip(&elements) {
                self.tell_write(index, told, elements, &mut ops);
            }
            let local = &mut *self.keyspace.local;
            // SAFETY: as in `read_in`.
            let before =
                writes.iter().map(|&index| unsafe { Entry::<'g>::at(self.held[index].address) });
            let replaced: Vec<Replaced<'_>> = before
                .filter(|entry| !entry.is_absent())
                .flat_map(|entry| local.replaced(entry))
                .collect();
            local.record_all(slot, link, &replaced, &ops);
            drop(ops);
            indices.for_each(|index| self.release(index));
        }
    }

    /// Gives the elements of a pending collection the version of this transaction. Returns what other nodes must be told of them.
    fn restamp(&mut self, index: usize, version: Version) -> Vec<u8> {
        let held = &self.held[index];
        let Pending::Put(address) = held.pending else { return Vec::new() };
        // SAFETY: as in `read_in`.
        let entry = unsafe { Entry::<'g>::at(address) };
        let Some(found) = entry.any_collection() else { return Vec::new() };
        let limits = self.keyspace.store.shapes().limits(found.kind());
        let (copy, told) = restamped(&found.detach(), version, &limits);
        let local = &mut *self.keyspace.local;
        let payload = match copy.packed() {
            Some(elements) => Payload::Packed { kind: copy.kind(), elements },
            None => {
                local.account(copy.memory_bytes() as i64);
                Payload::Big(Big::collection(copy.clone()))
            }
        };
        let stamp = Stamp { value: Some(version), deadline: Some(version) };
        let new = local.build(held.key, payload, entry.deadline(), stamp, entry.access());
        local.retire_entry(address);
        self.held[index].pending = Pending::Put(new);
        told
    }

    /// What the write to held key `index` tells other nodes. `elements` are those of a collection.
    fn tell_write<'o>(
        &self,
        index: usize,
        told: &'o Told<'g>,
        elements: &'o [u8],
        ops: &mut Vec<Op<'o>>,
    ) where
        'g: 'o,
    {
        let held = &self.held[index];
        let (db, key) = (held.db, held.key);
        let op = match told {
            Told::Deleted => Op::Delete { db, key },
            Told::PutCollection(entry) => {
                ops.push(Op::Delete { db, key });
                if let Ok(changes) = Changes::new(elements) {
                    ops.push(Op::Elements { db, key, kind: entry.kind(), changes });
                }
                Op::Head { db, key, deadline: entry.deadline() }
            }
            Told::Put(entry, view) => Op::Put {
                db: held.db,
                key: held.key,
                value: match view {
                    StringView::Integer(value) => ValueRef::Integer(*value),
                    StringView::Bytes(bytes) => {
                        ValueRef::Bytes { bytes, raw: entry.encoding() == "raw" }
                    }
                    StringView::Locked(bytes) => ValueRef::Bytes { bytes, raw: true },
                },
                deadline: entry.deadline(),
                deadline_version: entry.deadline_version(),
            },
        };
        ops.push(op);
    }

    /// Installs what is pending for a key, which releases it.
    fn release(&mut self, index: usize) {
        let held = &self.held[index];
        let local = &mut *self.keyspace.local;
        let placeholder = {
            // SAFETY: as in `read_in`.
            unsafe { Entry::at(held.address) }.is_absent()
        };
        let puts = matches!(held.pending, Pending::Put(_));
        let stays = loop {
            let hit = held_word(held);
            // A placeholder that somebody watches, or that is held on, stays as well.
            let needed = held.owned || hit.word & word::WATCHED != 0;
            let untouched = held.pending == Pending::Nothing && !held.lapsed && !placeholder;
            let stays = untouched || !puts && placeholder && needed;
            if !stays && local.break_watch(&hit, held.db).is_err() {
                continue;
            }
            let done = match held.pending {
                Pending::Put(address) => {
                    // SAFETY: as in `read_in`.
                    let deadline = unsafe { Entry::at(address) }.deadline();
                    let new = word::slot_word(address, held.place.hash, deadline.is_some());
                    hit.replace(local, if held.owned { new | word::LATCH } else { new })
                }
                _ if stays && held.owned => Ok(()),
                _ if stays => hit.replace(local, hit.word & !word::LATCH),
                _ if held.owned => local.take_out(&hit),
                _ => hit.remove(local),
            };
            // Only a table's replacement changes a latched word, and that is over once `replace` returns.
            if done.is_ok() {
                break stays;
            }
        };
        if stays {
            return;
        }
        let mut keys = if placeholder { 0 } else { -1 };
        let mut with_deadline = -(held.has_deadline as i64);
        if let Pending::Put(address) = held.pending {
            // SAFETY: as in `read_in`; a concurrent removal retires it no earlier than our guard allows.
            let deadline = unsafe { Entry::at(address) }.deadline();
            keys += 1;
            with_deadline += deadline.is_some() as i64;
            if let Some(deadline) = deadline {
                held.roots.note_deadline(held.place.slot, deadline);
            }
        }
        held.roots.count(local.thread, keys, with_deadline);
        if !placeholder && !held.live {
            add(&local.tally().expired, 1);
            local.notice(NoticeKind::Expired, held.db, held.key);
        }
        if matches!(held.pending, Pending::Put(_)) && !held.live {
            local.notice(NoticeKind::New, held.db, held.key);
        }
        if !puts && !placeholder && !held.live {
            local.changed(held.key);
            local.changed_by_nobody();
        }
        local.retire_entry(held.address);
    }
}

impl Drop for Transaction<'_, '_, '_> {
    fn drop(&mut self) {
        for index in 0..self.held.len() {
            let before = std::mem::replace(&mut self.held[index].pending, Pending::Nothing);
            if let Pending::Put(address) = before {
                self.keyspace.local.retire_entry(address);
            }
            self.release(index);
        }
    }
}

fn probe<'g>(roots: &'g Roots, place: KeyHash, key: &[u8]) -> Probe<'g> {
    // SAFETY: words are read under the keyspace's guard, and what they name is freed only an epoch later.
    let matches = |pointer| unsafe { Entry::at(pointer) }.key() == key;
    index::probe(&roots.words[place.slot], place.hash, matches)
}

/// The word that this transaction latched.
fn held_word<'g>(held: &Held<'g>) -> Hit<'g> {
    let matches = |pointer| pointer == held.address;
    match index::probe(&held.roots.words[held.place.slot], held.place.hash, matches) {
        Probe::Hit(hit) => hit,
        Probe::Miss(_) => unreachable!("a latched word is changed by its holder alone"),
    }
}
