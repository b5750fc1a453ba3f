//! Where the workers find the ring: the current view, the routes, and what they want of the control thread.
//!
//! Without a view the node is on its own, and no request is routed. The control thread alone publishes views; workers load one
//! a batch. Reading waits for nobody.

use super::NodeId;
use super::render::{BusCounts, Link};
use super::route::Routes;
use super::view::{MEMBER_COUNT_MAX, MemberIndex, View};
use arc_swap::ArcSwapOption;
use crossbeam_channel::{Receiver, Sender};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Requests to the control thread that may wait. Operators send them one by one.
const REQUEST_COUNT_MAX: usize = 64;

/// What a client asked that only the control thread can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlRequest {
    /// CLUSTER FORGET: the member, which is not alive, is to be left out from now on.
    Forget(NodeId),
    /// TORC LEAVE: this node is to hand its keys over and stop.
    Leave,
}

/// The control thread has too much to do already, or is not running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the control thread is busy; try again")]
pub struct Busy;

/// A number that one thread writes and others show.
#[derive(Debug, Default)]
pub struct Figure(AtomicU64);

impl Figure {
    /// Counts so many more.
    pub fn add(&self, count: u64) {
        // Relaxed, here and below: statistics.
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// Replaces it.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Reads it.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What the control thread has to say about the node's health.
#[derive(Debug, Default)]
pub struct Figures {
    /// How far the clock of a living peer is off at most, in milliseconds either way.
    pub clock_offset_ms: Figure,
    /// How often a peer was found half a second off.
    pub clock_warnings: Figure,
    /// 1 while this node serves nothing, because its clock is wrong.
    pub clock_barred: Figure,
    /// Copies that were found to differ though their vectors say that they are the same.
    pub digest_mismatches: Figure,
    /// Entries of tags that are gone which were pruned from vectors.
    pub tags_pruned: Figure,
}

/// The ring as the threads of one node share it.
#[derive(Debug)]
pub struct ClusterHandle {
    view: ArcSwapOption<View>,
    routes: Routes,
    links: ArcSwapOption<Vec<Link>>,
    sent: AtomicU64,
    received: AtomicU64,
    /// Of each member, by its index: effects that it has not been sent, over all workers.
    lags: Box<[AtomicU64]>,
    figures: Figures,
    requests: (Sender<ControlRequest>, Receiver<ControlRequest>),
}

impl Default for ClusterHandle {
    fn default() -> Self {
        ClusterHandle {
            view: ArcSwapOption::empty(),
            routes: Routes::default(),
            links: ArcSwapOption::empty(),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            figures: Figures::default(),
            lags: (0..MEMBER_COUNT_MAX).map(|_| AtomicU64::new(0)).collect(),
            requests: crossbeam_channel::bounded(REQUEST_COUNT_MAX),
        }
    }
}

impl ClusterHandle {
    /// The view in force; `None` on a node without a ring.
    #[inline]
    pub fn view(&self) -> Option<Arc<View>> {
        self.view.load_full()
    }

    /// Whether the node is part of a ring.
    #[inline]
    pub fn is_enabled(&self) -> bool {
        self.view.load().is_some()
    }

    /// Puts a view in the place of the one before. A member must be in a published view before a route names it.
    pub fn publish(&self, view: Arc<View>) {
        self.view.store(Some(view));
    }

    /// The routes.
    #[inline]
    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    /// The links to peers as they were last published.
    pub fn links(&self) -> Arc<Vec<Link>> {
        self.links.load_full().unwrap_or_default()
    }

    /// Publishes what CLUSTER LINKS shows.
    pub fn publish_links(&self, links: Vec<Link>) {
        self.links.store(Some(Arc::new(links)));
    }

    /// A worker's effects for `peer` that have not been sent are `now`, and were `before` when it last said so.
    pub fn count_lag(&self, peer: MemberIndex, before: u64, now: u64) {
        // Relaxed: statistics. The sum is right modulo 2^64, and so never below zero once all have spoken.
        self.lags[usize::from(peer.0)].fetch_add(now.wrapping_sub(before), Ordering::Relaxed);
    }

    /// Effects that have not been sent to `peer`.
    pub fn lag(&self, peer: MemberIndex) -> u64 {
        self.lags[usize::from(peer.0)].load(Ordering::Relaxed)
    }

    /// Figures of the control plane.
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Counts packets and frames that went to peers and came from them.
    pub fn count_bus(&self, sent: u64, received: u64) {
        // Relaxed: statistics.
        self.sent.fetch_add(sent, Ordering::Relaxed);
        self.received.fetch_add(received, Ordering::Relaxed);
    }

    /// What [`ClusterHandle::count_bus`] counted.
    pub fn bus_counts(&self) -> BusCounts {
        BusCounts {
            sent: self.sent.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
        }
    }

    /// Hands a request to the control thread, which will carry it out some time later.
    ///
    /// # Errors
    /// If too many wait already; nothing was handed over then.
    pub fn request(&self, request: ControlRequest) -> Result<(), Busy> {
        self.requests.0.try_send(request).map_err(|_| Busy)
    }

    /// The next request, for the control thread.
    pub fn next_request(&self) -> Option<ControlRequest> {
        // The sender is beside the receiver, so it cannot be gone: the queue is empty, or there is a request.
        self.requests.1.try_recv().ok()
    }
}
