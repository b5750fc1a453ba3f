//! FUNCTION DUMP and FUNCTION RESTORE: all libraries in one payload, in Redis's own format.

use super::super::{Ctx, Flow, Outcome};
use super::{
    FULL, by, function_exists, library_exists, load_library, settled, source_of, tell,
    wrong_subcommand,
};
use crate::script::library::{Library, Policy, RELOAD_TIME_MAX, Refused};
use crate::types::rdb::{self, functions};
use std::sync::Arc;
use torc_protocol::{Args, Reply, WireError};

/// `FUNCTION DUMP`
pub fn dump(ctx: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    settled(ctx)?;
    let shelf = ctx.instance.scripts.libraries.shelf();
    reply.bulk(&functions::dump(shelf.libraries().iter().map(|library| library.text())));
    Ok(Flow::Next)
}

/// `FUNCTION RESTORE payload [FLUSH|APPEND|REPLACE]`
pub fn restore(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    settled(ctx)?;
    let policy = match args.len() {
        3 => Policy::Append,
        4 if args.is(3, "APPEND") => Policy::Append,
        4 if args.is(3, "REPLACE") => Policy::Replace,
        4 if args.is(3, "FLUSH") => Policy::Flush,
        4 => {
            return Err(WireError::err(
                "Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
            ));
        }
        _ => return Err(wrong_subcommand(&args[1])),
    };
    let payload = &args[2];
    rdb::verify(payload)
        .map_err(|_| WireError::err("DUMP payload version or checksum are wrong"))?;
    let mut libraries: Vec<Arc<Library>> = Vec::new();
    for text in functions::texts(payload, ctx.instance.settings.script_cache_max()) {
        let text = text.map_err(|error| WireError::Line(format!("ERR {error}").into()))?;
        let source = source_of(&text)?;
        if libraries.iter().any(|it| it.name() == source.name()) {
            return Err(library_exists(source.name()));
        }
        libraries.push(load_library(ctx.instance, source, RELOAD_TIME_MAX)?);
    }
    let added = ctx.instance.scripts.libraries.add(&libraries, policy, by(ctx));
    added.map_err(|refused| match refused {
        Refused::Library(name) => {
            WireError::Line(format!("ERR Library {name} already exists").into())
        }
        Refused::Function(name) => function_exists(&name),
        Refused::Full => FULL,
    })?;
    tell(ctx);
    reply.ok();
    Ok(Flow::Next)
}
