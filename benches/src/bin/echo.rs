//! The floor beneath every server on mio: it answers each request with the same reply and does nothing else. `echo PORT THREADS [BYTES]` answers a string of so many
//! bytes, or else `+OK`; connections go to its threads in turn.
//!
//! Its turns are those of Torc's workers: a thread has one poll, readiness reported at its edges, reads into one buffer of the same size, and one write for all that
//! a readable socket brought. Of a request it finds the end, and no more; replies lie ready. So what another server takes beyond it is the price of what that one does.

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use std::collections::HashMap;
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use torc_server::base::limits::READ_BUFFER_BYTES;

const LISTENER: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);
const EVENTS_MAX: usize = 1024;
/// Replies that one write can hold, at least: those of the longest pipeline that is measured.
const REPLIES_MIN: usize = 64;

/// A request that breaks the protocol.
#[derive(Debug, PartialEq)]
struct Malformed;

struct Client {
    stream: TcpStream,
    /// The beginning of a request.
    unfinished: Vec<u8>,
    /// Bytes of replies that the socket has not taken. Nothing is read meanwhile, so they stay few.
    unsent: usize,
}

/// One reply many times over, so that any number of them is written without being put together first.
struct Replies {
    bytes: Vec<u8>,
    /// Of one.
    length: usize,
}

impl Replies {
    fn new(reply: &[u8]) -> Replies {
        let count = REPLIES_MIN.max(READ_BUFFER_BYTES / reply.len());
        Replies { bytes: reply.repeat(count), length: reply.len() }
    }

    /// What comes next where `unsent` bytes are still to be sent, or as much of it as there is at once.
    fn next(&self, unsent: usize) -> &[u8] {
        let begun = (self.length - unsent % self.length) % self.length;
        &self.bytes[begun..self.bytes.len().min(begun + unsent)]
    }
}

impl Client {
    /// Answers what there is to read. Returns whether the connection goes on.
    fn on_event(&mut self, buffer: &mut [u8], replies: &Replies) -> bool {
        while self.send(replies) {
            if self.unsent > 0 {
                // An event tells when the socket takes more.
                return true;
            }
            match self.stream.read(buffer) {
                Ok(0) => return false,
                Ok(read) => {
                    let Ok(requests) = self.take(&buffer[..read]) else { return false };
                    self.unsent = requests * replies.length;
                    if read < buffer.len() {
                        return self.send(replies);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
        }
        false
    }

    /// How many requests `bytes` complete; what is left of them waits in `unfinished`.
    fn take(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        if self.unfinished.is_empty() {
            let (requests, end) = whole_requests(bytes)?;
            self.unfinished.extend_from_slice(&bytes[end..]);
            return Ok(requests);
        }
        self.unfinished.extend_from_slice(bytes);
        let (requests, end) = whole_requests(&self.unfinished)?;
        self.unfinished.drain(..end);
        Ok(requests)
    }

    /// Writes what the socket takes. Returns whether the connection goes on.
    fn send(&mut self, replies: &Replies) -> bool {
        while self.unsent > 0 {
            match self.stream.write(replies.next(self.unsent)) {
                Ok(written) => self.unsent -= written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
        }
        true
    }
}

/// How many whole requests `bytes` begin with, and where the last of them ends.
fn whole_requests(bytes: &[u8]) -> Result<(usize, usize), Malformed> {
    let (mut requests, mut end) = (0, 0);
    while let Some(length) = request_length(&bytes[end..])? {
        requests += 1;
        end += length;
    }
    Ok((requests, end))
}

/// The length of the request that `bytes` begin with, or `None` if it is not all there.
fn request_length(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    let Some((words, mut at)) = header(bytes, b'*')? else { return Ok(None) };
    for _ in 0..words {
        let Some((length, header)) = header(&bytes[at..], b'$')? else { return Ok(None) };
        at += header + length + 2;
        if at > bytes.len() {
            return Ok(None);
        }
    }
    Ok(Some(at))
}

/// The number behind `mark`, and the length of the line, or `None` if it is not all there.
fn header(bytes: &[u8], mark: u8) -> Result<Option<(usize, usize)>, Malformed> {
    let mut number = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            _ if at == 0 && byte == mark => {}
            b'0'..=b'9' if (1..10).contains(&at) => number = number * 10 + usize::from(byte - b'0'),
            b'\r' if at > 1 => return Ok((bytes.len() > at + 1).then_some((number, at + 2))),
            _ => return Err(Malformed),
        }
    }
    Ok(None)
}

/// Where a thread's connections come from.
struct Intake {
    streams: Sender<TcpStream>,
    waker: Waker,
}

/// Serves what arrives, for ever.
fn serve(mut poll: Poll, arrived: &Receiver<TcpStream>, replies: &Replies) -> io::Result<()> {
    let mut events = Events::with_capacity(EVENTS_MAX);
    let mut buffer = vec![0; READ_BUFFER_BYTES];
    let mut clients = HashMap::new();
    let mut next = 0;
    loop {
        wait(&mut poll, &mut events)?;
        for event in &events {
            if event.token() == WAKER {
                for mut stream in arrived.try_iter() {
                    stream.set_nodelay(true)?;
                    let both = Interest::READABLE | Interest::WRITABLE;
                    poll.registry().register(&mut stream, Token(next), both)?;
                    let client = Client { stream, unfinished: Vec::new(), unsent: 0 };
                    clients.insert(Token(next), client);
                    next += 1;
                }
            } else if let Some(client) = clients.get_mut(&event.token())
                && !client.on_event(&mut buffer, replies)
            {
                clients.remove(&event.token());
            }
        }
    }
}

/// Hands connections to the threads in turn, for ever.
fn accept(address: SocketAddr, threads: &[Intake]) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(address)?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(EVENTS_MAX);
    let mut turns = threads.iter().cycle();
    loop {
        wait(&mut poll, &mut events)?;
        while let Ok((stream, _)) = listener.accept() {
            let Some(thread) = turns.next() else { return Ok(()) };
            thread.streams.send(stream).map_err(io::Error::other)?;
            thread.waker.wake()?;
        }
    }
}

fn wait(poll: &mut Poll, events: &mut Events) -> io::Result<()> {
    match poll.poll(events, None) {
        Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
        _ => Ok(()),
    }
}

fn main() -> io::Result<()> {
    let numbers: Vec<usize> =
        std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let (port, threads, reply) = match numbers[..] {
        [port, threads] => (port, threads, String::from("+OK\r\n")),
        [port, threads, bytes] => (port, threads, format!("${bytes}\r\n{}\r\n", "v".repeat(bytes))),
        _ => return Err(io::Error::other("echo PORT THREADS [BYTES]")),
    };
    let port = u16::try_from(port).map_err(io::Error::other)?;
    let start = |_| {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let (streams, arrived) = channel();
        let replies = Replies::new(reply.as_bytes());
        thread::spawn(move || serve(poll, &arrived, &replies));
        Ok(Intake { streams, waker })
    };
    let threads: Vec<Intake> = (0..threads).map(start).collect::<io::Result<_>>()?;
    accept(SocketAddr::from(([127, 0, 0, 1], port)), &threads)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_requests() {
        let get = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
        assert_eq!(request_length(get), Ok(Some(get.len())));
        for end in 0..get.len() {
            assert_eq!(request_length(&get[..end]), Ok(None), "{end}");
        }
        let two = [&get[..], get, b"*1\r"].concat();
        assert_eq!(whole_requests(&two), Ok((2, 2 * get.len())));
    }

    #[test]
    fn replies_go_on_where_they_stopped() {
        let replies = Replies::new(b"+OK\r\n");
        assert_eq!(replies.next(10), b"+OK\r\n+OK\r\n");
        assert_eq!(replies.next(7), b"\r\n+OK\r\n");
        let many = 3 * READ_BUFFER_BYTES;
        assert_eq!(replies.next(many).len(), replies.bytes.len() - (5 - many % 5) % 5);
    }

    #[test]
    fn what_is_no_request() {
        for bytes in ["GET k\r\n", "*\r\n", "*1\r\n:3\r\n", "*-1\r\n", "*9999999999"] {
            assert_eq!(whole_requests(bytes.as_bytes()), Err(Malformed), "{bytes}");
        }
    }
}
