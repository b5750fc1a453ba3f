//! The task of a connection: reads replies, gives them to callers, and writes what callers have gathered.
//!
//! After replies for several callers it lets those run first and then writes what they have sent meanwhile, so that a burst of callers is one write and
//! one read, however many there are. While a lone caller reads for itself, it only watches the clock.

use super::reader::Reader;
use super::shared::{Connection, Push, Writer, broken};
use super::stream::ReadHalf;
use crate::base::clock;
use crate::error::{Applied, Error, ErrorKind};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::time::Sleep;

/// What the driver was woken for.
enum Event {
    Read,
    /// Callers have appended something and expect it to be written.
    Armed,
    Alarm,
    Ended(Error),
}

pub(super) struct Driver {
    connection: Arc<Connection>,
    /// The socket's reading side, unless it is lent to a lone caller.
    reader: Option<Box<Reader>>,
    /// Whether nothing was under way when it was used last, so that it may be lent.
    is_idle: bool,
    wakers: Vec<Waker>,
    timer: Pin<Box<Sleep>>,
    timer_at: Option<Instant>,
    /// The socket's writing side, while it takes no more.
    writer: Option<Writer>,
    flush: bool,
    /// Whether the alarm has gone off. What the socket has is read before anything is given up.
    is_due: bool,
    /// Whether tasks run on several threads, where a task that wakes itself runs before those it woke.
    is_threaded: bool,
    /// How many callers wake one another, and since when.
    relaying: Option<(usize, Instant)>,
}

impl Driver {
    pub(super) fn new(connection: Arc<Connection>, read: ReadHalf) -> Self {
        let has_sink = connection.pushes.is_some();
        let is_threaded =
            !matches!(Handle::current().runtime_flavor(), RuntimeFlavor::CurrentThread);
        if !is_threaded {
            connection.relay.keep_apart();
        }
        let reader = Reader::new(read, connection.limits(), has_sink, !is_threaded);
        Driver {
            connection,
            reader: Some(Box::new(reader)),
            is_idle: !has_sink,
            wakers: Vec::new(),
            timer: Box::pin(tokio::time::sleep_until(clock::now().into())),
            timer_at: None,
            writer: None,
            flush: false,
            is_due: false,
            is_threaded,
            relaying: None,
        }
    }

    /// Until the connection ends.
    pub(super) async fn run(mut self) {
        let error = loop {
            match poll_fn(|cx| self.poll_event(cx)).await {
                Event::Read => match self.dispatch() {
                    Ok(woken) if woken > 1 => {
                        self.let_callers_run().await;
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
            if self.reader.is_none() && !shared.is_direct {
                self.reader = shared.reader.take();
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
            self.is_due = true;
        }
        if self.is_due {
            self.take_over();
        }
        match self.poll_read(cx) {
            // A caller who reads at this moment wakes this task when it is done.
            Poll::Pending if self.is_due && self.reader.is_some() => {
                self.is_due = false;
                Poll::Ready(Event::Alarm)
            }
            other => other,
        }
    }

    /// Takes the reading side back from a caller to whom it is lent: it may never look at it again.
    fn take_over(&mut self) {
        let mut shared = self.connection.lock();
        shared.is_direct = false;
        if self.reader.is_none() {
            self.reader = shared.reader.take();
        }
        self.is_idle = false;
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        let Some(reader) = &mut self.reader else { return Poll::Pending };
        match reader.poll_fill(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(Event::Read),
            Poll::Ready(Err(error)) => Poll::Ready(Event::Ended(error)),
            Poll::Pending => {
                if self.is_idle {
                    self.lend();
                }
                Poll::Pending
            }
        }
    }

    /// Puts the reading side where a lone caller finds it, if nothing is under way. Bytes that come before one does still wake this task.
    fn lend(&mut self) {
        self.is_idle = false;
        let mut shared = self.connection.lock();
        if shared.queue.is_empty() {
            shared.reader = self.reader.take();
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
        let Some(reader) = &mut self.reader else { return Ok(0) };
        reader.scan()?;
        let mut shared = self.connection.lock();
        let in_flight = shared.queue.len();
        let outcome = reader.hand_out(&mut shared, None);
        // They will send more, which is then written together.
        shared.armed |= outcome.as_ref().is_ok_and(|woken| *woken > 1);
        self.is_idle = shared.queue.is_empty() && self.connection.pushes.is_none();
        if self.is_threaded
            && outcome.as_ref().is_ok_and(|woken| *woken > 1)
            && let Some(own) = shared.driver.clone()
            && self.connection.relay.begin(in_flight, reader.are_tasks(&own))
        {
            self.relaying = Some((reader.relay(&mut shared, own), clock::now()));
        }
        drop(shared);
        reader.tell(self.connection.pushes.as_ref());
        outcome
    }

    /// Ends what waited too long.
    fn expire(&mut self) -> Result<(), Error> {
        let now = clock::now();
        let mut shared = self.connection.lock();
        let is_oldest = shared.expire(now, &mut self.wakers);
        let silence = now.duration_since(shared.heard);
        self.is_idle = shared.queue.is_empty() && self.connection.pushes.is_none();
        drop(shared);
        self.wakers.drain(..).for_each(Waker::wake);
        if is_oldest && silence >= self.connection.limits().stall {
            let message = "the server sent nothing for too long";
            return Err(Error::new(ErrorKind::Connection, Applied::Maybe, message));
        }
        Ok(())
    }

    /// Comes back once the callers whose replies are there have run.
    async fn let_callers_run(&mut self) {
        self.let_others_run().await;
        let Some((callers, begin)) = self.relaying.take() else { return };
        self.connection.relay.end(callers, clock::now().duration_since(begin));
        let left = std::mem::take(&mut self.connection.lock().relayed);
        // The first is this task. The others stand behind one who was woken and does not ask for its reply, or not yet.
        if left.len() > 1 {
            left.into_iter().skip(1).rev().for_each(Waker::wake);
            self.let_others_run().await;
        }
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
        shared.reader = None;
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
