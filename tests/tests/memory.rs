//! What the node does with memory: `maxmemory`, eviction, expiry in bulk, and what a key takes.
//!
//! The tests run one after the other (`--test-threads=1` in tests/run): each measures a whole process.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use torc_tests::{Connection, Server, Value, process, start_node, wait};

const MIB: u64 = 1 << 20;

/// Sends `count` commands that `command` writes for each index, in chunks; the replies that are not `expected`.
fn load(
    connection: &mut Connection,
    count: usize,
    expected: &[u8],
    mut command: impl FnMut(usize, &mut String),
) -> Vec<(usize, Vec<u8>)> {
    const CHUNK: usize = 2_000;
    let mut other = Vec::new();
    for first in (0..count).step_by(CHUNK) {
        let last = (first + CHUNK).min(count);
        let mut requests = String::new();
        (first..last).for_each(|index| command(index, &mut requests));
        let replies = connection.pipeline(requests.as_bytes(), last - first);
        let odd = replies.into_iter().enumerate().filter(|(_, reply)| reply != expected);
        other.extend(odd.map(|(at, reply)| (first + at, reply)));
    }
    other
}

fn set(out: &mut String, key: &str, value: &str, tail: &[&str]) {
    let args: Vec<&str> = ["SET", key, value].iter().chain(tail).copied().collect();
    write!(out, "*{}\r\n", args.len()).unwrap();
    args.iter().for_each(|arg| write!(out, "${}\r\n{arg}\r\n", arg.len()).unwrap());
}

fn info(connection: &mut Connection, section: &str, field: &str) -> u64 {
    let text = connection.run(&format!("INFO {section}")).text();
    let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    value
        .and_then(|v| v.trim().parse().ok())
        .unwrap_or_else(|| panic!("no {field} in INFO {section}"))
}

/// Writes 1 GB under a limit of 100 MB; no write fails and resident memory stays within 15 % above the limit.
fn a_gigabyte_under(policy: &str, ttl: bool) {
    let server = start_node!(&["--maxmemory", "100mb", "--maxmemory-policy", policy]);
    let mut connection = server.connect();
    let value = "v".repeat(1000);
    let tail: &[&str] = if ttl { &["EX", "1000"] } else { &[] };
    let (over, peak) = (AtomicBool::new(false), std::sync::atomic::AtomicU64::new(0));
    let failed = std::thread::scope(|scope| {
        scope.spawn(|| {
            // Relaxed: a flag that ends the loop, and a figure read after the join.
            while !over.load(Ordering::Relaxed) {
                peak.fetch_max(server.rss_bytes(), Ordering::Relaxed);
                std::thread::yield_now();
                wait::holds_within(Duration::from_millis(10), || false);
            }
        });
        let failed = load(&mut connection, 1_000_000, b"+OK\r\n", |i, out| {
            set(out, &format!("key:{i:012}"), &value, tail);
        });
        over.store(true, Ordering::Relaxed);
        failed
    });
    let peak = peak.into_inner().max(server.rss_bytes());
    let (evicted, keys) =
        (info(&mut connection, "stats", "evicted_keys"), connection.run("DBSIZE"));
    let mib = peak as f64 / MIB as f64;
    println!("{policy}: peak RSS {mib:.1} MiB, {evicted} evicted, {keys:?} keys left");
    assert!(failed.is_empty(), "{} writes failed, first {:?}", failed.len(), failed.first());
    assert!(peak < 115 * MIB, "RSS of {mib:.1} MiB is more than 15 % above maxmemory");
    assert!(keys.integer().unwrap() > 50_000, "far more was evicted than needed: {keys:?} left");
}

#[test]
fn allkeys_lru_takes_every_write() {
    a_gigabyte_under("allkeys-lru", false);
}

#[test]
fn allkeys_lfu_takes_every_write() {
    a_gigabyte_under("allkeys-lfu", false);
}

#[test]
fn allkeys_random_takes_every_write() {
    a_gigabyte_under("allkeys-random", false);
}

#[test]
fn volatile_ttl_takes_every_write_of_keys_with_deadlines() {
    a_gigabyte_under("volatile-ttl", true);
}

#[test]
fn noeviction_refuses_and_loses_nothing() {
    let server = start_node!(&["--maxmemory", "20mb", "--maxmemory-policy", "noeviction"]);
    let mut connection = server.connect();
    let count = 40_000;
    let refused = load(&mut connection, count, b"+OK\r\n", |i, out| {
        set(out, &format!("key:{i}"), &format!("{i:01000}"), &[]);
    });
    let oom = b"-OOM command not allowed when used memory > 'maxmemory'.\r\n";
    assert!(refused.iter().all(|(_, reply)| reply == oom), "{:?}", refused.first());
    let first = refused.first().expect("20 MB do not hold 40 MB").0;
    println!("noeviction: the first write refused is {first}");
    let refused: std::collections::BTreeSet<usize> = refused.into_iter().map(|(i, _)| i).collect();
    for i in 0..count {
        let reply = connection.call(&["GET", &format!("key:{i}")]).unwrap();
        let expected = if refused.contains(&i) {
            Value::Null(b'$')
        } else {
            Value::Bulk(format!("{i:01000}").into_bytes())
        };
        assert_eq!(reply, expected, "key {i}");
    }
    // Reading and removing go on, and make room.
    assert_eq!(connection.run("DEL key:0").integer(), Some(1));
    assert_eq!(connection.run("FLUSHALL").text(), "OK");
    wait::until("writes are taken again", Duration::from_secs(20), || {
        connection.run("SET again v").text() == "OK"
    });
}

#[test]
fn volatile_policies_take_only_keys_with_deadlines() {
    for policy in ["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"] {
        let server = start_node!(&["--maxmemory", "30mb", "--maxmemory-policy", policy]);
        let mut connection = server.connect();
        let value = "v".repeat(500);
        let kept = load(&mut connection, 10_000, b"+OK\r\n", |i, out| {
            set(out, &format!("stays:{i}"), &value, &[]);
        });
        assert!(kept.is_empty(), "{policy}: {:?}", kept.first());
        let failed = load(&mut connection, 100_000, b"+OK\r\n", |i, out| {
            set(out, &format!("goes:{i}"), &value, &["EX", "5000"]);
        });
        assert!(failed.is_empty(), "{policy}: {:?}", failed.first());
        let missing = load(&mut connection, 10_000, b":1\r\n", |i, out| {
            write!(out, "EXISTS stays:{i}\r\n").unwrap();
        });
        assert!(missing.is_empty(), "{policy}: {} keys without a deadline are gone", missing.len());
        assert!(info(&mut connection, "stats", "evicted_keys") > 0);
        // When only keys without a deadline are left there is nothing to evict.
        let refused = load(&mut connection, 100_000, b"+OK\r\n", |i, out| {
            set(out, &format!("more:{i}"), &value, &[]);
        });
        assert!(refused.iter().any(|(_, reply)| reply.starts_with(b"-OOM ")), "{policy}");
    }
}

/// The server's thread that has used the most CPU time so far, as a folder of /proc, and that time.
fn busiest_thread(server: &Server) -> (String, Duration) {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    let threads = tasks.flatten().map(|task| {
        let path = task.path().to_string_lossy().into_owned();
        let cpu = process::cpu_of(&format!("{path}/stat"));
        (path, cpu)
    });
    threads.max_by_key(|&(_, cpu)| cpu).unwrap()
}

/// A server whose keys all expire at one time, and pings while they do.
///
/// A ping's time counts without what the worker and this thread waited for a CPU that others had: on a busy machine that is
/// most of it, and nothing the node can change.
#[test]
fn a_million_keys_expire_in_the_same_second() {
    const COUNT: usize = 1_000_000;
    const GOAL: Duration = Duration::from_millis(5);
    let server = start_node!(&[]);
    let mut connection = server.connect();
    let empty = server.rss_bytes();
    let time = |connection: &mut Connection| {
        connection.run("TIME").items()[0].text().parse::<u64>().unwrap()
    };
    // Loading takes a while, so the common deadline lies well ahead of it.
    let deadline = time(&mut connection) + 25;
    let at = deadline.to_string();
    let failed = load(&mut connection, COUNT, b"+OK\r\n", |i, out| {
        set(out, &format!("key:{i:012}"), "0123456789", &["EXAT", &at]);
    });
    assert!(failed.is_empty());
    assert!(time(&mut connection) + 1 < deadline, "loading took too long to measure the expiry");
    // All went over one connection: its worker is the thread that worked.
    let (rss, (worker, busy)) = (server.rss_bytes(), busiest_thread(&server));
    wait::until("the deadline is near", Duration::from_secs(30), || {
        time(&mut connection) + 1 >= deadline
    });
    let waits = || {
        process::waited_for_cpu(&format!("{worker}/schedstat"))
            + process::waited_for_cpu("/proc/thread-self/schedstat")
    };
    let (mut walls, mut times): (Vec<Duration>, Vec<Duration>) = Default::default();
    let stolen_before = process::stolen();
    let (mut last, mut swept) = (COUNT as i64, false);
    let start = wait::now();
    while !swept && start.elapsed() < Duration::from_secs(90) {
        for _ in 0..200 {
            let (waited, begin) = (waits(), wait::now());
            connection.run("PING");
            let wall = begin.elapsed();
            walls.push(wall);
            times.push(wall.saturating_sub(waits() - waited));
        }
        last = connection.run("DBSIZE").integer().unwrap();
        swept = last == 0;
    }
    let took = start.elapsed();
    let stolen = process::stolen() - stolen_before;
    walls.sort();
    times.sort();
    let at = |times: &[Duration], share: usize| times[times.len() * share / 10_000];
    println!(
        "expiry: {} pings in {took:?}, p99 {:?}, p99.9 {:?}, p99.99 {:?}, longest {:?} (with waits for a CPU: {:?}, {:?}, {:?}, {:?}); the worker used {:?}; RSS {} → {} MiB",
        times.len(),
        at(&times, 9_900),
        at(&times, 9_990),
        at(&times, 9_999),
        times[times.len() - 1],
        at(&walls, 9_900),
        at(&walls, 9_990),
        at(&walls, 9_999),
        walls[walls.len() - 1],
        busiest_thread(&server).1.saturating_sub(busy),
        rss / MIB,
        server.rss_bytes() / MIB
    );
    assert_eq!(last, 0, "keys past their deadline were not swept");
    assert_eq!(info(&mut connection, "stats", "expired_keys"), COUNT as u64);
    // A host that takes the machine's CPUs away, as happens under virtual machines, is seen by neither clock: two may be its doing, and what the kernel knows of.
    let slow = times.iter().filter(|&&time| time > GOAL).count();
    let excused = 2 + (stolen.as_millis() / GOAL.as_millis()) as usize;
    assert!(slow <= excused, "{slow} of {} took over {GOAL:?}; stolen {stolen:?}", times.len());
    wait::until("memory comes back", Duration::from_secs(30), || {
        server.rss_bytes() < empty + 20 * MIB
    });
}

#[test]
fn a_small_key_takes_under_105_bytes() {
    const COUNT: usize = 2_000_000;
    let server = start_node!(&[]);
    let mut connection = server.connect();
    let value = "v".repeat(64);
    let before = server.rss_bytes();
    let failed = load(&mut connection, COUNT, b"+OK\r\n", |i, out| {
        set(out, &format!("key:{i:012}"), &value, &[]);
    });
    assert!(failed.is_empty());
    let each = || (server.rss_bytes() - before) as f64 / COUNT as f64;
    // At once, since a load must not need twice the memory that it leaves behind.
    let each = each();
    let whole = server.rss_bytes() as f64 / COUNT as f64;
    let counted = info(&mut connection, "memory", "used_memory") as f64 / COUNT as f64;
    println!(
        "a 16 B key with a 64 B value: {each:.1} B of RSS ({whole:.1} B with the empty node), {counted:.1} B counted"
    );
    assert_eq!(connection.run("DBSIZE").integer(), Some(COUNT as i64));
    assert!(each < 105.0, "{each:.1} B a key");
    assert_eq!(connection.run("FLUSHALL ASYNC").text(), "OK");
    wait::until("memory comes back", Duration::from_secs(30), || {
        server.rss_bytes() < before + 60 * MIB
    });
}
