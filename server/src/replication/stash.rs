//! Effects of one slot that came before others which they build on.
//!
//! They are kept by origin and in the order of its chain, whatever the order they came in: of each origin only the first can be next, so that finding it takes no search
//! however many wait. What they take is counted against what the slot may stash, and against the [`Room`] that all slots share.

use super::vector::Vector;
use crate::base::clock::UnixMs;
use crate::base::version::{Tag, Version};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What the slots of a node may stash together: half a second of the writes that saturate a node.
const ROOM_BYTES: usize = 64 * 1024 * 1024;

/// What one slot may stash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StashLimits {
    /// Bytes, with what keeping an effect takes. While a pull is under way that brings what is missing, only the room of all slots counts.
    pub bytes: usize,
    /// Milliseconds that one may wait for those before it.
    pub age_ms: u64,
}

impl Default for StashLimits {
    /// Workers of one origin run at most a batch apart, some ten milliseconds with descheduling; a megabyte are some four thousand small effects.
    fn default() -> Self {
        StashLimits { bytes: 1024 * 1024, age_ms: 500 }
    }
}

/// Bytes that the slots of a node may stash together, and do.
#[derive(Debug)]
pub struct Room {
    max: usize,
    used: AtomicUsize,
}

impl Default for Room {
    fn default() -> Self {
        Room::new(ROOM_BYTES)
    }
}

impl Room {
    /// Room for `max` bytes.
    pub fn new(max: usize) -> Room {
        Room { max, used: AtomicUsize::new(0) }
    }

    /// Bytes that are stashed.
    pub fn used(&self) -> usize {
        // Relaxed: a count that stands for itself.
        self.used.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) {
        // Relaxed: as above.
        self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    fn give_back(&self, bytes: usize) {
        // Relaxed: as above.
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// An effect that is to wait.
#[derive(Debug)]
pub struct Waiting {
    /// Of the effect.
    pub version: Version,
    /// What its origin had seen of others when it wrote it.
    pub deps: Vector,
    /// The effect.
    pub bytes: Box<[u8]>,
    /// When it came.
    pub since: UnixMs,
}

impl Waiting {
    /// What an effect of so many `bytes` takes: a map's node is filled by two thirds.
    pub const fn cost(bytes: usize) -> usize {
        bytes + (size_of::<(Place, Waiting)>() * 3).div_ceil(2)
    }
}

/// Where an effect stands: its origin, and what comes before it in the chain.
type Place = (Tag, Version);

/// No version is higher.
const LAST: Version = Version::from_bits(u64::MAX);

/// See the module's description.
#[derive(Debug, Default)]
pub struct Stash {
    waiting: BTreeMap<Place, Waiting>,
    bytes: usize,
    room: Arc<Room>,
}

impl Drop for Stash {
    fn drop(&mut self) {
        self.room.give_back(self.bytes);
    }
}

impl Stash {
    /// Nothing, within a room that others share.
    pub fn within(room: &Arc<Room>) -> Stash {
        Stash { waiting: BTreeMap::new(), bytes: 0, room: Arc::clone(room) }
    }

    /// Whether nothing waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Effects that wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Bytes that they take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether an effect that takes `cost` finds room: in this slot's share of `bytes`, and in the room of all.
    pub fn has_room(&self, cost: usize, bytes: usize) -> bool {
        self.bytes + cost <= bytes && self.room.used() + cost <= self.room.max
    }

    /// Keeps an effect that follows `previous`. Returns whether it waits now, and not another in its place.
    pub fn insert(&mut self, previous: Version, waiting: Waiting) -> bool {
        match self.waiting.entry((waiting.version.tag(), previous)) {
            Entry::Occupied(other) => other.get().version == waiting.version,
            Entry::Vacant(place) => {
                let cost = Waiting::cost(waiting.bytes.len());
                place.insert(waiting);
                self.bytes += cost;
                self.room.take(cost);
                true
            }
        }
    }

    /// Takes out an effect that is next for who covers `vector`, and drops what is covered already.
    pub fn take_next(&mut self, vector: &Vector) -> Option<Box<[u8]>> {
        let mut from = Bound::Unbounded;
        loop {
            let (&first, waiting) = self.waiting.range((from, Bound::Unbounded)).next()?;
            if vector.covers(waiting.version) {
                self.remove(first);
                continue;
            }
            let (tag, _) = first;
            let next = (tag, vector.get(tag));
            if self.waiting.get(&next).is_some_and(|it| vector.covers_all(&it.deps)) {
                return self.remove(next);
            }
            from = Bound::Excluded((tag, LAST));
        }
    }

    /// Drops the first of an origin; whether there was one.
    pub fn drop_first(&mut self, tag: Tag) -> bool {
        let first = self.waiting.range((tag, Version::ZERO)..=(tag, LAST)).next();
        let first = first.map(|(&place, _)| place);
        first.is_some_and(|place| self.remove(place).is_some())
    }

    fn remove(&mut self, place: Place) -> Option<Box<[u8]>> {
        let taken = self.waiting.remove(&place)?;
        let cost = Waiting::cost(taken.bytes.len());
        self.bytes -= cost;
        self.room.give_back(cost);
        Some(taken.bytes)
    }

    /// Whether one has waited for longer than `age_ms`.
    pub fn is_late(&self, now: UnixMs, age_ms: u64) -> bool {
        self.waiting.values().any(|waiting| now.saturating_sub(waiting.since) > age_ms)
    }

    /// Has all wait from `now` on.
    pub fn wait_anew(&mut self, now: UnixMs) {
        self.waiting.values_mut().for_each(|waiting| waiting.since = now);
    }

    /// Drops all.
    pub fn clear(&mut self) {
        self.waiting.clear();
        self.room.give_back(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = 1_800_000_000_000;

    /// The versions of one origin's chain.
    fn versions(tag: u16, count: usize) -> Vec<Version> {
        let next = |last: &Version| Some(Version::next(NOW, *last, Tag::new(tag)));
        std::iter::successors(Some(Version::ZERO), next).take(count + 1).collect()
    }

    fn waiting(version: Version, bytes: usize) -> Waiting {
        Waiting { version, deps: Vector::new(), bytes: vec![0; bytes].into(), since: NOW }
    }

    /// Takes out all that is next, as if each was applied.
    fn take_all(stash: &mut Stash, vector: &mut Vector, chain: &[Version]) -> usize {
        let mut taken = 0;
        while stash.take_next(vector).is_some() {
            let last = vector.get(chain[1].tag());
            let at = chain.iter().position(|it| *it == last).unwrap();
            vector.raise(chain[at + 1]);
            taken += 1;
        }
        taken
    }

    #[test]
    fn what_waits_is_counted_and_given_back() {
        let room = Arc::new(Room::new(10_000));
        let cost = Waiting::cost(100);
        let (a, b) = (versions(1, 10), versions(2, 10));
        let (mut one, mut other) = (Stash::within(&room), Stash::within(&room));
        for at in 1..10 {
            assert!(one.insert(a[at], waiting(a[at + 1], 100)));
            assert!(other.insert(b[at], waiting(b[at + 1], 100)));
            assert_eq!(room.used(), 2 * at * cost);
        }
        assert!(one.insert(a[1], waiting(a[2], 100)), "it waits already");
        assert!(!one.insert(a[1], waiting(a[3], 100)), "another follows the same");
        assert_eq!((one.len(), one.bytes(), room.used()), (9, 9 * cost, 18 * cost));
        assert!(!one.has_room(cost, 10 * cost - 1) && one.has_room(cost, 10 * cost));
        assert!(one.has_room(10_000 - 18 * cost, usize::MAX));
        assert!(!one.has_room(10_001 - 18 * cost, usize::MAX), "there is no more for all");
        drop(other);
        assert_eq!(room.used(), 9 * cost);
        one.clear();
        assert_eq!((one.len(), one.bytes(), room.used()), (0, 0, 0));
    }

    #[test]
    fn of_each_origin_what_is_next_comes_and_what_is_covered_goes() {
        let mut stash = Stash::default();
        let (a, b) = (versions(1, 6), versions(2, 6));
        for at in [4, 1, 3, 5, 2] {
            stash.insert(a[at], waiting(a[at + 1], 10));
            stash.insert(b[at], waiting(b[at + 1], 10));
        }
        let mut vector = Vector::new();
        assert!(stash.take_next(&vector).is_none());
        // The other origin's are next though the first one's wait.
        vector.raise(b[3]);
        assert_eq!(take_all(&mut stash, &mut vector, &b), 3);
        assert_eq!((stash.len(), vector.get(Tag::new(2))), (5, b[6]), "the covered ones went too");
        assert!(stash.drop_first(Tag::new(1)) && !stash.drop_first(Tag::new(2)));
        vector.raise(a[2]);
        assert_eq!(take_all(&mut stash, &mut vector, &a), 4);
        assert_eq!((stash.len(), stash.bytes()), (0, 0));
    }

    #[test]
    fn one_that_can_never_be_next_keeps_nobody_waiting() {
        let mut stash = Stash::default();
        let a = versions(1, 6);
        stash.insert(a[1], waiting(a[6], 10));
        stash.insert(a[3], waiting(a[4], 10));
        let mut vector = Vector::new();
        vector.raise(a[3]);
        assert!(stash.take_next(&vector).is_some());
        vector.raise(a[4]);
        assert!(stash.take_next(&vector).is_none());
        assert_eq!(stash.len(), 1);
        // Not even a place behind all others makes it go round.
        stash.insert(LAST, waiting(Version::from_bits(u64::MAX - 0xfff), 10));
        assert!(stash.take_next(&vector).is_none());
    }
}
