//! Who the nodes are, what they say of themselves, and which of them answer.
//!
//! Sans-IO: [`Membership::handle`] takes an input and the time, and returns what is to be sent, resolved, and known. The same code runs
//! under the control thread and under a simulator in virtual time.
//!
//! ```text
//! datagram → envelope (cluster, secret, replay) → wire ─┬─ swim bytes → foca → up, down, who tells whom
//!                                                       └─ records → book → what nodes say of themselves
//! foca's verdicts → peers (veto, damping) → events        timers (stretched while we are slow ourselves)
//! ```
//!
//! Invariant: liveness is each observer's own finding and changes no placement; records have one writer each and converge. A node that
//! hears that it was declared down comes back by itself and says so by [`Event::Rejoined`].
//!
//! It does not know what the nodes store, which slots they keep, or what a link is.
//!
//! Sources: Das, Gupta and Motivala, "SWIM" (DSN 2002), by foca; "Lifeguard" (arXiv 1707.00788) for local health; the full exchange of records
//! is what memberlist calls push/pull.

mod book;
mod broadcast;
mod envelope;
mod gossip;
mod health;
pub mod identity;
mod meeting;
mod peers;
mod profile;
mod refusals;
mod replay;
mod seeds;
mod swim;
#[cfg(test)]
mod testing;
mod timers;
mod wire;

pub use envelope::{DATAGRAM_BYTES_MAX, PACKET_BYTES_MAX, SKEW_MS_MAX, cluster_hash};
pub use gossip::{Gossip, Options};

use super::node_id::NodeId;
use super::record::NodeRecord;
use crate::base::clock::UnixMs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The time of a step, read once from one clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Never goes back; orders timers.
    pub monotonic: Duration,
    /// Wall time; compared with that of peers.
    pub unix_ms: UnixMs,
}

/// The way to or from a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Via {
    /// A datagram.
    Address(SocketAddr),
    /// The control link to a node. If it is gone by then, the packet is dropped: gossip copes with loss.
    Link(NodeId),
}

/// What happens to a node.
#[derive(Debug)]
pub enum Input<'a> {
    /// The node starts. Comes first, once.
    Start,
    /// A gossip packet came. Any bytes will do.
    Packet {
        /// Where it came from; answers go there.
        from: Via,
        /// At most [`PACKET_BYTES_MAX`] are looked at.
        bytes: &'a [u8],
    },
    /// The time of [`Output::WakeAt`] has come. Too early or too often does no harm.
    Timer,
    /// A link to a node works.
    LinkUp(NodeId),
    /// It does not any more.
    LinkDown(NodeId),
    /// The node sent something on a link that is not gossip: it lives. Once a batch is enough.
    DataFrameHeard(NodeId),
    /// What this node says of itself changed. Identity, version, gossip address and renewals are filled in here. With state Left, the node
    /// says goodbye and falls silent.
    OwnRecord(NodeRecord),
    /// The answer to [`Output::Resolve`]; empty if there was none.
    Resolved {
        /// The name as it was asked for.
        seed: &'a str,
        /// Its addresses.
        addresses: &'a [SocketAddr],
    },
    /// Records from elsewhere: a file of earlier peers, or a simulator that skips the join.
    Records {
        /// The records.
        records: Vec<NodeRecord>,
        /// Whether their nodes are believed to be alive. If not, they are called when no one else answers.
        alive: bool,
    },
    /// The loop that drives this ran late by so much.
    LoopLag(Duration),
    /// An operator wants a node gone. One that is alive stays.
    Forget(NodeId),
}

/// What is to be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send a packet, at most [`DATAGRAM_BYTES_MAX`] bytes by datagram.
    Send {
        /// The way.
        to: Via,
        /// The packet.
        bytes: Vec<u8>,
    },
    /// Call again with [`Input::Timer`] at this monotonic time; replaces the time asked for before.
    WakeAt(Duration),
    /// Resolve a seed's `host:port` and answer with [`Input::Resolved`].
    Resolve(String),
    /// Something to know.
    Event(Event),
}

/// What became known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A node answers: it came, came back, restarted (a higher incarnation), or disproved a suspicion.
    MemberUp {
        /// Who.
        node: NodeId,
        /// Which run of it.
        incarnation: u64,
    },
    /// A node does not answer someone. It has some seconds to disprove it.
    MemberSuspect(NodeId),
    /// A node is taken for dead.
    MemberDown(NodeId),
    /// A node says something new about itself. Comes before or after its [`Event::MemberUp`].
    RecordChanged(Arc<NodeRecord>),
    /// This node was declared down and is back. Others may serve its slots: it is not ready until it has synced again.
    Rejoined {
        /// Its incarnation, which may be higher than before.
        incarnation: u64,
    },
    /// A node left for good, or was down for too long, or an operator forgot it. It is out of the layout.
    Forgotten(NodeId),
    /// Another node uses the tag of this incarnation. The node with the higher id takes another.
    TagTaken(NodeId),
    /// A packet was refused: misconfiguration, most likely. At most once in ten seconds for a peer and reason.
    Refused {
        /// The reason.
        why: Why,
        /// The other side.
        peer: Via,
        /// Whether the peer refused us. Such news is not authenticated.
        by_peer: bool,
    },
}

/// Why nodes do not talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[non_exhaustive]
pub enum Why {
    /// Clusters of other names.
    #[error("the cluster names differ")]
    ClusterName,
    /// Other secrets, or a secret on one side alone.
    #[error("the cluster secrets differ")]
    Secret,
    /// Other layout functions: the nodes would disagree on who owns what.
    #[error("the layout versions differ")]
    LayoutAlgo,
    /// No protocol version in common.
    #[error("there is no common protocol version")]
    Protocol,
    /// Clocks more than [`SKEW_MS_MAX`] apart.
    #[error("the clocks are more than 30 s apart")]
    Clock,
    /// Another process has this node's id.
    #[error("two nodes have the same id")]
    DuplicateId,
}

impl Why {
    const ALL: [Why; 6] = [
        Why::ClusterName,
        Why::Secret,
        Why::LayoutAlgo,
        Why::Protocol,
        Why::Clock,
        Why::DuplicateId,
    ];

    fn code(self) -> u8 {
        Self::ALL.iter().position(|why| *why == self).map_or(0, |index| index as u8 + 1)
    }

    fn of(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code).checked_sub(1)?).copied()
    }
}

/// What this node finds about another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// It answers.
    Up,
    /// It may be dead. Treat it as alive.
    Suspect,
    /// It is taken for dead, or never answered.
    Down,
}

/// The part that a cluster's core sees. [`Gossip`] is the one in use.
pub trait Membership {
    /// Takes a step. Appends what is to be done to `out`, in order.
    fn handle(&mut self, input: Input<'_>, now: Now, out: &mut Vec<Output>);

    /// Whether `node` answers; `None` if it was never heard of. This node is always up.
    fn liveness(&self, node: NodeId) -> Option<Liveness>;

    /// What a node says of itself.
    fn record(&self, node: NodeId) -> Option<Arc<NodeRecord>>;

    /// What all known nodes say of themselves, this one included, by id.
    fn records(&self) -> Vec<Arc<NodeRecord>>;
}
