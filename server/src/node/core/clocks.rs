//! Whether this node's clock can be trusted, by what pings say of the others'.
//!
//! Versions begin with the time, so a node whose clock runs ahead wins over writes that came after its own, and one that runs behind loses. A peer whose clock is
//! [`WARN`] off is told of. Where a majority agrees on a time from which this node is [`STEP_DOWN`] off, this node is *barred*: it does not become active, and
//! serves nothing that somebody else keeps. Two nodes have no majority, so that only one that joins gives way.
//!
//! It knows no slots, and corrects no clock.

use crate::cluster::NodeId;
use std::collections::BTreeMap;
use std::time::Duration;

/// A peer whose clock is so far off is warned of.
pub const WARN: Duration = Duration::from_millis(500);

/// A node whose own clock is so far off steps down. Versions that are so far ahead are refused, see [`crate::replication::chain::VERSION_AHEAD_MS_MAX`].
pub const STEP_DOWN: Duration = Duration::from_secs(5);

/// Below this share of a limit its effect ends: clocks near the limit do not switch it on and off.
const RELEASE_PERCENT: i64 = 80;

/// See the module's description.
#[derive(Debug, Default)]
pub struct Clocks {
    /// How far ahead each peer's clock is at least, in microseconds, and whether it was warned of.
    peers: BTreeMap<NodeId, (i64, bool)>,
    barred: bool,
}

impl Clocks {
    /// A ping to `node` was answered after `round_trip`, and half way its clock was `offset_us` ahead of ours. Returns whether it is to be warned of.
    pub fn hear(&mut self, node: NodeId, round_trip: Duration, offset_us: i64) -> bool {
        // It may have been read at either end of the round trip.
        let doubt = i64::try_from(round_trip.as_micros() / 2).unwrap_or(i64::MAX);
        let least = offset_us.signum() * offset_us.saturating_abs().saturating_sub(doubt).max(0);
        let (offset, warned) = self.peers.entry(node).or_default();
        *offset = least;
        let is_news = !*warned && least.abs() >= micros(WARN);
        *warned = is_news || (*warned && least.abs() >= micros(WARN) * RELEASE_PERCENT / 100);
        is_news
    }

    /// Forgets those of whom `is_there` is not true.
    pub fn keep(&mut self, is_there: impl Fn(NodeId) -> bool) {
        self.peers.retain(|&node, _| is_there(node));
    }

    /// The largest offset of a peer, in milliseconds either way.
    pub fn offset_ms_max(&self) -> u64 {
        self.peers.values().map(|(offset, _)| offset.unsigned_abs() / 1_000).max().unwrap_or(0)
    }

    /// Judges this node's clock anew. `gives_way`: where as many clocks say this as that, it is this one that is wrong. Returns whether the judgement changed.
    pub fn judge(&mut self, gives_way: bool) -> bool {
        let mut all: Vec<i64> = self.peers.values().map(|&(offset, _)| offset).collect();
        all.push(0);
        all.sort_unstable();
        let limit = match self.barred {
            true => micros(STEP_DOWN) * RELEASE_PERCENT / 100,
            false => micros(STEP_DOWN),
        };
        // Any majority of clocks that agree holds one of the two in the middle.
        let is_wrong = [all[(all.len() - 1) / 2], all[all.len() / 2]].iter().any(|&middle| {
            let agree = all.iter().filter(|it| (**it - middle).abs() < micros(STEP_DOWN)).count();
            let is_majority = 2 * agree > all.len() || (gives_way && 2 * agree == all.len());
            is_majority && middle.abs() >= limit
        });
        std::mem::replace(&mut self.barred, is_wrong) != is_wrong
    }

    /// Whether this node's clock is wrong.
    pub fn is_barred(&self) -> bool {
        self.barred
    }
}

fn micros(time: Duration) -> i64 {
    time.as_micros() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(2);

    fn barred(offsets_ms: &[i64], gives_way: bool) -> bool {
        let mut clocks = Clocks::default();
        for (n, offset) in offsets_ms.iter().enumerate() {
            clocks.hear(NodeId(n as u64), RTT, offset * 1_000);
        }
        clocks.judge(gives_way);
        clocks.is_barred()
    }

    #[test]
    fn the_majority_is_right() {
        assert!(barred(&[5_100, 5_200], false));
        assert!(barred(&[-6_000, -6_000, 0], true));
        assert!(!barred(&[4_900, 4_900], false), "not far enough");
        assert!(!barred(&[6_000, 0], false), "one other is wrong");
        assert!(!barred(&[6_000, 20_000], false), "nobody agrees with anybody");
        assert!(!barred(&[6_000], false), "one word against another");
        assert!(barred(&[6_000], true), "one that joins gives way");
        assert!(!barred(&[], true));
    }

    #[test]
    fn a_peer_half_a_second_off_is_warned_of_once() {
        let mut clocks = Clocks::default();
        let node = NodeId(1);
        assert!(!clocks.hear(node, RTT, 490_000));
        assert!(!clocks.hear(node, Duration::from_secs(1), 900_000), "a slow answer says little");
        assert!(clocks.hear(node, RTT, -510_000));
        assert!(!clocks.hear(node, RTT, -450_000), "nearly as much as before");
        assert!(!clocks.hear(node, RTT, -520_000));
        assert_eq!(clocks.offset_ms_max(), 519);
        assert!(!clocks.hear(node, RTT, 0));
        assert!(clocks.hear(node, RTT, 600_000));
        clocks.keep(|_| false);
        assert_eq!(clocks.offset_ms_max(), 0);
    }

    #[test]
    fn a_clock_near_the_limit_does_not_go_to_and_fro() {
        let mut clocks = Clocks::default();
        let mut judge = |offset_ms: i64| {
            for n in 1..=2 {
                clocks.hear(NodeId(n), RTT, offset_ms * 1_000);
            }
            (clocks.judge(false), clocks.is_barred())
        };
        assert_eq!(judge(5_100), (true, true));
        assert_eq!(judge(4_500), (false, true));
        assert_eq!(judge(3_900), (true, false));
        assert_eq!(judge(4_500), (false, false));
    }
}
