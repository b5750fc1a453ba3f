//! Bits of strings: SETBIT, GETBIT, BITCOUNT, BITPOS and BITOP, and the fields of BITFIELD in [`field`].

mod field;
#[cfg(test)]
mod tests;

pub(crate) use field::{bitfield, bitfield_ro};

use crate::admin::pubsub::notify::Events;
use crate::command::value::integer;
use crate::command::{Ctx, Flow, Outcome};
use crate::store::{Expiry, NewValue, StringView, Transaction, WrongType};
use crate::types::bitmap::{self, Operation};
use torc_protocol::number::parse_i64;
use torc_protocol::{Args, Reply, WireError};

/// `SETBIT key offset value`
pub(crate) fn setbit(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let offset = bit_offset(&args[2], ctx.instance.settings.proto_max_bulk_len())?;
    let bit = match &args[3] {
        b"0" => false,
        b"1" => true,
        _ => return Err(WireError::fixed("ERR bit is not an integer or out of range")),
    };
    let (before, grew) = ctx.keyspace().edit_string(&args[1], |edit| {
        let len = (offset / 8) as usize + 1;
        let grew = !edit.existed() || edit.bytes().len() < len;
        if !grew && edit.is_raw() && bitmap::get(edit.bytes(), offset) == bit {
            // Watchers hear of changes alone; another encoding than `raw` is one that changes.
            edit.keep();
            return Ok((bit, false));
        }
        edit.grow(len);
        Ok::<_, WireError>((bitmap::put(edit.bytes_mut(), offset, bit), grew))
    })?;
    if grew || before != bit {
        ctx.notify(Events::STRING, "setbit", &args[1]);
    }
    reply.integer(i64::from(before));
    Ok(Flow::Next)
}

/// `GETBIT key offset`
pub(crate) fn getbit(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let offset = bit_offset(&args[2], ctx.instance.settings.proto_max_bulk_len())?;
    let bit = match ctx.keyspace().read(&args[1]) {
        Some(entry) => bitmap::get(entry.string()?.bytes(&mut itoa::Buffer::new()), offset),
        None => false,
    };
    reply.integer(i64::from(bit));
    Ok(Flow::Next)
}

/// `BITCOUNT key [start end [BYTE | BIT]]`
pub(crate) fn bitcount(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    // An absent key is answered before the range is looked at.
    let Some(entry) = ctx.keyspace().read(&args[1]) else {
        reply.integer(0);
        return Ok(Flow::Next);
    };
    let value = entry.string()?;
    let mut scratch = itoa::Buffer::new();
    let bytes = value.bytes(&mut scratch);
    let count = match args.len() {
        2 => bitmap::count(bytes),
        4 | 5 => {
            let (start, end) = (integer(&args[2])?, integer(&args[3])?);
            // Both before the beginning is nothing, although both would be moved to the first byte. Redis says so before
            // it looks at the unit.
            if start < 0 && end < 0 && start > end {
                0
            } else {
                bit_range(bytes.len(), start, end, unit(args, 4)?)
                    .map_or(0, |(first, last)| bitmap::count_range(bytes, first, last))
            }
        }
        _ => return Err(WireError::Syntax),
    };
    reply.integer(count as i64);
    Ok(Flow::Next)
}

/// `BITPOS key bit [start [end [BYTE | BIT]]]`
pub(crate) fn bitpos(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let bit = match integer(&args[2])? {
        0 => false,
        1 => true,
        _ => return Err(WireError::fixed("ERR The bit argument must be 1 or 0.")),
    };
    // As in BITCOUNT. An absent key is an endless row of zeros.
    let Some(entry) = ctx.keyspace().read(&args[1]) else {
        reply.integer(if bit { -1 } else { 0 });
        return Ok(Flow::Next);
    };
    let value = entry.string()?;
    let mut scratch = itoa::Buffer::new();
    let bytes = value.bytes(&mut scratch);
    if args.len() > 6 {
        return Err(WireError::Syntax);
    }
    // In Redis's order: of several wrong words the unit is told before the end.
    let start = args.get(3).map_or(Ok(0), integer)?;
    let unit = unit(args, 5)?;
    let end = args.get(4).map(integer).transpose()?;
    let found = match bit_range(bytes.len(), start, end.unwrap_or(-1), unit) {
        None => None,
        Some((first, last)) => bitmap::position(bytes, bit, first, last).or_else(|| {
            // Without an end, zeros follow the string.
            (!bit && end.is_none()).then_some(bytes.len() as u64 * 8)
        }),
    };
    reply.integer(found.map_or(-1, |position| position as i64));
    Ok(Flow::Next)
}

/// `BITOP AND | OR | XOR | NOT destkey key [key ...]`
pub(crate) fn bitop(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let operation = operation(args)?;
    let keys: Vec<&[u8]> = args.from(2).iter().collect();
    let mut keyspace = ctx.keyspace();
    let mut transaction = keyspace.transaction(&keys);
    let result = combine(&mut transaction, operation, &keys[1..])?;
    let deleted = if result.is_empty() {
        transaction.delete(keys[0])
    } else {
        transaction.put(keys[0], NewValue::Raw(&result), Expiry::Never);
        false
    };
    transaction.commit();
    if !result.is_empty() {
        ctx.notify(Events::STRING, "set", keys[0]);
    } else if deleted {
        ctx.notify(Events::GENERIC, "del", keys[0]);
    }
    reply.integer(result.len() as i64);
    Ok(Flow::Next)
}

/// What BITOP is to do.
pub(crate) fn operation(args: Args<'_>) -> Result<Operation, WireError> {
    let operation = if args.is(1, "AND") {
        Operation::And
    } else if args.is(1, "OR") {
        Operation::Or
    } else if args.is(1, "XOR") {
        Operation::Xor
    } else if args.is(1, "NOT") {
        Operation::Not
    } else {
        return Err(WireError::Syntax);
    };
    if operation == Operation::Not && args.len() != 4 {
        return Err(WireError::fixed("ERR BITOP NOT must be called with a single source key."));
    }
    Ok(operation)
}

/// The values of `keys` combined; absent ones are empty.
fn combine(
    transaction: &mut Transaction<'_, '_, '_>,
    operation: Operation,
    keys: &[&[u8]],
) -> Result<Vec<u8>, WrongType> {
    let mut views = Vec::with_capacity(keys.len());
    for key in keys {
        let view = match transaction.look_up(key) {
            Some(entry) => entry.string()?,
            None => StringView::Bytes(b""),
        };
        views.push((view, itoa::Buffer::new()));
    }
    let sources: Vec<&[u8]> = views.iter_mut().map(|(view, text)| view.bytes(text)).collect();
    Ok(bitmap::combine(operation, &sources))
}

/// What a range counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Byte,
    Bit,
}

/// The unit named by argument `index`; bytes if it is absent.
fn unit(args: Args<'_>, index: usize) -> Result<Unit, WireError> {
    if index >= args.len() || args.is(index, "BYTE") {
        Ok(Unit::Byte)
    } else if args.is(index, "BIT") {
        Ok(Unit::Bit)
    } else {
        Err(WireError::Syntax)
    }
}

/// First and last bit of the range from `start` to `end` in a string of `len` bytes; `None` if it is empty. Negative
/// numbers count from the end, and what lies outside is cut off.
fn bit_range(len: usize, start: i64, end: i64, unit: Unit) -> Option<(u64, u64)> {
    let units = match unit {
        Unit::Byte => len as i64,
        Unit::Bit => len as i64 * 8,
    };
    let from_end = |index: i64| if index < 0 { (units + index).max(0) } else { index };
    let (start, end) = (from_end(start), from_end(end).min(units - 1));
    if start > end {
        return None;
    }
    let (start, end) = (start as u64, end as u64);
    Some(match unit {
        Unit::Byte => (start * 8, end * 8 + 7),
        Unit::Bit => (start, end),
    })
}

/// Reads the offset of a bit in a string of at most `bytes_max` bytes.
fn bit_offset(text: &[u8], bytes_max: u64) -> Result<u64, WireError> {
    checked_offset(parse_i64(text), bytes_max)
}

fn checked_offset(offset: Option<i64>, bytes_max: u64) -> Result<u64, WireError> {
    offset
        .and_then(|offset| u64::try_from(offset).ok())
        .filter(|offset| offset / 8 < bytes_max)
        .ok_or(WireError::fixed("ERR bit offset is not an integer or out of range"))
}
