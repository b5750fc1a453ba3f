//! Glob patterns, as KEYS, SCAN, CONFIG GET and the like match them.
//!
//! ```text
//! *      any run of bytes            [abc]   one of these bytes
//! ?      any one byte                [^abc]  any one byte but these
//! \\x     the byte x, unquoted        [a-z]   one byte of this range, in either order
//! ```
//!
//! Source: Redis 7.0's behaviour, oddities included: bytes are compared as signed in ranges, a class without `]` reaches to the
//! pattern's end, and an empty text matches the empty pattern alone, not even `*`. (KEYS and SCAN therefore never ask
//! about the pattern `*`.)
//!
//! **Cost** is at most the product of the two lengths, in constant space: when what follows a `*` matches nowhere, then giving
//! an earlier `*` more bytes cannot help, so only the last one is ever tried again.

/// Most `*` on the way to a match; beyond it nothing matches. Redis has this bound since its recursion was one too deep for the
/// stack; here it only keeps the same answer.
const STARS_MAX: usize = 1000;

/// Whether `text` as a whole matches `pattern`; with `nocase`, ASCII letters match in either case.
pub fn matches(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
    let mut state = State { p: 0, t: 0 };
    // Where the last `*` stands: the pattern behind it, and the text's offset that this was last tried at.
    let mut star: Option<State> = None;
    let mut stars = 0;
    loop {
        // Text and pattern are both left here, or the text never had a byte.
        if state.p < pattern.len() && state.t < text.len() {
            if pattern[state.p] == b'*' {
                state.p += leading_stars(&pattern[state.p..]);
                if state.p == pattern.len() {
                    return true;
                }
                stars += 1;
                if stars > STARS_MAX {
                    return false;
                }
                star = Some(state);
                continue;
            }
            if let Some(next) = match_one(pattern, state.p, text[state.t], nocase) {
                state = State { p: next, t: state.t + 1 };
                if state.t == text.len() {
                    state.p += leading_stars(pattern.get(state.p..).unwrap_or_default());
                }
                continue;
            }
        } else if state.p >= pattern.len() && state.t == text.len() {
            return true;
        }
        // A mismatch. What follows the last star gets its next try, one byte further, if a byte is left.
        match &mut star {
            Some(last) if last.t + 1 < text.len() => {
                last.t += 1;
                state = *last;
            }
            _ => return false,
        }
    }
}

/// Offsets into pattern and text.
#[derive(Clone, Copy)]
struct State {
    p: usize,
    t: usize,
}

fn leading_stars(pattern: &[u8]) -> usize {
    pattern.iter().take_while(|&&byte| byte == b'*').count()
}

/// Matches `byte` against the element of `pattern` at `at`, which is not `*`. Returns the offset behind the element.
fn match_one(pattern: &[u8], at: usize, byte: u8, nocase: bool) -> Option<usize> {
    match pattern[at] {
        b'?' => Some(at + 1),
        b'[' => match_class(pattern, at + 1, byte, nocase),
        b'\\' if at + 1 < pattern.len() => same(pattern[at + 1], byte, nocase).then_some(at + 2),
        literal => same(literal, byte, nocase).then_some(at + 1),
    }
}

/// Matches `byte` against the class whose `[` stands before `at`.
fn match_class(pattern: &[u8], mut at: usize, byte: u8, nocase: bool) -> Option<usize> {
    let negated = pattern.get(at) == Some(&b'^');
    at += usize::from(negated);
    let mut found = false;
    loop {
        match pattern.get(at..).unwrap_or_default() {
            [] => break,
            // An escaped byte matches in its own case alone, with `nocase` too.
            [b'\\', literal, ..] => {
                found |= *literal == byte;
                at += 2;
            }
            [b']', ..] => {
                at += 1;
                break;
            }
            [from, b'-', to, ..] => {
                found |= in_range(*from, *to, byte, nocase);
                at += 3;
            }
            [literal, ..] => {
                found |= same(*literal, byte, nocase);
                at += 1;
            }
        }
    }
    (found != negated).then_some(at)
}

/// Whether `byte` lies between `from` and `to`, in whichever order they stand. Signed, as C's `char` is on the reference's machine;
/// folded after they are ordered, as Redis does it.
fn in_range(from: u8, to: u8, byte: u8, nocase: bool) -> bool {
    let fold = |byte: i8| if nocase { (byte as u8).to_ascii_lowercase() as i8 } else { byte };
    let (from, to) = (from as i8, to as i8);
    let (low, high) = (fold(from.min(to)), fold(from.max(to)));
    (low..=high).contains(&fold(byte as i8))
}

fn same(a: u8, b: u8, nocase: bool) -> bool {
    a == b || (nocase && a.eq_ignore_ascii_case(&b))
}

#[cfg(test)]
mod tests {
    use super::matches;

    fn check(pattern: &[u8], text: &[u8], expected: bool) {
        let (p, t) = (pattern.escape_ascii(), text.escape_ascii());
        assert_eq!(matches(pattern, text, false), expected, "{p} on {t}");
    }

    #[test]
    fn stars_and_question_marks() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("a", "", false),
            ("*", "a", true),
            ("**", "abc", true),
            ("a*c", "abbc", true),
            ("a*c", "abb", false),
            ("a*b*c", "axxbxxbxxc", true),
            ("*ab", "aab", true),
            ("a*", "a", true),
            ("a***", "a", true),
            ("*a", "a", true),
            ("?", "a", true),
            ("?", "", false),
            ("??", "a", false),
            ("*?", "a", true),
            ("*??", "a", false),
            ("h?llo*", "hello world", true),
            ("*a*a*a*b", "aaaaaaaaaa", false),
        ] {
            check(pattern.as_bytes(), text.as_bytes(), expected);
        }
    }

    /// The reference's matcher looks at a pattern only while the text has bytes.
    #[test]
    fn an_empty_text_matches_no_star() {
        check(b"*", b"", false);
        check(b"**", b"", false);
    }

    #[test]
    fn classes() {
        for (pattern, text, expected) in [
            ("[abc]", "b", true),
            ("[abc]", "d", false),
            ("[^abc]", "d", true),
            ("[^abc]", "a", false),
            ("[a-c]", "b", true),
            ("[c-a]", "b", true),
            ("[a-c]x", "bx", true),
            ("[a-]", "-", false),
            ("[a-]", "^", true),
            ("[-a]", "-", true),
            ("[]", "]", false),
            ("[]a]", "a]", false),
            ("[^]", "a", true),
            ("[", "[", false),
            ("[^", "x", true),
            ("[ab", "b", true),
            ("[ab", "bc", false),
            ("[a\\]b]", "]", true),
            ("[\\", "\\", true),
            ("[a-z]*[0-9]", "key:7", true),
        ] {
            check(pattern.as_bytes(), text.as_bytes(), expected);
        }
        check(b"[\x80-\x90]", b"\x85", true);
        // Signed, 0xff comes before 1: the range holds -1, 0 and 1 alone.
        check(b"[\x01-\xff]", b"a", false);
        check(b"[\x01-\xff]", b"\x00", true);
    }

    #[test]
    fn escapes() {
        check(b"a\\*", b"a*", true);
        check(b"a\\*", b"ab", false);
        check(b"\\a", b"a", true);
        check(b"a\\", b"a\\", true);
        check(b"*\\?", b"ab?", true);
    }

    #[test]
    fn either_case() {
        assert!(matches(b"MAXMEM*", b"maxmemory", true));
        assert!(!matches(b"MAXMEM*", b"maxmemory", false));
        assert!(matches(b"[A-C]", b"b", true));
        assert!(matches(b"[a-c]", b"B", true));
        assert!(!matches(b"[\\A]", b"a", true));
        assert!(!matches(b"\xc0", b"\xe0", true));
    }

    /// Patterns like these took a recursive matcher exponential time, or its stack.
    #[test]
    fn hostile_patterns_cost_little() {
        let text = b"a".repeat(20_000);
        assert!(!matches(&[&b"*a".repeat(500)[..], b"b"].concat(), &text, false));
        assert!(!matches(&b"*?".repeat(100_000), &text, false));
        assert!(matches(&b"a*".repeat(1000), &text, false));
        // A `*` at the end needs nothing tried, so it does not count.
        assert!(matches(&b"a*".repeat(1001), &text, false));
        assert!(!matches(&b"a*".repeat(1002), &text, false));
    }
}
