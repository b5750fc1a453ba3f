//! Callers who wake each other, on a runtime of several threads. One of them only, so that what runs when is known.

use super::{LONG, PING, Wakes, expect, limits, pipe};
use crate::base::{clock, lock};
use crate::connection::shared::{Connection, Limits, Submission, Ticket};
use std::future::poll_fn;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Far below [`LONG`], when an alarm would do what should have been done before.
const SOON: Duration = Duration::from_secs(10);

/// A request of the task that calls this, who has it polled once.
async fn sent(connection: &Arc<Connection>) -> Ticket {
    let deadline = clock::after(clock::now(), LONG);
    let request = Submission { parts: [PING, &[], &[]], replies: 1, deadline };
    poll_fn(|cx| Poll::Ready(connection.submit(&request, cx))).await.unwrap()
}

async fn done<T>(task: JoinHandle<T>) -> T {
    tokio::time::timeout(SOON, task).await.expect("nobody wakes it").unwrap()
}

/// What each of several callers left behind when it had its reply: those still to be woken, and the driver.
async fn left_behind(callers: usize) -> Vec<usize> {
    let (connection, mut server) = pipe(limits(), 1 << 16);
    let left = Arc::new(Mutex::new(Vec::new()));
    let tasks: Vec<_> = (0..callers)
        .map(|_| {
            let (connection, left) = (Arc::clone(&connection), Arc::clone(&left));
            tokio::spawn(async move {
                sent(&connection).await.await.unwrap();
                lock(&left).push(connection.lock().relayed.len());
            })
        })
        .collect();
    expect(&mut server, callers).await;
    server.write_all(&b":1\r\n".repeat(callers)).await.unwrap();
    for task in tasks {
        done(task).await;
    }
    std::mem::take(&mut lock(&left))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn each_wakes_the_next() {
    // The test's own thread may wake the driver in between, which then wakes all who are left.
    for _ in 0..100 {
        if left_behind(6).await == [5, 4, 3, 2, 1, 0] {
            return;
        }
    }
    panic!("they are woken at once");
}

/// A future that was polled once and is then held, as in a `select!` whose other branch makes a call, must not keep the others waiting.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn one_that_does_not_ask_for_its_reply_holds_nobody_up() {
    let (connection, mut server) = pipe(limits(), 1 << 16);
    let (go_on, told) = oneshot::channel();
    let own = Arc::clone(&connection);
    let holder = tokio::spawn(async move {
        let held = sent(&own).await;
        told.await.unwrap();
        held.await.unwrap()
    });
    expect(&mut server, 1).await;
    let others: Vec<_> = (0..3)
        .map(|_| {
            let own = Arc::clone(&connection);
            tokio::spawn(async move { sent(&own).await.await.unwrap() })
        })
        .collect();
    expect(&mut server, 3).await;
    server.write_all(&b":1\r\n".repeat(4)).await.unwrap();
    for other in others {
        done(other).await;
    }
    go_on.send(()).unwrap();
    done(holder).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn callers_who_take_long_or_are_many_are_woken_at_once_from_then_on() {
    for (callers, takes) in [(2, Duration::from_millis(1)), (40, Duration::ZERO)] {
        let (connection, mut server) = pipe(Limits { in_flight_max: 64, ..limits() }, 1 << 16);
        let tasks: Vec<_> = (0..callers)
            .map(|_| {
                let own = Arc::clone(&connection);
                tokio::spawn(async move {
                    sent(&own).await.await.unwrap();
                    let end = clock::after(clock::now(), takes);
                    while clock::now() < end {
                        std::hint::spin_loop();
                    }
                })
            })
            .collect();
        expect(&mut server, callers).await;
        server.write_all(&b":1\r\n".repeat(callers)).await.unwrap();
        for task in tasks {
            done(task).await;
        }
        let end = clock::after(clock::now(), SOON);
        while connection.relay.is_on() {
            assert!(clock::now() < end, "{callers} callers");
            tokio::task::yield_now().await;
        }
    }
}

/// A program with a thread for each core and a runtime for each thread wants as many connections.
#[tokio::test]
async fn threads_with_runtimes_of_their_own_do_not_share_a_connection() {
    let (connection, _server) = pipe(limits(), 1 << 16);
    assert!(!connection.relay.is_on());
}

/// What a runtime does to its tasks when it stops may strike the driver before the callers.
#[tokio::test]
async fn those_who_wait_to_be_woken_are_when_the_connection_ends() {
    let (connection, _server) = pipe(limits(), 1 << 16);
    let wakes = Arc::new(Wakes::default());
    connection.lock().relayed.push(Waker::from(Arc::clone(&wakes)));
    connection.close();
    let end = clock::after(clock::now(), SOON);
    while wakes.0.load(Ordering::Relaxed) == 0 {
        assert!(clock::now() < end, "nobody wakes it");
        tokio::task::yield_now().await;
    }
}
