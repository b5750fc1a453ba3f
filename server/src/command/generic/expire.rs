//! Deadlines: the EXPIRE and TTL families.

use crate::admin::pubsub::notify::Events;
use crate::base::clock::UnixMs;
use crate::command::value::{TimeUnit, integer};
use crate::command::{Ctx, Flow, Outcome};
use crate::store::{Change, Expiry};
use std::borrow::Cow;
use torc_protocol::{Args, Reply, WireError};

/// `EXPIRE key seconds [NX | XX | GT | LT]`
pub(crate) fn expire(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    set_deadline(ctx, args, reply, TimeUnit::Seconds, "expire")
}

/// `PEXPIRE key milliseconds [NX | XX | GT | LT]`
pub(crate) fn pexpire(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    set_deadline(ctx, args, reply, TimeUnit::Millis, "pexpire")
}

/// `EXPIREAT key unix-seconds [NX | XX | GT | LT]`
pub(crate) fn expireat(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    set_deadline(ctx, args, reply, TimeUnit::UnixSeconds, "expireat")
}

/// `PEXPIREAT key unix-milliseconds [NX | XX | GT | LT]`
pub(crate) fn pexpireat(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    set_deadline(ctx, args, reply, TimeUnit::UnixMillis, "pexpireat")
}

fn set_deadline(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
    unit: TimeUnit,
    command: &'static str,
) -> Outcome {
    let condition = Condition::parse(args.from(3))?;
    let now = ctx.now;
    let at = unit
        .unix_ms(integer(&args[2])?, now)
        .ok_or(WireError::InvalidExpire(Cow::Borrowed(command)))?;
    let event = ctx.keyspace().update(&args[1], |found| {
        let change = match found {
            Some(entry) if condition.holds(at, entry.deadline()) => match UnixMs::try_from(at) {
                Ok(at) if at > now => Change::Expire(Expiry::At(at)),
                // A time that has passed, even one before 1970, means now.
                _ => Change::Delete,
            },
            _ => Change::Keep,
        };
        let event = match change {
            Change::Keep => None,
            Change::Delete => Some("del"),
            _ => Some("expire"),
        };
        Ok::<_, WireError>((change, event))
    })?;
    if let Some(event) = event {
        ctx.notify(Events::GENERIC, event, &args[1]);
    }
    reply.integer(event.is_some().into());
    Ok(Flow::Next)
}

/// When a new deadline is to replace the old.
#[derive(Debug, Default)]
struct Condition {
    /// NX: there is none.
    none: bool,
    /// XX: there is one.
    some: bool,
    /// GT: it is later. No deadline counts as the latest.
    later: bool,
    /// LT: it is sooner.
    sooner: bool,
}

impl Condition {
    fn parse(options: Args<'_>) -> Result<Self, WireError> {
        let mut condition = Condition::default();
        for (index, word) in options.iter().enumerate() {
            if options.is(index, "NX") {
                condition.none = true;
            } else if options.is(index, "XX") {
                condition.some = true;
            } else if options.is(index, "GT") {
                condition.later = true;
            } else if options.is(index, "LT") {
                condition.sooner = true;
            } else {
                return Err(WireError::quoting("ERR Unsupported option ", word, ""));
            }
        }
        if condition.none && (condition.some || condition.later || condition.sooner) {
            return Err(WireError::fixed(
                "ERR NX and XX, GT or LT options at the same time are not compatible",
            ));
        }
        if condition.later && condition.sooner {
            return Err(WireError::fixed(
                "ERR GT and LT options at the same time are not compatible",
            ));
        }
        Ok(condition)
    }

    /// `at` may lie before 1970; what a key has never does.
    fn holds(&self, at: i64, old: Option<UnixMs>) -> bool {
        // Every deadline was an i64 once.
        let old = old.map(|old| old as i64);
        !(self.none && old.is_some()
            || self.some && old.is_none()
            || self.later && old.is_none_or(|old| at <= old)
            || self.sooner && old.is_some_and(|old| at >= old))
    }
}

/// `PERSIST key`
pub(crate) fn persist(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let done = ctx.keyspace().update(&args[1], |found| {
        let had_deadline = found.is_some_and(|entry| entry.deadline().is_some());
        let change = if had_deadline { Change::Expire(Expiry::Never) } else { Change::Keep };
        Ok::<_, WireError>((change, had_deadline))
    })?;
    if done {
        ctx.notify(Events::GENERIC, "persist", &args[1]);
    }
    reply.integer(done.into());
    Ok(Flow::Next)
}

/// `TTL key`
pub(crate) fn ttl(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    answer_deadline(ctx, args, reply, |at, now| to_seconds(at.saturating_sub(now)))
}

/// `PTTL key`
pub(crate) fn pttl(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    answer_deadline(ctx, args, reply, |at, now| at.saturating_sub(now))
}

/// `EXPIRETIME key`
pub(crate) fn expiretime(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    answer_deadline(ctx, args, reply, |at, _| to_seconds(at))
}

/// `PEXPIRETIME key`
pub(crate) fn pexpiretime(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    answer_deadline(ctx, args, reply, |at, _| at)
}

/// Answers what `show` makes of the deadline and now; -1 without a deadline, -2 without a key.
fn answer_deadline(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
    show: fn(UnixMs, UnixMs) -> u64,
) -> Outcome {
    let now = ctx.now;
    let answer = match ctx.keyspace().with_touch(false).read(&args[1]) {
        None => -2,
        // A deadline is at most i64::MAX, and nothing shown is more.
        Some(entry) => entry.deadline().map_or(-1, |at| show(at, now) as i64),
    };
    reply.integer(answer);
    Ok(Flow::Next)
}

/// Rounds to the nearest second.
fn to_seconds(ms: u64) -> u64 {
    (ms + 500) / 1000
}

#[cfg(test)]
mod tests {
    use super::Condition;

    #[test]
    fn no_deadline_counts_as_the_latest() {
        let none = Condition { none: true, ..Default::default() };
        let some = Condition { some: true, ..Default::default() };
        let later = Condition { later: true, ..Default::default() };
        let sooner = Condition { sooner: true, ..Default::default() };
        let both = Condition { some: true, sooner: true, ..Default::default() };
        for (condition, old, at, expected) in [
            (&none, None, 5, true),
            (&none, Some(9), 5, false),
            (&some, None, 5, false),
            (&some, Some(9), 5, true),
            (&later, None, i64::MAX, false),
            (&later, Some(9), 9, false),
            (&later, Some(9), 10, true),
            (&sooner, None, i64::MAX, true),
            (&sooner, Some(9), 9, false),
            (&sooner, Some(9), -1, true),
            (&both, None, 5, false),
            (&both, Some(9), 5, true),
        ] {
            assert_eq!(condition.holds(at, old), expected, "{condition:?} {old:?} {at}");
        }
    }
}
