//! One client without its socket.

use crate::admin::clients::flag;
use crate::base::clock::UnixMs;
use crate::command::Session;
use torc_protocol::request::Decoder;

/// A client's session and how far its bytes are decoded.
#[derive(Debug)]
pub struct Client {
    /// What commands see of it.
    pub session: Session,
    pub(super) decoder: Decoder,
}

/// What the owner of a client's socket knows of it at the end of a turn.
#[derive(Debug, Clone, Copy, Default)]
pub struct Waiting {
    /// Bytes received and not yet run.
    pub input_bytes: usize,
    /// Bytes of output not yet sent.
    pub output_bytes: usize,
    /// Whether a pause holds it.
    pub blocked: bool,
    /// Whether it is closed once its output has gone out.
    pub closing: bool,
}

impl Client {
    /// A client that has sent nothing yet.
    pub fn new(session: Session) -> Self {
        Client { session, decoder: Decoder::default() }
    }

    /// Lets others see how the client stands.
    pub fn publish(&self, now: UnixMs, waiting: Waiting) {
        let mut activity = self.session.activity(now);
        activity.input_bytes = waiting.input_bytes;
        activity.output_bytes = waiting.output_bytes;
        if waiting.blocked {
            activity.flags |= flag::BLOCKED;
        }
        if waiting.closing {
            activity.flags |= flag::CLOSING;
        }
        self.session.info.publish(&activity);
    }
}
