//! The command table: one row a command.

// A stand-in until the table lands.

/// Number of rows.
pub const COMMAND_COUNT: usize = 2;

/// Index of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CommandId(u16);

impl CommandId {
    /// Its index, below [`COMMAND_COUNT`].
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One command.
#[derive(Debug)]
pub struct CommandSpec {
    /// Its index.
    pub id: CommandId,
    /// Lowercase name.
    pub name: &'static str,
    /// The container of a subcommand.
    pub parent: Option<&'static str>,
    /// `parent|name`, or the name.
    pub full_name: &'static str,
}

/// Every command.
pub static COMMANDS: &[CommandSpec] = &[
    CommandSpec { id: CommandId(0), name: "get", parent: None, full_name: "get" },
    CommandSpec { id: CommandId(1), name: "get", parent: Some("config"), full_name: "config|get" },
];
