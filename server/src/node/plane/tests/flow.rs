//! Replies of other nodes that are longer than may wait for a client.

use super::wide::{fake_world, promise};
use super::words;
use super::world::World;
use torc_protocol::slot::slot_of;

const WINDOW: usize = 256 * 1024;
/// A piece as visitors write it, at most: the elements of one batch and of one more.
const PIECE: usize = 192 * 1024;

const MEMBERS: usize = 100_000;

fn fill(world: &mut World, client: usize) {
    for from in (0..MEMBERS).step_by(10_000) {
        let members: Vec<String> = (from..from + 10_000).map(|n| format!("member:{n}")).collect();
        let text = format!("sadd a {}", members.join(" "));
        assert_eq!(world.ask(client, &text), r":10000\r\n");
    }
}

/// A world whose set `a` takes 1.6 MB to tell, with a client of each node; the first two of these do not serve it.
fn filled(seed: u64) -> (World, [usize; 3]) {
    let mut world = World::new(seed, &[]);
    world.set_window(WINDOW as u64);
    let owner = world.owner(slot_of(b"a"));
    let clients = [1, 2, 3].map(|step| world.connect((owner + step) % 3));
    fill(&mut world, clients[2]);
    (world, clients)
}

/// The bytes of `smembers a`, as one who serves it tells it.
fn whole(world: &mut World, client: usize) -> Vec<u8> {
    world.say(client, "smembers a");
    let reply = world.read_all(client);
    assert!(reply.starts_with(b"*100000\r\n") && reply.len() > 6 * WINDOW);
    reply
}

#[test]
fn long_replies_come_whole_and_in_order() {
    let (mut world, [one, two, owner]) = filled(1);
    let set = whole(&mut world, owner);
    let rest = [&b"+OK\r\n"[..], &set, b":2\r\n", &set, b"$1\r\n2\r\n"].concat();
    for client in [one, two, owner] {
        let commands = ["set {a}k 1", "smembers a", "incr {a}k", "smembers a", "get {a}k"];
        world.send(client, &commands.map(words));
        assert!(world.read_all(client) == rest);
        // Each by itself, of which some wait for the others.
        commands.iter().for_each(|command| world.say(client, command));
        assert!(world.read_all(client) == rest);
    }
    world.check_idle();
}

#[test]
fn a_client_that_reads_slowly_has_no_more_than_the_window_waiting() {
    let (mut world, [client, other, owner]) = filled(2);
    let set = whole(&mut world, owner);
    world.send(client, &["smembers a", "get {a}none", "smembers a"].map(words));
    let (mut all, mut most) = (Vec::new(), 0);
    while all.len() < 2 * set.len() + 5 {
        // A minute between two readings: nothing is given up meanwhile, and others are served.
        world.pass(60_000);
        most = most.max(world.waiting_bytes(client));
        assert_eq!(world.ask(other, "get {a}none"), r"$-1\r\n");
        let read = world.read(client);
        assert!(!read.is_empty(), "there is more to come");
        all.extend(read);
    }
    assert!(all == [&set[..], b"$-1\r\n", &set].concat());
    assert!((WINDOW..=WINDOW + PIECE).contains(&most), "{most} bytes waited");
    world.settle();
    world.check_idle();
}

#[test]
fn what_nobody_wants_ends() {
    let endless = "srandmember a -9223372036854775807";
    for (seed, command) in ["smembers a", endless].into_iter().cycle().take(20).enumerate() {
        let (mut world, [client, other, _]) = filled(seed as u64);
        world.send(client, &[words(command), words("incr {a}n")]);
        let before = world.parts;
        for _ in 0..seed / 2 {
            world.pass(20);
            world.read(client);
        }
        world.hang_up(client);
        world.settle();
        assert!(world.parts <= before + 4 + 4 * seed as u64, "{} parts", world.parts - before);
        assert_eq!(world.ask(other, "incr {a}n"), r":2\r\n", "what was sent with it has run");
        world.check_idle();
    }
}

#[test]
fn a_client_whose_reply_breaks_off_is_closed() {
    for seed in 0..8 {
        let (mut world, [client, other, owner]) = filled(seed);
        let set = whole(&mut world, owner);
        world.send(client, &["smembers a", "get {a}none"].map(words));
        let mut read = Vec::new();
        for _ in 0..=seed {
            world.pass(20);
            read.extend(world.read(client));
        }
        assert!(!read.is_empty() && read.len() < set.len());
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            world.break_link(a, b, 1_000);
        }
        read.extend(world.read_all(client));
        assert!(world.is_closed(client) && set.starts_with(&read));
        assert_eq!(world.ask(other, "get {a}none"), r"$-1\r\n");
        world.check_idle();
    }
}

#[test]
fn what_is_lost_before_the_window_is_full_is_asked_for_again() {
    let (mut world, [client, _, owner]) = filled(3);
    let set = whole(&mut world, owner);
    world.set_window(4 * 1024 * 1024);
    world.say(client, "smembers a");
    let before = world.parts;
    while world.parts < before + 5 {
        assert!(world.step());
    }
    assert_eq!(world.waiting_bytes(client), 0);
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        world.break_link(a, b, 1_000);
    }
    assert!(world.read_all(client) == set);
    world.check_idle();
}

#[test]
fn a_client_that_wants_no_reply_holds_nothing_up() {
    let (mut world, [client, ..]) = filled(4);
    let commands = ["client reply skip", "smembers a", "incr {a}n", "client reply off"];
    world.send(client, &commands.map(words));
    world.send(client, &["smembers a", "incr {a}n", "client reply on", "incr {a}n"].map(words));
    assert_eq!(world.read_all(client), b":1\r\n+OK\r\n:3\r\n");
    world.check_idle();
}

#[test]
fn what_a_node_asks_of_itself_flows_too() {
    let (mut world, fakes) = fake_world(5);
    world.set_window(WINDOW as u64);
    let owner = world.owner(slot_of(b"a"));
    let clients = [world.connect(owner), world.connect(owner)];
    fill(&mut world, clients[0]);
    let set = whole(&mut world, clients[0]);
    for client in clients {
        world.ask(client, "client consistency r quorum");
    }
    for slow in [false, true] {
        world.say(clients[0], "smembers a");
        world.acked(owner, promise(&fakes[owner]));
        let mut read = Vec::new();
        while slow && read.len() < set.len() {
            world.pass(60_000);
            assert!(world.waiting_bytes(clients[0]) <= WINDOW + PIECE);
            read.extend(world.read(clients[0]));
        }
        read.extend(world.read_all(clients[0]));
        assert!(read == set);
    }
    world.say(clients[1], "srandmember a -9223372036854775807");
    world.acked(owner, promise(&fakes[owner]));
    for _ in 0..20 {
        world.pass(20);
        assert!(!world.read(clients[1]).is_empty());
    }
    world.hang_up(clients[1]);
    world.settle();
    world.check_idle();
}
