//! Typed commands: a method for each row of the command table, and a marker type that carries what its calls can be given besides.
//!
//! Awaited, a call answers the command's natural type; [`Call::reply_as`](crate::Call::reply_as) reads it as another.
//!
//! What a method takes is what each call of the command has. The rest are methods of the call, one for each word of the syntax that its documentation shows, and in that order: the
//! server is sent the words as they come.
//!
//! ```no_run
//! # async fn example(client: torc_client::Client) -> torc_client::Result<()> {
//! client.xadd("log").maxlen().approximately().threshold(1000).auto_id().field_value("level", "warn").await?;
//! client.zadd("board").gt().score_member(12.5, "ann").score_member(3.0, "bob").await?;
//! let best: Vec<(String, f64)> = client.zrange("board", 0, 9).rev().withscores().reply_as().await?;
//! # Ok(())
//! # }
//! ```

#[rustfmt::skip]
mod generated;
pub use generated::*;
