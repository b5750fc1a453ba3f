//! What clients ask of collections.
//!
//! Each value is added once in a world, so that it says by which operation it came to be somewhere. Fields that count are few, so that clients meet.

use super::reply::Reply;
use std::collections::{BTreeMap, BTreeSet};
use torc_protocol::slot::slot_of;
use torc_server::base::rng::Rng;

/// A collection is left to itself after so many operations, and the next one begun.
const OPERATIONS_MAX: u64 = 150;
/// Fields and members that count.
const COUNTERS: u64 = 4;

/// What a client asks of a collection, whose key comes first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Collect {
    /// HINCRBY by one, or ZINCRBY.
    Count(String, u64),
    /// HSET, SADD, ZADD, RPUSH or XADD of something new.
    Add(String, u64),
    /// LPUSH of something new.
    AddFront(String, u64),
    /// HDEL, SREM or ZREM of what was added once.
    Remove(String, u64),
    /// LPOP, or RPOP.
    Pop(String, bool),
    /// XGROUP CREATE.
    Group(String),
    /// XREADGROUP of what is new.
    Deliver(String),
    /// XACK.
    Acknowledge(String, String),
    /// All of it.
    Read(String),
    /// Of a stream, all that is pending.
    Pending(String),
}

/// The types, by the first part of a key.
const FAMILIES: [&str; 5] = ["hash", "set", "zset", "list", "stream"];

fn family(key: &str) -> &str {
    key.split(':').next().unwrap_or_default()
}

impl Collect {
    pub fn key(&self) -> &String {
        match self {
            Collect::Count(key, _)
            | Collect::Add(key, _)
            | Collect::AddFront(key, _)
            | Collect::Remove(key, _)
            | Collect::Pop(key, _)
            | Collect::Group(key)
            | Collect::Deliver(key)
            | Collect::Acknowledge(key, _)
            | Collect::Read(key)
            | Collect::Pending(key) => key,
        }
    }

    pub fn words(&self) -> Vec<Vec<u8>> {
        let key = self.key();
        let line = match (self, family(key)) {
            (Collect::Count(_, field), "hash") => format!("HINCRBY {key} c{field} 1"),
            (Collect::Count(_, member), _) => format!("ZINCRBY {key} 1 c{member}"),
            (Collect::Add(_, value), "hash") => format!("HSET {key} {value} {value}"),
            (Collect::Add(_, value), "set") => format!("SADD {key} {value}"),
            (Collect::Add(_, value), "zset") => format!("ZADD {key} {value} {value}"),
            (Collect::Add(_, value), "list") => format!("RPUSH {key} {value}"),
            (Collect::Add(_, value), _) => format!("XADD {key} * value {value}"),
            (Collect::AddFront(_, value), _) => format!("LPUSH {key} {value}"),
            (Collect::Remove(_, value), "hash") => format!("HDEL {key} {value}"),
            (Collect::Remove(_, value), "set") => format!("SREM {key} {value}"),
            (Collect::Remove(_, value), _) => format!("ZREM {key} {value}"),
            (Collect::Pop(_, front), _) => format!("{}POP {key}", if *front { 'L' } else { 'R' }),
            (Collect::Group(_), _) => format!("XGROUP CREATE {key} g 0 MKSTREAM"),
            (Collect::Deliver(_), _) => format!("XREADGROUP GROUP g c COUNT 3 STREAMS {key} >"),
            (Collect::Acknowledge(_, id), _) => format!("XACK {key} g {id}"),
            (Collect::Read(_), "hash") => format!("HGETALL {key}"),
            (Collect::Read(_), "set") => format!("SMEMBERS {key}"),
            (Collect::Read(_), "zset") => format!("ZRANGE {key} 0 -1 WITHSCORES"),
            (Collect::Read(_), "list") => format!("LRANGE {key} 0 -1"),
            (Collect::Read(_), _) => format!("XRANGE {key} - +"),
            (Collect::Pending(_), _) => format!("XPENDING {key} g - + 100000"),
        };
        line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
    }
}

/// What a reply of text, or an element of it, says.
pub fn text(reply: &Reply) -> String {
    match reply {
        Reply::Bulk(Some(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        Reply::Integer(number) => number.to_string(),
        _ => String::new(),
    }
}

pub fn items(reply: &Reply) -> &[Reply] {
    match reply {
        Reply::Array(items) => items,
        _ => &[],
    }
}

/// Entries of a stream: id and value.
pub fn entries(reply: &Reply) -> Vec<(String, u64)> {
    let entry = |it: &Reply| {
        let value = items(items(it).get(1)?).get(1)?.number()?;
        Some((text(&items(it)[0]), value as u64))
    };
    items(reply).iter().filter_map(entry).collect()
}

/// Ids in a reply of XREADGROUP.
pub fn delivered(reply: &Reply) -> Vec<String> {
    let of_stream = items(reply).first().and_then(|stream| items(stream).get(1));
    of_stream.map(entries).unwrap_or_default().into_iter().map(|(id, _)| id).collect()
}

/// Which collections there are, and what is asked of them.
pub struct Collections {
    rng: Rng,
    next_value: u64,
    /// Of each family and number: the generation, and operations on it.
    used: BTreeMap<(&'static str, u64), (u64, u64)>,
    pub keys: BTreeSet<String>,
    added: BTreeMap<String, Vec<u64>>,
    /// What was delivered of streams.
    pub delivered: BTreeMap<String, Vec<String>>,
}

impl Collections {
    pub fn new(seed: u64) -> Self {
        Collections {
            rng: Rng::seeded(seed ^ 0x636f_6c6c),
            next_value: 0,
            used: BTreeMap::new(),
            keys: BTreeSet::new(),
            added: BTreeMap::new(),
            delivered: BTreeMap::new(),
        }
    }

    fn key(&mut self, family: &'static str) -> String {
        let number = self.rng.below(2);
        let (generation, used) = self.used.entry((family, number)).or_default();
        *used += 1;
        if *used > OPERATIONS_MAX {
            (*generation, *used) = (*generation + 1, 1);
        }
        let key = format!("{family}:{number}:{generation}");
        self.keys.insert(key.clone());
        key
    }

    fn add(&mut self, key: &str) -> u64 {
        self.next_value += 1;
        self.added.entry(key.to_owned()).or_default().push(self.next_value);
        self.next_value
    }

    /// The next thing that somebody asks, and the slot that it concerns.
    pub fn next(&mut self) -> (Collect, u16) {
        let family_index = self.rng.below(FAMILIES.len() as u64) as usize;
        let key = self.key(FAMILIES[family_index]);
        let slot = slot_of(key.as_bytes()).index() as u16;
        let dice = self.rng.below(12);
        let ask = match (family(&key), dice) {
            ("hash" | "zset", 0..=4) => Collect::Count(key, self.rng.below(COUNTERS)),
            ("hash" | "set" | "zset", 5..=6) => {
                let added = self.added.get(&key).map_or(&[][..], Vec::as_slice);
                match added.len() as u64 {
                    0 => Collect::Read(key),
                    count => {
                        let value = added[self.rng.below(count) as usize];
                        Collect::Remove(key, value)
                    }
                }
            }
            ("list", 0..=4) => Collect::Pop(key, dice.is_multiple_of(2)),
            ("list", 5..=7) => {
                let value = self.add(&key);
                Collect::AddFront(key, value)
            }
            ("stream", 0..=1) => Collect::Group(key),
            ("stream", 2..=4) => Collect::Deliver(key),
            ("stream", 5..=6) => {
                let ids = self.delivered.get(&key).map_or(&[][..], Vec::as_slice);
                match ids.len() as u64 {
                    0 => Collect::Deliver(key),
                    count => {
                        let id = ids[self.rng.below(count) as usize].clone();
                        Collect::Acknowledge(key, id)
                    }
                }
            }
            (_, 11) => Collect::Read(key),
            _ => {
                let value = self.add(&key);
                Collect::Add(key, value)
            }
        };
        (ask, slot)
    }
}
