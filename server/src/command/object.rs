//! OBJECT: how the store keeps a key. None of these counts as a use of it, though each counts as a hit or miss, as in Redis.

use super::value::help_lines;
use super::{Ctx, Flow, Outcome};
use crate::store::{Entry, Policy, StringView};
use torc_protocol::{Args, Reply, WireError};

/// Integers from 0 up to here are one shared object each in Redis, whose count of references is this large constant.
const SHARED_INTEGERS: i64 = 10_000;
const SHARED_REFERENCES: i64 = i32::MAX as i64;

/// Looks the key of a subcommand up; answers null if it is absent.
fn lookup<'a>(ctx: &mut Ctx<'a>, args: Args<'_>, reply: &mut Reply<'_>) -> Option<Entry<'a>> {
    let found = ctx.keyspace().with_touch(false).without_notice().read(&args[2]);
    if found.is_none() {
        reply.null();
    }
    found
}

/// `OBJECT ENCODING key`
pub(super) fn encoding(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    if let Some(entry) = lookup(ctx, args, reply) {
        reply.bulk(entry.encoding().as_bytes());
    }
    Ok(Flow::Next)
}

/// `OBJECT REFCOUNT key`: what Redis would say, since nothing is shared here.
pub(super) fn refcount(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let Some(entry) = lookup(ctx, args, reply) else { return Ok(Flow::Next) };
    let settings = &ctx.instance.settings;
    // A shared object has no access time of its own, so policies that need one do without sharing.
    let needs_access = matches!(
        settings.maxmemory_policy(),
        Policy::AllKeysLru | Policy::AllKeysLfu | Policy::VolatileLru | Policy::VolatileLfu
    );
    let shares = settings.maxmemory() == 0 || !needs_access;
    let is_shared = shares
        && matches!(entry.string(), Ok(StringView::Integer(value)) if (0..SHARED_INTEGERS).contains(&value));
    reply.integer(if is_shared { SHARED_REFERENCES } else { 1 });
    Ok(Flow::Next)
}

/// `OBJECT IDLETIME key`
pub(super) fn idletime(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let Some(entry) = lookup(ctx, args, reply) else { return Ok(Flow::Next) };
    if ctx.instance.settings.maxmemory_policy().is_lfu() {
        return Err(WireError::fixed(
            "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between \
             policies at runtime LRU and LFU data will take some time to adjust.",
        ));
    }
    reply.integer(entry.idle_seconds(ctx.now) as i64);
    Ok(Flow::Next)
}

/// `OBJECT FREQ key`
pub(super) fn freq(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let Some(entry) = lookup(ctx, args, reply) else { return Ok(Flow::Next) };
    if !ctx.instance.settings.maxmemory_policy().is_lfu() {
        return Err(WireError::fixed(
            "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching \
             between policies at runtime LRU and LFU data will take some time to adjust.",
        ));
    }
    reply.integer(i64::from(ctx.keyspace().frequency(entry)));
    Ok(Flow::Next)
}

/// `OBJECT HELP`
pub(super) fn help(_ctx: &mut Ctx<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    const LINES: &[&str] = &[
        "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "ENCODING <key>",
        "    How the value is kept: int, embstr or raw.",
        "FREQ <key>",
        "    How often the key was used, on a logarithmic scale (LFU policies only).",
        "IDLETIME <key>",
        "    Seconds since the key was last used (not under LFU policies).",
        "REFCOUNT <key>",
        "    How many references Redis would hold to the value.",
        "HELP",
        "    These lines.",
    ];
    help_lines(reply, LINES)
}
