//! The control plane of one node: who the nodes are, which slots this one serves, and how its copies catch up.
//!
//! ```text
//! packets, frames, timers ──▶ Core::handle ──▶ packets, frames, routes, views
//!                              │ ring            who is there, who keeps what, what this node says of itself
//!                              │ duty            what to do about each slot
//!                              │ steps           frames come in, duties are carried out
//!                              │ routes          what workers see of it
//!                              │ puller          what is asked of others, and what comes of it
//!                              │ answerer        what others ask
//!                              │ pace            how fast slots are copied
//!                              │ compare, audit  whether copies are the same
//!                              │ upkeep, prune   what is not kept any more goes, and tags of those who went
//!                              │ farewell        what others are to know before this node leaves
//!                              │ clocks          whether this node's clock can be trusted
//! ```
//!
//! Sans-IO: the same code runs in the control thread and in a simulator. It is given the time and bytes, and what it wants sent comes out as [`Output`]. With the
//! workers it shares the store, the slots' chains and the routes.
//!
//! Invariant: it never waits. What needs a grace period is looked at again a little later.

pub mod answerer;
mod audit;
mod clocks;
mod compare;
pub mod duty;
mod farewell;
mod hearsay;
mod io;
mod members;
pub mod message;
pub mod pace;
mod prune;
pub mod puller;
mod reach;
mod ring;
mod routes;
mod steps;
mod upkeep;

pub use io::{Input, Options, Output};

use crate::admin::Instance;
use crate::cluster::membership::{self, Membership, Now, Via};
use crate::cluster::record::NodeState;
use crate::cluster::{NodeId, View};
use crate::replication::slots::Slots;
use crate::store::Local;
use answerer::Answerer;
use audit::Auditor;
use clocks::Clocks;
use compare::{COMPARE_SOON, Told};
use duty::Duties;
use farewell::Farewell;
use hearsay::Hearsay;
use pace::{Bounds, Pace};
use prune::Pruner;
use puller::Puller;
use reach::Reach;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use steps::{Granted, Stopping};
use torc_protocol::peer::Kind;
use torc_protocol::slot::{SLOT_COUNT, Slot};
use upkeep::{GIVE_UP, WIPE_AFTER};

/// While something is under way, the core looks at it again this often.
const STEP: Duration = Duration::from_millis(5);
/// While something is under way, all slots are looked at this often: that takes a millisecond, and at most 2 % of a core should go into it.
const REVIEW: Duration = Duration::from_millis(50);
/// And otherwise this often, since whatever happens is looked at when it does.
const REST: Duration = Duration::from_millis(250);
/// Commands a second from which on a node counts as one that clients would miss.
const BUSY_COMMANDS: u64 = 100;

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
    granted: BTreeMap<(Slot, NodeId), Granted>,
    /// When they are looked at next.
    granted_at: Duration,
    hearsay: Hearsay,
    reach: Reach,
    clocks: Clocks,
    auditor: Auditor,
    pruner: Pruner,
    farewell: Farewell,
    began: Duration,
    /// When this node compares what it knows with all others next, and with some of them before that.
    compare_at: Duration,
    compare_soon: BTreeMap<NodeId, Duration>,
    /// What peers knew and this node did not, one at most for each slot and peer.
    told: BTreeMap<(Slot, NodeId), Told>,
    /// When chains are looked through next.
    give_up_at: Duration,
    /// When copies that are not to be kept any more may be removed.
    wipe_at: Duration,
    wiping: Option<(Slot, u8, u64)>,
    membership_wake: Option<Duration>,
    view_stale: bool,
    /// The view is not the one by which all slots were looked at.
    view_new: bool,
    /// All routes are to be looked at again.
    routes_stale: bool,
    /// Whether the ring was met, or there is none; and since when what is known of it has stayed the same.
    met: bool,
    same_since: Duration,
    /// The routes of these are.
    moved: Vec<Slot>,
    /// This node serves them now in the place of one who is gone, and has not told the other copies yet what it knows of them.
    inherited: Vec<Slot>,
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
            duties: Duties::new(now.unix_ms),
            puller: Puller::default(),
            answerer: Answerer::default(),
            pace: Pace::default(),
            stopping: Vec::new(),
            granted: BTreeMap::new(),
            granted_at: now.monotonic,
            hearsay: Hearsay::default(),
            reach: Reach::default(),
            clocks: Clocks::default(),
            auditor: Auditor::default(),
            pruner: Pruner::default(),
            farewell: Farewell::default(),
            began: now.monotonic,
            compare_at: now.monotonic + COMPARE_SOON,
            compare_soon: BTreeMap::new(),
            told: BTreeMap::new(),
            give_up_at: now.monotonic + GIVE_UP,
            wipe_at: now.monotonic + WIPE_AFTER,
            wiping: None,
            membership_wake: None,
            view_stale: true,
            view_new: true,
            routes_stale: true,
            met: false,
            same_since: now.monotonic,
            moved: Vec::new(),
            inherited: Vec::new(),
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
                self.reach.up(node);
                self.puller.again(node);
                if let Some(index) = self.index_of(node) {
                    self.step(now, out, |duties, _, actions| duties.linked(index, actions));
                }
                self.compare_with(node, out);
            }
            Input::LinkDown(node) => {
                self.gossip(membership::Input::LinkDown(node), now, out);
                self.reach.down(node, now.monotonic);
                self.answerer.lose(node);
                self.lose(node, now, out);
            }
            Input::Clogged(node, clogged) => self.answerer.set_clogged(node, clogged),
            Input::DataLinkUp(node) | Input::FellOff(node) => self.compare_soon(node, now),
            Input::Heard(node) => {
                self.gossip(membership::Input::DataFrameHeard(node), now, out);
            }
            Input::Resolved { seed, addresses } => {
                self.gossip(membership::Input::Resolved { seed, addresses }, now, out);
            }
            Input::Clock { node, round_trip, offset_us } => {
                self.clock(node, round_trip, offset_us, now, out);
            }
            Input::Gap { slot, node, is_here: true } => self.puller.want(slot, node, true),
            // It pulls what it lacks, as when all slots are compared.
            Input::Gap { slot, node, is_here: false } => self.tell_known(slot, node, out),
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

    /// Everything that goes on by itself: views, duties, pulls, graces, readiness.
    fn proceed(&mut self, now: Now, out: &mut Vec<Output>) {
        self.pass_graces(now, out);
        self.check_granted(now, out);
        let is_due = now.monotonic >= self.reviewed + if self.is_busy() { REVIEW } else { REST };
        if self.view_stale || is_due {
            self.review(now, out);
        }
        let (slots, store) = (&self.slots, &self.instance.store);
        let asking = (now.unix_ms, self.pace.is_due(now.monotonic));
        self.puller.ask(slots, store, asking, |to, payload| {
            out.push(Output::Frame { to, kind: Kind::Fence, slot: None, payload });
        });
        self.end_pulls(now, out);
        if !self.inherited.is_empty() {
            // What is written from now on builds on all that is known here, and a copy that was not told of what the dead wrote last could not apply it.
            let inherited = std::mem::take(&mut self.inherited);
            self.tell_keepers(&inherited, out);
        }
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
            || !self.auditor.is_idle()
            || self.slots.has_dirty()
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
        // What is said of slots holds for a while, which ends unnoticed.
        self.routes_stale |= !self.hearsay.is_silent();
        self.renew_hearsay(now, out);
        if !self.has_met(now) {
            return;
        }
        if self.view_new || !self.duties.is_at_rest() {
            self.view_new = false;
            self.routes_stale = true;
            self.step(now, out, Duties::review);
        }
        self.report(now, out);
        self.compare_told(now);
        self.compare(now, out);
        self.audit(now, out);
        self.prune(now);
    }
}

/// Whether clients are served here.
fn is_busy(instance: &Instance) -> bool {
    instance.stats.rates().commands >= BUSY_COMMANDS
}

fn every_slot() -> impl Iterator<Item = Slot> {
    (0..SLOT_COUNT as u16).filter_map(Slot::new)
}
