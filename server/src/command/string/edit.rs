//! Commands that change a part of a string: APPEND and SETRANGE.

use crate::admin::pubsub::notify::Events;
use crate::command::value::integer;
use crate::command::{Ctx, Flow, Outcome};
use crate::store::{Change, Expiry, NewValue, WrongType};
use torc_protocol::{Args, Reply, WireError};

/// Why an edit did not happen.
enum Stop {
    Error(WireError),
    /// There is nothing to edit.
    Absent,
}

impl From<WireError> for Stop {
    fn from(error: WireError) -> Self {
        Stop::Error(error)
    }
}

impl From<WrongType> for Stop {
    fn from(_: WrongType) -> Self {
        Stop::Error(WireError::WrongType)
    }
}

/// `APPEND key value`
pub(crate) fn append(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let tail = &args[2];
    let bytes_max = ctx.instance.settings.proto_max_bulk_len();
    loop {
        let edited = ctx.keyspace().edit_string(&args[1], |text| {
            if !text.existed() {
                return Err(Stop::Absent);
            }
            check_length(text.bytes().len() as u64, tail, bytes_max)?;
            text.append(tail);
            Ok(text.bytes().len())
        });
        match edited {
            Ok(len) => {
                ctx.notify(Events::STRING, "append", &args[1]);
                reply.integer(len as i64);
                return Ok(Flow::Next);
            }
            Err(Stop::Error(error)) => return Err(error),
            Err(Stop::Absent) => {}
        }
        // On an absent key APPEND is SET, even of nothing, and keeps a number as a number.
        let stored = ctx.keyspace().update(&args[1], |found| {
            let change = match found {
                Some(_) => Change::Keep,
                None => Change::Put(NewValue::Bytes(tail), Expiry::Never),
            };
            Ok::<_, WireError>((change, found.is_none()))
        })?;
        if stored {
            ctx.notify(Events::STRING, "append", &args[1]);
            reply.integer(tail.len() as i64);
            return Ok(Flow::Next);
        }
    }
}

/// `SETRANGE key offset value`
pub(crate) fn setrange(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let Ok(offset) = u64::try_from(integer(&args[2])?) else {
        return Err(WireError::fixed("ERR offset is out of range"));
    };
    let patch = &args[3];
    let bytes_max = ctx.instance.settings.proto_max_bulk_len();
    let mut keyspace = ctx.keyspace();
    if patch.is_empty() {
        // Nothing is written, and nothing grows up to the offset; the key is not created either.
        let len = match keyspace.peek(&args[1]) {
            Some(entry) => entry.string()?.len(),
            None => 0,
        };
        reply.integer(len as i64);
        return Ok(Flow::Next);
    }
    let len = keyspace.edit_string(&args[1], |text| {
        check_length(offset, patch, bytes_max)?;
        let start = offset as usize;
        text.grow(start + patch.len());
        text.bytes_mut()[start..start + patch.len()].copy_from_slice(patch);
        Ok::<_, WireError>(text.bytes().len())
    })?;
    ctx.notify(Events::STRING, "setrange", &args[1]);
    reply.integer(len as i64);
    Ok(Flow::Next)
}

/// Refuses a string of `before` bytes and then `tail` if that is more than `proto-max-bulk-len`.
fn check_length(before: u64, tail: &[u8], bytes_max: u64) -> Result<(), WireError> {
    match before.checked_add(tail.len() as u64) {
        Some(total) if total <= bytes_max => Ok(()),
        _ => Err(WireError::fixed("ERR string exceeds maximum allowed size (proto-max-bulk-len)")),
    }
}
