//! A worker: one thread, one poll, many connections, and its part of the store.
//!
//! ```text
//!   poll ─▶ gather: who has sent ─▶ turn: read, run, send ─▶ mail, timers, the ring ─▶ feed: what others are told ─▶ upkeep ─▶ poll
//! ```
//!
//! Connections that have more to do than a turn allows take turns with all others. Whatever waits (a sleep, a pause, a client that does not take its replies) is a state of the connection; the thread
//! waits in its poll alone.

mod attend;
mod feed;
mod gather;
mod pace;
mod turn;
mod upkeep;

use super::connection::Connection;
use super::ring::data::{self, DataLinks};
use super::ring::shared::{Arrival, Shared};
use super::slots::Slots;
use super::stream::Stream;
use crate::admin::Instance;
use crate::admin::clients::ClientInfo;
use crate::admin::mailbox::{Mailbox, Message};
use crate::base::clock::UnixMs;
use crate::base::limits::{OUTPUT_BACKLOG_BYTES, READ_BUFFER_BYTES, STOP_FLUSH_MS};
use crate::base::rng;
use crate::cluster::NodeId;
use crate::cluster::route::Port;
use crate::command::Session;
use crate::node::plane::Plane;
use crate::node::replicator::Replicator;
use crate::node::{Client, Park, WorkerState};
use crate::replication::journal::WorkerJournal;
use crossbeam_channel::Receiver;
use gather::Came;
use mio::event::Event;
use mio::{Events, Poll, Token};
use pace::Pace;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use turn::send;

/// The token of the mailbox; connections have their slot plus one.
pub(super) const WAKE: Token = Token(0);

/// Events taken from the kernel at once.
const EVENTS_MAX: usize = 1024;

/// Rounds in which answers bring new requests, before sockets have their turn again.
const ROUNDS_MAX: usize = 8;

/// What a worker is given of a ring: what its threads share, and where peers' links come from.
pub(super) type RingPart = (Arc<Shared>, Receiver<Arrival>);

/// A connection on its way from the acceptor.
#[derive(Debug)]
pub(super) struct Accepted {
    pub stream: Stream,
    pub info: Arc<ClientInfo>,
    pub port: Port,
}

/// What the acceptor and a worker share besides the mailbox.
#[derive(Debug)]
pub(super) struct Desk {
    pub accepted: Receiver<Accepted>,
    /// Connections that the worker has or is about to get.
    pub load: Arc<AtomicUsize>,
    pub mail: Receiver<Message>,
}

/// One worker.
pub(super) struct Worker {
    instance: Arc<Instance>,
    state: WorkerState,
    /// What it works with while a script keeps `state`, once that has happened.
    second: Option<WorkerState>,
    poll: Poll,
    desk: Desk,
    slots: Slots,
    /// Connections that an event gave work.
    due: Vec<usize>,
    /// What some of them have sent, in `buffer`.
    came: Vec<Came>,
    /// Connections that go on without an event, each at most once.
    queue: VecDeque<usize>,
    /// Connections whose commands are to have the store for themselves, and some that no longer are.
    alone: Vec<usize>,
    /// Ends of sleeps.
    sleeps: BinaryHeap<Reverse<(UnixMs, usize, u64)>>,
    /// Connections that a pause holds, and when it ends at the earliest.
    held: Vec<(usize, u64)>,
    held_until: UnixMs,
    /// Connections that monitor, and some that no longer do.
    monitors: Vec<(usize, u64)>,
    buffer: Box<[u8]>,
    output: Vec<u8>,
    /// Unsent output past which a client's commands are left alone; see `upkeep.rs`.
    backlog_max: usize,
    now: UnixMs,
    next_tick: UnixMs,
    /// When shard channels are next compared with their slots.
    follow_slots_at: UnixMs,
    pace: Pace,
    /// The number of changes to users when subscribers last looked at theirs.
    acl_generation: u64,
    /// Where the walk over all connections stands.
    checked: usize,
    /// What is left of this tick's time for sweeping; zero when nothing is due.
    sweep_left: Duration,
    /// Its links to other nodes, if the node is part of a ring.
    ring: Option<Box<DataLinks>>,
}

/// Why a connection ends, for the log.
#[derive(Debug, Clone, Copy)]
enum End {
    /// The client closed it, or the network did.
    Gone,
    /// All is said (QUIT, a protocol error).
    Done,
    /// CLIENT KILL or an attack.
    Killed,
    /// `timeout`.
    Idle,
    /// It did not come to terms in time about how to talk.
    Handshake,
    /// A limit on its buffers.
    Limit,
    /// The process stops.
    Stop,
}

impl Worker {
    /// Worker `index` of `instance`.
    pub fn new(
        instance: Arc<Instance>,
        index: usize,
        poll: Poll,
        desk: Desk,
        ring: Option<RingPart>,
    ) -> Self {
        let mut state = WorkerState::new(&instance, index);
        let ring = ring.map(|part| Box::new(join_ring(&instance, &mut state, part)));
        let now = state.tick(&instance);
        Worker {
            instance,
            state,
            second: None,
            poll,
            desk,
            slots: Slots::default(),
            due: Vec::new(),
            came: Vec::new(),
            queue: VecDeque::new(),
            alone: Vec::new(),
            sleeps: BinaryHeap::new(),
            held: Vec::new(),
            held_until: UnixMs::MAX,
            monitors: Vec::new(),
            buffer: vec![0; READ_BUFFER_BYTES].into_boxed_slice(),
            output: Vec::with_capacity(READ_BUFFER_BYTES),
            backlog_max: OUTPUT_BACKLOG_BYTES,
            now,
            next_tick: now,
            follow_slots_at: now,
            pace: Pace::default(),
            acl_generation: 0,
            checked: 0,
            sweep_left: Duration::ZERO,
            ring,
        }
    }

    /// Serves until the process is asked to stop.
    ///
    /// # Errors
    /// The poll fails, which means that the process is broken.
    pub fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        let mut found = 0;
        while !self.instance.is_shutdown_requested() {
            let timeout = self.timeout();
            if self.pace.waits(found) {
                self.wait_for_more(timeout);
            }
            self.poll(&mut events, timeout)?;
            self.now = self.instance.clock.unix_ms();
            // What was told before a client was answered, others see before what it may have them asked for then.
            self.hand_out_feed();
            let mut woken = false;
            found = 0;
            for event in &events {
                found += 1;
                match event.token() {
                    WAKE => woken = true,
                    _ => self.dispatch(event),
                }
            }
            self.take_due();
            self.take_turns();
            while let Some(slot) = self.alone.pop() {
                self = self.run_alone(slot);
            }
            if woken {
                self.read_mail();
            }
            self.fire_timers();
            self.look_after_waits();
            self.drive_ring(woken);
            self.state.tell_changes(&self.instance);
            self.hand_out_feed();
            // Not both between two polls: whoever asks meanwhile waits for one of them.
            if self.now >= self.next_tick {
                self.tick();
            } else if !self.sweep_left.is_zero() {
                self.sweep();
            }
        }
        self.stop(&mut events)
    }

    fn poll(&mut self, events: &mut Events, timeout: Duration) -> io::Result<()> {
        match self.poll.poll(events, Some(timeout)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    /// Lets requests come together; see [`pace`]. Not where something else is to be done before.
    #[cold]
    fn wait_for_more(&self, timeout: Duration) {
        let moment = self.instance.settings.busy_gather_us().unsigned_abs();
        let moment = Duration::from_micros(moment);
        if !moment.is_zero() && moment < timeout {
            std::thread::sleep(moment);
        }
    }

    /// How long nothing but an event can bring work.
    fn timeout(&self) -> Duration {
        let index = self.state.index;
        if !self.queue.is_empty()
            || !self.sweep_left.is_zero()
            || self.is_fed()
            || self.instance.pubsub.has_outgoing(index)
            || self.state.has_waits_to_look_after(&self.instance)
            || self.state.has_changes_to_tell(&self.instance)
        {
            return Duration::ZERO;
        }
        let mut wake = self.next_tick;
        if let Some(Reverse((time, ..))) = self.sleeps.peek() {
            wake = wake.min(*time);
        }
        if !self.held.is_empty() {
            wake = wake.min(self.held_until);
        }
        if let Some(time) = self.state.next_wait_over() {
            wake = wake.min(time);
        }
        let wait = Duration::from_millis(wake.saturating_sub(self.now));
        let Some(ring) = &self.ring else { return wait };
        let wakes = [self.state.next_wake(), ring.next_wake()];
        match wakes.into_iter().flatten().min() {
            Some(wake) => wait.min(wake.saturating_sub(self.instance.clock.monotonic())),
            None => wait,
        }
    }

    /// An event of a connection or a link.
    fn dispatch(&mut self, event: &Event) {
        match event.token() {
            Token(token) if token >= data::TOKENS => self.on_ring_event(event),
            Token(token) => self.on_event(token - 1, event),
        }
    }

    fn on_ring_event(&mut self, event: &Event) {
        let Worker { ring, state, instance, poll, buffer, .. } = self;
        let Some(ring) = ring else { return };
        ring.on_event(
            event,
            &mut data::Desk { state, instance, registry: poll.registry(), buffer },
        );
    }

    /// Carries what the data plane has to say to clients and to links, and what those have to say to it.
    fn drive_ring(&mut self, woken: bool) {
        let Worker { ring, state, instance, poll, buffer, .. } = self;
        let Some(mut ring) = ring.take() else { return };
        let mut desk = data::Desk { state, instance, registry: poll.registry(), buffer };
        if woken {
            ring.on_wake(&mut desk);
        }
        ring.on_time(&mut desk);
        let now = instance.clock.monotonic();
        if woken || state.next_wake().is_some_and(|wake| wake <= now) {
            state.on_time(instance);
        }
        for _ in 0..ROUNDS_MAX {
            let answered = self.hand_out_answers();
            let Worker { state, instance, poll, buffer, .. } = self;
            let mut desk = data::Desk { state, instance, registry: poll.registry(), buffer };
            if !ring.carry(&mut desk) && !answered {
                break;
            }
        }
        let Worker { state, instance, poll, buffer, .. } = self;
        ring.flush(&mut data::Desk { state, instance, registry: poll.registry(), buffer });
        self.ring = Some(ring);
    }

    /// Hands clients the replies that came for them, and lets them go on. Returns whether there were any.
    fn hand_out_answers(&mut self) -> bool {
        let mut slots = Vec::new();
        while let Some(answer) = self.state.next_answer() {
            let (slot, client) = (answer.place, answer.client);
            // A client that is gone is owed nothing.
            let Some(connection) = self.slots.get_if(slot, client) else {
                self.state.undelivered(&answer);
                continue;
            };
            let was_blocked = connection.parked == Some(Park::Blocked);
            connection.answer(answer);
            self.state.note_taken(&mut connection.client);
            if was_blocked && connection.parked.is_none() {
                self.instance.clients.count_blocked(false);
                self.state.end_wait(&self.instance, client);
            }
            if !std::mem::replace(&mut connection.answered, true) {
                slots.push(slot);
            }
        }
        for &slot in &slots {
            if let Some(connection) = self.slots.get(slot) {
                connection.answered = false;
                self.turn(slot);
            }
        }
        !slots.is_empty()
    }

    fn on_event(&mut self, slot: usize, event: &Event) {
        // Events of a connection that ended earlier in this turn find nobody: its slot is given away only afterwards.
        let Some(connection) = self.slots.get(slot) else { return };
        self.pace.note(&mut connection.seen);
        let ended = event.is_read_closed() || event.is_error();
        // The end of the stream has to be read, even where the last read took all that was there.
        connection.ended |= ended;
        connection.readable |= event.is_readable() || ended;
        // A held client that goes takes with it what it had sent, as in Redis; and where nobody is left to read what waits to be sent,
        // there is nothing to wait for.
        let held = connection.is_held();
        let deaf = event.is_write_closed()
            && (connection.closing || connection.is_clogged(self.backlog_max));
        if ended && held || deaf {
            return self.close(slot, End::Gone);
        }
        if connection.can_go_on(self.backlog_max)
            || connection.reads_ahead(self.backlog_max)
            || (event.is_writable() && connection.output_bytes() > 0)
        {
            self.due.push(slot);
        } else if event.is_writable() && connection.stream.flush_own().is_err() {
            self.close(slot, End::Gone);
        }
    }

    fn mailbox(&self) -> Option<&Mailbox> {
        self.instance.clients.mailboxes.workers().get(self.state.index)
    }

    /// Takes in the connections that wait to be. Only those that are there now: later ones wake the worker again.
    fn welcome_all(&mut self) {
        for _ in 0..self.desk.accepted.len() {
            if let Ok(accepted) = self.desk.accepted.try_recv() {
                self.welcome(accepted);
            }
        }
    }

    fn read_mail(&mut self) {
        if let Some(mailbox) = self.mailbox() {
            mailbox.rearm();
        }
        self.welcome_all();
        for _ in 0..self.desk.mail.len() {
            match self.desk.mail.try_recv() {
                Ok(Message::Kill { slot, id }) => {
                    if self.slots.get_if(slot, id).is_some() {
                        self.close(slot, End::Killed);
                    }
                }
                Ok(Message::Resume) => self.resume_held(),
                Err(_) => break,
            }
        }
    }

    fn welcome(&mut self, accepted: Accepted) {
        let Accepted { mut stream, info, port } = accepted;
        let slot = self.slots.next();
        if info.is_killed() || stream.register(self.poll.registry(), Token(slot + 1)).is_err() {
            self.instance.clients.unregister(info.id);
            // Relaxed: a hint for placing connections.
            self.desk.load.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        info.set_slot(slot);
        let mut session = Session::new(info, false);
        session.log_in_as_default(&self.instance.acl);
        session.port = port;
        session.transport = stream.transport();
        let mut client = Client::new(session);
        client.place = slot;
        self.slots.insert(Connection::new(client, stream));
    }

    /// Hands clients what they waited for in blocking commands.
    fn look_after_waits(&mut self) {
        if self.state.next_wait_over().is_some_and(|time| time <= self.now) {
            self.state.expire_waits(&self.instance, self.now);
        }
        if self.state.has_waits_to_look_after(&self.instance) {
            self.state.look_after_waits(&self.instance);
            self.hand_out_answers();
        }
    }

    fn fire_timers(&mut self) {
        while let Some(&Reverse((time, slot, id))) = self.sleeps.peek()
            && time <= self.now
        {
            self.sleeps.pop();
            if let Some(connection) = self.slots.get_if(slot, id) {
                connection.parked = None;
                self.turn(slot);
            }
        }
        if !self.held.is_empty() && self.now >= self.held_until {
            self.resume_held();
        }
    }

    /// Lets everyone go on whom a pause held. Whom it still holds will be held again.
    fn resume_held(&mut self) {
        self.held_until = UnixMs::MAX;
        for (slot, id) in std::mem::take(&mut self.held) {
            if let Some(connection) = self.slots.get_if(slot, id)
                && matches!(connection.parked, Some(Park::Pause(_)))
            {
                connection.parked = None;
                self.instance.clients.count_blocked(false);
                self.turn(slot);
            }
        }
    }

    fn close(&mut self, slot: usize, end: End) {
        let Some(mut connection) = self.slots.remove(slot) else { return };
        let clients = &self.instance.clients;
        if connection.is_held() {
            clients.count_blocked(false);
        }
        self.state.forget(&self.instance, &mut connection.client);
        if connection.stream.is_handshaking() {
            self.instance.stats.handshake_failed();
        }
        let session = &mut connection.client.session;
        session.stop_monitoring(clients);
        session.untrack(&self.instance);
        session.unsubscribe_all(&self.instance.pubsub);
        clients.unregister(session.id);
        // Relaxed: a hint for placing connections.
        self.desk.load.fetch_sub(1, Ordering::Relaxed);
        self.output.clear();
        tracing::debug!(client = session.id, address = %session.info.endpoint.address, ?end, "disconnected");
    }

    /// Sends what waits, for a moment at most, and closes everything.
    fn stop(mut self, events: &mut Events) -> io::Result<()> {
        let deadline = self.instance.clock.unix_ms() + STOP_FLUSH_MS;
        loop {
            let waiting = self.slots.select(|connection| connection.output_bytes() > 0);
            for &slot in &waiting {
                let Some(connection) = self.slots.get(slot) else { continue };
                let sent = send(connection, &mut self.output, &self.instance, &mut self.state);
                if sent.is_err() || connection.output_bytes() == 0 {
                    self.close(slot, End::Stop);
                }
            }
            let left_ms = deadline.saturating_sub(self.instance.clock.unix_ms());
            if waiting.is_empty() || left_ms == 0 {
                break;
            }
            self.poll(events, Duration::from_millis(left_ms.min(50)))?;
        }
        for slot in 0..self.slots.len() {
            self.close(slot, End::Stop);
        }
        Ok(())
    }
}

/// Makes a worker part of a ring: what it writes is taken down, and what runs elsewhere is forwarded.
fn join_ring(instance: &Arc<Instance>, state: &mut WorkerState, part: RingPart) -> DataLinks {
    let (shared, arrivals) = part;
    let settings = &instance.settings;
    let workers = settings.worker_count().max(1) as u64;
    let budget = usize::try_from(settings.replication_log_size() / workers).unwrap_or(usize::MAX);
    let journal = WorkerJournal::new(shared.slots.tag(), budget);
    state.local.set_journal(Some(Box::new(journal)));
    instance.pubsub.told().start();
    instance.scripts.libraries.told().start();
    instance.tracking.start(NodeId(shared.identity().node));
    let replicator = Replicator::new(Arc::clone(instance), Arc::clone(&shared.slots));
    state.join_ring(Plane::new(Box::new(replicator), rng::entropy()));
    DataLinks::new(shared, state.index, arrivals, rng::entropy())
}
