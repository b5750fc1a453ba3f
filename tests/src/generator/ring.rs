//! What is different about commands for a ring of nodes: their keys lie in a few slots by hash tags, and those of a command in one, unless it can do
//! with several.

use super::{Args, Compare, Generated, Generator};
use crate::script::Normaliser;
use std::collections::VecDeque;

/// Slots of keys, so to speak: as many hash tags.
const TAGS: u8 = 6;

/// Commands that are taken apart by slot, or gathered.
const SPANNING: &[&str] = &[
    "MGET",
    "MSET",
    "DEL",
    "UNLINK",
    "EXISTS",
    "TOUCH",
    "PFCOUNT",
    "PFMERGE",
    "BITOP",
    "COPY",
    "SINTER",
    "SUNION",
    "SDIFF",
    "SINTERCARD",
    "SINTERSTORE",
    "SUNIONSTORE",
    "SDIFFSTORE",
    "ZINTER",
    "ZUNION",
    "ZDIFF",
    "ZINTERCARD",
    "ZINTERSTORE",
    "ZUNIONSTORE",
    "ZDIFFSTORE",
    "ZRANGESTORE",
    "GEOSEARCHSTORE",
];

/// What a ring does otherwise, as the README says, or what tells of one node.
const LEFT_OUT: &[&str] = &["SWAPDB", "SCAN", "MOVE", "MEMORY", "LATENCY", "SLOWLOG", "CONFIG"];

fn name_of(args: &[Vec<u8>]) -> String {
    String::from_utf8_lossy(&args[0]).to_uppercase()
}

pub(super) fn is_left_out(args: &[Vec<u8>]) -> bool {
    LEFT_OUT.contains(&name_of(args).as_str())
}

impl Generator {
    /// Whether a command has a key, so that it says where it is to run.
    pub(super) fn is_of_slot(&self, args: &[Vec<u8>]) -> bool {
        let is_tagged = |arg: &Vec<u8>| arg.starts_with(b"{");
        !is_left_out(args) && name_of(args) != "COMMAND" && args[1..].iter().any(is_tagged)
    }

    /// A command, now and then with keys of several slots.
    pub(super) fn of_several_slots(&mut self) -> Generated {
        self.tag = Some(b'a' + self.rng.u8(..TAGS));
        let mut command = self.tame_one();
        let name = name_of(&command.args);
        if self.one_in(2) && SPANNING.contains(&name.as_str()) {
            for arg in command.args[1..].iter_mut() {
                self.retag(arg);
            }
        }
        let stores = |pair: &[Vec<u8>]| {
            pair[0].eq_ignore_ascii_case(b"STORE") || pair[0].eq_ignore_ascii_case(b"STOREDIST")
        };
        if self.one_in(2)
            && matches!(name.as_str(), "SORT" | "GEORADIUS" | "GEORADIUSBYMEMBER")
            && let Some(at) = command.args.windows(2).rposition(stores)
        {
            let mut to = std::mem::take(&mut command.args[at + 1]);
            self.retag(&mut to);
            command.args[at + 1] = to;
        }
        command
    }

    fn retag(&mut self, arg: &mut [u8]) {
        if let [b'{', tag, b'}', ..] = arg {
            *tag = b'a' + self.rng.u8(..TAGS);
        }
    }

    /// A transaction of commands on keys of one slot.
    pub(super) fn begin_transaction_of_slot(&mut self) {
        let exactly =
            |args: Args| Generated { args, compare: Compare::By(Normaliser::Exact).of_ring() };
        self.tag = Some(b'a' + self.rng.u8(..TAGS));
        let mut queue = VecDeque::from([exactly(vec![b"MULTI".to_vec()])]);
        for _ in 0..self.below(12) {
            let args = self.unordered_excluded();
            for [key, group, consumer] in super::streams::consumers_of(&args) {
                let words = [b"XGROUP".to_vec(), b"CREATECONSUMER".to_vec(), key, group, consumer];
                queue.push_back(exactly(words.to_vec()));
            }
            queue.push_back(exactly(args));
        }
        let end = if self.one_in(10) { b"DISCARD".to_vec() } else { b"EXEC".to_vec() };
        queue.push_back(exactly(vec![end]));
        self.queue = queue;
    }
}
