//! Which keys were changed, taken down for whoever keeps copies of values outside (client-side caching).
//!
//! ```text
//!   a write, whoever makes it ── word changed ─▶ taken down by its thread ── command ends ─▶ the thread tells those who read the key
//! ```
//!
//! Nothing is taken down unless somebody asked ([`Store::tell_changes`]): a write then pays a byte's load and a branch, a read nothing.
//!
//! **Invariant.** Whoever asked and then noted, under a lock that those who are told take too, that he reads a key, reads the value that the key has after a change or
//! is found by the thread that changed it: that looks for him behind the change. So [`Store::tell_changes`] is called with the store held whole: no thread goes on
//! with what it knew before. A flush takes down no keys, nor does [`Keyspace::forget_slot`](super::Keyspace::forget_slot).
//!
//! Does not know who reads what.

#[cfg(test)]
mod tests;

use super::Store;
use super::entry::Entry;
use super::local::Local;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use torc_protocol::peer::changes::Author;

/// Who changed a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Whoever's command runs on the thread.
    Runner,
    /// Nobody: its time had come, or it made room.
    Nobody,
    /// This client, on whose behalf another one's thread served it (BLMOVE).
    Client(u64),
    /// The same, a client that asked by way of another node.
    Author(Author),
    /// Another node, whose change this one follows.
    Copy,
}

/// A key that was changed. Of which database is not told, for those who hold copies do not tell databases apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedKey {
    /// The key.
    pub key: Box<[u8]>,
    /// Who changed it.
    pub by: By,
}

/// What all threads share.
#[derive(Debug, Default)]
pub(super) struct Changes {
    are_told: AtomicBool,
    /// What threads have changed that tell nobody.
    foreign: Mutex<Vec<ChangedKey>>,
    has_foreign: AtomicBool,
}

impl Store {
    /// Whether changes are taken down.
    pub fn tells_changes(&self) -> bool {
        // Relaxed, here and where a thread reads it behind its pin: whoever switches it on has the store for himself, see the module.
        self.inner.changes.are_told.load(Ordering::Relaxed)
    }

    /// From now on changes are taken down. `local` [holds everything](Store::hold_everything).
    pub fn tell_changes(&self, local: &mut Local) {
        debug_assert!(local.holds_gate(), "others may be in the middle of a batch");
        self.inner.changes.are_told.store(true, Ordering::Relaxed);
        local.tells_changes = true;
    }

    /// Nobody wants to know any more.
    pub fn keep_changes(&self) {
        self.inner.changes.are_told.store(false, Ordering::Relaxed);
    }

    /// Whether [`Store::take_foreign_changes`] has any.
    #[inline]
    pub fn has_foreign_changes(&self) -> bool {
        // Acquire: pairs with the Release in `note_change`. What was pushed is read under the lock.
        self.inner.changes.has_foreign.load(Ordering::Acquire)
    }

    /// Keys that threads have changed which tell nobody.
    pub fn take_foreign_changes(&self) -> Vec<ChangedKey> {
        let mut foreign = self.inner.changes.foreign.lock();
        // Relaxed: under the lock, so that nothing is pushed between this and the taking.
        self.inner.changes.has_foreign.store(false, Ordering::Relaxed);
        std::mem::take(&mut *foreign)
    }
}

impl Local {
    /// Called behind the pin of each batch.
    #[inline]
    pub(super) fn look_whether_to_tell(&mut self) {
        self.tells_changes = self.inner.changes.are_told.load(Ordering::Relaxed);
    }

    /// Takes down that `key` is another now.
    #[inline]
    pub(super) fn changed(&mut self, key: &[u8]) {
        if self.tells_changes {
            self.note_change(key);
        }
    }

    /// As [`Local::changed`], for the key of an entry that was built to take its place: whether it does is decided later, but before anybody is told. Asked for here because
    /// every write comes by.
    #[inline]
    pub(super) fn built(&mut self, entry: Entry<'_>) {
        if self.tells_changes && !entry.is_absent() {
            self.note_change(entry.key());
        }
    }

    #[cold]
    fn note_change(&mut self, key: &[u8]) {
        let changed = ChangedKey { key: key.into(), by: By::Runner };
        if self.serves {
            self.changes.push(changed);
            self.news = true;
            return;
        }
        let changes = &self.inner.changes;
        let mut foreign = changes.foreign.lock();
        foreign.push(changed);
        // Release: pairs with the Acquire in `has_foreign_changes`.
        changes.has_foreign.store(true, Ordering::Release);
    }

    /// What was taken down last was nobody's doing.
    #[inline]
    pub(super) fn changed_by_nobody(&mut self) {
        if self.tells_changes
            && let Some(last) = self.changes.last_mut()
        {
            last.by = By::Nobody;
        }
    }

    /// What was taken down since the first `from` changes was not the running client's doing, but `by`'s.
    pub fn changed_by(&mut self, from: usize, by: By) {
        for change in self.changes.iter_mut().skip(from).filter(|it| it.by == By::Runner) {
            change.by = by;
        }
    }

    /// What was taken down since the first `from` changes is told otherwise.
    pub fn forget_changes(&mut self, from: usize) {
        self.changes.truncate(from);
    }

    /// How many changes wait to be told.
    #[inline]
    pub fn change_count(&self) -> usize {
        self.changes.len()
    }

    /// The keys that this thread has changed since the last call, in that order. To be called after each command and stretch of sweeping, which bounds it.
    pub fn take_changes(&mut self) -> Vec<ChangedKey> {
        std::mem::take(&mut self.changes)
    }

    /// Whether there are awaited or changed keys to look after, or were since [`Local::read_news`].
    #[inline]
    pub fn has_news(&self) -> bool {
        self.news
    }

    /// They were looked after.
    pub fn read_news(&mut self) {
        self.news = false;
    }
}
