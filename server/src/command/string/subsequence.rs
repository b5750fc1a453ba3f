//! LCS: the longest common subsequence of two values.

use crate::command::value::integer;
use crate::command::{Ctx, Flow, Outcome};
use crate::store::{Entry, StringView};
use crate::types::lcs::{self, Lcs, TooLarge};
use torc_protocol::{Args, Reply, WireError};

#[derive(Debug, Default)]
struct Options {
    /// Answer where the strings match.
    ranges: bool,
    /// Answer the length alone.
    length: bool,
    /// Add to each range how long it is.
    with_match_len: bool,
    /// Leave out ranges that are shorter.
    match_len_min: i64,
}

/// `LCS key1 key2 [LEN] [IDX] [MINMATCHLEN len] [WITHMATCHLEN]`
pub(crate) fn lcs(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let bytes_max = ctx.instance.settings.proto_max_bulk_len();
    let mut views = [Ok(None), Ok(None)];
    let mut next = views.iter_mut();
    let keep = |found| {
        next.next().into_iter().for_each(|view| *view = string(found));
        Ok::<_, WireError>(())
    };
    ctx.keyspace().read_together(2, |index| &args[index + 1], keep)?;
    let [a, b] = views;
    // The types come before the options.
    let (a, b) = (a?, b?);
    let options = parse(args)?;
    let mut scratch = (itoa::Buffer::new(), itoa::Buffer::new());
    let a = a.as_ref().map_or(&b""[..], |view| view.bytes(&mut scratch.0));
    let b = b.as_ref().map_or(&b""[..], |view| view.bytes(&mut scratch.1));
    if options.length {
        let len = lcs::lcs_len(a, b, bytes_max).map_err(too_large)?;
        reply.integer(len as i64);
        return Ok(Flow::Next);
    }
    let found = lcs::lcs(a, b, bytes_max).map_err(too_large)?;
    if options.ranges {
        write_ranges(reply, &found, &options);
    } else {
        reply.bulk(&found.bytes);
    }
    Ok(Flow::Next)
}

fn string(entry: Option<Entry<'_>>) -> Result<Option<StringView<'_>>, WireError> {
    // LCS has words of its own for a wrong type.
    entry
        .map(|entry| entry.string())
        .transpose()
        .map_err(|_| WireError::fixed("ERR The specified keys must contain string values"))
}

fn too_large(_: TooLarge) -> WireError {
    WireError::fixed("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len")
}

fn parse(args: Args<'_>) -> Result<Options, WireError> {
    let mut options = Options::default();
    let mut index = 3;
    while index < args.len() {
        if args.is(index, "IDX") {
            options.ranges = true;
        } else if args.is(index, "LEN") {
            options.length = true;
        } else if args.is(index, "WITHMATCHLEN") {
            options.with_match_len = true;
        } else if args.is(index, "MINMATCHLEN") && index + 1 < args.len() {
            index += 1;
            options.match_len_min = integer(&args[index])?.max(0);
        } else {
            return Err(WireError::Syntax);
        }
        index += 1;
    }
    if options.ranges && options.length {
        return Err(WireError::fixed(
            "ERR If you want both the length and indexes, please just use IDX.",
        ));
    }
    Ok(options)
}

fn write_ranges(reply: &mut Reply<'_>, found: &Lcs, options: &Options) {
    let long_enough = || found.matches.iter().filter(|m| m.len() as i64 >= options.match_len_min);
    reply.map(2);
    reply.bulk(b"matches");
    reply.array(long_enough().count());
    for run in long_enough() {
        reply.array(if options.with_match_len { 3 } else { 2 });
        for range in [&run.a, &run.b] {
            reply.array(2);
            reply.integer(range.start as i64);
            // The last byte, not the one behind it; no match is empty.
            reply.integer(range.end as i64 - 1);
        }
        if options.with_match_len {
            reply.integer(run.len() as i64);
        }
    }
    reply.bulk(b"len");
    reply.integer(found.bytes.len() as i64);
}
