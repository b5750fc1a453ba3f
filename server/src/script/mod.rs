//! Lua scripts: one interpreter a worker thread, the scripts that the node knows, and what they may do.
//!
//! ```text
//!   command/eval ──────── Script (cache) ────┬─ Engine (one a thread) ──▶ script ── redis.call ──▶ Host ── handlers
//!   command/function ── Function (library) ──┘      └ watchdog: every so many instructions     (command/eval)
//! ```
//!
//! What a script asks of the server goes through [`Host`], so that nothing here knows a command or a key. Values come and go as RESP ([`convert`]), as in Redis.
//!
//! **Invariant.** Nothing that a script does outlives it but what it wrote through its host, and what a library's functions keep in its own local variables: the globals that it sees are empty tables whose contents it cannot
//! reach ([`sandbox`]), settings of the libraries are put back before each run, and an interpreter whose script was ended by force is thrown away. Its memory is bounded
//! (`script-memory-max`), its code comes as text alone, for bytecode is not checked by Lua.
//!
//! **Left out on purpose.** `newproxy`, `getfenv` and `setfenv`, with which a script leaves its sandbox; the debugger.
//!
//! Source: redis.io/docs/interact/programmability, the Lua 5.1 manual, and the answers of Redis 7.0.

mod bit;
mod cache;
mod cjson;
mod cmsgpack;
mod convert;
mod engine;
mod header;
mod job;
pub mod library;
mod loading;
mod native;
mod number;
mod random;
mod sandbox;
mod structs;
#[cfg(test)]
mod tests;
mod watchdog;

pub use cache::{Script, ScriptFull, Scripts, Sha, sha_of};
pub use engine::{Outcome, SLOW, check, load, run};
pub use header::Permissions;
pub use job::{Code, Job};
pub use watchdog::{KillError, Kind, Running, Slow, Standing};

use std::borrow::Cow;
use std::time::Duration;
use torc_protocol::{Args, Protocol};

/// What a script asks of the server that runs it.
pub trait Host {
    /// Runs a command and appends its reply to `out`, in `protocol`.
    fn call(&mut self, args: Args<'_>, protocol: Protocol, out: &mut Vec<u8>) -> Called;

    /// Whether the script's user may run a command; `None` if there is none of this name.
    fn may(&mut self, args: Args<'_>) -> Option<bool>;

    /// Writes a line to the log; 0 is the lowest level, 3 the highest.
    fn log(&mut self, level: u8, text: &[u8]);

    /// The time that has passed since some moment.
    fn time(&self) -> Duration;

    /// What is to become of a script that still runs after `elapsed`.
    fn judge(&mut self, elapsed: Duration) -> Judgement;
}

/// What became of a command.
#[derive(Debug)]
pub enum Called {
    /// It ran, and its reply was written.
    Replied,
    /// It did not run; a line as in RESP, without `-`.
    Refused(Cow<'static, str>),
    /// The script cannot go on here: it is to end now, and will run again from its beginning.
    Anew,
}

/// See [`Host::judge`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// It goes on.
    Continue,
    /// It ends: somebody wants it to.
    Kill,
    /// It ends, and runs again from its beginning.
    Anew,
}

/// What a library's function gives the prelude: that it failed, or nil and its results.
fn failed(lua: &mlua::Lua, message: &str) -> mlua::Result<mlua::MultiValue> {
    let message = mlua::Value::String(lua.create_string(message)?);
    Ok(mlua::MultiValue::from_iter([message]))
}

/// See [`failed`].
fn succeeded(values: impl IntoIterator<Item = mlua::Value>) -> mlua::MultiValue {
    std::iter::once(mlua::Value::Nil).chain(values).collect()
}
