//! COMMAND: what the node can do, told from the command table.
//!
//! Source: the pages of COMMAND and its subcommands on redis.io. Summaries, complexities and notes are our own words, and
//! the history of each command is left out; everything else is as Redis answers it, in the table's order.

mod docs;
mod info;

use super::value::help_lines;
use super::{Ctx, Flow, Outcome};
use torc_protocol::command::{
    COMMANDS, Categories, CommandSpec, Flags, KeyPositions, find, find_full, subcommand_of,
    told_key_positions, top_level,
};
use torc_protocol::{Args, Reply, WireError, glob};

/// COMMAND: describes every command.
pub fn command(_: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    info::write_all(reply);
    Ok(Flow::Next)
}

/// COMMAND COUNT.
pub fn count(_: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    reply.integer(top_level().count() as i64);
    Ok(Flow::Next)
}

/// COMMAND INFO [command-name ...]: describes the named commands, null standing for an unknown one.
pub fn info(_: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let names = args.from(2);
    if names.is_empty() {
        info::write_all(reply);
        return Ok(Flow::Next);
    }
    reply.array(names.len());
    for name in names.iter() {
        match find_full(name) {
            Some(spec) => info::write(spec, reply),
            None => reply.null(),
        }
    }
    Ok(Flow::Next)
}

/// COMMAND DOCS [command-name ...]: documents the named commands that exist.
pub fn docs(_: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let names = args.from(2);
    let specs: Vec<&CommandSpec> = if names.is_empty() {
        top_level().collect()
    } else {
        names.iter().filter_map(find_full).collect()
    };
    reply.map(specs.len());
    for spec in specs {
        reply.bulk(spec.full_name.as_bytes());
        docs::write(spec, reply);
    }
    Ok(Flow::Next)
}

/// COMMAND LIST [FILTERBY MODULE|ACLCAT|PATTERN value]: names of commands and subcommands.
pub fn list(_: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let names = listed(args)?;
    reply.array(names.len());
    for name in names {
        reply.bulk(name.as_bytes());
    }
    Ok(Flow::Next)
}

fn listed(args: Args<'_>) -> Result<Vec<&'static str>, WireError> {
    let names = |keep: &dyn Fn(&CommandSpec) -> bool| {
        COMMANDS.iter().filter(|spec| keep(spec)).map(|spec| spec.full_name).collect()
    };
    if args.len() == 2 {
        return Ok(names(&|_| true));
    }
    if args.len() != 5 || !args.is(2, "FILTERBY") {
        return Err(WireError::Syntax);
    }
    let value = &args[4];
    if args.is(3, "MODULE") {
        // There are no modules, so no command is of one.
        Ok(Vec::new())
    } else if args.is(3, "ACLCAT") {
        let category = Categories::by_name(value);
        Ok(names(&|spec| category.is_some_and(|category| spec.acl.contains(category))))
    } else if args.is(3, "PATTERN") {
        Ok(names(&|spec| glob::matches(value, spec.full_name.as_bytes(), true)))
    } else {
        Err(WireError::Syntax)
    }
}

/// COMMAND GETKEYS command [arg ...]: the arguments that are keys.
pub fn getkeys(_: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let request = args.from(2);
    let keys = keys_of(&request)?;
    reply.array(keys.count());
    for key in keys.iter() {
        reply.bulk(&request[key.index]);
    }
    Ok(Flow::Next)
}

/// COMMAND GETKEYSANDFLAGS command [arg ...]: the arguments that are keys, and what becomes of each.
pub fn getkeysandflags(_: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let request = args.from(2);
    let keys = keys_of(&request)?;
    reply.array(keys.count());
    for key in keys.iter() {
        reply.array(2);
        reply.bulk(&request[key.index]);
        reply.set(key.flags.count());
        key.flags.names().for_each(|name| reply.simple(name));
    }
    Ok(Flow::Next)
}

fn keys_of(request: &Args<'_>) -> Result<KeyPositions, WireError> {
    let spec = request
        .get(0)
        .and_then(find)
        .and_then(|spec| subcommand_of(spec, request))
        .ok_or(WireError::fixed("ERR Invalid command specified"))?;
    if !spec.has_keys() {
        return Err(WireError::fixed("ERR The command has no key arguments"));
    }
    if !spec.accepts(request.len()) {
        return Err(WireError::fixed("ERR Invalid number of arguments specified for command"));
    }
    let needs_keys = !spec.flags.contains(Flags::NO_MANDATORY_KEYS);
    match told_key_positions(spec, request) {
        Err(_) if !needs_keys => Ok(KeyPositions::default()),
        // The word is missing behind which they stand.
        Ok(found) if needs_keys && found.count() == 0 => {
            Err(WireError::fixed("ERR Invalid arguments specified for command"))
        }
        found => found,
    }
}

/// COMMAND HELP.
pub fn help(_: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    const LINES: &[&str] = &[
        "COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "(no subcommand)",
        "    Describe every command.",
        "COUNT",
        "    The number of commands.",
        "LIST [FILTERBY (MODULE <name>|ACLCAT <category>|PATTERN <pattern>)]",
        "    The names of the commands and subcommands.",
        "INFO [<command-name> ...]",
        "    Describe the named commands, or all.",
        "DOCS [<command-name> ...]",
        "    Document the named commands, or all.",
        "GETKEYS <full-command>",
        "    The keys among the arguments of a command.",
        "GETKEYSANDFLAGS <full-command>",
        "    The keys among the arguments of a command, and what becomes of each.",
        "HELP",
        "    These lines.",
    ];
    help_lines(reply, LINES)
}
