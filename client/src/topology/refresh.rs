//! When to fetch the table anew.
//!
//! A redirection or a failure asks for it soon; a hundred of them ask for it once. Without either it is fetched now and then, at a time that clients which
//! started together do not share. A fetch that fails is repeated ever more slowly.

use std::time::{Duration, Instant};

/// Why a fetch is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// A node said that another serves a slot.
    Moved,
    /// A node could not be reached, or said that nobody serves a slot.
    Failure,
}

/// Two fetches are at least so far apart, whatever asks for them.
const APART_MIN: Duration = Duration::from_millis(25);
/// While nodes fail, the table is looked at so often: it changes once somebody has noticed the death.
const APART_FAILING: Duration = Duration::from_millis(100);
/// The longest rest after fetches that failed.
const REST_MAX: Duration = Duration::from_secs(2);

/// Says when.
#[derive(Debug)]
pub(crate) struct Refresh {
    interval: Duration,
    due: Instant,
    last: Instant,
    /// Fetches in a row that failed.
    failures: u32,
}

impl Refresh {
    /// After a fetch at `now`. `unit` is random, from 0 to 1, here and below.
    pub(crate) fn new(interval: Duration, now: Instant, unit: f64) -> Self {
        Refresh { interval, due: now + jittered(interval, unit), last: now, failures: 0 }
    }

    /// When to fetch next.
    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// Something asks for a fetch.
    pub(crate) fn want(&mut self, reason: Reason) {
        let apart = match reason {
            Reason::Moved => APART_MIN,
            Reason::Failure => APART_FAILING,
        };
        let rest = self.rest().max(apart);
        self.due = self.due.min(self.last + rest);
    }

    /// A fetch has come to its end.
    pub(crate) fn done(&mut self, succeeded: bool, now: Instant, unit: f64) {
        self.last = now;
        self.failures = if succeeded { 0 } else { self.failures.saturating_add(1) };
        let wait =
            if succeeded { jittered(self.interval, unit) } else { jittered(self.rest(), unit) };
        self.due = now + wait;
    }

    fn rest(&self) -> Duration {
        match self.failures {
            0 => Duration::ZERO,
            failures => APART_MIN.saturating_mul(1 << failures.min(16)).min(REST_MAX),
        }
    }
}

/// A quarter more or less.
fn jittered(time: Duration, unit: f64) -> Duration {
    time.mul_f64(0.75 + 0.5 * unit.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock;

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn it_is_fetched_now_and_then_and_at_once_when_something_asks() {
        let start = clock::now();
        let mut refresh = Refresh::new(ms(1_000), start, 0.5);
        assert_eq!(refresh.due(), start + ms(1_000));
        refresh.want(Reason::Moved);
        assert_eq!(refresh.due(), start + ms(25));
        refresh.want(Reason::Failure);
        assert_eq!(refresh.due(), start + ms(25), "the earlier of both");
        refresh.done(true, start + ms(30), 0.0);
        assert_eq!(refresh.due(), start + ms(780));
        refresh.want(Reason::Failure);
        assert_eq!(refresh.due(), start + ms(130));
    }

    #[test]
    fn fetches_that_fail_come_ever_more_slowly() {
        let start = clock::now();
        let mut refresh = Refresh::new(ms(30_000), start, 0.5);
        let mut now = start;
        let mut fetches = 0;
        while now < start + ms(60_000) {
            refresh.want(Reason::Moved);
            now = refresh.due();
            refresh.done(false, now, 0.5);
            fetches += 1;
        }
        assert!((30..50).contains(&fetches), "{fetches} in a minute");
    }
}
