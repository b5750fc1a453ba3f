//! Connections to a server that is played by the test, over a pipe.

use super::driver::Driver;
use super::shared::{Connection, Limits, Submission, Ticket};
use crate::base::clock;
use crate::error::{ErrorKind, Result};
use crate::reply::Value;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";

fn limits() -> Limits {
    Limits {
        in_flight_max: 8,
        out_bytes_max: 1 << 20,
        reply_bytes_max: 1 << 20,
        stall: Duration::from_secs(60),
    }
}

/// A connection, and the server's end of it.
fn pipe(limits: Limits, bytes: usize) -> (Arc<Connection>, DuplexStream) {
    let (own, server) = tokio::io::duplex(bytes);
    let (read, write) = tokio::io::split(own);
    let connection = Arc::new(Connection::new(Box::new(write), limits, None));
    tokio::spawn(Driver::new(Arc::clone(&connection), Box::new(read)).run());
    (connection, server)
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
    let values = several.await.unwrap().into_values().unwrap();
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
