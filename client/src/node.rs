//! One server: its connections, shared and exclusive, and its breaker.

use crate::base::{clock, lock};
use crate::breaker::{Breaker, BreakerPolicy, Verdict};
use crate::config::Address;
use crate::connection::{Connection, Endpoint, PushSink, Relay, connect};
use crate::error::{Applied, Error, ErrorKind, Result};
use crate::metrics::{Event, Observer};
use arc_swap::ArcSwapOption;
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinError;

/// What a connection may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    /// Anything that the node serves.
    Serving,
    /// Reads of its copies too: a cluster's node answers those only where READONLY was said.
    Copies,
}

/// What all nodes of a client have in common.
pub(crate) struct Surroundings {
    pub endpoint: Endpoint,
    pub breaker: BreakerPolicy,
    pub lanes: usize,
    pub exclusive_max: usize,
    pub observer: Option<Arc<dyn Observer>>,
}

/// A server.
pub(crate) struct Node {
    address: Address,
    name: String,
    around: Arc<Surroundings>,
    serving: Box<[Lane]>,
    copies: Box<[Lane]>,
    /// What is found out about those who use the lanes.
    relay: Arc<Relay>,
    breaker: Mutex<Breaker>,
    /// Whether the breaker counts failures, so that calls have to ask it.
    is_suspect: AtomicBool,
    /// Connections that one caller at a time has to itself, while nobody has them.
    idle: Mutex<Vec<Arc<Connection>>>,
    exclusive: Arc<Semaphore>,
}

/// A place for one shared connection.
#[derive(Default)]
struct Lane {
    current: ArcSwapOption<Connection>,
    /// Held while connecting, so that all callers wait for the same attempt; when the last one failed, and why.
    dialling: tokio::sync::Mutex<Option<(Instant, Error)>>,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Node({})", self.name)
    }
}

thread_local! {
    /// The number of this thread, from which follows its lane.
    static THREAD: Cell<Option<usize>> = const { Cell::new(None) };
}

#[inline]
fn thread_number() -> usize {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = THREAD.try_with(|own| {
        own.get().unwrap_or_else(|| {
            // Relaxed: only that threads differ matters.
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            own.set(Some(number));
            number
        })
    });
    number.unwrap_or(0)
}

impl Node {
    pub(crate) fn new(address: Address, around: Arc<Surroundings>) -> Node {
        let lanes = || (0..around.lanes).map(|_| Lane::default()).collect();
        Node {
            name: address.to_string(),
            address,
            serving: lanes(),
            copies: lanes(),
            relay: Arc::default(),
            breaker: Mutex::new(Breaker::new(around.breaker)),
            is_suspect: AtomicBool::new(false),
            idle: Mutex::default(),
            exclusive: Arc::new(Semaphore::new(around.exclusive_max)),
            around,
        }
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// The address as text.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn lanes(&self, role: Role) -> &[Lane] {
        match role {
            Role::Serving => &self.serving,
            Role::Copies => &self.copies,
        }
    }

    /// Which lane is this thread's: the first, as long as one is enough for all.
    #[inline]
    fn lane_index(&self, role: Role) -> usize {
        if self.relay.is_on() { 0 } else { thread_number() % self.lanes(role).len() }
    }

    /// A connection that can be used at once.
    #[inline]
    pub(crate) fn ready(&self, role: Role) -> Option<Arc<Connection>> {
        // Relaxed: a hint; who finds it set asks the breaker itself.
        if self.is_suspect.load(Ordering::Relaxed) {
            return None;
        }
        let lane = &self.lanes(role)[self.lane_index(role)];
        lane.current.load_full().filter(|connection| !connection.is_closed())
    }

    /// A shared connection, made if there is none.
    ///
    /// # Errors
    /// The breaker is open, or the node cannot be connected to. Nothing was sent.
    pub(crate) async fn acquire(self: &Arc<Self>, role: Role) -> Result<Arc<Connection>> {
        if let Some(connection) = self.ready(role) {
            return Ok(connection);
        }
        self.ask_breaker()?;
        let (node, lane) = (Arc::clone(self), self.lane_index(role));
        // A task of its own: a caller who is polled once and then held would keep all those waiting who want the same connection.
        let connecting = tokio::spawn(async move { node.fill(role, lane).await });
        connecting.await.unwrap_or_else(|failed| Err(not_connected(failed)))
    }

    /// The connection of a lane, made if there is none.
    async fn fill(&self, role: Role, lane: usize) -> Result<Arc<Connection>> {
        let lane = &self.lanes(role)[lane];
        let usable = || lane.current.load_full().filter(|connection| !connection.is_closed());
        if let Some(connection) = usable() {
            return Ok(connection);
        }
        let begin = clock::now();
        let mut dialling = lane.dialling.lock().await;
        if let Some(connection) = usable() {
            return Ok(connection);
        }
        // An attempt that failed while we waited was ours too: else those who wait would try, and wait, one after the other.
        if let Some((at, error)) = &*dialling
            && *at >= begin
        {
            return Err(error.clone());
        }
        let dialled = self.dial_for(role, None, Arc::clone(&self.relay)).await;
        *dialling = dialled.as_ref().err().map(|error| (clock::now(), error.clone()));
        let connection = dialled?;
        lane.current.store(Some(Arc::clone(&connection)));
        Ok(connection)
    }

    /// A connection for one caller alone, which goes back when it is dropped.
    ///
    /// # Errors
    /// As [`Node::acquire`], or as many are in use as may be.
    pub(crate) async fn acquire_exclusive(self: &Arc<Self>) -> Result<Exclusive> {
        let permit = Arc::clone(&self.exclusive).try_acquire_owned().map_err(|_| {
            let message = "as many commands block as `blocking_connections_max` allows";
            Error::new(ErrorKind::Overloaded, Applied::No, message)
        })?;
        self.ask_breaker()?;
        let kept = {
            let mut idle = lock(&self.idle);
            idle.retain(|connection| !connection.is_closed());
            idle.pop()
        };
        let connection = match kept {
            Some(connection) => connection,
            None => self.dial(Role::Serving, None).await?,
        };
        Ok(Exclusive { node: Arc::clone(self), connection, is_clean: true, _permit: permit })
    }

    /// A new connection that is no lane.
    ///
    /// # Errors
    /// The node cannot be connected to.
    pub(crate) async fn dial(
        &self,
        role: Role,
        pushes: Option<PushSink>,
    ) -> Result<Arc<Connection>> {
        self.dial_for(role, pushes, Arc::default()).await
    }

    async fn dial_for(
        &self,
        role: Role,
        pushes: Option<PushSink>,
        relay: Arc<Relay>,
    ) -> Result<Arc<Connection>> {
        let around = &self.around;
        let reads_copies = role == Role::Copies;
        let dialled = connect(&around.endpoint, &self.address, reads_copies, pushes, relay).await;
        match &dialled {
            // A greeting proves little: a node may take connections and answer nothing else. The first reply closes the breaker.
            Ok(_) => self.observe(&Event::Connected { node: &self.name }),
            Err(error) => {
                self.fail();
                self.observe(&Event::ConnectFailed { node: &self.name, error });
            }
        }
        dialled
    }

    fn ask_breaker(&self) -> Result<()> {
        match lock(&self.breaker).ask(clock::now()) {
            Verdict::Allowed | Verdict::Trial => Ok(()),
            Verdict::Refused(_) => {
                let message =
                    format!("{} failed too often and is left alone for a while", self.name);
                Err(Error::new(ErrorKind::CircuitOpen, Applied::No, message))
            }
        }
    }

    /// Whether it would be asked now. Asking costs nothing, and promises nothing.
    pub(crate) fn is_well(&self) -> bool {
        !self.is_suspect.load(Ordering::Relaxed) || !lock(&self.breaker).is_open(clock::now())
    }

    /// It has answered.
    #[inline]
    pub(crate) fn succeed(&self) {
        if self.is_suspect.load(Ordering::Relaxed) {
            let closed = {
                let mut breaker = lock(&self.breaker);
                let closed = breaker.succeed();
                self.is_suspect.store(false, Ordering::Relaxed);
                closed
            };
            if closed {
                self.observe(&Event::BreakerClosed { node: &self.name });
            }
        }
    }

    /// It did not answer, or could not be reached.
    pub(crate) fn fail(&self) {
        let opened = {
            let mut breaker = lock(&self.breaker);
            let opened = breaker.fail(clock::now());
            self.is_suspect.store(breaker.is_troubled(), Ordering::Relaxed);
            opened
        };
        if opened {
            self.observe(&Event::BreakerOpened { node: &self.name });
        }
    }

    fn observe(&self, event: &Event<'_>) {
        if let Some(observer) = &self.around.observer {
            observer.observe(event);
        }
    }

    /// Ends all connections; whoever waits is told.
    pub(crate) fn close(&self) {
        for lane in self.serving.iter().chain(&self.copies) {
            if let Some(connection) = lane.current.swap(None) {
                connection.close();
            }
        }
        lock(&self.idle).drain(..).for_each(|connection| connection.close());
    }
}

/// Why a task that was to connect did not come to its end: mostly because the runtime has come to its own.
#[cold]
fn not_connected(failed: JoinError) -> Error {
    // A runtime cannot be asked whether it has I/O; it panics where it is needed.
    let panic = failed.try_into_panic().ok();
    let text = panic.as_ref().and_then(|panic| {
        panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied())
    });
    if text.is_some_and(|text| text.contains("enable_io")) {
        return Error::usage(
            "the tokio runtime has no I/O: build it with `enable_io`, or `enable_all`",
        );
    }
    Error::closed()
}

impl Drop for Node {
    fn drop(&mut self) {
        self.close();
    }
}

/// A connection that its holder has to itself. Dropped, it serves the next one, unless its holder left something behind.
#[derive(Debug)]
pub(crate) struct Exclusive {
    node: Arc<Node>,
    connection: Arc<Connection>,
    is_clean: bool,
    _permit: OwnedSemaphorePermit,
}

impl Exclusive {
    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Its state is not that of a new connection (a transaction was begun), or it is not known: nobody else is to have it until it is.
    pub(crate) fn set_clean(&mut self, is_clean: bool) {
        self.is_clean = is_clean;
    }
}

impl Drop for Exclusive {
    fn drop(&mut self) {
        // A reply that is still to come belongs to somebody who is gone.
        if self.is_clean && !self.connection.is_closed() && self.connection.in_flight() == 0 {
            lock(&self.node.idle).push(Arc::clone(&self.connection));
        } else {
            self.connection.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn threads_share_a_lane_as_long_as_their_callers_are_few() {
        let config = Config::from_url("redis://localhost").unwrap();
        let endpoint = Endpoint::new(&config).unwrap();
        let breaker = BreakerPolicy::default();
        let around = Surroundings { endpoint, breaker, lanes: 4, exclusive_max: 1, observer: None };
        let node = Node::new(Address::Tcp("localhost".into(), 1), Arc::new(around));
        let lanes = || -> Vec<usize> {
            let on_a_thread = |_| {
                let node = &node;
                std::thread::scope(|scope| {
                    scope.spawn(|| node.lane_index(Role::Serving)).join().unwrap()
                })
            };
            let mut lanes: Vec<usize> = (0..64).map(on_a_thread).collect();
            lanes.sort_unstable();
            lanes.dedup();
            lanes
        };
        assert_eq!(lanes(), [0]);
        assert!(!node.relay.begin(1_000, true));
        assert_eq!(lanes(), [0, 1, 2, 3]);
    }
}
