//! Who is connected.

// A stand-in until the registry lands.

/// Where a client connected from.
#[derive(Debug)]
pub struct Endpoint {
    /// `ip:port`, or the socket's path and `:0`.
    pub address: Box<str>,
    /// Whether it came by the Unix socket.
    pub unix_socket: bool,
}

/// What others see of a client.
#[derive(Debug)]
pub struct ClientInfo {
    /// Where it connected from.
    pub endpoint: Endpoint,
}

/// Every client.
#[derive(Debug, Default)]
pub struct Clients {}

impl Clients {
    /// Number of connected clients.
    pub fn connected(&self) -> usize {
        0
    }
    /// Number of clients that a pause holds.
    pub fn blocked(&self) -> usize {
        0
    }
}
