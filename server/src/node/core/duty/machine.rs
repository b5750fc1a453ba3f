//! One slot: what this node has to do with it, and every step from one state to another.
//!
//! ```text
//!            wanted to serve                nobody is in the way any more
//!   Idle ───────────────────▶ Claiming ─────────────────────────────────▶ Serving
//!    ▲ ▲                         │                                           │ asked for the baton, or
//!    │ └── not wanted any more ──┘                                           │ wanted to serve no more
//!    │                                                                       ▼
//!    └─ `to` is gone, is whom the view names, ── Granted(to) ◀── grace ── Stopping(to)
//!       or is not wanted to serve any more                       passed
//! ```
//!
//! What a node answers to one that asks for the baton, by its own state:
//!
//! ```text
//!   Idle, Granted(another)   yields: it does not serve, and says to whom it gave the baton last
//!   Granted(asker)           grants, again
//!   Serving                  stops; grants when the last batch is over
//!   Stopping(another)        yields when the last batch is over
//!   Claiming                 yields, if the asker's claim has the lower stamp; else when it has served, or given its claim up
//! ```
//!
//! **Of those that claim at once** the one of the lowest stamp goes first. A stamp is a Lamport time, higher than that of every question which its node has been asked,
//! and between equal ones the ids decide; so all see it the same way, and nobody waits in a circle. An answer names the claim that it is meant for. Answers and questions
//! that are lost are asked for again. It is Ricart and Agrawala's algorithm, with the baton for a reply that has to wait.
//!
//! **Views that differ** can leave out of a claim who serves by another view. Therefore a node remembers to whom it gave its word last and asks him when it
//! claims itself; and with its word it names him, and who serves by its own view.
//!
//! **The copy** is a matter of its own: a node that keeps a slot pulls it whenever it is not sound, whatever its phase.
//!
//! Source: Ricart, Agrawala, "An optimal algorithm for mutual exclusion in computer networks", CACM 24 (1981).

use super::Action;
use super::claim::{Claim, Knows};
use super::wanted::{self, Role};
use crate::cluster::View;
use crate::cluster::view::MemberIndex;
use crate::node::core::reach::Reach;
use std::time::Duration;
use torc_protocol::slot::Slot;

/// A copy that was asked for and did not come is asked for again after so long.
const COPY_AGAIN: Duration = Duration::from_secs(3);

/// A copy that could not be pulled, since the link broke, is tried again after so long.
const COPY_AFTER: Duration = Duration::from_millis(500);

/// What every step is taken by.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    pub view: &'a View,
    pub reach: &'a Reach,
    /// Monotonic.
    pub now: Duration,
    pub slot: Slot,
    /// What a claim that begins now is stamped with.
    pub stamp: u64,
    /// See [`super::Duties::bar`].
    pub barred: bool,
}

impl Scene<'_> {
    fn role(&self) -> Role {
        match wanted::role(self.view, self.slot) {
            Role::Serve if self.barred && self.view.effect_targets(self.slot).next().is_some() => {
                Role::Keep
            }
            role => role,
        }
    }
}

/// A question for the baton: by whom, and the stamp of his claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker {
    pub node: MemberIndex,
    pub stamp: u64,
}

#[derive(Debug, Clone)]
enum Phase {
    Idle,
    Claiming(Box<Claim>),
    Serving,
    Stopping(Asker),
    Granted(MemberIndex),
}

/// The copy here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Copy {
    /// As good as some ready node's was.
    Sound,
    Unsound,
    /// On its way since then; `late`: something was lost meanwhile, so that it will not be sound.
    Pulling {
        from: MemberIndex,
        since: Duration,
        late: bool,
    },
    /// It could not be pulled from there, which is not asked until then.
    Refused {
        from: MemberIndex,
        until: Duration,
    },
}

/// An answer to [`Action::AskBaton`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// Of the claim that it answers.
    pub stamp: u64,
    /// Whether the answerer served until now.
    pub served: bool,
    /// Whether everything that it knows is known here.
    pub known: bool,
    /// Who else may serve, as far as the answerer knows.
    pub others: [Option<MemberIndex>; 2],
}

/// See the module's description.
#[derive(Debug, Clone)]
pub struct Duty {
    phase: Phase,
    copy: Copy,
    /// There may be keys of it here.
    held: bool,
    /// To whom this node gave the baton, or its word, last: he may serve, though views that differ for a moment do not name him.
    given: Option<MemberIndex>,
    /// Who has asked for the baton and has no answer yet, first come first.
    askers: Vec<Asker>,
}

impl Duty {
    pub const NEW: Duty = Duty {
        phase: Phase::Idle,
        copy: Copy::Unsound,
        held: false,
        given: None,
        askers: Vec::new(),
    };

    pub fn serves(&self) -> bool {
        matches!(self.phase, Phase::Serving)
    }

    pub fn is_claiming(&self) -> bool {
        matches!(self.phase, Phase::Claiming(_))
    }

    /// See [`super::Duties::given`].
    pub fn given(&self) -> Option<MemberIndex> {
        self.given
    }

    pub fn is_sound(&self) -> bool {
        self.copy == Copy::Sound
    }

    /// See [`super::Duties::route`].
    pub fn route(&self, view: &View, slot: Slot) -> Option<MemberIndex> {
        match self.phase {
            Phase::Serving => Some(view.me()),
            Phase::Stopping(Asker { node: to, .. }) | Phase::Granted(to) if view.is_alive(to) => {
                Some(to)
            }
            _ => wanted::acting(view, slot).filter(|&index| index != view.me()),
        }
    }

    /// The one place that decides: what the slot's state and the view come to. Returns whether all is as it should be.
    pub fn review(&mut self, scene: Scene<'_>, out: &mut Vec<Action>) -> bool {
        let Scene { view, slot, .. } = scene;
        if let Phase::Granted(to) = self.phase
            && (!view.is_alive(to)
                || wanted::acting(view, slot) == Some(to)
                || !wanted::claims(view, slot, to))
        {
            // He is the one whom everybody asks now, or one who cannot serve after all.
            self.phase = Phase::Idle;
        }
        match (&self.phase, scene.role()) {
            (Phase::Serving, Role::Serve) => self.keep_copy(scene, out),
            (Phase::Serving, _) => {
                // The view has gone over this node's head, as after a partition. Who should serve gets what was written here, though he be not ready: where every node
                // was given up by some other, nobody is.
                if let Some(node) = wanted::successor(view, slot) {
                    // He has not asked, so no claim of his is answered.
                    self.stop_for(Asker { node, stamp: 0 }, slot, out);
                }
                false
            }
            (Phase::Idle, Role::Serve) => {
                let holder = wanted::acting(view, slot);
                // What somebody serves is copied before he is asked to stop; it may take long.
                if holder == Some(view.me()) || self.keep_copy(scene, out) {
                    self.claim(scene, out);
                }
                self.serves()
            }
            (Phase::Claiming(_), Role::Serve) => {
                self.press_on(scene, out);
                self.serves()
            }
            (Phase::Claiming(_), _) => {
                self.phase = Phase::Idle;
                self.yield_to_askers(scene, out);
                false
            }
            (Phase::Stopping(_), _) => false,
            (Phase::Idle | Phase::Granted(_), Role::Keep | Role::Serve) => {
                self.keep_copy(scene, out)
            }
            (Phase::Idle | Phase::Granted(_), Role::None) => {
                self.copy = Copy::Unsound;
                true
            }
        }
    }

    // --- Claiming ---------------------------------------------------------------------------------------------------

    /// Asks everyone alive on the slot's lists for the baton, and whoever got it from here.
    fn claim(&mut self, scene: Scene<'_>, out: &mut Vec<Action>) {
        self.held = true;
        self.phase = Phase::Claiming(Box::new(Claim::new(scene.stamp, scene.now)));
        self.press_on(scene, out);
    }

    /// Asks those who came meanwhile, asks again who does not answer, and serves if nobody is in the way.
    fn press_on(&mut self, scene: Scene<'_>, out: &mut Vec<Action>) {
        let Scene { view, slot, now, .. } = scene;
        let Phase::Claiming(claim) = &mut self.phase else { return };
        claim.keep(|node| view.is_alive(node));
        let given = self.given.filter(|&to| to != view.me() && view.is_alive(to));
        let mut asked = claim.ask_again(now);
        asked.extend(view.effect_targets(slot).chain(given).filter(|&node| claim.add(node)));
        let stamp = claim.stamp();
        out.extend(asked.into_iter().map(|from| Action::AskBaton { slot, from, stamp }));
        self.serve_if_granted(scene, out);
    }

    fn serve_if_granted(&mut self, scene: Scene<'_>, out: &mut Vec<Action>) {
        let Scene { view, reach, now, slot, .. } = scene;
        let Phase::Claiming(claim) = &self.phase else { return };
        let holder = view.acting(slot).filter(|&index| index != view.me());
        if !claim.is_granted(view, holder, reach, now) {
            return;
        }
        let taken = claim.is_taken();
        (self.phase, self.copy, self.given) = (Phase::Serving, Copy::Sound, None);
        out.push(Action::Serve { slot, taken });
        if !self.askers.is_empty() {
            let to = self.askers.remove(0);
            self.stop_for(to, slot, out);
        }
    }

    /// `from` answers this node's question for the baton.
    pub fn answered(
        &mut self,
        from: MemberIndex,
        word: Word,
        scene: Scene<'_>,
        out: &mut Vec<Action>,
    ) {
        let Scene { view, slot, .. } = scene;
        let Phase::Claiming(claim) = &mut self.phase else { return };
        if claim.stamp() != word.stamp {
            return;
        }
        let knows = match (word.known, word.served) {
            (true, _) => Knows::Known,
            (false, true) => Knows::Needed,
            (false, false) => Knows::Wanted,
        };
        claim.yielded(from, knows);
        if word.served {
            claim.take();
        }
        // What is needed comes as effects, or is pulled a little later, by whoever keeps the word.
        if knows == Knows::Wanted {
            out.push(Action::Pull { slot, from });
        }
        for other in word.others.into_iter().flatten() {
            if other != view.me() && view.is_alive(other) && claim.add(other) {
                out.push(Action::AskBaton { slot, from: other, stamp: word.stamp });
            }
        }
        self.serve_if_granted(scene, out);
    }

    /// The link to `node` is new: what it has not answered is asked again.
    pub fn linked(&mut self, node: MemberIndex, slot: Slot, out: &mut Vec<Action>) {
        if let Phase::Claiming(claim) = &self.phase
            && claim.awaits(node)
        {
            out.push(Action::AskBaton { slot, from: node, stamp: claim.stamp() });
        }
    }

    // --- Giving the baton away --------------------------------------------------------------------------------------

    /// `by` asks for the baton; see the module's description.
    pub fn asked(&mut self, by: Asker, scene: Scene<'_>, out: &mut Vec<Action>) {
        let Scene { view, slot, .. } = scene;
        match &mut self.phase {
            Phase::Serving => self.stop_for(by, slot, out),
            Phase::Stopping(to) if to.node == by.node => *to = by,
            Phase::Stopping(_) => self.remember(by),
            Phase::Claiming(claim) => {
                let id = view.member(by.node).map(|member| member.id);
                if (by.stamp, id) < (claim.stamp(), Some(view.my_id())) {
                    self.give_word(by, scene, out);
                } else {
                    self.remember(by);
                }
            }
            Phase::Granted(to) if *to == by.node => {
                out.push(Action::Grant { slot, to: by.node, stamp: by.stamp });
            }
            Phase::Idle | Phase::Granted(_) => self.give_word(by, scene, out),
        }
    }

    fn remember(&mut self, asker: Asker) {
        self.askers.retain(|other| other.node != asker.node);
        self.askers.push(asker);
    }

    fn give_word(&mut self, asker: Asker, scene: Scene<'_>, out: &mut Vec<Action>) {
        let (Scene { view, slot, .. }, Asker { node: to, stamp }) = (scene, asker);
        let named = wanted::acting(view, slot).filter(|&index| index != view.me());
        let others = [self.given.replace(to), named].map(|it| it.filter(|&other| other != to));
        out.push(Action::Yield { slot, to, stamp, others });
    }

    fn yield_to_askers(&mut self, scene: Scene<'_>, out: &mut Vec<Action>) {
        for asker in std::mem::take(&mut self.askers) {
            self.give_word(asker, scene, out);
        }
    }

    /// Stops serving for `to`'s sake.
    pub fn stop_for(&mut self, to: Asker, slot: Slot, out: &mut Vec<Action>) {
        self.phase = Phase::Stopping(to);
        out.push(Action::Stop { slot });
    }

    /// No batch runs any more that began while the slot was served here.
    pub fn stopped(&mut self, scene: Scene<'_>, out: &mut Vec<Action>) {
        let slot = scene.slot;
        let Phase::Stopping(Asker { node: to, stamp }) = self.phase else { return };
        (self.phase, self.given) = (Phase::Granted(to), Some(to));
        out.push(Action::Grant { slot, to, stamp });
        self.askers.retain(|asker| asker.node != to);
        self.yield_to_askers(scene, out);
        // Whoever was told last asks him in any case; this node itself must not forget who has the baton.
        self.given = Some(to);
    }

    // --- The copy ---------------------------------------------------------------------------------------------------

    /// Sees to it that the copy is sound, or becomes so. Returns whether it is.
    fn keep_copy(&mut self, scene: Scene<'_>, out: &mut Vec<Action>) -> bool {
        let Scene { view, now, slot, .. } = scene;
        if self.is_sound() {
            return true;
        }
        let source = wanted::source(view, slot);
        match self.copy {
            Copy::Pulling { from, since, .. }
                if view.is_alive(from) && now < since + COPY_AGAIN =>
            {
                return false;
            }
            Copy::Refused { from, until } if source == Some(from) && now < until => return false,
            _ => {}
        }
        match source {
            Some(from) => {
                self.held = true;
                let late = matches!(self.copy, Copy::Pulling { from: before, late: true, .. } if before == from);
                self.copy = Copy::Pulling { from, since: now, late };
                out.push(Action::Pull { slot, from });
                false
            }
            // Nobody else is alive to know better.
            None => {
                self.copy = Copy::Sound;
                true
            }
        }
    }

    /// Everything that `from` knows is here.
    pub fn pulled(&mut self, from: MemberIndex, scene: Scene<'_>, out: &mut Vec<Action>) {
        match self.copy {
            Copy::Pulling { from: source, late, .. } if source == from => {
                self.copy = if late { Copy::Unsound } else { Copy::Sound };
                if !late {
                    out.push(Action::Synced { slot: scene.slot });
                }
            }
            _ => {}
        }
        if let Phase::Claiming(claim) = &mut self.phase {
            claim.heard(from);
            self.serve_if_granted(scene, out);
        }
    }

    /// `from` cannot be asked for the moment. A link that broke says nothing of the node behind it.
    pub fn failed(&mut self, from: MemberIndex, scene: Scene<'_>, out: &mut Vec<Action>) {
        if matches!(self.copy, Copy::Pulling { from: source, .. } if source == from) {
            self.copy = Copy::Refused { from, until: scene.now + COPY_AFTER };
        }
        if let Phase::Claiming(claim) = &self.phase
            && claim.pulls(from)
        {
            out.push(Action::Pull { slot: scene.slot, from });
        }
    }

    /// The copy is behind and cannot catch up by effects alone.
    pub fn lost_track(&mut self) {
        match &mut self.copy {
            Copy::Pulling { late, .. } => *late = true,
            Copy::Sound => self.copy = Copy::Unsound,
            Copy::Unsound | Copy::Refused { .. } => {}
        }
    }

    /// Whether there may be keys here that this node need not hold.
    pub fn is_surplus(&self) -> bool {
        self.held && matches!(self.phase, Phase::Idle | Phase::Granted(_))
    }

    /// They go.
    pub fn dropped(&mut self) {
        (self.held, self.copy) = (false, Copy::Unsound);
    }
}
