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
use crate::base::told::Told;
use crate::cluster::NodeId;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
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
pub(super) struct Telling {
    /// Channels and patterns that subscribers came to or left.
    pub told: Told<(Kind, Name)>,
    /// By which link each node tells.
    sources: Mutex<HashMap<NodeId, u64>>,
    last_source: AtomicU64,
    pub dropped: AtomicU64,
}

impl PubSub {
    /// The channels and patterns that subscribers came to or left, and how far peers have heard.
    pub fn told(&self) -> &Told<(Kind, Name)> {
        &self.telling.told
    }

    /// What changed since the last call, and the number of the latest change that it covers; `None` if nothing did.
    pub fn take_changes(&self) -> Option<(Vec<Interest>, u64)> {
        let (changed, noted) = self.telling.told.take()?;
        let interest = |(kind, name): (Kind, Name)| {
            let count = match kind {
                Kind::Pattern => self.patterns.look(&name, |topic| topic.here_total()),
                _ => Some(self.subscribers(kind, &name)),
            };
            Interest { kind, name, count: narrow(count.unwrap_or(0)) }
        };
        Some((changed.into_iter().map(interest).collect(), noted))
    }

    /// Takes down what the telling worker's open links have confirmed. Returns whether that is more than before.
    pub fn confirm<'l>(&self, links: impl Iterator<Item = &'l PeerLink>) -> bool {
        self.telling.told.confirm(links.filter(|link| link.is_open).map(|link| link.heard))
    }

    /// All channels and patterns with subscribers on this node, and a change that they cover.
    pub fn interests(&self) -> (Vec<Interest>, u64) {
        let noted = self.telling.told.noted();
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
        self.telling.last_source.fetch_add(1, Ordering::Relaxed) + 1
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
        let mut sources = self.telling.sources.lock();
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
        let mut sources = self.telling.sources.lock();
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
