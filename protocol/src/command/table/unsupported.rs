//! Rows of the commands about the server that are answered with an error. The fields are explained in [`super`].

/// Appends the rows and goes on to the next file.
#[doc(hidden)]
#[macro_export]
macro_rules! unsupported_commands { ($callback:ident $($before:tt)*) => { $callback! { $($before)*
Server {
    "bgrewriteaof" => unsupported::persistence {
        arity: 1, since: "1.0.0", time: "O(1)",
        flags: [NO_ASYNC_LOADING ADMIN NOSCRIPT], acl: [],
        refused: Persistence,
        about: "Rewrites the append-only file in the background.",
    }

    "bgsave" => unsupported::persistence {
        arity: -1, since: "1.0.0", time: "O(1)",
        flags: [NO_ASYNC_LOADING ADMIN NOSCRIPT], acl: [],
        args: "[SCHEDULE]",
        refused: Persistence,
        about: "Saves the data to disk in the background.",
    }

    "failover" => unsupported::replication {
        arity: -1, since: "6.2.0", time: "O(1)",
        flags: [ADMIN NOSCRIPT STALE], acl: [],
        args: "[TO target:(host port:integer [FORCE])] [ABORT] [TIMEOUT milliseconds:integer]",
        refused: Replication,
        about: "Hands the role of the primary to a replica.",
    }

    "module" => unsupported::module {
        arity: -2, since: "4.0.0", time: "Depends on the subcommand",
        flags: [], acl: [],
        refused: Modules,
        about: "Container of the commands about modules.",
    }

    "module|help" => unsupported::module {
        arity: 2, since: "5.0.0", time: "O(1)",
        flags: [LOADING STALE], acl: [],
        refused: Modules,
        about: "Lists the subcommands.",
    }

    "module|list" => unsupported::module {
        arity: 2, since: "4.0.0", time: "O(N) in the number of modules",
        flags: [ADMIN NOSCRIPT], acl: [],
        tips: ["nondeterministic_output_order"],
        refused: Modules,
        about: "Lists the loaded modules.",
    }

    "module|load" => unsupported::module {
        arity: -3, since: "4.0.0", time: "O(1)",
        flags: [NO_ASYNC_LOADING ADMIN NOSCRIPT], acl: [],
        args: "path [arg...]",
        refused: Modules,
        about: "Loads a module.",
    }

    "module|loadex" => unsupported::module {
        arity: -3, since: "7.0.0", time: "O(1)",
        flags: [NO_ASYNC_LOADING ADMIN NOSCRIPT], acl: [],
        args: "path [CONFIG configs:(name value)...!] [ARGS args...]",
        refused: Modules,
        about: "Loads a module with settings.",
    }

    "module|unload" => unsupported::module {
        arity: 3, since: "4.0.0", time: "O(1)",
        flags: [NO_ASYNC_LOADING ADMIN NOSCRIPT], acl: [],
        args: "name",
        refused: Modules,
        about: "Unloads a module.",
    }

    "psync" => unsupported::replication {
        arity: -3, since: "2.8.0", time: "O(1)",
        flags: [NO_ASYNC_LOADING ADMIN NO_MULTI NOSCRIPT], acl: [],
        args: "replicationid offset:integer",
        refused: Replication,
        about: "Starts or resumes a replication stream.",
    }

    "replconf" => unsupported::replication {
        arity: -1, since: "3.0.0", time: "O(1)",
        flags: [ADMIN NOSCRIPT LOADING STALE ALLOW_BUSY], acl: [],
        internal: true,
        refused: Replication,
        about: "Configures a replication stream.",
    }

    "replicaof" => unsupported::replication {
        arity: 3, since: "5.0.0", time: "O(1)",
        flags: [NO_ASYNC_LOADING ADMIN NOSCRIPT STALE], acl: [],
        args: "args:<host-port:(host port:integer) | no-one:(NO ONE)>",
        refused: Replication,
        about: "Makes the node a replica of another, or a primary again.",
    }

    "save" => unsupported::persistence {
        arity: 1, since: "1.0.0", time: "O(N) in the number of keys",
        flags: [NO_ASYNC_LOADING ADMIN NOSCRIPT NO_MULTI], acl: [],
        refused: Persistence,
        about: "Saves the data to disk before anything else runs.",
    }

    "slaveof" => unsupported::replication {
        arity: 3, since: "1.0.0", time: "O(1)",
        flags: [NO_ASYNC_LOADING ADMIN NOSCRIPT STALE], acl: [],
        args: "args:<host-port:(host port:integer) | no-one:(NO ONE)>",
        deprecated: "5.0.0", instead: "`REPLICAOF`",
        refused: Replication,
        about: "Makes the node a replica of another, or a primary again.",
    }

    "sync" => unsupported::replication {
        arity: 1, since: "1.0.0", time: "O(1)",
        flags: [NO_ASYNC_LOADING ADMIN NO_MULTI NOSCRIPT], acl: [],
        refused: Replication,
        about: "Starts a full replication stream.",
    }
} } }; }
