//! The task that brings about what is wanted, over and over.

use super::parse::{Pushed, parse};
use super::{Kind, Message};
use crate::base::{clock, lock, rng};
use crate::bytes::Bytes;
use crate::client::Inner;
use crate::connection::{Connection, Push, Submission};
use crate::error::{Error, Result};
use crate::node::{Node, Role};
use crate::topology::Reason;
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use torc_protocol::request::encode_request;
use torc_protocol::slot::slot_of;

/// A subscription.
pub(super) type Wanted = (Kind, Bytes);

/// A silent link is asked for a sign of life so often, and what is wanted is looked at again.
const LOOK: Duration = Duration::from_secs(2);

/// What subscriber, keeper and links share.
#[derive(Debug)]
pub(super) struct Shared {
    pub wanted: Mutex<BTreeSet<Wanted>>,
    confirmed: Mutex<BTreeSet<Wanted>>,
    messages: Mutex<Option<mpsc::Sender<Message>>>,
    missed: AtomicU64,
    why_not: Mutex<Option<Error>>,
    /// The keeper is to look.
    stirred: Notify,
    /// Something was confirmed, or the end has come.
    changed: Notify,
    is_over: AtomicBool,
}

impl Shared {
    pub(super) fn new(messages: mpsc::Sender<Message>) -> Self {
        Shared {
            wanted: Mutex::default(),
            confirmed: Mutex::default(),
            messages: Mutex::new(Some(messages)),
            missed: AtomicU64::new(0),
            why_not: Mutex::default(),
            stirred: Notify::new(),
            changed: Notify::new(),
            is_over: AtomicBool::new(false),
        }
    }

    pub(super) fn missed(&self) -> u64 {
        // Relaxed: a count that nothing else hangs on.
        self.missed.load(Ordering::Relaxed)
    }

    pub(super) fn why_not(&self) -> Option<Error> {
        lock(&self.why_not).clone()
    }

    pub(super) fn stir(&self) {
        self.stirred.notify_one();
    }

    pub(super) fn end(&self) {
        // Relaxed: whoever is notified looks again in a moment.
        self.is_over.store(true, Ordering::Relaxed);
        lock(&self.messages).take();
        self.stirred.notify_one();
        self.changed.notify_waiters();
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Waits until all of `names` are confirmed; false if that will never be.
    pub(super) async fn await_confirmed(&self, names: &[Wanted]) -> bool {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if self.is_over() {
                return false;
            }
            let is_done = {
                let confirmed = lock(&self.confirmed);
                names.iter().all(|name| confirmed.contains(name))
            };
            if is_done {
                return true;
            }
            changed.await;
        }
    }

    fn deliver(&self, message: Message) {
        let messages = lock(&self.messages);
        if let Some(sender) = &*messages
            && let Err(mpsc::error::TrySendError::Full(_)) = sender.try_send(message)
        {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A link's push.
    fn receive(&self, push: Push) {
        let Push::Frame(frame) = push else {
            // The keeper finds the link closed.
            return self.stir();
        };
        match parse(frame) {
            Some(Pushed::Message(message)) => self.deliver(message),
            Some(Pushed::Confirmed(kind, name)) => {
                lock(&self.confirmed).insert((kind, name));
                self.changed.notify_waiters();
            }
            Some(Pushed::Ended(kind, name)) => {
                lock(&self.confirmed).remove(&(kind, name));
                self.stir();
            }
            Some(Pushed::Refused(error)) => {
                *lock(&self.why_not) = Some(error);
                self.stir();
            }
            None => {}
        }
    }
}

/// A connection for subscriptions, and what was asked for on it.
struct Link {
    node: Arc<Node>,
    connection: Arc<Connection>,
    asked: BTreeSet<Wanted>,
    is_for_shards: bool,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.connection.close();
    }
}

/// Until the subscriber, or the client, is gone.
pub(super) async fn keep(inner: Arc<Inner>, shared: Arc<Shared>) {
    let mut links: Vec<Link> = Vec::new();
    let (mut failures, mut is_lost) = (0u32, false);
    while !shared.is_over() && !inner.is_closed() {
        is_lost |= drop_lost(&mut links, &shared);
        let outcome = reconcile(&inner, &shared, &mut links).await;
        let wait = match outcome {
            Ok(()) => {
                failures = 0;
                if is_lost && !links.is_empty() {
                    shared.deliver(Message::Resumed);
                }
                is_lost = false;
                LOOK
            }
            Err(error) => {
                inner.want_refresh(Reason::Failure);
                *lock(&shared.why_not) = Some(error);
                failures = (failures + 1).min(6);
                Duration::from_millis(20 << failures).mul_f64(0.5 + 0.5 * rng::unit())
            }
        };
        if tokio::time::timeout(wait, shared.stirred.notified()).await.is_err() && failures == 0 {
            check_alive(&inner, &mut links).await;
        }
    }
    shared.end();
}

/// Forgets links that have ended, and what was confirmed on them; whether there were any.
fn drop_lost(links: &mut Vec<Link>, shared: &Shared) -> bool {
    let before = links.len();
    links.retain(|link| {
        if link.connection.is_closed() {
            let mut confirmed = lock(&shared.confirmed);
            link.asked.iter().for_each(|name| {
                confirmed.remove(name);
            });
        }
        !link.connection.is_closed()
    });
    links.len() < before
}

/// Asks for what is wanted and not asked for, and gives up what is not wanted any more.
async fn reconcile(inner: &Arc<Inner>, shared: &Arc<Shared>, links: &mut Vec<Link>) -> Result<()> {
    let wanted = lock(&shared.wanted).clone();
    let refused = lock(&shared.why_not).take().is_some();
    for link in links.iter_mut() {
        let gone: Vec<Wanted> = link.asked.difference(&wanted).cloned().collect();
        send(link, &gone, false)?;
        // A shard channel that another node serves now, or that the server ended by itself.
        let confirmed = lock(&shared.confirmed).clone();
        let view = inner.view.load();
        let moved: Vec<Wanted> = link
            .asked
            .iter()
            .filter(|(kind, name)| {
                let owner = || view.keepers(slot_of(name)).first().cloned();
                *kind == Kind::Shard
                    && view.is_cluster()
                    && owner().is_some_and(|owner| !Arc::ptr_eq(&owner, &link.node))
            })
            .cloned()
            .collect();
        let is_confirmed = |name: &Wanted| confirmed.contains(name);
        let unheard: Vec<Wanted> =
            link.asked.iter().filter(|name| refused && !is_confirmed(name)).cloned().collect();
        send(link, &moved, false)?;
        for name in moved.iter().chain(&unheard) {
            link.asked.remove(name);
            lock(&shared.confirmed).remove(name);
        }
    }
    let missing: Vec<Wanted> = wanted
        .into_iter()
        .filter(|name| !links.iter().any(|link| link.asked.contains(name)))
        .collect();
    for name in missing {
        let at = link_for(inner, shared, links, &name).await?;
        send(&mut links[at], &[name], true)?;
    }
    links.retain(|link| !link.asked.is_empty());
    Ok(())
}

/// The link on which `name` is to be asked for, made if there is none.
async fn link_for(
    inner: &Arc<Inner>,
    shared: &Arc<Shared>,
    links: &mut Vec<Link>,
    name: &Wanted,
) -> Result<usize> {
    let view = inner.view.load_full();
    let is_for_shards = name.0 == Kind::Shard && view.is_cluster();
    let node = if is_for_shards {
        view.keepers(slot_of(&name.1)).first().cloned()
    } else if let Some(at) = links.iter().position(|link| !link.is_for_shards) {
        return Ok(at);
    } else {
        let primaries = view.primaries();
        let turn = inner.next_turn();
        let nodes = if view.is_cluster() { &primaries } else { &view.nodes };
        let in_turn = || (0..nodes.len()).map(|at| &nodes[(turn + at) % nodes.len()]);
        in_turn().find(|node| node.is_well()).or_else(|| in_turn().next()).cloned()
    };
    let node = node.ok_or_else(|| Error::usage("no node serves the channel"))?;
    let known = links.iter().position(|link| link.is_for_shards && Arc::ptr_eq(&link.node, &node));
    if let (true, Some(at)) = (is_for_shards, known) {
        return Ok(at);
    }
    let sink = Arc::clone(shared);
    let push = Box::new(move |push| sink.receive(push));
    let connection = node.dial(Role::Serving, Some(push)).await?;
    links.push(Link { node, connection, asked: BTreeSet::new(), is_for_shards });
    Ok(links.len() - 1)
}

/// Asks for `names`, or gives them up.
fn send(link: &mut Link, names: &[Wanted], subscribe: bool) -> Result<()> {
    let mut bytes = Vec::new();
    for (kind, name) in names {
        let word: &[u8] = match (kind, subscribe) {
            (Kind::Channel, true) => b"SUBSCRIBE",
            (Kind::Channel, false) => b"UNSUBSCRIBE",
            (Kind::Pattern, true) => b"PSUBSCRIBE",
            (Kind::Pattern, false) => b"PUNSUBSCRIBE",
            (Kind::Shard, true) => b"SSUBSCRIBE",
            (Kind::Shard, false) => b"SUNSUBSCRIBE",
        };
        encode_request(&mut bytes, &[word, name]);
        let name = (*kind, name.clone());
        if subscribe {
            link.asked.insert(name)
        } else {
            link.asked.remove(&name)
        };
    }
    if bytes.is_empty() { Ok(()) } else { link.connection.send(&bytes) }
}

/// A link whose server does not answer a PING is closed by its driver.
async fn check_alive(inner: &Inner, links: &mut [Link]) {
    for link in links {
        let deadline = clock::after(clock::now(), inner.config.attempt_timeout);
        let request =
            Submission { parts: [b"*1\r\n$4\r\nPING\r\n", &[], &[]], replies: 1, deadline };
        let connection = &link.connection;
        let ticket = poll_fn(|cx| Poll::Ready(connection.submit(&request, cx))).await;
        let is_alive = match ticket {
            Ok(ticket) => ticket.await.is_ok(),
            Err(_) => false,
        };
        if !is_alive {
            connection.close();
            link.node.fail();
        }
    }
}
