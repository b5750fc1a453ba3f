//! One multiplexed connection: many callers, one socket, replies in the order of requests.
//!
//! ```text
//! caller ── lock ── encode into `out`, a place in `queue`, a slot ──┬─ nothing under way: writes the socket itself, and is the one whom it wakes
//!                                                                   └─ else: the driver writes, once those that can run have run
//! driver ── read ── ends of replies ── lock ── slots filled ── callers woken, by one another (`relay`) ── (they send more) ── one write
//! lone caller ── read ── ends of replies ── lock ── its slot
//! ```
//!
//! A call allocates nothing: the request goes from a reused buffer into the shared one, its reply into a slot of a slab, and the reply's bytes are
//! a part of the buffer they were read into. The lock is held for a copy and some indices; nobody writes, wakes or parses under it, and nobody reads but to learn
//! that there is nothing.
//!
//! *Who reads.* While several requests are under way, the driver. When there are none it puts the reading side where the next caller finds it, who, if it is alone
//! ([`Shared::is_direct`](shared::Shared)), has the socket wake its own task and reads for itself: a call is then a write, a wait and a read of one task. It looks
//! at the socket before it writes too, which costs nothing as long as nothing came, so that a server that hung up is sent nothing.
//!
//! A future that was polled once and is then held without being polled, as in a `select!` whose other branch makes a call, must not keep the others waiting. It
//! cannot: it has the reading side only while it is polled. Whoever submits a second request, drops the first, or sounds the alarm at its deadline makes the driver
//! take the reading side back, and with it the socket's wake-ups.
//!
//! **Invariants.** Replies are given to requests in the order in which their bytes were written. A caller that goes away leaves its place in the queue, and
//! its reply is dropped when it comes. What was never written is known not to have been applied.
//!
//! Deliberately does not know commands, slots, nodes or retries.

mod busy;
mod dial;
mod driver;
mod handshake;
mod reader;
mod relay;
mod shared;
mod slots;
mod stream;
#[cfg(test)]
mod tests;

pub(crate) use dial::{Endpoint, connect};
pub(crate) use relay::Relay;
pub(crate) use shared::{Connection, Push, PushSink, Submission, Ticket};
