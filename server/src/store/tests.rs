//! The store through its public face, on one thread: against a model, under growth, expiry, eviction and transactions.

use super::*;
use crate::base::limits::DATABASE_COUNT;
use std::collections::HashMap;

const NOW: UnixMs = 1_700_000_000_000;

fn store() -> (Store, Local) {
    let store = Store::new(StoreOptions { seed: 42, threads: 4, ..StoreOptions::default() });
    let local = store.local();
    (store, local)
}

fn text(entry: Entry<'_>) -> Vec<u8> {
    entry.string().unwrap().bytes(&mut itoa::Buffer::new()).to_vec()
}

/// Runs `work` on database 0 under one pin.
fn with<R>(
    store: &Store,
    local: &mut Local,
    now: UnixMs,
    work: impl FnOnce(&mut Keyspace<'_, '_>) -> R,
) -> R {
    let guard = local.pin();
    work(&mut store.keyspace(local, &guard, 0, now))
}

#[test]
fn random_operations_agree_with_a_model() {
    let (store, mut local) = store();
    let mut model: HashMap<Vec<u8>, (Vec<u8>, Option<UnixMs>)> = HashMap::new();
    let mut rng = Rng::seeded(3);
    let mut now = NOW;
    for _ in 0..60_000 {
        let key = format!("key:{}", rng.below(3000)).into_bytes();
        now += rng.below(3);
        model.retain(|k, (_, deadline)| *k != key || deadline.is_none_or(|at| at > now));
        let value = match rng.below(3) {
            0 => rng.below(1000).to_string().into_bytes(),
            1 => vec![b'v'; rng.below(300) as usize],
            _ => vec![b'x'; rng.below(9000) as usize],
        };
        let at = now + 1 + rng.below(4000);
        with(&store, &mut local, now, |ks| match rng.below(8) {
            0 | 1 => {
                assert_eq!(
                    ks.set(&key, NewValue::Bytes(&value), Expiry::Never),
                    model.contains_key(&key)
                );
                model.insert(key, (value, None));
            }
            2 => {
                ks.set(&key, NewValue::Bytes(&value), Expiry::At(at));
                model.insert(key, (value, Some(at)));
            }
            3 => assert_eq!(ks.remove(&key), model.remove(&key).is_some()),
            4 => {
                let r: Result<(), ()> = ks.update(&key, |old| {
                    Ok((
                        if old.is_some() { Change::Expire(Expiry::At(at)) } else { Change::Keep },
                        (),
                    ))
                });
                r.unwrap();
                if let Some(old) = model.get_mut(&key) {
                    old.1 = Some(at);
                }
            }
            5 => {
                let r: Result<usize, WrongType> = ks.edit_string(&key, |edit| {
                    edit.append(&value);
                    Ok(edit.bytes().len())
                });
                if !value.is_empty() || model.contains_key(&key) {
                    let old = model.entry(key).or_default();
                    old.0.extend_from_slice(&value);
                    assert_eq!(r.unwrap(), old.0.len());
                }
            }
            _ => {
                let found = ks.read(&key).map(|e| (text(e), e.deadline()));
                assert_eq!(found.as_ref(), model.get(&key));
            }
        });
    }
    model.retain(|_, (_, deadline)| deadline.is_none_or(|at| at > now));
    let mut seen = HashMap::new();
    with(&store, &mut local, now, |ks| {
        let mut cursor = 0;
        loop {
            cursor = ks.scan(cursor, 10, |e| {
                seen.insert(e.key().to_vec(), (text(e), e.deadline()));
            });
            if cursor == 0 {
                break;
            }
        }
    });
    assert_eq!(seen, model);
}

#[test]
fn one_slot_grows_into_branches_and_shrinks_again() {
    let (store, mut local) = store();
    let count = 60_000u32;
    for i in 0..count {
        with(&store, &mut local, NOW, |ks| {
            ks.set(format!("{{tag}}{i}").as_bytes(), NewValue::Integer(i as i64), Expiry::Never)
        });
    }
    with(&store, &mut local, NOW, |ks| {
        assert_eq!(ks.len(), count as usize);
        for i in 0..count {
            assert_eq!(
                text(ks.read(format!("{{tag}}{i}").as_bytes()).unwrap()),
                i.to_string().into_bytes()
            );
        }
    });
    for i in 0..count {
        assert!(with(&store, &mut local, NOW, |ks| ks.remove(format!("{{tag}}{i}").as_bytes())));
    }
    for _ in 0..1000 {
        store.tidy(&mut local, Share { index: 0, of: 1 });
    }
    assert_eq!(store.stats().keys[0], 0);
    assert!(store.used_bytes() < 8 * 1024, "{} bytes are still in use", store.used_bytes());
}

#[test]
fn everything_that_was_allocated_is_given_back() {
    let (store, mut local) = store();
    for i in 0..50_000u32 {
        with(&store, &mut local, NOW, |ks| {
            ks.set(
                format!("k{}", i % 5000).as_bytes(),
                NewValue::Bytes(&vec![b'v'; (i % 700) as usize]),
                Expiry::Never,
            );
        });
    }
    with(&store, &mut local, NOW, |ks| assert_eq!(ks.flush(), 5000));
    for _ in 0..20_000 {
        local.settle();
        std::thread::yield_now();
        if store.used_bytes() == 0 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    assert_eq!((store.used_bytes(), store.stats().limbo_bytes), (0, 0));
}

#[test]
fn a_scan_meets_every_key_that_stays_while_others_come_and_go() {
    let (store, mut local) = store();
    let mut rng = Rng::seeded(11);
    for i in 0..2000 {
        with(&store, &mut local, NOW, |ks| {
            ks.set(format!("{{s}}stay{i}").as_bytes(), NewValue::Integer(i), Expiry::Never)
        });
    }
    let mut seen = std::collections::HashSet::new();
    let mut cursor = 0;
    loop {
        cursor = with(&store, &mut local, NOW, |ks| {
            ks.scan(cursor, 5, |e| {
                seen.insert(e.key().to_vec());
            })
        });
        assert!(cursor <= i64::MAX as u64);
        if cursor == 0 {
            break;
        }
        for _ in 0..40 {
            let key = format!("{{s}}come{}", rng.below(30_000));
            with(&store, &mut local, NOW, |ks| {
                ks.set(key.as_bytes(), NewValue::Integer(0), Expiry::Never)
            });
        }
        if rng.below(50) == 0 {
            for i in 0..30_000 {
                with(&store, &mut local, NOW, |ks| ks.remove(format!("{{s}}come{i}").as_bytes()));
            }
            store.tidy(&mut local, Share { index: 0, of: 1 });
        }
    }
    for i in 0..2000 {
        assert!(seen.contains(format!("{{s}}stay{i}").as_bytes()), "key {i} was missed");
    }
}

#[test]
fn the_sweep_removes_what_expired_and_nothing_else() {
    let (store, mut local) = store();
    for i in 0..20_000u64 {
        let expiry = if i % 4 == 0 { Expiry::Never } else { Expiry::At(NOW + 1 + i % 1000) };
        with(&store, &mut local, NOW, |ks| {
            ks.set(format!("k{i}").as_bytes(), NewValue::Integer(1), expiry)
        });
    }
    assert_eq!((store.stats().keys[0], store.stats().expires[0]), (20_000, 15_000));
    let guard = local.pin();
    // One bucket at a time: the walk goes on where it stopped.
    let mut calls = 0;
    while store.sweep(&mut local, &guard, NOW + 500, Share { index: 0, of: 1 }, || false) {
        calls += 1;
        assert!(calls < 1_000_000);
    }
    while store.sweep(&mut local, &guard, NOW + 500, Share { index: 0, of: 1 }, || true) {}
    drop(guard);
    let left =
        (0..20_000u64).filter(|i| i % 4 == 0 || NOW + 1 + i % 1000 > NOW + 500).count() as u64;
    assert_eq!((store.stats().keys[0], store.stats().expired), (left, 20_000 - left));
}

#[test]
fn eviction_keeps_within_the_limit_and_to_its_policy() {
    for (_, policy) in Policy::ALL.into_iter().skip(1) {
        let (store, mut local) = store();
        store.limits().set_maxmemory(4 << 20);
        store.limits().set_policy(policy);
        let volatile = policy.name().starts_with("volatile");
        for i in 0..40_000u64 {
            let guard = local.pin();
            assert!(store.make_room(&mut local, &guard, NOW), "{policy:?} found no victim");
            let expiry = if volatile && i % 2 == 0 || i % 3 == 0 {
                Expiry::At(NOW + 1_000_000 + i)
            } else {
                Expiry::Never
            };
            let expiry =
                if volatile && i >= 8000 { Expiry::At(NOW + 1_000_000 + i) } else { expiry };
            let mut ks = store.keyspace(&mut local, &guard, 0, NOW + i);
            ks.set(format!("key:{i}").as_bytes(), NewValue::Bytes(&[b'v'; 200]), expiry);
            ks.read(b"key:1");
        }
        let stats = store.stats();
        assert!(stats.evicted > 20_000, "{policy:?}");
        // Without limbo: the other tests' threads pin the same epoch and may hold it up.
        let used = stats.used_bytes - stats.limbo_bytes;
        assert!(used < 5 << 20, "{policy:?}: {used} bytes");
        if volatile {
            assert_eq!(
                stats.keys[0] - stats.expires[0],
                (0..8000u64).filter(|i| i % 2 != 0 && i % 3 != 0).count() as u64
            );
        }
    }
}

#[test]
fn a_lowered_limit_is_met_in_steps_without_one_writer_paying_for_all() {
    let (store, mut local) = store();
    for i in 0..20_000 {
        let guard = local.pin();
        let mut ks = store.keyspace(&mut local, &guard, 0, NOW);
        ks.set(format!("key:{i}").as_bytes(), NewValue::Bytes(&[b'v'; 200]), Expiry::Never);
    }
    store.limits().set_maxmemory(4 << 20);
    let guard = local.pin();
    assert!(!store.shed(&mut local, &guard, NOW, || true), "noeviction keeps all");
    store.limits().set_policy(Policy::AllKeysLru);
    assert!(store.make_room(&mut local, &guard, NOW));
    let left = store.stats().keys[0];
    assert_eq!(left, 20_000 - 2_048, "one writer pays for so many");
    assert!(store.shed(&mut local, &guard, NOW, || false), "more is to go");
    drop(guard);
    let guard = local.pin();
    while store.shed(&mut local, &guard, NOW, || true) {}
    let stats = store.stats();
    // Within what a thread counts before it tells.
    assert!(stats.used_bytes - stats.limbo_bytes < (4 << 20) + (128 << 10), "{stats:?}");
    assert!(stats.keys[0] >= 5_000, "{stats:?}");
}

#[test]
fn without_eviction_a_write_beyond_the_limit_is_refused() {
    let (store, mut local) = store();
    store.limits().set_maxmemory(1 << 20);
    let mut stored = 0;
    loop {
        let guard = local.pin();
        if !store.make_room(&mut local, &guard, NOW) {
            break;
        }
        let mut ks = store.keyspace(&mut local, &guard, 0, NOW);
        ks.set(format!("key:{stored}").as_bytes(), NewValue::Bytes(&[b'v'; 200]), Expiry::Never);
        stored += 1;
    }
    assert_eq!(store.stats().keys[0], stored);
}

#[test]
fn transactions_see_their_own_writes_and_undo_nothing_by_halves() {
    let (store, mut local) = store();
    with(&store, &mut local, NOW, |ks| {
        ks.set(b"a", NewValue::Bytes(b"1"), Expiry::At(NOW + 5));
        let mut t = ks.transaction(&[b"a", b"b", b"a"]);
        assert_eq!(t.read(b"b").map(text), None);
        let a = t.read(b"a").unwrap();
        t.put_entry(b"b", a, Expiry::At(a.deadline().unwrap()));
        assert!(t.delete(b"a"));
        assert_eq!(t.read(b"a").map(text), None);
        t.commit();
        assert_eq!(ks.read(b"a").map(text), None);
        assert_eq!(
            ks.read(b"b").map(|e| (text(e), e.deadline())),
            Some((b"1".to_vec(), Some(NOW + 5)))
        );
        assert_eq!(ks.len(), 1);

        let mut t = ks.transaction(&[b"b", b"c"]);
        t.put(b"c", NewValue::Integer(9), Expiry::Never);
        t.delete(b"b");
        drop(t);
        assert_eq!(ks.read(b"c").map(text), None);
        assert_eq!(ks.read(b"b").map(text), Some(b"1".to_vec()));

        let keys: Vec<Vec<u8>> = (0..500).map(|i| format!("m{i}").into_bytes()).collect();
        let refs: Vec<&[u8]> = keys.iter().map(|k| &k[..]).collect();
        let mut t = ks.transaction(&refs);
        for key in &refs {
            t.put(key, NewValue::Bytes(key), Expiry::Never);
        }
        t.commit();
        assert_eq!(ks.len(), 501);
    });
}

#[test]
fn databases_are_separate_and_can_be_swapped() {
    let (store, mut local) = store();
    let guard = local.pin();
    for db in 0..DATABASE_COUNT as u8 {
        store.keyspace(&mut local, &guard, db, NOW).set(
            b"k",
            NewValue::Integer(db as i64),
            Expiry::Never,
        );
    }
    let mut ks = store.keyspace(&mut local, &guard, 3, NOW);
    ks.swap(3, 7);
    assert_eq!(ks.read(b"k").map(text), Some(b"7".to_vec()));
    assert_eq!(ks.in_database(7).read(b"k").map(text), Some(b"3".to_vec()));
    assert_eq!(ks.flush(), 1);
    assert_eq!((ks.len(), ks.in_database(7).len()), (0, 1));
}

#[test]
fn random_picks_reach_every_key() {
    let (store, mut local) = store();
    with(&store, &mut local, NOW, |ks| {
        assert!(ks.random().is_none());
        for i in 0..50 {
            ks.set(format!("k{i}").as_bytes(), NewValue::Integer(i), Expiry::Never);
        }
        let seen: std::collections::HashSet<Vec<u8>> =
            (0..5000).map(|_| ks.random().unwrap().key().to_vec()).collect();
        assert!(seen.len() >= 45, "only {} of 50 keys were ever picked", seen.len());
    });
}

#[test]
fn an_edit_that_keeps_the_value_builds_no_entry() {
    let (store, mut local) = store();
    with(&store, &mut local, NOW, |ks| {
        ks.set(b"key", NewValue::Bytes(b"value"), Expiry::Never);
        // The key lies in the entry, so where it lies tells entries apart, and under one pin no address is used twice.
        let before = place_of_key(ks);
        let kept: Result<(), WrongType> = ks.edit_string(b"key", |edit| {
            edit.keep();
            Ok(())
        });
        assert_eq!(kept, Ok(()));
        assert_eq!(place_of_key(ks), before);
        let changed: Result<(), WrongType> = ks.edit_string(b"key", |edit| {
            edit.append(b"!");
            Ok(())
        });
        assert_eq!(changed, Ok(()));
        assert_ne!(place_of_key(ks), before);
        let absent: Result<(), WrongType> = ks.edit_string(b"absent", |edit| {
            edit.keep();
            Ok(())
        });
        assert_eq!((absent, ks.len()), (Ok(()), 1));
    });
}

fn place_of_key(ks: &mut Keyspace<'_, '_>) -> *const u8 {
    ks.peek(b"key").unwrap().key().as_ptr()
}

#[test]
fn a_fast_load_leaves_no_pages_behind() {
    let (store, mut local) = store();
    // At 61 keys a slot most tables have just doubled; small entries let the tables weigh.
    const COUNT: usize = 1_000_000;
    for i in 0..COUNT {
        with(&store, &mut local, NOW, |keyspace| {
            keyspace.set(i.to_string().as_bytes(), NewValue::Integer(1), Expiry::Never)
        });
    }
    let (pages, used) = (store.inner.slab.page_count() as f64 * 65536.0, store.used_bytes() as f64);
    assert!(pages < used * 1.04, "{pages} bytes of pages for {used} bytes");
}

#[test]
fn a_pin_elsewhere_delays_no_free() {
    let (_elsewhere, mut other) = store();
    let (store, mut local) = store();
    let _held = other.pin();
    for _ in 0..20_000 {
        with(&store, &mut local, NOW, |keyspace| {
            keyspace.set(b"key", NewValue::Bytes(&[b'v'; 64]), Expiry::Never)
        });
    }
    assert!(store.stats().limbo_bytes < 256 * 1024, "{:?}", store.stats());
}

#[test]
#[should_panic(expected = "a guard of another store")]
fn a_guard_of_another_store_is_refused() {
    let (_elsewhere, mut other) = store();
    let (store, mut local) = store();
    let guard = other.pin();
    store.keyspace(&mut local, &guard, 0, NOW);
}

#[test]
fn a_backlog_of_frees_goes_bit_by_bit() {
    let (store, mut local) = store();
    let mut second = store.local();
    let held = second.pin();
    for _ in 0..100_000 {
        with(&store, &mut local, NOW, |keyspace| {
            keyspace.set(b"key", NewValue::Bytes(&[b'v'; 64]), Expiry::Never)
        });
    }
    let limbo = || store.stats().limbo_bytes;
    assert!(limbo() > 7_000_000, "{} bytes wait while a pin may see them", limbo());
    drop(held);
    let mut most = 0;
    for _ in 0..1_000 {
        let before = limbo();
        local.settle();
        most = most.max(before.saturating_sub(limbo()));
    }
    assert!(limbo() < 256 * 1024, "{} bytes are left", limbo());
    assert!(most < 400_000, "{most} bytes were freed at once");
}

#[test]
fn batches_that_remove_thousands_leave_no_backlog() {
    let (store, mut local) = store();
    for _ in 0..200 {
        with(&store, &mut local, NOW, |keyspace| {
            for i in 0..5_000u32 {
                keyspace.set(&i.to_le_bytes(), NewValue::Integer(1), Expiry::Never);
            }
        });
    }
    // A million entries of 24 bytes were replaced.
    assert!(store.stats().limbo_bytes < 2_000_000, "{:?}", store.stats());
}

#[test]
fn a_tick_goes_on_inside_a_large_slot() {
    let (store, mut local) = store();
    let key = |i: usize| format!("{{t}}{i}").into_bytes();
    for i in 0..20_000 {
        with(&store, &mut local, NOW, |keyspace| {
            keyspace.set(&key(i), NewValue::Integer(1), Expiry::Never)
        });
    }
    let full = store.used_bytes();
    for i in 0..20_000 {
        with(&store, &mut local, NOW, |keyspace| keyspace.remove(&key(i)));
    }
    for _ in 0..400 {
        store.tidy(&mut local, Share { index: 0, of: 1 });
    }
    // What is left is the branch itself.
    assert!(store.used_bytes() < full / 100, "{} of {full} bytes are left", store.used_bytes());
}
