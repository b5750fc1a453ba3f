//! CLIENT PAUSE holds the data still, what has expired included.

use super::Node;

/// Reads removed what had expired, told of it and counted it, while clients were paused.
#[test]
fn what_expires_in_a_pause_stays_until_it_is_over() {
    let mut node = Node::with_mailbox(&[("notify-keyspace-events", "Ex")]);
    let mut peer = node.connect();
    let mut listener = node.connect();
    assert!(node.ask(&mut listener, b"subscribe __keyevent@0__:expired\r\n").starts_with("*3"));
    node.ask(
        &mut peer,
        b"psetex a 10 1\r\npsetex {a}b 10 2\r\nset {a}c 3\r\nclient pause 100 write\r\n",
    );
    node.advance(20);
    let reads: [(&[u8], &str); 8] = [
        (b"get a\r\n", r"$-1\r\n"),
        (b"mget a {a}b {a}c\r\n", r"*3\r\n$-1\r\n$-1\r\n$1\r\n3\r\n"),
        (b"exists a {a}c\r\n", r":1\r\n"),
        (b"pttl {a}b\r\n", r":-2\r\n"),
        (b"scan 0\r\n", r"*2\r\n$1\r\n0\r\n*1\r\n$4\r\n{a}c\r\n"),
        (b"multi\r\nget a\r\nexec\r\n", r"+OK\r\n+QUEUED\r\n*1\r\n$-1\r\n"),
        (b"eval_ro \"return redis.call('get', KEYS[1])\" 1 a\r\n", r"$-1\r\n"),
        (b"dbsize\r\n", r":3\r\n"),
    ];
    for (command, reply) in reads {
        assert_eq!(node.ask(&mut peer, command), reply, "{}", command.escape_ascii());
    }
    assert_eq!(node.instance.store.stats().expired, 0);
    assert_eq!(node.told(&mut listener), "");

    node.ask(&mut peer, b"client unpause\r\n");
    assert_eq!(node.ask(&mut peer, b"get a\r\ndbsize\r\n"), r"$-1\r\n:2\r\n");
    assert!(node.told(&mut listener).ends_with(r"$1\r\na\r\n"));

    // The next one ends by itself.
    node.ask(&mut peer, b"client pause 100 write\r\n");
    node.advance(100);
    assert_eq!(node.ask(&mut peer, b"exists {a}b\r\ndbsize\r\n"), r":0\r\n:1\r\n");
    assert_eq!(node.instance.store.stats().expired, 2);
}
