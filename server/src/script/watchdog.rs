//! Scripts that take long: who may be killed, and whether the node is busy.
//!
//! A script that has run for [`SLOW`](super::engine::SLOW) is entered here. SCRIPT KILL asks all of them to end; one that has written does not, for half of what it was to
//! do would stay. From `busy-reply-threshold` on the node is busy: clients are told so instead of waiting.

use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// Why SCRIPT KILL killed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KillError {
    /// There is no script that takes long.
    NotBusy,
    /// It has written.
    Unkillable,
}

/// See the module's description. All is Relaxed: these are signals, and guard nothing.
#[derive(Debug, Default)]
pub struct Standing {
    /// Scripts that take long.
    slow: AtomicUsize,
    /// The workers that run them.
    workers: Mutex<Vec<usize>>,
    /// Of these, those that have written.
    written: AtomicUsize,
    /// Scripts beyond the threshold.
    busy: AtomicUsize,
    /// How often somebody asked for an end.
    kills: AtomicU64,
    /// Whether the node stops, so that every script ends whatever it has done.
    stopping: AtomicBool,
}

impl Standing {
    /// Whether clients are to be told that the node is busy.
    #[inline]
    pub fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed) != 0
    }

    /// SCRIPT KILL.
    pub fn kill(&self) -> Result<(), KillError> {
        let slow = self.slow.load(Ordering::Relaxed);
        if slow == 0 {
            return Err(KillError::NotBusy);
        }
        if self.written.load(Ordering::Relaxed) >= slow {
            return Err(KillError::Unkillable);
        }
        self.kills.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Ends every script at once, now and from now on: the node stops.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether this worker runs a script that takes long, so that it hears nobody.
    pub fn is_deaf(&self, worker: usize) -> bool {
        self.slow.load(Ordering::Relaxed) != 0 && self.workers.lock().contains(&worker)
    }

    /// How many workers run a script that takes long.
    pub fn deaf_count(&self) -> usize {
        self.slow.load(Ordering::Relaxed)
    }

    /// Enters a script of this worker that takes long.
    pub fn enter(&self, worker: usize) -> Slow<'_> {
        self.workers.lock().push(worker);
        self.slow.fetch_add(1, Ordering::Relaxed);
        Slow {
            standing: self,
            worker,
            kills_before: self.kills.load(Ordering::Relaxed),
            written: false,
            busy: false,
        }
    }

    /// Whether the node stops.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

/// A script that takes long, until it is dropped.
#[derive(Debug)]
pub struct Slow<'s> {
    standing: &'s Standing,
    worker: usize,
    kills_before: u64,
    written: bool,
    busy: bool,
}

impl Slow<'_> {
    /// Whether it is to end.
    pub fn is_killed(&self) -> bool {
        let standing = self.standing;
        standing.is_stopping()
            || (!self.written && standing.kills.load(Ordering::Relaxed) != self.kills_before)
    }

    /// It has written, so that it cannot be killed any more.
    pub fn set_written(&mut self) {
        if !std::mem::replace(&mut self.written, true) {
            self.standing.written.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// It is beyond the threshold. Returns whether that is news.
    pub fn set_busy(&mut self) -> bool {
        let news = !std::mem::replace(&mut self.busy, true);
        if news {
            self.standing.busy.fetch_add(1, Ordering::Relaxed);
        }
        news
    }
}

impl Drop for Slow<'_> {
    fn drop(&mut self) {
        self.standing.slow.fetch_sub(1, Ordering::Relaxed);
        self.standing.workers.lock().retain(|worker| *worker != self.worker);
        if self.written {
            self.standing.written.fetch_sub(1, Ordering::Relaxed);
        }
        if self.busy {
            self.standing.busy.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_not_written_is_killed() {
        let standing = Standing::default();
        assert_eq!(standing.kill(), Err(KillError::NotBusy));
        let mut slow = standing.enter(3);
        assert!(!slow.is_killed() && !standing.is_busy());
        assert!(standing.is_deaf(3) && !standing.is_deaf(2));
        assert!(slow.set_busy() && !slow.set_busy() && standing.is_busy());
        assert_eq!(standing.kill(), Ok(()));
        assert!(slow.is_killed());
        drop(slow);
        assert!(!standing.is_busy() && !standing.is_deaf(3));
        let mut slow = standing.enter(3);
        assert!(!slow.is_killed(), "an older order is none");
        slow.set_written();
        assert_eq!(standing.kill(), Err(KillError::Unkillable));
        assert!(!slow.is_killed());
        standing.stop();
        assert!(slow.is_killed());
    }
}
