//! From bytes to batches: decodes requests, plans up to [`BATCH_COMMANDS_MAX`] of them, has them run, and says what is to happen next.
//!
//! Commands of a client run in the order in which they came, each reply after the one before. Within a batch all keys are hashed and
//! their buckets asked for, then their entries, and only then the commands run, under one epoch pin: the waits for memory overlap.
//! No pin outlives [`run`].

use super::batch::{self, Ran};
use super::blocked::Waits;
use super::client::Client;
use super::plane::Plane;
use super::planned::Planned;
use super::timing::{Timeline, Timing};
use crate::admin::Instance;
use crate::base::clock::UnixMs;
use crate::base::limits::{BATCH_COMMANDS_MAX, REPLY_BYTES_GATHERED};
use crate::store::Local;
use torc_protocol::request::{Limits, Span, Status};
use torc_protocol::{Args, ProtocolError, Reply, WireError};

/// Why a client runs nothing for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Park {
    /// A command sleeps until this time. Its reply, and those before it, go out afterwards.
    Sleep(UnixMs),
    /// CLIENT PAUSE holds the next command until this time, or until CLIENT UNPAUSE.
    Pause(UnixMs),
    /// A command waits for what another client is to bring: until [`Client::answer`] took its reply over.
    Blocked,
    /// The next command waits for replies that other commands of the client are owed: until [`Client::answer`] took one over.
    Replies,
}

/// What is to happen after [`run`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All whole requests have run; more bytes are needed for the next, at least this many.
    Drained(usize),
    /// There may be more whole requests, but enough replies have gathered: send them, then call again.
    More,
    /// Nothing more runs until the reason is gone; then call again with the rest of the input.
    Parked(Park),
    /// Send what is in the output, then close.
    Close,
    /// Close at once and send nothing.
    Abort,
}

/// How far [`run`] came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the input that are done with. The rest must be handed in again, before whatever arrives next.
    pub consumed: usize,
    /// What is to happen now.
    pub verdict: Verdict,
}

/// What a worker lends to each run: its part of the store, and memory that is used again and again.
#[derive(Debug)]
pub struct WorkerState {
    /// Its number, below `limits::WORKER_COUNT_MAX`.
    pub index: usize,
    /// Its part of the store.
    pub local: Local,
    pub(super) spans: Vec<Span>,
    pub(super) batch: Vec<Planned>,
    /// Lines for monitoring clients.
    pub(super) feed: Vec<u8>,
    /// The bytes of an inline request as they came; see [`plan`].
    original: Vec<u8>,
    timeline: Timeline,
    /// How long a client's output may become by what its commands answer, as the hard limit of `client-output-buffer-limit` was at the last tick.
    pub(super) reply_end: usize,
    /// Its clients that wait in blocking commands.
    pub(super) waits: Waits,
    /// Its part in the ring, if the node is part of one.
    pub(super) plane: Option<Box<Plane>>,
}

/// Argument positions that are kept for the next batch, at most; beyond that, a huge MSET gives its memory back.
const SPANS_KEPT: usize = 64 * 1024;

impl WorkerState {
    /// The state of worker `index` of `instance`.
    pub fn new(instance: &Instance, index: usize) -> Self {
        let mut state = WorkerState {
            index,
            local: instance.store.local(),
            spans: Vec::new(),
            batch: Vec::with_capacity(BATCH_COMMANDS_MAX),
            feed: Vec::new(),
            original: Vec::new(),
            timeline: Timeline::default(),
            reply_end: usize::MAX,
            waits: Waits::default(),
            plane: None,
        };
        state.local.serve_awoken();
        state.tick(instance);
        state
    }

    /// Compares the clocks, and looks how long outputs may become. To be called about every 100 ms; returns wall time.
    pub fn tick(&mut self, instance: &Instance) -> UnixMs {
        let hard = instance.settings.output_limit_normal().hard_bytes;
        self.reply_end = usize::try_from(hard).ok().filter(|&hard| hard != 0).unwrap_or(usize::MAX);
        self.timeline.anchor(&instance.clock)
    }
}

/// Runs the requests at the beginning of `input`, in order, appending their replies to `out`.
pub fn run(
    client: &mut Client,
    input: &mut [u8],
    out: &mut Vec<u8>,
    worker: &mut WorkerState,
    instance: &Instance,
) -> Progress {
    if client.session.info.is_killed() {
        return Progress { consumed: input.len(), verdict: Verdict::Abort };
    }
    // Taken out for the time of the run, so that the rest of the worker can be lent on.
    let mut timeline = std::mem::take(&mut worker.timeline);
    let mut timing = Timing::start(instance, worker.index, &mut timeline);
    client.mark = out.len();
    let mut progress = run_batches(client, input, out, worker, instance, &mut timing);
    timing.settle();
    worker.timeline = timeline;
    if client.is_owed() || worker.plane.is_some() {
        client.settle(out);
        let answered = worker.after_batches(client, out, instance);
        if answered && progress.verdict == Verdict::Parked(Park::Replies) {
            // What it waited for came at once, and nobody will tell of it again.
            progress.verdict = Verdict::More;
        }
    }
    if worker.spans.capacity() > SPANS_KEPT {
        worker.spans = Vec::new();
    }
    progress
}

fn run_batches(
    client: &mut Client,
    input: &mut [u8],
    out: &mut Vec<u8>,
    worker: &mut WorkerState,
    instance: &Instance,
    timing: &mut Timing<'_>,
) -> Progress {
    let mut position = 0;
    loop {
        let end = plan(client, input, &mut position, worker, instance);
        if let Ran::Until { consumed, verdict } =
            batch::execute(client, input, out, worker, instance, timing)
        {
            // The decoder may stand in the middle of a later request, which will be decoded anew.
            client.decoder = Default::default();
            if consumed < position {
                restore(input, consumed, &worker.original);
            }
            return Progress { consumed, verdict };
        }
        let verdict = match end {
            End::Full if out.len() < REPLY_BYTES_GATHERED => continue,
            End::Full => Verdict::More,
            End::Incomplete(bytes) => Verdict::Drained(bytes),
            End::Expelled => Verdict::Abort,
            End::Broken(error) => {
                refuse(client, &error, out, worker, instance);
                Verdict::Close
            }
        };
        return Progress { consumed: position, verdict };
    }
}

/// Why a batch has no more requests.
enum End {
    /// It is full.
    Full,
    /// The input ends; so many bytes more are needed, at least.
    Incomplete(usize),
    /// What follows is not the protocol.
    Broken(ProtocolError),
    /// The client's user may not be connected any more.
    Expelled,
}

/// Decodes requests from `position` on into the worker's batch, and looks their commands up.
///
/// A request that is held will be decoded again, but the decoder unescapes the quoted words of an inline request where they stand. So an
/// inline request is a batch of its own, and its bytes are kept for [`restore`].
fn plan(
    client: &mut Client,
    input: &mut [u8],
    position: &mut usize,
    worker: &mut WorkerState,
    instance: &Instance,
) -> End {
    if !client.session.follow(&instance.acl) {
        worker.batch.clear();
        return End::Expelled;
    }
    let authenticated = client.session.authenticated || !instance.acl.requires_login();
    let limits = Limits {
        bulk_bytes_max: instance.settings.proto_max_bulk_len(),
        authenticated,
        ..Limits::default()
    };
    // AUTH lifts limits on what follows it, so until then it is run before that is decoded.
    let count_max = if authenticated { BATCH_COMMANDS_MAX } else { 1 };
    worker.spans.clear();
    worker.batch.clear();
    worker.original.clear();
    while worker.batch.len() < count_max {
        let start = *position;
        let inline = !is_multibulk(&input[start..]);
        if inline {
            if !worker.batch.is_empty() {
                return End::Full;
            }
            worker.original.extend_from_slice(first_line(&input[start..]));
        }
        match client.decoder.decode(input, position, &mut worker.spans, &limits) {
            Ok(Status::Request { spans }) => {
                let args = Args::new(input, &worker.spans[spans.clone()]);
                worker.batch.push(Planned::new(start..*position, spans, &args));
            }
            Ok(Status::Incomplete { more_bytes_hint }) => return End::Incomplete(more_bytes_hint),
            Err(error) => return End::Broken(error),
        }
        if inline {
            break;
        }
    }
    End::Full
}

/// Whether a request with arguments in RESP's form begins here. The empty ones, which the decoder skips to look at what follows, count as
/// inline.
fn is_multibulk(bytes: &[u8]) -> bool {
    matches!(bytes, [b'*', b'1'..=b'9', ..] | [b'*'] | [])
}

/// Everything up to the end of the first line that is not an empty request; nothing if that has not arrived.
fn first_line(bytes: &[u8]) -> &[u8] {
    let mut start = 0;
    while let Some(length) = memchr::memchr(b'\n', &bytes[start..]) {
        let line = &bytes[start..start + length];
        start += length + 1;
        let is_empty = line.trim_ascii().is_empty() || line.starts_with(b"*");
        if !is_empty {
            return &bytes[..start];
        }
    }
    &[]
}

/// Puts an inline request back as it came.
fn restore(input: &mut [u8], start: usize, original: &[u8]) {
    if let Some(place) = input.get_mut(start..start + original.len()) {
        place.copy_from_slice(original);
    }
}

/// Answers bytes that are not the protocol.
fn refuse(
    client: &Client,
    error: &ProtocolError,
    out: &mut Vec<u8>,
    worker: &WorkerState,
    instance: &Instance,
) {
    use crate::command::Mute;
    tracing::debug!(client = client.session.id, address = %client.session.info.endpoint.address, %error, "protocol error");
    instance.stats.worker(worker.index).error(b"ERR");
    if matches!(client.session.mute, Mute::Off | Mute::Next) {
        let error = WireError::err(&format!("Protocol error: {error}"));
        Reply::new(out, client.session.protocol).error(&error);
    }
}
