//! The control plane of one node: who the nodes are, which slots this one serves, and how its copies catch up.
//!
//! ```text
//! packets, frames, timers ──▶ Core::handle ──▶ packets, frames, routes, views, journals
//!                              │ membership      who is there
//!                              │ view            who keeps what
//!                              │ duty            what to do about each slot
//!                              │ puller, server  bring copies up to date
//! ```
//!
//! Sans-IO: the same code runs in the control thread and in the simulator. It is given the time and bytes, and what it wants sent comes out as [`Output`].
//! It does share the store, the routes and the slots' chains with the workers: see [`Shared`].
//!
//! Invariant: it never waits. What needs a grace period is kept until a later call finds that it has passed.

pub mod duty;
pub mod message;
