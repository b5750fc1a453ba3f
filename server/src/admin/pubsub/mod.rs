//! Publish and subscribe: who on this node listens to what, which other nodes do, and the way of a message to all of them.
//!
//! ```text
//!   SUBSCRIBE ─▶ topic: subscribers by worker, by node     (shared; what PUBLISH looks up)
//!             └▶ index of the client's worker: its clients by topic
//!   PUBLISH ─▶ topic ─┬▶ feed of each worker that has subscribers ─▶ its index ─▶ their connections
//!                     └▶ outgoing of this worker ─▶ one frame to each node that has subscribers
//! ```
//!
//! A message is rendered once and shared by all that it goes to. A subscription has a number, and a message the number that was the highest when it was
//! published: so a message that is still on its way does not reach those who subscribed after it.
//!
//! **Invariant.** What a publisher sends reaches each subscriber in that order, once or not at all. A subscriber that would miss a message on this node is cut
//! instead. **Does not know** connections, sockets or links: a worker delivers what its feed holds.
//!
//! Source: the pages of the pub/sub commands on redis.io and the behaviour of Redis 7.2.

mod index;
mod interest;
mod message;
pub mod notify;
mod outgoing;
mod subscriptions;
#[cfg(test)]
mod tests;
mod topics;

pub use interest::{Interest, PeerLink};
pub use message::{Publication, Push};
pub use outgoing::Outgoing;
pub use subscriptions::Subscriptions;

use super::mailbox::Mailboxes;
use crate::cluster::NodeId;
use index::{Index, Seat};
use interest::Telling;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use topics::{Patterns, Topic, Topics};
use torc_protocol::Protocol;
use torc_protocol::slot::Slot;

/// What a subscription names. The discriminants are those of peers' frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// A channel (SUBSCRIBE).
    Channel = 0,
    /// Channels by pattern (PSUBSCRIBE).
    Pattern = 1,
    /// A shard channel (SSUBSCRIBE).
    Shard = 2,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 3] = [Kind::Channel, Kind::Pattern, Kind::Shard];

    /// The kind that a byte of a frame stands for.
    pub fn from_byte(byte: u8) -> Option<Kind> {
        Kind::ALL.get(usize::from(byte)).copied()
    }
}

/// A name of a channel or a pattern, shared by all that keep it.
pub type Name = Arc<[u8]>;

/// Where a client is: its worker, and how that finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listener {
    /// Index of its worker.
    pub worker: usize,
    /// Where the worker keeps it.
    pub place: usize,
    /// Its id.
    pub client: u64,
    /// Whether it came by the cluster port, whose shard channels follow their slots.
    pub follows_slots: bool,
}

/// Who publishes.
#[derive(Debug)]
pub struct Publisher<'p> {
    /// Index of the worker on which it runs.
    pub worker: usize,
    /// The client, and its own subscriptions: what it publishes to itself comes right behind its command's reply.
    pub client: Option<(u64, &'p mut Subscriptions, Protocol)>,
}

impl Publisher<'_> {
    /// The same once more.
    fn again(&mut self) -> Publisher<'_> {
        let client = self.client.as_mut().map(|(id, own, protocol)| (*id, &mut **own, *protocol));
        Publisher { worker: self.worker, client }
    }
}

/// What only one worker needs.
#[derive(Debug, Default)]
struct Part {
    index: Mutex<Index>,
    outgoing: Mutex<Outgoing>,
    /// Whether `outgoing` holds anything, for the worker's every turn to ask.
    has_outgoing: AtomicBool,
}

/// See the module.
#[derive(Debug)]
pub struct PubSub {
    channels: Topics,
    shards: Topics,
    patterns: Patterns,
    parts: Box<[Part]>,
    /// The number of the latest subscription.
    last: AtomicU64,
    /// Clients with subscriptions.
    clients: AtomicUsize,
    telling: Telling,
    events: notify::Switch,
}

impl PubSub {
    /// For `workers` workers and nobody who listens.
    pub fn new(workers: usize) -> Self {
        PubSub {
            channels: Topics::default(),
            shards: Topics::default(),
            patterns: Patterns::default(),
            parts: (0..workers.max(1)).map(|_| Part::default()).collect(),
            last: AtomicU64::new(0),
            clients: AtomicUsize::new(0),
            telling: Telling::default(),
            events: notify::Switch::default(),
        }
    }

    fn part(&self, worker: usize) -> &Part {
        &self.parts[worker % self.parts.len()]
    }

    /// Adds a subscription that the client does not have yet.
    pub fn subscribe(&self, kind: Kind, name: &Name, listener: Listener) {
        let add = |topic: &mut Topic| {
            // Relaxed: ordered by the topic's lock, under which every message to it reads the number.
            let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
            let Listener { place, client, follows_slots, .. } = listener;
            let seat = Seat { place, client, number, follows_slots };
            self.part(listener.worker).index.lock().add(kind, name, seat);
            topic.add(listener.worker)
        };
        match kind {
            Kind::Channel => self.channels.change(name, add),
            Kind::Shard => self.shards.change(name, add),
            Kind::Pattern => self.patterns.change(name, add),
        }
        self.telling.told.note([(kind, Name::clone(name))].into_iter());
    }

    /// Ends a subscription that the client has.
    pub fn unsubscribe(&self, kind: Kind, name: &Name, listener: Listener) {
        let remove = |topic: &mut Topic| {
            self.part(listener.worker).index.lock().remove(kind, name, listener.client);
            topic.remove(listener.worker)
        };
        match kind {
            Kind::Channel => self.channels.change(name, remove),
            Kind::Shard => self.shards.change(name, remove),
            Kind::Pattern => self.patterns.change(name, remove),
        }
        self.telling.told.note([(kind, Name::clone(name))].into_iter());
    }

    /// A client got its first subscription (`true`), or lost its last.
    pub fn count_client(&self, subscribed: bool) {
        // Relaxed, here and where it is read: a figure of its own.
        if subscribed {
            self.clients.fetch_add(1, Ordering::Relaxed);
        } else {
            self.clients.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Clients with subscriptions.
    pub fn clients(&self) -> usize {
        self.clients.load(Ordering::Relaxed)
    }

    /// Channels, patterns or shard channels with subscribers on this node.
    pub fn count(&self, kind: Kind) -> usize {
        match kind {
            Kind::Channel => self.channels.here(),
            Kind::Shard => self.shards.here(),
            Kind::Pattern => self.patterns.here(),
        }
    }

    /// Subscribers of a channel or shard channel on this node.
    pub fn subscribers(&self, kind: Kind, name: &[u8]) -> u64 {
        let topics = if kind == Kind::Shard { &self.shards } else { &self.channels };
        topics.look(name, |topic| topic.here_total()).unwrap_or(0)
    }

    /// Calls `each` for the channels or shard channels with subscribers on this node, in no order.
    pub fn names(&self, kind: Kind, each: impl FnMut(&Name)) {
        if kind == Kind::Shard { self.shards.names(each) } else { self.channels.names(each) }
    }

    /// Whether a message to anybody would reach nobody, on any node.
    #[inline]
    pub fn is_silent(&self) -> bool {
        self.channels.is_empty() && self.patterns.is_empty()
    }

    /// Sends a message to all who listen to `channel` ([`Kind::Channel`] or [`Kind::Shard`]). Returns how many that are: on this node now, on others by what they last told.
    pub fn publish(
        &self,
        mailboxes: &Mailboxes,
        publisher: Publisher<'_>,
        kind: Kind,
        channel: &[u8],
        payload: &[u8],
    ) -> u64 {
        let worker = publisher.worker;
        let (receivers, nodes) = self.send(mailboxes, publisher, kind, channel, payload);
        if !nodes.is_empty() {
            let part = self.part(worker);
            part.outgoing.lock().add(&nodes, kind, channel, payload);
            // Release pairs with the Acquire in `take_outgoing`.
            part.has_outgoing.store(true, Ordering::Release);
        }
        receivers
    }

    /// As [`PubSub::publish`], for a message that was published on another node: it goes no further.
    pub fn publish_from_peer(
        &self,
        mailboxes: &Mailboxes,
        worker: usize,
        kind: Kind,
        channel: &[u8],
        payload: &[u8],
    ) {
        let publisher = Publisher { worker, client: None };
        let _ = self.send(mailboxes, publisher, kind, channel, payload);
    }

    fn send(
        &self,
        mailboxes: &Mailboxes,
        publisher: Publisher<'_>,
        kind: Kind,
        channel: &[u8],
        payload: &[u8],
    ) -> (u64, Vec<NodeId>) {
        let Publisher { worker, client } = publisher;
        let mut draft = message::Draft::new(kind, channel, payload);
        let topics = if kind == Kind::Shard { &self.shards } else { &self.channels };
        topics.look(channel, |topic| draft.direct(topic, self.last.load(Ordering::Relaxed)));
        if kind == Kind::Channel && !self.patterns.is_empty() {
            let number = || self.last.load(Ordering::Relaxed);
            self.patterns
                .matching(channel, |pattern, topic| draft.pattern(pattern, topic, number()));
        }
        let (receivers, workers, nodes) = draft.receivers();
        if workers.is_empty() {
            return (receivers, nodes);
        }
        let mut publication = draft.finish();
        if let Some((id, own, protocol)) = client {
            publication.except = id;
            publication.push_own(own, protocol);
        }
        let publication = Arc::new(publication);
        for target in workers {
            mailboxes.publish(usize::from(target), worker, &publication);
        }
        (receivers, nodes)
    }

    /// Hands `each` what `publication` brings to every client of `worker`: its place, its id, and the push.
    pub fn deliver(
        &self,
        worker: usize,
        publication: &Publication,
        mut each: impl FnMut(usize, u64, Push<'_>),
    ) {
        let index = self.part(worker).index.lock();
        publication.for_each(&index, &mut each);
    }

    /// Clients of `worker` with subscriptions, each once, as place and id.
    pub fn clients_of(&self, worker: usize) -> Vec<(usize, u64)> {
        self.part(worker).index.lock().clients()
    }

    /// Clients, by id, of whom `offends` says so by one of their subscriptions: the client's id, whether it is a pattern, and its name.
    pub fn offenders(&self, mut offends: impl FnMut(u64, bool, &[u8]) -> bool) -> Vec<u64> {
        let parts = self.parts.iter();
        parts.flat_map(|part| part.index.lock().offenders(&mut offends)).collect()
    }

    /// Clients of `worker` whose subscription to a shard channel is to end, for its slot has `moved`: place, id, channel. Those who came by the plain port are not
    /// bound to slots.
    pub fn moved(&self, worker: usize, moved: impl Fn(Slot) -> bool) -> Vec<(usize, u64, Name)> {
        if self.shards.here() == 0 {
            return Vec::new();
        }
        self.part(worker).index.lock().moved(moved)
    }

    /// Whether [`PubSub::take_outgoing`] has something for `worker`.
    #[inline]
    pub fn has_outgoing(&self, worker: usize) -> bool {
        // Acquire pairs with the Release in `publish`.
        self.part(worker).has_outgoing.load(Ordering::Acquire)
    }

    /// What `worker` is to send to other nodes.
    pub fn take_outgoing(&self, worker: usize) -> Option<Outgoing> {
        let part = self.part(worker);
        if !self.has_outgoing(worker) {
            return None;
        }
        // The worker is the only one that publishes here, so nothing is added in between.
        part.has_outgoing.store(false, Ordering::Relaxed);
        Some(std::mem::take(&mut *part.outgoing.lock()))
    }

    /// Messages to other nodes that found no room, since the node started.
    pub fn count_dropped(&self, count: u64) {
        self.telling.dropped.fetch_add(count, Ordering::Relaxed);
    }

    /// See [`PubSub::count_dropped`].
    pub fn dropped(&self) -> u64 {
        self.telling.dropped.load(Ordering::Relaxed)
    }
}
