//! The x87's 80-bit `long double`, which INCRBYFLOAT computes in: text in, one addition, text out.
//!
//! Redis's replies show the format: 3.0 + 0.1 is "3.1" because 64 bits of mantissa hide the error that a double's
//! 53 would print in the 17 decimals. Rust has no such type, so it is emulated here, for any processor.
//!
//! Invariant: every operation forms its exact result as up to 128 bits and a sticky lowest bit, and `rounded` alone
//! turns that into a value, to nearest with ties to even. So each operation rounds once, as the hardware does.
//!
//! It knows nothing of keys or error texts, and of arithmetic nothing but addition. Sources: Redis 7.0's `string2ld`
//! and `ld2string` in `util.c`; C11 7.22.1.3 (`strtold`); Intel's manual, volume 1, 4.2 (the format).
//!
//! ```text
//!   value = (-1)^negative * mantissa * 2^exponent
//!
//!   mantissa   63 62                              0
//!              +--+-------------------------------+
//!   normal     |1 |                               |   EXPONENT_MIN <= exponent <= EXPONENT_MAX
//!   denormal   |0 |                               |   exponent == EXPONENT_MIN; zero is one of these
//!              +--+-------------------------------+
//! ```

use num_bigint::BigUint;

/// The exponent of the smallest values. The format biases by 16383 and counts from the mantissa's top bit; here it
/// counts from the lowest, 63 places further down: -16382 - 63.
const EXPONENT_MIN: i32 = -16445;

/// The exponent of the largest values: 16383 - 63.
const EXPONENT_MAX: i32 = 16320;

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

/// A number of the x87's extended precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongDouble {
    negative: bool,
    magnitude: Magnitude,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Magnitude {
    Finite(Finite),
    Infinite,
    /// Infinity less infinity; no text reads as this.
    NotANumber,
}

/// See the module's drawing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Finite {
    mantissa: u64,
    exponent: i32,
}

const ZERO: Magnitude = Magnitude::Finite(Finite { mantissa: 0, exponent: EXPONENT_MIN });

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

    /// The sum, rounded once. Opposite infinities make NaN and a sum too large infinity, neither of which is finite.
    #[expect(
        clippy::should_implement_trait,
        reason = "one operation does not make this a type for arithmetic"
    )]
    #[must_use]
    pub fn add(self, other: LongDouble) -> LongDouble {
        match (self.magnitude, other.magnitude) {
            (Magnitude::Finite(a), Magnitude::Finite(b)) => {
                add_finite((self.negative, a), (other.negative, b))
            }
            (Magnitude::Infinite, Magnitude::Infinite) if self.negative != other.negative => {
                LongDouble { negative: false, magnitude: Magnitude::NotANumber }
            }
            (Magnitude::Infinite | Magnitude::NotANumber, Magnitude::Finite(_))
            | (Magnitude::NotANumber, _)
            | (Magnitude::Infinite, Magnitude::Infinite) => self,
            (_, Magnitude::Infinite | Magnitude::NotANumber) => other,
        }
    }

    /// Whether this is neither infinite nor NaN.
    #[must_use]
    pub fn is_finite(self) -> bool {
        matches!(self.magnitude, Magnitude::Finite(_))
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

/// Adds signed magnitudes at the larger exponent, in 128 bits.
///
/// ```text
///   127 126 125         62 61            0
///   +--+---+--------------+--------------+
///   |s | c |   mantissa   |  zeros       |   the one with the larger exponent: sign, carry
///   |s | 0 | 0 ..  mantissa  .. | sticky |   the other, moved right
///   +--+---+--------------+--------------+
/// ```
///
/// What drops out of the other's lowest bit does so only if its exponent is more than 62 less. Then the first is no
/// denormal, and the sum keeps at least 124 bits, so that the sticky bit is far below those that decide the rounding.
fn add_finite(a: (bool, Finite), b: (bool, Finite)) -> LongDouble {
    let ordered = if a.1.exponent >= b.1.exponent { (a, b) } else { (b, a) };
    let ((first_negative, first), (other_negative, other)) = ordered;
    let wide = |value: Finite| u128::from(value.mantissa) << 62;
    let signed = |negative: bool, bits: u128| if negative { -(bits as i128) } else { bits as i128 };

    let distance = first.exponent.abs_diff(other.exponent);
    let moved = wide(other).checked_shr(distance).unwrap_or(0);
    let inexact = moved.checked_shl(distance).unwrap_or(0) != wide(other);
    let sum =
        signed(first_negative, wide(first)) + signed(other_negative, moved | u128::from(inexact));
    LongDouble {
        // Equal numbers of opposite signs make a positive zero.
        negative: sum < 0 || sum == 0 && first_negative && other_negative,
        magnitude: rounded(sum.unsigned_abs(), first.exponent - 62),
    }
}

/// The value nearest to `significand * 2^exponent`, ties to even.
///
/// The lowest bit may be sticky, that is, stand for any nonzero rest below it, if `significand` has 66 bits or more.
fn rounded(significand: u128, exponent: i32) -> Magnitude {
    if significand == 0 {
        return ZERO;
    }
    // Bits to give up for a mantissa of 64, or of fewer where the exponent would be too small.
    let bits = 128 - significand.leading_zeros() as i32;
    let excess = (bits - 64).max(EXPONENT_MIN - exponent);
    let exponent = exponent + excess;
    let mantissa = if excess < 0 {
        significand << excess.unsigned_abs()
    } else {
        halved(significand, excess.unsigned_abs())
    };
    // All of 64 ones may have been rounded up to a power of two, which is one bit longer.
    let (mantissa, exponent) = match u64::try_from(mantissa) {
        Ok(mantissa) => (mantissa, exponent),
        Err(_) => (1 << 63, exponent + 1),
    };
    match mantissa {
        0 => ZERO,
        _ if exponent > EXPONENT_MAX => Magnitude::Infinite,
        _ => Magnitude::Finite(Finite { mantissa, exponent }),
    }
}

/// `value` halved this many `times`, then rounded to the nearest integer, ties to even.
fn halved(value: u128, times: u32) -> u128 {
    let Some(last) = times.checked_sub(1) else {
        return value;
    };
    let Some(half) = 1u128.checked_shl(last) else {
        // 129 times or more leave less than a half.
        return 0;
    };
    let quotient = value >> last >> 1;
    let rest = value & (half | (half - 1));
    let up = rest > half || rest == half && quotient % 2 == 1;
    quotient + u128::from(up)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_FLOAT: &str = "ERR value is not a valid float";
    const NOT_FINITE: &str = "ERR increment would produce NaN or Infinity";

    /// What redis-server 7.0.15 on x86-64 replied to `INCRBYFLOAT key b` after `SET key a`.
    #[rustfmt::skip]
    const RECORDED: &[(&str, &str, &str)] = &[
        // Everyday sums, where the 64 bits hide what 53 would show.
        ("10.50", "0.1", "10.6"),
        ("3.0", "0.1", "3.1"),
        ("5.0e3", "2.0e2", "5200"),
        ("0.1", "0.2", "0.3"),
        ("-0.1", "0.3", "0.2"),
        ("1", "0.1", "1.1"),
        ("100", "-0.01", "99.99"),
        ("3", "1.1", "4.1"),
        ("17179869184", "1.5", "17179869185.5"),
        ("9007199254740993", "0.5", "9007199254740993.5"),
        // Spellings.
        ("0", "+1", "1"),
        ("0", "1.", "1"),
        ("0", ".5", "0.5"),
        ("0", "-.5e1", "-5"),
        ("0", "1.e3", "1000"),
        ("0", "1E+2", "100"),
        ("0", "1e-00", "1"),
        ("007", "1", "8"),
        ("0", "1e0000000000000000000000005", "100000"),
        ("0", "0x10", "16"),
        ("0", "0X1.8P1", "3"),
        ("0", "0x.8", "0.5"),
        ("0", "0x1.p4", "16"),
        ("0", "-0x1e5", "-485"),
        ("0", "0x1p-3", "0.125"),
        ("0", "0x0.00000000000000000000000000000001p128", "1"),
        // Zeros and their signs.
        ("0", "-0", "0"),
        ("-0", "-0", "0"),
        ("-0.0", "0", "0"),
        ("1", "-1", "0"),
        ("0", "-1e-30", "0"),
        ("0", "0e99999999999999999999", "0"),
        ("0", "0.000e-9999999", "0"),
        ("0", "0x0p99999999999", "0"),
        ("-0.000000000000000004", "0", "0"),
        // The edge of 64 bits: exact, ties to the even neighbour, and what breaks a tie.
        ("9223372036854775807", "1", "9223372036854775808"),
        ("-9223372036854775808", "-1", "-9223372036854775809"),
        ("18446744073709551615", "0", "18446744073709551615"),
        ("18446744073709551615", "1", "18446744073709551616"),
        ("18446744073709551616", "1", "18446744073709551616"),
        ("18446744073709551618", "1", "18446744073709551620"),
        ("18446744073709551616", "1.0000001", "18446744073709551618"),
        ("18446744073709551616", "-1", "18446744073709551615"),
        ("18446744073709551616", "-0.5", "18446744073709551616"),
        ("18446744073709551616", "-0.50000000001", "18446744073709551615"),
        ("18446744073709551616", "-0.25", "18446744073709551616"),
        ("18446744073709551616", "-1e-4940", "18446744073709551616"),
        ("0", "18446744073709551617", "18446744073709551616"),
        ("0", "18446744073709551619", "18446744073709551620"),
        ("0", "18446744073709551617.00000000000000000000000000000000000001", "18446744073709551618"),
        ("0", "0x10000000000000001", "18446744073709551616"),
        ("0", "0x10000000000000003", "18446744073709551620"),
        ("0", "0x1000000000000000100000000000000000000001p-92", "18446744073709551618"),
        ("36893488147419103232", "3", "36893488147419103236"),
        ("1e30", "-1e30", "0"),
        ("1e30", "1", "1000000000000000000024696061952"),
        ("1e20", "0.1", "100000000000000000000"),
        ("-1e19", "1e19", "0"),
        // The 17 decimals: ties to even, exact values, and what is lost below them.
        ("0", "0x1p-18", "0.00000381469726562"),
        ("0", "0x3p-18", "0.00001144409179688"),
        ("1", "0x1p-18", "1.00000381469726562"),
        ("0", "0x1.8p-17", "0.00001144409179688"),
        ("0", "0.000000000000000005", "0"),
        ("0", "0.000000000000000015", "0.00000000000000002"),
        ("0", "0.1234567890123456789", "0.12345678901234568"),
        ("0", "0.99999999999999999", "0.99999999999999999"),
        ("0", "0.999999999999999999", "1"),
        ("12345678901.23456789", "0", "12345678901.23456788994371891"),
        ("0", "3.14159265358979323846264338327950288", "3.14159265358979324"),
        ("1000000000000", "0.1", "1000000000000.10000002384185791"),
        ("1e-17", "1e-17", "0.00000000000000002"),
        // Underflow: a denormal is taken, what rounds to zero is not.
        ("0", "1e-4940", "0"),
        ("0", "3.6e-4951", "0"),
        ("0", "1.83e-4951", "0"),
        ("0", "1.82e-4951", NO_FLOAT),
        ("0", "0x1.8p-16446", "0"),
        ("0", "0x1p-16446", NO_FLOAT),
        ("0", "1e-999999999", NO_FLOAT),
        ("0", "0x1p-99999999999999999999", NO_FLOAT),
        // Overflow, infinity and NaN.
        ("0", "1.18973149535723176509e4932", NO_FLOAT),
        ("1.18973149535723176502e4932", "-1.18973149535723176502e4932", "0"),
        ("1.18973149535723176502e4932", "1.18973149535723176502e4932", NOT_FINITE),
        ("1.18973149535723176502e4932", "0x1p16319", NOT_FINITE),
        ("0", "0xffffffffffffffff8p16316", NO_FLOAT),
        ("0", "1e4933", NO_FLOAT),
        ("0", "1e999999999", NO_FLOAT),
        ("0", "-1e99999999999999999999", NO_FLOAT),
        ("0", "inf", NOT_FINITE),
        ("-Infinity", "1", NOT_FINITE),
        ("INF", "-inf", NOT_FINITE),
        ("0", "nan", NO_FLOAT),
        ("nan", "1", NO_FLOAT),
        ("0", "nan(1)", NO_FLOAT),
        // What is no number.
        ("0", "", NO_FLOAT),
        ("", "1", NO_FLOAT),
        ("0", " 1", NO_FLOAT),
        ("0", "1 ", NO_FLOAT),
        ("0", "\n1", NO_FLOAT),
        ("0", "1\0", NO_FLOAT),
        ("0", "--1", NO_FLOAT),
        ("0", "+", NO_FLOAT),
        ("0", ".", NO_FLOAT),
        ("0", "e5", NO_FLOAT),
        ("0", "1e", NO_FLOAT),
        ("0", "1e+", NO_FLOAT),
        ("0", "1e5.0", NO_FLOAT),
        ("0", "1.2.3", NO_FLOAT),
        ("0", "1,5", NO_FLOAT),
        ("0", "1_0", NO_FLOAT),
        ("0", "0x", NO_FLOAT),
        ("0", "0x.", NO_FLOAT),
        ("0", "0x1p", NO_FLOAT),
        ("0", "0xg", NO_FLOAT),
        ("0", "1p5", NO_FLOAT),
        ("0", "0b1", NO_FLOAT),
        ("0", "infinit", NO_FLOAT),
        ("0", "infe5", NO_FLOAT),
        ("0", "1L", NO_FLOAT),
        ("0", "\u{663}", NO_FLOAT),
        ("abc", "1", NO_FLOAT),
    ];

    /// Replies cannot show the bits of small numbers: these are glibc's from reading the text with `%Lf` on x86-64.
    const RECORDED_BITS: &[(&str, u64, i32)] = &[
        ("1", 0x8000000000000000, -63),
        ("0.1", 0xcccccccccccccccd, -67),
        ("1e-17", 0xb877aa3236a4b449, -120),
        ("3.36210314311209350626e-4932", 0x8000000000000000, -16445),
        ("3.3621031431120935062e-4932", 0x8000000000000000, -16445),
        ("0x1p-16382", 0x8000000000000000, -16445),
        ("0x1.ffffffffffffffffp-16383", 0x8000000000000000, -16445),
        ("0x1.fffffffffffffffdp-16383", 0x7fffffffffffffff, -16445),
        ("1e-4940", 0x663278e62, -16445),
        ("3.6e-4951", 0x1, -16445),
        ("1.83e-4951", 0x1, -16445),
        ("5.4e-4951", 0x1, -16445),
        ("5.5e-4951", 0x2, -16445),
        ("0x1p-16445", 0x1, -16445),
        ("0x1.8p-16445", 0x2, -16445),
        ("0x1.7fffffffffffffffffffp-16445", 0x1, -16445),
        ("0x2.8p-16445", 0x2, -16445),
        ("1.18973149535723176502e4932", 0xffffffffffffffff, 16320),
    ];

    fn incrbyfloat(a: &str, b: &str) -> String {
        let numbers = (LongDouble::parse(a.as_bytes()), LongDouble::parse(b.as_bytes()));
        let (Some(a), Some(b)) = numbers else {
            return NO_FLOAT.to_owned();
        };
        let sum = a.add(b);
        if sum.is_finite() { sum.to_text() } else { NOT_FINITE.to_owned() }
    }

    #[test]
    fn replies_as_redis_does() {
        for &(a, b, expected) in RECORDED {
            assert_eq!(incrbyfloat(a, b), expected, "{a:?} + {b:?}");
        }
    }

    #[test]
    fn addition_commutes() {
        for &(a, b, expected) in RECORDED {
            assert_eq!(incrbyfloat(b, a), expected, "{b:?} + {a:?}");
        }
    }

    #[test]
    fn reads_the_bits_that_glibc_reads() {
        for &(text, mantissa, exponent) in RECORDED_BITS {
            let magnitude = Magnitude::Finite(Finite { mantissa, exponent });
            let expected = LongDouble { negative: false, magnitude };
            assert_eq!(LongDouble::parse(text.as_bytes()), Some(expected), "{text}");
        }
    }

    #[test]
    fn writes_the_largest_numbers_in_full() {
        let check = |b: &str, length: usize, start: &str, end: &str| {
            let text = incrbyfloat("0", b);
            assert_eq!(text.len(), length, "{b}");
            assert!(text.starts_with(start) && text.ends_with(end), "{b}: {text}");
        };
        check("1e4932", 4933, "100000000000000000000601894938", "38418113791886622720");
        check(
            "-1.18973149535723176502e4932",
            4934,
            "-11897314953572317650212638530",
            "19552086811989770240",
        );
        check(
            "0xffffffffffffffff7p16316",
            4933,
            "118973149535723176502126385303",
            "19552086811989770240",
        );
        check("1e100", 100, "999999999999999999966935353220", "24418977840117055488");
    }

    #[test]
    fn refuses_texts_that_redis_has_no_room_for() {
        assert_eq!(incrbyfloat("0", &("0".repeat(5118) + "7")), "7");
        assert_eq!(incrbyfloat("0", &("0".repeat(5119) + "7")), NO_FLOAT);
        assert_eq!(incrbyfloat("0", &format!("0.{}", "0".repeat(5117))), "0");
    }

    #[test]
    fn reads_long_texts() {
        assert_eq!(incrbyfloat("0", &format!("0.{}1", "0".repeat(5116))), NO_FLOAT);
        assert_eq!(incrbyfloat("0", &"9".repeat(4933)), NO_FLOAT);
        let sevens = "7".repeat(5100);
        assert_eq!(incrbyfloat("0", &format!("{sevens}e-5099")), "7.77777777777777778");
        assert_eq!(incrbyfloat("0", &format!("{sevens}e-5100")), "0.77777777777777778");
        let exponent = "0".repeat(5000);
        assert_eq!(incrbyfloat("0", &format!("1e{exponent}1")), "10");
    }

    #[test]
    fn writes_what_is_not_finite() {
        let parse = |text: &[u8]| LongDouble::parse(text).unwrap();
        assert_eq!(parse(b"-inf").to_text(), "-inf");
        assert_eq!(parse(b"infinity").add(parse(b"1")).to_text(), "inf");
        assert_eq!(parse(b"inf").add(parse(b"-inf")).to_text(), "nan");
    }
}
