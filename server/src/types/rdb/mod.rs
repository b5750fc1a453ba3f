//! Values in the format of Redis's RDB, as DUMP gives them and RESTORE takes them.
//!
//! ```text
//! +------+----------+-------------------+----------------------------+
//! | type | value    | version (u16, LE) | CRC-64 of all before (LE)  |
//! +------+----------+-------------------+----------------------------+
//! ```
//!
//! What is written is what Redis 7.0 writes. What is read was sent by a client: every length is bounded by the payload or by the
//! caller, and nothing is allocated on the word of the payload alone. One file a type of value; their building blocks are
//! [`length`], [`lzf`] and [`crc64`].
//!
//! Source: the RDB file format as "Redis RDB Dump File Format" (S. Krishnan Subramanian, rdb.fnordig.de) describes it, and the
//! page of RESTORE on redis.io.

pub mod crc64;
pub mod length;
pub mod lzf;
pub mod string;

use string::StringValue;

/// Version written, that of Redis 7.0.
const VERSION_WRITTEN: u16 = 10;
/// Newest version read, that of Redis 7.2. No type that is read here changed since version 1.
const VERSION_READ_MAX: u16 = 11;
const FOOTER_BYTES: usize = 2 + 8;

const TYPE_STRING: u8 = 0;

/// A value as read from a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Value<'p> {
    /// A string.
    String(StringValue<'p>),
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

/// The payload of a string.
pub fn dump_string(value: StringValue<'_>) -> Vec<u8> {
    let mut payload = vec![TYPE_STRING];
    string::write(&mut payload, value);
    payload.extend_from_slice(&VERSION_WRITTEN.to_le_bytes());
    let crc = crc64::crc64(0, &payload);
    payload.extend_from_slice(&crc.to_le_bytes());
    payload
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

/// The value in a payload that [`verify`] accepted. A string may have up to `bytes_max` bytes. Bytes between value and footer
/// are ignored, and a value may even end inside the footer: Redis reads on as well.
pub fn load(payload: &[u8], bytes_max: u64) -> Result<Value<'_>, Invalid> {
    let mut reader = Reader { rest: payload };
    match reader.byte()? {
        TYPE_STRING => string::read(&mut reader, bytes_max).map(Value::String),
        _ => Err(Invalid::Format),
    }
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
}

#[cfg(test)]
mod tests;
