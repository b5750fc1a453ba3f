//! The routing step of a batch: where each command runs, and what is owed for it until then.
//!
//! Taken by batches of a node that is part of a ring, and by those whose client demands more copies than one; a lone node's batches never come here.
//! The order of the checks is Redis Cluster's: who may run the command, then where, then whether there is room for it.

use super::batch::{Run, Step};
use super::client::Client;
use super::multi::Expected;
use super::pipeline::{Park, Verdict};
use super::plane::{
    About, Begin, ClientKey, Counted, Gathering, Held, Pace, Plane, Sink, Snapshot, Target,
    Trouble, Unit, Wide, no_quorum_read, push_command, tracked_slots,
};
use super::planned::Planned;
use super::replies::HoleId;
use crate::admin::Instance;
use crate::base::limits::FORWARD_HOPS_MAX;
use crate::cluster::View;
use crate::cluster::route::{self, Ask, KeySlots, Port};
use crate::command::access;
use crate::command::consistency::Once;
use crate::command::eval::name_of;
use crate::command::generic::{cursor_slot, sort_refusal, wait_arguments, waitaof_arguments};
use crate::command::pubsub::refusal;
use crate::command::tracking::is_script;
use crate::command::{Mute, Session};
use std::sync::Arc;
use std::time::Duration;
use torc_protocol::command::{Categories, CommandSpec, Flags, key_positions};
use torc_protocol::peer::request::{ReadLevel, WriteLevel};
use torc_protocol::slot::{Slot, slot_of};
use torc_protocol::{Args, WireError};

/// A WAIT without a timeout ends after this, as a request must end some time.
const WAIT_MS_MAX: u64 = 3_600_000;

/// What a batch has of the ring.
pub(super) struct Ring<'r> {
    pub plane: &'r mut Plane,
    pub view: Arc<View>,
}

impl Run<'_, '_> {
    /// One command, from its checks to its reply or to the hole that is kept for it.
    #[inline(never)]
    pub(super) fn step_routed(
        &mut self,
        planned: &Planned,
        args: Args<'_>,
        request: &[u8],
        out: &mut Vec<u8>,
    ) -> Step {
        let Some(spec) = planned.spec() else {
            // It was the next command, though there is no such: where several callers share a connection, the one after it may be another's.
            self.client.session.once = Once::Off;
            let step = self.step_apart(planned, args, out);
            self.end_special(args, out);
            return step;
        };
        if self.client.replies.is_full() || self.client.is_expecting() {
            return Step::Held(Park::Replies);
        }
        if let Some(slot) = planned.only_slot(spec)
            && self.is_plainly_here(spec, slot)
        {
            return self.run_here(planned, spec, args, out);
        }
        self.client.session.once.begin();
        let position = out.len();
        if self.client.session.is_special() {
            self.remember(spec, args);
        }
        let step = self.route(planned, spec, args, request, out);
        if matches!(step, Step::Held(_) | Step::Again) {
            return step;
        }
        self.client.session.once.end();
        if self.client.session.mute != Mute::Off {
            self.mute(position, out);
        }
        if self.client.session.is_special() {
            self.end_special(args, out);
        }
        step
    }

    /// Whether a command whose only key is in `slot` runs here, and nothing is to be done about it but what is done for any: most commands do, and those are spared the
    /// questions that follow.
    #[inline]
    fn is_plainly_here(&self, spec: &CommandSpec, slot: Slot) -> bool {
        let Client { session, pending, .. } = &*self.client;
        let is_plain = matches!(session.once, Once::Off)
            && session.mute == Mute::Off
            && !session.is_special()
            && pending.is_empty();
        is_plain
            && self.ring.as_ref().is_some_and(|ring| spec.may_write || ring.plane.reads_plainly)
            && self.instance.cluster.routes().get(slot) == route::Route::Serve
    }

    fn route(
        &mut self,
        planned: &Planned,
        spec: &'static CommandSpec,
        args: Args<'_>,
        request: &[u8],
        out: &mut Vec<u8>,
    ) -> Step {
        let session = &self.client.session;
        let allowed = !session.guarded || access::may(self.instance, session, spec, args);
        let stays = session.is_special()
            && (session.is_monitoring() || refusal(session, spec.full_name).is_some());
        if !allowed || stays || self.ring.is_none() {
            return self.run_here(planned, spec, args, out);
        }
        if !spec.has_keys() {
            return self.route_keyless(planned, spec, args, out);
        }
        // Arguments that contradict the key specs are for the command itself to refuse.
        let slots = planned.only_slot(spec).map(KeySlots::One);
        let Ok(slots) = slots.map_or_else(|| KeySlots::of(spec, &args), Ok) else {
            return self.run_here(planned, spec, args, out);
        };
        self.route_keys(planned, spec, (args, request), slots, out)
    }

    /// A command whose keys are known.
    fn route_keys(
        &mut self,
        planned: &Planned,
        spec: &'static CommandSpec,
        (args, request): (Args<'_>, &[u8]),
        slots: KeySlots,
        out: &mut Vec<u8>,
    ) -> Step {
        let key = self.client.key();
        let wants_copy = self.wants_copy(spec, slots);
        if self.client.session.is_special() {
            if wants_copy {
                self.note_copy();
            }
            if is_script(spec) {
                self.remember_sent(spec, args);
            }
        }
        if self.client.session.guarded
            && let Some(error) = sort_refusal(&self.client.session, spec, args)
        {
            return self.answer_error(spec, &error, out);
        }
        let Client { session, pending, .. } = &*self.client;
        let Some(Ring { plane, view }) = &self.ring else { return Step::Done };
        if let KeySlots::One(slot) = slots
            && !pending.is_empty()
            && pending.has(slot)
        {
            if spec.full_name == "watch" || spec.flags.contains(Flags::BLOCKING) {
                // It is no part of another unit: its reply is not the client's.
                return Step::Held(Park::Replies);
            }
            return self.join_unit(key, slot, spec, args, request, out);
        }
        let may_gather = session.hops == 0 && Gathering::may(spec);
        let ask = Ask::new(session.port, spec, slots, wants_copy, may_gather);
        match route::decide(view, self.instance.cluster.routes(), ask) {
            route::Verdict::Local => self.run_local(planned, spec, args, slots, out),
            route::Verdict::Scatter => self.scatter(planned, spec, args, out),
            route::Verdict::Forward(_) | route::Verdict::Wait(_) => {
                let (KeySlots::One(slot) | KeySlots::Many(slot)) = slots else {
                    return Step::Done;
                };
                if let Some(park) = self.pause(spec, args) {
                    return Step::Held(park);
                }
                if plane.is_full(self.instance) {
                    return self.answer_error(spec, &FULL, out);
                }
                if session.hops >= FORWARD_HOPS_MAX {
                    return self.answer_error(spec, &ROUND, out);
                }
                if spec.flags.contains(Flags::BLOCKING)
                    && let Some(step) = self.forward_blocking(slot, spec, args, out)
                {
                    return step;
                }
                if spec.full_name == "watch" {
                    self.watch_elsewhere(spec, args, slot, out);
                } else {
                    self.forward(key, slot, spec, args, request, out);
                }
                Step::Done
            }
            verdict => match verdict.error(view, self.client.session.transport) {
                Some(error) => self.answer_error(spec, &error, out),
                None => self.run_here(planned, spec, args, out),
            },
        }
    }

    /// Whether a copy on this node may answer.
    fn wants_copy(&self, spec: &CommandSpec, slots: KeySlots) -> bool {
        // Who waits at a copy would be served by nobody.
        if spec.may_write || spec.flags.contains(Flags::BLOCKING) {
            return false;
        }
        let session = &self.client.session;
        // A copy may know less than the primary did when the keys were watched: what is decided by such a read would pass for unchanged.
        if session.watching.is_some() {
            return false;
        }
        if session.reads_copies && session.port == Port::Cluster {
            return true;
        }
        match (session.consistency().read_level(&self.instance.settings), slots, &self.ring) {
            (ReadLevel::Any, ..) => true,
            // Of a session that has written to too many slots nothing is known that a copy could be held against.
            (ReadLevel::Session, KeySlots::One(slot), Some(ring)) => {
                let replication = &ring.plane.replication;
                session.seen.bound().is_none()
                    && session.seen.of(slot).all(|version| replication.covers(slot, version))
            }
            _ => false,
        }
    }

    /// A command of a slot in which the client has something under way already: it goes along with that if both are of this batch, else it waits.
    fn join_unit(
        &mut self,
        key: ClientKey,
        slot: Slot,
        spec: &'static CommandSpec,
        args: Args<'_>,
        request: &[u8],
        out: &mut Vec<u8>,
    ) -> Step {
        if let Some(park) = self.pause(spec, args) {
            return Step::Held(park);
        }
        let muted = is_muted(&self.client.session);
        let instance = self.instance;
        let Client { session, replies, mark, .. } = &mut *self.client;
        let Some(Ring { plane, .. }) = &mut self.ring else { return Step::Done };
        let pace = Pace::of(spec, key);
        let joined = plane.extend(key, slot, session, pace, |unit| {
            if let Sink::Client(_, holes) = &mut unit.sink {
                holes.push((!muted).then(|| replies.reserve(out, mark)));
            }
            push_request(instance, spec, args, request, &mut unit.commands);
            unit.count += 1;
            unit.writes |= !spec.flags.contains(Flags::READONLY);
        });
        if joined {
            self.client.session.command = Some(spec.id);
            Step::Done
        } else {
            Step::Held(Park::Replies)
        }
    }

    /// Sends a command to whoever serves `slot`, now or when somebody does.
    fn forward(
        &mut self,
        key: ClientKey,
        slot: Slot,
        spec: &'static CommandSpec,
        args: Args<'_>,
        request: &[u8],
        out: &mut Vec<u8>,
    ) {
        let hole = self.hole(out);
        let mut commands = Vec::new();
        push_request(self.instance, spec, args, request, &mut commands);
        let session = self.snapshot();
        let unit = Unit {
            target: Target::Slot(slot),
            sink: Sink::Client(key, vec![hole]),
            commands,
            count: 1,
            writes: !spec.flags.contains(Flags::READONLY),
            blocking: false,
            blocked: None,
            redirects: self.client.session.redirects(),
            session,
            refreshed: false,
            pace: Pace::of(spec, key),
            deadline: self.deadline(),
            attempts: 0,
            trouble: Trouble::None,
        };
        self.client.session.command = Some(spec.id);
        self.client.pending.add(&[slot.index() as u16], false);
        if let Some(Ring { plane, view }) = &mut self.ring {
            plane.start(self.instance, view, unit);
        }
    }

    /// Takes a command apart by slot; if this node serves all of its slots, it runs here as a whole.
    fn scatter(
        &mut self,
        planned: &Planned,
        spec: &'static CommandSpec,
        args: Args<'_>,
        out: &mut Vec<u8>,
    ) -> Step {
        let Ok(positions) = key_positions(spec, &args) else {
            return self.run_here(planned, spec, args, out);
        };
        let routes = self.instance.cluster.routes();
        let slots = || positions.iter().map(|key| slot_of(&args[key.index]));
        let pending = &self.client.pending;
        if !pending.is_empty() && slots().any(|slot| pending.has(slot)) {
            return Step::Held(Park::Replies);
        }
        let reads_majority = self.reads_majority(spec);
        if !reads_majority && slots().all(|slot| routes.get(slot) == route::Route::Serve) {
            let step = self.run_local(planned, spec, args, KeySlots::None, out);
            positions.iter().for_each(|key| self.note_read(slot_of(&args[key.index])));
            return step;
        }
        if let Some(park) = self.pause(spec, args) {
            return Step::Held(park);
        }
        let gathering = match Gathering::of(spec, args, self.client.session.db) {
            Ok(Some(gathering)) => gathering,
            Ok(None) => return self.answer_error(spec, &WireError::CrossSlot, out),
            Err(error) => return self.answer_error(spec, &error, out),
        };
        let slots = tracked_slots(spec, args);
        if let Some(error) = self.no_room_for_job() {
            return self.answer_error(spec, &error, out);
        }
        self.client.session.command = Some(spec.id);
        let begin = self.begin_job(out);
        self.client.pending.add(slots.as_deref().unwrap_or_default(), slots.is_none());
        if let Some(Ring { plane, view }) = &mut self.ring {
            plane.gather(self.instance, view, begin, (gathering, spec, args), slots);
        }
        Step::Done
    }

    /// A command without keys: most concern the connection or this node, some all nodes.
    fn route_keyless(
        &mut self,
        planned: &Planned,
        spec: &'static CommandSpec,
        args: Args<'_>,
        out: &mut Vec<u8>,
    ) -> Step {
        let session = &self.client.session;
        let covers_ring = session.port == Port::Plain && session.hops == 0;
        let wide = match spec.full_name {
            "wait" | "waitaof" => return self.wait(spec, args, covers_ring, out),
            // What other nodes are doing for the client is part of what it has seen, and of its own session alone.
            "client|token" if !self.client.pending.is_empty() => {
                return Step::Held(Park::Replies);
            }
            "subscribe" | "psubscribe" => {
                return self.run_told(About::Subscriptions, planned, spec, args, out);
            }
            "function|load" | "function|delete" | "function|flush" | "function|restore" => {
                return self.run_told(About::Libraries, planned, spec, args, out);
            }
            "client|tracking" => {
                return self.run_told(About::Tracking, planned, spec, args, out);
            }
            "ssubscribe" | "sunsubscribe" | "spublish" => {
                return self.route_shard(planned, spec, args, out);
            }
            _ if !covers_ring => return self.run_here(planned, spec, args, out),
            "scan" => return self.scan(planned, spec, args, out),
            "dbsize" => Wide::Sum,
            "keys" => Wide::List,
            "randomkey" => Wide::Pick,
            "flushall" | "flushdb" => Wide::Flush,
            "script|load" | "script|flush" => Wide::Same,
            _ => return self.run_here(planned, spec, args, out),
        };
        if !self.client.pending.is_empty() {
            return Step::Held(Park::Replies);
        }
        if let Some(park) = self.pause(spec, args) {
            return Step::Held(park);
        }
        let mut command = Vec::new();
        push_command(args.iter(), &mut command);
        if wide == Wide::Pick {
            push_command([&b"DBSIZE"[..]].into_iter(), &mut command);
        }
        self.ask_all(spec, wide, command, self.deadline(), out)
    }

    /// A command about shard channels: by the plain port they are like any channel, by the cluster port each belongs to the node that serves its slot. While a slot
    /// is on its way they stay where they are, as in Redis.
    fn route_shard(
        &mut self,
        planned: &Planned,
        spec: &'static CommandSpec,
        args: Args<'_>,
        out: &mut Vec<u8>,
    ) -> Step {
        if let (Port::Cluster, Some(Ring { view, .. })) = (self.client.session.port, &self.ring) {
            let names = if spec.full_name == "spublish" { 1 } else { args.len() - 1 };
            let slots = KeySlots::of_keys(args.from(1).iter().take(names));
            let ask = Ask::new(Port::Cluster, spec, slots, false, false);
            let verdict = route::decide(view, self.instance.cluster.routes(), ask);
            if let Some(error) = verdict.error(view, self.client.session.transport) {
                return self.answer_error(spec, &error, out);
            }
        }
        if spec.full_name == "ssubscribe" {
            return self.run_told(About::Subscriptions, planned, spec, args, out);
        }
        self.run_here(planned, spec, args, out)
    }

    /// Runs here what other nodes are to hear of; the client is told that it is done once they have. By then messages of its channels come from everywhere, its libraries are
    /// wherever its next FCALL may run, and all nodes tell what they change of what it reads: none of its commands runs before that.
    fn run_told(
        &mut self,
        about: About,
        planned: &Planned,
        spec: &'static CommandSpec,
        args: Args<'_>,
        out: &mut Vec<u8>,
    ) -> Step {
        let position = out.len();
        let step = match about {
            // Commands about libraries write, but to no slot: there are no copies to wait for.
            About::Libraries => self.checked_apart(planned, spec, args, out),
            About::Subscriptions | About::Tracking => self.run_here(planned, spec, args, out),
        };
        // Whoever does not track by now has nothing to miss.
        let is_wanted = about != About::Tracking || self.client.session.tracked().is_some();
        if let Some(change) = about.unheard(self.instance)
            && is_wanted
        {
            self.hold_untold(about, change, &step, position, out);
        }
        step
    }

    /// Keeps the reply from `position` on until the other nodes have heard of `change`. An error says that nothing changed, and where nobody is answered, nobody waits.
    fn hold_untold(
        &mut self,
        about: About,
        change: u64,
        step: &Step,
        position: usize,
        out: &mut Vec<u8>,
    ) {
        let changed = out.get(position).is_some_and(|&first| first != b'-');
        let is_done = matches!(step, Step::Done | Step::Stop(Verdict::More));
        let muted = is_muted(&self.client.session);
        // What is read next must not be read too early, whether the client wants replies or not.
        let matters = about == About::Tracking || !muted;
        if !(changed && is_done && matters) {
            return;
        }
        if muted {
            out.truncate(position);
        }
        let key = self.client.key();
        let Client { replies, mark, .. } = &mut *self.client;
        let (hole, _) = replies.hold(out, position, mark, None);
        if about == About::Tracking {
            self.client.expect(Expected::nothing(hole));
        }
        if let Some(Ring { plane, .. }) = &mut self.ring {
            plane.hold_untold(about, change, key, hole);
        }
    }

    fn ask_all(
        &mut self,
        spec: &'static CommandSpec,
        wide: Wide,
        command: Vec<u8>,
        deadline: Duration,
        out: &mut Vec<u8>,
    ) -> Step {
        if let Some(error) = self.no_room_for_job() {
            return self.answer_error(spec, &error, out);
        }
        self.client.session.command = Some(spec.id);
        let begin = Begin { deadline, ..self.begin_job(out) };
        self.client.pending.add(&[], true);
        if let Some(Ring { plane, .. }) = &mut self.ring {
            plane.ask_all(self.instance, begin, wide, command);
        }
        Step::Done
    }

    /// SCAN goes to whoever serves the slot that the cursor stands in.
    fn scan(
        &mut self,
        planned: &Planned,
        spec: &'static CommandSpec,
        args: Args<'_>,
        out: &mut Vec<u8>,
    ) -> Step {
        let Some(slot) = cursor_slot(&args[1]) else {
            return self.run_here(planned, spec, args, out);
        };
        if !self.client.pending.is_empty() {
            return Step::Held(Park::Replies);
        }
        self.route_keys(planned, spec, (args, b""), KeySlots::One(slot), out)
    }

    /// WAIT and WAITAOF, for everything that the session has written.
    fn wait(
        &mut self,
        spec: &'static CommandSpec,
        args: Args<'_>,
        covers_ring: bool,
        out: &mut Vec<u8>,
    ) -> Step {
        if !self.client.pending.is_empty() {
            return Step::Held(Park::Replies);
        }
        let (counted, arguments) = match spec.full_name {
            "wait" => (Counted::Wait, wait_arguments(args)),
            _ => (Counted::WaitAof, waitaof_arguments(args)),
        };
        let (replicas, timeout_ms) = match arguments {
            Ok(arguments) => arguments,
            Err(error) => return self.answer_error(spec, &error, out),
        };
        let timeout_ms = if timeout_ms == 0 { WAIT_MS_MAX } else { timeout_ms.min(WAIT_MS_MAX) };
        if covers_ring && !self.client.session.seen.is_empty() {
            let seen = self.client.session.seen.clone();
            let deadline = self.deadline() + Duration::from_millis(timeout_ms);
            let mut command = Vec::new();
            push_command(args.iter(), &mut command);
            return self.ask_all(spec, Wide::Least(counted, seen), command, deadline, out);
        }
        let copies = u32::try_from(replicas.max(0)).unwrap_or(u32::MAX).saturating_add(1);
        let timeout = Duration::from_millis(timeout_ms);
        let Some(Ring { plane, .. }) = &mut self.ring else { return Step::Done };
        let seen = &self.client.session.seen;
        let writes: Vec<_> = match seen.bound() {
            Some(bound) => plane.replication.written_before(bound),
            None => seen.slots().collect(),
        };
        self.client.session.command = Some(spec.id);
        match plane.replication.count(&writes, copies, timeout) {
            Held::Enough => out.extend_from_slice(&counted.reply(copies - 1)),
            Held::Never { applied, .. } => {
                out.extend_from_slice(&counted.reply(applied.saturating_sub(1)));
            }
            Held::Later { waiter, wanted } => {
                let key = self.client.key();
                let hole = self.client.reserve(out);
                self.client.pending.add(&[], true);
                plane.hold_count(waiter, wanted, timeout, (key, hole), counted);
            }
        }
        Step::Done
    }

    /// Whether a majority is to be asked before the command runs.
    fn reads_majority(&self, spec: &CommandSpec) -> bool {
        let consistency = self.client.session.consistency();
        self.ring.is_some()
            && spec.has_keys()
            && !spec.may_write
            && consistency.read_level(&self.instance.settings) == ReadLevel::Quorum
    }

    /// Runs a command on this node's copy: after a majority was asked for it (R=quorum), and not answered before enough copies have it (W).
    fn run_local(
        &mut self,
        planned: &Planned,
        spec: &'static CommandSpec,
        args: Args<'_>,
        slots: KeySlots,
        out: &mut Vec<u8>,
    ) -> Step {
        if self.reads_majority(spec)
            && let KeySlots::One(slot) = slots
            && let Some(step) = self.refresh(slot, spec, args, out)
        {
            return step;
        }
        let step = self.run_here(planned, spec, args, out);
        if let KeySlots::One(slot) = slots
            && !spec.may_write
        {
            self.note_read(slot);
        }
        step
    }

    /// What a session reads it has seen: no copy that knows less may answer it any more (R=session).
    fn note_read(&mut self, slot: Slot) {
        let consistency = self.client.session.consistency();
        if consistency.read_level(&self.instance.settings) == ReadLevel::Session
            && let Some(Ring { plane, .. }) = &self.ring
        {
            for version in plane.replication.standing(slot) {
                self.client.note_written(slot.index() as u16, version.get());
            }
        }
    }

    /// Asks a majority what it knows of the slot first. `None` if that is done, or need not be.
    fn refresh(
        &mut self,
        slot: Slot,
        spec: &'static CommandSpec,
        args: Args<'_>,
        out: &mut Vec<u8>,
    ) -> Option<Step> {
        let Some(Ring { plane, .. }) = &mut self.ring else { return None };
        match plane.replication.refresh(slot) {
            Held::Enough => None,
            Held::Never { applied, wanted } => {
                let error = no_quorum_read(applied, wanted);
                Some(self.answer_error(spec, &error, out))
            }
            Held::Later { waiter, wanted } => {
                let (key, hole) = (self.client.key(), self.hole(out));
                let mut commands = Vec::new();
                push_command(args.iter(), &mut commands);
                let unit = Unit {
                    target: Target::Slot(slot),
                    sink: Sink::Client(key, vec![hole]),
                    commands,
                    count: 1,
                    writes: false,
                    blocking: false,
                    blocked: None,
                    redirects: None,
                    session: self.snapshot(),
                    refreshed: false,
                    pace: Pace::of(spec, key),
                    deadline: self.deadline(),
                    attempts: 0,
                    trouble: Trouble::None,
                };
                self.client.pending.add(&[slot.index() as u16], false);
                if let Some(Ring { plane, .. }) = &mut self.ring {
                    plane.hold_unit(waiter, wanted, unit);
                }
                Some(Step::Done)
            }
        }
    }

    /// Runs a command here and now; the reply to a write waits for as many copies as are demanded.
    fn run_here(
        &mut self,
        planned: &Planned,
        spec: &'static CommandSpec,
        args: Args<'_>,
        out: &mut Vec<u8>,
    ) -> Step {
        let position = out.len();
        let step = self.checked_apart(planned, spec, args, out);
        // Of a script on a lone node nobody knows whether it wrote.
        let writes = spec.flags.contains(Flags::WRITE) || (spec.may_write && self.ring.is_some());
        if writes && matches!(step, Step::Done) {
            self.hold_write(position, out);
        }
        step
    }

    // --- Small parts ----------------------------------------------------------------------------------------------------

    /// A place for the reply, if the client wants one.
    pub(super) fn hole(&mut self, out: &mut Vec<u8>) -> Option<HoleId> {
        (!is_muted(&self.client.session)).then(|| self.client.reserve(out))
    }

    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        let (session, settings) = (&self.client.session, &self.instance.settings);
        match &self.ring {
            Some(ring) => ring.plane.snapshot(session, settings),
            None => Arc::new(Snapshot::of(session, settings)),
        }
    }

    fn begin_job(&mut self, out: &mut Vec<u8>) -> Begin {
        let hole = self.hole(out);
        Begin { key: self.client.key(), hole, session: self.snapshot(), deadline: self.deadline() }
    }

    fn no_room_for_job(&self) -> Option<WireError> {
        let full = self.ring.as_ref().is_some_and(|ring| ring.plane.is_full(self.instance));
        full.then_some(FULL)
    }

    /// When what begins now is given up. What waits for copies where it runs gets the time for that on top.
    pub(super) fn deadline(&self) -> Duration {
        let settings = &self.instance.settings;
        let consistency = self.client.session.consistency();
        let mut ms = settings.forward_timeout().max(1) as u64;
        if consistency.write_level(settings) != WriteLevel::Copies(1) {
            ms = ms.saturating_add(consistency.write_timeout_ms(settings));
        }
        let now = self.ring.as_ref().map_or(Duration::ZERO, |ring| ring.plane.now());
        now + Duration::from_millis(ms)
    }

    pub(super) fn answer_error(
        &mut self,
        spec: &'static CommandSpec,
        error: &WireError,
        out: &mut Vec<u8>,
    ) -> Step {
        self.client.session.command = Some(spec.id);
        self.instance.stats.worker(self.worker).rejected(spec.id);
        self.error(error, out);
        Step::Done
    }
}

pub(super) const FULL: WireError = WireError::fixed(
    "TRYAGAIN Too many requests wait for other nodes (forward-requests-max); nothing was changed",
);
pub(super) const ROUND: WireError =
    WireError::fixed("TRYAGAIN Nodes do not agree yet on who serves the slot; nothing was changed");

pub(super) fn is_muted(session: &Session) -> bool {
    matches!(session.mute, Mute::This | Mute::All)
}

/// Appends a request as it came where it came in RESP, else its words. A script goes with its text if this node knows it, for the other may not: it may have come later.
fn push_request(
    instance: &Instance,
    spec: &CommandSpec,
    args: Args<'_>,
    request: &[u8],
    out: &mut Vec<u8>,
) {
    if spec.acl.contains(Categories::SCRIPTING)
        && spec.name.starts_with("evalsha")
        && let Some(script) = name_of(&args[1]).and_then(|sha| instance.scripts.find(&sha))
    {
        let name: &[u8] = if spec.name == "evalsha" { b"EVAL" } else { b"EVAL_RO" };
        let words = [name, &*script.body].into_iter().chain(args.from(2).iter());
        let words: Vec<&[u8]> = words.collect();
        push_command(words.into_iter(), out);
    } else if matches!(request, [b'*', b'1'..=b'9', ..]) {
        out.extend_from_slice(request);
    } else {
        push_command(args.iter(), out);
    }
}
