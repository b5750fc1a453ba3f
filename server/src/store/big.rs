//! Large values: kept out of their entry and changed in place, under a lock of their own.
//!
//! Invariant: who changes the value holds the lock for writing and has looked at the slot word again since. Whoever deletes, replaces or latches the key changes the
//! word first, so that no change is made to a value that is not the key's any more.

use super::collection::Collection;
use super::entry::Kind;
use super::index::table;
use super::owned::Hold;
use crate::base::sync::Backoff;
use crate::base::version::Version;
use parking_lot::{
    MappedRwLockReadGuard, MappedRwLockWriteGuard, RwLock, RwLockReadGuard, RwLockWriteGuard,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Lines that are asked for of a collection's root: half of a full leaf of the hash tree. Who reads on from there reads in order, which the processor foresees.
const ROOT_LINES: usize = 8;

/// A large value; its entry holds a pointer to it.
#[derive(Debug)]
pub(super) struct Big {
    kind: Kind,
    value: RwLock<BigValue>,
    /// Of the latest change; written under the lock.
    version: AtomicU64,
    /// Whether a step of several commands is at work on it.
    step: Hold,
}

/// What a [`Big`] holds. The variant never changes.
#[derive(Debug)]
pub(super) enum BigValue {
    /// A string.
    Text(Vec<u8>),
    /// Anything else.
    Collection(Collection),
}

/// A large value that nobody changes while this lives.
pub(super) type Held<'g> = RwLockReadGuard<'g, BigValue>;

/// A large string that nobody edits while this lives.
pub(super) type TextHeld<'g> = MappedRwLockReadGuard<'g, Vec<u8>>;

/// A large collection that nobody edits while this lives.
pub(super) type CollectionHeld<'g> = MappedRwLockReadGuard<'g, Collection>;

impl Big {
    /// A large string.
    pub(super) fn text(bytes: Vec<u8>) -> Arc<Self> {
        Big::new(Kind::String, BigValue::Text(bytes))
    }

    /// A large collection.
    pub(super) fn collection(value: Collection) -> Arc<Self> {
        Big::new(value.kind(), BigValue::Collection(value))
    }

    fn new(kind: Kind, value: BigValue) -> Arc<Self> {
        Arc::new(Big {
            kind,
            value: RwLock::new(value),
            version: AtomicU64::new(0),
            step: Hold::default(),
        })
    }

    /// Type of the value.
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// Keeps the value as it is, once no step of another thread is at work on it. Recursive: a thread that holds it may ask again while another waits to edit.
    pub(super) fn hold(&self) -> Held<'_> {
        let mut backoff = Backoff::default();
        loop {
            let value = self.value.read_recursive();
            if !self.step.is_foreign() {
                return value;
            }
            drop(value);
            backoff.wait();
        }
    }

    /// As [`Big::hold`], but in whatever state a step has brought it to.
    pub(super) fn hold_at_once(&self) -> Held<'_> {
        self.value.read_recursive()
    }

    /// Says that a step of this thread is at work on it. An edit that began before ends first.
    pub(super) fn begin_step(&self) {
        let _held = self.value.write();
        self.step.set(true);
    }

    /// As [`Big::begin_step`], unless that would have to wait.
    pub(super) fn try_begin_step(&self) -> bool {
        let held = self.value.try_write();
        if held.is_some() {
            self.step.set(true);
        }
        held.is_some()
    }

    /// Says that the step is over. A value that its key has no more is given back what it was `before`. Returns how many bytes more it takes for that.
    pub(super) fn end_step(&self, before: Option<BigValue>) -> i64 {
        let mut held = self.value.write();
        self.step.set(false);
        let Some(before) = before else { return 0 };
        let more = before.bytes() as i64 - held.bytes() as i64;
        *held = before;
        more
    }

    /// Asks memory for what every look at it reads.
    #[inline]
    pub(super) fn prefetch(&self) {
        let lines = size_of::<Self>().div_ceil(64);
        table::prefetch_lines(std::ptr::from_ref(self).cast(), lines);
    }

    /// Asks memory for the beginning of a collection, unless somebody edits it.
    #[inline]
    pub(super) fn prefetch_root(&self) {
        if let Some(value) = self.value.try_read_recursive()
            && let BigValue::Collection(collection) = &*value
            && let Some(root) = collection.root()
        {
            table::prefetch_lines(root, ROOT_LINES);
        }
    }

    /// The bytes of a string; none if it is none.
    pub(super) fn read_text(&self) -> Option<TextHeld<'_>> {
        RwLockReadGuard::try_map(self.hold(), |value| match value {
            BigValue::Text(bytes) => Some(bytes),
            BigValue::Collection(_) => None,
        })
        .ok()
    }

    /// The collection; none if it is a string.
    pub(super) fn read_collection(&self) -> Option<CollectionHeld<'_>> {
        RwLockReadGuard::try_map(self.hold(), |value| match value {
            BigValue::Collection(collection) => Some(collection),
            BigValue::Text(_) => None,
        })
        .ok()
    }

    /// The bytes of a string, to be edited; none if it is none.
    pub(super) fn edit_text(&self) -> Option<MappedRwLockWriteGuard<'_, Vec<u8>>> {
        RwLockWriteGuard::try_map(self.value.write(), |value| match value {
            BigValue::Text(bytes) => Some(bytes),
            BigValue::Collection(_) => None,
        })
        .ok()
    }

    /// The collection, to be edited; none if it is a string.
    pub(super) fn edit_collection(&self) -> Option<MappedRwLockWriteGuard<'_, Collection>> {
        RwLockWriteGuard::try_map(self.value.write(), |value| match value {
            BigValue::Collection(collection) => Some(collection),
            BigValue::Text(_) => None,
        })
        .ok()
    }

    /// A copy that is edited apart from this one. Of a collection it shares the parts until they are edited.
    pub(super) fn copy(&self) -> Arc<Self> {
        Big::new(self.kind, self.hold().copy())
    }

    /// Bytes that the value takes on the heap.
    pub(super) fn bytes(&self) -> usize {
        self.hold().bytes()
    }

    /// As [`Big::bytes`], or nothing while it is being edited.
    pub(super) fn bytes_unless_edited(&self) -> usize {
        self.value.try_read().map_or(0, |value| value.bytes())
    }

    /// The value, once nobody else has it.
    pub(super) fn into_value(self) -> BigValue {
        self.value.into_inner()
    }

    /// The version of the latest change; none while the node replicates nothing.
    pub(super) fn version(&self) -> Option<Version> {
        // Relaxed: who needs the value as of the version holds the lock.
        let bits = self.version.load(Ordering::Relaxed);
        (bits != 0).then(|| Version::from_bits(bits))
    }

    /// Sets the version: under the lock, or before the entry is published.
    pub(super) fn set_version(&self, version: Version) {
        // Relaxed: read under the lock where it matters, and the entry's publication makes the first known.
        self.version.store(version.get(), Ordering::Relaxed);
    }
}

impl BigValue {
    /// A copy that is edited apart from this one; see [`Big::copy`].
    pub(super) fn copy(&self) -> Self {
        match self {
            BigValue::Text(bytes) => BigValue::Text(bytes.clone()),
            BigValue::Collection(collection) => BigValue::Collection(collection.clone()),
        }
    }

    /// Bytes that it takes on the heap.
    pub(super) fn bytes(&self) -> usize {
        match self {
            BigValue::Text(bytes) => bytes.capacity(),
            BigValue::Collection(collection) => collection.memory_bytes(),
        }
    }
}
