//! Commands that read strings, those that change the deadline or remove the key while they do included.

use super::options::{Of, Options};
use crate::admin::pubsub::notify::Events;
use crate::command::value::{integer, write_string, write_string_or_null};
use crate::command::{Ctx, Flow, Outcome};
use crate::store::{Change, Entry, Expiry};
use torc_protocol::{Args, Reply, WireError};

/// `GET key`
pub(crate) fn get(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    match ctx.keyspace().read(&args[1]) {
        Some(entry) => write_string(reply, entry)?,
        None => reply.null(),
    }
    Ok(Flow::Next)
}

/// `MGET key [key …]`: the values that the keys have at one moment.
pub(crate) fn mget(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let keys = args.from(1);
    reply.array(keys.len());
    let write = |found: Option<Entry<'_>>| {
        // What is no string is answered as what is not there.
        if found.is_none_or(|entry| write_string(reply, entry).is_err()) {
            reply.null();
        }
        Ok::<_, WireError>(())
    };
    ctx.keyspace().read_together(keys.len(), |index| &keys[index], write)?;
    Ok(Flow::Next)
}

/// `GETDEL key`
pub(crate) fn getdel(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let found = ctx.keyspace().read_and_update(&args[1], |found: Option<Entry<'_>>| {
        if let Some(entry) = found {
            entry.string()?;
        }
        Ok::<_, WireError>((Change::Delete, found))
    })?;
    if found.is_some() {
        ctx.notify(Events::GENERIC, "del", &args[1]);
    }
    write_string_or_null(reply, found)?;
    Ok(Flow::Next)
}

/// `GETEX key [EX s | PX ms | EXAT s | PXAT ms | PERSIST]`
pub(crate) fn getex(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    if args.len() == 2 {
        return get(ctx, args, reply);
    }
    let options = Options::parse(args, 2, Of::GetEx)?;
    let now = ctx.now;
    let (found, event) = ctx.keyspace().read_and_update(&args[1], |found| {
        // A bad time is found last: on an absent key it goes unnoticed.
        let Some(entry) = found else { return Ok((Change::Keep, (found, None))) };
        entry.string()?;
        let (change, event) = match options.deadline(now, "getex")? {
            Some(deadline) if deadline <= now => {
                (Change::Expire(Expiry::At(deadline)), Some("del"))
            }
            Some(deadline) => (Change::Expire(Expiry::At(deadline)), Some("expire")),
            None if options.persist && entry.deadline().is_some() => {
                (Change::Expire(Expiry::Never), Some("persist"))
            }
            None => (Change::Keep, None),
        };
        Ok::<_, WireError>((change, (found, event)))
    })?;
    if let Some(event) = event {
        ctx.notify(Events::GENERIC, event, &args[1]);
    }
    write_string_or_null(reply, found)?;
    Ok(Flow::Next)
}

/// `STRLEN key`
pub(crate) fn strlen(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let bytes = match ctx.keyspace().read(&args[1]) {
        Some(entry) => entry.string()?.len(),
        None => 0,
    };
    reply.integer(bytes as i64);
    Ok(Flow::Next)
}

/// `GETRANGE key start end`
pub(crate) fn getrange(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (start, end) = (integer(&args[2])?, integer(&args[3])?);
    let Some(entry) = ctx.keyspace().read(&args[1]) else {
        reply.bulk(b"");
        return Ok(Flow::Next);
    };
    let value = entry.string()?;
    let mut scratch = itoa::Buffer::new();
    reply.bulk(range(value.bytes(&mut scratch), start, end));
    Ok(Flow::Next)
}

/// `SUBSTR key start end`: the first name of GETRANGE.
pub(crate) fn substr(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    getrange(ctx, args, reply)
}

/// The bytes from `start` to `end`, both included; negative indexes count from the end, -1 being the last byte.
fn range(bytes: &[u8], start: i64, end: i64) -> &[u8] {
    // A length fits an i64.
    let len = bytes.len() as i64;
    // Redis answers nothing here before it clamps: both lie before the string's start, perhaps, and clamp to its first byte.
    if start < 0 && end < 0 && start > end {
        return b"";
    }
    let clamp = |index: i64| if index < 0 { (len + index).max(0) } else { index };
    let (start, end) = (clamp(start), clamp(end).min(len - 1));
    if start > end { b"" } else { &bytes[start as usize..=end as usize] }
}

#[cfg(test)]
mod tests {
    use super::range;

    #[test]
    fn ranges_count_from_both_ends() {
        let check = |start, end, expected: &str| {
            assert_eq!(range(b"hello", start, end), expected.as_bytes(), "{start} {end}");
        };
        check(0, 4, "hello");
        check(0, -1, "hello");
        check(-3, -2, "ll");
        check(1, 1, "e");
        check(-100, 100, "hello");
        check(-100, -99, "h");
        check(-99, -100, "");
        check(5, 10, "");
        check(3, 1, "");
        check(i64::MIN, i64::MAX, "hello");
        check(i64::MAX, i64::MIN, "");
        assert_eq!(range(b"", 0, -1), b"");
        assert_eq!(range(b"", i64::MIN, i64::MIN), b"");
    }
}
