//! The bodies of gossip packets: foca's own messages, and those by which nodes meet and compare their books.
//!
//! ```text
//! Swim     1 │ foca's bytes
//! Knock    2 │ the sender's record             "who are you?", to an address whose node is unknown
//! Welcome  3 │ known 1 │ incarnation 8 │ version 8 │ the sender's record       the answer, with what is known of the asker
//! Sums     4 │ 64 × 8                          compare books
//! Items    5 │ item …                          what the other may lack
//! Want     6 │ parts 8                         what we may lack
//! item     flags 1 (1 alive, 2 forgotten) │ length 2 │ record, or node 8 │ incarnation 8 │ version 8
//! ```
//!
//! Three messages bring two books together: Sums there, Items and Want back, Items there. Equal books cost the first alone.

use super::book::PARTS;
use crate::cluster::node_id::NodeId;
use crate::cluster::record::{NodeRecord, Stamp};

const SWIM: u8 = 1;
const KNOCK: u8 = 2;
const WELCOME: u8 = 3;
const SUMS: u8 = 4;
const ITEMS: u8 = 5;
const WANT: u8 = 6;

const ALIVE: u8 = 1;
const FORGOTTEN: u8 = 2;

/// A line of the book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    Record {
        record: NodeRecord,
        /// Whether the sender believes it alive. A hint: no one is declared down by it.
        alive: bool,
    },
    Forgotten {
        node: NodeId,
        stamp: Stamp,
    },
}

/// A body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Body<'a> {
    Swim(&'a [u8]),
    Knock(NodeRecord),
    Welcome { record: NodeRecord, known: Option<Stamp> },
    Sums(Box<[u64; PARTS]>),
    Items(Vec<Item>),
    Want(u64),
}

/// The bytes are no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed gossip body")]
pub(super) struct Malformed;

pub(super) fn swim(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + bytes.len());
    out.push(SWIM);
    out.extend_from_slice(bytes);
    out
}

/// `own` is the encoded record.
pub(super) fn knock(own: &[u8]) -> Vec<u8> {
    let mut out = vec![KNOCK];
    out.extend_from_slice(own);
    out
}

pub(super) fn welcome(own: &[u8], known: Option<Stamp>) -> Vec<u8> {
    let mut out = vec![WELCOME, known.is_some().into()];
    put_stamp(&mut out, known.unwrap_or_default());
    out.extend_from_slice(own);
    out
}

pub(super) fn sums(sums: &[u64; PARTS]) -> Vec<u8> {
    let mut out = vec![SUMS];
    sums.iter().for_each(|sum| out.extend_from_slice(&sum.to_be_bytes()));
    out
}

pub(super) fn want(parts: u64) -> Vec<u8> {
    let mut out = vec![WANT];
    out.extend_from_slice(&parts.to_be_bytes());
    out
}

/// As many bodies as it takes, each of at most `bytes_max`.
pub(super) fn items(items: &[Item], bytes_max: usize) -> Vec<Vec<u8>> {
    let (mut bodies, mut body) = (Vec::new(), vec![ITEMS]);
    for item in items {
        // A record in the book was decoded or checked, so it encodes.
        let Some(bytes) = item_bytes(item) else { continue };
        if body.len() > 1 && body.len() + bytes.len() > bytes_max {
            bodies.push(std::mem::replace(&mut body, vec![ITEMS]));
        }
        body.extend_from_slice(&bytes);
    }
    if body.len() > 1 {
        bodies.push(body);
    }
    bodies
}

/// One item: also the form in which news of the book ride on foca's messages.
pub(super) fn item_bytes(item: &Item) -> Option<Vec<u8>> {
    let (flags, inner) = match item {
        Item::Record { record, alive } => (u8::from(*alive) * ALIVE, record.encode().ok()?),
        Item::Forgotten { node, stamp } => {
            let mut inner = node.0.to_be_bytes().to_vec();
            put_stamp(&mut inner, *stamp);
            (FORGOTTEN, inner)
        }
    };
    let mut out = vec![flags];
    out.extend_from_slice(&u16::try_from(inner.len()).ok()?.to_be_bytes());
    out.extend_from_slice(&inner);
    Some(out)
}

fn put_stamp(out: &mut Vec<u8>, stamp: Stamp) {
    out.extend_from_slice(&stamp.incarnation.to_be_bytes());
    out.extend_from_slice(&stamp.version.to_be_bytes());
}

fn take_u64(bytes: &mut &[u8]) -> Result<u64, Malformed> {
    let (number, rest) = bytes.split_first_chunk::<8>().ok_or(Malformed)?;
    *bytes = rest;
    Ok(u64::from_be_bytes(*number))
}

fn take_stamp(bytes: &mut &[u8]) -> Result<Stamp, Malformed> {
    Ok(Stamp { incarnation: take_u64(bytes)?, version: take_u64(bytes)? })
}

/// Reads one item and leaves the rest.
pub(super) fn take_item(bytes: &mut &[u8]) -> Result<Item, Malformed> {
    let ([flags, high, low], rest) = bytes.split_first_chunk::<3>().ok_or(Malformed)?;
    let len = usize::from(u16::from_be_bytes([*high, *low]));
    let (mut inner, rest) = rest.split_at_checked(len).ok_or(Malformed)?;
    *bytes = rest;
    if flags & FORGOTTEN == 0 {
        let record = NodeRecord::decode(inner).map_err(|_| Malformed)?;
        return Ok(Item::Record { record, alive: flags & ALIVE != 0 });
    }
    let item =
        Item::Forgotten { node: NodeId(take_u64(&mut inner)?), stamp: take_stamp(&mut inner)? };
    if inner.is_empty() { Ok(item) } else { Err(Malformed) }
}

/// Reads a body.
pub(super) fn decode(bytes: &[u8]) -> Result<Body<'_>, Malformed> {
    let (kind, mut rest) = bytes.split_first().ok_or(Malformed)?;
    let record = |bytes: &[u8]| NodeRecord::decode(bytes).map_err(|_| Malformed);
    match *kind {
        SWIM => Ok(Body::Swim(rest)),
        KNOCK => Ok(Body::Knock(record(rest)?)),
        WELCOME => {
            let (known, tail) = rest.split_first().ok_or(Malformed)?;
            rest = tail;
            let stamp = take_stamp(&mut rest)?;
            Ok(Body::Welcome { known: (*known != 0).then_some(stamp), record: record(rest)? })
        }
        SUMS if rest.len() == 8 * PARTS => {
            let mut sums = Box::new([0; PARTS]);
            for sum in sums.iter_mut() {
                *sum = take_u64(&mut rest)?;
            }
            Ok(Body::Sums(sums))
        }
        ITEMS => {
            let mut items = Vec::new();
            while !rest.is_empty() {
                items.push(take_item(&mut rest)?);
            }
            Ok(Body::Items(items))
        }
        WANT if rest.len() == 8 => Ok(Body::Want(take_u64(&mut rest)?)),
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::record;
    use super::*;
    use crate::base::rng::Rng;

    fn samples() -> Vec<Vec<u8>> {
        let own = record(1).encode().unwrap();
        let stamp = Stamp { incarnation: 7, version: 8 };
        let mut all = vec![
            swim(b"abc"),
            knock(&own),
            welcome(&own, None),
            welcome(&own, Some(stamp)),
            sums(&[9; PARTS]),
            want(1 << 63 | 1),
        ];
        all.extend(items(
            &[
                Item::Record { record: record(2), alive: true },
                Item::Record { record: record(3), alive: false },
                Item::Forgotten { node: NodeId(4), stamp },
            ],
            1_300,
        ));
        all
    }

    #[test]
    fn bodies_come_back_as_they_went() {
        let own = record(1);
        let stamp = Stamp { incarnation: 7, version: 8 };
        let samples = samples();
        let bodies: Vec<Body<'_>> = samples.iter().map(|bytes| decode(bytes).unwrap()).collect();
        assert_eq!(bodies[0], Body::Swim(b"abc"));
        assert_eq!(bodies[1], Body::Knock(own.clone()));
        assert_eq!(bodies[2], Body::Welcome { record: own.clone(), known: None });
        assert_eq!(bodies[3], Body::Welcome { record: own, known: Some(stamp) });
        assert_eq!(bodies[4], Body::Sums(Box::new([9; PARTS])));
        assert_eq!(bodies[5], Body::Want(1 << 63 | 1));
        let Body::Items(items) = &bodies[6] else { panic!("{:?}", bodies[6]) };
        assert_eq!(items.len(), 3);
        assert_eq!(items[2], Item::Forgotten { node: NodeId(4), stamp });
    }

    #[test]
    fn items_are_cut_into_bodies_that_fit() {
        let many: Vec<Item> =
            (0..100).map(|node| Item::Record { record: record(node), alive: true }).collect();
        let bodies = items(&many, 1_300);
        assert!(bodies.len() > 3 && bodies.iter().all(|body| body.len() <= 1_300));
        let count: usize = bodies
            .iter()
            .map(|body| match decode(body) {
                Ok(Body::Items(items)) => items.len(),
                other => panic!("{other:?}"),
            })
            .sum();
        assert_eq!(count, 100);
    }

    #[test]
    fn hostile_bodies_are_errors() {
        let (mut rng, samples) = (Rng::seeded(3), samples());
        for round in 0..40_000 {
            let mut bytes = samples[rng.below(samples.len() as u64) as usize].clone();
            match round % 3 {
                0 => bytes.truncate(rng.below(bytes.len() as u64) as usize),
                1 => bytes = (0..rng.below(100)).map(|_| rng.bits() as u8).collect(),
                _ => {
                    let at = rng.below(bytes.len() as u64) as usize;
                    bytes[at] = rng.bits() as u8;
                }
            }
            // An error or a body, never a panic; what it means is checked where it is used.
            let _ = decode(&bytes);
        }
    }
}
