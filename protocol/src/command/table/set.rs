//! Rows of the commands about sets. The fields are explained in [`super`].

/// Appends the rows and goes on to the next file.
#[doc(hidden)]
#[macro_export]
macro_rules! set_commands { ($callback:ident $($before:tt)*) => { $crate::zset_commands! { $callback $($before)*
Set {
    "sadd" => set::sadd {
        arity: -3, since: "1.0.0", time: "O(N) in the number of members",
        flags: [WRITE DENYOOM FAST], acl: [SET],
        keys: [{ RW INSERT: at(1) }],
        args: "key member...",
        about: "Adds members to a set, which is made if it is absent.",
    }

    "scard" => set::scard {
        arity: 2, since: "1.0.0", time: "O(1)",
        flags: [READONLY FAST], acl: [SET],
        keys: [{ RO: at(1) }],
        args: "key",
        about: "Counts the members of a set.",
    }

    "sdiff" => set::sdiff {
        arity: -2, since: "1.0.0", time: "O(N) in the members of all sets",
        flags: [READONLY], acl: [SET],
        tips: ["nondeterministic_output_order"],
        keys: [{ RO ACCESS: at(1).through(-1) }],
        args: "key...",
        about: "Answers the members of the first set that no other has.",
    }

    "sdiffstore" => set::sdiffstore {
        arity: -3, since: "1.0.0", time: "O(N) in the members of all sets",
        flags: [WRITE DENYOOM], acl: [SET],
        keys: [
            { OW UPDATE: at(1) }
            { RO ACCESS: at(2).through(-1) }
        ],
        args: "destination:key key...",
        about: "Stores the members of the first set that no other has.",
    }

    "sinter" => set::sinter {
        arity: -2, since: "1.0.0", time: "O(N*M) in the size of the smallest set and the number of sets",
        flags: [READONLY], acl: [SET],
        tips: ["nondeterministic_output_order"],
        keys: [{ RO ACCESS: at(1).through(-1) }],
        args: "key...",
        about: "Answers the members that all sets have.",
    }

    "sintercard" => set::sintercard {
        arity: -3, since: "7.0.0", time: "O(N*M) in the size of the smallest set and the number of sets",
        flags: [READONLY], acl: [SET],
        keys: [{ RO ACCESS: at(1).counted(0, 1) }],
        args: "numkeys:integer key... [LIMIT limit:integer]",
        about: "Counts the members that all sets have.",
    }

    "sinterstore" => set::sinterstore {
        arity: -3, since: "1.0.0", time: "O(N*M) in the size of the smallest set and the number of sets",
        flags: [WRITE DENYOOM], acl: [SET],
        keys: [
            { RW UPDATE: at(1) }
            { RO ACCESS: at(2).through(-1) }
        ],
        args: "destination:key key...",
        about: "Stores the members that all sets have.",
    }

    "sismember" => set::sismember {
        arity: 3, since: "1.0.0", time: "O(1)",
        flags: [READONLY FAST], acl: [SET],
        keys: [{ RO: at(1) }],
        args: "key member",
        about: "Answers whether a set has a member.",
    }

    "smembers" => set::smembers {
        arity: 2, since: "1.0.0", time: "O(N) in the size of the set",
        flags: [READONLY], acl: [SET],
        tips: ["nondeterministic_output_order"],
        keys: [{ RO ACCESS: at(1) }],
        args: "key",
        about: "Lists the members of a set.",
    }

    "smismember" => set::smismember {
        arity: -3, since: "6.2.0", time: "O(N) in the number of members",
        flags: [READONLY FAST], acl: [SET],
        keys: [{ RO ACCESS: at(1) }],
        args: "key member...",
        about: "Answers of several members whether a set has them.",
    }

    "smove" => set::smove {
        arity: 4, since: "1.0.0", time: "O(1)",
        flags: [WRITE FAST], acl: [SET],
        keys: [
            { RW ACCESS DELETE: at(1) }
            { RW INSERT: at(2) }
        ],
        args: "source:key destination:key member",
        about: "Moves a member from one set to another.",
    }

    "spop" => set::spop {
        arity: -2, since: "1.0.0", time: "O(N) in the number of members answered",
        flags: [WRITE FAST], acl: [SET],
        tips: ["nondeterministic_output"],
        keys: [{ RW ACCESS DELETE: at(1) }],
        args: "key [count:integer]",
        about: "Removes random members of a set and answers them.",
    }

    "srandmember" => set::srandmember {
        arity: -2, since: "1.0.0", time: "O(N) in the number of members answered",
        flags: [READONLY], acl: [SET],
        tips: ["nondeterministic_output"],
        keys: [{ RO ACCESS: at(1) }],
        args: "key [count:integer]",
        about: "Answers random members of a set.",
    }

    "srem" => set::srem {
        arity: -3, since: "1.0.0", time: "O(N) in the number of members",
        flags: [WRITE FAST], acl: [SET],
        keys: [{ RW DELETE: at(1) }],
        args: "key member...",
        about: "Removes members of a set; a set without members is gone.",
    }

    "sscan" => set::sscan {
        arity: -3, since: "2.8.0", time: "O(1) a call, O(N) for all",
        flags: [READONLY], acl: [SET],
        tips: ["nondeterministic_output"],
        keys: [{ RO ACCESS: at(1) }],
        args: "key cursor:integer [MATCH pattern] [COUNT count:integer]",
        about: "Iterates over the members of a set, a few at a time.",
    }

    "sunion" => set::sunion {
        arity: -2, since: "1.0.0", time: "O(N) in the members of all sets",
        flags: [READONLY], acl: [SET],
        tips: ["nondeterministic_output_order"],
        keys: [{ RO ACCESS: at(1).through(-1) }],
        args: "key...",
        about: "Answers the members that any of the sets has.",
    }

    "sunionstore" => set::sunionstore {
        arity: -3, since: "1.0.0", time: "O(N) in the members of all sets",
        flags: [WRITE DENYOOM], acl: [SET],
        keys: [
            { OW UPDATE: at(1) }
            { RO ACCESS: at(2).through(-1) }
        ],
        args: "destination:key key...",
        about: "Stores the members that any of the sets has.",
    }
} } }; }
