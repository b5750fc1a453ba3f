//! Hygiene that the compiler does not hold: import directions, banned calls, where `unsafe` may stand, and documents
//! that say what the tables say. `TORC_WRITE_README=1` writes the README's generated parts instead of checking them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs;
use std::path::{Path, PathBuf};
use torc_tests::differences;

/// The server's layers, lowest first; those of one row may import each other. `server/src/lib.rs` draws the same.
const LAYERS: &[&[&str]] = &[
    &["base"],
    &["cluster"],
    &["types", "script"],
    &["store"],
    &["replication"],
    &["admin", "config", "security"],
    &["command"],
    &["node"],
    &["net"],
];

/// Where `unsafe` may stand: the lock-free index and its entries, the allocator's knobs, which have no safe interface, and the functions that raise errors in Lua.
const UNSAFE_ALLOWED: &[&str] =
    &["server/src/store/", "server/src/admin/memory.rs", "server/src/script/native.rs"];

/// Calls that take time or randomness from nowhere, and the only places that may make them.
const BANNED: &[(&str, &[&str])] = &[
    ("Instant::now", &["server/src/base/", "client/src/base/", "tests/src/wait.rs", "benches/"]),
    ("SystemTime::now", &["server/src/base/"]),
    ("thread_rng", &[]),
    ("rand::random", &[]),
    ("fastrand::", &["server/src/base/", "client/src/base/", "tests/", "benches/"]),
    ("RandomState::new", &["server/src/base/", "tests/tests/differential.rs", "benches/"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the package lies in the workspace")
        .into()
}

/// Every Rust file below `folders`, as path from the root and code without comments and the contents of literals.
fn sources(folders: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            let skipped = ["target", "fuzz"].iter().any(|name| path.ends_with(name));
            if !skipped {
                open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
            found.push((name, code_of(&fs::read_to_string(&path).unwrap())));
        }
    }
    found.sort();
    assert!(!found.is_empty());
    found
}

/// Blanks out comments and the insides of string literals; lines stay where they are.
fn code_of(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let (mut out, mut i) = (String::with_capacity(source.len()), 0);
    while i < chars.len() {
        let next = chars.get(i + 1).copied().unwrap_or(' ');
        match chars[i] {
            '/' if next == '/' => {
                while i < chars.len() && chars[i] != '\n' {
                    i += 1;
                }
            }
            '\'' if next == '\\' || chars.get(i + 2) == Some(&'\'') => {
                // A character, not a lifetime.
                i += if next == '\\' { 3 } else { 2 };
                while i < chars.len() && chars[i] != '\'' {
                    i += 1;
                }
                i += 1;
            }
            'r' if (next == '"'
                || (next == '#' && matches!(chars.get(i + 2), Some('"' | '#'))))
                && !out.ends_with(|c: char| c.is_alphanumeric() || c == '_') =>
            {
                let hashes = chars[i + 1..].iter().take_while(|&&c| c == '#').count();
                i += hashes + 2;
                let closes = |at: usize| {
                    chars[at] == '"' && chars[at + 1..].iter().take(hashes).all(|&c| c == '#')
                };
                while i < chars.len() && !closes(i) {
                    out.extend((chars[i] == '\n').then_some('\n'));
                    i += 1;
                }
                i += hashes + 1;
            }
            '"' => {
                out.push('"');
                i += 1;
                while i < chars.len() && chars[i] != '"' {
                    out.extend((chars[i] == '\n').then_some('\n'));
                    i += if chars[i] == '\\' { 2 } else { 1 };
                }
                out.push('"');
                i += 1;
            }
            other => {
                out.push(other);
                i += 1;
            }
        }
    }
    out
}

/// The part of a file that is in the product: what follows the first test module is not.
fn product(code: &str) -> &str {
    code.split("#[cfg(test)]\nmod tests {").next().unwrap_or(code)
}

fn is_test_file(name: &str) -> bool {
    name.ends_with("/tests.rs") || name.contains("/tests/") || name.ends_with("/models.rs")
}

fn report(found: &[String], what: &str) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

/// Every place where `needle` stands, as `file:line`.
fn places(name: &str, code: &str, needle: &str) -> Vec<String> {
    let hits = code.lines().enumerate().filter(|(_, line)| line.contains(needle));
    hits.map(|(index, line)| format!("{name}:{}: {}", index + 1, line.trim())).collect()
}

/// The first names of the paths that begin with `crate::`, groups in braces included.
fn crate_imports(code: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let mut names = Vec::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            None => names.push(name(rest)),
            Some(group) => {
                let mut depth = 0;
                let mut item = String::new();
                for c in group.chars() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => names.push(name(&std::mem::take(&mut item))),
                        _ if depth == 0 => item.push(c),
                        _ => {}
                    }
                }
                names.push(name(&item));
            }
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn imports_go_down_only() {
    let rank = |layer: &str| LAYERS.iter().position(|row| row.contains(&layer));
    let mut wrong = Vec::new();
    for (name, code) in sources(&["server/src"]) {
        let inside = name.strip_prefix("server/src/").expect("it is of the server");
        let Some((layer, _)) = inside.split_once('/') else { continue };
        let Some(own) = rank(layer) else {
            wrong.push(format!("{name}: `{layer}` is no known layer"));
            continue;
        };
        if is_test_file(&name) {
            continue;
        }
        for import in crate_imports(product(&code)) {
            if rank(&import).is_some_and(|other| other > own) {
                wrong.push(format!("{name}: `{layer}` imports `{import}`, which is above it"));
            }
        }
    }
    report(&wrong, "imports go up");
}

#[test]
fn protocol_and_client_stand_alone() {
    let mut wrong = Vec::new();
    for (folder, banned) in [
        ("protocol/src", &["torc_server", "torc_client", "tokio", "std::net", "std::fs"][..]),
        ("client/src", &["torc_server"][..]),
    ] {
        for (name, code) in sources(&[folder]) {
            banned.iter().for_each(|word| wrong.extend(places(&name, product(&code), word)));
        }
    }
    report(&wrong, "these packages know too much");
}

#[test]
fn time_and_randomness_come_from_base() {
    let mut wrong = Vec::new();
    for (name, code) in sources(&["protocol", "server", "client", "tests", "benches"]) {
        for (call, allowed) in BANNED {
            if !allowed.iter().any(|prefix| name.starts_with(prefix)) && !is_test_file(&name) {
                wrong.extend(places(&name, product(&code), call));
            }
        }
        // Seeded generators are fine in suites; the global one cannot be replayed.
        for global in ["fastrand::u", "fastrand::i", "fastrand::b", "fastrand::s", "fastrand::c"] {
            wrong.extend(places(&name, &code, global));
        }
    }
    report(&wrong, "time or randomness from outside server/src/base");
}

#[test]
fn unsafe_stands_in_the_store_alone() {
    let mut wrong = Vec::new();
    for (name, code) in sources(&["protocol", "server", "client", "tests", "benches"]) {
        if UNSAFE_ALLOWED.iter().any(|prefix| name.starts_with(prefix)) {
            continue;
        }
        for keyword in ["unsafe {", "unsafe fn", "unsafe impl", "unsafe trait", "unsafe extern"] {
            wrong.extend(places(&name, &code, keyword));
        }
    }
    report(&wrong, "unsafe outside the store");
}

#[test]
fn nothing_is_left_undone() {
    let mut wrong = Vec::new();
    for (name, code) in sources(&["protocol", "server", "client", "tests", "benches"]) {
        for word in ["todo!", "unimplemented!", "#[ignore", "dbg!", "#[allow("] {
            wrong.extend(places(&name, &code, word));
        }
    }
    report(&wrong, "left undone (an exception to a lint is `#[expect(…, reason = …)]`)");
}

#[test]
fn every_dependency_is_justified() {
    let mut wrong = Vec::new();
    for package in ["protocol", "server", "client", "tests", "benches"] {
        let path = root().join(package).join("Cargo.toml");
        let mut listed = false;
        for (index, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
            if line.starts_with('[') {
                listed = line.trim_end_matches(']').ends_with("dependencies");
            } else if listed
                && line.contains('=')
                && !line.contains("workspace = true")
                && !line.contains('#')
            {
                wrong.push(format!("{package}/Cargo.toml:{}: {line}", index + 1));
            }
        }
    }
    report(&wrong, "dependencies without a reason");
}

#[test]
fn the_architecture_names_every_folder() {
    let text = fs::read_to_string(root().join("server/ARCHITECTURE.md")).unwrap();
    let folders = fs::read_dir(root().join("server/src")).unwrap().flatten();
    let missing: Vec<String> = folders
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !text.contains(&format!("`{name}`")) && !text.contains(&format!("{name}/")))
        .collect();
    report(&missing, "not in server/ARCHITECTURE.md");
}

#[test]
fn the_readme_says_what_the_tables_say() {
    let path = root().join("README.md");
    let mut text = fs::read_to_string(&path).unwrap();
    let parts = [
        ("commands", torc_protocol::command::markdown()),
        ("settings", torc_server::config::markdown()),
        ("differences", differences::markdown()),
    ];
    for (name, rendered) in parts {
        let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->"));
        let (before, rest) =
            text.split_once(&begin).unwrap_or_else(|| panic!("README.md has no {begin}"));
        let (inside, after) =
            rest.split_once(&end).unwrap_or_else(|| panic!("README.md has no {end}"));
        let wanted = format!("\n{}\n\n", rendered.trim());
        if std::env::var_os("TORC_WRITE_README").is_some() {
            text = format!("{before}{begin}{wanted}{end}{after}");
        } else {
            assert!(
                inside == wanted,
                "README.md's {name} are out of date; TORC_WRITE_README=1 cargo test -p torc-tests --test tidy"
            );
        }
    }
    if std::env::var_os("TORC_WRITE_README").is_some() {
        fs::write(&path, text).unwrap();
    }
}

/// A setting that nothing reads would be a lie in the README. The table tells the two kinds apart: rows that say when to change them do
/// something, the others are accepted for compatibility.
#[test]
fn a_setting_is_read_or_said_to_change_nothing() {
    let sources = sources(&["server/src"]);
    let wrong: Vec<String> = torc_server::config::SETTINGS
        .iter()
        .filter(|row| {
            let getter = match row.name {
                // Read as numbers.
                "client-output-buffer-limit" => String::from(".output_limit_normal()"),
                name => format!(".{}()", name.replace('-', "_")),
            };
            let is_read = sources.iter().any(|(name, code)| {
                !is_test_file(name)
                    && !name.ends_with("config/table.rs")
                    && product(code).contains(&getter)
            });
            is_read == row.when.is_empty()
        })
        .map(|row| row.name.to_owned())
        .collect();
    report(&wrong, "read but said to change nothing, or the other way round");
}

#[test]
fn stripping_comments_and_literals() {
    let cases = [
        ("a // unsafe\nb", "a \nb"),
        ("\"unsafe // \\\" x\" y", "\"\" y"),
        ("'\"' z", " z"),
        ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)"),
        ("r#\"unsafe \" \"# z", " z"),
        ("'\\'' b", " b"),
    ];
    for (source, expected) in cases {
        assert_eq!(code_of(source), expected, "{source}");
    }
    assert_eq!(
        crate_imports("use crate::{base::{x, y}, store::Z}; crate::net::f()"),
        ["base", "store", "net"]
    );
}
