//! XREAD and XREADGROUP: entries behind an id, of several streams, waited for if there are none.

use super::group::create_consumer;
use super::range::{up_to, write_entry, write_id, write_range};
use super::{find, ids, no_group, with_stream};
use crate::admin::blocked::{Behind, ReadAs, Reading, Want};
use crate::admin::pubsub::notify::Events;
use crate::base::clock::UnixMs;
use crate::command::blocking::{deadline_ms, wait_for_streams};
use crate::command::value::integer;
use crate::command::{Ctx, Flow, Outcome};
use crate::store::Edit;
use crate::types::collection::stream::{ConsumerState, Progress, StreamEntry};
use crate::types::collection::{Stream, StreamId};
use torc_protocol::{Args, Protocol, Reply, WireError};

const NO_GROUP_TO_READ: &str = "' in XREADGROUP with GROUP option";

/// `XREAD [COUNT count] [BLOCK ms] STREAMS key … id …`
pub(crate) fn xread(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    read(ctx, args, false, reply)
}

/// `XREADGROUP GROUP group consumer [COUNT count] [BLOCK ms] [NOACK] STREAMS key … id …`
pub(crate) fn xreadgroup(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    read(ctx, args, true, reply)
}

fn read(ctx: &mut Ctx<'_>, args: Args<'_>, is_group: bool, reply: &mut Reply<'_>) -> Outcome {
    let Options { count, until, group, noack, streams_at } = Options::parse(ctx, args, is_group)?;
    let half = (args.len() - streams_at) / 2;
    let mut streams = Vec::with_capacity(half);
    for index in streams_at..streams_at + half {
        let key = &args[index];
        let behind = behind(ctx, key, &args[index + half], group.map(|(name, _)| name))?;
        streams.push((Box::from(key), behind));
    }
    let group = group.map(|(name, consumer)| ReadAs {
        name: name.into(),
        consumer: consumer.into(),
        noack,
    });
    let reading = Reading { streams, count, group };
    if read_now(ctx, &reading, reply, Looks::Asked)? {
        return Ok(Flow::Next);
    }
    match until {
        Some(until) if !ctx.session.in_step => {
            Ok(wait_for_streams(ctx, Want::Read(Box::new(reading)), until))
        }
        _ => {
            reply.null_array();
            Ok(Flow::Next)
        }
    }
}

/// What stands before the keys.
struct Options<'a> {
    /// 0 for all.
    count: u64,
    /// Whether it waits, and until when.
    until: Option<Option<UnixMs>>,
    /// Group and consumer.
    group: Option<(&'a [u8], &'a [u8])>,
    noack: bool,
    streams_at: usize,
}

impl<'a> Options<'a> {
    fn parse(ctx: &Ctx<'_>, args: Args<'a>, is_group: bool) -> Result<Self, WireError> {
        let mut options =
            Options { count: 0, until: None, group: None, noack: false, streams_at: 0 };
        let mut at = 1;
        while at < args.len() && options.streams_at == 0 {
            let more = args.len() - at - 1;
            if args.is(at, "BLOCK") && more >= 1 {
                if ctx.session.in_script {
                    let name = &args[0];
                    let after = " command is not allowed with BLOCK option from scripts";
                    return Err(WireError::quoting("ERR ", name, after));
                }
                options.until = Some(deadline_ms(&args[at + 1], ctx.now)?);
                at += 2;
            } else if args.is(at, "COUNT") && more >= 1 {
                options.count = u64::try_from(integer(&args[at + 1])?).unwrap_or(0);
                at += 2;
            } else if args.is(at, "STREAMS") && more >= 1 {
                if !more.is_multiple_of(2) {
                    return Err(unbalanced(is_group));
                }
                options.streams_at = at + 1;
            } else if args.is(at, "GROUP") && more >= 2 {
                if !is_group {
                    return Err(only_in_groups("GROUP"));
                }
                options.group = args.get(at + 1).zip(args.get(at + 2));
                at += 3;
            } else if args.is(at, "NOACK") {
                if !is_group {
                    return Err(only_in_groups("NOACK"));
                }
                options.noack = true;
                at += 1;
            } else {
                return Err(WireError::Syntax);
            }
        }
        if options.streams_at == 0 {
            return Err(WireError::Syntax);
        }
        if is_group && options.group.is_none() {
            return Err(WireError::fixed("ERR Missing GROUP option for XREADGROUP"));
        }
        Ok(options)
    }
}

fn unbalanced(is_group: bool) -> WireError {
    WireError::fixed(if is_group {
        "ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be specified."
    } else {
        "ERR Unbalanced 'xread' list of streams: for each stream key an ID or '$' must be specified."
    })
}

fn only_in_groups(option: &str) -> WireError {
    WireError::err(&format!(
        "The {option} option is only supported by XREADGROUP. You called XREAD instead."
    ))
}

/// Behind which id a stream is read. The key is looked at first, as in Redis.
fn behind(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    text: &[u8],
    group: Option<&[u8]>,
) -> Result<Behind, WireError> {
    let last_id = with_stream(ctx, key, |stream| {
        if let Some(group) = group
            && stream.is_none_or(|stream| stream.group(group).is_none())
        {
            return Err(no_group(key, group, NO_GROUP_TO_READ));
        }
        Ok(stream.map_or(StreamId::MIN, |stream| stream.meta().last_id))
    })??;
    match (text, group) {
        (b"$", None) => Ok(Behind::Id(last_id)),
        (b"$", Some(_)) => Err(WireError::fixed(
            "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying \
             a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.",
        )),
        (b">", Some(_)) => Ok(Behind::Delivered),
        (b">", None) => Err(WireError::fixed(
            "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
        )),
        (text, _) => Ok(Behind::Id(ids::id(text, 0)?)),
    }
}

/// Why streams are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::command) enum Looks {
    /// The client asks.
    Asked,
    /// It waits, and something has changed: what has nothing new is not touched, or whoever waits for the next change would take that for one.
    Again,
}

/// Answers what `reading` asks for, if there is anything; whether there was.
///
/// # Errors
/// If a key holds another type, or is to be read by a group that it does not have.
pub(in crate::command) fn read_now(
    ctx: &mut Ctx<'_>,
    reading: &Reading,
    reply: &mut Reply<'_>,
    looks: Looks,
) -> Result<bool, WireError> {
    let protocol = reply.protocol();
    if let Some(group) = &reading.group {
        for (key, _) in &reading.streams {
            let is_there = |stream: &Stream| stream.group(&group.name).is_some();
            if !with_stream(ctx, key, |stream| stream.is_some_and(is_there))? {
                return Err(no_group(key, &group.name, NO_GROUP_TO_READ));
            }
        }
    }
    let (mut out, mut answered) = (Vec::new(), 0);
    for (key, behind) in &reading.streams {
        let entries = match (&reading.group, *behind) {
            (None, Behind::Id(id)) => read_behind(ctx, key, id, reading.count, protocol)?,
            (None, Behind::Delivered) => None,
            (Some(group), behind) => {
                let part = GroupPart { key, group, behind, count: reading.count };
                match looks == Looks::Again && !part.has_new(ctx)? {
                    true => None,
                    false => part.read(ctx, protocol)?,
                }
            }
        };
        let Some(entries) = entries else { continue };
        answered += 1;
        let mut part = Reply::new(&mut out, protocol);
        if protocol == Protocol::Resp2 {
            part.array(2);
        }
        part.bulk(key);
        part.raw(&entries);
    }
    if answered == 0 {
        return Ok(false);
    }
    match protocol {
        Protocol::Resp2 => reply.array(answered),
        Protocol::Resp3 => reply.map(answered),
    }
    reply.raw(&out);
    Ok(true)
}

/// The entries of a stream behind `id`, in an array, if there are any.
fn read_behind(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    id: StreamId,
    count: u64,
    protocol: Protocol,
) -> Result<Option<Vec<u8>>, WireError> {
    let Some(found) = find(ctx, key)? else { return Ok(None) };
    let found = found.detach();
    let stream = found.stream();
    let Some(from) = id.next() else { return Ok(None) };
    let mut out = Vec::new();
    let mut reply = Reply::new(&mut out, protocol);
    let count = if count == 0 { u64::MAX } else { count };
    let written = write_range(&mut reply, &stream, (from, StreamId::MAX), false, count);
    Ok((written > 0).then_some(out))
}

/// What a consumer asks of one stream.
struct GroupPart<'a> {
    key: &'a [u8],
    group: &'a ReadAs,
    behind: Behind,
    count: u64,
}

impl GroupPart<'_> {
    /// Whether there is something that the group was not delivered.
    fn has_new(&self, ctx: &mut Ctx<'_>) -> Result<bool, WireError> {
        with_stream(ctx, self.key, |stream| {
            let group = |stream: &Stream| stream.group(&self.group.name).map(|it| it.state());
            stream.is_some_and(|stream| match (group(stream), stream.last()) {
                (Some(state), Some(last)) => last.id > state.last_id,
                _ => false,
            })
        })
    }

    /// What the consumer is answered, in an array; none if there is nothing new.
    fn read(&self, ctx: &mut Ctx<'_>, protocol: Protocol) -> Result<Option<Vec<u8>>, WireError> {
        let now = ctx.now as i64;
        let (name, consumer) = (&self.group.name, &self.group.consumer);
        let (answer, is_new) = ctx.keyspace().edit(self.key, |stream: &mut Edit<'_, Stream>| {
            let state = stream.view().group(name).map(|group| group.state());
            let state = state.ok_or_else(|| no_group(self.key, name, NO_GROUP_TO_READ))?;
            let is_new = create_consumer(stream, name, consumer, now);
            let mut out = Vec::new();
            let mut reply = Reply::new(&mut out, protocol);
            let written = match self.behind {
                Behind::Id(id) => Some(self.history(stream, id, now, &mut reply)),
                Behind::Delivered => self.deliver(stream, now, &mut reply),
            };
            // With all that belongs to it, so that who destroys the group elsewhere without having seen that does not leave it alone.
            if written.is_some_and(|written| written > 0) || is_new {
                let state = stream.view().group(name).map_or(state, |group| group.state());
                stream.set_group(name, &state);
            }
            stream.see_consumer(name, consumer, now);
            Ok::<_, WireError>((written.map(|_| out), is_new))
        })?;
        if is_new {
            ctx.notify(Events::STREAM, "xgroup-createconsumer", self.key);
        }
        Ok(answer)
    }

    /// Answers again what is pending for the consumer behind `id`; how much that was.
    fn history(
        &self,
        stream: &mut Edit<'_, Stream>,
        id: StreamId,
        now: i64,
        reply: &mut Reply<'_>,
    ) -> u64 {
        let (name, consumer) = (&self.group.name, &self.group.consumer);
        let mut pending: Vec<(StreamId, u64)> = Vec::new();
        let known = stream.view().group(name).and_then(|group| group.consumer(consumer));
        if let (Some(known), Some(from)) = (known, id.next()) {
            let count = if self.count == 0 { u64::MAX } else { self.count };
            let all = known.pending(from, StreamId::MAX).map(|it| (it.id, it.deliveries));
            pending.extend(all.take(usize::try_from(count).unwrap_or(usize::MAX)));
        }
        let entries = |id| (stream.view().entries_of(id).count() as u64).max(1);
        reply.array(pending.iter().map(|&(id, _)| entries(id)).sum::<u64>() as usize);
        for &(id, deliveries) in &pending {
            if !stream.view().contains(id) {
                // It was deleted, and is pending all the same.
                reply.array(2);
                write_id(reply, id);
                reply.null_array();
                continue;
            }
            stream.view().entries_of(id).for_each(|entry| write_entry(reply, &entry));
            stream.set_pending(name, id, consumer, (now, deliveries.saturating_add(1)));
        }
        pending.len() as u64
    }

    /// Delivers what the group has not been delivered yet; how much that was, none if there is nothing.
    fn deliver(
        &self,
        stream: &mut Edit<'_, Stream>,
        now: i64,
        reply: &mut Reply<'_>,
    ) -> Option<u64> {
        let ReadAs { name, consumer, noack } = self.group;
        let mut state = stream.view().group(name)?.state();
        let from = state.last_id.next()?;
        let progress = Progress::of(stream.view());
        let count = if self.count == 0 { u64::MAX } else { self.count };
        let found: Vec<StreamEntry<'_>> =
            up_to(stream.view().range(from, StreamId::MAX, false), count).collect();
        if found.is_empty() {
            return None;
        }
        reply.array(found.len());
        found.iter().for_each(|entry| write_entry(reply, entry));
        let mut ids: Vec<StreamId> = found.iter().map(|entry| entry.id).collect();
        ids.dedup();
        for &id in &ids {
            state.entries_read = progress.read(&state, id);
            state.last_id = id;
        }
        stream.set_group(name, &state);
        if !noack {
            ids.iter().for_each(|&id| stream.set_pending(name, id, consumer, (now, 1)));
            let state = ConsumerState { seen_ms: now, active_ms: Some(now) };
            stream.set_consumer(name, consumer, &state);
        }
        Some(ids.len() as u64)
    }
}
