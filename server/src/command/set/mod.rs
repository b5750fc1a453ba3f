//! Sets.
//!
//! Source: redis.io, the commands of the group "set".

mod combine;
mod random;
#[cfg(test)]
mod tests;

pub(super) use combine::{check_card, combine_fetched, write_all};
pub(crate) use combine::{sdiff, sdiffstore, sinter, sintercard, sinterstore, sunion, sunionstore};
pub(crate) use random::{spop, srandmember};

use super::collection::{
    Scan, empty_scan, notify_removed, scan_cursor, write_item, write_scan_head,
};
use super::long_reply::{self, Said, Stretch};
use super::{Ctx, Flow, Outcome};
use crate::admin::pubsub::notify::Events;
use crate::store::{Edit, Kind};
use crate::types::collection::{Set, SetView};
use torc_protocol::{Args, Reply, WireError};

/// Runs `read` on the set at `key`, or on an empty one if there is none.
fn with_set<R>(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    read: impl FnOnce(SetView<'_>) -> R,
) -> Result<R, WireError> {
    match ctx.keyspace().read(key) {
        Some(entry) => Ok(read(entry.collection(Kind::Set)?.set())),
        None => Ok(read(Set::new().view())),
    }
}

/// `SADD key member …`
pub(crate) fn sadd(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let added = ctx.keyspace().edit(&args[1], |set: &mut Edit<'_, Set>| {
        Ok::<i64, WireError>(args.iter().skip(2).map(|member| i64::from(set.add(member))).sum())
    })?;
    if added > 0 {
        ctx.notify(Events::SET, "sadd", &args[1]);
    }
    reply.integer(added);
    Ok(Flow::Next)
}

/// `SREM key member …`
pub(crate) fn srem(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (removed, emptied) = ctx.keyspace().edit(&args[1], |set: &mut Edit<'_, Set>| {
        let removed: i64 = args.iter().skip(2).map(|member| i64::from(set.remove(member))).sum();
        Ok::<_, WireError>((removed, set.view().is_empty()))
    })?;
    if removed > 0 {
        notify_removed(ctx, Events::SET, "srem", &args[1], emptied);
    }
    reply.integer(removed);
    Ok(Flow::Next)
}

/// `SCARD key`
pub(crate) fn scard(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let len = with_set(ctx, &args[1], |set| set.len())?;
    reply.integer(len as i64);
    Ok(Flow::Next)
}

/// `SISMEMBER key member`
pub(crate) fn sismember(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let found = with_set(ctx, &args[1], |set| set.contains(&args[2]))?;
    reply.integer(found.into());
    Ok(Flow::Next)
}

/// `SMISMEMBER key member …`
pub(crate) fn smismember(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    with_set(ctx, &args[1], |set| {
        reply.array(args.len() - 2);
        args.iter().skip(2).for_each(|member| reply.integer(set.contains(member).into()));
    })?;
    Ok(Flow::Next)
}

/// `SMEMBERS key`
pub(crate) fn smembers(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let Some(entry) = ctx.keyspace().read(&args[1]) else {
        return long_reply::answer_nothing(Said::Members, reply);
    };
    let found = entry.collection(Kind::Set)?;
    let stretch = Stretch::whole(found.set().len());
    long_reply::answer(ctx, found, Said::Members, stretch, reply)
}

/// `SMOVE source destination member`
pub(crate) fn smove(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (source, destination, member) = (&args[1], &args[2], &args[3]);
    let moved = ctx.as_one_step(&[source, destination], |ctx| {
        let mut keyspace = ctx.keyspace();
        let Some(from) = keyspace.peek(source) else { return Ok(false) };
        let is_member = from.collection(Kind::Set)?.set().contains(member);
        if let Some(to) = keyspace.peek(destination) {
            to.collection(Kind::Set)?;
        }
        if source == destination || !is_member {
            return Ok(is_member);
        }
        let emptied = keyspace.edit(source, |set: &mut Edit<'_, Set>| {
            set.remove(member);
            Ok::<_, WireError>(set.view().is_empty())
        })?;
        // Before what comes of the destination, which may be new.
        notify_removed(ctx, Events::SET, "srem", source, emptied);
        let added = ctx
            .keyspace()
            .edit(destination, |set: &mut Edit<'_, Set>| Ok::<_, WireError>(set.add(member)))?;
        if added {
            ctx.notify(Events::SET, "sadd", destination);
        }
        Ok::<_, WireError>(true)
    })?;
    reply.integer(moved.into());
    Ok(Flow::Next)
}

/// `SSCAN key cursor [MATCH pattern] [COUNT count]`
pub(crate) fn sscan(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let cursor = scan_cursor(args)?;
    let Some(entry) = ctx.keyspace().read(&args[1]) else { return empty_scan(reply) };
    let found = entry.collection(Kind::Set)?;
    let scan = Scan::parse(args)?;
    let (cursor, members) = scan.run(cursor, |cursor, count, members| {
        found.set().scan(cursor, count, |known| {
            if scan.matches(known.member) {
                members.push(known.member);
            }
        })
    });
    write_scan_head(reply, cursor, members.len());
    members.into_iter().for_each(|member| write_item(reply, member));
    Ok(Flow::Next)
}
