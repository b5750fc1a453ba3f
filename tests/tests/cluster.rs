//! Rings of real processes on loopback: they find each other, serve each other's keys, survive each other's deaths.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::{BTreeSet, HashMap};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use torc_tests::process::{Server, run_to_end};
use torc_tests::resp::{Connection, Value, encode};
use torc_tests::wait;

const NODE: &str = env!("CARGO_BIN_EXE_torc-node");

/// Nodes that start together have this long to become one ring; it takes three seconds on an idle machine.
const COME_UP: Duration = Duration::from_secs(40);

/// A death is noticed and made good for within this, on a machine that other suites load.
const MAKE_GOOD: Duration = Duration::from_secs(40);

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// One node of a ring: its process, and what it is started with.
struct Node {
    server: Server,
    home: PathBuf,
    cluster_port: u16,
    peer_port: u16,
}

impl Node {
    fn start(home: PathBuf, join: &[u16], options: &[&str]) -> Node {
        let (cluster_port, peer_port) = (free_port(), free_port());
        let mut arguments = vec![
            "--cluster-port".to_owned(),
            cluster_port.to_string(),
            "--peer-port".to_owned(),
            peer_port.to_string(),
            "--data-dir".to_owned(),
            home.display().to_string(),
            "--workers".to_owned(),
            "2".to_owned(),
        ];
        if join.is_empty() {
            arguments.extend(["--cluster-enabled".to_owned(), "yes".to_owned()]);
        }
        for port in join {
            arguments.extend(["--join".to_owned(), format!("127.0.0.1:{port}")]);
        }
        arguments.extend(options.iter().map(|&option| option.to_owned()));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Node { server: Server::node(NODE, &arguments), home, cluster_port, peer_port }
    }

    fn connect(&self) -> Connection {
        self.server.connect()
    }

    /// The words of the lines about `about` in TORC STATUS; none if it does not answer.
    fn status(&self, about: &str) -> Vec<HashMap<String, String>> {
        let reply = Connection::open(self.server.address()).and_then(|mut c| {
            c.set_timeout(Duration::from_secs(5))?;
            c.call(&["TORC", "STATUS"])
        });
        let text = reply.map(|reply| reply.text()).unwrap_or_default();
        let words = |line: &str| {
            let pairs = line.split(' ').skip(1).filter_map(|word| word.split_once(':'));
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        let prefix = format!("{about} ");
        text.lines().filter(|line| line.starts_with(&prefix)).map(words).collect()
    }

    /// Whether it sees `count` living nodes that serve, and all copies of every slot.
    fn is_whole(&self, count: usize) -> bool {
        let is_serving = |node: &&HashMap<String, String>| {
            node["alive"] == "yes" && node["ready"] == "yes" && node["state"] == "active"
        };
        let nodes = self.status("node");
        let slots = self.status("slots");
        nodes.iter().filter(is_serving).count() == count
            && nodes.iter().filter(|node| node["alive"] == "yes").count() == count
            && slots.first().is_some_and(|slots| slots["full"] == "16384")
    }
}

/// Several nodes, and a directory for their names.
struct Ring {
    nodes: Vec<Node>,
    directory: PathBuf,
    options: Vec<String>,
}

impl Ring {
    fn start(name: &str, count: usize, options: &[&str]) -> Ring {
        let directory =
            std::env::temp_dir().join(format!("torc-ring-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        let mut ring = Ring { nodes: Vec::new(), directory, options };
        for _ in 0..count {
            ring.add();
        }
        ring.await_whole(count);
        ring
    }

    /// Starts one more node, which joins those that there are.
    fn add(&mut self) {
        let home = self.directory.join(self.nodes.len().to_string());
        let node = self.start_node(home);
        self.nodes.push(node);
    }

    fn start_node(&self, home: PathBuf) -> Node {
        let join: Vec<u16> = self.nodes.iter().map(|node| node.peer_port).collect();
        let options: Vec<&str> = self.options.iter().map(String::as_str).collect();
        Node::start(home, &join, &options)
    }

    #[track_caller]
    fn await_whole(&self, count: usize) {
        wait::until("all nodes see a whole ring", COME_UP, || {
            self.nodes.iter().all(|node| node.is_whole(count))
        });
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        if thread::panicking() {
            for node in &self.nodes {
                eprintln!("{:?}\n{:?}", node.status("slots"), node.status("node"));
            }
        }
        self.nodes.clear();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// A program's output; panics with it if the program fails.
#[track_caller]
fn run(program: impl AsRef<Path>, arguments: &[&str]) -> String {
    let mut command = Command::new("timeout");
    command.arg("30").arg(program.as_ref()).args(arguments).stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {}\n{text}", output.status);
    text
}

#[test]
fn any_node_serves_any_key() {
    let ring = Ring::start("any", 3, &[]);
    let mut clients: Vec<Connection> = ring.nodes.iter().map(Node::connect).collect();
    for index in 0..300 {
        let (key, value) = (format!("key:{index}"), format!("value:{index}"));
        assert_eq!(clients[index % 3].call(&["SET", &key, &value]).unwrap().text(), "OK");
        for other in [1, 2] {
            let got = clients[(index + other) % 3].call(&["GET", &key]).unwrap();
            assert_eq!(got.text(), value);
        }
    }
    for client in &mut clients {
        assert_eq!(client.run("DBSIZE").integer(), Some(300));
        assert_eq!(client.run("KEYS *").items().len(), 300);
    }
    let (first, rest) = clients.split_first_mut().unwrap();
    first.run("MSET a 1 b 2 c 3 d 4");
    let values = rest[0].run("MGET a b c d");
    let values: Vec<String> = values.items().iter().map(|value| value.text()).collect();
    assert_eq!(values, ["1", "2", "3", "4"]);
    assert_eq!(rest[1].run("DEL a b c d nothing").integer(), Some(4));
    for round in 1..=99 {
        let counted = if round % 2 == 0 { first.run("INCR n") } else { rest[1].run("INCR n") };
        assert_eq!(counted.integer(), Some(round));
    }
    // All copies are there, and say so.
    rest[0].run("CLIENT CONSISTENCY W all");
    assert_eq!(rest[0].run("SET all copies").text(), "OK");
    assert_eq!(rest[0].run("WAIT 2 1000").integer(), Some(2));
    assert!(first.run("FLUSHALL").text() == "OK");
    assert_eq!(rest[1].run("DBSIZE").integer(), Some(0));
}

#[test]
fn a_pipeline_over_all_nodes_keeps_its_order() {
    let ring = Ring::start("pipeline", 3, &[]);
    let mut client = ring.nodes[1].connect();
    let requests: String = (0..2_000).map(|i| format!("SET p:{i} {i}\r\nGET p:{i}\r\n")).collect();
    let replies = client.pipeline(requests.as_bytes(), 4_000);
    for (index, pair) in replies.chunks_exact(2).enumerate() {
        let digits = index.to_string();
        assert_eq!(pair[0], b"+OK\r\n", "{index}");
        assert_eq!(pair[1], format!("${}\r\n{digits}\r\n", digits.len()).as_bytes());
    }
    // A client that closes its side is still owed its replies.
    let mut client = ring.nodes[2].connect();
    let requests: String = (0..100).map(|i| format!("GET p:{i}\r\n")).collect();
    client.send(requests.as_bytes()).unwrap();
    client.finish_sending().unwrap();
    let replies = client.read_to_end().unwrap();
    assert_eq!(replies.iter().filter(|&&byte| byte == b'$').count(), 100);
}

#[test]
fn unmodified_clients_work() {
    let ring = Ring::start("clients", 3, &[]);
    let port = |node: usize| ring.nodes[node].cluster_port.to_string();
    for node in 0..3 {
        let value = format!("v{node}");
        let set = run("redis-cli", &["-c", "-p", &port(node), "set", "k", &value]);
        assert!(set.contains("OK"), "{set}");
        let got = run("redis-cli", &["-c", "-p", &port((node + 1) % 3), "get", "k"]);
        assert_eq!(got.lines().last(), Some(value.as_str()), "{got}");
        let place = format!("127.0.0.1:{}", port(node));
        let check = run("redis-cli", &["--cluster", "check", &place]);
        assert!(check.contains("[OK] All 16384 slots covered."), "{check}");
        assert!(check.contains("[OK] All nodes agree about slots configuration."), "{check}");
        let info = run("redis-cli", &["--cluster", "info", &place]);
        assert!(info.contains("in 3 masters"), "{info}");
    }
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/venv/bin/python");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/ring.py");
    let plain: Vec<String> = ring.nodes.iter().map(|it| it.server.port().to_string()).collect();
    let mut arguments = vec![script.to_str().unwrap().to_owned(), port(0)];
    arguments.extend(plain);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let said = run(python, &arguments);
    assert!(said.contains("ring.py: ok"), "{said}");
}

/// What a writer saw.
#[derive(Default)]
struct Seen {
    acknowledged: Vec<(String, String)>,
    refused: usize,
    longest_gap: Duration,
}

/// Writes new keys by one node until told to stop; each must have two copies before it counts.
fn write(mut client: Connection, name: usize, stop: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    assert_eq!(client.run("CLIENT CONSISTENCY W 2").text(), "OK");
    let mut last = wait::now();
    for count in 0.. {
        // Relaxed: it need not stop at once.
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let (key, value) = (format!("w{name}:{count}"), count.to_string());
        let reply = client.call(&["SET", &key, &value]).unwrap();
        if reply.is_error() {
            seen.refused += 1;
        } else {
            seen.acknowledged.push((key, value));
            seen.longest_gap = seen.longest_gap.max(last.elapsed());
            last = wait::now();
        }
    }
    seen
}

#[test]
fn a_killed_node_loses_no_acknowledged_write_and_comes_back() {
    let mut ring = Ring::start("kill", 3, &[]);
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..2)
        .map(|name| {
            let (client, stop) = (ring.nodes[name].connect(), Arc::clone(&stop));
            thread::spawn(move || write(client, name, &stop))
        })
        .collect();
    let written = |ring: &Ring| ring.nodes[0].connect().run("DBSIZE").integer().unwrap_or(0);
    wait::until("writes are under way", MAKE_GOOD, || written(&ring) > 1_000);
    let victim = ring.nodes.pop().unwrap();
    let home = victim.home.clone();
    victim.server.signal(rustix::process::Signal::KILL);
    drop(victim);
    wait::until("the others serve everything", MAKE_GOOD, || {
        ring.nodes.iter().all(|node| {
            let alive = node.status("node").iter().filter(|it| it["alive"] == "yes").count();
            alive == 2 && node.status("slots").first().is_some_and(|it| it["none"] == "0")
        })
    });
    let before = written(&ring);
    wait::until("writes go on", MAKE_GOOD, || written(&ring) > before + 1_000);
    stop.store(true, Ordering::Relaxed);
    let seen: Vec<Seen> = writers.into_iter().map(|writer| writer.join().unwrap()).collect();
    let check = |ring: &Ring| {
        for node in &ring.nodes {
            let mut client = node.connect();
            for (key, value) in seen.iter().flat_map(|seen| &seen.acknowledged) {
                let got = client.call(&["GET", key]).unwrap().text();
                assert_eq!(&got, value, "{key} was acknowledged");
            }
        }
    };
    check(&ring);
    for seen in &seen {
        println!(
            "{} writes acknowledged, {} refused, longest gap {:?}",
            seen.acknowledged.len(),
            seen.refused,
            seen.longest_gap
        );
    }

    // Under its name it takes its place again, and has everything before it serves.
    let back = ring.start_node(home);
    ring.nodes.push(back);
    ring.await_whole(3);
    check(&ring);
    let others: Vec<Node> = ring.nodes.drain(..2).collect();
    for node in &others {
        node.server.signal(rustix::process::Signal::KILL);
    }
    drop(others);
    wait::until("it serves everything alone", MAKE_GOOD, || {
        ring.nodes[0].status("node").iter().filter(|it| it["alive"] == "yes").count() == 1
    });
    check(&ring);
}

#[test]
fn a_node_that_is_asked_to_stop_hands_its_keys_over() {
    // One copy of each key: whatever is not handed over is lost.
    let mut ring = Ring::start("leave", 3, &["--copies", "1"]);
    let mut client = ring.nodes[0].connect();
    for index in 0..3_000 {
        let key = format!("l:{index}");
        assert_eq!(client.call(&["SET", &key, &key]).unwrap().text(), "OK");
    }
    let mut leaver = ring.nodes.pop().unwrap();
    leaver.server.terminate();
    assert!(leaver.server.wait_exit(MAKE_GOOD).success(), "{}", leaver.server.log());
    wait::until("two nodes are left", MAKE_GOOD, || ring.nodes.iter().all(|node| node.is_whole(2)));
    for index in 0..3_000 {
        let key = format!("l:{index}");
        assert_eq!(client.call(&["GET", &key]).unwrap().text(), key);
    }
    // The same by command, and a joining node takes its share.
    ring.add();
    ring.await_whole(3);
    let address = ring.nodes[1].server.address().to_string();
    let said = run(NODE, &["leave", &address]);
    assert!(said.contains("hands its keys over"), "{said}");
    let mut leaver = ring.nodes.remove(1);
    assert!(leaver.server.wait_exit(MAKE_GOOD).success(), "{}", leaver.server.log());
    for index in 0..3_000 {
        let key = format!("l:{index}");
        assert_eq!(client.call(&["GET", &key]).unwrap().text(), key);
    }
}

#[test]
fn strangers_are_refused_and_both_sides_say_so() {
    let ring = Ring::start("strangers", 1, &["--cluster-secret", "one"]);
    let check = |options: &[&str], word: &str| {
        let home = ring.directory.join("stranger");
        let stranger = Node::start(home, &[ring.nodes[0].peer_port], options);
        wait::until("both logs tell of it", MAKE_GOOD, || {
            stranger.server.log().contains(word) && ring.nodes[0].server.log().contains(word)
        });
        assert!(ring.nodes[0].is_whole(1));
        let mut client = stranger.connect();
        assert!(client.run("GET k").is_error(), "it serves nothing before it has joined");
    };
    check(&["--cluster-secret", "two"], "the cluster secrets differ");
    check(&["--cluster-secret", "one", "--cluster-name", "other"], "the cluster names differ");
    let mut client = ring.nodes[0].connect();
    let shown = client.run("CONFIG GET cluster-secret");
    assert_eq!(shown.items()[1].text(), "(hidden)");
}

#[test]
fn status_is_for_people_and_programs() {
    let ring = Ring::start("status", 2, &["--zone", "cellar"]);
    let address = ring.nodes[0].server.address().to_string();
    let table = run(NODE, &["status", &address]);
    assert!(table.contains("of 16384 slots 16384 have all copies"), "{table}");
    assert_eq!(table.matches("active").count(), 2, "{table}");
    assert_eq!(table.matches("cellar").count(), 2, "{table}");
    let json = run(NODE, &["status", "--json", &address]);
    assert!(json.starts_with("{\"ring\":{\"me\":\""), "{json}");
    assert!(json.contains("\"slots\":{\"full\":16384,\"short\":0,\"none\":0}"), "{json}");
    assert_eq!(json.matches("\"alive\":true").count(), 2, "{json}");
    let (status, said) = run_to_end(NODE, &["--join", "nowhere"], Duration::from_secs(10));
    assert!(!status.success() && said.contains("is no host:port"), "{said}");
}

#[test]
fn a_local_cluster_starts_and_ends() {
    // Three blocks of consecutive ports; somewhere there is room for them.
    let start = 20_000 + (std::process::id() % 10_000) as u16;
    let is_free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    let port = (start..start + 900)
        .find(|&port| (0..3).all(|i| [0, 1_000, 2_000].iter().all(|o| is_free(port + o + i))))
        .unwrap();
    let mut child = Command::new(NODE)
        .args([
            "local-cluster",
            "--nodes",
            "3",
            "--port",
            &port.to_string(),
            "--",
            "--workers",
            "1",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let open = |port: u16| Connection::open((Ipv4Addr::LOCALHOST, port).into());
    let came_up = wait::holds_within(COME_UP, || {
        let says = |mut c: Connection| c.call(&["TORC", "STATUS"]).map(|reply| reply.text());
        open(port).and_then(says).is_ok_and(|text| text.matches("ready:yes").count() == 3)
    });
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let ended = wait::holds_within(MAKE_GOOD, || matches!(child.try_wait(), Ok(Some(_))));
    if !ended {
        let _ = child.kill();
    }
    assert!(came_up && ended, "came up: {came_up}, ended: {ended}");
    assert!((0..3).all(|index| open(port + index).is_err()), "its nodes are gone");
}

/// A connection to a node's cluster port.
fn open_cluster(node: &Node) -> Connection {
    Connection::open((Ipv4Addr::LOCALHOST, node.cluster_port).into()).unwrap()
}

/// What a subscriber is pushed next.
fn pushed(connection: &mut Connection) -> String {
    let bytes = connection.read_reply().unwrap();
    let words = Value::parse(&bytes).unwrap();
    words.items().iter().map(Value::text).collect::<Vec<_>>().join(" ")
}

#[test]
fn messages_reach_subscribers_on_any_node() {
    let mut ring = Ring::start("pubsub", 3, &[]);
    let [mut a, mut b, mut c] = [0, 1, 2].map(|at: usize| ring.nodes[at].connect());

    // Who is told that he is subscribed misses nothing from then on, wherever it is published.
    for round in 0..100 {
        a.run(&format!("SUBSCRIBE direct{round}"));
        let receivers = c.run(&format!("PUBLISH direct{round} m")).integer();
        assert_eq!(receivers, Some(1), "round {round}");
        assert_eq!(pushed(&mut a), format!("message direct{round} m"));
    }
    b.run("PSUBSCRIBE dir*");
    assert_eq!(c.run("PUBLISH direct7 both").integer(), Some(2));
    assert_eq!(pushed(&mut a), "message direct7 both");
    assert_eq!(pushed(&mut b), "pmessage dir* direct7 both");
    // A publisher's messages arrive in order.
    let mut requests = Vec::new();
    for number in 0..5_000 {
        requests.extend(encode(&["PUBLISH", "direct0", &number.to_string()]));
    }
    c.pipeline(&requests, 5_000);
    for number in 0..5_000 {
        assert_eq!(pushed(&mut a), format!("message direct0 {number}"));
        assert_eq!(pushed(&mut b), format!("pmessage dir* direct0 {number}"));
    }
    // PUBSUB tells of its own node alone.
    assert_eq!(c.run("PUBSUB NUMPAT").integer(), Some(0));

    // Shard channels: by the plain port on any node, by the cluster port where their slot is.
    let mut d = ring.nodes[1].connect();
    d.run("SSUBSCRIBE shard");
    assert_eq!(c.run("SPUBLISH shard m").integer(), Some(1));
    assert_eq!(pushed(&mut d), "smessage shard m");
    let mut moved = 0;
    for node in &ring.nodes {
        let mut connection = open_cluster(node);
        let publish = connection.run("SPUBLISH shard m");
        let subscribe = connection.run("SSUBSCRIBE shard");
        assert_eq!(publish.is_error(), subscribe.is_error());
        moved += usize::from(subscribe.text().starts_with("MOVED"));
    }
    assert_eq!(moved, 2);
    assert_eq!(pushed(&mut d), "smessage shard m");

    // What happens to keys is told wherever they are served.
    for node in &ring.nodes {
        node.connect().run("CONFIG SET notify-keyspace-events Kg$x");
    }
    let mut events = ring.nodes[0].connect();
    events.run("PSUBSCRIBE __keyspace@0__:*");
    b.run("RESET");
    for key in 0..30 {
        b.run(&format!("SET key{key} v"));
        assert_eq!(
            pushed(&mut events),
            format!("pmessage __keyspace@0__:* __keyspace@0__:key{key} set")
        );
    }
    c.run("SET soon v PX 5");
    let seen: Vec<_> = (0..3).map(|_| pushed(&mut events)).collect();
    assert!(seen[2].ends_with("__keyspace@0__:soon expired"), "{seen:?}");

    // The subscribers of a node that dies are counted no more.
    assert_eq!(b.run("PUBLISH direct1 m").integer(), Some(1));
    ring.nodes[0].server.signal(rustix::process::Signal::KILL);
    wait::until("nobody listens any more", MAKE_GOOD, || {
        b.run("PUBLISH direct1 m").integer() == Some(0)
    });
    ring.nodes.remove(0);
}

/// Redis tells a cluster client when a slot moves whose shard channel it listens to; so it can subscribe anew where the slot went.
#[test]
fn subscriptions_to_shard_channels_follow_their_slots() {
    let mut ring = Ring::start("shards", 2, &[]);
    let mut connections: Vec<Connection> = (0..2).map(|at| open_cluster(&ring.nodes[at])).collect();
    let mut own: Vec<Vec<String>> = vec![Vec::new(); 2];
    for number in 0..64 {
        let channel = format!("channel{number}");
        for (connection, own) in connections.iter_mut().zip(&mut own) {
            if !connection.run(&format!("SSUBSCRIBE {channel}")).is_error() {
                own.push(channel.clone());
            }
        }
    }
    assert_eq!(own[0].len() + own[1].len(), 64, "each channel belongs to one node");
    let mut plain = ring.nodes[0].connect();
    for number in 0..64 {
        plain.run(&format!("SSUBSCRIBE channel{number}"));
    }
    ring.add();
    ring.await_whole(3);
    let mut moved_count = 0;
    for (at, (connection, own)) in connections.iter_mut().zip(&own).enumerate() {
        let mut ended = BTreeSet::new();
        wait::until("what moved has ended", MAKE_GOOD, || {
            connection.send(&encode(&["PING"])).unwrap();
            loop {
                let push = pushed(connection);
                let Some(rest) = push.strip_prefix("sunsubscribe ") else { break };
                ended.insert(rest.split(' ').next().unwrap().to_owned());
            }
            let mut asking = open_cluster(&ring.nodes[at]);
            let has_moved = |channel: &&String| {
                asking.run(&format!("SSUBSCRIBE {channel}")).text().starts_with("MOVED")
            };
            let moved: BTreeSet<String> = own.iter().filter(has_moved).cloned().collect();
            moved == ended
        });
        moved_count += ended.len();
    }
    assert!(moved_count > 0, "a third node takes some slots");
    // Who came by the plain port is not bound to slots.
    let mut publisher = ring.nodes[2].connect();
    plain.run("RESET");
    plain.run("SSUBSCRIBE last");
    for number in 0..64 {
        plain.run(&format!("SSUBSCRIBE channel{number}"));
    }
    for number in 0..64 {
        publisher.run(&format!("SPUBLISH channel{number} m"));
        assert_eq!(pushed(&mut plain), format!("smessage channel{number} m"));
    }
}
