//! EXEC whose keys lie in several slots, where `multi-cross-slot` is `pipeline`: its commands run in their order, each as if it came by itself.
//!
//! The head of EXEC's array is written first, and the reply of each command, or the hole that is kept for it, is an element. Where a command has to wait for an earlier one of its
//! slot, EXEC is held as any command would be, and goes on from there. Nothing is isolated, and nothing undone; what is watched could not be compared in one step with the
//! rest, so such a transaction is refused as ever.

use super::ring::not_to_be_sent;
use crate::command::blocking::timeout;
use crate::command::transaction::{Multi, names_too_few};
use crate::config::MultiCrossSlot;
use crate::node::batch::{Run, Step, flags_hidden};
use crate::node::pipeline::Verdict;
use crate::node::planned::Planned;
use crate::node::routed::is_muted;
use torc_protocol::command::{CommandSpec, Flags};
use torc_protocol::{Args, Reply, WireError};

impl Run<'_, '_> {
    /// Whether a transaction over several slots runs at all.
    pub(super) fn may_run_one_by_one(&self) -> bool {
        let lets = self.instance.settings.multi_cross_slot() == MultiCrossSlot::Pipeline;
        // What other nodes sent has been in one slot.
        lets && self.client.session.watching.is_none() && self.client.session.hops == 0
    }

    /// Why its commands cannot run one by one: inside of a transaction nobody waits.
    pub(super) fn not_to_be_parted(&self, multi: &Multi) -> Option<WireError> {
        let waits = |(spec, args): &(&CommandSpec, Args<'_>)| {
            spec.flags.contains(Flags::BLOCKING)
                && timeout(spec.full_name, *args, self.now).is_some()
        };
        let waiting = multi.commands().find(waits).map(|(spec, _)| {
            let name = spec.full_name;
            let error =
                format!("ERR {name} cannot be part of a transaction on keys of several slots");
            WireError::Line(error.into())
        });
        waiting.or_else(|| not_to_be_sent(multi))
    }

    /// EXEC: begins with the first command.
    pub(super) fn exec_one_by_one(
        &mut self,
        spec: &'static CommandSpec,
        mut multi: Box<Multi>,
        args: Args<'_>,
        out: &mut Vec<u8>,
    ) -> Step {
        self.timing.settle();
        if !is_muted(&self.client.session) {
            Reply::new(out, self.client.session.protocol).array(multi.len());
        }
        self.timing.alone(spec, 0);
        multi.done = Some(0);
        self.client.session.multi = Some(multi);
        self.go_on_one_by_one(spec, args, out)
    }

    /// Whether the client's request is an EXEC that has begun so.
    pub(in crate::node) fn is_one_by_one(&self) -> bool {
        self.client.session.multi.as_ref().is_some_and(|multi| multi.done.is_some())
    }

    /// Answers what is left with `error`: the head of the array has promised so many replies.
    pub(in crate::node) fn refuse_rest(&mut self, error: &WireError, out: &mut Vec<u8>) -> Step {
        let multi = self.client.session.multi.take();
        let left = multi.map_or(0, |multi| multi.len() - multi.done.unwrap_or(0));
        if !is_muted(&self.client.session) {
            (0..left).for_each(|_| self.error(error, out));
        }
        self.client.session.end_transaction();
        Step::Done
    }

    /// Runs what is left, as far as it can run now.
    pub(super) fn go_on_one_by_one(
        &mut self,
        exec: &'static CommandSpec,
        args: Args<'_>,
        out: &mut Vec<u8>,
    ) -> Step {
        let Some(mut multi) = self.client.session.multi.take() else { return Step::Done };
        let mut end = Step::Done;
        while let Some((done, (spec, words))) =
            multi.done.and_then(|done| Some((done, multi.command(done)?)))
        {
            match self.step_one(spec, words, out) {
                Step::Done => {}
                // What it changed of the session does not matter to the rest of the transaction.
                anew @ Step::Stop(Verdict::More) => end = anew,
                later => {
                    multi.alone = matches!(later, Step::Again);
                    self.client.session.multi = Some(multi);
                    return later;
                }
            }
            multi.done = Some(done + 1);
        }
        self.client.session.end_transaction();
        self.client.session.command = Some(exec.id);
        if self.instance.clients.is_monitored() && !flags_hidden(exec.flags) {
            self.show(args, out);
        }
        end
    }

    /// One command, which neither waits nor answers in parts.
    fn step_one(&mut self, spec: &'static CommandSpec, args: Args<'_>, out: &mut Vec<u8>) -> Step {
        if names_too_few(spec, args) && !self.local.holds_gate() {
            return Step::Again;
        }
        self.client.session.in_step = true;
        let step = self.step_routed(&Planned::apart(spec), args, b"", out);
        self.client.session.end_step(false);
        step
    }
}
