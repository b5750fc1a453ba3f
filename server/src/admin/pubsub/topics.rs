//! Topics: for each channel or pattern, how many listen to it on which worker of this node, and on which other nodes.
//!
//! A topic that nobody listens to is not kept. Subscriptions take their number under the topic's lock, and so do messages: each subscription is before or behind each message.

use super::Name;
use crate::cluster::NodeId;
use dashmap::DashMap;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use torc_protocol::glob;

/// Who listens to one channel or pattern.
#[derive(Debug, Default)]
pub struct Topic {
    /// Subscribers by worker of this node.
    workers: Vec<(u16, u32)>,
    /// Subscribers by other node, as those told.
    nodes: Vec<(NodeId, u32)>,
}

impl Topic {
    /// One subscriber more at `worker`.
    pub fn add(&mut self, worker: usize) {
        // Worker indices lie far below 2^16.
        let worker = worker as u16;
        match self.workers.iter_mut().find(|(known, _)| *known == worker) {
            Some((_, count)) => *count += 1,
            None => self.workers.push((worker, 1)),
        }
    }

    /// One subscriber less at `worker`.
    pub fn remove(&mut self, worker: usize) {
        let Some(at) = self.workers.iter().position(|(known, _)| usize::from(*known) == worker)
        else {
            return;
        };
        self.workers[at].1 -= 1;
        if self.workers[at].1 == 0 {
            self.workers.swap_remove(at);
        }
    }

    /// `node` has so many subscribers.
    pub fn tell(&mut self, node: NodeId, count: u32) {
        self.nodes.retain(|(known, _)| *known != node);
        if count > 0 {
            self.nodes.push((node, count));
        }
    }

    /// Subscribers by worker.
    pub fn workers(&self) -> &[(u16, u32)] {
        &self.workers
    }

    /// Subscribers by other node.
    pub fn nodes(&self) -> &[(NodeId, u32)] {
        &self.nodes
    }

    /// Subscribers on this node.
    pub fn here_total(&self) -> u64 {
        self.workers.iter().map(|(_, count)| u64::from(*count)).sum()
    }

    fn is_here(&self) -> bool {
        !self.workers.is_empty()
    }

    fn is_empty(&self) -> bool {
        self.workers.is_empty() && self.nodes.is_empty()
    }
}

/// How many topics there are. Relaxed throughout: hints and figures, each read on its own.
#[derive(Debug, Default)]
struct Counts {
    all: AtomicUsize,
    here: AtomicUsize,
}

impl Counts {
    /// A topic changed: what it was, and what it is.
    fn update(&self, before: (bool, bool), after: (bool, bool)) {
        for (count, before, after) in
            [(&self.all, before.0, after.0), (&self.here, before.1, after.1)]
        {
            match (before, after) {
                (false, true) => drop(count.fetch_add(1, Ordering::Relaxed)),
                (true, false) => drop(count.fetch_sub(1, Ordering::Relaxed)),
                _ => {}
            }
        }
    }
}

fn change(topic: &mut Topic, counts: &Counts, edit: impl FnOnce(&mut Topic)) {
    let state = |topic: &Topic| (!topic.is_empty(), topic.is_here());
    let before = state(topic);
    edit(topic);
    counts.update(before, state(topic));
}

/// Channels, or shard channels.
#[derive(Debug, Default)]
pub struct Topics {
    by_name: DashMap<Name, Topic>,
    counts: Counts,
}

impl Topics {
    /// Changes a topic.
    pub fn change(&self, name: &Name, edit: impl FnOnce(&mut Topic)) {
        let mut topic = self.by_name.entry(Name::clone(name)).or_default();
        change(&mut topic, &self.counts, edit);
        let is_empty = topic.is_empty();
        drop(topic);
        if is_empty {
            self.by_name.remove_if(name, |_, topic| topic.is_empty());
        }
    }

    /// What `look` sees in a topic, if anybody listens.
    pub fn look<R>(&self, name: &[u8], look: impl FnOnce(&Topic) -> R) -> Option<R> {
        if self.is_empty() {
            return None;
        }
        self.by_name.get(name).map(|topic| look(&topic))
    }

    /// Whether nobody listens to any, here or elsewhere.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.counts.all.load(Ordering::Relaxed) == 0
    }

    /// How many have subscribers on this node.
    pub fn here(&self) -> usize {
        self.counts.here.load(Ordering::Relaxed)
    }

    /// Those that have subscribers on this node.
    pub fn names(&self, mut each: impl FnMut(&Name)) {
        self.counted(|name, _| each(name));
    }

    /// Those that have subscribers on this node, and how many.
    pub fn counted(&self, mut each: impl FnMut(&Name, u64)) {
        for topic in self.by_name.iter().filter(|topic| topic.is_here()) {
            each(topic.key(), topic.here_total());
        }
    }

    /// Forgets the subscribers of another node.
    pub fn forget(&self, node: NodeId) {
        self.by_name.retain(|_, topic| {
            change(topic, &self.counts, |topic| topic.tell(node, 0));
            !topic.is_empty()
        });
    }
}

/// Patterns. All are matched against each channel that is published to, so they are few or publishing is slow, as in Redis.
#[derive(Debug, Default)]
pub struct Patterns {
    by_name: RwLock<BTreeMap<Name, Topic>>,
    counts: Counts,
}

impl Patterns {
    /// As [`Topics::change`].
    pub fn change(&self, name: &Name, edit: impl FnOnce(&mut Topic)) {
        let mut by_name = self.by_name.write();
        let topic = by_name.entry(Name::clone(name)).or_default();
        change(topic, &self.counts, edit);
        if topic.is_empty() {
            by_name.remove(name);
        }
    }

    /// As [`Topics::look`].
    pub fn look<R>(&self, name: &[u8], look: impl FnOnce(&Topic) -> R) -> Option<R> {
        self.by_name.read().get(name).map(look)
    }

    /// Calls `each` for every pattern that `channel` matches.
    pub fn matching(&self, channel: &[u8], mut each: impl FnMut(&Name, &Topic)) {
        for (pattern, topic) in self.by_name.read().iter() {
            if glob::matches(pattern, channel, false) {
                each(pattern, topic);
            }
        }
    }

    /// Whether there is none, here or elsewhere.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.counts.all.load(Ordering::Relaxed) == 0
    }

    /// How many have subscribers on this node.
    pub fn here(&self) -> usize {
        self.counts.here.load(Ordering::Relaxed)
    }

    /// As [`Topics::counted`].
    pub fn counted(&self, mut each: impl FnMut(&Name, u64)) {
        for (name, topic) in self.by_name.read().iter().filter(|(_, topic)| topic.is_here()) {
            each(name, topic.here_total());
        }
    }

    /// As [`Topics::forget`].
    pub fn forget(&self, node: NodeId) {
        self.by_name.write().retain(|_, topic| {
            change(topic, &self.counts, |topic| topic.tell(node, 0));
            !topic.is_empty()
        });
    }
}
