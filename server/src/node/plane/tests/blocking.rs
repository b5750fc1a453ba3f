//! Blocking commands where other nodes serve the keys.

use super::world::World;
use std::collections::BTreeSet;
use torc_protocol::slot::{Slot, slot_of};

/// Longer than any message takes.
const MOMENT_MS: u64 = 20;

fn say(world: &mut World, client: usize, text: &str) {
    world.say(client, text);
    world.pass_waiting(MOMENT_MS);
}

fn ask(world: &mut World, client: usize, text: &str) -> String {
    say(world, client, text);
    world.take_output(client)
}

fn parked(world: &World) -> usize {
    world.nodes.iter().map(|node| node.instance.blocked.parked()).sum()
}

fn slot(key: &str) -> Slot {
    slot_of(key.as_bytes())
}

/// A key that `node` serves.
fn key_of(world: &World, node: usize) -> String {
    let mut keys = (0..).map(|number| format!("queue{number}"));
    keys.find(|key| world.owner(slot(key)) == node).unwrap()
}

fn popped(key: &str, element: &str) -> String {
    format!(r"*2\r\n${}\r\n{key}\r\n${}\r\n{element}\r\n", key.len(), element.len())
}

#[test]
fn clients_of_all_nodes_are_served_in_their_order() {
    let mut world = World::new(1, &[]);
    world.replicate();
    for node in 0..3 {
        let key = key_of(&world, node);
        let clients: Vec<usize> = (0..9).map(|index| world.connect(index % 3)).collect();
        for &client in &clients {
            say(&mut world, client, &format!("blpop {key} none{{{key}}} 0"));
        }
        assert_eq!(parked(&world), clients.len());
        let pusher = world.connect((node + 1) % 3);
        assert_eq!(ask(&mut world, pusher, &format!("rpush {key} 0 1 2 3")), r":4\r\n");
        for number in 4..9 {
            let push = format!("lpush {key} {number}");
            assert_eq!(ask(&mut world, pusher, &push), r":1\r\n");
        }
        for (number, &client) in clients.iter().enumerate() {
            assert_eq!(world.take_output(client), popped(&key, &number.to_string()));
        }
        assert_eq!(ask(&mut world, pusher, &format!("exists {key}")), r":0\r\n");
    }
    world.settle();
    world.check_idle();
}

#[test]
fn who_waits_no_more_takes_nothing() {
    let mut world = World::new(2, &[]);
    world.replicate();
    let key = key_of(&world, 1);
    // A client that goes, at the node itself, at another, and so early that its request has not arrived.
    for node in 0..3 {
        for wait_ms in [MOMENT_MS, 0] {
            let client = world.connect(node);
            world.say(client, &format!("blpop {key} 0"));
            world.pass_waiting(wait_ms);
            world.hang_up(client);
            world.pass_waiting(MOMENT_MS);
            assert_eq!(parked(&world), 0);
        }
    }
    // One whose time is over.
    for node in 0..3 {
        let client = world.connect(node);
        say(&mut world, client, &format!("brpop {key} 0.5"));
        world.pass_waiting(400);
        assert_eq!((world.take_output(client).as_str(), parked(&world)), ("", 1));
        world.pass_waiting(150);
        assert_eq!((world.take_output(client).as_str(), parked(&world)), (r"*-1\r\n", 0));
        // One that is unblocked.
        say(&mut world, client, &format!("blpop {key} 0"));
        let other = world.connect(node);
        let id = client_id(&mut world, client, &key);
        let reply = ask(&mut world, other, &format!("client unblock {id} error"));
        assert_eq!((reply.as_str(), parked(&world)), (r":1\r\n", 0));
        let expected = r"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n";
        assert_eq!(world.take_output(client), expected);
        assert_eq!(ask(&mut world, other, &format!("client unblock {id}")), r":0\r\n");
    }
    let client = world.connect(2);
    assert_eq!(ask(&mut world, client, &format!("rpush {key} x")), r":1\r\n");
    assert_eq!(ask(&mut world, client, &format!("llen {key}")), r":1\r\n");
    world.settle();
    world.check_idle();
}

/// The id of a client that waits: it cannot be asked, so it is served first.
fn client_id(world: &mut World, client: usize, key: &str) -> String {
    let pusher = world.connect(1);
    ask(world, pusher, &format!("rpush {key} x"));
    world.take_output(client);
    let id = ask(world, client, "client id");
    say(world, client, &format!("blpop {key} 0"));
    id.trim_start_matches(':').trim_end_matches(r"\r\n").to_owned()
}

/// Clients wait while their slot goes from node to node, and nothing but that happens: no element is lost, none is served twice.
#[test]
fn waits_follow_the_slot_and_lose_nothing() {
    for seed in 0..20 {
        let mut world = World::new(seed, &[]);
        world.replicate();
        let key = key_of(&world, (seed % 3) as usize);
        let clients: Vec<usize> = (0..6).map(|index| world.connect(index % 3)).collect();
        let pusher = world.connect((seed / 3 % 3) as usize);
        let mut got = BTreeSet::new();
        let mut pushed = 0;
        for &client in &clients {
            world.say(client, &format!("blpop {key} 0"));
        }
        for _ in 0..15 {
            let owner = world.owner(slot(&key));
            let to = (owner + 1 + world.sim.below(2) as usize) % 3;
            world.flip(slot(&key), to);
            let wait_ms = world.sim.below(30);
            world.pass_waiting(wait_ms);
            for _ in 0..world.sim.below(4) {
                world.say(pusher, &format!("rpush {key} {pushed}"));
                pushed += 1;
            }
            let wait_ms = world.sim.below(30);
            world.pass_waiting(wait_ms);
            for &client in &clients {
                let output = world.take_output(client);
                if let Some(element) = output.trim_end_matches(r"\r\n").rsplit(r"\r\n").next()
                    && !output.is_empty()
                {
                    let element = element.parse::<u32>().unwrap_or_else(|_| panic!("{output}"));
                    assert!(got.insert(element), "seed {seed}: {element} twice");
                    world.say(client, &format!("blpop {key} 0"));
                }
            }
        }
        world.pass_waiting(500);
        for &client in &clients {
            let output = world.take_output(client);
            if let Some(element) = output.trim_end_matches(r"\r\n").rsplit(r"\r\n").next()
                && !output.is_empty()
            {
                assert!(got.insert(element.parse().unwrap()), "seed {seed}: {element} twice");
            }
        }
        world.take_output(pusher);
        let left = ask(&mut world, pusher, &format!("llen {key}"));
        let left: usize = left.trim_start_matches(':').trim_end_matches(r"\r\n").parse().unwrap();
        assert_eq!(got.len() + left, pushed, "seed {seed}");
    }
}

/// Links break while clients wait: what was being handed over may be lost with them, but nobody is served twice, and everybody in the end.
#[test]
fn waits_outlive_links() {
    for seed in 0..20 {
        let mut world = World::new(100 + seed, &[]);
        world.replicate();
        let key = key_of(&world, 0);
        let clients: Vec<usize> = (0..4).map(|index| world.connect(1 + index % 2)).collect();
        for &client in &clients {
            world.say(client, &format!("blpop {key} 0"));
        }
        for _ in 0..5 {
            let wait_ms = world.sim.below(20);
            world.pass_waiting(wait_ms);
            let (other, down_us) = (1 + world.sim.below(2) as usize, world.sim.below(30_000));
            world.break_link(0, other, down_us);
        }
        world.pass_waiting(500);
        assert_eq!(parked(&world), clients.len(), "seed {seed}");
        let pusher = world.connect(0);
        say(&mut world, pusher, &format!("rpush {key} 0 1 2 3"));
        let mut got = BTreeSet::new();
        for &client in &clients {
            got.insert(world.take_output(client));
        }
        let expected = (0..4).map(|number| popped(&key, &number.to_string()));
        assert_eq!(got, expected.collect(), "seed {seed}");
    }
}
