//! Grows a store from nothing to N keys of 16 B with values of 64 B, and prints resident memory a key on the way, the mean cost of an insert, and the most CPU time that a
//! single insert took. `cargo run --release -p torc-benches --bin growth -- 4000000 [one-slot]`.

use cpu_time::ThreadTime;
use std::time::Duration;
use torc_server::store::{Expiry, NewValue, Share, Store, StoreOptions};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Any time: nothing here expires.
const NOW: u64 = 1_700_000_000_000;

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

fn main() {
    let count: u64 = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(4_000_000);
    let one_slot = std::env::args().nth(2).is_some_and(|arg| arg == "one-slot");
    let store = Store::new(StoreOptions::default());
    let mut local = store.local();
    let empty = resident_bytes();
    let value = [b'v'; 64];
    let mut longest = Duration::ZERO;
    let mut over_ms = 0;
    let mut spent = Duration::ZERO;
    println!(
        "{:>10} {:>10} {:>12} {:>14} {:>8}",
        "keys", "RSS B/key", "ns/insert", "longest insert", "> 1 ms"
    );
    for i in 0..count {
        let key = if one_slot { format!("{{t}}{i:013}") } else { format!("key:{i:012}") };
        let started = ThreadTime::now();
        let guard = local.pin();
        store.keyspace(&mut local, &guard, 0, NOW).set(
            key.as_bytes(),
            NewValue::Bytes(&value),
            Expiry::Never,
        );
        drop(guard);
        let took = started.elapsed();
        spent += took;
        longest = longest.max(took);
        over_ms += (took > Duration::from_millis(1)) as u64;
        let done = i + 1;
        if done % (count / 8).max(1) == 0 {
            let bytes = resident_bytes().saturating_sub(empty) as f64 / done as f64;
            println!(
                "{done:>10} {bytes:>10.1} {:>12.0} {longest:>14.2?} {over_ms:>8}",
                spent.as_nanos() as f64 / done as f64
            );
        }
    }
    for _ in 0..200 {
        store.tidy(&mut local, Share { index: 0, of: 1 });
        std::thread::sleep(Duration::from_millis(10));
    }
    let bytes = resident_bytes().saturating_sub(empty) as f64 / count as f64;
    println!("{count:>10} {bytes:>10.1} after tidying");
    println!("accounted {:.1} B/key", store.used_bytes() as f64 / count as f64);
}
