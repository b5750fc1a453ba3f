//! Transactions: MULTI … EXEC in one write, and WATCH on a connection of its own.
//!
//! What stands between MULTI and EXEC is appended to the shared connection in one piece, so no other caller's command can come in between. In a cluster all keys lie
//! in one slot. Whether it is tried again follows the rules of a single command that is not idempotent: only where it was certainly not applied.

use crate::base::clock;
use crate::call::Call;
use crate::client::{Client, Options, Progress, exchange, execute, report, scope_at};
use crate::consistency::Consistency;
use crate::error::{Applied, Error, ErrorKind, Result};
use crate::node::Exclusive;
use crate::reply::{Frame, FromReply, Value};
use crate::request::{Arg, Request, Script};
use crate::scope::Scope;
use crate::session::Session;
use std::time::Duration;
use torc_protocol::request::encode_request;
use torc_protocol::slot::Slot;

/// Commands that run as one step: all or none, and nobody sees a part of them.
///
/// ```no_run
/// # async fn example(client: torc_client::Client) -> torc_client::Result<()> {
/// let mut transaction = client.transaction();
/// transaction.push(client.incr("{order:17}:version"));
/// transaction.push(client.hset("{order:17}", [("state", "paid")]));
/// let (version, _): (i64, i64) = transaction.run_as().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a transaction does nothing until it is run"]
pub struct Transaction<'c> {
    client: &'c Client,
    watch: Option<&'c mut Watch>,
    bytes: Vec<u8>,
    count: u32,
    slot: Option<Slot>,
    reads: bool,
    writes: bool,
    /// What its commands demand, together.
    demands: Consistency,
    session: Option<Session>,
    timeout: Option<Duration>,
    refused: Option<Error>,
}

impl Client {
    /// A transaction without commands.
    ///
    /// ```no_run
    /// # async fn example(client: torc_client::Client) -> torc_client::Result<()> {
    /// let mut transaction = client.transaction();
    /// transaction.push(client.lpush("{q}:work", ["job"]));
    /// transaction.push(client.incr("{q}:count"));
    /// let replies = transaction.run().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn transaction(&self) -> Transaction<'_> {
        Transaction {
            client: self,
            watch: None,
            bytes: Vec::new(),
            count: 0,
            slot: None,
            reads: false,
            writes: false,
            demands: Consistency::new(),
            session: None,
            timeout: None,
            refused: None,
        }
    }

    /// Watches keys, which in a cluster lie in one slot: a transaction of the [`Watch`] runs only if none of them has changed meanwhile.
    ///
    /// # Errors
    /// The keys lie in several slots, or the node that has them cannot be reached.
    ///
    /// ```no_run
    /// # async fn example(client: torc_client::Client) -> torc_client::Result<()> {
    /// let taken = loop {
    ///     let mut watch = client.watch(["stock"]).await?;
    ///     let stock: i64 = watch.call(client.get("stock").reply_as()).await?;
    ///     let mut transaction = watch.transaction(&client);
    ///     transaction.push(client.set("stock", stock - 1));
    ///     match transaction.run().await {
    ///         Err(error) if error.kind() == torc_client::ErrorKind::Aborted => continue,
    ///         outcome => break outcome,
    ///     }
    /// };
    /// # Ok(())
    /// # }
    /// ```
    pub async fn watch<A: Arg>(&self, keys: impl IntoIterator<Item = A>) -> Result<Watch> {
        let inner = &self.inner;
        let mut request = Request::typed("watch");
        keys.into_iter().for_each(|key| request.push_key(&key));
        let slot = one_slot(&request, self.is_cluster())?;
        let deadline = clock::after(clock::now(), inner.config.call_timeout);
        let work = async {
            let mut last = None;
            for attempt in 0..inner.config.retry.attempts_max.max(2) {
                if attempt > 0 {
                    let wait = inner
                        .config
                        .retry
                        .backoff_max
                        .mul_f64(0.1 + 0.2 * crate::base::rng::unit());
                    tokio::time::sleep(wait).await;
                }
                let target = inner.target(&inner.view.load(), &request)?;
                let outcome = async {
                    let mut exclusive = target.node.acquire_exclusive().await?;
                    exclusive.set_clean(false);
                    let limit =
                        clock::after(clock::now(), inner.config.attempt_timeout).min(deadline);
                    let outcome =
                        exchange(exclusive.connection(), &request, &Scope::default(), false, limit)
                            .await;
                    report(&target.node, &outcome);
                    let frame = outcome?;
                    frame.error().map_or(Ok(exclusive), Err)
                };
                match outcome.await {
                    Ok(exclusive) => return Ok(exclusive),
                    // Watching changes nothing, so it may always be tried again.
                    Err(error) if error.is_retryable() => {
                        inner.want_refresh(crate::topology::Reason::Failure);
                        last = Some(error);
                    }
                    Err(error) => return Err(error),
                }
            }
            Err(last.unwrap_or_else(|| Error::timeout(Applied::No)))
        };
        let outcome = tokio::time::timeout_at(deadline.into(), work).await;
        let exclusive = outcome.unwrap_or_else(|_| Err(Error::timeout(Applied::No)))?;
        Ok(Watch { exclusive, slot, call_timeout: inner.config.call_timeout })
    }
}

/// The slot of all keys of a request.
fn one_slot(request: &Request, is_cluster: bool) -> Result<Option<Slot>> {
    if !is_cluster {
        return Ok(request.slot());
    }
    let keys = request.key_indices();
    let slots: Vec<Slot> = request.with_args(|args| {
        keys.iter().map(|&index| torc_protocol::slot::slot_of(&args[index])).collect()
    });
    if slots.windows(2).any(|pair| pair[0] != pair[1]) {
        return Err(cross_slot());
    }
    Ok(slots.first().copied())
}

#[cold]
fn cross_slot() -> Error {
    let message =
        "the keys lie in several slots; the same text in braces puts keys into one: {user:1}:name";
    Error::new(ErrorKind::CrossSlot, Applied::No, message)
}

/// Keys under watch, and the connection that watches them. Dropping it ends the watch.
#[derive(Debug)]
pub struct Watch {
    exclusive: Exclusive,
    slot: Option<Slot>,
    call_timeout: Duration,
}

impl Watch {
    /// Makes a call on the watching connection, as reads between WATCH and MULTI are to be. It is not tried again. Its consistency and session hold, as they do
    /// elsewhere, and so do the configuration's; no copy answers it, for a copy may know less than what is watched.
    ///
    /// # Errors
    /// As the call's own.
    pub async fn call<T: FromReply, C>(&mut self, call: Call<'_, T, C>) -> Result<T> {
        let Call { client, mut request, options, .. } = call;
        request.settle();
        let deadline = clock::after(clock::now(), self.call_timeout);
        let (node, requests) = (self.exclusive.node(), std::iter::once(&request));
        let scope = scope_at(&client.inner, node, requests, &options).await?;
        let connection = self.exclusive.connection();
        let frame = exchange(connection, &request, &scope, false, deadline).await?;
        T::from_reply(frame.into_value()?)
    }

    /// A transaction that runs only if no watched key has changed. After it nothing is watched.
    pub fn transaction<'c>(&'c mut self, client: &'c Client) -> Transaction<'c> {
        let slot = self.slot;
        Transaction { watch: Some(self), slot, ..client.transaction() }
    }
}

impl<'c> Transaction<'c> {
    /// Adds a command. As all commands are one step, what one demands is demanded of all of it, and all of it is part of its session; commands that demand
    /// different levels, or are of different sessions, are refused. A timeout of its own does not count here.
    ///
    /// The step is answered when enough copies have what it wrote. Its reads are answered where it runs, by the primary, whatever level they name.
    pub fn push<T, C>(&mut self, call: Call<'_, T, C>) -> &mut Self {
        let Call { mut request, options, .. } = call;
        request.settle();
        self.adopt(&options);
        self.reads |= request.may_read();
        self.writes |= request.may_write();
        if request.is_stateful() {
            let message = format!("{} cannot be part of a transaction", request.name());
            self.refused.get_or_insert(Error::usage(message));
        }
        match one_slot(&request, self.client.is_cluster()) {
            Ok(None) => {}
            Ok(Some(slot)) => {
                if self.client.is_cluster() && self.slot.is_some_and(|own| own != slot) {
                    self.refused.get_or_insert_with(cross_slot);
                }
                self.slot.get_or_insert(slot);
            }
            Err(error) => {
                self.refused.get_or_insert(error);
            }
        }
        request.write_to(&mut self.bytes);
        self.count += 1;
        self
    }

    /// Makes a command's demands and session those of the transaction.
    fn adopt(&mut self, options: &Options) {
        let Some(own) = options.get() else { return };
        let is_at_odds = self.demands.is_at_odds(own.consistency)
            || matches!((&self.session, &own.session), (Some(all), Some(own)) if !all.is(own));
        if is_at_odds {
            let message =
                "commands of one transaction demand different levels, or are of different sessions";
            self.refused.get_or_insert(Error::usage(message));
        }
        self.demands = self.demands.over(own.consistency);
        if let Some(session) = &own.session {
            self.session.get_or_insert_with(|| session.clone());
        }
    }

    /// How long it may take, in place of the configuration's call timeout.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Runs it. Each reply is for itself a success or not: a command that fails does not undo the others.
    ///
    /// # Errors
    /// It did not run: a command was refused, or a watched key changed ([`ErrorKind::Aborted`]); or nobody can tell ([`Error::maybe_applied`]).
    pub async fn run(self) -> Result<Vec<Result<Value>>> {
        let replies = self.execute().await?;
        Ok(replies.into_iter().map(Value::into_result).collect())
    }

    /// Runs it and reads the replies as one: a tuple, or a vector where they are of one type.
    ///
    /// # Errors
    /// As [`Transaction::run`], or the first error of any command. The others have run then, so [`Error::maybe_applied`] is true.
    pub async fn run_as<T: FromReply>(self) -> Result<T> {
        let replies = self.execute().await?;
        let replies = replies.into_iter().map(Value::into_result).collect::<Result<Vec<_>>>();
        // All of it ran, whatever one command said.
        let replies = replies.map_err(|error| error.with_applied(Applied::Maybe))?;
        T::from_reply(Value::Array(replies))
    }

    async fn execute(mut self) -> Result<Vec<Value>> {
        if let Some(error) = self.refused.take() {
            return Err(error);
        }
        if self.count == 0 {
            return Ok(Vec::new());
        }
        let mut bytes = Vec::with_capacity(self.bytes.len() + 32);
        encode_request(&mut bytes, &[b"MULTI"]);
        bytes.append(&mut self.bytes);
        encode_request(&mut bytes, &[b"EXEC"]);
        let (slot, reads, writes) = (self.slot, self.reads, self.writes);
        let script = Script { replies: self.count + 2, slot, reads, writes };
        let request = Request::script(bytes, script);
        let inner = &self.client.inner;
        let mut options = Options::default();
        let own = options.edit();
        own.timeout = self.timeout;
        own.is_part = true;
        own.consistency = self.demands;
        own.session = self.session.take();
        let begin = clock::now();
        let frame = match self.watch.take() {
            Some(watch) => {
                let deadline = clock::after(begin, self.timeout.unwrap_or(watch.call_timeout));
                let node = watch.exclusive.node();
                let scope = scope_at(inner, node, std::iter::once(&request), &options).await?;
                let connection = watch.exclusive.connection();
                let outcome = exchange(connection, &request, &scope, false, deadline).await;
                report(node, &outcome);
                let frame = outcome?;
                // EXEC has ended the watch: the connection is as new.
                watch.exclusive.set_clean(true);
                frame
            }
            None => {
                let mut progress = Progress::default();
                execute(inner, request, options, begin, None, &mut progress).await?
            }
        };
        results(frame)
    }
}

/// What EXEC answered.
fn results(frame: Frame) -> Result<Vec<Value>> {
    match frame.into_value()? {
        Value::Array(values) => Ok(values),
        Value::Null => {
            Err(Error::new(ErrorKind::Aborted, Applied::No, "a watched key has changed"))
        }
        _ => Err(Error::new(ErrorKind::Protocol, Applied::Maybe, "EXEC answered no array")),
    }
}
