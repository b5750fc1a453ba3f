//! Doubt about ourselves and patience with others: what keeps a slow node from accusing healthy ones.
//!
//! Source: Dadgar, Phillips and Currey, "Lifeguard: Local Health Awareness for More Accurate Failure Detection" (arXiv 1707.00788), local health
//! multiplier. Failed probes count only when they come from several peers: one that is silent is dead, many are a sign that we are deaf.

use crate::cluster::node_id::NodeId;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Score at most, and with it timings nine times as long, as in Lifeguard's evaluation.
const SCORE_MAX: u32 = 8;

/// Probes that are looked back upon.
const PROBES_KEPT: usize = 8;

/// Peers among them that must have failed before we doubt ourselves.
const PEERS_FAILED_MIN: usize = 3;

/// How late our own timers may be. Below it nothing is changed; probes wait 120 ms and more for an answer.
pub(super) const LAG_MAX: Duration = Duration::from_millis(200);

/// Two Downs within this time are flapping.
const FLAP_WINDOW: Duration = Duration::from_secs(60);

/// A peer that flaps has its suspicion doubled this many times at most.
const FLAP_DOUBLINGS_MAX: u32 = 3;

/// How much this node trusts its own senses.
#[derive(Debug, Default)]
pub(super) struct Health {
    score: u32,
    probes: VecDeque<(NodeId, bool)>,
}

impl Health {
    /// Our loop ran late by `lag`. Returns whether that is late enough to matter.
    pub fn lagged(&mut self, lag: Duration) -> bool {
        let late = lag > LAG_MAX;
        if late {
            self.score = (self.score + 1).min(SCORE_MAX);
        }
        late
    }

    /// A probe of `node` ended.
    pub fn probed(&mut self, node: NodeId, answered: bool) {
        if self.probes.len() == PROBES_KEPT {
            self.probes.pop_front();
        }
        self.probes.push_back((node, answered));
        if answered {
            self.score = self.score.saturating_sub(1);
            return;
        }
        let mut failed: Vec<NodeId> =
            self.probes.iter().filter(|(_, ok)| !ok).map(|(node, _)| *node).collect();
        failed.sort_unstable();
        failed.dedup();
        if failed.len() >= PEERS_FAILED_MIN {
            self.score = (self.score + 1).min(SCORE_MAX);
        }
    }

    /// What timings that judge others are multiplied by: 1 to 9.
    pub fn multiplier(&self) -> u32 {
        1 + self.score
    }
}

/// Which peers go down and come back again and again.
#[derive(Debug, Default)]
pub(super) struct Flaps {
    downs: BTreeMap<NodeId, (Duration, u32)>,
}

impl Flaps {
    /// `node` went down.
    pub fn down(&mut self, node: NodeId, now: Duration) {
        let doublings = match self.downs.get(&node) {
            Some((last, doublings)) if now.saturating_sub(*last) <= FLAP_WINDOW => {
                (doublings + 1).min(FLAP_DOUBLINGS_MAX)
            }
            _ => 0,
        };
        self.downs.insert(node, (now, doublings));
    }

    /// What the suspicion of `node` is multiplied by. The Down at hand is the second within the window, so it is doubled too.
    pub fn multiplier(&self, node: NodeId, now: Duration) -> u32 {
        match self.downs.get(&node) {
            Some((last, doublings)) if now.saturating_sub(*last) <= FLAP_WINDOW => {
                1 << (doublings + 1).min(FLAP_DOUBLINGS_MAX)
            }
            _ => 1,
        }
    }

    /// Drops what no longer matters.
    pub fn sweep(&mut self, now: Duration) {
        self.downs.retain(|_, (last, _)| now.saturating_sub(*last) <= FLAP_WINDOW);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_silent_peer_is_its_own_fault_three_are_ours() {
        let mut health = Health::default();
        for _ in 0..10 {
            health.probed(NodeId(1), false);
        }
        assert_eq!(health.multiplier(), 1);
        health.probed(NodeId(2), false);
        assert_eq!(health.multiplier(), 1);
        health.probed(NodeId(3), false);
        health.probed(NodeId(4), false);
        assert_eq!(health.multiplier(), 3);
        (0..20).for_each(|_| health.probed(NodeId(5), false));
        assert!(health.multiplier() <= 9);
        (0..20).for_each(|_| health.probed(NodeId(5), true));
        assert_eq!(health.multiplier(), 1);
    }

    #[test]
    fn lag_counts_from_a_fifth_of_a_second() {
        let mut health = Health::default();
        assert!(!health.lagged(Duration::from_millis(200)));
        assert_eq!(health.multiplier(), 1);
        assert!(health.lagged(Duration::from_millis(201)));
        assert_eq!(health.multiplier(), 2);
        (0..20).for_each(|_| assert!(health.lagged(Duration::from_secs(1))));
        assert_eq!(health.multiplier(), 9);
    }

    #[test]
    fn flapping_doubles_suspicion_and_calms_down() {
        let at = Duration::from_secs;
        let (mut flaps, node) = (Flaps::default(), NodeId(1));
        assert_eq!(flaps.multiplier(node, at(0)), 1);
        flaps.down(node, at(10));
        assert_eq!(flaps.multiplier(node, at(69)), 2);
        assert_eq!(flaps.multiplier(NodeId(2), at(20)), 1);
        flaps.down(node, at(20));
        assert_eq!(flaps.multiplier(node, at(21)), 4);
        for second in 22..30 {
            flaps.down(node, at(second));
        }
        assert_eq!(flaps.multiplier(node, at(30)), 8);
        assert_eq!(flaps.multiplier(node, at(90)), 1);
        flaps.sweep(at(90));
        assert!(flaps.downs.is_empty());
    }
}
