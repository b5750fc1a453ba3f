//! What the view wants of a node for a slot. Pure functions of a [`View`]: they know nothing of what is.

use crate::cluster::View;
use crate::cluster::member::MemberState;
use crate::cluster::view::MemberIndex;
use torc_protocol::slot::Slot;

/// What this node is to a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It may serve and, if nobody else does, must.
    Serve,
    /// It keeps a copy, or will.
    Keep,
    /// Nothing.
    None,
}

/// What this node is to `slot`.
pub fn role(view: &View, slot: Slot) -> Role {
    if claims(view, slot, view.me()) {
        Role::Serve
    } else if view.is_mine(slot) {
        Role::Keep
    } else {
        Role::None
    }
}

/// Who is to serve `slot` in the end: the first that is alive on the list to come, or on the list in force where none is to come. He may not be ready yet.
pub fn heir(view: &View, slot: Slot) -> Option<MemberIndex> {
    let list = match view.transition() {
        Some(_) => view.next_list(slot),
        None => view.list(slot),
    };
    list.iter().copied().find(|&index| view.is_alive(index))
}

/// Who is to serve `slot` for now: the acting primary by the list in force, or the first alive on it where none is ready.
pub fn acting(view: &View, slot: Slot) -> Option<MemberIndex> {
    let alive = || view.list(slot).iter().copied().find(|&index| view.is_alive(index));
    view.acting(slot).or_else(alive)
}

/// For whom this node stops serving `slot`: who is to serve for now or, where that is this node itself, the next who lives.
pub fn successor(view: &View, slot: Slot) -> Option<MemberIndex> {
    let others = || view.effect_targets(slot).next();
    acting(view, slot).filter(|&index| index != view.me()).or_else(others)
}

/// Whether `index` may serve `slot` and, if nobody else does, must.
pub fn claims(view: &View, slot: Slot, index: MemberIndex) -> bool {
    if view.list(slot).is_empty() {
        // There is no ring yet, and whoever begins it says so first.
        return false;
    }
    heir(view, slot) == Some(index) || acting(view, slot) == Some(index)
}

/// Whom to pull a copy of `slot` from: who serves it by the view, else anybody who keeps one. Nobody else may be alive to know better.
pub fn source(view: &View, slot: Slot) -> Option<MemberIndex> {
    let me = view.me();
    let is_placed = |&index: &MemberIndex| {
        view.member(index).is_some_and(|member| member.state != MemberState::Joining)
    };
    let others = || view.effect_targets(slot).find(is_placed);
    view.acting(slot).filter(|&index| index != me).or_else(others)
}
