//! The digest of a slot's copy, made by looking at some keys at a time.
//!
//! It says something only if nothing was written meanwhile: whoever scans compares the slot's vector before and after.

use super::digest::Digests;
use super::stored::decode;
use crate::base::clock::UnixMs;
use crate::base::limits::DATABASE_COUNT;
use crate::store::{Guard, Local, Store};
use torc_protocol::slot::Slot;

/// A scan that is under way.
#[derive(Debug)]
pub struct Scan {
    slot: Slot,
    /// Keys whose deadline lies before it are left out: one side may have dropped them already.
    as_of: UnixMs,
    db: u8,
    from: u64,
    digests: Digests,
}

impl Scan {
    /// A scan of `slot` that has seen nothing yet.
    pub fn new(slot: Slot, as_of: UnixMs) -> Scan {
        Scan { slot, as_of, db: 0, from: 0, digests: Digests::new() }
    }

    /// As of when it is.
    pub fn as_of(&self) -> UnixMs {
        self.as_of
    }

    /// The slot.
    pub fn slot(&self) -> Slot {
        self.slot
    }

    /// Looks at some `keys` more, and takes them off. Returns the digest once all were seen.
    pub fn step(
        &mut self,
        (store, local, guard): (&Store, &mut Local, &Guard),
        keys: &mut usize,
    ) -> Option<u64> {
        let Scan { slot, as_of, db, from, digests } = self;
        while usize::from(*db) < DATABASE_COUNT {
            let origin = store.origin_version();
            let mut keyspace = store.keyspace(local, guard, *db, *as_of);
            let mut next = Some(*from);
            while let Some(position) = next {
                if *keys == 0 {
                    *from = position;
                    return None;
                }
                // Empty tables are not free either.
                *keys = keys.saturating_sub(1);
                next = keyspace.visit_slot(*slot, position, 64, |entry| {
                    *keys = keys.saturating_sub(1);
                    let name = (*db, entry.key());
                    match entry.elements() {
                        Some(elements) => digests.add_state(name, &decode(elements), *as_of),
                        None => {
                            let version = entry.version().unwrap_or(origin);
                            let dot = version.max(entry.deadline_version().unwrap_or_default());
                            digests.add(name, [(dot, version, entry.deadline())], *as_of);
                        }
                    }
                });
            }
            (*db, *from) = (*db + 1, 0);
        }
        Some(digests.total())
    }
}

/// The digest of a whole slot at once.
pub fn digest(all: (&Store, &mut Local, &Guard), slot: Slot, as_of: UnixMs) -> u64 {
    let total = Scan::new(slot, as_of).step(all, &mut usize::MAX.clone());
    total.expect("nothing bounds it")
}
