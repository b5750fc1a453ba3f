//! What operators read and steer: the running instance, its statistics, slow log, latency events and clients.

mod instance;

pub use instance::Instance;
