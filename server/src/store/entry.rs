//! Entries: key, value and metadata of one key in one allocation.

use crate::base::clock::UnixMs;
use std::marker::PhantomData;

/// What type of value a key holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Bytes or an integer.
    String,
}

/// The key holds a value of another type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrongType;

/// A value to store.
#[derive(Debug, Clone, Copy)]
pub enum NewValue<'v> {
    /// An integer, kept in 8 bytes and printed as decimal text.
    Integer(i64),
    /// A string. Text that is exactly an i64's canonical decimal form is kept as an integer.
    Bytes(&'v [u8]),
    /// A string that stays text even where it looks like an integer (APPEND, SETRANGE and the like, as in Redis).
    Raw(&'v [u8]),
}

/// What becomes of a key's deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// Stays as it is; none for a new key.
    Keep,
    /// No deadline.
    Never,
    /// Gone at this time.
    At(UnixMs),
}

/// A live key as found: readable until the guard it was found under is dropped, even if it is replaced meanwhile.
#[derive(Clone, Copy)]
pub struct Entry<'g> {
    _guard: PhantomData<&'g ()>,
}

/// The bytes of a string value.
pub enum StringView<'g> {
    /// Kept as an integer.
    Integer(i64),
    /// Immutable bytes.
    Bytes(&'g [u8]),
    // Locked: a large value edited in place, held for reading as long as the view lives.
}

impl<'g> Entry<'g> {
    /// Its key.
    pub fn key(&self) -> &'g [u8] {
        unimplemented!()
    }
    /// Type of its value.
    pub fn kind(&self) -> Kind {
        unimplemented!()
    }
    /// Its deadline, if it has one.
    pub fn deadline(&self) -> Option<UnixMs> {
        unimplemented!()
    }
    /// Its value as a string.
    pub fn string(&self) -> Result<StringView<'g>, WrongType> {
        unimplemented!()
    }
    /// Redis's name of how the value is kept: `int`, `embstr` or `raw`.
    pub fn encoding(&self) -> &'static str {
        unimplemented!()
    }
    /// Bytes that this key takes, allocator rounding and its share of the index included.
    pub fn memory_bytes(&self) -> usize {
        unimplemented!()
    }
    /// Seconds since the last access (meaningful under the LRU policies).
    pub fn idle_seconds(&self, _now: UnixMs) -> u64 {
        unimplemented!()
    }
    /// The logarithmic access counter (meaningful under the LFU policies).
    pub fn frequency(&self, _now: UnixMs) -> u8 {
        unimplemented!()
    }
}

impl StringView<'_> {
    /// Length in bytes of the text.
    pub fn len(&self) -> usize {
        unimplemented!()
    }
    /// Whether the text is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The text; an integer is printed into `scratch`.
    pub fn bytes<'s>(&'s self, scratch: &'s mut itoa::Buffer) -> &'s [u8] {
        match self {
            StringView::Integer(value) => scratch.format(*value).as_bytes(),
            StringView::Bytes(bytes) => bytes,
        }
    }
}
