//! One link to a peer: from received bytes to events, from frames to bytes to send, without I/O.
//!
//! ```text
//!              tick: Dial                connected             peer proven
//!     Idle ───────────────▶ Dialling ───────────▶ Greeting ───────────────▶ Open
//!      ▲                      │                    │  ▲ acceptor            │
//!      │                      │                    │  │ begins here         │
//!      └────── disconnected ──┴────────────────────┴──┼─────────────────────┘   (wait grows with each failure)
//!   an acceptor's end:        Ended ◀── disconnected ─┘
//!   whenever receive or tick say Close:  Closing: the last bytes may still be sent, then disconnected
//! ```
//!
//! Who drives it: hands received bytes to [`Link::receive`], writes what [`Link::output`] gives after each call of anything, calls [`Link::tick`] at
//! [`Link::next_wake`], connects when that says so and closes when told to. Requests that end without a response come out of `tick`
//! and [`Link::disconnected`].
//!
//! **Invariant.** Each request has one outcome: an error at once, a response, or one [`Failed`]. Within a connection each class arrives in
//! the order in which it was sent. Nothing grows beyond its bound: queues, what the peer has on its way, ids, what is held for a slow reader.

use super::breaker::{Backoff, Breaker};
use super::config::{BUSY_BYTES_MAX, Config};
use super::credit::Incoming;
use super::events::{Action, Ask, Close, Counters, Event, Now, Received, RequestError, SendError};
use super::handshake::{Admission, Handshake, Identity, Peer, Refusal};
use super::keepalive::Keepalive;
use super::outbound::{EffectSource, Outbound};
use super::requests::{Failed, Matched, Requests};
use crate::base::limits::RESPONSE_PART_TIMEOUT;
use crate::base::rng::Rng;
use crate::security::cluster::Side;
use std::sync::Arc;
use std::time::Duration;
use torc_protocol::peer::frame::CLASS_COUNT;
use torc_protocol::peer::hello::{Reason, Refuse, Role};
use torc_protocol::peer::message::{Credit, Ping};
use torc_protocol::peer::request::{Response, Taken, response_flags};
use torc_protocol::peer::{Class, Decoded, Frame, FrameError, Head, Kind, Limits, TooLong, frame};
use torc_protocol::slot::Slot;

/// What exists while the link is open.
#[derive(Debug)]
struct Session {
    peer: Peer,
    keepalive: Keepalive,
    incoming: [Incoming; CLASS_COUNT],
    /// Bytes of refusals since the queue of responses was last below its bound.
    busy_bytes: usize,
}

#[derive(Debug)]
enum Phase {
    Idle { dial_at: Duration },
    Dialling { until: Duration },
    Greeting { handshake: Box<Handshake>, until: Duration },
    Open(Box<Session>),
    Closing { refused: bool },
    Ended,
}

/// One end of a link.
#[derive(Debug)]
pub struct Link {
    config: Arc<Config>,
    identity: Arc<Identity>,
    side: Side,
    role: Role,
    expected: Option<u64>,
    rng: Rng,
    phase: Phase,
    outbound: Outbound,
    requests: Requests,
    breaker: Breaker,
    backoff: Backoff,
    heard_at: Option<Duration>,
    counters: Counters,
}

impl Link {
    /// The end that connects, and connects again for as long as it lives. It wants to be dialled at once. `expected` is the node at the address, where that is
    /// known; `rng` gives the jitter.
    pub fn dialler(
        config: Arc<Config>,
        identity: Arc<Identity>,
        role: Role,
        expected: Option<u64>,
        rng: Rng,
    ) -> Self {
        let phase = Phase::Idle { dial_at: Duration::ZERO };
        Link::new(config, identity, Side::Dials, role, expected, rng, phase)
    }

    /// The end that was connected to at `now`; it ends with its connection. `challenge` is random and not to be guessed.
    pub fn acceptor(
        config: Arc<Config>,
        identity: Arc<Identity>,
        challenge: [u8; 32],
        rng: Rng,
        now: Now,
    ) -> Self {
        let handshake = Box::new(Handshake::accept(Arc::clone(&identity), challenge));
        let until = now.monotonic + config.handshake_timeout;
        let phase = Phase::Greeting { handshake, until };
        Link::new(config, identity, Side::Accepts, Role::Control, None, rng, phase)
    }

    fn new(
        config: Arc<Config>,
        identity: Arc<Identity>,
        side: Side,
        role: Role,
        expected: Option<u64>,
        rng: Rng,
        phase: Phase,
    ) -> Self {
        let backoff = Backoff::new(config.backoff_min, config.backoff_max);
        Link {
            side,
            role,
            expected,
            rng,
            phase,
            outbound: Outbound::default(),
            requests: Requests::new(config.requests_in_flight_max),
            breaker: Breaker::new(config.breaker_failures, backoff.clone()),
            backoff,
            heard_at: None,
            counters: Counters::default(),
            config,
            identity,
        }
    }

    // --- What is known of it --------------------------------------------------------------------------------------------

    /// Who is at the other end, while the link is open.
    pub fn peer(&self) -> Option<&Peer> {
        match &self.phase {
            Phase::Open(session) => Some(&session.peer),
            _ => None,
        }
    }

    /// Whether the link is open.
    pub fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open(_))
    }

    /// When bytes of the proven peer came last, in monotonic time; also after the link was lost.
    pub fn heard_at(&self) -> Option<Duration> {
        match &self.phase {
            Phase::Open(session) => Some(session.keepalive.heard_at()),
            _ => self.heard_at,
        }
    }

    /// What it has seen.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Bytes sent since it was made.
    pub fn bytes_out(&self) -> u64 {
        self.outbound.taken_bytes()
    }

    /// Requests without an outcome.
    pub fn requests_waiting(&self) -> usize {
        self.requests.waiting()
    }

    /// Whether requests are answered with an error at once, for the peer failed too often.
    pub fn is_broken(&self) -> bool {
        self.breaker.is_open()
    }

    /// Bytes that wait in the queue of `class`.
    pub fn queued_bytes(&self, class: Class) -> usize {
        self.outbound.queued_bytes(class)
    }

    /// Whether [`Link::send`] would take a frame of `class` now: how the class of sync waits.
    pub fn has_room(&self, class: Class) -> bool {
        self.is_open() && self.outbound.queued_bytes(class) < self.config.queue_bytes_max(class)
    }

    // --- The connection -------------------------------------------------------------------------------------------------

    /// The connection that was asked for is there. `challenge` is random and not to be guessed. Ignored unless it was asked for.
    pub fn connected(&mut self, now: Now, challenge: [u8; 32]) {
        if !matches!(self.phase, Phase::Dialling { .. }) {
            return;
        }
        self.outbound.reset();
        let Some(out) = self.outbound.handshake_out() else { return };
        let identity = Arc::clone(&self.identity);
        let handshake =
            Handshake::dial(identity, self.role, self.expected, challenge, now.wall_us, out);
        let until = now.monotonic + self.config.handshake_timeout;
        self.phase = Phase::Greeting { handshake: Box::new(handshake), until };
    }

    /// The connection is gone, or could not be made. Appends the requests that end by that.
    pub fn disconnected(&mut self, now: Now, failed: &mut Vec<Failed>) {
        let before = failed.len();
        let refused = matches!(self.phase, Phase::Closing { refused: true });
        match &self.phase {
            Phase::Idle { .. } | Phase::Ended => return,
            Phase::Open(session) => self.heard_at = Some(session.keepalive.heard_at()),
            _ => (),
        }
        self.counters.failures += 1;
        self.outbound.reset();
        self.requests.disconnected(failed);
        if self.side == Side::Accepts {
            self.phase = Phase::Ended;
            self.requests.unreachable(failed);
        } else {
            let wait = self.backoff.next_wait(&mut self.rng);
            self.phase = Phase::Idle { dial_at: now.monotonic + wait };
            self.count_failure(now, refused, failed);
        }
        self.counters.requests_failed += (failed.len() - before) as u64;
    }

    /// The peer failed. If that opens the breaker, nothing that was not sent goes on waiting. A refusal opens it at once: it will not change by itself.
    fn count_failure(&mut self, now: Now, refused: bool, failed: &mut Vec<Failed>) {
        let opened = if refused {
            let was_open = self.breaker.is_open();
            self.breaker.trip(now.monotonic, &mut self.rng);
            !was_open
        } else {
            self.breaker.failed(now.monotonic, &mut self.rng)
        };
        if opened {
            self.counters.breaker_opened += 1;
            self.requests.unreachable(failed);
        }
    }

    /// Refuses the peer for `reason`, whatever the phase: a later link of it took over, or the node stops. Then as [`Action::Close`].
    pub fn refuse(&mut self, reason: Reason, text: &str) -> Close {
        if let Some(out) = self.outbound.handshake_out() {
            let refuse = Refuse { reason, text: text.as_bytes() };
            // Its text is cut to what fits.
            let _ = frame::encode(Head::of(Kind::Refuse), out, |out| refuse.encode(out));
        }
        let node = self.peer().map(|peer| peer.node);
        self.close(Close::Refused(Refusal { reason, by_peer: false, node, text: text.to_owned() }))
    }

    fn close(&mut self, close: Close) -> Close {
        if let Phase::Open(session) = &self.phase {
            self.heard_at = Some(session.keepalive.heard_at());
        }
        if !matches!(self.phase, Phase::Idle { .. } | Phase::Ended) {
            self.phase = Phase::Closing { refused: matches!(close, Close::Refused(_)) };
        }
        close
    }

    // --- In -------------------------------------------------------------------------------------------------------------

    /// The next event of `unread` from `*pos` on. To be called when bytes came, until it says [`Received::Incomplete`]; what lies from `*pos` on is then
    /// handed in again, followed by new bytes. After an error the connection is to be closed as [`Action::Close`] says.
    pub fn receive<'a>(
        &mut self,
        unread: &'a [u8],
        pos: &mut usize,
        now: Now,
        admission: &dyn Admission,
    ) -> Result<Received<'a>, Close> {
        if let Phase::Open(session) = &mut self.phase
            && *pos < unread.len()
        {
            session.keepalive.heard(now.monotonic);
        }
        loop {
            let limits = match self.phase {
                Phase::Greeting { .. } => Limits::handshake(),
                Phase::Open(_) => self.config.limits,
                _ => return Err(Close::NotConnected),
            };
            let frame = match frame::decode(unread, pos, &limits) {
                Ok(Decoded::Frame(frame)) => frame,
                Ok(Decoded::Incomplete { more_bytes_hint }) => {
                    return Ok(Received::Incomplete { more_bytes_hint });
                }
                Err(error) => return Err(self.bad_frame(error)),
            };
            self.counters.frames_in += 1;
            let event = match self.phase {
                Phase::Greeting { .. } => self.greet(frame, now, admission),
                _ if frame.header.is_of_link() => self.own_frame(frame, now),
                _ => self.frame(frame, now),
            };
            match event {
                Ok(Some(event)) => return Ok(Received::Event(event)),
                Ok(None) => (),
                Err(close) => return Err(self.close(close)),
            }
        }
    }

    /// Bytes that are no frame. During the handshake the peer is told, for it may be a Torc of another time.
    fn bad_frame(&mut self, error: FrameError) -> Close {
        if let Phase::Greeting { handshake, .. } = &self.phase
            && let Some(out) = self.outbound.handshake_out()
        {
            let refusal = handshake.refuse(Reason::Malformed, error.to_string(), out);
            return self.close(Close::Refused(refusal));
        }
        self.close(Close::Frame(error))
    }

    fn greet<'a>(
        &mut self,
        frame: Frame<'a>,
        now: Now,
        admission: &dyn Admission,
    ) -> Result<Option<Event<'a>>, Close> {
        let (Phase::Greeting { handshake, .. }, Some(out)) =
            (&mut self.phase, self.outbound.handshake_out())
        else {
            return Err(Close::NotConnected);
        };
        let done = handshake.receive(frame, now.wall_us, admission, out);
        let Some(peer) = done.map_err(Close::Refused)? else { return Ok(None) };
        let config = &self.config;
        let keepalive = Keepalive::new(config.ping_interval, config.dead_after, now.monotonic);
        let incoming = config.window_bytes.map(Incoming::new);
        self.phase = Phase::Open(Box::new(Session { peer, keepalive, incoming, busy_bytes: 0 }));
        self.role = peer.role;
        self.breaker.connected();
        self.counters.opened += 1;
        Ok(Some(Event::Open(peer)))
    }

    /// A frame of the link itself.
    fn own_frame<'a>(&mut self, frame: Frame<'a>, now: Now) -> Result<Option<Event<'a>>, Close> {
        let (Phase::Open(session), Some(kind)) = (&mut self.phase, frame.header.kind) else {
            return Err(Close::NotConnected);
        };
        let malformed = |error| Close::Payload(kind, error);
        match kind {
            Kind::Ping => {
                let ping = Ping::decode(frame.payload).map_err(malformed)?;
                session.keepalive.on_ping(ping);
            }
            Kind::Pong => {
                let pong = Ping::decode(frame.payload).map_err(malformed)?;
                let sample = session.keepalive.on_pong(pong, now.monotonic);
                // The connection has proven to be of use: the next one need not wait long.
                self.backoff.reset();
                return Ok(sample.map(Event::Clock));
            }
            Kind::Credit => {
                let credit = Credit::decode(frame.payload).map_err(malformed)?;
                self.outbound.raise(credit.class, credit.granted_bytes);
            }
            Kind::Refuse => {
                let Refuse { reason, text } = Refuse::decode(frame.payload).map_err(malformed)?;
                let text = text.escape_ascii().to_string();
                let node = Some(session.peer.node);
                return Err(Close::Refused(Refusal { reason, by_peer: true, node, text }));
            }
            _ => return Err(Close::Unexpected(kind)),
        }
        Ok(None)
    }

    /// A frame that takes credit.
    fn frame<'a>(&mut self, frame: Frame<'a>, now: Now) -> Result<Option<Event<'a>>, Close> {
        let Phase::Open(session) = &mut self.phase else { return Err(Close::NotConnected) };
        let Frame { header, .. } = frame;
        let incoming = &mut session.incoming[header.class as usize];
        let bytes = header.frame_bytes();
        incoming.receive(bytes).map_err(|_| Close::NoCredit(header.class))?;
        // Sync is consumed when its owner says so; the others are dealt with as they are delivered, or are bounded elsewhere.
        if header.class != Class::Sync || header.kind.is_none() {
            incoming.consume(bytes);
        }
        match header.kind {
            None => {
                self.counters.unknown_in += 1;
                Ok(None)
            }
            Some(Kind::Response) => self.response(frame, now),
            Some(Kind::Request) => self.admit(frame),
            Some(_) => Ok(Some(Event::Frame(frame))),
        }
    }

    fn response<'a>(&mut self, frame: Frame<'a>, now: Now) -> Result<Option<Event<'a>>, Close> {
        let Frame { header, .. } = frame;
        let matched = match header.flags & response_flags::MORE {
            0 => self.requests.complete(header.id),
            _ => self.requests.go_on(header.id, now.monotonic + RESPONSE_PART_TIMEOUT),
        };
        match matched {
            Matched::Waiting => {
                if header.flags & response_flags::BUSY == 0 {
                    self.breaker.succeeded();
                    self.backoff.reset();
                } else {
                    // It answers, and yet is of no use: another request may probe.
                    self.breaker.released(header.id);
                }
                Ok(Some(Event::Response(frame)))
            }
            Matched::Late => {
                self.counters.late_in += 1;
                Ok(None)
            }
            Matched::Unknown => Err(Close::Unasked(header.id)),
        }
    }

    /// A request of the peer. If it does not take the answers to those before, it is told so instead.
    fn admit<'a>(&mut self, frame: Frame<'a>) -> Result<Option<Event<'a>>, Close> {
        let queued = self.outbound.queued_bytes(Class::Request);
        let bound = self.config.queue_bytes_max(Class::Request);
        let Phase::Open(session) = &mut self.phase else { return Err(Close::NotConnected) };
        if queued < bound {
            session.busy_bytes = 0;
            return Ok(Some(Event::Frame(frame)));
        }
        if session.busy_bytes >= BUSY_BYTES_MAX {
            return Err(Close::Overflow);
        }
        let head = Head {
            kind: Kind::Response,
            flags: response_flags::BUSY,
            slot: frame.header.slot,
            id: frame.header.id,
        };
        let empty = |out: &mut Vec<u8>| Response::plain(b"").encode(out);
        self.outbound.push(head, &self.config, empty).map_err(|_| Close::Overflow)?;
        session.busy_bytes += self.outbound.queued_bytes(Class::Request) - queued;
        self.counters.busy_out += 1;
        Ok(None)
    }

    /// So many bytes of frames of sync, headers included, were dealt with: the peer may send as many more.
    pub fn consumed(&mut self, bytes: u64) {
        if let Phase::Open(session) = &mut self.phase {
            session.incoming[Class::Sync as usize].consume(bytes);
        }
    }

    /// Bytes of `class` that were received and not consumed.
    pub fn held_bytes(&self, class: Class) -> u64 {
        match &self.phase {
            Phase::Open(session) => session.incoming[class as usize].held(),
            _ => 0,
        }
    }

    // --- Out ------------------------------------------------------------------------------------------------------------

    /// Asks the peer; returns the id that the response will have. Waits for a connection if there is none. After an error nothing has changed.
    pub fn request(
        &mut self,
        now: Now,
        ask: Ask,
        payload: impl FnOnce(&mut Vec<u8>),
    ) -> Result<u32, RequestError> {
        let asked = self.try_request(now, ask, payload);
        match asked {
            Ok(_) => self.counters.requests += 1,
            Err(_) => self.counters.requests_refused += 1,
        }
        asked
    }

    fn try_request(
        &mut self,
        now: Now,
        ask: Ask,
        payload: impl FnOnce(&mut Vec<u8>),
    ) -> Result<u32, RequestError> {
        if matches!(self.phase, Phase::Ended) {
            return Err(RequestError::Ended);
        }
        if ask.deadline.is_some_and(|deadline| deadline <= now.monotonic) {
            return Err(RequestError::PastDeadline);
        }
        self.breaker.tick(now.monotonic);
        if !self.breaker.admits() {
            return Err(RequestError::Open);
        }
        let queued = self.outbound.queued_bytes(Class::Request);
        if queued >= self.config.queue_bytes_max(Class::Request) {
            return Err(RequestError::Full);
        }
        let begun = self.requests.begin(ask.deadline, ask.blocking);
        let id = begun.ok_or(RequestError::Full)?;
        let head = Head { kind: Kind::Request, flags: 0, slot: ask.slot, id };
        if self.outbound.push(head, &self.config, whole(payload)).is_err() {
            self.requests.cancel(id);
            return Err(RequestError::TooLong);
        }
        // What waits may be answered tomorrow: as a probe it would keep all others from the peer until then.
        if !ask.blocking {
            self.breaker.begun(id);
        }
        Ok(id)
    }

    /// Nobody waits for the request any more; it will have no outcome. The peer may run it all the same.
    pub fn abandon(&mut self, id: u32) {
        if self.requests.abandon(id) {
            self.breaker.released(id);
        }
    }

    /// Tells the peer how much was taken of its long response to our request `id`. From now on it is waited for until it ends or the connection does, or, if it is unwanted, by nobody. There
    /// is room for it, as for every answer.
    pub fn taken(&mut self, id: u32, taken: Taken) -> Result<(), SendError> {
        if !self.is_open() {
            return Err(SendError::NotOpen);
        }
        if taken.unwanted {
            self.abandon(id);
        } else {
            self.requests.linger(id);
        }
        let head = Head { id, ..Head::of(Kind::Taken) };
        let payload = |out: &mut Vec<u8>| taken.encode(out);
        self.outbound.push(head, &self.config, payload).map_err(|_| SendError::TooLong)
    }

    /// Answers the peer's request `id`. There is room for every answer: what bounds them is that a peer that takes none may not ask.
    pub fn respond(
        &mut self,
        id: u32,
        slot: Option<Slot>,
        flags: u8,
        payload: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), SendError> {
        if !self.is_open() {
            return Err(SendError::NotOpen);
        }
        let head = Head { kind: Kind::Response, flags, slot, id };
        self.outbound.push(head, &self.config, whole(payload)).map_err(|_| SendError::TooLong)
    }

    /// Sends a frame that is neither request nor response nor of the link itself. A full queue takes none: what is sent again anyway may be
    /// dropped, sync waits for [`Link::has_room`].
    pub fn send(
        &mut self,
        head: Head,
        payload: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), SendError> {
        debug_assert!(!head.kind.is_of_link() && head.kind != Kind::Request);
        if !self.is_open() {
            return Err(SendError::NotOpen);
        }
        if !self.has_room(head.kind.class()) {
            return Err(SendError::Full);
        }
        self.outbound.push(head, &self.config, whole(payload)).map_err(|_| SendError::TooLong)
    }

    /// Effects are pulled from now on: the source's cursor stands where the peer wants it. To be called once after each [`Event::Open`], and
    /// after each time that they fell off.
    pub fn start_effects(&mut self) {
        if self.is_open() {
            self.outbound.start_effects();
        }
    }

    /// Whether effects fell off the log since this was asked last; they have stopped then.
    pub fn take_fell_off(&mut self) -> bool {
        let fell_off = self.outbound.take_fell_off();
        self.counters.fell_off += u64::from(fell_off);
        fell_off
    }

    /// The bytes to send next, at most [`Config::slice_bytes`]; empty if there is nothing to send. The same bytes until [`Link::sent`] takes them.
    pub fn output(&mut self, now: Now, source: &mut dyn EffectSource) -> &[u8] {
        if let Phase::Open(session) = &mut self.phase
            && !self.outbound.has_unsent()
        {
            // While the peer takes no answers, it gets no credit for more requests.
            let answers = self.outbound.queued_bytes(Class::Request);
            let withheld = answers > self.config.queue_bytes_max(Class::Request) / 2;
            self.outbound.fill(&self.config, &mut self.requests, source, |out| {
                session.own_frames(now, withheld, out);
            });
        }
        self.outbound.unsent()
    }

    /// So many bytes of [`Link::output`] went out.
    pub fn sent(&mut self, count: usize) {
        self.outbound.take(count);
    }

    // --- Time -----------------------------------------------------------------------------------------------------------

    /// Does what is due, and appends the requests that end by that. [`Link::output`] may have bytes afterwards.
    pub fn tick(&mut self, now: Now, failed: &mut Vec<Failed>) -> Action {
        let before = failed.len();
        if self.requests.expire(now.monotonic, failed) {
            self.count_failure(now, false, failed);
        }
        // A probe that ended for another reason than the peer's must not keep the breaker half open.
        for ended in &failed[before..] {
            self.breaker.released(ended.id);
        }
        self.counters.requests_failed += (failed.len() - before) as u64;
        self.breaker.tick(now.monotonic);
        let close = match &self.phase {
            Phase::Idle { dial_at } if *dial_at <= now.monotonic => {
                self.phase = Phase::Dialling { until: now.monotonic + self.config.dial_timeout };
                return Action::Dial;
            }
            Phase::Dialling { until } if *until <= now.monotonic => Close::DialTimeout,
            Phase::Greeting { until, .. } if *until <= now.monotonic => Close::HandshakeTimeout,
            Phase::Open(session) if session.keepalive.is_dead(now.monotonic) => Close::Silent,
            _ => return Action::Nothing,
        };
        Action::Close(self.close(close))
    }

    /// When [`Link::tick`] is to be called at the latest, unless something happens before.
    pub fn next_wake(&self) -> Option<Duration> {
        let phase = match &self.phase {
            Phase::Idle { dial_at } => Some(*dial_at),
            Phase::Dialling { until } | Phase::Greeting { until, .. } => Some(*until),
            Phase::Open(session) => Some(session.keepalive.next_wake(self.outbound.has_unsent())),
            Phase::Closing { .. } | Phase::Ended => None,
        };
        let wakes = [phase, self.requests.next_deadline(), self.breaker.next_wake()];
        wakes.into_iter().flatten().min()
    }
}

impl Session {
    /// Appends the frames that need no credit: a pong, a ping, grants.
    fn own_frames(&mut self, now: Now, withheld: bool, out: &mut Vec<u8>) {
        let mut put = |kind, payload: &dyn Fn(&mut Vec<u8>)| {
            // A few bytes are never too long.
            let _ = frame::encode(Head::of(kind), out, |out| {
                payload(out);
                Ok(())
            });
        };
        if let Some(pong) = self.keepalive.take_pong(now.wall_us) {
            put(Kind::Pong, &|out| pong.encode(out));
        }
        for class in Class::ALL {
            let incoming = &mut self.incoming[class as usize];
            if class == Class::Request && withheld {
                continue;
            }
            if let Some(granted_bytes) = incoming.due() {
                incoming.grant(granted_bytes);
                put(Kind::Credit, &|out| Credit { class, granted_bytes }.encode(out));
            }
        }
        if let Some(ping) = self.keepalive.take_ping(now.monotonic, now.wall_us) {
            put(Kind::Ping, &|out| ping.encode(out));
        }
    }
}

/// A payload of which nothing can fail.
fn whole(payload: impl FnOnce(&mut Vec<u8>)) -> impl FnOnce(&mut Vec<u8>) -> Result<(), TooLong> {
    |out| {
        payload(out);
        Ok(())
    }
}
