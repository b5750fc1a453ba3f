//! Who leaves takes nothing along: what it knew of a slot, somebody who stays knows by the time it says that it has left.
//!
//! Only where nodes come and go and nothing else happens to them: who was told may die.

use crate::plan::Trouble;
use crate::world::World;
use torc_protocol::slot::{SLOT_COUNT, Slot};
use torc_server::replication::vector::Vector;

impl World {
    /// To be called when node `number` has left, and still runs.
    pub fn look_at_leaver(&mut self, number: usize) {
        if self.setup.trouble != Trouble::Moves {
            return;
        }
        let known = |number: usize, slot: Slot| -> Option<Vector> {
            let node = self.seats[number].node.as_ref()?;
            Some(node.slots.vector(&node.instance.store, slot))
        };
        let others = || (0..self.seats.len()).filter(|&other| other != number);
        let is_lost = |slot: &Slot| {
            let Some(last) = known(number, *slot) else { return false };
            let mut vectors = others().filter_map(|other| known(other, *slot));
            !vectors.any(|it| it.covers_all(&last))
        };
        let slots = (0..SLOT_COUNT as u16).filter_map(Slot::new);
        let lost: Vec<usize> = slots.filter(is_lost).map(Slot::index).collect();
        if !lost.is_empty() {
            self.wrong(format!("left: nobody knows all that {number} knew of slots {lost:?}"));
        }
    }
}
