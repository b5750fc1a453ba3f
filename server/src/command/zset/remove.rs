//! Removing members, by name or by range.

use super::bounds::Bounds;
use crate::command::{Ctx, Flow, Outcome};
use crate::store::Edit;
use crate::types::collection::Zset;
use torc_protocol::{Args, Reply, WireError};

/// `ZREM key member …`
pub(crate) fn zrem(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let removed = ctx.keyspace().edit(&args[1], |zset: &mut Edit<'_, Zset>| {
        let members = args.iter().skip(2);
        Ok::<_, WireError>(members.filter(|member| zset.remove(member).is_some()).count())
    })?;
    reply.integer(removed as i64);
    Ok(Flow::Next)
}

/// `ZREMRANGEBYRANK key start stop`
pub(crate) fn zremrangebyrank(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    remove(ctx, args, Bounds::ranks_of(&args[2], &args[3])?, reply)
}

/// `ZREMRANGEBYSCORE key min max`
pub(crate) fn zremrangebyscore(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    remove(ctx, args, Bounds::scores(&args[2], &args[3])?, reply)
}

/// `ZREMRANGEBYLEX key min max`
pub(crate) fn zremrangebylex(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    remove(ctx, args, Bounds::members(&args[2], &args[3])?, reply)
}

fn remove(ctx: &mut Ctx<'_>, args: Args<'_>, bounds: Bounds<'_>, reply: &mut Reply<'_>) -> Outcome {
    let removed = ctx.keyspace().edit(&args[1], |zset: &mut Edit<'_, Zset>| {
        let (from, to) = bounds.ranks(zset.view());
        Ok::<_, WireError>(zset.remove_ranks(from, to))
    })?;
    reply.integer(removed as i64);
    Ok(Flow::Next)
}
