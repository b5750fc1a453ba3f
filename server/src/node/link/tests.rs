//! Two ends of a link in one hand: a dialler, the acceptors of its connections, and the bytes between them.

mod property;

use super::*;
use crate::base::rng::Rng;
use crate::security::cluster::ClusterSecret;
use std::sync::Arc;
use std::time::Duration;
use torc_protocol::peer::frame::CLASS_COUNT;
use torc_protocol::peer::hello::{Reason, Revisions, Role};
use torc_protocol::peer::request::response_flags;
use torc_protocol::peer::{Class, Frame, Head, Kind, Limits, frame};

/// The slice of the default configuration.
const SLICE_BYTES: usize = 64 * 1024;

const MS: Duration = Duration::from_millis(1);

struct Everybody;

impl Admission for Everybody {
    fn judge(&self, _peer: &Peer) -> Result<(), Reason> {
        Ok(())
    }
}

fn identity(node: u64) -> Arc<Identity> {
    Arc::new(Identity {
        cluster: b"test".to_vec(),
        node,
        incarnation: 1,
        revisions: Revisions::OURS,
        features: 0,
        layout_algo: 1,
        authenticator: Arc::new(ClusterSecret::new(b"secret")),
    })
}

/// An event without its borrow.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Open(Peer),
    Frame { kind: Kind, id: u32, flags: u8, payload: Vec<u8> },
    Clock(ClockSample),
}

/// One end with what it received and did not take yet.
struct End {
    link: Link,
    unread: Vec<u8>,
}

impl End {
    fn new(link: Link) -> End {
        End { link, unread: Vec::new() }
    }

    /// Hands `bytes` in, and returns what came of them.
    fn receive(&mut self, bytes: &[u8], now: Now) -> Result<Vec<Seen>, Close> {
        self.unread.extend_from_slice(bytes);
        let mut pos = 0;
        let mut seen = Vec::new();
        loop {
            match self.link.receive(&self.unread, &mut pos, now, &Everybody)? {
                Received::Event(event) => seen.push(match event {
                    Event::Open(peer) => Seen::Open(peer),
                    Event::Clock(sample) => Seen::Clock(sample),
                    Event::Frame(Frame { header, payload })
                    | Event::Response(Frame { header, payload }) => Seen::Frame {
                        kind: header.kind.unwrap(),
                        id: header.id,
                        flags: header.flags,
                        payload: payload.to_vec(),
                    },
                }),
                Received::Incomplete { more_bytes_hint } => {
                    assert!((1..=frame::HINT_BYTES_MAX).contains(&more_bytes_hint));
                    break;
                }
            }
        }
        self.unread.drain(..pos);
        Ok(seen)
    }

    /// All that it has to send now.
    fn flush(&mut self, now: Now, source: &mut dyn EffectSource) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let slice = self.link.output(now, source);
            assert!(slice.len() <= SLICE_BYTES);
            if slice.is_empty() {
                return all;
            }
            let count = slice.len();
            all.extend_from_slice(slice);
            self.link.sent(count);
        }
    }
}

/// A dialler, an acceptor, a time and no network.
struct Pair {
    a: End,
    b: End,
    now: Now,
    config: Arc<Config>,
}

impl Pair {
    fn new(config: Config) -> Pair {
        let config = Arc::new(config);
        let now = Now { monotonic: MS, wall_us: 1_000_000 };
        let rng = Rng::seeded(7);
        let role = Role::Data { worker: 0 };
        let a = Link::dialler(Arc::clone(&config), identity(1), role, Some(2), rng.clone());
        let b = Link::acceptor(Arc::clone(&config), identity(2), [2; 32], rng, now);
        Pair { a: End::new(a), b: End::new(b), now, config }
    }

    fn open(config: Config) -> Pair {
        let mut pair = Pair::new(config);
        pair.connect();
        pair
    }

    /// Dials, and passes bytes until both ends are open.
    fn connect(&mut self) {
        let mut failed = Vec::new();
        assert_eq!(self.a.link.tick(self.now, &mut failed), Action::Dial);
        let rng = Rng::seeded(8);
        let b = Link::acceptor(Arc::clone(&self.config), identity(2), [2; 32], rng, self.now);
        (self.b, self.a.unread) = (End::new(b), Vec::new());
        self.a.link.connected(self.now, [1; 32]);
        self.exchange();
        assert!(self.a.link.is_open() && self.b.link.is_open());
    }

    /// Passes bytes until neither end has any; returns what each saw.
    fn exchange(&mut self) -> (Vec<Seen>, Vec<Seen>) {
        let (mut at_a, mut at_b) = (Vec::new(), Vec::new());
        loop {
            let to_b = self.a.flush(self.now, &mut NoEffects);
            at_b.extend(self.b.receive(&to_b, self.now).unwrap());
            let to_a = self.b.flush(self.now, &mut NoEffects);
            at_a.extend(self.a.receive(&to_a, self.now).unwrap());
            if to_a.is_empty() && to_b.is_empty() {
                return (at_a, at_b);
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now.monotonic += time;
        self.now.wall_us += time.as_micros() as u64;
    }

    fn ask(&mut self, deadline: Duration, payload: &[u8]) -> Result<u32, RequestError> {
        let deadline = Some(self.now.monotonic + deadline);
        self.a.link.request(self.now, Ask { slot: None, deadline, blocking: false }, put(payload))
    }

    /// One request goes by a breaker whose time is over, and its answer lets all others by.
    fn close_by_one_probe(&mut self) {
        let probe = self.ask(10 * MS, b"").unwrap();
        assert_eq!(self.ask(10 * MS, b""), Err(RequestError::Open), "one probe");
        self.exchange();
        self.b.link.respond(probe, None, 0, put(b"")).unwrap();
        self.exchange();
        self.ask(10 * MS, b"").unwrap();
        self.ask(10 * MS, b"").unwrap();
    }

    fn tick(&mut self) -> (Action, Vec<Failed>) {
        let mut failed = Vec::new();
        let action = self.a.link.tick(self.now, &mut failed);
        (action, failed)
    }

    fn drop_connection(&mut self) -> Vec<Failed> {
        let mut failed = Vec::new();
        self.a.link.disconnected(self.now, &mut failed);
        self.b.link.disconnected(self.now, &mut Vec::new());
        failed
    }
}

fn put(payload: &[u8]) -> impl FnOnce(&mut Vec<u8>) + use<'_> {
    |out| out.extend_from_slice(payload)
}

/// A frame as a peer sends it.
fn append_frame(out: &mut Vec<u8>, kind: Kind, payload: &[u8]) {
    let write = |out: &mut Vec<u8>| {
        out.extend_from_slice(payload);
        Ok(())
    };
    frame::encode(Head::of(kind), out, write).unwrap();
}

fn kinds(seen: &[Seen]) -> Vec<Kind> {
    let kind = |seen: &Seen| match seen {
        Seen::Frame { kind, .. } => Some(*kind),
        _ => None,
    };
    seen.iter().filter_map(kind).collect()
}

#[test]
fn a_request_is_answered() {
    let mut pair = Pair::open(Config::default());
    let id = pair.ask(100 * MS, b"ask").unwrap();
    let (_, at_b) = pair.exchange();
    let request = Seen::Frame { kind: Kind::Request, id, flags: 0, payload: b"ask".to_vec() };
    assert!(at_b.contains(&request));
    pair.b.link.respond(id, None, response_flags::NOT_OWNER, put(b"reply")).unwrap();
    let (at_a, _) = pair.exchange();
    let flags = response_flags::NOT_OWNER;
    let response = Seen::Frame { kind: Kind::Response, id, flags, payload: b"reply".to_vec() };
    assert!(at_a.contains(&response));
    assert_eq!(pair.a.link.requests_waiting(), 0);
    pair.pass(200 * MS);
    assert_eq!(pair.tick(), (Action::Nothing, vec![]));
}

#[test]
fn a_request_waits_for_the_first_connection_and_survives_one_that_never_saw_it() {
    let mut pair = Pair::new(Config::default());
    let first = pair.ask(1000 * MS, b"one").unwrap();
    pair.connect();
    let second = pair.ask(5000 * MS, b"two").unwrap();
    // The first is on its way, the second is not.
    assert_eq!(pair.drop_connection(), [Failed { id: first, why: Why::Lost }]);
    pair.pass(100 * MS);
    pair.connect();
    pair.b.link.respond(second, None, 0, put(b"reply")).unwrap();
    let (at_a, _) = pair.exchange();
    assert_eq!(kinds(&at_a), [Kind::Response]);
}

#[test]
fn a_full_queue_answers_at_once() {
    let config = Config { queue_bytes_max: [200; CLASS_COUNT], ..Config::default() };
    let mut pair = Pair::new(config);
    let mut taken = 0;
    while pair.ask(100 * MS, &[0; 34]).is_ok() {
        taken += 1;
    }
    assert_eq!(taken, 4, "50 bytes each");
    assert_eq!(pair.ask(100 * MS, b""), Err(RequestError::Full));
    assert_eq!(pair.ask(Duration::ZERO, b""), Err(RequestError::PastDeadline));
    let gossip = Head::of(Kind::Gossip);
    assert_eq!(pair.a.link.send(gossip, put(b"")), Err(SendError::NotOpen));
    pair.connect();
    for _ in 0..4 {
        pair.a.link.send(gossip, put(&[0; 34])).unwrap();
    }
    assert!(!pair.a.link.has_room(Class::Control) && pair.a.link.has_room(Class::Sync));
    assert_eq!(pair.a.link.send(gossip, put(b"")), Err(SendError::Full));
}

#[test]
fn what_is_longer_than_a_frame_may_be_is_refused_here() {
    let limits = Limits { payload_bytes_max: 10 };
    let mut pair = Pair::open(Config { limits, requests_in_flight_max: 1, ..Config::default() });
    assert_eq!(pair.ask(MS, &[0; 11]), Err(RequestError::TooLong));
    assert_eq!(pair.a.link.send(Head::of(Kind::Gossip), put(&[0; 11])), Err(SendError::TooLong));
    pair.ask(MS, &[0; 10]).unwrap();
    assert_eq!(pair.ask(MS, &[0; 10]), Err(RequestError::Full), "one place");
}

#[test]
fn control_passes_requests_and_sync_passes_nothing() {
    let mut pair = Pair::open(Config::default());
    pair.a.link.send(Head::of(Kind::SyncChunk), put(b"s")).unwrap();
    pair.a.link.send(Head::of(Kind::Ack), put(b"e")).unwrap();
    pair.ask(MS, b"r").unwrap();
    pair.a.link.send(Head::of(Kind::Gossip), put(b"c")).unwrap();
    let (_, at_b) = pair.exchange();
    assert_eq!(kinds(&at_b), [Kind::Gossip, Kind::Request, Kind::Ack, Kind::SyncChunk]);
}

#[test]
fn effects_and_sync_keep_their_share_under_a_flood_of_requests() {
    let mut pair = Pair::open(Config::default());
    for _ in 0..3000 {
        pair.ask(MS, &[0; 100]).unwrap();
        if pair.a.link.has_room(Class::Sync) {
            pair.a.link.send(Head::of(Kind::SyncChunk), put(&[0; 100])).unwrap();
        }
    }
    /// A log without an end.
    struct Endless;
    impl EffectSource for Endless {
        fn pull(&mut self, bytes_max: usize, payload: &mut Vec<u8>) -> Pulled {
            payload.resize(payload.len() + bytes_max.min(500), 0);
            Pulled::Batch
        }
    }
    pair.a.link.start_effects();
    let slice = pair.a.link.output(pair.now, &mut Endless).to_vec();
    let seen = pair.b.receive(&slice, pair.now).unwrap();
    let bytes = |wanted: Kind| -> usize {
        let length = |seen: &Seen| match seen {
            Seen::Frame { kind, payload, .. } if *kind == wanted => payload.len() + 16,
            _ => 0,
        };
        seen.iter().map(length).sum()
    };
    assert!(slice.len() == SLICE_BYTES);
    assert!(bytes(Kind::Request) > SLICE_BYTES / 2);
    assert!(bytes(Kind::Effects) >= SLICE_BYTES / 5 && bytes(Kind::SyncChunk) >= SLICE_BYTES / 20);
}

#[test]
fn one_long_frame_leaves_in_slices() {
    let mut pair = Pair::open(Config::default());
    let long = vec![7; 10 * SLICE_BYTES];
    let id = pair.ask(MS, &long).unwrap();
    pair.ask(MS, b"short").unwrap();
    let (_, at_b) = pair.exchange();
    let request = Seen::Frame { kind: Kind::Request, id, flags: 0, payload: long };
    assert_eq!(at_b[0], request);
    assert_eq!(kinds(&at_b).len(), 2);
}

#[test]
fn credit_stops_a_sender_until_the_reader_is_done() {
    let mut pair = Pair::open(Config {
        window_bytes: [1 << 20, 1 << 20, 1 << 20, 1 << 20, 1000],
        ..Config::default()
    });
    for _ in 0..30 {
        pair.a.link.send(Head::of(Kind::SyncChunk), put(&[0; 84])).unwrap();
    }
    let (_, at_b) = pair.exchange();
    assert_eq!(kinds(&at_b).len(), 10);
    assert_eq!(pair.b.link.held_bytes(Class::Sync), 1000);
    // Other classes are not held up.
    pair.ask(MS, b"r").unwrap();
    assert_eq!(kinds(&pair.exchange().1), [Kind::Request]);
    pair.b.link.consumed(500);
    assert_eq!(kinds(&pair.exchange().1).len(), 5);
    pair.b.link.consumed(u64::MAX);
    assert_eq!(kinds(&pair.exchange().1).len(), 10);
}

#[test]
fn a_peer_that_takes_no_answers_is_told_so() {
    let config = Config { queue_bytes_max: [1000; CLASS_COUNT], ..Config::default() };
    let mut pair = Pair::open(config);
    let first = pair.ask(100 * MS, b"").unwrap();
    pair.exchange();
    pair.b.link.respond(first, None, 0, put(&[0; 2000])).unwrap();
    let second = pair.ask(100 * MS, b"").unwrap();
    let to_b = pair.a.flush(pair.now, &mut NoEffects);
    assert_eq!(kinds(&pair.b.receive(&to_b, pair.now).unwrap()), []);
    assert_eq!(pair.b.link.counters().busy_out, 1);
    let (at_a, _) = pair.exchange();
    let flags = |wanted| {
        at_a.iter().find_map(|seen| match seen {
            Seen::Frame { id, flags, .. } if *id == wanted => Some(*flags),
            _ => None,
        })
    };
    assert_eq!((flags(first), flags(second)), (Some(0), Some(response_flags::BUSY)));
}

#[test]
fn a_peer_that_asks_without_end_and_takes_no_answers_loses_the_link() {
    let config = Config {
        queue_bytes_max: [1 << 20, 1000, 1 << 20, 1 << 20, 1 << 20],
        window_bytes: [64 << 20; CLASS_COUNT],
        ..Config::default()
    };
    let mut pair = Pair::open(config);
    let first = pair.ask(100 * MS, b"").unwrap();
    pair.exchange();
    pair.b.link.respond(first, None, 0, put(&[0; 2000])).unwrap();
    let mut flood = Vec::new();
    for id in 0..120_000 {
        let head = Head { id, ..Head::of(Kind::Request) };
        frame::encode(head, &mut flood, |_| Ok(())).unwrap();
    }
    assert_eq!(pair.b.receive(&flood, pair.now), Err(Close::Overflow));
    assert!(pair.b.link.queued_bytes(Class::Request) <= config::BUSY_BYTES_MAX + 4000);
}

#[test]
fn timeouts_open_the_breaker_and_a_probe_closes_it() {
    let config = Config { dead_after: 60_000 * MS, ..Config::default() };
    let mut pair = Pair::open(config);
    let failures = pair.config.breaker_failures;
    for round in 0..failures {
        assert!(!pair.a.link.is_broken(), "{round}");
        let id = pair.ask(10 * MS, b"").unwrap();
        pair.exchange();
        pair.pass(10 * MS);
        assert_eq!(pair.tick(), (Action::Nothing, vec![Failed { id, why: Why::TimedOut }]));
    }
    assert!(pair.a.link.is_broken());
    assert_eq!(pair.ask(10 * MS, b""), Err(RequestError::Open));
    assert!(pair.a.link.next_wake().unwrap() <= pair.now.monotonic + pair.config.backoff_min);
    pair.pass(pair.config.backoff_min);
    pair.close_by_one_probe();
}

/// A BLPOP was the first request by a connection that had opened at last, and nothing else went by it until the list had an element.
#[test]
fn a_request_that_waits_is_no_probe() {
    let mut pair = Pair::new(Config::default());
    while !pair.a.link.is_broken() {
        if pair.tick().0 == Action::Dial {
            pair.a.link.disconnected(pair.now, &mut Vec::new());
        }
        let wake = pair.a.link.next_wake().unwrap();
        pair.pass(wake.saturating_sub(pair.now.monotonic));
    }
    pair.pass(pair.config.backoff_max);
    pair.connect();
    let waits = Ask { slot: None, deadline: None, blocking: true };
    for _ in 0..3 {
        pair.a.link.request(pair.now, waits, put(b"")).unwrap();
    }
    pair.exchange();
    pair.close_by_one_probe();
}

#[test]
fn what_waits_for_a_peer_that_cannot_be_reached_ends_when_the_breaker_opens() {
    let mut pair = Pair::new(Config::default());
    let id = pair.ask(60_000 * MS, b"").unwrap();
    let mut attempts = 0;
    loop {
        let (action, failed) = pair.tick();
        assert!(failed.is_empty());
        if action == Action::Dial {
            attempts += 1;
            let mut failed = Vec::new();
            pair.a.link.disconnected(pair.now, &mut failed);
            if !failed.is_empty() {
                assert_eq!(failed, [Failed { id, why: Why::Unreachable }]);
                break;
            }
        }
        let wake = pair.a.link.next_wake().unwrap();
        pair.pass(wake.saturating_sub(pair.now.monotonic));
    }
    assert_eq!(attempts, pair.config.breaker_failures);
    assert_eq!(pair.ask(MS, b""), Err(RequestError::Open));
    // The peer is back: the next connection is worth a probe.
    let wake = pair.now.monotonic + pair.config.backoff_max;
    pair.pass(wake - pair.now.monotonic);
    pair.connect();
    pair.ask(MS, b"").unwrap();
}

#[test]
fn a_refused_peer_is_not_waited_for() {
    let mut pair = Pair::new(Config::default());
    let id = pair.ask(60_000 * MS, b"").unwrap();
    assert_eq!(pair.tick().0, Action::Dial);
    pair.a.link.connected(pair.now, [1; 32]);
    let mut stranger = (*identity(2)).clone();
    stranger.cluster = b"other".to_vec();
    pair.b = End::new(Link::acceptor(
        Arc::clone(&pair.config),
        Arc::new(stranger),
        [2; 32],
        Rng::seeded(1),
        pair.now,
    ));
    let to_b = pair.a.flush(pair.now, &mut NoEffects);
    let refused = |result: Result<Vec<Seen>, Close>| match result {
        Err(Close::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    };
    let at_b = refused(pair.b.receive(&to_b, pair.now));
    let to_a = pair.b.flush(pair.now, &mut NoEffects);
    let at_a = refused(pair.a.receive(&to_a, pair.now));
    assert_eq!((at_a.reason, at_b.reason), (Reason::ClusterName, Reason::ClusterName));
    assert!(at_a.by_peer && !at_b.by_peer && at_b.node == Some(1));
    assert!(pair.a.receive(b"more", pair.now).is_err(), "nothing comes after it");
    assert_eq!(pair.drop_connection(), [Failed { id, why: Why::Unreachable }]);
    assert!(pair.a.link.is_broken() && pair.b.link.next_wake().is_none());
}

#[test]
fn silence_ends_the_link_and_pings_prevent_it() {
    let mut pair = Pair::open(Config::default());
    for _ in 0..100 {
        pair.pass(100 * MS);
        assert_eq!(pair.tick().0, Action::Nothing);
        pair.exchange();
    }
    let heard_at = pair.a.link.heard_at().unwrap();
    assert!(heard_at + pair.config.ping_interval >= pair.now.monotonic);
    pair.pass(pair.config.dead_after);
    assert_eq!(pair.tick().0, Action::Close(Close::Silent));
    assert_eq!(pair.tick().0, Action::Nothing, "it says so once");
    pair.drop_connection();
    assert_eq!(pair.a.link.heard_at(), Some(heard_at));
}

#[test]
fn handshakes_and_dials_take_no_longer_than_they_may() {
    let mut pair = Pair::new(Config::default());
    assert_eq!(pair.tick().0, Action::Dial);
    pair.pass(pair.config.dial_timeout);
    assert_eq!(pair.tick().0, Action::Close(Close::DialTimeout));
    let mut failed = Vec::new();
    pair.pass(pair.config.handshake_timeout);
    let action = pair.b.link.tick(pair.now, &mut failed);
    assert_eq!(action, Action::Close(Close::HandshakeTimeout));
}

#[test]
fn clocks_are_measured() {
    let mut pair = Pair::open(Config::default());
    pair.pass(500 * MS);
    let ping = pair.a.flush(pair.now, &mut NoEffects);
    let theirs = Now { wall_us: pair.now.wall_us + 1_005_000, ..pair.now };
    pair.b.receive(&ping, theirs).unwrap();
    let pong = pair.b.flush(theirs, &mut NoEffects);
    pair.pass(10 * MS);
    let seen = pair.a.receive(&pong, pair.now).unwrap();
    let sample = ClockSample { round_trip: 10 * MS, offset_us: 1_000_000 };
    assert_eq!(seen, [Seen::Clock(sample)]);
}

#[test]
fn hostile_frames_close_the_link_and_do_nothing_else() {
    let check = |bytes: &dyn Fn(&mut Vec<u8>), expected: Close| {
        let mut pair = Pair::open(Config::default());
        let mut hostile = Vec::new();
        bytes(&mut hostile);
        assert_eq!(pair.b.receive(&hostile, pair.now), Err(expected));
        assert!(!pair.b.link.is_open());
        assert_eq!(pair.b.receive(&hostile, pair.now), Err(Close::NotConnected));
    };
    let frame_of = |kind: Kind| {
        move |out: &mut Vec<u8>| {
            frame::encode(Head { id: 9, ..Head::of(kind) }, out, |_| Ok(())).unwrap()
        }
    };
    check(&frame_of(Kind::Hello), Close::Unexpected(Kind::Hello));
    check(&frame_of(Kind::Response), Close::Unasked(9));
    let truncated = torc_protocol::peer::Malformed::Truncated;
    check(&frame_of(Kind::Credit), Close::Payload(Kind::Credit, truncated));
    check(
        &|out| out.extend_from_slice(&[0xff; 16]),
        Close::Frame(frame::FrameError::TooLong { kind: 0xff, payload_bytes: u32::MAX }),
    );
    let over = |out: &mut Vec<u8>| {
        for _ in 0..3 {
            let large = vec![0; 4 << 20];
            append_frame(out, Kind::SyncChunk, &large);
        }
    };
    check(&over, Close::NoCredit(Class::Sync));
}

#[test]
fn frames_of_a_later_revision_are_passed_over() {
    let mut pair = Pair::open(Config::default());
    let mut later = Vec::new();
    append_frame(&mut later, Kind::SyncEnd, b"what is to come");
    later[4] = 200;
    append_frame(&mut later, Kind::Gossip, b"known");
    let seen = pair.b.receive(&later, pair.now).unwrap();
    assert_eq!(kinds(&seen), [Kind::Gossip]);
    assert_eq!(pair.b.link.counters().unknown_in, 1);
    assert_eq!(pair.b.link.held_bytes(Class::Sync), 0, "nobody else would give its credit back");
}

#[test]
fn a_later_link_takes_over() {
    let mut pair = Pair::open(Config::default());
    pair.b.link.refuse(Reason::Unavailable, "a later link of this role is there");
    let last = pair.b.flush(pair.now, &mut NoEffects);
    match pair.a.receive(&last, pair.now) {
        Err(Close::Refused(refusal)) => {
            assert_eq!((refusal.reason, refusal.by_peer), (Reason::Unavailable, true));
        }
        other => panic!("{other:?}"),
    }
}
