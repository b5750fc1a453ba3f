//! Numbers in fields: HINCRBY and HINCRBYFLOAT.

use crate::admin::pubsub::notify::Events;
use crate::command::value::integer;
use crate::command::{Ctx, Flow, Outcome};
use crate::store::Edit;
use crate::types::collection::{Hash, Item};
use crate::types::long_double::LongDouble;
use torc_protocol::number::parse_i64;
use torc_protocol::{Args, Reply, WireError};

/// `HINCRBY key field increment`
pub(crate) fn hincrby(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let by = integer(&args[3])?;
    let sum = ctx.keyspace().edit(&args[1], |hash: &mut Edit<'_, Hash>| {
        let before = match hash.view().get(&args[2]) {
            None => 0,
            Some(Item::Integer(value)) => value,
            Some(Item::Bytes(text)) => {
                parse_i64(text).ok_or(WireError::fixed("ERR hash value is not an integer"))?
            }
        };
        let sum = before.checked_add(by).ok_or(WireError::Overflow)?;
        hash.add(&args[2], sum, by);
        Ok::<_, WireError>(sum)
    })?;
    ctx.notify(Events::HASH, "hincrby", &args[1]);
    reply.integer(sum);
    Ok(Flow::Next)
}

/// `HINCRBYFLOAT key field increment`
pub(crate) fn hincrbyfloat(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let by = LongDouble::parse(&args[3]).ok_or(WireError::NotFloat)?;
    if !by.is_finite() {
        return Err(WireError::fixed("ERR value is NaN or Infinity"));
    }
    let sum = ctx.keyspace().edit(&args[1], |hash: &mut Edit<'_, Hash>| {
        let parse = |text: &[u8]| {
            LongDouble::parse(text).ok_or(WireError::fixed("ERR hash value is not a float"))
        };
        let before = match hash.view().get(&args[2]) {
            None => parse(b"0")?,
            Some(value) => parse(value.text(&mut itoa::Buffer::new()))?,
        };
        let sum = before.add(by);
        if !sum.is_finite() {
            return Err(WireError::fixed("ERR increment would produce NaN or Infinity"));
        }
        let text = sum.to_text();
        hash.set(&args[2], text.as_bytes());
        Ok(text)
    })?;
    ctx.notify(Events::HASH, "hincrbyfloat", &args[1]);
    reply.bulk(sum.as_bytes());
    Ok(Flow::Next)
}
