//! What a node that leaves makes sure of before it goes: that those who serve after it know all that it knew when it served its last slot.
//!
//! Its last effects may still be on their way, and so may the word that hands a slot over; once it is gone there is nobody to be asked for either. So it asks those to
//! whom it gave its slots what they know, as in any pull, until they know enough, and gives its word once more to who does not for a while: it may have been lost.
//!
//! Nothing here bounds how long that takes: who told the node to leave does.

use super::duty::Action;
use super::message::Pulled;
use super::{Core, Output, every_slot};
use crate::cluster::membership::Now;
use crate::cluster::view::MemberIndex;
use crate::cluster::{NodeId, View};
use crate::replication::vector::Vector;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use torc_protocol::peer::Malformed;
use torc_protocol::slot::Slot;

/// Who does not know enough is asked again after so long.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// And is given the word again after so long.
const GRANT_AGAIN: Duration = Duration::from_millis(500);

/// See the module's description.
#[derive(Debug, Default)]
pub(super) struct Farewell {
    /// Of the slots that others may not know enough of yet: what they are to know. `None` until this node serves nothing any more.
    owed: Option<BTreeMap<Slot, Vector>>,
    ask_at: Duration,
    grant_at: Duration,
}

impl Core {
    /// It serves something, whatever was there before.
    pub(super) fn stay(&mut self) {
        self.farewell = Farewell::default();
    }

    /// Whether those who keep the slots that this node served know what it knows, as far as anybody else is there to. To be called now and then while it leaves and serves
    /// nothing any more.
    pub(super) fn is_known_elsewhere(&mut self, now: Now, out: &mut Vec<Output>) -> bool {
        let view = Arc::clone(&self.view);
        let Core { farewell, duties, slots, instance, .. } = self;
        let Farewell { owed, ask_at, grant_at } = farewell;
        let owed = owed.get_or_insert_with(|| {
            *grant_at = now.monotonic + GRANT_AGAIN;
            let served = every_slot().filter(|&slot| duties.given(slot).is_some());
            served.map(|slot| (slot, slots.vector(&instance.store, slot))).collect()
        });
        let heir = |slot: Slot| heir(&view, slot, duties.given(slot));
        owed.retain(|&slot, known| !known.is_empty() && heir(slot).is_some());
        if owed.is_empty() || now.monotonic < *ask_at {
            return owed.is_empty();
        }
        *ask_at = now.monotonic + ASK_AGAIN;
        let heirs: Vec<(Slot, MemberIndex, NodeId)> = owed
            .keys()
            .filter_map(|&slot| heir(slot).map(|(index, node)| (slot, index, node)))
            .collect();
        for &(slot, _, node) in &heirs {
            self.puller.want(slot, node, true);
        }
        if now.monotonic >= *grant_at {
            *grant_at = now.monotonic + GRANT_AGAIN;
            self.step(now, out, |_, _, actions| {
                // Nobody has asked, so no claim is answered.
                let grant = |(slot, to, _)| Action::Grant { slot, to, stamp: 0 };
                actions.extend(heirs.into_iter().map(grant));
            });
        }
        false
    }

    /// The head of an answer to a pull says what its sender knows of `slot`.
    pub(super) fn hear_known(&mut self, slot: Slot, payload: &[u8]) -> Result<(), Malformed> {
        if let Some(owed) = &mut self.farewell.owed
            && let Some(wanted) = owed.get(&slot)
            && Pulled::decode(payload)?.vector.covers_all(wanted)
        {
            owed.remove(&slot);
        }
        Ok(())
    }
}

/// Who is to know of `slot`: whom it was given to, if he keeps it, or else the first who does.
fn heir(view: &View, slot: Slot, given: Option<MemberIndex>) -> Option<(MemberIndex, NodeId)> {
    let given = given.filter(|&to| view.effect_targets(slot).any(|target| target == to));
    let index = given.or_else(|| view.effect_targets(slot).next())?;
    Some((index, view.member(index)?.id))
}
