//! Clients that gather in the same collections, each at a node of its own: nothing that one of them added may be lost or doubled, and what it removed stays away.

use super::load;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use torc_tests::resp::Value;
use torc_tests::ring::{Place, pass};

const HASH: &str = "shared:hash";
const SET: &str = "shared:set";
const ZSET: &str = "shared:zset";
const LIST: &str = "shared:list";

/// What the collections must hold, as far as one client knows.
#[derive(Debug, Default)]
pub struct Gathered {
    /// Names of elements that were added, and of those that perhaps were.
    added: [BTreeSet<String>; 4],
    perhaps: [BTreeSet<String>; 4],
    /// Members that were removed again.
    removed: BTreeSet<String>,
    /// How often it counted in a field and at a member, for certain and perhaps.
    counted: [(u64, u64); 2],
}

/// A client at one node.
#[derive(Debug)]
pub struct Gatherer {
    place: Place,
    name: String,
}

impl Gatherer {
    pub fn new(place: &Place, name: &str) -> Gatherer {
        Gatherer { place: place.clone(), name: name.to_owned() }
    }

    /// Adds until `over`.
    pub fn run(&self, over: &AtomicBool) -> Gathered {
        let mut gathered = Gathered::default();
        let mut connection = None;
        // Relaxed: it need not stop at once.
        for number in 0.. {
            if over.load(Ordering::Relaxed) {
                break;
            }
            let name = format!("{}:{number}", self.name);
            let gone = format!("{}:{}", self.name, number - number % 8);
            let adds: [&[&str]; 4] = [
                &["HSET", HASH, &name, "value"],
                &["SADD", SET, &name],
                &["ZADD", ZSET, "5", &name],
                &["RPUSH", LIST, &name],
            ];
            let counts: [&[&str]; 2] =
                [&["HINCRBY", HASH, "count", "1"], &["ZINCRBY", ZSET, "1", "count"]];
            let mut ask = |request: &[&str]| {
                if connection.is_none() {
                    connection = self.place.open(Duration::from_secs(1)).ok();
                }
                let reply = connection.as_mut().map(|it| it.call(request));
                match reply {
                    Some(Ok(reply)) if !reply.is_error() => Outcome::Done,
                    Some(Ok(reply)) if load::is_nothing_done(&reply.text()) => Outcome::Not,
                    Some(Ok(_)) => Outcome::Perhaps,
                    Some(Err(_)) => {
                        connection = None;
                        Outcome::Perhaps
                    }
                    None => Outcome::Not,
                }
            };
            for (at, request) in adds.iter().enumerate() {
                match ask(request) {
                    Outcome::Done => drop(gathered.added[at].insert(name.clone())),
                    Outcome::Perhaps => drop(gathered.perhaps[at].insert(name.clone())),
                    Outcome::Not => {}
                }
            }
            for (at, request) in counts.iter().enumerate() {
                match ask(request) {
                    Outcome::Done => gathered.counted[at].0 += 1,
                    Outcome::Perhaps => gathered.counted[at].1 += 1,
                    Outcome::Not => {}
                }
            }
            if number % 8 == 7 && gathered.added[1].contains(&gone) {
                gathered.added[1].remove(&gone);
                match ask(&["SREM", SET, &gone]) {
                    Outcome::Done => drop(gathered.removed.insert(gone)),
                    Outcome::Perhaps => drop(gathered.perhaps[1].insert(gone)),
                    Outcome::Not => drop(gathered.added[1].insert(gone)),
                }
            }
            pass(Duration::from_millis(2));
        }
        gathered
    }
}

enum Outcome {
    Done,
    Perhaps,
    Not,
}

impl Gathered {
    /// Elements that were added for certain.
    pub fn len(&self) -> usize {
        self.added.iter().map(BTreeSet::len).sum()
    }
}

/// What is wrong with the collections at `place`, after all that was `gathered`.
pub fn wrong(place: &Place, gathered: &[Gathered]) -> Vec<String> {
    let mut wrong = Vec::new();
    let names =
        |line: &str| -> Vec<String> { place.ask(line).items().iter().map(Value::text).collect() };
    let found = [
        names(&format!("HKEYS {HASH}")),
        names(&format!("SMEMBERS {SET}")),
        names(&format!("ZRANGE {ZSET} 0 -1")),
        names(&format!("LRANGE {LIST} 0 -1")),
    ];
    for (at, what) in [HASH, SET, ZSET, LIST].into_iter().enumerate() {
        let there: BTreeSet<&String> = found[at].iter().filter(|it| *it != "count").collect();
        if there.len() != found[at].iter().filter(|it| *it != "count").count() {
            wrong.push(format!("{what}: elements are doubled"));
        }
        let added = gathered.iter().flat_map(|it| &it.added[at]);
        let missing: Vec<_> = added.filter(|it| !there.contains(it)).take(4).collect();
        if !missing.is_empty() {
            wrong.push(format!("{what} lacks {missing:?}"));
        }
        let is_known = |it: &String| {
            gathered.iter().any(|one| one.added[at].contains(it) || one.perhaps[at].contains(it))
        };
        let strange: Vec<_> = there.iter().filter(|it| !is_known(it)).take(4).collect();
        if !strange.is_empty() {
            wrong.push(format!("{what} has {strange:?}"));
        }
    }
    if let Some(back) = found[1].iter().find(|it| gathered.iter().any(|g| g.removed.contains(*it)))
    {
        wrong.push(format!("{back} is back"));
    }
    let counts = [
        place.ask(&format!("HGET {HASH} count")).text(),
        place.ask(&format!("ZSCORE {ZSET} count")).text(),
    ];
    for (at, count) in counts.iter().enumerate() {
        let least: u64 = gathered.iter().map(|it| it.counted[at].0).sum();
        let most = least + gathered.iter().map(|it| it.counted[at].1).sum::<u64>();
        if !count.parse().is_ok_and(|count: u64| (least..=most).contains(&count)) {
            wrong.push(format!("{count:?} was counted, not {least} to {most}"));
        }
    }
    wrong
}

/// Whether all places show the same, in the same order.
pub fn is_equal(places: &[Place]) -> bool {
    let lines = [
        format!("LRANGE {LIST} 0 -1"),
        format!("ZRANGE {ZSET} 0 -1 WITHSCORES"),
        format!("HLEN {HASH}"),
        format!("SCARD {SET}"),
    ];
    lines.iter().all(|line| {
        let views: Vec<Vec<u8>> = places.iter().map(|place| own(place, line)).collect();
        views.iter().all(|view| *view == views[0])
    })
}

/// What a node's own copy says.
fn own(place: &Place, line: &str) -> Vec<u8> {
    let words: Vec<&str> = line.split(' ').collect();
    let reply = place.open_cluster(Duration::from_secs(1)).and_then(|mut it| {
        it.call_raw(&["READONLY"])?;
        it.call_raw(&words)
    });
    reply.unwrap_or_default()
}
