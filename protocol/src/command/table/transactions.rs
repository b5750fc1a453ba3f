//! Rows of the commands about transactions. The fields are explained in [`super`].

/// Appends the rows and goes on to the next file.
#[doc(hidden)]
#[macro_export]
macro_rules! transactions_commands { ($callback:ident $($before:tt)*) => { $crate::connection_commands! { $callback $($before)*
Transactions {
    "discard" => transaction::discard {
        arity: 1, since: "2.0.0", time: "O(N) in the number of queued commands",
        flags: [NOSCRIPT LOADING STALE FAST ALLOW_BUSY], acl: [TRANSACTION],
        about: "Forgets the commands queued since MULTI.",
    }

    "exec" => transaction::exec {
        arity: 1, since: "1.2.0", time: "Depends on the queued commands",
        flags: [NOSCRIPT LOADING STALE SKIP_SLOWLOG], acl: [TRANSACTION],
        about: "Runs the commands queued since MULTI as one step, unless a watched key was changed.",
    }

    "multi" => transaction::multi {
        arity: 1, since: "1.2.0", time: "O(1)",
        flags: [NOSCRIPT LOADING STALE FAST ALLOW_BUSY], acl: [TRANSACTION],
        about: "Has the commands that follow queued until EXEC.",
    }

    "unwatch" => transaction::unwatch {
        arity: 1, since: "2.2.0", time: "O(1)",
        flags: [NOSCRIPT LOADING STALE FAST ALLOW_BUSY], acl: [TRANSACTION],
        about: "Watches no key any more.",
    }

    "watch" => transaction::watch {
        arity: -2, since: "2.2.0", time: "O(1) for every key",
        flags: [NOSCRIPT LOADING STALE FAST ALLOW_BUSY], acl: [TRANSACTION],
        keys: [{ RO: at(1).through(-1) }],
        args: "key...",
        about: "Has the next EXEC run nothing if one of the keys is changed before it.",
    }
} } }; }
