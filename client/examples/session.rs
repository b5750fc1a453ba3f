//! Sessions: reads from any copy that see the user's own writes. A request's token goes to the next, as in a cookie.
//!
//!     cargo run -p torc-client --example session -- redis://127.0.0.1:7379
#![allow(dead_code, reason = "a test runs the example as a module, without its main")]

use torc_client::{Client, Result, Session};

/// The first request: stores something, and gives the session's token to the browser.
async fn store(client: &Client, basket: &str) -> Result<String> {
    let session = client.session();
    client.set("basket:ada", basket).ex(3600).within(&session).await?;
    Ok(session.token())
}

/// The next request, perhaps by another process.
async fn load(client: &Client, token: &str) -> Result<Option<String>> {
    let session = Session::from_token(token).unwrap_or_default();
    client.get("basket:ada").within(&session).reply_as().await
}

/// The whole example.
pub async fn run(url: &str) -> Result<()> {
    let (one, other) = (Client::connect(url).await?, Client::connect(url).await?);
    for basket in ["apples", "apples and pears"] {
        let token = store(&one, basket).await?;
        assert_eq!(load(&other, &token).await?.as_deref(), Some(basket));
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "redis://127.0.0.1:6379".into());
    run(&url).await
}
