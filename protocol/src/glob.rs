//! stub
/// stub
pub fn matches(pattern: &[u8], text: &[u8], _nocase: bool) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|i| matches(rest, &text[i..], false)),
        Some((b'?', rest)) => !text.is_empty() && matches(rest, &text[1..], false),
        Some((c, rest)) => text.first() == Some(c) && matches(rest, &text[1..], false),
    }
}
