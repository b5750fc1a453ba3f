//! What a batch answers while a script takes so long that others are not to wait for it (`busy-reply-threshold`).
//!
//! Nothing of such a batch looks into the store, which the script may have for itself. So of the commands that Redis allows then only those run that do without it; the
//! others are refused like all the rest: WATCH and RESET. MULTI and DISCARD are not refused, as in Redis: what is sent behind a MULTI that was refused would run by itself as
//! soon as the script is over.

use super::batch::{Ran, Run, Step};
use super::client::Client;
use super::pipeline::{Verdict, WorkerState};
use super::timing::Timing;
use crate::admin::Instance;
use crate::command::eval::{BUSY_FUNCTION, BUSY_SCRIPT};
use crate::script::Kind;
use torc_protocol::command::CommandSpec;

/// What runs all the same.
fn is_allowed(spec: &CommandSpec) -> bool {
    matches!(
        spec.full_name,
        "script|kill"
            | "function|kill"
            | "function|stats"
            | "multi"
            | "discard"
            | "unwatch"
            | "shutdown"
            | "auth"
            | "hello"
            | "quit"
    )
}

/// Answers the worker's batch.
#[cold]
pub(super) fn refuse_all(
    client: &mut Client,
    input: &[u8],
    out: &mut Vec<u8>,
    worker: &mut WorkerState,
    instance: &Instance,
    timing: &mut Timing<'_>,
) -> Ran {
    let WorkerState { index, local, spans, batch, feed, waits, reply_end, .. } = worker;
    // For the handlers' sake; they read nothing under it.
    let guard = local.pin_outside();
    let now = timing.now();
    let busy = match instance.scripts.standing.busy_kind() {
        Some(Kind::Function) => BUSY_FUNCTION,
        _ => BUSY_SCRIPT,
    };
    let mut run = Run {
        instance,
        worker: *index,
        client,
        local,
        guard: &guard,
        now,
        timing,
        feed,
        ring: None,
        waits,
        reply_end: *reply_end,
    };
    for planned in batch.iter() {
        let args = planned.args(input, spans);
        let step = match planned.spec() {
            Some(_) if run.is_one_by_one() => run.refuse_rest(&busy, out),
            Some(spec) if is_allowed(spec) => run.step_apart(planned, args, out),
            Some(spec) => run.reject(spec, &busy, out),
            None => run.step_apart(planned, args, out),
        };
        if let Step::Stop(verdict) = step {
            return Ran::Until { consumed: planned.end(), verdict };
        }
    }
    // One batch a turn: the end of the script is not waited for in this one.
    batch
        .last()
        .map_or(Ran::Whole, |last| Ran::Until { consumed: last.end(), verdict: Verdict::More })
}
