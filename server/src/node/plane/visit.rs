//! The receiving side: requests of other nodes, and our own tickets for ourselves, as clients without a socket.
//!
//! A visitor's commands go through the same pipeline as a client's; its session is built from the request. When all replies are there, they are the
//! response. Before anything runs, every slot that its commands concern is looked up: one that another node serves refuses the request as a
//! whole, so that the origin may send it elsewhere. If a slot goes away while the visitor runs, its remaining commands are handed on,
//! at most [`FORWARD_HOPS_MAX`](crate::base::limits::FORWARD_HOPS_MAX) times in all.

use super::{Answer, ClientKey, Plane, Timer, resp};
use crate::admin::Instance;
use crate::base::limits::{DATABASE_COUNT, REPLY_BYTES_GATHERED, VISITORS_MAX};
use crate::base::version::Version;
use crate::cluster::NodeId;
use crate::cluster::route::{KeySlots, Port, Route};
use crate::command::Session;
use crate::command::consistency::{Consistency, Seen, push_entry};
use crate::node::client::Client;
use crate::node::pipeline::{self, Park, Progress, Verdict, WorkerState};
use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;
use torc_protocol::Args;
use torc_protocol::command::{find, subcommand_of};
use torc_protocol::peer::request::{
    Request, Response, SessionFlags, VERSIONS_BYTES_MAX, response_flags,
};
use torc_protocol::request::Span;
use torc_protocol::slot::Slot;

/// A response for another node: the payload of a response frame.
#[derive(Debug)]
pub struct PeerResponse {
    /// The link that the request came by, as it was given.
    pub link: u64,
    /// The id of the request's frame.
    pub id: u32,
    /// The slot of the request's frame.
    pub slot: Option<Slot>,
    /// The frame's flags.
    pub flags: u8,
    /// The bytes.
    pub payload: Vec<u8>,
}

/// Who waits for a visitor's replies.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin {
    Link { link: u64, id: u32, slot: Option<Slot> },
    Ticket(u64),
}

/// A request that runs here.
#[derive(Debug)]
pub(super) struct Visitor {
    pub(super) client: Client,
    /// What a blocking command is taken back by; empty for all else.
    pub(super) name: Box<[u8]>,
    input: Vec<u8>,
    /// Bytes of `input` that are done with.
    pub(super) at: usize,
    pub(super) out: Vec<u8>,
    pub(super) origin: Origin,
    deadline: Duration,
    /// Whether its slots were looked up, so that it may run.
    admitted: bool,
    /// Whether a timer stands for it.
    timer: Option<Duration>,
    /// Whether it goes on once its link took a piece of the response.
    pub(super) waits_for_room: bool,
    /// How many bytes of the response may be on their way; 0 for any number.
    window: u64,
    /// Bytes that were sent in pieces, and how many of these were taken.
    pub(super) sent: u64,
    pub(super) taken: u64,
    /// Whether nobody wants its response any more.
    pub(super) is_forsaken: bool,
}

impl Visitor {
    /// Whether what it writes may be sent on.
    pub(super) fn may_go_on(&self) -> bool {
        let is_ahead = self.window > 0
            && self.sent.saturating_sub(self.taken) >= self.window
            && !self.is_forsaken;
        !self.waits_for_room && !is_ahead
    }

    /// Makes a change, and returns whether it may go on by that where it could not before.
    pub(super) fn lets_go(&mut self, change: impl FnOnce(&mut Visitor)) -> bool {
        let waited = !self.may_go_on();
        change(self);
        waited && self.may_go_on()
    }
}

/// What is known of a request's slots.
enum Admission {
    Granted,
    /// Wait for a baton.
    Later,
    /// Another node serves one of them.
    Misrouted(Option<NodeId>),
}

/// A visitor that waits for a baton looks again so often.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

impl WorkerState {
    /// A request of another node: the payload of a frame of `link` with this id and slot.
    pub fn on_request(
        &mut self,
        instance: &Instance,
        link: u64,
        id: u32,
        slot: Option<Slot>,
        payload: &[u8],
    ) {
        let Some(plane) = &mut self.plane else { return };
        plane.begin(instance);
        plane.stats.requests_received += 1;
        let origin = Origin::Link { link, id, slot };
        let index = self.index;
        match Request::decode(payload) {
            Ok(_) if plane.visitors.len() >= VISITORS_MAX => {
                plane.respond(instance, origin, response_flags::BUSY, &Response::plain(b""));
            }
            Ok(request) if let Some(name) = Plane::takes_back(&request) => {
                plane.taken_back.push((origin, name));
                plane.respond(instance, origin, 0, &Response::plain(b"+OK\r\n"));
                self.take_back(instance);
            }
            Ok(request) if usize::from(request.db) < DATABASE_COUNT => {
                plane.welcome(instance, index, origin, &request);
            }
            _ => {
                plane.respond(instance, origin, 0, &Response::plain(b"-ERR malformed request\r\n"))
            }
        }
        self.pump(instance);
    }

    /// Runs whatever can run: visitors, tickets for this node, jobs that have all they need. What they make for each other is run too; a
    /// visitor that only has had its turn goes on in the next one.
    pub(in crate::node) fn pump(&mut self, instance: &Instance) {
        match &mut self.plane {
            Some(plane) if !plane.pumping && plane.has_to_run() => plane.pumping = true,
            _ => return,
        }
        let index = self.index;
        let mut yielded = Vec::new();
        while let Some(plane) = &mut self.plane {
            plane.flush_dispatched(instance);
            if !plane.taken_back.is_empty() {
                self.take_back(instance);
                continue;
            }
            if let Some(job) = plane.finished.pop_front() {
                plane.job_done(instance, job);
                continue;
            }
            plane.answer_visitors();
            if let Some(ticket) = plane.own.pop_front() {
                plane.visit_self(instance, index, ticket);
                continue;
            }
            let Some(number) = plane.ready.pop_front() else { break };
            if self.run_visitor(instance, number) {
                yielded.push(number);
            }
        }
        if let Some(plane) = &mut self.plane {
            plane.pumping = false;
            plane.ready.extend(yielded);
        }
    }

    /// Runs a visitor as far as it goes. Returns whether it only lets others have their turn.
    fn run_visitor(&mut self, instance: &Instance, number: u64) -> bool {
        let Some(plane) = &mut self.plane else { return false };
        let Some(mut visitor) = plane.visitors.remove(&number) else { return false };
        plane.disarm(&mut visitor, number);
        if !visitor.admitted {
            match plane.admit(instance, &visitor) {
                Admission::Granted => visitor.admitted = true,
                Admission::Later if visitor.deadline > plane.now => {
                    let time = (plane.now + LOOK_AGAIN).min(visitor.deadline);
                    plane.park_visitor(visitor, number, Some(time));
                    return false;
                }
                Admission::Later => {
                    let response = Response::plain(b"");
                    plane.respond(instance, visitor.origin, response_flags::NOT_OWNER, &response);
                    return false;
                }
                Admission::Misrouted(owner) => {
                    plane.stats.requests_misrouted += 1;
                    let owner = owner.map(|id| id.0);
                    let response = Response { owner, ..Response::plain(b"") };
                    plane.respond(instance, visitor.origin, response_flags::NOT_OWNER, &response);
                    return false;
                }
            }
        }
        while visitor.at < visitor.input.len() {
            let Visitor { client, input, at, out, .. } = &mut visitor;
            let Progress { consumed, verdict } =
                pipeline::run(client, &mut input[*at..], out, self, instance);
            *at += consumed;
            let Some(plane) = &mut self.plane else { return false };
            match verdict {
                Verdict::Drained(_) | Verdict::Close | Verdict::Abort => *at = input.len(),
                // A long reply goes on, or there is enough to send: others have their turn first.
                Verdict::More if consumed == 0 || visitor.out.len() >= REPLY_BYTES_GATHERED => {
                    let goes_on = plane.send_piece(&mut visitor);
                    plane.park_visitor(visitor, number, None);
                    return goes_on;
                }
                Verdict::More => {}
                Verdict::Parked(Park::Blocked) => {
                    plane.park_visitor(visitor, number, None);
                    return false;
                }
                Verdict::Parked(Park::Replies) => {
                    // Its answers may have come while it ran; if not, they will make it ready.
                    if !visitor.client.replies.is_empty() {
                        plane.park_visitor(visitor, number, None);
                        return false;
                    }
                }
                Verdict::Parked(Park::Pause(until) | Park::Sleep(until)) => {
                    let wait_ms = until.saturating_sub(instance.clock.unix_ms());
                    let time = plane.now + Duration::from_millis(wait_ms.max(1));
                    plane.park_visitor(visitor, number, Some(time));
                    return false;
                }
            }
        }
        let Some(plane) = &mut self.plane else { return false };
        if visitor.client.is_owed() {
            plane.park_visitor(visitor, number, None);
        } else {
            plane.finish(instance, visitor);
        }
        false
    }
}

impl Plane {
    fn park_visitor(&mut self, mut visitor: Visitor, number: u64, until: Option<Duration>) {
        if let Some(time) = until {
            visitor.timer = Some(time);
            self.timers.insert((time, Timer::Visitor(number)));
        }
        self.visitors.insert(number, visitor);
    }

    pub(super) fn disarm(&mut self, visitor: &mut Visitor, number: u64) {
        if let Some(time) = visitor.timer.take() {
            self.timers.remove(&(time, Timer::Visitor(number)));
        }
    }

    /// A ticket for this node itself becomes a visitor.
    fn visit_self(&mut self, instance: &Instance, worker: usize, number: u64) {
        let payload = self.tickets.get_mut(&number).and_then(|ticket| ticket.payload.take());
        let Some(payload) = payload else { return };
        if let Ok(request) = Request::decode(&payload) {
            self.welcome(instance, worker, Origin::Ticket(number), &request);
        }
    }

    fn welcome(
        &mut self,
        instance: &Instance,
        worker: usize,
        origin: Origin,
        request: &Request<'_>,
    ) {
        // All visitors of a worker are one client to those who look: nobody connects and leaves with each request.
        let info = self.peer_info.get_or_insert_with(|| {
            let endpoint =
                crate::admin::clients::Endpoint { address: "peer:0".into(), ..Default::default() };
            instance.clients.unregistered(endpoint, worker, instance.clock.unix_ms())
        });
        let mut session = Session::new(Arc::clone(info), true);
        session.protocol = request.protocol;
        session.db = request.db as u8;
        // What this node asked of itself has made no hop, yet is not to be taken apart again.
        session.hops = request.hops.max(1);
        session.port = Port::Plain;
        session.no_touch = request.flags.has(SessionFlags::NO_TOUCH);
        session.reads_copies = request.flags.has(SessionFlags::READONLY);
        let timeout_ms = Some(request.deadline_ms).filter(|&ms| ms > 0);
        session.consistency = Consistency { write: request.write, read: request.read, timeout_ms };
        session.seen = Seen::decode(request.token).unwrap_or_default();
        session.author = request.author;
        if let Some(login) = self.guests.login(request) {
            session.visit_as(login);
        }
        let number = self.number();
        let mut client = Client::new(session);
        client.visitor = Some(number);
        let limit = instance.settings.forward_timeout().max(1) as u64;
        let visitor = Visitor {
            client,
            name: request.client_name.into(),
            input: request.commands.to_vec(),
            at: 0,
            out: Vec::new(),
            origin,
            deadline: self.now + Duration::from_millis(timeout_ms.unwrap_or(limit)),
            admitted: false,
            timer: None,
            waits_for_room: false,
            window: request.window,
            sent: 0,
            taken: 0,
            is_forsaken: false,
        };
        self.visitors.insert(number, visitor);
        self.ready.push_back(number);
    }

    /// Whether this node serves all that the visitor's commands concern.
    fn admit(&self, instance: &Instance, visitor: &Visitor) -> Admission {
        let routes = instance.cluster.routes();
        let input = visitor.input.as_slice();
        let (mut at, mut spans) = (0, Vec::<Span>::new());
        let mut admission = Admission::Granted;
        loop {
            spans.clear();
            // What is in no form that nodes write is answered when it is run, and routed then.
            let Some(end) = resp::request(input, at, &mut spans) else { return admission };
            at = end;
            let args = Args::new(input, &spans);
            let container = args.get(0).and_then(find);
            let spec = container.and_then(|spec| subcommand_of(spec, &args));
            let Some(spec) = spec.filter(|spec| spec.accepts(args.len())) else { continue };
            let slot = match KeySlots::of(spec, &args) {
                Ok(KeySlots::One(slot) | KeySlots::Many(slot)) => slot,
                _ if spec.full_name == "scan" => {
                    match crate::command::generic::cursor_slot(&args[1]) {
                        Some(slot) => slot,
                        None => continue,
                    }
                }
                _ => continue,
            };
            match routes.get(slot) {
                Route::Serve => {}
                Route::Wait => admission = Admission::Later,
                Route::Down => return Admission::Misrouted(None),
                Route::Forward(index) => {
                    let view = instance.cluster.view();
                    let owner = view.and_then(|view| Some(view.member(index)?.id));
                    return Admission::Misrouted(owner);
                }
            }
        }
    }

    /// Hands answers to the visitors that they are for.
    /// Whether there is anything for [`WorkerState::pump`]: after most batches there is not.
    fn has_to_run(&self) -> bool {
        let is_idle = self.building.is_empty()
            && self.taken_back.is_empty()
            && self.finished.is_empty()
            && self.visitor_answers.is_empty()
            && self.own.is_empty()
            && self.ready.is_empty();
        !is_idle
    }

    fn answer_visitors(&mut self) {
        while let Some(answer) = self.visitor_answers.pop_front() {
            if let ClientKey::Visitor(number) = answer.key {
                self.answer_visitor(number, answer);
            }
        }
    }

    fn answer_visitor(&mut self, number: u64, answer: Answer) {
        let Some(visitor) = self.visitors.get_mut(&number) else { return };
        let answer = Answer { fill: answer.fill.into_whole(), ..answer };
        visitor.client.answer(answer, &mut visitor.out);
        if visitor.timer.is_none() && visitor.may_go_on() && !self.ready.contains(&number) {
            self.ready.push_back(number);
        }
    }

    /// All replies are there.
    fn finish(&mut self, instance: &Instance, visitor: Visitor) {
        let Visitor { client, out, origin, .. } = visitor;
        let slot = match origin {
            Origin::Link { slot, .. } => slot,
            Origin::Ticket(_) => None,
        };
        let mut response = Response::plain(&out);
        let mut seen = client.written;
        // Of each slot and origin the highest version.
        let name = |&(slot, version): &(u16, u64)| (slot, Version::from_bits(version).tag());
        seen.sort_unstable_by_key(|entry| (name(entry), Reverse(entry.1)));
        seen.dedup_by_key(|entry| name(entry));
        seen.truncate(VERSIONS_BYTES_MAX / 10);
        let mut versions = Vec::new();
        match (slot, seen.as_slice()) {
            (Some(_), &[(_, version)]) => response.written = version,
            _ => {
                seen.iter().for_each(|&(slot, version)| push_entry(slot, version, &mut versions));
                response.versions = &versions;
            }
        }
        self.respond(instance, origin, 0, &response);
    }

    /// Hands a response to who waits for it.
    pub(super) fn respond(
        &mut self,
        instance: &Instance,
        origin: Origin,
        flags: u8,
        response: &Response<'_>,
    ) {
        let mut payload = Vec::with_capacity(response.replies.len() + 32);
        // The versions are bounded, so nothing of it can be too long.
        if response.encode(&mut payload).is_err() {
            return;
        }
        match origin {
            Origin::Link { link, id, slot } => {
                self.responses.push_back(PeerResponse { link, id, slot, flags, payload });
            }
            Origin::Ticket(number) => self.responded(instance, number, flags, &payload),
        }
    }
}
