//! The world: events in virtual time, and nodes that are driven by them.
//!
//! Everything follows from the seed.

use super::check::Gone;
use super::guest::{Guest, Workload};
use super::history::Operation;
use super::net::{DEAD_US, Line, Link, Message, Net};
use super::node::{self, EPOCH_MS, Node, Start, address, node_id, number_of};
use super::plan::Trouble;
use super::sabotage::Sabotage;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use torc_protocol::peer::frame::{self, Decoded};
use torc_protocol::peer::{Head, Kind, Limits};
use torc_protocol::slot::Slot;
use torc_server::base::rng::Rng;
use torc_server::cluster::membership::Event as News;
use torc_server::cluster::route::Route;
use torc_server::node::core::{Input, Output};
use torc_server::node::plane::Failure;

/// Messages of a data link that may be on their way before a node stops telling effects.
const WINDOW: usize = 32;

pub const SECOND: u64 = 1_000_000;

/// What is fixed when a world begins.
#[derive(Debug, Clone)]
pub struct Setup {
    pub seed: u64,
    pub nodes: usize,
    pub copies: usize,
    pub log_bytes: usize,
    /// How far clocks are wrong, in microseconds either way.
    pub skew_us: u64,
    pub sabotage: Option<Sabotage>,
    /// Whether nodes know each other from the start.
    pub formed: bool,
    pub trouble: Trouble,
    /// The first two nodes draw the same tag at first.
    pub one_tag: bool,
    pub tag_retention: Duration,
}

/// A machine: whatever runs on it.
pub struct Seat {
    pub node: Option<Node>,
    pub paused: bool,
    /// When the last pause ended; now, while one lasts.
    pub paused_until: u64,
    /// Counts starts.
    pub life: u64,
    pub ahead_us: i64,
    pub placed: bool,
    /// It was told to leave, and it has left: it does not come back.
    pub leaves: bool,
    pub gone: bool,
    pub incarnation: u64,
    /// Datagrams that a paused node's socket holds.
    held: Vec<(SocketAddr, Vec<u8>)>,
}

#[derive(Debug)]
pub enum Event {
    Core(usize, u64),
    Worker(usize, u64),
    Tick(usize, u64),
    Look(usize, u64),
    Datagram {
        from: usize,
        to: SocketAddr,
        bytes: Vec<u8>,
    },
    Resolve {
        node: usize,
        life: u64,
        seed: String,
    },
    Deliver(Line, usize, u64),
    Dial(Line),
    Check(Line),
    Opened(Line, u64),
    Closed(Line, usize, u64),
    Failed {
        node: usize,
        life: u64,
        ticket: u64,
        failure: Failure,
    },
    Effects {
        line: Line,
        life: u64,
        bytes: Vec<u8>,
    },
    Guest(usize, u64),
    GuestGivesUp(usize, usize),
    Stop(usize, u64),
    Restart(usize, u64),
    /// Trouble strikes, until then.
    Call(u64),
    /// A look into all stores.
    Peek,
}

pub struct World {
    pub setup: Setup,
    pub now: u64,
    pub rng: Rng,
    pub seats: Vec<Seat>,
    pub net: Net,
    pub guests: Vec<Guest>,
    pub work: Workload,
    pub history: Vec<Operation>,
    /// What went wrong while it ran.
    pub wrongs: Vec<String>,
    /// Whether each slot has one server at any time.
    pub one_server: bool,
    pub gone: Gone,
    events: BTreeMap<(u64, u64), Event>,
    next_event: u64,
    next_tag: u16,
    pub trace: bool,
    /// The slot that a trace shows in full: `TORC_SIM_SLOT`.
    traced: Option<Slot>,
    traced_routes: Vec<Option<Route>>,
    /// A sum of everything that happened: equal for equal worlds.
    pub sum: u64,
    pub happened: u64,
}

impl World {
    pub fn new(setup: Setup) -> World {
        let rng = Rng::seeded(setup.seed);
        let mut world = World {
            now: 0,
            rng,
            seats: Vec::new(),
            net: Net { loss: 0, doubled: 0, latency_us: 600, ..Net::default() },
            guests: Vec::new(),
            work: Workload::new(setup.seed),
            history: Vec::new(),
            wrongs: Vec::new(),
            one_server: false,
            gone: Gone::default(),
            events: BTreeMap::new(),
            next_event: 0,
            next_tag: 0,
            trace: std::env::var_os("TORC_SIM_TRACE").is_some(),
            traced: std::env::var("TORC_SIM_SLOT").ok().and_then(|it| Slot::new(it.parse().ok()?)),
            traced_routes: Vec::new(),
            sum: 0,
            happened: 0,
            setup,
        };
        world.at(0, Event::Peek);
        let starts: Vec<Start> = (0..world.setup.nodes).map(|n| world.seat(n)).collect();
        let known: Vec<_> =
            if world.setup.formed { starts.iter().map(node::record).collect() } else { Vec::new() };
        for start in starts {
            let placed = world.setup.formed;
            world.boot(Start { known: known.clone(), placed, ..start });
        }
        world
    }

    /// A new machine.
    fn seat(&mut self, number: usize) -> Start {
        let skew = self.setup.skew_us;
        let ahead_us = self.rng.below(2 * skew + 1) as i64 - skew as i64;
        self.seats.push(Seat {
            node: None,
            paused: false,
            paused_until: 0,
            life: 0,
            ahead_us,
            placed: self.setup.formed,
            leaves: false,
            gone: false,
            incarnation: 0,
            held: Vec::new(),
        });
        self.net.grow(self.seats.len());
        let lines: Vec<Line> = self.net.links.keys().copied().collect();
        for line in lines.into_iter().filter(|line| line.dialler == number || line.other == number)
        {
            let at = self.now + self.rng.below(50_000);
            self.at(at, Event::Dial(line));
            self.at(at + 250_000, Event::Check(line));
        }
        self.start_of(number)
    }

    fn start_of(&mut self, number: usize) -> Start {
        self.next_tag += 1;
        // Operators name nodes that are there to stay.
        let stays = |&n: &usize| !self.seats[n].leaves && (n != number || n == 0);
        let seeds = (0..self.seats.len()).filter(stays).take(3);
        let seeds = seeds.map(|n| address(n).to_string()).collect();
        let seat = &mut self.seats[number];
        let wall = (EPOCH_MS * 1_000 + self.now).saturating_add_signed(seat.ahead_us) / 1_000;
        seat.incarnation = wall.max(seat.incarnation + 1);
        let taken = self.setup.one_tag && self.next_tag == 2;
        let tag = if taken { 37 } else { (self.next_tag * 37) & 0xfff };
        Start {
            number,
            incarnation: seat.incarnation,
            tag,
            now_us: self.now,
            ahead_us: seat.ahead_us,
            seed: self.rng.bits(),
            copies: self.setup.copies,
            log_bytes: self.setup.log_bytes,
            placed: seat.placed,
            seeds,
            known: Vec::new(),
            tag_retention: self.setup.tag_retention,
            boasts: self.setup.sabotage == Some(Sabotage::Boast),
        }
    }

    fn boot(&mut self, start: Start) {
        let number = start.number;
        self.note(|| {
            format!("{number} starts, incarnation {}, tag {}", start.incarnation, start.tag)
        });
        let seat = &mut self.seats[number];
        seat.life += 1;
        seat.paused = false;
        seat.node = Some(Node::start(&start));
        let life = seat.life;
        let at = self.now + self.rng.below(100_000);
        self.at(at, Event::Tick(number, life));
        self.at(self.now + 5_000, Event::Look(number, life));
        self.core(number, Input::Start);
    }

    /// Adds a machine whose node joins.
    pub fn join(&mut self) -> usize {
        let number = self.seats.len();
        let start = self.seat(number);
        self.seats[number].placed = false;
        self.boot(Start { placed: false, ..start });
        number
    }

    // --- Events -----------------------------------------------------------------------------------------------------

    pub fn at(&mut self, time: u64, event: Event) {
        self.next_event += 1;
        self.events.insert((time.max(self.now), self.next_event), event);
    }

    pub fn note(&mut self, what: impl Fn() -> String) {
        if self.trace {
            eprintln!("{:>10.6} {}", self.now as f64 / 1e6, what());
        }
    }

    pub fn wrong(&mut self, what: String) {
        if self.wrongs.len() < 20 {
            self.note(|| format!("WRONG {what}"));
            self.wrongs.push(format!("at {:.3} s: {what}", self.now as f64 / 1e6));
        }
    }

    pub fn run_until(&mut self, time: u64) {
        while let Some((&(at, number), _)) = self.events.first_key_value()
            && at <= time
        {
            let Some(event) = self.events.remove(&(at, number)) else { return };
            self.now = at;
            self.happened += 1;
            self.happen(event);
            if self.one_server {
                self.check_servers();
            }
            if let Some(slot) = self.traced.filter(|_| self.trace) {
                self.trace_routes(slot);
            }
        }
        self.now = time;
    }

    pub fn run_for(&mut self, time: u64) {
        self.run_until(self.now + time);
    }

    fn runs(&self, node: usize, life: u64) -> bool {
        self.seats[node].life == life && self.seats[node].node.is_some()
    }

    pub fn is_running(&self, node: usize) -> bool {
        self.seats[node].node.is_some() && !self.seats[node].paused
    }

    /// The node, its clock set; nothing if it is dead or paused.
    pub fn node(&mut self, number: usize) -> Option<&mut Node> {
        let now = self.now;
        let seat = &mut self.seats[number];
        let node = seat.node.as_mut().filter(|_| !seat.paused)?;
        node.sync(now);
        Some(node)
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Core(number, life) => {
                if self.runs(number, life)
                    && let now = self.now
                    && let Some(node) = self.node(number)
                    && node.core_wake <= now
                {
                    node.core_wake = u64::MAX;
                    self.core(number, Input::Timer);
                }
            }
            Event::Worker(number, life) => {
                if self.runs(number, life)
                    && let now = self.now
                    && let Some(node) = self.node(number)
                    && node.worker_wake <= now
                {
                    node.worker_wake = u64::MAX;
                    node.worker.on_time(&node.instance);
                    self.drain(number);
                }
            }
            Event::Tick(number, life) => {
                if self.runs(number, life) {
                    if let Some(node) = self.node(number) {
                        node.tick();
                        self.drain(number);
                    }
                    self.at(self.now + 100_000, Event::Tick(number, life));
                }
            }
            Event::Look(number, life) => {
                if self.runs(number, life) {
                    if let Some(node) = self.node(number)
                        && node.replicator().is_waiting()
                    {
                        let view = node.view();
                        let waiters = node.replicator().look(&view);
                        node.acked(waiters);
                        self.drain(number);
                    }
                    self.at(self.now + 5_000, Event::Look(number, life));
                }
            }
            Event::Datagram { from, to, bytes } => self.datagram(from, to, bytes),
            Event::Resolve { node, life, seed } => {
                if self.runs(node, life) {
                    let addresses: Vec<SocketAddr> = seed.parse().into_iter().collect();
                    self.core(node, Input::Resolved { seed: &seed, addresses: &addresses });
                }
            }
            Event::Deliver(line, side, life) => self.deliver(line, side, life),
            Event::Dial(line) => self.dial(line),
            Event::Check(line) => self.check_link(line),
            Event::Opened(line, life) => self.opened(line, life),
            Event::Closed(line, side, life) => {
                if self.net.links[&line].life == life {
                    self.close(line, side);
                }
            }
            Event::Failed { node, life, ticket, failure } => {
                if self.runs(node, life)
                    && let Some(node) = self.node(node)
                {
                    node.worker.on_failure(&node.instance, ticket, failure);
                    let number = node.number;
                    self.drain(number);
                }
            }
            Event::Effects { line, life, bytes } => {
                if self.net.links[&line].life == life {
                    self.effects(line, &bytes, false);
                }
            }
            Event::Guest(guest, session) => self.guest_turn(guest, session),
            Event::GuestGivesUp(guest, operation) => self.guest_gives_up(guest, operation),
            Event::Stop(number, life) => {
                if self.runs(number, life) {
                    self.kill(number, true);
                }
            }
            Event::Restart(number, life) => {
                if self.seats[number].life == life {
                    self.restart(number);
                }
            }
            Event::Call(end) => self.strike(end),
            Event::Peek => {
                self.look_for_removed();
                self.at(self.now + SECOND / 2, Event::Peek);
            }
        }
    }

    // --- The control plane --------------------------------------------------------------------------------------------

    pub fn core(&mut self, number: usize, input: Input<'_>) {
        let Some(node) = self.node(number) else { return };
        let outputs = node.handle(input);
        let life = self.seats[number].life;
        let mut drain = false;
        for output in outputs {
            match output {
                Output::Packet { to, bytes } => self.send_datagram(number, to, bytes),
                Output::Frame { to, kind, slot, payload } => {
                    self.control_frame(number, number_of(to), kind, slot, payload);
                }
                Output::WakeAt(at) => {
                    let at =
                        (at - Duration::from_millis(EPOCH_MS)).as_nanos().div_ceil(1_000) as u64;
                    if let Some(node) = self.node(number) {
                        node.core_wake = at;
                    }
                    self.at(at, Event::Core(number, life));
                }
                Output::Resolve(seed) => {
                    self.at(self.now + 1_000, Event::Resolve { node: number, life, seed });
                }
                Output::ViewChanged => {}
                Output::RoutesChanged => drain = true,
                Output::Placed(placed) => self.seats[number].placed = placed,
                Output::Left => {
                    self.note(|| format!("{number} has left"));
                    self.seats[number].gone = true;
                    if let Some(node) = self.node(number) {
                        node.left = true;
                    }
                    self.at(self.now + 500_000, Event::Stop(number, life));
                }
                Output::Notice(event) => {
                    self.note(|| format!("{number} notices {event:?}"));
                    if let News::TagTaken(_) = event {
                        self.at(self.now + 1_000, Event::Stop(number, life));
                        self.at(self.now + 100_000, Event::Restart(number, life));
                    }
                }
            }
        }
        if drain {
            if let Some(node) = self.node(number) {
                node.worker.on_time(&node.instance);
            }
            self.drain(number);
        }
    }

    fn control_frame(
        &mut self,
        from: usize,
        to: usize,
        kind: Kind,
        slot: Option<Slot>,
        mut payload: Vec<u8>,
    ) {
        if let Some(sabotage) = self.setup.sabotage
            && !sabotage.control(self, (from, to), (kind, slot), &mut payload)
        {
            return;
        }
        let line = Line { dialler: from.min(to), other: from.max(to), control: true };
        self.post(line, from, Head { slot, ..Head::of(kind) }, &payload);
    }

    // --- Datagrams ----------------------------------------------------------------------------------------------------

    fn latency(&mut self) -> u64 {
        let usual = 100 + self.rng.below(self.net.latency_us);
        // Now and then something is much later than the rest.
        if self.rng.below(200) == 0 { usual + self.rng.below(30_000) } else { usual }
    }

    fn send_datagram(&mut self, from: usize, to: SocketAddr, bytes: Vec<u8>) {
        if self.rng.below(1_000) < self.net.loss {
            return;
        }
        let copies = 1 + u64::from(self.rng.below(1_000) < self.net.doubled);
        for _ in 0..copies {
            let at = self.now + self.latency();
            self.at(at, Event::Datagram { from, to, bytes: bytes.clone() });
        }
    }

    fn datagram(&mut self, from: usize, to: SocketAddr, bytes: Vec<u8>) {
        let Some(number) = (0..self.seats.len()).find(|&n| address(n) == to) else { return };
        if self.net.is_cut(from, number) {
            return;
        }
        let seat = &mut self.seats[number];
        if seat.paused && seat.held.len() < 300 {
            seat.held.push((address(from), bytes));
        } else {
            self.core(number, Input::Packet { from: address(from), bytes: &bytes });
        }
    }

    // --- Links --------------------------------------------------------------------------------------------------------

    fn link(&mut self, line: Line) -> &mut Link {
        self.net.links.get_mut(&line).unwrap()
    }

    /// Sends a frame from `from` over a link; it is lost where the link is not open.
    pub fn post(&mut self, line: Line, from: usize, head: Head, payload: &[u8]) {
        let side = line.side_of(from);
        if !self.link(line).open[side] {
            return;
        }
        let mut bytes = Vec::new();
        frame::encode(head, &mut bytes, |out| {
            out.extend_from_slice(payload);
            Ok(())
        })
        .unwrap();
        let at = self.now + self.latency();
        let link = self.link(line);
        let queue = &mut link.queues[1 - side];
        let due = queue.back().map_or(at, |last| at.max(last.due));
        queue.push_back(Message { due, bytes });
        let life = link.life;
        self.at(due, Event::Deliver(line, 1 - side, life));
    }

    fn deliver(&mut self, line: Line, side: usize, life: u64) {
        let (from, to) = (line.end(1 - side), line.end(side));
        let link = &self.net.links[&line];
        if link.life != life || link.queues[side].front().is_none_or(|it| it.due > self.now) {
            return;
        }
        if self.net.is_cut(from, to) || self.seats[to].paused {
            // TCP sends again; nothing is lost while the link lives.
            self.at(self.now + 20_000, Event::Deliver(line, side, life));
            return;
        }
        let now = self.now;
        let link = self.link(line);
        let Some(message) = link.queues[side].pop_front() else { return };
        if !link.open[side] {
            // The machine has started anew and knows nothing of the connection, which its kernel says.
            if self.is_running(to) && !self.net.is_cut(to, from) {
                let at = self.now + self.latency();
                self.at(at, Event::Closed(line, 1 - side, life));
            }
            return;
        }
        link.heard[side] = now;
        self.arrive(line, side, &message.bytes);
        // Effects that waited for room.
        if self.net.links[&line].queues[side].len() == WINDOW - 1 {
            self.tell_effects(line);
        }
    }

    fn arrive(&mut self, line: Line, side: usize, bytes: &[u8]) {
        let (from, to) = (line.end(1 - side), line.end(side));
        let limits = Limits::established(512 << 20);
        let Ok(Decoded::Frame(frame)) = frame::decode(bytes, &mut 0, &limits) else {
            panic!("not a frame: {}", bytes.escape_ascii());
        };
        let (header, payload) = (frame.header, frame.payload);
        let Some(kind) = header.kind else { return };
        if self.trace
            && let Some(slot) = self.traced
        {
            super::trace::frame(self.now, (from, to), &frame, slot);
        }
        self.sum = self.sum.wrapping_mul(31).wrapping_add(self.now ^ bytes.len() as u64);
        if line.control {
            let input = Input::Frame { from: node_id(from), kind, slot: header.slot, payload };
            return self.core(to, input);
        }
        match kind {
            Kind::Request => {
                if let Some(node) = self.node(to) {
                    let (id, slot) = (header.id, header.slot);
                    node.worker.on_request(&node.instance, from as u64, id, slot, payload);
                    self.drain(to);
                }
            }
            Kind::Response => {
                if let Some(ticket) = self.link(line).asked[side].remove(&header.id)
                    && let Some(node) = self.node(to)
                {
                    node.worker.on_response(&node.instance, ticket, header.flags, payload);
                    self.drain(to);
                }
            }
            Kind::Effects => self.effects(line, payload, true),
            Kind::Ack => {
                if let Some(node) = self.node(to)
                    && let Some(peer) = node.index_of(node_id(from))
                {
                    let waiters = node.replicator().receive_acks(peer, payload).unwrap();
                    node.acked(waiters);
                    self.drain(to);
                }
            }
            _ => {}
        }
    }

    /// Effects that came over a data link are applied by the other end, which acknowledges them.
    fn effects(&mut self, line: Line, payload: &[u8], fresh: bool) {
        let to = line.other;
        let mut payload = payload.to_vec();
        if fresh && let Some(sabotage) = self.setup.sabotage {
            match sabotage.effects(self, line, &mut payload) {
                super::sabotage::Fate::Apply => {}
                super::sabotage::Fate::Acked(acks) => {
                    return self.post(line, to, Head::of(Kind::Ack), &acks);
                }
            }
        }
        let Some(node) = self.node(to) else { return };
        let acks = node.receive_effects(&payload);
        if !acks.is_empty() {
            self.post(line, to, Head::of(Kind::Ack), &acks);
        }
        self.drain(to);
    }

    fn dial(&mut self, line: Line) {
        let wait = 100_000 + self.rng.below(100_000);
        self.at(self.now + wait, Event::Dial(line));
        let (a, b) = (line.dialler, line.other);
        let reachable = !self.net.is_cut(a, b) && !self.net.is_cut(b, a);
        let knows = |world: &World, a: usize, b: usize| {
            world.seats[a]
                .node
                .as_ref()
                .is_some_and(|node| node.view().find(node_id(b)).is_some() && !node.left)
        };
        let wanted = knows(self, a, b) || (line.control && knows(self, b, a));
        if !self.net.links[&line].is_down()
            || !reachable
            || !self.is_running(a)
            || !self.is_running(b)
            || !wanted
        {
            return;
        }
        let life = {
            let link = self.link(line);
            link.life += 1;
            link.life
        };
        let at = self.now + 500 + self.rng.below(2_000);
        self.at(at, Event::Opened(line, life));
    }

    fn opened(&mut self, line: Line, life: u64) {
        let now = self.now;
        let (a, b) = (line.dialler, line.other);
        let reachable = !self.net.is_cut(a, b) && !self.net.is_cut(b, a);
        if self.net.links[&line].life != life
            || !reachable
            || !self.is_running(a)
            || !self.is_running(b)
        {
            return;
        }
        let link = self.link(line);
        link.open = [true, true];
        link.queues = Default::default();
        link.asked = Default::default();
        link.heard = [now, now];
        self.note(|| format!("{line:?} opens"));
        if line.control {
            self.core(a, Input::LinkUp(node_id(b)));
            self.core(b, Input::LinkUp(node_id(a)));
        } else if let Some(node) = self.node(a)
            && let Some(peer) = node.index_of(node_id(b))
        {
            node.link_up(peer);
        }
    }

    /// One side closes a link, and the other hears of it if it can.
    pub fn close(&mut self, line: Line, side: usize) {
        let now = self.now;
        let link = self.link(line);
        if !std::mem::take(&mut link.open[side]) {
            return;
        }
        link.queues[side].clear();
        link.down_since = now;
        let tickets: Vec<u64> = std::mem::take(&mut link.asked[side]).into_values().collect();
        let (life, other_open) = (link.life, link.open[1 - side]);
        let (me, other) = (line.end(side), line.end(1 - side));
        self.note(|| format!("{line:?} closes at {me}"));
        if other_open && !self.net.is_cut(me, other) && !self.seats[other].paused {
            let at = self.now + self.latency();
            self.at(at, Event::Closed(line, 1 - side, life));
        }
        if self.seats[me].node.is_none() {
            return;
        }
        if line.control {
            return self.core(me, Input::LinkDown(node_id(other)));
        }
        let retried = self.setup.sabotage == Some(Sabotage::SendTwice);
        if let Some(node) = self.node(me) {
            if side == 0
                && let Some(peer) = node.index_of(node_id(other))
            {
                node.link_down(peer);
            }
            for ticket in tickets {
                let failure = if retried { Failure::Unsent } else { Failure::Lost };
                node.worker.on_failure(&node.instance, ticket, failure);
            }
            self.drain(me);
        }
    }

    /// Keepalives.
    fn check_link(&mut self, line: Line) {
        self.at(self.now + 250_000, Event::Check(line));
        for side in [0, 1] {
            let (me, other) = (line.end(side), line.end(1 - side));
            let link = &self.net.links[&line];
            let heard =
                link.open[1 - side] && !self.net.is_cut(other, me) && self.is_running(other);
            let (open, last, now) = (link.open[side], link.heard[side], self.now);
            if !open || !self.is_running(me) {
                continue;
            }
            if heard {
                self.link(line).heard[side] = now;
                if !line.control && self.rng.below(4) == 0 {
                    self.core(me, Input::Heard(node_id(other)));
                }
                if line.control {
                    let offset_us = self.seats[other].ahead_us - self.seats[me].ahead_us;
                    let round_trip = Duration::from_micros(2 * self.net.latency_us);
                    self.core(me, Input::Clock { node: node_id(other), round_trip, offset_us });
                }
            } else if now - last > DEAD_US {
                self.close(line, side);
            }
        }
    }

    // --- The data plane -----------------------------------------------------------------------------------------------

    /// Carries out what a node's worker wants done.
    pub fn drain(&mut self, number: usize) {
        loop {
            let Some(node) = self.node(number) else { return };
            if let Some(answer) = node.worker.next_answer() {
                self.guest_answer(number, answer);
            } else if let Some(send) = node.worker.next_send() {
                let to = number_of(send.to);
                let line = Line { dialler: number, other: to, control: false };
                let link = self.link(line);
                if link.open[0] {
                    link.next_id += 1;
                    let id = link.next_id;
                    link.asked[0].insert(id, send.ticket);
                    let head = Head { slot: send.slot, id, ..Head::of(Kind::Request) };
                    self.post(line, number, head, &send.payload);
                } else {
                    // A breaker opens after a while; until then requests wait for the connection.
                    let life = self.seats[number].life;
                    let long = self.now - self.net.links[&line].down_since > 500_000;
                    let failure = if long { Failure::Unreachable } else { Failure::Unsent };
                    let at = self.now + 1_000 + self.rng.below(50_000);
                    self.at(at, Event::Failed { node: number, life, ticket: send.ticket, failure });
                }
            } else if let Some(response) = node.worker.next_response() {
                let to = response.link as usize;
                let line = Line { dialler: to, other: number, control: false };
                let head = Head {
                    slot: response.slot,
                    id: response.id,
                    flags: response.flags,
                    ..Head::of(Kind::Response)
                };
                self.post(line, number, head, &response.payload);
            } else {
                break;
            }
        }
        for other in (0..self.seats.len()).filter(|&other| other != number) {
            self.tell_effects(Line { dialler: number, other, control: false });
        }
        self.schedule_worker(number);
    }

    fn schedule_worker(&mut self, number: usize) {
        let life = self.seats[number].life;
        let Some(node) = self.node(number) else { return };
        let Some(wake) = node.worker.next_wake() else { return };
        let wake = wake.saturating_sub(Duration::from_millis(EPOCH_MS));
        let wake = wake.as_nanos().div_ceil(1_000) as u64;
        if wake < node.worker_wake {
            node.worker_wake = wake;
            // A turn takes some time, or a worker that yields would go round in one moment for ever.
            let at = wake.max(self.now + 10);
            self.at(at, Event::Worker(number, life));
        }
    }

    fn tell_effects(&mut self, line: Line) {
        if line.control || !self.net.links[&line].open[0] {
            return;
        }
        while self.net.links[&line].queues[1].len() < WINDOW {
            let Some(node) = self.node(line.dialler) else { return };
            let Some(peer) = node.index_of(node_id(line.other)) else { return };
            let bytes = node.read_effects(peer, 16 * 1024);
            if bytes.is_empty() {
                return;
            }
            self.post(line, line.dialler, Head::of(Kind::Effects), &bytes);
        }
    }

    // --- Faults -------------------------------------------------------------------------------------------------------

    /// A process ends. Its kernel says so to the peers where `clean`; else its machine is gone too.
    pub fn kill(&mut self, number: usize, clean: bool) {
        self.note(|| format!("{number} dies{}", if clean { "" } else { " with its machine" }));
        let seat = &mut self.seats[number];
        seat.node = None;
        seat.paused = false;
        seat.held.clear();
        let lines: Vec<Line> = self.net.links.keys().copied().collect();
        for line in lines {
            if line.dialler == number || line.other == number {
                let side = line.side_of(number);
                let link = self.link(line);
                if !clean {
                    link.open[side] = false;
                    link.queues[side].clear();
                }
                self.close(line, side);
            }
        }
        self.guests_lost(number);
    }

    pub fn restart(&mut self, number: usize) {
        if self.seats[number].node.is_none() {
            let start = self.start_of(number);
            self.boot(start);
        }
    }

    pub fn pause(&mut self, number: usize) {
        self.note(|| format!("{number} freezes"));
        self.seats[number].paused = true;
    }

    pub fn resume(&mut self, number: usize) {
        let seat = &mut self.seats[number];
        if !std::mem::take(&mut seat.paused) || seat.node.is_none() {
            return;
        }
        seat.paused_until = self.now;
        let life = seat.life;
        let held = std::mem::take(&mut seat.held);
        self.note(|| format!("{number} thaws"));
        self.core(number, Input::Timer);
        for (from, bytes) in held {
            self.core(number, Input::Packet { from, bytes: &bytes });
        }
        if let Some(node) = self.node(number) {
            node.worker.tick(&node.instance);
            node.worker.on_time(&node.instance);
            node.worker_wake = u64::MAX;
        }
        self.at(self.now, Event::Core(number, life));
        self.drain(number);
        for guest in 0..self.guests.len() {
            if self.guests[guest].home == number {
                self.guest_run(guest);
            }
        }
        self.drain(number);
    }

    /// Sets a node's wall clock.
    pub fn set_clock(&mut self, number: usize, ahead_us: i64) {
        self.note(|| format!("the clock of {number} is {ahead_us} us ahead"));
        let seat = &mut self.seats[number];
        seat.ahead_us = ahead_us;
        if let Some(node) = &seat.node {
            node.instance.clock.set_ahead(ahead_us);
        }
    }

    // --- What checkers ask --------------------------------------------------------------------------------------------

    /// The nodes that let their workers run commands of `slot`.
    pub fn servers(&self, slot: Slot) -> Vec<usize> {
        let serves = |seat: &Seat| {
            seat.node
                .as_ref()
                .is_some_and(|node| node.instance.cluster.routes().get(slot) == Route::Serve)
        };
        (0..self.seats.len()).filter(|&n| serves(&self.seats[n])).collect()
    }

    fn trace_routes(&mut self, slot: Slot) {
        let route = |seat: &Seat| Some(seat.node.as_ref()?.instance.cluster.routes().get(slot));
        let routes: Vec<Option<Route>> = self.seats.iter().map(route).collect();
        if routes != self.traced_routes {
            self.note(|| format!("routes of slot {}: {routes:?}", slot.index()));
            self.traced_routes = routes;
        }
    }

    fn check_servers(&mut self) {
        for slot in self.work.watched.clone().into_iter().filter_map(Slot::new) {
            let servers = self.servers(slot);
            if servers.len() > 1 {
                self.wrong(format!("slot {} is served by {servers:?}", slot.index()));
                self.one_server = false;
            }
        }
    }

    /// Whether every node runs, has a view of all others, and is ready, and nothing is to be done about any slot.
    pub fn is_settled(&self) -> bool {
        self.seats.iter().all(|seat| {
            seat.node.as_ref().is_none_or(|node| {
                let view = node.view();
                !seat.paused
                    && view.transition().is_none()
                    && view.members().all(|(_, member)| !member.is_placed() || member.can_serve())
                    && node.core.duties().is_settled()
            })
        })
    }
}
