//! When a failed attempt is made again. Sans-IO: given what failed and when, it says what to do; who sleeps and sends is above.
//!
//! Three things bound what retries can cost: attempts of a call ([`RetryPolicy::attempts_max`]), its deadline, and a budget that all calls share, so that
//! servers in trouble get a tenth more requests and not several times as many.
//!
//! Source: "The Tail at Scale" (Dean and Barroso, 2013) and "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015) for full jitter; Finagle's
//! `RetryBudget` for the budget.

mod budget;
mod decide;

pub(crate) use budget::Budget;
pub(crate) use decide::{Cause, Decision, cause_of, decide};

use std::time::Duration;

/// What is tried again, how often, and how much of it.
///
/// A call is repeated only where that cannot apply a command twice: after errors that prove that it was not applied, and, where nobody can tell,
/// if the command is idempotent ([`Call::idempotent`](crate::Call::idempotent) says so of others).
///
/// ```
/// use torc_client::{Config, RetryPolicy};
/// # fn main() -> torc_client::Result<()> {
/// let config = Config::from_url("redis://localhost")?.retry(RetryPolicy::none());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct RetryPolicy {
    pub(crate) attempts_max: u32,
    pub(crate) backoff_min: Duration,
    pub(crate) backoff_max: Duration,
    pub(crate) budget_ratio: f64,
    pub(crate) budget_min_per_second: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        RetryPolicy {
            attempts_max: 64,
            backoff_min: Duration::from_millis(2),
            backoff_max: Duration::from_millis(500),
            budget_ratio: 0.1,
            budget_min_per_second: 20,
        }
    }
}

impl RetryPolicy {
    /// Nothing is tried again. Redirections are still followed.
    pub fn none() -> Self {
        RetryPolicy { attempts_max: 1, ..RetryPolicy::default() }
    }

    /// Most attempts of one call, the first included (default 64, more than fit into the default deadline).
    pub fn attempts_max(mut self, count: u32) -> Self {
        self.attempts_max = count.max(1);
        self
    }

    /// The wait before the first repetition is between nothing and twice this; it doubles with each attempt (default 2 ms).
    pub fn backoff_min(mut self, wait: Duration) -> Self {
        self.backoff_min = wait;
        self
    }

    /// The longest wait between attempts (default 500 ms).
    pub fn backoff_max(mut self, wait: Duration) -> Self {
        self.backoff_max = wait;
        self
    }

    /// How many repetitions each call pays for (default 0.1: one in ten calls may be repeated once).
    pub fn budget_ratio(mut self, ratio: f64) -> Self {
        self.budget_ratio = ratio.max(0.0);
        self
    }

    /// Repetitions a second that are always allowed, for clients that call seldom (default 20).
    pub fn budget_min_per_second(mut self, count: u32) -> Self {
        self.budget_min_per_second = count;
        self
    }
}
