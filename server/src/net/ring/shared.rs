//! What the threads of a node have in common about its ring.

use super::conn::Conn;
use crate::admin::Instance;
use crate::cluster::NodeId;
use crate::node::link::{Admission, Config, Identity, Known, Now, Peer};
use crate::replication::slots::Slots;
use arc_swap::ArcSwap;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use mio::Waker;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use torc_protocol::peer::hello::Reason;
use torc_protocol::slot::Slot;

/// Letters to the control thread that may wait. Each is small, and what its loss costs stands beside it.
const MAIL_MAX: usize = 4_096;

/// Connections of peers on their way to a worker.
const ARRIVALS_MAX: usize = 4_096;

/// What the control thread is told.
#[derive(Debug)]
pub(in crate::net) enum Mail {
    /// A worker's data link to a node opened. When lost, what was written before is found when the two nodes compare in their turn.
    DataLinkUp(NodeId),
    /// Effects fell off a worker's log before a node was told of them. When lost, they are found when the two nodes compare in their turn.
    FellOff(NodeId),
    /// A data link heard a node. Once a second is enough; when lost, the next second's will do.
    Heard(NodeId),
    /// The answer to a question for a name, empty if there was none. When lost, it is asked for again.
    Resolved(String, Vec<SocketAddr>),
    /// A worker found that copies of a slot differ. When lost, it finds so again while anybody waits for it.
    Gap { slot: Slot, node: NodeId, is_here: bool },
    /// The node is to leave. When lost: whoever asked asks again.
    Leave,
}

/// A peer's data link, which is open, on its way to a worker.
pub(in crate::net) struct Arrival {
    pub conn: Conn,
    pub peer: Peer,
}

/// See the module.
pub(in crate::net) struct Shared {
    pub instance: Arc<Instance>,
    pub slots: Arc<Slots>,
    pub config: Arc<Config>,
    /// Who this node is to its peers. It changes if the node has to come back as a later run of itself.
    identity: ArcSwap<Identity>,
    /// Where peers are reached.
    directory: ArcSwap<HashMap<NodeId, SocketAddr>>,
    mail: Sender<Mail>,
    waker: Waker,
    /// The ways to the workers, by index.
    workers: OnceLock<Vec<Sender<Arrival>>>,
}

impl Shared {
    /// Shared state, and the control thread's end of its mail, which `waker` wakes.
    pub fn new(
        instance: Arc<Instance>,
        slots: Arc<Slots>,
        config: Config,
        identity: Identity,
        waker: Waker,
    ) -> (Shared, Receiver<Mail>) {
        let (mail, letters) = bounded(MAIL_MAX);
        let shared = Shared {
            instance,
            slots,
            config: Arc::new(config),
            identity: ArcSwap::from_pointee(identity),
            directory: ArcSwap::default(),
            mail,
            waker,
            workers: OnceLock::new(),
        };
        (shared, letters)
    }

    /// The two clocks.
    pub fn now(&self) -> Now {
        let clock = &self.instance.clock;
        Now { monotonic: clock.monotonic(), wall_us: clock.unix_us() }
    }

    /// Who this node is.
    pub fn identity(&self) -> Arc<Identity> {
        self.identity.load_full()
    }

    /// The node is a later run of itself from now on.
    pub fn set_incarnation(&self, incarnation: u64) {
        let identity = Identity::clone(&self.identity.load());
        self.identity.store(Arc::new(Identity { incarnation, ..identity }));
    }

    /// Where `node` is reached, if that is known.
    pub fn address_of(&self, node: NodeId) -> Option<SocketAddr> {
        self.directory.load().get(&node).copied()
    }

    /// Replaces what is known of where peers are.
    pub fn set_directory(&self, directory: HashMap<NodeId, SocketAddr>) {
        self.directory.store(Arc::new(directory));
    }

    /// Tells the control thread something, if there is room.
    pub fn tell(&self, mail: Mail) {
        if !matches!(self.mail.try_send(mail), Err(TrySendError::Full(_))) {
            self.wake_control();
        }
    }

    /// Has the control thread look around.
    pub fn wake_control(&self) {
        // A lost wake-up would need a broken eventfd; the thread looks ten times a second anyway.
        let _ = self.waker.wake();
    }

    /// Makes the ways to the workers known, by index. Once.
    pub fn attach_workers(&self, workers: Vec<Sender<Arrival>>) {
        let _ = self.workers.set(workers);
    }

    /// A worker's queue of arrivals: its sender and its end.
    pub fn arrivals() -> (Sender<Arrival>, Receiver<Arrival>) {
        bounded(ARRIVALS_MAX)
    }

    /// Hands an open data link to a worker: one after the other, so that a node's links are spread. Gives it back if that one's queue is full.
    pub fn deliver(&self, arrival: Arrival, turn: usize) -> Result<(), Box<Arrival>> {
        let workers = self.workers.get().map_or(&[][..], Vec::as_slice);
        if workers.is_empty() {
            return Err(Box::new(arrival));
        }
        let index = turn % workers.len();
        workers[index].try_send(arrival).map_err(|error| Box::new(error.into_inner()))?;
        if let Some(mailbox) = self.instance.clients.mailboxes.workers().get(index) {
            mailbox.wake();
        }
        Ok(())
    }

    /// Has every worker look at view, routes and directory.
    pub fn wake_workers(&self) {
        for mailbox in self.instance.clients.mailboxes.workers() {
            mailbox.wake();
        }
    }
}

impl Admission for Shared {
    fn judge(&self, peer: &Peer) -> Result<(), Reason> {
        let Some(view) = self.instance.cluster.view() else { return Ok(()) };
        // A stranger may come in: gossip over its links is how it becomes known.
        let Some((_, member)) = view.find(NodeId(peer.node)) else { return Ok(()) };
        Known { incarnation: member.incarnation, is_alive: member.alive }.judge(peer.incarnation)
    }
}
