//! The natural type of each command's reply. What is not here answers a `Value`.

/// By the command's full name.
pub fn reply_type(name: &str) -> &'static str {
    match name {
        // What answers OK, or nothing of interest.
        "mset" | "hmset" | "lset" | "ltrim" | "rename" | "pfmerge" | "psetex" | "setex"
        | "flushall" | "flushdb" | "restore" | "xgroup|create" | "xgroup|setid" | "xsetid"
        | "swapdb" | "script|flush" | "script|kill" | "config|set" | "config|resetstat"
        | "config|rewrite" | "client|setname" | "client|setinfo" | "client|no-evict" => "()",
        // Bytes that may be absent.
        "get" | "getdel" | "getex" | "getset" | "hget" | "lindex" | "rpoplpush" | "lmove"
        | "brpoplpush" | "blmove" | "randomkey" | "dump" | "object|encoding" | "client|getname" => {
            "Option<Bytes>"
        }
        // Bytes.
        "getrange" | "substr" | "echo" | "lolwut" | "info" | "script|load" | "client|info"
        | "client|list" | "cluster|info" | "cluster|nodes" | "cluster|myid" | "ping" | "type"
        | "latency|doctor" | "memory|doctor" => "Bytes",
        "xadd" => "Option<Bytes>",
        // Counts, lengths and the like.
        "append"
        | "bitcount"
        | "bitop"
        | "bitpos"
        | "decr"
        | "decrby"
        | "incr"
        | "incrby"
        | "del"
        | "unlink"
        | "exists"
        | "touch"
        | "strlen"
        | "setrange"
        | "getbit"
        | "setbit"
        | "hdel"
        | "hincrby"
        | "hlen"
        | "hset"
        | "hstrlen"
        | "lpush"
        | "rpush"
        | "lpushx"
        | "rpushx"
        | "llen"
        | "lrem"
        | "linsert"
        | "sadd"
        | "srem"
        | "scard"
        | "sdiffstore"
        | "sinterstore"
        | "sunionstore"
        | "sintercard"
        | "zcard"
        | "zcount"
        | "zlexcount"
        | "zrem"
        | "zremrangebylex"
        | "zremrangebyrank"
        | "zremrangebyscore"
        | "zdiffstore"
        | "zinterstore"
        | "zunionstore"
        | "zrangestore"
        | "zintercard"
        | "geoadd"
        | "geosearchstore"
        | "pfcount"
        | "pttl"
        | "ttl"
        | "expiretime"
        | "pexpiretime"
        | "dbsize"
        | "publish"
        | "spublish"
        | "xlen"
        | "xdel"
        | "xack"
        | "xtrim"
        | "wait"
        | "lastsave"
        | "client|id"
        | "pubsub|numpat"
        | "xgroup|destroy"
        | "xgroup|delconsumer"
        | "slowlog|len"
        | "cluster|keyslot"
        | "cluster|countkeysinslot"
        | "command|count" => "i64",
        "memory|usage" | "object|freq" | "object|idletime" | "object|refcount" | "zrank"
        | "zrevrank" => "Option<i64>",
        // Whether it was so.
        "expire"
        | "expireat"
        | "pexpire"
        | "pexpireat"
        | "persist"
        | "hexists"
        | "hsetnx"
        | "setnx"
        | "msetnx"
        | "renamenx"
        | "move"
        | "copy"
        | "sismember"
        | "smove"
        | "pfadd"
        | "xgroup|createconsumer" => "bool",
        "smismember" => "Vec<bool>",
        // Numbers.
        "incrbyfloat" | "hincrbyfloat" | "zincrby" => "f64",
        "zscore" | "geodist" => "Option<f64>",
        "zmscore" => "Vec<Option<f64>>",
        // Several.
        "mget" | "hmget" | "geohash" => "Vec<Option<Bytes>>",
        "geopos" => "Vec<Option<(f64, f64)>>",
        "hkeys"
        | "hvals"
        | "keys"
        | "lrange"
        | "sdiff"
        | "sinter"
        | "smembers"
        | "sunion"
        | "zrangebylex"
        | "zrevrangebylex"
        | "pubsub|channels"
        | "pubsub|shardchannels" => "Vec<Bytes>",
        "hgetall" => "HashMap<Bytes, Bytes>",
        "config|get" => "HashMap<String, String>",
        "pubsub|numsub" | "pubsub|shardnumsub" => "HashMap<Bytes, i64>",
        "time" => "(i64, i64)",
        "script|exists" => "Vec<bool>",
        "blpop" | "brpop" => "Option<(Bytes, Bytes)>",
        "bzpopmin" | "bzpopmax" => "Option<(Bytes, Bytes, f64)>",
        _ => "Value",
    }
}
