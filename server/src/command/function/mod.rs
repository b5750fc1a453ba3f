//! FCALL, and FUNCTION: libraries of functions.
//!
//! A function runs as a script does ([`super::eval`] has how); what differs is where it comes from. Libraries are the node's, not a database's, and FLUSHALL leaves them
//! alone. They are in memory alone, as everything is; in a ring they are all nodes'.
//!
//! Source: the pages of FUNCTION and FCALL on redis.io, and the replies of Redis 7.2.

mod list;
mod restore;

pub use list::{list, stats};
pub use restore::{dump, restore};

use super::eval::{key_count_or, kill_kind, log, run};
use super::value::help_lines;
use super::{Ctx, Flow, Outcome};
use crate::admin::Instance;
use crate::script::library::{
    By, LOAD_TIME_MAX, Library, Policy, RELOAD_TIME_MAX, Refused, SETTLED_AFTER, Source,
};
use crate::script::{self, Called, Code, Host, Judgement, Kind};
use std::sync::Arc;
use std::time::Duration;
use torc_protocol::{Args, Protocol, Reply, WireError};

const FULL: WireError = WireError::fixed(
    "OOM the texts of all libraries exceed 'script-cache-max'; FUNCTION DELETE and FUNCTION FLUSH make room",
);

const UNSETTLED: WireError = WireError::fixed(
    "TRYAGAIN The node has just started and does not know yet which libraries of functions there are; nothing was changed",
);

/// `FCALL function numkeys [key ...] [arg ...]`
pub fn fcall(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    call(ctx, args, reply, false)
}

/// `FCALL_RO function numkeys [key ...] [arg ...]`
pub fn fcall_ro(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    call(ctx, args, reply, true)
}

fn call(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>, read_only: bool) -> Outcome {
    let shelf = ctx.instance.scripts.libraries.shelf();
    let Some(function) = shelf.function(&args[1]).cloned() else {
        settled(ctx)?;
        return Err(WireError::err("Function not found"));
    };
    let keys = key_count_or(args, WireError::err("Bad number of keys provided"))?;
    run(ctx, &Code::Function(function), (args, keys), reply, read_only)
}

/// Whether the node knows which libraries the ring has; one that has just started may not.
fn settled(ctx: &Ctx<'_>) -> Result<(), WireError> {
    let instance = ctx.instance;
    let is_known = || {
        let Some(view) = instance.cluster.view() else { return true };
        let is_first = view.members().count() < 2 && instance.settings.join().is_empty();
        is_first || instance.scripts.libraries.is_settled() || instance.uptime() > SETTLED_AFTER
    };
    if is_known() { Ok(()) } else { Err(UNSETTLED) }
}

/// What other nodes are to hear of goes to the worker that tells them.
fn tell(ctx: &Ctx<'_>) {
    if ctx.instance.scripts.libraries.told().has_changes()
        && let Some(teller) = ctx.instance.clients.mailboxes.workers().first()
    {
        teller.wake();
    }
}

/// A peer's library, which was loaded there. One that cannot be loaded here is kept without functions, so that the nodes agree on what there is.
pub fn load_peers_library(instance: &Instance, source: Source) -> Arc<Library> {
    load_library(instance, source.clone(), RELOAD_TIME_MAX).unwrap_or_else(|error| {
        let error = String::from_utf8_lossy(&error.line()).into_owned();
        tracing::warn!(library = source.name(), error, "a peer's library does not load here");
        Library::new(source, Vec::new())
    })
}

/// Who changes the libraries, now.
fn by(ctx: &Ctx<'_>) -> By {
    let view = ctx.instance.cluster.view();
    let me = view.as_ref().and_then(|view| view.member(view.me()));
    By {
        now: ctx.instance.clock.unix_ms(),
        origin: me.map_or(0, |member| member.id.0),
        bytes_max: ctx.instance.settings.script_cache_max(),
    }
}

/// The host of a library that is being loaded.
struct Loader<'i> {
    instance: &'i Instance,
    name: &'i str,
}

impl Host for Loader<'_> {
    fn call(&mut self, _: Args<'_>, _: Protocol, _: &mut Vec<u8>) -> Called {
        Called::Refused("ERR no commands while a library is loaded".into())
    }

    fn may(&mut self, _: Args<'_>) -> Option<bool> {
        None
    }

    fn log(&mut self, level: u8, text: &[u8]) {
        log(self.name.as_bytes(), level, text);
    }

    fn time(&self) -> Duration {
        self.instance.clock.monotonic()
    }

    fn judge(&mut self, _: Duration) -> Judgement {
        Judgement::Continue
    }
}

/// Runs a library's text, to find what it registers.
///
/// # Errors
/// The line of the error.
pub fn load_library(
    instance: &Instance,
    source: Source,
    time_max: Duration,
) -> Result<Arc<Library>, WireError> {
    let memory_max = instance.settings.script_memory_max();
    let mut host = Loader { instance, name: source.name() };
    let functions = script::load(&instance.scripts, &source, &mut host, memory_max, time_max);
    Ok(Library::new(source, functions.map_err(WireError::Bytes)?))
}

/// What a text's first line says, or what is wrong with it.
fn source_of(text: &[u8]) -> Result<Source, WireError> {
    Source::parse(text).map_err(|said| WireError::Line(format!("ERR {said}").into()))
}

fn function_exists(name: &str) -> WireError {
    WireError::Line(format!("ERR Function {name} already exists").into())
}

/// A library of this name is there, as LOAD says it.
fn library_exists(name: &str) -> WireError {
    WireError::Line(format!("ERR Library '{name}' already exists").into())
}

/// `FUNCTION LOAD [REPLACE] code`
pub fn load(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    settled(ctx)?;
    let (last, options) = (args.len() - 1, args.from(2));
    for (index, option) in options.to(options.len() - 1).iter().enumerate() {
        if !args.is(2 + index, "REPLACE") {
            return Err(WireError::quoting("ERR Unknown option given: ", option, ""));
        }
    }
    let policy = if options.len() > 1 { Policy::Replace } else { Policy::Append };
    let source = source_of(&args[last])?;
    let libraries = &ctx.instance.scripts.libraries;
    // The same text may be what a peer told of, which is no error; `add` knows.
    let is_other = |it: &Arc<Library>| it.name() == source.name() && it.text() != source.text();
    if policy == Policy::Append && libraries.shelf().libraries().iter().any(is_other) {
        return Err(library_exists(source.name()));
    }
    let library = load_library(ctx.instance, source, LOAD_TIME_MAX)?;
    libraries.add(&[Arc::clone(&library)], policy, by(ctx)).map_err(|refused| match refused {
        Refused::Library(name) => library_exists(&name),
        Refused::Function(name) => function_exists(&name),
        Refused::Full => FULL,
    })?;
    tell(ctx);
    reply.bulk(library.name().as_bytes());
    Ok(Flow::Next)
}

/// `FUNCTION DELETE library`
pub fn delete(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let name = String::from_utf8_lossy(&args[2]);
    if !ctx.instance.scripts.libraries.delete(&name, by(ctx)) {
        settled(ctx)?;
        return Err(WireError::err("Library not found"));
    }
    tell(ctx);
    reply.ok();
    Ok(Flow::Next)
}

/// `FUNCTION FLUSH [ASYNC|SYNC]`
pub fn flush(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    if args.len() > 3 {
        return Err(wrong_subcommand(&args[1]));
    }
    if args.len() == 3 && !args.is(2, "SYNC") && !args.is(2, "ASYNC") {
        return Err(WireError::err("FUNCTION FLUSH only supports SYNC|ASYNC option"));
    }
    ctx.instance.scripts.libraries.flush(by(ctx));
    tell(ctx);
    reply.ok();
    Ok(Flow::Next)
}

fn wrong_subcommand(name: &[u8]) -> WireError {
    let start = "ERR unknown subcommand or wrong number of arguments for '";
    WireError::quoting(start, name, "'. Try FUNCTION HELP.")
}

/// `FUNCTION KILL`
pub fn kill(ctx: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    kill_kind(ctx, Kind::Function, reply)
}

/// `FUNCTION HELP`
pub fn help(_: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    help_lines(reply, HELP)
}

const HELP: &[&str] = &[
    "FUNCTION <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "DELETE <library>",
    "    Deletes a library and its functions.",
    "DUMP",
    "    Answers all libraries in one payload, which RESTORE takes, here and in Redis.",
    "FLUSH [ASYNC|SYNC]",
    "    Deletes all libraries.",
    "KILL",
    "    Ends a function that takes long and has written nothing.",
    "LIST [LIBRARYNAME <pattern>] [WITHCODE]",
    "    The libraries and their functions, and their texts if asked for.",
    "LOAD [REPLACE] <code>",
    "    Adds the library that this text is, and answers its name.",
    "RESTORE <payload> [FLUSH|APPEND|REPLACE]",
    "    Adds the libraries of a payload: in the place of all that there are, beside them, or in the place of those of the same names.",
    "STATS",
    "    The function that takes long now, and how many libraries and functions there are.",
    "HELP",
    "    This text.",
];
