//! BLPOP and its kin: the commands that wait until a list has something.

use super::End;
use super::pop::Popping;
use crate::admin::blocked::Want;
use crate::command::blocking::{deadline, take_or_wait};
use crate::command::{Ctx, Outcome};
use torc_protocol::{Args, Reply};

/// `BLPOP key … timeout`
pub(crate) fn blpop(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    pop(ctx, args, true, reply)
}

/// `BRPOP key … timeout`
pub(crate) fn brpop(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    pop(ctx, args, false, reply)
}

fn pop(ctx: &mut Ctx<'_>, args: Args<'_>, front: bool, reply: &mut Reply<'_>) -> Outcome {
    let last = args.len() - 1;
    let until = deadline(&args[last], ctx.now)?;
    let keys: Vec<&[u8]> = args.iter().skip(1).take(last - 1).collect();
    take_or_wait(ctx, Want::Pop { front }, &keys, until, reply)
}

/// `BLMPOP timeout numkeys key … LEFT|RIGHT [COUNT count]`
pub(crate) fn blmpop(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let asked = Popping::parse(args, 2)?;
    let until = deadline(&args[1], ctx.now)?;
    let keys: Vec<&[u8]> = args.iter().skip(3).take(asked.keys).collect();
    let want = Want::PopMany { front: asked.end == End::Left, count: asked.count };
    take_or_wait(ctx, want, &keys, until, reply)
}

/// `BLMOVE source destination LEFT|RIGHT LEFT|RIGHT timeout`
pub(crate) fn blmove(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (from, to) = (End::parse(args, 3)?, End::parse(args, 4)?);
    move_(ctx, args, (from, to), &args[5], reply)
}

/// `BRPOPLPUSH source destination timeout`
pub(crate) fn brpoplpush(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    move_(ctx, args, (End::Right, End::Left), &args[3], reply)
}

fn move_(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    (from, to): (End, End),
    timeout: &[u8],
    reply: &mut Reply<'_>,
) -> Outcome {
    let until = deadline(timeout, ctx.now)?;
    let want = Want::Move {
        from_front: from == End::Left,
        destination: args[2].into(),
        to_front: to == End::Left,
    };
    take_or_wait(ctx, want, &[&args[1]], until, reply)
}
