//! Counters: many tasks count, nothing is counted twice, and what cannot be known is said.
//!
//!     cargo run -p torc-client --example counter -- redis://127.0.0.1:6379
#![allow(dead_code, reason = "a test runs the example as a module, without its main")]

use torc_client::{Client, Result};

/// Counts one view. INCR is not idempotent, so the client repeats it only where it was certainly not applied.
async fn count(client: &Client, page: &str) -> Result<i64> {
    match client.incr(format!("views:{page}")).await {
        Err(error) if error.maybe_applied() => {
            eprintln!("counted or not, nobody can tell: {error}");
            Err(error)
        }
        outcome => outcome,
    }
}

/// The whole example.
pub async fn run(url: &str) -> Result<()> {
    let client = Client::connect(url).await?;
    client.del(["views:home"]).await?;
    let tasks: Vec<_> = (0..10)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                for _ in 0..10 {
                    count(&client, "home").await?;
                }
                Ok::<(), torc_client::Error>(())
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a task does not panic")?;
    }
    let views: i64 = client.get("views:home").reply_as().await?;
    assert_eq!(views, 100);
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "redis://127.0.0.1:6379".into());
    run(&url).await
}
