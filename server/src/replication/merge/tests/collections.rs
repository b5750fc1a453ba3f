//! The same laws for the elements of collections, and what becomes of each type that sides of a partition wrote.

use super::*;
use crate::replication::effect::{AmountRef, ElementChange};
use crate::store::{Changes, Kind, put_change};
use crate::types::collection::StreamId;
use crate::types::collection::stream::{
    ConsumerState, GroupState, Meta, consumer_id, consumer_value, entry_id, group_id, group_value,
    meta_id, meta_value, pending_id, pending_value,
};

const KINDS: [Kind; 5] = [Kind::Hash, Kind::Set, Kind::Zset, Kind::List, Kind::Stream];

/// An element that is put: its name, and what it holds.
fn random_element(rng: &mut Rng, kind: Kind) -> (Vec<u8>, Vec<u8>) {
    let number = rng.below(3);
    let name = [b'a' + number as u8].to_vec();
    match kind {
        Kind::Hash => (name, rng.below(1000).to_string().into_bytes()),
        Kind::Zset => (name, (rng.below(9) as f64).to_bits().to_be_bytes().to_vec()),
        Kind::List => (number.to_be_bytes().to_vec(), rng.below(1000).to_string().into_bytes()),
        Kind::Stream => {
            let id = StreamId::new(1, number);
            let read = GroupState { last_id: id, entries_read: Some(number) };
            let seen = ConsumerState { seen_ms: number as i64, active_ms: None };
            match rng.below(6) {
                0 => (meta_id().to_vec(), meta_value(&Meta { last_id: id, ..Meta::default() })),
                1 => (group_id(&name), group_value(&read)),
                2 => (consumer_id(b"g", &name), consumer_value(&seen)),
                3 => (pending_id(b"g", id), pending_value(&name, number as i64, 1)),
                _ => (entry_id(id, None), b"\x01f\x01v".to_vec()),
            }
        }
        _ => (name, Vec::new()),
    }
}

/// A change to an element, as a node tells it that has `state`.
fn random_change(
    out: &mut Vec<u8>,
    rng: &mut Rng,
    (kind, version): (Kind, Version),
    state: Option<&KeyState>,
) {
    let known: Vec<(&ElementId, &Field)> = state
        .into_iter()
        .flat_map(|state| state.elements().iter().filter(|(id, _)| id.kind == kind))
        .collect();
    let dice = rng.below(5);
    if dice == 0 && !known.is_empty() {
        let (id, _) = known[rng.below(known.len() as u64) as usize];
        return put_change(out, &ElementChange::Remove { id: &id.id });
    }
    let (id, value) = random_element(rng, kind);
    if dice > 2 || !matches!(kind, Kind::Hash | Kind::Zset) {
        let value = ValueRef::Bytes { bytes: &value, raw: false };
        return put_change(out, &ElementChange::Put { id: &id, value });
    }
    let field = known.iter().find(|(other, _)| *other.id == *id).map(|(_, field)| *field);
    let epoch = field.and_then(Field::shown_ever).map_or(Version::ZERO, |shown| shown.epoch);
    let own = field.and_then(|field| field.cell(version.tag())).map(|cell| cell.sum.clone());
    let by = 1 + rng.below(9) as i64;
    let sum = match (own, kind) {
        (Some(Amount::Integer(sum)), Kind::Hash) => AmountRef::Integer(sum + by),
        (Some(Amount::Score { from, reached }), Kind::Zset) => {
            let reached = (f64::from_bits(reached) + by as f64).to_bits();
            AmountRef::Score { from, reached }
        }
        (_, Kind::Hash) => AmountRef::Integer(by),
        _ => AmountRef::Score { from: 0f64.to_bits(), reached: (by as f64).to_bits() },
    };
    put_change(out, &ElementChange::Count { id: &id, epoch, sum });
}

fn random_effect_of_collections(
    rng: &mut Rng,
    version: Version,
    seen: &Vector,
    state: &SlotState,
) -> Vec<u8> {
    // Types meet, under one key.
    if rng.below(8) == 0 {
        return random_effect(rng, version, seen, state);
    }
    let key: &[u8] = [&b"a"[..], b"b"][rng.below(2) as usize];
    let mut told = Vec::new();
    let kind = KINDS[rng.below(KINDS.len() as u64) as usize];
    for _ in 0..1 + rng.below(3) {
        random_change(&mut told, rng, (kind, version), state.get(0, key));
    }
    let changes = Changes::new(&told).unwrap();
    let op = match rng.below(10) {
        0 => Op::Head { db: 0, key, deadline: (rng.below(2) == 0).then(|| 1 + rng.below(100)) },
        _ => Op::Elements { db: 0, key, kind, changes },
    };
    let mut bytes = Vec::new();
    let slot = Slot::new(0).unwrap();
    encode(&mut bytes, slot, (Version::ZERO, version), &Vector::new(), &[op]);
    bytes
}

#[test]
fn the_join_of_collections_is_commutative_associative_and_idempotent() {
    for seed in seeds(20_000) {
        check_laws(seed, random_effect_of_collections);
    }
}

/// What a writer did: what it had seen, and what it tells.
fn wrote(
    state: &mut State,
    version: Version,
    kind: Kind,
    changes: impl Fn(&mut dyn FnMut(&ElementChange<'_>)),
) {
    let mut told = Vec::new();
    changes(&mut |change| put_change(&mut told, change));
    let changes = Changes::new(&told).unwrap();
    let mut bytes = Vec::new();
    let op = Op::Elements { db: 0, key: b"k", kind, changes };
    let slot = Slot::new(0).unwrap();
    encode(&mut bytes, slot, (Version::ZERO, version), &Vector::new(), &[op]);
    let seen = state.0.clone();
    let context = Context { version, others: &seen };
    state.1.apply(&Effect::decode(&bytes).unwrap(), &context).unwrap();
    state.0.raise(version);
}

fn put<'a>(id: &'a [u8], value: &'a [u8]) -> ElementChange<'a> {
    ElementChange::Put { id, value: ValueRef::Bytes { bytes: value, raw: false } }
}

/// Of three sides, each of which has seen the first state and none of the others.
fn sides(first: &State) -> [State; 3] {
    [(); 3].map(|()| first.clone())
}

fn joined(sides: &[State; 3]) -> KeyState {
    let [a, b, c] = sides;
    join(&join(a, b), c).1.get(0, b"k").cloned().unwrap_or_default()
}

fn names(state: &KeyState, kind: Kind) -> Vec<Vec<u8>> {
    state.shown_elements(kind).map(|(id, _)| id.to_vec()).collect()
}

#[test]
fn of_a_member_that_is_added_and_removed_at_once_the_addition_stays() {
    for kind in [Kind::Hash, Kind::Set, Kind::Zset] {
        let value = 1f64.to_bits().to_be_bytes();
        let mut first = State::default();
        wrote(&mut first, dot(1, 1), kind, |tell| {
            [b"m", b"n"].iter().for_each(|id| tell(&put(*id, &value)));
        });
        let mut sides = sides(&first);
        wrote(&mut sides[0], dot(2, 1), kind, |tell| {
            tell(&ElementChange::Remove { id: b"m" });
            tell(&ElementChange::Remove { id: b"n" });
        });
        wrote(&mut sides[1], dot(3, 2), kind, |tell| tell(&put(b"m", &value)));
        wrote(&mut sides[2], dot(4, 3), kind, |tell| tell(&put(b"o", &value)));
        // What one side removed and no other touched is gone.
        assert_eq!(names(&joined(&sides), kind), [b"m".to_vec(), b"o".to_vec()], "{kind:?}");
    }
}

#[test]
fn what_three_sides_count_adds_up() {
    let mut first = State::default();
    wrote(&mut first, dot(1, 1), Kind::Hash, |tell| tell(&put(b"f", b"100")));
    let mut sides = sides(&first);
    for (side, by) in [5i64, 20, 70].into_iter().enumerate() {
        let tag = side as u64 + 1;
        for round in 1..=2 {
            let sum = AmountRef::Integer(by * round);
            wrote(&mut sides[side], dot(2 + round as u64, tag), Kind::Hash, |tell| {
                tell(&ElementChange::Count { id: b"f", epoch: dot(1, 1), sum });
            });
        }
    }
    let state = joined(&sides);
    let (_, shown) = state.shown_elements(Kind::Hash).next().unwrap();
    assert_eq!(*shown.value, Value::Integer(100 + 2 * (5 + 20 + 70)));
}

/// A place in a list, or an id in a stream, is taken by all sides at once: each keeps its own.
#[test]
fn what_is_pushed_or_added_at_one_place_stays_side_by_side() {
    let id = entry_id(StreamId::new(5, 0), None);
    for (kind, id) in [(Kind::List, &7u64.to_be_bytes()[..]), (Kind::Stream, &id)] {
        let mut sides = sides(&State::default());
        for (side, state) in sides.iter_mut().enumerate() {
            let value = [b'0' + side as u8];
            wrote(state, dot(1 + side as u64, 1 + side as u64), kind, |tell| {
                tell(&put(id, &value));
            });
        }
        let state = joined(&sides);
        let values: Vec<Value> =
            state.shown_elements(kind).map(|(_, shown)| shown.value.into_owned()).collect();
        assert_eq!(values.len(), 3, "{kind:?}");
        // In the order of their versions, on all nodes.
        let mut again = sides.clone();
        again.reverse();
        assert_eq!(joined(&again), state);
        let known = names(&state, kind);
        assert!(known.is_sorted(), "{known:?}");

        // One side pops what it has seen: its own. Then all have seen all, and one removes them.
        let own = [id, &dot(1, 1).get().to_be_bytes()].concat();
        wrote(&mut sides[0], dot(9, 1), kind, |tell| tell(&ElementChange::Remove { id: &own }));
        assert_eq!(names(&joined(&sides), kind), known[1..]);
        let mut all = join(&join(&sides[0], &sides[1]), &sides[2]);
        wrote(&mut all, dot(10, 2), kind, |tell| {
            known[1..].iter().for_each(|id| tell(&ElementChange::Remove { id }));
        });
        sides[2] = all;
        assert!(joined(&sides).is_empty(), "{kind:?}");
    }
}

/// What two sides acknowledge of the same delivery is gone; what one of them delivers anew meanwhile stays pending.
#[test]
fn what_is_pending_goes_by_whoever_has_seen_it() {
    let (one, two) = (pending_id(b"g", StreamId::new(1, 0)), pending_id(b"g", StreamId::new(2, 0)));
    let value = pending_value(b"c", 5, 1);
    let mut first = State::default();
    wrote(&mut first, dot(1, 1), Kind::Stream, |tell| {
        [&one, &two].into_iter().for_each(|id| tell(&put(id, &value)));
    });
    let mut sides = sides(&first);
    for (side, state) in sides.iter_mut().take(2).enumerate() {
        wrote(state, dot(2, side as u64 + 1), Kind::Stream, |tell| {
            tell(&ElementChange::Remove { id: &one });
            tell(&ElementChange::Remove { id: &two });
        });
    }
    wrote(&mut sides[2], dot(3, 3), Kind::Stream, |tell| tell(&put(&two, &value)));
    assert_eq!(names(&joined(&sides), Kind::Stream), [two]);
}
