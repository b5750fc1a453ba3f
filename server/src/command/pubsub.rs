//! Commands of publish and subscribe.
//!
//! Source: the commands' pages on redis.io and the replies of Redis 7.0 and 7.2.

use super::session::Mute;
use super::value::help_lines;
use super::{Ctx, Flow, Outcome, Session};
use crate::admin::Instance;
use crate::admin::pubsub::{Kind, Name};
use torc_protocol::{Args, Protocol, Reply, WireError, glob};

/// What tells a client of its subscriptions of a kind.
struct Words {
    subscribed: &'static [u8],
    unsubscribed: &'static [u8],
}

fn words(kind: Kind) -> Words {
    let (subscribed, unsubscribed): (&[u8], &[u8]) = match kind {
        Kind::Channel => (b"subscribe", b"unsubscribe"),
        Kind::Pattern => (b"psubscribe", b"punsubscribe"),
        Kind::Shard => (b"ssubscribe", b"sunsubscribe"),
    };
    Words { subscribed, unsubscribed }
}

/// SUBSCRIBE channel [channel ...]
pub fn subscribe(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    add(ctx, Kind::Channel, args, reply)
}

/// PSUBSCRIBE pattern [pattern ...]
pub fn psubscribe(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    add(ctx, Kind::Pattern, args, reply)
}

/// SSUBSCRIBE shardchannel [shardchannel ...]
pub fn ssubscribe(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    add(ctx, Kind::Shard, args, reply)
}

/// UNSUBSCRIBE [channel ...]
pub fn unsubscribe(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    remove(ctx, Kind::Channel, args, reply)
}

/// PUNSUBSCRIBE [pattern ...]
pub fn punsubscribe(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    remove(ctx, Kind::Pattern, args, reply)
}

/// SUNSUBSCRIBE [shardchannel ...]
pub fn sunsubscribe(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    remove(ctx, Kind::Shard, args, reply)
}

fn add(ctx: &mut Ctx<'_>, kind: Kind, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    if ctx.session.hops > 0 {
        // Another node's request has no connection of its own to push to.
        return Err(WireError::fixed("ERR subscriptions are made where the client is connected"));
    }
    let pubsub = &ctx.instance.pubsub;
    for name in args.from(1).iter() {
        ctx.session.subscribe(pubsub, kind, name);
        let count = ctx.session.subscription_count(kind);
        tell(ctx.session, reply, words(kind).subscribed, Some(name), count);
    }
    if pubsub.told().has_changes()
        && let Some(teller) = ctx.instance.clients.mailboxes.workers().first()
    {
        teller.wake();
    }
    Ok(Flow::Next)
}

fn remove(ctx: &mut Ctx<'_>, kind: Kind, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let pubsub = &ctx.instance.pubsub;
    let word = words(kind).unsubscribed;
    if args.len() > 1 {
        for name in args.from(1).iter() {
            ctx.session.unsubscribe(pubsub, kind, name);
            let count = ctx.session.subscription_count(kind);
            tell(ctx.session, reply, word, Some(name), count);
        }
    } else {
        let names = ctx.session.subscribed_names(kind);
        for name in &names {
            ctx.session.unsubscribe(pubsub, kind, name);
            let count = ctx.session.subscription_count(kind);
            tell(ctx.session, reply, word, Some(name), count);
        }
        if names.is_empty() {
            let count = ctx.session.subscription_count(kind);
            tell(ctx.session, reply, word, None, count);
        }
    }
    ctx.session.settle_subscriptions();
    Ok(Flow::Next)
}

/// Tells the client that it is (or is no longer) subscribed, whether it wants replies or not.
fn tell(
    session: &mut Session,
    reply: &mut Reply<'_>,
    word: &[u8],
    name: Option<&[u8]>,
    count: usize,
) {
    if matches!(session.mute, Mute::Off | Mute::Next) {
        return push_change(reply, word, name, count);
    }
    let protocol = session.protocol;
    push_change(&mut Reply::new(session.own_pushes(), protocol), word, name, count);
}

fn push_change(reply: &mut Reply<'_>, word: &[u8], name: Option<&[u8]>, count: usize) {
    reply.push(3);
    reply.bulk(word);
    match name {
        Some(name) => reply.bulk(name),
        None => reply.null(),
    }
    reply.integer(count as i64);
}

/// Ends a subscription to a shard channel whose slot moved to another node. Appends to `out` what tells the client.
pub fn end_moved(session: &mut Session, instance: &Instance, name: &Name, out: &mut Vec<u8>) {
    if session.unsubscribe(&instance.pubsub, Kind::Shard, name) {
        let count = session.subscription_count(Kind::Shard);
        let mut reply = Reply::new(out, session.protocol);
        push_change(&mut reply, words(Kind::Shard).unsubscribed, Some(name), count);
        session.settle_subscriptions();
    }
}

/// PUBLISH channel message
pub fn publish(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    send(ctx, Kind::Channel, args, reply)
}

/// SPUBLISH shardchannel message
pub fn spublish(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    send(ctx, Kind::Shard, args, reply)
}

fn send(ctx: &mut Ctx<'_>, kind: Kind, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let instance = ctx.instance;
    let publisher = ctx.session.publisher(ctx.worker);
    let mailboxes = &instance.clients.mailboxes;
    let receivers = instance.pubsub.publish(mailboxes, publisher, kind, &args[1], &args[2]);
    reply.integer(receivers as i64);
    Ok(Flow::Next)
}

/// `PUBSUB CHANNELS [pattern]`
pub fn channels(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    list(ctx, Kind::Channel, args, reply)
}

/// `PUBSUB SHARDCHANNELS [pattern]`
pub fn shardchannels(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    list(ctx, Kind::Shard, args, reply)
}

fn list(ctx: &mut Ctx<'_>, kind: Kind, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    if args.len() > 3 {
        return Err(wrong_form(&args[1]));
    }
    let mut names = Vec::new();
    ctx.instance.pubsub.names(kind, |name| {
        if args.get(2).is_none_or(|pattern| glob::matches(pattern, name, false)) {
            names.push(Name::clone(name));
        }
    });
    reply.array(names.len());
    names.iter().for_each(|name| reply.bulk(name));
    Ok(Flow::Next)
}

fn wrong_form(subcommand: &[u8]) -> WireError {
    WireError::quoting(
        "ERR unknown subcommand or wrong number of arguments for '",
        subcommand,
        "'. Try PUBSUB HELP.",
    )
}

/// PUBSUB NUMSUB [channel ...]
pub fn numsub(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    count(ctx, Kind::Channel, args, reply)
}

/// PUBSUB SHARDNUMSUB [shardchannel ...]
pub fn shardnumsub(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    count(ctx, Kind::Shard, args, reply)
}

fn count(ctx: &mut Ctx<'_>, kind: Kind, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let names = args.from(2);
    reply.array(names.len() * 2);
    for name in names.iter() {
        reply.bulk(name);
        reply.integer(ctx.instance.pubsub.subscribers(kind, name) as i64);
    }
    Ok(Flow::Next)
}

/// PUBSUB NUMPAT
pub fn numpat(ctx: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    reply.integer(ctx.instance.pubsub.count(Kind::Pattern) as i64);
    Ok(Flow::Next)
}

/// PUBSUB HELP
pub fn help(_: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    help_lines(reply, HELP)
}

const HELP: &[&str] = &[
    "PUBSUB <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CHANNELS [<pattern>]",
    "    The channels that have subscribers on this node; with a pattern, those that match it.",
    "NUMPAT",
    "    How many patterns are subscribed to on this node.",
    "NUMSUB [<channel> ...]",
    "    Each channel's subscribers on this node, patterns left out.",
    "SHARDCHANNELS [<pattern>]",
    "    The shard channels that have subscribers on this node.",
    "SHARDNUMSUB [<shardchannel> ...]",
    "    Each shard channel's subscribers on this node.",
    "HELP",
    "    This text.",
];

/// The commands that a client may run in RESP2 while it has subscriptions, for a push cannot be told from a reply there.
const WHILE_SUBSCRIBED: &[&str] = &[
    "ping",
    "subscribe",
    "psubscribe",
    "ssubscribe",
    "unsubscribe",
    "punsubscribe",
    "sunsubscribe",
    "quit",
    "reset",
];

/// Why a client in this state may not run `name`, if it may not.
pub fn refusal(session: &Session, name: &str) -> Option<WireError> {
    if session.protocol != Protocol::Resp2
        || !session.is_subscribed()
        || WHILE_SUBSCRIBED.contains(&name)
    {
        return None;
    }
    Some(WireError::quoting(
        "ERR Can't execute '",
        name.as_bytes(),
        "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
    ))
}
