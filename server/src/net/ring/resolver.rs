//! Names to addresses, in a thread of its own: the system's resolver waits.

use super::shared::{Mail, Shared};
use crossbeam_channel::{Sender, bounded};
use std::io;
use std::net::ToSocketAddrs as _;
use std::sync::Arc;
use std::thread;

/// Questions that may wait; one more is dropped, and asked again in its turn.
const QUESTIONS_MAX: usize = 256;

/// Starts the thread, which ends when the sender is dropped. Answers come as [`Mail::Resolved`].
///
/// # Errors
/// The system refuses a thread.
pub(super) fn start(shared: Arc<Shared>) -> io::Result<Sender<String>> {
    let (sender, questions) = bounded::<String>(QUESTIONS_MAX);
    thread::Builder::new().name("resolver".to_owned()).spawn(move || {
        for name in questions {
            let found = name.to_socket_addrs();
            if let Err(error) = &found {
                tracing::debug!(%name, %error, "cannot resolve");
            }
            let addresses = found.map(Iterator::collect).unwrap_or_default();
            shared.tell(Mail::Resolved(name, addresses));
        }
    })?;
    Ok(sender)
}
