//! Doubles: read as C's `strtod` reads them, written as C's `%.17g` writes them.
//!
//! **Decision.** Redis 7.2 writes the shortest digits that read back as the same double (`3.3`), Redis 7.0 seventeen
//! significant ones (`3.2999999999999998`). This follows 7.0, which is the reference that replies are compared with byte
//! for byte; both read back as the same value.

use std::io::Write;

/// Reads a double: decimal or hexadecimal (`0x1.8p3`), `inf` and `infinity` in any case, each with an optional sign.
///
/// `None` for NaN, blanks, anything behind the number, what is too large for a double, and what is not zero but rounds to it.
/// Subnormal results are fine. Time is linear in the text, whatever its exponent says.
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    let (negative, unsigned) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let magnitude = match unsigned {
        [b'0', b'x' | b'X', digits @ ..] => parse_hex(digits)?,
        [b'0'..=b'9' | b'.', ..] => parse_decimal(unsigned)?,
        _ if is_infinity(unsigned) => f64::INFINITY,
        _ => return None,
    };
    Some(if negative { -magnitude } else { magnitude })
}

/// Reads a double as C's `strtod` reads a C string that it must use up: blanks before the number, nothing behind it up to a NUL, nothing at all for 0. Says too
/// whether the value is in range; what is too large for a double is infinite, what is too small is 0.
///
/// Redis reads weights of SORT and bounds of scores this way. `None` for NaN and for what is no number.
pub fn parse_c_f64(text: &[u8]) -> Option<(f64, bool)> {
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Some((0.0, true));
    }
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).count();
    let number = &text[blanks..];
    if let Some(value) = parse_f64(number) {
        return Some((value, true));
    }
    let (negative, unsigned) = match number {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    // What is a number and not in range differs from one that is in its exponent, or in its length, alone.
    let magnitude = match unsigned {
        [b'0', b'x' | b'X', digits @ ..] => hex_value(digits)?,
        [b'0'..=b'9' | b'.', ..] => std::str::from_utf8(unsigned).ok()?.parse().ok()?,
        _ => return None,
    };
    Some((if negative { -magnitude } else { magnitude }, false))
}

/// Whether the text behind the sign is a spelling of infinity.
fn is_infinity(text: &[u8]) -> bool {
    text.eq_ignore_ascii_case(b"inf") || text.eq_ignore_ascii_case(b"infinity")
}

/// A decimal that begins with a digit or a dot. The standard library's grammar is then C's, and its rounding correct.
fn parse_decimal(text: &[u8]) -> Option<f64> {
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    if value.is_infinite() {
        return None;
    }
    let significand = text.split(|byte| matches!(byte, b'e' | b'E')).next().unwrap_or_default();
    let nonzero = significand.iter().any(|byte| matches!(byte, b'1'..=b'9'));
    (value != 0.0 || !nonzero).then_some(value)
}

/// What follows `0x`, if it is in range.
fn parse_hex(text: &[u8]) -> Option<f64> {
    let value = hex_value(text)?;
    let digits = text.split(|byte| matches!(byte, b'p' | b'P')).next().unwrap_or_default();
    let is_zero =
        !digits.iter().any(|byte| matches!(byte, b'1'..=b'9' | b'a'..=b'f' | b'A'..=b'F'));
    (value.is_finite() && (value != 0.0 || is_zero)).then_some(value)
}

/// What follows `0x`: hexadecimal digits with at most one dot, and an optional binary exponent.
fn hex_value(text: &[u8]) -> Option<f64> {
    // The value is (mantissa + a sticky fraction) × 2^exponent. Sixty bits are more than any double keeps.
    let mut mantissa = 0u64;
    let mut sticky = false;
    let mut exponent = 0i64;
    let (mut digits, mut dot) = (0usize, false);
    let mut rest = text;
    while let [byte, tail @ ..] = rest {
        match char::from(*byte).to_digit(16) {
            Some(digit) => {
                digits += 1;
                if mantissa >> 56 == 0 {
                    mantissa = mantissa << 4 | u64::from(digit);
                    exponent -= if dot { 4 } else { 0 };
                } else {
                    sticky |= digit != 0;
                    exponent += if dot { 0 } else { 4 };
                }
            }
            None if *byte == b'.' && !dot => dot = true,
            None => break,
        }
        rest = tail;
    }
    if digits == 0 {
        return None;
    }
    exponent = match rest {
        [] => exponent,
        [b'p' | b'P', power @ ..] => exponent.checked_add(parse_power(power)?)?,
        _ => return None,
    };
    if mantissa == 0 {
        return Some(0.0);
    }
    Some(round_binary(mantissa, sticky, exponent))
}

/// A decimal exponent with an optional sign, held within ±2^40: no text in memory is long enough to bring it back from there.
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

/// `mantissa × 2^exponent`, a little more if `sticky`, to the nearest double, ties to even. `mantissa` is not zero.
fn round_binary(mantissa: u64, sticky: bool, exponent: i64) -> f64 {
    const FRACTION_BITS: i64 = 52;
    const EXPONENT_MIN: i64 = -1074;
    let bits = 64 - i64::from(mantissa.leading_zeros());
    // The weight of the result's last bit: 53 bits kept, or as many as a subnormal has.
    let last = (exponent + bits - 1 - FRACTION_BITS).max(EXPONENT_MIN);
    let drop = last - exponent;
    let kept = if drop <= 0 {
        // At most 53 bits are left here, so nothing is lost to the left.
        mantissa << (-drop)
    } else if drop > 64 {
        0
    } else {
        let wide = u128::from(mantissa);
        let (kept, rest) = (wide >> drop, wide & ((1 << drop) - 1));
        let half = 1u128 << (drop - 1);
        let up = rest > half || (rest == half && (sticky || kept & 1 == 1));
        kept as u64 + u64::from(up)
    };
    if last > 1024 {
        return f64::INFINITY;
    }
    // `kept` has at most 53 bits or is 2^53, so the conversion and the scaling in two steps are exact, but for overflow.
    let half = (last / 2) as i32;
    kept as f64 * 2f64.powi(half) * 2f64.powi(last as i32 - half)
}

/// The text of a double, as `%.17g` writes it: at most 24 bytes, no allocation.
#[derive(Debug, Default)]
pub struct DoubleText {
    bytes: [u8; 32],
}

impl DoubleText {
    /// Room for one text.
    pub fn new() -> Self {
        DoubleText::default()
    }

    /// The text of `value`; `inf`, `-inf`, `nan` and `-0` are possible.
    pub fn format(&mut self, value: f64) -> &str {
        let len = self.write(value);
        // Everything that `write` puts there is ASCII.
        std::str::from_utf8(&self.bytes[..len]).unwrap_or_default()
    }

    /// Writes `value` and returns the length.
    fn write(&mut self, value: f64) -> usize {
        if value.is_nan() {
            return self.put(if value.is_sign_negative() { "-nan" } else { "nan" });
        }
        if value.is_infinite() {
            return self.put(if value < 0.0 { "-inf" } else { "inf" });
        }
        // Below 2^53 every integer is exact and has fewer than 17 digits; this is what most scores are. Not -0.
        if value.abs() < 9_007_199_254_740_992.0 && value.trunc() == value && value != 0.0 {
            return self.put(itoa::Buffer::new().format(value as i64));
        }
        // Sign, digit, dot, 16 digits, `e`, exponent: at most 24 bytes.
        let mut scientific = [0u8; 32];
        let mut left = &mut scientific[..];
        if write!(left, "{value:.16e}").is_err() {
            return 0;
        }
        let len = 32 - left.len();
        self.arrange(&scientific[..len])
    }

    fn put(&mut self, text: &str) -> usize {
        self.bytes[..text.len()].copy_from_slice(text.as_bytes());
        text.len()
    }

    /// Turns `[-]d.dddddddddddddddde[-]x` into what `%g` makes of it: plain for exponents from -4 to 16, no trailing zeros.
    fn arrange(&mut self, scientific: &[u8]) -> usize {
        let (negative, text) = match scientific {
            [b'-', text @ ..] => (true, text),
            text => (false, text),
        };
        let mut digits = [0u8; 17];
        digits[0] = text[0];
        digits[1..].copy_from_slice(&text[2..18]);
        let exponent = parse_power(&text[19..]).unwrap_or(0);
        let significant =
            digits.iter().rposition(|&digit| digit != b'0').map_or(1, |last| last + 1);
        let mut left = &mut self.bytes[..];
        let mut push = |bytes: &[u8]| left.write_all(bytes).unwrap_or_default();
        if negative {
            push(b"-");
        }
        if (-4..0).contains(&exponent) {
            push(b"0.");
            push(&b"000"[..(-exponent - 1) as usize]);
            push(&digits[..significant]);
        } else if (0..17).contains(&exponent) {
            let whole = exponent as usize + 1;
            push(&digits[..whole]);
            if significant > whole {
                push(b".");
                push(&digits[whole..significant]);
            }
        } else {
            push(&digits[..1]);
            if significant > 1 {
                push(b".");
                push(&digits[1..significant]);
            }
            push(if exponent < 0 { b"e-" } else { b"e+" });
            if exponent.abs() < 10 {
                push(b"0");
            }
            push(itoa::Buffer::new().format(exponent.abs()).as_bytes());
        }
        32 - left.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_read_as_redis_reads_scores() {
        let check = |text: &str, expected: f64| {
            let value = parse_f64(text.as_bytes());
            assert_eq!(value.map(f64::to_bits), Some(expected.to_bits()), "{text}: {value:?}");
        };
        check("0", 0.0);
        check("-0", -0.0);
        check("+1", 1.0);
        check("1e5", 1e5);
        check("1E+5", 1e5);
        check(".5", 0.5);
        check("5.", 5.0);
        check("-5.e1", -50.0);
        check("007", 7.0);
        check("1e308", 1e308);
        check("1e-310", 1e-310);
        check("2.5e-324", 5e-324);
        check("0e-999", 0.0);
        check("0.000e999999999999999999999999", 0.0);
        check("inf", f64::INFINITY);
        check("-INF", f64::NEG_INFINITY);
        check("+infinity", f64::INFINITY);
        check("9007199254740993", 9007199254740992.0);
        check("0x1p3", 8.0);
        check("0X.8", 0.5);
        check("-0x1.8P-1", -0.75);
        check("0x1.fffffffffffff7p0", 1.9999999999999998);
        check("0x1.fffffffffffff8p0", 2.0);
        check("0x1.00000000000008p0", 1.0);
        check("0x1.000000000000080000000000000000001p0", 1.0000000000000002);
        check("0x1p-1074", 5e-324);
        check("0x1.8p-1075", 5e-324);
        check("0x1.fffffffffffffp1023", f64::MAX);
        check("0x.0000000000000000000000000000001p124", 1.0);
        check("0x0p99999999999999999999", 0.0);
    }

    #[test]
    fn what_is_no_double_is_refused() {
        for bad in [
            "",
            ".",
            "-",
            "+",
            "e5",
            "1e",
            "1e+",
            " 1",
            "1 ",
            "1\0",
            "1,5",
            "1_0",
            "--1",
            "0x",
            "0x.",
            "0x1p",
            "0x1p+",
            "0x1g",
            "0x1.2.3",
            "nan",
            "-nan",
            "NAN(1)",
            "in",
            "infinit",
            "infinityx",
            "1e400",
            "-1e400",
            "1e-400",
            "2.4e-324",
            "0x1p-1075",
            "0x1p1024",
            "0x1.fffffffffffff8p1023",
            "0x1p99999999999999999999",
            "0x1p-99999999999999999999",
        ] {
            assert_eq!(parse_f64(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn c_strings_are_read_as_c_reads_them() {
        let check = |text: &str, expected: Option<(f64, bool)>| {
            assert_eq!(parse_c_f64(text.as_bytes()), expected, "{text:?}");
        };
        check("", Some((0.0, true)));
        check("\0junk", Some((0.0, true)));
        check("10", Some((10.0, true)));
        check(" \t7", Some((7.0, true)));
        check("1\0junk", Some((1.0, true)));
        check("0x10", Some((16.0, true)));
        check("-inf", Some((f64::NEG_INFINITY, true)));
        check("1e999", Some((f64::INFINITY, false)));
        check("-1e999", Some((f64::NEG_INFINITY, false)));
        check("1e-999", Some((0.0, false)));
        check("0x1p9999", Some((f64::INFINITY, false)));
        check("0x0p9999", Some((0.0, true)));
        for bad in [" ", "7 ", "nan", "x", "1e999x", "0x", "0x1p9999x", "-", "--1"] {
            check(bad, None);
        }
    }

    #[test]
    fn doubles_are_written_as_c_writes_them() {
        let check = |value: f64, expected: &str| {
            assert_eq!(DoubleText::new().format(value), expected);
        };
        check(0.0, "0");
        check(-0.0, "-0");
        check(1.0, "1");
        check(-1.0, "-1");
        check(0.1, "0.10000000000000001");
        check(3.3, "3.2999999999999998");
        check(1.5, "1.5");
        check(0.0001, "0.0001");
        check(1e-05, "1.0000000000000001e-05");
        check(123456789.125, "123456789.125");
        check(1e+16, "10000000000000000");
        check(1e+17, "1e+17");
        check(1e+18, "1e+18");
        check(9007199254740992.0, "9007199254740992");
        check(2.7021597764222976e+16, "27021597764222976");
        check(1.2345678901234568e+16, "12345678901234568");
        check(1.0000076293945312, "1.0000076293945312");
        check(1.0000228881835938, "1.0000228881835938");
        check(5e-324, "4.9406564584124654e-324");
        check(2.2250738585072014e-308, "2.2250738585072014e-308");
        check(1.7976931348623157e+308, "1.7976931348623157e+308");
        check(-2.5e-07, "-2.4999999999999999e-07");
        check(0.00012345, "0.00012344999999999999");
        check(1e+100, "1e+100");
        check(1e-100, "1e-100");
        check(9.999999999999998e+16, "99999999999999984");
        check(0.9999999999999999, "0.99999999999999989");
        check(100.0, "100");
        check(1e+22, "1e+22");
        check(0.3333333333333333, "0.33333333333333331");
        check(f64::INFINITY, "inf");
        check(f64::NEG_INFINITY, "-inf");
        check(f64::NAN, "nan");
    }

    #[test]
    fn seventeen_digits_read_back_as_the_same_double() {
        let mut bits = 1u64;
        for _ in 0..20_000 {
            bits = bits.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let value = f64::from_bits(bits);
            if value.is_finite() {
                let mut text = DoubleText::new();
                let back = parse_f64(text.format(value).as_bytes());
                assert_eq!(back.map(f64::to_bits), Some(bits), "{bits:x}");
            }
        }
    }
}
