//! Clients that track, without sockets: what comes behind their own replies, what others' commands bring them, and who is told when the table is full.

use super::{Node, Peer, Progress, Verdict, run};
use crate::admin::mailbox::Fed;

impl Node {
    /// What the worker does at the end of its turn: hands out news for these clients.
    fn tell(&mut self, peers: &mut [&mut Peer]) {
        self.worker.tell_changes(&self.instance);
        let (items, lost) = self.instance.clients.mailboxes.workers()[0].take_feed();
        assert!(!lost.trackers);
        for item in items {
            let Fed::Invalidation(push) = item else { continue };
            let found = peers.iter_mut().find(|peer| peer.client.session.id == push.client);
            let Some(Peer { client, out, .. }) = found else { continue };
            let mut bytes = Vec::new();
            let session = &client.session;
            push.told.render(session.protocol, session.is_subscribed(), &mut bytes);
            client.append_news(&bytes, push.is_own, out);
        }
    }

    fn tracker(&mut self, options: &str) -> Peer {
        let mut peer = self.connect();
        self.send(&mut peer, b"hello 3\r\n");
        self.send(&mut peer, format!("client tracking on {options}\r\n").as_bytes());
        assert!(peer.replies().ends_with(r"+OK\r\n"));
        peer.out.clear();
        peer
    }
}

fn push(key: &str) -> String {
    format!(r">2\r\n$10\r\ninvalidate\r\n*1\r\n${}\r\n{key}\r\n", key.len())
}

#[test]
fn own_changes_stand_behind_their_replies() {
    let mut node = Node::with_mailbox(&[]);
    let mut peer = node.tracker("");
    node.send(&mut peer, b"get a\r\nset a 1\r\nset a 2\r\nget a\r\nincr a\r\nping\r\n");
    let expected = format!(r"_\r\n+OK\r\n{0}+OK\r\n$1\r\n2\r\n:3\r\n{0}+PONG\r\n", push("a"));
    assert_eq!(peer.replies(), expected);
}

#[test]
fn others_changes_are_told_once_until_the_key_is_read_again() {
    let mut node = Node::with_mailbox(&[]);
    let (mut reader, mut writer) = (node.tracker(""), node.connect());
    node.send(&mut reader, b"mget a b\r\n");
    reader.out.clear();
    node.send(&mut writer, b"set a 1\r\nset a 2\r\nset c 1\r\n");
    node.tell(&mut [&mut reader]);
    assert_eq!(reader.replies(), push("a"));
    node.send(&mut writer, b"set a 3\r\ndel b\r\nset b 1\r\n");
    node.tell(&mut [&mut reader]);
    assert_eq!(reader.replies(), push("b"), "a key that was not there is not changed by DEL");
}

#[test]
fn a_key_that_a_read_finds_expired_is_read_as_absent() {
    let mut node = Node::with_mailbox(&[]);
    let (mut reader, mut writer) = (node.tracker(""), node.connect());
    node.send(&mut writer, b"set k v px 10\r\n");
    node.advance(10);
    node.send(&mut reader, b"get k\r\n");
    assert_eq!(reader.replies(), r"_\r\n", "what was read is that it is gone");
    node.send(&mut writer, b"set k w px 10\r\n");
    node.tell(&mut [&mut reader]);
    assert_eq!(reader.replies(), push("k"));
    node.send(&mut reader, b"get k\r\n");
    reader.out.clear();
    node.advance(10);
    node.send(&mut reader, b"get k\r\n");
    assert_eq!(reader.replies(), format!(r"_\r\n{}", push("k")));
    node.send(&mut writer, b"set k x\r\n");
    node.tell(&mut [&mut reader]);
    assert_eq!(reader.replies(), push("k"));
}

#[test]
fn whoever_reads_into_a_full_table_has_others_told() {
    let mut node = Node::with_mailbox(&[("tracking-table-max-keys", "2")]);
    let (mut first, mut second) = (node.tracker(""), node.tracker(""));
    node.send(&mut first, b"mget a b\r\n");
    first.out.clear();
    assert_eq!(node.instance.tracking.keys(), 2);
    node.send(&mut second, b"mget c d\r\n");
    assert_eq!(node.instance.tracking.keys(), 2);
    node.tell(&mut [&mut first, &mut second]);
    let told = |peer: &mut Peer| peer.replies().matches("invalidate").count();
    assert_eq!(told(&mut first) + told(&mut second), 2);
}

#[test]
fn the_store_tells_while_somebody_tracks() {
    let mut node = Node::with_mailbox(&[]);
    assert!(!node.instance.store.tells_changes());
    let (mut first, mut second) = (node.tracker(""), node.tracker("bcast prefix a"));
    assert_eq!(node.instance.tracking.clients(), 2);
    node.send(&mut first, b"client tracking off\r\nclient tracking off\r\n");
    assert!(node.instance.store.tells_changes());
    node.send(&mut second, b"reset\r\n");
    assert!(!node.instance.store.tells_changes());
    assert_eq!((node.instance.tracking.clients(), node.instance.tracking.prefixes()), (0, 0));
}

#[test]
fn in_a_transaction_tracking_begins_with_the_store_alone() {
    let mut node = Node::with_mailbox(&[]);
    let mut peer = node.connect();
    node.send(&mut peer, b"hello 3\r\n");
    peer.out.clear();
    node.send(&mut peer, b"multi\r\nclient tracking on\r\nget a\r\nset a 1\r\nexec\r\nping\r\n");
    let expected = format!(
        r"+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n+OK\r\n_\r\n+OK\r\n{}+PONG\r\n",
        push("a")
    );
    assert_eq!(peer.replies(), expected);
}

#[test]
fn news_wait_for_the_end_of_a_long_reply() {
    let mut node = Node::with_mailbox(&[]);
    let (mut reader, mut writer) = (node.tracker("optin"), node.connect());
    let elements = " e".repeat(5_000);
    node.send(&mut writer, format!("rpush l{elements}\r\n").as_bytes());
    node.send(&mut reader, b"client caching yes\r\n");
    reader.out.clear();
    reader.input.extend_from_slice(b"lrange l 0 -1\r\n");
    let Peer { client, input, out } = &mut reader;
    let Progress { consumed, verdict } = run(client, input, out, &mut node.worker, &node.instance);
    assert_eq!((consumed, verdict), (0, Verdict::More), "the reply has more than one piece");
    node.send(&mut writer, b"rpush l more\r\n");
    node.tell(&mut [&mut reader]);
    node.send(&mut reader, b"client trackinginfo\r\n");
    let replies = reader.replies();
    let reply = format!(r"*5000\r\n{}{}", r"$1\r\ne\r\n".repeat(5_000), push("l"));
    let rest = replies.strip_prefix(&reply).expect("the push stands behind the reply");
    assert!(!rest.contains("caching-yes"), "CLIENT CACHING spoke of one command: {rest}");
}

#[test]
fn a_client_that_waits_hears_of_other_keys_at_once() {
    let mut node = Node::with_mailbox(&[]);
    let (mut reader, mut writer) = (node.tracker(""), node.connect());
    node.send(&mut reader, b"get k\r\n");
    reader.out.clear();
    node.send(&mut reader, b"blpop l 0\r\n");
    node.send(&mut writer, b"set k 1\r\n");
    node.tell(&mut [&mut reader]);
    assert_eq!(reader.replies(), push("k"));
}
