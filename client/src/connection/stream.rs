//! Sockets of all kinds as a reading and a writing side.

use crate::config::Address;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// A connected socket.
pub(crate) struct Stream {
    pub read: Box<dyn AsyncRead + Send + Unpin>,
    pub write: Box<dyn AsyncWrite + Send + Unpin>,
}

/// A peer that vanished without a word is noticed on idle connections within a minute.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_PROBES: u32 = 3;

impl Stream {
    /// Connects to `address`.
    pub(crate) async fn open(address: &Address, tls: Option<&Tls>) -> io::Result<Stream> {
        match address {
            Address::Unix(path) => {
                let (read, write) = UnixStream::connect(path).await?.into_split();
                Ok(Stream { read: Box::new(read), write: Box::new(write) })
            }
            Address::Tcp(host, port) => {
                let socket = TcpStream::connect((host.as_str(), *port)).await?;
                socket.set_nodelay(true)?;
                let keepalive = socket2::TcpKeepalive::new()
                    .with_time(KEEPALIVE_IDLE)
                    .with_interval(KEEPALIVE_INTERVAL)
                    .with_retries(KEEPALIVE_PROBES);
                // A system that has no keepalive has our deadlines all the same.
                let _ = socket2::SockRef::from(&socket).set_tcp_keepalive(&keepalive);
                Self::over(socket, host, tls).await
            }
        }
    }

    #[cfg(not(feature = "tls"))]
    async fn over(socket: TcpStream, _: &str, _: Option<&Tls>) -> io::Result<Stream> {
        Ok(Self::plain(socket))
    }

    #[cfg(feature = "tls")]
    async fn over(socket: TcpStream, host: &str, tls: Option<&Tls>) -> io::Result<Stream> {
        let Some(tls) = tls else { return Ok(Self::plain(socket)) };
        let (read, write) = tokio::io::split(tls.connect(host, socket).await?);
        Ok(Stream { read: Box::new(read), write: Box::new(write) })
    }

    fn plain(socket: TcpStream) -> Stream {
        let (read, write) = socket.into_split();
        Stream { read: Box::new(read), write: Box::new(write) }
    }
}

#[cfg(feature = "tls")]
pub(crate) use crate::tls::Connector as Tls;

/// Without the feature there is no value of it.
#[cfg(not(feature = "tls"))]
#[derive(Debug)]
pub(crate) enum Tls {}
