//! Rows of the commands about HyperLogLogs. The fields are explained in [`super`].

/// Appends the rows and goes on to the next file.
#[doc(hidden)]
#[macro_export]
macro_rules! hyperloglog_commands { ($callback:ident $($before:tt)*) => { $crate::transactions_commands! { $callback $($before)*
HyperLogLog {
    "pfadd" => hyperloglog::pfadd {
        arity: -2, since: "2.8.9", time: "O(1) for each element",
        flags: [WRITE DENYOOM FAST], acl: [HYPERLOGLOG],
        keys: [{ RW INSERT: at(1) }],
        args: "key [element...]",
        about: "Counts elements into a HyperLogLog, creating it if it is absent.",
    }

    "pfcount" => hyperloglog::pfcount {
        arity: -2, since: "2.8.9", time: "O(1) for one key, O(N) in the number of keys beyond",
        flags: [READONLY], acl: [HYPERLOGLOG],
        keys: [{ RW ACCESS: at(1).through(-1).note("Written because the cached count may be refreshed") }],
        args: "key...",
        may_write: true,
        about: "Estimates how many distinct elements one or more HyperLogLogs have counted.",
    }

    "pfdebug" => hyperloglog::pfdebug {
        arity: 3, since: "2.8.9", time: "O(N) in the number of registers",
        flags: [WRITE DENYOOM ADMIN], acl: [HYPERLOGLOG],
        keys: [{ RW ACCESS: at(2) }],
        args: "subcommand key",
        internal: true,
        about: "Shows the registers and the encoding of a HyperLogLog.",
    }

    "pfmerge" => hyperloglog::pfmerge {
        arity: -2, since: "2.8.9", time: "O(N) in the number of keys",
        flags: [WRITE DENYOOM], acl: [HYPERLOGLOG],
        keys: [
            { RW ACCESS INSERT: at(1) }
            { RO ACCESS: at(2).through(-1) }
        ],
        args: "destkey:key [sourcekey:key...]",
        about: "Merges HyperLogLogs into one.",
    }

    "pfselftest" => hyperloglog::pfselftest {
        arity: 1, since: "2.8.9", time: "O(N) in the number of registers",
        flags: [ADMIN], acl: [HYPERLOGLOG],
        internal: true,
        about: "Checks the HyperLogLog code of this node.",
    }
} } }; }
