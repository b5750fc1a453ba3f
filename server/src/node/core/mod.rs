//! The control plane of one node: who the nodes are, which slots this one serves, and how its copies catch up.
//!
//! ```text
//! packets, frames, timers ──▶ Core::handle ──▶ packets, frames, routes, views
//!                              │ membership      who is there
//!                              │ members, view   who keeps what
//!                              │ duty            what to do about each slot
//!                              │ puller          what is asked of others, and what comes of it
//!                              │ answerer        what others ask
//!                              │ pace            how fast slots are copied
//! ```
//!
//! Sans-IO: the same code runs in the control thread and in a simulator. It is given the time and bytes, and what it wants sent comes out as [`Output`]. With the
//! workers it shares the store, the slots' chains and the routes.
//!
//! **Joining, leaving and coming back.** A member that joins or leaves does so when every living node says that it has synced for the layout to come. A node that was
//! restarted or given up is not ready until what it keeps is synced and what it inherits is served.
//!
//! Invariant: it never waits. What needs a grace period is looked at again a little later.

pub mod answerer;
pub mod duty;
mod members;
pub mod message;
pub mod pace;
pub mod puller;

use crate::admin::Instance;
use crate::base::clock::UnixMs;
use crate::base::limits::DATABASE_COUNT;
use crate::cluster::membership::{self, Event, Membership, Now, Via};
use crate::cluster::record::{NodeRecord, NodeState};
use crate::cluster::route::Route;
use crate::cluster::view::MemberIndex;
use crate::cluster::{NodeId, View};
use crate::replication::apply::Applier;
use crate::replication::slots::Slots;
use crate::replication::transfer::knows_all;
use crate::replication::vector::Vector;
use crate::store::{Grace, Local};
use answerer::{Answerer, Desk, Part};
use duty::{Action, Duties, Pulled};
use message::{Baton, decode_digest, decode_end, encode_digest};
use pace::{Bounds, Pace};
use puller::{Finished, Puller};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use torc_protocol::peer::{Kind, Malformed};
use torc_protocol::slot::{SLOT_COUNT, Slot};

/// While something is under way, the core looks at it again this often.
const STEP: Duration = Duration::from_millis(5);
/// While something is under way, all slots are looked at this often: that takes a millisecond, and at most 2 % of a core should go into it.
const REVIEW: Duration = Duration::from_millis(50);
/// And otherwise this often.
const REST: Duration = Duration::from_millis(100);
/// Each pair of nodes compares what it knows of its slots this often.
const ANTI_ENTROPY: Duration = Duration::from_secs(10);
/// After nodes came or went they do so sooner: what was written before a link stood was not told over it.
const COMPARE_SOON: Duration = Duration::from_secs(1);
/// Chains are looked through for effects that waited in vain this often.
const GIVE_UP: Duration = Duration::from_millis(250);
/// Copies that are not to be kept any more are removed once nodes and layout have stayed the same for so long.
const WIPE_AFTER: Duration = Duration::from_secs(10);
/// Keys removed at once for that reason, about.
const WIPE_KEYS: usize = 4_096;
/// Databases of slots looked at in one step of it.
const WIPE_STEPS: usize = 256;
/// A node that finds nobody who keeps slots begins the ring after so long, if it is the first of those who join.
const BEGIN_AFTER: Duration = Duration::from_secs(3);
/// A node that has just started takes up no slot before the ring that it hears of has stayed the same for so long: by half a ring it would take itself for the heir of
/// slots that nodes serve which it does not know yet.
const MEET: Duration = Duration::from_millis(500);

/// What a granted baton vouches for comes as effects in a few milliseconds; if it does not, it is pulled after so long.
const EFFECTS_MS_MAX: u64 = 30;
/// Commands a second from which on a node counts as one that clients would miss.
const BUSY_COMMANDS: u64 = 100;

/// What a node's core is made with.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// This node.
    pub node: NodeId,
    /// Copies of each slot.
    pub copies: usize,
    /// Whether it may begin a ring when nobody keeps any slot: it is among the nodes that it was told to join. One that is not waits for them, rather than go its own way.
    pub may_begin: bool,
}

/// What happens to a node.
#[derive(Debug)]
pub enum Input<'a> {
    /// It starts. Comes first, once.
    Start,
    /// The time of [`Output::WakeAt`] has come. Too early or too often does no harm.
    Timer,
    /// A datagram came.
    Packet {
        /// Where from.
        from: SocketAddr,
        /// Any bytes.
        bytes: &'a [u8],
    },
    /// The control link to a node works.
    LinkUp(NodeId),
    /// It does not any more.
    LinkDown(NodeId),
    /// A frame came over a control link.
    Frame {
        /// From whom.
        from: NodeId,
        /// What it is.
        kind: Kind,
        /// The slot that it concerns.
        slot: Option<Slot>,
        /// Its payload.
        payload: &'a [u8],
    },
    /// The control link to a node has no room for answers to pulls, or has some again. Links that are not spoken of have room.
    Clogged(NodeId, bool),
    /// A worker's link heard something of a node. Once a second for each is enough.
    Heard(NodeId),
    /// The answer to [`Output::Resolve`]; empty if there was none.
    Resolved {
        /// The name as it was asked for.
        seed: &'a str,
        /// Its addresses.
        addresses: &'a [SocketAddr],
    },
    /// A worker found that copies of a slot differ in what will not come by itself.
    Gap {
        /// The slot.
        slot: Slot,
        /// Who keeps the other copy.
        node: NodeId,
        /// Whether it is this node's copy that lacks something.
        is_here: bool,
    },
    /// The control thread ran late by so much.
    LoopLag(Duration),
    /// The node is to hand its slots over and go.
    Leave,
    /// An operator wants a node forgotten.
    Forget(NodeId),
}

/// What is to be done about it.
#[derive(Debug)]
pub enum Output {
    /// Send a datagram.
    Packet {
        /// Where to.
        to: SocketAddr,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Send a frame over the control link; it may be lost if there is none.
    Frame {
        /// To whom.
        to: NodeId,
        /// What it is.
        kind: Kind,
        /// The slot that it concerns.
        slot: Option<Slot>,
        /// Its payload.
        payload: Vec<u8>,
    },
    /// Come back with [`Input::Timer`] at this monotonic time; replaces the time asked for before.
    WakeAt(Duration),
    /// Resolve `host:port` and come back with [`Input::Resolved`].
    Resolve(String),
    /// The view was replaced: links may be wanted or not any more.
    ViewChanged,
    /// Routes changed: commands that wait may go on.
    RoutesChanged,
    /// Whether this node's slots are placed, to be remembered over a restart.
    Placed(bool),
    /// Everything is handed over: the process may end.
    Left,
    /// Something for the log: nodes that do not fit together, or a tag that is taken.
    Notice(Event),
}

/// Slots that were served a moment ago.
#[derive(Debug)]
struct Stopping {
    grace: Grace,
    slots: Vec<Slot>,
}

/// A baton that was granted before everything that it vouches for was known here.
#[derive(Debug)]
struct Granted {
    from: NodeId,
    vector: Vector,
    /// When it is pulled. What was asked for before can bring less.
    pull_at: UnixMs,
}

/// See the module's description.
pub struct Core {
    options: Options,
    instance: Arc<Instance>,
    slots: Arc<Slots>,
    local: Local,
    membership: Box<dyn Membership + Send>,
    view: Arc<View>,
    duties: Duties,
    puller: Puller,
    answerer: Answerer,
    pace: Pace,
    stopping: Vec<Stopping>,
    granted: BTreeMap<u16, Granted>,
    /// Slots of which a node says that it serves them, while the view names another: that one, and who says so.
    told: BTreeMap<u16, (MemberIndex, NodeId)>,
    began: Duration,
    /// When this node compares what it knows with the others next.
    compare_at: Duration,
    /// When chains are looked through next.
    give_up_at: Duration,
    /// When copies that are not to be kept any more may be removed.
    wipe_at: Duration,
    wiping: Option<(Slot, u8, u64)>,
    membership_wake: Option<Duration>,
    view_stale: bool,
    /// All routes are to be looked at again.
    routes_stale: bool,
    /// Whether the ring was met, or there is none; and since when what is known of it has stayed the same.
    met: bool,
    same_since: Duration,
    /// The routes of these are.
    moved: Vec<Slot>,
    /// When all slots were last looked at, which takes a millisecond: a frame alone is no reason to.
    reviewed: Duration,
    left: bool,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").field("node", &self.options.node).finish_non_exhaustive()
    }
}

impl Core {
    /// A node that has not started yet. `local` is the calling thread's part of the store, which replicates already.
    pub fn new(
        options: Options,
        instance: Arc<Instance>,
        slots: Arc<Slots>,
        local: Local,
        membership: Box<dyn Membership + Send>,
        now: Now,
    ) -> Core {
        let members = members::members(&*membership, options.node);
        let view = Arc::new(View::build(members, options.node, options.copies));
        for slot in every_slot() {
            instance.store.set_served(slot, false);
        }
        instance.cluster.publish(Arc::clone(&view));
        Core {
            options,
            instance,
            slots,
            local,
            membership,
            view,
            duties: Duties::new(),
            puller: Puller::default(),
            answerer: Answerer::default(),
            pace: Pace::default(),
            stopping: Vec::new(),
            granted: BTreeMap::new(),
            told: BTreeMap::new(),
            began: now.monotonic,
            compare_at: now.monotonic + COMPARE_SOON,
            give_up_at: now.monotonic + GIVE_UP,
            wipe_at: now.monotonic + WIPE_AFTER,
            wiping: None,
            membership_wake: None,
            view_stale: true,
            routes_stale: true,
            met: false,
            same_since: now.monotonic,
            moved: Vec::new(),
            reviewed: now.monotonic,
            left: false,
        }
    }

    /// What is to be done about each slot, for those who look on.
    pub fn duties(&self) -> &Duties {
        &self.duties
    }

    /// Says how long the last step took, so that copies of slots leave the machine to clients. Who never says so gets them as fast as bytes allow.
    pub fn took(&mut self, time: Duration) {
        self.pace.took(time, self.bounds());
    }

    fn bounds(&self) -> Bounds {
        let settings = &self.instance.settings;
        Bounds {
            bandwidth: settings.sync_bandwidth(),
            busy_percent: settings.sync_cpu_percent().clamp(1, 100) as u32,
        }
    }

    /// Takes a step. Appends what is to be done to `out`, in order.
    pub fn handle(&mut self, input: Input<'_>, now: Now, out: &mut Vec<Output>) {
        match input {
            Input::Start => self.gossip(membership::Input::Start, now, out),
            Input::Timer => {
                if self.membership_wake.is_some_and(|at| at <= now.monotonic) {
                    // It says when it wants to be called next, or nothing: one that has left never does again.
                    self.membership_wake = None;
                    self.gossip(membership::Input::Timer, now, out);
                }
            }
            Input::Packet { from, bytes } => {
                let from = Via::Address(from);
                self.gossip(membership::Input::Packet { from, bytes }, now, out);
            }
            Input::LinkUp(node) => {
                self.gossip(membership::Input::LinkUp(node), now, out);
                self.puller.again(node);
                self.compare_with(node, out);
            }
            Input::LinkDown(node) => {
                self.gossip(membership::Input::LinkDown(node), now, out);
                self.answerer.lose(node);
                self.lose(node, now, out);
            }
            Input::Clogged(node, clogged) => self.answerer.set_clogged(node, clogged),
            Input::Heard(node) => {
                self.gossip(membership::Input::DataFrameHeard(node), now, out);
            }
            Input::Resolved { seed, addresses } => {
                self.gossip(membership::Input::Resolved { seed, addresses }, now, out);
            }
            Input::Gap { slot, node, is_here: true } => self.puller.want(slot, node, true),
            Input::Gap { slot, node, is_here: false } => {
                // It pulls what it lacks, as when all slots are compared.
                let vector = self.slots.vector(&self.instance.store, slot);
                let mut payload = Vec::new();
                encode_digest([(slot, vector_hash(&vector))].into_iter(), &mut payload);
                out.push(Output::Frame { to: node, kind: Kind::Digest, slot: None, payload });
            }
            Input::LoopLag(lag) => self.gossip(membership::Input::LoopLag(lag), now, out),
            Input::Forget(node) => self.gossip(membership::Input::Forget(node), now, out),
            Input::Leave => self.change_record(now, out, |record| {
                record.state = NodeState::Leaving;
            }),
            Input::Frame { from, kind, slot, payload } => {
                if let Err(error) = self.frame(from, kind, slot, payload, now, out) {
                    tracing::warn!(%from, ?kind, %error, "a peer sent what this node does not understand");
                }
            }
        }
        self.proceed(now, out);
    }

    fn gossip(&mut self, input: membership::Input<'_>, now: Now, out: &mut Vec<Output>) {
        let mut said = Vec::new();
        self.membership.handle(input, now, &mut said);
        for said in said {
            match said {
                membership::Output::Send { to: Via::Address(to), bytes } => {
                    out.push(Output::Packet { to, bytes });
                }
                membership::Output::Send { to: Via::Link(to), bytes } => {
                    let kind = Kind::Gossip;
                    out.push(Output::Frame { to, kind, slot: None, payload: bytes });
                }
                membership::Output::WakeAt(at) => self.membership_wake = Some(at),
                membership::Output::Resolve(seed) => out.push(Output::Resolve(seed)),
                membership::Output::Event(event) => self.event(event, now, out),
            }
        }
    }

    fn event(&mut self, event: Event, now: Now, out: &mut Vec<Output>) {
        self.view_stale = true;
        match event {
            Event::MemberDown(node) => self.lose(node, now, out),
            Event::Rejoined { .. } => {
                self.duties.distrust();
                self.change_record(now, out, |record| record.ready = false);
                out.push(Output::Notice(event));
            }
            Event::TagTaken(_) | Event::Refused { .. } => out.push(Output::Notice(event)),
            _ => {}
        }
    }

    /// Changes what this node says of itself.
    fn change_record(
        &mut self,
        now: Now,
        out: &mut Vec<Output>,
        change: impl FnOnce(&mut NodeRecord),
    ) {
        let Some(before) = self.membership.record(self.options.node) else { return };
        let mut record = NodeRecord::clone(&before);
        change(&mut record);
        if record == *before {
            return;
        }
        if record.state != before.state {
            record.since = now.unix_ms;
            out.push(Output::Placed(record.state.is_placed()));
        }
        self.view_stale = true;
        self.gossip(membership::Input::OwnRecord(record), now, out);
    }

    fn frame(
        &mut self,
        from: NodeId,
        kind: Kind,
        slot: Option<Slot>,
        payload: &[u8],
        now: Now,
        out: &mut Vec<Output>,
    ) -> Result<(), Malformed> {
        match (kind, slot) {
            (Kind::Gossip | Kind::Records, _) => {
                let from = Via::Link(from);
                self.gossip(membership::Input::Packet { from, bytes: payload }, now, out);
            }
            (Kind::Fence, _) => {
                let mut parts = Vec::new();
                let (duties, view) = (&self.duties, &self.view);
                let serves = |slot, asker| duties.holds(view, slot, asker);
                let mut desk = Desk {
                    store: &self.instance.store,
                    local: &mut self.local,
                    slots: &self.slots,
                    now: now.unix_ms,
                    busy: is_busy(&self.instance),
                    serves: &serves,
                };
                self.answerer.asked(from, payload, &mut desk, &mut parts)?;
                push_parts(parts, out);
            }
            (Kind::Baton, _) => self.baton(from, Baton::decode(payload)?, now, out),
            (Kind::Digest, _) => {
                for (slot, hash) in decode_digest(payload)? {
                    let vector = self.slots.vector(&self.instance.store, slot);
                    // A slot that is not synced is pulled anyway, from one node and not from all that compare.
                    if self.view.is_mine(slot)
                        && self.duties.is_synced(slot)
                        && vector_hash(&vector) != hash
                    {
                        self.puller.want(slot, from, false);
                    }
                }
            }
            (Kind::SyncBegin, Some(slot)) => {
                if let Some(finished) = self.puller.begin(from, slot, payload, now.unix_ms)? {
                    self.pulled(from, finished, now, out);
                }
            }
            (Kind::SyncChunk, Some(slot)) => {
                self.copied(payload.len(), now);
                let Core { puller, instance, local, slots, .. } = self;
                let guard = local.pin();
                let mut applier = applier(instance, local, &guard, slots, now);
                puller.part(from, slot, payload, &mut applier)?;
            }
            (Kind::SyncEnd, Some(slot)) => {
                let serves = decode_end(payload)?;
                let Core { puller, instance, local, slots, .. } = self;
                let guard = local.pin();
                let mut applier = applier(instance, local, &guard, slots, now);
                let finished = puller.end(from, slot, serves, &mut applier);
                drop(guard);
                if let Some(finished) = finished {
                    self.pulled(from, finished, now, out);
                }
            }
            // Kinds of a later revision, or of data links.
            _ => {}
        }
        Ok(())
    }

    fn index_of(&self, node: NodeId) -> Option<MemberIndex> {
        self.view.find(node).map(|(index, _)| index)
    }

    fn pulled(&mut self, from: NodeId, finished: Finished, now: Now, out: &mut Vec<Output>) {
        let Some(index) = self.index_of(from) else { return };
        let mut actions = Vec::new();
        let answer = Pulled::Whole { serves: finished.serves };
        self.duties.pulled(finished.slot, index, answer, now.unix_ms, &mut actions);
        self.act(actions, out);
        self.settle_grants(now, out);
    }

    fn copied(&mut self, bytes: usize, now: Now) {
        if self.puller.take_busy() || is_busy(&self.instance) {
            self.pace.busy(now.monotonic);
        }
        self.pace.copied(bytes, self.bounds(), now.monotonic);
    }

    /// Passes on the batons whose versions are all known by now.
    fn settle_grants(&mut self, now: Now, out: &mut Vec<Output>) {
        if self.granted.is_empty() {
            return;
        }
        let mut ready = Vec::new();
        let puller = &mut self.puller;
        self.granted.retain(|&number, granted| {
            let slot = Slot::new(number).expect("only slots are granted");
            let known = knows_all(&self.slots, &self.instance.store, slot, &granted.vector);
            if known {
                ready.push((slot, granted.from));
            } else if now.unix_ms >= granted.pull_at {
                granted.pull_at = now.unix_ms + EFFECTS_MS_MAX;
                puller.want(slot, granted.from, true);
            }
            !known
        });
        let mut actions = Vec::new();
        for (slot, from) in ready {
            if let Some(index) = self.index_of(from) {
                self.duties.granted(slot, index, &mut actions);
            }
        }
        self.act(actions, out);
    }

    fn baton(&mut self, from: NodeId, baton: Baton, now: Now, out: &mut Vec<Output>) {
        let Some(index) = self.index_of(from) else { return };
        let mut actions = Vec::new();
        match baton {
            Baton::Ask(slots) => {
                for slot in slots {
                    self.duties.asked(slot, index, &mut actions);
                }
            }
            Baton::Serving(slots) => {
                for slot in slots {
                    // Void once the view names another.
                    if let Some(named) = self.duties.route(&self.view, slot) {
                        self.told.insert(slot.index() as u16, (named, from));
                        self.moved.push(slot);
                    }
                }
            }
            Baton::Grant(slots) => {
                for (slot, vector) in slots {
                    if knows_all(&self.slots, &self.instance.store, slot, &vector) {
                        self.duties.granted(slot, index, &mut actions);
                    } else {
                        // Effects are on their way; a pull brings them for certain.
                        let pull_at = now.unix_ms + EFFECTS_MS_MAX;
                        let granted = Granted { from, vector, pull_at };
                        self.granted.insert(slot.index() as u16, granted);
                    }
                }
            }
        }
        self.act(actions, out);
    }

    /// Carries out the steps that the duties ask for.
    fn act(&mut self, actions: Vec<Action>, out: &mut Vec<Output>) {
        let mut asks: BTreeMap<NodeId, Vec<Slot>> = BTreeMap::new();
        let mut grants: BTreeMap<NodeId, Vec<(Slot, Vector)>> = BTreeMap::new();
        let (mut stops, mut served) = (Vec::new(), Vec::new());
        let view = Arc::clone(&self.view);
        let id_of = |index: MemberIndex| view.member(index).map(|member| member.id);
        for action in actions {
            match action {
                Action::Pull { slot, from } => {
                    if let Some(from) = id_of(from) {
                        self.puller.want(slot, from, self.duties.is_acquiring(slot));
                    }
                }
                Action::AskBaton { slot, from } => {
                    if let Some(from) = id_of(from) {
                        asks.entry(from).or_default().push(slot);
                    }
                }
                Action::Stop { slot, .. } => stops.push(slot),
                Action::Synced { slot } => {
                    self.slots.restored(slot);
                    self.moved.push(slot);
                }
                Action::Serve { slot } => {
                    self.slots.restored(slot);
                    self.granted.remove(&(slot.index() as u16));
                    self.told.remove(&(slot.index() as u16));
                    self.moved.push(slot);
                    if view.acting(slot).is_some_and(|acting| acting != view.me()) {
                        served.push(slot);
                    }
                }
                Action::Grant { slot, to } => {
                    let vector = self.slots.vector(&self.instance.store, slot);
                    if let Some(to) = id_of(to) {
                        grants.entry(to).or_default().push((slot, vector));
                    }
                }
            }
        }
        if !stops.is_empty() {
            // The grace begins when no worker can find the old route any more.
            self.moved.extend(&stops);
            self.set_routes(out);
            let grace = self.local.grace();
            self.stopping.push(Stopping { grace, slots: stops });
        }
        let batons = asks.into_iter().map(|(to, slots)| (to, Baton::Ask(slots)));
        let grants = grants.into_iter().map(|(to, slots)| (to, Baton::Grant(slots)));
        // Nobody else would hear of it before the view changes.
        let others = view.members().filter(|(index, it)| *index != view.me() && it.alive);
        let others: Vec<NodeId> =
            others.map(|(_, it)| it.id).filter(|_| !served.is_empty()).collect();
        let served = others.into_iter().map(|to| (to, Baton::Serving(served.clone())));
        for (to, baton) in batons.chain(grants).chain(served) {
            let mut payload = Vec::new();
            baton.encode(&mut payload);
            out.push(Output::Frame { to, kind: Kind::Baton, slot: None, payload });
        }
    }

    /// A node cannot be asked any more.
    fn lose(&mut self, node: NodeId, now: Now, out: &mut Vec<Output>) {
        let Some(index) = self.index_of(node) else { return };
        let mut actions = Vec::new();
        for slot in self.puller.lose(node) {
            self.duties.pulled(slot, index, Pulled::Failed, now.unix_ms, &mut actions);
        }
        self.act(actions, out);
        self.view_stale = true;
    }

    /// Everything that goes on by itself: views, duties, pulls, graces, readiness.
    fn proceed(&mut self, now: Now, out: &mut Vec<Output>) {
        self.pass_graces(now, out);
        self.settle_grants(now, out);
        let is_due = now.monotonic >= self.reviewed + if self.is_busy() { REVIEW } else { REST };
        if self.view_stale || is_due {
            self.review(now, out);
        }
        let (slots, store) = (&self.slots, &self.instance.store);
        let asking = (now.unix_ms, self.pace.is_due(now.monotonic));
        self.puller.ask(slots, store, asking, |to, payload| {
            out.push(Output::Frame { to, kind: Kind::Fence, slot: None, payload });
        });
        self.set_routes(out);
        let mut next = if self.is_busy() { now.monotonic + STEP } else { self.reviewed + REST };
        if self.answerer.has_bulk() || self.puller.has_bulk() {
            next = next.min(self.pace.next());
        }
        // Whoever calls earlier than asked for finds this in the past, and nothing is due at once again.
        let next = next.max(now.monotonic + Duration::from_millis(1));
        out.push(Output::WakeAt(self.membership_wake.map_or(next, |at| at.min(next))));
    }

    /// Whether something is under way that time alone moves on.
    fn is_busy(&self) -> bool {
        !self.stopping.is_empty()
            || !self.answerer.is_idle()
            || !self.puller.is_idle()
            || !self.granted.is_empty()
            || !self.duties.is_settled()
            || self.wiping.is_some()
    }

    /// Looks at every slot.
    fn review(&mut self, now: Now, out: &mut Vec<Output>) {
        self.reviewed = now.monotonic;
        self.renew_view(now, out);
        self.give_up(now);
        self.wipe(now);
        for slot in self.slots.take_dirty().iter() {
            self.duties.lost_track(slot);
        }
        self.routes_stale = true;
        // After a join and a leave the view names the old node again, and the one that said so is gone.
        let (duties, view) = (&self.duties, &self.view);
        self.told.retain(|&number, (named, _)| {
            Slot::new(number).is_some_and(|slot| duties.route(view, slot) == Some(*named))
        });
        if !self.has_met(now) {
            return;
        }
        let mut actions = Vec::new();
        self.duties.review(&self.view, now.unix_ms, &mut actions);
        self.act(actions, out);
        self.report(now, out);
        self.compare(now, out);
    }

    fn pass_graces(&mut self, now: Now, out: &mut Vec<Output>) {
        if self.stopping.is_empty() && self.answerer.is_idle() {
            return;
        }
        self.local.push_epoch();
        let (over, waiting): (Vec<Stopping>, Vec<Stopping>) =
            std::mem::take(&mut self.stopping).into_iter().partition(|it| it.grace.has_passed());
        self.stopping = waiting;
        let mut actions = Vec::new();
        for slot in over.into_iter().flat_map(|stopping| stopping.slots) {
            self.duties.stopped(slot, &mut actions);
        }
        self.act(actions, out);
        let mut parts = Vec::new();
        let is_due = self.pace.is_due(now.monotonic);
        let Core { answerer, duties, view, instance, local, slots, .. } = self;
        let serves = |slot, asker| duties.holds(view, slot, asker);
        let (store, busy) = (&instance.store, is_busy(instance));
        let mut desk = Desk { store, local, slots, now: now.unix_ms, busy, serves: &serves };
        let bytes = answerer.proceed(is_due, &mut desk, &mut parts);
        push_parts(parts, out);
        if bytes > 0 {
            self.copied(bytes, now);
        }
    }

    fn renew_view(&mut self, now: Now, out: &mut Vec<Output>) {
        if !std::mem::take(&mut self.view_stale) {
            return;
        }
        let members = members::members(&*self.membership, self.options.node);
        let view = Arc::new(self.view.successor(members, self.options.copies));
        for (index, member) in view.members() {
            let before = self.view.member(index);
            if before.is_none_or(|it| (it.id, it.incarnation) != (member.id, member.incarnation)) {
                // What the one before had applied went with it.
                self.slots.forget_acks(index);
            }
            if member.alive && before.is_none_or(|before| !before.alive) {
                self.compare_at = self.compare_at.min(now.monotonic + COMPARE_SOON);
            }
        }
        let ring = |view: &View| -> Vec<(NodeId, bool, bool)> {
            view.members().map(|(_, it)| (it.id, it.alive, it.is_placed())).collect()
        };
        if !self.met && ring(&view) != ring(&self.view) {
            self.same_since = now.monotonic;
        }
        self.wipe_at = now.monotonic + WIPE_AFTER;
        self.view = view;
        self.instance.cluster.publish(Arc::clone(&self.view));
        self.routes_stale = true;
        out.push(Output::ViewChanged);
    }

    /// Whether this node knows the ring well enough to take part in it. Once it does, it stays so.
    fn has_met(&mut self, now: Now) -> bool {
        let me = self.view.me();
        let mut others = self.view.members().filter(|(index, _)| *index != me);
        let since = match others.any(|(_, member)| member.alive && member.is_placed()) {
            true => self.same_since + MEET,
            // Nobody answers. Whoever is first of those who want to begin a ring does; one who had slots before takes them up with nothing.
            false => self.began + BEGIN_AFTER,
        };
        self.met |= now.monotonic >= since;
        self.met
    }

    /// Says of this node what has become true.
    fn report(&mut self, now: Now, out: &mut Vec<Output>) {
        let Some(record) = self.membership.record(self.options.node) else { return };
        let settled = self.duties.is_settled();
        let view = Arc::clone(&self.view);
        let next = view.transition().map(|(subject, layout)| (subject, layout.checksum()));
        match (record.state, next) {
            (NodeState::Joining, Some((subject, next)))
                if subject == view.me()
                    && settled
                    && members::others_synced(&*self.membership, &view, next) =>
            {
                self.change_record(now, out, |record| {
                    record.state = NodeState::Active;
                    record.ready = true;
                });
            }
            (NodeState::Leaving, Some((subject, next))) if subject == view.me() => {
                let serves_any = every_slot().any(|slot| self.duties.serves(slot));
                let alone = !view.members().any(|(index, member)| {
                    index != view.me() && member.alive && member.is_placed()
                });
                let synced = members::others_synced(&*self.membership, &view, next);
                let handed_over = !serves_any && synced;
                if synced && serves_any {
                    // Whoever inherits these slots thinks that he serves them already, and asks for nothing any more.
                    let mut actions = Vec::new();
                    self.duties.offer(&view, &mut actions);
                    self.act(actions, out);
                }
                if (alone || handed_over) && !self.left {
                    self.left = true;
                    self.change_record(now, out, |record| record.state = NodeState::Left);
                    out.push(Output::Left);
                }
            }
            (NodeState::Joining, _)
                if self.options.may_begin
                    && members::begins_ring(&view)
                    && now.monotonic >= self.began + BEGIN_AFTER =>
            {
                self.change_record(now, out, |record| record.state = NodeState::Active);
            }
            (NodeState::Active, next) if settled => {
                let synced = next.map_or(0, |(_, next)| next);
                self.change_record(now, out, |record| {
                    record.ready = true;
                    record.synced_layout = synced;
                });
            }
            _ => {}
        }
        if self.view_stale {
            self.renew_view(now, out);
        }
    }

    /// Removes copies that this node does not keep any more, a few thousand keys at a time.
    fn wipe(&mut self, now: Now) {
        for _ in 0..WIPE_STEPS {
            if self.wiping.is_none() && now.monotonic >= self.wipe_at {
                self.wiping = self.duties.surplus(&self.view).map(|slot| {
                    self.slots.wipe(slot);
                    (slot, 0, 0)
                });
            }
            let Some((slot, db, position)) = self.wiping else { return };
            let guard = self.local.pin();
            let store = &self.instance.store;
            let mut keyspace = store.keyspace(&mut self.local, &guard, db, now.unix_ms);
            self.wiping = match keyspace.forget_slot(slot, position, WIPE_KEYS) {
                // So many keys are enough for once.
                Some(position) => return self.wiping = Some((slot, db, position)),
                None if usize::from(db) + 1 < DATABASE_COUNT => Some((slot, db + 1, 0)),
                None => None,
            };
        }
    }

    /// Finds effects that wait for others which were lost: their slots have to be pulled.
    fn give_up(&mut self, now: Now) {
        if now.monotonic < self.give_up_at {
            return;
        }
        self.give_up_at = now.monotonic + GIVE_UP;
        for slot in every_slot() {
            if self.slots.lock(slot).give_up(now.unix_ms, self.slots.limits()) {
                self.slots.mark_dirty(slot);
            }
        }
    }

    /// Tells every peer, now and then, what this node knows of the slots that both keep.
    fn compare(&mut self, now: Now, out: &mut Vec<Output>) {
        if now.monotonic < self.compare_at {
            return;
        }
        self.compare_at = now.monotonic + ANTI_ENTROPY;
        let view = Arc::clone(&self.view);
        let others = view.members().filter(|(index, member)| *index != view.me() && member.alive);
        others.for_each(|(_, member)| self.compare_with(member.id, out));
    }

    fn compare_with(&self, peer: NodeId, out: &mut Vec<Output>) {
        let Some(index) = self.index_of(peer) else { return };
        let shared = every_slot().filter(|&slot| {
            self.view.is_mine(slot) && self.view.effect_targets(slot).any(|target| target == index)
        });
        let hashes = shared.filter_map(|slot| {
            let vector = self.slots.vector(&self.instance.store, slot);
            // Of a slot that nobody wrote to there is nothing to say.
            (!vector.is_empty()).then(|| (slot, vector_hash(&vector)))
        });
        let mut payload = Vec::new();
        encode_digest(hashes, &mut payload);
        out.push(Output::Frame { to: peer, kind: Kind::Digest, slot: None, payload });
    }

    /// Brings the route table, and what the store may drop by itself, in line with the duties.
    fn set_routes(&mut self, out: &mut Vec<Output>) {
        let moved = std::mem::take(&mut self.moved);
        let changed = if std::mem::take(&mut self.routes_stale) {
            every_slot().filter(|&slot| self.set_route(slot)).count()
        } else {
            moved.into_iter().filter(|&slot| self.set_route(slot)).count()
        };
        if changed > 0 {
            out.push(Output::RoutesChanged);
        }
    }

    /// Who serves `slot`, which `named` serves by the view.
    fn told_instead_of(&self, named: MemberIndex, slot: Slot) -> MemberIndex {
        let told = self.told.get(&(slot.index() as u16)).filter(|(by, _)| *by == named);
        let index = told.and_then(|(_, id)| self.index_of(*id));
        index.filter(|&index| self.view.is_alive(index)).unwrap_or(named)
    }

    /// Returns whether anything changed.
    fn set_route(&self, slot: Slot) -> bool {
        let routes = self.instance.cluster.routes();
        let route = match self.duties.route(&self.view, slot) {
            Some(index) if index == self.view.me() => Route::Serve,
            Some(index) => Route::Forward(self.told_instead_of(index, slot)),
            None if duty::heir(&self.view, slot).is_some() => Route::Wait,
            None => Route::Down,
        };
        let mut changed = false;
        if routes.get(slot) != route {
            routes.set(slot, route);
            self.instance.store.set_served(slot, route == Route::Serve);
            changed = true;
        }
        let readable = self.duties.is_synced(slot);
        if routes.is_readable(slot) != readable {
            routes.set_readable(slot, readable);
            changed = true;
        }
        changed
    }
}

fn applier<'a>(
    instance: &'a Instance,
    local: &'a mut Local,
    guard: &'a crate::store::Guard,
    slots: &'a Slots,
    now: Now,
) -> Applier<'a> {
    Applier { store: &instance.store, local, guard, slots, now: now.unix_ms }
}

/// Whether clients are served here.
fn is_busy(instance: &Instance) -> bool {
    instance.stats.rates().commands >= BUSY_COMMANDS
}

fn every_slot() -> impl Iterator<Item = Slot> {
    (0..SLOT_COUNT as u16).filter_map(Slot::new)
}

fn push_parts(parts: Vec<Part>, out: &mut Vec<Output>) {
    out.extend(parts.into_iter().map(|Part { to, kind, slot, payload }| Output::Frame {
        to,
        kind,
        slot: Some(slot),
        payload,
    }));
}

/// A hash of what a vector covers: equal for equal histories, whatever is stored for them.
fn vector_hash(vector: &Vector) -> u64 {
    let mut bytes = Vec::new();
    vector.encode(&mut bytes);
    crate::replication::digest::key_hash(0, &bytes)
}
