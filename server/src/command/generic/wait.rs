//! WAIT and WAITAOF, of a node on its own: it has no replicas and no append-only file, so whoever waits for one waits until the timeout.
//! In a ring the pipeline runs them; only their arguments are read here.

use crate::base::clock::UnixMs;
use crate::command::value::integer;
use crate::command::{Ctx, Flow, Outcome};
use torc_protocol::number::parse_i64;
use torc_protocol::{Args, Reply, WireError};

/// A timeout of 0 means for good. A century serves, and can be added to the time without overflow.
const FOREVER_MS: UnixMs = 100 * 365 * 24 * 3600 * 1000;

/// `WAIT numreplicas timeout`
pub(crate) fn wait(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (replicas, timeout_ms) = wait_arguments(args)?;
    let flow =
        if replicas <= 0 || ctx.session.in_step { Flow::Next } else { sleep(ctx.now, timeout_ms)? };
    reply.integer(0);
    Ok(flow)
}

/// How many replicas WAIT waits for, and for how many milliseconds; 0 is for good.
pub(crate) fn wait_arguments(args: Args<'_>) -> Result<(i64, u64), WireError> {
    Ok((integer(&args[1])?, timeout(&args[2])?))
}

/// `WAITAOF numlocal numreplicas timeout`
pub(crate) fn waitaof(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (replicas, timeout_ms) = waitaof_arguments(args)?;
    let flow =
        if replicas == 0 || ctx.session.in_step { Flow::Next } else { sleep(ctx.now, timeout_ms)? };
    reply.array(2);
    reply.integer(0);
    reply.integer(0);
    Ok(flow)
}

/// How many replicas WAITAOF waits for, and for how many milliseconds; 0 is for good.
pub(crate) fn waitaof_arguments(args: Args<'_>) -> Result<(i64, u64), WireError> {
    let local = integer(&args[1])?;
    if !(0..=1).contains(&local) {
        return Err(WireError::fixed("ERR value is out of range, value must between 0 and 1"));
    }
    // The same words for what is no number at all.
    let replicas = parse_i64(&args[2])
        .filter(|&count| count >= 0)
        .ok_or(WireError::fixed("ERR value is out of range, must be positive"))?;
    let timeout_ms = timeout(&args[3])?;
    if local > 0 {
        return Err(WireError::fixed(
            "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
        ));
    }
    Ok((replicas, timeout_ms))
}

fn timeout(text: &[u8]) -> Result<u64, WireError> {
    let ms =
        parse_i64(text).ok_or(WireError::fixed("ERR timeout is not an integer or out of range"))?;
    u64::try_from(ms).map_err(|_| WireError::fixed("ERR timeout is negative"))
}

fn sleep(now: UnixMs, timeout_ms: u64) -> Result<Flow, WireError> {
    // Redis keeps times as signed numbers, and refuses what would leave their range.
    let until = now.saturating_add(timeout_ms);
    if until > i64::MAX as u64 {
        return Err(WireError::fixed("ERR timeout is out of range"));
    }
    let until = if timeout_ms == 0 { now + FOREVER_MS } else { until };
    Ok(Flow::SleepUntil(until.min(now + FOREVER_MS)))
}
