//! How nodes find each other and compare their books.
//!
//! ```text
//! joiner                         any node
//!   │ Knock(own record) ────────────► takes the record in and spreads it
//!   │ ◄──────── Welcome(its record, what it knows of the joiner)
//!   │ foca's Announce ──────────────► foca's Feed, with members that are alive
//!   │ Sums ─────────────────────────► differing parts
//!   │ ◄──────────── Items, Want
//!   │ Items ────────────────────────►
//! ```
//!
//! The same comparison runs with one random peer every ten seconds or so; it repairs whatever rumours missed. Liveness travels in it as a
//! hint that lets a joiner start with all members at once; no one is declared down by it. Whoever meets a member that it has no record of compares with that one at once, and
//! so do those who have just missed rumours: the two ends of a link that opens, and whoever hears that it was taken for dead, with a random peer.

use super::book::{Applied, PARTS};
use super::envelope::BODY_BYTES_MAX;
use super::gossip::Gossip;
use super::profile::LINKS_MEMBERS_MAX;
use super::swim::SwimId;
use super::timers::Alarm;
use super::wire::{self, Item};
use super::{Output, Via, Why};
use crate::cluster::node_id::NodeId;
use crate::cluster::record::{NodeRecord, NodeState, Stamp};
use foca::Member;
use std::net::SocketAddr;
use std::time::Duration;

/// Time between two comparisons, before it is spread by a quarter.
const EXCHANGE_EVERY: Duration = Duration::from_secs(10);

/// Bytes of one body of records on a link.
const LINK_BODY_BYTES_MAX: usize = 32 * 1024;

/// Members that are told of our leaving one by one. Rumours reach the rest.
const GOODBYES_MAX: usize = 64;

impl Gossip {
    fn own_bytes(&self) -> Vec<u8> {
        // Our own record was checked when it was published.
        self.book.lock().own().encode().unwrap_or_default()
    }

    fn is_alone(&self) -> bool {
        self.foca.num_members() == 0
    }

    /// Asks for others if there are none, or fewer than on record.
    pub(super) fn look_for_seeds(&mut self, out: &mut Vec<Output>) {
        let own = self.foca.identity().node;
        let missing: Vec<SocketAddr> = {
            let book = self.book.lock();
            let absent = |record: &&_| {
                let record: &NodeRecord = record;
                record.node != own
                    && record.state != NodeState::Left
                    && !self.peers.is_alive(record.node)
            };
            book.iter().map(AsRef::as_ref).filter(absent).map(|record| record.gossip).collect()
        };
        let alone = self.is_alone();
        if alone || !missing.is_empty() {
            out.extend(self.seeds.names().map(|name| Output::Resolve(name.to_owned())));
            let targets = self.seeds.targets(&missing, &mut self.rng);
            self.knock(&targets, out);
        }
        let wait = self.seeds.wait(alone, &mut self.rng);
        self.timers.set_only(self.now.monotonic + wait, Alarm::Seeds);
    }

    /// A seed's name was resolved.
    pub(super) fn resolved(&mut self, seed: &str, addresses: &[SocketAddr], out: &mut Vec<Output>) {
        if self.seeds.resolved(seed, addresses) && self.is_alone() {
            let targets = self.seeds.targets(&[], &mut self.rng);
            let fresh: Vec<SocketAddr> =
                targets.into_iter().filter(|target| addresses.contains(target)).collect();
            self.knock(&fresh, out);
        }
    }

    fn knock(&mut self, targets: &[SocketAddr], out: &mut Vec<Output>) {
        let body = wire::knock(&self.own_bytes());
        for target in targets {
            self.send(Via::Address(*target), &body, out);
        }
    }

    /// Someone asks who we are.
    pub(super) fn knocked(&mut self, from: Via, record: NodeRecord, out: &mut Vec<Output>) {
        let own = *self.foca.identity();
        if record.node == own.node {
            match from {
                // Our own question came round: one of the seeds is ourselves.
                Via::Address(address) if SwimId::of(&record).gossip == own.gossip => {
                    self.seeds.is_own(address);
                }
                _ => self.refused(Why::DuplicateId, from, false, out),
            }
            return;
        }
        let known = self.book.lock().get(record.node).map(|known| known.stamp());
        let item = Item::Record { record, alive: true };
        if self.book.lock().apply(item.clone()) == Applied::News {
            self.announce(&item);
        }
        let body = wire::welcome(&self.own_bytes(), known);
        self.send(from, &body, out);
    }

    /// Someone said who he is, and what he knows of us.
    pub(super) fn welcomed(
        &mut self,
        from: Via,
        record: NodeRecord,
        known: Option<Stamp>,
        out: &mut Vec<Output>,
    ) {
        let own = *self.foca.identity();
        if record.node == own.node {
            return;
        }
        if let Some(stamp) = known {
            // The node asked with the very record that may be known by now; only a later one is another run's.
            let later = stamp > self.book.lock().own().stamp();
            if later {
                self.outbid(stamp, out);
            }
        }
        let id = SwimId::of(&record);
        self.book.lock().apply(Item::Record { record, alive: true });
        // It fails only if the message does not fit, and that has no list in it.
        let _ = self.foca.announce(id, &mut self.effects);
        let body = self.own_sums();
        self.send(from, &body, out);
    }

    fn own_sums(&self) -> Vec<u8> {
        wire::sums(&self.book.lock().sums())
    }

    pub(super) fn set_exchange(&mut self) {
        let wait = EXCHANGE_EVERY * (75 + self.rng.below(51) as u32) / 100;
        self.timers.set_only(self.now.monotonic + wait, Alarm::Exchange);
    }

    /// Compares books with a random member.
    pub(super) fn exchange(&mut self, out: &mut Vec<Output>) {
        self.set_exchange();
        let alive: Vec<SwimId> = self.peers.alive().copied().collect();
        if alive.is_empty() {
            return;
        }
        let peer = alive[self.rng.below(alive.len() as u64) as usize];
        self.compare_with(&peer, out);
    }

    /// Compares books with a member that answers and is not on record. Who joins meets such members when the answers to its own questions were lost: pings make it no longer
    /// alone, so that it asks nobody any more, and without records it would take itself for the only node of the ring.
    pub(super) fn meet_unrecorded(&mut self, out: &mut Vec<Output>) {
        let unrecorded = {
            let book = self.book.lock();
            self.peers.alive().find(|id| book.get(id.node).is_none()).copied()
        };
        if let Some(peer) = unrecorded {
            self.compare_with(&peer, out);
        }
    }

    /// Compares books over a link that has opened. In small clusters rumours ride on links, and each is told a few times: those that were told while there was no link are
    /// not told again. In large ones they go by datagram and reach everyone by many ways. One of the two ends is enough.
    pub(super) fn linked(&mut self, node: NodeId, out: &mut Vec<Output>) {
        if self.members() <= LINKS_MEMBERS_MAX && self.foca.identity().node < node {
            let body = self.own_sums();
            self.send(Via::Link(node), &body, out);
        }
    }

    fn compare_with(&mut self, peer: &SwimId, out: &mut Vec<Output>) {
        let (way, body) = (self.way_to(peer, true), self.own_sums());
        self.send(way, &body, out);
    }

    /// The other side's sums came: send what it may lack, and ask for what we may lack.
    pub(super) fn compare(&mut self, from: Via, sums: &[u64; PARTS], out: &mut Vec<Output>) {
        let own = self.book.lock().sums();
        let differs = |part: usize| u64::from(own[part] != sums[part]) << part;
        let parts = (0..PARTS).fold(0, |parts, part| parts | differs(part));
        if parts != 0 {
            self.send_items(from, parts, out);
            self.send(from, &wire::want(parts), out);
        }
    }

    /// Sends the records of some parts.
    pub(super) fn send_items(&mut self, to: Via, parts: u64, out: &mut Vec<Output>) {
        let items = self.book.lock().items(parts, |node| self.peers.is_alive(node));
        let bytes_max = match to {
            Via::Address(_) => BODY_BYTES_MAX,
            Via::Link(_) => LINK_BODY_BYTES_MAX,
        };
        for body in wire::items(&items, bytes_max) {
            self.send(to, &body, out);
        }
    }

    /// Takes records in. They are not spread further: who compares books gets them the same way.
    pub(super) fn take_in(&mut self, items: Vec<Item>) {
        let own = self.foca.identity().node;
        let mut met = Vec::new();
        for item in items {
            if let Item::Record { record, alive: true } = &item
                && record.node != own
                && record.state != NodeState::Left
                && !self.peers.is_alive(record.node)
            {
                met.push(SwimId::of(record));
            }
            self.book.lock().apply(item);
        }
        // What the book would not have (another cluster's, the forgotten) foca shall not have either.
        let book = self.book.lock();
        met.retain(|id| book.get(id.node).is_some_and(|record| SwimId::of(record) == *id));
        drop(book);
        // The error it could meet is that a member does not encode.
        let _ = self.foca.apply_many(met.into_iter().map(Member::alive), false, &mut self.effects);
    }

    /// Tells the members that we leave, while they still listen.
    pub(super) fn say_goodbye(&mut self, out: &mut Vec<Output>) {
        let record = NodeRecord::clone(self.book.lock().own());
        let bodies = wire::items(&[Item::Record { record, alive: false }], BODY_BYTES_MAX);
        let some: Vec<SwimId> = self.peers.alive().copied().take(GOODBYES_MAX).collect();
        for id in some {
            let way = self.way_to(&id, true);
            bodies.iter().for_each(|body| self.send(way, body, out));
        }
    }
}
