//! Connections to a server that is played by the test, over a pipe.

mod greeting;
mod lone;
mod relay;

use super::driver::Driver;
use super::shared::{Connection, Limits, Push, PushSink, Submission, Ticket};
use super::stream::ReadHalf;
use crate::base::{clock, lock};
use crate::error::{ErrorKind, Result};
use crate::reply::Value;
use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream};

const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";

fn limits() -> Limits {
    Limits {
        in_flight_max: 8,
        out_bytes_max: 1 << 20,
        reply_bytes_max: 1 << 20,
        stall: Duration::from_secs(60),
        busy_poll: Duration::ZERO,
    }
}

/// A connection, and the server's end of it.
fn pipe(limits: Limits, bytes: usize) -> (Arc<Connection>, DuplexStream) {
    let (own, server) = tokio::io::duplex(bytes);
    let (read, write) = tokio::io::split(own);
    (start(ReadHalf::Other(Box::new(read)), Box::new(write), limits, None), server)
}

fn start(
    read: ReadHalf,
    write: Box<dyn AsyncWrite + Send + Unpin>,
    limits: Limits,
    pushes: Option<PushSink>,
) -> Arc<Connection> {
    let connection = Arc::new(Connection::new(write, limits, pushes, Arc::default()));
    tokio::spawn(Driver::new(Arc::clone(&connection), read).run());
    connection
}

/// What no request asked for.
type Pushed = Arc<Mutex<Vec<Vec<u8>>>>;

/// A connection for subscriptions, the server's end of it, and what it was told without having asked.
fn subscribed() -> (Arc<Connection>, DuplexStream, Pushed) {
    let (own, server) = tokio::io::duplex(1 << 16);
    let (read, write) = tokio::io::split(own);
    let pushed = Pushed::default();
    let sink = Arc::clone(&pushed);
    let sink: PushSink = Box::new(move |push| {
        if let Push::Frame(frame) = push {
            lock(&sink).push(frame.to_vec());
        }
    });
    let read = ReadHalf::Other(Box::new(read));
    (start(read, Box::new(write), limits(), Some(sink)), server, pushed)
}

/// Lets the driver see that nothing is under way.
async fn settle() {
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
}

/// A task that counts how often it is woken, and never runs.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

async fn submit(connection: &Arc<Connection>, replies: u32, wait: Duration) -> Result<Ticket> {
    let deadline = clock::after(clock::now(), wait);
    let bytes = PING.repeat(replies as usize);
    let request = Submission { parts: [&bytes, &[], &[]], replies, deadline };
    poll_fn(|cx| Poll::Ready(connection.submit(&request, cx))).await
}

async fn expect(server: &mut DuplexStream, count: usize) {
    let mut bytes = vec![0; PING.len() * count];
    server.read_exact(&mut bytes).await.unwrap();
    assert_eq!(bytes, PING.repeat(count));
}

const LONG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn replies_go_to_requests_in_order_however_they_arrive() {
    let (connection, mut server) = pipe(limits(), 1 << 16);
    let first = submit(&connection, 1, LONG).await.unwrap();
    let several = submit(&connection, 3, LONG).await.unwrap();
    let given_up = submit(&connection, 1, LONG).await.unwrap();
    let last = submit(&connection, 1, LONG).await.unwrap();
    drop(given_up);
    expect(&mut server, 6).await;
    let replies = b"+OK\r\n$3\r\nabc\r\n:2\r\n+OK\r\n:4\r\n:5\r\n";
    let answering = tokio::spawn(async move {
        for byte in replies {
            server.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        server
    });
    assert_eq!(first.await.unwrap().into_value().unwrap(), Value::Ok);
    let values = several.await.unwrap().into_values(1).unwrap();
    assert_eq!(values, [Value::Bulk("abc".into()), Value::Integer(2), Value::Ok]);
    assert_eq!(last.await.unwrap().into_value().unwrap(), Value::Integer(5));
    assert_eq!(connection.in_flight(), 0);
    drop(answering.await);
}

#[tokio::test]
async fn what_was_never_written_was_not_applied() {
    // A pipe so narrow that the second request is not taken.
    let (connection, server) = pipe(limits(), PING.len());
    let first = submit(&connection, 1, LONG).await.unwrap();
    let second = submit(&connection, 40, LONG).await.unwrap();
    let third = submit(&connection, 1, LONG).await.unwrap();
    // Until a writer has taken the second, and hangs with it, the third is only queued.
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    let fourth = submit(&connection, 1, LONG).await.unwrap();
    drop(server);
    assert!(first.await.unwrap_err().maybe_applied());
    assert!(second.await.unwrap_err().maybe_applied());
    drop(third);
    let error = fourth.await.unwrap_err();
    assert_eq!((error.kind(), error.maybe_applied()), (ErrorKind::Connection, false));
    let error = submit(&connection, 1, LONG).await.unwrap_err();
    assert!(!error.maybe_applied(), "a closed connection takes nothing");
}

#[tokio::test]
async fn deadlines_end_waits_and_late_replies_go_nowhere() {
    let (connection, mut server) = pipe(limits(), 1 << 16);
    let slow = submit(&connection, 1, Duration::from_millis(20)).await.unwrap();
    let patient = submit(&connection, 1, LONG).await.unwrap();
    expect(&mut server, 2).await;
    let error = slow.await.unwrap_err();
    assert_eq!((error.kind(), error.maybe_applied()), (ErrorKind::Timeout, true));
    server.write_all(b":1\r\n:2\r\n").await.unwrap();
    assert_eq!(patient.await.unwrap().into_value().unwrap(), Value::Integer(2));
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let (connection, server) = pipe(Limits { stall: Duration::ZERO, ..limits() }, 1 << 16);
    let slow = submit(&connection, 1, Duration::from_millis(20)).await.unwrap();
    let patient = submit(&connection, 1, LONG).await.unwrap();
    assert_eq!(slow.await.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(patient.await.unwrap_err().kind(), ErrorKind::Connection);
    drop(server);
}

#[tokio::test]
async fn what_may_wait_is_bounded() {
    let (connection, _server) = pipe(limits(), 1 << 16);
    let mut tickets = Vec::new();
    for _ in 0..8 {
        tickets.push(submit(&connection, 1, LONG).await.unwrap());
    }
    let error = submit(&connection, 1, LONG).await.unwrap_err();
    assert_eq!((error.kind(), error.maybe_applied()), (ErrorKind::Overloaded, false));
}

#[tokio::test]
async fn nonsense_and_unasked_replies_end_the_connection() {
    for bytes in [&b"?what\r\n"[..], b"+OK\r\n+OK\r\n"] {
        let (connection, mut server) = pipe(limits(), 1 << 16);
        let asked = submit(&connection, 1, LONG).await.unwrap();
        expect(&mut server, 1).await;
        server.write_all(bytes).await.unwrap();
        let mut rest = Vec::new();
        // The client closes its end.
        server.read_to_end(&mut rest).await.unwrap();
        assert!(connection.is_closed());
        drop(asked);
    }
}

#[tokio::test]
async fn a_lone_caller_is_woken_by_the_socket_and_reads_for_itself() {
    let (connection, mut server) = pipe(limits(), 1 << 16);
    settle().await;
    for turn in 0..3 {
        let wakes = Arc::new(Wakes::default());
        let waker = Arc::clone(&wakes).into();
        let mut cx = Context::from_waker(&waker);
        let deadline = clock::after(clock::now(), LONG);
        let request = Submission { parts: [PING, &[], &[]], replies: 2, deadline };
        let mut ticket = connection.submit(&request, &mut cx).unwrap();
        expect(&mut server, 1).await;
        // Nothing here waits, so no other task runs, the driver neither.
        server.write_all(b"+OK\r\n:1").await.unwrap();
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1, "turn {turn}");
        assert!(ticket.poll(&mut cx).is_pending());
        server.write_all(b"\r\n").await.unwrap();
        assert_eq!(wakes.0.load(Ordering::Relaxed), 2, "turn {turn}");
        let Poll::Ready(frame) = ticket.poll(&mut cx) else { panic!("the replies are there") };
        assert_eq!(frame.unwrap().into_values(1).unwrap(), [Value::Ok, Value::Integer(1)]);
        assert_eq!(wakes.0.load(Ordering::Relaxed), 2, "who reads need not be woken");
    }
}

/// A future that was polled once and is then held, as in a `select!` whose other branch makes a call, must not keep the socket to itself.
#[tokio::test]
async fn a_lone_caller_who_does_not_read_holds_nobody_up() {
    let (connection, mut server) = pipe(limits(), 1 << 16);
    settle().await;
    let held = submit(&connection, 1, LONG).await.unwrap();
    let next = submit(&connection, 1, LONG).await.unwrap();
    expect(&mut server, 2).await;
    server.write_all(b":1\r\n:2\r\n").await.unwrap();
    assert_eq!(next.await.unwrap().into_value().unwrap(), Value::Integer(2));
    assert_eq!(held.await.unwrap().into_value().unwrap(), Value::Integer(1));
    settle().await;
    let dropped = submit(&connection, 1, LONG).await.unwrap();
    drop(dropped);
    server.write_all(b":3\r\n").await.unwrap();
    settle().await;
    assert_eq!(connection.in_flight(), 0, "somebody has read it");
    let after = submit(&connection, 1, LONG).await.unwrap();
    server.write_all(b":4\r\n").await.unwrap();
    assert_eq!(after.await.unwrap().into_value().unwrap(), Value::Integer(4));
}

/// What the socket has is read before a wait is ended: a reply that its caller has not fetched is no silence of the server's.
#[tokio::test]
async fn a_reply_that_nobody_fetched_is_read_at_its_deadline() {
    let (connection, mut server) = pipe(Limits { stall: Duration::ZERO, ..limits() }, 1 << 16);
    settle().await;
    let held = submit(&connection, 1, Duration::from_millis(20)).await.unwrap();
    server.write_all(b":1\r\n").await.unwrap();
    let end = clock::after(clock::now(), LONG);
    while connection.in_flight() > 0 {
        assert!(clock::now() < end, "it is never read");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(held.await.unwrap().into_value().unwrap(), Value::Integer(1));
    assert!(!connection.is_closed());
}

#[tokio::test]
async fn a_server_that_hung_up_is_noticed_before_anything_is_sent() {
    let (connection, mut server) = pipe(limits(), 1 << 16);
    settle().await;
    let call = submit(&connection, 1, LONG).await.unwrap();
    server.write_all(b":1\r\n").await.unwrap();
    assert!(call.await.is_ok());
    drop(server);
    // The driver has not run since.
    let error = submit(&connection, 1, LONG).await.unwrap_err();
    assert_eq!((error.kind(), error.maybe_applied()), (ErrorKind::Connection, false));
    assert!(connection.is_closed());
}

#[tokio::test]
async fn who_polls_busily_sees_a_reply_before_the_runtime_does() {
    let (own, server) = tokio::net::UnixStream::pair().unwrap();
    let (read, write) = own.into_split();
    let limits = Limits { busy_poll: LONG, ..limits() };
    let connection = start(ReadHalf::Unix(read), Box::new(write), limits, None);
    settle().await;
    for turn in 0..2 {
        let mut is_first = true;
        let mut ticket = None;
        let frame = poll_fn(|cx| {
            if std::mem::take(&mut is_first) {
                let deadline = clock::after(clock::now(), LONG);
                let request = Submission { parts: [PING, &[], &[]], replies: 1, deadline };
                let mut sent = connection.submit(&request, cx).unwrap();
                assert!(sent.is_looking());
                assert!(sent.poll(cx).is_pending(), "it comes back by itself");
                ticket = Some(sent);
                return Poll::Pending;
            }
            // The runtime learns of this when this task lets it.
            server.try_write(b":1\r\n").unwrap();
            let polled = ticket.as_mut().unwrap().poll(cx);
            assert!(polled.is_ready(), "turn {turn}");
            polled
        });
        assert_eq!(frame.await.unwrap().into_value().unwrap(), Value::Integer(1));
    }
    drop(server);
    let end = clock::after(clock::now(), LONG);
    while submit(&connection, 1, LONG).await.is_ok() {
        assert!(clock::now() < end, "the end is never noticed");
        settle().await;
    }
}

/// A push may come at any time: between the replies to one request too, of which it is none.
#[tokio::test]
async fn a_push_between_replies_is_none_of_them() {
    let (connection, mut server) = pipe(limits(), 1 << 16);
    for is_alone in [false, true] {
        if is_alone {
            settle().await;
        }
        let both = submit(&connection, 2, LONG).await.unwrap();
        server.write_all(b":1\r\n>1\r\n+tracking\r\n:2\r\n").await.unwrap();
        let values = both.await.unwrap().into_values(1).unwrap();
        assert_eq!(values, [Value::Integer(1), Value::Integer(2)]);
    }
}

/// A subscription that is refused is answered by an error, which is a reply that no request waits for.
#[tokio::test]
async fn refused_subscriptions_are_told_to_the_subscriber() {
    let (connection, mut server, pushed) = subscribed();
    server.write_all(b"-MOVED 1 h:1\r\n").await.unwrap();
    settle().await;
    assert_eq!(*lock(&pushed), [b"-MOVED 1 h:1\r\n".to_vec()]);
    assert!(!connection.is_closed());
}

/// In RESP2 a message is an array, as is the reply to a PING between subscriptions.
#[tokio::test]
async fn messages_in_the_older_protocol_are_no_replies() {
    let (connection, mut server, pushed) = subscribed();
    let ping = submit(&connection, 1, LONG).await.unwrap();
    let message = b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n";
    server.write_all(message).await.unwrap();
    server.write_all(b"*2\r\n$4\r\npong\r\n$0\r\n\r\n").await.unwrap();
    server.write_all(message).await.unwrap();
    let pong = ping.await.unwrap().into_value().unwrap();
    assert_eq!(pong, Value::Array(vec![Value::Bulk("pong".into()), Value::Bulk("".into())]));
    settle().await;
    assert_eq!(*lock(&pushed), [message.to_vec(), message.to_vec()]);
}
