//! The hot path, a workload at a time, for callgrind to count: `benches/instructions` runs it. It prints a line for each: its name, and how many operations were counted.
//!
//! All that a workload does is counted between the entry and the end of [`measured`], after it ran once without being counted. No network, one thread, everything in memory.

use std::hint::black_box;
use torc_benches::bench_node::{BenchCopy, BenchNode};
use torc_benches::requests::{get, key, request, set};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const KEYS: usize = 20_000;
const VALUE_BYTES: usize = 100;
/// Counted operations of each workload.
const OPERATIONS: usize = 8_192;

/// What is counted.
struct Workload {
    name: &'static str,
    /// Requests that come together.
    pipeline: usize,
    /// The request of each number.
    request: fn(usize) -> Vec<u8>,
}

/// Keys in an order that has nothing to do with where they are.
fn any(number: usize) -> usize {
    number.wrapping_mul(7_919) % KEYS
}

fn get_any(number: usize) -> Vec<u8> {
    get(any(number))
}

fn set_any(number: usize) -> Vec<u8> {
    set(any(number), VALUE_BYTES)
}

fn member(number: usize) -> String {
    format!("member:{}", any(number))
}

const WORKLOADS: &[Workload] = &[
    Workload { name: "ping, pipeline 1", pipeline: 1, request: |_| request(&["PING"]) },
    Workload { name: "get, pipeline 1", pipeline: 1, request: get_any },
    Workload { name: "get, pipeline 16", pipeline: 16, request: get_any },
    Workload { name: "get, pipeline 64", pipeline: 64, request: get_any },
    Workload {
        name: "get of nothing, pipeline 16",
        pipeline: 16,
        request: |number| get(KEYS + number),
    },
    Workload { name: "set, pipeline 1", pipeline: 1, request: set_any },
    Workload { name: "set, pipeline 16", pipeline: 16, request: set_any },
    Workload { name: "set, pipeline 64", pipeline: 64, request: set_any },
    Workload {
        name: "set with a deadline, pipeline 16",
        pipeline: 16,
        request: |number| {
            request(&["SET", &key(any(number)), &"v".repeat(VALUE_BYTES), "EX", "1000"])
        },
    },
    Workload {
        name: "expire, pipeline 16",
        pipeline: 16,
        request: |number| request(&["EXPIRE", &key(any(number)), "2000"]),
    },
    Workload {
        name: "incr, pipeline 16",
        pipeline: 16,
        request: |number| request(&["INCR", &format!("count:{}", any(number))]),
    },
    Workload {
        name: "mget of 10, pipeline 16",
        pipeline: 16,
        request: |number| {
            let keys: Vec<String> = (0..10).map(|more| key(any(10 * number + more))).collect();
            let words: Vec<&str> =
                std::iter::once("MGET").chain(keys.iter().map(String::as_str)).collect();
            request(&words)
        },
    },
    Workload {
        name: "hset, small, pipeline 16",
        pipeline: 16,
        request: |number| {
            let hash = format!("hash:{}", any(number) % 2_000);
            request(&["HSET", &hash, &format!("field:{}", number % 10), "some value"])
        },
    },
    Workload {
        name: "hget, small, pipeline 16",
        pipeline: 16,
        request: |number| {
            let hash = format!("hash:{}", any(number) % 2_000);
            request(&["HGET", &hash, &format!("field:{}", number % 10)])
        },
    },
    Workload {
        name: "hset, large, pipeline 16",
        pipeline: 16,
        request: |number| request(&["HSET", "hash", &member(number), "some value"]),
    },
    Workload {
        name: "hget, large, pipeline 16",
        pipeline: 16,
        request: |number| request(&["HGET", "hash", &member(number)]),
    },
    Workload {
        name: "sadd, large, pipeline 16",
        pipeline: 16,
        request: |number| request(&["SADD", "set", &member(number)]),
    },
    Workload {
        name: "zadd, large, pipeline 16",
        pipeline: 16,
        request: |number| {
            request(&["ZADD", "zset", &(any(3 * number) * 37 % 1_000).to_string(), &member(number)])
        },
    },
    Workload {
        name: "zscore, large, pipeline 16",
        pipeline: 16,
        request: |number| request(&["ZSCORE", "zset", &member(number)]),
    },
    Workload {
        name: "zrange of 10, large, pipeline 16",
        pipeline: 16,
        request: |number| {
            let first = any(number) % 4_000;
            request(&["ZRANGE", "zset", &first.to_string(), &(first + 9).to_string()])
        },
    },
    Workload {
        name: "lpush and rpop, pipeline 16",
        pipeline: 16,
        request: |number| match number % 2 {
            0 => request(&["LPUSH", "list", "an element"]),
            _ => request(&["RPOP", "list"]),
        },
    },
];

/// By a node of a ring, which serves all keys.
const IN_RING: &[Workload] = &[
    Workload { name: "get in a ring, pipeline 1", pipeline: 1, request: get_any },
    Workload { name: "get in a ring, pipeline 16", pipeline: 16, request: get_any },
    Workload { name: "set in a ring, pipeline 16", pipeline: 16, request: set_any },
];

/// By a node that keeps a copy of what another one writes.
const OF_A_COPY: &[Workload] =
    &[Workload { name: "a set, at a copy, of 64", pipeline: 64, request: set_any }];

/// The one function in which callgrind counts.
#[inline(never)]
fn measured(inputs: &mut [Vec<u8>], run: &mut dyn FnMut(&mut [u8])) {
    for input in inputs {
        run(input);
    }
}

fn main() {
    run_all(BenchNode::start(), WORKLOADS);
    run_all(BenchNode::start_in_ring(), IN_RING);
    copy_all(BenchNode::start_in_ring(), OF_A_COPY);
}

/// What a workload asks for, of the requests that come together the bytes.
fn inputs_of(workload: &Workload) -> Vec<Vec<u8>> {
    let numbers: Vec<usize> = (0..OPERATIONS).collect();
    let of = |numbers: &[usize]| -> Vec<u8> {
        numbers.iter().flat_map(|number| (workload.request)(*number)).collect()
    };
    numbers.chunks(workload.pipeline).map(of).collect()
}

/// Runs requests without counting.
fn warm_up(node: &mut BenchNode, mut input: Vec<u8>) {
    let reply = node.run(&mut input);
    assert!(!reply.starts_with(b"-"), "{}", String::from_utf8_lossy(reply));
}

/// What sets each key once.
fn all_keys() -> impl Iterator<Item = Vec<u8>> {
    const AT_ONCE: usize = 1_000;
    let set_some =
        |first| (first..first + AT_ONCE).flat_map(|index| set(index, VALUE_BYTES)).collect();
    (0..KEYS).step_by(AT_ONCE).map(set_some)
}

fn run_all(mut node: BenchNode, workloads: &[Workload]) {
    all_keys().for_each(|load| warm_up(&mut node, load));
    for workload in workloads {
        let mut inputs = inputs_of(workload);
        inputs.iter().for_each(|input| warm_up(&mut node, input.clone()));
        measured(&mut inputs, &mut |input| {
            black_box(node.run(input));
        });
        println!("{OPERATIONS}\t{}", workload.name);
    }
}

/// Counts what a copy does with that which `node` writes.
fn copy_all(mut node: BenchNode, workloads: &[Workload]) {
    node.attach_copy();
    let mut copy = BenchCopy::start();
    let mut effects_of = |input| {
        warm_up(&mut node, input);
        node.read_effects()
    };
    // Each message says something new, of which something is acknowledged.
    let mut receive = |effects: &mut [u8]| assert!(!copy.receive(effects).is_empty());
    all_keys().for_each(|load| receive(&mut effects_of(load)));
    for workload in workloads {
        inputs_of(workload).into_iter().for_each(|input| receive(&mut effects_of(input)));
        let mut told: Vec<Vec<u8>> = inputs_of(workload).into_iter().map(&mut effects_of).collect();
        measured(&mut told, &mut receive);
        println!("{OPERATIONS}\t{}", workload.name);
    }
}
