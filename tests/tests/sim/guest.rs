//! Clients: what they ask, and how they cope with nodes that go away.

use super::collect::{Collect, Collections, delivered};
use super::history::{Ask, Operation, Outcome, outcome};
use super::reply::{Reply, command};
use super::tracker::Tracker;
use super::world::{Event, SECOND, World};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use torc_protocol::slot::slot_of;
use torc_server::base::rng::Rng;
use torc_server::node::plane::Answer;
use torc_server::node::{Client, Park, Verdict, run};

/// A client gives an operation up after this. Nodes answer within `forward-timeout` and `write-timeout` together: 4 s, and up to three operations are sent together.
const PATIENCE: u64 = 17 * SECOND;

/// Within this every operation ends, if its node runs.
const ANSWER_WITHIN: u64 = 5 * SECOND;

/// Operations on one key, at most: what the search for an order can bear.
const KEY_OPERATIONS_MAX: usize = 100;

/// What a reply is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// The connection's own settings.
    Setup,
    /// Whether it tracks from now on.
    Track(bool),
    /// An operation.
    Operation(usize),
}

/// A client, with one connection at a time.
pub struct Guest {
    pub home: usize,
    life: u64,
    pub session: u64,
    pub copies: u8,
    pub client: Option<Client>,
    input: Vec<u8>,
    pub out: Vec<u8>,
    parked: bool,
    pub expect: VecDeque<Expect>,
    /// The iteration that it is in, and its cursor.
    scan: Option<(usize, u64)>,
    pub scans: bool,
    /// It asks for collections.
    pub collects: bool,
    /// It asks only what a checker wants to know.
    pub checks: bool,
    /// What it knows, if it tracks.
    pub tracker: Option<Tracker>,
}

impl Guest {
    /// Appends a command of the connection's own to what it has sent; `tracks`: whether the client tracks then, if that is what it asks for.
    pub fn send_setup(&mut self, command: &[u8], tracks: Option<bool>) {
        self.input.extend_from_slice(command);
        self.expect.push_back(tracks.map_or(Expect::Setup, Expect::Track));
    }
}

/// A full iteration.
#[derive(Debug, Default)]
pub struct Iteration {
    pub seen: BTreeSet<String>,
    pub complete: bool,
}

/// Which keys there are, and what is asked of them.
pub struct Workload {
    rng: Rng,
    pub on: bool,
    pub scans: bool,
    next_value: u64,
    /// Of each family and number: the generation, and operations on it.
    used: BTreeMap<(&'static str, u64), (u64, usize)>,
    pub keys: BTreeSet<String>,
    /// Their slots, of which each may have one server at a time.
    pub watched: BTreeSet<u16>,
    pub iterations: Vec<Iteration>,
    /// Keys that are there all the time.
    pub lasting: BTreeSet<String>,
    /// Mean pause between operations of a client, in microseconds.
    pub pause_us: u64,
    /// Whether keys get deadlines.
    pub deadlines: bool,
    pub collections: Collections,
}

impl Workload {
    pub fn new(seed: u64) -> Workload {
        Workload {
            rng: Rng::seeded(seed ^ 0x5741_4c4b),
            on: false,
            scans: true,
            next_value: 0,
            used: BTreeMap::new(),
            keys: BTreeSet::new(),
            watched: BTreeSet::new(),
            iterations: Vec::new(),
            lasting: BTreeSet::new(),
            pause_us: 30_000,
            deadlines: true,
            collections: Collections::new(seed),
        }
    }

    fn key(&mut self, family: &'static str, count: u64) -> String {
        let number = self.rng.below(count);
        let (generation, used) = self.used.entry((family, number)).or_default();
        *used += 1;
        if *used > KEY_OPERATIONS_MAX {
            (*generation, *used) = (*generation + 1, 1);
        }
        let key = format!("{family}:{number}:{generation}");
        if self.keys.insert(key.clone()) {
            self.watched.insert(slot_of(key.as_bytes()).index() as u16);
        }
        key
    }

    /// A key for a client that tracks. Mostly a `slow` one, which nobody else writes: what such a client has missed of another the next write tells it.
    pub fn tracked_key(&mut self) -> String {
        match self.rng.below(12) {
            0 => self.key("reg", 4),
            1 => self.key("del", 3),
            2 => self.key("sum", 3),
            3 => self.key("ttl", 3),
            _ => self.key("slow", 30),
        }
    }

    pub fn value(&mut self) -> u64 {
        self.next_value += 1;
        self.next_value
    }

    /// The next thing that somebody asks.
    ///
    /// `reg` keys are set and read, `del` keys deleted as well, `sum` keys only incremented, `ttl` keys get deadlines.
    fn next(&mut self) -> Ask {
        match self.rng.below(if self.deadlines { 28 } else { 24 }) {
            0..=4 => Ask::Get(self.key("reg", 4)),
            5..=8 => Ask::Set(self.key("reg", 4), self.value()),
            9..=11 => Ask::Get(self.key("del", 3)),
            12..=13 => Ask::Set(self.key("del", 3), self.value()),
            14..=15 => Ask::Del(self.key("del", 3)),
            16..=19 => Ask::Incr(self.key("sum", 3)),
            20 => Ask::Get(self.key("sum", 3)),
            21 => Ask::MSet(vec![
                (self.key("reg", 4), self.value()),
                (self.key("del", 3), self.value()),
            ]),
            22 => Ask::MGet(vec![self.key("reg", 4), self.key("reg", 4), self.key("del", 3)]),
            23 => Ask::Set(self.key("del", 3), self.value()),
            24 => Ask::SetFor(self.key("ttl", 3), self.value(), 50 + self.rng.below(3_000)),
            25 => Ask::Expire(self.key("ttl", 3), 50 + self.rng.below(3_000)),
            26 => Ask::Set(self.key("ttl", 3), self.value()),
            _ => Ask::Get(self.key("ttl", 3)),
        }
    }
}

impl World {
    pub fn add_guest(&mut self, copies: u8, scans: bool) -> usize {
        let guest = self.guests.len();
        self.guests.push(Guest {
            home: 0,
            life: 0,
            session: 0,
            copies,
            client: None,
            input: Vec::new(),
            out: Vec::new(),
            parked: false,
            expect: VecDeque::new(),
            scan: None,
            scans,
            collects: false,
            checks: false,
            tracker: None,
        });
        self.at(self.now + 1_000 * (1 + guest as u64), Event::Guest(guest, 0));
        guest
    }

    /// Connects to a node that runs; `false` if none does.
    fn guest_connects(&mut self, guest: usize, home: Option<usize>) -> bool {
        let running: Vec<usize> = (0..self.seats.len()).filter(|&n| self.is_running(n)).collect();
        if running.is_empty() {
            return false;
        }
        let home = home.unwrap_or(running[self.rng.below(running.len() as u64) as usize]);
        let life = self.seats[home].life;
        let Some(node) = self.node(home) else { return false };
        let client = node.connect(guest);
        let it = &mut self.guests[guest];
        (it.home, it.life, it.client, it.parked) = (home, life, Some(client), false);
        it.session += 1;
        it.input.clear();
        it.out.clear();
        it.expect.clear();
        it.scan = None;
        if it.copies > 1 {
            let copies = it.copies.to_string();
            let mut words: Vec<&[u8]> = vec![b"CLIENT", b"CONSISTENCY", b"W", copies.as_bytes()];
            if it.copies == 2 {
                // With two of three copies a majority.
                words.extend([b"R".as_slice(), b"QUORUM"]);
            }
            it.send_setup(&command(&words), None);
        }
        self.tracker_begins(guest);
        true
    }

    pub fn guest_turn(&mut self, guest: usize, session: u64) {
        let it = &self.guests[guest];
        if it.session != session || !it.expect.is_empty() && it.client.is_some() {
            return;
        }
        if self.guests[guest].checks {
            return;
        }
        let on = if it.scans { self.work.scans } else { self.work.on };
        if !on {
            self.at(self.now + 50_000, Event::Guest(guest, session));
            return;
        }
        let lost = it.client.is_none() || !self.runs_for(guest);
        if lost && !self.guest_connects(guest, None) {
            self.at(self.now + 50_000, Event::Guest(guest, session));
            return;
        }
        if self.guests[guest].scans {
            self.scan_on(guest);
            return;
        }
        if self.guests[guest].tracker.is_some() && !lost {
            self.tracker_turn(guest);
            return;
        }
        let burst = if self.rng.below(5) == 0 { 1 + self.rng.below(3) } else { 1 };
        for _ in 0..burst {
            let ask = if self.guests[guest].collects {
                let (ask, slot) = self.work.collections.next();
                self.work.watched.insert(slot);
                Ask::Collect(ask)
            } else {
                self.work.next()
            };
            self.ask(guest, ask);
        }
        self.guest_run(guest);
        let home = self.guests[guest].home;
        self.drain(home);
    }

    pub fn runs_for(&self, guest: usize) -> bool {
        let it = &self.guests[guest];
        let seat = &self.seats[it.home];
        seat.node.is_some() && seat.life == it.life
    }

    /// Appends an operation to what a client has sent.
    pub fn ask(&mut self, guest: usize, ask: Ask) -> usize {
        let operation = self.history.len();
        let words = ask.words();
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let it = &mut self.guests[guest];
        it.input.extend(command(&words));
        it.expect.push_back(Expect::Operation(operation));
        let (session, node, copies) = (it.session, it.home, it.copies);
        self.note(|| format!("guest {guest} at {node} #{operation} {ask:?}"));
        self.history.push(Operation {
            client: guest,
            session,
            node,
            copies,
            ask,
            began: self.now,
            ended: u64::MAX,
            outcome: Outcome::Open,
        });
        self.at(self.now + PATIENCE, Event::GuestGivesUp(guest, operation));
        operation
    }

    /// Asks, and does not wait.
    pub fn ask_and_leave(&mut self, guest: usize, home: usize, asks: Vec<Ask>) {
        if self.guest_connects(guest, Some(home)) {
            for ask in asks {
                self.ask(guest, ask);
            }
            self.guest_run(guest);
            self.drain(home);
        }
    }

    /// Asks and waits; for checkers.
    pub fn ask_now(&mut self, guest: usize, home: usize, asks: Vec<Ask>) -> Vec<Outcome> {
        let it = &self.guests[guest];
        if (it.client.is_none() || it.home != home || !self.runs_for(guest))
            && !self.guest_connects(guest, Some(home))
        {
            return vec![Outcome::Refused("the node does not run".into()); asks.len()];
        }
        let numbers: Vec<usize> = asks.into_iter().map(|ask| self.ask(guest, ask)).collect();
        self.guest_run(guest);
        self.drain(home);
        for _ in 0..100 {
            if numbers.iter().all(|&n| self.history[n].outcome != Outcome::Open) {
                break;
            }
            self.run_for(50_000);
        }
        numbers.iter().map(|&n| self.history[n].outcome.clone()).collect()
    }

    /// Runs what a client has sent, as far as it goes.
    pub fn guest_run(&mut self, guest: usize) {
        if !self.runs_for(guest) {
            return;
        }
        let (home, now) = (self.guests[guest].home, self.now);
        let seat = &mut self.seats[home];
        let Some(node) = seat.node.as_mut().filter(|_| !seat.paused) else { return };
        node.sync(now);
        let it = &mut self.guests[guest];
        let Some(client) = &mut it.client else { return };
        while !it.parked {
            let progress =
                run(client, &mut it.input, &mut it.out, &mut node.worker, &node.instance);
            it.input.drain(..progress.consumed);
            match progress.verdict {
                Verdict::More if progress.consumed > 0 || !it.input.is_empty() => {}
                Verdict::Parked(Park::Replies) => it.parked = true,
                _ => break,
            }
        }
        self.guest_hears(guest);
    }

    pub fn guest_answer(&mut self, node: usize, answer: Answer) {
        let place = answer.place;
        let Some(it) = self.guests.get_mut(place) else { return };
        let Some(client) = &mut it.client else { return };
        if it.home != node || client.session.id != answer.client {
            return;
        }
        client.answer(answer, &mut it.out);
        if let Some(node) = &mut self.seats[node].node {
            node.worker.note_taken(client);
        }
        it.parked = false;
        self.guest_run(place);
    }

    /// Takes in the replies that have come.
    pub fn guest_hears(&mut self, guest: usize) {
        let mut is_answered = self.guests[guest].tracker.is_none();
        loop {
            let it = &mut self.guests[guest];
            let Some((reply, length)) = Reply::parse(&it.out) else { break };
            it.out.drain(..length);
            if let Reply::Push(items) = reply {
                self.tracker_is_told(guest, &items);
                continue;
            }
            is_answered = true;
            let Some(expect) = it.expect.pop_front() else {
                return self.wrong(format!("guest {guest} was told {reply:?} and asked nothing"));
            };
            match expect {
                Expect::Setup => {}
                Expect::Track(on) => self.tracker_is(guest, on, &reply),
                Expect::Operation(operation) => self.heard(guest, operation, reply),
            }
        }
        self.tracker_ran(guest);
        if self.guests[guest].expect.is_empty() && is_answered {
            self.guest_rests(guest);
        }
    }

    /// It goes on after a while.
    pub fn guest_rests(&mut self, guest: usize) {
        let it = &self.guests[guest];
        let session = it.session;
        // An iteration takes a step for each slot.
        let mean = if it.scans { 1_000 } else { self.work.pause_us };
        let pause = 1 + self.rng.below(2 * mean);
        self.at(self.now + pause, Event::Guest(guest, session));
    }

    fn heard(&mut self, guest: usize, operation: usize, reply: Reply) {
        let now = self.now;
        self.note(|| format!("guest {guest} hears #{operation} {reply:?}"));
        self.sum = self.sum.wrapping_mul(131).wrapping_add(now ^ operation as u64);
        if let Ask::Scan(iteration, _) = self.history[operation].ask {
            self.scanned(guest, iteration, &reply);
        }
        if let Ask::Collect(Collect::Deliver(key)) = &self.history[operation].ask {
            let known = &mut self.work.collections.delivered;
            known.entry(key.clone()).or_default().extend(delivered(&reply));
        }
        let entry = &mut self.history[operation];
        (entry.ended, entry.outcome) = (now, outcome(reply));
        let took = now - entry.began;
        let (home, began, client) = (entry.node, entry.began, entry.client);
        // Commands that were sent together wait for one another where they concern the same slot.
        let before = self.history[..operation].iter().rev().take(4);
        let together = before.filter(|it| (it.client, it.began) == (client, began)).count() as u64;
        let limit = ANSWER_WITHIN * (1 + together);
        if took > limit && self.was_awake(home, took) {
            self.wrong(format!("operation {operation} took {:.1} s", took as f64 / 1e6));
        }
        self.tracker_heard(guest, operation);
    }

    fn was_awake(&self, node: usize, for_us: u64) -> bool {
        let seat = &self.seats[node];
        !seat.paused && seat.paused_until + for_us < self.now
    }

    pub fn guest_gives_up(&mut self, guest: usize, operation: usize) {
        if self.history[operation].outcome != Outcome::Open {
            return;
        }
        self.history[operation].outcome = Outcome::Unknown("no reply".into());
        let home = self.history[operation].node;
        if self.was_awake(home, PATIENCE) {
            let what = format!(
                "operation {operation} {:?} was never answered",
                self.history[operation].ask
            );
            self.wrong(what);
        }
        if self.guests[guest].expect.contains(&Expect::Operation(operation)) {
            self.guest_leaves(guest);
        }
    }

    /// The connections to a node that died.
    pub fn guests_lost(&mut self, node: usize) {
        for guest in 0..self.guests.len() {
            if self.guests[guest].home == node && self.guests[guest].client.is_some() {
                self.guest_leaves(guest);
            }
        }
    }

    pub fn guest_leaves(&mut self, guest: usize) {
        self.forget_tracker(guest);
        let it = &mut self.guests[guest];
        it.client = None;
        if let Some(tracker) = &mut it.tracker {
            tracker.held.clear();
            tracker.on = false;
            tracker.owed_since = None;
        }
        it.session += 1;
        let session = it.session;
        for expect in std::mem::take(&mut it.expect) {
            if let Expect::Operation(operation) = expect
                && self.history[operation].outcome == Outcome::Open
            {
                self.history[operation].outcome = Outcome::Unknown("the connection ended".into());
            }
        }
        let pause = 1_000 + self.rng.below(100_000);
        self.at(self.now + pause, Event::Guest(guest, session));
    }

    // --- SCAN ---------------------------------------------------------------------------------------------------------

    fn scan_on(&mut self, guest: usize) {
        let (iteration, cursor) = match self.guests[guest].scan {
            Some(at) => at,
            None => {
                self.work.iterations.push(Iteration::default());
                (self.work.iterations.len() - 1, 0)
            }
        };
        self.guests[guest].scan = Some((iteration, cursor));
        self.ask(guest, Ask::Scan(iteration, cursor));
        self.guest_run(guest);
        let home = self.guests[guest].home;
        self.drain(home);
    }

    fn scanned(&mut self, guest: usize, iteration: usize, reply: &Reply) {
        let Reply::Array(parts) = reply else {
            // Tried again from the same cursor.
            return;
        };
        let [cursor, Reply::Array(keys)] = parts.as_slice() else { return };
        let cursor = cursor.number().unwrap() as u64;
        let it = &mut self.work.iterations[iteration];
        for key in keys {
            if let Reply::Bulk(Some(key)) = key {
                it.seen.insert(String::from_utf8_lossy(key).into_owned());
            }
        }
        it.complete = cursor == 0;
        self.guests[guest].scan = (cursor != 0).then_some((iteration, cursor));
    }
}
