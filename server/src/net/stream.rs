//! A client's socket: TCP, Unix or TLS, behind one narrow type, so that another driver can take mio's place.

use super::tls::TlsStream;
use crate::cluster::member::Transport;
use mio::event::Source;
use mio::{Interest, Registry, Token};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, RawFd};

/// A connected, non-blocking socket.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(mio::net::TcpStream),
    Unix(mio::net::UnixStream),
    /// Boxed: the state of a session takes more than a kilobyte.
    Tls(Box<TlsStream>),
}

/// What a reading has brought.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken {
    pub bytes: usize,
    /// Whether there may be more, of which no event will tell.
    pub more: bool,
}

impl Stream {
    /// Reads what is there into `buffer`; 0 bytes are the end of the client's stream.
    #[inline]
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<Taken> {
        loop {
            let read = match self {
                Stream::Tcp(stream) => stream.read(buffer),
                Stream::Unix(stream) => stream.read(buffer),
                Stream::Tls(stream) => return stream.read(buffer),
            };
            if !is_interrupted(&read) {
                // Less than there was room for is all that there was; what comes later is reported as a new edge.
                return read.map(|bytes| Taken { bytes, more: bytes == buffer.len() });
            }
        }
    }

    /// Writes what the socket takes of `bytes`. Fewer than all means that it is full, and that what is written next has to begin with the rest.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            let written = match self {
                Stream::Tcp(stream) => stream.write(bytes),
                Stream::Unix(stream) => stream.write(bytes),
                Stream::Tls(stream) => return stream.write(bytes),
            };
            if !is_interrupted(&written) {
                return written;
            }
        }
    }

    /// Asks to be told of every change of readiness, for as long as the socket is open.
    ///
    /// Both directions are asked for once and for all. Readiness is reported at its edges, so an idle writable socket costs nothing, and a
    /// client that stops reading needs no further system call.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let both = Interest::READABLE | Interest::WRITABLE;
        match self {
            Stream::Tcp(stream) => stream.register(registry, token, both),
            Stream::Unix(stream) => stream.register(registry, token, both),
            Stream::Tls(stream) => stream.socket().register(registry, token, both),
        }
    }

    /// The number of its file descriptor.
    pub fn descriptor(&self) -> RawFd {
        match self {
            Stream::Tcp(stream) => stream.as_raw_fd(),
            Stream::Unix(stream) => stream.as_raw_fd(),
            Stream::Tls(stream) => stream.socket_ref().as_raw_fd(),
        }
    }

    /// Whether its two sides have yet to agree on how they talk.
    pub fn is_handshaking(&self) -> bool {
        matches!(self, Stream::Tls(stream) if stream.is_handshaking())
    }

    /// How the client came.
    pub fn transport(&self) -> Transport {
        if matches!(self, Stream::Tls(_)) { Transport::Tls } else { Transport::Plain }
    }

    /// Sends what the stream has to say on its own behalf, if the socket takes it now.
    ///
    /// # Errors
    /// The socket is broken.
    pub fn flush_own(&mut self) -> io::Result<()> {
        if let Stream::Tls(stream) = self {
            stream.flush()?;
        }
        Ok(())
    }
}

fn is_interrupted(result: &io::Result<usize>) -> bool {
    matches!(result, Err(error) if error.kind() == io::ErrorKind::Interrupted)
}
