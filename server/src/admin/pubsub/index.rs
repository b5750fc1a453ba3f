//! One worker's subscribers by topic: where a message is delivered.

use super::{Kind, Name};
use std::collections::{BTreeSet, HashMap};
use torc_protocol::slot::{Slot, slot_of};

/// One subscription.
#[derive(Debug, Clone, Copy)]
pub struct Seat {
    /// Where the worker keeps the client.
    pub place: usize,
    /// Whose it must still be.
    pub client: u64,
    /// The subscription's number: messages of lower numbers came before it.
    pub number: u64,
    /// Whether it ends when the slot of its shard channel moves.
    pub follows_slots: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Index {
    by_kind: [HashMap<Name, Vec<Seat>>; 3],
}

impl Index {
    /// Adds a subscription.
    pub fn add(&mut self, kind: Kind, name: &Name, seat: Seat) {
        self.by_kind[kind as usize].entry(Name::clone(name)).or_default().push(seat);
    }

    /// Ends a client's subscription.
    pub fn remove(&mut self, kind: Kind, name: &Name, client: u64) {
        let topics = &mut self.by_kind[kind as usize];
        let Some(seats) = topics.get_mut(name) else { return };
        if let Some(at) = seats.iter().position(|seat| seat.client == client) {
            seats.swap_remove(at);
        }
        if seats.is_empty() {
            topics.remove(name);
        }
    }

    /// The subscriptions to `name`.
    pub fn seats(&self, kind: Kind, name: &[u8]) -> &[Seat] {
        self.by_kind[kind as usize].get(name).map_or(&[], Vec::as_slice)
    }

    /// All clients, each once.
    pub fn clients(&self) -> Vec<(usize, u64)> {
        let seats = self.by_kind.iter().flat_map(HashMap::values).flatten();
        let clients: BTreeSet<_> = seats.map(|seat| (seat.place, seat.client)).collect();
        clients.into_iter().collect()
    }

    /// Clients of whom `offends` says so by one of their subscriptions: the client's id, whether it is a pattern, and its name.
    pub fn offenders(&self, offends: &mut dyn FnMut(u64, bool, &[u8]) -> bool) -> BTreeSet<u64> {
        let mut found = BTreeSet::new();
        for (kind, topics) in self.by_kind.iter().enumerate() {
            let is_pattern = kind == Kind::Pattern as usize;
            for (name, seats) in topics {
                let offends = seats.iter().filter(|seat| offends(seat.client, is_pattern, name));
                found.extend(offends.map(|seat| seat.client));
            }
        }
        found
    }

    /// Subscriptions to shard channels that end because their slot has `moved`.
    pub fn moved(&self, moved: impl Fn(Slot) -> bool) -> Vec<(usize, u64, Name)> {
        let mut found = Vec::new();
        for (name, seats) in &self.by_kind[Kind::Shard as usize] {
            if !moved(slot_of(name)) {
                continue;
            }
            let bound = seats.iter().filter(|seat| seat.follows_slots);
            found.extend(bound.map(|seat| (seat.place, seat.client, Name::clone(name))));
        }
        found
    }
}
