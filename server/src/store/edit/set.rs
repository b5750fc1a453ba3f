//! Edits of sets.

use super::{Edit, NOTHING};
use crate::store::change::ElementChange;
use crate::types::collection::{Set, SetView};

impl Edit<'_, Set> {
    /// To read it.
    pub fn view(&self) -> SetView<'_> {
        self.value.view()
    }

    /// Adds a member; whether it is new.
    pub fn add(&mut self, member: &[u8]) -> bool {
        if self.value.view().contains(member) {
            return false;
        }
        let stamp = self.stamp();
        if self.is_told() {
            self.tell(&ElementChange::Put { id: member, value: NOTHING });
        }
        self.value.insert(member, stamp, self.limits).is_none()
    }

    /// Removes a member; whether it was there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        let Some(known) = self.value.view().member(member) else { return false };
        if self.chains.is_some() {
            self.told.replace(known.stamp);
            self.tell(&ElementChange::Remove { id: member });
        }
        self.stamp();
        self.value.remove(member).is_some()
    }
}
