//! Large collections stop nobody: while one is filled, read, changed, deleted and copied to another node, other clients of the node are answered as ever.
//!
//! `TORC_LARGE_ELEMENTS` says of how many elements (300,000; `tests/run large` takes ten million). A sorted set has as many, a hash a tenth.
//!
//! A request's time counts without what its worker and the test waited for a CPU that others had: on a busy machine that is most of it, and nothing the node can
//! change.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use torc_tests::ring::{self, Node, Place};
use torc_tests::{Connection, Value, process, start_node, wait};

/// No other request may take longer.
const GOAL: Duration = Duration::from_millis(5);

/// A host that takes the machine's CPUs away, as happens under virtual machines, is seen by no clock in it: so many may be its doing beside what the kernel knows of.
const FLUKES: usize = 2;

fn elements() -> u64 {
    std::env::var("TORC_LARGE_ELEMENTS").ok().and_then(|n| n.parse().ok()).unwrap_or(300_000)
}

/// Clients of every worker that are to be answered at once, whatever others do.
struct Bystanders {
    over: Arc<AtomicBool>,
    phase: Arc<Mutex<&'static str>>,
    thread: JoinHandle<Vec<Answered>>,
    stolen_before: Duration,
}

/// How long a bystander waited.
struct Answered {
    phase: &'static str,
    wall: Duration,
    /// Without waits for a CPU.
    time: Duration,
}

impl Bystanders {
    /// Clients of the processes of these addresses and ids, and what they ask for.
    fn of(servers: &[(SocketAddr, u32)], request: &'static str) -> Self {
        let (over, phase) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new("none")));
        let workers = servers.iter().flat_map(|&(address, pid)| each_worker(address, pid));
        let mut clients: Vec<_> = workers.collect();
        let thread = {
            let (over, phase) = (Arc::clone(&over), Arc::clone(&phase));
            std::thread::spawn(move || {
                let mut answered = Vec::new();
                // Relaxed: a flag that ends the loop.
                while !over.load(Ordering::Relaxed) {
                    for (client, schedstat) in &mut clients {
                        let waited = || {
                            process::waited_for_cpu(schedstat)
                                + process::waited_for_cpu("/proc/thread-self/schedstat")
                        };
                        let (before, begin) = (waited(), wait::now());
                        assert!(!client.run(request).is_error());
                        let wall = begin.elapsed();
                        let time = wall.saturating_sub(waited() - before);
                        answered.push(Answered { phase: *phase.lock().unwrap(), wall, time });
                    }
                    // They are few, and leave the machine to those who work.
                    wait::holds_within(Duration::from_millis(1), || false);
                }
                answered
            })
        };
        Bystanders { over, phase, thread, stolen_before: process::stolen() }
    }

    /// What goes on from now.
    fn meanwhile(&self, phase: &'static str) {
        *self.phase.lock().unwrap() = phase;
    }

    /// Prints how long they waited, and fails if that was too long.
    fn judge(self) {
        self.over.store(true, Ordering::Relaxed);
        let answered = self.thread.join().unwrap();
        let mut phases: Vec<&str> = Vec::new();
        for it in &answered {
            if phases.last() != Some(&it.phase) {
                phases.push(it.phase);
            }
        }
        println!(
            "{:<34} {:>9} {:>10} {:>10} {:>14}",
            "meanwhile", "requests", "p99", "longest", "with CPU waits"
        );
        let mut slow = 0;
        for phase in phases {
            let mine = || answered.iter().filter(|it| it.phase == phase);
            let mut times: Vec<Duration> = mine().map(|it| it.time).collect();
            times.sort();
            let longest = mine().map(|it| it.wall).max().unwrap_or_default();
            println!(
                "{phase:<34} {:>9} {:>10.0?} {:>10.0?} {longest:>14.0?}",
                times.len(),
                times[times.len() * 99 / 100],
                times[times.len() - 1],
            );
            slow += times.iter().filter(|&&time| time > GOAL).count();
        }
        let stolen = process::stolen() - self.stolen_before;
        let excused = FLUKES + (stolen.as_millis() / GOAL.as_millis()) as usize;
        let count = answered.len();
        assert!(slow <= excused, "{slow} of {count} took over {GOAL:?}; stolen {stolen:?}");
    }
}

/// A connection to each of a server's workers, and where the kernel tells how long that one waits for a CPU.
fn each_worker(address: SocketAddr, pid: u32) -> Vec<(Connection, String)> {
    let mut found: Vec<(Connection, String)> = Vec::new();
    for _ in 0..8 {
        let mut client = Connection::open(address).unwrap();
        let before = cpu_times(pid);
        client.pipeline("PING\r\n".repeat(100_000).as_bytes(), 100_000);
        let used = |thread: &str, ns: u64| {
            ns - before.iter().find(|it| it.0 == thread).map_or(0, |it| it.1)
        };
        let busiest = cpu_times(pid).into_iter().max_by_key(|(thread, ns)| used(thread, *ns));
        let schedstat = busiest.unwrap().0;
        if !found.iter().any(|(_, known)| *known == schedstat) {
            found.push((client, schedstat));
        }
    }
    found
}

/// Nanoseconds that each of a process's threads has had a CPU.
fn cpu_times(pid: u32) -> Vec<(String, u64)> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let threads = tasks.flatten().map(|task| {
        let path = format!("{}/schedstat", task.path().display());
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let ns = text.split_whitespace().next().and_then(|ns| ns.parse().ok()).unwrap_or(0);
        (path, ns)
    });
    threads.collect()
}

/// Adds elements `from..to`, fifty with each command: `element` writes one.
fn fill(
    connection: &mut Connection,
    head: &str,
    (from, to): (u64, u64),
    element: impl Fn(u64, &mut String),
) {
    const EACH: u64 = 50;
    const PIPELINE: u64 = 4;
    let mut first = from;
    while first < to {
        let (mut requests, mut count) = (String::new(), 0);
        while count < PIPELINE && first < to {
            let last = (first + EACH).min(to);
            write!(requests, "{head}").unwrap();
            (first..last).for_each(|n| element(n, &mut requests));
            requests.push_str("\r\n");
            (first, count) = (last, count + 1);
        }
        for reply in connection.pipeline(requests.as_bytes(), count as usize) {
            assert_eq!(reply.first(), Some(&b':'), "{}", reply.escape_ascii());
        }
    }
}

/// A reply under way: an array of strings without line ends, read as it comes.
struct LongReply {
    stream: BufReader<TcpStream>,
    request: String,
    /// How many strings were announced.
    count: u64,
}

impl LongReply {
    /// Asks, and reads until the reply has begun.
    fn begin(address: SocketAddr, request: &str) -> Self {
        let mut stream = BufReader::with_capacity(1 << 18, TcpStream::connect(address).unwrap());
        write!(stream.get_mut(), "{request}\r\n").unwrap();
        let mut head = String::new();
        stream.read_line(&mut head).unwrap();
        let count = head.trim_end().strip_prefix('*').expect(&head).parse().unwrap();
        LongReply { stream, request: request.to_string(), count }
    }

    /// Reads what is left of it; how many strings it had.
    fn finish(mut self) -> u64 {
        let (request, wanted, mut seen) = (&self.request, 2 * self.count, 0);
        while seen < wanted {
            let bytes = self.stream.fill_buf().unwrap();
            assert!(!bytes.is_empty(), "{request}: it ends after {seen} of {wanted} lines");
            seen += bytes.iter().filter(|&&byte| byte == b'\n').count() as u64;
            let length = bytes.len();
            self.stream.consume(length);
        }
        assert_eq!(seen, wanted, "{request}: more than was announced");
        self.count
    }
}

fn read_all(address: SocketAddr, request: &str) -> u64 {
    LongReply::begin(address, request).finish()
}

fn member(n: u64) -> String {
    format!("member:{n:08}")
}

#[test]
fn a_large_sorted_set_stops_nobody() {
    let server = start_node!(&["--workers", "2"]);
    let mut client = server.connect();
    let count = elements();
    let bystanders = Bystanders::of(&[(server.address(), server.pid())], "INCRBY bystander 0");
    bystanders.meanwhile("ZADD, 50 members each");
    // Scores in another order than members, so that additions go everywhere.
    let score = |n: u64| n.wrapping_mul(7_919) % count;
    fill(&mut client, "ZADD board", (0, count), |n, out| {
        write!(out, " {} {}", score(n), member(n)).unwrap();
    });
    assert_eq!(client.run("ZCARD board").integer(), Some(count as i64));
    println!("{count} members, RSS {} MiB", server.rss_bytes() >> 20);

    bystanders.meanwhile("ZRANK, ZSCORE, ZCOUNT, ZRANGE");
    for n in (0..count).step_by((count / 2_000) as usize) {
        let member = member(n);
        assert!(client.run(&format!("ZRANK board {member}")).integer().is_some());
        assert_ne!(client.run(&format!("ZSCORE board {member}")), Value::Null(b'$'));
        client.run(&format!("ZCOUNT board {} +inf", n / 2));
        assert_eq!(client.run(&format!("ZRANGE board {} {}", n / 2, n / 2 + 9)).items().len(), 10);
    }
    bystanders.meanwhile("ZRANGE of all, while it is changed");
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| read_all(server.address(), "ZRANGE board 0 -1"));
        fill(&mut client, "ZADD board", (count, count + count / 20), |n, out| {
            write!(out, " {} {}", n % 1_000, member(n)).unwrap();
        });
        assert!(reader.join().unwrap() >= count);
    });
    bystanders.meanwhile("ZREVRANGEBYSCORE of all, with scores");
    let len = client.run("ZCARD board").integer().unwrap() as u64;
    let told = read_all(server.address(), "ZREVRANGEBYSCORE board +inf -inf WITHSCORES");
    assert_eq!(told, 2 * len);
    bystanders.meanwhile("EXPIRE, RENAME");
    assert_eq!(client.run("EXPIRE board 1000").integer(), Some(1));
    assert_eq!(client.run("RENAME board other").text(), "OK");
    bystanders.meanwhile("DEL");
    let before = server.rss_bytes();
    assert_eq!(client.run("DEL other").integer(), Some(1));
    wait::until("memory comes back", Duration::from_secs(60), || {
        server.rss_bytes() < before / 2 + (20 << 20)
    });
    bystanders.judge();
}

#[test]
fn a_large_hash_stops_nobody() {
    let server = start_node!(&["--workers", "2"]);
    let mut client = server.connect();
    let count = elements() / 10;
    let bystanders = Bystanders::of(&[(server.address(), server.pid())], "INCRBY bystander 0");
    bystanders.meanwhile("HSET, 50 fields each");
    fill(&mut client, "HSET profile", (0, count), |n, out| {
        write!(out, " field:{n:08} value-of-some-length-{n}").unwrap();
    });
    println!("{count} fields, RSS {} MiB", server.rss_bytes() >> 20);
    bystanders.meanwhile("HGETALL, while it is changed");
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| read_all(server.address(), "HGETALL profile"));
        fill(&mut client, "HSET profile", (0, count / 4), |n, out| {
            write!(out, " field:{n:08} another").unwrap();
        });
        assert_eq!(reader.join().unwrap(), 2 * count);
    });
    bystanders.meanwhile("HKEYS, HVALS, HSCAN");
    assert_eq!(read_all(server.address(), "HKEYS profile"), count);
    assert_eq!(read_all(server.address(), "HVALS profile"), count);
    let (mut cursor, mut seen) = (String::from("0"), 0);
    loop {
        let reply = client.run(&format!("HSCAN profile {cursor} COUNT 1000"));
        seen += reply.items()[1].items().len() / 2;
        cursor = reply.items()[0].text();
        if cursor == "0" {
            break;
        }
    }
    assert_eq!(seen as u64, count);
    bystanders.meanwhile("DEL, while it is read");
    let reader = LongReply::begin(server.address(), "HGETALL profile");
    assert_eq!(client.run("DEL profile").integer(), Some(1));
    assert_eq!(reader.finish(), 2 * count);
    bystanders.meanwhile("afterwards");
    wait::until("memory comes back", Duration::from_secs(60), || server.rss_bytes() < 100 << 20);
    bystanders.judge();
}

/// A node joins a node that has them, and gets a copy of both.
#[test]
fn large_collections_go_to_another_node_and_stop_nobody() {
    let mut nodes = ring::ring(1, &[]);
    let count = elements();
    let mut client = nodes[0].place.open(ring::LIMIT).unwrap();
    fill(&mut client, "ZADD board", (0, count), |n, out| {
        write!(out, " {} {}", n.wrapping_mul(7_919) % count, member(n)).unwrap();
    });
    fill(&mut client, "HSET profile", (0, count / 10), |n, out| {
        write!(out, " field:{n:08} value-of-some-length-{n}").unwrap();
    });
    let seed = nodes[0].place.clone();
    nodes.push(Node::start(Place::free(), Some(&seed), &[]));
    nodes[1].await_answer();
    let servers: Vec<_> = nodes.iter().map(|it| (it.place.plain, it.pid())).collect();
    let bystanders = Bystanders::of(&servers, "PING");
    bystanders.meanwhile("a node joins");
    let took = ring::await_whole(&nodes, Duration::from_secs(600));
    bystanders.meanwhile("both are counted and read");
    for node in &nodes {
        assert_eq!(node.place.ask("ZCARD board").integer(), Some(count as i64));
        assert_eq!(node.place.ask("HLEN profile").integer(), Some((count / 10) as i64));
        // One of them has the other's reply by its link.
        assert_eq!(read_all(node.place.plain, "HGETALL profile"), count / 5);
        assert_eq!(read_all(node.place.plain, "ZRANGE board 0 -1"), count);
    }
    println!("{count} members and {} fields: the ring is whole after {took:.1?}", count / 10);
    bystanders.judge();
}
