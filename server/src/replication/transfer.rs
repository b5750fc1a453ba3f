//! Bringing a copy of a slot up to what another node knows: what the one reads out, and what the other makes of it.
//!
//! The asker says what it covers. The answer names every write that is in the slot: keys are sent whole where the asker does not cover all of them, large collections some elements at a time,
//! and where it does the hashes of its writes alone are ([`write_hash`]). Whatever the asker holds, the answer's vector covers and the answer does not name was
//! removed there, so it goes.
//!
//! ```text
//! entry: | 0 | count, varint | hash 8 × count |     writes that the asker may have overwritten or removed, and knows
//!        | 1 | db 1 | key | state |                 a key that it does not know all of
//!        | 2 | db 1 | key | state |                 some elements of a large collection that it does not know all of
//! ```
//!
//! The vector is taken before the keys are read, one grace period before, so that every write that it covers is seen. Keys are joined as they come:
//! an element that came too early, because the transfer broke off, does no harm, as nobody's vector covers it on its account. Removals and the vector come at the end.
//! With large collections that takes several steps; should effects arrive between them that the answer knew of, it begins again.
//!
//! Neither side does more than a bounded piece of work at once, but for keys that hold several types or deadlines since a partition.
//!
//! Source: Gonçalves et al., "DottedDB", SRDS 2017.

use super::apply::Applier;
use super::chain::Standing;
use super::digest::{key_hash, write_hash};
use super::merge::{ElementId, Field, KeyState, Merge, Part, encode_plain};
use super::names::Names;
use super::slots::Slots;
use super::stored::{Stored, dots, element_field, is_covered, key_state, merged, put_field, ttl};
use super::vector::Vector;
use super::walk::{Next, SlotWalk};
use crate::base::limits::DATABASE_COUNT;
use crate::base::version::Version;
use crate::store::{self, Amended, Collection, Entry, Keyspace, Kind, Store};
use torc_protocol::peer::wire::{Malformed, Reader, put_bytes, put_u64, put_varint};
use torc_protocol::slot::Slot;

/// A part of an answer is sent when it has so many bytes; one key may exceed it. On the link a frame is never interrupted, so this is what gossip and batons wait
/// for; and while a part is joined, effects of its slot wait.
pub const PART_BYTES: usize = 16 * 1024;

/// Keys and elements that are looked at in one step of an ending.
pub const ENDING_STEP: usize = 4_096;

/// Endings that effects interrupted, after which the rest is done in one step.
const RESTARTS_MAX: u32 = 8;

/// Appends entries from `position` on for an asker that covers `known`, until a part is full or the slot ends. Returns where to go on.
pub fn read_part(
    keyspace: &mut Keyspace<'_, '_>,
    slot: Slot,
    mut position: SlotWalk,
    known: &Vector,
    out: &mut Vec<u8>,
) -> Option<SlotWalk> {
    let begin = out.len();
    let origin = keyspace.origin_version();
    let mut names = Vec::new();
    let mut is_over = false;
    while !is_over && out.len() - begin + names.len() * 8 < PART_BYTES {
        match position.next(keyspace, slot) {
            Some(Next::Entries(entries)) => entries
                .into_iter()
                .for_each(|(db, entry)| put_entry(db, entry, origin, known, &mut names, out)),
            Some(Next::Elements(db, key, state)) => {
                put_elements((db, &key), &state, known, &mut names, out);
            }
            None => is_over = true,
        }
    }
    if !names.is_empty() {
        out.push(0);
        put_varint(out, names.len() as u64);
        names.iter().for_each(|&name| put_u64(out, name));
    }
    (!is_over).then_some(position)
}

fn put_entry(
    db: u8,
    entry: Entry<'_>,
    origin: Version,
    known: &Vector,
    names: &mut Vec<u64>,
    out: &mut Vec<u8>,
) {
    if is_covered(entry, origin, known) {
        let hash = key_hash(db, entry.key());
        return dots(entry, origin, &mut |part, dot| names.push(write_hash(hash, part, dot)));
    }
    out.extend_from_slice(&[1, db]);
    put_bytes(out, entry.key());
    match entry.elements() {
        Some(elements) => out.extend_from_slice(elements),
        None if entry.kind() == Kind::String => entry.with_state(origin, |state| {
            if let store::Value::Plain(value) = state.value {
                encode_plain(state.version, ttl(&state), value, out);
            }
        }),
        None => key_state(entry, origin).encode(out),
    }
}

fn put_elements(
    (db, key): (u8, &[u8]),
    state: &KeyState,
    known: &Vector,
    names: &mut Vec<u64>,
    out: &mut Vec<u8>,
) {
    let mut is_known = true;
    state.dots(&mut |dot| is_known &= known.covers(dot));
    if is_known {
        let hash = key_hash(db, key);
        return state.each_dot(&mut |part, dot| names.push(write_hash(hash, part, dot)));
    }
    out.extend_from_slice(&[2, db]);
    put_bytes(out, key);
    state.encode(out);
}

/// A transfer as the asker sees it.
#[derive(Debug)]
pub struct Incoming {
    slot: Slot,
    theirs: Vector,
    /// The writes that were named.
    named: Names,
    ending: Ending,
}

/// How far the end of a transfer has come.
#[derive(Debug)]
enum Ending {
    NotYet,
    Removing(Removal),
    /// Effects that waited for what was transferred are applied.
    Draining,
}

/// How far the removal of what was not named has come.
#[derive(Debug)]
struct Removal {
    position: SlotWalk,
    /// What was covered here when it began.
    own: Vector,
    restarts: u32,
}

impl Incoming {
    /// A transfer of `slot` that will cover `theirs`.
    pub fn new(slot: Slot, theirs: Vector) -> Self {
        Incoming { slot, theirs, named: Names::default(), ending: Ending::NotYet }
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
            let form = reader.u8()?;
            if form == 0 {
                for _ in 0..reader.varint()? {
                    self.named.insert(reader.u64()?);
                }
                continue;
            }
            let db = reader.u8()?;
            if usize::from(db) >= DATABASE_COUNT {
                return Err(Malformed::Value("database"));
            }
            let key = reader.bytes(usize::MAX, "key")?;
            let state = KeyState::decode(&mut reader)?;
            let hash = key_hash(db, key);
            state.each_dot(&mut |part, dot| self.named.insert(write_hash(hash, part, dot)));
            match form {
                1 => self.settle(db, key, applier, |joined| {
                    joined.join(&own, state.clone(), &self.theirs);
                }),
                2 => self.join_elements(db, key, &state, &own, applier),
                _ => return Err(Malformed::Value("form of an entry")),
            }
        }
        Ok(())
    }

    /// Changes the whole state of a key.
    fn settle(
        &self,
        db: u8,
        key: &[u8],
        applier: &mut Applier<'_>,
        change: impl Fn(&mut KeyState),
    ) {
        let origin = applier.store.origin_version();
        let mut keyspace = applier.store.keyspace(applier.local, applier.guard, db, applier.now);
        loop {
            let seen = keyspace.see(key);
            let mut state = seen.entry().map(|it| key_state(it, origin)).unwrap_or_default();
            change(&mut state);
            let stored = Stored::of(&state, applier.store.shapes());
            if keyspace.settle(key, &seen, merged(&stored)).is_ok() {
                return;
            }
        }
    }

    /// Joins some elements of a collection, mostly without looking at the others.
    fn join_elements(
        &self,
        db: u8,
        key: &[u8],
        state: &KeyState,
        own: &Vector,
        applier: &mut Applier<'_>,
    ) {
        let is_done = state.heads().is_empty()
            && amend(db, key, state, applier, |id, field| {
                field.join(own, state.elements()[id].clone(), &self.theirs);
            });
        if !is_done {
            self.settle(db, key, applier, |joined| {
                joined.join_some(own, state.clone(), &self.theirs);
            });
        }
    }

    /// The answer is complete: what it did not name goes, its vector is covered from then on, and what waited for it is applied. Looks at about `left` keys, elements and
    /// effects; whether that was all. To be called again otherwise.
    pub fn end(&mut self, mut left: usize, applier: &mut Applier<'_>) -> bool {
        while left > 0 {
            let begin = |restarts| Removal {
                position: SlotWalk::default(),
                own: applier.slots.vector(applier.store, self.slot),
                restarts,
            };
            let mut removal = match std::mem::replace(&mut self.ending, Ending::Draining) {
                Ending::NotYet => begin(0),
                Ending::Removing(removal) => removal,
                Ending::Draining => {
                    let mut chain = applier.slots.lock(self.slot);
                    return applier.drain_some(&mut chain, self.slot, left);
                }
            };
            if !self.remove_unnamed(&mut removal.position, &mut left, applier) {
                self.ending = Ending::Removing(removal);
                return false;
            }
            let slots = applier.slots;
            let mut chain = slots.lock(self.slot);
            if removal.restarts < RESTARTS_MAX && self.is_late(&removal.own, chain.vector()) {
                let own = chain.vector().clone();
                let restarts = removal.restarts + 1;
                self.ending =
                    Ending::Removing(Removal { position: SlotWalk::default(), own, restarts });
                continue;
            }
            if removal.restarts == RESTARTS_MAX {
                self.remove_unnamed(&mut SlotWalk::default(), &mut usize::MAX.clone(), applier);
            }
            // This node's own chain is the store's to continue.
            let vector = self.theirs.without(slots.tag());
            chain.installed(&Standing { vector, ..Standing::default() });
            chain.clean();
        }
        false
    }

    /// Whether an effect that the answer knew of arrived since `before`: what it wrote may have been removed there, and was looked at before it came.
    fn is_late(&self, before: &Vector, now: &Vector) -> bool {
        now.entries().iter().any(|entry| {
            let known = before.get(entry.tag());
            *entry > known && known < self.theirs.get(entry.tag()).max(self.theirs.floor())
        })
    }

    /// Removes what was not named, from `position` on; whether it came to the end.
    fn remove_unnamed(
        &self,
        position: &mut SlotWalk,
        left: &mut usize,
        applier: &mut Applier<'_>,
    ) -> bool {
        let origin = applier.store.origin_version();
        while *left > 0 {
            let (guard, now) = (applier.guard, applier.now);
            let mut keyspace = applier.store.keyspace(applier.local, guard, 0, now);
            match position.next(&mut keyspace, self.slot) {
                Some(Next::Entries(entries)) => {
                    *left = left.saturating_sub(1 + entries.len());
                    for (db, entry) in entries {
                        let hash = key_hash(db, entry.key());
                        let mut misses = false;
                        dots(entry, origin, &mut |part, dot| {
                            misses |= self.is_removed(hash, part, dot);
                        });
                        if misses {
                            self.settle(db, entry.key(), applier, |state| {
                                state.forget_each(&|part, dot| self.is_removed(hash, part, dot));
                            });
                        }
                    }
                }
                Some(Next::Elements(db, key, state)) => {
                    *left = left.saturating_sub(state.elements().len());
                    self.remove_elements(db, &key, state, applier);
                }
                None => return true,
            }
        }
        false
    }

    /// Whether a write is covered by the answer and not in it.
    fn is_removed(&self, hash: u64, part: Part<'_>, dot: Version) -> bool {
        self.theirs.covers(dot) && !self.named.contains(write_hash(hash, part, dot))
    }

    fn remove_elements(&self, db: u8, key: &[u8], mut state: KeyState, applier: &mut Applier<'_>) {
        let hash = key_hash(db, key);
        let is_removed = |part: Part<'_>, dot| self.is_removed(hash, part, dot);
        // What is left are the parts of which something goes.
        state.keep_parts(&is_removed);
        if state.is_empty() {
            return;
        }
        let is_done = state.heads().is_empty()
            && amend(db, key, &state, applier, |id, field| {
                field.forget(&|dot| is_removed(Part::Element(id.kind, &id.id), dot));
            });
        if !is_done {
            self.settle(db, key, applier, |state| state.forget_each(&is_removed));
        }
    }
}

/// Changes those elements of a collection that `state` has, without looking at the others; whether that could be done.
fn amend(
    db: u8,
    key: &[u8],
    state: &KeyState,
    applier: &mut Applier<'_>,
    change: impl Fn(&ElementId, &mut Field),
) -> bool {
    let mut kinds = state.elements().keys().map(|id| id.kind);
    let Some(kind) = kinds.next().filter(|&kind| kinds.all(|other| other == kind)) else {
        return false;
    };
    let mut version = Version::ZERO;
    state.dots(&mut |dot| version = version.max(dot));
    let (origin, limits) = (applier.store.origin_version(), applier.store.shapes().limits(kind));
    let mut keyspace = applier.store.keyspace(applier.local, applier.guard, db, applier.now);
    let change = |collection: &mut Collection| {
        for id in state.elements().keys() {
            let before = element_field(collection, &id.id, origin).unwrap_or_default();
            let mut field = before.clone();
            change(id, &mut field);
            if field != before {
                put_field(collection, &id.id, &field, &limits, origin);
            }
        }
    };
    keyspace.amend(key, kind, version, change) == Amended::Done
}

/// Whether this node and a peer that covers `theirs` know the same of a slot.
pub fn knows_all(slots: &Slots, store: &Store, slot: Slot, theirs: &Vector) -> bool {
    slots.vector(store, slot).covers_all(theirs)
}
