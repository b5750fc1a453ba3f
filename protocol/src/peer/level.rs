//! How many copies writes need, and where reads may be answered: the levels of consistency, and their names.

use crate::number::parse_i64;
use std::borrow::Cow;

/// How many copies must have a write before it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WriteLevel {
    /// So many, the primary included.
    Copies(u8),
    /// A majority of the slot's nodes.
    Quorum,
    /// All of the slot's nodes.
    All,
    /// What the node that runs the command has as its setting.
    #[default]
    Setting,
}

impl WriteLevel {
    /// The level of this name, in letters of either case: `one`, a number of copies from 1 to 255, `quorum`, `all` or `default`.
    pub fn parse(name: &[u8]) -> Option<Self> {
        let is = |word: &str| name.eq_ignore_ascii_case(word.as_bytes());
        if is("one") {
            return Some(WriteLevel::Copies(1));
        } else if is("quorum") {
            return Some(WriteLevel::Quorum);
        } else if is("all") {
            return Some(WriteLevel::All);
        } else if is("default") {
            return Some(WriteLevel::Setting);
        }
        let copies = parse_i64(name).and_then(|copies| u8::try_from(copies).ok());
        copies.filter(|&copies| copies > 0).map(WriteLevel::Copies)
    }

    /// Its name, which [`WriteLevel::parse`] takes.
    pub fn name(self) -> Cow<'static, str> {
        match self {
            WriteLevel::Copies(1) => "one".into(),
            WriteLevel::Copies(copies) => copies.to_string().into(),
            WriteLevel::Quorum => "quorum".into(),
            WriteLevel::All => "all".into(),
            WriteLevel::Setting => "default".into(),
        }
    }
}

/// Where a read may be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReadLevel {
    /// What the node that runs the command has as its setting.
    #[default]
    Setting,
    /// By the acting primary.
    Primary,
    /// By any copy.
    Any,
    /// By any copy that has what the session has seen.
    Session,
    /// By the merge of a majority.
    Quorum,
}

impl ReadLevel {
    const NAMES: [(&'static str, ReadLevel); 5] = [
        ("primary", ReadLevel::Primary),
        ("any", ReadLevel::Any),
        ("session", ReadLevel::Session),
        ("quorum", ReadLevel::Quorum),
        ("default", ReadLevel::Setting),
    ];

    /// The level of this name, in letters of either case: `primary`, `any`, `session`, `quorum` or `default`.
    pub fn parse(name: &[u8]) -> Option<Self> {
        let found = Self::NAMES.iter().find(|(word, _)| name.eq_ignore_ascii_case(word.as_bytes()));
        found.map(|(_, level)| *level)
    }

    /// Its name, which [`ReadLevel::parse`] takes.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, level)| *level == self).map_or("default", |(word, _)| word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_called_what_they_are_told_by() {
        for level in [1, 2, 255].map(WriteLevel::Copies) {
            assert_eq!(WriteLevel::parse(level.name().as_bytes()), Some(level));
        }
        for name in ["one", "7", "quorum", "all", "default"] {
            let level = WriteLevel::parse(name.to_uppercase().as_bytes());
            assert_eq!(level.map(WriteLevel::name).as_deref(), Some(name));
        }
        for name in ["primary", "any", "session", "quorum", "default"] {
            let level = ReadLevel::parse(name.to_uppercase().as_bytes());
            assert_eq!(level.map(ReadLevel::name), Some(name));
        }
        for nothing in ["", "0", "256", "-1", "two", "primary"] {
            assert_eq!(WriteLevel::parse(nothing.as_bytes()), None, "{nothing}");
        }
        assert_eq!(ReadLevel::parse(b"all"), None);
    }
}
