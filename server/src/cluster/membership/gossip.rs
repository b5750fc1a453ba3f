//! The membership in use: foca, and around it what it leaves to others.
//!
//! Each input leads to calls of foca, whose effects are gathered and then carried out here: packets are wrapped and routed, timers
//! stretched, verdicts tempered. How nodes meet and compare their books is in [`meeting`](super::meeting).
//!
//! foca cannot change its probe timings while it runs, but its timers are ours to set: they are scaled by the cluster's size and by our own
//! health when they are set, moved when we were paused, and put off for peers that are heard. No fork is needed for any of it.

use super::book::{Book, Change};
use super::broadcast::NewsHandler;
use super::envelope::{BODY_BYTES_MAX, Envelope, Marks, Opened, PACKET_BYTES_MAX, Reject};
use super::health::{Flaps, Health, LAG_MAX};
use super::peers::Peers;
use super::profile::{LINKS_MEMBERS_MAX, PROBE_PERIOD, Profile};
use super::refusals::Refusals;
use super::seeds::Seeds;
use super::swim::{SwimCodec, SwimId, SwimRng};
use super::timers::{Alarm, Timers};
use super::wire::{self, Body, Item};
use super::{Event, Input, Liveness, Membership, Now, Output, Via, Why, cluster_hash};
use crate::base::rng::Rng;
use crate::cluster::node_id::NodeId;
use crate::cluster::record::{NodeRecord, NodeState, RecordError, Stamp};
use foca::{AccumulatingRuntime, Foca, Identity as _, Member, OwnedNotification, State, Timer};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How often what has no alarm of its own is settled.
const SETTLE_EVERY: Duration = Duration::from_millis(250);

/// A peer that was heard within two probe periods is not declared down.
const VETO_WINDOW: Duration = PROBE_PERIOD.saturating_mul(2);

/// Time between two answers to claims that we are a later run than we are. Two processes with one id would outbid each other for ever.
const OUTBID_EVERY: Duration = Duration::from_secs(1);

/// What a node is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// What it says of itself at first. `cluster` is filled in from the name.
    pub record: NodeRecord,
    /// The cluster's name.
    pub cluster: String,
    /// What the cluster's nodes share; seals packets.
    pub secret: Option<Vec<u8>>,
    /// `host:port` of nodes to ask; names are resolved again and again.
    pub seeds: Vec<String>,
    /// A node that is down for so long is forgotten.
    pub forget_after: Duration,
    /// Seed of all randomness. In a real node it comes from the system: it keeps the nonces of two runs apart.
    pub seed: u64,
}

/// See the module.
pub struct Gossip {
    pub(super) foca: Foca<SwimId, SwimCodec, SwimRng, NewsHandler>,
    pub(super) book: Arc<Mutex<Book>>,
    pub(super) peers: Peers,
    pub(super) seeds: Seeds,
    pub(super) rng: Rng,
    pub(super) timers: Timers,
    pub(super) effects: AccumulatingRuntime<SwimId>,
    pub(super) links: BTreeSet<NodeId>,
    pub(super) now: Now,
    envelope: Envelope,
    refusals: Refusals,
    health: Health,
    flaps: Flaps,
    profile: Profile,
    forget_after: Duration,
    /// Whom foca probes at present.
    probing: Option<NodeId>,
    outbid: Option<Duration>,
    /// Since when we see no majority of the placed nodes.
    minority: Option<Duration>,
    wake: Option<Duration>,
    left: bool,
}

impl Gossip {
    /// A node that has not started yet.
    ///
    /// # Errors
    /// If the record cannot travel.
    pub fn new(options: Options) -> Result<Self, RecordError> {
        let record = NodeRecord { cluster: cluster_hash(&options.cluster), ..options.record };
        record.encode()?;
        let mut rng = Rng::seeded(options.seed);
        let marks = Marks {
            cluster: options.cluster,
            secret: options.secret,
            layout_algo: record.layout_algo,
            protocol: record.protocol,
        };
        let envelope = Envelope::new(&marks, record.node, rng.bits());
        let (id, profile) = (SwimId::of(&record), Profile::of(1));
        let seeds = Seeds::new(&options.seeds, record.gossip);
        let book = Arc::new(Mutex::new(Book::new(record, options.forget_after * 2)));
        let foca = Foca::with_custom_broadcast(
            id,
            profile.config(BODY_BYTES_MAX - 1),
            SwimRng(rng.fork()),
            SwimCodec,
            NewsHandler(Arc::clone(&book)),
        );
        Ok(Gossip {
            foca,
            book,
            peers: Peers::default(),
            seeds,
            rng,
            timers: Timers::default(),
            effects: AccumulatingRuntime::new(),
            links: BTreeSet::new(),
            now: Now { monotonic: Duration::ZERO, unix_ms: 0 },
            envelope,
            refusals: Refusals::default(),
            health: Health::default(),
            flaps: Flaps::default(),
            profile,
            forget_after: options.forget_after,
            probing: None,
            outbid: None,
            minority: None,
            wake: None,
            left: false,
        })
    }

    /// Nodes that answer, this one included.
    pub(super) fn members(&self) -> usize {
        self.foca.num_members() + 1
    }

    /// Reads the clock into this step, and finds out whether we slept.
    fn begin(&mut self, now: Now) {
        self.now = now;
        let late = self.timers.first().map(|due| now.monotonic.saturating_sub(due));
        if let Some(late) = late.filter(|late| *late > LAG_MAX) {
            self.health.lagged(late);
            self.timers.postpone(late);
        }
        self.book.lock().begin(now.monotonic);
    }

    fn packet(&mut self, from: Via, bytes: &[u8], out: &mut Vec<Output>) {
        let body = match self.envelope.open(bytes, self.now) {
            Ok(Opened::Body(body)) => body,
            Ok(Opened::RefusedByPeer(why)) => return self.refused(why, from, true, out),
            Err(Reject::Refused(why)) => return self.refused(why, from, false, out),
            Err(Reject::Noise) => return,
        };
        let Ok(body) = wire::decode(&body) else { return };
        match body {
            Body::Swim(bytes) => self.swim(from, bytes, out),
            Body::Knock(record) => self.knocked(from, record, out),
            Body::Welcome { record, known } => self.welcomed(from, record, known, out),
            Body::Sums(sums) => self.compare(from, &sums, out),
            Body::Items(items) => self.take_in(items),
            Body::Want(parts) => self.send_items(from, parts, out),
        }
    }

    fn swim(&mut self, from: Via, bytes: &[u8], out: &mut Vec<Output>) {
        // foca refuses what it cannot read and stays as it was. Only one refusal is of interest to an operator.
        if let Err(foca::Error::DataFromOurselves) = self.foca.handle_data(bytes, &mut self.effects)
            && from != Via::Address(self.foca.identity().gossip)
        {
            self.refused(Why::DuplicateId, from, false, out);
        }
    }

    /// Reports a refusal and, if it is ours, tells the peer.
    pub(super) fn refused(&mut self, why: Why, peer: Via, by_peer: bool, out: &mut Vec<Output>) {
        if !self.refusals.may_say(peer, why, by_peer, self.now.monotonic) {
            return;
        }
        if !by_peer {
            out.push(Output::Send { to: peer, bytes: self.envelope.refusal(why) });
        }
        out.push(Output::Event(Event::Refused { why, peer, by_peer }));
    }

    /// Sends a body where it came from or should go.
    pub(super) fn send(&mut self, to: Via, body: &[u8], out: &mut Vec<Output>) {
        let bytes = self.envelope.wrap(body, self.now);
        debug_assert!(bytes.len() <= PACKET_BYTES_MAX);
        out.push(Output::Send { to, bytes });
    }

    /// The way to a member: in small clusters the link, which loses nothing; in large ones a link only if `prefer_link`.
    pub(super) fn way_to(&self, id: &SwimId, prefer_link: bool) -> Via {
        let small = self.members() <= LINKS_MEMBERS_MAX;
        if (small || prefer_link) && self.links.contains(&id.node) {
            Via::Link(id.node)
        } else {
            Via::Address(id.gossip)
        }
    }

    /// Tells the others about a change of the book.
    pub(super) fn announce(&mut self, item: &Item) {
        if let Some(bytes) = wire::item_bytes(item) {
            // It fails for what is too long alone, and records are not.
            let _ = self.foca.add_broadcast(&bytes);
        }
    }

    /// Changes what we say of ourselves.
    pub(super) fn publish(&mut self, change: impl FnOnce(&mut NodeRecord)) {
        let mut book = self.book.lock();
        let mut record = NodeRecord::clone(book.own());
        change(&mut record);
        record.version = record.version.saturating_add(1);
        if record.encode().is_err() {
            return;
        }
        book.set_own(record.clone());
        drop(book);
        self.announce(&Item::Record { record, alive: true });
    }

    fn own_record(&mut self, record: NodeRecord, out: &mut Vec<Output>) {
        let leaves = record.state == NodeState::Left;
        self.publish(|own| {
            *own = NodeRecord {
                node: own.node,
                incarnation: own.incarnation,
                version: own.version,
                renewals: own.renewals,
                gossip: own.gossip,
                cluster: own.cluster,
                ..record
            };
        });
        if leaves {
            self.say_goodbye(out);
            // The reason foca could have to fail is an address of its own that it cannot encode.
            let _ = self.foca.leave_cluster(&mut self.effects);
            self.carry_out(out);
            self.left = true;
        }
    }

    /// Another run of this node is on record, or our present one was forgotten: outbid it.
    pub(super) fn outbid(&mut self, stamp: Stamp, out: &mut Vec<Output>) {
        let now = self.now.monotonic;
        if self.outbid.is_some_and(|last| now.saturating_sub(last) < OUTBID_EVERY) {
            return;
        }
        self.outbid = Some(now);
        let own = self.book.lock().own().stamp();
        if stamp.incarnation > own.incarnation {
            let Some(incarnation) = stamp.incarnation.checked_add(1) else { return };
            self.publish(|record| record.incarnation = incarnation);
            self.become_run(SwimId { incarnation, ..*self.foca.identity() }, out);
        } else {
            self.publish(|record| record.version = record.version.max(stamp.version));
            self.come_back(out);
        }
    }

    /// Others may have given us up, or forgotten us: go on as a new run, and say so.
    fn come_back(&mut self, out: &mut Vec<Output>) {
        if let Some(renewed) = self.foca.identity().renew() {
            self.publish(|record| record.renewals = renewed.renewals);
            self.become_run(renewed, out);
        }
    }

    fn become_run(&mut self, id: SwimId, out: &mut Vec<Output>) {
        // It fails for the same identity alone, and for one that does not encode.
        let _ = self.foca.change_identity(id, &mut self.effects);
        out.push(Output::Event(Event::Rejoined { incarnation: id.incarnation }));
    }

    fn alarm(&mut self, alarm: Alarm, out: &mut Vec<Output>) {
        match alarm {
            Alarm::Swim(timer) => self.swim_timer(timer, out),
            Alarm::Exchange => self.exchange(out),
            Alarm::Seeds => self.look_for_seeds(out),
            Alarm::Settle => self.settle(out),
        }
    }

    fn swim_timer(&mut self, timer: Timer<SwimId>, out: &mut Vec<Output>) {
        if let Timer::ChangeSuspectToDown { member_id, incarnation, .. } = &timer {
            // foca 2.0 tells a suspect that has defended itself long since that it is down, and the suspect then comes back as a new run.
            let mut members = self.foca.iter_membership_state();
            let accused = Member::new(*member_id, *incarnation, State::Suspect);
            if !members.any(|member| *member == accused) {
                return;
            }
            let (node, now) = (member_id.node, self.now.monotonic);
            if let Some(until) = self.peers.vetoed_until(node, VETO_WINDOW, now) {
                drop(members);
                return self.timers.set(until, Alarm::Swim(timer));
            }
        }
        let ends_probe = matches!(timer, Timer::ProbeRandomMember(_));
        let probed = if ends_probe { self.probing.take() } else { None };
        // The errors that a timer can meet are stale tokens and a probe cut short by a pause; foca recovers from both.
        let _ = self.foca.handle_timer(timer, &mut self.effects);
        let failed = self.carry_out(out);
        if let Some(probed) = probed {
            self.health.probed(probed, failed != Some(probed));
        }
    }

    /// Carries out what foca wants. Returns whom it began to suspect by its own probe.
    fn carry_out(&mut self, out: &mut Vec<Output>) -> Option<NodeId> {
        let mut failed = None;
        while self.effects.backlog() > 0 {
            while let Some((after, timer)) = self.effects.to_schedule() {
                let after = match &timer {
                    Timer::ProbeRandomMember(_) => self.stretch_probe(after),
                    Timer::SendIndirectProbe { probed_id, .. } => {
                        self.probing = Some(probed_id.node);
                        self.stretch_probe(after)
                    }
                    Timer::ChangeSuspectToDown { member_id, .. } => {
                        failed = Some(member_id.node);
                        let flaps = self.flaps.multiplier(member_id.node, self.now.monotonic);
                        after * self.health.multiplier() * flaps
                    }
                    _ => after,
                };
                self.timers.set(self.now.monotonic + after, Alarm::Swim(timer));
            }
            while let Some((to, bytes)) = self.effects.to_send() {
                let way = self.way_to(&to, false);
                self.send(way, &wire::swim(&bytes), out);
            }
            while let Some(notification) = self.effects.to_notify() {
                self.notice(notification, out);
            }
        }
        failed
    }

    fn stretch_probe(&self, base: Duration) -> Duration {
        base * self.profile.probe_percent / 100 * self.health.multiplier()
    }

    fn notice(&mut self, notification: OwnedNotification<SwimId>, out: &mut Vec<Output>) {
        let now = self.now.monotonic;
        let event = match notification {
            OwnedNotification::MemberUp(id) => self.peers.up(id, now),
            OwnedNotification::MemberDown(id) => self.peers.down(id.node, VETO_WINDOW, now),
            OwnedNotification::Rename(_, id) => self.peers.renamed(id),
            OwnedNotification::Rejoin(id) => {
                self.publish(|record| record.renewals = id.renewals);
                self.timers.set_only(now, Alarm::Seeds);
                // Nobody has told us anything while we were taken for dead.
                self.timers.set_only(now, Alarm::Exchange);
                Some(Event::Rejoined { incarnation: id.incarnation })
            }
            OwnedNotification::Idle => {
                self.seeds.hurry();
                self.timers.set_only(now, Alarm::Seeds);
                None
            }
            OwnedNotification::Active | OwnedNotification::Defunct => None,
        };
        self.tell(event, out);
    }

    fn tell(&mut self, events: impl IntoIterator<Item = Event>, out: &mut Vec<Output>) {
        for event in events {
            if let Event::MemberDown(node) = event {
                self.flaps.down(node, self.now.monotonic);
            }
            out.push(Output::Event(event));
        }
    }

    /// Passes on what changed in the book.
    fn tell_changes(&mut self, out: &mut Vec<Output>) {
        let (changes, outranked) = {
            let mut book = self.book.lock();
            (book.take_changes(), book.take_outranked())
        };
        for change in changes {
            let event = match change {
                Change::Record(record) => {
                    self.peers.mentioned(SwimId::of(&record), self.now.monotonic);
                    Event::RecordChanged(record)
                }
                Change::Forgotten(node) => {
                    self.drop_peer(node);
                    Event::Forgotten(node)
                }
                Change::TagTaken(node) => Event::TagTaken(node),
            };
            out.push(Output::Event(event));
        }
        if let Some(stamp) = outranked {
            self.outbid(stamp, out);
        }
    }

    /// Removes a dead node from foca's memory, and ours.
    fn drop_peer(&mut self, node: NodeId) {
        if self.peers.is_alive(node) {
            return;
        }
        if let Some(id) = self.peers.forget(node) {
            let _ = self.foca.handle_timer(Timer::RemoveDown(id), &mut self.effects);
        }
    }

    fn settle(&mut self, out: &mut Vec<Output>) {
        let now = self.now.monotonic;
        self.timers.set(now + SETTLE_EVERY, Alarm::Settle);
        self.flaps.sweep(now);
        let profile = Profile::of(self.members());
        if profile != self.profile {
            self.profile = profile;
            let set = self.foca.set_config(profile.config(BODY_BYTES_MAX - 1));
            debug_assert!(set.is_ok(), "probe timings are the same in all profiles");
        }
        let state = self.foca.iter_membership_state();
        let mut suspects: Vec<NodeId> = state
            .filter(|member| member.state() == State::Suspect)
            .map(|member| member.id().node)
            .collect();
        suspects.sort_unstable();
        let events = self.peers.settle_suspects(&suspects);
        self.tell(events, out);
        let events = self.peers.release_held(VETO_WINDOW, now);
        self.tell(events, out);
        self.meet_unrecorded(out);
        let has_majority = self.has_majority();
        self.forget_the_dead(has_majority);
        self.mind_majority(has_majority, out);
    }

    /// Whether we see more than half of the nodes that the layout counts.
    fn has_majority(&self) -> bool {
        let own = self.foca.identity().node;
        let book = self.book.lock();
        let (mut placed, mut alive) = (0, 0);
        for record in book.iter().filter(|record| record.state.is_placed()) {
            placed += 1;
            alive += usize::from(record.node == own || self.peers.is_alive(record.node));
        }
        alive * 2 > placed
    }

    /// Forgets nodes that are down for long, if we are on the side of the majority, or that left.
    fn forget_the_dead(&mut self, has_majority: bool) {
        let long = self.peers.down_for(self.forget_after, self.now.monotonic);
        for node in long {
            let left = |record: &Arc<NodeRecord>| record.state == NodeState::Left;
            if has_majority || self.book.lock().get(node).is_none_or(left) {
                self.forget(node);
            }
        }
    }

    /// A node that was cut off for so long that the others may have forgotten it, and the forgetting too, hears from no one that it was
    /// given up. It concludes so by itself.
    fn mind_majority(&mut self, has_majority: bool, out: &mut Vec<Output>) {
        let now = self.now.monotonic;
        if !has_majority {
            self.minority.get_or_insert(now);
        } else if let Some(since) = self.minority.take()
            && now.saturating_sub(since) >= self.forget_after
        {
            self.come_back(out);
        }
    }

    fn forget(&mut self, node: NodeId) {
        if self.peers.is_alive(node) {
            return;
        }
        let Some(stamp) = self.book.lock().get(node).map(|record| record.stamp()) else {
            return self.drop_peer(node);
        };
        if node == self.foca.identity().node {
            return;
        }
        let item = Item::Forgotten { node, stamp };
        self.book.lock().apply(item.clone());
        self.announce(&item);
    }

    fn start(&mut self, out: &mut Vec<Output>) {
        let now = self.now.monotonic;
        self.timers.set_only(now + SETTLE_EVERY, Alarm::Settle);
        self.set_exchange();
        self.look_for_seeds(out);
    }
}

impl Membership for Gossip {
    fn handle(&mut self, input: Input<'_>, now: Now, out: &mut Vec<Output>) {
        if self.left {
            return;
        }
        self.begin(now);
        match input {
            Input::Start => self.start(out),
            Input::Packet { from, bytes } => self.packet(from, bytes, out),
            // The alarm clock has rung, on time or not: it must be set again.
            Input::Timer => self.wake = None,
            Input::LinkUp(node) => {
                self.links.insert(node);
                self.linked(node, out);
            }
            Input::LinkDown(node) => {
                self.links.remove(&node);
            }
            Input::DataFrameHeard(node) => self.peers.heard(node, now.monotonic),
            Input::OwnRecord(record) => self.own_record(record, out),
            Input::Resolved { seed, addresses } => self.resolved(seed, addresses, out),
            Input::Records { records, alive } => {
                let item = |record| Item::Record { record, alive };
                self.take_in(records.into_iter().map(item).collect());
            }
            Input::LoopLag(lag) => {
                self.health.lagged(lag);
            }
            Input::Forget(node) => self.forget(node),
        }
        self.carry_out(out);
        while let Some(alarm) = self.timers.pop_due(now.monotonic) {
            self.alarm(alarm, out);
            self.carry_out(out);
        }
        self.tell_changes(out);
        self.carry_out(out);
        let first = self.timers.first();
        if first != self.wake {
            self.wake = first;
            out.extend(first.map(Output::WakeAt));
        }
    }

    fn liveness(&self, node: NodeId) -> Option<Liveness> {
        if node == self.foca.identity().node {
            return Some(Liveness::Up);
        }
        self.peers.liveness(node)
    }

    fn record(&self, node: NodeId) -> Option<Arc<NodeRecord>> {
        self.book.lock().get(node).cloned()
    }

    fn records(&self) -> Vec<Arc<NodeRecord>> {
        self.book.lock().iter().cloned().collect()
    }
}
