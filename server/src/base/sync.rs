//! Atomics and waiting, from std or, where models are checked (`--cfg torc_loom`), from loom.

#[cfg(torc_loom)]
pub use loom::sync::atomic::{AtomicU64, Ordering, fence};
#[cfg(not(torc_loom))]
pub use std::sync::atomic::{AtomicU64, Ordering, fence};

/// Lets another thread go on while this one waits for it: a pause at first, the rest of the time slice once `spins` grows.
#[derive(Debug, Default)]
pub struct Backoff {
    spins: u32,
}

impl Backoff {
    /// Waits a little longer than the last time.
    #[cfg(not(torc_loom))]
    pub fn wait(&mut self) {
        // 64 pauses are about 2 µs, longer than any holder needs that is running.
        if self.spins < 64 {
            self.spins += 1;
            std::hint::spin_loop();
        } else {
            std::thread::yield_now();
        }
    }

    /// Gives the other modelled threads their turn.
    #[cfg(torc_loom)]
    pub fn wait(&mut self) {
        self.spins += 1;
        loom::thread::yield_now();
    }
}
