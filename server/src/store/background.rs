//! The thread on which large things are freed: flushed databases and large values, so that no request waits for it.

use super::Totals;
use super::big::BigValue;
use super::database::Roots;
use super::local::free_roots;
use super::slab::{Heap, Slab};
use crossbeam_channel::{Sender, unbounded};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Values at least this large are worth the hop.
const LARGE_BYTES: usize = 64 * 1024;

enum Job {
    Roots(*mut Roots),
    Value(Box<BigValue>),
}

// SAFETY: the roots in a job are reached by nobody else (their epoch has passed).
unsafe impl Send for Job {}

/// What freeing gave back.
#[derive(Default)]
pub(super) struct Freed {
    pub(super) bytes: usize,
}

impl Freed {
    pub(super) fn add(&mut self, (bytes, big): (usize, Option<Box<BigValue>>)) {
        self.bytes += bytes + big.map_or(0, |big| big.bytes());
    }
}

/// The way to the background thread, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Background {
    jobs: Option<Sender<Job>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Background {
    pub(super) fn start(slab: Arc<Slab>, totals: Arc<Totals>) -> Self {
        // Unbounded: a job is a pointer, and there are no more jobs than flushes and large values that already exist.
        let (jobs, inbox) = unbounded::<Job>();
        let run = move || {
            let mut heap = Heap::new(slab);
            for job in inbox {
                match job {
                    Job::Roots(roots) => {
                        let freed = free_roots(roots, &mut heap);
                        // Relaxed: a statistic.
                        totals.used.fetch_sub(freed.bytes as i64, Ordering::Relaxed);
                    }
                    Job::Value(value) => value.discard(),
                }
            }
        };
        let thread = std::thread::Builder::new().name("torc-free".into()).spawn(run);
        // Without the thread jobs are done by whoever brings them.
        match thread {
            Ok(thread) => Background { jobs: Some(jobs), thread: Some(thread) },
            Err(_) => Background { jobs: None, thread: None },
        }
    }

    /// Frees contents whose epoch has passed. Without a thread they are leaked: that takes a machine that can start no threads.
    pub(super) fn drop_roots(&self, roots: *mut Roots) {
        if let Some(jobs) = &self.jobs {
            // The receiver lives as long as `self`.
            let _ = jobs.send(Job::Roots(roots));
        }
    }

    /// Frees a large value.
    pub(super) fn drop_value(&self, value: Box<BigValue>) {
        if value.bytes() >= LARGE_BYTES
            && let Some(jobs) = &self.jobs
        {
            let _ = jobs.send(Job::Value(value));
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was already reported by its own thread.
            let _ = thread.join();
        }
    }
}
