//! What a write changes of a collection, element by element, in the bytes in which it travels to other nodes.
//!
//! ```text
//! change: | kind 1 | element id | value, or epoch and sum |
//! ```
//!
//! An element of a list is named by its position when it is put, and by position and dot from then on.
//!
//! Invariant: [`Changes`] holds only bytes that were read once from end to end, so that walking it cannot fail.

use super::chain::ValueRef;
use crate::base::version::Version;
use torc_protocol::peer::wire::{Malformed, Reader, put_bytes, put_signed, put_u64, put_varint};

/// The sum that a counter's cell holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AmountRef<'a> {
    /// Of INCR and its kin.
    Integer(i64),
    /// Of INCRBYFLOAT, as decimal text.
    Decimal(&'a [u8]),
    /// Of ZINCRBY: the score that the origin counted from and the one that it has reached, as the bits of doubles. Both, because doubles round: where nobody else
    /// counts, the score is exactly what was reached.
    Score {
        /// Where it began.
        from: u64,
        /// Where it is.
        reached: u64,
    },
}

/// What becomes of one element. Unless it says otherwise, a change also removes what its origin had seen of the element before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElementChange<'a> {
    /// It holds this now: a hash's value, a sorted set's score, nothing for a set's member.
    Put {
        /// Field, member or position.
        id: &'a [u8],
        /// What it holds.
        value: ValueRef<'a>,
    },
    /// It is gone.
    Remove {
        /// Field, member, or position and dot.
        id: &'a [u8],
    },
    /// Its number moved: the origin's own share of it is now `sum`. Removes of what was seen only what `epoch` has overruled.
    Count {
        /// Field or member.
        id: &'a [u8],
        /// The version of the value that counting began from; zero if it began from nothing.
        epoch: Version,
        /// The sum of what the origin added since.
        sum: AmountRef<'a>,
    },
}

/// Several changes, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changes<'a>(&'a [u8]);

const PUT_INTEGER: u8 = 0;
const PUT_BYTES: u8 = 1;
const REMOVE: u8 = 2;
const COUNT_INTEGER: u8 = 3;
const COUNT_DECIMAL: u8 = 4;
const COUNT_SCORE: u8 = 5;

impl<'a> Changes<'a> {
    /// Changes that were encoded by [`put_change`].
    ///
    /// # Errors
    /// If the bytes are none.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        while !reader.is_empty() {
            read_change(&mut reader)?;
        }
        Ok(Changes(bytes))
    }

    /// No change.
    pub fn none() -> Self {
        Changes(&[])
    }

    /// The changes.
    pub fn iter(&self) -> impl Iterator<Item = ElementChange<'a>> {
        let mut reader = Reader::new(self.0);
        std::iter::from_fn(move || (!reader.is_empty()).then(|| read_change(&mut reader).ok())?)
    }

    /// As they travel.
    pub fn bytes(&self) -> &'a [u8] {
        self.0
    }
}

/// Appends a change.
pub fn put_change(out: &mut Vec<u8>, change: &ElementChange<'_>) {
    let mut head = |kind: u8, id: &[u8]| {
        out.push(kind);
        put_bytes(out, id);
    };
    match *change {
        ElementChange::Put { id, value: ValueRef::Integer(value) } => {
            head(PUT_INTEGER, id);
            put_signed(out, value);
        }
        ElementChange::Put { id, value: ValueRef::Bytes { bytes, .. } } => {
            head(PUT_BYTES, id);
            put_bytes(out, bytes);
        }
        ElementChange::Remove { id } => head(REMOVE, id),
        ElementChange::Count { id, epoch, sum } => {
            let kind = match sum {
                AmountRef::Integer(_) => COUNT_INTEGER,
                AmountRef::Decimal(_) => COUNT_DECIMAL,
                AmountRef::Score { .. } => COUNT_SCORE,
            };
            head(kind, id);
            put_varint(out, epoch.get());
            match sum {
                AmountRef::Integer(sum) => put_signed(out, sum),
                AmountRef::Decimal(text) => put_bytes(out, text),
                AmountRef::Score { from, reached } => {
                    put_u64(out, from);
                    put_u64(out, reached);
                }
            }
        }
    }
}

fn read_change<'a>(reader: &mut Reader<'a>) -> Result<ElementChange<'a>, Malformed> {
    let kind = reader.u8()?;
    let id = reader.bytes(usize::MAX, "element")?;
    let epoch = |reader: &mut Reader<'a>| reader.varint().map(Version::from_bits);
    Ok(match kind {
        PUT_INTEGER => ElementChange::Put { id, value: ValueRef::Integer(reader.signed()?) },
        PUT_BYTES => {
            let bytes = reader.bytes(usize::MAX, "value")?;
            ElementChange::Put { id, value: ValueRef::Bytes { bytes, raw: false } }
        }
        REMOVE => ElementChange::Remove { id },
        COUNT_INTEGER => ElementChange::Count {
            id,
            epoch: epoch(reader)?,
            sum: AmountRef::Integer(reader.signed()?),
        },
        COUNT_DECIMAL => ElementChange::Count {
            id,
            epoch: epoch(reader)?,
            sum: AmountRef::Decimal(reader.bytes(usize::MAX, "sum")?),
        },
        COUNT_SCORE => ElementChange::Count {
            id,
            epoch: epoch(reader)?,
            sum: AmountRef::Score { from: reader.u64()?, reached: reader.u64()? },
        },
        _ => return Err(Malformed::Value("change")),
    })
}
