//! A [`LongDouble`] from text and to text, as `strtold` and `%.17Lf` do it.
//!
//! Exact: a text becomes an integer and a power of ten or two, of which only the leading bits and whether anything is below them count.

use super::{Finite, LongDouble, Magnitude, ZERO, halved, rounded};
use num_bigint::BigUint;

/// Redis's `MAX_LONG_DOUBLE_CHARS`, the buffer that a text and its terminating NUL must fit in.
const TEXT_BUFFER_BYTES: usize = 5 * 1024;

/// Where a written exponent saturates. A text of [`TEXT_BUFFER_BYTES`] holds 20,480 binary places at most, so an
/// exponent beyond this is out of range whatever the digits are, and sums with it stay far from i32's ends.
const WRITTEN_EXPONENT_MAX: i32 = 1_000_000;

/// A decimal number at or above ten to this is infinite: the largest finite value is 1.19e4932.
const INFINITE_FROM: i32 = 4933;

/// A decimal number below ten to this is zero: half of the smallest value above zero is 1.82e-4951.
const ZERO_BELOW: i32 = -4951;

/// How many decimals a text has before its trailing zeros go, and ten to their power.
const DECIMALS: usize = 17;
const DECIMALS_SCALE: u128 = 10u128.pow(DECIMALS as u32);

impl LongDouble {
    /// Reads `text` as Redis does: what `strtold` takes in the C locale, if that is all of it.
    ///
    /// Decimal and hexadecimal numbers and `inf` or `infinity` in any case are taken. `None` for anything else: white
    /// space anywhere, NaN, an empty text or one of 5120 bytes and more, a number too large for the format, and one
    /// that rounds to zero but is not zero. A denormal is taken: `strtold` reports ERANGE for it, but Redis heeds that
    /// only beside an infinity or a zero.
    ///
    /// Quadratic in the length of `text`, which is bounded; a large exponent adds a bounded cost.
    pub fn parse(text: &[u8]) -> Option<LongDouble> {
        if text.len() >= TEXT_BUFFER_BYTES {
            return None;
        }
        let (negative, unsigned) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        if unsigned.eq_ignore_ascii_case(b"inf") || unsigned.eq_ignore_ascii_case(b"infinity") {
            return Some(LongDouble { negative, magnitude: Magnitude::Infinite });
        }
        let (radix, number) = match unsigned {
            [b'0', b'x' | b'X', rest @ ..] => (&HEXADECIMAL, rest),
            _ => (&DECIMAL, unsigned),
        };
        let written = Written::scan(number, radix)?;
        if written.digits.is_empty() {
            return Some(LongDouble { negative, magnitude: ZERO });
        }
        let magnitude = (radix.value)(&written);
        // What Redis makes of ERANGE.
        let in_range = magnitude != ZERO && magnitude != Magnitude::Infinite;
        in_range.then_some(LongDouble { negative, magnitude })
    }

    /// The text that Redis stores and replies: 17 decimals, rounded from the exact value to nearest with ties to even
    /// as `%.17Lf` does, without trailing zeros, a trailing point, or the sign of "-0". At most 4,934 bytes.
    #[must_use]
    pub fn to_text(self) -> String {
        let text = match self.magnitude {
            Magnitude::Finite(value) => value.to_text(),
            Magnitude::Infinite => "inf".to_owned(),
            Magnitude::NotANumber => "nan".to_owned(),
        };
        if self.negative && text != "0" { format!("-{text}") } else { text }
    }
}

impl Finite {
    fn to_text(self) -> String {
        if self.exponent >= 0 {
            return (BigUint::from(self.mantissa) << self.exponent).to_string();
        }
        // 64 bits and the scale's 57 fit.
        let scaled = u128::from(self.mantissa) * DECIMALS_SCALE;
        let scaled = halved(scaled, self.exponent.unsigned_abs());
        let (units, decimals) = (scaled / DECIMALS_SCALE, scaled % DECIMALS_SCALE);
        if decimals == 0 {
            return units.to_string();
        }
        let text = format!("{units}.{decimals:0DECIMALS$}");
        text.trim_end_matches('0').to_owned()
    }
}

/// A notation of `strtold`'s.
struct Radix {
    base: u32,
    /// The letter, in lower case, that the written exponent follows.
    mark: u8,
    /// What one digit is worth in the written exponent.
    places: i32,
    /// The rounded value of a text that has digits.
    value: fn(&Written) -> Magnitude,
}

const DECIMAL: Radix = Radix { base: 10, mark: b'e', places: 1, value: decimal };
const HEXADECIMAL: Radix = Radix { base: 16, mark: b'p', places: 4, value: hexadecimal };

/// A number as its text gives it: `digits` as an integer, times ten or two to the `exponent`.
struct Written {
    /// Values, not characters; the first is not 0, so zero has none.
    digits: Vec<u8>,
    exponent: i32,
}

impl Written {
    /// Reads digits, of which there is at least one, with at most one point among or around them, and an exponent if
    /// its mark follows. `None` unless that is all of `text`.
    fn scan(text: &[u8], radix: &Radix) -> Option<Written> {
        let mut written = Written { digits: Vec::with_capacity(text.len()), exponent: 0 };
        let (mut any_digit, mut point) = (false, false);
        let mut rest = text;
        while let [byte, tail @ ..] = rest {
            match char::from(*byte).to_digit(radix.base) {
                Some(digit) => {
                    any_digit = true;
                    written.exponent -= if point { radix.places } else { 0 };
                    if digit != 0 || !written.digits.is_empty() {
                        written.digits.push(digit as u8);
                    }
                }
                None if *byte == b'.' && !point => point = true,
                None => break,
            }
            rest = tail;
        }
        match rest {
            [] => {}
            [mark, exponent @ ..] if mark.eq_ignore_ascii_case(&radix.mark) => {
                written.exponent += written_exponent(exponent)?;
            }
            _ => return None,
        }
        any_digit.then_some(written)
    }
}

/// Reads an optional sign and at least one digit, and nothing else; saturates at [`WRITTEN_EXPONENT_MAX`].
fn written_exponent(text: &[u8]) -> Option<i32> {
    let (sign, digits) = match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        _ => (1, text),
    };
    if digits.is_empty() {
        return None;
    }
    let magnitude = digits.iter().try_fold(0, |sum: i32, byte| {
        let digit = byte.is_ascii_digit().then(|| i32::from(byte - b'0'))?;
        Some((sum * 10 + digit).min(WRITTEN_EXPONENT_MAX))
    })?;
    Some(sign * magnitude)
}

fn hexadecimal(written: &Written) -> Magnitude {
    let (mut significand, mut exponent) = (0u128, written.exponent);
    for &digit in &written.digits {
        if significand >> 124 == 0 {
            significand = significand << 4 | u128::from(digit);
        } else {
            significand |= u128::from(digit != 0);
            exponent += 4;
        }
    }
    rounded(significand, exponent)
}

/// Divides or multiplies exactly. The range is known from where the first digit stands, so a hostile exponent ends
/// before an integer is built for it; those built have about 24,000 bits at most, for 5,000 digits at the lower end.
fn decimal(written: &Written) -> Magnitude {
    // The value is below ten to this, and not below a tenth of that.
    let below = written.digits.len() as i32 + written.exponent;
    if below > INFINITE_FROM {
        return Magnitude::Infinite;
    }
    if below <= ZERO_BELOW {
        return ZERO;
    }
    let digits =
        BigUint::from_radix_be(&written.digits, 10).expect("`scan` keeps digits below its base");
    // Only the five of each ten is computed with: its two moves the binary exponent.
    let fives = BigUint::from(5u8).pow(written.exponent.unsigned_abs());
    if written.exponent >= 0 {
        let (significand, dropped) = leading_bits(&(digits * fives));
        return rounded(significand, written.exponent + dropped);
    }
    // Enough bits for the quotient to have 66: a mantissa, the bit that decides its rounding, and a sticky one.
    let shift = (fives.bits() + 66).saturating_sub(digits.bits());
    let dividend = digits << shift;
    let quotient = &dividend / &fives;
    let (significand, dropped) = leading_bits(&quotient);
    let inexact = quotient * fives != dividend;
    rounded(significand | u128::from(inexact), written.exponent + dropped - shift as i32)
}

/// The upper 128 bits of `value`, the lowest of them sticky, and how many were dropped.
fn leading_bits(value: &BigUint) -> (u128, i32) {
    let dropped = value.bits().saturating_sub(128);
    let kept = value >> dropped;
    let mut words = kept.iter_u64_digits().map(u128::from);
    let (low, high) = (words.next().unwrap_or(0), words.next().unwrap_or(0));
    let inexact = value.trailing_zeros().is_some_and(|zeros| zeros < dropped);
    (high << 64 | low | u128::from(inexact), dropped as i32)
}
