//! Commands that put a value under another key or into another database: RENAME, RENAMENX, COPY, MOVE.
//!
//! Source and destination are held together, in one database or two, so that nobody sees the value at both or neither
//! place when it should be at one.

use crate::admin::pubsub::notify::Events;
use crate::cluster::route::Port;
use crate::command::value::database;
use crate::command::{Ctx, Flow, Outcome};
use crate::store::{Entry, Expiry};
use torc_protocol::{Args, Reply, WireError};

/// `RENAME key newkey`
pub(crate) fn rename(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    rename_unless(ctx, args, false)?;
    reply.ok();
    Ok(Flow::Next)
}

/// `RENAMENX key newkey`
pub(crate) fn renamenx(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let renamed = rename_unless(ctx, args, true)?;
    reply.integer(renamed.into());
    Ok(Flow::Next)
}

/// Whether the value has a new name now; with `exists_forbids` it has not where the name was taken.
fn rename_unless(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    exists_forbids: bool,
) -> Result<bool, WireError> {
    let (from, to) = (&args[1], &args[2]);
    let mut keyspace = ctx.keyspace();
    if from == to {
        return keyspace.peek(from).map(|_| false).ok_or(WireError::NoSuchKey);
    }
    let mut transaction = keyspace.transaction(&[from, to]);
    let entry = transaction.read(from).ok_or(WireError::NoSuchKey)?;
    let replaces = transaction.read(to).is_some();
    if exists_forbids && replaces {
        return Ok(false);
    }
    transaction.delete(from);
    transaction.put_entry(to, entry, deadline_of(entry));
    transaction.commit();
    if replaces {
        // The old value is gone, and the key is another one, as Redis tells it.
        ctx.notify(Events::NEW, "new", to);
    }
    ctx.notify(Events::GENERIC, "rename_from", from);
    ctx.notify(Events::GENERIC, "rename_to", to);
    Ok(true)
}

/// `COPY source destination [DB number] [REPLACE]`
pub(crate) fn copy(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (from, to) = (&args[1], &args[2]);
    let from_db = ctx.session.db;
    let (to_db, replace) = copy_options(args, from_db)?;
    if ctx.session.port == Port::Cluster && to_db != 0 {
        return Err(WireError::fixed(
            "ERR Copying to another database is not allowed in cluster mode",
        ));
    }
    if from_db == to_db && from == to {
        return Err(WireError::SameObject);
    }
    let mut keyspace = ctx.keyspace();
    if keyspace.read(from).is_none() {
        // Counts as a read of the source, and spares an absent one the transaction.
        reply.integer(0);
        return Ok(Flow::Next);
    }
    let held = [(from_db, from), (to_db, to)];
    let mut transaction = keyspace.transaction_across(held.into_iter());
    let replaces = transaction.read_in(to_db, to).is_some();
    let done = match transaction.read(from) {
        Some(entry) if replace || !replaces => {
            transaction.put_entry_in(to_db, to, entry, deadline_of(entry));
            transaction.commit();
            true
        }
        _ => {
            drop(transaction);
            false
        }
    };
    if done {
        if replaces {
            ctx.notify_in(to_db, Events::NEW, "new", to);
        }
        ctx.notify_in(to_db, Events::GENERIC, "copy_to", to);
    }
    reply.integer(done.into());
    Ok(Flow::Next)
}

/// The database that COPY copies to, and whether it may replace what is there.
pub(crate) fn copy_options(args: Args<'_>, from_db: u8) -> Result<(u8, bool), WireError> {
    let (mut to_db, mut replace) = (from_db, false);
    let mut index = 3;
    while index < args.len() {
        if args.is(index, "REPLACE") {
            replace = true;
        } else if args.is(index, "DB") && index + 1 < args.len() {
            index += 1;
            to_db = database(&args[index])?;
        } else {
            return Err(WireError::Syntax);
        }
        index += 1;
    }
    Ok((to_db, replace))
}

/// `MOVE key db`
pub(crate) fn move_(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    if ctx.session.port == Port::Cluster {
        return Err(WireError::fixed("ERR MOVE is not allowed in cluster mode"));
    }
    let key = &args[1];
    let (from_db, to_db) = (ctx.session.db, database(&args[2])?);
    if from_db == to_db {
        return Err(WireError::SameObject);
    }
    let mut keyspace = ctx.keyspace();
    let held = [(from_db, key), (to_db, key)];
    let mut transaction = keyspace.transaction_across(held.into_iter());
    let done = match transaction.read(key) {
        Some(entry) if transaction.read_in(to_db, key).is_none() => {
            transaction.put_entry_in(to_db, key, entry, deadline_of(entry));
            transaction.delete(key);
            transaction.commit();
            true
        }
        _ => {
            drop(transaction);
            false
        }
    };
    if done {
        ctx.notify(Events::GENERIC, "move_from", key);
        ctx.notify_in(to_db, Events::GENERIC, "move_to", key);
    }
    reply.integer(done.into());
    Ok(Flow::Next)
}

fn deadline_of(entry: Entry<'_>) -> Expiry {
    entry.deadline().map_or(Expiry::Never, Expiry::At)
}
