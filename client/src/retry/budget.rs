//! How many repetitions all calls together may make.

use super::RetryPolicy;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Thousandths of a repetition: what one costs.
const PRICE: i64 = 1_000;
/// Seconds of the minimum, and of a busy client's calls, that can be saved up.
const SAVED_SECONDS: i64 = 10;

/// A bucket of repetitions. Calls fill it, so does time, repetitions empty it.
#[derive(Debug)]
pub(crate) struct Budget {
    /// Thousandths of a repetition.
    saved: AtomicI64,
    /// When time filled it last, in milliseconds from the start.
    filled_ms: AtomicU64,
    start: Instant,
    per_call: i64,
    per_second: i64,
    saved_max: i64,
}

impl Budget {
    pub(crate) fn new(policy: &RetryPolicy, now: Instant) -> Self {
        let per_second = i64::from(policy.budget_min_per_second) * PRICE;
        let per_call = (policy.budget_ratio * PRICE as f64) as i64;
        Budget {
            saved: AtomicI64::new(per_second * SAVED_SECONDS / 2),
            filled_ms: AtomicU64::new(0),
            start: now,
            per_call,
            per_second,
            // A burst of repetitions is no longer than what a thousand calls a second pay for.
            saved_max: (per_second + per_call * 1_000).saturating_mul(SAVED_SECONDS),
        }
    }

    /// A call came to its end, or its repetition begins: it pays in for its first attempt.
    pub(crate) fn deposit(&self, calls: u64) {
        let sum = self.per_call.saturating_mul(i64::try_from(calls).unwrap_or(i64::MAX));
        // Relaxed: a balance that nothing else hangs on; a little over the maximum is harmless.
        if self.saved.load(Ordering::Relaxed) < self.saved_max {
            self.saved.fetch_add(sum.min(self.saved_max), Ordering::Relaxed);
        }
    }

    /// Takes one repetition out; false if there is none.
    pub(crate) fn withdraw(&self, now: Instant) -> bool {
        self.fill(now);
        self.saved
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |saved| {
                (saved >= PRICE).then_some(saved - PRICE)
            })
            .is_ok()
    }

    /// What time has brought since.
    fn fill(&self, now: Instant) {
        let now_ms = now.saturating_duration_since(self.start).as_millis() as u64;
        let before = self.filled_ms.load(Ordering::Relaxed);
        let passed = Duration::from_millis(now_ms.saturating_sub(before));
        let is_ours = now_ms > before
            && self
                .filled_ms
                .compare_exchange(before, now_ms, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if is_ours && self.saved.load(Ordering::Relaxed) < self.saved_max {
            let sum = i64::try_from(passed.as_millis()).unwrap_or(i64::MAX).min(60_000)
                * self.per_second
                / 1_000;
            self.saved.fetch_add(sum.min(self.saved_max), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock;

    #[test]
    fn repetitions_are_a_part_of_calls_and_of_time() {
        let start = clock::now();
        let policy = RetryPolicy::default().budget_ratio(0.5).budget_min_per_second(2);
        let budget = Budget::new(&policy, start);
        let all = |now| (0..10_000).take_while(|_| budget.withdraw(now)).count();
        assert_eq!(all(start), 10, "five seconds of the minimum to begin with");
        budget.deposit(8);
        assert_eq!(all(start), 4);
        assert_eq!(all(start + Duration::from_secs(3)), 6);
        assert_eq!(all(start + Duration::from_secs(3)), 0);
        for _ in 0..1_000_000 {
            budget.deposit(1);
        }
        assert!(all(start + Duration::from_secs(3)) <= 5_100, "what can be saved is bounded");
    }

    #[test]
    fn a_storm_is_bounded() {
        let start = clock::now();
        let budget = Budget::new(&RetryPolicy::default(), start);
        // Ten seconds in which each of 1,000 calls a second fails and would be repeated for ever.
        let mut repeated = 0;
        for ms in 0..10_000u64 {
            let now = start + Duration::from_millis(ms);
            budget.deposit(1);
            repeated += (0..16).take_while(|_| budget.withdraw(now)).count();
        }
        assert!((1_000..=1_400).contains(&repeated), "{repeated} repetitions of 10,000 calls");
    }
}
