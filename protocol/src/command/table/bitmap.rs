//! Rows of the commands about bitmaps. The fields are explained in [`super`].

/// Appends the rows and goes on to the next file.
#[doc(hidden)]
#[macro_export]
macro_rules! bitmap_commands { ($callback:ident $($before:tt)*) => { $crate::hyperloglog_commands! { $callback $($before)*
Bitmap {
    "bitcount" => bitmap::bitcount {
        arity: -2, since: "2.6.0", time: "O(N) in the length of the range",
        flags: [READONLY], acl: [BITMAP],
        keys: [{ RO ACCESS: at(1) }],
        args: "key [range:(start:integer end:integer [unit:<BYTE | BIT>])]",
        about: "Counts the bits set in a string or in a range of it.",
    }

    "bitfield" => bitmap::bitfield {
        arity: -2, since: "3.2.0", time: "O(1) for each operation",
        flags: [WRITE DENYOOM], acl: [BITMAP],
        keys: [{ RW ACCESS UPDATE VARIABLE_FLAGS: at(1).note("Read and written") }],
        keys_by: Bitfield,
        args: "key [operation:<GET get-block:(encoding offset:integer) | write:([OVERFLOW overflow-block:<WRAP | \
            SAT | FAIL>] write-operation:<SET set-block:(encoding offset:integer value:integer) | INCRBY \
            incrby-block:(encoding offset:integer increment:integer)>)>...]",
        about: "Reads and writes integers of any width inside a string.",
    }

    "bitfield_ro" => bitmap::bitfield_ro {
        arity: -2, since: "6.0.0", time: "O(1) for each operation",
        flags: [READONLY FAST], acl: [BITMAP],
        keys: [{ RO ACCESS: at(1) }],
        args: "key [GET get-block:(encoding offset:integer)...!]",
        about: "Reads integers of any width inside a string.",
    }

    "bitop" => bitmap::bitop {
        arity: -4, since: "2.6.0", time: "O(N) in the length of the longest string",
        flags: [WRITE DENYOOM], acl: [BITMAP],
        keys: [
            { OW UPDATE: at(2) }
            { RO ACCESS: at(3).through(-1) }
        ],
        args: "operation:<AND | OR | XOR | NOT> destkey:key key...",
        about: "Combines strings bit by bit and stores the result.",
    }

    "bitpos" => bitmap::bitpos {
        arity: -3, since: "2.8.7", time: "O(N) in the length of the range",
        flags: [READONLY], acl: [BITMAP],
        keys: [{ RO ACCESS: at(1) }],
        args: "key bit:integer [range:(start:integer [end-unit-block:(end:integer [unit:<BYTE | BIT>])])]",
        about: "Finds the first bit of a given value in a string.",
    }

    "getbit" => bitmap::getbit {
        arity: 3, since: "2.2.0", time: "O(1)",
        flags: [READONLY FAST], acl: [BITMAP],
        keys: [{ RO ACCESS: at(1) }],
        args: "key offset:integer",
        about: "Reads one bit of a string.",
    }

    "setbit" => bitmap::setbit {
        arity: 4, since: "2.2.0", time: "O(1)",
        flags: [WRITE DENYOOM], acl: [BITMAP],
        keys: [{ RW ACCESS UPDATE: at(1) }],
        args: "key offset:integer value:integer",
        about: "Writes one bit of a string and answers its former value.",
    }
} } }; }
