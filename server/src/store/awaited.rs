//! Awaited keys: clients wait until something is there, and whoever changes such a key is told to look after them.
//!
//! An awaited key bears the mark of a watched one (see [`watch`]), so that writers of other keys pay nothing. Who breaks the watch notes the key for
//! his own thread, which serves those who wait once its command is done: others see no state in between that Redis would not show. Having looked, it awaits the
//! key anew if anybody still waits. **Invariant.** From [`Keyspace::await_change`] on, each change of the key is noted by somebody, until one was.
//!
//! Does not know who waits, nor for what.

use super::keyspace::Keyspace;
use super::local::Local;
use super::{Store, watch};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// A key's database and name.
pub type AwaitedKey = watch::WatchedKey;

/// Awaited keys that were changed by a thread that serves nobody: others are to look after them.
#[derive(Debug, Default)]
pub(super) struct Awoken {
    keys: Mutex<Vec<AwaitedKey>>,
    has_some: AtomicBool,
}

impl Store {
    /// Whether [`Store::take_awoken`] has any.
    #[inline]
    pub fn has_awoken(&self) -> bool {
        // Acquire: pairs with the Release in `awaken`. What was pushed is read under the lock.
        self.inner.watches.awoken.has_some.load(Ordering::Acquire)
    }

    /// Awaited keys that threads have changed which serve nobody.
    pub fn take_awoken(&self) -> Vec<AwaitedKey> {
        let awoken = &self.inner.watches.awoken;
        let mut keys = awoken.keys.lock();
        // Relaxed: under the lock, so that nothing is pushed between this and the taking.
        awoken.has_some.store(false, Ordering::Relaxed);
        std::mem::take(&mut *keys)
    }

    /// Nobody waits for a change of this key any more.
    pub fn end_wait(&self, db: u8, key: &[u8]) {
        self.inner.watches.end_wait((db, Box::from(key)));
    }
}

impl Local {
    /// From now on this thread looks after the keys that it awakens.
    pub fn serve_awoken(&mut self) {
        self.serves = true;
    }

    /// Notes that those who await `key` are to be looked after.
    #[cold]
    pub fn awaken(&mut self, db: u8, key: &[u8]) {
        if self.serves {
            self.awoken.push((db, key.into()));
            self.news = true;
            return;
        }
        let awoken = &self.inner.watches.awoken;
        let mut keys = awoken.keys.lock();
        keys.push((db, key.into()));
        // Release: pairs with the Acquire in `has_awoken`.
        awoken.has_some.store(true, Ordering::Release);
    }

    /// Whether [`Local::take_awoken`] has any.
    #[inline]
    pub fn has_awoken(&self) -> bool {
        !self.awoken.is_empty()
    }

    /// The awaited keys that this thread has changed since the last call, in that order. To be called after each command, which bounds it.
    pub fn take_awoken(&mut self) -> Vec<AwaitedKey> {
        std::mem::take(&mut self.awoken)
    }
}

impl Keyspace<'_, '_> {
    /// Sees to it that the next change of `key` is noted by the thread that makes it. A change that was made before may be noted too.
    pub fn await_change(&mut self, key: &[u8]) {
        // A key whose time has come is absent.
        self.peek(key);
        let name: AwaitedKey = (self.db, Box::from(key));
        self.store.inner.watches.shard(key).lock().entry(name).or_default().awaited = true;
        self.arm(key);
    }
}
