//! Random commands, group by group.

use super::arguments::{BIT_TYPES, PATTERNS};
use super::{Args, Generator};
use crate::text;

impl Generator {
    /// A command with its arguments, mostly well-formed.
    pub(super) fn fresh(&mut self) -> Args {
        match self.rng.u32(..116) {
            0..=17 => self.string_command(),
            18..=29 => self.generic_command(),
            30..=35 => self.expire_command(),
            36..=42 => self.bit_command(),
            43..=46 => self.hyperloglog_command(),
            47..=50 => self.dump_command(),
            51..=53 => self.other_command(),
            54..=63 => self.hash_command(),
            64..=74 => self.list_command(),
            75..=83 => self.set_command(),
            84..=95 => self.zset_command(),
            96..=97 if self.sorts => self.sort_command(),
            100..=109 => self.stream_command(),
            110.. => self.geo_command(),
            _ => self.script_command(),
        }
    }

    fn string_command(&mut self) -> Args {
        let key = self.key();
        match self.rng.u32(..30) {
            0..=5 => {
                let tail = self.options(&[
                    ("EX", "time"),
                    ("PX", "time"),
                    ("EXAT", "time"),
                    ("PXAT", "time"),
                    ("NX", ""),
                    ("XX", ""),
                    ("KEEPTTL", ""),
                    ("GET", ""),
                    ("GET", ""),
                    ("nope", ""),
                    ("PERSIST", ""),
                ]);
                [line("SET", [key, self.value()]), tail].concat()
            }
            6..=7 => line("GET", [key]),
            8 => {
                let tail = self.options(&[
                    ("EX", "time"),
                    ("PX", "time"),
                    ("EXAT", "time"),
                    ("PXAT", "time"),
                    ("PERSIST", ""),
                    ("KEEPTTL", ""),
                    ("GET", ""),
                ]);
                [line("GETEX", [key]), tail].concat()
            }
            9 => line("GETDEL", [key]),
            10 => line("GETSET", [key, self.value()]),
            11 => line("SETNX", [key, self.value()]),
            12 => line(self.one("SETEX", "PSETEX"), [key, self.time(), self.value()]),
            13 => [line("MGET", []), self.keys(5)].concat(),
            14..=15 => {
                let mut args = line(self.one("MSET", "MSETNX"), []);
                for _ in 0..1 + self.below(4) {
                    args.push(self.key());
                    args.push(self.value());
                }
                if self.one_in(10) {
                    args.pop();
                }
                args
            }
            16..=17 => line("APPEND", [key, self.value()]),
            18 => line("STRLEN", [key]),
            19 => line(
                self.one("GETRANGE", "SUBSTR"),
                [key, self.good_integer(), self.good_integer()],
            ),
            20 => line("SETRANGE", [key, self.good_integer(), self.value()]),
            21..=22 => line(self.one("INCR", "DECR"), [key]),
            23..=24 => line(self.one("INCRBY", "DECRBY"), [key, self.integer()]),
            25..=27 => line("INCRBYFLOAT", [key, self.float()]),
            _ => {
                let tail = self.options(&[
                    ("LEN", ""),
                    ("IDX", ""),
                    ("IDX", ""),
                    ("MINMATCHLEN", "int"),
                    ("WITHMATCHLEN", ""),
                    ("nope", ""),
                ]);
                [line("LCS", [key, self.key()]), tail].concat()
            }
        }
    }

    fn generic_command(&mut self) -> Args {
        let key = self.any_key();
        match self.rng.u32(..34) {
            0..=2 => [line(self.one("DEL", "UNLINK"), []), self.any_keys(4)].concat(),
            3..=4 => [line(self.one("EXISTS", "TOUCH"), []), self.any_keys(4)].concat(),
            5 => line("TYPE", [key]),
            6..=8 => line("RENAME", [key, self.any_key()]),
            9..=10 => line("RENAMENX", [key, self.any_key()]),
            11..=13 => {
                let tail = self.options(&[("DB", "db"), ("REPLACE", ""), ("DESTINATION", "db")]);
                [line("COPY", [key, self.any_key()]), tail].concat()
            }
            14..=15 => line("MOVE", [key, self.database()]),
            16 => line("RANDOMKEY", []),
            17 => line("KEYS", [self.pick(PATTERNS).into()]),
            18..=19 => {
                let mut args = line("SCAN", ["0".into(), "COUNT".into(), "1000000".into()]);
                if self.one_in(2) {
                    args.extend(line("MATCH", [self.pick(PATTERNS).into()]));
                }
                if self.one_in(3) {
                    args.extend(line(
                        "TYPE",
                        [self.pick(&["string", "STRING", "nope", "hash", "stream"]).into()],
                    ));
                }
                args
            }
            20 => line("DBSIZE", []),
            21..=24 => {
                let sub =
                    self.pick(&["ENCODING", "ENCODING", "REFCOUNT", "FREQ", "IDLETIME", "NOPE"]);
                line("OBJECT", [sub.into(), key])
            }
            25..=26 => line("SELECT", [self.database()]),
            27 if self.one_in(3) => line("SWAPDB", [self.database(), self.database()]),
            28 if self.one_in(30) => line(
                self.one("FLUSHDB", "FLUSHALL"),
                [self.pick(&["ASYNC", "SYNC", "nope"]).into()],
            ),
            _ => line("PERSIST", [key]),
        }
    }

    fn expire_command(&mut self) -> Args {
        let key = self.any_key();
        match self.rng.u32(..10) {
            0..=4 => {
                let name = self.pick(&["EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT"]);
                let tail =
                    self.options(&[("NX", ""), ("XX", ""), ("GT", ""), ("LT", ""), ("nope", "")]);
                [line(name, [key, self.time()]), tail].concat()
            }
            5..=8 => line(self.pick(&["TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"]), [key]),
            _ => line("PERSIST", [key]),
        }
    }

    fn bit_command(&mut self) -> Args {
        let key = self.key();
        match self.rng.u32(..16) {
            0..=2 => {
                let bit = if self.one_in(8) { self.integer() } else { self.one("0", "1").into() };
                line("SETBIT", [key, self.good_integer(), bit])
            }
            3 => line("GETBIT", [key, self.good_integer()]),
            4..=5 => {
                let mut args = line("BITCOUNT", [key]);
                self.range(&mut args);
                args
            }
            6..=7 => {
                let bit = if self.one_in(8) { self.integer() } else { self.one("0", "1").into() };
                let mut args = line("BITPOS", [key, bit]);
                self.range(&mut args);
                args
            }
            8..=10 => {
                let name = self.pick(&["AND", "OR", "XOR", "NOT", "and", "NOPE"]);
                [line("BITOP", [name.into(), key]), self.keys(if name == "NOT" { 2 } else { 4 })]
                    .concat()
            }
            11 => {
                let mut args = line("BITFIELD_RO", [key]);
                for _ in 0..self.below(3) {
                    args.extend(line(
                        self.pick(&["GET", "GET", "SET"]),
                        [self.pick(BIT_TYPES).into(), self.bit_offset()],
                    ));
                }
                args
            }
            _ => {
                let mut args = line("BITFIELD", [key]);
                for _ in 0..1 + self.below(4) {
                    let kind = if self.one_in(3) {
                        self.pick(BIT_TYPES)
                    } else {
                        self.pick(&["u8", "i8", "u4", "i5", "i64", "u63"])
                    };
                    let offset = self.bit_offset();
                    match self.rng.u32(..4) {
                        0 => args.extend(line("GET", [kind.into(), offset])),
                        1 => args.extend(line("SET", [kind.into(), offset, self.integer()])),
                        2 => args.extend(line("INCRBY", [kind.into(), offset, self.integer()])),
                        _ => args.extend(line(
                            "OVERFLOW",
                            [self.pick(&["WRAP", "SAT", "FAIL", "sat", "nope"]).into()],
                        )),
                    }
                }
                args
            }
        }
    }

    fn bit_offset(&mut self) -> Vec<u8> {
        let mut text = self.good_integer();
        if self.one_in(3) {
            text.insert(0, b'#');
        }
        text
    }

    fn range(&mut self, args: &mut Args) {
        for _ in 0..[0, 1, 2, 2, 2, 2][self.below(6)] {
            args.push(self.good_integer());
        }
        if self.one_in(3) {
            args.push(self.pick(&["BIT", "BYTE", "bit", "nope"]).into());
        }
    }

    fn hyperloglog_command(&mut self) -> Args {
        let key = if self.one_in(6) { self.key() } else { self.hyperloglog_key() };
        match self.rng.u32(..8) {
            0..=3 => {
                let mut args = line("PFADD", [key]);
                let count = [0, 1, 3, 40, 700][self.below(5)];
                for _ in 0..count {
                    args.push(if self.one_in(2) {
                        self.value()
                    } else {
                        self.rng.u32(..5000).to_string().into()
                    });
                }
                args
            }
            4..=5 => {
                let mut args = line("PFCOUNT", [key]);
                for _ in 0..self.below(3) {
                    args.push(self.hyperloglog_key());
                }
                args
            }
            _ => {
                let mut args = line("PFMERGE", [key]);
                for _ in 0..self.below(3) {
                    args.push(if self.one_in(8) { self.key() } else { self.hyperloglog_key() });
                }
                args
            }
        }
    }

    fn hyperloglog_key(&mut self) -> Vec<u8> {
        let name = format!("h{}", self.rng.u32(..5)).into_bytes();
        self.tagged(name)
    }

    fn dump_command(&mut self) -> Args {
        let key = self.any_key();
        if self.one_in(2) {
            return line("DUMP", [key]);
        }
        let ttl = if self.one_in(2) { b"0".to_vec() } else { self.time() };
        let tail = self.options(&[
            ("REPLACE", ""),
            ("REPLACE", ""),
            ("ABSTTL", ""),
            ("IDLETIME", "int"),
            ("FREQ", "int"),
            ("nope", ""),
        ]);
        [line("RESTORE", [key, ttl, self.payload()]), tail].concat()
    }

    /// A script: most call the random command that they are given.
    fn script_command(&mut self) -> Args {
        let body = self.pick(&[
            "return redis.call(unpack(ARGV))",
            "return redis.pcall(unpack(ARGV))",
            "redis.setresp(3) return redis.call(unpack(ARGV))",
            "local r = redis.pcall(unpack(ARGV)) if type(r) == 'table' and r.err then return 'E' .. r.err end return {r, type(r)}",
            "return cjson.encode({redis.pcall('LRANGE', KEYS[1], 0, -1), #ARGV})",
            "local n = redis.call('LLEN', KEYS[1]) for i = 1, 3 do redis.call('RPUSH', KEYS[1], i * n) end return n",
        ]);
        let name = self.pick(&["EVAL", "EVAL", "EVAL", "EVAL_RO"]);
        let mut args = line(name, [body.into(), "1".into(), self.list_key()]);
        let mut inner = self.unordered_excluded();
        // The difference `newer-blocking`.
        while ["BL", "BR", "BZ"].iter().any(|begin| inner[0].starts_with(begin.as_bytes())) {
            inner = self.unordered_excluded();
        }
        inner.truncate(40);
        args.extend(inner);
        args
    }

    fn other_command(&mut self) -> Args {
        match self.rng.u32(..12) {
            0 => line("ECHO", [self.value()]),
            1 => line("PING", self.rng.bool().then(|| self.value())),
            2 => {
                let mut inner = self.fresh();
                inner.truncate(12);
                // A command without arguments is refused by the reference and not by what is newer.
                inner.resize(inner.len().max(2), Vec::new());
                [line("COMMAND", ["GETKEYS".into()]), inner].concat()
            }
            3 => {
                let mut inner = self.fresh();
                inner.truncate(12);
                inner.resize(inner.len().max(2), Vec::new());
                [line("COMMAND", ["GETKEYSANDFLAGS".into()]), inner].concat()
            }
            4 => line("CLIENT", ["SETNAME".into(), self.value()]),
            5 => line("CLIENT", ["GETNAME".into()]),
            6 => line(
                "CLIENT",
                [
                    self.pick(&["NOPE", "NO-EVICT", "ID", "REPLY", "KILL"]).into(),
                    self.value(),
                    self.value(),
                    self.value(),
                ],
            ),
            7 => line("CONFIG", [self.pick(&["GET", "SET", "NOPE"]).into()]),
            8 => {
                let name = format!("no{}", text::escape(&self.value()));
                line(&name, [self.value(), self.value()])
            }
            9 => line("MEMORY", [self.pick(&["USAGE", "NOPE"]).into()]),
            10 => line("LATENCY", ["NOPE".into(), self.value()]),
            _ => line("SLOWLOG", ["GET".into(), self.pick(&["-2", "x", "1.5", ""]).into()]),
        }
    }
}

pub(super) fn line<const N: usize>(name: &str, args: impl ArgList<N>) -> Args {
    let mut out = vec![name.as_bytes().to_vec()];
    out.extend(args.list());
    out
}

pub(super) trait ArgList<const N: usize> {
    fn list(self) -> Args;
}

impl<const N: usize> ArgList<N> for [Vec<u8>; N] {
    fn list(self) -> Args {
        self.into_iter().collect()
    }
}

impl ArgList<2> for Args {
    fn list(self) -> Args {
        self
    }
}

impl ArgList<1> for Option<Vec<u8>> {
    fn list(self) -> Args {
        self.into_iter().collect()
    }
}
