//! HyperLogLog: PFADD, PFCOUNT, PFMERGE, and what test suites use to look inside.

use crate::admin::pubsub::notify::Events;
use crate::command::{Ctx, Flow, Outcome};
use crate::store::{Expiry, NewValue};
use crate::types::hyperloglog::{self, Encoding, Invalid, Union};
use torc_protocol::{Args, Reply, WireError};

#[cfg(test)]
mod tests;

/// `PFADD key [element ...]`
pub(crate) fn pfadd(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let sparse_bytes_max = sparse_bytes_max(ctx);
    let (changed, corrupted) = ctx.keyspace().edit_string(&args[1], |edit| {
        let mut changed = !edit.existed();
        let mut corrupted = None;
        if changed {
            edit.replace(&hyperloglog::empty());
        }
        let elements = args.from(2);
        match hyperloglog::encoding(edit.bytes()).map_err(wire_error)? {
            Encoding::Dense => {
                for element in elements.iter() {
                    changed |= hyperloglog::add_dense(edit.bytes_mut(), element);
                }
            }
            Encoding::Sparse => {
                for element in elements.iter() {
                    match hyperloglog::add(edit.buffer(), element, sparse_bytes_max) {
                        Ok(grew) => changed |= grew,
                        Err(invalid) => {
                            corrupted = Some(invalid);
                            break;
                        }
                    }
                }
            }
        }
        if changed {
            hyperloglog::forget_count(edit.bytes_mut());
        } else {
            // Most elements of a full counter raise no register.
            edit.keep();
        }
        // What was added before the corrupted place was met stays, as in Redis: so it is no error of the edit.
        Ok::<_, WireError>((changed, corrupted))
    })?;
    if let Some(invalid) = corrupted {
        return Err(wire_error(invalid));
    }
    if changed {
        ctx.notify(Events::STRING, "pfadd", &args[1]);
    }
    reply.integer(i64::from(changed));
    Ok(Flow::Next)
}

/// `PFCOUNT key [key ...]`
pub(crate) fn pfcount(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let count = if args.len() == 2 { count_one(ctx, &args[1])? } else { count_union(ctx, args)? };
    reply.integer(count as i64);
    Ok(Flow::Next)
}

/// The count of one key. If it was out of date, it is kept in the value from now on.
fn count_one(ctx: &mut Ctx<'_>, key: &[u8]) -> Result<u64, WireError> {
    let mut keyspace = ctx.keyspace();
    let Some(entry) = keyspace.read(key) else { return Ok(0) };
    let kept = {
        let value = entry.string()?;
        let mut scratch = itoa::Buffer::new();
        let bytes = value.bytes(&mut scratch);
        hyperloglog::encoding(bytes).map_err(wire_error)?;
        hyperloglog::kept_count(bytes)
    };
    if let Some(count) = kept {
        return Ok(count);
    }
    keyspace.edit_string(key, |edit| {
        if !edit.existed() {
            return Ok(0);
        }
        let count = hyperloglog::count(edit.bytes()).map_err(wire_error)?;
        hyperloglog::keep_count(edit.bytes_mut(), count);
        Ok(count)
    })
}

fn count_union(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<u64, WireError> {
    let keys = args.from(1);
    let mut union = Union::default();
    ctx.keyspace().read_together(
        keys.len(),
        |index| &keys[index],
        |found| {
            let Some(entry) = found else { return Ok(()) };
            let value = entry.string()?;
            union.include(value.bytes(&mut itoa::Buffer::new())).map_err(wire_error)
        },
    )?;
    Ok(union.count())
}

/// `PFMERGE destkey [sourcekey ...]`
pub(crate) fn pfmerge(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let sparse_bytes_max = sparse_bytes_max(ctx);
    let keys: Vec<&[u8]> = args.from(1).iter().collect();
    let mut keyspace = ctx.keyspace();
    let mut transaction = keyspace.transaction(&keys);
    let mut union = Union::default();
    let mut merged = None;
    // The destination comes first, and is one of the sources.
    for (nth, key) in keys.iter().enumerate() {
        let Some(entry) = transaction.look_up(key) else { continue };
        let value = entry.string()?;
        let mut scratch = itoa::Buffer::new();
        let bytes = value.bytes(&mut scratch);
        union.include(bytes).map_err(wire_error)?;
        if nth == 0 {
            merged = Some(bytes.to_vec());
        }
    }
    let mut merged = merged.unwrap_or_else(hyperloglog::empty);
    union.write_to(&mut merged, sparse_bytes_max).map_err(wire_error)?;
    transaction.put(keys[0], NewValue::Raw(&merged), Expiry::Keep);
    transaction.commit();
    ctx.notify(Events::STRING, "pfadd", keys[0]);
    reply.ok();
    Ok(Flow::Next)
}

/// `PFDEBUG GETREG | DECODE | ENCODING | TODENSE key`
pub(crate) fn pfdebug(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let mut keyspace = ctx.keyspace();
    let Some(entry) = keyspace.peek(&args[2]) else {
        return Err(WireError::fixed("ERR The specified key does not exist"));
    };
    let mut bytes = entry.string()?.bytes(&mut itoa::Buffer::new()).to_vec();
    let encoding = hyperloglog::encoding(&bytes).map_err(wire_error)?;
    if args.is(1, "ENCODING") {
        reply.simple(if encoding == Encoding::Dense { "dense" } else { "sparse" });
    } else if args.is(1, "DECODE") {
        if encoding == Encoding::Dense {
            return Err(WireError::fixed("ERR HLL encoding is not sparse"));
        }
        let text = hyperloglog::describe_sparse(&bytes).map_err(wire_error)?;
        reply.bulk(text.as_bytes());
    } else if args.is(1, "TODENSE") || args.is(1, "GETREG") {
        if encoding == Encoding::Sparse {
            keyspace.edit_string(&args[2], |edit| {
                bytes = edit.bytes().to_vec();
                hyperloglog::make_dense(&mut bytes).map_err(wire_error)?;
                edit.replace(&bytes);
                Ok::<_, WireError>(())
            })?;
        }
        if args.is(1, "TODENSE") {
            reply.integer(i64::from(encoding == Encoding::Sparse));
        } else {
            reply.array(hyperloglog::REGISTER_COUNT);
            hyperloglog::dense_ranks(&bytes).for_each(|rank| reply.integer(i64::from(rank)));
        }
    } else {
        return Err(WireError::quoting("ERR Unknown PFDEBUG subcommand '", &args[1], "'"));
    }
    Ok(Flow::Next)
}

/// `PFSELFTEST`
pub(crate) fn pfselftest(_: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    match hyperloglog::self_test() {
        Ok(()) => reply.ok(),
        Err(what) => return Err(WireError::Line(format!("TESTFAILED {what}").into())),
    }
    Ok(Flow::Next)
}

fn sparse_bytes_max(ctx: &Ctx<'_>) -> usize {
    usize::try_from(ctx.instance.settings.hll_sparse_max_bytes()).unwrap_or(usize::MAX)
}

/// What the client is told of a value that is no HyperLogLog.
pub(crate) fn wire_error(invalid: Invalid) -> WireError {
    WireError::fixed(match invalid {
        Invalid::NotHyperLogLog => "WRONGTYPE Key is not a valid HyperLogLog string value.",
        Invalid::Corrupted => "INVALIDOBJ Corrupted HLL object detected",
    })
}
