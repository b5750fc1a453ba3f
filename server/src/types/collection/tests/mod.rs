//! Random histories against std's collections, in both forms, with and without stamps. A failure prints its seed.

mod hash;
mod list;
mod memory;
mod set;
mod zset;

use super::{Limits, Stamp};
use crate::base::rng::Rng;
use crate::base::version::{Tag, Version};
use ahash::RandomState;
use std::hash::{BuildHasher, Hasher};

pub(super) fn keyed(text: &[u8]) -> u64 {
    let mut hasher = RandomState::with_seeds(1, 2, 3, 4).build_hasher();
    hasher.write(text);
    hasher.finish()
}

/// Four values in all: leaves that cannot be divided.
fn colliding(text: &[u8]) -> u64 {
    keyed(text) >> 62 << 62
}

pub(super) const SMALL: Limits = Limits {
    entries_max: usize::MAX,
    element_bytes_max: usize::MAX,
    bytes_max: usize::MAX,
    integers_max: usize::MAX,
    hash: keyed,
};
pub(super) const BIG: Limits =
    Limits { entries_max: 0, element_bytes_max: 0, bytes_max: 0, integers_max: 0, hash: keyed };
const USUAL: Limits = Limits {
    entries_max: 128,
    element_bytes_max: 64,
    bytes_max: 64 * 1024,
    integers_max: 512,
    hash: keyed,
};

/// What a history is run with: limits, texts it draws from, whether it stamps, operations.
struct Run {
    name: &'static str,
    limits: Limits,
    texts: u64,
    stamped: bool,
    steps: u64,
}

fn runs() -> Vec<Run> {
    let mut runs = Vec::new();
    for stamped in [false, true] {
        let run = |name, limits, texts, steps| Run { name, limits, texts, stamped, steps };
        runs.push(run("small", SMALL, 100, 3_000));
        runs.push(run("usual", USUAL, 300, 4_000));
        runs.push(run("big, few", BIG, 60, 4_000));
        runs.push(run("big", BIG, 6_000, 30_000));
        runs.push(run("colliding", Limits { hash: colliding, ..BIG }, 400, 3_000));
    }
    runs
}

/// Runs `history` under seeds that it prints when it fails.
fn check(history: impl Fn(&Run, &mut Rng)) {
    for run in runs() {
        for seed in 0..3 {
            let name = run.name;
            let told = Told(format!("run {name}, stamped {}, seed {seed}", run.stamped));
            history(&run, &mut Rng::seeded(seed));
            std::mem::forget(told);
        }
    }
}

struct Told(String);

impl Drop for Told {
    fn drop(&mut self) {
        eprintln!("failed: {}", self.0);
    }
}

/// One of `texts` texts: integers of all widths, short strings, and a few long ones.
fn text(rng: &mut Rng, texts: u64) -> Vec<u8> {
    let number = rng.below(texts);
    match number % 8 {
        0 => format!("{}", number as i64 - 50).into_bytes(),
        1 => format!("{}", -(1i64 << (number % 63)) + number as i64).into_bytes(),
        2 => format!("{number}").repeat(9).into_bytes(),
        3 => format!("{number}{}", "x".repeat(number as usize % 90)).into_bytes(),
        4 if number % 80 == 4 => format!("{number}").repeat(700).into_bytes(),
        5 => format!("a common prefix of more than thirty-two bytes {number}").into_bytes(),
        _ => format!("member:{number}").into_bytes(),
    }
}

/// Stamps in the order of time.
struct Clock {
    now: u64,
    stamped: bool,
}

impl Clock {
    fn of(run: &Run) -> Self {
        Clock { now: 0, stamped: run.stamped }
    }

    /// The next write's dot and siblings: none in part of the writes even where there are stamps.
    fn tick(&mut self, rng: &mut Rng) -> (Version, Vec<u8>) {
        self.now += 1;
        if !self.stamped || rng.below(10) == 0 {
            return (Version::ZERO, Vec::new());
        }
        let tag = Tag::new(rng.below(3) as u16 + 1);
        let dot = Version::next(1_800_000_000_000 + self.now, Version::ZERO, tag);
        let siblings = if rng.below(8) == 0 { text(rng, 100) } else { Vec::new() };
        (dot, siblings)
    }
}

/// What a model keeps of a stamp.
type Kept = (Version, Vec<u8>);

fn stamp(kept: &Kept) -> Stamp<'_> {
    Stamp { dot: kept.0, siblings: &kept.1 }
}

fn kept(stamp: Stamp<'_>) -> Kept {
    (stamp.dot, stamp.siblings.to_vec())
}
