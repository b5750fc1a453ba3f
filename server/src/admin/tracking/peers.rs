//! What nodes tell each other about who tracks, and what makes good for what they could not tell.
//!
//! One worker of each node tells, on its own link to each peer, whether a client of the node tracks: when the link opens, and when that changes. While a peer's clients track, this
//! node takes down what it changes and sends it the names ([`super::news`]). It forgets what a link told when that link is lost.
//!
//! ```text
//!   TRACKING ON ─▶ told ─▶ the telling worker ─▶ TracksLink ─▶ peer: hear_tracks, its store takes changes down ─▶ confirmed ─▶ +OK
//!   a link is lost, or opens again; slots change hands; a peer says so ─▶ doubt ─▶ within a moment: all keys may have changed
//! ```
//!
//! **Doubt** is what is felt where names may have been missed. It is told as one null to each client that tracks, once in [`FLUSH_EVERY_MS`] at most.

use super::{Runner, Tracking};
use crate::admin::clients::{ClientInfo, Clients, flag};
use crate::base::clock::UnixMs;
use crate::base::told::Told;
use crate::cluster::NodeId;
use crate::cluster::route::Moves;
use crate::store::{Local, Store};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
use torc_protocol::peer::Malformed;
use torc_protocol::peer::changes::{Author, decode_changed, encode_tracks};

/// Clients are told that all keys may have changed no more often than this: what brings that comes in crowds, as when a node with many links dies.
pub const FLUSH_EVERY_MS: u64 = 100;

/// While slots move, clients are told so once in this time.
const MOVES_EVERY_MS: u64 = 1_000;

/// What is known of other nodes.
#[derive(Debug, Default)]
pub(super) struct Peers {
    /// This node's id, once it is part of a ring.
    me: OnceLock<NodeId>,
    /// What is told of this node.
    pub told: Told<()>,
    /// Nodes with clients that track, and by which link each told. Changed under `Tracking::switch`.
    tracking: Mutex<HashMap<NodeId, u64>>,
    /// How many these are.
    count: AtomicUsize,
    /// Names may have been missed.
    is_doubtful: AtomicBool,
    flushed_at: AtomicU64,
    /// A client began to track before all nodes knew.
    is_unheard: AtomicBool,
    /// Up to where moves of slots were looked at, and when.
    moves: Mutex<(Moves, UnixMs)>,
    /// A client that tracks has read this node's copies of what others serve.
    pub reads_copies: AtomicBool,
}

impl Peers {
    /// Whether clients of other nodes track. To be called behind the change that is to be told.
    pub fn track(&self) -> bool {
        // SeqCst: pairs with the fence in `hear_tracks`. Whoever read the key before this change did so behind that fence, or here the node is seen.
        fence(Ordering::SeqCst);
        self.count.load(Ordering::Relaxed) > 0
    }

    /// Whether copies that others serve are read. To be called behind the change that is to be told.
    pub fn read_copies(&self) -> bool {
        // SeqCst: pairs with the fence in `reads_copy`, in the same way.
        fence(Ordering::SeqCst);
        self.reads_copies.load(Ordering::Relaxed)
    }
}

impl Tracking {
    /// The node is part of a ring, where it is `me`. Before it has clients.
    pub fn start(&self, me: NodeId) {
        let _ = self.peers.me.set(me);
        self.peers.told.start();
    }

    /// Changes of whether a client of this node tracks, and how far peers have heard.
    pub fn told(&self) -> &Told<()> {
        &self.peers.told
    }

    /// Nodes whose clients track.
    pub fn nodes(&self) -> Vec<NodeId> {
        self.peers.tracking.lock().keys().copied().collect()
    }

    /// Whether clients of `node` track.
    pub fn has_node(&self, node: NodeId) -> bool {
        self.peers.tracking.lock().contains_key(&node)
    }

    /// Whether anybody tracks, here or elsewhere. Under `switch`.
    pub(super) fn is_wanted(&self) -> bool {
        self.clients() > 0 || self.peers.count.load(Ordering::Relaxed) > 0
    }

    /// A client of this node as others know it.
    pub fn author(&self, client: u64) -> Option<Author> {
        self.peers.me.get().map(|me| Author { node: me.0, client })
    }

    /// The client of this node that `author` is; 0 if it is another's.
    pub(super) fn client_of(&self, author: Author) -> u64 {
        let is_here = self.peers.me.get().is_some_and(|me| me.0 == author.node);
        if is_here { author.client } else { 0 }
    }

    /// A client that tracks is about to read a copy of what another node serves.
    pub fn reads_copy(&self) {
        self.peers.reads_copies.store(true, Ordering::Relaxed);
        // SeqCst: pairs with the fence in `Peers::read_copies`. Between this and the read, so that who changes the copy behind the read sees it.
        fence(Ordering::SeqCst);
    }

    /// `node` tells by the link `source`, each link's number higher than those of earlier ones, whether its clients track. Returns the change to confirm: from then on it is
    /// told what this node changes. `None`: nothing was done, for a script has the store for itself and `is_busy` says so.
    ///
    /// May wait until no other thread is in a batch. `local` is in none itself.
    pub fn hear_tracks(
        &self,
        (source, node): (u64, NodeId),
        (tracks, change): (bool, u64),
        (store, local, now): (&Store, &mut Local, UnixMs),
        is_busy: impl Fn() -> bool,
    ) -> Option<u64> {
        loop {
            if tracks && !store.tells_changes() && !local.holds_gate() {
                let held = store.hold_everything_unless(local, &is_busy);
                if !held {
                    return None;
                }
            }
            let _switch = self.switch.lock();
            if tracks && !store.tells_changes() {
                if !local.holds_gate() {
                    // The last one who tracked has just left.
                    continue;
                }
                store.tell_changes(local);
            }
            let mut nodes = self.peers.tracking.lock();
            if nodes.get(&node).is_none_or(|&known| known <= source) {
                if tracks {
                    nodes.insert(node, source)
                } else {
                    nodes.remove(&node)
                };
                self.peers.count.store(nodes.len(), Ordering::Relaxed);
                // SeqCst: pairs with the fence in `Peers::track`. Before the confirmation, and so before anything that the node's clients read.
                fence(Ordering::SeqCst);
            }
            drop(nodes);
            self.rest(store);
            break;
        }
        if local.holds_gate() {
            let guard = local.pin();
            store.release(local, &guard, now);
        }
        Some(change)
    }

    /// The link `source`, by which `node` may have told, is lost.
    pub fn lose_source(&self, source: u64, node: NodeId, store: &Store) {
        let _switch = self.switch.lock();
        let mut nodes = self.peers.tracking.lock();
        if nodes.get(&node) == Some(&source) {
            nodes.remove(&node);
            self.peers.count.store(nodes.len(), Ordering::Relaxed);
        }
        drop(nodes);
        self.rest(store);
    }

    /// Takes down what the telling worker's open links have confirmed. Returns whether that is more than before.
    pub fn confirm<'l>(&self, links: impl Iterator<Item = &'l TracksLink>) -> bool {
        self.peers.told.confirm(links.filter(|link| link.is_open).map(|link| link.heard))
    }

    /// A peer names keys that it has changed; `worker` takes that.
    ///
    /// # Errors
    /// The payload is malformed; nothing of it was taken.
    pub fn hear_changed(
        &self,
        clients: &Clients,
        worker: usize,
        payload: &[u8],
    ) -> Result<(), Malformed> {
        let (all, entries) = decode_changed(payload)?;
        if all {
            self.doubt();
        }
        if self.clients() == 0 {
            return Ok(());
        }
        let mut runner = Runner::nobody(worker);
        for (key, author) in entries {
            let author = author.map_or(0, |author| self.client_of(author));
            // Who is not told of its own doing may have read the key again behind it, before this came.
            let is_quiet = |it: &ClientInfo| it.tracking() & flag::TRACKING_NOLOOP != 0;
            let own = if author == 0 { None } else { clients.get(author) };
            let kept = own.filter(|it| is_quiet(it)).map(|it| it.id);
            self.tell_key(clients, &mut runner, key, (author, author), kept);
        }
        Ok(())
    }

    /// Changes may have been missed.
    pub fn doubt(&self) {
        // Release pairs with the Acquire in `flush_doubtful`: what brought the doubt was before.
        self.peers.is_doubtful.store(true, Ordering::Release);
    }

    /// A client began to track before all other nodes knew: once they do, it has to doubt what it read.
    pub fn begin_unheard(&self) {
        self.peers.is_unheard.store(true, Ordering::Relaxed);
    }

    /// Tells the clients that track if there is doubt. To be called in each turn.
    #[inline]
    pub fn flush_doubtful(&self, clients: &Clients, worker: usize, now: impl FnOnce() -> UnixMs) {
        // Relaxed: looked at once more below.
        if self.peers.is_doubtful.load(Ordering::Relaxed) {
            self.flush_now(clients, worker, now());
        }
    }

    #[cold]
    fn flush_now(&self, clients: &Clients, worker: usize, now: UnixMs) {
        // Relaxed: a bound on how often.
        let since = now.wrapping_sub(self.peers.flushed_at.load(Ordering::Relaxed));
        // Acquire pairs with the Release in `doubt`.
        if since >= FLUSH_EVERY_MS && self.peers.is_doubtful.swap(false, Ordering::Acquire) {
            self.peers.flushed_at.store(now, Ordering::Relaxed);
            self.flush(clients, &mut Runner::nobody(worker));
        }
    }

    /// By the clock, by one worker: looks whether slots have `moved`, and whether all nodes have heard by now who tracks.
    pub fn look(&self, worker: usize, moved: Moves, now: UnixMs) {
        if self.peers.is_unheard.load(Ordering::Relaxed) && self.peers.told.unheard().is_none() {
            self.peers.is_unheard.store(false, Ordering::Relaxed);
            self.doubt();
        }
        let (seen, at) = &mut *self.peers.moves.lock();
        if *seen == moved || now.wrapping_sub(*at) < MOVES_EVERY_MS {
            return;
        }
        *at = now;
        let before = std::mem::replace(seen, moved);
        self.doubt();
        if before.own != moved.own {
            // Whoever reads from this node, or did, may have heard from nobody of what was changed in between.
            self.tell_peers_all(worker);
        }
    }
}

/// What is still to be told by one link about who tracks.
#[derive(Debug, Default)]
pub struct TracksLink {
    is_open: bool,
    owes: bool,
    /// The latest change that the peer is to hear of.
    change: u64,
    /// Up to which change it has confirmed.
    heard: u64,
    /// Clients tracked while there was no link: what they read of the peer may be old.
    doubts: bool,
}

impl TracksLink {
    /// The link opened.
    pub fn open(&mut self, tracking: &Tracking) {
        let change = tracking.told().noted();
        let doubts = tracking.clients() > 0;
        *self = TracksLink { is_open: true, owes: true, change, heard: 0, doubts };
    }

    /// The link is lost.
    pub fn lose(&mut self) {
        *self = TracksLink::default();
    }

    /// Something changed, up to that change.
    pub fn change(&mut self, change: u64) {
        if self.is_open {
            self.owes = true;
            self.change = self.change.max(change);
        }
    }

    /// The peer confirms up to `change`. Whether there is doubt about what was read before.
    pub fn confirmed(&mut self, change: u64) -> bool {
        self.heard = self.heard.max(change.min(self.change));
        std::mem::take(&mut self.doubts)
    }

    /// Whether there is something to tell.
    pub fn owes(&self) -> bool {
        self.owes
    }

    /// The next payload, if there is something to tell.
    pub fn next_payload(&mut self, tracking: &Tracking) -> Option<Vec<u8>> {
        if !std::mem::take(&mut self.owes) {
            return None;
        }
        let mut payload = Vec::new();
        // Read behind the changes that it covers.
        encode_tracks(tracking.clients() > 0, self.change, &mut payload);
        Some(payload)
    }
}
