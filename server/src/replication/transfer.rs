//! Bringing a copy of a slot up to what another node knows: what the one reads out, and what the other makes of it.
//!
//! The asker says what it covers. The answer names every key of the slot: whole where an element's dot is not covered, by hash and dots alone where all are. Whatever the
//! asker holds, the answer's vector covers and the answer does not name was removed there, so it goes.
//!
//! ```text
//! entry: | 1 | db 1 | key | state |      a key that the asker does not know all of
//!        | 0 | hash 8 | dots, varint | dot 8 … |      one that it may have overwritten or removed, and knows
//! ```
//!
//! The vector is taken before the keys are read, one grace period before, so that every write that it covers is seen. Keys are joined as they come:
//! an element that came too early, because the transfer broke off, does no harm, as nobody's vector covers it on its account. Removals and the vector come at the end,
//! together.
//!
//! Source: Gonçalves et al., "DottedDB", SRDS 2017.

use super::apply::Applier;
use super::chain::Standing;
use super::digest::key_hash;
use super::merge::{KeyState, Merge, encode_plain};
use super::slots::Slots;
use super::stored::{Stored, dots, is_covered, key_state, merged, ttl};
use super::vector::Vector;
use crate::base::limits::DATABASE_COUNT;
use crate::base::version::Version;
use crate::store::{self, Entry, Keyspace, Store};
use std::collections::HashMap;
use torc_protocol::peer::wire::{Malformed, Reader, put_bytes, put_u64, put_varint};
use torc_protocol::slot::Slot;

/// A part of an answer is sent when it has so many bytes; one key may exceed it. On the link a frame is never interrupted, so this is what gossip and batons wait
/// for; and while a part is joined, effects of its slot wait.
pub const PART_BYTES: usize = 16 * 1024;

/// Where a reader stands in a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    db: u8,
    from: u64,
}

/// Appends entries from `position` on for an asker that covers `known`, until a part is full or the slot ends. Returns where to go on.
pub fn read_part(
    keyspace: &mut Keyspace<'_, '_>,
    slot: Slot,
    position: Position,
    known: &Vector,
    out: &mut Vec<u8>,
) -> Option<Position> {
    let Position { mut db, mut from } = position;
    let begin = out.len();
    while usize::from(db) < DATABASE_COUNT {
        let mut keyspace = keyspace.in_database(db);
        let origin = keyspace.origin_version();
        loop {
            let next = keyspace
                .visit_slot(slot, from, 1, |entry| put_entry(db, entry, origin, known, out));
            match next {
                None => break,
                Some(next) if out.len() - begin < PART_BYTES => from = next,
                Some(next) => return Some(Position { db, from: next }),
            }
        }
        (db, from) = (db + 1, 0);
    }
    None
}

fn put_entry(db: u8, entry: Entry<'_>, origin: Version, known: &Vector, out: &mut Vec<u8>) {
    if is_covered(entry, origin, known) {
        let mut all = Vec::new();
        dots(entry, origin, &mut |dot| all.push(dot));
        out.push(0);
        put_u64(out, key_hash(db, entry.key()));
        put_varint(out, all.len() as u64);
        all.iter().for_each(|dot| put_u64(out, dot.get()));
        return;
    }
    out.extend_from_slice(&[1, db]);
    put_bytes(out, entry.key());
    match entry.elements() {
        Some(elements) => out.extend_from_slice(elements),
        None => entry.with_state(origin, |state| {
            if let store::Value::Plain(value) = state.value {
                encode_plain(state.version, ttl(&state), value, out);
            }
        }),
    }
}

/// A transfer as the asker sees it.
#[derive(Debug)]
pub struct Incoming {
    slot: Slot,
    theirs: Vector,
    /// The dots of every key that was named.
    named: HashMap<u64, Vec<Version>>,
}

impl Incoming {
    /// A transfer of `slot` that will cover `theirs`.
    pub fn new(slot: Slot, theirs: Vector) -> Self {
        Incoming { slot, theirs, named: HashMap::new() }
    }

    /// The slot.
    pub fn slot(&self) -> Slot {
        self.slot
    }

    /// Joins a part of the answer into the store.
    ///
    /// # Errors
    /// Where the bytes are no entries; what stands before them was joined, which does no harm.
    pub fn part(&mut self, bytes: &[u8], applier: &mut Applier<'_>) -> Result<(), Malformed> {
        let slots = applier.slots;
        // Effects of the slot wait, so that what the vector says and what the store holds belong together.
        let chain = slots.lock(self.slot);
        let own = slots.with_own(applier.store, self.slot, chain.vector().clone());
        let mut reader = Reader::new(bytes);
        while !reader.is_empty() {
            if reader.u8()? == 0 {
                let hash = reader.u64()?;
                let count = reader.varint()?;
                let named = self.named.entry(hash).or_default();
                for _ in 0..count {
                    named.push(Version::from_bits(reader.u64()?));
                }
                continue;
            }
            let db = reader.u8()?;
            if usize::from(db) >= DATABASE_COUNT {
                return Err(Malformed::Value("database"));
            }
            let key = reader.bytes(usize::MAX, "key")?;
            let state = KeyState::decode(&mut reader)?;
            let named = self.named.entry(key_hash(db, key)).or_default();
            state.dots(&mut |dot| named.push(dot));
            self.join(db, key, &state, &own, applier);
        }
        Ok(())
    }

    fn join(&self, db: u8, key: &[u8], state: &KeyState, own: &Vector, applier: &mut Applier<'_>) {
        let origin = applier.store.origin_version();
        let mut keyspace = applier.store.keyspace(applier.local, applier.guard, db, applier.now);
        loop {
            let seen = keyspace.see(key);
            let mut joined = seen.entry().map(|it| key_state(it, origin)).unwrap_or_default();
            joined.join(own, state.clone(), &self.theirs);
            let stored = Stored::of(&joined, applier.store.shapes());
            if keyspace.settle(key, &seen, merged(&stored)).is_ok() {
                return;
            }
        }
    }

    /// The answer is complete: what it did not name goes, and its vector is covered from now on.
    pub fn end(self, applier: &mut Applier<'_>) {
        let slots = applier.slots;
        let mut chain = slots.lock(self.slot);
        for db in 0..DATABASE_COUNT as u8 {
            self.remove_unnamed(db, applier);
        }
        let Standing { contexts, .. } = Standing::default();
        // This node's own chain is the store's to continue.
        let vector = self.theirs.without(slots.tag());
        chain.installed(&Standing { vector, contexts });
        chain.clean();
        applier.drain(&mut chain, self.slot);
    }

    fn remove_unnamed(&self, db: u8, applier: &mut Applier<'_>) {
        let origin = applier.store.origin_version();
        let mut keyspace = applier.store.keyspace(applier.local, applier.guard, db, applier.now);
        let mut suspects = Vec::new();
        let mut from = Some(0);
        while let Some(position) = from {
            from = keyspace.visit_slot(self.slot, position, 64, |entry| {
                if self.misses_any(db, entry, origin) {
                    suspects.push(entry);
                }
            });
        }
        for suspect in suspects {
            let key = suspect.key();
            loop {
                let seen = keyspace.see(key);
                let Some(entry) = seen.entry() else { break };
                let mut state = key_state(entry, origin);
                let named = self.named.get(&key_hash(db, key));
                state.forget(&|dot| {
                    self.theirs.covers(dot) && !named.is_some_and(|named| named.contains(&dot))
                });
                let stored = Stored::of(&state, applier.store.shapes());
                if keyspace.settle(key, &seen, merged(&stored)).is_ok() {
                    break;
                }
            }
        }
    }

    /// Whether the entry has an element that the other node knew and did not name.
    fn misses_any(&self, db: u8, entry: Entry<'_>, origin: Version) -> bool {
        let named = self.named.get(&key_hash(db, entry.key()));
        let mut misses = false;
        dots(entry, origin, &mut |dot| {
            let is_named = named.is_some_and(|named| named.contains(&dot));
            misses |= self.theirs.covers(dot) && !is_named;
        });
        misses
    }
}

/// Whether this node and a peer that covers `theirs` know the same of a slot.
pub fn knows_all(slots: &Slots, store: &Store, slot: Slot, theirs: &Vector) -> bool {
    slots.vector(store, slot).covers_all(theirs)
}
