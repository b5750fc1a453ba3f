//! The request pipeline without sockets: the bytes of a client in, the bytes of its replies out, as a worker runs it.
//!
//! `cargo bench -p torc-benches --bench pipeline`. Requests are drawn from a million keys, so that buckets and entries come from
//! memory and not from the cache; the length of a pipeline is how many requests arrive together. The bytes of each pipeline are copied into one buffer
//! first, as the kernel copies them into a worker's; that is part of the time.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use torc_server::admin::Instance;
use torc_server::admin::clients::Endpoint;
use torc_server::base::clock::Clock;
use torc_server::command::Session;
use torc_server::config::Settings;
use torc_server::node::{Client, Verdict, WorkerState, run};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const KEYS: usize = 1_000_000;
const VALUE_BYTES: usize = 64;
/// Prepared requests that a bench goes through, so that it does not meet the same keys again before the cache has forgotten them.
const REQUESTS: usize = 1 << 18;

/// A node with one client and no network.
struct Node {
    instance: Instance,
    worker: WorkerState,
    client: Client,
    out: Vec<u8>,
}

impl Node {
    fn start() -> Node {
        let instance = Instance::new(Settings::default(), Clock::system(), 1);
        let worker = WorkerState::new(&instance, 0);
        let info = instance.clients.register(Endpoint::default(), 0, instance.clock.unix_ms());
        let client = Client::new(Session::new(info, true));
        let mut node = Node { instance, worker, client, out: Vec::new() };
        for first in (0..KEYS).step_by(1000) {
            let mut load: Vec<u8> = (first..first + 1000).flat_map(set).collect();
            node.run(&mut load);
        }
        node
    }

    /// Runs whole requests, as often as the pipeline wants to be called.
    fn run(&mut self, input: &mut [u8]) -> usize {
        self.out.clear();
        let mut at = 0;
        loop {
            let worker = &mut self.worker;
            let progress =
                run(&mut self.client, &mut input[at..], &mut self.out, worker, &self.instance);
            at += progress.consumed;
            if !matches!(progress.verdict, Verdict::More) {
                return self.out.len();
            }
        }
    }
}

fn key(index: usize) -> String {
    format!("key:{index:012}")
}

fn get(index: usize) -> Vec<u8> {
    format!("*2\r\n$3\r\nGET\r\n$16\r\n{}\r\n", key(index)).into_bytes()
}

fn set(index: usize) -> Vec<u8> {
    let value = "v".repeat(VALUE_BYTES);
    format!("*3\r\n$3\r\nSET\r\n$16\r\n{}\r\n${VALUE_BYTES}\r\n{value}\r\n", key(index))
        .into_bytes()
}

fn pipeline(c: &mut Criterion) {
    let mut node = Node::start();
    let mut rng = fastrand::Rng::with_seed(1);
    for (name, writes) in [("get", 0), ("set:get 1:10", 1), ("set", 11)] {
        let mut group = c.benchmark_group(name);
        for length in [1, 16, 64] {
            let inputs: Vec<Vec<u8>> = (0..REQUESTS / length)
                .map(|_| {
                    let request = |_| {
                        let index = rng.usize(..KEYS);
                        if rng.usize(..11) < writes { set(index) } else { get(index) }
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
                    black_box(node.run(&mut buffer))
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, pipeline);
criterion_main!(benches);
