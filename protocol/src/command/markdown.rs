//! The README's list of supported commands, rendered from the table.

use super::arguments::synopsis;
use super::spec::{CommandSpec, Group};
use super::{COMMANDS, Refusal};
use std::fmt::Write;

/// One table a group, a row a command that does something; then the commands that are answered with an error, by reason.
pub fn markdown() -> String {
    let mut text = String::new();
    for group in Group::ALL {
        let _ = writeln!(text, "### {}\n\n| Command | |\n|---|---|", title(group));
        let supported = COMMANDS.iter().filter(|s| s.group == group && s.refused.is_none());
        for spec in supported.filter(|s| !is_bare_container(s)) {
            let _ = writeln!(text, "| `{}` | {} |", synopsis(spec).replace('|', "\\|"), spec.about);
        }
        text.push('\n');
    }
    text.push_str("### Answered with an error\n\n| Commands | Why |\n|---|---|\n");
    for reason in [
        Refusal::Modules,
        Refusal::Persistence,
        Refusal::Replication,
        Refusal::Migrate,
        Refusal::Slots,
    ] {
        let names: Vec<String> = COMMANDS
            .iter()
            .filter(|s| s.refused == Some(reason) && !is_refused_with_container(s))
            .map(|s| format!("`{}`", s.full_name.to_ascii_uppercase().replace('|', " ")))
            .collect();
        let _ = writeln!(text, "| {} | {} |", names.join(", "), reason.reason());
    }
    text
}

/// Whether the command only groups subcommands. COMMAND also answers alone.
fn is_bare_container(spec: &CommandSpec) -> bool {
    !spec.subcommands().is_empty() && !spec.accepts(1)
}

/// Whether the whole container is answered with an error, so that its subcommands need no mention.
fn is_refused_with_container(spec: &CommandSpec) -> bool {
    let container = spec.parent.and_then(|name| super::find(name.as_bytes()));
    container.is_some_and(|container| container.refused.is_some())
}

fn title(group: Group) -> &'static str {
    match group {
        Group::String => "Strings",
        Group::Generic => "Keys",
        Group::Hash => "Hashes",
        Group::List => "Lists",
        Group::Set => "Sets",
        Group::SortedSet => "Sorted sets",
        Group::Stream => "Streams",
        Group::Geo => "Positions on the earth",
        Group::Bitmap => "Bitmaps",
        Group::HyperLogLog => "HyperLogLogs",
        Group::Transactions => "Transactions",
        Group::Connection => "Connections",
        Group::Server => "Server",
        Group::Cluster => "Cluster",
        Group::PubSub => "Publish and subscribe",
        Group::Scripting => "Scripts",
    }
}
