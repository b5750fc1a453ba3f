//! Every bound that is not a setting, in one place, with the reason for its number.

use std::time::Duration;

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

/// Keys that one DEBUG POPULATE makes: some seconds of one worker's time.
pub const DEBUG_POPULATE_COUNT_MAX: u64 = 10_000_000;
/// Messages that wait for one worker. A busy worker empties its mailbox every few milliseconds; what happens to a message that finds no
/// room is said at each kind.
pub const MAILBOX_MESSAGES_MAX: usize = 16 * 1024;

/// Replies of one connection that are gathered before they are sent. Past it they go out between two batches, so that one client's
/// pipeline of large replies neither holds the worker nor its memory.
pub const REPLY_BYTES_GATHERED: usize = 64 * 1024;

/// Lines for monitoring clients about what one script calls. They wait for the script's end, since the script's own line stands before them and tells how it was called;
/// 1 MiB is some 10,000 calls, more than a client that looks on has use for.
pub const SCRIPT_FEED_BYTES_MAX: usize = 1024 * 1024;

/// Unsent output past which a client's commands are left alone until it takes its replies. What a client that never reads can cost is
/// this, one reply and [`CLOGGED_INPUT_BYTES_MAX`]. Redis has no such bound unless `client-output-buffer-limit` sets one and closes such a client; where it is set, it
/// takes the place of this bound.
pub const OUTPUT_BACKLOG_BYTES: usize = 1024 * 1024;

/// Requests of a client whose commands are left alone so that are taken in all the same. Many clients send the whole of a pipeline before they read its first reply:
/// if they could not, each side would wait for the other. It is room for some millions of short commands.
pub const CLOGGED_INPUT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Unsent output past which a monitoring client is cut: it cannot be slowed down, and must not miss a command unknowingly.
pub const MONITOR_BACKLOG_BYTES: usize = 32 * 1024 * 1024;

/// Lines for monitoring clients and messages for subscribers that wait for one worker, in bytes: twice what a single subscriber may leave unread by default. Beyond
/// it the worker's monitoring clients or subscribers are cut, who would miss some.
pub const FEED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Pushes for one subscriber that are gathered before they are sent.
pub const PUSH_BYTES_GATHERED: usize = 64 * 1024;

/// Messages of one worker's clients for other nodes that wait for the end of its turn. More are dropped: other nodes get them at most once.
pub const PUBLISH_BYTES_WAITING_MAX: usize = 64 * 1024 * 1024;

/// Bytes of one frame that tells of subscribers.
pub const INTEREST_FRAME_BYTES: usize = 32 * 1024;

/// Bytes of one frame that names changed keys, but for its last key. A name of more than that is told as if all keys had changed.
pub const CHANGED_FRAME_BYTES: usize = 32 * 1024;

/// Bytes of the names of keys that a worker changed which wait for the end of its turn, to be told to other nodes. Beyond it they are told that all keys may have changed: more names
/// than a client is likely to hold.
pub const CHANGED_BYTES_MAX: usize = 1024 * 1024;

/// The same of what waits for one link, which may be slow.
pub const CHANGED_BYTES_WAITING_MAX: usize = 4 * 1024 * 1024;

/// Bytes of a client's output that are encrypted before its socket has taken what was encrypted earlier: four records of TLS, which one system call sends.
pub const TLS_STAGED_BYTES: usize = 64 * 1024;

/// Pieces of at most 4 KiB that one reading takes from a socket that speaks TLS. A reading that is given 64 KiB of room fills it with 17 of them; so many without a byte for the
/// reader are no handshake, which rustls holds to 64 KiB.
pub const TLS_READS_MAX: usize = 64;

/// How long a client that came by TLS may take until both sides know each other. A slow link takes a second or two; who says nothing holds a descriptor and some kilobytes until then.
pub const TLS_HANDSHAKE_MAX_MS: u64 = 10_000;

/// A worker keeps its shared buffers from one connection to the next up to this size.
pub const SHARED_BUFFER_BYTES_KEPT: usize = 1024 * 1024;

/// Replies of one client that may be waited for at once: forwarded commands, and writes that are not on enough replicas yet. Beyond it the
/// client's next commands are left unread. 1,024 keep a link of 1 ms busy with a million requests a second of one client.
pub const REPLY_HOLES_MAX: usize = 1_024;

/// Bytes of one client's replies that may wait behind one that is not there yet. Beyond it the client's next commands are left unread.
pub const REPLY_BYTES_WAITING_MAX: usize = 1024 * 1024;

/// How long a node can be away and still bring along what it wrote. After that the tags of incarnations that are gone are forgotten, and what a node that was cut off
/// for longer wrote before may count as removed. A day covers what operators do over night.
pub const TAG_RETENTION: Duration = Duration::from_secs(24 * 60 * 60);

/// Keys that one client may watch at once.
/// Each is compared with those before it.
pub const WATCHED_KEYS_MAX: usize = 8_192;

/// How often a request is handed on from node to node: to the owner, and twice more where the slot moved meanwhile.
pub const FORWARD_HOPS_MAX: u8 = 3;

/// The first wait before a request is tried again, doubled each time up to [`FORWARD_BACKOFF_MAX_MS`]. A baton takes a round trip.
pub const FORWARD_BACKOFF_MS: u64 = 1;

/// The longest such wait.
pub const FORWARD_BACKOFF_MAX_MS: u64 = 32;

/// Bytes of commands that one worker may have under way to other nodes; one request may exceed it, for a value may be as long as 512 MiB. A worker
/// that forwards 1 Gbit/s keeps half a second's worth of commands within it while a node does not answer.
pub const FORWARD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Slots of one gathered command whose later commands of the same client may run meanwhile; one of more slots lets none.
pub const GATHER_SLOTS_TRACKED_MAX: usize = 64;

/// Versions that a session remembers by slot; beyond it one number stands for all. As many as travel in a request.
pub const SESSION_SLOTS_MAX: usize = 256;

/// Keys that FLUSHALL removes in one stretch on a node of a ring: a few milliseconds.
pub const FLUSH_KEYS_A_STRETCH: usize = 8 * 1024;

/// How long the next part of a response is waited for that comes in several. Their sum is bounded by nothing else: it takes as long as the reply is.
pub const RESPONSE_PART_TIMEOUT: Duration = Duration::from_secs(3);

/// Bytes of one long response that may be on their way to the node that asked for it, or wait there until its client takes them. A shorter one is there whole before its
/// client is answered, so that it can be asked for again if it is lost in the middle; of a longer one the client may be cut off. It keeps a link of 1 ms busy with 64 Gbit/s.
pub const RESPONSE_WINDOW_BYTES: u64 = 8 * 1024 * 1024;

/// Requests of peers that run or wait at one worker. Beyond it a peer is answered that there is no room, and tries again.
pub const VISITORS_MAX: usize = 16 * 1024;

/// Time that a stop leaves for replies to go out.
pub const STOP_FLUSH_MS: u64 = 1_000;

/// Stack of a worker's thread; memory that is never touched is never taken. Lua nests C calls 200 deep, and `string.gsub` keeps a buffer of 8 KiB in each: 2 MiB, the
/// default of Rust's threads, are nearly used up then.
pub const STACK_BYTES: usize = 16 * 1024 * 1024;

/// Users at most. An operator makes them, yet a script of his may go wrong.
pub const ACL_USERS_MAX: usize = 65_536;

/// Bytes of one user's rules, patterns and passwords: thousands of patterns. Each of its commands may be compared with all of them.
pub const ACL_USER_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of a file of users: as much as a hundred of the largest, or all of ordinary ones.
pub const ACL_FILE_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// Entries of the ACL log, whatever `acllog-max-len` says: at 2 KiB or so each, 32 MiB.
pub const ACL_LOG_ENTRIES_MAX: usize = 16 * 1024;

/// Bytes of a key, channel or user's name that the ACL log keeps.
pub const ACL_LOG_TEXT_BYTES_MAX: usize = 512;

/// Bytes that it keeps of a client's line, its own name included.
pub const ACL_LOG_CLIENT_BYTES_MAX: usize = 1024;

/// Users of other nodes that a worker remembers, by their rules: more than are active at once.
pub const GUESTS_MAX: usize = 64;

/// Bytes that random elements take in the reply of a command of EXEC or of a script, which is written at once: a million of ordinary ones.
pub const STEP_REPLY_BYTES_MAX: usize = 64 * 1024 * 1024;
