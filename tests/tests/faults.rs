//! What the guarantees promise when nodes of a ring die, freeze, come, go, or are cut off: three and four real processes under load.
//!
//! `TORC_FAULT_ROUNDS=20` repeats the kills so often; `TORC_FAULT_LONG=1` takes more keys and longer faults. `TORC_FAULT_KEEP=1` keeps logs.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

#[path = "faults/cpu.rs"]
mod cpu;
#[path = "faults/gather.rs"]
mod gather;
#[path = "faults/load.rs"]
mod load;
#[path = "faults/space.rs"]
mod space;
#[path = "faults/watch.rs"]
mod watch;

use load::{Told, Writer, under_load};
use rustix::process::Signal;
use space::Switch;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use torc_tests::ring::{self, LIMIT, Node, Place, Table, await_whole, is_whole, pass, places};
use torc_tests::wait;

/// Clients may see errors or waits for so long after a crash.
const DISTURBANCE: Duration = Duration::from_secs(3);

/// Throughput while a node comes or goes, as a part of that before: the median of windows of a second, and all but one of them, keep at least so much. What other programs
/// take of the machine is counted out ([`cpu`]).
const THROUGHPUT_LEAST: f64 = 0.5;

/// The one worst window may be worse, by so much: a process that starts or ends, and the other programs' bursts, fall into some window.
const THROUGHPUT_WORST: f64 = 0.3;

/// A write must have reached two nodes.
const W2: &[&str] = &["--default-write-consistency", "2"];

fn rounds() -> usize {
    std::env::var("TORC_FAULT_ROUNDS").ok().and_then(|it| it.parse().ok()).unwrap_or(2)
}

fn is_long() -> bool {
    std::env::var_os("TORC_FAULT_LONG").is_some()
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Four writers, one each begins at each node.
fn writers(name: &str, places: &[Place], patience: Duration) -> Vec<Writer> {
    let writer = |index: usize| {
        let mut places = places.to_vec();
        let count = places.len();
        places.rotate_left(index % count);
        Writer { name: format!("{name}:{index}"), places, patience, pause: Duration::ZERO }
    };
    (0..4).map(writer).collect()
}

/// The last error between two moments, of all writers.
fn last_error(told: &[Told], begin: Instant, end: Instant) -> Duration {
    told.iter().map(|told| told.last_error(begin, end)).max().unwrap_or_default()
}

/// Fails unless all nodes count the same keys.
fn check_sizes(nodes: &[Node]) -> i64 {
    let sizes: Vec<i64> =
        nodes.iter().filter_map(|node| node.place.ask("DBSIZE").integer()).collect();
    assert!(sizes.len() == nodes.len() && sizes.iter().all(|&it| it == sizes[0]), "{sizes:?}");
    sizes[0]
}

#[test]
fn a_killed_node_takes_no_acknowledged_write_along() {
    let mut nodes = ring::ring(3, W2);
    let places = places(&nodes);
    let mut everything = Vec::new();
    for round in 0..rounds() {
        let victim = round % nodes.len();
        let name = format!("kill:{round}");
        let (mut told, (killed, restarted, whole)) =
            under_load(&writers(&name, &places, seconds(5)), |_| {
                pass(Duration::from_millis(1_500));
                nodes[victim].kill();
                let killed = wait::now();
                pass(seconds(3));
                nodes[victim].run();
                let restarted = wait::now();
                let whole = await_whole(&nodes, LIMIT);
                pass(Duration::from_millis(500));
                (killed, restarted, whole)
            });
        let disturbed = last_error(&told, killed, restarted);
        let returned = last_error(&told, restarted, wait::now());
        let gap = load::longest_gap(&told);
        let copied = load::check_all(&places, &told, seconds(10));
        println!(
            "round {round}: node {victim} killed; {} acknowledged, none lost; longest wait {gap:?}, last error {disturbed:?} after the kill and \
             {returned:?} after the restart; whole {whole:?} after the restart, copies equal {copied:?} after the load; {} keys; {:?}",
            load::acknowledged(&told),
            check_sizes(&nodes),
            load::errors(&told)
        );
        assert!(gap <= DISTURBANCE, "a client waited {gap:?}");
        assert!(disturbed <= DISTURBANCE, "errors for {disturbed:?} after the kill");
        assert!(returned <= DISTURBANCE, "errors for {returned:?} after the restart");
        everything.append(&mut told);
    }
    load::check_all(&places, &everything, seconds(10));
}

#[test]
fn a_second_node_killed_while_the_first_one_syncs() {
    const KEYS: usize = 100_000;
    for round in 0..rounds().div_ceil(2) {
        let mut nodes = ring::ring(3, W2);
        let places = places(&nodes);
        watch::load(&places[0], KEYS);
        let (first, second) = (round % 3, (round + 1) % 3);
        let (told, whole) = under_load(&writers("second", &places, seconds(5)), |_| {
            pass(seconds(1));
            nodes[first].kill();
            pass(seconds(3));
            nodes[first].run();
            nodes[first].await_answer();
            let copied = || watch::copied(&places[first], KEYS);
            wait::until("it begins to sync", LIMIT, || copied() > 0);
            let copied = copied();
            nodes[second].kill();
            println!("killed when a copy of {copied} of 100 keys was there");
            pass(seconds(4));
            nodes[second].run();
            await_whole(&nodes, LIMIT)
        });
        watch::check(&places, KEYS);
        let gap = load::longest_gap(&told);
        let copied = load::check_all(&places, &told, seconds(10));
        println!(
            "node {second} killed while node {first} syncs: {} acknowledged, none lost; longest wait {gap:?}; whole {whole:?} after the last restart, \
             copies equal {copied:?} after the load; {} keys; {:?}",
            load::acknowledged(&told),
            check_sizes(&nodes),
            load::errors(&told)
        );
    }
}

#[test]
fn a_frozen_node_comes_back_into_service() {
    let nodes = ring::ring(3, W2);
    let places = places(&nodes);
    let frozen = 1;
    let (told, (stopped, resumed, whole)) =
        under_load(&writers("frozen", &places, seconds(1)), |_| {
            pass(seconds(1));
            nodes[frozen].signal(Signal::STOP);
            let stopped = wait::now();
            pass(seconds(10));
            nodes[frozen].signal(Signal::CONT);
            let resumed = wait::now();
            let whole = await_whole(&nodes, LIMIT);
            pass(seconds(1));
            (stopped, resumed, whole)
        });
    let disturbed = last_error(&told, stopped, resumed);
    let returned = last_error(&told, resumed, wait::now());
    let gap = load::longest_gap(&told);
    let copied = load::check_all(&places, &told, seconds(10));
    println!(
        "node {frozen} frozen for 10 s: {} acknowledged, none lost; longest wait {gap:?}, last error {disturbed:?} after it stopped and {returned:?} after \
         it went on; whole {whole:?} after it went on, copies equal {copied:?} after the load; {} keys; {:?}",
        load::acknowledged(&told),
        check_sizes(&nodes),
        load::errors(&told)
    );
}

/// Fails if a reader or a writer saw anything but what it should.
fn check_undisturbed(what: &str, told: &[Told], read: &[watch::Seen], places: &[Place]) {
    let reads: u64 = read.iter().map(|seen| seen.reads).sum();
    println!(
        "{what}: {} writes acknowledged, longest wait {:?}, errors {:?}; {reads} reads, {} redirected, {} reconnected, wrong {:?}",
        load::acknowledged(told),
        load::longest_gap(told),
        load::errors(told),
        read.iter().map(|seen| seen.redirected).sum::<u64>(),
        read.iter().map(|seen| seen.reconnected).sum::<u64>(),
        read.iter().flat_map(|seen| &seen.wrong).take(8).collect::<Vec<_>>(),
    );
    for place in places {
        let wrong = load::wrong(place, load::Way::Routed, told);
        assert!(wrong.is_empty(), "{} lost: {:?}", wrong.len(), &wrong[..wrong.len().min(8)]);
    }
    assert!(told.iter().all(|told| told.errors.is_empty()), "{:?}", load::errors(told));
    assert!(read.iter().all(|seen| seen.wrong.is_empty()), "reads went wrong");
}

/// How many operations a second there were, second by second, while `trouble` lasts, and what came of it. A second counts as long as the part of the machine that other
/// programs left in it.
fn rates<T>(count: &AtomicU64, trouble: impl FnOnce() -> T) -> (Vec<f64>, T) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let counting = scope.spawn(|| {
            let mut rates = Vec::new();
            // Relaxed: a flag that ends the loop, and a count that nothing else hangs on.
            while !over.load(Ordering::Relaxed) {
                let (start, before) = (wait::now(), count.load(Ordering::Relaxed));
                let used = cpu::Used::now();
                wait::holds_within(seconds(1), || over.load(Ordering::Relaxed));
                let done = (count.load(Ordering::Relaxed) - before) as f64;
                // What is left of a second at the end tells little.
                if rates.is_empty() || start.elapsed() >= Duration::from_millis(500) {
                    let left = used.left_since(start.elapsed());
                    rates.push(done / start.elapsed().as_secs_f64() / left);
                }
            }
            rates
        });
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(trouble));
        over.store(true, Ordering::Relaxed);
        let rates = counting.join().expect("counting does not panic");
        match result {
            Ok(result) => (rates, result),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

fn least(rates: &[f64]) -> f64 {
    rates.iter().copied().fold(f64::INFINITY, f64::min)
}

fn median(rates: &[f64]) -> f64 {
    let mut rates = rates.to_vec();
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// Fails if clients had less than they should while a node came or went.
fn check_throughput(what: &str, calm: &[f64], busy: &[f64]) {
    let parts: Vec<f64> = busy.iter().map(|rate| rate / median(calm)).collect();
    let below = parts.iter().filter(|&&part| part < THROUGHPUT_LEAST).count();
    println!(
        "{what}: reads a second {:.0} before, {:.0} during; of that before {:.2} as the median, {:.2} in the worst second; {parts:.2?}",
        median(calm),
        median(busy),
        median(&parts),
        least(&parts),
    );
    assert!(median(&parts) >= THROUGHPUT_LEAST, "{what}: throughput fell to {parts:.2?}");
    let fits = below <= 1 && least(&parts) >= THROUGHPUT_WORST;
    assert!(fits, "{what}: throughput fell to {parts:.2?} in single seconds");
}

#[test]
fn a_node_joins_and_leaves_and_nobody_notices() {
    let keys = if is_long() { 500_000 } else { 100_000 };
    let mut nodes = ring::ring(3, &[]);
    let staying = places(&nodes);
    watch::load(&staying[0], keys);
    let before = Table::of(&staying[0]).expect("there is a table");
    let mut joined = None;

    let watchers = watch::watchers(&staying, keys);
    let (read, (told, (calm, rates_join, took))) = watch::under_watch(&watchers, |reads| {
        under_load(&writers("join", &staying, seconds(5)), |_| {
            let (calm, ()) = rates(reads, || pass(seconds(5)));
            let (busy, took) = rates(reads, || {
                let node = Node::start(Place::free(), Some(&staying[0]), &[]);
                node.await_answer();
                nodes.push(node);
                await_whole(&nodes, seconds(90))
            });
            joined = Table::of(&staying[0]);
            pass(seconds(1));
            (calm, busy, took)
        })
    });
    let after = joined.expect("there is a table");
    let (moved, ideal) = (before.moved_to(&after), 3 * 16_384 / 4);
    println!(
        "join with {keys} keys: {took:?}; {moved} copies of slots moved, {:.3} of the ideal",
        moved as f64 / f64::from(ideal),
    );
    check_undisturbed("join", &told, &read, &places(&nodes));
    assert!(moved as f64 <= 1.15 * f64::from(ideal), "{moved} copies moved");
    check_throughput("join", &calm, &rates_join);

    let watchers = watch::watchers(&staying, keys);
    let (read, (told, (calm, rates_leave, took))) = watch::under_watch(&watchers, |reads| {
        under_load(&writers("leave", &staying, seconds(5)), |_| {
            let (calm, ()) = rates(reads, || pass(seconds(5)));
            let (busy, took) = rates(reads, || {
                let start = wait::now();
                let mut node = nodes.pop().expect("it has joined");
                node.signal(Signal::TERM);
                let status = node.await_exit(seconds(60));
                assert!(status.success(), "{status}: {}", node.log());
                let took = start.elapsed();
                await_whole(&nodes, LIMIT);
                took
            });
            pass(seconds(1));
            (calm, busy, took)
        })
    });
    println!("leave with {keys} keys: {took:?}");
    check_undisturbed("leave", &told, &read, &staying);
    check_throughput("leave", &calm, &rates_leave);
    watch::check(&staying, keys);
}

#[test]
fn two_sides_of_a_partition_come_together() {
    let switch = match Switch::new(3) {
        Ok(switch) => switch,
        Err(why) => return println!("NOT TESTED: no network namespaces here: {why}"),
    };
    let cut = if is_long() { seconds(30) } else { seconds(10) };
    let open: &[&str] = &[
        &["--cluster-secret", "a secret", "--requirepass", "", "--protected-mode", "no"][..],
        &["--enable-debug-command", "yes"],
    ]
    .concat();
    let nodes = ring::ring_at(switch.places(), open);
    let places = places(&nodes);

    // What one side deletes and nobody writes again has to stay away.
    let doomed: Vec<String> = (0..3_000).map(|index| format!("doomed:{index}")).collect();
    watch::set(&places[0], &doomed);
    // One writer a side, which stays at its node.
    let sides: Vec<Writer> = (0..3)
        .map(|index| Writer {
            name: format!("side:{index}"),
            places: vec![places[index].clone()],
            patience: seconds(1),
            // Every key is compared afterwards, and cut off nodes write fast.
            pause: Duration::from_micros(if is_long() { 200 } else { 1_000 }),
        })
        .collect();
    // And both sides count at one counter.
    let shared: Vec<watch::Counter> =
        [0, 2].into_iter().map(|at| watch::Counter::new(&places[at], "shared:count")).collect();
    // And gather in the same collections.
    let gatherers: Vec<gather::Gatherer> = [0, 2]
        .into_iter()
        .map(|at| gather::Gatherer::new(&places[at], &format!("side{at}")))
        .collect();
    let (told, (counted, gathered, deleted)) = under_load(&sides, |_| {
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let counting: Vec<_> = shared.iter().map(|it| scope.spawn(|| it.run(&over))).collect();
            let gathering: Vec<_> =
                gatherers.iter().map(|it| scope.spawn(|| it.run(&over))).collect();
            pass(seconds(1));
            switch.set_plugged(2, false);
            // The first third by one side, the last by the other; those between by both.
            pass(cut / 2);
            let mut deleted = watch::delete(&places[0], &doomed[..2_000]);
            deleted.extend(watch::delete(&places[2], &doomed[1_000..]));
            pass(cut / 2);
            switch.set_plugged(2, true);
            over.store(true, Ordering::Relaxed);
            let counted: Vec<_> =
                counting.into_iter().map(|it| it.join().expect("it counts")).collect();
            let gathered: Vec<_> =
                gathering.into_iter().map(|it| it.join().expect("it gathers")).collect();
            (counted, gathered, deleted)
        })
    });
    let healed = wait::now();
    let least: u64 = counted.iter().map(|it| it.0).sum();
    let doubtful: u64 = counted.iter().map(|it| it.1).sum();
    let keys: Vec<&String> =
        told.iter().flat_map(|told| told.bounds.keys()).chain(&doomed).collect();
    let read = |keys: &[&String]| -> Vec<_> {
        places.iter().map(|it| load::values(it, load::Way::Own, keys)).collect()
    };
    let some: Vec<&String> = keys.iter().step_by(keys.len() / 500 + 1).copied().collect();
    let equal = wait::holds_within(seconds(10), || {
        // A digest takes a node a good part of a second, in which slots are neither read nor taken: first a few keys are looked at.
        pass(Duration::from_millis(200));
        let views = read(&some);
        if views.iter().any(|view| *view != views[0]) {
            return false;
        }
        // Three nodes keep three copies, so each of them has all there is.
        let digests: Vec<String> = std::thread::scope(|scope| {
            let asked: Vec<_> =
                places.iter().map(|it| scope.spawn(|| it.ask("DEBUG DIGEST").text())).collect();
            asked.into_iter().map(|it| it.join().expect("it answers")).collect()
        });
        assert_eq!(digests[0].len(), 40, "no digest: {}", digests[0]);
        digests.iter().all(|digest| *digest == digests[0])
    });
    let took = healed.elapsed();
    let views = read(&keys);
    let differing: Vec<String> = (0..keys.len())
        .filter(|&at| views.iter().any(|view| view[at] != views[0][at]))
        .map(|at| {
            let seen: Vec<_> = views.iter().map(|view| &view[at]).collect();
            format!("{}: {seen:?}", keys[at])
        })
        .collect();
    println!(
        "cut for {cut:?}: {} acknowledged, {least} counted together (and {doubtful} perhaps), {} gathered, {} deletions; equal {took:?} after healing; {:?}",
        load::acknowledged(&told),
        gathered.iter().map(gather::Gathered::len).sum::<usize>(),
        deleted.len(),
        load::errors(&told)
    );
    assert!(
        equal && differing.is_empty(),
        "{} keys differ: {:?}",
        differing.len(),
        &differing[..differing.len().min(8)]
    );
    assert!(gather::is_equal(&places), "collections differ");
    for place in &places {
        let wrong = gather::wrong(place, &gathered);
        assert!(wrong.is_empty(), "{}: {wrong:?}", place.plain);
    }
    load::check_all(&places, &told, seconds(1));
    let back: Vec<String> = places.iter().flat_map(|it| watch::present(it, &deleted)).collect();
    assert!(
        back.is_empty(),
        "{} deleted keys are back: {:?}",
        back.len(),
        &back[..back.len().min(8)]
    );
    for place in &places {
        let count: u64 = place.ask("GET shared:count").text().parse().unwrap();
        assert!(
            (least..=least + doubtful).contains(&count),
            "{count}, not {least} (and {doubtful} perhaps)"
        );
    }
    await_whole(&nodes, LIMIT);
    check_sizes(&nodes);
}

#[test]
fn a_node_of_another_cluster_is_refused() {
    let nodes = ring::ring(3, &["--cluster-secret", "right"]);
    let check = |what: &str, further: &[&str], word: &str| {
        let stranger = Node::start(Place::free(), Some(&nodes[0].place), further);
        stranger.await_answer();
        let (told, ()) = under_load(&writers(what, &places(&nodes), seconds(5)), |_| {
            let says = |node: &Node, words: &str| {
                let log = node.log().to_lowercase();
                log.lines().any(|line| line.contains(words) && line.contains(word))
            };
            wait::until("both sides say so", seconds(10), || {
                says(&nodes[0], "refused a node") && says(&stranger, "refused by a node")
            });
            pass(seconds(2));
        });
        let line = |node: &Node| {
            let log = node.log();
            let found = log.lines().find(|it| it.contains("refused") && it.contains(word));
            found.unwrap_or_default().to_owned()
        };
        println!(
            "{what}: the ring says: {}\n  the stranger says: {}",
            line(&nodes[0]),
            line(&stranger)
        );
        assert!(load::errors(&told).is_empty(), "{:?}", load::errors(&told));
        for node in &nodes {
            let known = node.place.ask("CLUSTER NODES").text();
            assert_eq!(known.lines().count(), 3, "{known}");
        }
        assert!(is_whole(&nodes), "the ring is not whole any more");
        load::check_all(&places(&nodes), &told, seconds(5));
    };
    check("another name", &["--cluster-secret", "right", "--cluster-name", "other"], "cluster");
    check("another secret", &["--cluster-secret", "wrong"], "secret");
    check("no secret", &[], "secret");
}
