//! Scripts that take long: who may be killed, and whether the node is busy.
//!
//! A script or function that has run for [`SLOW`](super::engine::SLOW) is entered here. SCRIPT KILL asks all scripts to end, FUNCTION KILL all functions; one that has written does not, for half of what it was to
//! do would stay. From `busy-reply-threshold` on the node is busy: clients are told so instead of waiting.

use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// What runs: SCRIPT KILL ends the one, FUNCTION KILL the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// A script of EVAL and its kin.
    #[default]
    Script,
    /// A function of a library.
    Function,
}

impl Kind {
    fn other(self) -> Kind {
        match self {
            Kind::Script => Kind::Function,
            Kind::Function => Kind::Script,
        }
    }
}

/// Why SCRIPT KILL or FUNCTION KILL killed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KillError {
    /// There is no script that takes long.
    NotBusy,
    /// It has written.
    Unkillable,
    /// It is of the other kind.
    Other,
}

/// What is known of a script that takes long.
#[derive(Debug, Clone, Default)]
pub struct Running {
    /// Whether it is a script or a function.
    pub kind: Kind,
    /// Its name.
    pub name: Vec<u8>,
    /// The command by which it was called.
    pub command: Vec<Vec<u8>>,
    /// When it began, by the host's clock.
    pub begun: Duration,
}

/// The figures of one kind.
#[derive(Debug, Default)]
struct Counts {
    /// Those that take long.
    slow: AtomicUsize,
    /// Of these, those that have written.
    written: AtomicUsize,
    /// Those beyond the threshold.
    busy: AtomicUsize,
    /// How often somebody asked for an end.
    kills: AtomicU64,
}

/// See the module's description. All is Relaxed: these are signals, and guard nothing.
#[derive(Debug, Default)]
pub struct Standing {
    scripts: Counts,
    functions: Counts,
    /// Those of either kind beyond the threshold: one load tells a batch whether there are any.
    busy: AtomicUsize,
    /// What takes long, and the worker that runs it.
    running: Mutex<Vec<(usize, Running)>>,
    /// Whether the node stops, so that every script ends whatever it has done.
    stopping: AtomicBool,
}

impl Standing {
    fn of(&self, kind: Kind) -> &Counts {
        match kind {
            Kind::Script => &self.scripts,
            Kind::Function => &self.functions,
        }
    }

    /// Whether clients are to be told that the node is busy.
    #[inline]
    pub fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed) != 0
    }

    /// What keeps the node busy; a script, if both do.
    pub fn busy_kind(&self) -> Option<Kind> {
        let mut kinds = [Kind::Script, Kind::Function].into_iter();
        kinds.find(|kind| self.of(*kind).busy.load(Ordering::Relaxed) != 0)
    }

    /// SCRIPT KILL and FUNCTION KILL.
    ///
    /// # Errors
    /// See [`KillError`].
    pub fn kill(&self, kind: Kind) -> Result<(), KillError> {
        let is_written = |kind| {
            let counts = self.of(kind);
            let slow = counts.slow.load(Ordering::Relaxed);
            (slow > 0).then(|| counts.written.load(Ordering::Relaxed) >= slow)
        };
        match (is_written(kind), is_written(kind.other())) {
            (None, None) => Err(KillError::NotBusy),
            (Some(true), _) | (None, Some(true)) => Err(KillError::Unkillable),
            (None, Some(false)) => Err(KillError::Other),
            (Some(false), _) => {
                self.of(kind).kills.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
        }
    }

    /// What takes long, of the first that began.
    pub fn running(&self, kind: Kind) -> Option<Running> {
        let running = self.running.lock();
        running.iter().map(|(_, running)| running).find(|it| it.kind == kind).cloned()
    }

    /// Ends every script at once, now and from now on: the node stops.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether this worker runs a script that takes long, so that it hears nobody.
    pub fn is_deaf(&self, worker: usize) -> bool {
        self.deaf_count() != 0 && self.running.lock().iter().any(|(it, _)| *it == worker)
    }

    /// How many workers run a script that takes long.
    pub fn deaf_count(&self) -> usize {
        self.scripts.slow.load(Ordering::Relaxed) + self.functions.slow.load(Ordering::Relaxed)
    }

    /// Enters a script of this worker that takes long.
    pub fn enter(&self, worker: usize, running: Running) -> Slow<'_> {
        let kind = running.kind;
        self.running.lock().push((worker, running));
        let counts = self.of(kind);
        counts.slow.fetch_add(1, Ordering::Relaxed);
        Slow {
            standing: self,
            counts,
            worker,
            kills_before: counts.kills.load(Ordering::Relaxed),
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
    counts: &'s Counts,
    worker: usize,
    kills_before: u64,
    written: bool,
    busy: bool,
}

impl Slow<'_> {
    /// Whether it is to end.
    pub fn is_killed(&self) -> bool {
        self.standing.is_stopping()
            || (!self.written && self.counts.kills.load(Ordering::Relaxed) != self.kills_before)
    }

    /// It has written, so that it cannot be killed any more.
    pub fn set_written(&mut self) {
        if !std::mem::replace(&mut self.written, true) {
            self.counts.written.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// It is beyond the threshold. Returns whether that is news.
    pub fn set_busy(&mut self) -> bool {
        let news = !std::mem::replace(&mut self.busy, true);
        if news {
            self.counts.busy.fetch_add(1, Ordering::Relaxed);
            self.standing.busy.fetch_add(1, Ordering::Relaxed);
        }
        news
    }
}

impl Drop for Slow<'_> {
    fn drop(&mut self) {
        self.counts.slow.fetch_sub(1, Ordering::Relaxed);
        self.standing.running.lock().retain(|(worker, _)| *worker != self.worker);
        if self.written {
            self.counts.written.fetch_sub(1, Ordering::Relaxed);
        }
        if self.busy {
            self.counts.busy.fetch_sub(1, Ordering::Relaxed);
            self.standing.busy.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(kind: Kind) -> Running {
        Running { kind, name: b"f".to_vec(), ..Running::default() }
    }

    #[test]
    fn only_what_has_not_written_is_killed() {
        let standing = Standing::default();
        assert_eq!(standing.kill(Kind::Script), Err(KillError::NotBusy));
        let mut slow = standing.enter(3, running(Kind::Script));
        assert!(!slow.is_killed() && !standing.is_busy());
        assert!(standing.is_deaf(3) && !standing.is_deaf(2));
        assert!(slow.set_busy() && !slow.set_busy() && standing.is_busy());
        assert_eq!(standing.kill(Kind::Script), Ok(()));
        assert!(slow.is_killed());
        drop(slow);
        assert!(!standing.is_busy() && !standing.is_deaf(3));
        let mut slow = standing.enter(3, running(Kind::Script));
        assert!(!slow.is_killed(), "an older order is none");
        slow.set_written();
        assert_eq!(standing.kill(Kind::Script), Err(KillError::Unkillable));
        assert_eq!(standing.kill(Kind::Function), Err(KillError::Unkillable));
        assert!(!slow.is_killed());
        standing.stop();
        assert!(slow.is_killed());
    }

    #[test]
    fn each_kind_is_killed_by_its_own_command() {
        let standing = Standing::default();
        let mut function = standing.enter(1, running(Kind::Function));
        assert_eq!(standing.kill(Kind::Script), Err(KillError::Other));
        assert!(!function.is_killed());
        function.set_busy();
        assert_eq!(standing.busy_kind(), Some(Kind::Function));
        assert_eq!(standing.running(Kind::Function).unwrap().name, b"f");
        assert!(standing.running(Kind::Script).is_none());
        let script = standing.enter(2, running(Kind::Script));
        assert_eq!(standing.kill(Kind::Function), Ok(()));
        assert!(function.is_killed() && !script.is_killed());
        drop(function);
        assert_eq!((standing.busy_kind(), standing.deaf_count()), (None, 1));
    }
}
