//! What is done now and then: copies that are not kept any more go, and effects that wait in vain are given up.

use super::{Core, every_slot};
use crate::base::limits::DATABASE_COUNT;
use crate::cluster::membership::Now;
use std::time::Duration;

/// Chains are looked through for effects that waited in vain this often.
pub(super) const GIVE_UP: Duration = Duration::from_millis(250);
/// Copies that are not to be kept any more are removed once nodes and layout have stayed the same for so long.
pub(super) const WIPE_AFTER: Duration = Duration::from_secs(10);
/// Where there was none, they are looked for again after so long: it takes a look at every slot.
const WIPE_AGAIN: Duration = Duration::from_secs(1);
/// Keys removed at once for that reason, about.
const WIPE_KEYS: usize = 4_096;
/// Databases of slots looked at in one step of it.
const WIPE_STEPS: usize = 256;

impl Core {
    /// Removes copies that this node does not keep any more, a few thousand keys at a time.
    pub(super) fn wipe(&mut self, now: Now) {
        for _ in 0..WIPE_STEPS {
            if self.wiping.is_none() && now.monotonic >= self.wipe_at {
                self.wiping = self.duties.surplus(&self.view).map(|slot| {
                    self.slots.wipe(slot);
                    (slot, 0, 0)
                });
                if self.wiping.is_none() {
                    self.wipe_at = now.monotonic + WIPE_AGAIN;
                }
            }
            let Some((slot, db, position)) = self.wiping else { return };
            let guard = self.local.pin();
            let store = &self.instance.store;
            let mut keyspace = store.keyspace(&mut self.local, &guard, db, now.unix_ms);
            self.wiping = match keyspace.forget_slot(slot, position, WIPE_KEYS) {
                // So many keys are enough for once.
                Some(position) => return self.wiping = Some((slot, db, position)),
                None if usize::from(db) + 1 < DATABASE_COUNT => Some((slot, db + 1, 0)),
                None => None,
            };
        }
    }

    /// Finds effects that wait for others which were lost: their slots have to be pulled.
    pub(super) fn give_up(&mut self, now: Now) {
        if now.monotonic < self.give_up_at {
            return;
        }
        self.give_up_at = now.monotonic + GIVE_UP;
        for slot in every_slot() {
            if self.slots.give_up(slot, now.unix_ms) {
                self.slots.mark_dirty(slot);
            }
        }
    }
}
