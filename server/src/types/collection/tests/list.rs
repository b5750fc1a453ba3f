use super::super::{Crowded, List, ListView, Position};
use super::{BIG, Clock, Kept, Run, SMALL, Stamp, USUAL, check, kept, stamp, text};
use crate::base::rng::Rng;
use crate::base::version::Version;

type Model = Vec<(Vec<u8>, Kept)>;

fn range(view: ListView<'_>, from: u64, to: u64, reverse: bool) -> Model {
    view.range(from, to, reverse).map(|at| (at.value.to_vec(), kept(at.stamp))).collect()
}

fn compare(list: &List, model: &Model, rng: &mut Rng, run: &Run) {
    let (view, len) = (list.view(), model.len() as u64);
    assert_eq!((&range(view, 0, u64::MAX, false), view.len()), (model, len));
    let positions: Vec<Position> = view.iter().map(|at| at.position).collect();
    assert!(positions.is_sorted_by(|one, other| one < other));
    for _ in 0..30 {
        let (from, to) = (rng.below(len + 2), rng.below(len + 2));
        let slice: Model = match (from as usize, (to.min(len)) as usize) {
            (from, to) if from < to => model[from..to].to_vec(),
            _ => Vec::new(),
        };
        assert_eq!(range(view, from, to, false), slice);
        assert_eq!(range(view, from, to, true), slice.into_iter().rev().collect::<Model>());
        assert_eq!(
            view.get(from).map(|value| value.to_vec()),
            model.get(from as usize).map(|at| at.0.clone())
        );
        let value = text(rng, run.texts);
        let first = model.iter().skip(from as usize).position(|at| at.0 == value);
        assert_eq!(view.find(&value, from), first.map(|at| from + at as u64));
        let last = model[..to.min(len) as usize].iter().rposition(|at| at.0 == value);
        assert_eq!(view.find_back(&value, to), last.map(|at| at as u64));
        if let Some(at) = view.at(from) {
            assert_eq!(view.place(at.position, at.stamp.dot), Ok(from));
            let other = Version::from_bits(at.stamp.dot.get() + 1);
            assert_eq!(view.place(at.position, other), Err(from + 1));
        }
    }
    if let Some(packed) = list.packed() {
        assert_eq!(&range(List::from_packed(packed).view(), 0, u64::MAX, false), model);
    }
}

#[test]
fn lists_do_as_a_vector_does() {
    check(|run, rng| {
        let (mut list, mut model, mut clock) = (List::new(), Model::new(), Clock::of(run));
        let mut snapshots: Vec<(List, Model)> = Vec::new();
        for step in 0..run.steps {
            let (value, new, len) = (text(rng, run.texts), clock.tick(rng), model.len() as u64);
            let grows = rng.below(10) < [9, 6, 3, 8][(step * 4 / run.steps) as usize];
            match rng.below(6) {
                0 | 1 if grows => {
                    list.push_back(&value, stamp(&new), &run.limits);
                    model.push((value, new));
                }
                2 if grows => {
                    list.push_front(&value, stamp(&new), &run.limits);
                    model.insert(0, (value, new));
                }
                _ if grows => {
                    let (at, before) = (rng.below(len + 1), rng.below(2) == 0);
                    let done = list.insert(at, &value, before, stamp(&new), &run.limits);
                    assert_eq!(done, Ok(()));
                    model.insert(at as usize, (value, new));
                }
                0 | 1 if len > 0 => {
                    let at = rng.below(len);
                    let old = list.set(at, &value, stamp(&new), &run.limits).unwrap();
                    assert_eq!(old, Some(model[at as usize].1.0));
                    model[at as usize] = (value, new);
                }
                _ => {
                    // Mostly from the ends, one or a few; rarely a long stretch.
                    let longest = if rng.below(100) == 0 { len + 1 } else { 3 };
                    let count = rng.below(longest.min(len + 1));
                    let from = [0, len - count, rng.below(len - count + 1)][rng.below(3) as usize];
                    let mut left = list.remove(from, from + count);
                    while !left.free_some(2) {}
                    model.drain(from as usize..(from + count) as usize);
                }
            }
            if step % (run.steps / 20) == 0 {
                compare(&list, &model, rng, run);
                snapshots.push((list.clone(), model.clone()));
            }
        }
        snapshots.push((list.clone(), model.clone()));
        for (list, model) in snapshots {
            compare(&list, &model, rng, run);
            drop(list.discard());
        }
        list.shrink(&SMALL);
        assert_eq!(
            (range(list.view(), 0, u64::MAX, false), list.view().encoding()),
            (model, "listpack")
        );
    });
}

#[test]
fn numbering_keeps_the_positions_that_were_implied() {
    for limits in [SMALL, BIG] {
        let mut list = List::new();
        let mut rng = Rng::seeded(4);
        for _ in 0..5_000 {
            let at = rng.below(list.view().len() + 1);
            list.insert(at, &text(&mut rng, 500), false, Stamp::NONE, &limits).unwrap();
        }
        let all = |list: &List| -> Vec<(Position, Vec<u8>)> {
            list.view().iter().map(|at| (at.position, at.value.to_vec())).collect()
        };
        let before = all(&list);
        list.number();
        assert_eq!(all(&list), before);
        // What is left stands where it stood, whatever goes and comes around it.
        for _ in 0..3_000 {
            let at = rng.below(list.view().len());
            drop(list.remove(at, at + 1 + rng.below(3)));
            let at = rng.below(list.view().len() + 1);
            list.insert(at, b"new", true, Stamp::of(Version::from_bits(1)), &limits).unwrap();
        }
        let after = all(&list);
        assert!(after.is_sorted_by(|one, other| one.0 < other.0));
        let old: Vec<_> = after.into_iter().filter(|at| at.1 != b"new").collect();
        assert!(old.len() > 100 && old.iter().all(|at| before.contains(at)));
    }
}

#[test]
fn two_replicas_that_put_the_same_elements_in_any_order_agree() {
    for seed in 0..20 {
        let mut rng = Rng::seeded(seed);
        let element = |rng: &mut Rng| {
            let position = Position::new(rng.below(20) as i64 - 10, rng.below(3) << 62);
            (position, Version::from_bits(1 + rng.below(60)))
        };
        let elements: Vec<_> = (0..600).map(|_| element(&mut rng)).collect();
        let build = |order: &mut dyn Iterator<Item = &(Position, Version)>, limits| {
            let mut list = List::new();
            for (position, dot) in order {
                let value = format!("{dot:?} at {position:?}");
                list.put(*position, value.as_bytes(), Stamp::of(*dot), limits);
            }
            let all = list.view().iter().map(|at| (at.position, at.stamp.dot, at.value.to_vec()));
            all.collect::<Vec<_>>()
        };
        let one = build(&mut elements.iter(), &BIG);
        assert_eq!(one, build(&mut elements.iter().rev(), &USUAL));
        assert_eq!(one, build(&mut elements.iter().rev(), &SMALL));
        assert!(one.is_sorted_by(|a, b| (a.0, a.1) < (b.0, b.1)));
    }
}

#[test]
fn setting_one_of_several_at_one_position_keeps_its_place() {
    let stamp = |dot| Stamp::of(Version::from_bits(dot));
    let mut list = List::new();
    for dot in [1, 2] {
        list.put(Position::new(0, 0), format!("{dot}").as_bytes(), stamp(dot), &USUAL);
    }
    assert_eq!(list.set(0, b"new", stamp(9), &USUAL), Ok(Some(Version::from_bits(1))));
    let values: Vec<_> = list.view().iter().map(|at| at.value.to_vec()).collect();
    assert_eq!(values, [b"new".to_vec(), b"2".to_vec()]);
    list.put(Position::new(0, 0), b"3", stamp(3), &USUAL);
    assert_eq!(list.insert(2, b"x", false, stamp(10), &USUAL), Err(Crowded));
    drop(list.respread(stamp(11), &USUAL));
    assert_eq!(list.insert(2, b"x", false, stamp(12), &USUAL), Ok(()));
    let values: Vec<_> = list.view().iter().map(|at| at.value.to_vec()).collect();
    assert_eq!(values, [b"new".to_vec(), b"2".into(), b"x".into(), b"3".into()]);
}

#[test]
fn what_replaces_an_element_makes_a_list_large_and_small_again() {
    let limits = super::Limits { bytes_max: 100, ..USUAL };
    let mut list = List::new();
    for value in [b"a", b"b"] {
        list.push_back(value, Stamp::NONE, &limits);
    }
    for (value, encoding) in [(&[b'x'; 100][..], "quicklist"), (b"c", "listpack")] {
        list.set(1, value, Stamp::NONE, &limits).unwrap();
        list.shrink(&limits);
        assert_eq!(list.view().encoding(), encoding);
        assert_eq!(list.view().get(1).unwrap().to_vec(), value);
    }
}
