//! One node of a world: everything that a process has but for sockets and threads.

use super::tracking::Ends;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use torc_protocol::peer::request::WriteLevel;
use torc_protocol::slot::Slot;
use torc_server::admin::Instance;
use torc_server::admin::clients::Endpoint;
use torc_server::admin::mailbox::Mailbox;
use torc_server::base::clock::Clock;
use torc_server::base::version::{Tag, Version};
use torc_server::cluster::membership::{self, Gossip, Input, Liveness, Membership, Now, Options};
use torc_server::cluster::record::{NodeRecord, NodeState, Ports};
use torc_server::cluster::view::MemberIndex;
use torc_server::cluster::{NodeId, View};
use torc_server::command::Session;
use torc_server::config::Settings;
use torc_server::node::core::{self, Core};
use torc_server::node::plane::{Held, Plane, Replication, Short, Waiter};
use torc_server::node::replicator::Replicator;
use torc_server::node::{Client, WorkerState};
use torc_server::replication::journal::WorkerJournal;
use torc_server::replication::slots::Slots;
use torc_server::replication::stash::StashLimits;
use torc_server::store::{Local, Share};

/// Wall time when a world begins.
pub const EPOCH_MS: u64 = 1_790_000_000_000;

/// What a node is started with.
#[derive(Debug, Clone)]
pub struct Start {
    pub number: usize,
    pub incarnation: u64,
    pub tag: u16,
    /// World time, in microseconds.
    pub now_us: u64,
    pub ahead_us: i64,
    pub seed: u64,
    pub copies: usize,
    pub log_bytes: usize,
    /// Whether it kept slots before, so that it comes back into its place.
    pub placed: bool,
    pub seeds: Vec<String>,
    /// What it knows of others from the start.
    pub known: Vec<NodeRecord>,
    /// How long tags of those who are gone are kept.
    pub tag_retention: Duration,
}

/// Less than a node's, so that there is more often no room.
const STASH: StashLimits = StashLimits { bytes: 64 * 1024, age_ms: 500 };

/// A process.
pub struct Node {
    pub number: usize,
    pub id: NodeId,
    pub instance: Arc<Instance>,
    pub slots: Arc<Slots>,
    pub core: Core,
    pub worker: WorkerState,
    replicator: Arc<Mutex<Replicator>>,
    verdicts: Arc<Mutex<Verdicts>>,
    pub log_bytes: usize,
    pub ends: Ends,
    /// When the core wants to be called, in world time.
    pub core_wake: u64,
    /// The same for the worker.
    pub worker_wake: u64,
    pub left: bool,
    at_us: u64,
}

pub fn node_id(number: usize) -> NodeId {
    NodeId(number as u64 + 1)
}

pub fn number_of(id: NodeId) -> usize {
    id.0 as usize - 1
}

pub fn address(number: usize) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::from(0x0a00_0001 + number as u32).into(), 7946)
}

pub fn record(start: &Start) -> NodeRecord {
    let address = address(start.number);
    NodeRecord {
        node: node_id(start.number),
        incarnation: start.incarnation,
        version: 1,
        tag: start.tag,
        renewals: 0,
        gossip: address,
        name: String::new(),
        hosts: vec![address.ip().to_string()],
        ports: Ports { client: 6379, cluster: 7379, peer: address.port(), ..Ports::default() },
        weight: 1,
        zone: String::new(),
        state: if start.placed { NodeState::Active } else { NodeState::Joining },
        since: EPOCH_MS + start.now_us / 1_000,
        ready: false,
        synced_layout: 0,
        protocol: (1, 1),
        features: 0,
        layout_algo: 1,
        cluster: membership::cluster_hash("sim"),
        extra: Vec::new(),
    }
}

/// What a test makes a node believe of others, whatever they say.
#[derive(Default)]
struct Verdicts {
    given_up: BTreeSet<NodeId>,
    /// What the core has not been told yet.
    news: Vec<membership::Event>,
}

/// Membership that knows some records from the start.
struct Knowing {
    gossip: Gossip,
    known: Vec<NodeRecord>,
    verdicts: Arc<Mutex<Verdicts>>,
}

impl Membership for Knowing {
    fn handle(&mut self, input: Input<'_>, now: Now, out: &mut Vec<membership::Output>) {
        match input {
            Input::Start => {
                self.gossip.handle(Input::Start, now, out);
                let records = std::mem::take(&mut self.known);
                if !records.is_empty() {
                    self.gossip.handle(Input::Records { records, alive: true }, now, out);
                }
            }
            input => self.gossip.handle(input, now, out),
        }
        let news = std::mem::take(&mut self.verdicts.lock().unwrap().news);
        out.extend(news.into_iter().map(membership::Output::Event));
    }

    fn liveness(&self, node: NodeId) -> Option<Liveness> {
        match self.verdicts.lock().unwrap().given_up.contains(&node) {
            true => Some(Liveness::Down),
            false => self.gossip.liveness(node),
        }
    }

    fn record(&self, node: NodeId) -> Option<Arc<NodeRecord>> {
        self.gossip.record(node)
    }

    fn records(&self) -> Vec<Arc<NodeRecord>> {
        self.gossip.records()
    }
}

/// The replicator, which the plane owns and the links need.
struct Shared(Arc<Mutex<Replicator>>);

impl Replication for Shared {
    fn take_written(&mut self, local: &mut Local, writes: &mut Vec<(Slot, Version)>) {
        self.0.lock().unwrap().take_written(local, writes);
    }

    fn reach(
        &self,
        view: &View,
        writes: &[(Slot, Version)],
        level: WriteLevel,
    ) -> Result<u32, Short> {
        self.0.lock().unwrap().reach(view, writes, level)
    }

    fn copies(&self, writes: &[(Slot, Version)]) -> u32 {
        self.0.lock().unwrap().copies(writes)
    }

    fn hold(&mut self, writes: &[(Slot, Version)], level: WriteLevel, timeout: Duration) -> Held {
        self.0.lock().unwrap().hold(writes, level, timeout)
    }

    fn count(&mut self, writes: &[(Slot, Version)], copies: u32, timeout: Duration) -> Held {
        self.0.lock().unwrap().count(writes, copies, timeout)
    }

    fn written_before(&self, bound: Version) -> Vec<(Slot, Version)> {
        self.0.lock().unwrap().written_before(bound)
    }

    fn refresh(&mut self, slot: Slot) -> Held {
        self.0.lock().unwrap().refresh(slot)
    }

    fn covers(&self, slot: Slot, version: Version) -> bool {
        self.0.lock().unwrap().covers(slot, version)
    }

    fn standing(&self, slot: Slot) -> Vec<Version> {
        self.0.lock().unwrap().standing(slot)
    }

    fn give_up(&mut self, waiter: Waiter) -> u32 {
        self.0.lock().unwrap().give_up(waiter)
    }
}

impl Node {
    pub fn start(start: &Start) -> Node {
        let clock = Clock::manual(EPOCH_MS);
        clock.advance(Duration::from_micros(start.now_us));
        clock.set_ahead(start.ahead_us);
        let instance = Arc::new(Instance::new(Settings::default(), clock, start.seed));
        // Nobody sleeps who would have to be woken: it is looked into at the end of each turn.
        let (mailbox, _) = Mailbox::new(Box::new(|| {}));
        instance.clients.mailboxes.attach(vec![mailbox]);
        instance.tracking.start(node_id(start.number));
        let tag = Tag::new(start.tag);
        instance.store.replicate(tag, instance.clock.unix_ms());
        let slots = Arc::new(Slots::with_limits(tag, STASH));
        let mut worker = WorkerState::new(&instance, 0);
        worker.local.set_journal(Some(Box::new(WorkerJournal::new(tag, start.log_bytes))));
        let replicator =
            Arc::new(Mutex::new(Replicator::new(Arc::clone(&instance), Arc::clone(&slots))));
        worker.join_ring(Plane::new(Box::new(Shared(Arc::clone(&replicator))), start.seed));
        let gossip = Gossip::new(Options {
            record: record(start),
            cluster: "sim".into(),
            secret: None,
            seeds: start.seeds.clone(),
            forget_after: Duration::from_secs(600),
            seed: start.seed,
        });
        let verdicts = Arc::<Mutex<Verdicts>>::default();
        let membership = Box::new(Knowing {
            gossip: gossip.unwrap(),
            known: start.known.clone(),
            verdicts: Arc::clone(&verdicts),
        });
        let id = node_id(start.number);
        let options = core::Options {
            node: id,
            copies: start.copies,
            may_begin: true,
            tag_retention: start.tag_retention,
        };
        let local = instance.store.local();
        let now = Now { monotonic: instance.clock.monotonic(), unix_ms: instance.clock.unix_ms() };
        let core =
            Core::new(options, Arc::clone(&instance), Arc::clone(&slots), local, membership, now);
        Node {
            number: start.number,
            id,
            instance,
            slots,
            core,
            worker,
            replicator,
            verdicts,
            log_bytes: start.log_bytes,
            ends: Ends::new(),
            core_wake: 0,
            worker_wake: u64::MAX,
            left: false,
            at_us: start.now_us,
        }
    }

    /// Moves the node's clock to the world's.
    pub fn sync(&mut self, now_us: u64) {
        self.instance.clock.advance(Duration::from_micros(now_us - self.at_us));
        self.at_us = now_us;
    }

    pub fn now(&self) -> Now {
        Now { monotonic: self.instance.clock.monotonic(), unix_ms: self.instance.clock.unix_ms() }
    }

    pub fn handle(&mut self, input: core::Input<'_>) -> Vec<core::Output> {
        let mut out = Vec::new();
        let now = self.now();
        self.core.handle(input, now, &mut out);
        out
    }

    /// Makes the node take another one for dead, or for alive again; it hears of it with its next input.
    pub fn judge(&mut self, node: NodeId, alive: bool) {
        let mut verdicts = self.verdicts.lock().unwrap();
        let event = if alive {
            verdicts.given_up.remove(&node);
            membership::Event::MemberUp { node, incarnation: 0 }
        } else {
            verdicts.given_up.insert(node);
            membership::Event::MemberDown(node)
        };
        verdicts.news.push(event);
    }

    pub fn replicator(&self) -> MutexGuard<'_, Replicator> {
        self.replicator.lock().unwrap()
    }

    pub fn view(&self) -> Arc<View> {
        self.instance.cluster.view().unwrap()
    }

    pub fn index_of(&self, id: NodeId) -> Option<MemberIndex> {
        self.view().find(id).map(|(index, _)| index)
    }

    /// What a worker does every 100 ms.
    pub fn tick(&mut self) {
        let now = self.worker.tick(&self.instance);
        self.worker.look_after_tracking(&self.instance);
        let share = Share { index: 0, of: 1 };
        self.instance.store.tidy(&mut self.worker.local, share);
        let guard = self.worker.local.pin();
        self.instance.store.sweep(&mut self.worker.local, &guard, now, share, || true);
    }

    /// Effects of `peer` come in; gives what is to be acknowledged.
    pub fn receive_effects(&mut self, payload: &[u8]) -> Vec<u8> {
        let mut acks = Vec::new();
        let replicator = Arc::clone(&self.replicator);
        replicator
            .lock()
            .unwrap()
            .receive_effects(&mut self.worker.local, payload, &mut acks)
            .unwrap();
        acks
    }

    /// Acknowledgements of `peer` come in, or are looked for.
    pub fn acked(&mut self, waiters: Vec<Waiter>) {
        self.worker.on_acked(&self.instance, waiters);
    }

    /// Effects for `peer`, if there are any, and whether some fell off the log.
    pub fn read_effects(&mut self, peer: MemberIndex, bytes_max: usize) -> (Vec<u8>, bool) {
        let mut out = Vec::new();
        let view = self.view();
        let replicator = Arc::clone(&self.replicator);
        let mut replicator = replicator.lock().unwrap();
        let local = &mut self.worker.local;
        let read = replicator.read_effects(local, &view, peer, bytes_max, &mut out);
        (out, read.fell_off)
    }

    pub fn link_up(&mut self, peer: MemberIndex) {
        let replicator = Arc::clone(&self.replicator);
        replicator.lock().unwrap().link_up(&mut self.worker.local, peer);
    }

    pub fn link_down(&mut self, peer: MemberIndex) {
        let replicator = Arc::clone(&self.replicator);
        replicator.lock().unwrap().link_down(&mut self.worker.local, peer);
    }

    pub fn connect(&self, place: usize) -> Client {
        let now = self.instance.clock.unix_ms();
        let info = self.instance.clients.register(Endpoint::default(), 0, now);
        info.set_slot(place);
        let mut client = Client::new(Session::new(info, true));
        client.place = place;
        client
    }

    /// Bytes that the worker's log holds.
    pub fn log_held(&mut self) -> usize {
        let journal = self.worker.local.journal().unwrap();
        journal.as_any().downcast_mut::<WorkerJournal>().unwrap().log().held_bytes()
    }
}
