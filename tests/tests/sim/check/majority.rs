//! R + W = a majority: what was acknowledged by two of three copies is read by whoever asks two of them, though a node died in between.

use super::{Deed, Step};
use crate::plan::Trouble;
use crate::world::World;
use std::collections::BTreeMap;

/// Clients that demand two copies read from a majority as well, so of them alone this is asked.
const COPIES: u8 = 2;

pub fn check(world: &mut World, steps: &BTreeMap<String, Vec<Step>>) {
    // Two that die at a time may take both copies along.
    if world.setup.trouble == Trouble::Storm {
        return;
    }
    // What sides wrote that served apart is put into order by the clocks. Of three nodes one side alone has two copies; of more each may, for it makes new ones. A node that thaws
    // finds two as well, before it hears that another serves: what it writes then is the later of the two only if its clock says so.
    let split = world.setup.trouble == Trouble::Split;
    let (few, first_cut) = (world.seats.len() == 3, world.first_cut.unwrap_or(u64::MAX));
    let apart_us = world.clocks_apart_us;
    let is_before = |set: &Step, last: &Step| {
        let by_the_clocks = set.ended.saturating_add(apart_us) < last.began;
        let is_on_one_side = few && set.copies >= COPIES && by_the_clocks;
        set.ended < last.began && (!split || set.ended < first_cut || is_on_one_side)
    };
    for (key, steps) in steps.iter().filter(|(key, _)| key.starts_with("reg")) {
        let sets = || {
            steps.iter().filter_map(|step| match step.deed {
                Deed::Set(value) => Some((value, step)),
                _ => None,
            })
        };
        let reads = steps.iter().filter_map(|step| match step.deed {
            Deed::Get(value) if step.done && step.copies == COPIES => Some((value, step)),
            _ => None,
        });
        for (value, read) in reads {
            let before = sets()
                .map(|(_, set)| set)
                .filter(|set| set.done && set.copies >= COPIES && set.ended < read.began);
            let Some(last) = before.max_by_key(|set| set.began) else { continue };
            let found = value.map(|value| sets().find(|(it, _)| *it == value).map(|(_, set)| set));
            let is_older = match found {
                None => true,
                Some(Some(set)) => is_before(set, last),
                // The checker of sessions tells of what nobody wrote.
                Some(None) => false,
            };
            if is_older {
                world.wrong(format!(
                    "majority: #{} read {value:?} of {key}, though #{} was on two copies",
                    read.number, last.number
                ));
                return;
            }
        }
    }
}
