//! Where a reply ends, and what it says: as much of RESP as forwarding and gathering need.
//!
//! Replies come from peers, so anything may stand in them: every function answers `None` for what is no reply.
//! Source: the RESP specification (redis.io/docs/reference/protocol-spec).

use torc_protocol::number::parse_i64;
use torc_protocol::request::Span;

/// The length of the reply at the beginning of `bytes`, everything nested included; `None` if there is no whole one.
pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    let mut left = 1;
    let at = pass(bytes, &mut left)?;
    (left == 0).then_some(at)
}

/// Passes `left` values, or as many as `bytes` hold: how many bytes those are. `None` if they end within a value.
///
/// Nesting needs no stack: an aggregate only adds its elements to the count.
pub(super) fn pass(bytes: &[u8], left: &mut u64) -> Option<usize> {
    let mut at = 0;
    while *left > 0 && at < bytes.len() {
        let (kind, line, next) = line(bytes, at)?;
        at = next;
        *left -= 1;
        match kind {
            b'+' | b'-' | b':' | b'_' | b',' | b'#' | b'(' => {}
            b'$' | b'=' | b'!' => match parse_i64(line)? {
                -1 => {}
                length => {
                    let end = at.checked_add(usize::try_from(length).ok()?)?;
                    if bytes.get(end..end + 2)? != b"\r\n" {
                        return None;
                    }
                    at = end + 2;
                }
            },
            b'*' | b'~' | b'>' => match parse_i64(line)? {
                -1 => {}
                count => *left = left.checked_add(u64::try_from(count).ok()?)?,
            },
            b'%' => {
                *left = left.checked_add(u64::try_from(parse_i64(line)?).ok()?.checked_mul(2)?)?
            }
            _ => return None,
        }
    }
    Some(at)
}

/// The kind of the reply at `at`, the rest of its line, and where the next line begins.
fn line(bytes: &[u8], at: usize) -> Option<(u8, &[u8], usize)> {
    let rest = bytes.get(at..)?;
    let (&kind, text) = rest.split_first()?;
    let end = memchr::memchr(b'\r', text)?;
    if text.get(end + 1) != Some(&b'\n') {
        return None;
    }
    Some((kind, &text[..end], at + 1 + end + 2))
}

/// The replies in `bytes`, which hold nothing else, as far as they are whole.
pub(super) fn replies(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (reply, tail) = rest.split_at_checked(length(rest)?)?;
        rest = tail;
        Some(reply)
    })
}

/// The number that an integer reply holds.
pub(super) fn integer(reply: &[u8]) -> Option<i64> {
    match line(reply, 0)? {
        (b':', text, _) => parse_i64(text),
        _ => None,
    }
}

/// The string that a reply holds; `Some(None)` for null.
pub(in crate::node) fn bulk(reply: &[u8]) -> Option<Option<&[u8]>> {
    let (kind, text, at) = line(reply, 0)?;
    match kind {
        b'_' => Some(None),
        b'$' => match parse_i64(text)? {
            -1 => Some(None),
            length => {
                let length = usize::try_from(length).ok()?;
                reply.get(at..at.checked_add(length)?).map(Some)
            }
        },
        _ => None,
    }
}

/// The elements of an array, each as it stands.
pub(in crate::node) fn elements(reply: &[u8]) -> Option<Vec<&[u8]>> {
    let (kind, text, at) = line(reply, 0)?;
    let count = usize::try_from(parse_i64(text)?).ok()?;
    let found: Vec<&[u8]> = replies(reply.get(at..)?).take(count).collect();
    (kind == b'*' && found.len() == count).then_some(found)
}

/// The arguments of the request at `at`, in the form that [`push_command`] writes, and where it ends; `None` for anything else.
pub(super) fn request(bytes: &[u8], at: usize, spans: &mut Vec<Span>) -> Option<usize> {
    let (kind, count, mut at) = line(bytes, at)?;
    let count = usize::try_from(parse_i64(count)?).ok().filter(|_| kind == b'*')?;
    for _ in 0..count {
        let (kind, text, start) = line(bytes, at)?;
        let len = u32::try_from(parse_i64(text)?).ok().filter(|_| kind == b'$')?;
        at = start.checked_add(len as usize)?;
        if bytes.get(at..at + 2)? != b"\r\n" {
            return None;
        }
        spans.push(Span { start: u32::try_from(start).ok()?, len });
        at += 2;
    }
    Some(at)
}

/// Whether it is an error.
pub(super) fn is_error(reply: &[u8]) -> bool {
    matches!(reply.first(), Some(b'-' | b'!'))
}

/// Appends a command in the form in which clients send it.
pub(in crate::node) fn push_command<'a>(
    words: impl ExactSizeIterator<Item = &'a [u8]>,
    out: &mut Vec<u8>,
) {
    let mut text = itoa::Buffer::new();
    out.push(b'*');
    out.extend_from_slice(text.format(words.len()).as_bytes());
    out.extend_from_slice(b"\r\n");
    for word in words {
        out.push(b'$');
        out.extend_from_slice(text.format(word.len()).as_bytes());
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_end_where_they_end() {
        let whole: &[&[u8]] = &[
            b"+OK\r\n",
            b"-ERR x\r\n",
            b":-1\r\n",
            b"$0\r\n\r\n",
            b"$4\r\na\r\nb\r\n",
            b"$-1\r\n",
            b"*-1\r\n",
            b"*0\r\n",
            b"_\r\n",
            b"*2\r\n*1\r\n:1\r\n$1\r\na\r\n",
            b"%1\r\n+a\r\n*1\r\n_\r\n",
            b"~1\r\n#t\r\n",
            b",1.5\r\n",
            b"=5\r\ntxt:a\r\n",
            b">1\r\n+x\r\n",
        ];
        for reply in whole {
            assert_eq!(length(reply), Some(reply.len()), "{}", reply.escape_ascii());
            for cut in 0..reply.len() {
                assert_eq!(length(&reply[..cut]), None, "{}", reply[..cut].escape_ascii());
            }
        }
        assert!(replies(&whole.concat()).eq(whole.iter().copied()));
        for wrong in [
            "x\r\n",
            "$x\r\n",
            "$-2\r\n",
            "*-2\r\n",
            "%-1\r\n",
            "$1\r\nabc",
            "*9223372036854775807\r\n",
            "+a\rb\r\n",
        ] {
            assert_eq!(length(wrong.as_bytes()), None, "{wrong:?}");
        }
    }

    #[test]
    fn replies_say_what_they_hold() {
        assert_eq!((integer(b":42\r\n"), integer(b"$1\r\n1\r\n")), (Some(42), None));
        assert_eq!(bulk(b"$2\r\nab\r\n"), Some(Some(&b"ab"[..])));
        assert_eq!(
            (bulk(b"$-1\r\n"), bulk(b"_\r\n"), bulk(b":1\r\n")),
            (Some(None), Some(None), None)
        );
        assert_eq!(elements(b"*2\r\n:1\r\n$-1\r\n").unwrap(), [&b":1\r\n"[..], b"$-1\r\n"]);
        assert_eq!(elements(b"*2\r\n:1\r\n"), None);
        let mut out = Vec::new();
        push_command([&b"GET"[..], b""].into_iter(), &mut out);
        assert_eq!(out, b"*2\r\n$3\r\nGET\r\n$0\r\n\r\n");
        let mut spans = Vec::new();
        assert_eq!(request(&out, 0, &mut spans), Some(out.len()));
        assert_eq!(spans, [Span { start: 8, len: 3 }, Span { start: 17, len: 0 }]);
        for cut in 0..out.len() {
            assert_eq!(request(&out[..cut], 0, &mut spans), None);
        }
    }
}
