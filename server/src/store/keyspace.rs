//! A database as a batch of commands sees it: expired keys are absent, every write is one atomic step on its key.

use super::{Entry, Expiry, Guard, Kind, Local, NewValue, Store, WrongType};
use crate::base::clock::UnixMs;

/// A view of one database; see [`Store::keyspace`]. Nothing here blocks, but a key that a [`Transaction`] of another
/// thread holds is waited for (microseconds).
#[derive(Debug)]
pub struct Keyspace<'k, 'g> {
    pub(super) store: &'g Store,
    pub(super) local: &'k mut Local,
    pub(super) guard: &'g Guard,
    pub(super) db: u8,
    pub(super) now: UnixMs,
    pub(super) touch: bool,
}

/// What [`Keyspace::update`]'s closure wants done with the key.
#[derive(Debug)]
pub enum Change<'v> {
    /// Nothing.
    Keep,
    /// Store this value.
    Put(NewValue<'v>, Expiry),
    /// Change the deadline alone; `Expiry::Keep` does nothing. A time that has passed deletes. Ignored if absent.
    Expire(Expiry),
    /// Remove the key.
    Delete,
}

impl<'k, 'g> Keyspace<'k, 'g> {
    /// The time that this view lives at.
    pub fn now(&self) -> UnixMs {
        self.now
    }
    /// Looks `key` up for a command that reads its value: counts a hit or miss and marks it as used.
    pub fn read(&mut self, _key: &[u8]) -> Option<Entry<'g>> {
        unimplemented!()
    }
    /// Looks `key` up without counting or marking (TTL, OBJECT, TYPE, EXISTS... as Redis's LOOKUP_NOTOUCH/NOSTATS).
    pub fn peek(&mut self, _key: &[u8]) -> Option<Entry<'g>> {
        unimplemented!()
    }
    /// Stores `value`, whatever was there. Returns whether a live key was replaced.
    pub fn set(&mut self, _key: &[u8], _value: NewValue<'_>, _expiry: Expiry) -> bool {
        unimplemented!()
    }
    /// Removes `key`; whether a live one was there.
    pub fn remove(&mut self, _key: &[u8]) -> bool {
        unimplemented!()
    }
    /// Reads `key` and changes it in one atomic step. `decide` runs again whenever another writer came first, so it must
    /// only compute. What it returned last comes back, its change done. An error leaves the key as it was.
    pub fn update<R, E>(
        &mut self,
        _key: &[u8],
        _decide: impl FnMut(Option<Entry<'g>>) -> Result<(Change<'g>, R), E>,
    ) -> Result<R, E> {
        unimplemented!()
    }
    /// Edits the bytes of a string in place (large values) or by copy (small ones); an absent key begins empty, is created
    /// if the edit makes it non-empty, and a deadline stays. `edit` may run again, from the then current bytes. On `Err` the key stays as it was;
    /// an edit that may fail must fail before it writes.
    pub fn edit_string<R, E: From<WrongType>>(
        &mut self,
        _key: &[u8],
        _edit: impl FnMut(&mut StringEdit<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        unimplemented!()
    }
    /// Holds all of `keys` (duplicates allowed) so that what follows on them is one atomic step. Keys are taken in a
    /// global order, so that transactions never wait for each other in a circle.
    pub fn transaction<'t>(&'t mut self, _keys: &[&[u8]]) -> Transaction<'t, 'k, 'g> {
        unimplemented!()
    }
    /// The same view of another database.
    pub fn in_database(&mut self, db: u8) -> Keyspace<'_, 'g> {
        Keyspace {
            store: self.store,
            local: self.local,
            guard: self.guard,
            db,
            now: self.now,
            touch: self.touch,
        }
    }
    /// Number of keys, those past their deadline but not yet swept included (as DBSIZE counts).
    pub fn len(&self) -> usize {
        unimplemented!()
    }
    /// Whether it holds no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// A random live key, near uniform; `None` if there is none.
    pub fn random(&mut self) -> Option<Entry<'g>> {
        unimplemented!()
    }
    /// One step of an iteration from `cursor` (0 begins): calls `visit` for about `count` or more entries, and returns the next
    /// cursor, 0 at the end. A key present throughout the iteration is visited at least once, whatever grows or shrinks meanwhile.
    /// Any number is a valid cursor. Cursors fit an i64.
    pub fn scan(&mut self, _cursor: u64, _count: usize, _visit: impl FnMut(Entry<'g>)) -> u64 {
        unimplemented!()
    }
    /// Removes every key in one step; memory is freed in the background. Returns how many there were.
    pub fn flush(&mut self) -> usize {
        unimplemented!()
    }
    /// Exchanges the contents of databases `a` and `b`.
    pub fn swap(&mut self, _a: u8, _b: u8) {
        unimplemented!()
    }
}

/// Keys held for one atomic step; see [`Keyspace::transaction`]. Writes are collected and seen by this transaction's own reads; all
/// appear to others when it is committed. Dropped without commit, it changes nothing.
#[derive(Debug)]
pub struct Transaction<'t, 'k, 'g> {
    keyspace: &'t mut Keyspace<'k, 'g>,
}

impl<'g> Transaction<'_, '_, 'g> {
    /// The value of a held key, own writes included.
    pub fn read(&mut self, _key: &[u8]) -> Option<Entry<'g>> {
        unimplemented!()
    }
    /// Stores a value. `Expiry::Keep` keeps the deadline the key has.
    pub fn put(&mut self, _key: &[u8], _value: NewValue<'_>, _expiry: Expiry) {
        unimplemented!()
    }
    /// Stores what `entry` holds (any type) under another held key (RENAME, COPY).
    pub fn put_entry(&mut self, _key: &[u8], _entry: Entry<'g>, _expiry: Expiry) {
        unimplemented!()
    }
    /// Removes a held key; whether it was there.
    pub fn delete(&mut self, _key: &[u8]) -> bool {
        unimplemented!()
    }
    /// Makes every write visible and releases the keys.
    pub fn commit(self) {
        let _ = self.keyspace;
    }
}

/// The bytes of a string under edit; see [`Keyspace::edit_string`].
#[derive(Debug)]
pub struct StringEdit<'e> {
    bytes: &'e mut Vec<u8>,
    existed: bool,
}

impl StringEdit<'_> {
    /// Whether the key existed.
    pub fn existed(&self) -> bool {
        self.existed
    }
    /// The bytes now.
    pub fn bytes(&self) -> &[u8] {
        self.bytes
    }
    /// The bytes, to be changed at will.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.bytes
    }
    /// Grows with zero bytes to at least `len`.
    pub fn grow(&mut self, len: usize) {
        if len > self.bytes.len() {
            self.bytes.resize(len, 0);
        }
    }
    /// Appends.
    pub fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }
}

const _: Option<Kind> = None;
