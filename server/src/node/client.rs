//! One client without its socket.

use crate::command::Session;
use std::ops::Range;
use torc_protocol::request::Decoder;

/// A client's session and how far its bytes are decoded.
#[derive(Debug)]
pub struct Client {
    /// What commands see of it.
    pub session: Session,
    pub(super) decoder: Decoder,
}

impl Client {
    /// A client that has sent nothing yet.
    pub fn new(session: Session) -> Self {
        Client { session, decoder: Decoder::default() }
    }
}

/// Where one request of a batch begins in the input, and which spans are its arguments.
#[derive(Debug, Clone)]
pub(super) struct Located {
    /// Offset of the request's first byte.
    pub start: usize,
    /// Its arguments among the batch's spans.
    pub spans: Range<usize>,
}
