//! Single situations that everybody asks about, each by its name. What a world comes to is looked at by the same checkers as all others.

use super::check;
use super::history::{Ask, Outcome};
use super::node::node_id;
use super::plan::{Trouble, mend, prepare};
use super::reply::Reply;
use super::world::{SECOND, Setup, World};
use std::time::Duration;
use torc_protocol::peer::Kind;
use torc_protocol::peer::Limits;
use torc_protocol::peer::frame::{self, Decoded};
use torc_protocol::slot::{SLOT_COUNT, Slot, slot_of};
use torc_server::base::limits::TAG_RETENTION;
use torc_server::base::version::Version;
use torc_server::cluster::member::MemberState;

const KEYS: u64 = 200;

pub fn setup(seed: u64, nodes: usize) -> Setup {
    Setup {
        seed,
        nodes,
        copies: 3,
        log_bytes: 1 << 20,
        skew_us: 0,
        sabotage: None,
        formed: true,
        trouble: Trouble::Calm,
        one_tag: false,
        tag_retention: TAG_RETENTION,
        tracks: false,
    }
}

/// A ring that serves.
pub fn ring(setup: Setup) -> World {
    let mut world = World::new(setup);
    settle(&mut world, 40);
    world
}

fn settle(world: &mut World, seconds: u64) {
    for _ in 0..10 * seconds {
        world.run_for(SECOND / 10);
        if world.is_settled() {
            return;
        }
    }
    panic!("nothing settles within {seconds} s");
}

/// Runs commands one after the other through `home`, as a client that demands `copies`.
fn ask(world: &mut World, home: usize, copies: u8, asks: Vec<Ask>) -> Vec<Outcome> {
    let guest = world.add_guest(copies, false);
    world.guests[guest].checks = true;
    asks.chunks(50).flat_map(|part| world.ask_now(guest, home, part.to_vec())).collect()
}

fn key(n: u64) -> String {
    format!("key:{n}")
}

fn write(world: &mut World, home: usize, copies: u8, values: impl Fn(u64) -> u64) {
    let asks = (0..KEYS).map(|n| Ask::Set(key(n), values(n))).collect();
    let outcomes = ask(world, home, copies, asks);
    assert!(
        outcomes.iter().all(|it| matches!(it, Outcome::Done(Reply::Status(_)))),
        "{outcomes:?}"
    );
}

/// What the keys hold, asked of `home`.
fn read(world: &mut World, home: usize) -> Vec<Option<i64>> {
    let outcomes = ask(world, home, 1, (0..KEYS).map(|n| Ask::Get(key(n))).collect());
    let value = |outcome: Outcome| match outcome {
        Outcome::Done(reply) => reply.number(),
        other => panic!("not read: {other:?}"),
    };
    outcomes.into_iter().map(value).collect()
}

fn expect(world: &mut World, home: usize, values: impl Fn(u64) -> Option<i64>) {
    let found = read(world, home);
    for (n, found) in found.into_iter().enumerate() {
        assert_eq!(found, values(n as u64), "key {n} through {home}");
    }
}

/// While nothing breaks, clients that track are told which keys are others now, and not that all may be.
#[test]
fn changes_are_told_by_name_while_nothing_breaks() {
    for seed in 0..3 {
        let mut world = ring(Setup { tracks: true, ..setup(seed, 3) });
        prepare(&mut world);
        world.add_trackers();
        // Slots that have just been given out are told to have moved.
        world.run_for(3 * SECOND);
        world.work.on = true;
        world.run_for(5 * SECOND);
        let told = |world: &World| -> Vec<(u64, u64)> {
            world.guests.iter().filter_map(|it| Some(it.tracker.as_ref()?.told)).collect()
        };
        let by_name = told(&world);
        assert!(by_name.iter().all(|&(names, all)| names > 30 && all == 0), "{by_name:?}");
        world.work.on = false;
        world.run_for(15 * SECOND);
        world.work.scans = false;
        world.run_for(15 * SECOND);
        check::all(&mut world);
        assert!(world.wrongs.is_empty(), "{:#?}", world.wrongs);
        let in_the_end = told(&world);
        assert!(in_the_end.iter().all(|&(_, all)| all == 0), "{in_the_end:?}");
    }
}

/// The copies are the same, the ring is whole, and nothing went wrong on the way.
fn conclude(mut world: World) {
    check::quiet(&mut world);
    assert!(world.wrongs.is_empty(), "{:#?}", world.wrongs);
}

fn figures(world: &World, number: usize) -> &torc_server::cluster::handle::Figures {
    world.seats[number].node.as_ref().unwrap().instance.cluster.figures()
}

/// Whether a message of `kind` is on its way.
fn is_under_way(world: &World, wanted: Kind) -> bool {
    let limits = Limits::established(512 << 20);
    let queues = || world.net.links.values().flat_map(|link| link.queues.iter().flatten());
    queues().any(|message| match frame::decode(&message.bytes, &mut 0, &limits) {
        Ok(Decoded::Frame(frame)) => frame.header.kind == Some(wanted),
        _ => false,
    })
}

/// Goes on until a node compares its copies with another's. Nothing is said of slots that nobody wrote to, so somebody writes.
pub fn await_comparison(world: &mut World) {
    let guest = world.add_guest(1, false);
    world.ask_and_leave(guest, 0, vec![Ask::Set("compared".into(), 0)]);
    for _ in 0..20_000 {
        if is_under_way(world, Kind::Digest) {
            return;
        }
        world.run_for(SECOND / 1_000);
    }
    panic!("nobody compares");
}

#[test]
fn the_primary_of_a_slot_is_killed_while_anti_entropy_runs() {
    for seed in 0..5 {
        let mut world = ring(setup(seed, 3));
        write(&mut world, 0, 2, |n| n);
        await_comparison(&mut world);
        let primary = world.servers(slot_of(b"key:0"))[0];
        world.kill(primary, seed % 2 == 0);
        world.run_for(6 * SECOND);
        for home in (0..3).filter(|&home| home != primary) {
            expect(&mut world, home, |n| Some(n as i64));
        }
        world.restart(primary);
        settle(&mut world, 20);
        world.run_for(12 * SECOND);
        expect(&mut world, primary, |n| Some(n as i64));
        conclude(world);
    }
}

#[test]
fn a_replica_whose_log_was_overrun_catches_up() {
    let mut world = ring(Setup { log_bytes: 8 * 1024, ..setup(1, 3) });
    write(&mut world, 0, 3, |n| n);
    // Shorter than it takes to give a link up, so that the log alone decides what is told.
    world.pause(2);
    for round in 1..=20 {
        // Nobody waits: those of which the frozen node is primary cannot be written.
        let asks = (0..KEYS).map(|n| Ask::Set(key(n), n + 1_000 * round)).collect();
        let guest = world.add_guest(1, false);
        world.guests[guest].checks = true;
        world.ask_and_leave(guest, 0, asks);
        world.run_for(SECOND / 20);
    }
    world.resume(2);
    let written = |world: &World| {
        let node = world.seats[0].node.as_ref().unwrap();
        let slots = (0..SLOT_COUNT as u16).filter_map(Slot::new);
        let tag = node.slots.tag();
        slots
            .filter(|&slot| !node.slots.vector(&node.instance.store, slot).get(tag).is_zero())
            .count()
    };
    // Each effect takes some 30 bytes: twenty rounds of a third of the keys are several logs.
    assert!(written(&world) > 30, "node 0 wrote to {} slots", written(&world));
    settle(&mut world, 20);
    world.run_for(25 * SECOND);
    conclude(world);
}

/// Who joins pulls each slot, and the effects that come meanwhile build on what the pull brings. Of a slot that was written to without pause so many came that there was no
/// room for those which the pull did not bring: it was pulled again and again, and the node never became active.
#[test]
fn a_node_joins_while_one_slot_is_written_to_without_pause() {
    for seed in 0..3 {
        let mut world = ring(Setup { copies: 4, ..setup(seed, 3) });
        let slot = slot_of(b"{hot}");
        let home = world.servers(slot)[0];
        let fill = (0..24_000).map(|n| Ask::Set(format!("{{hot}}:{n}"), n)).collect();
        ask(&mut world, home, 3, fill);
        // The slot takes two seconds, and half a one for each time that most of it is known.
        for number in 0..4 {
            let number = if number == 3 { world.join() } else { number };
            let settings = &world.seats[number].node.as_ref().unwrap().instance.settings;
            settings.set(&[("sync-bandwidth", "300000")]).unwrap();
        }
        let guest = world.add_guest(1, false);
        world.guests[guest].checks = true;
        let is_placed = |world: &World| {
            let view = world.seats[3].node.as_ref().unwrap().view();
            view.find(node_id(3)).is_some_and(|(_, it)| it.is_placed())
        };
        let begin = world.now;
        while !(is_placed(&world) && world.is_settled()) {
            world.ask_now(guest, home, vec![Ask::Incr("{hot}".into()); 100]);
            world.run_for(SECOND / 100);
            assert!(world.now < begin + 20 * SECOND, "seed {seed}: it does not become active");
        }
        world.run_for(SECOND);
        conclude(world);
    }
}

#[test]
fn a_node_comes_back_after_ten_minutes() {
    // Dead, and cut off with all that it has.
    for cut_off in [false, true] {
        let mut world = ring(setup(2, 4));
        write(&mut world, 0, 2, |n| n);
        world.run_for(5 * SECOND);
        if cut_off {
            for other in 0..3 {
                world.net.cut_way(3, other);
                world.net.cut_way(other, 3);
            }
        } else {
            world.kill(3, false);
        }
        world.run_for(10 * SECOND);
        let gone = (0..KEYS).filter(|n| n % 3 == 0).map(|n| Ask::Del(key(n))).collect();
        ask(&mut world, 0, 2, gone);
        let changed =
            (0..KEYS).filter(|n| n % 3 == 1).map(|n| Ask::Set(key(n), n + 1_000)).collect();
        ask(&mut world, 1, 2, changed);
        world.run_for(600 * SECOND);
        mend(&mut world);
        world.run_for(15 * SECOND);
        settle(&mut world, 40);
        world.run_for(12 * SECOND);
        for home in 0..4 {
            expect(&mut world, home, |n| match n % 3 {
                0 => None,
                1 => Some(n as i64 + 1_000),
                _ => Some(n as i64),
            });
        }
        conclude(world);
    }
}

#[test]
fn a_node_has_a_clock_a_second_off() {
    for (seed, ahead_us) in [(5, SECOND as i64), (10, -(SECOND as i64))] {
        let mut world = ring(setup(seed, 3));
        world.set_clock(1, ahead_us);
        prepare(&mut world);
        world.work.on = true;
        world.one_server = true;
        world.run_for(10 * SECOND);
        world.work.on = false;
        world.run_for(10 * SECOND);
        world.work.scans = false;
        world.run_for(10 * SECOND);
        world.one_server = false;
        assert!(figures(&world, 0).clock_warnings.get() == 1, "one peer is off");
        assert!(figures(&world, 0).clock_offset_ms.get() >= 990);
        assert_eq!(figures(&world, 1).clock_barred.get(), 0);
        check::all(&mut world);
        assert!(world.wrongs.is_empty(), "{:#?}", world.wrongs);
    }
}

#[test]
fn of_two_nodes_with_one_tag_the_one_of_the_higher_id_draws_another() {
    let mut world = ring(Setup { one_tag: true, ..setup(3, 3) });
    world.run_for(5 * SECOND);
    settle(&mut world, 20);
    assert_eq!((world.seats[0].life, world.seats[1].life), (1, 2), "starts of the two");
    let tags: std::collections::BTreeSet<u16> =
        world.seats.iter().map(|seat| seat.node.as_ref().unwrap().slots.tag().get()).collect();
    assert_eq!(tags.len(), 3);
    write(&mut world, 0, 3, |n| n);
    world.run_for(15 * SECOND);
    expect(&mut world, 1, |n| Some(n as i64));
    conclude(world);
}

#[test]
fn a_clock_half_a_second_off_is_warned_of() {
    let mut world = ring(setup(4, 3));
    world.set_clock(2, 600_000);
    world.run_for(2 * SECOND);
    for number in 0..2 {
        assert_eq!(figures(&world, number).clock_warnings.get(), 1);
        assert!(figures(&world, number).clock_offset_ms.get() >= 500);
    }
    // It thinks the same of both others, and serves on.
    assert_eq!(figures(&world, 2).clock_warnings.get(), 2);
    assert_eq!(figures(&world, 2).clock_barred.get(), 0);
    write(&mut world, 2, 3, |n| n);
    world.set_clock(2, 0);
    world.run_for(SECOND);
    assert!(figures(&world, 2).clock_offset_ms.get() < 100);
    world.run_for(12 * SECOND);
    conclude(world);
}

/// Slots that `number` serves.
fn served(world: &World, number: usize) -> usize {
    let slots = (0..SLOT_COUNT as u16).filter_map(Slot::new);
    slots.filter(|&slot| world.servers(slot).contains(&number)).count()
}

#[test]
fn a_node_whose_clock_steps_by_six_seconds_steps_down_until_it_is_right() {
    for ahead_us in [6 * SECOND as i64, -6 * (SECOND as i64)] {
        let mut world = ring(setup(5, 3));
        write(&mut world, 0, 2, |n| n);
        assert!(served(&world, 1) > 0);
        world.one_server = true;
        world.set_clock(1, ahead_us);
        world.run_for(5 * SECOND);
        assert_eq!(figures(&world, 1).clock_barred.get(), 1);
        assert_eq!(served(&world, 1), 0);
        assert_eq!(served(&world, 0) + served(&world, 2), SLOT_COUNT);
        write(&mut world, 1, 2, |n| n + 500);
        world.set_clock(1, 0);
        settle(&mut world, 30);
        assert!(served(&world, 1) > 0);
        world.run_for(15 * SECOND);
        expect(&mut world, 1, |n| Some(n as i64 + 500));
        world.one_server = false;
        conclude(world);
    }
}

#[test]
fn a_node_whose_clock_is_six_seconds_off_does_not_become_active() {
    let mut world = ring(setup(6, 3));
    write(&mut world, 0, 2, |n| n);
    let joiner = world.join();
    world.set_clock(joiner, 6 * SECOND as i64);
    world.run_for(30 * SECOND);
    let state = |world: &World| {
        let view = world.seats[0].node.as_ref().unwrap().view();
        view.find(node_id(joiner)).map(|(_, member)| member.state)
    };
    assert_eq!(state(&world), Some(MemberState::Joining));
    assert_eq!(served(&world, joiner), 0);
    world.set_clock(joiner, 0);
    world.run_for(5 * SECOND);
    settle(&mut world, 60);
    assert_eq!(state(&world), Some(MemberState::Active));
    world.run_for(15 * SECOND);
    expect(&mut world, joiner, |n| Some(n as i64));
    conclude(world);
}

#[test]
fn a_copy_that_is_not_what_it_says_is_found_and_pulled_anew() {
    let mut world = ring(setup(7, 3));
    write(&mut world, 0, 3, |n| n);
    world.run_for(2 * SECOND);
    let slot = slot_of(b"key:7");
    let primary = world.servers(slot)[0];
    let liar = (primary + 1) % 3;
    let now = world.node(liar).unwrap().instance.clock.unix_ms();
    let node = world.node(liar).unwrap();
    let guard = node.worker.local.pin();
    let store = &node.instance.store;
    let mut keyspace = store.keyspace(&mut node.worker.local, &guard, 0, now);
    assert!(keyspace.forget_slot(slot, 0, usize::MAX).is_none());
    drop(guard);
    for _ in 0..100 {
        world.run_for(SECOND / 10);
        if figures(&world, liar).digest_mismatches.get() > 0 {
            break;
        }
    }
    assert_eq!(figures(&world, liar).digest_mismatches.get(), 1);
    settle(&mut world, 10);
    world.run_for(5 * SECOND);
    assert_eq!(figures(&world, liar).digest_mismatches.get(), 1, "it is whole again");
    check::quiet(&mut world);
    // The checkers say that a copy lied, and nothing else.
    assert_eq!(world.wrongs.len(), 1, "{:#?}", world.wrongs);
}

#[test]
fn tags_of_those_who_are_gone_leave_the_vectors() {
    let retention = Duration::from_secs(120);
    let mut world = ring(Setup { tag_retention: retention, ..setup(8, 3) });
    for round in 0..3 {
        write(&mut world, 0, 2, |n| n + 100 * round);
        world.run_for(2 * SECOND);
        let number = round as usize % 3;
        world.kill(number, true);
        world.run_for(6 * SECOND);
        world.restart(number);
        settle(&mut world, 20);
    }
    let gone = (0..KEYS).filter(|n| n % 2 == 0).map(|n| Ask::Del(key(n))).collect();
    ask(&mut world, 0, 2, gone);
    let entries = |world: &World| -> (usize, usize) {
        let nodes = world.seats.iter().filter_map(|seat| seat.node.as_ref());
        let (mut most, mut floors) = (0, 0);
        for node in nodes {
            for slot in (0..SLOT_COUNT as u16).filter_map(Slot::new) {
                let vector = node.slots.vector(&node.instance.store, slot);
                let had: Vec<u16> = node.view().members().map(|(_, member)| member.tag).collect();
                let left = |entry: &&Version| !had.contains(&entry.tag().get());
                most += vector.entries().iter().filter(left).count();
                floors += usize::from(!vector.floor().is_zero());
            }
        }
        (most, floors)
    };
    assert!(entries(&world).0 > 100 && entries(&world).1 == 0, "{:?}", entries(&world));
    world.run_for(50 * SECOND);
    assert!(entries(&world).1 == 0, "too early: {:?}", entries(&world));
    world.run_for(110 * SECOND);
    assert!(entries(&world).0 == 0 && entries(&world).1 > 100, "{:?}", entries(&world));
    // What was removed is, what was written stays, and who comes back empty learns both.
    world.kill(1, false);
    world.run_for(6 * SECOND);
    world.restart(1);
    settle(&mut world, 20);
    world.run_for(12 * SECOND);
    expect(&mut world, 1, |n| (n % 2 == 1).then_some(n as i64 + 200));
    conclude(world);
}
