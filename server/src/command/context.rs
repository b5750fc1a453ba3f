//! What a handler may touch, and what it tells the pipeline.

use super::Session;
use crate::admin::Instance;
use crate::base::clock::UnixMs;
use crate::cluster::route::{Route, Routes};
use crate::store::{Guard, KeyHint, Keyspace, Local};
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
    /// Runs nothing until this time, then sends what was written (DEBUG SLEEP).
    SleepUntil(UnixMs),
    /// Goes on with the next command, in a new batch: what holds for all commands of a batch has changed.
    Anew,
    /// Is not done. It runs again once others had their turn; until then nothing was written.
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
