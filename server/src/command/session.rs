//! What the server remembers of one client between commands.

use torc_protocol::Protocol;

/// A client's state.
#[derive(Debug)]
pub struct Session {
    /// Unique for the life of the process, rising.
    pub id: u64,
    /// Selected database.
    pub db: u8,
    /// RESP version.
    pub protocol: Protocol,
    /// Whether AUTH succeeded or is not needed.
    pub authenticated: bool,
}
