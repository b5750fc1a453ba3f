//! The harness: nodes, links, batons, clients and the model.

use crate::admin::Instance;
use crate::admin::clients::Endpoint;
use crate::base::clock::Clock;
use crate::base::rng::Rng;
use crate::base::version::Tag;
use crate::cluster::member::Member;
use crate::cluster::route::{Port, Route};
use crate::cluster::{NodeId, View};
use crate::command::Session;
use crate::config::Settings;
use crate::node::plane::{Failure, Lone, Plane, Replication, Taking};
use crate::node::{Client, Park, Verdict, WorkerState, run};
use crate::replication::journal::WorkerJournal;
use crate::store::{Edit, Expiry, Kind as StoreKind, NewValue, WrongType};
use crate::types::collection::List;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use torc_protocol::peer::frame::{self, Decoded};
use torc_protocol::peer::request::response_flags;
use torc_protocol::peer::{Head, Kind, Limits};
use torc_protocol::slot::{SLOT_COUNT, Slot};

const START_MS: u64 = 1_700_000_000_000;

pub struct Sim(Rng);

impl Sim {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0.below(bound)
    }
}

pub struct Node {
    pub instance: Arc<Instance>,
    pub worker: WorkerState,
}

struct Peer {
    node: usize,
    client: Client,
    input: Vec<u8>,
    out: Vec<u8>,
    parked: bool,
    closed: bool,
    shadow: Client,
}

enum Event {
    /// A frame on its way, and which life of the link it belongs to.
    Frame { from: usize, to: usize, life: u64, bytes: Vec<u8> },
    /// `node` hears that `slot` has a new owner.
    Heard { node: usize, slot: Slot, owner: usize, epoch: u64 },
    /// The keys of `slot` have gone over, and `to` serves it.
    Granted { slot: Slot, from: usize, to: usize },
}

pub struct World {
    pub sim: Sim,
    pub nodes: Vec<Node>,
    model: Node,
    peers: Vec<Peer>,
    now_us: u64,
    seq: u64,
    events: BTreeMap<(u64, u64), Event>,
    /// When the last frame of a direction arrives: frames of one link keep their order.
    arrives: HashMap<(usize, usize), u64>,
    /// By link and frame id: the sender's ticket.
    tickets: HashMap<(usize, usize, u32), u64>,
    next_id: u32,
    lives: HashMap<(usize, usize), u64>,
    down_until: HashMap<(usize, usize), u64>,
    owners: Vec<usize>,
    epochs: Vec<u64>,
    moving: Vec<bool>,
    pub frames: u64,
    /// Frames of responses behind which more were to come.
    pub parts: u64,
    /// Frames to this node vanish, and nobody is told.
    pub black_hole: Option<usize>,
}

fn member(index: usize) -> Member {
    Member::on_loopback(NodeId(index as u64 + 1), index as u16)
}

fn new_node(settings: &[(&str, &str)]) -> Node {
    let instance = Instance::new(Settings::default(), Clock::manual(START_MS), 1);
    instance.configure(settings).unwrap();
    let worker = WorkerState::new(&instance, 0);
    Node { instance: Arc::new(instance), worker }
}

impl Node {
    fn client(&self) -> Client {
        let info = self.instance.clients.register(Endpoint::default(), 0, START_MS);
        Client::new(Session::new(info, true))
    }
}

impl World {
    pub fn new(seed: u64, settings: &[(&str, &str)]) -> World {
        World::with(seed, settings, |_| Box::new(Lone))
    }

    pub fn with(
        seed: u64,
        settings: &[(&str, &str)],
        replication: impl Fn(usize) -> Box<dyn Replication>,
    ) -> World {
        let nodes: Vec<Node> = (0..3).map(|_| new_node(settings)).collect();
        let mut world = World {
            sim: Sim(Rng::seeded(seed)),
            nodes,
            model: new_node(&[]),
            peers: Vec::new(),
            now_us: 0,
            seq: 0,
            events: BTreeMap::new(),
            arrives: HashMap::new(),
            tickets: HashMap::new(),
            next_id: 0,
            lives: HashMap::new(),
            down_until: HashMap::new(),
            owners: vec![0; SLOT_COUNT],
            epochs: vec![0; SLOT_COUNT],
            moving: vec![false; SLOT_COUNT],
            frames: 0,
            parts: 0,
            black_hole: None,
        };
        for index in 0..3 {
            let node = &mut world.nodes[index];
            let view = View::build((0..3).map(member).collect(), NodeId(index as u64 + 1), 1);
            node.instance.cluster.publish(Arc::new(view));
            node.worker.join_ring(Plane::new(replication(index), seed + index as u64));
        }
        for slot in (0..SLOT_COUNT as u16).filter_map(Slot::new) {
            // Runs of slots, as in a ring.
            let owner = slot.index() / 512 % 3;
            world.owners[slot.index()] = owner;
            for node in 0..3 {
                world.route(node, slot, owner);
            }
        }
        world
    }

    /// Has the nodes give versions to what is written.
    pub fn replicate(&mut self) {
        for (index, node) in self.nodes.iter_mut().enumerate() {
            let tag = Tag::new(index as u16);
            node.instance.store.replicate(tag, START_MS);
            let journal = WorkerJournal::new(tag, 1 << 20);
            node.worker.local.set_journal(Some(Box::new(journal)));
        }
    }

    fn route(&self, node: usize, slot: Slot, owner: usize) {
        let cluster = &self.nodes[node].instance.cluster;
        let view = cluster.view().unwrap();
        let (index, _) = view.find(NodeId(owner as u64 + 1)).unwrap();
        let route = if owner == node { Route::Serve } else { Route::Forward(index) };
        cluster.routes().set(slot, route);
    }

    pub fn owner(&self, slot: Slot) -> usize {
        self.owners[slot.index()]
    }

    pub fn connect(&mut self, node: usize) -> usize {
        let mut client = self.nodes[node].client();
        client.place = self.peers.len();
        let mut shadow = self.model.client();
        shadow.session.id = client.session.id;
        self.peers.push(Peer {
            node,
            client,
            input: Vec::new(),
            out: Vec::new(),
            parked: false,
            closed: false,
            shadow,
        });
        self.peers.len() - 1
    }

    pub fn connect_cluster(&mut self, node: usize) -> usize {
        let client = self.connect(node);
        self.peers[client].client.session.port = Port::Cluster;
        client
    }

    pub fn output(&self, client: usize) -> &[u8] {
        &self.peers[client].out
    }

    pub fn take_output(&mut self, client: usize) -> String {
        let peer = &mut self.peers[client];
        let mut out = std::mem::take(&mut peer.out);
        let mut more = Vec::new();
        while peer.client.refill(&mut more) {
            out.append(&mut more);
        }
        out.escape_ascii().to_string()
    }

    /// What the client's socket is given to send, which sends it.
    pub fn read(&mut self, client: usize) -> Vec<u8> {
        let peer = &mut self.peers[client];
        let out = std::mem::take(&mut peer.out);
        peer.parked &= !peer.client.refill(&mut peer.out);
        let node = peer.node;
        self.nodes[node].worker.note_taken(&mut peer.client);
        self.turn(client);
        out
    }

    /// Lets the client read until nothing more comes.
    pub fn read_all(&mut self, client: usize) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            self.settle();
            let read = self.read(client);
            if read.is_empty() {
                return all;
            }
            all.extend(read);
        }
    }

    /// Bytes that wait for a client.
    pub fn waiting_bytes(&self, client: usize) -> usize {
        self.peers[client].out.len() + self.peers[client].client.owed_bytes()
    }

    /// How many bytes of a long reply may wait for a client.
    pub fn set_window(&mut self, bytes: u64) {
        for node in &mut self.nodes {
            node.worker.plane().unwrap().set_window(bytes);
        }
    }

    /// A client goes away, whatever it is owed.
    pub fn hang_up(&mut self, client: usize) {
        let fresh = self.nodes[self.peers[client].node].client();
        let peer = &mut self.peers[client];
        let Node { instance, worker } = &mut self.nodes[peer.node];
        worker.forget(instance, &mut peer.client);
        peer.client = fresh;
        peer.input.clear();
        peer.out.clear();
        (peer.parked, peer.closed) = (false, true);
        let node = peer.node;
        self.drain(node);
    }

    pub fn acked(&mut self, node: usize, waiter: crate::node::plane::Waiter) {
        let Node { instance, worker } = &mut self.nodes[node];
        worker.on_acked(instance, vec![waiter]);
        self.drain(node);
    }

    pub fn is_closed(&self, client: usize) -> bool {
        self.peers[client].closed
    }

    /// What the model answers.
    pub fn model(&mut self, client: usize, command: &[Vec<u8>]) -> Vec<u8> {
        let mut input = encode(command);
        let mut out = Vec::new();
        let shadow = &mut self.peers[client].shadow;
        run(shadow, &mut input, &mut out, &mut self.model.worker, &self.model.instance);
        out
    }

    /// What is answered in the place of a command that the model does not run: nothing, where the client wants no reply.
    pub fn model_reply(&mut self, client: usize, reply: &[u8]) -> Vec<u8> {
        let own = self.model(client, &[b"ping".to_vec()]);
        if own.is_empty() { Vec::new() } else { reply.to_vec() }
    }

    pub fn send(&mut self, client: usize, commands: &[Vec<Vec<u8>>]) {
        let bytes: Vec<u8> = commands.iter().flat_map(|command| encode(command)).collect();
        self.peers[client].input.extend(bytes);
        self.turn(client);
    }

    pub fn say(&mut self, client: usize, text: &str) {
        let command: Vec<Vec<u8>> = text.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        self.send(client, &[command]);
    }

    /// Sends and waits for all replies.
    pub fn ask(&mut self, client: usize, text: &str) -> String {
        self.say(client, text);
        self.settle();
        self.take_output(client)
    }

    fn turn(&mut self, client: usize) {
        let peer = &mut self.peers[client];
        let node = &mut self.nodes[peer.node];
        while !peer.parked && !peer.closed {
            let progress = run(
                &mut peer.client,
                &mut peer.input,
                &mut peer.out,
                &mut node.worker,
                &node.instance,
            );
            peer.input.drain(..progress.consumed);
            match progress.verdict {
                Verdict::More if progress.consumed > 0 || !peer.input.is_empty() => {}
                Verdict::Parked(Park::Replies | Park::Blocked) => peer.parked = true,
                Verdict::Close => peer.closed = true,
                _ => break,
            }
        }
        let node = peer.node;
        self.drain(node);
    }

    /// Carries out what a node wants done.
    fn drain(&mut self, node: usize) {
        loop {
            let Node { instance, worker } = &mut self.nodes[node];
            if let Some(answer) = worker.next_answer() {
                let place = answer.place;
                if let Some(peer) = self.peers.get_mut(place)
                    && peer.client.session.id == answer.client
                    && peer.node == node
                {
                    peer.client.answer(answer, &mut peer.out);
                    worker.note_taken(&mut peer.client);
                    peer.closed |= peer.client.is_broken();
                    peer.parked = peer.client.is_blocked();
                    self.turn(place);
                } else {
                    worker.undelivered(&answer);
                }
            } else if let Some(Taking { to, ticket, taken }) = worker.next_taking() {
                let to = to.0 as usize - 1;
                let is_its =
                    |(from, by, _): (usize, usize, u32), of| (from, by, of) == (node, to, ticket);
                let asked = self.tickets.iter().find(|(asked, of)| is_its(**asked, **of));
                let Some((&(_, _, id), _)) = asked else { continue };
                if taken.unwanted {
                    self.tickets.remove(&(node, to, id));
                }
                let head = Head { id, ..Head::of(Kind::Taken) };
                let mut payload = Vec::new();
                taken.encode(&mut payload).unwrap();
                self.post(node, to, head, &payload);
            } else if let Some(send) = worker.next_send() {
                let to = send.to.0 as usize - 1;
                if self.down_until.get(&pair(node, to)).is_some_and(|until| *until > self.now_us) {
                    let failure = [Failure::Unreachable, Failure::Busy][self.sim.below(2) as usize];
                    worker.on_failure(instance, send.ticket, failure);
                    continue;
                }
                self.next_id += 1;
                self.tickets.insert((node, to, self.next_id), send.ticket);
                let head = Head { slot: send.slot, id: self.next_id, ..Head::of(Kind::Request) };
                self.post(node, to, head, &send.payload);
            } else if let Some(response) = worker.next_response() {
                let head = Head {
                    slot: response.slot,
                    id: response.id,
                    flags: response.flags,
                    ..Head::of(Kind::Response)
                };
                if head.flags & response_flags::MORE != 0 {
                    worker.on_room(response.link);
                }
                self.post(node, response.link as usize, head, &response.payload);
            } else if worker.has_waits_to_look_after(instance) {
                worker.look_after_waits(instance);
            } else {
                return;
            }
        }
    }

    fn post(&mut self, from: usize, to: usize, head: Head, payload: &[u8]) {
        let mut bytes = Vec::new();
        frame::encode(head, &mut bytes, |out| {
            out.extend_from_slice(payload);
            Ok(())
        })
        .unwrap();
        self.frames += 1;
        if self.black_hole == Some(to) {
            return;
        }
        let delay = 50 + self.sim.below(400);
        let last = self.arrives.entry((from, to)).or_insert(0);
        let time = (self.now_us + delay).max(*last + 1);
        *last = time;
        let life = *self.lives.get(&pair(from, to)).unwrap_or(&0);
        self.at(time, Event::Frame { from, to, life, bytes });
    }

    fn at(&mut self, time: u64, event: Event) {
        self.seq += 1;
        self.events.insert((time, self.seq), event);
    }

    /// Moves a random slot, more often one that has keys.
    pub fn flip_random(&mut self) {
        let client = self.sim.below(self.peers.len() as u64);
        let number = self.sim.below(12);
        let prefix = ["", "n:", "h:"][self.sim.below(3) as usize];
        let key = match self.sim.below(3) {
            0 => format!("{prefix}{{c{client}}}:{number}"),
            _ => format!("{prefix}c{client}:{number}"),
        };
        let to = self.sim.below(3) as usize;
        self.flip(torc_protocol::slot::slot_of(key.as_bytes()), to);
    }

    pub fn flip(&mut self, slot: Slot, to: usize) {
        let from = self.owners[slot.index()];
        if from == to || self.moving[slot.index()] {
            return;
        }
        self.moving[slot.index()] = true;
        self.nodes[from].instance.cluster.routes().set(slot, Route::Wait);
        let time = self.now_us + 100 + self.sim.below(3_000);
        self.at(time, Event::Granted { slot, from, to });
    }

    fn granted(&mut self, slot: Slot, from: usize, to: usize) {
        self.move_keys(slot, from, to);
        self.owners[slot.index()] = to;
        self.moving[slot.index()] = false;
        self.epochs[slot.index()] += 1;
        self.route(to, slot, to);
        self.route(from, slot, to);
        let epoch = self.epochs[slot.index()];
        for node in (0..3).filter(|&node| node != from && node != to) {
            let time = self.now_us + self.sim.below(5_000);
            self.at(time, Event::Heard { node, slot, owner: to, epoch });
        }
    }

    fn move_keys(&mut self, slot: Slot, from: usize, to: usize) {
        for db in 0..16 {
            let mut found = Vec::new();
            let node = &mut self.nodes[from];
            let now = node.instance.clock.unix_ms();
            let guard = node.worker.local.pin();
            let mut keyspace =
                node.instance.store.keyspace(&mut node.worker.local, &guard, db, now);
            let mut lists = Vec::new();
            keyspace.visit_slot(slot, 0, usize::MAX, |entry| {
                if let Ok(found) = entry.collection(StoreKind::List) {
                    let elements = found.list().range(0, u64::MAX, false);
                    let elements: Vec<_> = elements.map(|it| it.value.to_vec()).collect();
                    lists.push((entry.key().to_vec(), elements));
                    return;
                }
                let bytes = entry.string().unwrap().bytes(&mut itoa::Buffer::new()).to_vec();
                found.push((
                    entry.key().to_vec(),
                    bytes,
                    entry.encoding() == "raw",
                    entry.deadline(),
                ));
            });
            keyspace.forget_slot(slot, 0, usize::MAX);
            drop(guard);
            let node = &mut self.nodes[to];
            let guard = node.worker.local.pin();
            let mut keyspace =
                node.instance.store.keyspace(&mut node.worker.local, &guard, db, now);
            for (key, bytes, raw, deadline) in found {
                let value = if raw { NewValue::Raw(&bytes) } else { NewValue::Bytes(&bytes) };
                keyspace.set(&key, value, deadline.map_or(Expiry::Never, Expiry::At));
            }
            for (key, elements) in lists {
                let put = |list: &mut Edit<'_, List>| {
                    elements.iter().for_each(|element| list.push_back(element));
                    Ok::<_, WrongType>(())
                };
                keyspace.edit(&key, put).unwrap();
            }
        }
    }

    /// Ends the connection between two nodes: what is on its way is lost.
    pub fn break_link(&mut self, a: usize, b: usize, down_us: u64) {
        *self.lives.entry(pair(a, b)).or_insert(0) += 1;
        self.down_until.insert(pair(a, b), self.now_us + down_us);
        for (node, link) in [(a, b), (b, a)] {
            let Node { instance, worker } = &mut self.nodes[node];
            worker.on_link_lost(instance, link as u64);
            self.drain(node);
        }
        let mut lost: Vec<_> = self
            .tickets
            .keys()
            .copied()
            .filter(|&(from, to, _)| pair(from, to) == pair(a, b))
            .collect();
        lost.sort_unstable();
        for key in lost {
            let Some(ticket) = self.tickets.remove(&key) else { continue };
            let Node { instance, worker } = &mut self.nodes[key.0];
            worker.on_failure(instance, ticket, Failure::Lost);
            self.drain(key.0);
        }
    }

    /// Nobody reaches `node` for a while, and it reaches nobody.
    pub fn cut_off(&mut self, node: usize, for_us: u64) {
        for other in (0..3).filter(|&other| other != node) {
            self.break_link(node, other, for_us);
        }
    }

    /// The others have noticed that `dead` is, and `heir` serves its slots.
    pub fn declare_dead(&mut self, dead: usize, heir: usize) {
        for slot in (0..SLOT_COUNT as u16).filter_map(Slot::new) {
            if self.owners[slot.index()] == dead {
                self.owners[slot.index()] = heir;
                (0..3).for_each(|node| self.route(node, slot, heir));
            }
        }
        for index in (0..3).filter(|&index| index != dead) {
            let alive = |it: usize| Member { alive: it != dead, ..member(it) };
            let view = View::build((0..3).map(alive).collect(), NodeId(index as u64 + 1), 1);
            self.nodes[index].instance.cluster.publish(Arc::new(view));
        }
    }

    /// The next thing that happens; false if nothing will.
    pub fn step(&mut self) -> bool {
        let next_event = self.events.keys().next().map(|(time, _)| *time);
        let start = Duration::from_millis(START_MS);
        let wakes = (0..3).filter_map(|node| {
            let wake = self.nodes[node].worker.next_wake()?;
            Some((wake.saturating_sub(start).as_micros() as u64, node))
        });
        let wake = wakes.min();
        let time = match (next_event, wake) {
            (None, None) => return false,
            (event, wake) => event.unwrap_or(u64::MAX).min(wake.map_or(u64::MAX, |(time, _)| time)),
        };
        self.advance(time.max(self.now_us));
        if let Some((wake, node)) = wake
            && wake <= self.now_us
        {
            let Node { instance, worker } = &mut self.nodes[node];
            worker.on_time(instance);
            self.drain(node);
            return true;
        }
        if let Some((_, event)) = self.events.pop_first() {
            self.happen(event);
        }
        true
    }

    fn advance(&mut self, to_us: u64) {
        let by = Duration::from_micros(to_us - self.now_us);
        for node in self.nodes.iter_mut().chain([&mut self.model]) {
            node.instance.clock.advance(by);
            node.worker.tick(&node.instance);
        }
        self.now_us = to_us;
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Granted { slot, from, to } => self.granted(slot, from, to),
            Event::Heard { node, slot, owner, epoch } => {
                if self.epochs[slot.index()] == epoch && !self.moving[slot.index()] {
                    self.route(node, slot, owner);
                }
            }
            Event::Frame { from, to, life, bytes } => {
                if *self.lives.get(&pair(from, to)).unwrap_or(&0) == life {
                    self.arrive(from, to, &bytes);
                }
            }
        }
    }

    fn arrive(&mut self, from: usize, to: usize, bytes: &[u8]) {
        let limits = Limits::established(512 << 20);
        let Ok(Decoded::Frame(frame)) = frame::decode(bytes, &mut 0, &limits) else {
            panic!("not a frame: {}", bytes.escape_ascii());
        };
        let (header, payload) = (frame.header, frame.payload);
        let Node { instance, worker } = &mut self.nodes[to];
        match header.kind {
            Some(Kind::Request) => {
                worker.on_request(instance, from as u64, header.id, header.slot, payload);
            }
            Some(Kind::Taken) => {
                assert!(worker.on_taken(instance, from as u64, header.id, payload));
            }
            _ if header.flags & response_flags::MORE != 0 => {
                self.parts += 1;
                if let Some(&ticket) = self.tickets.get(&(to, from, header.id)) {
                    worker.on_response_part(instance, ticket, payload);
                }
            }
            _ => {
                if let Some(ticket) = self.tickets.remove(&(to, from, header.id)) {
                    worker.on_response(instance, ticket, header.flags, payload);
                }
            }
        }
        self.drain(to);
    }

    /// Until nothing more happens.
    pub fn settle(&mut self) {
        let mut steps = 0u64;
        while self.step() {
            steps += 1;
            assert!(steps < 5_000_000, "it goes on and on");
        }
    }

    pub fn pass(&mut self, ms: u64) {
        let until = self.now_us + ms * 1_000;
        while self.events.keys().next().is_some_and(|(time, _)| *time <= until)
            || self.next_wake_us().is_some_and(|time| time <= until)
        {
            self.step();
        }
        self.advance(until.max(self.now_us));
    }

    /// As [`World::pass`], with what owners of workers do now and then for clients that wait in blocking commands.
    pub fn pass_waiting(&mut self, ms: u64) {
        for _ in 0..ms.div_ceil(5) {
            self.pass(5);
            for node in 0..3 {
                let Node { instance, worker } = &mut self.nodes[node];
                worker.expire_waits(instance, instance.clock.unix_ms());
                worker.follow_waits(instance);
                self.drain(node);
            }
        }
    }

    /// As [`World::pass`], but nobody runs meanwhile: the machine has other things to do.
    pub fn stall(&mut self, ms: u64) {
        self.advance(self.now_us + ms * 1_000);
    }

    fn next_wake_us(&self) -> Option<u64> {
        let start = Duration::from_millis(START_MS);
        let wakes = self.nodes.iter().filter_map(|node| node.worker.next_wake());
        wakes.map(|wake| wake.saturating_sub(start).as_micros() as u64).min()
    }

    /// Requests that came to a node which did not serve their slot.
    pub fn misrouted(&mut self) -> u64 {
        let planes = self.nodes.iter_mut().filter_map(|node| node.worker.plane());
        planes.map(|plane| plane.stats().requests_misrouted).sum()
    }

    /// Nothing is under way, and no client is owed anything.
    pub fn check_idle(&mut self) {
        for node in &mut self.nodes {
            let plane = node.worker.plane().unwrap();
            assert!(plane.is_idle(), "{plane:?}");
        }
        for (index, peer) in self.peers.iter().enumerate() {
            assert!(!peer.client.is_owed(), "client {index} is owed replies");
            assert!(peer.client.pending.is_empty(), "client {index} has commands under way");
            assert_eq!(peer.client.owed_bytes(), 0);
            assert!(peer.closed || peer.input.is_empty(), "client {index} has input left");
        }
    }
}

fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

pub fn encode(command: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    crate::node::plane::push_command(command.iter().map(Vec::as_slice), &mut bytes);
    bytes
}
