//! Commands that several nodes answer together: keys in several slots, and questions to all nodes.
//!
//! Each part is a call of its own, with its own retries, under the one deadline. There is no order between parts and no isolation across slots: where one part
//! fails the others may have been applied, which the error says.

use super::execute::{Options, Progress, attempts};
use super::inner::{Inner, Target};
use crate::error::{Applied, Error, ErrorKind, Result};
use crate::node::Role;
use crate::reply::{Frame, Value};
use crate::request::{Gathering, Request, Spread};
use crate::spread::together;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use torc_protocol::slot::slot_of;

/// A part of a command, and which of the command's keys it has.
struct Part {
    request: Request,
    keys: Vec<usize>,
    target: Option<Target>,
}

/// Makes the call at all nodes that it concerns.
pub(super) async fn run(
    inner: &Arc<Inner>,
    request: Request,
    mut options: Options,
    deadline: Instant,
) -> Result<Frame> {
    options.edit().is_part = true;
    let spread = request.spread();
    let parts = match spread {
        Some(Spread::Keys) => by_slot(&request),
        Some(Spread::Primaries | Spread::Nodes) => at_nodes(inner, &request, spread),
        None => Vec::new(),
    };
    if parts.len() == 1 && spread == Some(Spread::Keys) || parts.is_empty() {
        let mut progress = Progress::default();
        return attempts(inner, &request, &options, deadline, None, &mut progress, None).await;
    }
    let calls = parts.iter().map(|part| {
        let (inner, options, target) = (Arc::clone(inner), options.clone(), part.target.clone());
        async move {
            let mut progress = Progress::default();
            attempts(&inner, &part.request, &options, deadline, None, &mut progress, target).await
        }
    });
    let outcomes = together(calls.collect()).await;
    let writes = request.spec().is_some_and(|spec| spec.may_write);
    gather(&request, &parts, outcomes, writes)
}

/// One part for each slot. (By node would be fewer, but cluster nodes refuse keys of several slots in one command.)
fn by_slot(request: &Request) -> Vec<Part> {
    let step = if request.name() == "mset" { 2 } else { 1 };
    let keys = request.key_indices();
    request.with_args(|args| {
        let mut slots: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (nth, &index) in keys.iter().enumerate() {
            slots.entry(slot_of(&args[index]).index()).or_default().push(nth);
        }
        let part = |nths: Vec<usize>| {
            let mut part = Request::new(request.name());
            for &nth in &nths {
                part.push_key(&args[keys[nth]]);
                (1..step)
                    .filter_map(|more| args.get(keys[nth] + more))
                    .for_each(|arg| part.push(arg));
            }
            Part { request: part, keys: nths, target: None }
        };
        slots.into_values().map(part).collect()
    })
}

fn at_nodes(inner: &Inner, request: &Request, spread: Option<Spread>) -> Vec<Part> {
    let view = inner.view.load();
    let nodes = if spread == Some(Spread::Nodes) { view.nodes.clone() } else { view.primaries() };
    let target = |node| Some(Target { node, role: Role::Serving });
    let parts = nodes.into_iter().map(|node| Part {
        request: request.clone(),
        keys: Vec::new(),
        target: target(node),
    });
    parts.collect()
}

/// One reply out of all.
fn gather(
    request: &Request,
    parts: &[Part],
    outcomes: Vec<Result<Frame>>,
    writes: bool,
) -> Result<Frame> {
    let succeeded = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let gathering = match (request.name(), request.gathering()) {
        ("mget", _) => None,
        (_, gathering) => gathering,
    };
    if gathering == Some(Gathering::OneSucceeded) && succeeded > 0 {
        return outcomes.into_iter().find_map(Result::ok).ok_or_else(nothing);
    }
    let mut values = Vec::with_capacity(outcomes.len());
    for outcome in outcomes {
        match outcome.and_then(Frame::into_value) {
            Ok(value) => values.push(value),
            // Parts that succeeded were applied, whatever became of this one.
            Err(error) if writes && succeeded > 0 => return Err(error.with_applied(Applied::Maybe)),
            Err(error) => return Err(error),
        }
    }
    let numbers = || values.iter().filter_map(Value::as_i64);
    let value = match gathering {
        None => in_callers_order(parts, values),
        Some(Gathering::Sum) => Value::Integer(numbers().sum()),
        Some(Gathering::Least) => Value::Integer(numbers().min().unwrap_or(0)),
        Some(Gathering::And) => {
            let each: Vec<Vec<Value>> = values.into_iter().map(Value::into_elements).collect();
            let count = each.first().map_or(0, Vec::len);
            let all = |at| each.iter().all(|it| it.get(at).and_then(Value::as_i64) == Some(1));
            Value::Array((0..count).map(|at| Value::Integer(i64::from(all(at)))).collect())
        }
        Some(Gathering::Together) => {
            Value::Array(values.into_iter().flat_map(Value::into_elements).collect())
        }
        Some(Gathering::AllSucceeded | Gathering::OneSucceeded) => {
            values.into_iter().next().ok_or_else(nothing)?
        }
    };
    Ok(Frame::Value(Box::new(value)))
}

/// The elements of each part at the places of its keys.
fn in_callers_order(parts: &[Part], values: Vec<Value>) -> Value {
    let count = parts.iter().map(|part| part.keys.len()).sum();
    let mut all = vec![Value::Null; count];
    for (part, value) in parts.iter().zip(values) {
        for (&at, element) in part.keys.iter().zip(value.into_elements()) {
            all[at] = element;
        }
    }
    Value::Array(all)
}

#[cold]
fn nothing() -> Error {
    Error::new(ErrorKind::Protocol, Applied::No, "no node answered")
}
