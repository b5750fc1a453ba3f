//! Commands of the group sorted-set. Written from the command table; not to be edited by hand.

use crate::bytes::Bytes;
use crate::call::Call;
use crate::client::Client;
use crate::reply::Value;
use crate::request::Arg;

impl Client {
    /// Pops members of the first sorted set that has any, and waits for one if none has.
    ///
    /// `BZMPOP timeout numkeys key [key ...] <MIN | MAX> [COUNT count]`, O(K + M*log N) in the number of keys, of members popped and the size of the sorted set.
    pub fn bzmpop(
        &self,
        timeout: f64,
        keys: impl IntoIterator<Item = impl Arg>,
        whence: impl Arg,
    ) -> Call<'_, Value, Bzmpop> {
        Call::of(self, "bzmpop").arg(timeout).counted(keys).arg(whence)
    }

    /// Pops the member with the highest score of the first sorted set that has any, and waits for one if none has.
    ///
    /// `BZPOPMAX key [key ...] timeout`, O(log N) in the size of the sorted set.
    pub fn bzpopmax(
        &self,
        keys: impl IntoIterator<Item = impl Arg>,
        timeout: f64,
    ) -> Call<'_, Option<(Bytes, Bytes, f64)>, Bzpopmax> {
        Call::of(self, "bzpopmax").keys(keys).arg(timeout)
    }

    /// Pops the member with the lowest score of the first sorted set that has any, and waits for one if none has.
    ///
    /// `BZPOPMIN key [key ...] timeout`, O(log N) in the size of the sorted set.
    pub fn bzpopmin(
        &self,
        keys: impl IntoIterator<Item = impl Arg>,
        timeout: f64,
    ) -> Call<'_, Option<(Bytes, Bytes, f64)>, Bzpopmin> {
        Call::of(self, "bzpopmin").keys(keys).arg(timeout)
    }

    /// Adds members to a sorted set, or changes their scores.
    ///
    /// `ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]`, O(log N) a member, in the size of the sorted set.
    pub fn zadd(&self, key: impl Arg) -> Call<'_, Value, Zadd> {
        Call::of(self, "zadd").key(key)
    }

    /// Counts the members of a sorted set.
    ///
    /// `ZCARD key`, O(1).
    pub fn zcard(&self, key: impl Arg) -> Call<'_, i64, Zcard> {
        Call::of(self, "zcard").key(key)
    }

    /// Counts the members with scores in a range.
    ///
    /// `ZCOUNT key min max`, O(log N) in the size of the sorted set.
    pub fn zcount(&self, key: impl Arg, min: impl Arg, max: impl Arg) -> Call<'_, i64, Zcount> {
        Call::of(self, "zcount").key(key).arg(min).arg(max)
    }

    /// Answers the members of the first sorted set that no other has.
    ///
    /// `ZDIFF numkeys key [key ...] [WITHSCORES]`, O(L + (N-K) log N) in the members of all sets, of the first and of the result.
    pub fn zdiff(&self, keys: impl IntoIterator<Item = impl Arg>) -> Call<'_, Value, Zdiff> {
        Call::of(self, "zdiff").counted(keys)
    }

    /// Stores the members of the first sorted set that no other has.
    ///
    /// `ZDIFFSTORE destination numkeys key [key ...]`, O(L + (N-K) log N) in the members of all sets, of the first and of the result.
    pub fn zdiffstore(
        &self,
        destination: impl Arg,
        keys: impl IntoIterator<Item = impl Arg>,
    ) -> Call<'_, i64, Zdiffstore> {
        Call::of(self, "zdiffstore").key(destination).counted(keys)
    }

    /// Adds to the score of a member; an absent member counts as 0.
    ///
    /// `ZINCRBY key increment member`, O(log N) in the size of the sorted set.
    pub fn zincrby(
        &self,
        key: impl Arg,
        increment: i64,
        member: impl Arg,
    ) -> Call<'_, f64, Zincrby> {
        Call::of(self, "zincrby").key(key).arg(increment).arg(member)
    }

    /// Answers the members that all sorted sets have.
    ///
    /// `ZINTER numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>] [WITHSCORES]`, O(N*K + M*log M) in the size of the smallest set, the number of sets and the size of the result.
    pub fn zinter(&self, keys: impl IntoIterator<Item = impl Arg>) -> Call<'_, Value, Zinter> {
        Call::of(self, "zinter").counted(keys)
    }

    /// Counts the members that all sorted sets have.
    ///
    /// `ZINTERCARD numkeys key [key ...] [LIMIT limit]`, O(N*K) in the size of the smallest set and the number of sets.
    pub fn zintercard(
        &self,
        keys: impl IntoIterator<Item = impl Arg>,
    ) -> Call<'_, i64, Zintercard> {
        Call::of(self, "zintercard").counted(keys)
    }

    /// Stores the members that all sorted sets have.
    ///
    /// `ZINTERSTORE destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>]`, O(N*K + M*log M) in the size of the smallest set, the number of sets and the size of the result.
    pub fn zinterstore(
        &self,
        destination: impl Arg,
        keys: impl IntoIterator<Item = impl Arg>,
    ) -> Call<'_, i64, Zinterstore> {
        Call::of(self, "zinterstore").key(destination).counted(keys)
    }

    /// Counts the members between two in the order of their bytes.
    ///
    /// `ZLEXCOUNT key min max`, O(log N) in the size of the sorted set.
    pub fn zlexcount(
        &self,
        key: impl Arg,
        min: impl Arg,
        max: impl Arg,
    ) -> Call<'_, i64, Zlexcount> {
        Call::of(self, "zlexcount").key(key).arg(min).arg(max)
    }

    /// Pops members of the first sorted set that has any.
    ///
    /// `ZMPOP numkeys key [key ...] <MIN | MAX> [COUNT count]`, O(K + M*log N) in the number of keys, of members popped and the size of the sorted set.
    pub fn zmpop(
        &self,
        keys: impl IntoIterator<Item = impl Arg>,
        whence: impl Arg,
    ) -> Call<'_, Value, Zmpop> {
        Call::of(self, "zmpop").counted(keys).arg(whence)
    }

    /// Answers the scores of several members.
    ///
    /// `ZMSCORE key member [member ...]`, O(N) in the number of members.
    pub fn zmscore(
        &self,
        key: impl Arg,
        members: impl IntoIterator<Item = impl Arg>,
    ) -> Call<'_, Vec<Option<f64>>, Zmscore> {
        Call::of(self, "zmscore").key(key).args(members)
    }

    /// Removes the members with the highest scores and answers them.
    ///
    /// `ZPOPMAX key [count]`, O(M*log N) in the number of members popped and the size of the sorted set.
    pub fn zpopmax(&self, key: impl Arg) -> Call<'_, Value, Zpopmax> {
        Call::of(self, "zpopmax").key(key)
    }

    /// Removes the members with the lowest scores and answers them.
    ///
    /// `ZPOPMIN key [count]`, O(M*log N) in the number of members popped and the size of the sorted set.
    pub fn zpopmin(&self, key: impl Arg) -> Call<'_, Value, Zpopmin> {
        Call::of(self, "zpopmin").key(key)
    }

    /// Answers random members of a sorted set.
    ///
    /// `ZRANDMEMBER key [count [WITHSCORES]]`, O(N) in the number of members answered.
    pub fn zrandmember(&self, key: impl Arg) -> Call<'_, Value, Zrandmember> {
        Call::of(self, "zrandmember").key(key)
    }

    /// Answers members in a range of places, scores or bytes.
    ///
    /// `ZRANGE key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]`, O(log N + M) in the size of the sorted set and the number of members answered.
    pub fn zrange(
        &self,
        key: impl Arg,
        start: impl Arg,
        stop: impl Arg,
    ) -> Call<'_, Value, Zrange> {
        Call::of(self, "zrange").key(key).arg(start).arg(stop)
    }

    /// Answers members between two in the order of their bytes.
    ///
    /// `ZRANGEBYLEX key min max [LIMIT offset count]`, O(log N + M) in the size of the sorted set and the number of members answered.
    ///
    /// Redis deprecated it in 6.2.0: use `ZRANGE` with the `BYLEX` argument.
    pub fn zrangebylex(
        &self,
        key: impl Arg,
        min: impl Arg,
        max: impl Arg,
    ) -> Call<'_, Vec<Bytes>, Zrangebylex> {
        Call::of(self, "zrangebylex").key(key).arg(min).arg(max)
    }

    /// Answers members with scores in a range.
    ///
    /// `ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count]`, O(log N + M) in the size of the sorted set and the number of members answered.
    ///
    /// Redis deprecated it in 6.2.0: use `ZRANGE` with the `BYSCORE` argument.
    pub fn zrangebyscore(
        &self,
        key: impl Arg,
        min: impl Arg,
        max: impl Arg,
    ) -> Call<'_, Value, Zrangebyscore> {
        Call::of(self, "zrangebyscore").key(key).arg(min).arg(max)
    }

    /// Stores members in a range of places, scores or bytes.
    ///
    /// `ZRANGESTORE dst src min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]`, O(log N + M) in the size of the sorted set and the number of members stored.
    pub fn zrangestore(
        &self,
        dst: impl Arg,
        src: impl Arg,
        min: impl Arg,
        max: impl Arg,
    ) -> Call<'_, i64, Zrangestore> {
        Call::of(self, "zrangestore").key(dst).key(src).arg(min).arg(max)
    }

    /// Answers the place of a member in the order of rising scores.
    ///
    /// `ZRANK key member`, O(log N) in the size of the sorted set.
    pub fn zrank(&self, key: impl Arg, member: impl Arg) -> Call<'_, Option<i64>, Zrank> {
        Call::of(self, "zrank").key(key).arg(member)
    }

    /// Removes members of a sorted set; a sorted set without members is gone.
    ///
    /// `ZREM key member [member ...]`, O(M*log N) in the number of members removed and the size of the sorted set.
    pub fn zrem(
        &self,
        key: impl Arg,
        members: impl IntoIterator<Item = impl Arg>,
    ) -> Call<'_, i64, Zrem> {
        Call::of(self, "zrem").key(key).args(members)
    }

    /// Removes members between two in the order of their bytes.
    ///
    /// `ZREMRANGEBYLEX key min max`, O(log N + M) in the size of the sorted set and the number of members removed.
    pub fn zremrangebylex(
        &self,
        key: impl Arg,
        min: impl Arg,
        max: impl Arg,
    ) -> Call<'_, i64, Zremrangebylex> {
        Call::of(self, "zremrangebylex").key(key).arg(min).arg(max)
    }

    /// Removes members in a range of places.
    ///
    /// `ZREMRANGEBYRANK key start stop`, O(log N + M) in the size of the sorted set and the number of members removed.
    pub fn zremrangebyrank(
        &self,
        key: impl Arg,
        start: i64,
        stop: i64,
    ) -> Call<'_, i64, Zremrangebyrank> {
        Call::of(self, "zremrangebyrank").key(key).arg(start).arg(stop)
    }

    /// Removes members with scores in a range.
    ///
    /// `ZREMRANGEBYSCORE key min max`, O(log N + M) in the size of the sorted set and the number of members removed.
    pub fn zremrangebyscore(
        &self,
        key: impl Arg,
        min: impl Arg,
        max: impl Arg,
    ) -> Call<'_, i64, Zremrangebyscore> {
        Call::of(self, "zremrangebyscore").key(key).arg(min).arg(max)
    }

    /// Answers members in a range of places, in the order of falling scores.
    ///
    /// `ZREVRANGE key start stop [WITHSCORES]`, O(log N + M) in the size of the sorted set and the number of members answered.
    ///
    /// Redis deprecated it in 6.2.0: use `ZRANGE` with the `REV` argument.
    pub fn zrevrange(&self, key: impl Arg, start: i64, stop: i64) -> Call<'_, Value, Zrevrange> {
        Call::of(self, "zrevrange").key(key).arg(start).arg(stop)
    }

    /// Answers members between two in the reverse order of their bytes.
    ///
    /// `ZREVRANGEBYLEX key max min [LIMIT offset count]`, O(log N + M) in the size of the sorted set and the number of members answered.
    ///
    /// Redis deprecated it in 6.2.0: use `ZRANGE` with the `REV` and `BYLEX` arguments.
    pub fn zrevrangebylex(
        &self,
        key: impl Arg,
        max: impl Arg,
        min: impl Arg,
    ) -> Call<'_, Vec<Bytes>, Zrevrangebylex> {
        Call::of(self, "zrevrangebylex").key(key).arg(max).arg(min)
    }

    /// Answers members with scores in a range, in the order of falling scores.
    ///
    /// `ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count]`, O(log N + M) in the size of the sorted set and the number of members answered.
    ///
    /// Redis deprecated it in 6.2.0: use `ZRANGE` with the `REV` and `BYSCORE` arguments.
    pub fn zrevrangebyscore(
        &self,
        key: impl Arg,
        max: impl Arg,
        min: impl Arg,
    ) -> Call<'_, Value, Zrevrangebyscore> {
        Call::of(self, "zrevrangebyscore").key(key).arg(max).arg(min)
    }

    /// Answers the place of a member in the order of falling scores.
    ///
    /// `ZREVRANK key member [WITHSCORE]`, O(log N) in the size of the sorted set.
    pub fn zrevrank(&self, key: impl Arg, member: impl Arg) -> Call<'_, Option<i64>, Zrevrank> {
        Call::of(self, "zrevrank").key(key).arg(member)
    }

    /// Iterates over the members of a sorted set and their scores, a few at a time.
    ///
    /// `ZSCAN key cursor [MATCH pattern] [COUNT count]`, O(1) a call, O(N) for all.
    pub fn zscan(&self, key: impl Arg, cursor: impl Arg) -> Call<'_, Value, Zscan> {
        Call::of(self, "zscan").key(key).arg(cursor)
    }

    /// Answers the score of a member.
    ///
    /// `ZSCORE key member`, O(1).
    pub fn zscore(&self, key: impl Arg, member: impl Arg) -> Call<'_, Option<f64>, Zscore> {
        Call::of(self, "zscore").key(key).arg(member)
    }

    /// Answers the members that any of the sorted sets has.
    ///
    /// `ZUNION numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>] [WITHSCORES]`, O(N + M*log M) in the members of all sets and of the result.
    pub fn zunion(&self, keys: impl IntoIterator<Item = impl Arg>) -> Call<'_, Value, Zunion> {
        Call::of(self, "zunion").counted(keys)
    }

    /// Stores the members that any of the sorted sets has.
    ///
    /// `ZUNIONSTORE destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>]`, O(N + M*log M) in the members of all sets and of the result.
    pub fn zunionstore(
        &self,
        destination: impl Arg,
        keys: impl IntoIterator<Item = impl Arg>,
    ) -> Call<'_, i64, Zunionstore> {
        Call::of(self, "zunionstore").key(destination).counted(keys)
    }
}

/// The command BZMPOP: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Bzmpop;

impl<T> Call<'_, T, Bzmpop> {
    /// `COUNT count`
    pub fn count(self, count: i64) -> Self {
        self.arg("COUNT").arg(count)
    }
}

/// The command BZPOPMAX: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Bzpopmax;

/// The command BZPOPMIN: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Bzpopmin;

/// The command ZADD: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Zadd;

impl<T> Call<'_, T, Zadd> {
    /// `NX`
    pub fn nx(self) -> Self {
        self.arg("NX")
    }

    /// `XX`
    pub fn xx(self) -> Self {
        self.arg("XX")
    }

    /// `GT`
    pub fn gt(self) -> Self {
        self.arg("GT")
    }

    /// `LT`
    pub fn lt(self) -> Self {
        self.arg("LT")
    }

    /// `CH`
    pub fn ch(self) -> Self {
        self.arg("CH")
    }

    /// `INCR`
    pub fn incr(self) -> Self {
        self.arg("INCR")
    }

    /// `score member`
    pub fn score_member(self, score: f64, member: impl Arg) -> Self {
        self.arg(score).arg(member)
    }
}

/// The command ZCARD: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Zcard;

/// The command ZCOUNT: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Zcount;

/// The command ZDIFF: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Zdiff;

impl<T> Call<'_, T, Zdiff> {
    /// `WITHSCORES`
    pub fn withscores(self) -> Self {
        self.arg("WITHSCORES")
    }
}

/// The command ZDIFFSTORE: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Zdiffstore;

/// The command ZINCRBY: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Zincrby;

/// The command ZINTER: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Zinter;

impl<T> Call<'_, T, Zinter> {
    /// `WEIGHTS weight`
    pub fn weights(self, weights: impl IntoIterator<Item = impl Arg>) -> Self {
        self.arg("WEIGHTS").args(weights)
    }

    /// `AGGREGATE SUM MIN MAX`
    pub fn aggregate(self, aggregate: impl Arg) -> Self {
        self.arg("AGGREGATE").arg(aggregate)
    }

    /// `WITHSCORES`
    pub fn withscores(self) -> Self {
        self.arg("WITHSCORES")
    }
}

/// The command ZINTERCARD: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Zintercard;

impl<T> Call<'_, T, Zintercard> {
    /// `LIMIT limit`
    pub fn limit(self, limit: i64) -> Self {
        self.arg("LIMIT").arg(limit)
    }
}

/// The command ZINTERSTORE: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Zinterstore;

impl<T> Call<'_, T, Zinterstore> {
    /// `WEIGHTS weight`
    pub fn weights(self, weights: impl IntoIterator<Item = impl Arg>) -> Self {
        self.arg("WEIGHTS").args(weights)
    }

    /// `AGGREGATE SUM MIN MAX`
    pub fn aggregate(self, aggregate: impl Arg) -> Self {
        self.arg("AGGREGATE").arg(aggregate)
    }
}

/// The command ZLEXCOUNT: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Zlexcount;

/// The command ZMPOP: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Zmpop;

impl<T> Call<'_, T, Zmpop> {
    /// `COUNT count`
    pub fn count(self, count: i64) -> Self {
        self.arg("COUNT").arg(count)
    }
}

/// The command ZMSCORE: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Zmscore;

/// The command ZPOPMAX: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Zpopmax;

impl<T> Call<'_, T, Zpopmax> {
    /// `count`
    pub fn count(self, count: i64) -> Self {
        self.arg(count)
    }
}

/// The command ZPOPMIN: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Zpopmin;

impl<T> Call<'_, T, Zpopmin> {
    /// `count`
    pub fn count(self, count: i64) -> Self {
        self.arg(count)
    }
}

/// The command ZRANDMEMBER: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Zrandmember;

impl<T> Call<'_, T, Zrandmember> {
    /// `count`
    pub fn count(self, count: i64) -> Self {
        self.arg(count)
    }

    /// `WITHSCORES`
    pub fn withscores(self) -> Self {
        self.arg("WITHSCORES")
    }
}

/// The command ZRANGE: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Zrange;

impl<T> Call<'_, T, Zrange> {
    /// `BYSCORE`
    pub fn byscore(self) -> Self {
        self.arg("BYSCORE")
    }

    /// `BYLEX`
    pub fn bylex(self) -> Self {
        self.arg("BYLEX")
    }

    /// `REV`
    pub fn rev(self) -> Self {
        self.arg("REV")
    }

    /// `LIMIT offset count`
    pub fn limit(self, offset: i64, count: i64) -> Self {
        self.arg("LIMIT").arg(offset).arg(count)
    }

    /// `WITHSCORES`
    pub fn withscores(self) -> Self {
        self.arg("WITHSCORES")
    }
}

/// The command ZRANGEBYLEX: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Zrangebylex;

impl<T> Call<'_, T, Zrangebylex> {
    /// `LIMIT offset count`
    pub fn limit(self, offset: i64, count: i64) -> Self {
        self.arg("LIMIT").arg(offset).arg(count)
    }
}

/// The command ZRANGEBYSCORE: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Zrangebyscore;

impl<T> Call<'_, T, Zrangebyscore> {
    /// `WITHSCORES`
    pub fn withscores(self) -> Self {
        self.arg("WITHSCORES")
    }

    /// `LIMIT offset count`
    pub fn limit(self, offset: i64, count: i64) -> Self {
        self.arg("LIMIT").arg(offset).arg(count)
    }
}

/// The command ZRANGESTORE: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Zrangestore;

impl<T> Call<'_, T, Zrangestore> {
    /// `BYSCORE`
    pub fn byscore(self) -> Self {
        self.arg("BYSCORE")
    }

    /// `BYLEX`
    pub fn bylex(self) -> Self {
        self.arg("BYLEX")
    }

    /// `REV`
    pub fn rev(self) -> Self {
        self.arg("REV")
    }

    /// `LIMIT offset count`
    pub fn limit(self, offset: i64, count: i64) -> Self {
        self.arg("LIMIT").arg(offset).arg(count)
    }
}

/// The command ZRANK: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Zrank;

/// The command ZREM: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Zrem;

/// The command ZREMRANGEBYLEX: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Zremrangebylex;

/// The command ZREMRANGEBYRANK: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Zremrangebyrank;

/// The command ZREMRANGEBYSCORE: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Zremrangebyscore;

/// The command ZREVRANGE: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Zrevrange;

impl<T> Call<'_, T, Zrevrange> {
    /// `WITHSCORES`
    pub fn withscores(self) -> Self {
        self.arg("WITHSCORES")
    }
}

/// The command ZREVRANGEBYLEX: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Zrevrangebylex;

impl<T> Call<'_, T, Zrevrangebylex> {
    /// `LIMIT offset count`
    pub fn limit(self, offset: i64, count: i64) -> Self {
        self.arg("LIMIT").arg(offset).arg(count)
    }
}

/// The command ZREVRANGEBYSCORE: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Zrevrangebyscore;

impl<T> Call<'_, T, Zrevrangebyscore> {
    /// `WITHSCORES`
    pub fn withscores(self) -> Self {
        self.arg("WITHSCORES")
    }

    /// `LIMIT offset count`
    pub fn limit(self, offset: i64, count: i64) -> Self {
        self.arg("LIMIT").arg(offset).arg(count)
    }
}

/// The command ZREVRANK: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Zrevrank;

impl<T> Call<'_, T, Zrevrank> {
    /// `WITHSCORE`
    pub fn withscore(self) -> Self {
        self.arg("WITHSCORE")
    }
}

/// The command ZSCAN: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Zscan;

impl<T> Call<'_, T, Zscan> {
    /// `MATCH pattern`
    pub fn matching(self, pattern: impl Arg) -> Self {
        self.arg("MATCH").arg(pattern)
    }

    /// `COUNT count`
    pub fn count(self, count: i64) -> Self {
        self.arg("COUNT").arg(count)
    }
}

/// The command ZSCORE: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Zscore;

/// The command ZUNION: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Zunion;

impl<T> Call<'_, T, Zunion> {
    /// `WEIGHTS weight`
    pub fn weights(self, weights: impl IntoIterator<Item = impl Arg>) -> Self {
        self.arg("WEIGHTS").args(weights)
    }

    /// `AGGREGATE SUM MIN MAX`
    pub fn aggregate(self, aggregate: impl Arg) -> Self {
        self.arg("AGGREGATE").arg(aggregate)
    }

    /// `WITHSCORES`
    pub fn withscores(self) -> Self {
        self.arg("WITHSCORES")
    }
}

/// The command ZUNIONSTORE: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Zunionstore;

impl<T> Call<'_, T, Zunionstore> {
    /// `WEIGHTS weight`
    pub fn weights(self, weights: impl IntoIterator<Item = impl Arg>) -> Self {
        self.arg("WEIGHTS").args(weights)
    }

    /// `AGGREGATE SUM MIN MAX`
    pub fn aggregate(self, aggregate: impl Arg) -> Self {
        self.arg("AGGREGATE").arg(aggregate)
    }
}
