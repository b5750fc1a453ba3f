//! What the table says of one command.

use super::flags::{Categories, Flags, KeyFlags};
use super::keys::KeysBy;
use super::refusal::Refusal;

/// Index of a command or subcommand in [`super::COMMANDS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct CommandId(pub(super) u16);

impl CommandId {
    /// The index, below [`super::COMMAND_COUNT`].
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The group of a command in the documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Group {
    /// Strings.
    String,
    /// Keys of any type.
    Generic,
    /// Hashes.
    Hash,
    /// Lists.
    List,
    /// Sets.
    Set,
    /// Sorted sets.
    SortedSet,
    /// Streams.
    Stream,
    /// Positions on the earth.
    Geo,
    /// Bitmaps.
    Bitmap,
    /// HyperLogLogs.
    HyperLogLog,
    /// Transactions.
    Transactions,
    /// Connections.
    Connection,
    /// The server.
    Server,
    /// The ring of nodes.
    Cluster,
    /// Publish and subscribe.
    PubSub,
    /// Scripts.
    Scripting,
}

impl Group {
    /// All groups in the order of the documentation.
    pub const ALL: [Group; 16] = [
        Group::String,
        Group::Generic,
        Group::Hash,
        Group::List,
        Group::Set,
        Group::SortedSet,
        Group::Stream,
        Group::Geo,
        Group::Bitmap,
        Group::HyperLogLog,
        Group::Transactions,
        Group::Scripting,
        Group::PubSub,
        Group::Connection,
        Group::Server,
        Group::Cluster,
    ];

    /// Whether its commands are about one type of keys that hold elements.
    #[inline]
    pub const fn is_of_collections(self) -> bool {
        matches!(
            self,
            Group::Hash | Group::List | Group::Set | Group::SortedSet | Group::Stream | Group::Geo
        )
    }

    /// Its name in COMMAND DOCS.
    pub const fn name(self) -> &'static str {
        match self {
            Group::String => "string",
            Group::Generic => "generic",
            Group::Hash => "hash",
            Group::List => "list",
            Group::Set => "set",
            Group::SortedSet => "sorted-set",
            Group::Stream => "stream",
            Group::Geo => "geo",
            Group::Bitmap => "bitmap",
            Group::HyperLogLog => "hyperloglog",
            Group::Transactions => "transactions",
            Group::Connection => "connection",
            Group::Server => "server",
            Group::Cluster => "cluster",
            Group::PubSub => "pubsub",
            Group::Scripting => "scripting",
        }
    }
}

/// Where some keys of a command stand among its arguments: where to begin, and how many to take from there.
#[derive(Debug, Clone, Copy)]
pub struct KeySpec {
    /// What becomes of the keys.
    pub flags: KeyFlags,
    /// Where the search begins.
    pub begin: Begin,
    /// Which arguments from there are keys.
    pub find: Find,
    /// A remark for people.
    pub notes: Option<&'static str>,
}

/// Where the search for keys begins.
#[derive(Debug, Clone, Copy)]
pub enum Begin {
    /// At this argument; the command's name is 0.
    Index(u16),
    /// After this word in any case, searched from argument `from`, or backwards from the end where `from` is negative.
    Keyword {
        /// The word.
        word: &'static str,
        /// Where the search starts.
        from: i16,
    },
    /// Nobody can tell from the specs alone.
    Unknown,
}

/// Which arguments are keys, relative to where the search began.
#[derive(Debug, Clone, Copy)]
pub enum Find {
    /// Every `step`th argument through `last`, which counts from the beginning, or from the end where it is negative.
    Range {
        /// The last key.
        last: i16,
        /// The distance between keys.
        step: u16,
        /// Where `last` is -1: only the first of `limit` equal parts of the rest holds keys, if above 1.
        limit: u16,
    },
    /// As many as the argument `count_at` says, from `first` on.
    Count {
        /// Where the number stands.
        count_at: u16,
        /// The first key.
        first: u16,
        /// The distance between keys.
        step: u16,
    },
    /// Nobody can tell from the specs alone.
    Unknown,
}

impl KeySpec {
    /// One key, at argument `index`.
    pub const fn at(index: u16) -> Self {
        KeySpec {
            flags: KeyFlags::empty(),
            begin: Begin::Index(index),
            find: Find::Range { last: 0, step: 1, limit: 0 },
            notes: None,
        }
    }

    /// One key, after a word.
    pub const fn after(word: &'static str, from: i16) -> Self {
        KeySpec { begin: Begin::Keyword { word, from }, ..KeySpec::at(0) }
    }

    /// Keys that only the command's own function finds.
    pub const fn unknown() -> Self {
        KeySpec { begin: Begin::Unknown, find: Find::Unknown, ..KeySpec::at(0) }
    }

    /// All arguments through `last`.
    pub const fn through(mut self, last: i16) -> Self {
        self.find = Find::Range { last, step: 1, limit: 0 };
        self
    }

    /// Only every `step`th argument.
    pub const fn step(mut self, step: u16) -> Self {
        if let Find::Range { last, limit, .. } = self.find {
            self.find = Find::Range { last, step, limit };
        }
        self
    }

    /// Only the first half of the rest, behind which something stands for each key.
    pub const fn halved(mut self) -> Self {
        if let Find::Range { last, step, .. } = self.find {
            self.find = Find::Range { last, step, limit: 2 };
        }
        self
    }

    /// As many keys as the argument `count_at` from the beginning says, from the one `first` from the beginning on.
    pub const fn counted(mut self, count_at: u16, first: u16) -> Self {
        self.find = Find::Count { count_at, first, step: 1 };
        self
    }

    /// Adds a remark.
    pub const fn note(mut self, notes: &'static str) -> Self {
        self.notes = Some(notes);
        self
    }

    /// Says what becomes of the keys.
    pub const fn with(mut self, flags: KeyFlags) -> Self {
        self.flags = flags;
        self
    }
}

/// The keys of a command as clients before Redis 7 read them: first, last (negative: from the end) and step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyRange {
    /// First key, 0 where there is none.
    pub first: i32,
    /// Last key.
    pub last: i32,
    /// Distance between keys.
    pub step: i32,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct CommandSpec {
    /// Its index in the table.
    pub id: CommandId,
    /// Its own name, in lowercase: `id` for `client|id`.
    pub name: &'static str,
    /// Its container's name.
    pub parent: Option<&'static str>,
    /// Its name in errors and statistics: `get`, `client|id`.
    pub full_name: &'static str,
    /// Group in the documentation.
    pub group: Group,
    /// Number of arguments, the name included; at least so many where negative.
    pub arity: i16,
    /// How the pipeline treats it.
    pub flags: Flags,
    /// ACL categories, those included that follow from the flags.
    pub acl: Categories,
    /// Hints for proxies.
    pub tips: &'static [&'static str],
    /// Where its keys stand.
    pub keys: &'static [KeySpec],
    /// Its own function to find keys, where the specs do not suffice.
    pub keys_by: Option<KeysBy>,
    /// The keys as first, last and step.
    pub key_range: KeyRange,
    /// The Redis version that brought it.
    pub since: &'static str,
    /// Its complexity.
    pub time: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// Its arguments in the notation of [`super::arguments`].
    pub args: &'static str,
    /// The version that deprecated it, and what to use instead.
    pub deprecated: Option<(&'static str, &'static str)>,
    /// Whether it is not meant for applications.
    pub internal: bool,
    /// Whether it may have something to replicate although it is not flagged WRITE, so that a pause of writes holds it (Redis's
    /// `may_replicate`, which no client is told of). Set where WRITE is.
    pub may_write: bool,
    /// Whether it never takes long while its arguments are short, although it is not flagged FAST.
    pub quick: bool,
    /// Why it is always answered with an error.
    pub refused: Option<Refusal>,
    /// Number of subcommands, whose rows follow.
    pub(super) subcommand_count: u16,
    /// Fewest arguments.
    pub(super) args_min: u32,
    /// How many more there may be.
    pub(super) args_more: u32,
    /// The argument that is the first key, if that is a fixed one; else 0.
    pub(super) first_key: u32,
    /// Whether that is the only key, whatever the arguments are.
    pub only_key: bool,
}

impl CommandSpec {
    /// What a row says unless it says otherwise.
    pub(super) const BLANK: CommandSpec = CommandSpec {
        id: CommandId(0),
        name: "",
        parent: None,
        full_name: "",
        group: Group::Server,
        arity: 0,
        flags: Flags::empty(),
        acl: Categories::empty(),
        tips: &[],
        keys: &[],
        keys_by: None,
        key_range: KeyRange { first: 0, last: 0, step: 0 },
        since: "",
        time: "",
        about: "",
        args: "",
        deprecated: None,
        internal: false,
        may_write: false,
        quick: false,
        refused: None,
        subcommand_count: 0,
        args_min: 0,
        args_more: 0,
        first_key: 0,
        only_key: false,
    };

    /// Whether `count` arguments, the name included, suit its arity.
    #[inline]
    pub const fn accepts(&self, count: usize) -> bool {
        // Below the least number this wraps to something far above what is allowed.
        count.wrapping_sub(self.args_min as usize) <= self.args_more as usize
    }

    /// Its subcommands; empty for most commands.
    pub fn subcommands(&self) -> &'static [CommandSpec] {
        let first = self.id.index() + 1;
        &super::COMMANDS[first..first + self.subcommand_count as usize]
    }

    /// Whether any argument can be a key. Names that are only routed like one (shard channels) are none.
    pub const fn has_keys(&self) -> bool {
        let first_is_key = !self.keys.is_empty() && !self.keys[0].flags.contains(KeyFlags::NOT_KEY);
        first_is_key || self.keys_by.is_some()
    }
}
