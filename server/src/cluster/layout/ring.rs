//! The tokens on the ring, and walking over them.

use super::{Node, TOKENS_PER_WEIGHT};
use crate::cluster::mix::splitmix64;
use torc_protocol::slot::SLOT_COUNT;

/// Where slot `slot` lies: in the middle of its 16,384th of the ring.
pub(super) fn position(slot: usize) -> u64 {
    const { assert!(SLOT_COUNT.is_power_of_two()) };
    // 50, but in simulated rings.
    const SHIFT: u32 = u64::BITS - SLOT_COUNT.trailing_zeros();
    (slot as u64) << SHIFT | 1 << (SHIFT - 1)
}

/// All tokens, clockwise.
#[derive(Debug)]
pub(super) struct Ring {
    /// (position, node). Tokens at one position stand in the order of their nodes.
    tokens: Vec<(u64, u16)>,
    /// Where each slot's walk begins: its first token clockwise.
    starts: Vec<u32>,
}

impl Ring {
    pub(super) fn new(nodes: &[Node]) -> Self {
        let mut tokens: Vec<(u64, u16)> = Vec::new();
        for (index, node) in nodes.iter().enumerate() {
            let count = TOKENS_PER_WEIGHT * usize::from(node.weight);
            tokens.extend((0..count).map(|j| (splitmix64(node.id.0, j as u64), index as u16)));
        }
        tokens.sort_unstable();
        let starts = (0..SLOT_COUNT).map(|slot| {
            let at = position(slot);
            // A walk that begins behind the last token begins at the first.
            (tokens.partition_point(|&(token, _)| token < at) % tokens.len()) as u32
        });
        let starts = starts.collect();
        Ring { tokens, starts }
    }

    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// The node of token `index`.
    pub(super) fn node(&self, index: usize) -> u16 {
        self.tokens[index].1
    }

    /// How far token `index` lies from `slot`, clockwise.
    pub(super) fn distance(&self, slot: usize, index: usize) -> u64 {
        self.tokens[index].0.wrapping_sub(position(slot))
    }

    /// The tokens from `slot` clockwise, once around.
    pub(super) fn walk(&self, slot: usize) -> impl Iterator<Item = usize> + '_ {
        let start = self.starts[slot] as usize;
        (start..self.len()).chain(0..start)
    }
}

/// The tokens that a walk still stops at. Tokens of nodes without room are taken out, and a walk passes any number of
/// them in nearly constant time.
#[derive(Debug)]
pub(super) struct Open<'r> {
    ring: &'r Ring,
    /// For each token itself if it is open, else some token behind it before which none is open. One more ends the list.
    next: Vec<u32>,
    /// The tokens by node: those of node `i` are `tokens_of[offsets[i]..offsets[i + 1]]`.
    tokens_of: Vec<u32>,
    offsets: Vec<u32>,
}

/// A place on a walk: tokens passed since the ring's first one, past its end after the walk went around.
pub(super) type Step = u32;

impl<'r> Open<'r> {
    pub(super) fn new(ring: &'r Ring, node_count: usize) -> Self {
        let mut offsets = vec![0u32; node_count + 1];
        ring.tokens.iter().for_each(|&(_, node)| offsets[node as usize + 1] += 1);
        (0..node_count).for_each(|node| offsets[node + 1] += offsets[node]);
        let mut filled = offsets.clone();
        let mut tokens_of = vec![0; ring.len()];
        for (token, &(_, node)) in ring.tokens.iter().enumerate() {
            let place = &mut filled[node as usize];
            tokens_of[*place as usize] = token as u32;
            *place += 1;
        }
        Open { ring, next: (0..=ring.len() as u32).collect(), tokens_of, offsets }
    }

    /// Takes the tokens of `node` out.
    pub(super) fn close(&mut self, node: usize) {
        let (from, to) = (self.offsets[node] as usize, self.offsets[node + 1] as usize);
        for &token in &self.tokens_of[from..to] {
            self.next[token as usize] = token + 1;
        }
    }

    /// The first open token from `token` on, or the ring's length.
    fn find(&mut self, mut token: u32) -> u32 {
        loop {
            let next = self.next[token as usize];
            if next == token {
                return token;
            }
            // Halving the path as it is walked keeps paths short.
            let after = self.next[next as usize];
            self.next[token as usize] = after;
            token = after;
        }
    }

    /// Where the walk of `slot` begins.
    pub(super) fn start(&self, slot: usize) -> Step {
        self.ring.starts[slot]
    }

    /// The first open token at `step` or behind it on the walk of `slot`, with its own step. `None` once the walk is around.
    pub(super) fn stop(&mut self, slot: usize, step: Step) -> Option<(usize, Step)> {
        let len = self.ring.len() as u32;
        let end = self.start(slot) + len;
        let mut step = step;
        if step < len {
            let token = self.find(step);
            if token < len {
                return Some((token as usize, token));
            }
            step = len;
        }
        let token = self.find(step - len);
        let step = token + len;
        (token < len && step < end).then_some((token as usize, step))
    }
}
