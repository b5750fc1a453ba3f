//! Rows of the commands about sorted sets. The fields are explained in [`super`].

/// Appends the rows and goes on to the next file.
#[doc(hidden)]
#[macro_export]
macro_rules! zset_commands { ($callback:ident $($before:tt)*) => { $crate::stream_commands! { $callback $($before)*
SortedSet {
    "bzmpop" => zset::bzmpop {
        arity: -5, since: "7.0.0", time: "O(K + M*log N) in the number of keys, of members popped and the size of the sorted set",
        flags: [WRITE BLOCKING], acl: [SORTEDSET],
        keys: [{ RW ACCESS DELETE: at(2).counted(0, 1) }],
        args: "timeout:double numkeys:integer key... where:<MIN | MAX> [COUNT count:integer]",
        about: "Pops members of the first sorted set that has any, and waits for one if none has.",
    }

    "bzpopmax" => zset::bzpopmax {
        arity: -3, since: "5.0.0", time: "O(log N) in the size of the sorted set",
        flags: [WRITE BLOCKING FAST], acl: [SORTEDSET],
        keys: [{ RW ACCESS DELETE: at(1).through(-2) }],
        args: "key... timeout:double",
        about: "Pops the member with the highest score of the first sorted set that has any, and waits for one if none has.",
    }

    "bzpopmin" => zset::bzpopmin {
        arity: -3, since: "5.0.0", time: "O(log N) in the size of the sorted set",
        flags: [WRITE BLOCKING FAST], acl: [SORTEDSET],
        keys: [{ RW ACCESS DELETE: at(1).through(-2) }],
        args: "key... timeout:double",
        about: "Pops the member with the lowest score of the first sorted set that has any, and waits for one if none has.",
    }

    "zadd" => zset::zadd {
        arity: -4, since: "1.2.0", time: "O(log N) a member, in the size of the sorted set",
        flags: [WRITE DENYOOM FAST], acl: [SORTEDSET],
        keys: [{ RW UPDATE: at(1) }],
        args: "key [condition:<NX | XX>] [comparison:<GT | LT>] [change=CH] [increment=INCR] score_member:(score:double member)...",
        about: "Adds members to a sorted set, or changes their scores.",
    }

    "zcard" => zset::zcard {
        arity: 2, since: "1.2.0", time: "O(1)",
        flags: [READONLY FAST], acl: [SORTEDSET],
        keys: [{ RO: at(1) }],
        args: "key",
        about: "Counts the members of a sorted set.",
    }

    "zcount" => zset::zcount {
        arity: 4, since: "2.0.0", time: "O(log N) in the size of the sorted set",
        flags: [READONLY FAST], acl: [SORTEDSET],
        keys: [{ RO ACCESS: at(1) }],
        args: "key min:double max:double",
        about: "Counts the members with scores in a range.",
    }

    "zdiff" => zset::zdiff {
        arity: -3, since: "6.2.0", time: "O(L + (N-K) log N) in the members of all sets, of the first and of the result",
        flags: [READONLY], acl: [SORTEDSET],
        keys: [{ RO ACCESS: at(1).counted(0, 1) }],
        args: "numkeys:integer key... [WITHSCORES]",
        about: "Answers the members of the first sorted set that no other has.",
    }

    "zdiffstore" => zset::zdiffstore {
        arity: -4, since: "6.2.0", time: "O(L + (N-K) log N) in the members of all sets, of the first and of the result",
        flags: [WRITE DENYOOM], acl: [SORTEDSET],
        keys: [
            { OW UPDATE: at(1) }
            { RO ACCESS: at(2).counted(0, 1) }
        ],
        args: "destination:key numkeys:integer key...",
        about: "Stores the members of the first sorted set that no other has.",
    }

    "zincrby" => zset::zincrby {
        arity: 4, since: "1.2.0", time: "O(log N) in the size of the sorted set",
        flags: [WRITE DENYOOM FAST], acl: [SORTEDSET],
        keys: [{ RW ACCESS UPDATE: at(1) }],
        args: "key increment:integer member",
        about: "Adds to the score of a member; an absent member counts as 0.",
    }

    "zinter" => zset::zinter {
        arity: -3, since: "6.2.0", time: "O(N*K + M*log M) in the size of the smallest set, the number of sets and the size of the result",
        flags: [READONLY], acl: [SORTEDSET],
        keys: [{ RO ACCESS: at(1).counted(0, 1) }],
        args: "numkeys:integer key... [WEIGHTS weight:integer...] [AGGREGATE aggregate:<SUM | MIN | MAX>] [WITHSCORES]",
        about: "Answers the members that all sorted sets have.",
    }

    "zintercard" => zset::zintercard {
        arity: -3, since: "7.0.0", time: "O(N*K) in the size of the smallest set and the number of sets",
        flags: [READONLY], acl: [SORTEDSET],
        keys: [{ RO ACCESS: at(1).counted(0, 1) }],
        args: "numkeys:integer key... [LIMIT limit:integer]",
        about: "Counts the members that all sorted sets have.",
    }

    "zinterstore" => zset::zinterstore {
        arity: -4, since: "2.0.0", time: "O(N*K + M*log M) in the size of the smallest set, the number of sets and the size of the result",
        flags: [WRITE DENYOOM], acl: [SORTEDSET],
        keys: [
            { OW UPDATE: at(1) }
            { RO ACCESS: at(2).counted(0, 1) }
        ],
        args: "destination:key numkeys:integer key... [WEIGHTS weight:integer...] [AGGREGATE aggregate:<SUM | MIN | MAX>]",
        about: "Stores the members that all sorted sets have.",
    }

    "zlexcount" => zset::zlexcount {
        arity: 4, since: "2.8.9", time: "O(log N) in the size of the sorted set",
        flags: [READONLY FAST], acl: [SORTEDSET],
        keys: [{ RO ACCESS: at(1) }],
        args: "key min max",
        about: "Counts the members between two in the order of their bytes.",
    }

    "zmpop" => zset::zmpop {
        arity: -4, since: "7.0.0", time: "O(K + M*log N) in the number of keys, of members popped and the size of the sorted set",
        flags: [WRITE], acl: [SORTEDSET],
        keys: [{ RW ACCESS DELETE: at(1).counted(0, 1) }],
        args: "numkeys:integer key... where:<MIN | MAX> [COUNT count:integer]",
        about: "Pops members of the first sorted set that has any.",
    }

    "zmscore" => zset::zmscore {
        arity: -3, since: "6.2.0", time: "O(N) in the number of members",
        flags: [READONLY FAST], acl: [SORTEDSET],
        keys: [{ RO ACCESS: at(1) }],
        args: "key member...",
        about: "Answers the scores of several members.",
    }

    "zpopmax" => zset::zpopmax {
        arity: -2, since: "5.0.0", time: "O(M*log N) in the number of members popped and the size of the sorted set",
        flags: [WRITE FAST], acl: [SORTEDSET],
        keys: [{ RW ACCESS DELETE: at(1) }],
        args: "key [count:integer]",
        about: "Removes the members with the highest scores and answers them.",
    }

    "zpopmin" => zset::zpopmin {
        arity: -2, since: "5.0.0", time: "O(M*log N) in the number of members popped and the size of the sorted set",
        flags: [WRITE FAST], acl: [SORTEDSET],
        keys: [{ RW ACCESS DELETE: at(1) }],
        args: "key [count:integer]",
        about: "Removes the members with the lowest scores and answers them.",
    }

    "zrandmember" => zset::zrandmember {
        arity: -2, since: "6.2.0", time: "O(N) in the number of members answered",
        flags: [READONLY], acl: [SORTEDSET],
        tips: ["nondeterministic_output"],
        keys: [{ RO ACCESS: at(1) }],
        args: "key [options:(count:integer [WITHSCORES])]",
        about: "Answers random members of a sorted set.",
    }

    "zrange" => zset::zrange {
        arity: -4, since: "1.2.0", time: "O(log N + M) in the size of the sorted set and the number of members answered",
        flags: [READONLY], acl: [SORTEDSET],
        keys: [{ RO ACCESS: at(1) }],
        args: "key start stop [sortby:<BYSCORE | BYLEX>] [REV] [LIMIT offset_count:(offset:integer count:integer)] [WITHSCORES]",
        about: "Answers members in a range of places, scores or bytes.",
    }

    "zrangebylex" => zset::zrangebylex {
        arity: -4, since: "2.8.9", time: "O(log N + M) in the size of the sorted set and the number of members answered",
        flags: [READONLY], acl: [SORTEDSET],
        keys: [{ RO ACCESS: at(1) }],
        args: "key min max [LIMIT offset_count:(offset:integer count:integer)]",
        deprecated: "6.2.0", instead: "`ZRANGE` with the `BYLEX` argument",
        about: "Answers members between two in the order of their bytes.",
    }

    "zrangebyscore" => zset::zrangebyscore {
        arity: -4, since: "1.0.5", time: "O(log N + M) in the size of the sorted set and the number of members answered",
        flags: [READONLY], acl: [SORTEDSET],
        keys: [{ RO ACCESS: at(1) }],
        args: "key min:double max:double [WITHSCORES] [LIMIT offset_count:(offset:integer count:integer)]",
        deprecated: "6.2.0", instead: "`ZRANGE` with the `BYSCORE` argument",
        about: "Answers members with scores in a range.",
    }

    "zrangestore" => zset::zrangestore {
        arity: -5, since: "6.2.0", time: "O(log N + M) in the size of the sorted set and the number of members stored",
        flags: [WRITE DENYOOM], acl: [SORTEDSET],
        keys: [
            { OW UPDATE: at(1) }
            { RO ACCESS: at(2) }
        ],
        args: "dst:key src:key min max [sortby:<BYSCORE | BYLEX>] [REV] [LIMIT offset_count:(offset:integer count:integer)]",
        about: "Stores members in a range of places, scores or bytes.",
    }

    "zrank" => zset::zrank {
        arity: -3, since: "2.0.0", time: "O(log N) in the size of the sorted set",
        flags: [READONLY FAST], acl: [SORTEDSET],
        keys: [{ RO ACCESS: at(1) }],
        args: "key member",
        about: "Answers the place of a member in the order of rising scores.",
    }

    "zrem" => zset::zrem {
        arity: -3, since: "1.2.0", time: "O(M*log N) in the number of members removed and the size of the sorted set",
        flags: [WRITE FAST], acl: [SORTEDSET],
        keys: [{ RW DELETE: at(1) }],
        args: "key member...",
        about: "Removes members of a sorted set; a sorted set without members is gone.",
    }

    "zremrangebylex" => zset::zremrangebylex {
        arity: 4, since: "2.8.9", time: "O(log N + M) in the size of the sorted set and the number of members removed",
        flags: [WRITE], acl: [SORTEDSET],
        keys: [{ RW DELETE: at(1) }],
        args: "key min max",
        about: "Removes members between two in the order of their bytes.",
    }

    "zremrangebyrank" => zset::zremrangebyrank {
        arity: 4, since: "2.0.0", time: "O(log N + M) in the size of the sorted set and the number of members removed",
        flags: [WRITE], acl: [SORTEDSET],
        keys: [{ RW DELETE: at(1) }],
        args: "key start:integer stop:integer",
        about: "Removes members in a range of places.",
    }

    "zremrangebyscore" => zset::zremrangebyscore {
        arity: 4, since: "1.2.0", time: "O(log N + M) in the size of the sorted set and the number of members removed",
        flags: [WRITE], acl: [SORTEDSET],
        keys: [{ RW DELETE: at(1) }],
        args: "key min:double max:double",
        about: "Removes members with scores in a range.",
    }

    "zrevrange" => zset::zrevrange {
        arity: -4, since: "1.2.0", time: "O(log N + M) in the size of the sorted set and the number of members answered",
        flags: [READONLY], acl: [SORTEDSET],
        keys: [{ RO ACCESS: at(1) }],
        args: "key start:integer stop:integer [WITHSCORES]",
        deprecated: "6.2.0", instead: "`ZRANGE` with the `REV` argument",
        about: "Answers members in a range of places, in the order of falling scores.",
    }

    "zrevrangebylex" => zset::zrevrangebylex {
        arity: -4, since: "2.8.9", time: "O(log N + M) in the size of the sorted set and the number of members answered",
        flags: [READONLY], acl: [SORTEDSET],
        keys: [{ RO ACCESS: at(1) }],
        args: "key max min [LIMIT offset_count:(offset:integer count:integer)]",
        deprecated: "6.2.0", instead: "`ZRANGE` with the `REV` and `BYLEX` arguments",
        about: "Answers members between two in the reverse order of their bytes.",
    }

    "zrevrangebyscore" => zset::zrevrangebyscore {
        arity: -4, since: "2.2.0", time: "O(log N + M) in the size of the sorted set and the number of members answered",
        flags: [READONLY], acl: [SORTEDSET],
        keys: [{ RO ACCESS: at(1) }],
        args: "key max:double min:double [WITHSCORES] [LIMIT offset_count:(offset:integer count:integer)]",
        deprecated: "6.2.0", instead: "`ZRANGE` with the `REV` and `BYSCORE` arguments",
        about: "Answers members with scores in a range, in the order of falling scores.",
    }

    "zrevrank" => zset::zrevrank {
        arity: -3, since: "2.0.0", time: "O(log N) in the size of the sorted set",
        flags: [READONLY FAST], acl: [SORTEDSET],
        keys: [{ RO ACCESS: at(1) }],
        args: "key member [WITHSCORE]",
        about: "Answers the place of a member in the order of falling scores.",
    }

    "zscan" => zset::zscan {
        arity: -3, since: "2.8.0", time: "O(1) a call, O(N) for all",
        flags: [READONLY], acl: [SORTEDSET],
        tips: ["nondeterministic_output"],
        keys: [{ RO ACCESS: at(1) }],
        args: "key cursor:integer [MATCH pattern] [COUNT count:integer]",
        about: "Iterates over the members of a sorted set and their scores, a few at a time.",
    }

    "zscore" => zset::zscore {
        arity: 3, since: "1.2.0", time: "O(1)",
        flags: [READONLY FAST], acl: [SORTEDSET],
        keys: [{ RO ACCESS: at(1) }],
        args: "key member",
        about: "Answers the score of a member.",
    }

    "zunion" => zset::zunion {
        arity: -3, since: "6.2.0", time: "O(N + M*log M) in the members of all sets and of the result",
        flags: [READONLY], acl: [SORTEDSET],
        keys: [{ RO ACCESS: at(1).counted(0, 1) }],
        args: "numkeys:integer key... [WEIGHTS weight:integer...] [AGGREGATE aggregate:<SUM | MIN | MAX>] [WITHSCORES]",
        about: "Answers the members that any of the sorted sets has.",
    }

    "zunionstore" => zset::zunionstore {
        arity: -4, since: "2.0.0", time: "O(N + M*log M) in the members of all sets and of the result",
        flags: [WRITE DENYOOM], acl: [SORTEDSET],
        keys: [
            { OW UPDATE: at(1) }
            { RO ACCESS: at(2).counted(0, 1) }
        ],
        args: "destination:key numkeys:integer key... [WEIGHTS weight:integer...] [AGGREGATE aggregate:<SUM | MIN | MAX>]",
        about: "Stores the members that any of the sorted sets has.",
    }
} } }; }
