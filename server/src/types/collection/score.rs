//! Scores: doubles that are never NaN.
//!
//! A score that is a whole number below 2^52 is kept as an integer of one to eight bytes, any other as the double's eight; Redis keeps text of
//! up to 17 digits in small values and eight bytes in big ones. As there, a small value forgets the sign of a negative zero and a big one keeps
//! it: replicas may hold different forms, so digests must not tell the two zeros apart.

use super::item::{Encoded, Item, array};
use std::cmp::Ordering;

/// Whole numbers up to here are exact as doubles, with room to spare.
const WHOLE_MAX: f64 = (1u64 << 52) as f64;

/// A score ready to be stored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Score {
    bytes: [u8; 8],
    whole: Option<i64>,
}

impl Score {
    /// NaN counts as 0.
    pub(super) fn new(score: f64, keeps_sign: bool) -> Self {
        let score = if score.is_nan() { 0.0 } else { score };
        let is_whole = score.abs() < WHOLE_MAX && score.trunc() == score;
        let is_lost = keeps_sign && score == 0.0 && score.is_sign_negative();
        Score { bytes: score.to_le_bytes(), whole: (is_whole && !is_lost).then_some(score as i64) }
    }

    pub(super) fn encoded(&self) -> Encoded<'_> {
        match self.whole {
            Some(whole) => Encoded::integer(whole),
            None => Encoded::bytes(&self.bytes),
        }
    }
}

/// The score that was stored as `item`.
#[inline]
pub(super) fn read(item: Item<'_>) -> f64 {
    match item {
        Item::Integer(whole) => whole as f64,
        Item::Bytes(bytes) => f64::from_le_bytes(array(bytes)),
    }
}

/// The integer as which Redis's small sorted sets show a score (in DUMP and ZSCAN): any whole number up to 2^62, where other replies write 17 digits.
pub fn shown_whole(score: f64) -> Option<i64> {
    const MAX: f64 = (1u64 << 62) as f64;
    (score.abs() <= MAX && score.trunc() == score).then_some(score as i64)
}

/// The order of two scores that are not NaN. The two zeros are equal.
#[inline]
pub(super) fn compare(one: f64, other: f64) -> Ordering {
    one.partial_cmp(&other).unwrap_or(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_read_back() {
        let scores = [0.0, -0.0, 1.0, -1.0, 0.1, 4.5e15, 4.6e15, -1e300, f64::INFINITY, 1e-320];
        for score in scores.into_iter().chain(scores.map(|score| -score)) {
            for keeps_sign in [false, true] {
                let stored = Score::new(score, keeps_sign);
                let packed = [stored.encoded().head(), stored.encoded().tail()].concat();
                let back = read(super::super::item::read(&packed));
                assert_eq!(back, score);
                let is_negative = score.is_sign_negative() && (keeps_sign || score != 0.0);
                assert_eq!(back.is_sign_negative(), is_negative, "{score}");
                assert!(packed.len() <= 9 && (score.abs() != 1.0 || packed.len() <= 2));
            }
        }
        assert_eq!(shown_whole(-0.0), Some(0));
        assert_eq!(shown_whole(1e17), Some(100_000_000_000_000_000));
        assert_eq!(shown_whole(4611686018427387904.0), Some(1 << 62));
        assert_eq!(shown_whole(4611686018427388928.0), None);
        assert_eq!(shown_whole(0.5), None);
        assert_eq!(Score::new(f64::NAN, true).encoded().head(), [0]);
    }
}
