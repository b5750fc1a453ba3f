//! Rows of the commands about the ring. The fields are explained in [`super`].

/// Appends the rows and goes on to the next file.
#[doc(hidden)]
#[macro_export]
macro_rules! cluster_commands { ($callback:ident $($before:tt)*) => { $crate::pubsub_commands! { $callback $($before)*
Cluster {
    "cluster" => unsupported::container {
        arity: -2, since: "3.0.0", time: "Depends on the subcommand",
        flags: [], acl: [],
        about: "Container of the commands about the ring of nodes.",
    }

    "cluster|addslots" => cluster::refused {
        arity: -3, since: "3.0.0", time: "O(N) in the number of slots named",
        flags: [NO_ASYNC_LOADING ADMIN STALE], acl: [],
        args: "slot:integer...",
        refused: Slots,
        about: "Assigns slots to this node.",
    }

    "cluster|addslotsrange" => cluster::refused {
        arity: -4, since: "7.0.0", time: "O(N) in the number of slots in the ranges",
        flags: [NO_ASYNC_LOADING ADMIN STALE], acl: [],
        args: "range:(start-slot:integer end-slot:integer)...",
        refused: Slots,
        about: "Assigns ranges of slots to this node.",
    }

    "cluster|bumpepoch" => cluster::refused {
        arity: 2, since: "3.0.0", time: "O(1)",
        flags: [NO_ASYNC_LOADING ADMIN STALE], acl: [],
        tips: ["nondeterministic_output"],
        refused: Slots,
        about: "Raises the configuration epoch.",
    }

    "cluster|count-failure-reports" => cluster::count_failure_reports {
        arity: 3, since: "3.0.0", time: "O(N) in the number of nodes",
        flags: [ADMIN STALE], acl: [],
        tips: ["nondeterministic_output"],
        args: "node-id",
        about: "Answers 1 for a node that this node takes for dead, else 0.",
    }

    "cluster|countkeysinslot" => cluster::countkeysinslot {
        arity: 3, since: "3.0.0", time: "O(N) in the number of keys in the slot",
        flags: [STALE], acl: [],
        args: "slot:integer",
        about: "Counts the keys of a slot on this node.",
    }

    "cluster|delslots" => cluster::refused {
        arity: -3, since: "3.0.0", time: "O(N) in the number of slots named",
        flags: [NO_ASYNC_LOADING ADMIN STALE], acl: [],
        args: "slot:integer...",
        refused: Slots,
        about: "Takes slots from this node.",
    }

    "cluster|delslotsrange" => cluster::refused {
        arity: -4, since: "7.0.0", time: "O(N) in the number of slots in the ranges",
        flags: [NO_ASYNC_LOADING ADMIN STALE], acl: [],
        args: "range:(start-slot:integer end-slot:integer)...",
        refused: Slots,
        about: "Takes ranges of slots from this node.",
    }

    "cluster|failover" => cluster::refused {
        arity: -2, since: "3.0.0", time: "O(1)",
        flags: [NO_ASYNC_LOADING ADMIN STALE], acl: [],
        args: "[options:<FORCE | TAKEOVER>]",
        refused: Slots,
        about: "Makes a replica take its primary's place.",
    }

    "cluster|flushslots" => cluster::refused {
        arity: 2, since: "3.0.0", time: "O(1)",
        flags: [NO_ASYNC_LOADING ADMIN STALE], acl: [],
        refused: Slots,
        about: "Takes all slots from this node.",
    }

    "cluster|forget" => cluster::forget {
        arity: 3, since: "3.0.0", time: "O(N) in the number of nodes",
        flags: [NO_ASYNC_LOADING ADMIN STALE], acl: [],
        args: "node-id",
        about: "Leaves a dead node out of the ring for good.",
    }

    "cluster|getkeysinslot" => cluster::getkeysinslot {
        arity: 4, since: "3.0.0", time: "O(N) in the number of keys asked for",
        flags: [STALE], acl: [],
        tips: ["nondeterministic_output"],
        args: "slot:integer count:integer",
        about: "Lists keys of a slot on this node.",
    }

    "cluster|help" => cluster::help {
        arity: 2, since: "5.0.0", time: "O(1)",
        flags: [LOADING STALE], acl: [],
        about: "Lists the subcommands.",
    }

    "cluster|info" => cluster::info {
        arity: 2, since: "3.0.0", time: "O(N) in the number of nodes",
        flags: [STALE], acl: [],
        tips: ["nondeterministic_output"],
        about: "Describes the state of the ring.",
    }

    "cluster|keyslot" => cluster::keyslot {
        arity: 3, since: "3.0.0", time: "O(N) in the length of the key",
        flags: [STALE], acl: [],
        args: "key:string",
        about: "Answers the slot of a key.",
    }

    "cluster|links" => cluster::links {
        arity: 2, since: "7.0.0", time: "O(N) in the number of links",
        flags: [STALE], acl: [],
        tips: ["nondeterministic_output"],
        about: "Describes the links to other nodes.",
    }

    "cluster|meet" => cluster::refused {
        arity: -4, since: "3.0.0", time: "O(1)",
        flags: [NO_ASYNC_LOADING ADMIN STALE], acl: [],
        args: "ip port:integer [cluster-bus-port:integer]",
        refused: Slots,
        about: "Introduces another node.",
    }

    "cluster|myid" => cluster::myid {
        arity: 2, since: "3.0.0", time: "O(1)",
        flags: [STALE], acl: [],
        about: "Answers the name of this node.",
    }

    "cluster|myshardid" => cluster::myshardid {
        arity: 2, since: "7.2.0", time: "O(1)",
        flags: [STALE], acl: [],
        tips: ["nondeterministic_output"],
        about: "Answers the name of the shard that this node leads.",
    }

    "cluster|nodes" => cluster::nodes {
        arity: 2, since: "3.0.0", time: "O(N) in the number of nodes and ranges of slots",
        flags: [STALE], acl: [],
        tips: ["nondeterministic_output"],
        about: "Lists the nodes with the slots that each serves, as text.",
    }

    "cluster|replicas" => cluster::replicas {
        arity: 3, since: "5.0.0", time: "O(N) in the number of nodes",
        flags: [ADMIN STALE], acl: [],
        tips: ["nondeterministic_output"],
        args: "node-id",
        about: "Lists the replicas of a node: none, for each node leads some slots and copies others.",
    }

    "cluster|replicate" => cluster::refused {
        arity: 3, since: "3.0.0", time: "O(1)",
        flags: [NO_ASYNC_LOADING ADMIN STALE], acl: [],
        args: "node-id",
        refused: Slots,
        about: "Makes this node a replica of another.",
    }

    "cluster|reset" => cluster::refused {
        arity: -2, since: "3.0.0", time: "O(N) in the number of nodes",
        flags: [ADMIN NOSCRIPT STALE], acl: [],
        args: "[reset-type:<HARD | SOFT>]",
        refused: Slots,
        about: "Makes this node forget the others.",
    }

    "cluster|saveconfig" => cluster::refused {
        arity: 2, since: "3.0.0", time: "O(1)",
        flags: [NO_ASYNC_LOADING ADMIN STALE], acl: [],
        refused: Slots,
        about: "Writes the configuration of the cluster to disk.",
    }

    "cluster|set-config-epoch" => cluster::refused {
        arity: 3, since: "3.0.0", time: "O(1)",
        flags: [NO_ASYNC_LOADING ADMIN STALE], acl: [],
        args: "config-epoch:integer",
        refused: Slots,
        about: "Sets the configuration epoch.",
    }

    "cluster|setslot" => cluster::refused {
        arity: -4, since: "3.0.0", time: "O(1)",
        flags: [NO_ASYNC_LOADING ADMIN STALE], acl: [],
        args: "slot:integer subcommand:<IMPORTING node-id | MIGRATING node-id | NODE node-id | STABLE>",
        refused: Slots,
        about: "Binds a slot to a node.",
    }

    "cluster|shards" => cluster::shards {
        arity: 2, since: "7.0.0", time: "O(N) in the number of nodes and ranges of slots",
        flags: [LOADING STALE], acl: [],
        tips: ["nondeterministic_output"],
        about: "Lists the nodes with the slots that each serves.",
    }

    "cluster|slaves" => cluster::replicas {
        arity: 3, since: "3.0.0", time: "O(N) in the number of nodes",
        flags: [ADMIN STALE], acl: [],
        tips: ["nondeterministic_output"],
        args: "node-id",
        deprecated: "5.0.0", instead: "`CLUSTER REPLICAS`",
        about: "Lists the replicas of a node, as `CLUSTER REPLICAS` does.",
    }

    "cluster|slots" => cluster::slots {
        arity: 2, since: "3.0.0", time: "O(N) in the number of ranges of slots",
        flags: [LOADING STALE], acl: [],
        tips: ["nondeterministic_output"],
        deprecated: "7.0.0", instead: "`CLUSTER SHARDS`",
        about: "Lists the ranges of slots with the nodes that keep each, the one that serves it first.",
    }

    "asking" => cluster::asking {
        arity: 1, since: "3.0.0", time: "O(1)",
        flags: [FAST], acl: [CONNECTION],
        about: "Accepted, and without meaning: no node answers ASK.",
    }

    "readonly" => cluster::readonly {
        arity: 1, since: "3.0.0", time: "O(1)",
        flags: [LOADING STALE FAST], acl: [CONNECTION],
        about: "Lets this connection read copies, which may be a moment behind.",
    }

    "readwrite" => cluster::readwrite {
        arity: 1, since: "3.0.0", time: "O(1)",
        flags: [LOADING STALE FAST], acl: [CONNECTION],
        about: "Has this connection read from the node that serves the slot, as at first.",
    }

    "torc" => unsupported::container {
        arity: -2, since: "7.2.0", time: "Depends on the subcommand",
        flags: [], acl: [],
        about: "Container of the commands of Torc alone, which `torc status` and `torc leave` use.",
    }

    "torc|help" => torc::help {
        arity: 2, since: "7.2.0", time: "O(1)",
        flags: [LOADING STALE], acl: [],
        about: "Describes the subcommands.",
    }

    "torc|leave" => torc::leave {
        arity: 2, since: "7.2.0", time: "O(1), the node then leaves by itself",
        flags: [ADMIN STALE], acl: [],
        about: "Has this node hand its keys over to others and stop.",
    }

    "torc|stamps" => transaction::stamps {
        arity: -3, since: "7.2.0", time: "O(N) in the number of keys",
        flags: [LOADING STALE], acl: [],
        keys: [{ RO: at(2).through(-1) }],
        args: "key...",
        internal: true,
        about: "Answers what tells a later state of each key from this one; how nodes watch each other's keys.",
    }

    "torc|unless" => transaction::unless {
        arity: -4, since: "7.2.0", time: "O(N) in the number of keys",
        flags: [NOSCRIPT LOADING STALE], acl: [],
        keys: [{ RO: at(2).through(-1).step(2) }],
        args: "data:(key stamp)...",
        internal: true,
        about: "Has the next EXEC run nothing if a key's state is not the one that the stamp is of.",
    }

    "torc|status" => torc::status {
        arity: 2, since: "7.2.0", time: "O(N) in the number of nodes",
        flags: [LOADING STALE], acl: [],
        tips: ["nondeterministic_output"],
        about: "Tells how the ring stands: its nodes, what each keeps and serves, and whether all keys have all copies.",
    }
} } }; }
