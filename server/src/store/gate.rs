//! A gate that keeps every other thread out of the store, for what cannot name its keys.
//!
//! Commands that run as one step latch the keys that they name ([`super::owned`]). FLUSHALL, KEYS, SWAPDB and their like name none. For a step
//! with one of these the gate is closed: who comes to pin the epoch waits before it, and the step begins when all that were pinned have gone.
//!
//! ```text
//!   thread:  pin ── fence ── gate open? ── work ── unpin        closer:  close ── fence ── wait for the pins that there are ── work alone ── open
//!                              └ no: unpin, wait, again
//! ```
//!
//! Either the thread sees the gate closed, or the closer sees its pin. It costs a batch one load. Whoever waits here has nothing pinned and holds no latch,
//! so that nobody who is inside waits for him.

use super::Store;
use super::local::Local;
use crate::base::sync::{AtomicU64, Backoff, Ordering, fence};

/// See the module's description.
#[derive(Debug, Default)]
pub(super) struct Gate {
    closed: AtomicU64,
}

impl Gate {
    /// To be asked after the caller has pinned the epoch, a fence in between.
    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        // Relaxed: the fence inside the pin pairs with that in `close`. Acquire is `wait`'s to give.
        self.closed.load(Ordering::Relaxed) != 0
    }

    /// Returns once it was seen open.
    #[cold]
    pub(super) fn wait(&self) {
        let mut backoff = Backoff::default();
        // Acquire: pairs with the Release in `open`; all that was done behind the gate is seen.
        while self.closed.load(Ordering::Acquire) != 0 {
            backoff.wait();
        }
    }

    /// Closes it, waiting while another thread has it closed. Who pins from now on sees it.
    pub(super) fn close(&self) {
        let mut backoff = Backoff::default();
        // Acquire: pairs with the Release in `open`.
        while self.closed.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_err() {
            backoff.wait();
        }
        // Pairs with the fence inside the pin: a pin that the closer does not see afterwards sees the gate closed.
        fence(Ordering::SeqCst);
    }

    /// Opens it.
    pub(super) fn open(&self) {
        // Release: pairs with the Acquire in `wait` and `close`.
        self.closed.store(0, Ordering::Release);
    }
}

impl Store {
    /// Keeps every other thread out of the store until [`Store::release`], and begins a step as [`Store::hold`] does, whose commands may come to any key.
    /// `local` has nothing pinned. Waits for the batches that run now; theirs to be bounded.
    pub fn hold_everything(&self, local: &mut Local) {
        self.inner.gate.close();
        local.begin_owning(true);
        let grace = local.grace();
        let mut backoff = Backoff::default();
        while !grace.has_passed() {
            local.push_epoch();
            backoff.wait();
        }
    }
}
