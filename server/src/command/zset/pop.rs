//! Taking the members with the lowest or the highest scores.

use crate::admin::pubsub::notify::Events;
use crate::command::collection::{notify_removed, pop_count};
use crate::command::value::integer;
use crate::command::{Ctx, Flow, Outcome};
use crate::store::Edit;
use crate::types::collection::Zset;
use torc_protocol::{Args, Protocol, Reply, WireError};

/// `ZPOPMIN key [count]`
pub(crate) fn zpopmin(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    pop(ctx, args, false, reply)
}

/// `ZPOPMAX key [count]`
pub(crate) fn zpopmax(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    pop(ctx, args, true, reply)
}

fn pop(ctx: &mut Ctx<'_>, args: Args<'_>, highest: bool, reply: &mut Reply<'_>) -> Outcome {
    if args.len() > 3 {
        return Err(WireError::Syntax);
    }
    let count = match args.get(2) {
        Some(text) => {
            let count = integer(text).ok().and_then(|count| u64::try_from(count).ok());
            Some(count.ok_or(WireError::fixed("ERR value is out of range, must be positive"))?)
        }
        None => None,
    };
    let popped = pop_from(ctx, &args[1], highest, count.unwrap_or(1))?.unwrap_or_default();
    let pairs = count.is_some() && reply.protocol() == Protocol::Resp3;
    reply.array(if pairs { popped.len() } else { 2 * popped.len() });
    for (member, score) in &popped {
        if pairs {
            reply.array(2);
        }
        reply.bulk(member);
        reply.double(*score);
    }
    Ok(Flow::Next)
}

/// A member that was taken, and its score.
pub(crate) type Popped = (Vec<u8>, f64);

/// Pops up to `count` members off an end, the outermost first; none if there is no sorted set.
pub(crate) fn pop_from(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    highest: bool,
    count: u64,
) -> Result<Option<Vec<Popped>>, WireError> {
    let taken = ctx.keyspace().edit(key, |zset: &mut Edit<'_, Zset>| {
        let len = zset.view().len();
        let count = count.min(len);
        let (from, to) = if highest { (len - count, len) } else { (0, count) };
        let members = zset.view().range(from, to, highest);
        let popped: Vec<Popped> =
            members.map(|known| (known.member.to_vec(), known.score)).collect();
        zset.remove_ranks(from, to);
        Ok::<_, WireError>((len > 0).then_some((popped, zset.view().is_empty())))
    })?;
    let Some((popped, emptied)) = taken else { return Ok(None) };
    if !popped.is_empty() {
        let event = if highest { "zpopmax" } else { "zpopmin" };
        notify_removed(ctx, Events::SORTED_SET, event, key, emptied);
    }
    Ok(Some(popped))
}

/// Writes members and scores with the key that they were popped from.
pub(crate) fn write_popped(reply: &mut Reply<'_>, key: &[u8], popped: &[Popped]) {
    reply.array(2);
    reply.bulk(key);
    reply.array(popped.len());
    for (member, score) in popped {
        reply.array(2);
        reply.bulk(member);
        reply.double(*score);
    }
}

/// What ZMPOP and BZMPOP are asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Popping {
    /// Number of keys.
    pub(crate) keys: usize,
    /// From which end.
    pub(crate) highest: bool,
    /// How many members at most.
    pub(crate) count: u64,
}

impl Popping {
    /// The arguments from the number of keys on, which stands at `index`.
    pub(crate) fn parse(args: Args<'_>, index: usize) -> Result<Self, WireError> {
        let keys = integer(&args[index]).ok().filter(|&keys| keys > 0);
        let keys = keys.ok_or(WireError::fixed("ERR numkeys should be greater than 0"))?;
        let left = args.len() - index - 1;
        let keys =
            usize::try_from(keys).ok().filter(|&keys| keys < left).ok_or(WireError::Syntax)?;
        let place = index + 1 + keys;
        let highest = match (args.is(place, "MIN"), args.is(place, "MAX")) {
            (true, _) => false,
            (_, true) => true,
            _ => return Err(WireError::Syntax),
        };
        let count = pop_count(args, place + 1)?;
        Ok(Popping { keys, highest, count })
    }
}

/// `ZMPOP numkeys key … MIN|MAX [COUNT count]`
pub(crate) fn zmpop(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let asked = Popping::parse(args, 1)?;
    for key in args.iter().skip(2).take(asked.keys) {
        if let Some(popped) = pop_from(ctx, key, asked.highest, asked.count)? {
            write_popped(reply, key, &popped);
            return Ok(Flow::Next);
        }
    }
    reply.null_array();
    Ok(Flow::Next)
}
