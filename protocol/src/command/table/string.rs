//! Rows of the commands about strings. The fields are explained in [`super`].

/// Appends the rows and goes on to the next file.
#[doc(hidden)]
#[macro_export]
macro_rules! string_commands { ($callback:ident $($before:tt)*) => { $crate::hash_commands! { $callback $($before)*
String {
    "get" => string::get {
        arity: 2, since: "1.0.0", time: "O(1)",
        flags: [READONLY FAST], acl: [STRING],
        keys: [{ RO ACCESS: at(1) }],
        args: "key",
        about: "Reads the string at a key.",
    }

    "set" => string::set {
        arity: -3, since: "1.0.0", time: "O(1)",
        flags: [WRITE DENYOOM], acl: [STRING],
        keys: [{ RW ACCESS UPDATE VARIABLE_FLAGS: at(1).note("Also read if GET is given") }],
        keys_by: Set,
        args: "key value [condition:<NX | XX>] [GET] [expiration:<EX seconds:integer | PX milliseconds:integer | \
            EXAT unix-time-seconds:unix-time | PXAT unix-time-milliseconds:unix-time | KEEPTTL>]",
        quick: true,
        about: "Stores a string at a key, whatever type the key had.",
    }

    "mget" => string::mget {
        arity: -2, since: "1.0.0", time: "O(N) in the number of keys",
        flags: [READONLY FAST], acl: [STRING],
        tips: ["request_policy:multi_shard"],
        keys: [{ RO ACCESS: at(1).through(-1) }],
        args: "key...",
        about: "Reads the strings at several keys.",
    }

    "mset" => string::mset {
        arity: -3, since: "1.0.1", time: "O(N) in the number of keys",
        flags: [WRITE DENYOOM], acl: [STRING],
        tips: ["request_policy:multi_shard", "response_policy:all_succeeded"],
        keys: [{ OW UPDATE: at(1).through(-1).step(2) }],
        args: "data:(key value)...",
        about: "Stores strings at several keys.",
    }

    "incr" => string::incr {
        arity: 2, since: "1.0.0", time: "O(1)",
        flags: [WRITE DENYOOM FAST], acl: [STRING],
        keys: [{ RW ACCESS UPDATE: at(1) }],
        args: "key",
        about: "Adds one to the integer at a key; an absent key counts as 0.",
    }

    "incrby" => string::incrby {
        arity: 3, since: "1.0.0", time: "O(1)",
        flags: [WRITE DENYOOM FAST], acl: [STRING],
        keys: [{ RW ACCESS UPDATE: at(1) }],
        args: "key increment:integer",
        about: "Adds a number to the integer at a key; an absent key counts as 0.",
    }

    "decr" => string::decr {
        arity: 2, since: "1.0.0", time: "O(1)",
        flags: [WRITE DENYOOM FAST], acl: [STRING],
        keys: [{ RW ACCESS UPDATE: at(1) }],
        args: "key",
        about: "Subtracts one from the integer at a key; an absent key counts as 0.",
    }

    "decrby" => string::decrby {
        arity: 3, since: "1.0.0", time: "O(1)",
        flags: [WRITE DENYOOM FAST], acl: [STRING],
        keys: [{ RW ACCESS UPDATE: at(1) }],
        args: "key decrement:integer",
        about: "Subtracts a number from the integer at a key; an absent key counts as 0.",
    }

    "incrbyfloat" => string::incrbyfloat {
        arity: 3, since: "2.6.0", time: "O(1)",
        flags: [WRITE DENYOOM FAST], acl: [STRING],
        keys: [{ RW ACCESS UPDATE: at(1) }],
        args: "key increment:double",
        about: "Adds a decimal number to the number at a key; an absent key counts as 0.",
    }

    "append" => string::append {
        arity: 3, since: "2.0.0", time: "O(N) in the length of the new string",
        flags: [WRITE DENYOOM FAST], acl: [STRING],
        keys: [{ RW INSERT: at(1) }],
        args: "key value",
        about: "Adds bytes to the end of a string, creating the key if it is absent.",
    }

    "strlen" => string::strlen {
        arity: 2, since: "2.2.0", time: "O(1)",
        flags: [READONLY FAST], acl: [STRING],
        keys: [{ RO: at(1) }],
        args: "key",
        about: "Answers the length of the string at a key.",
    }

    "getrange" => string::getrange {
        arity: 4, since: "2.4.0", time: "O(N) in the length of the part",
        flags: [READONLY], acl: [STRING],
        keys: [{ RO ACCESS: at(1) }],
        args: "key start:integer end:integer",
        about: "Reads the part of a string between two offsets.",
    }

    "setrange" => string::setrange {
        arity: 4, since: "2.2.0", time: "O(N) in the length of the new string",
        flags: [WRITE DENYOOM], acl: [STRING],
        keys: [{ RW UPDATE: at(1) }],
        args: "key offset:integer value",
        about: "Overwrites a string from an offset on, filling a gap with zero bytes.",
    }

    "getdel" => string::getdel {
        arity: 2, since: "6.2.0", time: "O(1)",
        flags: [WRITE FAST], acl: [STRING],
        keys: [{ RW ACCESS DELETE: at(1) }],
        args: "key",
        about: "Reads the string at a key, then deletes the key.",
    }

    "getex" => string::getex {
        arity: -2, since: "6.2.0", time: "O(1)",
        flags: [WRITE FAST], acl: [STRING],
        keys: [{ RW ACCESS UPDATE: at(1).note("Written because the expiry may change") }],
        args: "key [expiration:<EX seconds:integer | PX milliseconds:integer | EXAT unix-time-seconds:unix-time \
            | PXAT unix-time-milliseconds:unix-time | PERSIST>]",
        about: "Reads the string at a key and changes or removes its expiry.",
    }

    "getset" => string::getset {
        arity: 3, since: "1.0.0", time: "O(1)",
        flags: [WRITE DENYOOM FAST], acl: [STRING],
        keys: [{ RW ACCESS UPDATE: at(1) }],
        args: "key value",
        deprecated: "6.2.0", instead: "`SET` with the `!GET` argument",
        about: "Stores a string and answers the one that it replaced.",
    }

    "setnx" => string::setnx {
        arity: 3, since: "1.0.0", time: "O(1)",
        flags: [WRITE DENYOOM FAST], acl: [STRING],
        keys: [{ OW INSERT: at(1) }],
        args: "key value",
        deprecated: "2.6.12", instead: "`SET` with `NX`",
        about: "Stores a string, but only if the key is absent.",
    }

    "setex" => string::setex {
        arity: 4, since: "2.0.0", time: "O(1)",
        flags: [WRITE DENYOOM], acl: [STRING],
        keys: [{ OW UPDATE: at(1) }],
        args: "key seconds:integer value",
        deprecated: "2.6.12", instead: "`SET` with `EX`",
        quick: true,
        about: "Stores a string that expires after some seconds.",
    }

    "psetex" => string::psetex {
        arity: 4, since: "2.6.0", time: "O(1)",
        flags: [WRITE DENYOOM], acl: [STRING],
        keys: [{ OW UPDATE: at(1) }],
        args: "key milliseconds:integer value",
        deprecated: "2.6.12", instead: "`SET` with `PX`",
        quick: true,
        about: "Stores a string that expires after some milliseconds.",
    }

    "msetnx" => string::msetnx {
        arity: -3, since: "1.0.1", time: "O(N) in the number of keys",
        flags: [WRITE DENYOOM], acl: [STRING],
        keys: [{ OW INSERT: at(1).through(-1).step(2) }],
        args: "data:(key value)...",
        about: "Stores strings at several keys, but only if none of them exists.",
    }

    "lcs" => string::lcs {
        arity: -3, since: "7.0.0", time: "O(N*M) in the lengths of both strings",
        flags: [READONLY], acl: [STRING],
        keys: [{ RO ACCESS: at(1).through(1) }],
        args: "key1:key key2:key [LEN] [IDX] [MINMATCHLEN min-match-len:integer] [WITHMATCHLEN]",
        about: "Finds the longest common subsequence of two strings.",
    }

    "substr" => string::substr {
        arity: 4, since: "1.0.0", time: "O(N) in the length of the part",
        flags: [READONLY], acl: [STRING],
        keys: [{ RO ACCESS: at(1) }],
        args: "key start:integer end:integer",
        deprecated: "2.0.0", instead: "`GETRANGE`",
        about: "Reads the part of a string between two offsets.",
    }
} } }; }
