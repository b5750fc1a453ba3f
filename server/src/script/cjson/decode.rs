//! Reading JSON.

use super::{DEPTH_MAX, Settings, Trouble, only_text};
use crate::script::{failed, succeeded};
use mlua::{Lua, MultiValue, Value};

/// `cjson.decode`
pub fn decode(lua: &Lua, words: &MultiValue, settings: Settings) -> mlua::Result<MultiValue> {
    let text = match only_text(words) {
        Ok(text) => text,
        Err(message) => return failed(lua, &message),
    };
    // In UTF-16 and UTF-32 one of the first two bytes is zero, for the first character is ASCII.
    if text.len() >= 2 && (text[0] == 0 || text[1] == 0) {
        return failed(lua, "JSON parser does not support UTF-16 or UTF-32");
    }
    let mut parser = Parser { lua, text: &text, at: 0, settings };
    let parsed = parser.token().and_then(|token| {
        let value = parser.value(token, 0)?;
        let end = parser.token()?;
        if matches!(end.kind, Kind::End) {
            Ok(value)
        } else {
            Err(parser.unexpected("the end", &end))
        }
    });
    match parsed {
        Ok(value) => Ok(succeeded([value])),
        Err(Trouble::Said(message)) => failed(lua, &message),
        Err(Trouble::Lua(error)) => Err(error),
    }
}

struct Parser<'a> {
    lua: &'a Lua,
    text: &'a [u8],
    at: usize,
    settings: Settings,
}

struct Token {
    kind: Kind,
    /// Where it begins.
    at: usize,
}

enum Kind {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    Text(Vec<u8>),
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    Wrong(&'static str),
}

impl Kind {
    fn name(&self) -> &'static str {
        match self {
            Kind::ObjectBegin => "T_OBJ_BEGIN",
            Kind::ObjectEnd => "T_OBJ_END",
            Kind::ArrayBegin => "T_ARR_BEGIN",
            Kind::ArrayEnd => "T_ARR_END",
            Kind::Text(_) => "T_STRING",
            Kind::Number(_) => "T_NUMBER",
            Kind::Boolean(_) => "T_BOOLEAN",
            Kind::Null => "T_NULL",
            Kind::Colon => "T_COLON",
            Kind::Comma => "T_COMMA",
            Kind::End => "T_END",
            Kind::Wrong(why) => why,
        }
    }
}

impl Parser<'_> {
    fn unexpected(&self, expected: &str, token: &Token) -> Trouble {
        let (found, place) = (token.kind.name(), token.at + 1);
        Trouble::Said(format!("Expected {expected} but found {found} at character {place}"))
    }

    fn value(&mut self, token: Token, depth: i64) -> Result<Value, Trouble> {
        Ok(match token.kind {
            Kind::Text(text) => Value::String(self.lua.create_string(text)?),
            Kind::Number(number) => Value::Number(number),
            Kind::Boolean(value) => Value::Boolean(value),
            Kind::Null => Value::NULL,
            Kind::ObjectBegin => self.object(depth + 1)?,
            Kind::ArrayBegin => self.array(depth + 1)?,
            _ => return Err(self.unexpected("value", &token)),
        })
    }

    fn check_depth(&self, depth: i64) -> Result<(), Trouble> {
        if depth <= self.settings.decode_depth.min(DEPTH_MAX) {
            return Ok(());
        }
        let at = self.at;
        Err(Trouble::Said(format!(
            "Found too many nested data structures ({depth}) at character {at}"
        )))
    }

    fn object(&mut self, depth: i64) -> Result<Value, Trouble> {
        self.check_depth(depth)?;
        let table = self.lua.create_table()?;
        let mut token = self.token()?;
        if matches!(token.kind, Kind::ObjectEnd) {
            return Ok(Value::Table(table));
        }
        loop {
            let Kind::Text(key) = token.kind else {
                return Err(self.unexpected("object key string", &token));
            };
            let colon = self.token()?;
            if !matches!(colon.kind, Kind::Colon) {
                return Err(self.unexpected("colon", &colon));
            }
            let first = self.token()?;
            let value = self.value(first, depth)?;
            table.raw_set(self.lua.create_string(key)?, value)?;
            token = self.token()?;
            match token.kind {
                Kind::ObjectEnd => return Ok(Value::Table(table)),
                Kind::Comma => token = self.token()?,
                _ => return Err(self.unexpected("comma or object end", &token)),
            }
        }
    }

    fn array(&mut self, depth: i64) -> Result<Value, Trouble> {
        self.check_depth(depth)?;
        let table = self.lua.create_table()?;
        let mut token = self.token()?;
        if matches!(token.kind, Kind::ArrayEnd) {
            return Ok(Value::Table(table));
        }
        for index in 1i64.. {
            let value = self.value(token, depth)?;
            table.raw_set(index, value)?;
            token = self.token()?;
            match token.kind {
                Kind::ArrayEnd => break,
                Kind::Comma => token = self.token()?,
                _ => return Err(self.unexpected("comma or array end", &token)),
            }
        }
        Ok(Value::Table(table))
    }

    // --- Tokens ------------------------------------------------------------------------------------------------------

    fn token(&mut self) -> Result<Token, Trouble> {
        let is_space = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        self.at += self.text[self.at..].iter().take_while(is_space).count();
        let at = self.at;
        let rest = &self.text[at..];
        let word = |word: &[u8], kind: Kind| rest.starts_with(word).then_some((kind, word.len()));
        let (kind, length) = match rest.first() {
            None => (Kind::End, 0),
            Some(b'{') => (Kind::ObjectBegin, 1),
            Some(b'}') => (Kind::ObjectEnd, 1),
            Some(b'[') => (Kind::ArrayBegin, 1),
            Some(b']') => (Kind::ArrayEnd, 1),
            Some(b',') => (Kind::Comma, 1),
            Some(b':') => (Kind::Colon, 1),
            Some(b'"') => return Ok(self.string()),
            Some(b'-' | b'0'..=b'9') if self.settings.decode_invalid || !is_invalid(rest) => {
                number(rest)
            }
            Some(b'-' | b'0'..=b'9') => (Kind::Wrong("invalid number"), 0),
            Some(_) => word(b"true", Kind::Boolean(true))
                .or_else(|| word(b"false", Kind::Boolean(false)))
                .or_else(|| word(b"null", Kind::Null))
                .or_else(|| {
                    (self.settings.decode_invalid && is_invalid(rest)).then(|| number(rest))
                })
                .unwrap_or((Kind::Wrong("invalid token"), 0)),
        };
        self.at += length;
        Ok(Token { kind, at })
    }

    fn string(&mut self) -> Token {
        let begin = self.at;
        let mut out = Vec::new();
        let mut at = begin + 1;
        let wrong = |why, at| Token { kind: Kind::Wrong(why), at };
        loop {
            match self.text.get(at) {
                // A NUL byte ends C strings, and so the text.
                None | Some(0) => return wrong("unexpected end of string", at),
                Some(b'"') => break,
                Some(b'\\') => {
                    let simple = match self.text.get(at + 1) {
                        Some(&same @ (b'"' | b'\\' | b'/')) => Some(same),
                        Some(b'b') => Some(0x08),
                        Some(b'f') => Some(0x0c),
                        Some(b'n') => Some(b'\n'),
                        Some(b'r') => Some(b'\r'),
                        Some(b't') => Some(b'\t'),
                        Some(b'u') => None,
                        _ => return wrong("invalid escape code", at),
                    };
                    if let Some(byte) = simple {
                        out.push(byte);
                        at += 2;
                    } else {
                        let Some(length) = push_unicode(&self.text[at..], &mut out) else {
                            return wrong("invalid unicode escape code", at);
                        };
                        at += length;
                    }
                }
                Some(&byte) => {
                    out.push(byte);
                    at += 1;
                }
            }
        }
        self.at = at + 1;
        Token { kind: Kind::Text(out), at: begin }
    }
}

/// Appends the character that `\uXXXX` stands for, or a pair of them. Returns how long that is.
fn push_unicode(text: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
        digits
            .iter()
            .try_fold(0u32, |value, &digit| Some(value << 4 | char::from(digit).to_digit(16)?))
    };
    let first = unit(0)?;
    let (code, length) = match first {
        0xd800..=0xdbff => {
            let second = unit(6).filter(|second| (0xdc00..=0xdfff).contains(second))?;
            (0x1_0000 + ((first & 0x3ff) << 10 | second & 0x3ff), 12)
        }
        0xdc00..=0xdfff => return None,
        code => (code, 6),
    };
    let mut bytes = [0; 4];
    out.extend_from_slice(char::from_u32(code)?.encode_utf8(&mut bytes).as_bytes());
    Some(length)
}

/// Whether what begins here is a number to C's `strtod`, but none of JSON.
fn is_invalid(text: &[u8]) -> bool {
    if text.first() == Some(&b'+') {
        return true;
    }
    let text = text.strip_prefix(b"-").unwrap_or(text);
    match text {
        [b'0', b'x' | b'X' | b'0'..=b'9', ..] => true,
        [..=b'9', ..] => false,
        _ => [&b"inf"[..], b"nan"]
            .iter()
            .any(|word| text.get(..3).is_some_and(|begin| begin.eq_ignore_ascii_case(word))),
    }
}

/// A number as `strtod` reads it, and its length.
fn number(text: &[u8]) -> (Kind, usize) {
    let (negative, start) = match text.first() {
        Some(b'-') => (true, 1),
        Some(b'+') => (false, 1),
        _ => (false, 0),
    };
    let rest = &text[start..];
    let signed = |value: f64| Kind::Number(if negative { -value } else { value });
    let word = |word: &[u8]| rest.get(..word.len()).is_some_and(|it| it.eq_ignore_ascii_case(word));
    if word(b"infinity") {
        return (signed(f64::INFINITY), start + 8);
    }
    if word(b"inf") {
        return (signed(f64::INFINITY), start + 3);
    }
    if word(b"nan") {
        return (signed(f64::NAN), start + 3);
    }
    let digits = |from: usize| {
        rest[from.min(rest.len())..].iter().take_while(|it| it.is_ascii_digit()).count()
    };
    if word(b"0x") {
        let hex = rest[2..].iter().map_while(|&byte| char::from(byte).to_digit(16));
        let (value, count) = hex
            .fold((0.0, 0), |(value, count), digit| (value * 16.0 + f64::from(digit), count + 1));
        // Without a digit it is the zero alone.
        return if count == 0 {
            (signed(0.0), start + 1)
        } else {
            (signed(value), start + 2 + count)
        };
    }
    let mut end = digits(0);
    if rest.get(end) == Some(&b'.') {
        end += 1 + digits(end + 1);
    }
    if !rest[..end].iter().any(u8::is_ascii_digit) {
        return (Kind::Wrong("invalid number"), 0);
    }
    if matches!(rest.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(rest.get(end + 1), Some(b'+' | b'-')));
        let count = digits(end + 1 + sign);
        if count > 0 {
            end += 1 + sign + count;
        }
    }
    let value = std::str::from_utf8(&rest[..end]).ok().and_then(|text| text.parse::<f64>().ok());
    match value {
        Some(value) => (signed(value), start + end),
        None => (Kind::Wrong("invalid number"), 0),
    }
}
