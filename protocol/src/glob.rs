//! Glob patterns as KEYS, SCAN and CONFIG GET understand them: `*`, `?`, `[a-z]`, `[^x]` and `\` before a literal.
//!
//! Source: redis.io/commands/keys. Cost is at most the product of the two lengths: once the rest of a pattern behind one `*` fits nowhere, no
//! earlier `*` is tried longer.

/// A pattern of more stars in a row of attempts than this matches nothing, so that no client's pattern exhausts the stack.
const NESTING_MAX: usize = 1000;

/// Whether all of `text` fits `pattern`; `nocase` makes ASCII letters equal in any case.
pub fn matches(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
    fit(pattern, text, nocase, &mut false, 0)
}

/// `give_up` becomes true when the end of the text was reached behind a star, so that earlier stars need not go on.
fn fit(mut pattern: &[u8], mut text: &[u8], nocase: bool, give_up: &mut bool, nesting: usize) -> bool {
    if nesting > NESTING_MAX {
        return false;
    }
    while let (Some(&kind), Some(&byte)) = (pattern.first(), text.first()) {
        match kind {
            b'*' => {
                let stars = pattern.iter().take_while(|&&b| b == b'*').count();
                pattern = &pattern[stars..];
                if pattern.is_empty() {
                    return true;
                }
                while !text.is_empty() {
                    if fit(pattern, text, nocase, give_up, nesting + 1) {
                        return true;
                    }
                    if *give_up {
                        return false;
                    }
                    text = &text[1..];
                }
                *give_up = true;
                return false;
            }
            b'?' => {}
            b'[' => {
                let (inside, rest) = fit_class(&pattern[1..], byte, nocase);
                if !inside {
                    return false;
                }
                pattern = rest;
                text = &text[1..];
                if text.is_empty() {
                    pattern = skip_stars(pattern);
                }
                continue;
            }
            _ => {
                if kind == b'\\' && pattern.len() >= 2 {
                    pattern = &pattern[1..];
                }
                if !same(pattern[0], byte, nocase) {
                    return false;
                }
            }
        }
        pattern = &pattern[1..];
        text = &text[1..];
        if text.is_empty() {
            pattern = skip_stars(pattern);
        }
    }
    pattern.is_empty() && text.is_empty()
}

fn skip_stars(pattern: &[u8]) -> &[u8] {
    &pattern[pattern.iter().take_while(|&&b| b == b'*').count()..]
}

fn same(a: u8, b: u8, nocase: bool) -> bool {
    a == b || nocase && a.eq_ignore_ascii_case(&b)
}

/// Whether `byte` is in the class that begins behind its `[`, and the pattern behind its `]`. A class that is not closed
/// reaches to the end of the pattern.
fn fit_class(mut pattern: &[u8], byte: u8, nocase: bool) -> (bool, &[u8]) {
    let negated = pattern.first() == Some(&b'^');
    if negated {
        pattern = &pattern[1..];
    }
    let mut inside = false;
    loop {
        match *pattern {
            [] => return (inside != negated, pattern),
            [b'\\', literal, ..] => {
                // Redis compares an escaped byte as it is, even where case does not matter.
                inside |= literal == byte;
                pattern = &pattern[2..];
            }
            [b']', ..] => return (inside != negated, &pattern[1..]),
            [first, b'-', last, ..] => {
                let fold = |b: u8| if nocase { b.to_ascii_lowercase() } else { b };
                // Redis orders the two ends before it folds their case.
                let (low, high) = if first > last { (last, first) } else { (first, last) };
                inside |= (fold(low)..=fold(high)).contains(&fold(byte));
                pattern = &pattern[3..];
            }
            [single, ..] => {
                inside |= same(single, byte, nocase);
                pattern = &pattern[1..];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_as_in_redis() {
        let check = |pattern: &str, text: &str, expected| {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes(), false), expected, "{pattern} {text}");
        };
        check("*", "", false);
        check("", "", true);
        check("*", "anything", true);
        check("h?llo", "hello", true);
        check("h?llo", "hllo", false);
        check("h*llo", "heeeello", true);
        check("h[ae]llo", "hallo", true);
        check("h[ae]llo", "hillo", false);
        check("h[^e]llo", "hallo", true);
        check("h[^e]llo", "hello", false);
        check("h[a-c]llo", "hbllo", true);
        check("h[c-a]llo", "hbllo", true);
        check("h\\*llo", "h*llo", true);
        check("h\\*llo", "hello", false);
        check("[abc", "a", true);
        check("a**", "a", true);
        check("a\\", "a\\", true);
        check("[\\]]", "]", true);
        check("*a*b", "xaxxb", true);
        check("*a*b", "xaxxc", false);
    }

    #[test]
    fn case_matters_only_where_asked() {
        assert!(matches(b"MAX*", b"maxmemory", true));
        assert!(!matches(b"MAX*", b"maxmemory", false));
        assert!(matches(b"[A-C]x", b"bX", true));
    }

    #[test]
    fn hostile_patterns_end_soon() {
        let pattern = b"*a".repeat(50_000);
        assert!(!matches(&pattern, &b"a".repeat(20_000), false));
        assert!(!matches(b"a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", &b"a".repeat(10_000), false));
    }
}
