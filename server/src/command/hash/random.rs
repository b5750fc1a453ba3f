//! HRANDFIELD.

use crate::command::collection::{random_count, random_places, write_item};
use crate::command::long_reply::{self, Said};
use crate::command::{Ctx, Flow, Outcome};
use crate::store::Kind;
use torc_protocol::{Args, Protocol, Reply, WireError};

/// `HRANDFIELD key [count [WITHVALUES]]`
pub(crate) fn hrandfield(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let count = args.get(2).map(random_count).transpose()?;
    let with_values = args.len() == 4 && args.is(3, "WITHVALUES");
    if args.len() > 4 || args.len() == 4 && !with_values {
        return Err(WireError::Syntax);
    }
    if with_values && count.is_some_and(|count| count.unsigned_abs() > i64::MAX as u64 / 2) {
        return Err(WireError::fixed("ERR value is out of range"));
    }
    let found = ctx.keyspace().read(&args[1]);
    let Some(found) = found.map(|entry| entry.collection(Kind::Hash)).transpose()? else {
        match count {
            Some(_) => reply.array(0),
            None => reply.null(),
        }
        return Ok(Flow::Next);
    };
    let hash = found.hash();
    let rng = ctx.local.rng();
    let Some(count) = count else {
        match hash.at(rng.below(hash.len().max(1))) {
            Some(known) => write_item(reply, known.field),
            None => reply.null(),
        }
        return Ok(Flow::Next);
    };
    if count < 0 && !hash.is_empty() {
        let said = if with_values { Said::Couples } else { Said::Fields };
        return long_reply::answer_random(ctx, found, said, count.unsigned_abs(), reply);
    }
    let places = random_places(rng, hash.len(), count.unsigned_abs());
    let pairs = with_values && reply.protocol() == Protocol::Resp3;
    reply.array(if with_values && !pairs { 2 * places.len() } else { places.len() });
    for known in places.iter().filter_map(|&place| hash.at(place)) {
        if pairs {
            reply.array(2);
        }
        write_item(reply, known.field);
        if with_values {
            write_item(reply, known.value);
        }
    }
    Ok(Flow::Next)
}
