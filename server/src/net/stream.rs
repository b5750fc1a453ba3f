//! A client's socket: TCP or Unix, behind one narrow type, so that another driver can take mio's place.

use mio::event::Source;
use mio::{Interest, Registry, Token};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, RawFd};

/// A connected, non-blocking socket.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(mio::net::TcpStream),
    Unix(mio::net::UnixStream),
}

impl Stream {
    /// Reads what is there into `buffer`; 0 bytes are the end of the client's stream.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = match self {
                Stream::Tcp(stream) => stream.read(buffer),
                Stream::Unix(stream) => stream.read(buffer),
            };
            if !is_interrupted(&read) {
                return read;
            }
        }
    }

    /// Writes what the socket takes of `bytes`. Fewer than all means that it is full.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            let written = match self {
                Stream::Tcp(stream) => stream.write(bytes),
                Stream::Unix(stream) => stream.write(bytes),
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
        }
    }

    /// The number of its file descriptor.
    pub fn descriptor(&self) -> RawFd {
        match self {
            Stream::Tcp(stream) => stream.as_raw_fd(),
            Stream::Unix(stream) => stream.as_raw_fd(),
        }
    }
}

fn is_interrupted(result: &io::Result<usize>) -> bool {
    matches!(result, Err(error) if error.kind() == io::ErrorKind::Interrupted)
}
