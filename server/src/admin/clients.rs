//! Who is connected.

// A stand-in until the registry lands.

/// Every client.
#[derive(Debug, Default)]
pub struct Clients {}
