//! Sets, sorted sets and lists whose keys lie with several nodes.

use super::world::World;

/// Each of these lies in another slot, and the three nodes of a world share the slots out.
fn filled(seed: u64) -> (World, usize) {
    let mut world = World::new(seed, &[]);
    let client = world.connect(0);
    for line in [
        "sadd a 1 2 3 x",
        "sadd b 2 3 y",
        "zadd za 1 m 2 n",
        "zadd zb 10 n 20 o",
        "rpush l 3 1 2",
        "set text v",
    ] {
        world.ask(client, line);
    }
    (world, client)
}

#[test]
fn sets_of_several_nodes_are_combined_as_those_of_one() {
    for seed in 0..4 {
        let (mut world, client) = filled(seed);
        let mut check = |line: &str, expected: &str| {
            assert_eq!(world.ask(client, line), expected, "{line}, seed {seed}");
        };
        check("sintercard 2 a b", r":2\r\n");
        check("sintercard 2 a b limit 1", r":1\r\n");
        check("sintercard 2 a b limit -1", r"-ERR LIMIT can\'t be negative\r\n");
        check("sdiff b a", r"*1\r\n$1\r\ny\r\n");
        check("sinter a absent b", r"*0\r\n");
        check("sunionstore sum a b absent", r":5\r\n");
        check("scard sum", r":5\r\n");
        check("sinterstore sum a b", r":2\r\n");
        check("smembers sum", r"*2\r\n$1\r\n2\r\n$1\r\n3\r\n");
        check("object encoding sum", r"$6\r\nintset\r\n");
        check("sdiffstore sum a a absent", r":0\r\n");
        check("exists sum", r":0\r\n");
        check(
            "sunion a text b",
            r"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
        );
        check(
            "sunion a za",
            r"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
        );
        world.check_idle();
    }
}

#[test]
fn sorted_sets_of_several_nodes_are_combined_as_those_of_one() {
    for seed in 0..4 {
        let (mut world, client) = filled(seed);
        let mut check = |line: &str, expected: &str| {
            assert_eq!(world.ask(client, line), expected, "{line}, seed {seed}");
        };
        check("zinter 2 za zb withscores", r"*2\r\n$1\r\nn\r\n$2\r\n12\r\n");
        check("zunionstore sum 3 za zb a weights 1 2 100", r":7\r\n");
        check("zscore sum n", r"$2\r\n22\r\n");
        check("zscore sum x", r"$3\r\n100\r\n");
        check("zintercard 2 za zb", r":1\r\n");
        check("zdiffstore sum 2 za zb", r":1\r\n");
        check("zrange sum 0 -1", r"*1\r\n$1\r\nm\r\n");
        check("zrangestore sum za 0 0 rev", r":1\r\n");
        check("zrange sum 0 -1", r"*1\r\n$1\r\nn\r\n");
        check("zrangestore sum za x 0", r"-ERR value is not an integer or out of range\r\n");
        // Types are told before options, as where all keys lie at one place.
        check(
            "zunion 2 za text nope",
            r"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
        );
        check("zunion 2 za zb nope", r"-ERR syntax error\r\n");
        check("zunionstore text 2 absent gone", r":0\r\n");
        check("exists text", r":0\r\n");
        world.check_idle();
    }
}

#[test]
fn what_is_found_on_the_earth_is_stored_at_another_node() {
    for seed in 0..4 {
        let (mut world, client) = filled(seed);
        let mut check = |line: &str, expected: &str| {
            assert_eq!(world.ask(client, line), expected, "{line}, seed {seed}");
        };
        check("geoadd g 13.361389 38.115556 palermo 15.087269 37.502669 catania", r":2\r\n");
        check("geosearchstore near g fromlonlat 15 37 byradius 100 km", r":1\r\n");
        check("zscore near catania", r"$16\r\n3479447370796909\r\n");
        check("georadius g 15 37 300 km desc count 1 store x storedist far", r":1\r\n");
        check("exists x", r":0\r\n");
        check("zrange far 0 -1", r"*1\r\n$7\r\npalermo\r\n");
        check("georadiusbymember g palermo 200 km store text", r":2\r\n");
        check("zcard text", r":2\r\n");
        check(
            "georadiusbymember g nope 200 km store text",
            r"-ERR could not decode requested zset member\r\n",
        );
        check("georadius g 15 37 300 km store text nope", r"-ERR syntax error\r\n");
        check(
            "georadius l 15 37 300 km store text nope",
            r"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
        );
        check("geosearchstore text absent frommember m byradius 1 m", r":0\r\n");
        check("exists text", r":0\r\n");
        world.check_idle();
    }
}

#[test]
fn what_is_sorted_is_stored_at_another_node() {
    for seed in 0..4 {
        let (mut world, client) = filled(seed);
        let mut check = |line: &str, expected: &str| {
            assert_eq!(world.ask(client, line), expected, "{line}, seed {seed}");
        };
        check("sort l store text desc", r":3\r\n");
        check("lrange text 0 -1", r"*3\r\n$1\r\n3\r\n$1\r\n2\r\n$1\r\n1\r\n");
        check("sort l get # get nothing store text limit 0 1", r":2\r\n");
        check("lrange text 0 -1", r"*2\r\n$1\r\n1\r\n$0\r\n\r\n");
        check("sort absent store text", r":0\r\n");
        check("exists text", r":0\r\n");
        check("sort l store text nope", r"-ERR syntax error\r\n");
        // What BY leads to may be another node's.
        check("sort l by w_*", r"-CROSSSLOT Keys in request don\'t hash to the same slot\r\n");
        world.check_idle();
    }
}

/// It was run by whichever node it came to.
#[test]
fn a_merge_without_sources_goes_to_its_key() {
    for seed in 0..4 {
        let (mut world, client) = filled(seed);
        for n in 0..20 {
            assert_eq!(world.ask(client, &format!("pfmerge h{n}")), r"+OK\r\n");
            assert_eq!(world.ask(client, &format!("exists h{n}")), r":1\r\n", "h{n}, seed {seed}");
        }
        world.check_idle();
    }
}
