//! Big collections at 1 M elements: bytes an element, and CPU time an operation in random order, beside std's hash map.
//!
//! `cargo bench -p torc-benches --bench collections [-- hash|set|zset|list|std]`; `TORC_BENCH_KEYS` sets the number of elements.

use cpu_time::ThreadTime;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::hint::black_box;
use torc_server::base::version::Version;
use torc_server::types::collection::{Hash, Limits, List, Set, Stamp, Zset};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn seeded() -> ahash::RandomState {
    ahash::RandomState::with_seeds(1, 2, 3, 4)
}

fn hash(text: &[u8]) -> u64 {
    let mut hasher = seeded().build_hasher();
    hasher.write(text);
    hasher.finish()
}

const BIG: Limits =
    Limits { entries_max: 0, element_bytes_max: 0, bytes_max: 0, integers_max: 0, hash };

/// The elements in random order, and how long their texts are.
struct Load {
    order: Vec<u64>,
    length: usize,
}

impl Load {
    fn text(&self, number: u64) -> Vec<u8> {
        format!("k{number:0width$}", width = self.length - 1).into_bytes()
    }

    /// Runs `operation` for each element and prints what one costs.
    fn time(&self, name: &str, mut operation: impl FnMut(u64, &[u8])) {
        let start = ThreadTime::now();
        for &number in &self.order {
            operation(number, &self.text(number));
        }
        let each = start.elapsed().as_nanos() as usize / self.order.len();
        println!("{name:>24} {each:>6} ns");
    }

    fn bytes(&self, name: &str, bytes: usize) {
        println!("{name:>24} {:>8.1} B an element", bytes as f64 / self.order.len() as f64);
    }
}

fn hashes(load: &Load) {
    let mut it = Hash::new();
    load.time("hash: insert", |_, text| {
        black_box(it.insert(text, text, Stamp::NONE, &BIG));
    });
    load.bytes("", it.view().memory_bytes());
    load.time("get", |_, text| assert!(it.view().get(text).is_some()));
    load.time("set", |_, text| {
        black_box(it.insert(text, text, Stamp::NONE, &BIG));
    });
    let snapshot = it.clone();
    load.time("set under a snapshot", |number, text| {
        it.insert(text, text, Stamp::of(Version::from_bits(number + 1)), &BIG);
    });
    drop(snapshot);
    load.bytes("with dots", it.view().memory_bytes());
    load.time("remove", |_, text| assert!(it.remove(text).is_some()));
}

fn sets(load: &Load) {
    let mut it = Set::new();
    load.time("set: insert", |_, text| {
        black_box(it.insert(text, Stamp::NONE, &BIG));
    });
    load.bytes("", it.view().memory_bytes());
    load.time("contains", |_, text| assert!(it.view().contains(text)));
}

fn zsets(load: &Load) {
    let mut it = Zset::new();
    let score = |number: u64| number as f64 * 0.37;
    load.time("zset: insert", |number, text| {
        it.insert(text, score(number), Stamp::NONE, &BIG);
    });
    load.bytes("", it.view().memory_bytes());
    load.time("score", |_, text| assert!(it.view().score(text).is_some()));
    load.time("rank", |_, text| assert!(it.view().rank(text).is_some()));
    load.time("ten by score", |number, _| {
        let from = it.view().below_score(score(number), false);
        assert!(it.view().range(from, from + 10, false).count() > 0);
    });
    load.time("new score", |number, text| {
        it.insert(text, -score(number), Stamp::NONE, &BIG);
    });
}

fn lists(load: &Load) {
    let mut it = List::new();
    load.time("list: push", |_, text| it.push_back(text, Stamp::NONE, &BIG));
    load.bytes("", it.view().memory_bytes());
    load.time("index", |number, _| assert!(it.view().get(number).is_some()));
    load.time("pop", |_, _| drop(it.remove(0, 1)));
}

fn maps(load: &Load) {
    let mut it = HashMap::with_hasher(seeded());
    load.time("std: insert", |_, text| drop(it.insert(text.to_vec(), text.to_vec())));
    load.time("get", |_, text| assert!(it.contains_key(text)));
}

fn main() {
    let count = std::env::var("TORC_BENCH_KEYS").ok().and_then(|count| count.parse().ok());
    let count: u64 = count.unwrap_or(1_000_000);
    let mut order: Vec<u64> = (0..count).collect();
    fastrand::Rng::with_seed(1).shuffle(&mut order);
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let mut load = Load { order, length: 0 };
    type Part = (&'static str, fn(&Load));
    let parts: [Part; 5] =
        [("hash", hashes), ("set", sets), ("zset", zsets), ("list", lists), ("std", maps)];
    for length in [8, 16, 64] {
        println!("texts of {length} bytes");
        load.length = length;
        for (name, part) in parts {
            if wanted.as_deref().is_none_or(|wanted| wanted == name) {
                part(&load);
            }
        }
    }
}
