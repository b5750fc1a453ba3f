//! What one run takes: a script or a library's function, its keys and arguments.

use super::Permissions;
use super::cache::Script;
use super::library::FunctionRef;
use super::watchdog::Kind;
use std::sync::Arc;
use torc_protocol::Args;

/// What is run.
#[derive(Debug, Clone)]
pub enum Code {
    /// A script.
    Script(Arc<Script>),
    /// A function of a library.
    Function(FunctionRef),
}

impl Code {
    /// What errors and the log call it: the SHA1 of a script, the name of a function.
    pub fn name(&self) -> &[u8] {
        match self {
            Code::Script(script) => &script.sha,
            Code::Function(function) => function.function().name.as_bytes(),
        }
    }

    /// What it says of itself.
    pub fn permissions(&self) -> Permissions {
        match self {
            Code::Script(script) => script.permissions,
            Code::Function(function) => function.function().permissions,
        }
    }

    /// Which of the two it is.
    pub fn kind(&self) -> Kind {
        match self {
            Code::Script(_) => Kind::Script,
            Code::Function(_) => Kind::Function,
        }
    }

    /// See [`Script::wants_alone`].
    pub fn wants_alone(&self) -> bool {
        match self {
            Code::Script(script) => script.wants_alone(),
            Code::Function(function) => function.wants_alone(),
        }
    }

    /// See [`Script::wants_alone`].
    pub fn set_alone(&self) {
        match self {
            Code::Script(script) => script.set_alone(),
            Code::Function(function) => function.set_alone(),
        }
    }
}

/// What one run takes.
pub struct Job<'a> {
    /// The script or function.
    pub code: &'a Code,
    /// `KEYS`, or a function's first argument.
    pub keys: Args<'a>,
    /// `ARGV`, or a function's second argument.
    pub arguments: Args<'a>,
    /// Bytes that the interpreter may take.
    pub memory_max: u64,
}
