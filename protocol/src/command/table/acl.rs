//! Rows of ACL, the commands about users and what each may do. The fields are explained in [`super`].

/// Appends the rows and goes on to the next file.
#[doc(hidden)]
#[macro_export]
macro_rules! acl_commands { ($callback:ident $($before:tt)*) => { $crate::unsupported_commands! { $callback $($before)*
Server {
    "acl" => unsupported::container {
        arity: -2, since: "6.0.0", time: "Depends on the subcommand",
        flags: [], acl: [],
        about: "Container of the commands about users and their rights.",
    }

    "acl|cat" => acl::cat {
        arity: -2, since: "6.0.0", time: "O(1)",
        flags: [NOSCRIPT LOADING STALE], acl: [],
        args: "[category]",
        about: "Lists the categories, or the commands of one category.",
    }

    "acl|deluser" => acl::deluser {
        arity: -3, since: "6.0.0", time: "O(N) in the number of connections",
        flags: [ADMIN NOSCRIPT LOADING STALE], acl: [],
        tips: ["request_policy:all_nodes", "response_policy:all_succeeded"],
        args: "username...",
        about: "Deletes users and closes their connections.",
    }

    "acl|dryrun" => acl::dryrun {
        arity: -4, since: "7.0.0", time: "O(1)",
        flags: [ADMIN NOSCRIPT LOADING STALE], acl: [],
        args: "username command [arg...]",
        about: "Says whether a user could run a command, without running it.",
    }

    "acl|genpass" => acl::genpass {
        arity: -2, since: "6.0.0", time: "O(1)",
        flags: [NOSCRIPT LOADING STALE], acl: [],
        args: "[bits:integer]",
        about: "Generates a random password.",
    }

    "acl|getuser" => acl::getuser {
        arity: 3, since: "6.0.0", time: "O(N) in the number of rules",
        flags: [ADMIN NOSCRIPT LOADING STALE], acl: [],
        args: "username",
        about: "Answers the rules of a user.",
    }

    "acl|help" => acl::help {
        arity: 2, since: "6.0.0", time: "O(1)",
        flags: [LOADING STALE], acl: [],
        about: "Lists the subcommands.",
    }

    "acl|list" => acl::list {
        arity: 2, since: "6.0.0", time: "O(N) in the number of users",
        flags: [ADMIN NOSCRIPT LOADING STALE], acl: [],
        about: "Lists the users with their rules.",
    }

    "acl|load" => acl::load {
        arity: 2, since: "6.0.0", time: "O(N) in the number of users",
        flags: [ADMIN NOSCRIPT LOADING STALE], acl: [],
        about: "Reads the users from the ACL file anew.",
    }

    "acl|log" => acl::log {
        arity: -2, since: "6.0.0", time: "O(N) in the number of entries answered",
        flags: [ADMIN NOSCRIPT LOADING STALE], acl: [],
        args: "[operation:<count:integer | RESET>]",
        about: "Lists the latest refused commands and logins.",
    }

    "acl|save" => acl::save {
        arity: 2, since: "6.0.0", time: "O(N) in the number of users",
        flags: [ADMIN NOSCRIPT LOADING STALE], acl: [],
        tips: ["request_policy:all_nodes", "response_policy:all_succeeded"],
        about: "Writes the users to the ACL file.",
    }

    "acl|setuser" => acl::setuser {
        arity: -3, since: "6.0.0", time: "O(N) in the number of rules",
        flags: [ADMIN NOSCRIPT LOADING STALE], acl: [],
        tips: ["request_policy:all_nodes", "response_policy:all_succeeded"],
        args: "username [rule...]",
        about: "Creates a user or changes its rules.",
    }

    "acl|users" => acl::users {
        arity: 2, since: "6.0.0", time: "O(N) in the number of users",
        flags: [ADMIN NOSCRIPT LOADING STALE], acl: [],
        about: "Lists the names of the users.",
    }

    "acl|whoami" => acl::whoami {
        arity: 2, since: "6.0.0", time: "O(1)",
        flags: [NOSCRIPT LOADING STALE], acl: [],
        about: "Answers the user of this connection.",
    }
} } }; }
