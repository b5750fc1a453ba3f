//! Whoever holds a value is told when it is another: none is held for good that is not so any more, and once all is quiet each change is told at once.
//!
//! What is told in time while the world lives, [`crate::tracker`] looks at.

use crate::history::{Ask, Outcome};
use crate::plan::LASTING;
use crate::tracker::MOMENT_US;
use crate::world::World;
use std::collections::BTreeMap;

pub fn check(world: &mut World, finals: &BTreeMap<String, Option<u64>>) {
    if !world.setup.tracks {
        return;
    }
    let mut wrongs = Vec::new();
    for (number, guest) in world.guests.iter().enumerate() {
        let Some(tracker) = &guest.tracker else { continue };
        // Keys with deadlines may have gone since.
        for (key, held) in tracker.held.iter().filter(|(key, _)| !key.starts_with("ttl")) {
            if finals.get(key).is_some_and(|value| *value != held.value) {
                wrongs.push(format!(
                    "tracking: guest {number} ({:?}) at {} goes by {:?} of {key}, read by #{}, which is {:?}",
                    tracker.mode, guest.home, held.value, held.number, finals[key]
                ));
            }
        }
    }
    wrongs.into_iter().for_each(|it| world.wrong(it));
    changes_are_told(world);
    world.tracking.looks = false;
}

/// Has each client read keys of all nodes, which then change.
fn changes_are_told(world: &mut World) {
    let running: Vec<usize> = (0..world.seats.len()).filter(|&n| world.is_running(n)).collect();
    let trackers: Vec<usize> =
        (0..world.guests.len()).filter(|&guest| world.guests[guest].tracker.is_some()).collect();
    let keys: Vec<String> = (0..LASTING).map(|n| format!("lasting:{n}")).collect();
    for (at, &guest) in trackers.iter().enumerate() {
        world.guests[guest].checks = true;
        let is_on = world.guests[guest].tracker.as_ref().is_some_and(|it| it.on);
        let home = if is_on { world.guests[guest].home } else { running[at % running.len()] };
        if !is_on {
            world.guest_leaves(guest);
        }
        let reads = keys.iter().cloned().map(Ask::Get).collect();
        let outcomes = world.ask_now(guest, home, reads);
        if !outcomes.iter().all(|it| matches!(it, Outcome::Done(_))) {
            world.wrong(format!("tracking: guest {guest} at {home} reads {outcomes:?}"));
        }
    }
    let count = |world: &World, guest: usize| {
        world.guests[guest].tracker.as_ref().map_or(0, |it| it.held.len())
    };
    for &guest in &trackers {
        let held = count(world, guest);
        if held < keys.len() {
            world.wrong(format!("tracking: guest {guest} holds {held} keys of those that it read"));
        }
    }
    let writer = world.add_guest(1, false);
    world.guests[writer].checks = true;
    let writes = keys.iter().map(|key| Ask::Set(key.clone(), world.work.value())).collect();
    world.ask_now(writer, running[0], writes);
    world.run_for(MOMENT_US);
    for &guest in &trackers {
        let Some(tracker) = &world.guests[guest].tracker else { continue };
        let held: Vec<&String> =
            tracker.held.keys().filter(|key| key.starts_with("lasting")).collect();
        if !held.is_empty() {
            let what = format!(
                "tracking: guest {guest} ({:?}) at {} was not told of {held:?}",
                tracker.mode, world.guests[guest].home
            );
            world.wrong(what);
        }
    }
}
