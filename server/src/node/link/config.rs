//! The bounds and times of a link, with the reasons for their numbers.

use std::time::Duration;
use torc_protocol::peer::frame::CLASS_COUNT;
use torc_protocol::peer::{Class, Limits};

/// Requests without an outcome at most: an id has 16 bits for the place in the table.
pub const REQUESTS_IN_FLIGHT_MAX: usize = 65_536;

/// Bytes that refusals of requests may take beyond a full queue of responses: 65,536 of them fit, as many as a peer can wait for. One that
/// goes on asking loses the link.
pub const BUSY_BYTES_MAX: usize = 2 * 1024 * 1024;

/// What a link is given once.
#[derive(Debug, Clone)]
pub struct Config {
    /// What frames it accepts from a peer that has proven itself.
    pub limits: Limits,
    /// Bytes that one flush takes at most. At 64 KiB a system call's fixed cost is small beside copying so much, and a control frame
    /// waits for no more than this of another class. At least 256, for the link's own frames.
    pub slice_bytes: usize,
    /// For each class, bytes that the peer may have on their way to us. 4 MiB keep 1 Gbit/s busy over 30 ms.
    pub window_bytes: [u64; CLASS_COUNT],
    /// For each class, bytes that wait to be sent; a queue takes no more once it holds this. The effect class's holds acknowledgements:
    /// effects wait in their log. Messages of channels get as much as a slow subscriber may have waiting; what finds no room is dropped.
    pub queue_bytes_max: [usize; CLASS_COUNT],
    /// Requests without an outcome, at most [`REQUESTS_IN_FLIGHT_MAX`].
    pub requests_in_flight_max: usize,
    /// How long connecting may take.
    pub dial_timeout: Duration,
    /// How long the handshake may take.
    pub handshake_timeout: Duration,
    /// Time between two pings.
    pub ping_interval: Duration,
    /// A peer that was not heard for so long is gone. Three pings and their answers fit in.
    pub dead_after: Duration,
    /// Failures in a row that open the breaker.
    pub breaker_failures: u32,
    /// The first wait before connecting anew, or before probing; doubled with each failure.
    pub backoff_min: Duration,
    /// The longest such wait. A node that comes back is reached within it.
    pub backoff_max: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            limits: Limits::established(512 << 20),
            slice_bytes: 64 * 1024,
            window_bytes: [1 << 20, 4 << 20, 4 << 20, 4 << 20, 4 << 20],
            queue_bytes_max: [4 << 20, 16 << 20, 4 << 20, 32 << 20, 1 << 20],
            requests_in_flight_max: 16_384,
            dial_timeout: Duration::from_secs(2),
            handshake_timeout: Duration::from_secs(5),
            ping_interval: Duration::from_millis(500),
            dead_after: Duration::from_secs(2),
            breaker_failures: 5,
            backoff_min: Duration::from_millis(50),
            backoff_max: Duration::from_secs(2),
        }
    }
}

impl Config {
    /// Of each slice, what effects get while requests would fill it: a quarter, so that a burst of requests does not push a replica off
    /// the log.
    pub fn effect_share_bytes(&self) -> usize {
        self.slice_bytes / 4
    }

    /// Of each slice, what sync gets while others would fill it: a sixteenth, so that a transfer always ends.
    pub fn sync_share_bytes(&self) -> usize {
        self.slice_bytes / 16
    }

    /// Of each slice, what messages of channels get while others would fill it: an eighth, so that subscribers on other nodes are not forgotten.
    pub fn publish_share_bytes(&self) -> usize {
        self.slice_bytes / 8
    }

    /// The bound of the queue of `class`.
    pub(super) fn queue_bytes_max(&self, class: Class) -> usize {
        self.queue_bytes_max[class as usize]
    }
}
