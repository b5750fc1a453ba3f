//! The ACL log: refused commands and logins, like ones within a minute as one entry.
//!
//! Source: redis.io, ACL LOG, and the replies of Redis 7.2.

use super::selector::Denial;
use crate::base::clock::UnixMs;
use crate::base::limits::{ACL_LOG_CLIENT_BYTES_MAX, ACL_LOG_ENTRIES_MAX, ACL_LOG_TEXT_BYTES_MAX};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Like entries are one if they are no further apart.
const TOGETHER_MS: u64 = 60_000;

/// A new entry is compared with the newest alone.
const COMPARED_MAX: usize = 10;

/// What was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A login.
    Auth,
    /// A command.
    Command,
    /// A key.
    Key,
    /// A channel.
    Channel,
}

impl Reason {
    /// All of them, in the order in which INFO counts them.
    pub const ALL: [Reason; 4] = [Reason::Auth, Reason::Command, Reason::Key, Reason::Channel];

    /// As ACL LOG names it.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Auth => "auth",
            Reason::Command => "command",
            Reason::Key => "key",
            Reason::Channel => "channel",
        }
    }
}

impl From<Denial> for Reason {
    fn from(denial: Denial) -> Self {
        match denial {
            Denial::Command => Reason::Command,
            Denial::Key(_) => Reason::Key,
            Denial::Channel(_) => Reason::Channel,
        }
    }
}

/// Where it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context {
    /// By itself.
    TopLevel,
    /// In a transaction.
    Multi,
    /// In a script.
    Lua,
}

impl Context {
    /// As ACL LOG names it.
    pub fn name(self) -> &'static str {
        match self {
            Context::TopLevel => "toplevel",
            Context::Multi => "multi",
            Context::Lua => "lua",
        }
    }
}

/// One thing that was refused.
#[derive(Debug, Clone, Copy)]
pub struct Refused<'a> {
    /// Why.
    pub reason: Reason,
    /// Where.
    pub context: Context,
    /// The command, key or channel.
    pub object: &'a [u8],
    /// To whom.
    pub username: &'a [u8],
    /// The client, as CLIENT LIST shows it.
    pub client: &'a str,
}

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// How often it happened.
    pub count: u64,
    /// Why.
    pub reason: Reason,
    /// Where.
    pub context: Context,
    /// The command, key or channel; the beginning of a long one.
    pub object: Box<[u8]>,
    /// To whom.
    pub username: Box<[u8]>,
    /// The last client, as CLIENT LIST shows it.
    pub client: Box<str>,
    /// Rises by one with each entry, for the life of the process.
    pub id: u64,
    /// When it happened first.
    pub created_ms: UnixMs,
    /// When it happened last.
    pub updated_ms: UnixMs,
}

#[derive(Debug, Default)]
struct Entries {
    /// Those that changed last first.
    list: VecDeque<Entry>,
    next_id: u64,
}

/// The log, and how often what was refused.
#[derive(Debug, Default)]
pub struct AclLog {
    entries: Mutex<Entries>,
    len_max: AtomicUsize,
    counts: [AtomicU64; 4],
}

// All atomics are relaxed: figures that nothing else is read through.
impl AclLog {
    /// Changes how many entries are kept (`acllog-max-len`), from the next one on.
    pub fn set_len_max(&self, len_max: usize) {
        self.len_max.store(len_max.min(ACL_LOG_ENTRIES_MAX), Ordering::Relaxed);
    }

    /// Notes and counts what was refused.
    pub fn record(&self, refused: Refused<'_>, now: UnixMs) {
        self.counts[refused.reason as usize].fetch_add(1, Ordering::Relaxed);
        let (object, username) = (cut(refused.object), cut(refused.username));
        // A client may call itself by any number of bytes.
        let client =
            &refused.client[..refused.client.floor_char_boundary(ACL_LOG_CLIENT_BYTES_MAX)];
        let is_like = |entry: &Entry| {
            entry.reason == refused.reason
                && entry.context == refused.context
                && entry.updated_ms.abs_diff(now) <= TOGETHER_MS
                && *entry.object == *object
                && *entry.username == *username
        };
        let mut entries = self.entries.lock();
        let known = entries.list.iter().take(COMPARED_MAX).position(is_like);
        if let Some(mut entry) = known.and_then(|at| entries.list.remove(at)) {
            entry.count += 1;
            entry.client = client.into();
            entry.updated_ms = now;
            entries.list.push_front(entry);
            return;
        }
        let id = entries.next_id;
        entries.next_id += 1;
        entries.list.push_front(Entry {
            count: 1,
            reason: refused.reason,
            context: refused.context,
            object: object.into(),
            username: username.into(),
            client: client.into(),
            id,
            created_ms: now,
            updated_ms: now,
        });
        entries.list.truncate(self.len_max.load(Ordering::Relaxed));
    }

    /// The newest `count` entries, newest first.
    pub fn newest(&self, count: usize) -> Vec<Entry> {
        self.entries.lock().list.iter().take(count).cloned().collect()
    }

    /// Removes all entries; numbering goes on.
    pub fn reset(&self) {
        self.entries.lock().list.clear();
    }

    /// How often something was refused for this reason.
    pub fn count(&self, reason: Reason) -> u64 {
        self.counts[reason as usize].load(Ordering::Relaxed)
    }
}

fn cut(text: &[u8]) -> &[u8] {
    &text[..text.len().min(ACL_LOG_TEXT_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused<'a>(reason: Reason, object: &'a [u8], client: &'a str) -> Refused<'a> {
        Refused { reason, context: Context::TopLevel, object, username: b"alice", client }
    }

    #[test]
    fn like_entries_within_a_minute_are_one() {
        let log = AclLog::default();
        log.set_len_max(128);
        log.record(refused(Reason::Key, b"k", "id=1"), 1_000);
        log.record(refused(Reason::Command, b"get", "id=1"), 1_000);
        log.record(refused(Reason::Key, b"k", "id=2"), 61_000);
        let entries = log.newest(10);
        assert_eq!(entries.len(), 2);
        let first = &entries[0];
        assert_eq!((first.count, first.id, &*first.client), (2, 0, "id=2"), "moved to the front");
        assert_eq!((first.created_ms, first.updated_ms), (1_000, 61_000));
        log.record(refused(Reason::Key, b"k", "id=2"), 121_001);
        assert_eq!(log.newest(10).len(), 3, "a minute after the last");
        assert_eq!(Reason::ALL.map(|reason| log.count(reason)), [0, 1, 3, 0]);
        log.reset();
        log.record(refused(Reason::Auth, b"AUTH", ""), 0);
        assert_eq!(log.newest(10)[0].id, 3);
    }

    #[test]
    fn the_log_is_bounded() {
        let log = AclLog::default();
        log.set_len_max(2);
        let long = vec![b'x'; 2 * ACL_LOG_TEXT_BYTES_MAX];
        let name = "é".repeat(ACL_LOG_CLIENT_BYTES_MAX);
        log.record(refused(Reason::Key, &long, &name), 0);
        assert_eq!(log.newest(1)[0].object.len(), ACL_LOG_TEXT_BYTES_MAX);
        assert!(log.newest(1)[0].client.len() <= ACL_LOG_CLIENT_BYTES_MAX);
        for key in [b"a", b"b", b"c"] {
            log.record(refused(Reason::Key, key, ""), 0);
        }
        let names: Vec<_> = log.newest(9).into_iter().map(|entry| entry.object).collect();
        assert_eq!(names, [Box::from(&b"c"[..]), Box::from(&b"b"[..])]);
        log.set_len_max(usize::MAX);
        assert_eq!(log.len_max.load(Ordering::Relaxed), ACL_LOG_ENTRIES_MAX);
        log.set_len_max(0);
        log.record(refused(Reason::Key, b"d", ""), 0);
        assert!(log.newest(9).is_empty());
    }
}
