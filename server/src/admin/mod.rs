//! What operators read and steer: the running instance, its statistics, slow log, latency events and clients.

pub mod blocked;
pub mod clients;
pub mod feed;
pub mod histogram;
mod instance;
pub mod latency;
pub mod logging;
pub mod mailbox;
pub mod memory;
pub mod metrics;
pub mod pubsub;
pub mod slowlog;
pub mod stats;
pub mod tracking;

pub use instance::Instance;
