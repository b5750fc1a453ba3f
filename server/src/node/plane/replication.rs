//! What the data plane asks of replication: which writes a command made, and to be told when enough copies have them.
//!
//! The plane keeps the deadlines; whoever implements this only says when a number of copies is reached.

use crate::base::version::Version;
use crate::cluster::View;
use crate::store::Local;
use std::time::Duration;
use torc_protocol::peer::request::WriteLevel;
use torc_protocol::slot::Slot;

/// A promise to tell, by [`super::super::WorkerState::on_acked`], that a number of copies is reached. Unique at its worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Waiter(pub u64);

/// Whether enough copies have something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// They have.
    Enough,
    /// They never will, as things stand: only `applied` of `wanted` can.
    Never {
        /// Copies that have it, this node's included.
        applied: u32,
        /// Copies that were asked for.
        wanted: u32,
    },
    /// It will be told.
    Later {
        /// By this promise.
        waiter: Waiter,
        /// Copies that were asked for.
        wanted: u32,
    },
}

/// Fewer copies than are asked for, and there is nobody who could have more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Short {
    /// Copies that have it, this node's included.
    pub applied: u32,
    /// Copies that were asked for.
    pub wanted: u32,
}

/// One worker's side of replication.
pub trait Replication: Send + std::any::Any {
    /// Appends to `writes` what the worker's commands wrote since the last call: of each slot its highest version, once.
    fn take_written(&mut self, local: &mut Local, writes: &mut Vec<(Slot, Version)>);

    /// How many copies `level` asks for of `writes`, this node's included.
    ///
    /// # Errors
    /// Where so many nodes that keep their slots cannot be reached.
    fn reach(
        &self,
        view: &View,
        writes: &[(Slot, Version)],
        level: WriteLevel,
    ) -> Result<u32, Short>;

    /// How many copies have all of `writes`, this node's included, as far as is known.
    fn copies(&self, writes: &[(Slot, Version)]) -> u32;

    /// Whether as many copies as `level` says have applied all of `writes`; given up after `timeout`. `WriteLevel::Setting` does not come.
    fn hold(&mut self, writes: &[(Slot, Version)], level: WriteLevel, timeout: Duration) -> Held;

    /// As [`Replication::hold`], for a number of copies that there need not be (WAIT), and for writes that others may have given their versions.
    fn count(&mut self, writes: &[(Slot, Version)], copies: u32, timeout: Duration) -> Held;

    /// Writes that stand for everything up to `bound` in the slots that this node serves.
    fn written_before(&self, bound: Version) -> Vec<(Slot, Version)>;

    /// Sees to it that this node covers what a majority of the nodes that keep `slot` covers (R=quorum).
    fn refresh(&mut self, slot: Slot) -> Held;

    /// Whether this node's copy of `slot` has everything up to `version`, of whoever gave it out.
    fn covers(&self, slot: Slot, version: Version) -> bool;

    /// What this node's copy of `slot` covers: of each origin the last version.
    fn standing(&self, slot: Slot) -> Vec<Version>;

    /// Ends a promise that was not kept in time. Returns how many copies there are, this node's included: of the writes the fewest. Of a read: how many
    /// nodes have told what they know.
    fn give_up(&mut self, waiter: Waiter) -> u32;
}

/// A node on its own: one copy.
#[derive(Debug, Default)]
pub struct Lone;

/// What `level` comes to where there is one copy.
pub(in crate::node) fn hold_alone(level: WriteLevel) -> Held {
    match level {
        WriteLevel::Copies(copies) if copies > 1 => {
            Held::Never { applied: 1, wanted: u32::from(copies) }
        }
        // A majority of one, and all of one.
        _ => Held::Enough,
    }
}

impl Replication for Lone {
    fn take_written(&mut self, _: &mut Local, _: &mut Vec<(Slot, Version)>) {}

    fn reach(&self, _: &View, _: &[(Slot, Version)], level: WriteLevel) -> Result<u32, Short> {
        match hold_alone(level) {
            Held::Never { applied, wanted } => Err(Short { applied, wanted }),
            _ => Ok(1),
        }
    }

    fn copies(&self, _: &[(Slot, Version)]) -> u32 {
        1
    }

    fn hold(&mut self, _: &[(Slot, Version)], level: WriteLevel, _: Duration) -> Held {
        hold_alone(level)
    }

    fn count(&mut self, _: &[(Slot, Version)], copies: u32, _: Duration) -> Held {
        match copies {
            0..=1 => Held::Enough,
            _ => Held::Never { applied: 1, wanted: copies },
        }
    }

    fn written_before(&self, _: Version) -> Vec<(Slot, Version)> {
        Vec::new()
    }

    fn refresh(&mut self, _: Slot) -> Held {
        Held::Enough
    }

    fn covers(&self, _: Slot, _: Version) -> bool {
        true
    }

    fn standing(&self, _: Slot) -> Vec<Version> {
        Vec::new()
    }

    fn give_up(&mut self, _: Waiter) -> u32 {
        1
    }
}
