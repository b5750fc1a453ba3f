//! Copies that have come apart, and what nodes know of each other, are equal soon after nothing keeps them so any more, and not only when nodes compare them in their turn,
//! every ten seconds.

use super::history::{Ask, Operation, Outcome};
use super::named::{await_comparison, ring, setup};
use super::net::{Line, Message};
use super::node::node_id;
use super::plan::{Trouble, mend};
use super::reply::Reply;
use super::world::{Event, SECOND, Seat, Setup, World};
use std::collections::BTreeSet;
use torc_protocol::peer::frame::{self, Decoded};
use torc_protocol::peer::{Kind, Limits};
use torc_protocol::slot::{SLOT_COUNT, Slot, slot_of};
use torc_server::base::rng::Rng;
use torc_server::cluster::NodeId;
use torc_server::cluster::member::MemberState;
use torc_server::cluster::route::Route;
use torc_server::node::core::message::{Baton, Said};

/// Copies may differ for so long after trouble has ended. Who comes back is seen within a second and compared with a second later; the rest is for pulls that are asked for
/// once more.
const SOON: u64 = 4 * SECOND;

/// Keys that each writer sets in a tenth of a second, each of them once.
const KEYS_EACH: u64 = 5;

/// One client a node, which stays there and writes to every slot, whatever becomes of its requests.
struct Writers {
    guests: Vec<usize>,
    written: u64,
}

impl Writers {
    fn new(world: &mut World) -> Writers {
        let guests = (0..world.seats.len()).map(|_| world.add_guest(1, false)).collect();
        let writers = Writers { guests, written: 0 };
        writers.guests.iter().for_each(|&guest| world.guests[guest].checks = true);
        writers
    }

    fn run_until(&mut self, world: &mut World, end: u64) {
        while world.now < end {
            for (home, &guest) in self.guests.iter().enumerate() {
                let numbers = self.written..self.written + KEYS_EACH;
                let set = |n: u64| Ask::Set(format!("side:{home}:{n}"), n);
                if world.is_running(home) {
                    world.ask_and_leave(guest, home, numbers.map(set).collect());
                }
            }
            self.written += KEYS_EACH;
            world.run_for(SECOND / 10);
        }
    }
}

/// Slots whose copies are not the same.
fn differing(world: &World) -> BTreeSet<usize> {
    let differs = |slot: &Slot| {
        let nodes = world.seats.iter().filter_map(|seat| seat.node.as_ref());
        let keepers = nodes.filter(|node| node.view().list(*slot).contains(&node.view().me()));
        let mut vectors = keepers.map(|node| node.slots.vector(&node.instance.store, *slot));
        let first = vectors.next();
        first.is_some_and(|first| !vectors.all(|it| it.is_same_history(&first)))
    };
    let slots = (0..SLOT_COUNT as u16).filter_map(Slot::new);
    slots.filter(differs).map(Slot::index).collect()
}

/// Goes on until all copies are equal, and says how long that took; fails if it is not so within [`SOON`].
fn await_equal(world: &mut World, what: &str) -> u64 {
    let start = world.now;
    while world.now < start + SOON {
        world.run_for(SECOND / 50);
        if differing(world).is_empty() {
            return world.now - start;
        }
    }
    panic!("{what}: copies of {:?} differ {SOON} us later", differing(world));
}

/// Goes on until a frame of `kind` is on its way over a control link, and says from whom to whom.
fn await_frame(world: &mut World, kind: Kind) -> (usize, usize) {
    let limits = Limits::established(512 << 20);
    let is_it = |message: &Message| match frame::decode(&message.bytes, &mut 0, &limits) {
        Ok(Decoded::Frame(frame)) => frame.header.kind == Some(kind),
        _ => false,
    };
    for _ in 0..100_000 {
        for (line, link) in world.net.links.iter().filter(|(line, _)| line.control) {
            for side in [0, 1] {
                if link.queues[side].iter().any(is_it) {
                    return (line.end(1 - side), line.end(side));
                }
            }
        }
        world.run_for(SECOND / 20_000);
    }
    panic!("nobody sends any {kind:?}");
}

fn cut_off(world: &mut World, number: usize) {
    for other in (0..world.seats.len()).filter(|&other| other != number) {
        world.net.cut_way(number, other);
        world.net.cut_way(other, number);
    }
}

/// Everybody sees everybody.
fn is_met(world: &World) -> bool {
    world.seats.iter().all(|seat| {
        let view = seat.node.as_ref().unwrap().view();
        view.members().all(|(_, member)| member.alive)
    })
}

/// Where all had been given up by somebody, each pulls each slot from one other. A peer that compared meanwhile was not listened to, though the one that was pulled from did
/// not know what that peer had to tell: a node that was slow to answer for a second left another one behind for ten.
#[test]
fn a_partition_is_made_up_for_though_a_node_is_slow_to_answer() {
    for seed in 0..12 {
        for slow in 0..2 {
            let mut world = ring(setup(seed, 3));
            let mut writers = Writers::new(&mut world);
            cut_off(&mut world, 2);
            let end = world.now + 6 * SECOND;
            writers.run_until(&mut world, end);
            assert!(!is_met(&world), "nobody noticed");
            world.net.heal();
            while !is_met(&world) {
                world.run_for(SECOND / 1_000);
            }
            // Time to ask it for its copies, and to grant it batons.
            world.run_for(SECOND / 100);
            world.pause(slow);
            world.run_for(11 * SECOND / 10);
            world.resume(slow);
            await_equal(&mut world, &format!("seed {seed}, {slow} is slow"));
        }
    }
}

/// What is written while a worker's link is down is told to nobody over it. That was found when nodes compared in their turn, or by the next write to the same slot.
#[test]
fn what_a_broken_data_link_did_not_tell_is_made_up_for() {
    for seed in 0..3 {
        let mut world = ring(setup(seed, 3));
        let mut writers = Writers::new(&mut world);
        // So that no comparison whose turn it is anyway helps.
        await_comparison(&mut world);
        let lines: Vec<_> = world.net.links.keys().copied().filter(|line| !line.control).collect();
        for line in lines {
            world.close(line, 0);
        }
        let end = world.now + SECOND / 10;
        writers.run_until(&mut world, end);
        assert!(!differing(&world).is_empty(), "everything was told");
        await_equal(&mut world, &format!("seed {seed}"));
    }
}

/// What fell off a log before a peer was told of it, that peer found when nodes compared in their turn, or by the next write to the same slot: here there is none.
#[test]
fn what_fell_off_a_log_is_made_up_for() {
    for seed in 0..3 {
        let mut world = ring(Setup { log_bytes: 8 * 1024, ..setup(seed, 3) });
        let guest = world.add_guest(1, false);
        world.guests[guest].checks = true;
        await_comparison(&mut world);
        // Shorter than it takes to give up the node or a link to it.
        world.pause(2);
        for round in 0..16 {
            let key = |n: u64| match round {
                // Several logs in all slots, and the last one in a single slot.
                0..12 => format!("lost:{}", 400 * round + n),
                _ => format!("{{last}}:{n}"),
            };
            let asks = (0..400).map(|n| Ask::Set(key(n), n)).collect();
            world.ask_and_leave(guest, 0, asks);
            world.run_for(SECOND / 20);
        }
        world.resume(2);
        assert!(differing(&world).len() > 100, "everything was told");
        await_equal(&mut world, &format!("seed {seed}"));
    }
}

/// A node that was given up and taken back while the link to it stayed open knows nothing of that, and does not compare again: what was to be pulled from it by its last
/// comparison was dropped, and missing until its next turn.
#[test]
fn what_was_to_be_pulled_from_a_node_that_was_given_up_for_a_moment_is_pulled() {
    for seed in 0..3 {
        let mut world = ring(setup(seed, 3));
        let mut writers = Writers::new(&mut world);
        await_comparison(&mut world);
        let lines: Vec<_> = world.net.links.keys().copied().filter(|line| !line.control).collect();
        for line in lines {
            world.close(line, 0);
        }
        let end = world.now + SECOND / 10;
        writers.run_until(&mut world, end);
        // Nodes compare since the links are open again, and one of them is asked for what it has told.
        let (asker, asked) = await_frame(&mut world, Kind::Fence);
        world.pause(asked);
        world.give_up(asker, asked);
        world.run_for(SECOND / 10);
        world.take_back(asker, asked);
        world.run_for(SECOND / 10);
        world.resume(asked);
        assert!(!differing(&world).is_empty(), "everything was told");
        await_equal(&mut world, &format!("seed {seed}"));
    }
}

/// What a node wrote to a slot that it does not keep any more, as one that served it in a partition, comes with its baton to who serves the slot. That one had told its
/// hashes to the other copies before, and they compare with nobody who keeps none: they were behind until its next turn.
#[test]
fn what_comes_with_a_baton_from_one_who_keeps_no_copy_comes_to_all() {
    for seed in 0..3 {
        let mut world = ring(setup(seed, 4));
        await_comparison(&mut world);
        let view = world.seats[0].node.as_ref().unwrap().view();
        let (index, _) = view.find(node_id(3)).unwrap();
        let mut keys = (0..).map(|n| format!("left:{n}"));
        let key = keys.find(|key| !view.list(slot_of(key.as_bytes())).contains(&index)).unwrap();
        let slot = slot_of(key.as_bytes());
        let server = world.servers(slot)[0];
        // It writes as one that served, and tells nobody.
        for other in 0..3 {
            world.close(Line { dialler: 3, other, control: false }, 0);
        }
        let node = world.node(3).unwrap();
        node.instance.cluster.routes().set(slot, Route::Serve);
        let guest = world.add_guest(1, false);
        world.guests[guest].checks = true;
        world.ask_and_leave(guest, 3, vec![Ask::Set(key, 1)]);
        let node = world.node(3).unwrap();
        let vector = node.slots.vector(&node.instance.store, slot);
        assert!(!vector.is_empty(), "it wrote nothing");
        let said = vec![Said { slot, stamp: 0, others: [None; 2], vector: vector.clone() }];
        let mut payload = Vec::new();
        Baton::Word { served: true, said }.encode(&mut payload);
        world.control_frame(3, server, Kind::Baton, None, payload);
        let knows = |world: &World| {
            let node = world.seats[server].node.as_ref().unwrap();
            node.slots.vector(&node.instance.store, slot).covers_all(&vector)
        };
        while !knows(&world) {
            world.run_for(SECOND / 1_000);
        }
        assert!(!differing(&world).is_empty(), "all had heard of it");
        await_equal(&mut world, &format!("seed {seed}"));
    }
}

/// Has node 0 of three write to slots that it serves, of each of which only one of the others hears. Returns the keys.
fn tell_one_alone(world: &mut World) -> Vec<String> {
    let guest = world.add_guest(1, false);
    world.guests[guest].checks = true;
    let mut written = Vec::new();
    for lacks in [1, 2] {
        // The link to the other is there again by now, and nobody has made up for what it did not tell.
        world.run_for(SECOND / 2);
        world.close(Line { dialler: 0, other: lacks, control: false }, 0);
        let served = |key: &String| world.servers(slot_of(key.as_bytes())) == [0];
        let knows = |world: &World, number: usize, key: &String| {
            let node = world.seats[number].node.as_ref().unwrap();
            !node.slots.vector(&node.instance.store, slot_of(key.as_bytes())).is_empty()
        };
        let is_new = |key: &String| served(key) && !knows(world, 0, key);
        let keys = (0..400).map(|n| format!("last:{lacks}:{n}"));
        let keys: Vec<String> = keys.filter(is_new).take(40).collect();
        let asks = keys.iter().map(|key| Ask::Set(key.clone(), lacks as u64)).collect();
        world.ask_and_leave(guest, 0, asks);
        world.run_for(SECOND / 200);
        assert_eq!(keys.len(), 40);
        assert!(keys.iter().all(|key| knows(world, 3 - lacks, key) && !knows(world, lacks, key)));
        written.extend(keys);
    }
    written
}

/// What a node wrote last, only some may have heard. Who serves in its place asks all for it, and the others were left behind.
#[test]
fn what_a_dying_node_told_to_one_comes_to_all() {
    for seed in 0..3 {
        let mut world = ring(setup(seed, 3));
        await_comparison(&mut world);
        tell_one_alone(&mut world);
        world.kill(0, true);
        while world.seats[1].node.as_ref().unwrap().view().members().all(|(_, it)| it.alive) {
            world.run_for(SECOND / 100);
        }
        await_equal(&mut world, &format!("seed {seed}"));
    }
}

/// A client for each of `keys` writes it through `home`, with two copies. Returns where in the history that begins.
fn write_each(world: &mut World, home: usize, keys: Vec<String>) -> usize {
    let first = world.history.len();
    for key in keys {
        let guest = world.add_guest(2, false);
        world.guests[guest].checks = true;
        world.ask_and_leave(guest, home, vec![Ask::Set(key, 3)]);
    }
    first
}

/// Waits for all writes since then, which must succeed, and says how long the longest took.
fn longest_write(world: &mut World, first: usize) -> u64 {
    world.run_for(2 * SECOND);
    let writes = &world.history[first..];
    let is_done = |it: &Operation| matches!(it.outcome, Outcome::Done(Reply::Status(_)));
    assert!(writes.iter().all(is_done), "{writes:?}");
    writes.iter().map(|it| it.ended - it.began).max().expect("something was written")
}

/// As above, and clients go on to write the same keys, with two copies. A write of the one that serves now builds on what the dead one told it alone, so that the other copy
/// cannot apply it yet: that waited for the dead one's effects for most of a second and then for its turn to be pulled, and so long no write waits for its copies.
#[test]
fn writes_find_their_copies_though_a_dying_node_told_one_alone() {
    for seed in 0..3 {
        for clean in [true, false] {
            let mut world = ring(setup(seed, 3));
            // Nothing is compared of itself meanwhile.
            await_comparison(&mut world);
            world.run_for(2 * SECOND);
            let keys = tell_one_alone(&mut world);
            // Copies that nobody waits for take long.
            for number in [1, 2] {
                let settings = &world.seats[number].node.as_ref().unwrap().instance.settings;
                settings.set(&[("sync-bandwidth", "1000")]).unwrap();
            }
            world.kill(0, clean);
            let is_noticed = |world: &World, at: usize| {
                world.seats[at].node.as_ref().unwrap().view().members().any(|(_, it)| !it.alive)
            };
            while !(is_noticed(&world, 1) && is_noticed(&world, 2)) {
                world.run_for(SECOND / 1_000);
            }
            let first = write_each(&mut world, 1, keys);
            let longest = longest_write(&mut world, first);
            assert!(longest < SECOND / 10, "seed {seed}, clean: {clean}: {longest} us");
        }
    }
}

/// What a node writes before it notices that its links are broken, as when it thaws, nobody hears. That was found out after a second at the earliest, when the writes had been answered
/// that they have too few copies.
#[test]
fn writes_find_their_copies_though_their_effects_were_lost_with_a_link() {
    for seed in 0..3 {
        let mut world = ring(setup(seed, 3));
        await_comparison(&mut world);
        world.run_for(2 * SECOND);
        let served = |key: &String| world.servers(slot_of(key.as_bytes())) == [0];
        let keys: Vec<String> =
            (0..400).map(|n| format!("lost:{n}")).filter(served).take(40).collect();
        assert_eq!(keys.len(), 40);
        let first = write_each(&mut world, 0, keys);
        for other in [1, 2] {
            // What was sent is lost on the way, and whoever was to hear it closes the link.
            let line = Line { dialler: 0, other, control: false };
            world.link(line).queues.iter_mut().for_each(|queue| queue.clear());
            world.close(line, 1);
        }
        let longest = longest_write(&mut world, first);
        assert!(longest < 7 * SECOND / 10, "seed {seed}: {longest} us");
    }
}

/// Three to five nodes that are cut off, freeze, and lose links, under writes that end with the trouble.
#[test]
fn whatever_kept_nodes_apart_is_made_up_for_soon() {
    for seed in 0..100 {
        let mut dice = Rng::seeded(seed ^ 0x6865_616c);
        let nodes = 3 + dice.below(3) as usize;
        let mut world = ring(Setup { trouble: Trouble::Split, ..setup(seed, nodes) });
        world.net.loss = [0, 10, 50][dice.below(3) as usize];
        world.net.doubled = dice.below(20);
        world.net.latency_us = [300, 1_000, 20_000][dice.below(3) as usize];
        let mut writers = Writers::new(&mut world);
        let end = world.now + 8 * SECOND;
        world.at(world.now + SECOND / 2, Event::Call(end));
        writers.run_until(&mut world, end);
        mend(&mut world);
        await_equal(&mut world, &format!("seed {seed}, {nodes} nodes"));
    }
}

/// What each node that runs knows of all others.
fn known(world: &World) -> BTreeSet<Vec<(NodeId, MemberState, bool, bool)>> {
    let known = |seat: &Seat| {
        let view = seat.node.as_ref()?.view();
        let members = view.members().map(|(_, it)| (it.id, it.state, it.ready, it.alive));
        let mut members: Vec<_> = members.collect();
        members.sort_by_key(|member| member.0);
        Some(members)
    };
    world.seats.iter().filter_map(known).collect()
}

/// What others say of themselves while a node is taken for dead, nobody tells it, and what is on its way is lost with its links. It heard of that when books were compared in
/// their turn, within ten seconds; until then it went by records that were not true any more.
#[test]
fn what_was_said_while_a_node_was_frozen_is_heard_when_it_thaws() {
    for seed in 0..12 {
        for links_break in [false, true] {
            let mut world = ring(setup(seed, 4));
            world.pause(3);
            for tenth in 0..80 {
                if tenth == 40 {
                    // It says that it is not ready.
                    world.set_clock(1, 6 * SECOND as i64);
                }
                world.run_for(SECOND / 10);
                let now = world.now;
                let held = world.net.links.values_mut().filter(|_| !links_break);
                held.for_each(|link| link.heard = [now; 2]);
            }
            assert!(known(&world).len() > 1, "it has heard of it");
            world.resume(3);
            // It is found to be alive, and links to it are dialled.
            world.run_for(SECOND);
            assert_eq!(known(&world).len(), 1, "seed {seed}, links break: {links_break}");
        }
    }
}
