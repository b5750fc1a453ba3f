//! The circuit breaker and the waits between attempts.
//!
//! ```text
//!              k failures in a row                  the wait is over, or the link opened
//!   Closed ───────────────────────────▶ Open ──────────────────────────────▶ HalfOpen ── one request goes through
//!      ▲                                 ▲                                       │  │
//!      │                                 └────────── it failed: wait longer ─────┘  │
//!      └────────────────────────────────────────────── it was answered ─────────────┘
//! ```
//!
//! While it is open, whoever asks is answered at once instead of waiting for a peer that does not answer.

use crate::base::rng::Rng;
use std::time::Duration;

/// Growing waits with jitter: each is between half and all of a step, and steps double. Half stays, so that nobody hammers;
/// the rest is random, so that the nodes of a cluster do not come back to one of them in step.
#[derive(Debug, Clone)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    attempts: u32,
}

impl Backoff {
    /// Steps from `min` to `max`.
    pub fn new(min: Duration, max: Duration) -> Self {
        Backoff { min, max, attempts: 0 }
    }

    /// The next wait.
    pub fn next_wait(&mut self, rng: &mut Rng) -> Duration {
        let factor = 1u32.checked_shl(self.attempts).unwrap_or(u32::MAX);
        let step = self.min.saturating_mul(factor).min(self.max);
        self.attempts = self.attempts.saturating_add(1);
        let half_us = (step / 2).as_micros() as u64;
        step / 2 + Duration::from_micros(rng.below(half_us + 1))
    }

    /// Begins with the shortest wait again.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed { failures: u32 },
    Open { until: Duration },
    HalfOpen { probe: Option<u32> },
}

/// Whether a request may be tried.
#[derive(Debug)]
pub struct Breaker {
    state: State,
    failures_max: u32,
    backoff: Backoff,
}

impl Breaker {
    /// Closed; opens after `failures_max` failures in a row, for as long as `backoff` says.
    pub fn new(failures_max: u32, backoff: Backoff) -> Self {
        Breaker { state: State::Closed { failures: 0 }, failures_max, backoff }
    }

    /// Whether a request may go. In the half-open state none goes beside the one that [`Breaker::begun`] names.
    pub fn admits(&self) -> bool {
        match self.state {
            State::Closed { .. } => true,
            State::Open { .. } => false,
            State::HalfOpen { probe } => probe.is_none(),
        }
    }

    /// An admitted request got the id `id`, and will soon be answered if the peer is well: it is the probe of the half-open state.
    pub fn begun(&mut self, id: u32) {
        if let State::HalfOpen { probe } = &mut self.state {
            *probe = Some(id);
        }
    }

    /// The request `id` ended without saying anything of the peer: another may probe.
    pub fn released(&mut self, id: u32) {
        if self.state == (State::HalfOpen { probe: Some(id) }) {
            self.state = State::HalfOpen { probe: None };
        }
    }

    /// The peer answered a request.
    pub fn succeeded(&mut self) {
        self.state = State::Closed { failures: 0 };
        self.backoff.reset();
    }

    /// A connection opened: worth a probe.
    pub fn connected(&mut self) {
        if let State::Open { .. } = self.state {
            self.state = State::HalfOpen { probe: None };
        }
    }

    /// The peer failed to connect, or to answer. Returns whether that opened the breaker.
    pub fn failed(&mut self, now: Duration, rng: &mut Rng) -> bool {
        match &mut self.state {
            State::Closed { failures } if *failures + 1 < self.failures_max => {
                *failures += 1;
                false
            }
            State::Open { .. } => false,
            State::Closed { .. } | State::HalfOpen { .. } => {
                self.trip(now, rng);
                true
            }
        }
    }

    /// Opens, whatever was before.
    pub fn trip(&mut self, now: Duration, rng: &mut Rng) {
        self.state = State::Open { until: now + self.backoff.next_wait(rng) };
    }

    /// Half-opens once the wait is over.
    pub fn tick(&mut self, now: Duration) {
        if self.next_wake().is_some_and(|until| until <= now) {
            self.state = State::HalfOpen { probe: None };
        }
    }

    /// When [`Breaker::tick`] has something to do.
    pub fn next_wake(&self) -> Option<Duration> {
        match self.state {
            State::Open { until } => Some(until),
            _ => None,
        }
    }

    /// Whether requests are answered at once.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn waits_double_within_their_bounds() {
        let mut rng = Rng::seeded(1);
        let mut backoff = Backoff::new(10 * MS, 100 * MS);
        for step in [10, 20, 40, 80, 100, 100, 100].into_iter().chain([100; 60]) {
            let wait = backoff.next_wait(&mut rng);
            assert!(wait >= step * MS / 2 && wait <= step * MS, "{wait:?} of {step} ms");
        }
        backoff.reset();
        assert!(backoff.next_wait(&mut rng) <= 10 * MS);
    }

    #[test]
    fn it_opens_probes_and_closes() {
        let mut rng = Rng::seeded(2);
        let mut breaker = Breaker::new(3, Backoff::new(10 * MS, 100 * MS));
        assert!(!breaker.failed(MS, &mut rng) && !breaker.failed(MS, &mut rng));
        breaker.succeeded();
        assert!(!breaker.failed(MS, &mut rng) && !breaker.failed(MS, &mut rng));
        assert!(breaker.admits());
        assert!(breaker.failed(MS, &mut rng), "the third in a row");
        assert!(!breaker.admits() && !breaker.failed(MS, &mut rng));
        let until = breaker.next_wake().unwrap();
        breaker.tick(until - MS);
        assert!(!breaker.admits());
        breaker.tick(until);
        assert!(breaker.admits());
        breaker.begun(7);
        assert!(!breaker.admits(), "one probe at a time");
        breaker.released(8);
        assert!(!breaker.admits());
        breaker.released(7);
        assert!(breaker.admits());
        breaker.begun(9);
        assert!(breaker.failed(until, &mut rng), "one failed probe opens it again");
        breaker.connected();
        assert!(breaker.admits());
        breaker.succeeded();
        assert!(breaker.admits() && breaker.next_wake().is_none());
    }
}
