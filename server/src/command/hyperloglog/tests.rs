//! Replies recorded from redis-server 7.0.15.

use crate::command::testing::check;
use torc_protocol::Protocol::Resp2;

#[test]
fn elements_are_added_counted_and_merged() {
    check(
        Resp2,
        &[
            (r"PFADD h", r":1\r\n"),
            (r"GET h", r"$18\r\nHYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x7f\xff\r\n"),
            (r"PFADD h", r":0\r\n"),
            (r"PFADD h a b c", r":1\r\n"),
            (r"PFADD h a b c", r":0\r\n"),
            (
                r"GET h",
                r"$27\r\nHYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80`\xf3\x80P\xb1\x84K\xfb\x80BZ\r\n",
            ),
            (r"PFCOUNT h", r":3\r\n"),
            (
                r"GET h",
                r"$27\r\nHYLL\x01\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00`\xf3\x80P\xb1\x84K\xfb\x80BZ\r\n",
            ),
            (r"PFADD i c d e", r":1\r\n"),
            (r"PFCOUNT h i", r":5\r\n"),
            (r"PFCOUNT h absent", r":3\r\n"),
            (r"PFCOUNT absent", r":0\r\n"),
            (r"PFMERGE m h i absent", r"+OK\r\n"),
            (
                r"GET m",
                r"$33\r\nHYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\\{\x80Dv\x80P\xb1\x84I\x8c\x80Bm\x80BZ\r\n",
            ),
            (r"PFCOUNT m", r":5\r\n"),
            (
                r"PFDEBUG DECODE m",
                r"$69\r\nZ:7292 v:1,1 Z:1143 v:1,1 Z:4274 v:2,1 Z:2445 v:1,1 Z:622 v:1,1 Z:603\r\n",
            ),
            (r"PFDEBUG ENCODING m", r"+sparse\r\n"),
            (r"PFDEBUG TODENSE m", r":1\r\n"),
            (r"PFDEBUG TODENSE m", r":0\r\n"),
            (r"PFDEBUG ENCODING m", r"+dense\r\n"),
            (r"PFDEBUG DECODE m", r"-ERR HLL encoding is not sparse\r\n"),
            (r"PFDEBUG FOO m", r"-ERR Unknown PFDEBUG subcommand \'FOO\'\r\n"),
            (r"PFDEBUG FOO absent", r"-ERR The specified key does not exist\r\n"),
            (r"PFCOUNT m", r":5\r\n"),
            (r"PFMERGE new", r"+OK\r\n"),
            (
                r"GET new",
                r"$18\r\nHYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x7f\xff\r\n",
            ),
            (r"PFMERGE h m", r"+OK\r\n"),
            (r"PFDEBUG ENCODING h", r"+dense\r\n"),
            (r"PFCOUNT h", r":5\r\n"),
            (r"SET s text", r"+OK\r\n"),
            (r"PFADD s a", r"-WRONGTYPE Key is not a valid HyperLogLog string value.\r\n"),
            (r"PFCOUNT s", r"-WRONGTYPE Key is not a valid HyperLogLog string value.\r\n"),
            (r"PFCOUNT h s", r"-WRONGTYPE Key is not a valid HyperLogLog string value.\r\n"),
            (r"PFMERGE h s", r"-WRONGTYPE Key is not a valid HyperLogLog string value.\r\n"),
            (r"SET bad HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x00", r"+OK\r\n"),
            (r"PFCOUNT bad", r"-INVALIDOBJ Corrupted HLL object detected\r\n"),
            (r"PFCOUNT bad h", r"-INVALIDOBJ Corrupted HLL object detected\r\n"),
            (r"PFADD bad a", r"-INVALIDOBJ Corrupted HLL object detected\r\n"),
            (r"PFMERGE h bad", r"-INVALIDOBJ Corrupted HLL object detected\r\n"),
            (r"PFDEBUG TODENSE bad", r"-INVALIDOBJ Corrupted HLL object detected\r\n"),
            (r"SET short HYLL\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x00", r"+OK\r\n"),
            (r"PFADD short a", r"-WRONGTYPE Key is not a valid HyperLogLog string value.\r\n"),
            (r"PFSELFTEST", r"+OK\r\n"),
        ],
    );
}
