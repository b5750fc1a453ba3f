//! Arguments of random commands: keys, values, numbers, times, payloads, options.

use super::{Args, Generator};
use crate::rdb;

/// Lowest deadline in seconds or milliseconds that is given to a key: years ahead as seconds, and two days as milliseconds.
pub(super) const TTL_MIN: i64 = 200_000_000;
/// Highest such deadline.
pub(super) const TTL_MAX: i64 = 9_000_000_000;

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

pub(super) const BIT_TYPES: &[&str] = &[
    "u1", "u2", "u7", "u8", "u16", "u31", "u32", "u33", "u63", "u64", "u0", "i1", "i2", "i5", "i8",
    "i16", "i32", "i63", "i64", "i65", "i0", "U8", "I8", "u", "i", "u08", "u 8", "8", "x8", "",
    "u-1", "i+8",
];

pub(super) const PATTERNS: &[&str] = &[
    "*", "?", "k*", "k?", "k[0-3]", "k[^0-3]", "[a-z]*", "[z-a]*", "*1", "*1*", "**", "k[", "k[1",
    "k[\\]]", "\\k1", "k\\", "", "h?l", "[]", "[^]", "*[0-9]", "K1", "{*}*", "k1", "***a", "?*?",
    "[k][1]", "k[1-", "[\\",
];

impl Generator {
    pub(super) fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.rng.usize(..list.len())]
    }

    /// A key of any type.
    pub(super) fn any_key(&mut self) -> Vec<u8> {
        match self.rng.u32(..8) {
            0 => self.hash_key(),
            1 => self.list_key(),
            2 => self.set_key(),
            3 => self.zset_key(),
            4 => self.stream_key(),
            _ => self.key(),
        }
    }

    /// A key that mostly holds a string.
    pub(super) fn key(&mut self) -> Vec<u8> {
        let name = self.name();
        self.tagged(name)
    }

    /// In a ring, with the hash tag of the command.
    pub(super) fn tagged(&mut self, name: Vec<u8>) -> Vec<u8> {
        match self.tag {
            Some(tag) => [b"{", &[tag][..], b"}", &name].concat(),
            None => name,
        }
    }

    fn name(&mut self) -> Vec<u8> {
        match self.rng.u32(..40) {
            0 => Vec::new(),
            1 => b"\x00\xff\r\n".to_vec(),
            2 => vec![b'L'; 600],
            3 => b"{tag}one".to_vec(),
            4 => b"{tag}two".to_vec(),
            5 => b"a key with spaces".to_vec(),
            // The names of collections.
            39 => format!("{}{}", self.pick(&["H", "L", "S", "Z", "Y"]), self.rng.u32(..5))
                .into_bytes(),
            6..=10 => format!("h{}", self.rng.u32(..4)).into_bytes(),
            11..=15 => format!("n{}", self.rng.u32(..4)).into_bytes(),
            _ => format!("k{}", self.rng.u32(..12)).into_bytes(),
        }
    }

    pub(super) fn value(&mut self) -> Vec<u8> {
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

    pub(super) fn bytes(&mut self, len_max: usize) -> Vec<u8> {
        let len = self.below(len_max + 1);
        (0..len).map(|_| self.rng.u8(..)).collect()
    }

    pub(super) fn text(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.rng.u8(b'a'..=b'e')).collect()
    }

    pub(super) fn integer(&mut self) -> Vec<u8> {
        match self.rng.u32(..8) {
            0..=3 => self.pick(INTEGERS).as_bytes().to_vec(),
            4..=6 => self.rng.i64(-20..=120).to_string().into_bytes(),
            _ => self.rng.i64(..).to_string().into_bytes(),
        }
    }

    /// An integer that mostly is one, so that commands get past it.
    pub(super) fn good_integer(&mut self) -> Vec<u8> {
        if self.one_in(5) {
            self.integer()
        } else {
            self.rng.i64(-30..=200).to_string().into_bytes()
        }
    }

    pub(super) fn float(&mut self) -> Vec<u8> {
        match self.rng.u32(..4) {
            // A number out of range is remembered by a Redis (as C's errno) until it sorts, which then fails.
            0..=1 if self.sorts => {
                let text = self.pick(FLOATS);
                let value = text.parse::<f64>().unwrap_or(1.0);
                if value.is_normal() || text == "0" { text.into() } else { b"1.25".to_vec() }
            }
            0..=1 => self.pick(FLOATS).as_bytes().to_vec(),
            2 => format!("{}.{}", self.rng.i32(-50..=50), self.rng.u32(..1000)).into_bytes(),
            _ => format!("{}e{}", self.rng.i32(-999..=999), self.rng.i32(-12..=12)).into_bytes(),
        }
    }

    /// A time to live or a point in time.
    pub(super) fn time(&mut self) -> Vec<u8> {
        match self.rng.u32(..10) {
            0..=1 => self.integer(),
            2..=5 => self.rng.i64(TTL_MIN..TTL_MAX).to_string().into_bytes(),
            // Points in time far ahead, in milliseconds.
            6..=8 => self.rng.i64(4_000_000_000_000..9_000_000_000_000).to_string().into_bytes(),
            _ => self.rng.i64(9_000_000_000_000_000..).to_string().into_bytes(),
        }
    }

    pub(super) fn database(&mut self) -> Vec<u8> {
        match self.rng.u32(..16) {
            0 => self.integer(),
            1 => self.pick(&["15", "16", "9"]).as_bytes().to_vec(),
            _ => self.rng.u32(..3).to_string().into_bytes(),
        }
    }

    pub(super) fn keys(&mut self, most: usize) -> Args {
        let count = 1 + self.below(most);
        (0..count).map(|_| self.key()).collect()
    }

    pub(super) fn any_keys(&mut self, most: usize) -> Args {
        let count = 1 + self.below(most);
        (0..count).map(|_| self.any_key()).collect()
    }

    pub(super) fn payload(&mut self) -> Vec<u8> {
        let version = [9, 10, 10, 10, 6, 1, 12, 600][self.below(8)];
        let mut payload = match self.rng.u32(..12) {
            0 => rdb::integer_payload(self.rng.i32(..), 4, version),
            1 => rdb::integer_payload(self.rng.i32(-128..128), 1, version),
            2 => rdb::integer_payload(self.rng.i32(-32768..32768), 2, version),
            // Ten times `a`: one literal and a back reference; or lies about its length.
            3 => rdb::compressed_payload(
                b"\x01aa\xe0\x00\x01\x00a",
                [11, 10, 400][self.below(3)],
                version,
            ),
            4 if self.one_in(2) => self.bytes(40),
            4 => self.stream_payload(version),
            // A list, a set, a hash or a sorted set, as large ones are dumped.
            5..=9 => {
                let kind = [1, 2, 4, 5][self.below(4)];
                let mut elements = (0..self.below(5)).map(|_| self.element()).collect::<Args>();
                if kind != 1 {
                    // The difference `restored-twice`.
                    elements.sort();
                    elements.dedup();
                }
                rdb::collection_payload(kind, &elements, version)
            }
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
    pub(super) fn options(&mut self, list: &[(&str, &str)]) -> Args {
        let mut out = Vec::new();
        let count = [0, 0, 1, 1, 1, 2, 2, 3][self.below(8)];
        for _ in 0..count {
            let (name, parameter) = list[self.below(list.len())];
            out.push(name.as_bytes().to_vec());
            match parameter {
                "time" => out.push(self.time()),
                "int" => out.push(self.good_integer()),
                "small" => {
                    let small = self.rng.i32(-3..5).to_string().into_bytes();
                    out.push(if self.one_in(10) { self.integer() } else { small });
                }
                "limit" => {
                    for _ in 0..2 {
                        out.push(self.rng.i32(-2..6).to_string().into_bytes());
                    }
                }
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

    pub(super) fn one<'a>(&mut self, a: &'a str, b: &'a str) -> &'a str {
        if self.rng.bool() { a } else { b }
    }
}
