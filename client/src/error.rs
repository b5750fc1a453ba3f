//! What can go wrong with a call, and what that says about the command.
//!
//! Two questions matter to whoever gets an error: is it worth trying again ([`Error::is_retryable`]), and may the command have been
//! applied ([`Error::maybe_applied`])? Each error knows both. The text of a server's error is kept as it came.

use std::fmt;
use std::sync::Arc;
use torc_protocol::response::ResponseError;

/// The result of a call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed.
///
/// ```
/// # use torc_client::{Error, ErrorKind};
/// fn log(error: &Error) {
///     if error.maybe_applied() {
///         eprintln!("the command may have run: {error}");
///     } else if error.is_retryable() {
///         eprintln!("nothing happened, later it may: {error}");
///     }
///     if error.kind() == ErrorKind::Server && error.code() == Some("WRONGTYPE") {
///         eprintln!("the key holds something else");
///     }
/// }
/// ```
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    applied: Applied,
    message: String,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// What is known of the command's effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Applied {
    /// It had none.
    No,
    /// Nobody can tell.
    Maybe,
}

/// The kinds of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The server answered with an error; see [`Error::code`].
    Server,
    /// The call's deadline passed.
    Timeout,
    /// The connection failed or was closed.
    Connection,
    /// The node is not asked for a while, because it failed too often.
    CircuitOpen,
    /// As much is under way as the configuration allows.
    Overloaded,
    /// The server's bytes are no reply.
    Protocol,
    /// The reply is not of the type that was asked for.
    Conversion,
    /// The configuration or a URL is wrong.
    Config,
    /// The keys of one command, transaction or step lie in several slots.
    CrossSlot,
    /// A watched key changed, so that the transaction did not run.
    Aborted,
    /// The client was closed.
    Closed,
    /// What was asked for cannot be done this way; the message says how it can.
    Usage,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, applied: Applied, message: impl Into<String>) -> Self {
        Error(Box::new(Inner { kind, applied, message: message.into(), source: None }))
    }

    /// An error with its cause.
    pub(crate) fn caused(
        kind: ErrorKind,
        applied: Applied,
        message: impl Into<String>,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        let source: Arc<dyn std::error::Error + Send + Sync> = Arc::new(source);
        Error(Box::new(Inner { kind, applied, message: message.into(), source: Some(source) }))
    }

    /// What the server answered.
    pub(crate) fn server(line: &[u8]) -> Self {
        let message = String::from_utf8_lossy(line).into_owned();
        let applied = match message.split(' ').next().unwrap_or_default() {
            // Torc: no answer from the node that was to run it; it says where that is certain to have changed nothing.
            "TIMEOUT" if message.contains("nothing was changed") => Applied::No,
            "TIMEOUT" | "NOQUORUM" if !message.contains("read from") => Applied::Maybe,
            // A script that wrote and then failed.
            "TRYAGAIN" if message.contains("stays") => Applied::Maybe,
            _ if message.contains("script: ") => Applied::Maybe,
            _ => Applied::No,
        };
        Error::new(ErrorKind::Server, applied, message)
    }

    pub(crate) fn protocol(source: ResponseError) -> Self {
        Error::caused(
            ErrorKind::Protocol,
            Applied::Maybe,
            "the server's bytes are no reply",
            source,
        )
    }

    pub(crate) fn conversion(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Conversion, Applied::Maybe, message)
    }

    pub(crate) fn config(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Config, Applied::No, message)
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Usage, Applied::No, message)
    }

    pub(crate) fn timeout(applied: Applied) -> Self {
        Error::new(ErrorKind::Timeout, applied, "no reply within the time given")
    }

    pub(crate) fn closed() -> Self {
        Error::new(ErrorKind::Closed, Applied::No, "the client is closed")
    }

    /// The same with what is known of the effect.
    pub(crate) fn with_applied(mut self, applied: Applied) -> Self {
        self.0.applied = applied;
        self
    }

    /// The same, with words about where before its message.
    pub(crate) fn at(mut self, place: &dyn fmt::Display) -> Self {
        if self.0.kind != ErrorKind::Server {
            self.0.message = format!("{place}: {}", self.0.message);
        }
        self
    }

    pub(crate) fn applied(&self) -> Applied {
        self.0.applied
    }

    /// What kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The first word of a server's error: `ERR`, `WRONGTYPE`, `MOVED`, …
    pub fn code(&self) -> Option<&str> {
        let word = self.0.message.split(' ').next().unwrap_or_default();
        (self.0.kind == ErrorKind::Server).then_some(word)
    }

    /// The whole text, a server's as it came.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Whether the same call can succeed later without anything being changed about it.
    ///
    /// It says nothing about whether it *should* be made again: ask [`Error::maybe_applied`] too, unless applying the command twice is the same as once.
    /// The client itself has retried already, as far as its [`RetryPolicy`](crate::RetryPolicy), budget and the deadline allowed.
    /// A `NOQUORUM` it leaves to its caller: that ends a wait for copies which is as long as was asked for.
    pub fn is_retryable(&self) -> bool {
        match self.0.kind {
            ErrorKind::Timeout
            | ErrorKind::Connection
            | ErrorKind::CircuitOpen
            | ErrorKind::Overloaded
            | ErrorKind::Aborted => true,
            ErrorKind::Server => matches!(
                self.code(),
                Some(
                    "MOVED"
                        | "ASK"
                        | "TRYAGAIN"
                        | "CLUSTERDOWN"
                        | "LOADING"
                        | "BUSY"
                        | "MASTERDOWN"
                        | "TIMEOUT"
                        | "UNREACHABLE"
                        | "NOREPLICAS"
                        | "NOQUORUM"
                        | "READONLY"
                        | "OOM"
                )
            ),
            ErrorKind::Protocol
            | ErrorKind::Conversion
            | ErrorKind::Config
            | ErrorKind::CrossSlot
            | ErrorKind::Closed
            | ErrorKind::Usage => false,
        }
    }

    /// Whether the command may have taken effect although the call failed. False is a promise: it had none.
    pub fn maybe_applied(&self) -> bool {
        self.0.applied == Applied::Maybe
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("maybe_applied", &self.maybe_applied())
            .finish()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_errors_say_what_was_done() {
        let check = |line: &str, retryable: bool, applied: bool| {
            let error = Error::server(line.as_bytes());
            assert_eq!(
                (error.is_retryable(), error.maybe_applied()),
                (retryable, applied),
                "{line}"
            );
            assert_eq!(error.to_string(), line);
        };
        check("WRONGTYPE Operation against a key", false, false);
        check("MOVED 12 127.0.0.1:7000", true, false);
        check("LOADING Redis is loading", true, false);
        check("UNREACHABLE Node x", true, false);
        check("TIMEOUT Node x did not answer in time; the write may have been applied", true, true);
        check("NOQUORUM applied on 1 of 2", true, true);
        check("TIMEOUT Node x did not answer in time; nothing was changed", true, false);
        check("NOQUORUM read from 1 of 2", true, false);
        check("ERR syntax error", false, false);
    }
}
