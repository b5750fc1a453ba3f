//! Rows of the commands about lists. The fields are explained in [`super`].

/// Appends the rows and goes on to the next file.
#[doc(hidden)]
#[macro_export]
macro_rules! list_commands { ($callback:ident $($before:tt)*) => { $crate::set_commands! { $callback $($before)*
List {
    "blmove" => list::blmove {
        arity: 6, since: "6.2.0", time: "O(1)",
        flags: [WRITE DENYOOM BLOCKING], acl: [LIST],
        keys: [
            { RW ACCESS DELETE: at(1) }
            { RW INSERT: at(2) }
        ],
        args: "source:key destination:key wherefrom:<LEFT | RIGHT> whereto:<LEFT | RIGHT> timeout:double",
        about: "Moves an element from one end of a list to an end of another, and waits for one if there is none.",
    }

    "blmpop" => list::blmpop {
        arity: -5, since: "7.0.0", time: "O(N+M) in the numbers of keys and of elements popped",
        flags: [WRITE BLOCKING], acl: [LIST],
        keys: [{ RW ACCESS DELETE: at(2).counted(0, 1) }],
        args: "timeout:double numkeys:integer key... where:<LEFT | RIGHT> [COUNT count:integer]",
        about: "Pops elements of the first list that has any, and waits for one if none has.",
    }

    "blpop" => list::blpop {
        arity: -3, since: "2.0.0", time: "O(N) in the number of keys",
        flags: [WRITE BLOCKING], acl: [LIST],
        keys: [{ RW ACCESS DELETE: at(1).through(-2) }],
        args: "key... timeout:double",
        about: "Pops the first element of the first list that has any, and waits for one if none has.",
    }

    "brpop" => list::brpop {
        arity: -3, since: "2.0.0", time: "O(N) in the number of keys",
        flags: [WRITE BLOCKING], acl: [LIST],
        keys: [{ RW ACCESS DELETE: at(1).through(-2) }],
        args: "key... timeout:double",
        about: "Pops the last element of the first list that has any, and waits for one if none has.",
    }

    "brpoplpush" => list::brpoplpush {
        arity: 4, since: "2.2.0", time: "O(1)",
        flags: [WRITE DENYOOM BLOCKING], acl: [LIST],
        keys: [
            { RW ACCESS DELETE: at(1) }
            { RW INSERT: at(2) }
        ],
        args: "source:key destination:key timeout:double",
        deprecated: "6.2.0", instead: "`BLMOVE` with the `RIGHT` and `LEFT` arguments",
        about: "Moves the last element of a list to the front of another, and waits for one if there is none.",
    }

    "lindex" => list::lindex {
        arity: 3, since: "1.0.0", time: "O(N) in the distance from the nearer end in Redis, O(log N) here",
        flags: [READONLY], acl: [LIST],
        keys: [{ RO ACCESS: at(1) }],
        args: "key index:integer",
        about: "Reads the element at a place of a list.",
    }

    "linsert" => list::linsert {
        arity: 5, since: "2.2.0", time: "O(N) in the number of elements passed on the way",
        flags: [WRITE DENYOOM], acl: [LIST],
        keys: [{ RW INSERT: at(1) }],
        args: "key where:<BEFORE | AFTER> pivot element",
        about: "Inserts an element before or after another.",
    }

    "llen" => list::llen {
        arity: 2, since: "1.0.0", time: "O(1)",
        flags: [READONLY FAST], acl: [LIST],
        keys: [{ RO: at(1) }],
        args: "key",
        about: "Counts the elements of a list.",
    }

    "lmove" => list::lmove {
        arity: 5, since: "6.2.0", time: "O(1)",
        flags: [WRITE DENYOOM], acl: [LIST],
        keys: [
            { RW ACCESS DELETE: at(1) }
            { RW INSERT: at(2) }
        ],
        args: "source:key destination:key wherefrom:<LEFT | RIGHT> whereto:<LEFT | RIGHT>",
        about: "Moves an element from one end of a list to an end of another.",
    }

    "lmpop" => list::lmpop {
        arity: -4, since: "7.0.0", time: "O(N+M) in the numbers of keys and of elements popped",
        flags: [WRITE], acl: [LIST],
        keys: [{ RW ACCESS DELETE: at(1).counted(0, 1) }],
        args: "numkeys:integer key... where:<LEFT | RIGHT> [COUNT count:integer]",
        about: "Pops elements of the first list that has any.",
    }

    "lpop" => list::lpop {
        arity: -2, since: "1.0.0", time: "O(N) in the number of elements popped",
        flags: [WRITE FAST], acl: [LIST],
        keys: [{ RW ACCESS DELETE: at(1) }],
        args: "key [count:integer]",
        about: "Pops elements from the front of a list.",
    }

    "lpos" => list::lpos {
        arity: -3, since: "6.0.6", time: "O(N) in the length of the list",
        flags: [READONLY], acl: [LIST],
        keys: [{ RO ACCESS: at(1) }],
        args: "key element [RANK rank:integer] [COUNT num-matches:integer] [MAXLEN len:integer]",
        about: "Answers where in a list an element stands.",
    }

    "lpush" => list::lpush {
        arity: -3, since: "1.0.0", time: "O(N) in the number of elements",
        flags: [WRITE DENYOOM FAST], acl: [LIST],
        keys: [{ RW INSERT: at(1) }],
        args: "key element...",
        about: "Puts elements to the front of a list, which is made if it is absent.",
    }

    "lpushx" => list::lpushx {
        arity: -3, since: "2.2.0", time: "O(N) in the number of elements",
        flags: [WRITE DENYOOM FAST], acl: [LIST],
        keys: [{ RW INSERT: at(1) }],
        args: "key element...",
        about: "Puts elements to the front of a list that exists.",
    }

    "lrange" => list::lrange {
        arity: 4, since: "1.0.0", time: "O(S+N) in the distance of the first and the number of elements",
        flags: [READONLY], acl: [LIST],
        keys: [{ RO ACCESS: at(1) }],
        args: "key start:integer stop:integer",
        about: "Reads elements of a list from one place to another.",
    }

    "lrem" => list::lrem {
        arity: 4, since: "1.0.0", time: "O(N+M) in the length of the list and the number of elements removed",
        flags: [WRITE], acl: [LIST],
        keys: [{ RW DELETE: at(1) }],
        args: "key count:integer element",
        about: "Removes elements that are equal to a value.",
    }

    "lset" => list::lset {
        arity: 4, since: "1.0.0", time: "O(N) in the distance from the nearer end in Redis, O(log N) here",
        flags: [WRITE DENYOOM], acl: [LIST],
        keys: [{ RW UPDATE: at(1) }],
        args: "key index:integer element",
        about: "Replaces the element at a place of a list.",
    }

    "ltrim" => list::ltrim {
        arity: 4, since: "1.0.0", time: "O(N) in the number of elements removed",
        flags: [WRITE], acl: [LIST],
        keys: [{ RW DELETE: at(1) }],
        args: "key start:integer stop:integer",
        about: "Removes all elements of a list but those from one place to another.",
    }

    "rpop" => list::rpop {
        arity: -2, since: "1.0.0", time: "O(N) in the number of elements popped",
        flags: [WRITE FAST], acl: [LIST],
        keys: [{ RW ACCESS DELETE: at(1) }],
        args: "key [count:integer]",
        about: "Pops elements from the end of a list.",
    }

    "rpoplpush" => list::rpoplpush {
        arity: 3, since: "1.2.0", time: "O(1)",
        flags: [WRITE DENYOOM], acl: [LIST],
        keys: [
            { RW ACCESS DELETE: at(1) }
            { RW INSERT: at(2) }
        ],
        args: "source:key destination:key",
        deprecated: "6.2.0", instead: "`LMOVE` with the `RIGHT` and `LEFT` arguments",
        about: "Moves the last element of a list to the front of another.",
    }

    "rpush" => list::rpush {
        arity: -3, since: "1.0.0", time: "O(N) in the number of elements",
        flags: [WRITE DENYOOM FAST], acl: [LIST],
        keys: [{ RW INSERT: at(1) }],
        args: "key element...",
        about: "Puts elements to the end of a list, which is made if it is absent.",
    }

    "rpushx" => list::rpushx {
        arity: -3, since: "2.2.0", time: "O(N) in the number of elements",
        flags: [WRITE DENYOOM FAST], acl: [LIST],
        keys: [{ RW INSERT: at(1) }],
        args: "key element...",
        about: "Puts elements to the end of a list that exists.",
    }
} } }; }
