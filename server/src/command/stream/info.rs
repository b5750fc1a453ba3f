//! XINFO: streams, groups and consumers described.

use super::range::{write_entry, write_id, write_range};
use super::{bad_subcommand, find, no_group_in};
use crate::base::clock::UnixMs;
use crate::command::value::{help_lines, integer};
use crate::command::{Ctx, Flow, Outcome};
use crate::store::CollectionRef;
use crate::types::collection::stream::{ConsumerView, GroupView, Progress};
use crate::types::collection::{Stream, StreamId};
use torc_protocol::{Args, Reply, WireError};

/// What FULL shows of each list where no COUNT says otherwise.
const COUNT_DEFAULT: u64 = 10;

/// `XINFO HELP`
pub(crate) fn xinfo(_: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    help_lines(
        reply,
        &[
            "XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            "CONSUMERS <key> <group>",
            "    The consumers of a group.",
            "GROUPS <key>",
            "    The groups of a stream.",
            "STREAM <key> [FULL [COUNT <count>]]",
            "    The stream, and with FULL what is in it.",
            "HELP",
            "    These lines.",
        ],
    )
}

fn found<'g>(ctx: &mut Ctx<'g>, key: &[u8]) -> Result<CollectionRef<'g>, WireError> {
    find(ctx, key)?.ok_or(WireError::NoSuchKey)
}

fn field(reply: &mut Reply<'_>, name: &str) {
    reply.bulk(name.as_bytes());
}

fn number(reply: &mut Reply<'_>, name: &str, value: u64) {
    field(reply, name);
    reply.integer(value as i64);
}

fn id(reply: &mut Reply<'_>, name: &str, value: StreamId) {
    field(reply, name);
    write_id(reply, value);
}

fn number_or_null(reply: &mut Reply<'_>, name: &str, value: Option<i64>) {
    field(reply, name);
    match value {
        Some(value) => reply.integer(value),
        None => reply.null(),
    }
}

/// `XINFO CONSUMERS key group`
pub(crate) fn xinfo_consumers(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let now = ctx.now;
    let found = found(ctx, &args[2])?;
    let stream = found.stream();
    let group = stream.group(&args[3]).ok_or_else(|| no_group_in(&args[2], &args[3]))?;
    reply.array(group.consumers().count());
    group.consumers().for_each(|consumer| write_consumer(reply, consumer, now));
    Ok(Flow::Next)
}

fn write_consumer(reply: &mut Reply<'_>, consumer: ConsumerView<'_>, now: UnixMs) {
    let (state, now) = (consumer.state(), now as i64);
    reply.map(4);
    field(reply, "name");
    reply.bulk(consumer.name());
    number(reply, "pending", consumer.pending_len());
    field(reply, "idle");
    reply.integer(now.saturating_sub(state.seen_ms).max(0));
    field(reply, "inactive");
    reply.integer(state.active_ms.map_or(-1, |active| now.saturating_sub(active)));
}

/// `XINFO GROUPS key`
pub(crate) fn xinfo_groups(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let found = found(ctx, &args[2])?;
    let stream = found.stream();
    let progress = Progress::of(&stream);
    reply.array(stream.groups().count());
    for group in stream.groups() {
        let state = group.state();
        reply.map(6);
        field(reply, "name");
        reply.bulk(group.name());
        number(reply, "consumers", group.consumers().count() as u64);
        number(reply, "pending", group.pending_len());
        id(reply, "last-delivered-id", state.last_id);
        number_or_null(reply, "entries-read", state.entries_read.map(|read| read as i64));
        number_or_null(reply, "lag", progress.lag(&state));
    }
    Ok(Flow::Next)
}

/// `XINFO STREAM key [FULL [COUNT count]]`
pub(crate) fn xinfo_stream(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let found = found(ctx, &args[2])?.detach();
    let stream = found.stream();
    let full = full(args)?;
    let progress = Progress::of(&stream);
    let (keys, nodes) = stream.radix_tree();
    reply.map(if full.is_some() { 9 } else { 10 });
    number(reply, "length", progress.len);
    number(reply, "radix-tree-keys", keys);
    number(reply, "radix-tree-nodes", nodes);
    id(reply, "last-generated-id", progress.meta.last_id);
    id(reply, "max-deleted-entry-id", progress.meta.max_deleted_id);
    number(reply, "entries-added", progress.meta.entries_added);
    id(reply, "recorded-first-entry-id", progress.first_id());
    match full {
        Some(count) => write_full(reply, &stream, &progress, count),
        None => {
            number(reply, "groups", stream.groups().count() as u64);
            for (name, entry) in [("first-entry", stream.first()), ("last-entry", stream.last())] {
                field(reply, name);
                match entry {
                    Some(entry) => write_entry(reply, &entry),
                    None => reply.null(),
                }
            }
        }
    }
    Ok(Flow::Next)
}

/// How much of each list FULL shows; none without FULL.
fn full(args: Args<'_>) -> Result<Option<u64>, WireError> {
    let refused = || bad_subcommand("XINFO", &args[1]);
    let count = match args.len() - 3 {
        0 => return Ok(None),
        1 | 3 if !args.is(3, "FULL") => return Err(refused()),
        1 => COUNT_DEFAULT,
        3 if args.is(4, "COUNT") => u64::try_from(integer(&args[5])?).unwrap_or(COUNT_DEFAULT),
        _ => return Err(refused()),
    };
    Ok(Some(if count == 0 { u64::MAX } else { count }))
}

fn write_full(reply: &mut Reply<'_>, stream: &Stream, progress: &Progress, count: u64) {
    field(reply, "entries");
    write_range(reply, stream, (StreamId::MIN, StreamId::MAX), false, count);
    field(reply, "groups");
    reply.array(stream.groups().count());
    stream.groups().for_each(|group| write_group(reply, group, progress, count));
}

fn write_group(reply: &mut Reply<'_>, group: GroupView<'_>, progress: &Progress, count: u64) {
    let state = group.state();
    let shown = |len: u64| usize::try_from(len.min(count)).unwrap_or(usize::MAX);
    reply.map(7);
    field(reply, "name");
    reply.bulk(group.name());
    id(reply, "last-delivered-id", state.last_id);
    number_or_null(reply, "entries-read", state.entries_read.map(|read| read as i64));
    number_or_null(reply, "lag", progress.lag(&state));
    number(reply, "pel-count", group.pending_len());
    field(reply, "pending");
    let taken = shown(group.pending_len());
    reply.array(taken);
    for pending in group.pending(StreamId::MIN, StreamId::MAX).take(taken) {
        reply.array(4);
        write_id(reply, pending.id);
        reply.bulk(pending.consumer);
        reply.integer(pending.delivered_ms);
        reply.integer(pending.deliveries as i64);
    }
    field(reply, "consumers");
    reply.array(group.consumers().count());
    for consumer in group.consumers() {
        let state = consumer.state();
        reply.map(5);
        field(reply, "name");
        reply.bulk(consumer.name());
        field(reply, "seen-time");
        reply.integer(state.seen_ms);
        field(reply, "active-time");
        reply.integer(state.active_ms.unwrap_or(-1));
        number(reply, "pel-count", consumer.pending_len());
        field(reply, "pending");
        let taken = shown(consumer.pending_len());
        reply.array(taken);
        for pending in consumer.pending(StreamId::MIN, StreamId::MAX).take(taken) {
            reply.array(3);
            write_id(reply, pending.id);
            reply.integer(pending.delivered_ms);
            reply.integer(pending.deliveries as i64);
        }
    }
}
