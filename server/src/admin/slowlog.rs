//! The slow log: the last commands that took long, with what they were asked and by whom.
//!
//! Source: redis.io, SLOWLOG. An entry keeps at most 32 arguments of 128 bytes, as Redis does, so the log is bounded in bytes as well.

use crate::base::limits::SLOWLOG_ENTRY_COUNT_MAX;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use torc_protocol::Args;

const ARGUMENT_COUNT_MAX: usize = 32;
const ARGUMENT_BYTES_MAX: usize = 128;
const REDACTED: &[u8] = b"(redacted)";

/// One slow command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlowEntry {
    /// Rises by one with each entry, for the life of the process.
    pub id: u64,
    /// When it ran, in seconds since the Unix epoch.
    pub unix_secs: u64,
    /// How long it ran.
    pub usec: u64,
    /// Its arguments, cut where they are long or many, passwords replaced.
    pub args: Vec<Box<[u8]>>,
    /// The client's address.
    pub client_addr: Box<str>,
    /// The client's name; empty without one.
    pub client_name: Box<str>,
}

/// A command that is to enter the log: at once, or when the client that waits in it is answered.
#[derive(Debug)]
pub struct SlowCommand {
    usec: u64,
    args: Vec<Box<[u8]>>,
    client_addr: Box<str>,
    client_name: Box<str>,
}

impl SlowCommand {
    /// What `client_addr`, whose client is called `client_name`, asked, and how long it ran.
    pub fn new(args: Args<'_>, usec: u64, client_addr: &str, client_name: &str) -> Self {
        let (client_addr, client_name) = (client_addr.into(), client_name.into());
        SlowCommand { usec, args: shorten(args), client_addr, client_name }
    }
}

#[derive(Debug)]
struct Log {
    /// Newest first.
    entries: VecDeque<Arc<SlowEntry>>,
    next_id: u64,
    len_max: usize,
}

/// The bounded log.
#[derive(Debug)]
pub struct SlowLog(Mutex<Log>);

impl SlowLog {
    /// An empty log of at most `len_max` entries.
    pub fn new(len_max: usize) -> Self {
        let log = SlowLog(Mutex::new(Log { entries: VecDeque::new(), next_id: 0, len_max: 0 }));
        log.set_len_max(len_max);
        log
    }

    /// Changes how many entries are kept; the oldest beyond that go.
    pub fn set_len_max(&self, len_max: usize) {
        let mut log = self.0.lock();
        log.len_max = len_max.min(SLOWLOG_ENTRY_COUNT_MAX);
        let keep = log.len_max;
        log.entries.truncate(keep);
    }

    /// Adds a command. The caller has compared its time with `slowlog-log-slower-than`.
    pub fn record(&self, command: SlowCommand, unix_secs: u64) {
        let SlowCommand { usec, args, client_addr, client_name } = command;
        let mut log = self.0.lock();
        let id = log.next_id;
        log.next_id += 1;
        if log.len_max == 0 {
            return;
        }
        let keep = log.len_max - 1;
        log.entries.truncate(keep);
        let entry = SlowEntry { id, unix_secs, usec, args, client_addr, client_name };
        log.entries.push_front(Arc::new(entry));
    }

    /// The newest `count` entries, newest first.
    pub fn newest(&self, count: usize) -> Vec<Arc<SlowEntry>> {
        self.0.lock().entries.iter().take(count).cloned().collect()
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.0.lock().entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Removes all entries; numbering goes on.
    pub fn reset(&self) {
        self.0.lock().entries.clear();
    }
}

fn shorten(args: Args<'_>) -> Vec<Box<[u8]>> {
    let shown = if args.len() > ARGUMENT_COUNT_MAX { ARGUMENT_COUNT_MAX - 1 } else { args.len() };
    let mut out: Vec<Box<[u8]>> = Vec::with_capacity(shown + 1);
    for (index, arg) in args.iter().take(shown).enumerate() {
        if is_secret(args, index) {
            out.push(REDACTED.into());
        } else if arg.len() > ARGUMENT_BYTES_MAX {
            let mut cut = arg[..ARGUMENT_BYTES_MAX].to_vec();
            let more = arg.len() - ARGUMENT_BYTES_MAX;
            cut.extend_from_slice(format!("... ({more} more bytes)").as_bytes());
            out.push(cut.into());
        } else {
            out.push(arg.into());
        }
    }
    if shown < args.len() {
        let more = args.len() - shown;
        out.push(format!("... ({more} more arguments)").into_bytes().into());
    }
    out
}

/// Whether argument `index` is, or may be, a password.
pub fn is_secret(args: Args<'_>, index: usize) -> bool {
    if index == 0 {
        return false;
    }
    if args.is(0, "AUTH") {
        return true;
    }
    // Rules hold passwords, and Redis shows nothing of them either.
    if args.is(0, "ACL") && args.is(1, "SETUSER") {
        return index >= 2;
    }
    if args.is(0, "HELLO") {
        let after = |back: usize| index > back && args.is(index - back, "AUTH");
        return after(1) || after(2);
    }
    // Values of CONFIG SET stand at odd places from 3 on, their names before them.
    let is_value = index >= 3 && index % 2 == 1;
    args.is(0, "CONFIG") && args.is(1, "SET") && is_value && args.is(index - 1, "REQUIREPASS")
}

#[cfg(test)]
mod tests {
    use super::*;
    use torc_protocol::request::Span;

    fn record(log: &SlowLog, words: &[&[u8]]) {
        let buf: Vec<u8> = words.concat();
        let mut start = 0;
        let spans: Vec<Span> = words
            .iter()
            .map(|word| {
                let span = Span { start, len: word.len() as u32 };
                start += word.len() as u32;
                span
            })
            .collect();
        log.record(SlowCommand::new(Args::new(&buf, &spans), 7, "127.0.0.1:1", ""), 9);
    }

    #[test]
    fn long_and_many_arguments_are_cut_as_in_redis() {
        let log = SlowLog::new(10);
        let long = [b'x'; 130];
        record(&log, &[b"SET", b"k", &long]);
        record(&log, &[b"a".as_slice(); 32]);
        record(&log, &[b"a".as_slice(); 33]);
        let entries = log.newest(10);
        assert_eq!(entries[0].args.len(), 32);
        assert_eq!(&*entries[0].args[31], b"... (2 more arguments)");
        assert_eq!(entries[1].args.len(), 32);
        assert_eq!(&*entries[1].args[31], b"a");
        assert!(entries[2].args[2].ends_with(b"x... (2 more bytes)"));
    }

    #[test]
    fn the_log_keeps_the_newest() {
        let log = SlowLog::new(2);
        (0..5).for_each(|_| record(&log, &[b"GET", b"k"]));
        assert_eq!(log.newest(10).iter().map(|e| e.id).collect::<Vec<_>>(), [4, 3]);
        log.set_len_max(1);
        assert_eq!(log.len(), 1);
        log.reset();
        assert!(log.is_empty());
        log.set_len_max(0);
        record(&log, &[b"GET", b"k"]);
        assert!(log.is_empty());
    }

    #[test]
    fn passwords_are_not_kept() {
        let check = |words: &[&[u8]], hidden: &[usize]| {
            let log = SlowLog::new(1);
            record(&log, words);
            for (index, arg) in log.newest(1)[0].args.iter().enumerate() {
                assert_eq!(**arg == *REDACTED, hidden.contains(&index), "{index}");
            }
        };
        check(&[b"auth", b"user", b"secret"], &[1, 2]);
        check(&[b"HELLO", b"3", b"AUTH", b"u", b"p", b"SETNAME", b"x"], &[3, 4]);
        check(&[b"CONFIG", b"SET", b"hz", b"1", b"requirepass", b"p"], &[5]);
        check(&[b"acl", b"setuser", b"u", b">pw", b"+get"], &[2, 3, 4]);
        check(&[b"ACL", b"GETUSER", b"u"], &[]);
        check(&[b"SET", b"auth", b"p"], &[]);
    }
}
