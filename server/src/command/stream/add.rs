//! XADD, XDEL, XLEN, XSETID, XTRIM: a stream's entries as such.

use super::ids::{self, NewId};
use super::trim::Trimming;
use super::with_stream;
use crate::admin::pubsub::notify::Events;
use crate::base::clock::UnixMs;
use crate::command::value::integer;
use crate::command::{Ctx, Flow, Outcome};
use crate::store::{Edit, Kind};
use crate::types::collection::stream::{FieldsBuf, Meta};
use crate::types::collection::{Stream, StreamId};
use torc_protocol::{Args, Reply, WireError};

const TOO_LOW: WireError = WireError::fixed(
    "ERR The ID specified in XADD is equal or smaller than the target stream top item",
);

/// What XADD is asked for.
struct Adding {
    id: NewId,
    /// Where the fields begin.
    fields_at: usize,
    only_known: bool,
    trimming: Trimming,
}

impl Adding {
    fn parse(ctx: &Ctx<'_>, args: Args<'_>) -> Result<Self, WireError> {
        let (mut trimming, mut only_known) = (Trimming::default(), false);
        let (mut at, mut id) = (2, None);
        while at < args.len() && id.is_none() {
            let taken = if &args[at] == b"*" { 0 } else { trimming.option(args, at)? };
            if taken == 0 && args.is(at, "NOMKSTREAM") {
                only_known = true;
            } else if taken == 0 {
                id = Some(ids::new_id(&args[at])?);
            }
            at += taken.max(1);
        }
        trimming.check(ctx, false)?;
        let fields = args.len() - at;
        let (Some(id), true) = (id, fields >= 2 && fields.is_multiple_of(2)) else {
            return Err(WireError::WrongArity("xadd".into()));
        };
        if id == NewId::Given(StreamId::MIN) {
            return Err(WireError::fixed("ERR The ID specified in XADD must be greater than 0-0"));
        }
        Ok(Adding { id, fields_at: at, only_known, trimming })
    }
}

impl NewId {
    /// The id of an entry that is added behind `last`.
    fn behind(self, last: StreamId, now: UnixMs) -> Result<StreamId, WireError> {
        let id = match self {
            _ if last == StreamId::MAX => {
                return Err(WireError::fixed(
                    "ERR The stream has exhausted the last possible ID, unable to add more items",
                ));
            }
            NewId::Auto if now > last.ms => StreamId { ms: now, seq: 0 },
            NewId::Auto => last.next().ok_or(TOO_LOW)?,
            NewId::AutoSequence(ms) if ms == last.ms => {
                StreamId { ms, seq: last.seq.checked_add(1).ok_or(TOO_LOW)? }
            }
            NewId::AutoSequence(ms) => StreamId { ms, seq: 0 },
            NewId::Given(id) => id,
        };
        if id > last { Ok(id) } else { Err(TOO_LOW) }
    }
}

/// `XADD key [NOMKSTREAM] [MAXLEN|MINID [=|~] threshold [LIMIT count]] *|id field value …`
pub(crate) fn xadd(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let asked = Adding::parse(ctx, args)?;
    let key = &args[1];
    if asked.only_known {
        match ctx.keyspace().peek(key) {
            None => {
                reply.null();
                return Ok(Flow::Next);
            }
            Some(entry) if entry.kind() != Kind::Stream => return Err(WireError::WrongType),
            Some(_) => {}
        }
    }
    let at = |index: usize| &args[index];
    let names = (asked.fields_at..args.len()).step_by(2);
    let fields = FieldsBuf::of(names.map(|index| (at(index), at(index + 1))));
    let now = ctx.now;
    let (id, trimmed) = ctx.keyspace().edit(key, |stream: &mut Edit<'_, Stream>| {
        let meta = stream.view().meta();
        let id = asked.id.behind(meta.last_id, now)?;
        let entries_added = meta.entries_added.saturating_add(1);
        stream.set_meta(&Meta { last_id: id, entries_added, ..meta });
        stream.add(id, fields.fields());
        Ok::<_, WireError>((id, asked.trimming.apply(stream)))
    })?;
    ctx.notify(Events::STREAM, "xadd", key);
    if trimmed > 0 {
        ctx.notify(Events::STREAM, "xtrim", key);
    }
    super::range::write_id(reply, id);
    Ok(Flow::Next)
}

/// `XLEN key`
pub(crate) fn xlen(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let len = with_stream(ctx, &args[1], |stream| stream.map_or(0, Stream::entries_len))?;
    reply.integer(len as i64);
    Ok(Flow::Next)
}

/// `XDEL key id …`
pub(crate) fn xdel(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let key = &args[1];
    match ctx.keyspace().peek(key) {
        None => {
            reply.integer(0);
            return Ok(Flow::Next);
        }
        Some(entry) if entry.kind() != Kind::Stream => return Err(WireError::WrongType),
        Some(_) => {}
    }
    let ids: Vec<StreamId> =
        args.iter().skip(2).map(|text| ids::id(text, 0)).collect::<Result<_, _>>()?;
    let gone = ctx.keyspace().edit(key, |stream: &mut Edit<'_, Stream>| {
        let mut meta = stream.view().meta();
        let mut gone = 0;
        for &id in &ids {
            if stream.remove(id) {
                gone += 1;
                meta.max_deleted_id = meta.max_deleted_id.max(id);
            }
        }
        if gone > 0 {
            stream.set_meta(&meta);
        }
        Ok::<_, WireError>(gone)
    })?;
    if gone > 0 {
        ctx.notify(Events::STREAM, "xdel", key);
    }
    reply.integer(gone);
    Ok(Flow::Next)
}

/// `XTRIM key MAXLEN|MINID [=|~] threshold [LIMIT count]`
pub(crate) fn xtrim(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let mut trimming = Trimming::default();
    let mut at = 2;
    while at < args.len() {
        match trimming.option(args, at)? {
            0 => return Err(WireError::Syntax),
            taken => at += taken,
        }
    }
    trimming.check(ctx, true)?;
    let key = &args[1];
    let gone = ctx
        .keyspace()
        .edit(key, |stream: &mut Edit<'_, Stream>| Ok::<_, WireError>(trimming.apply(stream)))?;
    if gone > 0 {
        ctx.notify(Events::STREAM, "xtrim", key);
    }
    reply.integer(gone as i64);
    Ok(Flow::Next)
}

/// `XSETID key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]`
pub(crate) fn xsetid(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let last_id = ids::id(&args[2], 0)?;
    let (mut added, mut deleted) = (None, StreamId::MIN);
    let mut at = 3;
    while at < args.len() {
        let value = args.get(at + 1).ok_or(WireError::Syntax);
        if args.is(at, "ENTRIESADDED") {
            let count = u64::try_from(integer(value?)?);
            added =
                Some(count.map_err(|_| WireError::fixed("ERR entries_added must be positive"))?);
        } else if args.is(at, "MAXDELETEDID") {
            deleted = ids::id(value?, 0)?;
            if last_id < deleted {
                return Err(WireError::fixed(
                    "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
                ));
            }
        } else {
            return Err(WireError::Syntax);
        }
        at += 2;
    }
    let key = &args[1];
    ctx.keyspace().edit(key, |stream: &mut Edit<'_, Stream>| {
        if stream.view().is_empty() {
            return Err(WireError::NoSuchKey);
        }
        let mut meta = stream.view().meta();
        check_last_id(stream.view(), &meta, last_id, added)?;
        meta.last_id = last_id;
        meta.entries_added = added.unwrap_or(meta.entries_added);
        if deleted != StreamId::MIN {
            meta.max_deleted_id = deleted;
        }
        stream.set_meta(&meta);
        Ok(())
    })?;
    ctx.notify(Events::STREAM, "xsetid", key);
    reply.ok();
    Ok(Flow::Next)
}

fn check_last_id(
    stream: &Stream,
    meta: &Meta,
    last_id: StreamId,
    added: Option<u64>,
) -> Result<(), WireError> {
    let refused = if last_id < meta.max_deleted_id {
        "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id"
    } else if stream.last().is_some_and(|last| last_id < last.id) {
        "ERR The ID specified in XSETID is smaller than the target stream top item"
    } else if added.is_some_and(|added| added < stream.entries_len()) {
        "ERR The entries_added specified in XSETID is smaller than the target stream length"
    } else {
        return Ok(());
    };
    Err(WireError::fixed(refused))
}
