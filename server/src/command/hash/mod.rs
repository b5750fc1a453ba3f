//! Hashes.
//!
//! Source: redis.io, the commands of the group "hash".

mod count;
mod random;
#[cfg(test)]
mod tests;

pub(crate) use count::{hincrby, hincrbyfloat};
pub(crate) use random::hrandfield;

use super::collection::{
    Scan, empty_scan, notify_removed, scan_cursor, write_item, write_item_or_null, write_scan_head,
};
use super::long_reply::{self, Said, Stretch};
use super::{Ctx, Flow, Outcome};
use crate::admin::pubsub::notify::Events;
use crate::store::{Edit, Kind};
use crate::types::collection::{Hash, HashView, Item};
use torc_protocol::{Args, Reply, WireError};

/// Runs `read` on the hash at `key`, or on an empty one if there is none.
fn with_hash<R>(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    read: impl FnOnce(HashView<'_>) -> R,
) -> Result<R, WireError> {
    match ctx.keyspace().read(key) {
        Some(entry) => Ok(read(entry.collection(Kind::Hash)?.hash())),
        None => Ok(read(Hash::new().view())),
    }
}

/// `HGET key field`
pub(crate) fn hget(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    with_hash(ctx, &args[1], |hash| write_item_or_null(reply, hash.get(&args[2])))?;
    Ok(Flow::Next)
}

/// `HMGET key field …`
pub(crate) fn hmget(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    with_hash(ctx, &args[1], |hash| {
        reply.array(args.len() - 2);
        args.iter().skip(2).for_each(|field| write_item_or_null(reply, hash.get(field)));
    })?;
    Ok(Flow::Next)
}

/// `HEXISTS key field`
pub(crate) fn hexists(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let found = with_hash(ctx, &args[1], |hash| hash.contains(&args[2]))?;
    reply.integer(found.into());
    Ok(Flow::Next)
}

/// `HLEN key`
pub(crate) fn hlen(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let len = with_hash(ctx, &args[1], |hash| hash.len())?;
    reply.integer(len as i64);
    Ok(Flow::Next)
}

/// `HSTRLEN key field`
pub(crate) fn hstrlen(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let len = with_hash(ctx, &args[1], |hash| hash.get(&args[2]).map_or(0, Item::len))?;
    reply.integer(len as i64);
    Ok(Flow::Next)
}

/// `HSET key field value [field value …]`
pub(crate) fn hset(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let added = set_fields(ctx, args, "hset")?;
    reply.integer(added);
    Ok(Flow::Next)
}

/// `HMSET key field value [field value …]`
pub(crate) fn hmset(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    set_fields(ctx, args, "hmset")?;
    reply.ok();
    Ok(Flow::Next)
}

/// Number of new fields.
fn set_fields(ctx: &mut Ctx<'_>, args: Args<'_>, name: &'static str) -> Result<i64, WireError> {
    if !args.len().is_multiple_of(2) {
        return Err(WireError::WrongArity(name.into()));
    }
    let added = ctx.keyspace().edit(&args[1], |hash: &mut Edit<'_, Hash>| {
        let pairs = (2..args.len()).step_by(2);
        Ok::<_, WireError>(pairs.map(|at| i64::from(hash.set(&args[at], &args[at + 1]))).sum())
    })?;
    ctx.notify(Events::HASH, "hset", &args[1]);
    Ok(added)
}

/// `HSETNX key field value`
pub(crate) fn hsetnx(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let is_new = ctx.keyspace().edit(&args[1], |hash: &mut Edit<'_, Hash>| {
        let is_new = !hash.view().contains(&args[2]);
        if is_new {
            hash.set(&args[2], &args[3]);
        }
        Ok::<_, WireError>(is_new)
    })?;
    if is_new {
        ctx.notify(Events::HASH, "hset", &args[1]);
    }
    reply.integer(is_new.into());
    Ok(Flow::Next)
}

/// `HDEL key field …`
pub(crate) fn hdel(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (removed, emptied) = ctx.keyspace().edit(&args[1], |hash: &mut Edit<'_, Hash>| {
        let fields = args.iter().skip(2);
        let removed: i64 = fields.map(|field| i64::from(hash.remove(field))).sum();
        Ok::<_, WireError>((removed, hash.view().is_empty()))
    })?;
    if removed > 0 {
        notify_removed(ctx, Events::HASH, "hdel", &args[1], emptied);
    }
    reply.integer(removed);
    Ok(Flow::Next)
}

/// `HGETALL key`
pub(crate) fn hgetall(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    whole(ctx, &args[1], Said::Pairs, reply)
}

/// `HKEYS key`
pub(crate) fn hkeys(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    whole(ctx, &args[1], Said::Fields, reply)
}

/// `HVALS key`
pub(crate) fn hvals(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    whole(ctx, &args[1], Said::Values, reply)
}

/// Answers with all of the hash at `key`, or of an empty one if there is none.
fn whole(ctx: &mut Ctx<'_>, key: &[u8], said: Said, reply: &mut Reply<'_>) -> Outcome {
    let Some(entry) = ctx.keyspace().read(key) else {
        return long_reply::answer_nothing(said, reply);
    };
    let found = entry.collection(Kind::Hash)?;
    let stretch = Stretch::whole(found.hash().len());
    long_reply::answer(ctx, found, said, stretch, reply)
}

/// `HSCAN key cursor [MATCH pattern] [COUNT count]`
pub(crate) fn hscan(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let cursor = scan_cursor(args)?;
    let Some(entry) = ctx.keyspace().read(&args[1]) else { return empty_scan(reply) };
    let found = entry.collection(Kind::Hash)?;
    let scan = Scan::parse(args)?;
    let (cursor, fields) = scan.run(cursor, |cursor, count, fields| {
        found.hash().scan(cursor, count, |known| {
            if scan.matches(known.field) {
                fields.push(known);
            }
        })
    });
    write_scan_head(reply, cursor, 2 * fields.len());
    for known in fields {
        write_item(reply, known.field);
        write_item(reply, known.value);
    }
    Ok(Flow::Next)
}
