//! Commands for people: `torc status`, `torc leave`, `torc local-cluster`.
//!
//! They talk to nodes by their port for clients, as any client does, and know nothing else of them.

mod ask;
mod local;
mod table;

use ask::ask;
use std::io::Write as _;
use std::process::ExitCode;

pub(super) use local::local_cluster;

/// `torc status`
pub(super) fn status(address: &str, password: &str, json: bool) -> ExitCode {
    let text = match ask(address, password, &["TORC", "STATUS"]) {
        Ok(text) => text,
        Err(error) => return failed(address, &error),
    };
    let lines = table::parse(&text);
    let shown = if json { table::json(&lines) } else { table::table(&lines) };
    // Nobody to read it (`torc status | head`) is no error.
    let _ = std::io::stdout().write_all(shown.as_bytes());
    ExitCode::SUCCESS
}

/// `torc leave`
pub(super) fn leave(address: &str, password: &str) -> ExitCode {
    match ask(address, password, &["TORC", "LEAVE"]) {
        Ok(_) => {
            println!("The node at {address} hands its keys over, and stops when it is done.");
            ExitCode::SUCCESS
        }
        Err(error) => failed(address, &error),
    }
}

fn failed(address: &str, error: &ask::AskError) -> ExitCode {
    eprintln!("torc: {address}: {error}");
    ExitCode::FAILURE
}
