//! Libraries of functions, as FUNCTION DUMP gives them and FUNCTION RESTORE takes them.
//!
//! ```text
//! +-----+------+-----+------+- ... +-------------------+----------------------------+
//! | 245 | text | 245 | text |      | version (u16, LE) | CRC-64 of all before (LE)  |
//! +-----+------+-----+------+- ... +-------------------+----------------------------+
//! ```
//!
//! Each text is a string of the RDB format. Before Redis 7.0 was released there was another form, 246, which no release reads.

use super::string::{self, StringValue};
use super::{FOOTER_BYTES, Reader, finish};
use std::borrow::Cow;

const FUNCTIONS: u8 = 245;
const FUNCTIONS_BEFORE_RELEASE: u8 = 246;

/// Why libraries cannot be read. The texts are Redis's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFunctions {
    /// The form that no release reads.
    #[error("Pre-GA function format not supported")]
    BeforeRelease,
    /// It is a value, or nothing known.
    #[error("given type is not a function")]
    NotFunctions,
    /// A text is malformed or larger than allowed.
    #[error("Failed loading library payload")]
    Text,
}

/// The payload of these texts.
pub fn dump<'t>(texts: impl Iterator<Item = &'t [u8]>) -> Vec<u8> {
    let mut payload = Vec::new();
    for text in texts {
        payload.push(FUNCTIONS);
        string::write(&mut payload, StringValue::Bytes(Cow::Borrowed(text)));
    }
    finish(payload)
}

/// The texts in a payload that [`super::verify`] accepted; all of them together take at most `bytes_max`. Nothing follows an error.
pub fn texts(
    payload: &[u8],
    mut bytes_max: u64,
) -> impl Iterator<Item = Result<Vec<u8>, InvalidFunctions>> {
    let mut reader = Reader { rest: payload };
    let mut failed = false;
    std::iter::from_fn(move || {
        // As in Redis, a text may end within the footer.
        if failed || reader.rest.len() <= FOOTER_BYTES {
            return None;
        }
        let text = next(&mut reader, bytes_max);
        match &text {
            Ok(text) => bytes_max = bytes_max.saturating_sub(text.len() as u64),
            Err(_) => failed = true,
        }
        Some(text)
    })
}

fn next(reader: &mut Reader<'_>, bytes_max: u64) -> Result<Vec<u8>, InvalidFunctions> {
    match reader.byte().map_err(|_| InvalidFunctions::Text)? {
        FUNCTIONS => {}
        FUNCTIONS_BEFORE_RELEASE => return Err(InvalidFunctions::BeforeRelease),
        _ => return Err(InvalidFunctions::NotFunctions),
    }
    match string::read(reader, bytes_max).map_err(|_| InvalidFunctions::Text)? {
        StringValue::Bytes(text) => Ok(text.into_owned()),
        StringValue::Integer(number) => Ok(number.to_string().into_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(payload: &[u8]) -> Vec<Result<Vec<u8>, InvalidFunctions>> {
        texts(payload, 1 << 20).collect()
    }

    #[test]
    fn texts_come_back() {
        let long = b"#!lua name=x\n".repeat(50);
        let payload = dump([&b"12"[..], b"", &long].into_iter());
        super::super::verify(&payload).unwrap();
        assert_eq!(read(&payload), [Ok(b"12".to_vec()), Ok(vec![]), Ok(long.clone())]);
        assert!(payload.len() < long.len(), "compressed");
        let mut bounded = texts(&payload, 600);
        assert_eq!(bounded.nth(2), Some(Err(InvalidFunctions::Text)));
        assert_eq!(bounded.next(), None);
        assert_eq!(read(&dump(std::iter::empty())), []);
    }

    /// What Redis 7.0 dumped of a library `x` with one function.
    #[test]
    fn what_redis_dumps_is_what_is_dumped_here() {
        let text =
            b"#!lua name=x\nredis.register_function('f', function(keys, args) return 'hello' end)";
        let payload = b"\xf5@R#!lua name=x\nredis.register_function('f', function(keys, args) return 'hello' end)\n\x00Q\xb6\xdcu\x937\xac\xd2";
        assert_eq!(dump(std::iter::once(&text[..])), payload);
        assert_eq!(read(payload), [Ok(text.to_vec())]);
    }

    #[test]
    fn other_payloads_are_refused() {
        assert_eq!(read(&finish(vec![0, 1, b'a'])), [Err(InvalidFunctions::NotFunctions)]);
        assert_eq!(read(&finish(vec![246, 1, b'a'])), [Err(InvalidFunctions::BeforeRelease)]);
        assert_eq!(read(&finish(vec![245, 100, b'a'])), [Err(InvalidFunctions::Text)]);
    }
}
