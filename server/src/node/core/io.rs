//! What goes into a core and what comes out of it.

use crate::cluster::NodeId;
use crate::cluster::membership::Event;
use std::net::SocketAddr;
use std::time::Duration;
use torc_protocol::peer::Kind;
use torc_protocol::slot::Slot;

/// What a node's core is made with.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// This node.
    pub node: NodeId,
    /// Copies of each slot.
    pub copies: usize,
    /// Whether it may begin a ring when nobody keeps any slot: it is among the nodes that it was told to join. One that is not waits for them, rather than go its own way.
    pub may_begin: bool,
    /// How long the tags of incarnations that are gone are kept apart: [`crate::base::limits::TAG_RETENTION`].
    pub tag_retention: Duration,
}

/// What happens to a node.
#[derive(Debug)]
pub enum Input<'a> {
    /// It starts. Comes first, once.
    Start,
    /// The time of [`Output::WakeAt`] has come. Too early or too often does no harm.
    Timer,
    /// A datagram came.
    Packet {
        /// Where from.
        from: SocketAddr,
        /// Any bytes.
        bytes: &'a [u8],
    },
    /// The control link to a node works.
    LinkUp(NodeId),
    /// It does not any more.
    LinkDown(NodeId),
    /// A frame came over a control link.
    Frame {
        /// From whom.
        from: NodeId,
        /// What it is.
        kind: Kind,
        /// The slot that it concerns.
        slot: Option<Slot>,
        /// Its payload.
        payload: &'a [u8],
    },
    /// The control link to a node has no room for answers to pulls, or has some again. Links that are not spoken of have room.
    Clogged(NodeId, bool),
    /// A worker's link to a node works: what was written before was not told over it.
    DataLinkUp(NodeId),
    /// Effects fell off a worker's log before its link could tell a node of them.
    FellOff(NodeId),
    /// A worker's link heard something of a node. Once a second for each is enough.
    Heard(NodeId),
    /// The answer to [`Output::Resolve`]; empty if there was none.
    Resolved {
        /// The name as it was asked for.
        seed: &'a str,
        /// Its addresses.
        addresses: &'a [SocketAddr],
    },
    /// A ping of a control link was answered.
    Clock {
        /// By whom.
        node: NodeId,
        /// After so long.
        round_trip: Duration,
        /// So far was its wall clock ahead of ours half way, in microseconds.
        offset_us: i64,
    },
    /// A worker found that copies of a slot differ in what will not come by itself.
    Gap {
        /// The slot.
        slot: Slot,
        /// Who keeps the other copy.
        node: NodeId,
        /// Whether it is this node's copy that lacks something.
        is_here: bool,
    },
    /// The control thread ran late by so much.
    LoopLag(Duration),
    /// The node is to hand its slots over and go.
    Leave,
    /// An operator wants a node forgotten.
    Forget(NodeId),
}

/// What is to be done about it.
#[derive(Debug)]
pub enum Output {
    /// Send a datagram.
    Packet {
        /// Where to.
        to: SocketAddr,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Send a frame over the control link; it may be lost if there is none.
    Frame {
        /// To whom.
        to: NodeId,
        /// What it is.
        kind: Kind,
        /// The slot that it concerns.
        slot: Option<Slot>,
        /// Its payload.
        payload: Vec<u8>,
    },
    /// Come back with [`Input::Timer`] at this monotonic time; replaces the time asked for before.
    WakeAt(Duration),
    /// Resolve `host:port` and come back with [`Input::Resolved`].
    Resolve(String),
    /// The view was replaced: links may be wanted or not any more.
    ViewChanged,
    /// Routes changed: commands that wait may go on.
    RoutesChanged,
    /// Whether this node's slots are placed, to be remembered over a restart.
    Placed(bool),
    /// Everything is handed over: the process may end.
    Left,
    /// Something for the log: nodes that do not fit together, or a tag that is taken.
    Notice(Event),
}
