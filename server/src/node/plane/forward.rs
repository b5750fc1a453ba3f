//! Messages to other nodes: gathered by owner, sent, answered, tried again.
//!
//! ```text
//!   unit ── dispatch ──▶ building ── flush ──▶ ticket ──▶ Send
//!            ▲  │ nobody serves it, or who       │
//!            │  │ does cannot be reached          │
//!            │  ├──▶ waiting ◀── not reachable ───┤
//!            ├──┘                                 ├─ replies ─────────────────────▶ answers
//!            └─ retries ◀── refused, or no room ──┤
//!                     ▲───── lost, and reads only ┘─ may have been run, and writes ─▶ an error that says so
//! ```
//!
//! What surely was not run is never answered with an error before its deadline: somebody will serve its slot.

use super::flow::Flow;
use super::guests::{GOES_BY_RULES, told};
use super::pieces::Parts;
use super::unit::{Pace, Sink, Snapshot, Target, Trouble, Unit};
use super::{Answer, Plane, Timer, error_bytes, member_name, resp};
use crate::admin::Instance;
use crate::base::limits::{FORWARD_BACKOFF_MAX_MS, FORWARD_BACKOFF_MS, FORWARD_HOPS_MAX};
use crate::cluster::route::{self, Route};
use crate::cluster::view::MemberIndex;
use crate::cluster::{NodeId, View};
use crate::node::link::{RequestError, Why};
use crate::node::replies::Fill;
use std::sync::Arc;
use std::time::Duration;
use torc_protocol::WireError;
use torc_protocol::peer::request::{COMMANDS_MAX, ReadLevel, Request, Response, response_flags};
use torc_protocol::slot::Slot;

/// A client who may not do everything, and a node that would let it.
const NO_USERS: WireError = WireError::fixed(
    "ERR the node that serves the keys knows no users yet, for it is of an older version",
);

/// A message for another node: the payload of a request frame.
#[derive(Debug)]
pub struct Send {
    /// To whom.
    pub to: NodeId,
    /// What the response or the failure is to be told by.
    pub ticket: u64,
    /// The slot that it concerns, if it is one.
    pub slot: Option<Slot>,
    /// When it is given up, in monotonic time.
    pub deadline: Duration,
    /// Whether it is expected to wait.
    pub blocking: bool,
    /// The bytes.
    pub payload: Vec<u8>,
}

/// Why a message has no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It was not sent: it waited too long for a connection.
    Unsent,
    /// It was not sent: the link has no room for it.
    Busy,
    /// It was not sent: the node failed too often of late, or is no member.
    Unreachable,
    /// It was not sent: it is longer than a frame may be.
    TooLong,
    /// The connection ended after it was sent.
    Lost,
    /// No response came in time.
    TimedOut,
}

impl Failure {
    /// What the node did, for people.
    fn what(self) -> &'static str {
        match self {
            Failure::TimedOut => "did not answer in time",
            _ => "broke the connection",
        }
    }
}

impl From<Why> for Failure {
    fn from(why: Why) -> Self {
        match why {
            Why::TimedOutUnsent => Failure::Unsent,
            Why::TimedOut => Failure::TimedOut,
            Why::Lost => Failure::Lost,
            Why::Unreachable => Failure::Unreachable,
        }
    }
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Open | RequestError::Ended => Failure::Unreachable,
            RequestError::Full => Failure::Busy,
            RequestError::PastDeadline => Failure::Unsent,
            RequestError::TooLong => Failure::TooLong,
        }
    }
}

/// Units whose deadlines lie no further apart may share a message, and the earliest of the deadlines.
const TOGETHER: Duration = Duration::from_millis(50);

/// Units for one node that are to go together.
#[derive(Debug)]
pub(super) struct Building {
    to: MemberIndex,
    units: Vec<Unit>,
}

/// A message under way.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) to: MemberIndex,
    /// The same as a node; none if it is this one.
    pub(super) node: Option<NodeId>,
    pub(super) units: Vec<Unit>,
    pub(super) deadline: Duration,
    /// Where a ticket for this node itself keeps its payload until it runs.
    pub(super) payload: Option<Vec<u8>>,
    /// What came of its response so far, if that comes in several frames.
    pub(super) parts: Option<Box<Parts>>,
    /// How far its clients were given of that, if they do not wait for the end.
    pub(super) flow: Option<Box<Flow>>,
}

impl Plane {
    /// Adds a command to the unit that is being built for the same client, session and slot. Gives `false` if there is none.
    pub(in crate::node) fn extend(
        &mut self,
        key: super::ClientKey,
        slot: Slot,
        session: &crate::command::Session,
        pace: Pace,
        add: impl FnOnce(&mut Unit),
    ) -> bool {
        let mut units = self.building.iter_mut().flat_map(|building| &mut building.units);
        let same = units.find(|unit| {
            let is_of = matches!(&unit.sink, Sink::Client(other, _) if *other == key);
            is_of && unit.target == Target::Slot(slot) && unit.session.is_of(session)
        });
        let Some(unit) = same.filter(|unit| unit.count < COMMANDS_MAX) else { return false };
        let Some(pace) = unit.pace.joined(pace) else { return false };
        unit.pace = pace;
        let before = unit.commands.len();
        add(unit);
        self.unit_bytes += unit.commands.len() - before;
        true
    }

    /// The snapshot of `session` that an earlier command of the batch made, or a new one.
    pub(in crate::node) fn snapshot(
        &self,
        session: &crate::command::Session,
        settings: &crate::config::Settings,
    ) -> Arc<Snapshot> {
        let mut units = self.building.iter().flat_map(|building| &building.units);
        let same = units.find(|unit| unit.session.is_of(session));
        same.map_or_else(|| Arc::new(Snapshot::of(session, settings)), |unit| unit.session.clone())
    }

    /// Takes a new unit on, and puts it on its way.
    pub(in crate::node) fn start(&mut self, instance: &Instance, view: &View, unit: Unit) {
        self.unit_bytes += unit.commands.len();
        self.blocked_units += usize::from(unit.blocked.is_some());
        self.dispatch(instance, view, unit);
    }

    /// A unit is no more.
    pub(super) fn ended(&mut self, unit: &Unit) {
        self.unit_bytes -= unit.commands.len();
        self.blocked_units -= usize::from(unit.blocked.is_some());
    }

    /// Puts a unit on its way to whoever is to run it now. Goes out with [`Plane::flush`].
    pub(super) fn dispatch(&mut self, instance: &Instance, view: &View, mut unit: Unit) {
        let to = match unit.target {
            Target::Node(index) => index,
            Target::Slot(slot) => match instance.cluster.routes().get(slot) {
                Route::Serve => view.me(),
                Route::Forward(index) if index != view.me() && view.member(index).is_some() => {
                    if let Some(transport) = unit.redirects
                        && route::redirects(view, slot, index)
                    {
                        let error = route::Verdict::Moved(slot, index).error(view, transport);
                        return self.fail(unit, &error.unwrap_or(WireError::SlotDown));
                    }
                    let owner = self.hints.resolve(view, slot, index);
                    if view.member(owner).is_some_and(|it| it.alive) { owner } else { index }
                }
                Route::Forward(_) | Route::Wait => {
                    unit.trouble = Trouble::Moving;
                    return self.wait(unit, None);
                }
                Route::Down => return self.fail(unit, &WireError::SlotDown),
            },
        };
        if to != view.me() && unit.session.hops >= FORWARD_HOPS_MAX {
            // It went round: nodes do not agree on who serves the slot. A moment later they will.
            unit.trouble = Trouble::Moving;
            return self.later(view, unit);
        }
        if view.member(to).is_none() || self.is_closed(to) {
            unit.trouble = Trouble::Unreachable(to);
            return self.wait(unit, Some(to));
        }
        self.build(view, to, unit);
    }

    /// Adds a unit to a message for `to`.
    pub(super) fn build(&mut self, view: &View, to: MemberIndex, unit: Unit) {
        if unit.deadline <= self.now {
            return self.out_of_time(view, unit);
        }
        let Some(mut unit) = self.renew(unit) else { return };
        unit.trouble = Trouble::None;
        let room = |building: &&mut Building| {
            let first = &building.units[0];
            // One slot that went elsewhere refuses a whole message: what comes back goes slot by slot, so that each hears of its own.
            let is_first = first.attempts == 0 && unit.attempts == 0;
            building.to == to
                && (is_first || first.target == unit.target)
                && first.session == unit.session
                && first.blocking == unit.blocking
                // What waits is waited for by nobody else.
                && first.blocked.is_none()
                && unit.blocked.is_none()
                && first.refreshed == unit.refreshed
                // A client that takes its time keeps nobody else waiting.
                && first.pace == unit.pace
                && (unit.pace != Pace::Taken || first.is_for_client_of(&unit))
                // They share a deadline, so that one that waited long is not to go with those that did not.
                && first.deadline.abs_diff(unit.deadline) <= TOGETHER
                && building.units.iter().map(|unit| unit.count).sum::<u32>() + unit.count
                    <= COMMANDS_MAX
        };
        match self.building.iter_mut().find(room) {
            Some(building) => building.units.push(unit),
            None => self.building.push(Building { to, units: vec![unit] }),
        }
    }

    /// Sends what was dispatched: one message for each node and session.
    pub(in crate::node) fn flush(&mut self, view: &View) {
        for Building { to, units } in std::mem::take(&mut self.building) {
            let number = self.number();
            let deadline = units.iter().map(|unit| unit.deadline).min().unwrap_or(self.now);
            let knows_users = to == view.me()
                || view.member(to).is_none_or(|it| it.features & GOES_BY_RULES != 0);
            if !knows_users && units[0].session.login.is_some() {
                units.into_iter().for_each(|unit| self.fail(unit, &NO_USERS));
                continue;
            }
            let Some(payload) = self.encode(&units, deadline, to == view.me()) else {
                let error = WireError::fixed("ERR request is too long to be forwarded");
                units.into_iter().for_each(|unit| self.fail(unit, &error));
                continue;
            };
            let slot = only_slot(&units);
            let blocking = units.iter().any(|unit| unit.blocking);
            let commands: u32 = units.iter().map(|unit| unit.count).sum();
            let node = view.member(to).filter(|_| to != view.me()).map(|member| member.id);
            let mut ticket =
                Ticket { to, node, units, deadline, payload: None, parts: None, flow: None };
            self.timers.insert((deadline, Timer::Ticket(number)));
            if to == view.me() {
                ticket.payload = Some(payload);
                self.own.push_back(number);
            } else if let Some(to) = node {
                self.stats.messages_sent += 1;
                self.stats.commands_forwarded += u64::from(commands);
                self.sends.push_back(Send {
                    to,
                    ticket: number,
                    slot,
                    deadline,
                    blocking,
                    payload,
                });
            }
            self.tickets.insert(number, ticket);
        }
    }

    fn encode(&self, units: &[Unit], deadline: Duration, own: bool) -> Option<Vec<u8>> {
        let &Unit { ref session, refreshed, pace, .. } = units.first()?;
        let bytes: usize = units.iter().map(|unit| unit.commands.len()).sum();
        let mut commands = Vec::new();
        let commands = match units {
            [only] => only.commands.as_slice(),
            _ => {
                commands.reserve_exact(bytes);
                units.iter().for_each(|unit| commands.extend_from_slice(&unit.commands));
                commands.as_slice()
            }
        };
        let name = units[0].blocked.as_ref().map_or(0, |blocked| blocked.name).to_le_bytes();
        let writes = units.iter().any(|unit| unit.writes);
        let left_ms = deadline.saturating_sub(self.now).as_millis().max(1) as u64;
        let mut payload = Vec::with_capacity(bytes + 64);
        let (user, rules) = told(session.login.as_ref());
        let request = Request {
            protocol: session.protocol,
            db: u16::from(session.db),
            command_count: units.iter().map(|unit| unit.count).sum(),
            write: session.write,
            read: if own && refreshed { ReadLevel::Primary } else { session.read },
            deadline_ms: if writes { session.write_timeout_ms.min(left_ms) } else { left_ms },
            hops: session.hops.saturating_add(u8::from(!own)),
            flags: session.flags(),
            client_name: if name == [0; 8] { b"" } else { &name },
            token: &session.token,
            user,
            rules: &rules,
            author: session.author,
            window: if pace == Pace::Taken { self.window } else { 0 },
            commands,
        };
        request.encode(&mut payload).ok().map(|()| payload)
    }

    /// A response came.
    pub(super) fn responded(
        &mut self,
        instance: &Instance,
        number: u64,
        flags: u8,
        payload: &[u8],
    ) {
        // Whoever is in a ring stays in it, so there is a view.
        let Some(view) = instance.cluster.view() else { return };
        let Some(mut ticket) = self.take_ticket(number) else { return };
        self.reopen(instance, &view, ticket.to);
        if ticket.flow.is_some() {
            return self.end_flow(&view, number, ticket, flags, payload);
        }
        let Ok(response) = Response::decode(payload) else {
            return self.may_have_run(&view, ticket, "sent a malformed response", Trouble::Lost);
        };
        if flags & response_flags::NOT_RUN != 0 {
            let busy = flags & response_flags::BUSY != 0;
            let trouble = if busy { Trouble::Busy } else { Trouble::Moving };
            if let Some(slot) = only_slot(&ticket.units).filter(|_| !busy) {
                self.learn(instance, &view, slot, ticket.to, response.owner.map(NodeId));
            }
            for mut unit in ticket.units {
                unit.trouble = trouble;
                // Whoever took it back is answered, and whoever has no time left.
                let Some(unit) = self.renew(unit) else { continue };
                self.refused(instance, &view, ticket.to, unit);
            }
            return;
        }
        let versions = versions_in(&ticket.units, &response);
        let mut in_parts = ticket.parts.take().map(|mut parts| {
            parts.take(response.replies.to_vec());
            parts.into_replies()
        });
        let mut at_once = resp::replies(response.replies).map(|reply| Fill::Bytes(reply.to_vec()));
        let mut units = ticket.units.into_iter();
        while let Some(unit) = units.next() {
            let count = unit.count as usize;
            let own: Vec<Fill> = match &mut in_parts {
                Some(replies) => replies.take(count).collect(),
                None => at_once.by_ref().take(count).collect(),
            };
            if own.len() < unit.count as usize {
                let units = std::iter::once(unit).chain(units).collect();
                let ticket = Ticket { units, ..ticket };
                return self.may_have_run(&view, ticket, "sent too few replies", Trouble::Lost);
            }
            let versions = versions_of(&unit, &versions);
            self.deliver(unit, own, versions);
        }
    }

    /// The message will have no response.
    pub(super) fn failed(&mut self, instance: &Instance, number: u64, failure: Failure) {
        let Some(view) = instance.cluster.view() else { return };
        let Some(mut ticket) = self.take_ticket(number) else { return };
        if ticket.flow.is_some() {
            return self.break_flow(&view, ticket, failure.what());
        }
        // Whoever took it back is answered, and whoever has no time left.
        ticket.units = ticket.units.into_iter().filter_map(|unit| self.renew(unit)).collect();
        match failure {
            Failure::Unsent | Failure::Busy => {
                let busy = failure == Failure::Busy;
                for mut unit in ticket.units {
                    unit.trouble = if busy { Trouble::Busy } else { Trouble::Lost };
                    self.refused(instance, &view, ticket.to, unit);
                }
            }
            Failure::Unreachable => {
                self.close(ticket.to);
                for mut unit in ticket.units {
                    unit.trouble = Trouble::Unreachable(ticket.to);
                    // Somebody else may serve it by now.
                    match self.serves_now(instance, &unit) {
                        Some(index) if index != ticket.to => {
                            self.refused(instance, &view, ticket.to, unit);
                        }
                        _ => self.wait(unit, Some(ticket.to)),
                    }
                }
            }
            Failure::TooLong => {
                let error = WireError::fixed("ERR request is too long to be forwarded");
                ticket.units.into_iter().for_each(|unit| self.fail(unit, &error));
            }
            Failure::Lost => self.may_have_run(&view, ticket, failure.what(), Trouble::Lost),
            Failure::TimedOut => self.timed_out(&view, ticket),
        }
    }

    /// The deadline of a message has passed.
    pub(super) fn ticket_over(&mut self, view: &View, number: u64) {
        if let Some(ticket) = self.tickets.remove(&number) {
            self.timed_out(view, ticket);
        }
    }

    fn timed_out(&mut self, view: &View, ticket: Ticket) {
        let name = member_name(view, ticket.to);
        for unit in ticket.units {
            let error = too_late(&name, Failure::TimedOut.what(), unit.writes);
            self.fail(unit, &error);
        }
    }

    /// It may have been run or not: what only reads is asked again.
    fn may_have_run(&mut self, view: &View, ticket: Ticket, what: &str, trouble: Trouble) {
        let name = member_name(view, ticket.to);
        for mut unit in ticket.units {
            let waits = unit.blocked.is_some();
            if unit.writes && !waits {
                self.fail(unit, &too_late(&name, what, true));
            } else {
                unit.trouble = trouble;
                let Some(unit) = self.renew(unit) else { continue };
                self.later(view, unit);
            }
        }
    }

    /// `by` does not serve `slot`, and says who does.
    fn learn(
        &mut self,
        instance: &Instance,
        view: &View,
        slot: Slot,
        by: MemberIndex,
        owner: Option<NodeId>,
    ) {
        let owner = owner.and_then(|owner| view.find(owner)).map(|(index, _)| index);
        match (instance.cluster.routes().get(slot), owner) {
            (Route::Forward(routed), Some(owner)) if owner != by && owner != view.me() => {
                self.hints.learn(view, slot, routed, owner);
            }
            _ => self.hints.forget(slot),
        }
    }

    /// It was not run. Where the table names another node by now it goes there at once, else after a moment.
    fn refused(&mut self, instance: &Instance, view: &View, by: MemberIndex, mut unit: Unit) {
        let elsewhere = self.serves_now(instance, &unit).is_some_and(|index| index != by);
        // One of several slots of a message may be the reason: each is asked for again alone, at once.
        let is_shared = unit.attempts == 0 && unit.trouble == Trouble::Moving;
        if (elsewhere || is_shared) && unit.attempts == 0 && unit.deadline > self.now {
            unit.attempts = 1;
            self.stats.retries += 1;
            self.dispatch(instance, view, unit);
        } else {
            self.later(view, unit);
        }
    }

    fn serves_now(&self, instance: &Instance, unit: &Unit) -> Option<MemberIndex> {
        match unit.target {
            Target::Node(index) => Some(index),
            Target::Slot(slot) => match instance.cluster.routes().get(slot) {
                Route::Forward(index) => {
                    let view = instance.cluster.view()?;
                    Some(self.hints.resolve(&view, slot, index))
                }
                Route::Serve => instance.cluster.view().map(|view| view.me()),
                Route::Wait | Route::Down => None,
            },
        }
    }

    /// Tries a unit again after a wait, or ends it if its time is over.
    fn later(&mut self, view: &View, mut unit: Unit) {
        if unit.deadline <= self.now {
            return self.out_of_time(view, unit);
        }
        let step = FORWARD_BACKOFF_MS << unit.attempts.min(16);
        let step_us = step.min(FORWARD_BACKOFF_MAX_MS) * 1_000;
        let wait = Duration::from_micros(step_us / 2 + self.rng.below(step_us / 2 + 1));
        unit.attempts += 1;
        let time = (self.now + wait).min(unit.deadline);
        let number = self.number();
        self.timers.insert((time, Timer::Retry(number)));
        self.retries.insert(number, unit);
    }

    pub(super) fn try_again(&mut self, instance: &Instance, view: &View, number: u64) {
        let Some(unit) = self.retries.remove(&number) else { return };
        if unit.deadline <= self.now {
            return self.out_of_time(view, unit);
        }
        self.stats.retries += 1;
        self.dispatch(instance, view, unit);
    }

    /// Answers each command of a unit with an error.
    pub(in crate::node) fn fail(&mut self, unit: Unit, error: &WireError) {
        self.stats.failures += 1;
        self.ended(&unit);
        let bytes = error_bytes(error);
        match unit.sink {
            Sink::Job(job, part) => self.part_done(job, part, Err(bytes), Vec::new()),
            Sink::Client(key, holes) => self.answer_all(
                key,
                unit.target,
                holes.into_iter().map(|hole| (hole, Fill::Bytes(bytes.clone()))),
                Vec::new(),
            ),
        }
    }

    /// Hands a unit's replies to who is owed them.
    pub(super) fn deliver(&mut self, unit: Unit, replies: Vec<Fill>, versions: Vec<(u16, u64)>) {
        self.ended(&unit);
        match unit.sink {
            Sink::Job(job, part) => {
                let mut whole = Vec::new();
                replies.iter().for_each(|reply| reply.append_to(&mut whole));
                self.part_done(job, part, Ok(whole), versions);
            }
            Sink::Client(key, holes) => {
                self.answer_all(key, unit.target, holes.into_iter().zip(replies), versions);
            }
        }
    }

    pub(super) fn answer_all(
        &mut self,
        key: super::ClientKey,
        target: Target,
        replies: impl ExactSizeIterator<Item = (Option<super::HoleId>, Fill)>,
        mut versions: Vec<(u16, u64)>,
    ) {
        let last = replies.len().saturating_sub(1);
        for (index, (hole, fill)) in replies.enumerate() {
            let mut answer = Answer::new(key, hole, fill);
            if index == last {
                answer.versions = std::mem::take(&mut versions);
                match target {
                    Target::Slot(slot) => answer.slots.push(slot.index() as u16),
                    Target::Node(_) => answer.barrier = true,
                }
            }
            self.answer(answer);
        }
    }

    pub(super) fn take_ticket(&mut self, number: u64) -> Option<Ticket> {
        let ticket = self.tickets.remove(&number)?;
        self.timers.remove(&(ticket.deadline, Timer::Ticket(number)));
        Some(ticket)
    }
}

pub(super) fn too_late(name: &str, what: &str, writes: bool) -> WireError {
    let outcome = if writes { "the write may have been applied" } else { "nothing was changed" };
    WireError::Line(format!("TIMEOUT Node {name} {what}; {outcome}").into())
}

pub(super) fn unreachable(name: &str) -> WireError {
    WireError::Line(
        format!("UNREACHABLE Node {name} cannot be reached; nothing was changed").into(),
    )
}

/// The slot of all units, if it is one.
fn only_slot(units: &[Unit]) -> Option<Slot> {
    let Target::Slot(first) = units.first()?.target else { return None };
    units.iter().all(|unit| unit.target == Target::Slot(first)).then_some(first)
}

/// What the writes of `units` took, as the response says.
pub(super) fn versions_in(units: &[Unit], response: &Response<'_>) -> Vec<(u16, u64)> {
    let mut versions = decode_versions(response.versions);
    if let (Some(slot), true) = (only_slot(units), response.written != 0) {
        versions.push((slot.index() as u16, response.written));
    }
    versions
}

/// Those of `versions` that `unit` took.
pub(super) fn versions_of(unit: &Unit, versions: &[(u16, u64)]) -> Vec<(u16, u64)> {
    let is_its = |slot: u16| match unit.target {
        Target::Slot(own) => own.index() == usize::from(slot),
        Target::Node(_) => true,
    };
    versions.iter().copied().filter(|(slot, _)| is_its(*slot)).collect()
}

fn decode_versions(bytes: &[u8]) -> Vec<(u16, u64)> {
    let (entries, _) = bytes.as_chunks::<10>();
    let read = |&[s0, s1, ref version @ ..]: &[u8; 10]| {
        (u16::from_le_bytes([s0, s1]), u64::from_le_bytes(*version))
    };
    entries.iter().map(read).collect()
}
