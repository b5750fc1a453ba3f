//! Shared by the suites: starting nodes and reference servers, speaking raw RESP to them, scripts and random commands.
//!
//! Every suite runs a real process over a real socket; nothing here links the server's code except the tables that the
//! suites check themselves against. Waiting is always for a condition with a deadline ([`wait::until`]), never for a time.
#![forbid(unsafe_code)]

pub mod beside;
pub mod differences;
pub mod generator;
pub mod minimise;
pub mod process;
pub mod rdb;
pub mod resp;
pub mod ring;
pub mod script;
pub mod text;
pub mod tls;
pub mod wait;

pub use process::{Limits, Server};
pub use resp::{Connection, Value};

/// Starts the node under test with further arguments: `start_node!(&["--maxmemory", "100mb"])`.
///
/// A macro because Cargo tells the path of the binary only to the crate of the suite itself.
#[macro_export]
macro_rules! start_node {
    ($arguments:expr) => {
        $crate::Server::node(env!("CARGO_BIN_EXE_torc-node"), $arguments)
    };
}
