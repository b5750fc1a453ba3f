//! What one client is subscribed to.

use super::{Kind, Listener, Name, PubSub};
use std::collections::BTreeSet;

/// A client's subscriptions, and pushes that its own command brought it.
#[derive(Debug, Default)]
pub struct Subscriptions {
    names: [BTreeSet<Name>; 3],
    /// Behind the reply of the command that runs: what the client published to itself, and what tells of its subscriptions while its replies are switched off.
    pub pushes: Vec<u8>,
}

impl Subscriptions {
    /// Whether the client is subscribed to `name`.
    pub fn has(&self, kind: Kind, name: &[u8]) -> bool {
        self.names[kind as usize].contains(name)
    }

    /// How many of a kind.
    pub fn count(&self, kind: Kind) -> usize {
        self.names[kind as usize].len()
    }

    /// How many of all kinds.
    pub fn total(&self) -> usize {
        self.names.iter().map(BTreeSet::len).sum()
    }

    /// Those of a kind, in order.
    pub fn names(&self, kind: Kind) -> Vec<Name> {
        self.names[kind as usize].iter().cloned().collect()
    }

    /// Subscribes to `name` unless the client already is.
    pub fn add(&mut self, pubsub: &PubSub, kind: Kind, name: &[u8], listener: Listener) {
        if self.has(kind, name) {
            return;
        }
        if self.total() == 0 {
            pubsub.count_client(true);
        }
        let name = Name::from(name);
        self.names[kind as usize].insert(Name::clone(&name));
        pubsub.subscribe(kind, &name, listener);
    }

    /// Ends the subscription to `name`, if there is one. Returns whether there was.
    pub fn remove(&mut self, pubsub: &PubSub, kind: Kind, name: &[u8], listener: Listener) -> bool {
        let Some(name) = self.names[kind as usize].take(name) else { return false };
        pubsub.unsubscribe(kind, &name, listener);
        if self.total() == 0 {
            pubsub.count_client(false);
        }
        true
    }

    /// Ends all subscriptions.
    pub fn clear(&mut self, pubsub: &PubSub, listener: Listener) {
        for kind in Kind::ALL {
            for name in self.names(kind) {
                self.remove(pubsub, kind, &name, listener);
            }
        }
    }
}
