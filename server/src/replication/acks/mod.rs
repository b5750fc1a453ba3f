//! Acknowledgements: which of a worker's writes have reached how many replicas.
//!
//! A write that needs more than its primary waits here with a ticket until enough peers have said that they hold it, or its time is up. Peers
//! say, for a slot, up to which version of ours they have applied everything; each such statement is looked at once, and each waiting write once for each peer, so
//! the cost is constant for a write on average.
//!
//! ```text
//! slot ─→ waiting: (version, acks, needed) (version, acks, needed) …   in the order of versions
//!         acked:   peer 1 up to ───────────────↑
//!                  peer 2 up to ──↑
//! ```
//!
//! Invariant: a write counts each peer once, and leaves exactly once, met or expired. One worker's own: other threads' writes are theirs. It knows nothing of
//! clients or replies but the caller's ticket.

#[cfg(test)]
mod tests;

use crate::base::clock::UnixMs;
use crate::base::version::Version;
use std::collections::{BTreeMap, VecDeque};
use torc_protocol::slot::{SLOT_COUNT, Slot};

/// Deadlines are kept to this precision, later rather than earlier, so that many share one place.
const DEADLINE_STEP_MS: u64 = 8;

/// What came of a write that waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// The caller's.
    pub ticket: u64,
    /// Peers that hold it.
    pub acked: u32,
    /// Peers that were needed.
    pub needed: u32,
}

impl Outcome {
    /// Whether enough peers hold it.
    pub fn is_met(&self) -> bool {
        self.acked >= self.needed
    }
}

/// There is no room for another waiting write; the reply is that of an unmet one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many writes wait for replicas")]
pub struct Full;

#[derive(Debug)]
struct Waiting {
    version: Version,
    ticket: u64,
    acked: u32,
    needed: u32,
    /// Nothing once it has left; it stays in its queue until those before it have left too.
    open: bool,
}

#[derive(Debug, Default)]
struct OfSlot {
    /// Ascending by version. The number of the first, so that others can be named by theirs.
    first: u64,
    waiting: VecDeque<Waiting>,
    /// Up to where each peer has applied.
    acked: Vec<(u64, Version)>,
}

impl OfSlot {
    fn holders(&self, version: Version) -> u32 {
        self.acked.iter().filter(|(_, acked)| *acked >= version).count() as u32
    }

    fn drop_left(&mut self) {
        while self.waiting.front().is_some_and(|waiting| !waiting.open) {
            self.waiting.pop_front();
            self.first += 1;
        }
    }
}

/// See the module's description.
#[derive(Debug)]
pub struct Acks {
    slots: Box<[Option<Box<OfSlot>>]>,
    /// By deadline: slot and number within it.
    deadlines: BTreeMap<u64, Vec<(Slot, u64)>>,
    open_count: usize,
    open_max: usize,
}

impl Acks {
    /// Nothing waits; at most `open_max` writes ever will.
    pub fn new(open_max: usize) -> Self {
        Acks {
            slots: (0..SLOT_COUNT).map(|_| None).collect(),
            deadlines: BTreeMap::new(),
            open_count: 0,
            open_max,
        }
    }

    /// Writes that wait.
    pub fn open_count(&self) -> usize {
        self.open_count
    }

    /// Whether a write of `slot` waits.
    pub fn is_awaited(&self, slot: Slot) -> bool {
        let of_slot = self.slots[slot.index()].as_ref();
        of_slot.is_some_and(|of_slot| of_slot.waiting.iter().any(|waiting| waiting.open))
    }

    /// Lets a write wait for `needed` peers until `deadline`; a write of several keys waits for its last. Returns the outcome at once if enough peers hold it already.
    ///
    /// One worker gives versions of a slot out in ascending order. Where somebody asks for an earlier write later on (WAIT), he waits for the last one that waits already: who has
    /// that has the earlier one, and those that wait stay in order.
    pub fn wait(
        &mut self,
        (slot, version): (Slot, Version),
        needed: u32,
        deadline: UnixMs,
        ticket: u64,
    ) -> Result<Option<Outcome>, Full> {
        let of_slot = self.slots[slot.index()].get_or_insert_default();
        let acked = of_slot.holders(version);
        if acked >= needed {
            return Ok(Some(Outcome { ticket, acked, needed }));
        }
        // Those that left in the middle of a queue take room as well.
        if self.open_count >= self.open_max || of_slot.waiting.len() >= self.open_max {
            return Err(Full);
        }
        let version = of_slot.waiting.back().map_or(version, |last| last.version.max(version));
        let acked = of_slot.holders(version);
        let number = of_slot.first + of_slot.waiting.len() as u64;
        of_slot.waiting.push_back(Waiting { version, ticket, acked, needed, open: true });
        self.open_count += 1;
        self.deadlines.entry(deadline.div_ceil(DEADLINE_STEP_MS)).or_default().push((slot, number));
        Ok(None)
    }

    /// `peer` has applied everything of `slot` that we wrote up to `version`. Calls `done` with each write that this meets, in the order of versions. Late and
    /// repeated statements change nothing.
    pub fn ack(&mut self, peer: u64, slot: Slot, version: Version, mut done: impl FnMut(Outcome)) {
        let of_slot = self.slots[slot.index()].get_or_insert_default();
        let before = match of_slot.acked.iter_mut().find(|(known, _)| *known == peer) {
            Some((_, acked)) if *acked >= version => return,
            Some((_, acked)) => std::mem::replace(acked, version),
            None => {
                of_slot.acked.push((peer, version));
                Version::ZERO
            }
        };
        let from = of_slot.waiting.partition_point(|waiting| waiting.version <= before);
        for waiting in of_slot.waiting.range_mut(from..) {
            if waiting.version > version {
                break;
            }
            if !waiting.open {
                continue;
            }
            waiting.acked += 1;
            if waiting.acked >= waiting.needed {
                waiting.open = false;
                self.open_count -= 1;
                let Waiting { ticket, acked, needed, .. } = *waiting;
                done(Outcome { ticket, acked, needed });
            }
        }
        of_slot.drop_left();
    }

    /// Calls `done` with each write whose time is up, in the order of deadlines.
    pub fn expire(&mut self, now: UnixMs, mut done: impl FnMut(Outcome)) {
        while let Some(entry) = self.deadlines.first_entry() {
            if *entry.key() > now / DEADLINE_STEP_MS {
                return;
            }
            for (slot, number) in entry.remove() {
                let Some(of_slot) = &mut self.slots[slot.index()] else { continue };
                let index = number.checked_sub(of_slot.first).map(|index| index as usize);
                let Some(waiting) = index.and_then(|index| of_slot.waiting.get_mut(index)) else {
                    continue;
                };
                if waiting.open {
                    waiting.open = false;
                    self.open_count -= 1;
                    let Waiting { ticket, acked, needed, .. } = *waiting;
                    done(Outcome { ticket, acked, needed });
                }
                of_slot.drop_left();
            }
        }
    }

    /// When [`Acks::expire`] has to be called next.
    pub fn next_deadline(&self) -> Option<UnixMs> {
        self.deadlines.first_key_value().map(|(step, _)| step * DEADLINE_STEP_MS)
    }

    /// `peer` is another incarnation now, or gone, and what it had applied went with it: it counts for no write any more until it says that it has it.
    pub fn forget_peer(&mut self, peer: u64) {
        for of_slot in self.slots.iter_mut().flatten() {
            let Some(at) = of_slot.acked.iter().position(|(known, _)| *known == peer) else {
                continue;
            };
            let (_, version) = of_slot.acked.swap_remove(at);
            let counted = of_slot.waiting.iter_mut().take_while(|it| it.version <= version);
            counted.filter(|it| it.open).for_each(|it| it.acked = it.acked.saturating_sub(1));
        }
    }

    /// WAIT: how many peers hold all of these writes; where slots have different replicas, the fewest that hold any one of them. `None` if there are no
    /// writes, which any replica holds.
    pub fn holders(&self, written: impl IntoIterator<Item = (Slot, Version)>) -> Option<u32> {
        let count = |(slot, version): (Slot, Version)| {
            self.slots[slot.index()].as_ref().map_or(0, |of_slot| of_slot.holders(version))
        };
        written.into_iter().map(count).min()
    }
}
