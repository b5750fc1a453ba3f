//! A whole node on loopback: sockets, workers, and the end.

use super::listener::{Listener, listen_tcp, listen_unix};
use super::serve;
use crate::admin::Instance;
use crate::base::clock::Clock;
use crate::base::limits::OUTPUT_BACKLOG_BYTES;
use crate::cluster::member::Transport;
use crate::cluster::route::Port;
use crate::config::{Order, from_command_line};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

mod handshake;
mod long_scripts;

struct Node {
    instance: Arc<Instance>,
    address: String,
    socket: String,
    thread: Option<JoinHandle<()>>,
}

impl Node {
    fn start(name: &str) -> Self {
        Self::with(name, &[])
    }

    /// With settings, as on the command line.
    fn with(name: &str, settings: &[&str]) -> Self {
        let socket = std::env::temp_dir().join(format!("torc-{name}-{}.sock", std::process::id()));
        let tcp = Listener::Tcp(
            listen_tcp("127.0.0.1:0".parse().unwrap(), 16).unwrap(),
            Port::Plain,
            Transport::Plain,
        );
        Self::on(settings, vec![tcp, listen_unix(&socket, 0o600, 16).unwrap()])
    }

    /// With these listeners, the first of them of TCP.
    fn on(settings: &[&str], listeners: Vec<Listener>) -> Self {
        let words = ["torc"].iter().chain(settings).map(Into::into);
        let Ok(Order::Serve(settings)) = from_command_line(words) else {
            panic!("settings of a node: {settings:?}")
        };
        let instance = Arc::new(Instance::new(*settings, Clock::system(), 1));
        if listeners.iter().any(|it| matches!(it, Listener::Tcp(_, _, Transport::Tls))) {
            instance.tls.load(&instance.settings).unwrap();
        }
        let mut places = listeners.iter().map(Listener::place);
        let (address, socket) = (places.next().unwrap(), places.next().unwrap_or_default());
        drop(places);
        let thread = {
            let instance = Arc::clone(&instance);
            std::thread::spawn(move || serve(&instance, listeners, || ()).unwrap())
        };
        Node { instance, address, socket, thread: Some(thread) }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        // Only so that a fault ends the test; nothing waits this long.
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    fn stop(&mut self) {
        self.instance.request_shutdown();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.instance.request_shutdown();
    }
}

fn expect(stream: &mut impl Read, bytes: &[u8]) {
    let mut got = vec![0; bytes.len()];
    stream.read_exact(&mut got).unwrap();
    assert_eq!(got.escape_ascii().to_string(), bytes.escape_ascii().to_string());
}

fn line(stream: &mut impl Read) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        line.push(byte[0]);
    }
    String::from_utf8(line).unwrap()
}

fn expect_end(stream: &mut impl Read) {
    match stream.read(&mut [0]) {
        Ok(0) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        other => panic!("still open: {other:?}"),
    }
}

#[test]
fn tcp_and_unix_clients_talk_and_end() {
    let mut node = Node::start("talk");
    let mut tcp = node.connect();
    let mut unix = UnixStream::connect(&node.socket).unwrap();
    tcp.write_all(b"SET k v\r\nGET k\r\n").unwrap();
    expect(&mut tcp, b"+OK\r\n$1\r\nv\r\n");
    unix.write_all(b"GET k\r\nCLIENT LIST\r\n").unwrap();
    expect(&mut unix, b"$1\r\nv\r\n");
    assert!(line(&mut unix).starts_with('$'));
    let mut lines = vec![0; 4096];
    let length = unix.read(&mut lines).unwrap();
    let lines = String::from_utf8_lossy(&lines[..length]);
    let unix_line = format!("addr={0}:0 laddr={0}:0 ", node.socket);
    assert!(lines.contains(&unix_line) && lines.contains(" flags=U "), "{lines}");

    // What was sent before the client's end is still answered.
    tcp.write_all(b"PING\r\nPING\r\n").unwrap();
    tcp.shutdown(Shutdown::Write).unwrap();
    expect(&mut tcp, b"+PONG\r\n+PONG\r\n");
    expect_end(&mut tcp);
    node.stop();
    expect_end(&mut unix);
    assert!(!std::path::Path::new(&node.socket).exists());
}

#[test]
fn clients_of_other_workers_are_reached() {
    let mut node = Node::start("reach");
    let mut clients: Vec<_> = (0..8).map(|_| node.connect()).collect();
    let ids: Vec<String> = clients
        .iter_mut()
        .map(|client| {
            client.write_all(b"CLIENT ID\r\n").unwrap();
            line(client).trim_start_matches(':').trim().to_owned()
        })
        .collect();
    let (monitor, others) = clients.split_first_mut().unwrap();
    monitor.write_all(b"MONITOR\r\n").unwrap();
    expect(monitor, b"+OK\r\n");
    for (client, id) in others.iter_mut().zip(&ids[1..]) {
        client.write_all(format!("ECHO {id}\r\n").as_bytes()).unwrap();
        line(client);
        line(client);
        assert!(line(monitor).ends_with(&format!("\"ECHO\" \"{id}\"\r\n")));
    }
    let (killer, victims) = others.split_first_mut().unwrap();
    for (victim, id) in victims.iter_mut().zip(&ids[2..]) {
        killer.write_all(format!("CLIENT KILL ID {id}\r\n").as_bytes()).unwrap();
        expect(killer, b":1\r\n");
        expect_end(victim);
    }
    // A pause holds clients of every worker, and lets them go when it is lifted.
    let mut held: Vec<_> = (0..4).map(|_| node.connect()).collect();
    killer.write_all(b"CLIENT PAUSE 1000000 WRITE\r\n").unwrap();
    expect(killer, b"+OK\r\n");
    for client in &mut held {
        client.write_all(b"SET a b\r\n").unwrap();
    }
    let blocked = || node.instance.clients.blocked();
    wait_until(|| blocked() == 4);
    killer.write_all(b"CLIENT UNPAUSE\r\n").unwrap();
    expect(killer, b"+OK\r\n");
    held.iter_mut().for_each(|client| expect(client, b"+OK\r\n"));
    assert_eq!(blocked(), 0);
    node.stop();
}

#[test]
fn info_counts_the_keys_whose_waiters_their_removal_ends() {
    let mut node = Node::start("gone");
    let mut clients: Vec<_> = (0..4).map(|_| node.connect()).collect();
    let [asker, waiters @ ..] = clients.as_mut_slice() else { unreachable!("there are four") };
    let waits =
        ["BLPOP s 0", "XREAD BLOCK 0 STREAMS t 0", "XREADGROUP GROUP g c BLOCK 0 STREAMS s >"];
    for (index, (waiter, wait)) in waiters.iter_mut().zip(waits).enumerate() {
        waiter.write_all(format!("{wait}\r\n").as_bytes()).unwrap();
        wait_until(|| node.instance.clients.blocked() == index + 1);
        if index == 0 {
            asker.write_all(b"XGROUP CREATE s g $ MKSTREAM\r\n").unwrap();
            expect(asker, b"+OK\r\n");
        }
    }
    assert_eq!(info(asker, "total_blocking_keys"), "2");
    assert_eq!(info(asker, "total_blocking_keys_on_nokey"), "1");
    asker.write_all(b"DEL s\r\n").unwrap();
    expect(asker, b":1\r\n");
    assert!(line(&mut waiters[2]).starts_with("-NOGROUP "));
    assert_eq!(info(asker, "total_blocking_keys"), "2");
    assert_eq!(info(asker, "total_blocking_keys_on_nokey"), "0");
    node.stop();
}

/// A figure of INFO.
fn info(stream: &mut (impl Read + Write), field: &str) -> String {
    stream.write_all(b"INFO clients\r\n").unwrap();
    let mut text = vec![0; line(stream).trim().trim_start_matches('$').parse().unwrap()];
    stream.read_exact(&mut text).unwrap();
    expect(stream, b"\r\n");
    let text = String::from_utf8(text).unwrap();
    let value = |line: &str| Some(line.strip_prefix(field)?.strip_prefix(':')?.to_owned());
    text.lines().find_map(value).unwrap()
}

fn wait_until(condition: impl Fn() -> bool) {
    for _ in 0..20_000 {
        if condition() {
            return;
        }
        std::thread::yield_now();
        std::thread::park_timeout(Duration::from_millis(1));
    }
    panic!("it never became so");
}

#[test]
fn who_does_not_read_waits_for_itself_alone() {
    let mut node = Node::start("slow");
    let mut slow = node.connect();
    let mut other = node.connect();
    let value = vec![b'v'; 1 << 20];
    let set = [b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1048576\r\n".as_slice(), &value, b"\r\n"].concat();
    slow.write_all(&set).unwrap();
    expect(&mut slow, b"+OK\r\n");
    slow.write_all(&b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n".repeat(100)).unwrap();
    let waiting = || node.instance.clients.buffers_bytes_max().1;
    wait_until(|| waiting() > OUTPUT_BACKLOG_BYTES);
    other.write_all(b"PING\r\n").unwrap();
    expect(&mut other, b"+PONG\r\n");
    assert!(waiting() < OUTPUT_BACKLOG_BYTES + value.len() + 64, "{}", waiting());
    let expected = [b"$1048576\r\n".as_slice(), &value, b"\r\n"].concat();
    let mut got = vec![0; expected.len()];
    for _ in 0..100 {
        slow.read_exact(&mut got).unwrap();
        assert!(got == expected);
    }
    node.stop();
}

/// Many clients send the whole of a pipeline before they read. Each side waited for the other once more replies waited than a client may leave unread.
#[test]
fn a_long_pipeline_may_be_sent_before_any_reply_is_read() {
    let mut node = Node::start("pipeline");
    let mut client = node.connect();
    client.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    // As long as the replies, and together more than the kernel takes in for either side.
    let (key, value, count) = ("k".repeat(1_000), "v".repeat(1_000), 50_000);
    client.write_all(request(&["SET", &key, &value]).as_bytes()).unwrap();
    expect(&mut client, b"+OK\r\n");
    client.write_all(request(&["GET", &key]).repeat(count).as_bytes()).unwrap();
    client.write_all(request(&["ECHO", "last"]).as_bytes()).unwrap();
    let expected = bulk(&value);
    let mut got = vec![0; expected.len()];
    for _ in 0..count {
        client.read_exact(&mut got).unwrap();
        assert!(got == expected.as_bytes());
    }
    expect(&mut client, bulk("last").as_bytes());
    node.stop();
}

fn request(words: &[&str]) -> String {
    let bulks = words.iter().map(|word| bulk(word));
    format!("*{}\r\n{}", words.len(), bulks.collect::<String>())
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

/// While a script holds their worker up, all send something; so it finds them ready together, and reads them before it runs any.
#[test]
fn clients_that_are_ready_together_get_their_own_replies() {
    let mut node = Node::start("together");
    let mut busy = node.connect();
    let long = "x".repeat(3_000);
    let mut clients: Vec<TcpStream> = (0..40).map(|_| node.connect()).collect();
    for round in 0..24 {
        let script = request(&["EVAL", "for i = 1, 200000 do end return 1", "0"]);
        busy.write_all(script.as_bytes()).unwrap();
        let mut expected = Vec::new();
        for (k, client) in clients.iter_mut().enumerate() {
            let (key, hash, value) =
                (format!("key{k}"), format!("hash{k}"), format!("{k}:{round}"));
            // Each kind follows the one before in the next round, on the same keys.
            let (sent, reply) = match (k + round) % 8 {
                0 => (request(&["SET", &key, &value]), "+OK\r\n".to_owned()),
                1 => (
                    request(&["ECHO", "a"]) + &request(&["ECHO", &value]),
                    bulk("a") + &bulk(&value),
                ),
                2 => (request(&["SET", &key, &long]), "+OK\r\n".to_owned()),
                3 if round == 0 => (request(&["STRLEN", &key]), ":0\r\n".to_owned()),
                3 => (request(&["STRLEN", &key]), format!(":{}\r\n", long.len())),
                4 => (request(&["HSET", &hash, "f", &value]), ":1\r\n".to_owned()),
                5 if round == 0 => (request(&["HGET", &hash, "f"]), "$-1\r\n".to_owned()),
                5 => {
                    let reply = bulk(&format!("{k}:{}", round - 1)) + ":1\r\n";
                    (request(&["HGET", &hash, "f"]) + &request(&["DEL", &hash]), reply)
                }
                6 => (format!("ECHO {value}\r\n"), bulk(&value)),
                _ => (
                    request(&["ECHO"]),
                    "-ERR wrong number of arguments for 'echo' command\r\n".to_owned(),
                ),
            };
            // A few send the end of it later.
            let cut = if k * round % 5 == 1 { sent.len() / 2 } else { sent.len() };
            client.write_all(&sent.as_bytes()[..cut]).unwrap();
            expected.push((sent[cut..].to_owned(), reply));
        }
        expect(&mut busy, b":1\r\n");
        for (client, (rest, reply)) in clients.iter_mut().zip(expected) {
            client.write_all(rest.as_bytes()).unwrap();
            expect(client, reply.as_bytes());
        }
        // One says goodbye and one just goes, while the others stay.
        for (index, goodbye) in [(1, "QUIT\r\n"), (3, "")] {
            let mut gone = std::mem::replace(&mut clients[index], node.connect());
            gone.write_all(goodbye.as_bytes()).unwrap();
        }
    }
    node.stop();
}

/// What was read for one client is for the database that this client has selected.
#[test]
fn clients_of_different_databases_are_ready_together() {
    let mut node = Node::start("databases");
    let mut busy = node.connect();
    let mut clients: Vec<TcpStream> = (0..16).map(|_| node.connect()).collect();
    for (k, client) in clients.iter_mut().enumerate() {
        client.write_all(format!("SELECT {k}\r\nSET key {k}\r\n").as_bytes()).unwrap();
        expect(client, b"+OK\r\n+OK\r\n");
    }
    for _ in 0..10 {
        busy.write_all(request(&["EVAL", "for i = 1, 200000 do end", "0"]).as_bytes()).unwrap();
        clients
            .iter_mut()
            .for_each(|it| it.write_all(request(&["GET", "key"]).as_bytes()).unwrap());
        for (k, client) in clients.iter_mut().enumerate() {
            expect(client, bulk(&k.to_string()).as_bytes());
        }
        expect(&mut busy, b"$-1\r\n");
    }
    node.stop();
}

#[test]
fn a_stop_sends_what_is_written() {
    let mut node = Node::start("stop");
    let mut client = node.connect();
    client.write_all(b"SHUTDOWN NOSAVE\r\n").unwrap();
    expect_end(&mut client);
    node.stop();
    assert!(TcpStream::connect(&node.address).is_err());
    assert_eq!(node.instance.clients.connected(), 0);
}
