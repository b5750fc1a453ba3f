//! The node as a whole: its databases, its time, its end.

use super::tracking::tell_all;
use super::{Ctx, Flow, Outcome, Served};
use crate::base::limits::{DATABASE_COUNT, FLUSH_KEYS_A_STRETCH};
use crate::base::release::{REDIS_VERSION, TORC_VERSION};
use crate::cluster::handle::ControlRequest;
use crate::cluster::route::Port;
use std::fmt::Write as _;
use std::ops::Range;
use torc_protocol::number::parse_i64;
use torc_protocol::slot::{SLOT_COUNT, Slot};
use torc_protocol::{Args, Reply, WireError};

/// `DBSIZE`
pub fn dbsize(ctx: &mut Ctx<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let count = match ctx.served() {
        None => ctx.keyspace().len(),
        Some(served) => {
            let keyspace = ctx.keyspace();
            // Most of a ring's databases are empty, and a walk over the slots is not free.
            let total = keyspace.len();
            if total == 0 { 0 } else { served.slots().map(|slot| keyspace.count_slot(slot)).sum() }
        }
    };
    reply.integer(count as i64);
    Ok(Flow::Next)
}

/// `FLUSHDB [ASYNC|SYNC]`
pub fn flushdb(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    check_flush(args)?;
    if let Some(served) = ctx.served() {
        let db = ctx.session.db;
        return flush_served(ctx, served, db..db + 1, reply);
    }
    ctx.keyspace().flush();
    tell_all(ctx);
    reply.ok();
    Ok(Flow::Next)
}

/// `FLUSHALL [ASYNC|SYNC]`
pub fn flushall(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    check_flush(args)?;
    if let Some(served) = ctx.served() {
        return flush_served(ctx, served, 0..DATABASE_COUNT as u8, reply);
    }
    let mut keyspace = ctx.keyspace();
    for db in 0..DATABASE_COUNT {
        keyspace.in_database(db as u8).flush();
    }
    tell_all(ctx);
    reply.ok();
    Ok(Flow::Next)
}

/// Removes the keys of the slots that this node serves, each by a write of its own, so that the replicas follow. A stretch at a time: the
/// command runs again until all are gone.
fn flush_served(
    ctx: &mut Ctx<'_>,
    served: Served<'_>,
    databases: Range<u8>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let (from_db, from_slot, mut position) =
        ctx.session.flushed.take().unwrap_or((databases.start, 0, 0));
    // Clients that track are told of all keys in one word.
    let changes = ctx.local.change_count();
    let mut keyspace = ctx.keyspace();
    let mut left = FLUSH_KEYS_A_STRETCH;
    let mut keys: Vec<&[u8]> = Vec::new();
    for db in from_db..databases.end {
        let mut keyspace = keyspace.in_database(db);
        let first = if db == from_db { from_slot } else { 0 };
        if keyspace.is_empty() {
            continue;
        }
        for slot in (first..SLOT_COUNT as u16).filter_map(Slot::new) {
            if !served.has(slot) {
                position = 0;
                continue;
            }
            let mut from = Some(position);
            while let Some(at) = from {
                if left == 0 {
                    ctx.session.flushed = Some((db, slot.index() as u16, at));
                    ctx.local.forget_changes(changes);
                    return Ok(Flow::Again);
                }
                from = keyspace.visit_slot(slot, at, 1, |entry| keys.push(entry.key()));
                left = left.saturating_sub(keys.len());
                for key in keys.drain(..) {
                    keyspace.remove(key);
                }
            }
            position = 0;
        }
    }
    ctx.local.forget_changes(changes);
    tell_all(ctx);
    reply.ok();
    Ok(Flow::Next)
}

/// Keys are gone at once and freed in the background whichever word is given.
fn check_flush(args: Args<'_>) -> Result<(), WireError> {
    let known = args.len() == 1 || args.len() == 2 && (args.is(1, "ASYNC") || args.is(1, "SYNC"));
    if known { Ok(()) } else { Err(WireError::Syntax) }
}

/// `SWAPDB index index`
pub fn swapdb(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let number = |index: usize, wrong| {
        let number = parse_i64(&args[index]).and_then(|number| i32::try_from(number).ok());
        number.ok_or(WireError::fixed(wrong))
    };
    let first = number(1, "ERR invalid first DB index")?;
    let second = number(2, "ERR invalid second DB index")?;
    let database = |number: i32| {
        u8::try_from(number)
            .ok()
            .filter(|&db| usize::from(db) < DATABASE_COUNT)
            .ok_or(WireError::fixed("ERR DB index is out of range"))
    };
    let (first, second) = (database(first)?, database(second)?);
    if ctx.session.port == Port::Cluster {
        return Err(WireError::fixed("ERR SWAPDB is not allowed in cluster mode"));
    }
    if ctx.served().is_some() {
        return Err(WireError::fixed(
            "ERR SWAPDB is not supported in a ring of nodes: its databases could not be swapped everywhere at once",
        ));
    }
    ctx.keyspace().swap(first, second);
    if first != second {
        // Any key that somebody has read may be another now, and which ones are, nobody looks.
        tell_all(ctx);
    }
    reply.ok();
    Ok(Flow::Next)
}

/// `TIME`: within a transaction or a script always the same, as of Redis 7.2, unless it takes so long that the node is busy with it.
pub fn time(ctx: &mut Ctx<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let clock = &ctx.instance.clock;
    let now_us = match ctx.session.in_step {
        true => *ctx.session.step_us.get_or_insert_with(|| clock.unix_us()),
        false => clock.unix_us(),
    };
    reply.array(2);
    reply.bulk_integer((now_us / 1_000_000) as i64);
    reply.bulk_integer((now_us % 1_000_000) as i64);
    Ok(Flow::Next)
}

/// `LASTSAVE`: when the data was last as it is on disk; there is none, so when the node started.
pub fn lastsave(ctx: &mut Ctx<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    reply.integer((ctx.instance.started_ms / 1000) as i64);
    Ok(Flow::Next)
}

/// `ROLE`: a primary without replicas.
pub fn role(_ctx: &mut Ctx<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    reply.array(3);
    reply.bulk(b"master");
    reply.integer(0);
    reply.array(0);
    Ok(Flow::Next)
}

/// `MONITOR`: shows the client every command from now on. A client that sees them already gets no reply, as in Redis.
pub fn monitor(ctx: &mut Ctx<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    if ctx.session.in_step {
        return Err(WireError::err("MONITOR isn't allowed for DENY BLOCKING client"));
    }
    if ctx.session.start_monitoring(&ctx.instance.clients) {
        reply.ok();
    }
    Ok(Flow::Next)
}

/// A node that leaves stops this long after its limit at the latest: the control thread looks ten times a second.
const SHUTDOWN_MARGIN_MS: u64 = 1_000;

/// `SHUTDOWN [NOSAVE|SAVE] [NOW] [FORCE] [ABORT]`
///
/// Stops the node and answers nothing: the connection closes. A node of a ring hands its keys over first, for as long as `leave-timeout` allows, as Redis waits for
/// its replicas; NOW stops it at once. There is nothing to save, so the other options only have to fit together.
pub fn shutdown(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (mut save, mut nosave, mut abort, mut now, mut force) = (false, false, false, false, false);
    for index in 1..args.len() {
        if args.is(index, "NOSAVE") {
            nosave = true;
        } else if args.is(index, "SAVE") {
            save = true;
        } else if args.is(index, "NOW") {
            now = true;
        } else if args.is(index, "FORCE") {
            force = true;
        } else if args.is(index, "ABORT") {
            abort = true;
        } else {
            return Err(WireError::Syntax);
        }
    }
    if (save && nosave) || (abort && (save || nosave || now || force)) {
        return Err(WireError::Syntax);
    }
    if abort {
        // Once others were told, a node that leaves is on its way; and a lone one waits for nobody.
        return Err(WireError::fixed("ERR No shutdown in progress."));
    }
    let limit_ms = ctx.instance.settings.leave_timeout().max(0) as u64;
    let cluster = &ctx.instance.cluster;
    if now || limit_ms == 0 || !cluster.is_enabled() {
        ctx.instance.request_shutdown();
        return Ok(Flow::Close);
    }
    cluster.request(ControlRequest::Leave).map_err(|busy| WireError::err(&busy.to_string()))?;
    // The client waits, until the process is gone and its connection with it. It hears of it if that does not come about.
    reply.error(&WireError::fixed("ERR Errors trying to SHUTDOWN. Check logs."));
    Ok(Flow::SleepUntil(ctx.now + limit_ms + SHUTDOWN_MARGIN_MS))
}

/// `LOLWUT [VERSION version [size]]`: a torc, the open ring of twisted metal that gave the name.
pub fn lolwut(_ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let mut rows = TORC_ROWS;
    if args.len() >= 3 && args.is(1, "VERSION") {
        for index in 2..args.len() {
            let number = parse_i64(&args[index]).ok_or(WireError::NotInteger)?;
            if index == 3 {
                rows = number.clamp(TORC_ROWS_MIN, TORC_ROWS_MAX);
            }
        }
    }
    reply.verbatim(*b"txt", torc(rows).as_bytes());
    Ok(Flow::Next)
}

const TORC_ROWS: i64 = 17;
const TORC_ROWS_MIN: i64 = 5;
const TORC_ROWS_MAX: i64 = 60;

fn torc(rows: i64) -> String {
    let mut text = String::new();
    let radius = rows as f64 / 2.0;
    for row in 0..rows {
        let mut line = String::new();
        // A character is about twice as high as it is wide.
        for column in 0..rows * 2 {
            let x = (column as f64 + 0.5) / 2.0 - radius;
            let y = row as f64 + 0.5 - radius;
            let from_middle = (x * x + y * y).sqrt() / radius;
            // 0 at the opening, which is at the bottom, up to π at the top.
            let angle = x.atan2(y);
            let strand = (angle * 9.0 + from_middle * 5.0).sin();
            line.push(match from_middle {
                f if !(0.68..=1.0).contains(&f) => ' ',
                _ if angle.abs() < 0.35 => ' ',
                _ if angle.abs() < 0.6 => '@',
                _ if strand > 0.4 => '#',
                _ if strand > -0.3 => '+',
                _ => '.',
            });
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let _ = writeln!(text, "Torc {TORC_VERSION}, answering as Redis ver. {REDIS_VERSION}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_art_names_the_version_and_is_bounded() {
        assert!(torc(TORC_ROWS).ends_with("Redis ver. 7.2.4\n"));
        assert!(torc(TORC_ROWS_MAX).len() < 10_000);
    }
}
