//! Several threads on few keys, their histories read by a linearizability checker.
//!
//! Counting keys is not enough: two of the index's early bugs kept every count right. Each thread writes down when each operation began
//! and ended and what it returned; for every key some order of the operations must explain all of it (Wing and Gong 1993, with
//! the memo of Lowe 2017). All keys share a slot with others that come and go, so tables are replaced all the time, and two threads'
//! transactions latch them.

use super::*;
use std::collections::HashSet;
use std::sync::Barrier;
use std::sync::atomic::AtomicU64;

const NOW: UnixMs = 1_700_000_000_000;
const THREADS: usize = 4;
const KEYS: u64 = 3;
const OPERATIONS: usize = 14;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Get(Option<i64>),
    Set(i64),
    /// SET that reports whether it replaced something.
    Exchange(i64, bool),
    Remove(bool),
    /// Adds one (absent counts as 0) and returns the sum.
    Increment(i64),
    /// A transaction that reads and stores.
    Swap(Option<i64>, i64),
}

#[derive(Debug, Clone, Copy)]
struct Event {
    key: u64,
    began: u64,
    ended: u64,
    operation: Operation,
}

/// The state after `operation`, if it can return what it did in `state`.
fn step(state: Option<i64>, operation: Operation) -> Option<Option<i64>> {
    match operation {
        Operation::Get(seen) => (seen == state).then_some(state),
        Operation::Set(value) => Some(Some(value)),
        Operation::Exchange(value, replaced) => {
            (replaced == state.is_some()).then_some(Some(value))
        }
        Operation::Remove(was) => (was == state.is_some()).then_some(None),
        Operation::Increment(sum) => (sum == state.unwrap_or(0) + 1).then_some(Some(sum)),
        Operation::Swap(seen, value) => (seen == state).then_some(Some(value)),
    }
}

/// Whether some order of `events`, each between its beginning and its end, explains every result.
fn is_linearizable(events: &[Event]) -> bool {
    assert!(events.len() <= 64, "the set of done events is a u64");
    let all = if events.len() == 64 { u64::MAX } else { (1 << events.len()) - 1 };
    let mut seen = HashSet::new();
    let mut stack = vec![(0u64, None)];
    while let Some((done, state)) = stack.pop() {
        if done == all {
            return true;
        }
        if !seen.insert((done, state)) {
            continue;
        }
        let waiting = || (0..events.len()).filter(|i| done & 1 << i == 0);
        // Whatever ended first must come before everything that began after it ended.
        let first_end = waiting().map(|i| events[i].ended).min().unwrap_or(u64::MAX);
        for i in waiting().filter(|&i| events[i].began <= first_end) {
            if let Some(next) = step(state, events[i].operation) {
                stack.push((done | 1 << i, next));
            }
        }
    }
    false
}

fn number(entry: Option<Entry<'_>>) -> Option<i64> {
    entry.map(|entry| match entry.string().unwrap() {
        StringView::Integer(value) => value,
        _ => panic!("only integers were stored"),
    })
}

fn perform(ks: &mut Keyspace<'_, '_>, key: &[u8], value: i64, pick: u64) -> Operation {
    match pick {
        0..=4 => Operation::Get(number(ks.read(key))),
        5 => {
            ks.set(key, NewValue::Integer(value), Expiry::At(NOW + 1_000_000));
            Operation::Set(value)
        }
        6 => Operation::Exchange(value, ks.set(key, NewValue::Integer(value), Expiry::Never)),
        7 | 8 => Operation::Remove(ks.remove(key)),
        9 => {
            let mut transaction = ks.transaction(&[key]);
            let before = number(transaction.read(key));
            transaction.put(key, NewValue::Integer(value), Expiry::Keep);
            transaction.commit();
            Operation::Swap(before, value)
        }
        10 => {
            let (store, guard) = (ks.store, ks.guard);
            store.hold(ks.local, guard, NOW, [(0, key)].into_iter());
            let before = number(ks.read(key));
            // What is stored in between is nobody else's to see.
            ks.set(key, NewValue::Integer(-1), Expiry::Never);
            ks.remove(key);
            ks.set(key, NewValue::Integer(value), Expiry::Never);
            store.release(ks.local, guard, NOW);
            Operation::Swap(before, value)
        }
        _ => {
            let sum: Result<i64, ()> = ks.update(key, |old| {
                let sum = number(old).unwrap_or(0) + 1;
                Ok((Change::Put(NewValue::Integer(sum), Expiry::Keep), sum))
            });
            Operation::Increment(sum.unwrap())
        }
    }
}

fn run_thread(
    store: &Store,
    local: &mut Local,
    seed: u64,
    round: u64,
    clock: &AtomicU64,
) -> Vec<Event> {
    let mut rng = Rng::seeded(seed);
    let mut events = Vec::with_capacity(OPERATIONS);
    for n in 0..OPERATIONS {
        let key = rng.below(KEYS);
        let name = format!("{{slot}}{round}:{key}").into_bytes();
        let value = (seed % 1000 * 1000 + n as u64) as i64 * 1000;
        let guard = local.pin();
        let mut ks = store.keyspace(local, &guard, 0, NOW);
        // SeqCst: the order of these two numbers is the real-time order that the checker relies on.
        let began = clock.fetch_add(1, Ordering::SeqCst);
        let operation = perform(&mut ks, &name, value, rng.below(15));
        let ended = clock.fetch_add(1, Ordering::SeqCst);
        events.push(Event { key, began, ended, operation });
        // Others of the same slot come and go: growth, shrinking, reuse of words.
        for _ in 0..rng.below(6) {
            let filler = format!("{{slot}}filler{}", rng.below(400)).into_bytes();
            if rng.below(2) == 0 {
                ks.set(&filler, NewValue::Integer(0), Expiry::Never);
            } else {
                ks.remove(&filler);
            }
        }
        drop(guard);
        if rng.below(8) == 0 {
            store.tidy(local, Share { index: 0, of: 1 });
        }
    }
    events
}

#[test]
fn histories_of_racing_threads_are_linearizable() {
    let rounds: u64 =
        std::env::var("TORC_STRESS_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(1500);
    let seed: u64 =
        std::env::var("TORC_STRESS_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let store = Store::new(StoreOptions { threads: THREADS, seed, ..StoreOptions::default() });
    let clock = AtomicU64::new(0);
    let barrier = Barrier::new(THREADS);
    let mut histories: Vec<Vec<Event>> = vec![Vec::new(); rounds as usize];
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS as u64)
            .map(|thread| {
                let (store, clock, barrier) = (&store, &clock, &barrier);
                scope.spawn(move || {
                    let mut local = store.local();
                    (0..rounds)
                        .map(|round| {
                            barrier.wait();
                            run_thread(
                                store,
                                &mut local,
                                seed * 1_000_003 + round * 101 + thread,
                                round,
                                clock,
                            )
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        for worker in workers {
            for (round, events) in worker.join().unwrap().into_iter().enumerate() {
                histories[round].extend(events);
            }
        }
    });
    for (round, history) in histories.iter().enumerate() {
        for key in 0..KEYS {
            let mut events: Vec<Event> =
                history.iter().copied().filter(|event| event.key == key).collect();
            events.sort_unstable_by_key(|event| event.began);
            assert!(is_linearizable(&events), "seed {seed}, round {round}, key {key}: {events:#?}");
        }
    }
}

#[test]
fn the_checker_refuses_what_cannot_be() {
    let event = |began, ended, operation| Event { key: 0, began, ended, operation };
    // A read that misses a write which ended before it began.
    assert!(!is_linearizable(&[event(0, 1, Operation::Set(5)), event(2, 3, Operation::Get(None))]));
    // Two increments that both returned 1.
    assert!(!is_linearizable(&[
        event(0, 3, Operation::Increment(1)),
        event(1, 2, Operation::Increment(1))
    ]));
    // Overlapping, so either order will do.
    assert!(is_linearizable(&[event(0, 3, Operation::Set(5)), event(1, 2, Operation::Get(None))]));
}

#[test]
fn edits_of_large_values_are_not_lost() {
    let store = Store::new(StoreOptions { threads: THREADS + 1, ..StoreOptions::default() });
    let appended = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..THREADS as u64 {
            let (store, appended) = (&store, &appended);
            scope.spawn(move || {
                let mut local = store.local();
                let mut rng = Rng::seeded(thread);
                for _ in 0..3000 {
                    let guard = local.pin();
                    let mut ks = store.keyspace(&mut local, &guard, 0, NOW);
                    if rng.below(40) == 0 {
                        // What is taken out is counted off: every byte is either in the value or was returned.
                        let taken: Result<u64, ()> = ks.update(b"{t}big", |old| {
                            Ok((
                                Change::Delete,
                                old.map_or(0, |entry| entry.string().unwrap().len() as u64),
                            ))
                        });
                        appended.fetch_sub(taken.unwrap(), Ordering::SeqCst);
                    } else {
                        let result: Result<(), WrongType> = ks.edit_string(b"{t}big", |edit| {
                            edit.append(&[b'x'; 500]);
                            Ok(())
                        });
                        result.unwrap();
                        appended.fetch_add(500, Ordering::SeqCst);
                    }
                }
            });
        }
    });
    let mut local = store.local();
    let guard = local.pin();
    let left = store
        .keyspace(&mut local, &guard, 0, NOW)
        .read(b"{t}big")
        .map_or(0, |e| e.string().unwrap().len());
    assert_eq!(left as u64, appended.load(Ordering::SeqCst));
}
