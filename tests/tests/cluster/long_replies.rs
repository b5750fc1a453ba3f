//! Replies longer than a node keeps for its client, told by another node.

use super::{WORKERS, connect};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;
use torc_tests::process::cpu_of;
use torc_tests::resp::encode;
use torc_tests::ring::{self, Node};
use torc_tests::wait;

const ELEMENTS: usize = 400_000;

/// What a node may take for a reply that its client does not read: the window, what sockets and allocator keep, and what else it does meanwhile.
const KEPT_MAX: u64 = 24 << 20;

fn rss_bytes(node: &Node) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

fn element(n: usize) -> String {
    format!("{n:0100}")
}

/// A list of which a reply takes 43 MB, at a ring of three.
fn ring_with_a_list() -> Vec<Node> {
    let nodes = ring::ring(3, WORKERS);
    let mut client = connect(&nodes[0]);
    for first in (0..ELEMENTS).step_by(1_000) {
        let words = ["RPUSH".to_owned(), "list".to_owned()].into_iter();
        let request: Vec<String> = words.chain((first..first + 1_000).map(element)).collect();
        assert_eq!(client.call(&request).unwrap().integer(), Some((first + 1_000) as i64));
    }
    nodes
}

fn ask(node: &Node, request: &[&str]) -> TcpStream {
    let mut socket = TcpStream::connect(node.place.plain).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket.write_all(&encode(request)).unwrap();
    socket
}

#[test]
fn a_client_that_does_not_read_costs_no_memory_and_gets_all() {
    let nodes = ring_with_a_list();
    let elements = (0..ELEMENTS).map(|n| format!("$100\r\n{}\r\n", element(n)));
    let whole = format!("*{ELEMENTS}\r\n") + &elements.collect::<String>();
    let before: Vec<u64> = nodes.iter().map(rss_bytes).collect();
    let clients = nodes.iter().map(|node| ask(node, &["LRANGE", "list", "0", "-1"]));
    let mut clients: Vec<TcpStream> = clients.collect();
    // Longer than a node waits for another's answer.
    thread::sleep(Duration::from_secs(8));
    for (node, before) in nodes.iter().zip(before) {
        let more = rss_bytes(node).saturating_sub(before);
        assert!(more < KEPT_MAX, "{} KiB more than before", more / 1024);
        connect(node).call(&["LLEN", "list"]).unwrap();
    }
    for client in &mut clients {
        let mut reply = vec![0; whole.len()];
        client.read_exact(&mut reply).unwrap();
        assert!(reply == whole.as_bytes());
    }
}

#[test]
fn a_reply_without_end_ends_with_its_client() {
    let nodes = ring::ring(3, WORKERS);
    connect(&nodes[0]).run("SADD set a b c");
    for node in &nodes {
        let mut client = ask(node, &["SRANDMEMBER", "set", "-9223372036854775807"]);
        let mut reply = vec![0; 32 << 20];
        client.read_exact(&mut reply).unwrap();
        assert!(reply.starts_with(b"*9223372036854775807\r\n$1\r\n"));
        assert!(rss_bytes(node) < 4 * KEPT_MAX, "{} KiB", rss_bytes(node) / 1024);
    }
    // Nobody goes on telling it.
    let cpu = |node: &Node| cpu_of(&format!("/proc/{}/stat", node.pid()));
    let is_at_rest = |node: &Node| {
        let before = cpu(node);
        thread::sleep(Duration::from_secs(1));
        cpu(node) - before < Duration::from_millis(400)
    };
    for node in &nodes {
        wait::until("the node to be at rest", Duration::from_secs(20), || is_at_rest(node));
        assert_eq!(connect(node).run("SCARD set").integer(), Some(3));
    }
}
