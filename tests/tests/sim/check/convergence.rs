//! All copies are the same, and all nodes answer the same.

use crate::history::{Ask, Outcome};
use crate::reply::Reply;
use crate::world::World;
use std::collections::BTreeMap;
use torc_protocol::slot::{SLOT_COUNT, Slot};
use torc_server::replication::scan::digest;

pub fn check(world: &mut World) {
    let mut wrongs = Vec::new();
    for slot in (0..SLOT_COUNT as u16).filter_map(Slot::new) {
        let mut copies = Vec::new();
        for seat in &mut world.seats {
            let Some(node) = &mut seat.node else { continue };
            let view = node.view();
            if !view.list(slot).contains(&view.me()) {
                continue;
            }
            let vector = node.slots.vector(&node.instance.store, slot);
            let now = node.instance.clock.unix_ms();
            let guard = node.worker.local.pin();
            let local = &mut node.worker.local;
            let sum = digest((&node.instance.store, local, &guard), slot, now);
            copies.push((node.number, vector, sum));
        }
        let Some((_, vector, sum)) = copies.first() else { continue };
        let same = |it: &(usize, torc_server::replication::vector::Vector, u64)| {
            it.1.is_same_history(vector) && it.2 == *sum
        };
        if !copies.iter().all(same) && wrongs.len() < 3 {
            wrongs.push(format!("convergence: slot {} differs: {copies:?}", slot.index()));
        }
    }
    wrongs.into_iter().for_each(|it| world.wrong(it));
}

/// Reads every key through every node, and gives what it holds.
pub fn read_all(world: &mut World) -> BTreeMap<String, Option<u64>> {
    let keys: Vec<String> = world.work.keys.iter().cloned().collect();
    let mut finals = BTreeMap::new();
    let reader = world.add_guest(1, false);
    world.guests[reader].checks = true;
    for home in 0..world.seats.len() {
        if !world.is_running(home) {
            continue;
        }
        let outcomes = world.ask_now(reader, home, keys.iter().cloned().map(Ask::Get).collect());
        for (key, outcome) in keys.iter().zip(outcomes) {
            let value = match outcome {
                Outcome::Done(reply @ Reply::Bulk(_)) => reply.number().map(|n| n as u64),
                other => {
                    world.wrong(format!("convergence: {home} answers {other:?} for {key}"));
                    continue;
                }
            };
            let first = *finals.entry(key.clone()).or_insert(value);
            // Keys with deadlines may go between two reads.
            if first != value && !key.starts_with("ttl") {
                world.wrong(format!(
                    "convergence: {key} is {first:?} and, through {home}, {value:?}"
                ));
            }
        }
    }
    finals
}
