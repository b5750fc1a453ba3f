//! Rows of the commands about connections. The fields are explained in [`super`].

/// Appends the rows and goes on to the next file.
#[doc(hidden)]
#[macro_export]
macro_rules! connection_commands { ($callback:ident $($before:tt)*) => { $crate::server_commands! { $callback $($before)*
Connection {
    "auth" => connection::auth {
        arity: -2, since: "1.0.0", time: "O(1)",
        flags: [NOSCRIPT LOADING STALE FAST NO_AUTH ALLOW_BUSY], acl: [CONNECTION],
        args: "[username] password",
        about: "Logs the connection in.",
    }

    "client" => unsupported::container {
        arity: -2, since: "2.4.0", time: "Depends on the subcommand",
        flags: [], acl: [],
        about: "Container of the commands about client connections.",
    }

    "client|caching" => tracking::caching {
        arity: 3, since: "6.0.0", time: "O(1)",
        flags: [NOSCRIPT LOADING STALE], acl: [CONNECTION],
        args: "mode:<YES | NO>",
        about: "Says whether the keys of the next command are to be tracked.",
    }

    "client|consistency" => consistency::consistency {
        arity: -2, since: "7.2.0", time: "O(1)",
        flags: [NOSCRIPT LOADING STALE FAST], acl: [CONNECTION],
        args: "[W write:<ONE | n | QUORUM | ALL | DEFAULT>] [R read:<PRIMARY | ANY | SESSION | QUORUM | DEFAULT>] \
            [TIMEOUT time:<milliseconds | DEFAULT>] [ONCE]",
        about: "Says how many copies this connection's writes need and where its reads may be answered; without arguments, answers it.",
    }

    "client|getname" => client::getname {
        arity: 2, since: "2.6.9", time: "O(1)",
        flags: [NOSCRIPT LOADING STALE], acl: [CONNECTION],
        about: "Answers the name of this connection.",
    }

    "client|getredir" => tracking::getredir {
        arity: 2, since: "6.0.0", time: "O(1)",
        flags: [NOSCRIPT LOADING STALE], acl: [CONNECTION],
        about: "Answers which client receives the invalidations of this one.",
    }

    "client|help" => client::help {
        arity: 2, since: "5.0.0", time: "O(1)",
        flags: [LOADING STALE], acl: [CONNECTION],
        about: "Lists the subcommands.",
    }

    "client|id" => client::id {
        arity: 2, since: "5.0.0", time: "O(1)",
        flags: [NOSCRIPT LOADING STALE], acl: [CONNECTION],
        about: "Answers the number of this connection.",
    }

    "client|info" => client::info {
        arity: 2, since: "6.2.0", time: "O(1)",
        flags: [NOSCRIPT LOADING STALE], acl: [CONNECTION],
        tips: ["nondeterministic_output"],
        about: "Describes this connection.",
    }

    "client|kill" => client::kill {
        arity: -3, since: "2.4.0", time: "O(N) in the number of connections",
        flags: [ADMIN NOSCRIPT LOADING STALE], acl: [CONNECTION],
        args: "filter:<old-format | new-format:<[ID client-id:integer] | [TYPE client-type:<NORMAL | MASTER | \
            SLAVE | REPLICA | PUBSUB>] | [USER username] | [ADDR addr] | [LADDR laddr] | [SKIPME skipme:<YES | \
            NO>]>...>",
        about: "Closes connections that match a filter.",
    }

    "client|list" => client::list {
        arity: -2, since: "2.4.0", time: "O(N) in the number of connections",
        flags: [ADMIN NOSCRIPT LOADING STALE], acl: [CONNECTION],
        tips: ["nondeterministic_output"],
        args: "[TYPE client-type:<NORMAL | MASTER | REPLICA | PUBSUB>] [ID client-id:integer...]",
        about: "Describes all connections, or those that match a filter.",
    }

    "client|no-evict" => client::no_evict {
        arity: 3, since: "7.0.0", time: "O(1)",
        flags: [ADMIN NOSCRIPT LOADING STALE], acl: [CONNECTION],
        args: "enabled:<ON | OFF>",
        about: "Exempts this connection from being closed when client memory runs short.",
    }

    "client|no-touch" => client::no_touch {
        arity: 3, since: "7.2.0", time: "O(1)",
        flags: [NOSCRIPT LOADING STALE], acl: [CONNECTION],
        args: "enabled:<ON | OFF>",
        about: "Stops this connection's commands from refreshing the age of keys.",
    }

    "client|pause" => client::pause {
        arity: -3, since: "3.0.0", time: "O(1)",
        flags: [ADMIN NOSCRIPT LOADING STALE], acl: [CONNECTION],
        args: "timeout:integer [mode:<WRITE | ALL>]",
        about: "Holds back the commands of all clients for a while.",
    }

    "client|reply" => client::reply {
        arity: 3, since: "3.2.0", time: "O(1)",
        flags: [NOSCRIPT LOADING STALE], acl: [CONNECTION],
        args: "action:<ON | OFF | SKIP>",
        about: "Turns replies to this connection on or off.",
    }

    "client|setinfo" => client::setinfo {
        arity: 4, since: "7.2.0", time: "O(1)",
        flags: [NOSCRIPT LOADING STALE], acl: [CONNECTION],
        tips: ["request_policy:all_nodes", "response_policy:all_succeeded"],
        args: "attr:<LIB-NAME libname | LIB-VER libver>",
        about: "Records the name or the version of the client library.",
    }

    "client|setname" => client::setname {
        arity: 3, since: "2.6.9", time: "O(1)",
        flags: [NOSCRIPT LOADING STALE], acl: [CONNECTION],
        tips: ["request_policy:all_nodes", "response_policy:all_succeeded"],
        args: "connection-name",
        about: "Names this connection.",
    }

    "client|token" => consistency::token {
        arity: -3, since: "7.2.0", time: "O(N) in the number of slots that the session wrote to",
        flags: [NOSCRIPT LOADING STALE], acl: [CONNECTION],
        args: "action:<GET | set:(SET token)>",
        about: "Answers what this session has written, or takes over what another one has, for reads at consistency SESSION.",
    }

    "client|tracking" => tracking::tracking {
        arity: -3, since: "6.0.0", time: "O(1)",
        flags: [NOSCRIPT LOADING STALE], acl: [CONNECTION],
        args: "status:<ON | OFF> [REDIRECT client-id:integer] [PREFIX prefix...!] [BCAST] [OPTIN] [OPTOUT] \
            [NOLOOP]",
        about: "Tells this connection, or another one, when keys that it has read change.",
    }

    "client|trackinginfo" => tracking::trackinginfo {
        arity: 2, since: "6.2.0", time: "O(1)",
        flags: [NOSCRIPT LOADING STALE], acl: [CONNECTION],
        about: "Describes the tracking of this connection.",
    }

    "client|unblock" => client::unblock {
        arity: -3, since: "5.0.0", time: "O(log N) in the number of connections",
        flags: [ADMIN NOSCRIPT LOADING STALE], acl: [CONNECTION],
        args: "client-id:integer [unblock-type:<TIMEOUT | ERROR>]",
        about: "Wakes a client that waits in a blocking command.",
    }

    "client|unpause" => client::unpause {
        arity: 2, since: "6.2.0", time: "O(N) in the number of paused clients",
        flags: [ADMIN NOSCRIPT LOADING STALE], acl: [CONNECTION],
        about: "Ends a pause.",
    }

    "echo" => connection::echo {
        arity: 2, since: "1.0.0", time: "O(1)",
        flags: [LOADING STALE FAST], acl: [CONNECTION],
        args: "message",
        about: "Answers its argument.",
    }

    "hello" => connection::hello {
        arity: -1, since: "6.0.0", time: "O(1)",
        flags: [NOSCRIPT LOADING STALE FAST NO_AUTH ALLOW_BUSY], acl: [CONNECTION],
        args: "[arguments:(protover:integer [AUTH auth:(username password)] [SETNAME clientname])]",
        about: "Negotiates the protocol version, and logs in and names the connection on request.",
    }

    "ping" => connection::ping {
        arity: -1, since: "1.0.0", time: "O(1)",
        flags: [FAST], acl: [CONNECTION],
        tips: ["request_policy:all_shards", "response_policy:all_succeeded"],
        args: "[message]",
        about: "Answers PONG, or its argument.",
    }

    "quit" => connection::quit {
        arity: -1, since: "1.0.0", time: "O(1)",
        flags: [ALLOW_BUSY NOSCRIPT LOADING STALE FAST NO_AUTH], acl: [CONNECTION],
        deprecated: "7.2.0", instead: "closing the connection",
        about: "Closes the connection.",
    }

    "reset" => connection::reset {
        arity: 1, since: "6.2.0", time: "O(1)",
        flags: [NOSCRIPT LOADING STALE FAST NO_AUTH ALLOW_BUSY], acl: [CONNECTION],
        about: "Returns the connection to the state it was opened in.",
    }

    "select" => connection::select {
        arity: 2, since: "1.0.0", time: "O(1)",
        flags: [LOADING STALE FAST], acl: [CONNECTION],
        args: "index:integer",
        about: "Chooses the database of this connection.",
    }
} } }; }
