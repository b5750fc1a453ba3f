//! One multiplexed connection: many callers, one socket, replies in the order of requests.
//!
//! ```text
//! caller ── lock ── encode into `out`, a place in `queue`, a slot ──┬─ nothing under way: writes the socket itself
//!                                                                   └─ else: the driver writes, once those that can run have run
//! driver ── read ── ends of replies ── lock ── slots filled ── callers woken ── (they send more) ── one write
//! ```
//!
//! A call allocates nothing: the request goes from a reused buffer into the shared one, its reply into a slot of a slab, and the reply's bytes are
//! a part of the buffer they were read into. The lock is held for a copy and some indices; nobody writes, wakes or parses under it.
//!
//! *Why callers do not read the socket themselves*, though a lone caller would save the switch to the driver: a future that was polled once and is then held
//! without being polled, as in a `select!` whose other branch makes a call, would keep the socket's only reader, and everybody else would wait for it.
//! A task of the connection's own cannot be held like that. It costs a lone caller some 100 ns of 10 µs.
//!
//! **Invariants.** Replies are given to requests in the order in which their bytes were written. A caller that goes away leaves its place in the queue, and
//! its reply is dropped when it comes. What was never written is known not to have been applied.
//!
//! Deliberately does not know commands, slots, nodes or retries.

mod dial;
mod driver;
mod handshake;
mod shared;
mod slots;
mod stream;
#[cfg(test)]
mod tests;

pub(crate) use dial::{Dialled, Endpoint, connect};
pub(crate) use shared::{Connection, Push, PushSink, Submission, Ticket};
