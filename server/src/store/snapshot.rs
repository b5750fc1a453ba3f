//! Several keys as they were at one moment, without a lock.
//!
//! Each key is looked up and the word that the look-up went by is kept; then all words are looked at again. If none has changed, every
//! answer was true at the moment between the two passes (a double collect: Afek and others, "Atomic Snapshots of Shared
//! Memory", 1993). A transaction latches all its keys before it stores the first value, so a snapshot sees all of its writes or none:
//! who has read one new value finds the other keys latched or new when he looks again.
//!
//! Keys whose word has changed are looked up again, some rounds; then the keys are latched like a transaction's. Large strings change without
//! their word, so they are locked for reading while their words are looked at and until they are handed out.

use super::ahead::Ahead;
use super::database::Roots;
use super::entry::Entry;
use super::hash::KeyHash;
use super::index::Witness;
use super::keyspace::{Found, Keyspace};
use crate::base::limits::BATCH_COMMANDS_MAX;

/// Keys whose cache misses overlap: as many as the pipeline takes commands, and for the same reason.
const GROUP_KEYS: usize = BATCH_COMMANDS_MAX;

/// A round fails only if one of the keys was written in the microseconds since it was read, so that many failures mean keys that are written
/// without a pause.
const ROUNDS_MAX: usize = 8;

/// A key as it was when it was last looked up.
struct Seen<'g> {
    witness: Option<Witness<'g>>,
    entry: Option<Entry<'g>>,
}

impl Seen<'_> {
    fn is_true(&self) -> bool {
        self.witness.is_some_and(|witness| witness.holds())
    }
}

impl<'g> Keyspace<'_, 'g> {
    /// Looks up the `count` keys that `key` names by their index, all at one moment, and hands what it found to `each` in order. Counts hits and
    /// misses and marks keys as used, as [`Keyspace::read`] does, until `each` fails. A text that is to be used after `each` has
    /// returned is fetched ([`Entry::string`]) in it, or it may be a later one.
    pub fn read_together<'a, E>(
        &mut self,
        count: usize,
        key: impl Fn(usize) -> &'a [u8],
        mut each: impl FnMut(Option<Entry<'g>>) -> Result<(), E>,
    ) -> Result<(), E> {
        // In a step of this thread nobody else changes them.
        if count == 1 || self.local.is_owning() {
            return (0..count).try_for_each(|index| each(self.read(key(index))));
        }
        // One look at the database's table, so that a FLUSHALL is seen by all keys or none.
        let Some(roots) = self.roots() else {
            return (0..count).try_for_each(|index| {
                self.note_lookup(key(index), None);
                each(None)
            });
        };
        let mut seen = self.see_all(roots, count, &key);
        for _ in 0..ROUNDS_MAX {
            let big = seen.iter().filter_map(|seen| seen.entry?.big());
            // Not by `Big::hold`: who holds some does not wait for others. One that a step holds has a latched word, which is seen next.
            let _held: Vec<_> = big.map(|big| big.hold_at_once()).collect();
            if seen.iter().all(Seen::is_true) {
                return seen.iter().enumerate().try_for_each(|(index, seen)| {
                    self.note_lookup(key(index), seen.entry);
                    each(seen.entry)
                });
            }
            drop(_held);
            for (index, seen) in seen.iter_mut().enumerate().filter(|(_, seen)| !seen.is_true()) {
                *seen = self.look(roots, self.place(key(index)), key(index));
            }
        }
        let keys: Vec<&[u8]> = (0..count).map(key).collect();
        let mut transaction = self.transaction(&keys);
        keys.iter().try_for_each(|key| each(transaction.look_up(key)))
    }

    fn see_all<'a>(
        &mut self,
        roots: &'g Roots,
        count: usize,
        key: &impl Fn(usize) -> &'a [u8],
    ) -> Vec<Seen<'g>> {
        let mut seen = Vec::with_capacity(count);
        let mut places = [None; GROUP_KEYS];
        let ahead = Ahead { roots };
        for first in (0..count).step_by(GROUP_KEYS) {
            let group = first..count.min(first + GROUP_KEYS);
            for (place, index) in places.iter_mut().zip(group.clone()) {
                *place = Some(self.place(key(index)));
            }
            let places = &places[..group.len()];
            ahead.ask(|| places.iter().flatten().copied());
            for (&place, index) in places.iter().flatten().zip(group) {
                seen.push(self.look(roots, place, key(index)));
            }
        }
        seen
    }

    fn look(&mut self, roots: &'g Roots, place: KeyHash, key: &[u8]) -> Seen<'g> {
        match self.find(roots, place, key) {
            Found::Present { hit, entry, live: true } => {
                Seen { witness: hit.witness(), entry: Some(entry) }
            }
            Found::Present { hit, .. } => {
                self.expire(roots, &hit);
                // If that has changed its word, the next round looks once more.
                Seen { witness: hit.witness(), entry: None }
            }
            Found::Absent(vacancy) => Seen { witness: vacancy.witness(), entry: None },
            Found::Reserved(hit) => Seen { witness: hit.witness(), entry: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::base::clock::UnixMs;
    use crate::store::{Expiry, NewValue, Store, StoreOptions, StringView};
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicBool, Ordering};

    const NOW: UnixMs = 1_700_000_000_000;
    const KEYS: [&[u8]; 4] = [b"{s}a", b"b", b"{s}c", b"d"];

    fn read(store: &Store, local: &mut crate::store::Local) -> Vec<Option<i64>> {
        let guard = local.pin();
        let mut values = Vec::new();
        let done: Result<(), Infallible> = store.keyspace(local, &guard, 0, NOW).read_together(
            KEYS.len(),
            |index| KEYS[index],
            |found| {
                values.push(found.map(|entry| match entry.string() {
                    Ok(StringView::Integer(value)) => value,
                    _ => panic!("only integers are stored"),
                }));
                Ok(())
            },
        );
        assert_eq!(done, Ok(()));
        values
    }

    /// One thread stores the same number under all keys or removes all, as transactions, while others keys come and go so that tables are replaced;
    /// whoever reads the keys one after the other soon sees two numbers.
    #[test]
    fn a_transaction_is_seen_whole_or_not_at_all() {
        let rounds = if cfg!(debug_assertions) { 20_000 } else { 200_000 };
        let store = Store::new(StoreOptions { seed: 5, threads: 2, ..StoreOptions::default() });
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut local = store.local();
                for round in 0..rounds {
                    let guard = local.pin();
                    let mut keyspace = store.keyspace(&mut local, &guard, 0, NOW);
                    let mut transaction = keyspace.transaction(&KEYS);
                    for key in KEYS {
                        if round % 5 == 4 {
                            transaction.delete(key);
                        } else {
                            transaction.put(key, NewValue::Integer(round), Expiry::Never);
                        }
                    }
                    transaction.commit();
                    let other = format!("{{s}}{}", round / 8 % 64);
                    if round % 8 < 4 {
                        keyspace.set(other.as_bytes(), NewValue::Integer(0), Expiry::Never);
                    } else {
                        keyspace.remove(other.as_bytes());
                    }
                }
                done.store(true, Ordering::Release);
            });
            let mut local = store.local();
            while !done.load(Ordering::Acquire) {
                let values = read(&store, &mut local);
                assert!(values.iter().all(|value| *value == values[0]), "torn: {values:?}");
            }
        });
    }

    #[test]
    fn keys_are_looked_up_as_one_by_one() {
        let store = Store::new(StoreOptions { seed: 5, threads: 1, ..StoreOptions::default() });
        let mut local = store.local();
        assert_eq!(read(&store, &mut local), [None; 4]);
        {
            let guard = local.pin();
            let mut keyspace = store.keyspace(&mut local, &guard, 0, NOW);
            keyspace.set(KEYS[1], NewValue::Integer(1), Expiry::At(NOW + 1));
            keyspace.set(KEYS[2], NewValue::Integer(2), Expiry::Never);
            let mut later = store.keyspace(&mut local, &guard, 0, NOW + 1);
            let mut count = 0;
            let failed = later.read_together(
                4,
                |index| KEYS[index],
                |found| {
                    count += 1;
                    // The second key has expired.
                    if found.is_some() { Err(count) } else { Ok(()) }
                },
            );
            assert_eq!(failed, Err(3));
            assert_eq!(later.len(), 1);
        }
        assert_eq!(read(&store, &mut local), [None, None, Some(2), None]);
    }
}
