//! Passwords, kept as their SHA-256 alone.
//!
//! A password that is asked for is hashed before it is compared, so that neither its length nor the place of the first wrong byte shows in the time that takes.

use sha2::{Digest as _, Sha256};
use std::fmt;

/// The SHA-256 of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash([u8; 32]);

/// Hashes are secrets too: weak passwords can be found from them.
impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash")
    }
}

impl PasswordHash {
    /// The hash of a password.
    pub fn of(password: &[u8]) -> Self {
        PasswordHash(Sha256::digest(password).into())
    }

    /// Reads 64 hexadecimal digits, lowercase as Redis has them.
    pub fn parse(digits: &[u8]) -> Option<Self> {
        let (pairs, []) = digits.as_chunks::<2>() else { return None };
        let bytes: Option<Vec<u8>> =
            pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect();
        Some(PasswordHash(bytes?.try_into().ok()?))
    }

    /// The hash as 64 hexadecimal digits.
    pub fn text(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether both are the same. Takes the same time wherever they differ.
    pub fn matches(&self, other: &PasswordHash) -> bool {
        let difference = self.0.iter().zip(&other.0).fold(0, |sum, (a, b)| sum | (a ^ b));
        std::hint::black_box(difference) == 0
    }
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_sha256_in_lowercase_digits() {
        let hash = PasswordHash::of(b"abc");
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash.text(), text);
        assert_eq!(PasswordHash::parse(text.as_bytes()), Some(hash.clone()));
        assert!(hash.matches(&PasswordHash::of(b"abc")));
        assert!(!hash.matches(&PasswordHash::of(b"abd")));
        for wrong in
            [&text[1..], &text.to_uppercase(), "", &text.replace('b', "g"), &format!("{text}00")]
        {
            assert_eq!(PasswordHash::parse(wrong.as_bytes()), None, "{wrong}");
        }
        assert!(!format!("{hash:?}").contains("ba78"));
    }
}
