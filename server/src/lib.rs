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
//! store    the lock-free index, entries, expiry, eviction, memory accounting
//! types    values without I/O and clock
//! base     clock, randomness, bounds
//! ```

pub mod admin;
pub mod base;
pub mod command;
pub mod config;
pub mod net;
pub mod node;
pub mod security;
pub mod store;
pub mod types;

use std::process::ExitCode;

/// Runs the `torc` command line and returns its exit code.
pub fn main() -> ExitCode {
    net::main()
}
