//! Credit: how much of a class may be on its way.
//!
//! ```text
//!   sender    sent ────────▶ granted            may begin a frame while sent < granted
//!   receiver  consumed ─▶ received ──▶ granted = consumed + window
//! ```
//!
//! All are sums since the link opened, so that a grant repeats what earlier ones said and none can be lost or counted twice. A frame may
//! be begun with any credit left, or one longer than the window would never go; a receiver therefore holds less than its window and one frame.
//!
//! Source: the idea of sums is QUIC's MAX_STREAM_DATA (RFC 9000, section 4.1).

/// What we may send.
#[derive(Debug, Default, Clone, Copy)]
pub struct Outgoing {
    sent: u64,
    granted: u64,
}

impl Outgoing {
    /// Whether another frame may be begun.
    pub fn may_send(&self) -> bool {
        self.sent < self.granted
    }

    /// A frame of so many bytes was begun.
    pub fn spend(&mut self, bytes: u64) {
        self.sent += bytes;
    }

    /// The peer granted so much in all; less than before means nothing.
    pub fn raise(&mut self, granted: u64) {
        self.granted = self.granted.max(granted);
    }
}

/// What the peer may send.
#[derive(Debug, Clone, Copy)]
pub struct Incoming {
    received: u64,
    consumed: u64,
    granted: u64,
    window: u64,
}

/// The peer sent what it had no credit for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exceeded;

impl Incoming {
    /// Nothing granted yet, out of a window of at least one byte.
    pub fn new(window: u64) -> Self {
        Incoming { received: 0, consumed: 0, granted: 0, window: window.max(1) }
    }

    /// A frame of so many bytes arrived.
    pub fn receive(&mut self, bytes: u64) -> Result<(), Exceeded> {
        if self.received >= self.granted {
            return Err(Exceeded);
        }
        self.received += bytes;
        Ok(())
    }

    /// So many received bytes were dealt with. Never more than were received.
    pub fn consume(&mut self, bytes: u64) {
        self.consumed = self.consumed.saturating_add(bytes).min(self.received);
    }

    /// Bytes received and not consumed.
    pub fn held(&self) -> u64 {
        self.received - self.consumed
    }

    /// The grant to send now, if it is worth a frame: once a quarter of the window is free to give.
    pub fn due(&self) -> Option<u64> {
        let target = self.consumed + self.window;
        (target - self.granted >= self.window.div_ceil(4)).then_some(target)
    }

    /// The grant that [`Incoming::due`] asked for was written.
    pub fn grant(&mut self, granted: u64) {
        self.granted = self.granted.max(granted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_bounds_what_is_on_its_way() {
        let (mut out, mut inn) = (Outgoing::default(), Incoming::new(100));
        assert!(!out.may_send());
        assert_eq!(inn.receive(1), Err(Exceeded), "nothing was granted");
        let grant = inn.due().unwrap();
        inn.grant(grant);
        assert_eq!((grant, inn.due()), (100, None));
        out.raise(grant);
        // 99 leave a byte of credit, with which a long frame may still begin.
        for bytes in [99, 1000] {
            assert!(out.may_send());
            out.spend(bytes);
            assert_eq!(inn.receive(bytes), Ok(()));
        }
        assert!(!out.may_send());
        assert_eq!(inn.receive(1), Err(Exceeded));
        inn.consume(99);
        let late = inn.due().unwrap();
        inn.grant(late);
        out.raise(late);
        assert!(!out.may_send(), "the long frame still counts");
        inn.consume(u64::MAX);
        assert_eq!((inn.held(), inn.due()), (0, Some(1199)));
        out.raise(1199);
        out.raise(5);
        assert!(out.may_send());
    }
}
