//! Latency events: what paused the node, when and for how long.
//!
//! Source: redis.io, "Redis latency monitoring". Each kind of event keeps the worst of every second, for the last 160 such seconds.

use crate::base::limits::{LATENCY_EVENT_COUNT_MAX, LATENCY_SAMPLE_COUNT_MAX};
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};

/// The history of one kind of event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// Seconds since the Unix epoch and the worst milliseconds in that second, oldest first.
    pub samples: VecDeque<(u64, u64)>,
    /// The worst since the last reset.
    pub max_ms: u64,
}

/// All histories.
#[derive(Debug, Default)]
pub struct Latency {
    /// Milliseconds from which on events are kept; 0 keeps none.
    threshold_ms: AtomicU64,
    events: Mutex<BTreeMap<Box<str>, History>>,
}

impl Latency {
    /// Changes `latency-monitor-threshold`.
    pub fn set_threshold_ms(&self, threshold_ms: u64) {
        self.threshold_ms.store(threshold_ms, Ordering::Relaxed);
    }

    /// Milliseconds from which on events are kept; 0 keeps none.
    #[inline]
    pub fn threshold_ms(&self) -> u64 {
        // Relaxed: a setting.
        self.threshold_ms.load(Ordering::Relaxed)
    }

    /// Notes that `event` took `ms` at `unix_secs`, unless that is below the threshold.
    #[inline]
    pub fn record(&self, event: &str, ms: u64, unix_secs: u64) {
        let threshold_ms = self.threshold_ms();
        if threshold_ms != 0 && ms >= threshold_ms {
            self.keep(event, ms, unix_secs);
        }
    }

    #[cold]
    fn keep(&self, event: &str, ms: u64, unix_secs: u64) {
        let mut events = self.events.lock();
        if !events.contains_key(event) {
            if events.len() >= LATENCY_EVENT_COUNT_MAX {
                return;
            }
            events.insert(event.into(), History::default());
        }
        let Some(history) = events.get_mut(event) else { return };
        history.max_ms = history.max_ms.max(ms);
        match history.samples.back_mut() {
            Some((last, worst)) if *last == unix_secs => *worst = (*worst).max(ms),
            _ => {
                if history.samples.len() >= LATENCY_SAMPLE_COUNT_MAX {
                    history.samples.pop_front();
                }
                history.samples.push_back((unix_secs, ms));
            }
        }
    }

    /// Every event's history, by name.
    pub fn all(&self) -> Vec<(Box<str>, History)> {
        self.events.lock().iter().map(|(name, history)| (name.clone(), history.clone())).collect()
    }

    /// One event's history.
    pub fn history(&self, event: &str) -> Option<History> {
        self.events.lock().get(event).cloned()
    }

    /// Forgets one event, or all; returns how many were forgotten.
    pub fn reset(&self, event: Option<&str>) -> usize {
        let mut events = self.events.lock();
        match event {
            Some(event) => usize::from(events.remove(event).is_some()),
            None => std::mem::take(&mut *events).len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_a_second_is_kept() {
        let latency = Latency::default();
        latency.record("command", 500, 1);
        assert!(latency.all().is_empty(), "off until a threshold is set");
        latency.set_threshold_ms(10);
        latency.record("command", 9, 1);
        latency.record("command", 20, 1);
        latency.record("command", 15, 1);
        latency.record("command", 12, 2);
        let history = latency.history("command").unwrap();
        assert_eq!(history.samples, [(1, 20), (2, 12)]);
        assert_eq!(history.max_ms, 20);
        (3..1000).for_each(|second| latency.record("command", 10, second));
        let history = latency.history("command").unwrap();
        assert_eq!(history.samples.len(), LATENCY_SAMPLE_COUNT_MAX);
        assert_eq!(latency.reset(Some("fork")), 0);
        assert_eq!(latency.reset(None), 1);
    }
}
