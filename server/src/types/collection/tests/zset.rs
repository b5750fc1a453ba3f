use super::super::{Known, Zset, ZsetView};
use super::{BIG, Clock, Kept, Run, Stamp, USUAL, check, kept, stamp, text};
use crate::base::rng::Rng;
use std::collections::BTreeMap;

type Model = BTreeMap<Vec<u8>, (f64, Kept)>;

/// Few scores, so that many members share one; whole ones, fractions, and the ends.
fn score(rng: &mut Rng) -> f64 {
    match rng.below(12) {
        0 => f64::INFINITY,
        1 => f64::NEG_INFINITY,
        2 => rng.below(1_000_000) as f64 / 7.0,
        3 => -1e18,
        _ => rng.below(5) as f64 - 1.0,
    }
}

fn ranked(model: &Model) -> Vec<(f64, Vec<u8>)> {
    let mut ranked: Vec<_> = model.iter().map(|(member, at)| (at.0, member.clone())).collect();
    ranked.sort_by(|one, other| one.partial_cmp(other).unwrap());
    ranked
}

fn range(view: ZsetView<'_>, from: u64, to: u64, reverse: bool) -> Vec<(f64, Vec<u8>)> {
    view.range(from, to, reverse).map(|at| (at.score, at.member.to_vec())).collect()
}

fn compare(zset: &Zset, model: &Model, rng: &mut Rng, run: &Run) {
    let (view, mut ranked) = (zset.view(), ranked(model));
    let all: Model =
        view.iter().map(|at| (at.member.to_vec(), (at.score, kept(at.stamp)))).collect();
    assert_eq!((&all, view.len()), (model, model.len() as u64));
    assert_eq!(range(view, 0, u64::MAX, false), ranked);
    let len = view.len();
    for _ in 0..30 {
        let (from, to) = (rng.below(len + 2), rng.below(len + 2));
        let slice: Vec<_> = match (from as usize, (to.min(len)) as usize) {
            (from, to) if from < to => ranked[from..to].to_vec(),
            _ => Vec::new(),
        };
        assert_eq!(range(view, from, to, false), slice);
        assert_eq!(range(view, from, to, true), slice.into_iter().rev().collect::<Vec<_>>());
        let (member, bound) = (text(rng, run.texts), score(rng));
        let place = ranked.iter().position(|at| at.1 == member);
        let known = place.map(|rank| (rank as u64, ranked[rank].0));
        assert_eq!(view.rank(&member), known);
        assert_eq!(view.score(&member), known.map(|known| known.1));
        assert_eq!(
            view.at(from).map(|at| at.member.to_vec()),
            ranked.get(from as usize).map(|at| at.1.clone())
        );
        for inclusive in [false, true] {
            let below =
                ranked.iter().filter(|at| at.0 < bound || (inclusive && at.0 == bound)).count();
            assert_eq!(view.below_score(bound, inclusive), below as u64);
        }
    }
    ranked.reverse();
    assert_eq!(range(view, 0, u64::MAX, true), ranked);
    if let Some(packed) = zset.packed() {
        let copy = Zset::from_packed(packed);
        assert_eq!(range(copy.view(), 0, u64::MAX, true), ranked);
    }
}

#[test]
fn sorted_sets_do_as_a_sorted_map_does() {
    check(|run, rng| {
        let (mut zset, mut model, mut clock) = (Zset::new(), Model::new(), Clock::of(run));
        let mut snapshots: Vec<(Zset, Model)> = Vec::new();
        for step in 0..run.steps {
            let mut member = text(rng, run.texts);
            if run.name == "colliding" {
                // Longer ones must have different hashes: see `ranks`.
                member.truncate(32);
            }
            let known = |at: (f64, Kept)| Known { score: at.0, dot: at.1.0 };
            match rng.below(10) < [9, 6, 2, 8][(step * 4 / run.steps) as usize] {
                true => {
                    let (score, new) = (score(rng), clock.tick(rng));
                    let old = zset.insert(&member, score, stamp(&new), &run.limits);
                    assert_eq!(old, model.insert(member, (score, new)).map(known));
                }
                false => assert_eq!(zset.remove(&member), model.remove(&member).map(known)),
            }
            if rng.below(200) == 0 {
                let from = rng.below(model.len() as u64 + 1);
                let longest = 1 + rng.below(1 + model.len() as u64 / 4);
                let to = from + rng.below(longest);
                let gone = ranked(&model);
                let gone = &gone[from as usize..gone.len().min(to as usize)];
                gone.iter().for_each(|at| drop(model.remove(&at.1)));
                assert_eq!(zset.remove_ranks(from, to), gone.len() as u64);
            }
            if step % (run.steps / 10) == 0 {
                compare(&zset, &model, rng, run);
                snapshots.push((zset.clone(), model.clone()));
            }
        }
        snapshots.push((zset.clone(), model.clone()));
        for (zset, model) in snapshots {
            compare(&zset, &model, rng, run);
            let mut left = zset.discard();
            while !left.free_some(5) {}
        }
        assert_eq!(zset.remove_ranks(0, u64::MAX), model.len() as u64);
        assert!(zset.view().is_empty() && zset.view().memory_bytes() < 600);
    });
}

#[test]
fn members_of_one_score_are_found_by_their_text() {
    for limits in [super::SMALL, BIG] {
        let (mut zset, mut members) = (Zset::new(), Vec::new());
        let mut rng = Rng::seeded(9);
        for _ in 0..3_000 {
            let member = text(&mut rng, 2_000);
            zset.insert(&member, 0.0, Stamp::NONE, &limits);
            members.push(member);
        }
        members.sort();
        members.dedup();
        for _ in 0..300 {
            let bound = text(&mut rng, 2_000);
            let below = members.iter().filter(|member| **member < bound).count() as u64;
            let has = members.binary_search(&bound).is_ok() as u64;
            assert_eq!(zset.view().below_member(&bound, false), below);
            assert_eq!(zset.view().below_member(&bound, true), below + has);
        }
    }
}

#[test]
fn sorted_sets_turn_big_where_redis_does_and_never_hold_nan() {
    let mut zset = Zset::new();
    for number in 0..128 {
        zset.insert(format!("{number}").as_bytes(), number as f64, Stamp::NONE, &USUAL);
    }
    zset.insert(b"5", f64::NAN, Stamp::NONE, &USUAL);
    assert_eq!((zset.view().encoding(), zset.view().score(b"5")), ("listpack", Some(0.0)));
    zset.insert(b"one more", -0.0, Stamp::NONE, &USUAL);
    assert_eq!(zset.view().encoding(), "skiplist");
    assert!(zset.view().score(b"one more").unwrap().is_sign_negative());
    zset.insert(b"one more", 0.0, Stamp::NONE, &USUAL);
    let rank = zset.view().rank(b"one more").unwrap().0;
    assert!(zset.view().at(rank).unwrap().score.is_sign_positive());
}
