//! Clients that wait in a blocking command: for which keys, in which order, and how the wait of each ended.
//!
//! ```text
//!   BLPOP ─▶ Waiter ─┬─ queue of each of its keys, by number of arrival     shared
//!                    └─ by client id, for CLIENT UNBLOCK
//!   ended (served, time over, unblocked, gone) ─▶ list of its worker ─▶ reply
//! ```
//!
//! A wait ends once, under its lock: whoever serves it holds that lock from before he takes an element until he has said so. So a client whose time is over at that
//! moment gets the element or the null, and no element is taken for a client that is gone. One thread at a time serves the queue of a key ([`Blocked::begin`]), from the
//! front, so that clients are served in the order in which they came, whichever workers they belong to.
//!
//! **Locks.** A waiter's own before a queue's; nothing else is waited for under a queue's.
//! **Does not know** how an element is taken, nor sockets; who waits is known by the numbers that its worker gave.
//!
//! Source: redis.io, the page of BLPOP; what Redis 7 does in its `blocked.c`.

use super::mailbox::Mailboxes;
use crate::base::clock::UnixMs;
use crate::base::limits::WORKER_COUNT_MAX;
use crate::security::acl::User;
use crate::store::{Kind, Store};
use crate::types::collection::StreamId;
use dashmap::DashMap;
use parking_lot::{Mutex, MutexGuard};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use torc_protocol::command::CommandId;
use torc_protocol::peer::changes::Author;
use torc_protocol::slot::slot_of;
use torc_protocol::{Protocol, Reply, WireError};

/// Queues are spread over so many locks.
const SHARDS: usize = 64;

/// What a client waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Want {
    /// An element of a list (BLPOP, BRPOP).
    Pop {
        /// The first one, or else the last.
        front: bool,
    },
    /// Up to so many elements of a list (BLMPOP).
    PopMany {
        /// From the front, or else from the end.
        front: bool,
        /// At most.
        count: u64,
    },
    /// An element of a list, to be put on another (BLMOVE, BRPOPLPUSH).
    Move {
        /// From the front, or else from the end.
        from_front: bool,
        /// The other list.
        destination: Box<[u8]>,
        /// To its front, or else to its end.
        to_front: bool,
    },
    /// A member of a sorted set (BZPOPMIN, BZPOPMAX).
    PopScored {
        /// The one with the highest score, or else with the lowest.
        highest: bool,
    },
    /// Up to so many members of a sorted set (BZMPOP).
    PopScoredMany {
        /// Those with the highest scores, or else with the lowest.
        highest: bool,
        /// At most.
        count: u64,
    },
    /// Entries of streams (XREAD, XREADGROUP).
    Read(Box<Reading>),
}

/// What XREAD and XREADGROUP ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The streams, and behind what of each.
    pub streams: Vec<(Box<[u8]>, Behind)>,
    /// So many entries of each at most; 0 for all.
    pub count: u64,
    /// For whom, if not for the client alone.
    pub group: Option<ReadAs>,
}

/// Where in a stream reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behind {
    /// Behind this id.
    Id(StreamId),
    /// Behind what was delivered to the group.
    Delivered,
}

/// A consumer that reads for its group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadAs {
    /// The group.
    pub name: Box<[u8]>,
    /// The consumer.
    pub consumer: Box<[u8]>,
    /// Whether what is delivered counts as acknowledged at once.
    pub noack: bool,
}

impl Want {
    /// What a key must hold to serve it.
    pub fn kind(&self) -> Kind {
        match self {
            Want::Pop { .. } | Want::PopMany { .. } | Want::Move { .. } => Kind::List,
            Want::PopScored { .. } | Want::PopScoredMany { .. } => Kind::Zset,
            Want::Read(_) => Kind::Stream,
        }
    }

    /// Whether a key that holds `found` serves it, or ends it by an error: who reads for a group is told that it is gone.
    fn is_moved_by(&self, found: Option<Kind>) -> bool {
        match self {
            Want::Read(reading) if reading.group.is_some() => true,
            _ => found == Some(self.kind()),
        }
    }
}

/// How a wait ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It was served.
    Served {
        /// What the client is answered.
        reply: Vec<u8>,
        /// What serving it wrote: slots and versions.
        written: Vec<(u16, u64)>,
    },
    /// Its time was over, or CLIENT UNBLOCK says so.
    TimedOut,
    /// CLIENT UNBLOCK … ERROR.
    Unblocked,
    /// Its slot is another node's by now.
    Moved,
    /// Nobody wants an answer any more.
    Gone,
}

impl End {
    /// What the client is answered.
    pub fn reply(&self, protocol: Protocol) -> Vec<u8> {
        let mut out = Vec::new();
        let mut reply = Reply::new(&mut out, protocol);
        match self {
            End::Served { reply, .. } => return reply.clone(),
            End::TimedOut | End::Moved | End::Gone => reply.null_array(),
            End::Unblocked => {
                reply.error(&WireError::fixed("UNBLOCKED client unblocked via CLIENT UNBLOCK"))
            }
        }
        out
    }
}

/// To whom a reply is owed, in the terms of its worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owed {
    /// Where the worker keeps the client.
    pub place: usize,
    /// The request that it is, if it came from another node.
    pub visitor: Option<u64>,
    /// Which of the client's replies.
    pub hole: u64,
}

/// One client's wait.
#[derive(Debug)]
pub struct Waiter {
    /// Its place in the order of arrival.
    pub number: u64,
    /// The client's id.
    pub client: u64,
    /// Index of the client's worker.
    pub worker: usize,
    /// The client's database.
    pub db: u8,
    /// The client's protocol.
    pub protocol: Protocol,
    /// For what.
    pub want: Want,
    /// For which keys, in the order of the command; each once.
    pub keys: Vec<Box<[u8]>>,
    /// Until when; none for ever.
    pub until: Option<UnixMs>,
    /// Whether other nodes sent it, so that CLIENT UNBLOCK does not know it.
    pub visits: bool,
    /// See `Session::author`.
    pub author: Option<Author>,
    /// By which command, as which user; none for what other nodes sent, which have checked it.
    pub asker: Option<(CommandId, Arc<User>)>,
    /// Set by its worker before it does anything else.
    pub owed: OnceLock<Owed>,
    end: Mutex<Option<End>>,
}

impl Waiter {
    /// Whether it ended.
    pub fn is_over(&self) -> bool {
        self.end.lock().is_some()
    }

    /// A command that waits for the same, and which of its words is the timeout. It stands for none.
    pub fn command(&self) -> (Vec<Box<[u8]>>, usize) {
        if let Want::Read(reading) = &self.want {
            return reading.command();
        }
        let side = |front: bool| if front { "LEFT" } else { "RIGHT" };
        let (name, after): (&str, Vec<Box<[u8]>>) = match &self.want {
            Want::Pop { front } => (if *front { "BLPOP" } else { "BRPOP" }, Vec::new()),
            Want::PopScored { highest } => {
                (if *highest { "BZPOPMAX" } else { "BZPOPMIN" }, Vec::new())
            }
            Want::PopMany { front, count } => ("BLMPOP", many(side(*front), *count)),
            Want::PopScoredMany { highest, count } => {
                ("BZMPOP", many(if *highest { "MAX" } else { "MIN" }, *count))
            }
            Want::Move { from_front, destination, to_front } => {
                let sides = [side(*from_front), side(*to_front)].map(word);
                ("BLMOVE", [destination.clone()].into_iter().chain(sides).collect())
            }
            Want::Read(_) => unreachable!("returned above"),
        };
        let mut words = vec![word(name)];
        let is_many = matches!(name, "BLMPOP" | "BZMPOP");
        if is_many {
            words.extend([word("0"), word(&self.keys.len().to_string())]);
        }
        words.extend(self.keys.iter().cloned().chain(after));
        if !is_many {
            words.push(word("0"));
        }
        let timeout_at = if is_many { 1 } else { words.len() - 1 };
        (words, timeout_at)
    }

    /// How it ended.
    pub fn end(&self) -> Option<End> {
        self.end.lock().clone()
    }

    /// Its lock, to end it under. Nothing there: it has not ended.
    pub fn lock(&self) -> MutexGuard<'_, Option<End>> {
        self.end.lock()
    }
}

impl Reading {
    /// As [`Waiter::command`].
    fn command(&self) -> (Vec<Box<[u8]>>, usize) {
        let mut words = Vec::new();
        match &self.group {
            None => words.push(word("XREAD")),
            Some(ReadAs { name, consumer, noack }) => {
                words.extend([word("XREADGROUP"), word("GROUP"), name.clone(), consumer.clone()]);
                words.extend(noack.then(|| word("NOACK")));
            }
        }
        if self.count > 0 {
            words.extend([word("COUNT"), word(&self.count.to_string())]);
        }
        words.extend([word("BLOCK"), word("0"), word("STREAMS")]);
        let timeout_at = words.len() - 2;
        words.extend(self.streams.iter().map(|(key, _)| key.clone()));
        words.extend(self.streams.iter().map(|(_, behind)| match behind {
            Behind::Id(id) => word(&id.to_string()),
            Behind::Delivered => word(">"),
        }));
        (words, timeout_at)
    }
}

fn word(text: &str) -> Box<[u8]> {
    text.as_bytes().into()
}

fn many(from: &str, count: u64) -> Vec<Box<[u8]>> {
    vec![word(from), word("COUNT"), word(&count.to_string())]
}

/// What a new wait is made of.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The client's id.
    pub client: u64,
    /// Index of its worker.
    pub worker: usize,
    /// Its database.
    pub db: u8,
    /// Its protocol.
    pub protocol: Protocol,
    /// For what it waits.
    pub want: Want,
    /// For which keys.
    pub keys: &'a [&'a [u8]],
    /// Until when; none for ever.
    pub until: Option<UnixMs>,
    /// Whether another node sent it.
    pub visits: bool,
    /// See `Session::author`.
    pub author: Option<Author>,
    /// See [`Waiter::asker`].
    pub asker: Option<(CommandId, Arc<User>)>,
}

type Key = (u8, Box<[u8]>);

#[derive(Debug, Default)]
struct Queue {
    /// By number of arrival.
    waiters: BTreeMap<u64, Arc<Waiter>>,
    /// Whether a thread is serving it.
    served: bool,
    /// Whether another thread has asked for that meanwhile.
    again: bool,
}

/// What became of a queue that was served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// It is nobody's again.
    Done,
    /// It is to be served once more: something happened meanwhile.
    Again,
}

/// Waits of one worker's clients that have ended, and whose replies it has not taken yet.
#[derive(Debug, Default)]
struct Over {
    waiters: Mutex<Vec<Arc<Waiter>>>,
    has_some: AtomicBool,
}

/// All waits.
#[derive(Debug)]
pub struct Blocked {
    shards: Box<[Mutex<HashMap<Key, Queue>>]>,
    by_client: DashMap<u64, Arc<Waiter>>,
    last: AtomicU64,
    /// Waits that stand in queues.
    parked: AtomicUsize,
    /// By worker.
    over: Box<[Over]>,
}

impl Default for Blocked {
    fn default() -> Self {
        Blocked {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            by_client: DashMap::new(),
            last: AtomicU64::new(0),
            parked: AtomicUsize::new(0),
            over: (0..WORKER_COUNT_MAX).map(|_| Over::default()).collect(),
        }
    }
}

impl Blocked {
    fn shard(&self, key: &[u8]) -> &Mutex<HashMap<Key, Queue>> {
        &self.shards[slot_of(key).index() % SHARDS]
    }

    /// Begins a wait: behind all who wait for the same keys already. The caller then awaits changes of the keys, and looks at them once more.
    pub fn enter(&self, asked: Asked<'_>) -> Arc<Waiter> {
        let Asked { client, worker, db, protocol, want, keys, until, visits, author, asker } =
            asked;
        let mut seen = HashSet::new();
        let keys: Vec<Box<[u8]>> =
            keys.iter().filter(|key| seen.insert(**key)).map(|&key| key.into()).collect();
        // Relaxed: only the number's uniqueness and its rising count.
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let (owed, end) = (OnceLock::new(), Mutex::new(None));
        let waiter = Arc::new(Waiter {
            number,
            client,
            worker,
            db,
            protocol,
            want,
            keys,
            until,
            visits,
            author,
            asker,
            owed,
            end,
        });
        // Nobody ends it before it stands everywhere, or it would be left behind where it is entered afterwards.
        let entering = waiter.lock();
        for key in &waiter.keys {
            let mut queues = self.shard(key).lock();
            let queue = queues.entry((db, key.clone())).or_default();
            queue.waiters.insert(number, Arc::clone(&waiter));
        }
        if !waiter.keys.is_empty() {
            // Relaxed: a statistic.
            self.parked.fetch_add(1, Ordering::Relaxed);
        }
        if !visits {
            self.by_client.insert(client, Arc::clone(&waiter));
        }
        drop(entering);
        waiter
    }

    /// Waits that stand in queues of this node, those of other nodes' clients among them.
    pub fn parked(&self) -> usize {
        self.parked.load(Ordering::Relaxed)
    }

    /// Keys for which somebody waits.
    pub fn keys(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    /// Of these, keys for which somebody waits whom their removal would end too: who reads a stream for a group.
    pub fn keys_until_gone(&self) -> usize {
        let ends = |waiter: &Arc<Waiter>| waiter.want.is_moved_by(None);
        let count = |queues: &HashMap<Key, Queue>| {
            queues.values().filter(|queue| queue.waiters.values().any(ends)).count()
        };
        self.shards.iter().map(|shard| count(&shard.lock())).sum()
    }

    /// Takes a wait that has ended out of all queues. Called once for each.
    fn leave(&self, store: &Store, waiter: &Waiter) {
        if !waiter.keys.is_empty() {
            self.parked.fetch_sub(1, Ordering::Relaxed);
        }
        for key in &waiter.keys {
            let name = (waiter.db, key.clone());
            let mut queues = self.shard(key).lock();
            let Some(queue) = queues.get_mut(&name) else { continue };
            queue.waiters.remove(&waiter.number);
            if queue.waiters.is_empty() && !queue.served {
                queues.remove(&name);
                // Under the lock: whoever begins to wait now awaits changes afterwards.
                store.end_wait(waiter.db, key);
            }
        }
        self.by_client.remove_if(&waiter.client, |_, known| known.number == waiter.number);
    }

    /// A wait has ended: its worker is told.
    pub fn over(&self, store: &Store, mailboxes: &Mailboxes, waiter: &Arc<Waiter>) {
        self.leave(store, waiter);
        let Some(over) = self.over.get(waiter.worker) else { return };
        {
            let mut waiters = over.waiters.lock();
            waiters.push(Arc::clone(waiter));
            // Release: pairs with the Acquire in `has_over`. What was pushed is read under the lock.
            over.has_some.store(true, Ordering::Release);
        }
        if let Some(mailbox) = mailboxes.workers().get(waiter.worker) {
            mailbox.wake();
        }
    }

    /// Ends a wait unless it has ended already; returns whether this did it. Its worker is told, except of [`End::Gone`].
    pub fn end(
        &self,
        store: &Store,
        mailboxes: &Mailboxes,
        waiter: &Arc<Waiter>,
        how: End,
    ) -> bool {
        let is_gone = how == End::Gone;
        {
            let mut end = waiter.lock();
            if end.is_some() {
                return false;
            }
            *end = Some(how);
        }
        if is_gone {
            self.leave(store, waiter);
        } else {
            self.over(store, mailboxes, waiter);
        }
        true
    }

    /// The wait of a client of this node.
    pub fn of_client(&self, client: u64) -> Option<Arc<Waiter>> {
        self.by_client.get(&client).map(|waiter| Arc::clone(&waiter))
    }

    /// Whether [`Blocked::take_over`] has any for `worker`.
    #[inline]
    pub fn has_over(&self, worker: usize) -> bool {
        // Acquire: pairs with the Release in `over`.
        self.over.get(worker).is_some_and(|over| over.has_some.load(Ordering::Acquire))
    }

    /// The waits of `worker`'s clients that have ended since the last call, in order.
    pub fn take_over(&self, worker: usize) -> Vec<Arc<Waiter>> {
        let Some(over) = self.over.get(worker) else { return Vec::new() };
        let mut waiters = over.waiters.lock();
        // Relaxed: under the lock, so that nothing is pushed between this and the taking.
        over.has_some.store(false, Ordering::Relaxed);
        std::mem::take(&mut *waiters)
    }

    // --- Serving --------------------------------------------------------------------------------------------------------

    /// Whether anybody waits for what a key of this kind can give.
    pub fn is_awaited(&self, db: u8, key: &[u8], kind: Kind) -> bool {
        let queues = self.shard(key).lock();
        let queue = queues.get(&(db, Box::from(key)));
        queue.is_some_and(|queue| queue.waiters.values().any(|it| it.want.kind() == kind))
    }

    /// Begins to serve the queue of `key`. False: nobody waits, or another thread is serving it, which then looks once more.
    pub fn begin(&self, db: u8, key: &[u8]) -> bool {
        let mut queues = self.shard(key).lock();
        let Some(queue) = queues.get_mut(&(db, Box::from(key))) else { return false };
        queue.again |= queue.served;
        !std::mem::replace(&mut queue.served, true)
    }

    /// Who is next in the queue of `key`, after number `after`, that a key which holds this may serve, or end by an error.
    pub fn next(&self, db: u8, key: &[u8], found: Option<Kind>, after: u64) -> Option<Arc<Waiter>> {
        let queues = self.shard(key).lock();
        let queue = queues.get(&(db, Box::from(key)))?;
        let mut waiters = queue.waiters.range(after + 1..).map(|(_, waiter)| waiter);
        waiters.find(|waiter| waiter.want.is_moved_by(found)).cloned()
    }

    /// Whether the queue of `key` is empty, which the caller serves.
    pub fn is_empty(&self, db: u8, key: &[u8]) -> bool {
        let queues = self.shard(key).lock();
        queues.get(&(db, Box::from(key))).is_none_or(|queue| queue.waiters.is_empty())
    }

    /// Ends serving the queue of `key`.
    pub fn finish(&self, store: &Store, db: u8, key: &[u8]) -> Finish {
        let name = (db, Box::from(key));
        let mut queues = self.shard(key).lock();
        let Some(queue) = queues.get_mut(&name) else { return Finish::Done };
        if std::mem::take(&mut queue.again) {
            return Finish::Again;
        }
        queue.served = false;
        if queue.waiters.is_empty() {
            queues.remove(&name);
            store.end_wait(db, key);
        }
        Finish::Done
    }
}
