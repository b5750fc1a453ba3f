//! Commands about the connection itself: PING ECHO HELLO AUTH SELECT QUIT RESET.
//!
//! Source: the commands' pages on redis.io and the replies of Redis 7.0 and 7.2.

use super::access::{Attempt, note_refusal};
use super::value::database;
use super::{Ctx, Flow, Outcome};
use crate::admin::Instance;
use crate::base::release::REDIS_VERSION;
use crate::cluster::route::Port;
use crate::security::acl::{Context, DEFAULT_USER, Reason};
use torc_protocol::{Args, Protocol, Reply, WireError, number};

const WRONG_PASSWORD: WireError =
    WireError::fixed("WRONGPASS invalid username-password pair or user is disabled.");
const NO_PASSWORD: WireError = WireError::fixed(
    "ERR AUTH <password> called without any password configured for the default user. \
     Are you sure your configuration is correct?",
);
const HELLO_FIRST: WireError = WireError::fixed(
    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> \
     option can be used to authenticate the client and select the RESP protocol version at the same time",
);
pub(super) const BAD_NAME: WireError =
    WireError::fixed("ERR Client names cannot contain spaces, newlines or special characters.");

/// `bytes` as text, if it can stand in a field of CLIENT LIST: printable ASCII without spaces.
pub(super) fn attribute(bytes: &[u8]) -> Option<&str> {
    if bytes.iter().all(u8::is_ascii_graphic) { std::str::from_utf8(bytes).ok() } else { None }
}

/// `PING [message]`
pub fn ping(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    match args.len() {
        // In RESP2, where replies to a subscriber look like pushes.
        1 | 2 if ctx.session.protocol == Protocol::Resp2 && ctx.session.is_subscribed() => {
            reply.array(2);
            reply.bulk(b"pong");
            reply.bulk(args.get(1).unwrap_or_default());
        }
        1 => reply.simple("PONG"),
        2 => reply.bulk(&args[1]),
        _ => return Err(WireError::WrongArity("ping".into())),
    }
    Ok(Flow::Next)
}

/// ECHO message
pub fn echo(_: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    reply.bulk(&args[1]);
    Ok(Flow::Next)
}

/// HELLO [protover [AUTH username password] [SETNAME clientname]]
pub fn hello(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let protocol = args.get(1).map(parse_protocol).transpose()?;
    let HelloOptions { credentials, name } = parse_hello(args.from(2))?;
    if let Some((user, password)) = credentials {
        authenticate(ctx, user, password, &args[0])?;
    }
    if !is_authenticated(ctx) {
        return Err(HELLO_FIRST);
    }
    if let Some(name) = name {
        ctx.session.info.names().name = name.to_owned();
    }
    if let Some(protocol) = protocol {
        ctx.session.protocol = protocol;
        reply.set_protocol(protocol);
    }
    reply.map(7);
    for (field, value) in [("server", "redis"), ("version", REDIS_VERSION)] {
        reply.bulk(field.as_bytes());
        reply.bulk(value.as_bytes());
    }
    reply.bulk(b"proto");
    reply.integer(match reply.protocol() {
        Protocol::Resp2 => 2,
        Protocol::Resp3 => 3,
    });
    reply.bulk(b"id");
    reply.integer(ctx.session.id as i64);
    for (field, value) in [("mode", mode_of(ctx.session.port)), ("role", "master")] {
        reply.bulk(field.as_bytes());
        reply.bulk(value.as_bytes());
    }
    reply.bulk(b"modules");
    reply.array(0);
    Ok(Flow::Next)
}

/// What HELLO and INFO say of the rules that hold for a connection.
pub(super) fn mode_of(port: Port) -> &'static str {
    match port {
        Port::Plain => "standalone",
        Port::Cluster => "cluster",
    }
}

fn parse_protocol(arg: &[u8]) -> Result<Protocol, WireError> {
    match number::parse_i64(arg) {
        Some(2) => Ok(Protocol::Resp2),
        Some(3) => Ok(Protocol::Resp3),
        Some(_) => Err(WireError::fixed("NOPROTO unsupported protocol version")),
        None => Err(WireError::err("Protocol version is not an integer or out of range")),
    }
}

#[derive(Default)]
struct HelloOptions<'a> {
    credentials: Option<(&'a [u8], &'a [u8])>,
    name: Option<&'a str>,
}

fn parse_hello(args: Args<'_>) -> Result<HelloOptions<'_>, WireError> {
    let mut options = HelloOptions::default();
    let mut index = 0;
    while let Some(option) = args.get(index) {
        match (args.get(index + 1), args.get(index + 2)) {
            (Some(user), Some(password)) if args.is(index, "AUTH") => {
                options.credentials = Some((user, password));
                index += 3;
            }
            (Some(name), _) if args.is(index, "SETNAME") => {
                options.name = Some(attribute(name).ok_or(BAD_NAME)?);
                index += 2;
            }
            _ => return Err(WireError::quoting("ERR Syntax error in HELLO option '", option, "'")),
        }
    }
    Ok(options)
}

/// `AUTH [username] password`
pub fn auth(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    match args.len() {
        2 if default_needs_no_password(ctx.instance) => return Err(NO_PASSWORD),
        2 => authenticate(ctx, DEFAULT_USER.as_bytes(), &args[1], &args[0])?,
        3 => authenticate(ctx, &args[1], &args[2], &args[0])?,
        _ => return Err(WireError::Syntax),
    }
    reply.ok();
    Ok(Flow::Next)
}

fn default_needs_no_password(instance: &Instance) -> bool {
    instance.acl.default_user().rights().needs_no_password()
}

/// Whether the client may run what is not marked as open to all.
fn is_authenticated(ctx: &Ctx<'_>) -> bool {
    ctx.session.authenticated || !ctx.instance.acl.requires_login()
}

/// Logs the client in; `command` is what it calls that.
fn authenticate(
    ctx: &mut Ctx<'_>,
    user: &[u8],
    password: &[u8],
    command: &[u8],
) -> Result<(), WireError> {
    if ctx.session.authenticate(&ctx.instance.acl, user, password) {
        return Ok(());
    }
    let context = if ctx.session.in_step { Context::Multi } else { Context::TopLevel };
    let refused = Attempt { reason: Reason::Auth, context, object: command, username: user };
    note_refusal(ctx.instance, ctx.session, refused, ctx.now);
    Err(WRONG_PASSWORD)
}

/// SELECT index
pub fn select(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let is_other = number::parse_i64(&args[1]).is_some_and(|index| index != 0);
    if ctx.session.port == Port::Cluster && is_other {
        return Err(WireError::fixed("ERR SELECT is not allowed in cluster mode"));
    }
    ctx.session.db = database(&args[1])?;
    reply.ok();
    Ok(Flow::Next)
}

/// QUIT
pub fn quit(_: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    reply.ok();
    Ok(Flow::Close)
}

/// RESET
pub fn reset(ctx: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    ctx.session.reset(ctx.instance);
    reply.simple("RESET");
    Ok(Flow::Next)
}
