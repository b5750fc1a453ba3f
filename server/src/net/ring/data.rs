//! A worker's links to other nodes: its own, by which its requests and effects go out, and those that peers dialled, whose requests and effects it takes.
//!
//! ```text
//!   plane's sends ────▶ own link ────▶ peer          responses, acknowledgements come back on it
//!   journal's effects ─▶
//!   peer ─▶ accepted link ─▶ requests: plane's visitors; effects: the store
//! ```
//!
//! **Invariant.** To every living member leads at most one own link. Every send ends in a response or a failure that the plane is told of.

use super::conn::{Conn, Lost};
use super::frames::{on_own_frame, on_peers_frame};
use super::shared::{Arrival, Mail, Shared};
use crate::admin::Instance;
use crate::admin::pubsub::PeerLink;
use crate::admin::tracking::{NewsLink, TracksLink};
use crate::base::rng::Rng;
use crate::cluster::member::MemberState;
use crate::cluster::view::MemberIndex;
use crate::cluster::{NodeId, View};
use crate::node::WorkerState;
use crate::node::link::{Ask, Close, EffectSource, Event, Failed, Link, NoEffects, Now, Pulled};
use crate::node::plane::Failure;
use crate::node::replicator::Replicator;
use crate::node::standing::{Gap, Question};
use crate::replication::journal::WorkerJournal;
use crate::script::library::{LibraryLink, TELL_AGAIN};
use crate::store::Local;
use crossbeam_channel::Receiver;
use mio::{Registry, Token};
use std::any::Any;
use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;
use torc_protocol::peer::changes::{decode_tracks, decode_tracks_heard};
use torc_protocol::peer::hello::Role;
use torc_protocol::peer::libraries::decode_libraries_heard;
use torc_protocol::peer::request::response_flags;
use torc_protocol::peer::{Class, Frame, Head, Kind, publish};

mod libraries;
mod tracking;

/// Tokens of links begin here; those of clients lie below.
pub(in crate::net) const TOKENS: usize = 1 << 40;

/// Writes that wait for copies are looked after so often, for acknowledgements that came to another worker.
const LOOK: Duration = Duration::from_millis(2);

/// The control thread hears of a peer's signs of life so often.
const TELL_HEARD: Duration = Duration::from_secs(1);

/// Others see how far a peer is behind so often.
const TELL_LAG: Duration = Duration::from_millis(500);

/// While no more of the responses wait to be sent, long ones go on.
const RESPONSE_BYTES_AHEAD: usize = 256 * 1024;

/// Bits of a link's key that are its place.
const PLACE_BITS: u32 = 20;

/// One link.
struct DataLink {
    conn: Conn,
    node: NodeId,
    /// Where views have the node, for links that this worker dials.
    index: Option<MemberIndex>,
    /// The dialler's worker, for links that were accepted.
    of_worker: Option<u16>,
    /// Names it among all links that this worker ever had.
    key: u64,
    /// As which run of this node it was dialled.
    incarnation: u64,
    /// By request: the plane's ticket.
    tickets: HashMap<u32, u64>,
    told_heard: Duration,
    /// Effects that the peer had not been sent when that was last told.
    lag: u64,
    wake: Option<Duration>,
    is_dirty: bool,
    is_up: bool,
    /// Whether the plane is to be told that there is room for more of a long response.
    owes_room: bool,
    /// What this node's subscribers listen to, as far as it is still to be told by this link.
    interest: PeerLink,
    /// Names the link among those by which peers tell theirs.
    source: u64,
    /// What this node knows of libraries, as far as it is still to be told by this link.
    libraries: LibraryLink,
    /// Whether this node's clients track, as far as it is still to be told by this link.
    tracks: TracksLink,
    /// Keys that this worker has changed, in the same way.
    news: NewsLink,
    /// What the peer told of whether its clients track, as of which change, if that was not taken over yet.
    peer_tracks: Option<(bool, u64)>,
}

/// What a worker lends to its links for a step.
pub(in crate::net) struct Desk<'a> {
    pub state: &'a mut WorkerState,
    pub instance: &'a Instance,
    pub registry: &'a Registry,
    pub buffer: &'a mut [u8],
}

/// See the module.
pub(in crate::net) struct DataLinks {
    shared: Arc<Shared>,
    worker: u16,
    arrivals: Receiver<Arrival>,
    links: Vec<Option<Box<DataLink>>>,
    own: HashMap<NodeId, usize>,
    wakes: BTreeSet<(Duration, usize)>,
    /// Links that may have something to send.
    dirty: Vec<usize>,
    /// Links that go on without an event.
    more: Vec<usize>,
    links_made: u64,
    /// Whether there may be names of changed keys that found no room.
    owe_news: bool,
    /// Whether there may be links whose peers' word of who tracks waits.
    owe_hearing: bool,
    /// Up to where in the journal links were told of effects.
    effects_seen: u64,
    look_at: Option<Duration>,
    tell_lag_at: Duration,
    tell_libraries_at: Duration,
    rng: Rng,
    failed: Vec<Failed>,
}

impl DataLinks {
    /// Those of worker `index`, none yet.
    pub fn new(shared: Arc<Shared>, index: usize, arrivals: Receiver<Arrival>, seed: u64) -> Self {
        DataLinks {
            shared,
            worker: index as u16,
            arrivals,
            links: Vec::new(),
            own: HashMap::new(),
            wakes: BTreeSet::new(),
            dirty: Vec::new(),
            more: Vec::new(),
            links_made: 0,
            owe_news: false,
            owe_hearing: false,
            effects_seen: 0,
            look_at: None,
            tell_lag_at: Duration::ZERO,
            tell_libraries_at: Duration::ZERO,
            rng: Rng::seeded(seed),
            failed: Vec::new(),
        }
    }

    /// When [`DataLinks::on_time`] has something to do; at once if anything is left from before.
    pub fn next_wake(&self) -> Option<Duration> {
        if !self.more.is_empty() || !self.dirty.is_empty() {
            return Some(Duration::ZERO);
        }
        let link = self.wakes.first().map(|(time, _)| *time);
        [link, self.look_at].into_iter().flatten().min()
    }

    /// Something happened to a socket.
    pub fn on_event(&mut self, event: &mio::event::Event, desk: &mut Desk<'_>) {
        let at = event.token().0 - TOKENS;
        let now = self.shared.now();
        let Some(Some(link)) = self.links.get_mut(at) else { return };
        match link.conn.on_event(event, now) {
            Ok(()) => self.read(at, desk),
            Err(lost) => self.lost(at, &lost, desk),
        }
    }

    /// Someone woke the worker: the view, routes or the directory may have changed, or a link arrived.
    pub fn on_wake(&mut self, desk: &mut Desk<'_>) {
        for _ in 0..self.arrivals.len() {
            if let Ok(arrival) = self.arrivals.try_recv() {
                self.welcome(arrival, desk);
            }
        }
        self.match_members(desk);
    }

    /// Does what is due by `now`, and goes on where a turn ended early.
    pub fn on_time(&mut self, desk: &mut Desk<'_>) {
        for at in std::mem::take(&mut self.more) {
            self.read(at, desk);
        }
        let now = self.shared.now();
        // Each once: what a link wants done may be done only by sending, which comes after this.
        let later = self.wakes.split_off(&(now.monotonic + Duration::from_nanos(1), 0));
        for (_, at) in std::mem::replace(&mut self.wakes, later) {
            if let Some(Some(link)) = self.links.get_mut(at) {
                link.wake = None;
            }
            self.tick(at, now, desk);
        }
        if self.look_at.is_some_and(|time| time <= now.monotonic) {
            self.look_at = None;
            self.look(desk);
        }
        if self.tell_lag_at <= now.monotonic {
            self.tell_lag_at = now.monotonic + TELL_LAG;
            self.tell_lags(desk);
        }
        if self.tell_libraries_at <= now.monotonic {
            self.tell_libraries_at = now.monotonic + TELL_AGAIN;
            self.tell_libraries_again(desk);
        }
    }

    /// Lets others see how far peers are behind.
    fn tell_lags(&mut self, desk: &mut Desk<'_>) {
        let Some(journal) = journal(&mut desk.state.local) else { return };
        for link in self.links.iter_mut().flatten() {
            let Some(peer) = link.index else { continue };
            let lag = journal.log().lag(peer.0.into()).unwrap_or(0);
            let before = std::mem::replace(&mut link.lag, lag);
            desk.instance.cluster.count_lag(peer, before, lag);
        }
    }

    /// Carries what the plane wants sent to the links. Returns whether there was anything.
    pub fn carry(&mut self, desk: &mut Desk<'_>) -> bool {
        let mut any = false;
        while let Some(send) = desk.state.next_send() {
            any = true;
            if !self.own.contains_key(&send.to) {
                // The view that names the node may be newer than the last look at it.
                self.match_members(desk);
            }
            let at = self.own.get(&send.to).copied();
            let Some((at, link)) = at.and_then(|at| Some((at, self.links[at].as_mut()?))) else {
                desk.state.on_failure(desk.instance, send.ticket, Failure::Unreachable);
                continue;
            };
            let now = self.shared.now();
            let ask =
                Ask { slot: send.slot, deadline: Some(send.deadline), blocking: send.blocking };
            let asked = link.conn.link.request(now, ask, |out| {
                out.extend_from_slice(&send.payload);
                Ok(())
            });
            match asked {
                Ok(id) => {
                    link.tickets.insert(id, send.ticket);
                    self.mark(at);
                }
                Err(error) => desk.state.on_failure(desk.instance, send.ticket, error.into()),
            }
        }
        while let Some(response) = desk.state.next_response() {
            any = true;
            let at = (response.link & ((1 << PLACE_BITS) - 1)) as usize;
            let Some(Some(link)) = self.links.get_mut(at) else { continue };
            if link.key != response.link {
                continue;
            }
            let (id, slot, flags) = (response.id, response.slot, response.flags);
            let responded = link.conn.link.respond(id, slot, flags, |out| {
                out.extend_from_slice(&response.payload);
                Ok(())
            });
            if let Err(error) = responded {
                tracing::debug!(node = %link.node, ?error, "a response is lost");
            }
            link.owes_room |= flags & response_flags::MORE != 0;
            self.mark(at);
        }
        any
    }

    /// Carries messages of this worker's clients to the nodes that have subscribers. What finds no open link or no room is lost, as messages of channels may be.
    fn carry_messages(&mut self, desk: &mut Desk<'_>) {
        let pubsub = &desk.instance.pubsub;
        let Some(outgoing) = pubsub.take_outgoing(desk.state.index) else { return };
        let mut dropped = outgoing.dropped();
        for (node, payload) in outgoing.messages() {
            let at = self.own.get(node).copied();
            let link = at.and_then(|at| Some((at, self.links[at].as_mut()?)));
            let sent = link.is_some_and(|(_, link)| {
                let sent = link.conn.link.send(Head::of(Kind::Publish), |out| {
                    out.extend_from_slice(payload);
                    Ok(())
                });
                sent.is_ok()
            });
            match at {
                Some(at) if sent => self.mark(at),
                _ => dropped += 1,
            }
        }
        if dropped > 0 {
            pubsub.count_dropped(dropped);
        }
    }

    /// Tells peers what this node's subscribers listen to. The first worker does that for all.
    fn tell_interest(&mut self, desk: &mut Desk<'_>) {
        if self.worker != 0 {
            return;
        }
        let pubsub = &desk.instance.pubsub;
        let changes = pubsub.take_changes();
        for at in self.own.values().copied().collect::<Vec<_>>() {
            let Some(Some(link)) = self.links.get_mut(at) else { continue };
            let DataLink { conn, interest, .. } = &mut **link;
            if let Some((changes, change)) = &changes {
                interest.change((changes, *change), || pubsub.interests());
            }
            let mut told = false;
            while conn.link.has_room(Class::Publish)
                && let Some(payload) = interest.next_payload()
            {
                let sent = conn.link.send(Head::of(Kind::Interest), |out| {
                    out.extend_from_slice(&payload);
                    Ok(())
                });
                if sent.is_err() {
                    // It had room and was open; if it cannot say this, it is told anew.
                    interest.open(pubsub.interests());
                    break;
                }
                told = true;
            }
            if told {
                self.mark(at);
            }
        }
    }

    /// Takes down up to where all peers have heard of this node's subscribers, and wakes the workers whose clients may be told so.
    fn confirm_interest(&mut self, desk: &mut Desk<'_>) {
        let links = self.links.iter().flatten().filter(|link| link.index.is_some());
        if desk.instance.pubsub.confirm(links.map(|link| &link.interest)) {
            self.shared.wake_workers();
        }
    }

    /// Sends what there is to send.
    pub fn flush(&mut self, desk: &mut Desk<'_>) {
        self.carry_messages(desk);
        self.tell_interest(desk);
        self.tell_libraries(desk);
        self.hear_waiting_tracks(desk);
        self.tell_tracks(desk);
        self.carry_changes(desk);
        self.note_effects(desk);
        self.ask_standings(desk);
        if self.look_at.is_none()
            && replication(desk.state).is_some_and(|(_, replicator)| replicator.is_waiting())
        {
            self.look_at = Some(desk.instance.clock.monotonic() + LOOK);
        }
        if self.dirty.is_empty() {
            return;
        }
        let now = self.shared.now();
        let view = desk.instance.cluster.view();
        for at in std::mem::take(&mut self.dirty) {
            let Some(Some(link)) = self.links.get_mut(at) else { continue };
            link.is_dirty = false;
            let flushed = match (link.index, &view, replication(desk.state)) {
                (Some(peer), Some(view), Some((local, replicator))) => {
                    link.conn.flush(now, &mut Effects { local, replicator, view, peer })
                }
                _ => link.conn.flush(now, &mut NoEffects),
            };
            let fell_off = link.conn.link.take_fell_off();
            if fell_off {
                // What comes next goes on; what is missing before it is found by comparing copies.
                link.conn.link.start_effects();
                self.shared.tell(Mail::FellOff(link.node));
            }
            let has_room = link.conn.link.queued_bytes(Class::Request) < RESPONSE_BYTES_AHEAD;
            if flushed.is_ok() && has_room && std::mem::take(&mut link.owes_room) {
                desk.state.on_room(link.key);
            }
            match flushed {
                Ok(()) => self.settle(at),
                Err(lost) => self.lost(at, &lost, desk),
            }
            if fell_off {
                self.mark(at);
            }
        }
    }

    /// Asks peers how their copies stand, if anything waits for that, and tells the control thread of gaps that were found.
    fn ask_standings(&mut self, desk: &mut Desk<'_>) {
        let Some((_, replicator)) = replication(desk.state) else { return };
        let gaps = replicator.take_gaps();
        if !replicator.is_waiting() && gaps.is_empty() {
            return;
        }
        let Some(view) = desk.instance.cluster.view() else { return };
        let id_of = |peer: MemberIndex| view.member(peer).map(|member| member.id);
        for Gap { slot, peer, is_here } in gaps {
            if let Some(node) = id_of(peer) {
                self.shared.tell(Mail::Gap { slot, node, is_here });
            }
        }
        for Question { peer, round, payload } in replicator.questions(&view) {
            let at = id_of(peer).and_then(|node| self.own.get(&node).copied());
            let Some((at, link)) = at.and_then(|at| Some((at, self.links[at].as_mut()?))) else {
                continue;
            };
            let head = Head { id: round, ..Head::of(Kind::Question) };
            let sent = link.conn.link.send(head, |out| {
                out.extend_from_slice(&payload);
                Ok(())
            });
            if let Err(error) = sent {
                // It is asked again a little later.
                tracing::trace!(?error, "a question is lost");
            }
            self.mark(at);
        }
    }

    /// Marks the own links if the journal has something new.
    fn note_effects(&mut self, desk: &mut Desk<'_>) {
        let Some(journal) = journal(&mut desk.state.local) else { return };
        let end = journal.log().next_position();
        if end != self.effects_seen {
            self.effects_seen = end;
            let own: Vec<usize> = self.own.values().copied().collect();
            own.into_iter().for_each(|at| self.mark(at));
        }
    }

    fn mark(&mut self, at: usize) {
        if let Some(Some(link)) = self.links.get_mut(at)
            && !link.is_dirty
        {
            link.is_dirty = true;
            self.dirty.push(at);
        }
    }

    /// After a step of a link: when it is to be looked at again.
    fn settle(&mut self, at: usize) {
        let Some(Some(link)) = self.links.get_mut(at) else { return };
        let wake = link.conn.link.next_wake();
        if wake != link.wake {
            if let Some(old) = link.wake {
                self.wakes.remove(&(old, at));
            }
            link.wake = wake;
            self.wakes.extend(wake.map(|time| (time, at)));
        }
        if link.conn.has_more() && !self.more.contains(&at) {
            self.more.push(at);
        }
    }

    fn tick(&mut self, at: usize, now: Now, desk: &mut Desk<'_>) {
        let Some(Some(link)) = self.links.get_mut(at) else { return };
        let mut ticked = link.conn.tick(now, &mut self.failed);
        if matches!(ticked, Ok(true)) {
            let token = Token(TOKENS + at);
            ticked = match self.shared.address_of(link.node) {
                Some(address) => link.conn.dial(address, desk.registry, token).map(|()| false),
                None => Err(Lost::Nowhere),
            };
        }
        self.report_failures(at, desk);
        match ticked {
            Ok(_) => {
                self.mark(at);
                self.settle(at);
            }
            Err(lost) => self.lost(at, &lost, desk),
        }
    }

    fn read(&mut self, at: usize, desk: &mut Desk<'_>) {
        let now = self.shared.now();
        let Some(Some(link)) = self.links.get_mut(at) else { return };
        let DataLink {
            conn,
            node,
            index,
            key,
            tickets,
            is_up,
            told_heard,
            interest,
            source,
            libraries,
            tracks,
            news,
            peer_tracks,
            ..
        } = &mut **link;
        let owe_news = &mut self.owe_news;
        let (tells, of_peer) = (self.worker == 0, (*source, *node));
        let (state, instance) = (&mut *desk.state, desk.instance);
        let (mut malformed, mut confirmed, mut learned, mut heard) = (false, false, false, false);
        let received = conn.receive(desk.buffer, now, &*self.shared, &mut |link, event| {
            let handled = match event {
                Event::Open(_) => {
                    *is_up = true;
                    if tells && index.is_some() {
                        interest.open(instance.pubsub.interests());
                        libraries.open(&instance.scripts.libraries);
                        tracks.open(&instance.tracking);
                        (confirmed, learned, heard) = (true, true, true);
                    }
                    if index.is_some() {
                        news.open(instance.tracking.has_node(*node));
                        *owe_news = true;
                    }
                    if let (Some(peer), Some((local, replicator))) = (*index, replication(state)) {
                        replicator.link_up(local, peer);
                        link.start_effects();
                        state.on_link_up(instance, peer);
                        self.shared.tell(Mail::DataLinkUp(*node));
                    }
                    true
                }
                Event::Clock(_) => true,
                Event::Response(Frame { header, payload })
                    if header.flags & response_flags::MORE != 0 =>
                {
                    if let Some(&ticket) = tickets.get(&header.id) {
                        state.on_response_part(instance, ticket, payload);
                    }
                    true
                }
                Event::Response(Frame { header, payload }) => {
                    if let Some(ticket) = tickets.remove(&header.id) {
                        state.on_response(instance, ticket, header.flags, payload);
                    }
                    true
                }
                Event::Frame(frame) => match *index {
                    Some(_) if frame.header.kind == Some(Kind::Heard) => {
                        confirmed = true;
                        publish::decode_heard(frame.payload)
                            .map(|change| interest.confirmed(change))
                            .is_ok()
                    }
                    Some(_) if frame.header.kind == Some(Kind::LibrariesHeard) => {
                        learned = true;
                        decode_libraries_heard(frame.payload)
                            .map(|(number, wanted)| libraries.answered(number, wanted))
                            .is_ok()
                    }
                    Some(_) if frame.header.kind == Some(Kind::TracksHeard) => {
                        heard = true;
                        decode_tracks_heard(frame.payload)
                            .map(|change| {
                                if tracks.confirmed(change) {
                                    instance.tracking.doubt();
                                }
                            })
                            .is_ok()
                    }
                    None if frame.header.kind == Some(Kind::Tracks) => {
                        decode_tracks(frame.payload).map(|told| *peer_tracks = Some(told)).is_ok()
                    }
                    Some(peer) => on_own_frame(state, instance, peer, frame),
                    None => on_peers_frame(state, instance, (*key, of_peer), link, frame),
                },
            };
            malformed |= !handled;
            if handled { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        if *is_up && now.monotonic >= *told_heard + TELL_HEARD {
            *told_heard = now.monotonic;
            self.shared.tell(Mail::Heard(*node));
        }
        if confirmed {
            self.confirm_interest(desk);
        }
        if learned {
            self.confirm_libraries(desk);
        }
        if heard {
            self.confirm_tracks(desk);
        }
        self.hear_tracks(at, desk);
        match received {
            Ok(()) if malformed => self.lost(at, &Lost::Malformed, desk),
            Ok(()) => {
                self.mark(at);
                self.settle(at);
            }
            Err(lost) => self.lost(at, &lost, desk),
        }
    }

    /// A connection is gone.
    fn lost(&mut self, at: usize, lost: &Lost, desk: &mut Desk<'_>) {
        let now = self.shared.now();
        let Some(Some(link)) = self.links.get_mut(at) else { return };
        if link.is_up {
            tracing::debug!(node = %link.node, own = link.index.is_some(), %lost, "a data link is lost");
        }
        link.conn.lose(now, &mut self.failed);
        link.interest.lose();
        link.libraries.lose();
        link.tracks.lose();
        link.news.lose();
        link.peer_tracks = None;
        desk.instance.pubsub.lose_source(link.source, link.node);
        let tracking = &desk.instance.tracking;
        tracking.lose_source(link.source, link.node, &desk.instance.store);
        if link.is_up && (link.index.is_none() || self.worker == 0) {
            // Names of changed keys may have been on their way; or the peer forgets that clients track here.
            tracking.doubt();
        }
        let tells = self.worker == 0 && link.index.is_some();
        if std::mem::take(&mut link.is_up)
            && let (Some(peer), Some((local, replicator))) = (link.index, replication(desk.state))
        {
            replicator.link_down(local, peer);
        }
        let (is_own, key) = (link.index.is_some(), link.key);
        desk.state.on_link_lost(desk.instance, key);
        if tells {
            self.confirm_interest(desk);
            self.confirm_libraries(desk);
            self.confirm_tracks(desk);
        }
        self.report_failures(at, desk);
        if is_own {
            self.settle(at);
        } else {
            self.remove(at);
        }
    }

    /// Tells the plane of requests that ended without a response.
    fn report_failures(&mut self, at: usize, desk: &mut Desk<'_>) {
        for Failed { id, why } in std::mem::take(&mut self.failed) {
            let Some(Some(link)) = self.links.get_mut(at) else { continue };
            if let Some(ticket) = link.tickets.remove(&id) {
                desk.state.on_failure(desk.instance, ticket, why.into());
            }
        }
    }

    fn remove(&mut self, at: usize) {
        let Some(link) = self.links.get_mut(at).and_then(Option::take) else { return };
        if let Some(wake) = link.wake {
            self.wakes.remove(&(wake, at));
        }
        if let Some(peer) = link.index {
            self.own.remove(&link.node);
            self.shared.instance.cluster.count_lag(peer, link.lag, 0);
        }
    }

    fn insert(&mut self, conn: Conn, node: NodeId, index: Option<MemberIndex>) -> usize {
        let free = self.links.iter().position(Option::is_none);
        let at = free.unwrap_or(self.links.len());
        self.links_made += 1;
        let link = Box::new(DataLink {
            conn,
            node,
            index,
            of_worker: None,
            key: self.links_made << PLACE_BITS | at as u64,
            incarnation: self.shared.identity().incarnation,
            tickets: HashMap::new(),
            told_heard: Duration::ZERO,
            lag: 0,
            wake: None,
            is_dirty: false,
            is_up: false,
            owes_room: false,
            interest: PeerLink::default(),
            source: self.shared.instance.pubsub.new_source(),
            libraries: LibraryLink::default(),
            tracks: TracksLink::default(),
            news: NewsLink::default(),
            peer_tracks: None,
        });
        match free {
            Some(at) => self.links[at] = Some(link),
            None => self.links.push(Some(link)),
        }
        at
    }

    /// A peer's link, accepted by the control thread. It takes the place of an earlier one of the same worker of that node.
    fn welcome(&mut self, arrival: Arrival, desk: &mut Desk<'_>) {
        let Arrival { conn, peer } = arrival;
        let Role::Data { worker } = peer.role else { return };
        let node = NodeId(peer.node);
        let is_same = |link: &Option<Box<DataLink>>| {
            link.as_ref().is_some_and(|it| it.node == node && it.of_worker == Some(worker))
        };
        if let Some(before) = self.links.iter().position(is_same) {
            self.lost(before, &Lost::Replaced, desk);
        }
        let at = self.insert(conn, node, None);
        let Some(Some(link)) = self.links.get_mut(at) else { return };
        link.of_worker = Some(worker);
        link.is_up = true;
        match link.conn.register(desk.registry, Token(TOKENS + at)) {
            Ok(()) => self.read(at, desk),
            Err(lost) => self.lost(at, &lost, desk),
        }
    }

    /// Sees to it that there is a link to each living member and to nobody else.
    fn match_members(&mut self, desk: &mut Desk<'_>) {
        let Some(view) = desk.instance.cluster.view() else { return };
        let identity = self.shared.identity();
        let wanted = |node: NodeId, index: MemberIndex| {
            view.member(index).is_some_and(|member| {
                let is_there = member.alive && member.state != MemberState::Left;
                member.id == node && is_there && index != view.me()
            })
        };
        let gone: Vec<usize> = self
            .links
            .iter()
            .enumerate()
            .filter_map(|(at, link)| {
                let link = link.as_ref()?;
                let index = link.index?;
                let is_ours = link.incarnation == identity.incarnation;
                (!wanted(link.node, index) || !is_ours).then_some(at)
            })
            .collect();
        for at in gone {
            self.lost(at, &Lost::NotAMember, desk);
            self.fail_waiting(at, desk);
            self.remove(at);
        }
        for (index, member) in view.members() {
            if !wanted(member.id, index)
                || self.own.contains_key(&member.id)
                || self.shared.address_of(member.id).is_none()
            {
                continue;
            }
            let link = Link::dialler(
                Arc::clone(&self.shared.config),
                Arc::clone(&identity),
                Role::Data { worker: self.worker },
                Some(member.id.0),
                self.rng.fork(),
            );
            let at = self.insert(Conn::dialler(link), member.id, Some(index));
            self.own.insert(member.id, at);
            self.tick(at, self.shared.now(), desk);
        }
    }

    /// Before a link is dropped: requests that waited for a connection have none to wait for.
    fn fail_waiting(&mut self, at: usize, desk: &mut Desk<'_>) {
        let Some(Some(link)) = self.links.get_mut(at) else { return };
        for (_, ticket) in std::mem::take(&mut link.tickets) {
            desk.state.on_failure(desk.instance, ticket, Failure::Unreachable);
        }
    }

    /// Looks for acknowledgements that came to other workers.
    fn look(&mut self, desk: &mut Desk<'_>) {
        let Some(view) = desk.instance.cluster.view() else { return };
        let Some((_, replicator)) = replication(desk.state) else { return };
        if !replicator.is_waiting() {
            return;
        }
        let waiters = replicator.look(&view);
        desk.state.on_acked(desk.instance, waiters);
    }
}

/// The worker's part of the store, and its side of replication.
pub(super) fn replication(state: &mut WorkerState) -> Option<(&mut Local, &mut Replicator)> {
    let (local, replication) = state.replication()?;
    let replication: &mut dyn Any = replication;
    Some((local, replication.downcast_mut()?))
}

/// The journal of this thread.
fn journal(local: &mut Local) -> Option<&mut WorkerJournal> {
    local.journal()?.as_any().downcast_mut()
}

/// The effects of one worker for one peer.
struct Effects<'a> {
    local: &'a mut Local,
    replicator: &'a mut Replicator,
    view: &'a View,
    peer: MemberIndex,
}

impl EffectSource for Effects<'_> {
    fn pull(&mut self, bytes_max: usize, payload: &mut Vec<u8>) -> Pulled {
        let Effects { local, replicator, view, peer } = self;
        let read = replicator.read_effects(local, view, *peer, bytes_max, payload);
        match read.fell_off {
            true => Pulled::FellOff,
            false if read.count > 0 => Pulled::Batch,
            false => Pulled::Nothing,
        }
    }
}

/// Whether `close` tells of a node that does not fit, which an operator has to know.
pub(super) fn is_misfit(lost: &Lost) -> bool {
    use torc_protocol::peer::hello::Reason;
    match lost {
        Lost::Closed(Close::Refused(refusal)) => !matches!(
            refusal.reason,
            Reason::SelfConnection | Reason::StaleIncarnation | Reason::Unavailable
        ),
        _ => false,
    }
}
