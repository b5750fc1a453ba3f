//! What misbehaving clients do to the node: each gets a clear error or a close, memory stays bounded, and another
//! client's requests are answered all the while.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

#[path = "robustness/blocking.rs"]
mod blocking;
#[path = "robustness/numbers.rs"]
mod numbers;
#[path = "robustness/streams.rs"]
mod streams;

use socket2::{Domain, Socket, Type};
use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;
use torc_tests::resp::encode;
use torc_tests::{Connection, Limits, Server, Value, beside, process, start_node, wait};

const LIMIT: Duration = Duration::from_secs(20);

const MIB: u64 = 1 << 20;

/// As [`beside::a_working_client`], with one of `server`.
fn beside_a_working_client(server: &Server, trouble: impl FnOnce()) -> Duration {
    beside::a_working_client(|| server.connect(), trouble)
}

fn clients_connected(server: &Server) -> u64 {
    let text = server.connect().run("INFO clients").text();
    let line = text.lines().find_map(|line| line.strip_prefix("connected_clients:"));
    line.and_then(|count| count.trim().parse().ok()).expect("INFO tells the connected clients")
}

#[test]
fn ten_thousand_idle_connections() {
    const COUNT: usize = 10_000;
    if !Limits::raise_open_files(COUNT as u64 + 500) {
        println!("NOT TESTED: the hard limit of open files is below {COUNT} + 500");
        return;
    }
    let server = start_node!(&["--maxclients", "10100"]);
    let before = server.rss_bytes();
    let mut idle = Vec::with_capacity(COUNT);
    let longest = beside_a_working_client(&server, || {
        for index in 0..COUNT {
            match TcpStream::connect(server.address()) {
                Ok(stream) => idle.push(stream),
                Err(error) => panic!("connection {index}: {error}"),
            }
        }
        wait::until("all are accepted", LIMIT, || clients_connected(&server) >= COUNT as u64);
    });
    let each = (server.rss_bytes().saturating_sub(before)) / COUNT as u64;
    println!("idle connections: {each} bytes of RSS each, working client at most {longest:?}");
    assert!(each < 4096, "an idle connection takes {each} bytes");
    // The oldest, the newest and one between still work.
    for index in [0, COUNT / 2, COUNT - 1] {
        idle[index].write_all(b"PING\r\n").unwrap();
        let mut reply = [0; 7];
        idle[index].read_exact(&mut reply).unwrap();
        assert_eq!(&reply, b"+PONG\r\n");
    }
    let closing = beside_a_working_client(&server, || {
        drop(idle);
        wait::until("all are gone", LIMIT, || clients_connected(&server) < 10);
    });
    println!("closing them: working client at most {closing:?}");
}

/// Writes until the server takes no more or closes; how many bytes it took.
fn push_until_stuck(stream: &mut TcpStream, bytes: &[u8], most: u64) -> u64 {
    stream.set_write_timeout(Some(Duration::from_millis(700))).unwrap();
    let mut sent = 0;
    while sent < most {
        match stream.write(bytes) {
            Ok(0) => break,
            Ok(count) => sent += count as u64,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    sent
}

#[test]
fn a_client_that_never_reads() {
    let server = start_node!(&[]);
    let value = vec![b'x'; 1 << 20];
    assert_eq!(server.connect().call(&[b"SET", &b"big"[..], &value]).unwrap().text(), "OK");
    let before = server.rss_bytes();
    let mut peak = 0;
    // 64 Ki requests whose replies are 64 GiB.
    let requests = encode(&["GET", "big"]).repeat(1024);
    let longest = beside_a_working_client(&server, || {
        let mut deaf = TcpStream::connect(server.address()).unwrap();
        for _ in 0..8 {
            push_until_stuck(&mut deaf, &requests, 8 * requests.len() as u64);
            peak = peak.max(server.rss_bytes());
        }
    });
    let grown = peak.saturating_sub(before) / MIB;
    println!("a deaf client: {grown} MiB more at the peak, working client at most {longest:?}");
    assert!(grown < 300, "replies that nobody reads take {grown} MiB");
    wait::until("its memory comes back", LIMIT, || server.rss_bytes() < before + 100 * MIB);
}

#[test]
fn the_output_limit_closes_a_client_that_never_reads() {
    let server = start_node!(&[]);
    let mut admin = server.connect();
    let set =
        admin.call(&["CONFIG", "SET", "client-output-buffer-limit", "normal 4mb 0 0"]).unwrap();
    assert_eq!(set.text(), "OK");
    // More than the limit and the kernel's buffers together: one reply, since many would only make the node stop reading.
    let len = 64 << 20;
    assert_eq!(admin.call(&[b"SET", &b"big"[..], &vec![b'x'; len]]).unwrap().text(), "OK");
    let mut deaf = server.connect();
    deaf.send(&encode(&["GET", "big"])).unwrap();
    wait::until("it is closed", LIMIT, || clients_connected(&server) <= 2);
    assert!(deaf.read_to_end().unwrap_or_default().is_empty(), "some of the reply came");
    // Many replies in one, the whole of which would be 64 GiB: in one command, and in a transaction, which runs to its end.
    let before = server.rss_bytes();
    for transaction in [false, true] {
        let mut client = server.connect();
        let requests = match transaction {
            false => encode(&[vec!["MGET"], vec!["big"; 1024]].concat()),
            true => {
                let gets = encode(&["GET", "big"]).repeat(1024);
                [encode(&["MULTI"]), gets, encode(&["SET", "done", "1"]), encode(&["EXEC"])]
                    .concat()
            }
        };
        client.send(&requests).unwrap();
        wait::until("it is closed", LIMIT, || clients_connected(&server) <= 2);
        let grown = server.rss_bytes().saturating_sub(before) / MIB;
        assert!(grown < 50, "a reply that is not sent takes {grown} MiB");
        drop(client);
    }
    assert_eq!(admin.run("GET done").text(), "1");
}

/// A subscriber that does not read is cut at the limit of its class; those who read miss nothing.
#[test]
fn a_subscriber_that_never_reads_is_cut() {
    let options = ["--client-output-buffer-limit", "pubsub 2mb 0 0", "--workers", "2"];
    let server = start_node!(&options);
    let message = "x".repeat(64 * 1024);
    let mut deaf: Vec<Connection> = (0..2).map(|_| server.connect()).collect();
    let mut listening: Vec<Connection> = (0..2).map(|_| server.connect()).collect();
    for connection in deaf.iter_mut().chain(&mut listening) {
        connection.run("SUBSCRIBE news");
    }
    let mut publisher = server.connect();
    let mut sent = 0;
    wait::until("who does not read is cut", Duration::from_secs(60), || {
        publisher.call(&["PUBLISH", "news", &message]).unwrap();
        sent += 1;
        for connection in &mut listening {
            let push = Value::parse(&connection.read_reply().unwrap()).unwrap();
            assert_eq!(push.items()[2].text().len(), message.len());
        }
        publisher.run("PUBSUB NUMSUB news").items()[1].integer() == Some(2)
    });
    // The kernel's buffers hold some megabytes besides.
    assert!(sent > 32, "cut after {sent} messages");
    let stats = publisher.run("INFO stats").text();
    assert!(stats.contains("client_output_buffer_limit_disconnections:2"), "{stats}");
    for connection in &mut deaf {
        // What it did not read is there, and then the end.
        let _ = connection.read_to_end();
    }
    assert_eq!(publisher.run("PUBLISH news last").integer(), Some(2));
}

/// News that its worker has no room for become one, that everything may have changed. And a client that goes tracks no more.
#[test]
fn a_client_that_tracks_hears_that_news_were_lost() {
    // With one worker nothing is handed out while the writer's command runs.
    let server = start_node!(&["--workers", "1"]);
    let (mut reader, mut writer) = (server.connect(), server.connect());
    reader.run("HELLO 3");
    assert_eq!(reader.run("CLIENT TRACKING ON").text(), "OK");
    let keys: Vec<String> =
        (10..80).map(|number| format!("{number}{}", "k".repeat(MIB as usize))).collect();
    let read: Vec<&str> = ["MGET"].into_iter().chain(keys.iter().map(String::as_str)).collect();
    assert_eq!(reader.call(&read).unwrap().items().len(), keys.len());
    let pairs = keys.iter().flat_map(|key| [key.as_str(), "value"]);
    let write: Vec<&str> = ["MSET"].into_iter().chain(pairs).collect();
    assert_eq!(writer.call(&write).unwrap().text(), "OK");
    // What fits comes first.
    let mut told = 0;
    while reader.read_reply().unwrap() != b">2\r\n$10\r\ninvalidate\r\n_\r\n" {
        told += 1;
    }
    assert!(told < keys.len(), "all of it was told");
    assert!(writer.run("INFO clients").text().contains("tracking_clients:1\r\n"));
    drop(reader);
    wait::until("nobody tracks", LIMIT, || {
        writer.run("INFO clients").text().contains("tracking_clients:0\r\n")
    });
}

#[test]
fn byte_by_byte() {
    let server = start_node!(&[]);
    let longest = beside_a_working_client(&server, || {
        let mut connection = server.connect();
        let request = [
            encode(&["SET", "slow", "a\r\nb"]),
            encode(&["GET", "slow"]),
            b"ECHO 'in line'\r\n".to_vec(),
            encode(&["INCRBY", "slow", "x"]),
        ]
        .concat();
        for _ in 0..20 {
            request.iter().for_each(|byte| connection.send(&[*byte]).unwrap());
            let replies: Vec<u8> = (0..4).flat_map(|_| connection.read_reply().unwrap()).collect();
            let expected = b"+OK\r\n$4\r\na\r\nb\r\n$7\r\nin line\r\n-ERR value is not an integer or out of range\r\n";
            assert_eq!(replies, expected);
        }
    });
    println!("byte by byte: working client at most {longest:?}");
}

#[test]
fn half_closed_connections_get_their_replies() {
    let server = start_node!(&[]);
    beside_a_working_client(&server, || {
        for count in [1, 10, 1000] {
            let mut connection = server.connect();
            connection.send(&encode(&["PING"]).repeat(count)).unwrap();
            connection.finish_sending().unwrap();
            assert_eq!(connection.read_to_end().unwrap(), b"+PONG\r\n".repeat(count));
        }
        // Half a request, then nothing more: closed without a word.
        let mut connection = server.connect();
        connection.send(b"*2\r\n$4\r\nECHO\r\n$5\r\nhal").unwrap();
        connection.finish_sending().unwrap();
        assert_eq!(connection.read_to_end().unwrap(), b"");
    });
    wait::until("they are gone", LIMIT, || clients_connected(&server) <= 2);
}

fn reset(address: SocketAddr, request: &[u8]) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.connect(&address.into()).unwrap();
    // Lingering for no time makes the close a reset.
    socket.set_linger(Some(Duration::ZERO)).unwrap();
    let _ = socket.send(request);
}

#[test]
fn reset_connections() {
    let server = start_node!(&[]);
    let big =
        [encode(&[b"SET", &b"r"[..], &[b'x'; 100_000]]), encode(&["GET", "r"]).repeat(50)].concat();
    let longest = beside_a_working_client(&server, || {
        for _ in 0..300 {
            for request in [&b""[..], b"PING\r\n", b"*2\r\n$4\r\nECHO\r\n$100\r\nabc", &big] {
                reset(server.address(), request);
            }
        }
    });
    println!("resets: working client at most {longest:?}");
    wait::until("they are gone", LIMIT, || clients_connected(&server) <= 2);
}

#[test]
fn declared_sizes_allocate_nothing() {
    let server = start_node!(&[]);
    let before = server.rss_bytes();
    let cases: [(&[u8], &[u8]); 6] = [
        (b"*1\r\n$536870913\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
        (b"*2147483648\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
        (b"*1\r\n$99999999999999999999\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
        (b"*1\r\n$-5\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
        (b"*1\r\nPING\r\n", b"-ERR Protocol error: expected '$', got 'P'\r\n"),
        (b"GET \"x\r\n", b"-ERR Protocol error: unbalanced quotes in request\r\n"),
    ];
    beside_a_working_client(&server, || {
        for (request, expected) in cases {
            let mut connection = server.connect();
            connection.send(request).unwrap();
            assert_eq!(connection.read_to_end().unwrap(), expected, "{request:?}");
        }
        // Allowed sizes that never come: many clients declare the most and send nothing.
        let mut waiting = Vec::new();
        for _ in 0..100 {
            let mut connection = server.connect();
            connection.send(b"*1048576\r\n$536870912\r\nabc").unwrap();
            waiting.push(connection);
        }
        wait::until("all are accepted", LIMIT, || clients_connected(&server) >= 100);
        let grown = server.rss_bytes().saturating_sub(before) / MIB;
        assert!(grown < 64, "declarations took {grown} MiB");
    });
}

#[test]
fn before_authentication_requests_are_small() {
    let server = start_node!(&["--requirepass", "secret"]);
    let cases: [(&[u8], &[u8]); 3] = [
        (b"*11\r\n", b"-ERR Protocol error: unauthenticated multibulk length\r\n"),
        (b"*1\r\n$16385\r\n", b"-ERR Protocol error: unauthenticated bulk length\r\n"),
        (b"GET k\r\nAUTH wrong\r\nAUTH secret\r\nPING\r\nQUIT\r\n", b"-NOAUTH Authentication required.\r\n-WRONGPASS invalid username-password pair or user is disabled.\r\n+OK\r\n+PONG\r\n+OK\r\n"),
    ];
    for (request, expected) in cases {
        let mut connection = server.connect();
        connection.send(request).unwrap();
        let reply = connection.read_to_end().unwrap();
        assert_eq!(String::from_utf8_lossy(&reply), String::from_utf8_lossy(expected));
    }
}

#[test]
fn an_endless_line_is_refused() {
    let server = start_node!(&[]);
    beside_a_working_client(&server, || {
        for line in [&b"x"[..], b"*1", b"*1\r\n$1"] {
            let mut stream = TcpStream::connect(server.address()).unwrap();
            stream.set_read_timeout(Some(LIMIT)).unwrap();
            let _ = stream.write_all(line);
            push_until_stuck(&mut stream, &[b'1'; 4096], 256 * 1024);
            // The close may overtake the reply; what comes before it must be the refusal.
            let mut reply = Vec::new();
            let _ = stream.read_to_end(&mut reply);
            assert!(reply.is_empty() || reply.starts_with(b"-ERR Protocol error: "), "{reply:?}");
        }
    });
    wait::until("they are gone", LIMIT, || clients_connected(&server) <= 2);
}

#[test]
fn random_bytes() {
    let seed = std::env::var("TORC_TEST_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(7);
    let mut rng = fastrand::Rng::with_seed(seed);
    println!("random bytes: TORC_TEST_SEED={seed}");
    let server = start_node!(&[]);
    let alphabet = b"*$:+-\r\n0123456789 \"'\\xGETSETPING\x00\xff";
    let longest = beside_a_working_client(&server, || {
        for round in 0..600 {
            let mut connection = server.connect();
            let len = rng.usize(1..2000);
            let mut bytes: Vec<u8> = (0..len)
                .map(|_| {
                    if round % 2 == 0 { rng.u8(..) } else { alphabet[rng.usize(..alphabet.len())] }
                })
                .collect();
            if round % 3 == 0 {
                let whole = encode(&[&b"SET"[..], b"garbage", &bytes]);
                bytes = whole;
                let at = rng.usize(..bytes.len());
                bytes[at] = rng.u8(..);
            }
            // It may close while we still send.
            let _ = connection.send(&bytes);
            let _ = connection.finish_sending();
            let ended = connection.read_to_end();
            assert!(
                !matches!(&ended, Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)),
                "round {round} hangs"
            );
        }
    });
    println!("random bytes: working client at most {longest:?}");
    wait::until("they are gone", LIMIT, || clients_connected(&server) <= 2);
}

#[test]
fn too_many_clients() {
    let server = start_node!(&["--maxclients", "20"]);
    // The start's own look may still be counted.
    wait::until("the first are gone", LIMIT, || clients_connected(&server) <= 1);
    let mut held: Vec<Connection> = (0..20)
        .map(|_| {
            let mut connection = server.connect();
            assert_eq!(connection.run("PING").text(), "PONG");
            connection
        })
        .collect();
    let mut refused = server.connect();
    assert_eq!(refused.read_to_end().unwrap(), b"-ERR max number of clients reached\r\n");
    drop(held.pop());
    wait::until("a place is free again", LIMIT, || {
        server.connect().call(&["PING"]).is_ok_and(|reply| reply.text() == "PONG")
    });
    assert_eq!(held[0].run("PING").text(), "PONG");
}

#[test]
fn idle_clients_are_closed_after_the_timeout() {
    let server = start_node!(&["--timeout", "1"]);
    let mut idle = server.connect();
    let mut busy = server.connect();
    assert_eq!(idle.run("PING").text(), "PONG");
    let start = wait::now();
    let closed = std::thread::scope(|scope| {
        let reader = scope.spawn(|| idle.read_to_end().map(|_| start.elapsed()));
        while !reader.is_finished() {
            assert_eq!(busy.run("PING").text(), "PONG");
        }
        reader.join().unwrap().expect("a close")
    });
    assert!(closed >= Duration::from_millis(900) && closed < Duration::from_secs(6), "{closed:?}");
}

#[test]
fn keepalive_is_set_on_accepted_sockets() {
    let server = start_node!(&["--tcp-keepalive", "77"]);
    let mut connection = server.connect();
    connection.run("PING");
    // The kernel lists each socket with its timer; 02 is the keepalive timer (Documentation/networking/proc_net_tcp).
    let port = format!(":{:04X}", server.port());
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let timers: Vec<&str> = table
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|fields| fields[1].ends_with(&port) && fields[3] == "01")
        .map(|fields| fields[5])
        .collect();
    assert!(!timers.is_empty(), "the connection is listed");
    assert!(timers.iter().all(|timer| timer.starts_with("02:")), "timers {timers:?}");
}

#[test]
fn listening_wide_without_a_password_is_refused() {
    let binary = env!("CARGO_BIN_EXE_torc-node");
    let (status, said) =
        process::run_to_end(binary, &["--bind", "0.0.0.0", "--port", "6399"], LIMIT);
    assert!(!status.success(), "it ran: {said}");
    assert!(said.contains("protected-mode"), "it does not say what to do: {said}");
}

#[test]
fn wrong_settings_are_refused_with_reasons() {
    let binary = env!("CARGO_BIN_EXE_torc-node");
    let cases: [(&[&str], &[&str]); 4] = [
        (&["--maxmemory", "lots"], &["maxmemory", "lots"]),
        (&["--port", "70000"], &["port", "70000", "65535"]),
        (&["--maxmemory-policy", "nope"], &["maxmemory-policy", "nope", "allkeys-lru"]),
        (&["--no-such-setting", "1"], &["no-such-setting"]),
    ];
    for (arguments, words) in cases {
        let (status, said) = process::run_to_end(binary, arguments, LIMIT);
        assert!(!status.success(), "{arguments:?} was taken");
        for word in words {
            assert!(said.contains(word), "{arguments:?}: no `{word}` in: {said}");
        }
    }
}

#[test]
fn a_settings_file_is_read_and_its_faults_are_told_with_the_line() {
    let binary = env!("CARGO_BIN_EXE_torc-node");
    let dir = std::env::temp_dir().join(format!("torc-test-settings-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join("torc.toml");
    let file = path.to_str().unwrap();
    std::fs::write(&path, "maxmemory = \"64mb\"\ntimeout = 5\n").unwrap();
    let server = start_node!(&["--config", file]);
    assert_eq!(server.connect().run("CONFIG GET maxmemory").items()[1].text(), "67108864");
    drop(server);
    std::fs::write(&path, "timeout = 5\nmaxmemory-policy = \"nope\"\n").unwrap();
    let (status, said) = process::run_to_end(binary, &["--config", file], LIMIT);
    assert!(!status.success());
    let told = said.contains("nope") && said.contains("allkeys-lru");
    assert!(told && (said.contains(":2") || said.contains("line 2")), "{said}");
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn a_unix_socket_serves_too() {
    let dir = std::env::temp_dir().join(format!("torc-test-socket-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join("torc.sock");
    // What a killed process left behind must not stop the next start.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let mut server =
        start_node!(&["--unixsocket", path.to_str().unwrap(), "--unixsocketperm", "700"]);
    let mut connection = Connection::open_unix(&path).unwrap();
    assert_eq!(connection.run("SET k v").text(), "OK");
    assert_eq!(server.connect().run("GET k").text(), "v");
    assert!(UnixStream::connect(&path).is_ok());
    server.terminate();
    assert!(server.wait_exit(LIMIT).success());
    assert!(!path.exists(), "the socket's file stays behind");
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn termination_is_graceful() {
    let mut server = start_node!(&[]);
    let mut connection = server.connect();
    let count = 2000;
    let requests: Vec<u8> =
        (0..count).flat_map(|i: u32| encode(&["SET", &format!("k{i}"), "v"])).collect();
    connection.send(&requests).unwrap();
    assert_eq!(connection.read_reply().unwrap(), b"+OK\r\n");
    server.terminate();
    // What was taken in is answered to the last byte before the close.
    let rest = connection.read_to_end().unwrap();
    assert_eq!(rest.len() % 5, 0, "a reply was cut");
    assert!(rest.chunks(5).all(|reply| reply == b"+OK\r\n"));
    let status = server.wait_exit(LIMIT);
    assert_eq!(status.code(), Some(0), "{}", server.log());
    assert!(Connection::open(server.address()).is_err(), "the port is still open");
}

#[test]
fn shutdown_ends_the_process() {
    let mut server = start_node!(&[]);
    let mut connection = server.connect();
    connection.send(&encode(&["SHUTDOWN", "NOSAVE"])).unwrap();
    assert_eq!(connection.read_to_end().unwrap(), b"");
    assert_eq!(server.wait_exit(LIMIT).code(), Some(0));
}

#[test]
fn monitor_shows_what_others_run() {
    let server = start_node!(&[]);
    let mut monitor = server.connect();
    assert_eq!(monitor.run("MONITOR").text(), "OK");
    let mut other = server.connect();
    other.run("SELECT 3");
    other.call(&[&b"SET"[..], b"k\"", b"\x00\r\n"]).unwrap();
    other.call(&["AUTH", "secret"]).unwrap();
    let select = monitor.read_reply().unwrap();
    let set = String::from_utf8(monitor.read_reply().unwrap()).unwrap();
    assert!(select.ends_with(b"\"SELECT\" \"3\"\r\n"), "{select:?}");
    assert!(set.contains(" [3 127.0.0.1:"), "{set}");
    assert!(set.ends_with("] \"SET\" \"k\\\"\" \"\\x00\\r\\n\"\r\n"), "{set}");
}

#[test]
fn one_write_answers_a_pipeline() {
    let server = start_node!(&[]);
    let mut connection = server.connect();
    let mut requests = String::new();
    (0..10_000).for_each(|i| write!(requests, "SET key{i} {i}\r\nGET key{i}\r\n").unwrap());
    let replies = connection.pipeline(requests.as_bytes(), 20_000);
    for (i, pair) in replies.chunks(2).enumerate() {
        assert_eq!(pair[0], b"+OK\r\n");
        let text = i.to_string();
        assert_eq!(pair[1], format!("${}\r\n{text}\r\n", text.len()).into_bytes());
    }
}

#[test]
fn scan_returns_every_key_that_stays() {
    let server = start_node!(&[]);
    let mut connection = server.connect();
    let set = |i: usize, prefix: &str| encode(&["SET", &format!("{prefix}{i}"), "v"]);
    let load: Vec<u8> = (0..20_000).flat_map(|i| set(i, "stays")).collect();
    connection.pipeline(&load, 20_000);
    let mut other = server.connect();
    let (mut cursor, mut step) = (String::from("0"), 0);
    let mut seen = std::collections::BTreeSet::new();
    loop {
        let reply = connection.call(&["SCAN", &cursor, "COUNT", "100"]).unwrap();
        seen.extend(
            reply.items()[1].items().iter().map(Value::text).filter(|k| k.starts_with("stays")),
        );
        cursor = reply.items()[0].text();
        if cursor == "0" {
            break;
        }
        // The index grows and shrinks underneath.
        let churn: Vec<u8> = (step * 500..step * 500 + 500).flat_map(|i| set(i, "moves")).collect();
        other.pipeline(&churn, 500);
        if step % 20 == 19 {
            let gone: Vec<u8> =
                (0..step * 500).flat_map(|i| encode(&["DEL", &format!("moves{i}")])).collect();
            other.pipeline(&gone, step * 500);
        }
        step += 1;
        assert!(step < 5_000, "the scan does not end");
    }
    assert_eq!(seen.len(), 20_000, "keys were missed");
}
