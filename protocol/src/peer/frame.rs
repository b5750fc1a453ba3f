//! Frames: the 16-byte header, the decoder that finds frames in received bytes, and the encoder.
//!
//! ```text
//!    0               4      5       6       8              12      13          16
//!   +---------------+------+-------+-------+---------------+-------+-----------+---------~~~
//!   | payload bytes | kind | flags | slot  | id            | class | reserved  | payload
//!   | u32           | u8   | u8    | u16   | u32           | u8    | 3 bytes   |
//!   +---------------+------+-------+-------+---------------+-------+-----------+---------~~~
//!    integers little-endian           │       │                       written as 0, read as anything
//!                                     │       └ pairs a response with its request; 0 elsewhere
//!                                     └ 0..=16383, or 65535: none
//! ```
//!
//! **Contract** of [`decode`], as of the request decoder: the caller keeps the unread bytes contiguous and hands in the same bytes again,
//! followed by new ones, while a frame is incomplete. It starts at `*pos`; a whole frame moves `*pos` behind itself. After an error the link is
//! to be closed. The payload is borrowed; nothing is kept between calls, for a header is read anew in a constant time.
//!
//! **Invariant.** A frame is returned only if its size, kind, class and slot fit together, and nothing is reserved for a declared size: what
//! the caller should make room for is a hint of at most [`HINT_BYTES_MAX`].
//!
//! A frame of an unknown kind is returned like any other, so that a later revision can add kinds: its reader ignores it, and its class still says
//! whose credit it takes.

use super::wire::TooLong;
use crate::slot::Slot;
use std::fmt;

/// Bytes of a frame's header.
pub const HEADER_BYTES: usize = 16;

/// What stands in the slot's place in a frame that concerns none.
const NO_SLOT: u16 = u16::MAX;

/// The most that a hint asks for, so that a declared size alone reserves no more than this.
pub const HINT_BYTES_MAX: usize = 1 << 20;

/// Payload bytes at most, beyond the longest bulk that clients may send: room for batches of effects and chunks of a sync.
pub const PAYLOAD_BYTES_BASE: u32 = 64 << 20;

/// Payload bytes at most of the kinds that a link handles itself, and of every frame before the handshake is done. The longest is a
/// HELLO, whose cluster name has at most 255 bytes.
pub const SMALL_PAYLOAD_BYTES_MAX: u32 = 1024;

/// What a frame is for: who has precedence, and whose credit it takes. Earlier classes go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Class {
    /// What keeps the ring together.
    Control = 0,
    /// Forwarded commands and their responses: somebody waits.
    Request = 1,
    /// Effects and their acknowledgements.
    Effect = 2,
    /// Messages of channels, at most once: they must not hold up what somebody waits for.
    Publish = 3,
    /// Bulk transfer, which yields to everything.
    Sync = 4,
}

/// How many classes there are.
pub const CLASS_COUNT: usize = 5;

impl Class {
    /// All classes, first the one with precedence.
    pub const ALL: [Class; CLASS_COUNT] =
        [Class::Control, Class::Request, Class::Effect, Class::Publish, Class::Sync];

    /// The class that `byte` stands for.
    pub fn from_byte(byte: u8) -> Option<Class> {
        Self::ALL.get(usize::from(byte)).copied()
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])+ $name:ident = $byte:literal, $class:ident;)+) => {
        /// What a frame's payload is. Numbers are never used again for something else.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum Kind { $($(#[$doc])+ $name = $byte,)+ }

        impl Kind {
            /// Every kind.
            pub const ALL: &[Kind] = &[$(Kind::$name),+];

            /// The kind that `byte` stands for, if this revision knows it.
            pub fn from_byte(byte: u8) -> Option<Kind> {
                match byte { $($byte => Some(Kind::$name),)+ _ => None }
            }

            /// The class that frames of this kind belong to.
            pub fn class(self) -> Class {
                match self { $(Kind::$name => Class::$class,)+ }
            }
        }
    };
}

kinds! {
    /// Opens a link: who dials, and a challenge.
    Hello = 1, Control;
    /// The answer: who was reached, and a challenge back.
    HelloReply = 2, Control;
    /// Proof of knowing the cluster's secret; the second one also says that the link is open.
    Proof = 3, Control;
    /// Why the link is refused; the last frame of its sender.
    Refuse = 4, Control;
    /// Asks for a PONG, carries wall time.
    Ping = 5, Control;
    /// Answers a PING, carries wall time.
    Pong = 6, Control;
    /// Allows the receiver to send more of one class.
    Credit = 7, Control;
    /// A membership packet.
    Gossip = 16, Control;
    /// All that the sender knows of the nodes.
    Records = 17, Control;
    /// Fences a slot: asks for version vectors, or answers.
    Fence = 18, Control;
    /// Hands a slot's baton over: asks, grants or declines.
    Baton = 19, Control;
    /// Version vectors and digests, for anti-entropy.
    Digest = 20, Control;
    /// Commands for the receiver to run.
    Request = 32, Request;
    /// What a request came to.
    Response = 33, Request;
    /// A message of a channel.
    Publish = 34, Publish;
    /// Which channels and patterns the sender has subscribers for.
    Interest = 35, Publish;
    /// Up to which change of its interest the sender was heard.
    Heard = 36, Publish;
    /// Which libraries of functions the sender has, and texts of them.
    Libraries = 37, Publish;
    /// That a payload of these was heard, and which texts are wanted.
    LibrariesHeard = 38, Publish;
    /// Whether a client of the sender tracks what it reads.
    Tracks = 39, Publish;
    /// Up to which change of that the sender was heard.
    TracksHeard = 40, Publish;
    /// Keys that the sender has changed, for the receiver's clients that track.
    Changed = 41, Publish;
    /// How much of a long response was taken, or that nobody wants the rest.
    Taken = 42, Request;
    /// A batch of effects.
    Effects = 48, Effect;
    /// Which effects were applied.
    Ack = 49, Effect;
    /// Asks how the receiver's copies of slots stand.
    Question = 50, Effect;
    /// How copies stand: whether they are sound, and what they cover.
    Standing = 51, Effect;
    /// Begins the transfer of a slot.
    SyncBegin = 64, Sync;
    /// A part of a slot's state.
    SyncChunk = 65, Sync;
    /// Ends the transfer of a slot, with the version vector that it brings.
    SyncEnd = 66, Sync;
}

impl Kind {
    /// Whether links handle it themselves: such frames are small, take no credit and reach no owner.
    pub fn is_of_link(self) -> bool {
        (self as u8) < Kind::Gossip as u8
    }
}

/// What a sender says of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// What the payload is.
    pub kind: Kind,
    /// Bits whose meaning the kind gives.
    pub flags: u8,
    /// The slot that it concerns, if it concerns one.
    pub slot: Option<Slot>,
    /// What pairs a response with its request; 0 elsewhere.
    pub id: u32,
}

impl Head {
    /// A head without flags, slot and id.
    pub const fn of(kind: Kind) -> Head {
        Head { kind, flags: 0, slot: None, id: 0 }
    }
}

/// A header as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Bytes behind the header.
    pub payload_bytes: u32,
    /// What the payload is; `None` for a kind of a later revision, which is to be ignored.
    pub kind: Option<Kind>,
    /// Whose credit it takes.
    pub class: Class,
    /// Bits whose meaning the kind gives.
    pub flags: u8,
    /// The slot that it concerns, if it concerns one.
    pub slot: Option<Slot>,
    /// What pairs a response with its request.
    pub id: u32,
}

impl Header {
    /// Bytes of header and payload.
    pub fn frame_bytes(&self) -> u64 {
        HEADER_BYTES as u64 + u64::from(self.payload_bytes)
    }

    /// Whether it takes no credit.
    pub fn is_of_link(&self) -> bool {
        self.kind.is_some_and(Kind::is_of_link)
    }
}

/// A whole frame, its payload borrowed from the received bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its header.
    pub header: Header,
    /// The bytes behind the header.
    pub payload: &'a [u8],
}

/// What [`decode`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// A whole frame.
    Frame(Frame<'a>),
    /// More bytes are needed; at least so many, or [`HINT_BYTES_MAX`], are worth making room for.
    Incomplete {
        /// Between 1 and [`HINT_BYTES_MAX`].
        more_bytes_hint: usize,
    },
}

/// What a receiver accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Payload bytes at most; for kinds of the link itself it is [`SMALL_PAYLOAD_BYTES_MAX`] instead.
    pub payload_bytes_max: u32,
}

impl Limits {
    /// For a peer that has not proven anything.
    pub const fn handshake() -> Limits {
        Limits { payload_bytes_max: SMALL_PAYLOAD_BYTES_MAX }
    }

    /// For a peer of the cluster, where clients may send bulks of `bulk_bytes_max`.
    pub fn established(bulk_bytes_max: u64) -> Limits {
        let bytes = bulk_bytes_max.saturating_add(u64::from(PAYLOAD_BYTES_BASE));
        Limits { payload_bytes_max: u32::try_from(bytes).unwrap_or(u32::MAX) }
    }
}

/// Bytes that are no frame. The link is to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// The payload is longer than the receiver accepts for that kind.
    TooLong {
        /// The kind's byte.
        kind: u8,
        /// What was declared.
        payload_bytes: u32,
    },
    /// The class is unknown, or not that of the kind.
    Class(u8),
    /// There is no such slot.
    Slot(u16),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameError::TooLong { kind, payload_bytes } => {
                write!(f, "frame of kind {kind} declares {payload_bytes} bytes")
            }
            FrameError::Class(class) => write!(f, "frame has the impossible class {class}"),
            FrameError::Slot(slot) => write!(f, "frame has the impossible slot {slot}"),
        }
    }
}

impl std::error::Error for FrameError {}

/// The next frame of `buf` from `*pos` on. See the module for what the caller owes between calls.
///
/// A `*pos` beyond `buf` reads as its end.
pub fn decode<'a>(
    buf: &'a [u8],
    pos: &mut usize,
    limits: &Limits,
) -> Result<Decoded<'a>, FrameError> {
    let tail = buf.get(*pos..).unwrap_or_default();
    let Some((head, rest)) = tail.split_first_chunk::<HEADER_BYTES>() else {
        return Ok(Decoded::Incomplete { more_bytes_hint: HEADER_BYTES - tail.len() });
    };
    let header = read_header(head, limits)?;
    let payload_bytes = header.payload_bytes as usize;
    match rest.get(..payload_bytes) {
        Some(payload) => {
            *pos += HEADER_BYTES + payload_bytes;
            Ok(Decoded::Frame(Frame { header, payload }))
        }
        None => {
            let missing = payload_bytes - rest.len();
            Ok(Decoded::Incomplete { more_bytes_hint: missing.min(HINT_BYTES_MAX) })
        }
    }
}

fn read_header(bytes: &[u8; HEADER_BYTES], limits: &Limits) -> Result<Header, FrameError> {
    let [l0, l1, l2, l3, kind_byte, flags, s0, s1, i0, i1, i2, i3, class_byte, _, _, _] = *bytes;
    let payload_bytes = u32::from_le_bytes([l0, l1, l2, l3]);
    let kind = Kind::from_byte(kind_byte);
    let is_small = kind.is_some_and(Kind::is_of_link);
    let bytes_max = if is_small { SMALL_PAYLOAD_BYTES_MAX } else { limits.payload_bytes_max };
    if payload_bytes > bytes_max {
        return Err(FrameError::TooLong { kind: kind_byte, payload_bytes });
    }
    // A known kind in a foreign class would spend credit that was given for something else.
    let class = Class::from_byte(class_byte)
        .filter(|&class| kind.is_none_or(|kind| kind.class() == class))
        .ok_or(FrameError::Class(class_byte))?;
    let slot = match u16::from_le_bytes([s0, s1]) {
        NO_SLOT => None,
        index => Some(Slot::new(index).ok_or(FrameError::Slot(index))?),
    };
    let id = u32::from_le_bytes([i0, i1, i2, i3]);
    Ok(Header { payload_bytes, kind, class, flags, slot, id })
}

/// Appends a frame whose payload `payload` appends. An error, the payload's own included, leaves `out` as it was.
///
/// The only bound here is what the header can say: the sender knows what its peer accepts.
pub fn encode(
    head: Head,
    out: &mut Vec<u8>,
    payload: impl FnOnce(&mut Vec<u8>) -> Result<(), TooLong>,
) -> Result<(), TooLong> {
    let start = out.len();
    // A slot's number fits 16 bits.
    let [s0, s1] = head.slot.map_or(NO_SLOT, |slot| slot.index() as u16).to_le_bytes();
    let [i0, i1, i2, i3] = head.id.to_le_bytes();
    let class = head.kind.class() as u8;
    let kind = head.kind as u8;
    out.extend_from_slice(&[0, 0, 0, 0, kind, head.flags, s0, s1, i0, i1, i2, i3, class, 0, 0, 0]);
    let written = payload(out)
        .and_then(|()| u32::try_from(out.len() - start - HEADER_BYTES).map_err(|_| TooLong));
    match written {
        Ok(bytes) => {
            out[start..start + 4].copy_from_slice(&bytes.to_le_bytes());
            Ok(())
        }
        Err(error) => {
            out.truncate(start);
            Err(error)
        }
    }
}
