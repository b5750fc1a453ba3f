//! The task of a connection: reads replies, gives them to callers, and writes what callers have gathered.
//!
//! After replies for several callers it lets those run first and then writes what they have sent meanwhile, so that a burst of callers is one write and
//! one read, however many there are.

use super::shared::{Connection, Push, Writer, broken};
use crate::base::clock;
use crate::error::{Applied, Error, ErrorKind};
use crate::reply::Frame;
use bytes::{Buf as _, BytesMut};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::time::Sleep;
use torc_protocol::response::{ReplyBounds, Scanner};

/// Free space that a read is offered, at least; a read that does not fill it need not be repeated to learn that there is no more.
const READ_BYTES: usize = 16 << 10;
/// What is allocated at once.
const BUFFER_BYTES: usize = 64 << 10;
/// The most that is reserved for a long reply at once, whatever its length says.
const RESERVE_BYTES_MAX: usize = 4 << 20;

/// What the driver was woken for.
enum Event {
    Read,
    /// Callers have appended something and expect it to be written.
    Armed,
    Alarm,
    Ended(Error),
}

/// The end of a reply in the buffer, counted from the end of the one before.
struct End {
    bytes: usize,
    is_push: bool,
}

pub(super) struct Driver {
    connection: Arc<Connection>,
    read: Box<dyn AsyncRead + Send + Unpin>,
    buffer: BytesMut,
    scanner: Scanner,
    bounds: ReplyBounds,
    /// Whole replies at the beginning of the buffer, and their bytes together.
    ends: Vec<End>,
    scanned: usize,
    wakers: Vec<Waker>,
    pushes: Vec<bytes::Bytes>,
    timer: Pin<Box<Sleep>>,
    timer_at: Option<Instant>,
    /// The socket's writing side, while it takes no more.
    writer: Option<Writer>,
    flush: bool,
    /// When bytes came last.
    heard: Instant,
    /// Whether tasks run on several threads, where a task that wakes itself runs before those it woke.
    is_threaded: bool,
}

impl Driver {
    pub(super) fn new(
        connection: Arc<Connection>,
        read: Box<dyn AsyncRead + Send + Unpin>,
    ) -> Self {
        let now = clock::now();
        let bounds = ReplyBounds { reply_bytes_max: connection.limits().reply_bytes_max };
        Driver {
            connection,
            read,
            buffer: BytesMut::with_capacity(BUFFER_BYTES),
            scanner: Scanner::new(),
            bounds,
            ends: Vec::new(),
            scanned: 0,
            wakers: Vec::new(),
            pushes: Vec::new(),
            timer: Box::pin(tokio::time::sleep_until(now.into())),
            timer_at: None,
            writer: None,
            flush: false,
            heard: now,
            is_threaded: !matches!(
                Handle::current().runtime_flavor(),
                RuntimeFlavor::CurrentThread
            ),
        }
    }

    /// Until the connection ends.
    pub(super) async fn run(mut self) {
        let error = loop {
            match poll_fn(|cx| self.poll_event(cx)).await {
                Event::Read => match self.dispatch() {
                    Ok(woken) if woken > 1 => {
                        self.let_others_run().await;
                        self.flush = true;
                    }
                    Ok(_) => {}
                    Err(error) => break error,
                },
                Event::Armed => {
                    if self.is_threaded {
                        self.let_others_run().await;
                    }
                    self.flush = true;
                }
                Event::Alarm => {
                    if let Err(error) = self.expire() {
                        break error;
                    }
                }
                Event::Ended(error) => break error,
            }
        };
        self.end(&error);
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        let alarm = {
            let mut shared = self.connection.lock();
            if !shared.driver.as_ref().is_some_and(|own| own.will_wake(cx.waker())) {
                shared.driver = Some(cx.waker().clone());
            }
            if let Some(error) = shared.broken.take() {
                return Poll::Ready(Event::Ended(error));
            }
            if shared.closing {
                return Poll::Ready(Event::Ended(Error::closed()));
            }
            if shared.armed && !self.flush {
                return Poll::Ready(Event::Armed);
            }
            shared.alarm
        };
        if self.flush {
            match self.poll_flush(cx) {
                Poll::Ready(Ok(())) => self.flush = false,
                Poll::Ready(Err(error)) => return Poll::Ready(Event::Ended(broken(error))),
                // Reading goes on: the server may wait for that.
                Poll::Pending => {}
            }
        }
        if self.timer_at != alarm {
            self.timer_at = alarm;
            if let Some(at) = alarm {
                self.timer.as_mut().reset(at.into());
            }
        }
        if self.timer_at.is_some() && self.timer.as_mut().poll(cx).is_ready() {
            self.timer_at = None;
            return Poll::Ready(Event::Alarm);
        }
        self.poll_read(cx)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        if self.buffer.capacity() - self.buffer.len() < READ_BYTES {
            let missing = self.scanner.missing_bytes(self.buffer.len());
            self.buffer.reserve(missing.clamp(BUFFER_BYTES, RESERVE_BYTES_MAX));
        }
        let read = pin!(self.read.read_buf(&mut self.buffer));
        match read.poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(0)) => Poll::Ready(Event::Ended(Error::new(
                ErrorKind::Connection,
                Applied::Maybe,
                "the server closed the connection",
            ))),
            Poll::Ready(Ok(_)) => Poll::Ready(Event::Read),
            Poll::Ready(Err(error)) => Poll::Ready(Event::Ended(broken(error))),
        }
    }

    /// Writes all that callers have appended.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        loop {
            let mut writer = match self.writer.take() {
                Some(writer) => writer,
                None => {
                    let mut shared = self.connection.lock();
                    shared.armed = false;
                    // A caller who writes looks for more when it is done, and arms again.
                    let Some(mut writer) = shared.writer.take() else { return Poll::Ready(Ok(())) };
                    if !shared.load(&mut writer) {
                        shared.writer = Some(writer);
                        return Poll::Ready(Ok(()));
                    }
                    writer
                }
            };
            match writer.poll_write_all(cx) {
                Poll::Ready(Ok(())) => self.connection.lock().writer = Some(writer),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.writer = Some(writer);
                    return Poll::Pending;
                }
            }
        }
    }

    /// Gives whole replies to those who wait for them. Returns how many calls that completes.
    fn dispatch(&mut self) -> Result<usize, Error> {
        self.heard = clock::now();
        while self.scanned < self.buffer.len() {
            let rest = &self.buffer[self.scanned..];
            let is_push = rest[0] == b'>';
            match self.scanner.scan(rest, &self.bounds).map_err(Error::protocol)? {
                Some(bytes) => {
                    self.ends.push(End { bytes, is_push });
                    self.scanned += bytes;
                }
                None => break,
            }
        }
        let outcome = self.hand_out();
        self.scanned = 0;
        self.ends.clear();
        let woken = self.wakers.len();
        self.wakers.drain(..).for_each(Waker::wake);
        if let Some(sink) = &self.connection.pushes {
            self.pushes.drain(..).for_each(|push| sink(Push::Frame(push)));
        }
        self.pushes.clear();
        outcome.map(|()| woken)
    }

    fn hand_out(&mut self) -> Result<(), Error> {
        let mut guard = self.connection.lock();
        let shared = &mut *guard;
        let mut ends = self.ends.iter().peekable();
        while let Some(first) = ends.next() {
            if first.is_push {
                self.pushes.push(self.buffer.split_to(first.bytes).freeze());
                continue;
            }
            let Some(entry) = shared.queue.front_mut() else {
                if self.connection.pushes.is_some() {
                    // A subscription that was refused.
                    self.pushes.push(self.buffer.split_to(first.bytes).freeze());
                    continue;
                }
                return Err(Error::new(
                    ErrorKind::Protocol,
                    Applied::Maybe,
                    "the server sent a reply that nobody asked for",
                ));
            };
            entry.replies -= 1;
            let mut bytes = first.bytes;
            while entry.replies > 0
                && let Some(next) = ends.next_if(|next| !next.is_push)
            {
                entry.replies -= 1;
                bytes += next.bytes;
            }
            let piece = if self.buffer.starts_with(b"+OK\r\n") && bytes == 5 {
                self.buffer.advance(5);
                Frame::Ok
            } else {
                Frame::One(self.buffer.split_to(bytes).freeze())
            };
            let slot = entry.slot;
            if entry.replies == 0 {
                shared.queue.pop_front();
                self.wakers.extend(shared.slots.complete(slot, piece));
            } else {
                shared.slots.add(slot, piece);
            }
        }
        // They will send more, which is then written together.
        shared.armed |= self.wakers.len() > 1;
        Ok(())
    }

    /// Ends what waited too long.
    fn expire(&mut self) -> Result<(), Error> {
        let now = clock::now();
        let is_oldest = self.connection.lock().expire(now, &mut self.wakers);
        self.wakers.drain(..).for_each(Waker::wake);
        if is_oldest && now.duration_since(self.heard) >= self.connection.limits().stall {
            let message = "the server sent nothing for too long";
            return Err(Error::new(ErrorKind::Connection, Applied::Maybe, message));
        }
        Ok(())
    }

    /// Comes back once the tasks that can run have run.
    async fn let_others_run(&mut self) {
        if self.is_threaded {
            return tokio::task::yield_now().await;
        }
        // The only thread's queue is in order, so those woken before stand before us, and the sockets need not be looked at first.
        let mut is_second = false;
        poll_fn(|cx| {
            if is_second {
                return Poll::Ready(());
            }
            is_second = true;
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    fn end(&mut self, error: &Error) {
        self.connection.set_closed();
        let mut shared = self.connection.lock();
        shared.fail(error, &mut self.wakers);
        // The socket closes when both of its halves are gone.
        shared.writer = None;
        drop(shared);
        self.wakers.drain(..).for_each(Waker::wake);
        if let Some(sink) = &self.connection.pushes {
            sink(Push::Closed);
        }
    }
}

/// A driver that is dropped before its end, as when its runtime stops, leaves nobody waiting.
impl Drop for Driver {
    fn drop(&mut self) {
        if self.connection.lock().closed.is_none() {
            let message = "the runtime of the connection has stopped";
            self.end(&Error::new(ErrorKind::Connection, Applied::Maybe, message));
        }
    }
}
