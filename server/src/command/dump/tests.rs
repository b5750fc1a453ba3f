//! Replies recorded from redis-server 7.0.15.

use crate::command::testing::{check, check_file};
use torc_protocol::Protocol::Resp2;

#[test]
fn payloads_are_written_read_and_refused() {
    check_file(include_str!("payloads.txt"));
}

#[test]
fn restored_keys_expire() {
    let payload = r"\x00\x03\x61\x62\x63\x0a\x00\xd9\xac\x30\x3d\x41\x72\xa2\xe2";
    let restore =
        |key: &str, rest: &str| format!("RESTORE {key} {rest}").replace("PAYLOAD", payload);
    check(
        Resp2,
        &[
            (&restore("r", "5000 PAYLOAD"), r"+OK\r\n"),
            (&restore("a", "1700000009000 PAYLOAD ABSTTL"), r"+OK\r\n"),
            ("PTTL r", r":5000\r\n"),
            ("PTTL a", r":9000\r\n"),
            ("@5000", ""),
            ("GET r", r"$-1\r\n"),
            ("PTTL a", r":4000\r\n"),
            (&restore("a", "0 PAYLOAD REPLACE"), r"+OK\r\n"),
            ("PTTL a", r":-1\r\n"),
            (&restore("a", "1700000005000 PAYLOAD REPLACE ABSTTL"), r"+OK\r\n"),
            ("EXISTS a", r":0\r\n"),
        ],
    );
}

#[test]
fn version_11_is_read_although_10_is_written() {
    // Redis 7.0 refuses what 7.2 writes; a node that data moves to should take both.
    let payload = r"\x00\x03abc\x0b\x00\xb0\x73\x8d\x4e\xbc\xed\x4b\x6b";
    check(Resp2, &[(&format!("RESTORE r 0 {payload}"), r"+OK\r\n"), ("GET r", r"$3\r\nabc\r\n")]);
}
