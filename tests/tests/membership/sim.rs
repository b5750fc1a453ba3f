//! Nodes in virtual time: a network that delays, loses, doubles and cuts, and nodes that freeze, die and come back elsewhere.
//!
//! Everything follows from the seed.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use torc_server::base::rng::Rng;
use torc_server::cluster::NodeId;
use torc_server::cluster::membership::{
    Event, Gossip, Input, Liveness, Membership, Now, Options, Output, Via,
};
use torc_server::cluster::record::{NodeRecord, NodeState, Ports};

/// Wall time when the world begins.
const EPOCH_MS: u64 = 1_790_000_000_000;

/// Packets that a frozen node's socket holds: 212,992 bytes of Linux's default at some 700 each, header included.
const SOCKET_PACKETS: usize = 300;

pub fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// What every node of a world is started with.
#[derive(Clone)]
pub struct Setup {
    pub seed: u64,
    /// Lost datagrams in a thousand.
    pub loss: u64,
    /// Doubled datagrams in a thousand.
    pub doubled: u64,
    /// Whether nodes have links to each other.
    pub links: bool,
    pub secret: Option<&'static str>,
    pub cluster: &'static str,
    pub forget_after: Duration,
}

impl Default for Setup {
    fn default() -> Self {
        Setup {
            seed: 1,
            loss: 0,
            doubled: 0,
            links: false,
            secret: None,
            cluster: "blue",
            forget_after: Duration::from_secs(600),
        }
    }
}

pub struct Node {
    gossip: Option<Gossip>,
    pub address: SocketAddr,
    pub id: NodeId,
    wake: Option<Duration>,
    frozen: bool,
    held: Vec<(Via, Vec<u8>)>,
    /// Milliseconds that its wall clock is ahead.
    pub skew_ms: i64,
    pub events: Vec<(Duration, Event)>,
    pub sent: u64,
    pub sent_bytes: u64,
    pub sent_on_links: u64,
}

enum What {
    Packet { to: SocketAddr, from: usize, via_link: bool, bytes: Vec<u8> },
    Wake(usize),
}

pub struct World {
    pub now: Duration,
    pub nodes: Vec<Node>,
    pub setup: Setup,
    /// What names resolve to.
    pub names: BTreeMap<String, Vec<SocketAddr>>,
    /// Pairs of which the first cannot reach the second.
    cut: BTreeSet<(usize, usize)>,
    by_address: BTreeMap<SocketAddr, usize>,
    queue: BinaryHeap<Reverse<(Duration, u64)>>,
    waiting: BTreeMap<u64, What>,
    next: u64,
    rng: Rng,
}

pub fn address(number: usize) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::from(0x0a00_0001 + number as u32).into(), 7946)
}

pub fn record(number: usize, address: SocketAddr, incarnation: u64) -> NodeRecord {
    NodeRecord {
        node: NodeId(number as u64 + 1),
        incarnation,
        version: 1,
        tag: (number as u16 + 1) & 0xfff,
        renewals: 0,
        gossip: address,
        name: String::new(),
        hosts: vec![address.ip().to_string()],
        ports: Ports { client: 6379, cluster: 7379, peer: address.port(), ..Ports::default() },
        weight: 1,
        zone: String::new(),
        state: NodeState::Active,
        since: EPOCH_MS,
        ready: true,
        synced_layout: 0,
        protocol: (1, 1),
        features: 0,
        layout_algo: 1,
        cluster: 0,
        extra: Vec::new(),
    }
}

impl World {
    pub fn new(setup: Setup) -> Self {
        World {
            now: Duration::ZERO,
            nodes: Vec::new(),
            names: BTreeMap::new(),
            cut: BTreeSet::new(),
            by_address: BTreeMap::new(),
            queue: BinaryHeap::new(),
            waiting: BTreeMap::new(),
            next: 0,
            rng: Rng::seeded(setup.seed),
            setup,
        }
    }

    /// A cluster whose nodes know each other from the start, three virtual seconds old.
    pub fn formed(count: usize, setup: Setup) -> Self {
        let mut world = World::new(setup);
        for number in 0..count {
            world.add(number, &[], |_| {});
        }
        let mut records: Vec<NodeRecord> =
            (0..count).map(|number| record(number, address(number), EPOCH_MS)).collect();
        let cluster = world.nodes[0].gossip.as_ref().unwrap().records()[0].cluster;
        records.iter_mut().for_each(|record| record.cluster = cluster);
        for number in 0..count {
            // Nodes do not tick together.
            world.run_for(Duration::from_micros(500_000 / count as u64));
            world.give(number, Input::Records { records: records.clone(), alive: true });
        }
        world.run_for(ms(2_500));
        for node in &mut world.nodes {
            node.events.clear();
        }
        world.reset_counts();
        world
    }

    /// Starts a node that knows `seeds`.
    pub fn add(
        &mut self,
        number: usize,
        seeds: &[&str],
        change: impl FnOnce(&mut Options),
    ) -> usize {
        let address = address(number);
        let index = self.nodes.len();
        self.nodes.push(Node {
            gossip: None,
            address,
            id: NodeId(number as u64 + 1),
            wake: None,
            frozen: false,
            held: Vec::new(),
            skew_ms: 0,
            events: Vec::new(),
            sent: 0,
            sent_bytes: 0,
            sent_on_links: 0,
        });
        self.start(index, record(number, address, EPOCH_MS), seeds, change);
        index
    }

    /// Starts a node, anew if it ran before.
    pub fn start(
        &mut self,
        index: usize,
        record: NodeRecord,
        seeds: &[&str],
        change: impl FnOnce(&mut Options),
    ) {
        let address = record.gossip;
        let mut options = Options {
            record,
            cluster: self.setup.cluster.into(),
            secret: self.setup.secret.map(|secret| secret.as_bytes().to_vec()),
            seeds: seeds.iter().map(|seed| (*seed).to_owned()).collect(),
            forget_after: self.setup.forget_after,
            seed: self.rng.bits(),
        };
        change(&mut options);
        self.by_address.retain(|_, other| *other != index);
        self.by_address.insert(address, index);
        let node = &mut self.nodes[index];
        (node.address, node.wake, node.frozen) = (address, None, false);
        node.gossip = Some(Gossip::new(options).unwrap());
        self.give(index, Input::Start);
        if self.setup.links {
            self.link(index);
        }
    }

    /// Links a node with all others.
    fn link(&mut self, index: usize) {
        for other in 0..self.nodes.len() {
            if other != index && self.nodes[other].gossip.is_some() {
                let (a, b) = (self.nodes[index].id, self.nodes[other].id);
                self.give(index, Input::LinkUp(b));
                self.give(other, Input::LinkUp(a));
            }
        }
    }

    pub fn kill(&mut self, index: usize) {
        self.nodes[index].gossip = None;
        let id = self.nodes[index].id;
        if self.setup.links {
            (0..self.nodes.len()).for_each(|other| self.give(other, Input::LinkDown(id)));
        }
    }

    pub fn freeze(&mut self, index: usize) {
        self.nodes[index].frozen = true;
    }

    /// The frozen node goes on, and finds its timers late and its socket full. It looks at the timers first, which is the worse order.
    pub fn thaw(&mut self, index: usize) {
        self.nodes[index].frozen = false;
        self.give(index, Input::Timer);
        for (from, bytes) in std::mem::take(&mut self.nodes[index].held) {
            self.give(index, Input::Packet { from, bytes: &bytes });
        }
    }

    /// From now on nothing of `from` reaches `to`.
    pub fn cut_one_way(&mut self, from: &[usize], to: &[usize]) {
        for a in from {
            self.cut.extend(to.iter().map(|b| (*a, *b)));
        }
    }

    pub fn cut_both_ways(&mut self, left: &[usize], right: &[usize]) {
        self.cut_one_way(left, right);
        self.cut_one_way(right, left);
    }

    pub fn heal(&mut self) {
        self.cut.clear();
    }

    /// Hands an input to a node and carries out what it wants. Frozen and dead nodes take none.
    pub fn give(&mut self, index: usize, input: Input<'_>) {
        let node = &mut self.nodes[index];
        let Some(gossip) = node.gossip.as_mut().filter(|_| !node.frozen) else { return };
        let unix_ms = (EPOCH_MS + self.now.as_millis() as u64).saturating_add_signed(node.skew_ms);
        let mut out = Vec::new();
        gossip.handle(input, Now { monotonic: self.now, unix_ms }, &mut out);
        for output in out {
            match output {
                Output::Send { to, bytes } => self.send(index, to, bytes),
                Output::WakeAt(at) => {
                    self.nodes[index].wake = Some(at);
                    self.push(at.max(self.now), What::Wake(index));
                }
                Output::Resolve(name) => {
                    let addresses = self.names.get(&name).cloned().unwrap_or_default();
                    self.give(index, Input::Resolved { seed: &name, addresses: &addresses });
                }
                Output::Event(event) => self.nodes[index].events.push((self.now, event)),
            }
        }
    }

    fn push(&mut self, at: Duration, what: What) {
        self.queue.push(Reverse((at, self.next)));
        self.waiting.insert(self.next, what);
        self.next += 1;
    }

    pub fn send(&mut self, from: usize, to: Via, bytes: Vec<u8>) {
        let via_link = matches!(to, Via::Link(_));
        let to = match to {
            Via::Address(address) => address,
            Via::Link(id) => match self.nodes.iter().find(|node| node.id == id) {
                Some(node) => node.address,
                None => return,
            },
        };
        let node = &mut self.nodes[from];
        if via_link {
            node.sent_on_links += 1;
        } else {
            assert!(bytes.len() <= 1_400, "a datagram of {} bytes", bytes.len());
            node.sent += 1;
            node.sent_bytes += bytes.len() as u64;
        }
        let lost = !via_link && self.rng.below(1_000) < self.setup.loss;
        let copies = 1 + u32::from(!via_link && self.rng.below(1_000) < self.setup.doubled);
        for _ in 0..if lost { 0 } else { copies } {
            let at = self.now + Duration::from_micros(200 + self.rng.below(300));
            self.push(at, What::Packet { to, from, via_link, bytes: bytes.clone() });
        }
    }

    fn arrive(&mut self, to: SocketAddr, from: usize, via_link: bool, bytes: Vec<u8>) {
        let Some(&index) = self.by_address.get(&to) else { return };
        if self.cut.contains(&(from, index)) {
            return;
        }
        let sender = &self.nodes[from];
        let via = if via_link { Via::Link(sender.id) } else { Via::Address(sender.address) };
        let node = &mut self.nodes[index];
        if node.frozen && node.held.len() < SOCKET_PACKETS {
            node.held.push((via, bytes));
        } else {
            self.give(index, Input::Packet { from: via, bytes: &bytes });
        }
    }

    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(Reverse((at, number))) = self.queue.peek().copied() {
            if at > end {
                break;
            }
            self.queue.pop();
            self.now = self.now.max(at);
            match self.waiting.remove(&number).unwrap() {
                What::Packet { to, from, via_link, bytes } => {
                    self.arrive(to, from, via_link, bytes)
                }
                What::Wake(index) => {
                    // Each wish replaces the one before; only the latest is granted.
                    if self.nodes[index].wake.is_some_and(|wake| wake <= self.now) {
                        self.nodes[index].wake = None;
                        self.give(index, Input::Timer);
                    }
                }
            }
        }
        self.now = end;
    }

    /// Runs in steps of 20 ms until `done`, for at most `limit`. Returns how long it took.
    pub fn run_until(
        &mut self,
        limit: Duration,
        done: impl Fn(&World) -> bool,
    ) -> Option<Duration> {
        let start = self.now;
        while !done(self) {
            if self.now - start >= limit {
                return None;
            }
            self.run_for(ms(20));
        }
        Some(self.now - start)
    }

    pub fn gossip(&self, index: usize) -> &Gossip {
        self.nodes[index].gossip.as_ref().unwrap()
    }

    pub fn is_running(&self, index: usize) -> bool {
        self.nodes[index].gossip.is_some()
    }

    /// Whether `observer` takes `subject` for alive.
    pub fn sees(&self, observer: usize, subject: usize) -> bool {
        let liveness = self.gossip(observer).liveness(self.nodes[subject].id);
        liveness.is_some_and(|liveness| liveness != Liveness::Down)
    }

    /// Whether all of `nodes` see each other.
    pub fn together(&self, nodes: &[usize]) -> bool {
        nodes.iter().all(|a| nodes.iter().all(|b| self.sees(*a, *b)))
    }

    /// When each running node found `subject` down after `since`, sorted; those that did not are left out.
    pub fn found_down(&self, subject: usize, since: Duration) -> Vec<Duration> {
        let id = self.nodes[subject].id;
        let mut times: Vec<Duration> = (0..self.nodes.len())
            .filter(|index| self.is_running(*index))
            .filter_map(|index| {
                let mut events = self.nodes[index].events.iter();
                let found = events
                    .find(|(at, event)| *at >= since && *event == Event::MemberDown(id))
                    .map(|(at, _)| *at);
                found.map(|at| at - since)
            })
            .collect();
        times.sort_unstable();
        times
    }

    /// Downs of running nodes, and nodes that were told that they are down.
    pub fn false_alarms(&self) -> usize {
        let running: BTreeSet<NodeId> = (0..self.nodes.len())
            .filter(|index| self.is_running(*index))
            .map(|index| self.nodes[index].id)
            .collect();
        let events = self.nodes.iter().flat_map(|node| &node.events);
        let alarm = |event: &Event| match event {
            Event::MemberDown(node) => running.contains(node),
            Event::Rejoined { .. } => true,
            _ => false,
        };
        events.filter(|(_, event)| alarm(event)).count()
    }

    /// Events of a node that `wanted` picks.
    pub fn count(&self, index: usize, wanted: impl Fn(&Event) -> bool) -> usize {
        self.nodes[index].events.iter().filter(|(_, event)| wanted(event)).count()
    }

    pub fn reset_counts(&mut self) {
        for node in &mut self.nodes {
            (node.sent, node.sent_bytes, node.sent_on_links) = (0, 0, 0);
        }
    }

    /// Datagrams and bytes that a running node sent in a second, on average over `time`.
    pub fn rate(&self, time: Duration) -> (f64, f64) {
        let running: Vec<&Node> = self.nodes.iter().filter(|node| node.gossip.is_some()).collect();
        let per = running.len() as f64 * time.as_secs_f64();
        let sum = |count: fn(&Node) -> u64| running.iter().map(|node| count(node)).sum::<u64>();
        (sum(|node| node.sent) as f64 / per, sum(|node| node.sent_bytes) as f64 / per)
    }
}
