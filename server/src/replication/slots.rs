//! What this node knows of each slot's chains, shared by all threads that apply effects.
//!
//! A slot's lock orders the effects that come from other nodes; local writes never take it. The vector of a slot holds other tags' entries; this node's own is the
//! store's: the last version that it gave out.

use super::chain::{Chain, Standing, StashLimits};
use super::log::SlotSet;
use super::vector::Vector;
use crate::base::version::Tag;
use crate::store::Store;
use parking_lot::{Mutex, MutexGuard};
use torc_protocol::slot::{SLOT_COUNT, Slot};

/// See the module's description.
#[derive(Debug)]
pub struct Slots {
    tag: Tag,
    limits: StashLimits,
    chains: Box<[Mutex<Chain>]>,
    /// Slots that have to be pulled; what the control thread has not taken yet.
    dirty: Mutex<SlotSet>,
}

impl Slots {
    /// Slots of which nothing is known; `tag` is this node's own.
    pub fn new(tag: Tag) -> Self {
        Slots::with_limits(tag, StashLimits::default())
    }

    /// As [`Slots::new`], each slot stashing within `limits`.
    pub fn with_limits(tag: Tag, limits: StashLimits) -> Self {
        Slots {
            tag,
            limits,
            chains: (0..SLOT_COUNT).map(|_| Mutex::new(Chain::new())).collect(),
            dirty: Mutex::new(SlotSet::new()),
        }
    }

    /// What each slot may stash.
    pub fn limits(&self) -> &StashLimits {
        &self.limits
    }

    /// This incarnation's tag.
    pub fn tag(&self) -> Tag {
        self.tag
    }

    /// The slot's chains, locked. Held for the time of an effect or of a chunk of a sync.
    pub fn lock(&self, slot: Slot) -> MutexGuard<'_, Chain> {
        self.chains[slot.index()].lock()
    }

    /// All that this node has seen of a slot: what was applied, and its own writes up to the last, which may be under way for a grace period yet.
    pub fn vector(&self, store: &Store, slot: Slot) -> Vector {
        self.with_own(store, slot, self.lock(slot).vector().clone())
    }

    /// As [`Slots::vector`], with what a sync carries.
    pub fn standing(&self, store: &Store, slot: Slot) -> Standing {
        let mut standing = self.lock(slot).standing();
        standing.vector = self.with_own(store, slot, standing.vector);
        standing
    }

    /// `vector` and this node's own entry.
    pub fn with_own(&self, store: &Store, slot: Slot, mut vector: Vector) -> Vector {
        vector.raise(store.last_version(slot));
        vector
    }

    /// Notes that effects of `slot` were lost.
    pub fn mark_dirty(&self, slot: Slot) {
        self.dirty.lock().insert(slot);
    }

    /// The slots that have to be pulled, once.
    pub fn take_dirty(&self) -> SlotSet {
        let mut dirty = self.dirty.lock();
        if dirty.is_empty() { SlotSet::new() } else { std::mem::take(&mut *dirty) }
    }
}
