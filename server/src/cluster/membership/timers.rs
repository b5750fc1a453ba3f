//! What is due when.
//!
//! Invariant: alarms come out in the order of their deadlines, those of one deadline in the order in which they were set. foca relies on it.
//!
//! Time in which this node did not run is not time in which others failed to answer: after a pause, [`Timers::postpone`] moves every alarm that
//! judges others by the length of the pause, so that their answers, which wait in the socket, are read first.

use super::swim::SwimId;
use foca::Timer;
use std::collections::BTreeMap;
use std::time::Duration;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Alarm {
    /// foca's own.
    Swim(Timer<SwimId>),
    /// Compare records with a random peer.
    Exchange,
    /// Look for seeds.
    Seeds,
    /// Settle what has no alarm of its own: suspicions heard of, vetoes, nodes to forget, the cluster's size.
    Settle,
}

impl Alarm {
    /// Whether it finds others guilty of silence.
    fn judges(&self) -> bool {
        matches!(
            self,
            Alarm::Swim(
                Timer::ProbeRandomMember(_)
                    | Timer::SendIndirectProbe { .. }
                    | Timer::ChangeSuspectToDown { .. }
            )
        )
    }
}

/// The alarms of one node.
#[derive(Debug, Default)]
pub(super) struct Timers {
    set: BTreeMap<(Duration, u64), Alarm>,
    next: u64,
}

impl Timers {
    pub fn set(&mut self, at: Duration, alarm: Alarm) {
        self.set.insert((at, self.next), alarm);
        self.next += 1;
    }

    /// Sets an alarm of which there is one at a time.
    pub fn set_only(&mut self, at: Duration, alarm: Alarm) {
        self.set.retain(|_, other| *other != alarm);
        self.set(at, alarm);
    }

    /// When the next alarm is due.
    pub fn first(&self) -> Option<Duration> {
        self.set.keys().next().map(|(at, _)| *at)
    }

    /// Takes an alarm that is due.
    pub fn pop_due(&mut self, now: Duration) -> Option<Alarm> {
        let first = self.set.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    /// Moves every alarm that judges others by `pause`.
    pub fn postpone(&mut self, pause: Duration) {
        let moved: Vec<(Duration, u64)> =
            self.set.iter().filter(|(_, alarm)| alarm.judges()).map(|(at, _)| *at).collect();
        for key in moved {
            if let Some(alarm) = self.set.remove(&key) {
                self.set.insert((key.0 + pause, key.1), alarm);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_moves_what_judges_others_and_keeps_its_order() {
        let ms = Duration::from_millis;
        let mut timers = Timers::default();
        timers.set(ms(30), Alarm::Swim(Timer::ProbeRandomMember(0)));
        timers.set(ms(20), Alarm::Exchange);
        timers.set(ms(30), Alarm::Swim(Timer::ProbeRandomMember(1)));
        timers.set(ms(10), Alarm::Swim(Timer::PeriodicGossip(0)));
        timers.postpone(ms(100));
        assert_eq!(timers.first(), Some(ms(10)));
        let mut order = Vec::new();
        while let Some(alarm) = timers.pop_due(ms(130)) {
            order.push(alarm);
        }
        let expected = [
            Alarm::Swim(Timer::PeriodicGossip(0)),
            Alarm::Exchange,
            Alarm::Swim(Timer::ProbeRandomMember(0)),
            Alarm::Swim(Timer::ProbeRandomMember(1)),
        ];
        assert_eq!(order, expected);
        assert_eq!(timers.first(), None);
    }
}
