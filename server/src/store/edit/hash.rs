//! Edits of hashes.

use super::{Edit, Known, text};
use crate::store::chain::Step;
use crate::store::change::ElementChange;
use crate::types::collection::{Hash, HashView, Stamp};

impl Edit<'_, Hash> {
    /// To read it.
    pub fn view(&self) -> HashView<'_> {
        self.value.view()
    }

    /// Sets a field; whether it is new.
    pub fn set(&mut self, field: &[u8], value: &[u8]) -> bool {
        let stamp = self.stamp();
        if self.is_told() {
            self.replace(field);
            self.tell(&ElementChange::Put { id: field, value: text(value) });
        }
        self.value.insert(field, value, stamp, self.limits).is_none()
    }

    /// Adds `by` to the number in a field, which comes to `sum`.
    pub fn add(&mut self, field: &[u8], sum: i64, by: i64) {
        let known = self.value.view().field(field);
        let known = known.map(|known| Known::of(known.stamp, known.value));
        let Some(mixed) = self.count(known.as_ref(), Step::Integer(by)) else {
            self.set(field, itoa::Buffer::new().format(sum).as_bytes());
            return;
        };
        self.tell_count(field, known, &mixed);
        let stamp = Stamp { dot: self.stamp().dot, siblings: &mixed.siblings };
        self.value.insert(field, &mixed.shown, stamp, self.limits);
    }

    /// Removes a field; whether it was there.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        if !self.value.view().contains(field) {
            return false;
        }
        self.stamp();
        if self.is_told() {
            self.replace(field);
            self.tell(&ElementChange::Remove { id: field });
        }
        self.value.remove(field).is_some()
    }

    /// Notes what a change of `field` takes the place of.
    fn replace(&mut self, field: &[u8]) {
        if let Some(known) = self.value.view().field(field) {
            self.told.replace(known.stamp);
        }
    }
}
