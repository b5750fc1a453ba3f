//! Rows of the commands about hashes. The fields are explained in [`super`].

/// Appends the rows and goes on to the next file.
#[doc(hidden)]
#[macro_export]
macro_rules! hash_commands { ($callback:ident $($before:tt)*) => { $crate::list_commands! { $callback $($before)*
Hash {
    "hdel" => hash::hdel {
        arity: -3, since: "2.0.0", time: "O(N) in the number of fields",
        flags: [WRITE FAST], acl: [HASH],
        keys: [{ RW DELETE: at(1) }],
        args: "key field...",
        about: "Removes fields of a hash; a hash without fields is gone.",
    }

    "hexists" => hash::hexists {
        arity: 3, since: "2.0.0", time: "O(1)",
        flags: [READONLY FAST], acl: [HASH],
        keys: [{ RO: at(1) }],
        args: "key field",
        about: "Answers whether a hash has a field.",
    }

    "hget" => hash::hget {
        arity: 3, since: "2.0.0", time: "O(1)",
        flags: [READONLY FAST], acl: [HASH],
        keys: [{ RO ACCESS: at(1) }],
        args: "key field",
        about: "Reads a field of a hash.",
    }

    "hgetall" => hash::hgetall {
        arity: 2, since: "2.0.0", time: "O(N) in the size of the hash",
        flags: [READONLY], acl: [HASH],
        tips: ["nondeterministic_output_order"],
        keys: [{ RO ACCESS: at(1) }],
        args: "key",
        about: "Reads all fields of a hash and their values.",
    }

    "hincrby" => hash::hincrby {
        arity: 4, since: "2.0.0", time: "O(1)",
        flags: [WRITE DENYOOM FAST], acl: [HASH],
        keys: [{ RW ACCESS UPDATE: at(1) }],
        args: "key field increment:integer",
        about: "Adds an integer to the number in a field; an absent field counts as 0.",
    }

    "hincrbyfloat" => hash::hincrbyfloat {
        arity: 4, since: "2.6.0", time: "O(1)",
        flags: [WRITE DENYOOM FAST], acl: [HASH],
        keys: [{ RW ACCESS UPDATE: at(1) }],
        args: "key field increment:double",
        about: "Adds a number to the number in a field; an absent field counts as 0.",
    }

    "hkeys" => hash::hkeys {
        arity: 2, since: "2.0.0", time: "O(N) in the size of the hash",
        flags: [READONLY], acl: [HASH],
        tips: ["nondeterministic_output_order"],
        keys: [{ RO ACCESS: at(1) }],
        args: "key",
        about: "Lists the fields of a hash.",
    }

    "hlen" => hash::hlen {
        arity: 2, since: "2.0.0", time: "O(1)",
        flags: [READONLY FAST], acl: [HASH],
        keys: [{ RO: at(1) }],
        args: "key",
        about: "Counts the fields of a hash.",
    }

    "hmget" => hash::hmget {
        arity: -3, since: "2.0.0", time: "O(N) in the number of fields",
        flags: [READONLY FAST], acl: [HASH],
        keys: [{ RO ACCESS: at(1) }],
        args: "key field...",
        about: "Reads several fields of a hash.",
    }

    "hmset" => hash::hmset {
        arity: -4, since: "2.0.0", time: "O(N) in the number of fields",
        flags: [WRITE DENYOOM FAST], acl: [HASH],
        keys: [{ RW UPDATE: at(1) }],
        args: "key field_value:(field value)...",
        deprecated: "4.0.0", instead: "`HSET` with multiple field-value pairs",
        about: "Sets fields of a hash.",
    }

    "hrandfield" => hash::hrandfield {
        arity: -2, since: "6.2.0", time: "O(N) in the number of fields answered",
        flags: [READONLY], acl: [HASH],
        tips: ["nondeterministic_output"],
        keys: [{ RO ACCESS: at(1) }],
        args: "key [options:(count:integer [WITHVALUES])]",
        about: "Answers random fields of a hash.",
    }

    "hscan" => hash::hscan {
        arity: -3, since: "2.8.0", time: "O(1) a call, O(N) for all",
        flags: [READONLY], acl: [HASH],
        tips: ["nondeterministic_output"],
        keys: [{ RO ACCESS: at(1) }],
        args: "key cursor:integer [MATCH pattern] [COUNT count:integer]",
        about: "Iterates over the fields of a hash, a few at a time.",
    }

    "hset" => hash::hset {
        arity: -4, since: "2.0.0", time: "O(N) in the number of fields",
        flags: [WRITE DENYOOM FAST], acl: [HASH],
        keys: [{ RW UPDATE: at(1) }],
        args: "key field_value:(field value)...",
        about: "Sets fields of a hash, which is made if it is absent.",
    }

    "hsetnx" => hash::hsetnx {
        arity: 4, since: "2.0.0", time: "O(1)",
        flags: [WRITE DENYOOM FAST], acl: [HASH],
        keys: [{ RW INSERT: at(1) }],
        args: "key field value",
        about: "Sets a field of a hash if it has no such field.",
    }

    "hstrlen" => hash::hstrlen {
        arity: 3, since: "3.2.0", time: "O(1)",
        flags: [READONLY FAST], acl: [HASH],
        keys: [{ RO: at(1) }],
        args: "key field",
        about: "Answers the length of the value in a field.",
    }

    "hvals" => hash::hvals {
        arity: 2, since: "2.0.0", time: "O(N) in the size of the hash",
        flags: [READONLY], acl: [HASH],
        tips: ["nondeterministic_output_order"],
        keys: [{ RO ACCESS: at(1) }],
        args: "key",
        about: "Lists the values of a hash.",
    }
} } }; }
