//! Messages that a worker is to send to other nodes, in the order in which they were published.

use super::Kind;
use crate::base::limits::PUBLISH_BYTES_WAITING_MAX;
use crate::cluster::NodeId;
use std::sync::Arc;
use torc_protocol::peer::publish;

/// See the module. Beyond [`PUBLISH_BYTES_WAITING_MAX`] messages are dropped, and counted: they reach other nodes at most once anyway.
#[derive(Debug, Default)]
pub struct Outgoing {
    messages: Vec<(NodeId, Arc<[u8]>)>,
    bytes: usize,
    dropped: u64,
}

impl Outgoing {
    pub(super) fn add(&mut self, nodes: &[NodeId], kind: Kind, channel: &[u8], payload: &[u8]) {
        let mut frame = Vec::new();
        publish::encode(kind as u8, channel, payload, &mut frame);
        if self.bytes + frame.len() > PUBLISH_BYTES_WAITING_MAX {
            self.dropped += nodes.len() as u64;
            return;
        }
        self.bytes += frame.len();
        let frame: Arc<[u8]> = frame.into();
        self.messages.extend(nodes.iter().map(|&node| (node, Arc::clone(&frame))));
    }

    /// The payloads of frames, and to whom each goes.
    pub fn messages(&self) -> &[(NodeId, Arc<[u8]>)] {
        &self.messages
    }

    /// Messages that were left out for want of room.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}
