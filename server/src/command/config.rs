//! CONFIG: the settings, read and changed while the node runs.

use super::value::help_lines;
use super::{Ctx, Flow, Outcome};
use crate::admin::Instance;
use crate::config::{SETTINGS, SetError, names, rewrite as rewrite_file};
use torc_protocol::{Args, Reply, WireError, glob};

/// `CONFIG GET pattern [pattern ...]`
pub fn get(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let patterns = args.from(2);
    // Every name is compared with every pattern, so many patterns must not make that long.
    let all: Vec<&[u8]> = patterns.iter().take(PATTERN_COUNT_MAX).collect();
    let is_glob = |pattern: &[u8]| pattern.iter().any(|byte| b"[*?".contains(byte));
    let mut found: Vec<(&[u8], usize)> = Vec::new();
    for (index, row) in SETTINGS.iter().enumerate() {
        for name in names(row) {
            // A name that is no pattern comes back in the case in which it was asked for.
            let asked = all.iter().find_map(|&pattern| {
                if is_glob(pattern) {
                    glob::matches(pattern, name.as_bytes(), true).then_some(name.as_bytes())
                } else {
                    pattern.eq_ignore_ascii_case(name.as_bytes()).then_some(pattern)
                }
            });
            found.extend(asked.map(|name| (name, index)));
        }
    }
    reply.map(found.len());
    for (name, index) in found {
        reply.bulk(name);
        reply.bulk(ctx.instance.settings.show(index).as_bytes());
    }
    Ok(Flow::Next)
}

/// Patterns of one CONFIG GET; more than there are settings make no sense.
const PATTERN_COUNT_MAX: usize = 1024;

/// `CONFIG SET name value [name value ...]`
pub fn set(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    if !args.len().is_multiple_of(2) {
        return Err(WireError::Syntax);
    }
    let words = args.from(2);
    let mut pairs = Vec::with_capacity(words.len() / 2);
    for index in (0..words.len()).step_by(2) {
        let name = &words[index];
        let Ok(name_text) = std::str::from_utf8(name) else { return Err(unknown(name)) };
        let Ok(value) = std::str::from_utf8(&words[index + 1]) else {
            return Err(refused(name_text, "argument must be UTF-8 text"));
        };
        pairs.push((name_text, value));
        // A name given twice is refused, so more pairs than settings are wrong somewhere in the first of them.
        if pairs.len() > 2 * SETTINGS.len() {
            break;
        }
    }
    ctx.instance.configure(&pairs).map_err(|error| match error {
        SetError::Unknown(name) => unknown(name.as_bytes()),
        SetError::Refused { name, reason } => refused(&name, &reason),
    })?;
    reply.ok();
    Ok(Flow::Next)
}

fn unknown(name: &[u8]) -> WireError {
    let start = "ERR Unknown option or number of arguments for CONFIG SET - '";
    WireError::quoting(start, name, "'")
}

fn refused(name: &str, reason: &str) -> WireError {
    let line = format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}");
    WireError::Bytes(line.into_bytes())
}

/// `CONFIG RESETSTAT`
pub fn resetstat(ctx: &mut Ctx<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    ctx.instance.reset_stats();
    reply.ok();
    Ok(Flow::Next)
}

/// `CONFIG REWRITE`
///
/// Writes a small file and waits for the disk, which holds up this worker's clients, as it holds up all of Redis's.
pub fn rewrite(ctx: &mut Ctx<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    rewrite_settings(ctx.instance).map_err(|reason| WireError::err(&reason))?;
    reply.ok();
    Ok(Flow::Next)
}

/// Writes the settings and users in force into the settings file.
///
/// # Errors
/// In Redis's words, without the code.
pub(super) fn rewrite_settings(instance: &Instance) -> Result<(), String> {
    let (settings, acl) = (&instance.settings, &instance.acl);
    // Where there is a file of users, they belong there.
    let users = match settings.aclfile().is_empty() {
        true => acl.definitions(settings.requirepass().as_bytes())?,
        false => Vec::new(),
    };
    rewrite_file(settings, &users)
}

/// `CONFIG HELP`
pub fn help(_ctx: &mut Ctx<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    help_lines(
        reply,
        &[
            "CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            "GET <pattern> [<pattern> ...]",
            "    Settings whose names match any of the glob patterns, and their values.",
            "SET <name> <value> [<name> <value> ...]",
            "    Change settings while running: all of them, or none.",
            "RESETSTAT",
            "    Start the counters of INFO over.",
            "REWRITE",
            "    Put the settings in force into the file the node was started with.",
            "HELP",
            "    These lines.",
        ],
    )
}
