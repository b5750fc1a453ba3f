//! A command on its way out: its arguments as they will be written, and what the command table says of it.

use crate::bytes::Bytes;
use std::borrow::Cow;
use std::cell::RefCell;
use std::time::Duration;
use torc_protocol::Args;
use torc_protocol::command::{
    CommandSpec, Flags, Group, find, find_full, key_positions, subcommand_of,
};
use torc_protocol::number::{DoubleText, parse_f64};
use torc_protocol::request::{Span, encode_arg, encode_head};
use torc_protocol::slot::{Slot, slot_of};

/// What can be an argument: text, bytes, numbers, durations, and references to these. A duration is written as whole milliseconds: for PX, PEXPIRE and the like,
/// not for what counts seconds.
pub trait Arg {
    /// Appends it to `out`, in the form in which the server reads it.
    fn write_to(&self, out: &mut ArgBuffer);
}

/// Where an [`Arg`] is written to.
#[derive(Debug)]
pub struct ArgBuffer(Vec<u8>);

impl ArgBuffer {
    /// The argument, whole. What is written a second time is a second argument, which no command expects.
    #[inline]
    pub fn write(&mut self, bytes: &[u8]) {
        encode_arg(&mut self.0, bytes);
    }
}

macro_rules! byte_args {
    ($($type:ty: $value:ident => $bytes:expr;)*) => { $(
        impl Arg for $type {
            #[inline]
            fn write_to(&self, out: &mut ArgBuffer) {
                let $value = self;
                out.write($bytes);
            }
        }
    )* };
}
byte_args! {
    str: it => it.as_bytes();
    String: it => it.as_bytes();
    [u8]: it => it;
    Vec<u8>: it => it;
    Bytes: it => it;
    Cow<'_, str>: it => it.as_bytes();
    bool: it => if *it { b"1" } else { b"0" };
    char: it => it.encode_utf8(&mut [0; 4]).as_bytes();
    f64: it => DoubleText::new().format(*it).as_bytes();
    Duration: it => itoa::Buffer::new().format(it.as_millis()).as_bytes();
}

macro_rules! integer_args {
    ($($type:ty)*) => { $(
        impl Arg for $type {
            #[inline]
            fn write_to(&self, out: &mut ArgBuffer) {
                out.write(itoa::Buffer::new().format(*self).as_bytes());
            }
        }
    )* };
}
integer_args!(i8 u8 i16 u16 i32 u32 i64 u64 isize usize);

impl<const N: usize> Arg for [u8; N] {
    #[inline]
    fn write_to(&self, out: &mut ArgBuffer) {
        out.write(self);
    }
}

impl<A: Arg + ?Sized> Arg for &A {
    #[inline]
    fn write_to(&self, out: &mut ArgBuffer) {
        (**self).write_to(out);
    }
}

/// How a command is split over nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spread {
    /// Each key where it lies.
    Keys,
    /// The same to every node that serves something.
    Primaries,
    /// The same to every node.
    Nodes,
}

/// How replies of several nodes become one (redis.io, "Command tips").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gathering {
    /// Their sum.
    Sum,
    /// The least.
    Least,
    /// For each element whether all say so.
    And,
    /// Any of them, if none is an error.
    AllSucceeded,
    /// Any that is no error.
    OneSucceeded,
    /// One array of all elements.
    Together,
}

/// What a block of 0 means, as far as the client's clock goes.
const FOR_EVER: Duration = Duration::from_secs(365 * 86_400);

/// A command, whole or still growing.
#[derive(Debug)]
pub(crate) struct Request {
    /// Each argument with its length, the head with their count left out.
    body: ArgBuffer,
    args: usize,
    /// The first key, where whoever wrote it knows.
    key: Option<Key>,
    /// What the table says; `None` for commands that it does not know.
    spec: Option<&'static CommandSpec>,
    /// Several commands with their heads, as one: how many replies they have, and their slot.
    script: Option<Script>,
}

/// Where a key stands in the body. No server takes a request of 4 GiB.
#[derive(Debug, Clone, Copy)]
struct Key {
    start: u32,
    bytes: u32,
}

/// The head of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    bytes: [u8; 24],
    len: u8,
}

impl Head {
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// What is known of several commands that are sent as one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Script {
    pub replies: u32,
    pub slot: Option<Slot>,
    /// Whether one of them may read, or write, in the sense of [`Request::may_read`] and [`Request::may_write`].
    pub reads: bool,
    pub writes: bool,
}

impl Request {
    /// The command of this name, which may be a container of subcommands.
    pub(crate) fn new(name: &str) -> Self {
        let spec = find(name.as_bytes());
        let mut request =
            Request { body: ArgBuffer(take_buffer()), args: 0, key: None, spec, script: None };
        request.push(name);
        request
    }

    /// The command of this full name, which the table has: both words of a subcommand.
    #[inline]
    pub(crate) fn typed(full_name: &'static str) -> Self {
        let (container, name) = full_name.split_once('|').unwrap_or((full_name, ""));
        let mut request = Request {
            body: ArgBuffer(take_buffer()),
            args: 0,
            key: None,
            spec: find_full(full_name.as_bytes()),
            script: None,
        };
        request.push(container);
        if !name.is_empty() {
            request.push(name);
        }
        request
    }

    /// Several commands as one, their heads among the bytes.
    pub(crate) fn script(bytes: Vec<u8>, script: Script) -> Self {
        Request { body: ArgBuffer(bytes), args: 0, key: None, spec: None, script: Some(script) }
    }

    /// How many replies it will have.
    pub(crate) fn replies(&self) -> u32 {
        self.script.map_or(1, |script| script.replies)
    }

    #[inline]
    pub(crate) fn push<A: Arg + ?Sized>(&mut self, arg: &A) {
        self.args += 1;
        arg.write_to(&mut self.body);
    }

    /// A key; the first decides where the command goes.
    #[inline]
    pub(crate) fn push_key<A: Arg + ?Sized>(&mut self, key: &A) {
        let before = self.body.0.len();
        self.push(key);
        if self.key.is_none() {
            // Behind the `$`, the length and its line's end; before the end of the argument's own line.
            let line = memchr_lf(&self.body.0[before..]);
            let start = before + line + 1;
            let bytes = self.body.0.len() - 2 - start;
            self.key = Some(Key { start: start as u32, bytes: bytes as u32 });
        }
    }

    /// The head for its bytes.
    #[inline]
    pub(crate) fn head(&self) -> Head {
        let mut text = [0u8; 24];
        if self.args < 10 {
            text[..4].copy_from_slice(&[b'*', b'0' + self.args as u8, b'\r', b'\n']);
            return Head { bytes: text, len: 4 };
        }
        let mut out = Vec::new();
        encode_head(&mut out, self.args);
        text[..out.len()].copy_from_slice(&out);
        Head { bytes: text, len: out.len() as u8 }
    }

    /// Its bytes behind the head.
    #[inline]
    pub(crate) fn body(&self) -> &[u8] {
        &self.body.0
    }

    /// Appends all of it to `out`.
    pub(crate) fn write_to(&self, out: &mut Vec<u8>) {
        if self.script.is_none() {
            encode_head(out, self.args);
        }
        out.extend_from_slice(&self.body.0);
    }

    /// Its row; a container's where the subcommand is unknown.
    pub(crate) fn spec(&self) -> Option<&'static CommandSpec> {
        self.spec
    }

    /// Its name for people: `get`, `client|id`.
    pub(crate) fn name(&self) -> &'static str {
        self.spec.map_or("", |spec| spec.full_name)
    }

    /// Looks its subcommand up, once all arguments are there.
    pub(crate) fn settle(&mut self) {
        if let Some(spec) = self.spec
            && !spec.subcommands().is_empty()
        {
            self.spec = self.with_args(|args| subcommand_of(spec, args)).or(self.spec);
        }
    }

    /// Where its bytes belong, if it has a key.
    #[inline]
    pub(crate) fn slot(&self) -> Option<Slot> {
        match self.key {
            _ if self.script.is_some() => self.script.and_then(|script| script.slot),
            Some(Key { start, bytes }) => {
                Some(slot_of(&self.body.0[start as usize..][..bytes as usize]))
            }
            None => self.found_slot(),
        }
    }

    /// The slot of the first key that the table finds; a shard channel counts as one.
    fn found_slot(&self) -> Option<Slot> {
        let spec = self.spec?;
        if spec.keys.is_empty() && spec.keys_by.is_none() {
            return None;
        }
        self.with_args(|args| {
            let key = spec.first_key(args);
            let is_channel = matches!(spec.full_name, "ssubscribe" | "sunsubscribe" | "spublish");
            let key = key.or_else(|| (is_channel && args.len() > 1).then_some(1))?;
            Some(slot_of(&args[key]))
        })
    }

    /// The indices of all its keys.
    pub(crate) fn key_indices(&self) -> Vec<usize> {
        let Some(spec) = self.spec else { return Vec::new() };
        self.with_args(|args| {
            let keys = key_positions(spec, args).unwrap_or_default();
            keys.iter().map(|key| key.index).collect()
        })
    }

    /// The slots of all its keys.
    pub(crate) fn slots(&self) -> Vec<Slot> {
        let keys = self.key_indices();
        if keys.len() < 2 {
            return self.slot().into_iter().collect();
        }
        self.with_args(|args| keys.iter().map(|&index| slot_of(&args[index])).collect())
    }

    /// Does something with its arguments.
    pub(crate) fn with_args<T>(&self, use_args: impl FnOnce(&Args<'_>) -> T) -> T {
        let (bytes, mut spans, mut at) = (&self.body.0[..], Vec::with_capacity(self.args), 0);
        while at < bytes.len() {
            let line = memchr_lf(&bytes[at..]);
            // What we wrote ourselves: `$`, digits, CR, LF.
            let digits = &bytes[at + 1..at + line.saturating_sub(1).max(1)];
            let len = digits.iter().fold(0usize, |sum, d| sum * 10 + usize::from(d - b'0'));
            let start = at + line + 1;
            spans.push(Span { start: start as u32, len: len as u32 });
            at = start + len + 2;
        }
        use_args(&Args::new(bytes, &spans))
    }

    fn has(&self, flags: Flags) -> bool {
        self.spec.is_some_and(|spec| spec.flags.contains(flags))
    }

    /// Whether a copy can answer it.
    #[inline]
    pub(crate) fn is_read(&self) -> bool {
        self.has(Flags::READONLY)
    }

    /// Whether it may read and not write, so that a read level can matter to it: where a command may write, the primary runs it and reads what it has.
    pub(crate) fn may_read(&self) -> bool {
        match (self.script, self.spec) {
            (Some(script), _) => script.reads,
            (None, Some(spec)) => !spec.may_write,
            (None, None) => true,
        }
    }

    /// Whether it may write, so that a write level can matter to it.
    pub(crate) fn may_write(&self) -> bool {
        match (self.script, self.spec) {
            (Some(script), _) => script.writes,
            (None, Some(spec)) => spec.may_write,
            (None, None) => true,
        }
    }

    /// Whether its answer depends on what its session has seen of its slots.
    pub(crate) fn looks_back(&self) -> bool {
        self.script.map_or(self.is_read(), |script| script.reads)
    }

    /// Whether its answer depends on all that its session has written: it counts the copies of that.
    pub(crate) fn looks_back_at_all(&self) -> bool {
        matches!(self.name(), "wait" | "waitaof")
    }

    /// Whether it may wait for something to happen.
    #[inline]
    pub(crate) fn is_blocking(&self) -> bool {
        self.has(Flags::BLOCKING)
    }

    /// Whether it changes what its connection is, so that a shared one cannot take it.
    pub(crate) fn is_stateful(&self) -> bool {
        let Some(spec) = self.spec else { return false };
        // Every command passes here: most are not of the groups that can be.
        if !matches!(
            spec.group,
            Group::Connection
                | Group::Transactions
                | Group::PubSub
                | Group::Server
                | Group::Cluster
        ) {
            return false;
        }
        matches!(
            spec.full_name,
            "multi"
                | "exec"
                | "discard"
                | "watch"
                | "unwatch"
                | "subscribe"
                | "psubscribe"
                | "ssubscribe"
                | "unsubscribe"
                | "punsubscribe"
                | "sunsubscribe"
                | "monitor"
                | "select"
                | "auth"
                | "hello"
                | "reset"
                | "quit"
                | "readonly"
                | "readwrite"
                | "asking"
                | "client|reply"
                | "client|tracking"
                | "client|consistency"
                | "client|token"
                | "client|no-touch"
                | "psync"
                | "sync"
                | "replconf"
        )
    }

    /// Whether a cluster has to be asked at several nodes for it: keys that may lie in several slots, or something about all of them.
    #[inline]
    pub(crate) fn is_spread(&self) -> bool {
        self.spec.is_some_and(|spec| !spec.tips.is_empty() && self.spread().is_some())
    }

    /// How it is split.
    pub(crate) fn spread(&self) -> Option<Spread> {
        let spec = self.spec?;
        let policy = spec.tips.iter().find_map(|tip| tip.strip_prefix("request_policy:"))?;
        match policy {
            "multi_shard"
                if matches!(
                    spec.full_name,
                    "mget" | "mset" | "del" | "unlink" | "exists" | "touch"
                ) =>
            {
                Some(Spread::Keys)
            }
            "all_shards" | "all_nodes" if self.gathering().is_some() && !self.is_blocking() => {
                Some(if policy == "all_shards" { Spread::Primaries } else { Spread::Nodes })
            }
            _ => None,
        }
    }

    /// How the replies of several nodes become one; `None` where no rule says.
    pub(crate) fn gathering(&self) -> Option<Gathering> {
        let spec = self.spec?;
        let policy = spec.tips.iter().find_map(|tip| tip.strip_prefix("response_policy:"));
        match policy {
            Some("agg_sum") => Some(Gathering::Sum),
            Some("agg_min") => Some(Gathering::Least),
            Some("agg_logical_and") => Some(Gathering::And),
            Some("all_succeeded") => Some(Gathering::AllSucceeded),
            Some("one_succeeded") => Some(Gathering::OneSucceeded),
            None if spec.full_name == "keys" => Some(Gathering::Together),
            _ => None,
        }
    }

    /// For how long it may wait for something to happen; `None` if it does not.
    pub(crate) fn block_time(&self) -> Option<Duration> {
        if !self.is_blocking() {
            return None;
        }
        let name = self.spec?.full_name;
        self.with_args(|args| {
            let number = |at: usize| args.get(at).and_then(parse_f64).filter(|time| *time >= 0.0);
            let time = |time: f64| match time {
                0.0 => FOR_EVER,
                time => Duration::try_from_secs_f64(time).unwrap_or(FOR_EVER),
            };
            match name {
                "blmpop" | "bzmpop" => number(1).map(time),
                "wait" | "waitaof" => number(args.len() - 1).map(|ms| time(ms / 1000.0)),
                "xread" | "xreadgroup" => {
                    let at = (1..args.len()).find(|&at| args.is(at, "BLOCK"))?;
                    number(at + 1).map(|ms| time(ms / 1000.0))
                }
                _ => number(args.len() - 1).map(time),
            }
        })
    }

    /// Whether applying it twice is the same as once, its reply included.
    ///
    /// What changes nothing is. Of what writes, what stores the same whatever stood there and answers the same.
    pub(crate) fn is_idempotent(&self) -> bool {
        let Some(spec) = self.spec else { return false };
        if !spec.may_write {
            return !spec.flags.intersects(Flags::ADMIN) && !spec.flags.contains(Flags::BLOCKING);
        }
        match spec.full_name {
            "set" => self.with_args(|args| {
                !(3..args.len()).any(|at| ["NX", "XX", "GET"].iter().any(|word| args.is(at, word)))
            }),
            "setex" | "psetex" | "mset" | "hmset" | "setrange" | "expire" | "pexpire"
            | "expireat" | "pexpireat" | "pfcount" => true,
            _ => false,
        }
    }
}

/// Where the first LF stands; what is searched holds one within a few bytes.
#[inline]
fn memchr_lf(bytes: &[u8]) -> usize {
    bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len())
}

impl Clone for Request {
    fn clone(&self) -> Self {
        let mut body = take_buffer();
        body.extend_from_slice(&self.body.0);
        Request { body: ArgBuffer(body), ..*self }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        give_back(std::mem::take(&mut self.body.0));
    }
}

thread_local! {
    /// Buffers of requests that are done, so that a call allocates none.
    static BUFFERS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A thread keeps so many buffers of up to so many bytes.
const KEPT_BUFFERS_MAX: usize = 64;
const KEPT_BYTES_MAX: usize = 4096;

#[inline]
pub(crate) fn take_buffer() -> Vec<u8> {
    let kept = BUFFERS.try_with(|buffers| buffers.try_borrow_mut().ok()?.pop());
    kept.ok().flatten().unwrap_or_else(|| Vec::with_capacity(256))
}

#[inline]
pub(crate) fn give_back(mut buffer: Vec<u8>) {
    if buffer.capacity() == 0 || buffer.capacity() > KEPT_BYTES_MAX {
        return;
    }
    buffer.clear();
    // A thread that ends has no buffers any more.
    let _ = BUFFERS.try_with(|buffers| {
        if let Ok(mut buffers) = buffers.try_borrow_mut()
            && buffers.len() < KEPT_BUFFERS_MAX
        {
            buffers.push(buffer);
        }
    });
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A command from its words.
    pub(crate) fn request(line: &str) -> Request {
        let mut words = line.split(' ');
        let mut request = Request::new(words.next().unwrap());
        words.for_each(|word| request.push(word));
        request.settle();
        request
    }

    #[test]
    fn requests_are_written_as_the_server_reads_them() {
        let mut request = Request::new("SET");
        request.push_key("k");
        request.push(&12u64);
        request.push(&1.5f64);
        let mut out = Vec::new();
        request.write_to(&mut out);
        assert_eq!(out, b"*4\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\n12\r\n$3\r\n1.5\r\n");
        assert_eq!([request.head().as_slice(), request.body()].concat(), out);
        assert_eq!(request.slot(), Some(slot_of(b"k")));
        let long = self::request(&["DEL"; 12].join(" "));
        assert_eq!(long.head().as_slice(), b"*12\r\n");
    }

    #[test]
    fn keys_are_found_by_the_table() {
        let check = |line: &str, keys: &[usize], slot: Option<&str>| {
            let request = request(line);
            assert_eq!(request.key_indices(), keys, "{line}");
            assert_eq!(request.slot(), slot.map(|key| slot_of(key.as_bytes())), "{line}");
        };
        check("get a", &[1], Some("a"));
        check("mset a 1 b 2", &[1, 3], Some("a"));
        check("eval x 2 a b c", &[3, 4], Some("a"));
        check("object encoding a", &[2], Some("a"));
        check("bitop and d a b", &[2, 3, 4], Some("d"));
        check("spublish c m", &[], Some("c"));
        check("ping", &[], None);
        check("nonsense a", &[], None);
        assert_eq!(request("mget a b").slots(), [slot_of(b"a"), slot_of(b"b")]);
        assert_eq!(request("get a").slots(), [slot_of(b"a")]);
        assert_eq!(request("dbsize").slots(), []);
    }

    #[test]
    fn idempotence_is_told_by_the_table() {
        for line in
            ["get a", "set a 1", "set a 1 EX 5", "mget a b", "ping", "hgetall h", "expire a 5"]
        {
            assert!(request(line).is_idempotent(), "{line}");
        }
        for line in [
            "incr a",
            "set a 1 NX",
            "set a 1 get",
            "lpush a 1",
            "del a",
            "eval x 0",
            "publish a b",
            "blpop a 1",
            "shutdown",
            "nonsense",
            "xadd s * a b",
            "hincrby h f 1",
            "getdel a",
        ] {
            assert!(!request(line).is_idempotent(), "{line}");
        }
    }
}
