//! Integers of 1 to 64 bits at any bit of a string, as BITFIELD reads and writes them.
//!
//! A field is big-endian: its first bit is its most significant one. Bits beyond the end of the string read as 0.
//! Source: the page of BITFIELD on redis.io; what it leaves open follows the replies of Redis 7.0.

use torc_protocol::number::parse_i64;

/// What happens to a result that its field cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overflow {
    /// It keeps its low bits.
    #[default]
    Wrap,
    /// It becomes the nearest value that fits.
    Saturate,
    /// Nothing is written.
    Fail,
}

/// The type of a field: `u1` to `u63` and `i1` to `i64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    signed: bool,
    bits: u32,
}

/// Where a result stands to the range of its field.
#[derive(Debug, PartialEq, Eq)]
enum Fit {
    Inside,
    Above,
    Below,
}

impl Field {
    /// Reads a type as in `u8` or `i64`. The letter is lowercase; there is no `u64`, since replies are signed.
    pub fn parse(text: &[u8]) -> Option<Field> {
        let (signed, digits) = match text {
            [b'i', digits @ ..] => (true, digits),
            [b'u', digits @ ..] => (false, digits),
            _ => return None,
        };
        let bits = u32::try_from(parse_i64(digits)?).ok()?;
        let bits_max = if signed { 64 } else { 63 };
        (1..=bits_max).contains(&bits).then_some(Field { signed, bits })
    }

    /// Its width.
    pub fn bits(self) -> u64 {
        u64::from(self.bits)
    }

    /// The field at bit `offset` of `bytes`.
    pub fn read(self, bytes: &[u8], offset: u64) -> i64 {
        let aligned = (window(bytes, offset) << (offset % 8)) >> (128 - self.bits);
        let value = aligned as u64 as i64;
        if !self.signed {
            return value;
        }
        let unused = 64 - self.bits;
        (value << unused) >> unused
    }

    /// Writes the low bits of `value` at bit `offset` of `bytes`, which reach that far.
    pub fn write(self, bytes: &mut [u8], offset: u64, value: i64) {
        let shift = 128 - self.bits - (offset % 8) as u32;
        let mask = (u128::MAX >> (128 - self.bits)) << shift;
        let merged = (window(bytes, offset) & !mask) | ((u128::from(value as u64) << shift) & mask);
        let first = (offset / 8) as usize;
        let touched = (offset % 8 + self.bits()).div_ceil(8) as usize;
        bytes[first..first + touched].copy_from_slice(&merged.to_be_bytes()[..touched]);
    }

    /// `base + increment` as this field keeps it under `overflow`; `None` if it must not be written.
    ///
    /// SET passes the new value as `base` with an increment of 0; for an unsigned field its 64 bits count as unsigned,
    /// so that a negative number lies above the range.
    pub fn add(self, base: i64, increment: i64, overflow: Overflow) -> Option<i64> {
        let fit = if self.signed {
            self.fit_signed(base, increment)
        } else {
            self.fit_unsigned(base as u64, increment)
        };
        let value = match (fit, overflow) {
            (Fit::Inside, _) | (_, Overflow::Wrap) => base.wrapping_add(increment),
            (_, Overflow::Fail) => return None,
            (Fit::Above, Overflow::Saturate) => self.max(),
            (Fit::Below, Overflow::Saturate) => self.min(),
        };
        // What was written is what a read would give back: the low bits, with the field's sign.
        let unused = 64 - self.bits;
        Some(if self.signed {
            (value << unused) >> unused
        } else {
            ((value as u64) << unused >> unused) as i64
        })
    }

    fn max(self) -> i64 {
        let value_bits = if self.signed { self.bits - 1 } else { self.bits };
        ((1u64 << value_bits) - 1) as i64
    }

    fn min(self) -> i64 {
        if self.signed { -self.max() - 1 } else { 0 }
    }

    fn fit_unsigned(self, base: u64, increment: i64) -> Fit {
        let max = self.max() as u64;
        if base > max || (increment > 0 && increment as u64 > max - base) {
            Fit::Above
        } else if increment < 0 && increment.unsigned_abs() > base {
            Fit::Below
        } else {
            Fit::Inside
        }
    }

    fn fit_signed(self, base: i64, increment: i64) -> Fit {
        // The room to both ends is 64-bit arithmetic that wraps around: Redis answers so, and a SET of a number near
        // i64::MIN into a narrow field counts as above its range there.
        let (min, max) = (self.min(), self.max());
        let narrow = self.bits < 64;
        let above = max.wrapping_sub(base);
        let below = min.wrapping_sub(base);
        if base > max || ((narrow || (base >= 0 && increment > 0)) && increment > above) {
            Fit::Above
        } else if base < min || ((narrow || (base < 0 && increment < 0)) && increment < below) {
            Fit::Below
        } else {
            Fit::Inside
        }
    }
}

/// The 9 bytes from the one that holds bit `offset` on, at the top of 128 bits. A field starts in the first of them and
/// ends in the ninth at the latest.
fn window(bytes: &[u8], offset: u64) -> u128 {
    let first = usize::try_from(offset / 8).unwrap_or(usize::MAX);
    let tail = bytes.get(first..).unwrap_or(&[]);
    let len = tail.len().min(9);
    let mut window = [0u8; 16];
    window[..len].copy_from_slice(&tail[..len]);
    u128::from_be_bytes(window)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;
    use crate::types::bitmap;

    fn field(text: &str) -> Field {
        Field::parse(text.as_bytes()).expect("a valid type")
    }

    #[test]
    fn types_are_read_strictly() {
        for good in ["i1", "i64", "u1", "u63"] {
            assert!(Field::parse(good.as_bytes()).is_some(), "{good}");
        }
        for bad in ["", "u", "i0", "u0", "i65", "u64", "U8", "u08", "u 8", "u+8", "u-1", "8", "i8 "]
        {
            assert_eq!(Field::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn reads_and_writes_agree_with_single_bits() {
        let mut rng = Rng::seeded(11);
        for round in 0..5_000 {
            let mut bytes: Vec<u8> = (0..20).map(|_| rng.bits() as u8).collect();
            let signed = rng.below(2) == 1;
            let bits = 1 + rng.below(if signed { 64 } else { 63 }) as u32;
            let field = Field { signed, bits };
            let offset = rng.below(160 - field.bits() + 1);
            let value = rng.bits() as i64;
            let mut expected = bytes.clone();
            for bit in 0..field.bits() {
                let set = value >> (field.bits() - 1 - bit) & 1 == 1;
                bitmap::put(&mut expected, offset + bit, set);
            }
            field.write(&mut bytes, offset, value);
            assert_eq!(bytes, expected, "round {round}");
            let back = field.add(value, 0, Overflow::Wrap);
            assert_eq!(Some(field.read(&bytes, offset)), back, "round {round}");
        }
    }

    #[test]
    fn beyond_the_end_are_zeros() {
        assert_eq!(field("u8").read(b"\xff", 4), 0xf0);
        assert_eq!(field("i8").read(b"\xff", 4), -16);
        assert_eq!(field("i64").read(b"", 0), 0);
        assert_eq!(field("u63").read(b"abc", u64::MAX), 0);
    }

    #[test]
    fn overflow_follows_redis() {
        // Recorded from Redis 7.0: type, base, increment, then the results of WRAP, SAT and FAIL.
        let check = |text: &str, base, increment, wrap, saturate, fail| {
            let field = field(text);
            assert_eq!(field.add(base, increment, Overflow::Wrap), Some(wrap), "{text} {base}");
            assert_eq!(field.add(base, increment, Overflow::Saturate), Some(saturate), "{text}");
            assert_eq!(field.add(base, increment, Overflow::Fail), fail, "{text} {base}");
        };
        check("u2", 3, 1, 0, 3, None);
        check("u2", 0, -1, 3, 0, None);
        check("u2", 1, 2, 3, 3, Some(3));
        check("u8", -1, 0, 255, 255, None);
        check("u63", i64::MAX, 1, 0, i64::MAX, None);
        check("i8", 127, 1, -128, 127, None);
        check("i8", -128, -1, 127, -128, None);
        check("i8", -200, 0, 56, -128, None);
        check("i8", i64::MIN, 0, 0, 127, None);
        check("i8", -9223372036854775700, 0, 108, 127, None);
        check("i8", -9223372036854775600, 0, -48, -128, None);
        check("i64", i64::MAX, 1, i64::MIN, i64::MAX, None);
        check("i64", i64::MIN, -1, i64::MAX, i64::MIN, None);
        check("i64", i64::MIN, i64::MAX, -1, -1, Some(-1));
        check("i1", 0, 1, -1, 0, None);
    }
}
