//! A selector: one set of commands, keys and channels that a user may use together.
//!
//! ```text
//!   +@read -@slow +get     rules in their order ──▶ a bit for each command       what is asked
//!   ~cache:* %R~log:*      patterns of keys, each for reading, writing or both
//!   &news:*                patterns of channels
//! ```
//!
//! The bits follow from the rules; the rules are kept because a user is shown and saved by them.
//!
//! Source: redis.io, "ACL", and the replies of Redis 7.2.

use super::rules::RuleError;
use torc_protocol::command::{
    COMMAND_COUNT, Categories, CommandId, CommandSpec, Flags, KeyFlags, KeyPositions, find_full,
    key_positions, top_level,
};
use torc_protocol::{Args, glob};

const WORDS: usize = COMMAND_COUNT.div_ceil(64);

/// A bit for each row of the command table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct CommandSet([u64; WORDS]);

impl CommandSet {
    const NONE: CommandSet = CommandSet([0; WORDS]);
    const ALL: CommandSet = CommandSet([u64::MAX; WORDS]);

    fn has(&self, id: CommandId) -> bool {
        self.0[id.index() / 64] >> (id.index() % 64) & 1 == 1
    }

    fn set(&mut self, id: CommandId, on: bool) {
        let (word, bit) = (&mut self.0[id.index() / 64], 1 << (id.index() % 64));
        if on { *word |= bit } else { *word &= !bit }
    }
}

/// What may be done with keys of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Access {
    reads: bool,
    writes: bool,
}

impl Access {
    /// What a command needs that does this with a key.
    fn needed(flags: KeyFlags) -> Access {
        let changes = KeyFlags::INSERT.union(KeyFlags::DELETE).union(KeyFlags::UPDATE);
        Access { reads: flags.intersects(KeyFlags::ACCESS), writes: flags.intersects(changes) }
    }

    fn covers(self, needed: Access) -> bool {
        (self.reads || !needed.reads) && (self.writes || !needed.writes)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct KeyPattern {
    access: Access,
    pattern: Box<[u8]>,
}

impl KeyPattern {
    fn describe(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(match self.access {
            Access { reads: true, writes: false } => b"%R~",
            Access { reads: false, writes: true } => b"%W~",
            _ => b"~",
        });
        out.extend_from_slice(&self.pattern);
    }
}

/// Why something may not be done, and which argument is to blame. Where selectors differ, the greatest is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Denial {
    /// The command.
    Command,
    /// The key that is this argument.
    Key(usize),
    /// The channel that is this argument.
    Channel(usize),
}

/// See the module's description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    commands: CommandSet,
    /// The rules begin with `+@all`.
    from_all: bool,
    /// No command was taken back since.
    all_commands: bool,
    all_keys: bool,
    all_channels: bool,
    /// Behind `+@all` or `-@all`: whether each adds, and what, in lowercase.
    rules: Vec<(bool, Box<[u8]>)>,
    /// Commands that are allowed with these first arguments alone.
    first_words: Vec<(CommandId, Box<[u8]>)>,
    keys: Vec<KeyPattern>,
    channels: Vec<Box<[u8]>>,
}

/// The keys of a request, looked for once for all selectors.
pub(super) type FoundKeys = Option<KeyPositions>;

impl Selector {
    /// Nothing is allowed, but for all channels where `acl-pubsub-default` says so.
    pub(super) fn new(all_channels: bool) -> Self {
        Selector {
            commands: CommandSet::NONE,
            from_all: false,
            all_commands: false,
            all_keys: false,
            all_channels,
            rules: Vec::new(),
            first_words: Vec::new(),
            keys: Vec::new(),
            channels: Vec::new(),
        }
    }

    /// A selector of the rules within `(…)`.
    pub(super) fn of_rules(inside: &[u8], all_channels: bool) -> Result<Self, RuleError> {
        let mut selector = Selector::new(all_channels);
        // Quotes are letters like others, so that whatever is shown of a selector can be set again.
        let rules = inside.split(|&byte| is_blank(byte)).filter(|rule| !rule.is_empty());
        rules.into_iter().try_for_each(|rule| selector.apply(rule))?;
        Ok(selector)
    }

    /// Whether everything is allowed.
    pub(super) fn is_unlimited(&self) -> bool {
        self.all_commands && self.all_keys && self.all_channels
    }

    /// Changes the selector by one rule.
    ///
    /// # Errors
    /// The rule is none, or changes nothing; the selector is as it was.
    pub(super) fn apply(&mut self, rule: &[u8]) -> Result<(), RuleError> {
        match rule.to_ascii_lowercase().as_slice() {
            b"allkeys" | b"~*" => self.set_keys(true),
            b"resetkeys" => self.set_keys(false),
            b"allchannels" | b"&*" => self.set_channels(true),
            b"resetchannels" => self.set_channels(false),
            b"allcommands" | b"+@all" => self.set_commands(true),
            b"nocommands" | b"-@all" => self.set_commands(false),
            _ => {
                return match rule {
                    [b'~', pattern @ ..] => {
                        self.add_keys(Access { reads: true, writes: true }, pattern)
                    }
                    [b'%', rest @ ..] => self.add_keys_for(rest),
                    [b'&', pattern @ ..] => self.add_channels(pattern),
                    [b'+', b'@', category @ ..] => self.set_category(category, true),
                    [b'-', b'@', category @ ..] => self.set_category(category, false),
                    [b'+', name @ ..] => self.allow(name),
                    [b'-', name @ ..] => self.set_command(name, false),
                    _ => Err(RuleError::Syntax),
                };
            }
        }
        Ok(())
    }

    fn set_keys(&mut self, all: bool) {
        self.all_keys = all;
        self.keys.clear();
    }

    fn set_channels(&mut self, all: bool) {
        self.all_channels = all;
        self.channels.clear();
    }

    fn set_commands(&mut self, all: bool) {
        self.commands = if all { CommandSet::ALL } else { CommandSet::NONE };
        (self.from_all, self.all_commands) = (all, all);
        self.rules.clear();
        self.first_words.clear();
    }

    /// `R~…`, `W~…` or `RW~…`.
    fn add_keys_for(&mut self, rest: &[u8]) -> Result<(), RuleError> {
        // Without a tilde it is the empty pattern, as in Redis.
        let tilde = memchr::memchr(b'~', rest).unwrap_or(rest.len());
        let mut access = Access::default();
        for letter in &rest[..tilde] {
            let told = match letter.to_ascii_uppercase() {
                b'R' => &mut access.reads,
                b'W' => &mut access.writes,
                _ => return Err(RuleError::Syntax),
            };
            if std::mem::replace(told, true) {
                return Err(RuleError::Syntax);
            }
        }
        // Neither: such a pattern could not be shown.
        if access == Access::default() {
            return Err(RuleError::Syntax);
        }
        self.add_keys(access, rest.get(tilde + 1..).unwrap_or_default())
    }

    fn add_keys(&mut self, access: Access, pattern: &[u8]) -> Result<(), RuleError> {
        if self.all_keys {
            return Err(RuleError::KeysBehindAll);
        }
        if has_blank(pattern) {
            return Err(RuleError::Syntax);
        }
        match self.keys.iter_mut().find(|known| *known.pattern == *pattern) {
            Some(known) => {
                known.access.reads |= access.reads;
                known.access.writes |= access.writes;
            }
            None => self.keys.push(KeyPattern { access, pattern: pattern.into() }),
        }
        Ok(())
    }

    fn add_channels(&mut self, pattern: &[u8]) -> Result<(), RuleError> {
        if self.all_channels {
            return Err(RuleError::ChannelsBehindAll);
        }
        if has_blank(pattern) {
            return Err(RuleError::Syntax);
        }
        if !self.channels.iter().any(|known| **known == *pattern) {
            self.channels.push(pattern.into());
        }
        Ok(())
    }

    fn set_category(&mut self, name: &[u8], on: bool) -> Result<(), RuleError> {
        let category = Categories::by_name(name).ok_or(RuleError::Unknown)?;
        self.note(&[b"@", name].concat(), on);
        for spec in top_level() {
            if spec.acl.contains(category) {
                self.set_with_subcommands(spec, on);
            }
            for subcommand in spec.subcommands() {
                if subcommand.acl.contains(category) {
                    self.set_one(subcommand, on);
                }
            }
        }
        Ok(())
    }

    fn set_command(&mut self, name: &[u8], on: bool) -> Result<(), RuleError> {
        let spec = find_full(name).ok_or(RuleError::Unknown)?;
        self.set_with_subcommands(spec, on);
        self.note(spec.full_name.as_bytes(), on);
        Ok(())
    }

    /// `+command`, `+command|subcommand` or `+command|first-argument`.
    fn allow(&mut self, name: &[u8]) -> Result<(), RuleError> {
        let Some(bar) = memchr::memrchr(b'|', name) else { return self.set_command(name, true) };
        let (container, word) = (&name[..bar], &name[bar + 1..]);
        let container = find_full(container).ok_or(RuleError::Unknown)?;
        if container.parent.is_some() {
            return Err(RuleError::WordOfSubcommand);
        }
        if word.is_empty() || has_blank(word) {
            return Err(RuleError::Syntax);
        }
        if !container.subcommands().is_empty() {
            return self.set_command(name, true);
        }
        let first_word = (container.id, word.to_ascii_lowercase().into_boxed_slice());
        if !self.first_words.contains(&first_word) {
            self.first_words.push(first_word);
        }
        self.note(name, true);
        Ok(())
    }

    fn set_with_subcommands(&mut self, spec: &CommandSpec, on: bool) {
        self.set_one(spec, on);
        spec.subcommands().iter().for_each(|subcommand| self.set_one(subcommand, on));
    }

    fn set_one(&mut self, spec: &CommandSpec, on: bool) {
        self.commands.set(spec.id, on);
        self.all_commands &= on;
        self.first_words.retain(|(id, _)| *id != spec.id);
    }

    /// Keeps a rule in place of what it makes void: itself, and rules about a command's subcommands.
    fn note(&mut self, rule: &[u8], adds: bool) {
        let rule = rule.to_ascii_lowercase();
        let is_void = |known: &[u8]| {
            known.strip_prefix(rule.as_slice()).is_some_and(|rest| matches!(rest, [] | [b'|', ..]))
        };
        self.rules.retain(|(_, known)| !is_void(known));
        self.rules.push((adds, rule.into()));
    }

    /// Whether `args`, which call `spec`, are allowed.
    pub(super) fn check(
        &self,
        spec: &CommandSpec,
        args: &Args<'_>,
        found: &mut FoundKeys,
    ) -> Result<(), Denial> {
        if !self.has_command(spec, args) {
            return Err(Denial::Command);
        }
        if !self.all_keys && spec.has_keys() {
            // Arguments that contradict the key specs name no keys, and the command refuses them.
            let keys = found.get_or_insert_with(|| key_positions(spec, args).unwrap_or_default());
            let denied = keys
                .iter()
                .find(|key| args.get(key.index).is_none_or(|name| !self.has_key(name, key.flags)));
            if let Some(key) = denied {
                return Err(Denial::Key(key.index));
            }
        }
        if !self.all_channels && spec.acl.contains(Categories::PUBSUB) {
            self.check_channels(spec, args)?;
        }
        Ok(())
    }

    fn has_command(&self, spec: &CommandSpec, args: &Args<'_>) -> bool {
        let is_first_word =
            |word: &[u8]| args.get(1).is_some_and(|arg| arg.eq_ignore_ascii_case(word));
        self.all_commands
            || spec.flags.contains(Flags::NO_AUTH)
            || self.commands.has(spec.id)
            || self.first_words.iter().any(|(id, word)| *id == spec.id && is_first_word(word))
    }

    fn has_key(&self, name: &[u8], flags: KeyFlags) -> bool {
        let needed = Access::needed(flags);
        self.keys
            .iter()
            .any(|known| known.access.covers(needed) && glob::matches(&known.pattern, name, false))
    }

    fn check_channels(&self, spec: &CommandSpec, args: &Args<'_>) -> Result<(), Denial> {
        let (last, are_patterns) = match spec.full_name {
            "publish" | "spublish" => (1, false),
            "subscribe" | "ssubscribe" => (args.len() - 1, false),
            "psubscribe" => (args.len() - 1, true),
            _ => return Ok(()),
        };
        let denied = (1..=last).find(|&index| {
            args.get(index).is_none_or(|name| !self.has_channel(name, are_patterns))
        });
        denied.map_or(Ok(()), |index| Err(Denial::Channel(index)))
    }

    /// Whether a channel may be used; a pattern of channels, only if it is the very pattern that is allowed.
    pub(super) fn has_channel(&self, name: &[u8], is_pattern: bool) -> bool {
        let fits = |known: &[u8]| match is_pattern {
            true => known == name,
            false => glob::matches(known, name, false),
        };
        self.all_channels || self.channels.iter().any(|known| fits(known))
    }

    /// Whether all keys may be read: what SORT needs to follow patterns.
    pub(super) fn reads_all_keys(&self) -> bool {
        self.all_keys || self.keys.iter().any(|known| known.access.reads && *known.pattern == *b"*")
    }

    /// Whether all channels are allowed.
    pub(super) fn has_all_channels(&self) -> bool {
        self.all_channels
    }

    /// The patterns of channels.
    pub(super) fn channels(&self) -> impl Iterator<Item = &[u8]> {
        self.channels.iter().map(|pattern| &**pattern)
    }

    /// Bytes of all patterns and rules.
    pub(super) fn bytes(&self) -> usize {
        let patterns = self.keys.iter().map(|known| &known.pattern).chain(&self.channels);
        let rules = self.rules.iter().map(|(_, rule)| rule);
        let words = self.first_words.iter().map(|(_, word)| word);
        size_of::<Self>()
            + patterns.chain(rules).chain(words).map(|text| text.len() + 32).sum::<usize>()
    }

    /// The rules about commands, as they could be set again.
    pub fn describe_commands(&self) -> Vec<u8> {
        let mut out = if self.from_all { b"+@all".to_vec() } else { b"-@all".to_vec() };
        for (adds, rule) in &self.rules {
            out.extend_from_slice(if *adds { b" +" } else { b" -" });
            out.extend_from_slice(rule);
        }
        out
    }

    /// The patterns of keys, likewise.
    pub fn describe_keys(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if self.all_keys {
            out.extend_from_slice(b"~*");
        }
        for (index, known) in self.keys.iter().enumerate() {
            if index > 0 {
                out.push(b' ');
            }
            known.describe(&mut out);
        }
        out
    }

    /// The patterns of channels, likewise.
    pub fn describe_channels(&self) -> Vec<u8> {
        if self.all_channels {
            return b"&*".to_vec();
        }
        let patterns: Vec<Vec<u8>> =
            self.channels().map(|pattern| [b"&", pattern].concat()).collect();
        patterns.join(&b' ')
    }

    /// All of it in one line.
    pub(super) fn describe(&self, out: &mut Vec<u8>) {
        let keys = self.describe_keys();
        out.extend_from_slice(&keys);
        if !keys.is_empty() {
            out.push(b' ');
        }
        if !self.all_channels {
            out.extend_from_slice(b"resetchannels ");
        }
        let channels = self.describe_channels();
        out.extend_from_slice(&channels);
        if !channels.is_empty() {
            out.push(b' ');
        }
        out.extend_from_slice(&self.describe_commands());
    }
}

/// Whether a word could not stand in a line of rules.
pub(super) fn has_blank(text: &[u8]) -> bool {
    text.iter().any(|&byte| is_blank(byte))
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r' | 0)
}
