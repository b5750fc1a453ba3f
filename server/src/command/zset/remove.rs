//! Removing members, by name or by range.

use super::bounds::Bounds;
use crate::admin::pubsub::notify::Events;
use crate::command::collection::notify_removed;
use crate::command::{Ctx, Flow, Outcome};
use crate::store::Edit;
use crate::types::collection::Zset;
use torc_protocol::{Args, Reply, WireError};

/// `ZREM key member …`
pub(crate) fn zrem(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (removed, emptied) = ctx.keyspace().edit(&args[1], |zset: &mut Edit<'_, Zset>| {
        let members = args.iter().skip(2);
        let removed = members.filter(|member| zset.remove(member).is_some()).count();
        Ok::<_, WireError>((removed, zset.view().is_empty()))
    })?;
    if removed > 0 {
        notify_removed(ctx, Events::SORTED_SET, "zrem", &args[1], emptied);
    }
    reply.integer(removed as i64);
    Ok(Flow::Next)
}

/// `ZREMRANGEBYRANK key start stop`
pub(crate) fn zremrangebyrank(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    remove(ctx, args, Bounds::ranks_of(&args[2], &args[3])?, "zremrangebyrank", reply)
}

/// `ZREMRANGEBYSCORE key min max`
pub(crate) fn zremrangebyscore(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    remove(ctx, args, Bounds::scores(&args[2], &args[3])?, "zremrangebyscore", reply)
}

/// `ZREMRANGEBYLEX key min max`
pub(crate) fn zremrangebylex(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    remove(ctx, args, Bounds::members(&args[2], &args[3])?, "zremrangebylex", reply)
}

fn remove(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    bounds: Bounds<'_>,
    event: &'static str,
    reply: &mut Reply<'_>,
) -> Outcome {
    let (removed, emptied) = ctx.keyspace().edit(&args[1], |zset: &mut Edit<'_, Zset>| {
        let (from, to) = bounds.ranks(zset.view());
        let removed = zset.remove_ranks(from, to);
        Ok::<_, WireError>((removed, zset.view().is_empty()))
    })?;
    if removed > 0 {
        notify_removed(ctx, Events::SORTED_SET, event, &args[1], emptied);
    }
    reply.integer(removed as i64);
    Ok(Flow::Next)
}
