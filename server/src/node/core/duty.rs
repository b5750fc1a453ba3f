//! What this node has to do with each slot, and the steps by which a slot's service passes from node to node.
//!
//! **Invariant: who holds a slot's baton serves it.** A node that is to serve first pulls what the others on the slot's lists know, then asks whoever serves
//! for the baton; that one stops, lets the batches that run end, tells its last versions, and forwards from then on. Only when nobody serves any more (the
//! holder is dead) does the claimant begin without a baton, after at most [`FENCE_MS`] of collecting what the reachable nodes know.
//!
//! ```text
//!             claim                     all sources answered, nobody serves
//!   Idle ──────────────▶ Acquiring ───────────────────────────────────────▶ Serving
//!    ▲                     │    ▲ pull to the granted versions                │
//!    │                     ▼    │                                             │ baton asked for, or offered
//!    │                   asked for the baton                                  ▼
//!    └───────────────── Granted(to) ◀──────────── grace passed ───────── Stopping(to)
//! ```
//!
//! The same steps serve a crash, a join, a leave, a return after a partition and a restart; they differ in who claims, and that is the view's to say:
//! see [`heir`] and [`acting`]. Nothing here sends or reads: every step comes out as an [`Action`].

use crate::base::clock::UnixMs;
use crate::cluster::member::MemberState;
use crate::cluster::view::MemberIndex;
use crate::cluster::{NodeId, View};
use std::collections::BTreeMap;
use torc_protocol::slot::{SLOT_COUNT, Slot};

/// A claimant waits so long for nodes that do not answer, if none of them is known to serve.
pub const FENCE_MS: u64 = 200;

/// An acquisition in which somebody who serves does not answer begins again after so long.
const ACQUIRE_RETRY_MS: u64 = 3_000;

/// A copy that could not be pulled is tried again after so long.
const COPY_RETRY_MS: u64 = 3_000;

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
    /// Ask `from`, who serves the slot, to stop and to grant it.
    AskBaton {
        /// The slot.
        slot: Slot,
        /// Who serves.
        from: MemberIndex,
    },
    /// Stop serving; report with [`Duties::stopped`] when no batch that began before runs any more.
    Stop {
        /// The slot.
        slot: Slot,
        /// Who serves next.
        to: MemberIndex,
    },
    /// Begin to serve.
    Serve {
        /// The slot.
        slot: Slot,
    },
    /// The copy here is whole.
    Synced {
        /// The slot.
        slot: Slot,
    },
    /// Tell `to` that it may serve, and the versions that it must know first.
    Grant {
        /// The slot.
        slot: Slot,
        /// Who serves next.
        to: MemberIndex,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    /// See `Duties::acquiring`.
    Acquiring,
    Serving,
    Stopping(MemberIndex),
    Granted(MemberIndex),
}

/// What an answer to a pull said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulled {
    /// All of it is here now; whether the other node serves the slot.
    Whole {
        /// Whether the other node serves the slot.
        serves: bool,
    },
    /// The other node cannot be asked, or has nothing sound to say.
    Failed,
}

#[derive(Debug, Clone, Copy)]
struct Duty {
    phase: Phase,
    /// The copy here is as good as some ready node's was.
    synced: bool,
    /// There may be keys of it here.
    held: bool,
    /// A copy is being pulled, or was refused, since then.
    copying: Option<(MemberIndex, UnixMs)>,
    /// To whom this node gave the baton last: he may serve, though views that differ for a moment do not name him.
    given: Option<MemberIndex>,
}

/// A slot on its way here.
#[derive(Debug, Clone)]
struct Acquisition {
    began: UnixMs,
    /// Who has not answered.
    pending: Vec<MemberIndex>,
    /// Who serves, and has not granted.
    servers: Vec<MemberIndex>,
    /// Who wants to serve next.
    asker: Option<MemberIndex>,
}

/// The duties of this node for all slots.
#[derive(Debug)]
pub struct Duties {
    duties: Box<[Duty]>,
    acquiring: BTreeMap<u16, Acquisition>,
    /// Slots to look at by [`Duties::review`] though the view did not change.
    unsettled: usize,
}

/// Who is to serve `slot` in the end: the first that is alive on the list to come, or on the list in force where none is to come. He may not be ready yet.
pub fn heir(view: &View, slot: Slot) -> Option<MemberIndex> {
    let list = match view.transition() {
        Some(_) => view.next_list(slot),
        None => view.list(slot),
    };
    list.iter().copied().find(|&index| view.is_alive(index))
}

/// Who is to serve `slot` for now: the acting primary by the list in force, or the first alive on it where none is ready.
pub fn acting(view: &View, slot: Slot) -> Option<MemberIndex> {
    let alive = || view.list(slot).iter().copied().find(|&index| view.is_alive(index));
    view.acting(slot).or_else(alive)
}

/// Whether `index` may serve `slot` and, if nobody else does, must.
fn claims(view: &View, slot: Slot, index: MemberIndex) -> bool {
    if view.list(slot).is_empty() {
        // There is no ring yet, and whoever begins it says so first.
        return false;
    }
    heir(view, slot) == Some(index) || acting(view, slot) == Some(index)
}

impl Default for Duties {
    fn default() -> Self {
        Duties::new()
    }
}

impl Duties {
    /// Nothing held, nothing served.
    pub fn new() -> Self {
        let duty =
            Duty { phase: Phase::Idle, synced: false, held: false, copying: None, given: None };
        Duties { duties: vec![duty; SLOT_COUNT].into(), acquiring: BTreeMap::new(), unsettled: 0 }
    }

    /// Whether this node serves `slot`.
    pub fn serves(&self, slot: Slot) -> bool {
        self.duties[slot.index()].phase == Phase::Serving
    }

    /// Whether the copy of `slot` here is sound.
    pub fn is_synced(&self, slot: Slot) -> bool {
        self.duties[slot.index()].synced
    }

    /// To whom requests for `slot` go from here; `None` while it is this node that is to serve and does not yet, or nobody can.
    pub fn route(&self, view: &View, slot: Slot) -> Option<MemberIndex> {
        match self.duties[slot.index()].phase {
            Phase::Serving => Some(view.me()),
            Phase::Stopping(to) | Phase::Granted(to) if view.is_alive(to) => Some(to),
            _ => acting(view, slot).filter(|&index| index != view.me()),
        }
    }

    /// Whether `slot` is on its way here, so that clients may wait for it.
    pub fn is_acquiring(&self, slot: Slot) -> bool {
        self.acquiring.contains_key(&number(slot))
    }

    /// Whether every slot that this node is to keep is synced, and every slot that it claims is served: it may call itself ready.
    pub fn is_settled(&self) -> bool {
        self.unsettled == 0
    }

    /// How a slot stands, for whoever looks for a mistake.
    pub fn describe(&self, slot: Slot) -> String {
        format!("{:?} {:?}", self.duties[slot.index()], self.acquiring.get(&number(slot)))
    }

    /// Slots that are still to be pulled or acquired.
    pub fn unsettled(&self) -> usize {
        self.unsettled
    }

    /// Compares what is with what the view wants, and takes the next steps. To be called with every new view, and every 50 ms or so while anything is
    /// unsettled.
    pub fn review(&mut self, view: &View, now: UnixMs, actions: &mut Vec<Action>) {
        self.unsettled = 0;
        for slot in (0..SLOT_COUNT as u16).filter_map(Slot::new) {
            if !self.review_slot(view, slot, now, actions) {
                self.unsettled += 1;
            }
        }
        self.hurry(view, now, actions);
    }

    /// Returns whether the slot is as it should be.
    fn review_slot(
        &mut self,
        view: &View,
        slot: Slot,
        now: UnixMs,
        actions: &mut Vec<Action>,
    ) -> bool {
        let me = view.me();
        let claims_it = claims(view, slot, me);
        let duty = &mut self.duties[slot.index()];
        if let Phase::Granted(to) = duty.phase
            && (!view.is_alive(to) || acting(view, slot) == Some(to) || !claims(view, slot, to))
        {
            // He is the one whom everybody asks now, or one who cannot serve after all.
            duty.phase = Phase::Idle;
        }
        match duty.phase {
            Phase::Serving if claims_it => {
                if !duty.synced {
                    copy(duty, view, slot, now, actions);
                }
                duty.synced
            }
            Phase::Serving => {
                // The view has gone over this node's head, as after a partition. Who should serve gets what was written here, though he be not ready: where every node
                // was given up by some other, nobody is.
                if let Some(to) = acting(view, slot) {
                    duty.phase = Phase::Stopping(to);
                    actions.push(Action::Stop { slot, to });
                }
                false
            }
            // What another serves is copied first, at leisure: what is left for the acquisition then is short, and so is the time that clients wait.
            Phase::Idle if claims_it && !duty.synced && is_served(view, slot) => {
                copy(duty, view, slot, now, actions);
                false
            }
            Phase::Idle if claims_it => {
                self.acquire(view, slot, now, actions);
                self.duties[slot.index()].phase == Phase::Serving
            }
            Phase::Acquiring if !claims_it => {
                duty.phase = Phase::Idle;
                self.acquiring.remove(&number(slot));
                false
            }
            Phase::Acquiring | Phase::Stopping(_) => false,
            Phase::Idle | Phase::Granted(_) if view.is_mine(slot) => {
                if !duty.synced {
                    copy(duty, view, slot, now, actions);
                }
                duty.synced
            }
            Phase::Idle | Phase::Granted(_) => {
                duty.synced = false;
                true
            }
        }
    }

    /// Begins to acquire `slot`: everyone alive on its lists is asked what he knows.
    fn acquire(&mut self, view: &View, slot: Slot, now: UnixMs, actions: &mut Vec<Action>) {
        let pending = who_knows(view, slot, self.duties[slot.index()].given);
        if pending.is_empty() {
            return self.serve(slot, actions);
        }
        actions.extend(pending.iter().map(|&from| Action::Pull { slot, from }));
        self.duties[slot.index()].phase = Phase::Acquiring;
        self.duties[slot.index()].held = true;
        let servers = Vec::new();
        let acquisition = Acquisition { began: now, pending, servers, asker: None };
        self.acquiring.insert(number(slot), acquisition);
    }

    /// Whether `asker`, who wants to serve `slot`, has to ask this node for the baton.
    ///
    /// Of two that acquire a slot which nobody serves one must go first, and both must see it the same way: the one whom the other answered before it began itself, and
    /// if neither has an answer yet, the one of the lower id. Links keep order, so an answer that was sent before a pull has come before it.
    pub fn holds(&self, view: &View, slot: Slot, asker: NodeId) -> bool {
        let index = view.find(asker).map(|(index, _)| index);
        match (self.duties[slot.index()].phase, self.acquiring.get(&number(slot)), index) {
            (Phase::Serving, ..) => true,
            (Phase::Stopping(to), _, asker) => asker != Some(to),
            (Phase::Acquiring, Some(mine), Some(asker_at)) => {
                if mine.servers.contains(&asker_at) {
                    // Whom this node waits for does not wait for this node.
                    false
                } else {
                    !mine.pending.contains(&asker_at) || view.my_id() < asker
                }
            }
            _ => false,
        }
    }

    /// Stops serving what another is to serve in the end, for him.
    pub fn offer(&mut self, view: &View, actions: &mut Vec<Action>) {
        for slot in (0..SLOT_COUNT as u16).filter_map(Slot::new) {
            if let Some(to) = heir(view, slot).filter(|&to| to != view.me())
                && self.serves(slot)
            {
                self.asked(slot, to, actions);
            }
        }
    }

    fn serve(&mut self, slot: Slot, actions: &mut Vec<Action>) {
        let asker = self.acquiring.remove(&number(slot)).and_then(|it| it.asker);
        let duty = &mut self.duties[slot.index()];
        *duty =
            Duty { phase: Phase::Serving, synced: true, held: true, copying: None, given: None };
        actions.push(Action::Serve { slot });
        if let Some(asker) = asker {
            self.asked(slot, asker, actions);
        }
    }

    /// Gives up waiting for those who do not answer.
    fn hurry(&mut self, view: &View, now: UnixMs, actions: &mut Vec<Action>) {
        let mut done = Vec::new();
        for (&number, acquisition) in &mut self.acquiring {
            let slot = Slot::new(number).expect("only slots are acquired");
            acquisition.pending.retain(|&index| view.is_alive(index));
            acquisition.servers.retain(|&index| view.is_alive(index));
            let waited = now.saturating_sub(acquisition.began);
            // By the view he serves, so what he knows cannot be done without while he lives.
            let holder = view.acting(slot).filter(|&index| index != view.me());
            let holds_up = |index: &MemberIndex| Some(*index) == holder;
            if waited >= FENCE_MS && !acquisition.pending.iter().any(holds_up) {
                acquisition.pending.clear();
            }
            if acquisition.pending.is_empty() && acquisition.servers.is_empty() {
                done.push(slot);
            } else if waited >= ACQUIRE_RETRY_MS {
                acquisition.began = now;
                acquisition.servers.clear();
                acquisition.pending = who_knows(view, slot, self.duties[slot.index()].given);
                actions.extend(acquisition.pending.iter().map(|&from| Action::Pull { slot, from }));
            }
        }
        for slot in done {
            self.serve(slot, actions);
        }
    }

    /// An answer to [`Action::Pull`] is complete.
    pub fn pulled(
        &mut self,
        slot: Slot,
        from: MemberIndex,
        answer: Pulled,
        now: UnixMs,
        actions: &mut Vec<Action>,
    ) {
        let duty = &mut self.duties[slot.index()];
        if duty.copying.is_some_and(|(source, _)| source == from) {
            duty.copying = match answer {
                Pulled::Whole { .. } => {
                    duty.synced = true;
                    actions.push(Action::Synced { slot });
                    None
                }
                Pulled::Failed => Some((from, now)),
            };
        }
        let Some(acquisition) = self.acquiring.get_mut(&number(slot)) else { return };
        if answer == Pulled::Failed {
            // A link that broke says nothing of the node behind it, which may serve. It is asked again; if it is gone, time tells.
            if acquisition.pending.contains(&from) {
                actions.push(Action::Pull { slot, from });
            }
            return;
        }
        acquisition.pending.retain(|&index| index != from);
        match answer {
            Pulled::Whole { serves: true } if !acquisition.servers.contains(&from) => {
                acquisition.servers.push(from);
                actions.push(Action::AskBaton { slot, from });
            }
            Pulled::Whole { serves: false } => acquisition.servers.retain(|&index| index != from),
            _ => {}
        }
        if acquisition.pending.is_empty() && acquisition.servers.is_empty() {
            self.serve(slot, actions);
        }
    }

    /// `from` has stopped serving `slot` for this node's sake, and everything it knew of it was pulled.
    pub fn granted(&mut self, slot: Slot, from: MemberIndex, actions: &mut Vec<Action>) {
        let Some(acquisition) = self.acquiring.get_mut(&number(slot)) else { return };
        acquisition.pending.retain(|&index| index != from);
        acquisition.servers.retain(|&index| index != from);
        if acquisition.pending.is_empty() && acquisition.servers.is_empty() {
            self.serve(slot, actions);
        }
    }

    /// `by` asks for the baton of `slot`: this node stops for it. One that does not serve grants at once.
    pub fn asked(&mut self, slot: Slot, by: MemberIndex, actions: &mut Vec<Action>) {
        let duty = &mut self.duties[slot.index()];
        match duty.phase {
            Phase::Serving => {
                duty.phase = Phase::Stopping(by);
                actions.push(Action::Stop { slot, to: by });
            }
            // Whoever asked first gets it; the other hears that nobody serves here.
            Phase::Stopping(_) => {}
            // It will be here first.
            Phase::Acquiring => {
                if let Some(acquisition) = self.acquiring.get_mut(&number(slot))
                    && !acquisition.servers.contains(&by)
                {
                    acquisition.asker = Some(by);
                }
            }
            _ => actions.push(Action::Grant { slot, to: by }),
        }
    }

    /// No batch runs any more that began while `slot` was served here.
    pub fn stopped(&mut self, slot: Slot, actions: &mut Vec<Action>) {
        let duty = &mut self.duties[slot.index()];
        if let Phase::Stopping(to) = duty.phase {
            duty.phase = Phase::Granted(to);
            duty.given = Some(to);
            actions.push(Action::Grant { slot, to });
        }
    }

    /// A slot whose keys this node holds and does not keep any more, now that everyone who keeps it has it.
    pub fn surplus(&mut self, view: &View) -> Option<Slot> {
        let ready = |index: &MemberIndex| {
            view.member(*index).is_some_and(|member| member.alive && member.ready)
        };
        let slot = (0..SLOT_COUNT as u16).filter_map(Slot::new).find(|&slot| {
            let duty = &self.duties[slot.index()];
            duty.held
                && matches!(duty.phase, Phase::Idle | Phase::Granted(_))
                && view.transition().is_none()
                && !view.is_mine(slot)
                && view.list(slot).iter().all(ready)
        })?;
        let duty = &mut self.duties[slot.index()];
        (duty.held, duty.synced) = (false, false);
        Some(slot)
    }

    /// The copy of `slot` is behind and cannot catch up by effects alone.
    pub fn lost_track(&mut self, slot: Slot) {
        self.duties[slot.index()].synced = false;
    }

    /// Others had given this node up, so that it may not go by what it knows: everything is to be pulled again. Slots that it serves it goes on serving until
    /// the baton is asked for.
    pub fn distrust(&mut self) {
        self.duties.iter_mut().for_each(|duty| duty.synced = false);
    }
}

/// Whether another node serves `slot`, as far as the view tells.
fn is_served(view: &View, slot: Slot) -> bool {
    view.acting(slot).is_some_and(|index| index != view.me())
}

/// Whom to ask about `slot` before serving it.
fn who_knows(view: &View, slot: Slot, given: Option<MemberIndex>) -> Vec<MemberIndex> {
    let mut all: Vec<MemberIndex> = view.effect_targets(slot).collect();
    all.extend(given.filter(|to| view.is_alive(*to) && *to != view.me() && !all.contains(to)));
    all
}

fn number(slot: Slot) -> u16 {
    slot.index() as u16
}

/// Pulls the copy of a slot that this node keeps from whoever should serve it.
fn copy(duty: &mut Duty, view: &View, slot: Slot, now: UnixMs, actions: &mut Vec<Action>) {
    let me = view.me();
    if let Some((from, since)) = duty.copying
        && view.is_alive(from)
        && now.saturating_sub(since) < COPY_RETRY_MS
    {
        return;
    }
    let others = || view.effect_targets(slot).filter(|&index| index != me);
    let is_placed = |&index: &MemberIndex| {
        view.member(index).is_some_and(|member| member.state != MemberState::Joining)
    };
    let from = view.acting(slot).filter(|&index| index != me).or_else(|| others().find(is_placed));
    match from {
        Some(from) => {
            duty.held = true;
            duty.copying = Some((from, now));
            actions.push(Action::Pull { slot, from });
        }
        // Nobody else is alive to know better.
        None => duty.synced = true,
    }
}
