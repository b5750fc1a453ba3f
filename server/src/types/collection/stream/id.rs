//! Ids of a stream's entries: a time in milliseconds and a number within it.

use crate::base::version::Version;
use std::fmt;

/// The id of an entry, in the order of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct StreamId {
    /// Milliseconds since the Unix epoch, or what the client says.
    pub ms: u64,
    /// Number within the millisecond.
    pub seq: u64,
}

impl StreamId {
    /// `0-0`, which no entry has.
    pub const MIN: StreamId = StreamId { ms: 0, seq: 0 };
    /// The last id.
    pub const MAX: StreamId = StreamId { ms: u64::MAX, seq: u64::MAX };

    /// The id of these parts.
    pub const fn new(ms: u64, seq: u64) -> Self {
        StreamId { ms, seq }
    }

    /// The id right behind it.
    pub fn next(self) -> Option<Self> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(StreamId { seq, ..self }),
            None => Some(StreamId { ms: self.ms.checked_add(1)?, seq: 0 }),
        }
    }

    /// The id right before it.
    pub fn previous(self) -> Option<Self> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(StreamId { seq, ..self }),
            None => Some(StreamId { ms: self.ms.checked_sub(1)?, seq: u64::MAX }),
        }
    }

    /// As it is named between nodes: in the order of its bytes.
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.ms.to_be_bytes());
        bytes[8..].copy_from_slice(&self.seq.to_be_bytes());
        bytes
    }

    /// What [`StreamId::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (ms, seq) = bytes.split_first_chunk::<8>()?;
        let seq = u64::from_be_bytes(seq.try_into().ok()?);
        Some(StreamId { ms: u64::from_be_bytes(*ms), seq })
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

/// Where something stands in a stream: entries of one id, which sides of a partition may write, stand in the order of their versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Place {
    pub(super) id: StreamId,
    pub(super) dot: Version,
}

impl Place {
    /// Before all of this id.
    pub(super) fn first(id: StreamId) -> Self {
        Place { id, dot: Version::ZERO }
    }

    /// Behind all of this id.
    pub(super) fn last(id: StreamId) -> Self {
        Place { id, dot: Version::from_bits(u64::MAX) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_and_bytes() {
        let id = StreamId::new;
        assert_eq!(id(5, 7).next(), Some(id(5, 8)));
        assert_eq!(id(5, u64::MAX).next(), Some(id(6, 0)));
        assert_eq!(StreamId::MAX.next(), None);
        assert_eq!(id(5, 0).previous(), Some(id(4, u64::MAX)));
        assert_eq!(StreamId::MIN.previous(), None);
        for id in [StreamId::MIN, StreamId::MAX, id(1, 2)] {
            assert_eq!(StreamId::from_bytes(&id.to_bytes()), Some(id));
        }
        assert_eq!(StreamId::from_bytes(b"short"), None);
        assert_eq!(id(1, 2).to_string(), "1-2");
    }
}
