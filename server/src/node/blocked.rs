//! A worker's side of blocking commands: which of its clients wait, until when, and handing them what they waited for.
//!
//! ```text
//!   Flow::Wait ─▶ parked, with a hole for the reply ─┬─ served, unblocked: its worker is told ─▶ Answer
//!                                                    ├─ its time is over ─▶ the wait is ended ─▶ Answer
//!                                                    └─ the client goes ─▶ the wait is ended, nobody is told
//! ```
//!
//! Nothing of a client runs while it waits. Who serves whom is [`crate::command::blocking`]'s business.

use super::batch::{Run, Step};
use super::client::BlockedOn;
use super::pipeline::{Park, Verdict, WorkerState};
use super::plane::blocked::{FOREVER, unit_of_wait};
use super::plane::replication::hold_alone;
use super::plane::{Answer, BlockedUnit, ClientKey, Held, Snapshot, Unit, no_quorum};
use super::replies::{Fill, HoleId};
use super::routed::{Ring, is_muted};
use crate::admin::Instance;
use crate::admin::blocked::{Asked, End, Owed, Waiter, Want};
use crate::admin::clients::{ClientInfo, Endpoint};
use crate::admin::slowlog::SlowCommand;
use crate::base::clock::UnixMs;
use crate::cluster::member::Transport;
use crate::cluster::route::Route;
use crate::command::blocking::{serve_awoken, session_of_nobody, timeout};
use crate::command::{Ctx, Session};
use crate::store::{KeyHint, Local};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use torc_protocol::command::{CommandId, CommandSpec};
use torc_protocol::peer::request::WriteLevel;
use torc_protocol::slot::{Slot, slot_of};
use torc_protocol::{Args, Protocol, WireError};

/// A client's wait, and how many copies of what serving it writes the client wants.
#[derive(Debug)]
struct Wait {
    waiter: Arc<Waiter>,
    level: WriteLevel,
    timeout: Duration,
    /// The session that it goes on under, should its slot move; none where that is not its own business.
    session: Option<Arc<Snapshot>>,
    /// How its client came, if it is then told MOVED.
    redirects: Option<Transport>,
    /// In which command, if that is known here.
    command: Option<CommandId>,
    /// What enters the slow log when it ends, if the command was slow.
    slow: Option<SlowCommand>,
}

/// The waits of one worker's clients.
#[derive(Debug, Default)]
pub(super) struct Waits {
    by_number: HashMap<u64, Wait>,
    timers: BTreeSet<(UnixMs, u64)>,
    /// Replies of a node that is in no ring.
    pub answers: VecDeque<Answer>,
    /// What the slow log is to hear of the wait that begins.
    pub slow: Option<SlowCommand>,
    /// As whom the worker serves others between batches.
    info: Option<Arc<ClientInfo>>,
}

impl Waits {
    fn add(&mut self, wait: Wait) {
        let number = wait.waiter.number;
        if let Some(until) = wait.waiter.until {
            self.timers.insert((until, number));
        }
        self.by_number.insert(number, wait);
    }

    fn remove(&mut self, waiter: &Waiter) -> Option<Wait> {
        let wait = self.by_number.remove(&waiter.number)?;
        if let Some(until) = waiter.until {
            self.timers.remove(&(until, waiter.number));
        }
        Some(wait)
    }

    /// Lets CLIENT UNBLOCK know a client that waits at another node.
    fn stand_in(
        &mut self,
        instance: &Instance,
        worker: usize,
        (client, db, protocol): (u64, u8, Protocol),
        command: Option<CommandId>,
        owed: Owed,
    ) {
        let want = Want::Pop { front: true };
        let (keys, until, visits): (&[&[u8]], _, _) = (&[], None, false);
        let (author, asker) = (None, None);
        let asked =
            Asked { client, worker, db, protocol, want, keys, until, visits, author, asker };
        let waiter = instance.blocked.enter(asked);
        // Set once: the wait is new.
        let _ = waiter.owed.set(owed);
        let (level, timeout) = (WriteLevel::Copies(1), Duration::ZERO);
        let (session, redirects, slow) = (None, None, None);
        self.add(Wait { waiter, level, timeout, session, redirects, command, slow });
    }

    /// Ends a wait that nobody wants any more; whether it had not ended yet.
    pub fn end(&mut self, instance: &Instance, waiter: &Arc<Waiter>, how: End) -> bool {
        let ended = end(instance, waiter, how);
        if ended {
            self.remove(waiter);
        }
        ended
    }

    /// The waits for keys that another node serves.
    pub fn moved(&self, instance: &Instance) -> Vec<Arc<Waiter>> {
        if !instance.cluster.is_enabled() {
            return Vec::new();
        }
        let routes = instance.cluster.routes();
        let is_gone = |waiter: &Waiter| {
            let key = waiter.keys.first();
            key.is_some_and(|key| {
                matches!(routes.get(slot_of(key)), Route::Forward(_) | Route::Down)
            })
        };
        let waiters = self.by_number.values().map(|wait| &wait.waiter);
        waiters.filter(|waiter| is_gone(waiter)).cloned().collect()
    }

    /// Ends a wait that is to go on at another node.
    pub fn end_moved(&mut self, instance: &Instance, waiter: &Arc<Waiter>) {
        end(instance, waiter, End::Moved);
    }
}

impl Run<'_, '_> {
    /// The client waits, as its session says.
    #[cold]
    pub(super) fn park(&mut self, out: &mut Vec<u8>) -> Step {
        let Some(waiter) = self.client.session.waits.take() else { return Step::Done };
        let is_muted = is_muted(&self.client.session);
        let hole = self.client.reserve(out);
        let (place, visitor) = (self.client.place, self.client.visitor);
        // Set once: the wait is new.
        let _ = waiter.owed.set(Owed { place, visitor, hole: hole.number() });
        self.client.blocked = Some(BlockedOn { hole, is_muted, waiter: Some(waiter.clone()) });
        let settings = &self.instance.settings;
        let consistency = self.client.session.consistency();
        let level = consistency.write_level(settings);
        let timeout = Duration::from_millis(consistency.write_timeout_ms(settings));
        let session = self.ring.is_some().then(|| self.snapshot());
        let redirects = self.client.session.redirects();
        let (command, slow) = (self.client.session.command, self.waits.slow.take());
        self.waits.add(Wait { waiter, level, timeout, session, redirects, command, slow });
        Step::Stop(Verdict::Parked(Park::Blocked))
    }

    /// Sends a blocking command to whoever serves `slot`. Whether it was one that waits, with a timeout that can be read.
    #[cold]
    pub(super) fn forward_blocking(
        &mut self,
        slot: Slot,
        spec: &'static CommandSpec,
        args: Args<'_>,
        out: &mut Vec<u8>,
    ) -> Option<Step> {
        let (timeout_at, until_ms) = timeout(spec.full_name, args, self.now)?;
        let (session, redirects) = (self.snapshot(), self.client.session.redirects());
        let is_muted = is_muted(&self.client.session);
        let hole = self.client.reserve(out);
        let key = self.client.key();
        if self.client.visitor.is_none() {
            let own = &self.client.session;
            let owed = Owed { place: self.client.place, visitor: None, hole: hole.number() };
            let who = (own.id, own.db, own.protocol);
            self.waits.stand_in(self.instance, self.worker, who, Some(spec.id), owed);
        }
        self.client.blocked = Some(BlockedOn { hole, is_muted, waiter: None });
        self.client.session.command = Some(spec.id);
        self.client.pending.add(&[slot.index() as u16], false);
        let grace = Duration::from_millis(self.instance.settings.forward_timeout().max(1) as u64);
        let Some(Ring { plane, view }) = &mut self.ring else { return None };
        let now = plane.now();
        let until = until_ms.map(|ms| now + Duration::from_millis(ms.saturating_sub(self.now)));
        let blocked = BlockedUnit {
            words: args.iter().map(Box::from).collect(),
            timeout_at,
            until,
            name: plane.name(),
            ended: None,
        };
        let deadline = until.map_or(now + FOREVER, |until| until + grace);
        let unit = Unit::of_blocked(slot, (key, hole), blocked, (session, redirects), deadline);
        plane.start(self.instance, view, unit);
        Some(Step::Stop(Verdict::Parked(Park::Blocked)))
    }

    /// Serves those who wait for what the command brought.
    #[cold]
    pub(super) fn serve_awoken(&mut self) {
        let mut session = session_of_nobody(&self.client.session);
        let mut ctx = Ctx {
            instance: self.instance,
            local: self.local,
            guard: self.guard,
            session: &mut session,
            now: self.now,
            worker: self.worker,
            hint: KeyHint::none(),
        };
        let mut plane = self.ring.as_mut().map(|ring| &mut *ring.plane);
        serve_awoken(&mut ctx, &mut |local| match &mut plane {
            Some(plane) => {
                let mut writes = Vec::new();
                plane.replication.take_written(local, &mut writes);
                writes.into_iter().map(|(slot, v)| (slot.index() as u16, v.get())).collect()
            }
            None => Vec::new(),
        });
    }
}

impl WorkerState {
    /// Whether [`WorkerState::look_after_waits`] has something to do.
    pub fn has_waits_to_look_after(&self, instance: &Instance) -> bool {
        self.local.has_awoken()
            || instance.store.has_awoken()
            || instance.blocked.has_over(self.index)
    }

    /// Serves those who wait for what came otherwise than by a command, and takes over how waits of this worker's clients have ended: answers follow.
    pub fn look_after_waits(&mut self, instance: &Instance) {
        if instance.store.has_awoken() {
            for (db, key) in instance.store.take_awoken() {
                self.local.awaken(db, &key);
            }
        }
        if self.local.has_awoken() {
            self.serve_between_batches(instance);
        }
        if instance.blocked.has_over(self.index) {
            for waiter in instance.blocked.take_over(self.index) {
                self.take_over(instance, &waiter);
            }
            self.pump(instance);
        }
    }

    fn serve_between_batches(&mut self, instance: &Instance) {
        let WorkerState { index, local, plane, waits, .. } = self;
        let now = instance.clock.unix_ms();
        let info = waits
            .info
            .get_or_insert_with(|| instance.clients.unregistered(Endpoint::default(), *index, now));
        let mut session = Session::new(Arc::clone(info), true);
        let guard = local.pin();
        let mut ctx = Ctx {
            instance,
            local,
            guard: &guard,
            session: &mut session,
            now,
            worker: *index,
            hint: KeyHint::none(),
        };
        serve_awoken(&mut ctx, &mut |local: &mut Local| match plane {
            Some(plane) => {
                let mut writes = Vec::new();
                plane.replication.take_written(local, &mut writes);
                writes.into_iter().map(|(slot, v)| (slot.index() as u16, v.get())).collect()
            }
            None => Vec::new(),
        });
        ctx.tell_noticed();
    }

    /// When a wait's time is over at the earliest. It began within a millisecond, which is over by then.
    pub fn next_wait_over(&self) -> Option<UnixMs> {
        self.waits.timers.first().map(|&(until, _)| until.saturating_add(1))
    }

    /// Ends the waits whose time is over. [`WorkerState::look_after_waits`] is to follow.
    pub fn expire_waits(&mut self, instance: &Instance, now: UnixMs) {
        while let Some(&(until, number)) = self.waits.timers.first()
            && until < now
        {
            self.waits.timers.pop_first();
            let Some(wait) = self.waits.by_number.get(&number) else { continue };
            end(instance, &wait.waiter, End::TimedOut);
        }
    }

    /// Ends what a client that goes waits for, and what flows to it.
    pub fn forget(&mut self, instance: &Instance, client: &mut super::Client) {
        self.stop_flows(client);
        let key = client.key();
        let Some(blocked) = client.blocked.take() else { return };
        if let Some(waiter) = &blocked.waiter {
            self.waits.remove(waiter);
            if end(instance, waiter, End::Gone) {
                return;
            }
        }
        self.end_wait(instance, client.session.id);
        // It waits at another node, or does so by now.
        self.end_elsewhere(instance, key, Vec::new());
    }

    /// A client has its answer: what stood for a wait at another node is over.
    pub fn end_wait(&mut self, instance: &Instance, client: u64) {
        if let Some(waiter) = instance.blocked.of_client(client) {
            self.waits.remove(&waiter);
            end(instance, &waiter, End::Gone);
        }
    }

    fn end_elsewhere(&mut self, instance: &Instance, key: ClientKey, reply: Vec<u8>) {
        if let (Some(plane), Some(view)) = (&mut self.plane, instance.cluster.view()) {
            plane.begin(instance);
            plane.end_blocked(&view, key, reply);
            self.pump(instance);
        }
    }

    /// A client that waited in `command` is answered an error.
    fn count_error(&self, instance: &Instance, command: Option<CommandId>, line: &[u8]) {
        let stats = instance.stats.worker(self.index);
        stats.error(line.split(|byte| b" \r".contains(byte)).next().unwrap_or(b"ERR"));
        let Some(command) = command else { return };
        // What it may not do any more did not run.
        if line.starts_with(b"NOPERM ") {
            stats.rejected(command);
        } else {
            stats.failed(command);
        }
    }

    /// A wait has ended: its client is answered.
    fn take_over(&mut self, instance: &Instance, waiter: &Arc<Waiter>) {
        // Whoever is gone is answered nothing.
        let Some(wait) = self.waits.remove(waiter) else { return };
        let Wait { level, timeout, session, redirects, command, slow, .. } = wait;
        let (Some(&owed), Some(end)) = (waiter.owed.get(), waiter.end()) else { return };
        let key = match owed.visitor {
            Some(number) => ClientKey::Visitor(number),
            None => ClientKey::Client { place: owed.place, id: waiter.client },
        };
        let hole = HoleId::of(owed.hole);
        let bytes = end.reply(waiter.protocol);
        if let [b'-', line @ ..] = &bytes[..] {
            self.count_error(instance, command, line);
        }
        if let Some(slow) = slow.filter(|_| end != End::Moved) {
            instance.slowlog.record(slow, instance.clock.unix_ms() / 1_000);
        }
        if waiter.keys.is_empty() {
            // It stands for one at another node.
            return self.end_elsewhere(instance, key, bytes);
        }
        if end == End::Moved {
            if let ClientKey::Visitor(number) = key {
                return self.visitor_moved(instance, number);
            }
            if let (Some(plane), Some(view), Some(session)) =
                (&mut self.plane, instance.cluster.view(), session)
            {
                plane.begin(instance);
                let grace =
                    Duration::from_millis(instance.settings.forward_timeout().max(1) as u64);
                let now_ms = instance.clock.unix_ms();
                let unit =
                    unit_of_wait(plane, waiter, (key, hole), (session, redirects), now_ms, grace);
                if let Some(unit) = unit {
                    let who = (waiter.client, waiter.db, waiter.protocol);
                    self.waits.stand_in(instance, self.index, who, command, owed);
                    return plane.start(instance, &view, unit);
                }
            }
        }
        let written = match end {
            End::Served { written, .. } => written,
            _ => Vec::new(),
        };
        let answer = |fill| Answer {
            versions: written.clone(),
            ..Answer::new(key, Some(hole), Fill::Bytes(fill))
        };
        let refused = |applied, wanted| error_bytes(&no_quorum(applied, wanted));
        match &mut self.plane {
            None => {
                let bytes = match hold_alone(level) {
                    Held::Never { applied, wanted } if bytes.first() != Some(&b'-') => {
                        refused(applied, wanted)
                    }
                    _ => bytes,
                };
                self.waits.answers.push_back(answer(bytes));
            }
            Some(plane) => {
                plane.begin(instance);
                let writes: Vec<_> = written
                    .iter()
                    .filter_map(|&(slot, version)| {
                        Some((Slot::new(slot)?, crate::base::version::Version::from_bits(version)))
                    })
                    .collect();
                let held = match writes.is_empty() || level == WriteLevel::Copies(1) {
                    true => Held::Enough,
                    false => plane.replication.hold(&writes, level, timeout),
                };
                match held {
                    Held::Enough => plane.answer(answer(bytes)),
                    Held::Never { applied, wanted } => {
                        plane.answer(answer(refused(applied, wanted)));
                    }
                    Held::Later { waiter, wanted } => {
                        plane.hold_answer(waiter, wanted, timeout, answer(bytes));
                    }
                }
            }
        }
    }
}

fn end(instance: &Instance, waiter: &Arc<Waiter>, how: End) -> bool {
    let (store, mailboxes) = (&instance.store, &instance.clients.mailboxes);
    instance.blocked.end(store, mailboxes, waiter, how)
}

fn error_bytes(error: &WireError) -> Vec<u8> {
    [b"-", &*error.line(), b"\r\n"].concat()
}
