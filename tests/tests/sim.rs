//! Whole nodes in virtual time: 3 to 25 of them, with their stores, control planes, data planes and replication, over a network that loses, delays and cuts.
//!
//! A seed decides everything. Built with `--cfg torc_few_slots`, as `tests/run sim` does, rings have 256 slots and a world takes 0.3 s.
//! `TORC_SIM_SEED=n` runs one world, `TORC_SIM_TRACE=1` prints what happens in it and
//! `TORC_SIM_SLOT=n` everything about one slot with it. `TORC_SIM_SEEDS=n` and `TORC_SIM_FRESH=n` say how many worlds are
//! tried of the fixed and of the fresh ones. Seeds from 10,000,000,000 on have clients that track, and from 20,000,000,000 on links
//! that lag: a quarter as many of each of the fixed ones, and a third of the fresh ones.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

#[path = "sim/check/mod.rs"]
mod check;
#[path = "sim/collect.rs"]
mod collect;
#[path = "sim/control.rs"]
mod control;
#[path = "sim/faults.rs"]
mod faults;
#[path = "sim/guest.rs"]
mod guest;
#[path = "sim/heal.rs"]
mod heal;
#[path = "sim/history.rs"]
mod history;
#[path = "sim/named.rs"]
mod named;
#[path = "sim/net.rs"]
mod net;
#[path = "sim/node.rs"]
mod node;
#[path = "sim/plan.rs"]
mod plan;
#[path = "sim/reply.rs"]
mod reply;
#[path = "sim/sabotage.rs"]
mod sabotage;
#[path = "sim/standing.rs"]
mod standing;
#[path = "sim/trace.rs"]
mod trace;
#[path = "sim/tracker.rs"]
mod tracker;
#[path = "sim/tracking.rs"]
mod tracking;
#[path = "sim/wire.rs"]
mod wire;
#[path = "sim/worker.rs"]
mod worker;
#[path = "sim/world.rs"]
mod world;

use plan::{LAGGING, TRACKED, Trouble, live};
use sabotage::Sabotage;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use torc_protocol::slot::SLOT_COUNT;
use torc_server::base::rng::entropy;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Lives the worlds of `seeds`, a few at a time, and fails with what is wrong in the first few.
fn try_all(seeds: Vec<u64>) {
    let next = AtomicU64::new(0);
    let wrong: Mutex<Vec<(u64, String)>> = Mutex::default();
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(&seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    let lived = std::panic::catch_unwind(|| live(seed, Trouble::of(seed), None));
                    let wrongs = match lived {
                        Ok(world) => world.wrongs,
                        Err(panic) => {
                            let text = panic.downcast_ref::<String>().cloned();
                            vec![format!("panic: {}", text.unwrap_or_default())]
                        }
                    };
                    if !wrongs.is_empty() {
                        wrong.lock().unwrap().push((seed, wrongs.join("\n  ")));
                    }
                }
            });
        }
    });
    let mut wrong = wrong.into_inner().unwrap();
    wrong.sort();
    let count = wrong.len();
    let show = number("TORC_SIM_SHOW").unwrap_or(5) as usize;
    let list: Vec<String> = wrong
        .into_iter()
        .take(show)
        .map(|(seed, what)| {
            format!(
                "TORC_SIM_SEED={seed} ({:?})\n  {}",
                Trouble::of(seed),
                what.chars().take(1500).collect::<String>()
            )
        })
        .collect();
    assert!(count == 0, "{count} of {} worlds are wrong:\n{}", seeds.len(), list.join("\n"));
}

/// Worlds of whole rings cost sixty-four times as much for each slot's sake, so few of them are tried.
const IS_SMALL: bool = SLOT_COUNT < 16_384;

#[test]
fn worlds_of_fixed_seeds_hold() {
    let usual = if IS_SMALL { 500 } else { 5 };
    match number("TORC_SIM_SEED") {
        Some(seed) => try_all(vec![seed]),
        None => {
            let count = number("TORC_SIM_SEEDS").unwrap_or(usual);
            let others = [TRACKED, LAGGING].map(|kind| kind..kind + count.div_ceil(4));
            try_all((0..count).chain(others.into_iter().flatten()).collect());
        }
    }
}

#[test]
fn worlds_of_fresh_seeds_hold() {
    let usual = if IS_SMALL { 100 } else { 0 };
    // Five digits more than the fixed ones, and short enough to be typed.
    let first = 1_000_000 + entropy() % 1_000_000_000;
    let count = number("TORC_SIM_FRESH").unwrap_or(usual);
    if number("TORC_SIM_SEED").is_none() {
        // Each kind of world in turn: as they always were, with clients that track, with links that lag.
        let kind = |n| [0, TRACKED, LAGGING][n as usize % 3];
        try_all((0..count).map(|n| first + n / 3 + kind(n)).collect());
    }
}

/// Mistakes that worlds have found, by the seed that showed each at first. Whoever changes what a seed leads to finds them among the others.
#[test]
fn what_was_found_stays_found() {
    let found = [
        // A node that had just started served every slot with nothing in it, until it heard of the ring.
        11,
        2,
        27,
        // All nodes were given up by others in a partition, and waited for one another to get ready.
        13,
        18,
        // A node that was leaving and its heir each heard that the other did not serve a slot, and both did.
        61,
        14,  // A link that broke was taken for an answer.
        237, // MSET said that nothing was changed when one of its parts was refused.
        112,
        142,
        // A letter of the audit came after a cut, when its reader had dropped what had expired since it was written.
        439_489_188,
        // The answers to a restarted node's questions were lost, and it served with nothing though it was pinged.
        382,
        // A counter's effects that a transfer had overtaken took the later count's place.
        287_281_388,
        // Not a mistake: a node that had been frozen wrote by a clock that was behind, before it heard that another served.
        585_297_953,
        // A client's own MGET, taken apart, found a key expired, and under NOLOOP the client heard neither of that nor of what was written next.
        10_791_994_550,
        // Not a mistake: a node that thawed read what its peer had sent it before that died, and with it all that came later.
        20_979_726_034,
        // A node that left had handed its slots over by a link that lagged, and was gone before anybody had its last writes.
        20_363_547_491,
        // Not a mistake: what was acknowledged had been delivered by a node that died before others heard of it, and was delivered again.
        894_741_662,
        // Under NOLOOP a client changed a key at another node and read it again at once; the word of its own change came behind that, and it heard of no later one.
        10_805_749_125,
    ];
    if IS_SMALL {
        try_all(found.to_vec());
    }
}

#[test]
fn the_same_seed_is_the_same_world() {
    let count = if IS_SMALL { 10 } else { 1 };
    for seed in (0..count).chain(TRACKED..TRACKED + count) {
        let lives = [(); 2].map(|()| {
            let world = live(seed, Trouble::of(seed), None);
            (world.sum, world.happened, world.history.len())
        });
        assert_eq!(lives[0], lives[1], "seed {seed}");
    }
}

/// Bugs that are put back on purpose are caught, within a few dozen worlds each. `--nocapture` shows by which seed and which checker, and `TORC_SIM_BUG=name`
/// tries one alone.
#[test]
fn bugs_are_caught() {
    if !IS_SMALL {
        return;
    }
    let limit = number("TORC_SIM_BUG_SEEDS").unwrap_or(120);
    let only = std::env::var("TORC_SIM_BUG").ok();
    let next = AtomicU64::new(0);
    let missed: Mutex<Vec<Sabotage>> = Mutex::default();
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(&bug) =
                    Sabotage::ALL.get(next.fetch_add(1, Ordering::Relaxed) as usize)
                {
                    if only.as_ref().is_some_and(|only| *only != format!("{bug:?}")) {
                        continue;
                    }
                    let first = if bug.concerns_tracking() { TRACKED } else { 0 };
                    let caught = (first..first + limit).find_map(|seed| {
                        let world = live(seed, Trouble::of(seed), Some(bug));
                        let mut wrongs = world.wrongs.iter();
                        let first = wrongs.find(|it| it.contains(bug.checker()))?;
                        let first = first.chars().take(160).collect::<String>();
                        Some((seed, first))
                    });
                    match caught {
                        Some((seed, what)) => {
                            println!("{bug:?}: seed {seed} ({:?}), {what}", Trouble::of(seed))
                        }
                        None => missed.lock().unwrap().push(bug),
                    }
                }
            });
        }
    });
    let missed = missed.into_inner().unwrap();
    assert!(missed.is_empty(), "nobody notices {missed:?}");
}
