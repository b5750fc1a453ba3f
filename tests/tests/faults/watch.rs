//! Clients that read what they know to be there, as a plain client and as a cluster client, and small ones that count and delete.

use super::load::{self, Way};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use torc_tests::resp::encode;
use torc_tests::ring::{LIMIT, Place};
use torc_tests::{Connection, Value};

/// Reads sent at once.
const BATCH: usize = 8;

/// Redirections of one request that a client follows.
const REDIRECTIONS_MAX: usize = 5;

fn key(index: usize) -> String {
    format!("known:{index}")
}

/// What `key(index)` holds: long enough that moving it is work.
fn value(index: usize) -> String {
    format!("{index:0100}")
}

/// Writes the keys that watchers know.
pub fn load(place: &Place, count: usize) {
    let mut connection = place.open(LIMIT).expect("the node answers");
    for first in (0..count).step_by(2_000) {
        let indices = first..(first + 2_000).min(count);
        let requests: Vec<u8> =
            indices.clone().flat_map(|it| encode(&["SET", &key(it), &value(it)])).collect();
        let replies = connection.pipeline(&requests, indices.len());
        assert!(replies.iter().all(|reply| reply == b"+OK\r\n"), "loading failed");
    }
}

/// Fails unless every key that watchers know is served by every node.
pub fn check(places: &[Place], count: usize) {
    let keys: Vec<String> = (0..count).map(key).collect();
    for place in places {
        let values = load::values(place, Way::Routed, &keys.iter().collect::<Vec<_>>());
        let wrong = (0..count).filter(|&at| values[at].as_ref() != Some(&value(at))).count();
        assert_eq!(wrong, 0, "of {count} known keys at {}", place.plain);
    }
}

/// Of a hundred of the keys that watchers know, how many the node has a copy of that it trusts.
pub fn copied(place: &Place, count: usize) -> usize {
    let keys: Vec<String> = (0..100).map(|it| key(it * (count / 100))).collect();
    let values = load::values(place, Way::Own, &keys.iter().collect::<Vec<_>>());
    values.iter().flatten().filter(|value| value.starts_with('0')).count()
}

/// What a watcher saw.
#[derive(Debug, Default)]
pub struct Seen {
    pub reads: u64,
    pub redirected: u64,
    pub reconnected: u64,
    pub wrong: Vec<String>,
}

/// A reader of known keys.
#[derive(Debug, Clone)]
pub struct Watcher {
    places: Vec<Place>,
    is_cluster: bool,
    count: usize,
    step: usize,
}

/// One for each node's plain port, and one cluster client.
pub fn watchers(places: &[Place], count: usize) -> Vec<Watcher> {
    let plain = places.iter().enumerate().map(|(index, place)| Watcher {
        places: vec![place.clone()],
        is_cluster: false,
        count,
        // Coprime to every count in use, so that all keys have their turn in another order.
        step: 7_919 + 2 * index * 7_919,
    });
    let cluster = Watcher { places: places.to_vec(), is_cluster: true, count, step: 104_729 };
    plain.chain([cluster]).collect()
}

impl Watcher {
    fn run(&self, over: &AtomicBool, reads: &AtomicU64) -> Seen {
        let mut seen = Seen::default();
        if self.is_cluster {
            self.run_cluster(over, reads, &mut seen);
        } else if let Err(error) = self.run_plain(over, reads, &mut seen) {
            seen.wrong.push(format!("{}: {error}", self.places[0].plain));
        }
        seen
    }

    fn see(&self, index: usize, reply: &[u8], seen: &mut Seen) {
        let expected = value(index);
        if Value::parse(reply).is_none_or(|it| it != Value::Bulk(expected.into_bytes())) {
            seen.wrong.push(format!("{}: {}", key(index), String::from_utf8_lossy(reply)));
        }
    }

    fn run_plain(
        &self,
        over: &AtomicBool,
        reads: &AtomicU64,
        seen: &mut Seen,
    ) -> std::io::Result<()> {
        let mut connection = self.places[0].open(Duration::from_secs(5))?;
        let mut at = 0;
        // Relaxed: a flag that ends the loop, and a count that nothing else hangs on.
        while !over.load(Ordering::Relaxed) {
            let batch: Vec<usize> =
                (1..=BATCH).map(|it| (at + it * self.step) % self.count).collect();
            at = batch[BATCH - 1];
            let requests: Vec<u8> =
                batch.iter().flat_map(|&it| encode(&["GET", &key(it)])).collect();
            connection.send(&requests)?;
            for index in batch {
                let reply = connection.read_reply()?;
                self.see(index, &reply, seen);
            }
            seen.reads += BATCH as u64;
            reads.fetch_add(BATCH as u64, Ordering::Relaxed);
        }
        Ok(())
    }

    fn run_cluster(&self, over: &AtomicBool, reads: &AtomicU64, seen: &mut Seen) {
        let mut connections: HashMap<SocketAddr, Connection> = HashMap::new();
        // Where a key was found last, by its slot.
        let mut known: HashMap<u16, SocketAddr> = HashMap::new();
        let mut at = 0;
        while !over.load(Ordering::Relaxed) {
            at = (at + self.step) % self.count;
            let name = key(at);
            let slot = torc_protocol::slot::slot_of(name.as_bytes()).index() as u16;
            let mut to = known.get(&slot).copied().unwrap_or(self.places[0].cluster);
            let mut last = Vec::new();
            for _ in 0..REDIRECTIONS_MAX {
                last = match ask(&mut connections, to, &name) {
                    Ok(reply) => reply,
                    Err(_) => {
                        // As every client of a cluster does when a node is gone, it asks another for the way.
                        connections.remove(&to);
                        seen.reconnected += 1;
                        to = self.places[0].cluster;
                        continue;
                    }
                };
                let Some(next) = moved(&last) else { break };
                seen.redirected += 1;
                to = next;
                known.insert(slot, next);
            }
            self.see(at, &last, seen);
            seen.reads += 1;
            reads.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn ask(
    connections: &mut HashMap<SocketAddr, Connection>,
    to: SocketAddr,
    name: &str,
) -> std::io::Result<Vec<u8>> {
    let connection = match connections.entry(to) {
        Entry::Occupied(entry) => entry.into_mut(),
        Entry::Vacant(entry) => entry.insert(Connection::open(to)?),
    };
    connection.call_raw(&["GET", name])
}

/// Where `-MOVED slot host:port` points.
fn moved(reply: &[u8]) -> Option<SocketAddr> {
    let text = std::str::from_utf8(reply).ok()?.strip_prefix("-MOVED ")?;
    text.trim().split(' ').nth(1)?.parse().ok()
}

/// Has watchers read while `trouble` happens, which is given the count of their reads.
pub fn under_watch<T>(
    watchers: &[Watcher],
    trouble: impl FnOnce(&AtomicU64) -> T,
) -> (Vec<Seen>, T) {
    let (over, reads) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let running: Vec<_> =
            watchers.iter().map(|it| scope.spawn(|| it.run(&over, &reads))).collect();
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| trouble(&reads)));
        over.store(true, Ordering::Relaxed);
        let seen = running.into_iter().map(|it| it.join().expect("a watcher does not panic"));
        let seen = seen.collect();
        match result {
            Ok(result) => (seen, result),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// A client that counts at one key, at one node.
#[derive(Debug)]
pub struct Counter {
    place: Place,
    key: String,
}

impl Counter {
    pub fn new(place: &Place, key: &str) -> Counter {
        Counter { place: place.clone(), key: key.to_owned() }
    }

    /// Counts until `over`: how often for certain, and how often perhaps.
    pub fn run(&self, over: &AtomicBool) -> (u64, u64) {
        let (mut certain, mut perhaps, mut connection) = (0, 0, None);
        while !over.load(Ordering::Relaxed) {
            if connection.is_none() {
                connection = self.place.open(Duration::from_secs(1)).ok();
                continue;
            }
            let reply = connection.as_mut().map(|it| it.call(&["INCR", &self.key]));
            match reply {
                Some(Ok(Value::Integer(_))) => certain += 1,
                Some(Ok(reply)) if load::is_nothing_done(&reply.text()) => {}
                Some(Ok(_)) => perhaps += 1,
                _ => (perhaps, connection) = (perhaps + 1, None),
            }
        }
        (certain, perhaps)
    }
}

fn each(place: &Place, command: &[&str], keys: &[String], tail: &[&str]) -> Vec<Value> {
    let mut connection = place.open(LIMIT).expect("the node answers");
    let requests: Vec<u8> =
        keys.iter().flat_map(|key| encode(&[command, &[key.as_str()], tail].concat())).collect();
    let replies = connection.pipeline(&requests, keys.len());
    replies.iter().map(|reply| Value::parse(reply).expect("a reply")).collect()
}

/// Writes `keys`.
pub fn set(place: &Place, keys: &[String]) {
    let replies = each(place, &["SET"], keys, &["doomed"]);
    assert!(replies.iter().all(|reply| !reply.is_error()), "{:?}", replies[0]);
}

/// Deletes `keys`; those whose deletion was acknowledged.
pub fn delete(place: &Place, keys: &[String]) -> Vec<String> {
    let replies = each(place, &["DEL"], keys, &[]);
    let done = keys.iter().zip(replies).filter(|(_, reply)| reply.integer().is_some());
    done.map(|(key, _)| key.clone()).collect()
}

/// Those of `keys` that the node serves.
pub fn present(place: &Place, keys: &[String]) -> Vec<String> {
    let replies = each(place, &["EXISTS"], keys, &[]);
    let there = keys.iter().zip(replies).filter(|(_, reply)| reply.integer() != Some(0));
    there.map(|(key, _)| key.clone()).collect()
}
