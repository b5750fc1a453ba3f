//! Who serves a slot where views name another: for a while after nodes came or went views differ, and whoever goes by his own would ask in vain.
//!
//! Who took a slot over from another says so to all, and so does who serves what his own view gives to another; again every [`SAY_EVERY`] while it is so. Who hears it
//! routes there, instead of to whom his view names.
//!
//! **Invariant.** Nothing is believed for longer than [`BELIEVED_FOR`] after it was said last, so that what has become untrue is forgotten soon; a word that is lost costs a
//! hop, for whoever is asked instead passes the request on. **Does not know** who serves: the duties do.

use super::message::Baton;
use super::{Core, Output, every_slot};
use crate::cluster::NodeId;
use crate::cluster::membership::Now;
use crate::cluster::view::MemberIndex;
use std::collections::BTreeMap;
use std::time::Duration;
use torc_protocol::peer::Kind;
use torc_protocol::slot::Slot;

/// Who serves without being named by all views says so this often.
const SAY_EVERY: Duration = Duration::from_secs(2);

/// It is believed for so long: one word may be lost.
const BELIEVED_FOR: Duration = Duration::from_secs(5);

/// How long views may differ over a slot that was taken over.
const VIEWS_DIFFER_FOR: Duration = Duration::from_secs(25);

/// That `by` serves a slot instead of `named`.
#[derive(Debug)]
struct Heard {
    named: MemberIndex,
    by: NodeId,
    until: Duration,
}

/// See the module's description.
#[derive(Debug, Default)]
pub(super) struct Hearsay {
    heard: BTreeMap<Slot, Heard>,
    /// What this node took over from another, and until when it says so.
    taken: BTreeMap<Slot, Duration>,
    said: Duration,
}

impl Hearsay {
    /// Whether nobody says anything.
    pub fn is_silent(&self) -> bool {
        self.heard.is_empty()
    }

    /// Who says that it serves `slot` instead of `named`.
    pub fn instead_of(&self, named: MemberIndex, slot: Slot) -> Option<NodeId> {
        self.heard.get(&slot).filter(|heard| heard.named == named).map(|heard| heard.by)
    }

    /// `by` says that it serves `slot`, which the view gives to `named`.
    fn hear(&mut self, slot: Slot, named: MemberIndex, by: NodeId, now: Duration) {
        self.heard.insert(slot, Heard { named, by, until: now + BELIEVED_FOR });
    }

    /// Whoever is named serves `slot` himself.
    pub fn forget(&mut self, slot: Slot) {
        self.heard.remove(&slot);
    }

    /// Another served `slot` until now.
    pub fn take(&mut self, slot: Slot, now: Duration) {
        self.taken.insert(slot, now + VIEWS_DIFFER_FOR);
    }
}

impl Core {
    /// `from` says that it serves `slots`.
    pub(super) fn hear(&mut self, from: NodeId, index: MemberIndex, slots: Vec<Slot>, now: Now) {
        for slot in slots {
            // Void once the view names another.
            let Some(named) = self.duties.route(&self.view, slot) else { continue };
            if named == index {
                self.hearsay.forget(slot);
            } else {
                self.hearsay.hear(slot, named, from, now.monotonic);
            }
            self.moved.push(slot);
        }
    }

    /// Forgets what nobody says any more, or what has become of views that have changed: after a join and a leave the view names the old node again, and
    /// the one that said so is gone. Says in turn what others may not know.
    pub(super) fn renew_hearsay(&mut self, now: Now, out: &mut Vec<Output>) {
        let (duties, view) = (&self.duties, &self.view);
        self.hearsay.heard.retain(|&slot, heard| {
            now.monotonic < heard.until && duties.route(view, slot) == Some(heard.named)
        });
        self.hearsay.taken.retain(|&slot, until| now.monotonic < *until && duties.serves(slot));
        if now.monotonic < self.hearsay.said + SAY_EVERY {
            return;
        }
        self.hearsay.said = now.monotonic;
        let is_news = |slot: &Slot| {
            duties.serves(*slot)
                && (self.hearsay.taken.contains_key(slot) || view.acting(*slot) != Some(view.me()))
        };
        let news: Vec<Slot> = every_slot().filter(is_news).collect();
        self.say(&news, out);
    }

    /// Tells everyone that this node serves `slots`.
    pub(super) fn say(&self, slots: &[Slot], out: &mut Vec<Output>) {
        if slots.is_empty() {
            return;
        }
        let mut payload = Vec::new();
        Baton::Serving(slots.to_vec()).encode(&mut payload);
        let view = &self.view;
        let others = view.members().filter(|(index, it)| *index != view.me() && it.alive);
        out.extend(others.map(|(_, it)| Output::Frame {
            to: it.id,
            kind: Kind::Baton,
            slot: None,
            payload: payload.clone(),
        }));
    }
}
