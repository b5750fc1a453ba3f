//! What a thread does for the store between requests: sweeping expired keys, shrinking tables, freeing limbo.
//!
//! Each thread sweeps the slots whose number is its own modulo the number of sweepers. A slot is walked only when its earliest
//! deadline has passed, bucket by bucket, and the walk stops at its budget and goes on from there next time.

use super::database::{NEVER, Roots};
use super::entry::Entry;
use super::index::{self, word};
use super::local::{Local, add};
use super::{Guard, Store};
use crate::base::clock::UnixMs;
use crate::base::limits::DATABASE_COUNT;
use std::sync::atomic::Ordering;
use torc_protocol::slot::SLOT_COUNT;

/// Where a thread's sweep stands.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    db: usize,
    slot: usize,
    /// Position in the slot, and the earliest deadline seen before it.
    inside: Option<(u64, UnixMs)>,
    /// Where the look at tables' sizes and places stands.
    tidy_slot: usize,
    tidy_round: usize,
    /// Number of the next slot to age, rounds included; see `age`.
    pub(super) aged: Option<u64>,
}

/// Whose share of the slots a call sweeps.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    /// This sweeper's number, below `of`.
    pub index: usize,
    /// Number of sweepers.
    pub of: usize,
}

/// Slots whose tables are looked at in one call: with ten calls a second, every table once in 0.8 s for some 100 µs a call.
const TIDY_SLOTS: usize = 2048;
/// Every so many rounds a table's fill is looked at as well, which costs more.
const FIT_ROUNDS: usize = 8;

impl Store {
    /// Sweeps expired keys of `share`'s slots until `keep_going` says to stop (asked every bucket of a due slot) or nothing is due.
    /// Returns whether more is due.
    pub fn sweep(
        &self,
        local: &mut Local,
        guard: &Guard,
        now: UnixMs,
        share: Share,
        mut keep_going: impl FnMut() -> bool,
    ) -> bool {
        let mut sweep = std::mem::take(&mut local.sweep);
        let mut more = false;
        'databases: for _ in 0..DATABASE_COUNT {
            if let Some(roots) = self.inner.databases[sweep.db].roots(guard) {
                while sweep.slot < SLOT_COUNT {
                    let slot = sweep.slot;
                    let due = slot % share.of == share.index
                        // Relaxed: a deadline noted this moment is found by the next sweep.
                        && (sweep.inside.is_some() || roots.due[slot].load(Ordering::Relaxed) <= now);
                    if due && !sweep_slot(&mut sweep, roots, local, now, &mut keep_going) {
                        more = true;
                        break 'databases;
                    }
                    sweep.slot += 1;
                }
            }
            sweep.inside = None;
            sweep.slot = 0;
            sweep.db = (sweep.db + 1) % DATABASE_COUNT;
        }
        local.sweep = sweep;
        more
    }

    /// Shrinks tables that have become far too large and moves those that keep a page from being freed, a few slots a call; frees what may go.
    /// For a periodic tick, with no guard held.
    pub fn tidy(&self, local: &mut Local, share: Share) {
        let guard = crossbeam_epoch::pin();
        let first = local.sweep.tidy_slot;
        for slot in first..first + TIDY_SLOTS {
            let fit = slot % FIT_ROUNDS == local.sweep.tidy_round % FIT_ROUNDS;
            if slot % share.of != share.index {
                continue;
            }
            for database in &self.inner.databases {
                let Some(roots) = database.roots(&guard) else { continue };
                let mut from = Some(0);
                while let Some(position) = from {
                    from = index::tidy(local, &roots.words[slot], position, fit);
                }
            }
        }
        local.sweep.tidy_slot = (first + TIDY_SLOTS) % SLOT_COUNT;
        local.sweep.tidy_round += (local.sweep.tidy_slot == 0) as usize;
        drop(guard);
        local.settle();
    }
}

/// Walks the slot that the sweep stands at; `false` if it was told to stop before the end.
fn sweep_slot(
    sweep: &mut Sweep,
    roots: &Roots,
    local: &mut Local,
    now: UnixMs,
    keep_going: &mut impl FnMut() -> bool,
) -> bool {
    let due = &roots.due[sweep.slot];
    let (mut position, mut earliest) = sweep.inside.take().unwrap_or_else(|| {
        // AcqRel: a key whose deadline is noted before this is seen by the walk; one noted after lowers the new value.
        due.swap(NEVER, Ordering::AcqRel);
        (0, NEVER)
    });
    loop {
        let next = index::visit_bucket(&roots.words[sweep.slot], position, |hit| {
            if hit.word & word::TTL == 0 {
                return;
            }
            // SAFETY: a published word read under the caller's guard.
            let entry = unsafe { Entry::at(word::pointer(hit.word)) };
            let deadline = entry.deadline().unwrap_or(NEVER);
            if deadline > now || hit.word & word::LATCH != 0 || hit.remove(local).is_err() {
                // Whoever changed it first has noted its new deadline, if any; the old one does no harm.
                earliest = earliest.min(deadline);
                return;
            }
            local.forget(roots, hit.word);
            add(&local.tally().expired, 1);
        });
        match next {
            None => {
                due.fetch_min(earliest, Ordering::AcqRel);
                return true;
            }
            Some(after) if keep_going() => position = after,
            Some(after) => {
                // What was not walked is due still.
                due.fetch_min(now, Ordering::AcqRel);
                sweep.inside = Some((after, earliest));
                return false;
            }
        }
    }
}
