//! The file of users (`aclfile`), and users in the settings file: read as a whole or not at all, written as a whole.
//!
//! ```text
//!   user alice on #2bd8… ~cache:* resetchannels -@all +@read
//! ```
//!
//! A line a user. There are no comments, for they would be lost when the file is written.
//!
//! Source: redis.io, ACL LOAD and ACL SAVE, and the errors of Redis 7.2.

use super::rules::{RuleError, joined};
use super::selector::has_blank;
use super::{Acl, Rights, User};
use crate::base::limits::{ACL_FILE_BYTES_MAX, ACL_USERS_MAX};
use crate::config::{ChannelDefault, Settings};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

/// Why a file of users was not loaded: every line that is wrong, in Redis's words, without the code. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadError(pub String);

type Loaded = BTreeMap<Box<[u8]>, Rights>;

impl Acl {
    /// Takes over the users of the file at `path`. Returns those who are no more, or are not what they were: their clients are to be disconnected.
    ///
    /// # Errors
    /// The file cannot be read, or a line is wrong.
    pub fn load(&self, path: &str) -> Result<Vec<Arc<User>>, LoadError> {
        let text = read(path).map_err(|error| {
            LoadError(format!("Error loading ACLs, opening file '{path}': {}", told(&error)))
        })?;
        let lines = text.split(|&byte| byte == b'\n').enumerate();
        let (mut loaded, mut wrong) = (Loaded::new(), String::new());
        for (index, line) in lines {
            let line = line.trim_ascii();
            if !line.is_empty() {
                let place = format!("{path}:{}", index + 1);
                let all_channels = self.all_channels();
                load_line(line, (&place, index + 1), all_channels, &mut loaded, &mut wrong);
            }
        }
        if !wrong.is_empty() {
            wrong.push_str(
                "WARNING: ACL errors detected, no change to the previously active ACL rules was performed",
            );
            return Err(LoadError(wrong));
        }
        Ok(self.replace(loaded))
    }

    /// Takes over users that the settings define, each as the words behind `user`. What they do not name stays.
    ///
    /// # Errors
    /// A definition is wrong, or a user is defined twice.
    pub fn define(&self, definitions: &[String]) -> Result<(), String> {
        let mut names = Vec::new();
        for definition in definitions {
            let mut words = definition.split_whitespace().map(str::as_bytes);
            let name = words.next().ok_or("user: the name is missing")?;
            if names.contains(&name) {
                let shown = name.escape_ascii();
                return Err(format!(
                    "user {shown}: Duplicate user found. A user can only be defined once in config files"
                ));
            }
            names.push(name);
            let rules = std::iter::once(&b"reset"[..]).chain(words);
            self.set(name, rules).map_err(|error| {
                format!("user {}: {}", name.escape_ascii(), String::from_utf8_lossy(&error))
            })?;
        }
        Ok(())
    }

    /// The users as [`Acl::define`] takes them; none where there is the user `default` alone, and it is as `requirepass` has it.
    ///
    /// # Errors
    /// A definition is not UTF-8, so that the settings file cannot hold it.
    pub fn definitions(&self, requirepass: &[u8]) -> Result<Vec<String>, String> {
        let users = self.all();
        let mut plain = Rights::unlimited();
        plain.set_password(requirepass);
        if users.len() == 1 && *self.default.rights.load_full() == plain {
            return Ok(Vec::new());
        }
        let text = |user: &Arc<User>| {
            let line = user.describe();
            let definition = line.strip_prefix(b"user ").unwrap_or(&line).to_vec();
            let name = user.name().escape_ascii();
            String::from_utf8(definition)
                .map_err(|_| format!("the rules of user {name} are not UTF-8"))
        };
        users.iter().map(text).collect()
    }

    /// Makes the users that a node starts with: `default` as `requirepass` has it, and those of `user` or of `aclfile`.
    ///
    /// # Errors
    /// A definition is wrong, the file cannot be loaded, or both are given.
    pub fn start(&self, settings: &Settings) -> Result<(), String> {
        let (users, path) = (settings.users(), settings.aclfile());
        if !users.is_empty() && !path.is_empty() {
            return Err(
                "user and aclfile are both given: define users in one of the two places".into()
            );
        }
        self.set_all_channels(settings.acl_pubsub_default() == ChannelDefault::AllChannels);
        self.set_default_password(settings.requirepass().as_bytes());
        self.define(users)?;
        if !path.is_empty() {
            self.load(&path).map_err(|LoadError(wrong)| wrong)?;
        }
        Ok(())
    }

    /// Writes all users to the file at `path`, which is replaced as a whole or not at all.
    ///
    /// # Errors
    /// What the system says.
    pub fn save(&self, path: &str) -> io::Result<()> {
        let mut text = Vec::new();
        for user in self.all() {
            text.extend_from_slice(&user.describe());
            text.push(b'\n');
        }
        replace(Path::new(path), &text)
    }
}

fn read(path: &str) -> io::Result<Vec<u8>> {
    if fs::metadata(path)?.len() > ACL_FILE_BYTES_MAX {
        return Err(io::Error::other(format!("larger than {ACL_FILE_BYTES_MAX} bytes")));
    }
    fs::read(path)
}

/// The error as C's strerror has it, without the number.
fn told(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// Reads one line, and says in `wrong` what is wrong with it.
fn load_line(
    line: &[u8],
    (place, number): (&str, usize),
    all_channels: bool,
    loaded: &mut Loaded,
    wrong: &mut String,
) {
    let mut words = line.split(|&byte| byte == b' ');
    let (Some(b"user"), Some(name)) = (words.next(), words.next()) else {
        let line = " should start with user keyword followed by the username. ";
        return wrong.push_str(&format!("{place}{line}"));
    };
    let shown = String::from_utf8_lossy(name);
    if has_blank(name) {
        return wrong
            .push_str(&format!("'{place}: username '{shown}' contains invalid characters. "));
    }
    if loaded.contains_key(name) {
        let line = format!("WARNING: Duplicate user '{shown}' found on line {number}. ");
        return wrong.push_str(&line);
    }
    if loaded.len() >= ACL_USERS_MAX {
        return wrong.push_str(&format!("{place}: there are {ACL_USERS_MAX} users already. "));
    }
    let mut rights = Rights::new(all_channels);
    let Ok(rules) = joined(words) else {
        return wrong.push_str(&format!("{place}: Unmatched parenthesis in selector definition."));
    };
    let mut is_told = false;
    for rule in rules {
        let rule = rule.trim_ascii();
        match rights.apply_one(rule, all_channels) {
            Ok(()) => {}
            // A command's name is no secret; of other rules the word may be.
            Err(error @ RuleError::Unknown) => {
                let rule = String::from_utf8_lossy(rule);
                wrong.push_str(&format!(
                    "{place}: Error in applying operation '{rule}': {}. ",
                    error.text()
                ));
            }
            Err(error) if !is_told => {
                is_told = true;
                wrong.push_str(&format!("{place}: {}. ", error.text()));
            }
            Err(_) => {}
        }
    }
    loaded.insert(name.into(), rights);
}

fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.tmp", std::process::id()));
    let written = (|| {
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        // Hashes of passwords are for nobody else to read, unless the file was readable before.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&beside)?;
        if let Ok(before) = fs::metadata(path) {
            file.set_permissions(before.permissions())?;
        }
        file.write_all(text)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    })();
    if written.is_err() {
        // Best effort: the error that matters is the first one.
        let _ = fs::remove_file(&beside);
    }
    written
}
