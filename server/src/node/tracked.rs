//! Client-side caching in the pipeline: what a command of a client that tracks reads is noted before it runs, and what any command changed is told behind it.
//!
//! ```text
//!   command of a client that tracks ── tell what changed before ── note its keys ── run ── tell what changed ── reply, then pushes
//!   any other command, while somebody tracks                        ── run ── tell what changed
//! ```
//!
//! In a ring what is read is noted at the client's node, before the request goes out; what is changed is told by the node that does it, and heard here by link.
//!
//! Commands of EXEC and of scripts go through the same, one by one; what they bring their own client comes behind the reply of the whole.

use super::batch::Run;
use super::client::Client;
use super::pipeline::WorkerState;
use crate::admin::Instance;
use crate::admin::tracking::Runner;
use crate::command::tracking::{end, remember, remember_sent, runner, tell};
use crate::store::{By, ChangedKey};
use torc_protocol::Args;
use torc_protocol::command::{COMMANDS, CommandSpec, Flags};

impl Run<'_, '_> {
    /// The command of a client that may track is about to run.
    #[cold]
    pub(super) fn remember(&mut self, spec: &CommandSpec, args: Args<'_>) {
        let session = &mut self.client.session;
        remember(self.instance, self.local, session, self.worker, (spec, args));
    }

    /// A command of a client that may track is about to go where its keys are served.
    #[cold]
    pub(super) fn remember_sent(&mut self, spec: &CommandSpec, args: Args<'_>) {
        let session = &mut self.client.session;
        remember_sent(self.instance, self.local, session, self.worker, (spec, args));
    }

    /// A client that tracks may read a copy of what another node serves.
    #[cold]
    pub(super) fn note_copy(&mut self) {
        if self.client.session.tracked().is_some() {
            self.instance.tracking.reads_copy();
        }
    }

    /// The command of a client that is pushed to is over: what that brought comes behind its reply.
    #[cold]
    pub(super) fn end_special(&mut self, args: Args<'_>, out: &mut Vec<u8>) {
        let session = &mut self.client.session;
        if session.tracked().is_some() {
            tell(self.instance, self.local, &mut runner(session, self.worker));
            end(session, args);
        }
        session.take_own_pushes(out);
    }

    /// Tells of what the command has changed, and serves those who waited for it.
    #[cold]
    pub(super) fn look_after_news(&mut self) {
        // What is left for the client itself comes as others' news do: its reply may not be whole yet.
        let session = &self.client.session;
        let mut runner =
            Runner { client: session.id, author: session.author, ..Runner::nobody(self.worker) };
        loop {
            tell(self.instance, self.local, &mut runner);
            if !self.local.has_awoken() {
                break;
            }
            self.serve_awoken();
        }
        if !self.instance.tracking.has_broadcast(self.worker) {
            self.local.read_news();
        }
    }

    /// As [`Run::look_after_news`], at the end of a batch: who wants to hear of prefixes is told once of all that it has changed, before its replies go out.
    #[cold]
    pub(super) fn end_news(&mut self) {
        self.look_after_news();
        self.instance.tracking.broadcast(&self.instance.clients, self.worker);
        self.local.read_news();
    }
}

impl WorkerState {
    /// Tells of what was changed otherwise than by a client's command, and of what the turn has brought to those who want to hear of prefixes.
    pub fn tell_changes(&mut self, instance: &Instance) {
        if instance.store.has_foreign_changes() {
            // Threads that tell nobody bring what other nodes have.
            self.settle(instance, instance.store.take_foreign_changes(), By::Copy);
        }
        if self.local.change_count() > 0 {
            let changes = self.local.take_changes();
            self.settle(instance, changes, By::Nobody);
        }
        let now = || instance.clock.unix_ms();
        instance.tracking.flush_doubtful(&instance.clients, self.index, now);
        instance.tracking.broadcast(&instance.clients, self.index);
    }

    /// Whether [`WorkerState::tell_changes`] has something to do that no event tells of.
    pub fn has_changes_to_tell(&self, instance: &Instance) -> bool {
        instance.store.has_foreign_changes()
            || instance.tracking.has_broadcast(self.index)
            || instance.tracking.has_outgoing(self.index)
    }

    fn settle(&self, instance: &Instance, mut changes: Vec<ChangedKey>, by: By) {
        for change in changes.iter_mut().filter(|change| change.by == By::Runner) {
            change.by = by;
        }
        instance.settle_changes(&mut Runner::nobody(self.index), changes);
    }

    /// Once a tick: keeps the table of keys that were read to its bound, and looks whether something may have been missed.
    pub fn look_after_tracking(&mut self, instance: &Instance) {
        if self.index == 0 {
            let moved = instance.cluster.routes().moves();
            instance.tracking.look(self.index, moved, instance.clock.unix_ms());
        }
        if instance.tracking.clients() > 0 {
            instance.trim_tracking(&mut Runner::nobody(self.index), self.local.rng());
        }
    }
}

impl Client {
    /// Appends news for a client that tracks: behind all replies that it is owed, for one of them may be of a value that is no more. A client that waits in a command hears
    /// it at once, unless the command that it waits in caused it.
    pub fn append_news(&mut self, bytes: &[u8], is_own: bool, out: &mut Vec<u8>) {
        if !self.is_blocked() || is_own {
            return self.append(bytes, out);
        }
        if self.replies.is_one_hole() {
            out.extend_from_slice(bytes);
            let reads = self
                .session
                .command
                .is_some_and(|id| COMMANDS[id.index()].flags.contains(Flags::READONLY));
            if reads {
                // What it waits to read may be what has changed, and be read already.
                self.append(bytes, out);
            }
        } else {
            self.append(bytes, out);
        }
    }
}
