//! The writes that a transfer has named: a set of 64-bit hashes.
//!
//! A slot with large collections has millions of them. The set is kept in parts, so that none of them is moved whole while others wait.

use std::collections::HashSet;

const PARTS: usize = 256;

/// See the module's description.
#[derive(Debug, Default)]
pub struct Names(Vec<HashSet<u64>>);

impl Names {
    /// Adds one.
    pub fn insert(&mut self, name: u64) {
        if self.0.is_empty() {
            self.0.resize_with(PARTS, HashSet::new);
        }
        self.0[part_of(name)].insert(name);
    }

    /// Whether it was added.
    pub fn contains(&self, name: u64) -> bool {
        self.0.get(part_of(name)).is_some_and(|part| part.contains(&name))
    }
}

fn part_of(name: u64) -> usize {
    (name >> 56) as usize
}
