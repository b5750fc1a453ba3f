//! The world: events in virtual time, and nodes that are driven by them.
//!
//! Everything follows from the seed.

use super::check::Gone;
use super::guest::{Guest, Workload};
use super::history::Operation;
use super::net::{Line, Net};
use super::node::{self, EPOCH_MS, Node, Start, address};
use super::plan::Trouble;
use super::sabotage::{self, Sabotage};
use super::tracking::Tracking;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use torc_protocol::slot::Slot;
use torc_server::base::rng::Rng;
use torc_server::cluster::route::Route;
use torc_server::node::core::Input;
use torc_server::node::plane::Failure;

/// Messages of a data link that may be on their way before a node stops telling effects.
pub const WINDOW: usize = 32;

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
    /// Whether there are clients that track.
    pub tracks: bool,
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
    pub held: Vec<(SocketAddr, Vec<u8>)>,
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
    /// The same, once more and as if they were new.
    Revived {
        line: Line,
        life: u64,
        bytes: Vec<u8>,
    },
    Guest(usize, u64),
    GuestGivesUp(usize, usize),
    Stop(usize, u64),
    Restart(usize, u64),
    /// Something that is told for clients that track arrives.
    News(Line, usize, u64),
    /// What these clients go by is looked at.
    LookAtHeld,
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
    /// When nodes could not reach each other for the first time.
    pub first_cut: Option<u64>,
    /// The most by which the clocks of two nodes have differed.
    pub clocks_apart_us: u64,
    /// Whether each slot has one server at any time.
    pub one_server: bool,
    pub gone: Gone,
    pub tracking: Tracking,
    pub events: BTreeMap<(u64, u64), Event>,
    pub next_event: u64,
    pub next_tag: u16,
    pub trace: bool,
    /// The slot that a trace shows in full: `TORC_SIM_SLOT`.
    pub traced: Option<Slot>,
    pub traced_routes: Vec<Option<Route>>,
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
            first_cut: None,
            clocks_apart_us: 0,
            one_server: false,
            gone: Gone::default(),
            tracking: Tracking::new(setup.seed),
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
        self.note_clocks();
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

    pub fn start_of(&mut self, number: usize) -> Start {
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
        }
    }

    pub fn boot(&mut self, start: Start) {
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

    pub fn runs(&self, node: usize, life: u64) -> bool {
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
            Event::Revived { line, life, bytes } => {
                if self.net.links[&line].life == life
                    && let Some(bytes) = sabotage::renewed(self, line, &bytes)
                {
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
            Event::News(line, side, life) => self.deliver_news(line, side, life),
            Event::LookAtHeld => self.look_at_held(),
            Event::Call(end) => self.strike(end),
            Event::Peek => {
                self.look_for_removed();
                self.at(self.now + SECOND / 2, Event::Peek);
            }
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
