//! Edits of lists.

use super::{Edit, text};
use crate::base::version::Version;
use crate::store::change::ElementChange;
use crate::types::collection::{Element, List, ListView, Position};

/// A position as elements are named by it between nodes: in the order of its bytes.
pub fn position_bytes(position: Position) -> [u8; 16] {
    let mut bytes = [0; 16];
    // The sign's bit turned over, negative numbers come first.
    let whole = (position.whole() as u64) ^ (1 << 63);
    bytes[..8].copy_from_slice(&whole.to_be_bytes());
    bytes[8..].copy_from_slice(&position.fraction().to_be_bytes());
    bytes
}

/// The position that [`position_bytes`] wrote.
pub fn position_of(bytes: &[u8]) -> Option<Position> {
    let (whole, fraction) = bytes.split_first_chunk::<8>()?;
    let whole = (u64::from_be_bytes(*whole) ^ (1 << 63)) as i64;
    Some(Position::new(whole, u64::from_be_bytes(fraction.try_into().ok()?)))
}

/// The name of an element of a list between nodes.
pub fn element_id(position: Position, dot: Version) -> [u8; 24] {
    let mut bytes = [0; 24];
    bytes[..16].copy_from_slice(&position_bytes(position));
    bytes[16..].copy_from_slice(&dot.get().to_be_bytes());
    bytes
}

impl Edit<'_, List> {
    /// To read it.
    pub fn view(&self) -> ListView<'_> {
        self.value.view()
    }

    /// Adds an element at the front.
    pub fn push_front(&mut self, value: &[u8]) {
        self.insert(0, value, false);
    }

    /// Adds an element at the end.
    pub fn push_back(&mut self, value: &[u8]) {
        self.insert(self.value.view().len(), value, false);
    }

    /// Adds an element so that its index is `index`. `before` says that the client named the element that was there.
    pub fn insert(&mut self, index: u64, value: &[u8], before: bool) {
        let stamp = self.stamp();
        if self.value.insert(index, value, before, stamp, self.limits).is_err() {
            self.respread();
            let stamp = self.stamp();
            // There is room between all of them now.
            let _ = self.value.insert(index, value, before, stamp, self.limits);
        }
        self.tell_put(index);
    }

    /// Replaces the element at `index`; whether there is one.
    pub fn set(&mut self, index: u64, value: &[u8]) -> bool {
        let stamp = self.stamp();
        self.value_number();
        if index >= self.value.view().len() {
            return false;
        }
        self.tell_removed(index, index + 1);
        if self.value.set(index, value, stamp, self.limits).is_err() {
            self.respread();
            let stamp = self.stamp();
            // As above.
            let _ = self.value.set(index, value, stamp, self.limits);
        }
        self.tell_put(index);
        self.value.shrink(self.limits);
        true
    }

    /// Removes the elements from index `from` up to but not with `to`.
    pub fn remove(&mut self, from: u64, to: u64) {
        let to = to.min(self.value.view().len());
        if from >= to {
            return;
        }
        self.stamp();
        self.value_number();
        self.tell_removed(from, to);
        drop(self.value.remove(from, to));
        self.value.shrink(self.limits);
    }

    /// Gives elements positions for good before anything goes that other nodes may know by them.
    fn value_number(&mut self) {
        if self.is_told() {
            self.value.number();
        }
    }

    /// Writes the whole list anew, so that there is room between all elements.
    fn respread(&mut self) {
        let len = self.value.view().len();
        self.tell_removed(0, len);
        let stamp = self.stamp();
        drop(self.value.respread(stamp, self.limits));
        (0..len).for_each(|index| self.tell_put(index));
    }

    fn tell_put(&mut self, index: u64) {
        if !self.is_told() {
            return;
        }
        let Some(Element { value, position, .. }) = self.value.view().at(index) else { return };
        let id = position_bytes(position);
        let mut buffer = itoa::Buffer::new();
        let change = ElementChange::Put { id: &id, value: text(value.text(&mut buffer)) };
        crate::store::change::put_change(&mut self.told.changes, &change);
    }

    fn tell_removed(&mut self, from: u64, to: u64) {
        if !self.is_told() {
            return;
        }
        for element in self.value.view().range(from, to, false) {
            self.told.replace(element.stamp);
            let id = element_id(element.position, element.stamp.dot);
            crate::store::change::put_change(
                &mut self.told.changes,
                &ElementChange::Remove { id: &id },
            );
        }
    }
}
