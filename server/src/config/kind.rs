//! Kinds of settings: how each is written, checked and rendered.
//!
//! Pure: text in, value or Redis's words for what is wrong out. The same words answer CONFIG SET, the command line and the file.

use std::fmt::Write as _;

/// Values of a choice, in the order in which an error message lists them.
pub(crate) trait Choice: Copy + Sized + 'static {
    /// Each name and what it means.
    const ALL: &'static [(&'static str, Self)];

    /// The value kept as `index` in [`Choice::ALL`]; the first for an index that no value has.
    fn at(index: u64) -> Self {
        Self::ALL.get(index as usize).unwrap_or(&Self::ALL[0]).1
    }
}

/// What a setting's text may be.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A decimal integer from `min` to `max`, in `unit` ("" for a plain count).
    Integer {
        /// Smallest value.
        min: i64,
        /// Largest value.
        max: i64,
        /// What it counts.
        unit: &'static str,
    },
    /// Bytes, with one of the units `b k kb m mb g gb` (`k` is 1000, `kb` is 1024).
    Memory {
        /// Smallest value.
        min: u64,
        /// Largest value.
        max: u64,
    },
    /// An octal number of file permissions.
    Octal {
        /// Largest value.
        max: u64,
    },
    /// `yes` or `no`.
    Boolean,
    /// One of these names, in any case.
    Choice {
        /// The name at an index of the list; `None` past its end.
        name: fn(usize) -> Option<&'static str>,
    },
    /// Any UTF-8 text.
    Text,
    /// Text with a grammar of its own.
    Special {
        /// The grammar in a few words.
        shape: &'static str,
        /// From the text in force and the new text to the canonical form of what then holds.
        parse: fn(&str, &str) -> Result<String, String>,
    },
}

/// A checked value: numbers, truth values and choices as 64 bits, the rest as canonical text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Bits(u64),
    Text(String),
}

impl Kind {
    /// Checks `text`. `current` is the text in force, which some kinds change only in part. The error is Redis's wording.
    pub(crate) fn parse(&self, current: &str, text: &str) -> Result<Value, String> {
        match *self {
            Kind::Integer { min, max, .. } => {
                let value = parse_integer(text)?;
                within(value, min, max)?;
                Ok(Value::Bits(value as u64))
            }
            Kind::Memory { min, max } => {
                let value = parse_memory(text).ok_or("argument must be a memory value")?;
                within(value, min, max)?;
                Ok(Value::Bits(value))
            }
            Kind::Octal { max } => {
                let value = u64::from_str_radix(text, 8)
                    .map_err(|_| "argument couldn't be parsed as an octal number".to_owned())?;
                if value > max {
                    return Err(format!("argument must be between 0 and {max:o} inclusive"));
                }
                Ok(Value::Bits(value))
            }
            Kind::Boolean if text.eq_ignore_ascii_case("yes") => Ok(Value::Bits(1)),
            Kind::Boolean if text.eq_ignore_ascii_case("no") => Ok(Value::Bits(0)),
            Kind::Boolean => Err("argument must be 'yes' or 'no'".to_owned()),
            Kind::Choice { name } => (0..)
                .map_while(name)
                .position(|known| known.eq_ignore_ascii_case(text))
                .map(|index| Value::Bits(index as u64))
                .ok_or_else(|| {
                    let names: Vec<_> = (0..).map_while(name).collect();
                    format!("argument(s) must be one of the following: {}", names.join(", "))
                }),
            Kind::Text => Ok(Value::Text(text.to_owned())),
            Kind::Special { parse, .. } => parse(current, text).map(Value::Text),
        }
    }

    /// The text of bits that [`Kind::parse`] made; empty for kinds that are kept as text.
    pub(crate) fn render(&self, bits: u64) -> String {
        match *self {
            Kind::Integer { .. } => (bits as i64).to_string(),
            Kind::Memory { .. } => bits.to_string(),
            Kind::Octal { .. } => format!("{bits:o}"),
            Kind::Boolean => if bits == 0 { "no" } else { "yes" }.to_owned(),
            Kind::Choice { name } => name(bits as usize).unwrap_or_default().to_owned(),
            Kind::Text | Kind::Special { .. } => String::new(),
        }
    }

    /// Whether values are kept as bits rather than text.
    pub(crate) fn is_bits(&self) -> bool {
        !matches!(self, Kind::Text | Kind::Special { .. })
    }

    /// What is legal, for `--help`, the docs and the messages at start.
    pub fn range(&self) -> String {
        match *self {
            Kind::Integer { min, max, unit } => {
                let mut text = match (min, max) {
                    (i64::MIN, i64::MAX) => "any integer".to_owned(),
                    (min, i64::MAX) => format!("an integer from {min}"),
                    (min, max) => format!("an integer from {min} to {max}"),
                };
                if !unit.is_empty() {
                    let _ = write!(text, ", in {unit}");
                }
                text
            }
            Kind::Memory { min: 0, .. } => {
                "bytes, or a number with k, kb, m, mb, g or gb".to_owned()
            }
            Kind::Memory { min, .. } => {
                format!("bytes, or a number with k, kb, m, mb, g or gb; at least {min}")
            }
            Kind::Octal { max } => format!("an octal number from 0 to {max:o}"),
            Kind::Boolean => "yes or no".to_owned(),
            Kind::Choice { name } => (0..).map_while(name).collect::<Vec<_>>().join(", "),
            Kind::Text => "text".to_owned(),
            Kind::Special { shape, .. } => shape.to_owned(),
        }
    }
}

fn within<T: PartialOrd + std::fmt::Display>(value: T, min: T, max: T) -> Result<(), String> {
    if value < min || value > max {
        return Err(format!("argument must be between {min} and {max} inclusive"));
    }
    Ok(())
}

/// Strictly decimal: no plus sign, no spaces, no leading zeros, as Redis reads integers everywhere.
fn parse_integer(text: &str) -> Result<i64, String> {
    let wrong = || "argument couldn't be parsed into an integer".to_owned();
    let value: i64 = text.parse().map_err(|_| wrong())?;
    let mut canonical = itoa::Buffer::new();
    if canonical.format(value) == text { Ok(value) } else { Err(wrong()) }
}

/// A size in bytes. No digits count as 0 and too many as the largest number, as in Redis.
pub(crate) fn parse_memory(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    let number = if number.is_empty() { 0 } else { number.parse().unwrap_or(u64::MAX) };
    Some(number.saturating_mul(factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_take_redis_units() {
        let check = |text: &str, bytes| assert_eq!(parse_memory(text), bytes, "{text}");
        check("100", Some(100));
        check("1b", Some(1));
        check("2k", Some(2000));
        check("2KB", Some(2048));
        check("3m", Some(3_000_000));
        check("3mb", Some(3 << 20));
        check("1g", Some(1_000_000_000));
        check("2Gb", Some(2 << 30));
        check("", Some(0));
        check("-1", None);
        check("1%", None);
        check("1 gb", None);
        check("99999999999999999999999", Some(u64::MAX));
    }

    #[test]
    fn wrong_values_are_refused_in_redis_words() {
        let check = |kind: Kind, text: &str, words: &str| {
            assert_eq!(kind.parse("", text), Err(words.to_owned()), "{text}");
        };
        let integer = Kind::Integer { min: -1, max: 10, unit: "" };
        check(integer, "x", "argument couldn't be parsed into an integer");
        check(integer, "", "argument couldn't be parsed into an integer");
        check(integer, "+1", "argument couldn't be parsed into an integer");
        check(integer, "01", "argument couldn't be parsed into an integer");
        check(integer, "11", "argument must be between -1 and 10 inclusive");
        check(Kind::Boolean, "true", "argument must be 'yes' or 'no'");
        check(Kind::Memory { min: 5, max: 9 }, "4", "argument must be between 5 and 9 inclusive");
        check(Kind::Octal { max: 0o777 }, "8", "argument couldn't be parsed as an octal number");
        check(Kind::Octal { max: 0o777 }, "1000", "argument must be between 0 and 777 inclusive");
    }
}
