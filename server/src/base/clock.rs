//! The only source of time. Everything else is given `now`, so that a test or a simulator can own it.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch, the unit of deadlines and expiry.
pub type UnixMs = u64;

/// A clock: the machine's, or one that a test moves.
#[derive(Debug)]
pub enum Clock {
    /// The machine's clocks; holds the instant that `monotonic` counts from.
    System(Instant),
    /// Stands still until moved.
    Manual {
        /// Microseconds since the Unix epoch, which `monotonic` counts from too.
        now: AtomicU64,
        /// Microseconds that wall time is ahead of that: a clock that is wrong, or was set.
        ahead: AtomicI64,
    },
}

impl Clock {
    /// The machine's clock.
    #[expect(clippy::disallowed_methods, reason = "the one place where time enters")]
    pub fn system() -> Self {
        Clock::System(Instant::now())
    }

    /// A clock that starts at `unix_ms` and moves only by [`Clock::advance`].
    pub fn manual(unix_ms: UnixMs) -> Self {
        Clock::Manual { now: AtomicU64::new(unix_ms * 1000), ahead: AtomicI64::new(0) }
    }

    /// Moves a manual clock forward; the system's clock cannot be moved and ignores it.
    pub fn advance(&self, by: Duration) {
        if let Clock::Manual { now, .. } = self {
            // Relaxed: a test's own thread moves and reads it.
            now.fetch_add(by.as_micros() as u64, Ordering::Relaxed);
        }
    }

    /// Sets a manual clock's wall time apart from its monotonic time, as an operator or NTP does; the system's clock ignores it.
    pub fn set_ahead(&self, by_us: i64) {
        if let Clock::Manual { ahead, .. } = self {
            // Relaxed: see `advance`.
            ahead.store(by_us, Ordering::Relaxed);
        }
    }

    /// Wall time in microseconds since the Unix epoch.
    #[expect(clippy::disallowed_methods, reason = "the one place where time enters")]
    pub fn unix_us(&self) -> u64 {
        match self {
            Clock::System(_) => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_micros() as u64),
            // Relaxed: see `advance`.
            Clock::Manual { now, ahead } => {
                now.load(Ordering::Relaxed).saturating_add_signed(ahead.load(Ordering::Relaxed))
            }
        }
    }

    /// Wall time in milliseconds since the Unix epoch.
    pub fn unix_ms(&self) -> UnixMs {
        self.unix_us() / 1000
    }

    /// Time since an arbitrary start that never goes back; for durations.
    pub fn monotonic(&self) -> Duration {
        match self {
            Clock::System(start) => start.elapsed(),
            // Relaxed: see `advance`.
            Clock::Manual { now, .. } => Duration::from_micros(now.load(Ordering::Relaxed)),
        }
    }
}
