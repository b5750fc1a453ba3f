//! SPOP and SRANDMEMBER.

use crate::admin::pubsub::notify::Events;
use crate::command::collection::{notify_removed, random_count, random_places, write_item};
use crate::command::long_reply::{self, Said};
use crate::command::value::integer;
use crate::command::{Ctx, Flow, Outcome};
use crate::store::{Edit, Kind};
use crate::types::collection::Set;
use torc_protocol::{Args, Reply, WireError};

/// `SPOP key [count]`
pub(crate) fn spop(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    if args.len() > 3 {
        return Err(WireError::Syntax);
    }
    let count = match args.get(2) {
        Some(text) => Some(
            u64::try_from(integer(text).map_err(|_| out_of_range())?)
                .map_err(|_| out_of_range())?,
        ),
        None => None,
    };
    let mut rng = ctx.local.rng().fork();
    let mut popped: Vec<Vec<u8>> = Vec::new();
    let emptied = ctx.keyspace().edit(&args[1], |set: &mut Edit<'_, Set>| {
        let len = set.view().len();
        let places = random_places(&mut rng, len, count.unwrap_or(1));
        let members = places.iter().filter_map(|&place| set.view().at(place));
        popped = members.map(|known| known.member.to_vec()).collect();
        popped.iter().for_each(|member| {
            set.remove(member);
        });
        Ok::<_, WireError>(set.view().is_empty())
    })?;
    if !popped.is_empty() {
        notify_removed(ctx, Events::SET, "spop", &args[1], emptied);
    }
    match (count, popped.first()) {
        (None, Some(member)) => reply.bulk(member),
        (None, None) => reply.null(),
        (Some(_), _) => {
            reply.set(popped.len());
            popped.iter().for_each(|member| reply.bulk(member));
        }
    }
    Ok(Flow::Next)
}

fn out_of_range() -> WireError {
    WireError::fixed("ERR value is out of range, must be positive")
}

/// `SRANDMEMBER key [count]`
pub(crate) fn srandmember(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    if args.len() > 3 {
        return Err(WireError::Syntax);
    }
    let count = args.get(2).map(random_count).transpose()?;
    let found = ctx.keyspace().read(&args[1]);
    let Some(found) = found.map(|entry| entry.collection(Kind::Set)).transpose()? else {
        match count {
            Some(_) => reply.array(0),
            None => reply.null(),
        }
        return Ok(Flow::Next);
    };
    let (set, rng) = (found.set(), ctx.local.rng());
    let Some(count) = count else {
        match set.at(rng.below(set.len().max(1))) {
            Some(known) => write_item(reply, known.member),
            None => reply.null(),
        }
        return Ok(Flow::Next);
    };
    if count < 0 && !set.is_empty() {
        let count = count.unsigned_abs();
        return long_reply::answer_random(ctx, found, Said::Members, count, reply);
    }
    let places = random_places(rng, set.len(), count.unsigned_abs());
    reply.array(places.len());
    let members = places.iter().filter_map(|&place| set.at(place));
    members.for_each(|known| write_item(reply, known.member));
    Ok(Flow::Next)
}
