//! Clients that write while something goes wrong, and remember exactly what was acknowledged to them.
//!
//! Each writer has keys of its own: fresh ones written once, a few written again and again with rising numbers, and one counter. So what a key may hold afterwards follows
//! from what its one writer was told. A write without a reply, or with an error for one, may have been applied or not.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use torc_tests::resp::encode;
use torc_tests::ring::{LIMIT, Place};
use torc_tests::{Connection, Value, wait};

/// Keys that a writer writes again and again.
const REWRITTEN: u64 = 32;

/// What a key may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    pub least: u64,
    pub most: u64,
}

/// What a writer was told.
#[derive(Debug, Default)]
pub struct Told {
    /// By key, what it may hold. Every key here has been acknowledged once at least.
    pub bounds: BTreeMap<String, Bounds>,
    /// When and what went wrong.
    pub errors: Vec<(Instant, String)>,
    /// Longest time between two acknowledgements, and when it ended.
    pub gap: Option<(Duration, Instant)>,
    pub acknowledged: u64,
    /// Counted at the counter without knowing whether it was applied.
    pub doubtful: u64,
}

impl Told {
    fn note(&mut self, key: &str, value: u64, acknowledged: bool, is_counter: bool) {
        match (self.bounds.get_mut(key), acknowledged) {
            (None, true) => {
                let least = if is_counter { 1 } else { value };
                // Doubtful increments before the first acknowledgement count as well.
                let most = if is_counter { least + self.doubtful } else { value };
                self.bounds.insert(key.to_owned(), Bounds { least, most });
            }
            (Some(it), true) if is_counter => (it.least, it.most) = (it.least + 1, it.most + 1),
            (Some(it), true) => *it = Bounds { least: value, most: value },
            (Some(it), false) if is_counter => it.most += 1,
            (Some(it), false) => it.most = value,
            (None, false) => {}
        }
        self.doubtful += u64::from(is_counter && !acknowledged);
    }

    /// The last error after `begin` and before `end`, counted from `begin`.
    pub fn last_error(&self, begin: Instant, end: Instant) -> Duration {
        let within = self.errors.iter().filter(|(at, _)| *at >= begin && *at < end);
        within.map(|(at, _)| *at - begin).max().unwrap_or_default()
    }
}

/// Whether an error says that nothing was applied.
pub fn is_nothing_done(error: &str) -> bool {
    error.starts_with("UNREACHABLE") || error.starts_with("connect:")
}

/// How a writer works.
#[derive(Debug, Clone)]
pub struct Writer {
    /// Its name, the beginning of its keys.
    pub name: String,
    /// Where it connects; on trouble it goes on to the next.
    pub places: Vec<Place>,
    /// How long it waits for a reply.
    pub patience: Duration,
    /// How long it rests after each write.
    pub pause: Duration,
}

impl Writer {
    /// Writes until `over`; counts in `count`.
    pub fn run(&self, over: &AtomicBool, count: &AtomicU64) -> Told {
        let mut told = Told::default();
        let (mut connection, mut turn, mut last) = (None, 0, wait::now());
        for index in 1u64.. {
            // Relaxed: a flag that ends the loop.
            if over.load(Ordering::Relaxed) {
                break;
            }
            let counter = index % 4 == 3;
            let key = match index % 4 {
                3 => format!("{}:count", self.name),
                2 => format!("{}:again:{}", self.name, index / 4 % REWRITTEN),
                _ => format!("{}:{index}", self.name),
            };
            let value = index.to_string();
            let command: &[&str] = if counter { &["INCR", &key] } else { &["SET", &key, &value] };
            if !self.pause.is_zero() {
                torc_tests::ring::pass(self.pause);
            }
            let reply = self.call(&mut connection, &mut turn, command);
            let now = wait::now();
            match reply {
                Ok(()) => {
                    told.note(&key, index, true, counter);
                    told.acknowledged += 1;
                    count.fetch_add(1, Ordering::Relaxed);
                    if told.gap.is_none_or(|(longest, _)| now - last > longest) {
                        told.gap = Some((now - last, now));
                    }
                    last = now;
                }
                Err(why) => {
                    if !is_nothing_done(&why) {
                        told.note(&key, index, false, counter);
                    }
                    told.errors.push((now, why));
                }
            }
        }
        told
    }

    fn call(
        &self,
        slot: &mut Option<Connection>,
        turn: &mut usize,
        command: &[&str],
    ) -> Result<(), String> {
        if slot.is_none() {
            let place = &self.places[*turn % self.places.len()];
            match place.open(self.patience) {
                Ok(connection) => *slot = Some(connection),
                Err(error) => {
                    *turn += 1;
                    // A port that refuses does so at once.
                    torc_tests::ring::pass(Duration::from_millis(5));
                    return Err(format!("connect: {error}"));
                }
            }
        }
        let Some(connection) = slot else { return Err("not connected".into()) };
        match connection.call(command) {
            Ok(Value::Error(text)) => Err(String::from_utf8_lossy(&text).into_owned()),
            Ok(_) => Ok(()),
            Err(error) => {
                *slot = None;
                *turn += 1;
                Err(format!("no reply: {error}"))
            }
        }
    }
}

/// Runs writers while `trouble` happens; what they were told.
pub fn under_load<T>(writers: &[Writer], trouble: impl FnOnce(&AtomicU64) -> T) -> (Vec<Told>, T) {
    let (over, count) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let running: Vec<_> =
            writers.iter().map(|writer| scope.spawn(|| writer.run(&over, &count))).collect();
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| trouble(&count)));
        over.store(true, Ordering::Relaxed);
        let told =
            running.into_iter().map(|it| it.join().expect("a writer does not panic")).collect();
        match result {
            Ok(result) => (told, result),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Which way a node is asked for what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Over its plain port: whoever serves the key answers.
    Routed,
    /// Its own copy.
    Own,
}

/// The values of `keys` at a node; an error's text in place of a value that it does not give.
pub fn values(place: &Place, way: Way, keys: &[&String]) -> Vec<Option<String>> {
    let mut connection = match way {
        Way::Routed => place.open(LIMIT),
        Way::Own => place.open_cluster(LIMIT),
    }
    .unwrap_or_else(|error| panic!("{}: {error}", place.plain));
    if way == Way::Own {
        assert_eq!(connection.run("READONLY").text(), "OK");
    }
    let mut values = Vec::with_capacity(keys.len());
    for keys in keys.chunks(1_000) {
        let requests: Vec<u8> =
            keys.iter().flat_map(|key| encode(&["GET", key.as_str()])).collect();
        for reply in connection.pipeline(&requests, keys.len()) {
            values.push(match Value::parse(&reply) {
                Some(Value::Null(_)) | None => None,
                Some(value) => Some(value.text()),
            });
        }
    }
    values
}

/// Keys that do not hold at `place` what they may: the key, what it holds, what it may hold.
pub fn wrong(place: &Place, way: Way, told: &[Told]) -> Vec<String> {
    let keys: Vec<&String> = told.iter().flat_map(|told| told.bounds.keys()).collect();
    let bounds = told.iter().flat_map(|told| told.bounds.values());
    let values = values(place, way, &keys);
    let all = keys.iter().zip(bounds).zip(values);
    let wrong = all.filter_map(|((key, bounds), value)| {
        let number = value.as_deref().and_then(|it| it.parse::<u64>().ok());
        let fits = number.is_some_and(|it| (bounds.least..=bounds.most).contains(&it));
        (!fits).then(|| format!("{key} at {} ({way:?}): {value:?}, not {bounds:?}", place.plain))
    });
    wrong.collect()
}

/// Fails unless every node serves all that was acknowledged, and within `limit` has a copy of its own of it.
pub fn check_all(places: &[Place], told: &[Told], limit: Duration) -> Duration {
    for place in places {
        let wrong = wrong(place, Way::Routed, told);
        assert!(
            wrong.is_empty(),
            "{} keys are wrong: {:?}",
            wrong.len(),
            &wrong[..wrong.len().min(8)]
        );
    }
    let (start, mut left) = (wait::now(), Vec::new());
    let held = wait::holds_within(limit, || {
        left = places.iter().flat_map(|place| wrong(place, Way::Own, told)).collect();
        left.is_empty()
    });
    assert!(
        held,
        "{} copies are wrong after {limit:?}: {:?}",
        left.len(),
        &left[..left.len().min(8)]
    );
    start.elapsed()
}

/// Sums of what the writers were told.
pub fn acknowledged(told: &[Told]) -> u64 {
    told.iter().map(|told| told.acknowledged).sum()
}

/// The longest time that any writer went without an acknowledgement.
pub fn longest_gap(told: &[Told]) -> Duration {
    told.iter().filter_map(|told| told.gap).map(|(gap, _)| gap).max().unwrap_or_default()
}

/// How often each error came, the number in a text left out.
pub fn errors(told: &[Told]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for (_, text) in told.iter().flat_map(|told| &told.errors) {
        let text: String = text.chars().take(60).collect();
        *counts.entry(text).or_default() += 1;
    }
    counts
}
