//! Recorded from redis-server 7.0.15 and glibc.

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
