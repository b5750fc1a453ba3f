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

use crate::base::sync::{AtomicU64, Backoff, Ordering, fence};

/// See the module's description.
#[derive(Debug)]
pub struct Gate {
    closed: AtomicU64,
}

impl Default for Gate {
    fn default() -> Self {
        Gate { closed: AtomicU64::new(0) }
    }
}

impl Gate {
    /// To be asked after the caller has pinned the epoch, a fence in between.
    #[inline]
    pub fn is_closed(&self) -> bool {
        // Acquire: who comes after `open` sees all that was done behind the gate. That a closed gate is seen is the fences' doing: the one inside the pin
        // pairs with that in `close`.
        self.closed.load(Ordering::Acquire) != 0
    }

    /// Returns once it was seen open.
    #[cfg(all(test, torc_loom))]
    pub fn wait(&self) {
        self.wait_unless(|| false);
    }

    /// Returns once it was seen open, or the caller gives up. Whether it was.
    #[cold]
    pub fn wait_unless(&self, give_up: impl Fn() -> bool) -> bool {
        let mut backoff = Backoff::default();
        // Acquire: pairs with the Release in `open`; all that was done behind the gate is seen.
        while self.closed.load(Ordering::Acquire) != 0 {
            if give_up() {
                return false;
            }
            backoff.wait();
        }
        true
    }

    /// Closes it, waiting while another thread has it closed. Who pins from now on sees it.
    #[cfg(all(test, torc_loom))]
    pub fn close(&self) {
        self.close_unless(|| false);
    }

    /// Closes it, waiting while another thread has it closed, unless the caller gives up meanwhile. Whether it is closed; who pins from now on sees it.
    pub fn close_unless(&self, give_up: impl Fn() -> bool) -> bool {
        let mut backoff = Backoff::default();
        // Acquire: pairs with the Release in `open`.
        while self.closed.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_err() {
            if give_up() {
                return false;
            }
            backoff.wait();
        }
        // Pairs with the fence inside the pin: a pin that the closer does not see afterwards sees the gate closed.
        if !cfg!(torc_trap = "unfenced_gate") {
            fence(Ordering::SeqCst);
        }
        true
    }

    /// Opens it.
    pub fn open(&self) {
        // Release: pairs with the Acquire in `wait` and `close`.
        self.closed.store(0, Ordering::Release);
    }
}

#[cfg(all(test, torc_loom))]
mod models {
    use super::*;
    use loom::cell::UnsafeCell;
    use loom::sync::Arc;

    /// What crossbeam does when an epoch is pinned, as far as the gate stands on it.
    #[derive(Default)]
    struct Pins([AtomicPin; 1]);

    struct AtomicPin(AtomicU64);

    impl Default for AtomicPin {
        fn default() -> Self {
            AtomicPin(AtomicU64::new(0))
        }
    }

    impl Pins {
        fn pin(&self, thread: usize, gate: &Gate) {
            loop {
                self.0[thread].0.store(1, Ordering::Relaxed);
                fence(Ordering::SeqCst);
                if !gate.is_closed() {
                    return;
                }
                self.unpin(thread);
                gate.wait();
            }
        }

        fn unpin(&self, thread: usize) {
            self.0[thread].0.store(0, Ordering::Release);
        }
    }

    #[test]
    fn nobody_works_while_the_gate_is_closed() {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.max_branches = 20_000;
        builder.check(|| {
            let all = Arc::new((Gate::default(), Pins::default(), UnsafeCell::new(0u64)));
            let others: Vec<_> = (0..1)
                .map(|thread| {
                    let all = all.clone();
                    loom::thread::spawn(move || {
                        let (gate, pins, data) = &*all;
                        pins.pin(thread, gate);
                        // Loom finds whoever reads while another writes.
                        // SAFETY: that nobody does is what the model shows.
                        data.with(|data| assert!(unsafe { *data } != 1));
                        pins.unpin(thread);
                    })
                })
                .collect();
            let (gate, pins, data) = &*all;
            gate.close();
            for pin in &pins.0 {
                while pin.0.load(Ordering::Acquire) != 0 {
                    loom::thread::yield_now();
                }
            }
            // SAFETY: as above.
            data.with_mut(|data| unsafe { *data = 1 });
            // SAFETY: as above.
            data.with_mut(|data| unsafe { *data = 2 });
            gate.open();
            others.into_iter().for_each(|other| other.join().expect("a model's thread panicked"));
        });
    }
}
