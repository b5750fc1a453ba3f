//! What refusals taught: who serves a slot that the route table sends to another node.
//!
//! While a node joins, slots pass to it one by one, and the views of the others name it only when it has all of them. Who gave a slot away refuses its requests and names who
//! has it; without that word they would go to the old node again and again until the view changes.
//!
//! **Invariant.** A hint stands beside the route that it corrects, and is void for good once the view changes: after a join and a leave the table names the old node again, and
//! the one that the hint names is gone. It is never proof: whoever gets a request looks the slot up himself. Bounded by the number of slots.

use crate::cluster::View;
use crate::cluster::view::MemberIndex;
use std::collections::BTreeMap;
use torc_protocol::slot::Slot;

/// See the module's description.
#[derive(Debug, Default)]
pub(super) struct Hints {
    /// The version of the view that they correct.
    view: u64,
    by_slot: BTreeMap<u16, (MemberIndex, MemberIndex)>,
}

impl Hints {
    /// Whom to send a request for `slot` that goes to `routed` by the table.
    pub fn resolve(&self, view: &View, slot: Slot, routed: MemberIndex) -> MemberIndex {
        match self.by_slot.get(&(slot.index() as u16)) {
            Some(&(instead_of, owner)) if instead_of == routed && self.view == view.version() => {
                owner
            }
            _ => routed,
        }
    }

    /// `slot`, which goes to `routed` by the table, is served by `owner`.
    pub fn learn(&mut self, view: &View, slot: Slot, routed: MemberIndex, owner: MemberIndex) {
        if self.view != view.version() {
            self.view = view.version();
            self.by_slot.clear();
        }
        self.by_slot.insert(slot.index() as u16, (routed, owner));
    }

    /// What was known of `slot` is not so any more.
    pub fn forget(&mut self, slot: Slot) {
        self.by_slot.remove(&(slot.index() as u16));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::NodeId;

    /// After a join and a leave the table named the old node again, and requests went to the one that had left.
    #[test]
    fn a_hint_is_void_for_good_once_the_view_changes() {
        let slot = Slot::new(7).expect("7 is a slot");
        let (old, new) = (MemberIndex(1), MemberIndex(2));
        let view = View::build(Vec::new(), NodeId(1), 3);
        let next = view.successor(Vec::new(), 3);
        assert_ne!(view.version(), next.version());
        let mut hints = Hints { view: view.version(), ..Hints::default() };
        assert_eq!(hints.resolve(&view, slot, old), old);
        hints.learn(&view, slot, old, new);
        assert_eq!(hints.resolve(&view, slot, old), new);
        assert_eq!(hints.resolve(&view, slot, new), new);
        assert_eq!(hints.resolve(&next, slot, old), old);
        hints.learn(&next, Slot::new(8).expect("8 is a slot"), old, new);
        assert_eq!(hints.resolve(&next, slot, old), old);
        hints.learn(&next, slot, old, new);
        hints.forget(slot);
        assert_eq!(hints.resolve(&next, slot, old), old);
    }
}
