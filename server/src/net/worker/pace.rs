//! Whether a busy worker waits a moment before it looks for events.
//!
//! A worker that is faster than its clients falls asleep after nearly every request, and a sleep costs as much as many requests: the switch away and
//! back, and the wake-up, which the client's own core pays where they share a machine. A network card's interrupts have the same trouble, and the same cure: where there
//! is much to do, wait until several things have come (interrupt moderation).
//!
//! A moment is added to the latency of what comes meanwhile. So it is only waited where there is something to be won, and nobody is alone: the worker was busy for
//! [`BUSY_PERCENT`] of its time lately, it serves [`CLIENTS_MIN`] clients, and its last turn found a single event.

use std::time::Duration;

/// How busy a worker is, at least, that waits.
const BUSY_PERCENT: u32 = 50;
/// Connections that events told of since the tick before, at least: a few that wait for each reply would only be kept waiting.
const CLIENTS_MIN: usize = 16;

/// See the module's description.
#[derive(Debug)]
pub(super) struct Pace {
    /// Whether it is to wait, as it was found at the last tick.
    is_worthwhile: bool,
    /// Number of the stretch of time between two ticks.
    stretch: u32,
    /// Connections that events told of in this stretch.
    clients: usize,
    /// The thread's processor time and the time at the last tick.
    since: (Duration, Duration),
}

impl Default for Pace {
    fn default() -> Self {
        // Connections have seen stretch 0 from their beginning.
        Pace { is_worthwhile: false, stretch: 1, clients: 0, since: Default::default() }
    }
}

impl Pace {
    /// Notes an event of a connection; `seen` is the connection's own note of the last stretch in which it had one.
    #[inline]
    pub fn note(&mut self, seen: &mut u32) {
        if std::mem::replace(seen, self.stretch) != self.stretch {
            self.clients += 1;
        }
    }

    /// Begins a new stretch at time `now`, when the thread has taken `processor` time in all.
    pub fn tick(&mut self, processor: Duration, now: Duration) {
        let (processor_before, before) = std::mem::replace(&mut self.since, (processor, now));
        let busy = processor.saturating_sub(processor_before);
        let all = now.saturating_sub(before);
        self.is_worthwhile = self.clients >= CLIENTS_MIN && busy * 100 >= all * BUSY_PERCENT;
        (self.stretch, self.clients) = (self.stretch.wrapping_add(1), 0);
    }

    /// Whether to wait before the next look, where the last one found so many events.
    #[inline]
    pub fn waits(&self, events: usize) -> bool {
        self.is_worthwhile && events == 1
    }
}

/// Processor time that this thread has taken; none where the system does not tell, so that nobody ever waits.
#[cfg(target_os = "linux")]
pub(super) fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(not(target_os = "linux"))]
pub(super) fn processor_time() -> Duration {
    Duration::ZERO
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A pace after a stretch of 100 ms in which `clients` had events and the worker was busy for `busy_ms`.
    fn after(clients: usize, busy_ms: u32) -> (Pace, Vec<u32>) {
        let mut pace = Pace::default();
        let mut seen = vec![0; clients];
        pace.tick(7 * MS, 50 * MS);
        for seen in &mut seen {
            pace.note(seen);
            pace.note(seen);
        }
        pace.tick((7 + busy_ms) * MS, 150 * MS);
        (pace, seen)
    }

    #[test]
    fn only_a_busy_worker_of_many_clients_waits() {
        assert!(after(CLIENTS_MIN, 50).0.waits(1));
        assert!(!after(CLIENTS_MIN - 1, 90).0.waits(1), "each of a few counts once");
        assert!(!after(100, 49).0.waits(1));
    }

    #[test]
    fn nobody_waits_who_finds_several_things_or_nothing() {
        let (pace, _) = after(100, 90);
        assert!(pace.waits(1) && !pace.waits(0) && !pace.waits(2));
    }

    #[test]
    fn each_stretch_is_judged_by_itself() {
        let (mut pace, mut seen) = after(100, 90);
        seen.iter_mut().take(CLIENTS_MIN).for_each(|seen| pace.note(seen));
        pace.tick(Duration::from_millis(180), Duration::from_millis(250));
        assert!(pace.waits(1), "the same clients count again");
        pace.tick(Duration::from_millis(280), Duration::from_millis(350));
        assert!(!pace.waits(1), "nobody came");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_time_of_a_thread_that_works_goes_on() {
        let before = processor_time();
        while processor_time() == before {
            std::hint::black_box(());
        }
    }
}
