//! What a thread writes, told to its journal.

use super::big::Big;
use super::chain::{Chains, Journal, Link, Op, Replaced};
use super::database::Roots;
use super::entry::{Entry, Kind, Stamp};
use super::index::{Changed, Hit, word};
use super::local::Local;
use crate::base::clock::UnixMs;
use crate::base::version::Version;
use torc_protocol::slot::slot_of;

/// A replica waits this long for its primary to drop what has expired: twice the difference of clocks that is tolerated without a warning, and
/// the way of the effect.
pub const REPLICA_PATIENCE_MS: UnixMs = 2_000;

impl Local {
    /// Begins (or ends) taking down what this thread writes.
    ///
    /// # Panics
    /// If the store has no chains yet; see [`super::Store::replicate`].
    pub fn set_journal(&mut self, journal: Option<Box<dyn Journal>>) {
        assert!(self.inner.chains.get().is_some(), "a journal needs chains");
        self.journal = journal;
    }

    /// The journal, if there is one.
    pub fn journal(&mut self) -> Option<&mut dyn Journal> {
        match &mut self.journal {
            Some(journal) => Some(&mut **journal),
            None => None,
        }
    }

    /// Whether what this thread writes is taken down.
    #[inline]
    pub fn is_replicating(&self) -> bool {
        self.journal.is_some()
    }

    pub(super) fn chains(&self) -> &Chains {
        self.inner.chains.get().expect("a journal is set only where there are chains")
    }

    /// The next place in `slot`'s chain. What commands do together as one step has one place in it.
    #[inline]
    pub(super) fn take_link(&mut self, slot: usize, now: UnixMs) -> Link {
        if self.owned.is_some() {
            self.shared_link(slot, now)
        } else {
            self.chains().take(slot, now)
        }
    }

    #[cold]
    fn shared_link(&mut self, slot: usize, now: UnixMs) -> Link {
        let known = self.owned.as_ref().and_then(|owned| owned.link(slot));
        known.unwrap_or_else(|| {
            let link = self.chains().take(slot, now);
            if let Some(owned) = &mut self.owned {
                owned.add_link(slot, link);
            }
            link
        })
    }

    /// The version of an entry: its own, or that of everything written before replication began.
    pub(super) fn version_of(&self, entry: Entry<'_>) -> Version {
        entry.version().unwrap_or_else(|| self.inner.origin())
    }

    /// The stamp of a write that keeps the deadline of `kept`, if given.
    pub(super) fn stamp(&self, link: Link, kept: Option<Entry<'_>>) -> Stamp {
        let deadline = kept.and_then(|entry| match entry.deadline_version() {
            Some(version) => Some(version),
            None => entry.deadline().map(|_| self.version_of(entry)),
        });
        Stamp { value: Some(link.version), deadline }
    }

    /// Takes a write down, or that its version is not used.
    pub(super) fn record(
        &mut self,
        slot: usize,
        link: Link,
        replaced: Option<Entry<'_>>,
        op: Op<'_>,
        written: Result<(), Changed>,
    ) -> Result<(), Changed> {
        match written {
            Ok(()) => match replaced {
                Some(entry) => {
                    let replaced = self.replaced(entry);
                    self.record_all(slot, link, &replaced, &[op]);
                }
                None => self.record_all(slot, link, &[], &[op]),
            },
            // The step keeps its version for the next attempt.
            Err(Changed) if self.owned.is_some() => {}
            Err(Changed) => {
                self.chains().note_abandoned();
                self.record_all(slot, link, &[], &[Op::Noop]);
            }
        }
        written
    }

    /// The later of the versions of a plain entry's value and deadline: its name in version vectors.
    pub(super) fn dot_of(&self, entry: Entry<'_>) -> Version {
        self.version_of(entry).max(entry.deadline_version().unwrap_or_default())
    }

    /// What a write takes the place of: the value, and the deadline of a collection. To be asked before a large value may be edited again.
    pub(super) fn replaced<'g>(&self, entry: Entry<'g>) -> [Replaced<'g>; 2] {
        let deadline = Replaced::Plain(entry.deadline_version().unwrap_or_default());
        if let Some(elements) = entry.elements() {
            return [Replaced::Mixed(elements), deadline];
        }
        match entry.any_collection() {
            Some(collection) => [Replaced::Collection(collection), deadline],
            None => [Replaced::Plain(self.dot_of(entry)), deadline],
        }
    }

    pub(super) fn record_all(
        &mut self,
        slot: usize,
        link: Link,
        replaced: &[Replaced<'_>],
        ops: &[Op<'_>],
    ) {
        if let Some(journal) = &mut self.journal {
            journal.record(slot as u16, link, replaced, ops);
        }
    }

    /// Removes the entry of `hit` if nothing changed there since, counts it out, and takes that down.
    pub(super) fn remove_entry(
        &mut self,
        roots: &Roots,
        hit: &Hit<'_>,
        db: u8,
        now: UnixMs,
    ) -> Result<(), Changed> {
        if !self.is_replicating() {
            self.take_out(hit)?;
            self.forget(roots, hit.word);
            return Ok(());
        }
        // SAFETY: the caller's guard protects what a published word named.
        let entry = unsafe { Entry::at(word::pointer(hit.word)) };
        // Nobody edits it in place between the version that is told and the removal.
        let _held = entry.big().map(Big::hold);
        let slot = slot_of(entry.key()).index();
        let link = self.take_link(slot, now);
        self.chains().note_removal(slot);
        let done = self.take_out(hit);
        let op = Op::Delete { db, key: entry.key() };
        if done.is_ok() {
            self.forget(roots, hit.word);
        }
        self.record(slot, link, Some(entry), op, done)
    }

    /// As `remove_entry`, for a key that nobody asked to remove: it has expired, or makes room. Only the acting primary does that, and the others
    /// by its effect.
    pub(super) fn drop_entry(
        &mut self,
        roots: &Roots,
        hit: &Hit<'_>,
        db: u8,
        now: UnixMs,
    ) -> Result<(), Changed> {
        // SAFETY: as in `remove_entry`.
        let entry = unsafe { Entry::at(word::pointer(hit.word)) };
        if self.is_replicating() && !self.may_drop(slot_of(entry.key()).index()) {
            return Err(Changed);
        }
        self.break_watch(hit, db)?;
        self.remove_entry(roots, hit, db, now)?;
        self.changed_by_nobody();
        Ok(())
    }

    /// Whether this node evicts and drops keys of `slot` on its own account.
    pub(super) fn may_drop(&self, slot: usize) -> bool {
        self.journal.is_none() || self.chains().serves(slot)
    }

    /// How long after a deadline of `slot` the sweep removes the key.
    pub(super) fn patience(&self, slot: usize) -> UnixMs {
        if self.may_drop(slot) { 0 } else { REPLICA_PATIENCE_MS }
    }

    /// Removes a key whose deadline passed `patience` ago. A replica does so silently: its primary should have said it long since.
    pub(super) fn sweep_entry(
        &mut self,
        roots: &Roots,
        hit: &Hit<'_>,
        db: u8,
        now: UnixMs,
        patience: UnixMs,
    ) -> Result<(), Changed> {
        if patience == 0 {
            return self.drop_entry(roots, hit, db, now);
        }
        // SAFETY: as in `remove_entry`.
        let entry = unsafe { Entry::at(word::pointer(hit.word)) };
        if entry.kind() != Kind::String {
            // Whether its deadline was put off only its primary knows: elements do not bear it.
            return Err(Changed);
        }
        self.break_watch(hit, db)?;
        if let Some(chains) = self.inner.chains.get() {
            chains.note_removal(slot_of(entry.key()).index());
        }
        hit.remove(self)?;
        self.forget(roots, hit.word);
        self.changed_by_nobody();
        Ok(())
    }
}
