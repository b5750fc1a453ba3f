//! Random commands about streams.
//!
//! Ids follow the count of commands, so that most entries can be added and are few milliseconds of the stream's own time apart; none is left to the clock. Where times are asked
//! for, they lie so far apart that the time between two servers does not matter.

use super::commands::line;
use super::{Args, Generator};
use crate::rdb;

/// Of all keys of streams this one alone has ids that nothing comes behind, so that XSETID does not meet them.
const LATE_KEY: &str = "Y9";

/// How long ago, as a bound: nothing, what XCLAIM set as IDLE, what it set as TIME, more than that.
const IDLE_BOUNDS: &[&str] = &["0", "0", "500000000", "100000000000", "9000000000000000"];

/// How long ago, or when, as set.
const IDLE_SET: &[&str] = &["0", "1000000000", "1000000000", "-5"];
const TIME_SET: &[&str] = &["0", "1000", "99999999999999", "-5"];

/// Timeouts of BLOCK: too short to wait for, or wrong.
const BLOCK: &[&str] = &["1", "2", "1", "-1", "x", ""];

/// Of trimming by whole nodes.
const LIMITS: &[&str] = &["0", "1", "5", "30", "200", "1000000", "-1", "x"];

const GROUPS: &[&str] = &["g", "h", "7"];
const CONSUMERS: &[&str] = &["alice", "bob", "3"];

impl Generator {
    pub(super) fn stream_key(&mut self) -> Vec<u8> {
        self.typed('Y')
    }

    /// The millisecond at which the streams are.
    fn stream_ms(&mut self) -> u64 {
        self.serial / 4 + self.rng.u64(..4)
    }

    /// An id of an entry that is there, perhaps.
    fn known_id(&mut self) -> Vec<u8> {
        let ago = self.rng.u64(..120);
        let ms = self.stream_ms().saturating_sub(ago);
        let id = match self.rng.u32(..12) {
            0 => self.integer(),
            1 => format!("{ms}").into_bytes(),
            2 => {
                self.pick(&["0", "0-1", "-", "+", "$", ">", "1-", "-1", "a-b", "5-*", "*-1"]).into()
            }
            _ => format!("{ms}-{}", self.rng.u64(..3)).into_bytes(),
        };
        // The clock's.
        if id == b"*" { b"1".to_vec() } else { id }
    }

    fn new_id(&mut self) -> Vec<u8> {
        let ms = self.stream_ms();
        match self.rng.u32(..12) {
            0 => self.known_id(),
            1 => format!("{ms}").into_bytes(),
            2..=6 => format!("{ms}-*").into_bytes(),
            _ => format!("{ms}-{}", self.rng.u64(..4)).into_bytes(),
        }
    }

    fn group(&mut self) -> Vec<u8> {
        self.pick(GROUPS).into()
    }

    fn consumer(&mut self) -> Vec<u8> {
        self.pick(CONSUMERS).into()
    }

    fn known_ids(&mut self) -> Args {
        let count = 1 + self.below(4);
        (0..count).map(|_| self.known_id()).collect()
    }

    fn range_bound(&mut self, open: &str) -> Vec<u8> {
        match self.rng.u32(..4) {
            0 => [b"(", &self.known_id()[..]].concat(),
            1 => self.known_id(),
            _ => open.into(),
        }
    }

    /// `MAXLEN|MINID [=|~] threshold [LIMIT count]`
    fn trimming(&mut self) -> Args {
        let by_length = self.rng.bool();
        let mut args = line(if by_length { "MAXLEN" } else { "MINID" }, []);
        let is_approximate = self.rng.bool();
        if is_approximate {
            args.push("~".into());
        } else if self.one_in(3) {
            args.push("=".into());
        }
        args.push(match by_length {
            true => self.good_integer(),
            false => self.known_id(),
        });
        if self.one_in(if is_approximate { 2 } else { 10 }) {
            args.extend(line("LIMIT", [self.pick(LIMITS).into()]));
        }
        args
    }

    pub(super) fn stream_command(&mut self) -> Args {
        let key = self.stream_key();
        match self.rng.u32(..48) {
            0..=13 => self.adding(key),
            14 => line("XLEN", [key]),
            15..=18 => {
                let mut args = if self.rng.bool() {
                    line("XRANGE", [key, self.range_bound("-"), self.range_bound("+")])
                } else {
                    line("XREVRANGE", [key, self.range_bound("+"), self.range_bound("-")])
                };
                args.extend(self.options(&[("COUNT", "small"), ("COUNT", "small"), ("nope", "")]));
                args
            }
            19..=21 => self.reading(key),
            22..=24 => [line("XDEL", [key]), self.known_ids()].concat(),
            25..=26 => [line("XTRIM", [key]), self.trimming()].concat(),
            27 if self.one_in(4) => self.setting_id(key),
            27..=31 => self.group_command(key),
            32..=36 => self.reading_for_group(key),
            37..=38 => [line("XACK", [key, self.group()]), self.known_ids()].concat(),
            39..=40 => self.pending_command(key),
            41..=43 => self.claiming(key),
            44..=45 => {
                let (group, consumer) = (self.group(), self.consumer());
                let (idle, start) = (self.idle_bound(), self.known_id());
                let start = if self.rng.bool() { b"0".to_vec() } else { start };
                let mut args = line("XAUTOCLAIM", [key, group, consumer, idle, start]);
                args.extend(self.options(&[("COUNT", "small"), ("JUSTID", ""), ("nope", "")]));
                args
            }
            _ => self.info_command(key),
        }
    }

    fn adding(&mut self, key: Vec<u8>) -> Args {
        if self.one_in(40) {
            let late = self.tagged(LATE_KEY.into());
            let id = self.pick(&[
                "18446744073709551615-*",
                "18446744073709551615-18446744073709551615",
                "9223372036854775808",
            ]);
            return line("XADD", [late, id.into(), "a".into(), "b".into()]);
        }
        let mut args = line("XADD", [key]);
        if self.one_in(6) {
            args.push("NOMKSTREAM".into());
        }
        if self.one_in(5) {
            args.extend(self.trimming());
        }
        args.push(self.new_id());
        // Mostly the same fields, as in most streams.
        let count = if self.one_in(5) { 1 + self.below(4) } else { 2 };
        for nth in 0..count {
            args.push(if self.one_in(4) { self.element() } else { format!("f{nth}").into_bytes() });
            args.push(if self.one_in(6) { self.value() } else { self.element() });
        }
        args
    }

    /// A stream of a few entries behind one another, and a group that has read some.
    pub(super) fn stream_payload(&mut self, version: u16) -> Vec<u8> {
        let first = (self.stream_ms(), self.rng.u64(..3));
        let count = self.below(6) as u8;
        let read = self.rng.u8(..=count);
        rdb::stream_payload(first, count, read, version)
    }

    fn setting_id(&mut self, key: Vec<u8>) -> Args {
        // Behind all that was added or deleted, so that both versions of the command take it.
        let id = format!("{}-{}", self.serial / 4 + 20, self.rng.u64(..3)).into_bytes();
        let mut args = line("XSETID", [key, id.clone()]);
        if self.rng.bool() {
            args.extend(line("ENTRIESADDED", [self.good_integer()]));
        }
        if self.one_in(3) {
            args.extend(line("MAXDELETEDID", [id]));
        }
        args
    }

    /// Streams to read and from where.
    fn streams(&mut self, key: Vec<u8>, behind: &str) -> Args {
        let count = if self.one_in(4) { 1 + self.below(3) } else { 1 };
        let mut args = line("STREAMS", [key]);
        args.extend((1..count).map(|_| self.stream_key()).collect::<Args>());
        for _ in 0..count {
            args.push(match self.rng.u32(..3) {
                0 => self.known_id(),
                1 => "0".into(),
                _ => behind.into(),
            });
        }
        args
    }

    fn read_options(&mut self, for_group: bool) -> Args {
        let mut args = Args::new();
        if self.rng.bool() {
            args.extend(line("COUNT", [self.rng.i32(-1..6).to_string().into_bytes()]));
        }
        if self.one_in(4) {
            args.extend(line("BLOCK", [self.pick(BLOCK).into()]));
        }
        if self.one_in(if for_group { 6 } else { 60 }) {
            args.push("NOACK".into());
        }
        args
    }

    fn reading(&mut self, key: Vec<u8>) -> Args {
        let options = self.read_options(false);
        [line("XREAD", []), options, self.streams(key, "$")].concat()
    }

    fn reading_for_group(&mut self, key: Vec<u8>) -> Args {
        let (group, consumer) = (self.group(), self.consumer());
        let options = self.read_options(true);
        let streams = self.streams(key, ">");
        [line("XREADGROUP", ["GROUP".into(), group, consumer]), options, streams].concat()
    }

    fn group_command(&mut self, key: Vec<u8>) -> Args {
        let group = self.group();
        let from = match self.rng.u32(..4) {
            0 => self.known_id(),
            1 => "$".into(),
            _ => "0".into(),
        };
        match self.rng.u32(..14) {
            0..=6 => {
                let tail = self.options(&[
                    ("MKSTREAM", ""),
                    ("MKSTREAM", ""),
                    ("ENTRIESREAD", "small"),
                    ("nope", ""),
                ]);
                [line("XGROUP", ["CREATE".into(), key, group, from]), tail].concat()
            }
            7..=8 => {
                let tail = self.options(&[("ENTRIESREAD", "small"), ("nope", "")]);
                [line("XGROUP", ["SETID".into(), key, group, from]), tail].concat()
            }
            9 => line("XGROUP", ["DESTROY".into(), key, group]),
            10 => line("XGROUP", ["NOPE".into(), key, group]),
            11 => line("XGROUP", ["DELCONSUMER".into(), key, group, self.consumer()]),
            _ => line("XGROUP", ["CREATECONSUMER".into(), key, group, self.consumer()]),
        }
    }

    fn idle_bound(&mut self) -> Vec<u8> {
        let wrong = self.one_in(12);
        self.pick(if wrong { &["-1", "x", ""] } else { IDLE_BOUNDS }).into()
    }

    fn pending_command(&mut self, key: Vec<u8>) -> Args {
        let mut args = line("XPENDING", [key, self.group()]);
        if self.one_in(3) {
            return args;
        }
        if self.one_in(3) {
            args.extend(line("IDLE", [self.idle_bound()]));
        }
        args.push(self.range_bound("-"));
        args.push(self.range_bound("+"));
        args.push(self.rng.i32(-1..12).to_string().into_bytes());
        if self.one_in(3) {
            args.push(self.consumer());
        }
        args
    }

    fn claiming(&mut self, key: Vec<u8>) -> Args {
        let (group, consumer, idle) = (self.group(), self.consumer(), self.idle_bound());
        let mut args = line("XCLAIM", [key, group, consumer, idle]);
        args.extend(self.known_ids());
        for _ in 0..self.below(4) {
            match self.rng.u32(..7) {
                0 => args.extend(line("IDLE", [self.pick(IDLE_SET).into()])),
                1 => args.extend(line("TIME", [self.pick(TIME_SET).into()])),
                2 => args.extend(line("RETRYCOUNT", [self.good_integer()])),
                3 => args.push("FORCE".into()),
                4 => args.push("JUSTID".into()),
                5 => args.extend(line("LASTID", [self.known_id()])),
                _ => args.push(self.pick(&["FORCE", "FORCE", "nope"]).into()),
            }
        }
        args
    }

    fn info_command(&mut self, key: Vec<u8>) -> Args {
        match self.rng.u32(..5) {
            0 => line("XINFO", ["CONSUMERS".into(), key, self.group()]),
            1 => line("XINFO", ["GROUPS".into(), key]),
            2 => line("XINFO", ["STREAM".into(), key]),
            3 => {
                let mut args = line("XINFO", ["STREAM".into(), key, "FULL".into()]);
                if self.rng.bool() {
                    args.extend(line("COUNT", [self.good_integer()]));
                }
                args
            }
            _ => {
                line("XINFO", [self.pick(&["NOPE", "STREAM", "GROUPS"]).into(), key, self.group()])
            }
        }
    }

    /// Keeps what a command about streams says of time from what two servers may take differently.
    pub(super) fn tame_streams(&mut self, name: &str, args: &mut Args) {
        let is_fixed = |arg: &[u8]| {
            let number = std::str::from_utf8(arg).unwrap_or_default().parse::<i64>();
            number.map_or(true, |number| {
                number <= 0 || IDLE_BOUNDS.iter().any(|known| known.as_bytes() == arg)
            })
        };
        match name {
            "XADD" => {
                for arg in args.iter_mut().skip(2).filter(|arg| **arg == b"*") {
                    *arg = b"1".to_vec();
                }
            }
            "XREAD" | "XREADGROUP" => {
                for at in 1..args.len() {
                    let is_known = BLOCK.iter().any(|known| known.as_bytes() == args[at]);
                    if args[at - 1].eq_ignore_ascii_case(b"BLOCK") && !is_known {
                        args[at] = b"1".to_vec();
                    }
                }
            }
            "XCLAIM" | "XAUTOCLAIM" if args.len() > 4 => {
                if !is_fixed(&args[4]) {
                    args[4] = b"0".to_vec();
                }
                for at in 5..args.len() {
                    let sets = |word: &[u8]| args[at - 1].eq_ignore_ascii_case(word);
                    if sets(b"IDLE") && !IDLE_SET.iter().any(|known| known.as_bytes() == args[at]) {
                        args[at] = b"1000000000".to_vec();
                    } else if sets(b"TIME")
                        && !TIME_SET.iter().any(|known| known.as_bytes() == args[at])
                    {
                        args[at] = b"1000".to_vec();
                    }
                }
            }
            "XPENDING"
                if args.len() > 4
                    && args[3].eq_ignore_ascii_case(b"IDLE")
                    && !is_fixed(&args[4]) =>
            {
                args[4] = b"0".to_vec();
            }
            // The difference `newer-setid`.
            "XSETID" if args.len() > 2 => {
                args[2] = format!("{}-5", self.serial / 4 + 20).into_bytes();
            }
            _ => {}
        }
    }
}

/// The consumers in whose name a command reads or claims: key, group and name of each. To read in vain makes a consumer in Redis 7.2 alone, so that they are made before.
pub(super) fn consumers_of(args: &[Vec<u8>]) -> Vec<[Vec<u8>; 3]> {
    let name = String::from_utf8_lossy(&args[0]).to_uppercase();
    match name.as_str() {
        "EVAL" | "EVAL_RO" if args.len() > 4 => consumers_of(&args[4..]),
        "XCLAIM" | "XAUTOCLAIM" if args.len() > 3 => {
            vec![[args[1].clone(), args[2].clone(), args[3].clone()]]
        }
        "XREADGROUP" => {
            let is = |at: usize, word: &str| args[at].eq_ignore_ascii_case(word.as_bytes());
            let group = (1..args.len().saturating_sub(2)).rev().find(|&at| is(at, "GROUP"));
            let streams = (1..args.len()).find(|&at| is(at, "STREAMS"));
            let (Some(group), Some(streams)) = (group, streams) else { return Vec::new() };
            let rest = &args[streams + 1..];
            let keys = rest[..rest.len() / 2].iter();
            keys.map(|key| [key.clone(), args[group + 1].clone(), args[group + 2].clone()])
                .collect()
        }
        _ => Vec::new(),
    }
}
