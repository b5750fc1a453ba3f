//! Commands of the group hash. Written from the command table; not to be edited by hand.

use crate::bytes::Bytes;
use crate::call::Call;
use crate::client::Client;
use crate::reply::Value;
use crate::request::Arg;
use std::collections::HashMap;

impl Client {
    /// Removes fields of a hash; a hash without fields is gone.
    ///
    /// `HDEL key field [field ...]`, O(N) in the number of fields.
    pub fn hdel(
        &self,
        key: impl Arg,
        fields: impl IntoIterator<Item = impl Arg>,
    ) -> Call<'_, i64, Hdel> {
        Call::of(self, "hdel").key(key).args(fields)
    }

    /// Answers whether a hash has a field.
    ///
    /// `HEXISTS key field`, O(1).
    pub fn hexists(&self, key: impl Arg, field: impl Arg) -> Call<'_, bool, Hexists> {
        Call::of(self, "hexists").key(key).arg(field)
    }

    /// Reads a field of a hash.
    ///
    /// `HGET key field`, O(1).
    pub fn hget(&self, key: impl Arg, field: impl Arg) -> Call<'_, Option<Bytes>, Hget> {
        Call::of(self, "hget").key(key).arg(field)
    }

    /// Reads all fields of a hash and their values.
    ///
    /// `HGETALL key`, O(N) in the size of the hash.
    pub fn hgetall(&self, key: impl Arg) -> Call<'_, HashMap<Bytes, Bytes>, Hgetall> {
        Call::of(self, "hgetall").key(key)
    }

    /// Adds an integer to the number in a field; an absent field counts as 0.
    ///
    /// `HINCRBY key field increment`, O(1).
    pub fn hincrby(
        &self,
        key: impl Arg,
        field: impl Arg,
        increment: i64,
    ) -> Call<'_, i64, Hincrby> {
        Call::of(self, "hincrby").key(key).arg(field).arg(increment)
    }

    /// Adds a number to the number in a field; an absent field counts as 0.
    ///
    /// `HINCRBYFLOAT key field increment`, O(1).
    pub fn hincrbyfloat(
        &self,
        key: impl Arg,
        field: impl Arg,
        increment: f64,
    ) -> Call<'_, f64, Hincrbyfloat> {
        Call::of(self, "hincrbyfloat").key(key).arg(field).arg(increment)
    }

    /// Lists the fields of a hash.
    ///
    /// `HKEYS key`, O(N) in the size of the hash.
    pub fn hkeys(&self, key: impl Arg) -> Call<'_, Vec<Bytes>, Hkeys> {
        Call::of(self, "hkeys").key(key)
    }

    /// Counts the fields of a hash.
    ///
    /// `HLEN key`, O(1).
    pub fn hlen(&self, key: impl Arg) -> Call<'_, i64, Hlen> {
        Call::of(self, "hlen").key(key)
    }

    /// Reads several fields of a hash.
    ///
    /// `HMGET key field [field ...]`, O(N) in the number of fields.
    pub fn hmget(
        &self,
        key: impl Arg,
        fields: impl IntoIterator<Item = impl Arg>,
    ) -> Call<'_, Vec<Option<Bytes>>, Hmget> {
        Call::of(self, "hmget").key(key).args(fields)
    }

    /// Sets fields of a hash.
    ///
    /// `HMSET key field value [field value ...]`, O(N) in the number of fields.
    ///
    /// Redis deprecated it in 4.0.0: use `HSET` with multiple field-value pairs.
    pub fn hmset(
        &self,
        key: impl Arg,
        field_value: impl IntoIterator<Item = (impl Arg, impl Arg)>,
    ) -> Call<'_, (), Hmset> {
        field_value.into_iter().fold(Call::of(self, "hmset").key(key), |call, (field, value)| {
            call.arg(field).arg(value)
        })
    }

    /// Answers random fields of a hash.
    ///
    /// `HRANDFIELD key [count [WITHVALUES]]`, O(N) in the number of fields answered.
    pub fn hrandfield(&self, key: impl Arg) -> Call<'_, Value, Hrandfield> {
        Call::of(self, "hrandfield").key(key)
    }

    /// Iterates over the fields of a hash, a few at a time.
    ///
    /// `HSCAN key cursor [MATCH pattern] [COUNT count]`, O(1) a call, O(N) for all.
    pub fn hscan(&self, key: impl Arg, cursor: impl Arg) -> Call<'_, Value, Hscan> {
        Call::of(self, "hscan").key(key).arg(cursor)
    }

    /// Sets fields of a hash, which is made if it is absent.
    ///
    /// `HSET key field value [field value ...]`, O(N) in the number of fields.
    pub fn hset(
        &self,
        key: impl Arg,
        field_value: impl IntoIterator<Item = (impl Arg, impl Arg)>,
    ) -> Call<'_, i64, Hset> {
        field_value.into_iter().fold(Call::of(self, "hset").key(key), |call, (field, value)| {
            call.arg(field).arg(value)
        })
    }

    /// Sets a field of a hash if it has no such field.
    ///
    /// `HSETNX key field value`, O(1).
    pub fn hsetnx(
        &self,
        key: impl Arg,
        field: impl Arg,
        value: impl Arg,
    ) -> Call<'_, bool, Hsetnx> {
        Call::of(self, "hsetnx").key(key).arg(field).arg(value)
    }

    /// Answers the length of the value in a field.
    ///
    /// `HSTRLEN key field`, O(1).
    pub fn hstrlen(&self, key: impl Arg, field: impl Arg) -> Call<'_, i64, Hstrlen> {
        Call::of(self, "hstrlen").key(key).arg(field)
    }

    /// Lists the values of a hash.
    ///
    /// `HVALS key`, O(N) in the size of the hash.
    pub fn hvals(&self, key: impl Arg) -> Call<'_, Vec<Bytes>, Hvals> {
        Call::of(self, "hvals").key(key)
    }
}

/// The command HDEL: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Hdel;

/// The command HEXISTS: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Hexists;

/// The command HGET: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Hget;

/// The command HGETALL: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Hgetall;

/// The command HINCRBY: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Hincrby;

/// The command HINCRBYFLOAT: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Hincrbyfloat;

/// The command HKEYS: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Hkeys;

/// The command HLEN: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Hlen;

/// The command HMGET: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Hmget;

/// The command HMSET: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Hmset;

/// The command HRANDFIELD: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Hrandfield;

impl<T> Call<'_, T, Hrandfield> {
    /// `count`
    pub fn count(self, count: i64) -> Self {
        self.arg(count)
    }

    /// `WITHVALUES`
    pub fn withvalues(self) -> Self {
        self.arg("WITHVALUES")
    }
}

/// The command HSCAN: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Hscan;

impl<T> Call<'_, T, Hscan> {
    /// `MATCH pattern`
    pub fn matching(self, pattern: impl Arg) -> Self {
        self.arg("MATCH").arg(pattern)
    }

    /// `COUNT count`
    pub fn count(self, count: i64) -> Self {
        self.arg("COUNT").arg(count)
    }
}

/// The command HSET: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Hset;

/// The command HSETNX: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Hsetnx;

/// The command HSTRLEN: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Hstrlen;

/// The command HVALS: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Hvals;
