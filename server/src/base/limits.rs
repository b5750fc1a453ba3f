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

/// Distinct error codes that INFO errorstats counts, as Redis 7.2 bounds them: clients can make codes up once there are scripts.
pub const ERROR_CODE_COUNT_MAX: usize = 128;

/// Bytes of an error code that are kept; every code of Redis fits.
pub const ERROR_CODE_BYTES_MAX: usize = 32;

/// Entries of the slow log, whatever `slowlog-max-len` says: at up to 5 KiB each, 320 MiB.
pub const SLOWLOG_ENTRY_COUNT_MAX: usize = 65_536;

/// Kinds of latency events. The code names about ten; DEBUG and later modules may add some.
pub const LATENCY_EVENT_COUNT_MAX: usize = 64;

/// Seconds of history that each latency event keeps, as in Redis.
pub const LATENCY_SAMPLE_COUNT_MAX: usize = 160;
