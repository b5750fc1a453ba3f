//! Members for the tests of this layer.

use super::member::{Member, MemberState};
use super::{NodeId, View};

/// An active member on loopback, alive and ready, with ports that come from its id.
pub(crate) fn member(id: u64) -> Member {
    let port = 7000 + id as u16;
    Member {
        id: NodeId(id),
        incarnation: 1,
        tag: id as u16,
        host: "127.0.0.1".into(),
        port,
        cluster_port: port + 1000,
        peer_port: port + 2000,
        weight: 1,
        zone: "".into(),
        state: MemberState::Active,
        since: 0,
        alive: true,
        ready: true,
        features: 0,
    }
}

/// The members 1 to `count`.
pub(crate) fn members(count: u64) -> Vec<Member> {
    (1..=count).map(member).collect()
}

/// The members 1 to `count` with three copies, seen by 1.
pub(crate) fn view(count: u64) -> View {
    View::build(members(count), NodeId(1), 3)
}
