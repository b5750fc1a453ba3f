//! Replies that are written in pieces: others have their turn between them, and the reply is what it was when the command came.

use super::{Node, Peer, Verdict, run};
use std::collections::HashSet;

const COUNT: usize = 5_000;

/// A hash, a list, a sorted set and a set, all large.
fn filled() -> (Node, Peer) {
    let mut node = Node::new(&[]);
    let mut peer = node.connect();
    for n in 0..COUNT {
        let lines = format!(
            "hset hash f{n:05} v{n}\r\nrpush list e{n:05}\r\nzadd zset {n} m{n:05}\r\nsadd set s{n:05}\r\n"
        );
        node.send(&mut peer, lines.as_bytes());
    }
    peer.out.clear();
    (node, peer)
}

/// One run of what `peer` has sent, and whether it was not the last.
fn turn(node: &mut Node, peer: &mut Peer) -> bool {
    let progress =
        run(&mut peer.client, &mut peer.input, &mut peer.out, &mut node.worker, &node.instance);
    peer.input.drain(..progress.consumed);
    progress.verdict == Verdict::More
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

#[test]
fn they_are_what_was_there_when_the_command_came() {
    let (mut node, mut peer) = filled();
    let mut other = node.connect();
    let ranked = |n: usize| bulk(&format!("m{n:05}"));
    let cases: [(&str, String); 4] = [
        ("lrange list 1 -2", (1..COUNT - 1).map(|n| bulk(&format!("e{n:05}"))).collect()),
        ("zrange zset 0 -1", (0..COUNT).map(ranked).collect()),
        ("zrange zset 0 -1 rev", (0..COUNT).rev().map(ranked).collect()),
        (
            "zrangebyscore zset 10 (4000 withscores",
            (10..4000).map(|n| ranked(n) + &bulk(&n.to_string())).collect(),
        ),
    ];
    for (line, expected) in cases {
        peer.input
            .extend_from_slice(format!("echo before\r\n{line}\r\necho behind\r\n").as_bytes());
        let mut turns = 0;
        while turn(&mut node, &mut peer) {
            turns += 1;
            // What others do meanwhile is not seen.
            let line = format!("zadd zset {turns} new{turns}\r\nlpush list new\r\nlpop list\r\n");
            node.send(&mut other, line.as_bytes());
            node.send(&mut other, format!("zrem zset new{turns}\r\n").as_bytes());
        }
        assert!(turns >= COUNT / 1024, "{line}: {turns} turns");
        let count = expected.matches('$').count();
        let expected = format!("{}*{count}\r\n{expected}{}", bulk("before"), bulk("behind"));
        assert!(peer.out == expected.as_bytes(), "{line}");
        peer.out.clear();
    }
}

#[test]
fn a_deleted_collection_is_told_to_the_end() {
    for (line, head, lines) in [
        ("hgetall hash", "*10000\r\n", 4 * COUNT),
        ("hkeys hash", "*5000\r\n", 2 * COUNT),
        ("hvals hash", "*5000\r\n", 2 * COUNT),
        ("smembers set", "*5000\r\n", 2 * COUNT),
    ] {
        let (mut node, mut peer) = filled();
        let mut other = node.connect();
        peer.input.extend_from_slice(format!("{line}\r\nexists hash set\r\n").as_bytes());
        assert!(turn(&mut node, &mut peer));
        node.send(&mut other, b"del hash set\r\n");
        while turn(&mut node, &mut peer) {}
        let reply = String::from_utf8(std::mem::take(&mut peer.out)).unwrap();
        let reply = reply.strip_prefix(head).unwrap().strip_suffix(":0\r\n").unwrap();
        assert_eq!(reply.matches("\r\n").count(), lines, "{line}");
        let elements =
            reply.split("\r\n").filter(|line| !line.is_empty() && !line.starts_with('$'));
        let told: HashSet<&str> = elements.collect();
        assert_eq!(told.len(), lines / 2, "{line}: something is told twice");
    }
}

#[test]
fn nobody_waits_within_a_step_or_for_a_reply_that_is_left_out() {
    let (mut node, mut peer) = filled();
    node.send(&mut peer, b"multi\r\nhkeys hash\r\nping\r\nexec\r\n");
    let reply = peer.replies();
    assert!(reply.ends_with(r"\r\n+PONG\r\n"));
    assert_eq!(reply.matches('$').count(), COUNT);
    node.send(&mut peer, b"eval \"return #redis.call('smembers', 'set')\" 0\r\n");
    assert_eq!(peer.replies(), r":5000\r\n");
    node.send(&mut peer, b"client reply skip\r\nhgetall hash\r\nping\r\n");
    assert_eq!(peer.replies(), r"+PONG\r\n");
}

#[test]
fn elements_of_many_bytes_make_more_pieces() {
    let mut node = Node::new(&[]);
    let mut peer = node.connect();
    let value = "v".repeat(3_000);
    for n in 0..1_100 {
        node.send(&mut peer, format!("rpush list {value}{n}\r\n").as_bytes());
    }
    peer.out.clear();
    peer.input.extend_from_slice(b"lrange list 0 -1\r\n");
    let mut turns = 0;
    while turn(&mut node, &mut peer) {
        assert!(peer.out.len() < 80_000 * (turns + 1));
        turns += 1;
    }
    assert!(turns > 40, "{turns}");
    assert_eq!(peer.replies().matches('$').count(), 1_100);
}
