//! Strings edited bytewise: a small one by a copy that takes the place of its entry, a large one in place under its lock.

use super::super::big::{Big, BigValue};
use super::super::chain::Op;
use super::super::database::Roots;
use super::super::entry::{Entry, Expiry, Payload, Stamp, WrongType};
use super::super::hash::KeyHash;
use super::super::index::Hit;
use super::{Found, Keyspace};
use crate::base::sync::Backoff;
use std::ops::Range;

/// A string edited to more than this becomes a large value, edited in place from then on.
const INLINE_EDIT_BYTES_MAX: usize = 4096;

impl<'g> Keyspace<'_, 'g> {
    /// Edits the bytes of a string in place (large values) or by copy (small ones). An absent key begins empty and is created
    /// if the edit makes it non-empty; a deadline stays. `edit` may run again, from the then current bytes. On `Err` the key
    /// stays as it was: an edit that may fail must fail before it writes.
    pub fn edit_string<R, E: From<WrongType>>(
        &mut self,
        key: &[u8],
        mut edit: impl FnMut(&mut StringEdit<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        let roots = self.roots_or_create();
        let place = self.place(key);
        let mut backoff = Backoff::default();
        loop {
            let found = self.find(roots, place, key);
            if let Found::Present { hit, entry, live: true } = &found
                && let Some(big) = entry.big()
            {
                match self.edit_big(place, key, hit, *entry, big, &mut edit)? {
                    Some(result) => return Ok(result),
                    None => {
                        backoff.wait();
                        continue;
                    }
                }
            }
            if let Some(result) = self.edit_copy(roots, place, key, &found, &mut edit)? {
                return Ok(result);
            }
            backoff.wait();
        }
    }

    /// `None`: the key no longer holds this value.
    fn edit_big<R, E: From<WrongType>>(
        &mut self,
        place: KeyHash,
        key: &[u8],
        hit: &Hit<'g>,
        entry: Entry<'g>,
        big: &Big,
        edit: &mut impl FnMut(&mut StringEdit<'_>) -> Result<R, E>,
    ) -> Result<Option<R>, E> {
        let Some(mut bytes) = big.edit_text() else { return Err(WrongType.into()) };
        // Whoever deletes, replaces or holds the key changes its word first; an edit after that would be lost.
        if !hit.is_current(self.local) || self.separate_deadline(place, key, hit, entry) {
            return Ok(None);
        }
        if let Some(owned) = &mut self.local.owned {
            owned.keep_before(big, || BigValue::Text(bytes.clone()));
        }
        let before = bytes.capacity();
        let mut edited = StringEdit {
            bytes: &mut bytes,
            existed: true,
            raw: true,
            changed: None,
            unchanged: false,
        };
        let result = edit(&mut edited)?;
        let changed = edited.changed.take().filter(|_| !edited.unchanged);
        self.local.account(bytes.capacity() as i64 - before as i64);
        if changed.is_some() {
            self.local.changed(key);
        }
        if let Some(changed) = changed
            && self.local.is_replicating()
        {
            let base = self.local.dot_of(entry);
            let replaced = self.local.replaced(entry);
            let link = self.local.take_link(place.slot, self.now);
            big.set_version(link.version);
            let (len, offset) = (bytes.len() as u64, changed.start as u64);
            let bytes = &bytes[changed.start..changed.end.min(bytes.len())];
            let op = Op::Splice { db: self.db, key, base, len, offset, bytes };
            self.local.record_all(place.slot, link, &replaced, &[op]);
        }
        Ok(Some(result))
    }

    /// Lets a value's deadline say itself when it was set, if it came with the value: an edit in place moves the version of the value alone.
    /// Whether it had to, and the key is to be looked up again.
    pub(in crate::store) fn separate_deadline(
        &mut self,
        place: KeyHash,
        key: &[u8],
        hit: &Hit<'g>,
        entry: Entry<'g>,
    ) -> bool {
        let came_with_value = entry.deadline().is_some() && entry.deadline_version().is_none();
        if !came_with_value || !self.local.is_replicating() {
            return false;
        }
        let version = Some(self.local.version_of(entry));
        let stamp = Stamp { value: version, deadline: version };
        let roots = self.roots_or_create();
        let found = Found::Present { hit: *hit, entry, live: true };
        // If another was faster, the caller sees what he did.
        let _ = self.install(roots, place, key, &found, entry.payload(), entry.deadline(), stamp);
        true
    }

    fn edit_copy<R, E: From<WrongType>>(
        &mut self,
        roots: &'g Roots,
        place: KeyHash,
        key: &[u8],
        found: &Found<'g>,
        edit: &mut impl FnMut(&mut StringEdit<'_>) -> Result<R, E>,
    ) -> Result<Option<R>, E> {
        let mut bytes = std::mem::take(&mut self.local.scratch);
        bytes.clear();
        let live = found.live();
        if let Some(entry) = live {
            bytes.extend_from_slice(entry.string()?.bytes(&mut itoa::Buffer::new()));
        }
        let existed = live.is_some();
        let raw = live.is_some_and(|entry| entry.encoding() == "raw");
        let mut edited =
            StringEdit { bytes: &mut bytes, existed, raw, changed: None, unchanged: false };
        let result = edit(&mut edited)?;
        let unchanged = edited.unchanged;
        if unchanged || bytes.is_empty() && !existed {
            if let Some(entry) = live {
                self.mark_used(entry);
            }
            self.local.scratch = bytes;
            return Ok(Some(result));
        }
        let written = if bytes.len() > INLINE_EDIT_BYTES_MAX {
            self.local.account(bytes.capacity() as i64);
            let big = Big::text(std::mem::take(&mut bytes));
            self.write(roots, place, key, found, Payload::Big(big), Expiry::Keep)
        } else {
            let payload = Payload::Bytes { bytes: &bytes, raw: true };
            self.write(roots, place, key, found, payload, Expiry::Keep)
        };
        self.local.scratch = bytes;
        Ok(written.is_ok().then_some(result))
    }
}

/// The bytes of a string under edit; see [`Keyspace::edit_string`].
#[derive(Debug)]
pub struct StringEdit<'e> {
    bytes: &'e mut Vec<u8>,
    existed: bool,
    raw: bool,
    /// What other nodes must be told of.
    changed: Option<Range<usize>>,
    unchanged: bool,
}

impl StringEdit<'_> {
    /// Whether the key existed.
    pub fn existed(&self) -> bool {
        self.existed
    }

    /// Whether the value's encoding was `raw`, as it is after every edit.
    pub fn is_raw(&self) -> bool {
        self.raw
    }

    /// Says that the bytes were left as they were, so that no new entry is built for them.
    pub fn keep(&mut self) {
        self.unchanged = true;
    }

    /// The bytes now.
    pub fn bytes(&self) -> &[u8] {
        self.bytes
    }

    /// The bytes, to be changed at will, in number too.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        self.note(0..usize::MAX);
        self.bytes
    }

    /// The bytes, to be changed at will. Where only some change, [`StringEdit::range_mut`] spares the others the way to the replicas.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.note(0..self.bytes.len());
        self.bytes
    }

    /// Some of the bytes, to be changed at will.
    ///
    /// # Panics
    /// If the range is not within them.
    pub fn range_mut(&mut self, range: Range<usize>) -> &mut [u8] {
        self.note(range.clone());
        &mut self.bytes[range]
    }

    /// Grows with zero bytes to at least `len`.
    pub fn grow(&mut self, len: usize) {
        if len > self.bytes.len() {
            // Who receives the new length grows with zeros too.
            self.note(self.bytes.len()..self.bytes.len());
            self.bytes.resize(len, 0);
        }
    }

    /// Appends.
    pub fn append(&mut self, bytes: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.note(start..self.bytes.len());
    }

    /// Puts `bytes` in the place of all that is there.
    pub fn replace(&mut self, bytes: &[u8]) {
        self.bytes.clear();
        self.bytes.extend_from_slice(bytes);
        self.note(0..bytes.len());
    }

    fn note(&mut self, range: Range<usize>) {
        self.changed = Some(match self.changed.take() {
            None => range,
            Some(known) if range.is_empty() => known,
            Some(known) if known.is_empty() => range,
            Some(known) => known.start.min(range.start)..known.end.max(range.end),
        });
    }
}
