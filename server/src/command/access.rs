//! What a client may run, by the rights of its user: the judgement, its words, and the entry in the ACL log.
//!
//! Source: redis.io, "ACL", and the errors of Redis 7.2.

use super::Session;
use crate::admin::Instance;
use crate::admin::clients::ClientInfo;
use crate::base::clock::UnixMs;
use crate::security::acl::{Context, Denial, Reason, Refused, User};
use torc_protocol::command::{CommandSpec, Flags, find};
use torc_protocol::{Args, WireError};

/// Whether a client that is [guarded](Session::guarded) may run `args`, which call `spec`: it has logged in where that is required, and its rights allow it.
pub fn check(
    instance: &Instance,
    session: &Session,
    (spec, args): (&'static CommandSpec, Args<'_>),
    now: UnixMs,
) -> Result<(), WireError> {
    check_login(instance, session, spec)?;
    let context = if session.multi.is_some() { Context::Multi } else { Context::TopLevel };
    let Some(denial) = denial(session, spec, args) else { return Ok(()) };
    let text = denied(instance, session, (spec, args), denial, context, now);
    Err(no_permission(&text))
}

/// As [`check`], and says nothing to anybody.
pub fn may(instance: &Instance, session: &Session, spec: &CommandSpec, args: Args<'_>) -> bool {
    check_login(instance, session, spec).is_ok() && denial(session, spec, args).is_none()
}

fn check_login(
    instance: &Instance,
    session: &Session,
    spec: &CommandSpec,
) -> Result<(), WireError> {
    let is_free = session.authenticated
        || spec.flags.contains(Flags::NO_AUTH)
        || !instance.acl.requires_login();
    if is_free { Ok(()) } else { Err(WireError::NoAuth) }
}

/// Why the client's rights do not allow a command, if they do not.
pub fn denial(session: &Session, spec: &CommandSpec, args: Args<'_>) -> Option<Denial> {
    session.limits()?.rights.check(spec, &args).err()
}

/// Enters a denial in the ACL log. Returns what the client is told behind the code.
#[cold]
pub fn denied(
    instance: &Instance,
    session: &Session,
    (spec, args): (&'static CommandSpec, Args<'_>),
    denial: Denial,
    context: Context,
    now: UnixMs,
) -> Vec<u8> {
    let mut activity = session.activity(now);
    // It has not begun to run, yet it is the client's last command; a script's, or that of EXEC, is not.
    let shown = match context {
        Context::Lua => None,
        _ if session.in_step => find(b"exec"),
        _ => Some(spec),
    };
    activity.command = shown.map(|spec| spec.id.index() as u16).or(activity.command);
    session.info.publish(&activity);
    let name = session.login.as_ref().map_or(&b""[..], |login| login.user.name());
    let attempt = attempt(denial, context, name, (spec, args));
    note(instance, &session.info, attempt, now);
    words(denial, name, spec)
}

/// The same for a client that has waited, and what it is answered.
#[cold]
pub fn denied_waiter(
    instance: &Instance,
    client: Option<&ClientInfo>,
    (user, spec, args): (&User, &CommandSpec, Args<'_>),
    denial: Denial,
    now: UnixMs,
) -> WireError {
    let attempt = attempt(denial, Context::TopLevel, user.name(), (spec, args));
    // One that is gone is logged by nobody.
    if let Some(client) = client {
        note(instance, client, attempt, now);
    }
    no_permission(&words(denial, user.name(), spec))
}

fn no_permission(text: &[u8]) -> WireError {
    WireError::Bytes([b"NOPERM ", text].concat())
}

fn attempt<'a>(
    denial: Denial,
    context: Context,
    username: &'a [u8],
    (spec, args): (&CommandSpec, Args<'a>),
) -> Attempt<'a> {
    let object = match denial {
        Denial::Command => spec.full_name.as_bytes(),
        Denial::Key(index) | Denial::Channel(index) => args.get(index).unwrap_or_default(),
    };
    Attempt { reason: denial.into(), context, object, username }
}

fn words(denial: Denial, name: &[u8], spec: &CommandSpec) -> Vec<u8> {
    match denial {
        Denial::Command => no_command(name, spec),
        Denial::Key(_) => b"No permissions to access a key".to_vec(),
        Denial::Channel(_) => b"No permissions to access a channel".to_vec(),
    }
}

fn no_command(name: &[u8], spec: &CommandSpec) -> Vec<u8> {
    let command = spec.full_name.as_bytes();
    [b"User ", name, b" has no permissions to run the '", command, b"' command"].concat()
}

/// What ACL DRYRUN says of a denial.
pub fn dry_denied(user: &User, spec: &CommandSpec, args: Args<'_>, denial: Denial) -> Vec<u8> {
    let (index, kind): (_, &[u8]) = match denial {
        Denial::Command => return no_command(user.name(), spec),
        Denial::Key(index) => (index, b"key"),
        Denial::Channel(index) => (index, b"channel"),
    };
    let object = args.get(index).unwrap_or_default();
    [b"User ", user.name(), b" has no permissions to access the '", object, b"' ", kind].concat()
}

/// What EXEC answers for a command that was allowed when it was queued.
pub fn denied_meanwhile(denial: Denial) -> WireError {
    let why = match denial {
        Denial::Command => "no permission to execute the command or subcommand",
        Denial::Key(_) => "no permission to touch the specified keys",
        Denial::Channel(_) => "no permission to access one of the channels used as arguments",
    };
    let line = format!(
        "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. \
         This command is no longer allowed for the following reason: {why}"
    );
    WireError::Line(line.into())
}

/// Something that was refused.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// Why.
    pub reason: Reason,
    /// Where.
    pub context: Context,
    /// What.
    pub object: &'a [u8],
    /// To whom.
    pub username: &'a [u8],
}

/// Enters it in the ACL log and counts it.
#[cold]
pub fn note_refusal(instance: &Instance, session: &Session, attempt: Attempt<'_>, now: UnixMs) {
    session.info.publish(&session.activity(now));
    note(instance, &session.info, attempt, now);
}

fn note(instance: &Instance, client: &ClientInfo, attempt: Attempt<'_>, now: UnixMs) {
    let Attempt { reason, context, object, username } = attempt;
    let mut shown = String::new();
    client.describe(now, 0, &mut shown);
    let refused = Refused { reason, context, object, username, client: &shown };
    instance.acl.log.record(refused, now);
}
