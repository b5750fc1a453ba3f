//! Changes to collections that come from other nodes: as an edit, but that versions are brought along and nothing is told to the journal.

use super::big::{Big, BigValue};
use super::chain::Chains;
use super::collection::Collection;
use super::database::Roots;
use super::entry::{Entry, Kind, Payload, Stamp};
use super::hash::KeyHash;
use super::index::Hit;
use super::keyspace::{Found, Keyspace};
use crate::base::sync::Backoff;
use crate::base::version::Version;

/// What became of an amendment; see [`Keyspace::amend`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amended {
    /// It is done.
    Done,
    /// The key holds more than a collection of that type: its whole state is to be looked at. Nothing was done.
    Otherwise,
}

impl<'g> Keyspace<'_, 'g> {
    /// Lets `amend` change the collection at `key`, past its deadline or not, in one atomic step, as of `version`. An absent key begins empty. `amend` may run again,
    /// from what is there then.
    pub fn amend(
        &mut self,
        key: &[u8],
        kind: Kind,
        version: Version,
        mut amend: impl FnMut(&mut Collection),
    ) -> Amended {
        let roots = self.roots_or_create();
        let place = self.place(key);
        if let Some(chains) = self.store.chains() {
            Chains::see(chains, place.slot, version);
        }
        let mut backoff = Backoff::default();
        loop {
            let found = self.find(roots, place, key);
            let done = match &found {
                Found::Present { entry, .. }
                    if entry.kind() != kind || entry.elements().is_some() =>
                {
                    return Amended::Otherwise;
                }
                Found::Present { hit, entry, .. } if let Some(big) = entry.big() => {
                    self.amend_large(roots, (hit, *entry), big, version, &mut amend)
                }
                found => self.amend_small(roots, place, key, found, kind, version, &mut amend),
            };
            match done {
                Some(done) => return done,
                None => backoff.wait(),
            }
        }
    }

    /// `None`: somebody else was first.
    #[expect(
        clippy::too_many_arguments,
        reason = "a place, what was there, and what is to be done"
    )]
    fn amend_small(
        &mut self,
        roots: &'g Roots,
        place: KeyHash,
        key: &[u8],
        found: &Found<'g>,
        kind: Kind,
        version: Version,
        amend: &mut impl FnMut(&mut Collection),
    ) -> Option<Amended> {
        let before = found.entry();
        let packed = before.and_then(|entry| entry.packed());
        let Some(mut value) = packed.map_or_else(
            || Collection::empty(kind),
            |packed| Collection::from_packed(kind, packed),
        ) else {
            return Some(Amended::Otherwise);
        };
        amend(&mut value);
        if value.is_empty() {
            return match found {
                Found::Absent(_) | Found::Reserved(_) => Some(Amended::Done),
                // Its deadline is an element of its own, and may outlive the others.
                Found::Present { entry, .. } if has_head(*entry) => Some(Amended::Otherwise),
                Found::Present { hit, .. } => {
                    self.note_removal(place.slot);
                    self.local.take_out(hit).ok()?;
                    self.local.forget(roots, hit.word);
                    Some(Amended::Done)
                }
            };
        }
        let stamp = Stamp {
            value: Some(before.map_or(version, |entry| self.local.version_of(entry).max(version))),
            deadline: before.and_then(|entry| {
                entry
                    .deadline_version()
                    .or_else(|| entry.deadline().map(|_| self.store.origin_version()))
            }),
        };
        let deadline = before.and_then(|entry| entry.deadline());
        let payload = match value.packed() {
            Some(elements) => Payload::Packed { kind, elements },
            None => {
                self.local.account(value.memory_bytes() as i64);
                Payload::Big(Big::collection(value.clone()))
            }
        };
        self.install(roots, place, key, found, payload, deadline, stamp).ok()?;
        Some(Amended::Done)
    }

    fn note_removal(&self, slot: usize) {
        if let Some(chains) = self.store.chains() {
            chains.note_removal(slot);
        }
    }

    /// `None`: the key no longer holds this value.
    fn amend_large(
        &mut self,
        roots: &'g Roots,
        (hit, entry): (&Hit<'g>, Entry<'g>),
        big: &'g Big,
        version: Version,
        amend: &mut impl FnMut(&mut Collection),
    ) -> Option<Amended> {
        let mut held = big.edit_collection()?;
        if !hit.is_current(self.local) {
            return None;
        }
        if let Some(owned) = &mut self.local.owned {
            owned.keep_before(big, || BigValue::Collection(held.clone()));
        }
        let before = held.memory_bytes() as i64;
        amend(&mut held);
        self.local.account(held.memory_bytes() as i64 - before);
        self.local.changed(entry.key());
        big.set_version(big.version().map_or(version, |known| known.max(version)));
        // With a deadline it stays, empty: its origin's next effect says that the key is gone.
        if held.is_empty() && !has_head(entry) && self.local.take_out(hit).is_ok() {
            self.local.forget(roots, hit.word);
        }
        Some(Amended::Done)
    }
}

fn has_head(entry: Entry<'_>) -> bool {
    entry.deadline().is_some() || entry.deadline_version().is_some()
}
