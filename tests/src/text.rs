//! Commands as text: redis-cli's way of quoting, in both directions.

/// Splits a line into arguments: blanks separate, `"…"` takes `\n \r \t \a \b \\ \" \xHH`, `'…'` takes `\'`.
/// `None` if a quote is not closed or text follows one without a blank.
pub fn split(line: &str) -> Option<Vec<Vec<u8>>> {
    let mut rest = line.as_bytes();
    let mut arguments = Vec::new();
    loop {
        rest = rest.trim_ascii_start();
        let Some(&first) = rest.first() else { return Some(arguments) };
        let (argument, after) = match first {
            b'"' => double_quoted(&rest[1..])?,
            b'\'' => single_quoted(&rest[1..])?,
            _ => {
                let end = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
                (rest[..end].to_vec(), &rest[end..])
            }
        };
        if after.first().is_some_and(|byte| !byte.is_ascii_whitespace()) {
            return None;
        }
        arguments.push(argument);
        rest = after;
    }
}

fn double_quoted(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut out = Vec::new();
    loop {
        match rest {
            [b'"', after @ ..] => return Some((out, after)),
            [b'\\', b'x', high, low, after @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                let digits = std::str::from_utf8(&rest[2..4]).ok()?;
                out.push(u8::from_str_radix(digits, 16).ok()?);
                rest = after;
            }
            [b'\\', escaped, after @ ..] => {
                out.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'a' => 7,
                    b'b' => 8,
                    other => *other,
                });
                rest = after;
            }
            [byte, after @ ..] => {
                out.push(*byte);
                rest = after;
            }
            [] => return None,
        }
    }
}

fn single_quoted(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut out = Vec::new();
    loop {
        match rest {
            [b'\'', after @ ..] => return Some((out, after)),
            [b'\\', b'\'', after @ ..] => {
                out.push(b'\'');
                rest = after;
            }
            [byte, after @ ..] => {
                out.push(*byte);
                rest = after;
            }
            [] => return None,
        }
    }
}

/// `arguments` as a line that [`split`] and redis-cli read back.
pub fn join(arguments: &[Vec<u8>]) -> String {
    arguments.iter().map(|argument| quote(argument)).collect::<Vec<_>>().join(" ")
}

/// One argument, quoted where it needs to be.
pub fn quote(argument: &[u8]) -> String {
    let plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\' | b'$');
    if !argument.is_empty() && argument.iter().all(plain) {
        return String::from_utf8_lossy(argument).into_owned();
    }
    format!("\"{}\"", escape(argument))
}

/// The bytes with everything unprintable as an escape of [`split`].
pub fn escape(bytes: &[u8]) -> String {
    let mut out = String::new();
    for &byte in bytes {
        match byte {
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'"' | b'\\' => {
                out.push('\\');
                out.push(byte as char);
            }
            b' '..=b'~' => out.push(byte as char),
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out
}

/// `text` cut to about `limit` characters, with a note of how long it was.
pub fn shorten(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_string();
    }
    let head: String = text.chars().take(limit).collect();
    format!("{head}… ({} characters)", text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joining_and_splitting_are_inverse() {
        let all: Vec<u8> = (0..=255).collect();
        let arguments = vec![b"SET".to_vec(), Vec::new(), all, b"it's \"quoted\"".to_vec()];
        assert_eq!(split(&join(&arguments)), Some(arguments));
    }

    #[test]
    fn unclosed_quotes_are_refused() {
        for line in ["\"abc", "'abc", "\"a\"b", "GET \"\\"] {
            assert_eq!(split(line), None, "{line}");
        }
    }
}
