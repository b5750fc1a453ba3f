//! The only sources of time and randomness: everything above is given `now`, or asks here.

pub(crate) mod clock;
pub(crate) mod rng;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, whatever became of whoever held it before: nothing of ours panics while it holds a lock, and a caller's panic elsewhere
/// must not spread.
#[inline]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
