//! The digest of a slot's copy, made by looking at some keys at a time.
//!
//! It says something only if nothing was written meanwhile: whoever scans compares the slot's vector before and after.

use super::digest::{Digests, key_hash};
use super::merge::Part;
use super::stored::key_state;
use super::walk::{Next, SlotWalk};
use crate::base::clock::UnixMs;
use crate::base::version::Version;
use crate::store::{Entry, Guard, Kind, Local, Store};
use torc_protocol::slot::Slot;

/// A scan that is under way.
#[derive(Debug)]
pub struct Scan {
    slot: Slot,
    /// Keys whose deadline lies before it are left out: one side may have dropped them already.
    as_of: UnixMs,
    walk: SlotWalk,
    digests: Digests,
}

impl Scan {
    /// A scan of `slot` that has seen nothing yet.
    pub fn new(slot: Slot, as_of: UnixMs) -> Scan {
        Scan { slot, as_of, walk: SlotWalk::default(), digests: Digests::new() }
    }

    /// As of when it is.
    pub fn as_of(&self) -> UnixMs {
        self.as_of
    }

    /// The slot.
    pub fn slot(&self) -> Slot {
        self.slot
    }

    /// Looks at some `keys` more, where elements of large collections count as keys, and takes them off. Returns the digest once all were seen.
    pub fn step(
        &mut self,
        (store, local, guard): (&Store, &mut Local, &Guard),
        keys: &mut usize,
    ) -> Option<u64> {
        let origin = store.origin_version();
        let mut keyspace = store.keyspace(local, guard, 0, self.as_of);
        while *keys > 0 {
            match self.walk.next(&mut keyspace, self.slot) {
                Some(Next::Entries(entries)) => {
                    // Empty tables are not free either.
                    *keys = keys.saturating_sub(1 + entries.len());
                    entries.iter().for_each(|&(db, entry)| self.add(db, entry, origin));
                }
                Some(Next::Elements(db, key, state)) => {
                    *keys = keys.saturating_sub(1 + state.elements().len());
                    self.digests.add_state(key_hash(db, &key), &state, self.as_of);
                }
                None => return Some(self.digests.total()),
            }
        }
        None
    }

    fn add(&mut self, db: u8, entry: Entry<'_>, origin: Version) {
        let hash = key_hash(db, entry.key());
        if entry.kind() == Kind::String && entry.elements().is_none() {
            let version = entry.version().unwrap_or(origin);
            let dot = version.max(entry.deadline_version().unwrap_or_default());
            let write = (dot, version, entry.deadline());
            self.digests.add((hash, Part::String), write, self.as_of);
        } else {
            self.digests.add_state(hash, &key_state(entry, origin), self.as_of);
        }
    }
}

/// The digest of a whole slot at once.
pub fn digest(all: (&Store, &mut Local, &Guard), slot: Slot, as_of: UnixMs) -> u64 {
    let total = Scan::new(slot, as_of).step(all, &mut usize::MAX.clone());
    total.expect("nothing bounds it")
}
