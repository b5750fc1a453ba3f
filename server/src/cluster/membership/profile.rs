//! The timings of failure detection by cluster size.
//!
//! Goal: a killed node is noticed by all within 3 s at 3 to 10 nodes and 5 s at 1,000, without false alarms at 5% packet loss.
//!
//! * **Probes.** Each node probes one other each period, in shuffled rounds. With 3 nodes a given one is probed within three periods (first of
//!   one round, last of the next). With more, the first probe comes after t with chance 1 - e^(-t / period), whatever their number.
//!   To 3 nodes: 3 × 0.24 s to be chosen + 0.24 s to fail + 1.2 s of suspicion = 2.2 s at worst. To 10: 1.45 s are left to be chosen, which is
//!   exceeded once in 400 deaths; at 400 ms it were once in 30. To 1,000: 1.6 s are left (2.5 s of suspicion, 0.4 s to fail, 0.5 s for the
//!   news to travel), which is exceeded once in fifty.
//! * **Suspicion** covers the way of the accusation to the accused and of its answer back to everyone. Gossip goes out every 100 ms
//!   to three members: a rumour takes 0.2 s to 10 nodes and 0.4 s to 1,000, and the answer as long. The rest is patience for loss.
//! * **Transmissions** of one update by each node: ten at least. foca's own formula gives one at two nodes, and a single lost
//!   datagram is then a false alarm.

use foca::{Config, PeriodicParams};
use std::num::{NonZeroU8, NonZeroUsize};
use std::time::Duration;

/// Time between two probes of a node, before it is scaled: foca cannot change it while it runs.
pub(super) const PROBE_PERIOD: Duration = Duration::from_millis(400);

/// How long an answer may take before others are asked to try. Far above a data centre's worst round trip; what delays an answer for longer is a
/// busy node, and that is what the others find out.
const PROBE_RTT: Duration = Duration::from_millis(120);

/// Members up to which probes come faster: few probe, so each must probe more.
const SMALL: usize = 16;

/// Members up to which packets ride on links.
pub(super) const LINKS_MEMBERS_MAX: usize = 64;

/// The timings that fit one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Profile {
    /// Scale of the probe timings.
    pub probe_percent: u32,
    /// How long a suspect may defend itself.
    suspicion: Duration,
    /// Times that each node passes an update on.
    transmissions: u8,
    /// How often nodes that are down are called, and how many at a time.
    recall: (Duration, usize),
}

impl Profile {
    /// The profile for `members`, ourselves included.
    pub fn of(members: usize) -> Self {
        // Between the anchors the suspicion grows with the number of decimal digits, as the time of a rumour does.
        let suspicion_ms = match members {
            ..=SMALL => 1_200,
            17..=100 => 1_600,
            101..=300 => 2_000,
            _ => 2_500,
        };
        let small = members <= SMALL;
        Profile {
            probe_percent: if small { 60 } else { 100 },
            suspicion: Duration::from_millis(suspicion_ms),
            transmissions: if members <= 300 { 10 } else { 12 },
            recall: if small { (Duration::from_secs(1), 1) } else { (Duration::from_secs(2), 2) },
        }
    }

    /// What foca is to be told.
    pub fn config(&self, body_bytes_max: usize) -> Config {
        let count = |count: usize| NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN);
        let periodic =
            |frequency, members| Some(PeriodicParams { frequency, num_members: count(members) });
        Config {
            probe_period: PROBE_PERIOD,
            probe_rtt: PROBE_RTT,
            num_indirect_probes: count(3),
            max_transmissions: NonZeroU8::new(self.transmissions).unwrap_or(NonZeroU8::MIN),
            suspect_to_down_after: self.suspicion,
            // Nodes are forgotten by the rule of `node-forget-after`, which foca does not know.
            remove_down_after: None,
            max_packet_size: count(body_bytes_max),
            notify_down_members: true,
            // Records are exchanged every 10 s, and members with them; this is for those that have no record yet.
            periodic_announce: periodic(Duration::from_secs(30), 1),
            periodic_announce_to_down_members: periodic(self.recall.0, self.recall.1),
            periodic_gossip: periodic(Duration::from_millis(100), 3),
        }
    }
}
