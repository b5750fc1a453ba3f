//! Who is there: membership's packets and events, the view that they make, and what this node says of itself.
//!
//! **Joining, leaving and coming back.** A member that joins or leaves does so when every living node says that it has synced for the layout to come. A node that was
//! restarted or given up is not ready until what it keeps is synced and what it inherits is served.

use super::compare::COMPARE_SOON;
use super::duty::Duties;
use super::upkeep::WIPE_AFTER;
use super::{Core, Output, every_slot, members};
use crate::cluster::member::Member;
use crate::cluster::membership::{self, Event, Now, Via};
use crate::cluster::record::{NodeRecord, NodeState};
use crate::cluster::{NodeId, View};
use std::sync::Arc;
use std::time::Duration;
use torc_protocol::peer::Kind;

/// A node that finds nobody who keeps slots begins the ring after so long, if it is the first of those who join.
const BEGIN_AFTER: Duration = Duration::from_secs(3);
/// A node that has just started takes up no slot before the ring that it hears of has stayed the same for so long: by half a ring it would take itself for the heir of
/// slots that nodes serve which it does not know yet.
const MEET: Duration = Duration::from_millis(500);

impl Core {
    pub(super) fn gossip(&mut self, input: membership::Input<'_>, now: Now, out: &mut Vec<Output>) {
        let mut said = Vec::new();
        self.membership.handle(input, now, &mut said);
        for said in said {
            match said {
                membership::Output::Send { to: Via::Address(to), bytes } => {
                    out.push(Output::Packet { to, bytes });
                }
                membership::Output::Send { to: Via::Link(to), bytes } => {
                    let kind = Kind::Gossip;
                    out.push(Output::Frame { to, kind, slot: None, payload: bytes });
                }
                membership::Output::WakeAt(at) => self.membership_wake = Some(at),
                membership::Output::Resolve(seed) => out.push(Output::Resolve(seed)),
                membership::Output::Event(event) => self.event(event, now, out),
            }
        }
    }

    pub(super) fn event(&mut self, event: Event, now: Now, out: &mut Vec<Output>) {
        self.view_stale = true;
        match event {
            Event::MemberDown(node) => self.lose(node, now, out),
            Event::Rejoined { .. } => {
                self.duties.distrust();
                self.change_record(now, out, |record| record.ready = false);
                out.push(Output::Notice(event));
            }
            // One of the two is enough.
            Event::TagTaken(other) if self.options.node < other => {}
            Event::TagTaken(_) | Event::Refused { .. } => out.push(Output::Notice(event)),
            _ => {}
        }
    }

    /// Changes what this node says of itself.
    pub(super) fn change_record(
        &mut self,
        now: Now,
        out: &mut Vec<Output>,
        change: impl FnOnce(&mut NodeRecord),
    ) {
        let Some(before) = self.membership.record(self.options.node) else { return };
        let mut record = NodeRecord::clone(&before);
        change(&mut record);
        if record == *before {
            return;
        }
        if record.state != before.state {
            record.since = now.unix_ms;
            out.push(Output::Placed(record.state.is_placed()));
        }
        self.view_stale = true;
        self.gossip(membership::Input::OwnRecord(record), now, out);
    }

    pub(super) fn renew_view(&mut self, now: Now, out: &mut Vec<Output>) {
        if !std::mem::take(&mut self.view_stale) {
            return;
        }
        let members = members::members(&*self.membership, self.options.node);
        let view = Arc::new(self.view.successor(members, self.options.copies));
        for (index, member) in view.members() {
            let before = self.view.member(index);
            if before.is_none_or(|it| (it.id, it.incarnation) != (member.id, member.incarnation)) {
                // What the one before had applied went with it.
                self.slots.forget_acks(index);
                self.pruner.forget(member.id);
            }
            // Who comes may lack what was written before; of what one who goes wrote last, some may have heard and others not.
            let stand = |it: &Member| (it.incarnation, it.alive, it.is_placed());
            if before.map(stand) != Some(stand(member)) {
                self.compare_at = self.compare_at.min(now.monotonic + COMPARE_SOON);
            }
        }
        let ring = |view: &View| -> Vec<(NodeId, bool, bool)> {
            view.members().map(|(_, it)| (it.id, it.alive, it.is_placed())).collect()
        };
        if !self.met && ring(&view) != ring(&self.view) {
            self.same_since = now.monotonic;
        }
        self.reach.members(view.members().map(|(_, member)| member.id), now.monotonic);
        self.wipe_at = now.monotonic + WIPE_AFTER;
        self.view = view;
        self.instance.cluster.publish(Arc::clone(&self.view));
        (self.view_new, self.routes_stale) = (true, true);
        out.push(Output::ViewChanged);
    }

    /// A ping says how far another's clock is off.
    pub(super) fn clock(
        &mut self,
        node: NodeId,
        round_trip: Duration,
        offset_us: i64,
        now: Now,
        out: &mut Vec<Output>,
    ) {
        let instance = Arc::clone(&self.instance);
        let figures = instance.cluster.figures();
        if self.clocks.hear(node, round_trip, offset_us) {
            figures.clock_warnings.add(1);
            let offset_ms = offset_us / 1_000;
            tracing::warn!(%node, offset_ms, "the clocks of this node and a peer differ");
        }
        let view = &self.view;
        self.clocks.keep(|node| view.find(node).is_some_and(|(_, member)| member.alive));
        figures.clock_offset_ms.set(self.clocks.offset_ms_max());
        let own = self.membership.record(self.options.node);
        let is_placed = own.is_some_and(|record| record.state.is_placed());
        if !self.clocks.judge(!is_placed) {
            return;
        }
        let is_barred = self.clocks.is_barred();
        figures.clock_barred.set(is_barred.into());
        self.duties.bar(is_barred);
        self.view_stale = true;
        if is_barred {
            tracing::error!("this node's clock is 5 s off: it serves nothing until that is mended");
            self.change_record(now, out, |record| record.ready = false);
        } else {
            tracing::info!("this node's clock is right again");
        }
    }

    /// Whether this node knows the ring well enough to take part in it. Once it does, it stays so.
    pub(super) fn has_met(&mut self, now: Now) -> bool {
        let me = self.view.me();
        let mut others = self.view.members().filter(|(index, _)| *index != me);
        let since = match others.any(|(_, member)| member.alive && member.is_placed()) {
            true => self.same_since + MEET,
            // Somebody linked to this node who knows more of the ring: it will be told.
            false if self.reach.has_stranger(|node| self.view.find(node).is_some()) => {
                return self.met;
            }
            // Nobody answers. Whoever is first of those who want to begin a ring does; one who had slots before takes them up with nothing.
            false => self.began + BEGIN_AFTER,
        };
        self.met |= now.monotonic >= since;
        self.met
    }

    /// Says of this node what has become true.
    pub(super) fn report(&mut self, now: Now, out: &mut Vec<Output>) {
        let Some(record) = self.membership.record(self.options.node) else { return };
        let settled = self.duties.is_settled();
        let barred = self.clocks.is_barred();
        let view = Arc::clone(&self.view);
        let next = view.transition().map(|(subject, layout)| (subject, layout.checksum()));
        match (record.state, next) {
            (NodeState::Joining, Some((subject, next)))
                if subject == view.me()
                    && settled
                    && !barred
                    && members::others_synced(&*self.membership, &view, next) =>
            {
                self.change_record(now, out, |record| {
                    record.state = NodeState::Active;
                    record.ready = true;
                });
            }
            (NodeState::Leaving, Some((subject, next))) if subject == view.me() => {
                let serves_any = every_slot().any(|slot| self.duties.serves(slot));
                let alone = !view.members().any(|(index, member)| {
                    index != view.me() && member.alive && member.is_placed()
                });
                let synced = members::others_synced(&*self.membership, &view, next);
                if serves_any {
                    self.stay();
                }
                let handed_over = !serves_any && synced && self.is_known_elsewhere(now, out);
                if synced && serves_any {
                    // Whoever inherits these slots thinks that he serves them already, and asks for nothing any more.
                    self.step(now, out, Duties::offer);
                }
                if (alone || handed_over) && !self.left {
                    self.left = true;
                    self.change_record(now, out, |record| record.state = NodeState::Left);
                    out.push(Output::Left);
                }
            }
            (NodeState::Joining, _)
                if self.options.may_begin
                    && !barred
                    && members::begins_ring(&view)
                    && now.monotonic >= self.began + BEGIN_AFTER =>
            {
                self.change_record(now, out, |record| record.state = NodeState::Active);
            }
            (NodeState::Active, next) if settled => {
                let synced = next.map_or(0, |(_, next)| next);
                self.change_record(now, out, |record| {
                    record.ready = !barred;
                    record.synced_layout = synced;
                });
            }
            _ => {}
        }
        if self.view_stale {
            self.renew_view(now, out);
        }
    }
}
