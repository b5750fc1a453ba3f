//! Scripts of commands; what is expected was recorded from redis-server 7.0.15.

use crate::command::testing::check;
use torc_protocol::Protocol;

#[test]
fn fields_are_set_read_counted_and_removed() {
    check(
        Protocol::Resp2,
        &[
            ("HSET h a 1 b 2", r":2\r\n"),
            ("HSET h a 3 c 4", r":1\r\n"),
            ("HGET h a", r"$1\r\n3\r\n"),
            ("HGET h nope", r"$-1\r\n"),
            (
                "HGETALL h",
                r"*6\r\n$1\r\na\r\n$1\r\n3\r\n$1\r\nb\r\n$1\r\n2\r\n$1\r\nc\r\n$1\r\n4\r\n",
            ),
            ("HSET h a", r"-ERR wrong number of arguments for \'hset\' command\r\n"),
            ("HMSET h a 1 b", r"-ERR wrong number of arguments for \'hmset\' command\r\n"),
            ("HINCRBY h a 5", r":8\r\n"),
            ("HINCRBY h new -5", r":-5\r\n"),
            ("HDEL h new", r":1\r\n"),
            ("HSET h text x", r":1\r\n"),
            ("HINCRBY h text 1", r"-ERR hash value is not an integer\r\n"),
            ("HINCRBYFLOAT h a 0.5", r"$3\r\n8.5\r\n"),
            ("HINCRBYFLOAT h text 0.5", r"-ERR hash value is not a float\r\n"),
            ("HLEN h", r":4\r\n"),
            ("TYPE h", r"+hash\r\n"),
            ("OBJECT ENCODING h", r"$8\r\nlistpack\r\n"),
            ("HSTRLEN h a", r":3\r\n"),
            ("GET h", r"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
            ("HDEL h a b c text text", r":4\r\n"),
            ("EXISTS h", r":0\r\n"),
            ("SET s x", r"+OK\r\n"),
            ("HGET s f", r"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
            (
                "HSET s f v",
                r"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
            ),
            ("HSETNX h f 1", r":1\r\n"),
            ("HSETNX h f 2", r":0\r\n"),
            ("EXPIRE h 100", r":1\r\n"),
            ("HSET h g 1", r":1\r\n"),
            ("TTL h", r":100\r\n"),
            ("RENAME h other", r"+OK\r\n"),
            ("HMGET other f g x", r"*3\r\n$1\r\n1\r\n$1\r\n1\r\n$-1\r\n"),
            ("TTL other", r":100\r\n"),
            ("COPY other h", r":1\r\n"),
            ("HVALS h", r"*2\r\n$1\r\n1\r\n$1\r\n1\r\n"),
            ("HSCAN h 0 MATCH f*", r"*2\r\n$1\r\n0\r\n*2\r\n$1\r\nf\r\n$1\r\n1\r\n"),
            ("HSCAN nope 0 COUNT 0", r"*2\r\n$1\r\n0\r\n*0\r\n"),
            ("HSCAN h x", r"-ERR invalid cursor\r\n"),
            ("HSCAN h 0 COUNT 0", r"-ERR syntax error\r\n"),
            ("HRANDFIELD nope", r"$-1\r\n"),
            ("HRANDFIELD nope 3", r"*0\r\n"),
            ("DEL other", r":1\r\n"),
        ],
    );
}
