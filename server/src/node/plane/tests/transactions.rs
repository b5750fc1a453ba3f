//! MULTI, EXEC and WATCH where other nodes serve the keys.

use super::world::World;
use torc_protocol::slot::slot_of;

const CROSSSLOT: &str = r"-CROSSSLOT Keys in request don\'t hash to the same slot\r\n";

fn ring(seed: u64) -> World {
    let mut world = World::new(seed, &[]);
    world.replicate();
    world
}

/// A hash tag whose slot `node` serves.
fn tag_of(world: &World, node: usize) -> String {
    let tags = (0..).map(|n| format!("{{t{n}}}"));
    // One of whom the view says so too, so that clients of the cluster port are redirected.
    let view = world.nodes[0].instance.cluster.view().unwrap();
    let mut of_node = tags.filter(|tag| {
        let slot = slot_of(tag.as_bytes());
        let acting = view.acting(slot).and_then(|index| view.member(index));
        world.owner(slot) == node
            && acting.is_some_and(|it| usize::from(it.cluster_port) == 8000 + node)
    });
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
fn commands_on_several_slots_run_one_by_one_where_that_is_allowed() {
    let mut world = World::new(5, &[("multi-cross-slot", "pipeline")]);
    world.replicate();
    let tags: Vec<String> = (0..3).map(|node| tag_of(&world, node)).collect();
    let named = |line: &str| {
        let named = line.replace("@0", &tags[0]);
        named.replace("@1", &tags[1]).replace("@2", &tags[2])
    };
    let say_all = |world: &mut World, client: usize, lines: &[&str]| {
        lines.iter().for_each(|line| world.say(client, &named(line)));
    };
    for node in 0..3 {
        let client = world.connect(node);
        world.ask(client, "flushall");
        // Of a slot in their order, replies in order, whole-ring commands and errors among them, and what comes behind behind.
        let lines = [
            "multi",
            "set @0a 1",
            "incr @1a",
            "incr @0a",
            "incr @1a",
            "lpush @2a x",
            "dbsize",
            "lpop @2a 2",
            "incr @2a",
            "select 1",
            "append @2a y",
            "get @0a",
            "select 0",
            "mget @0a @1a @2a",
            "exec",
            "get @0a",
        ]; // fmt: skip
        say_all(&mut world, client, &lines);
        world.settle();
        let queued = r"+QUEUED\r\n".repeat(lines.len() - 3);
        let expected = r"*13\r\n+OK\r\n:1\r\n:2\r\n:2\r\n:1\r\n:3\r\n*1\r\n$1\r\nx\r\n:1\r\n+OK\r\n:1\r\n$-1\r\n+OK\r\n*3\r\n$1\r\n2\r\n$1\r\n2\r\n$1\r\n1\r\n$1\r\n2\r\n";
        assert_eq!(world.take_output(client), [r"+OK\r\n", &queued, expected].concat());
        // More than a batch, each behind one of its slot that is under way.
        let mut lines = vec!["multi"];
        lines.extend((0..300).map(|n| ["incr @0n", "incr @1n", "incr @2n"][n % 3]));
        lines.extend(["eval return(1) 0", "exec", "ping"]);
        say_all(&mut world, client, &lines);
        world.settle();
        let counts: String = (0..300).map(|n| format!(r":{}\r\n", n / 3 + 1)).collect();
        let output = world.take_output(client);
        assert!(output.ends_with(&format!(r"*301\r\n{counts}:1\r\n+PONG\r\n")), "{output}");
    }
    // What cannot be kept is refused: a watch, a command that waits, one about the connection.
    let client = world.connect(0);
    say_all(&mut world, client, &["watch @0a", "multi", "set @0a 9", "set @1a 9", "exec"]);
    world.settle();
    assert!(world.take_output(client).ends_with(CROSSSLOT));
    for refused in ["blpop @1x 0", "client reply off"] {
        say_all(&mut world, client, &["multi", "set @0a 9", refused, "set @1a 9", "exec"]);
        world.settle();
        let output = world.take_output(client);
        assert!(output.contains("cannot be part of a transaction"), "{output}");
    }
    assert_eq!(world.ask(client, &named("mget @0a @1a")), r"*2\r\n$1\r\n2\r\n$1\r\n2\r\n");
    // By the cluster port it is what Redis Cluster says.
    let client = world.connect_cluster(0);
    say_all(&mut world, client, &["multi", "set @1a 1"]);
    world.settle();
    assert!(world.take_output(client).contains("-MOVED "));
    world.check_idle();
}

/// The array that has begun is whole whatever happens: a script keeps the node busy before the rest can run.
#[test]
fn what_is_left_one_by_one_is_refused_while_a_script_keeps_the_node_busy() {
    let mut world = World::new(6, &[("multi-cross-slot", "pipeline")]);
    world.replicate();
    let client = world.connect(0);
    let (here, there) = (tag_of(&world, 0), tag_of(&world, 1));
    // MGET waits for INCR, which is under way.
    let mget = format!("mget {here}n {there}n");
    for line in ["multi", &format!("incr {there}n"), &mget, "ping", "exec"] {
        world.say(client, line);
    }
    let instance = std::sync::Arc::clone(&world.nodes[0].instance);
    let mut slow = instance.scripts.standing.enter(7, Default::default());
    assert!(slow.set_busy());
    world.settle();
    let output = world.take_output(client);
    let busy = r"-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.\r\n";
    assert!(output.ends_with(&format!(r"*3\r\n:1\r\n{busy}{busy}")), "{output}");
    drop(slow);
    assert_eq!(world.ask(client, "exec"), r"-ERR EXEC without MULTI\r\n");
    assert_eq!(world.ask(client, &format!("get {there}n")), r"$1\r\n1\r\n");
    world.check_idle();
}

/// Transactions over many slots while the slots move: each counter has one more for each of its commands that was answered.
#[test]
fn one_by_one_while_slots_move() {
    for seed in 0..12 {
        let mut world = World::new(seed, &[("multi-cross-slot", "pipeline")]);
        world.replicate();
        let clients: Vec<usize> = (0..3).map(|node| world.connect(node)).collect();
        let (mut sent, mut sums) = (0, 0);
        for _ in 0..40 {
            let client = clients[world.sim.below(3) as usize];
            world.say(client, "multi");
            let count = 2 + world.sim.below(9);
            for _ in 0..count {
                let key = world.sim.below(6);
                world.say(client, &format!("incr key{key}"));
            }
            // Two slots at least.
            world.say(client, "incr key0");
            world.say(client, "incr key1");
            world.say(client, "exec");
            sent += count + 2;
            for _ in 0..world.sim.below(20) {
                world.step();
            }
            let (slot, to) = (world.sim.below(6), world.sim.below(3) as usize);
            world.flip(slot_of(format!("key{slot}").as_bytes()), to);
        }
        world.settle();
        for &client in &clients {
            let output = world.take_output(client);
            assert!(!output.contains("\\r\\n-"), "seed {seed}: {output}");
        }
        for key in 0..6 {
            let reply = world.ask(clients[0], &format!("incrby key{key} 0"));
            sums += reply.trim_start_matches(':').trim_end_matches(r"\r\n").parse::<u64>().unwrap();
        }
        assert_eq!(sums, sent, "seed {seed}");
        world.check_idle();
    }
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
