//! What one client does to another: a well-behaved one works meanwhile, and is served in time.

use crate::{Connection, Value, wait};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Longest that a well-behaved client's request may take beside a misbehaving one. The machine is shared and has few
/// cores, so this is far above what is seen; it catches a server that stops serving.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Runs `trouble` while another client, that of `connect`, works; returns the longest that its requests took.
///
/// # Panics
/// If that client was not served, or not in time.
pub fn a_working_client(
    connect: impl FnOnce() -> Connection + Send,
    trouble: impl FnOnce(),
) -> Duration {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let mut connection = connect();
            let (mut longest, mut count) = (Duration::ZERO, 0u32);
            // Relaxed: a flag that only ends the loop.
            while !over.load(Ordering::Relaxed) || count < 100 {
                let start = wait::now();
                let value = count.to_string();
                let set = connection
                    .call(&["SET", "worker", &value])
                    .expect("the working client is answered");
                assert_eq!(set, Value::Simple(b"OK".to_vec()));
                let got =
                    connection.call(&["GET", "worker"]).expect("the working client is answered");
                assert_eq!(got, Value::Bulk(value.into_bytes()));
                longest = longest.max(start.elapsed());
                count += 1;
            }
            longest
        });
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(trouble));
        over.store(true, Ordering::Relaxed);
        let longest = worker.join().expect("the working client was served");
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
        assert!(longest < PATIENCE, "the working client waited {longest:?}");
        longest
    })
}
