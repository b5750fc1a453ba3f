//! Steps of several commands, and watched keys, with threads that race: what others see is never half of a step.

use super::*;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64};

const NOW: UnixMs = 1_700_000_000_000;
const ACCOUNTS: u64 = 6;
const TOTAL: i64 = 600;

fn store(threads: usize) -> Store {
    Store::new(StoreOptions { seed: 11, threads, ..StoreOptions::default() })
}

fn name(account: u64) -> Vec<u8> {
    // Half of them share a slot with what comes and goes.
    if account.is_multiple_of(2) {
        format!("{{s}}{account}").into_bytes()
    } else {
        format!("a{account}").into_bytes()
    }
}

fn number(entry: Option<Entry<'_>>) -> i64 {
    match entry.map(|entry| entry.string().unwrap()) {
        None => 0,
        Some(StringView::Integer(value)) => value,
        Some(_) => panic!("only integers are stored"),
    }
}

fn rounds(few: u64) -> u64 {
    let more = if cfg!(debug_assertions) { 1 } else { 10 };
    std::env::var("TORC_STRESS_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(few * more)
}

/// Moves an amount by way of states in which sums are wrong and keys are missing.
fn transfer(ks: &mut Keyspace<'_, '_>, from: &[u8], to: &[u8], amount: i64) {
    if from == to {
        return;
    }
    let had = number(ks.read(from));
    ks.remove(from);
    let _: Result<(), ()> = ks.update(to, |found| {
        let sum = number(found) + amount;
        Ok((Change::Put(NewValue::Integer(sum), Expiry::Keep), ()))
    });
    if had != amount {
        ks.set(from, NewValue::Integer(had - amount), Expiry::Never);
    }
}

fn sum_together(ks: &mut Keyspace<'_, '_>) -> i64 {
    let names: Vec<Vec<u8>> = (0..ACCOUNTS).map(name).collect();
    let mut sum = 0;
    let done: Result<(), ()> = ks.read_together(
        names.len(),
        |index| &names[index],
        |found| {
            sum += number(found);
            Ok(())
        },
    );
    assert_eq!(done, Ok(()));
    sum
}

#[test]
fn sums_stay_while_steps_move_amounts() {
    let store = store(6);
    {
        let mut local = store.local();
        let guard = local.pin();
        store.keyspace(&mut local, &guard, 0, NOW).set(
            &name(0),
            NewValue::Integer(TOTAL),
            Expiry::Never,
        );
    }
    let run = |thread: u64| {
        let mut local = store.local();
        let mut rng = Rng::seeded(thread);
        for _ in 0..rounds(6_000) {
            let (from, to) = (name(rng.below(ACCOUNTS)), name(rng.below(ACCOUNTS)));
            let kind = rng.below(40);
            if kind == 0 {
                // Without naming a key, alone in the store.
                store.hold_everything(&mut local);
                let guard = local.pin();
                let mut ks = store.keyspace(&mut local, &guard, 0, NOW);
                transfer(&mut ks, &from, &to, 1);
                let sum: i64 = (0..ACCOUNTS).map(|n| number(ks.peek(&name(n)))).sum();
                store.release(&mut local, &guard, NOW);
                assert_eq!(sum, TOTAL);
                continue;
            }
            let guard = local.pin();
            if kind < 20 {
                let keys = [(0, &from[..]), (0, &to[..]), (0, &from[..])];
                store.hold(&mut local, &guard, NOW, keys.into_iter());
                transfer(&mut store.keyspace(&mut local, &guard, 0, NOW), &from, &to, 7);
                store.release(&mut local, &guard, NOW);
            } else if kind < 24 {
                // A transaction inside a step, of a key that it holds.
                store.hold(&mut local, &guard, NOW, [(0, &from[..])].into_iter());
                let mut ks = store.keyspace(&mut local, &guard, 0, NOW);
                let mut transaction = ks.transaction(&[&from]);
                let before = number(transaction.read(&from));
                transaction.delete(&from);
                transaction.commit();
                assert_eq!(number(ks.read(&from)), 0);
                let mut transaction = ks.transaction(&[&from]);
                transaction.put(&from, NewValue::Integer(before), Expiry::Never);
                transaction.commit();
                store.release(&mut local, &guard, NOW);
            } else {
                let sum = sum_together(&mut store.keyspace(&mut local, &guard, 0, NOW));
                assert_eq!(sum, TOTAL, "half of a step was seen");
            }
            let mut ks = store.keyspace(&mut local, &guard, 0, NOW);
            let filler = format!("{{s}}f{}", rng.below(300)).into_bytes();
            if rng.below(2) == 0 {
                ks.set(&filler, NewValue::Integer(0), Expiry::Never);
            } else {
                ks.remove(&filler);
            }
        }
    };
    let run = &run;
    std::thread::scope(|scope| (0..4).for_each(|thread| drop(scope.spawn(move || run(thread)))));
    let mut local = store.local();
    let guard = local.pin();
    let mut ks = store.keyspace(&mut local, &guard, 0, NOW);
    assert_eq!(sum_together(&mut ks), TOTAL);
    let keys = (0..ACCOUNTS).filter(|&n| ks.peek(&name(n)).is_some()).count()
        + (0..300).filter(|n| ks.peek(format!("{{s}}f{n}").as_bytes()).is_some()).count();
    assert_eq!(ks.len(), keys, "placeholders are counted, or keys are not");
}

/// A large value is edited where it is, under the eyes of who has looked it up before.
#[test]
fn large_values_are_seen_before_or_after_a_step() {
    let store = store(4);
    let done = AtomicBool::new(false);
    let writer = || {
        let mut local = store.local();
        for round in 0..rounds(3_000) {
            let guard = local.pin();
            store.hold(&mut local, &guard, NOW, [(0, &b"big"[..])].into_iter());
            let mut ks = store.keyspace(&mut local, &guard, 0, NOW);
            let add = |ks: &mut Keyspace<'_, '_>| {
                let added: Result<(), WrongType> = ks.edit_string(b"big", |edit| {
                    edit.append(&[b'x'; 501]);
                    Ok(())
                });
                added.unwrap();
            };
            let edits = if round % 64 == 63 { 18 } else { 2 };
            if edits == 18 {
                // Half of a step is in the value when the key goes.
                add(&mut ks);
                ks.remove(b"big");
            }
            for _ in 0..edits {
                add(&mut ks);
            }
            store.release(&mut local, &guard, NOW);
        }
        done.store(true, Ordering::Release);
    };
    let reader = || {
        let mut local = store.local();
        while !done.load(Ordering::Acquire) {
            let guard = local.pin();
            let entry = store.keyspace(&mut local, &guard, 0, NOW).read(b"big");
            // The look-up lies behind, the lock ahead.
            std::thread::yield_now();
            let length = entry.map_or(0, |entry| entry.string().unwrap().len());
            assert_eq!(length % 1002, 0, "half of a step was seen");
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(writer);
        scope.spawn(reader);
        scope.spawn(reader);
    });
}

/// Adds one, by WATCH, as clients do. Whether it could.
fn add_optimistically(store: &Store, local: &mut Local, key: &[u8], remove: bool) -> bool {
    let mut watch = store.watch();
    let guard = local.pin();
    let before = {
        let mut ks = store.keyspace(local, &guard, 0, NOW);
        ks.watch(&mut watch, key);
        number(ks.read(key))
    };
    drop(guard);
    std::thread::yield_now();
    let guard = local.pin();
    store.hold(local, &guard, NOW, [(0, key)].into_iter());
    let mut ks = store.keyspace(local, &guard, 0, NOW);
    let unchanged = ks.is_unchanged(&watch);
    if unchanged {
        if remove {
            // Back to nothing and forth again, which must break the others' watches.
            ks.remove(key);
        }
        ks.set(key, NewValue::Integer(before + 1), Expiry::Never);
    }
    store.release(local, &guard, NOW);
    unchanged
}

#[test]
fn what_is_watched_is_changed_by_nobody_else() {
    let store = store(5);
    let added = AtomicU64::new(0);
    let barrier = Barrier::new(4);
    let run = |thread: u64| {
        let mut local = store.local();
        let mut rng = Rng::seeded(thread);
        barrier.wait();
        for _ in 0..rounds(3_000) {
            let key = if rng.below(2) == 0 { &b"{s}one"[..] } else { b"two" };
            match rng.below(8) {
                0 => {
                    let guard = local.pin();
                    let mut ks = store.keyspace(&mut local, &guard, 0, NOW);
                    let _: Result<(), ()> = ks.update(key, |found| {
                        let sum = number(found) + 1;
                        Ok((Change::Put(NewValue::Integer(sum), Expiry::Keep), ()))
                    });
                    added.fetch_add(1, Ordering::Relaxed);
                }
                1 => {
                    let guard = local.pin();
                    let filler = format!("{{s}}f{}", rng.below(300)).into_bytes();
                    let mut ks = store.keyspace(&mut local, &guard, 0, NOW);
                    if !ks.remove(&filler) {
                        ks.set(&filler, NewValue::Integer(0), Expiry::Never);
                    }
                }
                2 => store.tidy(&mut local, Share { index: 0, of: 1 }),
                _ => {
                    let remove = rng.below(2) == 0;
                    if add_optimistically(&store, &mut local, key, remove) {
                        added.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        }
    };
    let run = &run;
    std::thread::scope(|scope| (0..4).for_each(|thread| drop(scope.spawn(move || run(thread)))));
    let mut local = store.local();
    let guard = local.pin();
    let mut ks = store.keyspace(&mut local, &guard, 0, NOW);
    let sum = number(ks.read(b"{s}one")) + number(ks.read(b"two"));
    assert_eq!(sum as u64, added.load(Ordering::Relaxed), "an addition was lost");
}

#[test]
fn watches_of_absent_keys_leave_nothing_behind() {
    let store = store(1);
    let mut local = store.local();
    let slot = torc_protocol::slot::slot_of(b"{s}");
    let words = |local: &mut Local| {
        let guard = local.pin();
        let roots = store.inner.databases[0].roots(&guard).unwrap();
        let (mut count, mut from) = (0, Some(0));
        while let Some(position) = from {
            from = index::visit_bucket(&roots.words[slot.index()], position, |_| count += 1);
        }
        count
    };
    let mut watch = store.watch();
    {
        let guard = local.pin();
        let mut ks = store.keyspace(&mut local, &guard, 0, NOW);
        ks.set(b"{s}there", NewValue::Integer(1), Expiry::Never);
        ks.watch(&mut watch, b"{s}there");
        (0..50).for_each(|n| ks.watch(&mut watch, format!("{{s}}{n}").as_bytes()));
        assert_eq!((ks.len(), ks.count_slot(slot), ks.peek(b"{s}7").is_some()), (1, 1, false));
        let (mut seen, mut cursor) = (0, 0);
        loop {
            cursor = ks.scan(cursor, usize::MAX, |_| seen += 1);
            if cursor == 0 {
                break;
            }
        }
        assert_eq!(seen, 1);
    }
    assert_eq!(words(&mut local), 51);
    drop(watch);
    store.tidy(&mut local, Share { index: 0, of: 1 });
    assert_eq!(words(&mut local), 1);
}

#[test]
fn a_step_sees_its_own_writes_and_leaves_no_latch() {
    let store = store(1);
    let mut local = store.local();
    let guard = local.pin();
    store.keyspace(&mut local, &guard, 0, NOW).set(b"a", NewValue::Integer(1), Expiry::At(NOW));
    let keys = [(0, &b"a"[..]), (1, b"b"), (0, b"c")];
    store.hold(&mut local, &guard, NOW, keys.into_iter());
    {
        let mut ks = store.keyspace(&mut local, &guard, 0, NOW);
        assert!(ks.read(b"a").is_none(), "its time has come");
        assert!(!ks.remove(b"a") && !ks.remove(b"c"));
        assert!(!ks.set(b"c", NewValue::Bytes(b"x"), Expiry::At(NOW + 5)));
        assert!(ks.set(b"c", NewValue::Bytes(b"y"), Expiry::Keep));
        assert_eq!(ks.read(b"c").unwrap().deadline(), Some(NOW + 5));
        assert!(ks.remove(b"c") && !ks.remove(b"c"));
        ks.set(b"c", NewValue::Bytes(b"z"), Expiry::Never);
        ks.in_database(1).set(b"b", NewValue::Integer(2), Expiry::Never);
    }
    store.release(&mut local, &guard, NOW);
    let mut ks = store.keyspace(&mut local, &guard, 0, NOW);
    // A latch that stayed would be waited for, for ever.
    assert!(ks.set(b"c", NewValue::Integer(0), Expiry::Never) && ks.remove(b"c"));
    assert!(!ks.set(b"a", NewValue::Integer(0), Expiry::Never));
    assert_eq!((ks.len(), ks.in_database(1).len()), (1, 1));
    assert_eq!(store.stats().expires, [0; crate::base::limits::DATABASE_COUNT]);
}

#[test]
fn flushes_break_the_watches_of_what_was_there() {
    let store = store(1);
    let mut local = store.local();
    let guard = local.pin();
    let mut ks = store.keyspace(&mut local, &guard, 0, NOW);
    ks.set(b"there", NewValue::Integer(1), Expiry::Never);
    let (mut of_there, mut of_absent) = (store.watch(), store.watch());
    ks.watch(&mut of_there, b"there");
    ks.watch(&mut of_absent, b"absent");
    ks.flush();
    assert!(of_there.is_broken() && !of_absent.is_broken());
    assert!(ks.is_unchanged(&of_absent));
    ks.set(b"absent", NewValue::Integer(1), Expiry::Never);
    assert!(of_absent.is_broken() && !ks.is_unchanged(&of_absent));
}

#[test]
fn edits_that_change_nothing_leave_watches_alone() {
    use crate::types::collection::Set;
    let store = store(1);
    let mut local = store.local();
    let guard = local.pin();
    let mut ks = store.keyspace(&mut local, &guard, 0, NOW);
    let add = |ks: &mut Keyspace<'_, '_>, key: &[u8], from: u64, to: u64| {
        let added = ks.edit(key, |set: &mut Edit<'_, Set>| {
            let added = (from..to).filter(|n| set.add(format!("member{n}").as_bytes())).count();
            Ok::<_, WrongType>(added)
        });
        added.unwrap()
    };
    for (key, len) in [(&b"small"[..], 3), (b"large", 3_000)] {
        assert_eq!(add(&mut ks, key, 0, len), len as usize);
        let mut watch = store.watch();
        ks.watch(&mut watch, key);
        assert_eq!(add(&mut ks, key, 0, len), 0);
        assert!(ks.read(key).is_some());
        assert!(!watch.is_broken() && ks.is_unchanged(&watch), "{len} members");
        assert_eq!(add(&mut ks, key, 0, len + 1), 1);
        assert!(watch.is_broken() && !ks.is_unchanged(&watch), "{len} members");
    }
}
