//! Publish and subscribe: a subscriber that keeps its subscriptions through lost connections.
//!
//!     cargo run -p torc-client --example pubsub -- redis://127.0.0.1:6379
#![allow(dead_code, reason = "a test runs the example as a module, without its main")]

use torc_client::{Client, Message, Result};

/// The next text that is published.
async fn next(subscriber: &mut torc_client::Subscriber) -> Option<String> {
    loop {
        match subscriber.next().await? {
            Message::Published { payload, .. } => return payload.into_string().ok(),
            // What was published meanwhile is lost: an application reads its state anew.
            Message::Resumed => println!("the connection was lost and is back"),
            _ => {}
        }
    }
}

/// The whole example.
pub async fn run(url: &str) -> Result<()> {
    let client = Client::connect(url).await?;
    let mut subscriber = client.subscriber();
    subscriber.subscribe(["news"]).await?;
    subscriber.ssubscribe(["{room:1}chat"]).await?;
    client.publish("news", "hello").await?;
    assert_eq!(next(&mut subscriber).await.as_deref(), Some("hello"));
    client.spublish("{room:1}chat", "hi").await?;
    assert_eq!(next(&mut subscriber).await.as_deref(), Some("hi"));
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "redis://127.0.0.1:6379".into());
    run(&url).await
}
