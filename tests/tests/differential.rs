//! Random commands against the node under test and a real redis-server: every reply must agree.
//!
//! A node on its own, and a ring of three by their plain ports. `TORC_TEST_COMMANDS`, `TORC_TEST_RING_COMMANDS` and `TORC_TEST_SEED` set how many and which; without a seed they are the
//! same each time, and `TORC_TEST_SEED=fresh` looks for what nobody has seen yet. A difference is shrunk to the fewest commands
//! that show it and printed as lines for redis-cli; the run then goes on, so that one run tells of several.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::BTreeSet;
use torc_tests::generator::{Generated, Generator, timeless};
use torc_tests::resp::encode;
use torc_tests::ring::{LIMIT, Node, ring};
use torc_tests::{Connection, Server, Value, minimise, start_node, text, wait};

const COMMANDS: usize = 500_000;
/// Which, unless the caller says otherwise: a change is told by what it breaks, not by what nobody has met before.
const SEED: u64 = 12_401_926_632_420_937_791;
/// To a ring, whose nodes take turns with the reference on the same cores.
const RING_COMMANDS: usize = 60_000;
/// Sent together; the replies are read afterwards.
const CHUNK: usize = 400;
/// Databases are emptied after so many commands, which bounds what has to be replayed to shrink a difference.
const EPISODE: usize = 8_000;
/// Entries and bytes of a stream's nodes, in turn: random streams are too short for many of the usual size, and `XTRIM … ~` takes them as a whole.
const NODES: [(u32, u32); 5] = [(5, 4096), (100, 4096), (0, 250), (100, 120), (2, 0)];
/// Different findings after which a run gives up.
const FINDINGS_MAX: usize = 25;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// What is tested.
enum Ours {
    Node(Server),
    /// By the plain port of one of its nodes.
    Ring(Vec<Node>),
}

impl Ours {
    fn connect(&self, episode: usize) -> Connection {
        match self {
            Ours::Node(server) => server.connect(),
            Ours::Ring(nodes) => {
                nodes[episode % nodes.len()].place.open(LIMIT).expect("it listens")
            }
        }
    }
}

struct Pair {
    ours: Ours,
    reference: Server,
    connections: [Connection; 2],
    protocol: u8,
    episode: usize,
}

impl Pair {
    fn start(ours: Ours) -> Pair {
        let reference = Server::reference(&[]);
        let connections = [ours.connect(0), reference.connect()];
        Pair { ours, reference, connections, protocol: 2, episode: 0 }
    }

    /// New connections, empty databases.
    fn begin(&mut self, protocol: u8) {
        self.episode += 1;
        self.connections = [self.ours.connect(self.episode), self.reference.connect()];
        self.protocol = protocol;
        for connection in &mut self.connections {
            connection.run(&format!("HELLO {protocol}"));
            connection.run("FLUSHALL");
        }
        if let Ours::Node(_) = self.ours {
            let (entries, bytes) = NODES[self.episode % NODES.len()];
            let set = format!(
                "CONFIG SET stream-node-max-entries {entries} stream-node-max-bytes {bytes}"
            );
            for connection in &mut self.connections {
                assert_eq!(connection.run(&set).text(), "OK");
            }
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

    /// Every key of every database with its type, encoding, contents, payload and deadline; what differs, as text.
    fn compare_contents(&mut self, sorts: bool) -> Vec<String> {
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
                found.extend(self.compare_key(key, sorts));
            }
        }
        found
    }

    fn ask(&mut self, server: usize, args: &[&[u8]], sorts: bool) -> Value {
        let reply = self.connections[server].call(args).expect("a reply");
        // Sums in a ring forget the signs of zeros, and so do small sorted sets, which a Redis that sorted them has made big.
        let forgets = sorts || matches!(self.ours, Ours::Ring(_));
        let is_scored = forgets && args[0] == b"ZRANGE";
        match args[0] {
            b"XINFO" => timeless(reply),
            _ if is_scored => unsigned(reply),
            _ => reply,
        }
    }

    /// What differs of one key, as text. A collection's payload is restored by the other server, too.
    fn compare_key(&mut self, key: &[u8], sorts: bool) -> Option<String> {
        let ask_both =
            |pair: &mut Pair, args: &[&[u8]]| [pair.ask(0, args, sorts), pair.ask(1, args, sorts)];
        let differ = |what: &str, [ours, reference]: &[Value; 2]| {
            Some(format!("{what} of {}: {ours:?} and {reference:?}", text::quote(key)))
        };
        let types = ask_both(self, &[b"TYPE", key]);
        if types[0] != types[1] {
            return differ("type", &types);
        }
        let ttls = ask_both(self, &[b"PTTL", key]);
        let [apart, other] = [0, 1].map(|server| ttls[server].integer().unwrap_or(0));
        if apart.abs_diff(other) > 5_000 {
            return differ("deadline", &ttls);
        }
        let encodings = ask_both(self, &[b"OBJECT", b"ENCODING", key]);
        let [ours, reference] = [0, 1].map(|server| encodings[server].text());
        let is_newer = match (types[0].text().as_str(), ours.as_str(), reference.as_str()) {
            ("list", "listpack", "quicklist") | ("set", "listpack", "hashtable") => true,
            ("zset", "listpack", "skiplist") if sorts => true,
            // What was gathered from several nodes, or copied between them, has the form that its contents allow.
            ("string", ..)
            | ("zset" | "hash", "listpack", "skiplist" | "hashtable")
            | ("set", "intset", "hashtable") => matches!(self.ours, Ours::Ring(_)),
            _ => false,
        };
        if ours != reference && !is_newer {
            return differ("encoding", &encodings);
        }
        let read: &[&[u8]] = match types[0].text().as_str() {
            "hash" => &[b"HGETALL", key],
            "list" => &[b"LRANGE", key, b"0", b"-1"],
            "set" => &[b"SMEMBERS", key],
            "zset" => &[b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"],
            "stream" => &[b"XINFO", b"STREAM", key, b"FULL", b"COUNT", b"0"],
            _ => {
                let payloads = ask_both(self, &[b"DUMP", key]);
                return if payloads[0] == payloads[1] {
                    None
                } else {
                    differ("payload", &payloads)
                };
            }
        };
        let in_order = |contents: Value| if read.len() == 2 { sorted(contents) } else { contents };
        let contents = ask_both(self, read).map(in_order);
        if contents[0] != contents[1] {
            return differ("contents", &contents);
        }
        let payloads = ask_both(self, &[b"DUMP", key]);
        for server in 0..2 {
            let Value::Bulk(payload) = &payloads[1 - server] else { continue };
            let replaced = self.ask(server, &[b"RESTORE", key, b"0", payload, b"REPLACE"], sorts);
            let again = in_order(self.ask(server, read, sorts));
            // Small sorted sets forget the signs of zeros, and what was big may be restored as small.
            if unsigned(again.clone()) != unsigned(contents[0].clone()) {
                return differ(
                    &format!("what {server} restored: {replaced:?}"),
                    &[again, contents[0].clone()],
                );
            }
        }
        None
    }
}

/// Without the signs of zeros.
fn unsigned(value: Value) -> Value {
    match value {
        Value::Array(kind, items) => Value::Array(kind, items.into_iter().map(unsigned).collect()),
        Value::Bulk(text) if text == b"-0" => Value::Bulk(b"0".to_vec()),
        Value::Other(kind, text) if text == b"-0" => Value::Other(kind, b"0".to_vec()),
        other => other,
    }
}

/// Fields and members in an order of their own; a flat list of pairs loses which belong together, which replies in RESP3 do not.
fn sorted(value: Value) -> Value {
    match value {
        Value::Array(kind, mut items) => {
            items.sort();
            Value::Array(kind, items)
        }
        Value::Map(mut pairs) => {
            pairs.sort();
            Value::Map(pairs)
        }
        other => other,
    }
}

#[test]
fn random_commands_get_the_same_replies() {
    let count = number("TORC_TEST_COMMANDS", COMMANDS as u64) as usize;
    compare(Ours::Node(start_node!(&[])), count, |generator| generator);
}

#[test]
fn a_ring_gives_the_same_replies() {
    let count = number("TORC_TEST_RING_COMMANDS", RING_COMMANDS as u64) as usize;
    compare(Ours::Ring(ring(3, &[])), count, Generator::of_ring);
}

fn compare(ours: Ours, count: usize, kind: fn(Generator) -> Generator) {
    let is_fresh = std::env::var("TORC_TEST_SEED").is_ok_and(|seed| seed == "fresh");
    let seed = if is_fresh { entropy() } else { number("TORC_TEST_SEED", SEED) };
    println!("differential: {count} commands, TORC_TEST_SEED={seed}");
    let mut pair = Pair::start(ours);
    let mut generator = kind(Generator::new(seed));
    let (mut findings, mut classes) = (Vec::new(), BTreeSet::new());
    let start = wait::now();
    let mut done = 0;
    while done < count && findings.len() < FINDINGS_MAX {
        let protocol = if generator.one_in(2) { 2 } else { 3 };
        done += episode(&mut pair, &mut generator, protocol, &mut findings, &mut classes);
    }
    println!("differential: {done} commands in {:?}", start.elapsed());
    if let Ours::Ring(nodes) = &pair.ours {
        // The second of the audit's rounds that follows has seen every slot that was written to.
        for node in nodes {
            let log = node.log();
            let differs = log.lines().filter(|line| line.contains("a copy differs"));
            findings.extend(differs.map(str::to_owned));
        }
    }
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
    let contents = pair.compare_contents(generator.sorts());
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
    let (node, other) = (|| pair.ours.connect(pair.episode), || pair.reference.connect());
    let (commands, ours, reference, note) =
        match minimise::minimise(&node, &other, pair.protocol, history) {
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
