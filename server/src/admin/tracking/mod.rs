//! Client-side caching: who has read which keys, and the way of the news that these have changed.
//!
//! ```text
//!   a client that tracks reads ─▶ table: key ─▶ readers                          before it reads
//!   a key changes ─▶ the thread that changed it, behind the command ─┬▶ table: its readers, who are taken out
//!                                                                     └▶ prefixes: kept for the end of the turn
//!   the same, of whatever this node serves ─▶ nodes whose clients track ─▶ their tables and prefixes                         [`peers`], [`news`]
//!   a reader ─▶ the client that it redirects to, or itself ─▶ feed of that one's worker ─▶ connection
//! ```
//!
//! **Invariant.** A client that tracks hears, behind the reply that it read a value by, that the value is another now; that all values may be, where it cannot be said
//! which. What its own command changed it hears behind that command's reply. Where the node keeps no news because nobody tracks, a write pays for one branch
//! ([`crate::store`]'s `changes`), and a read for none.
//!
//! **Does not know** connections or sockets: a worker delivers what its feed holds.
//!
//! Source: redis.io, "Client-side caching in Redis", and the behaviour of Redis 7.2.

mod news;
mod peers;
mod prefixes;
mod push;
mod table;
#[cfg(test)]
mod tests;
mod tracked;

pub use news::NewsLink;
pub use peers::TracksLink;
pub use push::{Push, Told};
pub use tracked::{Mode, Reading, Tracked};

use super::clients::{ClientInfo, Clients, flag};
use crate::base::rng::Rng;
use crate::store::{By, ChangedKey, Local, Store};
use news::{Frames, Outgoing};
use parking_lot::Mutex;
use peers::Peers;
use prefixes::{ChangedSince, Prefixes};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use table::Table;
use torc_protocol::Protocol;
use torc_protocol::peer::changes::Author;

/// The client whose command caused what is told.
#[derive(Debug)]
pub struct Runner<'r> {
    /// Index of the worker on which it runs.
    pub worker: usize,
    /// Its id; 0 for nobody.
    pub client: u64,
    /// The same as other nodes know it, where it tracks: a client of this node, or of the node that sent the command.
    pub author: Option<Author>,
    /// What is told to the client itself, if it tracks.
    pub own: Option<Own<'r>>,
}

/// See [`Runner::own`].
#[derive(Debug)]
pub struct Own<'r> {
    /// Where it is told: behind the reply.
    pub pushes: &'r mut Vec<u8>,
    /// How it is told.
    pub protocol: Protocol,
    /// Whether the client has subscriptions.
    pub is_subscribed: bool,
    /// The keys that the command reads, and whether the client had not read them before.
    pub reading: &'r Reading,
}

impl Runner<'_> {
    /// A thread that runs no command.
    pub fn nobody(worker: usize) -> Runner<'static> {
        Runner { worker, client: 0, author: None, own: None }
    }

    fn is_reading(&self, key: &[u8]) -> Option<bool> {
        let reading = self.own.as_ref()?.reading;
        reading.iter().find(|(name, _)| **name == *key).map(|&(_, is_new)| is_new)
    }
}

/// What only one worker needs.
#[derive(Debug, Default)]
struct Part {
    changed: Mutex<ChangedSince>,
    /// Whether `changed` holds anything, for the worker's every turn to ask.
    has_changed: AtomicBool,
    outgoing: Mutex<Outgoing>,
    /// The same of `outgoing`.
    has_outgoing: AtomicBool,
}

/// See the module.
#[derive(Debug)]
pub struct Tracking {
    table: Table,
    prefixes: Prefixes,
    /// Clients that track. Changed under `switch`.
    clients: AtomicUsize,
    /// Held while the store is asked to tell of changes, or not to any more.
    switch: Mutex<()>,
    parts: Box<[Part]>,
    peers: Peers,
}

impl Tracking {
    /// For `workers` workers and nobody who tracks.
    pub fn new(workers: usize) -> Self {
        Tracking {
            table: Table::default(),
            prefixes: Prefixes::default(),
            clients: AtomicUsize::new(0),
            switch: Mutex::default(),
            parts: (0..workers.max(1)).map(|_| Part::default()).collect(),
            peers: Peers::default(),
        }
    }

    fn part(&self, worker: usize) -> &Part {
        &self.parts[worker % self.parts.len()]
    }

    /// A client begins to track. `false`: nothing was done, for the store tells nothing yet; `local` is to [hold everything](Store::hold_everything) first.
    #[must_use]
    pub fn enter(&self, store: &Store, local: &mut Local) -> bool {
        let _switch = self.switch.lock();
        if !store.tells_changes() {
            if !local.holds_gate() {
                return false;
            }
            store.tell_changes(local);
        }
        // Relaxed, here and where it is read: a figure; what matters is ordered by `switch`.
        if self.clients.fetch_add(1, Ordering::Relaxed) == 0 {
            self.peers.told.note(std::iter::once(()));
        }
        true
    }

    /// A client tracks no more.
    pub fn leave(&self, store: &Store) {
        let _switch = self.switch.lock();
        if self.clients.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.peers.told.note(std::iter::once(()));
            self.peers.reads_copies.store(false, Ordering::Relaxed);
            self.table.clear();
            self.rest(store);
        }
    }

    /// Has the store take nothing down any more, if nobody wants to know. Under `switch`.
    fn rest(&self, store: &Store) {
        if !self.is_wanted() {
            store.keep_changes();
        }
    }

    /// Clients that track.
    pub fn clients(&self) -> usize {
        self.clients.load(Ordering::Relaxed)
    }

    /// Keys that clients have read and that have not changed since.
    pub fn keys(&self) -> usize {
        self.table.keys()
    }

    /// The sum of the numbers of clients that have read each of these.
    pub fn items(&self) -> usize {
        self.table.items()
    }

    /// Prefixes of which clients want to hear every change.
    pub fn prefixes(&self) -> usize {
        self.prefixes.count()
    }

    /// `client` is about to read `key`. Whether it had not read it since its last change.
    pub fn reads(&self, key: &[u8], client: u64) -> bool {
        self.table.add(key, client)
    }

    /// Tells those who have read what was changed, and keeps it for those who want to hear of prefixes and for other nodes.
    ///
    /// Whoever `serves` a key tells of it, for all reads that other nodes' clients are answered by run there. A copy's changes, which follow what the server told, concern clients of
    /// this node alone, and only once one of them reads copies: else each would hear of a change as often as there are copies.
    pub fn settle(
        &self,
        clients: &Clients,
        runner: &mut Runner<'_>,
        changes: Vec<ChangedKey>,
        serves: impl Fn(&[u8]) -> bool,
    ) {
        let (peers_track, copies_are_read) = (self.peers.track(), self.peers.read_copies());
        let current = runner.author.map_or(runner.client, |author| self.client_of(author));
        for ChangedKey { key, by } in changes {
            let is_copys = matches!(by, By::Copy | By::Nobody) && !serves(&key);
            if is_copys && !copies_are_read {
                continue;
            }
            let (author, known_as) = match by {
                By::Runner => (current, runner.author),
                By::Nobody | By::Copy => (0, None),
                By::Client(id) => (id, None),
                By::Author(author) => (self.client_of(author), Some(author)),
            };
            // Of a command that a client of this node has sent here by another way, as a visitor, it is not known what it reads: its client hears of it like all others.
            let teller = if by == By::Nobody { runner.client } else { author };
            // Its time had come, which the read itself has found: what was read is that the key is not there, and who read that wants to hear of it as before.
            let has_read = by == By::Nobody && runner.is_reading(&key).is_some();
            let kept = has_read.then_some(runner.client);
            self.tell_key(clients, runner, &key, (author, teller), kept);
            if peers_track && !is_copys {
                self.tell_peers(runner.worker, |outgoing| outgoing.add(&key, known_as));
            }
        }
    }

    /// Tells whoever has read `key`, and keeps it for those who want to hear of prefixes. It was `author`'s doing, who is 0 where NOLOOP concerns nobody, and comes behind the
    /// reply of `current`. The client `kept` goes on as a reader: it may have read what is there now.
    fn tell_key(
        &self,
        clients: &Clients,
        runner: &mut Runner<'_>,
        key: &[u8],
        (author, current): (u64, u64),
        kept: Option<u64>,
    ) {
        for id in self.table.take(key, kept).unwrap_or_default() {
            let reading = if kept == Some(id) { runner.is_reading(key) } else { None };
            if reading != Some(true) {
                self.tell_reader(clients, runner, (id, current), key);
            }
        }
        if self.prefixes.concern(key) {
            let part = self.part(runner.worker);
            part.changed.lock().insert(key.into(), author);
            // Release pairs with the Acquire in `has_broadcast`.
            part.has_changed.store(true, Ordering::Release);
        }
    }

    // --- Other nodes ----------------------------------------------------------------------------------------------------

    fn tell_peers(&self, worker: usize, tell: impl FnOnce(&mut Outgoing)) {
        let part = self.part(worker);
        tell(&mut part.outgoing.lock());
        // Release pairs with the Acquire in `has_outgoing`.
        part.has_outgoing.store(true, Ordering::Release);
    }

    /// Tells nodes whose clients track that all keys may have changed.
    pub fn tell_peers_all(&self, worker: usize) {
        if self.peers.track() {
            self.tell_peers(worker, Outgoing::add_all);
        }
    }

    /// Whether [`Tracking::take_outgoing`] has something for `worker`.
    #[inline]
    pub fn has_outgoing(&self, worker: usize) -> bool {
        // Acquire pairs with the Release in `tell_peers`.
        self.part(worker).has_outgoing.load(Ordering::Acquire)
    }

    /// What `worker` is to tell other nodes.
    pub fn take_outgoing(&self, worker: usize) -> Option<Frames> {
        if !self.has_outgoing(worker) {
            return None;
        }
        let part = self.part(worker);
        let mut outgoing = part.outgoing.lock();
        // Relaxed: under the lock, so that nothing is added between this and the taking.
        part.has_outgoing.store(false, Ordering::Relaxed);
        Some(std::mem::take(&mut *outgoing).into_frames())
    }

    fn tell_reader(
        &self,
        clients: &Clients,
        runner: &mut Runner<'_>,
        (id, current): (u64, u64),
        key: &[u8],
    ) {
        let Some(reader) = clients.get(id) else { return };
        let flags = reader.tracking();
        // Who went over to prefixes hears of them alone.
        let hears = flags & flag::TRACKING != 0 && flags & flag::TRACKING_PREFIXES == 0;
        let is_own = id == current;
        if hears && !(is_own && flags & flag::TRACKING_NOLOOP != 0) {
            let keys = push::keys(1, [key].into_iter());
            send(clients, runner, &reader, is_own, keys);
        }
    }

    /// Tells every client that tracks that all keys may have changed, and forgets who has read what.
    pub fn flush(&self, clients: &Clients, runner: &mut Runner<'_>) {
        if self.clients() == 0 {
            return;
        }
        self.table.clear();
        for client in clients.all() {
            if client.tracking() & flag::TRACKING != 0 {
                let is_own = client.id == runner.client;
                let protocol = match &runner.own {
                    Some(own) if is_own => own.protocol,
                    _ => client.protocol(),
                };
                send(clients, runner, &client, is_own, push::all_keys(protocol));
            }
        }
    }

    /// Takes keys out of the table at random until it has `keys_max` (0: as many as there are), `effort` of them at most. Their readers are told as if these had changed,
    /// for nobody will tell them when they do.
    pub fn trim(
        &self,
        clients: &Clients,
        runner: &mut Runner<'_>,
        (keys_max, effort): (u64, usize),
        rng: &mut Rng,
    ) {
        for _ in 0..effort {
            if keys_max == 0 || self.table.keys() as u64 <= keys_max {
                return;
            }
            let Some((key, readers)) = self.table.take_any(rng) else { return };
            for id in readers {
                // Whoever causes it did not change the key.
                self.tell_reader(clients, runner, (id, 0), &key);
            }
        }
    }

    /// Whether [`Tracking::broadcast`] has something to do for `worker`.
    #[inline]
    pub fn has_broadcast(&self, worker: usize) -> bool {
        // Acquire pairs with the Release in `settle`.
        self.part(worker).has_changed.load(Ordering::Acquire)
    }

    /// Tells those who want to hear of prefixes what `worker` has changed since it was last told: once a batch, each key once.
    pub fn broadcast(&self, clients: &Clients, worker: usize) {
        if !self.has_broadcast(worker) {
            return;
        }
        let part = self.part(worker);
        // The worker is the only one that adds to it.
        part.has_changed.store(false, Ordering::Relaxed);
        let changed = std::mem::take(&mut *part.changed.lock());
        let mut runner = Runner::nobody(worker);
        self.prefixes.for_each(&changed, |ids, changed| {
            let all = push::keys(changed.len(), changed.iter().map(|(key, _)| *key));
            for client in ids.iter().filter_map(|&id| clients.get(id)) {
                let no_loop = client.tracking() & flag::TRACKING_NOLOOP != 0;
                let keys = if no_loop && changed.iter().any(|(_, by)| *by == client.id) {
                    let others: Vec<&[u8]> =
                        changed.iter().filter(|it| it.1 != client.id).map(|it| it.0).collect();
                    if others.is_empty() {
                        continue;
                    }
                    push::keys(others.len(), others.into_iter())
                } else {
                    Arc::clone(&all)
                };
                send(clients, &mut runner, &client, false, keys);
            }
        });
    }

    /// What makes good for messages to clients of `worker` that were lost for want of room: each client that would have heard of one of those that it hears for is told that
    /// all keys may have changed.
    pub fn make_good(&self, clients: &Clients, worker: usize) -> Vec<Push> {
        let all = clients.all();
        let trackers = all.iter().filter(|client| client.tracking() & flag::TRACKING != 0);
        let pushes = trackers.filter_map(|owner| {
            let (receiver, told) = resolve(clients, owner, push::all_keys(owner.protocol()));
            let (place, client) = (receiver.slot(), receiver.id);
            (receiver.worker == worker).then_some(Push { place, client, is_own: false, told })
        });
        pushes.collect()
    }
}

/// Who is to hear what `owner` is told, and in which words.
fn resolve(clients: &Clients, owner: &Arc<ClientInfo>, keys: Arc<[u8]>) -> (Arc<ClientInfo>, Told) {
    match owner.redirect() {
        0 => (Arc::clone(owner), Told::Invalid { keys, redirected: false }),
        redirect => match clients.get(redirect) {
            Some(receiver) => (receiver, Told::Invalid { keys, redirected: true }),
            None => {
                owner.break_redirect();
                (Arc::clone(owner), Told::Broken { redirect })
            }
        },
    }
}

fn send(
    clients: &Clients,
    runner: &mut Runner<'_>,
    owner: &Arc<ClientInfo>,
    is_own: bool,
    keys: Arc<[u8]>,
) {
    let (receiver, told) = resolve(clients, owner, keys);
    match &mut runner.own {
        Some(own) if receiver.id == runner.client => {
            told.render(own.protocol, own.is_subscribed, own.pushes);
        }
        _ => {
            let (place, client) = (receiver.slot(), receiver.id);
            let push = Push { place, client, is_own, told };
            clients.mailboxes.tell(receiver.worker, runner.worker, push);
        }
    }
}
