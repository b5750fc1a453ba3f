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

/// Messages that wait for one worker. A busy worker empties its mailbox every few milliseconds; what happens to a message that finds no
/// room is said at each kind.
pub const MAILBOX_MESSAGES_MAX: usize = 16 * 1024;

/// Replies of one connection that are gathered before they are sent. Past it they go out between two batches, so that one client's
/// pipeline of large replies neither holds the worker nor its memory.
pub const REPLY_BYTES_GATHERED: usize = 256 * 1024;

/// Unsent output past which a client's commands are left unread until it takes its replies. What a client that never reads can cost is
/// this and one reply. Redis has no such bound unless `client-output-buffer-limit` sets one; there, such a client is closed, here it
/// waits for itself.
pub const OUTPUT_BACKLOG_BYTES: usize = 1024 * 1024;

/// Unsent output past which a monitoring client is cut: it cannot be slowed down, and must not miss a command unknowingly.
pub const MONITOR_BACKLOG_BYTES: usize = 32 * 1024 * 1024;

/// A worker keeps its shared buffers from one connection to the next up to this size.
pub const SHARED_BUFFER_BYTES_KEPT: usize = 1024 * 1024;

/// Time that a stop leaves for replies to go out.
pub const STOP_FLUSH_MS: u64 = 1_000;
