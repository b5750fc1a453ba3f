//! MULTI, EXEC and WATCH where other nodes serve the keys.

use super::world::World;
use torc_protocol::slot::slot_of;

const CROSSSLOT: &str = r"-CROSSSLOT Keys in request don't hash to the same slot\r\n";

fn ring(seed: u64) -> World {
    let mut world = World::new(seed, &[]);
    world.replicate();
    world
}

/// A hash tag whose slot `node` serves.
fn tag_of(world: &World, node: usize) -> String {
    let tags = (0..).map(|n| format!("{{t{n}}}"));
    let mut of_node = tags.filter(|tag| world.owner(slot_of(tag.as_bytes())) == node);
    of_node.next().expect("every node serves a third")
}

fn ask_all(world: &mut World, client: usize, lines: &[&str], tag: &str) -> String {
    lines.iter().for_each(|line| world.say(client, &line.replace('@', tag)));
    world.settle();
    world.take_output(client)
}

#[test]
fn exec_goes_whole_to_who_serves_the_keys() {
    let mut world = ring(1);
    let clients: Vec<usize> = (0..3).map(|node| world.connect(node)).collect();
    for &client in &clients {
        for node in 0..3 {
            let tag = tag_of(&world, node);
            let lines = ["multi", "set @a 1", "incr @a", "ping", "mget @a @b", "exec", "get @a"];
            assert_eq!(
                ask_all(&mut world, client, &lines, &tag),
                r"+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*4\r\n+OK\r\n:2\r\n+PONG\r\n*2\r\n$1\r\n2\r\n$-1\r\n$1\r\n2\r\n"
            );
            // One at a time, and errors inside.
            assert_eq!(world.ask(client, "multi"), r"+OK\r\n");
            assert_eq!(world.ask(client, &format!("append {tag}a x")), r"+QUEUED\r\n");
            assert_eq!(world.ask(client, &format!("incr {tag}a")), r"+QUEUED\r\n");
            assert_eq!(
                world.ask(client, "exec"),
                r"*2\r\n:2\r\n-ERR value is not an integer or out of range\r\n"
            );
            let lines = ["multi", "nope", "set @a 5", "exec", "get @a"];
            let reply = ask_all(&mut world, client, &lines, &tag);
            assert!(reply.ends_with(
                r"-EXECABORT Transaction discarded because of previous errors.\r\n$2\r\n2x\r\n"
            ));
        }
        assert_eq!(
            ask_all(&mut world, client, &["multi", "ping", "exec"], ""),
            r"+OK\r\n+QUEUED\r\n*1\r\n+PONG\r\n"
        );
        let (one, other) = (tag_of(&world, 0), tag_of(&world, 1));
        let lines =
            ["multi".into(), format!("set {one}x 1"), format!("set {other}x 1"), "exec".into()];
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let reply = ask_all(&mut world, client, &lines, "");
        assert!(reply.ends_with(CROSSSLOT), "{reply}");
        assert_eq!(world.ask(client, &format!("get {one}x")), r"$-1\r\n");
        assert_eq!(world.ask(client, "exec"), r"-ERR EXEC without MULTI\r\n");
    }
    world.check_idle();
}

#[test]
fn a_database_selected_at_another_node_is_selected_here() {
    let mut world = ring(2);
    let client = world.connect(0);
    let tag = tag_of(&world, 2);
    let lines = ["multi", "select 3", "set @a in3", "exec", "get @a", "select 0", "get @a"];
    assert_eq!(
        ask_all(&mut world, client, &lines, &tag),
        r"+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n+OK\r\n$3\r\nin3\r\n+OK\r\n$-1\r\n"
    );
    let lines = ["multi", "client setname me", "set @a 1", "exec"];
    let reply = ask_all(&mut world, client, &lines, &tag);
    assert!(reply.ends_with(r"another node serves\r\n"), "{reply}");
    world.check_idle();
}

#[test]
fn keys_of_other_nodes_are_watched() {
    let mut world = ring(3);
    let (client, other) = (world.connect(0), world.connect(1));
    for node in 0..3 {
        let tag = tag_of(&world, node);
        let watch_and = |world: &mut World, between: &[&str]| {
            let watched = ask_all(world, client, &["watch @w @v"], &tag);
            assert_eq!(watched, r"+OK\r\n");
            ask_all(world, other, between, &tag);
            let reply = ask_all(world, client, &["multi", "get @w", "exec"], &tag);
            reply.strip_prefix(r"+OK\r\n+QUEUED\r\n").expect("queued").to_owned()
        };
        assert_eq!(watch_and(&mut world, &["get @w"]), r"*1\r\n$-1\r\n");
        assert_eq!(watch_and(&mut world, &["set @w 1"]), r"*-1\r\n");
        assert_eq!(watch_and(&mut world, &["set @w 1"]), r"*-1\r\n");
        assert_eq!(watch_and(&mut world, &["get @w", "set @x 1"]), r"*1\r\n$1\r\n1\r\n");
        assert_eq!(watch_and(&mut world, &["incr @w"]), r"*-1\r\n");
        assert_eq!(watch_and(&mut world, &["incr @w"]), r"*-1\r\n");
        assert_eq!(watch_and(&mut world, &["expire @w 100"]), r"*-1\r\n");
        assert_eq!(watch_and(&mut world, &["del @w"]), r"*-1\r\n");
        assert_eq!(watch_and(&mut world, &["set @v 1", "del @v"]), r"*-1\r\n");
        assert_eq!(watch_and(&mut world, &["del @v"]), r"*1\r\n$-1\r\n");
        // What it watched no more.
        ask_all(&mut world, client, &["watch @w"], &tag);
        ask_all(&mut world, other, &["set @w 1"], &tag);
        let reply = ask_all(&mut world, client, &["unwatch", "multi", "ping", "exec"], &tag);
        assert!(reply.ends_with(r"*1\r\n+PONG\r\n"), "{reply}");
        // In one pipeline, from several databases.
        ask_all(&mut world, other, &["del @w"], &tag);
        let lines = ["select 2", "watch @w", "select 0", "watch @w", "multi", "incr @w", "exec"];
        let reply = ask_all(&mut world, client, &lines, &tag);
        assert!(reply.ends_with(r"*1\r\n:1\r\n"), "{reply}");
        ask_all(&mut world, client, &["del @w"], &tag);
    }
    let (one, two) = (tag_of(&world, 0), tag_of(&world, 1));
    ask_all(&mut world, client, &["watch @w"], &one);
    let reply = ask_all(&mut world, client, &["multi", "set @w 1", "exec"], &two);
    assert!(reply.ends_with(CROSSSLOT), "{reply}");
    world.check_idle();
}

#[test]
fn clients_of_the_cluster_port_are_told_when_they_queue() {
    let mut world = ring(4);
    let client = world.connect_cluster(0);
    let (here, there) = (tag_of(&world, 0), tag_of(&world, 1));
    assert_eq!(world.ask(client, "multi"), r"+OK\r\n");
    let reply = world.ask(client, &format!("set {there}a 1"));
    assert!(reply.starts_with("-MOVED "), "{reply}");
    let reply = world.ask(client, "exec");
    assert!(reply.starts_with("-EXECABORT "), "{reply}");
    let lines = ["multi", "set @a 1", "incr @a", "exec"];
    assert_eq!(
        ask_all(&mut world, client, &lines, &here),
        r"+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n:2\r\n"
    );
    let reply = world.ask(client, &format!("watch {there}a"));
    assert!(reply.starts_with("-MOVED "), "{reply}");
    world.check_idle();
}

/// Amounts move between two keys while their slot moves between nodes: whoever reads both sees a sum of 0.
#[test]
fn sums_stay_while_slots_move() {
    for seed in 0..12 {
        let mut world = ring(seed);
        let clients: Vec<usize> = (0..3).map(|node| world.connect(node)).collect();
        let slot = slot_of(b"{t}");
        for round in 0..60 {
            let client = clients[world.sim.below(3) as usize];
            if world.sim.below(3) == 0 {
                world.say(client, "mget {t}a {t}b");
            } else {
                let by = world.sim.below(9) + 1;
                let (down, up) = (format!("decrby {{t}}a {by}"), format!("incrby {{t}}b {by}"));
                ["multi", &down, &up, "exec"].iter().for_each(|line| world.say(client, line));
            }
            for _ in 0..world.sim.below(6) {
                world.step();
            }
            if round % 7 == 0 {
                let to = world.sim.below(3) as usize;
                world.flip(slot, to);
            }
        }
        world.settle();
        let mut arrays = 0;
        for &client in &clients {
            let output = world.take_output(client);
            assert!(!output.contains("-ERR"), "seed {seed}: {output}");
            for array in output.split(r"*2\r\n").skip(1) {
                let numbers = array.split(r"\r\n").filter(|part| !part.starts_with('$'));
                let numbers =
                    numbers.map_while(|part| part.trim_start_matches(':').parse::<i64>().ok());
                assert_eq!(numbers.take(2).sum::<i64>(), 0, "seed {seed}: {output}");
                arrays += 1;
            }
        }
        assert!(arrays > 20, "seed {seed}: nothing was seen");
        world.check_idle();
    }
}
