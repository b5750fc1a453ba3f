//! A rate limiter: so many requests a window, counted and bounded in one step.
//!
//!     cargo run -p torc-client --example rate_limiter -- redis://127.0.0.1:6379
#![allow(dead_code, reason = "a test runs the example as a module, without its main")]

use torc_client::{Client, Result};

/// Counts, and lets the count end with its window.
const SCRIPT: &str = "local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return count";

/// Whether a user may make one more request in this window.
async fn allow(client: &Client, user: &str, most: i64, window_ms: u64) -> Result<bool> {
    let key = format!("limit:{user}");
    let count: i64 = client.eval(SCRIPT, [&key]).arg(window_ms).reply_as().await?;
    Ok(count <= most)
}

/// The whole example.
pub async fn run(url: &str) -> Result<()> {
    let client = Client::connect(url).await?;
    client.del(["limit:ada"]).await?;
    let mut allowed = 0;
    for _ in 0..8 {
        allowed += u32::from(allow(&client, "ada", 5, 60_000).await?);
    }
    assert_eq!(allowed, 5);
    assert!(client.pttl("limit:ada").await? > 0);
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "redis://127.0.0.1:6379".into());
    run(&url).await
}
