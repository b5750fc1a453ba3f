//! What this node has to do with each slot, and the steps by which a slot's service passes from node to node.
//!
//! **Invariant: who holds a slot's baton serves it.** A node that is to serve asks all who may serve for the baton. Whoever serves stops, lets the batches that run end, tells its
//! last versions, and forwards from then on; the others say that they do not serve. Only those who are dead or out of reach are not waited for.
//!
//! The same steps serve a crash, a join, a leave, a return after a partition and a restart; they differ in who claims, and that is the view's to say.
//!
//! ```text
//! wanted    what the view wants of this node
//! machine   one slot: its states, and the step from what is to what is wanted
//! claim     what was heard from those who might serve
//! ```
//!
//! Nothing here sends or reads: every step comes out as an [`Action`].

mod claim;
mod machine;
#[cfg(test)]
mod tests;
pub mod wanted;

pub use machine::Word;

use super::reach::Reach;
use crate::cluster::View;
use crate::cluster::view::MemberIndex;
use machine::{Asker, Duty, Scene};
use std::time::Duration;
use torc_protocol::slot::{SLOT_COUNT, Slot};

/// A step towards the wanted state of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Pull what `from` knows of the slot.
    Pull {
        /// The slot.
        slot: Slot,
        /// Whom to ask.
        from: MemberIndex,
    },
    /// Ask `from`, who may serve the slot, to stop and to grant it.
    AskBaton {
        /// The slot.
        slot: Slot,
        /// Who may serve.
        from: MemberIndex,
        /// Of the claim.
        stamp: u64,
    },
    /// Stop serving; report with [`Duties::stopped`] when no batch that began before runs any more.
    Stop {
        /// The slot.
        slot: Slot,
    },
    /// Begin to serve.
    Serve {
        /// The slot.
        slot: Slot,
        /// Whether somebody else served it until now.
        taken: bool,
    },
    /// The copy here is whole.
    Synced {
        /// The slot.
        slot: Slot,
    },
    /// Tell `to` that this node served and does not any more, and the versions that it must know first.
    Grant {
        /// The slot.
        slot: Slot,
        /// Who serves next.
        to: MemberIndex,
        /// Of his claim.
        stamp: u64,
    },
    /// Tell `to` that this node does not serve, what it knows, and who else may serve.
    Yield {
        /// The slot.
        slot: Slot,
        /// Who claims.
        to: MemberIndex,
        /// His claim.
        stamp: u64,
        /// Who got this node's word before, and who serves by its view.
        others: [Option<MemberIndex>; 2],
    },
}

/// The duties of this node for all slots.
#[derive(Debug)]
pub struct Duties {
    duties: Box<[Duty]>,
    /// The highest stamp that was seen or given.
    stamp: u64,
    /// This node is to serve nothing that anybody else keeps.
    barred: bool,
    /// Slots that are not as they should be.
    unsettled: usize,
    /// Whether anything happened to a slot since all were looked at last.
    touched: bool,
}

/// What duties are looked at by.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// Who is there.
    pub view: &'a View,
    /// And can be reached.
    pub reach: &'a Reach,
    /// Monotonic.
    pub now: Duration,
}

impl Duties {
    /// Nothing held, nothing served. Stamps of this run must be higher than those of the one before: `first` is the time in milliseconds.
    pub fn new(first: u64) -> Self {
        Duties {
            duties: vec![Duty::NEW; SLOT_COUNT].into(),
            stamp: first,
            barred: false,
            unsettled: 0,
            touched: true,
        }
    }

    /// Whether this node serves `slot`.
    pub fn serves(&self, slot: Slot) -> bool {
        self.duties[slot.index()].serves()
    }

    /// To whom this node gave the baton of `slot`, or its word, last.
    pub fn given(&self, slot: Slot) -> Option<MemberIndex> {
        self.duties[slot.index()].given()
    }

    /// Whether the copy of `slot` here is sound.
    pub fn is_synced(&self, slot: Slot) -> bool {
        self.duties[slot.index()].is_sound()
    }

    /// To whom requests for `slot` go from here; `None` while it is this node that is to serve and does not yet, or nobody can.
    pub fn route(&self, view: &View, slot: Slot) -> Option<MemberIndex> {
        self.duties[slot.index()].route(view, slot)
    }

    /// Whether `slot` is on its way here, so that clients may wait for it.
    pub fn is_claiming(&self, slot: Slot) -> bool {
        self.duties[slot.index()].is_claiming()
    }

    /// Whether every slot that this node is to keep is synced, and every slot that it claims is served: it may call itself ready.
    pub fn is_settled(&self) -> bool {
        self.unsettled == 0
    }

    /// Whether looking at all slots again, by the view by which they were looked at last, would change nothing.
    pub fn is_at_rest(&self) -> bool {
        self.is_settled() && !self.touched
    }

    /// How a slot stands, for whoever looks for a mistake.
    pub fn describe(&self, slot: Slot) -> String {
        format!("{:?}", self.duties[slot.index()])
    }

    /// Slots that are still to be pulled or acquired.
    pub fn unsettled(&self) -> usize {
        self.unsettled
    }

    fn at<'a>(&mut self, around: Around<'a>, slot: Slot) -> (&mut Duty, Scene<'a>) {
        let Around { view, reach, now } = around;
        self.touched = true;
        let scene = Scene { view, reach, now, slot, stamp: self.stamp, barred: self.barred };
        (&mut self.duties[slot.index()], scene)
    }

    /// Compares what is with what the view wants, and takes the next steps. To be called with every new view, and every few milliseconds unless
    /// [all is at rest](Duties::is_at_rest).
    pub fn review(&mut self, around: Around<'_>, actions: &mut Vec<Action>) {
        self.stamp += 1;
        self.unsettled = 0;
        for slot in every_slot() {
            let (duty, scene) = self.at(around, slot);
            if !duty.review(scene, actions) {
                self.unsettled += 1;
            }
        }
        self.touched = false;
    }

    /// Stops serving what another is to serve in the end, for him.
    pub fn offer(&mut self, around: Around<'_>, actions: &mut Vec<Action>) {
        for slot in every_slot() {
            if let Some(node) = wanted::heir(around.view, slot)
                && node != around.view.me()
                && self.serves(slot)
            {
                self.at(around, slot).0.stop_for(Asker { node, stamp: 0 }, slot, actions);
            }
        }
    }

    /// An answer to [`Action::Pull`] is complete: everything that `from` knew is here.
    pub fn pulled(
        &mut self,
        slot: Slot,
        from: MemberIndex,
        around: Around<'_>,
        actions: &mut Vec<Action>,
    ) {
        let (duty, scene) = self.at(around, slot);
        duty.pulled(from, scene, actions);
    }

    /// There will be no answer to [`Action::Pull`].
    pub fn failed(
        &mut self,
        slot: Slot,
        from: MemberIndex,
        around: Around<'_>,
        actions: &mut Vec<Action>,
    ) {
        let (duty, scene) = self.at(around, slot);
        duty.failed(from, scene, actions);
    }

    /// `from` answers [`Action::AskBaton`]. What a word said of what is not known here may be told again once it is.
    pub fn answered(
        &mut self,
        slot: Slot,
        from: MemberIndex,
        word: Word,
        around: Around<'_>,
        actions: &mut Vec<Action>,
    ) {
        let (duty, scene) = self.at(around, slot);
        duty.answered(from, word, scene, actions);
    }

    /// `by` asks for the baton of `slot`.
    pub fn asked(
        &mut self,
        slot: Slot,
        by: (MemberIndex, u64),
        around: Around<'_>,
        actions: &mut Vec<Action>,
    ) {
        let (node, stamp) = by;
        self.stamp = self.stamp.max(stamp);
        let (duty, scene) = self.at(around, slot);
        duty.asked(Asker { node, stamp }, scene, actions);
    }

    /// No batch runs any more that began while `slot` was served here.
    pub fn stopped(&mut self, slot: Slot, around: Around<'_>, actions: &mut Vec<Action>) {
        let (duty, scene) = self.at(around, slot);
        duty.stopped(scene, actions);
    }

    /// The link to `node` is new.
    pub fn linked(&mut self, node: MemberIndex, actions: &mut Vec<Action>) {
        for slot in every_slot() {
            self.duties[slot.index()].linked(node, slot, actions);
        }
    }

    /// A slot whose keys this node holds and does not keep any more, now that everyone who keeps it has it.
    pub fn surplus(&mut self, view: &View) -> Option<Slot> {
        if view.transition().is_some() {
            return None;
        }
        let ready = |index: &MemberIndex| {
            view.member(*index).is_some_and(|member| member.alive && member.ready)
        };
        let slot = every_slot().find(|&slot| {
            let is_surplus = self.duties[slot.index()].is_surplus();
            is_surplus && !view.is_mine(slot) && view.list(slot).iter().all(ready)
        })?;
        self.duties[slot.index()].dropped();
        Some(slot)
    }

    /// From now on this node is to serve nothing that anybody else keeps, or may again.
    pub fn bar(&mut self, barred: bool) {
        self.barred = barred;
        self.touched = true;
    }

    /// The copy of `slot` is behind and cannot catch up by effects alone.
    pub fn lost_track(&mut self, slot: Slot) {
        self.duties[slot.index()].lost_track();
        self.touched = true;
    }

    /// Others had given this node up, so that it may not go by what it knows: everything is to be pulled again. Slots that it serves it goes on serving until
    /// the baton is asked for.
    pub fn distrust(&mut self) {
        self.duties.iter_mut().for_each(Duty::lost_track);
        self.touched = true;
    }
}

fn every_slot() -> impl Iterator<Item = Slot> {
    (0..SLOT_COUNT as u16).filter_map(Slot::new)
}
