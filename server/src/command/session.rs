//! What the server remembers of one client between commands.

use super::attendant::LentAttendant;
use super::consistency::{Consistency, Once, Seen};
use super::login::Login;
use super::long_reply::LongReply;
use super::transaction::{Multi, Watching};
use crate::admin::Instance;
use crate::admin::blocked::Waiter;
use crate::admin::clients::{Activity, ClientInfo, Clients, flag};
use crate::admin::pubsub::{Kind, Listener, Name, PubSub, Publisher, Subscriptions};
use crate::admin::tracking::{Mode, Reading, Tracked, Tracking};
use crate::base::clock::UnixMs;
use crate::cluster::member::Transport;
use crate::cluster::route::Port;
use std::sync::Arc;
use torc_protocol::Protocol;
use torc_protocol::command::CommandId;
use torc_protocol::peer::changes::Author;

/// Whose replies are left out (CLIENT REPLY).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mute {
    /// Nobody's.
    #[default]
    Off,
    /// The next command's, once this one is done.
    Next,
    /// This command's.
    This,
    /// Every command's.
    All,
}

/// A client's state. Used by its worker alone; what others may see of it is in [`Session::info`].
#[derive(Debug)]
pub struct Session {
    /// Unique for the life of the process, rising.
    pub id: u64,
    /// Selected database.
    pub db: u8,
    /// RESP version.
    pub protocol: Protocol,
    /// Whether AUTH succeeded, or no password was set when the client came.
    pub authenticated: bool,
    /// Whether its commands are checked before they run: it is not authenticated, or may not do everything.
    pub guarded: bool,
    /// Who it is; none for what comes from no client, and may do everything.
    pub login: Option<Login>,
    /// The number of changes to users when it last looked at its own.
    pub(super) acl_generation: u64,
    /// Whose replies are left out.
    pub mute: Mute,
    /// Whether its reads leave the keys' access times alone (CLIENT NO-TOUCH).
    pub no_touch: bool,
    /// Whether it is spared when clients take too much memory (CLIENT NO-EVICT).
    pub no_evict: bool,
    /// Whether its reads may be answered from copies (READONLY).
    pub reads_copies: bool,
    /// The last command that was looked up for it.
    pub command: Option<CommandId>,
    /// Which rules of the ring hold for it.
    pub port: Port,
    /// How it came.
    pub transport: Transport,
    /// How often what it sends was handed on by nodes; 0 for a client of this one.
    pub hops: u8,
    /// The client by whose doing keys change, where that may matter elsewhere: one that tracks at a node of a ring, or another node's.
    pub author: Option<Author>,
    /// How many copies its writes need and where its reads may be answered (CLIENT CONSISTENCY).
    pub consistency: Consistency,
    /// The same for one command alone.
    pub once: Once,
    /// Whether it ever used CLIENT CONSISTENCY or CLIENT TRACKING, so that batches look at what it said.
    pub demands_more: bool,
    /// Versions that it wrote, or was told by CLIENT TOKEN SET.
    pub seen: Seen,
    /// How far a FLUSHALL or FLUSHDB of a node in a ring has come: database, slot, position.
    pub flushed: Option<(u8, u16, u64)>,
    /// What it has queued since MULTI.
    pub multi: Option<Box<Multi>>,
    /// How many commands that are, as CLIENT LIST shows it; none outside MULTI.
    pub queued: Option<u32>,
    /// What it watches.
    pub watching: Option<Box<Watching>>,
    /// Whether its command runs as part of a step (EXEC), so that it must not wait for anything.
    pub in_step: bool,
    /// What TIME has told in the step, in microseconds since the Unix epoch: it stands still there.
    pub step_us: Option<u64>,
    /// Whether its command is a script's.
    pub in_script: bool,
    /// While a script runs, whose replies have a protocol of their own: the client's, for what is pushed to it.
    pub protocol_outside: Option<Protocol>,
    /// What its script has called, in lines for monitoring clients; see [`crate::admin::feed`].
    pub called: Vec<u8>,
    /// Whether the error that its command answers has counted before, in a call of its script.
    pub error_counted: bool,
    /// What its command has begun to wait for, until the pipeline takes it.
    pub waits: Option<Arc<Waiter>>,
    /// Whether its next command is to have the store for itself: a script that comes to keys which it does not declare.
    pub alone: bool,
    /// While such a command runs: who answers the other clients of its worker, if anybody does.
    pub attendant: Option<LentAttendant>,
    /// Whether a reply became so long that it was left unfinished: nothing more may be sent.
    pub is_cut: bool,
    /// What is left of its command's reply; see [`super::long_reply`].
    pub long_reply: Option<Box<LongReply>>,
    /// Its public record.
    pub info: Arc<ClientInfo>,
    monitoring: bool,
    /// Boxed, for most clients have none.
    subscriptions: Option<Box<Subscriptions>>,
    /// Whoever tracks has `subscriptions` too, if none: a batch asks for one of the two alone.
    tracked: Option<Box<Tracked>>,
}

impl Session {
    /// A step is over, unless it is part of another one.
    pub fn end_step(&mut self, was_in_step: bool) {
        self.in_step = was_in_step;
        if !was_in_step {
            self.step_us = None;
        }
    }

    /// The state of a client that has just connected.
    pub fn new(info: Arc<ClientInfo>, authenticated: bool) -> Self {
        Session {
            id: info.id,
            db: 0,
            protocol: Protocol::Resp2,
            authenticated,
            guarded: !authenticated,
            login: None,
            acl_generation: 0,
            mute: Mute::Off,
            no_touch: false,
            no_evict: false,
            reads_copies: false,
            command: None,
            port: Port::Plain,
            transport: Transport::Plain,
            hops: 0,
            author: None,
            consistency: Consistency::default(),
            once: Once::Off,
            demands_more: false,
            seen: Seen::default(),
            flushed: None,
            multi: None,
            queued: None,
            watching: None,
            in_step: false,
            step_us: None,
            in_script: false,
            protocol_outside: None,
            called: Vec::new(),
            error_counted: false,
            waits: None,
            alone: false,
            attendant: None,
            is_cut: false,
            long_reply: None,
            info,
            monitoring: false,
            subscriptions: None,
            tracked: None,
        }
    }

    /// How the client came, if it is to be told MOVED rather than served through this node.
    pub fn redirects(&self) -> Option<Transport> {
        (self.port == Port::Cluster).then_some(self.transport)
    }

    /// Back to what it was when the client connected (RESET). The library's name stays: it still speaks for the connection.
    pub fn reset(&mut self, instance: &Instance) {
        self.stop_monitoring(&instance.clients);
        self.untrack(instance);
        self.unsubscribe_all(&instance.pubsub);
        self.info.names().name.clear();
        let mute = if self.mute == Mute::This { Mute::This } else { Mute::Off };
        let fresh = Session::new(Arc::clone(&self.info), false);
        let (port, transport, hops) = (self.port, self.transport, self.hops);
        *self = Session { mute, command: self.command, port, transport, hops, ..fresh };
        self.log_in_as_default(&instance.acl);
    }

    /// Forgets what was queued since MULTI and what is watched.
    pub fn end_transaction(&mut self) {
        self.multi = None;
        self.queued = None;
        self.watching = None;
    }

    /// What holds for the command that is about to run.
    #[inline]
    pub fn consistency(&self) -> &Consistency {
        match &self.once {
            Once::This(once) => once,
            _ => &self.consistency,
        }
    }

    /// Whether the client sees every command (MONITOR).
    pub fn is_monitoring(&self) -> bool {
        self.monitoring
    }

    /// Begins to show the client every command. Returns whether it did not see them already.
    pub fn start_monitoring(&mut self, clients: &Clients) -> bool {
        if self.monitoring {
            return false;
        }
        self.monitoring = true;
        clients.count_monitor(self.info.worker, true);
        true
    }

    /// Ends what [`Session::start_monitoring`] began. Whoever drops a session calls this first.
    pub fn stop_monitoring(&mut self, clients: &Clients) {
        if self.monitoring {
            self.monitoring = false;
            clients.count_monitor(self.info.worker, false);
        }
    }

    /// Whether the pipeline has to look twice at what it runs: it monitors, has subscriptions or is owed pushes.
    #[inline]
    pub fn is_special(&self) -> bool {
        // Without a short circuit, so that ordinary clients pay for one branch.
        self.monitoring | self.subscriptions.is_some()
    }

    /// Whether the client has subscriptions.
    pub fn is_subscribed(&self) -> bool {
        self.subscriptions.as_ref().is_some_and(|own| own.total() > 0)
    }

    fn listener(&self) -> Listener {
        Listener {
            worker: self.info.worker,
            place: self.info.slot(),
            client: self.id,
            follows_slots: self.port == Port::Cluster,
        }
    }

    /// Subscribes to `name`, unless the client already is.
    pub fn subscribe(&mut self, pubsub: &PubSub, kind: Kind, name: &[u8]) {
        let listener = self.listener();
        self.subscriptions.get_or_insert_default().add(pubsub, kind, name, listener);
        self.publish_subscriptions();
    }

    /// Ends the subscription to `name`; whether there was one. [`Session::settle_subscriptions`] is to follow.
    pub fn unsubscribe(&mut self, pubsub: &PubSub, kind: Kind, name: &[u8]) -> bool {
        let listener = self.listener();
        let Some(own) = &mut self.subscriptions else { return false };
        let was_there = own.remove(pubsub, kind, name, listener);
        self.publish_subscriptions();
        was_there
    }

    /// Ends all subscriptions. Whoever drops a session calls this first.
    pub fn unsubscribe_all(&mut self, pubsub: &PubSub) {
        let listener = self.listener();
        if let Some(own) = &mut self.subscriptions {
            own.clear(pubsub, listener);
            if self.tracked.is_none() {
                self.subscriptions = None;
            }
            self.publish_subscriptions();
        }
    }

    /// Gives back what is kept for subscriptions, if there are none left.
    pub fn settle_subscriptions(&mut self) {
        if let Some(own) = &self.subscriptions
            && own.total() == 0
            && own.pushes.is_empty()
            && self.tracked.is_none()
        {
            self.subscriptions = None;
        }
    }

    /// The names of one kind that it is subscribed to.
    pub fn subscribed_names(&self, kind: Kind) -> Vec<Name> {
        self.subscriptions.as_ref().map_or(Vec::new(), |own| own.names(kind))
    }

    /// What the client is told of its number of subscriptions: shard channels are counted apart.
    pub fn subscription_count(&self, kind: Kind) -> usize {
        let Some(own) = &self.subscriptions else { return 0 };
        match kind {
            Kind::Shard => own.count(Kind::Shard),
            _ => own.count(Kind::Channel) + own.count(Kind::Pattern),
        }
    }

    fn publish_subscriptions(&self) {
        let counts = match &self.subscriptions {
            Some(own) => Kind::ALL.map(|kind| own.count(kind)),
            None => [0; 3],
        };
        self.info.set_subscriptions(counts);
    }

    /// Where pushes go that follow the reply of the command that runs.
    pub fn own_pushes(&mut self) -> &mut Vec<u8> {
        &mut self.subscriptions.get_or_insert_default().pushes
    }

    /// Appends to `out` the pushes that the command brought the client.
    #[cold]
    pub fn take_own_pushes(&mut self, out: &mut Vec<u8>) {
        if let Some(own) = &mut self.subscriptions
            && !own.pushes.is_empty()
        {
            out.append(&mut own.pushes);
            self.settle_subscriptions();
        }
    }

    /// What the client tracks, if anything.
    pub fn tracked(&self) -> Option<&Tracked> {
        self.tracked.as_deref()
    }

    /// As [`Session::tracked`], to be changed.
    pub fn tracked_mut(&mut self) -> Option<&mut Tracked> {
        self.tracked.as_deref_mut()
    }

    /// Tracks from now on. Whoever does not yet is [entered](Tracking::enter) first.
    pub fn track(&mut self, tracking: &Tracking, mode: Mode, prefixes: &[&[u8]]) {
        self.subscriptions.get_or_insert_default();
        self.demands_more = true;
        self.author = tracking.author(self.id);
        let tracked = self.tracked.get_or_insert_default();
        tracked.set(tracking, &self.info, mode, prefixes);
    }

    /// Tracks no more. Whoever drops a session calls this first.
    pub fn untrack(&mut self, instance: &Instance) {
        if let Some(mut tracked) = self.tracked.take() {
            self.author = None;
            tracked.end(&instance.tracking, &self.info);
            instance.tracking.leave(&instance.store);
            self.settle_subscriptions();
        }
    }

    /// What the command of a client that tracks reads, and where news go that follow its reply.
    pub fn tracked_pushes(&mut self) -> Option<(&Reading, &mut Vec<u8>)> {
        let tracked = self.tracked.as_deref()?;
        let own = self.subscriptions.get_or_insert_default();
        Some((&tracked.reading, &mut own.pushes))
    }

    /// The client as a publisher, on `worker`.
    pub fn publisher(&mut self, worker: usize) -> Publisher<'_> {
        let (id, protocol) = (self.id, self.protocol_outside.unwrap_or(self.protocol));
        let own = self.subscriptions.as_deref_mut().filter(|own| own.total() > 0);
        Publisher { worker, client: own.map(|own| (id, own, protocol)) }
    }

    /// Whether what it runs next is to have the store for itself.
    pub fn wants_alone(&self) -> bool {
        self.alone || self.multi.as_ref().is_some_and(|multi| multi.alone)
    }

    /// The figures that CLIENT LIST shows, the buffers left empty.
    pub fn activity(&self, now: UnixMs) -> Activity {
        let mut flags = if self.info.endpoint.unix_socket { flag::UNIX_SOCKET } else { 0 };
        for (set, bit) in [
            (self.monitoring, flag::MONITOR),
            (self.is_subscribed(), flag::PUBSUB),
            (self.no_evict, flag::NO_EVICT),
            (self.no_touch, flag::NO_TOUCH),
            (self.queued.is_some(), flag::MULTI),
            (self.watching.as_ref().is_some_and(|it| it.is_broken()), flag::DIRTY),
        ] {
            if set {
                flags |= bit;
            }
        }
        Activity {
            last_ms: now,
            db: self.db,
            resp: match self.protocol {
                Protocol::Resp2 => 2,
                Protocol::Resp3 => 3,
            },
            flags,
            command: self.command.map(|id| id.index() as u16),
            queued: self.queued,
            queued_bytes: self.multi.as_ref().map_or(0, |multi| multi.bytes()),
            input_bytes: 0,
            output_bytes: 0,
        }
    }
}
