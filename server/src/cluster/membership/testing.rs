//! What the tests of these modules share.

use super::envelope::cluster_hash;
use crate::cluster::node_id::NodeId;
use crate::cluster::record::{NodeRecord, NodeState, Ports};
use std::net::{Ipv4Addr, SocketAddr};

/// A plain record of a node at 10.0.x.y.
pub(super) fn record(node: u64) -> NodeRecord {
    let ip = Ipv4Addr::from(0x0a00_0000 | node as u32);
    NodeRecord {
        node: NodeId(node),
        incarnation: 1,
        version: 1,
        tag: node as u16 & 0xfff,
        renewals: 0,
        gossip: SocketAddr::new(ip.into(), 7946),
        name: String::new(),
        hosts: vec![ip.to_string()],
        ports: Ports { client: 6379, cluster: 7379, peer: 7946, ..Ports::default() },
        weight: 1,
        zone: String::new(),
        state: NodeState::Active,
        since: 1,
        ready: true,
        synced_layout: 0,
        protocol: (1, 1),
        features: 0,
        layout_algo: 1,
        cluster: cluster_hash("blue"),
        extra: Vec::new(),
    }
}
