//! Scripts across nodes: any node runs them where their keys are, and what they write has copies as any write.

use super::{W2, connect};
use torc_tests::resp::Connection;
use torc_tests::ring::{self, LIMIT, Node, Place, await_whole};

const ADD: &str = "return redis.call('INCRBY', KEYS[1], ARGV[1])";

/// Sets a field and a member, and answers how many there are: of two keys in one slot, the second undeclared.
const BOTH: &str = "redis.call('HSET', KEYS[1], ARGV[1], '1') \
    redis.call('SADD', KEYS[1] .. ':set', ARGV[1]) \
    return {redis.call('HLEN', KEYS[1]), redis.call('SCARD', KEYS[1] .. ':set')}";

fn eval(client: &mut Connection, words: &[&str]) -> String {
    let reply = client.call(words).unwrap();
    match reply.integer() {
        Some(integer) => integer.to_string(),
        None if reply.items().is_empty() => reply.text(),
        None => {
            let integers = reply.items().iter().map(|it| it.integer().unwrap().to_string());
            integers.collect::<Vec<_>>().join(" ")
        }
    }
}

#[test]
fn scripts_run_where_their_keys_are() {
    let mut nodes = ring::ring(3, W2);
    let mut clients: Vec<Connection> = nodes.iter().map(connect).collect();
    // Keys of all nodes, by each of them.
    for number in 0..60 {
        let key = format!("sum:{number}");
        for (round, client) in clients.iter_mut().enumerate() {
            let sum = eval(client, &["EVAL", ADD, "1", &key, "5"]);
            assert_eq!(sum, (5 * (round + 1)).to_string(), "{key}");
        }
    }
    for number in 0..20 {
        let key = format!("{{both:{number}}}");
        for (round, client) in clients.iter_mut().enumerate() {
            let (count, field) = (round + 1, round.to_string());
            let both = eval(client, &["EVAL", BOTH, "1", &key, &field]);
            assert_eq!(both, format!("{count} {count}"), "{key}");
        }
    }

    // What one was told all know.
    let sha = clients[0].call(&["SCRIPT", "LOAD", ADD]).unwrap().text();
    let only_here = clients[1].call(&["SCRIPT", "LOAD", "return 7"]).unwrap().text();
    for client in &mut clients {
        let exists = client.call(&["SCRIPT", "EXISTS", &sha, &only_here, "0"]).unwrap();
        let exists: Vec<_> = exists.items().iter().map(|it| it.integer()).collect();
        assert_eq!(exists, [Some(1), Some(1), Some(0)]);
        assert_eq!(eval(client, &["EVALSHA", &only_here, "0"]), "7");
    }
    for number in 0..60 {
        let key = format!("sum:{number}");
        for (round, client) in clients.iter_mut().enumerate() {
            let sum = eval(client, &["EVALSHA", &sha, "1", &key, "1"]);
            assert_eq!(sum, (16 + round).to_string(), "{key}");
        }
    }
    let apart = eval(&mut clients[0], &["EVAL", ADD, "2", "sum:1", "sum:2", "1"]);
    assert_eq!(apart, "CROSSSLOT Keys in request don't hash to the same slot");
    let read = eval(&mut clients[1], &["EVAL_RO", ADD, "1", "sum:1", "1"]);
    assert!(read.starts_with("ERR Write commands are not allowed"), "{read}");

    // One that joins knows nothing yet and learns from those who send it scripts.
    let seed = nodes[0].place.clone();
    nodes.push(Node::start(Place::free(), Some(&seed), W2));
    nodes[3].await_answer();
    await_whole(&nodes, LIMIT);
    // Asked itself for what nobody sent it, it says so, as a Redis does that was started anew; its client then sends the text.
    let mut fourth = connect(&nodes[3]);
    let unknown = eval(&mut fourth, &["EVALSHA", &only_here, "0"]);
    assert_eq!(unknown, "NOSCRIPT No matching script. Please use EVAL.");
    assert_eq!(eval(&mut fourth, &["EVAL", "return 7", "0"]), "7");
    assert_eq!(eval(&mut fourth, &["EVALSHA", &only_here, "0"]), "7");
    for number in 0..60 {
        let sum = eval(&mut clients[2], &["EVALSHA", &sha, "1", &format!("sum:{number}"), "1"]);
        assert_eq!(sum, "19", "{number}");
    }
    // And serves as the others do, from its copies.
    for number in 0..60 {
        let sum = eval(&mut fourth, &["EVAL", ADD, "1", &format!("sum:{number}"), "1"]);
        assert_eq!(sum, "20", "{number}");
    }
    for number in 0..20 {
        let key = format!("{{both:{number}}}");
        assert_eq!(fourth.call(&["HLEN", &key]).unwrap().integer(), Some(3), "{key}");
        let members = fourth.call(&["SCARD", &format!("{key}:set")]).unwrap();
        assert_eq!(members.integer(), Some(3), "{key}");
    }
}
