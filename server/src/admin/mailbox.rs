//! Mailboxes: how one thread asks another for something. Every worker has one.
//!
//! Invariant: nothing here waits, and a full mailbox loses no request that matters. Each kind of [`Message`] says what
//! happens to it when there is no room.

use crate::base::limits::MAILBOX_MESSAGES_MAX;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// What a worker is asked to do.
#[derive(Debug, Clone)]
pub enum Message {
    /// Close this connection. When lost: the client's own `killed` flag is seen before its next batch, or by the sweep
    /// over all connections within a second.
    Kill {
        /// Where the worker keeps it.
        slot: usize,
        /// Whose it must still be.
        id: u64,
    },
    /// A pause ended: look again at the clients that it held. When lost: the worker looks on its next tick.
    Resume,
    /// Send these lines to every monitoring client but `except`. When lost: see [`Mailbox::feed`].
    Monitor {
        /// Whole replies, ready to be sent.
        lines: Arc<[u8]>,
        /// The client whose commands these are, which has them already.
        except: u64,
    },
}

/// Wakes a thread out of its poll.
pub type Wake = Box<dyn Fn() + Send + Sync>;

/// One worker's mailbox, as others see it.
pub struct Mailbox {
    sender: Sender<Message>,
    wake: Wake,
    /// Whether a wake-up is under way, so that a hundred messages cost one system call.
    notified: AtomicBool,
    monitors: AtomicUsize,
    feed_lost: AtomicBool,
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").field("queued", &self.sender.len()).finish_non_exhaustive()
    }
}

impl Mailbox {
    /// A mailbox and the end that its worker reads.
    pub fn new(wake: Wake) -> (Self, Receiver<Message>) {
        let (sender, receiver) = bounded(MAILBOX_MESSAGES_MAX);
        let mailbox = Mailbox {
            sender,
            wake,
            notified: AtomicBool::new(false),
            monitors: AtomicUsize::new(0),
            feed_lost: AtomicBool::new(false),
        };
        (mailbox, receiver)
    }

    /// Leaves a message, if there is room, and wakes the worker. Returns whether there was room.
    pub fn send(&self, message: Message) -> bool {
        let sent = !matches!(self.sender.try_send(message), Err(TrySendError::Full(_)));
        self.wake();
        sent
    }

    /// Wakes the worker unless a wake-up is already under way.
    pub fn wake(&self) {
        // AcqRel: whoever finds `true` relies on the worker's later `rearm` (same location) to see what it sent before.
        if !self.notified.swap(true, Ordering::AcqRel) {
            (self.wake)();
        }
    }

    /// The worker calls this before it empties its mailbox: what is sent from here on wakes it again.
    pub fn rearm(&self) {
        // AcqRel: pairs with `wake`; everything sent before a swallowed wake-up is visible to the emptying that follows.
        self.notified.swap(false, Ordering::AcqRel);
    }

    /// Leaves lines for the worker's monitoring clients, if it has any. Where they do not fit, the feed is broken: the
    /// worker is told, and cuts its monitoring clients rather than let them miss commands unknowingly.
    fn feed(&self, lines: &Arc<[u8]>, except: u64) {
        // Relaxed: a monitor that starts at this very moment may miss this batch.
        if self.monitors.load(Ordering::Relaxed) == 0 {
            return;
        }
        if !self.send(Message::Monitor { lines: Arc::clone(lines), except }) {
            // Relaxed: a flag alone; the worker reads it on its next turn.
            self.feed_lost.store(true, Ordering::Relaxed);
        }
    }

    /// Whether lines were lost since the last call.
    pub fn take_feed_lost(&self) -> bool {
        // Relaxed: see `feed`.
        self.feed_lost.load(Ordering::Relaxed) && self.feed_lost.swap(false, Ordering::Relaxed)
    }
}

/// All workers' mailboxes.
#[derive(Debug, Default)]
pub struct Mailboxes(OnceLock<Box<[Mailbox]>>);

impl Mailboxes {
    /// Makes the workers known, in order of their index. Once in the life of the process; a later call changes nothing.
    pub fn attach(&self, workers: Vec<Mailbox>) {
        let _ = self.0.set(workers.into_boxed_slice());
    }

    /// The workers' mailboxes, in order of their index; empty before [`Mailboxes::attach`].
    pub fn workers(&self) -> &[Mailbox] {
        self.0.get().map_or(&[], |workers| workers)
    }

    /// Leaves `message` with every worker.
    pub fn broadcast(&self, message: &Message) {
        for mailbox in self.workers() {
            mailbox.send(message.clone());
        }
    }

    /// Hands lines to every worker that has monitoring clients.
    pub fn feed_monitors(&self, lines: &[u8], except: u64) {
        let lines: Arc<[u8]> = lines.into();
        for mailbox in self.workers() {
            mailbox.feed(&lines, except);
        }
    }

    /// A client of `worker` started (`true`) or stopped monitoring.
    pub fn count_monitor(&self, worker: usize, started: bool) {
        let Some(mailbox) = self.workers().get(worker) else { return };
        // Relaxed: see `Mailbox::feed`.
        if started {
            mailbox.monitors.fetch_add(1, Ordering::Relaxed);
        } else {
            mailbox.monitors.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
