//! ACL: the users of this node, and what each may do.
//!
//! Source: the commands' pages on redis.io and the replies of Redis 7.2.

use super::access::dry_denied;
use super::value::{help_lines, integer};
use super::{Ctx, Flow, Outcome};
use crate::base::rng::secret;
use crate::security::acl::{Entry, LoadError, Rights, Selector, User};
use std::sync::Arc;
use torc_protocol::command::{COMMANDS, Categories, find, subcommand_of};
use torc_protocol::{Args, Reply, WireError};

/// Entries that ACL LOG answers unless told otherwise.
const LOG_COUNT_DEFAULT: usize = 10;

/// Bits of a password that ACL GENPASS makes.
const GENPASS_BITS_DEFAULT: i64 = 256;
const GENPASS_BITS_MAX: i64 = 4096;

/// `ACL CAT [category]`
pub fn cat(_: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    match args.len() {
        2 => {
            reply.array(Categories::NAMES.len());
            Categories::NAMES.iter().for_each(|name| reply.bulk(name.as_bytes()));
        }
        3 => {
            let category = Categories::by_name(&args[2]).ok_or_else(|| {
                let shown = &args[2][..args[2].len().min(128)];
                WireError::quoting("ERR Unknown category '", shown, "'")
            })?;
            let names: Vec<&str> = COMMANDS
                .iter()
                .filter(|spec| spec.acl.contains(category))
                .map(|spec| spec.full_name)
                .collect();
            reply.array(names.len());
            names.iter().for_each(|name| reply.bulk(name.as_bytes()));
        }
        _ => return Err(wrong_form(&args[1])),
    }
    Ok(Flow::Next)
}

/// What Redis answers to a known subcommand with a number of arguments that none of its forms has.
fn wrong_form(subcommand: &[u8]) -> WireError {
    WireError::quoting(
        "ERR unknown subcommand or wrong number of arguments for '",
        subcommand,
        "'. Try ACL HELP.",
    )
}

/// An error in Redis's words.
fn err(text: &[u8]) -> WireError {
    WireError::Bytes([b"ERR ", text].concat())
}

/// `ACL SETUSER username [rule ...]`
pub fn setuser(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let name = &args[2];
    if name.iter().any(|&byte| matches!(byte, b' ' | b'\t'..=b'\r' | 0)) {
        return Err(WireError::err("Usernames can't contain spaces or null characters"));
    }
    let instance = ctx.instance;
    let changed = instance.acl.set(name, args.from(3).iter()).map_err(|text| err(&text))?;
    if let Some(changed) = changed {
        instance.settle_changed(&changed, ctx.session.id, ctx.now);
    }
    reply.ok();
    Ok(go_on(ctx))
}

/// `ACL DELUSER username [username ...]`
pub fn deluser(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let names = args.from(2);
    if names.iter().any(|name| name == ctx.instance.acl.default_user().name()) {
        return Err(WireError::err("The 'default' user cannot be removed"));
    }
    let deleted = ctx.instance.acl.delete(names.iter());
    reply.integer(deleted.len() as i64);
    Ok(settle(ctx, &deleted))
}

/// Disconnects the clients of `deleted`; the caller only when it was answered.
fn settle(ctx: &mut Ctx<'_>, deleted: &[Arc<User>]) -> Flow {
    let is_deleted = ctx.instance.settle_deleted(deleted, ctx.session.id, ctx.now);
    if is_deleted { Flow::Close } else { go_on(ctx) }
}

/// What becomes of the caller, whose own rights may have changed.
fn go_on(ctx: &mut Ctx<'_>) -> Flow {
    if ctx.session.follow(&ctx.instance.acl) { Flow::Next } else { Flow::Close }
}

/// `ACL GETUSER username`
pub fn getuser(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let Some(user) = ctx.instance.acl.find(&args[2]) else {
        reply.null();
        return Ok(Flow::Next);
    };
    let rights: Arc<Rights> = user.rights();
    let levels = rights.levels().text();
    reply.map(6 + usize::from(levels.is_some()));
    reply.bulk(b"flags");
    reply.set(rights.flags().count());
    rights.flags().for_each(|flag| reply.bulk(flag.as_bytes()));
    reply.bulk(b"passwords");
    reply.array(rights.passwords().len());
    rights.passwords().iter().for_each(|password| reply.bulk(password.text().as_bytes()));
    write_selector(rights.root(), reply);
    reply.bulk(b"selectors");
    reply.array(rights.further().len());
    for selector in rights.further() {
        reply.map(3);
        write_selector(selector, reply);
    }
    if let Some(levels) = levels {
        reply.bulk(b"consistency");
        reply.bulk(levels.as_bytes());
    }
    Ok(Flow::Next)
}

fn write_selector(selector: &Selector, reply: &mut Reply<'_>) {
    for (field, text) in [
        ("commands", selector.describe_commands()),
        ("keys", selector.describe_keys()),
        ("channels", selector.describe_channels()),
    ] {
        reply.bulk(field.as_bytes());
        reply.bulk(&text);
    }
}

/// `ACL LIST`
pub fn list(ctx: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let users = ctx.instance.acl.all();
    reply.array(users.len());
    users.iter().for_each(|user| reply.bulk(&user.describe()));
    Ok(Flow::Next)
}

/// `ACL USERS`
pub fn users(ctx: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let users = ctx.instance.acl.all();
    reply.array(users.len());
    users.iter().for_each(|user| reply.bulk(user.name()));
    Ok(Flow::Next)
}

/// `ACL WHOAMI`
pub fn whoami(ctx: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    match &ctx.session.login {
        Some(login) => reply.bulk(login.user.name()),
        None => reply.null(),
    }
    Ok(Flow::Next)
}

const NO_FILE: WireError = WireError::fixed(
    "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER command and then issue a CONFIG REWRITE \
     (assuming you have a Redis configuration file set) in order to store users in the Redis configuration.",
);

/// `ACL LOAD`
///
/// Reads a file, which holds up this worker's clients, as it holds up all of Redis's.
pub fn load(ctx: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let path = ctx.instance.settings.aclfile();
    if path.is_empty() {
        return Err(NO_FILE);
    }
    let deleted =
        ctx.instance.acl.load(&path).map_err(|LoadError(wrong)| WireError::err(&wrong))?;
    reply.ok();
    Ok(settle(ctx, &deleted))
}

/// `ACL SAVE`
///
/// Writes a file and waits for the disk, as [`load`] does.
pub fn save(ctx: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let path = ctx.instance.settings.aclfile();
    if path.is_empty() {
        return Err(NO_FILE);
    }
    ctx.instance.acl.save(&path).map_err(|error| {
        tracing::warn!(%error, %path, "the file of users cannot be written");
        WireError::err(
            "There was an error trying to save the ACLs. Please check the server logs for more information",
        )
    })?;
    reply.ok();
    Ok(Flow::Next)
}

/// `ACL GENPASS [bits]`
pub fn genpass(_: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let bits = match args.len() {
        2 => GENPASS_BITS_DEFAULT,
        3 => integer(&args[2])?,
        _ => return Err(wrong_form(&args[1])),
    };
    if !(1..=GENPASS_BITS_MAX).contains(&bits) {
        let text = format!(
            "ACL GENPASS argument must be the number of bits for the output password, a positive number up to {GENPASS_BITS_MAX}"
        );
        return Err(WireError::err(&text));
    }
    let digits = bits.unsigned_abs().div_ceil(4) as usize;
    let secret = secret(digits.div_ceil(2)).map_err(|error| {
        tracing::warn!(%error, "the system's generator cannot be read");
        WireError::err("the system has no random numbers to make a password of")
    })?;
    let password: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    reply.bulk(&password.as_bytes()[..digits]);
    Ok(Flow::Next)
}

/// `ACL LOG [count | RESET]`
pub fn log(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let log = &ctx.instance.acl.log;
    let count = match args.len() {
        2 => LOG_COUNT_DEFAULT,
        3 if args.is(2, "RESET") => {
            log.reset();
            reply.ok();
            return Ok(Flow::Next);
        }
        3 => usize::try_from(integer(&args[2])?.max(0)).unwrap_or(usize::MAX),
        _ => return Err(wrong_form(&args[1])),
    };
    let entries = log.newest(count);
    reply.array(entries.len());
    entries.iter().for_each(|entry| write_entry(entry, ctx.now, reply));
    Ok(Flow::Next)
}

fn write_entry(entry: &Entry, now: u64, reply: &mut Reply<'_>) {
    reply.map(10);
    reply.bulk(b"count");
    reply.integer(entry.count as i64);
    let texts: [(&str, &[u8]); 4] = [
        ("reason", entry.reason.name().as_bytes()),
        ("context", entry.context.name().as_bytes()),
        ("object", &entry.object),
        ("username", &entry.username),
    ];
    for (field, text) in texts {
        reply.bulk(field.as_bytes());
        reply.bulk(text);
    }
    reply.bulk(b"age-seconds");
    reply.double(now.saturating_sub(entry.updated_ms) as f64 / 1000.0);
    reply.bulk(b"client-info");
    reply.bulk(entry.client.as_bytes());
    for (field, number) in [
        ("entry-id", entry.id),
        ("timestamp-created", entry.created_ms),
        ("timestamp-last-updated", entry.updated_ms),
    ] {
        reply.bulk(field.as_bytes());
        reply.integer(number as i64);
    }
}

/// `ACL DRYRUN username command [arg ...]`
pub fn dryrun(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let not_found = |what: &str, name| WireError::quoting(what, name, "' not found");
    let user = ctx.instance.acl.find(&args[2]).ok_or_else(|| not_found("ERR User '", &args[2]))?;
    let command = args.from(3);
    let spec = command.get(0).and_then(find).and_then(|spec| subcommand_of(spec, &command));
    let spec = spec.ok_or_else(|| not_found("ERR Command '", &args[3]))?;
    if !spec.accepts(command.len()) {
        return Err(WireError::WrongArity(spec.full_name.into()));
    }
    match user.rights().check(spec, &command) {
        Ok(()) => reply.ok(),
        Err(denial) => reply.bulk(&dry_denied(&user, spec, command, denial)),
    }
    Ok(Flow::Next)
}

/// `ACL HELP`
pub fn help(_: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    help_lines(reply, HELP)
}

const HELP: &[&str] = &[
    "ACL <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CAT [<category>]",
    "    The commands of a category, or all categories.",
    "DELUSER <username> [<username> ...]",
    "    Delete users and close their connections.",
    "DRYRUN <username> <command> [<arg> ...]",
    "    Whether a user could run a command, without running it.",
    "GENPASS [<bits>]",
    "    A random password, of 256 bits unless said otherwise.",
    "GETUSER <username>",
    "    A user's flags, passwords' hashes and selectors.",
    "LIST",
    "    All users with their rules, as in the file of users.",
    "LOAD",
    "    Read the users from the file anew: all of it, or nothing if a line is wrong.",
    "LOG [<count> | RESET]",
    "    The latest refusals (10 unless said otherwise), or forget them.",
    "SAVE",
    "    Write the users to the file.",
    "SETUSER <username> [<rule> ...]",
    "    Make a user, or change one: by all rules, or not at all.",
    "USERS",
    "    The names of all users.",
    "WHOAMI",
    "    This connection's user.",
    "HELP",
    "    This text.",
];
