//! A node dies: what clients of the others see until somebody else serves its slots.

use super::world::World;
use crate::cluster::route::Route;
use torc_protocol::slot::slot_of;

const DEAD: usize = 1;

/// Keys that node `node` serves.
fn keys_of(world: &World, node: usize, count: usize) -> Vec<String> {
    let keys = (0..).map(|n| format!("k{n}"));
    keys.filter(|key| world.owner(slot_of(key.as_bytes())) == node).take(count).collect()
}

#[test]
fn clients_wait_for_the_next_owner_and_see_no_error() {
    let mut world = World::new(1, &[]);
    let client = world.connect(0);
    let keys = keys_of(&world, DEAD, 50);
    world.cut_off(DEAD, u64::MAX / 2);
    let mut expected = String::new();
    for key in &keys {
        world.say(client, &format!("incr {key}"));
        world.say(client, &format!("get {key}"));
        expected.push_str(r":1\r\n$1\r\n1\r\n");
    }
    world.say(client, "dbsize");
    expected.push_str(r":50\r\n");
    // As long as a death takes to be noticed, and its slots to be taken over.
    world.pass(2_400);
    assert_eq!(world.take_output(client), "");
    world.declare_dead(DEAD, 2);
    world.pass(50);
    assert_eq!(world.take_output(client), expected);
    world.settle();
    world.check_idle();
}

#[test]
fn a_node_that_cannot_be_reached_is_tried_seldom_and_gets_everything_once_it_can() {
    let mut world = World::new(2, &[]);
    let client = world.connect(0);
    let keys = keys_of(&world, DEAD, 300);
    world.cut_off(DEAD, 1_000_000);
    keys.iter().for_each(|key| world.say(client, &format!("incr {key}")));
    let sent = |world: &mut World| world.nodes[0].worker.plane().unwrap().stats().messages_sent;
    world.pass(100);
    let before = sent(&mut world);
    world.pass(800);
    let tries = sent(&mut world) - before;
    // One each 50 ms, where the link has no room a few more; 300 clients that wait are no reason for more.
    assert!((10..=80).contains(&tries), "{tries}");
    assert_eq!(world.take_output(client), "");
    world.pass(300);
    assert_eq!(world.take_output(client), r":1\r\n".repeat(300));
    world.check_idle();
}

#[test]
fn a_worker_that_is_held_up_asks_all_the_same_whether_a_node_is_back() {
    for stall_ms in [40, 60, 90, 110, 150, 400, 2_000] {
        let mut world = World::new(stall_ms, &[]);
        world.replicate();
        let (writer, waiter) = (world.connect(0), world.connect(0));
        let keys = keys_of(&world, DEAD, 2);
        world.cut_off(DEAD, 30_000);
        world.say(writer, &format!("incr {}", keys[0]));
        world.say(waiter, &format!("blpop {} 0", keys[1]));
        world.pass(20);
        world.stall(stall_ms);
        world.pass(300);
        assert_eq!(world.take_output(writer), r":1\r\n", "held up for {stall_ms} ms");
        assert_eq!(world.nodes[DEAD].instance.blocked.parked(), 1, "held up for {stall_ms} ms");
    }
}

#[test]
fn waits_end_at_the_deadline_and_say_that_nothing_was_changed() {
    let mut world = World::new(3, &[("forward-timeout", "500")]);
    let client = world.connect(0);
    let key = keys_of(&world, DEAD, 1).remove(0);
    world.cut_off(DEAD, u64::MAX / 2);
    world.say(client, &format!("incr {key}"));
    world.say(client, "dbsize");
    world.pass(480);
    assert_eq!(world.take_output(client), "");
    world.pass(40);
    let error = "-UNREACHABLE Node 127.0.0.1:7001 cannot be reached; nothing was changed\\r\\n";
    let full = "-TRYAGAIN The node has no room; nothing was changed\\r\\n";
    let out = world.take_output(client);
    assert!(out == error || out == full, "{out}");
    world.pass(600);
    let out = world.take_output(client);
    assert!(out == error || out == full, "{out}");
    world.check_idle();
}

#[test]
fn what_waited_long_takes_nobody_along_at_its_deadline() {
    let mut world = World::new(4, &[("forward-timeout", "500")]);
    let (early, late) = (world.connect(0), world.connect(0));
    let keys = keys_of(&world, DEAD, 2);
    let route = |world: &World, route| {
        let routes = world.nodes[0].instance.cluster.routes();
        keys.iter().for_each(|key| routes.set(slot_of(key.as_bytes()), route));
    };
    let forward = world.nodes[0].instance.cluster.routes().get(slot_of(keys[0].as_bytes()));
    route(&world, Route::Wait);
    world.say(early, &format!("get {}", keys[0]));
    world.pass(400);
    world.say(late, &format!("get {}", keys[1]));
    world.pass(50);
    // Both go on their way at the same moment, to a node that does not answer.
    world.black_hole = Some(DEAD);
    route(&world, forward);
    world.pass(100);
    let error = "-TIMEOUT Node 127.0.0.1:7001 did not answer in time; nothing was changed\\r\\n";
    assert_eq!(world.take_output(early), error);
    assert_eq!(world.take_output(late), "", "it has 350 ms left");
    world.settle();
    world.check_idle();
}

#[test]
fn what_waits_for_a_node_is_bounded_in_number_and_bytes() {
    let mut world = World::new(5, &[("forward-requests-max", "10")]);
    let clients: Vec<usize> = (0..12).map(|_| world.connect(0)).collect();
    let keys = keys_of(&world, DEAD, 12);
    world.cut_off(DEAD, 700_000);
    let too_many = "-TRYAGAIN Too many requests wait for other nodes (forward-requests-max); nothing was changed\\r\\n";
    for (&client, key) in clients.iter().zip(&keys) {
        world.say(client, &format!("incr {key}"));
    }
    for &client in &clients[10..] {
        assert_eq!(world.take_output(client), too_many, "at once");
    }
    world.pass(900);
    for &client in &clients[..10] {
        assert_eq!(world.take_output(client), r":1\r\n");
    }
    world.check_idle();

    let mut world = World::new(6, &[]);
    let clients: Vec<usize> = (0..12).map(|_| world.connect(0)).collect();
    world.cut_off(DEAD, 700_000);
    let value = "v".repeat(crate::base::limits::FORWARD_BYTES_MAX / 10);
    for (&client, key) in clients.iter().zip(&keys) {
        world.say(client, &format!("set {key} {value}"));
    }
    let refused = clients.iter().filter(|&&client| world.output(client).starts_with(b"-TRYAGAIN"));
    assert_eq!(refused.count(), 2);
    world.pass(900);
    for &client in &clients[..10] {
        assert_eq!(world.take_output(client), r"+OK\r\n");
    }
    world.check_idle();
}
