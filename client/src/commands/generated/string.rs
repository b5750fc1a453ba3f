//! Commands of the group string. Written from the command table; not to be edited by hand.

use crate::bytes::Bytes;
use crate::call::Call;
use crate::client::Client;
use crate::reply::Value;
use crate::request::Arg;

impl Client {
    /// Reads the string at a key.
    ///
    /// `GET key`, O(1).
    pub fn get(&self, key: impl Arg) -> Call<'_, Option<Bytes>, Get> {
        Call::of(self, "get").key(key)
    }

    /// Stores a string at a key, whatever type the key had.
    ///
    /// `SET key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]`, O(1).
    pub fn set(&self, key: impl Arg, value: impl Arg) -> Call<'_, Value, Set> {
        Call::of(self, "set").key(key).arg(value)
    }

    /// Reads the strings at several keys.
    ///
    /// `MGET key [key ...]`, O(N) in the number of keys.
    pub fn mget(
        &self,
        keys: impl IntoIterator<Item = impl Arg>,
    ) -> Call<'_, Vec<Option<Bytes>>, Mget> {
        Call::of(self, "mget").keys(keys)
    }

    /// Stores strings at several keys.
    ///
    /// `MSET key value [key value ...]`, O(N) in the number of keys.
    pub fn mset(&self, data: impl IntoIterator<Item = (impl Arg, impl Arg)>) -> Call<'_, (), Mset> {
        data.into_iter().fold(Call::of(self, "mset"), |call, (key, value)| call.key(key).arg(value))
    }

    /// Adds one to the integer at a key; an absent key counts as 0.
    ///
    /// `INCR key`, O(1).
    pub fn incr(&self, key: impl Arg) -> Call<'_, i64, Incr> {
        Call::of(self, "incr").key(key)
    }

    /// Adds a number to the integer at a key; an absent key counts as 0.
    ///
    /// `INCRBY key increment`, O(1).
    pub fn incrby(&self, key: impl Arg, increment: i64) -> Call<'_, i64, Incrby> {
        Call::of(self, "incrby").key(key).arg(increment)
    }

    /// Subtracts one from the integer at a key; an absent key counts as 0.
    ///
    /// `DECR key`, O(1).
    pub fn decr(&self, key: impl Arg) -> Call<'_, i64, Decr> {
        Call::of(self, "decr").key(key)
    }

    /// Subtracts a number from the integer at a key; an absent key counts as 0.
    ///
    /// `DECRBY key decrement`, O(1).
    pub fn decrby(&self, key: impl Arg, decrement: i64) -> Call<'_, i64, Decrby> {
        Call::of(self, "decrby").key(key).arg(decrement)
    }

    /// Adds a decimal number to the number at a key; an absent key counts as 0.
    ///
    /// `INCRBYFLOAT key increment`, O(1).
    pub fn incrbyfloat(&self, key: impl Arg, increment: f64) -> Call<'_, f64, Incrbyfloat> {
        Call::of(self, "incrbyfloat").key(key).arg(increment)
    }

    /// Adds bytes to the end of a string, creating the key if it is absent.
    ///
    /// `APPEND key value`, O(N) in the length of the new string.
    pub fn append(&self, key: impl Arg, value: impl Arg) -> Call<'_, i64, Append> {
        Call::of(self, "append").key(key).arg(value)
    }

    /// Answers the length of the string at a key.
    ///
    /// `STRLEN key`, O(1).
    pub fn strlen(&self, key: impl Arg) -> Call<'_, i64, Strlen> {
        Call::of(self, "strlen").key(key)
    }

    /// Reads the part of a string between two offsets.
    ///
    /// `GETRANGE key start end`, O(N) in the length of the part.
    pub fn getrange(&self, key: impl Arg, start: i64, end: i64) -> Call<'_, Bytes, Getrange> {
        Call::of(self, "getrange").key(key).arg(start).arg(end)
    }

    /// Overwrites a string from an offset on, filling a gap with zero bytes.
    ///
    /// `SETRANGE key offset value`, O(N) in the length of the new string.
    pub fn setrange(&self, key: impl Arg, offset: i64, value: impl Arg) -> Call<'_, i64, Setrange> {
        Call::of(self, "setrange").key(key).arg(offset).arg(value)
    }

    /// Reads the string at a key, then deletes the key.
    ///
    /// `GETDEL key`, O(1).
    pub fn getdel(&self, key: impl Arg) -> Call<'_, Option<Bytes>, Getdel> {
        Call::of(self, "getdel").key(key)
    }

    /// Reads the string at a key and changes or removes its expiry.
    ///
    /// `GETEX key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST]`, O(1).
    pub fn getex(&self, key: impl Arg) -> Call<'_, Option<Bytes>, Getex> {
        Call::of(self, "getex").key(key)
    }

    /// Stores a string and answers the one that it replaced.
    ///
    /// `GETSET key value`, O(1).
    ///
    /// Redis deprecated it in 6.2.0: use `SET` with the `GET` argument.
    pub fn getset(&self, key: impl Arg, value: impl Arg) -> Call<'_, Option<Bytes>, Getset> {
        Call::of(self, "getset").key(key).arg(value)
    }

    /// Stores a string, but only if the key is absent.
    ///
    /// `SETNX key value`, O(1).
    ///
    /// Redis deprecated it in 2.6.12: use `SET` with `NX`.
    pub fn setnx(&self, key: impl Arg, value: impl Arg) -> Call<'_, bool, Setnx> {
        Call::of(self, "setnx").key(key).arg(value)
    }

    /// Stores a string that expires after some seconds.
    ///
    /// `SETEX key seconds value`, O(1).
    ///
    /// Redis deprecated it in 2.6.12: use `SET` with `EX`.
    pub fn setex(&self, key: impl Arg, seconds: i64, value: impl Arg) -> Call<'_, (), Setex> {
        Call::of(self, "setex").key(key).arg(seconds).arg(value)
    }

    /// Stores a string that expires after some milliseconds.
    ///
    /// `PSETEX key milliseconds value`, O(1).
    ///
    /// Redis deprecated it in 2.6.12: use `SET` with `PX`.
    pub fn psetex(
        &self,
        key: impl Arg,
        milliseconds: i64,
        value: impl Arg,
    ) -> Call<'_, (), Psetex> {
        Call::of(self, "psetex").key(key).arg(milliseconds).arg(value)
    }

    /// Stores strings at several keys, but only if none of them exists.
    ///
    /// `MSETNX key value [key value ...]`, O(N) in the number of keys.
    pub fn msetnx(
        &self,
        data: impl IntoIterator<Item = (impl Arg, impl Arg)>,
    ) -> Call<'_, bool, Msetnx> {
        data.into_iter()
            .fold(Call::of(self, "msetnx"), |call, (key, value)| call.key(key).arg(value))
    }

    /// Finds the longest common subsequence of two strings.
    ///
    /// `LCS key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]`, O(N*M) in the lengths of both strings.
    pub fn lcs(&self, key1: impl Arg, key2: impl Arg) -> Call<'_, Value, Lcs> {
        Call::of(self, "lcs").key(key1).key(key2)
    }

    /// Reads the part of a string between two offsets.
    ///
    /// `SUBSTR key start end`, O(N) in the length of the part.
    ///
    /// Redis deprecated it in 2.0.0: use `GETRANGE`.
    pub fn substr(&self, key: impl Arg, start: i64, end: i64) -> Call<'_, Bytes, Substr> {
        Call::of(self, "substr").key(key).arg(start).arg(end)
    }
}

/// The command GET: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Get;

/// The command SET: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Set;

impl<T> Call<'_, T, Set> {
    /// `NX`
    pub fn nx(self) -> Self {
        self.arg("NX")
    }

    /// `XX`
    pub fn xx(self) -> Self {
        self.arg("XX")
    }

    /// `GET`
    pub fn get(self) -> Self {
        self.arg("GET")
    }

    /// `EX seconds`
    pub fn ex(self, seconds: i64) -> Self {
        self.arg("EX").arg(seconds)
    }

    /// `PX milliseconds`
    pub fn px(self, milliseconds: i64) -> Self {
        self.arg("PX").arg(milliseconds)
    }

    /// `EXAT unix-time-seconds`
    pub fn exat(self, unix_time_seconds: i64) -> Self {
        self.arg("EXAT").arg(unix_time_seconds)
    }

    /// `PXAT unix-time-milliseconds`
    pub fn pxat(self, unix_time_milliseconds: i64) -> Self {
        self.arg("PXAT").arg(unix_time_milliseconds)
    }

    /// `KEEPTTL`
    pub fn keepttl(self) -> Self {
        self.arg("KEEPTTL")
    }
}

/// The command MGET: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Mget;

/// The command MSET: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Mset;

/// The command INCR: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Incr;

/// The command INCRBY: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Incrby;

/// The command DECR: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Decr;

/// The command DECRBY: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Decrby;

/// The command INCRBYFLOAT: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Incrbyfloat;

/// The command APPEND: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Append;

/// The command STRLEN: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Strlen;

/// The command GETRANGE: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Getrange;

/// The command SETRANGE: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Setrange;

/// The command GETDEL: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Getdel;

/// The command GETEX: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Getex;

impl<T> Call<'_, T, Getex> {
    /// `EX seconds`
    pub fn ex(self, seconds: i64) -> Self {
        self.arg("EX").arg(seconds)
    }

    /// `PX milliseconds`
    pub fn px(self, milliseconds: i64) -> Self {
        self.arg("PX").arg(milliseconds)
    }

    /// `EXAT unix-time-seconds`
    pub fn exat(self, unix_time_seconds: i64) -> Self {
        self.arg("EXAT").arg(unix_time_seconds)
    }

    /// `PXAT unix-time-milliseconds`
    pub fn pxat(self, unix_time_milliseconds: i64) -> Self {
        self.arg("PXAT").arg(unix_time_milliseconds)
    }

    /// `PERSIST`
    pub fn persist(self) -> Self {
        self.arg("PERSIST")
    }
}

/// The command GETSET: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Getset;

/// The command SETNX: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Setnx;

/// The command SETEX: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Setex;

/// The command PSETEX: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Psetex;

/// The command MSETNX: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Msetnx;

/// The command LCS: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Lcs;

impl<T> Call<'_, T, Lcs> {
    /// `LEN`
    pub fn len(self) -> Self {
        self.arg("LEN")
    }

    /// `IDX`
    pub fn idx(self) -> Self {
        self.arg("IDX")
    }

    /// `MINMATCHLEN min-match-len`
    pub fn minmatchlen(self, min_match_len: i64) -> Self {
        self.arg("MINMATCHLEN").arg(min_match_len)
    }

    /// `WITHMATCHLEN`
    pub fn withmatchlen(self) -> Self {
        self.arg("WITHMATCHLEN")
    }
}

/// The command SUBSTR: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Substr;
