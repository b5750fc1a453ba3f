//! XGROUP: consumer groups and their consumers.

use super::{bad_subcommand, ids, no_group_in};
use crate::admin::pubsub::notify::Events;
use crate::command::value::{help_lines, integer};
use crate::command::{Ctx, Flow, Outcome};
use crate::store::Edit;
use crate::types::collection::stream::{ConsumerState, GroupState, Meta};
use crate::types::collection::{Stream, StreamId};
use torc_protocol::{Args, Reply, WireError};

/// `XGROUP HELP`
pub(crate) fn xgroup(_: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    help_lines(
        reply,
        &[
            "XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            "CREATE <key> <group> <id|$> [MKSTREAM] [ENTRIESREAD <entries-read>]",
            "    Creates a group, which reads what comes behind the id.",
            "CREATECONSUMER <key> <group> <consumer>",
            "    Creates a consumer.",
            "DELCONSUMER <key> <group> <consumer>",
            "    Deletes a consumer, and forgets what is pending for it.",
            "DESTROY <key> <group>",
            "    Destroys a group.",
            "SETID <key> <group> <id|$> [ENTRIESREAD <entries-read>]",
            "    Lets a group read on behind another id.",
            "HELP",
            "    These lines.",
        ],
    )
}

/// What CREATE and SETID are told behind the id.
#[derive(Debug, Default)]
struct Options {
    makes_stream: bool,
    entries_read: Option<u64>,
}

impl Options {
    fn parse(args: Args<'_>, may_make: bool) -> Result<Self, WireError> {
        let mut options = Options::default();
        let mut at = 5;
        while at < args.len() {
            if may_make && args.is(at, "MKSTREAM") {
                options.makes_stream = true;
                at += 1;
            } else if args.is(at, "ENTRIESREAD") && at + 1 < args.len() {
                options.entries_read = match integer(&args[at + 1])? {
                    -1 => None,
                    count => Some(u64::try_from(count).map_err(|_| {
                        WireError::fixed("ERR value for ENTRIESREAD must be positive or -1")
                    })?),
                };
                at += 2;
            } else {
                return Err(bad_subcommand("XGROUP", &args[1]));
            }
        }
        Ok(options)
    }
}

/// Nothing to do with a group where there is no stream.
fn needs_stream(stream: &Stream) -> Result<(), WireError> {
    if stream.is_empty() {
        return Err(WireError::fixed(
            "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to \
             create an empty stream automatically.",
        ));
    }
    Ok(())
}

/// The id behind which a group reads on.
fn position(text: &[u8], meta: &Meta) -> Result<StreamId, WireError> {
    if text == b"$" { Ok(meta.last_id) } else { ids::id(text, 0) }
}

/// `XGROUP CREATE key group id|$ [MKSTREAM] [ENTRIESREAD entries-read]`
pub(crate) fn xgroup_create(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let options = Options::parse(args, true)?;
    let (key, name) = (&args[2], &args[3]);
    ctx.keyspace().edit(key, |stream: &mut Edit<'_, Stream>| {
        if !options.makes_stream {
            needs_stream(stream.view())?;
        }
        if args.len() > 8 {
            return Err(bad_subcommand("XGROUP", &args[1]));
        }
        let meta = stream.view().meta();
        let last_id = position(&args[4], &meta)?;
        if stream.view().group(name).is_some() {
            return Err(WireError::fixed("BUSYGROUP Consumer Group name already exists"));
        }
        if stream.view().is_empty() {
            stream.set_meta(&meta);
        }
        let entries_read = options.entries_read;
        stream.set_group(name, &GroupState { last_id, entries_read });
        Ok(())
    })?;
    ctx.notify(Events::STREAM, "xgroup-create", key);
    reply.ok();
    Ok(Flow::Next)
}

/// `XGROUP SETID key group id|$ [ENTRIESREAD entries-read]`
pub(crate) fn xgroup_setid(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let options = Options::parse(args, false)?;
    let (key, name) = (&args[2], &args[3]);
    ctx.keyspace().edit(key, |stream: &mut Edit<'_, Stream>| {
        needs_group(stream.view(), key, name)?;
        if args.len() > 7 {
            return Err(bad_subcommand("XGROUP", &args[1]));
        }
        let last_id = match &args[4] {
            // Of a new group these are no positions, but an old one may be set to them.
            end @ (b"-" | b"+") => ids::bound(end, 0)?,
            other => position(other, &stream.view().meta())?,
        };
        let entries_read = options.entries_read;
        stream.set_group(name, &GroupState { last_id, entries_read });
        Ok(())
    })?;
    ctx.notify(Events::STREAM, "xgroup-setid", key);
    reply.ok();
    Ok(Flow::Next)
}

fn needs_group(stream: &Stream, key: &[u8], name: &[u8]) -> Result<GroupState, WireError> {
    needs_stream(stream)?;
    stream.group(name).map(|group| group.state()).ok_or_else(|| no_group_in(key, name))
}

/// `XGROUP DESTROY key group`
pub(crate) fn xgroup_destroy(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let key = &args[2];
    let was_there = ctx.keyspace().edit(key, |stream: &mut Edit<'_, Stream>| {
        needs_stream(stream.view())?;
        Ok::<_, WireError>(stream.remove_group(&args[3]))
    })?;
    if was_there {
        ctx.notify(Events::STREAM, "xgroup-destroy", key);
    }
    reply.integer(was_there.into());
    Ok(Flow::Next)
}

/// `XGROUP CREATECONSUMER key group consumer`
pub(crate) fn xgroup_createconsumer(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let (key, now_ms) = (&args[2], ctx.now as i64);
    let is_new = ctx.keyspace().edit(key, |stream: &mut Edit<'_, Stream>| {
        let state = needs_group(stream.view(), key, &args[3])?;
        let is_new = create_consumer(stream, &args[3], &args[4], now_ms);
        if is_new {
            stream.set_group(&args[3], &state);
        }
        Ok::<_, WireError>(is_new)
    })?;
    if is_new {
        ctx.notify(Events::STREAM, "xgroup-createconsumer", key);
    }
    reply.integer(is_new.into());
    Ok(Flow::Next)
}

/// Creates a consumer that is not there; whether it was not. The group is to be written with it, so that who destroys the group elsewhere without having seen the
/// consumer does not leave that one alone.
pub(super) fn create_consumer(
    stream: &mut Edit<'_, Stream>,
    group: &[u8],
    name: &[u8],
    now_ms: i64,
) -> bool {
    let is_new = stream.view().group(group).is_some_and(|group| group.consumer(name).is_none());
    if is_new {
        stream.set_consumer(group, name, &ConsumerState { seen_ms: now_ms, active_ms: None });
    }
    is_new
}

/// `XGROUP DELCONSUMER key group consumer`
pub(crate) fn xgroup_delconsumer(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let key = &args[2];
    let gone = ctx.keyspace().edit(key, |stream: &mut Edit<'_, Stream>| {
        needs_group(stream.view(), key, &args[3])?;
        Ok::<_, WireError>(stream.remove_consumer(&args[3], &args[4]))
    })?;
    if gone.is_some() {
        ctx.notify(Events::STREAM, "xgroup-delconsumer", key);
    }
    reply.integer(gone.unwrap_or(0) as i64);
    Ok(Flow::Next)
}
