//! Commands of Redis that this node answers with an error, one handler for each reason.
//!
//! The wording is the table's ([`Refusal`]), so that the documentation says the same.

use super::{Ctx, Outcome};
use torc_protocol::command::Refusal;
use torc_protocol::{Args, Reply, WireError};

/// MODULE and its subcommands.
pub fn module(_: &mut Ctx<'_>, _: Args<'_>, _: &mut Reply<'_>) -> Outcome {
    Err(Refusal::Modules.error())
}

/// SAVE, BGSAVE and BGREWRITEAOF.
pub fn persistence(_: &mut Ctx<'_>, _: Args<'_>, _: &mut Reply<'_>) -> Outcome {
    Err(Refusal::Persistence.error())
}

/// REPLICAOF, SLAVEOF, FAILOVER and what replicas send.
pub fn replication(_: &mut Ctx<'_>, _: Args<'_>, _: &mut Reply<'_>) -> Outcome {
    Err(Refusal::Replication.error())
}

/// MIGRATE.
pub fn migrate(_: &mut Ctx<'_>, _: Args<'_>, _: &mut Reply<'_>) -> Outcome {
    Err(Refusal::Migrate.error())
}

/// A container without a subcommand. Its arity asks for one, so that no request comes here.
pub fn container(_: &mut Ctx<'_>, _: Args<'_>, _: &mut Reply<'_>) -> Outcome {
    Err(WireError::Syntax)
}
