//! The language of ACL SETUSER: words that change a user, and what is wrong with those that do not.
//!
//! Source: redis.io, "ACL", and the errors of Redis 7.2.

use super::levels::Levels;
use std::borrow::Cow;

/// Why a rule changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuleError {
    /// It is no rule.
    Syntax,
    /// There is no such command or category.
    Unknown,
    /// A pattern of keys where all are allowed.
    KeysBehindAll,
    /// A pattern of channels where all are allowed.
    ChannelsBehindAll,
    /// The user has no such password.
    NoSuchPassword,
    /// A hash is not one.
    BadHash,
    /// A first argument of a subcommand.
    WordOfSubcommand,
    /// The user's rules take more memory than a user may.
    TooLong,
}

impl RuleError {
    /// In Redis's words.
    pub fn text(self) -> &'static str {
        match self {
            RuleError::Syntax => "Syntax error",
            RuleError::Unknown => "Unknown command or category name in ACL",
            RuleError::KeysBehindAll => {
                "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. \
                 Try 'resetkeys' to start with an empty list of patterns"
            }
            RuleError::ChannelsBehindAll => {
                "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. \
                 Try 'resetchannels' to start with an empty list of channels"
            }
            RuleError::NoSuchPassword => {
                "The password you are trying to remove from the user does not exist"
            }
            RuleError::BadHash => {
                "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
            }
            RuleError::WordOfSubcommand => "Allowing first-arg of a subcommand is not supported",
            RuleError::TooLong => "The rules of the user are too long",
        }
    }
}

/// Joins the words of rules that were given as several: `(~a` `+get)`, `consistency` `w=2`.
///
/// # Errors
/// The word with the parenthesis that nothing closes.
pub(super) fn joined<'a>(
    mut words: impl Iterator<Item = &'a [u8]>,
) -> Result<Vec<Cow<'a, [u8]>>, &'a [u8]> {
    let mut rules = Vec::new();
    let mut open: Option<(&[u8], Vec<u8>)> = None;
    while let Some(word) = words.next() {
        match &mut open {
            Some((_, selector)) => {
                selector.push(b' ');
                selector.extend_from_slice(word);
                if word.ends_with(b")") {
                    rules.extend(open.take().map(|(_, selector)| Cow::Owned(selector)));
                }
            }
            None if word.starts_with(b"(") && !word.ends_with(b")") => {
                open = Some((word, word.to_vec()));
            }
            None if word.eq_ignore_ascii_case(Levels::KEYWORD) => {
                let levels = words.next().unwrap_or_default();
                rules.push(Cow::Owned([Levels::KEYWORD, b" ", levels].concat()));
            }
            None => rules.push(Cow::Borrowed(word)),
        }
    }
    match open {
        Some((start, _)) => Err(start),
        None => Ok(rules),
    }
}
