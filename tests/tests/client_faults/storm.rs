//! A server that takes everything and answers nothing: what a thousand callers who retry may cost it.

use std::io::Read as _;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::runtime::Builder;
use torc_client::{BreakerPolicy, Client, Config, Mode, RetryPolicy};
use torc_protocol::request::{Decoder, Limits, Status};
use torc_tests::wait;

/// Counts requests, answers greetings, and nothing else. Returns its port.
fn silent(requests: Arc<AtomicU64>, connections: Arc<AtomicU64>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let (requests, connections) = (Arc::clone(&requests), Arc::clone(&connections));
            connections.fetch_add(1, Ordering::Relaxed);
            std::thread::spawn(move || serve(socket, &requests));
        }
    });
    port
}

fn serve(mut socket: std::net::TcpStream, requests: &AtomicU64) {
    use std::io::Write as _;
    let (mut bytes, mut chunk, mut decoder) = (Vec::new(), [0; 4096], Decoder::new());
    while let Ok(count @ 1..) = socket.read(&mut chunk) {
        bytes.extend_from_slice(&chunk[..count]);
        let (mut at, mut spans) = (0, Vec::new());
        while let Ok(Status::Request { spans: found }) =
            decoder.decode(&mut bytes, &mut at, &mut spans, &Limits::default())
        {
            let first = spans[found.start];
            let name = &bytes[first.start as usize..][..first.len as usize];
            if name.eq_ignore_ascii_case(b"HELLO") {
                let _ = socket.write_all(b"%1\r\n$6\r\nserver\r\n$5\r\nredis\r\n");
            } else {
                requests.fetch_add(1, Ordering::Relaxed);
            }
            if at >= bytes.len() {
                break;
            }
        }
        bytes.drain(..at);
    }
}

/// How many requests and connections a server that answers nothing sees in three seconds of 200 callers who call on and on.
fn storm(retry: RetryPolicy, breaker: BreakerPolicy) -> (u64, u64) {
    let (requests, connections) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let port = silent(Arc::clone(&requests), Arc::clone(&connections));
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let config = Config::from_url(&format!("redis://127.0.0.1:{port}"))
            .unwrap()
            .mode(Mode::Standalone)
            .attempt_timeout(Duration::from_millis(50))
            .call_timeout(Duration::from_secs(1))
            .retry(retry)
            .breaker(breaker);
        let client = Client::with_config(config).await.unwrap();
        let end = wait::now() + Duration::from_secs(3);
        let tasks: Vec<_> = (0..200)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move {
                    while wait::now() < end {
                        let begin = wait::now();
                        assert!(client.get("k").await.is_err());
                        assert!(
                            begin.elapsed() < Duration::from_millis(1_700),
                            "{:?}",
                            begin.elapsed()
                        );
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    (requests.load(Ordering::Relaxed), connections.load(Ordering::Relaxed))
}

/// Calls are idempotent and would be repeated for a second each. Without bounds each of 200 callers would send one request every 50 ms and more: some 12,000.
#[test]
fn breaker_and_budget_bound_a_storm() {
    let never = BreakerPolicy::default().failures_max(u32::MAX);
    let endless = RetryPolicy::default().attempts_max(1_000).budget_min_per_second(1_000_000);
    let (unbounded, _) = storm(endless, never);
    let (by_budget, _) = storm(RetryPolicy::default().attempts_max(1_000), never);
    let (by_both, connections) = storm(RetryPolicy::default(), BreakerPolicy::default());
    println!(
        "requests in 3 s: {unbounded} without bounds, {by_budget} by the budget, {by_both} by budget and breaker, {connections} connections"
    );
    assert!(unbounded > 1_500, "there was no storm: {unbounded}");
    // Each call once, 200 a second for four seconds and what was under way, and the budget of 100 at first and 20 a second.
    assert!(by_budget < 200 * 5 + 300, "{by_budget} requests");
    assert!(by_both < 450, "{by_both} requests");
    assert!(connections < 80, "{connections} connections");
}
