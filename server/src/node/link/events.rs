//! What a link says to its owner, and what it is told: events, errors, reasons to close, counts.

use super::handshake::{Peer, Refusal};
use super::keepalive::ClockSample;
use std::fmt;
use std::time::Duration;
use torc_protocol::peer::{Class, Frame, FrameError, Kind, Malformed};
use torc_protocol::slot::Slot;

/// The two clocks of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Time since an arbitrary start that never goes back: for deadlines and waits.
    pub monotonic: Duration,
    /// Wall time in microseconds since the Unix epoch: to compare with the peer's.
    pub wall_us: u64,
}

/// What arrived.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The peer has proven itself: the link is open. Effects flow once [`Link::start_effects`](super::Link::start_effects) is called.
    Open(Peer),
    /// The response to one of our requests.
    Response(Frame<'a>),
    /// A frame for the layers above. What came in the class of sync stays on the peer's account until [`Link::consumed`](super::Link::consumed).
    Frame(Frame<'a>),
    /// A ping was answered.
    Clock(ClockSample),
}

/// What [`Link::receive`](super::Link::receive) found.
#[derive(Debug, PartialEq, Eq)]
pub enum Received<'a> {
    /// Something arrived; there may be more.
    Event(Event<'a>),
    /// All whole frames were taken. So many more bytes are worth making room for, at least.
    Incomplete {
        /// Between 1 and [`torc_protocol::peer::frame::HINT_BYTES_MAX`].
        more_bytes_hint: usize,
    },
}

/// Why the connection is to be closed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Close {
    /// One end refuses the other.
    Refused(Refusal),
    /// Connecting took too long.
    DialTimeout,
    /// The handshake took too long.
    HandshakeTimeout,
    /// The peer was silent for too long.
    Silent,
    /// What came is no frame.
    Frame(FrameError),
    /// A frame's payload is none of its kind.
    Payload(Kind, Malformed),
    /// A frame that must not come now.
    Unexpected(Kind),
    /// A response to no request.
    Unasked(u32),
    /// The peer sent what it had no credit for.
    NoCredit(Class),
    /// The peer goes on asking and takes no answers.
    Overflow,
    /// The link is not connected.
    NotConnected,
}

impl fmt::Display for Close {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Close::Refused(refusal) => write!(f, "{refusal}"),
            Close::DialTimeout => f.write_str("connecting took too long"),
            Close::HandshakeTimeout => f.write_str("the handshake took too long"),
            Close::Silent => f.write_str("the peer was silent for too long"),
            Close::Frame(error) => write!(f, "{error}"),
            Close::Payload(kind, error) => write!(f, "{kind:?}: {error}"),
            Close::Unexpected(kind) => write!(f, "{kind:?} came where it must not"),
            Close::Unasked(id) => write!(f, "a response to no request ({id})"),
            Close::NoCredit(class) => write!(f, "the peer exceeded its credit for {class:?}"),
            Close::Overflow => f.write_str("the peer asks on and takes no answers"),
            Close::NotConnected => f.write_str("the link is not connected"),
        }
    }
}

/// What [`Link::tick`](super::Link::tick) wants of whoever owns the socket.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Action {
    /// Nothing.
    Nothing,
    /// Connect, then call [`Link::connected`](super::Link::connected) or [`Link::disconnected`](super::Link::disconnected).
    Dial,
    /// Send what is left if that is possible at once, close, then call [`Link::disconnected`](super::Link::disconnected).
    Close(Close),
}

/// Why a request did not even wait. It has not been sent and will not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestError {
    /// The peer failed too often of late: the breaker is open.
    Open,
    /// There is no room for another request.
    Full,
    /// The deadline has passed.
    PastDeadline,
    /// It is longer than a frame may be.
    TooLong,
    /// The link has ended.
    Ended,
}

/// Why a frame was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendError {
    /// The queue is full: later, or never.
    Full,
    /// It is longer than a frame may be.
    TooLong,
    /// The link is not open.
    NotOpen,
}

/// What is said of a request beside its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// The slot that it concerns.
    pub slot: Option<Slot>,
    /// When it is given up, in monotonic time; `None`: when the connection ends.
    pub deadline: Option<Duration>,
    /// Whether it is expected to wait (BLPOP, WAIT): its deadline says nothing of the peer then.
    pub blocking: bool,
}

/// What a link has seen since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Times that it opened.
    pub opened: u64,
    /// Attempts and connections that failed.
    pub failures: u64,
    /// Times that the breaker opened.
    pub breaker_opened: u64,
    /// Frames received, the link's own included.
    pub frames_in: u64,
    /// Frames of kinds that this revision does not know.
    pub unknown_in: u64,
    /// Requests taken.
    pub requests: u64,
    /// Requests that were answered with an error at once.
    pub requests_refused: u64,
    /// Requests that ended without a response.
    pub requests_failed: u64,
    /// Responses that came too late.
    pub late_in: u64,
    /// The peer's requests that were refused, for it takes no answers.
    pub busy_out: u64,
    /// Times that effects fell off the log.
    pub fell_off: u64,
}
