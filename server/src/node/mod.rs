//! The request pipeline: from the bytes that a client sent to the bytes that it is owed, without I/O.
//!
//! [`pipeline`] decodes and plans batches, [`batch`] runs them, [`blocked`] has those who wait, [`timing`] says what they cost, [`crate::admin::feed`] shows them to monitoring
//! clients. In a ring, [`routed`] decides where each command runs, [`plane`] has what runs elsewhere or for others, [`replies`] keeps a client's
//! replies in order meanwhile, [`held`] has those that wait for copies, and [`link`] is a connection to another node; [`replicator`] is a worker's side of replication, [`standing`] what it asks others about their copies, [`tracks`] what its links carry for clients that track. Nothing here knows a socket or waits for anything: a client that has to
//! wait is *parked*, and whoever owns the socket calls again. A simulator can therefore drive the same code under its own clock.

mod ahead;
mod batch;
mod blocked;
mod busy;
mod client;
pub mod core;
mod held;
pub mod link;
mod multi;
mod pipeline;
pub mod plane;
mod planned;
pub mod replicator;
mod replies;
mod routed;
pub mod standing;
mod timing;
mod tracked;
pub mod tracks;

#[cfg(test)]
mod tests;

pub use ahead::ask_ahead;
pub use client::{Client, Waiting};
pub use pipeline::{Park, Progress, Verdict, WorkerState, run};
