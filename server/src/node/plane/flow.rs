//! Long responses that a client takes as they come.
//!
//! ```text
//!   origin                                                           responder
//!   ticket ────────────── request, with a window ─────────────────▶ visitor
//!     Parts ◀──── frames with MORE, no more than the window ──────────┘ ▲
//!       │ the window is full: a Flow                                    │
//!       ▼                                                               │
//!     Fill::Flow ─▶ the client's replies ─▶ sent ─▶ taken ── Taken ─────┘
//! ```
//!
//! While a response is shorter than its window nobody is answered before it is whole, so that it can be asked for again if it is lost in the middle. From then on the client has what came. If
//! the rest is lost it is cut off, for nothing else can follow half a reply; if the client goes, the responder is told that nobody wants the rest.
//!
//! A client takes its time. So from the beginning of the flow on no deadline ends it, but the link does, and that its client goes.
//!
//! **Invariant.** Of one response no more waits at the origin than its window and one frame. A message whose response may flow has one client. Each stretch is counted as taken once: when it
//! is sent, or when nobody wants it.

use super::forward::{Ticket, too_late, versions_in, versions_of};
use super::unit::{Pace, Sink};
use super::visit::{Origin, Visitor};
use super::{Answer, Plane, Timer, member_name};
use crate::admin::Instance;
use crate::cluster::{NodeId, View};
use crate::node::client::Client;
use crate::node::pipeline::WorkerState;
use crate::node::replies::{Fill, Stretch};
use torc_protocol::peer::request::{Response, Taken, response_flags};

/// How far a ticket's client was given its response.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// The reply that comes next, or the rest of it: the unit, and the place among its replies.
    unit: usize,
    reply: usize,
    /// Whether the client has the beginning of that reply.
    is_begun: bool,
    /// Bytes that were taken, and how many of these the responder knows of.
    taken: u64,
    told: u64,
}

/// Word for the node that writes a long response: the payload of a frame.
#[derive(Debug)]
pub struct Taking {
    /// To whom.
    pub to: NodeId,
    /// The request that it answers; see [`super::Send::ticket`].
    pub ticket: u64,
    /// What is to be said.
    pub taken: Taken,
}

impl Ticket {
    /// Whether as much of the response is here as may wait for the rest.
    pub(super) fn is_to_flow(&self, window: u64) -> bool {
        let is_paced = self.units.first().is_some_and(|unit| unit.pace == Pace::Taken);
        is_paced && self.parts.as_ref().is_some_and(|parts| parts.bytes() >= window)
    }

    /// Takes what came of the response apart, for the client.
    fn pour(&mut self, number: u64) -> Vec<Answer> {
        let Ticket { units, parts: Some(parts), flow: Some(flow), .. } = self else {
            return Vec::new();
        };
        let mut answers = Vec::new();
        for (pieces, is_last) in parts.drain() {
            // Of more replies than there were commands nobody hears.
            let Some(unit) = units.get(flow.unit) else { break };
            let Sink::Client(key, holes) = &unit.sink else { break };
            match holes.get(flow.reply).copied().flatten() {
                Some(hole) => {
                    let fill = Fill::Flow(Box::new(Stretch { ticket: number, pieces, is_last }));
                    answers.push(Answer::new(*key, Some(hole), fill));
                }
                None => flow.taken += pieces.iter().map(|piece| piece.len() as u64).sum::<u64>(),
            }
            flow.is_begun = !is_last;
            if is_last {
                flow.reply += 1;
                if flow.reply == unit.count as usize {
                    (flow.unit, flow.reply) = (flow.unit + 1, 0);
                }
            }
        }
        answers
    }
}

impl Plane {
    /// Sets how many bytes of one long response may wait for its client here.
    pub fn set_window(&mut self, bytes: u64) {
        self.window = bytes;
    }

    // --- The origin -----------------------------------------------------------------------------------------------------

    /// More of a response is here, which flows from now on if it did not.
    pub(super) fn flow(&mut self, number: u64) {
        let Some(ticket) = self.tickets.get_mut(&number) else { return };
        let begins = ticket.flow.is_none();
        if begins {
            ticket.flow = Some(Box::default());
            self.timers.remove(&(ticket.deadline, Timer::Ticket(number)));
        }
        for answer in ticket.pour(number) {
            self.answer(answer);
        }
        self.tell_taken(number, begins);
    }

    /// Tells the responder what was taken, if it is `due` or enough.
    fn tell_taken(&mut self, number: u64, due: bool) {
        let step = self.window / 4;
        let Some(ticket) = self.tickets.get_mut(&number) else { return };
        let Some(flow) = &mut ticket.flow else { return };
        if due || flow.taken - flow.told >= step {
            flow.told = flow.taken;
            let taken = Taken { bytes: flow.taken, unwanted: false };
            self.send_taken(number, taken);
        }
    }

    fn send_taken(&mut self, number: u64, taken: Taken) {
        match self.tickets.get(&number).and_then(|ticket| ticket.node) {
            Some(to) => self.takings.push_back(Taking { to, ticket: number, taken }),
            None => self
                .taken_of(&taken, |origin| matches!(origin, Origin::Ticket(of) if *of == number)),
        }
    }

    /// The last frame of a response that flows.
    pub(super) fn end_flow(
        &mut self,
        view: &View,
        number: u64,
        mut ticket: Ticket,
        flags: u8,
        payload: &[u8],
    ) {
        let was_run = flags & response_flags::NOT_RUN == 0;
        let Some(response) = Response::decode(payload).ok().filter(|_| was_run) else {
            return self.break_flow(view, ticket, "sent a malformed response");
        };
        if let Some(parts) = &mut ticket.parts {
            parts.take(response.replies.to_vec());
        }
        for answer in ticket.pour(number) {
            self.answer(answer);
        }
        let is_whole = ticket.flow.as_ref().is_some_and(|flow| flow.unit == ticket.units.len());
        if !is_whole {
            return self.break_flow(view, ticket, "sent too few replies");
        }
        let versions = versions_in(&ticket.units, &response);
        for unit in ticket.units {
            self.ended(&unit);
            let versions = versions_of(&unit, &versions);
            if let Sink::Client(key, _) = unit.sink {
                self.answer_all(
                    key,
                    unit.target,
                    [(None, Fill::Bytes(Vec::new()))].into_iter(),
                    versions,
                );
            }
        }
    }

    /// The rest of a response will not come, for the node did `what`.
    pub(super) fn break_flow(&mut self, view: &View, ticket: Ticket, what: &str) {
        let name = member_name(view, ticket.to);
        tracing::info!(node = name, "a client is cut off in a long reply: the node {what}");
        let flow = ticket.flow.unwrap_or_default();
        for (at, unit) in ticket.units.into_iter().enumerate() {
            if let Sink::Client(key, holes) = &unit.sink
                && at == flow.unit
                && flow.is_begun
                && let Some(hole) = holes.get(flow.reply).copied().flatten()
            {
                self.answer(Answer::new(*key, Some(hole), Fill::Broken));
            }
            // What was answered is not answered again.
            let error = too_late(&name, what, unit.writes);
            self.fail(unit, &error);
        }
    }

    /// The client of a response that flows is gone.
    fn stop_flow(&mut self, number: u64) {
        let flow = self.tickets.get(&number).and_then(|ticket| ticket.flow.as_ref());
        let Some(bytes) = flow.map(|flow| flow.taken) else { return };
        self.send_taken(number, Taken { bytes, unwanted: true });
        if let Some(ticket) = self.take_ticket(number) {
            ticket.units.iter().for_each(|unit| self.ended(unit));
        }
    }

    // --- The responder --------------------------------------------------------------------------------------------------

    /// What was taken of the response to the request that came from `origin`.
    fn taken_of(&mut self, taken: &Taken, is_origin: impl Fn(&Origin) -> bool) {
        let mut visitors = self.visitors.iter_mut();
        let Some((&number, visitor)) = visitors.find(|(_, it)| is_origin(&it.origin)) else {
            return;
        };
        if visitor.lets_go(|it| {
            it.taken = it.taken.max(taken.bytes);
            it.is_forsaken |= taken.unwanted;
        }) {
            self.ready.push_back(number);
        }
    }

    /// A visitor whose response is for this node itself has written more: how much of that was taken.
    pub(super) fn note_own(&self, visitor: &mut Visitor, number: u64) {
        match self.tickets.get(&number) {
            Some(Ticket { flow: Some(flow), .. }) => visitor.taken = flow.taken,
            Some(_) => {}
            None => visitor.is_forsaken = true,
        }
    }
}

impl WorkerState {
    /// How a long response of this node fares: the payload of a frame of `link` with this id. Returns whether it made sense.
    pub fn on_taken(&mut self, instance: &Instance, link: u64, id: u32, payload: &[u8]) -> bool {
        let Ok(taken) = Taken::decode(payload) else { return false };
        if let Some(plane) = &mut self.plane {
            plane.begin(instance);
            plane.taken_of(&taken, |origin| {
                matches!(origin, Origin::Link { link: of, id: other, .. } if (*of, *other) == (link, id))
            });
        }
        self.pump(instance);
        true
    }

    /// Passes on what `client` has taken of long replies. To be called when it was answered or sent more.
    pub fn note_taken(&mut self, client: &mut Client) {
        for (ticket, bytes) in client.replies.take_taken() {
            let Some(plane) = &mut self.plane else { return };
            if let Some(flow) =
                plane.tickets.get_mut(&ticket).and_then(|ticket| ticket.flow.as_mut())
            {
                flow.taken += bytes;
                plane.tell_taken(ticket, false);
            }
        }
    }

    /// `answer` has found its client gone.
    pub fn undelivered(&mut self, answer: &Answer) {
        if let (Some(plane), Fill::Flow(stretch)) = (&mut self.plane, &answer.fill) {
            plane.stop_flow(stretch.ticket);
        }
    }

    /// Stops what flows to a client that goes.
    pub(in crate::node) fn stop_flows(&mut self, client: &Client) {
        let Some(plane) = &mut self.plane else { return };
        client.replies.flows().for_each(|ticket| plane.stop_flow(ticket));
    }
}
