//! What refusals taught: who serves a slot that the route table sends to another node.
//!
//! While a node joins, slots pass to it one by one, and the views of the others name it only when it has all of them. Who gave a slot away refuses its requests and names who
//! has it; without that word they would go to the old node again and again until the view changes.
//!
//! **Invariant.** A hint stands beside the route that it corrects and is void once that changes. It is never proof: whoever gets a request looks the slot up himself. Bounded by
//! the number of slots.

use crate::cluster::view::MemberIndex;
use std::collections::BTreeMap;
use torc_protocol::slot::Slot;

/// See the module's description.
#[derive(Debug, Default)]
pub(super) struct Hints(BTreeMap<u16, (MemberIndex, MemberIndex)>);

impl Hints {
    /// Whom to send a request for `slot` that goes to `routed` by the table.
    pub fn resolve(&self, slot: Slot, routed: MemberIndex) -> MemberIndex {
        match self.0.get(&(slot.index() as u16)) {
            Some(&(instead_of, owner)) if instead_of == routed => owner,
            _ => routed,
        }
    }

    /// `slot`, which goes to `routed` by the table, is served by `owner`.
    pub fn learn(&mut self, slot: Slot, routed: MemberIndex, owner: MemberIndex) {
        self.0.insert(slot.index() as u16, (routed, owner));
    }

    /// What was known of `slot` is not so any more.
    pub fn forget(&mut self, slot: Slot) {
        self.0.remove(&(slot.index() as u16));
    }
}
