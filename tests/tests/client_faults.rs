//! The Rust client while nodes of a Torc ring die, freeze, come, go, restart one after the other, or are cut off: no call outlives its deadline, idempotent calls succeed
//! within it where a copy lives, none is applied twice by a retry.
//!
//! `TORC_FAULT_LONG=1` repeats each fault.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

#[path = "client_faults/callers.rs"]
mod callers;
#[path = "faults/space.rs"]
mod space;
#[path = "client_faults/storm.rs"]
mod storm;

use callers::{Callers, Told};
use rustix::process::Signal;
use std::time::Duration;
use torc_tests::ring::{self, LIMIT, Node, Place, await_whole, pass, places};

/// What calls are given. A death is noticed within three seconds.
const DEADLINE: Duration = Duration::from_secs(5);

/// How much longer than its deadline a call may be seen to take, on two cores that others load as well.
const SLACK: Duration = Duration::from_millis(700);

fn rounds() -> usize {
    if std::env::var_os("TORC_FAULT_LONG").is_some() { 4 } else { 1 }
}

fn url(places: &[Place]) -> String {
    let seeds: Vec<String> = places.iter().map(|place| place.cluster.to_string()).collect();
    format!("redis://{}", seeds.join(","))
}

/// What every fault must leave true.
fn check(what: &str, told: &Told) {
    println!("{what}: {told}");
    assert!(told.calls > 500, "{what}: hardly anything was called");
    assert!(told.longest <= DEADLINE + SLACK, "{what}: a call took {:?}", told.longest);
    assert!(
        told.idempotent_errors.is_empty(),
        "{what}: {:?}",
        &told.idempotent_errors[..told.idempotent_errors.len().min(5)]
    );
    assert!(told.wrong.is_empty(), "{what}: {:?}", &told.wrong[..told.wrong.len().min(5)]);
}

#[test]
fn a_node_is_killed_and_comes_back() {
    // Two copies of each write, so that a death takes no increment along.
    let mut nodes = ring::ring(3, &["--default-write-consistency", "2"]);
    let callers = Callers::begin(&url(&places(&nodes)), DEADLINE);
    for round in 0..rounds() {
        pass(Duration::from_secs(1));
        let victim = round % 3;
        nodes[victim].kill();
        pass(Duration::from_secs(4));
        nodes[victim].run();
        await_whole(&nodes, LIMIT);
    }
    pass(Duration::from_secs(1));
    check("kill -9", &callers.end());
}

#[test]
fn a_node_is_frozen_and_goes_on() {
    let nodes = ring::ring(3, &["--default-write-consistency", "2"]);
    let callers = Callers::begin(&url(&places(&nodes)), DEADLINE);
    for round in 0..rounds() {
        pass(Duration::from_secs(1));
        nodes[round % 3].signal(Signal::STOP);
        pass(Duration::from_secs(5));
        nodes[round % 3].signal(Signal::CONT);
        await_whole(&nodes, LIMIT);
    }
    pass(Duration::from_secs(1));
    check("frozen", &callers.end());
}

#[test]
fn a_node_joins_leaves_and_all_restart_in_turn() {
    let mut nodes = ring::ring(3, &["--default-write-consistency", "2"]);
    let callers = Callers::begin(&url(&places(&nodes)), DEADLINE);
    pass(Duration::from_secs(1));
    let seed = nodes[0].place.clone();
    nodes.push(Node::start(Place::free(), Some(&seed), &["--default-write-consistency", "2"]));
    nodes[3].await_answer();
    await_whole(&nodes, Duration::from_secs(60));
    pass(Duration::from_secs(1));
    let mut leaver = nodes.pop().unwrap();
    leaver.signal(Signal::TERM);
    assert!(leaver.await_exit(Duration::from_secs(60)).success());
    await_whole(&nodes, LIMIT);
    for at in 0..3 {
        nodes[at].signal(Signal::TERM);
        nodes[at].await_exit(Duration::from_secs(60));
        nodes[at].run();
        nodes[at].await_answer();
        await_whole(&nodes, LIMIT);
    }
    pass(Duration::from_secs(1));
    check("join, leave, rolling restart", &callers.end());
}

#[test]
fn a_node_is_cut_off_and_comes_back() {
    let switch = match space::Switch::new(3) {
        Ok(switch) => switch,
        Err(why) => return println!("NOT TESTED: no network namespaces here: {why}"),
    };
    let open: &[&str] =
        &["--cluster-secret", "a secret", "--requirepass", "", "--protected-mode", "no"];
    let nodes = ring::ring_at(switch.places(), open);
    let places = places(&nodes);
    // Threads of the client are born in the first machine, and so are its sockets.
    let told = std::thread::spawn({
        let url = url(&places);
        let space = places[0].space.clone().unwrap();
        move || {
            let file = std::fs::File::open(format!("/run/netns/{space}")).unwrap();
            let kind = Some(rustix::thread::LinkNameSpaceType::Network);
            rustix::thread::move_into_link_name_space(std::os::fd::AsFd::as_fd(&file), kind)
                .unwrap();
            Callers::begin(&url, DEADLINE)
        }
    })
    .join()
    .unwrap();
    pass(Duration::from_secs(1));
    switch.set_plugged(2, false);
    pass(Duration::from_secs(6));
    switch.set_plugged(2, true);
    await_whole(&nodes, LIMIT);
    pass(Duration::from_secs(1));
    check("cut off", &told.end());
}
