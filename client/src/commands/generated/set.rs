//! Commands of the group set. Written from the command table; not to be edited by hand.

use crate::bytes::Bytes;
use crate::call::Call;
use crate::client::Client;
use crate::reply::Value;
use crate::request::Arg;

impl Client {
    /// Adds members to a set, which is made if it is absent.
    ///
    /// `SADD key member [member ...]`, O(N) in the number of members.
    pub fn sadd(
        &self,
        key: impl Arg,
        members: impl IntoIterator<Item = impl Arg>,
    ) -> Call<'_, i64, Sadd> {
        Call::of(self, "sadd").key(key).args(members)
    }

    /// Counts the members of a set.
    ///
    /// `SCARD key`, O(1).
    pub fn scard(&self, key: impl Arg) -> Call<'_, i64, Scard> {
        Call::of(self, "scard").key(key)
    }

    /// Answers the members of the first set that no other has.
    ///
    /// `SDIFF key [key ...]`, O(N) in the members of all sets.
    pub fn sdiff(&self, keys: impl IntoIterator<Item = impl Arg>) -> Call<'_, Vec<Bytes>, Sdiff> {
        Call::of(self, "sdiff").keys(keys)
    }

    /// Stores the members of the first set that no other has.
    ///
    /// `SDIFFSTORE destination key [key ...]`, O(N) in the members of all sets.
    pub fn sdiffstore(
        &self,
        destination: impl Arg,
        keys: impl IntoIterator<Item = impl Arg>,
    ) -> Call<'_, i64, Sdiffstore> {
        Call::of(self, "sdiffstore").key(destination).keys(keys)
    }

    /// Answers the members that all sets have.
    ///
    /// `SINTER key [key ...]`, O(N*M) in the size of the smallest set and the number of sets.
    pub fn sinter(&self, keys: impl IntoIterator<Item = impl Arg>) -> Call<'_, Vec<Bytes>, Sinter> {
        Call::of(self, "sinter").keys(keys)
    }

    /// Counts the members that all sets have.
    ///
    /// `SINTERCARD numkeys key [key ...] [LIMIT limit]`, O(N*M) in the size of the smallest set and the number of sets.
    pub fn sintercard(
        &self,
        keys: impl IntoIterator<Item = impl Arg>,
    ) -> Call<'_, i64, Sintercard> {
        Call::of(self, "sintercard").counted(keys)
    }

    /// Stores the members that all sets have.
    ///
    /// `SINTERSTORE destination key [key ...]`, O(N*M) in the size of the smallest set and the number of sets.
    pub fn sinterstore(
        &self,
        destination: impl Arg,
        keys: impl IntoIterator<Item = impl Arg>,
    ) -> Call<'_, i64, Sinterstore> {
        Call::of(self, "sinterstore").key(destination).keys(keys)
    }

    /// Answers whether a set has a member.
    ///
    /// `SISMEMBER key member`, O(1).
    pub fn sismember(&self, key: impl Arg, member: impl Arg) -> Call<'_, bool, Sismember> {
        Call::of(self, "sismember").key(key).arg(member)
    }

    /// Lists the members of a set.
    ///
    /// `SMEMBERS key`, O(N) in the size of the set.
    pub fn smembers(&self, key: impl Arg) -> Call<'_, Vec<Bytes>, Smembers> {
        Call::of(self, "smembers").key(key)
    }

    /// Answers of several members whether a set has them.
    ///
    /// `SMISMEMBER key member [member ...]`, O(N) in the number of members.
    pub fn smismember(
        &self,
        key: impl Arg,
        members: impl IntoIterator<Item = impl Arg>,
    ) -> Call<'_, Vec<bool>, Smismember> {
        Call::of(self, "smismember").key(key).args(members)
    }

    /// Moves a member from one set to another.
    ///
    /// `SMOVE source destination member`, O(1).
    pub fn smove(
        &self,
        source: impl Arg,
        destination: impl Arg,
        member: impl Arg,
    ) -> Call<'_, bool, Smove> {
        Call::of(self, "smove").key(source).key(destination).arg(member)
    }

    /// Removes random members of a set and answers them.
    ///
    /// `SPOP key [count]`, O(N) in the number of members answered.
    pub fn spop(&self, key: impl Arg) -> Call<'_, Value, Spop> {
        Call::of(self, "spop").key(key)
    }

    /// Answers random members of a set.
    ///
    /// `SRANDMEMBER key [count]`, O(N) in the number of members answered.
    pub fn srandmember(&self, key: impl Arg) -> Call<'_, Value, Srandmember> {
        Call::of(self, "srandmember").key(key)
    }

    /// Removes members of a set; a set without members is gone.
    ///
    /// `SREM key member [member ...]`, O(N) in the number of members.
    pub fn srem(
        &self,
        key: impl Arg,
        members: impl IntoIterator<Item = impl Arg>,
    ) -> Call<'_, i64, Srem> {
        Call::of(self, "srem").key(key).args(members)
    }

    /// Iterates over the members of a set, a few at a time.
    ///
    /// `SSCAN key cursor [MATCH pattern] [COUNT count]`, O(1) a call, O(N) for all.
    pub fn sscan(&self, key: impl Arg, cursor: impl Arg) -> Call<'_, Value, Sscan> {
        Call::of(self, "sscan").key(key).arg(cursor)
    }

    /// Answers the members that any of the sets has.
    ///
    /// `SUNION key [key ...]`, O(N) in the members of all sets.
    pub fn sunion(&self, keys: impl IntoIterator<Item = impl Arg>) -> Call<'_, Vec<Bytes>, Sunion> {
        Call::of(self, "sunion").keys(keys)
    }

    /// Stores the members that any of the sets has.
    ///
    /// `SUNIONSTORE destination key [key ...]`, O(N) in the members of all sets.
    pub fn sunionstore(
        &self,
        destination: impl Arg,
        keys: impl IntoIterator<Item = impl Arg>,
    ) -> Call<'_, i64, Sunionstore> {
        Call::of(self, "sunionstore").key(destination).keys(keys)
    }
}

/// The command SADD: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Sadd;

/// The command SCARD: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Scard;

/// The command SDIFF: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Sdiff;

/// The command SDIFFSTORE: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Sdiffstore;

/// The command SINTER: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Sinter;

/// The command SINTERCARD: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Sintercard;

impl<T> Call<'_, T, Sintercard> {
    /// `LIMIT limit`
    pub fn limit(self, limit: i64) -> Self {
        self.arg("LIMIT").arg(limit)
    }
}

/// The command SINTERSTORE: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Sinterstore;

/// The command SISMEMBER: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Sismember;

/// The command SMEMBERS: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Smembers;

/// The command SMISMEMBER: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Smismember;

/// The command SMOVE: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Smove;

/// The command SPOP: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Spop;

impl<T> Call<'_, T, Spop> {
    /// `count`
    pub fn count(self, count: i64) -> Self {
        self.arg(count)
    }
}

/// The command SRANDMEMBER: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Srandmember;

impl<T> Call<'_, T, Srandmember> {
    /// `count`
    pub fn count(self, count: i64) -> Self {
        self.arg(count)
    }
}

/// The command SREM: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Srem;

/// The command SSCAN: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Sscan;

impl<T> Call<'_, T, Sscan> {
    /// `MATCH pattern`
    pub fn matching(self, pattern: impl Arg) -> Self {
        self.arg("MATCH").arg(pattern)
    }

    /// `COUNT count`
    pub fn count(self, count: i64) -> Self {
        self.arg("COUNT").arg(count)
    }
}

/// The command SUNION: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Sunion;

/// The command SUNIONSTORE: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Sunionstore;
