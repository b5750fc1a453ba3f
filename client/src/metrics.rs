//! Hooks for metrics and traces: the client tells, and keeps nothing itself.

use crate::error::Error;
use std::time::Duration;

/// Something that happened. Further kinds may come; match with a wildcard.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'e> {
    /// A call has come to its end.
    #[non_exhaustive]
    CallEnded {
        /// The command in lowercase, a subcommand behind a bar: `get`, `client|id`; empty for pipelines.
        command: &'e str,
        /// How long it took with all its attempts.
        took: Duration,
        /// Attempts it took; 1 where the first succeeded.
        attempts: u32,
        /// What went wrong, if it failed.
        error: Option<&'e Error>,
    },
    /// An attempt failed and the call is tried again.
    #[non_exhaustive]
    Retried {
        /// The command.
        command: &'e str,
        /// Why.
        error: &'e Error,
    },
    /// A repetition was due, and the budget had none left.
    #[non_exhaustive]
    BudgetExhausted {
        /// The command.
        command: &'e str,
    },
    /// A connection is ready.
    #[non_exhaustive]
    Connected {
        /// The node's address.
        node: &'e str,
    },
    /// A node could not be connected to.
    #[non_exhaustive]
    ConnectFailed {
        /// The node's address.
        node: &'e str,
        /// Why.
        error: &'e Error,
    },
    /// A node failed so often that it is left alone for a while.
    #[non_exhaustive]
    BreakerOpened {
        /// The node's address.
        node: &'e str,
    },
    /// The node answers again.
    #[non_exhaustive]
    BreakerClosed {
        /// The node's address.
        node: &'e str,
    },
    /// The routing table was fetched.
    #[non_exhaustive]
    TopologyRefreshed {
        /// How many nodes it names.
        nodes: usize,
        /// Whether anything had changed.
        changed: bool,
    },
    /// A read was asked of a second copy.
    #[non_exhaustive]
    Hedged {
        /// The command.
        command: &'e str,
    },
    /// A read was answered by another's request.
    #[non_exhaustive]
    Coalesced {
        /// The command.
        command: &'e str,
    },
}

/// Is told what happens. Called on the caller's thread or a connection's: it must neither block nor take long.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use torc_client::{Config, Event, Observer};
///
/// #[derive(Default)]
/// struct Failures(AtomicU64);
///
/// impl Observer for Failures {
///     fn observe(&self, event: &Event<'_>) {
///         if let Event::CallEnded { error: Some(_), .. } = event {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
///
/// # fn main() -> torc_client::Result<()> {
/// let failures = Arc::new(Failures::default());
/// let config = Config::from_url("redis://localhost")?.observer(failures.clone());
/// # Ok(())
/// # }
/// ```
pub trait Observer: Send + Sync {
    /// Something happened.
    fn observe(&self, event: &Event<'_>);
}
