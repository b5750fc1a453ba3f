//! DUMP and RESTORE: values in Redis's own format, to move between servers.

use crate::admin::pubsub::notify::Events;
use crate::base::clock::UnixMs;
use crate::command::value::integer;
use crate::command::{Ctx, Flow, Outcome};
use crate::config::Settings;
use crate::store::{
    Change, Collection, Entry, Expiry, Keyspace, Kind, NewValue, Store, StringView,
};
use crate::types::rdb::string::StringValue;
use crate::types::rdb::{self, Bounds, Invalid, Shown, Value};
use std::borrow::Cow;
use torc_protocol::{Args, Reply, WireError};

#[cfg(test)]
mod tests;

const BUSY: WireError = WireError::fixed("BUSYKEY Target key name already exists.");

/// The access counter of a new key, as in Redis's notes on LFU.
const FREQUENCY_NEW: u8 = 5;

/// `DUMP key`
pub(crate) fn dump(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let Some(entry) = ctx.keyspace().read(&args[1]) else {
        reply.null();
        return Ok(Flow::Next);
    };
    reply.bulk(&payload_of(entry)?);
    Ok(Flow::Next)
}

/// What DUMP answers.
fn payload_of(entry: Entry<'_>) -> Result<Vec<u8>, WireError> {
    let Some(found) = entry.any_collection() else {
        let mut scratch = itoa::Buffer::new();
        let view = entry.string()?;
        let value = match &view {
            StringView::Integer(value) => StringValue::Integer(*value),
            other => StringValue::Bytes(Cow::Borrowed(other.bytes(&mut scratch))),
        };
        return Ok(rdb::dump(Shown::String(value)));
    };
    // A large one is read from a snapshot, so that no writer waits.
    let found = found.detach();
    Ok(rdb::dump(match found.kind() {
        Kind::Hash => Shown::Hash(found.hash()),
        Kind::List => Shown::List(found.list()),
        Kind::Set => Shown::Set(found.set()),
        Kind::Zset => Shown::Zset(found.zset()),
        Kind::Stream => {
            let stream = found.stream();
            return Ok(rdb::dump(Shown::Stream(&stream)));
        }
        Kind::String => return Err(WireError::WrongType),
    }))
}

/// What a payload's value may take here.
pub(crate) fn bounds(settings: &Settings, store: &Store) -> Bounds {
    let limits = |kind| store.shapes().limits(kind);
    Bounds {
        bytes_max: settings.proto_max_bulk_len(),
        hash: limits(Kind::Hash),
        list: limits(Kind::List),
        set: limits(Kind::Set),
        zset: limits(Kind::Zset),
    }
}

/// `RESTORE key ttl payload [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]`
pub(crate) fn restore(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let bounds = bounds(&ctx.instance.settings, &ctx.instance.store);
    let is_lfu = ctx.instance.settings.maxmemory_policy().is_lfu();
    let options = parse(args)?;
    let mut keyspace = ctx.keyspace();
    let key = &args[1];
    if !options.replace && keyspace.peek(key).is_some() {
        return Err(BUSY);
    }
    let ttl_ms = u64::try_from(integer(&args[2])?)
        .map_err(|_| WireError::fixed("ERR Invalid TTL value, must be >= 0"))?;
    let payload = &args[3];
    rdb::verify(payload).map_err(wire_error)?;
    let value = rdb::load(payload, &bounds).map_err(wire_error)?;
    let expiry = match deadline(ttl_ms, options.absolute, keyspace.now()) {
        Ok(expiry) => expiry,
        Err(Passed) => {
            if options.replace && keyspace.remove(key) {
                ctx.notify(Events::GENERIC, "del", key);
            }
            reply.ok();
            return Ok(Flow::Next);
        }
    };
    let replaced = put(&mut keyspace, key, value, expiry, options.replace)?;
    match options.usage {
        Some(Usage::IdleSeconds(seconds)) if !is_lfu => keyspace.set_idle_seconds(key, seconds),
        Some(Usage::Frequency(frequency)) if is_lfu => keyspace.set_frequency(key, frequency),
        // A restored key counts as new even where it replaces one.
        _ if is_lfu => keyspace.set_frequency(key, FREQUENCY_NEW),
        _ => {}
    }
    if replaced {
        // As Redis tells it: the old key is gone, and this is another.
        ctx.notify(Events::NEW, "new", key);
    }
    ctx.notify(Events::GENERIC, "restore", key);
    reply.ok();
    Ok(Flow::Next)
}

/// The collection in a payload that another node dumped.
pub(super) fn load_fetched(payload: &[u8], bounds: &Bounds) -> Result<Collection, WireError> {
    match rdb::load(payload, bounds).map_err(wire_error)? {
        Value::String(_) => Err(WireError::WrongType),
        Value::Hash(value) => Ok(value.into()),
        Value::List(value) => Ok(value.into()),
        Value::Set(value) => Ok(value.into()),
        Value::Zset(value) => Ok(value.into()),
        Value::Stream(value) => Ok(value.into()),
    }
}

/// Stores `value`, unless the key came to be since it was looked for. Returns whether another one was replaced.
fn put(
    keyspace: &mut Keyspace<'_, '_>,
    key: &[u8],
    value: Value<'_>,
    expiry: Expiry,
    replace: bool,
) -> Result<bool, WireError> {
    let value: Collection = match value {
        Value::String(value) => return put_string(keyspace, key, &value, expiry, replace),
        Value::Hash(value) => value.into(),
        Value::List(value) => value.into(),
        Value::Set(value) => value.into(),
        Value::Zset(value) => value.into(),
        Value::Stream(value) => value.into(),
    };
    let mut transaction = keyspace.transaction(&[key]);
    let replaces = transaction.read(key).is_some();
    if replaces && !replace {
        return Err(BUSY);
    }
    transaction.put_collection(key, value, expiry);
    transaction.commit();
    Ok(replaces)
}

fn put_string(
    keyspace: &mut Keyspace<'_, '_>,
    key: &[u8],
    value: &StringValue<'_>,
    expiry: Expiry,
    replace: bool,
) -> Result<bool, WireError> {
    let value = match value {
        StringValue::Integer(value) => NewValue::Integer(*value),
        StringValue::Bytes(bytes) => NewValue::Bytes(bytes),
    };
    keyspace.update(key, |entry| match entry {
        Some(_) if !replace => Err(BUSY),
        _ => Ok((Change::Put(value, expiry), entry.is_some())),
    })
}

/// The time for it has come already.
struct Passed;

fn deadline(ttl_ms: u64, absolute: bool, now: UnixMs) -> Result<Expiry, Passed> {
    if ttl_ms == 0 {
        return Ok(Expiry::Never);
    }
    let at = if absolute { Some(ttl_ms) } else { ttl_ms.checked_add(now) };
    // A sum beyond the signed range wraps into the past in Redis.
    match at {
        Some(at) if at > now && i64::try_from(at).is_ok() => Ok(Expiry::At(at)),
        _ => Err(Passed),
    }
}

#[derive(Debug, Default)]
struct Options {
    replace: bool,
    absolute: bool,
    usage: Option<Usage>,
}

/// How much the key was used where it comes from.
#[derive(Debug, Clone, Copy)]
enum Usage {
    IdleSeconds(u64),
    Frequency(u8),
}

fn parse(args: Args<'_>) -> Result<Options, WireError> {
    let mut options = Options::default();
    let mut index = 4;
    while index < args.len() {
        let more = index + 1 < args.len();
        if args.is(index, "REPLACE") {
            options.replace = true;
        } else if args.is(index, "ABSTTL") {
            options.absolute = true;
        } else if args.is(index, "IDLETIME")
            && more
            && !matches!(options.usage, Some(Usage::Frequency(_)))
        {
            index += 1;
            let seconds = u64::try_from(integer(&args[index])?)
                .map_err(|_| WireError::fixed("ERR Invalid IDLETIME value, must be >= 0"))?;
            options.usage = Some(Usage::IdleSeconds(seconds));
        } else if args.is(index, "FREQ")
            && more
            && !matches!(options.usage, Some(Usage::IdleSeconds(_)))
        {
            index += 1;
            let frequency = u8::try_from(integer(&args[index])?)
                .map_err(|_| WireError::fixed("ERR Invalid FREQ value, must be >= 0 and <= 255"))?;
            options.usage = Some(Usage::Frequency(frequency));
        } else {
            return Err(WireError::Syntax);
        }
        index += 1;
    }
    Ok(options)
}

fn wire_error(invalid: Invalid) -> WireError {
    WireError::fixed(match invalid {
        Invalid::VersionOrChecksum => "ERR DUMP payload version or checksum are wrong",
        Invalid::Format => "ERR Bad data format",
    })
}
