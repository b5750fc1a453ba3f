//! Whoever is of another cluster, or of a release that lays slots out or speaks otherwise, is refused: both sides log why, and the ring is as before.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::Duration;
use torc_protocol::peer::hello::{Reason, Revisions, Role};
use torc_protocol::peer::{Decoded, Limits, frame};
use torc_server::base::clock::Clock;
use torc_server::cluster::NodeId;
use torc_server::cluster::layout::LAYOUT_ALGO;
use torc_server::cluster::membership::{
    Event, Gossip, Input, Membership as _, Now, Options, Output, Via, Why,
};
use torc_server::cluster::record::{NodeRecord, NodeState, Ports};
use torc_server::node::link::handshake::Handshake;
use torc_server::node::link::{Admission, Identity, Peer, Refusal};
use torc_server::security::cluster::ClusterSecret;
use torc_tests::ring::{self, LIMIT, Node, Place, Table, is_whole};
use torc_tests::wait;

/// What the ring of these tests is started with.
const SECRET: &[&str] = &["--cluster-secret", "right"];

/// A ring, and what must be the same after a stranger came by.
struct Unharmed {
    nodes: Vec<Node>,
    table: Table,
}

impl Unharmed {
    fn start(further: &[&str]) -> Unharmed {
        let nodes = ring::ring(2, further);
        for index in 0..100 {
            nodes[0].place.ask(&format!("SET key:{index} {index}"));
        }
        let table = Table::of(&nodes[0].place).unwrap();
        Unharmed { nodes, table }
    }

    #[track_caller]
    fn check(&self) {
        assert!(is_whole(&self.nodes), "the ring is not whole any more");
        for node in &self.nodes {
            let known = node.place.ask("CLUSTER NODES").text();
            assert_eq!(known.lines().count(), 2, "{known}");
            assert_eq!(Table::of(&node.place).as_ref(), Some(&self.table));
            let mut client = node.place.open(LIMIT).unwrap();
            assert_eq!(client.run("DBSIZE").integer(), Some(100));
            for index in 0..100 {
                assert_eq!(client.run(&format!("GET key:{index}")).text(), index.to_string());
            }
        }
    }
}

/// Whether a node's log has a line with both.
fn says(node: &Node, who: &str, why: &str) -> bool {
    node.log().lines().any(|line| line.contains(who) && line.contains(why))
}

#[test]
fn nodes_with_another_name_or_secret_are_refused() {
    let ring = Unharmed::start(SECRET);
    let check = |further: &[&str], why: Why| {
        let stranger = Node::start(Place::free(), Some(&ring.nodes[0].place), further);
        stranger.await_answer();
        let why = why.to_string();
        wait::until("both logs tell of it", LIMIT, || {
            says(&ring.nodes[0], "refused a node", &why)
                && says(&stranger, "refused by a node", &why)
        });
        let answer = stranger.place.ask("GET key:1");
        assert!(answer.is_error(), "it serves nothing before it has joined: {answer:?}");
        ring.check();
    };
    check(&["--cluster-secret", "right", "--cluster-name", "other"], Why::ClusterName);
    check(&["--cluster-secret", "wrong"], Why::Secret);
    let shown = ring.nodes[0].place.ask("CONFIG GET cluster-secret");
    assert_eq!(shown.items()[1].text(), "(hidden)");
}

#[test]
fn a_node_without_the_secret_is_refused() {
    // In a ring of its own, for a reason is told of once in ten seconds.
    let ring = Unharmed::start(SECRET);
    let stranger = Node::start(Place::free(), Some(&ring.nodes[0].place), &[]);
    let why = Why::Secret.to_string();
    wait::until("both logs tell of it", LIMIT, || {
        says(&ring.nodes[0], "refused a node", &why) && says(&stranger, "refused by a node", &why)
    });
    ring.check();
}

/// A node of another release: the real membership behind a socket, with a record that says so.
struct Foreigner {
    gossip: Gossip,
    socket: UdpSocket,
    clock: Clock,
    refused: Vec<(Why, bool)>,
}

impl Foreigner {
    fn start(seed: Option<SocketAddr>, change: fn(&mut NodeRecord)) -> Foreigner {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let mut record = record(socket.local_addr().unwrap());
        change(&mut record);
        let options = Options {
            record,
            cluster: "torc".into(),
            secret: None,
            seeds: seed.iter().map(SocketAddr::to_string).collect(),
            forget_after: Duration::from_secs(600),
            seed: 1,
        };
        let gossip = Gossip::new(options).unwrap();
        let mut node = Foreigner { gossip, socket, clock: Clock::system(), refused: Vec::new() };
        node.step(Input::Start);
        node
    }

    /// A turn of its loop: what came, and what is due.
    fn turn(&mut self) {
        let mut buffer = [0; 2_048];
        if let Ok((count, from)) = self.socket.recv_from(&mut buffer) {
            self.step(Input::Packet { from: Via::Address(from), bytes: &buffer[..count] });
        }
        self.step(Input::Timer);
    }

    fn step(&mut self, input: Input<'_>) {
        let now = Now { monotonic: self.clock.monotonic(), unix_ms: self.clock.unix_ms() };
        let mut out = Vec::new();
        self.gossip.handle(input, now, &mut out);
        for output in out {
            match output {
                Output::Send { to: Via::Address(to), bytes } => {
                    self.socket.send_to(&bytes, to).unwrap();
                }
                Output::Resolve(seed) => {
                    let address = seed.parse().unwrap();
                    self.step(Input::Resolved { seed: &seed, addresses: &[address] });
                }
                Output::Event(Event::Refused { why, by_peer, .. }) => {
                    self.refused.push((why, by_peer));
                }
                Output::Event(Event::MemberUp { .. }) => panic!("it was let in"),
                _ => {}
            }
        }
    }
}

fn record(address: SocketAddr) -> NodeRecord {
    NodeRecord {
        node: NodeId(7),
        incarnation: 1,
        version: 1,
        tag: 7,
        renewals: 0,
        gossip: address,
        name: String::new(),
        hosts: vec![address.ip().to_string()],
        ports: Ports { client: 1, cluster: 2, peer: address.port(), ..Ports::default() },
        weight: 1,
        zone: String::new(),
        state: NodeState::Active,
        since: 0,
        ready: true,
        synced_layout: 0,
        protocol: (Revisions::OURS.min, Revisions::OURS.max),
        features: 0,
        layout_algo: LAYOUT_ALGO as u8,
        cluster: 0,
        extra: Vec::new(),
    }
}

/// In each direction, so that the lines of both sides are a real node's.
#[track_caller]
fn both_sides_tell(ring: &Unharmed, change: fn(&mut NodeRecord), why: Why) {
    let mut asks = Foreigner::start(Some(ring.nodes[0].place.peer), change);
    wait::until("the ring refuses, and says so to both", LIMIT, || {
        asks.turn();
        asks.refused.contains(&(why, true))
            && says(&ring.nodes[0], "refused a node", &why.to_string())
    });
    let mut is_asked = Foreigner::start(None, change);
    let place = Place { peer: is_asked.socket.local_addr().unwrap(), ..Place::free() };
    let joins = Node::start(Place::free(), Some(&place), &[]);
    wait::until("a node that was refused says so", LIMIT, || {
        is_asked.turn();
        is_asked.refused.contains(&(why, false))
            && says(&joins, "refused by a node", &why.to_string())
    });
    ring.check();
}

#[test]
fn a_node_with_another_layout_is_refused() {
    let ring = Unharmed::start(&[]);
    both_sides_tell(&ring, |record| record.layout_algo += 1, Why::LayoutAlgo);
}

#[test]
fn a_node_of_another_protocol_version_is_refused() {
    let ring = Unharmed::start(&[]);
    let beyond = Revisions::OURS.max + 1;
    assert!(beyond > 1, "so that the change below is one");
    both_sides_tell(
        &ring,
        |record| record.protocol = (Revisions::OURS.max + 1, Revisions::OURS.max + 2),
        Why::Protocol,
    );
}

struct Everybody;

impl Admission for Everybody {
    fn judge(&self, _peer: &Peer) -> Result<(), Reason> {
        Ok(())
    }
}

/// What a node answers on its port for peers to one who dials as `identity`.
fn dial(at: SocketAddr, identity: Identity) -> Refusal {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let mut out = Vec::new();
    let role = Role::Data { worker: 0 };
    let wall_us = Clock::system().unix_ms() * 1_000;
    let mut handshake = Handshake::dial(Arc::new(identity), role, None, [7; 32], wall_us, &mut out);
    let (mut unread, mut buffer) = (Vec::new(), [0; 1_024]);
    loop {
        stream.write_all(&out).unwrap();
        out.clear();
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "closed without a reason");
        unread.extend_from_slice(&buffer[..count]);
        let mut pos = 0;
        while let Decoded::Frame(frame) =
            frame::decode(&unread, &mut pos, &Limits::handshake()).unwrap()
        {
            match handshake.receive(frame, wall_us, &Everybody, &mut out) {
                Ok(None) => {}
                Ok(Some(peer)) => panic!("let in as {peer:?}"),
                Err(refusal) => return refusal,
            }
        }
        unread.drain(..pos);
    }
}

#[test]
fn links_of_strangers_are_refused() {
    let ring = Unharmed::start(SECRET);
    let ours = Identity {
        cluster: b"torc".to_vec(),
        node: 7,
        incarnation: 1,
        revisions: Revisions::OURS,
        features: 0,
        layout_algo: LAYOUT_ALGO,
        authenticator: Arc::new(ClusterSecret::new(b"right")),
    };
    let beyond = Revisions::OURS.max + 1;
    let wrong = Arc::new(ClusterSecret::new(b"wrong"));
    let strangers = [
        (Reason::ClusterName, Identity { cluster: b"other".to_vec(), ..ours.clone() }),
        (Reason::Secret, Identity { authenticator: wrong, ..ours.clone() }),
        (Reason::Layout, Identity { layout_algo: LAYOUT_ALGO + 1, ..ours.clone() }),
        (Reason::Revision, Identity { revisions: Revisions { min: beyond, max: beyond }, ..ours }),
    ];
    for (reason, identity) in strangers {
        let refusal = dial(ring.nodes[1].place.peer, identity);
        assert_eq!((refusal.reason, refusal.by_peer), (reason, true), "{refusal}");
        // What the one who dialled would log names both sides' values, as the node's own line does.
        wait::until("the node logs it too", LIMIT, || {
            says(&ring.nodes[1], &format!("refused the peer: {reason}"), &refusal.text)
        });
    }
    ring.check();
}
