//! The primitives of payloads: integers, varints, byte strings, fields.
//!
//! ```text
//!   u16 u32 u64   little-endian
//!   varint        7 bits a byte, lowest first, the top bit says that more follow; shortest form only
//!   bytes         varint length, then the bytes
//!   section       version u8 │ length u16 │ fields;   field: tag u8 │ varint length │ value
//! ```
//!
//! **Invariant.** Reading borrows and allocates nothing. A value has one encoding, so that what was read and is written again is the
//! same bytes. A field with an unknown tag is skipped; of a repeated field the last counts.
//!
//! Source: the varint is LEB128 as in DWARF and Protocol Buffers, with the shortest form enforced.

use std::fmt;

/// Bytes that are no valid payload. The link that brought them is to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Malformed {
    /// It ends within a value.
    Truncated,
    /// A varint of more than 64 bits, or not in its shortest form.
    Varint,
    /// A byte string longer than its bound; says which.
    TooLong(&'static str),
    /// A value that its field cannot have; says which.
    Value(&'static str),
    /// A field that must be there is not; says which.
    Missing(&'static str),
    /// A version of this kind of payload that is not known.
    Version(u8),
    /// Bytes behind the end.
    Trailing,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::Truncated => f.write_str("payload ends within a value"),
            Malformed::Varint => f.write_str("varint too long"),
            Malformed::TooLong(what) => write!(f, "{what} is too long"),
            Malformed::Value(what) => write!(f, "{what} has an impossible value"),
            Malformed::Missing(what) => write!(f, "{what} is missing"),
            Malformed::Version(version) => write!(f, "payload version {version} is not known"),
            Malformed::Trailing => f.write_str("bytes behind the end of the payload"),
        }
    }
}

impl std::error::Error for Malformed {}

/// What was to be written exceeds what its length can say or its reader accepts. Nothing of it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too long for a frame")
    }
}

impl std::error::Error for TooLong {}

/// The bytes that a varint takes at most.
pub const VARINT_BYTES_MAX: usize = 10;

/// Appends `value`.
#[inline]
pub fn put_u16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends `value`.
#[inline]
pub fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends `value`.
#[inline]
pub fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends `value` as a varint.
#[inline]
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Bytes that [`put_varint`] appends for `value`.
pub fn varint_bytes(value: u64) -> usize {
    // One byte for each begun group of seven bits; zero takes one too.
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// Appends the length of `bytes` and `bytes`.
#[inline]
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends `value` as a varint in which small negative numbers are short too.
#[inline]
pub fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_varint(out, (value << 1) as u64 ^ (value >> 63) as u64);
}

/// Appends the field `tag` with the value `bytes`.
pub fn put_field(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    put_bytes(out, bytes);
}

/// Appends the field `tag` with a varint as its value.
pub fn put_field_varint(out: &mut Vec<u8>, tag: u8, value: u64) {
    out.push(tag);
    put_varint(out, varint_bytes(value) as u64);
    put_varint(out, value);
}

/// Appends a section of version `version` whose fields `fields` appends. An error leaves `out` as it was.
pub fn put_section(
    out: &mut Vec<u8>,
    version: u8,
    fields: impl FnOnce(&mut Vec<u8>),
) -> Result<(), TooLong> {
    let start = out.len();
    out.push(version);
    put_u16(out, 0);
    fields(out);
    match u16::try_from(out.len() - start - 3) {
        Ok(bytes) => {
            out[start + 1..start + 3].copy_from_slice(&bytes.to_le_bytes());
            Ok(())
        }
        Err(_) => {
            out.truncate(start);
            Err(TooLong)
        }
    }
}

/// Reads a payload from its front, borrowing from it. After an error it stands somewhere within the value that failed.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader of all of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes }
    }

    /// What was not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether everything was read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Fails unless everything was read.
    pub fn end(&self) -> Result<(), Malformed> {
        if self.is_empty() { Ok(()) } else { Err(Malformed::Trailing) }
    }

    /// Reads the version of a payload, of which one is known.
    pub fn version(&mut self, known: u8) -> Result<(), Malformed> {
        match self.u8()? {
            version if version == known => Ok(()),
            version => Err(Malformed::Version(version)),
        }
    }

    /// All that is left, each read by `read`. It is checked as a whole first, so that nothing is taken of a payload that is malformed behind it.
    pub fn all<T>(
        mut self,
        read: impl Fn(&mut Reader<'a>) -> Result<T, Malformed>,
    ) -> Result<impl Iterator<Item = T>, Malformed> {
        let mut check = self;
        while !check.is_empty() {
            read(&mut check)?;
        }
        // All were read once: none is left out.
        let next = move || if self.is_empty() { None } else { read(&mut self).ok() };
        Ok(std::iter::from_fn(next))
    }

    /// The next `N` bytes.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (value, rest) = self.rest.split_first_chunk().ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(*value)
    }

    /// The next byte.
    #[inline]
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_le_bytes)
    }

    /// The next two bytes as an integer.
    #[inline]
    pub fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_le_bytes)
    }

    /// The next four bytes as an integer.
    #[inline]
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    /// The next eight bytes as an integer.
    #[inline]
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    /// The next varint, in its shortest form.
    #[inline]
    pub fn varint(&mut self) -> Result<u64, Malformed> {
        let before = self.rest;
        let value = self.padded_varint()?;
        let count = before.len() - self.rest.len();
        let last = before[count - 1];
        // A last byte of zero says nothing that the form without it does not.
        if last == 0 && count > 1 { Err(Malformed::Varint) } else { Ok(value) }
    }

    /// The next varint, which may be longer than it has to be: its writer had left room for it before he knew it.
    #[inline]
    pub fn padded_varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0;
        for index in 0..VARINT_BYTES_MAX {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte holds the 64th bit alone.
            if index == VARINT_BYTES_MAX - 1 && byte > 1 {
                return Err(Malformed::Varint);
            }
            value |= bits << (7 * index);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed::Varint)
    }

    /// The next varint as [`put_signed`] wrote it.
    #[inline]
    pub fn signed(&mut self) -> Result<i64, Malformed> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// The next varint, at most `max`; `what` names it in the error.
    pub fn varint_max(&mut self, max: u64, what: &'static str) -> Result<u64, Malformed> {
        let value = self.varint()?;
        if value <= max { Ok(value) } else { Err(Malformed::Value(what)) }
    }

    /// The next `count` bytes.
    #[inline]
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (bytes, rest) = self.rest.split_at_checked(count).ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// The next byte string, of at most `max` bytes; `what` names it in the error.
    pub fn bytes(&mut self, max: usize, what: &'static str) -> Result<&'a [u8], Malformed> {
        let count = self.varint()?;
        if count > max as u64 {
            return Err(Malformed::TooLong(what));
        }
        self.take(count as usize)
    }

    /// The next section's fields, if its version is `version`.
    pub fn section(&mut self, version: u8) -> Result<Fields<'a>, Malformed> {
        let found = self.u8()?;
        if found != version {
            return Err(Malformed::Version(found));
        }
        let bytes = self.u16()?;
        self.take(usize::from(bytes)).map(|bytes| Fields { rest: Reader::new(bytes) })
    }
}

/// The fields of a section in the order in which they stand.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a> {
    rest: Reader<'a>,
}

impl<'a> Fields<'a> {
    /// The next field's tag and value, or `None` at the end.
    pub fn next_field(&mut self) -> Result<Option<(u8, Reader<'a>)>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.rest.u8()?;
        let value = self.rest.bytes(usize::MAX, "field")?;
        Ok(Some((tag, Reader::new(value))))
    }
}
