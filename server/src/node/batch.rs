//! Running a batch: what is checked before each command, the command itself, and what is noted about it.
//!
//! The order of the checks is Redis's, because the first that fails decides the reply: unknown or wrong arity, not authenticated, not permitted, out of memory,
//! a monitoring client's key access, a pause.

use super::blocked::Waits;
use super::busy;
use super::client::Client;
use super::multi;
use super::pipeline::{Park, Verdict, WorkerState};
use super::plane::Plane;
use super::planned::Planned;
use super::routed::Ring;
use super::timing::Timing;
use crate::admin::Instance;
use crate::admin::clients::{Pause, PauseMode};
use crate::admin::feed::{self, Sender};
use crate::admin::pubsub::Publisher;
use crate::admin::slowlog::SlowCommand;
use crate::base::clock::UnixMs;
use crate::base::limits::REPLY_BYTES_GATHERED;
use crate::command::access;
use crate::command::eval::leaves_data_alone;
use crate::command::pubsub::refusal;
use crate::command::{self, Ctx, Flow, Mute, Outcome};
use crate::store::{Guard, KeyHint, Local};
use torc_protocol::command::{CommandSpec, Flags, find_full};
use torc_protocol::peer::request::ReadLevel;
use torc_protocol::request::Span;
use torc_protocol::{Args, Reply, WireError};

/// How far a batch came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ran {
    /// To its end.
    Whole,
    /// Up to this offset of the input.
    Until {
        /// Where what has not run begins.
        consumed: usize,
        /// Why.
        verdict: Verdict,
    },
}

/// What became of one command.
pub(super) enum Step {
    Done,
    Stop(Verdict),
    /// It has not run.
    Held(Park),
    /// It has begun, and is to run again after others had their turn.
    Again,
}

/// Runs the worker's batch, whose requests lie in `input`.
#[inline(always)]
pub(super) fn execute(
    client: &mut Client,
    input: &[u8],
    out: &mut Vec<u8>,
    worker: &mut WorkerState,
    instance: &Instance,
    timing: &mut Timing<'_>,
) -> Ran {
    let WorkerState { index, local, spans, batch, feed, plane, waits, reply_end, .. } = worker;
    if batch.is_empty() {
        return Ran::Whole;
    }
    if client.session.long_reply.is_some() {
        return go_on(client, out, batch);
    }
    let in_multi = client.session.multi.is_some();
    // Whoever waits for a script is told so, once that has taken long.
    let is_busy = || instance.scripts.standing.is_busy();
    let entered = !is_busy() && {
        let alone = std::mem::take(&mut client.session.alone);
        (!in_multi || multi::enter(client, instance, local, is_busy))
            && (!alone || instance.store.hold_everything_unless(local, is_busy))
    };
    let Some(guard) = (if entered { local.pin_unless(is_busy) } else { None }) else {
        return busy::refuse_all(client, input, out, worker, instance, timing);
    };
    if batch.len() > 1
        && let Some(ahead) = instance.store.ahead(&guard, client.session.db)
    {
        let mut any_of_collections = false;
        for planned in batch.iter_mut() {
            planned.find_place(&planned.args(input, spans), &instance.store);
            any_of_collections |= planned.is_of_collections();
        }
        let places = || batch.iter().filter_map(Planned::place);
        if any_of_collections { ahead.ask_collections(places) } else { ahead.ask(places) }
    }
    let now = timing.now();
    let id = client.session.id;
    let ring = match plane {
        Some(plane) => {
            plane.begin_at(timing.monotonic());
            enter_ring(plane, client, (batch, input, spans), instance)
        }
        None => None,
    };
    let routed = ring.is_some() || demands_more(client, instance);
    let client_is_near = client.visitor.is_none();
    let mut run = Run {
        instance,
        worker: *index,
        client,
        local,
        guard: &guard,
        now,
        timing,
        feed,
        ring,
        waits,
        // What another node answers its client, that node bounds.
        reply_end: if client_is_near { *reply_end } else { usize::MAX },
    };
    let mut ran = Ran::Whole;
    for planned in batch.iter() {
        let args = planned.args(input, spans);
        let step = if routed || in_multi {
            let request = planned.request(input);
            if in_multi {
                run.step_multi(planned, args, request, out)
            } else {
                run.step_routed(planned, args, request, out)
            }
        } else {
            run.step(planned, args, out)
        };
        if run.local.has_news() {
            run.look_after_news();
        }
        let (consumed, verdict) = match step {
            // The bound is checked here too: sixteen replies may be of 512 MiB each.
            Step::Done if out.len() >= REPLY_BYTES_GATHERED => (planned.end(), Verdict::More),
            Step::Done => continue,
            Step::Stop(verdict) => (planned.end(), verdict),
            Step::Held(park) => (planned.start(), Verdict::Parked(park)),
            Step::Again => (planned.start(), Verdict::More),
        };
        ran = Ran::Until { consumed, verdict };
        break;
    }
    run.wait_for_copies(out);
    run.timing.end_batch();
    if run.local.is_owning() {
        // The gate, if it was closed for an EXEC or a script that then did not run.
        instance.store.release(run.local, &guard, now);
    }
    if run.local.has_news() {
        run.end_news();
    }
    if run.local.has_notices() {
        run.tell_noticed();
    }
    drop(guard);
    if !feed.is_empty() {
        instance.clients.mailboxes.feed_monitors(feed, id);
        feed.clear();
    }
    ran
}

/// Writes more of the reply of the first command, which has run.
#[cold]
fn go_on(client: &mut Client, out: &mut Vec<u8>, batch: &[Planned]) -> Ran {
    let request = &batch[0];
    if client.replies.is_full() {
        let verdict = Verdict::Parked(Park::Replies);
        return Ran::Until { consumed: request.start(), verdict };
    }
    let Client { session, .. } = client;
    let mut reply = Reply::new(out, session.protocol);
    let done = session.long_reply.as_mut().is_none_or(|rest| rest.write(&mut reply));
    let mut consumed = request.start();
    if done {
        session.long_reply = None;
        session.once.end();
        command::tracking::end(session, Args::new(&[], &[]));
        consumed = request.end();
        if session.is_special() {
            session.take_own_pushes(out);
        }
    }
    Ran::Until { consumed, verdict: Verdict::More }
}

/// The ring as it stands at the beginning of a batch.
#[cold]
fn enter_ring<'p>(
    plane: &'p mut Plane,
    client: &Client,
    (batch, input, spans): (&mut [Planned], &[u8], &[Span]),
    instance: &Instance,
) -> Option<Ring<'p>> {
    let view = instance.cluster.view()?;
    if let [only] = batch {
        // Where it runs depends on its key.
        only.find_place(&only.args(input, spans), &instance.store);
    }
    let level = client.session.consistency().read_level(&instance.settings);
    plane.reads_plainly = matches!(level, ReadLevel::Primary | ReadLevel::Any);
    Some(Ring { plane, view })
}

/// Whether the client's commands are looked at for more than themselves: its writes need more copies than a node on its own has, or it tracks what it reads.
#[inline]
fn demands_more(client: &Client, instance: &Instance) -> bool {
    client.session.demands_more || !instance.settings.is_one_copy_enough()
}

/// What the commands of one batch share.
pub(super) struct Run<'r, 't> {
    pub instance: &'r Instance,
    pub worker: usize,
    pub client: &'r mut Client,
    pub local: &'r mut Local,
    pub guard: &'r Guard,
    pub now: UnixMs,
    pub timing: &'r mut Timing<'t>,
    pub feed: &'r mut Vec<u8>,
    pub ring: Option<Ring<'r>>,
    pub waits: &'r mut Waits,
    /// How long the output may become.
    pub reply_end: usize,
}

impl Run<'_, '_> {
    /// One command, from its checks to its reply.
    #[inline(always)]
    fn step(&mut self, planned: &Planned, args: Args<'_>, out: &mut Vec<u8>) -> Step {
        let position = out.len();
        let step = match planned.spec() {
            Some(spec) => match self.checked(planned, spec, args, out) {
                held @ (Step::Held(_) | Step::Again) => return held,
                step => step,
            },
            None if is_http(args) => return self.refuse_http(),
            None => {
                self.refuse(&Planned::trouble(args), out);
                Step::Done
            }
        };
        if self.client.session.mute != Mute::Off {
            self.mute(position, out);
        }
        if self.client.session.is_special() {
            self.client.session.take_own_pushes(out);
        }
        step
    }

    /// [`Run::step`] and [`Run::checked`] for the routed batches: copies of their own, so that the lone node's stay one straight piece of code.
    #[inline(never)]
    pub(super) fn step_apart(
        &mut self,
        planned: &Planned,
        args: Args<'_>,
        out: &mut Vec<u8>,
    ) -> Step {
        self.step(planned, args, out)
    }

    #[inline(never)]
    pub(super) fn checked_apart(
        &mut self,
        planned: &Planned,
        spec: &'static CommandSpec,
        args: Args<'_>,
        out: &mut Vec<u8>,
    ) -> Step {
        self.checked(planned, spec, args, out)
    }

    /// A command's handler alone, without checks.
    #[inline(never)]
    pub(super) fn command_apart(
        &mut self,
        spec: &'static CommandSpec,
        args: Args<'_>,
        out: &mut Vec<u8>,
    ) -> Step {
        self.command(spec, args, KeyHint::none(), out)
    }

    /// A command that was looked up, from its checks to its reply.
    #[inline(always)]
    fn checked(
        &mut self,
        planned: &Planned,
        spec: &'static CommandSpec,
        args: Args<'_>,
        out: &mut Vec<u8>,
    ) -> Step {
        match self.check(spec, args) {
            Ok(None) => self.command(spec, args, planned.hint(args), out),
            Ok(Some(park)) => Step::Held(park),
            Err(error) => self.reject(spec, &error, out),
        }
    }

    /// Whether `spec` may run now: yes (`None`), later, or never.
    #[inline(always)]
    pub(super) fn check(
        &mut self,
        spec: &'static CommandSpec,
        args: Args<'_>,
    ) -> Result<Option<Park>, WireError> {
        let flags = spec.flags;
        if self.client.session.guarded {
            access::check(self.instance, &self.client.session, (spec, args), self.now)?;
        }
        // A pause holds the data still: nothing is evicted, so that nothing is refused for want of memory either.
        let pause = self.instance.clients.paused(self.now);
        if flags.contains(Flags::DENYOOM)
            && pause.is_none()
            && !self.instance.store.make_room(self.local, self.guard, self.now)
        {
            return Err(WireError::OutOfMemory);
        }
        if self.client.session.is_special()
            && let Some(error) = refusal(&self.client.session, spec.full_name)
        {
            return Err(error);
        }
        if self.client.session.is_monitoring() {
            // Redis counts monitoring clients among its replicas, which are never paused.
            return if flags.intersects(Flags::WRITE.union(Flags::READONLY)) {
                Err(WireError::fixed("ERR Replica can't interact with the keyspace"))
            } else {
                Ok(None)
            };
        }
        Ok(pause.and_then(|pause| self.held_by(pause, spec, args)))
    }

    /// The pause that holds the command.
    #[inline]
    pub(super) fn pause(&self, spec: &CommandSpec, args: Args<'_>) -> Option<Park> {
        self.held_by(self.instance.clients.paused(self.now)?, spec, args)
    }

    /// Whether this pause holds the command, and until when.
    #[cold]
    fn held_by(&self, pause: Pause, spec: &CommandSpec, args: Args<'_>) -> Option<Park> {
        let writes = || spec.may_write && !leaves_data_alone(&self.instance.scripts, spec, args);
        let held = pause.mode == PauseMode::All || writes();
        held.then_some(Park::Pause(pause.until))
    }

    /// Runs the handler, and notes what it cost.
    #[inline(always)]
    fn command(
        &mut self,
        spec: &'static CommandSpec,
        args: Args<'_>,
        hint: KeyHint,
        out: &mut Vec<u8>,
    ) -> Step {
        let alone = self.timing.begin(spec, args);
        self.client.session.command = Some(spec.id);
        let mut reply = Reply::bounded(out, self.client.session.protocol, self.reply_end);
        let position = reply.position();
        let mut ctx = Ctx {
            instance: self.instance,
            local: self.local,
            guard: self.guard,
            session: &mut self.client.session,
            now: self.now,
            worker: self.worker,
            hint,
        };
        let outcome = command::handler(spec.id)(&mut ctx, args, &mut reply);
        if let Err(error) = &outcome {
            reply.rewind(position);
            self.fail(spec, error, out);
        } else if reply.is_cut() {
            self.client.session.is_cut = true;
        }
        if !alone {
            self.timing.share(spec.id);
        } else if matches!(outcome, Ok(Flow::Again)) && self.client.session.long_reply.is_none() {
            // It runs from its beginning when it can, and counts then.
            return Step::Again;
        } else if let Some(us) = self.timing.alone(spec, toil_us(&outcome, self.now)) {
            self.record_slow(args, us, matches!(outcome, Ok(Flow::Wait)));
        }
        if self.instance.clients.is_monitored() && !flags_hidden(spec.flags) {
            self.show(args, out);
        }
        match outcome {
            Ok(Flow::Next) | Err(_) => Step::Done,
            Ok(Flow::Anew) => Step::Stop(Verdict::More),
            Ok(Flow::Again) => Step::Again,
            Ok(Flow::Wait) => self.park(out),
            Ok(Flow::Close) => Step::Stop(Verdict::Close),
            Ok(Flow::SleepUntil(time) | Flow::ToilUntil(time)) => {
                Step::Stop(Verdict::Parked(Park::Sleep(time)))
            }
        }
    }

    #[cold]
    pub(super) fn refuse_http(&self) -> Step {
        let address = &*self.client.session.info.endpoint.address;
        tracing::warn!(
            address,
            "a client speaks HTTP; this may be an attack through a browser, so it is disconnected"
        );
        Step::Stop(Verdict::Abort)
    }

    /// Tells subscribers what the store noticed and no command has told of.
    #[cold]
    fn tell_noticed(&mut self) {
        let notices = self.local.take_notices();
        let (pubsub, mailboxes) = (&self.instance.pubsub, &self.instance.clients.mailboxes);
        let publisher = Publisher { worker: self.worker, client: None };
        pubsub.notify_noticed(mailboxes, publisher, notices);
    }

    /// Answers a request that names no command, or gives it a wrong number of arguments; the latter counts against the command.
    #[cold]
    pub(super) fn refuse(&mut self, error: &WireError, out: &mut Vec<u8>) {
        if let WireError::WrongArity(name) = error
            && let Some(spec) = find_full(name.as_bytes())
        {
            self.instance.stats.worker(self.worker).rejected(spec.id);
            if name == "exec" {
                return self.refuse_exec(b"wrong number of arguments for 'exec' command", out);
            }
        }
        self.error(error, out);
    }

    /// Answers the error with which the command ended, and counts it, unless it counted before.
    #[cold]
    fn fail(&mut self, spec: &CommandSpec, error: &WireError, out: &mut Vec<u8>) {
        self.instance.stats.worker(self.worker).failed(spec.id);
        if std::mem::take(&mut self.client.session.error_counted) {
            Reply::new(out, self.client.session.protocol).error(error);
        } else {
            self.error(error, out);
        }
    }

    /// Writes an error and counts it.
    pub(super) fn error(&self, error: &WireError, out: &mut Vec<u8>) {
        let line = error.line();
        let code = line.split(|&byte| byte == b' ').next().unwrap_or(b"ERR");
        self.instance.stats.worker(self.worker).error(code);
        Reply::new(out, self.client.session.protocol).error(error);
    }

    /// CLIENT REPLY: takes back what the command wrote where it is not wanted, and moves on to the next command's turn.
    #[cold]
    pub(super) fn mute(&mut self, position: usize, out: &mut Vec<u8>) {
        let (wanted, next) = match self.client.session.mute {
            Mute::Off => (true, Mute::Off),
            Mute::Next => (true, Mute::This),
            Mute::This => (false, Mute::Off),
            Mute::All => (false, Mute::All),
        };
        if !wanted {
            out.truncate(position);
        }
        self.client.session.mute = next;
    }

    /// Enters the command in the slow log; one in which the client `waits`, only when it is answered.
    #[cold]
    fn record_slow(&mut self, args: Args<'_>, us: u64, waits: bool) {
        let info = &self.client.session.info;
        let name = info.names().name.clone();
        let command = SlowCommand::new(args, us, &info.endpoint.address, &name);
        if waits {
            self.waits.slow = Some(command);
        } else {
            self.instance.slowlog.record(command, self.now / 1_000);
        }
    }

    /// Shows the command to monitoring clients: to this one, if it is one, at once, and to the others with the whole batch.
    #[cold]
    pub(super) fn show(&mut self, args: Args<'_>, out: &mut Vec<u8>) {
        let from = self.feed.len();
        let time = self.instance.clock.unix_us();
        feed::push_line(
            time,
            self.client.session.db,
            Sender::Client(&self.client.session.info.endpoint),
            args,
            self.feed,
        );
        self.feed.extend(std::mem::take(&mut self.client.session.called));
        if self.client.session.is_monitoring() {
            out.extend_from_slice(&self.feed[from..]);
        }
    }
}

/// Microseconds from `now` on that count as the command's own, though its connection only sleeps.
#[inline]
fn toil_us(outcome: &Outcome, now: UnixMs) -> u64 {
    let Ok(Flow::ToilUntil(time)) = outcome else { return 0 };
    time.saturating_sub(now) * 1_000
}

/// Whether monitoring clients do not see commands of these flags. They see scripts, whose flag `skip_monitor` says that Redis shows them
/// elsewhere: before what they call.
pub(super) fn flags_hidden(flags: Flags) -> bool {
    flags.intersects(Flags::ADMIN)
}

/// Whether a request is the beginning or a header of an HTTP request. Browsers can be made to send those to a port of the machine they run on.
pub(super) fn is_http(args: Args<'_>) -> bool {
    args.is(0, "POST") || args.is(0, "HOST:")
}
