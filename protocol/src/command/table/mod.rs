//! The command table: one row a command and a subcommand, one file a group.
//!
//! ```text
//! "bitop" => bitmap::bitop {           full name (subcommands: "client|id") => handler in server/src/command
//!     arity: -4,                       arguments, the name included; negative: at least so many
//!     since: "2.6.0",                  the Redis version that brought it
//!     time: "O(N) in …",               complexity
//!     flags: [WRITE DENYOOM],          how the pipeline treats it: consts of `Flags`
//!     acl: [BITMAP],                   ACL categories beyond those that follow from the flags: consts of `Categories`
//!     tips: ["…", …],                  optional: hints for proxies, as COMMAND INFO shows them
//!     keys: [                          optional: where the keys stand (see `KeySpec`) and what becomes of them
//!         { OW UPDATE: at(2) }
//!         { RO ACCESS: at(3).through(-1) }
//!     ],
//!     keys_by: Set,                    optional: the function of `keys` that knows better than the key specs
//!     args: "key [value]…",            optional: the arguments, in the notation of `arguments`
//!     deprecated: "6.2.0",             optional, with the version and
//!     instead: "`SET` with `GET`",       what to use now
//!     internal: true,                  optional: not meant for applications
//!     may_write: true,                 optional: a pause of writes holds it although it is not flagged WRITE
//!     quick: true,                     optional: never takes long while its arguments are short, although it is not flagged FAST
//!     refused: Modules,                optional: always answered with an error, for this reason (`Refusal`)
//!     about: "…",                      one sentence
//! }
//! ```
//!
//! A container ("client") stands directly before its subcommands. The strings stand first because lookup inserts the
//! rows in this order, so that the hottest names are found at the first probe.
//!
//! Source: the command pages of redis.io at 7.2. Sentences are ours.

mod acl;
mod bitmap;
mod cluster;
mod connection;
mod generic;
mod geo;
mod hash;
mod hyperloglog;
mod list;
mod pubsub;
mod scripting;
mod server;
mod set;
mod stream;
mod string;
mod transactions;
mod unsupported;
mod zset;

/// Expands `$callback! { Group { "name" => module::function { … } … } … }` with every row of the table.
///
/// The protocol crate makes the specs of it and the server the array of handlers, in the same order. Each file's macro
/// passes on what it was given and its own rows, for macros can be nested only from the outside in.
#[macro_export]
macro_rules! for_each_command {
    ($callback:ident) => {
        $crate::string_commands! { $callback }
    };
}
