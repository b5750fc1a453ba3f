//! Through a slot step by step: some keys at a time, and of large collections some elements.
//!
//! A large collection is read as a snapshot, which shares its parts: between two steps nothing is locked and others may write. What a step costs is bounded, so that whoever
//! scans or sends a slot has other work done in between, however large a collection is.
//!
//! As [`Keyspace::visit_slot`], it comes to each key that is there throughout at least once.

use super::merge::{ElementId, Head, KeyState};
use super::stored::{elements_from, field_of, head_of};
use crate::base::limits::DATABASE_COUNT;
use crate::base::version::Version;
use crate::store::{Entry, Keyspace, Snapshot, Store};
use std::collections::VecDeque;
use torc_protocol::slot::Slot;

/// Elements of a large collection that are read in one step.
const ELEMENTS: u64 = 32;

/// See the module's description.
#[derive(Debug)]
pub struct SlotWalk {
    db: u8,
    /// In the database's part of the slot; none at its end.
    from: Option<u64>,
    /// Large collections that were come by and are read next.
    large: VecDeque<Walk>,
}

impl Default for SlotWalk {
    fn default() -> Self {
        SlotWalk { db: 0, from: Some(0), large: VecDeque::new() }
    }
}

/// What stands next in a slot.
pub enum Next<'g> {
    /// Keys with small values, each with its database: some, or none.
    Entries(Vec<(u8, Entry<'g>)>),
    /// Some elements of a large collection: database, key, and a state of nothing else.
    Elements(u8, Box<[u8]>, KeyState),
}

impl SlotWalk {
    /// Goes on a little; none at the end.
    pub fn next<'g>(&mut self, keyspace: &mut Keyspace<'_, 'g>, slot: Slot) -> Option<Next<'g>> {
        if let Some(mut walk) = self.large.pop_front() {
            let state = walk.step(ELEMENTS);
            let (db, key) = (walk.db, walk.key.clone());
            match walk.at {
                None => drop(walk),
                Some(_) => self.large.push_front(walk),
            }
            return Some(Next::Elements(db, key, state));
        }
        if self.from.is_none() {
            (self.db, self.from) = (self.db + 1, Some(0));
        }
        if usize::from(self.db) >= DATABASE_COUNT {
            return None;
        }
        let mut keyspace = keyspace.in_database(self.db);
        let store = keyspace.store().clone();
        let SlotWalk { db, from, large } = self;
        let mut small = Vec::new();
        *from = keyspace.visit_slot(slot, from.unwrap_or_default(), 1, |entry| {
            match Walk::begin(*db, entry, &store) {
                Some(walk) => large.push_back(walk),
                None => small.push((*db, entry)),
            }
        });
        Some(Next::Entries(small))
    }
}

/// A large collection.
#[derive(Debug)]
struct Walk {
    db: u8,
    key: Box<[u8]>,
    collection: Snapshot,
    head: Option<Head>,
    origin: Version,
    /// How far it is; none at the end.
    at: Option<u64>,
}

impl Walk {
    /// None if `entry` has no large collection.
    fn begin(db: u8, entry: Entry<'_>, store: &Store) -> Option<Walk> {
        let collection = entry.snapshot(store)?;
        let origin = store.origin_version();
        let head = head_of(entry, origin);
        Some(Walk { db, key: entry.key().into(), collection, head, origin, at: Some(0) })
    }

    /// The state of about `count` elements more, with the first of them the deadline.
    fn step(&mut self, count: u64) -> KeyState {
        let mut state = KeyState::default();
        if let Some(head) = self.head.take() {
            state.add_head(head);
        }
        if let Some(at) = self.at {
            let (kind, origin) = (self.collection.view().kind(), self.origin);
            self.at =
                elements_from(self.collection.view(), origin, (at, count), |id, stamp, value| {
                    let id = ElementId { kind, id: id.into() };
                    state.add_element(id, field_of(stamp, value, origin));
                });
        }
        state
    }
}
