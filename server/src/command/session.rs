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
    /// Its public record.
    pub info: std::sync::Arc<crate::admin::clients::ClientInfo>,
}

impl Session {
    /// Begins to show the client every command. Returns whether it did not see them already.
    pub fn start_monitoring(&mut self, _clients: &crate::admin::clients::Clients) -> bool {
        true
    }
}
