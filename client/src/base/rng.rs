//! Randomness: jitter, and which of several equal nodes is asked. Nothing here guards a secret.

/// A number from 0 up to 1, 1 left out.
pub(crate) fn unit() -> f64 {
    fastrand::f64()
}

/// An index below `count`, which is not 0.
pub(crate) fn below(count: usize) -> usize {
    fastrand::usize(..count.max(1))
}
