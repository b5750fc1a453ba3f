//! BZPOPMIN and its kin: the commands that wait until a sorted set has something.

use super::pop::Popping;
use crate::admin::blocked::Want;
use crate::command::blocking::{deadline, take_or_wait};
use crate::command::{Ctx, Outcome};
use torc_protocol::{Args, Reply};

/// `BZPOPMIN key … timeout`
pub(crate) fn bzpopmin(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    pop(ctx, args, false, reply)
}

/// `BZPOPMAX key … timeout`
pub(crate) fn bzpopmax(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    pop(ctx, args, true, reply)
}

fn pop(ctx: &mut Ctx<'_>, args: Args<'_>, highest: bool, reply: &mut Reply<'_>) -> Outcome {
    let last = args.len() - 1;
    let until = deadline(&args[last], ctx.now)?;
    let keys: Vec<&[u8]> = args.iter().skip(1).take(last - 1).collect();
    take_or_wait(ctx, Want::PopScored { highest }, &keys, until, reply)
}

/// `BZMPOP timeout numkeys key … MIN|MAX [COUNT count]`
pub(crate) fn bzmpop(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let asked = Popping::parse(args, 2)?;
    let until = deadline(&args[1], ctx.now)?;
    let keys: Vec<&[u8]> = args.iter().skip(3).take(asked.keys).collect();
    let want = Want::PopScoredMany { highest: asked.highest, count: asked.count };
    take_or_wait(ctx, want, &keys, until, reply)
}
