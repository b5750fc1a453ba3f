//! Strings that hold numbers: INCR and its kin.

use crate::admin::pubsub::notify::Events;
use crate::command::value::integer;
use crate::command::{Ctx, Flow, Outcome};
use crate::store::{Change, Entry, Expiry, NewValue, StringView};
use crate::types::long_double::LongDouble;
use std::cell::OnceCell;
use torc_protocol::{Args, Reply, WireError};

/// `INCR key`
pub(crate) fn incr(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    add(ctx, &args[1], 1, reply)
}

/// `DECR key`
pub(crate) fn decr(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    add(ctx, &args[1], -1, reply)
}

/// `INCRBY key increment`
pub(crate) fn incrby(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    add(ctx, &args[1], integer(&args[2])?, reply)
}

/// `DECRBY key decrement`
pub(crate) fn decrby(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let by =
        integer(&args[2])?.checked_neg().ok_or(WireError::fixed("ERR decrement would overflow"))?;
    add(ctx, &args[1], by, reply)
}

fn add(ctx: &mut Ctx<'_>, key: &[u8], by: i64, reply: &mut Reply<'_>) -> Outcome {
    let sum = ctx.keyspace().update(key, |found| {
        let before = match found {
            None => 0,
            Some(entry) => match entry.string()? {
                StringView::Integer(value) => value,
                // Text that an edit left behind may still read as a number.
                text => integer(text.bytes(&mut itoa::Buffer::new()))?,
            },
        };
        let sum = before.checked_add(by).ok_or(WireError::Overflow)?;
        Ok::<_, WireError>((Change::Add { sum, by }, sum))
    })?;
    ctx.notify(Events::STRING, "incrby", key);
    reply.integer(sum);
    Ok(Flow::Next)
}

/// Why INCRBYFLOAT's step did not happen.
enum Stop {
    Error(WireError),
    /// Another writer came first, and the text is spent.
    Again,
}

/// `INCRBYFLOAT key increment`
pub(crate) fn incrbyfloat(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    loop {
        // The sum's text must outlive the closure that computes it, so each try has a place of its own for it.
        let text = OnceCell::new();
        let stored = ctx.keyspace().update(&args[1], |found| {
            if text.get().is_some() {
                return Err(Stop::Again);
            }
            let sum = sum_text(found, &args[2]).map_err(Stop::Error)?;
            let sum = text.get_or_init(|| sum);
            Ok((Change::Put(NewValue::Text(sum.as_bytes()), Expiry::Keep), ()))
        });
        match stored {
            Ok(()) => {
                ctx.notify(Events::STRING, "incrbyfloat", &args[1]);
                reply.bulk(text.get().map_or(b"", |text| text.as_bytes()));
                return Ok(Flow::Next);
            }
            Err(Stop::Error(error)) => return Err(error),
            Err(Stop::Again) => {}
        }
    }
}

fn sum_text(found: Option<Entry<'_>>, by: &[u8]) -> Result<String, WireError> {
    let parse = |text: &[u8]| LongDouble::parse(text).ok_or(WireError::NotFloat);
    let before = match found {
        Some(entry) => parse(entry.string()?.bytes(&mut itoa::Buffer::new()))?,
        None => parse(b"0")?,
    };
    let sum = before.add(parse(by)?);
    if !sum.is_finite() {
        return Err(WireError::fixed("ERR increment would produce NaN or Infinity"));
    }
    Ok(sum.to_text())
}
