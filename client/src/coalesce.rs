//! One GET for many waiters.
//!
//! A call that finds a GET of its key under way does not share that one, which may have been answered already when the call began, but the next, which is sent
//! when the first is back. So no answer is older than its call, and however many wait, one request a round trip goes out for a key.

use crate::base::lock;
use crate::client::{Attempt, Inner, Options, Progress, attempts};
use crate::error::{Error, Result};
use crate::metrics::Event;
use crate::reply::Frame;
use crate::request::Request;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::sync::watch;

/// The GETs under way, by the bytes of the request.
#[derive(Debug, Default)]
pub(crate) struct Coalescer {
    flights: Mutex<HashMap<Vec<u8>, Flight>>,
}

/// What waits for a key: `now` has been sent, `next` will be by the first that joined it.
#[derive(Debug)]
struct Flight {
    now: watch::Sender<Option<Result<Frame>>>,
    next: Option<watch::Receiver<Option<Result<Frame>>>>,
}

/// What a call does.
enum Part {
    /// Send the request, and tell the others.
    Lead(watch::Sender<Option<Result<Frame>>>),
    /// Wait until the one under way is back, then lead the next.
    LeadNext(watch::Receiver<Option<Result<Frame>>>, watch::Sender<Option<Result<Frame>>>),
    /// Share the next.
    Follow(watch::Receiver<Option<Result<Frame>>>),
}

impl Coalescer {
    fn join(&self, key: &[u8]) -> Part {
        let mut flights = lock(&self.flights);
        match flights.get_mut(key) {
            None => {
                let (now, _) = watch::channel(None);
                flights.insert(key.to_vec(), Flight { now: now.clone(), next: None });
                Part::Lead(now)
            }
            Some(Flight { next: Some(next), .. }) => Part::Follow(next.clone()),
            Some(Flight { now, next }) => {
                let (sender, receiver) = watch::channel(None);
                *next = Some(receiver);
                Part::LeadNext(now.subscribe(), sender)
            }
        }
    }

    /// What was next is under way now.
    fn advance(&self, key: &[u8], now: &watch::Sender<Option<Result<Frame>>>) {
        lock(&self.flights).insert(key.to_vec(), Flight { now: now.clone(), next: None });
    }

    /// The flight is over, or will never begin; if nobody waits for another, the key is forgotten.
    fn end(&self, key: &[u8], own: &watch::Sender<Option<Result<Frame>>>) {
        let mut flights = lock(&self.flights);
        let Some(flight) = flights.get_mut(key) else { return };
        if flight.next.as_ref().is_some_and(|next| next.same_channel(&own.subscribe())) {
            flight.next = None;
        }
        let is_over = flight.now.same_channel(own) || flight.now.borrow().is_some();
        if is_over && flight.next.is_none() {
            flights.remove(key);
        }
    }
}

/// Ends a flight whose leader is dropped, so that those who wait for it go on by themselves.
struct Guard<'c> {
    coalescer: &'c Coalescer,
    key: &'c [u8],
    sender: watch::Sender<Option<Result<Frame>>>,
    outcome: Option<Result<Frame>>,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        let gone = || Err(Error::usage("the call that read for others was given up"));
        self.coalescer.end(self.key, &self.sender);
        self.sender.send_replace(Some(self.outcome.take().unwrap_or_else(gone)));
    }
}

/// A GET that shares the next flight of its key.
pub(crate) async fn get(inner: &Arc<Inner>, request: Request, deadline: Instant) -> Result<Frame> {
    let key = request.body().to_vec();
    match inner.coalescer.join(&key) {
        Part::Lead(sender) => lead(inner, &request, &key, sender, deadline).await,
        Part::LeadNext(mut now, sender) => {
            // Dropped while it waits, it lets those who joined it go on by themselves.
            let guard = Guard { coalescer: &inner.coalescer, key: &key, sender, outcome: None };
            let _ = now.wait_for(Option::is_some).await;
            inner.coalescer.advance(&key, &guard.sender);
            fly(inner, &request, deadline, guard).await
        }
        Part::Follow(mut next) => {
            inner.observe(&Event::Coalesced { command: request.name() });
            let shared = next.wait_for(Option::is_some).await.ok().and_then(|it| it.clone());
            match shared {
                Some(Ok(frame)) => Ok(frame),
                // Its leader was given up, or failed by its own deadline: that is not ours.
                _ => alone(inner, &request, deadline).await,
            }
        }
    }
}

async fn lead(
    inner: &Arc<Inner>,
    request: &Request,
    key: &[u8],
    sender: watch::Sender<Option<Result<Frame>>>,
    deadline: Instant,
) -> Result<Frame> {
    let guard = Guard { coalescer: &inner.coalescer, key, sender, outcome: None };
    fly(inner, request, deadline, guard).await
}

async fn fly(
    inner: &Arc<Inner>,
    request: &Request,
    deadline: Instant,
    mut guard: Guard<'_>,
) -> Result<Frame> {
    let outcome = alone(inner, request, deadline).await;
    guard.outcome = Some(outcome.clone());
    outcome
}

async fn alone(inner: &Arc<Inner>, request: &Request, deadline: Instant) -> Result<Frame> {
    let none: Option<Attempt> = None;
    let (options, mut progress) = (Options::default(), Progress::default());
    attempts(inner, request, &options, deadline, none, &mut progress, None).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_under_way_and_one_is_next() {
        let coalescer = Coalescer::default();
        let Part::Lead(first) = coalescer.join(b"k") else { panic!("nothing was under way") };
        let Part::LeadNext(_, second) = coalescer.join(b"k") else { panic!("nobody was next") };
        assert!(matches!(coalescer.join(b"k"), Part::Follow(_)));
        assert!(matches!(coalescer.join(b"other"), Part::Lead(_)));
        coalescer.end(b"k", &first);
        assert!(matches!(coalescer.join(b"k"), Part::Follow(_)), "the next is still to come");
        coalescer.advance(b"k", &second);
        assert!(matches!(coalescer.join(b"k"), Part::LeadNext(..)));
        coalescer.advance(b"k", &first);
        coalescer.end(b"k", &first);
        assert!(matches!(coalescer.join(b"k"), Part::Lead(_)));
    }

    #[test]
    fn a_leader_that_is_given_up_leaves_nothing_behind() {
        let coalescer = Coalescer::default();
        let Part::Lead(first) = coalescer.join(b"k") else { panic!("nothing was under way") };
        let Part::LeadNext(_, second) = coalescer.join(b"k") else { panic!("nobody was next") };
        coalescer.end(b"k", &second);
        assert!(matches!(coalescer.join(b"k"), Part::LeadNext(..)), "another may lead the next");
        coalescer.end(b"k", &first);
        assert_eq!(lock(&coalescer.flights).len(), 1);
    }
}
