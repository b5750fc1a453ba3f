//! FUNCTION LIST and FUNCTION STATS: what there is, and what runs.

use super::super::eval::BUSY_SCRIPT;
use super::super::{Ctx, Flow, Outcome};
use super::settled;
use crate::script::Kind;
use crate::script::library::{Function, Library};
use torc_protocol::glob;
use torc_protocol::{Args, Reply, WireError};

/// The engine's name, as Redis writes it.
const ENGINE: &[u8] = b"LUA";

/// `FUNCTION LIST [LIBRARYNAME pattern] [WITHCODE]`
pub fn list(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    settled(ctx)?;
    let (mut pattern, mut with_code) = (None, false);
    let mut at = 2;
    while at < args.len() {
        if !with_code && args.is(at, "WITHCODE") {
            with_code = true;
        } else if pattern.is_none() && args.is(at, "LIBRARYNAME") {
            at += 1;
            let given = args.get(at);
            pattern = Some(given.ok_or(WireError::err("library name argument was not given"))?);
        } else {
            return Err(WireError::quoting("ERR Unknown argument ", &args[at], ""));
        }
        at += 1;
    }
    let shelf = ctx.instance.scripts.libraries.shelf();
    let fits = |library: &Library| {
        pattern.is_none_or(|pattern| glob::matches(pattern, library.name().as_bytes(), true))
    };
    let shown: Vec<_> = shelf.libraries().iter().filter(|library| fits(library)).collect();
    reply.array(shown.len());
    for library in shown {
        reply.map(if with_code { 4 } else { 3 });
        reply.bulk(b"library_name");
        reply.bulk(library.name().as_bytes());
        reply.bulk(b"engine");
        reply.bulk(ENGINE);
        reply.bulk(b"functions");
        reply.array(library.functions().len());
        for function in library.functions() {
            show(function, reply);
        }
        if with_code {
            reply.bulk(b"library_code");
            reply.bulk(library.text());
        }
    }
    Ok(Flow::Next)
}

fn show(function: &Function, reply: &mut Reply<'_>) {
    reply.map(3);
    reply.bulk(b"name");
    reply.bulk(function.name.as_bytes());
    reply.bulk(b"description");
    match &function.description {
        Some(text) => reply.bulk(text),
        None => reply.null(),
    }
    reply.bulk(b"flags");
    reply.set(function.permissions.flags().count());
    for flag in function.permissions.flags() {
        reply.simple(flag);
    }
}

/// `FUNCTION STATS`
pub fn stats(ctx: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let scripts = &ctx.instance.scripts;
    let running = scripts.standing.running(Kind::Function);
    if running.is_none() && scripts.standing.busy_kind() == Some(Kind::Script) {
        return Err(BUSY_SCRIPT);
    }
    reply.map(2);
    reply.bulk(b"running_script");
    match running {
        None => reply.null(),
        Some(running) => {
            let now = ctx.instance.clock.monotonic();
            reply.map(3);
            reply.bulk(b"name");
            reply.bulk(&running.name);
            reply.bulk(b"command");
            reply.array(running.command.len());
            for word in &running.command {
                reply.bulk(word);
            }
            reply.bulk(b"duration_ms");
            reply.integer(now.saturating_sub(running.begun).as_millis() as i64);
        }
    }
    let shelf = scripts.libraries.shelf();
    reply.bulk(b"engines");
    reply.map(1);
    reply.bulk(ENGINE);
    reply.map(2);
    reply.bulk(b"libraries_count");
    reply.integer(shelf.libraries().len() as i64);
    reply.bulk(b"functions_count");
    reply.integer(shelf.function_count() as i64);
    Ok(Flow::Next)
}
