//! Three nodes in one process, joined by queues of frames with seeded delays, against one node that has it all.
//!
//! A slot moves as a baton does: its node stops serving it, its keys go over, the next node serves, and the others hear of it later. The harness does
//! by hand what replication and the control plane will do, so that what is tested here is the data plane alone.

mod blocking;
mod copies;
mod flow;
mod gathered;
mod lossy;
mod pieces;
mod takeover;
mod transactions;
mod wide;
mod world;

use super::*;
use world::{Sim, World};

/// Commands of one client on its own keys, from a generator.
fn pipeline(sim: &mut Sim, client: usize) -> Vec<Vec<Vec<u8>>> {
    let count = 1 + sim.below(24);
    (0..count).map(|_| command(sim, client)).collect()
}

fn words(text: &str) -> Vec<Vec<u8>> {
    text.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

fn command(sim: &mut Sim, client: usize) -> Vec<Vec<u8>> {
    let key = |sim: &mut Sim| {
        let number = sim.below(12);
        // Every third key shares the slot of others.
        if number.is_multiple_of(3) {
            format!("{{c{client}}}:{number}")
        } else {
            format!("c{client}:{number}")
        }
    };
    let (a, b, c) = (key(sim), key(sim), key(sim));
    let n = sim.below(1000);
    let text = match sim.below(44) {
        0..=3 => format!("set {a} {n}"),
        4..=7 => format!("get {a}"),
        8..=13 => format!("incr n:{a}"),
        14 => format!("append {a} {n}"),
        15 => format!("mget {a} {b} {c} n:{a}"),
        16 => format!("mset {a} {n} {b} x {c} yy"),
        17 => format!("del {a} {b} {c}"),
        18 => format!("unlink {a} {b}"),
        19 => format!("exists {a} {b} {a} n:{c}"),
        20 => format!("touch {a} {b}"),
        21 => format!("pfadd h:{a} {n} {b}"),
        22 => format!("pfcount h:{a} h:{b}"),
        23 => format!("pfmerge h:{a} h:{b} h:{c}"),
        24 => format!("bitop or {a} {b} {c}"),
        25 => format!("bitop not {a} {b}"),
        26 => format!("copy {a} {b}"),
        27 => format!("copy {a} {b} replace"),
        28 => format!("rename {a} {b}"),
        29 => format!("msetnx {a} 1 {b} 2"),
        30 => format!("setrange {a} 3 {n}"),
        31 => format!("expireat {a} 4102444800"),
        32 => format!("expiretime {a}"),
        33 => format!("persist {a}"),
        34 => format!("select {}", sim.below(3)),
        35 => "ping".to_owned(),
        36 => format!("getset {a} {n}"),
        37 => format!("incrbyfloat n:{a} 0.5"),
        38 => "nosuch".to_owned(),
        39 => format!("get {a} {b}"),
        40 => format!("hello {}", 2 + sim.below(2)),
        41 => "client reply skip".to_owned(),
        42 => format!("bitop xyz {a} {b}"),
        _ => format!("copy {a} {b} db {}", sim.below(3)),
    };
    words(&text)
}

/// What a ring answers otherwise than one node: commands that it refuses over several slots.
fn refused_over_slots(command: &[Vec<u8>]) -> bool {
    let first = command[0].as_slice();
    let keys: Vec<&[u8]> = match first {
        b"rename" => vec![&command[1], &command[2]],
        b"msetnx" => vec![&command[1], &command[3]],
        _ => return false,
    };
    let slots: Vec<_> = keys.iter().map(|key| torc_protocol::slot::slot_of(key)).collect();
    slots[0] != slots[1]
}

/// How many seeds a test runs: `TORC_PLANE_SEEDS` asks for more.
fn seeds(usual: u64) -> u64 {
    let asked = std::env::var("TORC_PLANE_SEEDS").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(usual)
}

/// Returns how many requests came to the wrong node.
fn run_seed(seed: u64, flips: bool) -> u64 {
    let mut world = World::new(seed, &[]);
    let clients: Vec<usize> = (0..9).map(|n| world.connect(n % 3)).collect();
    let mut expected: Vec<Vec<u8>> = vec![Vec::new(); clients.len()];
    for round in 0..60 {
        for &client in &clients {
            if world.sim.below(3) == 0 {
                continue;
            }
            let commands = pipeline(&mut world.sim, client);
            for command in &commands {
                if refused_over_slots(command) {
                    let error = b"-CROSSSLOT Keys in request don't hash to the same slot\r\n";
                    expected[client].extend(world.model_reply(client, error));
                } else {
                    expected[client].extend(world.model(client, command));
                }
            }
            world.send(client, &commands);
        }
        if flips && round % 2 == 0 {
            for _ in 0..40 {
                world.flip_random();
            }
        }
        for _ in 0..world.sim.below(400) {
            world.step();
        }
    }
    world.settle();
    for &client in &clients {
        let (got, wanted) = (world.output(client), &expected[client]);
        if got != wanted.as_slice() {
            let at = got.iter().zip(wanted).take_while(|(a, b)| a == b).count();
            let around = |bytes: &[u8]| {
                let end = bytes.len().min(at + 80);
                bytes[at.saturating_sub(120)..end].escape_ascii().to_string()
            };
            panic!(
                "seed {seed}, client {client}, byte {at}:\n  got    {}\n  wanted {}",
                around(got),
                around(wanted)
            );
        }
    }
    world.check_idle();
    world.misrouted()
}

#[test]
fn three_nodes_answer_as_one() {
    for seed in 0..seeds(12) {
        assert_eq!(run_seed(seed, false), 0);
    }
}

#[test]
fn they_do_while_slots_move() {
    let misrouted: u64 = (100..100 + seeds(20)).map(|seed| run_seed(seed, true)).sum();
    assert!(misrouted > 0, "some nodes heard late of a move");
}
