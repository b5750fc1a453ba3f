//! A worker's links to other nodes: its own, by which its requests and effects go out, and those that peers dialled, whose requests and effects it takes.
//!
//! ```text
//!   plane's sends ────▶ own link ────▶ peer          responses, acknowledgements come back on it
//!   journal's effects ─▶
//!   peer ─▶ accepted link ─▶ requests: plane's visitors; effects: the store
//! ```
//!
//! A link begins and ends in [`life`]. What comes by it [`receiving`] hands on: to the plane, to replication, or to [`super::frames`] where a peer asks for something.
//! What goes out is put into its queues by one part for each kind, and [`DataLinks::flush`] writes the queues to the socket:
//!
//! ```text
//!   requests    what the plane asks of others, and its responses      each worker, as they come
//!   copies      effects, questions how copies stand                   each worker, as they come
//!   interest    who subscribes; messages                              the first worker; each its own
//!   libraries   which libraries there are                             the first worker
//!   tracking    whether clients track; names of changed keys          the first worker; each its own
//! ```
//!
//! How far peers have heard of the last three is told in [`telling`]. What every part shares is here: the links, which of them have something to send, when each is to be looked at again.
//!
//! **Invariant.** To every living member leads at most one own link. Every send ends in a response or a failure that the plane is told of.

mod copies;
mod interest;
mod libraries;
mod life;
mod receiving;
mod requests;
mod telling;
mod tracking;

use self::copies::Effects;
use self::telling::Untold;
use super::conn::Conn;
use super::shared::{Arrival, Mail, Shared};
use crate::admin::Instance;
use crate::base::rng::Rng;
use crate::cluster::NodeId;
use crate::cluster::view::MemberIndex;
use crate::node::WorkerState;
use crate::node::link::{Failed, NoEffects};
use crate::node::replicator::Replicator;
use crate::script::library::TELL_AGAIN;
use crate::store::Local;
use crossbeam_channel::Receiver;
use mio::Registry;
use std::any::Any;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use torc_protocol::peer::Class;

/// Tokens of links begin here; those of clients lie below.
pub(in crate::net) const TOKENS: usize = 1 << 40;

/// Writes that wait for copies are looked after so often, for acknowledgements that came to another worker.
const LOOK: Duration = Duration::from_millis(2);

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
    untold: Untold,
    /// Names the link among those by which peers tell theirs.
    source: u64,
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

    /// Where the links are that this worker dialled: one a peer.
    fn own_places(&self) -> Vec<usize> {
        self.own.values().copied().collect()
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

    /// Carries what the plane wants sent to the links. Returns whether there was anything.
    pub fn carry(&mut self, desk: &mut Desk<'_>) -> bool {
        let asked = self.carry_requests(desk);
        let responded = self.carry_responses(desk);
        self.carry_takings(desk);
        asked || responded
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

    /// The link may have something to send.
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
}

/// The worker's part of the store, and its side of replication.
pub(super) fn replication(state: &mut WorkerState) -> Option<(&mut Local, &mut Replicator)> {
    let (local, replication) = state.replication()?;
    let replication: &mut dyn Any = replication;
    Some((local, replication.downcast_mut()?))
}
