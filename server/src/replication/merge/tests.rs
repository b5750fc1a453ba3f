//! The laws of the join, by seeds, and what readers see of what partitions leave behind.

use super::*;
use crate::base::rng::Rng;
use crate::replication::effect::{Effect, Op, ValueRef, encode};
use torc_protocol::slot::Slot;

mod collections;

/// Makes an effect of that version by a node that has seen so much and holds that state.
type Make = fn(&mut Rng, Version, &Vector, &SlotState) -> Vec<u8>;

fn dot(at: u64, tag: u64) -> Version {
    Version::from_bits(at << 12 | tag)
}

/// A history: effects of three writers, each with what it had seen.
struct History {
    effects: Vec<(Version, Vector, Vec<u8>)>,
}

impl History {
    fn random(rng: &mut Rng, make: Make) -> Self {
        let mut effects: Vec<(Version, Vector, Vec<u8>)> = Vec::new();
        // What each writer covers and holds.
        let mut nodes: Vec<(Vector, SlotState)> = vec![Default::default(); 3];
        for at in 1..2 + rng.below(14) {
            let who = rng.below(3) as usize;
            // Sometimes it hears of another first.
            let (heard, state) = nodes[rng.below(3) as usize].clone();
            if rng.below(2) == 0 {
                let own = nodes[who].0.clone();
                nodes[who].1.join(&own, state, &heard);
                nodes[who].0.join(&heard);
            }
            let (vector, state) = &mut nodes[who];
            let version = dot(at, who as u64 + 1);
            let bytes = make(rng, version, vector, state);
            let effect = Effect::decode(&bytes).unwrap();
            let seen = vector.clone();
            let context = Context { version, others: &seen };
            state.apply(&effect, &context).unwrap();
            vector.raise(version);
            effects.push((version, seen, bytes));
        }
        History { effects }
    }

    /// The state after a part of the history that holds with each effect all that it had seen: effects in an order of chance.
    fn play(&self, rng: &mut Rng, upto: &Vector) -> Option<SlotState> {
        let mut state = SlotState::new();
        let mut applied = Vector::new();
        let mut open: Vec<usize> =
            (0..self.effects.len()).filter(|&index| upto.covers(self.effects[index].0)).collect();
        while !open.is_empty() {
            let ready: Vec<usize> = (0..open.len())
                .filter(|&at| applied.covers_all(&self.effects[open[at]].1))
                .collect();
            let at = ready[rng.below(ready.len() as u64) as usize];
            let (version, seen, bytes) = &self.effects[open.remove(at)];
            let context = Context { version: *version, others: seen };
            // An operation whose base is gone has to be fetched; that is the model's to show.
            state.apply(&Effect::decode(bytes).unwrap(), &context).ok()?;
            applied.raise(*version);
        }
        Some(state)
    }

    /// What a random writer, and what it had heard, covers.
    fn cut(&self, rng: &mut Rng) -> Vector {
        let mut cut = Vector::new();
        for _ in 0..rng.below(3) {
            let (version, seen, _) = &self.effects[rng.below(self.effects.len() as u64) as usize];
            cut.join(seen);
            cut.raise(*version);
        }
        cut
    }
}

fn random_effect(rng: &mut Rng, version: Version, seen: &Vector, state: &SlotState) -> Vec<u8> {
    let key: &[u8] = [&b"a"[..], b"b"][rng.below(2) as usize];
    let shown = state.get(0, key).and_then(KeyState::shown_ever);
    let number = rng.below(1000) as i64;
    let deadline = (rng.below(3) == 0).then(|| 1 + rng.below(100));
    let base = shown.as_ref().and_then(|shown| shown.base);
    let op = match (rng.below(8), base) {
        (0 | 1, _) => Op::Put {
            db: 0,
            key,
            value: ValueRef::Integer(number),
            value_version: None,
            deadline,
            deadline_version: None,
        },
        (2, _) => Op::Delete { db: 0, key },
        (3, Some(base)) => Op::Deadline { db: 0, key, base, deadline },
        (4, Some(base)) => Op::Splice { db: 0, key, base, len: 5, offset: 1, bytes: b"xyz" },
        (5, _) => Op::Flush { db: None, seen: seen.clone() },
        _ => {
            let cell = state.get(0, key).and_then(|state| state.cell(version.tag()));
            let sum = cell.map_or(Amount::Integer(number), |cell| cell.sum.plus(number));
            let Amount::Integer(sum) = sum else { unreachable!() };
            Op::Count {
                db: 0,
                key,
                epoch: shown.as_ref().map_or(Version::ZERO, |shown| shown.epoch),
                sum: crate::replication::effect::AmountRef::Integer(sum),
                deadline: shown.as_ref().and_then(|shown| shown.ttl.deadline),
                deadline_version: Some(shown.map_or(Version::ZERO, |shown| shown.ttl.version)),
            }
        }
    };
    let mut bytes = Vec::new();
    let slot = Slot::new(0).unwrap();
    encode(&mut bytes, slot, (Version::ZERO, version), &Vector::new(), &[op]);
    bytes
}

type State = (Vector, SlotState);

fn join(a: &State, b: &State) -> State {
    let mut joined = a.clone();
    joined.1.join(&a.0, b.1.clone(), &b.0);
    joined.0.join(&b.0);
    joined
}

/// Seeds to run: `TORC_MERGE_SEED` alone, or `count` of them.
fn seeds(count: u64) -> Vec<u64> {
    match std::env::var("TORC_MERGE_SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => vec![seed],
        None => (0..count).collect(),
    }
}

#[test]
fn the_join_is_commutative_associative_and_idempotent() {
    for seed in seeds(20_000) {
        check_laws(seed, random_effect);
    }
}

fn check_laws(seed: u64, make: Make) {
    let mut rng = Rng::seeded(seed);
    let history = History::random(&mut rng, make);
    let mut cuts = Vec::new();
    while cuts.len() < 3 {
        let cut = history.cut(&mut rng);
        // Where a base is missing, the cut's state comes from nowhere; another one will do.
        match history.play(&mut rng, &cut) {
            Some(state) => cuts.push((cut, state)),
            None => cuts.push((Vector::new(), SlotState::new())),
        }
    }
    let [a, b, c] = &cuts[..] else { unreachable!() };
    assert_eq!(join(a, b), join(b, a), "TORC_MERGE_SEED={seed}: not commutative");
    assert_eq!(&join(a, a), a, "TORC_MERGE_SEED={seed}: not idempotent");
    assert_eq!(
        join(&join(a, b), c),
        join(a, &join(b, c)),
        "TORC_MERGE_SEED={seed}: not associative"
    );
    // The state is a function of the history: playing the joined history gives what joining gave.
    let (both, joined) = join(a, b);
    if let Some(played) = history.play(&mut rng, &both) {
        assert_eq!(joined, played, "TORC_MERGE_SEED={seed}: the way matters");
    }
}

fn register(version: Version, value: i64) -> Register {
    let ttl = Ttl { deadline: None, version };
    Register { version, ttl, value: Value::Integer(value) }
}

#[test]
fn both_seen_means_both_gone() {
    // Each side wrote the key, heard of the other's write, and deleted it; then each holds what only a part of the other's history had:
    // an earlier prototype let the later of the two win and so brought back what had been deleted.
    let (a, b) = (dot(1, 1), dot(2, 2));
    let both: Vector = [a, b].into_iter().collect();
    let mut left = KeyState::with_register(register(a, 1));
    let right = KeyState::with_register(register(b, 2));
    left.join(&both, right, &both);
    assert!(left.is_empty());
}

#[test]
fn a_loser_survives_the_winner_that_was_deleted_without_knowing_of_it() {
    let (early, late, removal) = (dot(1, 1), dot(2, 2), dot(3, 2));
    let none = Vector::new();
    let context = |version| Context { version, others: &none };
    let put = |value| Op::Put {
        db: 0,
        key: b"k",
        value: ValueRef::Integer(value),
        value_version: None,
        deadline: None,
        deadline_version: None,
    };
    let delete = Op::Delete { db: 0, key: b"k" };
    let steps = [(early, put(1)), (late, put(2)), (removal, delete)];
    let orders = [[0, 1, 2], [1, 0, 2], [1, 2, 0]];
    for order in orders {
        let mut state = KeyState::default();
        for index in order {
            let (version, op) = &steps[index];
            state.apply(op, &context(*version)).unwrap();
            if state.registers().iter().count() == 2 {
                assert_eq!(*state.shown(0).unwrap().value, Value::Integer(2));
                assert!(state.has_hidden());
            }
        }
        assert_eq!(*state.shown(0).unwrap().value, Value::Integer(1), "{order:?}");
    }
}

#[test]
fn counters_add_up_and_a_set_overrules_what_it_had_not_seen() {
    let cell = |version, epoch, sum| Cell {
        version,
        epoch,
        sum: Amount::Integer(sum),
        ttl: Ttl::default(),
    };
    let base = register(dot(1, 1), 10);
    let mut state = KeyState::with_register(base);
    state.add_cell(cell(dot(2, 1), dot(1, 1), 5));
    state.add_cell(cell(dot(2, 2), dot(1, 1), 7));
    assert_eq!(*state.shown(0).unwrap().value, Value::Integer(22));
    state.add_cell(cell(dot(4, 2), dot(1, 1), 9));
    assert_eq!(*state.shown(0).unwrap().value, Value::Integer(24));
    state.add_register(register(dot(5, 3), 100));
    assert_eq!(*state.shown(0).unwrap().value, Value::Integer(100));
    // Both registers deleted: what was added unseen counts from nothing.
    state.forget(&|version| version == dot(1, 1) || version == dot(5, 3));
    assert_eq!(*state.shown(0).unwrap().value, Value::Integer(14));
}

#[test]
fn decimals_are_summed_in_the_order_of_tags() {
    let cell = |tag, text: &str| Cell {
        version: dot(9 - tag, tag),
        epoch: Version::ZERO,
        sum: Amount::Decimal(text.as_bytes().into()),
        ttl: Ttl::default(),
    };
    let base = Value::Bytes { bytes: b"10.5"[..].into(), raw: false };
    let cells = [cell(3, "0.1"), cell(1, "0.25"), cell(2, "1e-3")];
    let forward = total(Some(&base), cells.iter());
    let backward = total(Some(&base), cells.iter().rev());
    assert_eq!(forward, backward);
    assert_eq!(forward.to_bytes(), b"10.851");
    // Text that is no number counts as nothing, wherever it stands.
    let junk = [cell(1, "junk"), cell(2, "2")];
    assert_eq!(total(None, junk.iter()).to_bytes(), b"2");
    let word = Value::Bytes { bytes: b"word"[..].into(), raw: false };
    assert_eq!(total(Some(&word), junk.iter()), word);
}

#[test]
fn deadlines_hide_at_once_and_the_later_one_counts() {
    let mut state = KeyState::with_register(Register {
        ttl: Ttl { deadline: Some(50), version: dot(2, 1) },
        ..register(dot(1, 1), 1)
    });
    assert!(state.shown(49).is_some() && state.shown(50).is_none());
    // The other side of a partition had given the same value another deadline.
    state.add_register(Register {
        ttl: Ttl { deadline: Some(80), version: dot(3, 2) },
        ..register(dot(1, 1), 1)
    });
    assert!(state.shown(79).is_some() && state.shown(80).is_none());
    state.drop_expired(60);
    assert!(state.shown(79).is_some());
    assert_eq!(state.registers().iter().count(), 1);
}

#[test]
fn one_dot_with_two_contents_comes_to_the_same_on_both_sides() {
    // Two nodes that use one tag may give one dot to two writes.
    let one = KeyState::with_register(register(dot(1, 1), 1));
    let two = KeyState::with_register(register(dot(1, 1), 2));
    let seen: Vector = [dot(1, 1)].into_iter().collect();
    let (mut left, mut right) = (one.clone(), two.clone());
    left.join(&seen, two, &seen);
    right.join(&seen, one, &seen);
    assert_eq!(left, right);
}
