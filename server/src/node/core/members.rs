//! From what nodes say of themselves to the view of the ring.

use crate::cluster::member::{Member, MemberState};
use crate::cluster::membership::{Liveness, Membership};
use crate::cluster::record::{NodeRecord, NodeState};
use crate::cluster::{NodeId, View};
use std::sync::Arc;

/// Every node that membership knows, as a view takes it.
pub fn members(membership: &dyn Membership, me: NodeId) -> Vec<Member> {
    let records = membership.records();
    records.iter().map(|record| member(record, is_alive(membership, record.node, me))).collect()
}

fn is_alive(membership: &dyn Membership, node: NodeId, me: NodeId) -> bool {
    // A suspect has not been given up yet.
    node == me || matches!(membership.liveness(node), Some(Liveness::Up | Liveness::Suspect))
}

fn member(record: &Arc<NodeRecord>, alive: bool) -> Member {
    Member {
        id: record.node,
        incarnation: record.incarnation,
        tag: record.tag,
        host: record.hosts.first().map(String::as_str).unwrap_or_default().into(),
        port: record.ports.client,
        cluster_port: record.ports.cluster,
        peer_port: record.ports.peer,
        tls_port: record.ports.tls_client,
        tls_cluster_port: record.ports.tls_cluster,
        weight: record.weight,
        zone: record.zone.as_str().into(),
        state: match record.state {
            NodeState::Joining => MemberState::Joining,
            NodeState::Active => MemberState::Active,
            NodeState::Leaving => MemberState::Leaving,
            NodeState::Left => MemberState::Left,
        },
        since: record.since,
        alive,
        ready: record.ready,
        features: record.features,
    }
}

/// Whether all other nodes that keep slots now, and live, say that they have synced for the layout to come.
pub fn others_synced(membership: &dyn Membership, view: &View, next: u64) -> bool {
    let others = view.members().filter(|(index, member)| {
        *index != view.me() && member.alive && member.state == MemberState::Active
    });
    others.into_iter().all(|(_, member)| {
        membership.record(member.id).is_some_and(|record| record.synced_layout == next)
    })
}

/// Whether no living node keeps any slot, and this one is the first of those that want to: it begins the ring.
pub fn begins_ring(view: &View) -> bool {
    let placed = view.members().any(|(_, member)| member.is_placed() && member.alive);
    let first = view
        .members()
        .filter(|(_, member)| member.alive && member.state == MemberState::Joining)
        .min_by_key(|(_, member)| member.id);
    !placed && first.is_some_and(|(index, _)| index == view.me())
}
