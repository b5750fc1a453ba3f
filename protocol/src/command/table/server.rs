//! Rows of the commands about the server. The fields are explained in [`super`].

/// Appends the rows and goes on to the next file.
#[doc(hidden)]
#[macro_export]
macro_rules! server_commands { ($callback:ident $($before:tt)*) => { $crate::cluster_commands! { $callback $($before)*
Server {
    "command" => introspect::command {
        arity: -1, since: "2.8.13", time: "O(N) in the number of commands",
        flags: [LOADING STALE], acl: [CONNECTION],
        tips: ["nondeterministic_output_order"],
        about: "Describes all commands.",
    }

    "command|count" => introspect::count {
        arity: 2, since: "2.8.13", time: "O(1)",
        flags: [LOADING STALE], acl: [CONNECTION],
        about: "Counts the commands.",
    }

    "command|docs" => introspect::docs {
        arity: -2, since: "7.0.0", time: "O(N) in the number of commands named",
        flags: [LOADING STALE], acl: [CONNECTION],
        tips: ["nondeterministic_output_order"],
        args: "[command-name...]",
        about: "Documents commands.",
    }

    "command|getkeys" => introspect::getkeys {
        arity: -3, since: "2.8.13", time: "O(N) in the number of arguments",
        flags: [LOADING STALE], acl: [CONNECTION],
        args: "command [arg...]",
        about: "Finds the keys among the arguments of a command.",
    }

    "command|getkeysandflags" => introspect::getkeysandflags {
        arity: -3, since: "7.0.0", time: "O(N) in the number of arguments",
        flags: [LOADING STALE], acl: [CONNECTION],
        args: "command [arg...]",
        about: "Finds the keys among the arguments of a command, and how each is used.",
    }

    "command|help" => introspect::help {
        arity: 2, since: "5.0.0", time: "O(1)",
        flags: [LOADING STALE], acl: [CONNECTION],
        about: "Lists the subcommands.",
    }

    "command|info" => introspect::info {
        arity: -2, since: "2.8.13", time: "O(N) in the number of commands named",
        flags: [LOADING STALE], acl: [CONNECTION],
        tips: ["nondeterministic_output_order"],
        args: "[command-name...]",
        about: "Describes the named commands.",
    }

    "command|list" => introspect::list {
        arity: -2, since: "7.0.0", time: "O(N) in the number of commands",
        flags: [LOADING STALE], acl: [CONNECTION],
        tips: ["nondeterministic_output_order"],
        args: "[FILTERBY filterby:<MODULE module-name | ACLCAT category | PATTERN pattern>]",
        about: "Lists the names of the commands.",
    }

    "config" => unsupported::container {
        arity: -2, since: "2.0.0", time: "Depends on the subcommand",
        flags: [], acl: [],
        about: "Container of the commands about settings.",
    }

    "config|get" => config::get {
        arity: -3, since: "2.0.0", time: "O(N) in the number of patterns",
        flags: [ADMIN NOSCRIPT LOADING STALE], acl: [],
        args: "parameter...",
        about: "Answers the settings whose names match patterns.",
    }

    "config|help" => config::help {
        arity: 2, since: "5.0.0", time: "O(1)",
        flags: [LOADING STALE], acl: [],
        about: "Lists the subcommands.",
    }

    "config|resetstat" => config::resetstat {
        arity: 2, since: "2.0.0", time: "O(1)",
        flags: [ADMIN NOSCRIPT LOADING STALE], acl: [],
        tips: ["request_policy:all_nodes", "response_policy:all_succeeded"],
        about: "Sets the statistics back to zero.",
    }

    "config|rewrite" => config::rewrite {
        arity: 2, since: "2.8.0", time: "O(1)",
        flags: [ADMIN NOSCRIPT LOADING STALE], acl: [],
        tips: ["request_policy:all_nodes", "response_policy:all_succeeded"],
        about: "Writes the settings in force to the settings file.",
    }

    "config|set" => config::set {
        arity: -4, since: "2.0.0", time: "O(N) in the number of settings",
        flags: [ADMIN NOSCRIPT LOADING STALE], acl: [],
        tips: ["request_policy:all_nodes", "response_policy:all_succeeded"],
        args: "data:(parameter value)...",
        about: "Changes settings, all of them or none.",
    }

    "dbsize" => server::dbsize {
        arity: 1, since: "1.0.0", time: "O(1)",
        flags: [READONLY FAST], acl: [KEYSPACE],
        tips: ["request_policy:all_shards", "response_policy:agg_sum"],
        about: "Counts the keys of the database.",
    }

    "debug" => debug::debug {
        arity: -2, since: "1.0.0", time: "Depends on the subcommand",
        flags: [ADMIN NOSCRIPT LOADING STALE], acl: [],
        internal: true,
        about: "Container of the commands for testing the node.",
    }

    "flushall" => server::flushall {
        arity: -1, since: "1.0.0", time: "O(N) in the number of keys",
        flags: [WRITE], acl: [KEYSPACE DANGEROUS],
        tips: ["request_policy:all_shards", "response_policy:all_succeeded"],
        args: "[flush-type:<ASYNC | SYNC>]",
        about: "Deletes all keys of all databases.",
    }

    "flushdb" => server::flushdb {
        arity: -1, since: "1.0.0", time: "O(N) in the number of keys",
        flags: [WRITE], acl: [KEYSPACE DANGEROUS],
        tips: ["request_policy:all_shards", "response_policy:all_succeeded"],
        args: "[flush-type:<ASYNC | SYNC>]",
        about: "Deletes all keys of the database.",
    }

    "info" => info::info {
        arity: -1, since: "1.0.0", time: "O(1)",
        flags: [LOADING STALE], acl: [DANGEROUS],
        tips: ["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        args: "[section...]",
        about: "Reports the state and the statistics of the node.",
    }

    "lastsave" => server::lastsave {
        arity: 1, since: "1.0.0", time: "O(1)",
        flags: [LOADING STALE FAST], acl: [ADMIN DANGEROUS],
        tips: ["nondeterministic_output"],
        about: "Answers when the data was last saved, as a Unix time.",
    }

    "latency" => unsupported::container {
        arity: -2, since: "2.8.13", time: "Depends on the subcommand",
        flags: [], acl: [],
        about: "Container of the commands about slow events.",
    }

    "latency|doctor" => latency::doctor {
        arity: 2, since: "2.8.13", time: "O(1)",
        flags: [ADMIN NOSCRIPT LOADING STALE], acl: [],
        tips: ["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
        about: "Comments on the slow events for a person to read.",
    }

    "latency|graph" => latency::graph {
        arity: 3, since: "2.8.13", time: "O(1)",
        flags: [ADMIN NOSCRIPT LOADING STALE], acl: [],
        tips: ["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
        args: "event",
        about: "Draws the latest occurrences of an event.",
    }

    "latency|help" => latency::help {
        arity: 2, since: "2.8.13", time: "O(1)",
        flags: [LOADING STALE], acl: [],
        about: "Lists the subcommands.",
    }

    "latency|histogram" => latency::histogram {
        arity: -2, since: "7.0.0", time: "O(N) in the number of commands answered",
        flags: [ADMIN NOSCRIPT LOADING STALE], acl: [],
        tips: ["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
        args: "[command...]",
        about: "Answers how the running times of commands are distributed.",
    }

    "latency|history" => latency::history {
        arity: 3, since: "2.8.13", time: "O(1)",
        flags: [ADMIN NOSCRIPT LOADING STALE], acl: [],
        tips: ["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
        args: "event",
        about: "Lists the latest occurrences of an event.",
    }

    "latency|latest" => latency::latest {
        arity: 2, since: "2.8.13", time: "O(1)",
        flags: [ADMIN NOSCRIPT LOADING STALE], acl: [],
        tips: ["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
        about: "Lists the latest occurrence of each event.",
    }

    "latency|reset" => latency::reset {
        arity: -2, since: "2.8.13", time: "O(1)",
        flags: [ADMIN NOSCRIPT LOADING STALE], acl: [],
        tips: ["request_policy:all_nodes", "response_policy:agg_sum"],
        args: "[event...]",
        about: "Forgets the occurrences of events.",
    }

    "lolwut" => server::lolwut {
        arity: -1, since: "5.0.0", time: "O(1)",
        flags: [READONLY FAST], acl: [],
        args: "[VERSION version:integer]",
        about: "Draws a picture and says the version.",
    }

    "memory" => unsupported::container {
        arity: -2, since: "4.0.0", time: "Depends on the subcommand",
        flags: [], acl: [],
        about: "Container of the commands about memory.",
    }

    "memory|doctor" => memory::doctor {
        arity: 2, since: "4.0.0", time: "O(1)",
        flags: [], acl: [],
        tips: ["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        about: "Comments on the use of memory for a person to read.",
    }

    "memory|help" => memory::help {
        arity: 2, since: "4.0.0", time: "O(1)",
        flags: [LOADING STALE], acl: [],
        about: "Lists the subcommands.",
    }

    "memory|malloc-stats" => memory::malloc_stats {
        arity: 2, since: "4.0.0", time: "Depends on how much is allocated",
        flags: [], acl: [],
        tips: ["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        about: "Reports the statistics of the allocator.",
    }

    "memory|purge" => memory::purge {
        arity: 2, since: "4.0.0", time: "Depends on how much is allocated",
        flags: [], acl: [],
        tips: ["request_policy:all_shards", "response_policy:all_succeeded"],
        about: "Returns unused pages to the operating system.",
    }

    "memory|stats" => memory::stats {
        arity: 2, since: "4.0.0", time: "O(1)",
        flags: [], acl: [],
        tips: ["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        about: "Reports what memory is used for.",
    }

    "memory|usage" => memory::usage {
        arity: -3, since: "4.0.0", time: "O(N) in the number of samples",
        flags: [READONLY], acl: [],
        keys: [{ RO: at(2) }],
        args: "key [SAMPLES count:integer]",
        about: "Estimates how much memory a key takes.",
    }

    "monitor" => server::monitor {
        arity: 1, since: "1.0.0", time: "O(1)",
        flags: [ADMIN NOSCRIPT LOADING STALE], acl: [],
        about: "Streams every command that the node runs to this connection.",
    }

    "restore-asking" => dump::restore {
        arity: -4, since: "3.0.0", time: "O(N) in the size of the value",
        flags: [WRITE DENYOOM ASKING], acl: [KEYSPACE DANGEROUS],
        keys: [{ OW UPDATE: at(1) }],
        args: "key ttl:integer serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds:integer] [FREQ \
            frequency:integer]",
        internal: true,
        about: "Creates a key from a serialised value while its slot moves.",
    }

    "role" => server::role {
        arity: 1, since: "2.8.12", time: "O(1)",
        flags: [NOSCRIPT LOADING STALE FAST], acl: [ADMIN DANGEROUS],
        about: "Answers the role of the node in replication.",
    }

    "shutdown" => server::shutdown {
        arity: -1, since: "1.0.0", time: "O(1), O(N) in the number of keys when saving",
        flags: [ADMIN NOSCRIPT LOADING STALE NO_MULTI ALLOW_BUSY], acl: [],
        args: "[save-selector:<NOSAVE | SAVE>] [NOW] [FORCE] [ABORT]",
        about: "Stops the node.",
    }

    "slowlog" => unsupported::container {
        arity: -2, since: "2.2.12", time: "Depends on the subcommand",
        flags: [], acl: [],
        about: "Container of the commands about the slow log.",
    }

    "slowlog|get" => slowlog::get {
        arity: -2, since: "2.2.12", time: "O(N) in the number of entries answered",
        flags: [ADMIN LOADING STALE], acl: [],
        tips: ["request_policy:all_nodes", "nondeterministic_output"],
        args: "[count:integer]",
        about: "Lists the latest entries of the slow log.",
    }

    "slowlog|help" => slowlog::help {
        arity: 2, since: "6.2.0", time: "O(1)",
        flags: [LOADING STALE], acl: [],
        about: "Lists the subcommands.",
    }

    "slowlog|len" => slowlog::len {
        arity: 2, since: "2.2.12", time: "O(1)",
        flags: [ADMIN LOADING STALE], acl: [],
        tips: ["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"],
        about: "Counts the entries of the slow log.",
    }

    "slowlog|reset" => slowlog::reset {
        arity: 2, since: "2.2.12", time: "O(N) in the number of entries",
        flags: [ADMIN LOADING STALE], acl: [],
        tips: ["request_policy:all_nodes", "response_policy:all_succeeded"],
        about: "Empties the slow log.",
    }

    "swapdb" => server::swapdb {
        arity: 3, since: "4.0.0", time: "O(N) in the number of waiting clients",
        flags: [WRITE FAST], acl: [KEYSPACE DANGEROUS],
        args: "index1:integer index2:integer",
        about: "Exchanges the contents of two databases.",
    }

    "time" => server::time {
        arity: 1, since: "2.6.0", time: "O(1)",
        flags: [LOADING STALE FAST], acl: [],
        tips: ["nondeterministic_output"],
        about: "Answers the time of the node's clock.",
    }
} } }; }
