//! The command table and what is derived from it: lookup, key positions, documentation.
//!
//! [`table`] holds one row a command; [`COMMANDS`] is the table as data. Nothing here runs a command: the server expands
//! the same rows once more ([`crate::for_each_command`]) into its array of handlers, so that a missing one does not compile.
//!
//! Source: the command pages of redis.io, and the pages "COMMAND" and "Key specifications".

pub mod arguments;
mod build;
mod flags;
mod keys;
mod lookup;
mod markdown;
mod refusal;
mod resolve;
mod spec;
mod table;

pub use flags::{Categories, Flags, KeyFlags};
pub use keys::{KeyPosition, KeyPositions, KeysBy, key_positions, told_key_positions};
pub use lookup::{find, find_full};
pub use markdown::markdown;
pub use refusal::Refusal;
pub use resolve::{resolve, subcommand_of};
pub use spec::{Begin, CommandId, CommandSpec, Find, Group, KeyRange, KeySpec};

/// Turns the rows into specs.
macro_rules! specs {
    ($($group:ident { $($name:literal => $module:ident :: $function:ident {
        arity: $arity:literal, since: $since:literal, time: $time:literal,
        flags: [$($flag:ident)*], acl: [$($acl:ident)*],
        $(tips: [$($tip:literal),*],)?
        $(keys: [$({ $($key_flag:ident)+: $place:ident $at:tt $($more:tt)* })+],)?
        $(keys_by: $keys_by:ident,)?
        $(args: $args:literal,)?
        $(deprecated: $deprecated:literal, instead: $instead:literal,)?
        $(internal: $internal:literal,)?
        $(may_write: $may_write:literal,)?
        $(quick: $quick:literal,)?
        $(refused: $refused:ident,)?
        about: $about:literal,
    })* })*) => {
        [$($(CommandSpec {
            full_name: $name,
            group: Group::$group,
            arity: $arity,
            since: $since,
            time: $time,
            flags: Flags::empty()$(.union(Flags::$flag))*,
            acl: Categories::empty()$(.union(Categories::$acl))*,
            $(tips: &[$($tip),*],)?
            $(keys: &[$(
                KeySpec::$place $at $($more)*.with(KeyFlags::empty()$(.union(KeyFlags::$key_flag))+)
            ),+],)?
            $(keys_by: Some(KeysBy::$keys_by),)?
            $(args: $args,)?
            $(deprecated: Some(($deprecated, $instead)),)?
            $(internal: $internal,)?
            $(may_write: $may_write,)?
            $(quick: $quick,)?
            $(refused: Some(Refusal::$refused),)?
            about: $about,
            ..CommandSpec::BLANK
        },)*)*]
    };
}

/// Counts the rows.
macro_rules! count {
    ($($group:ident { $($name:literal => $module:ident :: $function:ident $row:tt)* })*) => {
        [$($($name,)*)*].len()
    };
}

/// Every command and subcommand, a container directly before its subcommands.
pub static COMMANDS: [CommandSpec; COMMAND_COUNT] =
    build::complete(crate::for_each_command!(specs));

/// Number of rows.
pub const COMMAND_COUNT: usize = crate::for_each_command!(count);

/// Every command, subcommands left out.
pub fn top_level() -> impl Iterator<Item = &'static CommandSpec> {
    COMMANDS.iter().filter(|spec| spec.parent.is_none())
}

impl std::ops::Index<CommandId> for [CommandSpec] {
    type Output = CommandSpec;

    fn index(&self, id: CommandId) -> &CommandSpec {
        &self[id.index()]
    }
}

#[cfg(test)]
mod tests;
