//! Torc's Rust client: one handle for a Torc ring, a Redis Cluster, or a single Redis server.
//!
//! ```no_run
//! # async fn example() -> torc_client::Result<()> {
//! let client = torc_client::Client::connect("redis://127.0.0.1:7379").await?;
//! client.set("greeting", "hello").ex(60).await?;
//! let greeting: Option<String> = client.get("greeting").reply_as().await?;
//! # Ok(())
//! # }
//! ```
//!
//! It runs on tokio: a program has that among its own dependencies, with the features `macros` and `rt-multi-thread` for `#[tokio::main]`. A runtime that is built by hand
//! needs `enable_all`.
//!
//! * **Nobody has to know where a key lies.** The client asks the seeds, goes to the node that serves a key, follows it when it moves, and splits what concerns several nodes.
//!   [`Config::read_from`] lets copies answer reads.
//! * **Speed needs no care.** Calls of all tasks share connections to each node, at most one for each worker thread, and are written and read together. What is known to belong together can be
//!   sent together ([`Client::pipeline`]), or run as one step ([`Client::transaction`]).
//! * **Every call ends by its deadline** ([`Config::call_timeout`]; what a blocking command says itself comes on top). Within it the client repeats what cannot be applied twice by that ([`RetryPolicy`]), leaves nodes alone
//!   that fail ([`BreakerPolicy`]), and waits for a dead node's successor.
//! * **Errors say what they mean:** whether trying again helps ([`Error::is_retryable`]) and whether the command may have been applied ([`Error::maybe_applied`]).
//! * **Guarantees are chosen by call:** copies of a write ([`Call::consistency`]), and sessions that read their own writes from any copy ([`Client::session`]).
//!   They hold in pipelines, in transactions and while keys are watched as they do for a single call, and so does what [`Config`] demands of all calls.
//! * Subscriptions last through lost connections ([`Client::subscriber`]); blocking commands have connections of their own.
//!
//! Commands are methods of [`Client`], written from the server's own command table; [`Client::command`] makes any other. What happens inside is told to an [`Observer`].
//!
//! Features: `tls` for encrypted connections, `blocking` for programs without an async runtime.
//!
//! ## What it does not do
//!
//! * An order between concurrent calls, or between slots of one pipeline. One slot's commands of a pipeline run in order, unless a failure makes some of them be tried again.
//! * Isolation over several slots: MGET, MSET, DEL, EXISTS, TOUCH and UNLINK over several are several commands, of which some may fail.
//! * A repeated SET may overwrite what another client wrote between both attempts. Where that matters, say [`Call::idempotent`]`(false)`.
//! * Client-side caching (CLIENT TRACKING), replication, MONITOR.
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
mod scope;
mod session;
mod spread;
#[cfg(feature = "tls")]
mod tls;
mod topology;
mod transaction;

pub use crate::bytes::Bytes;
pub use breaker::BreakerPolicy;
pub use call::{Call, Calling};
pub use client::Client;
pub use config::{Address, Config, Mode, Protocol, ReadFrom};
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
