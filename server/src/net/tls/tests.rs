//! The stream against a client of rustls over a pair of sockets: what a worker relies on when it treats it as any socket.

use super::*;
use crate::config::Settings;
use crate::security::tls::Tls;
use crate::security::tls::testing::{Authority, Folder};
use mio::event::Event;
use mio::{Events, Interest, Poll, Token};
use rustls::ClientConnection;
use std::net::{Shutdown, TcpListener};
use std::sync::Arc;

/// Both ends, their handshake done.
struct Ends {
    node: TlsStream,
    client: ClientConnection,
    socket: std::net::TcpStream,
}

impl Ends {
    /// Before a word was said.
    fn silent() -> Self {
        let (folder, authority) = (Folder::empty(), Authority::unknown());
        let pair = authority.node();
        let (cert, key) = (folder.write("cert", &pair.certificate), folder.write("key", &pair.key));
        let settings = Settings::default();
        let files = [("tls-cert-file", &*cert), ("tls-key-file", &*key)];
        settings.set(&files).unwrap();
        settings.set(&[("tls-auth-clients", "no")]).unwrap();
        let tls = Tls::default();
        tls.load(&settings).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        for socket in [&socket, &accepted] {
            socket.set_nonblocking(true).unwrap();
            socket.set_nodelay(true).unwrap();
        }
        let node = TlsStream::new(TcpStream::from_std(accepted), tls.accept().unwrap());
        let name = "localhost".try_into().unwrap();
        let config = Arc::new(authority.client_config(None));
        let client = ClientConnection::new(config, name).unwrap();
        Ends { node, client, socket }
    }

    fn new() -> Self {
        let mut ends = Ends::silent();
        while ends.client.is_handshaking() || ends.node.is_handshaking() {
            ends.send();
            let read = ends.node.read(&mut [0; 16]);
            assert_eq!(read.unwrap_err().kind(), io::ErrorKind::WouldBlock);
            ends.receive();
        }
        ends
    }

    /// Sends what the client has to say, as far as its socket takes it.
    fn send(&mut self) {
        while self.client.wants_write() {
            if self.client.write_tls(&mut self.socket).is_err() {
                return;
            }
        }
    }

    /// Returns what the client has received by now; `None` at the end of it.
    fn receive(&mut self) -> Option<Vec<u8>> {
        let mut received = Vec::new();
        loop {
            let read = self.client.read_tls(&mut self.socket);
            self.client.process_new_packets().unwrap();
            let mut part = [0; 1 << 15];
            loop {
                match self.client.reader().read(&mut part) {
                    Ok(0) => return None,
                    Ok(count) => received.extend_from_slice(&part[..count]),
                    Err(_) => break,
                }
            }
            if read.is_err() {
                return Some(received);
            }
        }
    }

    fn say(&mut self, bytes: &[u8]) {
        self.client.set_buffer_limit(None);
        self.client.writer().write_all(bytes).unwrap();
        self.send();
    }
}

/// As on loopback what was sent is there, but not at once.
fn read(node: &mut TlsStream, buffer: &mut [u8]) -> io::Result<Taken> {
    for _ in 0..1_000 {
        match node.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::yield_now(),
            read => return read,
        }
    }
    Err(io::ErrorKind::WouldBlock.into())
}

/// No event tells of what was decrypted already, so the reading does.
#[test]
fn what_finds_no_room_is_told_of() {
    let mut ends = Ends::new();
    let said: Vec<u8> = (0..5_000u32).map(|index| index as u8).collect();
    ends.say(&said);
    let mut heard = Vec::new();
    let mut buffer = [0; 900];
    while heard.len() < said.len() {
        let Taken { bytes, more } = read(&mut ends.node, &mut buffer).unwrap();
        heard.extend_from_slice(&buffer[..bytes]);
        assert_eq!(more, heard.len() < said.len(), "after {} bytes", heard.len());
    }
    assert_eq!(heard, said);
    let nothing = ends.node.read(&mut buffer).unwrap_err();
    assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
}

/// What is written counts once it has left, and nothing is sent twice or left out, whatever the socket takes at a time.
#[test]
fn what_is_written_counts_when_it_has_left() {
    let mut ends = Ends::new();
    let said: Vec<u8> = (0..20_000_000u32).map(|index| (index % 251) as u8).collect();
    let (mut sent, mut heard, mut full) = (0, Vec::new(), 0);
    while heard.len() < said.len() {
        if sent < said.len() {
            let taken = ends.node.write(&said[sent..]).unwrap();
            if sent + taken < said.len() {
                full += 1;
                assert!(ends.node.staged <= TLS_STAGED_BYTES && ends.node.session.wants_write());
            }
            sent += taken;
        }
        assert!(heard.len() <= sent + TLS_STAGED_BYTES);
        heard.extend(ends.receive().unwrap());
    }
    assert!(full > 1, "the socket was full {full} times");
    assert!(sent == said.len() && heard == said);
}

#[test]
fn the_end_is_told_both_ways() {
    // The client says that it ends, and its last words are heard.
    let mut ends = Ends::new();
    ends.client.writer().write_all(b"last").unwrap();
    ends.client.send_close_notify();
    ends.send();
    let mut buffer = [0; 100];
    let taken = read(&mut ends.node, &mut buffer).unwrap();
    assert!(taken.bytes == 4 && taken.more);
    assert_eq!(ends.node.read(&mut buffer).unwrap().bytes, 0);
    // It may still be answered.
    assert_eq!(ends.node.write(b"answer").unwrap(), 6);
    while ends.receive().unwrap() != b"answer" {}

    // The client's socket ends without a word.
    let mut ends = Ends::new();
    ends.say(b"last");
    ends.socket.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read(&mut ends.node, &mut buffer).unwrap().bytes, 4);
    assert_eq!(read(&mut ends.node, &mut buffer).unwrap().bytes, 0);

    // The node goes, and says so.
    let Ends { node, client, socket } = Ends::new();
    drop(node);
    let mut ends = Ends { node: Ends::silent().node, client, socket };
    while ends.receive().is_some() {}
}

#[test]
fn who_does_not_speak_tls_is_told_in_its_words_and_refused() {
    for said in [&b"PING\r\n"[..], &[0x16, 3, 1, 0, 5, 1, 2, 3, 4, 5], &[0xff; 5_000]] {
        let mut ends = Ends::silent();
        (&ends.socket).write_all(said).unwrap();
        let error = read(&mut ends.node, &mut [0; 100]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        let error = ends.node.read(&mut [0; 100]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "and stays refused");
        assert_eq!(ends.node.write(b"-ERR\r\n").unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(ends.node);
        let mut alert = Vec::new();
        ends.socket.set_nonblocking(false).unwrap();
        // What it sent and nobody read makes its end a reset, perhaps.
        let _ = ends.socket.read_to_end(&mut alert);
        assert!(alert.is_empty() || alert[0] == 0x15, "an alert: {alert:?}");
    }
}

/// Words in the middle of which somebody else speaks: what came before is heard, then the connection is refused.
#[test]
fn what_came_before_garbage_is_heard() {
    let mut ends = Ends::new();
    ends.say(b"good");
    (&ends.socket).write_all(&[0x17, 3, 3, 0, 20]).unwrap();
    (&ends.socket).write_all(&[7; 20]).unwrap();
    let mut heard = Vec::new();
    let error = loop {
        let mut buffer = [0; 100];
        match read(&mut ends.node, &mut buffer) {
            Ok(taken) => heard.extend_from_slice(&buffer[..taken.bytes]),
            Err(error) => break error,
        }
    };
    assert_eq!((heard.as_slice(), error.kind()), (&b"good"[..], io::ErrorKind::InvalidData));
}

/// A client broke off in the middle of a record: one event told of both, the reading that took the bytes said that there was nothing more, and the end was never read.
#[test]
fn an_end_behind_half_a_record_is_seen_in_the_same_reading() {
    let mut ends = Ends::new();
    (&ends.socket).write_all(&[0x17, 3, 3, 1, 0, 7]).unwrap();
    ends.socket.shutdown(Shutdown::Write).unwrap();
    let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(1));
    poll.registry().register(ends.node.socket(), Token(0), Interest::READABLE).unwrap();
    while !events.iter().any(Event::is_read_closed) {
        poll.poll(&mut events, None).unwrap();
    }
    let taken = ends.node.read(&mut [0; 100]).unwrap();
    assert!(taken.bytes == 0 && taken.more);
}

/// New keys for either direction, in between and often, change nothing for either side.
#[test]
fn keys_may_change_while_both_talk() {
    let mut ends = Ends::new();
    let mut buffer = [0; 100];
    for round in 0..50u8 {
        ends.client.refresh_traffic_keys().unwrap();
        ends.say(&[round; 10]);
        assert_eq!(read(&mut ends.node, &mut buffer).unwrap().bytes, 10);
        assert_eq!(buffer[..10], [round; 10]);
        if round % 3 == 0 {
            ends.node.session.refresh_traffic_keys().unwrap();
        }
        assert_eq!(ends.node.write(&[round; 20]).unwrap(), 20);
        let mut heard = Vec::new();
        while heard.len() < 20 {
            heard.extend(ends.receive().unwrap());
        }
        assert_eq!(heard, [round; 20]);
    }
}
