//! The bounded log of one worker's effects: at once the send buffer of every link and the source of catch-ups.
//!
//! ```text
//!  oldest                                            next
//!    │ segment │ segment │ segment │ segment (open) │
//!         ↑ cursor of a slow peer        ↑ cursor of a fast one
//! ```
//!
//! Effects are kept as the bytes that go out, in segments that are dropped whole, oldest first, when the budget is exceeded. Positions count effects and never
//! go back. A cursor whose effects are dropped does not hold anything up: it *falls off*, and the slots of what it missed are noted for it, which the peer must
//! then bring up to date by a sync. So a slow peer costs the budget and 2 KiB, and never a pause.
//!
//! The log is one worker's: a slot's chain is spread over the logs of all workers that wrote to it, and the receiver's chain puts the parts together.
//!
//! Invariant: the bytes held stay within the budget. It knows nothing of links, and of an effect only its slot and version.

#[cfg(test)]
mod tests;

use crate::base::version::Version;
use std::collections::VecDeque;
use torc_protocol::slot::{SLOT_COUNT, Slot};

/// Bytes after which a segment is closed. Dropping one costs a cursor at most this much more than it had to lose.
const SEGMENT_BYTES: usize = 64 * 1024;

/// A set of slots, 2 KiB.
#[derive(Clone, PartialEq, Eq)]
pub struct SlotSet(Box<[u64; SLOT_COUNT / 64]>);

impl Default for SlotSet {
    fn default() -> Self {
        SlotSet(Box::new([0; SLOT_COUNT / 64]))
    }
}

impl std::fmt::Debug for SlotSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter().map(Slot::index)).finish()
    }
}

impl SlotSet {
    /// None.
    pub fn new() -> Self {
        SlotSet::default()
    }

    /// Adds a slot.
    pub fn insert(&mut self, slot: Slot) {
        self.0[slot.index() / 64] |= 1 << (slot.index() % 64);
    }

    /// Whether it holds a slot.
    pub fn contains(&self, slot: Slot) -> bool {
        self.0[slot.index() / 64] & 1 << (slot.index() % 64) != 0
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    /// Its slots, ascending.
    pub fn iter(&self) -> impl Iterator<Item = Slot> {
        let slots = (0..SLOT_COUNT as u16).filter_map(Slot::new);
        slots.filter(|slot| self.contains(*slot))
    }

    /// Keeps the slots that `keep` says.
    pub fn retain(&mut self, keep: impl Fn(Slot) -> bool) {
        for index in 0..self.0.len() {
            let mut open = self.0[index];
            while open != 0 {
                let bit = open.trailing_zeros() as usize;
                open &= open - 1;
                let slot = Slot::new((index * 64 + bit) as u16);
                if !slot.is_some_and(&keep) {
                    self.0[index] &= !(1 << bit);
                }
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Record {
    slot: Slot,
    version: Version,
    /// Where its bytes end in the segment.
    end: usize,
}

#[derive(Debug)]
struct Segment {
    /// Position of its first effect.
    first: u64,
    bytes: Vec<u8>,
    records: Vec<Record>,
}

impl Segment {
    fn end(&self) -> u64 {
        self.first + self.records.len() as u64
    }

    fn held_bytes(&self) -> usize {
        self.bytes.len() + self.records.len() * size_of::<Record>()
    }

    fn bytes_of(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).map_or(0, |before| self.records[before].end);
        &self.bytes[start..self.records[index].end]
    }
}

#[derive(Debug)]
struct Cursor {
    peer: u64,
    position: u64,
    /// Slots of effects that were dropped before they were read.
    lost: Option<SlotSet>,
}

/// What a read came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Read {
    /// Effects that were appended to the output.
    pub count: usize,
    /// Whether there may be more.
    pub more: bool,
    /// Whether effects were dropped unread since [`Log::take_lost`] was last called.
    pub fell_off: bool,
}

/// See the module's description.
#[derive(Debug)]
pub struct Log {
    segments: VecDeque<Segment>,
    cursors: Vec<Cursor>,
    budget_bytes: usize,
    held_bytes: usize,
    next: u64,
    /// By slot: the highest version that was dropped. Made when the first segment is; 128 KiB.
    dropped: Option<Box<[Version]>>,
}

impl Log {
    /// An empty log that holds up to `budget_bytes`, its own records of effects included.
    pub fn new(budget_bytes: usize) -> Self {
        Log {
            segments: VecDeque::new(),
            cursors: Vec::new(),
            budget_bytes,
            held_bytes: 0,
            next: 0,
            dropped: None,
        }
    }

    /// Bytes held.
    pub fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// The position that the next effect gets.
    pub fn next_position(&self) -> u64 {
        self.next
    }

    /// How many effects behind a peer's cursor is; `None` if it has none.
    pub fn lag(&self, peer: u64) -> Option<u64> {
        self.cursors.iter().find(|cursor| cursor.peer == peer).map(|it| self.next - it.position)
    }

    /// Changes the budget, dropping what exceeds it.
    pub fn set_budget(&mut self, bytes: usize) {
        self.budget_bytes = bytes;
        self.keep_budget();
    }

    /// Appends an effect; `write` appends its bytes and nothing else to the buffer. Returns its position.
    pub fn append(
        &mut self,
        slot: Slot,
        version: Version,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> u64 {
        if self.segments.back().is_none_or(|segment| segment.bytes.len() >= SEGMENT_BYTES) {
            let bytes = Vec::with_capacity(SEGMENT_BYTES + SEGMENT_BYTES / 8);
            self.segments.push_back(Segment { first: self.next, bytes, records: Vec::new() });
        }
        let segment = self.segments.back_mut().expect("one was made if there was none");
        let before = segment.held_bytes();
        write(&mut segment.bytes);
        segment.records.push(Record { slot, version, end: segment.bytes.len() });
        self.held_bytes += segment.held_bytes() - before;
        let position = self.next;
        self.next += 1;
        self.keep_budget();
        position
    }

    /// Drops the oldest segments while too much is held; an effect larger than the whole budget drops itself.
    fn keep_budget(&mut self) {
        while self.held_bytes > self.budget_bytes {
            let Some(segment) = self.segments.pop_front() else { return };
            self.held_bytes -= segment.held_bytes();
            let none = || vec![Version::ZERO; SLOT_COUNT].into_boxed_slice();
            let dropped = self.dropped.get_or_insert_with(none);
            for record in &segment.records {
                let highest = &mut dropped[record.slot.index()];
                *highest = record.version.max(*highest);
            }
            for cursor in self.cursors.iter_mut().filter(|it| it.position < segment.end()) {
                let from = cursor.position.saturating_sub(segment.first) as usize;
                let lost = cursor.lost.get_or_insert_default();
                segment.records[from..].iter().for_each(|record| lost.insert(record.slot));
                cursor.position = segment.end();
            }
        }
    }

    /// Gives `peer` a cursor at the end: what was written before comes by a sync. One that it has already is moved there, and forgets what it lost.
    pub fn attach(&mut self, peer: u64) {
        self.detach(peer);
        self.cursors.push(Cursor { peer, position: self.next, lost: None });
    }

    /// Takes the cursor of `peer` away.
    pub fn detach(&mut self, peer: u64) {
        self.cursors.retain(|cursor| cursor.peer != peer);
    }

    /// Appends to `out` the bytes of what `peer` has yet to read, of the slots that it `replicates`, until there are `bytes_max` (one effect may exceed it). Nothing for a
    /// peer without a cursor.
    pub fn read(
        &mut self,
        peer: u64,
        replicates: impl Fn(Slot) -> bool,
        bytes_max: usize,
        out: &mut Vec<u8>,
    ) -> Read {
        let Some(cursor) = self.cursors.iter_mut().find(|cursor| cursor.peer == peer) else {
            return Read::default();
        };
        let limit = out.len() + bytes_max;
        let mut count = 0;
        let first = self.segments.partition_point(|segment| segment.end() <= cursor.position);
        'segments: for segment in self.segments.range(first..) {
            for index in (cursor.position - segment.first) as usize..segment.records.len() {
                if out.len() >= limit {
                    break 'segments;
                }
                if replicates(segment.records[index].slot) {
                    out.extend_from_slice(segment.bytes_of(index));
                    count += 1;
                }
                cursor.position += 1;
            }
        }
        Read { count, more: cursor.position < self.next, fell_off: cursor.lost.is_some() }
    }

    /// The slots, of those that it `replicates`, that `peer` has to sync because their effects were dropped unread. They count as told.
    pub fn take_lost(&mut self, peer: u64, replicates: impl Fn(Slot) -> bool) -> SlotSet {
        let cursor = self.cursors.iter_mut().find(|cursor| cursor.peer == peer);
        let mut lost = cursor.and_then(|cursor| cursor.lost.take()).unwrap_or_default();
        lost.retain(replicates);
        lost
    }

    /// Whether every effect of `slot` after `version` that this worker wrote is still here.
    pub fn holds_after(&self, slot: Slot, version: Version) -> bool {
        self.dropped.as_ref().is_none_or(|dropped| dropped[slot.index()] <= version)
    }

    /// Catch-up: appends to `out` the effects at or after `position` that `wanted` says by slot and version, until there are `bytes_max`. Returns
    /// where to go on, or nothing at the end. One pass serves any number of slots.
    pub fn replay(
        &self,
        position: u64,
        wanted: impl Fn(Slot, Version) -> bool,
        bytes_max: usize,
        out: &mut Vec<u8>,
    ) -> Option<u64> {
        let limit = out.len() + bytes_max;
        let first = self.segments.partition_point(|segment| segment.end() <= position);
        for segment in self.segments.range(first..) {
            let from = position.saturating_sub(segment.first) as usize;
            for (index, record) in segment.records.iter().enumerate().skip(from) {
                if !wanted(record.slot, record.version) {
                    continue;
                }
                if out.len() >= limit {
                    return Some(segment.first + index as u64);
                }
                out.extend_from_slice(segment.bytes_of(index));
            }
        }
        None
    }
}
