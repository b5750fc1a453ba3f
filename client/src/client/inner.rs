//! What clones of a client share: the view of the servers, and the choice of a node.

use super::fetch;
use crate::base::{clock, lock, rng};
use crate::coalesce::Coalescer;
use crate::config::{Address, Config, ReadFrom};
use crate::connection::Endpoint;
use crate::error::{Applied, Error, ErrorKind, Result};
use crate::metrics::Event;
use crate::node::{Node, Role, Surroundings};
use crate::request::Request;
use crate::retry::Budget;
use crate::session::Session;
use crate::topology::{Reason, Refresh, Table};
use arc_swap::ArcSwap;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Notify;
use torc_protocol::slot::Slot;

/// What is known of the servers, never changed: a new one takes its place.
#[derive(Debug)]
pub(crate) struct View {
    /// All that are known; without a cluster the seeds.
    pub nodes: Vec<Arc<Node>>,
    /// `None` without a cluster.
    pub routes: Option<Routes>,
    /// Whether they are Torc.
    pub is_torc: bool,
}

/// Who serves what, as nodes.
#[derive(Debug)]
pub(crate) struct Routes {
    pub table: Table,
    /// By node of the table, its zone.
    pub zones: HashMap<String, String>,
    pub shards: Vec<Vec<Arc<Node>>>,
}

impl View {
    pub(crate) fn is_cluster(&self) -> bool {
        self.routes.is_some()
    }

    /// The nodes that keep a slot, the primary first; none where nobody is known to.
    #[inline]
    pub(crate) fn keepers(&self, slot: Slot) -> &[Arc<Node>] {
        let Some(routes) = &self.routes else { return &self.nodes };
        let shard = routes.table.slots[slot.index()];
        routes.shards.get(usize::from(shard)).map_or(&[], Vec::as_slice)
    }

    /// Every node that serves something.
    pub(crate) fn primaries(&self) -> Vec<Arc<Node>> {
        let Some(routes) = &self.routes else {
            return self.nodes.first().cloned().into_iter().collect();
        };
        let mut primaries: Vec<Arc<Node>> = Vec::new();
        for shard in &routes.shards {
            if let Some(primary) = shard.first()
                && !primaries.iter().any(|known| Arc::ptr_eq(known, primary))
            {
                primaries.push(Arc::clone(primary));
            }
        }
        primaries
    }
}

/// Where a request goes.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub node: Arc<Node>,
    pub role: Role,
}

pub(crate) struct Inner {
    pub config: Config,
    around: Arc<Surroundings>,
    pub view: ArcSwap<View>,
    pub budget: Budget,
    pub coalescer: Coalescer,
    /// Whether calls do more than go to one node and come back.
    pub is_special: bool,
    /// What this client has written and read, where [`ReadFrom::Session`] asks for it.
    pub session: Option<Session>,
    /// Every node that was ever named, by address, so that a new view keeps its connections.
    known: Mutex<HashMap<Address, Weak<Node>>>,
    refresh: Mutex<Refresh>,
    refresh_wanted: Arc<Notify>,
    /// Which of several equal nodes is next.
    turn: AtomicUsize,
    /// Without a cluster: the seed that answered last.
    preferred: AtomicUsize,
    /// Without a cluster: whether the server keeps the versions of sessions, once it was asked.
    pub lone_keeps_tokens: OnceLock<bool>,
    is_closed: AtomicBool,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("view", &self.view.load()).finish_non_exhaustive()
    }
}

impl Inner {
    /// Asks the seeds what they are, and begins to keep the view fresh.
    pub(crate) async fn start(config: Config) -> Result<Arc<Inner>> {
        let handle = Handle::try_current()
            .map_err(|_| Error::usage("a client is made within a tokio runtime"))?;
        // A runtime cannot be asked whether it has time, and every call has a deadline. Whether it has I/O shows when the first connection is made.
        if std::panic::catch_unwind(|| drop(tokio::time::sleep(Duration::ZERO))).is_err() {
            return Err(Error::usage(
                "the tokio runtime has no time: build it with `enable_time`, or `enable_all`",
            ));
        }
        let workers = match handle.runtime_flavor() {
            RuntimeFlavor::CurrentThread => 1,
            _ => handle.metrics().num_workers(),
        };
        let around = Arc::new(Surroundings {
            endpoint: Endpoint::new(&config)?,
            breaker: config.breaker,
            lanes: config.connections_per_node.unwrap_or(workers).max(1),
            exclusive_max: config.blocking_connections_max,
            observer: config.observer.clone(),
        });
        let now = clock::now();
        let seeds = config.seeds.iter();
        let nodes: Vec<_> =
            seeds.map(|seed| Arc::new(Node::new(seed.clone(), Arc::clone(&around)))).collect();
        let known = nodes.iter().map(|node| (node.address().clone(), Arc::downgrade(node)));
        let inner = Arc::new(Inner {
            known: Mutex::new(known.collect()),
            view: ArcSwap::from_pointee(View { nodes, routes: None, is_torc: false }),
            budget: Budget::new(&config.retry, now),
            coalescer: Coalescer::default(),
            is_special: config.read_from == ReadFrom::Session
                || config.coalesce
                || config.hedge_after.is_some()
                || !config.consistency.is_default(),
            session: (config.read_from == ReadFrom::Session).then(Session::default),
            refresh: Mutex::new(Refresh::new(config.refresh_interval, now, rng::unit())),
            refresh_wanted: Arc::new(Notify::new()),
            turn: AtomicUsize::new(rng::below(64)),
            preferred: AtomicUsize::new(0),
            lone_keeps_tokens: OnceLock::new(),
            is_closed: AtomicBool::new(false),
            around,
            config,
        });
        let mut last = None;
        let first = fetch::first(&inner, &mut last);
        let outcome = tokio::time::timeout(inner.config.call_timeout, first).await;
        outcome.unwrap_or_else(|_| {
            let (kind, message) = (ErrorKind::Connection, "no server answers within call_timeout");
            Err(match last {
                Some(last) => Error::caused(kind, Applied::No, format!("{message}: {last}"), last),
                None => Error::new(kind, Applied::No, message),
            })
        })?;
        if inner.view.load().is_cluster() {
            tokio::spawn(fetch::keep_fresh(Arc::downgrade(&inner)));
        }
        Ok(inner)
    }

    /// The node at `address`, known or new.
    pub(crate) fn node_at(&self, address: Address) -> Arc<Node> {
        let mut known = lock(&self.known);
        if let Some(node) = known.get(&address).and_then(Weak::upgrade) {
            return node;
        }
        known.retain(|_, node| node.strong_count() > 0);
        let node = Arc::new(Node::new(address.clone(), Arc::clone(&self.around)));
        known.insert(address, Arc::downgrade(&node));
        node
    }

    /// Something hints that the view is old.
    pub(crate) fn want_refresh(&self, reason: Reason) {
        lock(&self.refresh).want(reason);
        self.refresh_wanted.notify_one();
    }

    pub(super) fn refresh(&self) -> &Mutex<Refresh> {
        &self.refresh
    }

    pub(super) fn refresh_wanted(&self) -> Arc<Notify> {
        Arc::clone(&self.refresh_wanted)
    }

    /// Where `request` goes first.
    ///
    /// # Errors
    /// No node is known to serve its slot.
    #[inline]
    pub(crate) fn target(&self, view: &View, request: &Request) -> Result<Target> {
        if view.routes.is_none() {
            return Ok(self.seed(view));
        }
        let serving = |node: &Arc<Node>| Target { node: Arc::clone(node), role: Role::Serving };
        match request.slot() {
            None => self.any_node(view),
            Some(slot) => {
                let keepers = view.keepers(slot);
                if self.config.read_from != ReadFrom::Primary && request.is_read() {
                    return self.copy(view, keepers);
                }
                keepers.first().map(serving).ok_or_else(unserved)
            }
        }
    }

    /// Without a cluster: the seed that answered last, as long as it does.
    fn seed(&self, view: &View) -> Target {
        // Relaxed: any of them will do.
        let preferred = self.preferred.load(Ordering::Relaxed) % view.nodes.len();
        let node = Arc::clone(&view.nodes[preferred]);
        if view.nodes.len() > 1 && !node.is_well() {
            self.preferred.store(preferred + 1, Ordering::Relaxed);
        }
        Target { node, role: Role::Serving }
    }

    /// Without a cluster: the seed that answers.
    pub(super) fn set_preferred(&self, at: usize) {
        self.preferred.store(at, Ordering::Relaxed);
    }

    /// The seed at `preferred` failed: the next one's turn.
    pub(crate) fn seed_failed(&self, view: &View, node: &Arc<Node>) {
        if view.routes.is_none()
            && let Some(at) = view.nodes.iter().position(|it| Arc::ptr_eq(it, node))
        {
            // Relaxed: any of them will do.
            self.preferred.store((at + 1) % view.nodes.len(), Ordering::Relaxed);
        }
    }

    /// A node that is well, for what has no key.
    fn any_node(&self, view: &View) -> Result<Target> {
        let primaries = view.primaries();
        let turn = self.next_turn();
        let count = primaries.len();
        let chosen = (0..count)
            .map(|at| &primaries[(turn + at) % count])
            .find(|node| node.is_well())
            .or(primaries.first());
        let node = Arc::clone(chosen.ok_or_else(unserved)?);
        Ok(Target { node, role: Role::Serving })
    }

    /// One of those who keep a slot, as the policy has it.
    pub(crate) fn copy(&self, view: &View, keepers: &[Arc<Node>]) -> Result<Target> {
        let primary = keepers.first().ok_or_else(unserved)?;
        let turn = self.next_turn();
        let in_turn = || (0..keepers.len()).map(|at| &keepers[(turn + at) % keepers.len()]);
        let chosen = match &self.config.read_from {
            ReadFrom::Primary => Some(primary),
            ReadFrom::Session if !view.is_torc => Some(primary),
            ReadFrom::Zone(zone) => in_turn()
                .find(|node| node.is_well() && view.zone_of(node) == Some(zone.as_str()))
                .or_else(|| in_turn().find(|node| node.is_well())),
            ReadFrom::Any | ReadFrom::Session => in_turn().find(|node| node.is_well()),
        };
        let node = chosen.unwrap_or(primary);
        // READONLY would let a copy answer whatever it has; a session's own level asks it first.
        let is_plain = self.config.read_from != ReadFrom::Session && !Arc::ptr_eq(node, primary);
        let role = if is_plain { Role::Copies } else { Role::Serving };
        Ok(Target { node: Arc::clone(node), role })
    }

    pub(crate) fn next_turn(&self) -> usize {
        // Relaxed: only that turns differ matters.
        self.turn.fetch_add(1, Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        // Relaxed: calls that overlap with closing may go either way.
        self.is_closed.load(Ordering::Relaxed)
    }

    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
        self.refresh_wanted.notify_one();
        let known: Vec<_> = lock(&self.known).values().filter_map(Weak::upgrade).collect();
        known.iter().for_each(|node| node.close());
    }

    #[inline]
    pub(crate) fn observe(&self, event: &Event<'_>) {
        if let Some(observer) = &self.config.observer {
            observer.observe(event);
        }
    }
}

impl View {
    fn zone_of(&self, node: &Arc<Node>) -> Option<&str> {
        let routes = self.routes.as_ref()?;
        let at = self.nodes.iter().position(|it| Arc::ptr_eq(it, node))?;
        // The nodes of a view stand in the order of its table.
        routes.zones.get(&routes.table.nodes.get(at)?.id).map(String::as_str)
    }
}

#[cold]
fn unserved() -> Error {
    Error::new(ErrorKind::Connection, Applied::No, "no node is known to serve the slot")
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}
