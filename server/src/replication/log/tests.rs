//! The log against a list of everything that was ever written.

use super::*;
use crate::base::rng::Rng;

fn slot(index: u64) -> Slot {
    Slot::new(index as u16).unwrap()
}

fn version(at: u64) -> Version {
    Version::from_bits((at + 1) << 12)
}

/// Appends `len` bytes that begin with the position.
fn append(log: &mut Log, of: Slot, len: usize) -> u64 {
    let at = log.next_position();
    let position = log.append(of, version(at), |out| {
        out.extend_from_slice(&(len as u32).to_le_bytes());
        out.extend_from_slice(&at.to_le_bytes());
        out.resize(out.len() + len, 7);
    });
    assert_eq!(position, at);
    position
}

/// The positions of the effects in `bytes`.
fn positions(mut bytes: &[u8]) -> Vec<u64> {
    let mut found = Vec::new();
    while let Some((len, rest)) = bytes.split_first_chunk::<4>() {
        let (position, rest) = rest.split_first_chunk::<8>().unwrap();
        found.push(u64::from_le_bytes(*position));
        bytes = &rest[u32::from_le_bytes(*len) as usize..];
    }
    found
}

#[test]
fn every_effect_is_read_or_its_slot_reported() {
    for seed in 0..30 {
        let mut rng = Rng::seeded(seed);
        let mut log = Log::new(300_000);
        let peers = [1u64, 2, 3];
        peers.iter().for_each(|&peer| log.attach(peer));
        // Peer p replicates the slots that are not multiples of p + 1.
        let replicates = |peer: u64, slot: Slot| !(slot.index() as u64).is_multiple_of(peer + 1);
        let mut written: Vec<Slot> = Vec::new();
        let mut got: [Vec<u64>; 3] = Default::default();
        let mut lost: [SlotSet; 3] = Default::default();
        for _ in 0..3_000 {
            let of = slot(rng.below(50));
            let len = [10, 200, 5_000][rng.below(3) as usize];
            append(&mut log, of, len);
            written.push(of);
            assert!(log.held_bytes() <= 300_000);
            for (index, &peer) in peers.iter().enumerate() {
                // The third hardly ever reads.
                if rng.below([1, 20, 600][index]) == 0 {
                    let mut out = Vec::new();
                    let read = log.read(peer, |of| replicates(peer, of), 20_000, &mut out);
                    assert_eq!(read.count, positions(&out).len());
                    assert!(out.len() < 20_000 + 5_012);
                    got[index].extend(positions(&out));
                    if read.fell_off {
                        let slots = log.take_lost(peer, |of| replicates(peer, of));
                        slots.iter().for_each(|of| lost[index].insert(of));
                    }
                }
            }
        }
        for (index, &peer) in peers.iter().enumerate() {
            let mut out = Vec::new();
            while log.read(peer, |of| replicates(peer, of), usize::MAX / 2, &mut out).more {}
            log.take_lost(peer, |of| replicates(peer, of))
                .iter()
                .for_each(|of| lost[index].insert(of));
            got[index].extend(positions(&out));
            assert!(got[index].is_sorted());
            for (position, of) in written.iter().enumerate() {
                let read = got[index].binary_search(&(position as u64)).is_ok();
                match replicates(peer, *of) {
                    false => assert!(!read && !lost[index].contains(*of)),
                    true => assert!(read || lost[index].contains(*of), "seed {seed}"),
                }
            }
        }
        assert!(lost[0].is_empty() && !lost[2].is_empty());
    }
}

#[test]
fn a_catch_up_is_whole_or_refused() {
    let mut rng = Rng::seeded(41);
    let mut log = Log::new(200_000);
    let mut written: Vec<Slot> = Vec::new();
    for _ in 0..2_000 {
        let of = slot(rng.below(20));
        append(&mut log, of, 10 + rng.below(400) as usize);
        written.push(of);
    }
    let mut whole = 0;
    for _ in 0..2_000 {
        let (of, after) = (slot(rng.below(20)), rng.below(2_000));
        let expected: Vec<u64> =
            (after + 1..2_000).filter(|&position| written[position as usize] == of).collect();
        let mut out = Vec::new();
        let mut from = Some(0);
        while let Some(position) = from {
            let wanted = |slot: Slot, known: Version| slot == of && known > version(after);
            from = log.replay(position, wanted, 1_000, &mut out);
        }
        if log.holds_after(of, version(after)) {
            assert_eq!(positions(&out), expected);
            whole += 1;
        } else {
            assert!(positions(&out).len() < expected.len());
        }
    }
    assert!(whole > 100 && whole < 1_900, "{whole}");
}

#[test]
fn an_effect_larger_than_the_budget_drops_itself() {
    let mut log = Log::new(1_000);
    log.attach(9);
    append(&mut log, slot(3), 100);
    append(&mut log, slot(4), 5_000);
    assert_eq!(log.held_bytes(), 0);
    let mut out = Vec::new();
    let read = log.read(9, |_| true, 1_000, &mut out);
    assert_eq!(read, Read { count: 0, more: false, fell_off: true });
    assert_eq!(log.take_lost(9, |_| true).iter().collect::<Vec<_>>(), [slot(3), slot(4)]);
    append(&mut log, slot(5), 10);
    assert_eq!(log.read(9, |_| true, 1_000, &mut out).count, 1);
    assert_eq!(log.lag(9), Some(0));
    assert_eq!(log.lag(8), None);
}
