//! Streams across nodes: a consumer group goes on while the node that serves it dies, and nothing that was confirmed is lost.

use super::blocking::key_of;
use super::{W2, connect, serves_with};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use torc_tests::resp::{Connection, Value};
use torc_tests::ring::{self, LIMIT};
use torc_tests::wait;

/// A death is noticed and made good for within this, on a machine that other suites load.
const MAKE_GOOD: Duration = Duration::from_secs(40);

/// Entries that are to be added before the node dies, and as many after.
const EACH: usize = 300;

/// An id as numbers, so that ids can be compared.
fn id_of(text: &str) -> (u64, u64) {
    let (ms, seq) = text.split_once('-').expect("an id has two parts");
    (ms.parse().unwrap(), seq.parse().unwrap())
}

/// Ids of the entries in a reply of XREADGROUP about one stream.
fn delivered(reply: &Value) -> Vec<String> {
    let Some(stream) = reply.items().first() else { return Vec::new() };
    let [_, entries] = stream.items() else { return Vec::new() };
    entries.items().iter().map(|entry| entry.items()[0].text()).collect()
}

/// Adds entries until told to stop; the ids of those that were confirmed.
fn add(
    mut client: Connection,
    key: &str,
    added: &(dyn Fn() + Sync),
    stop: &AtomicBool,
) -> Vec<String> {
    let mut ids = Vec::new();
    // Relaxed: it need not stop at once.
    while !stop.load(Ordering::Relaxed) {
        let number = ids.len().to_string();
        let reply = client.call(&["XADD", key, "*", "number", &number]).unwrap();
        // Of what was under way when the node died nobody knows whether it was done.
        if !reply.is_error() {
            ids.push(reply.text());
            added();
        }
    }
    ids
}

/// Reads for the group and acknowledges every other entry until told to stop: the ids of all that was delivered, and of what is surely acknowledged.
fn consume(
    mut client: Connection,
    key: &str,
    stop: &AtomicBool,
) -> (BTreeSet<String>, Vec<String>) {
    let (mut seen, mut acknowledged) = (BTreeSet::new(), Vec::new());
    // Relaxed: as above.
    while !stop.load(Ordering::Relaxed) {
        let read =
            ["XREADGROUP", "GROUP", "g", "c", "COUNT", "7", "BLOCK", "200", "STREAMS", key, ">"];
        let reply = client.call(&read).unwrap();
        for (index, id) in delivered(&reply).into_iter().enumerate() {
            if index % 2 == 0 {
                let reply = client.call(&["XACK", key, "g", &id]).unwrap();
                if reply.integer() == Some(1) {
                    acknowledged.push(id.clone());
                }
            }
            seen.insert(id);
        }
    }
    (seen, acknowledged)
}

#[test]
fn a_consumer_group_outlives_the_node_that_serves_it() {
    let mut nodes = ring::ring(3, W2);
    let key = key_of(&nodes, 0);
    assert_eq!(connect(&nodes[1]).run(&format!("XGROUP CREATE {key} g $ MKSTREAM")).text(), "OK");
    let stop = AtomicBool::new(false);
    let count = std::sync::atomic::AtomicUsize::new(0);
    let (writer, reader) = (connect(&nodes[1]), connect(&nodes[2]));
    let (added, (mut seen, acknowledged)) = thread::scope(|scope| {
        // Relaxed: a count that somebody waits for.
        let note = || {
            count.fetch_add(1, Ordering::Relaxed);
        };
        let (key, stop) = (&key, &stop);
        let adding = scope.spawn(move || add(writer, key, &note, stop));
        let consuming = scope.spawn(move || consume(reader, key, stop));
        let await_added = |more: usize| {
            let enough = count.load(Ordering::Relaxed) + more;
            wait::until("entries are added", MAKE_GOOD, || count.load(Ordering::Relaxed) >= enough);
        };
        await_added(EACH);
        nodes.remove(0).kill();
        await_added(EACH);
        stop.store(true, Ordering::Relaxed);
        (adding.join().unwrap(), consuming.join().unwrap())
    });
    wait::until("the others serve everything", MAKE_GOOD, || {
        nodes.iter().all(serves_with(nodes.len()))
    });

    let ids: Vec<(u64, u64)> = added.iter().map(|id| id_of(id)).collect();
    assert!(ids.is_sorted_by(|one, other| one < other), "an id went back");
    for node in &nodes {
        let mut client = connect(node);
        let there = client.run(&format!("XRANGE {key} - +"));
        let there: BTreeSet<String> =
            there.items().iter().map(|entry| entry.items()[0].text()).collect();
        for id in &added {
            assert!(there.contains(id), "{id} was added and is lost");
        }
        let pending = client.run(&format!("XPENDING {key} g - + 100000"));
        let pending: BTreeSet<String> =
            pending.items().iter().map(|entry| entry.items()[0].text()).collect();
        for id in &acknowledged {
            assert!(!pending.contains(id), "{id} was acknowledged and is pending");
        }
    }
    assert!(!acknowledged.is_empty());

    // What was not delivered yet comes now; what a lost reply delivered is pending.
    let mut client = connect(&nodes[1]);
    client.run("CLIENT CONSISTENCY W 1");
    loop {
        let ids = delivered(&client.run(&format!("XREADGROUP GROUP g d STREAMS {key} >")));
        if ids.is_empty() {
            break;
        }
        seen.extend(ids);
    }
    seen.extend(delivered(&client.run(&format!("XREADGROUP GROUP g c STREAMS {key} 0"))));
    for id in &added {
        assert!(seen.contains(id), "{id} was added and never delivered");
    }
}

#[test]
fn a_stream_is_copied_to_any_slot() {
    let nodes = ring::ring(3, W2);
    let keys: Vec<String> = (0..3).map(|index| key_of(&nodes, index)).collect();
    let mut client = connect(&nodes[1]);
    let from = &keys[0];
    client.run(&format!("XGROUP CREATE {from} g 0 MKSTREAM"));
    for number in 0..500 {
        client.run(&format!("XADD {from} {number}-1 number {number}"));
    }
    client.run(&format!("XDEL {from} 499-1"));
    client.run(&format!("XREADGROUP GROUP g one COUNT 30 STREAMS {from} >"));
    client.run(&format!("XREADGROUP GROUP g two COUNT 30 STREAMS {from} >"));
    client.run(&format!("XACK {from} g 7-1"));
    let shown = |key: &str, node: usize| {
        let reply = connect(&nodes[node]).run(&format!("XINFO STREAM {key} FULL COUNT 0"));
        assert!(!reply.is_error(), "{}", reply.text());
        format!("{reply:?}")
    };
    let expected = shown(from, 0);
    for to in &keys[1..] {
        assert_eq!(client.run(&format!("COPY {from} {to}")).integer(), Some(1));
        assert_eq!(client.run(&format!("COPY {from} {to}")).integer(), Some(0));
        assert_eq!(client.run(&format!("COPY {from} {to} REPLACE")).integer(), Some(1));
        for node in 0..3 {
            assert_eq!(shown(to, node), expected, "{to} by node {node}");
        }
        // It goes on as the other does: the deleted id is not given out again, and the group reads behind what it has read.
        assert!(client.run(&format!("XADD {to} 499-1 a b")).is_error());
        let reply = client.run(&format!("XREADGROUP GROUP g one COUNT 1 STREAMS {to} >"));
        assert_eq!(delivered(&reply), ["60-1"]);
    }
}

/// One node cannot wait for what others serve, so that all streams of a command lie in one slot, on the plain port too.
#[test]
fn streams_that_are_read_together_lie_in_one_slot() {
    let nodes = ring::ring(3, &[]);
    let keys: Vec<String> = (0..3).map(|index| key_of(&nodes, index)).collect();
    let mut client = connect(&nodes[0]);
    for key in &keys {
        client.run(&format!("XGROUP CREATE {key} g 0 MKSTREAM"));
        client.run(&format!("XGROUP CREATE {{{key}}}:b g 0 MKSTREAM"));
        client.run(&format!("XADD {key} 1-1 a b"));
        client.run(&format!("XADD {{{key}}}:b 1-1 a b"));
    }
    let several = format!("STREAMS {} {} ", keys[0], keys[1]);
    let ways = |client: &mut Connection, expected: &str| {
        for line in [
            format!("XREAD {several} 0 0"),
            format!("XREAD BLOCK 1 {several} $ $"),
            format!("XREADGROUP GROUP g c {several} > >"),
            format!("XREADGROUP GROUP g c BLOCK 1 {several} > >"),
        ] {
            assert_eq!(client.run(&line).text(), expected, "{line}");
        }
    };
    let apart = "CROSSSLOT Keys in request don't hash to the same slot";
    for (node, key) in nodes.iter().zip(&keys) {
        ways(&mut connect(node), apart);
        let mut cluster = node.place.open_cluster(LIMIT).unwrap();
        ways(&mut cluster, apart);
        // Two of one slot, where it is served.
        let line = format!("XREAD STREAMS {key} {{{key}}}:b 0 0");
        assert_eq!(cluster.run(&line).items().len(), 2, "{line}");
    }
    for node in &nodes {
        let mut client = connect(node);
        for key in &keys {
            let line = format!("XREAD STREAMS {key} {{{key}}}:b 0 0");
            assert_eq!(client.run(&line).items().len(), 2, "{line}");
        }
    }
}
