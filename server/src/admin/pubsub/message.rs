//! One message on its way: found receivers, then rendered bytes that all of them share.

use super::index::Index;
use super::subscriptions::Subscriptions;
use super::topics::Topic;
use super::{Kind, Name};
use crate::base::limits::WORKER_COUNT_MAX;
use crate::cluster::NodeId;
use torc_protocol::{Protocol, Reply};

/// What a message needs beyond its bytes, for the bound on what waits.
const OVERHEAD_BYTES: usize = 128;

/// A push as it goes out. RESP2 and RESP3 differ in its first byte alone.
#[derive(Debug, Clone, Copy)]
pub struct Push<'p>(&'p [u8]);

impl<'p> Push<'p> {
    /// The two pieces that make it up in a protocol.
    pub fn pieces(self, protocol: Protocol) -> [&'p [u8]; 2] {
        let first: &[u8] = match protocol {
            Protocol::Resp2 => b"*",
            Protocol::Resp3 => b">",
        };
        [first, self.0.get(1..).unwrap_or_default()]
    }

    /// Its length.
    pub fn bytes(self) -> usize {
        self.0.len()
    }
}

/// A message while its receivers are looked for.
pub(super) struct Draft<'m> {
    kind: Kind,
    channel: &'m [u8],
    payload: &'m [u8],
    receivers: u64,
    workers: [u64; WORKER_COUNT_MAX / 64],
    nodes: Vec<NodeId>,
    /// Up to which number those who subscribed to the channel get it, if any did.
    direct: Option<u64>,
    patterns: Vec<(Name, u64)>,
}

impl<'m> Draft<'m> {
    pub(super) fn new(kind: Kind, channel: &'m [u8], payload: &'m [u8]) -> Self {
        Draft {
            kind,
            channel,
            payload,
            receivers: 0,
            workers: [0; WORKER_COUNT_MAX / 64],
            nodes: Vec::new(),
            direct: None,
            patterns: Vec::new(),
        }
    }

    /// It goes to those who subscribed to the channel, up to subscription `number`.
    pub(super) fn direct(&mut self, topic: &Topic, number: u64) {
        self.take(topic);
        if !topic.workers().is_empty() {
            self.direct = Some(number);
        }
    }

    /// It goes to those who subscribed to a pattern that the channel matches.
    pub(super) fn pattern(&mut self, pattern: &Name, topic: &Topic, number: u64) {
        self.take(topic);
        if !topic.workers().is_empty() {
            self.patterns.push((Name::clone(pattern), number));
        }
    }

    fn take(&mut self, topic: &Topic) {
        for &(worker, count) in topic.workers() {
            self.receivers += u64::from(count);
            let worker = usize::from(worker) % WORKER_COUNT_MAX;
            self.workers[worker / 64] |= 1 << (worker % 64);
        }
        for &(node, count) in topic.nodes() {
            self.receivers += u64::from(count);
            if !self.nodes.contains(&node) {
                self.nodes.push(node);
            }
        }
    }

    /// How many they are, on which workers of this node and on which other nodes.
    pub(super) fn receivers(&mut self) -> (u64, Vec<u16>, Vec<NodeId>) {
        let mut workers = Vec::new();
        for (word, mut bits) in (0u16..).zip(self.workers) {
            while bits != 0 {
                workers.push(word * 64 + bits.trailing_zeros() as u16);
                bits &= bits - 1;
            }
        }
        (self.receivers, workers, std::mem::take(&mut self.nodes))
    }

    /// Renders it.
    pub(super) fn finish(self) -> Publication {
        let Draft { kind, channel, payload, .. } = self;
        let word: &[u8] = if kind == Kind::Shard { b"smessage" } else { b"message" };
        let direct = self.direct.map(|until| (until, render(&[word, channel, payload])));
        let patterns: Vec<_> = self
            .patterns
            .into_iter()
            .map(|(pattern, until)| {
                let bytes = render(&[b"pmessage", &pattern, channel, payload]);
                (pattern, until, bytes)
            })
            .collect();
        let rendered: usize = patterns.iter().map(|(.., bytes)| bytes.len()).sum();
        let bytes = OVERHEAD_BYTES
            + channel.len()
            + rendered
            + direct.as_ref().map_or(0, |(_, bytes)| bytes.len());
        Publication { kind, channel: channel.into(), direct, patterns, except: 0, bytes }
    }
}

fn render(words: &[&[u8]]) -> Box<[u8]> {
    let mut out = Vec::with_capacity(words.iter().map(|word| word.len() + 16).sum());
    let mut reply = Reply::new(&mut out, Protocol::Resp3);
    reply.push(words.len());
    words.iter().for_each(|word| reply.bulk(word));
    out.into_boxed_slice()
}

/// A message on its way to the subscribers of one worker.
#[derive(Debug)]
pub struct Publication {
    kind: Kind,
    channel: Box<[u8]>,
    /// For subscribers of the channel: up to which number, and the push.
    direct: Option<(u64, Box<[u8]>)>,
    /// The same for each pattern.
    patterns: Vec<(Name, u64, Box<[u8]>)>,
    /// The client that published it, which has it already if it is among the subscribers; 0 for none.
    pub(super) except: u64,
    bytes: usize,
}

impl Publication {
    /// Bytes that it takes while it waits.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Gives the publisher what it published to itself.
    pub(super) fn push_own(&self, own: &mut Subscriptions, protocol: Protocol) {
        let direct = self.direct.as_ref().filter(|_| own.has(self.kind, &self.channel));
        let patterns = self.patterns.iter().filter(|(name, ..)| own.has(Kind::Pattern, name));
        let pushes: Vec<&[u8]> = direct
            .map(|(_, bytes)| &**bytes)
            .into_iter()
            .chain(patterns.map(|(.., b)| &**b))
            .collect();
        for push in pushes {
            Push(push)
                .pieces(protocol)
                .iter()
                .for_each(|piece| own.pushes.extend_from_slice(piece));
        }
    }

    pub(super) fn for_each(&self, index: &Index, each: &mut impl FnMut(usize, u64, Push<'_>)) {
        if let Some((until, bytes)) = &self.direct {
            self.hand_out(index, (self.kind, &self.channel, *until), bytes, each);
        }
        for (name, until, bytes) in &self.patterns {
            self.hand_out(index, (Kind::Pattern, name, *until), bytes, each);
        }
    }

    fn hand_out(
        &self,
        index: &Index,
        (kind, name, until): (Kind, &[u8], u64),
        bytes: &[u8],
        each: &mut impl FnMut(usize, u64, Push<'_>),
    ) {
        for seat in index.seats(kind, name) {
            if seat.number <= until && seat.client != self.except {
                each(seat.place, seat.client, Push(bytes));
            }
        }
    }
}
