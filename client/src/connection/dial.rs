//! Makes a connection ready: socket, driver, greeting, within one deadline.

use super::driver::Driver;
use super::handshake::greet;
use super::relay::Relay;
use super::shared::{Connection, Limits, PushSink};
use super::stream::{Stream, Tls};
use crate::base::clock;
use crate::config::{Address, Config, Protocol};
use crate::error::{Applied, Error, ErrorKind, Result};
use std::sync::Arc;
use std::time::Duration;

/// All that connecting to any node needs besides its address.
pub(crate) struct Endpoint {
    pub username: Option<String>,
    pub password: Option<String>,
    pub database: u32,
    pub client_name: Option<String>,
    pub protocol: Protocol,
    pub connect_timeout: Duration,
    pub limits: Limits,
    pub tls: Option<Tls>,
}

impl Endpoint {
    pub(crate) fn new(config: &Config) -> Result<Endpoint> {
        Ok(Endpoint {
            username: config.username.clone(),
            password: config.password.clone(),
            database: config.database,
            client_name: config.client_name.clone(),
            protocol: config.protocol,
            connect_timeout: config.connect_timeout,
            limits: Limits {
                in_flight_max: config.in_flight_max,
                out_bytes_max: config.out_bytes_max,
                reply_bytes_max: config.reply_bytes_max,
                stall: config.attempt_timeout,
                busy_poll: config.busy_poll,
            },
            #[cfg(feature = "tls")]
            tls: config.tls.as_ref().map(|tls| tls.connector()).transpose()?,
            #[cfg(not(feature = "tls"))]
            tls: None,
        })
    }
}

/// Connects to `address` and greets. `reads_copies` asks a cluster's node to answer from its copies, `relay` is shared by connections that serve the same callers.
///
/// Dropping the future gives the connection up.
pub(crate) async fn connect(
    endpoint: &Endpoint,
    address: &Address,
    reads_copies: bool,
    pushes: Option<PushSink>,
    relay: Arc<Relay>,
) -> Result<Arc<Connection>> {
    let dial = async {
        let stream = Stream::open(address, endpoint.tls.as_ref()).await.map_err(|error| {
            let message = format!("cannot connect: {error}");
            Error::caused(ErrorKind::Connection, Applied::No, message, error)
        })?;
        let connection = Connection::new(stream.write, endpoint.limits, pushes, relay);
        let connection = Arc::new(connection);
        let guard = CloseUnlessKept(Some(&connection));
        tokio::spawn(Driver::new(Arc::clone(&connection), stream.read).run());
        let deadline = clock::after(clock::now(), endpoint.connect_timeout);
        greet(&connection, endpoint, reads_copies, deadline).await?;
        guard.keep();
        Ok(connection)
    };
    let outcome = tokio::time::timeout(endpoint.connect_timeout, dial).await;
    let outcome = outcome.unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::Connection, Applied::No, "cannot connect within connect_timeout"))
    });
    // Whatever failed, the caller's command was not part of it.
    outcome.map_err(|error| error.with_applied(Applied::No).at(address))
}

/// Ends a connection that nobody came to own.
struct CloseUnlessKept<'c>(Option<&'c Arc<Connection>>);

impl CloseUnlessKept<'_> {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for CloseUnlessKept<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.0 {
            connection.close();
        }
    }
}
