//! Integers: one spelling a value, so that text which reads as an integer can be stored as one and come back the same.

/// Digits of the longest number, `u64::MAX`.
const DIGITS_MAX: usize = 20;

/// Reads a 64-bit signed integer: decimal digits with an optional minus. No plus, no leading zeros, no `-0`, no blanks.
#[inline]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    match text {
        [b'-', digits @ ..] => {
            let magnitude = parse_u64(digits)?;
            // `-0` is not how zero is spelt. The magnitude of i64::MIN is one above i64::MAX.
            if magnitude == 0 { None } else { 0i64.checked_sub_unsigned(magnitude) }
        }
        _ => parse_u64(text).and_then(|value| i64::try_from(value).ok()),
    }
}

/// Reads a 64-bit unsigned integer: decimal digits, no sign, no leading zeros, no blanks.
#[inline]
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    let (&first, rest) = text.split_first()?;
    let mut value = digit(first)?;
    if value == 0 {
        return rest.is_empty().then_some(0);
    }
    // Nineteen digits fit for certain; only a twentieth can overflow.
    for &byte in rest.iter().take(DIGITS_MAX - 2) {
        value = value * 10 + digit(byte)?;
    }
    match rest.get(DIGITS_MAX - 2..) {
        None | Some([]) => Some(value),
        Some([last]) => value.checked_mul(10)?.checked_add(digit(*last)?),
        Some(_) => None,
    }
}

#[inline]
fn digit(byte: u8) -> Option<u64> {
    let value = byte.wrapping_sub(b'0');
    (value <= 9).then_some(u64::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_spelling_is_an_integer() {
        let check =
            |text: &str, expected| assert_eq!(parse_i64(text.as_bytes()), expected, "{text}");
        check("0", Some(0));
        check("7", Some(7));
        check("-7", Some(-7));
        check("1234567890123456789", Some(1_234_567_890_123_456_789));
        check("9223372036854775807", Some(i64::MAX));
        check("9223372036854775808", None);
        check("-9223372036854775808", Some(i64::MIN));
        check("-9223372036854775809", None);
        check("18446744073709551616", None);
        check("100000000000000000000", None);
        for bad in
            ["", "-", "+1", "01", "-0", "-01", "00", " 1", "1 ", "1a", "a", "--1", "1.0", "1\0"]
        {
            check(bad, None);
        }
    }

    #[test]
    fn every_canonical_spelling_is_an_integer() {
        let mut value = 1i64;
        while let Some(next) = value.checked_mul(3) {
            for value in [value, value - 1, -value, i64::MAX - value, i64::MIN + value] {
                assert_eq!(parse_i64(value.to_string().as_bytes()), Some(value));
            }
            value = next;
        }
    }

    #[test]
    fn unsigned_integers_reach_their_own_limit() {
        let check =
            |text: &str, expected| assert_eq!(parse_u64(text.as_bytes()), expected, "{text}");
        check("18446744073709551615", Some(u64::MAX));
        check("18446744073709551616", None);
        check("99999999999999999999", None);
        check("184467440737095516150", None);
        check("10000000000000000000", Some(10_000_000_000_000_000_000));
        check("-1", None);
        check("00", None);
    }
}
