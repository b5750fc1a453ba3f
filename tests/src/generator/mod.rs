//! Random commands with hostile arguments over a small key space, from a seed.
//!
//! Two servers given the same commands must answer the same, whatever the time between them. So no deadline lies within
//! years of now, offsets stay small or beyond every limit, and commands whose replies have no order are compared as sets.

mod arguments;
mod collections;
mod commands;
mod compare;
mod geo;
mod hostile;
mod ring;
mod streams;

pub use compare::{Compare, timeless};

use crate::script::Normaliser;
use std::collections::VecDeque;

/// A command and how its replies compare.
#[derive(Debug, Clone)]
pub struct Generated {
    /// Name and arguments.
    pub args: Vec<Vec<u8>>,
    /// The comparison.
    pub compare: Compare,
}

/// A seeded source of commands.
#[derive(Debug)]
pub struct Generator {
    rng: fastrand::Rng,
    serial: u64,
    edits: bool,
    sorts: bool,
    /// Whether the commands are for a ring.
    ring: bool,
    /// The hash tag of a command's keys, in a ring.
    tag: Option<u8>,
    /// The rest of a transaction.
    queue: VecDeque<Generated>,
}

type Args = Vec<Vec<u8>>;

impl Generator {
    /// The commands of `seed`.
    pub fn new(seed: u64) -> Self {
        Generator {
            rng: fastrand::Rng::with_seed(seed),
            serial: 0,
            edits: true,
            sorts: true,
            ring: false,
            tag: None,
            queue: VecDeque::new(),
        }
    }

    /// For a ring of nodes: all keys of a command lie in one slot, unless it can do with several.
    #[must_use]
    pub fn of_ring(mut self) -> Self {
        self.ring = true;
        self
    }

    /// True in one case of `n`.
    pub fn one_in(&mut self, n: u32) -> bool {
        self.rng.u32(..n) == 0
    }

    /// Uniform below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.rng.usize(..bound)
    }

    /// Begins anew on empty databases. From here on either strings are edited in place or HyperLogLogs are added to: a
    /// HyperLogLog that was edited as a string is no HyperLogLog any more, and what each server makes of it is its own
    /// (the README says so). Nor does every episode sort, for Redis turns a small sorted set that it sorts big.
    pub fn begin_episode(&mut self) {
        self.edits = self.rng.bool();
        self.sorts = self.rng.bool();
        self.queue.clear();
    }

    /// Whether the commands since then may have sorted.
    pub fn sorts(&self) -> bool {
        self.sorts
    }

    /// The next command.
    pub fn command(&mut self) -> Generated {
        if self.queue.is_empty() && self.one_in(40) {
            self.begin_transaction();
        }
        if self.queue.is_empty() {
            let command = self.alone();
            self.enqueue(command);
        }
        // There is one: it was put there above.
        let Generated { args, compare } = self.queue.pop_front().unwrap_or_else(|| self.alone());
        // What is big because it was sorted keeps the signs of zeros, which small sorted sets forget.
        let compare = if self.sorts { compare.unsigned() } else { compare };
        Generated { args, compare }
    }

    /// Makes a transaction of commands whose replies compare exactly, for EXEC's reply holds them all; one in two with a watched key that may be written
    /// before MULTI.
    fn begin_transaction(&mut self) {
        let exactly = |args: Args| Generated { args, compare: Compare::By(Normaliser::Exact) };
        let words = |words: &[&[u8]]| words.iter().map(|word| word.to_vec()).collect::<Args>();
        if self.ring {
            return self.begin_transaction_of_slot();
        }
        if self.one_in(2) {
            let key = self.key();
            self.queue.push_back(exactly(words(&[b"WATCH", &key])));
            for _ in 0..self.below(3) {
                let command = self.alone();
                if !changes_otherwise(&command.args) {
                    self.enqueue(command);
                }
            }
        }
        self.queue.push_back(exactly(words(&[b"MULTI"])));
        for _ in 0..self.below(12) {
            let command = self.alone();
            if command.compare == Compare::By(Normaliser::Exact) {
                self.enqueue(command);
            }
        }
        let end: &[u8] = if self.one_in(10) { b"DISCARD" } else { b"EXEC" };
        self.queue.push_back(exactly(words(&[end])));
    }

    /// Adds a command to what is to come, behind those that make the consumers that it names.
    fn enqueue(&mut self, command: Generated) {
        for [key, group, consumer] in streams::consumers_of(&command.args) {
            let words = [b"XGROUP".to_vec(), b"CREATECONSUMER".to_vec(), key, group, consumer];
            let compare = Compare::By(Normaliser::Exact);
            self.queue.push_back(Generated { args: words.to_vec(), compare });
        }
        self.queue.push_back(command);
    }

    fn alone(&mut self) -> Generated {
        self.serial += 1;
        if self.ring { self.of_several_slots() } else { self.tame_one() }
    }

    /// A command of which the replies compare exactly.
    fn unordered_excluded(&mut self) -> Args {
        loop {
            let mut args = self.fresh();
            // Flags of keys are a set, which a script makes a table without an order.
            let is_set = args[0].eq_ignore_ascii_case(b"COMMAND");
            let is_elsewhere = self.ring && !self.is_of_slot(&args);
            // What is read of several streams is a map, which a script makes a table without an order.
            let is_map = args.iter().position(|arg| arg == b"STREAMS");
            let is_map = is_map.is_some_and(|at| args.len() - at > 3);
            if is_set || is_map || is_elsewhere || self.is_of_the_other_kind(&args) {
                continue;
            }
            self.tame(&mut args);
            if compare::comparison(&args, self.sorts) == Compare::By(Normaliser::Exact) {
                return args;
            }
        }
    }

    fn tame_one(&mut self) -> Generated {
        let mut args = self.fresh();
        while self.is_of_the_other_kind(&args) || (self.ring && ring::is_left_out(&args)) {
            args = self.fresh();
        }
        // In a ring the place of an argument decides which slots a command has.
        if self.one_in(30) && !self.ring {
            self.spoil(&mut args);
        }
        if self.one_in(12) {
            self.vary_case(&mut args);
        }
        self.tame(&mut args);
        let compare = compare::comparison(&args, self.sorts);
        let compare = if self.ring { compare.of_ring() } else { compare };
        Generated { args, compare }
    }

    fn is_of_the_other_kind(&self, args: &[Vec<u8>]) -> bool {
        let unwanted: &[&str] = if self.edits {
            &["PFADD", "PFMERGE"]
        } else {
            &["APPEND", "SETRANGE", "SETBIT", "BITFIELD", "BITOP"]
        };
        let name = String::from_utf8_lossy(&args[0]).to_uppercase();
        // A first element alone makes a HyperLogLog to be read and edited.
        unwanted.contains(&name.as_str()) && !(name == "PFADD" && args.len() == 2)
    }
}

/// Whether a command counts as a change of a watched key where it does not in Redis, or the other way round: the differences `watched-setbit` and `watched-groups`. A script
/// that calls it has its name among its arguments.
fn changes_otherwise(args: &Args) -> bool {
    const NAMES: [&str; 7] =
        ["SETBIT", "XGROUP", "XREADGROUP", "XACK", "XCLAIM", "XAUTOCLAIM", "XSETID"];
    let is_one =
        |word: &Vec<u8>| NAMES.iter().any(|name| word.eq_ignore_ascii_case(name.as_bytes()));
    args.iter().any(is_one)
}
