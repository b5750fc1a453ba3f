//! Pipelines: many commands, one write and one read for each node.
//!
//! The commands for one node travel together and run there in the caller's order; nodes work at the same time. Replies stand in the order in which commands were
//! pushed. A command that a node refuses, or that the node's failure leaves open, is tried again by the rules of a single call: one slot's in order, slots at the same time.

use crate::base::clock;
use crate::call::Call;
use crate::client::{Attempt, Client, Inner, Options, Progress, attempts, report};
use crate::connection::Submission;
use crate::error::{Error, Result};
use crate::metrics::Event;
use crate::node::{Node, Role};
use crate::reply::{Frame, FromReply, Value};
use crate::request::Request;
use crate::retry::{Cause, cause_of};
use crate::spread::together;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};
use torc_protocol::slot::Slot;

/// Commands that are sent together. Nothing isolates them from other clients' commands; for that there is [`Transaction`](crate::Transaction).
///
/// ```no_run
/// # async fn example(client: torc_client::Client) -> torc_client::Result<()> {
/// let mut pipeline = client.pipeline();
/// pipeline.push(client.set("a", 1));
/// pipeline.push(client.incr("a"));
/// pipeline.push(client.get("b"));
/// let ((), a, b): ((), i64, Option<String>) = pipeline.run_as().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a pipeline does nothing until it is run"]
pub struct Pipeline<'c> {
    client: &'c Client,
    /// All requests, one behind the other.
    bytes: Vec<u8>,
    queued: Vec<Queued>,
    timeout: Option<Duration>,
    /// Why it cannot be run.
    refused: Option<Error>,
}

#[derive(Debug)]
struct Queued {
    /// Where its bytes end.
    end: usize,
    slot: Option<Slot>,
    /// Where it needs more than its bytes: several nodes, or a connection of its own.
    whole: Option<Request>,
    /// What a repetition needs to know.
    meta: Request,
}

/// A node, how it is asked, which commands it gets, and their bytes.
type Group = (Arc<Node>, Role, Vec<usize>, Vec<u8>);

impl Client {
    /// A pipeline without commands.
    ///
    /// ```no_run
    /// # async fn example(client: torc_client::Client) -> torc_client::Result<()> {
    /// let mut pipeline = client.pipeline();
    /// for id in 0..100 {
    ///     pipeline.push(client.get(format!("user:{id}")));
    /// }
    /// for reply in pipeline.run().await {
    ///     println!("{:?}", reply?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn pipeline(&self) -> Pipeline<'_> {
        let (bytes, queued) = (Vec::with_capacity(4096), Vec::with_capacity(64));
        Pipeline { client: self, bytes, queued, timeout: None, refused: None }
    }
}

impl<'c> Pipeline<'c> {
    /// Adds a command. Its own options (timeout, consistency, session) do not count here.
    #[inline]
    pub fn push<T, C>(&mut self, call: Call<'_, T, C>) -> &mut Self {
        let mut request = call.request;
        request.settle();
        if request.is_stateful() {
            let message = format!("{} cannot be part of a pipeline", request.name());
            self.refused.get_or_insert(Error::usage(message));
        }
        request.write_to(&mut self.bytes);
        self.queued.push(Queued { end: self.bytes.len(), slot: None, whole: None, meta: request });
        self
    }

    /// How many commands it has.
    pub fn len(&self) -> usize {
        self.queued.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.queued.is_empty()
    }

    /// How long all of it may take, in place of the configuration's call timeout.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sends everything. The replies stand in the order of the commands, each for itself a success or not.
    pub async fn run(self) -> Vec<Result<Value>> {
        let count = self.queued.len();
        match self.execute().await {
            Ok(outcomes) => outcomes,
            Err(error) => vec![Err(error); count],
        }
    }

    /// Sends everything and reads the replies as one: a tuple, or a vector where they are of one type.
    ///
    /// # Errors
    /// The first that any command had. Others may have been applied.
    pub async fn run_as<T: FromReply>(self) -> Result<T> {
        let outcomes = self.execute().await?;
        T::from_reply(Value::Array(outcomes.into_iter().collect::<Result<_>>()?))
    }

    async fn execute(mut self) -> Result<Vec<Result<Value>>> {
        if let Some(error) = self.refused.take() {
            return Err(error);
        }
        let inner = &self.client.inner;
        let begin = clock::now();
        let timeout = self.timeout.unwrap_or(inner.config.call_timeout);
        let deadline = clock::after(begin, timeout);
        let outcomes = if self.is_simple() {
            self.at_one_node(deadline).await
        } else {
            self.at_nodes(deadline).await
        };
        inner.budget.deposit(self.queued.len() as u64);
        let error = outcomes.iter().find_map(|outcome| outcome.as_ref().err());
        let took = clock::now().duration_since(begin);
        inner.observe(&Event::CallEnded { command: "", took, attempts: 1, error });
        Ok(outcomes)
    }

    /// Whether one node takes all of it as it is.
    fn is_simple(&self) -> bool {
        !self.client.is_cluster() && !self.queued.iter().any(|queued| queued.meta.is_blocking())
    }

    async fn at_one_node(&mut self, deadline: Instant) -> Vec<Result<Value>> {
        let inner = Arc::clone(&self.client.inner);
        let count = self.queued.len();
        if count == 0 {
            return Vec::new();
        }
        let target = inner.target(&inner.view.load(), &self.queued[0].meta);
        let target = match target {
            Ok(target) => target,
            Err(error) => return vec![Err(error); count],
        };
        let bytes = std::mem::take(&mut self.bytes);
        let outcome = send(&inner, &target.node, target.role, &bytes, count, deadline).await;
        let all: Vec<usize> = (0..count).collect();
        let mut outcomes: Vec<Option<Result<Value>>> = (0..count).map(|_| None).collect();
        let failed = fill(&mut outcomes, &all, &target.node, outcome);
        self.repair(&inner, &mut outcomes, failed, deadline).await;
        outcomes.into_iter().map(|outcome| outcome.unwrap_or(Ok(Value::Null))).collect()
    }

    async fn at_nodes(&mut self, deadline: Instant) -> Vec<Result<Value>> {
        let inner = Arc::clone(&self.client.inner);
        let mut outcomes: Vec<Option<Result<Value>>> = self.queued.iter().map(|_| None).collect();
        // What each node gets: its commands, and their bytes.
        let mut groups: Vec<Group> = Vec::new();
        let mut alone = Vec::new();
        let mut begin = 0;
        let view = inner.view.load_full();
        for (at, queued) in self.queued.iter_mut().enumerate() {
            let bytes = &self.bytes[begin..queued.end];
            begin = queued.end;
            queued.slot = queued.meta.slot();
            if queued.meta.is_blocking() || queued.meta.is_spread() {
                queued.whole = Some(queued.meta.clone());
                alone.push(at);
                continue;
            }
            match inner.target(&view, &queued.meta) {
                Err(error) => outcomes[at] = Some(Err(error)),
                Ok(target) => {
                    let known = groups.iter().position(|(node, role, ..)| {
                        Arc::ptr_eq(node, &target.node) && *role == target.role
                    });
                    let group = known.unwrap_or_else(|| {
                        groups.push((target.node, target.role, Vec::new(), Vec::new()));
                        groups.len() - 1
                    });
                    groups[group].2.push(at);
                    groups[group].3.extend_from_slice(bytes);
                }
            }
        }
        let sends = groups
            .iter()
            .map(|(node, role, ats, bytes)| send(&inner, node, *role, bytes, ats.len(), deadline));
        let mut failed = Vec::new();
        for ((node, _, ats, _), outcome) in groups.iter().zip(together(sends.collect()).await) {
            failed.extend(fill(&mut outcomes, ats, node, outcome));
        }
        self.repair(&inner, &mut outcomes, failed, deadline).await;
        for at in alone {
            let Some(request) = self.queued[at].whole.take() else { continue };
            let call: Call<'_, Value> = Call::new(self.client, request);
            let left = deadline.saturating_duration_since(clock::now());
            outcomes[at] = Some(call.timeout(left).await);
        }
        outcomes.into_iter().map(|outcome| outcome.unwrap_or(Ok(Value::Null))).collect()
    }

    /// Tries again what failed, one slot's commands in their order.
    async fn repair(
        &self,
        inner: &Arc<Inner>,
        outcomes: &mut [Option<Result<Value>>],
        failed: Vec<(usize, Attempt)>,
        deadline: Instant,
    ) {
        let mut slots: BTreeMap<Option<usize>, Vec<(usize, Attempt)>> = BTreeMap::new();
        for (at, attempt) in failed {
            let slot = self.queued[at].meta.slot().map(Slot::index);
            slots.entry(slot).or_default().push((at, attempt));
        }
        let repairs = slots.into_values().map(|commands| async move {
            let mut repaired = Vec::with_capacity(commands.len());
            for (at, attempt) in commands {
                let (options, mut progress) = (Options::default(), Progress::default());
                let request = &self.queued[at].meta;
                let error = attempt.error.clone();
                let call = attempts(
                    inner,
                    request,
                    &options,
                    deadline,
                    Some(attempt),
                    &mut progress,
                    None,
                );
                let outcome = tokio::time::timeout_at(deadline.into(), call).await;
                let outcome = outcome.unwrap_or_else(|_| Err(error.with_applied(progress.worst())));
                repaired.push((at, outcome.and_then(Frame::into_value)));
            }
            repaired
        });
        for (at, outcome) in together(repairs.collect()).await.into_iter().flatten() {
            outcomes[at] = Some(outcome);
        }
    }
}

/// Sends `count` requests to one node and gives their replies.
async fn send(
    inner: &Inner,
    node: &Arc<Node>,
    role: Role,
    bytes: &[u8],
    count: usize,
    deadline: Instant,
) -> Result<Frame> {
    let connection = match node.ready(role) {
        Some(connection) => connection,
        None => {
            let acquire = tokio::time::timeout_at(deadline.into(), node.acquire(role)).await;
            acquire.unwrap_or_else(|_| Err(Error::timeout(crate::error::Applied::No)))?
        }
    };
    let attempt = clock::after(clock::now(), inner.config.attempt_timeout);
    let submission = Submission {
        parts: [bytes, &[], &[]],
        replies: u32::try_from(count).unwrap_or(u32::MAX),
        deadline: deadline.min(attempt),
    };
    let ticket = poll_fn(|cx| Poll::Ready(connection.submit(&submission, cx))).await?;
    let outcome = ticket.await;
    report(node, &outcome);
    outcome
}

/// Puts replies into their places. Returns what may be tried again.
fn fill(
    outcomes: &mut [Option<Result<Value>>],
    ats: &[usize],
    node: &Arc<Node>,
    outcome: Result<Frame>,
) -> Vec<(usize, Attempt)> {
    let again = |at: usize, error: Error| (at, Attempt { node: Arc::clone(node), error });
    let values = match outcome.and_then(Frame::into_values) {
        Ok(values) => values,
        Err(error) => return ats.iter().map(|&at| again(at, error.clone())).collect(),
    };
    let mut failed = Vec::new();
    for (&at, value) in ats.iter().zip(values) {
        match value.into_result() {
            Err(error) if cause_of(&error) != Cause::Final => failed.push(again(at, error)),
            outcome => outcomes[at] = Some(outcome),
        }
    }
    failed
}
