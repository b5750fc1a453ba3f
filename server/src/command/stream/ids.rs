//! Ids of entries as clients write them: `1526919030474-55`, `1526919030474`, `-`, `+`, `(5-1`, `5-*`.

use crate::types::collection::StreamId;
use torc_protocol::WireError;
use torc_protocol::number::parse_i64;

const INVALID: WireError =
    WireError::fixed("ERR Invalid stream ID specified as stream command argument");

/// Longer texts are no ids.
const TEXT_BYTES_MAX: usize = 127;

/// The id that XADD is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NewId {
    /// `*`
    Auto,
    /// `ms-*`
    AutoSequence(u64),
    /// All of it.
    Given(StreamId),
}

/// An id, or a bound: `-` and `+` stand for the least and the greatest, and a sequence that is left out for `missing`.
pub(super) fn bound(text: &[u8], missing: u64) -> Result<StreamId, WireError> {
    match text {
        b"-" => Ok(StreamId::MIN),
        b"+" => Ok(StreamId::MAX),
        text => id(text, missing),
    }
}

/// An id; without a sequence, that is `missing`.
pub(super) fn id(text: &[u8], missing: u64) -> Result<StreamId, WireError> {
    let (ms, seq) = split(text)?;
    let seq = seq.map_or(Ok(missing), number)?;
    Ok(StreamId { ms: number(ms)?, seq })
}

/// The id that XADD is given.
pub(super) fn new_id(text: &[u8]) -> Result<NewId, WireError> {
    if text == b"*" {
        return Ok(NewId::Auto);
    }
    match split(text)? {
        (ms, Some(b"*")) => Ok(NewId::AutoSequence(number(ms)?)),
        _ => Ok(NewId::Given(id(text, 0)?)),
    }
}

/// The parts of an id. A NUL byte ends it, as Redis reads it as a C string.
fn split(text: &[u8]) -> Result<(&[u8], Option<&[u8]>), WireError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(INVALID);
    }
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    match text.iter().position(|&byte| byte == b'-') {
        Some(at) => Ok((&text[..at], Some(&text[at + 1..]))),
        None => Ok((text, None)),
    }
}

/// An unsigned number, as C's `strtoull` reads it where it is no canonical one.
fn number(text: &[u8]) -> Result<u64, WireError> {
    if let Some(value) = parse_i64(text) {
        return u64::try_from(value).map_err(|_| INVALID);
    }
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let start = text.iter().position(|byte| !is_space(byte)).unwrap_or(text.len());
    let text = &text[start..];
    let (negative, digits) = match text.split_first() {
        Some((b'-', digits)) => (true, digits),
        Some((b'+', digits)) => (false, digits),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(INVALID);
    }
    let step =
        |value: u64, &digit: &u8| value.checked_mul(10)?.checked_add(u64::from(digit - b'0'));
    let value = digits.iter().try_fold(0, step).ok_or(INVALID)?;
    Ok(if negative { value.wrapping_neg() } else { value })
}

/// The ids from one bound to the other, both with them.
pub(super) fn interval(start: &[u8], end: &[u8]) -> Result<(StreamId, StreamId), WireError> {
    Ok((start_of(start)?, end_of(end)?))
}

/// Where an interval starts.
pub(super) fn start_of(text: &[u8]) -> Result<StreamId, WireError> {
    let refused = WireError::fixed("ERR invalid start ID for the interval");
    match exclusive(text) {
        Some(text) => id(text, 0)?.next().ok_or(refused),
        None => bound(text, 0),
    }
}

fn end_of(text: &[u8]) -> Result<StreamId, WireError> {
    let refused = WireError::fixed("ERR invalid end ID for the interval");
    match exclusive(text) {
        Some(text) => id(text, u64::MAX)?.previous().ok_or(refused),
        None => bound(text, u64::MAX),
    }
}

/// What follows the bracket that leaves the id itself out.
fn exclusive(text: &[u8]) -> Option<&[u8]> {
    text.strip_prefix(b"(").filter(|rest| !rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_redis_reads_them() {
        let check = |text: &str, expected: Option<(u64, u64)>| {
            let expected = expected.map(|(ms, seq)| StreamId { ms, seq });
            assert_eq!(id(text.as_bytes(), 7).ok(), expected, "{text}");
        };
        check("5-3", Some((5, 3)));
        check("5", Some((5, 7)));
        check("007-+3", Some((7, 3)));
        check("18446744073709551615-18446744073709551615", Some((u64::MAX, u64::MAX)));
        check("18446744073709551616", None);
        check("5-3\0x", Some((5, 3)));
        check(" 5-\t3", Some((5, 3)));
        // As in C, where a minus sign that is not canonical wraps around.
        check("5--03", Some((5, u64::MAX - 2)));
        for refused in ["", "-", "+", "-5", "5-", "5-3-1", "5-x", "5 ", "5--3", "5-*", "*"] {
            check(refused, None);
        }
        check(&"0".repeat(200), None);
        assert_eq!(new_id(b"5-*"), Ok(NewId::AutoSequence(5)));
        assert_eq!(new_id(b"*"), Ok(NewId::Auto));
        assert_eq!(start_of(b"(5-1"), Ok(StreamId { ms: 5, seq: 2 }));
        assert!(start_of(b"(-").is_err() && start_of(b"(").is_err());
    }
}
