//! Settings: one row each, from which the command line, the file, CONFIG and the docs come.
//!
//! A setting is legal or the node does not start: a name or value that is wrong is answered with the place where it stands and what would be
//! right. Knows nothing of sockets; whether an address can be bound is found out by who binds it.

mod file;
mod kind;
mod markdown;
mod people;
mod settings;
mod special;
mod start;
mod table;

pub(crate) use file::rewrite;
pub use kind::Kind;
pub(crate) use kind::parse_memory;
pub use markdown::markdown;
pub use people::Call;
pub(crate) use settings::names;
pub use settings::{SetError, Settings};
pub use special::OutputLimit;
pub use start::{Order, from_command_line};
pub use table::{
    AppendFsync, ChannelDefault, DebugAccess, LogFormat, LogLevel, MultiCrossSlot, ReadConsistency,
    Row, SETTINGS, Sanitize, TlsAuthClients, WriteConsistency,
};
