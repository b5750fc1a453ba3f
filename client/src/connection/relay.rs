//! Whether a node's callers are few and brief, and are best served over one connection and by one thread.
//!
//! A runtime of several threads wakes another one as soon as two tasks can run. For callers who do little with a reply that costs more than it brings: the other
//! thread takes half of them, each half has its own write and read, and between two batches both threads fall asleep. So the driver wakes the first of them only, and each
//! one that takes its reply wakes the next; the last one wakes the driver, which writes what all of them have sent meanwhile. The runtime still wakes
//! another thread once it has run three tasks in this way, but that finds nothing to take away.
//!
//! ```text
//! driver ── wakes ── caller ── takes its reply, wakes ── caller ── … ── caller ── wakes ── driver ── one write
//! ```
//!
//! What it must not do is keep callers waiting for one who computes, or who was woken and does not ask for its reply. The driver comes back in any case once its thread
//! has nothing else to run, and wakes those who are left. And when callers took long, or are many, the node's threads have their connections to
//! themselves again, and all callers are woken at once: for the next 2, 4, … batches of replies, the more the oftener that has happened.
//!
//! Neither sockets nor a clock: whoever wakes says how long it took.

use crate::base::lock;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// With more callers under way batches are long enough for each of several connections.
const CALLERS_MAX: usize = 32;
/// What callers may take until the last one has run: about what waking another thread for them would take, and so much for each.
const WAKE: Duration = Duration::from_micros(10);
const EACH: Duration = Duration::from_micros(2);
/// After that many misses in a row, calls are let by for up to two to this power batches.
const MISSES_MAX: u32 = 10;
/// So many batches that went well make up for one that did not: callers of which now and then one takes long are woken at once mostly.
const HITS_PER_MISS: u32 = 16;

/// What a node's connections have found out about their callers.
#[derive(Debug)]
pub(crate) struct Relay {
    is_on: AtomicBool,
    course: Mutex<Course>,
}

#[derive(Debug, Default)]
struct Course {
    misses: u32,
    hits: u32,
    /// Batches that are still let by.
    skipped: u32,
}

impl Default for Relay {
    fn default() -> Self {
        Relay { is_on: AtomicBool::new(true), course: Mutex::default() }
    }
}

impl Relay {
    /// Whether callers share one connection and wake each other.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        // Relaxed: a hint. Whatever connection a call takes serves it.
        self.is_on.load(Ordering::Relaxed)
    }

    /// Replies for several callers are there, of `in_flight` on this connection. Whether the callers are to wake each other; they can if they are tasks of the runtime (`are_tasks`).
    pub(crate) fn begin(&self, in_flight: usize, are_tasks: bool) -> bool {
        if self.is_on() {
            let may = in_flight <= CALLERS_MAX && are_tasks;
            if !may {
                self.miss();
            }
            return may;
        }
        let mut course = lock(&self.course);
        course.skipped = course.skipped.saturating_sub(1);
        if course.skipped == 0 {
            self.is_on.store(true, Ordering::Relaxed);
        }
        false
    }

    /// So many callers have woken each other, which took so long.
    pub(super) fn end(&self, callers: usize, took: Duration) {
        if took > WAKE + EACH * callers as u32 {
            return self.miss();
        }
        let mut course = lock(&self.course);
        course.hits += 1;
        if course.hits >= HITS_PER_MISS {
            course.hits = 0;
            course.misses = course.misses.saturating_sub(1);
        }
    }

    /// The tasks of this runtime run on one thread, so nothing is won; and if several threads have such runtimes, each is to have its own connection.
    pub(super) fn keep_apart(&self) {
        self.is_on.store(false, Ordering::Relaxed);
    }

    fn miss(&self) {
        let mut course = lock(&self.course);
        let misses = (course.misses + 1).min(MISSES_MAX);
        *course = Course { misses, hits: 0, skipped: 1 << misses };
        self.is_on.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of `batches` of `callers` who take `took` each: how often they wake each other.
    fn relayed(relay: &Relay, batches: usize, callers: usize, took: Duration) -> usize {
        let each = |_: &usize| {
            let begun = relay.begin(callers, true);
            if begun {
                relay.end(callers, took * callers as u32);
            }
            begun
        };
        (0..batches).filter(each).count()
    }

    #[test]
    fn brief_callers_wake_each_other() {
        let relay = Relay::default();
        assert_eq!(relayed(&relay, 100, 16, Duration::from_micros(1)), 100);
        assert!(relay.is_on());
    }

    #[test]
    fn those_who_take_long_are_found_out_ever_less_often() {
        let relay = Relay::default();
        assert_eq!(relayed(&relay, 1_000, 16, Duration::from_micros(50)), 9);
        assert_eq!(relayed(&relay, 10_240, 16, Duration::from_micros(50)), 10);
        // They have become brief: the next try shows it, and a single slow one later does not weigh much.
        assert!(relayed(&relay, 10_000, 16, Duration::ZERO) > 8_900);
        relay.end(2, Duration::from_secs(1));
        assert_eq!(relayed(&relay, 100, 16, Duration::ZERO), 98);
    }

    #[test]
    fn many_callers_and_those_of_other_executors_are_woken_at_once() {
        let relay = Relay::default();
        assert!(relay.begin(CALLERS_MAX, true));
        assert!(!relay.begin(CALLERS_MAX + 1, true));
        assert!(!relay.is_on());
        let relay = Relay::default();
        assert!(!relay.begin(2, false));
        assert!(!relay.is_on());
    }

    #[test]
    fn one_slow_caller_among_brief_ones_delays_them_seldom() {
        let relay = Relay::default();
        let mut delayed = 0;
        for batch in 0..100_000 {
            let is_slow = batch % 4 == 0;
            if relay.begin(16, true) {
                delayed += usize::from(is_slow);
                relay.end(16, if is_slow { Duration::from_millis(1) } else { Duration::ZERO });
            }
        }
        assert!(delayed < 200, "{delayed} batches of 25,000");
    }
}
