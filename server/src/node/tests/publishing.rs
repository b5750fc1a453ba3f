//! Subscribers without sockets: what comes behind a command's own reply, what waits for other nodes, and what time does.

use super::{Node, Peer};
use crate::admin::pubsub::PeerLink;
use crate::cluster::testing::view;
use crate::node::plane::{Lone, Plane};
use std::sync::Arc;
use torc_protocol::peer::publish::decode_interest;

#[test]
fn own_messages_stand_between_the_replies() {
    let mut node = Node::with_mailbox(&[]);
    let mut peer = node.connect();
    node.ask(&mut peer, b"hello 3\r\n");
    // In one pipeline: the message was published before the client left the channel.
    assert_eq!(
        node.ask(
            &mut peer,
            b"subscribe a\r\npublish a 1\r\nunsubscribe a\r\npublish a 2\r\nping\r\n"
        ),
        r">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n:1\r\n>3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\n1\r\n>3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:0\r\n:0\r\n+PONG\r\n"
    );
    assert_eq!(node.told(&mut peer), "");
}

#[test]
fn a_publishers_messages_keep_their_order() {
    let mut node = Node::with_mailbox(&[]);
    let (mut reader, mut writer) = (node.connect(), node.connect());
    node.ask(&mut reader, b"subscribe a\r\npsubscribe b*\r\n");
    let mut expected = String::new();
    for number in 1000..1500 {
        let (channel, head) = match number % 2 {
            0 => ("a", r"*3\r\n$7\r\nmessage\r\n"),
            _ => ("b", r"*4\r\n$8\r\npmessage\r\n$2\r\nb*\r\n"),
        };
        node.send(&mut writer, format!("publish {channel} {number}\r\n").as_bytes());
        expected += &format!(r"{head}$1\r\n{channel}\r\n$4\r\n{number}\r\n");
        // However the turns of the worker fall between them.
        if number % 7 == 0 {
            node.tell(&mut [&mut reader, &mut writer]);
        }
    }
    node.tell(&mut [&mut reader, &mut writer]);
    assert_eq!(reader.replies(), expected);
    assert!(writer.replies().replace(r":1\r\n", "").is_empty());
}

#[test]
fn an_expired_key_is_told_before_what_takes_its_place() {
    let mut node = Node::with_mailbox(&[("notify-keyspace-events", "Eg$xmn")]);
    let (mut reader, mut writer) = (node.connect(), node.connect());
    node.send(&mut writer, b"set k v px 10\r\n");
    node.ask(&mut reader, b"psubscribe *\r\n");
    node.advance(10);
    node.send(&mut writer, b"get k\r\nset k w\r\n");
    node.send(&mut writer, b"pexpire k 5\r\n");
    node.advance(5);
    node.send(&mut writer, b"set k x\r\n");
    node.tell(&mut [&mut reader]);
    let pushes = reader.replies();
    let events: Vec<&str> = pushes
        .split("__keyevent@0__:")
        .skip(1)
        .map(|rest| rest.split('\\').next().unwrap_or_default())
        .collect();
    assert_eq!(
        events,
        ["expired", "keymiss", "new", "set", "expire", "expired", "new", "set"],
        "{pushes}"
    );
}

/// A node of a ring of two, and its side of the link by which it tells the other of its subscribers.
fn node_of_two() -> (Node, PeerLink) {
    let mut node = Node::with_mailbox(&[]);
    node.instance.cluster.publish(Arc::new(view(2)));
    node.worker.join_ring(Plane::new(Box::new(Lone), 1));
    node.instance.pubsub.told().start();
    let mut link = PeerLink::default();
    link.open(node.instance.pubsub.interests());
    node.instance.pubsub.confirm(std::iter::once(&link));
    (node, link)
}

impl Node {
    /// What the client is answered by now.
    fn answered(&mut self, peer: &mut Peer) -> String {
        self.worker.on_time(&self.instance);
        self.take_answers(peer);
        peer.replies()
    }
}

#[test]
fn who_is_told_that_he_subscribed_is_known_to_all_nodes() {
    let (mut node, mut link) = node_of_two();
    let mut peer = node.connect();
    assert_eq!(
        node.ask(&mut peer, b"ping\r\nsubscribe a\r\nsubscribe b\r\nping\r\n"),
        r"+PONG\r\n",
        "all else waits behind the first"
    );
    let (changes, change) = node.instance.pubsub.take_changes().unwrap();
    assert_eq!(changes.len(), 2);
    link.change((&changes, change), || panic!("there is little to tell"));
    let payload = link.next_payload().expect("something to tell");
    let (head, entries) = decode_interest(&payload).unwrap();
    assert_eq!((head.anew, head.change, entries.count()), (true, 2, 2));
    assert_eq!(node.answered(&mut peer), "");
    // The first of two changes is confirmed: nothing overtakes the second.
    link.confirmed(1);
    node.instance.pubsub.confirm(std::iter::once(&link));
    assert_eq!(node.answered(&mut peer), r"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
    link.confirmed(2);
    node.instance.pubsub.confirm(std::iter::once(&link));
    assert_eq!(
        node.answered(&mut peer),
        r"*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n*2\r\n$4\r\npong\r\n$0\r\n\r\n"
    );
    assert!(node.worker.plane().is_some_and(|plane| plane.is_idle()));
}

#[test]
fn a_node_that_does_not_answer_keeps_nobody_waiting_for_long() {
    let (mut node, link) = node_of_two();
    let mut peer = node.connect();
    node.send(&mut peer, b"ssubscribe a\r\n");
    node.advance(999);
    assert_eq!(node.answered(&mut peer), "");
    assert!(node.worker.next_wake().is_some());
    node.advance(1);
    assert_eq!(node.answered(&mut peer), r"*3\r\n$10\r\nssubscribe\r\n$1\r\na\r\n:1\r\n");
    // Once no link is open, nobody waits at all.
    drop(link);
    node.instance.pubsub.confirm(std::iter::empty());
    assert_eq!(
        node.ask(&mut peer, b"subscribe b\r\n"),
        r"*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:1\r\n"
    );
}
