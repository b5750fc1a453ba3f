//! The text of a library, and its first line: `#!lua name=…`.

use super::{NAME_RULE, is_name};
use torc_protocol::request::words;

/// The only engine.
const ENGINE: &str = "lua";

/// The text of a library whose first line makes sense.
#[derive(Debug, Clone)]
pub struct Source {
    name: String,
    text: Box<[u8]>,
    /// Where its code begins: at the first line's end, so that the numbers of lines stay.
    code: usize,
}

impl Source {
    /// Reads the first line of `text`.
    ///
    /// # Errors
    /// The message of the error, without its code.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        const INVALID: &str = "Invalid library metadata";
        if !text.starts_with(b"#!") {
            return Err("Missing library metadata".into());
        }
        // As in C, where a text ends at its first NUL.
        let end = match memchr::memchr2(b'\n', 0, text) {
            Some(end) if text[end] == b'\n' => end,
            _ => return Err(INVALID.into()),
        };
        let words = words(&text[..end]).ok_or(INVALID)?;
        let Some((engine, further)) = words.split_first() else { return Err(INVALID.into()) };
        let mut name = None;
        for word in further {
            match word.split_at_checked(b"name=".len()) {
                Some((key, value)) if key.eq_ignore_ascii_case(b"name=") => {
                    if name.replace(value).is_some() {
                        let said = "Invalid metadata value, name argument was given multiple times";
                        return Err(said.into());
                    }
                }
                _ => {
                    let word = String::from_utf8_lossy(word);
                    return Err(format!("Invalid metadata value given: {word}"));
                }
            }
        }
        let name = name.ok_or("Library name was not given")?;
        if !is_name(name) {
            return Err(NAME_RULE.into());
        }
        let engine = String::from_utf8_lossy(engine.get(2..).unwrap_or_default());
        if !engine.eq_ignore_ascii_case(ENGINE) {
            return Err(format!("Engine '{engine}' not found"));
        }
        // Checked to be ASCII above.
        let name = String::from_utf8_lossy(name).into_owned();
        Ok(Source { name, text: text.into(), code: end })
    }

    /// The library's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole text.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// What the interpreter is given.
    pub(in crate::script) fn code(&self) -> &[u8] {
        &self.text[self.code..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_lines() {
        let check = |text: &str, expected: Result<&str, &str>| {
            let found = Source::parse(text.as_bytes());
            let found = found.as_ref().map(Source::name).map_err(String::as_str);
            assert_eq!(found, expected, "{text}");
        };
        check("#!lua name=x_1\nreturn", Ok("x_1"));
        check("#!LUA   NAME=x\n", Ok("x"));
        check("#!lua name=\"x\"\n", Ok("x"));
        check("return 1", Err("Missing library metadata"));
        check("#!lua name=x", Err("Invalid library metadata"));
        check("#!lua name=x\0\n", Err("Invalid library metadata"));
        check("#!lua name=\"x\n", Err("Invalid library metadata"));
        check("#!lua\n", Err("Library name was not given"));
        check("#!lua nam\n", Err("Invalid metadata value given: nam"));
        check("#!lua foo=bar\n", Err("Invalid metadata value given: foo=bar"));
        let twice = "Invalid metadata value, name argument was given multiple times";
        check("#!lua name=x name=y\n", Err(twice));
        check("#!lua name=\n", Err(NAME_RULE));
        check("#!lua name=a-b\n", Err(NAME_RULE));
        check("#!js name=x\n", Err("Engine 'js' not found"));
        check("#! name=x\n", Err("Engine '' not found"));
        let source = Source::parse(b"#!lua name=x\nreturn 1").unwrap();
        assert_eq!(source.code(), b"\nreturn 1");
    }
}
