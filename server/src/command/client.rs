//! CLIENT and its subcommands.
//!
//! Source: the commands' pages on redis.io and the replies of Redis 7.0 and 7.2.

use super::connection::{BAD_NAME, attribute};
use super::session::Mute;
use super::value::help_lines;
use super::{Ctx, Flow, Outcome};
use crate::admin::Instance;
use crate::admin::blocked::End;
use crate::admin::clients::{Activity, ClientInfo, ClientType, KillFilter, PauseMode};
use crate::base::clock::UnixMs;
use torc_protocol::{Args, Reply, WireError, number};

/// CLIENT ID
pub fn id(ctx: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    reply.integer(ctx.session.id as i64);
    Ok(Flow::Next)
}

/// CLIENT GETNAME
pub fn getname(ctx: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let names = ctx.session.info.names();
    if names.name.is_empty() {
        reply.null()
    } else {
        reply.bulk(names.name.as_bytes())
    }
    Ok(Flow::Next)
}

/// CLIENT SETNAME connection-name
pub fn setname(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let name = attribute(&args[2]).ok_or(BAD_NAME)?;
    ctx.session.info.names().name = name.to_owned();
    reply.ok();
    Ok(Flow::Next)
}

/// CLIENT SETINFO LIB-NAME libname | LIB-VER libver
pub fn setinfo(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let is_name = args.is(2, "LIB-NAME");
    if !is_name && !args.is(2, "LIB-VER") {
        return Err(WireError::quoting("ERR Unrecognized option '", &args[2], "'"));
    }
    let Some(value) = attribute(&args[3]) else {
        let problem = " cannot contain spaces, newlines or special characters.";
        return Err(WireError::quoting("ERR ", &args[2], problem));
    };
    let mut names = ctx.session.info.names();
    if is_name {
        names.library = value.to_owned();
    } else {
        names.library_version = value.to_owned();
    }
    reply.ok();
    Ok(Flow::Next)
}

/// CLIENT INFO
pub fn info(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let mut text = String::new();
    let own = publish_own(ctx, args);
    describe(ctx, &ctx.session.info, own, &mut text);
    reply.verbatim(*b"txt", text.as_bytes());
    Ok(Flow::Next)
}

/// CLIENT LIST [TYPE normal|master|replica|pubsub] [ID client-id ...]
pub fn list(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let own = publish_own(ctx, args);
    let mut text = String::new();
    if args.len() == 4 && args.is(2, "TYPE") {
        let kind = client_type(&args[3])?;
        for client in ctx.instance.clients.all().iter().filter(|client| client.kind() == kind) {
            describe(ctx, client, own, &mut text);
        }
    } else if args.len() > 3 && args.is(2, "ID") {
        for arg in args.from(3).iter() {
            let id = number::parse_i64(arg).ok_or(WireError::fixed("ERR Invalid client ID"))?;
            if let Some(client) = u64::try_from(id).ok().and_then(|id| ctx.instance.clients.get(id))
            {
                describe(ctx, &client, own, &mut text);
            }
        }
    } else if args.len() == 2 {
        describe_all(ctx, own, &mut text);
    } else {
        return Err(WireError::Syntax);
    }
    reply.verbatim(*b"txt", text.as_bytes());
    Ok(Flow::Next)
}

fn client_type(name: &[u8]) -> Result<ClientType, WireError> {
    ClientType::parse(name)
        .ok_or_else(|| WireError::quoting("ERR Unknown client type '", name, "'"))
}

/// Publishes the caller's figures as they are in the middle of its batch. Returns the size of its arguments.
fn publish_own(ctx: &Ctx<'_>, args: Args<'_>) -> usize {
    let digits = |n: usize| n.checked_ilog10().unwrap_or(0) as usize + 1;
    let bytes: usize = args.iter().map(<[u8]>::len).sum();
    // What the command took on the wire: `*count`, and `$length` and CRLF around each argument.
    let frame = args.iter().map(|arg| arg.len() + digits(arg.len()) + 5).sum::<usize>();
    let input_bytes = frame + digits(args.len()) + 3;
    ctx.session.info.publish(&Activity { input_bytes, ..ctx.session.activity(ctx.now) });
    bytes
}

fn describe_all(ctx: &Ctx<'_>, own_argument_bytes: usize, text: &mut String) {
    for client in ctx.instance.clients.all() {
        describe(ctx, &client, own_argument_bytes, text);
    }
}

fn describe(ctx: &Ctx<'_>, client: &ClientInfo, own_argument_bytes: usize, text: &mut String) {
    let argument_bytes = if client.id == ctx.session.id { own_argument_bytes } else { 0 };
    client.describe(ctx.now, argument_bytes, text);
    text.push('\n');
}

/// CLIENT KILL ip:port | option value ...
pub fn kill(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let caller = ctx.session.id;
    let old_form = args.len() == 3;
    let filter = if old_form {
        KillFilter { address: args.get(2), ..KillFilter::default() }
    } else {
        parse_kill(args, caller, ctx.instance)?
    };
    let (count, caller_matches) = ctx.instance.clients.kill(&filter, caller, ctx.now);
    match (old_form, count) {
        (true, 0) => return Err(WireError::fixed("ERR No such client")),
        (true, _) => reply.ok(),
        (false, _) => reply.integer(count as i64),
    }
    Ok(if caller_matches { Flow::Close } else { Flow::Next })
}

fn parse_kill<'a>(
    args: Args<'a>,
    caller: u64,
    instance: &Instance,
) -> Result<KillFilter<'a>, WireError> {
    let mut filter = KillFilter { skip: Some(caller), ..KillFilter::default() };
    if args.len() < 4 {
        return Err(WireError::Syntax);
    }
    for index in (2..args.len()).step_by(2) {
        let value = args.get(index + 1).ok_or(WireError::Syntax)?;
        if args.is(index, "ID") {
            let id = number::parse_i64(value).and_then(|id| u64::try_from(id).ok());
            filter.id = Some(
                id.filter(|&id| id > 0)
                    .ok_or(WireError::fixed("ERR client-id should be greater than 0"))?,
            );
        } else if args.is(index, "TYPE") {
            filter.kind = Some(client_type(value)?);
        } else if args.is(index, "ADDR") {
            filter.address = Some(value);
        } else if args.is(index, "LADDR") {
            filter.local_address = Some(value);
        } else if args.is(index, "USER") {
            let user = instance.acl.find(value);
            filter.user =
                Some(user.ok_or_else(|| WireError::quoting("ERR No such user '", value, "'"))?);
        } else if args.is(index, "MAXAGE") {
            let age = number::parse_i64(value)
                .ok_or(WireError::fixed("ERR maxage is not an integer or out of range"))?;
            let age = u64::try_from(age).ok().filter(|&age| age > 0);
            filter.age_seconds_min =
                Some(age.ok_or(WireError::fixed("ERR maxage should be greater than 0"))?);
        } else if args.is(index, "SKIPME") {
            filter.skip = match value.to_ascii_lowercase().as_slice() {
                b"yes" => Some(caller),
                b"no" => None,
                _ => return Err(WireError::Syntax),
            };
        } else {
            return Err(WireError::Syntax);
        }
    }
    Ok(filter)
}

/// CLIENT PAUSE timeout [WRITE|ALL]
pub fn pause(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let mode = match args.len() {
        3 => PauseMode::All,
        4 if args.is(3, "WRITE") => PauseMode::Write,
        4 if args.is(3, "ALL") => PauseMode::All,
        4 => return Err(WireError::fixed("ERR CLIENT PAUSE mode must be WRITE or ALL")),
        _ => return Err(wrong_form(&args[1])),
    };
    let until = pause_end(&args[2], ctx.now)?;
    // First, so that nobody finds clients held and yet sees a key go.
    ctx.instance.store.limits().keep_expired(until);
    ctx.instance.clients.pause(until, mode, ctx.now);
    reply.ok();
    Ok(Flow::Next)
}

/// The end of a pause of `arg` milliseconds from `now`; 0 for none.
fn pause_end(arg: &[u8], now: UnixMs) -> Result<UnixMs, WireError> {
    let timeout = number::parse_i64(arg)
        .ok_or(WireError::fixed("ERR timeout is not an integer or out of range"))?;
    match timeout {
        ..0 => Err(WireError::fixed("ERR timeout is negative")),
        0 => Ok(0),
        _ => timeout
            .checked_add_unsigned(now)
            .map(|end| end as UnixMs)
            .ok_or(WireError::fixed("ERR timeout is out of range")),
    }
}

/// What Redis answers to a known subcommand with a number of arguments that none of its forms has.
fn wrong_form(subcommand: &[u8]) -> WireError {
    WireError::quoting(
        "ERR unknown subcommand or wrong number of arguments for '",
        subcommand,
        "'. Try CLIENT HELP.",
    )
}

/// CLIENT UNPAUSE
pub fn unpause(ctx: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    ctx.instance.store.limits().release_expired();
    ctx.instance.clients.unpause();
    reply.ok();
    Ok(Flow::Next)
}

/// CLIENT REPLY ON|OFF|SKIP. Only ON is answered.
pub fn reply(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let session = &mut *ctx.session;
    if args.is(2, "ON") {
        session.mute = Mute::Off;
        reply.ok();
    } else if args.is(2, "OFF") {
        session.mute = Mute::All;
    } else if args.is(2, "SKIP") {
        if session.mute != Mute::All {
            session.mute = Mute::Next;
        }
    } else {
        return Err(WireError::Syntax);
    }
    Ok(Flow::Next)
}

/// CLIENT NO-EVICT ON|OFF
pub fn no_evict(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    ctx.session.no_evict = on_or_off(args)?;
    reply.ok();
    Ok(Flow::Next)
}

/// CLIENT NO-TOUCH ON|OFF
pub fn no_touch(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    ctx.session.no_touch = on_or_off(args)?;
    reply.ok();
    Ok(Flow::Next)
}

fn on_or_off(args: Args<'_>) -> Result<bool, WireError> {
    if args.is(2, "ON") {
        Ok(true)
    } else if args.is(2, "OFF") {
        Ok(false)
    } else {
        Err(WireError::Syntax)
    }
}

/// CLIENT UNBLOCK client-id [TIMEOUT|ERROR]
pub fn unblock(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let how = match args.len() {
        3 => End::TimedOut,
        4 if args.is(3, "TIMEOUT") => End::TimedOut,
        4 if args.is(3, "ERROR") => End::Unblocked,
        4 => {
            return Err(WireError::fixed("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"));
        }
        _ => return Err(wrong_form(&args[1])),
    };
    let id = number::parse_i64(&args[2]).ok_or(WireError::NotInteger)?;
    let Instance { blocked, store, clients, .. } = ctx.instance;
    let waiter = u64::try_from(id).ok().and_then(|id| blocked.of_client(id));
    let done = waiter.is_some_and(|it| blocked.end(store, &clients.mailboxes, &it, how));
    reply.integer(done.into());
    Ok(Flow::Next)
}

/// CLIENT HELP
pub fn help(_: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    help_lines(reply, HELP)
}

const HELP: &[&str] = &[
    "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CACHING (YES|NO)",
    "    Whether the next command's keys are tracked, with OPTIN or OPTOUT.",
    "CONSISTENCY [W ONE|<n>|QUORUM|ALL|DEFAULT] [R PRIMARY|ANY|SESSION|QUORUM|DEFAULT] [TIMEOUT <ms>] [ONCE]",
    "    How many copies writes need and where reads may be answered, from now on or for the next command.",
    "GETNAME",
    "    The name that SETNAME gave this connection.",
    "GETREDIR",
    "    Who hears what this connection tracks: 0 itself, -1 nobody.",
    "ID",
    "    This connection's id.",
    "INFO",
    "    This connection's line of LIST.",
    "KILL <ip:port>",
    "    Close the connection from this address.",
    "KILL <option> <value> [<option> <value> [...]]",
    "    Close the connections that match every option:",
    "    * ADDR <ip:port|unixsocket:0>: the client's address",
    "    * LADDR <ip:port|unixsocket:0>: the server's address",
    "    * ID <client-id>",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "    * USER <username>",
    "    * MAXAGE <seconds>: connected for at least so long",
    "    * SKIPME (YES|NO): spare this connection (yes unless said)",
    "LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB) | ID <client-id> [...]]",
    "    One line a connection.",
    "NO-EVICT (ON|OFF)",
    "    Spare this connection when clients take too much memory.",
    "NO-TOUCH (ON|OFF)",
    "    Let this connection's reads leave the keys' access times alone.",
    "PAUSE <timeout> [WRITE|ALL]",
    "    Hold commands, or only those that write, for so many milliseconds.",
    "REPLY (ON|OFF|SKIP)",
    "    Whether this connection gets replies; SKIP leaves out the next one.",
    "SETINFO (LIB-NAME|LIB-VER) <value>",
    "    What client library this is.",
    "SETNAME <name>",
    "    Name this connection.",
    "TOKEN (GET|SET <token>)",
    "    What this session has written, to be read by another one.",
    "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]] [OPTIN] [OPTOUT] [NOLOOP]",
    "    Tell this connection, or the one of that id, when what it has read changes.",
    "TRACKINGINFO",
    "    What this connection tracks.",
    "UNBLOCK <clientid> [TIMEOUT|ERROR]",
    "    End another connection's wait in a blocking command.",
    "UNPAUSE",
    "    End a PAUSE.",
    "HELP",
    "    This text.",
];
