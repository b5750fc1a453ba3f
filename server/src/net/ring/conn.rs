//! One connection to a peer: a [`Link`] and its socket.
//!
//! ```text
//!   dial ─▶ connecting ─▶ connected ─▶ receive ⇄ flush ─▶ lost ─▶ (the end that dialled) dial
//! ```
//!
//! **Invariant.** A connection has a socket or its link knows that it has none. A turn reads and writes a bounded amount; [`Conn::has_more`] says that there is
//! more to do without an event. **Does not know** what frames mean, nor which peers there should be.

use crate::base::rng;
use crate::node::link::{
    Action, Admission, Close, EffectSource, Event, Failed, Link, NoEffects, Now, Received,
};
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::ops::ControlFlow;
use torc_protocol::peer::hello::Reason;

/// Reads of one turn at most, so that a peer that sends a lot takes turns with others.
const READS_MAX: usize = 8;

/// Slices of one turn at most.
const SLICES_MAX: usize = 16;

/// What a buffer of unread bytes keeps when it is empty.
const INPUT_BYTES_KEPT: usize = 64 * 1024;

/// See the module.
pub(in crate::net) struct Conn {
    /// The protocol.
    pub link: Link,
    stream: Option<TcpStream>,
    /// Received and not yet taken: the beginning of a frame, or whole ones where `is_stalled`.
    input: Vec<u8>,
    is_stalled: bool,
    is_connecting: bool,
    readable: bool,
    writable: bool,
    /// Whether the last flush ended because it had written enough.
    unsent: bool,
}

/// Why a connection is no more.
#[derive(Debug)]
pub(in crate::net) enum Lost {
    /// The link says so.
    Closed(Close),
    /// The system says so.
    Failed(io::Error),
    /// The peer closed it.
    Ended,
    /// Nobody knows where the node is.
    Nowhere,
    /// A frame was not what its kind says.
    Malformed,
    /// A later one of the same peer took its place.
    Replaced,
    /// The peer is no living member any more.
    NotAMember,
}

impl Lost {
    /// Whether it tells of a node that does not fit, which an operator has to know.
    pub fn is_misfit(&self) -> bool {
        match self {
            Lost::Closed(Close::Refused(refusal)) => !matches!(
                refusal.reason,
                Reason::SelfConnection | Reason::StaleIncarnation | Reason::Unavailable
            ),
            _ => false,
        }
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lost::Closed(close) => write!(f, "{close}"),
            Lost::Failed(error) => write!(f, "{error}"),
            Lost::Ended => f.write_str("the peer closed the connection"),
            Lost::Nowhere => f.write_str("the peer's address is not known"),
            Lost::Malformed => f.write_str("the peer sent what it must not"),
            Lost::Replaced => f.write_str("another took its place"),
            Lost::NotAMember => f.write_str("the peer is no living member"),
        }
    }
}

impl From<io::Error> for Lost {
    fn from(error: io::Error) -> Self {
        Lost::Failed(error)
    }
}

impl From<Close> for Lost {
    fn from(close: Close) -> Self {
        Lost::Closed(close)
    }
}

impl Conn {
    /// The end that dials.
    pub fn dialler(link: Link) -> Self {
        Conn {
            link,
            stream: None,
            input: Vec::new(),
            is_stalled: false,
            is_connecting: false,
            readable: false,
            writable: false,
            unsent: false,
        }
    }

    /// The end that was connected to.
    pub fn acceptor(link: Link, stream: TcpStream) -> Self {
        let mut conn = Conn::dialler(link);
        set_options(&stream);
        conn.stream = Some(stream);
        (conn.readable, conn.writable) = (true, true);
        conn
    }

    /// Begins to connect, as [`Action::Dial`] asked for. An error is to be treated as a lost connection.
    pub fn dial(
        &mut self,
        address: SocketAddr,
        registry: &Registry,
        token: Token,
    ) -> Result<(), Lost> {
        let stream = TcpStream::connect(address)?;
        self.stream = Some(stream);
        self.is_connecting = true;
        (self.readable, self.writable, self.is_stalled) = (false, false, false);
        self.register(registry, token)
    }

    /// Asks `registry` to tell of it, for as long as the socket is open.
    pub fn register(&mut self, registry: &Registry, token: Token) -> Result<(), Lost> {
        if let Some(stream) = &mut self.stream {
            registry.register(stream, token, Interest::READABLE | Interest::WRITABLE)?;
        }
        Ok(())
    }

    /// Takes it away from `registry`, so that another thread can have it.
    pub fn deregister(&mut self, registry: &Registry) -> Result<(), Lost> {
        if let Some(stream) = &mut self.stream {
            registry.deregister(stream)?;
        }
        // The next owner's registration reports what is ready, but not what was read before.
        (self.readable, self.writable) = (true, true);
        Ok(())
    }

    /// Something changed.
    pub fn on_event(&mut self, event: &mio::event::Event, now: Now) -> Result<(), Lost> {
        self.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        self.writable |= event.is_writable();
        if !self.is_connecting {
            return Ok(());
        }
        let Some(stream) = &self.stream else { return Ok(()) };
        if let Some(error) = stream.take_error()? {
            return Err(Lost::Failed(error));
        }
        match stream.peer_addr() {
            Ok(_) => {
                set_options(stream);
                self.is_connecting = false;
                self.link.connected(now, rng::challenge());
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            Err(error) => Err(Lost::Failed(error)),
        }
    }

    /// Whether there is something to do without a further event.
    pub fn has_more(&self) -> bool {
        let can_read = self.is_stalled || (self.readable && !self.is_connecting);
        self.stream.is_some() && (can_read || (self.unsent && self.writable))
    }

    /// Reads what is there, within a turn's bounds, and hands each event to `on_event`. Where that breaks, the rest waits for the next call.
    pub fn receive(
        &mut self,
        buffer: &mut [u8],
        now: Now,
        admission: &dyn Admission,
        on_event: &mut dyn FnMut(&mut Link, Event<'_>) -> ControlFlow<()>,
    ) -> Result<(), Lost> {
        if std::mem::take(&mut self.is_stalled) {
            self.digest(now, admission, on_event)?;
        }
        for _ in 0..READS_MAX {
            if !self.readable || self.is_connecting || self.is_stalled {
                break;
            }
            let Some(stream) = &mut self.stream else { break };
            let count = match stream.read(buffer) {
                Ok(0) => return Err(Lost::Ended),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.readable = false;
                    break;
                }
                Err(error) => return Err(Lost::Failed(error)),
            };
            let read = &buffer[..count];
            if self.input.is_empty() {
                let (taken, stopped) = take(&mut self.link, read, now, admission, on_event)?;
                self.input.extend_from_slice(&read[taken..]);
                self.is_stalled = stopped && !self.input.is_empty();
            } else {
                self.input.extend_from_slice(read);
                self.digest(now, admission, on_event)?;
            }
        }
        Ok(())
    }

    /// Takes what was received before.
    fn digest(
        &mut self,
        now: Now,
        admission: &dyn Admission,
        on_event: &mut dyn FnMut(&mut Link, Event<'_>) -> ControlFlow<()>,
    ) -> Result<(), Lost> {
        let (taken, stopped) = take(&mut self.link, &self.input, now, admission, on_event)?;
        if taken == self.input.len() {
            self.input.clear();
            self.input.shrink_to(INPUT_BYTES_KEPT);
        } else {
            self.input.drain(..taken);
        }
        self.is_stalled = stopped && !self.input.is_empty();
        Ok(())
    }

    /// Sends what the link has to send, within a turn's bounds.
    pub fn flush(&mut self, now: Now, source: &mut dyn EffectSource) -> Result<(), Lost> {
        self.unsent = false;
        let Some(stream) = &mut self.stream else { return Ok(()) };
        if self.is_connecting {
            return Ok(());
        }
        for _ in 0..SLICES_MAX {
            if !self.writable {
                return Ok(());
            }
            let bytes = self.link.output(now, source);
            if bytes.is_empty() {
                return Ok(());
            }
            match stream.write(bytes) {
                Ok(count) => self.link.sent(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                Err(error) => return Err(Lost::Failed(error)),
            }
        }
        self.unsent = true;
        Ok(())
    }

    /// Does what is due, and returns whether the owner is to dial.
    pub fn tick(&mut self, now: Now, failed: &mut Vec<Failed>) -> Result<bool, Lost> {
        match self.link.tick(now, failed) {
            Action::Nothing => Ok(false),
            Action::Dial => Ok(true),
            Action::Close(close) => Err(Lost::Closed(close)),
        }
    }

    /// Ends the connection: sends the link's last word if the socket takes it, and closes. Appends the requests that end by that.
    pub fn lose(&mut self, now: Now, failed: &mut Vec<Failed>) {
        // Whether the last word arrives changes nothing here.
        let _ = self.flush(now, &mut NoEffects);
        self.stream = None;
        self.is_connecting = false;
        self.is_stalled = false;
        self.input = Vec::new();
        self.link.disconnected(now, failed);
    }
}

fn set_options(stream: &TcpStream) {
    // Not worth a connection: a socket that was reset meanwhile refuses it, and is found out at its first read.
    let _ = stream.set_nodelay(true);
}

/// Hands `bytes` to the link. Returns how many were taken, and whether `on_event` wanted to stop.
fn take(
    link: &mut Link,
    bytes: &[u8],
    now: Now,
    admission: &dyn Admission,
    on_event: &mut dyn FnMut(&mut Link, Event<'_>) -> ControlFlow<()>,
) -> Result<(usize, bool), Close> {
    let mut taken = 0;
    loop {
        match link.receive(bytes, &mut taken, now, admission)? {
            Received::Event(event) => {
                if on_event(link, event).is_break() {
                    return Ok((taken, true));
                }
            }
            Received::Incomplete { .. } => return Ok((taken, false)),
        }
    }
}
