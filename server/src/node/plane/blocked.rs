//! Blocking commands that wait at another node.
//!
//! ```text
//!   client's node                                          node that serves the slot
//!   unit with a wait ── request, named ───────────────────▶ visitor, parked in the queues of its keys
//!     │  ▲  client gone, unblocked: taken back ───────────▶ not run ── or served already ─▶ response
//!     │  └─ refused (the slot has moved), link lost: sent to whoever serves it now, with the time that is left
//!     └──▶ the reply, or the null when its time is over
//! ```
//!
//! Whoever parks it keeps its time. A link that is lost takes the visitors with it that came by it and wait, so that no element is handed to a node that is gone. What was
//! handed over and was lost with the link is lost, as it is with a client's connection; the client waits on.

use super::unit::{BlockedUnit, Sink, Unit};
use super::visit::Origin;
use super::{ClientKey, Plane, Send, resp};
use crate::admin::Instance;
use crate::admin::blocked::{End, Waiter};
use crate::cluster::View;
use crate::cluster::member::Transport;
use crate::command::blocking::timeout_text;
use crate::node::pipeline::WorkerState;
use crate::node::replies::Fill;
use std::sync::Arc;
use std::time::Duration;
use torc_protocol::peer::request::{ReadLevel, Request, Response, WriteLevel, response_flags};
use torc_protocol::{Protocol, Reply};

/// The command of a request that takes back the one of the same name.
const TAKE_BACK: &[u8] = b"*2\r\n$6\r\nCLIENT\r\n$7\r\nUNBLOCK\r\n";

/// A wait without an end counts as so long, so that it has a deadline like everything else.
pub const FOREVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

impl BlockedUnit {
    /// The command with the time that is left; none if there is none.
    fn command(&self, now: Duration) -> Option<Vec<u8>> {
        let timeout = match self.until {
            None => "0".to_owned(),
            Some(until) => {
                let left_ms = until.checked_sub(now)?.as_millis();
                if left_ms == 0 {
                    return None;
                }
                let left_ms = u64::try_from(left_ms).unwrap_or(u64::MAX);
                timeout_text(self.words.first().map_or(b"", |name| name), left_ms)
            }
        };
        let mut command = Vec::new();
        let words = self.words.iter().enumerate().map(|(index, word)| match index {
            _ if index == self.timeout_at => timeout.as_bytes(),
            _ => &**word,
        });
        resp::push_command(words, &mut command);
        Some(command)
    }
}

/// What a client is answered whose time is over.
fn time_over(protocol: Protocol) -> Vec<u8> {
    let mut out = Vec::new();
    Reply::new(&mut out, protocol).null_array();
    out
}

impl Plane {
    /// Writes the command of a unit that waits anew, with the time that is left. Gives it back if it may go; ends it if its time is over or nobody waits any more.
    pub(super) fn renew(&mut self, mut unit: Unit) -> Option<Unit> {
        let Some(blocked) = &mut unit.blocked else { return Some(unit) };
        let ended = blocked.ended.take();
        let command = blocked.command(self.now).filter(|_| ended.is_none());
        match command {
            Some(command) => {
                self.unit_bytes = self.unit_bytes - unit.commands.len() + command.len();
                unit.commands = command;
                Some(unit)
            }
            None => {
                let bytes = ended.unwrap_or_else(|| time_over(unit.session.protocol));
                self.deliver(unit, vec![Fill::Bytes(bytes)], Vec::new());
                None
            }
        }
    }

    /// The client of `key` waits no more in another node: `reply` answers it, unless it is served already.
    pub(in crate::node) fn end_blocked(&mut self, view: &View, key: ClientKey, reply: Vec<u8>) {
        let is_its = |unit: &Unit| {
            unit.blocked.is_some() && matches!(&unit.sink, Sink::Client(of, _) if *of == key)
        };
        let retry = self.retries.iter().find(|(_, unit)| is_its(unit)).map(|(&number, _)| number);
        let unit = match retry {
            Some(number) => self.retries.remove(&number),
            None => self.take_waiting(|waiter| is_its(&waiter.unit), 1).pop(),
        };
        if let Some(unit) = unit {
            return self.deliver(unit, vec![Fill::Bytes(reply)], Vec::new());
        }
        let ticket = self.tickets.iter_mut().find(|(_, ticket)| ticket.units.iter().any(is_its));
        let Some((&number, ticket)) = ticket else { return };
        let to = ticket.to;
        let Some(unit) = ticket.units.first_mut() else { return };
        let Some(blocked) = &mut unit.blocked else { return };
        blocked.ended = Some(reply);
        let name = blocked.name.to_le_bytes();
        if to == view.me() {
            self.taken_back.push((Origin::Ticket(number), name.into()));
            return;
        }
        let Some(member) = view.member(to) else { return };
        let mut payload = Vec::new();
        let request = Request {
            protocol: Protocol::Resp2,
            db: 0,
            command_count: 1,
            write: WriteLevel::Copies(1),
            read: ReadLevel::Primary,
            deadline_ms: 0,
            hops: 1,
            flags: unit.session.flags(),
            client_name: &name,
            token: b"",
            user: b"",
            rules: b"",
            author: None,
            window: 0,
            commands: TAKE_BACK,
        };
        if request.encode(&mut payload).is_ok() {
            let to = member.id;
            let (ticket, slot) = (self.number(), None);
            let deadline = self.now + Duration::from_secs(5);
            self.sends.push_back(Send { to, ticket, slot, deadline, blocking: true, payload });
        }
    }

    /// Whether a request takes another one back; if so, which.
    pub(super) fn takes_back(request: &Request<'_>) -> Option<Box<[u8]>> {
        let is_so = !request.client_name.is_empty() && request.commands == TAKE_BACK;
        is_so.then(|| request.client_name.into())
    }

    /// The visitor of a blocking command that came in this way, by this name.
    fn blocked_visitor(&self, from: Origin, name: &[u8]) -> Option<u64> {
        let same = |origin: &Origin| match (origin, &from) {
            (Origin::Link { link, .. }, Origin::Link { link: of, .. }) => link == of,
            (Origin::Ticket(number), Origin::Ticket(of)) => number == of,
            _ => false,
        };
        let mut visitors = self.visitors.iter();
        let found = visitors.find(|(_, it)| *it.name == *name && same(&it.origin));
        found.map(|(&number, _)| number)
    }
}

impl WorkerState {
    /// Ends what others have taken back.
    pub(super) fn take_back(&mut self, instance: &Instance) {
        let Some(plane) = &mut self.plane else { return };
        for (from, name) in std::mem::take(&mut plane.taken_back) {
            let Some(plane) = &mut self.plane else { return };
            let Some(number) = plane.blocked_visitor(from, &name) else { continue };
            self.refuse_visitor(instance, number, true);
        }
    }

    /// Ends a visitor that waits, or has not begun to: it was not run. Who is served already is left alone.
    fn refuse_visitor(&mut self, instance: &Instance, number: u64, answers: bool) {
        let Some(plane) = &mut self.plane else { return };
        let Some(visitor) = plane.visitors.get_mut(&number) else { return };
        let waiter = visitor.client.blocked.as_ref().and_then(|blocked| blocked.waiter.clone());
        let may_go = match &waiter {
            Some(waiter) => self.waits.end(instance, waiter, End::Gone),
            None => visitor.at == 0,
        };
        if !may_go {
            let hands_on = waiter.is_none() && visitor.client.is_blocked();
            if let Some(view) = instance.cluster.view().filter(|_| hands_on) {
                // It waits at a third node. What comes of that is its answer.
                plane.end_blocked(&view, ClientKey::Visitor(number), Vec::new());
            }
            return;
        }
        if let Some(mut visitor) = plane.visitors.remove(&number) {
            plane.disarm(&mut visitor, number);
            if answers {
                let response = Response::plain(b"");
                plane.respond(instance, visitor.origin, response_flags::NOT_OWNER, &response);
            }
        }
    }

    /// A link of other nodes' requests was lost: nobody waits for what came by it.
    pub fn on_link_lost(&mut self, instance: &Instance, link: u64) {
        let Some(plane) = &mut self.plane else { return };
        plane.begin(instance);
        let is_its = |origin: Origin| matches!(origin, Origin::Link { link: of, .. } if of == link);
        let visitors = plane.visitors.iter();
        let gone: Vec<u64> = visitors
            .filter(|(_, it)| !it.name.is_empty() && is_its(it.origin))
            .map(|(&number, _)| number)
            .collect();
        for number in gone {
            self.refuse_visitor(instance, number, false);
        }
        self.let_go_on(link, true);
    }

    /// Ends the waits here for keys that another node serves by now: they go on there.
    pub fn follow_waits(&mut self, instance: &Instance) {
        let moved = self.waits.moved(instance);
        if moved.is_empty() {
            return;
        }
        for waiter in moved {
            self.waits.end_moved(instance, &waiter);
        }
    }

    /// A visitor's wait has ended because its slot is another node's.
    pub(in crate::node) fn visitor_moved(&mut self, instance: &Instance, number: u64) {
        let Some(plane) = &mut self.plane else { return };
        if let Some(mut visitor) = plane.visitors.remove(&number) {
            plane.disarm(&mut visitor, number);
            let response = Response::plain(b"");
            plane.respond(instance, visitor.origin, response_flags::NOT_OWNER, &response);
        }
    }
}

/// A unit for a client's wait, to go on elsewhere.
pub(in crate::node) fn unit_of_wait(
    plane: &Plane,
    waiter: &Arc<Waiter>,
    (key, hole): (ClientKey, super::HoleId),
    (session, redirects): (Arc<super::Snapshot>, Option<Transport>),
    now_ms: u64,
    grace: Duration,
) -> Option<Unit> {
    let (words, timeout_at) = waiter.command();
    let slot = torc_protocol::slot::slot_of(waiter.keys.first()?);
    let left = waiter.until.map(|until| Duration::from_millis(until.saturating_sub(now_ms)));
    let until = left.map(|left| plane.now + left);
    let blocked = BlockedUnit { words, timeout_at, until, name: waiter.number, ended: None };
    let deadline = until.map_or(plane.now + FOREVER, |until| until + grace);
    Some(Unit::of_blocked(slot, (key, hole), blocked, (session, redirects), deadline))
}
