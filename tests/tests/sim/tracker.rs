//! Clients that track: each keeps what it has read, and goes by that until it is told that it is another now.
//!
//! What they hold is held against what whoever serves the key has, twenty times a second. A value that is another there is to be known as such:
//!
//! | | within |
//! |---|---|
//! | the connections between the two nodes have stood, and the slot has stayed where it is, for [`SETTLED_US`] | [`MOMENT_US`] |
//! | they stand again, or the slot has moved | [`SETTLED_US`] |
//! | they do not stand, nobody serves the key, or two do | no claim, until that is over |
//! | the client reads copies | [`COPIES_US`] more, for a copy that was left behind to be made up for |
//!
//! A client that waits for a reply hears of it with that reply.

use super::history::{Ask, Outcome};
use super::net::Line;
use super::reply::{Reply, command};
use super::sabotage::Sabotage;
use super::world::{Event, SECOND, World};
use std::collections::BTreeMap;
use torc_protocol::slot::slot_of;
use torc_server::admin::tracking::Push;
use torc_server::node::Waiting;

/// Names come with the next turn, by a way of 50 ms at most, and what has expired is found within 100 ms.
pub const MOMENT_US: u64 = 400_000;

/// Clients are told of slots that move once a second, of links that open again a tenth of one later.
pub const SETTLED_US: u64 = 2 * SECOND;

/// Copies that were left behind are found by comparing them, as [`super::heal`] has it.
pub const COPIES_US: u64 = 4 * SECOND;

/// How often held values are looked at.
const LOOK_US: u64 = 50_000;

/// How a client tracks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// What it has read.
    Read,
    /// The same, but for its own changes. It forgets what it changes.
    NoLoop,
    /// All keys.
    Bcast,
    /// Keys with certain prefixes.
    Prefixes,
    /// What it has read, of copies too.
    Copies,
}

impl Mode {
    pub const ALL: [Mode; 5] =
        [Mode::Read, Mode::Bcast, Mode::NoLoop, Mode::Prefixes, Mode::Copies];

    /// What it begins with.
    fn commands(self) -> Vec<&'static str> {
        let options = match self {
            Mode::Read | Mode::Copies => "CLIENT TRACKING ON",
            Mode::NoLoop => "CLIENT TRACKING ON NOLOOP",
            Mode::Bcast => "CLIENT TRACKING ON BCAST",
            Mode::Prefixes => {
                "CLIENT TRACKING ON BCAST PREFIX reg PREFIX del PREFIX sum PREFIX ttl PREFIX slow PREFIX lasting"
            }
        };
        match self {
            Mode::Copies => vec!["HELLO 3", "CLIENT CONSISTENCY R ANY", options],
            _ => vec!["HELLO 3", options],
        }
    }
}

/// A value that somebody goes by.
#[derive(Debug)]
pub struct Held {
    pub value: Option<u64>,
    /// The operation that read it.
    pub number: usize,
    /// Since when it has been another, as far as anything is claimed.
    stale_since: Option<u64>,
}

/// What a client that tracks knows.
#[derive(Debug)]
pub struct Tracker {
    pub mode: Mode,
    /// Whether it has been told that it tracks.
    pub on: bool,
    pub held: BTreeMap<String, Held>,
    /// Since when it has waited for a reply, if it does.
    pub owed_since: Option<u64>,
    /// How often it was told of a key, and of all.
    pub told: (u64, u64),
}

/// How a node is tied to who serves a slot: who that is, the runs of both, since when both are awake, and their connections. None, if one is frozen or a connection is lost or cut.
pub type Tie = Option<[u64; 6]>;

impl World {
    /// Adds clients that track.
    pub fn add_trackers(&mut self) {
        for mode in Mode::ALL {
            let guest = self.add_guest(if mode == Mode::Copies { 0 } else { 1 }, false);
            self.guests[guest].tracker = Some(Tracker {
                mode,
                on: false,
                held: BTreeMap::new(),
                owed_since: None,
                told: (0, 0),
            });
        }
        self.tracking.looks = true;
        self.at(self.now + LOOK_US, Event::LookAtHeld);
    }

    /// What a client that tracks says first on a connection.
    pub fn tracker_begins(&mut self, guest: usize) {
        let Some(tracker) = &mut self.guests[guest].tracker else { return };
        tracker.held.clear();
        tracker.on = false;
        let lines = tracker.mode.commands();
        let last = lines.len() - 1;
        for (at, line) in lines.into_iter().enumerate() {
            let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            self.guests[guest].send_setup(&command(&words), (at == last).then_some(true));
        }
    }

    /// What a client that tracks does next.
    pub fn tracker_turn(&mut self, guest: usize) {
        let Some(tracker) = &self.guests[guest].tracker else { return };
        let (on, home) = (tracker.on, self.guests[guest].home);
        let dice = self.tracking.rng.below(40);
        let key = self.work.tracked_key();
        let ask = match dice {
            0 => return self.tracker_leaves(guest),
            1 if on => {
                let off: [&[u8]; 3] = [b"CLIENT", b"TRACKING", b"OFF"];
                self.guests[guest].send_setup(&command(&off), Some(false));
                None
            }
            _ if !on => {
                self.tracker_begins(guest);
                None
            }
            2 | 3 if !key.starts_with("sum") => Some(Ask::Set(key, self.work.value())),
            4 if key.starts_with("del") => Some(Ask::Del(key)),
            5..=8 => {
                let keys = [key, self.work.tracked_key(), self.work.tracked_key()];
                Some(Ask::MGet(keys.to_vec()))
            }
            _ if self.holds(guest, &key) => return self.guest_rests(guest),
            _ => Some(Ask::Get(key)),
        };
        if let Some(ask) = ask {
            self.ask(guest, ask);
        }
        self.guest_run(guest);
        self.drain(home);
    }

    fn holds(&self, guest: usize, key: &str) -> bool {
        self.guests[guest].tracker.as_ref().is_some_and(|it| it.held.contains_key(key))
    }

    /// It closes its connection, to come back elsewhere.
    fn tracker_leaves(&mut self, guest: usize) {
        let home = self.guests[guest].home;
        self.guest_leaves(guest);
        self.tell_news(home);
    }

    /// The node of a client that tracks is rid of it.
    pub fn forget_tracker(&mut self, guest: usize) {
        if !self.runs_for(guest) {
            return;
        }
        let it = &mut self.guests[guest];
        let (Some(client), Some(node)) = (&mut it.client, &self.seats[it.home].node) else {
            return;
        };
        client.session.untrack(&node.instance);
        node.instance.clients.unregister(client.session.id);
    }

    /// Others see what protocol a client that tracks speaks, and how long it waits for a reply.
    pub fn tracker_ran(&mut self, guest: usize) {
        let now = self.now;
        let it = &mut self.guests[guest];
        let Some(tracker) = &mut it.tracker else { return };
        match it.expect.is_empty() {
            true => tracker.owed_since = None,
            false => {
                tracker.owed_since.get_or_insert(now);
            }
        }
        if let (Some(client), Some(node)) = (&it.client, &self.seats[it.home].node) {
            client.publish(node.instance.clock.unix_ms(), Waiting::default());
        }
    }

    /// The answer to CLIENT TRACKING came.
    pub fn tracker_is(&mut self, guest: usize, on: bool, reply: &Reply) {
        if *reply != Reply::Status("OK".into()) {
            self.wrong(format!("tracking: guest {guest} asked for it and was told {reply:?}"));
        }
        if let Some(tracker) = &mut self.guests[guest].tracker {
            tracker.on = on;
            tracker.held.clear();
        }
    }

    /// An operation of a client that tracks is over: what it read is held, what it changed is not.
    pub fn tracker_heard(&mut self, guest: usize, number: usize) {
        let Some(tracker) = &mut self.guests[guest].tracker else { return };
        let operation = &self.history[number];
        let (Outcome::Done(reply), true) = (&operation.outcome, tracker.on) else { return };
        let mut hold = |key: &String, reply: &Reply| {
            let value = reply.number().map(|value| value as u64);
            tracker.held.insert(key.clone(), Held { value, number, stale_since: None });
        };
        match (&operation.ask, reply) {
            (Ask::Get(key), reply) => hold(key, reply),
            (Ask::MGet(keys), Reply::Array(values)) => {
                keys.iter().zip(values).for_each(|(key, value)| hold(key, value));
            }
            (Ask::Set(key, _) | Ask::Del(key), _) => drop(tracker.held.remove(key)),
            _ => {}
        }
    }

    /// A client is told something: it goes where the product puts it, behind the replies that it is owed.
    pub fn guest_is_told(&mut self, node: usize, push: &Push) {
        let overtakes = self.setup.sabotage == Some(Sabotage::NewsOvertake);
        let Some(it) = self.guests.get_mut(push.place) else { return };
        let Some(client) = &mut it.client else { return };
        if it.home != node || client.session.id != push.client {
            return;
        }
        let mut bytes = Vec::new();
        let session = &client.session;
        push.told.render(session.protocol, session.is_subscribed(), &mut bytes);
        match overtakes {
            true => it.out.extend_from_slice(&bytes),
            false => client.append_news(&bytes, push.is_own, &mut it.out),
        }
        self.guest_hears(push.place);
    }

    /// A client reads that keys have changed.
    pub fn tracker_is_told(&mut self, guest: usize, push: &[Reply]) {
        self.note(|| format!("guest {guest} is told {push:?}"));
        let Some(tracker) = &mut self.guests[guest].tracker else { return };
        match push {
            [Reply::Bulk(Some(what)), Reply::Array(keys)] if what == b"invalidate" => {
                for key in keys {
                    if let Reply::Bulk(Some(key)) = key {
                        tracker.held.remove(&*String::from_utf8_lossy(key));
                        tracker.told.0 += 1;
                    }
                }
            }
            [Reply::Bulk(Some(what)), Reply::Bulk(None)] if what == b"invalidate" => {
                tracker.held.clear();
                tracker.told.1 += 1;
            }
            push => self.wrong(format!("tracking: guest {guest} is told {push:?}")),
        }
    }

    // --- What is claimed ----------------------------------------------------------------------------------------------

    /// See [`Tie`].
    fn tie(&self, home: usize, server: usize) -> Tie {
        if !self.is_running(home) || !self.is_running(server) {
            return None;
        }
        let (me, it) = (&self.seats[home], &self.seats[server]);
        let mut tie = [server as u64, me.life, it.life, me.paused_until.max(it.paused_until), 0, 0];
        if home != server {
            if self.net.is_cut(home, server) || self.net.is_cut(server, home) {
                return None;
            }
            for (at, (dialler, other)) in [(home, server), (server, home)].into_iter().enumerate() {
                let link = &self.net.links[&Line { dialler, other, control: false }];
                if link.open != [true, true] {
                    return None;
                }
                tie[4 + at] = link.life;
            }
        }
        Some(tie)
    }

    /// What `server` has of a key.
    fn value_at(&mut self, server: usize, key: &str) -> Option<u64> {
        let node = self.node(server)?;
        let now = node.instance.clock.unix_ms();
        let guard = node.worker.local.pin();
        let store = &node.instance.store;
        let mut keyspace = store.keyspace(&mut node.worker.local, &guard, 0, now);
        let entry = keyspace.see(key.as_bytes());
        let text = entry.entry()?.string().ok()?;
        let bytes = text.bytes(&mut itoa::Buffer::new()).to_vec();
        String::from_utf8_lossy(&bytes).parse().ok()
    }

    /// Holds what clients go by against what there is.
    pub fn look_at_held(&mut self) {
        if self.tracking.looks {
            self.at(self.now + LOOK_US, Event::LookAtHeld);
        }
        self.look_at_ties();
        for guest in 0..self.guests.len() {
            let Some(tracker) = &self.guests[guest].tracker else { continue };
            let keys: Vec<String> = tracker.held.keys().cloned().collect();
            for key in keys {
                self.look_at_key(guest, &key);
            }
        }
    }

    /// Notes since when nodes are tied to each other as they are.
    fn look_at_ties(&mut self) {
        let slots: Vec<u16> = self.work.watched.iter().copied().collect();
        for slot in slots {
            let servers = torc_protocol::slot::Slot::new(slot).map(|slot| self.servers(slot));
            let server = servers.filter(|it| it.len() == 1).map(|it| it[0]);
            for home in 0..self.seats.len() {
                let tie = server.and_then(|server| self.tie(home, server));
                let now = self.now;
                let known = self.tracking.ties.entry((home, slot)).or_insert((tie, now));
                if known.0 != tie {
                    *known = (tie, now);
                }
            }
        }
    }

    fn look_at_key(&mut self, guest: usize, key: &str) {
        let home = self.guests[guest].home;
        let slot = slot_of(key.as_bytes()).index() as u16;
        let tied = self.tracking.ties.get(&(home, slot)).copied();
        let server = tied.and_then(|(tie, since)| Some((tie?[0] as usize, since)));
        let truth = server.map(|(server, since)| (self.value_at(server, key), since));
        let now = self.now;
        let Some(tracker) = &mut self.guests[guest].tracker else { return };
        let (mode, owed_since) = (tracker.mode, tracker.owed_since.unwrap_or(u64::MAX));
        let Some(held) = tracker.held.get_mut(key) else { return };
        let Some((value, tied_since)) = truth.filter(|(value, _)| *value != held.value) else {
            held.stale_since = None;
            return;
        };
        let stale_since = (*held.stale_since.get_or_insert(now)).max(tied_since);
        let copies = if mode == Mode::Copies { COPIES_US } else { 0 };
        let limit = (stale_since + MOMENT_US).max(tied_since + SETTLED_US) + copies;
        if now > limit && owed_since > limit {
            let what = format!(
                "tracking: guest {guest} ({mode:?}) at {home} holds {:?} of {key}, read by #{}, which has been {value:?} at {} for {:.2} s, tied for {:.2} s",
                held.value,
                held.number,
                server.map_or(0, |it| it.0),
                (now - stale_since) as f64 / 1e6,
                (now - tied_since) as f64 / 1e6,
            );
            tracker.held.remove(key);
            self.wrong(what);
        }
    }
}
