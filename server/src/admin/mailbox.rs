//! Mailboxes: how one thread asks another for something. Every worker has one.
//!
//! Invariant: nothing here waits, and a full mailbox loses no request that matters. Each kind of [`Message`] says what
//! happens to it when there is no room.

use super::pubsub::Publication;
use super::tracking::Push;
use crate::base::limits::{FEED_BYTES_MAX, MAILBOX_MESSAGES_MAX};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use parking_lot::Mutex;
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
}

/// Wakes a thread out of its poll.
pub type Wake = Box<dyn Fn() + Send + Sync>;

/// What a worker is to hand to some of its clients.
#[derive(Debug, Clone)]
pub enum Fed {
    /// Lines for every monitoring client but `except`.
    Lines {
        /// Whole replies, ready to be sent.
        lines: Arc<[u8]>,
        /// The client whose commands these are, which has them already.
        except: u64,
    },
    /// A message for its subscribers.
    Publication(Arc<Publication>),
    /// What one of them tracks has changed.
    Invalidation(Box<Push>),
}

impl Fed {
    fn bytes(&self) -> usize {
        match self {
            Fed::Lines { lines, .. } => lines.len(),
            Fed::Publication(publication) => publication.bytes(),
            Fed::Invalidation(push) => push.bytes(),
        }
    }
}

/// Whom something was lost for since the feed was emptied last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lost {
    /// Monitoring clients.
    pub monitors: bool,
    /// Subscribers.
    pub subscribers: bool,
    /// Clients that track.
    pub trackers: bool,
}

/// What waits to be handed out, in order. Bounded by [`FEED_BYTES_MAX`]: where something does not fit, the feed is broken, and the worker cuts the clients
/// that it was for rather than let them miss it unknowingly.
#[derive(Debug, Default)]
struct Feed {
    items: Vec<Fed>,
    bytes: usize,
    lost: Lost,
}

impl Feed {
    fn push(&mut self, fed: Fed) {
        let bytes = fed.bytes();
        if self.bytes + bytes <= FEED_BYTES_MAX {
            self.bytes += bytes;
            self.items.push(fed);
            return;
        }
        match fed {
            Fed::Lines { .. } => self.lost.monitors = true,
            Fed::Publication(_) => self.lost.subscribers = true,
            Fed::Invalidation(_) => self.lost.trackers = true,
        }
    }
}

/// One worker's mailbox, as others see it.
pub struct Mailbox {
    sender: Sender<Message>,
    wake: Wake,
    /// Whether a wake-up is under way, so that a hundred messages cost one system call.
    notified: AtomicBool,
    monitors: AtomicUsize,
    feed: Mutex<Feed>,
    is_fed: AtomicBool,
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
            feed: Mutex::default(),
            is_fed: AtomicBool::new(false),
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

    fn feed(&self, fed: Fed) {
        self.feed.lock().push(fed);
        // Release pairs with the Acquire in `is_fed`; what was pushed is read under the lock.
        self.is_fed.store(true, Ordering::Release);
    }

    /// Whether there is something to hand out.
    #[inline]
    pub fn is_fed(&self) -> bool {
        // Acquire pairs with the Release in `feed`.
        self.is_fed.load(Ordering::Acquire)
    }

    /// All that is to be handed out, in order, and whom something was lost for.
    pub fn take_feed(&self) -> (Vec<Fed>, Lost) {
        let mut feed = self.feed.lock();
        // Under the lock, so that nothing is pushed between this and the taking.
        self.is_fed.store(false, Ordering::Relaxed);
        let Feed { items, lost, .. } = std::mem::take(&mut *feed);
        (items, lost)
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
            // Relaxed: a monitor that starts at this very moment may miss this batch.
            if mailbox.monitors.load(Ordering::Relaxed) != 0 {
                mailbox.feed(Fed::Lines { lines: Arc::clone(&lines), except });
                mailbox.wake();
            }
        }
    }

    /// Hands a message to `worker`. The worker that publishes, `from`, looks at its own feed in every turn and need not be woken.
    pub fn publish(&self, worker: usize, from: usize, publication: &Arc<Publication>) {
        let Some(mailbox) = self.workers().get(worker) else { return };
        mailbox.feed(Fed::Publication(Arc::clone(publication)));
        if worker != from {
            mailbox.wake();
        }
    }

    /// Hands news for a client that tracks to `worker`, as [`Mailboxes::publish`] does.
    pub fn tell(&self, worker: usize, from: usize, push: Push) {
        let Some(mailbox) = self.workers().get(worker) else { return };
        mailbox.feed(Fed::Invalidation(Box::new(push)));
        if worker != from {
            mailbox.wake();
        }
    }

    /// A client of `worker` started (`true`) or stopped monitoring.
    pub fn count_monitor(&self, worker: usize, started: bool) {
        let Some(mailbox) = self.workers().get(worker) else { return };
        // Relaxed: see `Mailboxes::feed_monitors`.
        if started {
            mailbox.monitors.fetch_add(1, Ordering::Relaxed);
        } else {
            mailbox.monitors.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
