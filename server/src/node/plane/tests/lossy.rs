//! Links that die, nodes that do not answer, clients that go.

use super::world::World;
use torc_protocol::slot::slot_of;

/// Splits what a client got into replies of one line each.
fn lines(text: &str) -> Vec<String> {
    text.split("\\r\\n").filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn is_documented(error: &str) -> bool {
    ["-TIMEOUT ", "-UNREACHABLE ", "-TRYAGAIN ", "-CLUSTERDOWN "]
        .iter()
        .any(|code| error.starts_with(code))
}

#[test]
fn counters_are_exact_but_for_what_the_client_was_told_of() {
    for seed in 0..super::seeds(30) {
        let mut world = World::new(seed, &[]);
        let clients: Vec<usize> = (0..6).map(|n| world.connect(n % 3)).collect();
        for _ in 0..80 {
            for &client in &clients {
                let commands: Vec<_> = (0..1 + world.sim.below(6))
                    .map(|_| super::words(&format!("incr c0:{}", world.sim.below(8))))
                    .collect();
                world.send(client, &commands);
            }
            world.flip_random();
            if world.sim.below(3) == 0 {
                let (a, b) = [(0, 1), (0, 2), (1, 2)][world.sim.below(3) as usize];
                let down_us = world.sim.below(20_000);
                world.break_link(a, b, down_us);
            }
            for _ in 0..world.sim.below(60) {
                world.step();
            }
        }
        world.settle();
        // The links are up again.
        world.pass(100);
        let (mut counted, mut unsure) = (0, 0);
        for &client in &clients {
            for line in lines(&world.take_output(client)) {
                if line.starts_with(':') {
                    counted += 1;
                } else {
                    assert!(is_documented(&line), "seed {seed}: {line}");
                    unsure += u64::from(line.contains("may have been applied"));
                }
            }
        }
        world.check_idle();
        let total: u64 = (0..8)
            .map(|key| world.ask(clients[0], &format!("get c0:{key}")))
            .filter_map(|reply| lines(&reply).get(1).and_then(|value| value.parse::<u64>().ok()))
            .sum();
        assert!(
            (counted..=counted + unsure).contains(&total),
            "seed {seed}: {total} counted, {counted} told, {unsure} unsure"
        );
        assert!(counted > unsure, "seed {seed}: most went well");
    }
}

#[test]
fn reads_are_asked_again_and_writes_are_not() {
    let mut world = World::new(7, &[]);
    let client = world.connect(0);
    let key = (0..).map(|n| format!("k{n}")).find(|key| world.owner(slot_of(key.as_bytes())) == 1);
    let key = key.unwrap();
    assert_eq!(world.ask(client, &format!("set {key} v")), r"+OK\r\n");
    world.say(client, &format!("get {key}"));
    world.break_link(0, 1, 0);
    world.settle();
    assert_eq!(world.take_output(client), r"$1\r\nv\r\n");
    world.say(client, &format!("append {key} w"));
    world.break_link(0, 1, 0);
    world.settle();
    assert_eq!(
        world.take_output(client),
        "-TIMEOUT Node 127.0.0.1:7001 broke the connection; the write may have been applied\\r\\n"
    );
    world.check_idle();
}

#[test]
fn deadlines_hold_where_nobody_answers() {
    let mut world = World::new(8, &[("forward-timeout", "500")]);
    let client = world.connect(0);
    let keys: Vec<String> = (0..60).map(|n| format!("k{n}")).collect();
    let of = |world: &World, node| {
        keys.iter().find(|key| world.owner(slot_of(key.as_bytes())) == node).unwrap().clone()
    };
    let (here, there) = (of(&world, 0), of(&world, 2));
    world.black_hole = Some(2);
    world.say(client, &format!("set {there} v"));
    world.say(client, &format!("mget {here} {}", of(&world, 1)));
    world.say(client, &format!("mget {here} {there}"));
    world.say(client, "dbsize");
    world.pass(490);
    assert_eq!(world.take_output(client), "", "everything waits behind the first reply");
    world.pass(20);
    let written = "-TIMEOUT Node 127.0.0.1:7002 did not answer in time; the write may have been applied\\r\\n*2\\r\\n$-1\\r\\n$-1\\r\\n";
    assert_eq!(world.take_output(client), written);
    world.pass(1_100);
    let read = "-TIMEOUT Node 127.0.0.1:7002 did not answer in time; nothing was changed\\r\\n";
    assert_eq!(world.take_output(client), [read, read].concat());
    world.settle();
    world.check_idle();
}

#[test]
fn a_slot_in_motion_is_waited_for_and_then_given_up() {
    let mut world = World::new(9, &[("forward-timeout", "200")]);
    let client = world.connect(0);
    let slot = slot_of(b"k");
    let routes = |world: &World, route| {
        world.nodes.iter().for_each(|node| node.instance.cluster.routes().set(slot, route));
    };
    routes(&world, crate::cluster::route::Route::Wait);
    world.say(client, "incr k");
    world.say(client, "ping");
    world.pass(150);
    assert_eq!(world.take_output(client), "");
    world.nodes[0].instance.cluster.routes().set(slot, crate::cluster::route::Route::Serve);
    world.pass(40);
    assert_eq!(world.take_output(client), r":1\r\n+PONG\r\n");
    routes(&world, crate::cluster::route::Route::Wait);
    world.say(client, "incr k");
    world.pass(250);
    let again = "-TRYAGAIN The slot is changing hands; nothing was changed\\r\\n";
    assert_eq!(world.take_output(client), again);
    routes(&world, crate::cluster::route::Route::Down);
    assert_eq!(world.ask(client, "incr k"), "-CLUSTERDOWN Hash slot not served\\r\\n");
    assert_eq!(world.ask(client, "keys *"), "-CLUSTERDOWN Hash slot not served\\r\\n");
    world.check_idle();
}

#[test]
fn what_waits_is_bounded_and_pushes_back() {
    let mut world = World::new(10, &[]);
    let client = world.connect(0);
    let commands: Vec<_> =
        (0..5_000).map(|n| super::words(&format!("incr k{}", n % 500))).collect();
    world.send(client, &commands);
    world.settle();
    let out = world.take_output(client);
    let mut expected = String::new();
    for n in 0..5_000 {
        expected.push_str(&format!(r":{}\r\n", n / 500 + 1));
    }
    assert_eq!(out, expected);
    world.check_idle();

    let mut world = World::new(11, &[("forward-requests-max", "2")]);
    let client = world.connect(0);
    world.black_hole = Some(1);
    for key in ["k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9"] {
        world.say(client, &format!("get {key}"));
    }
    world.settle();
    let out = world.take_output(client);
    assert!(out.contains("-TRYAGAIN Too many requests wait for other nodes"), "{out}");
    world.check_idle();
}

#[test]
fn clients_leave_nothing_behind() {
    let mut world = World::new(12, &[]);
    let (quits, gone) = (world.connect(0), world.connect(0));
    for client in [quits, gone] {
        for n in 0..50 {
            world.say(client, &format!("incr k{n}"));
        }
        world.say(client, "mget k1 k2 k3 k4 k5");
    }
    world.say(quits, "quit");
    world.hang_up(gone);
    world.settle();
    let out = world.take_output(quits);
    assert!(world.is_closed(quits) && out.ends_with(r"+OK\r\n"), "{out}");
    assert_eq!(world.take_output(gone), "");
    world.check_idle();
}

#[test]
fn peers_bytes_are_answered_or_ignored() {
    let mut world = World::new(13, &[]);
    let mut rng = crate::base::rng::Rng::seeded(5);
    for _ in 0..2_000 {
        let bytes: Vec<u8> = (0..rng.below(60)).map(|_| rng.bits() as u8).collect();
        let node = &mut world.nodes[0];
        node.worker.on_request(&node.instance, 1, 7, None, &bytes);
        node.worker.on_response(&node.instance, rng.below(10), 0, &bytes);
        assert!(node.worker.next_response().is_some());
        assert!(node.worker.next_response().is_none());
    }
    world.check_idle();
}
