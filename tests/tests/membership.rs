//! Membership in virtual time: how soon a death is noticed, how seldom a life is doubted, and what it costs.
//!
//! `TORC_MEMBERSHIP_LONG=1` runs more seeds for longer and prints the table of `-- --nocapture` for them. Each failure names its seed.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

#[path = "membership/sim.rs"]
mod sim;

use sim::{Setup, World, address, ms, record};
use std::time::Duration;
use torc_server::base::rng::Rng;
use torc_server::cluster::membership::{Event, Input, Liveness, Membership, Via, Why};
use torc_server::cluster::record::NodeState;

fn long() -> bool {
    std::env::var_os("TORC_MEMBERSHIP_LONG").is_some()
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn setup(seed: u64, loss: u64) -> Setup {
    Setup { seed, loss, ..Setup::default() }
}

/// A row of the table: `count` nodes, one is killed after `before`, and `after` more is watched.
fn death(count: usize, loss: u64, seed: u64, before: Duration, after: Duration, goal: Duration) {
    let mut world = World::formed(count, setup(seed, loss));
    world.run_for(before);
    let rate = world.rate(before);
    assert_eq!(world.false_alarms(), 0, "{count} nodes, {loss}‰ loss, seed {seed}, before");
    let killed = world.now;
    world.kill(count - 1);
    world.reset_counts();
    world.run_for(after);
    let (busy, found) = (world.rate(after), world.found_down(count - 1, killed));
    println!(
        "| {count} | {:.1}% | {seed} | {:.2} / {:.2} s | {} | {:.1} | {:.0} | {:.1} |",
        loss as f64 / 10.0,
        found.first().map_or(f64::NAN, Duration::as_secs_f64),
        found.last().map_or(f64::NAN, Duration::as_secs_f64),
        world.false_alarms(),
        rate.0,
        rate.1,
        busy.0,
    );
    let what = format!("{count} nodes, {loss}‰ loss, seed {seed}");
    assert_eq!(found.len(), count - 1, "everyone finds out: {what}");
    assert!(*found.last().unwrap() <= goal, "{:?} is too late: {what}", found.last());
    assert_eq!(world.false_alarms(), 0, "false alarms: {what}");
}

#[test]
fn a_death_is_noticed_and_the_living_are_not_doubted() {
    println!(
        "| nodes | loss | seed | first / last to notice | false alarms | datagrams/s/node | B/s/node | after the death |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let (seeds, watch) = if long() { (20, seconds(600)) } else { (4, seconds(60)) };
    for seed in 1..=seeds {
        for loss in [0, 50] {
            for count in [3, 10] {
                death(count, loss, seed, watch, watch, seconds(3));
            }
        }
    }
    let watch = if long() { seconds(120) } else { seconds(20) };
    for loss in [0, 50] {
        death(100, loss, 1, watch, watch / 2, seconds(4));
    }
}

#[test]
fn a_thousand_nodes() {
    let mut world = World::formed(1_000, setup(1, 0));
    let watch = if long() { seconds(60) } else { seconds(2) };
    world.run_for(watch);
    let rate = world.rate(watch);
    assert_eq!(world.false_alarms(), 0);
    println!("1000 nodes at rest: {:.1} datagrams/s/node, {:.0} B/s/node", rate.0, rate.1);

    let mut changed = record(7, address(7), 0);
    changed.ready = false;
    let id = changed.node;
    world.give(7, Input::OwnRecord(changed));
    let knows = |world: &World, index| !world.gossip(index).record(id).unwrap().ready;
    let everyone = |world: &World| (0..1_000).all(|index| knows(world, index));
    let took = world.run_until(seconds(3), everyone).expect("the change reaches everyone");
    println!("a record's change is known to all after {:.2} s", took.as_secs_f64());

    let (killed, watch) = (world.now, ms(5_000));
    world.kill(999);
    world.reset_counts();
    world.run_for(watch);
    let found = world.found_down(999, killed);
    println!(
        "a death: first {:.2} s, last {:.2} s, {} of 999; {:.1} datagrams/s/node meanwhile; {} false alarms",
        found[0].as_secs_f64(),
        found.last().unwrap().as_secs_f64(),
        found.len(),
        world.rate(watch).0,
        world.false_alarms(),
    );
    assert_eq!(found.len(), 999, "all notice within 5 s");
    assert_eq!(world.false_alarms(), 0);
    if long() {
        world.setup.loss = 50;
        let killed = world.now;
        world.kill(998);
        world.run_for(seconds(60));
        let found = world.found_down(998, killed);
        println!(
            "with 5% loss: first {:.2} s, last {:.2} s; {} false alarms in 60 s",
            found[0].as_secs_f64(),
            found.last().unwrap().as_secs_f64(),
            world.false_alarms()
        );
        assert!(found.len() == 998 && world.false_alarms() == 0);
    }
}

#[test]
fn small_clusters_gossip_on_their_links() {
    let mut world = World::formed(5, Setup { links: true, loss: 300, ..Setup::default() });
    world.run_for(seconds(60));
    let datagrams: u64 = world.nodes.iter().map(|node| node.sent).sum();
    let on_links: u64 = world.nodes.iter().map(|node| node.sent_on_links).sum();
    assert!(datagrams == 0 && on_links > 1_000, "{datagrams} datagrams, {on_links} on links");
    assert_eq!(world.false_alarms(), 0, "30% of datagrams lost is nothing to links");
    let killed = world.now;
    world.kill(4);
    world.run_for(seconds(3));
    assert_eq!(world.found_down(4, killed).len(), 4);
}

#[test]
fn a_frozen_node_is_down_meanwhile_and_accuses_no_one_afterwards() {
    for seed in 1..=5 {
        let mut world = World::formed(10, setup(seed, 0));
        let frozen = world.now;
        world.freeze(4);
        world.run_for(seconds(5));
        assert_eq!(world.found_down(4, frozen).len(), 9, "seed {seed}");
        let thawed = world.now;
        world.thaw(4);
        let all: Vec<usize> = (0..10).collect();
        let took = world.run_until(seconds(5), |world| world.together(&all));
        println!("frozen for 5 s, seed {seed}: back after {took:?}");
        assert!(took.is_some(), "seed {seed}");
        world.run_for(seconds(20));
        let rejoined = |event: &Event| matches!(event, Event::Rejoined { .. });
        assert!(world.count(4, rejoined) >= 1, "it is told: seed {seed}");
        for other in (0..10).filter(|other| *other != 4) {
            assert_eq!(world.count(other, rejoined), 0, "seed {seed}");
            let accused = world.found_down(other, thawed);
            assert!(accused.is_empty(), "seed {seed}: {other} accused, {accused:?}");
        }
    }
}

#[test]
fn a_short_pause_goes_unpunished() {
    let mut world = World::formed(10, setup(3, 0));
    for round in 0..20 {
        let index = round % 10;
        world.freeze(index);
        world.run_for(ms(900));
        world.thaw(index);
        world.run_for(ms(1_500));
    }
    assert_eq!(world.false_alarms(), 0);
}

#[test]
fn time_asleep_is_not_held_against_others() {
    // Pauses just short of the suspicion's length, on a network that makes suspicions frequent: whoever wakes finds them all overdue,
    // and their refutations in its socket.
    for seed in 1..=5 {
        let mut world = World::formed(3, setup(seed, 100));
        let mut rng = Rng::seeded(seed);
        for _ in 0..100 {
            let index = rng.below(3) as usize;
            world.freeze(index);
            world.run_for(ms(1_000));
            world.thaw(index);
            world.run_for(ms(1_000 + rng.below(1_000)));
        }
        assert_eq!(world.false_alarms(), 0, "seed {seed}");
    }
}

#[test]
fn a_defence_that_waits_in_the_socket_is_heard_first() {
    let mut world = World::formed(2, setup(1, 0));
    world.cut_one_way(&[1], &[0]);
    let (a, b) = (world.nodes[0].id, world.nodes[1].id);
    let suspects = |world: &World| world.gossip(0).liveness(b) == Some(Liveness::Suspect);
    assert!(world.run_until(seconds(3), suspects).is_some());
    // The accused hears of it and answers while the accuser sleeps through the rest of the suspicion.
    world.heal();
    world.freeze(0);
    for _ in 0..10 {
        world.give(1, Input::DataFrameHeard(a));
        world.run_for(ms(150));
    }
    world.thaw(0);
    world.run_for(seconds(5));
    assert!(world.found_down(1, Duration::ZERO).is_empty());
    assert!(world.together(&[0, 1]));
}

#[test]
fn a_node_that_comes_and_goes_is_given_more_time() {
    let mut world = World::formed(2, setup(1, 0));
    let mut took = Vec::new();
    for round in 0..3 {
        let killed = world.now;
        world.kill(1);
        let down = world.run_until(seconds(20), |world| !world.found_down(1, killed).is_empty());
        took.push(down.unwrap());
        let again = record(1, address(1), 1_790_000_100_000 + round);
        world.start(1, again, &["10.0.0.1:7946"], |_| {});
        assert!(world.run_until(seconds(10), |world| world.together(&[0, 1])).is_some());
        world.run_for(seconds(1));
    }
    println!("a flapping node is given up after {took:?}");
    assert!(took[1] > took[0] + ms(800) && took[2] > took[1] + ms(1_600), "{took:?}");
}

#[test]
fn many_frozen_nodes_do_not_make_the_others_look_dead() {
    let mut world = World::formed(60, setup(8, 20));
    let mut accused = 0;
    for round in 0..if long() { 20 } else { 3 } {
        let frozen: Vec<usize> = (0..6).map(|k| (round * 6 + k) % 60).collect();
        let start = world.now;
        frozen.iter().for_each(|index| world.freeze(*index));
        world.run_for(seconds(5));
        frozen.iter().for_each(|index| world.thaw(*index));
        world.run_for(seconds(15));
        for healthy in (0..60).filter(|index| !frozen.contains(index)) {
            accused += world.found_down(healthy, start).len();
        }
        let all: Vec<usize> = (0..60).collect();
        assert!(world.together(&all), "round {round}");
    }
    assert_eq!(accused, 0);
}

#[test]
fn a_node_joins_by_one_seed() {
    let mut world = World::formed(20, Setup { secret: Some("s"), loss: 50, ..Setup::default() });
    let joined = world.add(20, &["10.0.0.4:7946"], |_| {});
    let all: Vec<usize> = (0..=20).collect();
    let took = world.run_until(seconds(10), |world| world.together(&all)).unwrap();
    println!("a node of 21 that knows one seed is known to all and knows all after {took:?}");
    let complete = |world: &World| all.iter().all(|i| world.gossip(*i).records().len() == 21);
    let took = world.run_until(seconds(10), complete).unwrap();
    println!("and all records are everywhere after {took:?} more");
    assert_eq!(world.false_alarms(), 0);
    let ups = world.count(joined, |event| matches!(event, Event::MemberUp { .. }));
    assert_eq!(ups, 20, "each node is announced once");
}

#[test]
fn who_restarts_and_does_not_hear_the_answers_soon_has_all_records() {
    for seed in 1..=10 {
        let mut world = World::formed(3, Setup { links: true, ..setup(seed, 0) });
        world.run_for(seconds(1));
        world.kill(2);
        world.run_for(ms(3_000 + 37 * seed));
        // It asks at once, and the answers are lost. Then pings come before it asks again: it is not alone, and knows nobody.
        world.cut_one_way(&[0, 1], &[2]);
        let restarted = record(2, address(2), 1_790_000_100_000);
        world.start(2, restarted, &["10.0.0.1:7946", "10.0.0.2:7946"], |_| {});
        world.run_for(ms(20));
        world.heal();
        let complete = |world: &World| world.gossip(2).records().len() == 3;
        let took = world.run_until(seconds(10), complete);
        assert!(took.is_some_and(|took| took < ms(1_000)), "seed {seed}: {took:?}");
    }
}

#[test]
fn a_cluster_forms_from_a_name_that_is_resolved_again() {
    let mut world = World::new(Setup { loss: 50, ..Setup::default() });
    let count = 12;
    let all: Vec<usize> = (0..count).collect();
    for number in 0..count {
        world.add(number, &["torc.svc:7946"], |_| {});
    }
    // Nothing resolves at first; then the name holds two of the nodes, one of them the asker itself now and then.
    world.run_for(seconds(5));
    assert!(!world.together(&all));
    world.names.insert("torc.svc:7946".into(), vec![address(3), address(5)]);
    let took = world.run_until(seconds(40), |world| world.together(&all)).unwrap();
    println!("{count} nodes that know a name formed {took:?} after it resolved");
    world.run_for(seconds(30));
    assert_eq!(world.false_alarms(), 0);
    assert!(world.together(&all));
}

#[test]
fn a_node_comes_back_at_another_address() {
    for dead_time in [ms(200), seconds(20)] {
        let mut world = World::formed(6, setup(5, 0));
        world.kill(2);
        world.run_for(dead_time);
        let restarted = record(2, address(77), 1_790_000_100_000);
        world.start(2, restarted, &["10.0.0.1:7946"], |_| {});
        let all: Vec<usize> = (0..6).collect();
        let moved = |world: &World| {
            let id = world.nodes[2].id;
            let there = |index: &usize| {
                world.gossip(*index).record(id).is_some_and(|record| record.gossip == address(77))
            };
            world.together(&all) && all.iter().all(there)
        };
        let took = world.run_until(seconds(10), moved);
        println!("back at another address after {dead_time:?}: known to all after {took:?}");
        assert!(took.is_some());
        world.run_for(seconds(20));
        assert!(world.together(&all));
        let restarts = |event: &Event| matches!(event, Event::MemberUp { node, incarnation: 1_790_000_100_000 } if node.0 == 3);
        for other in [0, 1, 3, 4, 5] {
            assert_eq!(world.count(other, restarts), 1, "the new run is announced to {other}");
        }
    }
}

#[test]
fn a_clock_that_went_back_does_not_lock_a_node_out() {
    let mut world = World::formed(4, setup(5, 0));
    world.kill(2);
    world.run_for(seconds(5));
    world.start(2, record(2, address(2), 1_000), &["10.0.0.1:7946"], |_| {});
    let all = [0, 1, 2, 3];
    assert!(world.run_until(seconds(15), |world| world.together(&all)).is_some());
    assert!(world.count(2, |event| matches!(event, Event::Rejoined { .. })) >= 1);
    let id = world.nodes[2].id;
    assert!(world.gossip(0).record(id).unwrap().incarnation > 1_790_000_000_000);
}

#[test]
fn strangers_are_refused_on_both_sides_and_harm_nothing() {
    type Change = fn(&mut torc_server::cluster::membership::Options);
    let cases: [(&str, Change, Why); 5] = [
        ("secret", |o| o.secret = Some(b"other".to_vec()), Why::Secret),
        ("no secret", |o| o.secret = None, Why::Secret),
        ("name", |o| o.cluster = "green".into(), Why::ClusterName),
        ("layout", |o| o.record.layout_algo = 9, Why::LayoutAlgo),
        ("protocol", |o| o.record.protocol = (7, 9), Why::Protocol),
    ];
    for (name, change, expected) in cases {
        let mut world = World::formed(3, Setup { secret: Some("s"), ..Setup::default() });
        let stranger = world.add(3, &["10.0.0.1:7946", "10.0.0.2:7946"], change);
        world.run_for(seconds(60));
        let refused = |by: bool| move |event: &Event| matches!(event, Event::Refused { why, by_peer, .. } if *why == expected && *by_peer == by);
        assert!((1..=7).contains(&world.count(0, refused(false))), "{name}");
        assert!((1..=14).contains(&world.count(stranger, refused(true))), "{name}");
        for index in 0..3 {
            assert_eq!(world.gossip(index).records().len(), 3, "{name}");
            assert!(!world.sees(index, stranger), "{name}");
        }
        assert!(world.false_alarms() == 0 && world.together(&[0, 1, 2]), "{name}");
        assert_eq!(world.gossip(stranger).records().len(), 1, "{name}");
    }
}

#[test]
fn a_clock_far_off_is_refused_where_packets_are_sealed() {
    let mut world = World::formed(3, Setup { secret: Some("s"), ..Setup::default() });
    world.nodes[2].skew_ms = 40_000;
    world.run_for(seconds(10));
    let clock = |event: &Event| matches!(event, Event::Refused { why: Why::Clock, .. });
    assert!(world.count(0, clock) >= 1 && world.count(2, clock) >= 1);
    assert!(!world.sees(0, 2) && world.sees(0, 1));
    world.nodes[2].skew_ms = 20_000;
    assert!(world.run_until(seconds(60), |world| world.together(&[0, 1, 2])).is_some());
}

#[test]
fn doubled_and_replayed_packets_change_nothing() {
    for secret in [None, Some("s")] {
        let mut world =
            World::formed(6, Setup { secret, doubled: 500, loss: 50, ..Setup::default() });
        world.run_for(seconds(60));
        assert_eq!(world.false_alarms(), 0);
    }
}

#[test]
fn both_sides_of_a_split_find_each_other() {
    for (left, right) in [(vec![0, 1, 2, 3, 4], vec![5, 6, 7]), (vec![0], vec![1])] {
        for seed in 1..=3 {
            let all: Vec<usize> = left.iter().chain(&right).copied().collect();
            let mut world = World::formed(all.len(), setup(seed, 0));
            world.cut_both_ways(&left, &right);
            world.run_for(seconds(30));
            assert!(
                !world.sees(left[0], right[0]) && world.together(&left) && world.together(&right)
            );
            world.heal();
            let took = world.run_until(seconds(20), |world| world.together(&all));
            println!(
                "split {} : {}, seed {seed}: together {took:?} after it healed",
                left.len(),
                right.len()
            );
            assert!(took.is_some_and(|took| took < seconds(14)), "seed {seed}: {took:?}");
            world.run_for(seconds(30));
            assert!(world.together(&all), "and it stays so: seed {seed}");
        }
    }
}

#[test]
fn one_deaf_way_is_bridged_by_others() {
    for seed in 1..=3 {
        let mut world = World::formed(10, setup(seed, 0));
        world.cut_one_way(&[2], &[6]);
        world.run_for(seconds(60));
        assert_eq!(world.false_alarms(), 0, "seed {seed}");
    }
}

#[test]
fn a_node_whose_data_arrives_is_not_declared_down() {
    let mut world = World::formed(3, setup(2, 0));
    // Gossip of node 2 is lost, its data frames are not: for six seconds no one may give it up.
    world.cut_both_ways(&[2], &[0, 1]);
    let id = world.nodes[2].id;
    for _ in 0..30 {
        world.run_for(ms(200));
        world.give(0, Input::DataFrameHeard(id));
        world.give(1, Input::DataFrameHeard(id));
    }
    assert!(world.found_down(2, Duration::ZERO).is_empty());
    let stopped = world.now;
    world.run_for(seconds(3));
    assert_eq!(world.found_down(2, stopped).len(), 2);
}

#[test]
fn the_long_dead_are_forgotten_by_a_majority_alone() {
    let forget_after = seconds(30);
    let mut world = World::formed(5, Setup { forget_after, ..Setup::default() });
    world.kill(4);
    world.run_for(seconds(60));
    let forgotten = |event: &Event| matches!(event, Event::Forgotten(_));
    for index in 0..4 {
        assert_eq!(world.gossip(index).records().len(), 4, "{index}");
        assert_eq!(world.count(index, forgotten), 1, "once at {index}");
    }
    // It may come back: its new run is no ghost of the old one.
    world.start(4, record(4, address(4), 1_790_000_900_000), &["10.0.0.1:7946"], |_| {});
    let all = [0, 1, 2, 3, 4];
    assert!(world.run_until(seconds(20), |world| world.together(&all)).is_some());

    let mut world = World::formed(5, Setup { forget_after, ..Setup::default() });
    (2..5).for_each(|index| world.kill(index));
    world.run_for(seconds(90));
    for index in 0..2 {
        assert_eq!(world.gossip(index).records().len(), 5, "two of five forget no one");
    }
    // An operator decides, and the other hears of it.
    let (dead, alive) = (world.nodes[3].id, world.nodes[1].id);
    world.give(0, Input::Forget(dead));
    world.give(0, Input::Forget(alive));
    world.run_for(seconds(5));
    for index in 0..2 {
        assert!(world.gossip(index).record(dead).is_none(), "{index}");
        assert!(world.gossip(index).record(alive).is_some(), "the living stay: {index}");
    }
}

#[test]
fn the_forgotten_hear_of_it_and_come_back() {
    // Once while the others remember having forgotten it, once after that too is over.
    for away in [45, 150] {
        let forget_after = seconds(30);
        let mut world = World::formed(5, Setup { forget_after, ..Setup::default() });
        let (alone, rest, all) = ([4], [0, 1, 2, 3], [0, 1, 2, 3, 4]);
        world.cut_both_ways(&alone, &rest);
        world.run_for(seconds(away));
        assert_eq!(world.gossip(0).records().len(), 4);
        assert_eq!(world.gossip(4).records().len(), 5);
        world.heal();
        let whole = |world: &World| {
            world.together(&all) && all.iter().all(|i| world.gossip(*i).records().len() == 5)
        };
        let took = world.run_until(seconds(60), whole);
        println!("forgotten for {away} s: back {took:?} after healing");
        assert!(took.is_some(), "{away}");
        world.run_for(seconds(20));
        assert!(whole(&world), "{away}");
        let rejoined = |event: &Event| matches!(event, Event::Rejoined { .. });
        assert!(world.count(4, rejoined) >= 1, "it must know that it is not ready: {away}");
    }
}

#[test]
fn who_was_forgotten_by_an_operator_while_away_is_told() {
    let mut world = World::formed(5, setup(7, 0));
    world.cut_both_ways(&[3, 4], &[0, 1, 2]);
    world.run_for(seconds(5));
    let id = world.nodes[4].id;
    world.give(0, Input::Forget(id));
    world.run_for(seconds(2));
    world.heal();
    let all = [0, 1, 2, 3, 4];
    let whole = |world: &World| {
        world.together(&all) && all.iter().all(|i| world.gossip(*i).records().len() == 5)
    };
    assert!(world.run_until(seconds(60), whole).is_some());
    assert!(world.count(4, |event| matches!(event, Event::Rejoined { .. })) >= 1);
}

#[test]
fn leaving_is_not_dying() {
    let mut world = World::formed(5, setup(4, 0));
    let (id, left) = (world.nodes[1].id, world.now);
    let gone = record(1, address(1), 0);
    world.give(
        1,
        Input::OwnRecord(torc_server::cluster::record::NodeRecord {
            state: NodeState::Left,
            ready: false,
            ..gone
        }),
    );
    world.run_for(ms(500));
    for index in [0, 2, 3, 4] {
        assert_eq!(world.gossip(index).record(id).unwrap().state, NodeState::Left);
    }
    assert_eq!(world.found_down(1, left).len(), 4, "at once, without suspicion");
    world.run_for(seconds(30));
    assert!(!world.sees(0, 1), "and it is not called back");
}

#[test]
fn two_processes_with_one_id_are_told() {
    let mut world = World::formed(3, setup(6, 0));
    let copy = world.add(30, &["10.0.0.3:7946"], |options| options.record.node.0 = 3);
    world.run_for(seconds(15));
    let duplicate = |event: &Event| matches!(event, Event::Refused { why: Why::DuplicateId, .. });
    assert!(world.count(2, duplicate) + world.count(copy, duplicate) >= 1);
}

#[test]
fn any_bytes_are_survived() {
    let mut world = World::formed(3, Setup { doubled: 100, ..Setup::default() });
    let mut rng = Rng::seeded(99);
    let mut sample = Vec::new();
    for round in 0..20_000u32 {
        // Plain packets with a right checksum are the way past the envelope; damaged ones and noise are the rest.
        let mut bytes: Vec<u8> = (0..rng.below(120)).map(|_| rng.bits() as u8).collect();
        if round % 2 == 0 {
            bytes.splice(0..bytes.len().min(4), [0x54, 0xc3, 1, rng.below(3) as u8]);
        }
        sample.clear();
        sample.extend_from_slice(&bytes);
        world.give(0, Input::Packet { from: Via::Address(address(50)), bytes: &sample });
        if round % 100 == 0 {
            world.run_for(ms(10));
        }
    }
    world.run_for(seconds(10));
    assert!(world.together(&[0, 1, 2]) && world.false_alarms() == 0);
}
