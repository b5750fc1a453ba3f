//! Numbers at the edges of what they can be, wherever a command takes one: each is answered, and nothing grows with them.

use super::{LIMIT, MIB, beside_a_working_client};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use torc_tests::resp::encode;
use torc_tests::{Server, Value, start_node, wait};

/// In commands `#` stands for a number.
const COMMANDS: &[&str] = &[
    "APPEND s #",
    "BITCOUNT s # #",
    "BITCOUNT s # # BIT",
    "BITFIELD s GET u8 #",
    "BITFIELD s INCRBY i64 0 #",
    "BITFIELD s OVERFLOW FAIL SET u63 0 #",
    "BITPOS s # # #",
    "BITPOS s 1 # # BIT",
    "BLMOVE l m LEFT LEFT -#",
    "BLMPOP 0.01 # l LEFT COUNT #",
    "BZMPOP 0.01 # z MIN COUNT #",
    "CLIENT LIST ID #",
    "CLIENT NO-EVICT #",
    "CLIENT UNBLOCK #",
    "COPY s t DB #",
    "DECRBY n #",
    "EVAL return{ARGV[1]} # s t",
    "EXPIRE e # NX",
    "EXPIREAT e # GT",
    "FCALL f # s",
    "GEOADD g # # m",
    "GEORADIUS g # # # km COUNT #",
    "GEOSEARCH g FROMLONLAT # # BYRADIUS # m COUNT #",
    "GEOSEARCH g FROMLONLAT # # BYBOX # # km ASC COUNT # ANY",
    "GETEX e EX #",
    "GETEX e PXAT #",
    "GETRANGE s # #",
    "HINCRBY h n #",
    "HINCRBYFLOAT h f #",
    "HRANDFIELD h -#",
    "HRANDFIELD h # WITHVALUES",
    "HSCAN h # COUNT #",
    "INCRBY n #",
    "INCRBYFLOAT f #",
    "LATENCY HISTOGRAM #",
    "LCS s s MINMATCHLEN # IDX",
    "LINDEX l #",
    "LMPOP # l m LEFT COUNT #",
    "LPOP m #",
    "LPOS l v RANK # COUNT # MAXLEN #",
    "LRANGE l # #",
    "LREM m # v",
    "LSET l # v",
    "LTRIM m # #",
    "MEMORY USAGE l SAMPLES #",
    "MOVE e #",
    "OBJECT FREQ #",
    "PEXPIRE e #",
    "PSETEX e # v",
    "RESTORE r # x",
    "RESTORE r 0 x IDLETIME # FREQ #",
    "RPOP m #",
    "SCAN # COUNT #",
    "SELECT #",
    "SET e v EX #",
    "SET e v PX #",
    "SET e v EXAT #",
    "SET e v PXAT #",
    "SETBIT s # #",
    "SETEX e # v",
    "SINTERCARD # t u LIMIT #",
    "SLOWLOG GET #",
    "SORT l LIMIT # # ALPHA",
    "SPOP u #",
    "SRANDMEMBER t -#",
    "SRANDMEMBER t #",
    "SSCAN t # COUNT #",
    "SWAPDB # #",
    "WAIT # 1",
    "WAIT 0 #",
    "ZADD z # m",
    "ZADD z INCR # m",
    "ZCOUNT z # #",
    "ZDIFF # z y",
    "ZINCRBY z # m",
    "ZINTERCARD # z y LIMIT #",
    "ZLEXCOUNT z [# [#",
    "ZMPOP # y MIN COUNT #",
    "ZPOPMAX y #",
    "ZRANDMEMBER z -#",
    "ZRANDMEMBER z # WITHSCORES",
    "ZRANGE z # #",
    "ZRANGE z # # BYSCORE LIMIT # #",
    "ZRANGE z - + BYLEX LIMIT # #",
    "ZRANGESTORE y z # #",
    "ZREMRANGEBYRANK y # #",
    "ZREMRANGEBYSCORE y # #",
    "ZSCAN z # COUNT #",
    "ZUNION # z y WEIGHTS # #",
    "ACL GENPASS #",
    "ACL LOG #",
    "COMMAND GETKEYS EVAL x # k",
    "COMMAND GETKEYS ZUNION # k",
    "CONFIG SET maxclients #",
    "CONFIG SET timeout #",
    "DEBUG SLEEP -#",
    "HELLO #",
];

const EDGES: &[&str] = &[
    "0",
    "1",
    "-1",
    "2147483648",
    "4294967296",
    "9223372036854775807",
    "-9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e308",
    "inf",
    "-inf",
    "nan",
    "0.0000000001",
    "",
];

fn start_with_data() -> Server {
    let server = start_node!(&[]);
    let mut client = server.connect();
    for command in [
        "SET s text",
        "RPUSH l v w v",
        "SADD t a b c",
        "SADD u a b d",
        "ZADD z 1 a 2 b",
        "ZADD y 1 a 2 c",
        "HSET h f 1 n 2",
        "GEOADD g 1 1 a",
    ] {
        client.run(command);
    }
    server
}

/// Sends `command` and reads what begins to be answered; however much that is, no more of it is read. The next command is answered on another connection.
fn ask(server: &Server, command: &[&str]) {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.write_all(&encode(command)).unwrap();
    let mut answer = [0; 4096];
    let read = stream.read(&mut answer).unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(read > 0, "{command:?} was not answered");
}

#[test]
fn numbers_at_the_edges_are_answered() {
    let server = start_with_data();
    let before = server.rss_bytes();
    for command in COMMANDS {
        for edge in EDGES {
            let words: Vec<String> =
                command.split(' ').map(|word| word.replace('#', edge)).collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            ask(&server, &words);
        }
        let grown = server.rss_bytes().saturating_sub(before) / MIB;
        assert!(grown < 200, "{command} took {grown} MiB");
        server.connect().run("CONFIG SET maxclients 10000");
    }
    assert_eq!(server.connect().run("PING").text(), "PONG");
}

#[test]
fn as_many_random_elements_as_there_are_numbers() {
    let server = start_with_data();
    let before = server.rss_bytes();
    let count = "-9223372036854775807";
    beside_a_working_client(&server, || {
        let mut all = Vec::new();
        for words in [["HRANDFIELD", "h"], ["SRANDMEMBER", "t"], ["ZRANDMEMBER", "z"]] {
            // One that takes some of it, and one that takes nothing more.
            let mut reader = TcpStream::connect(server.address()).unwrap();
            let mut deaf = TcpStream::connect(server.address()).unwrap();
            for stream in [&mut reader, &mut deaf] {
                stream.write_all(&encode(&[words[0], words[1], count])).unwrap();
            }
            let mut some = vec![0; 20 << 20];
            reader.read_exact(&mut some).unwrap();
            assert!(some.starts_with(b"*9223372036854775807\r\n$1\r\n"), "{words:?}");
            all.extend([reader, deaf]);
            let grown = server.rss_bytes().saturating_sub(before) / MIB;
            assert!(grown < 100, "{words:?} took {grown} MiB");
        }
    });
    wait::until("their memory comes back", LIMIT, || server.rss_bytes() < before + 50 * MIB);
}

#[test]
fn random_elements_in_a_step_are_bounded() {
    let server = start_with_data();
    let mut client = server.connect();
    let many = "-9223372036854775807";
    let refused = "ERR value is out of range, the reply would exceed 64 MiB";
    for words in [["HRANDFIELD", "h"], ["SRANDMEMBER", "t"], ["ZRANDMEMBER", "z"]] {
        client.run("MULTI");
        client.call(&[words[0], words[1], many]).unwrap();
        client.call(&[words[0], words[1], "-5000"]).unwrap();
        let replies = client.run("EXEC");
        let Value::Array(_, replies) = replies else { panic!("{replies:?}") };
        assert_eq!(replies[0].text(), refused);
        let Value::Array(_, elements) = &replies[1] else { panic!("{replies:?}") };
        assert_eq!(elements.len(), 5000);
        let script = format!("return redis.pcall('{}', '{}', ARGV[1])", words[0], words[1]);
        assert_eq!(client.call(&["EVAL", &script, "0", many]).unwrap().text(), refused);
    }
}
