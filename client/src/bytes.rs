//! Bytes that a reply held.

use std::fmt;
use std::ops::Deref;
use std::string::FromUtf8Error;

/// Bytes of a reply. Cloning one costs a count, not a copy.
///
/// A long value is a part of the buffer that it was read into and keeps that alive; a short one, which would keep far more than itself, is a copy.
///
/// ```
/// # use torc_client::Bytes;
/// let bytes = Bytes::from("42");
/// assert_eq!(&bytes[..], b"42");
/// assert_eq!(bytes.as_str(), Some("42"));
/// assert_eq!(bytes.parse::<u32>(), Some(42));
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bytes(bytes::Bytes);

/// Up to here a value is copied out of the buffer it was read into, which has 64 KiB: a slice keeps at most sixteen times its own length.
const COPIED_BYTES_MAX: usize = 4096;

impl Bytes {
    /// `part` of a read buffer.
    #[inline]
    pub(crate) fn of(buffer: &bytes::Bytes, part: &[u8]) -> Self {
        if part.len() <= COPIED_BYTES_MAX {
            Bytes(bytes::Bytes::copy_from_slice(part))
        } else {
            Bytes(buffer.slice_ref(part))
        }
    }

    /// The text that it is, or `None` if it is not UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// What the text stands for, or `None` if it stands for no such thing.
    pub fn parse<T: std::str::FromStr>(&self) -> Option<T> {
        self.as_str()?.parse().ok()
    }

    /// As a vector.
    pub fn to_vec(&self) -> Vec<u8> {
        self.0.to_vec()
    }

    /// As text.
    ///
    /// # Errors
    /// It is not UTF-8.
    pub fn into_string(self) -> Result<String, FromUtf8Error> {
        String::from_utf8(self.0.into())
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes(bytes.into())
    }
}

impl From<String> for Bytes {
    fn from(text: String) -> Self {
        Bytes(text.into())
    }
}

impl From<&str> for Bytes {
    fn from(text: &str) -> Self {
        Bytes(bytes::Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Bytes(bytes::Bytes::copy_from_slice(bytes))
    }
}

impl From<Bytes> for Vec<u8> {
    fn from(bytes: Bytes) -> Self {
        bytes.0.into()
    }
}

impl PartialEq<[u8]> for Bytes {
    fn eq(&self, other: &[u8]) -> bool {
        &self.0[..] == other
    }
}

impl PartialEq<&[u8]> for Bytes {
    fn eq(&self, other: &&[u8]) -> bool {
        &self.0[..] == *other
    }
}

impl PartialEq<str> for Bytes {
    fn eq(&self, other: &str) -> bool {
        &self.0[..] == other.as_bytes()
    }
}

impl PartialEq<&str> for Bytes {
    fn eq(&self, other: &&str) -> bool {
        &self.0[..] == other.as_bytes()
    }
}

impl<const N: usize> PartialEq<&[u8; N]> for Bytes {
    fn eq(&self, other: &&[u8; N]) -> bool {
        &self.0[..] == *other
    }
}
