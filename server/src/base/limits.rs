//! Every bound that is not a setting, in one place, with the reason for its number.

/// Commands of one connection that are decoded, prefetched and run together. 16 covers the latency of a cache miss
/// (about 80 ns) with the work of the others; more showed no gain.
pub const BATCH_COMMANDS_MAX: usize = 16;

/// Databases that SELECT reaches, as in Redis's default configuration.
pub const DATABASE_COUNT: usize = 16;

/// A worker's read buffer. One read takes what the kernel holds for a busy connection at once.
pub const READ_BUFFER_BYTES: usize = 64 * 1024;

/// Workers at most; per-worker counters are arrays of this size.
pub const WORKER_COUNT_MAX: usize = 256;
