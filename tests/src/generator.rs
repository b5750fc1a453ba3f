//! Random commands with hostile arguments over a small key space, from a seed.
//!
//! Two servers given the same commands must answer the same, whatever the time between them. So no deadline lies within
//! years of now, offsets stay small or beyond every limit, and commands whose replies have no order are compared as sets.

use crate::rdb;
use crate::script::Normaliser;
use crate::text;

/// How a reply of a random command is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compare {
    /// As in a script.
    By(Normaliser),
    /// Both null or both not (RANDOMKEY).
    Presence,
}

/// A command and how its replies compare.
#[derive(Debug, Clone)]
pub struct Generated {
    /// Name and arguments.
    pub args: Vec<Vec<u8>>,
    /// The comparison.
    pub compare: Compare,
}

/// Lowest deadline in seconds or milliseconds that is given to a key: years ahead as seconds, and two days as milliseconds.
const TTL_MIN: i64 = 200_000_000;
/// Highest such deadline.
const TTL_MAX: i64 = 9_000_000_000;

/// Byte offsets below this are written to; a value may grow so long.
const OFFSET_MAX: i64 = 2_000;

/// Where every number goes wrong that goes wrong anywhere.
const INTEGERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "3",
    "7",
    "8",
    "10",
    "63",
    "64",
    "65",
    "99",
    "100",
    "127",
    "128",
    "255",
    "256",
    "-128",
    "-129",
    "999",
    "1000",
    "9999",
    "10000",
    "32767",
    "32768",
    "65535",
    "65536",
    "2147483647",
    "2147483648",
    "-2147483648",
    "-2147483649",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "9223372036854775806",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999999",
    "-0",
    "+1",
    "+0",
    "00",
    "01",
    "-01",
    " 1",
    "1 ",
    "1\n",
    "0x10",
    "1e3",
    "1.0",
    "1.",
    ".5",
    "",
    "-",
    "+",
    "--1",
    "one",
    "1_000",
    "١",
    "nan",
    "inf",
    "\0",
    "1\0",
    "9223372036854775807\0",
    "-9",
    "-10",
    "-100",
    "-1000",
    "12345678901",
    "1152921504606846976",
];

const FLOATS: &[&str] = &[
    "0",
    "-0",
    "0.0",
    "-0.0",
    "1",
    "1.5",
    "-1.5",
    "0.1",
    "0.2",
    "0.3",
    "3.0",
    "1e3",
    "1E3",
    "1e-3",
    "1e+3",
    "5e0",
    "1e17",
    "1e18",
    "1e19",
    "1e20",
    "123456789012345678901234567890",
    "1e-20",
    "0.00000000000000001",
    "0.000000000000000005",
    "1.7976931348623157e308",
    "1e308",
    "1e309",
    "-1e309",
    "1e-400",
    "1e4931",
    "1e5000",
    "2.2250738585072014e-308",
    "4.9e-324",
    "nan",
    "NaN",
    "-nan",
    "inf",
    "-inf",
    "+inf",
    "Infinity",
    "infinit",
    "0x1p3",
    "0x10",
    "0x1.8",
    "0X1P-2",
    ".5",
    "5.",
    ".",
    "",
    " 1",
    "1 ",
    "1\t",
    "1e",
    "e1",
    "1e1.5",
    "--1",
    "+5",
    "+-5",
    "1,5",
    "1\0",
    "9007199254740993",
    "3.14159265358979323846",
    "99999999999999999.9",
    "0.30000000000000004",
    "1.1",
    "2.675",
    "1e22",
    "1e23",
    "12345.678",
    "-99.95",
    "9223372036854775807",
    "18446744073709551615.5",
];

const BIT_TYPES: &[&str] = &[
    "u1", "u2", "u7", "u8", "u16", "u31", "u32", "u33", "u63", "u64", "u0", "i1", "i2", "i5", "i8",
    "i16", "i32", "i63", "i64", "i65", "i0", "U8", "I8", "u", "i", "u08", "u 8", "8", "x8", "",
    "u-1", "i+8",
];

const PATTERNS: &[&str] = &[
    "*", "?", "k*", "k?", "k[0-3]", "k[^0-3]", "[a-z]*", "[z-a]*", "*1", "*1*", "**", "k[", "k[1",
    "k[\\]]", "\\k1", "k\\", "", "h?l", "[]", "[^]", "*[0-9]", "K1", "{*}*", "k1", "***a", "?*?",
    "[k][1]", "k[1-", "[\\",
];

/// A seeded source of commands.
#[derive(Debug)]
pub struct Generator {
    rng: fastrand::Rng,
    serial: u64,
    edits: bool,
}

type Args = Vec<Vec<u8>>;

impl Generator {
    /// The commands of `seed`.
    pub fn new(seed: u64) -> Self {
        Generator { rng: fastrand::Rng::with_seed(seed), serial: 0, edits: true }
    }

    /// True in one case of `n`.
    pub fn one_in(&mut self, n: u32) -> bool {
        self.rng.u32(..n) == 0
    }

    /// Uniform below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.rng.usize(..bound)
    }

    /// Begins anew on empty databases. From here on either strings are edited in place or HyperLogLogs are added to: a
    /// HyperLogLog that was edited as a string is no HyperLogLog any more, and what each server makes of it is its own
    /// (the README says so).
    pub fn begin_episode(&mut self) {
        self.edits = self.rng.bool();
    }

    /// The next command.
    pub fn command(&mut self) -> Generated {
        self.serial += 1;
        let mut args = self.fresh();
        while self.is_of_the_other_kind(&args) {
            args = self.fresh();
        }
        if self.one_in(30) {
            self.spoil(&mut args);
        }
        if self.one_in(12) {
            self.vary_case(&mut args);
        }
        self.tame(&mut args);
        let compare = comparison(&args);
        Generated { args, compare }
    }

    fn is_of_the_other_kind(&self, args: &[Vec<u8>]) -> bool {
        let unwanted: &[&str] = if self.edits {
            &["PFADD", "PFMERGE"]
        } else {
            &["APPEND", "SETRANGE", "SETBIT", "BITFIELD", "BITOP"]
        };
        let name = String::from_utf8_lossy(&args[0]).to_uppercase();
        // A first element alone makes a HyperLogLog to be read and edited.
        unwanted.contains(&name.as_str()) && !(name == "PFADD" && args.len() == 2)
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.rng.usize(..list.len())]
    }

    fn key(&mut self) -> Vec<u8> {
        match self.rng.u32(..40) {
            0 => Vec::new(),
            1 => b"\x00\xff\r\n".to_vec(),
            2 => vec![b'L'; 600],
            3 => b"{tag}one".to_vec(),
            4 => b"{tag}two".to_vec(),
            5 => b"a key with spaces".to_vec(),
            6..=10 => format!("h{}", self.rng.u32(..4)).into_bytes(),
            11..=15 => format!("n{}", self.rng.u32(..4)).into_bytes(),
            _ => format!("k{}", self.rng.u32(..12)).into_bytes(),
        }
    }

    fn value(&mut self) -> Vec<u8> {
        match self.rng.u32(..24) {
            0..=4 => self.integer(),
            5..=7 => self.float(),
            8 => Vec::new(),
            9 => self.bytes(600),
            // Where Redis's embedded strings end.
            10 => self.text(43 + self.serial as usize % 4),
            11 => self.bytes(64),
            12 => b"HYLL".to_vec(),
            13 => self.text(20 + self.serial as usize % 3),
            14 => vec![[0u8, 0xff, 0x80, b'a'][self.below(4)]; self.below(70)],
            15 => self.rng.i64(..).to_string().into_bytes(),
            _ => {
                let len = self.below(12);
                self.text(len)
            }
        }
    }

    fn bytes(&mut self, len_max: usize) -> Vec<u8> {
        let len = self.below(len_max + 1);
        (0..len).map(|_| self.rng.u8(..)).collect()
    }

    fn text(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.rng.u8(b'a'..=b'e')).collect()
    }

    fn integer(&mut self) -> Vec<u8> {
        match self.rng.u32(..8) {
            0..=3 => self.pick(INTEGERS).as_bytes().to_vec(),
            4..=6 => self.rng.i64(-20..=120).to_string().into_bytes(),
            _ => self.rng.i64(..).to_string().into_bytes(),
        }
    }

    /// An integer that mostly is one, so that commands get past it.
    fn good_integer(&mut self) -> Vec<u8> {
        if self.one_in(5) {
            self.integer()
        } else {
            self.rng.i64(-30..=200).to_string().into_bytes()
        }
    }

    fn float(&mut self) -> Vec<u8> {
        match self.rng.u32(..4) {
            0..=1 => self.pick(FLOATS).as_bytes().to_vec(),
            2 => format!("{}.{}", self.rng.i32(-50..=50), self.rng.u32(..1000)).into_bytes(),
            _ => format!("{}e{}", self.rng.i32(-999..=999), self.rng.i32(-12..=12)).into_bytes(),
        }
    }

    /// A time to live or a point in time.
    fn time(&mut self) -> Vec<u8> {
        match self.rng.u32(..10) {
            0..=1 => self.integer(),
            2..=5 => self.rng.i64(TTL_MIN..TTL_MAX).to_string().into_bytes(),
            // Points in time far ahead, in milliseconds.
            6..=8 => self.rng.i64(4_000_000_000_000..9_000_000_000_000).to_string().into_bytes(),
            _ => self.rng.i64(9_000_000_000_000_000..).to_string().into_bytes(),
        }
    }

    fn database(&mut self) -> Vec<u8> {
        match self.rng.u32(..16) {
            0 => self.integer(),
            1 => self.pick(&["15", "16", "9"]).as_bytes().to_vec(),
            _ => self.rng.u32(..3).to_string().into_bytes(),
        }
    }

    fn keys(&mut self, most: usize) -> Args {
        let count = 1 + self.below(most);
        (0..count).map(|_| self.key()).collect()
    }

    fn payload(&mut self) -> Vec<u8> {
        let version = [9, 10, 10, 10, 6, 1, 12, 600][self.below(8)];
        let mut payload = match self.rng.u32(..8) {
            0 => rdb::integer_payload(self.rng.i32(..), 4, version),
            1 => rdb::integer_payload(self.rng.i32(-128..128), 1, version),
            2 => rdb::integer_payload(self.rng.i32(-32768..32768), 2, version),
            // Ten times `a`: one literal and a back reference; or lies about its length.
            3 => rdb::compressed_payload(
                b"\x01aa\xe0\x00\x01\x00a",
                [11, 10, 400][self.below(3)],
                version,
            ),
            4 => self.bytes(40),
            _ => {
                let value = self.value();
                rdb::string_payload(&value, version)
            }
        };
        if self.one_in(8) && !payload.is_empty() {
            let at = self.below(payload.len());
            payload[at] ^= 1 << self.below(8);
        }
        payload
    }

    /// Options in any order, sometimes twice; each with as many hostile arguments as it takes.
    fn options(&mut self, list: &[(&str, &str)]) -> Args {
        let mut out = Vec::new();
        let count = [0, 0, 1, 1, 1, 2, 2, 3][self.below(8)];
        for _ in 0..count {
            let (name, parameter) = list[self.below(list.len())];
            out.push(name.as_bytes().to_vec());
            match parameter {
                "time" => out.push(self.time()),
                "int" => out.push(self.good_integer()),
                "db" => out.push(self.database()),
                "pattern" => out.push(self.pick(PATTERNS).as_bytes().to_vec()),
                "type" => {
                    out.push(self.pick(&["string", "STRING", "hash", "list", "nope", ""]).into())
                }
                "overflow" => {
                    out.push(self.pick(&["wrap", "SAT", "fail", "FAIL", "none", ""]).into())
                }
                _ => {}
            }
        }
        out
    }

    fn fresh(&mut self) -> Args {
        match self.rng.u32(..100) {
            0..=34 => self.string_command(),
            35..=54 => self.generic_command(),
            55..=64 => self.expire_command(),
            65..=80 => self.bit_command(),
            81..=87 => self.hyperloglog_command(),
            88..=92 => self.dump_command(),
            _ => self.other_command(),
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
        let key = self.key();
        match self.rng.u32(..34) {
            0..=2 => [line(self.one("DEL", "UNLINK"), []), self.keys(4)].concat(),
            3..=4 => [line(self.one("EXISTS", "TOUCH"), []), self.keys(4)].concat(),
            5 => line("TYPE", [key]),
            6..=8 => line("RENAME", [key, self.key()]),
            9..=10 => line("RENAMENX", [key, self.key()]),
            11..=13 => {
                let tail = self.options(&[("DB", "db"), ("REPLACE", ""), ("DESTINATION", "db")]);
                [line("COPY", [key, self.key()]), tail].concat()
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
                        [self.pick(&["string", "STRING", "nope", "hash"]).into()],
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
        let key = self.key();
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
        let key =
            if self.one_in(6) { self.key() } else { format!("h{}", self.rng.u32(..4)).into() };
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
                    args.push(format!("h{}", self.rng.u32(..5)).into());
                }
                args
            }
            _ => {
                let mut args = line("PFMERGE", [key]);
                for _ in 0..self.below(3) {
                    args.push(if self.one_in(8) {
                        self.key()
                    } else {
                        format!("h{}", self.rng.u32(..5)).into()
                    });
                }
                args
            }
        }
    }

    fn dump_command(&mut self) -> Args {
        let key = self.key();
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

    fn one<'a>(&mut self, a: &'a str, b: &'a str) -> &'a str {
        if self.rng.bool() { a } else { b }
    }

    /// Drops, doubles, adds or replaces an argument.
    fn spoil(&mut self, args: &mut Args) {
        let at = 1 + self.below(args.len());
        match self.rng.u32(..4) {
            0 if at < args.len() => {
                args.remove(at);
            }
            1 if at < args.len() => {
                let copy = args[at].clone();
                args.insert(at, copy);
            }
            2 if at < args.len() => args[at] = self.integer(),
            _ => args.push(self.value()),
        }
    }

    fn vary_case(&mut self, args: &mut Args) {
        for (index, arg) in args.iter_mut().enumerate() {
            // Keys and values lie at odd and even places alike; changing a key's case only makes another key.
            if index == 0 || self.rng.bool() {
                for byte in arg.iter_mut().filter(|byte| byte.is_ascii_alphabetic()) {
                    if self.rng.bool() {
                        *byte ^= 0x20;
                    }
                }
            }
        }
    }

    /// Takes out what two equal servers may answer differently or what needs half a gigabyte; see the module's text.
    fn tame(&mut self, args: &mut Args) {
        if args[0].eq_ignore_ascii_case(b"COMMAND") && args.len() == 3 {
            args.push(Vec::new());
        }
        let name = String::from_utf8_lossy(&args[0]).to_uppercase();
        let (from, what) = match name.as_str() {
            "EXPIRE" | "PEXPIRE" | "EXPIREAT" | "PEXPIREAT" | "GETEX" | "SETEX" | "PSETEX" => {
                (2, Tame::Time)
            }
            "RESTORE" | "SET" => (if name == "SET" { 3 } else { 2 }, Tame::Time),
            "SETRANGE" => (2, Tame::Offset(OFFSET_MAX, 1 << 30)),
            "SETBIT" => (2, Tame::Offset(OFFSET_MAX * 8, 1 << 33)),
            "BITFIELD" => (2, Tame::Offset(OFFSET_MAX * 8, 1 << 33)),
            // Blocks every client, or ends them.
            "CLIENT" if args.len() > 1 => {
                let sub = args[1].to_ascii_uppercase();
                if [&b"PAUSE"[..], b"REPLY", b"KILL", b"TRACKING"].contains(&&sub[..])
                    && args.len() < 5
                {
                    args[1] = b"NOPE".to_vec();
                }
                if sub == b"ID" || sub == b"REPLY" || sub == b"KILL" {
                    args.resize(6, b"x y".to_vec());
                }
                return;
            }
            _ => return,
        };
        for arg in args.iter_mut().skip(from) {
            let digits = arg.strip_prefix(b"#").unwrap_or(arg);
            let Ok(number) = std::str::from_utf8(digits).unwrap_or_default().parse::<i64>() else {
                continue;
            };
            match what {
                Tame::Time if (1..TTL_MIN).contains(&number) => {
                    *arg = self.rng.i64(TTL_MIN..TTL_MAX).to_string().into_bytes();
                }
                Tame::Offset(most, limit) if (most..limit).contains(&number) => {
                    let hash = if digits.len() < arg.len() { "#" } else { "" };
                    *arg = format!("{hash}{}", number % most).into_bytes();
                }
                // `#n` is multiplied by a width, and the reference lets that product overflow.
                Tame::Offset(..)
                    if digits.len() < arg.len() && number.unsigned_abs() >= 1 << 50 =>
                {
                    *arg = b"#8589934592".to_vec();
                }
                _ => {}
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Tame {
    Time,
    Offset(i64, i64),
}

fn line<const N: usize>(name: &str, args: impl ArgList<N>) -> Args {
    let mut out = vec![name.as_bytes().to_vec()];
    out.extend(args.list());
    out
}

trait ArgList<const N: usize> {
    fn list(self) -> Args;
}

impl<const N: usize> ArgList<N> for [Vec<u8>; N] {
    fn list(self) -> Args {
        self.into_iter().collect()
    }
}

impl ArgList<1> for Option<Vec<u8>> {
    fn list(self) -> Args {
        self.into_iter().collect()
    }
}

fn comparison(args: &[Vec<u8>]) -> Compare {
    let name = String::from_utf8_lossy(&args[0]).to_uppercase();
    Compare::By(match name.as_str() {
        "TTL" | "EXPIRETIME" => Normaliser::Near(2),
        "PTTL" | "PEXPIRETIME" => Normaliser::Near(2000),
        "KEYS" => Normaliser::Set,
        // Only a scan in one step is comparable: where it pauses is each server's own matter.
        "SCAN" => {
            let whole = args.get(1).is_some_and(|cursor| cursor == b"0")
                && args.windows(2).filter(|p| p[0].eq_ignore_ascii_case(b"COUNT")).count() == 1
                && args.windows(2).any(|p| p[1] == b"1000000");
            if whole { Normaliser::Set } else { Normaliser::Any }
        }
        // A key set with a deadline in the past counts until it is swept.
        "DBSIZE" => Normaliser::Any,
        // Each tells its own sizes.
        "MEMORY" => Normaliser::Any,
        // Holds times and addresses.
        "SLOWLOG" => Normaliser::Any,
        "OBJECT" => {
            let own = |sub: &Vec<u8>| {
                sub.eq_ignore_ascii_case(b"IDLETIME") || sub.eq_ignore_ascii_case(b"REFCOUNT")
            };
            // RESTORE may set the idle time further back than the bits kept for it reach; reference counts are made up.
            if args.get(1).is_some_and(own) { Normaliser::Any } else { Normaliser::Exact }
        }
        "RANDOMKEY" => return Compare::Presence,
        _ => Normaliser::Exact,
    })
}

impl Compare {
    /// Whether two replies agree.
    pub fn equal(&self, ours: &[u8], reference: &[u8]) -> bool {
        match self {
            Compare::By(normaliser) => normaliser.equal(ours, reference),
            Compare::Presence => {
                ours == reference
                    || (ours.first() == Some(&b'$')
                        && ours.starts_with(b"$-1") == reference.starts_with(b"$-1")
                        && reference.first() == Some(&b'$'))
            }
        }
    }
}
