//! Commands that ask for keys, or remove them, whatever they hold.

use crate::admin::pubsub::notify::Events;
use crate::command::{Ctx, Flow, Outcome, Served};
use crate::store::{Entry, Keyspace};
use torc_protocol::slot::slot_of;
use torc_protocol::{Args, Reply, WireError};

/// `DEL key [key …]`
///
/// Each key is one atomic step, not all of them together.
pub(crate) fn del(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let mut removed = 0;
    for key in args.from(1).iter() {
        if ctx.keyspace().remove(key) {
            removed += 1;
            ctx.notify(Events::GENERIC, "del", key);
        }
    }
    reply.integer(removed);
    Ok(Flow::Next)
}

/// `UNLINK key [key …]`: the same, for the store frees large values in the background anyway.
pub(crate) fn unlink(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    del(ctx, args, reply)
}

/// `EXISTS key [key …]`: a key given twice counts twice.
pub(crate) fn exists(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let found = count_present(ctx.keyspace().with_touch(false), args.from(1))?;
    reply.integer(found);
    Ok(Flow::Next)
}

/// `TOUCH key [key …]`
pub(crate) fn touch(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    // It marks keys as used even for a client that set CLIENT NO-TOUCH.
    let found = count_present(ctx.keyspace().with_touch(true), args.from(1))?;
    reply.integer(found);
    Ok(Flow::Next)
}

/// How many of `keys` are there, at one moment.
fn count_present(mut keyspace: Keyspace<'_, '_>, keys: Args<'_>) -> Result<i64, WireError> {
    let mut count = 0;
    keyspace.read_together(
        keys.len(),
        |index| &keys[index],
        |found| {
            count += i64::from(found.is_some());
            Ok::<_, WireError>(())
        },
    )?;
    Ok(count)
}

/// `TYPE key`
pub(crate) fn type_(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let found = ctx.keyspace().with_touch(false).read(&args[1]);
    reply.simple(found.map_or("none", |entry| entry.kind().name()));
    Ok(Flow::Next)
}

/// `RANDOMKEY`
pub(crate) fn randomkey(ctx: &mut Ctx<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let found = match ctx.served() {
        Some(served) => random_served(&mut ctx.keyspace(), served),
        None => ctx.keyspace().random(),
    };
    match found {
        Some(entry) => reply.bulk(entry.key()),
        None => reply.null(),
    }
    Ok(Flow::Next)
}

/// A random key of the slots that this node serves.
fn random_served<'g>(keyspace: &mut Keyspace<'_, 'g>, served: Served<'_>) -> Option<Entry<'g>> {
    /// Keys of other slots that are passed over before the slots are walked.
    const TRIES_MAX: usize = 64;
    for _ in 0..TRIES_MAX {
        let entry = keyspace.random()?;
        if served.has(slot_of(entry.key())) {
            return Some(entry);
        }
    }
    let now = keyspace.now();
    let mut found = None;
    for slot in served.slots() {
        keyspace.visit_slot(slot, 0, usize::MAX, |entry| {
            if entry.deadline().is_none_or(|at| at > now) {
                found = Some(entry);
            }
        });
        if found.is_some() {
            break;
        }
    }
    found
}
