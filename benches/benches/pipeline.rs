//! The request pipeline without sockets: the bytes of a client in, the bytes of its replies out, as a worker runs it.
//!
//! `cargo bench -p torc-benches --bench pipeline`. Requests are drawn from a million keys, so that buckets and entries come from
//! memory and not from the cache; the length of a pipeline is how many requests arrive together. The bytes of each pipeline are copied into one buffer
//! first, as the kernel copies them into a worker's; that is part of the time.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use torc_benches::bench_node::BenchNode;
use torc_benches::requests::{get, set};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const KEYS: usize = 1_000_000;
const VALUE_BYTES: usize = 64;
/// Prepared requests that a bench goes through, so that it does not meet the same keys again before the cache has forgotten them.
const REQUESTS: usize = 1 << 18;

fn pipeline(c: &mut Criterion) {
    let mut node = BenchNode::start();
    for first in (0..KEYS).step_by(1000) {
        let mut load: Vec<u8> =
            (first..first + 1000).flat_map(|index| set(index, VALUE_BYTES)).collect();
        node.run(&mut load);
    }
    let mut rng = fastrand::Rng::with_seed(1);
    for (name, writes) in [("get", 0), ("set:get 1:10", 1), ("set", 11)] {
        let mut group = c.benchmark_group(name);
        for length in [1, 16, 64] {
            let inputs: Vec<Vec<u8>> = (0..REQUESTS / length)
                .map(|_| {
                    let request = |_| {
                        let index = rng.usize(..KEYS);
                        if rng.usize(..11) < writes { set(index, VALUE_BYTES) } else { get(index) }
                    };
                    (0..length).flat_map(request).collect()
                })
                .collect();
            let mut inputs = inputs.iter().cycle();
            let mut buffer = Vec::new();
            group.throughput(Throughput::Elements(length as u64));
            group.bench_function(format!("pipeline {length}"), |b| {
                b.iter(|| {
                    buffer.clear();
                    inputs.next().into_iter().for_each(|input| buffer.extend_from_slice(input));
                    black_box(node.run(&mut buffer).len())
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, pipeline);
criterion_main!(benches);
