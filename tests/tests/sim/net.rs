//! The network of a world: links that keep order or break, and which way nothing passes.
//!
//! A link is like a TCP connection with keepalives: what was sent arrives once and in order, however late, until an end closes it. An end closes when
//! it hears nothing for [`DEAD_US`], or hears that the other end is gone; what was on its way is lost then.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// An end that hears nothing for so long closes the link.
pub const DEAD_US: u64 = 1_500_000;

/// Who dials whom, and for what. A control link is dialled by the node with the lower number, a data link by the one whose requests and effects it carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    pub dialler: usize,
    pub other: usize,
    pub control: bool,
}

impl Line {
    pub fn end(&self, side: usize) -> usize {
        [self.dialler, self.other][side]
    }

    pub fn side_of(&self, node: usize) -> usize {
        usize::from(node == self.other)
    }
}

/// A message on its way.
#[derive(Debug)]
pub struct Message {
    pub due: u64,
    pub bytes: Vec<u8>,
}

/// A connection.
#[derive(Debug, Default)]
pub struct Link {
    /// Counts connections.
    pub life: u64,
    /// Whether each side holds it open.
    pub open: [bool; 2],
    /// Towards each side.
    pub queues: [VecDeque<Message>; 2],
    /// The same of what is told for clients that track; see [`super::tracking`].
    pub news: [VecDeque<Message>; 2],
    /// When each side last heard something.
    pub heard: [u64; 2],
    /// Requests that each side sent and nobody answered: the frame's id and the ticket.
    pub asked: [BTreeMap<u32, u64>; 2],
    pub next_id: u32,
    /// Since when it is down.
    pub down_since: u64,
    /// Until then nobody can dial.
    pub barred_until: u64,
}

impl Link {
    pub fn is_down(&self) -> bool {
        self.open == [false, false]
    }
}

/// See the module's description.
#[derive(Debug, Default)]
pub struct Net {
    pub links: BTreeMap<Line, Link>,
    /// Pairs of which the first cannot reach the second.
    pub cut: BTreeSet<(usize, usize)>,
    /// Links of which nothing comes out until then, whatever the others do, as where TCP waits to send a segment again.
    pub lagging: BTreeMap<Line, u64>,
    /// Lost and doubled datagrams in a thousand.
    pub loss: u64,
    pub doubled: u64,
    /// The longest usual way, in microseconds.
    pub latency_us: u64,
}

impl Net {
    pub fn is_cut(&self, from: usize, to: usize) -> bool {
        self.cut.contains(&(from, to))
    }

    pub fn cut_way(&mut self, from: usize, to: usize) {
        self.cut.insert((from, to));
    }

    pub fn heal(&mut self) {
        self.cut.clear();
    }

    /// Until when nothing comes out of a link.
    pub fn lags_until(&self, line: Line) -> u64 {
        self.lagging.get(&line).copied().unwrap_or(0)
    }

    /// Makes room for the links of `count` nodes.
    pub fn grow(&mut self, count: usize) {
        for a in 0..count {
            for b in (0..count).filter(|&b| b != a) {
                let line = Line { dialler: a, other: b, control: false };
                self.links.entry(line).or_default();
                if a < b {
                    self.links.entry(Line { control: true, ..line }).or_default();
                }
            }
        }
    }
}
