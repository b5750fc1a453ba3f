//! Counters are exact.

use super::{Deed, Step};
use crate::plan::Trouble;
use crate::world::World;
use std::collections::BTreeMap;

pub fn check(
    world: &mut World,
    steps: &BTreeMap<String, Vec<Step>>,
    finals: &BTreeMap<String, Option<u64>>,
) {
    let trouble = world.setup.trouble;
    let least = match trouble {
        Trouble::Storm => u8::MAX,
        Trouble::Crash => 2,
        _ => 1,
    };
    for (key, steps) in steps.iter().filter(|(key, _)| key.starts_with("sum")) {
        let Some(sum) = finals.get(key) else { continue };
        let sum = sum.unwrap_or(0);
        let adds = || steps.iter().filter(|step| matches!(step.deed, Deed::Incr(_)));
        let certain = adds().filter(|step| step.done && step.copies >= least).count() as u64;
        let possible = adds().count() as u64;
        if sum < certain || sum > possible {
            world.wrong(format!(
                "counters: {key} is {sum}; {certain} increments are certain, {possible} possible"
            ));
        }
    }
}
