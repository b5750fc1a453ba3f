//! Several keys as one atomic step.
//!
//! Each key's word is latched, in one global order, so that transactions never wait for each other in a circle; a key that is
//! not there gets a placeholder, latched from its birth. While the latches hold, everybody else who comes to one of the keys
//! waits. Writes are prepared on the side; `commit` swaps each word from latched to new, which releases it. A table that is
//! replaced meanwhile takes the latches along.

use super::database::Roots;
use super::entry::{Big, Entry, Expiry, NewValue, Payload};
use super::hash::KeyHash;
use super::index::{self, Hit, Insert, Probe, word};
use super::keyspace::Keyspace;
use super::local::add;
use crate::base::sync::Backoff;
use parking_lot::RwLock;
use std::sync::Arc;

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
    pending: Pending,
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

fn order(db: u8, place: KeyHash, key: &[u8]) -> (u8, usize, u64, &[u8]) {
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
        let (address, has_deadline, live) = loop {
            match probe(roots, place, key) {
                Probe::Hit(hit) if hit.word & word::LATCH != 0 => {}
                Probe::Hit(hit) => {
                    if hit.replace(local, hit.word | word::LATCH).is_ok() {
                        let address = word::pointer(hit.word);
                        // SAFETY: read under the keyspace's guard.
                        let entry: Entry<'g> = unsafe { Entry::at(address) };
                        let live = entry.deadline().is_none_or(|at| at > now);
                        break (address, hit.word & word::TTL != 0, live);
                    }
                }
                Probe::Miss(vacancy) => {
                    let address = local.build(key, Payload::Absent, None, 0);
                    let latched = word::slot_word(address, place.hash, false) | word::LATCH;
                    if vacancy.insert(local, latched) == Insert::Done {
                        break (address, false, false);
                    }
                    local.discard(address);
                }
            }
            backoff.wait();
        };
        // The entry's own copy of the key lives as long as the guard, whatever becomes of the caller's.
        // SAFETY: as above.
        let key = unsafe { Entry::<'g>::at(address) }.key();
        let pending = Pending::Nothing;
        self.held.push(Held { db, place, key, roots, address, has_deadline, live, pending });
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
        self.keyspace.note_lookup(found);
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
                let bytes = big.bytes.read_recursive().clone();
                self.keyspace.local.account(bytes.capacity() as i64);
                Payload::Big(Arc::new(Big { bytes: RwLock::new(bytes) }))
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
        let deadline = match (expiry, held.pending) {
            (Expiry::Never, _) => None,
            (Expiry::At(at), _) => Some(at),
            // SAFETY: as in `read_in`.
            (Expiry::Keep, Pending::Put(address)) => unsafe { Entry::at(address) }.deadline(),
            (Expiry::Keep, Pending::Nothing) if held.live => {
                // SAFETY: as in `read_in`.
                unsafe { Entry::at(held.address) }.deadline()
            }
            (Expiry::Keep, _) => None,
        };
        let local = &mut *self.keyspace.local;
        let access = local.replaced_access(like, self.keyspace.now);
        let address = local.build(held.key, payload, deadline, access);
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
        was_there
    }

    /// Makes every write visible and releases the keys.
    pub fn commit(mut self) {
        for index in 0..self.held.len() {
            self.release(index);
        }
        self.held.clear();
    }

    /// Installs what is pending for a key, which releases it.
    fn release(&mut self, index: usize) {
        let held = &self.held[index];
        let local = &mut *self.keyspace.local;
        let placeholder = {
            // SAFETY: as in `read_in`.
            unsafe { Entry::at(held.address) }.is_absent()
        };
        let stays = matches!(held.pending, Pending::Nothing) && held.live;
        loop {
            let hit = held_word(held);
            let done = match held.pending {
                Pending::Put(address) => {
                    // SAFETY: as in `read_in`.
                    let deadline = unsafe { Entry::at(address) }.deadline();
                    hit.replace(
                        local,
                        word::slot_word(address, held.place.hash, deadline.is_some()),
                    )
                }
                _ if stays => hit.replace(local, hit.word & !word::LATCH),
                _ => hit.remove(local),
            };
            // Only a table's replacement changes a latched word, and that is over once `replace` returns.
            if done.is_ok() {
                break;
            }
        }
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
