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

use super::access;
use super::list::{self, End as ListEnd};
use super::value::integer;
use super::{Ctx, Flow, Outcome, Session};
use super::{stream, zset};
use crate::admin::Instance;
use crate::admin::blocked::{Asked, End, Finish, Waiter, Want};
use crate::admin::clients::flag;
use crate::base::clock::UnixMs;
use crate::cluster::route::Route;
use crate::security::acl::User;
use crate::store::{By, Local};
use std::sync::Arc;
use torc_protocol::command::{COMMANDS, CommandId};
use torc_protocol::number::parse_f64;
use torc_protocol::request::{encode_request, is_one_request};
use torc_protocol::slot::slot_of;
use torc_protocol::{Args, Reply, WireError};

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

/// As [`deadline`], of the commands that count milliseconds.
pub(crate) fn deadline_ms(text: &[u8], now: UnixMs) -> Result<Option<UnixMs>, WireError> {
    let ms = integer(text)
        .map_err(|_| WireError::fixed("ERR timeout is not an integer or out of range"))?;
    match u64::try_from(ms) {
        Err(_) => Err(WireError::fixed("ERR timeout is negative")),
        Ok(0) => Ok(None),
        Ok(ms) => {
            let end = now.saturating_add(ms);
            let out_of_range = WireError::fixed("ERR timeout is out of range");
            if end > i64::MAX as u64 { Err(out_of_range) } else { Ok(Some(end)) }
        }
    }
}

/// Which argument of a blocking command is its timeout, and until when it says; none where it does not wait, or the timeout cannot be read.
pub(crate) fn timeout(name: &str, args: Args<'_>, now: UnixMs) -> Option<(usize, Option<UnixMs>)> {
    let at = match name {
        "blmpop" | "bzmpop" => 1,
        "xread" | "xreadgroup" => {
            let at = block_option(args)?;
            return Some((at, deadline_ms(&args[at], now).ok()?));
        }
        _ => args.len() - 1,
    };
    Some((at, deadline(&args[at], now).ok()?))
}

/// Where XREAD and XREADGROUP say how long they wait.
fn block_option(args: Args<'_>) -> Option<usize> {
    let (mut at, mut found) = (1, None);
    while at < args.len() && !args.is(at, "STREAMS") {
        if args.is(at, "BLOCK") {
            found = Some(at + 1);
        }
        at += match () {
            () if args.is(at, "GROUP") => 3,
            () if args.is(at, "BLOCK") || args.is(at, "COUNT") => 2,
            () => 1,
        };
    }
    found.filter(|&at| at < args.len())
}

/// A timeout of `ms` as the command of this name is told it.
pub(crate) fn timeout_text(name: &[u8], ms: u64) -> String {
    match name.eq_ignore_ascii_case(b"XREAD") || name.eq_ignore_ascii_case(b"XREADGROUP") {
        true => ms.to_string(),
        false => format!("{}.{:03}", ms / 1000, ms % 1000),
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

/// Waits until one of the streams that `want` is about has something, or, if it is read by a group, is gone.
pub(crate) fn wait_for_streams(ctx: &mut Ctx<'_>, want: Want, until: Option<UnixMs>) -> Flow {
    let keys: Vec<Box<[u8]>> = match &want {
        Want::Read(reading) => reading.streams.iter().map(|(key, _)| key.clone()).collect(),
        _ => Vec::new(),
    };
    let keys: Vec<&[u8]> = keys.iter().map(|key| &**key).collect();
    wait(ctx, want, &keys, until)
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
        author: session.author,
        asker: asker(session),
    };
    let waiter = ctx.instance.blocked.enter(asked);
    for key in &waiter.keys {
        ctx.keyspace().await_change(key);
    }
    // What came before the key was awaited is told by nobody.
    for key in &waiter.keys {
        if next_for(ctx, key, 0).is_some() {
            ctx.local.awaken(waiter.db, key);
        }
    }
    ctx.session.waits = Some(waiter);
    Flow::Wait
}

/// Whose rights count when the client is served: they may be others than when it began to wait.
fn asker(session: &Session) -> Option<(CommandId, Arc<User>)> {
    let login = session.login.as_ref().filter(|_| session.hops == 0)?;
    Some((session.command?, Arc::clone(&login.user)))
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
        // All of its streams, as if it had been asked again.
        Want::Read(reading) => return stream::read_now(ctx, reading, reply, stream::Looks::Again),
    }
    Ok(true)
}

/// Who is next after number `after` of those who wait for the key of the selected database, and may be served by what it holds, if this node may serve.
fn next_for(ctx: &mut Ctx<'_>, key: &[u8], after: u64) -> Option<Arc<Waiter>> {
    let found = ctx.keyspace().peek(key).map(|entry| entry.kind());
    let cluster = &ctx.instance.cluster;
    let is_ours = !cluster.is_enabled() || cluster.routes().get(slot_of(key)) == Route::Serve;
    match is_ours {
        true => ctx.instance.blocked.next(ctx.session.db, key, found, after),
        false => None,
    }
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
            // What came before the key was awaited again is told by nobody. There may be something in the key that is not for those who are left.
            if serve_ready(ctx, key, written) {
                continue;
            }
        }
        if instance.blocked.finish(&instance.store, db, key) == Finish::Done {
            return;
        }
    }
}

/// Serves those who wait for `key` as long as there is something for them; whether anybody was.
fn serve_ready(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    written: &mut dyn FnMut(&mut Local) -> Vec<(u16, u64)>,
) -> bool {
    let instance = ctx.instance;
    let (mut after, mut any) = (0, false);
    while let Some(waiter) = next_for(ctx, key, after) {
        after = waiter.number;
        if serve_one(ctx, key, &waiter, written) {
            instance.blocked.over(&instance.store, &instance.clients.mailboxes, &waiter);
            any = true;
        }
    }
    any
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
    let changes = ctx.local.change_count();
    if matches!(waiter.want, Want::Read(_)) {
        remember_for(ctx, waiter);
    }
    if let Some(error) = refusal(ctx, waiter) {
        reply.error(&error);
        *end = Some(End::Served { reply: out, written: Vec::new() });
        return true;
    }
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
    ctx.local.changed_by(changes, waiter.author.map_or(By::Client(waiter.client), By::Author));
    *end = Some(End::Served { reply: out, written: written(ctx.local) });
    true
}

/// Why a client may not be served any more that could wait when it came.
fn refusal(ctx: &Ctx<'_>, waiter: &Waiter) -> Option<WireError> {
    let (command, user) = waiter.asker.as_ref()?;
    let rights = user.rights();
    if rights.is_unlimited() {
        return None;
    }
    let (words, _) = waiter.command();
    let words: Vec<&[u8]> = words.iter().map(|word| &**word).collect();
    let mut request = Vec::new();
    encode_request(&mut request, &words);
    let mut spans = Vec::new();
    is_one_request(&request, &mut spans);
    let args = Args::new(&request, &spans);
    // The words are those of a command that waits for the same; keys stand in the same places.
    let spec = &COMMANDS[*command];
    let denial = rights.check(spec, &args).err()?;
    let client = ctx.instance.clients.get(waiter.client);
    let asked = (&**user, spec, args);
    Some(access::denied_waiter(ctx.instance, client.as_deref(), asked, denial, ctx.now))
}

/// What a client reads that waited for it is tracked as of now: what came meanwhile it was told of.
fn remember_for(ctx: &Ctx<'_>, waiter: &Waiter) {
    let Instance { tracking, clients, .. } = ctx.instance;
    if tracking.clients() > 0
        && let Some(client) = clients.get(waiter.client)
        && client.tracking() & (flag::TRACKING | flag::TRACKING_PREFIXES) == flag::TRACKING
    {
        waiter.keys.iter().for_each(|key| {
            tracking.reads(key, waiter.client);
        });
    }
}

/// A session for serving those who wait: of no client's, but counted as `of`.
pub fn session_of_nobody(of: &Session) -> Session {
    Session::new(Arc::clone(&of.info), true)
}
