//! What this is, as it tells its clients.

/// The release of Redis whose commands these are, which clients look at to know what they may use.
pub const REDIS_VERSION: &str = "7.2.4";

/// The same as a number, a byte for each part, as scripts have it.
pub const REDIS_VERSION_NUMBER: i64 = 7 << 16 | 2 << 8 | 4;

/// Torc's own release.
pub const TORC_VERSION: &str = env!("CARGO_PKG_VERSION");
