//! Replies made of replies: pure functions from what the parts answered to what the client is answered.

use crate::admin::Instance;
use crate::command::dump::bounds;
use crate::command::gathered::{self, Gathered};
use crate::command::hyperloglog::wire_error;
use crate::node::plane::{Counted, resp};
use crate::types::hyperloglog::{self, Union};
use torc_protocol::{Args, Protocol, Reply, WireError};

/// The error of a command of which one part failed: that this part changed nothing does not say so of the others.
pub(super) fn of_part(line: Vec<u8>) -> Vec<u8> {
    const NOTHING: &[u8] = b"nothing was changed";
    match memchr::memmem::find(&line, NOTHING) {
        Some(at) => {
            let rest = &line[at + NOTHING.len()..];
            [&line[..at], b"other parts of the command may have been done", rest].concat()
        }
        None => line,
    }
}

/// A node answered what the command that it was sent cannot answer.
pub(super) const BAD_PART: WireError = WireError::fixed("ERR another node sent a malformed reply");

pub(super) fn render(protocol: Protocol, write: impl FnOnce(&mut Reply<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut Reply::new(&mut out, protocol));
    out
}

pub(super) fn by_position(
    positions: &[Vec<u32>],
    replies: &[Vec<&[u8]>],
) -> Result<Vec<u8>, WireError> {
    let count = positions.iter().map(Vec::len).sum();
    let mut found: Vec<&[u8]> = vec![b""; count];
    for (positions, replies) in positions.iter().zip(replies) {
        let elements = replies.first().and_then(|reply| resp::elements(reply)).ok_or(BAD_PART)?;
        if elements.len() != positions.len() {
            return Err(BAD_PART);
        }
        for (&position, element) in positions.iter().zip(elements) {
            found[position as usize] = element;
        }
    }
    let mut out = render(Protocol::Resp2, |reply| reply.array(count));
    found.into_iter().for_each(|element| out.extend_from_slice(element));
    Ok(out)
}

pub(super) fn sum(replies: &[Vec<&[u8]>]) -> Result<Vec<u8>, WireError> {
    let mut sum = 0i64;
    for reply in replies.iter().flatten() {
        sum = sum.saturating_add(resp::integer(reply).ok_or(BAD_PART)?);
    }
    Ok(render(Protocol::Resp2, |reply| reply.integer(sum)))
}

/// What all have answered alike; or the first error.
pub(super) fn same(replies: &[Vec<&[u8]>]) -> Result<Vec<u8>, WireError> {
    let mut all = replies.iter().flatten();
    let error = all.clone().find(|reply| resp::is_error(reply));
    error.or_else(|| all.next()).map(|reply| reply.to_vec()).ok_or(BAD_PART)
}

pub(super) fn list(replies: &[Vec<&[u8]>]) -> Result<Vec<u8>, WireError> {
    let mut keys = Vec::new();
    for reply in replies.iter().flatten() {
        keys.extend(resp::elements(reply).ok_or(BAD_PART)?);
    }
    let mut out = render(Protocol::Resp2, |reply| reply.array(keys.len()));
    keys.into_iter().for_each(|key| out.extend_from_slice(key));
    Ok(out)
}

pub(super) fn least(counted: Counted, replies: &[Vec<&[u8]>]) -> Result<Vec<u8>, WireError> {
    if counted == Counted::WaitAof {
        return Ok(counted.reply(0));
    }
    let numbers = replies.iter().flatten().map(|reply| resp::integer(reply).ok_or(BAD_PART));
    let numbers = numbers.collect::<Result<Vec<i64>, WireError>>()?;
    let least = numbers.into_iter().min().unwrap_or(0).max(0);
    Ok(counted.reply(u32::try_from(least).unwrap_or(u32::MAX)))
}

/// The values of the keys in their order; `None` for those that are absent.
pub(super) fn sources<'r>(
    order: &[(usize, usize)],
    replies: &[Vec<&'r [u8]>],
) -> Result<Vec<Option<&'r [u8]>>, WireError> {
    let of = |&(part, nth): &(usize, usize)| {
        let reply = replies.get(part).and_then(|of_part| of_part.get(nth));
        reply.and_then(|reply| resp::bulk(reply)).ok_or(BAD_PART)
    };
    order.iter().map(of).collect()
}

/// The source at one place of an order. What its node answered instead is its error.
fn source<'r>(
    replies: &[Vec<&'r [u8]>],
    (part, nth): (usize, usize),
) -> Result<Option<&'r [u8]>, WireError> {
    let reply = replies.get(part).and_then(|of_part| of_part.get(nth)).ok_or(BAD_PART)?;
    match reply.strip_prefix(b"-").and_then(|line| line.strip_suffix(b"\r\n")) {
        Some(line) => Err(WireError::Bytes(line.to_vec())),
        None => resp::bulk(reply).ok_or(BAD_PART),
    }
}

/// The union of all sources, and the first of them. The first key that cannot take part gives the error, be it of another type or no HyperLogLog.
pub(super) fn union<'r>(
    order: &[(usize, usize)],
    replies: &[Vec<&'r [u8]>],
) -> Result<(Union, Option<&'r [u8]>), WireError> {
    let (mut union, mut first) = (Union::default(), None);
    for (index, &place) in order.iter().enumerate() {
        let Some(source) = source(replies, place)? else { continue };
        union.include(source).map_err(wire_error)?;
        if index == 0 {
            first = Some(source);
        }
    }
    Ok((union, first))
}

pub(super) fn merged(
    instance: &Instance,
    order: &[(usize, usize)],
    replies: &[Vec<&[u8]>],
) -> Result<Vec<u8>, WireError> {
    let (union, first) = union(order, replies)?;
    let mut merged = first.map_or_else(hyperloglog::empty, <[u8]>::to_vec);
    let sparse_max = instance.settings.hll_sparse_max_bytes();
    let sparse_max = usize::try_from(sparse_max).unwrap_or(usize::MAX);
    union.write_to(&mut merged, sparse_max).map_err(wire_error)?;
    Ok(merged)
}

/// What the command in `request` comes to with the payloads of its sources.
pub(super) fn fetched(
    instance: &Instance,
    name: &str,
    request: &[u8],
    sources: &[Option<&[u8]>],
    protocol: Protocol,
) -> Result<Gathered, WireError> {
    let mut spans = Vec::new();
    resp::request(request, 0, &mut spans).ok_or(BAD_PART)?;
    let bounds = bounds(&instance.settings, &instance.store);
    gathered::combine(name, Args::new(request, &spans), sources, &bounds, protocol)
}

/// The elements that SORT_RO answered. What a pattern did not lead to is stored as an empty text.
pub(super) fn sorted_elements<'r>(replies: &[Vec<&'r [u8]>]) -> Option<Vec<&'r [u8]>> {
    let elements = resp::elements(replies.first()?.first()?)?;
    elements.into_iter().map(|element| Some(resp::bulk(element)?.unwrap_or_default())).collect()
}
