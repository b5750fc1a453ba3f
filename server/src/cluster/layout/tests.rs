//! The layout against its definition, spelled out slowly, and against itself.

use super::*;
use crate::base::rng::Rng;

/// Nodes as (id, weight, zone).
type Spec = (u64, u16, &'static str);

fn placements(specs: &[Spec]) -> Vec<Placement<'static>> {
    let place = |&(id, weight, zone): &Spec| Placement { node_id: NodeId(id), weight, zone };
    specs.iter().map(place).collect()
}

fn compute(specs: &[Spec], copies: usize) -> Layout {
    Layout::compute(&placements(specs), copies)
}

fn slots() -> impl Iterator<Item = Slot> {
    (0..SLOT_COUNT as u16).map(|index| Slot::new(index).unwrap())
}

const ZONES: [&str; 4] = ["a", "b", "c", "d"];

/// A ring of up to `most` nodes, by chance with zones and weights.
fn random_ring(rng: &mut Rng, most: u64) -> Vec<Spec> {
    let (zones, weights) = (1 + rng.below(4), 1 + rng.below(4));
    (0..1 + rng.below(most))
        .map(|_| (rng.bits(), 1 + rng.below(weights) as u16, ZONES[rng.below(zones) as usize]))
        .collect()
}

/// Deferred acceptance as in a textbook, over slots in the order of `order`: slots propose, full nodes reject the farthest.
fn by_deferred_acceptance(specs: &[Spec], copies: usize, order: &[usize]) -> Vec<Vec<u16>> {
    let (nodes, zone_count) = numbered(&placements(specs));
    let copies = copies.min(nodes.len());
    let zone_limit = copies.div_ceil(zone_count);
    let distance = |slot: usize, node: usize| -> u64 {
        let tokens = 0..TOKENS_PER_WEIGHT * usize::from(nodes[node].weight);
        let token = |j| splitmix64(nodes[node].id.0, j as u64);
        tokens.map(|j| token(j).wrapping_sub(ring::position(slot))).min().unwrap()
    };
    // Each slot's nodes, nearest first.
    let wishes: Vec<Vec<(u64, usize, usize)>> = (0..SLOT_COUNT)
        .map(|slot| {
            let mut wishes: Vec<_> =
                (0..nodes.len()).map(|node| (distance(slot, node), slot, node)).collect();
            wishes.sort_unstable();
            wishes
        })
        .collect();
    let mut lists: Vec<Vec<u16>> = vec![Vec::new(); SLOT_COUNT];
    let mut loads = vec![0usize; nodes.len()];
    for rank in 0..copies {
        let caps = caps::cumulative(&nodes, zone_count, rank + 1, zone_limit);
        let legal = |list: &[u16], node: usize| {
            let zone = nodes[node].zone;
            let alike = list.iter().filter(|&&other| nodes[other as usize].zone == zone);
            !list.contains(&(node as u16)) && alike.count() < zone_limit
        };
        let mut held: Vec<Vec<(u64, usize, usize)>> = vec![Vec::new(); nodes.len()];
        let mut asked = vec![0; SLOT_COUNT];
        let mut free: Vec<usize> = order.to_vec();
        let mut left_over = Vec::new();
        while let Some(slot) = free.pop() {
            let Some(&wish) = wishes[slot].get(asked[slot]) else {
                left_over.push(slot);
                continue;
            };
            asked[slot] += 1;
            let node = wish.2;
            if !legal(&lists[slot], node) {
                free.push(slot);
                continue;
            }
            held[node].push(wish);
            if held[node].len() > (caps[node] as usize).saturating_sub(loads[node]) {
                let farthest = (0..held[node].len()).max_by_key(|&at| held[node][at]).unwrap();
                free.push(held[node].swap_remove(farthest).1);
            }
        }
        let mut chosen: Vec<Option<usize>> = vec![None; SLOT_COUNT];
        held.iter().flatten().for_each(|&(_, slot, node)| chosen[slot] = Some(node));
        for slot in left_over {
            let first = wishes[slot].iter().find(|wish| legal(&lists[slot], wish.2));
            let any = || wishes[slot].iter().find(|wish| !lists[slot].contains(&(wish.2 as u16)));
            chosen[slot] = Some(first.or_else(any).unwrap().2);
        }
        for (slot, node) in chosen.into_iter().enumerate() {
            lists[slot].push(node.unwrap() as u16);
            loads[node.unwrap()] += 1;
        }
    }
    lists
}

#[test]
fn equals_deferred_acceptance_in_any_order() {
    let mut rng = Rng::seeded(1);
    let mut rings: Vec<(Vec<Spec>, usize)> = vec![
        (vec![(1, 1, ""), (2, 1, ""), (3, 1, ""), (4, 100, "")], 3),
        (vec![(1, 1, "a"), (2, 1, "b"), (3, 1, "b"), (4, 1, "b"), (5, 1, "b")], 4),
    ];
    rings.extend((0..6).map(|_| (random_ring(&mut rng, 7), 1 + rng.below(4) as usize)));
    for (specs, copies) in rings {
        let layout = compute(&specs, copies);
        let mut order: Vec<usize> = (0..SLOT_COUNT).collect();
        for i in (1..order.len()).rev() {
            order.swap(i, rng.below(i as u64 + 1) as usize);
        }
        let expected = by_deferred_acceptance(&specs, copies, &order);
        for slot in slots() {
            assert_eq!(layout.list(slot), expected[slot.index()], "{specs:?} × {copies}, {slot:?}");
        }
    }
}

#[test]
fn the_order_of_the_nodes_does_not_matter() {
    let mut rng = Rng::seeded(2);
    for _ in 0..10 {
        let mut specs = random_ring(&mut rng, 20);
        let layout = compute(&specs, 3);
        specs.reverse();
        let middle = specs.len() / 2;
        specs.rotate_left(middle);
        // Nor does it who keeps nothing, or stands there twice.
        specs.push((rng.bits(), 0, "e"));
        specs.push(specs[0]);
        assert_eq!(compute(&specs, 3), layout);
    }
}

#[test]
fn joins_and_leaves_are_inverses() {
    let mut rng = Rng::seeded(3);
    for _ in 0..5 {
        let mut specs = random_ring(&mut rng, 20);
        let sums = |specs: &[Spec]| compute(specs, 3).checksum();
        let before = sums(&specs);
        let joiners: Vec<Spec> = random_ring(&mut rng, 3);
        specs.extend(&joiners);
        assert_ne!(sums(&specs), before);
        // They leave in the order in which they came.
        specs.retain(|spec| !joiners.contains(spec));
        assert_eq!(sums(&specs), before);
    }
}

/// Nothing exceeds its cap at any rank, but for the few slots that are left over. (Weights cannot be honoured where there
/// are hardly more nodes than copies, so small rings have equal ones here.)
#[test]
fn caps_hold() {
    let mut rng = Rng::seeded(4);
    for (nodes, weights) in [(3, 1), (4, 1), (5, 1), (9, 3), (16, 3), (40, 3), (200, 3)] {
        let specs: Vec<Spec> =
            (0..nodes).map(|_| (rng.bits(), 1 + rng.below(weights) as u16, "")).collect();
        let (numbered, zone_count) = numbered(&placements(&specs));
        let layout = compute(&specs, 3);
        let mut over = 0;
        for rank in 1..=3 {
            let caps = caps::cumulative(&numbered, zone_count, rank, 3);
            let mut loads = vec![0u32; specs.len()];
            for slot in slots() {
                layout.list(slot)[..rank].iter().for_each(|&node| loads[node as usize] += 1);
            }
            over +=
                loads.iter().zip(&caps).map(|(load, cap)| load.saturating_sub(*cap)).sum::<u32>();
        }
        assert!(over <= SLOT_COUNT as u32 / 500, "{nodes} nodes: {over} places above their caps");
    }
}

#[test]
fn lists_have_distinct_nodes_of_spread_zones() {
    let mut rng = Rng::seeded(5);
    for _ in 0..30 {
        let specs = random_ring(&mut rng, 12);
        let copies = 1 + rng.below(5) as usize;
        let (nodes, zone_count) = numbered(&placements(&specs));
        let layout = compute(&specs, copies);
        assert_eq!(layout.copies(), copies.min(nodes.len()));
        let limit = layout.copies().div_ceil(zone_count);
        let mut sizes = [0usize; 4];
        nodes.iter().for_each(|node| sizes[node.zone as usize] += 1);
        // Zones of fewer nodes than the limit may force others above it.
        let possible: usize = sizes.iter().map(|&size| size.min(limit)).sum();
        for slot in slots() {
            let list = layout.list(slot);
            let mut counts = [0usize; 4];
            for (at, &node) in list.iter().enumerate() {
                assert!(!list[..at].contains(&node), "{specs:?}: {list:?}");
                counts[nodes[node as usize].zone as usize] += 1;
            }
            let over: usize = counts.iter().map(|&count| count.saturating_sub(limit)).sum();
            assert_eq!(over, layout.copies().saturating_sub(possible), "{specs:?}: {list:?}");
        }
    }
}

#[test]
fn few_nodes_or_none() {
    let none = compute(&[], 3);
    assert_eq!((none.copies(), none.list(Slot::new(7).unwrap())), (0, &[][..]));
    assert!(none.loads().is_empty());
    let one = compute(&[(9, 5, "x")], 3);
    assert!(slots().all(|slot| one.list(slot) == [0]));
    assert_eq!(one.loads(), [(16_384, 16_384)]);
    // All that is placed keeps everything, and the weights decide who is asked first.
    let two = compute(&[(9, 1, ""), (8, 3, "")], 5);
    assert_eq!(two.copies(), 2);
    assert_eq!(two.nodes(), [NodeId(8), NodeId(9)]);
    let primaries = two.loads().iter().map(|load| load.0).collect::<Vec<_>>();
    assert!(
        (2.2..4.0).contains(&(f64::from(primaries[0]) / f64::from(primaries[1]))),
        "{primaries:?}"
    );
    // Bounds hold whatever peers say.
    let most = compute(&[(1, u16::MAX, ""), (2, WEIGHT_MAX, "")], usize::MAX);
    assert_eq!(most, compute(&[(1, WEIGHT_MAX, ""), (2, WEIGHT_MAX, "")], 2));
}

#[test]
fn burdens_are_told() {
    let of = |specs: &[Spec], copies| compute(specs, copies).most_burdened(&placements(specs));
    // With as many zones as copies the small zone keeps a copy of everything: a third of all, with a ninth of the weight.
    let specs = [(1, 1, "a"), (2, 2, "b"), (3, 2, "b"), (4, 2, "c"), (5, 2, "c")];
    assert_eq!(of(&specs, 3), Some((NodeId(1), 300)));
    assert_eq!(of(&[(1, 1, ""), (2, 1, "")], 2), None);
}

/// The results of algorithm 1. If this fails, the layout has changed: nodes of two builds would disagree about who keeps
/// what. Put the old function back, or make the new one [`LAYOUT_ALGO`] 2 and let rings choose.
#[test]
fn algorithm_1_is_frozen() {
    assert_eq!(LAYOUT_ALGO, 1);
    let ids = |count: u64| (0..count).map(|index| splitmix64(0x746f_7263, index));
    let plain = |count| ids(count).map(|id| (id, 1, "")).collect::<Vec<Spec>>();
    let weighted = |count| {
        ids(count).zip([1, 2, 4].into_iter().cycle()).map(|(id, w)| (id, w, "")).collect::<Vec<_>>()
    };
    let zoned = |count: u64, zones: usize| {
        ids(count)
            .zip(ZONES[..zones].iter().cycle())
            .map(|(id, zone)| (id, 1, *zone))
            .collect::<Vec<_>>()
    };
    let skewed = vec![(1, 1, "a"), (2, 3, "b"), (3, 1, "b"), (4, 1, "b"), (5, 100, "c")];
    let cases: [(&str, Vec<Spec>, usize, u64); 10] = [
        ("1 node", plain(1), 3, 0x036f_68a6_16f4_274f),
        ("3 nodes", plain(3), 3, 0x08b6_cb6e_d742_8a93),
        ("5 nodes, 2 copies", plain(5), 2, 0x7b25_3ca5_e2ef_728e),
        ("16 nodes", plain(16), 3, 0xda9e_7c40_3c61_a525),
        ("100 nodes", plain(100), 3, 0xff2d_8e8f_77ee_a31c),
        ("1000 nodes", plain(1000), 3, 0x590c_a517_2a8e_fc47),
        ("9 nodes, weights 1:2:4", weighted(9), 3, 0x9a3d_3783_a847_6dd3),
        ("12 nodes, 3 zones", zoned(12, 3), 3, 0xa490_018d_e204_be43),
        ("10 nodes, 2 zones, 5 copies", zoned(10, 2), 5, 0x5a3d_90d3_c97a_fe55),
        ("unequal zones and weights", skewed, 4, 0x3bf9_bba9_fd08_5ebb),
    ];
    let changed: Vec<String> = cases
        .into_iter()
        .map(|(name, specs, copies, expected)| (name, compute(&specs, copies).checksum(), expected))
        .filter(|(_, found, expected)| found != expected)
        .map(|(name, found, _)| format!("{name}: {found:#018x}"))
        .collect();
    assert!(changed.is_empty(), "changed: {changed:#?}");
}
