//! A reader and a writer that race: no value that was read stays unknown to be old.

use super::*;
use crate::store::{Expiry, NewValue, StoreOptions};
use std::sync::Barrier;

const NOW: u64 = 1_700_000_000_000;
const KEYS: [&[u8]; 3] = [b"a", b"b", b"c"];

#[test]
fn whoever_read_an_old_value_is_told() {
    let rounds = if cfg!(debug_assertions) { 300 } else { 5_000 };
    let store = Store::new(StoreOptions { seed: 3, threads: 3, ..StoreOptions::default() });
    let (tracking, clients) = (Tracking::new(2), Clients::default());
    let mut local = store.local();
    assert!(!tracking.enter(&store, &mut local), "others may be in a batch");
    store.hold_everything(&mut local);
    assert!(tracking.enter(&store, &mut local));
    let guard = local.pin();
    store.release(&mut local, &guard, NOW);
    drop(guard);
    let together = Barrier::new(2);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut local = store.local();
            local.serve_awoken();
            for round in 1..rounds {
                together.wait();
                for key in KEYS {
                    let guard = local.pin();
                    let mut keyspace = store.keyspace(&mut local, &guard, 0, NOW);
                    keyspace.set(key, NewValue::Integer(round), Expiry::Never);
                    drop(guard);
                    let changes = local.take_changes();
                    tracking.settle(&clients, &mut Runner::nobody(0), changes);
                }
                together.wait();
            }
        });
        for round in 1..rounds {
            together.wait();
            let seen = KEYS.map(|key| {
                let guard = local.pin();
                tracking.reads(key, 1);
                let entry = store.keyspace(&mut local, &guard, 0, NOW).read(key);
                entry.is_some_and(|entry| {
                    let text = entry.string().map(|it| it.bytes(&mut itoa::Buffer::new()).to_vec());
                    text.is_ok_and(|text| text == round.to_string().as_bytes())
                })
            });
            together.wait();
            for (key, is_new) in KEYS.into_iter().zip(seen) {
                let waits = tracking.table.take(key).is_some();
                assert!(
                    is_new || !waits,
                    "round {round}: an old value was read, and nobody is told"
                );
            }
        }
    });
}
