//! Torc's Rust client. The crate holds its place in the workspace: connection pool, topology, routing and retries
//! are not written yet. It depends on `torc-protocol` alone and never on the server.

pub use torc_protocol::slot::{Slot, slot_of};
