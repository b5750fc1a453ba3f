//! Sockets of all kinds as a reading and a writing side.

use crate::config::Address;
use socket2::SockRef;
use std::io::{self, Read as _};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream, tcp, unix};

/// A connected socket.
pub(crate) struct Stream {
    pub read: ReadHalf,
    pub write: Box<dyn AsyncWrite + Send + Unpin>,
}

/// A socket's reading side.
pub(crate) enum ReadHalf {
    Tcp(tcp::OwnedReadHalf),
    Unix(unix::OwnedReadHalf),
    /// What is encrypted, or played by a test.
    #[cfg(any(test, feature = "tls"))]
    Other(Box<dyn AsyncRead + Send + Unpin>),
}

impl ReadHalf {
    /// Whether [`ReadHalf::read_now`] works.
    pub(crate) fn can_read_now(&self) -> bool {
        match self {
            ReadHalf::Tcp(_) | ReadHalf::Unix(_) => true,
            #[cfg(any(test, feature = "tls"))]
            ReadHalf::Other(_) => false,
        }
    }

    /// Reads what the system has, whatever the runtime knows of it; never waits.
    ///
    /// # Errors
    /// The socket's own; `WouldBlock` if there is nothing.
    pub(crate) fn read_now(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let socket = match self {
            ReadHalf::Tcp(half) => SockRef::from(AsRef::<TcpStream>::as_ref(half)),
            ReadHalf::Unix(half) => SockRef::from(AsRef::<UnixStream>::as_ref(half)),
            #[cfg(any(test, feature = "tls"))]
            ReadHalf::Other(_) => return Err(io::ErrorKind::WouldBlock.into()),
        };
        (&*socket).read(buffer)
    }
}

impl AsyncRead for ReadHalf {
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            ReadHalf::Tcp(half) => Pin::new(half).poll_read(cx, buffer),
            ReadHalf::Unix(half) => Pin::new(half).poll_read(cx, buffer),
            #[cfg(any(test, feature = "tls"))]
            ReadHalf::Other(half) => Pin::new(half).poll_read(cx, buffer),
        }
    }
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
                Ok(Stream { read: ReadHalf::Unix(read), write: Box::new(write) })
            }
            Address::Tcp(host, port) => {
                let socket = TcpStream::connect((host.as_str(), *port)).await?;
                socket.set_nodelay(true)?;
                let keepalive = socket2::TcpKeepalive::new()
                    .with_time(KEEPALIVE_IDLE)
                    .with_interval(KEEPALIVE_INTERVAL)
                    .with_retries(KEEPALIVE_PROBES);
                // A system that has no keepalive has our deadlines all the same.
                let _ = SockRef::from(&socket).set_tcp_keepalive(&keepalive);
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
        Ok(Stream { read: ReadHalf::Other(Box::new(read)), write: Box::new(write) })
    }

    fn plain(socket: TcpStream) -> Stream {
        let (read, write) = socket.into_split();
        Stream { read: ReadHalf::Tcp(read), write: Box::new(write) }
    }
}

#[cfg(feature = "tls")]
pub(crate) use crate::tls::Connector as Tls;

/// Without the feature there is no value of it.
#[cfg(not(feature = "tls"))]
#[derive(Debug)]
pub(crate) enum Tls {}
