//! The client for programs without an async runtime (feature `blocking`).
//!
//! It runs the same client on a small runtime of its own, so connections are shared and pipelined there too: many threads may call at once.

use crate::call::Call;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::reply::FromReply;
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};

/// A client whose calls block their thread. Clones share all connections. It must not be used, nor dropped, within an async runtime.
///
/// ```no_run
/// # fn main() -> torc_client::Result<()> {
/// let client = torc_client::blocking::Client::connect("redis://localhost")?;
/// client.call(|client| client.set("greeting", "hello"))?;
/// let visits = client.call(|client| client.incr("visits"))?;
/// let both: (Option<String>, i64) = client.wait(|client| {
///     let mut pipeline = client.pipeline();
///     pipeline.push(client.get("greeting"));
///     pipeline.push(client.incr("visits"));
///     pipeline.run_as()
/// })?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Client {
    // Before the runtime, which its connections live on.
    client: crate::Client,
    runtime: Arc<Runtime>,
}

impl Client {
    /// Connects to the servers at `url`; see [`Config::from_url`].
    ///
    /// # Errors
    /// As [`Client::with_config`].
    pub fn connect(url: &str) -> Result<Client> {
        Self::with_config(Config::from_url(url)?)
    }

    /// Connects as `config` says.
    ///
    /// # Errors
    /// The configuration is wrong, no server answers within the call timeout, or the system gives no thread for the connections.
    pub fn with_config(config: Config) -> Result<Client> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("torc-client")
            .enable_all()
            .build()
            .map_err(|error| Error::config(format!("no runtime: {error}")))?;
        let client = runtime.block_on(crate::Client::with_config(config))?;
        Ok(Client { client, runtime: Arc::new(runtime) })
    }

    /// Makes one call.
    ///
    /// # Errors
    /// The call's own.
    pub fn call<'c, T: FromReply, C>(
        &'c self,
        call: impl FnOnce(&'c crate::Client) -> Call<'c, T, C>,
    ) -> Result<T> {
        self.runtime.block_on(call(&self.client).into_future())
    }

    /// Waits for anything that the async client can do: pipelines, transactions, a subscriber's messages.
    pub fn wait<'c, F: Future>(&'c self, work: impl FnOnce(&'c crate::Client) -> F) -> F::Output {
        // Built within the runtime, for what it starts there.
        self.runtime.block_on(async { work(&self.client).await })
    }
}
