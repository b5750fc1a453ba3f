//! Scripts of commands; what is expected was recorded from redis-server 7.0.15.

use crate::base::clock::UnixMs;
use crate::command::Flow;
use crate::command::testing::{Node, START_MS, check};
use torc_protocol::Protocol;

#[test]
fn expire_and_its_conditions() {
    check(
        Protocol::Resp2,
        &[
            ("SET a v", r"+OK\r\n"),
            ("EXPIRE a 100", r":1\r\n"),
            ("TTL a", r":100\r\n"),
            ("EXPIRE a 200 NX", r":0\r\n"),
            ("TTL a", r":100\r\n"),
            ("EXPIRE a 200 XX", r":1\r\n"),
            ("TTL a", r":200\r\n"),
            ("EXPIRE a 100 GT", r":0\r\n"),
            ("EXPIRE a 300 gt", r":1\r\n"),
            ("TTL a", r":300\r\n"),
            ("EXPIRE a 400 LT", r":0\r\n"),
            ("EXPIRE a 200 XX LT", r":1\r\n"),
            ("TTL a", r":200\r\n"),
            ("EXPIRE a 200 XX GT", r":0\r\n"),
            ("PERSIST a", r":1\r\n"),
            ("PERSIST a", r":0\r\n"),
            ("PERSIST nokey", r":0\r\n"),
            ("TTL a", r":-1\r\n"),
            ("EXPIRE a 100 GT", r":0\r\n"),
            ("EXPIRE a 100 XX", r":0\r\n"),
            ("EXPIRE a 100 XX GT", r":0\r\n"),
            ("EXPIRE a 100 LT", r":1\r\n"),
            ("TTL a", r":100\r\n"),
            ("PERSIST a", r":1\r\n"),
            ("EXPIRE a 100 NX NX", r":1\r\n"),
            ("EXPIRE nokey 100", r":0\r\n"),
            ("EXPIRE nokey 100 NX", r":0\r\n"),
            ("PEXPIRE a 50000", r":1\r\n"),
            ("TTL a", r":50\r\n"),
            ("EXPIREAT a 99999999999", r":1\r\n"),
            ("EXPIRETIME a", r":99999999999\r\n"),
            ("PEXPIRETIME a", r":99999999999000\r\n"),
            ("PEXPIREAT a 99999999999500", r":1\r\n"),
            ("EXPIRETIME a", r":100000000000\r\n"),
            ("PEXPIRETIME a", r":99999999999500\r\n"),
            ("TTL nokey", r":-2\r\n"),
            ("PTTL nokey", r":-2\r\n"),
            ("EXPIRETIME nokey", r":-2\r\n"),
            ("PEXPIRETIME nokey", r":-2\r\n"),
            ("SET a v", r"+OK\r\n"),
            ("PTTL a", r":-1\r\n"),
            ("EXPIRETIME a", r":-1\r\n"),
            ("PEXPIRETIME a", r":-1\r\n"),
        ],
    );
}
#[test]
fn expire_refuses() {
    check(
        Protocol::Resp2,
        &[
            ("SET a v", r"+OK\r\n"),
            ("EXPIRE a 10 FOO", r"-ERR Unsupported option FOO\r\n"),
            ("EXPIRE a x FOO", r"-ERR Unsupported option FOO\r\n"),
            ("EXPIRE a 10 NX FOO", r"-ERR Unsupported option FOO\r\n"),
            (r"EXPIRE a 10 fo\ro\r\n", r"-ERR Unsupported option fo o\r\n"),
            (r"EXPIRE a 10 \r\nfo", r"-ERR Unsupported option   fo\r\n"),
            (r#"EXPIRE a 10 """#, r"-ERR Unsupported option \r\n"),
            (
                "EXPIRE a 10 NX XX",
                r"-ERR NX and XX, GT or LT options at the same time are not compatible\r\n",
            ),
            (
                "EXPIRE a 10 GT NX",
                r"-ERR NX and XX, GT or LT options at the same time are not compatible\r\n",
            ),
            (
                "EXPIRE a 10 NX LT",
                r"-ERR NX and XX, GT or LT options at the same time are not compatible\r\n",
            ),
            (
                "EXPIRE a 10 GT LT",
                r"-ERR GT and LT options at the same time are not compatible\r\n",
            ),
            (
                "EXPIRE a 10 XX GT LT",
                r"-ERR GT and LT options at the same time are not compatible\r\n",
            ),
            (
                "EXPIRE a x NX XX",
                r"-ERR NX and XX, GT or LT options at the same time are not compatible\r\n",
            ),
            ("EXPIRE a x", r"-ERR value is not an integer or out of range\r\n"),
            (r#"EXPIRE a """#, r"-ERR value is not an integer or out of range\r\n"),
            ("EXPIRE a 1.5", r"-ERR value is not an integer or out of range\r\n"),
            ("EXPIRE a 9223372036854775807", r"-ERR invalid expire time in \'expire\' command\r\n"),
            (
                "EXPIRE a -9223372036854775808",
                r"-ERR invalid expire time in \'expire\' command\r\n",
            ),
            ("EXPIRE a 9223372036854775", r"-ERR invalid expire time in \'expire\' command\r\n"),
            (
                "EXPIRE nokey 9223372036854775807",
                r"-ERR invalid expire time in \'expire\' command\r\n",
            ),
            (
                "PEXPIRE a 9223372036854775807",
                r"-ERR invalid expire time in \'pexpire\' command\r\n",
            ),
            (
                "EXPIREAT a 9223372036854775807",
                r"-ERR invalid expire time in \'expireat\' command\r\n",
            ),
            (
                "EXPIREAT a -9223372036854775808",
                r"-ERR invalid expire time in \'expireat\' command\r\n",
            ),
            (
                "EXPIREAT a 9223372036854776",
                r"-ERR invalid expire time in \'expireat\' command\r\n",
            ),
            ("TTL a", r":-1\r\n"),
            ("PEXPIREAT a 9223372036854775807", r":1\r\n"),
            ("PEXPIRETIME a", r":9223372036854775807\r\n"),
            ("EXPIRETIME a", r":9223372036854776\r\n"),
            ("EXPIREAT a 9223372036854775", r":1\r\n"),
            ("PEXPIRETIME a", r":9223372036854775000\r\n"),
            ("PEXPIREAT nokey -9223372036854775808", r":0\r\n"),
        ],
    );
}
#[test]
fn a_time_that_has_passed_removes_the_key() {
    check(
        Protocol::Resp2,
        &[
            ("SET a v", r"+OK\r\n"),
            ("EXPIRE a 0", r":1\r\n"),
            ("EXISTS a", r":0\r\n"),
            ("SET a v", r"+OK\r\n"),
            ("EXPIRE a -1", r":1\r\n"),
            ("GET a", r"$-1\r\n"),
            ("SET a v", r"+OK\r\n"),
            ("PEXPIREAT a 1", r":1\r\n"),
            ("GET a", r"$-1\r\n"),
            ("SET a v", r"+OK\r\n"),
            ("PEXPIREAT a -9223372036854775808", r":1\r\n"),
            ("GET a", r"$-1\r\n"),
            ("SET a v", r"+OK\r\n"),
            ("EXPIRE a -1 GT", r":0\r\n"),
            ("GET a", r"$1\r\nv\r\n"),
            ("EXPIRE a 100", r":1\r\n"),
            ("EXPIRE a -1 GT", r":0\r\n"),
            ("EXPIRE a -1 LT", r":1\r\n"),
            ("GET a", r"$-1\r\n"),
            ("SET a v", r"+OK\r\n"),
            ("EXPIRE a -1 NX", r":1\r\n"),
            ("EXISTS a", r":0\r\n"),
        ],
    );
}
#[test]
fn types_and_existence() {
    check(
        Protocol::Resp2,
        &[
            ("TYPE nokey", r"+none\r\n"),
            ("SET a 1", r"+OK\r\n"),
            ("TYPE a", r"+string\r\n"),
            ("EXISTS a a nokey", r":2\r\n"),
            ("OBJECT ENCODING a", r"$3\r\nint\r\n"),
            ("OBJECT REFCOUNT a", r":2147483647\r\n"),
            ("SET a 9999", r"+OK\r\n"),
            ("OBJECT REFCOUNT a", r":2147483647\r\n"),
            ("SET a 10000", r"+OK\r\n"),
            ("OBJECT REFCOUNT a", r":1\r\n"),
            ("SET a -1", r"+OK\r\n"),
            ("OBJECT REFCOUNT a", r":1\r\n"),
            ("SET a abc", r"+OK\r\n"),
            ("OBJECT ENCODING a", r"$6\r\nembstr\r\n"),
            ("OBJECT REFCOUNT a", r":1\r\n"),
            ("OBJECT IDLETIME a", r":0\r\n"),
            (
                "OBJECT FREQ a",
                r"-ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.\r\n",
            ),
            ("OBJECT ENCODING nokey", r"$-1\r\n"),
            ("OBJECT REFCOUNT nokey", r"$-1\r\n"),
            ("OBJECT IDLETIME nokey", r"$-1\r\n"),
            ("OBJECT FREQ nokey", r"$-1\r\n"),
            ("SET a aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", r"+OK\r\n"),
            ("OBJECT ENCODING a", r"$6\r\nembstr\r\n"),
            ("SET a aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", r"+OK\r\n"),
            ("OBJECT ENCODING a", r"$3\r\nraw\r\n"),
            ("RANDOMKEY", r"$1\r\na\r\n"),
            ("DEL a", r":1\r\n"),
            ("RANDOMKEY", r"$-1\r\n"),
        ],
    );
}
#[test]
fn rename() {
    check(
        Protocol::Resp2,
        &[
            ("SET a 1 EX 100", r"+OK\r\n"),
            ("RENAME a b", r"+OK\r\n"),
            ("GET a", r"$-1\r\n"),
            ("GET b", r"$1\r\n1\r\n"),
            ("TTL b", r":100\r\n"),
            ("SET c 2", r"+OK\r\n"),
            ("RENAME c b", r"+OK\r\n"),
            ("GET b", r"$1\r\n2\r\n"),
            ("TTL b", r":-1\r\n"),
            ("RENAME nokey b", r"-ERR no such key\r\n"),
            ("RENAME nokey nokey", r"-ERR no such key\r\n"),
            ("RENAME b b", r"+OK\r\n"),
            ("RENAMENX b b", r":0\r\n"),
            ("RENAMENX nokey b", r"-ERR no such key\r\n"),
            ("RENAMENX nokey nokey", r"-ERR no such key\r\n"),
            ("SET d 3", r"+OK\r\n"),
            ("RENAMENX b d", r":0\r\n"),
            ("RENAMENX b e", r":1\r\n"),
            ("GET e", r"$1\r\n2\r\n"),
            ("EXISTS b", r":0\r\n"),
        ],
    );
}
#[test]
fn copy_and_move() {
    check(
        Protocol::Resp2,
        &[
            ("SET a 1 EX 100", r"+OK\r\n"),
            ("COPY a b", r":1\r\n"),
            ("GET b", r"$1\r\n1\r\n"),
            ("TTL b", r":100\r\n"),
            ("SET a 2", r"+OK\r\n"),
            ("COPY a b", r":0\r\n"),
            ("COPY a b REPLACE", r":1\r\n"),
            ("GET b", r"$1\r\n2\r\n"),
            ("TTL b", r":-1\r\n"),
            ("COPY nokey b", r":0\r\n"),
            ("COPY nokey b REPLACE", r":0\r\n"),
            ("GET b", r"$1\r\n2\r\n"),
            ("COPY a a", r"-ERR source and destination objects are the same\r\n"),
            ("COPY nokey nokey", r"-ERR source and destination objects are the same\r\n"),
            ("COPY a a DB 0", r"-ERR source and destination objects are the same\r\n"),
            ("COPY a a DB 1", r":1\r\n"),
            ("COPY a a DB 1", r":0\r\n"),
            ("COPY a a DB 1 REPLACE", r":1\r\n"),
            ("COPY a b DB", r"-ERR syntax error\r\n"),
            ("COPY a b DB 16", r"-ERR DB index is out of range\r\n"),
            ("COPY a b DB -1", r"-ERR DB index is out of range\r\n"),
            ("COPY a b DB x", r"-ERR value is not an integer or out of range\r\n"),
            (
                "COPY a b DB 3000000000",
                r"-ERR value is out of range, value must between -2147483648 and 2147483647\r\n",
            ),
            ("COPY a b FOO", r"-ERR syntax error\r\n"),
            ("COPY a b DB 99 FOO", r"-ERR DB index is out of range\r\n"),
            ("COPY a b FOO DB 99", r"-ERR syntax error\r\n"),
            ("COPY a b REPLACE REPLACE", r":1\r\n"),
            ("COPY a c db 2 db 0", r":1\r\n"),
            ("GET c", r"$1\r\n2\r\n"),
            ("MOVE a 0", r"-ERR source and destination objects are the same\r\n"),
            ("MOVE a 16", r"-ERR DB index is out of range\r\n"),
            ("MOVE a -1", r"-ERR DB index is out of range\r\n"),
            ("MOVE a x", r"-ERR value is not an integer or out of range\r\n"),
            (
                "MOVE a 2147483648",
                r"-ERR value is out of range, value must between -2147483648 and 2147483647\r\n",
            ),
            ("MOVE nokey 1", r":0\r\n"),
            ("MOVE nokey 0", r"-ERR source and destination objects are the same\r\n"),
            ("MOVE a 1", r":0\r\n"),
            ("GET a", r"$1\r\n2\r\n"),
            ("MOVE b 1", r":1\r\n"),
            ("EXISTS b", r":0\r\n"),
            ("SET b 3", r"+OK\r\n"),
            ("MOVE b 1", r":0\r\n"),
            ("GET b", r"$1\r\n3\r\n"),
        ],
    );
}
#[test]
fn keys_and_scan() {
    check(
        Protocol::Resp2,
        &[
            ("KEYS *", r"*0\r\n"),
            ("SCAN 0", r"*2\r\n$1\r\n0\r\n*0\r\n"),
            ("KEYS a", r"*0\r\n"),
            ("SET a 1", r"+OK\r\n"),
            ("KEYS a", r"*1\r\n$1\r\na\r\n"),
            ("KEYS b", r"*0\r\n"),
            ("KEYS *", r"*1\r\n$1\r\na\r\n"),
            ("KEYS b*", r"*0\r\n"),
            ("KEYS ?", r"*1\r\n$1\r\na\r\n"),
            ("SCAN 0", r"*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n"),
            (r#"SCAN """#, r"*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n"),
            ("SCAN +0", r"*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n"),
            ("SCAN 00", r"*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n"),
            ("SCAN 0 MATCH a", r"*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n"),
            ("SCAN 0 MATCH b*", r"*2\r\n$1\r\n0\r\n*0\r\n"),
            ("SCAN 0 MATCH *", r"*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n"),
            ("SCAN 0 COUNT 1000000000000", r"*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n"),
            ("SCAN 0 TYPE string", r"*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n"),
            ("SCAN 0 TYPE STRING MATCH a COUNT 5", r"*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n"),
            ("SCAN 0 TYPE list", r"*2\r\n$1\r\n0\r\n*0\r\n"),
            ("SCAN 0 TYPE nosuch", r"*2\r\n$1\r\n0\r\n*0\r\n"),
            ("SCAN 0 MATCH x MATCH a", r"*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n"),
            ("SCAN x", r"-ERR invalid cursor\r\n"),
            (r"SCAN \s0", r"-ERR invalid cursor\r\n"),
            (r"SCAN 0\s", r"-ERR invalid cursor\r\n"),
            ("SCAN -", r"-ERR invalid cursor\r\n"),
            ("SCAN 18446744073709551616", r"-ERR invalid cursor\r\n"),
            ("SCAN x COUNT", r"-ERR invalid cursor\r\n"),
            ("SCAN 0 COUNT", r"-ERR syntax error\r\n"),
            ("SCAN 0 COUNT 0", r"-ERR syntax error\r\n"),
            ("SCAN 0 COUNT -1", r"-ERR syntax error\r\n"),
            ("SCAN 0 COUNT x", r"-ERR value is not an integer or out of range\r\n"),
            (
                "SCAN 0 COUNT 9223372036854775808",
                r"-ERR value is not an integer or out of range\r\n",
            ),
            ("SCAN 0 FOO", r"-ERR syntax error\r\n"),
            ("SCAN 0 FOO 1", r"-ERR syntax error\r\n"),
            ("SCAN 0 MATCH", r"-ERR syntax error\r\n"),
            ("SCAN 0 COUNT 0 FOO", r"-ERR syntax error\r\n"),
            ("SCAN 0 TYPE", r"-ERR syntax error\r\n"),
            ("SET b 1", r"+OK\r\n"),
            ("EXPIRE b 1", r":1\r\n"),
            ("@1100", ""),
            ("KEYS b", r"*0\r\n"),
            ("KEYS *", r"*1\r\n$1\r\na\r\n"),
            ("SCAN 0", r"*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n"),
        ],
    );
}
#[test]
fn sort_knows_no_collection_yet() {
    check(
        Protocol::Resp2,
        &[
            ("SORT nokey", r"*0\r\n"),
            ("SORT nokey BY * GET # GET a* ASC DESC ALPHA LIMIT 0 -1", r"*0\r\n"),
            ("SET a v", r"+OK\r\n"),
            ("SORT a", r"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
            ("SORT a FOO", r"-ERR syntax error\r\n"),
            ("SORT a LIMIT x 1", r"-ERR value is not an integer or out of range\r\n"),
            ("SORT a LIMIT 1", r"-ERR syntax error\r\n"),
            ("SORT a LIMIT 1 x", r"-ERR value is not an integer or out of range\r\n"),
            ("SORT nokey LIMIT 0", r"-ERR syntax error\r\n"),
            ("SORT nokey BY", r"-ERR syntax error\r\n"),
            ("SORT nokey GET", r"-ERR syntax error\r\n"),
            ("SORT nokey STORE", r"-ERR syntax error\r\n"),
            (
                "SORT a STORE b",
                r"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
            ),
            ("SORT nokey STORE a", r":0\r\n"),
            ("GET a", r"$-1\r\n"),
            ("SORT nokey STORE nokey", r":0\r\n"),
            ("SORT_RO nokey", r"*0\r\n"),
            ("SORT_RO nokey STORE a", r"-ERR syntax error\r\n"),
            ("SORT_RO nokey BY * LIMIT -5 9999999999", r"*0\r\n"),
            ("SET a v", r"+OK\r\n"),
            (
                "SORT_RO a",
                r"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
            ),
        ],
    );
}
#[test]
fn wait_has_no_replica_to_wait_for() {
    check(
        Protocol::Resp2,
        &[
            ("WAIT 0 0", r":0\r\n"),
            ("WAIT -1 0", r":0\r\n"),
            ("WAIT 0 1000", r":0\r\n"),
            ("WAIT x 0", r"-ERR value is not an integer or out of range\r\n"),
            ("WAIT 0 x", r"-ERR timeout is not an integer or out of range\r\n"),
            ("WAIT 0 -1", r"-ERR timeout is negative\r\n"),
            ("WAIT x x", r"-ERR value is not an integer or out of range\r\n"),
            ("WAIT 0 9223372036854775808", r"-ERR timeout is not an integer or out of range\r\n"),
            ("WAIT 0 1.5", r"-ERR timeout is not an integer or out of range\r\n"),
        ],
    );
}

#[test]
fn whoever_waits_for_a_replica_waits_until_the_timeout() {
    const CENTURY_MS: UnixMs = 100 * 365 * 24 * 3600 * 1000;
    let check = |command: &[&[u8]], flow: Flow, reply: &str| {
        let mut node = Node::new(Protocol::Resp2);
        let bytes = node.run(command);
        assert_eq!((node.flow, bytes.escape_ascii().to_string()), (flow, reply.to_owned()));
    };
    let until = |ms| Flow::SleepUntil(START_MS + ms);
    check(&[b"WAIT", b"1", b"500"], until(500), r":0\r\n");
    check(&[b"WAIT", b"1", b"0"], until(CENTURY_MS), r":0\r\n");
    check(&[b"WAIT", b"1", b"9223370000000000000"], until(CENTURY_MS), r":0\r\n");
    let refused = r"-ERR timeout is out of range\r\n";
    check(&[b"WAIT", b"1", b"9223372036854775807"], Flow::Next, refused);
    check(&[b"WAITAOF", b"0", b"0", b"0"], Flow::Next, r"*2\r\n:0\r\n:0\r\n");
    check(&[b"WAITAOF", b"0", b"1", b"10"], until(10), r"*2\r\n:0\r\n:0\r\n");
}

/// Redis 7.0 has no WAITAOF; these are the words of 7.2.
#[test]
fn waitaof_refuses() {
    check(
        Protocol::Resp2,
        &[
            ("WAITAOF x 0 0", r"-ERR value is not an integer or out of range\r\n"),
            ("WAITAOF 2 0 0", r"-ERR value is out of range, value must between 0 and 1\r\n"),
            ("WAITAOF 0 -1 0", r"-ERR value is out of range, must be positive\r\n"),
            ("WAITAOF 0 x 0", r"-ERR value is out of range, must be positive\r\n"),
            ("WAITAOF 1 0 -1", r"-ERR timeout is negative\r\n"),
            (
                "WAITAOF 1 0 0",
                r"-ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.\r\n",
            ),
        ],
    );
}

#[test]
fn scan_meets_every_key_whatever_the_count() {
    for count in ["1", "7", "1000"] {
        let mut node = Node::new(Protocol::Resp2);
        for index in 0..500 {
            node.run(&[b"SET", format!("key:{index}").as_bytes(), b"v"]);
        }
        let mut seen = std::collections::BTreeSet::new();
        let mut cursor = "0".to_owned();
        for _ in 0..10_000 {
            let reply = node.run(&[b"SCAN", cursor.as_bytes(), b"COUNT", count.as_bytes()]);
            let text = String::from_utf8(reply).unwrap();
            let mut bulks = text.split("\r\n").filter(|line| !line.starts_with(['*', '$']));
            cursor = bulks.next().unwrap().to_owned();
            seen.extend(bulks.filter(|key| !key.is_empty()).map(str::to_owned));
            if cursor == "0" {
                break;
            }
        }
        assert_eq!((cursor.as_str(), seen.len()), ("0", 500), "count {count}");
    }
}

/// SCAN passed over expired keys and left them to the sweeper.
#[test]
fn scan_removes_what_has_expired() {
    check(
        Protocol::Resp2,
        &[
            ("SET gone v PX 5", r"+OK\r\n"),
            ("SET kept v", r"+OK\r\n"),
            ("@5", ""),
            ("SCAN 0 MATCH k* COUNT 100000", r"*2\r\n$1\r\n0\r\n*1\r\n$4\r\nkept\r\n"),
            ("DBSIZE", r":2\r\n"),
            ("SCAN 0 COUNT 100000", r"*2\r\n$1\r\n0\r\n*1\r\n$4\r\nkept\r\n"),
            ("DBSIZE", r":1\r\n"),
        ],
    );
}
