//! Rows of the commands about streams. The fields are explained in [`super`].

/// Appends the rows and goes on to the next file.
#[doc(hidden)]
#[macro_export]
macro_rules! stream_commands { ($callback:ident $($before:tt)*) => { $crate::geo_commands! { $callback $($before)*
Stream {
    "xack" => stream::xack {
        arity: -4, since: "5.0.0", time: "O(log N) an id, in the number of entries pending",
        flags: [WRITE FAST], acl: [STREAM],
        keys: [{ RW UPDATE: at(1) }],
        args: "key group id...",
        about: "Acknowledges entries, so that they are pending in a group no more.",
    }

    "xadd" => stream::xadd {
        arity: -5, since: "5.0.0", time: "O(log N), and O(M) in the number of entries trimmed",
        flags: [WRITE DENYOOM FAST], acl: [STREAM],
        tips: ["nondeterministic_output"],
        keys: [{ RW UPDATE: at(1) }],
        args: "key [NOMKSTREAM] [trim:(strategy:<MAXLEN | MINID> [operator:<equal== | approximately=~>] threshold [LIMIT count:integer])] id_or_auto:<auto_id=* | id> field_value:(field value)...",
        about: "Adds an entry to a stream, and trims it.",
    }

    "xautoclaim" => stream::xautoclaim {
        arity: -6, since: "6.2.0", time: "O(log N) an entry looked at, in the number of entries pending",
        flags: [WRITE FAST], acl: [STREAM],
        tips: ["nondeterministic_output"],
        keys: [{ RW DELETE: at(1) }],
        args: "key group consumer min-idle-time start [COUNT count:integer] [JUSTID]",
        about: "Takes over for a consumer what has been pending for long.",
    }

    "xclaim" => stream::xclaim {
        arity: -6, since: "5.0.0", time: "O(log N) an id, in the number of entries pending",
        flags: [WRITE FAST], acl: [STREAM],
        tips: ["nondeterministic_output"],
        keys: [{ RW UPDATE: at(1) }],
        args: "key group consumer min-idle-time id... [IDLE ms:integer] [TIME unix-time-milliseconds:unix-time] [RETRYCOUNT count:integer] [FORCE] [JUSTID] [LASTID lastid]",
        about: "Takes pending entries over for a consumer.",
    }

    "xdel" => stream::xdel {
        arity: -3, since: "5.0.0", time: "O(log N) an id",
        flags: [WRITE FAST], acl: [STREAM],
        keys: [{ RW DELETE: at(1) }],
        args: "key id...",
        about: "Deletes entries of a stream.",
    }

    "xgroup" => stream::xgroup {
        arity: -2, since: "5.0.0", time: "Depends on the subcommand",
        flags: [], acl: [],
        about: "Container of the commands about consumer groups.",
    }

    "xgroup|create" => stream::xgroup_create {
        arity: -5, since: "5.0.0", time: "O(1)",
        flags: [WRITE DENYOOM], acl: [STREAM],
        keys: [{ RW INSERT: at(2) }],
        args: "key group id_or_new:<id | new_id=$> [MKSTREAM] [ENTRIESREAD entries-read:integer]",
        about: "Creates a consumer group.",
    }

    "xgroup|createconsumer" => stream::xgroup_createconsumer {
        arity: 5, since: "6.2.0", time: "O(1)",
        flags: [WRITE DENYOOM], acl: [STREAM],
        keys: [{ RW INSERT: at(2) }],
        args: "key group consumer",
        about: "Creates a consumer in a group.",
    }

    "xgroup|delconsumer" => stream::xgroup_delconsumer {
        arity: 5, since: "5.0.0", time: "O(N) in the number of entries pending for it",
        flags: [WRITE], acl: [STREAM],
        keys: [{ RW DELETE: at(2) }],
        args: "key group consumer",
        about: "Deletes a consumer with what is pending for it.",
    }

    "xgroup|destroy" => stream::xgroup_destroy {
        arity: 4, since: "5.0.0", time: "O(N) in the number of entries pending",
        flags: [WRITE], acl: [STREAM],
        keys: [{ RW DELETE: at(2) }],
        args: "key group",
        about: "Destroys a consumer group.",
    }

    "xgroup|help" => stream::xgroup {
        arity: 2, since: "5.0.0", time: "O(1)",
        flags: [LOADING STALE], acl: [STREAM],
        about: "Lists the subcommands.",
    }

    "xgroup|setid" => stream::xgroup_setid {
        arity: -5, since: "5.0.0", time: "O(1)",
        flags: [WRITE], acl: [STREAM],
        keys: [{ RW UPDATE: at(2) }],
        args: "key group id_or_new:<id | new_id=$> [ENTRIESREAD entriesread:integer]",
        about: "Sets the last id that a group was delivered.",
    }

    "xinfo" => stream::xinfo {
        arity: -2, since: "5.0.0", time: "Depends on the subcommand",
        flags: [], acl: [],
        about: "Container of the commands that tell about streams.",
    }

    "xinfo|consumers" => stream::xinfo_consumers {
        arity: 4, since: "5.0.0", time: "O(N) in the number of consumers",
        flags: [READONLY], acl: [STREAM],
        tips: ["nondeterministic_output"],
        keys: [{ RO ACCESS: at(2) }],
        args: "key group",
        about: "Lists the consumers of a group.",
    }

    "xinfo|groups" => stream::xinfo_groups {
        arity: 3, since: "5.0.0", time: "O(N) in the number of groups",
        flags: [READONLY], acl: [STREAM],
        keys: [{ RO ACCESS: at(2) }],
        args: "key",
        about: "Lists the groups of a stream.",
    }

    "xinfo|help" => stream::xinfo {
        arity: 2, since: "5.0.0", time: "O(1)",
        flags: [LOADING STALE], acl: [STREAM],
        about: "Lists the subcommands.",
    }

    "xinfo|stream" => stream::xinfo_stream {
        arity: -3, since: "5.0.0", time: "O(1); O(N) in what FULL answers",
        flags: [READONLY], acl: [STREAM],
        keys: [{ RO ACCESS: at(2) }],
        args: "key [FULL full-block:([COUNT count:integer])]",
        about: "Tells about a stream.",
    }

    "xlen" => stream::xlen {
        arity: 2, since: "5.0.0", time: "O(1)",
        flags: [READONLY FAST], acl: [STREAM],
        keys: [{ RO: at(1) }],
        args: "key",
        about: "Counts the entries of a stream.",
    }

    "xpending" => stream::xpending {
        arity: -3, since: "5.0.0", time: "O(N) in the number of entries looked at; of a summary, O(C) in the number of consumers",
        flags: [READONLY], acl: [STREAM],
        tips: ["nondeterministic_output"],
        keys: [{ RO ACCESS: at(1) }],
        args: "key group [filters:([IDLE min-idle-time:integer] start end count:integer [consumer])]",
        about: "Tells what was delivered in a group and not acknowledged.",
    }

    "xrange" => stream::xrange {
        arity: -4, since: "5.0.0", time: "O(log N + M) in the number of entries answered",
        flags: [READONLY], acl: [STREAM],
        keys: [{ RO ACCESS: at(1) }],
        args: "key start end [COUNT count:integer]",
        about: "Answers the entries in a range of ids.",
    }

    "xread" => stream::xread {
        arity: -4, since: "5.0.0", time: "O(log N + M) a stream, in the number of entries answered",
        flags: [READONLY BLOCKING], acl: [STREAM],
        keys: [{ RO ACCESS: after("STREAMS", 1).through(-1).halved() }],
        args: "[COUNT count:integer] [BLOCK milliseconds:integer] STREAMS streams:(key... id...)",
        about: "Answers entries behind an id of each stream, and waits for one if there are none.",
    }

    "xreadgroup" => stream::xreadgroup {
        arity: -7, since: "5.0.0", time: "O(log N + M) a stream, in the number of entries answered",
        flags: [WRITE BLOCKING], acl: [STREAM],
        keys: [{ RO ACCESS: after("STREAMS", 4).through(-1).halved() }],
        args: "GROUP group-block:(group consumer) [COUNT count:integer] [BLOCK milliseconds:integer] [NOACK] STREAMS streams:(key... id...)",
        about: "Delivers entries to a consumer of a group, or answers again what is pending for it; waits for entries if there are none.",
    }

    "xrevrange" => stream::xrevrange {
        arity: -4, since: "5.0.0", time: "O(log N + M) in the number of entries answered",
        flags: [READONLY], acl: [STREAM],
        keys: [{ RO ACCESS: at(1) }],
        args: "key end start [COUNT count:integer]",
        about: "Answers the entries in a range of ids, the last first.",
    }

    "xsetid" => stream::xsetid {
        arity: -3, since: "5.0.0", time: "O(1)",
        flags: [WRITE DENYOOM FAST], acl: [STREAM],
        keys: [{ RW UPDATE: at(1) }],
        args: "key last-id [ENTRIESADDED entries-added:integer] [MAXDELETEDID max-deleted-id]",
        about: "Sets the last id of a stream.",
    }

    "xtrim" => stream::xtrim {
        arity: -4, since: "5.0.0", time: "O(N) in the number of entries trimmed",
        flags: [WRITE], acl: [STREAM],
        tips: ["nondeterministic_output"],
        keys: [{ RW DELETE: at(1) }],
        args: "key trim:(strategy:<MAXLEN | MINID> [operator:<equal== | approximately=~>] threshold [LIMIT count:integer])",
        about: "Trims a stream at its front.",
    }
}
} } }
