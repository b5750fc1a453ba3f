//! The acceptor: owns the listening sockets, turns away whom it must, and hands everyone else to the worker with the fewest connections.
//!
//! It runs on the main thread, which also hears the signals; it never touches a key.

use super::listener::{Incoming, Listener};
use super::ring::shared::{Mail, Shared};
use super::worker::Accepted;
use crate::admin::Instance;
use crate::admin::clients::Endpoint;
use crate::security::{self, ProtectedMode};
use crossbeam_channel::Sender;
use mio::net::UnixStream;
use mio::{Events, Interest, Poll, Token};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::io::{self, Read as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Token of the waker; see [`Acceptor::new`].
pub(super) const WAKE: Token = Token(usize::MAX);
const SIGNAL: Token = Token(usize::MAX - 1);

/// Connections accepted in a row before signals are looked at again.
const ACCEPTS_MAX: usize = 1_000;

/// Pause after a failure to accept, such as too many open files, so that it is not tried in a loop.
const BACK_OFF: Duration = Duration::from_millis(100);

/// The way to a worker for new connections.
#[derive(Debug)]
pub(super) struct Port {
    pub sender: Sender<Accepted>,
    /// Connections that the worker has or is about to get.
    pub load: Arc<AtomicUsize>,
}

/// See the module.
pub(super) struct Acceptor {
    instance: Arc<Instance>,
    poll: Poll,
    listeners: Vec<Listener>,
    /// Which listeners may have more to accept.
    ready: Vec<bool>,
    ports: Vec<Port>,
    signals: UnixStream,
    /// Whether one of the signals was SIGINT.
    interrupted: Arc<AtomicBool>,
    /// The ring, which the node leaves before it ends.
    ring: Option<Arc<Shared>>,
    leaving: bool,
    backing_off: bool,
    /// Whether the last accept failed, so that a long failure is logged once.
    failing: bool,
}

impl Acceptor {
    /// Registers the listeners and the signals with `poll`, which someone else's waker uses under [`WAKE`].
    ///
    /// # Errors
    /// The system has no descriptors or memory left.
    pub fn new(
        instance: Arc<Instance>,
        poll: Poll,
        mut listeners: Vec<Listener>,
        ports: Vec<Port>,
        ring: Option<Arc<Shared>>,
    ) -> io::Result<Self> {
        for (index, listener) in listeners.iter_mut().enumerate() {
            listener.register(poll.registry(), Token(index))?;
        }
        let (sender, receiver) = std::os::unix::net::UnixStream::pair()?;
        receiver.set_nonblocking(true)?;
        let interrupted = Arc::new(AtomicBool::new(false));
        // Before the byte that tells of it: actions of a signal run in the order in which they were registered.
        signal_hook::flag::register(SIGINT, Arc::clone(&interrupted))?;
        for signal in [SIGTERM, SIGINT] {
            signal_hook::low_level::pipe::register(signal, sender.try_clone()?)?;
        }
        // A lost terminal does not stop a server, as in Redis: the signal is caught and nothing comes of it.
        signal_hook::flag::register(SIGHUP, Arc::new(AtomicBool::new(false)))?;
        let mut signals = UnixStream::from_std(receiver);
        poll.registry().register(&mut signals, SIGNAL, Interest::READABLE)?;
        let ready = vec![false; listeners.len()];
        Ok(Acceptor {
            instance,
            poll,
            listeners,
            ready,
            ports,
            signals,
            interrupted,
            ring,
            leaving: false,
            backing_off: false,
            failing: false,
        })
    }

    /// Accepts until the process is asked to stop.
    ///
    /// # Errors
    /// The poll fails, which means that the process is broken.
    pub fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(64);
        while !self.instance.is_shutdown_requested() {
            let timeout = match (self.backing_off, self.ready.contains(&true)) {
                (true, _) => Some(BACK_OFF),
                (false, true) => Some(Duration::ZERO),
                (false, false) => None,
            };
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for event in &events {
                match event.token() {
                    WAKE => {}
                    SIGNAL => self.on_signal(),
                    Token(index) => self.ready[index] = true,
                }
            }
            self.backing_off = false;
            for index in 0..self.listeners.len() {
                if self.ready[index] {
                    self.ready[index] = self.accept(index);
                }
            }
        }
        Ok(())
    }

    fn on_signal(&mut self) {
        let mut bytes = [0; 16];
        let mut count = 0;
        while let Ok(read @ 1..) = self.signals.read(&mut bytes) {
            count += read;
        }
        // SIGTERM is how a supervisor ends a node in good order; whoever interrupts it at a terminal, or asks twice, wants it gone.
        let at_once = self.leaving || count > 1 || self.interrupted.load(Ordering::Relaxed);
        match &self.ring {
            Some(ring) if !at_once && self.instance.settings.leave_timeout() > 0 => {
                tracing::info!("asked to stop by a signal: leaving the ring first");
                self.leaving = true;
                ring.tell(Mail::Leave);
            }
            _ => {
                tracing::info!("asked to stop by a signal");
                self.instance.request_shutdown();
            }
        }
    }

    /// Accepts what waits at one listener. Returns whether more may wait.
    fn accept(&mut self, index: usize) -> bool {
        for _ in 0..ACCEPTS_MAX {
            let keepalive_seconds = self.instance.settings.tcp_keepalive();
            match self.listeners[index].accept(keepalive_seconds, &self.instance.tls) {
                Ok(incoming) => {
                    self.failing = false;
                    self.admit(incoming);
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return false,
                    // The client was gone before it was accepted.
                    io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::ConnectionReset
                    | io::ErrorKind::Interrupted => {}
                    _ => {
                        if !self.failing {
                            tracing::warn!(%error, "cannot accept connections; trying again until it works");
                        }
                        self.failing = true;
                        self.backing_off = true;
                        return true;
                    }
                },
            }
        }
        true
    }

    fn admit(&mut self, incoming: Incoming) {
        let Incoming { mut stream, address, local_address, ip, port: kind } = incoming;
        let Instance { stats, settings, clients, clock, .. } = &*self.instance;
        let full = clients.connected() as i64 >= settings.maxclients();
        let refused = !ProtectedMode::of(settings, &self.instance.acl).admits(ip);
        if full || refused {
            stats.connection_rejected();
            tracing::debug!(%address, full, "refused");
            // At best: the client may be gone, and nobody waits for it. By TLS nothing can be said yet, so that it sees no more than the end, as in Redis.
            let _ = stream.write(if full {
                b"-ERR max number of clients reached\r\n"
            } else {
                security::REFUSED
            });
            return;
        }
        stats.connection_accepted();
        // Relaxed: an estimate is enough to spread connections.
        let load = |port: &Port| port.load.load(Ordering::Relaxed);
        let standing = &self.instance.scripts.standing;
        let rank = |&(worker, port): &(usize, &Port)| (standing.is_deaf(worker), load(port));
        let Some((worker, port)) = self.ports.iter().enumerate().min_by_key(rank) else { return };
        port.load.fetch_add(1, Ordering::Relaxed);
        let descriptor = stream.descriptor();
        let unix_socket = ip.is_none();
        let endpoint = Endpoint { address, local_address, descriptor, unix_socket };
        let info = clients.register(endpoint, worker, clock.unix_ms());
        tracing::debug!(client = info.id, address = %info.endpoint.address, worker, "connected");
        let id = info.id;
        if port.sender.send(Accepted { stream, info, port: kind }).is_err() {
            // The worker is gone, and the process about to go.
            clients.unregister(id);
        }
        if let Some(mailbox) = clients.mailboxes.workers().get(worker) {
            mailbox.wake();
        }
    }
}
