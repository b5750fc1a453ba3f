//! The one running node, shared by all its threads.

use super::blocked::Blocked;
use super::clients::{Clients, KillFilter};
use super::latency::Latency;
use super::mailbox::Mailbox;
use super::memory;
use super::pubsub::PubSub;
use super::pubsub::notify::Events;
use super::slowlog::SlowLog;
use super::stats::Stats;
use super::tracking::{Runner, Tracking};
use crate::base::clock::{Clock, UnixMs};
use crate::base::rng::Rng;
use crate::cluster::ClusterHandle;
use crate::cluster::route::Route;
use crate::config::{ChannelDefault, SetError, Settings};
use crate::script::Scripts;
use crate::security::acl::{Acl, Changed, User};
use crate::security::tls::Tls;
use crate::store::{ChangedKey, Store, StoreOptions};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use torc_protocol::slot::slot_of;

/// Shared state of the process.
#[derive(Debug)]
pub struct Instance {
    /// The time.
    pub clock: Clock,
    /// The data.
    pub store: Store,
    /// The ring, if the node is part of one.
    pub cluster: ClusterHandle,
    /// The settings in force.
    pub settings: Settings,
    /// What clients that come by TLS are shown, and must show.
    pub tls: Tls,
    /// The counters.
    pub stats: Stats,
    /// The slow log.
    pub slowlog: SlowLog,
    /// The latency events.
    pub latency: Latency,
    /// Who is connected.
    pub clients: Clients,
    /// The users, and what each may do.
    pub acl: Acl,
    /// Who waits in a blocking command.
    pub blocked: Blocked,
    /// Who is subscribed to what.
    pub pubsub: PubSub,
    /// Who hears when what they have read changes.
    pub tracking: Tracking,
    /// The scripts that it knows.
    pub scripts: Scripts,
    /// 40 hexadecimal digits that name this run of the process.
    pub run_id: String,
    /// When the node started, in milliseconds since the Unix epoch.
    pub started_ms: UnixMs,
    started: Duration,
    /// 40 hexadecimal digits that name the data's history, for ROLE and INFO; DEBUG CHANGE-REPL-ID draws a new one.
    history: [AtomicU64; 3],
    /// Whether expired keys are swept in the background (DEBUG SET-ACTIVE-EXPIRE).
    active_expire: AtomicBool,
    /// Whether scripts may look into the node as test suites do (DEBUG SET-DISABLE-DENY-SCRIPTS).
    debug_in_scripts: AtomicBool,
    /// Bytes the allocator had given out when the node was ready.
    memory_startup_bytes: u64,
    shutdown: AtomicBool,
    shutdown_waker: OnceLock<Waker>,
}

/// Called once when a shutdown is asked for.
struct Waker(Box<dyn Fn() + Send + Sync>);

impl std::fmt::Debug for Waker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Waker")
    }
}

/// Keys that one step takes out of the table of client-side caching at most: a few milliseconds.
const TRACKED_KEYS_TRIMMED_MAX: usize = 10_000;

/// Threads that touch the store besides the workers: the acceptor's timers and a test's own.
const STORE_THREADS_EXTRA: usize = 4;

impl Instance {
    /// A node that has no data and no clients yet.
    pub fn new(settings: Settings, clock: Clock, seed: u64) -> Self {
        let mut rng = Rng::seeded(seed);
        let workers = settings.worker_count();
        let options = StoreOptions {
            hash: settings.hash(),
            seed: rng.bits(),
            // Each worker has a second one, for its clients while a script keeps the first; see `net::worker::attend`.
            threads: 2 * workers + STORE_THREADS_EXTRA,
        };
        let instance = Instance {
            store: Store::new(options),
            cluster: ClusterHandle::default(),
            tls: Tls::default(),
            stats: Stats::new(workers),
            slowlog: SlowLog::new(usize::try_from(settings.slowlog_max_len()).unwrap_or(0)),
            latency: Latency::default(),
            clients: Clients::default(),
            acl: Acl::default(),
            blocked: Blocked::default(),
            pubsub: PubSub::new(workers),
            tracking: Tracking::new(workers),
            scripts: Scripts::default(),
            run_id: hex40([rng.bits(), rng.bits(), rng.bits()]),
            started_ms: clock.unix_ms(),
            started: clock.monotonic(),
            history: [rng.bits(), rng.bits(), rng.bits()].map(AtomicU64::new),
            active_expire: AtomicBool::new(true),
            debug_in_scripts: AtomicBool::new(false),
            memory_startup_bytes: memory::allocated_bytes().unwrap_or(0),
            shutdown: AtomicBool::new(false),
            shutdown_waker: OnceLock::new(),
            clock,
            settings,
        };
        instance.apply_settings();
        instance.acl.set_default_password(instance.settings.requirepass().as_bytes());
        instance
    }

    /// CONFIG SET: changes all of `pairs`, or none and says why, and tells those who keep copies.
    pub fn configure(&self, pairs: &[(&str, &str)]) -> Result<(), SetError> {
        let touches_tls =
            pairs.iter().find(|(name, _)| name.to_ascii_lowercase().starts_with("tls-"));
        self.settings.set_if(pairs, |draft| match touches_tls {
            Some((name, _)) if draft.has_tls_port() => self.tls.load(draft).map_err(|error| {
                tracing::warn!(%error, "CONFIG SET refused: TLS goes on with the files as they were");
                let reason = "Unable to update TLS configuration. Check server logs.".to_owned();
                SetError::Refused { name: name.to_ascii_lowercase(), reason }
            }),
            _ => Ok(()),
        })?;
        self.apply_settings();
        if pairs.iter().any(|(name, _)| name.eq_ignore_ascii_case("requirepass")) {
            self.acl.set_default_password(self.settings.requirepass().as_bytes());
        }
        let mut rng = Rng::seeded(self.clock.unix_us());
        self.trim_tracking(&mut Runner::nobody(usize::MAX), &mut rng);
        Ok(())
    }

    /// Keeps the table of client-side caching to `tracking-table-max-keys`. Its readers hold it to that themselves, unless the setting is lowered.
    pub fn trim_tracking(&self, runner: &mut Runner<'_>, rng: &mut Rng) {
        let keys_max = self.settings.tracking_table_max_keys().max(0) as u64;
        let most = (keys_max, TRACKED_KEYS_TRIMMED_MAX);
        self.tracking.trim(&self.clients, runner, most, rng);
    }

    /// Tells clients that track, here and at other nodes, of keys that were changed.
    pub fn settle_changes(&self, runner: &mut Runner<'_>, changes: Vec<ChangedKey>) {
        let (routes, is_alone) = (self.cluster.routes(), !self.cluster.is_enabled());
        let serves = |key: &[u8]| is_alone || routes.get(slot_of(key)) == Route::Serve;
        self.tracking.settle(&self.clients, runner, changes, serves);
    }

    /// Hands the settings to those who keep copies, so that their hot paths read their own memory.
    fn apply_settings(&self) {
        fn narrow(value: i64) -> u32 {
            u32::try_from(value).unwrap_or(if value < 0 { 0 } else { u32::MAX })
        }
        let (settings, limits) = (&self.settings, self.store.limits());
        limits.set_policy(settings.maxmemory_policy());
        limits.set_samples(narrow(settings.maxmemory_samples()));
        limits.set_lfu(narrow(settings.lfu_decay_time()), narrow(settings.lfu_log_factor()));
        limits.set_maxmemory(settings.maxmemory());
        let shapes = self.store.shapes();
        shapes.set_hash(settings.hash_max_listpack_entries(), settings.hash_max_listpack_value());
        shapes.set_set(
            settings.set_max_listpack_entries(),
            settings.set_max_listpack_value(),
            settings.set_max_intset_entries(),
        );
        shapes.set_zset(settings.zset_max_listpack_entries(), settings.zset_max_listpack_value());
        shapes.set_list(settings.list_max_listpack_size());
        let entries = settings.stream_node_max_entries();
        shapes.set_stream(settings.stream_node_max_bytes(), entries.max(0).unsigned_abs());
        let events = Events::parse(&settings.notify_keyspace_events());
        limits.set_notices(events.of_store());
        self.pubsub.set_events(events);
        self.slowlog.set_len_max(usize::try_from(settings.slowlog_max_len()).unwrap_or(0));
        self.acl.log.set_len_max(usize::try_from(settings.acllog_max_len()).unwrap_or(0));
        self.acl.set_all_channels(settings.acl_pubsub_default() == ChannelDefault::AllChannels);
        self.latency.set_threshold_ms(settings.latency_monitor_threshold().max(0) as u64);
        self.stats.track_latency(settings.latency_tracking());
        super::logging::set_level(settings.loglevel());
    }

    /// Disconnects the clients of users that were deleted. Returns whether `caller` is among them, who has to close itself.
    pub fn settle_deleted(&self, deleted: &[Arc<User>], caller: u64, now: UnixMs) -> bool {
        let mut ends_caller = false;
        for user in deleted {
            let filter = KillFilter { user: Some(Arc::clone(user)), ..KillFilter::default() };
            ends_caller |= self.clients.kill(&filter, caller, now).1;
        }
        self.wake_workers();
        ends_caller
    }

    /// Disconnects clients of a changed user that are subscribed to what it may not hear any more, but not `caller`, who sees for himself. A client that subscribes at this moment is looked at by
    /// its worker.
    pub fn settle_changed(&self, changed: &Changed, caller: u64, now: UnixMs) {
        let rights = changed.user.rights();
        if !rights.keeps_channels(&changed.before) {
            let is_of_user = |id| {
                let user = self.clients.get(id).and_then(|client| client.user());
                user.is_some_and(|user| Arc::ptr_eq(&user, &changed.user))
            };
            let offenders = self.pubsub.offenders(|id, is_pattern, name| {
                !rights.has_channel(name, is_pattern) && is_of_user(id)
            });
            for id in offenders {
                let filter = KillFilter { id: Some(id), ..KillFilter::default() };
                self.clients.kill(&filter, caller, now);
            }
        }
        self.wake_workers();
    }

    fn wake_workers(&self) {
        self.clients.mailboxes.workers().iter().for_each(Mailbox::wake);
    }

    /// Takes a sample for the rates of INFO. One worker calls this about every 100 ms.
    pub fn sample(&self, now: UnixMs) {
        self.stats.sample(now, self.used_memory_bytes());
    }

    /// Bytes the allocator has given out; what the store counts where the allocator does not tell.
    pub fn used_memory_bytes(&self) -> u64 {
        memory::allocated_bytes().unwrap_or_else(|| self.store.used_bytes())
    }

    /// Bytes the allocator had given out when the node started.
    pub fn memory_startup_bytes(&self) -> u64 {
        self.memory_startup_bytes
    }

    /// How long the node has run.
    pub fn uptime(&self) -> Duration {
        self.clock.monotonic().saturating_sub(self.started)
    }

    /// CONFIG RESETSTAT.
    pub fn reset_stats(&self) {
        self.stats.reset();
        self.store.reset_stats();
    }

    /// The name of the data's history.
    pub fn replication_id(&self) -> String {
        // Relaxed: read torn during a change, it is still 40 digits.
        hex40([0, 1, 2].map(|part: usize| self.history[part].load(Ordering::Relaxed)))
    }

    /// Draws a new name for the data's history.
    pub fn change_replication_id(&self) {
        let seed = self.clock.unix_us() ^ self.history[0].load(Ordering::Relaxed);
        let mut rng = Rng::seeded(seed);
        self.history.iter().for_each(|part| part.store(rng.bits(), Ordering::Relaxed));
    }

    /// Whether the sweeper of expired keys may run.
    pub fn is_active_expire(&self) -> bool {
        self.active_expire.load(Ordering::Relaxed)
    }

    /// Lets the sweeper of expired keys run, or not.
    pub fn set_active_expire(&self, on: bool) {
        self.active_expire.store(on, Ordering::Relaxed);
    }

    /// Whether scripts may call DEBUG and CLIENT LIST.
    pub fn is_debug_in_scripts(&self) -> bool {
        self.debug_in_scripts.load(Ordering::Relaxed)
    }

    /// Lets scripts call DEBUG and CLIENT LIST, or not.
    pub fn set_debug_in_scripts(&self, on: bool) {
        self.debug_in_scripts.store(on, Ordering::Relaxed);
    }

    /// Registers what wakes the node up when a shutdown is asked for. Only the first registration counts.
    pub fn on_shutdown(&self, wake: impl Fn() + Send + Sync + 'static) {
        // A second registration is dropped on purpose.
        let _ = self.shutdown_waker.set(Waker(Box::new(wake)));
        // SeqCst, here and below: of a request and a registration at the same time, one must see the other.
        if self.shutdown.load(Ordering::SeqCst) {
            self.wake_for_shutdown();
        }
    }

    /// Asks the node to finish what it has begun, and stop.
    pub fn request_shutdown(&self) {
        // Nothing is kept, so that no script has to come to its end.
        self.scripts.standing.stop();
        if !self.shutdown.swap(true, Ordering::SeqCst) {
            self.wake_for_shutdown();
        }
    }

    fn wake_for_shutdown(&self) {
        if let Some(Waker(wake)) = self.shutdown_waker.get() {
            wake();
        }
    }

    /// Whether a shutdown was asked for.
    #[inline]
    pub fn is_shutdown_requested(&self) -> bool {
        self.shutdown.load(Ordering::SeqCst)
    }
}

/// The first 40 digits of three numbers.
fn hex40(parts: [u64; 3]) -> String {
    let mut text = String::with_capacity(48);
    for part in parts {
        let _ = write!(text, "{part:016x}");
    }
    text.truncate(40);
    text
}
