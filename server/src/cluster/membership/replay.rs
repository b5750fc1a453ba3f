//! Which sealed packets came before.
//!
//! One window of 128 counters for each run of a sender (node id and start). Packets older than the window count as seen: gossip loses
//! nothing by it. A window that was idle for longer than sealed packets stay valid is dropped, since the clock check refuses its replays.

use std::collections::BTreeMap;
use std::time::Duration;

/// Sealed packets are valid for 30 s before and after their time; a window lives longer than that.
const IDLE_MAX: Duration = Duration::from_secs(65);

/// Runs that are kept: four times the largest cluster that was simulated. Who knows no secret cannot make one.
const RUNS_MAX: usize = 4_096;

#[derive(Debug)]
struct Window {
    highest: u64,
    /// Bit i: `highest - i` was seen.
    seen: u128,
    last: Duration,
}

/// What came from whom.
#[derive(Debug, Default)]
pub(super) struct ReplayWindow {
    runs: BTreeMap<[u8; 16], Window>,
}

impl ReplayWindow {
    /// Whether `counter` of `run` comes for the first time; remembers it.
    pub fn is_new(&mut self, run: [u8; 16], counter: u64, now: Duration) -> bool {
        if let Some(window) = self.runs.get_mut(&run) {
            window.last = now;
            return window.is_new(counter);
        }
        if self.runs.len() >= RUNS_MAX {
            self.runs.retain(|_, window| now.saturating_sub(window.last) < IDLE_MAX);
            if self.runs.len() >= RUNS_MAX {
                return false;
            }
        }
        self.runs.insert(run, Window { highest: counter, seen: 1, last: now });
        true
    }
}

impl Window {
    fn is_new(&mut self, counter: u64) -> bool {
        if counter > self.highest {
            let ahead = counter - self.highest;
            self.seen = if ahead < 128 { self.seen << ahead | 1 } else { 1 };
            self.highest = counter;
            return true;
        }
        let behind = self.highest - counter;
        if behind >= 128 || self.seen >> behind & 1 == 1 {
            return false;
        }
        self.seen |= 1 << behind;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_counter_passes_once_in_any_order() {
        let mut window = ReplayWindow::default();
        let steps = [
            (500, true),
            (500, false),
            (499, true),
            (510, true),
            (499, false),
            (501, true),
            (383, true),
            (382, false), // 128 behind 510
            (900, true),
            (510, false),
            (u64::MAX, true),
            (u64::MAX, false),
            (0, false),
        ];
        for (counter, expected) in steps {
            assert_eq!(window.is_new([1; 16], counter, Duration::ZERO), expected, "{counter}");
        }
        assert!(window.is_new([2; 16], 500, Duration::ZERO), "runs do not share a window");
    }

    #[test]
    fn is_bounded() {
        let mut window = ReplayWindow::default();
        let run = |number: usize| {
            let mut run = [0; 16];
            run[..8].copy_from_slice(&(number as u64).to_be_bytes());
            run
        };
        for number in 0..RUNS_MAX {
            assert!(window.is_new(run(number), 0, Duration::ZERO));
        }
        assert!(!window.is_new(run(RUNS_MAX), 0, Duration::from_secs(10)));
        assert!(window.is_new(run(RUNS_MAX), 0, Duration::from_secs(66)));
        assert_eq!(window.runs.len(), 1);
    }
}
