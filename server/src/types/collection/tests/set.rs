use super::super::{Set, SetView};
use super::{Clock, Kept, Run, Stamp, USUAL, check, kept, stamp, text};
use crate::base::rng::Rng;
use std::collections::BTreeMap;

type Model = BTreeMap<Vec<u8>, Kept>;

fn contents(view: SetView<'_>) -> Model {
    let model: Model = view.iter().map(|at| (at.member.to_vec(), kept(at.stamp))).collect();
    assert_eq!(model.len() as u64, view.len(), "no member twice");
    model
}

fn compare(set: &Set, model: &Model, rng: &mut Rng, run: &Run) {
    let view = set.view();
    assert_eq!(&contents(view), model);
    for _ in 0..20 {
        let member = text(rng, run.texts);
        assert_eq!(view.member(&member).map(|at| kept(at.stamp)), model.get(&member).cloned());
    }
    for (index, member) in view.iter().enumerate().step_by(1 + model.len() / 50) {
        assert_eq!(view.at(index as u64), Some(member));
    }
    if view.encoding() == "intset" {
        let values: Vec<_> = view.iter().map(|at| at.member.integer()).collect();
        assert!(values.is_sorted() && values.iter().all(Option::is_some));
    }
    if let Some(packed) = set.packed() {
        assert_eq!(&contents(Set::from_packed(packed).view()), model);
    }
}

fn history(run: &Run, rng: &mut Rng, integers_until: u64) {
    let (mut set, mut model, mut clock) = (Set::new(), Model::new(), Clock::of(run));
    let mut snapshots: Vec<(Set, Model)> = Vec::new();
    for step in 0..run.steps {
        let mut member = text(rng, run.texts);
        if step < integers_until {
            let width = [7, 15, 31, 62][rng.below(4) as usize];
            let step = (1i64 << width) / run.texts as i64;
            let value = rng.below(run.texts) as i64 * step.max(1);
            member = format!("{}", value - (1 << width) / 2).into_bytes();
        }
        if rng.below(10) < [9, 6, 2, 8][(step * 4 / run.steps) as usize] {
            let new = clock.tick(rng);
            let known = set.insert(&member, stamp(&new), &run.limits);
            assert_eq!(known, model.get(&member).map(|kept| kept.0));
            if known.is_none() || !stamp(&new).is_none() {
                model.insert(member, new);
            }
        } else {
            assert_eq!(set.remove(&member), model.remove(&member).map(|kept| kept.0));
        }
        if step % (run.steps / 20) == 0 {
            compare(&set, &model, rng, run);
            snapshots.push((set.clone(), model.clone()));
        }
    }
    snapshots.push((set, model));
    for (set, model) in snapshots {
        compare(&set, &model, rng, run);
        drop(set.discard());
    }
}

#[test]
fn sets_do_as_a_set_does() {
    check(|run, rng| history(run, rng, 0));
}

#[test]
fn sets_of_integers_do_as_a_set_does() {
    check(|run, rng| history(run, rng, u64::MAX));
    check(|run, rng| history(run, rng, run.steps / 10));
}

#[test]
fn sets_change_form_where_redis_does() {
    let of = |members: &mut dyn Iterator<Item = String>| {
        let mut set = Set::new();
        for member in members {
            set.insert(member.as_bytes(), Stamp::NONE, &USUAL);
        }
        let order: Vec<Vec<u8>> = set.view().iter().map(|at| at.member.to_vec()).collect();
        (set.view().encoding(), order)
    };
    let numbers = |count: i64| (0..count).rev().map(|number| number.to_string());
    let (encoding, order) = of(&mut ["3", "-200000", "7"].map(String::from).into_iter());
    assert_eq!((encoding, order), ("intset", vec![b"-200000".to_vec(), b"3".into(), b"7".into()]));
    // The integers in their order, then what came later.
    let (encoding, order) = of(&mut ["3", "a", "1"].map(String::from).into_iter());
    assert_eq!((encoding, order), ("listpack", vec![b"3".to_vec(), b"a".into(), b"1".into()]));
    assert_eq!(of(&mut ["01"].map(String::from).into_iter()).0, "listpack");
    assert_eq!(of(&mut numbers(512)).0, "intset");
    assert_eq!(of(&mut numbers(513)).0, "hashtable");
    assert_eq!(of(&mut numbers(127).chain(["a".into()])).0, "listpack");
    assert_eq!(of(&mut numbers(128).chain(["a".into()])).0, "hashtable");
    assert_eq!(of(&mut ["a".repeat(65)].into_iter()).0, "hashtable");
    assert_eq!(of(&mut ["a".repeat(64)].into_iter()).0, "listpack");
}

#[test]
fn a_set_of_integers_takes_two_bytes_for_small_ones() {
    let mut set = Set::new();
    for number in 0..100 {
        set.insert(format!("{number}").as_bytes(), Stamp::NONE, &USUAL);
    }
    assert_eq!(set.packed().unwrap().len(), 8 + 2 * 100);
    set.insert(b"100000", Stamp::NONE, &USUAL);
    assert_eq!(set.packed().unwrap().len(), 8 + 4 * 101);
}
