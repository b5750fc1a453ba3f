//! Rows of the commands of publish and subscribe. The fields are explained in [`super`].

/// Appends the rows and goes on to the next file.
#[doc(hidden)]
#[macro_export]
macro_rules! pubsub_commands { ($callback:ident $($before:tt)*) => { $crate::scripting_commands! { $callback $($before)*
PubSub {
    "psubscribe" => pubsub::psubscribe {
        arity: -2, since: "2.0.0", time: "O(N) in the number of patterns named",
        flags: [PUBSUB NOSCRIPT LOADING STALE], acl: [],
        args: "pattern:(pattern)...",
        about: "Receives from now on what is published to channels that match a pattern.",
    }

    "publish" => pubsub::publish {
        arity: 3, since: "2.0.0",
        time: "O(N+M) in the numbers of the channel's subscribers and of all patterns that are subscribed to",
        flags: [PUBSUB LOADING STALE FAST], acl: [],
        args: "channel message",
        may_write: true,
        about: "Sends a message to the subscribers of a channel on all nodes, and answers how many they are.",
    }

    "pubsub" => unsupported::container {
        arity: -2, since: "2.8.0", time: "Depends on the subcommand",
        flags: [], acl: [],
        about: "Container of the commands that tell who is subscribed to what.",
    }

    "pubsub|channels" => pubsub::channels {
        arity: -2, since: "2.8.0", time: "O(N) in the number of channels with subscribers",
        flags: [PUBSUB LOADING STALE], acl: [],
        args: "[pattern:pattern]",
        about: "Lists the channels that have subscribers on this node.",
    }

    "pubsub|help" => pubsub::help {
        arity: 2, since: "6.2.0", time: "O(1)",
        flags: [LOADING STALE], acl: [],
        about: "Lists the subcommands.",
    }

    "pubsub|numpat" => pubsub::numpat {
        arity: 2, since: "2.8.0", time: "O(1)",
        flags: [PUBSUB LOADING STALE], acl: [],
        about: "Counts the patterns that are subscribed to on this node.",
    }

    "pubsub|numsub" => pubsub::numsub {
        arity: -2, since: "2.8.0", time: "O(N) in the number of channels named",
        flags: [PUBSUB LOADING STALE], acl: [],
        args: "[channel...]",
        about: "Counts each channel's subscribers on this node, patterns left out.",
    }

    "pubsub|shardchannels" => pubsub::shardchannels {
        arity: -2, since: "7.0.0", time: "O(N) in the number of shard channels with subscribers",
        flags: [PUBSUB LOADING STALE], acl: [],
        args: "[pattern:pattern]",
        about: "Lists the shard channels that have subscribers on this node.",
    }

    "pubsub|shardnumsub" => pubsub::shardnumsub {
        arity: -2, since: "7.0.0", time: "O(N) in the number of shard channels named",
        flags: [PUBSUB LOADING STALE], acl: [],
        args: "[shardchannel...]",
        about: "Counts each shard channel's subscribers on this node.",
    }

    "punsubscribe" => pubsub::punsubscribe {
        arity: -1, since: "2.0.0", time: "O(N) in the number of patterns named",
        flags: [PUBSUB NOSCRIPT LOADING STALE], acl: [],
        args: "[pattern:pattern...]",
        about: "Ends subscriptions to patterns, or to all of them.",
    }

    "spublish" => pubsub::spublish {
        arity: 3, since: "7.0.0", time: "O(N) in the number of the shard channel's subscribers",
        flags: [PUBSUB LOADING STALE FAST], acl: [],
        keys: [
            { NOT_KEY: at(1) }
        ],
        args: "shardchannel message",
        may_write: true,
        about: "Sends a message to the subscribers of a shard channel, and answers how many they are.",
    }

    "ssubscribe" => pubsub::ssubscribe {
        arity: -2, since: "7.0.0", time: "O(N) in the number of shard channels named",
        flags: [PUBSUB NOSCRIPT LOADING STALE], acl: [],
        keys: [
            { NOT_KEY: at(1).through(-1) }
        ],
        args: "shardchannel...",
        about: "Receives from now on what is published to shard channels.",
    }

    "subscribe" => pubsub::subscribe {
        arity: -2, since: "2.0.0", time: "O(N) in the number of channels named",
        flags: [PUBSUB NOSCRIPT LOADING STALE], acl: [],
        args: "channel...",
        about: "Receives from now on what is published to channels.",
    }

    "sunsubscribe" => pubsub::sunsubscribe {
        arity: -1, since: "7.0.0", time: "O(N) in the number of shard channels named",
        flags: [PUBSUB NOSCRIPT LOADING STALE], acl: [],
        keys: [
            { NOT_KEY: at(1).through(-1) }
        ],
        args: "[shardchannel...]",
        about: "Ends subscriptions to shard channels, or to all of them.",
    }

    "unsubscribe" => pubsub::unsubscribe {
        arity: -1, since: "2.0.0", time: "O(N) in the number of channels named",
        flags: [PUBSUB NOSCRIPT LOADING STALE], acl: [],
        args: "[channel...]",
        about: "Ends subscriptions to channels, or to all of them.",
    }
} } }; }
