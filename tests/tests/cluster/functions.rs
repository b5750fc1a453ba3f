//! Libraries of functions across nodes: all nodes have all of them, those that come later and those that were away too.

use super::{W2, connect};
use rustix::process::Signal;
use torc_tests::resp::Connection;
use torc_tests::ring::{self, LIMIT, Node, Place, await_whole};
use torc_tests::wait;

/// A library with one function, which adds `step` to its key.
fn adding(library: &str, function: &str, step: usize) -> String {
    format!(
        "#!lua name={library}\nredis.register_function('{function}', function(keys) return redis.call('INCRBY', keys[1], {step}) end)"
    )
}

fn call(client: &mut Connection, words: &[&str]) -> String {
    let reply = client.call(words).unwrap();
    reply.integer().map_or_else(|| reply.text(), |integer| integer.to_string())
}

/// The names of a node's libraries.
fn libraries(client: &mut Connection) -> Vec<String> {
    let reply = client.call(&["FUNCTION", "LIST"]).unwrap();
    reply.items().iter().map(|library| library.items()[1].text()).collect()
}

/// Waits until a node answers something else than that it has just started.
fn settled(client: &mut Connection, words: &[&str]) -> String {
    let mut answer = String::new();
    wait::until("the node knows the libraries", LIMIT, || {
        answer = call(client, words);
        !answer.starts_with("TRYAGAIN") && !answer.starts_with("CLUSTERDOWN")
    });
    answer
}

fn await_settled(client: &mut Connection) {
    wait::until("the node tells of its libraries", LIMIT, || {
        !client.call_raw(&["FUNCTION", "DUMP"]).unwrap().starts_with(b"-TRYAGAIN")
    });
}

#[test]
fn what_one_node_loads_all_have_at_once() {
    let mut nodes = ring::ring(3, W2);
    let mut clients: Vec<Connection> = nodes.iter().map(connect).collect();
    clients.iter_mut().for_each(await_settled);
    let loaded = settled(&mut clients[0], &["FUNCTION", "LOAD", &adding("lib", "add", 1)]);
    assert_eq!(loaded, "lib");
    // The answer came, so whoever serves a key has the function.
    for number in 0..60 {
        for (round, client) in clients.iter_mut().enumerate() {
            let sum = call(client, &["FCALL", "add", "1", &format!("sum:{number}")]);
            assert_eq!(sum, (round + 1).to_string(), "{number}");
        }
    }
    let again = call(&mut clients[1], &["FUNCTION", "LOAD", &adding("lib", "add", 10)]);
    assert_eq!(again, "ERR Library 'lib' already exists");
    let changed =
        call(&mut clients[1], &["FUNCTION", "LOAD", "REPLACE", &adding("lib", "add", 10)]);
    assert_eq!(changed, "lib");
    for number in 0..60 {
        let sum = call(&mut clients[2], &["FCALL", "add", "1", &format!("sum:{number}")]);
        assert_eq!(sum, "13", "{number}");
    }
    let apart = call(&mut clients[0], &["FCALL", "add", "2", "sum:1", "sum:2"]);
    assert_eq!(apart, "CROSSSLOT Keys in request don't hash to the same slot");
    let read = call(&mut clients[1], &["FCALL_RO", "add", "1", "sum:1"]);
    assert_eq!(read, "ERR Can not execute a script with write flag using *_ro command.");

    // A payload goes to all as well, and what is deleted is gone everywhere.
    let payload = clients[0].call_raw(&["FUNCTION", "DUMP"]).unwrap();
    let end = payload.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    let payload = &payload[end..payload.len() - 2];
    assert_eq!(call(&mut clients[2], &["FUNCTION", "DELETE", "lib"]), "OK");
    for client in &mut clients {
        assert_eq!(call(client, &["FCALL", "add", "1", "sum:1"]), "ERR Function not found");
    }
    let restore: [&[u8]; 3] = [b"FUNCTION", b"RESTORE", payload];
    assert_eq!(clients[1].call(&restore).unwrap().text(), "OK");
    assert_eq!(call(&mut clients[0], &["FCALL", "add", "1", "sum:1"]), "23");

    // One that joins later is never wrong: until it has heard what there is, it says so.
    let seed = nodes[0].place.clone();
    nodes.push(Node::start(Place::free(), Some(&seed), W2));
    nodes[3].await_answer();
    let mut fourth = connect(&nodes[3]);
    let first = settled(&mut fourth, &["FCALL", "add", "1", "fresh"]);
    assert_eq!(first, "10");
    // Whoever serves the key may have answered that; what the node itself has, it does not tell before it knows.
    await_settled(&mut fourth);
    assert_eq!(libraries(&mut fourth), ["lib"]);
    await_whole(&nodes, LIMIT);
    for number in 0..60 {
        let sum = call(&mut clients[1], &["FCALL", "add", "1", &format!("sum:{number}")]);
        assert_eq!(sum, if number == 1 { "33" } else { "23" }, "{number}");
    }
    // It counts as the others do from then on.
    assert_eq!(call(&mut fourth, &["FUNCTION", "LOAD", &adding("own", "five", 5)]), "own");
    for client in &mut clients {
        assert_eq!(libraries(client), ["lib", "own"]);
    }
    assert_eq!(call(&mut clients[0], &["FUNCTION", "FLUSH"]), "OK");
    assert_eq!(libraries(&mut fourth), Vec::<String>::new());
}

/// As clients of clusters do, which send these to every node: what one node has done for all was an error at the next.
#[test]
fn what_a_client_sends_to_every_node_goes_well_at_each() {
    let nodes = ring::ring(3, W2);
    let mut clients: Vec<Connection> = nodes.iter().map(connect).collect();
    clients.iter_mut().for_each(await_settled);
    let (lib, other) = (adding("lib", "add", 1), adding("lib", "add", 2));
    settled(&mut clients[0], &["FUNCTION", "LOAD", &lib]);
    let payload = clients[0].call_raw(&["FUNCTION", "DUMP"]).unwrap();
    let end = payload.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    let payload = &payload[end..payload.len() - 2];
    let exists = "ERR Library 'lib' already exists";
    for client in &mut clients[1..] {
        assert_eq!(call(client, &["FUNCTION", "LOAD", &other]), exists);
        assert_eq!(call(client, &["FUNCTION", "LOAD", &lib]), "lib");
    }
    for client in &mut clients {
        assert_eq!(call(client, &["FUNCTION", "LOAD", &lib]), exists);
    }
    let delete = ["FUNCTION", "DELETE", "lib"];
    for client in &mut clients {
        assert_eq!(call(client, &delete), "OK");
    }
    for client in &mut clients {
        assert_eq!(call(client, &delete), "ERR Library not found");
    }
    let restore: [&[u8]; 3] = [b"FUNCTION", b"RESTORE", payload];
    for client in &mut clients {
        assert_eq!(client.call(&restore).unwrap().text(), "OK");
    }
    for client in &mut clients {
        assert_eq!(client.call(&restore).unwrap().text(), "ERR Library lib already exists");
    }
}

#[test]
fn a_node_that_was_away_learns_what_changed() {
    let nodes = ring::ring(3, W2);
    let mut clients: Vec<Connection> = nodes.iter().map(connect).collect();
    clients.iter_mut().for_each(await_settled);
    for library in ["gone", "kept", "changed"] {
        settled(&mut clients[0], &["FUNCTION", "LOAD", &adding(library, library, 1)]);
    }
    assert_eq!(libraries(&mut clients[2]), ["changed", "gone", "kept"]);
    // Stopped, it answers nobody; a client waits for it no longer than a second.
    nodes[2].signal(Signal::STOP);
    assert_eq!(call(&mut clients[0], &["FUNCTION", "DELETE", "gone"]), "OK");
    let changed = adding("changed", "changed", 2);
    assert_eq!(call(&mut clients[1], &["FUNCTION", "LOAD", "REPLACE", &changed]), "changed");
    assert_eq!(call(&mut clients[1], &["FUNCTION", "LOAD", &adding("new", "new", 3)]), "new");
    nodes[2].signal(Signal::CONT);
    wait::until("the third node has the libraries of the others", LIMIT, || {
        libraries(&mut clients[2]) == ["changed", "kept", "new"]
    });
    await_whole(&nodes, LIMIT);
    for number in 0..30 {
        let key = format!("key:{number}");
        let sums = ["changed", "kept", "new"]
            .map(|function| call(&mut clients[2], &["FCALL", function, "1", &key]));
        assert_eq!(sums, ["2", "3", "6"], "{key}");
    }
}
