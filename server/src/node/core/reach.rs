//! Which nodes there is a control link to, and since when there is none to the others.
//!
//! It knows only what links said. Whether a node lives is membership's to say.

use crate::cluster::NodeId;
use std::collections::BTreeMap;
use std::time::Duration;

/// See the module's description.
#[derive(Debug, Default)]
pub struct Reach {
    /// Since when there is no link to a node; nothing, while there is one.
    nodes: BTreeMap<NodeId, Option<Duration>>,
}

impl Reach {
    /// Hears of nodes, and forgets all others, but for those that a link leads to: they will be heard of.
    pub fn members(&mut self, all: impl Iterator<Item = NodeId>, now: Duration) {
        let before = std::mem::take(&mut self.nodes);
        let since = |node: NodeId| (node, before.get(&node).copied().unwrap_or(Some(now)));
        self.nodes = all.map(since).collect();
        self.nodes.extend(before.into_iter().filter(|(_, down_since)| down_since.is_none()));
    }

    /// The link to `node` works.
    pub fn up(&mut self, node: NodeId) {
        self.nodes.insert(node, None);
    }

    /// It does not any more.
    pub fn down(&mut self, node: NodeId, now: Duration) {
        self.nodes.insert(node, Some(now));
    }

    /// Whether there is a link to `node`.
    pub fn is_up(&self, node: NodeId) -> bool {
        matches!(self.nodes.get(&node), Some(None))
    }

    /// Whether there is a link to a node that is not known.
    pub fn has_stranger(&self, is_known: impl Fn(NodeId) -> bool) -> bool {
        self.nodes.iter().any(|(node, down_since)| down_since.is_none() && !is_known(*node))
    }

    /// For how long there has been no link to `node`; zero, if there is one.
    pub fn gone_for(&self, node: NodeId, now: Duration) -> Duration {
        match self.nodes.get(&node) {
            Some(Some(since)) => now.saturating_sub(*since),
            _ => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_without_a_link_counts_from_its_loss() {
        let mut reach = Reach::default();
        let [now, later] = [10, 12].map(Duration::from_secs);
        let (a, b) = (NodeId(1), NodeId(2));
        reach.members([a, b].into_iter(), now);
        reach.up(a);
        assert_eq!(reach.gone_for(a, later), Duration::ZERO);
        assert!(reach.is_up(a) && !reach.is_up(b));
        assert_eq!(reach.gone_for(b, later), Duration::from_secs(2));
        assert!(reach.has_stranger(|node| node == b) && !reach.has_stranger(|node| node == a));
        reach.down(a, later);
        reach.members([a].into_iter(), later);
        assert_eq!(reach.gone_for(a, Duration::from_secs(15)), Duration::from_secs(3));
        assert_eq!(reach.gone_for(b, later), Duration::ZERO, "nobody knows of it");
    }
}
