//! The access field of an entry: when it was last used (LRU), or how often (LFU). Two bytes, of which every bit counts.
//!
//! ```text
//! LRU, fine     | 0 | seconds 15           |   last use, modulo 9.1 hours
//! LRU, coarse   | 1 | units of 64 s, 15    |   last use, modulo 24.3 days
//! LFU           | minutes 8 | counter 8    |   last decay, modulo 4.3 hours, and a logarithmic counter, as in Redis's notes on LFU
//! ```
//!
//! Every use writes the fine form, so that OBJECT IDLETIME is right to the second for keys in use. Sixteen bits of seconds alone would wrap after 18
//! hours, and make a key that nobody has touched since yesterday look fresh to eviction; units of eight seconds would last six days, but
//! be wrong for every key that was just used. So [`Store::age`](super::Store::age) walks over all keys, slowly, and turns a fine form older than
//! [`COARSE_FROM_SECONDS`] into a coarse one, and holds a coarse one at [`IDLE_SECONDS_MAX`]. Its rounds take 2.3 hours: no form wraps before it is met.

use crate::base::clock::UnixMs;
use crate::base::rng::Rng;

const COARSE: u16 = 1 << 15;
const CLOCK: u64 = (1 << 15) - 1;
/// Seconds of a coarse unit.
const UNIT_SECONDS: u64 = 64;
/// A fine form older than this becomes coarse: with a round's length, below the 9.1 hours after which it wraps.
pub const COARSE_FROM_SECONDS: u64 = 4 * 3600;
/// Idle times end here, far enough below the 24.3 days after which the coarse form wraps.
pub const IDLE_SECONDS_MAX: u64 = 20 * 24 * 3600;

/// The LRU form of a key that is used now.
#[inline]
pub fn lru_clock(now: UnixMs) -> u16 {
    ((now / 1000) & CLOCK) as u16
}

/// The LRU form of a key that was last used so long before `now`.
pub fn lru_of_idle(idle_seconds: u64, now: UnixMs) -> u16 {
    let last_use = (now / 1000).saturating_sub(idle_seconds.min(IDLE_SECONDS_MAX));
    if idle_seconds < COARSE_FROM_SECONDS {
        (last_use & CLOCK) as u16
    } else {
        COARSE | ((last_use / UNIT_SECONDS) & CLOCK) as u16
    }
}

/// Seconds since the last use.
pub fn lru_idle_seconds(access: u16, now: UnixMs) -> u64 {
    let (seconds, clock) = (now / 1000, u64::from(access) & CLOCK);
    if access & COARSE == 0 {
        return seconds.wrapping_sub(clock) & CLOCK;
    }
    let units_ago = (seconds / UNIT_SECONDS).wrapping_sub(clock) & CLOCK;
    units_ago * UNIT_SECONDS + seconds % UNIT_SECONDS
}

/// What the form of a key that nobody uses has to become, if anything.
pub fn lru_aged(access: u16, now: UnixMs) -> Option<u16> {
    let idle = lru_idle_seconds(access, now);
    let due = if access & COARSE == 0 { COARSE_FROM_SECONDS } else { IDLE_SECONDS_MAX };
    // A little past the end, or it would be written again in each round for nothing.
    (idle >= due).then(|| lru_of_idle(idle, now)).filter(|aged| *aged != access)
}

/// A new key's LFU counter: high enough to survive until it had a chance.
const LFU_INITIAL: u8 = 5;

fn minutes(now: UnixMs) -> u8 {
    (now / 60_000) as u8
}

pub fn lfu_new(now: UnixMs) -> u16 {
    lfu_of(LFU_INITIAL, now)
}

pub fn lfu_of(counter: u8, now: UnixMs) -> u16 {
    (minutes(now) as u16) << 8 | counter as u16
}

pub fn lfu_decayed(access: u16, now: UnixMs, decay_minutes: u32) -> u8 {
    let counter = access as u8;
    let elapsed = minutes(now).wrapping_sub((access >> 8) as u8) as u32;
    match elapsed.checked_div(decay_minutes) {
        None => counter,
        Some(periods) => counter.saturating_sub(periods.min(255) as u8),
    }
}

/// The field after one more access.
pub fn lfu_touched(
    access: u16,
    now: UnixMs,
    decay_minutes: u32,
    log_factor: u32,
    rng: &mut Rng,
) -> u16 {
    let mut counter = lfu_decayed(access, now, decay_minutes);
    if counter < u8::MAX {
        let base = counter.saturating_sub(LFU_INITIAL) as u64;
        if rng.below(base * log_factor as u64 + 1) == 0 {
            counter += 1;
        }
    }
    lfu_of(counter, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: UnixMs = 1_700_000_000_123;
    const ROUND_MS: u64 = 16_384 * 500;

    #[test]
    fn idle_times_are_right_however_long_they_last() {
        let mut access = lru_clock(START);
        for round in 0..300 {
            let now = START + round * ROUND_MS;
            for later in [0, 999, 61_000, ROUND_MS - 1] {
                let (true_idle, now) = ((now + later) / 1000 - START / 1000, now + later);
                let idle = lru_idle_seconds(access, now);
                let most = IDLE_SECONDS_MAX.min(true_idle);
                // Held at the most until the next round, it grows by that round's length.
                assert!(
                    idle >= most && idle <= true_idle.min(most + ROUND_MS / 1000) + 63,
                    "{idle} {true_idle}"
                );
                if true_idle < COARSE_FROM_SECONDS {
                    assert_eq!(idle, true_idle);
                }
            }
            access = lru_aged(access, now + ROUND_MS).unwrap_or(access);
        }
    }

    #[test]
    fn a_restored_idle_time_is_read_back() {
        for idle in [0, 1, 3600, 14_399, 14_400, 65_536, 1_000_000, IDLE_SECONDS_MAX] {
            let read = lru_idle_seconds(lru_of_idle(idle, START), START);
            assert!((idle..idle + 64).contains(&read), "{read} for {idle}");
        }
        assert!(lru_idle_seconds(lru_of_idle(u64::MAX, START), START) >= IDLE_SECONDS_MAX);
    }
}
