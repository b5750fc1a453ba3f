//! Commands about all keys, the cluster port, and consistency.

use super::world::World;
use super::*;
use crate::base::version::Version;
use crate::cluster::View;
use crate::cluster::route::Route;
use crate::store::Local;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use torc_protocol::peer::request::WriteLevel;
use torc_protocol::slot::{Slot, slot_of};

fn fill(world: &mut World, client: usize, count: u64) -> BTreeSet<String> {
    let keys: BTreeSet<String> = (0..count).map(|n| format!("key:{n}")).collect();
    for key in &keys {
        world.say(client, &format!("set {key} v"));
    }
    world.settle();
    assert_eq!(world.take_output(client), r"+OK\r\n".repeat(count as usize));
    keys
}

fn keys_of(reply: &str) -> Vec<String> {
    reply.split("\\r\\n").filter(|part| part.starts_with("key:")).map(str::to_owned).collect()
}

/// A whole iteration; the keys as often as they came.
fn scan(
    world: &mut World,
    client: usize,
    options: &str,
    mut between: impl FnMut(&mut World),
) -> Vec<String> {
    let (mut cursor, mut found) = ("0".to_owned(), Vec::new());
    for _ in 0..10_000 {
        let reply = world.ask(client, &format!("scan {cursor}{options}"));
        found.extend(keys_of(&reply));
        cursor = reply.split("\\r\\n").nth(2).unwrap().to_owned();
        if cursor == "0" {
            return found;
        }
        between(world);
    }
    panic!("the iteration does not end");
}

#[test]
fn the_plain_port_covers_all_nodes() {
    let mut world = World::new(1, &[]);
    let clients: Vec<usize> = (0..3).map(|node| world.connect(node)).collect();
    let keys = fill(&mut world, clients[0], 300);
    for &client in &clients {
        assert_eq!(world.ask(client, "dbsize"), r":300\r\n");
        let listed: BTreeSet<String> = keys_of(&world.ask(client, "keys *")).into_iter().collect();
        assert_eq!(listed, keys);
        assert_eq!(keys_of(&world.ask(client, "keys key:7")), ["key:7"]);
        let scanned = scan(&mut world, client, "", |_| {});
        assert_eq!(scanned.len(), 300);
        assert_eq!(scanned.into_iter().collect::<BTreeSet<_>>(), keys);
        let random = world.ask(client, "randomkey");
        assert!(keys.contains(&keys_of(&random)[0]), "{random}");
    }
    assert_eq!(world.ask(clients[0], "scan x"), r"-ERR invalid cursor\r\n");
    assert_eq!(world.ask(clients[0], "scan 0 count"), r"-ERR syntax error\r\n");
    world.ask(clients[1], "select 4");
    world.ask(clients[1], "set other x");
    assert_eq!(world.ask(clients[1], "dbsize"), r":1\r\n");
    assert_eq!(world.ask(clients[0], "flushdb"), r"+OK\r\n");
    assert_eq!(world.ask(clients[2], "dbsize"), r":0\r\n");
    assert_eq!(world.ask(clients[2], "randomkey"), r"$-1\r\n");
    assert_eq!(world.ask(clients[1], "dbsize"), r":1\r\n");
    // In one pipeline: what stands behind a command about all keys sees what it did.
    for text in ["set a 1", "set b 2", "flushall", "set c 3", "dbsize", "get a"] {
        world.say(clients[0], text);
    }
    world.settle();
    assert_eq!(world.take_output(clients[0]), r"+OK\r\n+OK\r\n+OK\r\n+OK\r\n:1\r\n$-1\r\n");
    assert_eq!(world.ask(clients[1], "dbsize"), r":0\r\n");
    let swap = world.ask(clients[0], "swapdb 0 1");
    assert!(swap.starts_with("-ERR SWAPDB is not supported in a ring"), "{swap}");
    world.check_idle();
}

#[test]
fn a_flush_in_stretches_takes_everything() {
    let mut world = World::new(2, &[]);
    let client = world.connect(0);
    let command: Vec<Vec<u8>> = std::iter::once("mset".to_owned())
        .chain((0..30_000).flat_map(|n| [format!("key:{n}"), "v".to_owned()]))
        .map(String::into_bytes)
        .collect();
    world.send(client, &[command]);
    world.settle();
    assert_eq!(world.take_output(client), r"+OK\r\n");
    assert_eq!(world.ask(client, "dbsize"), r":30000\r\n");
    assert_eq!(world.ask(client, "flushall async"), r"+OK\r\n");
    assert_eq!(world.ask(client, "dbsize"), r":0\r\n");
    world.check_idle();
}

/// A slot may come from a node that has not flushed it yet to one that has passed it.
#[test]
fn a_flush_takes_what_moves_meanwhile() {
    for seed in 0..6 {
        let mut world = World::new(seed, &[]);
        let client = world.connect(0);
        let keys = fill(&mut world, client, 300);
        world.say(client, "flushall");
        for key in &keys {
            let to = world.sim.below(3) as usize;
            world.flip(slot_of(key.as_bytes()), to);
        }
        world.say(client, "dbsize");
        world.settle();
        assert_eq!(world.take_output(client), r"+OK\r\n:0\r\n", "seed {seed}");
        world.check_idle();
    }
}

#[test]
fn a_scan_meets_every_key_while_slots_move() {
    for seed in 0..4 {
        let mut world = World::new(seed, &[]);
        let client = world.connect(0);
        let keys = fill(&mut world, client, 120);
        let scanned = scan(&mut world, client, " count 3", |world| {
            for _ in 0..3 {
                let key = format!("key:{}", world.sim.below(120));
                let to = world.sim.below(3) as usize;
                world.flip(slot_of(key.as_bytes()), to);
            }
        });
        assert_eq!(scanned.into_iter().collect::<BTreeSet<_>>(), keys, "seed {seed}");
        world.check_idle();
    }
}

#[test]
fn the_cluster_port_speaks_as_redis_cluster() {
    let mut world = World::new(3, &[]);
    let plain = world.connect(0);
    let client = world.connect_cluster(0);
    let keys = fill(&mut world, plain, 300);
    let ours: BTreeSet<String> =
        keys.iter().filter(|key| world.owner(slot_of(key.as_bytes())) == 0).cloned().collect();
    assert_eq!(world.ask(client, "dbsize"), format!(r":{}\r\n", ours.len()));
    let listed: BTreeSet<String> = keys_of(&world.ask(client, "keys *")).into_iter().collect();
    assert_eq!(listed, ours);
    let scanned = scan(&mut world, client, " count 20", |_| {});
    assert_eq!(scanned.into_iter().collect::<BTreeSet<_>>(), ours);

    let here = ours.first().unwrap().clone();
    // One of whom the view says so too, as it does once a slot has settled.
    let view = world.nodes[0].instance.cluster.view().unwrap();
    let settled = |key: &str| {
        let acting = view.acting(slot_of(key.as_bytes())).and_then(|index| view.member(index));
        acting.is_some_and(|member| member.cluster_port == 8002)
    };
    let there = keys
        .iter()
        .find(|key| world.owner(slot_of(key.as_bytes())) == 2 && settled(key))
        .unwrap()
        .clone();
    let slot = slot_of(there.as_bytes());
    assert_eq!(world.ask(client, &format!("get {here}")), r"$1\r\nv\r\n");
    let moved = format!(r"-MOVED {} 127.0.0.1:8002\r\n", slot.index());
    assert_eq!(world.ask(client, &format!("get {there}")), moved);
    let cross = "-CROSSSLOT Keys in request don\\'t hash to the same slot\\r\\n";
    assert_eq!(world.ask(client, &format!("mget {here} {there}")), cross);
    for (command, reply) in [
        ("select 1", "-ERR SELECT is not allowed in cluster mode\\r\\n"),
        ("select 0", r"+OK\r\n"),
        ("swapdb 0 1", "-ERR SWAPDB is not allowed in cluster mode\\r\\n"),
        ("asking", r"+OK\r\n"),
        ("readonly", r"+OK\r\n"),
    ] {
        assert_eq!(world.ask(client, command), reply, "{command}");
    }
    // A copy answers reads, not writes, and only if it is in sync.
    assert_eq!(world.ask(client, &format!("get {there}")), moved);
    world.nodes[0].instance.cluster.routes().set_readable(slot, true);
    assert_eq!(world.ask(client, &format!("get {there}")), r"$-1\r\n");
    assert_eq!(world.ask(client, &format!("set {there} x")), moved);
    world.ask(client, "readwrite");
    assert_eq!(world.ask(client, &format!("get {there}")), moved);
    // A baton on its way is waited for, and then the client is redirected.
    world.nodes[0].instance.cluster.routes().set_readable(slot, false);
    let route = world.nodes[0].instance.cluster.routes().get(slot);
    world.nodes[0].instance.cluster.routes().set(slot, Route::Wait);
    world.say(client, &format!("get {there}"));
    world.pass(50);
    assert_eq!(world.take_output(client), "");
    world.nodes[0].instance.cluster.routes().set(slot, route);
    world.settle();
    assert_eq!(world.take_output(client), moved);
    world.nodes[0].instance.cluster.routes().set(slot, Route::Down);
    assert_eq!(
        world.ask(client, &format!("get {there}")),
        "-CLUSTERDOWN Hash slot not served\\r\\n"
    );
    assert!(world.ask(client, "hello").contains(r"mode\r\n$7\r\ncluster"));
    assert!(world.ask(client, "info").contains(r"cluster_enabled:1"));
    assert!(world.ask(plain, "hello").contains(r"mode\r\n$10\r\nstandalone"));
    let info = world.ask(plain, "info");
    assert!(info.contains("redis_mode:standalone") && info.contains("cluster_enabled:0"));
    assert_eq!(world.ask(client, "flushall"), r"+OK\r\n");
    world.check_idle();
}

/// Replication that promises everything and is told by the test when it holds.
#[derive(Default)]
struct Promises {
    /// Waiters that were given out, and what they wait for.
    made: Vec<(Waiter, usize)>,
    last: u64,
}

#[derive(Clone, Default)]
pub(super) struct Fake(Arc<Mutex<Promises>>, u64);

impl Replication for Fake {
    fn take_written(&mut self, _: &mut Local, writes: &mut Vec<(Slot, Version)>) {
        let mut promises = self.0.lock();
        promises.last += 1;
        writes.push((slot_of(b"k"), Version::from_bits(promises.last * 10 + self.1)));
    }

    fn reach(&self, _: &View, _: &[(Slot, Version)], level: WriteLevel) -> Result<u32, Short> {
        match level {
            WriteLevel::Copies(9) => Err(Short { applied: 3, wanted: 9 }),
            _ => Ok(2),
        }
    }

    fn copies(&self, _: &[(Slot, Version)]) -> u32 {
        1
    }

    fn hold(&mut self, writes: &[(Slot, Version)], level: WriteLevel, _: Duration) -> Held {
        let mut promises = self.0.lock();
        promises.last += 1;
        let waiter = Waiter(promises.last);
        match level {
            WriteLevel::Copies(1) => Held::Enough,
            WriteLevel::Copies(9) => Held::Never { applied: 3, wanted: 9 },
            _ => {
                promises.made.push((waiter, writes.len()));
                Held::Later { waiter, wanted: 2 }
            }
        }
    }

    fn count(&mut self, writes: &[(Slot, Version)], copies: u32, timeout: Duration) -> Held {
        self.hold(writes, WriteLevel::Copies(copies as u8), timeout)
    }

    fn written_before(&self, _: Version) -> Vec<(Slot, Version)> {
        Vec::new()
    }

    fn standing(&self, _: Slot) -> Vec<Version> {
        Vec::new()
    }

    fn refresh(&mut self, _: Slot) -> Held {
        let mut promises = self.0.lock();
        promises.last += 1;
        let waiter = Waiter(promises.last);
        promises.made.push((waiter, 1));
        Held::Later { waiter, wanted: 2 }
    }

    fn covers(&self, _: Slot, version: Version) -> bool {
        version.get() < 100
    }

    fn give_up(&mut self, _: Waiter) -> u32 {
        1
    }
}

pub(super) fn fake_world(seed: u64) -> (World, Vec<Fake>) {
    let fakes: Vec<Fake> = (0..3).map(|node| Fake(Arc::default(), node)).collect();
    let world = World::with(seed, &[], |node| Box::new(fakes[node].clone()));
    (world, fakes)
}

pub(super) fn promise(fake: &Fake) -> Waiter {
    fake.0.lock().made.remove(0).0
}

#[test]
fn a_write_is_answered_when_enough_copies_have_it() {
    let (mut world, fakes) = fake_world(4);
    let slot = slot_of(b"k");
    let owner = world.owner(slot);
    for node in [owner, (owner + 1) % 3] {
        let client = world.connect(node);
        assert_eq!(world.ask(client, "client consistency w 2"), r"+OK\r\n");
        for text in ["set k v", "get k", "ping"] {
            world.say(client, text);
        }
        world.pass(100);
        assert_eq!(world.take_output(client), "", "by node {node}");
        world.acked(owner, promise(&fakes[owner]));
        world.settle();
        assert_eq!(world.take_output(client), r"+OK\r\n$1\r\nv\r\n+PONG\r\n");
        // In vain.
        world.say(client, "set k w");
        world.say(client, "get k");
        world.pass(900);
        assert_eq!(world.take_output(client), "");
        world.pass(150);
        assert_eq!(world.take_output(client), r"-NOQUORUM applied on 1 of 2\r\n$1\r\nw\r\n");
        fakes[owner].0.lock().made.clear();
        // For one command alone, and with another time.
        world.ask(client, "client consistency w one");
        assert_eq!(world.ask(client, "client consistency w 9 once"), r"+OK\r\n");
        assert_eq!(world.ask(client, "set k x"), r"-NOQUORUM applied on 3 of 9\r\n");
        assert_eq!(world.ask(client, "set k y"), r"+OK\r\n");
        world.ask(client, "client consistency w all timeout 50 once");
        world.say(client, "set k z");
        world.pass(60);
        assert_eq!(world.take_output(client), r"-NOQUORUM applied on 1 of 2\r\n");
        fakes[owner].0.lock().made.clear();
        // What failed has nothing to wait for; what writes nothing neither.
        world.settle();
        world.check_idle();
    }
}

#[test]
fn wait_counts_the_copies_of_this_sessions_writes() {
    let (mut world, fakes) = fake_world(5);
    let owner = world.owner(slot_of(b"k"));
    for node in [owner, (owner + 1) % 3] {
        let client = world.connect(node);
        assert_eq!(world.ask(client, "set k v"), r"+OK\r\n");
        let token = world.ask(client, "client token get");
        assert!(token.starts_with(r"$20\r\n"), "{token}");
        world.say(client, "wait 1 500");
        world.say(client, "ping");
        world.pass(20);
        assert_eq!(world.take_output(client), "");
        world.acked(owner, promise(&fakes[owner]));
        world.settle();
        assert_eq!(world.take_output(client), r":1\r\n+PONG\r\n");
        world.say(client, "wait 1 100");
        world.pass(150);
        assert_eq!(world.take_output(client), r":0\r\n");
        fakes[owner].0.lock().made.clear();
        assert_eq!(world.ask(client, "wait 0 0"), r":0\r\n");
        assert_eq!(world.ask(client, "waitaof 0 0 0"), r"*2\r\n:0\r\n:0\r\n");
        assert_eq!(world.ask(client, "wait 1 -1"), r"-ERR timeout is negative\r\n");
        world.check_idle();
    }
}

#[test]
fn reads_go_where_their_level_allows() {
    let (mut world, fakes) = fake_world(6);
    let slot = slot_of(b"k");
    let owner = world.owner(slot);
    let other = (owner + 1) % 3;
    let client = world.connect(other);
    world.ask(client, "set k v");
    world.nodes[other].instance.cluster.routes().set_readable(slot, true);
    assert_eq!(world.ask(client, "get k"), r"$1\r\nv\r\n");
    // The copy is empty here, which tells where the answer comes from.
    world.ask(client, "client consistency r any");
    assert_eq!(world.ask(client, "get k"), r"$-1\r\n");
    world.ask(client, "client consistency r session");
    assert_eq!(world.ask(client, "get k"), r"$-1\r\n", "the copy has what the session wrote");
    let index = slot.index() as u16;
    let mut token = Vec::new();
    crate::command::consistency::push_entry(index, 1_000, &mut token);
    let token: String = token.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(world.ask(client, &format!("client token set {token}")), r"+OK\r\n");
    assert_eq!(world.ask(client, "get k"), r"$1\r\nv\r\n", "the copy has not what the session saw");
    world.ask(client, "client consistency r quorum");
    world.say(client, "get k");
    world.pass(50);
    assert_eq!(world.take_output(client), "");
    world.acked(owner, promise(&fakes[owner]));
    world.settle();
    assert_eq!(world.take_output(client), r"$1\r\nv\r\n");
    world.say(client, "get k");
    world.settle();
    assert!(world.take_output(client).starts_with("-"), "nobody answered");
    fakes[owner].0.lock().made.clear();
    world.check_idle();
}

#[test]
fn muted_commands_run_elsewhere_without_a_reply() {
    let mut world = World::new(7, &[]);
    let client = world.connect(0);
    world.say(client, "client reply off");
    for n in 0..60 {
        world.say(client, &format!("incr k{}", n % 6));
    }
    world.say(client, "mget k1 k2 k3");
    world.say(client, "dbsize");
    world.say(client, "client reply on");
    world.say(client, "client reply skip");
    world.say(client, "get k2");
    world.say(client, "get k5");
    world.settle();
    assert_eq!(world.take_output(client), r"+OK\r\n$2\r\n10\r\n");
    world.check_idle();
}
