//! MULTI and EXEC: queueing a client's commands, and running them as one step.
//!
//! ```text
//!   MULTI ── queue … queue ── EXEC ─┬─ keys of this node: hold them ── compare what is watched ── run all ── release
//!                                   ├─ FLUSHALL, KEYS and their like: the same in a batch of its own, with the gate closed
//!                                   ├─ keys of another node ─▶ one unit: MULTI … EXEC                                      [`ring`]
//!                                   └─ keys of several slots, where the operator lets it: one by one                       [`one_by_one`]
//! ```
//!
//! Checks that Redis makes of a command when it is queued are made then; what they refuse makes EXEC fail. What a command says of its own arguments, it says
//! when it runs. Handlers know nothing of all this; those that would wait ask `Session::in_step`.
//!
//! **Invariant.** Between `hold` and `release` no command runs that may come to a key which is not held, see [`Keys::of`].
//!
//! Source: redis.io/docs/interact/transactions, and the replies of Redis 7.0.

mod one_by_one;
mod ring;

pub(super) use ring::Expected;

use super::batch::{Run, Step, flags_hidden, is_http};
use super::client::Client;
use super::pipeline::{Park, Verdict};
use super::planned::Planned;
use crate::admin::Instance;
use crate::cluster::route::Port;
use crate::command::access;
use crate::command::transaction::{Multi, names_too_few};
use crate::command::value::database;
use crate::command::{Mute, Session};
use crate::security::acl::{Context, Denial};
use crate::store::Local;
use torc_protocol::command::{CommandSpec, Flags, key_positions};
use torc_protocol::{Args, Reply, WireError};

const NOT_ALLOWED: WireError = WireError::fixed("ERR Command not allowed inside a transaction");
const DISCARDED: WireError =
    WireError::fixed("EXECABORT Transaction discarded because of previous errors.");

/// At the beginning of a batch of a client in MULTI, before anything is pinned: closes the gate if the last batch has found that EXEC needs it. Whether the batch may go
/// on: not if a script has the store and `is_busy`.
#[cold]
pub(super) fn enter(
    client: &mut Client,
    instance: &Instance,
    local: &mut Local,
    is_busy: impl Fn() -> bool,
) -> bool {
    let alone = client.session.multi.as_ref().is_some_and(|multi| multi.alone);
    !alone || instance.store.hold_everything_unless(local, is_busy)
}

/// The keys that queued commands name.
struct Keys<'m> {
    keys: Vec<(u8, &'m [u8])>,
    /// Whether a command may come to keys that it does not name.
    are_all: bool,
    /// The database that is selected when all have run.
    db: u8,
}

impl<'m> Keys<'m> {
    fn of(multi: &'m Multi, session: &Session) -> Keys<'m> {
        let mut db = session.db;
        let (mut keys, mut are_all) = (Vec::new(), false);
        for (spec, args) in multi.commands() {
            if spec.full_name == "select" && session.port == Port::Plain {
                db = database(&args[1]).unwrap_or(db);
            }
            are_all |= names_too_few(spec, args);
            if !spec.has_keys() {
                continue;
            }
            match key_positions(spec, &args) {
                Ok(positions) => {
                    // Arguments live as long as the queue does.
                    keys.extend(
                        positions.iter().filter_map(|key| Some((db, args.get(key.index)?))),
                    );
                }
                // It will say so itself, whatever it does first.
                Err(_) => are_all = true,
            }
        }
        Keys { keys, are_all, db }
    }
}

impl Run<'_, '_> {
    /// One command of a client that was in MULTI when the batch began.
    #[inline(never)]
    pub(super) fn step_multi(
        &mut self,
        planned: &Planned,
        args: Args<'_>,
        request: &[u8],
        out: &mut Vec<u8>,
    ) -> Step {
        if self.client.session.multi.is_none() {
            // EXEC or DISCARD came earlier in the batch.
            return match self.ring.is_some() || self.client.session.demands_more {
                true => self.step_routed(planned, args, request, out),
                false => self.step_apart(planned, args, out),
            };
        }
        if self.client.replies.is_full() {
            return Step::Held(Park::Replies);
        }
        let position = out.len();
        let mute = self.client.session.mute;
        let step = self.queue_or_run(planned, args, out);
        if matches!(step, Step::Held(_) | Step::Again) {
            return step;
        }
        // CLIENT REPLY OFF inside has left out the replies after it, no more.
        if self.client.session.mute != Mute::Off
            && !(mute == Mute::Off && self.client.session.mute == Mute::All)
        {
            self.mute(position, out);
        }
        if self.client.session.is_special() {
            self.end_special(args, out);
        }
        step
    }

    fn queue_or_run(&mut self, planned: &Planned, args: Args<'_>, out: &mut Vec<u8>) -> Step {
        let spec = match planned.spec() {
            Some(exec) if self.is_one_by_one() => return self.go_on_one_by_one(exec, args, out),
            Some(spec) => spec,
            None if is_http(args) => return self.refuse_http(),
            None => {
                self.refuse(&Planned::trouble(args), out);
                self.fail_transaction();
                return Step::Done;
            }
        };
        let is_exec = spec.full_name == "exec";
        match self.check(spec, args) {
            Ok(None) => {}
            Ok(Some(park)) => return Step::Held(park),
            Err(error) => return self.reject(spec, &error, out),
        }
        // Queueing takes memory, whatever the command does.
        let may_end = is_exec || matches!(spec.full_name, "discard" | "quit" | "reset");
        if !may_end && !self.instance.store.make_room(self.local, self.guard, self.now) {
            return self.reject(spec, &WireError::OutOfMemory, out);
        }
        if is_exec || matches!(spec.full_name, "discard" | "multi" | "watch" | "quit" | "reset") {
            return if is_exec {
                self.exec(spec, args, out)
            } else {
                self.command_apart(spec, args, out)
            };
        }
        if spec.flags.contains(Flags::NO_MULTI) {
            return self.reject(spec, &NOT_ALLOWED, out);
        }
        if let Some(error) = self.refusal_of_slot(spec, args) {
            return self.reject(spec, &error, out);
        }
        self.queue(spec, args, out)
    }

    fn queue(&mut self, spec: &'static CommandSpec, args: Args<'_>, out: &mut Vec<u8>) -> Step {
        let limit = self.instance.settings.client_query_buffer_limit().min(u32::MAX.into());
        let session = &mut self.client.session;
        session.command = Some(spec.id);
        let Some(multi) = &mut session.multi else { return Step::Done };
        // What will fail is not kept.
        if !multi.failed {
            let added: usize = args.iter().map(|word| word.len() + 32).sum();
            if (multi.bytes() + added) as u64 > limit {
                let address = &*session.info.endpoint.address;
                tracing::warn!(address, "a transaction exceeds client-query-buffer-limit");
                return Step::Stop(Verdict::Abort);
            }
            multi.push(spec, args);
            session.queued = u32::try_from(multi.len()).ok();
        }
        Reply::new(out, session.protocol).simple("QUEUED");
        Step::Done
    }

    fn fail_transaction(&mut self) {
        if let Some(multi) = &mut self.client.session.multi {
            multi.failed = true;
        }
    }

    /// Refuses a command: a transaction that it is part of will not run. EXEC itself is answered why.
    #[cold]
    pub(super) fn reject(
        &mut self,
        spec: &'static CommandSpec,
        error: &WireError,
        out: &mut Vec<u8>,
    ) -> Step {
        self.client.session.command = Some(spec.id);
        self.instance.stats.worker(self.worker).rejected(spec.id);
        if spec.full_name == "exec" {
            self.refuse_exec(&error.line(), out);
        } else {
            self.error(error, out);
            self.fail_transaction();
        }
        Step::Done
    }

    pub(super) fn refuse_exec(&mut self, why: &[u8], out: &mut Vec<u8>) {
        let text = String::from_utf8_lossy(why);
        let error = format!("EXECABORT Transaction discarded because of: {text}");
        self.error(&WireError::Line(error.into()), out);
        self.client.session.end_transaction();
    }

    /// EXEC of a client in MULTI.
    fn exec(&mut self, spec: &'static CommandSpec, args: Args<'_>, out: &mut Vec<u8>) -> Step {
        let Some(multi) = self.client.session.multi.take() else { return Step::Done };
        let mut writes = multi.commands().filter(|(spec, _)| spec.may_write);
        let park = writes.find_map(|(spec, args)| self.pause(spec, args));
        drop(writes);
        if let Some(park) = park {
            self.client.session.multi = Some(multi);
            return Step::Held(park);
        }
        if multi.failed {
            return self.exec_failed(spec, args, &DISCARDED, out);
        }
        if multi.has(Flags::DENYOOM)
            && !self.instance.store.make_room(self.local, self.guard, self.now)
        {
            return self.reject(spec, &WireError::OutOfMemory, out);
        }
        let keys = Keys::of(&multi, &self.client.session);
        if self.ring.is_some() {
            match self.exec_elsewhere(spec, &multi, &keys, out) {
                ring::Where::Here => {}
                ring::Where::Later(step) => {
                    drop(keys);
                    self.client.session.multi = Some(multi);
                    return step;
                }
                ring::Where::Done => {
                    self.client.session.end_transaction();
                    return Step::Done;
                }
                ring::Where::OneByOne => {
                    drop(keys);
                    return self.exec_one_by_one(spec, multi, args, out);
                }
            }
        }
        if keys.are_all && !self.local.holds_gate() {
            drop(keys);
            let multi = self.client.session.multi.insert(multi);
            multi.alone = true;
            return Step::Again;
        }
        let position = out.len();
        let step = self.exec_here(spec, &multi, &keys, out);
        if multi.has(Flags::WRITE) {
            self.hold_write(position, out);
        }
        if self.instance.clients.is_monitored() && !flags_hidden(spec.flags) {
            self.show(args, out);
        }
        step
    }

    fn exec_failed(
        &mut self,
        spec: &CommandSpec,
        args: Args<'_>,
        error: &WireError,
        out: &mut Vec<u8>,
    ) -> Step {
        self.client.session.command = Some(spec.id);
        self.client.session.end_transaction();
        self.timing.settle();
        self.instance.stats.worker(self.worker).failed(spec.id);
        self.error(error, out);
        self.timing.alone(spec, 0);
        if self.instance.clients.is_monitored() && !flags_hidden(spec.flags) {
            self.show(args, out);
        }
        Step::Done
    }

    /// Runs what was queued, as one step.
    fn exec_here(
        &mut self,
        spec: &'static CommandSpec,
        multi: &Multi,
        keys: &Keys<'_>,
        out: &mut Vec<u8>,
    ) -> Step {
        self.timing.settle();
        let watching = self.client.session.watching.take();
        let store = &self.instance.store;
        if !self.local.holds_gate() {
            let watched = watching.iter().flat_map(|it| it.keys());
            let all = keys.keys.iter().copied().chain(watched);
            store.hold(self.local, self.guard, self.now, all);
        }
        let unchanged = watching.as_ref().is_none_or(|it| {
            it.is_unchanged(&mut store.keyspace(self.local, self.guard, 0, self.now))
        });
        // Before it runs, or it would break its own watch.
        drop(watching);
        let step = if unchanged {
            self.client.session.in_step = true;
            let step = self.run_queued(multi, out);
            self.client.session.end_step(false);
            step
        } else {
            Reply::new(out, self.client.session.protocol).null_array();
            Step::Done
        };
        store.release(self.local, self.guard, self.now);
        self.client.session.end_transaction();
        self.client.session.command = Some(spec.id);
        self.timing.alone(spec, 0);
        step
    }

    fn run_queued(&mut self, multi: &Multi, out: &mut Vec<u8>) -> Step {
        Reply::new(out, self.client.session.protocol).array(multi.len());
        let mut end = Step::Done;
        self.timing.settle();
        for (spec, args) in multi.commands() {
            let position = out.len();
            if self.client.session.is_special() {
                self.remember(spec, args);
            }
            if let Some(denial) = access::denial(&self.client.session, spec, args) {
                self.deny_queued(spec, args, denial, out);
                continue;
            }
            let step = loop {
                match self.command_apart(spec, args, out) {
                    // Others have their turn after the whole of it.
                    Step::Again => {}
                    step => break step,
                }
            };
            if self.client.session.mute == Mute::All {
                out.truncate(position);
            }
            if !matches!(step, Step::Done | Step::Stop(Verdict::More)) || matches!(end, Step::Done)
            {
                end = step;
            }
        }
        end
    }

    /// A command of the transaction was allowed when it was queued, and is not any more.
    #[cold]
    fn deny_queued(
        &mut self,
        spec: &'static CommandSpec,
        args: Args<'_>,
        denial: Denial,
        out: &mut Vec<u8>,
    ) {
        let session = &self.client.session;
        access::denied(self.instance, session, (spec, args), denial, Context::Multi, self.now);
        self.error(&access::denied_meanwhile(denial), out);
    }
}
