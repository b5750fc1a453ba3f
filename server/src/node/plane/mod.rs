//! The data plane of one worker: commands that run elsewhere, and what other nodes want run here.
//!
//! ```text
//!   a client's batch ── route ─┬─ runs here                                                     routed (the batch's step)
//!                              ├─ Unit: commands of one slot ─┐
//!                              └─ Job: taken apart by slot ───┤                                 gather
//!                                                             ▼
//!                                  Ticket: units for one node, one message ─▶ Send ─▶ link      forward
//!                                     │  └ for this node itself ─▶ Visitor                      visit
//!   link ─▶ response, failure ───────▶┘
//!      └──▶ request ─▶ Visitor: a client without a socket, through the same pipeline ─▶ PeerResponse
//!
//!   out of it: Answer (to clients), Send, PeerResponse and Taking (to links)
//! ```
//!
//! Sans-IO: [`WorkerState`] is called with what happened, and afterwards drained of what is to be done. Time is the instance's clock.
//!
//! **Order.** A client's command waits while an earlier one of the same slot is under way ([`super::client::Pending`]); those of one slot in one
//! batch travel together. So per key a client's commands run in order, however often they must be sent.
//!
//! **Once.** A message that may have been run is sent again only for the units of it that change nothing. Who refuses one has run none of it.
//!
//! **Invariant.** Every unit ends in an answer, at its deadline at the latest. **Does not know** sockets, links' states, or what replication does.

pub(super) mod blocked;
mod flow;
mod forward;
mod gather;
mod guests;
mod hints;
mod pieces;
pub mod replication;
mod resp;
mod told;
mod unit;
mod visit;
mod waiting;

#[cfg(test)]
mod tests;

pub use flow::Taking;
pub use forward::{Failure, Send};
pub(super) use gather::{Begin, Gathering, Wide, tracked_slots};
pub use guests::GOES_BY_RULES;
pub use replication::{Held, Lone, Replication, Short, Waiter};
pub(super) use resp::{bulk as bulk_text, elements as array_elements, push_command};
pub(super) use told::About;
pub use unit::ClientKey;
pub(super) use unit::{BlockedUnit, Pace, Sink, Snapshot, Target, Trouble, Unit};
pub use visit::PeerResponse;

use super::client::Client;
use super::held::{HeldWrites, Spare};
use super::pipeline::WorkerState;
use super::replies::{Fill, HoleId};
use crate::admin::Instance;
use crate::base::limits::{FORWARD_BYTES_MAX, RESPONSE_WINDOW_BYTES};
use crate::base::rng::Rng;
use crate::base::version::Version;
use crate::cluster::View;
use crate::cluster::view::MemberIndex;
use forward::Ticket;
use gather::Job;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use told::Untold;
use torc_protocol::WireError;
use torc_protocol::slot::Slot;
use visit::Visitor;

/// A reply for one of this worker's clients.
#[derive(Debug)]
pub struct Answer {
    /// As `Client::place` was when the command came.
    pub place: usize,
    /// The session's id. A client of another id may have the place by now: then nobody is owed this.
    pub client: u64,
    pub(super) key: ClientKey,
    pub(super) hole: Option<HoleId>,
    pub(super) fill: Fill,
    /// Slots in which the client has one command less under way.
    pub(super) slots: Vec<u16>,
    pub(super) barrier: bool,
    /// What its writes took: slot and version.
    pub(super) versions: Vec<(u16, u64)>,
}

impl Answer {
    pub(super) fn new(key: ClientKey, hole: Option<HoleId>, fill: Fill) -> Answer {
        let (place, client) = match key {
            ClientKey::Client { place, id } => (place, id),
            ClientKey::Visitor(_) => (usize::MAX, 0),
        };
        let (slots, versions) = (Vec::new(), Vec::new());
        Answer { place, client, key, hole, fill, slots, barrier: false, versions }
    }
}

/// What a timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// A ticket's deadline.
    Ticket(u64),
    /// A unit's next attempt.
    Retry(u64),
    /// The deadline of a unit that waits for an owner.
    Waited(u64),
    /// Whether what waits may go on is looked at.
    Look,
    /// The end of a wait for copies.
    Hold(Waiter),
    /// A visitor that waits for time to pass.
    Visitor(u64),
    /// A job that waits until every slot has an owner.
    Plan(u64),
}

/// What happens once enough copies have something, or when the time for it is over.
#[derive(Debug)]
enum Then {
    /// Held replies go out.
    Release(ClientKey, HeldWrites),
    /// A client is told how many have it (WAIT).
    Count(ClientKey, HoleId, Counted),
    /// A client is answered.
    Answer(Box<Answer>),
    /// A unit runs here.
    Run(Box<Unit>),
}

/// The form in which WAIT and WAITAOF answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    /// A number.
    Wait,
    /// Two.
    WaitAof,
}

#[derive(Debug)]
struct Hold {
    wanted: u32,
    deadline: Duration,
    then: Then,
}

/// Figures of a plane, for INFO and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PlaneStats {
    /// Messages sent to other nodes.
    pub messages_sent: u64,
    /// Commands in them.
    pub commands_forwarded: u64,
    /// Units tried again.
    pub retries: u64,
    /// Units that ended without their reply: an error took its place.
    pub failures: u64,
    /// Requests taken from other nodes.
    pub requests_received: u64,
    /// Of these, refused because another node serves the slot.
    pub requests_misrouted: u64,
}

/// One worker's part in the ring. See the module.
pub struct Plane {
    pub(super) replication: Box<dyn Replication>,
    rng: Rng,
    /// Monotonic time of the event that is handled.
    now: Duration,
    /// Whether reads of the client whose batch runs ask for no more than what the primary has, and leave no trace.
    pub(super) reads_plainly: bool,
    /// Numbers tickets, retries, visitors and jobs.
    next: u64,
    /// Who serves what the table does not know yet.
    hints: hints::Hints,
    building: Vec<forward::Building>,
    tickets: HashMap<u64, Ticket>,
    retries: HashMap<u64, Unit>,
    /// Units that wait for somebody to serve their slots who can be reached.
    waiting: waiting::Waiting,
    /// Units that wait in blocking commands. They are bounded by the clients that wait.
    blocked_units: usize,
    /// Requests that were taken back since they were last looked at.
    taken_back: Vec<(visit::Origin, Box<[u8]>)>,
    /// Bytes of the commands of all units.
    unit_bytes: usize,
    /// Tickets for this node itself.
    own: VecDeque<u64>,
    visitors: HashMap<u64, Visitor>,
    /// Visitors that can go on.
    ready: VecDeque<u64>,
    jobs: HashMap<u64, Job>,
    /// Jobs all of whose parts are there.
    finished: VecDeque<u64>,
    holds: HashMap<Waiter, Hold>,
    /// What the command that runs wrote; kept for its memory.
    pub(super) written: Vec<(Slot, Version)>,
    /// Replies of the batch that runs which are to wait for copies.
    pub(super) held: Vec<HeldWrites>,
    pub(super) spare: Spare,
    /// Replies that wait until other nodes have heard of a subscription, a library, or a client that tracks.
    untold: [VecDeque<Untold>; told::ABOUT_COUNT],
    timers: BTreeSet<(Duration, Timer)>,
    /// For clients,
    answers: VecDeque<Answer>,
    /// and for visitors.
    visitor_answers: VecDeque<Answer>,
    sends: VecDeque<Send>,
    responses: VecDeque<PeerResponse>,
    takings: VecDeque<Taking>,
    /// How much of a long response may be on its way.
    window: u64,
    /// Whether visitors are being run, so that their own batches do not begin it again.
    pumping: bool,
    guests: guests::Guests,
    peer_info: Option<Arc<crate::admin::clients::ClientInfo>>,
    stats: PlaneStats,
}

impl std::fmt::Debug for Plane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plane").field("stats", &self.stats).finish_non_exhaustive()
    }
}

impl Plane {
    /// A plane that has nothing under way. `seed` spreads its waits.
    pub fn new(replication: Box<dyn Replication>, seed: u64) -> Self {
        Plane {
            replication,
            rng: Rng::seeded(seed),
            now: Duration::ZERO,
            reads_plainly: false,
            next: 0,
            hints: hints::Hints::default(),
            building: Vec::new(),
            tickets: HashMap::new(),
            retries: HashMap::new(),
            waiting: waiting::Waiting::default(),
            blocked_units: 0,
            taken_back: Vec::new(),
            unit_bytes: 0,
            own: VecDeque::new(),
            visitors: HashMap::new(),
            ready: VecDeque::new(),
            jobs: HashMap::new(),
            finished: VecDeque::new(),
            holds: HashMap::new(),
            written: Vec::new(),
            held: Vec::new(),
            spare: Spare::default(),
            untold: Default::default(),
            timers: BTreeSet::new(),
            answers: VecDeque::new(),
            visitor_answers: VecDeque::new(),
            sends: VecDeque::new(),
            responses: VecDeque::new(),
            takings: VecDeque::new(),
            window: RESPONSE_WINDOW_BYTES,
            pumping: false,
            guests: guests::Guests::default(),
            peer_info: None,
            stats: PlaneStats::default(),
        }
    }

    /// The worker's side of replication, for its owner.
    pub fn replication(&mut self) -> &mut dyn Replication {
        &mut *self.replication
    }

    /// Its figures.
    pub fn stats(&self) -> PlaneStats {
        self.stats
    }

    /// Whether nothing is under way and nothing waits to be drained.
    pub fn is_idle(&self) -> bool {
        self.tickets.is_empty()
            && self.retries.is_empty()
            && self.waiting.is_empty()
            && self.unit_bytes == 0
            && self.visitors.is_empty()
            && self.jobs.is_empty()
            && self.holds.is_empty()
            && self.untold.iter().all(VecDeque::is_empty)
            && self.timers.is_empty()
            && self.building.is_empty()
            && self.answers.is_empty()
            && self.visitor_answers.is_empty()
            && self.sends.is_empty()
            && self.responses.is_empty()
            && self.takings.is_empty()
    }

    /// Reads the clock. To be called at the beginning of whatever happens.
    pub(super) fn begin(&mut self, instance: &Instance) {
        self.begin_at(instance.clock.monotonic());
    }

    /// The same where the clock was read a moment ago.
    pub(super) fn begin_at(&mut self, now: Duration) {
        self.now = now;
    }

    pub(super) fn now(&self) -> Duration {
        self.now
    }

    /// A name for a request that may be taken back.
    pub(super) fn name(&mut self) -> u64 {
        // Not among those that waits of this node have, which may go on elsewhere under their own.
        self.number() | 1 << 63
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Whether as much is under way as may be.
    pub(super) fn is_full(&self, instance: &Instance) -> bool {
        let max = usize::try_from(instance.settings.forward_requests_max()).unwrap_or(usize::MAX);
        let count = self.tickets.len() + self.retries.len() + self.waiting.len() + self.jobs.len();
        count.saturating_sub(self.blocked_units) >= max || self.unit_bytes >= FORWARD_BYTES_MAX
    }

    pub(super) fn answer(&mut self, answer: Answer) {
        self.answers_like(answer.key).push_back(answer);
    }

    /// Where answers to such as `key` lie.
    fn answers_like(&mut self, key: ClientKey) -> &mut VecDeque<Answer> {
        match key {
            ClientKey::Client { .. } => &mut self.answers,
            ClientKey::Visitor(_) => &mut self.visitor_answers,
        }
    }

    // --- Waiting for copies ---------------------------------------------------------------------------------------------

    /// Holds the replies to `writes` until `waiter` is told of, or `timeout` is over.
    pub(super) fn hold_replies(
        &mut self,
        waiter: Waiter,
        wanted: u32,
        timeout: Duration,
        (key, writes): (ClientKey, HeldWrites),
    ) {
        self.hold(waiter, wanted, self.now + timeout, Then::Release(key, writes));
    }

    /// Answers `hole` with the number of replicas once `waiter` is told of, or `timeout` is over.
    pub(super) fn hold_count(
        &mut self,
        waiter: Waiter,
        wanted: u32,
        timeout: Duration,
        (key, hole): (ClientKey, HoleId),
        counted: Counted,
    ) {
        self.hold(waiter, wanted, self.now + timeout, Then::Count(key, hole, counted));
    }

    /// Runs `unit` here once `waiter` is told of.
    pub(super) fn hold_unit(&mut self, waiter: Waiter, wanted: u32, unit: Unit) {
        let deadline = unit.deadline;
        self.hold(waiter, wanted, deadline, Then::Run(Box::new(unit)));
    }

    /// Gives `answer` once `waiter` is told of, or an error when `timeout` is over.
    pub(super) fn hold_answer(
        &mut self,
        waiter: Waiter,
        wanted: u32,
        timeout: Duration,
        answer: Answer,
    ) {
        self.hold(waiter, wanted, self.now + timeout, Then::Answer(Box::new(answer)));
    }

    fn hold(&mut self, waiter: Waiter, wanted: u32, deadline: Duration, then: Then) {
        self.timers.insert((deadline, Timer::Hold(waiter)));
        self.holds.insert(waiter, Hold { wanted, deadline, then });
    }

    /// Enough copies have what `waiter` waits for.
    fn acked(&mut self, instance: &Instance, waiter: Waiter) {
        let Some(Hold { wanted, deadline, then }) = self.holds.remove(&waiter) else { return };
        self.timers.remove(&(deadline, Timer::Hold(waiter)));
        match then {
            Then::Release(key, writes) => {
                writes.released(key).for_each(|answer| self.answer(answer));
                self.spare.put(writes);
            }
            Then::Answer(answer) => self.answer(*answer),
            Then::Count(key, hole, counted) => self.count(key, hole, counted, wanted),
            Then::Run(unit) => {
                if let Some(view) = instance.cluster.view() {
                    self.start(instance, &view, Unit { refreshed: true, ..*unit });
                }
            }
        }
    }

    fn hold_over(&mut self, waiter: Waiter) {
        let Some(Hold { wanted, then, .. }) = self.holds.remove(&waiter) else { return };
        let applied = self.replication.give_up(waiter);
        let error = no_quorum(applied, wanted);
        match then {
            Then::Release(key, writes) => {
                let answers: Vec<Answer> = writes.given_up(key, &*self.replication).collect();
                answers.into_iter().for_each(|answer| self.answer(answer));
                self.spare.put(writes);
            }
            Then::Answer(answer) => {
                self.answer(Answer { fill: Fill::Bytes(error_bytes(&error)), ..*answer });
            }
            Then::Count(key, hole, counted) => self.count(key, hole, counted, applied),
            Then::Run(unit) => {
                self.unit_bytes += unit.commands.len();
                self.fail(*unit, &no_quorum_read(applied, wanted));
            }
        }
    }

    fn count(&mut self, key: ClientKey, hole: HoleId, counted: Counted, copies: u32) {
        let fill = Fill::Bytes(counted.reply(copies.saturating_sub(1)));
        self.answer(Answer { barrier: true, ..Answer::new(key, Some(hole), fill) });
    }

    // --- Time -----------------------------------------------------------------------------------------------------------

    /// When [`WorkerState::on_time`] has something to do.
    fn next_wake(&self) -> Option<Duration> {
        let is_idle = self.ready.is_empty()
            && self.own.is_empty()
            && self.answers.is_empty()
            && self.takings.is_empty();
        if !is_idle {
            return Some(Duration::ZERO);
        }
        let timer = self.timers.first().map(|(time, _)| *time);
        [timer, self.next_untold()].into_iter().flatten().min()
    }

    fn fire_timers(&mut self, instance: &Instance) {
        // Whoever is in a ring stays in it, so there is a view.
        let Some(view) = instance.cluster.view() else { return };
        self.release_told(About::Subscriptions, instance.pubsub.told().heard());
        self.release_told(About::Libraries, instance.scripts.libraries.told().heard());
        if self.release_told(About::Tracking, instance.tracking.told().heard()) {
            instance.tracking.begin_unheard();
        }
        while let Some(&(time, timer)) = self.timers.first()
            && time <= self.now
        {
            self.timers.pop_first();
            match timer {
                Timer::Ticket(number) => self.ticket_over(&view, number),
                Timer::Retry(number) => self.try_again(instance, &view, number),
                Timer::Waited(number) => self.waited(&view, number),
                Timer::Look => self.look(instance),
                Timer::Hold(waiter) => self.hold_over(waiter),
                Timer::Visitor(number) => self.ready.push_back(number),
                Timer::Plan(number) => self.plan(instance, number),
            }
        }
        if !self.waiting.is_empty() {
            self.look(instance);
        }
    }

    /// Sends what was dispatched.
    fn flush_dispatched(&mut self, instance: &Instance) {
        if !self.building.is_empty()
            && let Some(view) = instance.cluster.view()
        {
            self.flush(&view);
        }
    }
}

impl Counted {
    /// The reply that so many replicas have what was written.
    pub(super) fn reply(self, replicas: u32) -> Vec<u8> {
        match self {
            Counted::Wait => format!(":{replicas}\r\n").into_bytes(),
            Counted::WaitAof => b"*2\r\n:0\r\n:0\r\n".to_vec(),
        }
    }
}

/// What a write is answered that has too few copies.
pub(super) fn no_quorum(applied: u32, wanted: u32) -> WireError {
    WireError::Line(format!("NOQUORUM applied on {applied} of {wanted}").into())
}

/// What a read is answered that too few nodes told what they know.
pub(super) fn no_quorum_read(answered: u32, wanted: u32) -> WireError {
    WireError::Line(format!("NOQUORUM read from {answered} of {wanted}").into())
}

pub(super) fn error_bytes(error: &WireError) -> Vec<u8> {
    [b"-", &*error.line(), b"\r\n"].concat()
}

impl WorkerState {
    /// Makes the worker part of a ring. What it has under way by an earlier plane is lost.
    pub fn join_ring(&mut self, plane: Plane) {
        self.plane = Some(Box::new(plane));
    }

    /// The worker's part in the ring.
    pub fn plane(&mut self) -> Option<&mut Plane> {
        self.plane.as_deref_mut()
    }

    /// The worker's part of the store and its side of replication, if it is part of a ring.
    pub fn replication(&mut self) -> Option<(&mut crate::store::Local, &mut dyn Replication)> {
        let plane = self.plane.as_deref_mut()?;
        Some((&mut self.local, &mut *plane.replication))
    }

    /// A response to the message of `ticket` came; `flags` are its frame's.
    pub fn on_response(&mut self, instance: &Instance, ticket: u64, flags: u8, payload: &[u8]) {
        self.with_plane(instance, |plane| plane.responded(instance, ticket, flags, payload));
    }

    /// The message of `ticket` will have no response.
    pub fn on_failure(&mut self, instance: &Instance, ticket: u64, failure: Failure) {
        self.with_plane(instance, |plane| plane.failed(instance, ticket, failure));
    }

    /// A link to `peer` has opened: what waited for it goes on its way.
    pub fn on_link_up(&mut self, instance: &Instance, peer: MemberIndex) {
        self.with_plane(instance, |plane| {
            if let Some(view) = instance.cluster.view() {
                plane.reopen(instance, &view, peer);
            }
        });
    }

    /// Enough copies have what `waiters` wait for.
    pub fn on_acked(&mut self, instance: &Instance, waiters: Vec<Waiter>) {
        if !waiters.is_empty() {
            self.with_plane(instance, |plane| {
                waiters.into_iter().for_each(|waiter| plane.acked(instance, waiter));
            });
        }
    }

    /// Time has passed, or a slot's route has changed.
    pub fn on_time(&mut self, instance: &Instance) {
        self.with_plane(instance, |plane| plane.fire_timers(instance));
    }

    /// When [`WorkerState::on_time`] has something to do, in monotonic time.
    pub fn next_wake(&self) -> Option<Duration> {
        self.plane.as_ref()?.next_wake()
    }

    /// The next message for another node.
    pub fn next_send(&mut self) -> Option<Send> {
        self.plane.as_mut()?.sends.pop_front()
    }

    /// The next response for another node.
    pub fn next_response(&mut self) -> Option<PeerResponse> {
        self.plane.as_mut()?.responses.pop_front()
    }

    /// The next word of how much of a long response was taken.
    pub fn next_taking(&mut self) -> Option<Taking> {
        self.plane.as_mut()?.takings.pop_front()
    }

    /// The next reply for a client.
    pub fn next_answer(&mut self) -> Option<Answer> {
        let alone = self.waits.answers.pop_front();
        alone.or_else(|| self.plane.as_mut()?.answers.pop_front())
    }

    fn with_plane(&mut self, instance: &Instance, event: impl FnOnce(&mut Plane)) {
        let Some(plane) = &mut self.plane else { return };
        plane.begin(instance);
        event(plane);
        self.pump(instance);
    }

    /// After a client's batches: runs what they asked of this node itself, and hands the client what is there for it. Returns whether that was
    /// anything.
    #[cold]
    pub(super) fn after_batches(
        &mut self,
        client: &mut Client,
        out: &mut Vec<u8>,
        instance: &Instance,
    ) -> bool {
        if let Some(plane) = &mut self.plane {
            plane.flush_dispatched(instance);
        }
        self.pump(instance);
        let key = client.key();
        let mut answered = false;
        if let Some(plane) = &mut self.plane {
            let answers = plane.answers_like(key);
            if answers.iter().any(|answer| answer.key == key) {
                for answer in std::mem::take(answers) {
                    if answer.key == key {
                        client.answer(answer, out);
                        answered = true;
                    } else {
                        answers.push_back(answer);
                    }
                }
            }
        }
        answered
    }
}

/// Whether a member of this name could be asked.
fn member_name(view: &View, index: crate::cluster::view::MemberIndex) -> String {
    match view.member(index) {
        Some(member) => format!("{}:{}", member.host, member.port),
        None => "that left the ring".to_owned(),
    }
}
