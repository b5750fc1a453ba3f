//! What a handler may touch, and what it tells the pipeline.

use super::Session;
use crate::admin::Instance;
use crate::admin::pubsub::notify::{Event, Events};
use crate::base::clock::UnixMs;
use crate::cluster::route::{Route, Routes};
use crate::store::{Guard, KeyHint, Keyspace, Local, Notice, NoticeKind};
use std::collections::{HashMap, HashSet};
use torc_protocol::slot::{SLOT_COUNT, Slot};
use torc_protocol::{Args, Reply, WireError};

/// A command's implementation.
pub type Handler = fn(&mut Ctx<'_>, Args<'_>, &mut Reply<'_>) -> Outcome;

/// What a handler returns. On `Err` the pipeline takes back what was written to the reply and writes the error.
pub type Outcome = Result<Flow, WireError>;

/// What becomes of the connection after a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Goes on with the next command.
    Next,
    /// Is closed once what was written has gone out (QUIT).
    Close,
    /// Runs nothing until this time, then sends what was written (WAIT).
    SleepUntil(UnixMs),
    /// The same, and the sleep counts as time that the command itself took (DEBUG SLEEP).
    ToilUntil(UnixMs),
    /// Goes on with the next command, in a new batch: what holds for all commands of a batch has changed.
    Anew,
    /// Waits, as the session's `waits` says; its reply comes later (BLPOP).
    Wait,
    /// Is not done, and goes on once others had their turn: by being run again, if nothing was written, or with what is left of its reply.
    Again,
}

/// Everything a handler works with, for the time of one batch.
pub struct Ctx<'a> {
    /// The running node: settings, store, statistics, clients.
    pub instance: &'a Instance,
    /// This thread's part of the store.
    pub local: &'a mut Local,
    /// The epoch pin of this batch.
    pub guard: &'a Guard,
    /// The client.
    pub session: &'a mut Session,
    /// The batch's time.
    pub now: UnixMs,
    /// Index of the worker that runs it, below `limits::WORKER_COUNT_MAX`.
    pub worker: usize,
    /// The hash of the command's first key, if the pipeline has computed it already.
    pub hint: KeyHint,
}

impl<'a> Ctx<'a> {
    /// The client's selected database.
    pub fn keyspace(&mut self) -> Keyspace<'_, 'a> {
        self.instance
            .store
            .keyspace(self.local, self.guard, self.session.db, self.now)
            .with_hint(self.hint)
            .with_touch(!self.session.no_touch)
    }

    /// Runs `run` on `keys` of the selected database as one step: others see all of it or nothing.
    pub fn as_one_step<R>(&mut self, keys: &[&[u8]], run: impl FnOnce(&mut Self) -> R) -> R {
        if self.local.is_owning() {
            return run(self);
        }
        let (store, db) = (&self.instance.store, self.session.db);
        store.hold(self.local, self.guard, self.now, keys.iter().map(|&key| (db, key)));
        let result = run(self);
        self.instance.store.release(self.local, self.guard, self.now);
        result
    }

    /// Tells subscribers that `event` of `class` happened to `key` of the client's database. Handlers call it behind the write that it tells of; where the class
    /// is off, which is the default, it costs a load and a branch.
    #[inline]
    pub fn notify(&mut self, class: Events, event: &'static str, key: &[u8]) {
        self.notify_in(self.session.db, class, event, key);
    }

    /// As [`Ctx::notify`], for a key of database `db`.
    #[inline]
    pub fn notify_in(&mut self, db: u8, class: Events, event: &'static str, key: &[u8]) {
        if self.instance.pubsub.tells_of(class) {
            self.tell(Event { class, name: event, db, key });
        }
    }

    #[cold]
    fn tell(&mut self, event: Event<'_>) {
        // What the store noticed on the way came before.
        self.tell_noticed();
        let (pubsub, mailboxes) = (&self.instance.pubsub, &self.instance.clients.mailboxes);
        pubsub.notify(mailboxes, self.session.publisher(self.worker), event);
    }

    /// As [`Ctx::notify`], for several keys that one step has changed: that a key is new is told right before what made it so.
    #[inline]
    pub fn notify_each<'k, K: Iterator<Item = &'k [u8]>>(
        &mut self,
        class: Events,
        event: &'static str,
        keys: impl Fn() -> K,
    ) {
        if self.instance.pubsub.tells_of(class) {
            self.tell_each(class, event, keys);
        }
    }

    #[cold]
    fn tell_each<'k, K: Iterator<Item = &'k [u8]>>(
        &mut self,
        class: Events,
        name: &'static str,
        keys: impl Fn() -> K,
    ) {
        let changed: HashSet<&[u8]> = keys().collect();
        let is_of_step =
            |notice: &Notice| notice.kind == NoticeKind::New && changed.contains(&*notice.key);
        let (new, before): (Vec<_>, Vec<_>) =
            self.local.take_notices().into_iter().partition(is_of_step);
        let mut new: HashMap<Box<[u8]>, Notice> =
            new.into_iter().map(|notice| (notice.key.clone(), notice)).collect();
        let (pubsub, mailboxes) = (&self.instance.pubsub, &self.instance.clients.mailboxes);
        pubsub.notify_noticed(mailboxes, self.session.publisher(self.worker), before);
        let db = self.session.db;
        for key in keys() {
            let first = new.remove(key).into_iter().collect();
            pubsub.notify_noticed(mailboxes, self.session.publisher(self.worker), first);
            let event = Event { class, name, db, key };
            pubsub.notify(mailboxes, self.session.publisher(self.worker), event);
        }
    }

    /// Tells subscribers what the store noticed since this was last called: expired, evicted, new and missing keys.
    #[cold]
    pub fn tell_noticed(&mut self) {
        if self.local.has_notices() {
            let notices = self.local.take_notices();
            let (pubsub, mailboxes) = (&self.instance.pubsub, &self.instance.clients.mailboxes);
            pubsub.notify_noticed(mailboxes, self.session.publisher(self.worker), notices);
        }
    }

    /// The slots that this node serves, if it is part of a ring: commands about all keys leave the others alone, which are copies of what other nodes
    /// serve.
    pub fn served(&self) -> Option<Served<'a>> {
        self.instance.cluster.is_enabled().then(|| Served(self.instance.cluster.routes()))
    }
}

/// The slots that a node of a ring serves at the moment.
#[derive(Debug, Clone, Copy)]
pub struct Served<'a>(&'a Routes);

impl<'a> Served<'a> {
    /// Whether `slot` is among them.
    #[inline]
    pub fn has(self, slot: Slot) -> bool {
        self.0.get(slot) == Route::Serve
    }

    /// All of them.
    pub fn slots(self) -> impl Iterator<Item = Slot> + 'a {
        (0..SLOT_COUNT as u16).filter_map(Slot::new).filter(move |&slot| self.has(slot))
    }
}
