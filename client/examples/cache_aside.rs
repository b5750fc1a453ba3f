//! Cache-aside: read from the cache, and from the source where the cache has nothing.
//!
//!     cargo run -p torc-client --example cache_aside -- redis://127.0.0.1:6379
#![allow(dead_code, reason = "a test runs the example as a module, without its main")]

use torc_client::{Bytes, Client, Result};

/// Something that is slow to get.
async fn from_the_database(id: u64) -> String {
    format!("user number {id}")
}

/// A user's name. What the cache lacks is stored for a minute; a cache that fails is no reason to fail.
async fn user(client: &Client, id: u64) -> String {
    let key = format!("user:{id}");
    match client.get(&key).await {
        Ok(Some(name)) => return String::from_utf8_lossy(&name).into_owned(),
        Ok(None) => {}
        Err(error) => eprintln!("the cache does not answer: {error}"),
    }
    let name = from_the_database(id).await;
    if let Err(error) = client.set(&key, &name).ex(60).await {
        eprintln!("not cached: {error}");
    }
    name
}

/// The whole example.
pub async fn run(url: &str) -> Result<()> {
    let client = Client::connect(url).await?;
    client.del(["user:7"]).await?;
    assert_eq!(user(&client, 7).await, "user number 7");
    assert_eq!(client.get("user:7").await?, Some(Bytes::from("user number 7")));
    assert_eq!(user(&client, 7).await, "user number 7");
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "redis://127.0.0.1:6379".into());
    run(&url).await
}
