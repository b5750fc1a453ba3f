//! `torc local-cluster`: several nodes as child processes, for trying things out.
//!
//! Each keeps its name below the temporary directory, so that one that was killed can be started again as the same node. At the end all are gone.

use super::ask::ask;
use super::table;
use crate::base::clock::Clock;
use crate::config::Call;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How far the other ports lie above the one for plain clients.
const CLUSTER_PORT: u16 = 1_000;
const PEER_PORT: u16 = 2_000;

/// The nodes find each other within this, even on a slow machine.
const START_MAX: Duration = Duration::from_secs(60);

const LOOK: Duration = Duration::from_millis(50);

struct Node {
    port: u16,
    arguments: Vec<String>,
    child: Child,
    is_gone: bool,
}

/// `torc local-cluster`
pub(in crate::net) fn local_cluster(nodes: u16, port: u16, rest: &[String]) -> ExitCode {
    let directory = std::env::temp_dir().join(format!("torc-local-cluster-{port}"));
    let result = run(nodes, port, rest, &directory);
    // Only names of nodes are in it.
    let _ = std::fs::remove_dir_all(&directory);
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("torc: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(count: u16, port: u16, rest: &[String], directory: &Path) -> io::Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let program = std::env::current_exe()?;
    let mut nodes = Vec::new();
    let started = start_all(&program, count, port, rest, directory, &mut nodes);
    let clock = Clock::system();
    let asked = |index| Call {
        address: format!("127.0.0.1:{}", port + index),
        password: password(rest).to_owned(),
        ..Call::default()
    };
    let ring: Vec<Call> = (0..count).map(asked).collect();
    let ready = started.and_then(|()| await_ring(&clock, &stop, &ring, &mut nodes));
    if matches!(ready, Ok(true)) {
        explain(&program, &nodes);
        watch(&stop, &program, &mut nodes);
    }
    end_all(&mut nodes);
    ready.map(|_| ())
}

fn start_all(
    program: &Path,
    count: u16,
    port: u16,
    rest: &[String],
    directory: &Path,
    nodes: &mut Vec<Node>,
) -> io::Result<()> {
    for index in 0..count {
        let place = |offset: u16| (port + offset + index).to_string();
        let home: PathBuf = directory.join((index + 1).to_string());
        let mut arguments = vec!["server".to_owned()];
        let mut option = |name: &str, value: String| arguments.extend([format!("--{name}"), value]);
        option("port", place(0));
        option("cluster-port", place(CLUSTER_PORT));
        option("peer-port", place(PEER_PORT));
        option("data-dir", home.display().to_string());
        option("loglevel", "warning".to_owned());
        // The first begins the ring; for all others, and for itself when it comes back, there is somebody to join.
        let other = if index == 0 { 1 } else { 0 };
        let join = format!("127.0.0.1:{}", port + PEER_PORT + other);
        let (name, value) =
            if index == 0 { ("cluster-enabled", "yes".to_owned()) } else { ("join", join.clone()) };
        option(name, value);
        arguments.extend_from_slice(rest);
        let child = Command::new(program)
            .args(&arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        if index == 0 && count > 1 {
            arguments.extend(["--join".to_owned(), join]);
        }
        nodes.push(Node { port: port + index, arguments, child, is_gone: false });
    }
    Ok(())
}

/// Waits until all nodes serve. False if someone wants it to end before.
fn await_ring(
    clock: &Clock,
    stop: &AtomicBool,
    ring: &[Call],
    nodes: &mut [Node],
) -> io::Result<bool> {
    let deadline = clock.monotonic() + START_MAX;
    loop {
        if stop.load(Ordering::Relaxed) {
            return Ok(false);
        }
        for node in nodes.iter_mut() {
            if let Some(status) = node.child.try_wait()? {
                let port = node.port;
                return Err(io::Error::other(format!("the node on port {port} ended: {status}")));
            }
        }
        if ring.iter().all(|node| serves(node, ring.len())) {
            return Ok(true);
        }
        if clock.monotonic() > deadline {
            return Err(io::Error::other("the nodes did not find each other"));
        }
        std::thread::sleep(LOOK);
    }
}

/// The password that these options give to each node; empty for none.
fn password(rest: &[String]) -> &str {
    const NAME: &str = "--requirepass";
    let mut given =
        rest.iter().enumerate().filter_map(|(at, option)| match option.strip_prefix(NAME) {
            Some("") => rest.get(at + 1).map(String::as_str),
            Some(value) => value.strip_prefix('='),
            None => None,
        });
    given.next_back().unwrap_or_default()
}

/// Whether `node` sees `count` nodes that serve.
fn serves(node: &Call, count: usize) -> bool {
    let Ok(text) = ask(node, &["TORC", "STATUS"]) else { return false };
    let lines = table::parse(&text);
    let is_ready = |line: &&table::Line| {
        table::word(line, "state") == "active" && table::word(line, "ready") == "yes"
    };
    table::about(&lines, "node").filter(is_ready).count() == count
}

fn explain(program: &Path, nodes: &[Node]) {
    println!("A ring of {} nodes runs on this machine:\n", nodes.len());
    println!("  node  pid       any client             cluster clients");
    for (index, node) in nodes.iter().enumerate() {
        println!(
            "  {:<4}  {:<8}  redis-cli -p {:<7}   redis-cli -c -p {}",
            index + 1,
            node.child.id(),
            node.port,
            node.port + CLUSTER_PORT
        );
    }
    let (first, program) = (nodes[0].port, program.display());
    println!("\nHow it stands:  {program} status 127.0.0.1:{first}");
    if let Some(last) = nodes.last().filter(|_| nodes.len() > 1) {
        println!("Kill a node:    kill -9 {}", last.child.id());
        println!("… and bring it back:\n  {}", shown(program, last));
    }
    println!("\nCtrl-C ends all of them, but for those that you brought back.");
}

fn shown(program: std::path::Display<'_>, node: &Node) -> String {
    format!("{program} {}", node.arguments.join(" "))
}

/// Tells of nodes that end, until someone wants it to end.
fn watch(stop: &AtomicBool, program: &Path, nodes: &mut [Node]) {
    while !stop.load(Ordering::Relaxed) {
        for (index, node) in nodes.iter_mut().enumerate() {
            if !node.is_gone
                && let Ok(Some(status)) = node.child.try_wait()
            {
                node.is_gone = true;
                println!(
                    "\nNode {} ended ({status}). To bring it back:\n  {}",
                    index + 1,
                    shown(program.display(), node)
                );
            }
        }
        std::thread::sleep(LOOK);
    }
}

/// Ends all nodes, at once: memory is all that they have.
fn end_all(nodes: &mut [Node]) {
    for node in nodes {
        // It may have ended by itself.
        let _ = node.child.kill();
        let _ = node.child.wait();
    }
}
