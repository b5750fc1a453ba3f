//! Scripts of commands against the node under test and a real redis-server, compared byte for byte in both protocols.
//!
//! The scripts lie in `conformance/`, one a command group; [`torc_tests::script`] says how they are written.

use std::collections::BTreeSet;
use std::path::Path;
use torc_protocol::command::COMMANDS;
use torc_tests::{Server, differences, script, start_node};

const SCRIPTS: &[(&str, &str)] = &[
    ("bitmap.txt", include_str!("../conformance/bitmap.txt")),
    ("client.txt", include_str!("../conformance/client.txt")),
    ("connection.txt", include_str!("../conformance/connection.txt")),
    ("generic.txt", include_str!("../conformance/generic.txt")),
    ("hyperloglog.txt", include_str!("../conformance/hyperloglog.txt")),
    ("server.txt", include_str!("../conformance/server.txt")),
    ("string.txt", include_str!("../conformance/string.txt")),
];

fn check(file: &str) {
    let (_, source) = SCRIPTS.iter().find(|(name, _)| *name == file).expect("a listed script");
    let steps = script::parse(file, source);
    let config = ["--requirepass", ""];
    let (ours, reference) = (start_node!(&config), Server::reference(&config));
    let outcome = script::run(file, &steps, &ours, &reference);
    println!("{file}: {} replies compared", outcome.compared);
    assert!(
        outcome.failures.is_empty(),
        "{} of {} replies differ\n\n{}\n",
        outcome.failures.len(),
        outcome.compared,
        outcome.failures.join("\n")
    );
}

#[test]
fn bitmaps() {
    check("bitmap.txt");
}

#[test]
fn clients() {
    check("client.txt");
}

#[test]
fn connections() {
    check("connection.txt");
}

#[test]
fn keys() {
    check("generic.txt");
}

#[test]
fn hyperloglogs() {
    check("hyperloglog.txt");
}

#[test]
fn servers() {
    check("server.txt");
}

#[test]
fn strings() {
    check("string.txt");
}

#[test]
fn every_script_is_listed() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance");
    for entry in std::fs::read_dir(dir).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let listed = SCRIPTS.iter().any(|(script, _)| *script == name);
        assert!(listed || name == "differences.txt", "{name} is not run");
    }
}

#[test]
fn every_difference_is_shown_by_a_line() {
    let used: BTreeSet<String> = SCRIPTS
        .iter()
        .flat_map(|(file, source)| script::parse(file, source))
        .filter_map(|step| step.difference)
        .collect();
    let known: BTreeSet<String> = differences::all().into_iter().map(|d| d.id).collect();
    let unknown: Vec<_> = used.difference(&known).collect();
    assert!(unknown.is_empty(), "not in differences.txt: {unknown:?}");
    let unused: Vec<_> = known.difference(&used).collect();
    assert!(unused.is_empty(), "no script shows {unused:?}");
}

#[test]
fn every_command_is_in_a_script() {
    let covered: BTreeSet<String> = SCRIPTS
        .iter()
        .flat_map(|(file, source)| script::commands(&script::parse(file, source)))
        .collect();
    let missing: Vec<&str> = COMMANDS
        .iter()
        .map(|spec| spec.full_name)
        .filter(|name| !covered.contains(*name))
        .collect();
    assert!(missing.is_empty(), "no script runs {missing:?}");
}
