//! A session reads what it wrote, and never something older than what it saw, while the view is stable.

use super::{Deed, Step};
use crate::world::World;
use std::collections::BTreeMap;

pub fn check(world: &mut World, steps: &BTreeMap<String, Vec<Step>>) {
    if !world.setup.trouble.is_stable() {
        return;
    }
    for (key, steps) in steps.iter().filter(|(key, _)| key.starts_with("reg")) {
        let written: BTreeMap<u64, &Step> = steps
            .iter()
            .filter_map(|step| match step.deed {
                Deed::Set(value) => Some((value, step)),
                _ => None,
            })
            .collect();
        let mut seen: BTreeMap<(usize, u64), &Step> = BTreeMap::new();
        for step in steps.iter().filter(|step| step.done) {
            let found = match step.deed {
                Deed::Get(Some(value)) => match written.get(&value) {
                    Some(write) => *write,
                    None => {
                        world.wrong(format!(
                            "sessions: #{} read {value}, which nobody wrote",
                            step.number
                        ));
                        return;
                    }
                },
                Deed::Set(_) => step,
                Deed::Get(None) => {
                    if let Some(before) = seen.get(&step.session)
                        && before.ended < step.began
                    {
                        world.wrong(format!("sessions: #{} finds no {key}", step.number));
                    }
                    continue;
                }
                _ => continue,
            };
            if let Some(before) = seen.insert(step.session, found)
                && found.ended < before.began
            {
                world.wrong(format!(
                    "sessions: #{} of {key} goes back from #{} to #{}",
                    step.number, before.number, found.number
                ));
                return;
            }
        }
    }
}
