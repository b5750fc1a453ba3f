//! How fast slots are copied: so fast as clients do not mind.
//!
//! Copying is work for the sockets, the memory and the cores that clients are served with. It is done a piece at a time, and after each piece this node rests: for as long
//! as the bytes are worth by `sync-bandwidth`, and for a multiple of the time that the piece took, so that copying has no more than its share of a core. That time is
//! the clock's and not the thread's: where cores are scarce a piece takes longer, and so does the rest.
//!
//! **Invariant.** Rests add up, and are bounded: a copy ends, however busy the machine. **Does not know** clocks; how long a piece took is told, and where nobody
//! tells (in a simulator) only bytes count.

use std::time::Duration;

/// Bytes that are asked for or read out in one piece, about. A thousand keys of 100 bytes: one to two milliseconds of work, for which gossip and batons wait.
pub const PIECE_BYTES: usize = 128 * 1024;

/// The longest rest to come: a piece each 50 ms is 2.5 MB/s, which moves a million small keys in a minute where nothing is left over for it.
const REST_MAX: Duration = Duration::from_millis(50);

/// The share of a core while nobody is served, in percent: the thread that copies has gossip and batons to see to as well.
const IDLE_PERCENT: u32 = 50;

/// How long what nodes missed of each other goes before clients' comfort, once they have found that it is much.
const CATCH_UP_FOR: Duration = Duration::from_secs(5);

/// What bounds the pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes a second; zero is no bound.
    pub bandwidth: u64,
    /// The share of a core's time while clients are served.
    pub busy_percent: u32,
}

/// See the module's description.
#[derive(Debug, Default)]
pub struct Pace {
    /// When the next piece may be begun.
    next: Duration,
    /// When the piece was done of which nobody has told yet how long it took.
    since: Option<Duration>,
    busy_until: Duration,
    catches_up_until: Duration,
}

impl Pace {
    /// Clients are served, here or where copies come from.
    pub fn busy(&mut self, now: Duration) {
        self.busy_until = now + Duration::from_secs(1);
    }

    /// Copies that were equal have come apart, as after a partition: until they are equal again, replicas are worth less than a copy that is being made.
    pub fn catch_up(&mut self, now: Duration) {
        self.catches_up_until = now + CATCH_UP_FOR;
    }

    /// Whether a piece may be begun.
    pub fn is_due(&self, now: Duration) -> bool {
        now >= self.next
    }

    /// When a piece may be begun.
    pub fn next(&self) -> Duration {
        self.next
    }

    /// So many bytes were copied.
    pub fn copied(&mut self, bytes: usize, bounds: Bounds, now: Duration) {
        self.since = Some(now);
        if let Some(nanos) = (bytes as u64 * 1_000_000_000).checked_div(bounds.bandwidth) {
            // A bound that was set is kept, however long that takes.
            self.next = self.next.max(now) + Duration::from_nanos(nanos);
        }
    }

    /// The step that ends now took so long; counts if anything was copied in it.
    pub fn took(&mut self, time: Duration, bounds: Bounds) {
        let Some(since) = self.since.take() else { return };
        let percent = match since < self.busy_until && since >= self.catches_up_until {
            true => bounds.busy_percent,
            false => bounds.busy_percent.max(IDLE_PERCENT),
        };
        let (now, whole) = (since + time, time * 100 / percent.clamp(1, 100));
        let rested = (self.next.max(since) + whole).min(now + REST_MAX);
        self.next = self.next.max(rested);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { bandwidth: 0, busy_percent: 10 };

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn rests_add_up_and_are_bounded() {
        let mut pace = Pace::default();
        pace.busy(ms(1_000));
        assert!(pace.is_due(ms(1_000)));
        pace.copied(100, BOUNDS, ms(1_000));
        pace.took(ms(1), BOUNDS);
        assert_eq!(pace.next(), ms(1_010));
        // What was on its way already is paid for as well.
        pace.copied(100, BOUNDS, ms(1_001));
        pace.took(ms(2), BOUNDS);
        assert_eq!(pace.next(), ms(1_030));
        pace.copied(100, BOUNDS, ms(1_003));
        pace.took(ms(400), BOUNDS);
        assert_eq!(pace.next(), ms(1_453));
        assert!(!pace.is_due(ms(1_452)) && pace.is_due(ms(1_453)));
        // A step without a copy costs nothing.
        pace.took(ms(400), BOUNDS);
        assert_eq!(pace.next(), ms(1_453));
    }

    #[test]
    fn it_is_faster_while_nobody_is_served() {
        let mut pace = Pace::default();
        pace.copied(100, BOUNDS, ms(5_000));
        pace.took(ms(4), BOUNDS);
        assert_eq!(pace.next(), ms(5_008));
        pace.busy(ms(5_008));
        pace.copied(100, BOUNDS, ms(5_008));
        pace.took(ms(4), BOUNDS);
        assert_eq!(pace.next(), ms(5_048));
    }

    #[test]
    fn catching_up_does_not_wait_for_clients() {
        let mut pace = Pace::default();
        pace.busy(ms(1_000));
        pace.catch_up(ms(1_000));
        pace.copied(100, BOUNDS, ms(1_000));
        pace.took(ms(4), BOUNDS);
        assert_eq!(pace.next(), ms(1_008));
        pace.busy(ms(6_000));
        pace.copied(100, BOUNDS, ms(6_000));
        pace.took(ms(4), BOUNDS);
        assert_eq!(pace.next(), ms(6_040));
    }

    #[test]
    fn bytes_are_bounded_without_a_clock() {
        let bounds = Bounds { bandwidth: 1_000_000, ..BOUNDS };
        let mut pace = Pace::default();
        for piece in 0..100u64 {
            assert!(pace.is_due(ms(10 * piece)));
            pace.copied(10_000, bounds, ms(10 * piece));
            assert!(!pace.is_due(ms(10 * piece + 9)));
        }
    }
}
