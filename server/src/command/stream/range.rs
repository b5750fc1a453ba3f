//! XRANGE and XREVRANGE, and writing entries.

use super::{find, ids};
use crate::command::long_reply::{self, Said, Stretch};
use crate::command::value::integer;
use crate::command::{Ctx, Flow, Outcome};
use crate::types::collection::stream::StreamEntry;
use crate::types::collection::{Stream, StreamId};
use torc_protocol::{Args, Reply, WireError};

/// `XRANGE key start end [COUNT count]`
pub(crate) fn xrange(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    range(ctx, args, ids::interval(&args[2], &args[3])?, false, reply)
}

/// `XREVRANGE key end start [COUNT count]`
pub(crate) fn xrevrange(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    range(ctx, args, ids::interval(&args[3], &args[2])?, true, reply)
}

fn range(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    (from, to): (StreamId, StreamId),
    reverse: bool,
    reply: &mut Reply<'_>,
) -> Outcome {
    let mut count = None;
    let mut at = 4;
    while at < args.len() {
        let value = args.get(at + 1).filter(|_| args.is(at, "COUNT")).ok_or(WireError::Syntax)?;
        count = Some(integer(value)?);
        at += 2;
    }
    let Some(found) = find(ctx, &args[1])? else {
        reply.array(0);
        return Ok(Flow::Next);
    };
    let Ok(count) = u64::try_from(count.unwrap_or(i64::MAX)) else {
        reply.null_array();
        return Ok(Flow::Next);
    };
    if count == 0 {
        reply.null_array();
        return Ok(Flow::Next);
    }
    let stretch = stretch(&found.stream(), (from, to), reverse, count);
    long_reply::answer(ctx, found, Said::Entries, stretch, reply)
}

/// Where the entries of an interval lie, or the first `count` of them, with all of the same id as the last of these.
fn stretch(
    stream: &Stream,
    (from, to): (StreamId, StreamId),
    reverse: bool,
    count: u64,
) -> Stretch {
    let (first, end) = (stream.rank(from), to.next());
    let behind = end.map_or(stream.entries_len(), |end| stream.rank(end));
    let (mut from, mut to) = (first, behind.max(first));
    if count < to - from {
        let id_at = |index: u64| stream.by_index(index).next().map(|entry| entry.id);
        if reverse {
            from = to - count;
            while from > first && id_at(from) == id_at(from - 1) {
                from -= 1;
            }
        } else {
            to = from + count;
            while to < behind && id_at(to) == id_at(to - 1) {
                to += 1;
            }
        }
    }
    Stretch { from, to, reverse }
}

/// The first `count` of some entries, and those of the same id as the last of these: whoever goes on behind it would miss them.
pub(super) fn up_to<'s>(
    entries: impl Iterator<Item = StreamEntry<'s>>,
    count: u64,
) -> impl Iterator<Item = StreamEntry<'s>> {
    let (mut left, mut last) = (count, None);
    entries.take_while(move |entry| {
        if left == 0 && last != Some(entry.id) {
            return false;
        }
        left = left.saturating_sub(1);
        last = Some(entry.id);
        true
    })
}

/// Writes entries in an array; returns how many.
pub(super) fn write_range(
    reply: &mut Reply<'_>,
    stream: &Stream,
    (from, to): (StreamId, StreamId),
    reverse: bool,
    count: u64,
) -> u64 {
    // Their number stands before them and is known behind them.
    let (mut out, mut written) = (Vec::new(), 0);
    let mut entries = Reply::new(&mut out, reply.protocol());
    for entry in up_to(stream.range(from, to, reverse), count) {
        write_entry(&mut entries, &entry);
        written += 1;
    }
    reply.array(written as usize);
    reply.raw(&out);
    written
}

/// Writes an entry.
pub(in crate::command) fn write_entry(reply: &mut Reply<'_>, entry: &StreamEntry<'_>) {
    reply.array(2);
    write_id(reply, entry.id);
    reply.array(2 * entry.fields.len());
    let mut buffer = itoa::Buffer::new();
    for (name, value) in entry.fields.iter() {
        reply.bulk(name.text(&mut buffer));
        reply.bulk(value.text(&mut buffer));
    }
}

/// Writes an id.
pub(super) fn write_id(reply: &mut Reply<'_>, id: StreamId) {
    let mut text = Vec::with_capacity(41);
    let mut buffer = itoa::Buffer::new();
    text.extend_from_slice(buffer.format(id.ms).as_bytes());
    text.push(b'-');
    text.extend_from_slice(buffer.format(id.seq).as_bytes());
    reply.bulk(&text);
}
