//! What the guarantees promise when nodes of a ring die, freeze, come, go, or are cut off: three and four real processes under load.
//!
//! `TORC_FAULT_ROUNDS=20` repeats the kills so often; `TORC_FAULT_LONG=1` takes more keys and longer faults. `TORC_FAULT_KEEP=1` keeps logs.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

#[path = "faults/load.rs"]
mod load;
#[path = "faults/ring.rs"]
mod ring;

use load::{Told, Writer, under_load};
use ring::{LIMIT, Node, Place, await_whole, pass};
use rustix::process::Signal;
use std::time::{Duration, Instant};
use torc_tests::wait;

/// Clients may see errors or waits for so long after a crash.
const DISTURBANCE: Duration = Duration::from_secs(3);

/// A write must have reached two nodes.
const W2: &[&str] = &["--default-write-consistency", "2"];

fn rounds() -> usize {
    std::env::var("TORC_FAULT_ROUNDS").ok().and_then(|it| it.parse().ok()).unwrap_or(2)
}

fn is_long() -> bool {
    std::env::var_os("TORC_FAULT_LONG").is_some()
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn places(nodes: &[Node]) -> Vec<Place> {
    nodes.iter().map(|node| node.place.clone()).collect()
}

/// Four writers, one each begins at each node.
fn writers(name: &str, places: &[Place], patience: Duration) -> Vec<Writer> {
    let writer = |index: usize| {
        let mut places = places.to_vec();
        let count = places.len();
        places.rotate_left(index % count);
        Writer { name: format!("{name}:{index}"), places, patience }
    };
    (0..4).map(writer).collect()
}

/// The last error between two moments, of all writers.
fn last_error(told: &[Told], begin: Instant, end: Instant) -> Duration {
    told.iter().map(|told| told.last_error(begin, end)).max().unwrap_or_default()
}

/// Fails unless all nodes count the same keys.
fn check_sizes(nodes: &[Node]) -> i64 {
    let sizes: Vec<i64> =
        nodes.iter().filter_map(|node| node.place.ask("DBSIZE").integer()).collect();
    assert!(sizes.len() == nodes.len() && sizes.iter().all(|&it| it == sizes[0]), "{sizes:?}");
    sizes[0]
}

#[test]
fn a_killed_node_takes_no_acknowledged_write_along() {
    let mut nodes = ring::ring(3, W2);
    let places = places(&nodes);
    let mut everything = Vec::new();
    for round in 0..rounds() {
        let victim = round % nodes.len();
        let name = format!("kill:{round}");
        let (mut told, (killed, restarted, whole)) =
            under_load(&writers(&name, &places, seconds(5)), |_| {
                pass(Duration::from_millis(1_500));
                nodes[victim].kill();
                let killed = wait::now();
                pass(seconds(4));
                nodes[victim].run();
                let restarted = wait::now();
                let whole = await_whole(&nodes, LIMIT);
                pass(Duration::from_millis(500));
                (killed, restarted, whole)
            });
        let disturbed = last_error(&told, killed, restarted);
        let returned = last_error(&told, restarted, wait::now());
        let gap = load::longest_gap(&told);
        let copied = load::check_all(&places, &told, seconds(10));
        println!(
            "round {round}: node {victim} killed; {} acknowledged, none lost; longest wait {gap:?}, last error {disturbed:?} after the kill and \
             {returned:?} after the restart; whole {whole:?} after the restart, copies equal {copied:?} after the load; {} keys; {:?}",
            load::acknowledged(&told),
            check_sizes(&nodes),
            load::errors(&told)
        );
        assert!(gap <= DISTURBANCE, "a client waited {gap:?}");
        assert!(disturbed <= DISTURBANCE, "errors for {disturbed:?} after the kill");
        assert!(returned <= DISTURBANCE, "errors for {returned:?} after the restart");
        everything.append(&mut told);
    }
    load::check_all(&places, &everything, seconds(10));
}

#[test]
fn a_second_node_killed_while_the_first_one_syncs() {
    for round in 0..rounds().div_ceil(2) {
        let mut nodes = ring::ring(3, W2);
        let places = places(&nodes);
        let (first, second) = (round % 3, (round + 1) % 3);
        let (told, whole) = under_load(&writers("second", &places, seconds(5)), |_| {
            pass(seconds(3));
            nodes[first].kill();
            pass(seconds(3));
            nodes[first].run();
            nodes[first].await_answer();
            nodes[second].kill();
            pass(seconds(4));
            nodes[second].run();
            await_whole(&nodes, LIMIT)
        });
        let gap = load::longest_gap(&told);
        let copied = load::check_all(&places, &told, seconds(10));
        println!(
            "node {second} killed while node {first} syncs: {} acknowledged, none lost; longest wait {gap:?}; whole {whole:?} after the last restart, \
             copies equal {copied:?} after the load; {} keys; {:?}",
            load::acknowledged(&told),
            check_sizes(&nodes),
            load::errors(&told)
        );
    }
}

#[test]
fn a_frozen_node_comes_back_into_service() {
    let nodes = ring::ring(3, W2);
    let places = places(&nodes);
    let frozen = 1;
    let (told, (stopped, resumed, whole)) =
        under_load(&writers("frozen", &places, seconds(1)), |_| {
            pass(seconds(1));
            nodes[frozen].signal(Signal::STOP);
            let stopped = wait::now();
            pass(seconds(10));
            nodes[frozen].signal(Signal::CONT);
            let resumed = wait::now();
            let whole = await_whole(&nodes, LIMIT);
            pass(seconds(1));
            (stopped, resumed, whole)
        });
    let disturbed = last_error(&told, stopped, resumed);
    let returned = last_error(&told, resumed, wait::now());
    let gap = load::longest_gap(&told);
    let copied = load::check_all(&places, &told, seconds(10));
    println!(
        "node {frozen} frozen for 10 s: {} acknowledged, none lost; longest wait {gap:?}, last error {disturbed:?} after it stopped and {returned:?} after \
         it went on; whole {whole:?} after it went on, copies equal {copied:?} after the load; {} keys; {:?}",
        load::acknowledged(&told),
        check_sizes(&nodes),
        load::errors(&told)
    );
}
