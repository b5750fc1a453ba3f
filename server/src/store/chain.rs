//! Versions of writes, and the order of the effects of a slot.
//!
//! While the node replicates, every write takes a [`Version`] from its slot's chain, and tells its predecessor in the chain to the
//! [`Journal`], so that whoever receives the effects, over however many links, can put them into the one order.
//!
//! The order is made without a lock. A writer looks its key up and decides; then it takes a version by a CAS of the chain's
//! `last`; then it changes the key's word by a CAS from what it looked up. If that fails it records a [`Op::Noop`] for the version and starts
//! again, with a new one. So nothing happened to the key between a look-up and the CAS that followed it, and its version was taken in
//! between: the order of a key's changes is the order of their versions. Had the writer kept its version over a second look-up, a
//! delete with a later version could have come and gone unseen.
//!
//! Reads take no version. A node that replicates nothing has no chains, and its entries no versions.

use super::change::{AmountRef, Changes};
use super::collection::CollectionRef;
use super::entry::Kind;
use super::replica::State;
use crate::base::clock::UnixMs;
use crate::base::version::{Tag, Version};
use crate::types::collection::Stamp;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use torc_protocol::slot::SLOT_COUNT;

/// One write's place in its slot's chain of effects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// The version before it in the chain; 0 at its beginning.
    pub previous: Version,
    /// Its own.
    pub version: Version,
}

/// One slot's chain.
#[derive(Debug, Default)]
struct Chain {
    /// The latest version given out.
    last: AtomicU64,
    /// The highest version of another node that was applied.
    seen: AtomicU64,
    /// Keys removed since the node replicates.
    removals: AtomicU64,
}

/// The chains of all slots, and which slots this node answers for.
#[derive(Debug)]
pub(super) struct Chains {
    /// This incarnation's tag.
    tag: Tag,
    /// What entries without a version count as: written when replication began.
    pub(super) origin: Version,
    slots: Box<[Chain]>,
    /// Whether this node is the acting primary: it alone evicts and drops what has expired.
    served: Box<[AtomicBool]>,
    /// Versions given up because another writer was first.
    abandoned: AtomicU64,
}

impl ValueRef<'_> {
    /// Bytes that it takes inside an entry.
    pub(super) fn bytes(&self) -> usize {
        match self {
            ValueRef::Integer(_) => 8,
            ValueRef::Bytes { bytes, .. } => bytes.len(),
        }
    }
}

impl Chains {
    /// `is_empty`: there is nothing yet that the origin would stand for, so that chains begin at zero, as everybody expects who knows nothing of them.
    pub(super) fn new(tag: Tag, now: UnixMs, is_empty: bool) -> Self {
        let origin = Version::next(now, Version::ZERO, tag);
        let first = if is_empty { 0 } else { origin.get() };
        let chain = || Chain {
            last: AtomicU64::new(first),
            seen: AtomicU64::new(0),
            removals: AtomicU64::new(0),
        };
        Chains {
            tag,
            origin,
            slots: (0..SLOT_COUNT).map(|_| chain()).collect(),
            served: (0..SLOT_COUNT).map(|_| AtomicBool::new(true)).collect(),
            abandoned: AtomicU64::new(0),
        }
    }

    /// The next place in `slot`'s chain.
    #[inline]
    pub(super) fn take(&self, slot: usize, now: UnixMs) -> Link {
        let chain = &self.slots[slot];
        // Relaxed: `seen` only has to be recent; a foreign version that the key's entry itself holds was noted before that entry was
        // published, and the writer has read the entry.
        let seen = chain.seen.load(Ordering::Relaxed);
        // Relaxed here, AcqRel below: the chain's order is what counts, and a CAS gives one whatever its ordering; Release lets
        // `last` be read as "everything before it was decided".
        let mut last = chain.last.load(Ordering::Relaxed);
        loop {
            let version = Version::next(now, Version::from_bits(last.max(seen)), self.tag);
            match chain.last.compare_exchange_weak(
                last,
                version.get(),
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Link { previous: Version::from_bits(last), version },
                Err(other) => last = other,
            }
        }
    }

    /// The latest version given out for `slot`. The write it belongs to may still be under way, for as long as the batch lasts that took it.
    pub(super) fn last(&self, slot: usize) -> Version {
        Version::from_bits(self.slots[slot].last.load(Ordering::Acquire))
    }

    /// Notes a foreign version before anything that carries it is published, so that every later version here is higher.
    pub(super) fn see(&self, slot: usize, version: Version) {
        // Release: pairs with nothing but the entry's own publication, which comes later in program order.
        self.slots[slot].seen.fetch_max(version.get(), Ordering::Release);
    }

    /// To be called before a key of `slot` is removed.
    pub(super) fn note_removal(&self, slot: usize) {
        // Relaxed: the removal of the key's word, a release, makes it known to whoever finds the key absent.
        self.slots[slot].removals.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn removals(&self, slot: usize) -> u64 {
        // Relaxed: see `note_removal`.
        self.slots[slot].removals.load(Ordering::Relaxed)
    }

    pub(super) fn tag(&self) -> Tag {
        self.tag
    }

    pub(super) fn serves(&self, slot: usize) -> bool {
        // Relaxed: evicting or dropping a key a moment after its slot went is undone by the next merge.
        self.served[slot].load(Ordering::Relaxed)
    }

    pub(super) fn set_served(&self, slot: usize, served: bool) {
        self.served[slot].store(served, Ordering::Relaxed);
    }

    pub(super) fn note_abandoned(&self) {
        self.abandoned.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn abandoned(&self) -> u64 {
        self.abandoned.load(Ordering::Relaxed)
    }
}

/// A string value on its way to other nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueRef<'v> {
    /// An integer.
    Integer(i64),
    /// Bytes; `raw` as in [`super::NewValue::Raw`].
    Bytes {
        /// The text.
        bytes: &'v [u8],
        /// Whether OBJECT ENCODING says `raw` even where it is short.
        raw: bool,
    },
}

/// What a write did to a key: the resulting state, or the smallest part of it that tells it to who has the state before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op<'w> {
    /// The key holds this value now, with this deadline, both as of the effect's version.
    Put {
        /// Database.
        db: u8,
        /// Key.
        key: &'w [u8],
        /// Its value.
        value: ValueRef<'w>,
        /// Its deadline.
        deadline: Option<UnixMs>,
        /// When the deadline was set, if not with the value.
        deadline_version: Option<Version>,
    },
    /// The key is gone.
    Delete {
        /// Database.
        db: u8,
        /// Key.
        key: &'w [u8],
    },
    /// The key's deadline changed, as of the effect's version; its value did not.
    Deadline {
        /// Database.
        db: u8,
        /// Key.
        key: &'w [u8],
        /// The later of the versions of the value and of the deadline before.
        base: Version,
        /// The new deadline.
        deadline: Option<UnixMs>,
    },
    /// A number was added to: this node's share of the sum is now `sum`, as of the effect's version.
    Count {
        /// Database.
        db: u8,
        /// Key.
        key: &'w [u8],
        /// What the journal made of it.
        mixed: &'w Mixed,
    },
    /// Some bytes of a string changed.
    Splice {
        /// Database.
        db: u8,
        /// Key.
        key: &'w [u8],
        /// The later of the versions of the value before and of its deadline.
        base: Version,
        /// Length in bytes after.
        len: u64,
        /// Where the bytes go.
        offset: u64,
        /// The bytes.
        bytes: &'w [u8],
    },
    /// Elements of a collection changed.
    Elements {
        /// Database.
        db: u8,
        /// Key.
        key: &'w [u8],
        /// The collection's type.
        kind: Kind,
        /// What became of them.
        changes: Changes<'w>,
    },
    /// The deadline of a collection changed, as of the effect's version.
    Head {
        /// Database.
        db: u8,
        /// Key.
        key: &'w [u8],
        /// The new deadline.
        deadline: Option<UnixMs>,
    },
    /// Nothing: another writer was first, and the version is not used.
    Noop,
}

/// A key whose elements are kept apart, as the journal made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mixed {
    /// What readers see.
    pub total: i64,
    /// The elements, opaque here.
    pub elements: Vec<u8>,
    /// The version of the value that counting began from; zero if it began from nothing.
    pub epoch: Version,
    /// The sum of what this incarnation of the node added since.
    pub sum: i64,
    /// The key's deadline.
    pub deadline: Option<UnixMs>,
    /// When the deadline was set.
    pub deadline_version: Version,
}

/// What an element of a collection holds.
#[derive(Debug, Clone, Copy)]
pub struct ElementState<'w> {
    /// Its dot, that of everything written before replication began included, and its hidden siblings.
    pub stamp: Stamp<'w>,
    /// What readers see.
    pub value: ValueRef<'w>,
}

/// What is added to the number in an element.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// An integer, to an integer.
    Integer(i64),
    /// A double, to a score.
    Score {
        /// What the score is before.
        before: f64,
        /// What it comes to.
        after: f64,
    },
}

/// An element whose parts are kept apart, as the journal made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MixedElement {
    /// What readers see.
    pub shown: Vec<u8>,
    /// Its whole state, opaque here.
    pub siblings: Vec<u8>,
    /// What other nodes must be told, as [`Changes`] has it.
    pub told: MixedTold,
}

/// The origin's share of an element's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MixedTold {
    /// The version of the value that counting began from; zero if it began from nothing.
    pub epoch: Version,
    /// The sum of what this incarnation of the node added since.
    pub sum: AmountRef<'static>,
}

/// What a write took the place of.
#[derive(Debug)]
pub enum Replaced<'w> {
    /// A value of this version, or with a deadline of this version if that was later.
    Plain(Version),
    /// The elements of a mixed key.
    Mixed(&'w [u8]),
    /// The whole state of an element of a collection.
    Field(&'w [u8]),
    /// A whole collection.
    Collection(CollectionRef<'w>),
}

/// Takes down what is written, in one thread; see the module's description for the order.
pub trait Journal: Send {
    /// One effect: everything of `ops` happened in one step and took the place of all of `replaced`.
    fn record(&mut self, slot: u16, link: Link, replaced: &[Replaced<'_>], ops: &[Op<'_>]);

    /// What is recorded from now on until [`Journal::commit`] is one effect in each slot, in whose records the link is the same.
    fn begin(&mut self);

    /// Ends what [`Journal::begin`] began.
    fn commit(&mut self);

    /// Adds `by` to what `before` holds, which reads as the number `total` minus `by`; nothing, if it is not there.
    fn add(&mut self, before: Option<State<'_>>, link: Link, by: i64, total: i64) -> Mixed;

    /// Adds to the number in an element of a collection. `None`: it has to be written anew as one value.
    fn add_to_element(
        &mut self,
        before: Option<ElementState<'_>>,
        link: Link,
        step: Step,
    ) -> Option<MixedElement>;

    /// Changes the deadline of a mixed key. `None`: its elements have to be written anew as one value.
    fn expire(&mut self, elements: &[u8], link: Link, deadline: Option<UnixMs>) -> Option<Mixed>;

    /// Itself, for the owner of the thread to reach what it made of the records.
    fn as_any(&mut self) -> &mut dyn std::any::Any;
}
