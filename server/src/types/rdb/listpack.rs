//! Listpacks: what small hashes, small sorted sets and the nodes of lists are dumped as.
//!
//! ```text
//! bytes in all (u32, LE) | number of elements (u16, LE; 65,535: count them) | element … | 0xff
//! element = head, bytes | how many bytes that took, in 1 to 5 bytes, high bits first, 0x80 in all but the first
//!
//! 0vvvvvvv            integer 0..=127            11110000 llll      string of up to 2^32 - 1 bytes (LE)
//! 10llllll            string of up to 63 bytes   11110001 / 0010 / 0011 / 0100
//! 110vvvvv vvvvvvvv   integer of 13 bits                            integer of 2, 3, 4, 8 bytes (LE)
//! 1110llll llllllll   string of up to 4,095 bytes
//! ```
//!
//! Source: the specification of listpack (S. Sanfilippo, github.com/antirez/listpack).

use super::{Invalid, Reader, Walk};
use crate::types::collection::{Item, back_len_bytes};

const HEADER_BYTES: usize = 6;
const END: u8 = 0xff;
const COUNT_UNKNOWN: usize = 0xffff;

/// A listpack that is being written.
#[derive(Debug)]
pub(super) struct Writer {
    bytes: Vec<u8>,
    count: usize,
}

impl Writer {
    pub(super) fn new() -> Self {
        Writer { bytes: vec![0; HEADER_BYTES], count: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of what [`Writer::finish`] gives.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() + 1
    }

    /// Adds all elements of another one.
    pub(super) fn append(&mut self, other: &Writer) {
        self.bytes.extend_from_slice(&other.bytes[HEADER_BYTES..]);
        self.count += other.count;
    }

    pub(super) fn push(&mut self, item: Item<'_>) {
        let start = self.bytes.len();
        match item {
            Item::Integer(value) => self.integer(value),
            Item::Bytes(bytes) => self.string(bytes),
        }
        let len = self.bytes.len() - start;
        write_back_len(&mut self.bytes, len);
        self.count += 1;
    }

    fn integer(&mut self, value: i64) {
        let wide = value.to_le_bytes();
        match value {
            0..=127 => self.bytes.push(value as u8),
            -4096..=4095 => {
                let bits = value as u16 & 0x1fff;
                self.bytes.extend_from_slice(&(0xc000 | bits).to_be_bytes());
            }
            -32_768..=32_767 => self.tagged(0xf1, &wide[..2]),
            -8_388_608..=8_388_607 => self.tagged(0xf2, &wide[..3]),
            -2_147_483_648..=2_147_483_647 => self.tagged(0xf3, &wide[..4]),
            _ => self.tagged(0xf4, &wide),
        }
    }

    fn string(&mut self, bytes: &[u8]) {
        match bytes.len() {
            len @ 0..64 => self.tagged(0x80 | len as u8, bytes),
            len @ 64..4096 => {
                self.bytes.extend_from_slice(&(0xe000 | len as u16).to_be_bytes());
                self.bytes.extend_from_slice(bytes);
            }
            len => {
                self.tagged(0xf0, &(len as u32).to_le_bytes());
                self.bytes.extend_from_slice(bytes);
            }
        }
    }

    fn tagged(&mut self, head: u8, bytes: &[u8]) {
        self.bytes.push(head);
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.bytes.push(END);
        let (len, count) = (self.bytes.len() as u32, self.count.min(COUNT_UNKNOWN) as u16);
        self.bytes[..4].copy_from_slice(&len.to_le_bytes());
        self.bytes[4..6].copy_from_slice(&count.to_le_bytes());
        self.bytes
    }
}

fn write_back_len(out: &mut Vec<u8>, len: usize) {
    let count = back_len_bytes(len);
    for nth in 0..count {
        let bits = (len >> (7 * (count - 1 - nth))) as u8 & 0x7f;
        out.push(if nth == 0 { bits } else { bits | 0x80 });
    }
}

/// The elements of a listpack that somebody sent.
#[derive(Debug)]
pub(super) struct Listpack<'p> {
    rest: Reader<'p>,
    told: usize,
    found: usize,
}

impl<'p> Listpack<'p> {
    /// # Errors
    /// If its header or its end is not a listpack's.
    pub(super) fn of(bytes: &'p [u8]) -> Result<Self, Invalid> {
        let mut reader = Reader { rest: bytes };
        let len = u32::from_le_bytes(reader.array()?) as usize;
        let told = usize::from(u16::from_le_bytes(reader.array()?));
        if len != bytes.len() || bytes.len() <= HEADER_BYTES || bytes.last() != Some(&END) {
            return Err(Invalid::Format);
        }
        let body = bytes.len() - HEADER_BYTES - 1;
        let rest = Reader { rest: reader.take(body as u64)? };
        Ok(Listpack { rest, told, found: 0 })
    }

    fn item(&mut self) -> Result<Item<'p>, Invalid> {
        let first = self.rest.byte()?;
        let low = u64::from(first);
        Ok(match first {
            0x00..=0x7f => Item::Integer(i64::from(first)),
            0x80..=0xbf => Item::Bytes(self.rest.take(low & 0x3f)?),
            0xc0..=0xdf => {
                let bits = (i64::from(first) & 0x1f) << 8 | i64::from(self.rest.byte()?);
                Item::Integer(if bits >= 1 << 12 { bits - (1 << 13) } else { bits })
            }
            0xe0..=0xef => {
                let len = (low & 0x0f) << 8 | u64::from(self.rest.byte()?);
                Item::Bytes(self.rest.take(len)?)
            }
            0xf0 => {
                let len = u32::from_le_bytes(self.rest.array()?);
                Item::Bytes(self.rest.take(len.into())?)
            }
            0xf1 => Item::Integer(self.rest.integer::<2>()?),
            0xf2 => Item::Integer(self.rest.integer::<3>()?),
            0xf3 => Item::Integer(self.rest.integer::<4>()?),
            0xf4 => Item::Integer(self.rest.integer::<8>()?),
            _ => return Err(Invalid::Format),
        })
    }
}

impl<'p> Walk<'p> for Listpack<'p> {
    fn next(&mut self) -> Result<Option<Item<'p>>, Invalid> {
        if self.rest.rest.is_empty() {
            let right = self.told == self.found || self.told == COUNT_UNKNOWN;
            return if right { Ok(None) } else { Err(Invalid::Format) };
        }
        let before = self.rest.rest.len();
        let item = self.item()?;
        let len = before - self.rest.rest.len();
        let mut expected = Vec::with_capacity(5);
        write_back_len(&mut expected, len);
        if self.rest.take(expected.len() as u64)? != expected {
            return Err(Invalid::Format);
        }
        self.found += 1;
        Ok(Some(item))
    }
}
