//! A command that is about to be made: arguments and options first, then `.await`.

use crate::base::clock;
use crate::client::{Attempt, Client, Inner, Options, Progress, Target, execute};
use crate::connection::{Submission, Ticket};
use crate::consistency::Consistency;
use crate::error::{Error, Result};
use crate::metrics::Event;
use crate::node::Node;
use crate::reply::{Frame, FromReply};
use crate::request::{Arg, Request};
use crate::retry::{Cause, cause_of};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// A command that has not been sent. Await it to send it, or queue it in a [`Pipeline`](crate::Pipeline) or [`Transaction`](crate::Transaction).
///
/// `T` is what the reply is read as, the command's natural type unless [`Call::reply_as`] says otherwise. `C` is the command, for the methods that it alone has:
/// see [`commands`](crate::commands).
#[must_use = "a call does nothing until it is awaited"]
pub struct Call<'c, T, C = ()> {
    pub(crate) client: &'c Client,
    pub(crate) request: Request,
    pub(crate) options: Options,
    types: PhantomData<fn() -> (T, C)>,
}

impl<T, C> std::fmt::Debug for Call<'_, T, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("request", &self.request).finish_non_exhaustive()
    }
}

impl<'c, T, C> Call<'c, T, C> {
    /// The command of this full name (`client|id`), which the table has.
    #[inline]
    pub(crate) fn of(client: &'c Client, full_name: &'static str) -> Self {
        Self::new(client, Request::typed(full_name))
    }

    #[inline]
    pub(crate) fn new(client: &'c Client, request: Request) -> Self {
        Call { client, request, options: Options::default(), types: PhantomData }
    }

    /// One more argument.
    #[inline]
    pub fn arg(mut self, arg: impl Arg) -> Self {
        self.request.push(&arg);
        self
    }

    /// Several more arguments.
    pub fn args<A: Arg>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        args.into_iter().for_each(|arg| self.request.push(&arg));
        self
    }

    /// A key, for the typed commands.
    #[inline]
    pub(crate) fn key(mut self, key: impl Arg) -> Self {
        self.request.push_key(&key);
        self
    }

    /// Several keys, for the typed commands.
    pub(crate) fn keys<A: Arg>(mut self, keys: impl IntoIterator<Item = A>) -> Self {
        keys.into_iter().for_each(|key| self.request.push_key(&key));
        self
    }

    /// Several keys behind their number, for the typed commands.
    pub(crate) fn counted<A: Arg>(self, keys: impl IntoIterator<Item = A>) -> Self {
        let keys: Vec<A> = keys.into_iter().collect();
        self.arg(keys.len()).keys(keys)
    }

    /// Reads the reply as another type.
    ///
    /// ```no_run
    /// # async fn example(client: torc_client::Client) -> torc_client::Result<()> {
    /// let name: Option<String> = client.get("name").reply_as().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn reply_as<U: FromReply>(self) -> Call<'c, U, C> {
        Call {
            client: self.client,
            request: self.request,
            options: self.options,
            types: PhantomData,
        }
    }

    /// How long this call may take with all its retries, in place of the configuration's; a blocking command ends then as well, however long it would wait.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.edit().timeout = Some(timeout);
        self
    }

    /// What this call demands of Torc, over what the configuration demands; as part of a pipeline too. A transaction demands what its commands do.
    pub fn consistency(mut self, consistency: Consistency) -> Self {
        self.options.edit().consistency = consistency;
        self
    }

    /// Says that applying the command twice is the same as once, or that it is not: whether it may be repeated where it may have been applied. What the client takes
    /// for idempotent by itself is what only reads, and writes that store the same and answer the same again, such as SET without NX, XX and GET.
    pub fn idempotent(mut self, idempotent: bool) -> Self {
        self.options.edit().idempotent = Some(idempotent);
        self
    }
}

impl<'c, T: FromReply, C> IntoFuture for Call<'c, T, C> {
    type Output = Result<T>;
    type IntoFuture = Calling<'c, T>;

    #[inline]
    fn into_future(mut self) -> Calling<'c, T> {
        self.request.settle();
        Calling {
            inner: &self.client.inner,
            state: State::New(self.request, self.options),
            reply: PhantomData,
        }
    }
}

/// A call under way. Dropping it gives up the reply; whether the command runs is not known then.
#[must_use = "a call does nothing until it is awaited"]
pub struct Calling<'c, T> {
    inner: &'c Arc<Inner>,
    state: State<'c>,
    reply: PhantomData<fn() -> T>,
}

impl<T> std::fmt::Debug for Calling<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Calling").finish_non_exhaustive()
    }
}

/// Most calls go one way: a connection is there, and the reply is no error. Only the others need more than a slot in the connection, and get a future of their own.
enum State<'c> {
    New(Request, Options),
    Sent(Sent),
    Slow(Slow<'c>),
    Done,
}

type Slow<'c> = Pin<Box<dyn Future<Output = Result<Frame>> + Send + 'c>>;

/// What came of the short way.
enum Settled<'c> {
    Over(Result<Frame>),
    GoesOn(Slow<'c>),
}

struct Sent {
    ticket: Ticket,
    node: Arc<Node>,
    request: Request,
    options: Options,
    begin: Instant,
}

impl<T: FromReply> Future for Calling<'_, T> {
    type Output = Result<T>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            match &mut this.state {
                State::Sent(sent) => {
                    let Poll::Ready(outcome) = sent.ticket.poll(cx) else { return Poll::Pending };
                    let State::Sent(sent) = std::mem::replace(&mut this.state, State::Done) else {
                        return Poll::Pending;
                    };
                    match settled(this.inner, sent, outcome) {
                        Settled::Over(outcome) => return Poll::Ready(convert(outcome)),
                        Settled::GoesOn(future) => this.state = State::Slow(future),
                    }
                }
                State::New(..) => {
                    let State::New(request, options) =
                        std::mem::replace(&mut this.state, State::Done)
                    else {
                        return Poll::Pending;
                    };
                    this.state = begin(this.inner, request, options, cx);
                    if matches!(&this.state, State::Sent(sent) if !sent.ticket.is_looking()) {
                        return Poll::Pending;
                    }
                }
                State::Slow(future) => {
                    let Poll::Ready(outcome) = future.as_mut().poll(cx) else {
                        return Poll::Pending;
                    };
                    this.state = State::Done;
                    return Poll::Ready(convert(outcome));
                }
                // Polled after its end.
                State::Done => return Poll::Pending,
            }
        }
    }
}

#[inline]
fn convert<T: FromReply>(outcome: Result<Frame>) -> Result<T> {
    T::from_reply(outcome?.into_value()?)
}

/// Sends the request at once if nothing stands in the way.
#[inline]
fn begin<'c>(
    inner: &'c Arc<Inner>,
    request: Request,
    options: Options,
    cx: &mut Context<'_>,
) -> State<'c> {
    let begin = clock::now();
    let mut first = None;
    if inner.is_plain(&request, &options) {
        let view = inner.view.load();
        let target = inner.target(&view, &request).ok();
        if let Some(target) = &target
            && let Some(connection) = target.node.ready(target.role)
        {
            let head = request.head();
            let wait = inner.config.attempt_timeout.min(inner.config.call_timeout);
            let submission = Submission {
                parts: [head.as_slice(), request.body(), &[]],
                replies: 1,
                deadline: clock::after(begin, wait),
            };
            if let Ok(ticket) = connection.submit(&submission, cx) {
                let node = Arc::clone(&target.node);
                return State::Sent(Sent { ticket, node, request, options, begin });
            }
        }
        // Chosen in turn, so choosing once more would always come to the same one.
        first = target;
    }
    State::Slow(Box::pin(slow(inner, request, options, begin, Start::At(first))))
}

/// The outcome of a call that went the short way, or the long way on.
#[inline]
fn settled<'c>(inner: &'c Arc<Inner>, sent: Sent, outcome: Result<Frame>) -> Settled<'c> {
    let failure = match &outcome {
        Ok(frame) => frame.error(),
        Err(error) => Some(error.clone()),
    };
    let Some(error) = failure else {
        sent.node.succeed();
        if inner.config.observer.is_some() {
            observe_end(inner, &sent.request, sent.begin, 1, None);
        }
        inner.budget.deposit(1);
        return Settled::Over(outcome);
    };
    if cause_of(&error) == Cause::Final {
        observe_end(inner, &sent.request, sent.begin, 1, Some(&error));
        return Settled::Over(Err(error));
    }
    let Sent { node, request, options, begin, .. } = sent;
    let failed = Attempt { node, error };
    Settled::GoesOn(Box::pin(slow(inner, request, options, begin, Start::After(failed))))
}

/// How the long way begins.
enum Start {
    /// With this node, if one was chosen already.
    At(Option<Target>),
    /// With what the short way came to.
    After(Attempt),
}

/// Everything else: connects, waits, goes elsewhere, tries again.
async fn slow(
    inner: &Arc<Inner>,
    request: Request,
    options: Options,
    begin: Instant,
    start: Start,
) -> Result<Frame> {
    let mut progress = Progress::default();
    let failed = match start {
        Start::At(first) => {
            progress.first = first;
            None
        }
        Start::After(failed) => Some(failed),
    };
    let name = request.name();
    let outcome = execute(inner, request, options, begin, failed, &mut progress).await;
    inner.budget.deposit(1);
    if inner.config.observer.is_some() {
        let (took, attempts) = (clock::now().duration_since(begin), progress.attempts);
        let error = outcome.as_ref().err();
        inner.observe(&Event::CallEnded { command: name, took, attempts, error });
    }
    outcome
}

fn observe_end(
    inner: &Inner,
    request: &Request,
    begin: Instant,
    attempts: u32,
    error: Option<&Error>,
) {
    if inner.config.observer.is_some() {
        let took = clock::now().duration_since(begin);
        inner.observe(&Event::CallEnded { command: request.name(), took, attempts, error });
    }
}
