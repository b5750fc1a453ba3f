//! Strings: raw, as a small integer, or compressed.
//!
//! ```text
//! length, bytes                          raw
//! mark 0, i8  |  mark 1, i16  |  mark 2, i32      an integer's decimal text (little-endian)
//! mark 3, compressed length, length, bytes        LZF
//! ```

use super::length::{self, Length};
use super::{Invalid, Reader, lzf};
use std::borrow::Cow;
use torc_protocol::number::parse_i64;

const INT8: u8 = 0;
const INT16: u8 = 1;
const INT32: u8 = 2;
const LZF: u8 = 3;

/// Longest text that can be an i32's.
const INT32_TEXT_BYTES: usize = 11;
/// Strings up to this length are not worth the attempt at compression.
const PLAIN_BYTES: usize = 20;

/// A string, as the bytes or as the integer whose decimal text it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StringValue<'v> {
    /// An integer.
    Integer(i64),
    /// Bytes.
    Bytes(Cow<'v, [u8]>),
}

/// Appends `value` in the form that Redis chooses.
pub fn write(out: &mut Vec<u8>, value: StringValue<'_>) {
    match value {
        StringValue::Integer(value) => match i32::try_from(value) {
            Ok(value) => write_integer(out, value),
            Err(_) => write_raw(out, itoa::Buffer::new().format(value).as_bytes()),
        },
        StringValue::Bytes(bytes) => write_bytes(out, &bytes),
    }
}

fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.len() <= INT32_TEXT_BYTES
        && let Some(value) = parse_i64(bytes).and_then(|value| i32::try_from(value).ok())
    {
        return write_integer(out, value);
    }
    if bytes.len() > PLAIN_BYTES
        && let Some(compressed) = lzf::compress(bytes, bytes.len() - 4)
    {
        length::write_encoding(out, LZF);
        length::write(out, compressed.len() as u64);
        length::write(out, bytes.len() as u64);
        return out.extend_from_slice(&compressed);
    }
    write_raw(out, bytes);
}

fn write_raw(out: &mut Vec<u8>, bytes: &[u8]) {
    length::write(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn write_integer(out: &mut Vec<u8>, value: i32) {
    if let Ok(value) = i8::try_from(value) {
        length::write_encoding(out, INT8);
        out.extend_from_slice(&value.to_le_bytes());
    } else if let Ok(value) = i16::try_from(value) {
        length::write_encoding(out, INT16);
        out.extend_from_slice(&value.to_le_bytes());
    } else {
        length::write_encoding(out, INT32);
        out.extend_from_slice(&value.to_le_bytes());
    }
}

/// Reads a string of up to `bytes_max` bytes.
pub fn read<'p>(reader: &mut Reader<'p>, bytes_max: u64) -> Result<StringValue<'p>, Invalid> {
    match length::read(reader)? {
        Length::Plain(len) if len <= bytes_max => {
            Ok(StringValue::Bytes(Cow::Borrowed(reader.take(len)?)))
        }
        Length::Encoding(INT8) => {
            Ok(StringValue::Integer(i64::from(i8::from_le_bytes(reader.array()?))))
        }
        Length::Encoding(INT16) => {
            Ok(StringValue::Integer(i64::from(i16::from_le_bytes(reader.array()?))))
        }
        Length::Encoding(INT32) => {
            Ok(StringValue::Integer(i64::from(i32::from_le_bytes(reader.array()?))))
        }
        Length::Encoding(LZF) => {
            let compressed_len = length::read(reader)?.number();
            let len = length::read(reader)?.number();
            let compressed = reader.take(compressed_len)?;
            if len > bytes_max {
                return Err(Invalid::Format);
            }
            lzf::decompress(compressed, usize::try_from(len).map_err(|_| Invalid::Format)?)
                .map(|bytes| StringValue::Bytes(Cow::Owned(bytes)))
                .ok_or(Invalid::Format)
        }
        _ => Err(Invalid::Format),
    }
}
