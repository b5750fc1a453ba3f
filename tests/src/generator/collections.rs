//! Random commands about hashes, lists, sets and sorted sets, and SORT.

use super::commands::line;
use super::{Args, Generator};

/// What a blocking command may be given for a timeout: too short to wait for, or wrong.
pub(super) const TIMEOUTS: &[&str] = &["0.001", "0.002", "0.001", "-1", "x", ""];

const RANGE_WORDS: &[(&str, &str)] = &[("LIMIT", "limit"), ("WITHSCORES", ""), ("nope", "")];

const SCORE_BOUNDS: &[&str] = &[
    "-inf", "+inf", "inf", "0", "(0", "1", "(1", "2", "3.5", "(-2", "-5", "(5", "10", "nan", "x",
    "", "(", "(inf",
];

const MEMBER_BOUNDS: &[&str] =
    &["-", "+", "[a", "(a", "[b", "(c", "[1", "(2", "[e", "[", "(", "a", "", "[zz", "(abc"];

impl Generator {
    /// The name of a key of one type, mostly: `prefix` and a small number.
    pub(super) fn typed(&mut self, prefix: char) -> Vec<u8> {
        if self.one_in(14) {
            return self.key();
        }
        let name = format!("{prefix}{}", self.rng.u32(..5)).into_bytes();
        self.tagged(name)
    }

    pub(super) fn hash_key(&mut self) -> Vec<u8> {
        self.typed('H')
    }

    pub(super) fn list_key(&mut self) -> Vec<u8> {
        self.typed('L')
    }

    pub(super) fn set_key(&mut self) -> Vec<u8> {
        self.typed('S')
    }

    pub(super) fn zset_key(&mut self) -> Vec<u8> {
        self.typed('Z')
    }

    /// A key of a sorted set of which all scores are 0: of others the order of members says nothing.
    fn level_key(&mut self) -> Vec<u8> {
        let name = format!("X{}", self.rng.u32(..3)).into_bytes();
        self.tagged(name)
    }

    /// A key of a set or a sorted set.
    fn zset_source(&mut self) -> Vec<u8> {
        if self.one_in(4) { self.set_key() } else { self.zset_key() }
    }

    /// A field, a member or an element: few of them, so that they meet.
    pub(super) fn element(&mut self) -> Vec<u8> {
        let mut element = self.any_element();
        if self.sorts {
            // The difference `sort-nul`.
            element.iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = b'0');
        }
        element
    }

    fn any_element(&mut self) -> Vec<u8> {
        match self.rng.u32(..16) {
            0 => self.value(),
            1 => self.integer(),
            2 => self.text(63 + self.serial as usize % 3),
            3..=8 => self.rng.i32(-3..25).to_string().into_bytes(),
            _ => {
                let len = 1 + self.below(2);
                self.text(len)
            }
        }
    }

    fn elements(&mut self, most: usize) -> Args {
        // Now and then so many that a small value turns big.
        let count = if self.one_in(60) { 140 } else { 1 + self.below(most) };
        if count == 140 {
            let wide = self.rng.bool();
            return (0..count)
                .map(|n| if wide { format!("m{n}") } else { n.to_string() }.into_bytes())
                .collect();
        }
        (0..count).map(|_| self.element()).collect()
    }

    fn score(&mut self) -> Vec<u8> {
        match self.rng.u32(..12) {
            0 => self.float(),
            1 => self.pick(&["inf", "-inf", "+inf", "-0", "nan", "1e300"]).into(),
            2 => format!("{}.5", self.rng.i32(-9..9)).into_bytes(),
            _ => self.rng.i32(-9..15).to_string().into_bytes(),
        }
    }

    pub(super) fn hash_command(&mut self) -> Args {
        let key = self.hash_key();
        match self.rng.u32(..24) {
            0..=6 => {
                let mut args = line(self.pick(&["HSET", "HSET", "HSET", "HMSET"]), [key]);
                for field in self.elements(5) {
                    args.push(field);
                    args.push(if self.one_in(3) { self.value() } else { self.element() });
                }
                args
            }
            7 => line("HSETNX", [key, self.element(), self.value()]),
            8..=9 => line("HGET", [key, self.element()]),
            10 => [line("HMGET", [key]), self.elements(4)].concat(),
            11..=13 => [line("HDEL", [key]), self.elements(4)].concat(),
            14 => line(self.one("HEXISTS", "HSTRLEN"), [key, self.element()]),
            15 => line("HLEN", [key]),
            16..=17 => line(self.pick(&["HGETALL", "HKEYS", "HVALS"]), [key]),
            18..=19 => line("HINCRBY", [key, self.element(), self.integer()]),
            20..=21 => line("HINCRBYFLOAT", [key, self.element(), self.float()]),
            22 => self.scan_of("HSCAN", key),
            _ => self.random_of("HRANDFIELD", "WITHVALUES", key),
        }
    }

    pub(super) fn list_command(&mut self) -> Args {
        let key = self.list_key();
        match self.rng.u32(..30) {
            0..=7 => {
                let name = self.pick(&["RPUSH", "LPUSH", "RPUSH", "LPUSH", "RPUSHX", "LPUSHX"]);
                [line(name, [key]), self.elements(5)].concat()
            }
            8..=9 => {
                let mut args = line(self.one("LPOP", "RPOP"), [key]);
                if self.one_in(2) {
                    args.push(self.good_integer());
                }
                args
            }
            10 => line("LLEN", [key]),
            11..=12 => line("LINDEX", [key, self.index()]),
            13..=15 => line("LRANGE", [key, self.index(), self.index()]),
            16 => line("LSET", [key, self.index(), self.element()]),
            17..=18 => {
                let place = self.pick(&["BEFORE", "AFTER", "before", "AFTER", "nope"]);
                line("LINSERT", [key, place.into(), self.element(), self.element()])
            }
            19 => line("LREM", [key, self.rng.i32(-3..4).to_string().into(), self.element()]),
            20 => line("LTRIM", [key, self.index(), self.index()]),
            21..=22 => {
                let tail = self.options(&[
                    ("RANK", "small"),
                    ("COUNT", "small"),
                    ("MAXLEN", "small"),
                    ("nope", ""),
                ]);
                [line("LPOS", [key, self.element()]), tail].concat()
            }
            23 => line("RPOPLPUSH", [key, self.list_key()]),
            24 => {
                let (from, to) = (self.end(), self.end());
                line("LMOVE", [key, self.list_key(), from, to])
            }
            25 => self.mpop("LMPOP", "LEFT", "RIGHT", |it| it.list_key()),
            _ => self.blocking_list_command(key),
        }
    }

    fn blocking_list_command(&mut self, key: Vec<u8>) -> Args {
        let timeout = self.pick(TIMEOUTS).into();
        match self.rng.u32(..6) {
            0..=2 => {
                let mut args = line(self.one("BLPOP", "BRPOP"), [key]);
                for _ in 0..self.below(3) {
                    args.push(self.list_key());
                }
                args.push(timeout);
                args
            }
            3 => line("BRPOPLPUSH", [key, self.list_key(), timeout]),
            4 => {
                let (from, to) = (self.end(), self.end());
                line("BLMOVE", [key, self.list_key(), from, to, timeout])
            }
            _ => {
                let mut args = self.mpop("BLMPOP", "LEFT", "RIGHT", |it| it.list_key());
                args.insert(1, timeout);
                args
            }
        }
    }

    fn end(&mut self) -> Vec<u8> {
        self.pick(&["LEFT", "RIGHT", "LEFT", "RIGHT", "right", "nope"]).into()
    }

    fn index(&mut self) -> Vec<u8> {
        if self.one_in(10) { self.integer() } else { self.rng.i32(-8..9).to_string().into() }
    }

    /// `NAME numkeys key … WHERE [COUNT count]`
    fn mpop(&mut self, name: &str, a: &str, b: &str, key: fn(&mut Self) -> Vec<u8>) -> Args {
        let count = 1 + self.below(3);
        let mut args = line(name, [self.numbered(count)]);
        args.extend((0..count).map(|_| key(self)));
        args.push(self.one(a, b).into());
        args.extend(self.options(&[("COUNT", "small"), ("nope", "")]));
        args
    }

    /// A number of keys, mostly the right one.
    fn numbered(&mut self, count: usize) -> Vec<u8> {
        // In a ring, a wrong number makes keys of other words, in other slots.
        if self.one_in(12) && !self.ring { self.integer() } else { count.to_string().into() }
    }

    pub(super) fn set_command(&mut self) -> Args {
        let key = self.set_key();
        match self.rng.u32(..24) {
            0..=6 => [line("SADD", [key]), self.elements(6)].concat(),
            7..=9 => [line("SREM", [key]), self.elements(4)].concat(),
            10 => line("SISMEMBER", [key, self.element()]),
            11 => [line("SMISMEMBER", [key]), self.elements(4)].concat(),
            12 => line("SCARD", [key]),
            13 => line("SMEMBERS", [key]),
            14..=15 => line("SMOVE", [key, self.set_key(), self.element()]),
            16..=17 => {
                let mut args = line(self.pick(&["SINTER", "SUNION", "SDIFF"]), [key]);
                args.extend((0..self.below(3)).map(|_| self.set_key()).collect::<Args>());
                args
            }
            18..=19 => {
                let name = self.pick(&["SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"]);
                let mut args = line(name, [key]);
                args.extend((0..1 + self.below(3)).map(|_| self.set_key()).collect::<Args>());
                args
            }
            20 => {
                let count = 1 + self.below(3);
                let mut args = line("SINTERCARD", [self.numbered(count)]);
                args.extend((0..count).map(|_| self.set_key()).collect::<Args>());
                args.extend(self.options(&[("LIMIT", "small"), ("nope", "")]));
                args
            }
            21 => self.scan_of("SSCAN", key),
            22 => self.random_of("SRANDMEMBER", "nope", key),
            // All of it: which of several goes is left to chance.
            _ => line("SPOP", [key, "1000000".into()]),
        }
    }

    pub(super) fn zset_command(&mut self) -> Args {
        let key = self.zset_key();
        match self.rng.u32(..40) {
            0..=8 => {
                let mut args = line("ZADD", [key]);
                if self.one_in(2) {
                    args.extend(self.options(&[
                        ("NX", ""),
                        ("XX", ""),
                        ("GT", ""),
                        ("LT", ""),
                        ("CH", ""),
                        ("INCR", ""),
                        ("nope", ""),
                    ]));
                }
                for member in self.elements(4) {
                    args.push(self.score());
                    args.push(member);
                }
                args
            }
            9..=10 => [line("ZREM", [key]), self.elements(3)].concat(),
            11..=12 => line("ZINCRBY", [key, self.score(), self.element()]),
            13 => line(self.pick(&["ZSCORE", "ZRANK", "ZREVRANK"]), [key, self.element()]),
            14 => [line("ZMSCORE", [key]), self.elements(4)].concat(),
            15 => line("ZCARD", [key]),
            16 => line("ZCOUNT", [key, self.score_bound(), self.score_bound()]),
            17 => line("ZLEXCOUNT", [self.level_key(), self.member_bound(), self.member_bound()]),
            18..=23 => self.zrange_command(key),
            24 => line("ZREMRANGEBYRANK", [key, self.index(), self.index()]),
            25 => line("ZREMRANGEBYSCORE", [key, self.score_bound(), self.score_bound()]),
            26 => {
                line("ZREMRANGEBYLEX", [self.level_key(), self.member_bound(), self.member_bound()])
            }
            27 => {
                let mut args = line(self.one("ZPOPMIN", "ZPOPMAX"), [key]);
                if self.one_in(2) {
                    args.push(self.good_integer());
                }
                args
            }
            28 => self.mpop("ZMPOP", "MIN", "MAX", |it| it.zset_key()),
            29..=30 => self.blocking_zset_command(key),
            31..=35 => self.combination(key),
            36 => self.scan_of("ZSCAN", key),
            37 => self.random_of("ZRANDMEMBER", "WITHSCORES", key),
            38 => {
                let mut args = line("ZADD", [self.level_key()]);
                for member in self.elements(4) {
                    args.push("0".into());
                    args.push(member);
                }
                args
            }
            _ => {
                let source = self.zset_key();
                let mut range = self.zrange_command(source);
                if range[0] != b"ZRANGE" {
                    return line(
                        "ZRANGESTORE",
                        [key, range.swap_remove(1), "0".into(), "-1".into()],
                    );
                }
                range[0] = b"ZRANGESTORE".to_vec();
                range.insert(1, key);
                range
            }
        }
    }

    fn score_bound(&mut self) -> Vec<u8> {
        self.pick(SCORE_BOUNDS).into()
    }

    fn member_bound(&mut self) -> Vec<u8> {
        self.pick(MEMBER_BOUNDS).into()
    }

    fn zrange_command(&mut self, key: Vec<u8>) -> Args {
        let (scores, members) =
            ([self.score_bound(), self.score_bound()], [self.member_bound(), self.member_bound()]);
        let range =
            |name: &str, key: Vec<u8>, [from, to]: [Vec<u8>; 2]| line(name, [key, from, to]);
        match self.rng.u32(..8) {
            0 => {
                let ranks = [self.index(), self.index()];
                [range(self.one("ZRANGE", "ZREVRANGE"), key, ranks), self.options(RANGE_WORDS)]
                    .concat()
            }
            1 => [
                range(self.one("ZRANGEBYSCORE", "ZREVRANGEBYSCORE"), key, scores),
                self.options(RANGE_WORDS),
            ]
            .concat(),
            2 => [
                range(self.one("ZRANGEBYLEX", "ZREVRANGEBYLEX"), self.level_key(), members),
                self.options(RANGE_WORDS),
            ]
            .concat(),
            way => {
                let (key, bounds, by) = match way {
                    3 | 4 => (key, scores, "BYSCORE"),
                    5 => (self.level_key(), members, "BYLEX"),
                    _ => (key, [self.index(), self.index()], ""),
                };
                let mut args = range("ZRANGE", key, bounds);
                if !by.is_empty() {
                    args.push(by.into());
                }
                args.extend(self.options(&[
                    ("REV", ""),
                    ("LIMIT", "limit"),
                    ("WITHSCORES", ""),
                    ("nope", ""),
                ]));
                args
            }
        }
    }

    fn blocking_zset_command(&mut self, key: Vec<u8>) -> Args {
        let timeout = self.pick(TIMEOUTS).into();
        if self.one_in(3) {
            let mut args = self.mpop("BZMPOP", "MIN", "MAX", |it| it.zset_key());
            args.insert(1, timeout);
            return args;
        }
        let mut args = line(self.one("BZPOPMIN", "BZPOPMAX"), [key]);
        for _ in 0..self.below(3) {
            args.push(self.zset_key());
        }
        args.push(timeout);
        args
    }

    /// Unions, intersections and differences.
    fn combination(&mut self, key: Vec<u8>) -> Args {
        let count = 1 + self.below(3);
        let name = self.pick(&[
            "ZUNION",
            "ZINTER",
            "ZDIFF",
            "ZUNIONSTORE",
            "ZINTERSTORE",
            "ZDIFFSTORE",
            "ZINTERCARD",
        ]);
        let mut args = line(name, if name.ends_with("STORE") { vec![key] } else { Vec::new() });
        args.push(self.numbered(count));
        args.extend((0..count).map(|_| self.zset_source()).collect::<Args>());
        if name == "ZINTERCARD" {
            args.extend(self.options(&[("LIMIT", "small"), ("nope", "")]));
            return args;
        }
        if self.one_in(3) {
            args.push("WEIGHTS".into());
            args.extend((0..count).map(|_| self.score()).collect::<Args>());
        }
        if self.one_in(3) {
            args.push("AGGREGATE".into());
            args.push(self.pick(&["SUM", "MIN", "MAX", "min", "nope"]).into());
        }
        if self.one_in(2) {
            args.push(self.pick(&["WITHSCORES", "WITHSCORES", "withscores", "nope"]).into());
        }
        args
    }

    /// An iteration in one step: where it pauses is each server's own matter.
    fn scan_of(&mut self, name: &str, key: Vec<u8>) -> Args {
        let mut args = line(name, [key, "0".into(), "COUNT".into(), "1000000".into()]);
        if self.one_in(2) {
            args.extend(line("MATCH", [self.pick(super::arguments::PATTERNS).into()]));
        }
        args
    }

    fn random_of(&mut self, name: &str, word: &str, key: Vec<u8>) -> Args {
        let mut args = line(name, [key]);
        if self.one_in(2) {
            args.push(self.rng.i32(-20..20).to_string().into());
            if self.one_in(2) {
                args.push(word.into());
            }
        }
        args
    }

    /// SORT, with patterns that lead to strings and to hashes.
    pub(super) fn sort_command(&mut self) -> Args {
        let key = if self.rng.bool() { self.list_key() } else { self.set_key() };
        let mut args = line(self.pick(&["SORT", "SORT", "SORT_RO"]), [key]);
        // Elements that weigh the same are in no order if text is compared: so BY does not go with ALPHA.
        let by = self.one_in(3);
        for _ in 0..self.below(4) {
            match self.rng.u32(..7) {
                0 if by => {
                    args.push("BY".into());
                    let pattern = self.pick(&["n*", "H*->1", "nosort*", "k*", "*"]).into();
                    args.push(self.tagged(pattern));
                }
                1 if !by => args.push("ALPHA".into()),
                2 => args.extend(line("LIMIT", [self.index(), self.index()])),
                3 => args.push(self.one("ASC", "DESC").into()),
                4 => {
                    args.push("GET".into());
                    let pattern = self.pick(&["#", "n*", "H*->1", "k*", "H*->", "nothing"]);
                    args.push(if pattern == "#" {
                        pattern.into()
                    } else {
                        self.tagged(pattern.into())
                    });
                }
                5 => args.extend(line("STORE", [self.list_key()])),
                _ => {}
            }
        }
        args
    }
}
