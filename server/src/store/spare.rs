//! The chunk that growth takes next, for which the kernel was made to find memory beforehand.
//!
//! The first write to a huge page waits until all 2 MiB of it are cleared, and whoever wants a block of the same class waits too. That is 0.2 ms where the machine has the memory,
//! and 4 to 10 ms in a virtual one whose host has to find it first. So a thread touches the chunk meanwhile, one that runs when nobody else wants the processor: a worker
//! on the same one is not held up, and if the thread never gets a turn, growth is as it would be without it.
//!
//! Nobody waits for the thread. Whoever grows takes what was ordered unless it is being touched just then, done or not.

use super::backing::{Backing, CHUNK_BYTES, Wish};
use crossbeam_channel::{Sender, bounded};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

/// Empty once it was taken. Locked while it is touched.
type Order = Arc<Mutex<Option<Backing>>>;

/// At most one chunk.
pub(super) struct Spare {
    ordered: Option<Order>,
    /// Whether it was there at the last purge.
    aged: bool,
    /// The way to the thread, from the first order on. The thread ends when this is dropped.
    thread: Option<Sender<Order>>,
}

impl Spare {
    /// Nothing ordered, and no thread.
    pub fn new() -> Self {
        Spare { ordered: None, aged: false, thread: None }
    }

    /// Has a chunk got ready, unless one is.
    #[cold]
    pub fn order(&mut self) {
        if self.ordered.is_some() {
            return;
        }
        let Some(thread) = self.thread.take().or_else(start) else { return };
        let mut backing = Backing::new();
        backing.ask(Wish::HugePage);
        let order = Arc::new(Mutex::new(Some(backing)));
        // If the thread has not even come to the last order, this one waits for the growth, untouched.
        let _ = thread.try_send(Arc::clone(&order));
        self.thread = Some(thread);
        self.ordered = Some(order);
        self.aged = false;
    }

    /// What was ordered, or none if there is nothing or it is being touched.
    pub fn take(&mut self) -> Option<Backing> {
        let backing = match self.ordered.as_ref()?.try_lock() {
            Ok(mut backing) => backing.take(),
            Err(TryLockError::Poisoned(backing)) => backing.into_inner().take(),
            Err(TryLockError::WouldBlock) => return None,
        };
        self.ordered = None;
        backing
    }

    /// Gives back what has been there since the last call: growth has ended.
    pub fn purge(&mut self) {
        if !self.aged {
            self.aged = self.ordered.is_some();
        } else if let Some(backing) = self.take() {
            backing.forget(0, CHUNK_BYTES);
        }
    }
}

/// None where no thread can be started.
fn start() -> Option<Sender<Order>> {
    let (orders, inbox) = bounded::<Order>(1);
    let run = move || {
        yield_to_everybody();
        for order in inbox {
            if let Some(backing) = order.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
                backing.touch();
            }
        }
    };
    std::thread::Builder::new().name("torc-touch".into()).spawn(run).ok()?;
    Some(orders)
}

/// Has this thread run only while nobody else wants the processor.
#[cfg(target_os = "linux")]
fn yield_to_everybody() {
    let none = libc::sched_param { sched_priority: 0 };
    // SAFETY: 0 is the calling thread, and the parameters live through the call. Where it is refused the thread is one like others.
    let _ = unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &none) };
}

#[cfg(not(target_os = "linux"))]
fn yield_to_everybody() {}

#[cfg(test)]
impl Spare {
    pub fn is_ordered(&self) -> bool {
        self.ordered.is_some()
    }

    /// Waits until what was ordered has been touched.
    pub fn wait(&self) {
        let order = self.ordered.as_ref().expect("ordered");
        for _ in 0..60_000 {
            // The thread lets go of what it has touched.
            if Arc::strong_count(order) == 1 {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        panic!("never touched");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordered() -> Spare {
        let mut spare = Spare::new();
        spare.order();
        spare
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_is_ordered_has_memory_and_is_taken_once() {
        let mut spare = ordered();
        spare.wait();
        assert!(spare.take().expect("ready").has_memory());
        assert!(spare.take().is_none());
    }

    #[test]
    fn what_is_being_touched_is_left_alone() {
        let mut spare = ordered();
        let order = spare.ordered.clone().expect("ordered");
        let touching = order.lock().unwrap();
        assert!(spare.take().is_none());
        spare.order();
        assert!(Arc::ptr_eq(&order, spare.ordered.as_ref().expect("still ordered")));
        drop(touching);
    }

    #[test]
    fn what_nobody_has_wanted_goes_back_at_the_second_purge() {
        let mut spare = ordered();
        spare.wait();
        spare.purge();
        assert!(spare.is_ordered());
        spare.purge();
        assert!(!spare.is_ordered());
        // What is ordered next has both before it again.
        spare.order();
        spare.wait();
        spare.purge();
        assert!(spare.is_ordered());
    }
}
