//! Time.

use std::time::{Duration, Instant};

/// Now.
#[inline]
#[expect(clippy::disallowed_methods, reason = "the client's only clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// `now` and `wait` later; where that is beyond what an instant can say, in thirty years.
#[inline]
pub(crate) fn after(now: Instant, wait: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(30 * 365 * 86_400);
    now.checked_add(wait).unwrap_or(now + FAR)
}
