//! Lengths, and the marks that stand where a string's length could.
//!
//! ```text
//! 00llllll                     length below 64
//! 01llllll llllllll            below 16,384, big-endian
//! 10000000 + 4 bytes           below 2^32, big-endian
//! 10000001 + 8 bytes           below 2^64, big-endian
//! 11eeeeee                     no length: the string follows in encoding e
//! ```

use super::{Invalid, Reader};

/// What was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// A length.
    Plain(u64),
    /// The number of an encoding, below 64.
    Encoding(u8),
}

impl Length {
    /// The number, whichever it is. Redis takes an encoding's number for a length where only a length makes sense.
    pub fn number(self) -> u64 {
        match self {
            Length::Plain(len) => len,
            Length::Encoding(number) => u64::from(number),
        }
    }
}

/// Appends `len` in its shortest form.
pub fn write(out: &mut Vec<u8>, len: u64) {
    match len {
        0..0x40 => out.push(len as u8),
        0x40..0x4000 => out.extend_from_slice(&(0x4000 | len as u16).to_be_bytes()),
        0x4000..=0xffff_ffff => {
            out.push(0x80);
            out.extend_from_slice(&(len as u32).to_be_bytes());
        }
        _ => {
            out.push(0x81);
            out.extend_from_slice(&len.to_be_bytes());
        }
    }
}

/// Appends the mark of encoding `number`, below 64.
pub fn write_encoding(out: &mut Vec<u8>, number: u8) {
    out.push(0xc0 | number);
}

/// Reads a length or a mark. Longer forms than necessary are accepted.
pub fn read(reader: &mut Reader<'_>) -> Result<Length, Invalid> {
    let first = reader.byte()?;
    let low = first & 0x3f;
    match first >> 6 {
        0 => Ok(Length::Plain(u64::from(low))),
        1 => Ok(Length::Plain(u64::from(u16::from_be_bytes([low, reader.byte()?])))),
        2 if low == 0 => Ok(Length::Plain(u64::from(u32::from_be_bytes(reader.array()?)))),
        2 if low == 1 => Ok(Length::Plain(u64::from_be_bytes(reader.array()?))),
        2 => Err(Invalid::Format),
        _ => Ok(Length::Encoding(low)),
    }
}
