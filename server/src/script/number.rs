//! Numbers as text, as C's `%.{digits}g` prints them.

use std::io::Write as _;

/// Appends `value` with at most `digits` significant digits (1 to 17), zeros at the end left out.
pub fn push_general(value: f64, digits: usize, out: &mut Vec<u8>) {
    if value.is_nan() {
        out.extend_from_slice(if value.is_sign_negative() { b"-nan" } else { b"nan" });
        return;
    }
    if value.is_infinite() {
        out.extend_from_slice(if value < 0.0 { b"-inf" } else { b"inf" });
        return;
    }
    if value.fract() == 0.0
        && value.abs() < 10f64.powi(digits.min(15) as i32)
        && !(value == 0.0 && value.is_sign_negative())
    {
        out.extend_from_slice(itoa::Buffer::new().format(value as i64).as_bytes());
        return;
    }
    let digits = digits.clamp(1, 17);
    // `d.ddde±x`: the digits, rounded as C does, and the exponent that decides the form.
    let text = format!("{value:.*e}", digits - 1);
    let Some((mantissa, exponent)) = text.split_once('e') else { return };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if exponent < -4 || exponent >= digits as i32 {
        let mantissa = trim_zeros(mantissa);
        let sign = if exponent < 0 { '-' } else { '+' };
        // Writing to a Vec cannot fail.
        let _ = write!(out, "{mantissa}e{sign}{:02}", exponent.unsigned_abs());
    } else {
        let places = (digits as i32 - 1 - exponent).max(0) as usize;
        out.extend_from_slice(trim_zeros(&format!("{value:.places$}")).as_bytes());
    }
}

fn trim_zeros(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

#[cfg(test)]
mod tests {
    use super::push_general;

    #[test]
    fn as_c_prints_them() {
        let check = |value: f64, digits: usize, expected: &str| {
            let mut out = Vec::new();
            push_general(value, digits, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        };
        check(0.1, 17, "0.10000000000000001");
        check(0.1, 14, "0.1");
        check(9_007_199_254_740_992.0, 17, "9007199254740992");
        check(1e17, 17, "1e+17");
        check(1e16, 17, "10000000000000000");
        check(1e100, 17, "1e+100");
        check(-0.5, 17, "-0.5");
        check(1e15, 14, "1e+15");
        check(0.0001, 14, "0.0001");
        check(0.00001, 14, "1e-05");
        check(-0.0, 14, "-0");
        check(f64::NAN, 14, "nan");
        check(f64::NEG_INFINITY, 14, "-inf");
        check(123_456_789.123_456_79, 14, "123456789.12346");
        check(99_999_999_999_999.9, 14, "1e+14");
        check(5.0, 1, "5");
        check(55.0, 1, "6e+01");
    }
}
