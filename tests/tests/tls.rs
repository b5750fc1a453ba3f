//! Clients that come by TLS: what they see, and what those do to others who speak it badly, slowly or not at all.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

#[path = "tls/ring.rs"]
mod ring;
#[path = "tls/trouble.rs"]
mod trouble;

use rustls::ClientConfig;
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use torc_tests::resp::encode;
use torc_tests::tls::{Keys, free_port, open};
use torc_tests::{Connection, Server, Value, process, start_node, tls, wait};

const LIMIT: Duration = Duration::from_secs(20);
/// The program that the suite is about.
const NODE: &str = env!("CARGO_BIN_EXE_torc-node");

/// A node with a plain port and one that speaks TLS.
struct Node {
    server: Server,
    keys: Keys,
    port: u16,
    config: Arc<ClientConfig>,
}

impl Node {
    fn start(auth: &str, more: &[&str]) -> Self {
        let (keys, port) = (Keys::new(), free_port());
        let settings = keys.settings(port, auth);
        let all: Vec<&str> =
            settings.iter().map(String::as_str).chain(more.iter().copied()).collect();
        let server = start_node!(&all);
        let config = keys.client();
        Node { server, keys, port, config }
    }

    fn open(&self) -> Connection {
        open(self.port, &self.config).unwrap()
    }

    fn info(&self, section: &str, name: &str) -> u64 {
        let text = self.server.connect().run(&format!("INFO {section}")).text();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.and_then(|value| value.trim().parse().ok()).expect("INFO tells it")
    }
}

fn ok() -> Value {
    Value::Simple(b"OK".to_vec())
}

#[test]
fn commands_are_answered_as_by_the_plain_port() {
    let node = Node::start("no", &[]);
    let (mut secure, mut plain) = (node.open(), node.server.connect());
    let lines = [
        "SET k v",
        "GET k",
        "NOPE",
        "HGETALL k",
        "HELLO 4",
        "MULTI",
        "STRLEN k",
        "EXEC",
        "HELLO 3",
    ];
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        let [by_tls, by_tcp] = [&mut secure, &mut plain].map(|it| it.call_raw(&words).unwrap());
        if line == "HELLO 3" {
            assert!(by_tls.starts_with(b"%7\r\n") && by_tcp.starts_with(b"%7\r\n"));
            continue;
        }
        assert_eq!(by_tls.escape_ascii().to_string(), by_tcp.escape_ascii().to_string(), "{line}");
    }
    // Found by its address as any other, without a flag of its own.
    let own = secure.run("CLIENT INFO").text();
    let address = format!("laddr=127.0.0.1:{} ", node.port);
    assert!(own.contains(&address) && own.contains(" flags=N ") && own.contains(" user=default "));
    let server = plain.run("INFO server").text();
    let listener = format!("listener1:name=tls,bind=127.0.0.1,bind=-::1,port={}\r\n", node.port);
    assert!(server.contains(&listener), "{server}");
    assert!(server.contains(&format!("tcp_port:{}\r\n", node.server.port())));

    // Who waits, listens or looks on is served by others' commands.
    let (mut waits, mut listens, mut looks) = (node.open(), node.open(), node.open());
    waits.send(b"BLPOP queue 0\r\n").unwrap();
    assert_eq!(listens.run("SUBSCRIBE news").items()[2].integer(), Some(1));
    assert_eq!(looks.run("MONITOR"), ok());
    let blocked = || node.info("clients", "blocked_clients") == 1;
    wait::until("it waits", LIMIT, blocked);
    plain.run("RPUSH queue job");
    assert_eq!(plain.run("PUBLISH news hello").integer(), Some(1));
    let popped = Value::parse(&waits.read_reply().unwrap()).unwrap();
    assert_eq!(popped.items()[1].text(), "job");
    let message = Value::parse(&listens.read_reply().unwrap()).unwrap();
    assert_eq!(message.items()[2].text(), "hello");
    let mut lines = String::new();
    while !lines.contains("\"PUBLISH\" \"news\" \"hello\"") {
        lines.push_str(&String::from_utf8_lossy(&looks.read_reply().unwrap()));
    }
    // QUIT is answered, and the end is told in TLS's own words: without them it would be an error.
    let mut leaves = tls::connect(node.port, &node.config).unwrap();
    std::io::Write::write_all(&mut leaves, b"QUIT\r\n").unwrap();
    let mut said = String::new();
    leaves.read_to_string(&mut said).unwrap();
    assert_eq!(said, "+OK\r\n");
}

#[test]
fn the_plain_port_may_be_off() {
    let (keys, port) = (Keys::new(), free_port());
    let config = keys.client();
    // A path of a Unix socket is short.
    let socket = std::env::temp_dir().join(format!("torc-{port}.sock"));
    let mut settings = keys.settings(port, "no");
    settings.extend(["--port".into(), "0".into()]);
    settings.extend(["--unixsocket".into(), socket.display().to_string()]);
    let mut child = Command::new(NODE)
        .arg("server")
        .args(&settings)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait::until("it answers by TLS", LIMIT, || open(port, &config).is_ok());
    let text = open(port, &config).unwrap().run("INFO server").text();
    assert!(text.contains(&format!("tcp_port:{port}\r\n")), "{text}");
    assert!(text.contains("listener0:name=unix") && text.contains("listener1:name=tls"), "{text}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn clients_prove_who_they_are() {
    let node = Node::start("yes", &[]);
    let client = node.keys.authority.client();
    let known = Arc::new(node.keys.authority.client_config(Some(&client)));
    assert_eq!(open(node.port, &known).unwrap().run("PING").text(), "PONG");
    let stranger = tls::Authority::unknown().client();
    let stranger = Arc::new(node.keys.authority.client_config(Some(&stranger)));
    for refused in [&node.config, &stranger] {
        // A client of TLS 1.3 learns it with its first reading.
        let asked = open(node.port, refused).and_then(|mut it| it.call(&["PING"]));
        assert!(asked.is_err(), "{asked:?}");
    }
    wait::until("both are counted", LIMIT, || {
        node.info("stats", "torc_tls_handshakes_failed") == 2
    });
    let mut admin = node.server.connect();
    assert_eq!(admin.run("CONFIG SET tls-auth-clients optional"), ok());
    assert_eq!(node.open().run("PING").text(), "PONG");
    assert!(open(node.port, &stranger).and_then(|mut it| it.call(&["PING"])).is_err());
}

#[test]
fn certificates_change_while_it_runs() {
    let node = Node::start("no", &[]);
    let mut admin = node.server.connect();
    let shown = || {
        let mut stream = tls::connect(node.port, &node.config).unwrap();
        stream.conn.complete_io(&mut stream.sock).unwrap();
        stream.conn.peer_certificates().unwrap()[0].clone()
    };
    let (mut old, before) = (node.open(), shown());
    node.keys.renew();
    assert_eq!(shown(), before, "files are read when they are named");
    let (cert, key) = (node.keys.file("node.pem"), node.keys.file("node.key"));
    // The same name counts, as in Redis: the file has changed.
    assert_eq!(admin.call(&["CONFIG", "SET", "tls-cert-file", &cert]).unwrap(), ok());
    let after = shown();
    assert!(after != before && shown() == after);
    assert_eq!(old.run("PING").text(), "PONG", "who is connected stays so");

    let wrong = node.keys.write("wrong.key", &node.keys.authority.node().key);
    let set = ["CONFIG", "SET", "TLS-Key-File", &wrong, "maxmemory", "100mb"];
    let refused = admin.call_raw(&set).unwrap();
    let words = "-ERR CONFIG SET failed (possibly related to argument 'tls-key-file') - Unable to update TLS configuration. Check server logs.\r\n";
    assert_eq!(String::from_utf8(refused).unwrap(), words);
    let told = "the key is not the one that belongs to the first certificate";
    wait::until("the log tells why", LIMIT, || node.server.log().contains(told));
    assert_eq!(admin.run("CONFIG GET tls-key-file").items()[1].text(), key);
    assert_eq!(admin.run("CONFIG GET maxmemory").items()[1].text(), "0");
    assert_eq!(shown(), after);
    assert_eq!(node.open().run("PING").text(), "PONG");
}

#[test]
fn a_start_without_what_it_needs_says_what_to_do() {
    let keys = Keys::new();
    let check = |change: &dyn Fn(&mut Vec<String>), expected: &str| {
        let mut settings = keys.settings(free_port(), "yes");
        change(&mut settings);
        let arguments: Vec<&str> =
            ["--port", "0"].into_iter().chain(settings.iter().map(String::as_str)).collect();
        let (status, said) = process::run_to_end(NODE, &arguments, LIMIT);
        assert!(!status.success() && said.contains(expected), "{said}");
    };
    check(&|it| it.truncate(2), "tls-cert-file is empty: clients are to speak TLS");
    check(&|it| it[3] = "/nowhere".into(), "tls-cert-file: cannot read /nowhere: No such file");
    check(&|it| it[7] = String::new(), "set tls-auth-clients to no");
    check(&|it| it[9] = "maybe".into(), "right would be no, yes, optional");
}

/// Many commands at once, their replies unread until all are sent; then one value that takes many records either way.
#[test]
fn long_pipelines_and_large_values() {
    const COUNT: usize = 100_000;
    let node = Node::start("no", &[]);
    let mut client = node.open();
    let value = "v".repeat(500);
    let set: Vec<u8> = (0..COUNT)
        .flat_map(|index| encode(&["SET", &format!("key:{}", index % 1_000), &value]))
        .collect();
    client.send(&set).unwrap();
    for _ in 0..COUNT {
        assert_eq!(client.read_reply().unwrap(), b"+OK\r\n");
    }
    let get: Vec<u8> =
        (0..COUNT).flat_map(|index| encode(&["GET", &format!("key:{}", index % 1_000)])).collect();
    client.send(&get).unwrap();
    let reply = format!("${}\r\n{value}\r\n", value.len()).into_bytes();
    for _ in 0..COUNT {
        assert_eq!(client.read_reply().unwrap(), reply);
    }
    let large: Vec<u8> = (0..16u32 << 20).map(|index| (index % 253) as u8).collect();
    assert_eq!(client.call(&[b"SET", &b"large"[..], &large]).unwrap(), ok());
    assert!(client.call(&["GET", "large"]).unwrap() == Value::Bulk(large.clone()));
    assert!(node.server.connect().call(&["GET", "large"]).unwrap() == Value::Bulk(large));
}
