//! What a user may do: how it logs in, and selectors of which one must allow a command whole.
//!
//! Immutable once published: whoever checks a command holds one state of the user, and a change is another state.
//!
//! Source: redis.io, "ACL", and the replies of Redis 7.2.

use super::levels::Levels;
use super::password::PasswordHash;
use super::rules::{RuleError, joined};
use super::selector::{Denial, Selector};
use crate::base::limits::ACL_USER_BYTES_MAX;
use torc_protocol::Args;
use torc_protocol::command::CommandSpec;

/// See the module's description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    enabled: bool,
    nopass: bool,
    skips_sanitizing: bool,
    levels: Levels,
    passwords: Vec<PasswordHash>,
    root: Selector,
    further: Vec<Selector>,
}

impl Rights {
    /// Those of a new user: none. `all_channels` is `acl-pubsub-default`.
    pub fn new(all_channels: bool) -> Self {
        Rights {
            enabled: false,
            nopass: false,
            skips_sanitizing: false,
            levels: Levels::default(),
            passwords: Vec::new(),
            root: Selector::new(all_channels),
            further: Vec::new(),
        }
    }

    /// Those of the user `default` as a node starts: everything, without a password.
    pub fn unlimited() -> Self {
        let mut rights = Rights::new(true);
        for rule in [&b"on"[..], b"nopass", b"~*", b"+@all"] {
            let applied = rights.apply_one(rule, true);
            debug_assert_eq!(applied, Ok(()));
        }
        rights
    }

    /// Whether it may log in.
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Whether any password is right.
    pub fn needs_no_password(&self) -> bool {
        self.nopass
    }

    /// Whether it may do everything, so that nothing need be checked.
    pub fn is_unlimited(&self) -> bool {
        self.selectors().any(Selector::is_unlimited)
    }

    /// Its flags as ACL GETUSER shows them.
    pub fn flags(&self) -> impl Iterator<Item = &'static str> {
        let sanitizes =
            if self.skips_sanitizing { "skip-sanitize-payload" } else { "sanitize-payload" };
        let on = if self.enabled { "on" } else { "off" };
        [Some(on), self.nopass.then_some("nopass"), Some(sanitizes)].into_iter().flatten()
    }

    /// What its clients demand of their commands unless they say otherwise.
    pub fn levels(&self) -> Levels {
        self.levels
    }

    /// Its passwords.
    pub fn passwords(&self) -> &[PasswordHash] {
        &self.passwords
    }

    /// The selector that rules outside of parentheses change.
    pub fn root(&self) -> &Selector {
        &self.root
    }

    /// The selectors in parentheses.
    pub fn further(&self) -> &[Selector] {
        &self.further
    }

    fn selectors(&self) -> impl Iterator<Item = &Selector> {
        std::iter::once(&self.root).chain(&self.further)
    }

    /// Whether somebody who says `password` may log in.
    pub fn admits(&self, password: &[u8]) -> bool {
        if !self.enabled {
            return false;
        }
        // Hashed in any case and compared with all, so that time tells nothing of the user.
        let hash = PasswordHash::of(password);
        let matches = self.passwords.iter().fold(false, |any, own| any | own.matches(&hash));
        self.nopass || matches
    }

    /// Applies the words of ACL SETUSER: all of them, or none.
    ///
    /// # Errors
    /// In Redis's words, without the code.
    pub fn apply<'a>(
        &mut self,
        words: impl Iterator<Item = &'a [u8]>,
        all_channels: bool,
    ) -> Result<(), Vec<u8>> {
        let rules = joined(words).map_err(|start| {
            [b"Unmatched parenthesis in acl selector starting at '", start, b"'."].concat()
        })?;
        let mut changed = self.clone();
        for rule in &rules {
            changed.apply_one(rule, all_channels).map_err(|error| {
                let text = error.text().as_bytes();
                [b"Error in ACL SETUSER modifier '", &**rule, b"': ", text].concat()
            })?;
        }
        *self = changed;
        Ok(())
    }

    /// Applies one rule; the words of a selector are one.
    ///
    /// # Errors
    /// The rule is none, or changes nothing; the rights are as they were.
    pub fn apply_one(&mut self, rule: &[u8], all_channels: bool) -> Result<(), RuleError> {
        if self.bytes() + rule.len() > ACL_USER_BYTES_MAX {
            return Err(RuleError::TooLong);
        }
        match rule.to_ascii_lowercase().as_slice() {
            b"" => {}
            b"on" => self.enabled = true,
            b"off" => self.enabled = false,
            b"skip-sanitize-payload" => self.skips_sanitizing = true,
            b"sanitize-payload" => self.skips_sanitizing = false,
            b"nopass" => self.set_nopass(true),
            b"resetpass" => self.set_nopass(false),
            b"clearselectors" => self.further.clear(),
            b"reset" => *self = Rights::new(all_channels),
            _ => {
                return match rule {
                    [b'>', password @ ..] => self.add_password(PasswordHash::of(password)),
                    [b'#', digits @ ..] => self.add_password(parse_hash(digits)?),
                    [b'<', password @ ..] => self.remove_password(&PasswordHash::of(password)),
                    [b'!', digits @ ..] => self.remove_password(&parse_hash(digits)?),
                    _ if let Some(levels) = levels_of(rule) => {
                        self.levels = Levels::parse(levels).ok_or(RuleError::Syntax)?;
                        Ok(())
                    }
                    [b'(', inside @ .., b')'] => {
                        self.further.push(Selector::of_rules(inside, all_channels)?);
                        Ok(())
                    }
                    _ => self.root.apply(rule),
                };
            }
        }
        Ok(())
    }

    fn set_nopass(&mut self, nopass: bool) {
        self.nopass = nopass;
        self.passwords.clear();
    }

    fn add_password(&mut self, hash: PasswordHash) -> Result<(), RuleError> {
        if !self.passwords.contains(&hash) {
            self.passwords.push(hash);
        }
        self.nopass = false;
        Ok(())
    }

    fn remove_password(&mut self, hash: &PasswordHash) -> Result<(), RuleError> {
        let before = self.passwords.len();
        self.passwords.retain(|own| own != hash);
        if self.passwords.len() == before { Err(RuleError::NoSuchPassword) } else { Ok(()) }
    }

    /// What `requirepass` stands for: this password alone, or none if it is empty.
    pub fn set_password(&mut self, password: &[u8]) {
        self.set_nopass(password.is_empty());
        if !password.is_empty() {
            self.passwords.push(PasswordHash::of(password));
        }
    }

    fn bytes(&self) -> usize {
        let passwords = self.passwords.len() * size_of::<PasswordHash>();
        passwords + self.selectors().map(Selector::bytes).sum::<usize>()
    }

    /// Whether `args`, which call `spec`, may run.
    ///
    /// # Errors
    /// If no selector allows all of it: the greatest of the reasons, as in Redis.
    pub fn check(&self, spec: &CommandSpec, args: &Args<'_>) -> Result<(), Denial> {
        let mut denied = Denial::Command;
        let mut keys = None;
        for selector in self.selectors() {
            match selector.check(spec, args, &mut keys) {
                Ok(()) => return Ok(()),
                Err(denial) => denied = denied.max(denial),
            }
        }
        Err(denied)
    }

    /// Whether one selector allows the command and lets it read every key: what SORT needs to follow patterns.
    pub fn may_reading_all(&self, spec: &CommandSpec, args: &Args<'_>) -> bool {
        let mut keys = None;
        self.selectors().any(|it| it.reads_all_keys() && it.check(spec, args, &mut keys).is_ok())
    }

    /// Whether it may use all channels that it could use under the rights `before`, as far as their patterns tell.
    pub fn keeps_channels(&self, before: &Rights) -> bool {
        let has = |pattern| self.selectors().any(|it| it.channels().any(|own| own == pattern));
        self.selectors().any(Selector::has_all_channels)
            || before.selectors().all(|it| !it.has_all_channels() && it.channels().all(has))
    }

    /// Whether it may use a channel; a pattern of channels, if it is one of those allowed.
    pub fn has_channel(&self, name: &[u8], is_pattern: bool) -> bool {
        self.selectors().any(|it| it.has_channel(name, is_pattern))
    }

    /// All of it in one line, from which the same can be made again.
    pub fn describe(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for flag in self.flags() {
            out.extend_from_slice(flag.as_bytes());
            out.push(b' ');
        }
        for password in &self.passwords {
            out.push(b'#');
            out.extend_from_slice(password.text().as_bytes());
            out.push(b' ');
        }
        if let Some(levels) = self.levels.text() {
            out.extend_from_slice(&[Levels::KEYWORD, b" ", levels.as_bytes(), b" "].concat());
        }
        out.extend_from_slice(&self.describe_selectors());
        out
    }

    /// What it may do, without how it logs in: for other nodes.
    pub fn describe_selectors(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.root.describe(&mut out);
        for selector in &self.further {
            out.extend_from_slice(b" (");
            selector.describe(&mut out);
            out.push(b')');
        }
        out
    }

    /// The rights that another node describes so. It may know commands that this one does not, which nobody can run here; whatever else is not understood allows nothing.
    pub fn described(text: &[u8]) -> Self {
        let mut rights = Rights::new(false);
        let Ok(rules) = joined(text.split(|&byte| byte == b' ')) else { return rights };
        for rule in rules {
            match rights.apply_one(&rule, false) {
                Ok(()) | Err(RuleError::Unknown) => {}
                Err(_) => return Rights::new(false),
            }
        }
        rights
    }
}

/// What stands behind the word `consistency`, if the rule begins with it.
fn levels_of(rule: &[u8]) -> Option<&[u8]> {
    rule.strip_prefix(Levels::KEYWORD)?.strip_prefix(b" ")
}

fn parse_hash(digits: &[u8]) -> Result<PasswordHash, RuleError> {
    PasswordHash::parse(digits).ok_or(RuleError::BadHash)
}
