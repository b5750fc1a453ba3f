//! Acknowledged writes are not lost.

use super::{Deed, Step};
use crate::plan::Trouble;
use crate::world::World;
use std::collections::BTreeMap;

/// A write that had its copies survives: what is left in the end is no older. Where a crash may take what one node alone has, that holds for writes with two
/// copies; where sides served apart, the clocks decide between them, and all that is said is that something is left.
pub fn check(
    world: &mut World,
    steps: &BTreeMap<String, Vec<Step>>,
    finals: &BTreeMap<String, Option<u64>>,
) {
    let trouble = world.setup.trouble;
    if trouble == Trouble::Storm {
        return;
    }
    for (key, steps) in steps {
        if !key.starts_with("reg") && !key.starts_with("lasting") {
            continue;
        }
        let least = if trouble.forgets() { 2 } else { 1 };
        let sets = || {
            steps.iter().filter_map(|step| match step.deed {
                Deed::Set(value) => Some((value, step)),
                _ => None,
            })
        };
        let kept = || sets().filter(|(_, step)| step.done && step.copies >= least);
        let Some(last) = kept().map(|(_, step)| step.began).max() else { continue };
        match finals.get(key).copied().flatten() {
            None if finals.contains_key(key) => {
                world.wrong(format!("acked: {key} is gone, though it was written"));
            }
            None => {}
            Some(value) if trouble != Trouble::Split => {
                let Some((_, step)) = sets().find(|(it, _)| *it == value) else {
                    world.wrong(format!("acked: {key} holds {value}, which nobody wrote"));
                    continue;
                };
                if step.ended < last {
                    let newer = kept().find(|(_, it)| it.began == last);
                    world.wrong(format!(
                        "acked: {key} holds {value} of #{}, older than #{:?}",
                        step.number,
                        newer.map(|(_, it)| it.number)
                    ));
                }
            }
            Some(_) => {}
        }
    }
}
