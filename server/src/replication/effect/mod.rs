//! Effects: what a write did, as it travels to the other nodes.
//!
//! An effect is one step of one slot's chain: the version that its origin gave it, the version before it in the chain, what its origin
//! had seen of others, and operations that say the resulting state, never the command. Several operations in one effect are a transaction: they
//! happen together or not at all. One without operations only keeps the chain whole.
//!
//! ```text
//! effect: | length 4 | format 1 | slot 2 | version 8 | distance to the previous version, varint | deps | operation ... |
//! operation: | kind 1 | least version of a reader 1 | length, varint | fields |
//! ```
//!
//! A batch is effects one after another. Fields that a later version adds stand behind those known here and are skipped; an operation
//! whose kind has [`OPTIONAL`] set is skipped where it is unknown. Any other unknown operation makes its effect [`DecodeError::Unsupported`]: to
//! leave it out and go on would claim that its keys were removed.
//!
//! Invariant: whatever bytes come, decoding ends, allocates no more than their length, and gives an effect or an error.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

pub use decode::{Batch, DecodeError, Ops};
pub use encode::{encode, encode_op, encode_whole};

use super::vector::Vector;
use crate::base::clock::UnixMs;
use crate::base::version::{Tag, Version};
pub use crate::store::{AmountRef, Changes, ElementChange, Kind, ValueRef, put_change};
use torc_protocol::slot::Slot;

/// Of an operation's kind: who does not know it may skip it.
pub const OPTIONAL: u8 = 0x80;

/// A decoded effect. It is its first operation in all but transactions; the others still lie in the bytes that it came from.
#[derive(Debug, Clone)]
pub struct Effect<'a> {
    /// The slot that it changed.
    pub slot: Slot,
    /// The version before it in its origin's chain of this slot; zero at the beginning.
    pub previous: Version,
    /// Its own version.
    pub version: Version,
    /// What its origin had seen of other tags, as far as that rose since its previous effect in this slot.
    pub deps: Vector,
    first: Option<Op<'a>>,
    others: &'a [u8],
}

impl<'a> Effect<'a> {
    /// Whose it is.
    pub fn tag(&self) -> Tag {
        self.version.tag()
    }

    /// What it did first; nothing if it did nothing.
    pub fn first(&self) -> Option<&Op<'a>> {
        self.first.as_ref()
    }

    /// What it did after that, in order.
    pub fn others(&self) -> Ops<'a> {
        Ops::new(self.others)
    }

    /// What it did, in order.
    pub fn ops(&self) -> impl Iterator<Item = Op<'a>> {
        self.first.clone().into_iter().chain(self.others())
    }
}

/// What most effects by far are: a PUT of plain bytes without a deadline, of which its origin has nothing else to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LonePut<'a> {
    /// As [`Effect::slot`].
    pub slot: Slot,
    /// As [`Effect::previous`].
    pub previous: Version,
    /// As [`Effect::version`].
    pub version: Version,
    /// Database.
    pub db: u8,
    /// Key.
    pub key: &'a [u8],
    /// Its value.
    pub bytes: &'a [u8],
}

impl<'a> From<LonePut<'a>> for Effect<'a> {
    fn from(LonePut { slot, previous, version, db, key, bytes }: LonePut<'a>) -> Effect<'a> {
        let first = Some(Op::Put {
            db,
            key,
            value: ValueRef::Bytes { bytes, raw: false },
            value_version: None,
            deadline: None,
            deadline_version: None,
        });
        Effect { slot, previous, version, deps: Vector::new(), first, others: &[] }
    }
}

/// An effect as a batch gives it: one of the commonest is not made an [`Effect`] of unless somebody asks for that.
#[derive(Debug, Clone)]
pub enum Decoded<'a> {
    /// One of the commonest.
    LonePut(LonePut<'a>),
    /// Any other; elsewhere, so that the commonest are not moved about as if they were as large.
    Effect(Box<Effect<'a>>),
}

impl<'a> Decoded<'a> {
    /// As an effect.
    pub fn into_effect(self) -> Effect<'a> {
        match self {
            Decoded::LonePut(put) => put.into(),
            Decoded::Effect(effect) => *effect,
        }
    }
}

/// What became of a key. Unless it says otherwise, an operation also removes what its origin had seen of the key before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op<'a> {
    /// The key holds this value.
    Put {
        /// Database.
        db: u8,
        /// Key.
        key: &'a [u8],
        /// Its value.
        value: ValueRef<'a>,
        /// When the value was written, if not by this effect: EXPIRE on a small value ships it whole.
        value_version: Option<Version>,
        /// Its deadline.
        deadline: Option<UnixMs>,
        /// When the deadline was set or removed, if not by this effect: APPEND, SETRANGE and SET … KEEPTTL keep it.
        /// Not both this and `value_version` may differ from the effect's version.
        deadline_version: Option<Version>,
    },
    /// The key is gone: deleted, expired or evicted by the acting primary.
    Delete {
        /// Database.
        db: u8,
        /// Key.
        key: &'a [u8],
    },
    /// The key's deadline changed, its value did not.
    Deadline {
        /// Database.
        db: u8,
        /// Key.
        key: &'a [u8],
        /// The dot of the value: a receiver without it lacks something that it cannot make up.
        base: Version,
        /// The new deadline.
        deadline: Option<UnixMs>,
    },
    /// A counter moved: the origin's own share of it is now `sum`. Removes of what was seen only what `epoch` has overruled.
    Count {
        /// Database.
        db: u8,
        /// Key.
        key: &'a [u8],
        /// The version of the value that counting began from; zero if it began from nothing.
        epoch: Version,
        /// The sum of what the origin added since.
        sum: AmountRef<'a>,
        /// The key's deadline.
        deadline: Option<UnixMs>,
        /// When the deadline was set or removed, if not by this effect; zero if there never was one.
        deadline_version: Option<Version>,
    },
    /// Some bytes of a string changed; its deadline did not.
    Splice {
        /// Database.
        db: u8,
        /// Key.
        key: &'a [u8],
        /// The dot of the value before, as in `Deadline`.
        base: Version,
        /// Length in bytes afterwards.
        len: u64,
        /// Where the bytes go.
        offset: u64,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// Elements of a collection changed.
    Elements {
        /// Database.
        db: u8,
        /// Key.
        key: &'a [u8],
        /// The collection's type.
        kind: Kind,
        /// What became of them.
        changes: Changes<'a>,
    },
    /// The deadline of a collection changed.
    Head {
        /// Database.
        db: u8,
        /// Key.
        key: &'a [u8],
        /// The new deadline.
        deadline: Option<UnixMs>,
    },
    /// All keys of a database are gone, or of all databases, as far as `seen` covers them.
    Flush {
        /// Database; all if none.
        db: Option<u8>,
        /// What the flush had seen.
        seen: Vector,
    },
}

impl Op<'_> {
    /// Database and key, if it is about one key.
    pub fn key(&self) -> Option<(u8, &[u8])> {
        match *self {
            Op::Put { db, key, .. }
            | Op::Delete { db, key }
            | Op::Deadline { db, key, .. }
            | Op::Count { db, key, .. }
            | Op::Splice { db, key, .. }
            | Op::Elements { db, key, .. }
            | Op::Head { db, key, .. } => Some((db, key)),
            Op::Flush { .. } => None,
        }
    }
}

const FORMAT: u8 = 1;

/// Operations on the wire; numbers are for ever.
mod kind {
    pub(super) const PUT: u8 = 1;
    pub(super) const DELETE: u8 = 2;
    pub(super) const DEADLINE: u8 = 3;
    pub(super) const COUNT: u8 = 4;
    pub(super) const SPLICE: u8 = 5;
    pub(super) const FLUSH: u8 = 6;
    pub(super) const ELEMENTS: u8 = 7;
    pub(super) const HEAD: u8 = 8;
}

/// What a flags byte says: which kind of value stands there, and which optional fields do.
mod flag {
    pub(super) const FORM: u8 = 0x03;
    pub(super) const FORM_INTEGER: u8 = 0;
    pub(super) const FORM_BYTES: u8 = 1;
    pub(super) const FORM_RAW: u8 = 2;
    pub(super) const DEADLINE: u8 = 0x04;
    pub(super) const DEADLINE_VERSION: u8 = 0x08;
    pub(super) const VALUE_VERSION: u8 = 0x10;
    pub(super) const ONE_DATABASE: u8 = 0x20;
}
