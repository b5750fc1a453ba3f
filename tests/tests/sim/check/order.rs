//! Operations on a key have one order that explains all replies, while the view is stable.
//!
//! Source: Wing and Gong, "Testing and verifying concurrent objects", 1993, with the memo of Lowe, 2017.

use super::{Deed, Step};
use crate::world::World;
use std::collections::{BTreeMap, HashSet};

/// The state after `deed`, if it can have done what it did in `state`.
fn after(state: Option<u64>, deed: Deed) -> Option<Option<u64>> {
    match deed {
        Deed::Set(value) => Some(Some(value)),
        Deed::Get(seen) => (seen == state).then_some(state),
        Deed::Del(None) => Some(None),
        Deed::Del(Some(was)) => (was == state.is_some()).then_some(None),
        Deed::Incr(sum) => {
            let next = state.unwrap_or(0) + 1;
            sum.is_none_or(|sum| sum == next).then_some(Some(next))
        }
    }
}

/// Whether there is such an order. What is not certainly done may be left out.
pub fn is_linearizable(steps: &[Step]) -> bool {
    let words = steps.len().div_ceil(64);
    let has = |set: &[u64], i: usize| set[i / 64] >> (i % 64) & 1 != 0;
    let mut seen: HashSet<(Vec<u64>, Option<u64>)> = HashSet::new();
    let mut stack = vec![(vec![0u64; words], None)];
    while let Some((set, state)) = stack.pop() {
        let waiting = || (0..steps.len()).filter(|&i| !has(&set, i));
        let Some(first_end) = waiting().filter(|&i| steps[i].done).map(|i| steps[i].ended).min()
        else {
            return true;
        };
        if !seen.insert((set.clone(), state)) {
            continue;
        }
        for i in waiting().filter(|&i| steps[i].began <= first_end) {
            if let Some(next) = after(state, steps[i].deed) {
                let mut with = set.clone();
                with[i / 64] |= 1 << (i % 64);
                stack.push((with, next));
            }
        }
    }
    false
}

pub fn check(world: &mut World, steps: &BTreeMap<String, Vec<Step>>) {
    if !world.setup.trouble.is_stable() {
        return;
    }
    // What a deadline takes away is no operation of anybody's.
    for (key, steps) in steps.iter().filter(|(key, _)| !key.starts_with("ttl")) {
        if !is_linearizable(steps) {
            let listed: Vec<String> = steps
                .iter()
                .map(|it| format!("#{} {:?} {}..{}", it.number, it.deed, it.began, it.ended as i64))
                .collect();
            world.wrong(format!("order: nothing explains {key}: {listed:#?}"));
            return;
        }
    }
}

#[test]
fn the_checker_refuses_what_cannot_be() {
    let step = |began, ended, deed, done| Step {
        deed,
        began,
        ended,
        done,
        copies: 1,
        session: (0, 0),
        number: 0,
    };
    // A read that misses a write which ended before it began.
    let stale = [step(0, 1, Deed::Set(5), true), step(2, 3, Deed::Get(None), true)];
    assert!(!is_linearizable(&stale));
    // The same, if the write may not have been done.
    let lost = [step(0, u64::MAX, Deed::Set(5), false), step(2, 3, Deed::Get(None), true)];
    assert!(is_linearizable(&lost));
    // Two increments that both made one.
    let twice = [step(0, 3, Deed::Incr(Some(1)), true), step(1, 2, Deed::Incr(Some(1)), true)];
    assert!(!is_linearizable(&twice));
}
