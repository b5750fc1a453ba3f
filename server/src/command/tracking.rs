//! Client-side caching: CLIENT TRACKING, CACHING, GETREDIR and TRACKINGINFO, and what a command of a client that tracks is looked at for.
//!
//! Source: the commands' pages and "Client-side caching" on redis.io, and the replies of Redis 7.2.

use super::session::Session;
use super::{Ctx, Flow, Outcome};
use crate::admin::Instance;
use crate::admin::tracking::{Mode, Own, Runner, Tracked};
use crate::store::Local;
use torc_protocol::command::{Categories, CommandSpec, Flags, key_positions};
use torc_protocol::{Args, Reply, WireError, number};

/// Keys that a client's read takes out of a full table at most.
const TRIMMED_BY_READ: usize = 100;

/// `CLIENT TRACKING ON|OFF [REDIRECT client-id] [PREFIX prefix [PREFIX prefix ...]] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]`
pub fn tracking(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (mode, prefixes) = parse(ctx.instance, args)?;
    if args.is(2, "OFF") {
        ctx.session.untrack(ctx.instance);
    } else if args.is(2, "ON") {
        let before = ctx.session.tracked();
        check(before, mode, &prefixes)?;
        if before.is_none() && !ctx.instance.tracking.enter(&ctx.instance.store, ctx.local) {
            // The first of all: every thread is to know that changes are told from now on.
            ctx.session.alone = true;
            return Ok(Flow::Again);
        }
        ctx.session.track(&ctx.instance.tracking, mode, &prefixes);
        have_told(ctx);
        reply.ok();
        // From now on what is read is looked at.
        return Ok(Flow::Anew);
    } else {
        return Err(WireError::Syntax);
    }
    reply.ok();
    Ok(Flow::Next)
}

/// Has the other nodes told, if there are any and they do not know. The reply waits for that, but not in a transaction or a script.
fn have_told(ctx: &Ctx<'_>) {
    let Instance { tracking, clients, .. } = ctx.instance;
    if tracking.told().has_changes()
        && let Some(teller) = clients.mailboxes.workers().first()
    {
        teller.wake();
    }
    if ctx.session.in_step && tracking.told().unheard().is_some() {
        tracking.begin_unheard();
    }
}

fn parse<'a>(instance: &Instance, args: Args<'a>) -> Result<(Mode, Vec<&'a [u8]>), WireError> {
    let (mut mode, mut prefixes) = (Mode::default(), Vec::new());
    let mut index = 3;
    while index < args.len() {
        let value = args.get(index + 1);
        match value {
            Some(id) if args.is(index, "REDIRECT") => {
                if mode.redirect != 0 {
                    return Err(WireError::err(
                        "A client can only redirect to a single other client",
                    ));
                }
                let id = number::parse_i64(id).ok_or(WireError::NotInteger)?;
                let known = u64::try_from(id).ok().and_then(|id| instance.clients.get(id));
                let known = known.ok_or(WireError::fixed(
                    "ERR The client ID you want redirect to does not exist",
                ))?;
                mode.redirect = known.id;
                index += 1;
            }
            Some(prefix) if args.is(index, "PREFIX") => {
                prefixes.push(prefix);
                index += 1;
            }
            _ if args.is(index, "BCAST") => mode.bcast = true,
            _ if args.is(index, "OPTIN") => mode.optin = true,
            _ if args.is(index, "OPTOUT") => mode.optout = true,
            _ if args.is(index, "NOLOOP") => mode.noloop = true,
            _ => return Err(WireError::Syntax),
        }
        index += 1;
    }
    Ok((mode, prefixes))
}

/// Whether the options fit each other and what the client has asked for before.
fn check(before: Option<&Tracked>, mode: Mode, prefixes: &[&[u8]]) -> Result<(), WireError> {
    let refuse = |line: &str| Err(WireError::err(line));
    if !mode.bcast && !prefixes.is_empty() {
        return refuse("PREFIX option requires BCAST mode to be enabled");
    }
    let old = before.map(Tracked::mode);
    if old.is_some_and(|old| old.bcast != mode.bcast) {
        return refuse(
            "You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode.",
        );
    }
    if mode.bcast && (mode.optin || mode.optout) {
        return refuse("OPTIN and OPTOUT are not compatible with BCAST");
    }
    if mode.optin && mode.optout {
        return refuse("You can't specify both OPTIN mode and OPTOUT mode");
    }
    if old.is_some_and(|old| mode.optin && old.optout || mode.optout && old.optin) {
        return refuse(
            "You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a different mode.",
        );
    }
    for (index, prefix) in prefixes.iter().enumerate() {
        let overlaps = |other: &&[u8]| other.starts_with(prefix) || prefix.starts_with(other);
        if let Some(known) = before.and_then(|before| before.prefixes().find(overlaps)) {
            return Err(overlap(prefix, " overlaps with an existing prefix '", known));
        }
        if let Some(other) = prefixes[index + 1..].iter().copied().find(overlaps) {
            return Err(overlap(prefix, " overlaps with another provided prefix '", other));
        }
    }
    Ok(())
}

fn overlap(prefix: &[u8], how: &str, other: &[u8]) -> WireError {
    let parts = [
        b"ERR Prefix '",
        prefix,
        b"'",
        how.as_bytes(),
        other,
        b"'. Prefixes for a single client must not overlap.",
    ];
    WireError::Bytes(parts.concat())
}

/// CLIENT CACHING YES|NO
pub fn caching(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let Some(tracked) = ctx.session.tracked_mut() else {
        return Err(WireError::fixed(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
        ));
    };
    let fits = if args.is(2, "YES") {
        (
            tracked.mode().optin,
            "CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.",
        )
    } else if args.is(2, "NO") {
        (
            tracked.mode().optout,
            "CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.",
        )
    } else {
        return Err(WireError::Syntax);
    };
    if let (false, line) = fits {
        return Err(WireError::err(line));
    }
    tracked.caching = true;
    reply.ok();
    Ok(Flow::Next)
}

/// CLIENT GETREDIR
pub fn getredir(ctx: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    reply.integer(redirect(ctx.session));
    Ok(Flow::Next)
}

/// Who hears what the client tracks: 0 itself, -1 nobody for it does not.
fn redirect(session: &Session) -> i64 {
    session.tracked().map_or(-1, |tracked| tracked.mode().redirect as i64)
}

/// CLIENT TRACKINGINFO
pub fn trackinginfo(ctx: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let session = &*ctx.session;
    let tracked = session.tracked();
    let mode = tracked.map(Tracked::mode).unwrap_or_default();
    let caching = tracked.is_some_and(|tracked| tracked.caching);
    let is_broken = session.info.is_redirect_broken();
    let flags = [
        (tracked.is_none(), "off"),
        (tracked.is_some(), "on"),
        (mode.bcast, "bcast"),
        (mode.optin, "optin"),
        (mode.optin && caching, "caching-yes"),
        (mode.optout, "optout"),
        (mode.optout && caching, "caching-no"),
        (mode.noloop, "noloop"),
        (is_broken, "broken_redirect"),
    ];
    reply.map(3);
    reply.bulk(b"flags");
    reply.set(flags.iter().filter(|(is_set, _)| *is_set).count());
    flags.iter().filter(|(is_set, _)| *is_set).for_each(|(_, name)| reply.bulk(name.as_bytes()));
    reply.bulk(b"redirect");
    reply.integer(redirect(session));
    reply.bulk(b"prefixes");
    reply.array(tracked.map_or(0, |tracked| tracked.prefixes().len()));
    if let Some(tracked) = tracked {
        tracked.prefixes().for_each(|prefix| reply.bulk(prefix));
    }
    Ok(Flow::Next)
}

/// Notes what a command of a client that tracks is about to read. What changed before is told first: news of it is no news of what is read. A
/// script reads nothing itself: what it calls does.
#[cold]
pub fn remember(
    instance: &Instance,
    local: &mut Local,
    session: &mut Session,
    worker: usize,
    (spec, args): (&CommandSpec, Args<'_>),
) {
    if session.tracked().is_none() {
        return;
    }
    tell(instance, local, &mut runner(session, worker));
    if let Some(tracked) = session.tracked_mut() {
        tracked.begin();
    }
    if !is_script(spec) && is_read(spec) {
        note_reads(instance, local, session, worker, (spec, args));
    }
}

/// Notes what a command may read that possibly runs at another node, before it is sent. Which keys a script reads is not known here then: all that it declares count.
#[cold]
pub fn remember_sent(
    instance: &Instance,
    local: &mut Local,
    session: &mut Session,
    worker: usize,
    (spec, args): (&CommandSpec, Args<'_>),
) {
    if is_script(spec) || is_read(spec) {
        note_reads(instance, local, session, worker, (spec, args));
    }
}

/// Whether it comes to keys by what it calls.
pub fn is_script(spec: &CommandSpec) -> bool {
    spec.acl.contains(Categories::SCRIPTING)
}

fn is_read(spec: &CommandSpec) -> bool {
    spec.flags.contains(Flags::READONLY) && !spec.flags.contains(Flags::PUBSUB)
}

fn note_reads(
    instance: &Instance,
    local: &mut Local,
    session: &mut Session,
    worker: usize,
    (spec, args): (&CommandSpec, Args<'_>),
) {
    let (id, tracking) = (session.id, &instance.tracking);
    let Some(tracked) = session.tracked_mut() else { return };
    if !tracked.remembers() || !spec.has_keys() {
        return;
    }
    let Ok(positions) = key_positions(spec, &args) else { return };
    positions.iter().filter_map(|key| args.get(key.index)).for_each(|key| {
        tracked.reads(tracking, id, key);
    });
    let keys_max = instance.settings.tracking_table_max_keys().max(0) as u64;
    if keys_max != 0 && tracking.keys() as u64 > keys_max {
        let mut runner = runner(session, worker);
        let most = (keys_max, TRIMMED_BY_READ);
        tracking.trim(&instance.clients, &mut runner, most, local.rng());
    }
}

/// Tells those who track what the command has changed so far; what its own client is to hear is kept for when it is done.
#[cold]
pub fn tell(instance: &Instance, local: &mut Local, runner: &mut Runner<'_>) {
    if local.change_count() > 0 {
        let changes = local.take_changes();
        instance.settle_changes(runner, changes);
    }
}

/// The client as one whose command causes what is told.
pub fn runner(session: &mut Session, worker: usize) -> Runner<'_> {
    let (client, author) = (session.id, session.author);
    let protocol = session.protocol_outside.unwrap_or(session.protocol);
    let is_subscribed = session.is_subscribed();
    let own = session.tracked_pushes().map(|(reading, pushes)| Own {
        pushes,
        protocol,
        is_subscribed,
        reading,
    });
    Runner { worker, client, author, own }
}

/// Tells every client that tracks, here and at other nodes, that all keys may have changed (FLUSHALL, FLUSHDB, SWAPDB).
pub fn tell_all(ctx: &mut Ctx<'_>) {
    let Ctx { instance, local, session, worker, .. } = ctx;
    let mut runner = runner(session, *worker);
    tell(instance, local, &mut runner);
    instance.tracking.flush(&instance.clients, &mut runner);
    instance.tracking.tell_peers_all(*worker);
}

/// A command of a client that tracks is over, of which CLIENT CACHING may have spoken.
#[cold]
pub fn end(session: &mut Session, args: Args<'_>) {
    let is_in_multi = session.multi.is_some();
    let Some(tracked) = session.tracked_mut() else { return };
    tracked.begin();
    if !args.is(0, "CLIENT") && !is_in_multi {
        tracked.caching = false;
    }
}
