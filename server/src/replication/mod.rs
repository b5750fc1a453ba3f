//! Replication: how the copies of a slot come to hold the same.
//!
//! ```text
//! write → version → effect → log → link → chain → merge → acks
//!         base      effect   log          chain   merge   acks       vector and digest serve several of them
//! ```
//!
//! * [`vector`]: which effects a state contains.
//! * [`effect`]: what a write did, as bytes between nodes.
//! * [`log`]: the effects that a worker has yet to send, bounded: it is the send buffer of every link.
//! * [`chain`]: puts a slot's effects into order at the receiver; those that came too soon wait in its [`stash`].
//! * [`merge`]: what states and effects make together.
//! * [`digest`]: finds out where two copies differ.
//! * [`acks`]: which writes have reached how many replicas.
//!
//! Invariant: everything here is pure. It has no I/O, no clock, no randomness and no tasks; it is given `now` and bytes. A peer's bytes
//! cannot make it panic or hold more than its bounds say. It knows nothing of sockets, membership, or which node is primary.

pub mod acks;
pub mod apply;
pub mod chain;
pub mod digest;
pub mod effect;
pub mod journal;
pub mod log;
pub mod merge;
pub mod names;
pub mod scan;
pub mod slots;
pub mod stash;
pub mod stored;
pub mod transfer;
pub mod vector;
pub mod walk;

#[cfg(test)]
mod mirror;
