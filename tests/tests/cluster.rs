//! Rings of real processes on loopback: they find each other, serve each other's keys, survive each other's deaths.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

#[path = "cluster/blocking.rs"]
mod blocking;
#[path = "cluster/clients.rs"]
mod clients;
#[path = "cluster/collections.rs"]
mod collections;
#[path = "cluster/functions.rs"]
mod functions;
#[path = "cluster/links.rs"]
mod links;
#[path = "cluster/long_replies.rs"]
mod long_replies;
#[path = "cluster/publishing.rs"]
mod publishing;
#[path = "cluster/scripts.rs"]
mod scripts;
#[path = "cluster/strangers.rs"]
mod strangers;
#[path = "cluster/streams.rs"]
mod streams;
#[path = "cluster/tracking.rs"]
mod tracking;
#[path = "cluster/users.rs"]
mod users;

use rustix::process::Signal;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use torc_tests::process::run_to_end;
use torc_tests::resp::Connection;
use torc_tests::ring::{self, LIMIT, Node, Place, await_whole};
use torc_tests::wait;

const NODE: &str = env!("CARGO_BIN_EXE_torc-node");

/// Several workers, as nodes on machines of their own have.
const WORKERS: &[&str] = &["--workers", "2"];

/// The same, and a write must have reached two nodes.
const W2: &[&str] = &["--workers", "2", "--default-write-consistency", "2"];

fn connect(node: &Node) -> Connection {
    node.place.open(LIMIT).unwrap()
}

/// A program's output; panics with it if the program fails.
#[track_caller]
fn run(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new("timeout");
    command.arg("30").arg(program).args(arguments).stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {}\n{text}", output.status);
    text
}

#[test]
fn any_node_serves_any_key() {
    let nodes = ring::ring(3, WORKERS);
    let mut clients: Vec<Connection> = nodes.iter().map(connect).collect();
    for index in 0..300 {
        let (key, value) = (format!("key:{index}"), format!("value:{index}"));
        assert_eq!(clients[index % 3].call(&["SET", &key, &value]).unwrap().text(), "OK");
        for other in [1, 2] {
            let got = clients[(index + other) % 3].call(&["GET", &key]).unwrap();
            assert_eq!(got.text(), value);
        }
    }
    for client in &mut clients {
        assert_eq!(client.run("DBSIZE").integer(), Some(300));
        assert_eq!(client.run("KEYS *").items().len(), 300);
    }
    let (first, rest) = clients.split_first_mut().unwrap();
    first.run("MSET a 1 b 2 c 3 d 4");
    let values = rest[0].run("MGET a b c d");
    let values: Vec<String> = values.items().iter().map(|value| value.text()).collect();
    assert_eq!(values, ["1", "2", "3", "4"]);
    assert_eq!(rest[1].run("DEL a b c d nothing").integer(), Some(4));
    for round in 1..=99 {
        let counted = if round % 2 == 0 { first.run("INCR n") } else { rest[1].run("INCR n") };
        assert_eq!(counted.integer(), Some(round));
    }
    // All copies are there, and say so.
    rest[0].run("CLIENT CONSISTENCY W all");
    assert_eq!(rest[0].run("SET all copies").text(), "OK");
    assert_eq!(rest[0].run("WAIT 2 1000").integer(), Some(2));
    assert!(first.run("FLUSHALL").text() == "OK");
    assert_eq!(rest[1].run("DBSIZE").integer(), Some(0));
}

#[test]
fn a_pipeline_over_all_nodes_keeps_its_order() {
    let nodes = ring::ring(3, WORKERS);
    let mut client = connect(&nodes[1]);
    let requests: String = (0..2_000).map(|i| format!("SET p:{i} {i}\r\nGET p:{i}\r\n")).collect();
    let replies = client.pipeline(requests.as_bytes(), 4_000);
    for (index, pair) in replies.chunks_exact(2).enumerate() {
        let digits = index.to_string();
        assert_eq!(pair[0], b"+OK\r\n", "{index}");
        assert_eq!(pair[1], format!("${}\r\n{digits}\r\n", digits.len()).as_bytes());
    }
    // A client that closes its side is still owed its replies.
    let mut client = connect(&nodes[2]);
    let requests: String = (0..100).map(|i| format!("GET p:{i}\r\n")).collect();
    client.send(requests.as_bytes()).unwrap();
    client.finish_sending().unwrap();
    let replies = client.read_to_end().unwrap();
    assert_eq!(replies.iter().filter(|&&byte| byte == b'$').count(), 100);
}

/// What a writer saw.
#[derive(Default)]
struct Seen {
    acknowledged: Vec<(String, String)>,
    refused: usize,
    longest_gap: Duration,
}

/// Writes new keys by one node until told to stop; each must have two copies before it counts.
fn write(mut client: Connection, name: usize, stop: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    assert_eq!(client.run("CLIENT CONSISTENCY W 2").text(), "OK");
    let mut last = wait::now();
    for count in 0.. {
        // Relaxed: it need not stop at once.
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let (key, value) = (format!("w{name}:{count}"), count.to_string());
        let reply = client.call(&["SET", &key, &value]).unwrap();
        if reply.is_error() {
            seen.refused += 1;
        } else {
            seen.acknowledged.push((key, value));
            seen.longest_gap = seen.longest_gap.max(last.elapsed());
            last = wait::now();
        }
    }
    seen
}

#[test]
fn a_killed_node_loses_no_acknowledged_write_and_comes_back() {
    let mut nodes = ring::ring(3, WORKERS);
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..2)
        .map(|name| {
            let (client, stop) = (connect(&nodes[name]), Arc::clone(&stop));
            thread::spawn(move || write(client, name, &stop))
        })
        .collect();
    let written = |nodes: &[Node]| nodes[0].place.ask("DBSIZE").integer().unwrap_or(0);
    wait::until("writes are under way", LIMIT, || written(&nodes) > 1_000);
    nodes[2].kill();
    wait::until("the others serve everything", LIMIT, || nodes[..2].iter().all(serves_with(2)));
    let before = written(&nodes);
    wait::until("writes go on", LIMIT, || written(&nodes) > before + 1_000);
    stop.store(true, Ordering::Relaxed);
    let seen: Vec<Seen> = writers.into_iter().map(|writer| writer.join().unwrap()).collect();
    let check = |nodes: &[Node]| {
        for node in nodes {
            let mut client = connect(node);
            for (key, value) in seen.iter().flat_map(|seen| &seen.acknowledged) {
                let got = client.call(&["GET", key]).unwrap().text();
                assert_eq!(&got, value, "{key} was acknowledged");
            }
        }
    };
    check(&nodes[..2]);
    for seen in &seen {
        println!(
            "{} writes acknowledged, {} refused, longest gap {:?}",
            seen.acknowledged.len(),
            seen.refused,
            seen.longest_gap
        );
    }

    // Under its name it takes its place again, and has everything before it serves.
    nodes[2].run();
    nodes[2].await_answer();
    await_whole(&nodes, LIMIT);
    check(&nodes);
    nodes.drain(..2).for_each(|mut node| node.kill());
    wait::until("it serves everything alone", LIMIT, || nodes.iter().all(serves_with(1)));
    check(&nodes);
}

/// Whether a node serves all slots with no more than `count` alive.
fn serves_with(count: usize) -> impl Fn(&Node) -> bool {
    move |node| {
        let slots = node.place.status("slots");
        node.place.alive() == count && slots.first().is_some_and(|it| it["none"] == "0")
    }
}

#[test]
fn a_node_that_is_asked_to_stop_hands_its_keys_over() {
    // One copy of each key: whatever is not handed over is lost.
    let mut nodes = ring::ring(3, &["--workers", "2", "--copies", "1"]);
    let mut client = connect(&nodes[0]);
    for index in 0..3_000 {
        let key = format!("l:{index}");
        assert_eq!(client.call(&["SET", &key, &key]).unwrap().text(), "OK");
    }
    let mut check = || {
        for index in 0..3_000 {
            let key = format!("l:{index}");
            assert_eq!(client.call(&["GET", &key]).unwrap().text(), key);
        }
    };
    let mut leaver = nodes.pop().unwrap();
    leaver.signal(Signal::TERM);
    assert!(leaver.await_exit(LIMIT).success(), "{}", leaver.log());
    await_whole(&nodes, LIMIT);
    check();
    // The same by command, and a joining node takes its share.
    nodes.push(Node::start(
        Place::free(),
        Some(&nodes[0].place),
        &["--workers", "2", "--copies", "1"],
    ));
    nodes[2].await_answer();
    await_whole(&nodes, LIMIT);
    let said = run(NODE, &["leave", &nodes[1].place.plain.to_string()]);
    assert!(said.contains("hands its keys over"), "{said}");
    let mut leaver = nodes.remove(1);
    assert!(leaver.await_exit(LIMIT).success(), "{}", leaver.log());
    await_whole(&nodes, LIMIT);
    check();
}

#[test]
fn status_is_for_people_and_programs() {
    let nodes = ring::ring(2, &["--zone", "cellar"]);
    let address = nodes[0].place.plain.to_string();
    let table = run(NODE, &["status", &address]);
    assert!(table.contains("of 16384 slots 16384 have all copies"), "{table}");
    assert_eq!(table.matches("active").count(), 2, "{table}");
    assert_eq!(table.matches("cellar").count(), 2, "{table}");
    let json = run(NODE, &["status", "--json", &address]);
    assert!(json.starts_with("{\"ring\":{\"me\":\""), "{json}");
    assert!(json.contains("\"slots\":{\"full\":16384,\"short\":0,\"none\":0}"), "{json}");
    assert_eq!(json.matches("\"alive\":true").count(), 2, "{json}");
    let (status, said) = run_to_end(NODE, &["--join", "nowhere"], Duration::from_secs(10));
    assert!(!status.success() && said.contains("is no host:port"), "{said}");
}

#[test]
fn a_local_cluster_starts_and_ends() {
    // Three blocks of consecutive ports; somewhere there is room for them.
    let start = 20_000 + (std::process::id() % 10_000) as u16;
    let is_free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    let port = (start..start + 900)
        .find(|&port| (0..3).all(|i| [0, 1_000, 2_000].iter().all(|o| is_free(port + o + i))))
        .unwrap();
    let mut child = Command::new(NODE)
        .args([
            "local-cluster",
            "--nodes",
            "3",
            "--port",
            &port.to_string(),
            "--",
            "--workers",
            "1",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let open = |port: u16| Connection::open((Ipv4Addr::LOCALHOST, port).into());
    let came_up = wait::holds_within(LIMIT, || {
        let says = |mut c: Connection| c.call(&["TORC", "STATUS"]).map(|reply| reply.text());
        open(port).and_then(says).is_ok_and(|text| text.matches("ready:yes").count() == 3)
    });
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let ended = wait::holds_within(LIMIT, || matches!(child.try_wait(), Ok(Some(_))));
    if !ended {
        let _ = child.kill();
    }
    assert!(came_up && ended, "came up: {came_up}, ended: {ended}");
    assert!((0..3).all(|index| open(port + index).is_err()), "its nodes are gone");
}
