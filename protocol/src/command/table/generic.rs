//! Rows of the commands about keys of any type. The fields are explained in [`super`].

/// Appends the rows and goes on to the next file.
#[doc(hidden)]
#[macro_export]
macro_rules! generic_commands { ($callback:ident $($before:tt)*) => { $crate::bitmap_commands! { $callback $($before)*
Generic {
    "copy" => generic::copy {
        arity: -3, since: "6.2.0", time: "O(N) in the size of the value",
        flags: [WRITE DENYOOM], acl: [KEYSPACE],
        keys: [
            { RO ACCESS: at(1) }
            { OW UPDATE: at(2) }
        ],
        args: "source:key destination:key [DB destination-db:integer] [REPLACE]",
        about: "Copies a key to another name or database.",
    }

    "del" => generic::del {
        arity: -2, since: "1.0.0", time: "O(N) in the number of keys and of their elements",
        flags: [WRITE], acl: [KEYSPACE],
        tips: ["request_policy:multi_shard", "response_policy:agg_sum"],
        keys: [{ RM DELETE: at(1).through(-1) }],
        args: "key...",
        about: "Deletes keys.",
    }

    "dump" => dump::dump {
        arity: 2, since: "2.6.0", time: "O(N) in the size of the value",
        flags: [READONLY], acl: [KEYSPACE],
        tips: ["nondeterministic_output"],
        keys: [{ RO ACCESS: at(1) }],
        args: "key",
        about: "Answers the value at a key in serialised form.",
    }

    "exists" => generic::exists {
        arity: -2, since: "1.0.0", time: "O(N) in the number of keys",
        flags: [READONLY FAST], acl: [KEYSPACE],
        tips: ["request_policy:multi_shard", "response_policy:agg_sum"],
        keys: [{ RO: at(1).through(-1) }],
        args: "key...",
        about: "Counts how many of the named keys exist.",
    }

    "expire" => generic::expire {
        arity: -3, since: "1.0.0", time: "O(1)",
        flags: [WRITE FAST], acl: [KEYSPACE],
        keys: [{ RW UPDATE: at(1) }],
        args: "key seconds:integer [condition:<NX | XX | GT | LT>]",
        about: "Makes a key expire after some seconds.",
    }

    "expireat" => generic::expireat {
        arity: -3, since: "1.2.0", time: "O(1)",
        flags: [WRITE FAST], acl: [KEYSPACE],
        keys: [{ RW UPDATE: at(1) }],
        args: "key unix-time-seconds:unix-time [condition:<NX | XX | GT | LT>]",
        about: "Makes a key expire at a Unix time in seconds.",
    }

    "expiretime" => generic::expiretime {
        arity: 2, since: "7.0.0", time: "O(1)",
        flags: [READONLY FAST], acl: [KEYSPACE],
        keys: [{ RO ACCESS: at(1) }],
        args: "key",
        about: "Answers when a key expires, as a Unix time in seconds.",
    }

    "keys" => generic::keys {
        arity: 2, since: "1.0.0", time: "O(N) in the number of keys of the database",
        flags: [READONLY], acl: [KEYSPACE DANGEROUS],
        tips: ["request_policy:all_shards", "nondeterministic_output_order"],
        args: "pattern",
        about: "Lists all keys that match a pattern.",
    }

    "migrate" => unsupported::migrate {
        arity: -6, since: "2.6.0", time: "O(N) in the size of the values",
        flags: [WRITE], acl: [KEYSPACE DANGEROUS],
        tips: ["nondeterministic_output"],
        keys: [
            { RW ACCESS DELETE: at(3) }
            { RW ACCESS DELETE INCOMPLETE: after("KEYS", -2).through(-1) }
        ],
        keys_by: Migrate,
        args: "host port:integer key-selector:<key | empty-string=\"\"> destination-db:integer timeout:integer \
            [COPY] [REPLACE] [authentication:<AUTH auth | AUTH2 auth2:(username password)>] [KEYS keys:key...]",
        refused: Migrate,
        about: "Moves keys to another node.",
    }

    "move" => generic::move_ {
        arity: 3, since: "1.0.0", time: "O(1)",
        flags: [WRITE FAST], acl: [KEYSPACE],
        keys: [{ RW ACCESS UPDATE: at(1) }],
        args: "key db:integer",
        about: "Moves a key to another database.",
    }

    "object" => unsupported::container {
        arity: -2, since: "2.2.3", time: "Depends on the subcommand",
        flags: [], acl: [],
        about: "Container of the commands that look inside values.",
    }

    "object|encoding" => object::encoding {
        arity: 3, since: "2.2.3", time: "O(1)",
        flags: [READONLY], acl: [KEYSPACE],
        tips: ["nondeterministic_output"],
        keys: [{ RO: at(2) }],
        args: "key",
        about: "Answers how a value is stored.",
    }

    "object|freq" => object::freq {
        arity: 3, since: "4.0.0", time: "O(1)",
        flags: [READONLY], acl: [KEYSPACE],
        tips: ["nondeterministic_output"],
        keys: [{ RO: at(2) }],
        args: "key",
        about: "Answers how often a key is used, on a logarithmic scale.",
    }

    "object|help" => object::help {
        arity: 2, since: "6.2.0", time: "O(1)",
        flags: [LOADING STALE], acl: [KEYSPACE],
        about: "Lists the subcommands.",
    }

    "object|idletime" => object::idletime {
        arity: 3, since: "2.2.3", time: "O(1)",
        flags: [READONLY], acl: [KEYSPACE],
        tips: ["nondeterministic_output"],
        keys: [{ RO: at(2) }],
        args: "key",
        about: "Answers for how many seconds a key has not been used.",
    }

    "object|refcount" => object::refcount {
        arity: 3, since: "2.2.3", time: "O(1)",
        flags: [READONLY], acl: [KEYSPACE],
        tips: ["nondeterministic_output"],
        keys: [{ RO: at(2) }],
        args: "key",
        about: "Answers how many references a value has.",
    }

    "persist" => generic::persist {
        arity: 2, since: "2.2.0", time: "O(1)",
        flags: [WRITE FAST], acl: [KEYSPACE],
        keys: [{ RW UPDATE: at(1) }],
        args: "key",
        about: "Removes the expiry of a key.",
    }

    "pexpire" => generic::pexpire {
        arity: -3, since: "2.6.0", time: "O(1)",
        flags: [WRITE FAST], acl: [KEYSPACE],
        keys: [{ RW UPDATE: at(1) }],
        args: "key milliseconds:integer [condition:<NX | XX | GT | LT>]",
        about: "Makes a key expire after some milliseconds.",
    }

    "pexpireat" => generic::pexpireat {
        arity: -3, since: "2.6.0", time: "O(1)",
        flags: [WRITE FAST], acl: [KEYSPACE],
        keys: [{ RW UPDATE: at(1) }],
        args: "key unix-time-milliseconds:unix-time [condition:<NX | XX | GT | LT>]",
        about: "Makes a key expire at a Unix time in milliseconds.",
    }

    "pexpiretime" => generic::pexpiretime {
        arity: 2, since: "7.0.0", time: "O(1)",
        flags: [READONLY FAST], acl: [KEYSPACE],
        keys: [{ RO ACCESS: at(1) }],
        args: "key",
        about: "Answers when a key expires, as a Unix time in milliseconds.",
    }

    "pttl" => generic::pttl {
        arity: 2, since: "2.6.0", time: "O(1)",
        flags: [READONLY FAST], acl: [KEYSPACE],
        tips: ["nondeterministic_output"],
        keys: [{ RO ACCESS: at(1) }],
        args: "key",
        about: "Answers how many milliseconds a key has left.",
    }

    "randomkey" => generic::randomkey {
        arity: 1, since: "1.0.0", time: "O(1)",
        flags: [READONLY], acl: [KEYSPACE],
        tips: ["request_policy:all_shards", "response_policy:special", "nondeterministic_output"],
        about: "Answers a key picked at random.",
    }

    "rename" => generic::rename {
        arity: 3, since: "1.0.0", time: "O(1)",
        flags: [WRITE], acl: [KEYSPACE],
        keys: [
            { RW ACCESS DELETE: at(1) }
            { OW UPDATE: at(2) }
        ],
        args: "key newkey:key",
        about: "Renames a key, replacing what has the new name.",
    }

    "renamenx" => generic::renamenx {
        arity: 3, since: "1.0.0", time: "O(1)",
        flags: [WRITE FAST], acl: [KEYSPACE],
        keys: [
            { RW ACCESS DELETE: at(1) }
            { OW INSERT: at(2) }
        ],
        args: "key newkey:key",
        about: "Renames a key, but only if the new name is free.",
    }

    "restore" => dump::restore {
        arity: -4, since: "2.6.0", time: "O(N) in the size of the value",
        flags: [WRITE DENYOOM], acl: [KEYSPACE DANGEROUS],
        keys: [{ OW UPDATE: at(1) }],
        args: "key ttl:integer serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds:integer] [FREQ \
            frequency:integer]",
        about: "Creates a key from a serialised value.",
    }

    "scan" => generic::scan {
        arity: -2, since: "2.8.0", time: "O(1) for each call, O(N) for the whole walk",
        flags: [READONLY], acl: [KEYSPACE],
        tips: ["nondeterministic_output", "request_policy:special", "response_policy:special"],
        args: "cursor:integer [MATCH pattern] [COUNT count:integer] [TYPE type]",
        about: "Walks the keys of the database in small steps.",
    }

    "sort" => generic::sort {
        arity: -2, since: "1.0.0", time: "O(N+M*log(M)) for N elements and M answered",
        flags: [WRITE DENYOOM], acl: [SET SORTEDSET LIST DANGEROUS],
        keys: [
            { RO ACCESS: at(1) }
            { RO ACCESS: unknown().note("BY and GET make key names from the elements") }
            { OW UPDATE: unknown().note("STORE may stand anywhere among the options") }
        ],
        keys_by: Sort,
        args: "key [BY by-pattern:pattern@1] [LIMIT limit:(offset:integer count:integer)] [GET \
            get-pattern:pattern@1...!] [order:<ASC | DESC>] [sorting=ALPHA] [STORE destination:key@2]",
        about: "Sorts the elements of a list, set or sorted set, and answers or stores them.",
    }

    "sort_ro" => generic::sort_ro {
        arity: -2, since: "7.0.0", time: "O(N+M*log(M)) for N elements and M answered",
        flags: [READONLY], acl: [SET SORTEDSET LIST DANGEROUS],
        keys: [
            { RO ACCESS: at(1) }
            { RO ACCESS: unknown().note("BY and GET make key names from the elements") }
        ],
        keys_by: SortRo,
        args: "key [BY by-pattern:pattern@1] [LIMIT limit:(offset:integer count:integer)] [GET \
            get-pattern:pattern@1...!] [order:<ASC | DESC>] [sorting=ALPHA]",
        about: "Sorts the elements of a list, set or sorted set, and answers them.",
    }

    "touch" => generic::touch {
        arity: -2, since: "3.2.1", time: "O(N) in the number of keys",
        flags: [READONLY FAST], acl: [KEYSPACE],
        tips: ["request_policy:multi_shard", "response_policy:agg_sum"],
        keys: [{ RO: at(1).through(-1) }],
        args: "key...",
        about: "Marks keys as used now and counts those that exist.",
    }

    "ttl" => generic::ttl {
        arity: 2, since: "1.0.0", time: "O(1)",
        flags: [READONLY FAST], acl: [KEYSPACE],
        tips: ["nondeterministic_output"],
        keys: [{ RO ACCESS: at(1) }],
        args: "key",
        about: "Answers how many seconds a key has left.",
    }

    "type" => generic::type_ {
        arity: 2, since: "1.0.0", time: "O(1)",
        flags: [READONLY FAST], acl: [KEYSPACE],
        keys: [{ RO: at(1) }],
        args: "key",
        about: "Answers the type of the value at a key.",
    }

    "unlink" => generic::unlink {
        arity: -2, since: "4.0.0", time: "O(1) for each key, O(N) in the background",
        flags: [WRITE FAST], acl: [KEYSPACE],
        tips: ["request_policy:multi_shard", "response_policy:agg_sum"],
        keys: [{ RM DELETE: at(1).through(-1) }],
        args: "key...",
        about: "Deletes keys, leaving large values to be freed in the background.",
    }

    "wait" => generic::wait {
        arity: 3, since: "3.0.0", time: "O(1)",
        flags: [], acl: [CONNECTION],
        tips: ["request_policy:all_shards", "response_policy:agg_min"],
        args: "numreplicas:integer timeout:integer",
        about: "Waits until replicas have received this connection's writes.",
    }

    "waitaof" => generic::waitaof {
        arity: 4, since: "7.2.0", time: "O(1)",
        flags: [NOSCRIPT], acl: [CONNECTION],
        tips: ["request_policy:all_shards", "response_policy:agg_min"],
        args: "numlocal:integer numreplicas:integer timeout:integer",
        about: "Waits until this connection's writes are on disk, here and on replicas.",
    }
} } }; }
