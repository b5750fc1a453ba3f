//! Sets of one bit each: a command's flags, its ACL categories, what it does with a key.
//!
//! The bits stand in the order in which Redis lists their names in COMMAND INFO and ACL CAT.

/// Declares a set type: its constants, their names on the wire in bit order, and the set operations.
macro_rules! bit_set {
    ($(#[$doc:meta])* $type:ident: $repr:ty { $($(#[$flag_doc:meta])* $flag:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
        pub struct $type($repr);

        bit_set!(@consts $type: $repr, 0; $($(#[$flag_doc])* $flag,)*);

        impl $type {
            /// Names on the wire, by bit.
            pub const NAMES: &'static [&'static str] = &[$($name),*];

            /// No flag at all.
            pub const fn empty() -> Self {
                $type(0)
            }

            /// Both sets' flags.
            pub const fn union(self, other: Self) -> Self {
                $type(self.0 | other.0)
            }

            /// Whether all of `other`'s flags are set.
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// Whether any of `other`'s flags is set.
            pub const fn intersects(self, other: Self) -> bool {
                self.0 & other.0 != 0
            }

            /// How many flags are set.
            pub const fn count(self) -> usize {
                self.0.count_ones() as usize
            }

            /// The flag of this name, in any case.
            pub fn by_name(name: &[u8]) -> Option<Self> {
                let bit = Self::NAMES.iter().position(|n| name.eq_ignore_ascii_case(n.as_bytes()))?;
                Some($type(1 << bit))
            }

            /// The names of the flags that are set.
            pub fn names(self) -> impl Iterator<Item = &'static str> {
                (0..).zip(Self::NAMES).filter(move |&(bit, _)| self.0 >> bit & 1 == 1).map(|(_, n)| *n)
            }
        }
    };
    (@consts $type:ident: $repr:ty, $bit:expr; $(#[$doc:meta])* $flag:ident, $($rest:tt)*) => {
        impl $type {
            $(#[$doc])*
            pub const $flag: $type = $type(1 << ($bit));
        }
        bit_set!(@consts $type: $repr, $bit + 1; $($rest)*);
    };
    (@consts $type:ident: $repr:ty, $bit:expr;) => {};
}

bit_set! {
    /// How the pipeline treats a command.
    Flags: u32 {
        /// May change keys.
        WRITE = "write",
        /// Reads keys and changes none.
        READONLY = "readonly",
        /// Refused while memory is above `maxmemory` and nothing can be evicted.
        DENYOOM = "denyoom",
        /// For operators.
        ADMIN = "admin",
        /// About publish and subscribe.
        PUBSUB = "pubsub",
        /// Not allowed in scripts.
        NOSCRIPT = "noscript",
        /// May keep the client waiting.
        BLOCKING = "blocking",
        /// Allowed while the data is being loaded.
        LOADING = "loading",
        /// Allowed on a replica whose data is stale.
        STALE = "stale",
        /// Not shown to MONITOR.
        SKIP_MONITOR = "skip_monitor",
        /// Not recorded in the slow log.
        SKIP_SLOWLOG = "skip_slowlog",
        /// Allowed on a slot that is being imported.
        ASKING = "asking",
        /// Constant or logarithmic time.
        FAST = "fast",
        /// Allowed before AUTH.
        NO_AUTH = "no_auth",
        /// Takes keys, but works without any.
        NO_MANDATORY_KEYS = "no_mandatory_keys",
        /// Refused while data is being loaded beside the old.
        NO_ASYNC_LOADING = "no_async_loading",
        /// Not allowed in a transaction.
        NO_MULTI = "no_multi",
        /// Its keys cannot be told by first, last and step alone.
        MOVABLEKEYS = "movablekeys",
        /// Allowed while a script has run too long.
        ALLOW_BUSY = "allow_busy",
    }
}

bit_set! {
    /// The ACL categories of a command, without the `@`.
    Categories: u32 {
        /// Works on keys of any type.
        KEYSPACE = "keyspace",
        /// Reads keys.
        READ = "read",
        /// Changes keys.
        WRITE = "write",
        /// Sets.
        SET = "set",
        /// Sorted sets.
        SORTEDSET = "sortedset",
        /// Lists.
        LIST = "list",
        /// Hashes.
        HASH = "hash",
        /// Strings.
        STRING = "string",
        /// Bitmaps.
        BITMAP = "bitmap",
        /// HyperLogLogs.
        HYPERLOGLOG = "hyperloglog",
        /// Positions on the earth.
        GEO = "geo",
        /// Streams.
        STREAM = "stream",
        /// Publish and subscribe.
        PUBSUB = "pubsub",
        /// For operators.
        ADMIN = "admin",
        /// Constant or logarithmic time.
        FAST = "fast",
        /// All that is not fast.
        SLOW = "slow",
        /// May keep the client waiting.
        BLOCKING = "blocking",
        /// May harm other clients or the data.
        DANGEROUS = "dangerous",
        /// About the connection.
        CONNECTION = "connection",
        /// Transactions.
        TRANSACTION = "transaction",
        /// Scripts.
        SCRIPTING = "scripting",
    }
}

bit_set! {
    /// What a command does with a key.
    KeyFlags: u16 {
        /// Reads the value.
        RO = "RO",
        /// Reads and writes it.
        RW = "RW",
        /// Overwrites it unread.
        OW = "OW",
        /// Removes it unread.
        RM = "RM",
        /// Answers, copies or uses the user's data.
        ACCESS = "access",
        /// Changes data that may stay.
        UPDATE = "update",
        /// Adds data and changes none.
        INSERT = "insert",
        /// Deletes data.
        DELETE = "delete",
        /// Names no key, but is routed like one.
        NOT_KEY = "not_key",
        /// Some keys are not described by the key specs.
        INCOMPLETE = "incomplete",
        /// The other flags depend on the arguments.
        VARIABLE_FLAGS = "variable_flags",
    }
}
