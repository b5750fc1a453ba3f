//! What the other clients of a script's own worker hear while the script takes long.

use super::{Node, expect, line, request, wait_until};
use std::io::Write as _;

const BUSY: &str =
    "-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.\r\n";

/// A node with a single worker.
fn node(name: &str) -> Node {
    Node::with(name, &["--workers", "1", "--busy-reply-threshold", "50"])
}

/// A node with a single worker heard nobody while a script kept it, and killed each at `busy-reply-threshold`.
#[test]
fn the_only_worker_answers_its_clients_while_it_runs_a_script() {
    let mut node = node("long");
    let [mut script, mut other, mut waiting, gone] = [(); 4].map(|()| node.connect());
    for mut client in [&waiting, &gone] {
        client.write_all(b"BLPOP list 0\r\n").unwrap();
    }
    wait_until(|| node.instance.clients.blocked() == 2);
    script.write_all(request(&["EVAL", "while true do end", "0"]).as_bytes()).unwrap();
    wait_until(|| node.instance.scripts.standing.is_busy());
    for _ in 0..3 {
        other.write_all("GET a\r\n".repeat(40).as_bytes()).unwrap();
        expect(&mut other, BUSY.repeat(40).as_bytes());
    }
    // What these send, or that one goes, waits for the end of the script.
    script.write_all(b"PING\r\n").unwrap();
    waiting.write_all(b"PING\r\n").unwrap();
    drop(gone);
    let mut newcomer = node.connect();
    newcomer.write_all(b"PING\r\nSCRIPT KILL\r\n").unwrap();
    expect(&mut newcomer, BUSY.as_bytes());
    expect(&mut newcomer, b"+OK\r\n");
    assert!(line(&mut script).starts_with("-ERR Script killed by user with SCRIPT KILL"));
    expect(&mut script, b"+PONG\r\n");
    // The connection goes on as ever, with another script that takes long too.
    script.write_all(request(&["EVAL", "while true do end", "0"]).as_bytes()).unwrap();
    wait_until(|| node.instance.scripts.standing.is_busy());
    newcomer.write_all(b"SCRIPT KILL\r\n").unwrap();
    expect(&mut newcomer, b"+OK\r\n");
    assert!(line(&mut script).starts_with("-ERR Script killed by user with SCRIPT KILL"));
    wait_until(|| node.instance.clients.blocked() == 1);
    other.write_all(b"RPUSH list a\r\nLLEN list\r\n").unwrap();
    expect(&mut other, b":1\r\n:0\r\n");
    expect(&mut waiting, b"*2\r\n$4\r\nlist\r\n$1\r\na\r\n+PONG\r\n");
    node.stop();
}

/// SHUTDOWN ends what SCRIPT KILL cannot.
#[test]
fn a_script_that_has_written_is_ended_by_a_shutdown() {
    let mut node = node("written");
    let [mut script, mut other] = [(); 2].map(|()| node.connect());
    // To look at all keys it needs the store for itself, so that it begins anew before it writes.
    let text = "redis.call('KEYS', '*') redis.call('SET', KEYS[1], 1) while true do end";
    script.write_all(request(&["EVAL", text, "1", "a"]).as_bytes()).unwrap();
    wait_until(|| node.instance.scripts.standing.is_busy());
    other.write_all(b"SCRIPT KILL\r\n").unwrap();
    assert!(line(&mut other).starts_with("-UNKILLABLE"));
    other.write_all(b"SHUTDOWN NOSAVE\r\n").unwrap();
    node.stop();
}
