//! Subscriptions that survive connections: what is wanted is kept, and brought about again after every loss.
//!
//! ```text
//! Subscriber ── wanted ──▶ keeper (a task) ── SUBSCRIBE ──▶ one link to any node; for shard channels one to each node that serves them
//!     ▲                                                      │ pushes
//!     └────────────── bounded queue of messages ◀────────────┘
//! ```
//!
//! What was published while a link was down is lost, as always with publish and subscribe; [`Message::Resumed`] says that this may have been so. In RESP2 a message
//! and a reply look alike; a link asks nothing but PING, whose reply does not look like a message.

mod keeper;
mod parse;

use crate::base::lock;
use crate::bytes::Bytes;
use crate::client::Client;
use crate::error::{Applied, Error, Result};
use keeper::{Shared, Wanted};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// What a subscription brings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message {
    /// A message.
    #[non_exhaustive]
    Published {
        /// The channel it was published on.
        channel: Bytes,
        /// The pattern that the channel matches, where that was subscribed to.
        pattern: Option<Bytes>,
        /// What was published.
        payload: Bytes,
    },
    /// A connection was lost and its subscriptions are there again. What was published between is lost.
    Resumed,
}

/// The three kinds of subscriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    Channel,
    Pattern,
    Shard,
}

/// Messages that wait to be fetched. With more waiting the newest are dropped and counted.
const QUEUE_MAX: usize = 4096;

/// Subscriptions to channels, patterns and shard channels. They are kept through lost connections and moving slots; dropping it ends them.
///
/// ```no_run
/// # async fn example(client: torc_client::Client) -> torc_client::Result<()> {
/// use torc_client::Message;
/// let mut subscriber = client.subscriber();
/// subscriber.subscribe(["news"]).await?;
/// while let Some(message) = subscriber.next().await {
///     if let Message::Published { channel, payload, .. } = message {
///         println!("{channel:?}: {payload:?}");
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Subscriber {
    shared: Arc<Shared>,
    messages: mpsc::Receiver<Message>,
    call_timeout: Duration,
}

impl Client {
    /// A subscriber without subscriptions. It connects once there is something to subscribe to.
    ///
    /// # Panics
    /// Outside of a tokio runtime, which its task runs on.
    ///
    /// ```no_run
    /// # async fn example(client: torc_client::Client) -> torc_client::Result<()> {
    /// let mut subscriber = client.subscriber();
    /// subscriber.psubscribe(["news.*"]).await?;
    /// client.publish("news.today", "hello").await?;
    /// let message = subscriber.next().await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn subscriber(&self) -> Subscriber {
        let (sender, messages) = mpsc::channel(QUEUE_MAX);
        let shared = Arc::new(Shared::new(sender));
        tokio::spawn(keeper::keep(Arc::clone(&self.inner), Arc::clone(&shared)));
        Subscriber { shared, messages, call_timeout: self.inner.config.call_timeout }
    }
}

impl Subscriber {
    /// Subscribes to channels; done once the server has confirmed all of them.
    ///
    /// # Errors
    /// It has not within the call timeout. The subscription is still wanted and comes about as soon as it can.
    pub async fn subscribe<A: AsRef<[u8]>>(
        &mut self,
        channels: impl IntoIterator<Item = A>,
    ) -> Result<()> {
        self.add(Kind::Channel, channels).await
    }

    /// Subscribes to all channels that match patterns.
    ///
    /// # Errors
    /// As [`Subscriber::subscribe`].
    pub async fn psubscribe<A: AsRef<[u8]>>(
        &mut self,
        patterns: impl IntoIterator<Item = A>,
    ) -> Result<()> {
        self.add(Kind::Pattern, patterns).await
    }

    /// Subscribes to shard channels, which only the node that serves their slot knows.
    ///
    /// # Errors
    /// As [`Subscriber::subscribe`].
    pub async fn ssubscribe<A: AsRef<[u8]>>(
        &mut self,
        channels: impl IntoIterator<Item = A>,
    ) -> Result<()> {
        self.add(Kind::Shard, channels).await
    }

    /// Ends subscriptions to channels. Messages that are on their way may still come.
    pub fn unsubscribe<A: AsRef<[u8]>>(&mut self, channels: impl IntoIterator<Item = A>) {
        self.remove(Kind::Channel, channels);
    }

    /// Ends subscriptions to patterns.
    pub fn punsubscribe<A: AsRef<[u8]>>(&mut self, patterns: impl IntoIterator<Item = A>) {
        self.remove(Kind::Pattern, patterns);
    }

    /// Ends subscriptions to shard channels.
    pub fn sunsubscribe<A: AsRef<[u8]>>(&mut self, channels: impl IntoIterator<Item = A>) {
        self.remove(Kind::Shard, channels);
    }

    /// The next message; `None` once the client is closed. Cancel-safe: no message is lost if it is dropped.
    pub async fn next(&mut self) -> Option<Message> {
        self.messages.recv().await
    }

    /// How many messages were dropped because they were not fetched in time.
    pub fn missed(&self) -> u64 {
        self.shared.missed()
    }

    async fn add<A: AsRef<[u8]>>(
        &mut self,
        kind: Kind,
        names: impl IntoIterator<Item = A>,
    ) -> Result<()> {
        let names: Vec<Wanted> =
            names.into_iter().map(|name| (kind, Bytes::from(name.as_ref()))).collect();
        lock(&self.shared.wanted).extend(names.iter().cloned());
        self.shared.stir();
        let confirmed = self.shared.await_confirmed(&names);
        let outcome = tokio::time::timeout(self.call_timeout, confirmed).await;
        match outcome {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::closed()),
            Err(_) => Err(self.shared.why_not().unwrap_or_else(|| Error::timeout(Applied::Maybe))),
        }
    }

    fn remove<A: AsRef<[u8]>>(&mut self, kind: Kind, names: impl IntoIterator<Item = A>) {
        let mut wanted = lock(&self.shared.wanted);
        for name in names {
            wanted.remove(&(kind, Bytes::from(name.as_ref())));
        }
        drop(wanted);
        self.shared.stir();
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.shared.end();
    }
}
