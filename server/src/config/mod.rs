//! Settings: one row each, from which the command line, the file, CONFIG and the docs come.

mod kind;
mod settings;
mod special;
mod table;

pub use kind::Kind;
pub(crate) use settings::names;
pub use settings::{SetError, Settings};
pub use special::OutputLimit;
pub use table::{AppendFsync, DebugAccess, LogFormat, LogLevel, Off, Row, SETTINGS, Sanitize};
