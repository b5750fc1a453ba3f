//! A client's socket that speaks TLS: rustls between the bytes of the network and those of the protocol.
//!
//! ```text
//!   socket ─▶ receive ─▶ session ─▶ what was decrypted ─▶ reader's buffer
//!   socket ◀─ flush   ◀─ session ◀─ a stretch of what is written, `staged` until the socket has taken all that it became
//! ```
//!
//! It behaves as a plain socket does whose reads and writes never wait, so that the worker need not know one from the other:
//!
//! * A reading goes on until the socket or the reader's buffer is exhausted. What was decrypted and found no room is told of as more to come, for no event will.
//! * What is written counts as taken once its last encrypted byte has left. Until then the writer keeps it and offers it again, so it counts as unsent output and is tried again when the
//!   socket takes more, as any other. One stretch at most is encrypted beforehand.
//! * The handshake is a reading that brings nothing. What it has to send goes out with it, or where the socket is full with [`TlsStream::flush`] when that takes more.
//!
//! Source: RFC 8446 and RFC 5246; rustls keeps to them.

#[cfg(test)]
mod tests;

use super::stream::Taken;
use crate::base::limits::{TLS_READS_MAX, TLS_STAGED_BYTES};
use mio::net::TcpStream;
use rustls::ServerConnection;
use std::io::{self, Read, Write as _};

/// See the module.
#[derive(Debug)]
pub(super) struct TlsStream {
    socket: TcpStream,
    session: ServerConnection,
    /// Bytes at the beginning of what is to be written that are encrypted already, and not all sent.
    staged: usize,
    /// Whether the client sends nothing more: it said so, or its socket did.
    ended: bool,
    /// Whether it broke the protocol.
    failed: bool,
}

/// What the socket holds after a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// Perhaps more.
    More,
    /// It gave less than was asked for: no bytes, but perhaps the end.
    LessThanAsked,
    /// It said so.
    Nothing,
}

/// The socket, and whether it gave less than was asked for.
struct Source<'a> {
    socket: &'a mut TcpStream,
    gave_less: bool,
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.socket.read(buffer)?;
        self.gave_less = read < buffer.len();
        Ok(read)
    }
}

impl TlsStream {
    /// The node's side of a connection that the client just opened.
    pub fn new(socket: TcpStream, session: ServerConnection) -> Self {
        TlsStream { socket, session, staged: 0, ended: false, failed: false }
    }

    /// The socket below.
    pub fn socket(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    /// The same, to look at.
    pub fn socket_ref(&self) -> &TcpStream {
        &self.socket
    }

    /// Whether the two sides do not yet know each other.
    pub fn is_handshaking(&self) -> bool {
        self.session.is_handshaking()
    }

    /// Decrypts into `buffer` what has come; 0 bytes are the end of what the client sends.
    ///
    /// # Errors
    /// Nothing has come ([`io::ErrorKind::WouldBlock`]); the socket is broken; or the client does not speak TLS, and was told so as far as it understands.
    // Here and below: plain sockets go the same way, and must not carry the registers and the frame of this.
    #[inline(never)]
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<Taken> {
        let mut bytes = 0;
        let mut source = Left::More;
        for _ in 0..TLS_READS_MAX {
            bytes += self.decrypted(&mut buffer[bytes..]);
            let is_exhausted = match source {
                Left::More => false,
                // Where that was nothing for the reader, the end of the client's stream must not be taken for nothing new: its event may have come already.
                Left::LessThanAsked => bytes > 0,
                Left::Nothing => true,
            };
            if bytes == buffer.len() || self.ended || self.failed || is_exhausted {
                break;
            }
            source = self.receive()?;
        }
        // The last round may have brought something.
        bytes += self.decrypted(&mut buffer[bytes..]);
        self.flush()?;
        match bytes {
            0 if self.failed => Err(io::ErrorKind::InvalidData.into()),
            0 if self.ended => Ok(Taken { bytes: 0, more: true }),
            0 if source == Left::Nothing => Err(io::ErrorKind::WouldBlock.into()),
            // That much and nothing of it for the reader: no handshake is so long.
            0 => Err(io::ErrorKind::InvalidData.into()),
            _ => {
                let may_have_more = source == Left::More || self.ended || self.failed;
                Ok(Taken { bytes, more: may_have_more || bytes == buffer.len() })
            }
        }
    }

    /// Moves what was decrypted into `buffer`, as far as there is room. Returns how much that is.
    fn decrypted(&mut self, buffer: &mut [u8]) -> usize {
        if buffer.is_empty() {
            return 0;
        }
        match self.session.reader().read(buffer) {
            Ok(0) => self.ended = true,
            Ok(read) => return read,
            Err(error) => self.ended |= error.kind() != io::ErrorKind::WouldBlock,
        }
        0
    }

    /// Takes in once what the socket has.
    fn receive(&mut self) -> io::Result<Left> {
        let mut source = Source { socket: &mut self.socket, gave_less: false };
        let received = loop {
            match self.session.read_tls(&mut source) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Left::Nothing);
                }
                received => break received?,
            }
        };
        let gave_less = source.gave_less && received > 0;
        if let Err(error) = self.session.process_new_packets() {
            tracing::debug!(%error, "a client does not speak TLS as it should");
            self.failed = true;
        }
        Ok(if gave_less { Left::LessThanAsked } else { Left::More })
    }

    /// Sends what it can of `bytes`. Fewer than all means that the socket is full, and that what is offered next has to begin with the rest.
    ///
    /// # Errors
    /// Nothing can be sent before the handshake is over ([`io::ErrorKind::WouldBlock`]); or the socket is broken.
    #[inline(never)]
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_handshaking() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut sent = 0;
        while self.flush()? {
            sent += std::mem::take(&mut self.staged);
            let rest = bytes.get(sent..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(bytes.len());
            }
            self.staged = self.session.writer().write(&rest[..rest.len().min(TLS_STAGED_BYTES)])?;
        }
        Ok(sent)
    }

    /// Sends what is encrypted already. Returns whether that was all.
    ///
    /// # Errors
    /// The socket is broken.
    #[inline(never)]
    pub fn flush(&mut self) -> io::Result<bool> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut self.socket) {
                Ok(0) => return Ok(false),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

impl Drop for TlsStream {
    /// Tells the client that nothing more comes, so that it knows the end from a connection that broke.
    fn drop(&mut self) {
        self.session.send_close_notify();
        // At best: nobody waits for it.
        let _ = self.flush();
    }
}
