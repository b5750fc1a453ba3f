//! What callers and the driver share, and the callers' side of it.

use super::reader::Reader;
use super::relay::Relay;
use super::slots::{SlotId, Slots};
use crate::base::{clock, lock};
use crate::error::{Applied, Error, ErrorKind, Result};
use crate::reply::Frame;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::io::AsyncWrite;

/// What a connection may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Requests without a reply.
    pub in_flight_max: usize,
    /// Bytes that wait for the socket to take them. One request is let through whatever its length.
    pub out_bytes_max: usize,
    /// The longest reply.
    pub reply_bytes_max: usize,
    /// A connection on which nothing came for so long, while a request waited beyond its deadline, is given up.
    pub stall: Duration,
    /// For how long a caller who is alone looks for its reply before it leaves that to the runtime.
    pub busy_poll: Duration,
}

/// Receives what no request asked for. Called by the driver: it must neither block nor take long.
pub(crate) type PushSink = Box<dyn Fn(Push) + Send + Sync>;

/// What no request asked for.
#[derive(Debug)]
pub(crate) enum Push {
    /// A message.
    Frame(bytes::Bytes),
    /// There will be no more, for the connection has ended.
    Closed,
}

/// A connection; its driver holds it too, and ends with [`Connection::close`].
pub(crate) struct Connection {
    shared: Mutex<Shared>,
    limits: Limits,
    closed: AtomicBool,
    pub(super) pushes: Option<PushSink>,
    pub(super) relay: Arc<Relay>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}

pub(super) struct Shared {
    /// Requests that no writer has taken yet.
    pub(super) out: Vec<u8>,
    /// The socket's writing side, unless somebody is writing.
    pub(super) writer: Option<Writer>,
    /// The socket's reading side, while it is lent and nobody reads.
    pub(super) reader: Option<Box<Reader>>,
    /// Whether a lone caller reads for itself, and the driver leaves the socket alone. Set by a caller who finds the connection idle; ended by the next one
    /// who does not, by one who goes away, and by the alarm.
    pub(super) is_direct: bool,
    /// Whether that caller looks for its reply before the socket wakes it.
    is_looking: bool,
    /// When bytes came last.
    pub(super) heard: Instant,
    /// Whether the driver is about to write, so that callers need do no more than append.
    pub(super) armed: bool,
    pub(super) driver: Option<Waker>,
    /// Requests without all of their replies, in the order of their bytes.
    pub(super) queue: VecDeque<Entry>,
    pub(super) slots: Slots,
    /// Whom those who take their replies wake, the last one first; the driver is behind all callers.
    pub(super) relayed: Vec<Waker>,
    /// When the driver looks for requests beyond their deadlines; no deadline is before it.
    pub(super) alarm: Option<Instant>,
    /// All bytes that were ever appended to `out`, and those that a writer took.
    accepted: u64,
    handed: u64,
    /// A writer failed; the driver is to end.
    pub(super) broken: Option<Error>,
    pub(super) closing: bool,
    /// Why there are no more replies.
    pub(super) closed: Option<Error>,
}

/// A request in the queue.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) slot: SlotId,
    pub(super) replies: u32,
    /// Where its bytes begin among all that were accepted.
    begin: u64,
    /// `None` once it has passed.
    pub(super) deadline: Option<Instant>,
}

/// The socket's writing side, and what it has taken and not written yet.
pub(super) struct Writer {
    half: Box<dyn AsyncWrite + Send + Unpin>,
    bytes: Vec<u8>,
    at: usize,
}

/// A buffer that one large request made so long is not kept.
const KEPT_BYTES_MAX: usize = 256 << 10;

impl Writer {
    pub(super) fn new(half: Box<dyn AsyncWrite + Send + Unpin>) -> Self {
        Writer { half, bytes: Vec::with_capacity(4096), at: 0 }
    }

    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Writes all that it holds.
    pub(super) fn poll_write_all(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        while self.at < self.bytes.len() {
            match Pin::new(&mut self.half).poll_write(cx, &self.bytes[self.at..]) {
                Poll::Ready(Ok(0)) => {
                    return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into()));
                }
                Poll::Ready(Ok(count)) => self.at += count,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        match Pin::new(&mut self.half).poll_flush(cx) {
            Poll::Ready(Ok(())) => {
                self.at = 0;
                self.bytes.clear();
                self.bytes.shrink_to(KEPT_BYTES_MAX);
                Poll::Ready(Ok(()))
            }
            other => other,
        }
    }
}

impl Shared {
    /// Gives the writer all that is to be written; false if that is nothing.
    pub(super) fn load(&mut self, writer: &mut Writer) -> bool {
        if writer.is_idle() {
            std::mem::swap(&mut writer.bytes, &mut self.out);
            self.handed = self.accepted;
        }
        !writer.is_idle()
    }

    /// Ends every wait with `error`: what no writer has taken was certainly not applied.
    pub(super) fn fail(&mut self, error: &Error, wakers: &mut Vec<Waker>) {
        self.closed = Some(error.clone());
        for entry in self.queue.drain(..) {
            let sent = entry.begin < self.handed;
            let applied = if sent { Applied::Maybe } else { Applied::No };
            let outcome = Err(error.clone().with_applied(applied));
            wakers.extend(self.slots.finish(entry.slot, outcome));
        }
        wakers.append(&mut self.relayed);
        self.out = Vec::new();
    }

    /// Ends the waits whose deadline has passed and sets the alarm anew; whether the oldest request is among them.
    pub(super) fn expire(&mut self, now: Instant, wakers: &mut Vec<Waker>) -> bool {
        let mut next: Option<Instant> = None;
        for entry in &mut self.queue {
            let Some(deadline) = entry.deadline else { continue };
            if deadline > now {
                next = Some(next.map_or(deadline, |next| next.min(deadline)));
                continue;
            }
            entry.deadline = None;
            let applied = if entry.begin < self.handed { Applied::Maybe } else { Applied::No };
            wakers.extend(self.slots.give_up(entry.slot, Err(Error::timeout(applied))));
        }
        self.alarm = next;
        self.queue.front().is_some_and(|oldest| oldest.deadline.is_none())
    }
}

/// A request, as the connection sees it.
pub(crate) struct Submission<'r> {
    /// Its bytes: parts that are written one behind the other.
    pub parts: [&'r [u8]; 3],
    /// How many replies it will have; at least one.
    pub replies: u32,
    /// When its caller stops waiting.
    pub deadline: Instant,
}

impl Connection {
    pub(super) fn new(
        half: Box<dyn AsyncWrite + Send + Unpin>,
        limits: Limits,
        pushes: Option<PushSink>,
        relay: Arc<Relay>,
    ) -> Self {
        Connection {
            shared: Mutex::new(Shared {
                out: Vec::with_capacity(4096),
                writer: Some(Writer::new(half)),
                reader: None,
                is_direct: false,
                is_looking: false,
                heard: clock::now(),
                armed: false,
                driver: None,
                queue: VecDeque::new(),
                slots: Slots::default(),
                relayed: Vec::new(),
                alarm: None,
                accepted: 0,
                handed: 0,
                broken: None,
                closing: false,
                closed: None,
            }),
            limits,
            closed: AtomicBool::new(false),
            pushes,
            relay,
        }
    }

    #[inline]
    pub(super) fn lock(&self) -> MutexGuard<'_, Shared> {
        lock(&self.shared)
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether it has ended.
    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        // Relaxed: a hint. Who submits to a closed connection is told under the lock.
        self.closed.load(Ordering::Relaxed)
    }

    pub(super) fn set_closed(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// Requests without all of their replies.
    pub(crate) fn in_flight(&self) -> usize {
        self.lock().queue.len()
    }

    /// Ends it; whoever waits is told.
    pub(crate) fn close(&self) {
        let mut shared = self.lock();
        shared.closing = true;
        let driver = shared.driver.clone();
        drop(shared);
        self.set_closed();
        driver.iter().for_each(Waker::wake_by_ref);
    }

    /// Sends a request. The caller `cx` is woken once the replies are there.
    ///
    /// # Errors
    /// The connection has ended, or as much waits as may. Nothing was sent then.
    #[inline]
    pub(crate) fn submit(
        self: &Arc<Self>,
        request: &Submission<'_>,
        cx: &mut Context<'_>,
    ) -> Result<Ticket> {
        let mut shared = self.lock();
        if let Some(error) = &shared.closed {
            return Err(error.clone().with_applied(Applied::No));
        }
        let full = shared.queue.len() >= self.limits.in_flight_max
            || shared.out.len() >= self.limits.out_bytes_max;
        if full {
            return Err(overloaded());
        }
        let is_calm = shared.queue.is_empty()
            && shared.out.is_empty()
            && !shared.armed
            && shared.writer.as_ref().is_some_and(Writer::is_idle);
        let mut wake_driver = if is_calm {
            self.watch(&mut shared, cx)?
        } else {
            std::mem::take(&mut shared.is_direct)
        };
        let slot = shared.slots.claim(cx.waker().clone());
        let begin = shared.accepted;
        for part in request.parts {
            shared.out.extend_from_slice(part);
            shared.accepted += part.len() as u64;
        }
        let deadline = Some(request.deadline);
        shared.queue.push_back(Entry { slot, replies: request.replies, begin, deadline });
        if shared.alarm.is_none_or(|alarm| request.deadline < alarm) {
            shared.alarm = deadline;
            wake_driver = true;
        }
        let is_looking = is_calm && shared.is_direct && shared.is_looking;
        let ticket = Ticket { connection: Arc::clone(self), slot: Some(slot), is_looking };
        if is_calm {
            self.write_now(shared, cx, wake_driver);
        } else {
            // Whoever holds the writer looks at `out` when it is done.
            if shared.writer.is_some() && !shared.armed {
                shared.armed = true;
                wake_driver = true;
            }
            self.wake_driver(shared, wake_driver);
        }
        Ok(ticket)
    }

    /// Sends a request that has no replies of its own: subscriptions are answered by pushes.
    ///
    /// # Errors
    /// As [`Connection::submit`].
    pub(crate) fn send(&self, bytes: &[u8]) -> Result<()> {
        let mut shared = self.lock();
        if let Some(error) = &shared.closed {
            return Err(error.clone().with_applied(Applied::No));
        }
        if shared.out.len() >= self.limits.out_bytes_max {
            return Err(overloaded());
        }
        shared.out.extend_from_slice(bytes);
        shared.accepted += bytes.len() as u64;
        let wake = !shared.armed;
        shared.armed = true;
        self.wake_driver(shared, wake);
        Ok(())
    }

    /// Makes a caller who finds nothing under way the one whom the socket wakes, if its reading side is there to be lent. That is done before anything is written,
    /// so that a server that is known to be gone is sent nothing. Asks the system nothing, unless something came that nobody waits for. Returns whether the driver is to be woken.
    ///
    /// # Errors
    /// The connection has ended.
    #[inline]
    fn watch(&self, shared: &mut Shared, cx: &mut Context<'_>) -> Result<bool> {
        let Some(reader) = &mut shared.reader else {
            // Whoever has it, perhaps one whose reply is there and who tells others of theirs, gives it to the driver.
            shared.is_direct = false;
            return Ok(false);
        };
        match reader.poll_fill(cx) {
            Poll::Pending => {
                shared.is_direct = true;
                shared.is_looking = reader.begin_look();
                Ok(false)
            }
            Poll::Ready(outcome) => self.surprise(shared, outcome),
        }
    }

    /// What came although nothing was asked for: a push, or the end.
    #[cold]
    fn surprise(&self, shared: &mut Shared, outcome: Result<()>) -> Result<bool> {
        shared.is_direct = false;
        let Some(mut reader) = shared.reader.take() else { return Ok(false) };
        let outcome = outcome.and_then(|()| reader.scan());
        let outcome = outcome.and_then(|()| reader.hand_out(shared, None));
        // Without a sink there is nobody to tell.
        reader.tell(None);
        shared.reader = Some(reader);
        match outcome {
            Ok(_) => Ok(true),
            Err(error) => {
                self.set_closed();
                shared.broken = Some(error.clone());
                shared.driver.iter().for_each(Waker::wake_by_ref);
                Err(error.with_applied(Applied::No))
            }
        }
    }

    /// Reads for the caller who is alone. Cancel-safe: whatever it has read is given out.
    fn poll_direct(
        &self,
        slot: SlotId,
        mut reader: Box<Reader>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Frame>> {
        loop {
            let filled = match reader.poll_fill(cx) {
                Poll::Ready(filled) => filled.and_then(|()| reader.scan()),
                Poll::Pending => match reader.poll_look(cx) {
                    Poll::Ready(filled) => filled.and_then(|()| reader.scan()),
                    Poll::Pending => {
                        self.give_back(self.lock(), reader);
                        return Poll::Pending;
                    }
                },
            };
            let mut shared = self.lock();
            let outcome = filled.and_then(|()| reader.hand_out(&mut shared, Some(slot)));
            if let Err(error) = outcome {
                // The driver ends everybody's wait, this caller's too.
                shared.broken = Some(error);
                shared.is_direct = false;
            }
            let fetched = shared.slots.fetch(slot, cx.waker());
            let is_broken = shared.broken.is_some();
            if reader.has_news() {
                drop(shared);
                reader.tell(self.pushes.as_ref());
                shared = self.lock();
            }
            if let Some(outcome) = fetched {
                self.give_back(shared, reader);
                return Poll::Ready(outcome);
            }
            if is_broken {
                self.give_back(shared, reader);
                return Poll::Pending;
            }
        }
    }

    /// Leaves the reading side for the next one, who is the driver if somebody has asked for it meanwhile.
    #[inline]
    pub(super) fn give_back(&self, mut shared: MutexGuard<'_, Shared>, reader: Box<Reader>) {
        if shared.closed.is_none() {
            shared.reader = Some(reader);
        }
        let wake = !shared.is_direct;
        self.wake_driver(shared, wake);
    }

    /// Writes on the caller's own time: nothing is under way that the request could share a write with.
    #[inline]
    fn write_now(&self, mut shared: MutexGuard<'_, Shared>, cx: &mut Context<'_>, wake: bool) {
        let Some(mut writer) = shared.writer.take() else { return };
        shared.load(&mut writer);
        drop(shared);
        let outcome = writer.poll_write_all(cx);
        let mut shared = self.lock();
        let is_done = matches!(outcome, Poll::Ready(Ok(()))) && shared.out.is_empty();
        shared.writer = Some(writer);
        if let Poll::Ready(Err(error)) = outcome {
            shared.broken = Some(broken(error));
        }
        let arm = !is_done && !shared.armed;
        shared.armed |= !is_done;
        self.wake_driver(shared, wake || arm);
    }

    #[inline]
    fn wake_driver(&self, shared: MutexGuard<'_, Shared>, wake: bool) {
        if wake {
            let driver = shared.driver.clone();
            drop(shared);
            driver.iter().for_each(Waker::wake_by_ref);
        }
    }
}

/// Wakes the next one whose reply is there.
#[inline]
fn pass_on(mut shared: MutexGuard<'_, Shared>) {
    let next = shared.relayed.pop();
    drop(shared);
    if let Some(next) = next {
        next.wake();
    }
}

#[cold]
fn overloaded() -> Error {
    Error::new(
        ErrorKind::Overloaded,
        Applied::No,
        "as many requests wait on the connection as `in_flight_max` and `out_bytes_max` allow",
    )
}

/// The error of a socket that failed.
#[cold]
pub(super) fn broken(error: std::io::Error) -> Error {
    Error::caused(
        ErrorKind::Connection,
        Applied::Maybe,
        format!("the connection broke: {error}"),
        error,
    )
}

/// A caller's claim to its replies. Dropping it gives them up: the request is sent all the same.
#[derive(Debug)]
pub(crate) struct Ticket {
    connection: Arc<Connection>,
    /// `None` once fetched.
    slot: Option<SlotId>,
    is_looking: bool,
}

impl Ticket {
    /// Whether polling it at once has a purpose. Otherwise whoever submitted it is woken when it has.
    #[inline]
    pub(crate) fn is_looking(&self) -> bool {
        self.is_looking
    }

    /// The replies, or why there are none.
    #[inline]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame>> {
        let Some(slot) = self.slot else { return Poll::Pending };
        let mut shared = self.connection.lock();
        let polled = match shared.slots.fetch(slot, cx.waker()) {
            Some(outcome) => {
                pass_on(shared);
                Poll::Ready(outcome)
            }
            None if !shared.is_direct => Poll::Pending,
            None => match shared.reader.take() {
                None => Poll::Pending,
                Some(reader) => {
                    drop(shared);
                    self.connection.poll_direct(slot, reader, cx)
                }
            },
        };
        if polled.is_ready() {
            self.slot = None;
        }
        polled
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            let mut shared = self.connection.lock();
            shared.slots.abandon(slot);
            // It may be the one whom the socket wakes.
            if std::mem::take(&mut shared.is_direct) {
                self.connection.wake_driver(shared, true);
            } else {
                pass_on(shared);
            }
        }
    }
}

impl Future for Ticket {
    type Output = Result<Frame>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Ticket::poll(self.get_mut(), cx)
    }
}
