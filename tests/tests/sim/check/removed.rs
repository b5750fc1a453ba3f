//! What was removed does not come back.
//!
//! A value that no node has had for some seconds is gone, unless a link holds something up for one that is frozen or cut off. If it is there in the end, something
//! brought it back.

use crate::world::{SECOND, World};
use std::collections::{BTreeMap, BTreeSet};

/// Longer than anything is on its way that is not held up.
const GONE_US: u64 = 4 * SECOND;

/// What has been due for so long is held up.
const HELD_UP_US: u64 = SECOND;

/// Which values nodes have had, and since when nobody has them.
#[derive(Debug, Default)]
pub struct Gone {
    absent: BTreeMap<(String, u64), Option<u64>>,
    gone: BTreeSet<(String, u64)>,
}

impl World {
    /// Looks into all stores. To be called now and then.
    pub fn look_for_removed(&mut self) {
        let mut present = BTreeSet::new();
        let keys: Vec<String> =
            self.work.keys.iter().filter(|key| key.starts_with("del")).cloned().collect();
        for seat in &mut self.seats {
            let Some(node) = &mut seat.node else { continue };
            let now = node.instance.clock.unix_ms();
            let guard = node.worker.local.pin();
            let store = &node.instance.store;
            let mut keyspace = store.keyspace(&mut node.worker.local, &guard, 0, now);
            for key in &keys {
                let entry = keyspace.see(key.as_bytes());
                let Some(entry) = entry.entry() else { continue };
                let Ok(text) = entry.string() else { continue };
                let bytes = text.bytes(&mut itoa::Buffer::new()).to_vec();
                if let Ok(value) = String::from_utf8_lossy(&bytes).parse::<u64>() {
                    present.insert((key.clone(), value));
                }
            }
        }
        let now = self.now;
        let queues = self.net.links.values().flat_map(|link| &link.queues);
        let is_held_up =
            queues.filter_map(|queue| queue.front()).any(|it| it.due + HELD_UP_US < now);
        let Gone { absent, gone } = &mut self.gone;
        for (it, since) in absent.iter_mut() {
            if is_held_up || present.contains(it) {
                *since = None;
            } else if now - *since.get_or_insert(now) > GONE_US {
                gone.insert(it.clone());
            }
        }
        for it in present {
            absent.entry(it).or_insert(None);
        }
    }
}

pub fn check(world: &mut World, finals: &BTreeMap<String, Option<u64>>) {
    for (key, value) in finals {
        if let Some(value) = value
            && world.gone.gone.contains(&(key.clone(), *value))
        {
            world.wrong(format!("removed: {key} holds {value} again"));
        }
    }
}
