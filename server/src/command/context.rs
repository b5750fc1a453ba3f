//! What a handler may touch, and what it tells the pipeline.

use super::Session;
use crate::admin::Instance;
use crate::base::clock::UnixMs;
use crate::store::{Guard, KeyHint, Keyspace, Local};
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
}
