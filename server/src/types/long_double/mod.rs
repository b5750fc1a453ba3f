//! The x87's 80-bit `long double`, which INCRBYFLOAT computes in: text in, one addition, text out.
//!
//! Redis's replies show the format: 3.0 + 0.1 is "3.1" because 64 bits of mantissa hide the error that a double's
//! 53 would print in the 17 decimals. Rust has no such type, so it is emulated here, for any processor.
//!
//! Invariant: every operation forms its exact result as up to 128 bits and a sticky lowest bit, and `rounded` alone
//! turns that into a value, to nearest with ties to even. So each operation rounds once, as the hardware does.
//! Here are the format and the addition; `text` reads and writes.
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

mod text;

/// The exponent of the smallest values. The format biases by 16383 and counts from the mantissa's top bit; here it
/// counts from the lowest, 63 places further down: -16382 - 63.
const EXPONENT_MIN: i32 = -16445;

/// The exponent of the largest values: 16383 - 63.
const EXPONENT_MAX: i32 = 16320;

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
mod tests;
