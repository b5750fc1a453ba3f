//! How a client connects and behaves: one value, made from a URL or built up, and checked before anything is connected.

mod url;

use crate::breaker::BreakerPolicy;
use crate::consistency::Consistency;
use crate::error::{Error, Result};
use crate::metrics::Observer;
use crate::retry::RetryPolicy;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Address {
    /// A host, by name or number, and a port.
    Tcp(String, u16),
    /// A Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Tcp(host, port) => write!(f, "{host}:{port}"),
            Address::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Whether the servers are a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Mode {
    /// Ask the first server that answers.
    #[default]
    Auto,
    /// Send everything to the seeds, even if they are part of a cluster.
    Standalone,
    /// Refuse to work with anything but a cluster.
    Cluster,
}

/// The version of the protocol that is spoken with servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Protocol {
    /// RESP2: what stands between may not know the other.
    Resp2,
    /// RESP3 with servers that know it, which Torc does and Redis from version 6; RESP2 with others.
    #[default]
    Resp3,
}

/// Which nodes answer commands that only read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ReadFrom {
    /// The node that takes the writes: reads see all that was acknowledged.
    #[default]
    Primary,
    /// Any copy, one after the other: what is read may be a moment old.
    Any,
    /// A copy in this zone, where the servers say in which zone they are (Torc does) and there is one; else any copy.
    Zone(String),
    /// Any copy that has what this client's session has written and read (Torc; elsewhere the primary), by pipelines and transactions too. See
    /// [`Session`](crate::Session).
    Session,
}

/// How a client connects and behaves.
///
/// ```
/// use std::time::Duration;
/// use torc_client::{Config, ReadFrom};
///
/// # fn main() -> torc_client::Result<()> {
/// let config = Config::from_url("redis://app:secret@10.0.0.1:7379,10.0.0.2:7379/")?
///     .call_timeout(Duration::from_secs(2))
///     .read_from(ReadFrom::Any)
///     .client_name("checkout");
/// # assert_eq!(config.addresses().len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct Config {
    pub(crate) seeds: Vec<Address>,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) database: u32,
    pub(crate) client_name: Option<String>,
    pub(crate) protocol: Protocol,
    pub(crate) mode: Mode,
    pub(crate) connections_per_node: Option<usize>,
    pub(crate) blocking_connections_max: usize,
    pub(crate) connect_timeout: Duration,
    pub(crate) call_timeout: Duration,
    pub(crate) attempt_timeout: Duration,
    pub(crate) retry: RetryPolicy,
    pub(crate) breaker: BreakerPolicy,
    pub(crate) read_from: ReadFrom,
    pub(crate) consistency: Consistency,
    pub(crate) refresh_interval: Duration,
    pub(crate) in_flight_max: usize,
    pub(crate) out_bytes_max: usize,
    pub(crate) reply_bytes_max: usize,
    pub(crate) hedge_after: Option<Duration>,
    pub(crate) coalesce: bool,
    pub(crate) busy_poll: Duration,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<crate::tls::TlsConfig>,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The password stays out of logs.
        f.debug_struct("Config")
            .field("seeds", &self.seeds)
            .field("username", &self.username)
            .field("mode", &self.mode)
            .field("call_timeout", &self.call_timeout)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// For servers at `addresses`, of which one that answers is enough to find the others.
    pub fn new(addresses: impl IntoIterator<Item = Address>) -> Config {
        Config {
            seeds: addresses.into_iter().collect(),
            username: None,
            password: None,
            database: 0,
            client_name: None,
            protocol: Protocol::default(),
            mode: Mode::Auto,
            connections_per_node: None,
            blocking_connections_max: 64,
            connect_timeout: Duration::from_secs(1),
            call_timeout: Duration::from_secs(5),
            attempt_timeout: Duration::from_secs(1),
            retry: RetryPolicy::default(),
            breaker: BreakerPolicy::default(),
            read_from: ReadFrom::Primary,
            consistency: Consistency::default(),
            refresh_interval: Duration::from_secs(30),
            in_flight_max: 65_536,
            out_bytes_max: 64 << 20,
            reply_bytes_max: 1 << 30,
            hedge_after: None,
            coalesce: false,
            busy_poll: Duration::ZERO,
            observer: None,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// From a URL: `redis://[user:password@]host[:port][,host…][/database][?option=value&…]`, `rediss://` for TLS (feature `tls`), `unix:///path`.
    ///
    /// Options: `mode` (`auto`, `standalone`, `cluster`), `protocol` (`2`, `3`), `read` (`primary`, `any`, `session`, `zone:NAME`), `timeout_ms`, `attempt_timeout_ms`, `connect_timeout_ms`,
    /// `busy_poll_us`, `connections`, `name`, `db`. What has no option has a method. The port is 6379 where none is given; user and password may be percent-encoded.
    ///
    /// # Errors
    /// The text is no such URL, or an option is unknown or has no legal value.
    ///
    /// ```
    /// # fn main() -> torc_client::Result<()> {
    /// use torc_client::Config;
    /// let config = Config::from_url("redis://localhost/2?timeout_ms=500")?;
    /// assert_eq!(config.addresses()[0].to_string(), "localhost:6379");
    /// assert!(Config::from_url("http://localhost").is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_url(url: &str) -> Result<Config> {
        url::parse(url)
    }

    /// The seeds.
    pub fn addresses(&self) -> &[Address] {
        &self.seeds
    }

    /// User and password; the user is `default` where there is none.
    pub fn credentials(mut self, user: Option<&str>, password: &str) -> Config {
        self.username = user.map(str::to_owned);
        self.password = Some(password.to_owned());
        self
    }

    /// The database (default 0); clusters have no other, and Torc has others on its plain port.
    pub fn database(mut self, database: u32) -> Config {
        self.database = database;
        self
    }

    /// The name that CLIENT LIST shows.
    pub fn client_name(mut self, name: &str) -> Config {
        self.client_name = Some(name.to_owned());
        self
    }

    /// The protocol (default RESP3, where the server knows it). All that the client does works with either; replies of commands without a type of their own are
    /// poorer in RESP2: maps are arrays there, and numbers with a fraction are text.
    pub fn protocol(mut self, protocol: Protocol) -> Config {
        self.protocol = protocol;
        self
    }

    /// Whether the servers are a cluster (default: ask them).
    pub fn mode(mut self, mode: Mode) -> Config {
        self.mode = mode;
        self
    }

    /// Most connections to each node that calls share; the default is one for each worker thread of the tokio runtime, so that threads do not wait for each other.
    /// A call takes the connection of the thread that it runs on, or the first as long as the calls under way are few and their callers brief: they cost least together.
    pub fn connections_per_node(mut self, count: usize) -> Config {
        self.connections_per_node = Some(count);
        self
    }

    /// Most connections to each node for blocking commands, of which each keeps one to itself while it waits (default 64).
    pub fn blocking_connections_max(mut self, count: usize) -> Config {
        self.blocking_connections_max = count;
        self
    }

    /// How long a connection may take until the server has greeted it (default 1 s).
    pub fn connect_timeout(mut self, timeout: Duration) -> Config {
        self.connect_timeout = timeout;
        self
    }

    /// How long a call may take with all its retries (default 5 s). No call takes longer, but one that blocks: by as long as its own argument says, which may be for ever.
    /// [`Call::timeout`](crate::Call::timeout) ends that too.
    pub fn call_timeout(mut self, timeout: Duration) -> Config {
        self.call_timeout = timeout;
        self
    }

    /// How long one node may take to answer before the call is tried elsewhere, or again (default 1 s). Calls that may not be repeated fail then.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Config {
        self.attempt_timeout = timeout;
        self
    }

    /// What is tried again, how often, and how much of it.
    pub fn retry(mut self, policy: RetryPolicy) -> Config {
        self.retry = policy;
        self
    }

    /// When a node that fails is left alone.
    pub fn breaker(mut self, policy: BreakerPolicy) -> Config {
        self.breaker = policy;
        self
    }

    /// Which nodes answer reads (default: primaries).
    pub fn read_from(mut self, read_from: ReadFrom) -> Config {
        self.read_from = read_from;
        self
    }

    /// What all calls demand of Torc unless they say otherwise (default: what the server's settings say); commands of a [`Pipeline`](crate::Pipeline), a
    /// [`Transaction`](crate::Transaction) and a [`Watch`](crate::Watch) too. A read level goes before [`Config::read_from`]. What cannot matter to a command is not sent:
    /// a write level costs reads nothing, nor a read level writes.
    pub fn consistency(mut self, consistency: Consistency) -> Config {
        self.consistency = consistency;
        self
    }

    /// How often the routing table is fetched anew without any reason (default 30 s, a quarter more or less).
    pub fn refresh_interval(mut self, interval: Duration) -> Config {
        self.refresh_interval = interval;
        self
    }

    /// Most requests without a reply on one connection (default 65,536); one more is answered with [`ErrorKind::Overloaded`](crate::ErrorKind).
    pub fn in_flight_max(mut self, count: usize) -> Config {
        self.in_flight_max = count;
        self
    }

    /// Most bytes that wait for one socket (default 64 MiB); with more waiting, calls are answered with [`ErrorKind::Overloaded`](crate::ErrorKind).
    pub fn out_bytes_max(mut self, bytes: usize) -> Config {
        self.out_bytes_max = bytes;
        self
    }

    /// The longest reply (default 1 GiB). A longer one ends its connection.
    pub fn reply_bytes_max(mut self, bytes: usize) -> Config {
        self.reply_bytes_max = bytes;
        self
    }

    /// Ask a second copy where a read has no answer after so long, and take whichever comes first. Such reads may be answered from copies, as with
    /// [`ReadFrom::Any`], and cost the servers more: choose a time that few reads take. A read that demands a level other than
    /// [`ReadLevel::Any`](crate::ReadLevel), or is part of a session, is not hedged. Off by default.
    pub fn hedge_after(mut self, wait: Duration) -> Config {
        self.hedge_after = Some(wait);
        self
    }

    /// Answer GETs of one key that wait at the same time from one request (default: no): for keys that very many read. A call that finds one under way shares the
    /// next, so each answer was read after the call began, and nothing that was acknowledged before is missed; the call may take twice as long.
    pub fn coalesce(mut self, coalesce: bool) -> Config {
        self.coalesce = coalesce;
        self
    }

    /// How long a call that is alone on its connection looks for its reply before it lets its thread sleep (default zero: it does not). Between processes of
    /// one machine that saves the wake-ups, which can be most of a round trip; 50 µs are enough there. The runtime's other tasks run in between, but the thread uses
    /// its core while it looks. Each time it offers that core to other threads: where those of other programs always want it, calls may become slower than without.
    /// Where replies take longer, it is soon done for one call in a thousand only. It has an effect on tokio runtimes of one thread (`current_thread`), on connections
    /// that are not encrypted.
    pub fn busy_poll(mut self, time: Duration) -> Config {
        self.busy_poll = time;
        self
    }

    /// Who is told what calls and connections do.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Config {
        self.observer = Some(observer);
        self
    }

    /// Encrypt connections.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: crate::tls::TlsConfig) -> Config {
        self.tls = Some(tls);
        self
    }

    /// Whether it can work at all.
    pub(crate) fn check(&self) -> Result<()> {
        let check = |holds: bool, what: &str| {
            if holds { Ok(()) } else { Err(Error::config(what)) }
        };
        check(!self.seeds.is_empty(), "there is no address to connect to")?;
        check(self.connections_per_node != Some(0), "connections_per_node is 0")?;
        check(self.in_flight_max > 0, "in_flight_max is 0")?;
        check(!self.call_timeout.is_zero(), "call_timeout is 0")?;
        check(!self.attempt_timeout.is_zero(), "attempt_timeout is 0")?;
        check(!self.connect_timeout.is_zero(), "connect_timeout is 0")?;
        check(!self.refresh_interval.is_zero(), "refresh_interval is 0")?;
        check(self.mode != Mode::Cluster || self.database == 0, "a cluster has database 0 alone")
    }
}
