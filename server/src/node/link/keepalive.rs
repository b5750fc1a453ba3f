//! Whether the peer is there: pings, when it was heard, and what its clock says.
//!
//! A ping goes out every interval, whatever else does: its answer measures the clocks. Any bytes of the peer count as heard, so that a
//! large frame on its way does not look like silence.

use std::time::Duration;
use torc_protocol::peer::message::Ping;

/// What a ping and its pong say of the peer's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockSample {
    /// Time from ping to pong.
    pub round_trip: Duration,
    /// The peer's wall clock less ours, in microseconds, right to half the round trip.
    pub offset_us: i64,
}

/// A ping without its pong.
#[derive(Debug, Clone, Copy)]
struct Outstanding {
    id: u64,
    sent_at: Duration,
    wall_us: u64,
}

/// The pings of one connection.
#[derive(Debug)]
pub struct Keepalive {
    interval: Duration,
    dead_after: Duration,
    heard_at: Duration,
    ping_at: Duration,
    last_id: u64,
    outstanding: Option<Outstanding>,
    /// The id of the last ping that is to be answered.
    pong: Option<u64>,
}

impl Keepalive {
    /// Of a connection that opened at `now`; the first ping is due at once.
    pub fn new(interval: Duration, dead_after: Duration, now: Duration) -> Self {
        Keepalive {
            interval,
            dead_after,
            heard_at: now,
            ping_at: now,
            last_id: 0,
            outstanding: None,
            pong: None,
        }
    }

    /// Bytes came.
    pub fn heard(&mut self, now: Duration) {
        self.heard_at = now;
    }

    /// When bytes came last.
    pub fn heard_at(&self) -> Duration {
        self.heard_at
    }

    /// Whether the peer was silent for too long.
    pub fn is_dead(&self, now: Duration) -> bool {
        now >= self.heard_at + self.dead_after
    }

    /// The ping to send now, if one is due. One without an answer is given up for it.
    pub fn take_ping(&mut self, now: Duration, wall_us: u64) -> Option<Ping> {
        if now < self.ping_at {
            return None;
        }
        self.ping_at = now + self.interval;
        self.last_id += 1;
        let ping = Ping { id: self.last_id, wall_us };
        self.outstanding = Some(Outstanding { id: ping.id, sent_at: now, wall_us });
        Some(ping)
    }

    /// The peer's ping came. Of several only the last is answered, so that they bound nothing but themselves.
    pub fn on_ping(&mut self, ping: Ping) {
        self.pong = Some(ping.id);
    }

    /// The pong to send now, if one is owed.
    pub fn take_pong(&mut self, wall_us: u64) -> Option<Ping> {
        self.pong.take().map(|id| Ping { id, wall_us })
    }

    /// The peer's pong came. One that answers nothing says nothing.
    pub fn on_pong(&mut self, pong: Ping, now: Duration) -> Option<ClockSample> {
        let ping = self.outstanding.take_if(|ping| ping.id == pong.id)?;
        let round_trip = now.saturating_sub(ping.sent_at);
        // The peer's clock was read about half way. Our wall clock is not read again: it may have jumped since.
        let middle_us = ping.wall_us.saturating_add(round_trip.as_micros() as u64 / 2);
        let offset_us = i128::from(pong.wall_us) - i128::from(middle_us);
        let offset_us = offset_us.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        Some(ClockSample { round_trip, offset_us })
    }

    /// When something is due: a ping, unless it has to wait for what is being sent, or the end.
    pub fn next_wake(&self, is_sending: bool) -> Duration {
        let dead_at = self.heard_at + self.dead_after;
        if is_sending { dead_at } else { self.ping_at.min(dead_at) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn clocks_are_compared_half_way() {
        let mut alive = Keepalive::new(100 * MS, 400 * MS, MS);
        let ping = alive.take_ping(MS, 1_000_000).unwrap();
        assert!(alive.take_ping(100 * MS, 0).is_none());
        assert!(alive.on_pong(Ping { id: 9, wall_us: 0 }, 2 * MS).is_none());
        let pong = Ping { id: ping.id, wall_us: 1_501_000 };
        let sample = alive.on_pong(pong, 3 * MS).unwrap();
        assert_eq!(sample, ClockSample { round_trip: 2 * MS, offset_us: 500_000 });
        assert!(alive.on_pong(pong, 3 * MS).is_none(), "once");
        alive.take_ping(101 * MS, 0).unwrap();
        let far = alive.on_pong(Ping { id: 2, wall_us: u64::MAX }, 101 * MS).unwrap();
        assert_eq!(far.offset_us, i64::MAX);
    }

    #[test]
    fn silence_is_noticed_and_pings_cost_one_pong() {
        let mut alive = Keepalive::new(100 * MS, 400 * MS, MS);
        alive.heard(50 * MS);
        assert!(!alive.is_dead(449 * MS) && alive.is_dead(450 * MS));
        for id in 0..1000 {
            alive.on_ping(Ping { id, wall_us: 0 });
        }
        assert_eq!(alive.take_pong(7), Some(Ping { id: 999, wall_us: 7 }));
        assert_eq!(alive.take_pong(7), None);
        assert_eq!((alive.next_wake(false), alive.next_wake(true)), (MS, 450 * MS));
        alive.take_ping(MS, 0);
        assert_eq!(alive.next_wake(false), 101 * MS);
    }
}
