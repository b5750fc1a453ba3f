//! The circuit breaker of a node. Sans-IO: told of outcomes and of time, it says whether the node may be asked.
//!
//! ```text
//!            failures_max in a row                 open_for has passed
//!   closed ───────────────────────▶ open ───────────────────────────▶ half open: one attempt
//!     ▲                              ▲                                   │        │
//!     └──────────────────────────────┼────────── it succeeds ────────────┘        │
//!                                    └────────── it fails, and waits twice as long┘
//! ```
//!
//! An open breaker answers at once, so that calls go elsewhere or wait for the table to change instead of each running into the same wall; and a node that comes
//! back meets one request, not all that gathered. Failures are of connections and deadlines. A node that answers with an error is well.
//!
//! Source: "Release It!" (Nygard, 2007).

use std::time::{Duration, Instant};

/// When a node that fails is left alone.
///
/// ```
/// use std::time::Duration;
/// use torc_client::{BreakerPolicy, Config};
/// # fn main() -> torc_client::Result<()> {
/// let policy = BreakerPolicy::default().failures_max(3).open_for(Duration::from_millis(50));
/// let config = Config::from_url("redis://localhost")?.breaker(policy);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct BreakerPolicy {
    failures_max: u32,
    open_for: Duration,
    open_for_max: Duration,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        BreakerPolicy {
            failures_max: 5,
            open_for: Duration::from_millis(100),
            open_for_max: Duration::from_secs(2),
        }
    }
}

impl BreakerPolicy {
    /// Failures in a row after which the node is left alone (default 5).
    pub fn failures_max(mut self, count: u32) -> Self {
        self.failures_max = count.max(1);
        self
    }

    /// For how long at first (default 100 ms); twice as long each time that it fails again, up to [`BreakerPolicy::open_for_max`].
    pub fn open_for(mut self, time: Duration) -> Self {
        self.open_for = time;
        self
    }

    /// For how long at most (default 2 s).
    pub fn open_for_max(mut self, time: Duration) -> Self {
        self.open_for_max = time;
        self
    }
}

/// What a breaker says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Ask the node.
    Allowed,
    /// Ask it, and report what came of it: everybody else waits for that.
    Trial,
    /// Leave it alone until then.
    Refused(Instant),
}

/// The breaker of one node.
#[derive(Debug)]
pub(crate) struct Breaker {
    policy: BreakerPolicy,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant, wait: Duration },
    HalfOpen { until: Instant, wait: Duration },
}

impl Breaker {
    pub(crate) fn new(policy: BreakerPolicy) -> Self {
        Breaker { policy, state: State::Closed { failures: 0 } }
    }

    /// May the node be asked?
    pub(crate) fn ask(&mut self, now: Instant) -> Verdict {
        match self.state {
            State::Closed { .. } => Verdict::Allowed,
            State::Open { until, .. } if now < until => Verdict::Refused(until),
            // Whoever tries may be cancelled and never report: another may try after as long a wait again.
            State::HalfOpen { until, .. } if now < until => Verdict::Refused(until),
            State::Open { wait, .. } | State::HalfOpen { wait, .. } => {
                self.state = State::HalfOpen { until: now + wait, wait };
                Verdict::Trial
            }
        }
    }

    /// Whether [`Breaker::ask`] would refuse.
    pub(crate) fn is_open(&self, now: Instant) -> bool {
        match self.state {
            State::Closed { .. } => false,
            State::Open { until, .. } | State::HalfOpen { until, .. } => now < until,
        }
    }

    /// It answered. Returns whether that closes the breaker.
    pub(crate) fn succeed(&mut self) -> bool {
        let was_closed = matches!(self.state, State::Closed { .. });
        self.state = State::Closed { failures: 0 };
        !was_closed
    }

    /// It did not. Returns whether that opens the breaker.
    pub(crate) fn fail(&mut self, now: Instant) -> bool {
        let wait = match self.state {
            State::Closed { failures } if failures + 1 < self.policy.failures_max => {
                self.state = State::Closed { failures: failures + 1 };
                return false;
            }
            State::Closed { .. } => self.policy.open_for,
            // What was under way when it opened says nothing new.
            State::Open { .. } => return false,
            State::HalfOpen { wait, .. } => (wait * 2).min(self.policy.open_for_max),
        };
        self.state = State::Open { until: now + wait, wait };
        true
    }

    /// Whether failures are counted, so that a success is worth reporting.
    pub(crate) fn is_troubled(&self) -> bool {
        !matches!(self.state, State::Closed { failures: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock;

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn it_opens_tries_and_closes() {
        let start = clock::now();
        let mut breaker = Breaker::new(BreakerPolicy::default().failures_max(3));
        assert!(!breaker.fail(start));
        assert!(breaker.is_troubled());
        breaker.succeed();
        assert!(!breaker.is_troubled(), "failures are counted in a row");
        assert!(!breaker.fail(start) && !breaker.fail(start) && breaker.fail(start));
        assert_eq!(breaker.ask(start + ms(99)), Verdict::Refused(start + ms(100)));
        assert_eq!(breaker.ask(start + ms(100)), Verdict::Trial);
        assert_eq!(
            breaker.ask(start + ms(100)),
            Verdict::Refused(start + ms(200)),
            "one at a time"
        );
        assert!(breaker.fail(start + ms(110)));
        assert_eq!(
            breaker.ask(start + ms(309)),
            Verdict::Refused(start + ms(310)),
            "twice as long"
        );
        assert_eq!(breaker.ask(start + ms(310)), Verdict::Trial);
        assert!(breaker.succeed());
        assert_eq!(breaker.ask(start + ms(310)), Verdict::Allowed);
    }

    #[test]
    fn a_trial_that_is_never_reported_is_followed_by_another() {
        let start = clock::now();
        let mut breaker = Breaker::new(BreakerPolicy::default().failures_max(1));
        assert!(breaker.fail(start));
        assert_eq!(breaker.ask(start + ms(100)), Verdict::Trial);
        assert_eq!(breaker.ask(start + ms(200)), Verdict::Trial);
    }

    #[test]
    fn a_dead_node_is_asked_seldom_however_often_it_is_wanted() {
        let start = clock::now();
        let mut breaker = Breaker::new(BreakerPolicy::default());
        let mut asked = 0;
        for at in 0..60_000 {
            let now = start + ms(at);
            if !matches!(breaker.ask(now), Verdict::Refused(_)) {
                asked += 1;
                breaker.fail(now);
            }
        }
        assert!((30..50).contains(&asked), "{asked} attempts in a minute");
    }
}
