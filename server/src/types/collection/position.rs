//! Where an element of a replicated list stands: a number between those of its neighbours that never changes.
//!
//! Elements order by (position, dot) at every replica. A push takes the next whole number beyond the end, so that a queue can run for
//! 2^63 pushes; an insert takes a number between two neighbours, of 64 fractional bits. It does not take the middle: clients insert again and
//! again at one side of one pivot, and halving would use the bits up in 64 steps. [`Position::between`] is told at which neighbour the client
//! aims and stays close to the *other*, a step of 2^-32 away at most, which leaves room for 2^32 such inserts. Only inserts that alternate
//! use a bit each; when no number is left, [`Crowded`] says so, and the list must be written anew with fresh positions and dots (one effect
//! that replaces every element), which [`super::List::respread`] does.
//!
//! Source: Preguiça et al., "A commutative replicated data type for cooperative editing", 2009, for dense identifiers; the strategy of
//! boundaries after Nédelec et al., "LSEQ", 2013.

/// A place in a list, as whole steps and 2^-64ths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    whole: i64,
    fraction: u64,
}

/// No position is left between two neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crowded;

/// How far from its neighbour an insert lands, so that many more fit before the other.
const STEP: u128 = 1 << 32;

impl Position {
    /// The position of these parts.
    pub const fn new(whole: i64, fraction: u64) -> Self {
        Position { whole, fraction }
    }

    /// The part that pushes count.
    pub const fn whole(self) -> i64 {
        self.whole
    }

    /// The part that inserts divide.
    pub const fn fraction(self) -> u64 {
        self.fraction
    }

    /// The place `steps` whole steps on.
    #[must_use]
    pub const fn plus(self, steps: i64) -> Self {
        Position { whole: self.whole.saturating_add(steps), fraction: self.fraction }
    }

    /// The place of a push after this last element.
    #[must_use]
    pub const fn after(self) -> Self {
        Position { whole: self.whole.saturating_add(1), fraction: 0 }
    }

    /// The place of a push before this first element.
    #[must_use]
    pub const fn before(self) -> Self {
        Position { whole: self.whole.saturating_sub(1), fraction: 0 }
    }

    /// A place strictly between two neighbours: close to `left` if more inserts are to be expected at `right`'s side (LINSERT BEFORE
    /// it), else close to `right`.
    pub fn between(left: Self, right: Self, aims_right: bool) -> Result<Self, Crowded> {
        let (low, high) = (left.wide(), right.wide());
        // Of two i128s the difference may need the bit of the sign.
        let gap = if low < high { high.wrapping_sub(low) as u128 } else { 0 };
        if gap < 2 {
            return Err(Crowded);
        }
        let step = (gap / 2).min(STEP) as i128;
        let wide = if aims_right { low + step } else { high - step };
        Ok(Position { whole: (wide >> 64) as i64, fraction: wide as u64 })
    }

    const fn wide(self) -> i128 {
        (self.whole as i128) << 64 | self.fraction as i128
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inserts_at_one_side_of_a_pivot_do_not_use_the_bits_up() {
        for aims_right in [false, true] {
            let (mut left, mut right) = (Position::new(-1, 0), Position::new(0, 0));
            for step in 0..100_000 {
                let new = Position::between(left, right, aims_right).unwrap();
                assert!(left < new && new < right, "{step}");
                if aims_right { left = new } else { right = new }
            }
        }
    }

    #[test]
    fn a_gap_is_used_up_in_the_end() {
        let (left, mut right) = (Position::new(7, u64::MAX), Position::new(8, 1));
        right = Position::between(left, right, true).unwrap();
        assert_eq!(right, Position::new(8, 0));
        assert_eq!(Position::between(left, right, true), Err(Crowded));
        assert_eq!(Position::between(right, right, true), Err(Crowded));
        assert_eq!(Position::between(right, left, false), Err(Crowded));
        let (far, near) = (Position::new(i64::MIN, 0), Position::new(i64::MAX, u64::MAX));
        assert!(Position::between(far, near, false).unwrap() < near);
    }
}
