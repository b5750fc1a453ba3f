//! A link to another node, as a state machine: the same under real sockets and under a simulator.
//!
//! ```text
//!   received bytes ─▶ receive ─▶ events            request, respond, send ─▶ queues ─▶ output ─▶ bytes to send
//!                        │                                                     ▲
//!                        └── handshake, credit, pongs ──────────────────── effects, from their log
//!   time ─▶ tick ─▶ dial, close, requests that timed out
//! ```
//!
//! [`Link`] holds the parts together: [`handshake`] lets the peer in, [`outbound`] and [`queue`] order what goes out, [`credit`] bounds what is on its way,
//! [`requests`] pairs responses and keeps deadlines, [`breaker`] and its waits keep off a peer that fails, [`keepalive`] notices one that is
//! gone. [`config`] has the bounds. The bytes are [`torc_protocol::peer`]'s.
//!
//! **Invariant.** Everything is given: time, randomness, bytes. What a peer sends can close the link and nothing else.
//! **Does not know** sockets, which peers there should be, or what a request, an effect or a gossip packet means. That a second link of the same
//! node and role takes the place of the first one is for its owner to see to, with [`Link::refuse`].
//!
//! The end that dials outlives its connections; the end that accepts is made anew for each. Data links belong to the dialler's worker:
//! requests and effects go one way, responses and acknowledgements the other.
//!
//! **What outlives a connection:** requests of which nothing was sent, until their deadline. Everything else that waited is dropped, and its
//! owner starts again: effects from where the peer says, gossip and batons by their own timers, a sync from its last installed part.

pub mod breaker;
pub mod config;
pub mod credit;
pub mod events;
pub mod handshake;
pub mod keepalive;
pub mod outbound;
mod peer_link;
pub mod queue;
pub mod requests;

#[cfg(test)]
mod tests;

pub use config::Config;
pub use events::{Action, Ask, Close, Counters, Event, Now, Received, RequestError, SendError};
pub use handshake::{Admission, Identity, Known, Peer, Refusal};
pub use keepalive::ClockSample;
pub use outbound::{EffectSource, NoEffects, Pulled};
pub use peer_link::Link;
pub use requests::{Failed, Why};
