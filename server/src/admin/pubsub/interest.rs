//! What the nodes of a ring tell each other: for which channels and patterns each has subscribers, and how many.
//!
//! One worker of each node tells, on its own link to each peer: everything when the link opens, and then what changes. Whoever is told forgets a node's interest when the
//! link that told it is lost, for the next link tells everything anew: nothing is wrong for longer than a link is down. Changes are numbered and confirmed, so that a
//! client hears that it is subscribed when the other nodes know it.
//!
//! ```text
//!   topic changes ─▶ changed ─▶ the telling worker ─▶ a queue for each of its links ─▶ frames ─▶ peer: hear ─▶ topics
//! ```

use super::{Kind, Name, PubSub};
use crate::base::limits::INTEREST_FRAME_BYTES;
use crate::cluster::NodeId;
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use torc_protocol::peer::Malformed;
use torc_protocol::peer::publish::{begin_interest, decode_interest, put_interest};

/// How many subscribers this node has for a channel or pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interest {
    /// What `name` is.
    pub kind: Kind,
    /// The channel or pattern.
    pub name: Name,
    /// Subscribers on this node.
    pub count: u32,
}

/// What was told and is to be told.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Whether anybody is told anything: the node is part of a ring.
    is_on: AtomicBool,
    has_changed: AtomicBool,
    /// What changed since it was last told. Only names: how many subscribers there are is looked up when it is told.
    changed: Mutex<HashSet<(Kind, Name)>>,
    /// The number of the latest change.
    noted: AtomicU64,
    /// Up to which change all peers have confirmed.
    heard: AtomicU64,
    /// Links by which is told.
    links: AtomicUsize,
    /// By which link each node tells.
    sources: Mutex<HashMap<NodeId, u64>>,
    last_source: AtomicU64,
    pub dropped: AtomicU64,
}

impl Told {
    /// A topic changed.
    pub(super) fn note(&self, kind: Kind, name: &Name) {
        // Relaxed: set once, before the node has clients.
        if self.is_on.load(Ordering::Relaxed) {
            let mut changed = self.changed.lock();
            changed.insert((kind, Name::clone(name)));
            // Relaxed: ordered by the lock, and read by the client's own thread.
            self.noted.fetch_add(1, Ordering::Relaxed);
            // Release pairs with the Acquire in `has_changes`.
            self.has_changed.store(true, Ordering::Release);
        }
    }
}

impl PubSub {
    /// From now on changes are kept for [`PubSub::take_changes`].
    pub fn start_telling(&self) {
        self.told.is_on.store(true, Ordering::Relaxed);
    }

    /// Whether [`PubSub::take_changes`] has something, and the telling worker is to be woken.
    #[inline]
    pub fn has_changes(&self) -> bool {
        // Acquire pairs with the Release in `note`.
        self.told.has_changed.load(Ordering::Acquire)
    }

    /// What changed since the last call, and the number of the latest change that it covers.
    pub fn take_changes(&self) -> (Vec<Interest>, u64) {
        if !self.has_changes() {
            return (Vec::new(), 0);
        }
        let (changed, noted) = {
            let mut changed = self.told.changed.lock();
            self.told.has_changed.store(false, Ordering::Relaxed);
            (std::mem::take(&mut *changed), self.told.noted.load(Ordering::Relaxed))
        };
        let interest = |(kind, name): (Kind, Name)| {
            let count = match kind {
                Kind::Pattern => self.patterns.look(&name, |topic| topic.here_total()),
                _ => Some(self.subscribers(kind, &name)),
            };
            Interest { kind, name, count: narrow(count.unwrap_or(0)) }
        };
        (changed.into_iter().map(interest).collect(), noted)
    }

    /// The latest change that not all peers have confirmed, if there is one.
    pub fn unheard(&self) -> Option<u64> {
        // Relaxed, here and below: numbers that only rise; one that is read late keeps a client waiting a moment longer.
        let noted = self.told.noted.load(Ordering::Relaxed);
        let has_peers = self.told.links.load(Ordering::Relaxed) > 0;
        (has_peers && noted > self.heard()).then_some(noted)
    }

    /// Up to which change all peers have confirmed.
    pub fn heard(&self) -> u64 {
        self.told.heard.load(Ordering::Relaxed)
    }

    /// Takes down what the telling worker's open links have confirmed. Returns whether that is more than before.
    pub fn confirm<'l>(&self, links: impl Iterator<Item = &'l PeerLink>) -> bool {
        let (mut count, mut heard) = (0, None);
        for link in links.filter(|link| link.is_open) {
            count += 1;
            heard = Some(heard.unwrap_or(u64::MAX).min(link.heard));
        }
        self.told.links.store(count, Ordering::Relaxed);
        let heard = heard.unwrap_or_else(|| self.told.noted.load(Ordering::Relaxed));
        self.told.heard.fetch_max(heard, Ordering::Relaxed) < heard
    }

    /// All channels and patterns with subscribers on this node, and a change that they cover.
    pub fn interests(&self) -> (Vec<Interest>, u64) {
        let noted = {
            // Under the lock: whoever has noted a change has made it before.
            let _changed = self.told.changed.lock();
            self.told.noted.load(Ordering::Relaxed)
        };
        let mut all = Vec::new();
        let mut add = |kind, name: &Name, count| {
            all.push(Interest { kind, name: Name::clone(name), count: narrow(count) });
        };
        self.channels.counted(|name, count| add(Kind::Channel, name, count));
        self.patterns.counted(|name, count| add(Kind::Pattern, name, count));
        self.shards.counted(|name, count| add(Kind::Shard, name, count));
        (all, noted)
    }

    /// A number for a link by which a peer may tell its interest.
    pub fn new_source(&self) -> u64 {
        self.told.last_source.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// `node` tells its interest by the link `source`. Returns the change to confirm, if there is one.
    ///
    /// # Errors
    /// The payload is malformed; nothing of it was taken.
    pub fn hear(
        &self,
        source: u64,
        node: NodeId,
        payload: &[u8],
    ) -> Result<Option<u64>, Malformed> {
        let (head, entries) = decode_interest(payload)?;
        // Held to the end: a node's next link may be another worker's.
        let mut sources = self.told.sources.lock();
        if head.anew {
            if sources.insert(node, source).is_some() {
                self.forget(node);
            }
        } else if sources.get(&node) != Some(&source) {
            return Ok(None);
        }
        for entry in entries {
            // A later revision may have kinds that this one does not know.
            let Some(kind) = Kind::from_byte(entry.kind) else { continue };
            let topics = match kind {
                Kind::Pattern => {
                    let name = Name::from(entry.name);
                    self.patterns.change(&name, |topic| topic.tell(node, entry.subscribers));
                    continue;
                }
                Kind::Channel => &self.channels,
                Kind::Shard => &self.shards,
            };
            topics.change(&Name::from(entry.name), |topic| topic.tell(node, entry.subscribers));
        }
        Ok(Some(head.change).filter(|&change| change > 0))
    }

    /// The link `source` of `node` is lost: what it told counts no more.
    pub fn lose_source(&self, source: u64, node: NodeId) {
        let mut sources = self.told.sources.lock();
        if sources.get(&node) == Some(&source) {
            sources.remove(&node);
            self.forget(node);
        }
    }

    fn forget(&self, node: NodeId) {
        self.channels.forget(node);
        self.patterns.forget(node);
        self.shards.forget(node);
    }
}

fn narrow(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// What is still to be told by one link.
#[derive(Debug, Default)]
pub struct PeerLink {
    queue: VecDeque<Interest>,
    /// The link is open, and nothing was told by it yet.
    is_fresh: bool,
    is_open: bool,
    /// Up to which change everything is told once the queue is empty.
    change: u64,
    /// Up to which change the peer has confirmed.
    heard: u64,
}

impl PeerLink {
    /// The link opened: all is to be told, which covers that change.
    pub fn open(&mut self, (all, change): (Vec<Interest>, u64)) {
        *self = PeerLink { queue: all.into(), is_fresh: true, is_open: true, change, heard: 0 };
    }

    /// The peer confirms everything up to `change`.
    pub fn confirmed(&mut self, change: u64) {
        self.heard = self.heard.max(change);
    }

    /// The link is lost.
    pub fn lose(&mut self) {
        *self = PeerLink::default();
    }

    /// These changed, up to that change; `all` gives everything, which takes the place of a queue that has grown longer.
    pub fn change(
        &mut self,
        (changes, change): (&[Interest], u64),
        all: impl Fn() -> (Vec<Interest>, u64),
    ) {
        const QUEUE_MAX: usize = 64 * 1024;
        if !self.is_open {
            return;
        }
        if self.queue.len() + changes.len() > QUEUE_MAX && !self.is_fresh {
            return self.open(all());
        }
        self.queue.extend(changes.iter().cloned());
        self.change = change;
    }

    /// The next payload, if there is something to tell.
    pub fn next_payload(&mut self) -> Option<Vec<u8>> {
        if self.queue.is_empty() && !self.is_fresh {
            return None;
        }
        let mut entries = Vec::new();
        while entries.len() < INTEREST_FRAME_BYTES
            && let Some(Interest { kind, name, count }) = self.queue.pop_front()
        {
            put_interest(kind as u8, &name, count, &mut entries);
        }
        let change = if self.queue.is_empty() { self.change } else { 0 };
        let mut payload = Vec::with_capacity(entries.len() + 16);
        begin_interest(std::mem::take(&mut self.is_fresh), change, &mut payload);
        payload.append(&mut entries);
        Some(payload)
    }
}
