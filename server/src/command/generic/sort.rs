//! SORT and SORT_RO.
//!
//! What they sort are lists, sets and sorted sets; no key holds one yet, so that a key is either absent, and sorts to
//! nothing, or of the wrong type.

use crate::command::value::integer;
use crate::command::{Ctx, Flow, Outcome};
use crate::store::Kind;
use torc_protocol::{Args, Reply, WireError};

/// `SORT key [BY pattern] [LIMIT offset count] [GET pattern …] [ASC | DESC] [ALPHA] [STORE destination]`
pub(crate) fn sort(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let destination = parse(args, true)?;
    check_source(ctx, args)?;
    match destination {
        None => reply.array(0),
        Some(key) => {
            // An empty result is an absent key.
            ctx.keyspace().remove(key);
            reply.integer(0);
        }
    }
    Ok(Flow::Next)
}

/// `SORT_RO key [BY pattern] [LIMIT offset count] [GET pattern …] [ASC | DESC] [ALPHA]`
pub(crate) fn sort_ro(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    parse(args, false)?;
    check_source(ctx, args)?;
    reply.array(0);
    Ok(Flow::Next)
}

fn check_source(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), WireError> {
    match ctx.keyspace().read(&args[1]).map(|entry| entry.kind()) {
        None => Ok(()),
        Some(Kind::List | Kind::Set | Kind::Zset) => Ok(()),
        Some(_) => Err(WireError::WrongType),
    }
}

/// Checks the options, and returns the one that matters to an empty source: STORE's key, where `may_store` allows it.
fn parse(args: Args<'_>, may_store: bool) -> Result<Option<&[u8]>, WireError> {
    let mut destination = None;
    let mut index = 2;
    while index < args.len() {
        let left = args.len() - index - 1;
        let is = |word: &str| args.is(index, word);
        if is("ASC") || is("DESC") || is("ALPHA") {
        } else if is("LIMIT") && left >= 2 {
            integer(&args[index + 1])?;
            integer(&args[index + 2])?;
            index += 2;
        } else if may_store && is("STORE") && left >= 1 {
            destination = args.get(index + 1);
            index += 1;
        } else if (is("BY") || is("GET")) && left >= 1 {
            index += 1;
        } else {
            return Err(WireError::Syntax);
        }
        index += 1;
    }
    Ok(destination)
}
