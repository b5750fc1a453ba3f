//! Streams under hostile arguments, and many clients that wait for one.

use super::{LIMIT, beside_a_working_client};
use torc_tests::resp::encode;
use torc_tests::{Connection, Value, start_node, wait};

/// Counts, ids and lengths at the edges of what numbers can hold: each is answered, and nothing grows with them.
#[test]
fn arguments_at_the_edges_are_answered() {
    let server = start_node!(&[]);
    let mut client = server.connect();
    client.run("XGROUP CREATE s g 0 MKSTREAM");
    client.run("XADD s 1-1 f v");
    beside_a_working_client(&server, || {
        let ids =
            ["0-0", "18446744073709551615-18446744073709551615", "-", "+", "(1", "x", "", "1-1"];
        let counts = ["0", "-1", "9223372036854775807", "-9223372036854775808", "x", ""];
        for id in ids {
            for count in counts {
                for command in [
                    vec!["XRANGE", "s", id, "+", "COUNT", count],
                    vec!["XREVRANGE", "s", "+", id, "COUNT", count],
                    vec!["XREAD", "COUNT", count, "STREAMS", "s", id],
                    vec!["XREADGROUP", "GROUP", "g", "c", "COUNT", count, "STREAMS", "s", id],
                    vec!["XPENDING", "s", "g", id, "+", count],
                    vec!["XPENDING", "s", "g", "IDLE", count, id, "+", count],
                    vec!["XCLAIM", "s", "g", "c", count, id, "IDLE", count],
                    vec!["XCLAIM", "s", "g", "c", "0", id, "FORCE", "RETRYCOUNT", count],
                    vec!["XCLAIM", "s", "g", "c", "0", id, "TIME", count, "LASTID", id],
                    vec!["XAUTOCLAIM", "s", "g", "c", count, id, "COUNT", count],
                    vec!["XTRIM", "t", "MAXLEN", "~", count, "LIMIT", count],
                    vec!["XADD", "t", "MAXLEN", count, id, "f", "v"],
                    vec!["XADD", "t", "MINID", id, "*", "f", "v"],
                    vec!["XSETID", "t", id, "ENTRIESADDED", count, "MAXDELETEDID", id],
                    vec!["XGROUP", "SETID", "s", "g", id, "ENTRIESREAD", count],
                    vec!["XINFO", "STREAM", "s", "FULL", "COUNT", count],
                    vec!["XDEL", "t", id],
                    vec!["XACK", "s", "g", id],
                ] {
                    let reply = client.call(&command).unwrap();
                    assert!(
                        !matches!(reply, Value::Simple(_)) || reply.text() == "OK",
                        "{command:?}"
                    );
                }
            }
        }
    });
    assert_eq!(client.run("PING").text(), "PONG");
    assert_eq!(client.run("XLEN s").integer(), Some(1));
}

fn await_blocked(client: &mut Connection, count: usize) {
    let line = format!("\nblocked_clients:{count}\r");
    wait::until("so many clients wait", LIMIT, || {
        client.run("INFO clients").text().contains(&line)
    });
}

/// Two hundred clients read one stream: an entry wakes all. As many read for a group: each entry goes to the one that came first.
#[test]
fn all_readers_are_woken_and_a_group_shares() {
    const CLIENTS: usize = 200;
    let server = start_node!(&[]);
    let mut main = server.connect();
    main.run("XGROUP CREATE s g $ MKSTREAM");
    let mut readers: Vec<Connection> = (0..CLIENTS).map(|_| server.connect()).collect();
    for reader in &mut readers {
        reader.send(&encode(&["XREAD", "BLOCK", "0", "STREAMS", "s", "$"])).unwrap();
    }
    let mut members: Vec<Connection> = (0..CLIENTS).map(|_| server.connect()).collect();
    for (index, member) in members.iter_mut().enumerate() {
        let read =
            ["XREADGROUP", "GROUP", "g", "c", "COUNT", "1", "BLOCK", "0", "STREAMS", "s", ">"];
        member.send(&encode(&read)).unwrap();
        if index % 20 == 19 {
            await_blocked(&mut main, CLIENTS + index + 1);
        }
    }
    let ids: Vec<String> = (0..CLIENTS).map(|_| main.run("XADD s * f v").text()).collect();
    let first_id = |reply: Vec<u8>| {
        let reply = Value::parse(&reply).expect("a whole reply");
        reply.items()[0].items()[1].items()[0].items()[0].text()
    };
    for reader in &mut readers {
        assert_eq!(first_id(reader.read_reply().unwrap()), ids[0]);
    }
    let got: Vec<String> =
        members.iter_mut().map(|member| first_id(member.read_reply().unwrap())).collect();
    let (mut sorted, mut expected) = (got, ids);
    sorted.sort();
    expected.sort();
    assert_eq!(sorted, expected, "each entry went to one member");
    await_blocked(&mut main, 0);
}
