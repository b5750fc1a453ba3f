//! The ring's sockets: what connects the sans-IO parts of a node to other nodes.
//!
//! ```text
//!              control thread                                     worker
//!   gossip (UDP) ──▶ Core ◀── control links            clients ──▶ pipeline, plane ◀── data links
//!                     │  ▲                                          ▲        │
//!                     │  └───── heard, leave, addresses ────────────┼────────┘
//!                     └──── view, routes (shared), wake-ups, accepted data links
//! ```
//!
//! [`start`] turns settings into identity, record and shared state; [`control`] is the control thread, [`data`] a worker's links to other nodes, [`frames`] what comes by them, [`conn`] one
//! connection, [`shared`] what the threads have in common, [`resolver`] asks for names.
//!
//! **Invariant.** A node without a ring has none of this. No thread waits for another: what one tells another is a message in a bounded queue whose loss does no
//! harm, or state that is read when the reader likes.

mod conn;
pub(super) mod control;
pub(super) mod data;
mod frames;
mod resolver;
pub(super) mod shared;
pub(super) mod start;
