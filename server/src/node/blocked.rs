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
use super::plane::replication::hold_alone;
use super::plane::{Answer, ClientKey, Held, no_quorum};
use super::replies::{Fill, HoleId};
use super::routed::is_muted;
use crate::admin::Instance;
use crate::admin::blocked::{End, Owed, Waiter};
use crate::admin::clients::{ClientInfo, Endpoint};
use crate::base::clock::UnixMs;
use crate::command::blocking::{serve_awoken, session_of_nobody};
use crate::command::{Ctx, Session};
use crate::store::{KeyHint, Local};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use torc_protocol::WireError;
use torc_protocol::peer::request::WriteLevel;
use torc_protocol::slot::Slot;

/// A client's wait, and how many copies of what serving it writes the client wants.
#[derive(Debug)]
struct Wait {
    waiter: Arc<Waiter>,
    level: WriteLevel,
    timeout: Duration,
}

/// The waits of one worker's clients.
#[derive(Debug, Default)]
pub(super) struct Waits {
    by_number: HashMap<u64, Wait>,
    timers: BTreeSet<(UnixMs, u64)>,
    /// Replies of a node that is in no ring.
    pub answers: VecDeque<Answer>,
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
        self.waits.add(Wait { waiter, level, timeout });
        Step::Stop(Verdict::Parked(Park::Blocked))
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

    /// When a wait's time is over at the earliest.
    pub fn next_wait_over(&self) -> Option<UnixMs> {
        self.waits.timers.first().map(|&(until, _)| until)
    }

    /// Ends the waits whose time is over. [`WorkerState::look_after_waits`] is to follow.
    pub fn expire_waits(&mut self, instance: &Instance, now: UnixMs) {
        while let Some(&(until, number)) = self.waits.timers.first()
            && until <= now
        {
            self.waits.timers.pop_first();
            let Some(wait) = self.waits.by_number.get(&number) else { continue };
            end(instance, &wait.waiter, End::TimedOut);
        }
    }

    /// Forgets the wait of a client that goes.
    pub fn forget_wait(&mut self, instance: &Instance, client: &mut super::Client) {
        if let Some(waiter) = client.blocked.take().and_then(|blocked| blocked.waiter) {
            self.waits.remove(&waiter);
            end(instance, &waiter, End::Gone);
        }
    }

    /// A wait has ended: its client is answered.
    fn take_over(&mut self, instance: &Instance, waiter: &Waiter) {
        // Whoever is gone is answered nothing.
        let Some(Wait { level, timeout, .. }) = self.waits.remove(waiter) else { return };
        let (Some(&owed), Some(end)) = (waiter.owed.get(), waiter.end()) else { return };
        let key = match owed.visitor {
            Some(number) => ClientKey::Visitor(number),
            None => ClientKey::Client { place: owed.place, id: waiter.client },
        };
        let hole = HoleId::of(owed.hole);
        let bytes = end.reply(waiter.protocol);
        if end == End::Unblocked {
            instance.stats.worker(self.index).error(b"UNBLOCKED");
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

fn end(instance: &Instance, waiter: &Arc<Waiter>, how: End) {
    let (store, mailboxes) = (&instance.store, &instance.clients.mailboxes);
    instance.blocked.end(store, mailboxes, waiter, how);
}

fn error_bytes(error: &WireError) -> Vec<u8> {
    [b"-", &*error.line(), b"\r\n"].concat()
}
