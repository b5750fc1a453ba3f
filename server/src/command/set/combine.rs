//! Sets of sets: intersections, unions and differences.

use crate::admin::pubsub::notify::Events;
use crate::command::collection::{notify_stored, numbered_keys};
use crate::command::gathered::Combined;
use crate::command::value::integer;
use crate::command::{Ctx, Flow, Outcome};
use crate::store::{Collection, CollectionRef, Expiry, Kind};
use crate::types::collection::{Limits, Set, SetView, Stamp};
use crate::types::rdb::Bounds;
use torc_protocol::{Args, Reply, WireError};

/// How sets are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Inter,
    Union,
    Diff,
}

/// `SINTER key …`
pub(crate) fn sinter(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    answer(ctx, args, How::Inter, reply)
}

/// `SUNION key …`
pub(crate) fn sunion(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    answer(ctx, args, How::Union, reply)
}

/// `SDIFF key …`
pub(crate) fn sdiff(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    answer(ctx, args, How::Diff, reply)
}

/// `SINTERSTORE destination key …`
pub(crate) fn sinterstore(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    store(ctx, args, How::Inter, reply)
}

/// `SUNIONSTORE destination key …`
pub(crate) fn sunionstore(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    store(ctx, args, How::Union, reply)
}

/// `SDIFFSTORE destination key …`
pub(crate) fn sdiffstore(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    store(ctx, args, How::Diff, reply)
}

/// `SINTERCARD numkeys key … [LIMIT limit]`
pub(crate) fn sintercard(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (count, limit) = card_options(args)?;
    let sets = read_all(ctx, args, 2, count)?;
    reply.integer(card(&views(&sets), limit) as i64);
    Ok(Flow::Next)
}

/// The number of keys of SINTERCARD, and its limit, or 0.
fn card_options(args: Args<'_>) -> Result<(usize, u64), WireError> {
    let count = numbered_keys(args, 1)?;
    let mut limit = 0;
    let mut index = 2 + count;
    while index < args.len() {
        let Some(value) = args.get(index + 1).filter(|_| args.is(index, "LIMIT")) else {
            return Err(WireError::Syntax);
        };
        limit = integer(value)
            .ok()
            .and_then(|limit| u64::try_from(limit).ok())
            .ok_or(WireError::fixed("ERR LIMIT can't be negative"))?;
        index += 2;
    }
    Ok((count, limit))
}

/// The errors of SINTERCARD's arguments.
pub(crate) fn check_card(args: Args<'_>) -> Result<(), WireError> {
    card_options(args).map(|_| ())
}

/// How many members all sets have, up to `limit` if that is not 0.
fn card(sets: &[Option<SetView<'_>>], limit: u64) -> u64 {
    let mut found = 0;
    inter(sets, &mut |_| {
        found += 1;
        limit == 0 || found < limit
    });
    found
}

/// What the command `name` comes to with sets that were fetched.
pub(crate) fn combine_fetched(
    name: &str,
    args: Args<'_>,
    fetched: Vec<Option<Collection>>,
    bounds: &Bounds,
) -> Result<Combined, WireError> {
    let card_limit = match name {
        "sintercard" => Some(card_options(args)?.1),
        _ => None,
    };
    let of_set = |found: Collection| match found {
        Collection::Set(set) => Ok(set),
        _ => Err(WireError::WrongType),
    };
    let sets = fetched.into_iter().map(|found| found.map(of_set).transpose());
    let sets = sets.collect::<Result<Vec<Option<Set>>, WireError>>()?;
    let views: Vec<Option<SetView<'_>>> =
        sets.iter().map(|set| set.as_ref().map(Set::view)).collect();
    if let Some(limit) = card_limit {
        return Ok(Combined::Count(card(&views, limit)));
    }
    let how = match name {
        "sinter" | "sinterstore" => How::Inter,
        "sunion" | "sunionstore" => How::Union,
        _ => How::Diff,
    };
    Ok(Combined::Set(combine(&views, how, &bounds.set)))
}

/// Writes all members.
pub(crate) fn write_all(reply: &mut Reply<'_>, set: &Set) {
    reply.set(set.view().len() as usize);
    let mut buffer = itoa::Buffer::new();
    set.view().iter().for_each(|known| reply.bulk(known.member.text(&mut buffer)));
}

/// The sets at `count` arguments from `first` on, as they were together.
fn read_all<'g>(
    ctx: &mut Ctx<'g>,
    args: Args<'_>,
    first: usize,
    count: usize,
) -> Result<Vec<Option<CollectionRef<'g>>>, WireError> {
    let mut sets = Vec::with_capacity(count);
    ctx.keyspace().read_together(
        count,
        |index| &args[first + index],
        |found| {
            sets.push(found.map(|entry| entry.collection(Kind::Set)).transpose()?);
            Ok::<_, WireError>(())
        },
    )?;
    Ok(sets)
}

fn views<'s>(sets: &'s [Option<CollectionRef<'_>>]) -> Vec<Option<SetView<'s>>> {
    sets.iter().map(|set| set.as_ref().map(CollectionRef::set)).collect()
}

fn answer(ctx: &mut Ctx<'_>, args: Args<'_>, how: How, reply: &mut Reply<'_>) -> Outcome {
    let limits = ctx.keyspace().limits(Kind::Set);
    let sets = read_all(ctx, args, 1, args.len() - 1)?;
    write_all(reply, &combine(&views(&sets), how, &limits));
    Ok(Flow::Next)
}

fn store(ctx: &mut Ctx<'_>, args: Args<'_>, how: How, reply: &mut Reply<'_>) -> Outcome {
    let mut keyspace = ctx.keyspace();
    let limits = keyspace.limits(Kind::Set);
    let keys: Vec<&[u8]> = args.iter().skip(1).collect();
    let mut transaction = keyspace.transaction(&keys);
    let mut sets = Vec::with_capacity(keys.len() - 1);
    for key in &keys[1..] {
        let found = transaction.look_up(key);
        sets.push(found.map(|entry| entry.collection(Kind::Set)).transpose()?);
    }
    let result = combine(&views(&sets), how, &limits);
    drop(sets);
    let len = result.view().len();
    let replaced = transaction.read(&args[1]).is_some();
    transaction.put_collection(&args[1], result.into(), Expiry::Never);
    transaction.commit();
    let event = match how {
        How::Inter => "sinterstore",
        How::Union => "sunionstore",
        How::Diff => "sdiffstore",
    };
    notify_stored(ctx, Events::SET, event, (&args[1], replaced), len);
    reply.integer(len as i64);
    Ok(Flow::Next)
}

/// The combined set. An absent one is empty.
fn combine(sets: &[Option<SetView<'_>>], how: How, limits: &Limits) -> Set {
    let mut result = Set::new();
    let mut add = |member: &[u8]| {
        result.insert(member, Stamp::NONE, limits);
        true
    };
    match how {
        How::Inter => inter(sets, &mut add),
        How::Union => {
            let mut buffer = itoa::Buffer::new();
            for known in sets.iter().flatten().flat_map(|set| set.iter()) {
                add(known.member.text(&mut buffer));
            }
        }
        How::Diff => {
            let Some((Some(first), others)) = sets.split_first() else { return result };
            let mut buffer = itoa::Buffer::new();
            for known in first.iter() {
                let member = known.member.text(&mut buffer);
                if !others.iter().flatten().any(|other| other.contains(member)) {
                    add(member);
                }
            }
        }
    }
    result
}

/// Calls `visit` with each member that all sets have, until it answers false. Goes by the smallest.
fn inter(sets: &[Option<SetView<'_>>], visit: &mut dyn FnMut(&[u8]) -> bool) {
    if sets.iter().any(Option::is_none) {
        return;
    }
    let Some(smallest) =
        (0..sets.len()).min_by_key(|&index| sets[index].map_or(0, |set| set.len()))
    else {
        return;
    };
    let others = || sets.iter().enumerate().filter(|&(index, _)| index != smallest);
    let mut buffer = itoa::Buffer::new();
    for known in sets[smallest].iter().flat_map(|set| set.iter()) {
        let member = known.member.text(&mut buffer);
        let in_all = others().all(|(_, set)| set.is_some_and(|set| set.contains(member)));
        if in_all && !visit(member) {
            return;
        }
    }
}
