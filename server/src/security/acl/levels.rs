//! What a user's clients demand of their commands unless they say otherwise: `consistency w=quorum,r=any`, which is Torc's own.
//!
//! So clients that know nothing of Torc choose by whom they log in as.

use torc_protocol::peer::request::{ReadLevel, WriteLevel};

/// See the module's description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Levels {
    /// Copies that must have a write before it is answered.
    pub write: WriteLevel,
    /// Where reads may be answered.
    pub read: ReadLevel,
}

impl Levels {
    /// The word before them.
    pub(super) const KEYWORD: &'static [u8] = b"consistency";

    /// Of `w=level`, `r=level` or both, with a comma between; what is not named is as the settings have it.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let mut levels = Levels::default();
        for part in text.split(|&byte| byte == b',') {
            match part {
                [b'w' | b'W', b'=', name @ ..] => levels.write = WriteLevel::parse(name)?,
                [b'r' | b'R', b'=', name @ ..] => levels.read = ReadLevel::parse(name)?,
                _ => return None,
            }
        }
        Some(levels)
    }

    /// As [`Levels::parse`] reads them; none where the settings count for both.
    pub fn text(self) -> Option<String> {
        let Levels { write, read } = self;
        let is_said = self != Levels::default();
        is_said.then(|| format!("w={},r={}", write.name(), read.name()))
    }
}
