//! What a thread does for the store between requests: sweeping expired keys, shrinking tables, freeing limbo.
//!
//! Each thread sweeps the slots whose number is its own modulo the number of sweepers. A slot is walked only when its earliest
//! deadline has passed, bucket by bucket, and the walk stops at its budget and goes on from there next time.
//!
//! Tables are moved out of nearly empty pages by two walks over all slots: one in step with the clock ([`Store::tidy`]), and one in step with
//! the growth of memory ([`follow_growth`]), without which a fast load would outrun the clock and leave the pages of the tables that it
//! outgrew behind (5 bytes a key at 2 M keys). Both stop at a budget of cache lines and go on from there.

use super::database::{NEVER, Roots};
use super::entry::Entry;
use super::index::{self, word};
use super::local::{Local, add};
use super::notices::NoticeKind;
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
    /// Number of the next slot to age, rounds included; see `age`.
    pub(super) aged: Option<u64>,
    /// Keys were removed from the slot.
    thinned: bool,
}

/// Where a walk over the tables stands.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Walk {
    slot: usize,
    db: usize,
    /// Position in the slot.
    position: u64,
    /// Walks over all slots so far.
    round: usize,
}

impl Walk {
    /// A walk that begins at `slot`.
    pub(super) fn from_slot(slot: usize) -> Self {
        Walk { slot: slot % SLOT_COUNT, ..Walk::default() }
    }
}

/// Whose share of the slots a call sweeps.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    /// This sweeper's number, below `of`.
    pub index: usize,
    /// Number of sweepers.
    pub of: usize,
}

/// Slots whose tables are looked at in one tick: with ten ticks a second, every table once in 0.8 s,
const TIDY_SLOTS: usize = 2048;
/// unless this many cache lines were looked at and written before. Measured at 270 ns each when nothing is cached: 0.4 ms.
const TIDY_LINES: usize = 1536;
/// Every so many rounds a table's fill is looked at as well, which costs more.
const FIT_ROUNDS: usize = 8;
/// Walks over all slots while memory doubles: a page of tables then waits for less than a tenth of it.
const GROWTH_ROUNDS: usize = 12;
/// Slots, and cache lines, that growth by one page pays for at most: 50 µs once in some 700 inserts.
const GROWTH_SLOTS: usize = 256;
const GROWTH_LINES: usize = 512;

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
        self.check_guard(guard);
        let mut sweep = std::mem::take(&mut local.sweep);
        let mut more = false;
        'databases: for _ in 0..DATABASE_COUNT {
            if let Some(roots) = self.inner.databases[sweep.db].roots(guard) {
                while sweep.slot < SLOT_COUNT {
                    let slot = sweep.slot;
                    let due = slot % share.of == share.index
                        // Relaxed: a deadline noted this moment is found by the next sweep.
                        && (sweep.inside.is_some()
                            || roots.due[slot].load(Ordering::Relaxed) <= now.saturating_sub(local.patience(slot)));
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
    /// For a periodic tick, with no guard held. Waits for nobody: while another thread has the store for itself, it does nothing.
    pub fn tidy(&self, local: &mut Local, share: Share) {
        let Some(guard) = local.pin_unless(|| true) else { return };
        let mut walk = std::mem::take(&mut local.tidy_walk);
        tidy_tables(
            &self.inner,
            local,
            &guard,
            &mut walk,
            share,
            Budget { slots: TIDY_SLOTS, lines: TIDY_LINES },
            true,
        );
        local.tidy_walk = walk;
        self.tidy_watches(local, &guard);
        drop(guard);
        local.settle();
    }
}

/// What one call may look at.
struct Budget {
    slots: usize,
    lines: usize,
}

/// Moves tables out of nearly empty pages, as `pages` pages were just made: memory grows, so tables do, and leave their old pages behind. Any
/// thread may move any table; each walks on its own, from a place of its own.
#[cold]
pub(super) fn follow_growth(local: &mut Local, guard: &Guard, pages: usize) {
    let inner = local.inner.clone();
    let due = pages * GROWTH_ROUNDS * SLOT_COUNT / local.heap.page_count().max(1);
    let budget = Budget { slots: due.clamp(1, GROWTH_SLOTS), lines: GROWTH_LINES };
    let mut walk = std::mem::take(&mut local.growth_walk);
    tidy_tables(&inner, local, guard, &mut walk, Share { index: 0, of: 1 }, budget, false);
    local.growth_walk = walk;
}

/// Goes on with `walk` until the budget is used up. `may_fit`: tables that are too large become smaller, too.
fn tidy_tables(
    inner: &super::Inner,
    local: &mut Local,
    guard: &Guard,
    walk: &mut Walk,
    share: Share,
    mut budget: Budget,
    may_fit: bool,
) {
    while budget.slots > 0 {
        budget.slots -= 1;
        let fit = may_fit && walk.slot % FIT_ROUNDS == walk.round % FIT_ROUNDS;
        while walk.slot % share.of == share.index && walk.db < DATABASE_COUNT {
            if let Some(roots) = inner.databases[walk.db].roots(guard) {
                let done = index::tidy(local, &roots.words[walk.slot], walk.position, fit);
                walk.position = done.next.unwrap_or(0);
                walk.db += done.next.is_none() as usize;
                budget.lines = budget.lines.saturating_sub(done.lines);
                if budget.lines == 0 {
                    return;
                }
            } else {
                walk.position = 0;
                walk.db += 1;
            }
        }
        walk.db = 0;
        walk.slot = (walk.slot + 1) % SLOT_COUNT;
        walk.round += (walk.slot == 0) as usize;
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
    let (db, patience) = (sweep.db as u8, local.patience(sweep.slot));
    let root = &roots.words[sweep.slot];
    let (mut position, mut earliest) = sweep.inside.take().unwrap_or_else(|| {
        // AcqRel: a key whose deadline is noted before this is seen by the walk; one noted after lowers the new value.
        due.swap(NEVER, Ordering::AcqRel);
        (0, NEVER)
    });
    loop {
        let next = index::visit_bucket(root, position, |hit| {
            if hit.word & word::TTL == 0 {
                return;
            }
            // SAFETY: a published word read under the caller's guard.
            let entry = unsafe { Entry::at(word::pointer(hit.word)) };
            let deadline = entry.deadline().unwrap_or(NEVER);
            let due = deadline.saturating_add(patience) <= now && hit.word & word::LATCH == 0;
            if !due || local.sweep_entry(roots, &hit, db, now, patience).is_err() {
                // Whoever changed it first has noted its new deadline, if any; the old one does no harm.
                earliest = earliest.min(deadline);
                return;
            }
            add(&local.tally().expired, 1);
            if patience == 0 {
                local.notice(NoticeKind::Expired, db, entry.key());
            }
            sweep.thinned = true;
        });
        match next {
            None => {
                due.fetch_min(earliest, Ordering::AcqRel);
                // While its lines are at hand, and not all tables of the store at once in the next ticks.
                if std::mem::take(&mut sweep.thinned) {
                    index::tidy(local, root, 0, true);
                }
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
