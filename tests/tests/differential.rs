//! Random commands against the node under test and a real redis-server: every reply must agree.
//!
//! `TORC_TEST_COMMANDS` and `TORC_TEST_SEED` set how many and which. A difference is shrunk to the fewest commands
//! that show it and printed as lines for redis-cli; the run then goes on, so that one run tells of several.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::BTreeSet;
use torc_tests::generator::{Generated, Generator};
use torc_tests::resp::encode;
use torc_tests::{Connection, Server, Value, minimise, start_node, text, wait};

const COMMANDS: usize = 200_000;
/// Sent together; the replies are read afterwards.
const CHUNK: usize = 400;
/// Databases are emptied after so many commands, which bounds what has to be replayed to shrink a difference.
const EPISODE: usize = 8_000;
/// Different findings after which a run gives up.
const FINDINGS_MAX: usize = 25;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

struct Pair {
    servers: [Server; 2],
    connections: [Connection; 2],
    protocol: u8,
}

impl Pair {
    fn start() -> Pair {
        let servers = [start_node!(&[]), Server::reference(&[])];
        let connections = [servers[0].connect(), servers[1].connect()];
        Pair { servers, connections, protocol: 2 }
    }

    /// New connections, empty databases.
    fn begin(&mut self, protocol: u8) {
        self.connections = [self.servers[0].connect(), self.servers[1].connect()];
        self.protocol = protocol;
        for connection in &mut self.connections {
            connection.run(&format!("HELLO {protocol}"));
            connection.run("FLUSHALL");
        }
    }

    /// The replies of both to the same commands.
    fn run(&mut self, commands: &[Generated]) -> [Vec<Vec<u8>>; 2] {
        let bytes: Vec<u8> = commands.iter().flat_map(|command| encode(&command.args)).collect();
        let [ours, reference] = &mut self.connections;
        std::thread::scope(|scope| {
            let ours = scope.spawn(|| ours.pipeline(&bytes, commands.len()));
            let reference = reference.pipeline(&bytes, commands.len());
            [ours.join().expect("the node answered every command of the chunk"), reference]
        })
    }

    /// Every key of every database with its type, encoding, payload and deadline; what differs, as text.
    fn compare_contents(&mut self) -> Vec<String> {
        let mut found = Vec::new();
        // The last command may have been queued.
        for connection in &mut self.connections {
            connection.run("DISCARD");
        }
        for db in 0..16 {
            let mut listed = Vec::new();
            for connection in &mut self.connections {
                connection.run(&format!("SELECT {db}"));
                let mut keys: Vec<Value> = connection.run("KEYS *").items().to_vec();
                keys.sort();
                listed.push(keys);
            }
            if listed[0] != listed[1] {
                found.push(format!("keys of database {db}: {:?} and {:?}", listed[0], listed[1]));
                continue;
            }
            for key in &listed[0] {
                let Value::Bulk(key) = key else { continue };
                let mut describe = |index: usize| -> Vec<Value> {
                    let commands: [&[&[u8]]; 4] =
                        [&[b"TYPE"], &[b"OBJECT", b"ENCODING"], &[b"DUMP"], &[b"PTTL"]];
                    let connection = &mut self.connections[index];
                    let ask = |command: &[&[u8]], connection: &mut Connection| {
                        let args: Vec<&[u8]> = command.iter().copied().chain([&key[..]]).collect();
                        connection.call(&args).expect("a reply")
                    };
                    commands.iter().map(|command| ask(command, connection)).collect()
                };
                let (ours, reference) = (describe(0), describe(1));
                let apart =
                    ours[3].integer().unwrap_or(0).abs_diff(reference[3].integer().unwrap_or(0));
                if ours[..3] != reference[..3] || apart > 5_000 {
                    found.push(format!("{}: {ours:?} and {reference:?}", text::quote(key)));
                }
            }
        }
        found
    }
}

#[test]
fn random_commands_get_the_same_replies() {
    let seed = number("TORC_TEST_SEED", wait::now().elapsed().as_nanos() as u64 ^ entropy());
    let count = number("TORC_TEST_COMMANDS", COMMANDS as u64) as usize;
    println!("differential: {count} commands, TORC_TEST_SEED={seed}");
    let mut pair = Pair::start();
    let mut generator = Generator::new(seed);
    let (mut findings, mut classes) = (Vec::new(), BTreeSet::new());
    let start = wait::now();
    let mut done = 0;
    while done < count && findings.len() < FINDINGS_MAX {
        let protocol = if generator.one_in(2) { 2 } else { 3 };
        done += episode(&mut pair, &mut generator, protocol, &mut findings, &mut classes);
    }
    println!("differential: {done} commands in {:?}", start.elapsed());
    assert!(
        findings.is_empty(),
        "seed {seed}: {} findings\n\n{}",
        findings.len(),
        findings.join("\n\n")
    );
}

/// Runs commands from empty databases; ends early at a difference. Returns how many were run.
fn episode(
    pair: &mut Pair,
    generator: &mut Generator,
    protocol: u8,
    findings: &mut Vec<String>,
    classes: &mut BTreeSet<String>,
) -> usize {
    pair.begin(protocol);
    generator.begin_episode();
    let mut history: Vec<Generated> = Vec::with_capacity(EPISODE);
    while history.len() < EPISODE {
        let chunk: Vec<Generated> = (0..CHUNK).map(|_| generator.command()).collect();
        let [ours, reference] = pair.run(&chunk);
        let differs = (0..chunk.len()).find(|&i| !chunk[i].compare.equal(&ours[i], &reference[i]));
        if let Some(at) = differs {
            history.extend_from_slice(&chunk[..=at]);
            let class = class_of(&chunk[at], &ours[at], &reference[at]);
            if classes.insert(class) {
                findings.push(report(pair, &history, &ours[at], &reference[at]));
            }
            return history.len();
        }
        history.extend(chunk);
    }
    let contents = pair.compare_contents();
    if !contents.is_empty() {
        findings.push(format!(
            "contents after {} commands:\n  {}",
            history.len(),
            contents.join("\n  ")
        ));
    }
    history.len()
}

/// Differences of one class are reported once.
fn class_of(command: &Generated, ours: &[u8], reference: &[u8]) -> String {
    let head = |bytes: &[u8]| text::escape(&bytes[..bytes.len().min(12)]);
    let name = String::from_utf8_lossy(&command.args[0]).to_uppercase();
    // Values differ from case to case, errors and types do not.
    let plain = |bytes: &[u8]| match bytes.first() {
        Some(b'-') => head(bytes),
        other => format!("{:?}", other.map(|&b| b as char)),
    };
    format!("{name} {} {}", plain(ours), plain(reference))
}

fn report(pair: &Pair, history: &[Generated], ours: &[u8], reference: &[u8]) -> String {
    let show = |bytes: &[u8]| text::shorten(&text::escape(bytes), 600);
    let [node, other] = &pair.servers;
    let (commands, ours, reference, note) =
        match minimise::minimise(node, other, pair.protocol, history) {
            Some(found) => (found.commands, found.ours, found.reference, ""),
            None => {
                let last = &history[history.len() - 1];
                let (ours, reference) = (ours.to_vec(), reference.to_vec());
                (related(history, last), ours, reference, " (not seen again when replayed)")
            }
        };
    let lines: Vec<String> = commands
        .iter()
        .map(|c| format!("    {}", text::shorten(&text::join(&c.args), 700)))
        .collect();
    format!(
        "RESP{}{note}\n{}\n  ours      {}\n  reference {}",
        pair.protocol,
        lines.join("\n"),
        show(&ours),
        show(&reference)
    )
}

/// The last commands that share an argument with `last`, and `last` itself.
fn related(history: &[Generated], last: &Generated) -> Vec<Generated> {
    let shares = |other: &Generated| other.args[1..].iter().any(|arg| last.args[1..].contains(arg));
    let mut found: Vec<Generated> =
        history.iter().rev().filter(|other| shares(other)).take(12).cloned().collect();
    found.reverse();
    found
}

fn entropy() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0u8)
}
