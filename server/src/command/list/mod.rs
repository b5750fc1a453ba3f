//! Lists.
//!
//! Source: redis.io, the commands of the group "list".

mod blocking;
mod pop;
mod position;
#[cfg(test)]
mod tests;

pub(crate) use blocking::{blmove, blmpop, blpop, brpop, brpoplpush};
pub(crate) use pop::{lmove, lmpop, lpop, rpop, rpoplpush};
pub(super) use pop::{move_between, pop_from, write_popped};
pub(crate) use position::lpos;

use super::collection::{notify_removed, write_item_or_null};
use super::long_reply::{self, Said, Stretch};
use super::value::integer;
use super::{Ctx, Flow, Outcome};
use crate::admin::pubsub::notify::Events;
use crate::store::{Edit, Kind};
use crate::types::collection::{List, ListView};
use torc_protocol::{Args, Reply, WireError};

/// One end of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The front.
    Left,
    /// The end.
    Right,
}

impl End {
    /// The end that argument `index` names.
    pub(crate) fn parse(args: Args<'_>, index: usize) -> Result<Self, WireError> {
        match (args.is(index, "LEFT"), args.is(index, "RIGHT")) {
            (true, _) => Ok(End::Left),
            (_, true) => Ok(End::Right),
            _ => Err(WireError::Syntax),
        }
    }

    /// The front, or else the end.
    pub(super) fn of(front: bool) -> Self {
        if front { End::Left } else { End::Right }
    }

    /// Adds an element here.
    fn push(self, list: &mut Edit<'_, List>, element: &[u8]) {
        match self {
            End::Left => list.push_front(element),
            End::Right => list.push_back(element),
        }
    }

    /// What subscribers are told of an element that was pushed here.
    pub(super) fn pushed(self) -> &'static str {
        match self {
            End::Left => "lpush",
            End::Right => "rpush",
        }
    }

    /// What subscribers are told of an element that was popped here.
    pub(super) fn popped(self) -> &'static str {
        match self {
            End::Left => "lpop",
            End::Right => "rpop",
        }
    }
}

/// Runs `read` on the list at `key`, or on an empty one if there is none.
fn with_list<R>(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    read: impl FnOnce(ListView<'_>) -> R,
) -> Result<R, WireError> {
    match ctx.keyspace().read(key) {
        Some(entry) => Ok(read(entry.collection(Kind::List)?.list())),
        None => Ok(read(List::new().view())),
    }
}

/// An index as clients count, from the end if negative, in a list of `len` elements; none before the first. It may lie behind the last.
fn index_in(index: i64, len: u64) -> Option<u64> {
    match index {
        0.. => Some(index as u64),
        _ => len.checked_sub(index.unsigned_abs()),
    }
}

/// From where up to but not with where clients' `start` and `end` reach.
fn range_in(start: i64, end: i64, len: u64) -> (u64, u64) {
    let from = index_in(start, len).unwrap_or(0);
    let to = index_in(end, len).map_or(0, |end| end.saturating_add(1).min(len));
    if from < to { (from, to) } else { (0, 0) }
}

/// `LLEN key`
pub(crate) fn llen(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let len = with_list(ctx, &args[1], |list| list.len())?;
    reply.integer(len as i64);
    Ok(Flow::Next)
}

/// `LINDEX key index`
pub(crate) fn lindex(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let Some(entry) = ctx.keyspace().read(&args[1]) else {
        reply.null();
        return Ok(Flow::Next);
    };
    let found = entry.collection(Kind::List)?;
    let index = index_in(integer(&args[2])?, found.list().len());
    write_item_or_null(reply, index.and_then(|index| found.list().get(index)));
    Ok(Flow::Next)
}

/// `LRANGE key start stop`
pub(crate) fn lrange(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (start, end) = (integer(&args[2])?, integer(&args[3])?);
    let Some(entry) = ctx.keyspace().read(&args[1]) else {
        return long_reply::answer_nothing(Said::Elements, reply);
    };
    let found = entry.collection(Kind::List)?;
    let (from, to) = range_in(start, end, found.list().len());
    let stretch = Stretch { from, to, reverse: false };
    long_reply::answer(ctx, found, Said::Elements, stretch, reply)
}

/// `LPUSH key element …`
pub(crate) fn lpush(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    push(ctx, args, End::Left, false, reply)
}

/// `RPUSH key element …`
pub(crate) fn rpush(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    push(ctx, args, End::Right, false, reply)
}

/// `LPUSHX key element …`
pub(crate) fn lpushx(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    push(ctx, args, End::Left, true, reply)
}

/// `RPUSHX key element …`
pub(crate) fn rpushx(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    push(ctx, args, End::Right, true, reply)
}

fn push(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    end: End,
    must_exist: bool,
    reply: &mut Reply<'_>,
) -> Outcome {
    let len = ctx.keyspace().edit(&args[1], |list: &mut Edit<'_, List>| {
        if must_exist && list.view().is_empty() {
            return Ok(0);
        }
        for element in args.iter().skip(2) {
            end.push(list, element);
        }
        Ok::<_, WireError>(list.view().len())
    })?;
    if len > 0 {
        ctx.notify(Events::LIST, end.pushed(), &args[1]);
    }
    reply.integer(len as i64);
    Ok(Flow::Next)
}

/// `LSET key index element`
pub(crate) fn lset(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    ctx.keyspace().edit(&args[1], |list: &mut Edit<'_, List>| {
        let len = list.view().len();
        if len == 0 {
            return Err(WireError::NoSuchKey);
        }
        match index_in(integer(&args[2])?, len).filter(|&index| index < len) {
            Some(index) => list.set(index, &args[3]),
            None => return Err(WireError::IndexOutOfRange),
        };
        Ok(())
    })?;
    ctx.notify(Events::LIST, "lset", &args[1]);
    reply.ok();
    Ok(Flow::Next)
}

/// `LINSERT key BEFORE|AFTER pivot element`
pub(crate) fn linsert(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let before = args.is(2, "BEFORE");
    if !before && !args.is(2, "AFTER") {
        return Err(WireError::Syntax);
    }
    let len = ctx.keyspace().edit(&args[1], |list: &mut Edit<'_, List>| {
        if list.view().is_empty() {
            return Ok(0);
        }
        let Some(pivot) = list.view().find(&args[3], 0) else { return Ok(-1) };
        list.insert(if before { pivot } else { pivot + 1 }, &args[4], before);
        Ok::<_, WireError>(list.view().len() as i64)
    })?;
    if len > 0 {
        ctx.notify(Events::LIST, "linsert", &args[1]);
    }
    reply.integer(len);
    Ok(Flow::Next)
}

/// `LREM key count element`
pub(crate) fn lrem(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let count = integer(&args[2])?;
    let wanted = if count == 0 { u64::MAX } else { count.unsigned_abs() };
    let (removed, emptied) = ctx.keyspace().edit(&args[1], |list: &mut Edit<'_, List>| {
        let mut removed = 0;
        let mut from = if count < 0 { list.view().len() } else { 0 };
        while removed < wanted {
            let found = match count < 0 {
                true => list.view().find_back(&args[3], from),
                false => list.view().find(&args[3], from),
            };
            let Some(index) = found else { break };
            list.remove(index, index + 1);
            removed += 1;
            from = index;
        }
        Ok::<_, WireError>((removed, list.view().is_empty()))
    })?;
    if removed > 0 {
        notify_removed(ctx, Events::LIST, "lrem", &args[1], emptied);
    }
    reply.integer(removed as i64);
    Ok(Flow::Next)
}

/// `LTRIM key start stop`
pub(crate) fn ltrim(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (start, end) = (integer(&args[2])?, integer(&args[3])?);
    let (existed, emptied) = ctx.keyspace().edit(&args[1], |list: &mut Edit<'_, List>| {
        let len = list.view().len();
        let (from, to) = range_in(start, end, len);
        list.remove(to, len);
        list.remove(0, from);
        Ok::<_, WireError>((len > 0, list.view().is_empty()))
    })?;
    if existed {
        notify_removed(ctx, Events::LIST, "ltrim", &args[1], emptied);
    }
    reply.ok();
    Ok(Flow::Next)
}
