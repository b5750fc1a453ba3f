//! Randomness: jitter, and which of several equal nodes is asked. Nothing here guards a secret.

use std::cell::RefCell;

thread_local! {
    static RNG: RefCell<fastrand::Rng> = RefCell::new(fastrand::Rng::new());
}

fn with<T>(draw: impl FnOnce(&mut fastrand::Rng) -> T) -> Option<T> {
    RNG.try_with(|rng| rng.try_borrow_mut().ok().map(|mut rng| draw(&mut rng))).ok().flatten()
}

/// A number from 0 up to 1, 1 left out.
pub(crate) fn unit() -> f64 {
    // A thread that ends draws no more; its jitter is none.
    with(|rng| rng.f64()).unwrap_or(0.5)
}

/// An index below `count`; 0 where that is 0.
pub(crate) fn below(count: usize) -> usize {
    with(|rng| rng.usize(..count.max(1))).unwrap_or(0)
}
