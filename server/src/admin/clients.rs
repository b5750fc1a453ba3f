//! The connected clients: what CLIENT LIST shows, what CLIENT KILL and CLIENT PAUSE steer, who monitors.
//!
//! Each client's own worker publishes its figures once a batch with relaxed stores; anyone may read them at any time, and
//! what is read is at most one batch old. Nothing here knows a socket: a client is closed by asking its worker.
//! Source: the pages of CLIENT LIST, KILL and PAUSE on redis.io, and the output of Redis 7.2.

use super::mailbox::{Mailboxes, Message};
use crate::base::clock::UnixMs;
use crate::security::acl::{DEFAULT_USER, User};
use dashmap::DashMap;
use parking_lot::{Mutex, MutexGuard};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering,
};
use torc_protocol::Protocol;
use torc_protocol::command::COMMANDS;

/// States of a client that CLIENT LIST shows as letters.
pub mod flag {
    /// Sees every command (`O`).
    pub const MONITOR: u16 = 1;
    /// Has subscriptions (`P`).
    pub const PUBSUB: u16 = 1 << 6;
    /// Held by a pause (`b`).
    pub const BLOCKED: u16 = 1 << 1;
    /// Closed once its replies have gone out (`c`).
    pub const CLOSING: u16 = 1 << 2;
    /// Came through the Unix socket (`U`).
    pub const UNIX_SOCKET: u16 = 1 << 3;
    /// Spared when clients take too much memory (`e`).
    pub const NO_EVICT: u16 = 1 << 4;
    /// Its reads do not count as use (`T`).
    pub const NO_TOUCH: u16 = 1 << 5;
    /// Queues its commands since MULTI (`x`).
    pub const MULTI: u16 = 1 << 7;
    /// A key that it watches was changed (`d`).
    pub const DIRTY: u16 = 1 << 8;
    /// Hears of changes to what it has read (`t`).
    pub const TRACKING: u16 = 1 << 9;
    /// The client that was to hear of them instead is gone (`R`).
    pub const TRACKING_BROKEN: u16 = 1 << 10;
    /// Hears of changes to all keys with its prefixes instead (`B`).
    pub const TRACKING_PREFIXES: u16 = 1 << 11;
    /// But not of its own; without a letter.
    pub const TRACKING_NOLOOP: u16 = 1 << 12;
    /// Each flag's letter, in the order in which Redis prints them.
    pub(super) const LETTERS: [(u16, char); 12] = [
        (MONITOR, 'O'),
        (PUBSUB, 'P'),
        (MULTI, 'x'),
        (BLOCKED, 'b'),
        (TRACKING, 't'),
        (TRACKING_BROKEN, 'R'),
        (TRACKING_PREFIXES, 'B'),
        (DIRTY, 'd'),
        (CLOSING, 'c'),
        (UNIX_SOCKET, 'U'),
        (NO_EVICT, 'e'),
        (NO_TOUCH, 'T'),
    ];
}

/// The index in [`ClientInfo`] that stands for "no command yet".
const NO_COMMAND: u16 = u16::MAX;

/// What is fixed about a connection when it is accepted.
#[derive(Debug, Clone, Default)]
pub struct Endpoint {
    /// The client's side, `ip:port` or `path:0`.
    pub address: Box<str>,
    /// Our side, likewise.
    pub local_address: Box<str>,
    /// Number of the socket's file descriptor.
    pub descriptor: i32,
    /// Whether it came through the Unix socket.
    pub unix_socket: bool,
}

/// What a client calls itself. Each is empty where it was not set.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// CLIENT SETNAME.
    pub name: String,
    /// CLIENT SETINFO LIB-NAME.
    pub library: String,
    /// CLIENT SETINFO LIB-VER.
    pub library_version: String,
}

/// A client's figures at the end of a batch.
#[derive(Debug, Clone, Copy, Default)]
pub struct Activity {
    /// When it last sent something.
    pub last_ms: UnixMs,
    /// Selected database.
    pub db: u8,
    /// RESP version, 2 or 3.
    pub resp: u8,
    /// Bits of [`flag`].
    pub flags: u16,
    /// Index of its last command, if it ran one.
    pub command: Option<u16>,
    /// Commands queued since MULTI; none outside it.
    pub queued: Option<u32>,
    /// Bytes of these.
    pub queued_bytes: usize,
    /// Bytes received and not yet run.
    pub input_bytes: usize,
    /// Bytes of output that wait to be sent.
    pub output_bytes: usize,
}

/// One client as others see it.
#[derive(Debug)]
pub struct ClientInfo {
    /// Unique for the life of the process, rising.
    pub id: u64,
    /// Its two addresses.
    pub endpoint: Endpoint,
    /// When it was accepted.
    pub created_ms: UnixMs,
    /// Index of its worker.
    pub worker: usize,
    names: Mutex<Names>,
    /// Who it is; none for what comes from no connection.
    user: Mutex<Option<Arc<User>>>,
    killed: AtomicBool,
    slot: AtomicUsize,
    last_ms: AtomicU64,
    db: AtomicU8,
    resp: AtomicU8,
    flags: AtomicU16,
    command: AtomicU16,
    /// Commands queued since MULTI and one more; 0 outside it.
    queued: AtomicU32,
    queued_bytes: AtomicUsize,
    input_bytes: AtomicUsize,
    output_bytes: AtomicUsize,
    /// Subscriptions to channels, patterns and shard channels.
    subscriptions: [AtomicUsize; 3],
    /// Bits of [`flag`], those about tracking.
    tracking: AtomicU16,
    redirect: AtomicU64,
}

// Every atomic of `ClientInfo` is relaxed: each is a figure of its own that nothing else is read through. `killed` is only
// ever set, and a batch that misses it by a moment counts as having run before the kill.
impl ClientInfo {
    fn new(id: u64, endpoint: Endpoint, worker: usize, now: UnixMs) -> Self {
        let flags = if endpoint.unix_socket { flag::UNIX_SOCKET } else { 0 };
        ClientInfo {
            id,
            endpoint,
            created_ms: now,
            worker,
            names: Mutex::default(),
            user: Mutex::default(),
            killed: AtomicBool::new(false),
            slot: AtomicUsize::new(usize::MAX),
            last_ms: AtomicU64::new(now),
            db: AtomicU8::new(0),
            resp: AtomicU8::new(2),
            flags: AtomicU16::new(flags),
            command: AtomicU16::new(NO_COMMAND),
            queued: AtomicU32::new(0),
            queued_bytes: AtomicUsize::new(0),
            input_bytes: AtomicUsize::new(0),
            output_bytes: AtomicUsize::new(0),
            subscriptions: Default::default(),
            tracking: AtomicU16::new(0),
            redirect: AtomicU64::new(0),
        }
    }

    /// What the client calls itself, for reading and changing.
    pub fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock()
    }

    /// Who it is.
    pub fn user(&self) -> Option<Arc<User>> {
        self.user.lock().clone()
    }

    /// Publishes who it is. Called by the client's own worker alone.
    pub fn set_user(&self, user: Arc<User>) {
        *self.user.lock() = Some(user);
    }

    /// Has its worker close it before its next command.
    pub fn expel(&self) {
        self.killed.store(true, Ordering::Relaxed);
    }

    /// Publishes the figures of a batch. Called by the client's own worker alone.
    pub fn publish(&self, activity: &Activity) {
        self.last_ms.store(activity.last_ms, Ordering::Relaxed);
        self.db.store(activity.db, Ordering::Relaxed);
        self.resp.store(activity.resp, Ordering::Relaxed);
        self.flags.store(activity.flags, Ordering::Relaxed);
        self.command.store(activity.command.unwrap_or(NO_COMMAND), Ordering::Relaxed);
        self.queued.store(activity.queued.map_or(0, |count| count + 1), Ordering::Relaxed);
        self.queued_bytes.store(activity.queued_bytes, Ordering::Relaxed);
        self.input_bytes.store(activity.input_bytes, Ordering::Relaxed);
        self.output_bytes.store(activity.output_bytes, Ordering::Relaxed);
    }

    /// Remembers where its worker keeps it.
    pub fn set_slot(&self, slot: usize) {
        self.slot.store(slot, Ordering::Relaxed);
    }

    /// Where its worker keeps it.
    pub fn slot(&self) -> usize {
        self.slot.load(Ordering::Relaxed)
    }

    /// Publishes to how many channels, patterns and shard channels it is subscribed.
    pub fn set_subscriptions(&self, counts: [usize; 3]) {
        for (cell, count) in self.subscriptions.iter().zip(counts) {
            cell.store(count, Ordering::Relaxed);
        }
    }

    /// What it tracks: bits of [`flag`].
    pub fn tracking(&self) -> u16 {
        self.tracking.load(Ordering::Relaxed)
    }

    /// The client that hears what this one tracks; 0 if that is this one.
    pub fn redirect(&self) -> u64 {
        self.redirect.load(Ordering::Relaxed)
    }

    /// Publishes what it tracks, and who hears it. Called by the client's own worker alone.
    pub fn set_tracking(&self, flags: u16, redirect: u64) {
        self.redirect.store(redirect, Ordering::Relaxed);
        self.tracking.store(flags, Ordering::Relaxed);
    }

    /// The client that was to hear what this one tracks is gone.
    pub fn break_redirect(&self) {
        self.tracking.fetch_or(flag::TRACKING_BROKEN, Ordering::Relaxed);
    }

    /// Whether that is known.
    pub fn is_redirect_broken(&self) -> bool {
        self.tracking() & flag::TRACKING_BROKEN != 0
    }

    /// Its protocol at the end of its last batch.
    pub fn protocol(&self) -> Protocol {
        if self.resp.load(Ordering::Relaxed) == 3 { Protocol::Resp3 } else { Protocol::Resp2 }
    }

    /// Its type.
    pub fn kind(&self) -> ClientType {
        let is_subscribed = self.subscriptions.iter().any(|cell| cell.load(Ordering::Relaxed) > 0);
        if is_subscribed { ClientType::PubSub } else { ClientType::Normal }
    }

    /// Whether someone asked for it to be closed.
    pub fn is_killed(&self) -> bool {
        self.killed.load(Ordering::Relaxed)
    }

    /// When it last sent something.
    pub fn last_ms(&self) -> UnixMs {
        self.last_ms.load(Ordering::Relaxed)
    }

    /// The line that CLIENT LIST shows, without its line feed. `argument_bytes` is the size of the command that the client is
    /// running, which only the client itself can know.
    pub fn describe(&self, now: UnixMs, argument_bytes: usize, line: &mut String) {
        let tracking = self.tracking();
        let flags = self.flags.load(Ordering::Relaxed) | tracking;
        let redirect = if tracking & flag::TRACKING != 0 { self.redirect() as i64 } else { -1 };
        let command = self.command.load(Ordering::Relaxed);
        let input = self.input_bytes.load(Ordering::Relaxed);
        let output = self.output_bytes.load(Ordering::Relaxed);
        let buffered = output.min(REPLY_CHUNK_BYTES);
        let (listed, chunks) = (output - buffered, (output - buffered).div_ceil(REPLY_CHUNK_BYTES));
        let multi = i64::from(self.queued.load(Ordering::Relaxed)) - 1;
        let queued = self.queued_bytes.load(Ordering::Relaxed);
        let subscriptions =
            [0, 1, 2].map(|kind: usize| self.subscriptions[kind].load(Ordering::Relaxed));
        let names = self.names();
        let user = self.user();
        let user = user.as_ref().map_or(DEFAULT_USER.as_bytes(), |user| user.name());
        let user = String::from_utf8_lossy(user);
        let Endpoint { address, local_address, descriptor, .. } = &self.endpoint;
        // Writing to a String cannot fail.
        let _ = write!(
            line,
            "id={} addr={address} laddr={local_address} fd={descriptor} name={} age={} idle={} flags=",
            self.id,
            names.name,
            now.saturating_sub(self.created_ms) / 1000,
            now.saturating_sub(self.last_ms()) / 1000,
        );
        push_flags(flags, line);
        let _ = write!(
            line,
            " db={} sub={} psub={} ssub={} multi={multi} qbuf={input} qbuf-free=0 argv-mem={argument_bytes} multi-mem={queued} rbs=0 rbp=0 \
             obl={buffered} oll={chunks} omem={listed} tot-mem={} events={} cmd={} user={user} redir={redirect} resp={} lib-name={} lib-ver={}",
            self.db.load(Ordering::Relaxed),
            subscriptions[0],
            subscriptions[1],
            subscriptions[2],
            CLIENT_BYTES + input + argument_bytes + output + queued,
            if output == 0 { "r" } else { "rw" },
            COMMANDS.get(command as usize).map_or("NULL", |spec| spec.full_name),
            self.resp.load(Ordering::Relaxed),
            names.library,
            names.library_version,
        );
    }
}

/// What an idle client takes: this record, its registration and its worker's connection, all rounded up.
const CLIENT_BYTES: usize = 1024;

/// Replies beyond this count as `omem` in CLIENT LIST, in `oll` pieces of this size, as where Redis keeps them behind a client's first buffer.
const REPLY_CHUNK_BYTES: usize = 16 * 1024;

fn push_flags(flags: u16, line: &mut String) {
    let letters =
        flag::LETTERS.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, letter)| letter);
    let start = line.len();
    line.extend(letters);
    if line.len() == start {
        line.push('N');
    }
}

/// The types by which CLIENT LIST and CLIENT KILL select.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientType {
    /// Ordinary and monitoring clients.
    Normal,
    /// Subscribed to a channel.
    PubSub,
    /// The server that we replicate from.
    Master,
    /// A server that replicates from us.
    Replica,
}

impl ClientType {
    /// The type of this name in any case.
    pub fn parse(name: &[u8]) -> Option<Self> {
        match name.to_ascii_lowercase().as_slice() {
            b"normal" => Some(ClientType::Normal),
            b"pubsub" => Some(ClientType::PubSub),
            b"master" => Some(ClientType::Master),
            b"slave" | b"replica" => Some(ClientType::Replica),
            _ => None,
        }
    }
}

/// Which clients CLIENT KILL closes: those that match every part that is given.
#[derive(Debug, Default)]
pub struct KillFilter<'a> {
    /// The client's address.
    pub address: Option<&'a [u8]>,
    /// Our address.
    pub local_address: Option<&'a [u8]>,
    /// Its id.
    pub id: Option<u64>,
    /// Its type.
    pub kind: Option<ClientType>,
    /// Who it is.
    pub user: Option<Arc<User>>,
    /// Connected for at least this many seconds.
    pub age_seconds_min: Option<u64>,
    /// Never this client.
    pub skip: Option<u64>,
}

impl KillFilter<'_> {
    fn matches(&self, client: &ClientInfo, now: UnixMs) -> bool {
        let is = |wanted: Option<&[u8]>, have: &str| wanted.is_none_or(|w| w == have.as_bytes());
        is(self.address, &client.endpoint.address)
            && is(self.local_address, &client.endpoint.local_address)
            && self.id.is_none_or(|id| id == client.id)
            && self.kind.is_none_or(|kind| kind == client.kind())
            && self
                .user
                .as_ref()
                .is_none_or(|user| client.user().is_some_and(|own| Arc::ptr_eq(&own, user)))
            && self
                .age_seconds_min
                .is_none_or(|age| now.saturating_sub(client.created_ms) / 1000 >= age)
            && self.skip != Some(client.id)
    }
}

/// Which commands a pause holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PauseMode {
    /// Those that may write.
    Write,
    /// All.
    All,
}

/// A pause in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// When it ends.
    pub until: UnixMs,
    /// What it holds.
    pub mode: PauseMode,
}

/// All connected clients.
#[derive(Debug, Default)]
pub struct Clients {
    /// How to reach the threads that serve them.
    pub mailboxes: Mailboxes,
    by_id: DashMap<u64, Arc<ClientInfo>>,
    last_id: AtomicU64,
    connected: AtomicUsize,
    blocked: AtomicUsize,
    monitors: AtomicUsize,
    /// `until << 1 | all`; 0 is no pause. One word, so that the pipeline's check is one load.
    pause: AtomicU64,
}

// The counters and the pause are relaxed: each stands alone. A worker may act on a pause a moment late, as if the commands it
// runs in that moment had come before it.
impl Clients {
    /// Registers a connection that `worker` is going to serve.
    pub fn register(&self, endpoint: Endpoint, worker: usize, now: UnixMs) -> Arc<ClientInfo> {
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let client = Arc::new(ClientInfo::new(id, endpoint, worker, now));
        self.connected.fetch_add(1, Ordering::Relaxed);
        self.by_id.insert(id, Arc::clone(&client));
        client
    }

    /// A record for commands that come from no connection of this node. It is in no list and cannot be killed.
    pub fn unregistered(&self, endpoint: Endpoint, worker: usize, now: UnixMs) -> Arc<ClientInfo> {
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        Arc::new(ClientInfo::new(id, endpoint, worker, now))
    }

    /// Forgets a connection. Harmless where it is forgotten already.
    pub fn unregister(&self, id: u64) {
        if self.by_id.remove(&id).is_some() {
            self.connected.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// The client of this id.
    pub fn get(&self, id: u64) -> Option<Arc<ClientInfo>> {
        self.by_id.get(&id).map(|client| Arc::clone(&client))
    }

    /// All clients, the oldest first.
    pub fn all(&self) -> Vec<Arc<ClientInfo>> {
        let mut clients: Vec<_> =
            self.by_id.iter().map(|entry| Arc::clone(entry.value())).collect();
        clients.sort_unstable_by_key(|client| client.id);
        clients
    }

    /// Number of connected clients.
    pub fn connected(&self) -> usize {
        self.connected.load(Ordering::Relaxed)
    }

    /// Number of clients that a pause holds.
    pub fn blocked(&self) -> usize {
        self.blocked.load(Ordering::Relaxed)
    }

    /// A client became held (`true`) or free again.
    pub fn count_blocked(&self, held: bool) {
        if held {
            self.blocked.fetch_add(1, Ordering::Relaxed);
        } else {
            self.blocked.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// The greatest amounts of input and output that any one client has waiting, in bytes.
    pub fn buffers_bytes_max(&self) -> (usize, usize) {
        self.by_id.iter().fold((0, 0), |(input, output), client| {
            (
                input.max(client.input_bytes.load(Ordering::Relaxed)),
                output.max(client.output_bytes.load(Ordering::Relaxed)),
            )
        })
    }

    /// Bytes that all clients take together.
    pub fn memory_bytes(&self) -> usize {
        self.by_id
            .iter()
            .map(|client| {
                CLIENT_BYTES
                    + client.input_bytes.load(Ordering::Relaxed)
                    + client.output_bytes.load(Ordering::Relaxed)
            })
            .sum()
    }

    /// Closes every client that matches but `caller`, which has to close itself. Returns how many matched, and whether the
    /// caller is among them. From the return on, none of them runs another command than the one it may be running.
    pub fn kill(&self, filter: &KillFilter<'_>, caller: u64, now: UnixMs) -> (usize, bool) {
        let mut count = 0;
        let mut caller_matches = false;
        for client in self.all().iter().filter(|client| filter.matches(client, now)) {
            count += 1;
            if client.id == caller {
                caller_matches = true;
                continue;
            }
            client.expel();
            self.unregister(client.id);
            if let Some(mailbox) = self.mailboxes.workers().get(client.worker) {
                let slot = client.slot.load(Ordering::Relaxed);
                mailbox.send(Message::Kill { slot, id: client.id });
            }
        }
        (count, caller_matches)
    }

    /// Holds commands until `until`. A pause in force is only ever lengthened and made stricter.
    pub fn pause(&self, until: UnixMs, mode: PauseMode, now: UnixMs) {
        let merge = |word: u64| {
            let current = unpack_pause(word).filter(|pause| pause.until > now);
            let until = current.map_or(until, |pause| pause.until.max(until));
            let all = mode == PauseMode::All || current.is_some_and(|p| p.mode == PauseMode::All);
            Some(if until > now { until.min(PAUSE_UNTIL_MAX) << 1 | u64::from(all) } else { 0 })
        };
        // The closure never declines.
        let _ = self.pause.fetch_update(Ordering::Relaxed, Ordering::Relaxed, merge);
    }

    /// Ends a pause.
    pub fn unpause(&self) {
        self.pause.store(0, Ordering::Relaxed);
        self.mailboxes.broadcast(&Message::Resume);
    }

    /// The pause in force.
    #[inline]
    pub fn paused(&self, now: UnixMs) -> Option<Pause> {
        let word = self.pause.load(Ordering::Relaxed);
        // The common case is to be one comparison with zero, and nothing taken apart.
        if word == 0 {
            return None;
        }
        unpack_pause(word).filter(|pause| pause.until > now)
    }

    /// Whether any client monitors.
    pub fn is_monitored(&self) -> bool {
        self.monitors.load(Ordering::Relaxed) != 0
    }

    /// Number of monitoring clients.
    pub fn monitors(&self) -> usize {
        self.monitors.load(Ordering::Relaxed)
    }

    /// A client of `worker` started (`true`) or stopped monitoring.
    pub fn count_monitor(&self, worker: usize, started: bool) {
        self.mailboxes.count_monitor(worker, started);
        if started {
            self.monitors.fetch_add(1, Ordering::Relaxed);
        } else {
            self.monitors.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// The latest end of a pause, so that it fits 63 bits.
const PAUSE_UNTIL_MAX: UnixMs = u64::MAX >> 1;

fn unpack_pause(word: u64) -> Option<Pause> {
    let mode = if word & 1 == 1 { PauseMode::All } else { PauseMode::Write };
    (word != 0).then_some(Pause { until: word >> 1, mode })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(port: u16) -> Endpoint {
        Endpoint {
            address: format!("127.0.0.1:{port}").into(),
            local_address: "127.0.0.1:6379".into(),
            descriptor: 8,
            unix_socket: false,
        }
    }

    #[test]
    fn a_client_is_described_in_redis_order() {
        let clients = Clients::default();
        let client = clients.register(endpoint(5000), 0, 10_000);
        client.names().name = "me".into();
        client.publish(&Activity { last_ms: 12_000, db: 3, resp: 3, ..Activity::default() });
        let mut line = String::new();
        client.describe(15_500, 10, &mut line);
        assert_eq!(
            line,
            "id=1 addr=127.0.0.1:5000 laddr=127.0.0.1:6379 fd=8 name=me age=5 idle=3 flags=N db=3 sub=0 psub=0 \
             ssub=0 multi=-1 qbuf=0 qbuf-free=0 argv-mem=10 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=1034 \
             events=r cmd=NULL user=default redir=-1 resp=3 lib-name= lib-ver="
        );
    }

    /// All that a client left unread stood in `obl`, and `omem`, which tools watch, was 0.
    #[test]
    fn replies_beyond_the_first_buffer_are_told_apart() {
        let clients = Clients::default();
        let client = clients.register(endpoint(5000), 0, 0);
        let check = |output_bytes, expected: &str| {
            client.publish(&Activity { output_bytes, ..Activity::default() });
            let mut line = String::new();
            client.describe(0, 0, &mut line);
            assert!(line.contains(expected), "{expected} in {line}");
        };
        check(16_384, " obl=16384 oll=0 omem=0 tot-mem=17408 events=rw ");
        check(50_000, " obl=16384 oll=3 omem=33616 tot-mem=51024 events=rw ");
    }

    #[test]
    fn kill_takes_those_that_match_every_part() {
        let clients = Clients::default();
        let first = clients.register(endpoint(1), 0, 0);
        let second = clients.register(endpoint(2), 0, 9_000);
        let by_address = KillFilter { address: Some(b"127.0.0.1:1"), ..KillFilter::default() };
        assert_eq!(clients.kill(&by_address, second.id, 0), (1, false));
        assert!(first.is_killed() && !second.is_killed());
        assert_eq!(clients.connected(), 1);

        let old = KillFilter { age_seconds_min: Some(2), ..KillFilter::default() };
        assert_eq!(clients.kill(&old, 99, 10_000), (0, false));
        let me = KillFilter { id: Some(second.id), ..KillFilter::default() };
        assert_eq!(clients.kill(&me, second.id, 0), (1, true));
        assert!(!second.is_killed(), "the caller closes itself");
        let skipped = KillFilter { skip: Some(second.id), ..KillFilter::default() };
        assert_eq!(clients.kill(&skipped, second.id, 0), (0, false));
    }

    #[test]
    fn a_pause_only_grows() {
        let clients = Clients::default();
        clients.pause(100, PauseMode::All, 0);
        clients.pause(50, PauseMode::Write, 0);
        assert_eq!(clients.paused(99), Some(Pause { until: 100, mode: PauseMode::All }));
        assert_eq!(clients.paused(100), None);
        clients.pause(300, PauseMode::Write, 200);
        assert_eq!(clients.paused(200), Some(Pause { until: 300, mode: PauseMode::Write }));
        clients.unpause();
        assert_eq!(clients.paused(200), None);
    }
}
