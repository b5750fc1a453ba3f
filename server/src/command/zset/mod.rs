//! Sorted sets.
//!
//! Source: redis.io, the commands of the group "sorted set".

mod add;
mod blocking;
mod bounds;
mod combine;
mod pop;
mod random;
mod range;
mod remove;
#[cfg(test)]
mod tests;

pub(super) use add::{AddOptions, add};
pub(crate) use add::{zadd, zincrby};
pub(crate) use blocking::{bzmpop, bzpopmax, bzpopmin};
pub(super) use combine::combine_fetched;
pub(crate) use combine::{zdiff, zdiffstore, zinter, zintercard, zinterstore, zunion, zunionstore};
pub(super) use pop::{pop_from, write_popped};
pub(crate) use pop::{zmpop, zpopmax, zpopmin};
pub(crate) use random::zrandmember;
pub(super) use range::{check_range, range_of_fetched};
pub(crate) use range::{
    zrange, zrangebylex, zrangebyscore, zrangestore, zrevrange, zrevrangebylex, zrevrangebyscore,
};
pub(crate) use remove::{zrem, zremrangebylex, zremrangebyrank, zremrangebyscore};

use self::bounds::Bounds;
use super::collection::{Scan, empty_scan, scan_cursor, write_item, write_scan_head};
use super::{Ctx, Flow, Outcome};
use crate::store::Kind;
use crate::types::collection::{Scored, Zset, ZsetView, shown_whole};
use torc_protocol::number::DoubleText;
use torc_protocol::{Args, Protocol, Reply, WireError};

/// Runs `read` on the sorted set at `key`, or on an empty one if there is none.
pub(super) fn with_zset<R>(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    read: impl FnOnce(ZsetView<'_>) -> R,
) -> Result<R, WireError> {
    match ctx.keyspace().read(key) {
        Some(entry) => Ok(read(entry.collection(Kind::Zset)?.zset())),
        None => Ok(read(Zset::new().view())),
    }
}

/// Writes members, with their scores or without. RESP3 has a pair for each then.
fn write_members<'z>(
    reply: &mut Reply<'_>,
    members: impl ExactSizeIterator<Item = Scored<'z>>,
    with_scores: bool,
) {
    let pairs = with_scores && reply.protocol() == Protocol::Resp3;
    reply.array(if with_scores && !pairs { 2 * members.len() } else { members.len() });
    for known in members {
        if pairs {
            reply.array(2);
        }
        write_item(reply, known.member);
        if with_scores {
            reply.double(known.score);
        }
    }
}

/// Writes all members, as [`write_members`] does.
pub(super) fn write_all(reply: &mut Reply<'_>, zset: &Zset, with_scores: bool) {
    let members: Vec<Scored<'_>> = zset.view().range(0, u64::MAX, false).collect();
    write_members(reply, members.into_iter(), with_scores);
}

/// `ZCARD key`
pub(crate) fn zcard(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let len = with_zset(ctx, &args[1], |zset| zset.len())?;
    reply.integer(len as i64);
    Ok(Flow::Next)
}

fn write_score(reply: &mut Reply<'_>, score: Option<f64>) {
    match score {
        Some(score) => reply.double(score),
        None => reply.null(),
    }
}

/// `ZSCORE key member`
pub(crate) fn zscore(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let score = with_zset(ctx, &args[1], |zset| zset.score(&args[2]))?;
    write_score(reply, score);
    Ok(Flow::Next)
}

/// `ZMSCORE key member …`
pub(crate) fn zmscore(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    with_zset(ctx, &args[1], |zset| {
        reply.array(args.len() - 2);
        args.iter().skip(2).for_each(|member| write_score(reply, zset.score(member)));
    })?;
    Ok(Flow::Next)
}

/// `ZRANK key member [WITHSCORE]`
pub(crate) fn zrank(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    rank(ctx, args, false, "zrank", reply)
}

/// `ZREVRANK key member [WITHSCORE]`
pub(crate) fn zrevrank(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    rank(ctx, args, true, "zrevrank", reply)
}

fn rank(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    reverse: bool,
    name: &'static str,
    reply: &mut Reply<'_>,
) -> Outcome {
    let with_score = match args.len() {
        3 => false,
        4 if args.is(3, "WITHSCORE") => true,
        4 => return Err(WireError::Syntax),
        _ => return Err(WireError::WrongArity(name.into())),
    };
    let found = with_zset(ctx, &args[1], |zset| {
        let (rank, score) = zset.rank(&args[2])?;
        Some((if reverse { zset.len() - 1 - rank } else { rank }, score))
    })?;
    match found {
        Some((rank, score)) => {
            if with_score {
                reply.array(2);
            }
            reply.integer(rank as i64);
            if with_score {
                reply.double(score);
            }
        }
        None if with_score => reply.null_array(),
        None => reply.null(),
    }
    Ok(Flow::Next)
}

/// `ZCOUNT key min max`
pub(crate) fn zcount(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    count(ctx, args, Bounds::scores(&args[2], &args[3])?, reply)
}

/// `ZLEXCOUNT key min max`
pub(crate) fn zlexcount(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    count(ctx, args, Bounds::members(&args[2], &args[3])?, reply)
}

fn count(ctx: &mut Ctx<'_>, args: Args<'_>, bounds: Bounds<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (from, to) = with_zset(ctx, &args[1], |zset| bounds.ranks(zset))?;
    reply.integer((to - from) as i64);
    Ok(Flow::Next)
}

/// `ZSCAN key cursor [MATCH pattern] [COUNT count]`
pub(crate) fn zscan(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let cursor = scan_cursor(args)?;
    let Some(entry) = ctx.keyspace().read(&args[1]) else { return empty_scan(reply) };
    let found = entry.collection(Kind::Zset)?;
    let is_small = found.encoding() == "listpack";
    let scan = Scan::parse(args)?;
    let (cursor, members) = scan.run(cursor, |cursor, count, members| {
        found.zset().scan(cursor, count, |known| {
            if scan.matches(known.member) {
                members.push(known);
            }
        })
    });
    write_scan_head(reply, cursor, 2 * members.len());
    for known in members {
        write_item(reply, known.member);
        match shown_whole(known.score).filter(|_| is_small) {
            Some(whole) => reply.bulk(itoa::Buffer::new().format(whole).as_bytes()),
            None => reply.bulk(DoubleText::new().format(known.score).as_bytes()),
        }
    }
    Ok(Flow::Next)
}
