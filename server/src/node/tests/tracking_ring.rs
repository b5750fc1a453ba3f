//! Clients that track at a node of a ring, without sockets: when they begin, what stands behind what, who tells whom of which keys.

use super::tracking::push;
use super::{Node, Peer, find};
use crate::admin::tracking::TracksLink;
use crate::cluster::NodeId;
use crate::cluster::route::Route;
use crate::cluster::testing::view;
use crate::cluster::view::MemberIndex;
use crate::node::client::Waiting;
use crate::node::plane::{Failure, Lone, Plane, Send};
use crate::store::By;
use std::sync::Arc;
use torc_protocol::peer::changes::{
    Author, begin_changed, decode_changed, decode_tracks, put_changed,
};
use torc_protocol::peer::request::{Request, Response};
use torc_protocol::slot::{SLOT_COUNT, Slot, slot_of};

/// The other node.
const OTHER: NodeId = NodeId(2);

/// A node of a ring of two that serves all slots but that of `away`, and its side of the link by which it tells the other one who tracks.
fn node_of_two(away: &str) -> (Node, TracksLink) {
    let mut node = Node::with_mailbox(&[]);
    let instance = &node.instance;
    instance.cluster.publish(Arc::new(view(2)));
    (0..SLOT_COUNT as u16).filter_map(Slot::new).for_each(|slot| {
        instance.cluster.routes().set(slot, Route::Serve);
    });
    let elsewhere = Route::Forward(MemberIndex(1));
    instance.cluster.routes().set(slot_of(away.as_bytes()), elsewhere);
    // That its slots came to it is no news.
    instance.tracking.look(0, instance.cluster.routes().moves(), 2_000);
    instance.tracking.flush_doubtful(&instance.clients, 0, || 2_000);
    instance.tracking.start(NodeId(1));
    node.worker.join_ring(Plane::new(Box::new(Lone), 1));
    let mut link = TracksLink::default();
    link.open(&node.instance.tracking);
    let (_, change) = tell_tracks(&node, &mut link).expect("a link begins with a word");
    assert!(!link.confirmed(change));
    node.confirm(&link);
    (node, link)
}

/// What the link tells the other node.
fn tell_tracks(node: &Node, link: &mut TracksLink) -> Option<(bool, u64)> {
    if let Some((_, change)) = node.instance.tracking.told().take() {
        link.change(change);
    }
    let payload = link.next_payload(&node.instance.tracking)?;
    Some(decode_tracks(&payload).unwrap())
}

const ALL: &str = r">2\r\n$10\r\ninvalidate\r\n_\r\n";

impl Node {
    fn confirm(&self, link: &TracksLink) {
        self.instance.tracking.confirm(std::iter::once(link));
    }

    /// Hands clients the answers that are there, and lets them go on.
    fn answer_all(&mut self, peers: &mut [&mut Peer]) {
        self.worker.on_time(&self.instance);
        while let Some(answer) = self.worker.next_answer() {
            if let Some(peer) = find(peers, answer.client) {
                let Peer { client, out, .. } = &mut *peer;
                client.answer(answer, out);
                self.send(peer, b"");
            }
        }
    }

    /// A client that tracks, as all nodes know.
    fn ring_tracker(&mut self, link: &mut TracksLink, options: &str) -> Peer {
        let mut peer = self.connect();
        self.send(&mut peer, format!("hello 3\r\nclient tracking on {options}\r\n").as_bytes());
        if let Some((tracks, change)) = tell_tracks(self, link) {
            assert!(tracks);
            link.confirmed(change);
            self.confirm(link);
        }
        self.answer_all(&mut [&mut peer]);
        assert!(peer.replies().ends_with(r"+OK\r\n"));
        peer.client.publish(super::START_MS, Waiting::default());
        peer
    }

    /// The other node tells whether its clients track.
    fn other_tracks(&mut self, source: u64, tracks: bool) {
        let own = (&self.instance.store, &mut self.worker.local, super::START_MS);
        let (told, tracking) = ((tracks, 7), &self.instance.tracking);
        assert_eq!(tracking.hear_tracks((source, OTHER), told, own, || false), Some(7));
    }

    /// What the worker tells the other node: whether all keys may have changed, and those that it names.
    fn names(&mut self) -> (bool, Vec<(String, Option<Author>)>) {
        let mut link = crate::admin::tracking::NewsLink::default();
        link.open(false);
        if let Some(frames) = self.instance.tracking.take_outgoing(0) {
            link.add(&frames);
        }
        let (mut any_all, mut named) = (false, Vec::new());
        while let Some(payload) = link.next_payload() {
            let (all, entries) = decode_changed(&payload).unwrap();
            any_all |= all;
            named.extend(entries.map(|(key, by)| (String::from_utf8(key.to_vec()).unwrap(), by)));
        }
        named.sort_by(|a, b| a.0.cmp(&b.0));
        (any_all, named)
    }

    /// The other node names keys that it has changed.
    fn hear(&self, keys: &[(&str, Option<Author>)]) {
        let mut payload = Vec::new();
        begin_changed(false, &mut payload);
        keys.iter().for_each(|(key, by)| put_changed(key.as_bytes(), *by, &mut payload));
        self.instance.tracking.hear_changed(&self.instance.clients, 0, &payload).unwrap();
    }

    fn respond(&mut self, send: &Send, replies: &[u8]) {
        let mut payload = Vec::new();
        Response::plain(replies).encode(&mut payload).unwrap();
        self.worker.on_response(&self.instance, send.ticket, 0, &payload);
    }
}

#[test]
fn who_is_told_that_he_tracks_reads_nothing_before_all_nodes_know() {
    let (mut node, mut link) = node_of_two("away");
    let mut peer = node.connect();
    node.ask(&mut peer, b"hello 3\r\n");
    assert_eq!(node.ask(&mut peer, b"client tracking on\r\nget away\r\n"), "");
    assert!(node.worker.next_send().is_none(), "the other node would not tell of the key");
    let (tracks, change) = tell_tracks(&node, &mut link).unwrap();
    assert!(tracks);
    node.answer_all(&mut [&mut peer]);
    assert_eq!(peer.replies(), "");
    assert!(!link.confirmed(change));
    node.confirm(&link);
    node.answer_all(&mut [&mut peer]);
    assert_eq!(peer.replies(), r"+OK\r\n");
    let send = node.worker.next_send().expect("the read goes out now");
    assert_eq!(send.to, OTHER);
    // The second one has nobody to wait for.
    let mut second = node.connect();
    node.send(&mut second, b"hello 3\r\nclient tracking on\r\n");
    assert!(second.replies().ends_with(r"+OK\r\n"));
    assert!(tell_tracks(&node, &mut link).is_none());
    // The last one who leaves is told of.
    node.send(&mut second, b"client tracking off\r\n");
    assert!(tell_tracks(&node, &mut link).is_none());
    peer.client.session.untrack(&node.instance);
    assert_eq!(tell_tracks(&node, &mut link), Some((false, change + 1)));
}

#[test]
fn who_is_not_told_in_time_doubts_once_all_know() {
    let (mut node, mut link) = node_of_two("away");
    let mut peer = node.connect();
    node.send(&mut peer, b"hello 3\r\nclient reply off\r\nclient tracking on\r\n");
    node.send(&mut peer, b"client reply on\r\n");
    peer.client.publish(super::START_MS, Waiting::default());
    peer.out.clear();
    node.advance(1_000);
    node.answer_all(&mut [&mut peer]);
    assert_eq!(peer.replies(), r"+OK\r\n", "that is CLIENT REPLY ON's");
    let look = |node: &mut Node| node.worker.look_after_tracking(&node.instance);
    look(&mut node);
    assert_eq!(node.told(&mut peer), "");
    let (_, change) = tell_tracks(&node, &mut link).unwrap();
    link.confirmed(change);
    node.confirm(&link);
    look(&mut node);
    assert_eq!(node.told(&mut peer), ALL);
    // A link that opens while clients track begins with doubt, once the other node has heard it.
    link.lose();
    link.open(&node.instance.tracking);
    let (tracks, change) = tell_tracks(&node, &mut link).unwrap();
    assert!(tracks && link.confirmed(change) && !link.confirmed(change));
}

#[test]
fn news_wait_for_the_reply_of_a_read_that_is_under_way() {
    let (mut node, mut link) = node_of_two("away");
    let mut peer = node.ring_tracker(&mut link, "");
    assert_eq!(node.ask(&mut peer, b"get here\r\nget away\r\nget here\r\n"), r"_\r\n");
    assert_eq!(node.instance.tracking.keys(), 2, "it is noted before the request goes out");
    let send = node.worker.next_send().unwrap();
    node.hear(&[("away", None), ("unread", None)]);
    assert_eq!(node.told(&mut peer), "");
    node.respond(&send, b"$3\r\nold\r\n");
    node.answer_all(&mut [&mut peer]);
    assert_eq!(peer.replies(), format!(r"$3\r\nold\r\n_\r\n{}", push("away")));
    // Once: it has not read the key again.
    node.hear(&[("away", None)]);
    assert_eq!(node.told(&mut peer), "");
}

#[test]
fn what_other_nodes_run_is_noted_by_what_it_declares() {
    let (mut node, mut link) = node_of_two("{a}1");
    let mut peer = node.ring_tracker(&mut link, "");
    node.send(&mut peer, b"multi\r\nget {a}1\r\nset {a}2 v\r\nmget {a}3 {a}4\r\nexec\r\n");
    assert_eq!(node.instance.tracking.keys(), 3);
    node.send(&mut peer, b"eval \"return 1\" 1 {a}5\r\n");
    assert_eq!(node.instance.tracking.keys(), 4);
    let mut sends = Vec::new();
    sends.extend(std::iter::from_fn(|| node.worker.next_send()));
    // Only who tracks says who it is.
    let id = peer.client.session.id;
    let author = |send: &Send| Request::decode(&send.payload).unwrap().author;
    assert!(sends.iter().all(|send| author(send) == Some(Author { node: 1, client: id })));
    let mut other = node.connect();
    node.send(&mut other, b"get {a}1\r\n");
    assert_eq!(author(&node.worker.next_send().unwrap()), None);
}

#[test]
fn noloop_holds_for_what_another_node_did_for_the_client() {
    let (mut node, mut link) = node_of_two("away");
    let mut quiet = node.ring_tracker(&mut link, "noloop");
    let mut loud = node.ring_tracker(&mut link, "");
    let mut prefix = node.ring_tracker(&mut link, "bcast noloop prefix a");
    node.instance.tracking.reads(b"away", quiet.client.session.id);
    node.instance.tracking.reads(b"away", loud.client.session.id);
    let by = |peer: &Peer| Some(Author { node: 1, client: peer.client.session.id });
    node.hear(&[("away", by(&quiet))]);
    node.tell(&mut [&mut quiet, &mut loud, &mut prefix]);
    let pushes = [&mut quiet, &mut loud, &mut prefix].map(|peer| peer.replies());
    assert_eq!(pushes, [String::new(), push("away"), push("away")]);
    // It may have read the key again before it heard of that, so it hears of what others do.
    node.hear(&[("away", by(&prefix))]);
    node.tell(&mut [&mut quiet, &mut loud, &mut prefix]);
    let pushes = [&mut quiet, &mut loud, &mut prefix].map(|peer| peer.replies());
    assert_eq!(pushes, [push("away"), String::new(), String::new()]);
    // Another node's client may have the same number.
    let same = Author { node: OTHER.0, client: prefix.client.session.id };
    node.hear(&[("away", Some(same))]);
    assert_eq!(node.told(&mut prefix), push("away"));
}

#[test]
fn who_serves_a_key_tells_of_it_and_by_whom() {
    let (mut node, _) = node_of_two("away");
    let mut writer = node.connect();
    node.send(&mut writer, b"set early 1\r\n");
    assert!(!node.instance.store.tells_changes());
    node.other_tracks(1, true);
    assert!(node.instance.store.tells_changes());
    node.send(&mut writer, b"set a 1\r\nset a 2\r\nget b\r\ndel nothing\r\nincr c\r\n");
    assert_eq!(node.names(), (false, vec![("a".into(), None), ("c".into(), None)]));
    // What runs for the other node's client says which.
    let author = Some(Author { node: OTHER.0, client: 9 });
    let mut payload = Vec::new();
    let request =
        Request { author, ..Request::plain(b"*3\r\n$3\r\nSET\r\n$1\r\nd\r\n$1\r\n1\r\n") };
    request.encode(&mut payload).unwrap();
    node.worker.on_request(&node.instance, 5, 1, Some(slot_of(b"d")), &payload);
    assert_eq!(node.names(), (false, vec![("d".into(), author)]));
    // And so does what it waited for, though another's command brought it.
    let waits: &[u8] = b"*4\r\n$6\r\nBLMOVE\r\n$4\r\n{q}a\r\n$4\r\n{q}b\r\n$4\r\nLEFT\r\n";
    let waits = [b"*6", &waits[2..], b"$4\r\nLEFT\r\n$1\r\n0\r\n"].concat();
    let request = Request { author, ..Request::plain(&waits) };
    payload.clear();
    request.encode(&mut payload).unwrap();
    node.worker.on_request(&node.instance, 5, 2, Some(slot_of(b"q")), &payload);
    node.send(&mut writer, b"rpush {q}a e\r\n");
    assert_eq!(node.names(), (false, vec![("{q}a".into(), None), ("{q}b".into(), author)]));
    // Expiry is nobody's doing.
    node.send(&mut writer, b"set e 1 px 10\r\n");
    node.names();
    node.advance(10);
    node.send(&mut writer, b"get e\r\n");
    assert_eq!(node.names(), (false, vec![("e".into(), None)]));
    // All in one word.
    node.send(&mut writer, b"set f 1\r\n");
    let mut flush = Vec::new();
    Request::plain(b"*1\r\n$8\r\nFLUSHALL\r\n").encode(&mut flush).unwrap();
    node.worker.on_request(&node.instance, 5, 3, None, &flush);
    let (all, _) = node.names();
    assert!(all);
    // A link that is lost counts no more, unless a later one has told since.
    node.other_tracks(2, true);
    node.instance.tracking.lose_source(1, OTHER, &node.instance.store);
    assert!(node.instance.store.tells_changes());
    node.other_tracks(1, false);
    assert!(node.instance.store.tells_changes(), "that was told before the later link was");
    node.instance.tracking.lose_source(2, OTHER, &node.instance.store);
    assert!(!node.instance.store.tells_changes());
    node.send(&mut writer, b"set a 1\r\n");
    assert_eq!(node.names(), (false, Vec::new()));
}

impl Node {
    /// What another node's effect does: a write that is not this node's own.
    fn follow(&mut self, key: &str) {
        let before = self.worker.local.change_count();
        let guard = self.worker.local.pin();
        let mut keyspace =
            self.instance.store.keyspace(&mut self.worker.local, &guard, 0, super::START_MS);
        let value = crate::store::NewValue::Integer(1);
        keyspace.set(key.as_bytes(), value, crate::store::Expiry::Never);
        drop(guard);
        self.worker.local.changed_by(before, By::Copy);
    }
}

#[test]
fn a_copy_tells_those_of_its_own_node_who_read_copies() {
    let (mut node, mut link) = node_of_two("away");
    let mut peer = node.ring_tracker(&mut link, "");
    node.other_tracks(1, true);
    node.instance.tracking.reads(b"away", peer.client.session.id);
    node.instance.tracking.reads(b"here", peer.client.session.id);
    node.follow("away");
    node.follow("here");
    assert_eq!(node.told(&mut peer), push("here"), "who serves the other one tells of it");
    assert_eq!(node.names(), (false, vec![("here".into(), None)]));
    node.instance.cluster.routes().set_readable(slot_of(b"away"), true);
    node.ask(&mut peer, b"client consistency r any\r\n");
    assert_eq!(node.ask(&mut peer, b"get away\r\n"), r"$1\r\n1\r\n");
    let mut other = node.ring_tracker(&mut link, "noloop");
    node.follow("away");
    // Another client's command comes first in the turn: it is not its doing.
    node.instance.tracking.reads(b"away", other.client.session.id);
    node.send(&mut other, b"get here\r\n");
    node.tell(&mut [&mut peer, &mut other]);
    assert_eq!(peer.replies(), push("away"));
    assert!(other.replies().ends_with(&push("away")));
    assert_eq!(node.names(), (false, Vec::new()));
}

#[test]
fn doubt_is_told_in_one_word_and_not_too_often() {
    let (mut node, mut link) = node_of_two("away");
    let mut peers = [node.ring_tracker(&mut link, ""), node.ring_tracker(&mut link, "bcast")];
    let mut turn = |node: &mut Node, expected: &str| {
        let [a, b] = &mut peers;
        node.worker.look_after_tracking(&node.instance);
        node.tell(&mut [a, b]);
        assert_eq!((a.replies().as_str(), b.replies().as_str()), (expected, expected));
    };
    turn(&mut node, "");
    (0..5).for_each(|_| node.instance.tracking.doubt());
    turn(&mut node, ALL);
    let mut all = Vec::new();
    begin_changed(true, &mut all);
    node.instance.tracking.hear_changed(&node.instance.clients, 0, &all).unwrap();
    turn(&mut node, "");
    node.advance(100);
    turn(&mut node, ALL);
    // A slot that moves, and moves on.
    let routes = |node: &Node, slot, route| node.instance.cluster.routes().set(slot, route);
    node.other_tracks(1, true);
    node.advance(1_000);
    routes(&node, slot_of(b"away"), Route::Wait);
    turn(&mut node, ALL);
    assert_eq!(node.names(), (false, Vec::new()), "others served it");
    node.advance(500);
    routes(&node, slot_of(b"away"), Route::Serve);
    turn(&mut node, "");
    node.advance(500);
    turn(&mut node, ALL);
    assert_eq!(node.names(), (true, Vec::new()));
    node.advance(1_000);
    routes(&node, slot_of(b"away"), Route::Serve);
    turn(&mut node, "");
    // What is malformed changes nothing.
    let wrong = node.instance.tracking.hear_changed(&node.instance.clients, 0, &all[..1]);
    assert!(wrong.is_err());
}

#[test]
fn options_mean_the_same_in_a_ring() {
    let (mut node, mut link) = node_of_two("away");
    let mut optin = node.ring_tracker(&mut link, "optin");
    node.send(&mut optin, b"get away\r\n");
    assert_eq!(node.instance.tracking.keys(), 0);
    assert_eq!(
        node.ask(&mut optin, b"client caching yes\r\n"),
        "",
        "behind the reply that is under way"
    );
    let send = node.worker.next_send().unwrap();
    node.worker.on_failure(&node.instance, send.ticket, Failure::Lost);
    node.respond(&send, b"_\r\n");
    node.answer_all(&mut [&mut optin]);
    node.send(&mut optin, b"mget away here\r\n");
    assert_eq!(node.instance.tracking.keys(), 2);
    let mut listener = node.connect();
    node.ask(&mut listener, b"hello 3\r\n");
    let options = format!("redirect {}", listener.client.session.id);
    let mut silent = node.ring_tracker(&mut link, &options);
    node.send(&mut silent, b"get away\r\n");
    node.hear(&[("away", None)]);
    node.tell(&mut [&mut optin, &mut listener, &mut silent]);
    assert_eq!((listener.replies(), silent.replies()), (push("away"), String::new()));
}

#[test]
fn nobody_waits_for_a_script_to_hear_who_tracks() {
    let (mut node, _link) = node_of_two("away");
    let Node { instance, worker } = &mut node;
    let mut script = instance.store.local();
    instance.store.hold_everything(&mut script);
    let mut hear = |is_busy: bool| {
        let own = (&instance.store, &mut worker.local, super::START_MS);
        instance.tracking.hear_tracks((1, OTHER), (true, 7), own, || is_busy)
    };
    assert_eq!(hear(true), None);
    assert!(!instance.store.tells_changes() && !instance.tracking.has_node(OTHER));
    let guard = script.pin();
    instance.store.release(&mut script, &guard, super::START_MS);
    drop(guard);
    assert_eq!(hear(true), Some(7));
    assert!(instance.store.tells_changes() && instance.tracking.has_node(OTHER));
}
