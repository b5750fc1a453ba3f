//! Whether a caller who is alone looks for its reply for a while before it lets its thread sleep.
//!
//! A thread that sleeps has to be woken, and where its core sleeps meanwhile, that too: between processes of one machine that can be most of a round trip. Looking
//! for the reply saves it, and costs the time that it takes. So it is done for a bounded time, and the less often the more often it was in vain: a server that is
//! farther away than that time is looked out for now and then only.
//!
//! Only on runtimes of one thread. On others some thread waits for the sockets at all times; each reply would wake that one too, which costs more than is saved.
//!
//! Neither sockets nor a clock: whoever looks says when.

use std::time::{Duration, Instant};

/// In vain that often in a row, calls are let by: 2, 4, … up to two to this power.
const MISSES_MAX: u32 = 10;
/// After so long the other tasks of the thread get their turn, though every reply was there at the first look.
const HELD_MAX: Duration = Duration::from_micros(100);

/// What the caller does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Look now.
    Now,
    /// Let the other tasks run, then ask again.
    AfterOthers,
    /// Leave it to the runtime.
    No,
}

/// How long, and whether at all.
#[derive(Debug)]
pub(super) struct BusyPoll {
    budget: Duration,
    /// Since when this call has been looking; `None` if it does not.
    begun: Option<Instant>,
    /// Since when the thread has done nothing else.
    held: Option<Instant>,
    /// Calls in a row whose replies did not come in time.
    misses: u32,
    /// Calls that are still let by.
    skipped: u32,
}

impl BusyPoll {
    /// For so long at most; not at all if that is zero.
    pub(super) fn new(budget: Duration) -> Self {
        BusyPoll { budget, begun: None, held: None, misses: 0, skipped: 0 }
    }

    #[inline]
    pub(super) fn is_off(&self) -> bool {
        self.budget.is_zero()
    }

    /// A request goes out. Whether its reply is looked out for.
    pub(super) fn begin(&mut self, now: Instant) -> bool {
        self.begun = None;
        if self.skipped > 0 {
            self.skipped -= 1;
            self.held = None;
            return false;
        }
        self.begun = Some(now);
        self.held.get_or_insert(now);
        true
    }

    /// Whether some call is looking.
    #[inline]
    pub(super) fn is_looking(&self) -> bool {
        self.begun.is_some()
    }

    /// The reply is not there yet.
    pub(super) fn look(&mut self, now: Instant) -> Look {
        let Some(begun) = self.begun else { return Look::No };
        if now.duration_since(begun) >= self.budget {
            self.misses = (self.misses + 1).min(MISSES_MAX);
            self.skipped = 1 << self.misses;
            (self.begun, self.held) = (None, None);
            return Look::No;
        }
        if self.held.is_some_and(|held| now.duration_since(held) >= HELD_MAX) {
            return Look::AfterOthers;
        }
        Look::Now
    }

    /// The other tasks get their turn.
    pub(super) fn let_go(&mut self) {
        self.held = None;
    }

    /// The reply is there.
    #[inline]
    pub(super) fn hit(&mut self) {
        if self.begun.take().is_some() {
            self.misses = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock;

    const BUDGET: Duration = Duration::from_micros(50);

    #[test]
    fn what_is_in_vain_is_done_ever_less() {
        let mut busy = BusyPoll::new(BUDGET);
        let start = clock::now();
        let mut looked = Vec::new();
        for call in 0..40 {
            if busy.begin(start) {
                looked.push(call);
                assert_eq!(busy.look(start), Look::Now);
                assert_eq!(busy.look(start + BUDGET), Look::No);
                assert_eq!(busy.look(start + BUDGET), Look::No, "it is over");
            }
        }
        assert_eq!(looked, [0, 3, 8, 17, 34]);
        for _ in 0..5000 {
            if busy.begin(start) {
                busy.look(start + BUDGET);
            }
        }
        assert_eq!(busy.misses, MISSES_MAX);
        // One that comes in time, and it is done for each again.
        while !busy.begin(start) {}
        busy.hit();
        assert!(busy.begin(start));
        busy.look(start + BUDGET);
        assert_eq!(busy.skipped, 2);
    }

    #[test]
    fn other_tasks_get_their_turn() {
        let mut busy = BusyPoll::new(BUDGET);
        let mut now = clock::now();
        let mut turns = 0;
        for _ in 0..100 {
            assert!(busy.begin(now));
            now += Duration::from_micros(10);
            if busy.look(now) == Look::AfterOthers {
                turns += 1;
                busy.let_go();
                assert_eq!(busy.look(now), Look::Now);
            }
            busy.hit();
        }
        assert_eq!(turns, 10);
    }
}
