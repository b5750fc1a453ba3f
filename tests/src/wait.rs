//! Waiting for a condition with a deadline. Suites have no other way to wait.

use std::time::{Duration, Instant};

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(2);

/// The time, for measuring what a client sees.
#[expect(clippy::disallowed_methods, reason = "suites watch real processes in real time")]
pub fn now() -> Instant {
    Instant::now()
}

/// Looks at `condition` until it holds or `limit` has passed; whether it held.
pub fn holds_within(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let start = now();
    loop {
        if condition() {
            return true;
        }
        if start.elapsed() > limit {
            return false;
        }
        std::thread::sleep(POLL);
    }
}

/// As [`holds_within`], for conditions that a suite depends on.
///
/// # Panics
/// With `what` if the condition does not hold in time.
#[track_caller]
pub fn until(what: &str, limit: Duration, condition: impl FnMut() -> bool) {
    assert!(holds_within(limit, condition), "not within {limit:?}: {what}");
}
