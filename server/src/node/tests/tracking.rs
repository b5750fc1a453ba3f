//! Clients that track, without sockets: what comes behind their own replies, what others' commands bring them, and who is told when the table is full.

use super::{Node, Peer, Progress, START_MS, Verdict, run};
use crate::admin::Instance;
use crate::admin::clients::Endpoint;
use crate::admin::mailbox::Mailbox;
use crate::base::clock::Clock;
use crate::command::Session;
use crate::config::Settings;
use crate::node::{Client, WorkerState};
use crate::store::{Expiry, NewValue, Share};
use std::sync::Barrier;

impl Node {
    /// What the worker does when the client's wait has ended.
    fn end_wait(&mut self, peer: &mut Peer) {
        self.worker.look_after_waits(&self.instance);
        self.take_answers(peer);
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

/// A node, a client of it that tracks, and one that does not.
fn with_tracker(options: &str) -> (Node, Peer, Peer) {
    let mut node = Node::with_mailbox(&[]);
    let (tracker, other) = (node.tracker(options), node.connect());
    (node, tracker, other)
}

/// That `key` has changed.
pub(super) fn push(key: &str) -> String {
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
    let (mut node, mut reader, mut writer) = with_tracker("");
    node.ask(&mut reader, b"mget a b\r\n");
    node.send(&mut writer, b"set a 1\r\nset a 2\r\nset c 1\r\n");
    assert_eq!(node.told(&mut reader), push("a"));
    node.send(&mut writer, b"set a 3\r\ndel b\r\nset b 1\r\n");
    assert_eq!(node.told(&mut reader), push("b"), "a key that was not there is not changed by DEL");
}

#[test]
fn a_key_that_a_read_finds_expired_is_read_as_absent() {
    let (mut node, mut reader, mut writer) = with_tracker("");
    node.send(&mut writer, b"set k v px 10\r\n");
    node.advance(10);
    assert_eq!(node.ask(&mut reader, b"get k\r\n"), r"_\r\n", "what was read is that it is gone");
    node.send(&mut writer, b"set k w px 10\r\n");
    assert_eq!(node.told(&mut reader), push("k"));
    node.ask(&mut reader, b"get k\r\n");
    node.advance(10);
    assert_eq!(node.ask(&mut reader, b"get k\r\n"), format!(r"_\r\n{}", push("k")));
    node.send(&mut writer, b"set k x\r\n");
    assert_eq!(node.told(&mut reader), push("k"));
}

#[test]
fn whoever_reads_into_a_full_table_has_others_told() {
    let mut node = Node::with_mailbox(&[("tracking-table-max-keys", "2")]);
    let (mut first, mut second) = (node.tracker(""), node.tracker(""));
    node.ask(&mut first, b"mget a b\r\n");
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
    node.send(&mut first, b"get k\r\nclient tracking off\r\nclient tracking off\r\n");
    assert!(node.instance.store.tells_changes());
    node.send(&mut second, b"reset\r\n");
    assert!(!node.instance.store.tells_changes());
    let tracking = &node.instance.tracking;
    assert_eq!((tracking.clients(), tracking.prefixes(), tracking.keys()), (0, 0, 0));
}

#[test]
fn in_a_transaction_tracking_begins_with_the_store_alone() {
    let mut node = Node::with_mailbox(&[]);
    let mut peer = node.connect();
    node.ask(&mut peer, b"hello 3\r\n");
    node.send(&mut peer, b"multi\r\nclient tracking on\r\nget a\r\nset a 1\r\nexec\r\nping\r\n");
    let expected = format!(
        r"+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n+OK\r\n_\r\n+OK\r\n{}+PONG\r\n",
        push("a")
    );
    assert_eq!(peer.replies(), expected);
}

#[test]
fn news_wait_for_the_end_of_a_long_reply() {
    let (mut node, mut reader, mut writer) = with_tracker("optin");
    let elements = " e".repeat(5_000);
    node.send(&mut writer, format!("rpush l{elements}\r\n").as_bytes());
    node.ask(&mut reader, b"client caching yes\r\n");
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
    let (mut node, mut reader, mut writer) = with_tracker("");
    node.ask(&mut reader, b"get k\r\n");
    node.send(&mut reader, b"blpop l 0\r\n");
    node.send(&mut writer, b"set k 1\r\n");
    assert_eq!(node.told(&mut reader), push("k"));
}

#[test]
fn who_wants_prefixes_is_told_before_the_writer_is_answered() {
    let (mut node, mut reader, mut writer) = with_tracker("bcast prefix a:");
    node.send(&mut writer, b"mset a:2 1 xa:1 1 a:1 1\r\n");
    assert!(node.instance.clients.mailboxes.workers()[0].is_fed());
    assert_eq!(
        node.told(&mut reader),
        r">2\r\n$10\r\ninvalidate\r\n*2\r\n$3\r\na:1\r\n$3\r\na:2\r\n"
    );
    assert!(!node.worker.has_changes_to_tell(&node.instance), "what was told is told no more");
    node.send(&mut reader, b"get a:1\r\n");
    assert_eq!(node.instance.tracking.keys(), 0, "what it reads it need not tell");
}

#[test]
fn with_noloop_only_what_the_client_did_itself_is_left_out() {
    let (mut node, mut mover, mut writer) = with_tracker("bcast noloop");
    node.send(&mut mover, b"set k v px 10\r\n");
    assert_eq!(node.told(&mut mover), r"+OK\r\n");
    // That its time has come is nobody's doing, whoever finds it.
    node.advance(10);
    node.send(&mut mover, b"get k\r\n");
    assert_eq!(node.told(&mut mover), format!(r"_\r\n{}", push("k")));
    // What another one's thread does for a client that waits is the client's doing.
    node.send(&mut mover, b"blmove from to left left 0\r\n");
    node.send(&mut writer, b"rpush from a\r\nset other 1\r\n");
    assert_eq!(node.told(&mut mover), push("other"));
}

#[test]
fn who_goes_over_to_prefixes_hears_of_nothing_that_it_read_before() {
    let mut node = Node::with_mailbox(&[]);
    let (mut reader, _other) = (node.tracker(""), node.tracker(""));
    let mut writer = node.connect();
    node.ask(&mut reader, b"get k\r\nclient tracking off\r\nclient tracking on bcast prefix x\r\n");
    node.send(&mut writer, b"set k 1\r\n");
    assert_eq!(node.told(&mut reader), "");
}

#[test]
fn a_key_that_makes_room_in_the_table_is_told_its_own_client_too() {
    let mut node = Node::with_mailbox(&[("tracking-table-max-keys", "2")]);
    let mut reader = node.tracker("noloop");
    assert_eq!(node.ask(&mut reader, b"mget a b c d\r\n").matches("invalidate").count(), 2);
}

#[test]
fn a_lowered_bound_is_kept_to() {
    let mut node = Node::with_mailbox(&[]);
    let mut reader = node.tracker("");
    node.ask(&mut reader, b"mget a b c d\r\n");
    node.instance.configure(&[("tracking-table-max-keys", "3")]).unwrap();
    assert_eq!(node.instance.tracking.keys(), 3);
    // What that leaves, the ticks take.
    node.instance.settings.set(&[("tracking-table-max-keys", "1")]).unwrap();
    node.worker.look_after_tracking(&node.instance);
    assert_eq!(node.instance.tracking.keys(), 1);
    assert_eq!(node.told(&mut reader).matches("invalidate").count(), 3);
}

#[test]
fn what_no_command_changed_is_told_by_the_worker() {
    let mut node = Node::with_mailbox(&[]);
    let (mut reader, mut all) = (node.tracker(""), node.tracker("bcast"));
    let mut writer = node.connect();
    node.send(&mut writer, b"set swept 1 px 10\r\n");
    node.send(&mut reader, b"mget swept foreign\r\n");
    node.tell(&mut [&mut reader, &mut all]);
    reader.out.clear();
    all.out.clear();
    // A thread without clients, as that of the ring.
    let mut other = node.instance.store.local();
    let guard = other.pin();
    let mut keyspace = node.instance.store.keyspace(&mut other, &guard, 0, START_MS);
    keyspace.set(b"foreign", NewValue::Integer(1), Expiry::Never);
    drop(guard);
    assert!(node.worker.has_changes_to_tell(&node.instance));
    node.tell(&mut [&mut reader, &mut all]);
    assert_eq!([reader.replies(), all.replies()], [push("foreign"), push("foreign")]);
    // The sweep, which runs between batches.
    let local = &mut node.worker.local;
    let guard = local.pin();
    let share = Share { index: 0, of: 1 };
    while node.instance.store.sweep(local, &guard, START_MS + 10, share, || true) {}
    drop(guard);
    node.tell(&mut [&mut reader, &mut all]);
    assert_eq!([reader.replies(), all.replies()], [push("swept"), push("swept")]);
}

#[test]
fn that_all_is_gone_is_told_in_the_protocol_that_holds_by_then() {
    let mut node = Node::with_mailbox(&[]);
    let mut peer = node.connect();
    node.send(&mut peer, b"client tracking on\r\nhello 3\r\n");
    node.ask(&mut peer, b"hello 2\r\n");
    node.send(&mut peer, b"hello 3\r\nflushall\r\n");
    let replies = peer.replies();
    assert!(replies.ends_with(r"+OK\r\n>2\r\n$10\r\ninvalidate\r\n_\r\n"), "{replies}");
}

#[test]
fn behind_a_script_the_protocol_is_the_clients_own_again() {
    let mut node = Node::with_mailbox(&[]);
    let mut peer = node.connect();
    node.ask(&mut peer, b"eval \"return 1\" 0\r\nclient tracking on\r\nhello 3\r\n");
    assert_eq!(node.ask(&mut peer, b"get k\r\nset k 1\r\n"), format!(r"_\r\n+OK\r\n{}", push("k")));
    // What a script changes is told the client in its own protocol, while the script's is another.
    let script = "redis.setresp(2) redis.call('GET', 'k') redis.call('SET', 'k', 2) return redis.call('GET', 'other')";
    assert_eq!(
        node.ask(&mut peer, format!("eval \"{script}\" 2 k other\r\n").as_bytes()),
        format!(r"_\r\n{}", push("k"))
    );
}

#[test]
fn a_client_that_waits_to_read_hears_behind_its_reply_too() {
    let (mut node, mut reader, mut writer) = with_tracker("");
    node.send(&mut reader, b"xread block 0 streams s $\r\n");
    node.send(&mut writer, b"xadd s 1-1 f v\r\n");
    // It may have read by now what has changed.
    assert_eq!(node.told(&mut reader), push("s"));
    node.end_wait(&mut reader);
    let replies = reader.replies();
    assert!(
        replies.starts_with(r"%1\r\n$1\r\ns\r\n") && replies.ends_with(&push("s")),
        "{replies}"
    );
    // It has read the key anew.
    node.send(&mut writer, b"xadd s 2-1 f v\r\n");
    assert_eq!(node.told(&mut reader), push("s"));
}

#[test]
fn what_a_wait_changes_is_told_behind_its_reply() {
    let (mut node, mut mover, mut writer) = with_tracker("");
    node.ask(&mut mover, b"lrange to 0 -1\r\nblmove from to left left 0\r\n");
    node.send(&mut writer, b"rpush from a\r\n");
    assert_eq!(node.told(&mut mover), "", "its reply is on the way");
    node.end_wait(&mut mover);
    assert_eq!(mover.replies(), format!(r"$1\r\na\r\n{}", push("to")));
}

#[test]
fn who_tracks_is_shown() {
    let mut node = Node::with_mailbox(&[]);
    let (mut first, mut second) = (node.tracker(""), node.tracker("bcast prefix a prefix b"));
    let id = first.client.session.id;
    let mut third = node.tracker(&format!("redirect {id}"));
    node.send(&mut first, b"mget k l\r\n");
    node.send(&mut third, b"get k\r\n");
    node.send(&mut second, b"client list\r\ninfo\r\n");
    let shown = String::from_utf8_lossy(&second.out).into_owned();
    let redirected = format!("redir={id} ");
    for expected in ["flags=t ", "flags=tB ", "redir=0 ", redirected.as_str()] {
        assert!(shown.contains(expected), "{expected} in {shown}");
    }
    for (name, figure) in
        [("clients", 3), ("total_keys", 2), ("total_items", 3), ("total_prefixes", 2)]
    {
        let expected = format!("tracking_{name}:{figure}\r\n");
        assert!(shown.contains(&expected), "{expected} in {shown}");
    }
}

/// Whatever is read is taken down before it is read: a writer on another thread finds the reader then, or the reader finds what was written.
#[test]
fn what_changes_while_it_is_read_is_told() {
    const ROUNDS: usize = 60;
    let instance = Instance::new(Settings::default(), Clock::manual(START_MS), 2);
    let mailboxes = [Mailbox::new(Box::new(|| {})).0, Mailbox::new(Box::new(|| {})).0];
    instance.clients.mailboxes.attach(mailboxes.into());
    let connect = |worker| {
        let info = instance.clients.register(Endpoint::default(), worker, START_MS);
        Peer { client: Client::new(Session::new(info, true)), input: Vec::new(), out: Vec::new() }
    };
    let (mut reader, mut worker) = (connect(0), WorkerState::new(&instance, 0));
    reader.send(b"hello 3\r\nclient tracking on noloop\r\n", &mut worker, &instance);
    // A command that reads at its beginning and takes a millisecond or two for what it has read.
    let (old, new) = ("a".repeat(4_000), "b".repeat(4_000));
    let other = "a".repeat(30_000);
    reader.send(format!("set other {other}\r\n").as_bytes(), &mut worker, &instance);
    let together = Barrier::new(2);
    let mut missed = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut writer, mut worker) = (connect(1), WorkerState::new(&instance, 1));
            for round in 0..ROUNDS {
                together.wait();
                // At another moment in each round.
                (0..round * 200).for_each(|_| std::hint::spin_loop());
                writer.send(format!("set k {new}\r\n").as_bytes(), &mut worker, &instance);
                together.wait();
            }
        });
        for _ in 0..ROUNDS {
            // Its own change, of which it hears nothing: nobody has read the key now.
            reader.send(format!("set k {old}\r\n").as_bytes(), &mut worker, &instance);
            let mailbox = &instance.clients.mailboxes.workers()[0];
            mailbox.take_feed();
            reader.out.clear();
            together.wait();
            reader.send(b"lcs k other len\r\n", &mut worker, &instance);
            together.wait();
            let is_old = reader.replies() == r":4000\r\n";
            let told = !mailbox.take_feed().0.is_empty();
            missed += usize::from(is_old && !told);
        }
    });
    assert_eq!(missed, 0, "old values were read, and nobody is told");
}

#[test]
fn who_tracks_hears_that_databases_were_exchanged() {
    let (mut node, mut reader, mut writer) = with_tracker("");
    node.ask(&mut reader, b"hello 3\r\nget k\r\n");
    node.send(&mut writer, b"swapdb 3 3\r\n");
    assert_eq!(node.told(&mut reader), "", "nothing has changed");
    node.send(&mut writer, b"swapdb 0 1\r\n");
    assert_eq!(node.told(&mut reader).matches("invalidate").count(), 1);
    assert_eq!(node.instance.tracking.keys(), 0);
}
