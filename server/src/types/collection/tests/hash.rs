use super::super::{Hash, HashView};
use super::{BIG, Clock, Kept, Run, check, kept, stamp, text};
use crate::base::rng::Rng;
use crate::base::version::Version;
use std::collections::{BTreeMap, BTreeSet};

type Model = BTreeMap<Vec<u8>, (Vec<u8>, Kept)>;

fn contents(view: HashView<'_>) -> Model {
    let fields = view.iter();
    let fields = fields.map(|at| (at.field.to_vec(), (at.value.to_vec(), kept(at.stamp))));
    let model: Model = fields.collect();
    assert_eq!(model.len() as u64, view.len(), "no field twice");
    model
}

fn compare(hash: &Hash, model: &Model, rng: &mut Rng, run: &Run) {
    let view = hash.view();
    assert_eq!(&contents(view), model);
    let tops = view.tops();
    for (dot, _) in model.values().map(|(_, kept)| kept).filter(|kept| !kept.0.is_zero()) {
        assert!(tops.dots().iter().any(|top| top.tag() == dot.tag() && top >= dot));
    }
    for _ in 0..20 {
        let field = text(rng, run.texts);
        let known = model.get(&field);
        assert_eq!(view.get(&field).map(|value| value.to_vec()), known.map(|it| it.0.clone()));
        assert_eq!(view.field(&field).map(|at| kept(at.stamp)), known.map(|it| it.1.clone()));
    }
    for (index, field) in view.iter().enumerate().step_by(1 + model.len() / 50) {
        assert_eq!(view.at(index as u64), Some(field));
    }
    assert_eq!(view.at(view.len()), None);
    if let Some(packed) = hash.packed() {
        assert_eq!(&contents(Hash::from_packed(packed).view()), model);
        assert_eq!(view.memory_bytes(), packed.len());
    }
}

#[test]
fn hashes_do_as_a_map_does() {
    check(|run, rng| {
        let (mut hash, mut model, mut clock) = (Hash::new(), Model::new(), Clock::of(run));
        let mut snapshots: Vec<(Hash, Model)> = Vec::new();
        for step in 0..run.steps {
            let field = text(rng, run.texts);
            // Grows, then shrinks to nothing, then grows again.
            let phase = step * 4 / run.steps;
            if rng.below(10) < [9, 6, 2, 8][phase as usize] {
                let (value, new) = (text(rng, 500), clock.tick(rng));
                let known = hash.insert(&field, &value, stamp(&new), &run.limits);
                let model_known = model.insert(field, (value, new));
                assert_eq!(known, model_known.map(|(_, kept)| kept.0));
            } else {
                let known = model.remove(&field).map(|(_, kept)| kept.0);
                assert_eq!(hash.remove(&field), known);
            }
            if step % (run.steps / 20) == 0 {
                compare(&hash, &model, rng, run);
                snapshots.push((hash.clone(), model.clone()));
            }
        }
        for (hash, model) in snapshots {
            compare(&hash, &model, rng, run);
            let mut left = hash.discard();
            while !left.free_some(3) {}
        }
        compare(&hash, &model, rng, run);
        for field in model.keys() {
            assert!(hash.remove(field).is_some());
        }
        assert!(hash.view().is_empty() && hash.view().at(0).is_none());
        assert!(hash.view().memory_bytes() < 400, "{}", hash.view().memory_bytes());
    });
}

#[test]
fn small_hashes_keep_the_order_in_which_fields_came() {
    let mut hash = Hash::new();
    for field in ["z", "5", "a", "z", "-7"] {
        hash.insert(field.as_bytes(), b"v", super::Stamp::NONE, &super::USUAL);
    }
    let order: Vec<Vec<u8>> = hash.view().iter().map(|at| at.field.to_vec()).collect();
    assert_eq!(order, [&b"z"[..], b"5", b"a", b"-7"]);
    assert_eq!(hash.view().encoding(), "listpack");
}

#[test]
fn hashes_turn_big_where_redis_does() {
    let limits = super::USUAL;
    let mut hash = Hash::new();
    for number in 0..128 {
        hash.insert(format!("{number}").as_bytes(), &[b'v'; 64], super::Stamp::NONE, &limits);
        hash.insert(b"0", &[b'v'; 64], super::Stamp::NONE, &limits);
    }
    let mut other = Hash::from_packed(hash.packed().unwrap());
    assert_eq!(hash.view().encoding(), "listpack");
    hash.insert(b"one more", b"", super::Stamp::NONE, &limits);
    other.insert(b"0", &[b'v'; 65], super::Stamp::NONE, &limits);
    for mut hash in [hash, other] {
        assert_eq!(hash.view().encoding(), "hashtable");
        assert!(hash.remove(b"1").is_some());
        assert_eq!(hash.view().encoding(), "hashtable");
    }
}

#[test]
fn a_scan_returns_all_that_is_there_throughout() {
    for seed in 0..40 {
        let mut rng = Rng::seeded(seed);
        let mut hash = Hash::new();
        let field = |number: u64| format!("field:{number}").into_bytes();
        let (stays, moves) = (1 + rng.below(2_000), rng.below(3_000));
        let put = |hash: &mut Hash, number| {
            hash.insert(&field(number), b"value", super::Stamp::NONE, &BIG);
        };
        (0..stays + moves).for_each(|number| put(&mut hash, number));
        let (mut cursor, mut seen, count) = (0, BTreeSet::new(), 1 + rng.below(100));
        loop {
            cursor = hash.view().scan(cursor, count, |at| {
                seen.insert(at.field.to_vec());
            });
            if cursor == 0 {
                break;
            }
            // What is not among those that stay comes and goes in thousands, so that leaves split and join.
            let (from, grows) = (stays + rng.below(moves + 1), rng.below(2) == 0);
            for number in from..from + rng.below(300) {
                if grows {
                    put(&mut hash, number);
                } else {
                    hash.remove(&field(number));
                }
            }
        }
        assert!((0..stays).all(|number| seen.contains(&field(number))), "seed {seed}");
    }
}

#[test]
fn a_lone_nodes_hash_has_no_dots() {
    let mut hash = Hash::new();
    assert_eq!(hash.insert(b"f", b"v", super::Stamp::NONE, &BIG), None);
    assert_eq!(hash.insert(b"f", b"w", super::Stamp::NONE, &BIG), Some(Version::ZERO));
    assert!(hash.view().tops().dots().is_empty() && hash.view().tops().has_unstamped());
}
