//! Commands that store whole values: SET and its older forms, MSET, MSETNX.

use super::options::{Of, Options};
use crate::admin::pubsub::notify::Events;
use crate::command::value::{TimeUnit, write_string_or_null};
use crate::command::{Ctx, Flow, Outcome};
use crate::store::{Change, Entry, Expiry, NewValue};
use std::borrow::Cow;
use torc_protocol::{Args, Reply, WireError};

/// `SET key value [NX | XX] [GET] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL]`
pub(crate) fn set(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    if args.len() == 3 {
        ctx.keyspace().set(&args[1], NewValue::Bytes(&args[2]), Expiry::Never);
        ctx.notify(Events::STRING, "set", &args[1]);
        reply.ok();
        return Ok(Flow::Next);
    }
    set_with_options(ctx, args, reply)
}

fn set_with_options(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let options = Options::parse(args, 3, Of::Set)?;
    let (key, value) = (&args[1], NewValue::Bytes(&args[2]));
    let expiry = match options.deadline(ctx.now, "set")? {
        Some(deadline) => Expiry::At(deadline),
        None if options.keep_deadline => Expiry::Keep,
        None => Expiry::Never,
    };
    if !(options.nx || options.xx || options.get) {
        ctx.keyspace().set(key, value, expiry);
        notify_set(ctx, key, expiry);
        reply.ok();
        return Ok(Flow::Next);
    }
    let decide = |found: Option<Entry<'_>>| {
        let keep = if found.is_some() { options.nx } else { options.xx };
        (if keep { Change::Keep } else { Change::Put(value, expiry) }, !keep)
    };
    if options.get {
        let old = ctx.keyspace().read_and_update(key, |found: Option<Entry<'_>>| {
            // Without GET nobody minds what type the old value has.
            if let Some(entry) = found {
                entry.string()?;
            }
            Ok::<_, WireError>((decide(found).0, found))
        })?;
        if decide(old).1 {
            notify_set(ctx, key, expiry);
        }
        write_string_or_null(reply, old)?;
        return Ok(Flow::Next);
    }
    let stored = ctx.keyspace().update(key, |found| Ok::<_, WireError>(decide(found)))?;
    if stored {
        notify_set(ctx, key, expiry);
        reply.ok();
    } else {
        reply.null();
    }
    Ok(Flow::Next)
}

/// Tells that `key` was set, and that it was given a deadline if so.
fn notify_set(ctx: &mut Ctx<'_>, key: &[u8], expiry: Expiry) {
    ctx.notify(Events::STRING, "set", key);
    if matches!(expiry, Expiry::At(_)) {
        ctx.notify(Events::GENERIC, "expire", key);
    }
}

/// `SETNX key value`
pub(crate) fn setnx(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let stored = ctx.keyspace().update(&args[1], |found| {
        let change = match found {
            Some(_) => Change::Keep,
            None => Change::Put(NewValue::Bytes(&args[2]), Expiry::Never),
        };
        Ok::<_, WireError>((change, found.is_none()))
    })?;
    if stored {
        ctx.notify(Events::STRING, "set", &args[1]);
    }
    reply.integer(stored.into());
    Ok(Flow::Next)
}

/// `SETEX key seconds value`
pub(crate) fn setex(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    set_for(ctx, args, reply, TimeUnit::Seconds, "setex")
}

/// `PSETEX key milliseconds value`
pub(crate) fn psetex(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    set_for(ctx, args, reply, TimeUnit::Millis, "psetex")
}

fn set_for(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
    unit: TimeUnit,
    command: &'static str,
) -> Outcome {
    let deadline = unit.deadline(&args[2], ctx.now, command)?;
    ctx.keyspace().set(&args[1], NewValue::Bytes(&args[3]), Expiry::At(deadline));
    notify_set(ctx, &args[1], Expiry::At(deadline));
    reply.ok();
    Ok(Flow::Next)
}

/// `GETSET key value`
pub(crate) fn getset(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let old = ctx.keyspace().read_and_update(&args[1], |found: Option<Entry<'_>>| {
        if let Some(entry) = found {
            entry.string()?;
        }
        Ok::<_, WireError>((Change::Put(NewValue::Bytes(&args[2]), Expiry::Never), found))
    })?;
    ctx.notify(Events::STRING, "set", &args[1]);
    write_string_or_null(reply, old)?;
    Ok(Flow::Next)
}

/// `MSET key value [key value …]`
pub(crate) fn mset(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    check_pairs(args, "mset")?;
    if args.len() == 3 {
        // One key is one atomic step as it is.
        return set(ctx, args, reply);
    }
    let db = ctx.session.db;
    let mut keyspace = ctx.keyspace();
    let mut transaction = keyspace.transaction_across(pairs(args).map(|(key, _)| (db, key)));
    for (key, value) in pairs(args) {
        transaction.put(key, NewValue::Bytes(value), Expiry::Never);
    }
    transaction.commit();
    ctx.notify_each(Events::STRING, "set", || pairs(args).map(|(key, _)| key));
    reply.ok();
    Ok(Flow::Next)
}

/// `MSETNX key value [key value …]`
pub(crate) fn msetnx(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    check_pairs(args, "msetnx")?;
    let db = ctx.session.db;
    let mut keyspace = ctx.keyspace();
    let mut transaction = keyspace.transaction_across(pairs(args).map(|(key, _)| (db, key)));
    if pairs(args).any(|(key, _)| transaction.read(key).is_some()) {
        reply.integer(0);
        return Ok(Flow::Next);
    }
    for (key, value) in pairs(args) {
        transaction.put(key, NewValue::Bytes(value), Expiry::Never);
    }
    transaction.commit();
    ctx.notify_each(Events::STRING, "set", || pairs(args).map(|(key, _)| key));
    reply.integer(1);
    Ok(Flow::Next)
}

/// The table's arity cannot say that keys and values come in pairs.
fn check_pairs(args: Args<'_>, command: &'static str) -> Result<(), WireError> {
    if args.len() % 2 == 1 { Ok(()) } else { Err(WireError::WrongArity(Cow::Borrowed(command))) }
}

fn pairs<'a>(args: Args<'a>) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    let keys = args.iter().skip(1).step_by(2);
    keys.zip(args.iter().skip(2).step_by(2))
}
