//! Hedged reads: a second copy is asked where the first has no answer after a while, and whichever answers first counts.
//!
//! Source: "The Tail at Scale" (Dean and Barroso, 2013). The second request pays from the retry budget, so that slow servers are not asked for twice as much.

use crate::base::clock;
use crate::client::{Inner, Options, Progress, Target, attempts};
use crate::error::{Error, Result};
use crate::metrics::Event;
use crate::node::Role;
use crate::reply::Frame;
use crate::request::Request;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

/// Reads, from two copies if need be.
pub(crate) async fn read(
    inner: &Arc<Inner>,
    request: Request,
    options: Options,
    deadline: Instant,
    progress: &mut Progress,
) -> Result<Frame> {
    let wait = inner.config.hedge_after.unwrap_or(Duration::MAX);
    let mut own = Progress::default();
    let mut first = pin!(attempts(inner, &request, &options, deadline, None, progress, None));
    let at = clock::after(clock::now(), wait);
    if let Ok(outcome) = tokio::time::timeout_at(at.into(), first.as_mut()).await {
        return outcome;
    }
    let Some(second) = other_copy(inner, &request) else { return first.await };
    if !inner.budget.withdraw(clock::now()) {
        return first.await;
    }
    inner.observe(&Event::Hedged { command: request.name() });
    let mut second =
        pin!(attempts(inner, &request, &options, deadline, None, &mut own, Some(second)));
    let mut failed: Option<Error> = None;
    let (mut first_is_over, mut second_is_over) = (false, false);
    poll_fn(|cx| {
        if !first_is_over && let Poll::Ready(outcome) = first.as_mut().poll(cx) {
            match outcome {
                Ok(frame) => return Poll::Ready(Ok(frame)),
                Err(error) => (first_is_over, failed) = (true, Some(error)),
            }
        }
        if !second_is_over && let Poll::Ready(outcome) = second.as_mut().poll(cx) {
            match outcome {
                Ok(frame) => return Poll::Ready(Ok(frame)),
                Err(error) => {
                    second_is_over = true;
                    failed.get_or_insert(error);
                }
            }
        }
        match failed.take() {
            Some(error) if first_is_over && second_is_over => Poll::Ready(Err(error)),
            other => {
                failed = other;
                Poll::Pending
            }
        }
    })
    .await
}

/// A copy besides the one that is asked first.
fn other_copy(inner: &Inner, request: &Request) -> Option<Target> {
    let view = inner.view.load();
    if !view.is_cluster() {
        return None;
    }
    let keepers = view.keepers(request.slot()?);
    let turn = inner.next_turn();
    let others = keepers.get(1..).unwrap_or_default();
    let node = (0..others.len())
        .map(|at| &others[(turn + at) % others.len()])
        .find(|node| node.is_well())?;
    Some(Target { node: Arc::clone(node), role: Role::Copies })
}
