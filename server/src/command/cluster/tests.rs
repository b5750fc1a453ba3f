//! CLUSTER on a node of a ring of three, whose third node is dead.

use super::*;
use crate::cluster::member::Transport::Plain;
use crate::cluster::testing::members;
use crate::command::testing::Node;
use torc_protocol::Protocol;

/// Node 1 of the ring.
fn node(protocol: Protocol) -> Node {
    let node = Node::new(protocol);
    let mut list = members(3);
    list[2].alive = false;
    node.instance.cluster.publish(Arc::new(View::build(list, NodeId(1), 3)));
    node
}

/// `ID2` in a script stands for node 2's name. The slot of "foo" is 12182.
fn check(script: &[(&str, &str)]) {
    let mut node = node(Protocol::Resp2);
    let fill = |text: &str| {
        [1, 2, 3].iter().fold(text.to_string(), |text, &id| {
            text.replace(&format!("ID{id}"), &NodeId(id).text())
        })
    };
    let filled: Vec<(String, String)> = script.iter().map(|(a, b)| (fill(a), fill(b))).collect();
    node.check(&filled.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect::<Vec<_>>());
}

#[test]
fn names_and_slots() {
    check(&[
        ("CLUSTER MYID", "$40\\r\\nID1\\r\\n"),
        ("CLUSTER KEYSLOT foo", ":12182\\r\\n"),
        ("CLUSTER KEYSLOT {foo}bar", ":12182\\r\\n"),
        ("CLUSTER COUNTKEYSINSLOT 12182", ":0\\r\\n"),
        ("CLUSTER GETKEYSINSLOT 12182 10", "*0\\r\\n"),
        ("SET foo 1", "+OK\\r\\n"),
        ("SET other 1", "+OK\\r\\n"),
        ("CLUSTER COUNTKEYSINSLOT 12182", ":1\\r\\n"),
        ("CLUSTER GETKEYSINSLOT 12182 10", "*1\\r\\n$3\\r\\nfoo\\r\\n"),
        ("CLUSTER GETKEYSINSLOT 12182 0", "*0\\r\\n"),
        ("MSET {foo}1 a {foo}2 b {foo}3 c", "+OK\\r\\n"),
        ("CLUSTER COUNTKEYSINSLOT 12182", ":4\\r\\n"),
        ("PEXPIRE foo 5", ":1\\r\\n"),
        ("@5", ""),
        ("CLUSTER COUNTKEYSINSLOT 12182", ":3\\r\\n"),
        ("CLUSTER COUNTKEYSINSLOT 16384", "-ERR Invalid slot\\r\\n"),
        ("CLUSTER COUNTKEYSINSLOT -1", "-ERR Invalid slot\\r\\n"),
        ("CLUSTER COUNTKEYSINSLOT x", "-ERR value is not an integer or out of range\\r\\n"),
        ("CLUSTER GETKEYSINSLOT 16384 1", "-ERR Invalid slot or number of keys\\r\\n"),
        ("CLUSTER GETKEYSINSLOT 1 -1", "-ERR Invalid slot or number of keys\\r\\n"),
        ("CLUSTER GETKEYSINSLOT 1 x", "-ERR value is not an integer or out of range\\r\\n"),
    ]);
    let mut node = node(Protocol::Resp2);
    node.check(&[("MSET {foo}1 a {foo}2 b {foo}3 c", "+OK\\r\\n")]);
    assert!(node.run(&[b"CLUSTER", b"GETKEYSINSLOT", b"12182", b"2"]).starts_with(b"*2\r\n"));
}

#[test]
fn other_nodes() {
    check(&[
        ("CLUSTER REPLICAS ID2", "*0\\r\\n"),
        ("CLUSTER SLAVES ID2", "*0\\r\\n"),
        ("CLUSTER REPLICAS x", "-ERR Unknown node x\\r\\n"),
        ("CLUSTER COUNT-FAILURE-REPORTS ID2", ":0\\r\\n"),
        ("CLUSTER COUNT-FAILURE-REPORTS ID3", ":1\\r\\n"),
        ("CLUSTER COUNT-FAILURE-REPORTS x", "-ERR Unknown node x\\r\\n"),
        ("CLUSTER LINKS", "*0\\r\\n"),
        ("CLUSTER FORGET x\\r\\ny", "-ERR Unknown node x  y\\r\\n"),
        ("CLUSTER FORGET ID1", "-ERR I tried hard but I can\\'t forget myself...\\r\\n"),
        (
            "CLUSTER FORGET ID2",
            "-ERR The node is alive: make it leave instead, with SHUTDOWN or \\'torc leave\\'\\r\\n",
        ),
        ("CLUSTER FORGET ID3", "+OK\\r\\n"),
    ]);
}

#[test]
fn forgetting_is_handed_to_the_control_thread() {
    let mut node = node(Protocol::Resp2);
    let name = NodeId(3).text();
    let forget: [&[u8]; 3] = [b"CLUSTER", b"FORGET", name.as_bytes()];
    assert_eq!(node.run(&forget), b"+OK\r\n");
    let handle = &node.instance.cluster;
    assert_eq!(handle.next_request(), Some(ControlRequest::Forget(NodeId(3))));
    assert_eq!(handle.next_request(), None);
    // Nobody takes the orders any more.
    let replies: Vec<Vec<u8>> = (0..100).map(|_| node.run(&forget)).collect();
    assert!(replies.last().unwrap().starts_with(b"-ERR the control thread is busy"));
}

#[test]
fn slots_move_by_themselves() {
    for command in [
        "ADDSLOTS 1",
        "ADDSLOTSRANGE 1 2",
        "BUMPEPOCH",
        "DELSLOTS 1",
        "DELSLOTSRANGE 1 2",
        "FAILOVER",
        "FLUSHSLOTS",
        "MEET 127.0.0.1 7000",
        "REPLICATE x",
        "RESET",
        "SAVECONFIG",
        "SET-CONFIG-EPOCH 1",
        "SETSLOT 1 STABLE",
    ] {
        let refused = "-ERR changing the cluster by hand is not supported by Torc: slots move by themselves as nodes join and leave\\r\\n";
        check(&[(&format!("CLUSTER {command}"), refused)]);
    }
}

#[test]
fn the_replies_of_the_view() {
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        let mut node = node(protocol);
        let view = node.instance.cluster.view().unwrap();
        assert_eq!(node.run(&[b"cluster", b"slots"]), view.slots_reply(protocol, Plain));
        assert_eq!(node.run(&[b"cluster", b"shards"]), view.shards_reply(protocol));
        let nodes = String::from_utf8(node.run(&[b"cluster", b"nodes"])).unwrap();
        assert!(nodes.starts_with(if protocol == Protocol::Resp2 { "$" } else { "=" }), "{nodes}");
        assert!(nodes.ends_with(&format!("{}\r\n", view.nodes_text(Plain))));
        let info = String::from_utf8(node.run(&[b"cluster", b"info"])).unwrap();
        assert!(info.contains("cluster_state:ok\r\ncluster_slots_assigned:16384\r\n"), "{info}");
    }
}

#[test]
fn copies_are_read_on_demand() {
    let mut node = node(Protocol::Resp2);
    node.check(&[("READONLY", "+OK\\r\\n")]);
    assert!(node.session.reads_copies);
    node.check(&[("READWRITE", "+OK\\r\\n"), ("ASKING", "+OK\\r\\n")]);
    assert!(!node.session.reads_copies);
    node.check(&[("READONLY", "+OK\\r\\n"), ("RESET", "+RESET\\r\\n")]);
    assert!(!node.session.reads_copies);
}
