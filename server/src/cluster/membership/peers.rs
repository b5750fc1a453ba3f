//! What this node finds about the others: foca's verdicts, tempered.
//!
//! ```text
//!            foca: up                     heard of a suspicion
//!   (none) ───────────► Up ──────────────────────► Suspect
//!      │                ▲ ◄──── disproved ─────────┘  │
//!      │ record only    │ foca: up                    │ foca: down, no data frame for two probe periods
//!      └──────────────► Down ◄────────────────────────┘
//! ```
//!
//! **Veto.** A peer whose data frames arrive is alive, whatever others say of it; its Down is held back until the frames stop. If they do
//! not stop, the peer learns what is said of it and comes back by itself; past [`HOLD_MAX`] the cluster's word holds, since a node that
//! all others treat as down must not be treated as alive by one.

use super::swim::SwimId;
use super::{Event, Liveness};
use crate::cluster::node_id::NodeId;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a Down is held back at most.
const HOLD_MAX: Duration = Duration::from_secs(10);

/// One other node.
#[derive(Debug, Clone)]
struct Peer {
    id: SwimId,
    liveness: Liveness,
    /// When a data frame last came from it.
    heard: Option<Duration>,
    /// Since when its Down is held back.
    held: Option<Duration>,
    /// Since when it is down.
    down_since: Duration,
}

/// All others.
#[derive(Debug, Default)]
pub(super) struct Peers {
    peers: BTreeMap<NodeId, Peer>,
}

impl Peers {
    pub fn liveness(&self, node: NodeId) -> Option<Liveness> {
        self.peers.get(&node).map(|peer| peer.liveness)
    }

    pub fn is_alive(&self, node: NodeId) -> bool {
        self.liveness(node).is_some_and(|liveness| liveness != Liveness::Down)
    }

    /// Nodes that are alive and answer where.
    pub fn alive(&self) -> impl Iterator<Item = &SwimId> {
        self.peers.values().filter(|peer| peer.liveness != Liveness::Down).map(|peer| &peer.id)
    }

    /// A data frame came. Unknown nodes are not counted: foca has not met them.
    pub fn heard(&mut self, node: NodeId, now: Duration) {
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.heard = Some(now);
        }
    }

    /// Until when `node` may not be declared down; `None` if nothing speaks for it.
    pub fn vetoed_until(&self, node: NodeId, window: Duration, now: Duration) -> Option<Duration> {
        let until = self.peers.get(&node)?.heard? + window;
        (until > now).then_some(until)
    }

    /// A record came of a node that foca has not met.
    pub fn mentioned(&mut self, id: SwimId, now: Duration) {
        self.peers.entry(id.node).or_insert(Peer {
            id,
            liveness: Liveness::Down,
            heard: None,
            held: None,
            down_since: now,
        });
    }

    /// foca says that a node answers.
    pub fn up(&mut self, id: SwimId, now: Duration) -> Option<Event> {
        self.mentioned(id, now);
        let peer = self.peers.get_mut(&id.node)?;
        let restarted = peer.id.incarnation != id.incarnation;
        let news = restarted || peer.liveness != Liveness::Up;
        (peer.id, peer.liveness, peer.held) = (id, Liveness::Up, None);
        news.then_some(Event::MemberUp { node: id.node, incarnation: id.incarnation })
    }

    /// foca replaces one run of a node by another. Whether it answers is said separately.
    pub fn renamed(&mut self, id: SwimId) -> Option<Event> {
        let peer = self.peers.get_mut(&id.node)?;
        let restarted = peer.id.incarnation != id.incarnation;
        peer.id = id;
        let news = restarted && peer.liveness != Liveness::Down;
        news.then_some(Event::MemberUp { node: id.node, incarnation: id.incarnation })
    }

    /// foca takes a node for dead.
    pub fn down(&mut self, node: NodeId, window: Duration, now: Duration) -> Option<Event> {
        let vetoed = self.vetoed_until(node, window, now).is_some();
        let peer = self.peers.get_mut(&node)?;
        if vetoed && peer.liveness != Liveness::Down {
            peer.held.get_or_insert(now);
            return None;
        }
        declare_down(node, peer, now)
    }

    /// Gives up on nodes whose Down was held back and that are silent by now.
    pub fn release_held(&mut self, window: Duration, now: Duration) -> Vec<Event> {
        let silent = |peer: &Peer| match (peer.held, peer.heard) {
            (Some(held), heard) => {
                heard.is_none_or(|heard| heard + window <= now) || held + HOLD_MAX <= now
            }
            (None, _) => false,
        };
        let given_up = self.peers.iter_mut().filter(|(_, peer)| silent(peer));
        given_up.filter_map(|(node, peer)| declare_down(*node, peer, now)).collect()
    }

    /// Compares with foca's present suspicions, which it does not announce. `suspects` is sorted.
    pub fn settle_suspects(&mut self, suspects: &[NodeId]) -> Vec<Event> {
        let mut events = Vec::new();
        for (node, peer) in &mut self.peers {
            let suspected = suspects.binary_search(node).is_ok();
            match (peer.liveness, suspected) {
                (Liveness::Up, true) => {
                    peer.liveness = Liveness::Suspect;
                    events.push(Event::MemberSuspect(*node));
                }
                // A held Down is not disproved yet.
                (Liveness::Suspect, false) if peer.held.is_none() => {
                    peer.liveness = Liveness::Up;
                    let incarnation = peer.id.incarnation;
                    events.push(Event::MemberUp { node: *node, incarnation });
                }
                _ => {}
            }
        }
        events
    }

    /// Nodes that are down since `limit` or longer.
    pub fn down_for(&self, limit: Duration, now: Duration) -> Vec<NodeId> {
        let long = self.peers.iter().filter(|(_, peer)| {
            peer.liveness == Liveness::Down && now.saturating_sub(peer.down_since) >= limit
        });
        long.map(|(node, _)| *node).collect()
    }

    /// Drops a node, and returns how foca knew it.
    pub fn forget(&mut self, node: NodeId) -> Option<SwimId> {
        self.peers.remove(&node).map(|peer| peer.id)
    }
}

fn declare_down(node: NodeId, peer: &mut Peer, now: Duration) -> Option<Event> {
    peer.held = None;
    if peer.liveness == Liveness::Down {
        return None;
    }
    (peer.liveness, peer.down_since) = (Liveness::Down, now);
    Some(Event::MemberDown(node))
}

#[cfg(test)]
mod tests {
    use super::super::testing::record;
    use super::*;

    const WINDOW: Duration = Duration::from_secs(1);

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn id(node: u64) -> SwimId {
        SwimId::of(&record(node))
    }

    fn up(node: u64) -> Option<Event> {
        Some(Event::MemberUp { node: NodeId(node), incarnation: 1 })
    }

    #[test]
    fn data_frames_hold_a_down_back_until_they_stop() {
        let (mut peers, node) = (Peers::default(), NodeId(2));
        assert_eq!(peers.up(id(2), at(0)), up(2));
        peers.heard(node, at(900));
        assert_eq!(peers.down(node, WINDOW, at(1_000)), None);
        assert!(peers.is_alive(node));
        assert_eq!(peers.release_held(WINDOW, at(1_800)), []);
        peers.heard(node, at(1_850));
        assert_eq!(peers.release_held(WINDOW, at(2_500)), []);
        assert_eq!(peers.release_held(WINDOW, at(2_900)), [Event::MemberDown(node)]);
        assert_eq!(peers.release_held(WINDOW, at(9_000)), []);
        assert_eq!(peers.down_for(at(100), at(3_000)), [node]);
        assert_eq!(peers.up(id(2), at(3_100)), up(2));
    }

    #[test]
    fn a_peer_that_comes_back_in_time_was_never_down() {
        let (mut peers, node) = (Peers::default(), NodeId(2));
        peers.up(id(2), at(0));
        peers.heard(node, at(900));
        peers.down(node, WINDOW, at(1_000));
        let renewed = SwimId { renewals: 1, ..id(2) };
        assert_eq!(peers.renamed(renewed), None);
        assert_eq!(peers.up(renewed, at(1_200)), None);
        assert_eq!(peers.release_held(WINDOW, at(5_000)), []);
    }

    #[test]
    fn the_word_of_the_cluster_holds_in_the_end() {
        let (mut peers, node) = (Peers::default(), NodeId(2));
        peers.up(id(2), at(0));
        for ms in (0..=10_000).step_by(500) {
            peers.heard(node, at(ms));
            peers.down(node, WINDOW, at(ms));
            let expected: &[Event] = if ms < 10_000 { &[] } else { &[Event::MemberDown(node)] };
            assert_eq!(peers.release_held(WINDOW, at(ms)), expected, "{ms}");
        }
    }

    #[test]
    fn suspicions_come_and_go() {
        let (mut peers, node) = (Peers::default(), NodeId(2));
        peers.up(id(2), at(0));
        peers.mentioned(id(3), at(0));
        assert_eq!(peers.liveness(NodeId(3)), Some(Liveness::Down));
        assert_eq!(peers.settle_suspects(&[node, NodeId(3)]), [Event::MemberSuspect(node)]);
        assert_eq!(peers.settle_suspects(&[node]), []);
        assert_eq!(peers.settle_suspects(&[]), [up(2).unwrap()]);
        let restarted = SwimId { incarnation: 7, ..id(2) };
        assert_eq!(peers.renamed(restarted), Some(Event::MemberUp { node, incarnation: 7 }));
        assert_eq!(peers.down(node, WINDOW, at(5)), Some(Event::MemberDown(node)));
        assert_eq!(peers.down(node, WINDOW, at(6)), None);
    }
}
