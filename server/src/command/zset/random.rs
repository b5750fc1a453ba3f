//! ZRANDMEMBER.

use super::write_members;
use crate::command::collection::{random_count, random_places, write_item};
use crate::command::long_reply::{self, Said};
use crate::command::{Ctx, Flow, Outcome};
use crate::store::Kind;
use crate::types::collection::Scored;
use torc_protocol::{Args, Reply, WireError};

/// `ZRANDMEMBER key [count [WITHSCORES]]`
pub(crate) fn zrandmember(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let count = args.get(2).map(random_count).transpose()?;
    let with_scores = args.len() == 4 && args.is(3, "WITHSCORES");
    if args.len() > 4 || args.len() == 4 && !with_scores {
        return Err(WireError::Syntax);
    }
    if with_scores && count.is_some_and(|count| count.unsigned_abs() > i64::MAX as u64 / 2) {
        return Err(WireError::fixed("ERR value is out of range"));
    }
    let found = ctx.keyspace().read(&args[1]);
    let Some(found) = found.map(|entry| entry.collection(Kind::Zset)).transpose()? else {
        match count {
            Some(_) => reply.array(0),
            None => reply.null(),
        }
        return Ok(Flow::Next);
    };
    let (zset, rng) = (found.zset(), ctx.local.rng());
    let Some(count) = count else {
        match zset.at(rng.below(zset.len().max(1))) {
            Some(known) => write_item(reply, known.member),
            None => reply.null(),
        }
        return Ok(Flow::Next);
    };
    if count < 0 && !zset.is_empty() {
        let said = if with_scores { Said::Scored } else { Said::Ranked };
        return long_reply::answer_random(ctx, found, said, count.unsigned_abs(), reply);
    }
    let places = random_places(rng, zset.len(), count.unsigned_abs());
    let members: Vec<Scored<'_>> = places.iter().filter_map(|&place| zset.at(place)).collect();
    write_members(reply, members.into_iter(), with_scores);
    Ok(Flow::Next)
}
