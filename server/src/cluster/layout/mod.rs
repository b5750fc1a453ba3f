//! Which nodes keep each slot: a capped consistent-hash ring.
//!
//! A layout is a pure function of who is placed (id, weight, zone) and of the number of copies: not of who is alive, not of the order in
//! which nodes came. So every node computes the same one, no coordinator hands out versions, a crash moves no data, and
//! a leave undoes exactly what the join did. All arithmetic is on integers and the hash is frozen.
//!
//! ```text
//! slot ── position slot << 50 | 1 << 49 ── clockwise walk over tokens ── preference list of `copies` nodes
//! ```
//!
//! 1. A node has 64 × weight tokens on a ring of 2^64.
//! 2. For each rank (first copy, second copy, …) a node may keep so many slots of that rank and those before: [`caps`].
//! 3. Slots take the nearest node clockwise that has room, is not on their list and whose zone is not full: [`matching`]. The one strict
//!    order (distance, slot, node) decides every contest, so the result is the same in whatever order it is computed.
//! 4. A slot that finds none takes the first legal node, room or not; where no node is legal, the first not yet listed.
//!
//! Caps hold for each rank because they bound three things: a node's load as primary, as primary or first
//! replica, and its memory.
//!
//! [`LAYOUT_ALGO`] names this function. Peers compare it, and `tests` pins its results: a change of a single bit is another algorithm
//! and takes another number.
//!
//! Sources: Karger et al. (STOC 1997) for the ring; Mirrokni, Thorup and Zadimoghaddam, "Consistent Hashing with Bounded Loads" (SODA 2018)
//! for the caps; Gale and Shapley (1962) for the matching.

mod caps;
mod matching;
mod ring;
#[cfg(test)]
mod tests;

use super::NodeId;
use super::mix::splitmix64;
use ring::Ring;
use torc_protocol::slot::{SLOT_COUNT, Slot};

/// The number of this layout function, which peers must agree on.
pub const LAYOUT_ALGO: u16 = 1;

/// Tokens a node has for each unit of weight. More tokens would split CLUSTER SLOTS into more ranges, fewer would leave
/// more to the caps, which move data farther.
pub const TOKENS_PER_WEIGHT: usize = 64;

/// The highest weight; a higher one counts as this. Memory and time of a layout grow with the sum of the weights.
pub const WEIGHT_MAX: u16 = 128;

/// Copies of a slot at most; more count as this.
pub const COPIES_MAX: usize = 8;

/// A node that may keep slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Placement<'z> {
    /// Its name, from which its tokens come.
    pub node_id: NodeId,
    /// Its share relative to the others'. 0 keeps nothing.
    pub weight: u16,
    /// What it fails together with: a rack, a data centre. Nodes without a zone name share the empty one.
    pub zone: &'z str,
}

/// The preference list of every slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    nodes: Box<[NodeId]>,
    copies: usize,
    /// `copies` indexes into `nodes` for each slot, the primary's first.
    table: Box<[u16]>,
}

/// A placed node as the steps of the computation see it.
#[derive(Debug, Clone, Copy)]
struct Node {
    id: NodeId,
    weight: u16,
    /// Zones are numbered from 0; only equality means something.
    zone: u16,
}

impl Layout {
    /// The layout of `placements` with `copies` copies of each slot, or as many as there are nodes. The order of `placements` does
    /// not matter; of two with the same id one counts. Takes about 10 ms for 100 nodes and 30 ms for 1000.
    pub fn compute(placements: &[Placement<'_>], copies: usize) -> Layout {
        let (nodes, zone_count) = numbered(placements);
        let mut zone_sizes = vec![0; zone_count];
        nodes.iter().for_each(|node| zone_sizes[usize::from(node.zone)] += 1);
        let copies = copies.clamp(1, COPIES_MAX).min(nodes.len());
        let mut layout = Layout {
            nodes: nodes.iter().map(|node| node.id).collect(),
            copies,
            table: vec![0; SLOT_COUNT * copies].into(),
        };
        if copies == 0 {
            return layout;
        }
        let ring = Ring::new(&nodes);
        let zone_limit = copies.div_ceil(zone_count);
        let mut loads = vec![0u32; nodes.len()];
        for rank in 0..copies {
            let caps = caps::cumulative(&nodes, zone_count, rank + 1, zone_limit);
            let room = caps.iter().zip(&loads).map(|(cap, load)| cap.saturating_sub(*load));
            let rules = matching::Rules {
                nodes: &nodes,
                zone_sizes: &zone_sizes,
                zone_limit,
                copies,
                rank,
            };
            matching::fill_rank(&ring, rules, room.collect(), &mut layout.table);
            for slot in 0..SLOT_COUNT {
                loads[layout.table[slot * copies + rank] as usize] += 1;
            }
        }
        layout
    }

    /// The placed nodes, by rising id. What the lists hold are indexes into this.
    pub fn nodes(&self) -> &[NodeId] {
        &self.nodes
    }

    /// Length of each list: the copies asked for, or the number of nodes if that is less.
    pub fn copies(&self) -> usize {
        self.copies
    }

    /// The nodes that keep `slot`, the primary first, as indexes into [`Layout::nodes`]. Empty if no node is placed.
    #[inline]
    pub fn list(&self, slot: Slot) -> &[u16] {
        &self.table[slot.index() * self.copies..][..self.copies]
    }

    /// All lists, one after the other.
    pub(super) fn table(&self) -> &[u16] {
        &self.table
    }

    /// A fingerprint of the nodes and all lists: equal on two nodes whose layouts are, so that peers can compare them.
    pub fn checksum(&self) -> u64 {
        let head = splitmix64(self.copies as u64, self.nodes.len() as u64);
        let ids = self.nodes.iter().fold(head, |sum, id| splitmix64(sum ^ id.0, 0));
        self.table.iter().fold(ids, |sum, &index| splitmix64(sum ^ u64::from(index), 0))
    }

    /// How many slots each node keeps, as primary and in all: `(primary, all)` in the order of [`Layout::nodes`].
    pub fn loads(&self) -> Vec<(u32, u32)> {
        let mut loads = vec![(0, 0); self.nodes.len()];
        for list in self.table.chunks_exact(self.copies.max(1)) {
            loads[list[0] as usize].0 += 1;
            list.iter().for_each(|&index| loads[index as usize].1 += 1);
        }
        loads
    }

    /// Of the nodes that keep more than their weight's share of all copies, the one that exceeds it most: its id, and
    /// its share as percent of what the weight asks for. Zones of unequal weight and rings with hardly more nodes than copies cannot honour
    /// weights, and an operator should be told above 150.
    pub fn most_burdened(&self, placements: &[Placement<'_>]) -> Option<(NodeId, u64)> {
        let (nodes, _) = numbered(placements);
        let weights: u64 = nodes.iter().map(|node| u64::from(node.weight)).sum();
        let copies = (SLOT_COUNT * self.copies) as u64;
        let loads = self.loads();
        let percent = nodes.iter().filter_map(|node| {
            let index = self.nodes.binary_search(&node.id).ok()?;
            let fair = copies * u64::from(node.weight);
            Some((node.id, u64::from(loads[index].1) * weights * 100 / fair.max(1)))
        });
        percent.max_by_key(|&(id, percent)| (percent, id)).filter(|&(_, percent)| percent > 100)
    }
}

/// The nodes that can keep anything, by rising id, and the number of their zones.
fn numbered(placements: &[Placement<'_>]) -> (Vec<Node>, usize) {
    let mut placed: Vec<Placement<'_>> =
        placements.iter().copied().filter(|p| p.weight > 0).collect();
    placed.sort_unstable();
    placed.dedup_by_key(|p| p.node_id);
    // An index is 16 bits wide, and rings are far smaller; whoever admits members refuses more.
    placed.truncate(usize::from(u16::MAX));
    let mut zones: Vec<&str> = placed.iter().map(|p| p.zone).collect();
    zones.sort_unstable();
    zones.dedup();
    let nodes = placed.iter().map(|p| Node {
        id: p.node_id,
        weight: p.weight.min(WEIGHT_MAX),
        zone: zones.partition_point(|zone| *zone < p.zone) as u16,
    });
    (nodes.collect(), zones.len())
}
