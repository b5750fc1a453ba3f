//! The store: sixteen databases on a lock-free index.
//!
//! [`Store`] is shared by all threads; each thread that touches it owns a [`Local`]; work happens on a [`Keyspace`],
//! a view of one database for the time of one batch. The store knows time only as the `now` that it is given,
//! and nothing of commands, clients or sockets.

mod entry;
mod keyspace;

pub use crossbeam_epoch::Guard;
pub use entry::{Entry, Expiry, Kind, NewValue, StringView, WrongType};
pub use keyspace::{Change, Keyspace, StringEdit, Transaction};

use crate::base::clock::UnixMs;

/// The shared part of the store.
#[derive(Debug)]
pub struct Store {}

/// What one thread owns of the store: its allocator cache, retired entries, counters and generator.
#[derive(Debug)]
pub struct Local {}

impl Local {
    /// Pins the epoch: what is reachable now stays readable until the guard is dropped.
    pub fn pin(&self) -> Guard {
        crossbeam_epoch::pin()
    }
}

impl Store {
    /// A view of database `db` (below 16) at time `now`.
    pub fn keyspace<'k, 'g>(
        &'g self,
        local: &'k mut Local,
        guard: &'g Guard,
        db: u8,
        now: UnixMs,
    ) -> Keyspace<'k, 'g> {
        Keyspace { store: self, local, guard, db, now, touch: true }
    }
}
