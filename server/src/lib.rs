//! Torc's node.
//!
//! Layers, each importing only those below it (`ARCHITECTURE.md` says why, `tests/tidy` holds it):
//!
//! ```text
//! net      sockets and event loops: thin shells
//! node     the request pipeline: bytes → batch → handlers → replies, without I/O
//! command  handlers, one file per group
//! admin    what operators read: the instance, statistics, slow log, clients
//! config   settings, from one table        security  who may connect and run what
//! script   Lua scripts: interpreter, sandbox, libraries
//! replication  effects, their order, merging and acknowledgements: pure
//! store    the lock-free index, entries, expiry, eviction, memory accounting
//! types    values without I/O and clock
//! cluster  who the ring's nodes are, which slots each keeps, where a request goes
//! base     clock, randomness, bounds
//! ```

#[cfg(not(torc_loom))]
pub mod admin;
pub mod base;
#[cfg(not(torc_loom))]
pub mod cluster;
#[cfg(not(torc_loom))]
pub mod command;
#[cfg(not(torc_loom))]
pub mod config;
#[cfg(not(torc_loom))]
pub mod net;
#[cfg(not(torc_loom))]
pub mod node;
#[cfg(not(torc_loom))]
pub mod replication;
#[cfg(not(torc_loom))]
pub mod script;
#[cfg(not(torc_loom))]
pub mod security;
#[cfg(not(torc_loom))]
pub mod store;
#[cfg(torc_loom)]
#[path = "store/modelled.rs"]
pub mod store;
#[cfg(not(torc_loom))]
pub mod types;

#[cfg(not(torc_loom))]
use std::process::ExitCode;

/// Runs the `torc` command line and returns its exit code.
#[cfg(not(torc_loom))]
pub fn main() -> ExitCode {
    net::main()
}
