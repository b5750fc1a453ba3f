//! Ziplists and zipmaps: the packed forms of Redis before 7.0, which are read and not written.
//!
//! ```text
//! ziplist: bytes in all (u32, LE) | where the last begins (u32, LE) | number (u16, LE; 65,535: count them) | element … | 0xff
//! element = bytes of the one before (u8 below 254, or 0xfe and a u32, LE) | head | bytes
//!
//! 00llllll             string of up to 63 bytes        11000000 / 1101 / 1110    integer of 2, 4, 8 bytes (LE)
//! 01llllll llllllll    string of up to 16,383 bytes    11110000 / 11111110       integer of 3 bytes (LE), of 1
//! 10000000 llll        any string (BE)                 1111vvvv                  integer v - 1, for v of 1 to 13
//!
//! zipmap: number of pairs (u8; 254 and above: count them) | length, field, length, unused (u8), value, unused bytes … | 0xff
//! length = u8 below 254, or 0xfe and a u32 (LE)
//! ```
//!
//! Source: the RDB file format as "Redis RDB Dump File Format" (rdb.fnordig.de) describes it.

use super::{Invalid, Reader, Walk};
use crate::types::collection::Item;

const HEADER_BYTES: usize = 4 + 4 + 2;
const END: u8 = 0xff;
const LONG: u8 = 0xfe;
const COUNT_UNKNOWN: usize = 0xffff;

/// The elements of a ziplist.
#[derive(Debug)]
pub(super) struct Ziplist<'p> {
    rest: Reader<'p>,
    /// Bytes of the element before.
    before: usize,
    told: usize,
    found: usize,
}

impl<'p> Ziplist<'p> {
    /// # Errors
    /// If its header or its end is not a ziplist's.
    pub(super) fn of(bytes: &'p [u8]) -> Result<Self, Invalid> {
        let mut reader = Reader { rest: bytes };
        let len = u32::from_le_bytes(reader.array()?) as usize;
        let tail = u32::from_le_bytes(reader.array()?) as usize;
        let told = usize::from(u16::from_le_bytes(reader.array()?));
        let has_end = bytes.len() > HEADER_BYTES && bytes.last() == Some(&END);
        if len != bytes.len() || !has_end || !(HEADER_BYTES..bytes.len()).contains(&tail) {
            return Err(Invalid::Format);
        }
        let body = bytes.len() - HEADER_BYTES - 1;
        let rest = Reader { rest: reader.take(body as u64)? };
        Ok(Ziplist { rest, before: 0, told, found: 0 })
    }

    fn item(&mut self) -> Result<Item<'p>, Invalid> {
        let first = self.rest.byte()?;
        let low = u64::from(first & 0x3f);
        Ok(match first {
            0x00..=0x3f => Item::Bytes(self.rest.take(low)?),
            0x40..=0x7f => {
                let len = low << 8 | u64::from(self.rest.byte()?);
                Item::Bytes(self.rest.take(len)?)
            }
            0x80 => {
                let len = u32::from_be_bytes(self.rest.array()?);
                Item::Bytes(self.rest.take(len.into())?)
            }
            0xc0 => Item::Integer(self.rest.integer::<2>()?),
            0xd0 => Item::Integer(self.rest.integer::<4>()?),
            0xe0 => Item::Integer(self.rest.integer::<8>()?),
            0xf0 => Item::Integer(self.rest.integer::<3>()?),
            0xfe => Item::Integer(self.rest.integer::<1>()?),
            0xf1..=0xfd => Item::Integer(i64::from(first & 0x0f) - 1),
            _ => return Err(Invalid::Format),
        })
    }
}

impl<'p> Walk<'p> for Ziplist<'p> {
    fn next(&mut self) -> Result<Option<Item<'p>>, Invalid> {
        if self.rest.rest.is_empty() {
            let right = self.told == self.found || self.told == COUNT_UNKNOWN;
            return if right { Ok(None) } else { Err(Invalid::Format) };
        }
        let left = self.rest.rest.len();
        if long_or_short(&mut self.rest)? as usize != self.before {
            return Err(Invalid::Format);
        }
        let item = self.item()?;
        self.before = left - self.rest.rest.len();
        self.found += 1;
        Ok(Some(item))
    }
}

/// A byte below 254, or 254 and four bytes.
fn long_or_short(reader: &mut Reader<'_>) -> Result<u32, Invalid> {
    match reader.byte()? {
        END => Err(Invalid::Format),
        LONG => Ok(u32::from_le_bytes(reader.array()?)),
        short => Ok(short.into()),
    }
}

/// The fields and values of a zipmap, one after the other.
#[derive(Debug)]
pub(super) struct Zipmap<'p> {
    rest: Reader<'p>,
    told: u8,
    found: usize,
}

impl<'p> Zipmap<'p> {
    /// # Errors
    /// If its end is not a zipmap's.
    pub(super) fn of(bytes: &'p [u8]) -> Result<Self, Invalid> {
        match bytes {
            [told, rest @ .., END] => Ok(Zipmap { rest: Reader { rest }, told: *told, found: 0 }),
            _ => Err(Invalid::Format),
        }
    }
}

impl<'p> Walk<'p> for Zipmap<'p> {
    fn next(&mut self) -> Result<Option<Item<'p>>, Invalid> {
        if self.rest.rest.is_empty() {
            let right = self.told >= LONG || usize::from(self.told) * 2 == self.found;
            return if right { Ok(None) } else { Err(Invalid::Format) };
        }
        let len = long_or_short(&mut self.rest)?;
        let is_value = self.found % 2 == 1;
        let unused = if is_value { self.rest.byte()? } else { 0 };
        let text = self.rest.take(len.into())?;
        self.rest.take(unused.into())?;
        self.found += 1;
        Ok(Some(Item::Bytes(text)))
    }
}
