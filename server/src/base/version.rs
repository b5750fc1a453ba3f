//! Versions: a hybrid logical clock with the writer's tag in its low bits.
//!
//! ```text
//! version: | ms since 2025-01-01 : 41 | sequence : 11 | tag : 12 |
//! ```
//!
//! A version is the last-writer-wins stamp of a write and its *dot*, the name under which version vectors cover it. Versions order first by time, so that of two
//! writes that did not know of each other the later wins; by the tag last, so that no two are equal. 41 bits of milliseconds reach the year 2094.
//!
//! Source: Kulkarni et al., "Logical Physical Clocks", OPODIS 2014; dots: Almeida et al., "Scalable and accurate causality
//! tracking", 2014.

use super::clock::UnixMs;
use std::fmt;

/// 2025-01-01T00:00:00Z.
const EPOCH_MS: UnixMs = 1_735_689_600_000;
const TAG_BITS: u32 = 12;
const SEQUENCE_BITS: u32 = 11;
const TIME_SHIFT: u32 = TAG_BITS + SEQUENCE_BITS;

/// Which incarnation of which node wrote: a number below 4096, fresh for every start of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(u16);

impl Tag {
    /// Number of tags.
    pub const COUNT: u16 = 1 << TAG_BITS;

    /// The tag of that number, of which the low 12 bits count.
    pub const fn new(number: u16) -> Self {
        Tag(number % Self::COUNT)
    }

    /// Its number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// See the module's description.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Version(u64);

impl Version {
    /// Before every write.
    pub const ZERO: Version = Version(0);

    /// The version of these bits.
    pub const fn from_bits(bits: u64) -> Self {
        Version(bits)
    }

    /// Its bits.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The first version at or after `now` that is higher than `highest` and bears `tag`. A full sequence goes on into the next millisecond.
    #[inline]
    #[must_use]
    pub const fn next(now: UnixMs, highest: Version, tag: Tag) -> Self {
        let wall = now.saturating_sub(EPOCH_MS) << TIME_SHIFT | tag.0 as u64;
        // One step of the sequence above `highest`, with our tag.
        let logical = ((highest.0 >> TAG_BITS) + 1) << TAG_BITS | tag.0 as u64;
        Version(if wall > highest.0 { wall } else { logical })
    }

    /// Who wrote it.
    pub const fn tag(self) -> Tag {
        Tag((self.0 as u16) % Tag::COUNT)
    }

    /// The wall time in it, in milliseconds since the Unix epoch.
    pub const fn unix_ms(self) -> UnixMs {
        (self.0 >> TIME_SHIFT) + EPOCH_MS
    }

    /// The number within its millisecond.
    pub const fn sequence(self) -> u16 {
        (self.0 >> TAG_BITS) as u16 & ((1 << SEQUENCE_BITS) - 1)
    }

    /// How far it is ahead of `now`, in milliseconds; 0 if it is not.
    pub const fn ahead_ms(self, now: UnixMs) -> u64 {
        self.unix_ms().saturating_sub(now)
    }

    /// Whether there is none.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}@{}", self.unix_ms(), self.sequence(), self.tag().0)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = EPOCH_MS + 5_000;

    #[test]
    fn versions_rise_and_bear_their_tag() {
        let mut last = Version::ZERO;
        for step in 0..10_000 {
            let next = Version::next(NOW, last, Tag::new(7));
            assert!(next > last && next.tag() == Tag::new(7), "{step}: {last} {next}");
            last = next;
        }
        // 2,048 to a millisecond, so these reach a few milliseconds into the future, no more.
        assert_eq!(last.unix_ms(), NOW + 10_000 / 2048);
    }

    #[test]
    fn a_clock_that_goes_back_does_not_take_versions_along() {
        let first = Version::next(NOW, Version::ZERO, Tag::new(1));
        let second = Version::next(NOW - 1_000, first, Tag::new(1));
        assert!(second > first);
        assert_eq!(second.unix_ms(), NOW);
    }

    #[test]
    fn a_foreign_version_of_the_same_moment_is_passed_whatever_its_tag() {
        for (mine, theirs) in [(1, 4095), (4095, 1), (9, 9)] {
            let foreign = Version::next(NOW, Version::ZERO, Tag::new(theirs));
            let own = Version::next(NOW, foreign, Tag::new(mine));
            assert!(own > foreign);
            assert_eq!(own.tag(), Tag::new(mine));
        }
    }
}
