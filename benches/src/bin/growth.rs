//! Grows a store from nothing to N keys of 16 B with values of 64 B, and prints resident memory a key on the way, the mean cost of an insert, and the most CPU time that a
//! single insert took. `cargo run --release -p torc-benches --bin growth -- 4000000 [one-slot]`.
//!
//! A thread's CPU time also holds what the machine takes in its name: interrupts, and on a virtual machine the host's work and absence. So the
//! same growth runs three times, with the same hashes: what an insert needs itself it needs each time. A loop without a store, timed the
//! same way, shows what the machine alone does.

use cpu_time::ThreadTime;
use std::hint::black_box;
use std::time::Duration;
use torc_server::store::{Expiry, NewValue, Share, Store, StoreOptions};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Any time: nothing here expires.
const NOW: u64 = 1_700_000_000_000;
/// Times that the growth is repeated.
const ROUNDS: usize = 3;
/// Inserts that fill a page of memory.
const PAGE_STEPS: usize = 40;
const PAGE_BYTES: usize = 4096;
/// What no insert is to take.
const LIMIT: Duration = Duration::from_millis(1);

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

/// The longest of many steps, and how many were beyond the limit.
#[derive(Default)]
struct Longest {
    took: Duration,
    at: usize,
    over_limit: usize,
    sum: Duration,
}

impl Longest {
    fn note(&mut self, at: usize, took: Duration) {
        if took > self.took {
            (self.took, self.at) = (took, at);
        }
        self.over_limit += (took > LIMIT) as usize;
        self.sum += took;
    }
}

impl std::fmt::Display for Longest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2?} (insert {}), {} over {LIMIT:?}", self.took, self.at, self.over_limit)
    }
}

/// Grows a store, lowers `least` to what each insert took, and reports memory if it is to.
fn grow(least: &mut [Duration], one_slot: bool, report: bool) -> Longest {
    let count = least.len();
    let store = Store::new(StoreOptions::default());
    let mut local = store.local();
    let empty = resident_bytes();
    let each = |done: usize| resident_bytes().saturating_sub(empty) as f64 / done as f64;
    let value = [b'v'; 64];
    let mut longest = Longest::default();
    for (i, least) in least.iter_mut().enumerate() {
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
        *least = took.min(*least);
        longest.note(i, took);
        let done = i + 1;
        if report && done % (count / 8).max(1) == 0 {
            let mean = longest.sum.as_nanos() as f64 / done as f64;
            println!("{done:>10} {:>10.1} {mean:>12.0}", each(done));
        }
    }
    if report {
        for _ in 0..200 {
            store.tidy(&mut local, Share { index: 0, of: 1 });
            std::thread::sleep(Duration::from_millis(10));
        }
        let accounted = store.used_bytes() as f64 / count as f64;
        println!("{count:>10} {:>10.1} after two seconds; {accounted:.1} accounted", each(count));
    }
    longest
}

/// As many timed steps that touch as much memory, every fortieth of them a page that is new to the process, and have nothing to grow.
fn control(count: usize) -> Longest {
    let mut memory = vec![1u64; 8 << 20];
    let mask = memory.len() - 1;
    let mut fresh = Vec::with_capacity(count / PAGE_STEPS * PAGE_BYTES);
    let mut longest = Longest::default();
    let mut at = 1;
    for i in 0..count {
        let started = ThreadTime::now();
        for _ in 0..6 {
            at = (at * 0x5851_f42d_4c95_7f2d + 0x1405_7b7e) & mask;
            memory[at] += 1;
        }
        if i % PAGE_STEPS == 0 {
            fresh.resize(fresh.len() + PAGE_BYTES, 1u8);
        }
        longest.note(i, started.elapsed());
    }
    black_box((memory, fresh));
    longest
}

fn main() {
    let count: usize = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(4_000_000);
    let one_slot = std::env::args().nth(2).is_some_and(|arg| arg == "one-slot");
    let mut least = vec![Duration::MAX; count];
    println!("{:>10} {:>10} {:>12}", "keys", "RSS B/key", "ns/insert");
    for round in 0..ROUNDS {
        let longest = grow(&mut least, one_slot, round == 0);
        println!("longest insert, round {}: {longest}", round + 1);
    }
    let mut every = Longest::default();
    least.iter().enumerate().for_each(|(i, &took)| every.note(i, took));
    println!("longest in every round:  {every}");
    println!("longest without a store: {}", control(count));
}
