//! Several threads write with journals; their effects, put into the order of each slot's chain, must rebuild the store exactly.
//!
//! This holds the claim that the order of a key's changes is the order of their versions, and that an effect tells all of what it did.

use super::*;
use crate::base::version::{Tag, Version};
use std::collections::HashMap;
use std::sync::Barrier;
use torc_protocol::slot::Slot;

const NOW: UnixMs = 1_800_000_000_000;
const THREADS: usize = 4;

#[derive(Debug, Clone)]
enum Owned {
    Put(u8, Vec<u8>, Vec<u8>, bool, Option<i64>, Option<UnixMs>, Option<Version>),
    Delete(u8, Vec<u8>, Version),
    Deadline(u8, Vec<u8>, Version, Option<UnixMs>),
    Count(u8, Vec<u8>, (Version, i64, i64), Option<UnixMs>, Option<Version>),
    Splice(u8, Vec<u8>, Version, (usize, usize), Vec<u8>),
    Noop,
}

impl Owned {
    fn of(op: &Op<'_>) -> Self {
        match *op {
            Op::Put { db, key, value, deadline, deadline_version } => {
                let (bytes, raw, number) = match value {
                    ValueRef::Integer(number) => (vec![], false, Some(number)),
                    ValueRef::Bytes { bytes, raw } => (bytes.to_vec(), raw, None),
                };
                Owned::Put(db, key.to_vec(), bytes, raw, number, deadline, deadline_version)
            }
            Op::Delete { db, key, removed } => Owned::Delete(db, key.to_vec(), removed),
            Op::Deadline { db, key, base, deadline } => {
                Owned::Deadline(db, key.to_vec(), base, deadline)
            }
            Op::Count { db, key, epoch, base, cell, deadline, deadline_version } => {
                Owned::Count(db, key.to_vec(), (epoch, base, cell), deadline, deadline_version)
            }
            Op::Splice { db, key, base, len, offset, bytes } => {
                let place = (len as usize, offset as usize);
                Owned::Splice(db, key.to_vec(), base, place, bytes.to_vec())
            }
            Op::Noop => Owned::Noop,
        }
    }
}

#[derive(Debug, Default)]
struct Tape(Vec<(u16, Link, Vec<Owned>)>);

impl Journal for Tape {
    fn record(&mut self, slot: u16, link: Link, ops: &[Op<'_>]) {
        self.0.push((slot, link, ops.iter().map(Owned::of).collect()));
    }

    fn as_any(&mut self) -> &mut dyn std::any::Any {
        self
    }
}

fn apply(keyspace: &mut Keyspace<'_, '_>, version: Version, op: &Owned) {
    match op {
        Owned::Put(_, key, bytes, raw, number, deadline, deadline_version) => {
            let value = match number {
                Some(number) => Value::Integer(*number),
                None => Value::Bytes { bytes, raw: *raw },
            };
            let (deadline, deadline_version) = (*deadline, *deadline_version);
            let state = State { value, version, deadline, deadline_version };
            keyspace.merge(key, |_| (Merged::Put(state), ()));
        }
        Owned::Delete(_, key, removed) => {
            let found = keyspace.merge(key, |found| (Merged::Remove, found));
            let found = found.expect("what is deleted was there");
            assert_eq!(keyspace.version_of(found), *removed);
        }
        Owned::Deadline(_, key, base, deadline) => {
            let found = keyspace.merge(key, |found| (Merged::Keep, found)).expect("it is there");
            assert_eq!(keyspace.version_of(found), *base);
            found.with_state(Version::ZERO, |state| {
                let state = State { deadline: *deadline, deadline_version: Some(version), ..state };
                // A string under edit is locked by `with_state`, and the merge only reads it.
                keyspace.merge(key, |_| (Merged::Put(state), ()));
            });
        }
        Owned::Count(_, key, (epoch, base, sum), deadline, deadline_version) => {
            let found = keyspace.merge(key, |found| (Merged::Keep, found));
            let old = found.and_then(|entry| entry.counter()).filter(|old| old.epoch == *epoch);
            let mut counter =
                old.unwrap_or(Counter { epoch: *epoch, base: *base, cells: Vec::new() });
            counter.cells.retain(|cell| cell.version.tag() != version.tag());
            counter.cells.push(Cell { version, sum: *sum });
            counter.cells.sort_by_key(|cell| cell.version.tag());
            let state = State {
                value: Value::Counter(&counter),
                version,
                deadline: *deadline,
                deadline_version: *deadline_version,
            };
            keyspace.merge(key, |_| (Merged::Put(state), ()));
        }
        Owned::Splice(_, key, base, (len, offset), bytes) => {
            let spliced = keyspace.splice(key, *base, version, *len, (*offset, bytes));
            assert_eq!(spliced, Spliced::Done);
        }
        Owned::Noop => {}
    }
}

type Contents =
    HashMap<(u8, Vec<u8>), (Vec<u8>, Version, Option<UnixMs>, Option<Version>, Option<Counter>)>;

fn contents(store: &Store, local: &mut Local) -> Contents {
    let mut all = Contents::new();
    for db in 0..2 {
        let guard = local.pin();
        let mut keyspace = store.keyspace(local, &guard, db, NOW);
        for slot in 0..16384 {
            let slot = Slot::new(slot).unwrap();
            let mut from = Some(0);
            while let Some(position) = from {
                from = keyspace.visit_slot(slot, position, 10, |entry| {
                    let state = (
                        entry.string().unwrap().bytes(&mut itoa::Buffer::new()).to_vec(),
                        entry.version().unwrap_or(store.origin_version()),
                        entry.deadline(),
                        entry.deadline_version(),
                        entry.counter(),
                    );
                    all.insert((db, entry.key().to_vec()), state);
                });
            }
        }
    }
    all
}

fn random_write(keyspace: &mut Keyspace<'_, '_>, rng: &mut Rng) {
    let key = format!("{{tag{}}}{}", rng.below(2), rng.below(4)).into_bytes();
    let other = format!("{{tag{}}}{}", rng.below(2), rng.below(4)).into_bytes();
    let at = NOW + 1 + rng.below(100_000);
    match rng.below(12) {
        0 => {
            keyspace.set(&key, NewValue::Bytes(b"text"), Expiry::Never);
        }
        1 => {
            keyspace.set(&key, NewValue::Integer(rng.below(9) as i64), Expiry::At(at));
        }
        2 => {
            keyspace.set(&key, NewValue::Bytes(b"kept"), Expiry::Keep);
        }
        3 | 4 => {
            keyspace.remove(&key);
        }
        5..=7 => {
            let by = rng.below(100) as i64;
            let _: Result<(), ()> = keyspace.update(&key, |found| {
                let before = match found.map(|entry| entry.string().unwrap()) {
                    None => 0,
                    Some(StringView::Integer(value)) => value,
                    Some(_) => return Err(()),
                };
                Ok((Change::Add { sum: before + by, by }, ()))
            });
        }
        8 => {
            let expiry = if rng.below(2) == 0 { Expiry::At(at) } else { Expiry::Never };
            let _: Result<(), ()> = keyspace.update(&key, |_| Ok((Change::Expire(expiry), ())));
        }
        9 => {
            let _: Result<(), WrongType> = keyspace.edit_string(&key, |edit| {
                edit.append(&[b'a'; 700]);
                Ok(())
            });
        }
        10 => {
            let offset = rng.below(6000) as usize;
            let _: Result<(), WrongType> = keyspace.edit_string(&key, |edit| {
                edit.grow(offset + 5);
                edit.range_mut(offset..offset + 5).copy_from_slice(b"patch");
                Ok(())
            });
        }
        _ => {
            let mut transaction = keyspace
                .transaction_across([(0, &key[..]), (1, &key[..]), (0, &other[..])].into_iter());
            if let Some(entry) = transaction.read_in(0, &key) {
                transaction.put_entry_in(1, &key, entry, Expiry::Keep);
            }
            if rng.below(2) == 0 {
                transaction.put(&other, NewValue::Bytes(b"both"), Expiry::Never);
            } else {
                transaction.delete_in(0, &other);
            }
            transaction.commit();
        }
    }
}

#[test]
fn effects_in_chain_order_rebuild_the_store() {
    let rounds =
        std::env::var("TORC_STRESS_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(60);
    let mut abandoned = 0;
    for round in 0..rounds {
        let store =
            Store::new(StoreOptions { seed: round, threads: THREADS + 1, ..Default::default() });
        let mut local = store.local();
        {
            // Written before replication began.
            let guard = local.pin();
            store.keyspace(&mut local, &guard, 0, NOW).set(
                b"{tag0}0",
                NewValue::Integer(5),
                Expiry::Never,
            );
        }
        store.replicate(Tag::new(3), NOW);
        let barrier = Barrier::new(THREADS);
        let write = |thread: usize| {
            let mut local = store.local();
            local.set_journal(Some(Box::new(Tape::default())));
            let mut rng = Rng::seeded(round * 100 + thread as u64);
            barrier.wait();
            for _ in 0..400 {
                let guard = local.pin();
                random_write(&mut store.keyspace(&mut local, &guard, 0, NOW), &mut rng);
            }
            let journal = local.journal().unwrap().as_any().downcast_mut::<Tape>().unwrap();
            std::mem::take(&mut journal.0)
        };
        let mut tape: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|i| scope.spawn(move || write(i))).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        abandoned += store.abandoned_versions();
        tape.sort_by_key(|(slot, link, _)| (*slot, link.version));
        for pair in tape.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
            assert_eq!(pair[1].1.previous, pair[0].1.version, "the chain has no hole");
        }

        let mirror = Store::new(StoreOptions { seed: round + 1, threads: 1, ..Default::default() });
        let mut mirror_local = mirror.local();
        {
            let guard = mirror_local.pin();
            let state = State {
                value: Value::Integer(5),
                version: store.origin_version(),
                deadline: None,
                deadline_version: None,
            };
            let mut keyspace = mirror.keyspace(&mut mirror_local, &guard, 0, NOW);
            keyspace.merge(b"{tag0}0", |_| (Merged::Put(state), ()));
        }
        for (_, link, ops) in &tape {
            let guard = mirror_local.pin();
            for op in ops {
                let db = match op {
                    Owned::Put(db, ..)
                    | Owned::Delete(db, ..)
                    | Owned::Deadline(db, ..)
                    | Owned::Count(db, ..)
                    | Owned::Splice(db, ..) => *db,
                    Owned::Noop => 0,
                };
                apply(&mut mirror.keyspace(&mut mirror_local, &guard, db, NOW), link.version, op);
            }
        }
        let (here, there) = (contents(&store, &mut local), contents(&mirror, &mut mirror_local));
        assert_eq!(here.len(), there.len(), "round {round}");
        for (key, state) in &here {
            assert_eq!(Some(state), there.get(key), "round {round}, {}", key.1.escape_ascii());
        }
    }
    assert!(abandoned > 0, "threads never met, so nothing was tested");
}
