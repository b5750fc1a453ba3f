//! One rank of the preference lists: every slot gets one more node.
//!
//! Slots propose to nodes in the order of their walks, and a node with more proposals than room keeps the nearest slots. Slots
//! and nodes rank each other by one and the same strict key, (distance, slot, node), so there is exactly one stable outcome, and taking
//! the pairs in the order of that key while there is room finds it. That order has a second merit: a node that is full stays full, and its
//! tokens can be taken off the ring. Deferred acceptance, with rejections, comes to the same lists; a test compares them.

use super::Node;
use super::ring::{Open, Ring, Step};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use torc_protocol::slot::SLOT_COUNT;

/// What decides whether a node may stand on a slot's list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules<'n> {
    pub(super) nodes: &'n [Node],
    /// Nodes in each zone.
    pub(super) zone_sizes: &'n [usize],
    /// Copies of a slot in one zone.
    pub(super) zone_limit: usize,
    /// Places of a list.
    pub(super) copies: usize,
    /// The place to be filled; those before it are.
    pub(super) rank: usize,
}

impl Rules<'_> {
    /// What is already on the list of `slot`.
    fn listed<'t>(&self, table: &'t [u16], slot: usize) -> &'t [u16] {
        &table[slot * self.copies..][..self.rank]
    }

    fn zone(&self, node: u16) -> u16 {
        self.nodes[node as usize].zone
    }

    fn is_legal(&self, listed: &[u16], node: u16) -> bool {
        if listed.contains(&node) {
            return false;
        }
        self.zone_sizes.len() == 1 || self.in_zone(listed, self.zone(node)) < self.zone_limit
    }

    /// How many nodes of a list are in `zone`.
    fn in_zone(&self, listed: &[u16], zone: u16) -> usize {
        listed.iter().filter(|&&node| self.zone(node) == zone).count()
    }

    /// Whether any node is legal, so that no walk goes around in vain: whether some zone has a copy less than it may have.
    fn has_legal(&self, listed: &[u16]) -> bool {
        let is_full = |zone| {
            let most = self.zone_limit.min(self.zone_sizes[usize::from(zone)]);
            self.in_zone(listed, zone) >= most
        };
        // Each full zone is counted where its first node stands on the list.
        let full = listed.iter().enumerate().filter(|&(at, &node)| {
            let zone = self.zone(node);
            self.in_zone(&listed[..at], zone) == 0 && is_full(zone)
        });
        full.count() < self.zone_sizes.len()
    }
}

/// A slot's wish for a node. The order of the fields is the order in which wishes come true.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Proposal {
    distance: u64,
    slot: u16,
    node: u16,
    step: Step,
}

/// Fills place `rules.rank` of every list in `table`. `room`: the slots that each node may still take.
pub(super) fn fill_rank(ring: &Ring, rules: Rules<'_>, mut room: Vec<u32>, table: &mut [u16]) {
    let mut open = Open::new(ring, rules.nodes.len());
    (0..room.len()).filter(|&node| room[node] == 0).for_each(|node| open.close(node));
    let mut left_over = Vec::new();
    let mut waiting = Vec::with_capacity(SLOT_COUNT);
    for slot in 0..SLOT_COUNT {
        let from = open.start(slot);
        match propose(ring, &mut open, rules, table, slot, from) {
            Some(proposal) => waiting.push(Reverse(proposal)),
            None => left_over.push(slot),
        }
    }
    let mut waiting = BinaryHeap::from(waiting);
    while let Some(Reverse(proposal)) = waiting.pop() {
        let (slot, node) = (usize::from(proposal.slot), usize::from(proposal.node));
        if room[node] > 0 {
            table[slot * rules.copies + rules.rank] = proposal.node;
            room[node] -= 1;
            if room[node] == 0 {
                open.close(node);
            }
            continue;
        }
        match propose(ring, &mut open, rules, table, slot, proposal.step + 1) {
            Some(proposal) => waiting.push(Reverse(proposal)),
            None => left_over.push(slot),
        }
    }
    for slot in left_over {
        let node = first_choice(ring, rules, table, slot);
        table[slot * rules.copies + rules.rank] = node;
    }
}

/// What `slot` proposes from `step` of its walk on: the nearest legal node with room.
fn propose(
    ring: &Ring,
    open: &mut Open<'_>,
    rules: Rules<'_>,
    table: &[u16],
    slot: usize,
    mut step: Step,
) -> Option<Proposal> {
    let listed = rules.listed(table, slot);
    if !rules.has_legal(listed) {
        return None;
    }
    loop {
        let (token, at) = open.stop(slot, step)?;
        let node = ring.node(token);
        if rules.is_legal(listed, node) {
            let distance = ring.distance(slot, token);
            return Some(Proposal { distance, slot: slot as u16, node, step: at });
        }
        step = at + 1;
    }
}

/// The first legal node on the walk, room or not; where none is legal, the first that is not listed.
fn first_choice(ring: &Ring, rules: Rules<'_>, table: &[u16], slot: usize) -> u16 {
    let listed = rules.listed(table, slot);
    let zones_count = rules.has_legal(listed);
    let mut nodes = ring.walk(slot).map(|token| ring.node(token));
    let first = nodes.find(|&node| {
        if zones_count { rules.is_legal(listed, node) } else { !listed.contains(&node) }
    });
    first.expect("a list is no longer than there are nodes, and each has a token")
}
