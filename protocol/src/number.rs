//! Numbers as Redis reads and writes them.

/// Reads a 64-bit signed integer as Redis does: optional minus, no plus, no leading zeros, no spaces.
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let value = std::str::from_utf8(text).ok()?.parse::<i64>().ok()?;
    (itoa::Buffer::new().format(value).as_bytes() == text).then_some(value)
}
