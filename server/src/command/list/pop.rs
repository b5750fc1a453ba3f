//! Taking elements off lists, and moving them to others.

use super::End;
use crate::admin::pubsub::notify::Events;
use crate::command::collection::{notify_removed, pop_count};
use crate::command::value::integer;
use crate::command::{Ctx, Flow, Outcome};
use crate::store::{Edit, Kind};
use crate::types::collection::List;
use torc_protocol::{Args, Reply, WireError};

/// `LPOP key [count]`
pub(crate) fn lpop(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    pop(ctx, args, End::Left, "lpop", reply)
}

/// `RPOP key [count]`
pub(crate) fn rpop(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    pop(ctx, args, End::Right, "rpop", reply)
}

fn pop(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    end: End,
    name: &'static str,
    reply: &mut Reply<'_>,
) -> Outcome {
    if args.len() > 3 {
        return Err(WireError::WrongArity(name.into()));
    }
    let count = match args.get(2) {
        Some(text) => {
            let count = integer(text).ok().and_then(|count| u64::try_from(count).ok());
            let refused = WireError::fixed("ERR value is out of range, must be positive");
            Some(count.ok_or(refused)?)
        }
        None => None,
    };
    let popped = pop_from(ctx, &args[1], end, count.unwrap_or(1))?;
    match (count, popped) {
        (None, None) => reply.null(),
        (Some(_), None) => reply.null_array(),
        (None, Some(popped)) => popped.iter().for_each(|element| reply.bulk(element)),
        (Some(_), Some(popped)) => write_all(reply, &popped),
    }
    Ok(Flow::Next)
}

fn write_all(reply: &mut Reply<'_>, elements: &[Vec<u8>]) {
    reply.array(elements.len());
    elements.iter().for_each(|element| reply.bulk(element));
}

/// Writes elements with the key that they were popped from.
pub(crate) fn write_popped(reply: &mut Reply<'_>, key: &[u8], popped: &[Vec<u8>]) {
    reply.array(2);
    reply.bulk(key);
    write_all(reply, popped);
}

/// Elements that were taken off a list.
struct Taken {
    /// The outermost first.
    elements: Vec<Vec<u8>>,
    /// Whether no other was left.
    emptied: bool,
}

/// Takes up to `count` elements off an end; none if there is no list. Subscribers are not told yet.
fn take(ctx: &mut Ctx<'_>, key: &[u8], end: End, count: u64) -> Result<Option<Taken>, WireError> {
    ctx.keyspace().edit(key, |list: &mut Edit<'_, List>| {
        let len = list.view().len();
        let count = count.min(len);
        let (from, to) = match end {
            End::Left => (0, count),
            End::Right => (len - count, len),
        };
        let elements = list.view().range(from, to, end == End::Right);
        let elements = elements.map(|element| element.value.to_vec()).collect();
        list.remove(from, to);
        Ok((len > 0).then_some(Taken { elements, emptied: list.view().is_empty() }))
    })
}

/// Pops up to `count` elements, the outermost first; none if there is no list.
pub(crate) fn pop_from(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    end: End,
    count: u64,
) -> Result<Option<Vec<Vec<u8>>>, WireError> {
    let Some(taken) = take(ctx, key, end, count)? else { return Ok(None) };
    if !taken.elements.is_empty() {
        notify_removed(ctx, Events::LIST, end.popped(), key, taken.emptied);
    }
    Ok(Some(taken.elements))
}

/// `LMPOP numkeys key … LEFT|RIGHT [COUNT count]`
pub(crate) fn lmpop(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let asked = Popping::parse(args, 1)?;
    for key in args.iter().skip(2).take(asked.keys) {
        if let Some(popped) = pop_from(ctx, key, asked.end, asked.count)? {
            write_popped(reply, key, &popped);
            return Ok(Flow::Next);
        }
    }
    reply.null_array();
    Ok(Flow::Next)
}

/// What LMPOP and BLMPOP are asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Popping {
    /// Number of keys.
    pub(crate) keys: usize,
    /// From which end.
    pub(crate) end: End,
    /// How many elements at most.
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
        let end = End::parse(args, place)?;
        let count = pop_count(args, place + 1)?;
        Ok(Popping { keys, end, count })
    }
}

/// `LMOVE source destination LEFT|RIGHT LEFT|RIGHT`
pub(crate) fn lmove(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (from, to) = (End::parse(args, 3)?, End::parse(args, 4)?);
    move_element(ctx, (&args[1], from), (&args[2], to), reply)
}

/// `RPOPLPUSH source destination`
pub(crate) fn rpoplpush(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    move_element(ctx, (&args[1], End::Right), (&args[2], End::Left), reply)
}

fn move_element(
    ctx: &mut Ctx<'_>,
    from: (&[u8], End),
    to: (&[u8], End),
    reply: &mut Reply<'_>,
) -> Outcome {
    match move_between(ctx, from, to)? {
        Some(element) => reply.bulk(&element),
        None => reply.null(),
    }
    Ok(Flow::Next)
}

/// Takes an element off one list and puts it on another, in one step; none if there is no source.
pub(crate) fn move_between(
    ctx: &mut Ctx<'_>,
    (source, from): (&[u8], End),
    (destination, to): (&[u8], End),
) -> Result<Option<Vec<u8>>, WireError> {
    if source == destination {
        return rotate(ctx, source, from, to);
    }
    let moved = ctx.as_one_step(&[source, destination], |ctx| {
        // The destination's type is looked at only where there is something to move.
        if ctx.keyspace().peek(source).is_some()
            && let Some(entry) = ctx.keyspace().peek(destination)
        {
            ctx.keyspace().peek(source).map(|entry| entry.collection(Kind::List)).transpose()?;
            entry.collection(Kind::List)?;
        }
        let Some(taken) = take(ctx, source, from, 1)? else { return Ok(None) };
        let Some(element) = taken.elements.into_iter().next() else { return Ok(None) };
        ctx.keyspace().edit(destination, |list: &mut Edit<'_, List>| {
            to.push(list, &element);
            Ok::<_, WireError>(())
        })?;
        Ok::<_, WireError>(Some((element, taken.emptied)))
    })?;
    let Some((element, emptied)) = moved else { return Ok(None) };
    ctx.notify(Events::LIST, to.pushed(), destination);
    notify_removed(ctx, Events::LIST, from.popped(), source, emptied);
    Ok(Some(element))
}

/// Moves an element from one end of a list to the other, or takes it off and puts it back.
fn rotate(ctx: &mut Ctx<'_>, key: &[u8], from: End, to: End) -> Result<Option<Vec<u8>>, WireError> {
    let moved = ctx.keyspace().edit(key, |list: &mut Edit<'_, List>| {
        let len = list.view().len();
        let index = if from == End::Left { 0 } else { len.saturating_sub(1) };
        let Some(element) = list.view().get(index).map(|element| element.to_vec()) else {
            return Ok(None);
        };
        list.remove(index, index + 1);
        to.push(list, &element);
        Ok::<_, WireError>(Some(element))
    })?;
    if moved.is_some() {
        ctx.notify(Events::LIST, to.pushed(), key);
        ctx.notify(Events::LIST, from.popped(), key);
    }
    Ok(moved)
}
