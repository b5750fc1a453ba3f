//! What replication keeps beside an element: its dot, hidden siblings, and in lists its position.
//!
//! ```text
//! mark: | has 1 | dot 8 | position, an item | its fraction 8 | siblings, an item |     each but the first only if `has` says so
//! ```
//!
//! A block in which no element has a mark carries none at all, so that a node without replicas pays nothing. The meaning of dots and
//! siblings is replication's; here they are kept and given back.

use super::item::{Encoded, Item, array, read, skip};
use super::position::Position;
use crate::base::version::Version;

/// When an element was written, and what is hidden behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamp<'a> {
    /// The version of the write; zero for what was written before replication began.
    pub dot: Version,
    /// Writes of the same element that did not see this one, in replication's own coding; mostly empty.
    pub siblings: &'a [u8],
}

impl<'a> Stamp<'a> {
    /// Of a node that replicates nothing.
    pub const NONE: Stamp<'static> = Stamp { dot: Version::ZERO, siblings: &[] };

    /// A plain write's.
    pub const fn of(dot: Version) -> Stamp<'static> {
        Stamp { dot, siblings: &[] }
    }

    /// Whether nothing needs to be kept.
    pub const fn is_none(&self) -> bool {
        self.dot.is_zero() && self.siblings.is_empty()
    }
}

/// All that may stand before an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Mark<'a> {
    pub(super) stamp: Stamp<'a>,
    pub(super) position: Option<Position>,
}

const DOT: u8 = 1;
const POSITION: u8 = 2;
const FRACTION: u8 = 4;
const SIBLINGS: u8 = 8;

/// A mark as it is stored: what stands before the siblings, and they.
pub(super) struct MarkBytes<'a> {
    head: [u8; 40],
    used: usize,
    pub(super) siblings: &'a [u8],
}

impl MarkBytes<'_> {
    /// Of a block that has no marks.
    pub(super) const ABSENT: MarkBytes<'static> =
        MarkBytes { head: [0; 40], used: 0, siblings: &[] };

    pub(super) fn head(&self) -> &[u8] {
        &self.head[..self.used]
    }
}

impl<'a> Mark<'a> {
    pub(super) fn of(stamp: Stamp<'a>) -> Self {
        Mark { stamp, position: None }
    }

    pub(super) fn is_none(&self) -> bool {
        self.stamp.is_none() && self.position.is_none()
    }

    pub(super) fn encode(&self) -> MarkBytes<'a> {
        // 1 + 8 + 9 + 8 + 5 bytes at most.
        let mut bytes = MarkBytes { head: [0; 40], used: 1, siblings: self.stamp.siblings };
        if !self.stamp.dot.is_zero() {
            bytes.push(DOT, &self.stamp.dot.get().to_le_bytes());
        }
        if let Some(position) = self.position {
            bytes.push(POSITION, Encoded::integer(position.whole()).head());
            if position.fraction() != 0 {
                bytes.push(FRACTION, &position.fraction().to_le_bytes());
            }
        }
        if !self.stamp.siblings.is_empty() {
            bytes.push(SIBLINGS, Encoded::bytes(self.stamp.siblings).head());
        }
        bytes
    }

    /// The mark that `packed` begins with.
    #[inline]
    pub(super) fn read(packed: &'a [u8]) -> Self {
        let (has, mut at) = (packed[0], 1);
        let mut mark = Mark::default();
        if has & DOT != 0 {
            mark.stamp.dot = Version::from_bits(u64::from_le_bytes(array(&packed[at..at + 8])));
            at += 8;
        }
        if has & POSITION != 0 {
            let whole = read(&packed[at..]).integer().unwrap_or_default();
            at += skip(&packed[at..]);
            let mut fraction = 0;
            if has & FRACTION != 0 {
                fraction = u64::from_le_bytes(array(&packed[at..at + 8]));
                at += 8;
            }
            mark.position = Some(Position::new(whole, fraction));
        }
        if has & SIBLINGS != 0
            && let Item::Bytes(siblings) = read(&packed[at..])
        {
            mark.stamp.siblings = siblings;
        }
        mark
    }

    /// Length of the mark that `packed` begins with.
    #[inline]
    pub(super) fn skip(packed: &[u8]) -> usize {
        let (has, mut at) = (packed[0], 1);
        if has & DOT != 0 {
            at += 8;
        }
        if has & POSITION != 0 {
            at += skip(&packed[at..]);
        }
        if has & FRACTION != 0 {
            at += 8;
        }
        if has & SIBLINGS != 0 {
            at += skip(&packed[at..]);
        }
        at
    }
}

impl MarkBytes<'_> {
    fn push(&mut self, has: u8, bytes: &[u8]) {
        self.head[0] |= has;
        self.head[self.used..self.used + bytes.len()].copy_from_slice(bytes);
        self.used += bytes.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_read_back() {
        let positions = [None, Some(Position::new(5, 0)), Some(Position::new(-1 << 40, u64::MAX))];
        for dot in [0, 1, u64::MAX] {
            for siblings in [&b""[..], b"7", &[b's'; 5_000]] {
                for position in positions {
                    let stamp = Stamp { dot: Version::from_bits(dot), siblings };
                    let mark = Mark { stamp, position };
                    let bytes = mark.encode();
                    let packed = [bytes.head(), bytes.siblings, b"rest"].concat();
                    assert_eq!(Mark::read(&packed), mark);
                    assert_eq!(Mark::skip(&packed), packed.len() - 4);
                    assert_eq!(mark.is_none(), packed.len() == 5);
                }
            }
        }
    }
}
