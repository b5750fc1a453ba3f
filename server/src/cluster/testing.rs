//! Members for the tests of this layer.

use super::member::Member;
use super::{NodeId, View};

/// The member whose tag is its id.
pub(crate) fn member(id: u64) -> Member {
    Member::on_loopback(NodeId(id), id as u16)
}

/// The members 1 to `count`.
pub(crate) fn members(count: u64) -> Vec<Member> {
    (1..=count).map(member).collect()
}

/// The members 1 to `count` with three copies, seen by 1.
pub(crate) fn view(count: u64) -> View {
    View::build(members(count), NodeId(1), 3)
}
