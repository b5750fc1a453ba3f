//! What must hold of a world.

mod acked;
mod bounds;
mod collections;
mod convergence;
mod counters;
mod left;
mod majority;
mod order;
mod removed;
mod ring;
mod scan;
mod sessions;
mod tracking;

use super::history::{Ask, Outcome};
use super::reply::Reply;
use super::world::World;
use std::collections::BTreeMap;

pub use removed::Gone;

/// What a key's operation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    Set(u64),
    Get(Option<u64>),
    /// Whether there was something, if that was told.
    Del(Option<bool>),
    /// The sum, if it was told.
    Incr(Option<u64>),
}

/// An operation as it concerns one key.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    pub deed: Deed,
    pub began: u64,
    pub ended: u64,
    /// Whether it was certainly done.
    pub done: bool,
    pub copies: u8,
    pub session: (usize, u64),
    pub number: usize,
}

/// What was done to each key. Commands that certainly were not done, reads without a result, and reads of copies that may be behind, are left out.
pub fn steps(world: &World) -> BTreeMap<String, Vec<Step>> {
    let mut all: BTreeMap<String, Vec<Step>> = BTreeMap::new();
    for (number, operation) in world.history.iter().enumerate() {
        if !operation.may_be_done() {
            continue;
        }
        let reply = match &operation.outcome {
            Outcome::Done(reply) => Some(reply),
            _ => None,
        };
        let mut push = |key: &String, deed: Deed| {
            all.entry(key.clone()).or_default().push(Step {
                deed,
                began: operation.began,
                ended: if reply.is_some() { operation.ended } else { u64::MAX },
                done: reply.is_some(),
                copies: operation.copies,
                session: (operation.client, operation.session),
                number,
            });
        };
        let value = |reply: &Reply| reply.number().map(|n| n as u64);
        match (&operation.ask, reply) {
            (Ask::Set(key, value), _) => push(key, Deed::Set(*value)),
            (Ask::Get(_) | Ask::MGet(_), _) if operation.copies == 0 => {}
            (Ask::Get(key), Some(reply)) => push(key, Deed::Get(value(reply))),
            (Ask::Del(key), reply) => {
                push(key, Deed::Del(reply.and_then(Reply::number).map(|n| n == 1)));
            }
            (Ask::Incr(key), reply) => push(key, Deed::Incr(reply.and_then(value))),
            (Ask::MSet(pairs), _) => {
                pairs.iter().for_each(|(key, value)| push(key, Deed::Set(*value)));
            }
            (Ask::MGet(keys), Some(Reply::Array(values))) => {
                keys.iter().zip(values).for_each(|(key, it)| push(key, Deed::Get(value(it))));
            }
            _ => {}
        }
    }
    all
}

/// What holds of any world that has come to rest, whatever was asked of it.
pub fn quiet(world: &mut World) {
    ring::check(world);
    bounds::check(world);
    convergence::check(world);
}

/// Looks at everything.
pub fn all(world: &mut World) {
    quiet(world);
    let finals = convergence::read_all(world);
    let steps = steps(world);
    acked::check(world, &steps, &finals);
    counters::check(world, &steps, &finals);
    removed::check(world, &finals);
    order::check(world, &steps);
    sessions::check(world, &steps);
    majority::check(world, &steps);
    scan::check(world);
    collections::check(world);
    tracking::check(world, &finals);
}
