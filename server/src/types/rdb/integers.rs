//! Sets of integers alone.
//!
//! ```text
//! bytes of an integer (u32, LE: 2, 4 or 8) | number of integers (u32, LE) | integers (LE), going up
//! ```

use super::{Invalid, Reader, Walk};
use crate::types::collection::Item;

const HEADER_BYTES: usize = 8;

/// Integers that go up, as narrow as the widest of them allows.
pub(super) fn write(integers: impl Iterator<Item = i64> + Clone) -> Vec<u8> {
    let fits = |value: i64, bits: u32| (-1i64 << (bits - 1)..1i64 << (bits - 1)).contains(&value);
    let width = match () {
        () if integers.clone().all(|value| fits(value, 16)) => 2,
        () if integers.clone().all(|value| fits(value, 32)) => 4,
        () => 8,
    };
    let mut bytes = vec![0; HEADER_BYTES];
    integers.for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()[..width]));
    let count = (bytes.len() - HEADER_BYTES) / width;
    bytes[..4].copy_from_slice(&(width as u32).to_le_bytes());
    bytes[4..8].copy_from_slice(&(count as u32).to_le_bytes());
    bytes
}

/// The integers of a set that somebody sent.
#[derive(Debug)]
pub(super) struct Integers<'p> {
    rest: Reader<'p>,
    width: u32,
    last: Option<i64>,
}

impl<'p> Integers<'p> {
    /// # Errors
    /// If its header is not such a set's.
    pub(super) fn of(bytes: &'p [u8]) -> Result<Self, Invalid> {
        let mut rest = Reader { rest: bytes };
        let width = u32::from_le_bytes(rest.array()?);
        let count = u64::from(u32::from_le_bytes(rest.array()?));
        if !matches!(width, 2 | 4 | 8) || count * u64::from(width) != rest.rest.len() as u64 {
            return Err(Invalid::Format);
        }
        Ok(Integers { rest, width, last: None })
    }
}

impl<'p> Walk<'p> for Integers<'p> {
    fn next(&mut self) -> Result<Option<Item<'p>>, Invalid> {
        if self.rest.rest.is_empty() {
            return Ok(None);
        }
        let value = match self.width {
            2 => self.rest.integer::<2>()?,
            4 => self.rest.integer::<4>()?,
            _ => self.rest.integer::<8>()?,
        };
        if self.last.is_some_and(|last| last >= value) {
            return Err(Invalid::Format);
        }
        self.last = Some(value);
        Ok(Some(Item::Integer(value)))
    }
}
