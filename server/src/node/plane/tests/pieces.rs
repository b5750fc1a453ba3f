//! Long replies of other nodes, which come in several frames.

use super::words;
use super::world::World;

/// Members of each set, and of their union twice as many.
const MEMBERS: usize = 20_000;

/// Two sets, of which a world's three nodes serve one each at most.
fn filled(seed: u64) -> (World, Vec<usize>) {
    let mut world = World::new(seed, &[]);
    let clients: Vec<usize> = (0..3).map(|node| world.connect(node)).collect();
    for (key, first) in [("a", 0), ("b", MEMBERS)] {
        for from in (first..first + MEMBERS).step_by(1_000) {
            let members: Vec<String> =
                (from..from + 1_000).map(|n| format!("member:{n}")).collect();
            let added = world.ask(clients[0], &format!("sadd {key} {}", members.join(" ")));
            assert_eq!(added, r":1000\r\n");
        }
    }
    (world, clients)
}

fn members(reply: &str) -> Vec<&str> {
    let mut found: Vec<&str> =
        reply.split(r"\r\n").filter(|line| line.starts_with("member:")).collect();
    found.sort_unstable();
    found.dedup();
    found
}

#[test]
fn long_replies_come_whole_and_in_order_through_every_node() {
    let (mut world, clients) = filled(1);
    let mut seen = 0;
    for key in ["a", "b"] {
        let replies: Vec<String> =
            clients.iter().map(|&client| world.ask(client, &format!("smembers {key}"))).collect();
        for reply in &replies {
            assert!(reply.starts_with(&format!(r"*{MEMBERS}\r\n")) && *reply == replies[0]);
            assert_eq!(members(reply).len(), MEMBERS);
        }
        // Through the two that do not serve it.
        assert!(world.parts >= seen + 8, "{} frames", world.parts);
        seen = world.parts;
    }
    for &client in &clients {
        let commands = ["set k 1", "smembers a", "incr k", "smembers b", "incr k"].map(words);
        world.send(client, &commands);
        world.settle();
        let out = world.take_output(client);
        assert!(out.starts_with(r"+OK\r\n*20000\r\n$") && out.ends_with(r"\r\n:3\r\n"));
        let middle = out.split_once(r"\r\n:2\r\n").expect("the replies are in order");
        assert_eq!((members(middle.0).len(), members(middle.1).len()), (MEMBERS, MEMBERS));
        assert_eq!(members(&world.ask(client, "sunion a b")).len(), 2 * MEMBERS);
    }
    world.check_idle();
}

#[test]
fn a_link_that_is_lost_in_the_middle_costs_another_try() {
    for seed in 0..8 {
        let (mut world, clients) = filled(seed);
        for &client in &clients {
            world.say(client, "smembers a");
        }
        let before = world.parts;
        while world.parts < before + 1 + seed {
            assert!(world.step(), "there are parts to come");
        }
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            world.break_link(a, b, 1_000);
        }
        world.settle();
        for &client in &clients {
            assert_eq!(members(&world.take_output(client)).len(), MEMBERS, "seed {seed}");
        }
        world.check_idle();
    }
}
