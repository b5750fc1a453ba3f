//! Collections across nodes: small and large, they come along when nodes join and stay when nodes die, while they are written to.

use super::{W2, connect, serves_with};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use torc_tests::resp::{Connection, Value, encode};
use torc_tests::ring::{self, LIMIT, Node, Place, await_whole};
use torc_tests::wait;

/// Keys of each type with a few elements each.
const SMALL: usize = 100;

/// Elements of one large collection of each type.
const LARGE: usize = 60_000;

/// A death is noticed and made good for within this, on a machine that other suites load.
const MAKE_GOOD: Duration = Duration::from_secs(40);

/// Sends requests with many elements, `each` of them in one request.
fn fill(client: &mut Connection, command: &[&str], each: impl Fn(usize) -> Vec<String>) {
    for first in (0..LARGE).step_by(1_000) {
        let mut request: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
        (first..first + 1_000).for_each(|n| request.extend(each(n)));
        let reply = client.call(&request).unwrap();
        assert!(!reply.is_error(), "{}", reply.text());
    }
}

fn write_all(client: &mut Connection) {
    let mut requests = Vec::new();
    for n in 0..SMALL {
        let name = n.to_string();
        let hash = format!("hash:{n}");
        requests.extend(encode(&["HSET", &hash, "name", &name, "count", "5"]));
        requests.extend(encode(&["HINCRBY", &hash, "count", &name]));
        requests.extend(encode(&["SADD", &format!("set:{n}"), "a", "b", &name]));
        requests.extend(encode(&["ZADD", &format!("zset:{n}"), "1", "a", "2.5", &name]));
        requests.extend(encode(&["RPUSH", &format!("list:{n}"), "a", &name, "b"]));
        requests.extend(encode(&["EXPIRE", &hash, "10000"]));
    }
    let replies = client.pipeline(&requests, SMALL * 6);
    assert!(replies.iter().all(|reply| reply[0] == b':'), "an error among the replies");
    fill(client, &["HSET", "large:hash"], |n| vec![format!("field:{n}"), n.to_string()]);
    fill(client, &["SADD", "large:set"], |n| vec![format!("member:{n}")]);
    fill(client, &["ZADD", "large:zset"], |n| vec![n.to_string(), format!("member:{n}")]);
    fill(client, &["RPUSH", "large:list"], |n| vec![n.to_string()]);
    client.run("EXPIRE large:hash 10000");
    // What was removed stays so.
    client.run("HDEL large:hash field:7");
    client.run("SREM large:set member:7");
    client.run("ZREM large:zset member:7");
    client.run("LPOP large:list 8");
}

/// What is asked, and what the answer must be.
fn check_all(client: &mut Connection) {
    // After deaths the second copy may take its time.
    client.run("CLIENT CONSISTENCY W 1");
    let mut is = |line: &str, expected: &str| {
        let reply = client.run(line);
        let text = |value: &Value| value.integer().map_or(value.text(), |it| it.to_string());
        let text = match reply.items() {
            [] => text(&reply),
            items => items.iter().map(text).collect::<Vec<_>>().join(" "),
        };
        assert_eq!(text, expected, "{line}");
    };
    for n in (0..SMALL).step_by(7) {
        is(&format!("HMGET hash:{n} name count"), &format!("{n} {}", n + 5));
        is(&format!("SCARD set:{n}"), "3");
        is(&format!("SISMEMBER set:{n} {n}"), "1");
        is(&format!("ZRANGE zset:{n} 0 -1 WITHSCORES"), &format!("a 1 {n} 2.5"));
        is(&format!("LRANGE list:{n} 0 -1"), &format!("a {n} b"));
        is(&format!("PERSIST hash:{n}"), "1");
        is(&format!("EXPIRE hash:{n} 10000"), "1");
    }
    is("HLEN large:hash", &(LARGE - 1).to_string());
    is("SCARD large:set", &(LARGE - 1).to_string());
    is("ZCARD large:zset", &(LARGE - 1).to_string());
    is("LLEN large:list", &(LARGE - 8).to_string());
    for n in (8..LARGE).step_by(LARGE / 50) {
        is(&format!("HGET large:hash field:{n}"), &n.to_string());
        is(&format!("SISMEMBER large:set member:{n}"), "1");
        is(&format!("ZSCORE large:zset member:{n}"), &n.to_string());
        is(&format!("ZRANK large:zset member:{n}"), &(n - 1).to_string());
        is(&format!("LINDEX large:list {}", n - 8), &n.to_string());
    }
    is("HEXISTS large:hash field:7", "0");
    is("TTL large:zset", "-1");
}

/// Counts in one field, one member and one list until told to stop; how often.
fn count(mut client: Connection, stop: &AtomicBool) -> i64 {
    let mut done = 0;
    // Relaxed: it need not stop at once.
    while !stop.load(Ordering::Relaxed) {
        let text = done.to_string();
        for request in [
            ["HINCRBY", "counted", "field", "1"],
            ["ZINCRBY", "ranked", "1", "member"],
            ["RPUSH", "pushed", &text, &text],
        ] {
            let reply = client.call(&request).unwrap();
            assert!(!reply.is_error(), "{}", reply.text());
        }
        done += 1;
    }
    done
}

fn check_counted(client: &mut Connection, counted: i64) {
    assert_eq!(client.run("HGET counted field").text(), counted.to_string());
    assert_eq!(client.run("ZSCORE ranked member").text(), counted.to_string());
    assert_eq!(client.run("LLEN pushed").integer(), Some(2 * counted));
}

#[test]
fn collections_come_along_when_nodes_come_and_go() {
    let mut nodes = ring::ring(3, W2);
    write_all(&mut connect(&nodes[0]));
    for node in &nodes {
        check_all(&mut connect(node));
    }

    // A fourth joins while some of it is written to.
    let stop = Arc::new(AtomicBool::new(false));
    let counting = {
        let (client, stop) = (connect(&nodes[1]), Arc::clone(&stop));
        thread::spawn(move || count(client, &stop))
    };
    let seed = nodes[0].place.clone();
    nodes.push(Node::start(Place::free(), Some(&seed), W2));
    nodes[3].await_answer();
    await_whole(&nodes, LIMIT);
    stop.store(true, Ordering::Relaxed);
    let counted = counting.join().unwrap();
    for node in &nodes {
        check_all(&mut connect(node));
        check_counted(&mut connect(node), counted);
    }

    // Two die one after the other: what the fourth was given serves now.
    for gone in [0, 0] {
        nodes.remove(gone).kill();
        let is_served = serves_with(nodes.len());
        wait::until("the others serve everything", MAKE_GOOD, || nodes.iter().all(&is_served));
        for node in &nodes {
            let mut client = connect(node);
            check_all(&mut client);
            check_counted(&mut client, counted);
        }
    }
}
