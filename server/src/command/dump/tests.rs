//! Replies recorded from redis-server 7.0.15.

use crate::command::testing::check;
use torc_protocol::Protocol::Resp2;

#[test]
fn payloads_are_written_read_and_refused() {
    check(
        Resp2,
        &[
            (r"SET k foobar", r"+OK\r\n"),
            (r"DUMP k", r"$18\r\n\x00\x06foobar\n\x00;L<\xf6\xb7\xee{\xae\r\n"),
            (r"DUMP absent", r"$-1\r\n"),
            (r"SET n -129", r"+OK\r\n"),
            (r"DUMP n", r"$14\r\n\x00\xc1\x7f\xff\n\x00\x17`\x82(T\x80\x84\x80\r\n"),
            (r"SET z aaaaaaaaaaaaaaaaaaaaaaaaa", r"+OK\r\n"),
            (
                r"DUMP z",
                r"$23\r\n\x00\xc3\t\x19\x01aa\xe0\x0c\x00\x01aa\n\x00\xd0\x8dg\x00\x9b\x1b\x83\xb3\r\n",
            ),
            (
                r"RESTORE r 0 \x00\x03\x61\x62\x63\x0a\x00\xd9\xac\x30\x3d\x41\x72\xa2\xe2",
                r"+OK\r\n",
            ),
            (r"GET r", r"$3\r\nabc\r\n"),
            (
                r"RESTORE r 0 \x00\x03\x61\x62\x63\x0a\x00\xd9\xac\x30\x3d\x41\x72\xa2\xe2",
                r"-BUSYKEY Target key name already exists.\r\n",
            ),
            (r"RESTORE r 0 bad FOO", r"-ERR syntax error\r\n"),
            (r"RESTORE r x bad", r"-BUSYKEY Target key name already exists.\r\n"),
            (
                r"RESTORE r 0 \x00\x03\x61\x62\x63\x0a\x00\xd9\xac\x30\x3d\x41\x72\xa2\xe2 REPLACE",
                r"+OK\r\n",
            ),
            (r"DEL r", r":1\r\n"),
            (
                r"RESTORE r 0 \x00\x03\x61\x62\x63\x01\x00\xed\xe8\xd1\x0e\xb3\x92\xe9\xb1",
                r"+OK\r\n",
            ),
            (r"GET r", r"$3\r\nabc\r\n"),
            (r"DEL r", r":1\r\n"),
            (
                r"RESTORE r 0 \x00\x03\x61\x62\x63\x0c\x00\x12\xda\x04\xfd\xbb\x58\x3c\xab",
                r"-ERR DUMP payload version or checksum are wrong\r\n",
            ),
            (r"GET r", r"$-1\r\n"),
            (r"DEL r", r":0\r\n"),
            (
                r"RESTORE r 0 \x00\x03\x61\x62\x63\x0a\x00\x00\x00\x00\x00\x00\x00\x00\x00",
                r"-ERR DUMP payload version or checksum are wrong\r\n",
            ),
            (r"GET r", r"$-1\r\n"),
            (r"DEL r", r":0\r\n"),
            (
                r"RESTORE r 0 \x73\x68\x6f\x72\x74",
                r"-ERR DUMP payload version or checksum are wrong\r\n",
            ),
            (r"GET r", r"$-1\r\n"),
            (r"DEL r", r":0\r\n"),
            (r"RESTORE r 0 \x0a\x00\x5d\x9b\x5c\x40\x0f\x7f\xa2\xda", r"-ERR Bad data format\r\n"),
            (r"GET r", r"$-1\r\n"),
            (r"DEL r", r":0\r\n"),
            (
                r"RESTORE r 0 \x00\x05\x61\x62\x63\x0a\x00\xf7\xe1\x46\xe6\xd2\x57\x5e\xfd",
                r"+OK\r\n",
            ),
            (r"GET r", r"$5\r\nabc\n\x00\r\n"),
            (r"DEL r", r":1\r\n"),
            (
                r"RESTORE r 0 \x00\x0e\x61\x62\x63\x0a\x00\xd1\xa5\xc7\x18\xef\x2a\xc7\x3e",
                r"-ERR Bad data format\r\n",
            ),
            (r"GET r", r"$-1\r\n"),
            (r"DEL r", r":0\r\n"),
            (
                r"RESTORE r 0 \x00\x82\x85\x0a\x00\x9f\x9b\x74\xec\xa3\x82\xd8\x1a",
                r"-ERR Bad data format\r\n",
            ),
            (r"GET r", r"$-1\r\n"),
            (r"DEL r", r":0\r\n"),
            (
                r"RESTORE r 0 \x00\xc4\x85\x0a\x00\xac\xa3\x00\xf3\x7c\x9e\xdc\xe5",
                r"-ERR Bad data format\r\n",
            ),
            (r"GET r", r"$-1\r\n"),
            (r"DEL r", r":0\r\n"),
            (
                r"RESTORE r 0 \x00\x81\x00\x00\x00\x00\x00\x00\x00\x03\x61\x62\x63\x0a\x00\x33\xe0\xdc\xd8\x4c\xcd\xe6\x67",
                r"+OK\r\n",
            ),
            (r"GET r", r"$3\r\nabc\r\n"),
            (r"DEL r", r":1\r\n"),
            (
                r"RESTORE r 0 \x00\x81\xff\xff\xff\xff\xff\xff\xff\xff\x0a\x00\xe7\xec\x61\xdc\x36\x1a\x1f\x57",
                r"-ERR Bad data format\r\n",
            ),
            (r"GET r", r"$-1\r\n"),
            (r"DEL r", r":0\r\n"),
            (r"RESTORE r 0 \x00\xc1\x85\x01\x0a\x00\x9d\x8b\x40\x77\x72\x1b\x8f\x78", r"+OK\r\n"),
            (r"GET r", r"$3\r\n389\r\n"),
            (r"DEL r", r":1\r\n"),
            (
                r"RESTORE r 0 \x00\xc3\x08\x16\x01\x40\x40\xe0\x0a\x00\x00\x40\x0a\x00\x93\x50\xb2\xdc\x6b\x47\x1e\x3c",
                r"+OK\r\n",
            ),
            (r"GET r", r"$22\r\n@@@@@@@@@@@@@@@@@@@@@@\r\n"),
            (r"DEL r", r":1\r\n"),
            (
                r"RESTORE r 0 \x00\xc3\x08\x17\x01\x40\x40\xe0\x0a\x00\x00\x40\x0a\x00\xf5\x7d\x29\xf5\xca\x9d\x77\x1d",
                r"-ERR Bad data format\r\n",
            ),
            (r"GET r", r"$-1\r\n"),
            (r"DEL r", r":0\r\n"),
            (
                r"RESTORE r 0 \x00\xc3\x02\x00\x00\x40\x0a\x00\x42\x69\x31\x90\x00\xe8\x13\x25",
                r"+OK\r\n",
            ),
            (r"GET r", r"$0\r\n\r\n"),
            (r"DEL r", r":1\r\n"),
            (
                r"RESTORE r 0 \x00\xc3\x05\x80\xff\xff\xff\xff\x00\x40\x20\x01\x00\x0a\x00\x1e\xc1\xe2\x86\xea\xa3\xcd\x0e",
                r"-ERR Bad data format\r\n",
            ),
            (r"GET r", r"$-1\r\n"),
            (r"DEL r", r":0\r\n"),
            (
                r"RESTORE r 0 \xff\x00\x0a\x00\x35\x52\xb4\x81\x36\x68\xf3\xf2",
                r"-ERR Bad data format\r\n",
            ),
            (r"GET r", r"$-1\r\n"),
            (r"DEL r", r":0\r\n"),
            (r"RESTORE r -1 bad", r"-ERR Invalid TTL value, must be >= 0\r\n"),
            (r"RESTORE r x bad", r"-ERR value is not an integer or out of range\r\n"),
            (
                r"RESTORE r 9223372036854775807 \x00\x03\x61\x62\x63\x0a\x00\xd9\xac\x30\x3d\x41\x72\xa2\xe2",
                r"+OK\r\n",
            ),
            (r"EXISTS r", r":0\r\n"),
            (
                r"RESTORE r 1 \x00\x03\x61\x62\x63\x0a\x00\xd9\xac\x30\x3d\x41\x72\xa2\xe2 ABSTTL",
                r"+OK\r\n",
            ),
            (r"EXISTS r", r":0\r\n"),
            (r"SET r 1", r"+OK\r\n"),
            (
                r"RESTORE r 1 \x00\x03\x61\x62\x63\x0a\x00\xd9\xac\x30\x3d\x41\x72\xa2\xe2 ABSTTL REPLACE",
                r"+OK\r\n",
            ),
            (r"EXISTS r", r":0\r\n"),
            (
                r"RESTORE r 0 \x00\x03\x61\x62\x63\x0a\x00\xd9\xac\x30\x3d\x41\x72\xa2\xe2 IDLETIME -1",
                r"-ERR Invalid IDLETIME value, must be >= 0\r\n",
            ),
            (
                r"RESTORE r 0 \x00\x03\x61\x62\x63\x0a\x00\xd9\xac\x30\x3d\x41\x72\xa2\xe2 IDLETIME x",
                r"-ERR value is not an integer or out of range\r\n",
            ),
            (
                r"RESTORE r 0 \x00\x03\x61\x62\x63\x0a\x00\xd9\xac\x30\x3d\x41\x72\xa2\xe2 IDLETIME",
                r"-ERR syntax error\r\n",
            ),
            (
                r"RESTORE r 0 \x00\x03\x61\x62\x63\x0a\x00\xd9\xac\x30\x3d\x41\x72\xa2\xe2 FREQ 256",
                r"-ERR Invalid FREQ value, must be >= 0 and <= 255\r\n",
            ),
            (
                r"RESTORE r 0 \x00\x03\x61\x62\x63\x0a\x00\xd9\xac\x30\x3d\x41\x72\xa2\xe2 FREQ -1",
                r"-ERR Invalid FREQ value, must be >= 0 and <= 255\r\n",
            ),
            (
                r"RESTORE r 0 \x00\x03\x61\x62\x63\x0a\x00\xd9\xac\x30\x3d\x41\x72\xa2\xe2 FREQ x",
                r"-ERR value is not an integer or out of range\r\n",
            ),
            (
                r"RESTORE r 0 \x00\x03\x61\x62\x63\x0a\x00\xd9\xac\x30\x3d\x41\x72\xa2\xe2 FREQ 5 IDLETIME 5",
                r"-ERR syntax error\r\n",
            ),
            (
                r"RESTORE r 0 \x00\x03\x61\x62\x63\x0a\x00\xd9\xac\x30\x3d\x41\x72\xa2\xe2 IDLETIME 5 FREQ 5",
                r"-ERR syntax error\r\n",
            ),
            (
                r"RESTORE r 0 \x00\x03\x61\x62\x63\x0a\x00\xd9\xac\x30\x3d\x41\x72\xa2\xe2 IDLETIME 5 IDLETIME 6 REPLACE",
                r"+OK\r\n",
            ),
            (
                r"RESTORE r 0 \x00\x03\x61\x62\x63\x0a\x00\xd9\xac\x30\x3d\x41\x72\xa2\xe2 REPLACE NX",
                r"-ERR syntax error\r\n",
            ),
            (r"OBJECT IDLETIME r", r":6\r\n"),
        ],
    );
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
