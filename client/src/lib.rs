//! Torc's Rust client: one handle for a Torc ring, a Redis Cluster, or a single Redis server.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod base;
#[cfg(feature = "blocking")]
pub mod blocking;
mod breaker;
mod bytes;
mod call;
mod client;
mod coalesce;
pub mod commands;
mod config;
mod connection;
mod consistency;
mod error;
mod hedge;
mod metrics;
mod node;
mod pipeline;
mod pubsub;
mod reply;
mod request;
mod retry;
mod scan;
mod session;
mod spread;
mod topology;
#[cfg(feature = "tls")]
mod tls;
mod transaction;

pub use crate::bytes::Bytes;
pub use breaker::BreakerPolicy;
pub use call::{Call, Calling};
pub use client::Client;
pub use config::{Address, Config, Mode, ReadFrom};
pub use consistency::{Consistency, ReadLevel, WriteLevel};
pub use error::{Error, ErrorKind, Result};
pub use metrics::{Event, Observer};
pub use pipeline::Pipeline;
pub use pubsub::{Message, Subscriber};
pub use reply::{FromReply, Value};
pub use request::{Arg, ArgBuffer};
pub use retry::RetryPolicy;
pub use scan::KeyScan;
pub use session::Session;
#[cfg(feature = "tls")]
pub use tls::TlsConfig;
pub use transaction::{Transaction, Watch};
