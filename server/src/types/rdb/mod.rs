//! Values in the format of Redis's RDB, as DUMP gives them and RESTORE takes them.
//!
//! ```text
//! +------+----------+-------------------+----------------------------+
//! | type | value    | version (u16, LE) | CRC-64 of all before (LE)  |
//! +------+----------+-------------------+----------------------------+
//! ```
//!
//! What is written is what Redis 7.0 writes ([`dump()`]). What is read ([`load()`]) was sent by a client: every length is bounded by the payload or by the
//! caller, and nothing is allocated on the word of the payload alone. Read are the forms of all versions up to 7.2. Their building blocks are
//! [`length`], [`string`], [`lzf`] and [`crc64`], and one file for each way to pack elements.
//!
//! Source: the RDB file format as "Redis RDB Dump File Format" (S. Krishnan Subramanian, rdb.fnordig.de) describes it, and the
//! page of RESTORE on redis.io.

pub mod crc64;
mod dump;
pub mod functions;
mod integers;
pub mod length;
mod listpack;
mod load;
pub mod lzf;
mod stream;
pub mod string;
mod ziplist;

pub use dump::{Shown, dump};

use crate::types::collection::{Hash, Item, Limits, List, Set, Stream, Zset};
use dump::finish;
use string::StringValue;

/// Version written, that of Redis 7.0.
const VERSION_WRITTEN: u16 = 10;
/// Newest version read, that of Redis 7.2.
const VERSION_READ_MAX: u16 = 11;
const FOOTER_BYTES: usize = 2 + 8;

const STRING: u8 = 0;
const LIST: u8 = 1;
const SET: u8 = 2;
const ZSET: u8 = 3;
const HASH: u8 = 4;
const ZSET_2: u8 = 5;
const HASH_ZIPMAP: u8 = 9;
const LIST_ZIPLIST: u8 = 10;
const SET_INTSET: u8 = 11;
const ZSET_ZIPLIST: u8 = 12;
const HASH_ZIPLIST: u8 = 13;
const LIST_QUICKLIST: u8 = 14;
const STREAM_LISTPACKS: u8 = 15;
const HASH_LISTPACK: u8 = 16;
const ZSET_LISTPACK: u8 = 17;
const LIST_QUICKLIST_2: u8 = 18;
const STREAM_LISTPACKS_2: u8 = 19;
const SET_LISTPACK: u8 = 20;
const STREAM_LISTPACKS_3: u8 = 21;

/// A value as read from a payload.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Value<'p> {
    /// A string.
    String(StringValue<'p>),
    /// A hash.
    Hash(Hash),
    /// A list.
    List(List),
    /// A set.
    Set(Set),
    /// A sorted set.
    Zset(Zset),
    /// A stream, which may have no entries.
    Stream(Stream),
}

macro_rules! of_collection {
    ($($kind:ident)*) => {
        $(impl From<$kind> for Value<'_> {
            fn from(value: $kind) -> Self {
                Value::$kind(value)
            }
        })*

        impl Value<'_> {
            /// Whether it is a collection without elements, which no key holds.
            fn is_empty(&self) -> bool {
                match self {
                    Value::String(_) => false,
                    $(Value::$kind(value) => value.view().is_empty(),)*
                }
            }
        }
    };
}

of_collection! { Hash List Set Zset Stream }

/// What a value that is read may take.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Longest string, and most bytes that all compressed strings of a payload may unpack to: as many as a client could have sent without compression.
    pub bytes_max: u64,
    /// Up to where a hash is small.
    pub hash: Limits,
    /// Up to where a list is small.
    pub list: Limits,
    /// Up to where a set is small.
    pub set: Limits,
    /// Up to where a sorted set is small.
    pub zset: Limits,
}

/// Why a payload cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// It is too short, newer than what is understood, or damaged.
    #[error("wrong version or checksum")]
    VersionOrChecksum,
    /// Its value is malformed, larger than allowed, or of a type that is not supported.
    #[error("bad data format")]
    Format,
}

/// Checks the footer of `payload`: its version is understood and its checksum right. A checksum of 0 is no exception: that
/// marks an RDB *file* written without one, not a payload.
pub fn verify(payload: &[u8]) -> Result<(), Invalid> {
    let body = payload.len().checked_sub(FOOTER_BYTES).ok_or(Invalid::VersionOrChecksum)?;
    let (summed, crc) = payload.split_at(body + 2);
    let version = u16::from_le_bytes([summed[body], summed[body + 1]]);
    let right = crc == crc64::crc64(0, summed).to_le_bytes();
    if version > VERSION_READ_MAX || !right { Err(Invalid::VersionOrChecksum) } else { Ok(()) }
}

/// The value in a payload that [`verify`] accepted. Bytes between value and footer are ignored, and a value may even end inside the footer: Redis reads
/// on as well.
///
/// # Errors
/// If it is malformed, beyond `bounds`, has no elements or one of them twice.
pub fn load<'p>(payload: &'p [u8], bounds: &Bounds) -> Result<Value<'p>, Invalid> {
    load::load(payload, bounds)
}

/// Elements of a value that is packed in one string.
trait Walk<'p> {
    /// The next element, or none at the end.
    fn next(&mut self) -> Result<Option<Item<'p>>, Invalid>;
}

/// What is left of a payload.
#[derive(Debug)]
pub struct Reader<'p> {
    rest: &'p [u8],
}

impl<'p> Reader<'p> {
    /// The next `len` bytes.
    pub fn take(&mut self, len: u64) -> Result<&'p [u8], Invalid> {
        let len = usize::try_from(len).map_err(|_| Invalid::Format)?;
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(Invalid::Format)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next byte.
    pub fn byte(&mut self) -> Result<u8, Invalid> {
        Ok(self.array::<1>()?[0])
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Invalid> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Invalid::Format)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// The next `N` bytes, at most eight, as an integer with its sign, low byte first.
    fn integer<const N: usize>(&mut self) -> Result<i64, Invalid> {
        let mut wide = [0; 8];
        wide[8 - N..].copy_from_slice(&self.array::<N>()?);
        Ok(i64::from_le_bytes(wide) >> (64 - 8 * N))
    }
}

#[cfg(test)]
mod tests;
