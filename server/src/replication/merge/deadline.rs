//! Deadlines: a last-writer-wins register that every element carries.
//!
//! A deadline has a version of its own, because EXPIRE does not write the value and APPEND does not write the deadline. It is part of the element it belongs
//! to, and changing it *renews the element's dot*: a replica that has dropped the element by itself, because it did not hear of the change, must
//! not make others drop it too.

use crate::base::clock::UnixMs;
use crate::base::version::Version;

/// When an element ends, and since when that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ttl {
    /// Unix milliseconds; never if none.
    pub deadline: Option<UnixMs>,
    /// When it was set or removed; zero if nobody ever said anything about it.
    pub version: Version,
}

impl Ttl {
    /// The later of two; of two set at once, the longer.
    #[must_use]
    pub fn later(self, other: Ttl) -> Ttl {
        let rank = |ttl: &Ttl| (ttl.version, ttl.deadline.unwrap_or(UnixMs::MAX));
        if rank(&other) > rank(&self) { other } else { self }
    }

    /// Whether the deadline lies at or before `now`.
    pub fn is_over(&self, now: UnixMs) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_version_wins_and_a_tie_takes_the_longer() {
        let ttl = |deadline, version| Ttl { deadline, version: Version::from_bits(version) };
        let check = |a: Ttl, b: Ttl, expected: Ttl| {
            assert_eq!((a.later(b), b.later(a)), (expected, expected));
        };
        check(ttl(Some(9), 1), ttl(Some(5), 2), ttl(Some(5), 2));
        check(ttl(Some(9), 2), ttl(Some(5), 2), ttl(Some(9), 2));
        check(ttl(Some(9), 2), ttl(None, 2), ttl(None, 2));
        check(ttl(Some(9), 3), ttl(None, 2), ttl(Some(9), 3));
    }
}
