//! The store beside dashmap and papaya: GET with 5 % SET on 1 M keys of 16 B with values of 64 B, uniform and Zipf (s = 0.99), one thread and two.
//!
//! The store runs as the node runs it: a pin and a prefetch for each batch of 16. The maps hold `Box<[u8]>` keys and values,
//! which is what a server built on them would hold, and hash with the same ahash. Measured is CPU time a thread.
//! `cargo bench -p torc-benches --bench store`; `TORC_BENCH_KEYS` sets the number of keys.

use cpu_time::ThreadTime;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Barrier;
use std::time::Duration;
use torc_server::store::{Expiry, KeyHint, NewValue, Store, StoreOptions};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const NOW: u64 = 1_700_000_000_000;
const BATCH: usize = 16;
const VALUE: [u8; 64] = [b'v'; 64];

type Map = Box<[u8]>;

fn key(i: u64) -> [u8; 16] {
    let mut key = *b"key:000000000000";
    let mut rest = i;
    for digit in key[4..].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    key
}

/// A table under test: runs a batch of keys, of which those marked are written.
trait Table: Sync {
    /// What a thread brings along.
    type Local;
    fn local(&self) -> Self::Local;
    fn batch(&self, local: &mut Self::Local, keys: &[([u8; 16], bool)]) -> usize;
}

impl Table for Store {
    type Local = torc_server::store::Local;

    fn local(&self) -> Self::Local {
        Store::local(self)
    }

    fn batch(&self, local: &mut Self::Local, keys: &[([u8; 16], bool)]) -> usize {
        let guard = local.pin();
        let mut places = [None; BATCH];
        for (place, (key, _)) in places.iter_mut().zip(keys) {
            *place = Some(self.place(key));
        }
        if let Some(ahead) = self.ahead(&guard, 0) {
            ahead.ask(|| places.iter().flatten().copied());
        }
        let mut bytes = 0;
        for (&place, (key, write)) in places.iter().flatten().zip(keys) {
            let hint = KeyHint::new(key, place);
            let mut keyspace = self.keyspace(local, &guard, 0, NOW).with_hint(hint);
            if *write {
                keyspace.set(key, NewValue::Bytes(&VALUE), Expiry::Never);
            } else if let Some(entry) = keyspace.read(key) {
                bytes += entry.string().map_or(0, |text| text.len());
            }
        }
        bytes
    }
}

impl Table for dashmap::DashMap<Map, Map, ahash::RandomState> {
    type Local = ();

    fn local(&self) {}

    fn batch(&self, (): &mut (), keys: &[([u8; 16], bool)]) -> usize {
        let mut bytes = 0;
        for (key, write) in keys {
            if *write {
                self.insert(key.as_slice().into(), VALUE.as_slice().into());
            } else if let Some(value) = self.get(key.as_slice()) {
                bytes += value.len();
            }
        }
        bytes
    }
}

impl Table for papaya::HashMap<Map, Map, ahash::RandomState> {
    type Local = ();

    fn local(&self) {}

    fn batch(&self, (): &mut (), keys: &[([u8; 16], bool)]) -> usize {
        let map = self.pin();
        let mut bytes = 0;
        for (key, write) in keys {
            if *write {
                map.insert(key.as_slice().into(), VALUE.as_slice().into());
            } else if let Some(value) = map.get(key.as_slice()) {
                bytes += value.len();
            }
        }
        bytes
    }
}

/// The order in which keys are asked for.
fn requests(keys: u64, zipf: bool, seed: u64) -> Vec<([u8; 16], bool)> {
    let mut rng = fastrand::Rng::with_seed(seed);
    // Zipf with s near 1 by inversion of its continuous form: rank = keys^u.
    let pick = |rng: &mut fastrand::Rng| {
        if zipf {
            let rank = (keys as f64).powf(rng.f64()) as u64;
            // Ranks are spread over the key space, or hot keys would share cache lines.
            rank.wrapping_mul(0x9e37_79b9_7f4a_7c15) % keys
        } else {
            rng.u64(..keys)
        }
    };
    (0..1 << 20).map(|_| (key(pick(&mut rng)), rng.u8(..100) < 5)).collect()
}

/// CPU time of the busiest thread for `operations` operations on each of `threads` threads, which is what a criterion iteration stands for. Not wall
/// time: other programs on the machine would be measured with it. A thread that sleeps for a lock costs nothing here, so this favours locks.
fn run<T: Table>(
    table: &T,
    threads: usize,
    requests: &[Vec<([u8; 16], bool)>],
    operations: u64,
) -> Duration {
    let barrier = Barrier::new(threads);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let (barrier, requests) = (&barrier, &requests[thread]);
                scope.spawn(move || {
                    let mut local = table.local();
                    barrier.wait();
                    let started = ThreadTime::now();
                    let mut done = 0;
                    // Each run goes on elsewhere, or short ones would meet the same few keys again and again.
                    let batches = requests.len() / BATCH;
                    let start = (operations as usize).wrapping_mul(0x9e37_79b1) % batches;
                    for batch in requests.chunks(BATCH).cycle().skip(start) {
                        black_box(table.batch(&mut local, batch));
                        done += batch.len() as u64;
                        if done >= operations {
                            break;
                        }
                    }
                    started.elapsed()
                })
            })
            .collect();
        workers.into_iter().filter_map(|worker| worker.join().ok()).max().unwrap_or_default()
    })
}

fn compare<T: Table>(criterion: &mut Criterion, name: &str, keys: u64, table: &T) {
    let mut local = table.local();
    let all: Vec<_> = (0..keys).map(|i| (key(i), true)).collect();
    for batch in all.chunks(BATCH) {
        table.batch(&mut local, batch);
    }
    drop(local);
    for (shape, zipf) in [("uniform", false), ("zipf", true)] {
        let requests = [requests(keys, zipf, 1), requests(keys, zipf, 2)];
        for threads in [1, 2] {
            let mut group = criterion.benchmark_group(format!("{shape}/{threads} threads"));
            group.throughput(Throughput::Elements(threads as u64)).sample_size(10);
            group.measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(500));
            group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
                bencher.iter_custom(|operations| run(table, threads, &requests, operations));
            });
            group.finish();
        }
    }
}

fn store(criterion: &mut Criterion) {
    let keys =
        std::env::var("TORC_BENCH_KEYS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    // Each measurement takes a Local a thread.
    compare(
        criterion,
        "torc",
        keys,
        &Store::new(StoreOptions { threads: 4096, ..StoreOptions::default() }),
    );
    let hasher = ahash::RandomState::with_seeds(1, 2, 3, 4);
    compare(
        criterion,
        "dashmap",
        keys,
        &dashmap::DashMap::<Map, Map, _>::with_hasher(hasher.clone()),
    );
    compare(criterion, "papaya", keys, &papaya::HashMap::<Map, Map, _>::with_hasher(hasher));
}

criterion_group!(benches, store);
criterion_main!(benches);
