//! Publish and subscribe across nodes: who is told that he is subscribed hears what is published anywhere.

use super::{WORKERS, connect};
use std::collections::BTreeSet;
use std::time::Duration;
use torc_tests::resp::{Connection, Value, encode};
use torc_tests::ring::{self, LIMIT, Node, Place, await_whole};
use torc_tests::wait;

/// A death is noticed and made good for within this, on a machine that other suites load.
const MAKE_GOOD: Duration = Duration::from_secs(40);

/// A connection to a node's cluster port.
fn open_cluster(node: &Node) -> Connection {
    node.place.open_cluster(LIMIT).unwrap()
}

/// What a subscriber is pushed next.
fn pushed(connection: &mut Connection) -> String {
    let bytes = connection.read_reply().unwrap();
    let words = Value::parse(&bytes).unwrap();
    words.items().iter().map(Value::text).collect::<Vec<_>>().join(" ")
}

#[test]
fn messages_reach_subscribers_on_any_node() {
    let mut nodes = ring::ring(3, WORKERS);
    let [mut a, mut b, mut c] = [0, 1, 2].map(|at: usize| connect(&nodes[at]));

    // Who is told that he is subscribed misses nothing from then on, wherever it is published.
    for round in 0..100 {
        a.run(&format!("SUBSCRIBE direct{round}"));
        let receivers = c.run(&format!("PUBLISH direct{round} m")).integer();
        assert_eq!(receivers, Some(1), "round {round}");
        assert_eq!(pushed(&mut a), format!("message direct{round} m"));
    }
    b.run("PSUBSCRIBE dir*");
    assert_eq!(c.run("PUBLISH direct7 both").integer(), Some(2));
    assert_eq!(pushed(&mut a), "message direct7 both");
    assert_eq!(pushed(&mut b), "pmessage dir* direct7 both");
    // A publisher's messages arrive in order.
    let mut requests = Vec::new();
    for number in 0..5_000 {
        requests.extend(encode(&["PUBLISH", "direct0", &number.to_string()]));
    }
    c.pipeline(&requests, 5_000);
    for number in 0..5_000 {
        assert_eq!(pushed(&mut a), format!("message direct0 {number}"));
        assert_eq!(pushed(&mut b), format!("pmessage dir* direct0 {number}"));
    }
    // PUBSUB tells of its own node alone.
    assert_eq!(c.run("PUBSUB NUMPAT").integer(), Some(0));

    // Shard channels: by the plain port on any node, by the cluster port where their slot is.
    let mut d = connect(&nodes[1]);
    d.run("SSUBSCRIBE shard");
    assert_eq!(c.run("SPUBLISH shard m").integer(), Some(1));
    assert_eq!(pushed(&mut d), "smessage shard m");
    let mut moved = 0;
    for node in &nodes {
        let mut connection = open_cluster(node);
        let publish = connection.run("SPUBLISH shard m");
        let subscribe = connection.run("SSUBSCRIBE shard");
        assert_eq!(publish.is_error(), subscribe.is_error());
        moved += usize::from(subscribe.text().starts_with("MOVED"));
    }
    assert_eq!(moved, 2);
    assert_eq!(pushed(&mut d), "smessage shard m");

    // What happens to keys is told wherever they are served.
    for node in &nodes {
        connect(node).run("CONFIG SET notify-keyspace-events Kg$x");
    }
    let mut events = connect(&nodes[0]);
    events.run("PSUBSCRIBE __keyspace@0__:*");
    b.run("RESET");
    for key in 0..30 {
        b.run(&format!("SET key{key} v"));
        assert_eq!(
            pushed(&mut events),
            format!("pmessage __keyspace@0__:* __keyspace@0__:key{key} set")
        );
    }
    c.run("SET soon v PX 5");
    let seen: Vec<_> = (0..3).map(|_| pushed(&mut events)).collect();
    assert!(seen[2].ends_with("__keyspace@0__:soon expired"), "{seen:?}");

    // The subscribers of a node that dies are counted no more.
    assert_eq!(b.run("PUBLISH direct1 m").integer(), Some(1));
    nodes[0].kill();
    wait::until("nobody listens any more", MAKE_GOOD, || {
        b.run("PUBLISH direct1 m").integer() == Some(0)
    });
}

/// Redis tells a cluster client when a slot moves whose shard channel it listens to; so it can subscribe anew where the slot went.
#[test]
fn subscriptions_to_shard_channels_follow_their_slots() {
    let mut nodes = ring::ring(2, WORKERS);
    let mut connections: Vec<Connection> = (0..2).map(|at| open_cluster(&nodes[at])).collect();
    let mut own: Vec<Vec<String>> = vec![Vec::new(); 2];
    for number in 0..64 {
        let channel = format!("channel{number}");
        for (connection, own) in connections.iter_mut().zip(&mut own) {
            if !connection.run(&format!("SSUBSCRIBE {channel}")).is_error() {
                own.push(channel.clone());
            }
        }
    }
    assert_eq!(own[0].len() + own[1].len(), 64, "each channel belongs to one node");
    let mut plain = connect(&nodes[0]);
    for number in 0..64 {
        plain.run(&format!("SSUBSCRIBE channel{number}"));
    }
    let third = Node::start(Place::free(), Some(&nodes[0].place), WORKERS);
    nodes.push(third);
    await_whole(&nodes, LIMIT);
    let mut moved_count = 0;
    for (at, (connection, own)) in connections.iter_mut().zip(&own).enumerate() {
        let mut ended = BTreeSet::new();
        wait::until("what moved has ended", MAKE_GOOD, || {
            connection.send(&encode(&["PING"])).unwrap();
            loop {
                let push = pushed(connection);
                let Some(rest) = push.strip_prefix("sunsubscribe ") else { break };
                ended.insert(rest.split(' ').next().unwrap().to_owned());
            }
            let mut asking = open_cluster(&nodes[at]);
            let has_moved = |channel: &&String| {
                asking.run(&format!("SSUBSCRIBE {channel}")).text().starts_with("MOVED")
            };
            let moved: BTreeSet<String> = own.iter().filter(has_moved).cloned().collect();
            moved == ended
        });
        moved_count += ended.len();
    }
    assert!(moved_count > 0, "a third node takes some slots");
    // Who came by the plain port is not bound to slots.
    let mut publisher = connect(&nodes[2]);
    plain.run("RESET");
    plain.run("SSUBSCRIBE last");
    for number in 0..64 {
        plain.run(&format!("SSUBSCRIBE channel{number}"));
    }
    for number in 0..64 {
        publisher.run(&format!("SPUBLISH channel{number} m"));
        assert_eq!(pushed(&mut plain), format!("smessage channel{number} m"));
    }
}
