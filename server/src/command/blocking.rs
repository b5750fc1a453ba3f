//! Commands that wait until a key has something: the wait, and serving those who wait.
//!
//! ```text
//!   BLPOP ── a key has something ─▶ reply
//!        └── none has ─▶ enter the queues ── await changes ── look once more ─▶ Flow::Wait
//!   a command changes an awaited key ── done ─▶ serve_awoken: whoever waits for it, first come first served
//! ```
//!
//! Those who wait are served by the thread whose command brought what they wait for, behind that command and before its next one, so that nobody sees an element that
//! a client was waiting for. After EXEC and scripts as a whole. **Invariant.** A key for which somebody waits and that nobody serves is awaited (see
//! [`crate::store`]), and has nothing for them.
//!
//! Source: redis.io, the pages of BLPOP, BLMOVE, BLMPOP, BZPOPMIN, BZMPOP.

use super::list::{self, End as ListEnd};
use super::zset;
use super::{Ctx, Flow, Outcome, Session};
use crate::admin::blocked::{Asked, End, Finish, Waiter, Want};
use crate::base::clock::UnixMs;
use crate::cluster::route::Route;
use crate::store::{Kind, Local};
use std::sync::Arc;
use torc_protocol::number::parse_f64;
use torc_protocol::slot::slot_of;
use torc_protocol::{Reply, WireError};

/// Until when a blocking command that names this timeout waits; none for ever. In seconds, fractions allowed.
pub(crate) fn deadline(text: &[u8], now: UnixMs) -> Result<Option<UnixMs>, WireError> {
    let seconds =
        parse_f64(text).ok_or(WireError::fixed("ERR timeout is not a float or out of range"))?;
    let out_of_range = WireError::fixed("ERR timeout is out of range");
    let ms = (seconds * 1000.0).ceil();
    // Redis keeps times as signed numbers. 2^63 and more do not fit.
    if ms >= i64::MAX as f64 {
        return Err(out_of_range);
    }
    match ms as i64 {
        ..0 => Err(WireError::fixed("ERR timeout is negative")),
        0 => Ok(None),
        ms => {
            let end = now.saturating_add(ms as u64);
            if end > i64::MAX as u64 { Err(out_of_range) } else { Ok(Some(end)) }
        }
    }
}

/// Which argument of a blocking command is its timeout.
pub(crate) fn timeout_at(name: &str, len: usize) -> usize {
    match name {
        "blmpop" | "bzmpop" => 1,
        _ => len - 1,
    }
}

/// Takes what `want` says from the first of `keys` that has it, or waits for it.
pub(crate) fn take_or_wait(
    ctx: &mut Ctx<'_>,
    want: Want,
    keys: &[&[u8]],
    until: Option<UnixMs>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let kind = want.kind();
    let (db, may_wait) = (ctx.session.db, !ctx.session.in_step);
    for &key in keys {
        let found = ctx.keyspace().peek(key).map(|entry| entry.kind());
        match found {
            None => continue,
            Some(found) if found != kind => return Err(WireError::WrongType),
            // It is theirs who wait for it already, and is about to be handed to them.
            Some(_) if may_wait && ctx.instance.blocked.is_awaited(db, key, kind) => break,
            Some(_) => {}
        }
        if take(ctx, &want, key, reply)? {
            return Ok(Flow::Next);
        }
    }
    if may_wait {
        return Ok(wait(ctx, want, keys, until));
    }
    match want {
        Want::Move { .. } => reply.null(),
        _ => reply.null_array(),
    }
    Ok(Flow::Next)
}

fn wait(ctx: &mut Ctx<'_>, want: Want, keys: &[&[u8]], until: Option<UnixMs>) -> Flow {
    let session = &*ctx.session;
    let asked = Asked {
        client: session.id,
        worker: ctx.worker,
        db: session.db,
        protocol: session.protocol,
        want,
        keys,
        until,
        visits: session.hops > 0,
    };
    let waiter = ctx.instance.blocked.enter(asked);
    for key in &waiter.keys {
        ctx.keyspace().await_change(key);
    }
    // What came before the key was awaited is told by nobody.
    for key in &waiter.keys {
        if ready_for(ctx, key).is_some() {
            ctx.local.awaken(waiter.db, key);
        }
    }
    ctx.session.waits = Some(waiter);
    Flow::Wait
}

/// Takes what `want` says from `key` and writes the reply; whether there was anything.
fn take(
    ctx: &mut Ctx<'_>,
    want: &Want,
    key: &[u8],
    reply: &mut Reply<'_>,
) -> Result<bool, WireError> {
    match want {
        &Want::Pop { front } => {
            let Some(popped) = list::pop_from(ctx, key, ListEnd::of(front), 1)? else {
                return Ok(false);
            };
            reply.array(2);
            reply.bulk(key);
            popped.iter().for_each(|element| reply.bulk(element));
        }
        &Want::PopMany { front, count } => {
            let Some(popped) = list::pop_from(ctx, key, ListEnd::of(front), count)? else {
                return Ok(false);
            };
            list::write_popped(reply, key, &popped);
        }
        Want::Move { from_front, destination, to_front } => {
            let from = (key, ListEnd::of(*from_front));
            let to = (&**destination, ListEnd::of(*to_front));
            let Some(element) = list::move_between(ctx, from, to)? else { return Ok(false) };
            reply.bulk(&element);
        }
        &Want::PopScored { highest } => {
            let Some(popped) = zset::pop_from(ctx, key, highest, 1)? else { return Ok(false) };
            reply.array(3);
            reply.bulk(key);
            for (member, score) in &popped {
                reply.bulk(member);
                reply.double(*score);
            }
        }
        &Want::PopScoredMany { highest, count } => {
            let Some(popped) = zset::pop_from(ctx, key, highest, count)? else {
                return Ok(false);
            };
            zset::write_popped(reply, key, &popped);
        }
    }
    Ok(true)
}

/// What the key of the selected database holds, if somebody waits for that and this node may give it.
fn ready_for(ctx: &mut Ctx<'_>, key: &[u8]) -> Option<Kind> {
    let kind = ctx.keyspace().peek(key)?.kind();
    let cluster = &ctx.instance.cluster;
    let is_ours = !cluster.is_enabled() || cluster.routes().get(slot_of(key)) == Route::Serve;
    let is_awaited = is_ours && ctx.instance.blocked.is_awaited(ctx.session.db, key, kind);
    is_awaited.then_some(kind)
}

/// Serves all who wait for keys that this thread has changed. `ctx` has a session of nobody's, and this thread is in no step. `written` tells what was written since it
/// was last called.
#[cold]
pub fn serve_awoken(ctx: &mut Ctx<'_>, written: &mut dyn FnMut(&mut Local) -> Vec<(u16, u64)>) {
    // Serving one may awaken others (BLMOVE).
    while ctx.local.has_awoken() {
        for (db, key) in ctx.local.take_awoken() {
            ctx.session.db = db;
            serve(ctx, &key, written);
        }
    }
}

fn serve(ctx: &mut Ctx<'_>, key: &[u8], written: &mut dyn FnMut(&mut Local) -> Vec<(u16, u64)>) {
    let (instance, db) = (ctx.instance, ctx.session.db);
    if !instance.blocked.begin(db, key) {
        return;
    }
    loop {
        serve_ready(ctx, key, written);
        if !instance.blocked.is_empty(db, key) {
            ctx.keyspace().await_change(key);
            if ready_for(ctx, key).is_some() {
                continue;
            }
        }
        if instance.blocked.finish(&instance.store, db, key) == Finish::Done {
            return;
        }
    }
}

fn serve_ready(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    written: &mut dyn FnMut(&mut Local) -> Vec<(u16, u64)>,
) {
    let (instance, db) = (ctx.instance, ctx.session.db);
    let mut after = 0;
    while let Some(kind) = ready_for(ctx, key)
        && let Some(waiter) = instance.blocked.next(db, key, kind, after)
    {
        after = waiter.number;
        if serve_one(ctx, key, &waiter, written) {
            instance.blocked.over(&instance.store, &instance.clients.mailboxes, &waiter);
        }
    }
}

/// Serves one client from `key`, unless its wait has ended, or somebody else has taken what was there. Returns whether it did.
fn serve_one(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    waiter: &Arc<Waiter>,
    written: &mut dyn FnMut(&mut Local) -> Vec<(u16, u64)>,
) -> bool {
    let mut end = waiter.lock();
    if end.is_some() {
        return false;
    }
    let mut out = Vec::new();
    let mut reply = Reply::new(&mut out, waiter.protocol);
    ctx.session.protocol = waiter.protocol;
    match take(ctx, &waiter.want, key, &mut reply) {
        Ok(false) => return false,
        Ok(true) => {}
        // The destination of a move holds something else: that is its answer.
        Err(error) => {
            let position = 0;
            reply.rewind(position);
            reply.error(&error);
        }
    }
    *end = Some(End::Served { reply: out, written: written(ctx.local) });
    true
}

/// A session for serving those who wait: of no client's, but counted as `of`.
pub fn session_of_nobody(of: &Session) -> Session {
    Session::new(Arc::clone(&of.info), true)
}
