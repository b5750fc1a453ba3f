//! A call's long way: attempts, until one succeeds, the deadline passes, or repeating could apply the command twice.

use super::fetch::keeps_tokens;
use super::inner::{Inner, Target, View};
use crate::base::{clock, rng};
use crate::config::{Address, ReadFrom};
use crate::connection::{Connection, Submission};
use crate::consistency::{Consistency, ReadLevel};
use crate::error::{Applied, Error, ErrorKind, Result};
use crate::metrics::Event;
use crate::node::{Node, Role};
use crate::reply::Frame;
use crate::request::Request;
use crate::retry::{Cause, Decision, cause_of, decide};
use crate::scope::{Scope, unscoped};
use crate::session::Session;
use crate::topology::Reason;
use crate::{coalesce, hedge};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

/// How a call differs from what the configuration says. Most do not.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options(Option<Box<Overrides>>);

#[derive(Debug, Clone, Default)]
pub(crate) struct Overrides {
    pub timeout: Option<Duration>,
    pub consistency: Consistency,
    pub idempotent: Option<bool>,
    pub session: Option<Session>,
    /// The one node that is asked.
    pub target: Option<Target>,
    /// Part of something larger that has split and hedged already.
    pub is_part: bool,
}

impl Options {
    pub(crate) fn edit(&mut self) -> &mut Overrides {
        self.0.get_or_insert_default()
    }

    #[inline]
    pub(crate) fn get(&self) -> Option<&Overrides> {
        self.0.as_deref()
    }

    #[inline]
    pub(crate) fn is_default(&self) -> bool {
        self.0.is_none()
    }

    /// Whether the call has demands or a session of its own.
    #[inline]
    pub(crate) fn has_scope(&self) -> bool {
        self.get().is_some_and(|own| own.session.is_some() || !own.consistency.is_default())
    }

    pub(crate) fn session(&self) -> Option<&Session> {
        self.get().and_then(|own| own.session.as_ref())
    }
}

/// An attempt that failed.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub node: Arc<Node>,
    pub error: Error,
}

/// How far a call has come; known to whoever gives it up at its deadline.
#[derive(Debug)]
pub(crate) struct Progress {
    pub attempts: u32,
    /// Whether any attempt may have applied the command.
    pub applied: Applied,
    /// Whether the attempt under way may have: what was sent and has no answer.
    pub is_sent: bool,
    pub last: Option<Error>,
    /// Where to begin, where that was chosen already.
    pub first: Option<Target>,
}

impl Default for Progress {
    fn default() -> Self {
        Progress { attempts: 0, applied: Applied::No, is_sent: false, last: None, first: None }
    }
}

impl Progress {
    /// Whether any attempt, the one under way included, may have applied the command.
    pub(crate) fn worst(&self) -> Applied {
        if self.is_sent { Applied::Maybe } else { self.applied }
    }
}

impl Inner {
    /// Whether a call may go the short way: one node, no demands, no waiting.
    #[inline]
    pub(crate) fn is_plain(&self, request: &Request, options: &Options) -> bool {
        let is_more = !options.is_default()
            || self.is_special
            || request.is_blocking()
            || request.is_stateful()
            || (request.is_spread() && self.view.load().is_cluster());
        !is_more && !self.is_closed()
    }

    /// Whether the configuration has demands, or a session for all calls.
    pub(crate) fn has_scope(&self) -> bool {
        self.session.is_some() || !self.config.consistency.is_default()
    }

    /// The demands of a call, those of the configuration included.
    pub(crate) fn demands(&self, options: &Options) -> Consistency {
        options.get().map(|own| own.consistency).unwrap_or_default().over(self.config.consistency)
    }
}

/// Makes a call within its deadline.
pub(crate) async fn execute(
    inner: &Arc<Inner>,
    request: Request,
    options: Options,
    begin: Instant,
    failed: Option<Attempt>,
    progress: &mut Progress,
) -> Result<Frame> {
    if request.is_stateful() {
        return Err(Error::usage(format!(
            "{} changes what a connection is, and connections are shared: see `Client::watch`, `Client::transaction`, `Client::subscriber` and `Config`",
            request.name().to_uppercase()
        )));
    }
    let block = request.block_time();
    let timeout = match (options.get().and_then(|own| own.timeout), block) {
        (Some(timeout), _) => timeout,
        (None, Some(block)) => block.saturating_add(inner.config.call_timeout),
        (None, None) => inner.config.call_timeout,
    };
    let deadline = clock::after(begin, timeout);
    let call = Box::pin(dispatch(inner, request, options, deadline, failed, &mut *progress));
    let outcome = tokio::time::timeout_at(deadline.into(), call).await;
    outcome.unwrap_or_else(|_| {
        let applied = progress.worst();
        Err(match progress.last.take() {
            Some(last) => Error::caused(
                ErrorKind::Timeout,
                applied,
                format!("the call's time is over; before that: {last}"),
                last,
            ),
            None => Error::timeout(applied),
        })
    })
}

/// The ways in which a call can be more than one request to one node.
async fn dispatch(
    inner: &Arc<Inner>,
    request: Request,
    options: Options,
    deadline: Instant,
    failed: Option<Attempt>,
    progress: &mut Progress,
) -> Result<Frame> {
    let is_whole = !options.get().is_some_and(|own| own.is_part);
    if is_whole && failed.is_none() {
        let is_simple = options.is_default() && inner.session.is_none();
        if inner.config.coalesce && is_simple && request.name() == "get" {
            return coalesce::get(inner, request, deadline).await;
        }
        if inner.config.hedge_after.is_some()
            && request.is_read()
            && is_simple
            // The second copy is asked for whatever it has.
            && matches!(inner.config.consistency.read, None | Some(ReadLevel::Any))
            && request.slot().is_some()
        {
            return hedge::read(inner, request, options, deadline, progress).await;
        }
        if inner.view.load().is_cluster() && request.is_spread() {
            progress.attempts = 1;
            progress.is_sent = request.spec().is_some_and(|spec| spec.may_write);
            return super::scatter::run(inner, request, options, deadline).await;
        }
    }
    let first = progress.first.take();
    attempts(inner, &request, &options, deadline, failed, progress, first).await
}

/// One request to one node at a time, until that succeeds. `first`: where to begin, in place of what routing says.
pub(crate) async fn attempts(
    inner: &Arc<Inner>,
    request: &Request,
    options: &Options,
    deadline: Instant,
    mut failed: Option<Attempt>,
    progress: &mut Progress,
    first: Option<Target>,
) -> Result<Frame> {
    let is_idempotent =
        options.get().and_then(|own| own.idempotent).unwrap_or_else(|| request.is_idempotent());
    let mut following = first;
    let mut asking = false;
    let mut followed = 0;
    progress.attempts = progress.attempts.max(u32::from(failed.is_some()));
    loop {
        let attempt = match failed.take() {
            Some(attempt) => attempt,
            None => {
                if inner.is_closed() {
                    return Err(Error::closed().with_applied(progress.applied));
                }
                progress.attempts += 1;
                let target = match following.take() {
                    Some(target) => Ok(target),
                    None => choose(inner, &inner.view.load(), request, options),
                };
                let outcome = match target {
                    Err(error) => Err((None, error)),
                    Ok(target) => {
                        attempt(inner, request, options, &target, asking, deadline, progress)
                            .await
                            .map_err(|error| (Some(target.node), error))
                    }
                };
                progress.is_sent = false;
                asking = false;
                match outcome {
                    Ok(frame) => return Ok(frame),
                    Err((Some(node), error)) => Attempt { node, error },
                    Err((None, error)) => {
                        // Nobody serves the slot: the table may know better soon.
                        inner.want_refresh(Reason::Failure);
                        pause(inner, request, &error, progress, deadline).await?;
                        progress.last = Some(error);
                        continue;
                    }
                }
            }
        };
        let Attempt { node, error } = attempt;
        if error.applied() == Applied::Maybe {
            progress.applied = Applied::Maybe;
        }
        let cause = cause_of(&error);
        note(inner, &node, &cause);
        let unit = rng::unit();
        let decision = decide(
            &inner.config.retry,
            &cause,
            progress.applied,
            is_idempotent,
            progress.attempts,
            followed,
            unit,
        );
        match decision {
            Decision::Fail => return Err(error.with_applied(progress.applied).at(&node.name())),
            Decision::Follow => {
                followed += 1;
                // A redirection is no repetition.
                progress.attempts = progress.attempts.saturating_sub(1);
                following = redirected(inner, &node, &cause);
                asking = matches!(cause, Cause::Ask { .. });
            }
            Decision::Again { wait } => {
                inner.observe(&Event::Retried { command: request.name(), error: &error });
                tokio::time::sleep(wait).await;
                // What reached no server costs none.
                let is_free = match error.kind() {
                    ErrorKind::CircuitOpen => true,
                    ErrorKind::Connection => error.applied() == Applied::No,
                    _ => false,
                };
                if !is_free {
                    pay(inner, request).await;
                }
            }
        }
        progress.last = Some(error);
    }
}

/// Waits until the budget allows a repetition; the deadline ends it otherwise.
async fn pay(inner: &Inner, request: &Request) {
    let mut is_told = false;
    while !inner.budget.withdraw(clock::now()) {
        if !is_told {
            inner.observe(&Event::BudgetExhausted { command: request.name() });
            is_told = true;
        }
        tokio::time::sleep(inner.config.retry.backoff_max.mul_f64(0.1 + 0.4 * rng::unit())).await;
    }
}

/// Waits a little because there is nobody to ask.
async fn pause(
    inner: &Inner,
    request: &Request,
    error: &Error,
    progress: &Progress,
    deadline: Instant,
) -> Result<()> {
    if progress.attempts >= inner.config.retry.attempts_max || clock::now() >= deadline {
        return Err(error.clone().with_applied(progress.applied));
    }
    inner.observe(&Event::Retried { command: request.name(), error });
    tokio::time::sleep(inner.config.retry.backoff_max.mul_f64(0.05 + 0.2 * rng::unit())).await;
    Ok(())
}

/// What a failure says of the node, and of the table.
fn note(inner: &Inner, node: &Arc<Node>, cause: &Cause) {
    match cause {
        Cause::Moved { .. } => inner.want_refresh(Reason::Moved),
        Cause::NotNow => inner.want_refresh(Reason::Failure),
        Cause::Unreachable => {
            inner.want_refresh(Reason::Failure);
            inner.seed_failed(&inner.view.load(), node);
        }
        Cause::Ask { .. } | Cause::Full | Cause::Final => {}
    }
}

/// The node that a redirection names.
fn redirected(inner: &Inner, from: &Arc<Node>, cause: &Cause) -> Option<Target> {
    let (Cause::Moved { host, port } | Cause::Ask { host, port }) = cause else { return None };
    let host = match (host.as_str(), from.address()) {
        ("", Address::Tcp(own, _)) => own.clone(),
        (host, _) => host.to_owned(),
    };
    Some(Target { node: inner.node_at(Address::Tcp(host, *port)), role: Role::Serving })
}

/// Where an attempt goes. A read that may be answered by copies goes to another one each time.
pub(crate) fn choose(
    inner: &Inner,
    view: &View,
    request: &Request,
    options: &Options,
) -> Result<Target> {
    if let Some(target) = options.get().and_then(|own| own.target.clone()) {
        return Ok(target);
    }
    let wants_copy = match inner.demands(options).read {
        Some(ReadLevel::Primary | ReadLevel::Quorum) => Some(false),
        Some(ReadLevel::Any | ReadLevel::Session) => Some(view.is_torc),
        None => options.session().map(|_| view.is_torc),
    };
    let (Some(wants_copy), Some(slot), true, true) =
        (wants_copy, request.slot(), request.is_read(), view.is_cluster())
    else {
        return inner.target(view, request);
    };
    let keepers = view.keepers(slot);
    let chosen = if wants_copy && inner.config.read_from != ReadFrom::Primary {
        Some(inner.copy(view, keepers)?.node)
    } else {
        let turn = if wants_copy { inner.next_turn() } else { 0 };
        let in_turn = || (0..keepers.len()).map(|at| &keepers[(turn + at) % keepers.len()]);
        in_turn().find(|node| !wants_copy || node.is_well()).or(keepers.first()).cloned()
    };
    // The level that is sent along says what a copy may answer; READONLY would overrule it.
    match chosen {
        Some(node) => Ok(Target { node, role: Role::Serving }),
        None => inner.target(view, request),
    }
}

/// What is said around `requests` at `node`, by a call's own session and demands and the configuration's.
///
/// # Errors
/// The node does not say whether it keeps the versions of sessions. Nothing else was asked of it.
pub(crate) async fn scope_at<'r>(
    inner: &Arc<Inner>,
    node: &Arc<Node>,
    requests: impl Iterator<Item = &'r Request>,
    options: &Options,
) -> Result<Scope> {
    let session = match options.session().or(inner.session.as_ref()) {
        Some(session) if keeps_tokens(inner, node).await? => Some(session),
        _ => None,
    };
    Ok(Scope::around(requests, session, inner.demands(options)))
}

/// One attempt at one node.
async fn attempt(
    inner: &Arc<Inner>,
    request: &Request,
    options: &Options,
    target: &Target,
    asking: bool,
    deadline: Instant,
    progress: &mut Progress,
) -> Result<Frame> {
    let now = clock::now();
    let node = &target.node;
    // What blocks has a connection to itself, and a node that is well may take as long as the command said.
    let blocks = request.block_time().is_some();
    let (exclusive, shared);
    let (connection, deadline) = if blocks {
        exclusive = node.acquire_exclusive().await?;
        (exclusive.connection(), deadline)
    } else {
        shared = node.acquire(target.role).await?;
        (&shared, deadline.min(clock::after(now, inner.config.attempt_timeout)))
    };
    let scope = scope_at(inner, node, std::iter::once(request), options).await?;
    progress.is_sent = true;
    let outcome = exchange(connection, request, &scope, asking, deadline).await;
    report(node, &outcome);
    first_error(outcome?)
}

/// A server's error as an error.
fn first_error(frame: Frame) -> Result<Frame> {
    match frame.error() {
        Some(error) => Err(error),
        None => Ok(frame),
    }
}

/// Tells the breaker. An error that a server sent proves that it is well; what was not sent proves nothing.
pub(crate) fn report<T>(node: &Node, outcome: &Result<T>) {
    match outcome {
        Ok(_) => node.succeed(),
        Err(error) => match error.kind() {
            ErrorKind::Timeout | ErrorKind::Connection => node.fail(),
            _ => {}
        },
    }
}

fn asking_words() -> Vec<u8> {
    b"*1\r\n$6\r\nASKING\r\n".to_vec()
}

/// Sends a request within its scope, and gives the reply to the request; of several requests as one, the last reply.
pub(crate) async fn exchange(
    connection: &Arc<Connection>,
    request: &Request,
    scope: &Scope,
    asking: bool,
    deadline: Instant,
) -> Result<Frame> {
    let mut bytes = if asking { asking_words() } else { Vec::new() };
    let before = u32::from(asking) + scope.open(&mut bytes);
    request.write_to(&mut bytes);
    let after = scope.close(&mut bytes);
    let submission = Submission {
        parts: [&bytes, &[], &[]],
        replies: before + request.replies() + after,
        deadline,
    };
    let ticket = poll_fn(|cx| Poll::Ready(connection.submit(&submission, cx))).await?;
    let frame = ticket.await?;
    if submission.replies == 1 {
        return Ok(frame);
    }
    let mut frames = frame.split().into_iter();
    let mut next = |count: u32| frames.by_ref().take(count as usize).collect::<Vec<_>>();
    let (opening, mut own, closing) = (next(before), next(request.replies()), next(after));
    let refusal = opening.iter().find_map(Frame::error);
    let is_closed = scope.closed(closing.into_iter().map(Frame::into_value));
    if refusal.is_none() && !is_closed {
        connection.close();
    }
    let reply = own.pop().unwrap_or(Frame::Ok);
    let reply = match (reply.error(), own.iter().find_map(Frame::error)) {
        // A transaction: what refused a command says why EXEC refused all of them.
        (Some(abort), Some(refusal)) if abort.code() == Some("EXECABORT") => Err(refusal),
        (Some(error), _) if request.replies() > 1 => Err(error),
        _ => Ok(reply),
    };
    match refusal {
        None => reply,
        // It ran without what was said before it.
        Some(refusal) => Err(unscoped(&refusal, &reply.and_then(first_error))),
    }
}
