//! The 80-bit `long double` of x87, as INCRBYFLOAT and HINCRBYFLOAT use it.
//!
//! Redis adds `long double`s, and on x86-64 those have 64 bits of mantissa and an exponent from -16382 to 16383. Their sums show in
//! replies (`0.1 + 0.2` is `0.3`, not `0.30000000000000004`), so no other type will do, and Rust has none like it.
//! This reads, adds and writes them with every step rounded once, to nearest, ties to even, as the processor and
//! the C library do; the reference's replies are the source of each rule.
//!
//! **Cost** is bounded for any text: it is shorter than [`TEXT_BYTES_MAX`], and exponents out of range are settled before any
//! power of ten is computed. Usual numbers (up to 19 digits, up to 18 of them behind the
//! point) take 128-bit arithmetic alone.

use num_bigint::BigUint;

/// Length of text from which on it is refused unread, as Redis does.
pub const TEXT_BYTES_MAX: usize = 5 * 1024;

/// Weight of the last bit of the smallest number above zero, and of all that are subnormal.
const EXPONENT_MIN: i64 = -16_445;
/// Weight of the last bit of the largest numbers: 16,383 less the 63 bits behind the first.
const EXPONENT_MAX: i64 = 16_320;
/// A decimal of this many places before the point, leading zeros not counted, may fit: the largest number is 1.19e4932.
const DECIMAL_PLACES_MAX: i64 = 4_933;
/// A decimal whose first digit stands this far behind the point is zero: the smallest number is 3.6e-4951.
const DECIMAL_PLACES_MIN: i64 = -4_952;
/// Digits behind the point that a number is written with.
const FRACTION_DIGITS: u32 = 17;

/// A number or an infinity; never NaN, but for what [`LongDouble::add`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LongDouble {
    negative: bool,
    magnitude: Magnitude,
}

/// Without the sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Magnitude {
    /// `mantissa × 2^exponent`, the mantissa's top bit set unless `exponent` is [`EXPONENT_MIN`]. Zero has that exponent.
    Finite { mantissa: u64, exponent: i32 },
    /// An infinity, or the NaN that comes of adding two that differ.
    Infinite,
}

impl LongDouble {
    /// Reads what C's `strtold` reads, as far as Redis lets it: a decimal, a hexadecimal or an infinity, without blanks.
    ///
    /// `None` for NaN, for anything else behind the number, for text of [`TEXT_BYTES_MAX`] bytes or more, and for what is too
    /// large, or is not zero but rounds to it.
    pub fn parse(text: &[u8]) -> Option<LongDouble> {
        if text.len() >= TEXT_BYTES_MAX {
            return None;
        }
        let (negative, unsigned) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let magnitude = if unsigned.eq_ignore_ascii_case(b"inf")
            || unsigned.eq_ignore_ascii_case(b"infinity")
        {
            Magnitude::Infinite
        } else {
            let magnitude = match unsigned {
                [b'0', b'x' | b'X', digits @ ..] => parse_hex(digits)?,
                _ => parse_decimal(unsigned)?,
            };
            if magnitude == Magnitude::Infinite {
                return None;
            }
            magnitude
        };
        Some(LongDouble { negative, magnitude })
    }

    /// Whether this is neither an infinity nor NaN.
    pub fn is_finite(self) -> bool {
        self.magnitude != Magnitude::Infinite
    }

    /// The sum, rounded once. Infinite if it is too large, if either is infinite, and if both are and it would be NaN.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "an operator would hide that it rounds")]
    pub fn add(self, other: LongDouble) -> LongDouble {
        let infinite = |negative| LongDouble { negative, magnitude: Magnitude::Infinite };
        let Magnitude::Finite { mantissa: a, exponent: a_exponent } = self.magnitude else {
            return infinite(self.negative);
        };
        let Magnitude::Finite { mantissa: b, exponent: b_exponent } = other.magnitude else {
            return infinite(other.negative);
        };
        // The larger comes first: both are normalised alike, so exponent and mantissa order them.
        if (a_exponent, a) < (b_exponent, b) {
            return other.add(self);
        }
        // 63 more bits behind the larger's last one; the smaller's bits beyond those only leave a mark in `sticky`.
        let distance = a_exponent.abs_diff(b_exponent);
        let large = u128::from(a) << 63;
        let wide = u128::from(b) << 63;
        let small = wide.checked_shr(distance).unwrap_or(0);
        let sticky = small.checked_shl(distance) != Some(wide) && b != 0;
        let sum = if self.negative == other.negative {
            large + small
        } else {
            // What the mark stands for lies below the last bit: borrow one, and the rest is a mark again.
            large - small - u128::from(sticky)
        };
        if sum == 0 {
            let negative = self.negative && other.negative;
            return LongDouble { negative, magnitude: ZERO };
        }
        let magnitude = round(sum, sticky, i64::from(a_exponent) - 63);
        LongDouble { negative: self.negative, magnitude }
    }

    /// The text that Redis stores and replies: 17 digits behind the point, trailing zeros cut, and never `-0`.
    pub fn to_text(self) -> String {
        let Magnitude::Finite { mantissa, exponent } = self.magnitude else {
            return if self.negative { "-inf".to_owned() } else { "inf".to_owned() };
        };
        let digits = match u32::try_from(exponent) {
            Ok(shift) if shift <= 64 => (u128::from(mantissa) << shift).to_string(),
            Ok(shift) => (BigUint::from(mantissa) << shift).to_string(),
            Err(_) => fraction_text(mantissa, exponent.unsigned_abs()),
        };
        if self.negative && digits != "0" { format!("-{digits}") } else { digits }
    }
}

const ZERO: Magnitude = Magnitude::Finite { mantissa: 0, exponent: EXPONENT_MIN as i32 };

/// `mantissa / 2^shift` with at most 17 digits behind the point.
fn fraction_text(mantissa: u64, shift: u32) -> String {
    const SCALE: u128 = 10u128.pow(FRACTION_DIGITS);
    // Below 2^64 × 2^57.
    let scaled = u128::from(mantissa) * SCALE;
    let units = if shift >= 128 { 0 } else { shift_right_to_even(scaled, shift, false) };
    let (whole, fraction) = (units / SCALE, units % SCALE);
    if fraction == 0 {
        return whole.to_string();
    }
    let text = format!("{whole}.{fraction:017}");
    text.trim_end_matches('0').to_owned()
}

/// `value / 2^shift` to the nearest integer, ties to even; `sticky` says that the value is a little more. `shift` is below 128.
fn shift_right_to_even(value: u128, shift: u32, sticky: bool) -> u128 {
    if shift == 0 {
        return value;
    }
    let kept = value >> shift;
    let rest = value & ((1 << shift) - 1);
    let half = 1u128 << (shift - 1);
    let up = rest > half || (rest == half && (sticky || kept & 1 == 1));
    kept + u128::from(up)
}

/// `value × 2^exponent`, and a little more if `sticky`, as the nearest number there is. `value` is not zero; with `sticky` it has more
/// than 64 bits.
fn round(value: u128, sticky: bool, exponent: i64) -> Magnitude {
    let bits = 128 - i64::from(value.leading_zeros());
    // The weight of the last bit: 64 are kept, fewer of a subnormal number.
    let mut last = (exponent + bits - 64).max(EXPONENT_MIN);
    let drop = last - exponent;
    let mut mantissa = if drop >= 128 {
        // The value is less than half of the smallest number.
        0
    } else if drop >= 0 {
        shift_right_to_even(value, drop as u32, sticky)
    } else {
        // At most 64 bits are in use after this.
        value << -drop
    };
    if mantissa >> 64 != 0 {
        // Rounding up carried to 2^64.
        mantissa >>= 1;
        last += 1;
    }
    if mantissa == 0 {
        return ZERO;
    }
    if last > EXPONENT_MAX {
        return Magnitude::Infinite;
    }
    // Both fit: see above.
    Magnitude::Finite { mantissa: mantissa as u64, exponent: last as i32 }
}

/// As [`round`], for a value of any size.
fn round_big(value: &BigUint, sticky: bool, exponent: i64) -> Magnitude {
    let shift = value.bits().saturating_sub(128);
    let lost = value.trailing_zeros().unwrap_or(0) < shift;
    let top = (value >> shift)
        .iter_u64_digits()
        .rev()
        .fold(0, |top: u128, digit| top << 64 | u128::from(digit));
    round(top, sticky || lost, exponent + shift as i64)
}

/// An unsigned decimal: digits with at most one point, and an exponent. Infinite if it is too large.
fn parse_decimal(text: &[u8]) -> Option<Magnitude> {
    let end = text.iter().position(|byte| matches!(byte, b'e' | b'E')).unwrap_or(text.len());
    let point = text[..end].iter().position(|&byte| byte == b'.').unwrap_or(end);
    let behind = text.get(point + 1..end).unwrap_or_default();
    let all: Vec<u8> = [&text[..point], behind].concat();
    if all.is_empty() || !all.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let exponent = match text.get(end + 1..) {
        None => 0,
        Some(power) => parse_power(power)?,
    } - behind.len() as i64;
    let Some(first) = all.iter().position(|&byte| byte != b'0') else { return Some(ZERO) };
    let last = all.iter().rposition(|&byte| byte != b'0').unwrap_or(first);
    let exponent = exponent + (all.len() - 1 - last) as i64;
    let digits = &all[first..=last];
    let places = digits.len() as i64 + exponent;
    if places > DECIMAL_PLACES_MAX {
        return Some(Magnitude::Infinite);
    }
    let magnitude = if places < DECIMAL_PLACES_MIN { ZERO } else { scale(digits, exponent) };
    (magnitude != ZERO).then_some(magnitude)
}

/// The decimal `digits` (the first and the last not 0) times `10^exponent`.
fn scale(digits: &[u8], exponent: i64) -> Magnitude {
    // Below 10^4 places each way, and 5,120 digits.
    let power = exponent.unsigned_abs() as u32;
    if digits.len() <= 19 && power <= 18 {
        let value = digits.iter().fold(0u64, |value, digit| value * 10 + u64::from(digit - b'0'));
        let power = 10u128.pow(power);
        if exponent >= 0 {
            return round(u128::from(value) * power, false, 0);
        }
        // With the top bit set, the quotient by less than 2^60 has more than 67 bits.
        let shift = u128::from(value).leading_zeros();
        let value = u128::from(value) << shift;
        return round(value / power, value % power != 0, -i64::from(shift));
    }
    let value = BigUint::parse_bytes(digits, 10).unwrap_or_default();
    let power = BigUint::from(10u8).pow(power);
    if exponent >= 0 {
        return round_big(&(value * power), false, 0);
    }
    // A quotient of 66 bits or more is what rounding needs.
    let shift = (power.bits() + 67).saturating_sub(value.bits());
    let value = value << shift;
    let quotient = &value / &power;
    let sticky = &quotient * &power != value;
    round_big(&quotient, sticky, -(shift as i64))
}

/// What follows `0x`: hexadecimal digits with at most one point, and a binary exponent. Infinite if it is too large.
fn parse_hex(text: &[u8]) -> Option<Magnitude> {
    let end = text.iter().position(|byte| matches!(byte, b'p' | b'P')).unwrap_or(text.len());
    let power = match text.get(end + 1..) {
        None => 0,
        Some(power) => parse_power(power)?,
    };
    let (mut mantissa, mut sticky) = (0u128, false);
    let (mut digits, mut exponent, mut point) = (0, power, false);
    for &byte in &text[..end] {
        match char::from(byte).to_digit(16) {
            // Up to 124 bits are kept; of the rest only whether there are any matters.
            Some(digit) => {
                digits += 1;
                let room = mantissa >> 120 == 0;
                if room {
                    mantissa = mantissa << 4 | u128::from(digit);
                } else {
                    sticky |= digit != 0;
                }
                exponent += match (room, point) {
                    (true, true) => -4,
                    (false, false) => 4,
                    _ => 0,
                };
            }
            None if byte == b'.' && !point => point = true,
            None => return None,
        }
    }
    if digits == 0 {
        return None;
    }
    if mantissa == 0 {
        return Some(ZERO);
    }
    let magnitude = round(mantissa, sticky, exponent);
    (magnitude != ZERO).then_some(magnitude)
}

/// An exponent with an optional sign, held within ±2^40, from where the longest text cannot bring it back.
fn parse_power(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let add = |value: i64, digit: &u8| (value * 10 + i64::from(digit - b'0')).min(1 << 40);
    let value = digits.iter().fold(0, add);
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests;
