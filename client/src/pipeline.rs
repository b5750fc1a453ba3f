//! Pipelines: many commands, one write and one read for each node.
//!
//! The commands for one node travel together and run there in the caller's order; nodes work at the same time. Replies stand in the order in which commands were
//! pushed. A command that a node refuses, or that the node's failure leaves open, is tried again by the rules of a single call: one slot's in order, slots at the same time.
//!
//! Where commands demand something of Torc, or belong to a session, a node gets them in *segments*: neighbours of the same demands and session, within one scope.

use crate::base::clock;
use crate::call::Call;
use crate::client::{
    Attempt, Client, Inner, Options, Progress, Target, View, attempts, choose, report, scope_at,
};
use crate::connection::Submission;
use crate::error::{Applied, Error, Result};
use crate::metrics::Event;
use crate::node::{Node, Role};
use crate::reply::{Frame, FromReply, Value};
use crate::request::Request;
use crate::retry::{Cause, cause_of};
use crate::scope::{Scope, unscoped};
use crate::spread::together;
use std::collections::{BTreeMap, BTreeSet};
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
    /// Whether a command has demands or a session of its own; once it runs, or the configuration has.
    is_scoped: bool,
    /// Why it cannot be run.
    refused: Option<Error>,
}

#[derive(Debug)]
struct Queued {
    /// Where its bytes end.
    end: usize,
    /// What a repetition needs to know.
    meta: Request,
    options: Options,
}

/// What became of a pipeline.
enum Outcomes {
    /// No command failed, as mostly: nothing is to be looked at one by one.
    Replies(Vec<Value>),
    Each(Vec<Result<Value>>),
}

/// What one node gets.
struct Group {
    target: Target,
    /// Which commands.
    ats: Vec<usize>,
    /// Their bytes; none where they are written in segments.
    bytes: Vec<u8>,
}

/// Neighbours in a group that run within one scope.
struct Segment {
    scope: Scope,
    count: usize,
    /// Replies to what the scope says before them, and behind.
    before: usize,
    after: usize,
}

/// Most commands of one session in a segment. A server tells 256 slots of a session apart; more would make it, and so the session, forget which was which. Half of
/// that leaves room for slots that have had several primaries.
const SESSION_SEGMENT_MAX: usize = 128;

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
        Pipeline { client: self, bytes, queued, timeout: None, is_scoped: false, refused: None }
    }
}

impl<'c> Pipeline<'c> {
    /// Adds a command. Its consistency and session hold for it alone; a timeout of its own does not count here.
    ///
    /// Neighbours of the same demands and session cost one or two small commands more for all of them together, at each node.
    #[inline]
    pub fn push<T, C>(&mut self, call: Call<'_, T, C>) -> &mut Self {
        let Call { mut request, options, .. } = call;
        request.settle();
        self.is_scoped |= options.has_scope();
        if request.is_stateful() {
            let message = format!("{} cannot be part of a pipeline", request.name());
            self.refused.get_or_insert(Error::usage(message));
        }
        request.write_to(&mut self.bytes);
        let end = self.bytes.len();
        self.queued.push(Queued { end, meta: request, options });
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
            Ok(Outcomes::Replies(replies)) => replies.into_iter().map(Ok).collect(),
            Ok(Outcomes::Each(outcomes)) => outcomes,
            Err(error) => vec![Err(error); count],
        }
    }

    /// Sends everything and reads the replies as one: a tuple, or a vector where they are of one type.
    ///
    /// # Errors
    /// The first that any command had. Others may have been applied.
    pub async fn run_as<T: FromReply>(self) -> Result<T> {
        let replies = match self.execute().await? {
            Outcomes::Replies(replies) => replies,
            Outcomes::Each(outcomes) => outcomes.into_iter().collect::<Result<_>>()?,
        };
        T::from_reply(Value::Array(replies))
    }

    async fn execute(mut self) -> Result<Outcomes> {
        if let Some(error) = self.refused.take() {
            return Err(error);
        }
        let inner = Arc::clone(&self.client.inner);
        self.is_scoped |= inner.has_scope();
        let begin = clock::now();
        let timeout = self.timeout.unwrap_or(inner.config.call_timeout);
        let deadline = clock::after(begin, timeout);
        let outcomes = if self.is_simple() {
            self.at_one_node(deadline).await
        } else {
            Outcomes::Each(self.at_nodes(deadline).await)
        };
        inner.budget.deposit(self.queued.len() as u64);
        let error = match &outcomes {
            Outcomes::Replies(_) => None,
            Outcomes::Each(each) => each.iter().find_map(|outcome| outcome.as_ref().err()),
        };
        let took = clock::now().duration_since(begin);
        inner.observe(&Event::CallEnded { command: "", took, attempts: 1, error });
        Ok(outcomes)
    }

    /// Whether one node takes all of it as it is.
    fn is_simple(&self) -> bool {
        !self.client.is_cluster() && !self.queued.iter().any(|queued| queued.meta.is_blocking())
    }

    async fn at_one_node(&mut self, deadline: Instant) -> Outcomes {
        let inner = Arc::clone(&self.client.inner);
        let count = self.queued.len();
        if count == 0 {
            return Outcomes::Replies(Vec::new());
        }
        let target = inner.target(&inner.view.load(), &self.queued[0].meta);
        let target = match target {
            Ok(target) => target,
            Err(error) => return Outcomes::Each(vec![Err(error); count]),
        };
        let bytes = std::mem::take(&mut self.bytes);
        let group = Group { target, ats: (0..count).collect(), bytes };
        let outcome = self.send(&inner, &group, deadline).await;
        let outcome = match outcome {
            Ok(replies) if replies.len() == count && !replies.iter().any(Value::is_error) => {
                return Outcomes::Replies(replies);
            }
            outcome => outcome,
        };
        let mut outcomes: Vec<Option<Result<Value>>> = (0..count).map(|_| None).collect();
        let failed = fill(&mut outcomes, &group, outcome);
        self.repair(&inner, &mut outcomes, failed, deadline).await;
        let outcomes = outcomes.into_iter().map(|outcome| outcome.unwrap_or(Ok(Value::Null)));
        Outcomes::Each(outcomes.collect())
    }

    async fn at_nodes(&mut self, deadline: Instant) -> Vec<Result<Value>> {
        let inner = Arc::clone(&self.client.inner);
        let mut outcomes: Vec<Option<Result<Value>>> = self.queued.iter().map(|_| None).collect();
        let mut groups: Vec<Group> = Vec::new();
        let mut alone = Vec::new();
        let mut begin = 0;
        let view = inner.view.load_full();
        let is_scoped = self.is_scoped;
        let mut places = Places::default();
        if is_scoped {
            let written = self.queued.iter().filter(|queued| !queued.meta.is_read());
            places.written = written.filter_map(|queued| queued.meta.slot()).collect();
        }
        for (at, queued) in self.queued.iter().enumerate() {
            let bytes = &self.bytes[begin..queued.end];
            begin = queued.end;
            if queued.meta.is_blocking() || queued.meta.is_spread() {
                alone.push(at);
                continue;
            }
            let target = if is_scoped {
                places.of(&inner, &view, queued)
            } else {
                inner.target(&view, &queued.meta)
            };
            match target {
                Err(error) => outcomes[at] = Some(Err(error)),
                Ok(target) => {
                    let known = groups.iter().position(|group| {
                        Arc::ptr_eq(&group.target.node, &target.node)
                            && group.target.role == target.role
                    });
                    let group = known.unwrap_or_else(|| {
                        groups.push(Group { target, ats: Vec::new(), bytes: Vec::new() });
                        groups.len() - 1
                    });
                    groups[group].ats.push(at);
                    if !is_scoped {
                        groups[group].bytes.extend_from_slice(bytes);
                    }
                }
            }
        }
        let sends = groups.iter().map(|group| self.send(&inner, group, deadline));
        let outcomes_by_group = together(sends.collect()).await;
        let mut failed = Vec::new();
        for (group, outcome) in groups.iter().zip(outcomes_by_group) {
            failed.extend(fill(&mut outcomes, group, outcome));
        }
        self.repair(&inner, &mut outcomes, failed, deadline).await;
        for at in alone {
            let Queued { meta: request, options, .. } = &self.queued[at];
            let mut call: Call<'_, Value> = Call::new(self.client, request.clone());
            call.options = options.clone();
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
                let mut progress = Progress::default();
                let Queued { meta: request, options, .. } = &self.queued[at];
                let error = attempt.error.clone();
                let call =
                    attempts(inner, request, options, deadline, Some(attempt), &mut progress, None);
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

    /// Sends a group and gives the reply to each of its commands; errors of the server stand in place.
    ///
    /// # Errors
    /// There are no replies.
    async fn send(
        &self,
        inner: &Arc<Inner>,
        group: &Group,
        deadline: Instant,
    ) -> Result<Vec<Value>> {
        let Target { node, role } = &group.target;
        let prepare = async {
            let connection = node.acquire(*role).await?;
            let segments = match self.is_scoped {
                false => None,
                true => Some(self.segments(inner, node, &group.ats).await?),
            };
            Ok((connection, segments))
        };
        let prepared = match (node.ready(*role), self.is_scoped) {
            (Some(connection), false) => (connection, None),
            _ => {
                let prepared = tokio::time::timeout_at(deadline.into(), prepare).await;
                prepared.unwrap_or_else(|_| Err(Error::timeout(Applied::No)))?
            }
        };
        let (connection, mut segments) = prepared;
        let mut scoped = Vec::new();
        let mut count = group.ats.len();
        if let Some(segments) = &mut segments {
            count += self.write_segments(&group.ats, segments, &mut scoped);
        }
        let bytes = if segments.is_some() { &scoped } else { &group.bytes };
        let attempt = clock::after(clock::now(), inner.config.attempt_timeout);
        let submission = Submission {
            parts: [bytes, &[], &[]],
            replies: u32::try_from(count).unwrap_or(u32::MAX),
            deadline: deadline.min(attempt),
        };
        let ticket = poll_fn(|cx| Poll::Ready(connection.submit(&submission, cx))).await?;
        let outcome = ticket.await;
        report(node, &outcome);
        let replies = outcome?.into_values(count)?;
        let Some(segments) = segments else { return Ok(replies) };
        let (own, is_closed) = read_segments(&segments, replies);
        if !is_closed {
            connection.close();
        }
        Ok(own)
    }

    /// Divides a group into segments.
    ///
    /// # Errors
    /// The node does not say whether it keeps the versions of sessions.
    async fn segments(
        &self,
        inner: &Arc<Inner>,
        node: &Arc<Node>,
        ats: &[usize],
    ) -> Result<Vec<Segment>> {
        let mut segments = Vec::new();
        let mut rest = ats;
        while let Some(&first) = rest.first() {
            let options = &self.queued[first].options;
            let session = options.session().or(inner.session.as_ref());
            let count_max = if session.is_some() { SESSION_SEGMENT_MAX } else { usize::MAX };
            let is_alike = |&&at: &&usize| {
                let other = &self.queued[at].options;
                let is_same = match (session, other.session().or(inner.session.as_ref())) {
                    (Some(own), Some(other)) => own.is(other),
                    (own, other) => own.is_none() && other.is_none(),
                };
                is_same && inner.demands(options) == inner.demands(other)
            };
            let count = rest.iter().take(count_max).take_while(is_alike).count();
            let (alike, others) = rest.split_at(count);
            let requests = alike.iter().map(|&at| &self.queued[at].meta);
            let scope = scope_at(inner, node, requests, options).await?;
            segments.push(Segment { scope, count, before: 0, after: 0 });
            rest = others;
        }
        Ok(segments)
    }

    /// Appends a group with what its scopes say; how many replies that has besides the commands' own.
    fn write_segments(&self, ats: &[usize], segments: &mut [Segment], out: &mut Vec<u8>) -> usize {
        let mut ats = ats.iter();
        let mut besides = 0;
        for segment in segments {
            segment.before = segment.scope.open(out) as usize;
            let own = ats.by_ref().take(segment.count);
            own.for_each(|&at| self.queued[at].meta.write_to(out));
            segment.after = segment.scope.close(out) as usize;
            besides += segment.before + segment.after;
        }
        besides
    }
}

/// Where the reads of sessions go: all of one slot to one node, for a second copy may know less than the first one showed; and after the writes, if the slot has any here.
#[derive(Default)]
struct Places {
    written: BTreeSet<Slot>,
    chosen: BTreeMap<Slot, Target>,
}

impl Places {
    fn of(&mut self, inner: &Inner, view: &View, queued: &Queued) -> Result<Target> {
        let Queued { meta: request, options, .. } = queued;
        let looks_back = request.is_read()
            && view.is_cluster()
            && (options.session().is_some() || inner.session.is_some());
        let Some(slot) = request.slot().filter(|_| looks_back) else {
            return choose(inner, view, request, options);
        };
        if let Some(target) = self.chosen.get(&slot) {
            return Ok(target.clone());
        }
        let primary = view.keepers(slot).first().filter(|_| self.written.contains(&slot));
        let target = match primary {
            Some(node) => Target { node: Arc::clone(node), role: Role::Serving },
            None => choose(inner, view, request, options)?,
        };
        self.chosen.insert(slot, target.clone());
        Ok(target)
    }
}

/// The replies to the commands out of all, and whether every scope was closed.
fn read_segments(segments: &[Segment], replies: Vec<Value>) -> (Vec<Value>, bool) {
    let mut commands = Vec::with_capacity(replies.len());
    let mut replies = replies.into_iter();
    let mut is_closed = true;
    for Segment { scope, count, before, after } in segments {
        let mut next = |count: usize| replies.by_ref().take(count).collect::<Vec<_>>();
        let (opening, own, closing) = (next(*before), next(*count), next(*after));
        let refusal = opening.into_iter().find_map(|reply| reply.into_result().err());
        let closing = closing.into_iter().map(Value::into_result);
        is_closed &= scope.closed(closing) || refusal.is_some();
        commands.extend(own.into_iter().map(|own| match &refusal {
            None => own,
            Some(refusal) => Value::Error(unscoped(refusal, &own.into_result())),
        }));
    }
    (commands, is_closed)
}

/// Puts replies into their places. Returns what may be tried again.
fn fill(
    outcomes: &mut [Option<Result<Value>>],
    group: &Group,
    outcome: Result<Vec<Value>>,
) -> Vec<(usize, Attempt)> {
    let node = &group.target.node;
    let again = |at: usize, error: Error| (at, Attempt { node: Arc::clone(node), error });
    let values = match outcome {
        Ok(values) => values,
        Err(error) => return group.ats.iter().map(|&at| again(at, error.clone())).collect(),
    };
    let mut failed = Vec::new();
    for (&at, value) in group.ats.iter().zip(values) {
        match value.into_result() {
            Err(error) if cause_of(&error) != Cause::Final => failed.push(again(at, error)),
            outcome => outcomes[at] = Some(outcome),
        }
    }
    failed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consistency::{Consistency, WriteLevel};

    #[test]
    fn what_a_segment_was_refused_is_its_own_commands_error() {
        let mut incr = Request::new("INCR");
        incr.push_key("a");
        let demands = Consistency::new().write(WriteLevel::All);
        let segment = |count: usize| {
            let scope = Scope::around([&incr, &incr].into_iter().take(count), None, demands);
            let (before, after) = (scope.open(&mut Vec::new()), scope.close(&mut Vec::new()));
            Segment { scope, count, before: before as usize, after: after as usize }
        };
        let error = |text: &str| Value::Error(Error::server(text.as_bytes()));
        let one = |number| Value::Integer(number);
        let ok = || Value::Ok;
        let check = |replies: Vec<Value>, expected: [&str; 3], is_closed: bool| {
            let (own, closed) = read_segments(&[segment(2), segment(1)], replies);
            let text = |value: Value| match value.into_result() {
                Ok(value) => format!("{value:?}"),
                Err(error) => format!("{error} {}", error.maybe_applied()),
            };
            assert_eq!(own.into_iter().map(text).collect::<Vec<_>>(), expected);
            assert_eq!(closed, is_closed);
        };
        let [first, second, third] = ["Integer(1)", "Integer(2)", "Integer(3)"];
        check(vec![ok(), one(1), one(2), ok(), ok(), one(3)], [first, second, third], true);
        // It ran without its level, or it failed by itself and did nothing; the next segment is another matter.
        let refused = vec![error("ERR x"), one(1), error("ERR y"), error("ERR x"), ok(), one(3)];
        check(refused, ["ERR x true", "ERR x false", third], true);
        let last = vec![ok(), one(1), one(2), ok(), error("ERR x"), one(3)];
        check(last, [first, second, "ERR x true"], true);
        // The level stands, though it should not.
        let stands = vec![ok(), one(1), one(2), error("ERR x"), ok(), one(3)];
        check(stands, [first, second, third], false);
    }
}
