//! Commands for people: `torc status`, `torc leave`, `torc local-cluster`.
//!
//! They talk to nodes by their port for clients, as any client does, and know nothing else of them.

mod ask;
mod local;
mod table;

use crate::config::Call;
use ask::ask;
use std::io::Write as _;
use std::process::ExitCode;

pub(super) use local::local_cluster;

/// `torc status`
pub(super) fn status(node: &Call, json: bool) -> ExitCode {
    let text = match ask(node, &["TORC", "STATUS"]) {
        Ok(text) => text,
        Err(error) => return failed(node, &error),
    };
    let lines = table::parse(&text);
    let shown = if json { table::json(&lines) } else { table::table(&lines) };
    // Nobody to read it (`torc status | head`) is no error.
    let _ = std::io::stdout().write_all(shown.as_bytes());
    ExitCode::SUCCESS
}

/// `torc leave`
pub(super) fn leave(node: &Call) -> ExitCode {
    match ask(node, &["TORC", "LEAVE"]) {
        Ok(_) => {
            println!(
                "The node at {} hands its keys over, and stops when it is done.",
                node.address
            );
            ExitCode::SUCCESS
        }
        Err(error) => failed(node, &error),
    }
}

fn failed(node: &Call, error: &ask::AskError) -> ExitCode {
    eprintln!("torc: {}: {error}", node.address);
    ExitCode::FAILURE
}
