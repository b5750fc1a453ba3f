//! The client: a handle that is cheap to clone, and what its clones share.

mod execute;
mod fetch;
mod inner;
mod scatter;

pub(crate) use execute::{
    Attempt, Options, Progress, attempts, choose, exchange, execute, report, scope_at,
};
pub(crate) use inner::{Inner, Target, View};

use crate::call::Call;
use crate::config::Config;
use crate::error::Result;
use crate::reply::Value;
use crate::request::Request;
use std::sync::Arc;

/// A client of Torc, of a Redis Cluster, or of a Redis server. Clones share all connections; clone it freely.
///
/// Commands are methods: [`Client::get`], [`Client::set`], [`Client::zadd`], …, and [`Client::command`] for any other. A call does nothing until it is awaited,
/// and takes options before that: `client.get("k").timeout(…)`. A call that is dropped while it waits gives up its reply; whether the command runs is not known then.
///
/// ```no_run
/// # async fn example() -> torc_client::Result<()> {
/// use torc_client::Client;
///
/// let client = Client::connect("redis://127.0.0.1:7379").await?;
/// client.set("greeting", "hello").ex(60).await?;
/// let greeting = client.get("greeting").await?;
/// assert_eq!(greeting.as_deref(), Some(&b"hello"[..]));
/// let visits = client.incr("visits").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
}

impl Client {
    /// Connects to the servers at `url`; see [`Config::from_url`]. A server that is still starting is waited for until the call timeout.
    ///
    /// # Errors
    /// The URL is wrong, no server of it answers within the call timeout, or one refuses the password.
    ///
    /// ```no_run
    /// # async fn example() -> torc_client::Result<()> {
    /// let client = torc_client::Client::connect("redis://10.0.0.1:7379,10.0.0.2:7379").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(url: &str) -> Result<Client> {
        Self::with_config(Config::from_url(url)?).await
    }

    /// Connects as `config` says. The connections live on the tokio runtime that this is called on, which needs I/O and time: see `enable_all` of its builder.
    ///
    /// # Errors
    /// The configuration is wrong, no server of it answers within the call timeout, one refuses the password, or there is no tokio runtime that has I/O and time
    /// ([`ErrorKind::Usage`](crate::ErrorKind)).
    ///
    /// ```no_run
    /// # async fn example() -> torc_client::Result<()> {
    /// use torc_client::{Address, Client, Config};
    /// let config = Config::new([Address::Unix("/run/redis.sock".into())]);
    /// let client = Client::with_config(config).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn with_config(config: Config) -> Result<Client> {
        config.check()?;
        let inner = Inner::start(config).await?;
        Ok(Client { inner })
    }

    /// Any command by its name; its arguments follow with [`Call::arg`], the second word of a subcommand first. The command table tells where it goes and whether it may be repeated;
    /// commands that it does not know go to any node, and are never repeated where they may have been applied.
    ///
    /// ```no_run
    /// # async fn example(client: torc_client::Client) -> torc_client::Result<()> {
    /// let encoding: String =
    ///     client.command("OBJECT").arg("ENCODING").arg("key").reply_as().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn command(&self, name: &str) -> Call<'_, Value> {
        Call::new(self, Request::new(name))
    }

    /// Whether the servers are a cluster, whose nodes are asked directly for what they serve.
    pub fn is_cluster(&self) -> bool {
        self.inner.view.load().is_cluster()
    }

    /// The nodes that are known, as addresses.
    pub fn nodes(&self) -> Vec<String> {
        self.inner.view.load().nodes.iter().map(|node| node.name().to_owned()).collect()
    }

    /// Ends all connections; calls that wait, and later ones, fail with [`ErrorKind::Closed`](crate::ErrorKind). The same happens without errors when the last clone
    /// and all its calls are gone.
    pub fn close(&self) {
        self.inner.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Address;
    use crate::error::ErrorKind;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};
    use tokio::runtime::Builder;

    /// The panic of the task that was to connect was taken for the end of the client, which told nobody what to do.
    #[test]
    fn a_runtime_that_lacks_something_is_told_what() {
        let peer = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address::Tcp("127.0.0.1".to_owned(), peer.local_addr().unwrap().port());
        let connect = || Client::with_config(Config::new([address.clone()]));
        let check = |error: crate::error::Error, word: &str| {
            assert_eq!(error.kind(), ErrorKind::Usage, "{error:?}");
            assert!(error.message().contains(word), "{error:?}");
        };
        let without_io = Builder::new_current_thread().enable_time().build().unwrap();
        check(without_io.block_on(connect()).unwrap_err(), "enable_io");
        let without_time = Builder::new_current_thread().enable_io().build().unwrap();
        check(without_time.block_on(connect()).unwrap_err(), "enable_time");
        let Poll::Ready(outcome) = pin!(connect()).poll(&mut Context::from_waker(Waker::noop()))
        else {
            panic!("there is nothing to wait for");
        };
        check(outcome.unwrap_err(), "runtime");
    }
}
