//! HTTP for those who watch the node: figures for Prometheus, and whether it lives and is ready for Kubernetes and its like.
//!
//! One thread answers one request a connection, one after the other: who asks does so every few seconds. Each connection has
//! [`PATIENCE`] for its request and as long for its reply, so that one which dawdles holds the others up no longer than that.

use super::StartError;
use super::listener::listen_at;
use crate::admin::Instance;
use crate::admin::metrics::{CONTENT_TYPE, Metrics, is_ready};
use crate::config::Settings;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

/// How long a request, and how long its reply, may take to come through.
const PATIENCE: Duration = Duration::from_secs(1);
/// Bytes of a request at most; none has a body.
const REQUEST_BYTES_MAX: usize = 8 * 1024;
/// Headers of a request at most.
const HEADER_COUNT_MAX: usize = 64;
/// Connections that the kernel queues.
const BACKLOG: i32 = 16;
const WAKE: Token = Token(usize::MAX);
/// When to try again where the system refused a connection that waits.
const RETRY: Duration = Duration::from_secs(1);

/// Listens on `metrics-bind`; on no address where `metrics-port` is 0.
///
/// # Errors
/// An address that is not optional cannot be listened on.
pub(super) fn listen(settings: &Settings) -> Result<Vec<TcpListener>, StartError> {
    match settings.metrics_port() as u16 {
        0 => Ok(Vec::new()),
        port => listen_at(&settings.metrics_bind(), port, BACKLOG),
    }
}

/// The thread that answers.
pub(super) struct Http {
    instance: Arc<Instance>,
    metrics: Metrics,
    listeners: Vec<TcpListener>,
    poll: Poll,
    /// Kept, since a waker that is dropped takes along a wake-up which nobody has seen yet.
    _waker: Arc<Waker>,
}

impl Http {
    /// Answers on `listeners`. The waker has it look whether the node stops.
    ///
    /// # Errors
    /// The system refuses a poll.
    pub fn new(
        instance: &Arc<Instance>,
        mut listeners: Vec<TcpListener>,
    ) -> io::Result<(Self, Arc<Waker>)> {
        let poll = Poll::new()?;
        for (index, listener) in listeners.iter_mut().enumerate() {
            poll.registry().register(listener, Token(index), Interest::READABLE)?;
        }
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        let metrics = Metrics::of(Arc::clone(instance));
        let instance = Arc::clone(instance);
        Ok((Http { instance, metrics, listeners, poll, _waker: Arc::clone(&waker) }, waker))
    }

    /// Answers until the process is asked to stop.
    ///
    /// # Errors
    /// The poll fails, which means that the process is broken.
    pub fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(16);
        let mut refused = false;
        while !self.instance.is_shutdown_requested() {
            match self.poll.poll(&mut events, refused.then_some(RETRY)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => refused = !self.answer_all(),
            }
        }
        Ok(())
    }

    /// Answers whoever waits; returns whether nobody does any more.
    fn answer_all(&self) -> bool {
        self.listeners.iter().all(|listener| {
            loop {
                match listener.accept() {
                    // A client that goes away meanwhile wants no answer.
                    Ok((stream, _)) => drop(self.answer(stream.into())),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                    Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                    Err(error) => {
                        tracing::warn!(%error, "no connection for who watches the node");
                        return false;
                    }
                }
                if self.instance.is_shutdown_requested() {
                    return true;
                }
            }
        })
    }

    fn answer(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nonblocking(false)?;
        let mut bytes = [0; REQUEST_BYTES_MAX];
        let reply = match self.read(&mut stream, &mut bytes)? {
            Some(length) => self.reply(&bytes[..length]),
            None => Reply::text("431 Request Header Fields Too Large", "the request is too long\n"),
        };
        self.write(&mut stream, &reply.bytes())
    }

    /// Reads until the end of the head; its length, or none if it does not fit.
    fn read(&self, stream: &mut TcpStream, bytes: &mut [u8]) -> io::Result<Option<usize>> {
        let until = self.instance.clock.monotonic() + PATIENCE;
        let mut length = 0;
        while length < bytes.len() {
            stream.set_read_timeout(Some(self.left(until)?))?;
            match stream.read(&mut bytes[length..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => length += read,
            }
            let mut headers = [httparse::EMPTY_HEADER; HEADER_COUNT_MAX];
            let head = httparse::Request::new(&mut headers).parse(&bytes[..length]);
            if !matches!(head, Ok(httparse::Status::Partial)) {
                return Ok(Some(length));
            }
        }
        Ok(None)
    }

    fn write(&self, stream: &mut TcpStream, mut bytes: &[u8]) -> io::Result<()> {
        let until = self.instance.clock.monotonic() + PATIENCE;
        while !bytes.is_empty() {
            stream.set_write_timeout(Some(self.left(until)?))?;
            let written = stream.write(bytes)?;
            bytes = &bytes[written..];
        }
        stream.shutdown(std::net::Shutdown::Write)
    }

    /// Time until then, or an error if there is none.
    fn left(&self, until: Duration) -> io::Result<Duration> {
        let left = until.saturating_sub(self.instance.clock.monotonic());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
    }

    fn reply(&self, head: &[u8]) -> Reply {
        let mut headers = [httparse::EMPTY_HEADER; HEADER_COUNT_MAX];
        let mut request = httparse::Request::new(&mut headers);
        let is_whole = request.parse(head).is_ok();
        let (Some(method), Some(path), true) = (request.method, request.path, is_whole) else {
            return Reply::text("400 Bad Request", "this port speaks HTTP\n");
        };
        let reply = match path.split('?').next() {
            Some("/metrics") => Reply {
                status: "200 OK",
                kind: CONTENT_TYPE,
                body: self.metrics.text(),
                is_head: false,
            },
            Some("/livez") => Reply::text("200 OK", "alive\n"),
            Some("/readyz") if is_ready(&self.instance) => Reply::text("200 OK", "ready\n"),
            Some("/readyz") => Reply::text("503 Service Unavailable", "not ready\n"),
            _ => Reply::text("404 Not Found", "there are /metrics, /livez and /readyz\n"),
        };
        match method {
            "GET" => reply,
            "HEAD" => Reply { is_head: true, ..reply },
            _ => Reply::text("405 Method Not Allowed", "only GET and HEAD are answered\n"),
        }
    }
}

/// What is answered.
struct Reply {
    status: &'static str,
    kind: &'static str,
    body: String,
    /// Whether the body is only announced.
    is_head: bool,
}

impl Reply {
    fn text(status: &'static str, body: &str) -> Self {
        Reply { status, kind: "text/plain; charset=utf-8", body: body.to_owned(), is_head: false }
    }

    fn bytes(&self) -> Vec<u8> {
        let Reply { status, kind, body, is_head } = self;
        let allow = if status.starts_with("405") { "Allow: GET, HEAD\r\n" } else { "" };
        let mut text = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n{allow}Connection: close\r\n\r\n",
            body.len()
        );
        if !is_head {
            text.push_str(body);
        }
        text.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Clock;
    use crate::config::{Order, from_command_line};
    use crate::net::listener::listen_tcp;
    use std::net::SocketAddr;
    use std::thread::JoinHandle;

    struct Server {
        instance: Arc<Instance>,
        address: SocketAddr,
        waker: Arc<Waker>,
        thread: JoinHandle<io::Result<()>>,
    }

    impl Server {
        fn start(settings: Settings) -> Self {
            let instance = Arc::new(Instance::new(settings, Clock::system(), 1));
            let listener = listen_tcp("127.0.0.1:0".parse().unwrap(), BACKLOG).unwrap();
            let address = listener.local_addr().unwrap();
            let (http, waker) = Http::new(&instance, vec![listener]).unwrap();
            Server { instance, address, waker, thread: std::thread::spawn(|| http.run()) }
        }

        /// All that is answered to these bytes.
        fn ask(&self, request: &[u8]) -> String {
            let mut stream = TcpStream::connect(self.address).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            stream.write_all(request).unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            text
        }

        fn stop(self) {
            self.instance.request_shutdown();
            self.waker.wake().unwrap();
            // It is woken all the same.
            drop(self.waker);
            self.thread.join().unwrap().unwrap();
        }
    }

    #[test]
    fn figures_are_told_in_the_format_that_they_say() {
        let server = Server::start(Settings::default());
        let text = server.ask(b"GET /metrics?a=b HTTP/1.1\r\nHost: x\r\n\r\n");
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains(CONTENT_TYPE), "{head}");
        assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
        assert!(body.contains("\nredis_up 1\n") && body.ends_with("# EOF\n"), "{body}");
        let head_alone = server.ask(b"HEAD /metrics HTTP/1.1\r\n\r\n");
        assert!(
            head_alone.contains("Content-Length: ") && head_alone.ends_with("\r\n\r\n"),
            "{head_alone}"
        );
        server.stop();
    }

    #[test]
    fn what_is_no_request_for_them_is_refused_in_words() {
        let server = Server::start(Settings::default());
        let status = |request: &[u8]| server.ask(request).split("\r\n").next().unwrap().to_owned();
        assert_eq!(status(b"GET / HTTP/1.1\r\n\r\n"), "HTTP/1.1 404 Not Found");
        assert_eq!(status(b"POST /metrics HTTP/1.1\r\n\r\n"), "HTTP/1.1 405 Method Not Allowed");
        assert_eq!(status(b"*1\r\n$4\r\nPING\r\n"), "HTTP/1.1 400 Bad Request");
        let long = [b"GET /".as_slice(), &[b'a'; REQUEST_BYTES_MAX - 5]].concat();
        assert_eq!(status(&long), "HTTP/1.1 431 Request Header Fields Too Large");
        let many = [
            b"GET /livez HTTP/1.1\r\n".as_slice(),
            &b"a: b\r\n".repeat(HEADER_COUNT_MAX + 1),
            b"\r\n",
        ]
        .concat();
        assert_eq!(status(&many), "HTTP/1.1 400 Bad Request");
        server.stop();
    }

    #[test]
    fn who_says_nothing_holds_nobody_up_for_long() {
        let server = Server::start(Settings::default());
        let mut silent = TcpStream::connect(server.address).unwrap();
        silent.write_all(b"GET /me").unwrap();
        assert!(server.ask(b"GET /livez HTTP/1.0\r\n\r\n").ends_with("alive\n"));
        silent.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        assert_eq!(silent.read(&mut [0; 1]).unwrap(), 0, "closed without a word");
        server.stop();
    }

    #[test]
    fn a_node_is_ready_until_it_stops_and_in_a_ring_not_before_it_keeps_its_slots() {
        let server = Server::start(Settings::default());
        let ready = b"GET /readyz HTTP/1.1\r\n\r\n";
        assert!(server.ask(ready).starts_with("HTTP/1.1 200 OK\r\n"));
        server.stop();
        let words = ["torc", "--cluster-enabled", "yes"].map(Into::into);
        let Ok(Order::Serve(settings)) = from_command_line(words) else {
            panic!("settings of a ring")
        };
        let server = Server::start(*settings);
        assert!(
            server.ask(ready).starts_with("HTTP/1.1 503 Service Unavailable\r\n"),
            "no view yet"
        );
        server.stop();
    }
}
