//! Changes that other nodes are to hear of, and how far they have heard.
//!
//! ```text
//!   a change ─▶ note: numbered, its subject kept ─▶ take: the telling worker ─▶ its links ─▶ peers confirm numbers ─▶ confirm ─▶ heard
//! ```
//!
//! Only what changed is kept, not how: whoever tells looks that up then.

use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// See the module's description. `T` names what changes.
#[derive(Debug)]
pub struct Told<T> {
    /// Whether anybody is told anything: the node is part of a ring.
    is_on: AtomicBool,
    has_changed: AtomicBool,
    changed: Mutex<BTreeSet<T>>,
    /// The number of the latest change.
    noted: AtomicU64,
    /// Up to which change all peers have confirmed.
    heard: AtomicU64,
    /// Links by which is told.
    links: AtomicUsize,
}

impl<T> Default for Told<T> {
    fn default() -> Self {
        Told {
            is_on: AtomicBool::new(false),
            has_changed: AtomicBool::new(false),
            changed: Mutex::default(),
            noted: AtomicU64::new(0),
            heard: AtomicU64::new(0),
            links: AtomicUsize::new(0),
        }
    }
}

impl<T: Ord> Told<T> {
    /// From now on changes are kept.
    pub fn start(&self) {
        self.is_on.store(true, Ordering::Relaxed);
    }

    /// One change, of all of `subjects`; it may be of none that has a name. Called when it was made.
    pub fn note(&self, subjects: impl Iterator<Item = T>) {
        // Relaxed: set once, before the node has clients.
        if self.is_on.load(Ordering::Relaxed) {
            let mut changed = self.changed.lock();
            changed.extend(subjects);
            // Relaxed: ordered by the lock, and read by the client's own thread.
            self.noted.fetch_add(1, Ordering::Relaxed);
            // Release pairs with the Acquire in `has_changes`.
            self.has_changed.store(true, Ordering::Release);
        }
    }

    /// Whether [`Told::take`] has something, and the telling worker is to be woken.
    #[inline]
    pub fn has_changes(&self) -> bool {
        // Acquire pairs with the Release in `note`.
        self.has_changed.load(Ordering::Acquire)
    }

    /// What changed since the last call, and the number of the latest change that it covers; `None` if nothing did.
    pub fn take(&self) -> Option<(BTreeSet<T>, u64)> {
        if !self.has_changes() {
            return None;
        }
        let mut changed = self.changed.lock();
        self.has_changed.store(false, Ordering::Relaxed);
        Some((std::mem::take(&mut *changed), self.noted.load(Ordering::Relaxed)))
    }

    /// The number of the latest change. All that was noted by then has been made, and is found by whoever looks afterwards.
    pub fn noted(&self) -> u64 {
        // Under the lock: whoever has noted a change has made it before.
        let _changed = self.changed.lock();
        self.noted.load(Ordering::Relaxed)
    }

    /// The latest change that not all peers have confirmed, if there is one, and anybody who could.
    pub fn unheard(&self) -> Option<u64> {
        // Relaxed, here and below: numbers that only rise; one that is read late keeps a client waiting a moment longer.
        let noted = self.noted.load(Ordering::Relaxed);
        let has_peers = self.links.load(Ordering::Relaxed) > 0;
        (has_peers && noted > self.heard()).then_some(noted)
    }

    /// Up to which change all peers have confirmed.
    pub fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }

    /// Takes down up to which change the peer of each open link has confirmed. Returns whether that is more than before.
    pub fn confirm(&self, links: impl Iterator<Item = u64>) -> bool {
        let (mut count, mut heard) = (0, None);
        for link in links {
            count += 1;
            heard = Some(heard.unwrap_or(u64::MAX).min(link));
        }
        self.links.store(count, Ordering::Relaxed);
        let heard = heard.unwrap_or_else(|| self.noted.load(Ordering::Relaxed));
        self.heard.fetch_max(heard, Ordering::Relaxed) < heard
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_kept_once_somebody_is_told() {
        let told = Told::default();
        told.note(["early"].into_iter());
        assert_eq!((told.has_changes(), told.take(), told.noted()), (false, None, 0));
        told.start();
        told.note(["a", "b"].into_iter());
        told.note(["a"].into_iter());
        assert_eq!(told.take(), Some((BTreeSet::from(["a", "b"]), 2)));
        assert_eq!(told.take(), None);
        told.note(std::iter::empty());
        assert_eq!(told.take(), Some((BTreeSet::new(), 3)), "a change without a name is one");
    }

    #[test]
    fn all_have_heard_what_the_slowest_has() {
        let told = Told::default();
        told.start();
        (0..5).for_each(|number| told.note([number].into_iter()));
        assert_eq!(told.unheard(), None, "there is nobody who could");
        assert!(!told.confirm([0, 4].into_iter()));
        assert_eq!(told.unheard(), Some(5));
        assert!(told.confirm([3, 4].into_iter()) && !told.confirm([2, 4].into_iter()));
        assert_eq!(told.heard(), 3, "it never falls");
        assert!(told.confirm([5, 5].into_iter()));
        assert_eq!(told.unheard(), None);
        told.note([9].into_iter());
        assert_eq!(told.unheard(), Some(6));
        assert!(told.confirm(std::iter::empty()), "all who are left have heard it");
        assert_eq!(told.unheard(), None);
    }
}
