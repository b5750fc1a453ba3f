//! One command as COMMAND DOCS documents it.

use torc_protocol::Reply;
use torc_protocol::command::CommandSpec;
use torc_protocol::command::arguments::{Argument, arguments};

/// One command with its subcommands.
pub(super) fn write(spec: &CommandSpec, reply: &mut Reply<'_>) {
    let arguments = arguments(spec).unwrap_or_default();
    let subcommands = spec.subcommands();
    let doc_flag = match spec.deprecated {
        Some(_) => Some("deprecated"),
        None => spec.internal.then_some("syscmd"),
    };
    reply.map(
        4 + usize::from(doc_flag.is_some())
            + 2 * usize::from(spec.deprecated.is_some())
            + usize::from(!arguments.is_empty())
            + usize::from(!subcommands.is_empty()),
    );
    text("summary", spec.about, reply);
    text("since", spec.since, reply);
    text("group", spec.group.name(), reply);
    text("complexity", spec.time, reply);
    if let Some(flag) = doc_flag {
        reply.bulk(b"doc_flags");
        reply.set(1);
        reply.simple(flag);
    }
    if let Some((since, instead)) = spec.deprecated {
        text("deprecated_since", since, reply);
        text("replaced_by", instead, reply);
    }
    if !arguments.is_empty() {
        reply.bulk(b"arguments");
        write_arguments(&arguments, reply);
    }
    if !subcommands.is_empty() {
        reply.bulk(b"subcommands");
        reply.map(subcommands.len());
        for subcommand in subcommands {
            reply.bulk(subcommand.full_name.as_bytes());
            write(subcommand, reply);
        }
    }
}

fn write_arguments(arguments: &[Argument], reply: &mut Reply<'_>) {
    reply.array(arguments.len());
    for argument in arguments {
        write_argument(argument, reply);
    }
}

fn write_argument(argument: &Argument, reply: &mut Reply<'_>) {
    let flags = [
        (argument.optional, "optional"),
        (argument.multiple, "multiple"),
        (argument.multiple_token, "multiple_token"),
    ];
    let flag_count = flags.iter().filter(|(is_set, _)| *is_set).count();
    reply.map(
        2 + usize::from(argument.key_spec.is_some())
            + usize::from(argument.token.is_some())
            + usize::from(flag_count > 0)
            + usize::from(!argument.parts.is_empty()),
    );
    text("name", &argument.name.to_ascii_lowercase(), reply);
    text("type", argument.kind, reply);
    if let Some(index) = argument.key_spec {
        reply.bulk(b"key_spec_index");
        reply.integer(index as i64);
    }
    if let Some(token) = argument.token {
        text("token", token, reply);
    }
    if flag_count > 0 {
        reply.bulk(b"flags");
        reply.set(flag_count);
        flags.iter().filter(|(is_set, _)| *is_set).for_each(|(_, name)| reply.simple(name));
    }
    if !argument.parts.is_empty() {
        reply.bulk(b"arguments");
        write_arguments(&argument.parts, reply);
    }
}

fn text(field: &str, value: &str, reply: &mut Reply<'_>) {
    reply.bulk(field.as_bytes());
    reply.bulk(value.as_bytes());
}
