//! Frames of control links come in, and the steps of duties are carried out.

use super::answerer::{Desk, Part};
use super::duty::{Action, Around, Duties, Word};
use super::message::{Audit, BATON_SLOTS_MAX, Baton, Known, Said, decode_end};
use super::puller::Finished;
use super::{Core, Output, is_busy};
use crate::admin::Instance;
use crate::cluster::NodeId;
use crate::cluster::membership::{self, Now, Via};
use crate::cluster::view::MemberIndex;
use crate::replication::apply::Applier;
use crate::replication::slots::Slots;
use crate::replication::transfer::knows_all;
use crate::replication::vector::Vector;
use crate::store::{Grace, Guard, Local};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use torc_protocol::peer::{Kind, Malformed};
use torc_protocol::slot::Slot;

/// Slots that were served a moment ago.
#[derive(Debug)]
pub(super) struct Stopping {
    grace: Grace,
    slots: Vec<Slot>,
}

/// What a granted baton vouches for comes as effects in a few milliseconds; if it does not, it is pulled after so long.
const EFFECTS_MAX: Duration = Duration::from_millis(30);

/// Granted batons are looked at with each step while they are few; after a partition they are thousands, and each takes a look at a vector.
const GRANTED_EACH: Duration = Duration::from_micros(5);

/// A baton that was granted before everything that it vouches for was known here.
#[derive(Debug)]
pub(super) struct Granted {
    stamp: u64,
    vector: Vector,
    /// When it is pulled. What was asked for before can bring less.
    pull_at: Duration,
}

impl Core {
    /// Lets the duties take a step, and carries out what they want.
    pub(super) fn step(
        &mut self,
        now: Now,
        out: &mut Vec<Output>,
        step: impl FnOnce(&mut Duties, Around<'_>, &mut Vec<Action>),
    ) {
        let mut actions = Vec::new();
        let Core { duties, view, reach, .. } = self;
        step(duties, Around { view, reach, now: now.monotonic }, &mut actions);
        if !actions.is_empty() {
            self.act(actions, now, out);
        }
    }

    pub(super) fn frame(
        &mut self,
        from: NodeId,
        kind: Kind,
        slot: Option<Slot>,
        payload: &[u8],
        now: Now,
        out: &mut Vec<Output>,
    ) -> Result<(), Malformed> {
        match (kind, slot) {
            (Kind::Gossip | Kind::Records, _) => {
                let from = Via::Link(from);
                self.gossip(membership::Input::Packet { from, bytes: payload }, now, out);
            }
            (Kind::Fence, _) => {
                let mut parts = Vec::new();
                let Core { answerer, duties, instance, local, slots, .. } = self;
                let serves = |slot, _| duties.serves(slot);
                let (store, busy, now) = (&instance.store, is_busy(instance), now.unix_ms);
                let mut desk = Desk { store, local, slots, now, busy, serves: &serves };
                answerer.asked(from, payload, &mut desk, &mut parts)?;
                push_parts(parts, out);
            }
            (Kind::Baton, _) => self.baton(from, Baton::decode(payload)?, now, out),
            (Kind::Digest, _) if Audit::is(payload) => self.audited(Audit::decode(payload)?),
            (Kind::Digest, _) => self.compared(from, Known::decode(payload)?, now),
            (Kind::SyncBegin, Some(slot)) => {
                self.hear_known(slot, payload)?;
                if let Some(finished) = self.puller.begin(from, slot, payload, now.unix_ms)? {
                    self.pulled(from, finished, now, out);
                }
            }
            (Kind::SyncChunk, Some(slot)) => {
                self.copied(payload.len(), now);
                let Core { puller, instance, local, slots, .. } = self;
                let guard = local.pin();
                let mut applier = applier(instance, local, &guard, slots, now);
                puller.part(from, slot, payload, &mut applier)?;
            }
            (Kind::SyncEnd, Some(slot)) => {
                let serves = decode_end(payload)?;
                let Core { puller, instance, local, slots, .. } = self;
                let guard = local.pin();
                let mut applier = applier(instance, local, &guard, slots, now);
                let finished = puller.end(from, slot, serves, &mut applier);
                drop(guard);
                if let Some(finished) = finished {
                    self.pulled(from, finished, now, out);
                }
            }
            // Kinds of a later revision, or of data links.
            _ => {}
        }
        Ok(())
    }

    pub(super) fn index_of(&self, node: NodeId) -> Option<MemberIndex> {
        self.view.find(node).map(|(index, _)| index)
    }

    // --- What was asked for came ------------------------------------------------------------------------------------

    /// Goes on with a pull of a slot with large collections.
    pub(super) fn end_pulls(&mut self, now: Now, out: &mut Vec<Output>) {
        if !self.puller.is_ending() {
            return;
        }
        let Core { puller, instance, local, slots, .. } = self;
        let guard = local.pin();
        let finished = puller.end_more(&mut applier(instance, local, &guard, slots, now));
        drop(guard);
        if let Some((from, finished)) = finished {
            self.pulled(from, finished, now, out);
        }
    }

    fn pulled(&mut self, from: NodeId, finished: Finished, now: Now, out: &mut Vec<Output>) {
        let slot = finished.slot;
        self.slots.expect_no_more(slot, now.unix_ms);
        let Some(index) = self.index_of(from) else { return };
        self.step(now, out, |duties, around, actions| duties.pulled(slot, index, around, actions));
        self.check_granted(now, out);
        if !self.view.effect_targets(slot).any(|keeper| keeper == index) {
            // It keeps the slot no more, as one that served it in a partition, so that nobody compares with it: the other copies hear of what it knew from this one.
            self.tell_keepers(&[slot], out);
        }
    }

    fn copied(&mut self, bytes: usize, now: Now) {
        if self.puller.take_busy() || is_busy(&self.instance) {
            self.pace.busy(now.monotonic);
        }
        self.pace.copied(bytes, self.bounds(), now.monotonic);
    }

    /// Passes on what was granted and is known by now.
    pub(super) fn check_granted(&mut self, now: Now, out: &mut Vec<Output>) {
        if self.granted.is_empty() || now.monotonic < self.granted_at {
            return;
        }
        self.granted_at = now.monotonic + GRANTED_EACH * self.granted.len() as u32;
        let mut known = Vec::new();
        let Core { slots, instance, view, puller, .. } = self;
        self.granted.retain(|&(slot, from), granted| {
            let Some((index, member)) = view.find(from) else { return false };
            if knows_all(slots, &instance.store, slot, &granted.vector) {
                known.push((slot, index, granted.stamp));
                return false;
            }
            if now.monotonic >= granted.pull_at {
                granted.pull_at = now.monotonic + EFFECTS_MAX;
                puller.want(slot, from, true);
            }
            member.alive
        });
        self.step(now, out, |duties, around, actions| {
            for (slot, from, stamp) in known {
                let word = Word { stamp, served: true, known: true, others: [None; 2] };
                duties.answered(slot, from, word, around, actions);
            }
        });
    }

    fn baton(&mut self, from: NodeId, baton: Baton, now: Now, out: &mut Vec<Output>) {
        let Some(index) = self.index_of(from) else { return };
        match baton {
            Baton::Ask(slots) => self.step(now, out, |duties, around, actions| {
                for (slot, stamp) in slots {
                    duties.asked(slot, (index, stamp), around, actions);
                }
            }),
            Baton::Serving(slots) => self.hear(from, index, slots, now),
            Baton::Word { served, said } => {
                for it in said {
                    self.word(from, index, served, it, now, out);
                }
            }
        }
    }

    fn word(
        &mut self,
        from: NodeId,
        index: MemberIndex,
        served: bool,
        Said { slot, stamp, others, vector }: Said,
        now: Now,
        out: &mut Vec<Output>,
    ) {
        let known = knows_all(&self.slots, &self.instance.store, slot, &vector);
        if served && !known {
            // Effects are on their way; a pull brings them for certain. That goes for a baton which nobody asked for too: it brings what was written there while
            // the view named another.
            let pull_at = now.monotonic + EFFECTS_MAX;
            self.granted.insert((slot, from), Granted { stamp, vector, pull_at });
        }
        let index_of = |node: Option<NodeId>| node.and_then(|node| self.index_of(node));
        if others.iter().any(|&node| node.is_some() && index_of(node).is_none()) {
            // This node does not know the ring well yet, and asks again a little later.
            return;
        }
        let word = Word { stamp, served, known, others: others.map(index_of) };
        self.step(now, out, |duties, around, actions| {
            duties.answered(slot, index, word, around, actions);
        });
    }

    // --- What duties want -------------------------------------------------------------------------------------------

    /// Carries out the steps that the duties ask for.
    fn act(&mut self, actions: Vec<Action>, now: Now, out: &mut Vec<Output>) {
        let mut letters = Letters::default();
        let (mut stops, mut served) = (Vec::new(), Vec::new());
        let view = Arc::clone(&self.view);
        let id_of = |index: MemberIndex| view.member(index).map(|member| member.id);
        for action in actions {
            match action {
                Action::Pull { slot, from } => {
                    if let Some(from) = id_of(from) {
                        self.puller.want(slot, from, self.duties.is_claiming(slot));
                    }
                }
                Action::AskBaton { slot, from, stamp } => letters.ask(id_of(from), (slot, stamp)),
                Action::Stop { slot } => stops.push(slot),
                Action::Synced { slot } => {
                    self.slots.restored(slot);
                    self.moved.push(slot);
                }
                Action::Serve { slot, taken } => {
                    self.slots.restored(slot);
                    self.granted.retain(|&(of, _), _| of != slot);
                    self.hearsay.forget(slot);
                    self.moved.push(slot);
                    if taken {
                        self.hearsay.take(slot, now.monotonic);
                    } else {
                        self.inherited.push(slot);
                    }
                    if taken || view.acting(slot).is_some_and(|acting| acting != view.me()) {
                        served.push(slot);
                    }
                }
                Action::Grant { slot, to, stamp } => {
                    let vector = self.slots.vector(&self.instance.store, slot);
                    letters.word(id_of(to), true, Said { slot, stamp, others: [None; 2], vector });
                }
                Action::Yield { slot, to, stamp, others } => {
                    let vector = self.slots.vector(&self.instance.store, slot);
                    let others = others.map(|it| it.and_then(id_of));
                    letters.word(id_of(to), false, Said { slot, stamp, others, vector });
                }
            }
        }
        if !stops.is_empty() {
            // The grace begins when no worker can find the old route any more.
            self.moved.extend(&stops);
            self.set_routes(out);
            let grace = self.local.grace();
            self.stopping.push(Stopping { grace, slots: stops });
        }
        letters.send(out);
        self.say(&served, out);
    }

    /// A node cannot be asked any more.
    pub(super) fn lose(&mut self, node: NodeId, now: Now, out: &mut Vec<Output>) {
        let lost = self.puller.lose(node);
        self.put_off(node, &lost);
        if let Some(index) = self.index_of(node) {
            self.step(now, out, |duties, around, actions| {
                for slot in lost {
                    duties.failed(slot, index, around, actions);
                }
            });
        }
        self.view_stale = true;
    }

    /// What waited for batches to end goes on.
    pub(super) fn pass_graces(&mut self, now: Now, out: &mut Vec<Output>) {
        if self.stopping.is_empty() && self.answerer.is_idle() && self.auditor.is_idle() {
            return;
        }
        self.local.push_epoch();
        let (over, waiting): (Vec<Stopping>, Vec<Stopping>) =
            std::mem::take(&mut self.stopping).into_iter().partition(|it| it.grace.has_passed());
        self.stopping = waiting;
        self.step(now, out, |duties, around, actions| {
            for slot in over.into_iter().flat_map(|stopping| stopping.slots) {
                duties.stopped(slot, around, actions);
            }
        });
        let mut parts = Vec::new();
        let is_due = self.pace.is_due(now.monotonic);
        let Core { answerer, duties, instance, local, slots, .. } = self;
        let serves = |slot, _| duties.serves(slot);
        let (store, busy) = (&instance.store, is_busy(instance));
        let mut desk = Desk { store, local, slots, now: now.unix_ms, busy, serves: &serves };
        let bytes = answerer.proceed(is_due, &mut desk, &mut parts);
        push_parts(parts, out);
        if bytes > 0 {
            self.copied(bytes, now);
        }
    }
}

/// Words about batons, gathered by receiver.
#[derive(Default)]
struct Letters {
    asks: BTreeMap<NodeId, Vec<(Slot, u64)>>,
    words: BTreeMap<(NodeId, bool), Vec<Said>>,
}

impl Letters {
    fn ask(&mut self, to: Option<NodeId>, ask: (Slot, u64)) {
        if let Some(to) = to {
            self.asks.entry(to).or_default().push(ask);
        }
    }

    fn word(&mut self, to: Option<NodeId>, served: bool, said: Said) {
        if let Some(to) = to {
            self.words.entry((to, served)).or_default().push(said);
        }
    }

    fn send(self, out: &mut Vec<Output>) {
        let mut send = |to, baton: Baton| {
            let mut payload = Vec::new();
            baton.encode(&mut payload);
            out.push(Output::Frame { to, kind: Kind::Baton, slot: None, payload });
        };
        for (to, asks) in self.asks {
            asks.chunks(BATON_SLOTS_MAX).for_each(|part| send(to, Baton::Ask(part.to_vec())));
        }
        for ((to, served), said) in self.words {
            for part in said.chunks(BATON_SLOTS_MAX) {
                send(to, Baton::Word { served, said: part.to_vec() });
            }
        }
    }
}

fn applier<'a>(
    instance: &'a Instance,
    local: &'a mut Local,
    guard: &'a Guard,
    slots: &'a Slots,
    now: Now,
) -> Applier<'a> {
    Applier { store: &instance.store, local, guard, slots, now: now.unix_ms }
}

fn push_parts(parts: Vec<Part>, out: &mut Vec<Output>) {
    out.extend(parts.into_iter().map(|Part { to, kind, slot, payload }| Output::Frame {
        to,
        kind,
        slot: Some(slot),
        payload,
    }));
}
