//! The typed commands are written from the command table. `TORC_WRITE_CLIENT=1 cargo test -p torc-client --test commands` writes them anew; without it this
//! fails where they are not what the table says.

#[path = "commands/reply_types.rs"]
mod reply_types;
#[path = "commands/writer.rs"]
mod writer;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use torc_protocol::command::Group;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/commands/generated")
}

/// As `cargo fmt` would have it.
fn formatted(text: &str) -> String {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rustfmt.toml");
    let mut child = Command::new("rustfmt")
        .args(["--edition", "2024", "--emit", "stdout", "--config-path"])
        .arg(config)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("rustfmt is installed");
    child.stdin.take().expect("it is piped").write_all(text.as_bytes()).expect("rustfmt reads");
    let output = child.wait_with_output().expect("rustfmt ends");
    assert!(output.status.success(), "the generated code is no Rust:\n{text}");
    String::from_utf8(output.stdout).expect("rustfmt writes UTF-8")
}

/// What formatting may change.
fn bare(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && !matches!(c, ',' | '{' | '}')).collect()
}

#[test]
fn typed_commands_are_those_of_the_table() {
    let mut files = vec![("mod".to_owned(), writer::module(&Group::ALL))];
    for group in Group::ALL {
        if let Some(text) = writer::group(group) {
            files.push((writer::file_name(group), text));
        }
    }
    for (name, text) in files {
        let path = folder().join(format!("{name}.rs"));
        if std::env::var_os("TORC_WRITE_CLIENT").is_some() {
            std::fs::write(&path, formatted(&text)).expect("the folder is writable");
            continue;
        }
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            bare(&there) == bare(&formatted(&text)),
            "{} is out of date; TORC_WRITE_CLIENT=1 cargo test -p torc-client --test commands",
            path.display()
        );
    }
}
