//! Why a command that Redis has is always answered with an error here, and what to do instead.

use crate::WireError;

/// A reason to refuse a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// There are no modules.
    Modules,
    /// Nothing is written to disk.
    Persistence,
    /// Nodes do not replicate as a primary and its replicas.
    Replication,
    /// Keys do not move one by one.
    Migrate,
    /// Nobody but the ring itself says which node keeps which slots.
    Slots,
}

impl Refusal {
    /// The error line, code included.
    pub const fn line(self) -> &'static str {
        match self {
            Refusal::Modules => {
                "ERR MODULE is not supported by Torc: it loads no code; all commands are built in"
            }
            Refusal::Persistence => {
                "ERR persistence is not supported by Torc: it is a cache; use DUMP and RESTORE to copy single keys"
            }
            Refusal::Replication => {
                "ERR Redis replication is not supported by Torc: it does not act as a primary or replica of a Redis server"
            }
            Refusal::Slots => {
                "ERR changing the cluster by hand is not supported by Torc: slots move by themselves as nodes join and leave"
            }
            Refusal::Migrate => {
                "ERR MIGRATE is not supported by Torc: use DUMP here and RESTORE on the other node"
            }
        }
    }

    /// The reason alone, for the documentation.
    pub fn reason(self) -> &'static str {
        let line = self.line();
        line.split_once(": ").map_or(line, |(_, reason)| reason)
    }

    /// The error that answers the command.
    pub const fn error(self) -> WireError {
        WireError::fixed(self.line())
    }
}
