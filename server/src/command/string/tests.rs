//! Scripts of commands; what is expected was recorded from redis-server 7.0.15.

use crate::command::testing::{Node, check};
use std::sync::Arc;
use torc_protocol::{Protocol, Reply};

#[test]
fn set_takes_every_combination_of_options() {
    check(
        Protocol::Resp2,
        &[
            ("SET a 1", r"+OK\r\n"),
            ("GET a", r"$1\r\n1\r\n"),
            ("SET a 2 NX", r"$-1\r\n"),
            ("SET b 2 NX", r"+OK\r\n"),
            ("SET c 2 XX", r"$-1\r\n"),
            ("SET a 3 xx", r"+OK\r\n"),
            ("GET a", r"$1\r\n3\r\n"),
            ("SET a 4 NX XX", r"-ERR syntax error\r\n"),
            ("SET a 4 XX NX", r"-ERR syntax error\r\n"),
            ("SET a 4 NX GET", r"$1\r\n3\r\n"),
            ("GET a", r"$1\r\n3\r\n"),
            ("SET c 5 NX GET", r"$-1\r\n"),
            ("GET c", r"$1\r\n5\r\n"),
            ("SET d 5 XX GET", r"$-1\r\n"),
            ("GET d", r"$-1\r\n"),
            ("SET a 6 GET", r"$1\r\n3\r\n"),
            ("SET a 7 GET GET NX NX", r"$1\r\n6\r\n"),
            ("SET a 1 EX 100", r"+OK\r\n"),
            ("TTL a", r":100\r\n"),
            ("SET a 2 KEEPTTL", r"+OK\r\n"),
            ("TTL a", r":100\r\n"),
            ("SET a 3", r"+OK\r\n"),
            ("TTL a", r":-1\r\n"),
            ("SET a 1 PX 100000 NX", r"$-1\r\n"),
            ("TTL a", r":-1\r\n"),
            ("SET a 1 px 100000 XX GET", r"$1\r\n3\r\n"),
            ("PTTL nokey", r":-2\r\n"),
            ("TTL a", r":100\r\n"),
            ("SET a 1 EXAT 99999999999", r"+OK\r\n"),
            ("EXPIRETIME a", r":99999999999\r\n"),
            ("SET a 1 PXAT 99999999999999", r"+OK\r\n"),
            ("PEXPIRETIME a", r":99999999999999\r\n"),
            ("SET a 1 EX 10 EX 20", r"+OK\r\n"),
            ("TTL a", r":20\r\n"),
            ("SET a 1 KEEPTTL KEEPTTL", r"+OK\r\n"),
            ("TTL a", r":20\r\n"),
            (r#"SET a "" EX 10"#, r"+OK\r\n"),
            ("GET a", r"$0\r\n\r\n"),
            (r#"SET "" x"#, r"+OK\r\n"),
            (r#"GET """#, r"$1\r\nx\r\n"),
            (r"SET b\r\nin \x00\xff", r"+OK\r\n"),
            (r"GET b\r\nin", r"$2\r\n\x00\xff\r\n"),
        ],
    );
}
#[test]
fn set_refuses_what_does_not_fit_together() {
    check(
        Protocol::Resp2,
        &[
            ("SET a 1 EX", r"-ERR syntax error\r\n"),
            ("SET a 1 EX 10 PX 10", r"-ERR syntax error\r\n"),
            ("SET a 1 EX 10 KEEPTTL", r"-ERR syntax error\r\n"),
            ("SET a 1 KEEPTTL EX 10", r"-ERR syntax error\r\n"),
            ("SET a 1 PERSIST", r"-ERR syntax error\r\n"),
            ("SET a 1 FOO", r"-ERR syntax error\r\n"),
            (r#"SET a 1 """#, r"-ERR syntax error\r\n"),
            ("SET a 1 EX 10 NX FOO", r"-ERR syntax error\r\n"),
            ("SET a 1 EX x FOO", r"-ERR syntax error\r\n"),
            ("SET a 1 EX x", r"-ERR value is not an integer or out of range\r\n"),
            ("SET a 1 EX 0", r"-ERR invalid expire time in \'set\' command\r\n"),
            ("SET a 1 EX -1", r"-ERR invalid expire time in \'set\' command\r\n"),
            ("SET a 1 PX 0", r"-ERR invalid expire time in \'set\' command\r\n"),
            ("SET a 1 EXAT 0", r"-ERR invalid expire time in \'set\' command\r\n"),
            ("SET a 1 PXAT -5", r"-ERR invalid expire time in \'set\' command\r\n"),
            ("SET a 1 EX 9223372036854775807", r"-ERR invalid expire time in \'set\' command\r\n"),
            ("SET a 1 EX 9223372036854775", r"-ERR invalid expire time in \'set\' command\r\n"),
            ("SET a 1 PX 9223372036854775807", r"-ERR invalid expire time in \'set\' command\r\n"),
            ("SET a 1 EXAT 9223372036854776", r"-ERR invalid expire time in \'set\' command\r\n"),
            ("SET a 1 EX 9223372036854775808", r"-ERR value is not an integer or out of range\r\n"),
            ("SET a 1 EX 1.5", r"-ERR value is not an integer or out of range\r\n"),
            (r"SET a 1 EX \s10", r"-ERR value is not an integer or out of range\r\n"),
            ("SET a 1 EX 010", r"-ERR value is not an integer or out of range\r\n"),
            ("SET a 1 EX NX", r"-ERR value is not an integer or out of range\r\n"),
            ("EXISTS a", r":0\r\n"),
            ("SET a 1 PXAT 9223372036854775807", r"+OK\r\n"),
            ("PEXPIRETIME a", r":9223372036854775807\r\n"),
        ],
    );
}
#[test]
fn a_deadline_that_has_passed_removes_the_value() {
    check(
        Protocol::Resp2,
        &[
            ("SET a 1", r"+OK\r\n"),
            ("SET a 2 EXAT 1", r"+OK\r\n"),
            ("GET a", r"$-1\r\n"),
            ("SET a 1", r"+OK\r\n"),
            ("SET a 2 PXAT 1 GET", r"$1\r\n1\r\n"),
            ("EXISTS a", r":0\r\n"),
            ("SET a 1", r"+OK\r\n"),
            ("SET a 2 XX PXAT 1", r"+OK\r\n"),
            ("GET a", r"$-1\r\n"),
            ("SET a 2 XX", r"$-1\r\n"),
        ],
    );
}
#[test]
fn the_older_forms_of_set() {
    check(
        Protocol::Resp2,
        &[
            ("SETNX a 1", r":1\r\n"),
            ("SETNX a 2", r":0\r\n"),
            ("GET a", r"$1\r\n1\r\n"),
            ("SETEX a 100 v", r"+OK\r\n"),
            ("TTL a", r":100\r\n"),
            ("PSETEX a 100000 w", r"+OK\r\n"),
            ("TTL a", r":100\r\n"),
            ("GET a", r"$1\r\nw\r\n"),
            ("SETEX a 0 v", r"-ERR invalid expire time in \'setex\' command\r\n"),
            ("SETEX a -1 v", r"-ERR invalid expire time in \'setex\' command\r\n"),
            ("SETEX a x v", r"-ERR value is not an integer or out of range\r\n"),
            ("SETEX a 9223372036854775807 v", r"-ERR invalid expire time in \'setex\' command\r\n"),
            ("PSETEX a 0 v", r"-ERR invalid expire time in \'psetex\' command\r\n"),
            (
                "PSETEX a 9223372036854775807 v",
                r"-ERR invalid expire time in \'psetex\' command\r\n",
            ),
            ("GETSET a new", r"$1\r\nw\r\n"),
            ("TTL a", r":-1\r\n"),
            ("GETSET nokey first", r"$-1\r\n"),
            ("GET nokey", r"$5\r\nfirst\r\n"),
            ("GETDEL a", r"$3\r\nnew\r\n"),
            ("GETDEL a", r"$-1\r\n"),
        ],
    );
}
#[test]
fn null_in_resp3() {
    check(
        Protocol::Resp3,
        &[
            ("RANDOMKEY", r"_\r\n"),
            ("GET nokey", r"_\r\n"),
            ("SET a 1 XX", r"_\r\n"),
            ("SET a 1 GET", r"_\r\n"),
            ("GETDEL nokey", r"_\r\n"),
            ("GETEX nokey", r"_\r\n"),
            ("GETSET n 1", r"_\r\n"),
            ("MGET a nokey", r"*2\r\n$1\r\n1\r\n_\r\n"),
            ("OBJECT ENCODING nokey", r"_\r\n"),
        ],
    );
}
#[test]
fn getex_moves_the_deadline() {
    check(
        Protocol::Resp2,
        &[
            ("SET a v", r"+OK\r\n"),
            ("GETEX a", r"$1\r\nv\r\n"),
            ("TTL a", r":-1\r\n"),
            ("GETEX a EX 100", r"$1\r\nv\r\n"),
            ("TTL a", r":100\r\n"),
            ("GETEX a PX 200000", r"$1\r\nv\r\n"),
            ("TTL a", r":200\r\n"),
            ("GETEX a EXAT 99999999999", r"$1\r\nv\r\n"),
            ("EXPIRETIME a", r":99999999999\r\n"),
            ("GETEX a PXAT 99999999999000", r"$1\r\nv\r\n"),
            ("EXPIRETIME a", r":99999999999\r\n"),
            ("GETEX a PERSIST", r"$1\r\nv\r\n"),
            ("TTL a", r":-1\r\n"),
            ("GETEX a PERSIST PERSIST", r"$1\r\nv\r\n"),
            ("GETEX a EX 0", r"-ERR invalid expire time in \'getex\' command\r\n"),
            ("GETEX a EX x", r"-ERR value is not an integer or out of range\r\n"),
            ("GETEX a EX 10 PERSIST", r"-ERR syntax error\r\n"),
            ("GETEX a PERSIST EX 10", r"-ERR syntax error\r\n"),
            ("GETEX a EX 10 PX 10", r"-ERR syntax error\r\n"),
            ("GETEX a KEEPTTL", r"-ERR syntax error\r\n"),
            ("GETEX a NX", r"-ERR syntax error\r\n"),
            ("GETEX a GET", r"-ERR syntax error\r\n"),
            ("GETEX a EX", r"-ERR syntax error\r\n"),
            ("GETEX nokey EX 0", r"$-1\r\n"),
            ("GETEX nokey EX", r"-ERR syntax error\r\n"),
            ("GETEX a EXAT 1", r"$1\r\nv\r\n"),
            ("GET a", r"$-1\r\n"),
        ],
    );
}
#[test]
fn several_keys_at_once() {
    check(
        Protocol::Resp2,
        &[
            ("MSET a 1 b 2 a 3", r"+OK\r\n"),
            ("MGET a b nokey a", r"*4\r\n$1\r\n3\r\n$1\r\n2\r\n$-1\r\n$1\r\n3\r\n"),
            ("MSET a", r"-ERR wrong number of arguments for \'mset\' command\r\n"),
            ("MSET a 1 b", r"-ERR wrong number of arguments for \'mset\' command\r\n"),
            ("MSET one 1", r"+OK\r\n"),
            ("SET one 1 EX 100", r"+OK\r\n"),
            ("MSET one 2 two 2", r"+OK\r\n"),
            ("TTL one", r":-1\r\n"),
            ("MSETNX a 1 zz 2", r":0\r\n"),
            ("EXISTS zz", r":0\r\n"),
            ("MSETNX z1 1 z1 2", r":1\r\n"),
            ("GET z1", r"$1\r\n2\r\n"),
            ("MSETNX a 1 b", r"-ERR wrong number of arguments for \'msetnx\' command\r\n"),
            ("MSETNX q1 1", r":1\r\n"),
            ("MSETNX q1 1", r":0\r\n"),
            ("DEL a b nokey a", r":2\r\n"),
            ("UNLINK one one", r":1\r\n"),
            ("EXISTS two two nokey", r":2\r\n"),
            ("TOUCH two two nokey", r":2\r\n"),
            ("MSET k1 1 k2 2 k3 3 k4 4 k5 5 k6 6 k7 7 k8 8 k9 9 k10 10 k11 11 k12 12", r"+OK\r\n"),
            ("MGET k1 k5 k12", r"*3\r\n$1\r\n1\r\n$1\r\n5\r\n$2\r\n12\r\n"),
        ],
    );
}
#[test]
fn parts_of_strings() {
    check(
        Protocol::Resp2,
        &[
            (r#"APPEND a """#, r":0\r\n"),
            ("EXISTS a", r":1\r\n"),
            ("GET a", r"$0\r\n\r\n"),
            ("APPEND a Hello", r":5\r\n"),
            (r"APPEND a \sWorld", r":11\r\n"),
            ("GET a", r"$11\r\nHello World\r\n"),
            ("STRLEN a", r":11\r\n"),
            ("STRLEN nokey", r":0\r\n"),
            ("APPEND n 12", r":2\r\n"),
            ("OBJECT ENCODING n", r"$3\r\nint\r\n"),
            ("APPEND n 3", r":3\r\n"),
            ("OBJECT ENCODING n", r"$3\r\nraw\r\n"),
            ("INCR n", r":124\r\n"),
            ("OBJECT ENCODING n", r"$3\r\nint\r\n"),
            (r#"APPEND n """#, r":3\r\n"),
            ("OBJECT ENCODING n", r"$3\r\nraw\r\n"),
            ("SETRANGE a 6 Redis", r":11\r\n"),
            ("GET a", r"$11\r\nHello Redis\r\n"),
            ("SETRANGE b 3 x", r":4\r\n"),
            ("GET b", r"$4\r\n\x00\x00\x00x\r\n"),
            ("OBJECT ENCODING b", r"$3\r\nraw\r\n"),
            (r#"SETRANGE c 5 """#, r":0\r\n"),
            ("EXISTS c", r":0\r\n"),
            ("SET i 12345", r"+OK\r\n"),
            (r#"SETRANGE i 0 """#, r":5\r\n"),
            ("OBJECT ENCODING i", r"$3\r\nint\r\n"),
            ("SETRANGE i 1 x", r":5\r\n"),
            ("GET i", r"$5\r\n1x345\r\n"),
            ("OBJECT ENCODING i", r"$3\r\nraw\r\n"),
            ("SETRANGE i -1 x", r"-ERR offset is out of range\r\n"),
            ("SETRANGE i x x", r"-ERR value is not an integer or out of range\r\n"),
            (
                "SETRANGE i 9223372036854775807 x",
                r"-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n",
            ),
            (
                "SETRANGE i 536870912 x",
                r"-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n",
            ),
            (r#"SETRANGE i 536870912 """#, r":5\r\n"),
            (
                "SETRANGE nokey 536870912 x",
                r"-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n",
            ),
            (r#"SETRANGE nokey -1 """#, r"-ERR offset is out of range\r\n"),
            (
                r#"SETRANGE nokey 9223372036854775808 """#,
                r"-ERR value is not an integer or out of range\r\n",
            ),
            ("GETRANGE a 0 4", r"$5\r\nHello\r\n"),
            ("GETRANGE a -5 -1", r"$5\r\nRedis\r\n"),
            ("GETRANGE a -1 -5", r"$0\r\n\r\n"),
            ("GETRANGE a 5 0", r"$0\r\n\r\n"),
            ("GETRANGE a -100 100", r"$11\r\nHello Redis\r\n"),
            ("GETRANGE a 9223372036854775807 9223372036854775807", r"$0\r\n\r\n"),
            ("GETRANGE a -9223372036854775808 9223372036854775807", r"$11\r\nHello Redis\r\n"),
            ("GETRANGE a x 0", r"-ERR value is not an integer or out of range\r\n"),
            ("GETRANGE a 0 x", r"-ERR value is not an integer or out of range\r\n"),
            ("GETRANGE nokey 0 -1", r"$0\r\n\r\n"),
            ("GETRANGE nokey x -1", r"-ERR value is not an integer or out of range\r\n"),
            ("SUBSTR a 0 4", r"$5\r\nHello\r\n"),
            ("SET t v EX 100", r"+OK\r\n"),
            ("APPEND t w", r":2\r\n"),
            ("TTL t", r":100\r\n"),
            ("SETRANGE t 0 z", r":2\r\n"),
            ("TTL t", r":100\r\n"),
            ("SET num 100", r"+OK\r\n"),
            ("GETRANGE num 0 0", r"$1\r\n1\r\n"),
            ("STRLEN num", r":3\r\n"),
        ],
    );
}
#[test]
fn counters() {
    check(
        Protocol::Resp2,
        &[
            ("INCR a", r":1\r\n"),
            ("INCR a", r":2\r\n"),
            ("DECR a", r":1\r\n"),
            ("INCRBY a 10", r":11\r\n"),
            ("DECRBY a 20", r":-9\r\n"),
            ("GET a", r"$2\r\n-9\r\n"),
            ("OBJECT ENCODING a", r"$3\r\nint\r\n"),
            ("SET a 9223372036854775807", r"+OK\r\n"),
            ("INCR a", r"-ERR increment or decrement would overflow\r\n"),
            ("INCRBY a 1", r"-ERR increment or decrement would overflow\r\n"),
            ("DECRBY a -1", r"-ERR increment or decrement would overflow\r\n"),
            ("DECR a", r":9223372036854775806\r\n"),
            ("SET a -9223372036854775808", r"+OK\r\n"),
            ("DECR a", r"-ERR increment or decrement would overflow\r\n"),
            ("DECRBY a 1", r"-ERR increment or decrement would overflow\r\n"),
            ("DECRBY a -9223372036854775808", r"-ERR decrement would overflow\r\n"),
            ("INCRBY a -1", r"-ERR increment or decrement would overflow\r\n"),
            ("GET a", r"$20\r\n-9223372036854775808\r\n"),
            ("INCRBY a x", r"-ERR value is not an integer or out of range\r\n"),
            (r#"INCRBY a """#, r"-ERR value is not an integer or out of range\r\n"),
            ("INCRBY a 1.0", r"-ERR value is not an integer or out of range\r\n"),
            ("DECRBY a 9223372036854775808", r"-ERR value is not an integer or out of range\r\n"),
            ("DECRBY a x", r"-ERR value is not an integer or out of range\r\n"),
            (r"SET a \s1", r"+OK\r\n"),
            ("INCR a", r"-ERR value is not an integer or out of range\r\n"),
            (r"SET a 1\s", r"+OK\r\n"),
            ("INCR a", r"-ERR value is not an integer or out of range\r\n"),
            ("SET a 01", r"+OK\r\n"),
            ("INCR a", r"-ERR value is not an integer or out of range\r\n"),
            ("SET a +1", r"+OK\r\n"),
            ("INCR a", r"-ERR value is not an integer or out of range\r\n"),
            (r#"SET a """#, r"+OK\r\n"),
            ("INCR a", r"-ERR value is not an integer or out of range\r\n"),
            ("SET a 1.5", r"+OK\r\n"),
            ("INCR a", r"-ERR value is not an integer or out of range\r\n"),
            ("SET a 5 EX 100", r"+OK\r\n"),
            ("INCR a", r":6\r\n"),
            ("TTL a", r":100\r\n"),
            ("DECRBY fresh 9223372036854775807", r":-9223372036854775807\r\n"),
            ("DECR fresh", r":-9223372036854775808\r\n"),
            ("DECR fresh", r"-ERR increment or decrement would overflow\r\n"),
        ],
    );
}
#[test]
fn floats() {
    check(
        Protocol::Resp2,
        &[
            ("INCRBYFLOAT a 1.5", r"$3\r\n1.5\r\n"),
            ("INCRBYFLOAT a -0.5", r"$1\r\n1\r\n"),
            ("OBJECT ENCODING a", r"$6\r\nembstr\r\n"),
            ("SET a 3.0e3", r"+OK\r\n"),
            ("INCRBYFLOAT a 200", r"$4\r\n3200\r\n"),
            ("SET a 5", r"+OK\r\n"),
            ("INCRBYFLOAT a 5", r"$2\r\n10\r\n"),
            ("OBJECT ENCODING a", r"$6\r\nembstr\r\n"),
            ("INCRBYFLOAT a x", r"-ERR value is not a valid float\r\n"),
            (r#"INCRBYFLOAT a """#, r"-ERR value is not a valid float\r\n"),
            ("INCRBYFLOAT a nan", r"-ERR value is not a valid float\r\n"),
            ("INCRBYFLOAT a inf", r"-ERR increment would produce NaN or Infinity\r\n"),
            ("INCRBYFLOAT a -inf", r"-ERR increment would produce NaN or Infinity\r\n"),
            (r"INCRBYFLOAT a \s1", r"-ERR value is not a valid float\r\n"),
            ("SET a abc", r"+OK\r\n"),
            ("INCRBYFLOAT a 1", r"-ERR value is not a valid float\r\n"),
            ("SET a 1 EX 100", r"+OK\r\n"),
            ("INCRBYFLOAT a 0.25", r"$4\r\n1.25\r\n"),
            ("TTL a", r":100\r\n"),
            ("SET a 10.1", r"+OK\r\n"),
            ("INCRBYFLOAT a 0.0001", r"$7\r\n10.1001\r\n"),
            ("INCR a", r"-ERR value is not an integer or out of range\r\n"),
        ],
    );
}
#[test]
fn lcs() {
    check(
        Protocol::Resp2,
        &[
            ("MSET k1 ohmytext k2 mynewtext", r"+OK\r\n"),
            ("LCS k1 k2", r"$6\r\nmytext\r\n"),
            ("LCS k1 k2 LEN", r":6\r\n"),
            (
                "LCS k1 k2 IDX",
                r"*4\r\n$7\r\nmatches\r\n*2\r\n*2\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n*2\r\n*2\r\n:2\r\n:3\r\n*2\r\n:0\r\n:1\r\n$3\r\nlen\r\n:6\r\n",
            ),
            (
                "LCS k1 k2 IDX MINMATCHLEN 4",
                r"*4\r\n$7\r\nmatches\r\n*1\r\n*2\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n$3\r\nlen\r\n:6\r\n",
            ),
            (
                "LCS k1 k2 idx minmatchlen 4 withmatchlen",
                r"*4\r\n$7\r\nmatches\r\n*1\r\n*3\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n:4\r\n$3\r\nlen\r\n:6\r\n",
            ),
            (
                "LCS k1 k2 IDX WITHMATCHLEN MINMATCHLEN -4",
                r"*4\r\n$7\r\nmatches\r\n*2\r\n*3\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n:4\r\n*3\r\n*2\r\n:2\r\n:3\r\n*2\r\n:0\r\n:1\r\n:2\r\n$3\r\nlen\r\n:6\r\n",
            ),
            ("LCS k1 k2 MINMATCHLEN 4", r"$6\r\nmytext\r\n"),
            ("LCS k1 k2 WITHMATCHLEN LEN", r":6\r\n"),
            ("LCS k1 nokey", r"$0\r\n\r\n"),
            ("LCS nokey nokey LEN", r":0\r\n"),
            ("LCS nokey k1 IDX", r"*4\r\n$7\r\nmatches\r\n*0\r\n$3\r\nlen\r\n:0\r\n"),
            (
                "LCS k1 k2 IDX LEN",
                r"-ERR If you want both the length and indexes, please just use IDX.\r\n",
            ),
            ("LCS k1 k2 FOO", r"-ERR syntax error\r\n"),
            ("LCS k1 k2 MINMATCHLEN", r"-ERR syntax error\r\n"),
            ("LCS k1 k2 MINMATCHLEN x", r"-ERR value is not an integer or out of range\r\n"),
            ("MSET n1 12345 n2 2345", r"+OK\r\n"),
            ("LCS n1 n2", r"$4\r\n2345\r\n"),
            ("LCS k1 k1", r"$8\r\nohmytext\r\n"),
        ],
    );
}
#[test]
fn lcs_in_resp3() {
    check(
        Protocol::Resp3,
        &[
            ("MSET k1 ohmytext k2 mynewtext", r"+OK\r\n"),
            (
                "LCS k1 k2 IDX MINMATCHLEN 4 WITHMATCHLEN",
                r"%2\r\n$7\r\nmatches\r\n*1\r\n*3\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n:4\r\n$3\r\nlen\r\n:6\r\n",
            ),
            ("LCS k1 k2 LEN", r":6\r\n"),
            ("LCS k1 nokey", r"$0\r\n\r\n"),
        ],
    );
}

#[test]
fn mget_answers_more_keys_than_it_looks_up_at_once() {
    let mut node = Node::new(Protocol::Resp2);
    let keys: Vec<Vec<u8>> = (0..100).map(|index| format!("key:{index}").into_bytes()).collect();
    for (index, key) in keys.iter().enumerate().filter(|(index, _)| index % 3 != 0) {
        node.run(&[b"SET", key, format!("v{index}").as_bytes()]);
    }
    let words: Vec<&[u8]> =
        std::iter::once(&b"MGET"[..]).chain(keys.iter().map(Vec::as_slice)).collect();
    let mut expected = b"*100\r\n".to_vec();
    let mut reply = Reply::new(&mut expected, Protocol::Resp2);
    for index in 0..100 {
        if index % 3 == 0 { reply.null() } else { reply.bulk(format!("v{index}").as_bytes()) }
    }
    assert_eq!(node.run(&words), expected);
}

#[test]
fn counters_of_several_threads_lose_nothing() {
    let mut node = Node::new(Protocol::Resp2);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            let instance = Arc::clone(&node.instance);
            scope.spawn(move || {
                let mut client = Node::of(instance, Protocol::Resp2);
                for _ in 0..500 {
                    client.run(&[b"INCR", b"whole"]);
                    client.run(&[b"INCRBYFLOAT", b"half", b"0.5"]);
                    client.run(&[b"APPEND", b"text", b"x"]);
                    client.run(&[b"SET", b"first", b"1", b"NX"]);
                }
            });
        }
    });
    node.check(&[
        ("GET whole", r"$4\r\n1500\r\n"),
        ("GET half", r"$3\r\n750\r\n"),
        ("STRLEN text", r":1500\r\n"),
    ]);
}

/// Counted keys that are only ever written would be evicted first, however often that is, if writes were no use of a key.
#[test]
fn writes_make_a_key_popular() {
    let mut node = Node::new(Protocol::Resp2);
    let settings = [("maxmemory-policy", "allkeys-lfu"), ("lfu-log-factor", "0")];
    node.instance.configure(&settings).unwrap();
    let mut frequency = 5;
    for command in [
        "SET a 1",
        "INCR a",
        "SET a 2",
        "SET a 3 XX",
        "SET a 3 GET",
        "GETSET a 3",
        "GETEX a EX 100",
        "GETEX a PERSIST",
        "GET a",
        "APPEND a 3",
        "SETBIT a 1 1",
        "MSET a 1 b 1",
        "RENAME a a2",
        "RENAME a2 a",
    ] {
        let words: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
        node.run(&words);
        if command.ends_with("a2") {
            frequency += 1;
            continue;
        }
        let reply = format!(r":{frequency}\r\n");
        node.check(&[("OBJECT FREQ a", &reply)]);
        frequency += 1;
    }
}

/// MGET read its keys one after the other, so that it could answer one key's value from before an MSET and another's from after it.
#[test]
fn mget_sees_an_mset_whole_or_not_at_all() {
    let mut reader = Node::new(Protocol::Resp2);
    let instance = Arc::clone(&reader.instance);
    let writer = std::thread::spawn(move || {
        let mut node = Node::of(instance, Protocol::Resp2);
        for round in 0..10_000 {
            let value = round.to_string();
            let value = value.as_bytes();
            node.run(&[b"MSET", b"a", value, b"b", value, b"c", value, b"d", value]);
        }
    });
    while !writer.is_finished() {
        let reply = reader.run(&[b"MGET", b"a", b"b", b"c", b"d"]);
        let text = String::from_utf8(reply).unwrap();
        // A length and a value each, or a null for each.
        let values: Vec<&str> = text.lines().filter(|line| !line.starts_with(['*', '$'])).collect();
        assert!(values.iter().all(|value| *value == values[0]), "torn: {text:?}");
        assert!(values.is_empty() || values.len() == 4, "torn: {text:?}");
    }
    writer.join().unwrap();
}
