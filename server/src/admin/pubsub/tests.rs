use super::*;
use crate::admin::mailbox::{Fed, Mailbox};

/// Two workers with mailboxes that wake nobody.
fn node() -> (PubSub, Mailboxes) {
    let mailboxes = Mailboxes::default();
    mailboxes.attach((0..2).map(|_| Mailbox::new(Box::new(|| {})).0).collect());
    (PubSub::new(2), mailboxes)
}

fn listener(worker: usize, client: u64) -> Listener {
    Listener { worker, place: client as usize, client, follows_slots: false }
}

fn alone(worker: usize) -> Publisher<'static> {
    Publisher { worker, client: None }
}

/// Hands out what waits for `worker`, as `client: push`.
fn read(pubsub: &PubSub, mailboxes: &Mailboxes, worker: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let (items, _) = mailboxes.workers()[worker].take_feed();
    for item in items {
        let Fed::Publication(publication) = item else { panic!("only messages are fed here") };
        pubsub.deliver(worker, &publication, |_, client, push| {
            let text = push.pieces(Protocol::Resp3).concat().escape_ascii().to_string();
            lines.push(format!("{client}: {text}"));
        });
    }
    lines
}

#[test]
fn a_message_reaches_each_worker_once_and_each_subscription() {
    let (pubsub, mailboxes) = node();
    let mut clients: Vec<_> = (1..=3).map(|_| Subscriptions::default()).collect();
    clients[0].add(&pubsub, Kind::Channel, b"a", listener(0, 1));
    clients[1].add(&pubsub, Kind::Channel, b"a", listener(1, 2));
    clients[1].add(&pubsub, Kind::Pattern, b"a*", listener(1, 2));
    clients[2].add(&pubsub, Kind::Shard, b"a", listener(1, 3));
    assert_eq!(pubsub.publish(&mailboxes, alone(0), Kind::Channel, b"a", b"m"), 3);
    assert_eq!(pubsub.publish(&mailboxes, alone(0), Kind::Shard, b"a", b"s"), 1);
    assert_eq!(pubsub.publish(&mailboxes, alone(0), Kind::Channel, b"b", b"m"), 0);
    let direct = r">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nm\r\n";
    assert_eq!(read(&pubsub, &mailboxes, 0), [format!("1: {direct}")]);
    assert_eq!(
        read(&pubsub, &mailboxes, 1),
        [
            format!("2: {direct}"),
            r"2: >4\r\n$8\r\npmessage\r\n$2\r\na*\r\n$1\r\na\r\n$1\r\nm\r\n".to_owned(),
            r"3: >3\r\n$8\r\nsmessage\r\n$1\r\na\r\n$1\r\ns\r\n".to_owned(),
        ]
    );
    assert_eq!((pubsub.clients(), pubsub.count(Kind::Channel)), (3, 1));
    for (index, client) in clients.iter_mut().enumerate() {
        client.clear(&pubsub, listener(usize::from(index > 0), index as u64 + 1));
    }
    assert_eq!((pubsub.clients(), pubsub.count(Kind::Channel), pubsub.is_silent()), (0, 0, true));
}

/// A message that is on its way to a worker must not reach a client of that worker that subscribed only after it had been published.
#[test]
fn who_subscribes_later_gets_no_earlier_message() {
    let (pubsub, mailboxes) = node();
    let (mut early, mut late) = (Subscriptions::default(), Subscriptions::default());
    early.add(&pubsub, Kind::Channel, b"a", listener(1, 1));
    early.add(&pubsub, Kind::Pattern, b"*", listener(1, 1));
    pubsub.publish(&mailboxes, alone(0), Kind::Channel, b"a", b"m");
    late.add(&pubsub, Kind::Channel, b"a", listener(1, 2));
    late.add(&pubsub, Kind::Pattern, b"*", listener(1, 2));
    assert!(read(&pubsub, &mailboxes, 1).iter().all(|line| line.starts_with("1: ")));
    assert_eq!(pubsub.publish(&mailboxes, alone(0), Kind::Channel, b"a", b"m"), 4);
    assert_eq!(read(&pubsub, &mailboxes, 1).len(), 4);
}

#[test]
fn what_a_client_publishes_to_itself_comes_behind_its_reply() {
    let (pubsub, mailboxes) = node();
    let mut own = Subscriptions::default();
    own.add(&pubsub, Kind::Channel, b"a", listener(0, 7));
    let publisher = Publisher { worker: 0, client: Some((7, &mut own, Protocol::Resp3)) };
    assert_eq!(pubsub.publish(&mailboxes, publisher, Kind::Channel, b"a", b"m"), 1);
    assert_eq!(own.pushes, b">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nm\r\n");
    assert!(read(&pubsub, &mailboxes, 0).is_empty());
}

#[test]
fn a_feed_that_overflows_says_whom_it_failed() {
    let (pubsub, mailboxes) = node();
    let mut own = Subscriptions::default();
    own.add(&pubsub, Kind::Channel, b"a", listener(1, 1));
    let message = vec![b'x'; 8 << 20];
    for _ in 0..9 {
        pubsub.publish(&mailboxes, alone(0), Kind::Channel, b"a", &message);
    }
    let (items, lost) = mailboxes.workers()[1].take_feed();
    assert_eq!((items.len(), lost.subscribers, lost.monitors), (7, true, false));
    let (items, lost) = mailboxes.workers()[1].take_feed();
    assert!(items.is_empty() && !lost.subscribers);
}

/// What `from` has to tell by `link`, told to `to`.
fn tell(from: &PubSub, link: &mut PeerLink, to: &PubSub, source: u64, node: NodeId) {
    let (changes, change) = from.take_changes().unwrap_or_default();
    if !changes.is_empty() {
        link.change((&changes, change), || from.interests());
    }
    while let Some(payload) = link.next_payload() {
        if let Some(change) = to.hear(source, node, &payload).unwrap() {
            link.confirmed(change);
        }
    }
    from.confirm(std::iter::once(&*link));
}

#[test]
fn nodes_tell_each_other_whom_they_have() {
    let ((here, mailboxes), (there, _)) = (node(), node());
    here.told().start();
    there.told().start();
    let peer = NodeId(9);
    let mut clients: Vec<_> = (0..3).map(|_| Subscriptions::default()).collect();
    clients[0].add(&there, Kind::Channel, b"a", listener(0, 1));
    let mut link = PeerLink::default();
    let source = here.new_source();
    // Before the link opens nothing is told; then everything is.
    tell(&there, &mut link, &here, source, peer);
    assert!(here.is_silent());
    assert_eq!(there.told().unheard(), None, "while there is nobody to hear, nobody waits");
    link.open(there.interests());
    there.confirm(std::iter::once(&link));
    assert_eq!(there.told().unheard(), None, "nor for what was so before");
    tell(&there, &mut link, &here, source, peer);
    clients[1].add(&there, Kind::Channel, b"a", listener(1, 2));
    clients[2].add(&there, Kind::Pattern, b"b?", listener(1, 3));
    assert_eq!(there.told().unheard(), Some(3));
    tell(&there, &mut link, &here, source, peer);
    assert_eq!(there.told().unheard(), None);
    assert_eq!(here.publish(&mailboxes, alone(0), Kind::Channel, b"a", b"m"), 2);
    assert_eq!(here.publish(&mailboxes, alone(0), Kind::Channel, b"bb", b"m"), 1);
    assert_eq!(here.publish(&mailboxes, alone(0), Kind::Channel, b"bbb", b"m"), 0);
    assert_eq!(
        here.subscribers(Kind::Channel, b"a"),
        0,
        "others' subscribers are not counted here"
    );
    let outgoing = here.take_outgoing(0).unwrap();
    assert!(outgoing.messages().iter().all(|(to, _)| *to == peer));
    assert_eq!((outgoing.messages().len(), here.take_outgoing(0).is_none()), (2, true));

    // The next link of the peer tells anew; the loss of the one before changes nothing then.
    clients[0].clear(&there, listener(0, 1));
    clients[1].clear(&there, listener(1, 2));
    let mut next = PeerLink::default();
    let later = here.new_source();
    next.open(there.interests());
    tell(&there, &mut next, &here, later, peer);
    here.lose_source(source, peer);
    assert_eq!(here.publish(&mailboxes, alone(0), Kind::Channel, b"a", b"m"), 0);
    assert_eq!(here.publish(&mailboxes, alone(0), Kind::Channel, b"bb", b"m"), 1);
    // What the older link still says is not listened to.
    let mut payload = Vec::new();
    torc_protocol::peer::publish::begin_interest(false, 0, &mut payload);
    torc_protocol::peer::publish::put_interest(0, b"a", 5, &mut payload);
    here.hear(source, peer, &payload).unwrap();
    assert_eq!(here.publish(&mailboxes, alone(0), Kind::Channel, b"a", b"m"), 0);
    here.lose_source(later, peer);
    assert!(here.is_silent());
}

#[test]
fn malformed_interest_changes_nothing() {
    let (pubsub, _) = node();
    assert!(pubsub.hear(1, NodeId(2), &[1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]).is_err());
    assert!(pubsub.hear(1, NodeId(2), &[]).is_err());
    assert!(pubsub.is_silent());
}
