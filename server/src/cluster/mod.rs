//! The ring: who its nodes are, which slots each keeps, and where a request goes.
//!
//! Everything here is a pure function or an immutable snapshot: no sockets, no clock, no randomness. It knows slots and
//! nodes, never keys' contents.

pub mod membership;
mod mix;
pub mod node_id;
pub mod record;

pub use node_id::NodeId;
