//! The table of settings: one row each.
//!
//! From a row come the getter on [`Settings`], CONFIG GET and SET, the key in the settings file, the flag of the
//! command line and the lines of the README. Names and defaults are Redis's where Redis has the setting (redis.io, "Redis
//! configuration"; 7.0's CONFIG GET as the check), except where a comment in the row says why not.

use super::kind::{Choice, Kind};
use super::settings::Settings;
use super::special;
use crate::store::{HashKind, Policy};
use std::sync::Arc;

/// One setting.
#[derive(Debug)]
pub struct Row {
    /// Its name, as in CONFIG GET, the file and (after `--`) the command line.
    pub name: &'static str,
    /// Older names for it; CONFIG takes and shows them too.
    pub aliases: &'static [&'static str],
    /// What it may be.
    pub kind: Kind,
    /// Its value unless set.
    pub default: &'static str,
    /// Whether CONFIG SET may change it while the node runs.
    pub mutable: bool,
    /// What it means; Markdown.
    pub means: &'static str,
    /// When to change it; empty for settings that are there for Redis's clients alone.
    pub when: &'static str,
}

/// How verbose the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Everything.
    Debug,
    /// Connections as they come and go.
    Verbose,
    /// What an operator wants to know.
    Notice,
    /// Only what needs a look.
    Warning,
    /// Silence.
    Nothing,
}

impl Choice for LogLevel {
    const ALL: &'static [(&'static str, Self)] = &[
        ("debug", LogLevel::Debug),
        ("verbose", LogLevel::Verbose),
        ("notice", LogLevel::Notice),
        ("warning", LogLevel::Warning),
        ("nothing", LogLevel::Nothing),
    ];
}

/// Which channels a new user may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelDefault {
    /// All.
    AllChannels,
    /// None.
    ResetChannels,
}

impl Choice for ChannelDefault {
    const ALL: &'static [(&'static str, Self)] = &[
        ("allchannels", ChannelDefault::AllChannels),
        ("resetchannels", ChannelDefault::ResetChannels),
    ];
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Choice for LogFormat {
    const ALL: &'static [(&'static str, Self)] =
        &[("text", LogFormat::Text), ("json", LogFormat::Json)];
}

impl Choice for Policy {
    const ALL: &'static [(&'static str, Self)] = &[
        ("volatile-lru", Policy::VolatileLru),
        ("volatile-lfu", Policy::VolatileLfu),
        ("volatile-random", Policy::VolatileRandom),
        ("volatile-ttl", Policy::VolatileTtl),
        ("allkeys-lru", Policy::AllKeysLru),
        ("allkeys-lfu", Policy::AllKeysLfu),
        ("allkeys-random", Policy::AllKeysRandom),
        ("noeviction", Policy::NoEviction),
    ];
}

impl Choice for HashKind {
    const ALL: &'static [(&'static str, Self)] =
        &[("ahash", HashKind::Ahash), ("siphash13", HashKind::SipHash13)];
}

const I32: i64 = i32::MAX as i64;
const LONG: i64 = i64::MAX;
/// An entry keeps the length of its value in 32 bits.
const STRING_BYTES_MAX: u32 = u32::MAX;
const MIB: u64 = 1 << 20;

/// Expands a row's kind.
macro_rules! kind {
    (integer $min:expr, $max:expr, $unit:literal) => {
        Kind::Integer { min: $min, max: $max, unit: $unit }
    };
    (memory $min:expr, $max:expr) => {
        Kind::Memory { min: $min, max: $max }
    };
    (octal $max:expr) => {
        Kind::Octal { max: $max }
    };
    (boolean) => {
        Kind::Boolean
    };
    (choice $type:ty) => {
        Kind::Choice { name: |index| <$type as Choice>::ALL.get(index).map(|(name, _)| *name) }
    };
    (text) => {
        Kind::Text
    };
    (special $parse:ident, $shape:literal) => {
        Kind::Special { shape: $shape, parse: special::$parse }
    };
}

/// Expands a row's getter.
macro_rules! getter {
    ($means:expr, $field:ident, integer $($rest:tt)*) => {
        #[doc = $means]
        #[inline]
        pub fn $field(&self) -> i64 {
            self.bits(Id::$field) as i64
        }
    };
    ($means:expr, $field:ident, memory $($rest:tt)*) => {
        #[doc = $means]
        #[inline]
        pub fn $field(&self) -> u64 {
            self.bits(Id::$field)
        }
    };
    ($means:expr, $field:ident, octal $max:expr) => {
        #[doc = $means]
        #[inline]
        pub fn $field(&self) -> u32 {
            self.bits(Id::$field) as u32
        }
    };
    ($means:expr, $field:ident, boolean) => {
        #[doc = $means]
        #[inline]
        pub fn $field(&self) -> bool {
            self.bits(Id::$field) != 0
        }
    };
    ($means:expr, $field:ident, choice $type:ty) => {
        #[doc = $means]
        #[inline]
        pub fn $field(&self) -> $type {
            <$type as Choice>::at(self.bits(Id::$field))
        }
    };
    ($means:expr, $field:ident, $($text:tt)*) => {
        #[doc = $means]
        pub fn $field(&self) -> Arc<str> {
            self.text(Id::$field)
        }
    };
}

/// Declares the settings: the enum of their indexes, the table and the getters.
macro_rules! settings {
    ($(
        $(#[doc = $means:literal])+
        $field:ident $name:literal $(| $alias:literal)* : $mutable:ident ($($kind:tt)+) = $default:literal, $when:literal;
    )*) => {
        /// Index of a setting in [`SETTINGS`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(non_camel_case_types, reason = "named as the getters are")]
        #[repr(usize)]
        pub(crate) enum Id { $($field,)* }

        /// Every setting, in the order of the docs.
        pub static SETTINGS: &[Row] = &[$(
            Row {
                name: $name,
                aliases: &[$($alias),*],
                kind: kind!($($kind)+),
                default: $default,
                mutable: mutable!($mutable),
                means: concat!($($means),+),
                when: $when,
            },
        )*];

        impl Settings {
            $(getter!(concat!($($means),+), $field, $($kind)+);)*
        }
    };
}

macro_rules! mutable {
    (live) => {
        true
    };
    (fixed) => {
        false
    };
}

settings! {
    // Network.

    /// TCP port for clients; 0 listens on none.
    port "port": fixed (integer 0, 65_535, "") = "6379", "Another server has the port.";

    /// Addresses to listen on. Redis listens on all by default; Torc on loopback alone, so that nothing is open by accident.
    bind "bind": fixed (special addresses, "IP addresses separated by spaces, `*` for all, `-` before those that may fail") = "127.0.0.1 -::1", "Other machines are to connect; set `requirepass` as well.";

    /// Path of a Unix socket to listen on besides TCP; empty for none. A file there is replaced, but for a socket that another process serves.
    unixsocket "unixsocket": fixed (text) = "", "Clients run on the same machine: it saves the TCP stack.";

    /// Permissions of the Unix socket; 0 leaves what the umask gives.
    unixsocketperm "unixsocketperm": fixed (octal 0o777) = "0", "Another user's processes connect by the socket.";

    /// Connections that the kernel queues before they are accepted; the kernel caps it at `net.core.somaxconn`.
    tcp_backlog "tcp-backlog": fixed (integer 0, I32, "") = "511", "Thousands of clients connect at once.";

    /// Seconds of silence after which TCP probes whether a client is still there; 0 never does. Counts for connections made from then on.
    tcp_keepalive "tcp-keepalive": live (integer 0, I32, "seconds") = "300", "A firewall forgets quiet connections sooner.";

    /// Seconds after which an idle client is disconnected; 0 never does.
    timeout "timeout": live (integer 0, I32, "seconds") = "0", "Clients leak connections.";

    /// Clients at most; one more is answered an error and closed.
    maxclients "maxclients": live (integer 1, u32::MAX as i64, "") = "10000", "More clients are expected, and the process may open that many files.";

    /// While no password is set, lets nobody connect from other machines, and refuses to start where `bind` invites them. Judged at each connection, so a change of this or of `requirepass` counts from the next one on.
    protected_mode "protected-mode": live (boolean) = "yes", "The network itself keeps strangers out.";

    /// Password that clients must AUTH with; empty lets everyone in. It is the password of the user `default`, and setting it takes that user's others away.
    requirepass "requirepass": live (text) = "", "Anyone but you can reach the port.";

    /// File of the users that ACL LOAD reads and ACL SAVE writes, a line for each; empty for none. It is read at start, and must be there then. What it says of the user `default` counts, or that one has no password, whatever `requirepass` says.
    aclfile "aclfile": fixed (text) = "", "Clients have different rights, and the rights are to outlive the node.";

    /// Which channels a new user may use before rules say so.
    acl_pubsub_default "acl-pubsub-default": live (choice ChannelDefault) = "resetchannels", "Rules are older than Redis 7, and name no channels.";

    /// Entries of the ACL log, at most; beyond 16384 no more are kept.
    acllog_max_len "acllog-max-len": live (integer 0, LONG, "") = "128", "Refusals are collected seldom.";

    /// Worker threads, each with its own event loop; 0 is one for each core.
    workers "workers": fixed (integer 0, crate::base::limits::WORKER_COUNT_MAX as i64, "") = "0", "The machine's cores are shared with other programs.";

    /// Microseconds for which a worker that is busy for half its time, with many clients, lets requests come together before it looks for them; 0 never does. The kernel adds some 50 of its own.
    busy_gather_us "busy-gather-us": live (integer 0, 10_000, "microseconds") = "50", "0 where a tenth of a millisecond at half load matters more than a twentieth of the CPU time.";

    // TLS.

    /// TCP port for clients that speak TLS, beside `port`; 0 listens on none. It needs `tls-cert-file` and `tls-key-file`.
    tls_port "tls-port": fixed (integer 0, 65_535, "") = "0", "Clients come over a network that others can listen to; `port 0` leaves them no other way.";

    /// File with the node's certificate in PEM form, those of the authorities between it and the clients' trust anchor behind it. Setting any of these files while the node runs has all of them read anew, for the connections made from then on.
    tls_cert_file "tls-cert-file": live (text) = "", "Always, with a TLS port.";

    /// File with the certificate's private key, not encrypted, in PEM form.
    tls_key_file "tls-key-file": live (text) = "", "Always, with a TLS port.";

    /// File with the certificates, in PEM form, of authorities whose certificates clients may show.
    tls_ca_cert_file "tls-ca-cert-file": live (text) = "", "Clients prove who they are by a certificate.";

    /// Directory of files as `tls-ca-cert-file`, read beside it; what is no certificate is passed over.
    tls_ca_cert_dir "tls-ca-cert-dir": live (text) = "", "There are several authorities, in a file each.";

    /// Whether clients must show a certificate (`yes`), may (`optional`), or are not asked for one (`no`).
    tls_auth_clients "tls-auth-clients": live (choice TlsAuthClients) = "yes", "Clients have no certificates: `no`.";

    /// Versions of TLS that are spoken, empty for both.
    tls_protocols "tls-protocols": live (special tls_protocols, "`TLSv1.2`, `TLSv1.3` or both") = "", "Nothing older than TLS 1.3 is to be spoken.";

    /// Whether the node's order of ciphers counts rather than the client's.
    tls_prefer_server_ciphers "tls-prefer-server-ciphers": live (boolean) = "no", "Seldom: all ciphers that are spoken are sound.";

    /// Whether a client that comes again may go on where its last session was, which saves the proofs of both. What it needs for that it keeps itself, for twelve hours at most; new certificates put an end to it.
    tls_session_caching "tls-session-caching": live (boolean) = "yes", "Each connection is to prove anew who it is.";

    // Memory.

    /// Bytes that keys, values and the index may take; 0 is no limit. Beyond it `maxmemory-policy` decides.
    maxmemory "maxmemory": live (memory 0, u64::MAX) = "0", "Always, in production: leave a fifth of the machine's memory free for buffers.";

    /// What is evicted at `maxmemory`: the least recently used (lru), least frequently used (lfu), nearest deadline (ttl) or any key, of all keys or of those with a deadline (volatile); or nothing, so that writes fail.
    maxmemory_policy "maxmemory-policy": live (choice Policy) = "noeviction", "Torc is used as a cache: `allkeys-lru` or `allkeys-lfu`.";

    /// Candidates that eviction compares, at least.
    maxmemory_samples "maxmemory-samples": live (integer 1, I32, "") = "5", "Evicting the right key matters more than CPU time: 10.";

    /// How much harder each step of the LFU counter is.
    lfu_log_factor "lfu-log-factor": live (integer 0, I32, "") = "10", "Hot keys are so hot that their counters are all at the top.";

    /// Minutes after which an unused key's LFU counter drops by one; 0 never drops it.
    lfu_decay_time "lfu-decay-time": live (integer 0, I32, "minutes") = "1", "What is popular changes slower or faster than in minutes.";

    /// How hard the sweeper of expired keys works, from 1 (a quarter of each worker's time at most, while keys are due) to 10 (43 %).
    active_expire_effort "active-expire-effort": live (integer 1, 10, "") = "1", "Expired keys take memory for too long.";

    /// How often a second each worker looks for expired keys and oversized tables, samples the rates of INFO, and checks its share of the clients for `timeout`.
    hz "hz": live (integer 1, 500, "") = "10", "Seldom; more costs CPU while idle.";

    /// Keyed hash that places keys: `ahash` is faster, `siphash13` withstands clients that choose keys to collide.
    hash "hash": fixed (choice HashKind) = "ahash", "Untrusted people choose the keys.";

    // Limits on clients.

    /// Longest string in a request.
    proto_max_bulk_len "proto-max-bulk-len": live (memory MIB, STRING_BYTES_MAX as u64) = "536870912", "To refuse big values earlier.";

    /// Bytes of unfinished requests that a client may have waiting.
    client_query_buffer_limit "client-query-buffer-limit": live (memory MIB, LONG as u64) = "1073741824", "To bound what one client can take.";

    /// Bytes of replies that may wait for a client, for each class of clients: hard limit, soft limit, seconds over the soft limit. A reply over the hard limit is not sent at all, unless it is written in pieces. Clients with subscriptions are of the class `pubsub`; there are none of the class `replica`.
    client_output_buffer_limit "client-output-buffer-limit": live (special output_limits, "`class hard soft seconds`, repeated; classes normal, replica, pubsub") = "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60", "Clients that stop reading must not take memory: `normal 256mb 64mb 60`.";

    // Scripts.

    /// Milliseconds after which a script that still runs may be killed, and other clients are answered that the node is busy.
    busy_reply_threshold "busy-reply-threshold" | "lua-time-limit": live (integer 0, LONG, "milliseconds") = "5000", "Scripts are meant to take longer, or clients should learn sooner that one does.";

    /// Bytes that the interpreter of each worker may take; a script that needs more fails.
    script_memory_max "script-memory-max": live (memory MIB, LONG as u64) = "268435456", "Scripts build large values, or memory is scarce.";

    /// Bytes of scripts' texts that are kept for EVALSHA. Beyond it, scripts that came by EVAL make room for new ones, and SCRIPT LOAD is refused. As many again are libraries' texts; beyond them FUNCTION LOAD is refused.
    script_cache_max "script-cache-max": live (memory 65_536, LONG as u64) = "67108864", "Applications load more scripts or functions than that.";

    /// Keys that client-side caching remembers the readers of; beyond it any key is forgotten, and its readers are told as if it had changed. 0 for any number.
    tracking_table_max_keys "tracking-table-max-keys": live (integer 0, LONG, "") = "1000000", "Clients keep copies of more keys than that.";

    // The ring.

    /// Whether the node is part of a ring of nodes, which `join` implies. Alone it begins one that others can join; a node without a ring pays nothing for it.
    cluster_enabled "cluster-enabled": fixed (boolean) = "no", "The first node of a ring; the others `join` it.";

    /// Nodes to join, as `host:port` with the port that they have for peers; any one that answers will do. Names are looked up again and again.
    join "join": fixed (special seeds, "`host:port` separated by spaces, or given again") = "", "A node is to become part of a ring. Name two or three, itself among them if that is easier.";

    /// Name of the cluster; nodes of another one are refused.
    cluster_name "cluster-name": fixed (special cluster_name, "at most 255 bytes") = "torc", "Two clusters share a network.";

    /// Secret that all nodes of a cluster share. It lets them in and seals their datagrams; CONFIG GET does not show it.
    cluster_secret "cluster-secret": fixed (text) = "", "Always, if the nodes' network has other users.";

    /// TCP port that speaks Redis Cluster's protocol on a node of a ring; 0 listens on none.
    cluster_port "cluster-port": fixed (integer 0, 65_535, "") = "7379", "Several nodes share a machine.";

    /// As `cluster-port`, for clients that speak TLS. Clients that came by TLS are told of other nodes' ports with TLS: of this one, or where a node has none, of its `tls-port`, which serves any key.
    tls_cluster_port "tls-cluster-port": fixed (integer 0, 65_535, "") = "0", "Clients of Redis Cluster are to speak TLS.";

    /// Port for other nodes of the ring, TCP and UDP. What they tell each other is not encrypted.
    peer_port "peer-port": fixed (integer 1, 65_535, "") = "8379", "Several nodes share a machine.";

    /// Name or address by which clients and other nodes reach this one; empty takes one of the machine's own.
    announce_host "announce-host": fixed (special host, "a name or an IP address") = "", "A container or a router translates addresses.";

    /// The node's name for life, 40 hexadecimal digits; empty takes the one in `data-dir`, or draws one.
    node_id "node-id": fixed (special node_id, "40 hexadecimal digits") = "", "The node has no disk, and is to be known again.";

    /// Directory that keeps the node's name; empty keeps none, and each start is a new node.
    data_dir "data-dir": fixed (text) = "", "Always in a ring: a node that comes back under its name takes its slots again.";

    /// Nodes that keep each key, as far as there are so many. The same on all nodes.
    copies "copies": fixed (integer 1, crate::cluster::layout::COPIES_MAX as i64, "") = "3", "Memory matters more than surviving two crashes: 2.";

    /// The node's share of keys relative to other nodes'.
    weight "weight": fixed (integer 1, 100, "") = "1", "Nodes differ in memory.";

    /// What the node fails together with: a rack, a data centre. Copies are spread over zones.
    zone "zone": fixed (special zone, "at most 64 bytes") = "", "Nodes stand in several racks or data centres.";

    /// Bytes of effects that a node keeps for copies that lag; one that lags further fetches whole slots.
    replication_log_size "replication-log-size": fixed (memory MIB, LONG as u64) = "67108864", "Copies lag by more than this in a second, or memory is scarce.";

    /// Bytes a second that copying slots may read here, and may bring in; 0 sets no bound. What clients wait for is not held up by it.
    sync_bandwidth "sync-bandwidth": live (memory 0, LONG as u64) = "67108864", "Nodes join or leave over a network that clients need: less.";

    /// Part of a core's time that copying slots may take in each node while clients are served; an idle ring copies faster.
    sync_cpu_percent "sync-cpu-percent": live (integer 1, 100, "percent") = "8", "Nodes have cores to spare and should join sooner: more.";

    /// How long a node that is asked to stop may take to hand its keys over; 0 stops at once.
    leave_timeout "leave-timeout": live (integer 0, 3_600_000, "milliseconds") = "30000", "The keys take longer to hand over.";

    /// How long a node may be dead until its keys are given to others for good.
    node_forget_after "node-forget-after": fixed (integer 1, 31_536_000, "seconds") = "600", "Nodes come back later, or memory for the copies is there at once.";

    /// Copies that must have a write before it is answered, where the client does not say (`CLIENT CONSISTENCY`): `one` is the primary alone.
    default_write_consistency "default-write-consistency": live (choice WriteConsistency) = "one", "A write must outlive the crash of one node: `2` or `quorum`.";

    /// Where reads are answered, where the client does not say: at the primary, by any copy, by a copy that has what the session has seen, or by the merge of a majority.
    default_read_consistency "default-read-consistency": live (choice ReadConsistency) = "primary", "Reads may be old, and are to be spread over all copies: `any` or `session`.";

    /// How long a write waits for its copies before it is answered `-NOQUORUM`.
    write_timeout "write-timeout": live (integer 1, 3_600_000, "milliseconds") = "1000", "Nodes are far from each other.";

    /// What becomes of a transaction whose keys lie in several slots: `error` refuses it with `-CROSSSLOT`; `pipeline` runs its commands in their order as if each came by itself, so that others see
    /// it half done, and a node's death can leave it so. What is watched, scripts and commands that wait are refused all the same.
    multi_cross_slot "multi-cross-slot": live (choice MultiCrossSlot) = "error", "A framework wraps in `MULTI` what need not be one step: `pipeline`.";

    /// How long a request may take that another node serves, or that waits while its slot changes hands.
    forward_timeout "forward-timeout": live (integer 1, 3_600_000, "milliseconds") = "3000", "Clients give up earlier, or nodes are far from each other.";

    /// Requests to other nodes that each worker may have waiting; one more is answered `-TRYAGAIN`.
    forward_requests_max "forward-requests-max": live (integer 1, 1_000_000, "") = "16384", "Seldom; more take more memory while a node does not answer.";

    // Watching.

    /// TCP port for HTTP requests of Prometheus (`/metrics`) and of whoever starts and stops the node (`/livez`, `/readyz`); 0 listens on none. It has no password.
    metrics_port "metrics-port": fixed (integer 0, 65_535, "") = "0", "Prometheus or Kubernetes watches the node: 9121, redis_exporter's port.";

    /// Addresses on which `metrics-port` listens.
    metrics_bind "metrics-bind": fixed (special addresses, "IP addresses separated by spaces, `*` for all, `-` before those that may fail") = "127.0.0.1 -::1", "Whoever watches the node is another machine.";

    /// Commands that take at least this long enter the slow log; -1 turns it off, 0 logs all.
    slowlog_log_slower_than "slowlog-log-slower-than": live (integer -1, LONG, "microseconds") = "10000", "You look for slow commands.";

    /// Entries that the slow log keeps.
    slowlog_max_len "slowlog-max-len": live (integer 0, LONG, "") = "128", "Entries are gone before you read them; the log is capped at 65,536.";

    /// Events that take at least this long enter the latency history; 0 turns it off.
    latency_monitor_threshold "latency-monitor-threshold": live (integer 0, LONG, "milliseconds") = "0", "You look for pauses.";

    /// Keeps a histogram of each command's execution time.
    latency_tracking "latency-tracking": live (boolean) = "yes", "Seldom: it costs a few nanoseconds a command.";

    /// Percentiles that INFO latencystats shows.
    latency_tracking_info_percentiles "latency-tracking-info-percentiles": live (special percentiles, "numbers from 0 to 100 separated by spaces") = "50 99 99.9", "Your goals are stated in other percentiles.";

    /// What is logged, at least.
    loglevel "loglevel": live (choice LogLevel) = "notice", "You look for a fault: `debug`.";

    /// File to append the log to; empty is standard error.
    logfile "logfile": fixed (text) = "", "Nothing collects standard error.";

    /// Log lines for people, or one JSON object each.
    log_format "log-format": fixed (choice LogFormat) = "text", "A program reads the log.";

    /// Whether DEBUG may be run by `local` clients, by all (`yes`) or by none. Test suites need it.
    enable_debug_command "enable-debug-command": fixed (choice DebugAccess) = "no", "Test suites run against this node.";

    // Values. Rows without a reason to change them, here and below, are accepted for compatibility and change nothing; tests/tests/tidy.rs
    // holds that.

    /// Largest sparse HyperLogLog; a bigger one is kept dense.
    hll_sparse_max_bytes "hll-sparse-max-bytes": live (memory 0, LONG as u64) = "3000", "Counting is CPU-bound: less. Many small counters: up to 15000.";

    /// Fields up to which a hash stays packed: smallest, but read and written from end to end.
    hash_max_listpack_entries "hash-max-listpack-entries" | "hash-max-ziplist-entries": live (memory 0, LONG as u64) = "512", "Memory is dear and hashes are a little larger: more. CPU is dear: less.";

    /// Bytes of a field or value up to which a hash stays packed.
    hash_max_listpack_value "hash-max-listpack-value" | "hash-max-ziplist-value": live (memory 0, LONG as u64) = "64", "Values of small hashes are a little longer.";

    /// Elements up to which a list stays packed; below 0 its bytes: -1 for 4 KiB, doubling down to -5 for 64 KiB.
    list_max_listpack_size "list-max-listpack-size" | "list-max-ziplist-size": live (integer i32::MIN as i64, I32, "") = "-2", "Lists of long elements: a lower size class.";

    /// Members up to which a set of integers stays packed and sorted.
    set_max_intset_entries "set-max-intset-entries": live (memory 0, LONG as u64) = "512", "Sets of a little more integers are many.";

    /// Members up to which a set stays packed.
    set_max_listpack_entries "set-max-listpack-entries": live (memory 0, LONG as u64) = "128", "Memory is dear and sets are a little larger: more. CPU is dear: less.";

    /// Bytes of a member up to which a set stays packed.
    set_max_listpack_value "set-max-listpack-value": live (memory 0, LONG as u64) = "64", "Members of small sets are a little longer.";

    /// Members up to which a sorted set stays packed.
    zset_max_listpack_entries "zset-max-listpack-entries" | "zset-max-ziplist-entries": live (memory 0, LONG as u64) = "128", "Memory is dear and sorted sets are a little larger: more. CPU is dear: less.";

    /// Bytes of a member up to which a sorted set stays packed.
    zset_max_listpack_value "zset-max-listpack-value" | "zset-max-ziplist-value": live (memory 0, LONG as u64) = "64", "Members of small sorted sets are a little longer.";

    /// Bytes up to which a leaf of a stream grows, as Redis counts them; 0 for no limit but 1 MiB.
    stream_node_max_bytes "stream-node-max-bytes": live (memory 0, LONG as u64) = "4096", "Entries are large, and read in long stretches: more.";

    /// Entries up to which a leaf of a stream grows; 0 for no limit but 65536. `XTRIM` with `~` takes whole leaves.
    stream_node_max_entries "stream-node-max-entries": live (integer 0, LONG, "") = "100", "Trimming by `~` is to be finer: less.";

    /// Classes of keyspace events to publish: `K` on channels by key and `E` on channels by event, and of which commands (`g$lshzxetd`, `A` for all of them; `m` misses, `n` new keys). Each node of a ring tells of the keys that it serves.
    notify_keyspace_events "notify-keyspace-events": live (special keyspace_events, "letters of `Ag$lshzxeKEtmdn`") = "", "A client acts on what happens to keys, such as their expiry: `Kgx`.";

    // There for Redis's clients and test suites, which read or set them.

    /// Parts at the ends of a list that Redis leaves uncompressed.
    list_compress_depth "list-compress-depth": live (integer 0, I32, "") = "0", "";

    /// Databases that SELECT reaches: always 16.
    databases "databases": fixed (integer 16, 16, "") = "16", "";

    /// Snapshots to disk. Torc keeps none: only the empty text is taken.
    save "save": live (special snapshots, "empty") = "", "";

    /// Log of writes on disk. Torc keeps none.
    appendonly "appendonly": live (special off, "no") = "no", "";

    /// Whether Redis refuses writes once a snapshot has failed; there are none.
    stop_writes_on_bgsave_error "stop-writes-on-bgsave-error": live (boolean) = "yes", "";

    /// Bytes that all clients may take before Redis closes the largest. Torc bounds each client by itself: only 0 is taken, which is no bound.
    maxmemory_clients "maxmemory-clients": live (memory 0, 0) = "0", "";

    /// Whether nodes of a ring refuse keys while others have no owner: they do not.
    cluster_require_full_coverage "cluster-require-full-coverage": live (special off, "no") = "no", "";

    /// When Redis syncs its log of writes; there is none.
    appendfsync "appendfsync": live (choice AppendFsync) = "everysec", "";

    /// Evicted values are always freed in the background where they are big.
    lazyfree_lazy_eviction "lazyfree-lazy-eviction": live (boolean) = "no", "";

    /// Expired values are always freed in the background where they are big.
    lazyfree_lazy_expire "lazyfree-lazy-expire": live (boolean) = "no", "";

    /// Overwritten values are always freed in the background where they are big.
    lazyfree_lazy_server_del "lazyfree-lazy-server-del": live (boolean) = "no", "";

    /// DEL always frees big values in the background.
    lazyfree_lazy_user_del "lazyfree-lazy-user-del": live (boolean) = "no", "";

    /// FLUSHALL always frees in the background.
    lazyfree_lazy_user_flush "lazyfree-lazy-user-flush": live (boolean) = "no", "";

    /// The index always grows and shrinks step by step.
    activerehashing "activerehashing": live (boolean) = "yes", "";

    /// `hz` does not follow the number of clients.
    dynamic_hz "dynamic-hz": live (boolean) = "yes", "";

    /// Entries are not moved to fill gaps in memory.
    activedefrag "activedefrag": live (special off, "no") = "no", "";

    /// Redis's threads for sockets; Torc's are `workers`.
    io_threads "io-threads": fixed (integer 1, 128, "") = "1", "";

    /// Torc runs in the foreground.
    daemonize "daemonize": fixed (special off, "no") = "no", "";


    /// Checks of dumped values at RESTORE; they are always checked in full.
    sanitize_dump_payload "sanitize-dump-payload": live (choice Sanitize) = "no", "";
}

/// See `default-write-consistency`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "counts")]
pub enum WriteConsistency {
    One,
    Two,
    Three,
    Four,
    Five,
    Quorum,
    All,
}

impl Choice for WriteConsistency {
    const ALL: &'static [(&'static str, Self)] = &[
        ("one", WriteConsistency::One),
        ("2", WriteConsistency::Two),
        ("3", WriteConsistency::Three),
        ("4", WriteConsistency::Four),
        ("5", WriteConsistency::Five),
        ("quorum", WriteConsistency::Quorum),
        ("all", WriteConsistency::All),
    ];
}

/// See `multi-cross-slot`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the setting's own words")]
pub enum MultiCrossSlot {
    Error,
    Pipeline,
}

impl Choice for MultiCrossSlot {
    const ALL: &'static [(&'static str, Self)] =
        &[("error", MultiCrossSlot::Error), ("pipeline", MultiCrossSlot::Pipeline)];
}

/// See `default-read-consistency`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the setting's own words")]
pub enum ReadConsistency {
    Primary,
    Any,
    Session,
    Quorum,
}

impl Choice for ReadConsistency {
    const ALL: &'static [(&'static str, Self)] = &[
        ("primary", ReadConsistency::Primary),
        ("any", ReadConsistency::Any),
        ("session", ReadConsistency::Session),
        ("quorum", ReadConsistency::Quorum),
    ];
}

/// See `tls-auth-clients`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the setting's own words")]
pub enum TlsAuthClients {
    No,
    Yes,
    Optional,
}

impl Choice for TlsAuthClients {
    const ALL: &'static [(&'static str, Self)] = &[
        ("no", TlsAuthClients::No),
        ("yes", TlsAuthClients::Yes),
        ("optional", TlsAuthClients::Optional),
    ];
}

/// Who may run DEBUG.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DebugAccess {
    /// Nobody.
    No,
    /// Everybody.
    Yes,
    /// Clients on this machine.
    Local,
}

impl Choice for DebugAccess {
    const ALL: &'static [(&'static str, Self)] =
        &[("no", DebugAccess::No), ("yes", DebugAccess::Yes), ("local", DebugAccess::Local)];
}

/// See `appendfsync`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "accepted and ignored")]
pub enum AppendFsync {
    EverySec,
    Always,
    No,
}

impl Choice for AppendFsync {
    const ALL: &'static [(&'static str, Self)] = &[
        ("everysec", AppendFsync::EverySec),
        ("always", AppendFsync::Always),
        ("no", AppendFsync::No),
    ];
}

/// See `sanitize-dump-payload`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "accepted and ignored")]
pub enum Sanitize {
    No,
    Yes,
    Clients,
}

impl Choice for Sanitize {
    const ALL: &'static [(&'static str, Self)] =
        &[("no", Sanitize::No), ("yes", Sanitize::Yes), ("clients", Sanitize::Clients)];
}
