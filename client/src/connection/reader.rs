//! Reading: bytes from the socket, the ends of replies among them, and each reply to whoever waits for it.
//!
//! The reading side has no place of its own: the driver has it while several requests are under way, and lends it to a caller who is alone
//! (the module above says when). Whoever has it reads, finds the ends without a lock, and gives the replies out under one.

use super::busy::{BusyPoll, Look};
use super::shared::{Limits, Push, PushSink, Shared, broken};
use super::slots::SlotId;
use super::stream::ReadHalf;
use crate::base::clock;
use crate::error::{Applied, Error, ErrorKind, Result};
use crate::reply::Frame;
use bytes::{Buf as _, BytesMut};
use std::io::ErrorKind as IoErrorKind;
use std::pin::pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use torc_protocol::response::{ReplyBounds, Scanner};

/// Free space that a read is offered, at least; a read that does not fill it need not be repeated to learn that there is no more.
const READ_BYTES: usize = 16 << 10;
/// What is allocated at once.
const BUFFER_BYTES: usize = 64 << 10;
/// The most that is reserved for a long reply at once, whatever its length says.
const RESERVE_BYTES_MAX: usize = 4 << 20;

/// The end of a reply in the buffer, counted from the end of the one before.
struct End {
    bytes: usize,
    is_push: bool,
}

/// The socket's reading side, and what was read and not given out yet.
pub(super) struct Reader {
    half: ReadHalf,
    buffer: BytesMut,
    scanner: Scanner,
    bounds: ReplyBounds,
    /// Whole replies at the beginning of the buffer, and their bytes together.
    ends: Vec<End>,
    scanned: usize,
    /// Whose replies are there, and pushes: for [`Reader::tell`], once the lock is free.
    wakers: Vec<Waker>,
    pushes: Vec<bytes::Bytes>,
    /// Whether what no request asked for has somebody who takes it.
    has_sink: bool,
    busy: BusyPoll,
    /// What [`Reader::poll_look`] reads into.
    looked: Box<[u8]>,
}

/// Longer replies are read in parts by [`Reader::poll_look`].
const LOOK_BYTES: usize = 4096;

impl Reader {
    /// `may_look`: whether a lone caller may look for its reply before the runtime knows of it.
    pub(super) fn new(half: ReadHalf, limits: &Limits, has_sink: bool, may_look: bool) -> Self {
        let may_look = may_look && half.can_read_now();
        let budget = if may_look { limits.busy_poll } else { Duration::ZERO };
        Reader {
            busy: BusyPoll::new(budget),
            looked: vec![0; if budget.is_zero() { 0 } else { LOOK_BYTES }].into(),
            half,
            buffer: BytesMut::with_capacity(BUFFER_BYTES),
            scanner: Scanner::new(),
            bounds: ReplyBounds { reply_bytes_max: limits.reply_bytes_max },
            ends: Vec::new(),
            scanned: 0,
            wakers: Vec::new(),
            pushes: Vec::new(),
            has_sink,
        }
    }

    /// More bytes than there were; until then whoever polled last is woken when some come.
    ///
    /// # Errors
    /// There will be no more.
    #[inline]
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.buffer.capacity() - self.buffer.len() < READ_BYTES {
            let missing = self.scanner.missing_bytes(self.buffer.len());
            self.buffer.reserve(missing.clamp(BUFFER_BYTES, RESERVE_BYTES_MAX));
        }
        let read = ready!(pin!(self.half.read_buf(&mut self.buffer)).poll(cx));
        Poll::Ready(match read {
            Ok(0) => Err(hung_up()),
            Ok(_) => Ok(()),
            Err(error) => Err(broken(error)),
        })
    }

    /// A caller who is alone sends a request. Whether it is to look for the reply at once.
    #[inline]
    pub(super) fn begin_look(&mut self) -> bool {
        !self.busy.is_off() && self.busy.begin(clock::now())
    }

    /// Looks for a reply that the runtime has not heard of yet, where that is wanted and its time is not over. Otherwise, and if there is none, the caller is woken:
    /// once its runtime has looked after everything else, as long as that time is not over.
    ///
    /// # Errors
    /// There will be no more bytes.
    pub(super) fn poll_look(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if !self.busy.is_looking() {
            return Poll::Pending;
        }
        match self.busy.look(clock::now()) {
            Look::No => return Poll::Pending,
            Look::AfterOthers => {}
            Look::Now => {
                // The server may need this very core.
                std::thread::yield_now();
                match self.half.read_now(&mut self.looked) {
                    Ok(0) => return Poll::Ready(Err(hung_up())),
                    Ok(count) => {
                        self.buffer.extend_from_slice(&self.looked[..count]);
                        return Poll::Ready(Ok(()));
                    }
                    Err(error) => match error.kind() {
                        IoErrorKind::WouldBlock | IoErrorKind::Interrupted => {}
                        _ => return Poll::Ready(Err(broken(error))),
                    },
                }
            }
        }
        self.busy.let_go();
        // Polled once and dropped, it leaves behind what matters: this task is woken when the others have run.
        pin!(tokio::task::yield_now()).poll(cx).map(Ok)
    }

    /// Finds the ends of what was read.
    ///
    /// # Errors
    /// It is no reply.
    #[inline]
    pub(super) fn scan(&mut self) -> Result<()> {
        while self.scanned < self.buffer.len() {
            let rest = &self.buffer[self.scanned..];
            let kind = rest[0];
            match self.scanner.scan(rest, &self.bounds).map_err(Error::protocol)? {
                Some(bytes) => {
                    let is_push = kind == b'>' || (self.has_sink && is_message(&rest[..bytes]));
                    self.ends.push(End { bytes, is_push });
                    self.scanned += bytes;
                }
                None => break,
            }
        }
        Ok(())
    }

    /// Gives whole replies to those who wait for them. The slot `own` is that of the caller who reads, and who need not be woken.
    /// Returns how many others are to be, by [`Reader::tell`].
    ///
    /// # Errors
    /// Nobody asked for one of them.
    #[inline]
    pub(super) fn hand_out(&mut self, shared: &mut Shared, own: Option<SlotId>) -> Result<usize> {
        shared.heard = clock::now();
        // A part of a reply is none yet: the rest is looked out for.
        if !self.ends.is_empty() {
            self.busy.hit();
        }
        let outcome = self.hand_out_all(shared, own);
        self.scanned = 0;
        self.ends.clear();
        outcome.map(|()| self.wakers.len())
    }

    fn hand_out_all(&mut self, shared: &mut Shared, own: Option<SlotId>) -> Result<()> {
        let mut ends = self.ends.iter().peekable();
        while let Some(first) = ends.next() {
            if first.is_push {
                self.pushes.push(self.buffer.split_to(first.bytes).freeze());
                continue;
            }
            let Some(entry) = shared.queue.front_mut() else {
                if self.has_sink {
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
            let piece = if bytes == 5 && self.buffer.starts_with(b"+OK\r\n") {
                self.buffer.advance(5);
                Frame::Ok
            } else {
                Frame::One(self.buffer.split_to(bytes).freeze())
            };
            let slot = entry.slot;
            if entry.replies == 0 {
                shared.queue.pop_front();
                let waker = shared.slots.complete(slot, piece);
                self.wakers.extend(waker.filter(|_| own != Some(slot)));
            } else {
                shared.slots.add(slot, piece);
            }
        }
        Ok(())
    }

    /// Whether somebody waits for [`Reader::tell`].
    #[inline]
    pub(super) fn has_news(&self) -> bool {
        !self.wakers.is_empty() || !self.pushes.is_empty()
    }

    /// Whether those whose replies are there are tasks of the runtime whose task `own` wakes.
    pub(super) fn are_tasks(&self, own: &Waker) -> bool {
        self.wakers.iter().all(|waker| std::ptr::eq(waker.vtable(), own.vtable()))
    }

    /// Leaves all but the first to be woken by those before them, and `last` behind them; how many callers that are.
    pub(super) fn relay(&mut self, shared: &mut Shared, last: Waker) -> usize {
        // One task with several calls under way is woken once.
        self.wakers.dedup_by(|next, waker| next.will_wake(waker));
        let callers = self.wakers.len();
        shared.relayed.push(last);
        shared.relayed.extend(self.wakers.drain(1..).rev());
        callers
    }

    /// Wakes those whose replies are there, and passes pushes on. Not under the lock.
    pub(super) fn tell(&mut self, sink: Option<&PushSink>) {
        self.wakers.drain(..).for_each(Waker::wake);
        if let Some(sink) = sink {
            self.pushes.drain(..).for_each(|push| sink(Push::Frame(push)));
        }
        self.pushes.clear();
    }
}

/// Whether it is a push of RESP2, where a connection with subscriptions is sent arrays, and nothing else that is one but what answers PING.
fn is_message(frame: &[u8]) -> bool {
    frame[0] == b'*' && !frame.starts_with(b"*2\r\n$4\r\npong\r\n")
}

#[cold]
fn hung_up() -> Error {
    Error::new(ErrorKind::Connection, Applied::Maybe, "the server closed the connection")
}
