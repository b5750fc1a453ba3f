//! Scripts of commands against the node under test and a real redis-server, compared byte for byte in both protocols.
//!
//! The scripts lie in `conformance/`, one a command group; [`torc_tests::script`] says how they are written.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::BTreeSet;
use std::path::Path;
use torc_protocol::command::COMMANDS;
use torc_protocol::glob;
use torc_tests::{Connection, Server, Value, differences, script, start_node};

const SCRIPTS: &[(&str, &str)] = &[
    ("acl.txt", include_str!("../conformance/acl.txt")),
    ("bitmap.txt", include_str!("../conformance/bitmap.txt")),
    ("blocking.txt", include_str!("../conformance/blocking.txt")),
    ("busy.txt", include_str!("../conformance/busy.txt")),
    ("client.txt", include_str!("../conformance/client.txt")),
    ("cluster.txt", include_str!("../conformance/cluster.txt")),
    ("connection.txt", include_str!("../conformance/connection.txt")),
    ("dump.txt", include_str!("../conformance/dump.txt")),
    ("eval.txt", include_str!("../conformance/eval.txt")),
    ("evallibs.txt", include_str!("../conformance/evallibs.txt")),
    ("functions.txt", include_str!("../conformance/functions.txt")),
    ("generic.txt", include_str!("../conformance/generic.txt")),
    ("geo.txt", include_str!("../conformance/geo.txt")),
    ("hash.txt", include_str!("../conformance/hash.txt")),
    ("hyperloglog.txt", include_str!("../conformance/hyperloglog.txt")),
    ("list.txt", include_str!("../conformance/list.txt")),
    ("notify.txt", include_str!("../conformance/notify.txt")),
    ("pubsub.txt", include_str!("../conformance/pubsub.txt")),
    ("server.txt", include_str!("../conformance/server.txt")),
    ("set.txt", include_str!("../conformance/set.txt")),
    ("sortedset.txt", include_str!("../conformance/sortedset.txt")),
    ("sort.txt", include_str!("../conformance/sort.txt")),
    ("stream.txt", include_str!("../conformance/stream.txt")),
    ("streamdump.txt", include_str!("../conformance/streamdump.txt")),
    ("string.txt", include_str!("../conformance/string.txt")),
    ("tracking.txt", include_str!("../conformance/tracking.txt")),
    ("transactions.txt", include_str!("../conformance/transactions.txt")),
    ("unsupported.txt", include_str!("../conformance/unsupported.txt")),
];

fn check(file: &str) {
    check_with(file, &[]);
}

/// The same with further settings of the node under test.
fn check_with(file: &str, further: &[&str]) {
    let (_, source) = SCRIPTS.iter().find(|(name, _)| *name == file).expect("a listed script");
    let steps = script::parse(file, source);
    let ours = start_node!(&[&["--enable-debug-command", "yes"], further].concat());
    let reference = Server::reference(&[]);
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
fn users() {
    check("acl.txt");
}

#[test]
fn bitmaps() {
    check("bitmap.txt");
}

#[test]
fn payloads_of_collections() {
    check("dump.txt");
}

#[test]
fn functions() {
    check("functions.txt");
}

#[test]
fn payloads_of_streams() {
    check("streamdump.txt");
}

#[test]
fn sorting() {
    check("sort.txt");
}

#[test]
fn scripts() {
    check("eval.txt");
}

#[test]
fn long_scripts() {
    check_with("busy.txt", &["--workers", "2"]);
}

/// Nobody but the script's own worker is there to hear SCRIPT KILL.
#[test]
fn long_scripts_of_the_only_worker() {
    check_with("busy.txt", &["--workers", "1"]);
}

#[test]
fn libraries_of_scripts() {
    check("evallibs.txt");
}

#[test]
fn positions() {
    check("geo.txt");
}

#[test]
fn hashes() {
    check("hash.txt");
}

#[test]
fn client_side_caching() {
    check("tracking.txt");
}

#[test]
fn lists() {
    check("list.txt");
}

#[test]
fn sets() {
    check("set.txt");
}

#[test]
fn sorted_sets() {
    check("sortedset.txt");
}

#[test]
fn waits() {
    check("blocking.txt");
}

#[test]
fn clients() {
    check("client.txt");
}

#[test]
fn clusters() {
    check("cluster.txt");
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
fn notifications() {
    check("notify.txt");
}

#[test]
fn publishing() {
    check("pubsub.txt");
}

#[test]
fn servers() {
    check("server.txt");
}

#[test]
fn streams() {
    check("stream.txt");
}

#[test]
fn strings() {
    check("string.txt");
}

#[test]
fn transactions() {
    check("transactions.txt");
}

#[test]
fn refused_commands() {
    check("unsupported.txt");
}

/// INFO's `keyspace_hits` and `keyspace_misses` tell how good a cache is; commands that read a value and change it in one step count too.
#[test]
fn lookups_are_counted_as_the_reference_counts_them() {
    let mut wrong = Vec::new();
    for file in ["bitmap.txt", "generic.txt", "geo.txt", "hyperloglog.txt", "string.txt"] {
        let (_, source) = SCRIPTS.iter().find(|(name, _)| *name == file).expect("a listed script");
        let steps = script::parse(file, source);
        let ours = start_node!(&["--enable-debug-command", "yes"]);
        let reference = Server::reference(&[]);
        let (failures, compared) = script::run_counting_lookups(file, &steps, &ours, &reference);
        println!("{file}: look-ups of {compared} lines compared");
        wrong.extend(failures);
    }
    assert!(wrong.is_empty(), "{} lines differ\n\n{}\n", wrong.len(), wrong.join("\n"));
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

/// The entry names them by patterns, each of which is to stand for something.
#[test]
fn settings_that_do_not_exist_are_told() {
    let names = |server: &Server| -> BTreeSet<String> {
        let settings = server.connect().call(&["CONFIG", "GET", "*"]).unwrap();
        settings.items().iter().step_by(2).map(Value::text).collect()
    };
    let absent = &names(&Server::reference(&[])) - &names(&start_node!(&[]));
    let entry = differences::all().into_iter().find(|entry| entry.id == "absent-settings").unwrap();
    // What stands behind the brackets of the list is about settings that exist.
    let list = &entry.reason[entry.reason.find('(').unwrap()..entry.reason.rfind(')').unwrap()];
    let patterns: Vec<&str> = list.split('`').skip(1).step_by(2).collect();
    let is_meant =
        |pattern: &str, name: &str| glob::matches(pattern.as_bytes(), name.as_bytes(), false);
    let untold: Vec<_> =
        absent.iter().filter(|name| !patterns.iter().any(|it| is_meant(it, name))).collect();
    assert!(untold.is_empty(), "not in differences.txt: {untold:?}");
    let idle: Vec<_> =
        patterns.iter().filter(|it| !absent.iter().any(|name| is_meant(it, name))).collect();
    assert!(idle.is_empty(), "no such setting is absent: {idle:?}");
}

#[test]
fn every_command_is_in_a_script() {
    let covered: BTreeSet<String> = SCRIPTS
        .iter()
        .flat_map(|(file, source)| script::commands(&script::parse(file, source)))
        .collect();
    let missing: Vec<&str> = COMMANDS
        .iter()
        // A refused command answers the same whatever its subcommand.
        .filter(|spec| spec.refused.is_none() || spec.parent.is_none())
        .map(|spec| spec.full_name)
        .filter(|name| !covered.contains(*name))
        .collect();
    assert!(missing.is_empty(), "no script runs {missing:?}");
}

/// Sections of INFO and the fields that client libraries, exporters and dashboards read from them.
const INFO_FIELDS: &[(&str, &[&str])] = &[
    (
        "server",
        &[
            "redis_version",
            "redis_mode",
            "os",
            "arch_bits",
            "process_id",
            "run_id",
            "tcp_port",
            "uptime_in_seconds",
            "uptime_in_days",
            "hz",
            "config_file",
            "executable",
        ],
    ),
    (
        "clients",
        &["connected_clients", "maxclients", "blocked_clients", "client_recent_max_input_buffer"],
    ),
    (
        "memory",
        &[
            "used_memory",
            "used_memory_human",
            "used_memory_rss",
            "used_memory_peak",
            "maxmemory",
            "maxmemory_human",
            "maxmemory_policy",
            "mem_fragmentation_ratio",
            "mem_allocator",
            "used_memory_dataset",
            "used_memory_overhead",
            "total_system_memory",
        ],
    ),
    ("persistence", &["loading", "rdb_bgsave_in_progress", "aof_enabled", "rdb_last_save_time"]),
    (
        "stats",
        &[
            "total_connections_received",
            "total_commands_processed",
            "instantaneous_ops_per_sec",
            "total_net_input_bytes",
            "total_net_output_bytes",
            "rejected_connections",
            "expired_keys",
            "evicted_keys",
            "keyspace_hits",
            "keyspace_misses",
            "total_error_replies",
        ],
    ),
    ("replication", &["role", "connected_slaves", "master_replid", "master_repl_offset"]),
    ("cpu", &["used_cpu_sys", "used_cpu_user"]),
    ("commandstats", &["cmdstat_set"]),
    ("errorstats", &["errorstat_ERR"]),
    ("latencystats", &["latency_percentiles_usec_set"]),
    ("cluster", &["cluster_enabled"]),
    ("keyspace", &["db0"]),
];

#[test]
fn info_has_the_fields_that_dashboards_read() {
    for server in [Server::reference(&[]), start_node!(&[])] {
        let mut connection = server.connect();
        connection.run("SET key value EX 1000");
        connection.run("NOPE");
        for (section, fields) in INFO_FIELDS {
            let text = connection.run(&format!("INFO {section}")).text();
            let title = text.lines().next().unwrap_or_default().to_lowercase();
            assert_eq!(title, format!("# {section}"));
            assert!(text.ends_with("\r\n"), "{section}");
            for field in *fields {
                let found = text.lines().any(|line| line.starts_with(&format!("{field}:")));
                assert!(found, "INFO {section} has no {field}:\n{text}");
            }
        }
        let all = connection.run("INFO everything").text();
        let keyspace = all.lines().find(|line| line.starts_with("db0:")).unwrap();
        assert!(keyspace.starts_with("db0:keys=1,expires=1,avg_ttl="), "{keyspace}");
    }
}

/// What COMMAND INFO says of a command, in an order that does not depend on the server.
fn command_info(connection: &mut Connection, name: &str) -> Vec<String> {
    let reply = connection.call(&["COMMAND", "INFO", name]).unwrap();
    let Some(Value::Array(_, fields)) = reply.items().first() else { return Vec::new() };
    fields
        .iter()
        .enumerate()
        .map(|(index, field)| match field {
            // The last is the subcommands, each compared under its own name.
            Value::Array(_, _) if index == 9 => String::new(),
            Value::Array(kind, items) => {
                let mut items: Vec<String> = items.iter().map(without_notes).collect();
                items.sort();
                format!("{}{}", *kind as char, items.join(" "))
            }
            other => other.to_string(),
        })
        .collect()
}

/// A key specification without its note, which is prose.
fn without_notes(value: &Value) -> String {
    match value {
        Value::Array(kind, items) if items.first().is_some_and(|name| name.text() == "notes") => {
            Value::Array(*kind, items[2..].to_vec()).to_string()
        }
        Value::Map(pairs) => {
            let kept = pairs.iter().filter(|(name, _)| name.text() != "notes");
            Value::Map(kept.cloned().collect()).to_string()
        }
        other => other.to_string(),
    }
}

/// Client libraries route and check by these: arity, flags, key positions, categories.
#[test]
fn command_info_agrees_with_the_reference() {
    let (ours, reference) = (start_node!(&[]), Server::reference(&[]));
    let (mut ours, mut reference) = (ours.connect(), reference.connect());
    let mut wrong = Vec::new();
    for protocol in ["2", "3"] {
        for connection in [&mut ours, &mut reference] {
            connection.call(&["HELLO", protocol]).unwrap();
        }
        for spec in COMMANDS.iter().filter(|spec| spec.refused.is_none()) {
            let expected = command_info(&mut reference, spec.full_name);
            let known = differences::command_info().contains(&spec.full_name);
            // Newer than the reference, or known to differ.
            if expected.is_empty() || known {
                continue;
            }
            let actual = command_info(&mut ours, spec.full_name);
            for (ours, reference) in actual.iter().zip(&expected).filter(|(a, b)| a != b) {
                let name = spec.full_name;
                wrong.push(format!(
                    "{name} (RESP{protocol})\n  ours      {ours}\n  reference {reference}"
                ));
            }
            if actual.len() != expected.len() {
                wrong.push(format!("{}: {actual:?}", spec.full_name));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
}

/// As of Redis 7.2, which is newer than the reference.
#[test]
fn time_stands_still_in_a_script_and_in_a_transaction() {
    let node = start_node!(&[]);
    let mut client = node.connect();
    let script = "local a = redis.call('time') for i = 1, 1e5 do redis.sha1hex('x') end \
                  local b = redis.call('time') return {a[1], a[2], b[1], b[2]}";
    let told = client.call(&["EVAL", script, "0"]).unwrap();
    let words: Vec<String> = told.items().iter().map(Value::text).collect();
    assert!(words.len() == 4 && words[..2] == words[2..], "{words:?}");
    let again = client.call(&["EVAL", script, "0"]).unwrap();
    assert_ne!(again.items()[..2], told.items()[..2], "the next one has its own");
    client.run("MULTI");
    client.run("TIME");
    client.call(&["EVAL", "for i = 1, 1e5 do redis.sha1hex('x') end", "0"]).unwrap();
    client.run("TIME");
    let told = client.run("EXEC");
    assert_eq!(told.items()[0], told.items()[2]);
    assert_ne!(client.run("TIME"), told.items()[0]);
}
