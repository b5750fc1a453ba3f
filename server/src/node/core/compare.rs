//! Anti-entropy: each pair of nodes compares, now and then, what it knows of the slots that both keep.
//!
//! It does so in turn, and soon after anything that may have kept writes from being told: a node came or went, a link was down, effects fell off a log. Turns are for what
//! nobody noticed.
//!
//! Each tells the other its vectors, and who finds that it lacks something pulls the slot: but not at once, for where clients write there is always something on its way, and
//! a slot that is written to without pause may be the largest. Effects that a peer knew come within a moment. What then is still lacking was lost.
//!
//! **Who serves in a dead node's place** tells at once. Of what that one wrote last some may have heard and others not; it has asked all, and whatever it writes now builds
//! on all of it. A copy that lacks some of it can apply none of that, and writes that wait for copies wait for that one: so it is pulled before all others.
//!
//! A slot that is being pulled when a peer tells what it knows is compared once it is synced: it is pulled from one node, which need not know what this peer knows. After a
//! partition that matters, for then every node pulls its slots anew, often from one of its own side, while those of the other side tell what they know.

use super::message::Known;
use super::{Core, Output, every_slot};
use crate::cluster::NodeId;
use crate::cluster::membership::Now;
use crate::replication::vector::Vector;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use torc_protocol::peer::Kind;
use torc_protocol::slot::{SLOT_COUNT, Slot};

/// Each pair of nodes compares what it knows of its slots this often.
const ANTI_ENTROPY: Duration = Duration::from_secs(10);
/// And so long after nodes came or went or links opened: what was written before was not told to all. Workers' links open several at a time, so this is waited for.
pub(super) const COMPARE_SOON: Duration = Duration::from_secs(1);

/// What a peer knew and this node did not is looked at again after so long: ten times what effects take from one to the other on a machine that has no time to spare.
const ON_THE_WAY: Duration = Duration::from_millis(200);

/// On the link a frame is never interrupted: what nodes know of all slots goes in parts.
const PART_SLOTS: usize = 1_024;

/// So many synced slots of which two nodes know different things are more than what is on its way between them.
const APART_SLOTS: usize = SLOT_COUNT / 16;

/// What a peer knew of a slot that this node did not know then.
#[derive(Debug)]
pub(super) struct Told {
    /// `None` if the slot was to be pulled from the peer, which then could not be asked.
    vector: Option<Vector>,
    /// When it is looked at again.
    due: Duration,
    /// Writes may wait for it, which build on what is lacking here.
    urgent: bool,
}

impl Core {
    /// Tells every peer, now and then, what this node knows of the slots that both keep.
    pub(super) fn compare(&mut self, now: Now, out: &mut Vec<Output>) {
        if now.monotonic < self.compare_at {
            let is_due = |_: &NodeId, at: &mut Duration| *at <= now.monotonic;
            let due: Vec<NodeId> =
                self.compare_soon.extract_if(.., is_due).map(|(peer, _)| peer).collect();
            return due.into_iter().for_each(|peer| self.compare_with(peer, out));
        }
        self.compare_at = now.monotonic + ANTI_ENTROPY;
        self.compare_soon.clear();
        let view = Arc::clone(&self.view);
        let others = view.members().filter(|(index, member)| *index != view.me() && member.alive);
        others.for_each(|(_, member)| self.compare_with(member.id, out));
    }

    /// A worker has not told a peer of everything, for its link has just opened or its log was overrun: the peer is compared with before its turn, over the control link.
    /// It finds such holes by itself only where the same slot is written to again.
    pub(super) fn compare_soon(&mut self, peer: NodeId, now: Now) {
        // What was not told while a comparison is waited for is seen to with it.
        self.compare_soon.entry(peer).or_insert(now.monotonic + COMPARE_SOON);
    }

    pub(super) fn compare_with(&self, peer: NodeId, out: &mut Vec<Output>) {
        let Some(index) = self.index_of(peer) else { return };
        let shared = every_slot().filter(|&slot| {
            self.view.is_mine(slot) && self.view.effect_targets(slot).any(|target| target == index)
        });
        self.tell(peer, true, shared, out);
    }

    /// A peer says what it knows of slots: where this node lacks something, and will not hear of it in a moment, the slot is pulled.
    pub(super) fn compared(&mut self, from: NodeId, known: Known, now: Now) {
        let wait = if known.on_its_way { ON_THE_WAY } else { Duration::ZERO };
        let due = now.monotonic + wait;
        for (slot, theirs) in known.slots {
            let own = self.slots.vector(&self.instance.store, slot);
            self.told.remove(&(slot, from));
            if own.covers_all(&theirs) {
                if theirs.covers_all(&own) {
                    self.pruner.agrees(slot, &own, from);
                }
                continue;
            }
            let is_synced = self.view.is_mine(slot) && self.duties.is_synced(slot);
            // One that is being pulled is so from one node, and not from all that compare. Who joins has nothing yet that others lack, and would ask everybody for everything.
            if is_synced || self.view.list(slot).contains(&self.view.me()) {
                let told = Told { vector: Some(theirs), due, urgent: !known.on_its_way };
                self.told.insert((slot, from), told);
            }
        }
        if !known.on_its_way {
            self.compare_told(now);
        }
    }

    /// Looks again at what peers knew and this node did not: at slots that are synced, with peers that are alive.
    pub(super) fn compare_told(&mut self, now: Now) {
        if self.told.is_empty() {
            return;
        }
        let Core { told, view, duties, puller, slots, instance, pace, .. } = self;
        let alive: BTreeMap<NodeId, bool> =
            view.members().map(|(_, it)| (it.id, it.alive)).collect();
        let mut apart = 0;
        told.retain(|&(slot, from), Told { vector, due, urgent }| {
            let Some(&is_alive) = alive.get(&from).filter(|_| view.is_mine(slot)) else {
                return false;
            };
            if !is_alive || *due > now.monotonic || !duties.is_synced(slot) {
                return true;
            }
            let lacks = |theirs: &Vector| !slots.vector(&instance.store, slot).covers_all(theirs);
            if vector.as_ref().is_none_or(lacks) {
                puller.want(slot, from, *urgent);
                apart += 1;
            }
            false
        });
        if apart >= APART_SLOTS {
            pace.catch_up(now.monotonic);
        }
    }

    /// Nothing can be asked of a peer for now. Over a link that is open it tells what it knows once, though it be given up and taken back meanwhile, for it does not know of
    /// that: that is kept, and so is what was to be pulled. Over the next link it tells it anew.
    pub(super) fn put_off(&mut self, peer: NodeId, pulls: &[Slot]) {
        if self.reach.is_up(peer) {
            let told = || Told { vector: None, due: Duration::ZERO, urgent: false };
            self.told.extend(pulls.iter().map(|&slot| ((slot, peer), told())));
        } else {
            self.told.retain(|&(_, from), _| from != peer);
        }
    }

    /// Tells all others that keep one of `slots` what this node knows of it, and they did not hear of.
    pub(super) fn tell_keepers(&self, slots: &[Slot], out: &mut Vec<Output>) {
        for (index, member) in self.view.members().filter(|(_, member)| member.alive) {
            let keeps = |slot: &Slot| self.view.effect_targets(*slot).any(|target| target == index);
            self.tell(member.id, false, slots.iter().copied().filter(keeps), out);
        }
    }

    /// Tells a peer what this node knows of one slot, so that it pulls what it lacks and will not hear of otherwise.
    pub(super) fn tell_known(&self, slot: Slot, peer: NodeId, out: &mut Vec<Output>) {
        self.tell(peer, false, std::iter::once(slot), out);
    }

    fn tell(
        &self,
        peer: NodeId,
        on_its_way: bool,
        slots: impl Iterator<Item = Slot>,
        out: &mut Vec<Output>,
    ) {
        // Of a slot that nobody wrote to there is nothing to say.
        let known = slots.map(|slot| (slot, self.slots.vector(&self.instance.store, slot)));
        let mut known = known.filter(|(_, vector)| !vector.is_empty()).peekable();
        while known.peek().is_some() {
            let slots = known.by_ref().take(PART_SLOTS).collect();
            let mut payload = Vec::new();
            Known { on_its_way, slots }.encode(&mut payload);
            out.push(Output::Frame { to: peer, kind: Kind::Digest, slot: None, payload });
        }
    }
}
