//! Commands: one file per group, each handler from arguments to reply.
//!
//! A handler is `fn(&mut Ctx, Args, &mut Reply) -> Result<Flow, WireError>`. It reads and writes keys through
//! `ctx.keyspace()`, never waits, and writes nothing to the reply before it can no longer fail (an error rewinds what it wrote).

mod bitmap;
mod context;
mod dump;
mod generic;
mod hyperloglog;
mod object;
mod session;
mod string;
mod value;

#[cfg(test)]
pub(crate) mod testing;

pub use context::{Ctx, Flow, Handler, Outcome};
pub use session::Session;
