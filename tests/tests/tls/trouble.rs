//! Who speaks TLS badly, slowly or not at all is closed and counted; the others notice nothing.

use super::{LIMIT, Node, ok};
use socket2::SockRef;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;
use torc_tests::resp::encode;
use torc_tests::{beside, tls, wait};

impl Node {
    fn dial(&self) -> TcpStream {
        let stream =
            TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream
    }

    /// As [`beside::a_working_client`], with one that came by TLS.
    fn beside_a_working_client(&self, trouble: impl FnOnce()) {
        beside::a_working_client(|| self.open(), trouble);
    }

    fn failed(&self) -> u64 {
        self.info("stats", "torc_tls_handshakes_failed")
    }

    fn clients(&self) -> u64 {
        self.info("clients", "connected_clients")
    }
}

/// What comes until the end, however that comes.
fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    match stream.read_to_end(&mut said) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("still open: {error}"),
        _ => said,
    }
}

#[test]
fn who_does_not_speak_tls_is_closed_at_once() {
    let node = Node::start("no", &[]);
    let garbage: Vec<u8> = (0..100_000u32).map(|index| (index * 31 + 7) as u8).collect();
    let said: [&[u8]; 5] = [
        b"PING\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        &garbage,
        &[0x16; 20_000],
    ];
    node.beside_a_working_client(|| {
        for said in said {
            let mut stream = node.dial();
            // It may be closed before all is sent.
            let _ = stream.write_all(said);
            let answer = rest(&mut stream);
            // An alert, or nothing where its end was a reset.
            assert!(answer.is_empty() || answer[0] == 0x15, "{}", answer.escape_ascii());
        }
    });
    assert_eq!(node.failed(), said.len() as u64);
    wait::until("they are gone", LIMIT, || node.clients() == 1);
}

/// A client that never ends its handshake, or takes a byte at a time over it, is closed after ten seconds; one that is only idle afterwards is not.
#[test]
fn handshakes_end_in_time() {
    let node = Node::start("no", &[]);
    let mut idle = node.open();
    node.beside_a_working_client(|| {
        let start = wait::now();
        let (mut silent, mut slow) = (node.dial(), node.dial());
        let mut hello = Vec::new();
        let mut session = tls::connect(node.port, &node.config).unwrap();
        session.conn.write_tls(&mut hello).unwrap();
        let mut bytes = hello.iter();
        slow.set_nodelay(true).unwrap();
        slow.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let ended = wait::holds_within(LIMIT, || {
            let sent = bytes.next().is_none_or(|&byte| slow.write_all(&[byte]).is_ok());
            !sent || slow.read(&mut [0]).is_ok_and(|read| read == 0)
        });
        assert!(ended && bytes.len() > 0, "{} bytes were never asked for", bytes.len());
        assert!(rest(&mut silent).len() < 100);
        let took = start.elapsed();
        assert!(took > Duration::from_secs(9) && took < Duration::from_secs(18), "{took:?}");
    });
    assert_eq!(idle.run("PING").text(), "PONG");
    wait::until("both are counted", LIMIT, || node.failed() >= 2);
}

/// A client that takes little at a time, of a node that has much to show.
#[test]
fn a_long_chain_reaches_a_client_with_little_room() {
    let node = Node::start("no", &[]);
    let own = std::fs::read_to_string(node.keys.file("node.pem")).unwrap();
    // As long as a message of a handshake may be, nearly.
    let chain = own + &node.keys.authority.certificate.repeat(160);
    let chain = node.keys.write("chain.pem", &chain);
    let set = node.server.connect().call(&["CONFIG", "SET", "tls-cert-file", &chain]);
    assert_eq!(set.unwrap(), ok());
    let mut stream = tls::connect_with_room(node.port, &node.config, 2048).unwrap();
    stream.write_all(b"PING\r\n").unwrap();
    let mut said = [0; 7];
    stream.read_exact(&mut said).unwrap();
    assert_eq!(&said, b"+PONG\r\n");
    let shown = stream.conn.peer_certificates().unwrap();
    let bytes: usize = shown.iter().map(|certificate| certificate.len()).sum();
    assert!(shown.len() == 161 && bytes > 50_000, "{bytes} bytes");
}

/// Connections that break off: in the middle of the handshake, of a record, of a request, of a reply.
#[test]
fn who_breaks_off_leaves_nothing_behind() {
    let node = Node::start("no", &[]);
    node.server.connect().call(&["SETRANGE", "big", "10000000", "x"]).unwrap();
    node.beside_a_working_client(|| {
        for round in 0..200 {
            let mut stream = tls::connect(node.port, &node.config).unwrap();
            let mut hello = Vec::new();
            if round % 4 == 0 {
                stream.conn.write_tls(&mut hello).unwrap();
                stream.sock.write_all(&hello[..hello.len() / (1 + round % 3)]).unwrap();
            } else {
                stream.conn.complete_io(&mut stream.sock).unwrap();
                let request = encode(&["GET", "big"]);
                match round % 4 {
                    1 => stream.sock.write_all(&[0x17, 3, 3, 1, 0, 7]).unwrap(),
                    2 => stream.write_all(&request[..request.len() / 2]).unwrap(),
                    _ => {
                        stream.write_all(&request).unwrap();
                        stream.read_exact(&mut [0; 10]).unwrap();
                    }
                }
            }
            if round % 2 == 0 {
                SockRef::from(&stream.sock).set_linger(Some(Duration::ZERO)).unwrap();
            }
        }
    });
    wait::until("they are gone", LIMIT, || node.clients() == 1);
    let before = node.server.rss_bytes();
    assert!(before < 120 << 20, "{before} bytes");
}

#[test]
fn what_was_asked_before_the_end_is_answered() {
    let node = Node::start("no", &[]);
    let mut stream = tls::connect(node.port, &node.config).unwrap();
    stream.write_all(b"PING\r\nECHO last\r\n").unwrap();
    stream.conn.send_close_notify();
    stream.conn.complete_io(&mut stream.sock).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    assert_eq!(said, "+PONG\r\n$4\r\nlast\r\n");

    // By its socket alone, as a program ends that is killed.
    let mut stream = tls::connect(node.port, &node.config).unwrap();
    stream.write_all(b"PING\r\nECHO last\r\n").unwrap();
    stream.sock.shutdown(std::net::Shutdown::Write).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    assert_eq!(said, "+PONG\r\n$4\r\nlast\r\n");
}

/// Replies that nobody reads are bounded as on the plain port, and count against `client-output-buffer-limit`.
#[test]
fn who_never_reads_costs_no_more_than_by_the_plain_port() {
    let node = Node::start("no", &[]);
    let value = vec![b'x'; 1 << 20];
    let mut admin = node.server.connect();
    admin.call(&[b"SET", &b"big"[..], &value]).unwrap();
    let before = node.server.rss_bytes();
    let requests = encode(&["GET", "big"]).repeat(1024);
    let mut peak = 0;
    let mut deaf = tls::connect(node.port, &node.config).unwrap();
    node.beside_a_working_client(|| {
        deaf.sock.set_write_timeout(Some(Duration::from_millis(700))).unwrap();
        for _ in 0..8 {
            let _ = deaf.write_all(&requests);
            peak = peak.max(node.server.rss_bytes());
        }
    });
    let grown = peak.saturating_sub(before) >> 20;
    assert!(grown < 300, "replies that nobody reads take {grown} MiB");
    // Under a limit it is closed.
    let limit = ["CONFIG", "SET", "client-output-buffer-limit", "normal 4mb 0 0"];
    assert_eq!(admin.call(&limit).unwrap(), ok());
    assert_eq!(
        admin.call(&["SETRANGE", "big", "64000000", "x"]).unwrap().integer(),
        Some(64_000_001)
    );
    let mut cut = tls::connect(node.port, &node.config).unwrap();
    cut.write_all(&encode(&["GET", "big"])).unwrap();
    let closed = || node.info("stats", "client_output_buffer_limit_disconnections") >= 1;
    wait::until("it is closed", LIMIT, closed);
    let mut said = Vec::new();
    let _ = cut.read_to_end(&mut said);
    assert!(said.len() < 64_000_000, "the whole reply came");
}

#[test]
fn connections_come_and_go_by_the_thousand() {
    const COUNT: usize = 2_000;
    let node = Node::start("no", &[]);
    for _ in 0..100 {
        assert_eq!(node.open().run("PING").text(), "PONG");
    }
    let before = node.server.rss_bytes();
    node.beside_a_working_client(|| {
        for index in 0..COUNT {
            assert_eq!(node.open().run("PING").text(), "PONG", "{index}");
        }
    });
    wait::until("they are gone", LIMIT, || node.clients() == 1);
    let grown = node.server.rss_bytes().saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes more");
    assert_eq!(node.failed(), 0);

    let mut idle = Vec::new();
    let before = node.server.rss_bytes();
    idle.extend((0..500).map(|_| node.open()));
    let each = node.server.rss_bytes().saturating_sub(before) / 500;
    println!("idle connections by TLS: {each} bytes of RSS each");
    assert!(each < 64 << 10, "an idle connection takes {each} bytes");
}
