//! What this node knows of each slot's chains, shared by all threads that apply effects.
//!
//! A slot's lock orders the effects that come from other nodes; local writes never take it. The vector of a slot holds other tags' entries; this node's own is the
//! store's: the last version that it gave out.

use super::chain::{Chain, Standing};
use super::log::SlotSet;
use super::stash::{Room, StashLimits};
use super::vector::Vector;
use crate::base::clock::UnixMs;
use crate::base::version::{Tag, Version};
use crate::cluster::view::{MEMBER_COUNT_MAX, MemberIndex};
use crate::store::Store;
use parking_lot::{Mutex, MutexGuard};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use torc_protocol::slot::{SLOT_COUNT, Slot};

/// See the module's description.
#[derive(Debug)]
pub struct Slots {
    tag: Tag,
    limits: StashLimits,
    /// What the chains may stash together.
    room: Arc<Room>,
    chains: Box<[Mutex<Chain>]>,
    /// Slots whose effects may wait for others. Set and cleared with the slot's lock held.
    waiting: Box<[AtomicBool]>,
    /// Slots whose copy was given up: what this node once wrote to them is not known here any more either.
    wiped: Box<[AtomicBool]>,
    /// Of each peer, by the number that views give it: up to which of this node's versions it has applied each slot.
    acked: Box<[OnceLock<Box<[AtomicU64]>>]>,
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
        let room = Arc::new(Room::default());
        Slots {
            tag,
            limits,
            chains: (0..SLOT_COUNT).map(|_| Mutex::new(Chain::within(&room))).collect(),
            room,
            waiting: flags(),
            wiped: flags(),
            acked: (0..MEMBER_COUNT_MAX).map(|_| OnceLock::new()).collect(),
            dirty: Mutex::new(SlotSet::new()),
        }
    }

    /// Notes that `peer` has applied everything that this node wrote to `slot` up to `version`.
    pub fn note_ack(&self, peer: MemberIndex, slot: Slot, version: Version) {
        let versions = self.acked[usize::from(peer.0)]
            .get_or_init(|| (0..SLOT_COUNT).map(|_| AtomicU64::new(0)).collect());
        // Relaxed: a number that only rises, and stands for itself.
        versions[slot.index()].fetch_max(version.get(), Ordering::Relaxed);
    }

    /// What [`Slots::note_ack`] noted.
    pub fn acked(&self, peer: MemberIndex, slot: Slot) -> Version {
        // Relaxed: as above.
        let versions = self.acked[usize::from(peer.0)].get();
        Version::from_bits(versions.map_or(0, |it| it[slot.index()].load(Ordering::Relaxed)))
    }

    /// Whoever had the place of `peer` is gone, or has started anew with nothing.
    pub fn forget_acks(&self, peer: MemberIndex) {
        if let Some(versions) = self.acked[usize::from(peer.0)].get() {
            // Relaxed: as above.
            versions.iter().for_each(|version| version.store(0, Ordering::Relaxed));
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
        vector.raise(self.own(store, slot));
        vector
    }

    /// This node's last write to `slot`; zero if its copy is gone.
    pub fn own(&self, store: &Store, slot: Slot) -> Version {
        // Acquire: pairs with the Release in `wipe` and `restored`, so that keys and vector belong together.
        match self.wiped[slot.index()].load(Ordering::Acquire) {
            true => Version::ZERO,
            false => store.last_version(slot),
        }
    }

    /// Forgets all that was known of `slot`, before its keys are removed: this node does not keep it any more. Absent keys would count as removed
    /// ones otherwise, should it ever keep the slot again.
    pub fn wipe(&self, slot: Slot) {
        let mut chain = self.lock(slot);
        *chain = Chain::within(&self.room);
        self.wiped[slot.index()].store(true, Ordering::Release);
    }

    /// The copy of `slot` is whole again, and with it what this node once wrote to it.
    pub fn restored(&self, slot: Slot) {
        // Relaxed load: a hint that saves the write.
        if self.wiped[slot.index()].load(Ordering::Relaxed) {
            self.wiped[slot.index()].store(false, Ordering::Release);
        }
    }

    /// Notes that an effect of `slot`, whose lock is held, waits for others.
    pub fn mark_waiting(&self, slot: Slot) {
        // Relaxed: a hint, which `give_up` reads again and again.
        self.waiting[slot.index()].store(true, Ordering::Relaxed);
    }

    /// A sync of `slot` was asked for, or goes on; see [`Chain::expect`].
    pub fn expect(&self, slot: Slot, until: UnixMs) {
        self.lock(slot).expect(until);
    }

    /// The sync is over; see [`Chain::expect_no_more`].
    pub fn expect_no_more(&self, slot: Slot, now: UnixMs) {
        self.lock(slot).expect_no_more(now);
    }

    /// Has `slot` drop what has waited for too long, as [`Chain::give_up`]. Costs nothing where nothing waits.
    pub fn give_up(&self, slot: Slot, now: UnixMs) -> bool {
        let waiting = &self.waiting[slot.index()];
        // Relaxed, here and below: as above.
        if !waiting.load(Ordering::Relaxed) {
            return false;
        }
        let mut chain = self.lock(slot);
        let is_late = chain.give_up(now, &self.limits);
        waiting.store(chain.stashed().0 > 0, Ordering::Relaxed);
        is_late
    }

    /// Notes that effects of `slot` were lost.
    pub fn mark_dirty(&self, slot: Slot) {
        self.dirty.lock().insert(slot);
    }

    /// Whether slots have to be pulled.
    pub fn has_dirty(&self) -> bool {
        !self.dirty.lock().is_empty()
    }

    /// The slots that have to be pulled, once.
    pub fn take_dirty(&self) -> SlotSet {
        let mut dirty = self.dirty.lock();
        if dirty.is_empty() { SlotSet::new() } else { std::mem::take(&mut *dirty) }
    }
}

/// One for each slot.
fn flags() -> Box<[AtomicBool]> {
    (0..SLOT_COUNT).map(|_| AtomicBool::new(false)).collect()
}
