//! Rows of the commands about scripts and functions. The fields are explained in [`super`].

/// Appends the rows and goes on to the next file.
#[doc(hidden)]
#[macro_export]
macro_rules! scripting_commands { ($callback:ident $($before:tt)*) => { $crate::acl_commands! { $callback $($before)*
Scripting {
    "eval" => eval::eval {
        arity: -3, since: "2.6.0", time: "Depends on the script",
        flags: [NOSCRIPT STALE SKIP_MONITOR NO_MANDATORY_KEYS], acl: [SCRIPTING],
        keys: [{ RW ACCESS UPDATE: at(2).counted(0, 1).note("A script may do anything with its keys: read and write are assumed.") }],
        args: "script numkeys:integer [key...] [arg...]",
        may_write: true,
        about: "Runs a Lua script as one step.",
    }

    "eval_ro" => eval::eval_ro {
        arity: -3, since: "7.0.0", time: "Depends on the script",
        flags: [READONLY NOSCRIPT STALE SKIP_MONITOR NO_MANDATORY_KEYS], acl: [SCRIPTING],
        keys: [{ RO ACCESS: at(2).counted(0, 1).note("A script may do anything with its keys: reading is assumed.") }],
        args: "script numkeys:integer [key...] [arg...]",
        about: "Runs a Lua script that does not write.",
    }

    "evalsha" => eval::evalsha {
        arity: -3, since: "2.6.0", time: "Depends on the script",
        flags: [NOSCRIPT STALE SKIP_MONITOR NO_MANDATORY_KEYS], acl: [SCRIPTING],
        keys: [{ RW ACCESS UPDATE: at(2).counted(0, 1) }],
        args: "sha1 numkeys:integer [key...] [arg...]",
        may_write: true,
        about: "Runs a Lua script that the server has seen before, by its SHA1.",
    }

    "evalsha_ro" => eval::evalsha_ro {
        arity: -3, since: "7.0.0", time: "Depends on the script",
        flags: [READONLY NOSCRIPT STALE SKIP_MONITOR NO_MANDATORY_KEYS], acl: [SCRIPTING],
        keys: [{ RO ACCESS: at(2).counted(0, 1) }],
        args: "sha1 numkeys:integer [key...] [arg...]",
        about: "Runs a Lua script that does not write and that the server has seen before, by its SHA1.",
    }

    "fcall" => function::fcall {
        arity: -3, since: "7.0.0", time: "Depends on the function",
        flags: [NOSCRIPT STALE SKIP_MONITOR NO_MANDATORY_KEYS], acl: [SCRIPTING],
        keys: [{ RW ACCESS UPDATE: at(2).counted(0, 1).note("A function may do anything with its keys: read and write are assumed.") }],
        args: "function numkeys:integer [key...] [arg...]",
        may_write: true,
        about: "Calls a function of a library as one step.",
    }

    "fcall_ro" => function::fcall_ro {
        arity: -3, since: "7.0.0", time: "Depends on the function",
        flags: [READONLY NOSCRIPT STALE SKIP_MONITOR NO_MANDATORY_KEYS], acl: [SCRIPTING],
        keys: [{ RO ACCESS: at(2).counted(0, 1).note("A function may do anything with its keys: reading is assumed.") }],
        args: "function numkeys:integer [key...] [arg...]",
        about: "Calls a function of a library that does not write.",
    }

    "function" => unsupported::container {
        arity: -2, since: "7.0.0", time: "Depends on the subcommand",
        flags: [], acl: [],
        about: "Container of the commands about libraries of functions.",
    }

    "function|delete" => function::delete {
        arity: 3, since: "7.0.0", time: "O(1)",
        flags: [WRITE NOSCRIPT], acl: [SCRIPTING],
        tips: ["request_policy:all_shards", "response_policy:all_succeeded"],
        args: "library-name:string",
        about: "Deletes a library and its functions.",
    }

    "function|dump" => function::dump {
        arity: 2, since: "7.0.0", time: "O(N) in the number of libraries",
        flags: [NOSCRIPT], acl: [SCRIPTING],
        about: "Answers all libraries in one payload.",
    }

    "function|flush" => function::flush {
        arity: -2, since: "7.0.0", time: "O(N) in the number of libraries",
        flags: [WRITE NOSCRIPT], acl: [SCRIPTING],
        tips: ["request_policy:all_shards", "response_policy:all_succeeded"],
        args: "[flush-type:<ASYNC | SYNC>]",
        about: "Deletes all libraries.",
    }

    "function|help" => function::help {
        arity: 2, since: "7.0.0", time: "O(1)",
        flags: [LOADING STALE], acl: [SCRIPTING],
        about: "Lists the subcommands.",
    }

    "function|kill" => function::kill {
        arity: 2, since: "7.0.0", time: "O(1)",
        flags: [NOSCRIPT ALLOW_BUSY], acl: [SCRIPTING],
        tips: ["request_policy:all_shards", "response_policy:one_succeeded"],
        about: "Ends a function that runs for too long and has not written anything.",
    }

    "function|list" => function::list {
        arity: -2, since: "7.0.0", time: "O(N) in the number of functions",
        flags: [NOSCRIPT], acl: [SCRIPTING],
        tips: ["nondeterministic_output_order"],
        args: "[LIBRARYNAME library-name-pattern:string] [WITHCODE]",
        about: "Lists the libraries and their functions.",
    }

    "function|load" => function::load {
        arity: -3, since: "7.0.0", time: "O(1)",
        flags: [WRITE DENYOOM NOSCRIPT], acl: [SCRIPTING],
        tips: ["request_policy:all_shards", "response_policy:all_succeeded"],
        args: "[REPLACE] function-code:string",
        about: "Adds a library of functions.",
    }

    "function|restore" => function::restore {
        arity: -3, since: "7.0.0", time: "O(N) in the number of libraries in the payload",
        flags: [WRITE DENYOOM NOSCRIPT], acl: [SCRIPTING],
        tips: ["request_policy:all_shards", "response_policy:all_succeeded"],
        args: "serialized-value:string [policy:<FLUSH | APPEND | REPLACE>]",
        about: "Adds the libraries of a payload that FUNCTION DUMP answered.",
    }

    "function|stats" => function::stats {
        arity: 2, since: "7.0.0", time: "O(1)",
        flags: [NOSCRIPT ALLOW_BUSY], acl: [SCRIPTING],
        tips: ["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        about: "Tells of the function that runs, and how many libraries and functions there are.",
    }

    "script" => unsupported::container {
        arity: -2, since: "2.6.0", time: "Depends on the subcommand",
        flags: [], acl: [],
        about: "Container of the commands about the scripts that the server has seen.",
    }

    "script|debug" => eval::debug {
        arity: 3, since: "3.2.0", time: "O(1)",
        flags: [NOSCRIPT], acl: [SCRIPTING],
        args: "mode:<YES | SYNC | NO>",
        about: "Answers an error: there is no debugger.",
    }

    "script|exists" => eval::exists {
        arity: -3, since: "2.6.0", time: "O(N) in the number of scripts asked for",
        flags: [NOSCRIPT], acl: [SCRIPTING],
        tips: ["request_policy:all_shards", "response_policy:agg_logical_and"],
        args: "sha1...",
        about: "Answers of several scripts whether the server knows them.",
    }

    "script|flush" => eval::flush {
        arity: -2, since: "2.6.0", time: "O(N) in the number of scripts that are known",
        flags: [NOSCRIPT], acl: [SCRIPTING],
        tips: ["request_policy:all_nodes", "response_policy:all_succeeded"],
        args: "[flush-type:<ASYNC | SYNC>]",
        may_write: true,
        about: "Forgets all scripts.",
    }

    "script|help" => eval::help {
        arity: 2, since: "5.0.0", time: "O(1)",
        flags: [LOADING STALE], acl: [SCRIPTING],
        about: "Lists the subcommands.",
    }

    "script|kill" => eval::kill {
        arity: 2, since: "2.6.0", time: "O(1)",
        flags: [NOSCRIPT ALLOW_BUSY], acl: [SCRIPTING],
        tips: ["request_policy:all_shards", "response_policy:one_succeeded"],
        about: "Ends a script that runs for too long and has not written anything.",
    }

    "script|load" => eval::load {
        arity: 3, since: "2.6.0", time: "O(N) in the length of the script",
        flags: [NOSCRIPT STALE], acl: [SCRIPTING],
        tips: ["request_policy:all_nodes", "response_policy:all_succeeded"],
        args: "script",
        may_write: true,
        about: "Keeps a script for EVALSHA without running it.",
    }
} } }; }
