//! Blocking commands in a ring: a client that waits at any node is served by a push at any other, through deaths and changes of owners.

use super::{WORKERS, connect};
use std::time::Duration;
use torc_tests::resp::{Connection, Value, encode};
use torc_tests::ring::{self, LIMIT, Node, await_whole};
use torc_tests::wait;

/// Waits until so many commands are parked, over all nodes that answer.
fn await_parked(nodes: &[&Node], count: usize) {
    wait::until("so many commands are parked", LIMIT, || {
        let parked = nodes.iter().map(|node| {
            let text = connect(node).run("INFO clients").text();
            let line = text.lines().find_map(|line| line.strip_prefix("torc_parked_waits:"));
            line.and_then(|it| it.trim().parse::<usize>().ok()).unwrap_or(0)
        });
        parked.sum::<usize>() == count
    });
}

fn send(client: &mut Connection, command: &str) {
    let words: Vec<&str> = command.split(' ').collect();
    client.send(&encode(&words)).unwrap();
}

fn reply(client: &mut Connection) -> String {
    let bytes = client.read_reply().unwrap();
    let value = Value::parse(&bytes).unwrap();
    match value.items() {
        [] => value.text(),
        items => items.iter().map(Value::text).collect::<Vec<_>>().join(" "),
    }
}

/// A key that the node at `index` serves.
pub(super) fn key_of(nodes: &[Node], index: usize) -> String {
    let mine = connect(&nodes[index]).run("CLUSTER MYID").text();
    let mut client = connect(&nodes[0]);
    let slots = client.run("CLUSTER SLOTS");
    let serves = |slot: i64| {
        slots.items().iter().any(|entry| {
            let items = entry.items();
            let number = |at: usize| items[at].integer().unwrap();
            (number(0)..=number(1)).contains(&slot) && items[2].items()[2].text() == mine
        })
    };
    (0..)
        .map(|number| format!("queue:{number}"))
        .find(|key| serves(torc_protocol::slot::slot_of(key.as_bytes()).index() as i64))
        .unwrap()
}

#[test]
fn a_client_at_any_node_is_served_from_any_other() {
    let nodes = ring::ring(3, WORKERS);
    let all: Vec<&Node> = nodes.iter().collect();
    let keys: Vec<String> = (0..3).map(|at| key_of(&nodes, at)).collect();
    let mut clients: Vec<Connection> = nodes.iter().map(connect).collect();
    let mut pushers: Vec<Connection> = nodes.iter().map(connect).collect();
    for key in &keys {
        for (waits, client) in clients.iter_mut().enumerate() {
            for (pushes, pusher) in pushers.iter_mut().enumerate() {
                send(client, &format!("BLPOP {key} 0"));
                await_parked(&all, 1);
                let element = format!("{waits}-{pushes}");
                assert_eq!(pusher.run(&format!("RPUSH {key} {element}")).integer(), Some(1));
                assert_eq!(reply(client), format!("{key} {element}"));
                assert_eq!(pusher.run(&format!("LLEN {key}")).integer(), Some(0));
            }
        }
    }

    // In the order in which they came, wherever they are; the other commands too.
    let key = &keys[1];
    for (count, client) in clients.iter_mut().enumerate() {
        send(client, &format!("BRPOP {key} 0"));
        await_parked(&all, count + 1);
    }
    pushers[0].run(&format!("LPUSH {key} 0 1 2"));
    for (count, client) in clients.iter_mut().enumerate() {
        assert_eq!(reply(client), format!("{key} {count}"));
    }
    let others = [
        (format!("BLMOVE {key} {key} LEFT RIGHT 0"), format!("RPUSH {key} a"), "a".to_owned()),
        (format!("BRPOPLPUSH {key} {{{key}}}2 0"), format!("RPUSH {key} b"), "a".to_owned()),
        (
            format!("BZPOPMIN {{{key}}}z 0"),
            format!("ZADD {{{key}}}z 1 m"),
            format!("{{{key}}}z m 1"),
        ),
        (
            format!("BZPOPMAX {{{key}}}z 5"),
            format!("ZADD {{{key}}}z 1 m"),
            format!("{{{key}}}z m 1"),
        ),
    ];
    for (command, push, expected) in others {
        for client in &mut clients {
            pushers[2].run(&format!("DEL {key}"));
            send(client, &command);
            await_parked(&all, 1);
            let expected = if command.starts_with("BRPOPL") { "b" } else { &expected };
            pushers[0].run(&push);
            assert_eq!(reply(client), *expected, "{command}");
        }
    }
    for client in &mut clients {
        pushers[2].run(&format!("DEL {key}"));
        send(client, &format!("BLMPOP 0 2 {{{key}}}none {key} RIGHT COUNT 2"));
        await_parked(&all, 1);
        pushers[1].run(&format!("RPUSH {key} a b c"));
        let bytes = client.read_reply().unwrap();
        assert!(bytes.windows(4).any(|part| part == b"*2\r\n"), "{bytes:?}");
        assert_eq!(pushers[1].run(&format!("LLEN {key}")).integer(), Some(1));
    }

    // Times that are over, waits that are ended, clients that go, and what is refused.
    pushers[0].run("FLUSHALL");
    for (client, pusher) in clients.iter_mut().zip(&mut pushers) {
        for key in &keys {
            assert_eq!(client.call_raw(&["BLPOP", key, "0.05"]).unwrap(), b"*-1\r\n");
            let id = client.run("CLIENT ID").integer().unwrap();
            for (how, expected) in [
                ("TIMEOUT", &b"*-1\r\n"[..]),
                ("ERROR", b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n"),
            ] {
                send(client, &format!("BLPOP {key} 100"));
                await_parked(&all, 1);
                let done = pusher.run(&format!("CLIENT UNBLOCK {id} {how}")).integer();
                assert_eq!(done, Some(1));
                assert_eq!(client.read_reply().unwrap(), expected);
                await_parked(&all, 0);
            }
            assert_eq!(pusher.run(&format!("CLIENT UNBLOCK {id}")).integer(), Some(0));
            assert!(client.run(&format!("BLPOP {key} x")).text().contains("not a float"));
            assert!(client.run(&format!("BLPOP {key} -1")).text().contains("negative"));
            pusher.run(&format!("SET {key} string"));
            assert!(client.run(&format!("BLPOP {key} 0")).text().starts_with("WRONGTYPE"));
            pusher.run(&format!("DEL {key}"));
        }
        let line = format!("BLPOP {} {} 0", keys[0], keys[1]);
        assert!(client.run(&line).text().starts_with("CROSSSLOT"));
    }
    for node in &nodes {
        for key in &keys {
            let mut client = connect(node);
            send(&mut client, &format!("BLPOP {key} 0"));
            await_parked(&all, 1);
            drop(client);
            await_parked(&all, 0);
            assert_eq!(pushers[0].run(&format!("RPUSH {key} kept")).integer(), Some(1));
            assert_eq!(pushers[0].run(&format!("LPOP {key}")).text(), "kept");
        }
    }

    // What stands behind a blocking command waits with it; inside of a transaction nobody waits.
    for client in &mut clients {
        send(client, &format!("BLPOP {} 0", keys[0]));
        send(client, &format!("SET {{{}}}after 1", keys[2]));
        send(client, "PING");
        await_parked(&all, 1);
        assert_eq!(pushers[0].run(&format!("EXISTS {{{}}}after", keys[2])).integer(), Some(0));
        pushers[1].run(&format!("RPUSH {} x", keys[0]));
        assert_eq!(reply(client), format!("{} x", keys[0]));
        assert_eq!((reply(client), reply(client)), ("OK".to_owned(), "PONG".to_owned()));
        pushers[0].run(&format!("DEL {{{}}}after", keys[2]));
        client.run("MULTI");
        client.run(&format!("BLPOP {} 0", keys[1]));
        assert_eq!(client.call_raw(&["EXEC"]).unwrap(), b"*1\r\n*-1\r\n");
    }
}

/// A client waits at one node for a key of another, which is killed: whoever serves the key then serves the client.
#[test]
fn a_client_is_served_after_the_death_of_the_owner() {
    let mut nodes = ring::ring(3, WORKERS);
    let key = key_of(&nodes, 2);
    let mut waits: Vec<Connection> = nodes[..2].iter().map(connect).collect();
    for (count, client) in waits.iter_mut().enumerate() {
        send(client, &format!("BLPOP {key} 0"));
        await_parked(&[&nodes[2]], count + 1);
    }
    let mut limited = connect(&nodes[0]);
    send(&mut limited, &format!("BLPOP {{{key}}}none 3"));
    await_parked(&[&nodes[2]], 3);
    let mut pusher = connect(&nodes[1]);
    let killed = wait::now();
    nodes[2].kill();
    let push = format!("RPUSH {key} one two");
    wait::until("somebody serves the key", LIMIT, || pusher.run(&push).integer().is_some());
    let mut got: Vec<String> = waits.iter_mut().map(reply).collect();
    let took = killed.elapsed();
    println!("served {took:?} after the death of the owner");
    got.sort();
    assert_eq!(got, [format!("{key} one"), format!("{key} two")]);
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(limited.read_reply().unwrap(), b"*-1\r\n");

    // The node at which a client waits dies: what is pushed then is nobody's but the list's.
    let key = key_of(&nodes, 0);
    let mut gone = connect(&nodes[1]);
    send(&mut gone, &format!("BLPOP {key} 0"));
    await_parked(&[&nodes[0]], 1);
    nodes[1].kill();
    await_parked(&[&nodes[0]], 0);
    let mut client = connect(&nodes[0]);
    let push = format!("RPUSH {key} x");
    wait::until("it is pushed", LIMIT, || client.run(&push).integer().is_some());
    assert_eq!(client.run(&format!("LPOP {key}")).text(), "x");
}

/// Clients wait for many keys while a node joins: those whose slots move go on waiting there.
#[test]
fn waits_follow_their_slots() {
    const KEYS: usize = 48;
    let mut nodes = ring::ring(2, WORKERS);
    let mut clients: Vec<Connection> = (0..KEYS).map(|index| connect(&nodes[index % 2])).collect();
    for (index, client) in clients.iter_mut().enumerate() {
        send(client, &format!("BLPOP queue:{index} 0"));
    }
    await_parked(&nodes.iter().collect::<Vec<_>>(), KEYS);
    let joined = Node::start(ring::Place::free(), Some(&nodes[0].place), WORKERS);
    nodes.push(joined);
    await_whole(&nodes, LIMIT);
    // Parked again, some of them at the third.
    await_parked(&nodes.iter().collect::<Vec<_>>(), KEYS);
    let mut pusher = connect(&nodes[2]);
    for (index, client) in clients.iter_mut().enumerate() {
        pusher.run(&format!("RPUSH queue:{index} {index}"));
        assert_eq!(reply(client), format!("queue:{index} {index}"));
    }
    let parked = |node: &Node| {
        wait::until("nobody is parked", LIMIT, || {
            connect(node).run("INFO clients").text().contains("torc_parked_waits:0\r")
        });
    };
    nodes.iter().for_each(parked);
}
