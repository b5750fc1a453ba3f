//! Random histories of two ends: whatever is split, lost with its connection, late or full, each class arrives in order, nothing
//! exceeds its bound, and each request has one outcome.
//!
//! A failure prints its seed; `TORC_LINK_SEED` replays it, `TORC_LINK_ROUNDS` sets the number of histories.

use super::*;
use std::collections::{HashMap, HashSet, VecDeque};

const WINDOW: u64 = 1500;
const QUEUE: usize = 2000;
const IN_FLIGHT: usize = 24;
const PAYLOAD_MAX: u32 = 3000;
/// Small, so that most slices are full and many frames span two.
const SLICE: usize = 500;

fn small() -> Config {
    Config {
        limits: Limits { payload_bytes_max: PAYLOAD_MAX },
        slice_bytes: SLICE,
        window_bytes: [WINDOW; CLASS_COUNT],
        queue_bytes_max: [QUEUE; CLASS_COUNT],
        requests_in_flight_max: IN_FLIGHT,
        dial_timeout: 200 * MS,
        handshake_timeout: 300 * MS,
        ping_interval: 50 * MS,
        dead_after: 400 * MS,
        breaker_failures: 3,
        backoff_min: 5 * MS,
        backoff_max: 50 * MS,
    }
}

/// A bounded log of numbered effects, and the cursor of the link in it.
struct Log {
    first: u64,
    end: u64,
    cursor: u64,
}

impl EffectSource for Log {
    fn pull(&mut self, bytes_max: usize, payload: &mut Vec<u8>) -> Pulled {
        assert!((1..=SLICE.max(1024)).contains(&bytes_max));
        if self.cursor < self.first {
            return Pulled::FellOff;
        }
        if self.cursor == self.end {
            return Pulled::Nothing;
        }
        payload.extend_from_slice(&self.cursor.to_le_bytes());
        self.cursor += 1;
        Pulled::Batch
    }
}

/// A request that was taken and has no outcome.
struct Asked {
    number: u64,
    deadline: Duration,
}

struct World {
    pair: Pair,
    rng: Rng,
    /// Bytes on their way, and whether there is a connection.
    to_a: VecDeque<u8>,
    to_b: VecDeque<u8>,
    connected: bool,
    /// Numbers given to whatever is sent, rising.
    number: u64,
    asked: HashMap<u32, Asked>,
    /// Requests that the acceptor got and has not answered.
    to_answer: Vec<(u32, u64)>,
    arrived: HashSet<u64>,
    never: HashSet<u64>,
    last: HashMap<(bool, u8), u64>,
    log: Log,
    effect: Option<u64>,
    /// Where effects went on after they fell off the log.
    jumps: HashSet<u64>,
    /// A connection opened, and effects were not started on it.
    start_due: bool,
    outcomes: HashMap<&'static str, u64>,
}

impl World {
    fn new(seed: u64) -> World {
        World {
            pair: Pair::new(small()),
            rng: Rng::seeded(seed),
            to_a: VecDeque::new(),
            to_b: VecDeque::new(),
            connected: false,
            number: 0,
            asked: HashMap::new(),
            to_answer: Vec::new(),
            arrived: HashSet::new(),
            never: HashSet::new(),
            last: HashMap::new(),
            log: Log { first: 0, end: 0, cursor: 0 },
            effect: None,
            jumps: HashSet::new(),
            start_due: false,
            outcomes: HashMap::new(),
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.outcomes.entry(what).or_default() += 1;
    }

    /// A rising number, and now and then so many bytes behind it that the frame spans chunks and exceeds windows.
    fn payload(&mut self) -> (u64, Vec<u8>) {
        self.number += 1;
        let most = if self.rng.below(20) == 0 { u64::from(PAYLOAD_MAX) - 8 } else { 60 };
        let mut bytes = self.number.to_le_bytes().to_vec();
        bytes.resize(8 + self.rng.below(most) as usize, 0xab);
        (self.number, bytes)
    }

    fn step(&mut self) {
        match self.rng.below(100) {
            0..20 => self.ask(),
            20..35 => self.answer(),
            35..45 => self.send(),
            45..52 => self.grow_log(),
            52..88 => self.move_bytes(),
            88..95 => self.pass_time(),
            95 if self.rng.below(3) == 0 => self.disconnect(),
            _ => self.consume(),
        }
        self.check_bounds();
    }

    fn ask(&mut self) {
        let (number, bytes) = self.payload();
        let deadline = self.pair.now.monotonic + MS * self.rng.below(300) as u32;
        let blocking = self.rng.below(4) == 0;
        let ask = Ask { slot: None, deadline: Some(deadline), blocking };
        match self.pair.a.link.request(self.pair.now, ask, put(&bytes)) {
            Ok(id) => {
                let before = self.asked.insert(id, Asked { number, deadline });
                assert!(before.is_none(), "two requests have the id {id}");
                if self.rng.below(30) == 0 {
                    self.pair.a.link.abandon(id);
                    self.asked.remove(&id);
                    self.count("abandoned");
                }
            }
            Err(error) => {
                self.never.insert(number);
                self.count(match error {
                    RequestError::Open => "refused: open",
                    RequestError::Full => "refused: full",
                    _ => "refused: otherwise",
                });
            }
        }
    }

    fn answer(&mut self) {
        if self.to_answer.is_empty() {
            return;
        }
        let index = self.rng.below(self.to_answer.len() as u64) as usize;
        let (id, number) = self.to_answer.swap_remove(index);
        // Some are never answered.
        if self.rng.below(20) > 0 {
            let (_, mut bytes) = self.payload();
            bytes[..8].copy_from_slice(&number.to_le_bytes());
            self.pair.b.link.respond(id, None, 0, put(&bytes)).unwrap();
        }
    }

    fn send(&mut self) {
        let (_, bytes) = self.payload();
        let kinds = [Kind::Gossip, Kind::Digest, Kind::Ack, Kind::SyncChunk, Kind::SyncEnd];
        let kind = kinds[self.rng.below(5) as usize];
        let end = if self.rng.below(2) == 0 { &mut self.pair.a } else { &mut self.pair.b };
        let has_room = end.link.has_room(kind.class());
        let sent = end.link.send(Head::of(kind), put(&bytes));
        assert_eq!(has_room, sent.is_ok());
    }

    fn grow_log(&mut self) {
        self.log.end += self.rng.below(30);
        self.log.first = self.log.first.max(self.log.end.saturating_sub(60));
    }

    fn consume(&mut self) {
        let bytes = self.rng.below(2 * WINDOW);
        if std::mem::take(&mut self.start_due) {
            // The peer says where it stands.
            self.log.cursor = self.effect.map_or(0, |effect| effect + 1);
            self.pair.a.link.start_effects();
        }
        self.pair.a.link.consumed(bytes);
        self.pair.b.link.consumed(bytes);
    }

    /// A few bytes from each end into the network, a few out of it, in chunks of any size.
    fn move_bytes(&mut self) {
        if !self.connected {
            return;
        }
        let now = self.pair.now;
        for from_a in [true, false] {
            let count = self.rng.below(800) as usize + 1;
            let (end, wire) = if from_a {
                (&mut self.pair.a, &mut self.to_b)
            } else {
                (&mut self.pair.b, &mut self.to_a)
            };
            let mut none = NoEffects;
            let source: &mut dyn EffectSource = if from_a { &mut self.log } else { &mut none };
            let slice = end.link.output(now, source);
            assert!(slice.len() <= SLICE);
            let count = count.min(slice.len()).min(4000usize.saturating_sub(wire.len()));
            wire.extend(&slice[..count]);
            end.link.sent(count);
        }
        if self.pair.a.link.take_fell_off() {
            self.log.cursor = self.log.first;
            self.jumps.insert(self.log.first);
            self.pair.a.link.start_effects();
            self.count("fell off");
        }
        self.deliver(true);
        self.deliver(false);
    }

    fn deliver(&mut self, to_a: bool) {
        let count = self.rng.below(900) as usize;
        let (end, wire) = if to_a {
            (&mut self.pair.a, &mut self.to_a)
        } else {
            (&mut self.pair.b, &mut self.to_b)
        };
        let count = count.min(wire.len());
        if count == 0 {
            return;
        }
        let bytes: Vec<u8> = wire.drain(..count).collect();
        let seen = end.receive(&bytes, self.pair.now);
        for seen in seen.expect("honest ends give no reason to close") {
            self.see(to_a, seen);
        }
    }

    fn see(&mut self, at_a: bool, seen: Seen) {
        let (kind, id, flags, payload) = match seen {
            Seen::Frame { kind, id, flags, payload } => (kind, id, flags, payload),
            Seen::Open(_) if at_a => {
                self.start_due = true;
                return self.count("opened");
            }
            Seen::Open(_) | Seen::Clock(_) => return,
        };
        let number = payload.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
        match kind {
            Kind::Response => {
                let asked = self.asked.remove(&id).expect("one outcome for what was asked");
                if flags & response_flags::BUSY != 0 {
                    assert!(!self.arrived.contains(&asked.number), "busy means not run");
                    self.never.insert(asked.number);
                    return self.count("busy");
                }
                assert_eq!(number, Some(asked.number), "the response to another request");
                self.count("answered");
            }
            Kind::Effects => {
                let number = number.unwrap();
                let expected = self.effect.map_or(0, |effect| effect + 1);
                let may_jump = number > expected && self.jumps.contains(&number);
                assert!(number == expected || may_jump, "effect {number} after {expected}");
                self.effect = Some(number);
                self.count("effects");
            }
            _ => {
                let number = number.unwrap();
                // A frame never goes twice, so that its number rises beyond connections too.
                let last = self.last.insert((at_a, kind.class() as u8), number);
                assert!(last.is_none_or(|last| last < number), "{kind:?} {number} after {last:?}");
                if kind == Kind::Request {
                    assert!(!self.never.contains(&number), "request {number} was not to arrive");
                    self.arrived.insert(number);
                    self.to_answer.push((id, number));
                } else {
                    self.count("sent");
                }
            }
        }
    }

    fn end(&mut self, failed: &[Failed]) {
        for Failed { id, why } in failed {
            let asked = self.asked.remove(id).expect("one outcome for what was asked");
            if matches!(why, Why::TimedOut | Why::TimedOutUnsent) {
                assert!(asked.deadline <= self.pair.now.monotonic, "too early");
            }
            if !why.may_have_run() {
                assert!(!self.arrived.contains(&asked.number));
                self.never.insert(asked.number);
            }
            self.count(match why {
                Why::TimedOut => "timed out",
                Why::TimedOutUnsent => "timed out unsent",
                Why::Lost => "lost",
                Why::Unreachable => "unreachable",
            });
        }
    }

    fn pass_time(&mut self) {
        let most = if self.rng.below(30) == 0 { 600 } else { 12 };
        let time = MS * self.rng.below(most) as u32;
        self.pair.pass(time);
        self.tick();
    }

    fn tick(&mut self) {
        let (action, failed) = self.pair.tick();
        self.end(&failed);
        let now = self.pair.now.monotonic;
        for asked in self.asked.values() {
            assert!(asked.deadline > now, "request {} was not expired", asked.number);
        }
        let at_b = if self.connected {
            self.pair.b.link.tick(self.pair.now, &mut Vec::new())
        } else {
            Action::Nothing
        };
        match action {
            Action::Dial if self.rng.below(4) == 0 => self.disconnect(),
            Action::Dial => self.connect(),
            Action::Close(_) => self.disconnect(),
            Action::Nothing if matches!(at_b, Action::Close(_)) => self.disconnect(),
            Action::Nothing => (),
        }
    }

    fn connect(&mut self) {
        let now = self.pair.now;
        let rng = self.rng.fork();
        let b = Link::acceptor(Arc::clone(&self.pair.config), identity(2), [2; 32], rng, now);
        self.pair.b = End::new(b);
        self.pair.a.unread.clear();
        self.pair.a.link.connected(now, [1; 32]);
        self.connected = true;
    }

    /// The connection goes, and what is on its way with it.
    fn disconnect(&mut self) {
        self.to_a.clear();
        self.to_b.clear();
        self.to_answer.clear();
        (self.connected, self.start_due) = (false, false);
        let failed = self.pair.drop_connection();
        self.end(&failed);
        self.count("disconnected");
    }

    fn check_bounds(&self) {
        let frame_max = PAYLOAD_MAX as usize + 16;
        for class in Class::ALL {
            for end in [&self.pair.a, &self.pair.b] {
                // Answers to what was asked before the bound was reached have room beyond it.
                let answers = if class == Class::Request { IN_FLIGHT * frame_max } else { 0 };
                assert!(end.link.queued_bytes(class) <= QUEUE + frame_max + answers);
                assert!(end.link.held_bytes(class) <= WINDOW + frame_max as u64);
            }
        }
        assert!(self.pair.a.link.requests_waiting() <= IN_FLIGHT);
        assert_eq!(self.pair.a.link.requests_waiting(), self.asked.len());
        assert!(self.pair.a.unread.len() <= frame_max + 900);
    }

    /// No deadline is later than this.
    fn finish(&mut self) {
        self.pair.pass(700 * MS);
        self.tick();
        assert!(self.asked.is_empty());
    }
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn every_history_keeps_order_bounds_and_outcomes() {
    let replay = variable("TORC_LINK_SEED");
    let rounds = variable("TORC_LINK_ROUNDS").unwrap_or(150);
    let seeds = replay.map_or(0..rounds, |seed| seed..seed + 1);
    let mut outcomes: HashMap<&'static str, u64> = HashMap::new();
    for seed in seeds {
        let history = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            (0..3000).for_each(|_| world.step());
            world.finish();
            world.outcomes
        });
        match history {
            Ok(found) => found
                .into_iter()
                .for_each(|(what, count)| *outcomes.entry(what).or_default() += count),
            Err(panic) => {
                eprintln!("TORC_LINK_SEED={seed}");
                std::panic::resume_unwind(panic);
            }
        }
    }
    println!("{outcomes:?}");
    // A history in which something never happens proves nothing of it.
    let wanted = [
        "abandoned",
        "answered",
        "busy",
        "disconnected",
        "effects",
        "fell off",
        "lost",
        "opened",
        "refused: full",
        "refused: open",
        "sent",
        "timed out",
        "timed out unsent",
        "unreachable",
    ];
    let missing: Vec<_> = wanted.iter().filter(|what| !outcomes.contains_key(*what)).collect();
    assert!(replay.is_some() || missing.is_empty(), "{missing:?} of {outcomes:?}");
}
