//! One connection: the client, its socket, and what waits on either side.
//!
//! A connection with no unfinished request and no unsent reply owns no buffer: bytes are read into the worker's buffer, run there, and
//! answered from the worker's output.

use super::stream::{Stream, Taken};
use crate::admin::Instance;
use crate::base::clock::UnixMs;
use crate::base::limits::{CLOGGED_INPUT_BYTES_MAX, OUTPUT_BACKLOG_BYTES, READ_BUFFER_BYTES};
use crate::node::plane::Answer;
use crate::node::{self, Client, Park, Progress, Verdict, Waiting, WorkerState};
use std::io;

/// A connection that a worker serves.
#[derive(Debug)]
pub(super) struct Connection {
    pub client: Client,
    pub stream: Stream,
    /// Received and not yet run: the beginning of a request, or whole requests where `stalled`.
    pub input: Vec<u8>,
    /// Bytes at its beginning that have run: moving much input up for each batch would cost more than the batches. None but where `stalled`.
    ran: usize,
    /// Whether `input` may hold whole requests, so that it must be run before anything more is read.
    pub stalled: bool,
    /// Whether the socket may have more to read. Edges are reported once, so this remembers.
    pub readable: bool,
    /// Whether the client has closed its side, or the network has: `readable` then stays true until the end was read.
    pub ended: bool,
    /// The worker's note of when it last had an event; see `worker/pace.rs`.
    pub seen: u32,
    /// Whether it stands in the worker's list of connections that go on without an event.
    pub queued: bool,
    /// Whether it has an answer that its worker has not yet looked after.
    pub answered: bool,
    /// Whether it stands in the worker's list of monitoring connections.
    pub monitors: bool,
    /// Whether it stands in the list of those that the feed brought something.
    pub is_fed: bool,
    /// Bytes that the feed has brought it since they were last sent.
    pub pushed_bytes: usize,
    /// Close once the output has gone out.
    pub closing: bool,
    /// Why it runs nothing now.
    pub parked: Option<Park>,
    /// When the output first stood over the soft limit without a break.
    pub over_soft_limit_since: Option<UnixMs>,
    output: Vec<u8>,
    /// Bytes of `output` that have gone out.
    sent: usize,
    /// Whether `output` was filled anew behind what the socket took whole, so that no event will tell that it may be sent.
    pub refilled: bool,
}

impl Connection {
    /// A connection that has done nothing yet.
    pub fn new(client: Client, stream: Stream) -> Self {
        Connection {
            client,
            stream,
            input: Vec::new(),
            ran: 0,
            stalled: false,
            readable: false,
            ended: false,
            seen: 0,
            queued: false,
            answered: false,
            monitors: false,
            is_fed: false,
            pushed_bytes: 0,
            closing: false,
            parked: None,
            over_soft_limit_since: None,
            output: Vec::new(),
            sent: 0,
            refilled: false,
        }
    }

    /// Bytes of output that wait to be sent.
    pub fn output_bytes(&self) -> usize {
        self.output.len() - self.sent
    }

    /// Bytes of output that count against the limit of its class. A subscriber's pushes that wait behind a reply count too: nothing else slows them down.
    pub fn unread_bytes(&self) -> usize {
        let owed = if self.client.session.is_subscribed() { self.client.owed_bytes() } else { 0 };
        self.output_bytes() + owed
    }

    /// Whether it sends nothing for a while.
    pub fn is_asleep(&self) -> bool {
        matches!(self.parked, Some(Park::Sleep(_)))
    }

    /// Whether it waits in a command, or a pause holds it.
    pub fn is_held(&self) -> bool {
        matches!(self.parked, Some(Park::Pause(_) | Park::Blocked))
    }

    /// Whether its commands are left alone until it takes its replies, of which `backlog_max` bytes may wait.
    pub fn is_clogged(&self, backlog_max: usize) -> bool {
        self.output_bytes() > backlog_max
    }

    /// Whether there is something to do for it without a further event.
    pub fn can_go_on(&self, backlog_max: usize) -> bool {
        let has_work = self.stalled || self.readable;
        has_work && self.parked.is_none() && !self.closing && !self.is_clogged(backlog_max)
    }

    /// Whether its requests are to be taken in though they are left alone; see [`CLOGGED_INPUT_BYTES_MAX`]. The end of what it sends can wait.
    pub fn reads_ahead(&self, backlog_max: usize) -> bool {
        self.is_clogged(backlog_max)
            && self.readable
            && !self.ended
            && !self.closing
            && self.parked.is_none()
            && self.input.len() < CLOGGED_INPUT_BYTES_MAX
    }

    /// Takes in what has come, for later.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn read_ahead(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.stream.read(buffer) {
            Ok(Taken { bytes, more }) => {
                self.ended |= bytes == 0;
                self.readable = more || self.ended;
                self.stalled |= bytes > 0;
                self.input.extend_from_slice(&buffer[..bytes]);
                Ok(bytes)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.readable = false;
                Ok(0)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether all there is to do for it is to read what it sent, and to run that.
    pub fn is_fresh(&self, backlog_max: usize) -> bool {
        self.input.is_empty() && self.output.is_empty() && self.can_go_on(backlog_max)
    }

    /// Whether it has a turn without a further event: to go on, or to send more of a long reply.
    pub fn wants_turn(&self, backlog_max: usize) -> bool {
        self.can_go_on(backlog_max) || self.refilled || self.reads_ahead(backlog_max)
    }

    /// Whether what was received is to run with the store for itself; see `worker/attend.rs`.
    pub fn is_to_run_alone(&self) -> bool {
        self.stalled && self.client.session.wants_alone()
    }

    /// Runs what is at the beginning of `input`. Replies are appended to those that wait, or else to `shared`.
    pub fn run(
        &mut self,
        input: &mut [u8],
        shared: &mut Vec<u8>,
        state: &mut WorkerState,
        instance: &Instance,
    ) -> Progress {
        let out = if self.output.is_empty() { shared } else { &mut self.output };
        node::run(&mut self.client, input, out, state, instance)
    }

    /// Runs what was received before.
    pub fn run_kept(
        &mut self,
        shared: &mut Vec<u8>,
        state: &mut WorkerState,
        instance: &Instance,
    ) -> Progress {
        let (mut input, from) = (std::mem::take(&mut self.input), std::mem::take(&mut self.ran));
        let progress = self.run(&mut input[from..], shared, state, instance);
        let ran = from + progress.consumed;
        if ran < input.len() {
            let is_drained = matches!(progress.verdict, Verdict::Drained(_));
            if is_drained || ran > input.len() / 2 {
                input.drain(..ran);
            } else {
                self.ran = ran;
            }
            self.input = input;
        }
        progress
    }

    /// Sends what waits, or else what `shared` holds; what the socket does not take waits here, and `shared` is left empty. Returns the bytes
    /// sent.
    pub fn send(&mut self, shared: &mut Vec<u8>) -> io::Result<usize> {
        let own = !self.output.is_empty();
        let bytes = if own { &self.output[self.sent..] } else { shared.as_slice() };
        if bytes.is_empty() {
            return Ok(0);
        }
        let total = bytes.len();
        let written = match self.stream.write(bytes) {
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => {
                shared.clear();
                return Err(error);
            }
        };
        self.refilled = false;
        if own {
            self.sent += written;
            if written == total {
                self.output = Vec::new();
                self.sent = 0;
            } else if self.sent > self.output.len() / 2 {
                self.output.drain(..self.sent);
                self.sent = 0;
            }
        } else if written == total {
            shared.clear();
        } else if total > OUTPUT_BACKLOG_BYTES {
            // Too much to copy: the worker gets a new buffer instead.
            self.output = std::mem::take(shared);
            self.sent = written;
        } else {
            self.output = shared[written..].to_vec();
            shared.clear();
        }
        if written == total && self.client.is_owed() {
            self.refill();
        }
        Ok(written)
    }

    /// Goes on with a long reply of which all was sent so far.
    #[cold]
    fn refill(&mut self) {
        self.refilled = self.client.refill(&mut self.output);
        if self.refilled && self.parked == Some(Park::Replies) {
            self.parked = None;
        }
    }

    /// Keeps what `shared` holds, to be sent later.
    pub fn hold_back(&mut self, shared: &mut Vec<u8>) {
        if self.output.is_empty() {
            self.output = shared.as_slice().to_vec();
        }
        shared.clear();
    }

    /// Drops what waits to be sent.
    pub fn drop_output(&mut self, shared: &mut Vec<u8>) {
        self.output = Vec::new();
        self.sent = 0;
        shared.clear();
    }

    /// Takes over a reply that came later; what may go out now is appended to what waits to be sent.
    pub fn answer(&mut self, answer: Answer) {
        self.client.answer(answer, &mut self.output);
        if self.client.is_broken() {
            self.closing = true;
            self.keep_input(&[]);
        }
        let is_free = match self.parked {
            Some(Park::Replies) => true,
            Some(Park::Blocked) => !self.client.is_blocked(),
            _ => false,
        };
        if is_free {
            self.parked = None;
        }
    }

    /// Whether all is said that was to be said before it closes.
    pub fn is_done(&self) -> bool {
        self.closing && self.output_bytes() == 0 && !self.client.is_owed()
    }

    /// Appends to what waits to be sent.
    pub fn append(&mut self, bytes: &[u8]) {
        self.client.append(bytes, &mut self.output);
    }

    /// Appends news for a client that tracks.
    pub fn append_news(&mut self, bytes: &[u8], is_own: bool) {
        self.client.append_news(bytes, is_own, &mut self.output);
    }

    /// Keeps `rest` as what was received and has not run.
    pub fn keep_input(&mut self, rest: &[u8]) {
        self.ran = 0;
        if rest.is_empty() {
            // Gives the memory back, too.
            self.input = Vec::new();
        } else {
            self.input.clear();
            self.input.extend_from_slice(rest);
        }
    }

    /// Makes room for a large request as it comes in: never for more than has already come, so that a length that is only declared costs
    /// nothing.
    pub fn make_room(&mut self, missing: usize) {
        if self.input.len() > READ_BUFFER_BYTES && self.input.capacity() == self.input.len() {
            self.input.reserve_exact(missing.min(self.input.len()));
        }
    }

    /// Lets others see how the connection stands.
    pub fn publish(&self, now: UnixMs) {
        self.client.publish(
            now,
            Waiting {
                input_bytes: self.input.len() - self.ran,
                output_bytes: self.output_bytes(),
                blocked: self.is_held(),
                closing: self.closing,
            },
        );
    }
}
