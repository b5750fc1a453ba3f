//! Acknowledgements against a plain model, and the cases that clients notice.

use super::*;
use crate::base::rng::Rng;
use std::collections::BTreeSet;

fn slot(index: u64) -> Slot {
    Slot::new(index as u16).unwrap()
}

fn version(at: u64) -> Version {
    Version::from_bits(at << 12 | 1)
}

fn acked(acks: &mut Acks, peer: u64, at: Slot, version: Version) -> Vec<u64> {
    let mut done = Vec::new();
    acks.ack(peer, at, version, |outcome| {
        assert!(outcome.is_met());
        done.push(outcome.ticket);
    });
    done
}

#[test]
fn it_agrees_with_a_model() {
    for seed in 0..200 {
        let mut rng = Rng::seeded(seed);
        let mut acks = Acks::new(1_000);
        // ticket → slot, version, needed, deadline, peers
        let mut open: BTreeMap<u64, (Slot, Version, u32, UnixMs, BTreeSet<u64>)> = BTreeMap::new();
        let mut said: BTreeMap<(u64, Slot), Version> = BTreeMap::new();
        let mut now = 1_000;
        for step in 1..600u64 {
            now += rng.below(4);
            match rng.below(5) {
                0 | 1 => {
                    let (of, needed) = (slot(rng.below(4)), 1 + rng.below(3) as u32);
                    let deadline = now + rng.below(200);
                    let holds = |peer: &u64| said.get(&(*peer, of)) >= Some(&version(step));
                    let peers: BTreeSet<u64> = (0..3).filter(holds).collect();
                    let outcome = acks.wait((of, version(step)), needed, deadline, step).unwrap();
                    assert_eq!(outcome.is_some(), peers.len() >= needed as usize);
                    if outcome.is_none() {
                        open.insert(step, (of, version(step), needed, deadline, peers));
                    }
                }
                2 | 3 => {
                    let (peer, of) = (rng.below(3), slot(rng.below(4)));
                    // Other workers' writes let a peer be ahead of ours.
                    let upto = version(rng.below(step + 5));
                    let entry = said.entry((peer, of)).or_default();
                    *entry = upto.max(*entry);
                    let mut expected = Vec::new();
                    open.retain(|&ticket, (at, version, needed, _, peers)| {
                        if *at == of && *version <= upto {
                            peers.insert(peer);
                        }
                        let met = peers.len() >= *needed as usize;
                        if met {
                            expected.push(ticket);
                        }
                        !met
                    });
                    assert_eq!(acked(&mut acks, peer, of, upto), expected, "seed {seed}");
                }
                _ => {
                    let mut expired = Vec::new();
                    acks.expire(now, |outcome| {
                        let (_, _, needed, deadline, peers) = open.remove(&outcome.ticket).unwrap();
                        assert!(deadline <= now);
                        assert_eq!(outcome.needed, needed);
                        assert_eq!(outcome.acked as usize, peers.len());
                        expired.push(deadline.div_ceil(8));
                    });
                    assert!(expired.is_sorted());
                    assert!(open.values().all(|(_, _, _, deadline, _)| deadline + 8 > now));
                }
            }
            assert_eq!(acks.open_count(), open.len());
        }
    }
}

#[test]
fn a_write_that_needs_less_does_not_wait_for_one_before_it() {
    let mut acks = Acks::new(10);
    assert_eq!(acks.wait((slot(1), version(1)), 2, 1_000, 71), Ok(None));
    assert_eq!(acks.wait((slot(1), version(2)), 1, 1_000, 72), Ok(None));
    assert_eq!(acked(&mut acks, 5, slot(1), version(2)), [72]);
    assert_eq!(acked(&mut acks, 5, slot(1), version(2)), [0; 0], "one peer counts once");
    assert_eq!(acked(&mut acks, 6, slot(1), version(1)), [71]);
    assert_eq!(acks.open_count(), 0);
}

#[test]
fn unmet_writes_say_how_many_hold_them() {
    let mut acks = Acks::new(10);
    acks.wait((slot(1), version(1)), 2, 1_000, 71).unwrap();
    acked(&mut acks, 5, slot(1), version(1));
    assert_eq!(acks.next_deadline(), Some(1_000));
    let mut done = Vec::new();
    acks.expire(999, |outcome| done.push(outcome));
    assert!(done.is_empty());
    acks.expire(1_000, |outcome| done.push(outcome));
    assert_eq!(done, [Outcome { ticket: 71, acked: 1, needed: 2 }]);
    assert!(!done[0].is_met());
    assert_eq!(acks.next_deadline(), None);
}

#[test]
fn waiting_is_bounded() {
    let mut acks = Acks::new(2);
    for at in 1..=2 {
        acks.wait((slot(at), version(at)), 1, 1_000, at).unwrap();
    }
    assert_eq!(acks.wait((slot(3), version(3)), 1, 1_000, 3), Err(Full));
    acked(&mut acks, 5, slot(1), version(1));
    assert_eq!(acks.wait((slot(3), version(3)), 1, 1_000, 3), Ok(None));
}

#[test]
fn wait_counts_the_replicas_that_hold_every_write() {
    let mut acks = Acks::new(10);
    for (peer, at, upto) in [(5, 1, 9), (6, 1, 9), (7, 1, 3), (5, 2, 4)] {
        acked(&mut acks, peer, slot(at), version(upto));
    }
    let holders = |written: &[(u64, u64)]| {
        acks.holders(written.iter().map(|&(at, upto)| (slot(at), version(upto))))
    };
    assert_eq!(holders(&[]), None);
    assert_eq!(holders(&[(1, 3)]), Some(3));
    assert_eq!(holders(&[(1, 9)]), Some(2));
    assert_eq!(holders(&[(1, 9), (2, 4)]), Some(1));
    assert_eq!(holders(&[(1, 9), (2, 5)]), Some(0));
    assert_eq!(holders(&[(3, 1)]), Some(0));
    acks.forget_peer(5);
    assert_eq!(
        acks.holders([(slot(1), version(9))]),
        Some(1),
        "another incarnation holds nothing until it says so"
    );
}

#[test]
fn a_restarted_peer_is_counted_once_and_an_early_write_waits_in_order() {
    // Regression: a peer that acknowledged before and after its restart counted as two copies, and a WAIT for an early write was sorted behind later ones.
    let mut acks = Acks::new(10);
    assert_eq!(acks.wait((slot(1), version(5)), 2, 1_000, 1), Ok(None));
    assert!(acked(&mut acks, 7, slot(1), version(5)).is_empty());
    acks.forget_peer(7);
    assert!(acked(&mut acks, 7, slot(1), version(5)).is_empty(), "the same node again");
    assert_eq!(acks.wait((slot(1), version(3)), 2, 1_000, 2), Ok(None));
    assert_eq!(acked(&mut acks, 8, slot(1), version(5)), [1, 2]);
    assert!(!acks.is_awaited(slot(1)));
}
