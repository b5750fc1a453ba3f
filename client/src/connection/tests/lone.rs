//! A caller who is alone reads for itself: what becomes of it, of others and of the socket when something comes in between.

use super::{LONG, PING, Wakes, expect, limits, pipe, settle, start, submit, subscribed};
use crate::base::{clock, lock};
use crate::connection::shared::{Connection, Limits, Submission, Ticket};
use crate::connection::stream::ReadHalf;
use crate::error::ErrorKind;
use crate::reply::Value;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadBuf};

/// Far below [`LONG`], when an alarm would do what should have been done before.
const SOON: Duration = Duration::from_secs(10);

/// Lets the other tasks run until `holds`.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = clock::after(clock::now(), SOON);
    while !holds() {
        assert!(clock::now() < end, "{what}");
        tokio::task::yield_now().await;
    }
}

/// Waits until the driver has lent the reading side.
async fn lent(connection: &Connection) {
    until("the reading side is never lent", || connection.lock().reader.is_some()).await;
}

/// A call by a task that does not run.
fn call(connection: &Arc<Connection>, wakes: &Arc<Wakes>) -> Ticket {
    let waker = Waker::from(Arc::clone(wakes));
    let deadline = clock::after(clock::now(), LONG);
    let request = Submission { parts: [PING, &[], &[]], replies: 1, deadline };
    connection.submit(&request, &mut Context::from_waker(&waker)).unwrap()
}

async fn value(ticket: Ticket) -> Value {
    let frame = tokio::time::timeout(SOON, ticket).await.expect("nobody reads the reply");
    frame.unwrap().into_value().unwrap()
}

/// Waits until the client's end of the socket is gone.
async fn let_go(server: &mut DuplexStream) {
    let mut rest = Vec::new();
    let closed = server.read_to_end(&mut rest);
    tokio::time::timeout(SOON, closed).await.expect("the socket stays open").unwrap();
}

/// What is done once, while whoever reads next has the reading side in hand.
type Hook = Arc<Mutex<Option<Box<dyn FnOnce() + Send>>>>;

struct Hooked {
    half: tokio::io::ReadHalf<DuplexStream>,
    hook: Hook,
}

impl AsyncRead for Hooked {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let hook = lock(&self.hook).take();
        if let Some(hook) = hook {
            hook();
        }
        Pin::new(&mut self.half).poll_read(cx, buffer)
    }
}

/// A connection, the server's end of it, and what is done when it is read.
fn hooked() -> (Arc<Connection>, DuplexStream, Hook) {
    let (own, server) = tokio::io::duplex(1 << 16);
    let (half, write) = tokio::io::split(own);
    let hook = Hook::default();
    let read = ReadHalf::Other(Box::new(Hooked { half, hook: Arc::clone(&hook) }));
    (start(read, Box::new(write), limits(), None), server, hook)
}

/// The first has the socket in hand and cannot be told: it gives the second its reply, if that comes along, and else the socket to the driver.
#[tokio::test]
async fn who_comes_while_a_lone_caller_reads_is_answered() {
    const REPLIES: &[u8] = b":1\r\n:2\r\n";
    for ready in [0, 4, 8] {
        let (connection, mut server, hook) = hooked();
        lent(&connection).await;
        let mut first = submit(&connection, 1, LONG).await.unwrap();
        server.write_all(&REPLIES[..ready]).await.unwrap();
        let (wakes, second) = (Arc::new(Wakes::default()), Arc::new(Mutex::new(None)));
        let (own, own_wakes, place) = (connection.clone(), wakes.clone(), second.clone());
        *lock(&hook) = Some(Box::new(move || *lock(&place) = Some(call(&own, &own_wakes))));
        let polled = poll_fn(|cx| Poll::Ready(first.poll(cx))).await;
        assert_eq!(polled.is_ready(), ready > 0, "{ready} bytes");
        server.write_all(&REPLIES[ready..]).await.unwrap();
        let is_woken = || wakes.0.load(Ordering::Relaxed) == 1;
        until(&format!("the second is never woken, after {ready} bytes"), is_woken).await;
        let second = lock(&second).take().unwrap();
        assert_eq!(value(second).await, Value::Integer(2));
        let first = match polled {
            Poll::Ready(frame) => frame.unwrap().into_value().unwrap(),
            Poll::Pending => value(first).await,
        };
        assert_eq!(first, Value::Integer(1));
    }
}

/// A push came along with the reply to a lone caller, who let the lock go to pass it on. The next caller found nothing under way, nor the reading side, and
/// took itself for one whom the socket wakes: nobody read its reply before its deadline.
#[tokio::test]
async fn who_comes_when_a_lone_caller_is_about_to_be_done_is_answered() {
    let (connection, mut server) = pipe(limits(), 1 << 16);
    lent(&connection).await;
    let first = submit(&connection, 1, LONG).await.unwrap();
    server.write_all(b":1\r\n").await.unwrap();
    assert_eq!(value(first).await, Value::Integer(1));
    let reader = connection.lock().reader.take().unwrap();
    let wakes = Arc::new(Wakes::default());
    let second = call(&connection, &wakes);
    connection.give_back(connection.lock(), reader);
    server.write_all(b":2\r\n").await.unwrap();
    until("the second is never woken", || wakes.0.load(Ordering::Relaxed) == 1).await;
    assert_eq!(value(second).await, Value::Integer(2));
}

#[tokio::test]
async fn the_late_reply_to_a_lone_caller_who_is_gone_goes_to_nobody() {
    let (connection, mut server) = pipe(limits(), 1 << 16);
    for is_patient in [true, false] {
        lent(&connection).await;
        let wait = if is_patient { LONG } else { Duration::from_millis(20) };
        let mut gone = submit(&connection, 1, wait).await.unwrap();
        // A part of its reply is there, and read.
        server.write_all(b":1").await.unwrap();
        assert!(poll_fn(|cx| Poll::Ready(gone.poll(cx))).await.is_pending());
        if is_patient {
            drop(gone);
        } else {
            let outcome = tokio::time::timeout(SOON, gone).await.expect("its deadline is over");
            let error = outcome.unwrap_err();
            assert_eq!((error.kind(), error.maybe_applied()), (ErrorKind::Timeout, true));
        }
        let next = submit(&connection, 1, LONG).await.unwrap();
        server.write_all(b"1\r\n:2\r\n").await.unwrap();
        assert_eq!(value(next).await, Value::Integer(2));
        assert_eq!(connection.in_flight(), 0);
        assert!(!connection.is_closed());
    }
}

#[tokio::test]
async fn a_place_that_was_given_up_serves_others() {
    let (connection, mut server) = pipe(limits(), 1 << 16);
    for turn in 0..3 {
        lent(&connection).await;
        drop(submit(&connection, 1, LONG).await.unwrap());
        server.write_all(b":1\r\n").await.unwrap();
        until("the reply is never read", || connection.in_flight() == 0).await;
        assert_eq!(connection.lock().slots.len(), 1, "turn {turn}");
    }
}

/// The socket wakes whoever polled last, wherever the call has gone meanwhile.
#[tokio::test]
async fn a_lone_call_that_moves_to_another_task_is_answered_there() {
    let (connection, mut server) = pipe(limits(), 1 << 16);
    lent(&connection).await;
    let here = submit(&connection, 1, LONG).await.unwrap();
    let there = tokio::spawn(value(here));
    settle().await;
    server.write_all(b":1\r\n").await.unwrap();
    assert_eq!(there.await.unwrap(), Value::Integer(1));
    // So does the driver, to which the reading side goes back once there are two.
    lent(&connection).await;
    let here = submit(&connection, 1, LONG).await.unwrap();
    let there = tokio::spawn(value(here));
    settle().await;
    let next = submit(&connection, 1, LONG).await.unwrap();
    server.write_all(b":2\r\n:3\r\n").await.unwrap();
    assert_eq!(there.await.unwrap(), Value::Integer(2));
    assert_eq!(value(next).await, Value::Integer(3));
}

#[tokio::test]
async fn a_lone_caller_learns_at_once_that_the_connection_has_ended() {
    for (what, kind) in [
        ("hung up", ErrorKind::Connection),
        ("nonsense", ErrorKind::Protocol),
        ("closed", ErrorKind::Closed),
    ] {
        let (connection, mut server) = pipe(limits(), 1 << 16);
        lent(&connection).await;
        let call = tokio::spawn(submit(&connection, 1, LONG).await.unwrap());
        expect(&mut server, 1).await;
        settle().await;
        let mut kept = None;
        match what {
            "hung up" => drop(server),
            "nonsense" => {
                server.write_all(b"?what\r\n").await.unwrap();
                kept = Some(server);
            }
            _ => {
                connection.close();
                kept = Some(server);
            }
        }
        let outcome = tokio::time::timeout(SOON, call).await.expect(what).unwrap();
        let error = outcome.unwrap_err();
        assert_eq!((error.kind(), error.maybe_applied()), (kind, true), "{what}");
        assert!(connection.is_closed(), "{what}");
        if let Some(mut server) = kept {
            // The socket is not held any more, by whomever it was read.
            let_go(&mut server).await;
        }
    }
}

#[tokio::test]
async fn a_connection_that_ends_while_it_is_lent_lets_its_socket_go() {
    let (connection, mut server) = pipe(limits(), 1 << 16);
    lent(&connection).await;
    connection.close();
    let_go(&mut server).await;
    assert!(connection.is_closed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_ends_while_a_lone_caller_reads_lets_its_socket_go() {
    let (connection, mut server, hook) = hooked();
    lent(&connection).await;
    let mut call = submit(&connection, 1, LONG).await.unwrap();
    let own = Arc::clone(&connection);
    *lock(&hook) = Some(Box::new(move || {
        own.close();
        let end = clock::after(clock::now(), SOON);
        while own.lock().closed.is_none() {
            assert!(clock::now() < end, "the driver never ends");
            std::thread::yield_now();
        }
    }));
    let _ = poll_fn(|cx| Poll::Ready(call.poll(cx))).await;
    let outcome = tokio::time::timeout(SOON, call).await.expect("it is told");
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Closed);
    let_go(&mut server).await;
}

/// As long as the server does not take the first request, nobody can write another, which would wake the driver as well.
#[tokio::test]
async fn who_comes_while_a_lone_request_is_not_taken_is_answered() {
    let (connection, mut server) = pipe(limits(), PING.len());
    lent(&connection).await;
    let _held = submit(&connection, 2, LONG).await.unwrap();
    // The driver hangs with the rest of it.
    settle().await;
    let second = submit(&connection, 1, LONG).await.unwrap();
    server.write_all(b":1\r\n").await.unwrap();
    let is_read = || connection.in_flight() == 1;
    server.write_all(b":1\r\n").await.unwrap();
    until("the first replies are never read", is_read).await;
    server.write_all(b":2\r\n").await.unwrap();
    assert_eq!(value(second).await, Value::Integer(2));
}

/// What no request asked for comes at any time: the driver of a connection with subscriptions always reads.
#[tokio::test]
async fn messages_need_no_caller_to_be_read() {
    let (connection, mut server, pushed) = subscribed();
    // The alarm of the second goes off when nothing is under way any more.
    for wait in [LONG, Duration::from_millis(20), LONG] {
        settle().await;
        let ping = submit(&connection, 1, wait).await.unwrap();
        assert!(!connection.lock().is_direct);
        server.write_all(b"+PONG\r\n").await.unwrap();
        let _ = ping.await;
        until("the reply is never read", || connection.in_flight() == 0).await;
        if wait < LONG {
            until("the alarm never goes off", || connection.lock().alarm.is_none()).await;
            continue;
        }
        server.write_all(b">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n").await.unwrap();
        until("a message is never read", || lock(&pushed).pop().is_some()).await;
    }
}

/// A connection whose caller looks for its replies for `busy_poll`.
fn busy(busy_poll: Duration) -> (Arc<Connection>, tokio::net::UnixStream) {
    let (own, server) = tokio::net::UnixStream::pair().unwrap();
    let (read, write) = own.into_split();
    let limits = Limits { busy_poll, ..limits() };
    (start(ReadHalf::Unix(read), Box::new(write), limits, None), server)
}

#[tokio::test]
async fn who_looked_in_vain_leaves_it_to_the_socket() {
    let (connection, mut server) = busy(Duration::from_millis(1));
    lent(&connection).await;
    let wakes = Arc::new(Wakes::default());
    let waker = Arc::clone(&wakes).into();
    let mut cx = Context::from_waker(&waker);
    let mut call = call(&connection, &wakes);
    assert!(call.is_looking());
    let mut count = usize::MAX;
    let mut comes_back = || {
        assert!(call.poll(&mut cx).is_pending());
        std::mem::replace(&mut count, wakes.0.load(Ordering::Relaxed)) == count
    };
    let end = clock::after(clock::now(), SOON);
    while !comes_back() {
        assert!(clock::now() < end, "it looks for ever");
        settle().await;
    }
    server.write_all(b":1\r\n").await.unwrap();
    until("the socket does not wake it", || wakes.0.load(Ordering::Relaxed) > count).await;
    let Poll::Ready(frame) = call.poll(&mut cx) else { panic!("the reply is there") };
    assert_eq!(frame.unwrap().into_value().unwrap(), Value::Integer(1));
}

/// A miss lets two calls by, a second one in a row four: one that came in time in between makes it two again.
#[tokio::test]
async fn a_reply_in_time_makes_up_for_those_that_were_late() {
    let (connection, mut server) = busy(Duration::from_nanos(1));
    lent(&connection).await;
    let late = [(true, false), (false, false), (false, false)];
    let in_time = [(true, true)];
    for (turn, (looks, is_in_time)) in
        [&late[..], &in_time, &late, &in_time].concat().into_iter().enumerate()
    {
        let wakes = Arc::new(Wakes::default());
        let waker = Arc::clone(&wakes).into();
        let mut call = call(&connection, &wakes);
        assert_eq!(call.is_looking(), looks, "turn {turn}");
        if !is_in_time {
            assert!(call.poll(&mut Context::from_waker(&waker)).is_pending());
        }
        server.write_all(b":1\r\n").await.unwrap();
        until("the socket does not wake it", || wakes.0.load(Ordering::Relaxed) > 0).await;
        assert!(call.poll(&mut Context::from_waker(&waker)).is_ready(), "turn {turn}");
    }
}

/// What is looked for is read in parts.
#[tokio::test]
async fn a_long_reply_is_seen_whole() {
    let (connection, server) = busy(LONG);
    lent(&connection).await;
    let mut call = submit(&connection, 1, LONG).await.unwrap();
    let text = "x".repeat(10_000);
    let reply = format!("${}\r\n{text}\r\n", text.len());
    assert_eq!(server.try_write(reply.as_bytes()).unwrap(), reply.len());
    // The runtime does not learn of it: nothing here waits.
    let frame = poll_fn(|cx| {
        for _ in 0..100 {
            if let Poll::Ready(outcome) = call.poll(cx) {
                return Poll::Ready(outcome);
            }
        }
        panic!("it does not look")
    });
    assert_eq!(frame.await.unwrap().into_value().unwrap(), Value::Bulk(text.as_str().into()));
}

/// Others of its thread run, and its deadline holds, however long it may look.
#[tokio::test]
async fn who_looks_for_long_keeps_nobody_from_running() {
    let (connection, mut server) = busy(LONG);
    lent(&connection).await;
    let call = submit(&connection, 1, Duration::from_millis(20)).await.unwrap();
    assert!(call.is_looking());
    let begin = clock::now();
    let call = tokio::spawn(call);
    settle().await;
    assert!(clock::now().duration_since(begin) < SOON, "it keeps the thread");
    let outcome = tokio::time::timeout(SOON, call).await.expect("its deadline is over").unwrap();
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Timeout);
    // The late reply is read, though it was looked out for, and the next call is answered with its own.
    server.write_all(b":1\r\n").await.unwrap();
    until("the late reply is never read", || connection.in_flight() == 0).await;
    let next = submit(&connection, 1, LONG).await.unwrap();
    server.write_all(b":2\r\n").await.unwrap();
    assert_eq!(value(next).await, Value::Integer(2));
}

/// Some thread waits for the sockets at all times there, and would be woken for each reply as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_several_threads_nobody_looks() {
    let (connection, mut server) = busy(LONG);
    lent(&connection).await;
    let call = submit(&connection, 1, LONG).await.unwrap();
    assert!(!call.is_looking());
    server.write_all(b":1\r\n").await.unwrap();
    assert_eq!(value(call).await, Value::Integer(1));
}
