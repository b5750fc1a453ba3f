//! Commands: one file per group, each handler from arguments to reply.
//!
//! A handler is `fn(&mut Ctx, Args, &mut Reply) -> Result<Flow, WireError>`. It reads and writes keys through
//! `ctx.keyspace()`, never waits, and writes nothing to the reply before it can no longer fail (an error rewinds what it wrote).
//! Its arguments begin with the command's name and suit its arity: `resolve` in the protocol crate saw to that.

pub(crate) mod access;
pub mod acl;
mod attendant;
pub mod bitmap;
pub(crate) mod blocking;
pub mod client;
pub mod cluster;
mod collection;
pub mod config;
pub mod connection;
pub mod consistency;
mod context;
pub mod debug;
mod digest;
pub mod dump;
pub mod eval;
pub mod function;
pub(crate) mod gathered;
pub mod generic;
pub mod geo;
pub mod hash;
pub mod hyperloglog;
pub mod info;
pub mod introspect;
pub mod latency;
pub mod list;
mod login;
pub mod long_reply;
pub mod memory;
pub mod object;
pub mod pubsub;
pub mod server;
mod session;
pub mod set;
pub mod slowlog;
pub mod stream;
pub mod string;
#[cfg(test)]
pub(crate) mod testing;
pub mod torc;
pub mod tracking;
pub mod transaction;
pub mod unsupported;
pub(crate) mod value;
pub mod zset;

pub use attendant::{Attendant, LentAttendant};
pub use context::{Ctx, Flow, Handler, Outcome, Served};
pub use login::Login;
pub use session::{Mute, Session};

use torc_protocol::command::{COMMAND_COUNT, CommandId};

/// Takes the handler's name out of each row.
macro_rules! handlers {
    ($($group:ident { $($name:literal => $module:ident :: $function:ident $row:tt)* })*) => {
        [$($($module::$function,)*)*]
    };
}

/// The handler of each row of the command table.
static HANDLERS: [Handler; COMMAND_COUNT] = torc_protocol::for_each_command!(handlers);

/// The implementation of a command.
#[inline]
pub fn handler(id: CommandId) -> Handler {
    HANDLERS[id.index()]
}
