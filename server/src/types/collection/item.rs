//! One packed string or integer.
//!
//! ```text
//! 0vvvvvvv                       integer 0..=127
//! 10llllll  bytes                string of up to 63 bytes
//! 110vvvvv vvvvvvvv              integer of 13 bits, high bits first
//! 1110llll llllllll  bytes       string of up to 4,095 bytes, high bits first
//! 11110000 l l l l  bytes        string of up to 2^32 - 1 bytes, low byte first
//! 11110001 / 10 / 11 / 0100      integer of 2, 3, 4 or 8 bytes, low byte first
//! ```
//!
//! These are the classes of Redis's listpack without its length at the end, which only walking backwards needs; so no element takes more
//! bytes here than there. Text that is the canonical decimal form of an i64 is kept as an integer and reads back as the same text.
//!
//! Invariant: one value has exactly one encoding, so that equal bytes mean equal elements and a search compares encodings.

use std::cmp::Ordering;
use torc_protocol::number::parse_i64;

/// An element as it is read: without a copy, and without an allocation for integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item<'a> {
    /// Text that is the canonical decimal form of this number.
    Integer(i64),
    /// Any other bytes.
    Bytes(&'a [u8]),
}

impl<'a> Item<'a> {
    /// The item of `text`, an integer where it is one's canonical form.
    #[inline]
    pub fn of(text: &'a [u8]) -> Self {
        // No i64 has more than 20 characters.
        match if text.len() <= 20 { parse_i64(text) } else { None } {
            Some(value) => Item::Integer(value),
            None => Item::Bytes(text),
        }
    }

    /// Its text. `buffer` holds it where it is an integer.
    #[inline]
    pub fn text<'b>(self, buffer: &'b mut itoa::Buffer) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Item::Integer(value) => buffer.format(value).as_bytes(),
            Item::Bytes(bytes) => bytes,
        }
    }

    /// Its text as a string of its own.
    pub fn to_vec(self) -> Vec<u8> {
        self.text(&mut itoa::Buffer::new()).to_vec()
    }

    /// Length of its text.
    pub fn len(self) -> usize {
        self.text(&mut itoa::Buffer::new()).len()
    }

    /// Whether its text is empty.
    pub fn is_empty(self) -> bool {
        matches!(self, Item::Bytes([]))
    }

    /// Whether its text is `text`.
    pub fn is(self, text: &[u8]) -> bool {
        self.text(&mut itoa::Buffer::new()) == text
    }

    /// How its text compares with `text`, byte by byte.
    #[inline]
    pub fn compare(self, text: &[u8]) -> Ordering {
        match self {
            Item::Bytes(bytes) => bytes.cmp(text),
            Item::Integer(value) => itoa::Buffer::new().format(value).as_bytes().cmp(text),
        }
    }

    /// The number that its text is, if it is an integer.
    pub fn integer(self) -> Option<i64> {
        match self {
            Item::Integer(value) => Some(value),
            Item::Bytes(_) => None,
        }
    }
}

const STRING_6: u8 = 0b1000_0000;
const INTEGER_13: u8 = 0b1100_0000;
const STRING_12: u8 = 0b1110_0000;
const STRING_32: u8 = 0b1111_0000;
const INTEGER_16: u8 = 0b1111_0001;
const INTEGER_24: u8 = 0b1111_0010;
const INTEGER_32: u8 = 0b1111_0011;
const INTEGER_64: u8 = 0b1111_0100;

/// An item ready to be stored, or to be searched for: what stands before its bytes, and the bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Encoded<'a> {
    head: [u8; 9],
    head_bytes: u8,
    tail: &'a [u8],
}

impl<'a> Encoded<'a> {
    #[inline]
    pub(super) fn of(text: &'a [u8]) -> Self {
        Self::stored(Item::of(text))
    }

    /// An item as it was read.
    #[inline]
    pub(super) fn stored(item: Item<'a>) -> Self {
        match item {
            Item::Integer(value) => Self::integer(value),
            Item::Bytes(bytes) => Self::bytes(bytes),
        }
    }

    /// A string, which is not looked at: a number's text too stays one. Only for what no search compares with text.
    #[inline]
    pub(super) fn bytes(bytes: &'a [u8]) -> Self {
        let mut head = [0; 9];
        let length = bytes.len();
        let head_bytes = match length {
            0..64 => {
                head[0] = STRING_6 | length as u8;
                1
            }
            64..4096 => {
                head[0] = STRING_12 | (length >> 8) as u8;
                head[1] = length as u8;
                2
            }
            _ => {
                debug_assert!(length <= u32::MAX as usize, "proto-max-bulk-len stays below 4 GiB");
                head[0] = STRING_32;
                head[1..5].copy_from_slice(&(length as u32).to_le_bytes());
                5
            }
        };
        Encoded { head, head_bytes, tail: bytes }
    }

    #[inline]
    pub(super) fn integer(value: i64) -> Self {
        let mut head = [0; 9];
        let bytes = value.to_le_bytes();
        let (kind, used) = match value {
            0..128 => {
                head[0] = value as u8;
                return Encoded { head, head_bytes: 1, tail: &[] };
            }
            -4096..4096 => {
                head[0] = INTEGER_13 | (value >> 8) as u8 & 0x1f;
                head[1] = value as u8;
                return Encoded { head, head_bytes: 2, tail: &[] };
            }
            -0x8000..0x8000 => (INTEGER_16, 2),
            -0x80_0000..0x80_0000 => (INTEGER_24, 3),
            -0x8000_0000..0x8000_0000 => (INTEGER_32, 4),
            _ => (INTEGER_64, 8),
        };
        head[0] = kind;
        head[1..=used].copy_from_slice(&bytes[..used]);
        Encoded { head, head_bytes: used as u8 + 1, tail: &[] }
    }

    #[inline]
    pub(super) fn head(&self) -> &[u8] {
        &self.head[..self.head_bytes as usize]
    }

    #[inline]
    pub(super) fn tail(&self) -> &'a [u8] {
        self.tail
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.head_bytes as usize + self.tail.len()
    }

    /// Whether `packed` begins with this item.
    #[inline]
    pub(super) fn starts(&self, packed: &[u8]) -> bool {
        let head = self.head_bytes as usize;
        packed.first() == Some(&self.head[0])
            && packed.len() >= head + self.tail.len()
            && packed[1..head] == self.head[1..head]
            && packed[head..head + self.tail.len()] == *self.tail
    }
}

/// Length of the item that `packed` begins with.
///
/// # Panics
/// If it does not begin with one, as all below: packed bytes are only ever written by this module.
// A search calls it for each element: by a table, for what the compiler makes of a match in that loop changes with whatever is built beside it.
#[inline(always)]
pub(super) fn skip(packed: &[u8]) -> usize {
    match LENGTHS[packed[0] as usize] {
        0 => skip_long(packed),
        length => length as usize,
    }
}

/// Length of an item by its first byte; 0 where that does not say it.
const LENGTHS: [u8; 256] = {
    let mut lengths = [0; 256];
    let mut first = 0;
    while first < 256 {
        lengths[first] = match first as u8 {
            0..STRING_6 => 1,
            short @ STRING_6..INTEGER_13 => 1 + (short & 0x3f),
            INTEGER_13..STRING_12 => 2,
            STRING_12..=STRING_32 => 0,
            INTEGER_16 => 3,
            INTEGER_24 => 4,
            INTEGER_32 => 5,
            _ => 9,
        };
        first += 1;
    }
    lengths
};

#[inline(never)]
fn skip_long(packed: &[u8]) -> usize {
    match packed[0] {
        STRING_32 => 5 + u32::from_le_bytes(array(&packed[1..5])) as usize,
        first => 2 + ((first as usize & 0x0f) << 8 | packed[1] as usize),
    }
}

/// The item that `packed` begins with.
#[inline]
pub(super) fn read(packed: &[u8]) -> Item<'_> {
    let first = packed[0];
    match first {
        0..STRING_6 => Item::Integer(first as i64),
        STRING_6..INTEGER_13 => Item::Bytes(&packed[1..1 + (first & 0x3f) as usize]),
        INTEGER_13..STRING_12 => {
            // The 13 bits go to the top and come back with their sign.
            let bits = (first as u16 & 0x1f) << 8 | packed[1] as u16;
            Item::Integer(((bits << 3) as i16 >> 3) as i64)
        }
        STRING_12..STRING_32 => {
            let length = (first as usize & 0x0f) << 8 | packed[1] as usize;
            Item::Bytes(&packed[2..2 + length])
        }
        STRING_32 => {
            let length = u32::from_le_bytes(array(&packed[1..5])) as usize;
            Item::Bytes(&packed[5..5 + length])
        }
        INTEGER_16 => Item::Integer(i16::from_le_bytes(array(&packed[1..3])) as i64),
        INTEGER_24 => {
            let [low, middle, high] = array(&packed[1..4]);
            Item::Integer((i32::from_le_bytes([0, low, middle, high]) >> 8) as i64)
        }
        INTEGER_32 => Item::Integer(i32::from_le_bytes(array(&packed[1..5])) as i64),
        _ => Item::Integer(i64::from_le_bytes(array(&packed[1..9]))),
    }
}

/// How many bytes Redis's listpack spends behind an element of `len` bytes to say that it has so many. Redis's comparisons, which waste a byte on the largest of each length.
#[inline]
pub fn back_len_bytes(len: usize) -> usize {
    match len {
        0..=127 => 1,
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => 5,
    }
}

/// The bytes of a slice of exactly that length.
#[inline]
pub(super) fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(bytes);
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(text: &[u8]) -> Vec<u8> {
        let encoded = Encoded::of(text);
        let packed = [encoded.head(), encoded.tail()].concat();
        assert_eq!(packed.len(), encoded.len());
        assert!(encoded.starts(&packed) && encoded.starts(&[&packed[..], b"more"].concat()));
        packed
    }

    #[test]
    fn what_is_packed_reads_back_byte_for_byte() {
        let mut texts: Vec<Vec<u8>> =
            ["", "a", "-0", "00", "+1", " 1", "1 ", "9223372036854775808", "-", "1.5", "007"]
                .map(|text| text.as_bytes().to_vec())
                .to_vec();
        texts.extend([1, 63, 64, 65, 4095, 4096, 70_000].map(|length| vec![b'x'; length]));
        for power in 0..63 {
            for near in -2..=2 {
                let value = (1i64 << power).wrapping_add(near);
                texts.push(value.to_string().into_bytes());
                texts.push(value.wrapping_neg().to_string().into_bytes());
            }
        }
        texts.extend([i64::MIN, i64::MAX].map(|value| value.to_string().into_bytes()));
        for text in &texts {
            let packed = packed(text);
            assert_eq!(skip(&packed), packed.len(), "{}", text.escape_ascii());
            assert_eq!(read(&packed).to_vec(), *text);
            assert!(read(&packed).is(text));
        }
        for (one, other) in texts.iter().zip(texts.iter().skip(1)) {
            assert_eq!(Encoded::of(one).starts(&packed(other)), one == other);
        }
    }

    #[test]
    fn lengths_are_those_of_redis_without_the_trailing_length() {
        let lengths = [
            ("0", 1),
            ("127", 1),
            ("128", 2),
            ("-1", 2),
            ("4095", 2),
            ("-4096", 2),
            ("4096", 3),
            ("-4097", 3),
            ("32767", 3),
            ("32768", 4),
            ("-8388608", 4),
            ("8388608", 5),
            ("2147483648", 9),
            ("a", 2),
        ];
        for (text, bytes) in lengths {
            assert_eq!(packed(text.as_bytes()).len(), bytes, "{text}");
        }
        assert_eq!(packed(&[b'x'; 63]).len(), 64);
        assert_eq!(packed(&[b'x'; 64]).len(), 66);
        assert_eq!(packed(&[b'x'; 4096]).len(), 4101);
    }
}
